//! The liquidity cost of a book with pending orders: at least that of the book after any fills of them, partial ones too.
//!
//! Fills can make the net delta that is unwound no larger than with all of them on one side of it, and likewise the vega of an
//! expiry. With `others` lots of the owner elsewhere the impact is that of `D² + others·D²/Q`, and `D²/Q` is bounded twice:
//!
//! * A lot has a delta of s at most, so `D ≤ s·Q` and `D²/Q ≤ s·D`, whatever is closed.
//! * Where no order closes anything, `D²/Q ≤ D_book²/Q_book + Σ D_order²/Q_order`, which is Titu's lemma; a part of an
//!   order has that part of both.
//!
//! The smaller of the two counts. Owned underlying covers as much of a long delta as before, whether more is bought or some sold;
//! what pays back borrowed underlying does not.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    clippy::indexing_slicing,
    reason = "lots below 2^32 of deltas below 2^30 in 128 bits, by fixed columns"
)]

use super::orders::{Added, Order};
use super::payoff::StrikeLots;
use super::risk::MarketRisk;
use super::sums::BookSums;
use super::unwinding::{covered_q28, vega_q28};
use super::{Instrument, Leg, MarketArrays, OptionKind};
use crate::liquidity::UnwindRate;
use crate::scenario::{CORE_COLUMNS, SPOT_NODES};
use crate::units::{RiskError, ONE_Q30};

/// A net delta or vega with fills: lots in Q28, and in Q56 what bounds its square over the lots it is spread on.
#[derive(Clone, Copy, Default)]
struct Unwound {
    /// The most that can be unwound.
    most: u128,
    /// Σ size²/lots of the book and of each order, Q56.
    spread: u128,
    /// The most of a lot.
    each: u128,
}

impl Unwound {
    /// Adds what is spread on so many lots.
    fn add(&mut self, size: u128, lots: u64) {
        // A size is below 2^62.
        let square = size * size;
        self.spread += square.div_ceil(u128::from(lots.max(1)));
    }

    /// What the impact is multiplied by, Q16, rounded up: as if lots were what makes `D²/Q` its bound.
    fn crowding_q16(&self, others: u64, closes: bool) -> u64 {
        if self.most == 0 || others == 0 {
            return 1 << 16;
        }
        let spread = self.spread.div_ceil(self.most);
        let each = if closes {
            self.each
        } else {
            self.each.min(spread)
        };
        // Below 2^64 × 2^31 × 2^16.
        let more = ((u128::from(others) * each) << 16).div_ceil(self.most);
        u64::try_from(more.saturating_add(1 << 16)).unwrap_or(u64::MAX)
    }

    fn cost_q28(&self, rate: &UnwindRate, others: u64, closes: bool) -> u64 {
        let crowding_q16 = self.crowding_q16(others, closes);
        // The impact of what is left after fills is rounded up by a unit of Q32 of its own, times its crowding.
        let unit = ((self.most * u128::from(crowding_q16)) >> 48) + 1;
        let cost = rate.cost_q28(self.size(), crowding_q16);
        cost.saturating_add(u64::try_from(unit).unwrap_or(u64::MAX))
            .min(self.size())
    }

    fn size(&self) -> u64 {
        u64::try_from(self.most).unwrap_or(u64::MAX)
    }
}

impl MarketArrays {
    /// Sets the liquidity cost of a book in `net_lots`, and what is unwound, to their bounds with orders.
    pub(super) fn add_cost_of_fills(
        &self,
        (legs, sums): (&[Leg], &BookSums),
        (orders, added): (&[Order], &Added),
        pnl: &[i128],
        risk: &mut MarketRisk,
    ) -> Result<(), RiskError> {
        let others = risk.other_lots;
        let closes = orders.iter().any(|order| closes_some(order, legs));
        let delta = self.delta_with((legs, sums), (orders, added), pnl)?;
        let mut cost = delta.cost_q28(&self.unwind_rates.delta, others, closes);
        let mut vegas = 0u64;
        for expiry in 0..self.expiries.len() {
            let vega = self.vega_with(expiry, sums, orders)?;
            vegas = vegas.saturating_add(vega.size());
            let of_expiry = vega.cost_q28(&self.unwind_rates.vega, others, closes);
            cost = cost.saturating_add(of_expiry);
        }
        let ordered = orders.iter().filter(|order| !is_underlying(order));
        let ordered = ordered.map(|order| order.lots.unsigned_abs());
        risk.gross_lots = risk.gross_lots.saturating_add(ordered.sum());
        risk.unwound_delta_q28 = delta.size();
        risk.unwound_vega_q28 = vegas;
        risk.liquidity_cost = self.lot_value.money_up(i128::from(cost), 28)?;
        Ok(())
    }

    fn delta_with(
        &self,
        (legs, sums): (&[Leg], &BookSums),
        (orders, added): (&[Order], &Added),
        pnl: &[i128],
    ) -> Result<Unwound, RiskError> {
        let sold = orders.iter().filter(|order| is_underlying(order));
        let sold = sold.fold(0u64, |sum, order| sum + order.lots.min(0).unsigned_abs());
        // What is sold takes its delta along, but none of the room beyond it.
        let owned = sums.owned_q28();
        let left = owned.saturating_sub(sold << 28);
        let covered = u128::from(covered_q28(left) - left + owned);
        // What pays back borrowed underlying covers nothing.
        let borrows = i128::from(sums.spot_q30 >> 2) < i128::from(sums.owned_q28());
        let rises = if borrows {
            &added.rises
        } else {
            &added.contract_rises
        };
        let (mut held, mut unwound) = (0u128, Unwound::default());
        // Each order's forward is rounded by a unit at either end, and the book's sum.
        let rounding = 2 * (1 + i128::try_from(orders.len()).unwrap_or(i128::MAX >> 1));
        for right in core_cells() {
            let of = |change: i128| self.cell_delta(right, change);
            let change = pnl[right] - pnl[right - 1];
            let uncovered = |long: i128| of(long).saturating_sub(covered);
            let (change, fall) = (change + rounding, rounding - change);
            held = held.max(uncovered(change)).max(of(fall));
            unwound.most = unwound
                .most
                .max(uncovered(change + rises[right]))
                .max(of(fall - added.falls[right]));
        }
        for order in orders.iter().filter(|order| !is_underlying(order)) {
            let lots = order.lots.unsigned_abs();
            unwound.add(self.largest_order_delta(order)?, lots);
        }
        // What is sold of owned underlying uncovers as much; beyond that it is borrowed, and counts as lots.
        let sold_q28 = u128::from(sold) << 28;
        match sums.contract_lots() {
            0 => unwound.add(sold_q28, sold),
            lots => unwound.add(held + sold_q28, lots),
        }
        let instruments = legs.iter().map(|leg| leg.instrument);
        for instrument in instruments.chain(orders.iter().map(|order| order.instrument)) {
            let most_q30 = match instrument {
                Instrument::Future { expiry } => self.context(expiry)?.forward_ratio_q30,
                Instrument::Option { strike, .. } => {
                    let expiry = self.strike(strike)?.expiry;
                    self.context(expiry)?.forward_ratio_q30
                }
                _ => ONE_Q30,
            };
            // A few units for the rounding of values.
            let most = u128::from(most_q30.unsigned_abs() >> 2) + 64;
            unwound.each = unwound.each.max(most);
        }
        Ok(unwound)
    }

    fn vega_with(
        &self,
        expiry: usize,
        sums: &BookSums,
        orders: &[Order],
    ) -> Result<Unwound, RiskError> {
        let mut unwound = Unwound::default();
        let (mut held, mut rises, mut falls) = (0i128, 0i128, 0i128);
        for (entry, lots) in self.strikes.iter().zip(&self.net_lots) {
            if usize::from(entry.expiry) != expiry {
                continue;
            }
            held += i128::from(vega_q28(*lots, &entry.array));
            let mut one = StrikeLots::default();
            one.add(OptionKind::Call, 1);
            let each = vega_q28(one, &entry.array).unsigned_abs();
            unwound.each = unwound.each.max(each.into());
        }
        for order in orders {
            let Instrument::Option { strike, .. } = order.instrument else {
                continue;
            };
            let entry = self.strike(strike)?;
            if usize::from(entry.expiry) != expiry {
                continue;
            }
            let mut lots = StrikeLots::default();
            lots.add(OptionKind::Call, order.lots);
            let vega = i128::from(vega_q28(lots, &entry.array));
            rises += vega.max(0);
            falls += vega.min(0);
            unwound.add(vega.unsigned_abs(), order.lots.unsigned_abs());
        }
        unwound.add(held.unsigned_abs(), sums.contract_lots());
        unwound.most = (held + rises)
            .unsigned_abs()
            .max((held + falls).unsigned_abs());
        Ok(unwound)
    }

    /// The largest absolute delta of an order over the cells of the core.
    fn largest_order_delta(&self, order: &Order) -> Result<u128, RiskError> {
        let leg = Leg {
            instrument: order.instrument,
            lots: order.lots,
        };
        core_cells().try_fold(0, |largest: u128, right| {
            let [left, here] =
                [right - 1, right].map(|column| self.leg_pnl_q28(&leg, column).map(i128::from));
            let change = here? - left?;
            let either = self
                .cell_delta(right, change)
                .max(self.cell_delta(right, -change));
            Ok(largest.max(either))
        })
    }

    /// The mean delta of a cell that profit and loss rises by so much in, at least 0: lots in Q28, rounded up.
    fn cell_delta(&self, right: usize, rise: i128) -> u128 {
        let width = |right: usize| {
            let width = self.multiple_q30(right) - self.multiple_q30(right - 1);
            width.unsigned_abs().max(1)
        };
        // The smallest of those that are the same but for rounding, as of a book.
        let here = width(right);
        let alike = core_cells()
            .map(width)
            .filter(|other| here.abs_diff(*other) <= here >> 19);
        let rise = rise.max(0).unsigned_abs();
        (rise << 30).div_ceil(alike.fold(here, u128::min))
    }
}

/// The right ends of the cells of the core.
fn core_cells() -> impl Iterator<Item = usize> {
    (1..CORE_COLUMNS).filter(|column| column % SPOT_NODES != 0)
}

/// Whether an order may close some of a book, which takes lots away.
fn closes_some(order: &Order, legs: &[Leg]) -> bool {
    legs.iter().any(|leg| match leg.instrument {
        // Owned underlying is in no lots, and what is borrowed may be paid back.
        Instrument::Spot | Instrument::Balance { .. } => is_underlying(order) && order.lots > 0,
        other => other == order.instrument && leg.lots.signum() == -order.lots.signum(),
    })
}

fn is_underlying(order: &Order) -> bool {
    order.instrument == Instrument::Spot
}
