//! The engine, turned to one market after the other.

use super::{
    matured::matured_series_value,
    offsets::offsets,
    parameters::{averaging, forward_ratio_q30, load_grid, smile_of},
    risk_error, tokens_in, MarketData,
};
use crate::{
    error::EstuaryError,
    state::{
        market::listed, MarginAccount, Owner, Position, Series, SeriesKind, MAX_LOTS_PER_MARKET,
    },
};
use anchor_lang::prelude::*;
use estuary_risk::{
    charges::OracleQuality,
    margin::{AccountTotals, MarginReport},
    market::{Instrument, Leg, MarketArrays, MarketInputs, MarketRisk, OptionKind},
    units::{Money, Price},
};

/// What the engine has to know of a market.
#[inline(always)]
pub(super) fn inputs(market: &MarketData<'_>) -> Result<MarketInputs> {
    let price = market.price()?;
    Ok(MarketInputs {
        spot: Price(price.price),
        price_exponent: market.header.price_exponent,
        lot_size: market.header.lot_size,
        grid: load_grid(market.header),
        oracle: OracleQuality::new(price.price, price.confidence, price.age_seconds),
    })
}

/// Arrays of one market with room for a number of series.
#[inline(never)]
pub(super) fn new_arrays(market: &MarketData<'_>, series: usize) -> Result<MarketArrays> {
    let expiries = usize::from(market.header.expiry_count).min(series);
    MarketArrays::new(&inputs(market)?, expiries, series).map_err(risk_error)
}

/// The instrument of a series, priced in every scenario if the arrays have not met it yet.
///
/// From half an hour before its expiry until it has a settlement price, it is priced by what is fixed of its average and what
/// is not.
///
/// # Errors
/// [`EstuaryError::SlotUnknown`], [`EstuaryError::SeriesGenerationMismatch`], the engine's.
#[inline(never)]
pub(super) fn instrument(
    arrays: &mut MarketArrays,
    market: &MarketData<'_>,
    slot: u16,
    generation: u32,
    now: i64,
) -> Result<Instrument> {
    instrument_of(arrays, market, series_in(market, slot, generation)?, now)
}

/// The series in a slot, if it is the one meant.
fn series_in<'m>(market: &MarketData<'m>, slot: u16, generation: u32) -> Result<&'m Series> {
    let series = listed(market.header, market.table, slot)?;
    require_eq!(
        series.generation,
        generation,
        EstuaryError::SeriesGenerationMismatch
    );
    Ok(series)
}

/// [`instrument`] of a series that has been found.
fn instrument_of(
    arrays: &mut MarketArrays,
    market: &MarketData<'_>,
    series: &Series,
    now: i64,
) -> Result<Instrument> {
    let kind = match series.kind()? {
        SeriesKind::Perp => return Ok(Instrument::Perpetual),
        SeriesKind::Future => None,
        SeriesKind::Call => Some(OptionKind::Call),
        SeriesKind::Put => Some(OptionKind::Put),
    };
    if !arrays.has_expiry(series.expiry) {
        let expiry = market.header.expiry(series.expiry)?;
        let left = expiry.time.saturating_sub(now);
        let smile = smile_of(expiry);
        match averaging(expiry, now) {
            Some(averaging) => arrays.add_averaging_expiry(series.expiry, left, &averaging, &smile),
            None => {
                let ratio = forward_ratio_q30(expiry, now);
                arrays.add_expiry(series.expiry, left, ratio, &smile)
            }
        }
        .map_err(risk_error)?;
    }
    let instrument = match kind {
        Some(kind) => {
            let strike = Price(series.strike);
            arrays.option(kind, series.expiry, strike, series.ln_strike_q40, 0)
        }
        None => arrays.future(series.expiry),
    };
    instrument.map_err(risk_error)
}

/// What does not depend on the price any more is no leg: it stands in a leg's place with no lots, and its value counts
/// as cost.
const NO_LEG: Leg = Leg {
    instrument: Instrument::Perpetual,
    lots: 0,
};

/// A position as the engine takes it: a leg, and what counts besides the leg's value. One in a matured series with a
/// settlement price is a constant.
fn place(
    arrays: &mut MarketArrays,
    market: &MarketData<'_>,
    position: &Position,
    now: i64,
) -> Result<(Leg, Money)> {
    let cost = Money(position.cost);
    let series = series_in(market, position.slot, position.generation)?;
    if let Some(value) = matured_series_value(market.header, series, position.lots)? {
        return Ok((NO_LEG, cost.plus(value).map_err(risk_error)?));
    }
    let leg = Leg {
        instrument: instrument_of(arrays, market, series, now)?,
        lots: position.lots,
    };
    Ok((leg, cost))
}

/// What a book has beside its legs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Besides {
    /// The sum of what counts besides the positions: see [`place`].
    pub cost: Money,
    /// Absolute lots of all positions, constants among them.
    pub gross_lots: u64,
}

/// Turns an account's positions in a market into as many legs of the engine, then its tokens there.
///
/// # Errors
/// Those of [`instrument`].
#[inline(never)]
pub(super) fn book(
    arrays: &mut MarketArrays,
    market: &MarketData<'_>,
    account: &MarginAccount,
    now: i64,
    legs: &mut Vec<Leg>,
) -> Result<Besides> {
    legs.clear();
    let mut besides = Besides::default();
    let mut room = MAX_LOTS_PER_MARKET.saturating_sub(1);
    for position in account.positions_in(market.header.index) {
        let (leg, cost) = place(arrays, market, position, now)?;
        legs.push(leg);
        besides.cost = besides.cost.plus(cost).map_err(risk_error)?;
        let lots = position.lots.unsigned_abs();
        besides.gross_lots = besides.gross_lots.saturating_add(lots);
        room = room.saturating_sub(leg.lots.unsigned_abs());
    }
    for token in tokens_in(account, market.header.index) {
        let instrument = arrays
            .balance(token.amount, token.decimals, room)
            .map_err(risk_error)?;
        legs.push(Leg {
            instrument,
            lots: 1,
        });
        // Several tokens of one underlying share the room; lots of a balance are rounded up there.
        let lots = arrays.absolute_lots(instrument).map_err(risk_error)?;
        room = room.saturating_sub(lots);
    }
    Ok(besides)
}

/// Arrays that visit one market after the other in memory taken once, and the last book evaluated.
pub struct Engine {
    /// The arrays of the current market.
    pub arrays: MarketArrays,
    /// Legs of the last book.
    pub legs: Vec<Leg>,
    /// Risk of the last book.
    pub risk: MarketRisk,
    /// Cost of the last book, with the value of what is a constant.
    pub cost: Money,
    /// The market that the arrays were made for, until one is entered.
    made_for: Option<u16>,
}

impl Engine {
    /// An engine for those of the markets that have a price, or none without any. `most_series` is the largest number of
    /// series it will meet in one of them.
    ///
    /// # Errors
    /// [`EstuaryError::LotValueOutOfRange`].
    #[inline(never)]
    pub fn new(markets: &[MarketData<'_>], most_series: usize) -> Result<Option<Box<Self>>> {
        let priced = markets.iter().filter(|market| market.price.is_some());
        let expiries = priced
            .clone()
            .map(|market| usize::from(market.header.expiry_count))
            .max();
        let (Some(first), Some(expiries)) = (priced.clone().next(), expiries) else {
            return Ok(None);
        };
        let expiries = expiries.min(most_series);
        let arrays =
            MarketArrays::new(&inputs(first)?, expiries, most_series).map_err(risk_error)?;
        Ok(Some(Box::new(Self {
            arrays,
            legs: Vec::with_capacity(most_series),
            risk: MarketRisk::EMPTY,
            cost: Money(0),
            made_for: Some(first.header.index),
        })))
    }

    /// Turns to a market.
    ///
    /// # Errors
    /// [`EstuaryError::LotValueOutOfRange`], [`EstuaryError::PriceMissing`].
    #[inline(never)]
    pub fn enter(&mut self, market: &MarketData<'_>) -> Result<()> {
        if self.made_for.take() == Some(market.header.index) {
            return Ok(());
        }
        self.arrays.restart(&inputs(market)?).map_err(risk_error)
    }

    /// The instrument of a series of the current market.
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
        instrument(&mut self.arrays, market, slot, generation, now)
    }

    /// Evaluates an account's positions and tokens in the current market, beside its owner's other accounts there, into `risk`
    /// and `cost`.
    ///
    /// # Errors
    /// Those of [`Engine::instrument`], the engine's.
    pub fn evaluate(
        &mut self,
        market: &MarketData<'_>,
        (account, owner): (&MarginAccount, &Owner),
        now: i64,
    ) -> Result<()> {
        let besides = book(&mut self.arrays, market, account, now, &mut self.legs)?;
        self.cost = besides.cost;
        let other_lots = owner.lots_beside(besides.gross_lots, market.header.index);
        self.arrays
            .evaluate_beside(&self.legs, other_lots, &mut self.risk)
            .map_err(risk_error)
    }

    /// Adds the last book evaluated to an account's totals.
    ///
    /// # Errors
    /// [`EstuaryError::AmountOverflow`].
    pub fn add_to(&self, totals: &mut AccountTotals) -> Result<()> {
        totals.add_market(&self.risk, self.cost).map_err(risk_error)
    }
}

/// What is done with each market of an account: the engine with its book evaluated, the market.
pub type Visit<'v, 'm> = dyn FnMut(&mut Engine, &MarketData<'m>) -> Result<()> + 'v;

/// What counts of an account before any market is evaluated: its cash, what it has coming from markets or owes them, and
/// what its claims are worth.
///
/// # Errors
/// [`EstuaryError::MarketAccountMissing`] for a position outside the markets given, for tokens outside them unless nothing
/// needs them, and for claims unless the account owes nothing; what is not needed and not given is not counted.
pub fn totals_outside(
    account: &MarginAccount,
    markets: &[MarketData<'_>],
) -> Result<AccountTotals> {
    let given = |index: u16| markets.iter().find(|market| market.header.index == index);
    let missing = |index: u16| {
        let values = (index, markets.len());
        error!(EstuaryError::MarketAccountMissing).with_values(values)
    };
    if account.needs_tokens() {
        for index in account.priced_markets()?.iter() {
            given(index).ok_or_else(|| missing(index))?;
        }
    }
    let mut totals = AccountTotals::with_cash(Money(account.cash()));
    let mut add = |amount: i64| -> Result<()> {
        totals.unsettled = totals.unsettled.plus(Money(amount)).map_err(risk_error)?;
        Ok(())
    };
    for unsettled in account.unsettled.iter().filter(|one| one.is_used()) {
        add(unsettled.carry)?;
        if !unsettled.has_claims() {
            continue;
        }
        match given(unsettled.market) {
            Some(market) => add(unsettled.claims_value_down(market.lowered_rounds)?)?,
            None if account.owes_nothing() => {}
            None => return Err(missing(unsettled.market)),
        }
    }
    Ok(totals)
}

/// The most positions that an account has in a market.
fn most_positions(account: &MarginAccount) -> usize {
    let (mut most, mut here, mut market) = (0usize, 0usize, None);
    // They are in the order of their markets.
    for position in account.open_positions() {
        if market != Some(position.market) {
            (here, market) = (0, Some(position.market));
        }
        here = here.saturating_add(1);
        most = most.max(here);
    }
    most
}

/// Calls `visit` with each market of an account in turn, its book there evaluated, and returns the totals.
///
/// # Errors
/// The engine's, and those of `visit`.
pub fn visit_markets<'m>(
    account: &MarginAccount,
    owner: &Owner,
    markets: &[MarketData<'m>],
    now: i64,
    visit: &mut Visit<'_, 'm>,
) -> Result<AccountTotals> {
    let mut totals = totals_outside(account, markets)?;
    let Some(mut engine) = Engine::new(markets, most_positions(account))? else {
        return Ok(totals);
    };
    for market in markets.iter().filter(|market| market.price.is_some()) {
        engine.enter(market)?;
        engine.evaluate(market, (account, owner), now)?;
        engine.add_to(&mut totals)?;
        visit(&mut engine, market)?;
    }
    Ok(totals)
}

/// The margin of an account whose markets are all given, and its owner's account.
///
/// # Errors
/// The engine's, as errors of the program.
pub fn assess(
    account: &MarginAccount,
    owner: &Owner,
    markets: &[MarketData<'_>],
    now: i64,
) -> Result<MarginReport> {
    let totals = visit_markets(account, owner, markets, now, &mut |_, _| Ok(()))?;
    let offsets = offsets(markets, now);
    totals.report_with(&offsets).map_err(risk_error)
}
