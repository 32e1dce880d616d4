//! `estuary liquidation`: what a series of `liquidate` calls would do to the account of a portfolio file.
//!
//! The file is read and turned into the engine's books as by [`crate::risk`]; the plan is the engine's own.

mod output;
mod plan;
mod table;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::risk::{self, FileArguments, Format};

/// The arguments of `estuary liquidation`.
#[derive(Args)]
pub struct LiquidationCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// The steps, their cost, and health before and after each.
    ///
    /// Each call takes what releases most margin per unit of discount until the account is at its target, as the
    /// program's `liquidate` does at these prices; calls follow each other until nothing is left to do. Money is in quote
    /// units with six decimals. A healthy account has an empty plan.
    Plan(FileArguments),
}

/// Runs the command. On an error nothing is printed to standard output.
pub fn run(command: &LiquidationCommand) -> ExitCode {
    let Action::Plan(arguments) = &command.action;
    risk::finish(answer(arguments))
}

fn answer(arguments: &FileArguments) -> Result<String, String> {
    let (input, mut notes) = arguments.portfolio()?;
    let plan = plan::compute(&input, &mut notes).map_err(|error| error.to_string())?;
    match arguments.output {
        Format::Json => risk::json_text(&output::plan(&plan, &notes)),
        Format::Table => Ok(table::plan(&plan, &notes)),
    }
}
