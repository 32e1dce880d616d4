//! Pending orders at their worst: a requirement that covers every subset of fills, partial ones too.
//!
//! In a column an order adds `min(0, lots·(v(c) − v(0)) + k)`, where `k = lots·(v(0) − limit)` is what its fill gains against
//! mark. That is linear in how much is filled, so nothing or all of it is worst, and orders add up. In a tail of weight w it is
//! `k/w` where the fill loses (the loss counts in full) and k where it gains. Between two nodes a fill's value lies no more than
//! the tangent gap of the option below its chord, and `min(0, ·)` of a chord, which is concave, not below the chord of its
//! ends: so gaps and columns add up there too. Orders are not netted against each other or against the book.
//!
//! What unwinding may cost after fills is in `fills.rs`. What this leaves out is stated in `margin-model.md`: with orders there is no limit by defined risk, and a long about to expire
//! counts in each column for everything or nothing, whichever is worse.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    clippy::indexing_slicing,
    reason = "sums over fewer than 2^32 lots of amounts below 2^37 in 128 bits, by fixed columns"
)]

use super::columns::Columns;
use super::risk::MarketRisk;
use super::{Instrument, Leg, MarketArrays, OptionKind};
use crate::blocks::{BASIS, BLOCK_COLUMNS, SKEW, TWIST};
use crate::bound::{LongSide, FLAT_DEPTH};
use crate::margin::GROSS_DIVISOR_INITIAL;
use crate::scenario::{
    CENTRE_COLUMN, COLUMNS, CORE_COLUMNS, SPOT_MOVES, SPOT_NODES, TAILS, TAILS_PER_SIDE,
    VOL_LEVELS, VOL_UP,
};
use crate::units::{Money, Price, RiskError, MAX_LOTS_PER_MARKET, ONE_PPM};

/// An order that is not filled yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// What is bought or sold; not a balance.
    pub instrument: Instrument,
    /// How much, negative to sell.
    pub lots: i64,
    /// The worst price it may be filled at, a mantissa of the market.
    pub limit: Price,
}

/// Cells of the core at each level, then those out to the tails.
const CELLS: usize = VOL_LEVELS * (SPOT_NODES - 1) + TAILS;

/// One cell: the columns at its left and right end, and their inverse weights in Q16.
struct Cell {
    left: usize,
    right: usize,
    inverse_q16: (i64, i64),
}

/// What orders add to the columns of a book, lots × Q28.
pub(super) struct Added {
    pnl: [i128; COLUMNS],
    blocks: [i128; BLOCK_COLUMNS],
    gaps: [i128; CELLS],
    /// What rises and falls of profit and loss from node to node all fills add to its delta.
    pub rises: [i128; COLUMNS],
    pub falls: [i128; COLUMNS],
    /// The rises without those of underlying bought, which covers itself.
    pub contract_rises: [i128; COLUMNS],
    /// What all fills together may lose against mark.
    fill_loss: i128,
    error_q28: i128,
}

impl MarketArrays {
    /// Evaluates a book with pending orders: `initial margin` of the answer is at least what the account needs after any
    /// fills of them, partial ones too, and what those fills lose against mark. Values are those of the book alone, and so is
    /// everything without orders, bit for bit. The maintenance margin is not raised by the loss against mark: orders are
    /// cancelled before a liquidation. `other_lots` as in [`MarketArrays::evaluate_beside`].
    ///
    /// Errors: those of [`MarketArrays::evaluate_beside`], of the book with all fills.
    pub fn evaluate_with_orders(
        &mut self,
        legs: &[Leg],
        other_lots: u64,
        orders: &[Order],
        risk: &mut MarketRisk,
    ) -> Result<(), RiskError> {
        self.evaluate_beside(legs, other_lots, risk)?;
        if orders.is_empty() {
            return Ok(());
        }
        let (mut pnl, mut blocks) = ([0; COLUMNS], [0; BLOCK_COLUMNS]);
        let (mut long_side, mut short_delta_q28) = (LongSide::EMPTY, 0);
        let sums = self.sum_legs(legs)?;
        let absolute = orders.iter().fold(sums.absolute_lots, |sum, order| {
            sum.saturating_add(order.lots.unsigned_abs())
        });
        if absolute >= MAX_LOTS_PER_MARKET {
            return Err(RiskError::TooManyLots);
        }
        let mut columns = Columns {
            pnl: &mut pnl,
            blocks: &mut blocks,
            long_side: &mut long_side,
            short_delta_q28: &mut short_delta_q28,
        };
        let (fading, (error_q28, block_error_q28)) = self.fill(&mut columns, &sums);
        if let Some(mut fading) = fading {
            fading.join(&mut columns, &sums, &self.inputs.grid);
        }
        let added = self.added_by(orders)?;
        let with = pnl.map(i128::from);
        let (faded, faded_blocks) = self.faded_longs()?;
        let worst: [i128; COLUMNS] =
            core::array::from_fn(|column| with[column] - faded[column] + added.pnl[column]);
        let certified = self.certified(&worst, &long_side, &added.gaps, 2 * i128::from(absolute));
        let worst_block = |first: usize| {
            let column = |at: usize| {
                let here = i128::from(blocks[at]) - faded_blocks[at] + added.blocks[at];
                (-here).max(0)
            };
            column(first).max(column(first + 1))
        };
        let money_up = |q28: i128| self.lot_value.money_up(q28, 28);
        let errors = error_q28 + 4 * added.error_q28;
        let block_errors = block_error_q28 + added.error_q28;
        risk.certified_loss = money_up(certified + errors)?;
        // What fills gain is not counted on, nor where they lose: they offset nothing in other markets.
        risk.node_losses = [risk.certified_loss; SPOT_MOVES];
        risk.twist = money_up(worst_block(TWIST) + block_errors)?;
        risk.skew = money_up(worst_block(SKEW) + block_errors)?;
        risk.basis = money_up(worst_block(BASIS) + block_errors)?;
        // Longs about to expire are in the four losses already.
        risk.expiring_longs = Money(0);
        risk.defined_loss = MarketRisk::NO_LIMIT;
        risk.delta_notional = money_up(self.largest_delta(&with, &added))?;
        risk.oracle_contingency = risk.delta_notional.mul_div_up(self.oracle_ppm, ONE_PPM)?;
        risk.other_lots = other_lots;
        self.add_cost_of_fills((legs, &sums), (orders, &added), &with, risk)?;
        self.add_worst_exposure(legs, orders, &added, risk)
    }

    /// What each order adds, summed.
    fn added_by(&self, orders: &[Order]) -> Result<Added, RiskError> {
        let mut added = Added {
            pnl: [0; COLUMNS],
            blocks: [0; BLOCK_COLUMNS],
            gaps: [0; CELLS],
            rises: [0; COLUMNS],
            falls: [0; COLUMNS],
            contract_rises: [0; COLUMNS],
            fill_loss: 0,
            error_q28: 0,
        };
        for order in orders {
            self.add_order(order, &mut added)?;
        }
        Ok(added)
    }

    fn add_order(&self, order: &Order, added: &mut Added) -> Result<(), RiskError> {
        let lots = i128::from(order.lots);
        let leg = Leg {
            instrument: order.instrument,
            lots: order.lots,
        };
        if matches!(leg.instrument, Instrument::Balance { .. }) {
            return Err(RiskError::UnknownInstrument);
        }
        let limit_q30 = self.inverse_spot.ratio_q30(order.limit);
        let better = i128::from(self.mark_q30(leg.instrument)?) - i128::from(limit_q30);
        // The limit's ratio is rounded to the nearest: a unit of Q30 against the account.
        let gain = (lots * better - lots.abs()) >> 2;
        added.fill_loss += (-gain).max(0);
        let mut moved = [0i128; COLUMNS];
        for (column, moved) in moved.iter_mut().enumerate() {
            *moved = i128::from(self.leg_pnl_q28(&leg, column)?);
        }
        let mut forward = None;
        if let Instrument::Option { kind, strike } = leg.instrument {
            let entry = self.strike(strike)?;
            if order.lots > 0 && self.fading_q16(entry) != 0 {
                forward = Some(Leg {
                    instrument: Instrument::Future {
                        expiry: entry.expiry,
                    },
                    lots: match kind {
                        OptionKind::Call => order.lots,
                        OptionKind::Put => -order.lots,
                    },
                });
            }
            added.error_q28 += lots.abs() * i128::from(entry.array.error_q28);
            if order.lots > 0 {
                self.add_gaps(strike, lots, &mut added.gaps)?;
            }
        }
        for (column, moved) in moved.iter().enumerate() {
            // In a tail the loss against mark counts in full, whatever the weight.
            let gain_here = match column.checked_sub(CORE_COLUMNS) {
                Some(tail) if gain < 0 => {
                    let inverse = self.inputs.grid.tail_inverse_weight_q16.get(tail);
                    let inverse = i128::from(inverse.copied().unwrap_or(0)) + 1;
                    (gain * inverse) >> 16
                }
                _ => gain,
            };
            // A long about to expire may count for nothing, or for a forward alone: that of a put of its strike, which another
            // fill takes away with a call or leaves without one.
            let gone = match &forward {
                Some(forward) => {
                    let forward = i128::from(self.leg_pnl_q28(forward, column)?);
                    gain_here.min(forward + gain_here)
                }
                None => 0,
            };
            let lost = (moved + gain_here).min(gone).min(0);
            // A unit for what the engine rounds of a sum.
            added.pnl[column] += lost - 1;
        }
        for node in 1..COLUMNS {
            let change = moved[node] - moved[node - 1];
            added.rises[node] += change.max(0);
            added.falls[node] += change.min(0);
            if leg.instrument != Instrument::Spot {
                added.contract_rises[node] += change.max(0);
            }
        }
        let forward_moves = match &forward {
            Some(forward) => self.block_moves(forward)?,
            None => [0; BLOCK_COLUMNS],
        };
        let moves = self.block_moves(&leg)?.into_iter().zip(forward_moves);
        for (sum, (moved, forward)) in added.blocks.iter_mut().zip(moves) {
            *sum += moved.min(forward).min(0) - 1;
        }
        Ok(())
    }

    /// Profit and loss of a leg in the columns of the blocks.
    fn block_moves(&self, leg: &Leg) -> Result<[i128; BLOCK_COLUMNS], RiskError> {
        let lots = i128::from(leg.lots);
        let mut moved = [0i128; BLOCK_COLUMNS];
        let (expiry, forward_lots) = match leg.instrument {
            Instrument::Future { expiry } => (expiry, lots),
            Instrument::Option { kind, strike } => {
                let entry = self.strike(strike)?;
                let now = i128::from(entry.array.value_q28[CENTRE_COLUMN]);
                for (moved, value) in moved.iter_mut().zip(entry.array.block_q28) {
                    *moved = lots * (i128::from(value) - now);
                }
                match kind {
                    OptionKind::Call => return Ok(moved),
                    OptionKind::Put => (entry.expiry, -lots),
                }
            }
            _ => return Ok(moved),
        };
        let context = self.context(expiry)?;
        let moves = context.blocks.basis_moves_q30(context.forward_ratio_q30);
        for (moved, each) in moved.iter_mut().skip(BASIS).zip(moves) {
            *moved += (forward_lots * i128::from(each)) >> 2;
        }
        Ok(moved)
    }

    /// Cells in the order of [`Added::gaps`].
    fn cells(&self) -> impl Iterator<Item = Cell> + '_ {
        let core = (0..VOL_LEVELS * (SPOT_NODES - 1)).map(|cell| {
            let left = cell / (SPOT_NODES - 1) * SPOT_NODES + cell % (SPOT_NODES - 1);
            Cell {
                left,
                right: left + 1,
                inverse_q16: (1 << 16, 1 << 16),
            }
        });
        let tails = (0..TAILS).map(|tail| {
            let falling = tail < TAILS_PER_SIDE;
            let outermost = VOL_UP * SPOT_NODES + if falling { 0 } else { SPOT_NODES - 1 };
            let first = tail % TAILS_PER_SIDE == 0;
            let inverse = |tail: usize| {
                let inverse = self.inputs.grid.tail_inverse_weight_q16.get(tail);
                inverse.copied().unwrap_or(0)
            };
            let (inner, inner_inverse) = if first {
                (outermost, 1 << 16)
            } else {
                (CORE_COLUMNS + tail - 1, inverse(tail - 1))
            };
            let (outer, outer_inverse) = (CORE_COLUMNS + tail, inverse(tail));
            if falling {
                Cell {
                    left: outer,
                    right: inner,
                    inverse_q16: (outer_inverse, inner_inverse),
                }
            } else {
                Cell {
                    left: inner,
                    right: outer,
                    inverse_q16: (inner_inverse, outer_inverse),
                }
            }
        });
        core.chain(tails)
    }

    pub(super) fn multiple_q30(&self, column: usize) -> i128 {
        let spot_move = match column.checked_sub(CORE_COLUMNS) {
            Some(tail) => SPOT_NODES + tail,
            None => column % SPOT_NODES,
        };
        let multiple = self.inputs.grid.multiple_q30.get(spot_move);
        multiple.map_or(0, |multiple| i128::from(*multiple))
    }

    /// How far each end's tangent passes below a cell's chord at its other end: p from the left, q from the right.
    fn below_chord(
        &self,
        cell: &Cell,
        value: impl Fn(usize) -> i128,
        slope: impl Fn(usize) -> i128,
    ) -> (i128, i128) {
        let width = self.multiple_q30(cell.right) - self.multiple_q30(cell.left);
        let rise = value(cell.right) - value(cell.left);
        let along = |slope: i128| (slope * width) >> 30;
        (
            rise - along(slope(cell.left)),
            along(slope(cell.right)) + 1 - rise,
        )
    }

    /// Adds the tangent gaps of `lots` long options of a strike.
    fn add_gaps(&self, strike: u16, lots: i128, gaps: &mut [i128; CELLS]) -> Result<(), RiskError> {
        let array = &self.strike(strike)?.array;
        let at = |entries: &[u32; COLUMNS], column: usize| lots * i128::from(entries[column]);
        for (gap, cell) in gaps.iter_mut().zip(self.cells()) {
            let value = |column| at(&array.value_q28, column);
            let slope = |column| at(&array.slope_q28, column);
            let (p, q) = self.below_chord(&cell, value, slope);
            *gap += p.max(q).max(0);
        }
        Ok(())
    }

    /// The certified loss of columns, in which each cell may lie below its bound by a gap.
    fn certified(
        &self,
        pnl: &[i128; COLUMNS],
        long_side: &LongSide,
        gaps: &[i128; CELLS],
        unit: i128,
    ) -> i128 {
        let weigh_up = |loss: i128, inverse_q16: i128| {
            let loss = loss.max(0) << 16;
            loss.checked_div(inverse_q16.max(1)).unwrap_or(0) + 1
        };
        let mut worst = 0i128;
        for (cell, gap) in self.cells().zip(gaps) {
            let (left_inverse, right_inverse) = cell.inverse_q16;
            if left_inverse == 0 || right_inverse == 0 {
                // A tail that is off: the end that counts is that of another cell.
                continue;
            }
            let (left, right) = (pnl[cell.left], pnl[cell.right]);
            let value = |column: usize| i128::from(long_side.values_q28()[column]);
            let slope = |column: usize| i128::from(long_side.slopes_q28()[column]);
            let (p, q) = self.below_chord(&cell, value, slope);
            // Weights between tails are rounded to 16 bits: a linear book weighs nearly the same all the way out.
            let less = 4 * i128::from(cell.inverse_q16 != (1 << 16, 1 << 16));
            let left_inverse = i128::from(left_inverse) - less;
            let right_inverse = i128::from(right_inverse) - less;
            worst = worst
                .max(weigh_up(gap - left, left_inverse))
                .max(weigh_up(gap - right, right_inverse));
            // The engine works these out in 31 bits of its lots: sixteen units either way at most.
            let (p, q) = (p + 16 * unit, q + 16 * unit);
            if p <= 0 || q <= 0 {
                continue;
            }
            for place in [q - 32 * unit, q + 32 * unit] {
                let place = place.clamp(0, p + q);
                let along = |from: i128, to: i128| from + (to - from) * place / (p + q);
                let lowest = along(left, right) - p * q / (p + q) - 4 * unit;
                let inverse = along(left_inverse, right_inverse);
                worst = worst.max(weigh_up(gap - lowest, inverse));
            }
        }
        // As much lower the engine takes cells to be that it does not look at.
        worst + i128::from(FLAT_DEPTH) * unit
    }

    /// What net longs of options within a day of expiry gain in every column, strike by strike: what the book may lack. Fills
    /// decide how many of them are puts, so they are all calls or all puts, whichever gains more.
    fn faded_longs(&self) -> Result<([i128; COLUMNS], [i128; BLOCK_COLUMNS]), RiskError> {
        let (mut pnl, mut blocks) = ([0i128; COLUMNS], [0i128; BLOCK_COLUMNS]);
        for (position, (entry, net)) in (0u16..).zip(self.strikes.iter().zip(&self.net_lots)) {
            if net.options <= 0 || self.fading_q16(entry) == 0 {
                continue;
            }
            let legs = [OptionKind::Call, OptionKind::Put].map(|kind| Leg {
                instrument: Instrument::Option {
                    kind,
                    strike: position,
                },
                lots: net.options,
            });
            for (column, sum) in pnl.iter_mut().enumerate() {
                let [call, put] = [&legs[0], &legs[1]].map(|leg| self.leg_pnl_q28(leg, column));
                // A unit for what the engine rounds of a sum.
                *sum += i128::from(call?.max(put?).max(0)) + 1;
            }
            let [calls, puts] = [&legs[0], &legs[1]].map(|leg| self.block_moves(leg));
            for (sum, (call, put)) in blocks.iter_mut().zip(calls?.into_iter().zip(puts?)) {
                *sum += call.max(put).max(0) + 1;
            }
        }
        Ok((pnl, blocks))
    }

    /// The largest absolute delta over the cells of the core with any fills, rounded up.
    fn largest_delta(&self, pnl: &[i128; COLUMNS], added: &Added) -> i128 {
        let mut largest = 0i128;
        for right in (1..CORE_COLUMNS).filter(|column| column % SPOT_NODES != 0) {
            let change = pnl[right] - pnl[right - 1];
            let width = (self.multiple_q30(right) - self.multiple_q30(right - 1)).max(1);
            let most = (change + added.rises[right])
                .abs()
                .max((change + added.falls[right]).abs());
            largest = largest.max(((most + 2) << 30) / width + 1);
        }
        largest
    }

    /// Gross exposure and the short-option minimum with every option sold and none bought, and each linear bucket all bought
    /// or all sold; and the loss of the fills against mark, which the floor of gross exposure is to cover besides.
    fn add_worst_exposure(
        &mut self,
        legs: &[Leg],
        orders: &[Order],
        added: &Added,
        risk: &mut MarketRisk,
    ) -> Result<(), RiskError> {
        let mut worst: alloc::vec::Vec<Leg> = legs.to_vec();
        for order in orders {
            let Instrument::Option { strike, .. } = order.instrument else {
                continue;
            };
            // Beyond the strikes that are netted every short counts in full, whatever is bought.
            let too_far = self.strike(strike)?.strike_q24 >= super::payoff::MOST_STRIKE_Q24;
            if order.lots < 0 || too_far {
                worst.push(Leg {
                    instrument: order.instrument,
                    lots: order.lots,
                });
            }
        }
        let sums = self.sum_legs(&worst)?;
        let exposure = self.short_exposure(&sums, &|_| 0);
        let linear = |bucket: &dyn Fn(&Instrument) -> bool| {
            let of = |all: &mut dyn Iterator<Item = (Instrument, i64)>| {
                all.filter(|(one, _)| bucket(one))
                    .fold((0i128, 0i128), |(up, down), (_, lots)| {
                        (up + i128::from(lots.max(0)), down + i128::from(lots.min(0)))
                    })
            };
            let held = of(&mut legs.iter().map(|leg| (leg.instrument, leg.lots)));
            let pending = of(&mut orders.iter().map(|order| (order.instrument, order.lots)));
            let net = held.0 + held.1;
            (net + pending.0).abs().max((net + pending.1).abs())
        };
        let mut lots_q30 = linear(&|one| matches!(one, Instrument::Perpetual)) << 30;
        for (position, entry) in self.expiries.iter().enumerate() {
            let here = |one: &Instrument| matches!(one, Instrument::Future { expiry } if usize::from(*expiry) == position);
            lots_q30 += linear(&here) * i128::from(entry.context.forward_ratio_q30);
        }
        let spot_sold = orders
            .iter()
            .filter(|order| order.instrument == Instrument::Spot);
        let spot_sold = spot_sold.fold(0i128, |sum, order| sum + i128::from(order.lots.min(0)));
        lots_q30 -= (i128::from(sums.spot_q30) + (spot_sold << 30)).min(0);
        // Payoffs are rounded by a unit of Q24 for every lot, of what is bought too, in each of a few sums.
        let lots = orders
            .iter()
            .map(|order| i128::from(order.lots.unsigned_abs()));
        let rounding_q24 = 4 * lots.sum::<i128>();
        let gross_q30 = lots_q30 + ((i128::from(exposure.gross_q24) + rounding_q24) << 6);
        let fills_q30 = (added.fill_loss << 2) * i128::from(GROSS_DIVISOR_INITIAL);
        // Not nothing: whoever has orders may come to owe.
        risk.gross = self
            .lot_value
            .money_up(gross_q30.saturating_add(fills_q30).max(1), 30)?;
        let ramped = i128::from(exposure.ramped_q24);
        let ramped = self.lot_value.money_up(ramped + 2 * rounding_q24, 24)?;
        (risk.short_minimum, risk.short_minimum_maintenance) =
            self.inputs.grid.charges.short_minimum(ramped)?;
        Ok(())
    }
}
