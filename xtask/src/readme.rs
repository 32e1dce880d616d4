//! The commands that the documentation shows are run, and what it shows of their output must be there.
//!
//! In a block opened by ```` ```sh ```` every line is a command. In one opened by ```` ```console ```` lines with `$ ` are
//! commands, the lines below one are its output, and a line `...` stands for any number of lines. Only commands of
//! `estuary` and `cargo xtask demo` run; a block whose first line is `# not run` is left alone.

use crate::binaries::binary;
use crate::process::{command, step};
use crate::test::Tally;
use anyhow::{bail, Context, Result};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Pages with examples, where they exist.
const PAGES: [&str; 4] = [
    "README.md",
    "docs/risk-cli.md",
    "docs/liquidation-cli.md",
    "docs/deploy.md",
];

/// One command and the output that the page shows.
#[derive(Debug, PartialEq, Eq)]
struct Example {
    command: String,
    output: Vec<String>,
}

/// Runs the examples of every page; those that need the ELF only when `with_elf`. Packages in `excluded` are not built.
///
/// # Errors
/// When a page cannot be read or the command line cannot be built; a differing example is a failed test.
pub fn test(root: &Path, with_elf: bool, excluded: &[&str]) -> Result<Tally> {
    let estuary = binary(root, "estuary-cli", "estuary", excluded)?;
    let mut tally = Tally::default();
    for page in PAGES {
        let Ok(text) = fs::read_to_string(root.join(page)) else {
            continue;
        };
        for example in examples(&text) {
            let Some(arguments) = arguments(&example.command, with_elf) else {
                continue;
            };
            match check(command(&estuary, root), &example, &arguments) {
                Ok(()) => tally.passed += 1,
                Err(error) => {
                    tally.failed += 1;
                    eprintln!("xtask: {page}: `{}`: {error:#}", example.command);
                }
            }
        }
    }
    step(format!(
        "examples of the documentation: {} agree, {} differ",
        tally.passed, tally.failed
    ));
    Ok(tally)
}

/// What kind of block a line of a page is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    None,
    Commands,
    Console,
}

/// The examples of a page, in order.
fn examples(text: &str) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    let (mut block, mut command_seen) = (Block::None, false);
    for line in text.lines() {
        if line.starts_with("```") {
            command_seen = false;
            block = match (block, line.trim_end()) {
                (Block::None, "```sh") => Block::Commands,
                (Block::None, "```console") => Block::Console,
                _ => Block::None,
            };
            continue;
        }
        if !command_seen && line.trim() == "# not run" {
            block = Block::None;
        }
        let command = match block {
            Block::None => continue,
            Block::Commands => Some(line),
            Block::Console => line.strip_prefix("$ "),
        };
        if let Some(command) = command {
            let command = command
                .split(" #")
                .next()
                .unwrap_or(command)
                .trim()
                .to_owned();
            found.push(Example {
                command,
                output: Vec::new(),
            });
            command_seen = true;
        } else if let (true, Some(example)) = (command_seen, found.last_mut()) {
            example.output.push(line.trim_end().to_owned());
        }
    }
    found
}

/// Arguments for the `estuary` binary, if the command is one that runs here.
fn arguments(command: &str, with_elf: bool) -> Option<Vec<String>> {
    let words = |text: &str| {
        text.split_whitespace()
            .map(|word| word.trim_matches('\'').to_owned())
            .collect()
    };
    if let Some(rest) = command.strip_prefix("cargo xtask demo") {
        let elf = " --elf target/deploy/estuary.so";
        return with_elf.then(|| words(&format!("demo{elf}{rest}")));
    }
    let direct = command.strip_prefix("estuary ");
    let through_cargo = command
        .strip_prefix("cargo run")
        .and_then(|rest| rest.split_once(" -- "));
    let rest = direct.or(through_cargo.map(|(_, rest)| rest))?;
    // Pipes and redirections belong to a shell.
    (!rest.contains(['|', '<', '>'])).then(|| words(rest))
}

/// Runs one example and compares.
fn check(mut estuary: Command, example: &Example, arguments: &[String]) -> Result<()> {
    let done = estuary
        .args(arguments)
        .output()
        .context("could not start the command line")?;
    if !done.status.success() {
        bail!(
            "failed: {}\n{}",
            done.status,
            String::from_utf8_lossy(&done.stderr)
        );
    }
    let printed = String::from_utf8_lossy(&done.stdout);
    let printed: Vec<&str> = printed.lines().map(str::trim_end).collect();
    let shown: Vec<&str> = example.output.iter().map(String::as_str).collect();
    if shown.iter().all(|line| line.is_empty()) || matches(&shown, &printed) {
        return Ok(());
    }
    bail!(
        "the page shows other output than this:\n{}",
        printed.join("\n")
    )
}

/// Whether the printed lines are the shown ones, `...` standing for any number of lines.
fn matches(shown: &[&str], printed: &[&str]) -> bool {
    match (shown.split_first(), printed.split_first()) {
        (None, rest) => rest.is_none(),
        (Some((&"...", shown)), _) => {
            (0..=printed.len()).any(|skip| matches(shown, &printed[skip..]))
        }
        (Some((line, shown)), Some((found, printed))) => line == found && matches(shown, printed),
        (Some((line, shown)), None) => line.is_empty() && matches(shown, printed),
    }
}

#[cfg(test)]
mod tests {
    use super::{arguments, examples, matches, Example};

    #[test]
    fn examples_are_found_with_their_output() {
        let page = "text\n```console\n$ estuary risk a\none\n...\n```\n```\n$ y\n```\n```sh\nls   # here\n```\n\
                    ```console\n# not run\n$ x\n```\n";
        let expected = [
            Example {
                command: "estuary risk a".into(),
                output: vec!["one".into(), "...".into()],
            },
            Example {
                command: "ls".into(),
                output: vec![],
            },
        ];
        assert_eq!(examples(page), expected);
    }

    #[test]
    fn only_our_own_commands_run() {
        assert_eq!(arguments("ls", true), None);
        assert_eq!(
            arguments("estuary risk price --input -", true).map(|words| words.len()),
            Some(4)
        );
        assert_eq!(
            arguments("estuary risk margin < portfolio.json", true),
            None
        );
        assert_eq!(arguments("cargo xtask demo", false), None);
        assert!(arguments("cargo run -q -p estuary-cli -- risk price", true).is_some());
    }

    #[test]
    fn dots_stand_for_any_lines() {
        assert!(matches(&["a", "...", "c"], &["a", "b", "b", "c"]));
        assert!(matches(&["..."], &[]));
        assert!(!matches(&["a", "..."], &["b"]));
        assert!(!matches(&["a"], &["a", "b"]));
    }
}
