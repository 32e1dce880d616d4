//! The workspace's own binaries, built as `cargo test --workspace` builds them.
//!
//! Cargo unifies features over the packages of one command. `cargo run --package estuary-cli` selects other features of
//! fifty dependencies than `cargo test --workspace` and compiles them and all that needs them a second time: many minutes.

use crate::process::{host_cargo, output};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A test target of this package, built with the binaries: only a command with a target that needs development
/// dependencies selects their features, as `cargo test` does.
const TEST_TARGET: &str = "invariants";

/// The executable called `name` of the package called `package`, built if it is not current.
///
/// After `cargo test --workspace` with the same `excluded` packages nothing is left to build.
///
/// # Errors
/// When it cannot be built, or when the package has no such binary.
pub fn binary(root: &Path, package: &str, name: &str, excluded: &[&str]) -> Result<PathBuf> {
    let mut cargo = host_cargo(root);
    cargo.args([
        "build",
        "--workspace",
        "--locked",
        "--bins",
        "--test",
        TEST_TARGET,
    ]);
    cargo.args(["--quiet", "--message-format", "json-render-diagnostics"]);
    exclude(&mut cargo, excluded);
    executable(&output(&mut cargo)?, package, name)
        .with_context(|| format!("cargo built no binary {name} of {package}"))
}

/// Leaves packages out of a command over the workspace.
pub fn exclude(cargo: &mut Command, packages: &[&str]) {
    for package in packages {
        cargo.args(["--exclude", package]);
    }
}

/// The path of a binary in cargo's messages, one JSON object to a line.
fn executable(messages: &str, package: &str, name: &str) -> Option<PathBuf> {
    let path = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let target = message.get("target")?;
        let is_binary = target
            .get("kind")?
            .as_array()?
            .iter()
            .any(|kind| kind == "bin");
        // `path+file:///folder#0.1.0` where the folder has the package's name, else `path+file:///folder#package@0.1.0`.
        let id = message.get("package_id")?.as_str()?;
        let (folder, version) = id.rsplit_once('#')?;
        let of_package = version.split('@').next() == Some(package)
            || folder.rsplit('/').next() == Some(package);
        let wanted = is_binary && of_package && target.get("name")? == name;
        let path = message.get("executable")?.as_str()?;
        wanted.then(|| PathBuf::from(path))
    };
    messages.lines().find_map(path)
}

#[cfg(test)]
mod tests {
    use super::executable;
    use std::path::PathBuf;

    #[test]
    fn a_binary_is_found_by_package_and_name() {
        let line = |id: &str, kind: &str, name: &str, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","package_id":"path+file:///w/{id}","target":{{"kind":["{kind}"],"name":"{name}"}},"executable":{executable}}}"#
            )
        };
        let messages = [
            r#"{"reason":"build-script-executed","package_id":"path+file:///w/a#0.1.0"}"#
                .to_owned(),
            line("cli#one@0.1.0", "lib", "tool", "null"),
            line("two#0.1.0", "bin", "tool", r#""/t/other""#),
            line("cli#one@0.1.0", "test", "tool", r#""/t/test""#),
            line("cli#one@0.1.0", "bin", "tool", r#""/t/tool""#),
        ]
        .join("\n");
        let found = |package, name| executable(&messages, package, name);
        assert_eq!(found("one", "tool"), Some(PathBuf::from("/t/tool")));
        assert_eq!(found("two", "tool"), Some(PathBuf::from("/t/other")));
        assert_eq!(found("one", "else"), None);
    }
}
