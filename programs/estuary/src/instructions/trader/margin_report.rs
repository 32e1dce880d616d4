//! Reports an account's margin as return data, for simulated transactions.

use super::legs::WhatIf;
use crate::{
    bridge::{self, MarketData},
    error::EstuaryError,
    instructions::owners::owner_of,
    market_view::{load_markets, MarketView, Needs},
    report::ReportPage,
    state::{self, Clearinghouse, MarginAccount},
};
use anchor_lang::{prelude::*, solana_program::program::set_return_data};

/// Accounts of `margin_report`. Remaining: `[market, ledger, price]` per market the account has open positions or tokens in
/// or an added leg names.
#[derive(Accounts)]
pub struct MarginReport<'info> {
    /// The clearinghouse.
    pub clearinghouse: AccountLoader<'info, Clearinghouse>,
    /// The account to report on; nobody signs.
    #[account(has_one = clearinghouse @ EstuaryError::AccountOfAnotherClearinghouse)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    /// What the account's owner holds in all accounts.
    pub owner_account: AccountLoader<'info, state::Owner>,
}

impl<'info> MarginReport<'info> {
    /// Computes the report live, as every check does, and returns one view of it; see [`crate::report`].
    ///
    /// With `what_if` the summary is that of the account before and after the change, and the other views are those after
    /// it. A leg is checked and priced as the taker's of a block trade, and a trade of the same legs at the same prices gives
    /// the same margin but for its fees. Whether health, cash, limits on open interest and the market's status allow the
    /// trade is not checked: cash below zero is shown.
    ///
    /// # Errors
    /// [`EstuaryError::ReportPageUnknown`], those of the market accounts and prices, the engine's, and of added legs those
    /// of a block trade's legs.
    pub fn handle(
        ctx: Context<'info, Self>,
        page: ReportPage,
        what_if: Option<WhatIf>,
    ) -> Result<()> {
        state::read(&ctx.accounts.clearinghouse)?;
        let now = Clock::get()?.unix_timestamp;
        let account = state::read(&ctx.accounts.margin_account)?;
        let owner = owner_of(&ctx.accounts.owner_account, &account)?;
        let clearinghouse = ctx.accounts.clearinghouse.key();
        let mut needs = Needs::of(&[&*account])?;
        if let Some(change) = &what_if {
            needs = needs.looking_at(change.markets()?);
        }
        let markets = load_markets(ctx.remaining_accounts, &clearinghouse, needs, now)?;
        let markets: Vec<_> = markets.iter().map(MarketView::data).collect();
        let whose = (&*account, &*owner);
        match what_if {
            None => return_view(whose, &markets, now, page),
            Some(change) => return_changed(whose, &change, &markets, now, page),
        }
    }
}

/// Computes one view and sets it as return data.
fn return_view(
    (account, owner): (&MarginAccount, &state::Owner),
    markets: &[MarketData<'_>],
    now: i64,
    page: ReportPage,
) -> Result<()> {
    match page {
        ReportPage::Summary => {
            let view = bridge::report::summary(account, owner, markets, now)?;
            set_return_data(bytemuck::bytes_of(&view));
        }
        ReportPage::Market(index) => {
            let view = bridge::report::market(account, owner, markets, now, index)?;
            set_return_data(bytemuck::bytes_of(&view));
        }
        ReportPage::Positions(page) => {
            let view = bridge::report::positions(account, owner, markets, now, page)?;
            set_return_data(bytemuck::bytes_of(&view));
        }
    }
    Ok(())
}

/// The same of the account after a change; the summary before it too.
fn return_changed(
    (account, owner): (&MarginAccount, &state::Owner),
    change: &WhatIf,
    markets: &[MarketData<'_>],
    now: i64,
    page: ReportPage,
) -> Result<()> {
    let changed = bridge::what_if::changed((account, owner), change, markets, now)?;
    if page == ReportPage::Summary {
        let view = bridge::what_if::summaries((account, owner), &changed, markets, now)?;
        set_return_data(bytemuck::bytes_of(&*view));
        return Ok(());
    }
    let whose = changed.both()?;
    let markets = bridge::what_if::markets_of(whose.0, markets)?;
    return_view(whose, &markets, now, page)
}
