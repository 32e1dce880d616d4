//! Deposits tokens into a margin account.

use crate::{
    error::EstuaryError,
    event::{self, Deposited},
    instructions::vault::Vault,
    state::{self, Bank, Clearinghouse, MarginAccount, StateAccount},
};
use anchor_lang::prelude::*;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};

/// Accounts of `deposit`.
#[event_cpi]
#[derive(Accounts)]
pub struct Deposit<'info> {
    /// Authority of the token account that pays. Anyone may deposit what the account holds or owes already, and cash.
    pub depositor: Signer<'info>,
    /// The clearinghouse.
    pub clearinghouse: AccountLoader<'info, Clearinghouse>,
    /// The account that receives.
    #[account(mut, has_one = clearinghouse @ EstuaryError::AccountOfAnotherClearinghouse)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    /// The bank of the token.
    #[account(
        mut,
        has_one = clearinghouse @ EstuaryError::AccountOfAnotherClearinghouse,
        has_one = mint @ EstuaryError::TokenAccountMint,
        has_one = vault @ EstuaryError::VaultOfAnotherBank,
        has_one = token_program @ EstuaryError::TokenProgramOfAnotherBank
    )]
    pub bank: AccountLoader<'info, Bank>,
    /// The bank's token.
    pub mint: InterfaceAccount<'info, Mint>,
    /// The bank's vault. Distinct from `source`: its authority is the bank, which signs nothing here.
    #[account(mut, dup)]
    pub vault: InterfaceAccount<'info, TokenAccount>,
    /// The token account that pays.
    #[account(mut, dup, constraint = source.mint == mint.key() @ EstuaryError::TokenAccountMint)]
    pub source: InterfaceAccount<'info, TokenAccount>,
    /// The bank's token program.
    pub token_program: Interface<'info, TokenInterface>,
}

impl<'info> Deposit<'info> {
    fn validate(&self, amount: u64) -> Result<()> {
        require_gt!(amount, 0, EstuaryError::AmountZero);
        state::read(&self.clearinghouse)?;
        // A token brings its market into every check of the account: no stranger may add one.
        let bank = state::read(&self.bank)?;
        let account = state::read(&self.margin_account)?;
        let adds_market = !bank.is_settlement() && account.balance(bank.index) == 0;
        require!(
            !adds_market || *self.depositor.key == account.owner,
            EstuaryError::DepositorIsNotTheOwner
        );
        Ok(())
    }

    /// Deposits `amount` base units. Needs no price: an exit or a rescue is never blocked by an oracle. Cash repays what
    /// the account owes first.
    ///
    /// # Errors
    /// [`EstuaryError::AmountZero`], [`EstuaryError::AmountOverflow`], [`EstuaryError::DepositorIsNotTheOwner`],
    /// [`EstuaryError::AccountInTooManyMarkets`], [`EstuaryError::VaultAmountMismatch`], the token program's.
    pub fn handle(ctx: Context<'info, Self>, amount: u64) -> Result<()> {
        let accounts = ctx.accounts;
        accounts.validate(amount)?;
        let balance = accounts.add(amount)?;
        let mut vault = Vault {
            bank: &accounts.bank,
            mint: &accounts.mint,
            vault: &mut accounts.vault,
            token_program: &accounts.token_program,
        };
        vault.pay_in(&accounts.source, &accounts.depositor, amount)?;
        let deposited = Deposited {
            clearinghouse: accounts.clearinghouse.key(),
            margin_account: accounts.margin_account.key(),
            mint: accounts.mint.key(),
            source: accounts.source.key(),
            amount,
            balance,
        };
        event::emit(&accounts.event_authority, &accounts.program, &deposited)
    }

    /// Adds the amount to the balance, which is returned, and to the bank's deposits.
    fn add(&self, amount: u64) -> Result<i64> {
        let mut account = state::write(&self.margin_account)?;
        let mut bank = state::write(&self.bank)?;
        account.add_deposit(&bank, amount)?;
        bank.add_deposit(amount)?;
        account.invariant()?;
        bank.invariant()?;
        Ok(account.balance(bank.index))
    }
}
