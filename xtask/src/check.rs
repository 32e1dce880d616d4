//! `cargo xtask check`: everything that judges the sources without running them.

use crate::process::{command, host_cargo, run, step, succeeds};
use anyhow::{bail, Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Version of cargo-deny, installed under `target/tools`.
const DENY: &str = "0.20.2";

/// One check of the workspace at a path.
type Check = fn(&Path) -> Result<()>;

/// Runs every check, the cheap ones first, and reports all that fail.
///
/// # Errors
/// Names the checks that failed; their own output is above.
pub fn check(root: &Path) -> Result<()> {
    let checks: [(&str, Check); 5] = [
        ("formatting", formatting),
        ("dependencies", dependencies),
        ("clippy", clippy),
        ("legacy push oracle", legacy),
        ("documentation", documentation),
    ];
    let mut failed = Vec::new();
    for (name, check) in checks {
        step(format!("check: {name}"));
        if let Err(error) = check(root) {
            eprintln!("xtask: {name}: {error:#}");
            failed.push(name);
        }
    }
    if !failed.is_empty() {
        bail!("these checks failed: {}", failed.join(", "));
    }
    step("every check passed");
    Ok(())
}

fn formatting(root: &Path) -> Result<()> {
    run(host_cargo(root).args(["fmt", "--all", "--", "--check"]))
}

fn clippy(root: &Path) -> Result<()> {
    let arguments = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ];
    run(host_cargo(root).args(arguments))
}

/// The adapter for the older price account is off by default, so nothing else compiles it.
fn legacy(root: &Path) -> Result<()> {
    let feature = [
        "--package",
        "estuary",
        "--features",
        "legacy-push-oracle",
        "--locked",
    ];
    run(host_cargo(root).arg("check").args(feature))
}

/// Libraries only: the command line's binary has the program's name, and both would be one page.
fn documentation(root: &Path) -> Result<()> {
    let mut cargo = host_cargo(root);
    cargo.args(["doc", "--workspace", "--lib", "--no-deps", "--locked"]);
    run(cargo.env("RUSTDOCFLAGS", "-D warnings"))
}

/// Bans, licences and sources always; advisories only where their database can be fetched.
fn dependencies(root: &Path) -> Result<()> {
    let deny = ensure_deny(root)?;
    let deny = |arguments: &[&str]| {
        let mut command = command(&deny, root);
        // cargo-deny asks cargo for the graph: the workspace's own.
        command
            .args(["--locked", "--log-level", "error"])
            .args(arguments);
        command
    };
    run(&mut deny(&[
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]))?;
    if !succeeds(&mut deny(&["fetch", "db"])) {
        step("advisories are left out: their database cannot be fetched from here");
        return Ok(());
    }
    run(&mut deny(&["--offline", "check", "advisories"]))
}

/// Path of the pinned cargo-deny, installed under `target/tools` when missing.
fn ensure_deny(root: &Path) -> Result<PathBuf> {
    let tools = root.join("target/tools");
    let deny = tools.join("bin/cargo-deny");
    let found = Command::new(&deny).arg("--version").output().ok();
    let wanted = format!("cargo-deny {DENY}");
    if found.is_some_and(|found| String::from_utf8_lossy(&found.stdout).trim() == wanted) {
        return Ok(deny);
    }
    step(format!(
        "installing cargo-deny {DENY} into {}",
        tools.display()
    ));
    let mut cargo = host_cargo(root);
    // Without optimisation: it runs for a second and would compile for minutes.
    cargo.args([
        "install",
        "cargo-deny",
        "--version",
        DENY,
        "--locked",
        "--force",
        "--debug",
        "--root",
    ]);
    cargo
        .arg(&tools)
        .env("CARGO_TARGET_DIR", tools.join("build"));
    run(&mut cargo).with_context(|| format!("cargo-deny {DENY} could not be installed"))?;
    Ok(deny)
}
