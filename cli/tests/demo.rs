//! `estuary demo` as a user runs it, on the real ELF.
//!
//! Without an ELF the tests that need one fail and say how to make it; `ESTUARY_ALLOW_NO_SBF=1` leaves them out.

mod common;

use common::elf;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn demo(elf: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_estuary"))
        .args(["demo", "--elf"])
        .arg(elf)
        .args(arguments)
        .output()
        .expect("the command line starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// A price file of the test's own.
fn price_file(name: &str, rows: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let head = "timestamp,symbol,open,high,low,close\n";
    std::fs::write(&path, format!("{head}{rows}")).expect("a file in the tests' folder");
    path
}

#[test]
fn the_synthetic_crash_liquidates_the_directional_trader_only() {
    let Some(elf) = elf() else { return };
    let output = demo(&elf, &[]);
    let (said, complaints) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{said}\n{complaints}");
    assert!(said.contains("SYNTHETIC"), "{said}");
    assert!(
        said.chars().all(|c| c == '\n' || !c.is_control()),
        "control characters in {said:?}"
    );
    let headlines: Vec<&str> = said.lines().filter(|line| line.starts_with("* ")).collect();
    assert!(!headlines.is_empty(), "{said}");
    assert!(
        headlines
            .iter()
            .all(|line| line.contains("directional trader liquidated")),
        "{headlines:?}"
    );
    for words in [
        "compared with the native engine: equal to the last micro-unit",
        "checked after every step: always held",
        "Success: identities hold, reports agree; no account left that could be liquidated",
    ] {
        assert!(said.contains(words), "no «{words}» in {said}");
    }
}

#[test]
fn a_file_with_one_unknown_symbol_and_no_crash_replays() {
    let Some(elf) = elf() else { return };
    let rows = "2025-01-01T00:00:00Z,WIF,1.85,1.9,1.8,1.88\n2025-01-01T01:00:00Z,WIF,1.88,1.89,1.82,1.83\n";
    let file = price_file("one-symbol.csv", rows);
    let output = demo(&elf, &["--prices", file.to_str().expect("UTF-8")]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", text(&output.stderr));
    assert!(
        said.contains("no account fell below its maintenance margin"),
        "{said}"
    );
    assert!(!said.contains("SYNTHETIC"), "{said}");
}

#[test]
fn an_account_that_is_left_below_maintenance_fails_the_run() {
    let Some(elf) = elf() else { return };
    // Tenfold in an hour: the market maker is short, and the liquidator is too small to take its positions.
    let rows = "2025-01-01T00:00:00Z,WIF,1.8,1.8,1.8,1.8\n2025-01-01T01:00:00Z,WIF,18,18,18,18\n";
    let file = price_file("tenfold.csv", rows);
    let output = demo(&elf, &["--prices", file.to_str().expect("UTF-8")]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for words in [
        "DEFICIT: the market maker",
        "ends below maintenance margin and COULD BE LIQUIDATED",
        "checked after every step: always held",
        "FAILURE: identities hold, reports agree",
    ] {
        assert!(said.contains(words), "no «{words}» in {said}");
    }
}

#[test]
fn a_wrong_price_is_named_by_line_and_field() {
    let Some(elf) = elf() else { return };
    let rows =
        "2025-01-01T00:00:00Z,WIF,1.85,1.9,1.8,1.88\n2025-01-01T01:00:00Z,WIF,1.88,1.7,1.6,1.65\n";
    let file = price_file("wrong.csv", rows);
    let output = demo(&elf, &["--prices", file.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "");
    let complaint = text(&output.stderr);
    assert!(
        complaint.contains("line 3, field high: below the open or the close"),
        "{complaint}"
    );
}

#[test]
fn a_missing_program_is_an_error_that_says_how_to_make_it() {
    let output = demo(Path::new("no/such/estuary.so"), &[]);
    assert_eq!(output.status.code(), Some(2));
    let complaint = text(&output.stderr);
    assert!(complaint.contains("cargo xtask build-sbf"), "{complaint}");
}
