//! What of a book would have to be unwound: the net delta that owned underlying does not cover, and each expiry's net vega.

use super::payoff::{ShortExposure, StrikeLots};
use super::sums::BookSums;
use super::{MarketArrays, MarketRisk};
use crate::array::StrikeArray;
use crate::liquidity::UnwindRate;
use crate::scenario::{ScenarioGrid, CENTRE_COLUMN, CENTRE_NODE, COLUMNS, SPOT_NODES, VOL_UP};
use crate::units::{LotValue, RiskError};

/// Only volatility is up here.
const VOL_UP_COLUMN: usize = VOL_UP * SPOT_NODES + CENTRE_NODE;

/// What unwinding costs in one market.
#[derive(Clone, Copy)]
pub(super) struct UnwindRates {
    pub delta: UnwindRate,
    pub vega: UnwindRate,
}

impl UnwindRates {
    pub fn new(grid: &ScenarioGrid, lot_value: &LotValue) -> Self {
        let rates = &grid.liquidity;
        let (delta, vega) = (rates.unwind_delta_ppm, rates.unwind_vega_ppm);
        Self {
            delta: UnwindRate::new(delta, rates.unwind_delta_impact_ppm, lot_value),
            vega: UnwindRate::new(vega, rates.unwind_vega_impact_ppm, lot_value),
        }
    }
}

/// What net lots of a strike gain from the volatility-up shock, lots in Q28. Σ|lots| is below 2^32 and a value below 2^31.
#[inline(always)]
pub(super) fn vega_q28(lots: StrikeLots, array: &StrikeArray) -> i64 {
    let [now, up] = [CENTRE_COLUMN, VOL_UP_COLUMN].map(|column| i64::from(array.value_q28[column]));
    lots.options.wrapping_mul(up.wrapping_sub(now))
}

/// What owned underlying covers of a long delta: as much as its own is taken for, whatever cell's width divides it.
pub(super) const fn covered_q28(owned_q28: u64) -> u64 {
    owned_q28.saturating_add(owned_q28 >> 20)
}

/// Largest mean deltas over the cells of the core, lots in Q28, rounded up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CoreDeltas {
    /// Of those that are long.
    pub long_q28: u64,
    /// Of those that are short.
    pub short_q28: u64,
}

impl CoreDeltas {
    /// In a cell profit and loss changes by its mean delta there times its width, so no slope is summed for it.
    #[inline(never)]
    pub fn of(pnl: &[i64; COLUMNS], grid: &ScenarioGrid) -> Self {
        let mut deltas = Self::default();
        let (levels, _) = pnl.as_chunks::<SPOT_NODES>();
        let multiples = grid.multiple_q30.first_chunk::<SPOT_NODES>();
        let ([down, base, up, ..], Some(multiples)) = (levels, multiples) else {
            return deltas;
        };
        let (mut rise, mut fall, mut width) = (0i64, 0i64, 0u64);
        for cell in 0..SPOT_NODES - 1 {
            let next = cell.wrapping_add(1);
            // Nodes rise, and by less than 2^33.
            let here = multiples[next].wrapping_sub(multiples[cell]);
            let here = here.unsigned_abs().max(1);
            // Most grids have one width but for its rounding: then the quotients are taken once, by the smallest, which
            // overstates a delta by less than a millionth.
            if here.abs_diff(width) > width >> 20 {
                deltas.include(rise, fall, width);
                (rise, fall, width) = (0, 0, here);
            }
            width = width.min(here);
            for level in [down, base, up] {
                let change = level[next].wrapping_sub(level[cell]);
                rise = rise.max(change);
                fall = fall.min(change);
            }
        }
        deltas.include(rise, fall, width);
        deltas
    }

    fn include(&mut self, rise: i64, fall: i64, width: u64) {
        let delta = |change: i64| {
            let change = change.unsigned_abs();
            let whole = change.checked_div(width).unwrap_or(0);
            // Below a width: fits when it is scaled.
            let rest = change.wrapping_sub(whole.wrapping_mul(width)) << 30;
            whole
                .saturating_mul(1 << 30)
                .saturating_add(rest.div_ceil(width.max(1)))
        };
        self.long_q28 = self.long_q28.max(delta(rise));
        self.short_q28 = self.short_q28.max(delta(fall));
    }

    /// The largest of either side.
    pub fn largest_q28(&self) -> u64 {
        self.long_q28.max(self.short_q28)
    }

    /// The largest that so much owned underlying does not cover: a long one beyond it, a short one as it is. Owned underlying
    /// that no short needs is collateral.
    pub fn uncovered_q28(&self, owned_q28: u64) -> u64 {
        self.long_q28
            .saturating_sub(covered_q28(owned_q28))
            .max(self.short_q28)
    }
}

impl MarketArrays {
    /// LC of a book without the term of its vega, which the walk over its options has found.
    pub(super) fn add_liquidity_cost(
        &self,
        sums: &BookSums,
        exposure: &ShortExposure,
        deltas: &CoreDeltas,
        risk: &mut MarketRisk,
    ) -> Result<(), RiskError> {
        risk.gross_lots = sums.contract_lots();
        risk.other_lots = sums.other_lots;
        if risk.gross_lots == 0 {
            return Ok(());
        }
        risk.unwound_delta_q28 = deltas.uncovered_q28(sums.owned_q28());
        risk.unwound_vega_q28 = exposure.vega_q28;
        let delta = self
            .unwind_rates
            .delta
            .cost_q28(risk.unwound_delta_q28, sums.crowding_q16);
        let cost = i128::from(delta).wrapping_add(i128::from(exposure.vega_cost_q28));
        risk.liquidity_cost = self.lot_value.money_up(cost, 28)?;
        Ok(())
    }
}
