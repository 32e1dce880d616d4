//! Closes an empty margin account.

use crate::{
    error::EstuaryError,
    state::{self, Clearinghouse, MarginAccount},
};
use anchor_lang::prelude::*;

/// Accounts of `close_account`.
#[derive(Accounts)]
pub struct CloseAccount<'info> {
    /// Owner of the margin account; receives its rent, whoever paid it.
    #[account(mut)]
    pub owner: Signer<'info>,
    /// The clearinghouse.
    pub clearinghouse: AccountLoader<'info, Clearinghouse>,
    /// The account to close.
    #[account(
        mut,
        close = owner,
        has_one = owner @ EstuaryError::NotTheOwner,
        has_one = clearinghouse @ EstuaryError::AccountOfAnotherClearinghouse
    )]
    pub margin_account: AccountLoader<'info, MarginAccount>,
}

impl<'info> CloseAccount<'info> {
    /// Closes an account without balances and positions. Its number can be opened again.
    ///
    /// # Errors
    /// [`EstuaryError::NotTheOwner`], [`EstuaryError::AccountHasBalance`], [`EstuaryError::AccountHasPositions`].
    pub fn handle(ctx: Context<'info, Self>) -> Result<()> {
        state::read(&ctx.accounts.clearinghouse)?;
        state::read(&ctx.accounts.margin_account)?.check_empty()
    }
}
