//! The certified range bound: what a book can lose between two nodes of the grid.
//!
//! At a fixed volatility an option is convex in spot. Net longs lie below their chord between two
//! nodes, net shorts above it, everything else on it. The sum `v` of the net longs is convex too, so
//! on a cell of width h it lies above both end tangents, which meet below the chord by
//! `g = (m − Δ_a)(Δ_b − m)/(Δ_b − Δ_a)·h` at `x* = (Δ_b − m)·h/(Δ_b − Δ_a)` from the left end (m the
//! chord's slope). The book's value is therefore at least piecewise linear through its two nodes and
//! `chord(x*) − g`, and its worst point is one of the three.
//!
//! On the cells outside ±R the weight falls from end to end as `1/(α + βx)`, the interpolation that
//! gives `R/|x|` for the default weights. A linear loss times such a weight is monotone, so the three
//! points still decide.

use crate::array::StrikeArray;
use crate::scenario::{
    ScenarioGrid, CENTRE_NODE, COLUMNS, CORE_COLUMNS, SPOT_NODES, TAILS_PER_SIDE, VOL_UP,
};

/// The sum of a book's net long options in every column.
pub struct LongSide {
    lots: u64,
    value_q28: [i64; COLUMNS],
    slope_q28: [i64; COLUMNS],
}

impl LongSide {
    /// No longs.
    pub const EMPTY: Self = Self {
        lots: 0,
        value_q28: [0; COLUMNS],
        slope_q28: [0; COLUMNS],
    };

    /// Adds `lots` (positive) of a strike. The caller keeps Σ lots below 2^32.
    pub fn add(&mut self, lots: i64, array: &StrikeArray) {
        self.lots = self.lots.wrapping_add(lots.unsigned_abs());
        add_scaled(&mut self.value_q28, lots, &array.value_q28);
        add_scaled(&mut self.slope_q28, lots, &array.slope_q28);
    }

    /// Adds another book's longs. The caller keeps Σ lots below 2^32.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.lots = self.lots.wrapping_add(other.lots);
        let sums = self.value_q28.iter_mut().chain(&mut self.slope_q28);
        for (sum, more) in sums.zip(other.value_q28.iter().chain(&other.slope_q28)) {
            *sum = sum.wrapping_add(*more);
        }
    }

    /// The values, lots × Q28.
    pub(crate) fn values_q28(&self) -> &[i64; COLUMNS] {
        &self.value_q28
    }

    /// The slopes, lots × Q28.
    pub(crate) fn slopes_q28(&self) -> &[i64; COLUMNS] {
        &self.slope_q28
    }
}

/// `sums += lots × entries`, the inner loop of every evaluation.
///
/// The caller keeps Σ|lots| below 2^32 and every entry is below 2^31, so the sums stay within 64 bits.
#[inline(always)]
pub(crate) fn add_scaled(sums: &mut [i64; COLUMNS], lots: i64, entries: &[u32; COLUMNS]) {
    let (sums, _) = sums.as_chunks_mut::<11>();
    let (entries, _) = entries.as_chunks::<11>();
    for (sums, entries) in sums.iter_mut().zip(entries) {
        // A fixed length, which the compiler unrolls: the loop's own instructions would be half of it on chain.
        for (sum, entry) in sums.iter_mut().zip(entries) {
            *sum = sum.wrapping_add(lots.wrapping_mul(i64::from(*entry)));
        }
    }
}

const _: () = assert!(COLUMNS == 33);

/// Everything is scaled down by the bits of the book's lots, so that a value (within ±8 spot per lot)
/// takes 31 bits and every product of two fits 63.
struct Scale(u32);

/// One end of a cell.
#[derive(Clone, Copy)]
struct End {
    pnl: i64,
    value: i64,
    slope: i64,
    multiple_q30: i64,
}

/// The lowest point of the tangents inside a cell: a lower bound on the book's profit and loss there
/// (scaled) and how far from the left end it lies, as a fraction in Q31.
struct Dip {
    pnl: i64,
    position_q31: u64,
}

/// Where the bound dips below the chord of a cell between two nodes of the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellDip {
    /// Volatility level.
    pub level: usize,
    /// Node at the left end.
    pub node: usize,
    /// How far from the left end, a fraction of the cell's width in Q31.
    pub position_q31: u64,
    /// The bound there: lots × fraction of spot in Q28.
    pub pnl_q28: i64,
}

/// A book's columns: what the bound is computed from.
struct Cells<'c> {
    pnl: &'c [i64; COLUMNS],
    long_side: &'c LongSide,
    grid: &'c ScenarioGrid,
    scale: Scale,
}

impl<'c> Cells<'c> {
    #[inline(always)]
    fn new(
        pnl: &'c [i64; COLUMNS],
        long_side: &'c LongSide,
        grid: &'c ScenarioGrid,
        absolute_lots: u64,
    ) -> Self {
        Self {
            pnl,
            long_side,
            grid,
            scale: Scale(64u32.saturating_sub(absolute_lots.leading_zeros())),
        }
    }

    #[inline(always)]
    fn end(&self, column: usize, spot_move: usize) -> End {
        End {
            pnl: self.pnl.get(column).copied().unwrap_or(0),
            value: self.long_side.value_q28.get(column).copied().unwrap_or(0),
            slope: self.long_side.slope_q28.get(column).copied().unwrap_or(0),
            multiple_q30: self.grid.multiple_q30.get(spot_move).copied().unwrap_or(0),
        }
    }

    /// Calls `visit` with level, left node and dip of every cell of the core that has one.
    #[inline(always)]
    fn visit_core(&self, mut visit: impl FnMut(usize, usize, &Dip)) {
        for level in 0..crate::scenario::VOL_LEVELS {
            let first = level.wrapping_mul(SPOT_NODES);
            let mut left = self.end(first, 0);
            for node in 1..SPOT_NODES {
                let right = self.end(first.wrapping_add(node), node);
                if let Some(dip) = self.scale.dip(&left, &right) {
                    visit(level, node.wrapping_sub(1), &dip);
                }
                left = right;
            }
        }
    }
}

/// The dips of the bound between the nodes of the core, for whoever shows it; see [`certified_loss_q28`].
pub fn core_dips(
    pnl: &[i64; COLUMNS],
    long_side: &LongSide,
    grid: &ScenarioGrid,
    absolute_lots: u64,
    visit: &mut dyn FnMut(CellDip),
) {
    if long_side.lots == 0 {
        return;
    }
    let cells = Cells::new(pnl, long_side, grid, absolute_lots);
    cells.visit_core(|level, node, dip| {
        visit(CellDip {
            level,
            node,
            position_q31: dip.position_q31,
            pnl_q28: cells.scale.up(dip.pnl),
        });
    });
}

impl Scale {
    /// Rounded down; at most 31 bits and a sign.
    #[inline(always)]
    fn down(&self, value: i64) -> i64 {
        value >> self.0
    }

    /// Back from a scaled amount.
    fn up(&self, scaled: i64) -> i64 {
        let amount = i128::from(scaled).wrapping_shl(self.0);
        let most = if scaled < 0 { i64::MIN } else { i64::MAX };
        i64::try_from(amount).unwrap_or(most)
    }

    /// The tangents' meeting point in the cell from `left` to `right`, `None` where the chord is the bound.
    #[inline(always)]
    fn dip(&self, left: &End, right: &End) -> Option<Dip> {
        let width_q30 = right.multiple_q30.wrapping_sub(left.multiple_q30);
        let rise = self.down(right.value.wrapping_sub(left.value));
        // Slopes are below 2^29 scaled and widths below 2^32.
        let along = |slope: i64| self.down(slope).wrapping_mul(width_q30) >> 30;
        // Rounded up: `rise` and the slopes were rounded down by less than 1, a slope times a width below 4 by less than 5.
        let below_left = rise.wrapping_add(1).wrapping_sub(along(left.slope));
        let below_right = along(right.slope).wrapping_add(5).wrapping_sub(rise);
        if below_left <= 0 || below_right <= 0 {
            return None;
        }
        // Their sum is (Δ_b − Δ_a)·h: below 2 × 4 × 2^28 plus rounding, so the product is below 2^62.
        let (p, q) = (below_left.unsigned_abs(), below_right.unsigned_abs());
        let sum = p.wrapping_add(q);
        let depth = p.wrapping_mul(q).checked_div(sum)?.wrapping_add(1);
        let position_q31 = (q << 31).checked_div(sum)?;
        // Scaled values take 31 bits, so the chord's rise is below 2^32 and the position at most 2^31.
        let start = self.down(left.pnl);
        let chord_rise = self.down(right.pnl).wrapping_sub(start);
        let chord = chord_rise.wrapping_mul(position_q31.cast_signed()) >> 31;
        // The ends, the position and the product were rounded by less than 1 each: 3 units.
        let pnl = start
            .wrapping_add(chord)
            .wrapping_sub(depth.cast_signed())
            .wrapping_sub(3);
        Some(Dip { pnl, position_q31 })
    }
}

/// Upper bound on the weighted loss over the whole range of spot at each volatility level (lots ×
/// fraction of spot in Q28), without the kernel's declared error: at least `scan_loss_q28`, the
/// largest weighted loss at a node.
///
/// `absolute_lots` is the book's Σ|lots|, below 2^32.
pub fn certified_loss_q28(
    pnl: &[i64; COLUMNS],
    long_side: &LongSide,
    grid: &ScenarioGrid,
    absolute_lots: u64,
    scan_loss_q28: i64,
) -> i64 {
    if long_side.lots == 0 {
        return scan_loss_q28;
    }
    let cells = Cells::new(pnl, long_side, grid, absolute_lots);
    let mut loss = 0i64;
    cells.visit_core(|_, _, dip| loss = loss.max(dip.pnl.saturating_neg()));
    let outermost = [(0, 0), (SPOT_NODES.wrapping_sub(1), TAILS_PER_SIDE)];
    for (node, first_tail) in outermost {
        let column = VOL_UP.wrapping_mul(SPOT_NODES).wrapping_add(node);
        let mut inner = cells.end(column, node);
        let mut inner_inverse_weight = 1i64 << 16;
        for tail in first_tail..first_tail.wrapping_add(TAILS_PER_SIDE) {
            let outer = cells.end(
                CORE_COLUMNS.wrapping_add(tail),
                SPOT_NODES.wrapping_add(tail),
            );
            let inverse_weight = grid.tail_inverse_weight_q16.get(tail).copied().unwrap_or(0);
            if inverse_weight == 0 {
                break;
            }
            let falling = node < CENTRE_NODE;
            let (left, right) = if falling {
                (&outer, &inner)
            } else {
                (&inner, &outer)
            };
            let weights = if falling {
                (inverse_weight, inner_inverse_weight)
            } else {
                (inner_inverse_weight, inverse_weight)
            };
            if let Some(dip) = cells.scale.dip(left, right) {
                loss = loss.max(weighted_loss(&dip, weights));
            }
            inner = outer;
            inner_inverse_weight = inverse_weight;
        }
    }
    scan_loss_q28.max(cells.scale.up(loss))
}

/// The dip's loss times the weight at its place (scaled), rounded up; inverse weights of the left and
/// right end in Q16.
fn weighted_loss(dip: &Dip, (left, right): (i64, i64)) -> i64 {
    if dip.pnl >= 0 {
        return 0;
    }
    // Inverse weights are below 2^36 and the position at most 2^31: the product may take 67 bits.
    let rise =
        i128::from(right.wrapping_sub(left)).wrapping_mul(i128::from(dip.position_q31)) >> 31;
    let inverse_q16 = i128::from(left).wrapping_add(rise).max(1 << 16);
    let inverse_q16 = u64::try_from(inverse_q16).unwrap_or(u64::MAX);
    // A scaled loss is below 2^33.
    let weighted = (dip.pnl.unsigned_abs() << 16)
        .checked_div(inverse_q16)
        .unwrap_or(0);
    weighted.cast_signed().saturating_add(1)
}
