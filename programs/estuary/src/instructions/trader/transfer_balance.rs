//! Moves cash or tokens between two accounts of one owner.

use crate::{
    bridge,
    error::EstuaryError,
    event::{self, BalanceTransferred},
    instructions::{owners::owner_of, pair::check_own_pair},
    market_view::{load_markets, MarketView, Needs},
    state::{self, Clearinghouse, MarginAccount, StateAccount},
};
use anchor_lang::prelude::*;

/// Accounts of `transfer_balance`. Remaining: `[market, ledger, price]` per market the source has open positions or
/// tokens in afterwards; none without open positions when the cash that stays covers what the source owes.
#[event_cpi]
#[derive(Accounts)]
pub struct TransferBalance<'info> {
    /// Owner of both accounts; a delegate may not.
    pub owner: Signer<'info>,
    /// The clearinghouse.
    pub clearinghouse: AccountLoader<'info, Clearinghouse>,
    /// The account that pays.
    #[account(mut, has_one = clearinghouse @ EstuaryError::AccountOfAnotherClearinghouse)]
    pub source: AccountLoader<'info, MarginAccount>,
    /// The account that receives.
    #[account(mut, has_one = clearinghouse @ EstuaryError::AccountOfAnotherClearinghouse)]
    pub destination: AccountLoader<'info, MarginAccount>,
    /// What the owner holds in all accounts.
    pub owner_account: AccountLoader<'info, state::Owner>,
}

impl<'info> TransferBalance<'info> {
    fn validate(&self, amount: u64) -> Result<()> {
        check_own_pair(self.owner.key, &self.source, &self.destination)?;
        require_gt!(amount, 0, EstuaryError::AmountZero);
        state::read(&self.clearinghouse)?;
        Ok(())
    }

    /// Moves `amount` base units of a bank's token. The source has to satisfy what it would for a withdrawal, and
    /// needs the same markets and prices. The destination only gains, so nothing is asked of it.
    ///
    /// # Errors
    /// [`EstuaryError::AccountMarkedUnhealthy`],
    /// [`EstuaryError::SameMarginAccount`], [`EstuaryError::NotTheOwner`], [`EstuaryError::DestinationOfAnotherOwner`],
    /// [`EstuaryError::AmountZero`], [`EstuaryError::BankUnknown`], [`EstuaryError::BalanceNegative`], [`EstuaryError::BelowInitialMargin`],
    /// [`EstuaryError::SeniorNegative`], and those of the market accounts and prices.
    pub fn handle(ctx: Context<'info, Self>, bank: u16, amount: u64) -> Result<()> {
        let accounts = ctx.accounts;
        accounts.validate(amount)?;
        let now = Clock::get()?.unix_timestamp;
        let mut source = state::write(&accounts.source)?;
        source.check_unmarked()?;
        let mut destination = state::write(&accounts.destination)?;
        source.move_balance(&mut destination, bank, amount)?;
        source.invariant()?;
        destination.invariant()?;
        let clearinghouse = accounts.clearinghouse.key();
        let needs = Needs::to_pay_out(&source)?;
        let markets = load_markets(ctx.remaining_accounts, &clearinghouse, needs, now)?;
        let markets: Vec<_> = markets.iter().map(MarketView::data).collect();
        let owner = owner_of(&accounts.owner_account, &source)?;
        let report = bridge::assess(&source, &owner, &markets, now)?;
        bridge::check_can_pay_out(&report)?;
        let transferred = BalanceTransferred {
            clearinghouse,
            source: accounts.source.key(),
            destination: accounts.destination.key(),
            bank,
            amount,
            source_balance: source.balance(bank),
            destination_balance: destination.balance(bank),
        };
        event::emit(&accounts.event_authority, &accounts.program, &transferred)
    }
}
