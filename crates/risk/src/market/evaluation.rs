//! One book against the arrays of a market: its columns, its losses, its exposure and its value.

use super::columns::{add_linear, block_loss_q28, worst_column, Columns};
use super::sums::BookSums;
use super::unwinding::CoreDeltas;
use super::{Instrument, Leg, MarketArrays, MarketRisk};
use crate::blocks::{BASIS, BLOCK_COLUMNS, SKEW, TWIST};
use crate::bound::{certified_loss_q28, core_dips, CellDip, CellLosses, LongSide, NodeLosses};
use crate::liquidity::crowding_q16;
use crate::margin::GROSS_DIVISOR_INITIAL;
use crate::scenario::{CENTRE_COLUMN, COLUMNS};
use crate::units::{RiskError, ONE_PPM};

/// The largest number in Q28 that fits 64 bits in Q30.
const MOST_Q28: i64 = i64::MAX >> 2;

/// The losses of a book's columns in Q28, the declared errors included.
#[derive(Clone, Copy)]
struct Losses {
    certified: i128,
    blocks: [i128; 3],
}

impl Losses {
    /// By how much another book's losses are worse, component by component, times a share in Q16, rounded up.
    fn excess_q28(&self, other: &Self, share_q16: u64) -> i128 {
        // Losses are below 2^66.
        let worse = |here: i128, there: i128| there.wrapping_sub(here).max(0);
        let blocks = self.blocks.iter().zip(other.blocks);
        let sum = blocks.fold(
            worse(self.certified, other.certified),
            |sum, (here, there)| sum.wrapping_add(worse(*here, there)),
        );
        sum.wrapping_mul(i128::from(share_q16)).wrapping_add(0xffff) >> 16
    }
}

impl MarketArrays {
    /// Evaluates a book whose owner holds nothing else in the market; see [`MarketArrays::evaluate_beside`].
    pub fn evaluate(&mut self, legs: &[Leg], risk: &mut MarketRisk) -> Result<(), RiskError> {
        self.evaluate_beside(legs, 0, risk)
    }

    /// Evaluates a book. Legs may repeat an instrument. `other_lots` are the gross lots that the same owner has in other books
    /// of the market; they count in the liquidity cost.
    ///
    /// Errors: [`RiskError::TooManyLots`], [`RiskError::MoneyOverflow`], [`RiskError::UnknownInstrument`].
    #[inline(never)]
    pub fn evaluate_beside(
        &mut self,
        legs: &[Leg],
        other_lots: u64,
        risk: &mut MarketRisk,
    ) -> Result<(), RiskError> {
        *risk = MarketRisk::EMPTY;
        if legs.is_empty() {
            return Ok(());
        }
        let (mut long_side, mut short_delta_q28) = (LongSide::EMPTY, 0);
        let mut sums = self.sum_legs(legs)?;
        sums.other_lots = other_lots;
        sums.crowding_q16 = crowding_q16(sums.contract_lots(), other_lots);
        let mut columns = Columns {
            pnl: &mut risk.pnl_q28,
            blocks: &mut risk.block_pnl_q28,
            long_side: &mut long_side,
            short_delta_q28: &mut short_delta_q28,
        };
        let (fading, errors) = self.fill(&mut columns, &sums);
        let money_up = |q28: i128| self.lot_value.money_up(q28, 28);
        let mut cells = CellLosses::new(columns.pnl);
        let (losses, worst) = match fading {
            None => self.losses(&columns, sums.absolute_lots, errors, &mut cells),
            Some(mut fading) => {
                let (without, _) = self.losses(&columns, sums.absolute_lots, errors, &mut cells);
                fading.join(&mut columns, &sums, &self.inputs.grid);
                cells = CellLosses::new(columns.pnl);
                let (losses, worst) = self.losses(&columns, sums.absolute_lots, errors, &mut cells);
                let excess_q28 = losses.excess_q28(&without, fading.nearest_q16);
                risk.expiring_longs = money_up(excess_q28)?;
                (losses, worst)
            }
        };
        let options_q28 = long_side
            .slopes_q28()
            .get(CENTRE_COLUMN)
            .map_or(0, |long| long.wrapping_add(short_delta_q28));
        risk.delta_q30 = sums
            .linear_q30
            .saturating_add(options_q28.clamp(-MOST_Q28, MOST_Q28) << 2);
        risk.worst_column = worst.0;
        risk.scan_loss = money_up(i128::from(worst.1))?;
        risk.certified_loss = money_up(losses.certified)?;
        let [twist, skew, basis] = losses.blocks.map(money_up);
        (risk.twist, risk.skew, risk.basis) = (twist?, skew?, basis?);
        let deltas = CoreDeltas::of(&risk.pnl_q28, &self.inputs.grid);
        risk.delta_notional = self.money_of_q28_up(deltas.largest_q28())?;
        risk.oracle_contingency = risk.delta_notional.mul_div_up(self.oracle_ppm, ONE_PPM)?;
        self.add_exposure(&sums, legs, &deltas, risk)?;
        self.add_node_losses(sums.absolute_lots, &cells, errors.0, risk)?;
        risk.option_value = self.lot_value.money_down(sums.option_value_q30, 30)?;
        risk.linear_value = self.lot_value.money_down(sums.linear_value_q30, 30)?;
        risk.spot_value = self.spot_value(&sums)?;
        Ok(())
    }

    /// The losses around the nodes and tails, at most what the certified loss and the defined risk allow.
    #[inline(never)]
    fn add_node_losses(
        &self,
        absolute_lots: u64,
        cells: &CellLosses,
        error_q28: i128,
        risk: &mut MarketRisk,
    ) -> Result<(), RiskError> {
        let grid = &self.inputs.grid;
        let losses = NodeLosses::new(&risk.pnl_q28, grid, absolute_lots, cells);
        let most = risk.capped_loss();
        losses.money_up(&self.lot_value, error_q28, most, &mut risk.node_losses)
    }

    /// The losses of filled columns, the worst of them and its loss; `errors` are those of a column and of one of the blocks.
    #[inline(never)]
    fn losses(
        &self,
        columns: &Columns<'_>,
        absolute_lots: u64,
        (error_q28, block_error_q28): (i128, i128),
        cells: &mut CellLosses,
    ) -> (Losses, (usize, i64)) {
        let grid = &self.inputs.grid;
        let (worst, tail_loss) = worst_column(columns.pnl, cells.lowest_pnl(), grid);
        let certified = certified_loss_q28(
            columns.pnl,
            columns.long_side,
            grid,
            absolute_lots,
            (worst.1, tail_loss),
            cells,
        );
        let block =
            |first| i128::from(block_loss_q28(columns.blocks, first)).wrapping_add(block_error_q28);
        let losses = Losses {
            certified: i128::from(certified).wrapping_add(error_q28),
            blocks: [block(TWIST), block(SKEW), block(BASIS)],
        };
        (losses, worst)
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
        let (mut long_side, mut short_delta_q28) = (LongSide::EMPTY, 0);
        let sums = self.sum_legs(legs)?;
        let mut columns = Columns {
            pnl: &mut pnl,
            blocks: &mut blocks,
            long_side: &mut long_side,
            short_delta_q28: &mut short_delta_q28,
        };
        if let (Some(mut fading), _) = self.fill(&mut columns, &sums) {
            fading.join(&mut columns, &sums, &self.inputs.grid);
        }
        let grid = &self.inputs.grid;
        core_dips(&pnl, &long_side, grid, sums.absolute_lots, visit);
        Ok(())
    }

    /// Gross exposure, the short-option minimum, the limit of a defined risk and the liquidity cost.
    #[inline(never)]
    fn add_exposure(
        &self,
        sums: &BookSums,
        legs: &[Leg],
        deltas: &CoreDeltas,
        risk: &mut MarketRisk,
    ) -> Result<(), RiskError> {
        let futures = |position: usize| {
            let of_expiry = |leg: &Leg| match leg.instrument {
                Instrument::Future { expiry } if usize::from(expiry) == position => leg.lots,
                _ => 0,
            };
            legs.iter()
                .fold(0i64, |net, leg| net.saturating_add(of_expiry(leg)))
        };
        let exposure = self.short_exposure(sums, &futures);
        let mut options_q30 = i128::from(exposure.gross_q24) << 6;
        if let Some(worst_q24) = exposure.worst_payoff_q24 {
            let constant_q30 = self.constants_q30(legs)?;
            let defined_q30 = sums.defined_loss_q30(worst_q24, constant_q30);
            // A value is below 2^111 and a payoff below 2^69.
            let most_q30 = defined_q30.wrapping_mul(i128::from(GROSS_DIVISOR_INITIAL));
            // Not nothing: whoever is short owes, whatever is left to lose.
            options_q30 = options_q30.min(most_q30.max(1));
            let besides_q28 = self.worst_linear_q28(sums.not_dated_q30());
            let loss_q30 = defined_q30.saturating_add(i128::from(besides_q28) << 2);
            risk.defined_loss = self.lot_value.money_up(loss_q30, 30)?;
        }
        let linear_q30 = self.linear_gross_q30(sums, &futures);
        let gross_q30 = linear_q30.saturating_add(options_q30);
        risk.gross = self.lot_value.money_up(gross_q30, 30)?;
        let ramped = self.lot_value.money_up(exposure.ramped_q24.into(), 24)?;
        let charges = &self.inputs.grid.charges;
        (risk.short_minimum, risk.short_minimum_maintenance) = charges.short_minimum(ramped)?;
        self.add_liquidity_cost(sums, &exposure, deltas, risk)
    }

    /// Linear notional by expiry: perpetuals are a bucket of their own, owned spot is not counted, borrowed spot is.
    fn linear_gross_q30(&self, sums: &BookSums, futures: &dyn Fn(usize) -> i64) -> i128 {
        let mut lots_q30 = (i128::from(sums.perpetual_lots.unsigned_abs()) << 30)
            .saturating_add(i128::from(sums.spot_q30.min(0).unsigned_abs()));
        if sums.has_futures {
            for (position, entry) in self.expiries.iter().enumerate() {
                let net = i128::from(futures(position).unsigned_abs());
                let ratio = i128::from(entry.context.forward_ratio_q30);
                // Below 2^32 lots times 2^31.
                lots_q30 = lots_q30.wrapping_add(net.wrapping_mul(ratio));
            }
        }
        lots_q30
    }

    /// The largest weighted loss of a linear exposure over the scenarios, Q28, rounded up.
    fn worst_linear_q28(&self, linear_q30: i64) -> i64 {
        if linear_q30 == 0 {
            return 0;
        }
        let mut pnl = [0; COLUMNS];
        add_linear(&mut pnl, linear_q30, &self.inputs.grid, i64::wrapping_add);
        let lowest = CellLosses::new(&pnl).lowest_pnl();
        let (worst, _) = worst_column(&pnl, lowest, &self.inputs.grid);
        worst.1
    }
}
