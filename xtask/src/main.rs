//! `cargo xtask`: builds, checks, tests and measures the project.

mod process;
mod sbf;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Build, check, test and measure Estuary.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_version_flag = true
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the program to target/deploy/estuary.so
    BuildSbf {
        /// Also the test-only program of the differential test
        #[arg(long)]
        differential: bool,
        /// Also the program with 128 positions to an account, to target/deploy/bench/estuary.so
        #[arg(long)]
        wide: bool,
        /// All of them
        #[arg(long)]
        all: bool,
    },
}

fn main() -> ExitCode {
    match perform(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does one task.
fn perform(task: Task) -> Result<()> {
    let root = workspace_root();
    match task {
        Task::BuildSbf {
            differential,
            wide,
            all,
        } => {
            let mut programs = vec![sbf::ESTUARY];
            if differential || all {
                programs.push(sbf::DIFFERENTIAL);
            }
            if wide || all {
                programs.push(sbf::ESTUARY_WIDE);
            }
            sbf::build(&root, &programs).map(drop)
        }
    }
}

/// The folder of the workspace, from where this crate was compiled.
fn workspace_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}
