//! What a replay is told by.

use serde_json::{json, Value};

#[derive(Debug, Default)]
pub struct Figures {
    pub steps: u64,
    /// Accounts and steps at which they were evaluated natively.
    pub evaluations: u64,
    pub surfaces: u64,
    /// Positions of the fullest book.
    pub most_positions: u16,
    /// Times that an account was found unhealthy.
    pub brought_back: u64,
    /// Accounts and steps with a liquidation.
    pub liquidated: u64,
    /// Calls of `liquidate` that succeeded.
    pub calls: u64,
    /// Most calls for one account at one step.
    pub most_calls: u64,
    /// Positions taken, and tokens.
    pub taken: u64,
    pub tokens_taken: u64,
    /// What liquidated accounts paid, and the insurance fund's part of it, micro-units.
    pub discounts: i64,
    pub discounts_insured: i64,
    /// Accounts that were below zero at any step.
    pub below_zero: u64,
    /// The lowest that one was found at, micro-units.
    pub lowest_equity: i64,
    /// Fees given up, paid by the insurance fund, and shared by claims for losses nobody was left to pay, micro-units.
    pub fees_waived: i64,
    pub insured: i64,
    pub socialised: i64,
    /// Most compute units of a liquidation.
    pub most_units: u64,
    /// Liquidations of healthy accounts that were tried and refused.
    pub refused: u64,
    /// Settlements sent, marks set or taken away.
    pub settlements: u64,
    pub marks: u64,
    /// Times that a liquidator's account was emptied.
    pub unwound: u64,
    /// Unhealthy accounts that were left after a step; the test fails at the first.
    pub left_behind: u64,
    /// Accounts that have nothing left but claims, at the last step: below zero until what a shared loss took from those is
    /// recognised.
    pub waiting: u64,
    /// Largest difference of all equity from what it has to add up to, micro-units.
    pub most_rounding: i128,
}

impl Figures {
    /// As JSON, amounts in whole units of the settlement token.
    pub fn json(&self) -> Value {
        let dollars = |amount: i64| amount as f64 / 1e6;
        json!({
            "steps": self.steps,
            "evaluations": self.evaluations,
            "surfaces_posted": self.surfaces,
            "most_positions_of_an_account": self.most_positions,
            "liquidated_accounts_per_step_summed": self.liquidated,
            "liquidate_calls": self.calls,
            "most_calls_per_account_and_step": self.most_calls,
            "positions_taken": self.taken,
            "tokens_taken": self.tokens_taken,
            "discounts_usd": dollars(self.discounts),
            "discounts_insured_usd": dollars(self.discounts_insured),
            "accounts_below_zero": self.below_zero,
            "lowest_equity_usd": dollars(self.lowest_equity),
            "loss_fees_waived_usd": dollars(self.fees_waived),
            "loss_insured_usd": dollars(self.insured),
            "loss_socialised_usd": dollars(self.socialised),
            "most_compute_units_of_a_liquidation": self.most_units,
            "healthy_accounts_refused": self.refused,
            "settlements": self.settlements,
            "marks": self.marks,
            "liquidator_accounts_emptied": self.unwound,
            "unhealthy_left_behind": self.left_behind,
            "flat_with_lowered_claims_at_the_end": self.waiting,
            "most_rounding_micro_usd": self.most_rounding as i64,
        })
    }
}
