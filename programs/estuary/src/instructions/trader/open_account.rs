//! Opens a margin account.

use crate::{
    seeds,
    state::{self, Balance, Clearinghouse, MarginAccount, StateAccount},
};
use anchor_lang::prelude::*;

/// Accounts of `open_account`.
#[derive(Accounts)]
#[instruction(sub_id: u16)]
pub struct OpenAccount<'info> {
    /// Pays for the accounts.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// Will own the account.
    pub owner: Signer<'info>,
    /// The clearinghouse.
    pub clearinghouse: AccountLoader<'info, Clearinghouse>,
    /// The account to open.
    #[account(
        init,
        payer = payer,
        space = MarginAccount::SIZE,
        seeds = [seeds::MARGIN, clearinghouse.key().as_ref(), owner.key().as_ref(), &sub_id.to_le_bytes()],
        bump
    )]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    /// What the owner holds in all accounts; created with the first of them.
    #[account(
        init_if_needed,
        payer = payer,
        space = state::Owner::SIZE,
        seeds = [seeds::OWNER, clearinghouse.key().as_ref(), owner.key().as_ref()],
        bump
    )]
    pub owner_account: AccountLoader<'info, state::Owner>,
    /// Creates the accounts.
    pub system_program: Program<'info, System>,
}

impl<'info> OpenAccount<'info> {
    /// Opens the owner's account number `sub_id`, empty, and the owner's own account with the first.
    ///
    /// # Errors
    /// The system program's when the margin account exists.
    pub fn handle(ctx: Context<'info, Self>, sub_id: u16) -> Result<()> {
        state::read(&ctx.accounts.clearinghouse)?;
        let mut account = ctx.accounts.margin_account.load_init()?;
        account.version = MarginAccount::VERSION;
        account.bump = ctx.bumps.margin_account;
        account.sub_id = sub_id;
        account.clearinghouse = ctx.accounts.clearinghouse.key();
        account.owner = ctx.accounts.owner.key();
        for (index, balance) in (0u16..).zip(account.balances.iter_mut()) {
            *balance = Balance::empty(index);
        }
        account.invariant()?;
        ctx.accounts.count(ctx.bumps.owner_account)
    }

    /// Counts the account in the owner's, which is filled in when it is new.
    fn count(&self, bump: u8) -> Result<()> {
        let is_new = self
            .owner_account
            .as_ref()
            .try_borrow_data()?
            .starts_with(&[0; 8]);
        let mut owner = if is_new {
            let mut owner = self.owner_account.load_init()?;
            owner.version = state::Owner::VERSION;
            owner.bump = bump;
            owner.clearinghouse = self.clearinghouse.key();
            owner.owner = self.owner.key();
            owner
        } else {
            state::write(&self.owner_account)?
        };
        owner.add_account()?;
        owner.invariant()
    }
}
