//! Records a price for the average that an expiry is settled at.

use crate::{
    market_view::check_ledger,
    oracle::{self, PriceLimits},
    state::{self, MarketLedger, MarketMut, StateAccount},
};
use anchor_lang::prelude::*;

/// Accounts of `record_settlement_price`. Nobody signs: anyone may.
#[derive(Accounts)]
pub struct RecordSettlementPrice<'info> {
    /// The market.
    /// CHECK: [`MarketMut::load`] checks owner, type, length and version.
    #[account(mut)]
    pub market: UncheckedAccount<'info>,
    /// Its ledger, which has seen the latest price used.
    #[account(mut)]
    pub ledger: AccountLoader<'info, MarketLedger>,
    /// The price of the underlying.
    /// CHECK: [`oracle::read`] checks owner, type and feed.
    pub price: UncheckedAccount<'info>,
}

impl<'info> RecordSettlementPrice<'info> {
    /// Records a price of the settlement window of the expiry that ends at `expiry`, under all checks of a price that is
    /// traded on: see [`crate::state::SettlementAverage`]. The first price from after the expiry fixes the settlement
    /// price if enough minutes are filled; otherwise the one that fills enough does.
    ///
    /// # Errors
    /// [`crate::EstuaryError::ExpiryUnknown`], [`crate::EstuaryError::SettlementWindowNotOpen`],
    /// [`crate::EstuaryError::SettlementMinuteRecorded`], [`crate::EstuaryError::SettlementPriceFinal`], those of prices.
    pub fn handle(ctx: Context<'info, Self>, expiry: i64) -> Result<()> {
        let accounts = ctx.accounts;
        let now = Clock::get()?.unix_timestamp;
        let mut market = MarketMut::load(accounts.market.as_ref())?;
        check_ledger(&accounts.ledger, accounts.market.key)?;
        let index = market.header.expiry_at(expiry)?;
        let mut ledger = state::write(&accounts.ledger)?;
        let limits = PriceLimits::of(&market.header, ledger.last_publish_time, now);
        let price = oracle::checked(accounts.price.as_ref(), &market.header, &limits)?;
        let average = &mut market.header.expiry_mut(index)?.average;
        average.record_and_finalize(expiry, price.publish_time, price.price)?;
        ledger.record_price(price.publish_time, price.price)?;
        ledger.invariant()?;
        market.header.invariant()
    }
}
