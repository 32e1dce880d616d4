//! `cargo xtask test`: builds the ELFs once, runs every suite, and closes with one line for all of them.

use crate::binaries::exclude;
use crate::process::{host_cargo, step};
use crate::{bench, idl, readme, sbf};
use anyhow::{bail, Context, Result};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// With this variable at 1, missing ELF tools leave suites out without failing the run.
const ALLOW_NO_SBF: &str = "ESTUARY_ALLOW_NO_SBF";
/// Packages whose tests run the ELF.
const NEED_ELF: [&str; 1] = ["estuary-tests"];

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Passed.
    pub passed: u64,
    /// Failed.
    pub failed: u64,
}

impl Tally {
    /// Adds another tally.
    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Runs the tests.
///
/// # Errors
/// When a test failed, when a suite did not run to its end, and when the ELF tools are missing (unless allowed).
pub fn test(root: &Path) -> Result<()> {
    let missing = match sbf::build(root, &[sbf::ESTUARY, sbf::DIFFERENTIAL, sbf::ESTUARY_WIDE]) {
        Ok(_) => None,
        // Only for missing tools: a program that does not compile is a failure.
        Err(error) => Some(error.downcast::<sbf::Unavailable>()?),
    };
    let mut cargo = host_cargo(root);
    cargo.args(["test", "--workspace", "--locked", "--no-fail-fast"]);
    let excluded: &[&str] = if missing.is_some() { &NEED_ELF } else { &[] };
    exclude(&mut cargo, excluded);
    let (mut tally, complete) = run_suites(&mut cargo)?;
    tally.add(readme::test(root, missing.is_none(), excluded)?);
    if missing.is_none() {
        tally.add(as_test(bench::check(root)));
    }
    // After the suites: their build made most of what the IDL's needs.
    tally.add(as_test(idl::check(root, idl::Selection::Workspace)));
    if let Some(reason) = &missing {
        step(format!(
            "left out, because they run the ELF: {}",
            NEED_ELF.join(", ")
        ));
        step(format!("the reason: {reason}"));
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    if tally.failed > 0 {
        bail!("tests failed");
    }
    if !complete {
        bail!("a suite did not run to its end");
    }
    let allowed = std::env::var(ALLOW_NO_SBF).is_ok_and(|value| value == "1");
    if missing.is_some() && !allowed {
        bail!("suites were left out; {ALLOW_NO_SBF}=1 accepts that");
    }
    Ok(())
}

/// A comparison with what is committed, as one test.
fn as_test(outcome: Result<()>) -> Tally {
    let passed = u64::from(outcome.is_ok());
    if let Err(error) = outcome {
        eprintln!("xtask: {error:#}");
    }
    Tally {
        passed,
        failed: 1 - passed,
    }
}

/// Runs cargo, passing its output on, and adds up what the suites report; whether it ended well.
fn run_suites(cargo: &mut Command) -> Result<(Tally, bool)> {
    step("running every suite");
    let mut child = cargo
        .stdout(Stdio::piped())
        .spawn()
        .context("could not start cargo test")?;
    let output = child.stdout.take().context("cargo test has an output")?;
    let mut tally = Tally::default();
    for line in BufReader::new(output).lines() {
        let line = line.context("cargo test printed something that is not UTF-8")?;
        println!("{line}");
        tally.add(suite_tally(&line).unwrap_or_default());
    }
    Ok((tally, child.wait()?.success()))
}

/// The figures of a suite's closing line: `test result: ok. 3 passed; 0 failed; 0 ignored; ...`.
fn suite_tally(line: &str) -> Option<Tally> {
    let figures = line.strip_prefix("test result: ")?;
    let figure = |name: &str| {
        let before = figures.split(name).next()?;
        before
            .rsplit(' ')
            .find(|word| !word.is_empty())?
            .parse()
            .ok()
    };
    Some(Tally {
        passed: figure(" passed;")?,
        failed: figure(" failed;")?,
    })
}

#[cfg(test)]
mod tests {
    use super::{suite_tally, Tally};

    #[test]
    fn closing_lines_are_read() {
        let good = "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.2s";
        assert_eq!(
            suite_tally(good),
            Some(Tally {
                passed: 12,
                failed: 0
            })
        );
        let bad = "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(
            suite_tally(bad),
            Some(Tally {
                passed: 3,
                failed: 2
            })
        );
        assert_eq!(suite_tally("test a ... ok"), None);
    }
}
