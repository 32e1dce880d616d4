//! The account of one token: where deposits are held and how much the program owes for them.

use super::StateAccount;
use crate::error::EstuaryError;
use anchor_lang::prelude::*;

/// One token that margin accounts can hold. For now the settlement token only.
///
/// Address: `["bank", clearinghouse, mint]`. The bank is the authority of its vault.
#[account(zero_copy)]
#[derive(Debug)]
pub struct Bank {
    /// Layout version, [`Bank::VERSION`].
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    /// Position of this bank in its clearinghouse; balances name banks by it.
    pub index: u16,
    /// Decimals of the mint.
    pub decimals: u8,
    /// Bump of the vault's address.
    pub vault_bump: u8,
    /// Explicit padding, zero.
    pub padding: [u8; 2],
    /// The clearinghouse this bank belongs to.
    pub clearinghouse: Pubkey,
    /// The token.
    pub mint: Pubkey,
    /// Token account that holds the deposits, `["vault", bank]`.
    pub vault: Pubkey,
    /// Sum of all margin accounts' balances in this bank, in base units of the token.
    ///
    /// The vault holds at least as much: tokens sent to it outside the program are nobody's deposit.
    pub deposits: u64,
    /// The insurance fund, micro-units; of the settlement token's bank only. The vault holds it besides the deposits.
    pub insurance: u64,
    /// Room for later versions, zero.
    pub reserved: [u8; 120],
}

const _: () = assert!(core::mem::size_of::<Bank>() == 240);

impl Bank {
    /// Current layout version.
    pub const VERSION: u8 = 1;

    /// Adds a deposit of `amount` base units.
    ///
    /// # Errors
    /// [`EstuaryError::AmountOverflow`] when the total leaves `i64`, the range of balances.
    pub fn add_deposit(&mut self, amount: u64) -> Result<()> {
        self.deposits = self
            .deposits
            .checked_add(amount)
            .filter(|total| i64::try_from(*total).is_ok())
            .ok_or_else(|| {
                error!(EstuaryError::AmountOverflow).with_values((self.deposits, amount))
            })?;
        Ok(())
    }

    /// Takes out a deposit of `amount` base units.
    ///
    /// # Errors
    /// [`EstuaryError::BankInvariant`] when the bank owes less than `amount`.
    pub fn remove_deposit(&mut self, amount: u64) -> Result<()> {
        self.deposits = self.deposits.checked_sub(amount).ok_or_else(|| {
            error!(EstuaryError::BankInvariant).with_values((self.deposits, amount))
        })?;
        Ok(())
    }

    /// Adds to the insurance fund.
    ///
    /// # Errors
    /// [`EstuaryError::AmountOverflow`].
    pub fn add_insurance(&mut self, amount: u64) -> Result<()> {
        let sum = self.insurance.checked_add(amount);
        self.insurance = sum.ok_or_else(|| {
            error!(EstuaryError::AmountOverflow).with_values((self.insurance, amount))
        })?;
        Ok(())
    }

    /// Pays as much of a loss as the insurance fund has, which becomes deposits, and returns what it paid.
    ///
    /// # Errors
    /// [`EstuaryError::AmountOverflow`].
    pub fn pay_insurance(&mut self, loss: u64) -> Result<u64> {
        let paid = self.insurance.min(loss);
        self.insurance = self.insurance.saturating_sub(paid);
        self.add_deposit(paid)?;
        Ok(paid)
    }

    /// Checks the solvency identity `vault >= deposits + insurance` against the vault's token balance.
    ///
    /// # Errors
    /// [`EstuaryError::VaultShortOfDeposits`] when the vault holds less than the bank owes.
    pub fn check_solvent(&self, vault_amount: u64) -> Result<()> {
        require_gte!(
            vault_amount,
            self.deposits.saturating_add(self.insurance),
            EstuaryError::VaultShortOfDeposits
        );
        Ok(())
    }
}

impl StateAccount for Bank {
    const VERSION: u8 = Self::VERSION;

    fn version(&self) -> u8 {
        self.version
    }

    fn invariant(&self) -> Result<()> {
        require!(
            i64::try_from(self.deposits).is_ok(),
            EstuaryError::BankInvariant
        );
        Ok(())
    }
}
