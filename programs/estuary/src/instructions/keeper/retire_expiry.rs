//! Frees the places of an expiry and its series for new ones.

use crate::{
    error::EstuaryError,
    market_view::check_ledger,
    state::{self, MarketLedger, MarketMut, StateAccount},
};
use anchor_lang::prelude::*;

/// Accounts of `retire_expiry`. Nobody signs: anyone may.
#[derive(Accounts)]
pub struct RetireExpiry<'info> {
    /// The market.
    /// CHECK: [`MarketMut::load`] checks owner, type, length and version.
    #[account(mut)]
    pub market: UncheckedAccount<'info>,
    /// Its ledger, which knows what is held.
    pub ledger: AccountLoader<'info, MarketLedger>,
}

impl<'info> RetireExpiry<'info> {
    /// Frees the slots of all series that ended at `expiry`, and its entry in the market. Nobody holds any of them: with
    /// nobody to be paid it does not matter whether there is a settlement price.
    ///
    /// # Errors
    /// [`EstuaryError::ExpiryUnknown`], [`EstuaryError::ExpiryNotPassed`], [`EstuaryError::SeriesHasOpenLots`] with the
    /// slot and the lots.
    pub fn handle(ctx: Context<'info, Self>, expiry: i64) -> Result<()> {
        let accounts = ctx.accounts;
        let now = Clock::get()?.unix_timestamp;
        let mut market = MarketMut::load(accounts.market.as_ref())?;
        check_ledger(&accounts.ledger, accounts.market.key)?;
        let index = market.header.expiry_at(expiry)?;
        require_gte!(now, expiry, EstuaryError::ExpiryNotPassed);
        let ledger = state::read(&accounts.ledger)?;
        market.retire(index, |slot| ledger.check_unheld(slot))?;
        market.header.invariant()
    }
}
