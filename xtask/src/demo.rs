//! `cargo xtask demo`: the program's ELF, then the command line that replays prices through it.

use crate::process::{host_cargo, run};
use crate::sbf;
use anyhow::{Context, Result};
use std::path::Path;

/// Builds the program and runs `estuary demo` on it with further arguments.
///
/// # Errors
/// What the build or the demo said.
pub fn demo(root: &Path, arguments: &[String]) -> Result<()> {
    let elfs = sbf::build(root, &[sbf::ESTUARY])?;
    let elf = elfs.first().context("a build makes an ELF")?;
    let mut cargo = host_cargo(root);
    cargo.args(["run", "--quiet", "--locked", "--package", "estuary-cli"]);
    cargo.arg("--manifest-path").arg(root.join("Cargo.toml"));
    cargo.args(["--", "demo", "--elf"]).arg(elf).args(arguments);
    // In the caller's folder, so that `--prices FILE` means what it says.
    cargo.current_dir(std::env::current_dir().context("the current folder is gone")?);
    run(&mut cargo)
}
