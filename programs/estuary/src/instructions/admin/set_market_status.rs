//! Opens a market, restricts it to exits, or pauses it.

use crate::{
    error::EstuaryError,
    state::{self, Clearinghouse, MarketMut, MarketStatus, StateAccount},
};
use anchor_lang::prelude::*;

/// Accounts of `set_market_status`.
#[derive(Accounts)]
pub struct SetMarketStatus<'info> {
    /// The clearinghouse's authority.
    pub authority: Signer<'info>,
    /// The clearinghouse.
    #[account(has_one = authority @ EstuaryError::NotTheAuthority)]
    pub clearinghouse: AccountLoader<'info, Clearinghouse>,
    /// The market.
    /// CHECK: [`MarketMut::load`] checks owner, type, length and version; the handler the clearinghouse.
    #[account(mut)]
    pub market: UncheckedAccount<'info>,
}

impl<'info> SetMarketStatus<'info> {
    /// Sets what block trades and transfers of positions may do in the market, from the next instruction on. Deposits,
    /// withdrawals, settlement and liquidations never depend on it.
    ///
    /// # Errors
    /// [`EstuaryError::NotTheAuthority`], [`EstuaryError::AccountOfAnotherClearinghouse`].
    pub fn handle(ctx: Context<'info, Self>, status: MarketStatus) -> Result<()> {
        let accounts = ctx.accounts;
        state::read(&accounts.clearinghouse)?;
        let mut market = MarketMut::load(accounts.market.as_ref())?;
        require_keys_eq!(
            market.header.clearinghouse,
            accounts.clearinghouse.key(),
            EstuaryError::AccountOfAnotherClearinghouse
        );
        market.header.status = status.code();
        market.header.invariant()
    }
}
