//! A plan carried out: every action as the transactions it takes.

use anyhow::{ensure, Context, Result};
use estuary::instructions::SeriesArgs;
use estuary::state::series::NO_EXPIRY;
use estuary::state::MarketRef;
use estuary_client::account::MarketAccount;
use estuary_client::chain::Chain;
use estuary_client::instruction::request_compute_units;
use estuary_client::Instruction;
use solana_signer::Signer;

use super::config::{Contract, Deployment, MarketConfig};
use super::plan::{compare, unreachable, Action, Plan, Target};
use crate::time;

/// Series listed by one transaction: 10 bytes each, and each is compared with all that are listed.
const SERIES_PER_TRANSACTION: usize = 60;
/// Slices posted by one transaction, 40 bytes each.
const SLICES_PER_TRANSACTION: usize = 16;
/// Compute units of a transaction, the most there are.
const COMPUTE_UNITS: u32 = 1_400_000;

/// Does what a plan lacks and returns the plan that is left, which is complete. `sent` hears of every transaction.
///
/// # Errors
/// Before anything is sent when something contradicts the file; later what the program or the cluster said. What was
/// sent until then stays, and applying again continues there.
pub fn apply(
    deployment: &Deployment,
    chain: &mut dyn Chain,
    authority: &dyn Signer,
    sent: &mut dyn FnMut(&'static str),
) -> Result<Plan> {
    let plan = compare(deployment, Target::Cluster(chain))?;
    ensure!(
        plan.conflicts.is_empty(),
        "the cluster contradicts the file: {}",
        plan.conflicts.join("; ")
    );
    ensure!(
        authority.pubkey() == *deployment.authority(),
        "clearinghouse.authority is {}, the key is of {}",
        deployment.authority(),
        authority.pubkey()
    );
    for action in plan.actions() {
        let (name, transactions) = transactions(deployment, action, chain)?;
        for instructions in transactions {
            chain
                .send(&instructions, &[authority])
                .map_err(unreachable)
                .with_context(|| format!("{name} was refused"))?;
            sent(name);
        }
    }
    let left = compare(deployment, Target::Cluster(chain))?;
    ensure!(
        left.is_complete(),
        "the cluster still lacks something; read it again later"
    );
    Ok(left)
}

/// The instruction's name and the transactions of an action, built from what the cluster has by now.
fn transactions(
    deployment: &Deployment,
    action: &Action,
    chain: &dyn Chain,
) -> Result<(&'static str, Vec<Vec<Instruction>>)> {
    let house = &deployment.house;
    let config = |place: &usize| {
        deployment
            .markets
            .get(*place)
            .context("a market of the plan")
    };
    let address = |config: &MarketConfig| house.market(&config.args.feed_id);
    Ok(match action {
        Action::CreateClearinghouse => (
            "create_clearinghouse",
            vec![vec![
                house.create_clearinghouse(deployment.insurance_share_ppm)
            ]],
        ),
        Action::AddBank => {
            let add = house.add_bank(deployment.max_account_debt);
            ("add_bank", vec![vec![add]])
        }
        Action::AddTokenBank(place) => {
            let token = deployment.tokens.get(*place);
            let token = token.context("a token of the plan")?;
            let mint = chain.account(&token.mint).map_err(unreachable)?;
            let mint = mint.with_context(|| format!("token {} is gone", token.mint))?;
            let bank = house.token_bank(token.mint, mint.owner);
            let market = address(config(&token.market)?);
            ("add_bank", vec![vec![house.add_token_bank(&bank, market)]])
        }
        Action::CreateMarket(place) => {
            let args = config(place)?.args.clone();
            ("create_market", vec![vec![house.create_market(args)]])
        }
        Action::Extend(place, from, to) => {
            let market = address(config(place)?);
            let growth = MarketRef::account_size(*to) - MarketRef::account_size(*from);
            let times = growth.div_ceil(MarketRef::MAX_GROWTH);
            // Together: a size is the same size whoever extends meanwhile, but equal transactions would be one.
            let extend = house.extend_market(market, *to);
            ("extend_market", vec![vec![extend; times]])
        }
        Action::PostSurface(place, times) => {
            let config = config(place)?;
            let now = chain.unix_time().map_err(unreachable)?;
            let surface = &config.surface;
            let slice = |time: &i64| surface.slice(surface.atm_vol, *time, now);
            let post = |times: &[i64]| {
                let slices = times.iter().map(slice).collect();
                with_units(house.post_surface(address(config), slices))
            };
            let parts = times.chunks(SLICES_PER_TRANSACTION).map(post);
            ("post_surface", parts.collect())
        }
        Action::List(place, contracts) => {
            let config = config(place)?;
            let market = address(config);
            let data = chain.account(&market).map_err(unreachable)?;
            let data = data.with_context(|| format!("market {} is gone", config.symbol))?;
            let market_account = MarketAccount::decode(&data.data)?;
            let mut parts = Vec::new();
            for part in contracts.chunks(SERIES_PER_TRANSACTION) {
                let series: Result<Vec<_>> =
                    part.iter().map(|c| series(c, &market_account)).collect();
                parts.push(with_units(house.list_series(market, series?)));
            }
            ("list_series", parts)
        }
    })
}

/// A transaction that may use all compute units there are.
fn with_units(instruction: Instruction) -> Vec<Instruction> {
    vec![request_compute_units(COMPUTE_UNITS), instruction]
}

/// A contract as its market names it: the expiry by index.
pub fn series(contract: &Contract, market: &MarketAccount) -> Result<SeriesArgs> {
    let index = |time: i64| {
        let mut expiries = market.header.open_expiries().iter();
        let index = expiries.position(|expiry| expiry.time == time);
        index
            .and_then(|index| u8::try_from(index).ok())
            .with_context(|| format!("the market has no expiry {}", time::full(time)))
    };
    Ok(SeriesArgs {
        kind: contract.kind,
        expiry: contract.expiry.map_or(Ok(NO_EXPIRY), index)?,
        strike: contract.strike,
    })
}
