//! Adds the bank of a token and its vault.

use crate::{
    error::EstuaryError,
    seeds,
    state::{self, Bank, Clearinghouse, StateAccount, SETTLEMENT_DECIMALS},
};
use anchor_lang::prelude::*;
use anchor_spl::token::{Mint, Token, TokenAccount};

/// Accounts of `add_bank`.
#[derive(Accounts)]
pub struct AddBank<'info> {
    /// The clearinghouse's authority; pays for the accounts.
    #[account(mut)]
    pub authority: Signer<'info>,
    /// The clearinghouse.
    #[account(mut, has_one = authority @ EstuaryError::NotTheAuthority)]
    pub clearinghouse: AccountLoader<'info, Clearinghouse>,
    /// The bank's token.
    pub mint: Account<'info, Mint>,
    /// The bank to create.
    #[account(
        init,
        payer = authority,
        space = Bank::SIZE,
        seeds = [seeds::BANK, clearinghouse.key().as_ref(), mint.key().as_ref()],
        bump
    )]
    pub bank: AccountLoader<'info, Bank>,
    /// The vault to create, a token account whose authority is the bank.
    #[account(
        init,
        payer = authority,
        token::mint = mint,
        token::authority = bank,
        token::token_program = token_program,
        seeds = [seeds::VAULT, bank.key().as_ref()],
        bump
    )]
    pub vault: Account<'info, TokenAccount>,
    /// The token program.
    pub token_program: Program<'info, Token>,
    /// Creates the accounts.
    pub system_program: Program<'info, System>,
}

impl<'info> AddBank<'info> {
    fn validate(&self) -> Result<()> {
        let clearinghouse = state::read(&self.clearinghouse)?;
        require_keys_eq!(
            self.mint.key(),
            clearinghouse.settlement_mint,
            EstuaryError::MintIsNotSettlementToken
        );
        require_eq!(
            self.mint.decimals,
            SETTLEMENT_DECIMALS,
            EstuaryError::SettlementMintDecimals
        );
        Ok(())
    }

    /// Adds the bank of the settlement token, the only bank for now.
    ///
    /// # Errors
    /// [`EstuaryError::NotTheAuthority`], [`EstuaryError::MintIsNotSettlementToken`], [`EstuaryError::TooManyBanks`].
    pub fn handle(ctx: Context<'info, Self>) -> Result<()> {
        ctx.accounts.validate()?;
        let mut clearinghouse = state::write(&ctx.accounts.clearinghouse)?;
        let mut bank = ctx.accounts.bank.load_init()?;
        bank.version = Bank::VERSION;
        bank.bump = ctx.bumps.bank;
        bank.vault_bump = ctx.bumps.vault;
        bank.index = clearinghouse.take_bank_index()?;
        bank.decimals = ctx.accounts.mint.decimals;
        bank.clearinghouse = ctx.accounts.clearinghouse.key();
        bank.mint = ctx.accounts.mint.key();
        bank.vault = ctx.accounts.vault.key();
        clearinghouse.bump_parameter_version()?;
        bank.invariant()?;
        clearinghouse.invariant()
    }
}
