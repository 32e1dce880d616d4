//! `estuary risk`: the program's risk engine on a portfolio in a JSON file.
//!
//! file → [`json`] (values and their paths) → [`input`] (checked portfolio) → [`scale`] (the engine's
//! integers) → [`margin`] or [`price`] (the engine) → [`output`] or [`table`].

mod averages;
pub mod book;
mod decimal;
pub mod input;
pub mod json;
pub mod margin;
pub mod notes;
pub mod output;
mod parameters;
mod price;
mod quote;
pub mod scale;
pub mod table;

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use input::Input;
use json::Node;
use notes::Notes;

/// The exit code of every error: a wrong file and a wrong command line alike.
const EXIT_WRONG_INPUT: u8 = 2;

/// The arguments of `estuary risk`.
#[derive(Args)]
pub struct RiskCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Equity, margins and scenario losses of the file's account.
    ///
    /// The account's book is repriced in every stress scenario of each market by the engine the program
    /// runs on chain. Money is in quote units with six decimals; requirements are rounded up, values
    /// down. In each market `contribution` is a position's weighted profit or loss in that market's worst
    /// scenario. The book's Greeks are in quote units: delta and gamma per unit of spot, vega per 1.00 of
    /// volatility (100 points), theta per day. With `what_if` in the file, the account before and after.
    Margin(FileArguments),
    /// Price and Greeks of every series of the file.
    ///
    /// Black-76 on the forward, undiscounted, in quote units per unit of underlying. Delta and gamma are
    /// per unit of spot (the forward moves in proportion), vega is per 1.00 of volatility (100 points),
    /// theta per day.
    Price(FileArguments),
}

/// The file and the form of the answer.
#[derive(Args)]
pub struct FileArguments {
    /// The portfolio in JSON; `-` reads standard input. Fields: docs/risk-cli.md.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// How to print the answer.
    #[arg(long, value_enum, default_value_t = Format::Json)]
    pub output: Format,
}

/// How an answer is printed.
#[derive(Clone, Copy, ValueEnum)]
pub enum Format {
    /// For programs: one JSON object.
    Json,
    /// For people: aligned tables.
    Table,
}

impl FileArguments {
    /// Reads and checks the file.
    pub fn portfolio(&self) -> Result<(Input, Notes), String> {
        let bytes = read(self)?;
        let mut notes = Notes::default();
        let input = Node::read(&bytes)
            .and_then(|document| Input::read(&document, &mut notes))
            .map_err(|error| error.to_string())?;
        Ok((input, notes))
    }
}

/// Runs the command. On an error nothing is printed to standard output.
pub fn run(command: &RiskCommand) -> ExitCode {
    finish(answer(command))
}

/// Prints an answer, or the error.
pub fn finish(answer: Result<String, String>) -> ExitCode {
    match answer.and_then(|text| print(&text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(EXIT_WRONG_INPUT)
        }
    }
}

fn answer(command: &RiskCommand) -> Result<String, String> {
    let (Action::Margin(arguments) | Action::Price(arguments)) = &command.action;
    let (input, mut notes) = arguments.portfolio()?;
    let in_words = |error: json::InputError| error.to_string();
    match &command.action {
        Action::Margin(_) => {
            let margins = margin::compute(&input, &mut notes).map_err(in_words)?;
            match arguments.output {
                Format::Json => json_text(&output::margins(&margins, &notes)),
                Format::Table => Ok(table::margins(&margins, &notes)),
            }
        }
        Action::Price(_) => {
            let markets = price::compute(&input, &mut notes).map_err(in_words)?;
            match arguments.output {
                Format::Json => json_text(&output::prices(&markets, &notes)),
                Format::Table => Ok(table::prices(&markets, &notes)),
            }
        }
    }
}

/// An answer as JSON text.
pub fn json_text(node: &Node) -> Result<String, String> {
    let text = node.pretty().map_err(|error| error.to_string())?;
    Ok(text + "\n")
}

fn read(arguments: &FileArguments) -> Result<Vec<u8>, String> {
    if arguments.input.as_os_str() == "-" {
        let mut bytes = Vec::new();
        return match std::io::stdin().lock().read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(error) => Err(format!("cannot read standard input: {error}")),
        };
    }
    std::fs::read(&arguments.input)
        .map_err(|error| format!("cannot read {}: {error}", arguments.input.display()))
}

/// A reader that closes the pipe early, such as `head`, is no error.
fn print(text: &str) -> Result<(), String> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write the answer: {error}"))
        }
        _ => Ok(()),
    }
}
