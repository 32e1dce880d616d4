//! `cargo xtask run`: long runs of tests that are random, recorded so that anyone can repeat them.

use crate::process::{command, host_cargo, output, run, step};
use crate::sbf;
use anyhow::{bail, Context, Result};
use serde_json::{Map, Value};
use std::fs;
use std::path::Path;

/// Where the run of the stateful test is recorded.
const STATEFUL: &str = "docs/runs/stateful.json";
/// Seeds of that run, each a history of its own.
const SEEDS: &str = "1,2,3,4,5,6,7,8,9,10";
/// Instructions per seed, before the end in which everybody leaves.
const STEPS: &str = "6000";

/// Builds the program, runs the stateful test with its recorded seeds, and writes what was sent and how it ended.
///
/// # Errors
/// When tracked files differ from the commit that the record names, or the test fails.
pub fn stateful(root: &Path) -> Result<()> {
    let git = |arguments: &[&str]| output(command("git", root).args(arguments));
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    let changed: Vec<_> = changed
        .lines()
        .filter(|line| !line.ends_with(STATEFUL))
        .collect();
    if !changed.is_empty() {
        bail!(
            "the record names a commit, and files differ from it: {}",
            changed.join(", ")
        );
    }
    let commit = git(&["rev-parse", "HEAD"])?;
    sbf::build(root, &[sbf::ESTUARY])?;
    let path = root.join(STATEFUL);
    let folder = path.parent().context("a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("could not make {}", folder.display()))?;
    let mut cargo = host_cargo(root);
    cargo.args(["test", "--locked", "--package", "estuary-tests"]);
    cargo.args(["--test", "stateful"]);
    cargo.env("ESTUARY_FUZZ_SEED", SEEDS);
    cargo.env("ESTUARY_FUZZ_STEPS", STEPS);
    cargo.env("ESTUARY_FUZZ_RECORD", &path);
    run(&mut cargo)?;
    let text = fs::read_to_string(&path).with_context(|| format!("{STATEFUL} was not written"))?;
    let counted: Map<String, Value> =
        serde_json::from_str(&text).with_context(|| format!("{STATEFUL} is malformed"))?;
    let mut record = Map::new();
    record.insert("command".to_owned(), "cargo xtask run stateful".into());
    record.insert("commit".to_owned(), commit.trim().into());
    let per_seed: u64 = STEPS.parse().context("a number of instructions")?;
    record.insert("instructions_per_seed".to_owned(), per_seed.into());
    record.extend(counted);
    let text = serde_json::to_string_pretty(&record)? + "\n";
    fs::write(&path, text).with_context(|| format!("could not write {STATEFUL}"))?;
    step(format!("wrote {STATEFUL}"));
    Ok(())
}
