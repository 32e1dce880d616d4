//! Marks an account that is below its maintenance margin, or below zero, or takes the marks away.

use crate::{
    bridge,
    error::EstuaryError,
    event::{self, AccountMarked},
    instructions::owners::owner_of,
    market_view::{load_markets, MarketView, Needs},
    state::{self, Clearinghouse, MarginAccount, MarketSet, StateAccount},
};
use anchor_lang::prelude::*;
use estuary_risk::margin::MarginReport;

/// Accounts of `mark_account`. Remaining: `[market, ledger, price]` per market that a withdrawal would need, and per market
/// that has the account marked; the ledgers are writable.
#[event_cpi]
#[derive(Accounts)]
pub struct MarkAccount<'info> {
    /// The clearinghouse.
    pub clearinghouse: AccountLoader<'info, Clearinghouse>,
    /// The account.
    #[account(mut, has_one = clearinghouse @ EstuaryError::AccountOfAnotherClearinghouse)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    /// What the account's owner holds in all accounts.
    pub owner_account: AccountLoader<'info, state::Owner>,
}

impl<'info> MarkAccount<'info> {
    /// Makes the account's marks agree with its equity; anyone may. An account below its maintenance margin is marked as
    /// unhealthy until it is not: meanwhile it may deposit, settle and reduce. While an account below zero is marked, no
    /// round of claims receives cash in the markets it has positions in or owes, so that its loss falls on all of them alike.
    ///
    /// # Errors
    /// [`EstuaryError::NothingToMark`], those of the market accounts and prices, the engine's.
    pub fn handle(ctx: Context<'info, Self>) -> Result<()> {
        let accounts = ctx.accounts;
        state::read(&accounts.clearinghouse)?;
        let now = Clock::get()?.unix_timestamp;
        let mut account = state::write(&accounts.margin_account)?;
        let needs = Needs::to_mark(&account)?;
        let clearinghouse = accounts.clearinghouse.key();
        let markets = load_markets(ctx.remaining_accounts, &clearinghouse, needs, now)?;
        let data: Vec<_> = markets.iter().map(MarketView::data).collect();
        let owner = owner_of(&accounts.owner_account, &account)?;
        let report = bridge::assess(&account, &owner, &data, now)?;
        let marks = if report.equity.0 >= 0 {
            MarketSet::default()
        } else if account.marked == 0 {
            account.liable_markets()?
        } else {
            // Markets that have recognised their share of its loss are not asked again before the others have.
            MarketSet::from_bits(account.marked)
        };
        let (marked, since) = (account.marked, account.unhealthy_since);
        set_unhealthy(&mut account, &report, now);
        let changes = marks.bits() != marked || account.unhealthy_since != since;
        require!(changes, EstuaryError::NothingToMark);
        set_marks(&mut account, &markets, marks)?;
        for view in &markets {
            view.record_price()?;
        }
        account.invariant()?;
        let event = AccountMarked {
            clearinghouse,
            margin_account: accounts.margin_account.key(),
            equity: report.equity.0,
            maintenance_margin: report.maintenance_margin.0,
            unhealthy_since: account.unhealthy_since,
            marked: account.marked,
        };
        event::emit(&accounts.event_authority, &accounts.program, &event)
    }
}

/// Marks the account as unhealthy by its margin, or takes that mark away. One that owes nothing any more, since a loss
/// was recognised after the report, is not.
pub(crate) fn set_unhealthy(account: &mut MarginAccount, report: &MarginReport, now: i64) {
    let is_failing = report.is_liquidatable() && !account.owes_nothing();
    account.mark_health(is_failing, now);
}

/// Marks the account in exactly the markets of `marks` and counts it there. `markets` has those and all it is marked in.
pub(crate) fn set_marks(
    account: &mut MarginAccount,
    markets: &[MarketView<'_>],
    marks: MarketSet,
) -> Result<()> {
    let marked = MarketSet::from_bits(account.marked);
    for view in markets {
        let index = view.market.header.index;
        let (before, after) = (marked.contains(index), marks.contains(index));
        if before == after {
            continue;
        }
        let mut ledger = state::write(&view.ledger)?;
        let count = ledger.claims.unresolved;
        let count = if after {
            count.checked_add(1)
        } else {
            count.checked_sub(1)
        };
        ledger.claims.unresolved = count.ok_or(EstuaryError::LedgerInvariant)?;
    }
    account.marked = marks.bits();
    Ok(())
}
