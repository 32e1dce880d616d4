//! Pays out the trading fees of a market.

use crate::{
    error::EstuaryError,
    event::{self, FeesSwept},
    instructions::{settlement::check_settlement_bank, vault::Vault},
    state::{self, Bank, Clearinghouse, MarketLedger, MarketRef, StateAccount},
};
use anchor_lang::prelude::*;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};

/// Accounts of `sweep_fees`.
#[event_cpi]
#[derive(Accounts)]
pub struct SweepFees<'info> {
    /// The clearinghouse's authority.
    pub authority: Signer<'info>,
    /// The clearinghouse.
    #[account(has_one = authority @ EstuaryError::NotTheAuthority)]
    pub clearinghouse: AccountLoader<'info, Clearinghouse>,
    /// The market.
    /// CHECK: [`MarketRef::load`] checks owner, type, length and version; the handler the clearinghouse.
    pub market: UncheckedAccount<'info>,
    /// Its ledger, which has the fees.
    #[account(mut, has_one = market @ EstuaryError::LedgerOfAnotherMarket)]
    pub ledger: AccountLoader<'info, MarketLedger>,
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
    /// The token account that receives, anyone's. Not the vault, which would pay itself.
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

impl<'info> SweepFees<'info> {
    fn validate(&self) -> Result<()> {
        state::read(&self.clearinghouse)?;
        let market = MarketRef::load(self.market.as_ref())?;
        require_keys_eq!(
            market.header.clearinghouse,
            self.clearinghouse.key(),
            EstuaryError::AccountOfAnotherClearinghouse
        );
        check_settlement_bank(&self.bank)
    }

    /// Moves all fees that were paid in a market: the clearinghouse's insurance share, rounded up, to the insurance fund,
    /// the rest to a token account that the authority names.
    ///
    /// # Errors
    /// [`EstuaryError::NotTheAuthority`], [`EstuaryError::NoFeesToSweep`], [`EstuaryError::NotTheSettlementBank`],
    /// [`EstuaryError::AccountOfAnotherClearinghouse`], [`EstuaryError::LedgerOfAnotherMarket`],
    /// [`EstuaryError::DestinationIsVault`], [`EstuaryError::BankShortOfTokens`], [`EstuaryError::VaultAmountMismatch`],
    /// the token program's.
    pub fn handle(ctx: Context<'info, Self>) -> Result<()> {
        let accounts = ctx.accounts;
        accounts.validate()?;
        let swept = accounts.take()?;
        let mut vault = Vault {
            bank: &accounts.bank,
            mint: &accounts.mint,
            vault: &mut accounts.vault,
            token_program: &accounts.token_program,
        };
        vault.pay_out(&accounts.destination, swept.paid_out)?;
        event::emit(&accounts.event_authority, &accounts.program, &swept)
    }

    /// Takes the fees from the ledger and the bank's deposits, and gives the insurance fund its share.
    fn take(&self) -> Result<FeesSwept> {
        let mut ledger = state::write(&self.ledger)?;
        let mut bank = state::write(&self.bank)?;
        let fees = core::mem::take(&mut ledger.fees);
        require_gt!(fees, 0, EstuaryError::NoFeesToSweep);
        let insured = state::read(&self.clearinghouse)?.insurance_share_up(fees)?;
        bank.remove_deposit(fees)?;
        bank.add_insurance(insured)?;
        bank.invariant()?;
        ledger.invariant()?;
        Ok(FeesSwept {
            clearinghouse: bank.clearinghouse,
            market: ledger.market_index,
            destination: self.destination.key(),
            paid_out: fees.saturating_sub(insured),
            insured,
            insurance: bank.insurance,
        })
    }
}
