//! Closes an empty margin account.

use crate::{
    error::EstuaryError,
    instructions::owners::owner_of_mut,
    state::{self, Clearinghouse, MarginAccount, StateAccount},
};
use anchor_lang::{prelude::*, AccountsClose};

/// Accounts of `close_account`.
#[derive(Accounts)]
pub struct CloseAccount<'info> {
    /// Owner of the margin account; receives the rent of what is closed, whoever paid it.
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
    /// What the owner holds in all accounts; closed with the last of them.
    #[account(mut)]
    pub owner_account: AccountLoader<'info, state::Owner>,
}

impl<'info> CloseAccount<'info> {
    /// Closes an account without balances and positions, and the owner's own with the last. Its number can be opened again.
    ///
    /// # Errors
    /// [`EstuaryError::NotTheOwner`], [`EstuaryError::AccountHasBalance`], [`EstuaryError::AccountHasPositions`].
    pub fn handle(ctx: Context<'info, Self>) -> Result<()> {
        let accounts = ctx.accounts;
        state::read(&accounts.clearinghouse)?;
        let was_last = {
            let account = state::read(&accounts.margin_account)?;
            account.check_empty()?;
            let mut owner = owner_of_mut(&accounts.owner_account, &account)?;
            let was_last = owner.remove_account()?;
            owner.invariant()?;
            was_last
        };
        if was_last {
            let owner = accounts.owner.to_account_info();
            accounts.owner_account.close(owner)?;
        }
        Ok(())
    }
}
