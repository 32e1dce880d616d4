//! The scan of many accounts in one market against arrays made once: what a liquidator's bot or a clearing house off chain
//! runs over a million accounts (section 1 of `margin-model.md`). Its columns are bit for bit those of
//! [`MarketArrays::evaluate`].

use alloc::vec::Vec;

use super::columns::worst_column;
use super::{linear_pnl_q28, Instrument, MarketArrays, OptionKind};
use crate::blocks::{BASIS, BLOCK_COLUMNS};
use crate::bound::CellLosses;
use crate::scenario::{
    ScenarioGrid, CENTRE_COLUMN, COLUMNS, CORE_COLUMNS, SPOT_NODES, TAILS, VOL_LEVELS,
};
use crate::units::{RiskError, MAX_LOTS_PER_MARKET, ONE_Q30};

/// Entries of a row: the core, the linear exposure, the tails, the blocks. A whole number of vectors.
const WIDTH: usize = 40;
/// Where the linear exposure stands.
const LINEAR: usize = CORE_COLUMNS;
/// Where the tails begin, at a vector's edge like the two of the basis at the end.
const TAIL: usize = LINEAR + 1;
/// Where the blocks begin.
const BLOCKS: usize = TAIL + TAILS;
/// Where the columns of the basis begin; they are in Q30, as their linear part is summed before it is rounded.
const BASIS_COLUMNS: usize = BLOCKS + BASIS;
const _: () = assert!(BLOCKS + BLOCK_COLUMNS == WIDTH && BASIS_COLUMNS + 2 == WIDTH);

/// Below this many lots in all, sums of products are integers below 2^51, which a double holds exactly.
const EXACT_LOTS: u64 = 1 << 17;
/// Added to a double within ±2^51, it leaves the integer in the low bits.
const TO_INTEGER: f64 = 6_755_399_441_055_744.0;
/// Bits that hold a column's number below a profit or loss, so that the lowest of such keys is the first of the lowest.
const NUMBER_BITS: u32 = 5;
/// The core and the linear exposure beside it.
const CORE_LANES: usize = CORE_COLUMNS + 1;
/// By lane: the bits of a profit or loss that count, and the column's number. The linear exposure stands for the centre,
/// which gains and loses nothing.
const CORE_KEYS: [(i64, i64); CORE_LANES] = {
    let mut keys = [(-1, 0); CORE_LANES];
    let mut lane = 0;
    while lane < CORE_COLUMNS {
        keys[lane].1 = lane as i64;
        lane += 1;
    }
    keys[LINEAR] = (0, CENTRE_COLUMN as i64);
    keys
};
/// Tails, and room up to a whole number of vectors.
const TAIL_LANES: usize = TAILS.next_multiple_of(4);

/// One series: what one lot of it adds to each column less the centre, integers within ±2^34.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Row([f64; WIDTH]);

/// Signed lots of a series of a [`Scanner`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanLeg {
    /// Position of the series among those the scanner was made with.
    pub series: u32,
    /// Long positive, short negative.
    pub lots: i32,
}

/// Columns in a row's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
struct Columns([i64; WIDTH]);

/// An account's profit and loss in one market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan {
    /// As in a row, the basis in Q28.
    columns: Columns,
    /// The column whose weighted loss is largest.
    pub worst_column: usize,
    /// That loss, at least 0, rounded up: lots × fraction of spot in Q28.
    pub scan_loss_q28: i64,
}

impl Scan {
    /// Of no positions.
    pub const EMPTY: Self = Self {
        columns: Columns([0; WIDTH]),
        worst_column: CENTRE_COLUMN,
        scan_loss_q28: 0,
    };

    /// In each scenario, unweighted: lots × fraction of spot in Q28; `pnl_q28` of [`super::MarketRisk`].
    pub fn pnl_q28(&self) -> [i64; COLUMNS] {
        let (core, others) = self.columns.0.split_at(LINEAR);
        let tails = others.iter().skip(1);
        let mut pnl = [0; COLUMNS];
        for (pnl, column) in pnl.iter_mut().zip(core.iter().chain(tails)) {
            *pnl = *column;
        }
        pnl
    }

    /// In each column of the blocks: `block_pnl_q28` there.
    pub fn block_pnl_q28(&self) -> [i64; BLOCK_COLUMNS] {
        let mut pnl = [0; BLOCK_COLUMNS];
        for (pnl, column) in pnl.iter_mut().zip(self.columns.0.iter().skip(BLOCKS)) {
            *pnl = *column;
        }
        pnl
    }
}

/// The arrays of a market's series, laid out for sums over many accounts. Native use only: it sums doubles, exactly.
pub struct Scanner {
    grid: ScenarioGrid,
    rows: Vec<Row>,
    /// How far spot moves in each column, Q30; 0 where linear exposure adds nothing.
    shocks_q30: [i32; WIDTH],
    /// Weights of the tails, Q30.
    weights_q30: [i32; TAIL_LANES],
    /// Whether the shocks and the weights fit 32 bits.
    narrow: bool,
}

impl Scanner {
    /// Takes the columns of instruments that `arrays` has priced; a leg names one by its position here. Balances are not
    /// taken: they are accounts' own.
    ///
    /// # Errors
    /// [`RiskError::UnknownInstrument`] for one that the arrays did not give, and for balances.
    pub fn new(arrays: &MarketArrays, series: &[Instrument]) -> Result<Self, RiskError> {
        let rows = series.iter().map(|series| row(arrays, *series));
        let grid = *arrays.grid();
        let mut scanner = Self {
            grid,
            rows: rows.collect::<Result<_, _>>()?,
            shocks_q30: [0; WIDTH],
            weights_q30: [0; TAIL_LANES],
            narrow: true,
        };
        let (nodes, tails) = grid.multiple_q30.split_at(SPOT_NODES);
        let core = core::iter::repeat_n(nodes, VOL_LEVELS).flatten();
        let multiples = core.chain([&ONE_Q30]).chain(tails);
        for (shock, multiple) in scanner.shocks_q30.iter_mut().zip(multiples) {
            let exact = i32::try_from(multiple.wrapping_sub(ONE_Q30));
            scanner.narrow &= exact.is_ok();
            *shock = exact.unwrap_or_default();
        }
        for (weight, exact) in scanner.weights_q30.iter_mut().zip(grid.tail_weight_q30) {
            let exact = i32::try_from(exact);
            scanner.narrow &= exact.is_ok();
            *weight = exact.unwrap_or_default();
        }
        Ok(scanner)
    }

    /// Writes the profit and loss of an account's positions into `scan`.
    ///
    /// # Errors
    /// [`RiskError::UnknownInstrument`] for a series beyond those given, [`RiskError::TooManyLots`].
    pub fn scan(&self, legs: &[ScanLeg], scan: &mut Scan) -> Result<(), RiskError> {
        let lots = self.sums(legs, &mut scan.columns)?;
        if lots >= EXACT_LOTS || !self.narrow {
            return self.wide_scan(legs, lots, scan);
        }
        let columns = &mut scan.columns.0;
        self.move_linear(columns);
        (scan.worst_column, scan.scan_loss_q28) = self.worst_column(columns);
        for basis in columns.iter_mut().skip(BASIS_COLUMNS) {
            *basis >>= 2;
        }
        Ok(())
    }

    /// Adds what the linear exposure makes in every column: [`linear_pnl_q28`] in products of 32 bits.
    #[inline(always)]
    fn move_linear(&self, columns: &mut [i64; WIDTH]) {
        let linear_q30 = columns[LINEAR];
        let lower = low_32(linear_q30);
        // Below 2^17 lots of less than 8 times spot: within 2^18.
        let upper = low_32(linear_q30.wrapping_sub(lower) >> 32);
        for (column, shock) in columns.iter_mut().zip(&self.shocks_q30) {
            let shock = i64::from(*shock);
            let moved = upper.wrapping_mul(shock);
            let moved = moved.wrapping_add(lower.wrapping_mul(shock) >> 32);
            *column = column.wrapping_add(moved);
        }
    }

    /// [`worst_column`] without a branch on what is summed, which could not be foretold; profits and losses within 2^52.
    #[inline(always)]
    fn worst_column(&self, columns: &[i64; WIDTH]) -> (usize, i64) {
        let keys = columns.iter().zip(&CORE_KEYS);
        let keys = keys.map(|(pnl, (counts, number))| (pnl & counts) << NUMBER_BITS | number);
        let (column, core_loss) = loss_of_key(keys.fold(i64::MAX, i64::min));
        let mut keys = [0; TAIL_LANES];
        let tails = columns.iter().skip(TAIL).zip(&self.weights_q30);
        for ((key, (pnl, weight)), number) in keys.iter_mut().zip(tails).zip(0..) {
            let (pnl, weight) = (*pnl.min(&0), i64::from(*weight));
            let upper = low_32(pnl >> 30).wrapping_mul(weight);
            let lower = (pnl & (ONE_Q30 - 1)).wrapping_mul(weight) >> 30;
            *key = upper.wrapping_add(lower) << NUMBER_BITS | number;
        }
        let (tail, tail_loss) = loss_of_key(keys.iter().fold(i64::MAX, |a, b| a.min(*b)));
        if tail_loss > core_loss {
            (CORE_COLUMNS.wrapping_add(tail), tail_loss)
        } else if core_loss > 0 {
            (column, core_loss)
        } else {
            (CENTRE_COLUMN, 0)
        }
    }

    /// Σ lots × row, where they are less than [`EXACT_LOTS`]; how many they are.
    // Apart from what reads single columns, which would take the vectors to pieces.
    #[inline(never)]
    fn sums(&self, legs: &[ScanLeg], integers: &mut Columns) -> Result<u64, RiskError> {
        let mut sums = [0f64; WIDTH];
        let mut absolute = 0u64;
        for leg in legs {
            let row = self.rows.get(leg.series as usize);
            let row = row.ok_or(RiskError::UnknownInstrument)?;
            // Fewer than 2^32 legs of at most 2^31 lots.
            absolute = absolute.wrapping_add(u64::from(leg.lots.unsigned_abs()));
            let lots = f64::from(leg.lots);
            for (sum, entry) in sums.iter_mut().zip(&row.0) {
                *sum = multiply_add(lots, *entry, *sum);
            }
        }
        let offset = TO_INTEGER.to_bits();
        for (integer, sum) in integers.0.iter_mut().zip(&sums) {
            let bits = (sum + TO_INTEGER).to_bits();
            *integer = bits.wrapping_sub(offset).cast_signed();
        }
        Ok(absolute)
    }

    /// [`Scanner::scan`] of more lots than doubles hold.
    #[inline(never)]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "rows hold integers within 2^34, and a profit or loss fits 64 bits"
    )]
    fn wide_scan(&self, legs: &[ScanLeg], lots: u64, scan: &mut Scan) -> Result<(), RiskError> {
        if lots >= MAX_LOTS_PER_MARKET {
            return Err(RiskError::TooManyLots);
        }
        let mut sums = [0i128; WIDTH];
        for leg in legs {
            let row = self.rows.get(leg.series as usize);
            let row = row.ok_or(RiskError::UnknownInstrument)?;
            for (sum, entry) in sums.iter_mut().zip(&row.0) {
                // Σ|lots| is below 2^32 and entries are within 2^34.
                *sum = sum.wrapping_add(i128::from(leg.lots).wrapping_mul(*entry as i128));
            }
        }
        for basis in sums.iter_mut().skip(BASIS_COLUMNS) {
            *basis >>= 2;
        }
        let columns = &mut scan.columns.0;
        for (column, sum) in columns.iter_mut().zip(sums) {
            *column = sum as i64;
        }
        let linear_q30 = columns[LINEAR];
        let (core, others) = columns.split_at_mut(LINEAR);
        let (levels, _) = core.as_chunks_mut::<SPOT_NODES>();
        let (nodes, tails) = self.grid.multiple_q30.split_at(SPOT_NODES);
        let add = |columns: &mut [i64], multiples: &[i64]| {
            for (column, multiple) in columns.iter_mut().zip(multiples) {
                *column = column.wrapping_add(linear_pnl_q28(linear_q30, *multiple));
            }
        };
        for level in levels {
            add(level, nodes);
        }
        add(others.split_at_mut(1).1, tails);
        let pnl = scan.pnl_q28();
        let lowest = CellLosses::new(&pnl).lowest_pnl();
        let (worst, _) = worst_column(&pnl, lowest, &self.grid);
        (scan.worst_column, scan.scan_loss_q28) = worst;
        Ok(())
    }
}

/// The lower half, signed: a product of two such is one instruction of a vector.
#[inline(always)]
#[allow(
    clippy::cast_possible_truncation,
    reason = "the half that is asked for"
)]
fn low_32(value: i64) -> i64 {
    i64::from(value as i32)
}

/// Number and loss of a key.
#[inline(always)]
fn loss_of_key(key: i64) -> (usize, i64) {
    let number = key.cast_unsigned() & ((1 << NUMBER_BITS) - 1);
    (number as usize, (key >> NUMBER_BITS).wrapping_neg())
}

/// `a × b + c`, exact for the integers here either way; without the instruction the fused form is a call.
#[inline(always)]
fn multiply_add(a: f64, b: f64, c: f64) -> f64 {
    #[cfg(target_feature = "fma")]
    return a.mul_add(b, c);
    #[cfg(not(target_feature = "fma"))]
    return a * b + c;
}

/// What one lot adds to each column.
#[allow(clippy::cast_precision_loss, reason = "integers within 2^34")]
fn row(arrays: &MarketArrays, series: Instrument) -> Result<Row, RiskError> {
    let mut row = [0i64; WIDTH];
    let (sign, expiry) = match series {
        Instrument::Spot | Instrument::Perpetual => {
            row[LINEAR] = ONE_Q30;
            (0, None)
        }
        Instrument::Balance { .. } => return Err(RiskError::UnknownInstrument),
        Instrument::Future { expiry } => (1, Some(expiry)),
        Instrument::Option { kind, strike } => {
            let entry = arrays.strike(strike)?;
            let now = i64::from(entry.array.value_q28[CENTRE_COLUMN]);
            let (core, tails) = entry.array.value_q28.split_at(CORE_COLUMNS);
            let linear = core::iter::once(&entry.array.value_q28[CENTRE_COLUMN]);
            let values = core.iter().chain(linear).chain(tails);
            let values = values.chain(&entry.array.block_q28);
            for (column, value) in row.iter_mut().zip(values) {
                *column = i64::from(*value).wrapping_sub(now);
            }
            for basis in row.iter_mut().skip(BASIS_COLUMNS) {
                *basis = basis.wrapping_mul(4);
            }
            // A put is a call less a forward.
            match kind {
                OptionKind::Call => (0, None),
                OptionKind::Put => (-1, Some(entry.expiry)),
            }
        }
    };
    if let Some(expiry) = expiry {
        let context = arrays.context(expiry)?;
        let forward = context.forward_ratio_q30;
        row[LINEAR] = forward.wrapping_mul(sign);
        let moves = context.blocks.basis_moves_q30(forward);
        for (basis, moved) in row.iter_mut().skip(BASIS_COLUMNS).zip(moves) {
            *basis = basis.wrapping_add(moved.wrapping_mul(sign));
        }
    }
    Ok(Row(row.map(|entry| entry as f64)))
}
