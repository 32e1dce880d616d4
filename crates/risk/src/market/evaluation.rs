//! One book against the arrays of a market: its columns, its losses, its exposure and its value.

use super::{linear_pnl_q28, Instrument, Leg, MarketArrays, OptionKind};
use crate::array::ExpiryContext;
use crate::blocks::{BASIS, BLOCK_COLUMNS, SKEW, TWIST};
use crate::bound::{add_scaled, certified_loss_q28, core_dips, CellDip, LongSide};
use crate::scenario::{Scenario, ScenarioGrid, CENTRE_COLUMN, COLUMNS};
use crate::units::{Money, RiskError, MAX_LOTS_PER_MARKET, ONE_Q30};

/// The risk of one book in one market.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketRisk {
    /// Profit and loss of the book in each scenario, unweighted: lots × fraction of spot in Q28.
    pub pnl_q28: [i64; COLUMNS],
    /// The column whose weighted loss is largest.
    pub worst_column: usize,
    /// Weighted loss in the worst column, at least 0, rounded up.
    pub scan_loss: Money,
    /// Upper bound on the weighted loss over the whole range of spot at each volatility level, the
    /// kernel's error included; never below `scan_loss`.
    pub certified_loss: Money,
    /// Profit and loss in each column of the blocks (twist, skew, basis), like `pnl_q28`.
    pub block_pnl_q28: [i64; BLOCK_COLUMNS],
    /// T: loss in the worse column of the twist, at least 0, rounded up, the kernel's error included.
    pub twist: Money,
    /// W: loss in the worse column of the skew, like `twist`.
    pub skew: Money,
    /// B: loss in the worse column of the basis, like `twist`.
    pub basis: Money,
    /// Gross exposure: linear notional by expiry and short-option notional, rounded up.
    pub gross: Money,
    /// Value of the options at mark, shorts negative, rounded down.
    pub option_value: Money,
    /// Value of perpetuals and futures at mark, before their cost, rounded down.
    pub linear_value: Money,
    /// Value of owned less borrowed underlying, rounded down.
    pub spot_value: Money,
    /// Net delta: lots of underlying in Q30.
    pub delta_q30: i64,
}

impl MarketRisk {
    /// The risk of an empty book.
    pub const EMPTY: Self = Self {
        pnl_q28: [0; COLUMNS],
        worst_column: CENTRE_COLUMN,
        scan_loss: Money(0),
        certified_loss: Money(0),
        block_pnl_q28: [0; BLOCK_COLUMNS],
        twist: Money(0),
        skew: Money(0),
        basis: Money(0),
        gross: Money(0),
        option_value: Money(0),
        linear_value: Money(0),
        spot_value: Money(0),
        delta_q30: 0,
    };

    /// What the market adds to P: its certified loss and the blocks.
    pub fn scenario_loss(&self) -> Result<Money, RiskError> {
        self.certified_loss
            .plus(self.twist)?
            .plus(self.skew)?
            .plus(self.basis)
    }

    /// The scenario of the largest weighted loss.
    pub fn worst_scenario(&self) -> Scenario {
        Scenario::of_column(self.worst_column)
    }
}

/// Sums over the legs of a book before the scenarios.
#[derive(Default)]
struct BookSums {
    absolute_lots: u64,
    /// Σ lots × F/S of linear legs and, by parity, of short puts: Q30.
    linear_q30: i64,
    /// How far the forwards of `linear_q30` move in the columns of the basis, Q30.
    basis_q30: [i64; 2],
    perpetual_lots: i64,
    whole_spot_lots: i64,
    /// Owned less borrowed underlying, balances included: lots in Q30.
    spot_q30: i64,
    /// Legs that are balances, whose lots are rounded.
    balances: u64,
    /// Exact value of the balances.
    balance_value: i128,
    short_option_lots: u64,
    has_futures: bool,
    option_value_q30: i128,
    linear_value_q30: i128,
}

impl BookSums {
    /// Adds the move of a linear exposure's forward in the columns of the basis.
    fn add_basis(&mut self, lots: i64, context: &ExpiryContext) {
        let moves = context.blocks.basis_moves_q30(context.forward_ratio_q30);
        for (sum, each) in self.basis_q30.iter_mut().zip(moves) {
            // A forward moves by less than 2^30 and Σ|lots| is below 2^32.
            *sum = sum.wrapping_add(lots.wrapping_mul(each));
        }
    }
}

/// Where a book's columns go.
struct Columns<'c> {
    pnl: &'c mut [i64; COLUMNS],
    blocks: &'c mut [i64; BLOCK_COLUMNS],
    long_side: &'c mut LongSide,
}

impl MarketArrays {
    /// Evaluates a book. Legs may repeat an instrument.
    ///
    /// Errors: [`RiskError::TooManyLots`], [`RiskError::MoneyOverflow`], [`RiskError::UnknownInstrument`].
    pub fn evaluate(&mut self, legs: &[Leg], risk: &mut MarketRisk) -> Result<(), RiskError> {
        *risk = MarketRisk::EMPTY;
        if legs.is_empty() {
            return Ok(());
        }
        let mut long_side = LongSide::EMPTY;
        let sums = self.sum_legs(legs)?;
        let columns = Columns {
            pnl: &mut risk.pnl_q28,
            blocks: &mut risk.block_pnl_q28,
            long_side: &mut long_side,
        };
        let (error_q28, block_error_q28) = self.fill(columns, &sums);
        risk.delta_q30 = self.net_delta_q30(sums.linear_q30);

        let (worst_column, scan_loss_q28) = worst_column(&risk.pnl_q28, &self.inputs.grid);
        risk.worst_column = worst_column;
        let certified_q28 = certified_loss_q28(
            &risk.pnl_q28,
            &long_side,
            &self.inputs.grid,
            sums.absolute_lots,
            scan_loss_q28,
        );
        let money_up = |q28: i128| self.lot_value.money_up(q28, 28);
        risk.scan_loss = money_up(i128::from(scan_loss_q28))?;
        risk.certified_loss = money_up(i128::from(certified_q28).wrapping_add(error_q28))?;
        let block = |first| {
            let loss_q28 = block_loss_q28(&risk.block_pnl_q28, first);
            money_up(i128::from(loss_q28).wrapping_add(block_error_q28))
        };
        (risk.twist, risk.skew, risk.basis) = (block(TWIST)?, block(SKEW)?, block(BASIS)?);
        risk.gross = self.gross(&sums, legs)?;
        risk.option_value = self.lot_value.money_down(sums.option_value_q30, 30)?;
        risk.linear_value = self.lot_value.money_down(sums.linear_value_q30, 30)?;
        risk.spot_value = self.spot_value(&sums)?;
        Ok(())
    }

    /// The dips of the certified bound between the nodes of the core, of a book; see [`crate::bound`].
    ///
    /// Errors: those of [`MarketArrays::evaluate`].
    pub fn core_dips(
        &mut self,
        legs: &[Leg],
        visit: &mut dyn FnMut(CellDip),
    ) -> Result<(), RiskError> {
        let (mut pnl, mut blocks) = ([0; COLUMNS], [0; BLOCK_COLUMNS]);
        let mut long_side = LongSide::EMPTY;
        let sums = self.sum_legs(legs)?;
        let columns = Columns {
            pnl: &mut pnl,
            blocks: &mut blocks,
            long_side: &mut long_side,
        };
        self.fill(columns, &sums);
        let grid = &self.inputs.grid;
        core_dips(&pnl, &long_side, grid, sums.absolute_lots, visit);
        Ok(())
    }

    /// Fills a book's columns, zero before; returns the declared errors of a column and of one of the blocks in Q28.
    #[inline(always)]
    fn fill(&self, mut columns: Columns<'_>, sums: &BookSums) -> (i128, i128) {
        let (error_q28, block_error_q28) = self.accumulate(&mut columns);
        add_linear(columns.pnl, sums.linear_q30, &self.inputs.grid);
        let basis = columns.blocks.iter_mut().skip(BASIS);
        for (sum, linear_q30) in basis.zip(sums.basis_q30) {
            // Rounded down.
            *sum = sum.wrapping_add(linear_q30 >> 2);
        }
        // A balance is short of its lots by less than one in Q30 and moves by less than 8 times spot: 2 in Q28.
        let balances = i128::from(sums.balances).wrapping_mul(2);
        (error_q28.wrapping_add(balances), block_error_q28)
    }

    /// Whole lots of underlying at spot, rounded down, and balances at their own value.
    fn spot_value(&self, sums: &BookSums) -> Result<Money, RiskError> {
        let lots = self
            .lot_value
            .money_down(i128::from(sums.whole_spot_lots), 0)?;
        i64::try_from(sums.balance_value)
            .map_err(|_| RiskError::MoneyOverflow)
            .and_then(|balances| lots.plus(Money(balances)))
    }

    /// Nets options by strike into `net_lots` and sums everything else.
    fn sum_legs(&mut self, legs: &[Leg]) -> Result<BookSums, RiskError> {
        let mut sums = BookSums::default();
        self.net_lots.fill(0);
        for leg in legs {
            let each = self.absolute_lots(leg.instrument)?;
            let lots = leg.lots.unsigned_abs().saturating_mul(each);
            sums.absolute_lots = sums.absolute_lots.saturating_add(lots);
            if sums.absolute_lots >= MAX_LOTS_PER_MARKET {
                return Err(RiskError::TooManyLots);
            }
            let mark_q30 = self.mark_q30(leg.instrument)?;
            // |lots| < 2^32 and the sum of all likewise, so sums of lots × ratio (below 2^31) stay below 2^63.
            let exposure_q30 = |ratio_q30: i64| leg.lots.wrapping_mul(ratio_q30);
            // |lots| < 2^32 and a mark is below 2^63: each product below 2^95, a sum of fewer than 2^16 below 2^111.
            let value_q30 = i128::from(leg.lots).wrapping_mul(i128::from(mark_q30));
            match leg.instrument {
                Instrument::Spot => {
                    sums.whole_spot_lots = sums.whole_spot_lots.wrapping_add(leg.lots);
                    sums.spot_q30 = sums.spot_q30.wrapping_add(exposure_q30(ONE_Q30));
                    sums.linear_q30 = sums.linear_q30.wrapping_add(exposure_q30(ONE_Q30));
                }
                Instrument::Balance { balance } => {
                    let value = i128::from(self.spot_balance(balance)?.value.0);
                    sums.balances = sums.balances.wrapping_add(leg.lots.unsigned_abs());
                    let value = value.wrapping_mul(i128::from(leg.lots));
                    sums.balance_value = sums.balance_value.wrapping_add(value);
                    sums.spot_q30 = sums.spot_q30.wrapping_add(exposure_q30(mark_q30));
                    sums.linear_q30 = sums.linear_q30.wrapping_add(exposure_q30(mark_q30));
                }
                Instrument::Perpetual => {
                    sums.perpetual_lots = sums.perpetual_lots.wrapping_add(leg.lots);
                    sums.linear_q30 = sums.linear_q30.wrapping_add(exposure_q30(ONE_Q30));
                    sums.linear_value_q30 = sums.linear_value_q30.wrapping_add(value_q30);
                }
                Instrument::Future { expiry } => {
                    sums.has_futures = true;
                    sums.add_basis(leg.lots, self.context(expiry)?);
                    sums.linear_q30 = sums.linear_q30.wrapping_add(exposure_q30(mark_q30));
                    sums.linear_value_q30 = sums.linear_value_q30.wrapping_add(value_q30);
                }
                Instrument::Option { kind, strike } => {
                    if let Some(net) = self.net_lots.get_mut(usize::from(strike)) {
                        *net = net.wrapping_add(leg.lots);
                    }
                    if kind == OptionKind::Put {
                        let context = self.context(self.strike(strike)?.expiry)?;
                        sums.linear_q30 = sums
                            .linear_q30
                            .wrapping_sub(exposure_q30(context.forward_ratio_q30));
                        sums.add_basis(leg.lots.wrapping_neg(), context);
                    }
                    if leg.lots < 0 {
                        sums.short_option_lots =
                            sums.short_option_lots.wrapping_add(leg.lots.unsigned_abs());
                    }
                    sums.option_value_q30 = sums.option_value_q30.wrapping_add(value_q30);
                }
            }
        }
        Ok(sums)
    }

    /// Adds the net options to the columns; returns the declared errors of a column and of one of the blocks in Q28.
    fn accumulate(&self, columns: &mut Columns<'_>) -> (i128, i128) {
        let (mut error_q28, mut long_error_q28) = (0u64, 0u64);
        for (entry, lots) in self.strikes.iter().zip(&self.net_lots) {
            let (array, lots) = (&entry.array, *lots);
            if lots == 0 {
                continue;
            }
            // An entry's error is below 2^31.1 and Σ|lots| below 2^32.
            let error = lots
                .unsigned_abs()
                .wrapping_mul(array.error_q28.unsigned_abs());
            error_q28 = error_q28.wrapping_add(error);
            add_scaled(columns.pnl, lots, &array.value_q28);
            for (sum, value) in columns.blocks.iter_mut().zip(&array.block_q28) {
                *sum = sum.wrapping_add(lots.wrapping_mul(i64::from(*value)));
            }
            if lots > 0 {
                long_error_q28 = long_error_q28.wrapping_add(error);
                columns.long_side.add(lots, array);
            }
        }
        // From values to profit and loss: less the present value.
        let now = columns.pnl[CENTRE_COLUMN];
        for sum in columns.pnl.iter_mut().chain(columns.blocks.iter_mut()) {
            *sum = sum.wrapping_sub(now);
        }
        // A dip is off by at most the errors of a value and a slope at each end: three times an entry's.
        let dips = i128::from(long_error_q28).wrapping_mul(3);
        let error_q28 = i128::from(error_q28);
        (error_q28.wrapping_add(dips), error_q28)
    }

    fn net_delta_q30(&self, linear_q30: i64) -> i64 {
        let options = self
            .strikes
            .iter()
            .zip(&self.net_lots)
            .fold(0i64, |sum, (entry, lots)| {
                let slope = entry.array.slope_q28[CENTRE_COLUMN];
                sum.wrapping_add(lots.wrapping_mul(i64::from(slope)))
            });
        linear_q30.saturating_add(options.saturating_mul(4))
    }

    /// Linear notional by expiry (perpetuals a bucket of their own, owned spot not counted, borrowed
    /// spot counted) and short-option notional at spot.
    fn gross(&self, sums: &BookSums, legs: &[Leg]) -> Result<Money, RiskError> {
        let mut lots_q30 = i128::from(sums.perpetual_lots.unsigned_abs())
            .saturating_add(i128::from(sums.short_option_lots))
            .saturating_mul(i128::from(ONE_Q30))
            .saturating_add(i128::from(sums.spot_q30.min(0).unsigned_abs()));
        if sums.has_futures {
            for (position, entry) in self.expiries.iter().enumerate() {
                let of_expiry = |leg: &Leg| match leg.instrument {
                    Instrument::Future { expiry } if usize::from(expiry) == position => leg.lots,
                    _ => 0,
                };
                let net = legs
                    .iter()
                    .fold(0i64, |net, leg| net.saturating_add(of_expiry(leg)));
                let ratio = i128::from(entry.context.forward_ratio_q30);
                lots_q30 =
                    lots_q30.saturating_add(i128::from(net.unsigned_abs()).saturating_mul(ratio));
            }
        }
        self.lot_value.money_up(lots_q30, 30)
    }
}

/// Adds the linear part of a book, exposure in Q30 lots, to every column, rounded down.
fn add_linear(pnl: &mut [i64; COLUMNS], linear_q30: i64, grid: &ScenarioGrid) {
    if linear_q30 == 0 {
        return;
    }
    let moves = grid
        .multiple_q30
        .map(|multiple| linear_pnl_q28(linear_q30, multiple));
    let (nodes, tails) = moves.split_at(crate::scenario::SPOT_NODES);
    let (core, tail_columns) = pnl.split_at_mut(crate::scenario::CORE_COLUMNS);
    let by_level = core
        .chunks_exact_mut(crate::scenario::SPOT_NODES)
        .map(|columns| (columns, nodes));
    for (columns, moves) in by_level.chain(core::iter::once((tail_columns, tails))) {
        for (sum, linear) in columns.iter_mut().zip(moves) {
            *sum = sum.wrapping_add(*linear);
        }
    }
}

/// The loss in the worse of the two columns of a block, at least 0.
fn block_loss_q28(pnl: &[i64; BLOCK_COLUMNS], first: usize) -> i64 {
    let columns = pnl.iter().skip(first).take(2);
    columns.fold(0, |loss, pnl| loss.max(pnl.saturating_neg()))
}

/// The column of the largest weighted loss, and that loss (at least 0), rounded up.
fn worst_column(pnl: &[i64; COLUMNS], grid: &ScenarioGrid) -> (usize, i64) {
    let mut worst = (CENTRE_COLUMN, 0i64);
    for (column, pnl) in pnl.iter().enumerate() {
        if *pnl >= 0 {
            continue;
        }
        let loss = match column.checked_sub(crate::scenario::CORE_COLUMNS) {
            None => pnl.saturating_neg(),
            Some(_) => weigh_up(pnl.saturating_neg(), grid.weight_q30(column)),
        };
        if loss > worst.1 {
            worst = (column, loss);
        }
    }
    worst
}

/// `loss × weight`, rounded up; loss non-negative, weight at most 1 in Q30.
fn weigh_up(loss: i64, weight_q30: i64) -> i64 {
    let product = i128::from(loss).wrapping_mul(i128::from(weight_q30));
    let weighted = product.wrapping_add(i128::from(ONE_Q30 - 1)) >> 30;
    i64::try_from(weighted).unwrap_or(i64::MAX)
}
