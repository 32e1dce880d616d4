//! A book through `crates/risk`, as `estuary risk margin` takes an account: the only file here that calls the engine,
//! so that a new part of the requirement arrives without a change, or with one here.

use anyhow::{anyhow, Context, Result};
use estuary_risk::charges::OracleQuality;
use estuary_risk::fixed::ln_q40;
use estuary_risk::margin::{AccountTotals, MarginReport, GROSS_DIVISOR_INITIAL};
use estuary_risk::market::{self, Instrument, MarketArrays, MarketInputs, MarketRisk, OptionKind};
use estuary_risk::scenario::{ScenarioGrid, ScenarioParameters, SPOT_NODES};
use estuary_risk::smile::Smile;
use estuary_risk::units::{Money, Price, RiskError, ONE_Q30, SECONDS_PER_DAY};

/// Prices are in units of 10^-8.
const PRICE_EXPONENT: i8 = -8;
/// A thousandth of a unit to the lot, in billionths.
const LOT_SIZE: u64 = 1_000_000;
/// Lots of one unit.
const LOTS_PER_UNIT: i64 = 1_000;

/// What a leg is; strikes are multiples of spot at the time of opening.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// The underlying, owned.
    Spot,
    /// A perpetual.
    Perpetual,
    /// A dated future: days to expiry.
    Future(i64),
    /// A call: strike, days to expiry.
    Call(f64, i64),
    /// A put: strike, days to expiry.
    Put(f64, i64),
}

/// A leg and its units, shorts negative.
#[derive(Clone, Copy, Debug)]
pub struct Leg(pub Kind, pub i64);

/// A book of units of underlying.
#[derive(Debug)]
pub struct Book {
    /// What it is called.
    pub name: &'static str,
    /// Its legs.
    pub legs: &'static [Leg],
    /// Whether perpetuals are added until its delta is zero.
    pub hedged: bool,
}

/// A leg with its strike fixed, and the days to its expiry at the opening.
#[derive(Clone, Copy)]
pub struct Held {
    what: What,
    lots: i64,
}

#[derive(Clone, Copy)]
enum What {
    Spot,
    Perpetual,
    Future(i64),
    Option(OptionKind, Price, i64),
}

impl Held {
    /// Signed units.
    pub fn units(&self) -> f64 {
        self.lots as f64 / LOTS_PER_UNIT as f64
    }

    /// What it is, a strike as a share of `spot`.
    pub fn name(&self, spot: f64) -> String {
        match self.what {
            What::Spot => "spot".to_owned(),
            What::Perpetual => "perpetual".to_owned(),
            What::Future(days) => format!("{days}-day future"),
            What::Option(kind, strike, days) => {
                let kind = match kind {
                    OptionKind::Call => "call",
                    OptionKind::Put => "put",
                };
                format!("{days}-day {:.0}% {kind}", strike.0 as f64 / 1e6 / spot)
            }
        }
    }
}

/// Implied volatility by days to expiry, the same for all strikes.
pub type Vol<'a> = &'a dyn Fn(f64) -> f64;

/// What an account is worth and needs, in quote units.
pub struct Margin {
    /// At mark.
    pub equity: f64,
    /// Initial margin.
    pub initial: f64,
    /// Maintenance margin.
    pub maintenance: f64,
    /// What the initial margin is made of, by the names of the margin model, in quote units.
    pub components: Vec<(&'static str, f64)>,
    /// Which of them decides, in words.
    pub binds: String,
}

/// A book that is held, and what it needed when it was opened.
pub struct Position {
    /// Its legs, the hedge last.
    pub legs: Vec<Held>,
    parameters: ScenarioParameters,
    /// Of the linear legs, whose price was paid in nothing.
    cost: Money,
    /// When it was opened.
    pub margin: Margin,
}

/// The parameters of a market by its underlying; unknown ones have the widest.
pub fn parameters_of(symbol: &str) -> ScenarioParameters {
    match symbol {
        "BTC" => ScenarioParameters::BTC,
        "ETH" => ScenarioParameters::ETH,
        _ => ScenarioParameters::SOL,
    }
}

/// Opens a book.
///
/// # Errors
/// When the engine refuses it.
pub fn open(symbol: &str, spot: f64, vol: Vol<'_>, book: &Book) -> Result<Position> {
    let strike = |multiple: f64| mantissa(spot * multiple);
    let held = |leg: &Leg| {
        let what = match leg.0 {
            Kind::Spot => What::Spot,
            Kind::Perpetual => What::Perpetual,
            Kind::Future(days) => What::Future(days),
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
        parameters: parameters_of(symbol),
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
    moment.open(legs)
}

/// Opens a leg of a position in an account of its own.
///
/// # Errors
/// When the engine refuses it.
pub fn open_alone(symbol: &str, spot: f64, vol: Vol<'_>, leg: Held) -> Result<Position> {
    let moment = Moment {
        parameters: parameters_of(symbol),
        spot,
        vol,
        age: 0,
    };
    moment.open(vec![leg])
}

impl Position {
    /// What is lost a day later at another price, in quote units.
    ///
    /// # Errors
    /// When the engine refuses the book there.
    pub fn loss(&self, spot: f64, vol: Vol<'_>) -> Result<f64> {
        let moment = Moment {
            parameters: self.parameters,
            spot,
            vol,
            age: 1,
        };
        let (_, report) = moment.evaluate(&self.legs, self.cost)?;
        Ok(self.margin.equity - quote_units(report.equity))
    }
}

/// A price and a volatility, some days after the book was opened.
struct Moment<'a> {
    parameters: ScenarioParameters,
    spot: f64,
    vol: Vol<'a>,
    age: i64,
}

impl Moment<'_> {
    /// Takes the legs at their marks.
    fn open(&self, legs: Vec<Held>) -> Result<Position> {
        let (risk, _) = self.evaluate(&legs, Money(0))?;
        let cost = Money(-risk.linear_value.0);
        let (risk, report) = self.evaluate(&legs, cost)?;
        Ok(Position {
            legs,
            parameters: self.parameters,
            cost,
            margin: Margin {
                equity: quote_units(report.equity),
                initial: quote_units(report.initial_margin),
                maintenance: quote_units(report.maintenance_margin),
                components: components(&risk),
                binds: self.binds(&risk, &report)?,
            },
        })
    }

    /// What the initial margin is decided by.
    fn binds(&self, risk: &MarketRisk, report: &MarginReport) -> Result<String> {
        let error = |error| anyhow!("{error:?}");
        let loss = risk.scenario_loss().map_err(error)?;
        let (short_minimum, _) = risk.short_minimums().map_err(error)?;
        let costs = risk.liquidity_cost.0 + risk.oracle_contingency.0;
        let sum = loss.0 + short_minimum.0 + costs;
        let floor = risk.gross.mul_div_up(1, GROSS_DIVISOR_INITIAL);
        if Ok(report.initial_margin) == floor {
            return Ok("G/20".to_owned());
        }
        if report.initial_margin.0 < sum {
            return Ok("all it is worth".to_owned());
        }
        if loss == risk.defined_loss || short_minimum < risk.short_minimum {
            return Ok("all it can lose".to_owned());
        }
        // What a rounding leaves is not named, nor is what is not added.
        let parts = components(risk)
            .into_iter()
            .filter(|part| part.1 > 1e-5 * self.spot);
        let charges = parts.filter(|part| !["A", "G/20", "most to lose"].contains(&part.0));
        let charges: Vec<_> = charges.map(|part| part.0).collect();
        let with = if charges.is_empty() { "" } else { "; with " };
        let scenario = self.worst_scenario(risk)?;
        Ok(format!("A {scenario}{with}{}", charges.join(", ")))
    }

    /// The scenario of the largest loss.
    fn worst_scenario(&self, risk: &MarketRisk) -> Result<String> {
        let grid = self.grid()?;
        let worst = risk.worst_scenario();
        let multiple = grid.multiple_q30.get(worst.spot_move).copied();
        let shock = multiple.map_or(0.0, |q30| q30 as f64 / ONE_Q30 as f64 - 1.0);
        let level = ["down", "as it is", "up"][worst.vol_level];
        let tail = worst.spot_move.checked_sub(SPOT_NODES);
        let weight = tail.and_then(|tail| self.parameters.tail_weight_ppm.get(tail));
        let weight = weight.map_or(String::new(), |ppm| {
            format!(", {:.0}% of the loss", f64::from(*ppm) / 1e4)
        });
        // Where the bound is what counts, the worst of the nodes is named beside it.
        let place = if risk.scan_loss.0 as f64 > 0.99 * risk.certified_loss.0 as f64 {
            "at"
        } else {
            "between the nodes, of them most at"
        };
        Ok(format!(
            "{place} spot {:+.0}%{weight}, volatility {level}",
            100.0 * shock
        ))
    }

    fn grid(&self) -> Result<ScenarioGrid> {
        self.parameters.grid().map_err(|error| anyhow!("{error:?}"))
    }

    /// The account that holds the legs and no cash.
    fn evaluate(&self, held: &[Held], cost: Money) -> Result<(MarketRisk, MarginReport)> {
        let inputs = MarketInputs {
            spot: mantissa(self.spot),
            price_exponent: PRICE_EXPONENT,
            lot_size: LOT_SIZE,
            grid: self.grid()?,
            oracle: OracleQuality::default(),
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
                What::Future(days) => {
                    let id = self.add_expiry(&mut arrays, days)?;
                    arrays.future(id)?
                }
                What::Option(kind, strike, days) => {
                    let id = self.add_expiry(&mut arrays, days)?;
                    arrays.option(kind, id, strike, ln_q40(strike.0), 0)?
                }
            };
            legs.push(market::Leg {
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

    /// An expiry some days from the opening, its forward at spot; it is called by their number.
    fn add_expiry(&self, arrays: &mut MarketArrays, days: i64) -> Result<u8, RiskError> {
        let left = days - self.age;
        let id = u8::try_from(days).map_err(|_| RiskError::CapacityExceeded)?;
        let smile = Smile::flat(((self.vol)(left as f64) * 1e9).round() as u64);
        arrays.add_expiry(id, left * SECONDS_PER_DAY, ONE_Q30, &smile)?;
        Ok(id)
    }
}

/// The parts of the requirement.
fn components(risk: &MarketRisk) -> Vec<(&'static str, f64)> {
    let mut parts = vec![
        ("A", risk.certified_loss),
        ("T", risk.twist),
        ("W", risk.skew),
        ("B", risk.basis),
        ("E", risk.expiring_longs),
        ("SOM", risk.short_minimum),
        ("LC", risk.liquidity_cost),
        ("OC", risk.oracle_contingency),
    ];
    parts.retain(|part| part.1 != Money(0));
    let mut parts: Vec<_> = parts
        .into_iter()
        .map(|(name, part)| (name, quote_units(part)))
        .collect();
    parts.push(("G/20", quote_units(risk.gross) / 20.0));
    if risk.defined_loss != MarketRisk::NO_LIMIT {
        parts.push(("most to lose", quote_units(risk.defined_loss)));
    }
    parts
}

fn mantissa(price: f64) -> Price {
    Price((price * 1e8).round() as u64)
}

/// Micro-units as quote units.
fn quote_units(money: Money) -> f64 {
    money.0 as f64 / 1e6
}
