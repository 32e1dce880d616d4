//! Changes how far two markets offset each other.

use super::OffsetArgs;
use crate::{
    bridge::offsets::set_terms,
    error::EstuaryError,
    state::{self, Clearinghouse, MarketMut, StateAccount},
};
use anchor_lang::prelude::*;

/// Accounts of `set_offset`.
#[derive(Accounts)]
pub struct SetOffset<'info> {
    /// The clearinghouse's authority.
    pub authority: Signer<'info>,
    /// The clearinghouse.
    #[account(mut, has_one = authority @ EstuaryError::NotTheAuthority)]
    pub clearinghouse: AccountLoader<'info, Clearinghouse>,
    /// The market of the pair with the higher index, which keeps the terms.
    /// CHECK: [`MarketMut::load`] checks owner, type, length and version; the handler the clearinghouse.
    #[account(mut)]
    pub market: UncheckedAccount<'info>,
}

impl<'info> SetOffset<'info> {
    /// Sets the terms of a pair. What lets an account need more is in force at once, what lets it need less after
    /// [`crate::state::OFFSET_DELAY_SECONDS`]; terms that wait are replaced.
    ///
    /// # Errors
    /// [`EstuaryError::NotTheAuthority`], [`EstuaryError::AccountOfAnotherClearinghouse`],
    /// [`EstuaryError::OffsetMarketInvalid`], [`EstuaryError::OffsetTableFull`], [`EstuaryError::OffsetInvalid`],
    /// [`EstuaryError::CorrelationFullInvalid`], [`EstuaryError::CorrelationZeroInvalid`].
    pub fn handle(ctx: Context<'info, Self>, args: &OffsetArgs) -> Result<()> {
        let accounts = ctx.accounts;
        let now = Clock::get()?.unix_timestamp;
        state::read(&accounts.clearinghouse)?;
        let mut market = MarketMut::load(accounts.market.as_ref())?;
        require_keys_eq!(
            market.header.clearinghouse,
            accounts.clearinghouse.key(),
            EstuaryError::AccountOfAnotherClearinghouse
        );
        set_terms(market.header.pair_for(args.market)?, args, now)?;
        market.header.invariant()?;
        let mut clearinghouse = state::write(&accounts.clearinghouse)?;
        clearinghouse.bump_parameter_version()?;
        clearinghouse.invariant()
    }
}
