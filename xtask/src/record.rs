//! `cargo xtask run`: long runs, recorded so that anyone can repeat them.

mod certified;
mod kernel;

use crate::process::{command, host_cargo, output, run, step};
use crate::sbf;
use anyhow::{bail, Context, Result};
use serde_json::{Map, Value};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use certified::certified;
pub use kernel::kernel;

/// Seeds of the stateful run, each a history of its own.
const SEEDS: &str = "1,2,3,4,5,6,7,8,9,10";
/// Instructions per seed, before the end in which everybody leaves.
const STEPS: &str = "6000";
/// Seeds of the replayed crash, each with books of its own, and accounts of each.
const CRASH_SEEDS: &str = "1,2,3";
const CRASH_ACCOUNTS: &str = "200";
/// Fullest accounts that are liquidated on the ELF.
const FULLEST: &str = "480";
/// What it replays, from the folder of the checkout.
const CRASH_PRICES: &str = "../shared/data/prices/crash-2025-10-30m.csv";

/// A run whose figures belong to a commit.
pub struct Recording<'a> {
    root: &'a Path,
    name: &'static str,
    commit: String,
}

impl<'a> Recording<'a> {
    /// A run called `name`, written to `docs/runs/NAME.json` and the pages it also writes.
    ///
    /// # Errors
    /// When tracked files other than those differ from the commit that the record names.
    pub fn begin(root: &'a Path, name: &'static str, pages: &[&str]) -> Result<Self> {
        let git = |arguments: &[&str]| output(command("git", root).args(arguments));
        let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
        let written = |line: &str| {
            line.ends_with(&format!("docs/runs/{name}.json"))
                || pages.iter().any(|page| line.ends_with(page))
        };
        let changed: Vec<_> = changed.lines().filter(|line| !written(line)).collect();
        if !changed.is_empty() {
            bail!(
                "the record names a commit, and files differ from it: {}",
                changed.join(", ")
            );
        }
        Ok(Self {
            root,
            name,
            commit: git(&["rev-parse", "HEAD"])?.trim().to_owned(),
        })
    }

    /// Where the record goes; its folder exists.
    pub fn path(&self) -> Result<PathBuf> {
        let path = self.root.join(format!("docs/runs/{}.json", self.name));
        let folder = path.parent().context("a folder")?;
        fs::create_dir_all(folder)
            .with_context(|| format!("could not make {}", folder.display()))?;
        Ok(path)
    }

    /// Runs a test that writes its figures to the file this recording gives it in the variable `place`.
    pub fn measured_by(&self, mut test: Command, place: &str) -> Result<Map<String, Value>> {
        let path = self.path()?;
        test.env(place, &path);
        run(&mut test)?;
        let text = fs::read_to_string(&path)
            .with_context(|| format!("{} was not written", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is malformed", path.display()))
    }

    /// Fills the generated sections of a page.
    ///
    /// # Errors
    /// When the page cannot be read or written, and those of `filled`.
    pub fn fill(&self, page: &str, filled: impl Fn(&str) -> Result<String>) -> Result<()> {
        let path = self.root.join(page);
        let text = fs::read_to_string(&path).with_context(|| format!("could not read {page}"))?;
        fs::write(&path, filled(&text)?).with_context(|| format!("could not write {page}"))?;
        step(format!("wrote {page}"));
        Ok(())
    }

    /// Writes the figures under the command and the commit that make them.
    pub fn write(&self, figures: Map<String, Value>) -> Result<()> {
        let mut record = Map::new();
        let command = format!("cargo xtask run {}", self.name);
        record.insert("command".to_owned(), command.into());
        record.insert("commit".to_owned(), self.commit.as_str().into());
        record.extend(figures);
        let path = self.path()?;
        let text = serde_json::to_string_pretty(&record)? + "\n";
        fs::write(&path, text).with_context(|| format!("could not write {}", path.display()))?;
        step(format!("wrote {}", path.display()));
        Ok(())
    }
}

/// Builds the program, runs the stateful test with its recorded seeds, and writes what was sent and how it ended.
///
/// # Errors
/// Those of [`Recording::begin`], or the test fails.
pub fn stateful(root: &Path) -> Result<()> {
    let recording = Recording::begin(root, "stateful", &[])?;
    sbf::build(root, &[sbf::ESTUARY])?;
    let mut cargo = host_cargo(root);
    cargo.args(["test", "--locked", "--package", "estuary-tests"]);
    cargo.args(["--test", "stateful"]);
    cargo.env("ESTUARY_FUZZ_SEED", SEEDS);
    cargo.env("ESTUARY_FUZZ_STEPS", STEPS);
    let mut figures = recording.measured_by(cargo, "ESTUARY_FUZZ_RECORD")?;
    let per_seed: u64 = STEPS.parse().context("a number of instructions")?;
    figures.insert("instructions_per_seed".to_owned(), per_seed.into());
    recording.write(figures)
}

/// Options priced, accounts scanned and evaluated in a second on one core, with the instructions this machine has.
///
/// # Errors
/// Those of [`Recording::begin`], or the benchmark fails.
pub fn throughput(root: &Path) -> Result<()> {
    let recording = Recording::begin(root, "throughput", &[])?;
    let mut cargo = host_cargo(root);
    cargo.args(["bench", "--locked", "--package", "estuary-risk"]);
    cargo.args(["--bench", "throughput"]);
    // Flags of their own would otherwise make every other build anew.
    cargo.arg("--target-dir").arg(root.join("target/native"));
    let mut flags = "-C target-cpu=native".to_owned();
    if cfg!(target_arch = "x86_64") {
        // The widest vectors for the sums of a scan; the kernel's table is faster read number by number than gathered.
        flags.push_str(" -C target-feature=-prefer-256-bit,+prefer-no-gather");
    }
    cargo.env("RUSTFLAGS", flags);
    let figures = recording.measured_by(cargo, "ESTUARY_THROUGHPUT_RECORD")?;
    recording.write(figures)
}

/// Liquidates random accounts, thousands by the engine and the fullest ones there can be by the program.
///
/// # Errors
/// Those of [`Recording::begin`], or a test fails.
pub fn liquidation(root: &Path) -> Result<()> {
    let recording = Recording::begin(root, "liquidation", &[])?;
    let mut engine = host_cargo(root);
    engine.args(["test", "--locked", "--package", "estuary-risk"]);
    engine.args(["--test", "liquidation"]);
    engine.env("ESTUARY_EXHAUSTIVE", "1");
    let mut figures = recording.measured_by(engine, "ESTUARY_LIQUIDATION_RECORD")?;
    sbf::build(root, &[sbf::ESTUARY])?;
    let mut program = host_cargo(root);
    program.args(["test", "--locked", "--package", "estuary-tests"]);
    program.args(["--test", "fullest_accounts"]);
    program.env("ESTUARY_FULLEST", FULLEST);
    figures.extend(recording.measured_by(program, "ESTUARY_FULLEST_RECORD")?);
    recording.write(figures)
}

/// Builds the program, replays all bars of the crash of October 2025 through it, and writes what that did to the accounts.
///
/// # Errors
/// Those of [`Recording::begin`], the prices are not beside the checkout, or the test fails.
pub fn crash(root: &Path) -> Result<()> {
    let recording = Recording::begin(root, "crash", &[])?;
    // Without it the test would be skipped, and an old record pass for a new one.
    if !root.join(CRASH_PRICES).is_file() {
        bail!("{CRASH_PRICES} is missing");
    }
    sbf::build(root, &[sbf::ESTUARY])?;
    let mut cargo = host_cargo(root);
    cargo.args(["test", "--locked", "--package", "estuary-tests"]);
    cargo.args(["--test", "crash"]);
    cargo.env("ESTUARY_CRASH_SEED", CRASH_SEEDS);
    cargo.env("ESTUARY_CRASH_ACCOUNTS", CRASH_ACCOUNTS);
    cargo.env("ESTUARY_CRASH_WHOLE", "1");
    let figures = recording.measured_by(cargo, "ESTUARY_CRASH_RECORD")?;
    recording.write(figures)
}
