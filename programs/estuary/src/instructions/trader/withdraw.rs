//! Withdraws tokens from a margin account.

use crate::{
    bridge,
    error::EstuaryError,
    event::{self, Withdrawn},
    instructions::{owners::owner_of, vault::Vault},
    market_view::{load_markets, MarketView, Needs},
    state::{self, Bank, Clearinghouse, MarginAccount, StateAccount},
};
use anchor_lang::prelude::*;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};

/// Accounts of `withdraw`. Remaining: `[market, ledger, price]` per market the account has open positions or tokens in
/// afterwards; none without open positions when the cash that stays covers what the account owes.
#[event_cpi]
#[derive(Accounts)]
pub struct Withdraw<'info> {
    /// Owner of the margin account.
    pub owner: Signer<'info>,
    /// The clearinghouse.
    pub clearinghouse: AccountLoader<'info, Clearinghouse>,
    /// The account that pays.
    #[account(
        mut,
        has_one = owner @ EstuaryError::NotTheOwner,
        has_one = clearinghouse @ EstuaryError::AccountOfAnotherClearinghouse
    )]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    /// What the owner holds in all accounts.
    pub owner_account: AccountLoader<'info, state::Owner>,
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
    /// The bank's vault.
    #[account(mut, dup)]
    pub vault: InterfaceAccount<'info, TokenAccount>,
    /// The token account that receives. Not the vault, which would pay itself.
    #[account(
        mut,
        dup,
        constraint = destination.mint == mint.key() @ EstuaryError::TokenAccountMint,
        constraint = destination.key() != vault.key() @ EstuaryError::DestinationIsVault
    )]
    pub destination: InterfaceAccount<'info, TokenAccount>,
    /// The bank's token program.
    pub token_program: Interface<'info, TokenInterface>,
}

impl<'info> Withdraw<'info> {
    fn validate(&self, amount: u64) -> Result<()> {
        require_gt!(amount, 0, EstuaryError::AmountZero);
        state::read(&self.clearinghouse)?;
        Ok(())
    }

    /// Withdraws `amount` base units. Afterwards equity has to cover the initial margin, and senior equity must not be
    /// negative; an account without open positions whose cash covers what it owes needs no market and no price. From an
    /// account marked as unhealthy nothing is withdrawn.
    ///
    /// # Errors
    /// [`EstuaryError::AmountZero`], [`EstuaryError::AccountMarkedUnhealthy`], [`EstuaryError::BalanceNegative`], [`EstuaryError::BelowInitialMargin`],
    /// [`EstuaryError::SeniorNegative`], [`EstuaryError::BankShortOfTokens`], [`EstuaryError::VaultAmountMismatch`], and
    /// those of the market accounts and prices.
    pub fn handle(ctx: Context<'info, Self>, amount: u64) -> Result<()> {
        let accounts = ctx.accounts;
        accounts.validate(amount)?;
        let now = Clock::get()?.unix_timestamp;
        let balance = accounts.take(amount)?;
        {
            let account = state::read(&accounts.margin_account)?;
            let clearinghouse = accounts.clearinghouse.key();
            let needs = Needs::to_pay_out(&account)?;
            let markets = load_markets(ctx.remaining_accounts, &clearinghouse, needs, now)?;
            let markets: Vec<_> = markets.iter().map(MarketView::data).collect();
            let owner = owner_of(&accounts.owner_account, &account)?;
            let report = bridge::assess(&account, &owner, &markets, now)?;
            bridge::check_can_pay_out(&report)?;
        }
        let mut vault = Vault {
            bank: &accounts.bank,
            mint: &accounts.mint,
            vault: &mut accounts.vault,
            token_program: &accounts.token_program,
        };
        vault.pay_out(&accounts.destination, amount)?;
        let withdrawn = Withdrawn {
            clearinghouse: accounts.clearinghouse.key(),
            margin_account: accounts.margin_account.key(),
            mint: accounts.mint.key(),
            destination: accounts.destination.key(),
            amount,
            balance,
        };
        event::emit(&accounts.event_authority, &accounts.program, &withdrawn)
    }

    /// Takes the amount from the balance, which is returned, and from the bank's deposits.
    fn take(&self, amount: u64) -> Result<i64> {
        let mut account = state::write(&self.margin_account)?;
        account.check_unmarked()?;
        let mut bank = state::write(&self.bank)?;
        let change = i64::try_from(amount)
            .ok()
            .and_then(i64::checked_neg)
            .ok_or_else(|| error!(EstuaryError::AmountOverflow))?;
        account.change_balance(bank.index, change)?;
        bank.remove_deposit(amount)?;
        account.invariant()?;
        bank.invariant()?;
        Ok(account.balance(bank.index))
    }
}
