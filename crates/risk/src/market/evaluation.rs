//! One book against the arrays of a market: its columns, its losses, its exposure and its value.

use alloc::boxed::Box;

use super::payoff::{PutSums, StrikeLots};
use super::unwinding::CoreDeltas;
use super::{linear_pnl_q28, ExpiryEntry, Instrument, Leg, MarketArrays, OptionKind, StrikeEntry};
use crate::array::{ExpiryContext, StrikeArray};
use crate::blocks::{BASIS, BLOCK_COLUMNS, SKEW, TWIST};
use crate::bound::{
    certified_loss_q28, core_dips, take_scaled, CellDip, CellLosses, LongSide, NodeLosses,
};
use crate::liquidity::crowding_q16;
use crate::margin::{GROSS_DIVISOR_INITIAL, MAINTENANCE_FRACTION_PPM};
use crate::scenario::{
    Scenario, ScenarioGrid, CENTRE_COLUMN, COLUMNS, SPOT_MOVES, SPOT_NODES, TAILS,
};
use crate::units::{Money, RiskError, MAX_LOTS_PER_MARKET, ONE_PPM, ONE_Q30};

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
    /// L̃: the certified loss around every node of the core, that of the nodes beside it included, then of the cell up to every
    /// tail, weighted; rounded up, the kernel's error included, negative where the book gains. At most `defined_loss`.
    pub node_losses: [Money; SPOT_MOVES],
    /// Profit and loss in each column of the blocks (twist, skew, basis), like `pnl_q28`.
    pub block_pnl_q28: [i64; BLOCK_COLUMNS],
    /// T: loss in the worse column of the twist, at least 0, rounded up, the kernel's error included.
    pub twist: Money,
    /// W: loss in the worse column of the skew, like `twist`.
    pub skew: Money,
    /// B: loss in the worse column of the basis, like `twist`.
    pub basis: Money,
    /// By how much all four would be worse without net long options that expire within a day, times `1 − DTE` of the nearest,
    /// rounded up: what expires tonight does not carry what lives on.
    pub expiring_longs: Money,
    /// Gross exposure: linear notional by expiry and short-option notional, rounded up.
    pub gross: Money,
    /// The largest net delta over the cells of the core, at spot, rounded up.
    pub delta_notional: Money,
    /// SOM: the short-option minimum of the initial margin, rounded up.
    pub short_minimum: Money,
    /// The short-option minimum of the maintenance margin, rounded up.
    pub short_minimum_maintenance: Money,
    /// OC: what the width and the age of the price add to the initial margin, rounded up.
    pub oracle_contingency: Money,
    /// LC: what unwinding the book costs, rounded up.
    pub liquidity_cost: Money,
    /// The net delta that is unwound, lots in Q28, rounded up: the largest over the cells of the core, of a long one what
    /// owned underlying does not cover.
    pub unwound_delta_q28: u64,
    /// The net vega that is unwound, lots in Q28: each expiry's gain or loss from the volatility-up shock, added.
    pub unwound_vega_q28: u64,
    /// Absolute lots of the book's legs, owned underlying not counted.
    pub gross_lots: u64,
    /// Those of the same owner elsewhere in the market, as the caller gave them.
    pub other_lots: u64,
    /// The most the book can lose by spot and volatility where its options are of one expiry and their payoff has a lower
    /// bound; [`MarketRisk::NO_LIMIT`] elsewhere.
    pub defined_loss: Money,
    /// Value of the options at mark, shorts negative, rounded down.
    pub option_value: Money,
    /// Value of perpetuals and futures at mark, before their cost, rounded down.
    pub linear_value: Money,
    /// Value of owned less borrowed underlying, rounded down.
    pub spot_value: Money,
    /// Net delta: lots of underlying in Q30.
    pub delta_q30: i64,
}

/// What a market adds to the sums of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketParts {
    /// A: the certified loss, at most what the book can lose.
    pub certified_loss: Money,
    /// What is added to X for it: the blocks and what expiring longs do not carry, at most what the book can lose, and what
    /// the short-option minimum lacks below for want of room.
    pub besides: Money,
    /// What the market's scenarios take alone, at most what the book can lose.
    pub scenario_loss: Money,
    /// The short-option minimum, no more than the book can lose beyond `scenario_loss`.
    pub short_minimum: Money,
    /// That of the maintenance margin.
    pub short_minimum_maintenance: Money,
}

impl MarketRisk {
    /// The risk of an empty book.
    pub const EMPTY: Self = Self {
        pnl_q28: [0; COLUMNS],
        worst_column: CENTRE_COLUMN,
        scan_loss: Money(0),
        certified_loss: Money(0),
        node_losses: [Money(0); SPOT_MOVES],
        block_pnl_q28: [0; BLOCK_COLUMNS],
        twist: Money(0),
        skew: Money(0),
        basis: Money(0),
        expiring_longs: Money(0),
        gross: Money(0),
        delta_notional: Money(0),
        short_minimum: Money(0),
        short_minimum_maintenance: Money(0),
        oracle_contingency: Money(0),
        liquidity_cost: Money(0),
        unwound_delta_q28: 0,
        unwound_vega_q28: 0,
        gross_lots: 0,
        other_lots: 0,
        defined_loss: Self::NO_LIMIT,
        option_value: Money(0),
        linear_value: Money(0),
        spot_value: Money(0),
        delta_q30: 0,
    };

    /// Stands for a loss without a limit.
    pub const NO_LIMIT: Money = Money(i64::MAX);

    /// What the market adds to the sums of an account.
    pub fn parts(&self) -> Result<MarketParts, RiskError> {
        let besides = self
            .twist
            .plus(self.skew)?
            .plus(self.basis)?
            .plus(self.expiring_longs)?;
        let scenario_loss = self.certified_loss.plus(besides)?.min(self.defined_loss);
        let room = self.defined_loss.minus(scenario_loss)?;
        let short_minimum = self.short_minimum.min(room);
        // Where other markets offset its scan loss, the book may need the room below its limit in full.
        let cut = self.short_minimum.minus(short_minimum)?;
        Ok(MarketParts {
            certified_loss: self.certified_loss.min(self.defined_loss),
            besides: besides.min(self.defined_loss).plus(cut)?,
            scenario_loss,
            short_minimum,
            // Beside the share of P that maintenance margin takes, so that it does not rise where P falls.
            short_minimum_maintenance: self.short_minimum_maintenance.min(
                self.defined_loss
                    .minus(scenario_loss.mul_div_up(MAINTENANCE_FRACTION_PPM, ONE_PPM)?)?,
            ),
        })
    }

    /// What the market adds to P alone: its certified loss, the blocks and what expiring longs do not carry, at most what the
    /// book can lose.
    pub fn scenario_loss(&self) -> Result<Money, RiskError> {
        Ok(self.parts()?.scenario_loss)
    }

    /// What the market adds to the short-option minimum, initial and maintenance: no more than the book can lose beyond
    /// `scenario_loss`.
    pub fn short_minimums(&self) -> Result<(Money, Money), RiskError> {
        let parts = self.parts()?;
        Ok((parts.short_minimum, parts.short_minimum_maintenance))
    }

    /// A: the certified loss, at most what the book can lose.
    pub fn capped_loss(&self) -> Money {
        self.certified_loss.min(self.defined_loss)
    }

    /// The scenario of the largest weighted loss.
    pub fn worst_scenario(&self) -> Scenario {
        Scenario::of_column(self.worst_column)
    }
}

/// The largest number in Q28 that fits 64 bits in Q30.
const MOST_Q28: i64 = i64::MAX >> 2;

/// Sums over the legs of a book before the scenarios.
#[derive(Default)]
pub(super) struct BookSums {
    pub absolute_lots: u64,
    /// Σ lots × F/S of linear legs and, by parity, of short puts: Q30.
    linear_q30: i64,
    /// How far the forwards of `linear_q30` move in the columns of the basis, Q30.
    basis_q30: [i64; 2],
    perpetual_lots: i64,
    whole_spot_lots: i64,
    /// Owned less borrowed underlying, balances included: lots in Q30.
    pub spot_q30: i64,
    /// Owned underlying, lots in Q30, and how much of `absolute_lots` is in it.
    owned_q30: i64,
    owned_lots: u64,
    /// Contracts that the owner has elsewhere in the market, and what they multiply an impact by, Q16.
    pub other_lots: u64,
    pub crowding_q16: u64,
    /// Legs that are balances, whose lots are rounded.
    balances: u64,
    /// Exact value of the balances.
    balance_value: i128,
    pub has_futures: bool,
    option_value_q30: i128,
    linear_value_q30: i128,
}

impl BookSums {
    /// What options and futures of one expiry can lose until then, Q30 lots of spot: what they are worth now less their
    /// worst payoff, at least 0. Of both the constant part, which settlement averages under way have, is left out.
    fn defined_loss_q30(&self, worst_payoff_q24: i64, constant_q30: i128) -> i128 {
        let perpetuals = i128::from(self.perpetual_lots) << 30;
        self.option_value_q30
            .wrapping_add(self.linear_value_q30)
            .wrapping_sub(perpetuals)
            .wrapping_sub(constant_q30)
            .wrapping_sub(i128::from(worst_payoff_q24) << 6)
            .max(0)
    }

    /// Lots of spot and perpetuals in Q30.
    fn not_dated_q30(&self) -> i64 {
        // Below 2^32 lots together.
        (self.perpetual_lots << 30).wrapping_add(self.spot_q30)
    }

    /// Owned underlying, lots in Q28, rounded down.
    pub fn owned_q28(&self) -> u64 {
        self.owned_q30.unsigned_abs() >> 2
    }

    /// Absolute lots of everything but owned underlying.
    pub fn contract_lots(&self) -> u64 {
        self.absolute_lots.saturating_sub(self.owned_lots)
    }

    /// Adds underlying, lots in Q30, and what it counts for in `absolute_lots`.
    fn add_spot(&mut self, exposure_q30: i64, lots: u64) {
        self.spot_q30 = self.spot_q30.wrapping_add(exposure_q30);
        self.linear_q30 = self.linear_q30.wrapping_add(exposure_q30);
        if exposure_q30 > 0 {
            self.owned_q30 = self.owned_q30.wrapping_add(exposure_q30);
            self.owned_lots = self.owned_lots.wrapping_add(lots);
        }
    }

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
pub(super) struct Columns<'c> {
    pub pnl: &'c mut [i64; COLUMNS],
    pub blocks: &'c mut [i64; BLOCK_COLUMNS],
    pub long_side: &'c mut LongSide,
    /// Delta of the net short options now, lots × Q28.
    pub short_delta_q28: &'c mut i64,
}

/// The part of a book's net longs that is about to expire, in columns of its own.
pub(super) struct Fading {
    /// `1 − DTE` of the nearest of them, Q16.
    nearest_q16: u64,
    blocks: [i64; BLOCK_COLUMNS],
    long_side: LongSide,
    /// The forwards that puts among them are short of by parity, and how they move in the columns of the basis: Q30.
    linear_q30: i64,
    basis_q30: [i64; 2],
}

impl Fading {
    /// In the heap: a stack frame on chain has no room for a second set of columns.
    #[inline(never)]
    fn new(nearest_q16: u64) -> Box<Self> {
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
    fn take(&mut self, net: StrikeLots, expiry: &ExpiryEntry, array: &StrikeArray) -> i64 {
        let lots = net.options;
        // Below 2^32 lots times 2^16; no more than the lots since the nearest fades most.
        let product = lots
            .unsigned_abs()
            .wrapping_mul(u64::from(expiry.fading_q16));
        let gone = product.div_ceil(self.nearest_q16.max(1)).cast_signed();
        if gone != 0 {
            add_blocks(&mut self.blocks, gone, &array.block_q28);
            self.long_side.add(size_of(gone), array);
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

    /// `1 − DTE` of the nearest expiry within a day in which there is a net long option, 0 without one.
    fn nearest_fading_q16(&self) -> u64 {
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
    pub(super) fn sum_legs(&mut self, legs: &[Leg]) -> Result<BookSums, RiskError> {
        let mut sums = BookSums::default();
        self.net_lots.fill(StrikeLots::default());
        for expiry in &mut self.expiries {
            expiry.puts = PutSums::default();
        }
        for leg in legs {
            let each = self.absolute_lots(leg.instrument)?;
            // A product that may overflow costs as much as the rest of a leg on chain.
            let lots = match each {
                1 => leg.lots.unsigned_abs(),
                _ => leg.lots.unsigned_abs().saturating_mul(each),
            };
            sums.absolute_lots = sums.absolute_lots.saturating_add(lots);
            if sums.absolute_lots >= MAX_LOTS_PER_MARKET {
                return Err(RiskError::TooManyLots);
            }
            let mark_q30 = self.mark_q30(leg.instrument)?;
            // |lots| < 2^32 and the sum of all likewise, so sums of lots × ratio (below 2^31) stay below 2^63.
            let exposure_q30 = |ratio_q30: i64| leg.lots.wrapping_mul(ratio_q30);
            let value_q30 = value_of(leg.lots, mark_q30);
            match leg.instrument {
                Instrument::Spot => {
                    sums.whole_spot_lots = sums.whole_spot_lots.wrapping_add(leg.lots);
                    sums.add_spot(exposure_q30(ONE_Q30), lots);
                }
                Instrument::Balance { balance } => {
                    let value = i128::from(self.spot_balance(balance)?.value.0);
                    sums.balances = sums.balances.wrapping_add(leg.lots.unsigned_abs());
                    let value = value.wrapping_mul(i128::from(leg.lots));
                    sums.balance_value = sums.balance_value.wrapping_add(value);
                    sums.add_spot(exposure_q30(mark_q30), lots);
                }
                Instrument::Perpetual => {
                    sums.perpetual_lots = sums.perpetual_lots.wrapping_add(leg.lots);
                    sums.linear_q30 = sums.linear_q30.wrapping_add(exposure_q30(ONE_Q30));
                    sums.linear_value_q30 = sums.linear_value_q30.wrapping_add(value_q30);
                }
                Instrument::Future { expiry } => {
                    sums.has_futures = true;
                    let context = self.context(expiry)?;
                    sums.add_basis(leg.lots, context);
                    let exposure = exposure_q30(context.forward_ratio_q30);
                    sums.linear_q30 = sums.linear_q30.wrapping_add(exposure);
                    sums.linear_value_q30 = sums.linear_value_q30.wrapping_add(value_q30);
                }
                Instrument::Option { kind, strike } => {
                    if let Some(net) = self.net_lots.get_mut(usize::from(strike)) {
                        net.add(kind, leg.lots);
                    }
                    if kind == OptionKind::Put {
                        let (expiry, strike_q24) = {
                            let entry = self.strike(strike)?;
                            (usize::from(entry.expiry), entry.strike_q24)
                        };
                        let Some(entry) = self.expiries.get_mut(expiry) else {
                            return Err(RiskError::UnknownInstrument);
                        };
                        entry.puts.add(leg.lots, strike_q24);
                        let context = &entry.context;
                        sums.linear_q30 = sums
                            .linear_q30
                            .wrapping_sub(exposure_q30(context.forward_ratio_q30));
                        sums.add_basis(leg.lots.wrapping_neg(), context);
                    }
                    sums.option_value_q30 = sums.option_value_q30.wrapping_add(value_q30);
                }
            }
        }
        Ok(sums)
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
                columns.long_side.add(size_of(lots), array);
            } else {
                take_scaled(columns.pnl, size_of(lots), &array.value_q28);
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

/// `lots × mark`: |lots| is below 2^32 and a mark below 2^63, so a product is below 2^95 and a sum of fewer than 2^16 below 2^111.
#[inline(always)]
fn value_of(lots: i64, mark_q30: i64) -> i128 {
    // What fits 64 bits, as it nearly always does, costs a fifth of it on chain.
    if (lots.unsigned_abs() | mark_q30.unsigned_abs()) < 1 << 31 {
        return i128::from(lots.wrapping_mul(mark_q30));
    }
    i128::from(lots).wrapping_mul(i128::from(mark_q30))
}

/// Lots of a book's leg without their sign.
#[allow(clippy::cast_possible_truncation, reason = "Σ|lots| is below 2^32")]
const fn size_of(lots: i64) -> u32 {
    lots.unsigned_abs() as u32
}

/// `sums += lots × entries` over the columns of the blocks.
#[inline(always)]
fn add_blocks(sums: &mut [i64; BLOCK_COLUMNS], lots: i64, entries: &[u32; BLOCK_COLUMNS]) {
    for (sum, value) in sums.iter_mut().zip(entries) {
        *sum = sum.wrapping_add(lots.wrapping_mul(i64::from(*value)));
    }
}

/// Adds the values of long options to the columns, and takes the present value off: profit and loss.
fn join_longs(pnl: &mut [i64; COLUMNS], blocks: &mut [i64; BLOCK_COLUMNS], longs: &LongSide) {
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
fn add_linear(
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
fn block_loss_q28(pnl: &[i64; BLOCK_COLUMNS], first: usize) -> i64 {
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
    let (core, tails) = pnl.split_at(crate::scenario::CORE_COLUMNS);
    let lowest = lowest.min(0);
    let mut tail_loss = 0;
    let mut worst = (CENTRE_COLUMN, lowest.saturating_neg());
    let weighted = tails.iter().zip(&grid.tail_weight_q30).enumerate();
    for (tail, (pnl, weight)) in weighted {
        if *pnl < 0 {
            let loss = weigh_up(pnl.saturating_neg(), *weight);
            tail_loss = tail_loss.max(loss);
            if loss > worst.1 {
                worst = (crate::scenario::CORE_COLUMNS.wrapping_add(tail), loss);
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
