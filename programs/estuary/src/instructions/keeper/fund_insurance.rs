//! Pays into the insurance fund.

use crate::{
    error::EstuaryError,
    event::{self, InsuranceFunded},
    instructions::{settlement::check_settlement_bank, vault::Vault},
    state::{self, Bank, Clearinghouse, StateAccount},
};
use anchor_lang::prelude::*;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};

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
        has_one = vault @ EstuaryError::VaultOfAnotherBank,
        has_one = token_program @ EstuaryError::TokenProgramOfAnotherBank
    )]
    pub bank: AccountLoader<'info, Bank>,
    /// The settlement token.
    pub mint: InterfaceAccount<'info, Mint>,
    /// The bank's vault.
    #[account(mut, dup)]
    pub vault: InterfaceAccount<'info, TokenAccount>,
    /// The token account that pays.
    #[account(
        mut,
        dup,
        constraint = source.mint == mint.key() @ EstuaryError::TokenAccountMint,
        constraint = source.key() != vault.key() @ EstuaryError::VaultOfAnotherBank
    )]
    pub source: InterfaceAccount<'info, TokenAccount>,
    /// The bank's token program.
    pub token_program: Interface<'info, TokenInterface>,
}

impl<'info> FundInsurance<'info> {
    fn validate(&self, amount: u64) -> Result<()> {
        require_gt!(amount, 0, EstuaryError::AmountZero);
        state::read(&self.clearinghouse)?;
        check_settlement_bank(&self.bank)
    }

    /// Pays `amount` micro-units into the insurance fund; anyone may, and nobody gets it back.
    ///
    /// # Errors
    /// [`EstuaryError::AmountZero`], [`EstuaryError::NotTheSettlementBank`], [`EstuaryError::AmountOverflow`],
    /// [`EstuaryError::VaultAmountMismatch`], the token program's.
    pub fn handle(ctx: Context<'info, Self>, amount: u64) -> Result<()> {
        let accounts = ctx.accounts;
        accounts.validate(amount)?;
        let mut vault = Vault {
            bank: &accounts.bank,
            mint: &accounts.mint,
            vault: &mut accounts.vault,
            token_program: &accounts.token_program,
        };
        vault.pay_in(&accounts.source, &accounts.funder, amount)?;
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
