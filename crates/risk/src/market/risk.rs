//! What the evaluation of a book in a market gives, and what of it an account adds up.

use crate::blocks::BLOCK_COLUMNS;
use crate::margin::MAINTENANCE_FRACTION_PPM;
use crate::scenario::{Scenario, CENTRE_COLUMN, COLUMNS, SPOT_MOVES};
use crate::units::{Money, RiskError, ONE_PPM};

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
