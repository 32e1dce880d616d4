//! `estuary account show`: what an account of the program holds, as its bytes have it.
//!
//! A margin account or an owner's account. Margin is not computed here: it depends on prices, which
//! `margin_report` of the program has.

mod show;

use std::process::ExitCode;

use anchor_lang::prelude::Pubkey;
use clap::{Args, Subcommand};
use estuary_client::chain::Chain;

use crate::deploy::rpc::Rpc;
use crate::risk::{finish, json_text, Format};

/// The arguments of `estuary account`.
#[derive(Args)]
pub struct AccountCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Balances, positions and unsettled profit and loss of a margin account, and what its owner holds in all accounts.
    ///
    /// Of an owner's account, what the owner holds alone: absolute lots per market, by which the liquidity cost of each
    /// account of the owner counts. Amounts of the settlement token have six decimals; markets and banks are numbers.
    Show(ShowArguments),
}

#[derive(Args)]
struct ShowArguments {
    /// Address of a margin account or of an owner's account.
    address: Pubkey,
    /// JSON-RPC endpoint of the cluster.
    #[arg(long, value_name = "URL")]
    url: String,
    /// How to print the answer.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

/// Runs the command. On an error nothing is printed to standard output.
pub fn run(command: &AccountCommand) -> ExitCode {
    let Action::Show(arguments) = &command.action;
    let chain = Rpc::new(&arguments.url);
    finish(answer(&chain, &arguments.address, arguments.output))
}

fn answer(chain: &impl Chain, address: &Pubkey, format: Format) -> Result<String, String> {
    let shown = show::fetch(chain, address)?;
    match format {
        Format::Json => json_text(&shown.node()),
        Format::Table => Ok(shown.text()),
    }
}
