//! The `estuary` command line.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a host program: overflow checks are on in every profile, and sums over user input are checked"
)]

mod account;
#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod common;
mod demo;
mod deploy;
mod liquidation;
mod risk;
mod time;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Portfolio margin of the Estuary clearing program, from the command line.
#[derive(Parser)]
#[command(name = "estuary", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Margin and prices of a portfolio in a JSON file, by the program's own risk engine.
    Risk(risk::RiskCommand),
    /// What liquidating a portfolio in a JSON file takes, by the program's own risk engine.
    Liquidation(liquidation::LiquidationCommand),
    /// Replays a price crash through the real program in an embedded SVM: accounts, margins, liquidations.
    Demo(demo::DemoCommand),
    /// What an account on a cluster holds.
    Account(account::AccountCommand),
    /// Compares a deployment file with a cluster, shows what is missing and, asked to, sends it.
    Deploy(deploy::DeployCommand),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Risk(command) => risk::run(&command),
        Command::Liquidation(command) => liquidation::run(&command),
        Command::Demo(command) => demo::run(&command),
        Command::Account(command) => account::run(&command),
        Command::Deploy(command) => deploy::run(&command),
    }
}
