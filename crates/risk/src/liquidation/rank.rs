//! What is worth taking: margin released per unit of discount, read off the arrays.

use super::{book::Book, LiquidationMarket};
use crate::margin::{
    GROSS_DIVISOR_INITIAL, GROSS_DIVISOR_MAINTENANCE, LIQUIDATION_TARGET_PPM,
    MAINTENANCE_FRACTION_PPM,
};
use crate::market::{Instrument, Leg};
use crate::scenario::{CENTRE_NODE, SPOT_NODES, VOL_UP};
use crate::units::{Money, RiskError, ONE_PPM, ONE_Q30};
use alloc::vec::Vec;

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
        // Two of 64 bits fit 128.
        let mine = u128::from(self.release_q20).wrapping_mul(u128::from(other.discount_q20));
        let theirs = u128::from(other.release_q20).wrapping_mul(u128::from(self.discount_q20));
        mine > theirs || mine == theirs && (self.market, self.leg) < (other.market, other.leg)
    }
}

/// What the ranking knows of one market's legs, as long as its worst column and what binds stay the same.
#[derive(Default)]
pub(super) struct Ranking {
    /// Worst column and whether gross exposure binds, of `releases_q20`.
    basis: Option<(usize, bool)>,
    /// Of each leg, per lot; of all legs once they are known.
    discounts_q20: Vec<u64>,
    releases_q20: Vec<u64>,
}

impl Ranking {
    /// The candidate that a leg is, by what is known of it.
    fn candidate(&self, market: usize, leg: usize) -> Candidate {
        let of = |all: &[u64]| all.get(leg).copied().unwrap_or(0);
        Candidate {
            market,
            leg,
            release_q20: of(&self.releases_q20),
            discount_q20: of(&self.discounts_q20),
        }
    }

    /// Fills in the discounts, once.
    fn add_discounts(&mut self, market: &LiquidationMarket<'_>) -> Result<(), RiskError> {
        if !self.discounts_q20.is_empty() {
            return Ok(());
        }
        self.discounts_q20.reserve_exact(market.legs.len());
        for leg in market.legs.iter() {
            let fraction = discount_q30(market, one_of(leg).instrument)?;
            let discount = money_q20(market, fraction)?.max(1);
            self.discounts_q20.push(discount);
        }
        Ok(())
    }

    /// Fills in the releases, unless they are known for these circumstances.
    fn add_releases(
        &mut self,
        market: &LiquidationMarket<'_>,
        basis: (usize, bool),
    ) -> Result<(), RiskError> {
        if self.basis == Some(basis) {
            return Ok(());
        }
        self.releases_q20.clear();
        self.releases_q20.reserve_exact(market.legs.len());
        let (worst_column, gross_binds) = basis;
        for leg in market.legs.iter() {
            let fraction = if gross_binds {
                gross_release_q30(&one_of(leg))
            } else {
                scan_release_q30(market, &one_of(leg), worst_column)?
            };
            self.releases_q20.push(money_q20(market, fraction)?);
        }
        self.basis = Some(basis);
        Ok(())
    }
}

impl Book<'_, '_> {
    /// The candidate with the highest release per discount after `passed_over` in that order (ties by position).
    pub fn best_candidate(
        &mut self,
        (gross_binds, node): (bool, Option<usize>),
        passed_over: Option<Candidate>,
    ) -> Result<Option<Candidate>, RiskError> {
        let mut best: Option<Candidate> = None;
        for market in 0..self.markets.len() {
            let basis = (self.worst_column(market, node), gross_binds);
            let (Some(held), Some(ranking)) =
                (self.markets.get(market), self.rankings.get_mut(market))
            else {
                continue;
            };
            ranking.add_discounts(held)?;
            ranking.add_releases(held, basis)?;
            for leg in 0..held.legs.len() {
                let candidate = ranking.candidate(market, leg);
                if candidate.release_q20 <= candidate.discount_q20 || !is_held(held, leg) {
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

    /// The first leg that can be taken at or after a market and leg, by what the ranking knows of it: its release may be that of
    /// an earlier book.
    pub fn candidate_from(&self, (first, leg): (usize, usize)) -> Option<Candidate> {
        let mut from = leg;
        for (market, (held, ranking)) in self
            .markets
            .iter()
            .zip(&self.rankings)
            .enumerate()
            .skip(first)
        {
            if let Some(leg) = (from..held.legs.len()).find(|leg| is_held(held, *leg)) {
                return Some(ranking.candidate(market, leg));
            }
            from = 0;
        }
        None
    }

    /// Makes the discounts of all legs known.
    pub fn add_discounts(&mut self) -> Result<(), RiskError> {
        for (held, ranking) in self.markets.iter().zip(&mut self.rankings) {
            ranking.add_discounts(held)?;
        }
        Ok(())
    }
}

/// Whether a leg can be taken: it holds something, and no debt of tokens.
fn is_held(market: &LiquidationMarket<'_>, leg: usize) -> bool {
    let is_debt = market.token(leg).is_some_and(|token| token.amount < 0);
    let lots = market.legs.get(leg).map_or(0, |leg| leg.lots);
    lots != 0 && !is_debt
}

/// One lot of a leg, signed like it; a token's is one of the underlying.
fn one_of(leg: &Leg) -> Leg {
    Leg {
        instrument: match leg.instrument {
            Instrument::Balance { .. } => Instrument::Spot,
            contract => contract,
        },
        lots: leg.lots.signum(),
    }
}

/// A fraction of spot, Q30, of one lot, in 2^-20 micro-units, rounded up: 2^20 lots at once keep the fraction of one.
fn money_q20(market: &LiquidationMarket<'_>, fraction_q30: u64) -> Result<u64, RiskError> {
    let lots = i128::from(fraction_q30) << 20;
    let money = market.arrays.lot_value().money_up(lots, 30)?;
    Ok(money.0.max(0).unsigned_abs())
}

/// What one lot adds to the target where gross exposure binds: fraction of spot in Q30.
fn gross_release_q30(one: &Leg) -> u64 {
    let counted = match one.instrument {
        Instrument::Option { .. } | Instrument::Spot | Instrument::Balance { .. } => one.lots < 0,
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
}

/// What one lot adds to the target in the worst column: fraction of spot in Q30.
fn scan_release_q30(
    market: &LiquidationMarket<'_>,
    one: &Leg,
    worst_column: usize,
) -> Result<u64, RiskError> {
    let pnl_q28 = market.arrays.leg_pnl_q28(one, worst_column)?;
    let loss_q28 = pnl_q28.saturating_neg().max(0).unsigned_abs();
    let weight = market.arrays.grid().weight_q30(worst_column).unsigned_abs();
    // Below 2^31 × 2^30.
    let loss_q30 = (loss_q28.wrapping_mul(weight) >> 30) << 2;
    Ok(ppm_of(
        loss_q30,
        target_share_ppm(ONE_PPM, MAINTENANCE_FRACTION_PPM),
    ))
}

/// What a liquidator earns on one lot: fraction of spot in Q30.
fn discount_q30(market: &LiquidationMarket<'_>, instrument: Instrument) -> Result<u64, RiskError> {
    let delta = market.arrays.delta_q30(instrument)?.unsigned_abs();
    let charged_delta = delta.max(LEAST_CHARGED_DELTA_Q30);
    let by_delta = ppm_of(charged_delta, market.discount.delta_ppm);
    let Instrument::Option { strike, .. } = instrument else {
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
    if value >> 43 == 0 && ppm >> 20 == 0 {
        // What fits needs no product of 128 bits.
        return crate::fixed::quotient(value.wrapping_mul(u64::from(ppm)), u64::from(ONE_PPM));
    }
    crate::fixed::mul_div_down(value, u64::from(ppm), u64::from(ONE_PPM)).unwrap_or(u64::MAX)
}

/// Lots that bring equity to the target, `missing` away, if the worst scenario stayed the same, rounded up.
pub(super) fn lots_to_target(candidate: &Candidate, missing: Money) -> u64 {
    let missing_q20 = u128::from(missing.0.max(0).unsigned_abs()) << 20;
    let gain = u128::from(candidate.release_q20.saturating_sub(candidate.discount_q20)).max(1);
    let lots = missing_q20.div_ceil(gain);
    u64::try_from(lots).unwrap_or(u64::MAX).max(1)
}
