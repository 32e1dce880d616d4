//! The portfolio file, checked field by field.

use estuary_risk::fixed::TAU_MAX_SECONDS;
use estuary_risk::market::OptionKind;
use estuary_risk::scenario::ScenarioGrid;
use estuary_risk::smile::{Smile, SmileError};

use super::decimal::Decimal;
use super::json::{At, Fields, InputError, Node};
use super::notes::Notes;
use super::parameters;

/// Names of the settlement token among the balances.
pub const SETTLEMENT_SYMBOLS: [&str; 2] = ["USDC", "USD"];
/// Lowest volatility the kernel prices.
const VOL_MIN: f64 = 0.005;
/// Highest volatility the kernel prices.
const VOL_MAX: f64 = 12.0;
/// Expiries of one market: the engine's handle of an expiry is a byte.
const MAX_EXPIRIES: usize = 256;

/// A portfolio file.
#[derive(Debug)]
pub struct Input {
    /// Markets, in the order given.
    pub markets: Vec<Market>,
    /// The account, if the file has one.
    pub account: Option<Account>,
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
    /// Its stress scenarios.
    pub grid: ScenarioGrid,
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
    /// From `now`.
    pub seconds_left: i64,
    /// The forward price; spot where not given.
    pub forward: Decimal,
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
#[derive(Debug)]
pub struct Account {
    /// Settlement token, its balances included.
    pub cash: Decimal,
    /// What is held, balances of underlyings first.
    pub holdings: Vec<Holding>,
}

/// A position, or the balance of an underlying.
#[derive(Debug)]
pub struct Holding {
    /// Where its quantity stands in the file.
    pub path: String,
    /// Index of the market.
    pub market: usize,
    /// Index of the series, `None` for a balance.
    pub series: Option<usize>,
    /// Units of underlying, negative when short or borrowed.
    pub quantity: Decimal,
    /// Average entry price.
    pub entry: Option<Decimal>,
}

impl Input {
    /// Reads a whole file.
    pub fn read(document: &Node, notes: &mut Notes) -> Result<Self, InputError> {
        let root = At::root(document);
        let fields = root.object(&["now", "markets", "account"])?;
        let now = fields.required("now")?.whole()?;
        let mut markets: Vec<Market> = Vec::new();
        for at in fields.required("markets")?.list()? {
            let market = read_market(&at, now, notes)?;
            if markets.iter().any(|other| other.symbol == market.symbol) {
                let message = format!("a second market {}", market.symbol);
                return Err(InputError::new(format!("{}.symbol", at.path), message));
            }
            markets.push(market);
        }
        let account = match fields.optional("account") {
            Some(at) => Some(read_account(&at, &markets, notes)?),
            None => None,
        };
        Ok(Self { markets, account })
    }
}

fn read_market(at: &At<'_>, now: i64, notes: &mut Notes) -> Result<Market, InputError> {
    let fields = at.object(&[
        "symbol",
        "spot",
        "confidence",
        "price_age",
        "parameters",
        "expiries",
        "series",
    ])?;
    let at_symbol = fields.required("symbol")?;
    let symbol = at_symbol.text()?.to_owned();
    if SETTLEMENT_SYMBOLS.contains(&symbol.as_str()) {
        return Err(at_symbol.fail(format!("{symbol} is the settlement token")));
    }
    let spot = fields.required("spot")?.positive()?;
    // Checked, but without effect until the requirement contains an oracle contingency.
    for name in ["confidence", "price_age"] {
        if let Some(at) = fields.optional(name) {
            at.not_negative()?;
        }
    }
    let grid = parameters::read(&symbol, &fields, notes)?;
    let expiries = fields.items("expiries")?;
    if expiries.len() > MAX_EXPIRIES {
        let message = format!("more than {MAX_EXPIRIES} expiries");
        return Err(InputError::new(fields.path_of("expiries"), message));
    }
    let expiries = expiries
        .iter()
        .map(|at| read_expiry(at, now, spot, notes))
        .collect::<Result<Vec<_>, _>>()?;
    let mut series: Vec<Series> = Vec::new();
    for at in fields.items("series")? {
        let one = read_series(&at, expiries.len())?;
        if series.iter().any(|other| other.name == one.name) {
            let message = format!("a second series {}", one.name);
            return Err(InputError::new(format!("{}.name", at.path), message));
        }
        series.push(one);
    }
    check_vols(&expiries, &series)?;
    Ok(Market {
        path: at.path.clone(),
        symbol,
        spot,
        grid,
        expiries,
        series,
    })
}

fn read_expiry(
    at: &At<'_>,
    now: i64,
    spot: Decimal,
    notes: &mut Notes,
) -> Result<Expiry, InputError> {
    let fields = at.object(&["time", "forward", "vol", "smile"])?;
    let at_time = fields.required("time")?;
    let time: i64 = at_time.whole()?;
    let seconds_left = time.saturating_sub(now);
    if seconds_left <= 0 {
        return Err(at_time.fail(format!("{time} is not after now ({now})")));
    }
    if seconds_left > TAU_MAX_SECONDS {
        return Err(at_time.fail(format!("{time} is more than ten years after now ({now})")));
    }
    let forward = match fields.optional("forward") {
        Some(at) => at.positive()?,
        None => spot,
    };
    let vol = match (fields.optional("vol"), fields.optional("smile")) {
        (Some(_), Some(smile)) => {
            return Err(smile.fail("give either vol or smile, not both"));
        }
        (Some(vol), None) => Some(Vol::Flat(read_vol(&vol)?)),
        (None, Some(smile)) => Some(Vol::Smile(read_smile(&smile, seconds_left, notes)?)),
        (None, None) => None,
    };
    Ok(Expiry {
        path: at.path.clone(),
        time,
        seconds_left,
        forward,
        vol,
    })
}

/// A volatility in Q32 within what the kernel prices.
fn read_vol(at: &At<'_>) -> Result<u64, InputError> {
    let vol = at.decimal()?;
    if !(VOL_MIN..=VOL_MAX).contains(&vol.to_f64()) {
        return Err(at.fail(format!("{vol} is outside {VOL_MIN}..{VOL_MAX}")));
    }
    vol.q32()
        .ok_or_else(|| at.fail(format!("{vol} is out of range")))
}

fn read_smile(at: &At<'_>, seconds_left: i64, notes: &mut Notes) -> Result<Smile, InputError> {
    let fields = at.object(&["atm_vol", "rho", "phi"])?;
    let at_vol = fields.required("atm_vol")?;
    let at_rho = fields.required("rho")?;
    let at_phi = fields.required("phi")?;
    read_vol(&at_vol)?;
    let smile = Smile {
        atm_vol_ppb: ppb(&at_vol, notes)?,
        rho_ppb: ppb(&at_rho, notes)?,
        phi_ppb: ppb(&at_phi, notes)?,
    };
    let sqrt_tau = estuary_risk::fixed::sqrt_tau_q32(seconds_left);
    smile
        .check_no_butterfly(sqrt_tau)
        .map_err(|error| match error {
            SmileError::AtmVol | SmileError::SqrtTau | SmileError::Calendar(_) => {
                at_vol.fail("out of range")
            }
            SmileError::Rho => at_rho.fail("must lie in -0.95..0.95"),
            SmileError::Phi => at_phi.fail("must lie in 0..256"),
            SmileError::ButterflyWings => at_phi
                .fail("butterfly arbitrage: atm_vol^2 * tau * phi * (1 + |rho|) must be below 4"),
            SmileError::ButterflyCurvature => at_phi.fail(
                "butterfly arbitrage: atm_vol^2 * tau * phi^2 * (1 + |rho|) must be at most 4",
            ),
        })?;
    Ok(smile)
}

/// A smile parameter in parts per billion, to the nearest, the rounding recorded.
fn ppb<T: TryFrom<i128>>(at: &At<'_>, notes: &mut Notes) -> Result<T, InputError> {
    let value = at.decimal()?;
    notes
        .nearest(&at.path, value, 9)
        .and_then(|ppb| T::try_from(ppb).ok())
        .ok_or_else(|| at.fail(format!("{value} is out of range")))
}

fn read_series(at: &At<'_>, expiries: usize) -> Result<Series, InputError> {
    let fields = at.object(&["name", "kind", "expiry", "strike", "vol"])?;
    let name = fields.required("name")?.text()?.to_owned();
    let at_kind = fields.required("kind")?;
    let kind = match at_kind.text()? {
        "spot" => undated(&fields, SeriesKind::Spot)?,
        "perp" => undated(&fields, SeriesKind::Perpetual)?,
        "future" => {
            no_strike(&fields)?;
            let expiry = expiry_index(&fields, expiries)?;
            SeriesKind::Future { expiry }
        }
        "call" => option(&fields, OptionKind::Call, expiries)?,
        "put" => option(&fields, OptionKind::Put, expiries)?,
        other => {
            let message = format!("unknown kind {other}; known: call, put, future, perp, spot");
            return Err(at_kind.fail(message));
        }
    };
    Ok(Series {
        path: at.path.clone(),
        name,
        kind,
    })
}

fn undated(fields: &Fields<'_>, kind: SeriesKind) -> Result<SeriesKind, InputError> {
    fields.absent("expiry", "only futures and options have an expiry")?;
    no_strike(fields)?;
    Ok(kind)
}

fn no_strike(fields: &Fields<'_>) -> Result<(), InputError> {
    fields.absent("strike", "only options have a strike")?;
    fields.absent("vol", "only options have a volatility")
}

fn expiry_index(fields: &Fields<'_>, expiries: usize) -> Result<usize, InputError> {
    let at = fields.required("expiry")?;
    let index: usize = at.whole()?;
    if index >= expiries {
        let message = format!("{index} is not an index of this market's {expiries} expiries");
        return Err(at.fail(message));
    }
    Ok(index)
}

fn option(
    fields: &Fields<'_>,
    kind: OptionKind,
    expiries: usize,
) -> Result<SeriesKind, InputError> {
    let vol_q32 = match fields.optional("vol") {
        Some(at) => read_vol(&at)?,
        None => 0,
    };
    Ok(SeriesKind::Option {
        kind,
        expiry: expiry_index(fields, expiries)?,
        strike: fields.required("strike")?.positive()?,
        vol_q32,
    })
}

/// An expiry without volatility is right only where nothing that refers to it needs one.
fn check_vols(expiries: &[Expiry], series: &[Series]) -> Result<(), InputError> {
    for (index, expiry) in expiries.iter().enumerate() {
        if expiry.vol.is_some() {
            continue;
        }
        let mut of_expiry = series
            .iter()
            .filter_map(|series| match series.kind {
                SeriesKind::Future { expiry } => Some((series, expiry, true)),
                SeriesKind::Option {
                    expiry, vol_q32, ..
                } => Some((series, expiry, vol_q32 > 0)),
                SeriesKind::Spot | SeriesKind::Perpetual => None,
            })
            .filter(|(_, expiry, _)| *expiry == index)
            .peekable();
        if of_expiry.peek().is_none() || of_expiry.any(|(_, _, has_vol)| !has_vol) {
            let path = format!("{}.vol", expiry.path);
            return Err(InputError::new(path, "missing; give vol or smile"));
        }
    }
    Ok(())
}

fn read_account(at: &At<'_>, markets: &[Market], notes: &mut Notes) -> Result<Account, InputError> {
    let fields = at.object(&["cash", "balances", "positions"])?;
    let mut cash = match fields.optional("cash") {
        Some(at) => money(&at, notes)?,
        None => 0,
    };
    let mut holdings = Vec::new();
    for at in fields.items("balances")? {
        let fields = at.object(&["symbol", "amount"])?;
        let at_symbol = fields.required("symbol")?;
        let symbol = at_symbol.text()?;
        let at_amount = fields.required("amount")?;
        if SETTLEMENT_SYMBOLS.contains(&symbol) {
            cash = cash.saturating_add(money(&at_amount, notes)?);
            continue;
        }
        holdings.push(Holding {
            market: find_market(&at_symbol, markets)?,
            series: None,
            quantity: at_amount.decimal()?,
            entry: None,
            path: at_amount.path,
        });
    }
    for at in fields.items("positions")? {
        holdings.push(read_position(&at, markets)?);
    }
    Ok(Account {
        cash: Decimal::new(cash, 6),
        holdings,
    })
}

/// An amount of settlement token in micro-units, to the nearest.
fn money(at: &At<'_>, notes: &mut Notes) -> Result<i128, InputError> {
    let value = at.decimal()?;
    notes
        .nearest(&at.path, value, 6)
        .filter(|units| i64::try_from(*units).is_ok())
        .ok_or_else(|| at.fail(format!("{value} does not fit 64 bits of micro-units")))
}

fn find_market(at: &At<'_>, markets: &[Market]) -> Result<usize, InputError> {
    let symbol = at.text()?;
    markets
        .iter()
        .position(|market| market.symbol == symbol)
        .ok_or_else(|| at.fail(format!("no market {symbol} in this file")))
}

fn read_position(at: &At<'_>, markets: &[Market]) -> Result<Holding, InputError> {
    let fields = at.object(&["market", "series", "quantity", "entry"])?;
    let market = find_market(&fields.required("market")?, markets)?;
    let at_series = fields.required("series")?;
    let name = at_series.text()?;
    let series = markets[market]
        .series
        .iter()
        .position(|series| series.name == name)
        .ok_or_else(|| {
            let symbol = &markets[market].symbol;
            at_series.fail(format!("no series {name} in market {symbol}"))
        })?;
    let at_quantity = fields.required("quantity")?;
    let entry = match fields.optional("entry") {
        Some(at) => Some(at.not_negative()?),
        None => None,
    };
    Ok(Holding {
        market,
        series: Some(series),
        quantity: at_quantity.decimal()?,
        entry,
        path: at_quantity.path,
    })
}
