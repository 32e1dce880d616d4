//! What the tests of commands on a portfolio share.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// Runs a command and its action with a portfolio on standard input.
pub fn run([command, action]: [&str; 2], format: &str, input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_estuary"))
        .args([command, action, "--input", "-", "--output", format])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin
        .write_all(input.as_bytes())
        .expect("it reads its input");
    drop(stdin);
    child.wait_with_output().expect("the binary ends")
}

/// A file of this package or of the repository.
pub fn repository_file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(path)
}

/// The page with the code block after `<!-- name -->` replaced.
pub fn with_block(page: &str, name: &str, content: &str) -> String {
    let marker = format!("<!-- {name} -->\n");
    let (before, rest) = page.split_once(&marker).expect(name);
    let (fence, rest) = rest.split_once('\n').expect("an opening fence");
    let (_, after) = rest.split_once("\n```\n").expect("a closing fence");
    format!(
        "{before}{marker}{fence}\n{}\n```\n{after}",
        content.trim_end()
    )
}
