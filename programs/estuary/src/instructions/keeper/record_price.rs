//! Records the price of a market in which nobody trades.

use crate::{
    market_view::check_ledger,
    oracle::{self, PriceLimits},
    state::{self, MarketLedger, MarketRef, StateAccount},
};
use anchor_lang::prelude::*;

/// Accounts of `record_price`. Nobody signs: anyone may.
#[derive(Accounts)]
pub struct RecordPrice<'info> {
    /// The market.
    /// CHECK: [`MarketRef::load`] checks owner, type, length and version.
    pub market: UncheckedAccount<'info>,
    /// Its ledger, which has seen the latest price used.
    #[account(mut)]
    pub ledger: AccountLoader<'info, MarketLedger>,
    /// The price of the underlying.
    /// CHECK: [`oracle::read`] checks owner, type and feed.
    pub price: UncheckedAccount<'info>,
}

impl<'info> RecordPrice<'info> {
    /// Records a price under all checks of one that is traded on, as a trade would: so the returns that offsets go by have no
    /// gaps. A price that the ledger has seen changes nothing.
    ///
    /// # Errors
    /// [`crate::EstuaryError::LedgerOfAnotherMarket`], [`crate::EstuaryError::PriceOlderThanLast`], those of the market and
    /// of prices.
    pub fn handle(ctx: Context<'info, Self>) -> Result<()> {
        let accounts = ctx.accounts;
        let now = Clock::get()?.unix_timestamp;
        let market = MarketRef::load(accounts.market.as_ref())?;
        check_ledger(&accounts.ledger, accounts.market.key)?;
        let mut ledger = state::write(&accounts.ledger)?;
        let limits = PriceLimits::of(&market.header, ledger.last_publish_time, now);
        let price = oracle::checked(accounts.price.as_ref(), &market.header, &limits)?;
        ledger.record_price(price.publish_time, price.price)?;
        ledger.invariant()
    }
}
