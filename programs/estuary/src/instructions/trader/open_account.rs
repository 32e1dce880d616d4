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
    /// Pays for the account.
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
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

impl<'info> OpenAccount<'info> {
    /// Opens the owner's account number `sub_id`, empty.
    ///
    /// # Errors
    /// The system program's when the account exists.
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
        account.invariant()
    }
}
