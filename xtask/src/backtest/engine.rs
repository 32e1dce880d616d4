//! A book through `crates/risk`, as `estuary risk margin` takes an account: the only file here that calls the engine,
//! so that a new part of the requirement arrives without a change, or with one here.

use super::books::{Book, Kind};
use super::vol::State;
use anyhow::{anyhow, Context, Result};
use estuary_risk::fixed::ln_q40;
use estuary_risk::margin::{AccountTotals, MarginReport};
use estuary_risk::market::{Instrument, Leg, MarketArrays, MarketInputs, MarketRisk, OptionKind};
use estuary_risk::scenario::ScenarioParameters;
use estuary_risk::smile::Smile;
use estuary_risk::units::{Money, Price, RiskError, ONE_Q30, SECONDS_PER_DAY};

/// Prices are in units of 10^-8.
const PRICE_EXPONENT: i8 = -8;
/// A thousandth of a unit to the lot, in billionths.
const LOT_SIZE: u64 = 1_000_000;
/// Lots of one unit.
const LOTS_PER_UNIT: i64 = 1_000;

/// A leg with its strike fixed, and the days to its expiry at the opening.
#[derive(Clone, Copy)]
struct Held {
    what: What,
    lots: i64,
}

#[derive(Clone, Copy)]
enum What {
    Spot,
    Perpetual,
    Option(OptionKind, Price, i64),
}

/// A book that is held, and what it needed when it was opened.
pub struct Position {
    legs: Vec<Held>,
    parameters: ScenarioParameters,
    /// Of the perpetuals, whose price was paid in nothing.
    cost: Money,
    equity: f64,
    /// Initial margin, in quote units.
    pub initial: f64,
    /// Maintenance margin, in quote units.
    pub maintenance: f64,
}

/// The parameters of a market by its underlying; unknown ones have the widest.
pub fn parameters_of(symbol: &str) -> ScenarioParameters {
    match symbol {
        "BTC" => ScenarioParameters::BTC,
        "ETH" => ScenarioParameters::ETH,
        _ => ScenarioParameters::SOL,
    }
}

/// Opens a book at a close.
///
/// # Errors
/// When the engine refuses it.
pub fn open(symbol: &str, spot: f64, vol: &State, book: &Book) -> Result<Position> {
    let parameters = parameters_of(symbol);
    let strike = |multiple: f64| mantissa(spot * multiple);
    let held = |leg: &super::books::Leg| {
        let what = match leg.0 {
            Kind::Spot => What::Spot,
            Kind::Perpetual => What::Perpetual,
            Kind::Call(multiple, days) => What::Option(OptionKind::Call, strike(multiple), days),
            Kind::Put(multiple, days) => What::Option(OptionKind::Put, strike(multiple), days),
        };
        Held {
            what,
            lots: leg.1 * LOTS_PER_UNIT,
        }
    };
    let mut legs: Vec<Held> = book.legs.iter().map(held).collect();
    let moment = Moment {
        parameters,
        spot,
        vol,
        age: 0,
    };
    if book.hedged {
        let (risk, _) = moment.evaluate(&legs, Money(0))?;
        let lots = (risk.delta_q30 as f64 / ONE_Q30 as f64).round() as i64;
        legs.push(Held {
            what: What::Perpetual,
            lots: -lots,
        });
    }
    let (risk, _) = moment.evaluate(&legs, Money(0))?;
    let cost = Money(-risk.linear_value.0);
    let (_, report) = moment.evaluate(&legs, cost)?;
    Ok(Position {
        legs,
        parameters,
        cost,
        equity: quote_units(report.equity),
        initial: quote_units(report.initial_margin),
        maintenance: quote_units(report.maintenance_margin),
    })
}

impl Position {
    /// What is lost a day later at another price, in quote units.
    ///
    /// # Errors
    /// When the engine refuses the book there.
    pub fn loss(&self, spot: f64, vol: &State) -> Result<f64> {
        let moment = Moment {
            parameters: self.parameters,
            spot,
            vol,
            age: 1,
        };
        let (_, report) = moment.evaluate(&self.legs, self.cost)?;
        Ok(self.equity - quote_units(report.equity))
    }
}

/// A price and a volatility, some days after the book was opened.
struct Moment<'a> {
    parameters: ScenarioParameters,
    spot: f64,
    vol: &'a State,
    age: i64,
}

impl Moment<'_> {
    /// The account that holds the legs and no cash.
    fn evaluate(&self, held: &[Held], cost: Money) -> Result<(MarketRisk, MarginReport)> {
        let grid = self.parameters.grid();
        let inputs = MarketInputs {
            spot: mantissa(self.spot),
            price_exponent: PRICE_EXPONENT,
            lot_size: LOT_SIZE,
            grid: grid.map_err(|error| anyhow!("{error:?}"))?,
        };
        self.report(&inputs, held, cost)
            .map_err(|error| anyhow!("{error:?}"))
            .with_context(|| format!("at {}", self.spot))
    }

    fn report(
        &self,
        inputs: &MarketInputs,
        held: &[Held],
        cost: Money,
    ) -> Result<(MarketRisk, MarginReport), RiskError> {
        let mut arrays = MarketArrays::new(inputs, held.len(), held.len())?;
        let mut legs = Vec::with_capacity(held.len());
        for leg in held {
            let instrument = match leg.what {
                What::Spot => Instrument::Spot,
                What::Perpetual => Instrument::Perpetual,
                What::Option(kind, strike, days) => {
                    let left = days - self.age;
                    let id = u8::try_from(days).map_err(|_| RiskError::CapacityExceeded)?;
                    let vol = self.vol.implied(left as f64);
                    let smile = Smile::flat((vol * 1e9).round() as u64);
                    arrays.add_expiry(id, left * SECONDS_PER_DAY, ONE_Q30, &smile)?;
                    arrays.option(kind, id, strike, ln_q40(strike.0), 0)?
                }
            };
            legs.push(Leg {
                instrument,
                lots: leg.lots,
            });
        }
        let mut risk = MarketRisk::EMPTY;
        arrays.evaluate(&legs, &mut risk)?;
        let mut totals = AccountTotals::with_cash(Money(0));
        totals.add_market(&risk, cost)?;
        let report = totals.report()?;
        Ok((risk, report))
    }
}

fn mantissa(price: f64) -> Price {
    Price((price * 1e8).round() as u64)
}

/// Micro-units as quote units.
fn quote_units(money: Money) -> f64 {
    money.0 as f64 / 1e6
}
