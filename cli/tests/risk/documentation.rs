//! The examples of docs/risk-cli.md run, and their output is the one printed there.
//! `ESTUARY_BLESS=1` writes the blocks anew.

use std::process::Command;

use super::portfolio::{repository_file, with_block};

const PAGE: &str = "docs/risk-cli.md";
const EXAMPLE: &str = "cli/examples/portfolio.json";
const IN_THE_WINDOW: &str = "cli/examples/settlement.json";

fn example_output(example: &str, action: &str, format: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_estuary"))
        .args(["risk", action, "--output", format, "--input"])
        .arg(repository_file(example))
        .output()
        .expect("the binary starts");
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{message}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_page_shows_what_the_command_does() {
    let path = repository_file(PAGE);
    let page = std::fs::read_to_string(&path).expect(PAGE);
    let example = std::fs::read_to_string(repository_file(EXAMPLE)).expect(EXAMPLE);
    let mut wanted = with_block(&page, "example", &example);
    for (action, format) in [
        ("margin", "json"),
        ("margin", "table"),
        ("price", "json"),
        ("price", "table"),
    ] {
        let name = format!("{action} {format}");
        wanted = with_block(&wanted, &name, &example_output(EXAMPLE, action, format));
    }
    for format in ["json", "table"] {
        let name = format!("settlement {format}");
        let output = example_output(IN_THE_WINDOW, "price", format);
        wanted = with_block(&wanted, &name, &output);
        example_output(IN_THE_WINDOW, "margin", format);
    }
    if std::env::var_os("ESTUARY_BLESS").is_some() {
        std::fs::write(&path, &wanted).expect("the page can be written");
    }
    let page = std::fs::read_to_string(&path).expect(PAGE);
    assert!(
        page == wanted,
        "{PAGE} shows other output than the command gives; ESTUARY_BLESS=1 writes it anew"
    );
}
