//! `estuary risk margin`: the account's book through the engine, market by market.

use estuary_risk::margin::{AccountTotals, MarginReport};
use estuary_risk::market::{Instrument, Leg, MarketArrays, MarketRisk};
use estuary_risk::scenario::{Scenario, ScenarioGrid, COLUMNS};
use estuary_risk::smile::{check_no_calendar, Smile, SmileSlice};
use estuary_risk::units::{Money, RiskError, ONE_Q30};

use super::input::{Account, Expiry, Holding, Input, Market, SeriesKind, Vol};
use super::json::InputError;
use super::notes::Notes;
use super::quote::{self, Quote};
use super::scale::{lots, Lots, MarketPrices};

/// Names of the volatility levels.
pub const VOL_LEVEL_NAMES: [&str; 3] = ["down", "base", "up"];

/// The answer.
pub struct Margin {
    /// Equity and requirements.
    pub report: MarginReport,
    /// Equity less initial margin.
    pub health_initial: Money,
    /// Equity less maintenance margin.
    pub health_maintenance: Money,
    /// Market by market.
    pub markets: Vec<MarketMargin>,
}

/// One market of the answer.
pub struct MarketMargin {
    /// Its name.
    pub symbol: String,
    /// What the engine found.
    pub risk: MarketRisk,
    /// Index into `scenarios` of the worst one.
    pub worst: usize,
    /// Every scenario that is switched on.
    pub scenarios: Vec<ScenarioRow>,
    /// Greeks of the book in quote units.
    pub greeks: Quote,
    /// Every holding, balances first.
    pub positions: Vec<PositionRow>,
}

/// One scenario.
#[derive(Clone, Copy)]
pub struct ScenarioRow {
    /// Change of spot, parts per million.
    pub spot_shock_ppm: i64,
    /// Index into [`VOL_LEVEL_NAMES`].
    pub vol_level: usize,
    /// The share of the loss that counts, parts per million.
    pub weight_ppm: i64,
    /// Profit and loss of the book, unweighted.
    pub pnl: Money,
}

/// One holding.
pub struct PositionRow {
    /// The series, or the market's symbol for a balance.
    pub series: String,
    /// What was used of the quantity given.
    pub lots: Lots,
    /// Its weighted profit and loss in the market's worst scenario.
    pub contribution: Money,
}

/// Computes the margin of the file's account.
pub fn compute(input: &Input, notes: &mut Notes) -> Result<Margin, InputError> {
    let account = input
        .account
        .as_ref()
        .ok_or_else(|| InputError::new("account", "missing"))?;
    let overflow = |error| refusal("account", error);
    let cash = account
        .cash
        .nearest(6)
        .and_then(|scaled| i64::try_from(scaled.units).ok())
        .ok_or_else(|| overflow(RiskError::MoneyOverflow))?;
    let mut totals = AccountTotals::with_cash(Money(cash));
    let mut markets = Vec::with_capacity(input.markets.len());
    for (index, market) in input.markets.iter().enumerate() {
        let book = Book::new(account, index, market, notes)?;
        let (row, cost) = book.evaluate()?;
        totals.add_market(&row.risk, cost).map_err(overflow)?;
        markets.push(row);
    }
    let report = totals.report().map_err(overflow)?;
    Ok(Margin {
        health_initial: report.health_initial().map_err(overflow)?,
        health_maintenance: report.health_maintenance().map_err(overflow)?,
        report,
        markets,
    })
}

/// The account's holdings in one market, in the engine's units.
struct Book<'a> {
    market: &'a Market,
    prices: MarketPrices,
    lot_decimals: i32,
    holdings: Vec<(&'a Holding, Lots)>,
}

impl<'a> Book<'a> {
    fn new(
        account: &'a Account,
        index: usize,
        market: &'a Market,
        notes: &mut Notes,
    ) -> Result<Self, InputError> {
        let prices = MarketPrices::new(market, notes)?;
        warn_of_calendar_arbitrage(market, notes);
        let holdings: Vec<&Holding> = account
            .holdings
            .iter()
            .filter(|holding| holding.market == index)
            .collect();
        let (lot_decimals, all_lots) = lots(&holdings, notes)?;
        Ok(Self {
            market,
            prices,
            lot_decimals,
            holdings: holdings.into_iter().zip(all_lots).collect(),
        })
    }

    /// The market's answer and the cost of its linear positions.
    fn evaluate(&self) -> Result<(MarketMargin, Money), InputError> {
        let market = self.market;
        let inputs = self.prices.inputs(market, self.lot_decimals);
        let spot_path = format!("{}.spot", market.path);
        let mut arrays = MarketArrays::new(&inputs, market.expiries.len(), self.holdings.len())
            .map_err(|error| refusal(&spot_path, error))?;
        let (mut legs, mut cost, mut greeks) = (Vec::new(), Money(0), Quote::default());
        for (holding, lots) in &self.holdings {
            let instrument = self.instrument(&mut arrays, holding)?;
            legs.push(Leg {
                instrument,
                lots: lots.lots,
            });
            cost = self
                .cost(holding, *lots)
                .and_then(|more| cost.plus(more).ok())
                .ok_or_else(|| refusal(&holding.path, RiskError::MoneyOverflow))?;
            let quote = match holding.series {
                None => quote::of_spot(&self.prices),
                Some(series) => quote::of_series(market, series, &self.prices)?,
            };
            greeks.add(lots.quantity().to_f64(), &quote);
        }
        let mut risk = MarketRisk::EMPTY;
        let overflow = |error| refusal(&market.path, error);
        arrays.evaluate(&legs, &mut risk).map_err(overflow)?;
        let (scenarios, worst) = scenarios(&risk, &arrays).map_err(overflow)?;
        let positions = self.positions(&arrays, &legs, &risk).map_err(overflow)?;
        let row = MarketMargin {
            symbol: market.symbol.clone(),
            risk,
            worst,
            scenarios,
            greeks,
            positions,
        };
        Ok((row, cost))
    }

    /// The engine's handle of a holding, its strike priced at the first meeting.
    fn instrument(
        &self,
        arrays: &mut MarketArrays,
        holding: &Holding,
    ) -> Result<Instrument, InputError> {
        let Some(index) = holding.series else {
            return Ok(Instrument::Spot);
        };
        let series = &self.market.series[index];
        let made = match series.kind {
            SeriesKind::Spot => Ok(Instrument::Spot),
            SeriesKind::Perpetual => Ok(Instrument::Perpetual),
            SeriesKind::Future { expiry } => {
                self.add_expiry(arrays, expiry)?;
                arrays.future(expiry as u8)
            }
            SeriesKind::Option {
                kind,
                expiry,
                vol_q32,
                ..
            } => {
                self.add_expiry(arrays, expiry)?;
                let strike = self.prices.strikes[index];
                let vol_q32 = match (vol_q32, self.market.expiries[expiry].vol) {
                    (0, Some(Vol::Flat(flat))) => flat,
                    (own, _) => own,
                };
                let log_strike = estuary_risk::fixed::ln_q40(strike.0);
                arrays.option(kind, expiry as u8, strike, log_strike, vol_q32)
            }
        };
        made.map_err(|error| refusal(&series.path, error))
    }

    fn add_expiry(&self, arrays: &mut MarketArrays, index: usize) -> Result<(), InputError> {
        let expiry = &self.market.expiries[index];
        let ratio = self.prices.forward_ratio_q30(self.prices.forwards[index]);
        arrays
            .add_expiry(index as u8, expiry.seconds_left, ratio, &smile_of(expiry))
            .map_err(|error| refusal(&expiry.path, error))
    }

    /// Perpetuals and futures carry their cost; premiums and spot were paid in cash.
    fn cost(&self, holding: &Holding, lots: Lots) -> Option<Money> {
        let mark = match holding.series.map(|index| self.market.series[index].kind) {
            Some(SeriesKind::Perpetual) => self.prices.spot,
            Some(SeriesKind::Future { expiry }) => self.prices.forwards[expiry],
            _ => return Some(Money(0)),
        };
        lots.cost_down(holding.entry.unwrap_or(self.prices.decimal(mark)))
    }

    fn positions(
        &self,
        arrays: &MarketArrays,
        legs: &[Leg],
        risk: &MarketRisk,
    ) -> Result<Vec<PositionRow>, RiskError> {
        let weight_q30 = i128::from(arrays.grid().weight_q30(risk.worst_column));
        let row = |((holding, lots), leg): (&(&Holding, Lots), &Leg)| {
            let pnl = i128::from(arrays.leg_pnl_q28(leg, risk.worst_column)?);
            let name = match holding.series {
                None => &self.market.symbol,
                Some(index) => &self.market.series[index].name,
            };
            Ok(PositionRow {
                series: name.clone(),
                lots: *lots,
                contribution: arrays
                    .lot_value()
                    .money_down((pnl * weight_q30) >> 30, 28)?,
            })
        };
        self.holdings.iter().zip(legs).map(row).collect()
    }
}

/// What the engine prepares an expiry with. A flat volatility reaches the strikes at full precision;
/// an expiry without any holds only futures and options with their own.
fn smile_of(expiry: &Expiry) -> Smile {
    match expiry.vol {
        Some(Vol::Smile(smile)) => smile,
        Some(Vol::Flat(vol_q32)) => Smile::flat(
            u64::try_from((u128::from(vol_q32) * 1_000_000_000) >> 32)
                .unwrap_or(u64::MAX)
                .clamp(
                    estuary_risk::smile::ATM_VOL_MIN_PPB,
                    estuary_risk::smile::ATM_VOL_MAX_PPB,
                ),
        ),
        None => Smile::flat(1_000_000_000),
    }
}

/// Posting such a surface would be refused on chain; a what-if may ask all the same.
pub fn warn_of_calendar_arbitrage(market: &Market, notes: &mut Notes) {
    let mut expiries: Vec<&Expiry> = market
        .expiries
        .iter()
        .filter(|expiry| expiry.vol.is_some())
        .collect();
    expiries.sort_unstable_by_key(|expiry| expiry.time);
    let slice = |expiry: &Expiry| {
        let sqrt_tau = estuary_risk::fixed::sqrt_tau_q32(expiry.seconds_left);
        SmileSlice::new(&smile_of(expiry), sqrt_tau).ok()
    };
    for pair in expiries.windows(2) {
        let [earlier, later] = pair else { continue };
        let slices = slice(earlier).zip(slice(later));
        if earlier.time == later.time
            || slices.is_none_or(|(before, after)| check_no_calendar(&before, &after).is_ok())
        {
            continue;
        }
        let message = format!(
            "calendar arbitrage: total variance falls below that of {}",
            earlier.path
        );
        notes.warn(&later.path, message);
    }
}

/// The scenarios that are switched on, and which of them is the worst.
fn scenarios(
    risk: &MarketRisk,
    arrays: &MarketArrays,
) -> Result<(Vec<ScenarioRow>, usize), RiskError> {
    let (mut rows, mut worst) = (Vec::with_capacity(COLUMNS), 0);
    for (column, pnl_q28) in risk.pnl_q28.iter().enumerate() {
        let scenario = Scenario::of_column(column);
        let weight_ppm = to_ppm(arrays.grid().weight_q30(column));
        if weight_ppm == 0 {
            continue;
        }
        if column == risk.worst_column {
            worst = rows.len();
        }
        rows.push(ScenarioRow {
            spot_shock_ppm: to_ppm(spot_shock_q30(arrays.grid(), &scenario)),
            vol_level: scenario.vol_level,
            weight_ppm,
            pnl: arrays.lot_value().money_down(i128::from(*pnl_q28), 28)?,
        });
    }
    Ok((rows, worst))
}

fn spot_shock_q30(grid: &ScenarioGrid, scenario: &Scenario) -> i64 {
    grid.multiple_q30[scenario.spot_move] - ONE_Q30
}

/// Parts per million of a fraction that was made from them.
fn to_ppm(fraction_q30: i64) -> i64 {
    (fraction_q30 * 1_000_000 + ONE_Q30 / 2) >> 30
}

/// The engine's refusal at a place of the input.
fn refusal(path: &str, error: RiskError) -> InputError {
    let message = match error {
        RiskError::MoneyOverflow => {
            "amounts do not fit 64 bits of micro-units of the settlement token"
        }
        RiskError::TooManyLots => "the quantities of this market are too large",
        RiskError::BadLotValue => "price and quantities cannot be represented together",
        RiskError::ForwardOutOfRange => "the forward is outside half to twice the spot price",
        RiskError::ZeroStrike => "the strike is zero",
        RiskError::VolOutOfRange => "the volatility is outside what is priced",
        RiskError::CapacityExceeded => "more strikes than the engine takes",
        RiskError::UnknownInstrument => "the engine does not know the series",
    };
    InputError::new(path, message)
}
