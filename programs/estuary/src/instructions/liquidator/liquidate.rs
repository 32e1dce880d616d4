//! Takes positions of an account that is below its maintenance margin.

use crate::{
    bridge::{
        self,
        liquidation::{Liquidation, Taken},
    },
    error::EstuaryError,
    event::{self, Liquidated, MarginTotals, TakenPosition},
    instructions::{
        keeper::mark_account::{set_marks, set_unhealthy},
        settlement::{check_settlement_bank, settle_carry, settle_matured, unmark_left},
    },
    market_view::{load_markets, MarketView, Needs},
    state::{
        self, Bank, Clearinghouse, MarginAccount, MarketSet, StateAccount,
        MAX_POSITIONS_PER_TRANSACTION, SETTLEMENT_BANK,
    },
};
use anchor_lang::prelude::*;
use estuary_risk::margin::MarginReport;

/// Accounts of `liquidate`. Remaining: `[market, ledger, price]` per market that either account has open positions or
/// tokens in; the ledgers of the liquidated account's markets are writable.
#[event_cpi]
#[derive(Accounts)]
pub struct Liquidate<'info> {
    /// Owner of the liquidator's account, or its delegate.
    pub liquidator: Signer<'info>,
    /// The clearinghouse.
    pub clearinghouse: AccountLoader<'info, Clearinghouse>,
    /// The account that takes the positions.
    #[account(mut, has_one = clearinghouse @ EstuaryError::AccountOfAnotherClearinghouse)]
    pub liquidator_account: AccountLoader<'info, MarginAccount>,
    /// The account below its maintenance margin.
    #[account(mut, has_one = clearinghouse @ EstuaryError::AccountOfAnotherClearinghouse)]
    pub liquidated_account: AccountLoader<'info, MarginAccount>,
    /// The settlement token's bank: its insurance fund pays what an account that is left with nothing still owes.
    #[account(mut, has_one = clearinghouse @ EstuaryError::AccountOfAnotherClearinghouse)]
    pub bank: AccountLoader<'info, Bank>,
}

impl<'info> Liquidate<'info> {
    fn validate(&self, now: i64) -> Result<()> {
        state::read(&self.clearinghouse)?;
        check_settlement_bank(&self.bank)?;
        let (liquidator, liquidated) =
            (self.liquidator_account.key(), self.liquidated_account.key());
        require_keys_neq!(liquidator, liquidated, EstuaryError::SameMarginAccount);
        state::read(&self.liquidator_account)?.check_trader(self.liquidator.key, now)
    }

    /// One step: takes the positions that release most margin per unit of discount, at mark less the discount, until
    /// the account is at its target or cash or the discount's limit, its equity, is used up. Anyone may.
    ///
    /// # Errors
    /// [`EstuaryError::NotTheOwner`], [`EstuaryError::DelegateExpired`], [`EstuaryError::NotLiquidatable`],
    /// [`EstuaryError::NothingToLiquidate`],
    /// [`EstuaryError::LiquidatorBelowInitialMargin`], [`EstuaryError::SeniorNegative`] when the liquidator would pay
    /// premium out of unrealised gains, [`EstuaryError::BalanceNegative`] when it lacks the cash,
    /// [`EstuaryError::TooManyPositionsForOneTransaction`], those of the market accounts and prices.
    pub fn handle(ctx: Context<'info, Self>) -> Result<()> {
        let accounts = ctx.accounts;
        let now = Clock::get()?.unix_timestamp;
        accounts.validate(now)?;
        let mut liquidated = state::write(&accounts.liquidated_account)?;
        let mut liquidator = state::write(&accounts.liquidator_account)?;
        let count = usize::from(liquidated.position_count)
            .saturating_add(usize::from(liquidator.position_count));
        require_gte!(
            MAX_POSITIONS_PER_TRANSACTION,
            count,
            EstuaryError::TooManyPositionsForOneTransaction
        );
        let written = liquidated
            .markets()?
            .union(MarketSet::from_bits(liquidated.marked));
        let needs = Needs::of(&[&*liquidated, &*liquidator])?;
        let needs = Needs {
            markets: needs.markets.union(written),
            written,
            ..needs
        };
        let clearinghouse = accounts.clearinghouse.key();
        let markets = load_markets(ctx.remaining_accounts, &clearinghouse, needs, now)?;
        let data: Vec<_> = markets.iter().map(MarketView::data).collect();
        let touched = || {
            let index = |view: &&MarketView<'_>| view.market.header.index;
            markets
                .iter()
                .filter(move |view| written.contains(index(view)))
        };
        let mut exercised = Vec::new();
        for view in touched() {
            let mut ledger = state::write(&view.ledger)?;
            exercised.append(&mut settle_matured(&mut liquidated, view, &mut ledger)?);
            ledger.invariant()?;
        }
        let mut liquidation = Liquidation::plan(&liquidated, &liquidator, &data, now)?;
        let cash_before = liquidator.cash();
        let taken = liquidation.taken(&liquidated, &data)?;
        hand_over(&mut liquidated, &mut liquidator, &markets, &taken)?;
        require_eq!(
            liquidated.cash(),
            liquidation.outcome.cash.0,
            EstuaryError::MarginAccountInvariant
        );
        for view in touched() {
            view.record_price()?;
        }
        let mut bank = state::write(&accounts.bank)?;
        let marks = if liquidation.outcome.after.equity.0 < 0 {
            liquidated.liable_markets()?
        } else {
            MarketSet::default()
        };
        set_marks(&mut liquidated, &markets, marks)?;
        let mut settlements = Vec::new();
        if liquidated.position_count == 0 {
            for view in touched() {
                let mut ledger = state::write(&view.ledger)?;
                let bank = Some(&mut *bank);
                settlements.push(settle_carry(&mut liquidated, &mut ledger, bank, now)?);
                unmark_left(&mut liquidated, &mut ledger)?;
                ledger.invariant()?;
            }
        }
        set_unhealthy(&mut liquidated, &liquidation.outcome.after, now);
        bank.invariant()?;
        liquidated.invariant()?;
        liquidator.invariant()?;
        let report = liquidation.assess_liquidator(&liquidator, &data, now)?;
        bridge::check_liquidator(&report, liquidator.cash() < cash_before)?;
        let event = Liquidated {
            clearinghouse,
            liquidator: accounts.liquidator_account.key(),
            liquidated: accounts.liquidated_account.key(),
            before: totals(&liquidation.outcome.before),
            after: totals(&liquidation.outcome.after),
            liquidator_cash: liquidator.cash(),
            liquidated_cash: liquidated.cash(),
            marked: liquidated.marked,
            exercised,
            positions: taken.iter().map(taken_position).collect(),
            settlements,
        };
        event::emit(&accounts.event_authority, &accounts.program, &event)
    }
}

/// A report as the event tells it.
pub(super) fn totals(report: &MarginReport) -> MarginTotals {
    MarginTotals {
        equity: report.equity.0,
        initial_margin: report.initial_margin.0,
        maintenance_margin: report.maintenance_margin.0,
    }
}

/// A position taken as the event tells it.
fn taken_position(taken: &Taken) -> TakenPosition {
    TakenPosition {
        market: taken.market,
        slot: taken.slot,
        generation: taken.generation,
        lots: taken.lots,
        premium: taken.premium,
        cost: taken.cost,
        discount: taken.discount,
    }
}

/// Moves taken lots, premium and cost from the liquidated account to the liquidator and writes the ledgers.
fn hand_over(
    liquidated: &mut MarginAccount,
    liquidator: &mut MarginAccount,
    markets: &[MarketView<'_>],
    taken: &[Taken],
) -> Result<()> {
    let overflow = || error!(EstuaryError::AmountOverflow);
    let opposite = |amount: i64| amount.checked_neg().ok_or_else(overflow);
    let mut premium = 0i64;
    for (place, view) in markets.iter().enumerate() {
        let here = || taken.iter().filter(|one| usize::from(one.place) == place);
        if here().next().is_none() {
            continue;
        }
        let mut ledger = state::write(&view.ledger)?;
        for one in here() {
            let gives = (&mut *liquidated, opposite(one.lots)?, one.cost);
            let takes = (&mut *liquidator, one.lots, opposite(one.cost)?);
            for (account, lots, cost) in [gives, takes] {
                let (slot, generation) = (one.slot, one.generation);
                let moved = account.apply_trade(one.market, slot, generation, lots, cost)?;
                ledger.move_lots(slot, moved.before, moved.after)?;
                ledger.add_cost(cost)?;
            }
            premium = premium.checked_add(one.premium).ok_or_else(overflow)?;
        }
        ledger.invariant()?;
    }
    // In one sum: on the way the account may pay for a short before it is paid for a long.
    liquidated.change_balance(SETTLEMENT_BANK, premium)?;
    liquidator.change_balance(SETTLEMENT_BANK, opposite(premium)?)
}
