//! Names or removes who may trade for an account besides its owner.

use crate::{
    error::EstuaryError,
    state::{self, Clearinghouse, MarginAccount, StateAccount},
};
use anchor_lang::prelude::*;

/// Accounts of `set_delegate`.
#[derive(Accounts)]
pub struct SetDelegate<'info> {
    /// Owner of the margin account; a delegate cannot name another.
    pub owner: Signer<'info>,
    /// The clearinghouse.
    pub clearinghouse: AccountLoader<'info, Clearinghouse>,
    /// The account to trade for.
    #[account(
        mut,
        has_one = owner @ EstuaryError::NotTheOwner,
        has_one = clearinghouse @ EstuaryError::AccountOfAnotherClearinghouse
    )]
    pub margin_account: AccountLoader<'info, MarginAccount>,
}

impl<'info> SetDelegate<'info> {
    fn validate(&self, delegate: &Pubkey, expiry: i64, now: i64) -> Result<()> {
        state::read(&self.clearinghouse)?;
        if *delegate == Pubkey::default() {
            require_eq!(expiry, 0, EstuaryError::DelegateExpiryInvalid);
            return Ok(());
        }
        require_keys_neq!(*delegate, self.owner.key(), EstuaryError::DelegateIsOwner);
        require_gt!(expiry, now, EstuaryError::DelegateExpiryInvalid);
        Ok(())
    }

    /// Lets `delegate` trade and liquidate for the account until `expiry`, unix seconds, in the place of the delegate it
    /// had. The default key with an expiry of 0 removes the delegate. A delegate may never withdraw, transfer, close the
    /// account or name a delegate.
    ///
    /// # Errors
    /// [`EstuaryError::NotTheOwner`], [`EstuaryError::DelegateExpiryInvalid`], [`EstuaryError::DelegateIsOwner`].
    pub fn handle(ctx: Context<'info, Self>, delegate: Pubkey, expiry: i64) -> Result<()> {
        let now = Clock::get()?.unix_timestamp;
        ctx.accounts.validate(&delegate, expiry, now)?;
        let mut account = state::write(&ctx.accounts.margin_account)?;
        account.delegate = delegate;
        account.delegate_expiry = expiry;
        account.invariant()
    }
}
