//! The portfolio file, checked field by field.

mod account;
mod liquidation;
mod market;
mod offsets;
mod settlement;
mod what_if;

use estuary_risk::charges::OracleQuality;
use estuary_risk::liquidation::DiscountParameters;
use estuary_risk::market::OptionKind;
use estuary_risk::portfolio::Offsets;
use estuary_risk::scenario::{ScenarioGrid, ScenarioParameters};
use estuary_risk::smile::Smile;

pub use liquidation::lot;
pub use settlement::{Average, Window};

use super::decimal::Decimal;
use super::json::{At, InputError, Node};
use super::notes::Notes;

/// Names of the settlement token among the balances.
pub const SETTLEMENT_SYMBOLS: [&str; 2] = ["USDC", "USD"];

/// A portfolio file.
#[derive(Debug)]
pub struct Input {
    /// Markets, in the order given.
    pub markets: Vec<Market>,
    /// How far the markets offset each other.
    pub offsets: Offsets,
    /// The account, if the file has one.
    pub account: Option<Account>,
    /// What the account would be after the legs of `what_if`, if the file has any.
    pub after: Option<Account>,
}

/// One underlying.
#[derive(Debug)]
pub struct Market {
    /// Its place in the file.
    pub path: String,
    /// Its name.
    pub symbol: String,
    /// The index price.
    pub spot: Decimal,
    /// How wide and how old that price is.
    pub oracle: OracleQuality,
    /// Its scenario parameters.
    pub parameters: ScenarioParameters,
    /// Its stress scenarios.
    pub grid: ScenarioGrid,
    /// What a liquidator of its positions earns.
    pub discount: DiscountParameters,
    /// Units that the account's owner has in positions of other accounts, added without their signs.
    pub others: Decimal,
    /// A lot is `10^-lot_decimals` units, where the file says so.
    pub lot_decimals: Option<i32>,
    /// Its expiries.
    pub expiries: Vec<Expiry>,
    /// Its series.
    pub series: Vec<Series>,
}

/// One expiry.
#[derive(Debug)]
pub struct Expiry {
    /// Its place in the file.
    pub path: String,
    /// Unix seconds.
    pub time: i64,
    /// From `now`; not above 0 only where its average is under way.
    pub seconds_left: i64,
    /// The forward price; spot where not given. It means nothing where its average is under way.
    pub forward: Decimal,
    /// Its settlement average, if it is under way.
    pub window: Option<Window>,
    /// The volatility, unless every option of the expiry has its own.
    pub vol: Option<Vol>,
}

/// The volatility of an expiry.
#[derive(Clone, Copy, Debug)]
pub enum Vol {
    /// The same at every strike, Q32.
    Flat(u64),
    /// A smile.
    Smile(Smile),
}

/// One series.
#[derive(Debug)]
pub struct Series {
    /// Its place in the file.
    pub path: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: SeriesKind,
}

/// What a series is.
#[derive(Clone, Copy, Debug)]
pub enum SeriesKind {
    /// The underlying.
    Spot,
    /// A perpetual.
    Perpetual,
    /// A future of an expiry.
    Future {
        /// Index of the expiry.
        expiry: usize,
    },
    /// An option.
    Option {
        /// Call or put.
        kind: OptionKind,
        /// Index of the expiry.
        expiry: usize,
        /// The strike.
        strike: Decimal,
        /// A volatility of its own in Q32, 0 for none.
        vol_q32: u64,
    },
}

/// The account.
#[derive(Clone, Debug)]
pub struct Account {
    /// Settlement token, its balances included.
    pub cash: Decimal,
    /// What is held, balances of underlyings first.
    pub holdings: Vec<Holding>,
    /// Orders that may still be filled.
    pub orders: Vec<PendingOrder>,
}

/// An order that may still be filled.
#[derive(Clone, Debug)]
pub struct PendingOrder {
    /// What it would add, without an entry.
    pub holding: Holding,
    /// The worst price it may be filled at.
    pub limit: Decimal,
    /// Where that stands in the file.
    pub limit_path: String,
}

/// A position, or the balance of an underlying.
#[derive(Clone, Debug)]
pub struct Holding {
    /// Where its quantity stands in the file.
    pub path: String,
    /// Index of the market.
    pub market: usize,
    /// Index of the series, `None` for a balance.
    pub series: Option<usize>,
    /// Units of underlying, negative when short or borrowed.
    pub quantity: Decimal,
    /// Average entry price, of what was there before a what-if.
    pub entry: Option<Decimal>,
    /// What a what-if adds; part of `quantity`.
    pub added: Option<Added>,
}

/// What a leg of a what-if adds to a holding.
#[derive(Clone, Copy, Debug)]
pub struct Added {
    /// Units of underlying, negative when sold.
    pub quantity: Decimal,
    /// Its price; the mark where not given.
    pub price: Option<Decimal>,
}

impl Input {
    /// Reads a whole file.
    pub fn read(document: &Node, notes: &mut Notes) -> Result<Self, InputError> {
        let root = At::root(document);
        let known = [
            "now",
            "markets",
            "offsets",
            "offset_floor",
            "account",
            "what_if",
        ];
        let fields = root.object(&known)?;
        let now = fields.required("now")?.whole()?;
        let mut markets: Vec<Market> = Vec::new();
        for at in fields.required("markets")?.list()? {
            let market = market::read(&at, now, notes)?;
            if markets.iter().any(|other| other.symbol == market.symbol) {
                let message = format!("a second market {}", market.symbol);
                return Err(InputError::new(format!("{}.symbol", at.path), message));
            }
            markets.push(market);
        }
        let account = match fields.optional("account") {
            Some(at) => Some(account::read(&at, &markets, notes)?),
            None => None,
        };
        let after = match (fields.optional("what_if"), &account) {
            (Some(at), Some(account)) => Some(what_if::read(&at, account, &markets, notes)?),
            (Some(_), None) => return Err(InputError::new("account", "missing")),
            (None, _) => None,
        };
        Ok(Self {
            offsets: offsets::read(&fields, &markets, notes)?,
            markets,
            account,
            after,
        })
    }
}
