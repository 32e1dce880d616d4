//! Pays into the insurance fund.

use crate::{
    error::EstuaryError,
    event::{self, InsuranceFunded},
    instructions::settlement::SETTLEMENT_BANK,
    state::{self, Bank, Clearinghouse, StateAccount},
};
use anchor_lang::prelude::*;
use anchor_spl::token::{transfer_checked, Mint, Token, TokenAccount, TransferChecked};

/// Accounts of `fund_insurance`.
#[event_cpi]
#[derive(Accounts)]
pub struct FundInsurance<'info> {
    /// Who pays.
    pub funder: Signer<'info>,
    /// The clearinghouse.
    pub clearinghouse: AccountLoader<'info, Clearinghouse>,
    /// The settlement token's bank.
    #[account(
        mut,
        has_one = clearinghouse @ EstuaryError::AccountOfAnotherClearinghouse,
        has_one = mint @ EstuaryError::TokenAccountMint,
        has_one = vault @ EstuaryError::VaultOfAnotherBank
    )]
    pub bank: AccountLoader<'info, Bank>,
    /// The settlement token.
    pub mint: Account<'info, Mint>,
    /// The bank's vault.
    #[account(mut, dup)]
    pub vault: Account<'info, TokenAccount>,
    /// The token account that pays.
    #[account(
        mut,
        dup,
        constraint = source.mint == mint.key() @ EstuaryError::TokenAccountMint,
        constraint = source.key() != vault.key() @ EstuaryError::VaultOfAnotherBank
    )]
    pub source: Account<'info, TokenAccount>,
    /// The token program.
    pub token_program: Program<'info, Token>,
}

impl<'info> FundInsurance<'info> {
    fn validate(&self, amount: u64) -> Result<()> {
        require_gt!(amount, 0, EstuaryError::AmountZero);
        state::read(&self.clearinghouse)?;
        let index = state::read(&self.bank)?.index;
        require_eq!(index, SETTLEMENT_BANK, EstuaryError::NotTheSettlementBank);
        Ok(())
    }

    /// Pays `amount` micro-units into the insurance fund; anyone may, and nobody gets it back.
    ///
    /// # Errors
    /// [`EstuaryError::AmountZero`], [`EstuaryError::NotTheSettlementBank`], [`EstuaryError::AmountOverflow`], the
    /// token program's.
    pub fn handle(ctx: Context<'info, Self>, amount: u64) -> Result<()> {
        let accounts = ctx.accounts;
        accounts.validate(amount)?;
        let transfer = TransferChecked {
            from: accounts.source.to_account_info(),
            mint: accounts.mint.to_account_info(),
            to: accounts.vault.to_account_info(),
            authority: accounts.funder.to_account_info(),
        };
        let context = CpiContext::new(accounts.token_program.key(), transfer);
        transfer_checked(context, amount, accounts.mint.decimals)?;
        let mut bank = state::write(&accounts.bank)?;
        bank.add_insurance(amount)?;
        bank.invariant()?;
        let event = InsuranceFunded {
            clearinghouse: bank.clearinghouse,
            source: accounts.source.key(),
            amount,
            insurance: bank.insurance,
        };
        event::emit(&accounts.event_authority, &accounts.program, &event)
    }
}
