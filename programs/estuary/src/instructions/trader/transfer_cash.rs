//! Moves cash between two accounts of one owner.

use crate::{
    bridge,
    error::EstuaryError,
    event::{self, CashTransferred},
    instructions::pair::check_own_pair,
    market_view::{load_markets, MarketView, Needs},
    state::{self, Clearinghouse, MarginAccount, StateAccount},
};
use anchor_lang::prelude::*;

/// Bank of the settlement token.
const SETTLEMENT_BANK: u16 = 0;

/// Accounts of `transfer_cash`. Remaining: `[market, ledger, price]` per market the source has open positions in.
#[event_cpi]
#[derive(Accounts)]
pub struct TransferCash<'info> {
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
}

impl<'info> TransferCash<'info> {
    fn validate(&self, amount: u64) -> Result<()> {
        check_own_pair(self.owner.key, &self.source, &self.destination)?;
        require_gt!(amount, 0, EstuaryError::AmountZero);
        state::read(&self.clearinghouse)?;
        Ok(())
    }

    /// Moves `amount` micro-units. The source has to satisfy what it would after a withdrawal; without positions it
    /// needs no market and no price. The destination only gains, so nothing is asked of it.
    ///
    /// # Errors
    /// [`EstuaryError::SameMarginAccount`], [`EstuaryError::NotTheOwner`], [`EstuaryError::DestinationOfAnotherOwner`],
    /// [`EstuaryError::AmountZero`], [`EstuaryError::BalanceNegative`], [`EstuaryError::BelowInitialMargin`],
    /// [`EstuaryError::SeniorNegative`], and those of the market accounts and prices.
    pub fn handle(ctx: Context<'info, Self>, amount: u64) -> Result<()> {
        let accounts = ctx.accounts;
        accounts.validate(amount)?;
        let now = Clock::get()?.unix_timestamp;
        let mut source = state::write(&accounts.source)?;
        let mut destination = state::write(&accounts.destination)?;
        let gain = i64::try_from(amount).map_err(|_| error!(EstuaryError::AmountOverflow))?;
        let loss = gain.checked_neg().ok_or(EstuaryError::AmountOverflow)?;
        source.change_balance(SETTLEMENT_BANK, loss)?;
        destination.change_balance(SETTLEMENT_BANK, gain)?;
        source.invariant()?;
        destination.invariant()?;
        let clearinghouse = accounts.clearinghouse.key();
        let needs = Needs::to_pay_out(&source)?;
        let markets = load_markets(ctx.remaining_accounts, &clearinghouse, needs, now)?;
        let markets: Vec<_> = markets.iter().map(MarketView::data).collect();
        let report = bridge::assess(&source, &markets, now)?;
        bridge::check_can_pay_out(&report)?;
        let transferred = CashTransferred {
            clearinghouse,
            source: accounts.source.key(),
            destination: accounts.destination.key(),
            amount,
            source_cash: source.cash(),
            destination_cash: destination.cash(),
        };
        event::emit(&accounts.event_authority, &accounts.program, &transferred)
    }
}
