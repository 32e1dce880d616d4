//! Long options about to expire: what expires tonight does not carry what lives on (section 5 of `margin-model.md`).

use super::columns::{add_blocks, add_linear, join_longs, unsigned, Columns};
use super::payoff::StrikeLots;
use super::sums::BookSums;
use super::{ExpiryEntry, MarketArrays, StrikeEntry};
use crate::array::StrikeArray;
use crate::blocks::{BASIS, BLOCK_COLUMNS};
use crate::bound::LongSide;
use crate::scenario::ScenarioGrid;
use alloc::boxed::Box;

/// The part of a book's net longs that is about to expire, in columns of its own.
pub(super) struct Fading {
    /// `1 − DTE` of the nearest of them, Q16.
    pub nearest_q16: u64,
    pub blocks: [i64; BLOCK_COLUMNS],
    pub long_side: LongSide,
    /// The forwards that puts among them are short of by parity, and how they move in the columns of the basis: Q30.
    pub linear_q30: i64,
    pub basis_q30: [i64; 2],
}

impl Fading {
    /// In the heap: a stack frame on chain has no room for a second set of columns.
    #[inline(never)]
    pub(super) fn new(nearest_q16: u64) -> Box<Self> {
        Box::new(Self {
            nearest_q16,
            blocks: [0; BLOCK_COLUMNS],
            long_side: LongSide::EMPTY,
            linear_q30: 0,
            basis_q30: [0; 2],
        })
    }

    /// Takes the part of a strike's net longs that fades, all of it in the nearest expiry, rounded up; returns what is left.
    #[inline(never)]
    pub(super) fn take(
        &mut self,
        net: StrikeLots,
        expiry: &ExpiryEntry,
        array: &StrikeArray,
    ) -> i64 {
        let lots = net.options;
        // Below 2^32 lots times 2^16; no more than the lots since the nearest fades most.
        let product = lots
            .unsigned_abs()
            .wrapping_mul(u64::from(expiry.fading_q16));
        let gone = product.div_ceil(self.nearest_q16.max(1)).cast_signed();
        if gone != 0 {
            add_blocks(&mut self.blocks, gone, &array.block_q28);
            self.long_side.add(unsigned(gone), array);
            let puts = net.puts_among(gone);
            let forward = expiry.context.forward_ratio_q30;
            // Sums of fewer lots than those of the book.
            self.linear_q30 = self.linear_q30.wrapping_sub(puts.wrapping_mul(forward));
            let moves = expiry.context.blocks.basis_moves_q30(forward);
            for (sum, each) in self.basis_q30.iter_mut().zip(moves) {
                *sum = sum.wrapping_sub(puts.wrapping_mul(each));
            }
        }
        lots.wrapping_sub(gone)
    }

    /// Adds all of it to the rest of the book, which has `sums` with it.
    #[inline(never)]
    pub(super) fn join(&mut self, columns: &mut Columns<'_>, sums: &BookSums, grid: &ScenarioGrid) {
        for (sum, more) in columns.blocks.iter_mut().zip(&self.blocks) {
            *sum = sum.wrapping_add(*more);
        }
        // Off the rest and on again as a whole, so that nothing is rounded twice.
        let rest_q30 = sums.linear_q30.wrapping_sub(self.linear_q30);
        if self.linear_q30 != 0 {
            add_linear(columns.pnl, rest_q30, grid, i64::wrapping_sub);
            add_linear(columns.pnl, sums.linear_q30, grid, i64::wrapping_add);
        }
        let basis = columns.blocks.iter_mut().skip(BASIS);
        for (pnl, (all, gone)) in basis.zip(sums.basis_q30.iter().zip(self.basis_q30)) {
            let rest = all.wrapping_sub(gone);
            *pnl = pnl.wrapping_sub(rest >> 2).wrapping_add(*all >> 2);
        }
        join_longs(columns.pnl, columns.blocks, &self.long_side);
        columns.long_side.merge(&self.long_side);
    }
}

impl MarketArrays {
    /// `1 − DTE` of the nearest expiry within a day in which there is a net long option, 0 without one.
    pub(super) fn nearest_fading_q16(&self) -> u64 {
        if self.expiries.iter().all(|expiry| expiry.fading_q16 == 0) {
            return 0;
        }
        let entries = self.strikes.iter().zip(&self.net_lots);
        let longs = entries.filter(|(_, lots)| lots.options > 0);
        longs.fold(0, |nearest, (entry, _)| nearest.max(self.fading_q16(entry)))
    }

    pub(super) fn fading_q16(&self, entry: &StrikeEntry) -> u64 {
        let expiry = self.expiries.get(usize::from(entry.expiry));
        expiry.map_or(0, |expiry| u64::from(expiry.fading_q16))
    }
}
