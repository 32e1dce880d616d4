//! Pays out the trading fees of a market.

use crate::{
    error::EstuaryError,
    event::{self, FeesSwept},
    seeds,
    state::{self, Bank, Clearinghouse, MarketLedger, MarketRef, StateAccount},
};
use anchor_lang::prelude::*;
use anchor_spl::token_interface::{
    transfer_checked, Mint, TokenAccount, TokenInterface, TransferChecked,
};

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
        let is_settlement = state::read(&self.bank)?.is_settlement();
        require!(is_settlement, EstuaryError::NotTheSettlementBank);
        Ok(())
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
        let before = accounts.vault.amount;
        if swept.paid_out > 0 {
            accounts.transfer_out(swept.paid_out)?;
        }
        accounts.vault.reload()?;
        let sent = before.checked_sub(accounts.vault.amount);
        require!(
            sent == Some(swept.paid_out),
            EstuaryError::VaultAmountMismatch
        );
        state::read(&accounts.bank)?.check_solvent(accounts.vault.amount)?;
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

    /// Moves the tokens out of the vault, signed by the bank.
    fn transfer_out(&self, amount: u64) -> Result<()> {
        let (bump, clearinghouse, mint) = {
            let bank = state::read(&self.bank)?;
            ([bank.bump], bank.clearinghouse, bank.mint)
        };
        let seeds: [&[u8]; 4] = [seeds::BANK, clearinghouse.as_ref(), mint.as_ref(), &bump];
        let transfer = TransferChecked {
            from: self.vault.to_account_info(),
            mint: self.mint.to_account_info(),
            to: self.destination.to_account_info(),
            authority: self.bank.to_account_info(),
        };
        transfer_checked(
            CpiContext::new_with_signer(self.token_program.key(), transfer, &[&seeds]),
            amount,
            self.mint.decimals,
        )
    }
}
