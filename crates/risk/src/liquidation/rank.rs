//! What is worth taking: margin released per unit of discount, read off the arrays.

use super::{book::Book, LiquidationMarket};
use crate::margin::{
    AccountTotals, GROSS_DIVISOR_INITIAL, GROSS_DIVISOR_MAINTENANCE, LIQUIDATION_TARGET_PPM,
    MAINTENANCE_FRACTION_PPM,
};
use crate::market::{Instrument, Leg};
use crate::scenario::{CENTRE_NODE, SPOT_NODES, VOL_UP};
use crate::units::{Money, RiskError, ONE_PPM, ONE_Q30};

/// A hundredth of a unit in Q30: the least delta a discount is charged on.
const LEAST_CHARGED_DELTA_Q30: u64 = 10_737_418;

/// What one lot of a leg is worth to the plan; a token's lot is one of the underlying.
#[derive(Clone, Copy)]
pub(super) struct Candidate {
    pub market: usize,
    pub leg: usize,
    /// Fall of the target (MM + 0.4·(IM − MM)) per lot, in 2^-20 micro-units.
    pub release_q20: u64,
    /// Discount per lot, in 2^-20 micro-units; at least 1.
    pub discount_q20: u64,
}

impl Candidate {
    /// Higher release per discount first; equal ones in the order of the account.
    fn precedes(&self, other: &Self) -> bool {
        let mine = u128::from(self.release_q20).saturating_mul(u128::from(other.discount_q20));
        let theirs = u128::from(other.release_q20).saturating_mul(u128::from(self.discount_q20));
        mine > theirs || mine == theirs && (self.market, self.leg) < (other.market, other.leg)
    }
}

impl Book<'_, '_> {
    /// The candidate with the highest release per discount after `passed_over` in that order (ties by position).
    pub fn best_candidate(
        &self,
        totals: &AccountTotals,
        passed_over: Option<Candidate>,
    ) -> Result<Option<Candidate>, RiskError> {
        let gross_binds = totals.gross.mul_div_up(1, GROSS_DIVISOR_INITIAL)? > totals.scenario_loss;
        let mut best: Option<Candidate> = None;
        for (market, held) in self.markets.iter().enumerate() {
            for leg in 0..held.legs.len() {
                let Some(candidate) = self.candidate(market, leg, gross_binds)? else {
                    continue;
                };
                if candidate.release_q20 <= candidate.discount_q20 {
                    continue;
                }
                let eligible = passed_over.is_none_or(|passed| passed.precedes(&candidate));
                if eligible && best.is_none_or(|best| candidate.precedes(&best)) {
                    best = Some(candidate);
                }
            }
        }
        Ok(best)
    }

    /// A leg's release and discount, `None` where it holds nothing.
    pub fn candidate(
        &self,
        market: usize,
        leg: usize,
        gross_binds: bool,
    ) -> Result<Option<Candidate>, RiskError> {
        let held = self
            .markets
            .get(market)
            .ok_or(RiskError::UnknownInstrument)?;
        let Some(lots) = held.legs.get(leg).filter(|held| held.lots != 0) else {
            return Ok(None);
        };
        let one = Leg {
            instrument: match lots.instrument {
                Instrument::Balance { .. } => Instrument::Spot,
                contract => contract,
            },
            lots: lots.lots.signum(),
        };
        let (release_q20, discount_q20) =
            per_lot(held, self.worst_column(market), &one, gross_binds)?;
        Ok(Some(Candidate {
            market,
            leg,
            release_q20,
            discount_q20,
        }))
    }
}

/// Release and discount of one lot in 2^-20 micro-units.
fn per_lot(
    market: &LiquidationMarket<'_>,
    worst_column: usize,
    one: &Leg,
    gross_binds: bool,
) -> Result<(u64, u64), RiskError> {
    let lot = market.arrays.lot_value();
    // 2^20 lots at once keep the fraction of a micro-unit.
    let q20 = |fraction: i64, bits: u32| {
        let money = lot.money_up(i128::from(fraction) << 20, bits)?;
        Ok::<u64, RiskError>(money.0.max(0).unsigned_abs())
    };
    let discount_q30 = discount_q30(market, one)?;
    let discount_q20 = q20(i64::try_from(discount_q30).unwrap_or(i64::MAX), 30)?.max(1);
    let release_q30 = if gross_binds {
        let counted = match one.instrument {
            Instrument::Option { .. } | Instrument::Spot | Instrument::Balance { .. } => {
                one.lots < 0
            }
            Instrument::Perpetual | Instrument::Future { .. } => true,
        };
        // MM + 0.4·(IM − MM) of G/25 and G/20.
        let share = |divisor| ONE_PPM.checked_div(divisor).unwrap_or(0);
        let share = target_share_ppm(
            share(GROSS_DIVISOR_INITIAL),
            share(GROSS_DIVISOR_MAINTENANCE),
        );
        if counted {
            ppm_of(ONE_Q30.unsigned_abs(), share)
        } else {
            0
        }
    } else {
        let pnl_q28 = market.arrays.leg_pnl_q28(one, worst_column)?;
        let weight = market.arrays.grid().weight_q30(worst_column).unsigned_abs();
        // Below 2^31 × 2^30.
        let loss_q30 = (pnl_q28
            .saturating_neg()
            .max(0)
            .unsigned_abs()
            .saturating_mul(weight)
            >> 30)
            << 2;
        ppm_of(
            loss_q30,
            target_share_ppm(ONE_PPM, MAINTENANCE_FRACTION_PPM),
        )
    };
    Ok((
        q20(i64::try_from(release_q30).unwrap_or(i64::MAX), 30)?,
        discount_q20,
    ))
}

/// What a liquidator earns on one lot: fraction of spot in Q30.
fn discount_q30(market: &LiquidationMarket<'_>, one: &Leg) -> Result<u64, RiskError> {
    let delta = market.arrays.delta_q30(one.instrument)?.unsigned_abs();
    let charged_delta = delta.max(LEAST_CHARGED_DELTA_Q30);
    let by_delta = ppm_of(charged_delta, market.discount.delta_ppm);
    let Instrument::Option { strike, .. } = one.instrument else {
        return Ok(by_delta);
    };
    let column = VOL_UP
        .saturating_mul(SPOT_NODES)
        .saturating_add(CENTRE_NODE);
    let gain = market.arrays.strike_array(strike)?.pnl_q28(column);
    let vega_gain = gain.max(0).unsigned_abs() << 2;
    Ok(by_delta.saturating_add(ppm_of(vega_gain, market.discount.vega_ppm)))
}

/// MM + 0.4·(IM − MM) of two fractions in parts per million.
fn target_share_ppm(initial_ppm: u32, maintenance_ppm: u32) -> u32 {
    let span = u64::from(initial_ppm.saturating_sub(maintenance_ppm));
    let share = ppm_of(span, LIQUIDATION_TARGET_PPM);
    maintenance_ppm.saturating_add(u32::try_from(share).unwrap_or(0))
}

/// `value × ppm / 10^6`, rounded down.
fn ppm_of(value: u64, ppm: u32) -> u64 {
    crate::fixed::mul_div_down(value, u64::from(ppm), u64::from(ONE_PPM)).unwrap_or(u64::MAX)
}

/// Lots that bring equity to the target, `missing` away, if the worst scenario stayed the same, rounded up.
pub(super) fn lots_to_target(candidate: &Candidate, missing: Money) -> u64 {
    let missing_q20 = u128::from(missing.0.max(0).unsigned_abs()) << 20;
    let gain = u128::from(candidate.release_q20.saturating_sub(candidate.discount_q20)).max(1);
    let lots = missing_q20.div_ceil(gain);
    u64::try_from(lots).unwrap_or(u64::MAX).max(1)
}
