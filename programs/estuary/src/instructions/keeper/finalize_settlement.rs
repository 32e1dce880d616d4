//! Fixes the settlement price of an expiry whose feed has stopped.

use crate::{
    error::EstuaryError,
    market_view::check_ledger,
    state::{self, MarketLedger, MarketMut, StateAccount},
};
use anchor_lang::prelude::*;

/// Accounts of `finalize_settlement`. Nobody signs: anyone may.
#[derive(Accounts)]
pub struct FinalizeSettlement<'info> {
    /// The market.
    /// CHECK: [`MarketMut::load`] checks owner, type, length and version.
    #[account(mut)]
    pub market: UncheckedAccount<'info>,
    /// Its ledger, which has seen the latest price used.
    pub ledger: AccountLoader<'info, MarketLedger>,
}

impl<'info> FinalizeSettlement<'info> {
    /// Fixes the settlement price of the expiry that ends at `expiry` without a price from after it. Enough minutes of
    /// the window are filled, and no further price of it can come: the market has seen a later one, or one from the
    /// window would be too old by now.
    ///
    /// # Errors
    /// [`EstuaryError::ExpiryUnknown`], [`EstuaryError::SettlementPriceFinal`], [`EstuaryError::SettlementWindowOpen`],
    /// [`EstuaryError::SettlementMinutesTooFew`].
    pub fn handle(ctx: Context<'info, Self>, expiry: i64) -> Result<()> {
        let accounts = ctx.accounts;
        let now = Clock::get()?.unix_timestamp;
        let mut market = MarketMut::load(accounts.market.as_ref())?;
        check_ledger(&accounts.ledger, accounts.market.key)?;
        let index = market.header.expiry_at(expiry)?;
        let last_seen = state::read(&accounts.ledger)?.last_publish_time;
        let max_age = i64::from(market.header.max_price_age_seconds);
        let average = &mut market.header.expiry_mut(index)?.average;
        require!(!average.is_final(), EstuaryError::SettlementPriceFinal);
        // The latest price of the window is from the second before the expiry.
        let too_late = now.saturating_sub(expiry) >= max_age;
        if last_seen < expiry && !too_late {
            return Err(error!(EstuaryError::SettlementWindowOpen).with_values((now, expiry)));
        }
        average.finalize()?;
        market.header.invariant()
    }
}
