//! Settles a loss that the account has no cash for, with cash that its other holdings stand for.

use crate::{
    bridge,
    error::EstuaryError,
    event::{self, Settled},
    instructions::owners::owner_of,
    instructions::settlement::{check_settlement_bank, pay_on_credit, settle_carry},
    market_view::{load_markets, MarketView, Needs},
    state::{self, Bank, Clearinghouse, MarginAccount, MarketSet, StateAccount},
};
use anchor_lang::prelude::*;

/// Accounts of `settle_on_credit`. Remaining: `[market, ledger, price]` per market the account's equity depends on and the one
/// that is settled; the ledger of that one is writable.
#[event_cpi]
#[derive(Accounts)]
pub struct SettleOnCredit<'info> {
    /// The clearinghouse.
    pub clearinghouse: AccountLoader<'info, Clearinghouse>,
    /// The account to settle.
    #[account(mut, has_one = clearinghouse @ EstuaryError::AccountOfAnotherClearinghouse)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    /// What the account's owner holds in all accounts.
    pub owner_account: AccountLoader<'info, state::Owner>,
    /// The settlement token's bank, which lends.
    #[account(mut, has_one = clearinghouse @ EstuaryError::AccountOfAnotherClearinghouse)]
    pub bank: AccountLoader<'info, Bank>,
}

impl<'info> SettleOnCredit<'info> {
    /// Settles as `settle` does without variation, and pays what is claimed of the account's loss beyond its cash out of
    /// the bank, as a negative balance of cash; anyone may. The account's other holdings have to carry it: senior equity
    /// and health afterwards are those of an account that may withdraw, so nothing is lent against gains nobody has paid.
    /// Whatever cash the account receives later repays. An account marked as unhealthy is lent nothing.
    ///
    /// # Errors
    /// [`EstuaryError::AccountMarkedUnhealthy`],
    /// [`EstuaryError::NothingToSettle`] when cash is enough or nothing is claimed,
    /// [`EstuaryError::AccountDebtLimit`], [`EstuaryError::BankShortOfTokens`], [`EstuaryError::SeniorNegative`],
    /// [`EstuaryError::BelowInitialMargin`], [`EstuaryError::NotTheSettlementBank`], those of the market accounts and
    /// prices, the engine's.
    pub fn handle(ctx: Context<'info, Self>, market: u16) -> Result<()> {
        let accounts = ctx.accounts;
        state::read(&accounts.clearinghouse)?;
        check_settlement_bank(&accounts.bank)?;
        let now = Clock::get()?.unix_timestamp;
        let mut account = state::write(&accounts.margin_account)?;
        account.check_unmarked()?;
        let mut here = MarketSet::default();
        here.insert(market)?;
        let needs = Needs::of(&[&*account])?;
        let needs = Needs {
            markets: needs.markets.union(here),
            written: here,
            ..needs
        };
        let clearinghouse = accounts.clearinghouse.key();
        let markets = load_markets(ctx.remaining_accounts, &clearinghouse, needs, now)?;
        let view = markets
            .iter()
            .find(|view| view.market.header.index == market)
            .ok_or(EstuaryError::MarketUnknown)?;
        let mut bank = state::write(&accounts.bank)?;
        let settlement = {
            let mut ledger = state::write(&view.ledger)?;
            let mut done = settle_carry(&mut account, &mut ledger, Some(&mut *bank), now)?;
            pay_on_credit(&mut account, &mut ledger, &bank, now, &mut done)?;
            ledger.invariant()?;
            done
        };
        view.record_price()?;
        account.invariant()?;
        bank.invariant()?;
        let data: Vec<_> = markets.iter().map(MarketView::data).collect();
        let owner = owner_of(&accounts.owner_account, &account)?;
        let report = bridge::assess(&account, &owner, &data, now)?;
        bridge::check_can_pay_out(&report)?;
        let event = Settled {
            clearinghouse,
            margin_account: accounts.margin_account.key(),
            variation: 0,
            settlement,
            cash: account.cash(),
            exercised: Vec::new(),
        };
        event::emit(&accounts.event_authority, &accounts.program, &event)
    }
}
