//! `cargo xtask`: builds, checks, tests and measures the project.

mod backtest;
mod bench;
mod binaries;
mod capital;
mod check;
mod demo;
mod engine;
mod idl;
mod process;
mod readme;
mod record;
mod sbf;
mod test;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};
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
    /// Build programs to sBPF, by default the program itself, to target/deploy/estuary.so
    BuildSbf {
        /// Which ones
        #[arg(value_enum, default_value = "estuary")]
        programs: Vec<ProgramName>,
    },
    /// Formatting, clippy, dependencies, documentation, the legacy feature
    Check,
    /// Build the ELFs and run every test; the last line is the count over all suites
    Test,
    /// Measure compute units and write docs/COMPUTE_UNITS.md and docs/compute_units.json
    Bench {
        /// Write nothing; fail when a figure rose by more than 2%
        #[arg(long)]
        check: bool,
    },
    /// Write app/idl/estuary.json and the generated tables of docs/accounts.md
    Idl {
        /// Write nothing; fail when a committed file differs
        #[arg(long)]
        check: bool,
    },
    /// Measure something at length and write the figures to docs/runs
    Run {
        /// Which one
        #[arg(value_enum)]
        name: RunName,
    },
    /// Build the program and replay prices through it in an embedded SVM
    Demo {
        /// For the demo, e.g. --prices FILE; `cargo xtask demo -- --help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum RunName {
    /// Random histories of the whole clearing core, to docs/runs/stateful.json
    Stateful,
    /// The kernel over its whole domains and at random prices, to docs/runs/kernel.json and docs/kernel-accuracy.md
    Kernel,
    /// One-day losses of standard books against their margin, to docs/runs/backtest.json and docs/backtest.md
    Backtest,
    /// Random books against brute force, to docs/runs/certified.json and docs/margin-model.md
    Certified,
    /// What standard books need against their legs apart, to docs/runs/capital_efficiency.json and docs/capital-efficiency.md
    #[value(name = "capital_efficiency")]
    CapitalEfficiency,
    /// The crash of October 2025 with 200 accounts, to docs/runs/crash.json
    Crash,
    /// Random accounts below their margin, by the engine and on the ELF, to docs/runs/liquidation.json
    Liquidation,
    /// What one core of this machine prices, scans and evaluates in a second, to docs/runs/throughput.json
    Throughput,
}

#[derive(Clone, Copy, ValueEnum)]
enum ProgramName {
    /// The program, to target/deploy/estuary.so
    Estuary,
    /// The test-only program of the differential test, to target/deploy/estuary_differential.so
    Differential,
    /// The program with 128 positions to an account, for measurements, to target/deploy/bench/estuary.so
    Wide,
}

impl ProgramName {
    fn program(self) -> sbf::Program {
        match self {
            Self::Estuary => sbf::ESTUARY,
            Self::Differential => sbf::DIFFERENTIAL,
            Self::Wide => sbf::ESTUARY_WIDE,
        }
    }
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
        Task::BuildSbf { programs } => {
            let programs: Vec<_> = programs.into_iter().map(ProgramName::program).collect();
            sbf::build(&root, &programs).map(drop)
        }
        Task::Check => check::check(&root),
        Task::Test => test::test(&root),
        Task::Bench { check: false } => bench::write(&root),
        Task::Bench { check: true } => {
            sbf::build(&root, sbf::ALL)?;
            bench::check(&root)
        }
        Task::Idl { check: false } => idl::write(&root),
        Task::Idl { check: true } => idl::check(&root, idl::Selection::Program),
        Task::Run { name } => match name {
            RunName::Stateful => record::stateful(&root),
            RunName::Kernel => record::kernel(&root),
            RunName::Backtest => backtest::backtest(&root),
            RunName::Certified => record::certified(&root),
            RunName::CapitalEfficiency => capital::capital_efficiency(&root),
            RunName::Crash => record::crash(&root),
            RunName::Liquidation => record::liquidation(&root),
            RunName::Throughput => record::throughput(&root),
        },
        Task::Demo { arguments } => demo::demo(&root, &arguments),
    }
}

/// The folder of the workspace, from where this crate was compiled.
fn workspace_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}
