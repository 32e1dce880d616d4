//! Takes positions of an account that is below its maintenance margin.

use crate::{
    bridge::{
        self,
        liquidation::{Liquidation, Taken},
    },
    error::EstuaryError,
    event::{self, Liquidated, MarginTotals, TakenPosition},
    market_view::{load_markets, MarketView, Needs},
    state::{self, Clearinghouse, MarginAccount, StateAccount, MAX_POSITIONS_PER_TRANSACTION},
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
}

impl<'info> Liquidate<'info> {
    fn validate(&self, now: i64) -> Result<()> {
        state::read(&self.clearinghouse)?;
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
        let written = liquidated.markets()?;
        let needs = Needs {
            written,
            ..Needs::of(&[&*liquidated, &*liquidator])?
        };
        let clearinghouse = accounts.clearinghouse.key();
        let markets = load_markets(ctx.remaining_accounts, &clearinghouse, needs, now)?;
        let data: Vec<_> = markets.iter().map(MarketView::data).collect();
        let mut liquidation = Liquidation::plan(&liquidated, &liquidator, &data, now)?;
        let cash_before = liquidator.cash();
        let taken = liquidation.taken(&liquidated, &data)?;
        for taken in &taken {
            let view = markets
                .get(usize::from(taken.place))
                .ok_or(EstuaryError::MarketUnknown)?;
            hand_over(&mut liquidated, &mut liquidator, view, taken)?;
        }
        for view in markets
            .iter()
            .filter(|view| written.contains(view.market.header.index))
        {
            view.record_price()?;
        }
        require_eq!(
            liquidated.cash(),
            liquidation.outcome.cash.0,
            EstuaryError::MarginAccountInvariant
        );
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
            positions: taken.iter().map(taken_position).collect(),
        };
        event::emit(&accounts.event_authority, &accounts.program, &event)
    }
}

/// A report as the event tells it.
fn totals(report: &MarginReport) -> MarginTotals {
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

/// Moves taken lots, premium and cost from the liquidated account to the liquidator and writes the ledger.
fn hand_over(
    liquidated: &mut MarginAccount,
    liquidator: &mut MarginAccount,
    view: &MarketView<'_>,
    taken: &Taken,
) -> Result<()> {
    let overflow = || error!(EstuaryError::AmountOverflow).with_values((taken.premium, taken.cost));
    let opposite = |amount: i64| amount.checked_neg().ok_or_else(overflow);
    let (market, slot, generation) = (taken.market, taken.slot, taken.generation);
    let mut ledger = state::write(&view.ledger)?;
    let gives = (
        &mut *liquidated,
        opposite(taken.lots)?,
        taken.cost,
        taken.premium,
    );
    let takes = (
        &mut *liquidator,
        taken.lots,
        opposite(taken.cost)?,
        opposite(taken.premium)?,
    );
    for (account, lots, cost, premium) in [gives, takes] {
        let moved = account.apply_trade(market, slot, generation, lots, cost)?;
        account.change_balance(0, premium)?;
        ledger.move_lots(slot, moved.before, moved.after)?;
        ledger.add_cost(cost)?;
    }
    ledger.invariant()
}
