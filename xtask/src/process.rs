//! Running child processes: one line of output per step, and errors that name the command.

use anyhow::{bail, Context, Result};
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

/// Variables that cargo and rustup put into the environment of `cargo xtask` and that would steer a child towards the
/// wrong compiler: with `RUSTUP_TOOLCHAIN` inherited, `cargo` in the child is not the one the child asked for, and
/// with `LD_LIBRARY_PATH` the linker finds the wrong LLVM.
const INHERITED: [&str; 6] = [
    "RUSTUP_TOOLCHAIN",
    "RUSTC",
    "RUSTDOC",
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "LD_LIBRARY_PATH",
];

/// Prints one step, so that a reader of a log sees where the time goes.
pub fn step(text: impl AsRef<str>) {
    eprintln!("xtask: {}", text.as_ref());
}

/// The command `program`, run in `dir`, without the variables that select a compiler.
pub fn command(program: impl AsRef<OsStr>, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir);
    for name in INHERITED {
        command.env_remove(name);
    }
    command
}

/// `cargo` of the workspace's own toolchain (`rust-toolchain.toml`).
///
/// `RUSTFLAGS` stays as the caller set it: host builds may carry their own.
pub fn host_cargo(root: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root);
    command.env_remove("RUSTUP_TOOLCHAIN");
    command
}

/// Runs the command to its end; an error names it when it cannot start or does not succeed.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    let status = command
        .status()
        .with_context(|| format!("could not start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed: {status}");
    }
    Ok(())
}

/// The standard output of the command; its standard error goes to ours.
pub fn output(command: &mut Command) -> Result<String> {
    let shown = shown(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("could not start `{shown}`"))?;
    if !output.status.success() {
        bail!("`{shown}` failed: {}", output.status);
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{shown}` printed something that is not UTF-8"))
}

/// Whether the command runs and succeeds; says nothing either way.
pub fn succeeds(command: &mut Command) -> bool {
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Program and arguments as a reader would type them.
fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}
