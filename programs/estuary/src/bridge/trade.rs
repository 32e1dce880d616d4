//! A trade in the engine's terms: the price of each leg against mark, and both sides' books before and after.

use super::{
    parameters::{averaging, forward_ratio_q30, smile_of},
    refusal_error, risk_error, Engine, MarketData,
};
use crate::{
    error::EstuaryError,
    instructions::TradeLeg,
    state::{market::listed, LotsMoved, MarginAccount, Owner, Series, SeriesKind},
};
use anchor_lang::prelude::*;
use estuary_risk::{
    black76::{call, Terms},
    fixed::{ln_q40, mul_div_down, sqrt_tau_q32},
    margin::{check_trade, AccountTotals, MarginReport, Refusal, TradeSide},
    market::Instrument,
    portfolio::Offsets,
    smile::SmileSlice,
    units::{traded_value_down, Money, Price, ONE_PPM},
};

use std::rc::Rc;

/// One side of a trade: its totals before and after, and what section 8 of the margin model asks about it.
#[derive(Debug, Default)]
pub struct Side {
    /// Everything that counts before the trade.
    pub before: AccountTotals,
    /// Everything that counts after it.
    pub after: AccountTotals,
    /// How far markets offset each other; none where nothing does.
    pub offsets: Option<Rc<Offsets>>,
    /// What the account had coming beside its positions before the trade.
    pub outside: Money,
    /// Option premium paid less received, micro-units.
    pub premium_paid: i64,
    /// Trading fees charged, micro-units.
    pub fees: i64,
    /// Whether a leg is worse than mark for this side.
    pub worse_than_mark: bool,
    /// Whether a leg does anything else than reduce a position of this side.
    pub increases: bool,
    /// Since when the account is marked as unhealthy, where that binds it; 0 otherwise.
    pub unhealthy_since: i64,
}

/// What a leg does to its taker; its maker gets the opposite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegEffect {
    /// Lots the taker receives.
    pub lots: i64,
    /// Cash the taker pays for an option, micro-units.
    pub premium: i64,
    /// Change of the cost of the taker's position, micro-units.
    pub cost: i64,
}

impl Side {
    /// Evaluates an account's book in the current market before the trade; without `legs` here it is the same after it.
    ///
    /// # Errors
    /// The engine's.
    pub fn add_before(
        &mut self,
        engine: &mut Engine,
        market: &MarketData<'_>,
        whose: (&MarginAccount, &Owner),
        now: i64,
        legs: bool,
    ) -> Result<()> {
        engine.evaluate(market, whose, now)?;
        engine.add_to(&mut self.before)?;
        if legs {
            return Ok(());
        }
        engine.add_to(&mut self.after)
    }

    /// Evaluates an account's book in the current market after the trade.
    ///
    /// # Errors
    /// The engine's.
    pub fn add_after(
        &mut self,
        engine: &mut Engine,
        market: &MarketData<'_>,
        whose: (&MarginAccount, &Owner),
        now: i64,
    ) -> Result<()> {
        engine.evaluate(market, whose, now)?;
        engine.add_to(&mut self.after)
    }

    /// Counts what a leg did to a position of this side.
    pub fn count_move(&mut self, moved: &LotsMoved) {
        self.increases |= !moved.reduces();
    }

    fn report(&self, totals: &AccountTotals) -> Result<MarginReport> {
        let none = Offsets::NONE;
        let offsets = self.offsets.as_deref().unwrap_or(&none);
        totals.report_with(offsets).map_err(risk_error)
    }

    /// Refuses a side that was below its maintenance margin before.
    ///
    /// # Errors
    /// [`EstuaryError::BelowMaintenanceMargin`] with equity and margin.
    pub fn check_not_failing(&self) -> Result<()> {
        let before = self.report(&self.before)?;
        if before.is_liquidatable() {
            let values = (before.equity.0, before.maintenance_margin.0);
            return Err(error!(EstuaryError::BelowMaintenanceMargin).with_values(values));
        }
        Ok(())
    }

    /// Section 8 of the margin model for this side. `rounding` is by how many micro-units rounding alone may lower
    /// equity. Returns the account's margin after the trade.
    ///
    /// # Errors
    /// One error per rule: see the group "Health" of [`EstuaryError`]; [`EstuaryError::AccountMarkedUnhealthy`] for a
    /// marked account that is no longer below its maintenance margin and does anything else than reduce.
    pub fn check(&self, rounding: i64) -> Result<MarginReport> {
        let before = self.report(&self.before)?;
        let after = self.report(&self.after)?;
        let side = TradeSide {
            worse_than_mark: self.worse_than_mark,
            pays_net_premium: self.premium_paid > 0,
            increases: self.increases,
            is_marked: self.unhealthy_since != 0,
            allowed_equity_fall: Money(rounding).plus(Money(self.fees)).map_err(risk_error)?,
        };
        check_trade(&before, &after, &side).map_err(|refusal| {
            msg!(
                "before: equity {} initial margin {} maintenance margin {}",
                before.equity.0,
                before.initial_margin.0,
                before.maintenance_margin.0
            );
            // Then the mark alone stands in the way, and anyone takes it away.
            if refusal == Refusal::DoesNotReduce && !before.is_liquidatable() {
                let values = (self.unhealthy_since, 0);
                return error!(EstuaryError::AccountMarkedUnhealthy).with_values(values);
            }
            refusal_error(refusal, &after)
        })?;
        Ok(after)
    }
}

/// Checks one leg against its series and mark, and works out what it does. `sides` are taker and maker.
///
/// # Errors
/// [`EstuaryError::SlotUnknown`], [`EstuaryError::SeriesGenerationMismatch`], [`EstuaryError::SeriesExpired`],
/// [`EstuaryError::LegPriceZero`], [`EstuaryError::LegPriceOutsideBand`], [`EstuaryError::AmountOverflow`].
pub fn price_leg(
    engine: &mut Engine,
    market: &MarketData<'_>,
    leg: &TradeLeg,
    now: i64,
    sides: &mut [Side; 2],
) -> Result<LegEffect> {
    let series = listed(market.header, market.table, leg.slot)?;
    let kind = series.kind()?;
    let instrument = engine.instrument(market, leg.slot, leg.generation, now)?;
    if kind != SeriesKind::Perp {
        let expiry = market.header.expiry(series.expiry)?.time;
        require_gt!(expiry, now, EstuaryError::SeriesExpired);
    }
    require!(
        kind.is_option() || leg.price > 0,
        EstuaryError::LegPriceZero
    );
    let (floor, ceiling) = mark(engine, market, instrument)?;
    check_band(market, series, leg.price, floor, now)?;
    let buyer_loses = leg.price > ceiling;
    let seller_loses = leg.price < floor;
    let taker_buys = leg.lots > 0;
    let [taker, maker] = sides;
    taker.worse_than_mark |= if taker_buys {
        buyer_loses
    } else {
        seller_loses
    };
    maker.worse_than_mark |= if taker_buys {
        seller_loses
    } else {
        buyer_loses
    };
    let header = market.header;
    let value = traded_value_down(
        Price(leg.price),
        header.price_exponent,
        header.lot_size,
        leg.lots,
    )
    .map_err(risk_error)?
    .0;
    let (premium, cost) = if kind.is_option() {
        (value, 0)
    } else {
        (0, value)
    };
    let overflow = || error!(EstuaryError::AmountOverflow).with_values((leg.price, leg.lots));
    taker.premium_paid = taker
        .premium_paid
        .checked_add(premium)
        .ok_or_else(overflow)?;
    maker.premium_paid = maker
        .premium_paid
        .checked_sub(premium)
        .ok_or_else(overflow)?;
    let cost = cost.checked_neg().ok_or_else(overflow)?;
    Ok(LegEffect {
        lots: leg.lots,
        premium,
        cost,
    })
}

/// The mark of an instrument as a price of its market, rounded down and up.
///
/// # Errors
/// [`EstuaryError::AmountOverflow`].
pub fn mark(
    engine: &Engine,
    market: &MarketData<'_>,
    instrument: Instrument,
) -> Result<(u64, u64)> {
    let mark_q30 = engine
        .arrays
        .mark_q30(instrument)
        .map_err(risk_error)?
        .max(0)
        .unsigned_abs();
    // Below 2^31 x 2^64.
    let product = u128::from(mark_q30).saturating_mul(u128::from(market.price()?.price));
    let floor = u64::try_from(product >> 30).map_err(|_| error!(EstuaryError::AmountOverflow))?;
    let exact = product.trailing_zeros() >= 30 || product == 0;
    Ok((floor, floor.saturating_add(u64::from(!exact))))
}

/// Refuses a price further from mark than a fraction of spot plus, for an option, a fraction of its vega.
fn check_band(
    market: &MarketData<'_>,
    series: &Series,
    price: u64,
    mark: u64,
    now: i64,
) -> Result<()> {
    let off = price.abs_diff(mark);
    let spot = market.price()?.price;
    let part = |of: u64, ppm: u32| {
        mul_div_down(of, u64::from(ppm), u64::from(ONE_PPM)).unwrap_or(u64::MAX)
    };
    let mut band = part(spot, market.header.band_spot_ppm);
    // The vega costs more than the rest of a leg, and most legs trade near mark.
    if off > band && series.kind()?.is_option() {
        let vega =
            u128::from(vega_q40(market, series, now)?).saturating_mul(u128::from(spot)) >> 40;
        let vega = u64::try_from(vega).unwrap_or(u64::MAX);
        band = band.saturating_add(part(vega, market.header.band_vega_ppm));
    }
    if off > band {
        msg!("mark {} band {}", mark, band);
        return Err(error!(EstuaryError::LegPriceOutsideBand).with_values((price, mark)));
    }
    Ok(())
}

/// Change of an option's value for a volatility higher by 100%, in units of spot, Q40.
fn vega_q40(market: &MarketData<'_>, series: &Series, now: i64) -> Result<u64> {
    let expiry = market.header.expiry(series.expiry)?;
    let averaging = averaging(expiry, now);
    let seconds = averaging.map_or(expiry.time.saturating_sub(now), |one| one.variance_seconds);
    let sqrt_tau_q32 = sqrt_tau_q32(seconds);
    let (strike, ln_strike_q40) = match averaging.map(|one| one.fixed.0) {
        None | Some(0) => (series.strike, series.ln_strike_q40),
        // Exercised whatever happens.
        Some(fixed) if series.strike <= fixed => return Ok(0),
        Some(fixed) => {
            let left = series.strike.saturating_sub(fixed);
            (left, ln_q40(left))
        }
    };
    let slice = SmileSlice::new(&smile_of(expiry), sqrt_tau_q32)
        .map_err(|_| error!(EstuaryError::VolOutOfRange))?;
    let forward_ratio_q30 =
        averaging.map_or_else(|| forward_ratio_q30(expiry, now), |one| one.open_share_q30);
    let spot = market.price()?.price;
    let log_forward_q40 = ln_q40(spot)
        .saturating_add(ln_q40(forward_ratio_q30.max(1).unsigned_abs()))
        .saturating_sub(ln_q40(1 << 30));
    let x_q28 = log_forward_q40.saturating_sub(ln_strike_q40) >> 12;
    let strike_ratio = mul_div_down(strike, 1 << 30, spot);
    let terms = Terms {
        forward_ratio_q30,
        strike_ratio_q30: strike_ratio
            .and_then(|ratio| i64::try_from(ratio).ok())
            .unwrap_or(i64::MAX),
        x_q28,
        s_q32: slice.total_vol_q32(x_q28),
        sqrt_tau_q32,
    };
    Ok(call(&terms).vega_q40.max(0).unsigned_abs())
}
