//! The columns of a book: its legs times their arrays, summed by scenario.

use super::fading::Fading;
use super::payoff::StrikeLots;
use super::sums::BookSums;
use super::{linear_pnl_q28, MarketArrays, StrikeEntry};
use crate::blocks::{BASIS, BLOCK_COLUMNS};
use crate::bound::{take_scaled, LongSide};
use crate::scenario::{ScenarioGrid, CENTRE_COLUMN, COLUMNS, CORE_COLUMNS, SPOT_NODES, TAILS};
use crate::units::ONE_Q30;
use alloc::boxed::Box;

/// Where a book's columns go.
pub(super) struct Columns<'c> {
    pub pnl: &'c mut [i64; COLUMNS],
    pub blocks: &'c mut [i64; BLOCK_COLUMNS],
    pub long_side: &'c mut LongSide,
    /// Delta of the net short options now, lots × Q28.
    pub short_delta_q28: &'c mut i64,
}

impl MarketArrays {
    /// Fills a book's columns, zero before, but for longs about to expire, which it returns; and the declared errors of a
    /// column and of one of the blocks in Q28.
    #[inline(always)]
    pub(super) fn fill(
        &self,
        columns: &mut Columns<'_>,
        sums: &BookSums,
    ) -> (Option<Box<Fading>>, (i128, i128)) {
        let nearest_q16 = self.nearest_fading_q16();
        let (fading, (error_q28, block_error_q28)) = if nearest_q16 == 0 {
            (None, self.accumulate(columns, |_, net| net.options))
        } else {
            let mut fading = Fading::new(nearest_q16);
            let errors = self.accumulate(columns, |entry, net| {
                match self.expiries.get(usize::from(entry.expiry)) {
                    Some(expiry) => fading.take(net, expiry, &entry.array),
                    None => net.options,
                }
            });
            (Some(fading), errors)
        };
        let (gone_q30, gone_basis_q30) = fading
            .as_ref()
            .map_or((0, [0; 2]), |gone| (gone.linear_q30, gone.basis_q30));
        let linear_q30 = sums.linear_q30.wrapping_sub(gone_q30);
        add_linear(
            columns.pnl,
            linear_q30,
            &self.inputs.grid,
            i64::wrapping_add,
        );
        let basis = columns.blocks.iter_mut().skip(BASIS);
        for (sum, (all, gone)) in basis.zip(sums.basis_q30.iter().zip(gone_basis_q30)) {
            // Rounded down.
            *sum = sum.wrapping_add(all.wrapping_sub(gone) >> 2);
        }
        // A balance is short of its lots by less than one in Q30 and moves by less than 8 times spot: 2 in Q28.
        let balances = i128::from(sums.balances).wrapping_mul(2);
        let errors = (error_q28.wrapping_add(balances), block_error_q28);
        (fading, errors)
    }

    /// Adds the net options to the columns; returns the declared errors of a column and of one of the blocks in Q28.
    /// `keep` says how many of a strike's net longs stay.
    #[inline(never)]
    fn accumulate(
        &self,
        columns: &mut Columns<'_>,
        mut keep: impl FnMut(&StrikeEntry, StrikeLots) -> i64,
    ) -> (i128, i128) {
        let (mut error_q28, mut long_error_q28) = (0u64, 0u64);
        for (entry, net) in self.strikes.iter().zip(&self.net_lots) {
            let (array, mut lots) = (&entry.array, net.options);
            if lots == 0 {
                continue;
            }
            // An entry's error is below 2^31.1 and Σ|lots| below 2^32.
            let error = lots
                .unsigned_abs()
                .wrapping_mul(array.error_q28.unsigned_abs());
            error_q28 = error_q28.wrapping_add(error);
            if lots > 0 {
                long_error_q28 = long_error_q28.wrapping_add(error);
                lots = keep(entry, *net);
                if lots == 0 {
                    continue;
                }
            }
            add_blocks(columns.blocks, lots, &array.block_q28);
            if lots > 0 {
                columns.long_side.add(unsigned(lots), array);
            } else {
                take_scaled(columns.pnl, unsigned(lots), &array.value_q28);
                // Below 2^32 lots × 2^31 in all.
                let delta = lots.wrapping_mul(i64::from(array.slope_q28[CENTRE_COLUMN]));
                *columns.short_delta_q28 = columns.short_delta_q28.wrapping_add(delta);
            }
        }
        join_longs(columns.pnl, columns.blocks, columns.long_side);
        // A dip is off by at most the errors of a value and a slope at each end: three times an entry's.
        let dips = i128::from(long_error_q28).wrapping_mul(3);
        let error_q28 = i128::from(error_q28);
        (error_q28.wrapping_add(dips), error_q28)
    }
}

/// Lots of a book's leg without their sign.
#[allow(clippy::cast_possible_truncation, reason = "Σ|lots| is below 2^32")]
pub(super) const fn unsigned(lots: i64) -> u32 {
    lots.unsigned_abs() as u32
}

/// `sums += lots × entries` over the columns of the blocks.
#[inline(always)]
pub(super) fn add_blocks(
    sums: &mut [i64; BLOCK_COLUMNS],
    lots: i64,
    entries: &[u32; BLOCK_COLUMNS],
) {
    for (sum, value) in sums.iter_mut().zip(entries) {
        *sum = sum.wrapping_add(lots.wrapping_mul(i64::from(*value)));
    }
}

/// Adds the values of long options to the columns, and takes the present value off: profit and loss.
pub(super) fn join_longs(
    pnl: &mut [i64; COLUMNS],
    blocks: &mut [i64; BLOCK_COLUMNS],
    longs: &LongSide,
) {
    let longs = longs.values_q28();
    let before = pnl[CENTRE_COLUMN];
    let now = before.wrapping_add(longs[CENTRE_COLUMN]);
    let (sums, _) = pnl.as_chunks_mut::<11>();
    let (longs, _) = longs.as_chunks::<11>();
    for (sums, longs) in sums.iter_mut().zip(longs) {
        for (sum, long) in sums.iter_mut().zip(longs) {
            *sum = sum.wrapping_add(*long).wrapping_sub(now);
        }
    }
    for sum in blocks {
        *sum = sum.wrapping_sub(now);
    }
}

/// Adds the linear part of a book, exposure in Q30 lots, to every column, rounded down; or takes it off again.
#[inline(always)]
pub(super) fn add_linear(
    pnl: &mut [i64; COLUMNS],
    linear_q30: i64,
    grid: &ScenarioGrid,
    add: impl Fn(i64, i64) -> i64,
) {
    if linear_q30 == 0 {
        return;
    }
    let moves = grid
        .multiple_q30
        .map(|multiple| linear_pnl_q28(linear_q30, multiple));
    let (Some(nodes), (levels, tails)) = (
        moves.first_chunk::<SPOT_NODES>(),
        pnl.as_chunks_mut::<SPOT_NODES>(),
    ) else {
        return;
    };
    for columns in levels {
        // Fixed lengths, which the compiler unrolls.
        for (sum, linear) in columns.iter_mut().zip(nodes) {
            *sum = add(*sum, *linear);
        }
    }
    let outer = moves.last_chunk::<TAILS>();
    for (sum, linear) in tails.iter_mut().zip(outer.unwrap_or(&[0; TAILS])) {
        *sum = add(*sum, *linear);
    }
}

/// The loss in the worse of the two columns of a block, at least 0.
pub(super) fn block_loss_q28(pnl: &[i64; BLOCK_COLUMNS], first: usize) -> i64 {
    let columns = pnl.iter().skip(first).take(2);
    columns.fold(0, |loss, pnl| loss.max(pnl.saturating_neg()))
}

/// The first column of the largest weighted loss, and that loss (at least 0), rounded up: in the core the lowest entry, which
/// is `lowest`. Then the largest loss of a tail.
pub(super) fn worst_column(
    pnl: &[i64; COLUMNS],
    lowest: i64,
    grid: &ScenarioGrid,
) -> ((usize, i64), i64) {
    let (core, tails) = pnl.split_at(CORE_COLUMNS);
    let lowest = lowest.min(0);
    let mut tail_loss = 0;
    let mut worst = (CENTRE_COLUMN, lowest.saturating_neg());
    let weighted = tails.iter().zip(&grid.tail_weight_q30).enumerate();
    for (tail, (pnl, weight)) in weighted {
        if *pnl < 0 {
            let loss = weigh_up(pnl.saturating_neg(), *weight);
            tail_loss = tail_loss.max(loss);
            if loss > worst.1 {
                worst = (CORE_COLUMNS.wrapping_add(tail), loss);
            }
        }
    }
    if worst.0 == CENTRE_COLUMN && lowest < 0 {
        let first = core.iter().position(|pnl| *pnl == lowest);
        worst.0 = first.unwrap_or(CENTRE_COLUMN);
    }
    (worst, tail_loss)
}

/// `loss × weight`, rounded up; loss non-negative, weight at most 1 in Q30.
#[inline(always)]
fn weigh_up(loss: i64, weight_q30: i64) -> i64 {
    // The upper part is below 2^33 and the lower below 2^30.
    let upper = (loss >> 30).wrapping_mul(weight_q30);
    let lower = (loss & (ONE_Q30 - 1)).wrapping_mul(weight_q30);
    upper.saturating_add(lower.wrapping_add(ONE_Q30 - 1) >> 30)
}
