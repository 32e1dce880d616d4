//! What a deployment lacks on a cluster, and what there contradicts it.

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::program_pack::Pack;
use anchor_lang::Ids;
use anchor_spl::token::spl_token::state::Mint;
use anchor_spl::token_interface::TokenInterface;
use anyhow::{anyhow, Result};
use estuary::instructions::check_extensions;
use estuary::state::{Bank, Clearinghouse, MAX_DECIMALS, SETTLEMENT_DECIMALS};
use estuary_client::account::{decode, MarketAccount};
use estuary_client::chain::{Chain, ChainError, FetchedAccount};

use super::config::{Contract, Deployment, MarketConfig};
use super::differences::same_parameters;
use crate::time;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Create the clearinghouse.
    CreateClearinghouse,
    /// Add the bank of the settlement token.
    AddBank,
    /// Add the bank of token number so-and-so of the file.
    AddTokenBank(usize),
    /// Create market number so-and-so of the file, without room.
    CreateMarket(usize),
    /// Grow it from one number of series to another.
    Extend(usize, u16, u16),
    /// Post the first surface of expiries.
    PostSurface(usize, Vec<i64>),
    /// List contracts.
    List(usize, Vec<Contract>),
}

/// A line of the plan.
#[derive(Clone, Debug)]
pub struct Row {
    /// What it is about.
    pub thing: String,
    /// What is there, or what will be done.
    pub detail: String,
    /// What will be done.
    pub action: Option<Action>,
}

/// Everything compared.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// In the order of execution.
    pub rows: Vec<Row>,
    /// What differs and cannot be changed, each by name.
    pub conflicts: Vec<String>,
}

/// A cluster without accounts, or a real one.
#[derive(Clone, Copy)]
pub enum Target<'a> {
    /// Nothing is there, and nothing outside of the program is checked.
    Empty,
    /// What the cluster has.
    Cluster(&'a dyn Chain),
}

impl Action {
    /// The verb of the table.
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::CreateClearinghouse | Self::CreateMarket(_) => "create",
            Self::AddBank | Self::AddTokenBank(_) => "add",
            Self::Extend(..) => "extend",
            Self::PostSurface(..) => "post",
            Self::List(..) => "list",
        }
    }
}

impl Plan {
    /// Whether there is nothing to do and nothing in the way.
    pub fn is_complete(&self) -> bool {
        self.conflicts.is_empty() && self.actions().next().is_none()
    }

    /// What there is to do, in order.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.rows.iter().filter_map(|row| row.action.as_ref())
    }

    fn present(&mut self, thing: &str, detail: impl Into<String>) {
        self.rows.push(Row {
            thing: thing.to_owned(),
            detail: detail.into(),
            action: None,
        });
    }

    fn todo(&mut self, thing: &str, detail: impl Into<String>, action: Action) {
        self.rows.push(Row {
            thing: thing.to_owned(),
            detail: detail.into(),
            action: Some(action),
        });
    }

    /// Notes a difference that cannot be changed.
    pub fn differs(
        &mut self,
        name: &str,
        chain: impl std::fmt::Display,
        file: impl std::fmt::Display,
    ) {
        let text = format!("{name} is {chain} on the cluster and {file} in the file");
        self.conflicts.push(text);
    }

    /// Compares two values of a name.
    pub fn compare<T: PartialEq + std::fmt::Debug>(&mut self, name: &str, chain: T, file: T) {
        if chain != file {
            self.differs(name, format!("{chain:?}"), format!("{file:?}"));
        }
    }
}

/// An error of a cluster as one of ours.
pub fn unreachable(error: ChainError) -> anyhow::Error {
    anyhow!("{error}")
}

impl Target<'_> {
    fn account(self, address: &Pubkey) -> Result<Option<FetchedAccount>> {
        match self {
            Self::Empty => Ok(None),
            Self::Cluster(chain) => chain.account(address).map_err(unreachable),
        }
    }

    /// The bytes of one of the program's accounts.
    fn data(self, address: &Pubkey) -> Result<Option<Vec<u8>>> {
        let account = self.account(address)?;
        // Anyone may send lamports to an address before the program makes an account of it.
        let ours = account.filter(|account| account.owner == estuary::ID);
        Ok(ours.map(|account| account.data))
    }
}

/// Compares a deployment with what a cluster has.
///
/// # Errors
/// When the cluster cannot be read, or has accounts this build cannot.
pub fn compare(deployment: &Deployment, target: Target<'_>) -> Result<Plan> {
    let mut plan = Plan::default();
    let house = &deployment.house;
    let mut now = i64::MIN;
    if let Target::Cluster(chain) = target {
        now = chain.unix_time().map_err(unreachable)?;
        prerequisites(&mut plan, deployment, target)?;
    }
    let thing = format!("clearinghouse {}", house.id);
    let mut markets_there = 0;
    match target.data(&house.clearinghouse)? {
        None => plan.todo(
            &thing,
            house.clearinghouse.to_string(),
            Action::CreateClearinghouse,
        ),
        Some(data) => {
            let found: Clearinghouse = decode(&data)?;
            plan.present(&thing, house.clearinghouse.to_string());
            plan.compare("clearinghouse.authority", found.authority, house.authority);
            plan.compare(
                "clearinghouse.settlement_mint",
                found.settlement_mint,
                house.mint,
            );
            plan.compare(
                "clearinghouse.insurance_share_ppm",
                found.insurance_share_ppm,
                deployment.insurance_share_ppm,
            );
            markets_there = found.market_count;
        }
    }
    let bank = format!("token {}", house.mint);
    match target.data(&house.bank)? {
        None => plan.todo("bank", bank, Action::AddBank),
        Some(data) => {
            let found: Bank = decode(&data)?;
            let key = "bank.max_account_debt_millionths";
            plan.compare(key, found.max_account_debt, deployment.max_account_debt);
            plan.present("bank", bank);
        }
    }
    let mut indices = Vec::with_capacity(deployment.markets.len());
    for (place, config) in deployment.markets.iter().enumerate() {
        let address = house.market(&config.args.feed_id);
        let found = target.data(&address)?;
        let found = found.map(|data| MarketAccount::decode(&data)).transpose()?;
        if let Some(found) = &found {
            same_parameters(&mut plan, config, &found.header)?;
            plan.present(&format!("market {}", config.symbol), address.to_string());
        } else {
            let thing = format!("market {}", config.symbol);
            plan.todo(
                &thing,
                described(config, &address),
                Action::CreateMarket(place),
            );
        }
        market(&mut plan, place, config, found.as_ref(), now);
        indices.push(found.map(|found| found.header.index));
    }
    for (place, token) in deployment.tokens.iter().enumerate() {
        let symbol = deployment.symbol_of(token);
        let thing = format!("bank {symbol}");
        let detail = format!("token {}", token.mint);
        match target.data(&house.bank_address(&token.mint))? {
            None => plan.todo(&thing, detail, Action::AddTokenBank(place)),
            Some(data) => {
                let found: Bank = decode(&data)?;
                if indices.get(token.market) != Some(&Some(found.market)) {
                    let name = format!("bank {}: market", token.mint);
                    plan.differs(&name, format!("number {}", found.market), symbol);
                }
                plan.present(&thing, detail);
            }
        }
    }
    if usize::from(markets_there) > deployment.markets.len() {
        let detail = format!("{markets_there} on the cluster, not all of them in the file");
        plan.present("markets", detail);
    }
    Ok(plan)
}

/// What has to be there before: the program and the tokens.
fn prerequisites(plan: &mut Plan, deployment: &Deployment, target: Target<'_>) -> Result<()> {
    let program = target.account(&estuary::ID)?;
    if !program.is_some_and(|account| account.executable) {
        let text = format!("the program {} is not deployed on the cluster", estuary::ID);
        plan.conflicts.push(text);
    }
    let name = "clearinghouse.settlement_mint";
    let mint = &deployment.house.mint;
    let decimals = token(plan, target, name, mint)?;
    if let Some(decimals) = decimals.filter(|decimals| *decimals != SETTLEMENT_DECIMALS) {
        plan.conflicts.push(format!(
            "{name}: {mint} has {decimals} decimals, a settlement token has {SETTLEMENT_DECIMALS}"
        ));
    }
    for config in &deployment.tokens {
        let mint = &config.mint;
        let decimals = token(plan, target, "bank.mint", mint)?;
        if let Some(decimals) = decimals.filter(|decimals| *decimals > MAX_DECIMALS) {
            plan.conflicts.push(format!(
                "bank.mint: {mint} has {decimals} decimals, collateral at most {MAX_DECIMALS}"
            ));
        }
    }
    Ok(())
}

/// The decimals of a token that a bank can have; what stands in the way goes into the plan.
fn token(plan: &mut Plan, target: Target<'_>, name: &str, mint: &Pubkey) -> Result<Option<u8>> {
    let account = target.account(mint)?;
    let account = account.filter(|account| TokenInterface::ids().contains(&account.owner));
    let Some(account) = account else {
        let text = format!("{name}: {mint} is no token on the cluster");
        plan.conflicts.push(text);
        return Ok(None);
    };
    if let Err(refusal) = check_extensions(&account.owner, &account.data) {
        plan.conflicts.push(format!("{name}: {mint}: {refusal}"));
    }
    let base = account.data.get(..Mint::LEN).unwrap_or_default();
    let decimals = Mint::unpack(base).ok().map(|mint| mint.decimals);
    if decimals.is_none() {
        let text = format!("{name}: {mint} is no token on the cluster");
        plan.conflicts.push(text);
    }
    Ok(decimals)
}

/// A market to be created, in a line.
fn described(config: &MarketConfig, address: &Pubkey) -> String {
    let args = &config.args;
    format!(
        "{address}, lot {}, stress range ±{}%",
        args.lot_size as f64 / 1e9,
        f64::from(args.parameters.spot_range_ppm) / 1e4
    )
}

/// Room, expiries and series of a market, which is empty when it is not there.
fn market(
    plan: &mut Plan,
    place: usize,
    config: &MarketConfig,
    found: Option<&MarketAccount>,
    now: i64,
) {
    let symbol = &config.symbol;
    let room = found.map_or(0, |found| found.table.len());
    let room = u16::try_from(room).unwrap_or(u16::MAX);
    if room < config.capacity {
        let detail = format!("from {room} to {} series", config.capacity);
        let action = Action::Extend(place, room, config.capacity);
        plan.todo(&format!("room {symbol}"), detail, action);
    } else if found.is_some() {
        plan.present(&format!("room {symbol}"), format!("{room} series"));
    }
    let known: Vec<i64> = found.map_or_else(Vec::new, |found| {
        let expiries = found.header.open_expiries();
        expiries.iter().map(|expiry| expiry.time).collect()
    });
    let (passed, coming): (Vec<i64>, Vec<i64>) =
        config.expiries().into_iter().partition(|time| *time <= now);
    let new: Vec<i64> = coming
        .iter()
        .copied()
        .filter(|t| !known.contains(t))
        .collect();
    if !new.is_empty() {
        let times: Vec<String> = new.iter().map(|time| time::expiry(*time)).collect();
        let detail = format!("expiries {}", times.join(", "));
        plan.todo(
            &format!("surface {symbol}"),
            detail,
            Action::PostSurface(place, new),
        );
    }
    if !passed.is_empty() {
        let times: Vec<String> = passed.iter().map(|time| time::expiry(*time)).collect();
        plan.present(
            &format!("expiries {symbol}"),
            format!("{} passed: left alone", times.join(", ")),
        );
    }
    let listed = found.map(contracts).unwrap_or_default();
    let lives = |contract: &&Contract| contract.expiry.is_none_or(|time| time > now);
    let wanted: Vec<Contract> = config.contracts.iter().filter(lives).copied().collect();
    let missing: Vec<Contract> = wanted
        .iter()
        .filter(|contract| !listed.contains(contract))
        .copied()
        .collect();
    let there = wanted.len() - missing.len();
    let extra = listed
        .iter()
        .filter(|c| !config.contracts.contains(c))
        .count();
    let beside = match extra {
        0 => String::new(),
        extra => format!(", {extra} that the file does not have"),
    };
    let thing = format!("series {symbol}");
    if missing.is_empty() {
        plan.present(&thing, format!("{there} listed{beside}"));
        return;
    }
    let mut detail = counted(&missing);
    if there + extra > 0 {
        detail = format!("{detail} beside {there} listed{beside}");
    }
    plan.todo(&thing, detail, Action::List(place, missing));
}

/// The contracts that a market lists, by expiry time.
pub fn contracts(market: &MarketAccount) -> Vec<Contract> {
    let contract = |series: &estuary::state::Series| {
        let kind = series.kind().ok()?;
        let expiry = market.header.expiry(series.expiry).ok();
        Some(Contract {
            kind,
            expiry: expiry.map(|expiry| expiry.time),
            strike: series.strike,
        })
    };
    market.listed().iter().filter_map(contract).collect()
}

/// `1 perp, 3 futures, 54 options`.
fn counted(contracts: &[Contract]) -> String {
    use estuary::state::SeriesKind::{Call, Future, Perp, Put};
    let of = |kinds: &[_]| contracts.iter().filter(|c| kinds.contains(&c.kind)).count();
    let counts = [
        (of(&[Perp]), "perp"),
        (of(&[Future]), "future"),
        (of(&[Call, Put]), "option"),
    ];
    let words = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| {
            let plural = if *count == 1 { "" } else { "s" };
            format!("{count} {name}{plural}")
        });
    words.collect::<Vec<_>>().join(", ")
}
