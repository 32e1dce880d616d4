//! Reports an account's margin as return data, for simulated transactions.

use crate::{
    bridge::{self, MarketData},
    error::EstuaryError,
    market_view::{load_markets, MarketView, Needs},
    report::ReportPage,
    state::{self, Clearinghouse, MarginAccount},
};
use anchor_lang::{prelude::*, solana_program::program::set_return_data};

/// Accounts of `margin_report`. Remaining: `[market, ledger, price]` per market the account has open positions or tokens in.
#[derive(Accounts)]
pub struct MarginReport<'info> {
    /// The clearinghouse.
    pub clearinghouse: AccountLoader<'info, Clearinghouse>,
    /// The account to report on; nobody signs.
    #[account(has_one = clearinghouse @ EstuaryError::AccountOfAnotherClearinghouse)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
}

impl<'info> MarginReport<'info> {
    /// Computes the report live, as every check does, and returns one view of it; see [`crate::report`].
    ///
    /// # Errors
    /// [`EstuaryError::ReportPageUnknown`], those of the market accounts and prices, the engine's.
    pub fn handle(ctx: Context<'info, Self>, page: ReportPage) -> Result<()> {
        state::read(&ctx.accounts.clearinghouse)?;
        let now = Clock::get()?.unix_timestamp;
        let account = state::read(&ctx.accounts.margin_account)?;
        let clearinghouse = ctx.accounts.clearinghouse.key();
        let markets = load_markets(
            ctx.remaining_accounts,
            &clearinghouse,
            Needs::of(&[&*account])?,
            now,
        )?;
        let markets: Vec<_> = markets.iter().map(MarketView::data).collect();
        return_view(&account, &markets, now, page)
    }
}

/// Computes one view and sets it as return data.
fn return_view(
    account: &MarginAccount,
    markets: &[MarketData<'_>],
    now: i64,
    page: ReportPage,
) -> Result<()> {
    match page {
        ReportPage::Summary => {
            let view = bridge::report::summary(account, markets, now)?;
            set_return_data(bytemuck::bytes_of(&view));
        }
        ReportPage::Market(index) => {
            let view = bridge::report::market(account, markets, now, index)?;
            set_return_data(bytemuck::bytes_of(&view));
        }
        ReportPage::Positions(page) => {
            let view = bridge::report::positions(account, markets, now, page)?;
            set_return_data(bytemuck::bytes_of(&view));
        }
    }
    Ok(())
}
