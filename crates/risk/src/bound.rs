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
use crate::fixed::{leading_zeros, quotient};
use crate::scenario::{
    ScenarioGrid, CENTRE_NODE, COLUMNS, CORE_COLUMNS, SPOT_MOVES, SPOT_NODES, TAILS,
    TAILS_PER_SIDE, VOL_LEVELS, VOL_UP,
};
use crate::units::{LotValue, Money, RiskError};

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

    /// Adds lots of a strike. The caller keeps Σ lots below 2^32.
    #[inline(never)]
    pub fn add(&mut self, lots: u32, array: &StrikeArray) {
        self.lots = self.lots.wrapping_add(lots.into());
        add_scaled(
            &mut self.value_q28,
            lots,
            &array.value_q28,
            i64::wrapping_add,
        );
        add_scaled(
            &mut self.slope_q28,
            lots,
            &array.slope_q28,
            i64::wrapping_add,
        );
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

/// `sums ± lots × entries`, the inner loop of every evaluation.
///
/// The caller keeps Σ lots below 2^32 and every entry is below 2^31, so the sums stay within 64 bits.
#[inline(always)]
fn add_scaled(
    sums: &mut [i64; COLUMNS],
    lots: u32,
    entries: &[u32; COLUMNS],
    add: impl Fn(i64, i64) -> i64,
) {
    let (sums, _) = sums.as_chunks_mut::<11>();
    let (entries, _) = entries.as_chunks::<11>();
    for (sums, entries) in sums.iter_mut().zip(entries) {
        // A fixed length, which the compiler unrolls: the loop's own instructions would be half of it on chain.
        for (sum, entry) in sums.iter_mut().zip(entries) {
            // Without a sign, so that the product takes the entry's register and no copy of the lots: a sixth of the loop.
            let product = u64::from(*entry).wrapping_mul(lots.into());
            *sum = add(*sum, product.cast_signed());
        }
    }
}

/// Takes lots of short options off the columns. The caller keeps Σ lots below 2^32.
#[inline(never)]
pub(crate) fn take_scaled(sums: &mut [i64; COLUMNS], lots: u32, entries: &[u32; COLUMNS]) {
    add_scaled(sums, lots, entries, i64::wrapping_sub);
}

const _: () = assert!(COLUMNS == 33);

/// Everything is scaled down by the bits of the book's lots, so that a value (within ±8 spot per lot)
/// takes 31 bits and every product of two fits 63.
#[derive(Clone, Copy)]
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
            scale: Scale::of(absolute_lots),
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

    /// Raises the losses of the cells of the core by those dips that may lie below both nodes at their ends.
    ///
    /// From the lower end the bound first follows the tangent there: it dips below that end only where the tangent of the
    /// longs lies further below their chord at the other end than the book's chord rises to it. Elsewhere nothing is divided.
    #[inline(always)]
    fn raise_core(&self, losses: &mut CellLosses) {
        let (levels, _) = self.pnl.as_chunks::<SPOT_NODES>();
        let (values, _) = self.long_side.value_q28.as_chunks::<SPOT_NODES>();
        let (slopes, _) = self.long_side.slope_q28.as_chunks::<SPOT_NODES>();
        let multiples = self.grid.multiple_q30.first_chunk::<SPOT_NODES>();
        let multiples = multiples.unwrap_or(&[0; SPOT_NODES]);
        let levels = levels.iter().zip(values.iter().zip(slopes));
        for (pnl, (values, slopes)) in levels.take(VOL_LEVELS) {
            for cell in 0..TAIL_CELLS {
                let next = cell.wrapping_add(1);
                let climb = pnl[next].wrapping_sub(pnl[cell]);
                let rise = values[next].wrapping_sub(values[cell]);
                let width = multiples[next].wrapping_sub(multiples[cell]);
                // Both are below 2^32 × 2^31; rounding each difference and the product loses less than 8 scaled units.
                let (low, below) = if climb >= 0 {
                    (slopes[cell], rise)
                } else {
                    (slopes[next].wrapping_neg(), rise.wrapping_neg())
                };
                let tangent = self.scale.down(low).wrapping_mul(width) >> 30;
                let below = self.scale.down(below).wrapping_sub(tangent);
                let climb = self.scale.down(climb.wrapping_abs());
                if below.wrapping_add(8) <= climb {
                    continue;
                }
                let end = |node: usize| End {
                    pnl: pnl[node],
                    value: values[node],
                    slope: slopes[node],
                    multiple_q30: multiples[node],
                };
                if let Some(dip) = self.scale.dip(&end(cell), &end(next)) {
                    // Scaled: below 2^34.
                    losses.raise(cell, dip.pnl.wrapping_neg());
                }
            }
        }
    }

    /// Calls `visit` with level, left node and dip of every cell of the core that has one.
    #[inline(always)]
    fn visit_core(&self, mut visit: impl FnMut(usize, usize, &Dip)) {
        for level in 0..VOL_LEVELS {
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

    /// Whether the slope of the longs hardly changes over a cell: the bound is no more than [`FLAT_DEPTH`] below the chord.
    ///
    /// Both sides of [`Scale::dip`] together are the change of slope times the width and at most 12 for rounding, and a dip is
    /// at most a quarter of them deep.
    #[inline(always)]
    fn is_flat(&self, one: &End, other: &End) -> bool {
        let change = self.scale.down(one.slope.wrapping_sub(other.slope));
        let width_q30 = one.multiple_q30.wrapping_sub(other.multiple_q30);
        let sides = change.wrapping_mul(width_q30) >> 30;
        sides.wrapping_add(12) <= 4 * FLAT_DEPTH
    }

    /// Calls `visit` with tail, left and right end, and their inverse weights in Q16, of every cell outside the core that is
    /// switched on and not flat.
    #[inline(always)]
    fn visit_tails(&self, mut visit: impl FnMut(usize, &End, &End, (i64, i64))) {
        let outermost = [(0, 0), (SPOT_NODES.wrapping_sub(1), TAILS_PER_SIDE)];
        for (node, first_tail) in outermost {
            let column = VOL_UP.wrapping_mul(SPOT_NODES).wrapping_add(node);
            let mut inner = self.end(column, node);
            let mut inner_inverse_weight = 1i64 << 16;
            for tail in first_tail..first_tail.wrapping_add(TAILS_PER_SIDE) {
                let outer = self.end(
                    CORE_COLUMNS.wrapping_add(tail),
                    SPOT_NODES.wrapping_add(tail),
                );
                let weights = self.grid.tail_inverse_weight_q16.get(tail);
                let inverse_weight = weights.copied().unwrap_or(0);
                if inverse_weight == 0 {
                    break;
                }
                if self.is_flat(&inner, &outer) {
                    // Nothing to visit.
                } else if node < CENTRE_NODE {
                    visit(tail, &outer, &inner, (inverse_weight, inner_inverse_weight));
                } else {
                    visit(tail, &inner, &outer, (inner_inverse_weight, inverse_weight));
                }
                inner = outer;
                inner_inverse_weight = inverse_weight;
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
    fn of(absolute_lots: u64) -> Self {
        Self(64u32.saturating_sub(leading_zeros(absolute_lots)))
    }

    /// Rounded down; at most 31 bits and a sign.
    #[inline(always)]
    fn down(&self, value: i64) -> i64 {
        value >> self.0
    }

    /// Back from a scaled amount.
    fn up(&self, scaled: i64) -> i64 {
        if self.0 < 30 && scaled.unsigned_abs() < 1 << 33 {
            return scaled << self.0;
        }
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

#[inline(always)]
fn lowest_over_levels(pnl: &[i64; COLUMNS]) -> [i64; SPOT_NODES] {
    let (levels, _) = pnl.as_chunks::<SPOT_NODES>();
    let [down, base, up, ..] = levels else {
        return [0; SPOT_NODES];
    };
    let mut lowest = *up;
    for (lowest, (down, base)) in lowest.iter_mut().zip(down.iter().zip(base)) {
        *lowest = (*lowest).min(*down).min(*base);
    }
    lowest
}

/// Cells of the grid: those between the nodes of the core, by their left node, then those that end at each tail.
pub const CELLS: usize = SPOT_NODES - 1 + TAILS;
/// First cell that ends at a tail.
const TAIL_CELLS: usize = SPOT_NODES - 1;
/// First column of the core in which volatility is up.
const VOL_UP_ROW: usize = VOL_UP * SPOT_NODES;
/// How far below its chord the bound of a cell is taken to be without a look, scaled.
pub(crate) const FLAT_DEPTH: i64 = 4;
/// Stands for a cell whose chord is the bound.
const NO_DIP: i64 = i64::MIN;

/// What a book loses where the bound dips below the chord, cell by cell, the worst of the volatility levels; weighted between
/// the tails. Scaled by the bits of the book's lots, as are all losses here.
pub struct CellLosses {
    dips: [i64; CELLS],
    /// How much more than at its ends a cell between tails may lose that has no dip here: [`FLAT_DEPTH`], 0 without longs.
    flat: i64,
    /// The lowest profit or loss at each node of the core over the volatility levels.
    lowest: [i64; SPOT_NODES],
}

impl CellLosses {
    /// Those of a book before its dips are known.
    #[inline(always)]
    pub fn new(pnl: &[i64; COLUMNS]) -> Self {
        Self {
            dips: [NO_DIP; CELLS],
            flat: 0,
            lowest: lowest_over_levels(pnl),
        }
    }

    /// The lowest profit or loss in the core.
    pub(crate) fn lowest_pnl(&self) -> i64 {
        let nodes = self.lowest.iter();
        nodes.fold(i64::MAX, |lowest, node| lowest.min(*node))
    }

    #[inline(always)]
    fn raise(&mut self, cell: usize, loss: i64) {
        if let Some(dip) = self.dips.get_mut(cell) {
            *dip = loss.max(*dip);
        }
    }
}

/// Upper bound on the weighted loss over the whole range of spot at each volatility level (lots ×
/// fraction of spot in Q28), without the kernel's declared error: at least the largest weighted loss at a
/// node. Fills in the losses of the dips, none before.
///
/// `scan_losses_q28` are the largest weighted loss at a node, and that of the tails alone.
///
/// `absolute_lots` is the book's Σ|lots|, below 2^32.
pub fn certified_loss_q28(
    pnl: &[i64; COLUMNS],
    long_side: &LongSide,
    grid: &ScenarioGrid,
    absolute_lots: u64,
    scan_losses_q28: (i64, i64),
    losses: &mut CellLosses,
) -> i64 {
    if long_side.lots == 0 {
        return scan_losses_q28.0;
    }
    let cells = Cells::new(pnl, long_side, grid, absolute_lots);
    losses.flat = FLAT_DEPTH;
    cells.raise_core(losses);
    cells.visit_tails(|tail, left, right, weights| {
        if let Some(dip) = cells.scale.dip(left, right) {
            losses.raise(TAIL_CELLS.wrapping_add(tail), weighted_loss(&dip, weights));
        }
    });
    let loss = losses.dips.iter().fold(0i64, |most, dip| most.max(*dip));
    // A loss on a chord times its weight is at most that of its worse end, a tail's or that of an outermost node.
    let (scan_loss, tails) = scan_losses_q28;
    let edges = [VOL_UP_ROW, VOL_UP_ROW + TAIL_CELLS].map(|column| pnl[column]);
    let ends = edges
        .iter()
        .fold(tails, |most, pnl| most.max(pnl.saturating_neg()));
    let flat = ends.wrapping_add(cells.scale.up(FLAT_DEPTH));
    scan_loss.max(flat).max(cells.scale.up(loss))
}

/// A book's loss around every node of the core and in the cell up to every tail.
pub struct NodeLosses {
    scaled: [i64; SPOT_MOVES],
    scale: Scale,
}

impl NodeLosses {
    /// L̃ of a book: for a node of the core the worst, over volatility levels, of the certified loss on the cells that meet at it
    /// or at a node beside it; for a tail the weighted certified loss on the cell that ends at it. So at the same fraction of
    /// their ranges no markets lose more together than their losses around one node. A gain is negative and rounded down; a
    /// tail that is switched off has none.
    ///
    /// `losses` are those of the same book, the dips of [`certified_loss_q28`] among them.
    pub fn new(
        pnl: &[i64; COLUMNS],
        grid: &ScenarioGrid,
        absolute_lots: u64,
        losses: &CellLosses,
    ) -> Self {
        let scale = Scale::of(absolute_lots);
        let mut scaled = [0; SPOT_MOVES];
        let ends = losses.lowest.map(|pnl| scale.down(pnl).wrapping_neg());
        let mut cells = [0; TAIL_CELLS];
        for cell in 0..TAIL_CELLS {
            let next = cell.wrapping_add(1);
            cells[cell] = ends[cell].max(ends[next]).max(losses.dips[cell]);
        }
        let mut pairs = [0; TAIL_CELLS - 1];
        for cell in 0..TAIL_CELLS - 1 {
            pairs[cell] = cells[cell].max(cells[cell.wrapping_add(1)]);
        }
        // Around a node are the two cells that meet at it, and at the nodes beside it one more on each side.
        let [a, b, c, d, e, f, g] = pairs;
        let core = [
            a,
            a.max(b),
            a.max(c),
            b.max(d),
            c.max(e),
            d.max(f),
            e.max(g),
            f.max(g),
            g,
        ];
        for (scaled, loss) in scaled.iter_mut().zip(&core) {
            *scaled = *loss;
        }
        let (Some(pnls), Some(tail_dips), Some(tails)) = (
            pnl.last_chunk::<TAILS>(),
            losses.dips.last_chunk::<TAILS>(),
            scaled.last_chunk_mut::<TAILS>(),
        ) else {
            return Self { scaled, scale };
        };
        // At full weight, rounded up as at any other.
        let edge = |column: usize| scale.down(pnl[column]).wrapping_neg().saturating_add(1);
        let mut inner = edge(VOL_UP_ROW);
        for tail in 0..TAILS {
            if tail == TAILS_PER_SIDE {
                inner = edge(VOL_UP_ROW + TAIL_CELLS);
            }
            let inverse = grid.tail_inverse_weight_q16[tail];
            // Weights only fall outwards: beyond a tail that is switched off all are.
            if inverse != 0 {
                let outer = weighted(scale.down(pnls[tail]), inverse);
                tails[tail] = inner
                    .max(outer)
                    .wrapping_add(losses.flat)
                    .max(tail_dips[tail]);
                inner = outer;
            }
        }
        Self { scaled, scale }
    }

    /// Writes them in money, with an error in Q28 added to each and at most `most`, rounded up.
    pub(crate) fn money_up(
        &self,
        lot_value: &LotValue,
        error_q28: i128,
        most: Money,
        money: &mut [Money; SPOT_MOVES],
    ) -> Result<(), RiskError> {
        let error = i64::try_from(error_q28).unwrap_or(i64::MAX);
        let error = self.scale.down(error.saturating_neg()).saturating_neg();
        lot_value.money_up_each(&self.scaled, (error, most), self.scale.0, money)
    }
}

/// The loss of a scaled profit and loss at an end of an outer cell times the weight there, rounded up: a loss by a weight that is
/// rounded up, a gain by one that is rounded down. The weight is inverse in Q16.
#[inline(always)]
fn weighted(pnl: i64, inverse_q16: i64) -> i64 {
    let inverse = inverse_q16.max(1 << 16).unsigned_abs();
    // A scaled profit or loss is below 2^33.
    if pnl < 0 {
        let product = pnl.wrapping_neg().cast_unsigned() << 16;
        return quotient(product, inverse).cast_signed().wrapping_add(1);
    }
    let product = pnl.cast_unsigned() << 16;
    // An inverse is below 2^36.
    quotient(product, inverse.wrapping_add(1))
        .cast_signed()
        .wrapping_neg()
}

/// The dip's loss times the weight at its place (scaled), rounded up; inverse weights of the left and
/// right end in Q16.
fn weighted_loss(dip: &Dip, (left, right): (i64, i64)) -> i64 {
    // Inverse weights are below 2^36 and the position at most 2^31: the product may take 67 bits, and seldom does.
    let span = right.wrapping_sub(left);
    let is_narrow = span.unsigned_abs() >> 31 == 0;
    if dip.pnl >= 0 && !is_narrow {
        return weighted(dip.pnl, left.max(right));
    }
    let rise = if is_narrow {
        span.wrapping_mul(dip.position_q31.cast_signed()) >> 31
    } else {
        let product = i128::from(span).wrapping_mul(i128::from(dip.position_q31));
        i64::try_from(product >> 31).unwrap_or(i64::MAX)
    };
    let inverse_q16 = left.wrapping_add(rise).max(1 << 16);
    if dip.pnl >= 0 {
        // A gain counts by no more than its weight: the rise and the position were rounded by less than 1 each.
        return weighted(dip.pnl, inverse_q16.wrapping_add(2));
    }
    // A scaled loss is below 2^33.
    let weighted = (dip.pnl.unsigned_abs() << 16)
        .checked_div(inverse_q16.unsigned_abs())
        .unwrap_or(0);
    weighted.cast_signed().saturating_add(1)
}
