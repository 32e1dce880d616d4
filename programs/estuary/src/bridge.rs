//! Between accounts and engine: the only place that knows the layouts of [`crate::state`] and the types of
//! `estuary_risk`. It converts; every rule about margin is the engine's.

use crate::{
    error::EstuaryError,
    instructions::ScenarioArgs,
    oracle::CheckedPrice,
    state::{
        market::{listed, StoredGrid, StoredParameters},
        Expiry, MarginAccount, Market, Position, Series, SeriesKind,
    },
};
use anchor_lang::prelude::*;
use estuary_risk::{
    array::{MAX_FORWARD_RATIO_Q30, MIN_FORWARD_RATIO_Q30},
    fixed::{ln_q40, sqrt_tau_q32},
    margin::{AccountTotals, MarginReport, Refusal},
    market::{Instrument, Leg, MarketArrays, MarketInputs, MarketRisk, OptionKind},
    scenario::{ParameterError, ScenarioGrid, ScenarioParameters},
    smile::{check_no_calendar, Smile, SmileError, SmileSlice},
    units::{Money, Price, RiskError, ONE_Q30, SECONDS_PER_YEAR},
};

/// Parts per billion of a whole, times the seconds of a year.
const PPB_YEAR: i128 = 1_000_000_000 * SECONDS_PER_YEAR as i128;

/// A market and its price, wherever they come from: borrowed accounts on chain, copied bytes in a client.
#[derive(Clone, Copy, Debug)]
pub struct MarketData<'a> {
    /// Header of the market.
    pub header: &'a Market,
    /// Its table of series.
    pub table: &'a [Series],
    /// The checked price of its underlying.
    pub price: CheckedPrice,
}

// Scenario parameters

/// Checks scenario parameters and derives their grid, both in account form.
///
/// # Errors
/// The error that names the wrong parameter.
pub fn store_parameters(args: &ScenarioArgs) -> Result<(StoredParameters, StoredGrid)> {
    let parameters = ScenarioParameters {
        spot_range_ppm: args.spot_range_ppm,
        node_ppm: args.node_ppm,
        tail_multiple_ppm: args.tail_multiple_ppm,
        tail_weight_ppm: args.tail_weight_ppm,
        fall_limit_ppm: args.fall_limit_ppm,
        vol_up_ppm: args.vol_up_ppm,
        vol_down_ppm: args.vol_down_ppm,
        vol_power_short_ppm: args.vol_power_short_ppm,
        vol_power_long_ppm: args.vol_power_long_ppm,
    };
    let grid = parameters.grid().map_err(parameter_error)?;
    let stored = StoredParameters {
        spot_range_ppm: args.spot_range_ppm,
        node_ppm: args.node_ppm,
        tail_multiple_ppm: args.tail_multiple_ppm,
        tail_weight_ppm: args.tail_weight_ppm,
        fall_limit_ppm: args.fall_limit_ppm,
        vol_up_ppm: args.vol_up_ppm,
        vol_down_ppm: args.vol_down_ppm,
        vol_power_short_ppm: args.vol_power_short_ppm,
        vol_power_long_ppm: args.vol_power_long_ppm,
        padding: [0; 4],
    };
    let grid = StoredGrid {
        multiple_q30: grid.multiple_q30,
        log_q28: grid.log_q28,
        tail_weight_q30: grid.tail_weight_q30,
        tail_inverse_weight_q16: grid.tail_inverse_weight_q16,
        vol_up_ppm: grid.vol_up_ppm,
        vol_down_ppm: grid.vol_down_ppm,
        vol_power_short_ppm: grid.vol_power_short_ppm,
        vol_power_long_ppm: grid.vol_power_long_ppm,
    };
    Ok((stored, grid))
}

fn load_grid(stored: &StoredGrid) -> ScenarioGrid {
    ScenarioGrid {
        multiple_q30: stored.multiple_q30,
        log_q28: stored.log_q28,
        tail_weight_q30: stored.tail_weight_q30,
        tail_inverse_weight_q16: stored.tail_inverse_weight_q16,
        vol_up_ppm: stored.vol_up_ppm,
        vol_down_ppm: stored.vol_down_ppm,
        vol_power_short_ppm: stored.vol_power_short_ppm,
        vol_power_long_ppm: stored.vol_power_long_ppm,
    }
}

fn parameter_error(error: ParameterError) -> EstuaryError {
    match error {
        ParameterError::SpotRange => EstuaryError::SpotRangeInvalid,
        ParameterError::Nodes => EstuaryError::NodesInvalid,
        ParameterError::Tails => EstuaryError::TailsInvalid,
        ParameterError::TailWeights => EstuaryError::TailWeightsInvalid,
        ParameterError::FallLimit => EstuaryError::FallLimitInvalid,
        ParameterError::VolUp => EstuaryError::VolUpInvalid,
        ParameterError::VolDown => EstuaryError::VolDownInvalid,
        ParameterError::VolPower => EstuaryError::VolPowerInvalid,
    }
}

// Series, expiries and surfaces

/// The logarithm stored with a series: of the strike's mantissa, Q40, 0 without a strike.
#[must_use]
pub fn ln_strike_q40(strike: u64) -> i64 {
    ln_q40(strike)
}

fn smile_of(expiry: &Expiry) -> Smile {
    Smile {
        atm_vol_ppb: expiry.atm_vol_ppb,
        rho_ppb: expiry.rho_ppb,
        phi_ppb: expiry.phi_ppb,
    }
}

/// Forward over spot at `now`, Q30, rounded down: one plus the basis rate times the years left. Saturates.
#[must_use]
pub fn forward_ratio_q30(expiry: &Expiry, now: i64) -> i64 {
    let left = i128::from(expiry.time.saturating_sub(now).max(0));
    // A rate and a time of 64 bits each and 30 bits more: below 2^127 for any time within 2^33 seconds.
    let basis = i128::from(expiry.basis_rate_ppb)
        .saturating_mul(left)
        .saturating_mul(i128::from(ONE_Q30))
        .div_euclid(PPB_YEAR);
    ONE_Q30.saturating_add(i64::try_from(basis).unwrap_or(if basis < 0 {
        i64::MIN
    } else {
        i64::MAX
    }))
}

/// Checks the whole surface of a market: each slice for butterflies, consecutive maturities for calendars.
///
/// # Errors
/// One error per parameter out of range, [`EstuaryError::BasisRateInvalid`], [`EstuaryError::SurfaceButterfly`],
/// [`EstuaryError::SurfaceCalendar`]. The log names the expiry.
pub fn check_surface(market: &Market, now: i64) -> Result<()> {
    let mut live: Vec<&Expiry> = market
        .open_expiries()
        .iter()
        .filter(|expiry| expiry.time > now)
        .collect();
    live.sort_unstable_by_key(|expiry| expiry.time);
    let mut earlier: Option<SmileSlice> = None;
    for expiry in live {
        let slice = check_slice(expiry, now)
            .and_then(|slice| match &earlier {
                Some(earlier) => check_no_calendar(earlier, &slice).map(|()| slice),
                None => Ok(slice),
            })
            .map_err(|error| {
                msg!("expiry {}: {:?}", expiry.time, error);
                smile_error(error)
            })?;
        let ratio = forward_ratio_q30(expiry, now);
        if !(MIN_FORWARD_RATIO_Q30..MAX_FORWARD_RATIO_Q30).contains(&ratio) {
            let values = (expiry.basis_rate_ppb, expiry.time);
            return Err(error!(EstuaryError::BasisRateInvalid).with_values(values));
        }
        earlier = Some(slice);
    }
    Ok(())
}

fn check_slice(expiry: &Expiry, now: i64) -> core::result::Result<SmileSlice, SmileError> {
    let smile = smile_of(expiry);
    let sqrt_tau = sqrt_tau_q32(expiry.time.saturating_sub(now));
    smile.validate()?;
    smile.check_no_butterfly(sqrt_tau)?;
    SmileSlice::new(&smile, sqrt_tau)
}

fn smile_error(error: SmileError) -> EstuaryError {
    match error {
        SmileError::AtmVol => EstuaryError::AtmVolInvalid,
        SmileError::Rho => EstuaryError::RhoInvalid,
        SmileError::Phi => EstuaryError::PhiInvalid,
        SmileError::SqrtTau => EstuaryError::ExpiryTooFar,
        SmileError::ButterflyWings | SmileError::ButterflyCurvature => {
            EstuaryError::SurfaceButterfly
        }
        SmileError::Calendar(_) => EstuaryError::SurfaceCalendar,
    }
}

// Books

/// Positions of an account in one market.
#[must_use]
pub fn positions_in(account: &MarginAccount, market: u16) -> &[Position] {
    let positions = account.open_positions();
    let start = positions.partition_point(|position| position.market < market);
    let end = positions.partition_point(|position| position.market <= market);
    positions.get(start..end).unwrap_or_default()
}

/// The engine turned to one market at a time, in memory taken once.
pub struct Engine {
    arrays: MarketArrays,
    legs: Vec<Leg>,
}

impl Engine {
    /// An engine for the markets given, none of which will meet more than `most_series` series.
    ///
    /// # Errors
    /// The engine's, when a market's lot cannot be valued.
    pub fn new(markets: &[MarketData<'_>], most_series: usize) -> Result<Option<Self>> {
        let Some(first) = markets.first() else {
            return Ok(None);
        };
        let expiries = markets
            .iter()
            .map(|market| usize::from(market.header.expiry_count))
            .max();
        let expiries = expiries.unwrap_or(0).min(most_series);
        let arrays =
            MarketArrays::new(&inputs(first), expiries, most_series).map_err(risk_error)?;
        Ok(Some(Self {
            arrays,
            legs: Vec::with_capacity(most_series),
        }))
    }

    /// Turns to a market.
    ///
    /// # Errors
    /// The engine's, when the market's lot cannot be valued.
    pub fn enter(&mut self, market: &MarketData<'_>) -> Result<()> {
        self.arrays.restart(&inputs(market)).map_err(risk_error)
    }

    /// The instrument of a series of the current market, priced if it has not been met yet.
    ///
    /// # Errors
    /// [`EstuaryError::SlotUnknown`], [`EstuaryError::SeriesGenerationMismatch`], the engine's.
    pub fn instrument(
        &mut self,
        market: &MarketData<'_>,
        slot: u16,
        generation: u32,
        now: i64,
    ) -> Result<Instrument> {
        let series = listed(market.header, market.table, slot)?;
        require_eq!(
            series.generation,
            generation,
            EstuaryError::SeriesGenerationMismatch
        );
        let kind = series.kind()?;
        if kind == SeriesKind::Perp {
            return Ok(Instrument::Perpetual);
        }
        let expiry = market.header.expiry(series.expiry)?;
        if !self.arrays.has_expiry(series.expiry) {
            let left = expiry.time.saturating_sub(now);
            let ratio = forward_ratio_q30(expiry, now);
            self.arrays
                .add_expiry(series.expiry, left, ratio, &smile_of(expiry))
                .map_err(risk_error)?;
        }
        let option = |kind| {
            (
                kind,
                series.expiry,
                Price(series.strike),
                series.ln_strike_q40,
            )
        };
        let (kind, expiry, strike, log_strike) = match kind {
            SeriesKind::Call => option(OptionKind::Call),
            SeriesKind::Put => option(OptionKind::Put),
            SeriesKind::Future | SeriesKind::Perp => {
                return self.arrays.future(series.expiry).map_err(risk_error)
            }
        };
        self.arrays
            .option(kind, expiry, strike, log_strike, 0)
            .map_err(risk_error)
    }

    /// Evaluates positions of the current market and adds them to an account's totals.
    ///
    /// # Errors
    /// Those of [`Engine::instrument`], the engine's.
    pub fn add_book(
        &mut self,
        market: &MarketData<'_>,
        positions: &[Position],
        now: i64,
        totals: &mut AccountTotals,
    ) -> Result<MarketRisk> {
        self.legs.clear();
        let mut cost = Money(0);
        for position in positions {
            let instrument = self.instrument(market, position.slot, position.generation, now)?;
            self.legs.push(Leg {
                instrument,
                lots: position.lots,
            });
            cost = cost.plus(Money(position.cost)).map_err(risk_error)?;
        }
        let mut risk = MarketRisk::EMPTY;
        self.arrays
            .evaluate(&self.legs, &mut risk)
            .map_err(risk_error)?;
        totals.add_market(&risk, cost).map_err(risk_error)?;
        Ok(risk)
    }
}

fn inputs(market: &MarketData<'_>) -> MarketInputs {
    MarketInputs {
        spot: Price(market.price.price),
        price_exponent: market.header.price_exponent,
        lot_size: market.header.lot_size,
        grid: load_grid(&market.header.grid),
    }
}

/// The margin of an account whose markets are all given, in ascending order.
///
/// # Errors
/// The engine's, as errors of the program.
pub fn assess(
    account: &MarginAccount,
    markets: &[MarketData<'_>],
    now: i64,
) -> Result<MarginReport> {
    let mut totals = AccountTotals::with_cash(Money(account.cash()));
    // Memory is taken once and never given back, so for the fullest market and not for all of them together.
    let in_market = |market: &MarketData<'_>| positions_in(account, market.header.index).len();
    let most_series = markets.iter().map(in_market).max().unwrap_or_default();
    if let Some(mut engine) = Engine::new(markets, most_series)? {
        for market in markets {
            engine.enter(market)?;
            let positions = positions_in(account, market.header.index);
            engine.add_book(market, positions, now, &mut totals)?;
        }
    }
    totals.report().map_err(risk_error)
}

/// Whether value may leave an account in the state the report describes.
///
/// # Errors
/// [`EstuaryError::SeniorNegative`], [`EstuaryError::BelowInitialMargin`].
pub fn check_can_pay_out(report: &MarginReport) -> Result<()> {
    report
        .check_withdrawal()
        .map_err(|refusal| refusal_error(refusal, report))
}

/// The program's error for an engine's refusal, with the numbers that decided it.
#[must_use]
pub fn refusal_error(refusal: Refusal, after: &MarginReport) -> Error {
    let (equity, initial) = (after.equity.0, after.initial_margin.0);
    match refusal {
        Refusal::BelowMaintenanceMargin => error!(EstuaryError::BelowMaintenanceMargin),
        Refusal::BelowInitialMargin => {
            error!(EstuaryError::BelowInitialMargin).with_values((equity, initial))
        }
        Refusal::SeniorEquityNegative => {
            error!(EstuaryError::SeniorNegative).with_values((after.senior.0, 0))
        }
        Refusal::LowersHealth => {
            error!(EstuaryError::WeakAccountHealthFalls).with_values((equity, initial))
        }
        Refusal::WorseThanMark => error!(EstuaryError::WeakAccountLegWorseThanMark),
        Refusal::EquityFalls => {
            error!(EstuaryError::WeakAccountEquityFalls).with_values((equity, initial))
        }
        Refusal::EquityNegative => {
            error!(EstuaryError::WeakAccountEquityNegative).with_values((equity, 0))
        }
        Refusal::Risk(error) => risk_error(error),
    }
}

/// The program's error for an engine's error.
#[must_use]
pub fn risk_error(error: RiskError) -> Error {
    let error = match error {
        RiskError::MoneyOverflow => EstuaryError::AmountOverflow,
        RiskError::TooManyLots => EstuaryError::LotsOverflow,
        RiskError::BadLotValue => EstuaryError::LotValueOutOfRange,
        RiskError::ForwardOutOfRange => EstuaryError::ForwardOutOfRange,
        RiskError::ZeroStrike => EstuaryError::StrikeInvalid,
        RiskError::VolOutOfRange => EstuaryError::VolOutOfRange,
        RiskError::CapacityExceeded => EstuaryError::EngineCapacity,
        RiskError::UnknownInstrument => EstuaryError::SlotUnknown,
    };
    error!(error)
}
