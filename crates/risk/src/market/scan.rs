//! The scan of many accounts in one market against arrays made once: what a liquidator's bot or a clearing house off chain
//! runs over a million accounts (section 1 of `margin-model.md`). Its columns are bit for bit those of
//! [`MarketArrays::evaluate`].

use alloc::vec::Vec;

use super::evaluation::worst_column;
use super::{linear_pnl_q28, Instrument, MarketArrays, OptionKind};
use crate::blocks::{BASIS, BLOCK_COLUMNS};
use crate::scenario::{
    ScenarioGrid, CENTRE_COLUMN, COLUMNS, CORE_COLUMNS, SPOT_MOVES, SPOT_NODES, VOL_LEVELS,
};
use crate::units::{RiskError, MAX_LOTS_PER_MARKET, ONE_Q30};

/// Entries of a row: the columns of the array, those of the blocks, the linear exposure and its moves in the two columns of
/// the basis, and room up to a whole number of vectors.
const WIDTH: usize = 44;
/// Where the blocks begin.
const BLOCKS: usize = COLUMNS;
/// Where the linear exposure stands, followed by its two moves.
const LINEAR: usize = COLUMNS + BLOCK_COLUMNS;
const _: () = assert!(LINEAR + 3 <= WIDTH);

/// Below this many lots in all, sums of products are integers below 2^51, which a double holds exactly.
const EXACT_LOTS: u64 = 1 << 20;
/// Added to a double within ±2^51, it leaves the integer in the low bits.
const TO_INTEGER: f64 = 6_755_399_441_055_744.0;

/// One series: what one lot of it adds to each column, integers within ±2^31.
#[derive(Clone, Copy)]
#[repr(align(32))]
struct Row([f64; WIDTH]);

/// Signed lots of a series of a [`Scanner`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanLeg {
    /// Position of the series among those the scanner was made with.
    pub series: u32,
    /// Long positive, short negative.
    pub lots: i32,
}

/// An account's profit and loss in one market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan {
    /// In each scenario, unweighted: lots × fraction of spot in Q28; `pnl_q28` of [`super::MarketRisk`].
    pub pnl_q28: [i64; COLUMNS],
    /// In each column of the blocks: `block_pnl_q28` there.
    pub block_pnl_q28: [i64; BLOCK_COLUMNS],
    /// The column whose weighted loss is largest.
    pub worst_column: usize,
    /// That loss, at least 0, rounded up: lots × fraction of spot in Q28.
    pub scan_loss_q28: i64,
}

/// The arrays of a market's series, laid out for sums over many accounts. Native use only: it sums doubles, exactly.
pub struct Scanner {
    grid: ScenarioGrid,
    rows: Vec<Row>,
}

impl Scanner {
    /// Takes the columns of instruments that `arrays` has priced; a leg names one by its position here. Balances are not
    /// taken: they are accounts' own.
    ///
    /// # Errors
    /// [`RiskError::UnknownInstrument`] for one that the arrays did not give, and for balances.
    pub fn new(arrays: &MarketArrays, series: &[Instrument]) -> Result<Self, RiskError> {
        let rows = series.iter().map(|series| row(arrays, *series));
        Ok(Self {
            grid: *arrays.grid(),
            rows: rows.collect::<Result<_, _>>()?,
        })
    }

    /// The profit and loss of an account's positions.
    ///
    /// # Errors
    /// [`RiskError::UnknownInstrument`] for a series beyond those given, [`RiskError::TooManyLots`].
    pub fn scan(&self, legs: &[ScanLeg]) -> Result<Scan, RiskError> {
        let sums = self.sums(legs)?;
        let now = sums[CENTRE_COLUMN];
        let linear_q30 = sums[LINEAR];
        let mut pnl_q28 = [0; COLUMNS];
        for (pnl, sum) in pnl_q28.iter_mut().zip(&sums) {
            *pnl = sum.wrapping_sub(now);
        }
        let mut block_pnl_q28 = [0; BLOCK_COLUMNS];
        for (pnl, sum) in block_pnl_q28.iter_mut().zip(sums.iter().skip(BLOCKS)) {
            *pnl = sum.wrapping_sub(now);
        }
        if linear_q30 != 0 {
            let mut moves = [0i64; SPOT_MOVES];
            for (moved, multiple) in moves.iter_mut().zip(&self.grid.multiple_q30) {
                *moved = linear_pnl_q28(linear_q30, *multiple);
            }
            let (nodes, tails) = moves.split_at(SPOT_NODES);
            let (core, outer) = pnl_q28.split_at_mut(CORE_COLUMNS);
            let (levels, _) = core.as_chunks_mut::<SPOT_NODES>();
            for level in levels.iter_mut().take(VOL_LEVELS) {
                add(level, nodes);
            }
            add(outer, tails);
        }
        let basis = block_pnl_q28.iter_mut().skip(BASIS);
        for (pnl, moved) in basis.zip(sums.iter().skip(LINEAR.wrapping_add(1))) {
            *pnl = pnl.wrapping_add(*moved >> 2);
        }
        let (worst_column, scan_loss_q28) = worst_column(&pnl_q28, &self.grid);
        Ok(Scan {
            pnl_q28,
            block_pnl_q28,
            worst_column,
            scan_loss_q28,
        })
    }

    /// Σ lots × row.
    #[inline(always)]
    fn sums(&self, legs: &[ScanLeg]) -> Result<[i64; WIDTH], RiskError> {
        let mut sums = [0f64; WIDTH];
        let mut absolute = 0u64;
        for leg in legs {
            let row = self.rows.get(leg.series as usize);
            let row = row.ok_or(RiskError::UnknownInstrument)?;
            absolute = absolute.saturating_add(u64::from(leg.lots.unsigned_abs()));
            let lots = f64::from(leg.lots);
            for (sum, entry) in sums.iter_mut().zip(&row.0) {
                *sum += lots * entry;
            }
        }
        if absolute >= EXACT_LOTS {
            return self.wide_sums(legs, absolute);
        }
        let offset = TO_INTEGER.to_bits();
        Ok(sums.map(|sum| {
            (sum + TO_INTEGER)
                .to_bits()
                .wrapping_sub(offset)
                .cast_signed()
        }))
    }

    /// [`Scanner::sums`] of more lots than doubles hold.
    #[inline(never)]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "rows hold integers within 2^31"
    )]
    fn wide_sums(&self, legs: &[ScanLeg], absolute: u64) -> Result<[i64; WIDTH], RiskError> {
        if absolute >= MAX_LOTS_PER_MARKET {
            return Err(RiskError::TooManyLots);
        }
        let mut sums = [0i64; WIDTH];
        for leg in legs {
            let row = self.rows.get(leg.series as usize);
            let row = row.ok_or(RiskError::UnknownInstrument)?;
            for (sum, entry) in sums.iter_mut().zip(&row.0) {
                // Σ|lots| is below 2^32 and entries are within 2^31.
                *sum = sum.wrapping_add(i64::from(leg.lots).wrapping_mul(*entry as i64));
            }
        }
        Ok(sums)
    }
}

fn add(sums: &mut [i64], more: &[i64]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum = sum.wrapping_add(*more);
    }
}

/// What one lot adds to each column.
#[allow(clippy::cast_precision_loss, reason = "integers within 2^31")]
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
            let values = entry.array.value_q28.iter().chain(&entry.array.block_q28);
            for (column, value) in row.iter_mut().zip(values) {
                *column = i64::from(*value);
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
        let moves = context.blocks.basis_moves_q30(forward);
        let linear = row.iter_mut().skip(LINEAR);
        for (entry, amount) in linear.zip([forward, moves[0], moves[1]]) {
            *entry = amount.wrapping_mul(sign);
        }
    }
    Ok(Row(row.map(|entry| entry as f64)))
}
