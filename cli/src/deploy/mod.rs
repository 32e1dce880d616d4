//! `estuary deploy`: a clearing system as one file declares it.
//!
//! file → [`config`] (read and checked) → [`plan`] (compared with the cluster) → [`table`] (shown) → [`apply`] (what is
//! missing is sent). The demo deploys through the same modules.

pub mod apply;
pub mod config;
mod differences;
pub mod plan;
pub mod rpc;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{anyhow, bail, Context, Result};
use clap::Args;
use solana_keypair::Keypair;

use crate::time;
use config::{Decimal, Deployment, Given};
use plan::Target;
use rpc::Rpc;

/// The exit code of a wrong file or argument: nothing was asked of the cluster.
const EXIT_WRONG_INPUT: u8 = 2;

/// The arguments of `estuary deploy`.
#[derive(Args)]
pub struct DeployCommand {
    /// The deployment, TOML: clearinghouse, banks, markets, series; docs/deploy.md describes its keys.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// JSON-RPC endpoint of the cluster; without it the plan is for a cluster that has nothing yet.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Send what is missing; without it nothing is sent.
    #[arg(long, requires = "url", requires = "keypair")]
    apply: bool,
    /// Key of the clearinghouse's authority, which signs and pays: a JSON file as solana-keygen writes it.
    #[arg(long, value_name = "FILE")]
    keypair: Option<PathBuf>,
    /// For templates: the first price of a market; repeated, one market each in this order.
    #[arg(long = "price", value_name = "SYMBOL=PRICE", value_parser = first_price)]
    prices: Vec<(String, Decimal)>,
    /// For templates: the expiry called `first`.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    first_expiry: Option<i64>,
}

/// Shows the plan, and carries it out with `--apply`: 0 when nothing stands in the way, 1 when the cluster contradicts
/// the file, cannot be reached or refuses, 2 when the file or an argument is wrong.
pub fn run(command: &DeployCommand) -> ExitCode {
    let code = match prepare(command) {
        Err(error) => Err((error, EXIT_WRONG_INPUT)),
        Ok((deployment, key)) => perform(command, &deployment, key).map_err(|error| (error, 1)),
    };
    match code {
        Ok(()) => ExitCode::SUCCESS,
        Err((error, code)) => {
            eprintln!("error: {error:#}");
            ExitCode::from(code)
        }
    }
}

/// `SOL=228.45`.
fn first_price(text: &str) -> Result<(String, Decimal), String> {
    let (symbol, price) = text
        .split_once('=')
        .ok_or_else(|| format!("«{text}» is not like SOL=228.45"))?;
    Ok((symbol.to_owned(), Decimal::parse(price)?))
}

/// The file and the key.
fn prepare(command: &DeployCommand) -> Result<(Deployment, Option<Keypair>)> {
    let path = command.config.display();
    let text =
        std::fs::read_to_string(&command.config).with_context(|| format!("cannot read {path}"))?;
    let given = Given {
        first_prices: command.prices.clone(),
        first_expiry: command.first_expiry,
    };
    let deployment = config::read(&text, &given).with_context(|| path.to_string())?;
    let key = command.keypair.as_ref().map(|path| {
        let key = solana_keypair::read_keypair_file(path);
        key.map_err(|error| anyhow!("cannot read the key {}: {error}", path.display()))
    });
    Ok((deployment, key.transpose()?))
}

fn perform(command: &DeployCommand, deployment: &Deployment, key: Option<Keypair>) -> Result<()> {
    let Some(url) = &command.url else {
        println!("Plan for a cluster that has nothing yet (--url compares with a real one):");
        print!(
            "{}",
            table::plan(&plan::compare(deployment, Target::Empty)?)
        );
        return Ok(());
    };
    let mut chain = Rpc::new(url);
    let plan = plan::compare(deployment, Target::Cluster(&chain))?;
    println!("Plan for {url}:");
    print!("{}", table::plan(&plan));
    if !plan.conflicts.is_empty() {
        bail!("the cluster contradicts the file; nothing was sent");
    }
    if plan.is_complete() {
        println!("Nothing to do.");
        return Ok(());
    }
    let (true, Some(key)) = (command.apply, key) else {
        println!("Nothing was sent; --apply sends it.");
        return Ok(());
    };
    let mut count = 0;
    apply::apply(deployment, &mut chain, &key, &mut |name| {
        count += 1;
        println!("sent {name}");
    })?;
    println!("Done: {count} transactions, and the cluster has what the file declares.");
    Ok(())
}

#[cfg(test)]
mod tests;
