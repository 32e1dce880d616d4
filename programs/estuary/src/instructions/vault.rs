//! Tokens into and out of a bank's vault, with the checks that belong to every movement.

use crate::{
    error::EstuaryError,
    seeds,
    state::{self, Bank},
};
use anchor_lang::prelude::*;
use anchor_spl::token_interface::{
    transfer_checked, Mint, TokenAccount, TokenInterface, TransferChecked,
};

/// A bank with what its tokens move by.
pub(crate) struct Vault<'a, 'info> {
    /// The bank; it signs for its vault.
    pub bank: &'a AccountLoader<'info, Bank>,
    /// Its token.
    pub mint: &'a InterfaceAccount<'info, Mint>,
    /// Its vault.
    pub vault: &'a mut InterfaceAccount<'info, TokenAccount>,
    /// Its token program.
    pub token_program: &'a Interface<'info, TokenInterface>,
}

impl<'info> Vault<'_, 'info> {
    /// Moves tokens from `source` into the vault, signed by `authority`.
    ///
    /// # Errors
    /// [`EstuaryError::VaultAmountMismatch`] when the vault did not receive exactly `amount` or does not cover the bank's
    /// claims, the token program's.
    pub fn pay_in(
        &mut self,
        source: &InterfaceAccount<'info, TokenAccount>,
        authority: &Signer<'info>,
        amount: u64,
    ) -> Result<()> {
        let before = self.vault.amount;
        let transfer = TransferChecked {
            from: source.to_account_info(),
            mint: self.mint.to_account_info(),
            to: self.vault.to_account_info(),
            authority: authority.to_account_info(),
        };
        let context = CpiContext::new(self.token_program.key(), transfer);
        transfer_checked(context, amount, self.mint.decimals)?;
        self.vault.reload()?;
        self.check(self.vault.amount.checked_sub(before), amount)
    }

    /// Moves tokens from the vault to `destination`, signed by the bank; for 0 the token program is not asked.
    ///
    /// # Errors
    /// [`EstuaryError::VaultAmountMismatch`] when the vault did not send exactly `amount` or does not cover the bank's
    /// claims, the token program's.
    pub fn pay_out(
        &mut self,
        destination: &InterfaceAccount<'info, TokenAccount>,
        amount: u64,
    ) -> Result<()> {
        let before = self.vault.amount;
        if amount > 0 {
            self.send(destination, amount)?;
        }
        self.vault.reload()?;
        self.check(before.checked_sub(self.vault.amount), amount)
    }

    fn send(&self, destination: &InterfaceAccount<'info, TokenAccount>, amount: u64) -> Result<()> {
        let (bump, clearinghouse, mint) = {
            let bank = state::read(self.bank)?;
            ([bank.bump], bank.clearinghouse, bank.mint)
        };
        let seeds: [&[u8]; 4] = [seeds::BANK, clearinghouse.as_ref(), mint.as_ref(), &bump];
        let transfer = TransferChecked {
            from: self.vault.to_account_info(),
            mint: self.mint.to_account_info(),
            to: destination.to_account_info(),
            authority: self.bank.to_account_info(),
        };
        transfer_checked(
            CpiContext::new_with_signer(self.token_program.key(), transfer, &[&seeds]),
            amount,
            self.mint.decimals,
        )
    }

    fn check(&self, moved: Option<u64>, amount: u64) -> Result<()> {
        require!(moved == Some(amount), EstuaryError::VaultAmountMismatch);
        state::read(self.bank)?.check_solvent(self.vault.amount)
    }
}
