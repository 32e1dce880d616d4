//! Adds the bank of a token and its vault.

use super::mint_extensions::check_extensions;
use crate::{
    error::EstuaryError,
    seeds,
    state::{
        self, Bank, Clearinghouse, MarketRef, StateAccount, MAX_DECIMALS, NO_MARKET,
        SETTLEMENT_BANK, SETTLEMENT_DECIMALS,
    },
};
use anchor_lang::prelude::*;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};

/// Most that a bank may lend one account: a billion of the settlement token.
pub const MAX_ACCOUNT_DEBT: u64 = 1_000_000_000_000_000;

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
    pub mint: InterfaceAccount<'info, Mint>,
    /// The market whose underlying the token is; none for the settlement token.
    /// CHECK: [`MarketRef::load`] checks owner, type, length and version; the handler the clearinghouse.
    pub market: Option<UncheckedAccount<'info>>,
    /// The bank to create. Its constraint is of the mint: Anchor checks those of accounts that are not created too late,
    /// after it has asked the token program for the vault.
    #[account(
        init,
        payer = authority,
        space = Bank::SIZE,
        seeds = [seeds::BANK, clearinghouse.key().as_ref(), mint.key().as_ref()],
        bump,
        constraint = *mint.to_account_info().owner == token_program.key() @ EstuaryError::TokenProgramOfAnotherBank
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
    pub vault: InterfaceAccount<'info, TokenAccount>,
    /// The token program of the mint: SPL Token or Token-2022.
    pub token_program: Interface<'info, TokenInterface>,
    /// Creates the accounts.
    pub system_program: Program<'info, System>,
}

impl<'info> AddBank<'info> {
    /// Checks the mint, and returns the index of its market.
    fn validate(&self, max_account_debt: u64) -> Result<u16> {
        let clearinghouse = state::read(&self.clearinghouse)?;
        let decimals = self.mint.decimals;
        let mint = self.mint.to_account_info();
        check_extensions(mint.owner, &mint.try_borrow_data()?)?;
        if clearinghouse.bank_count == SETTLEMENT_BANK {
            require_keys_eq!(
                self.mint.key(),
                clearinghouse.settlement_mint,
                EstuaryError::MintIsNotSettlementToken
            );
            require_eq!(
                decimals,
                SETTLEMENT_DECIMALS,
                EstuaryError::SettlementMintDecimals
            );
            require!(self.market.is_none(), EstuaryError::SettlementBankMarket);
            require_gte!(
                MAX_ACCOUNT_DEBT,
                max_account_debt,
                EstuaryError::MaxAccountDebtInvalid
            );
            return Ok(NO_MARKET);
        }
        require_gte!(MAX_DECIMALS, decimals, EstuaryError::MintDecimalsTooMany);
        require_eq!(max_account_debt, 0, EstuaryError::TokenDebtNotZero);
        let market = self.market.as_ref();
        let market = MarketRef::load(market.ok_or(EstuaryError::BankMarketMissing)?)?;
        require_keys_eq!(
            market.header.clearinghouse,
            self.clearinghouse.key(),
            EstuaryError::AccountOfAnotherClearinghouse
        );
        Ok(market.header.index)
    }

    /// Adds the bank of the settlement token, which is the first, or of a token whose price is that of a market's
    /// underlying. `max_account_debt` is what one account may owe the settlement token's bank; nothing else is lent.
    ///
    /// A freeze authority is accepted, as nearly every stablecoin has one: who holds it can stop a vault.
    ///
    /// # Errors
    /// [`EstuaryError::NotTheAuthority`], [`EstuaryError::MintIsNotSettlementToken`] for the first bank of another token,
    /// [`EstuaryError::TokenProgramOfAnotherBank`], [`EstuaryError::SettlementBankMarket`], [`EstuaryError::BankMarketMissing`],
    /// [`EstuaryError::MaxAccountDebtInvalid`], [`EstuaryError::MintDecimalsTooMany`], [`EstuaryError::TokenDebtNotZero`], [`EstuaryError::TooManyBanks`], and one
    /// error per extension of the mint that is refused.
    pub fn handle(ctx: Context<'info, Self>, max_account_debt: u64) -> Result<()> {
        let market = ctx.accounts.validate(max_account_debt)?;
        let mut clearinghouse = state::write(&ctx.accounts.clearinghouse)?;
        let mut bank = ctx.accounts.bank.load_init()?;
        bank.version = Bank::VERSION;
        bank.bump = ctx.bumps.bank;
        bank.vault_bump = ctx.bumps.vault;
        bank.index = clearinghouse.take_bank_index()?;
        bank.market = market;
        bank.decimals = ctx.accounts.mint.decimals;
        bank.clearinghouse = ctx.accounts.clearinghouse.key();
        bank.mint = ctx.accounts.mint.key();
        bank.vault = ctx.accounts.vault.key();
        bank.token_program = ctx.accounts.token_program.key();
        bank.max_account_debt = max_account_debt;
        clearinghouse.bump_parameter_version()?;
        bank.invariant()?;
        clearinghouse.invariant()
    }
}
