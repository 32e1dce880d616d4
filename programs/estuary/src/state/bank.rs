//! The account of one token: where deposits are held and how much the program owes for them.

use super::{StateAccount, MAX_MARKETS, NO_MARKET, SETTLEMENT_BANK};
use crate::error::EstuaryError;
use anchor_lang::prelude::*;

/// One token that margin accounts can hold: the settlement token, or the underlying of a market.
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
    /// Index of the market whose underlying the token is, [`NO_MARKET`] for the settlement token.
    pub market: u16,
    /// The clearinghouse this bank belongs to.
    pub clearinghouse: Pubkey,
    /// The token.
    pub mint: Pubkey,
    /// Token account that holds the deposits, `["vault", bank]`.
    pub vault: Pubkey,
    /// The token program that owns the mint and the vault.
    pub token_program: Pubkey,
    /// Sum of all margin accounts' balances in this bank, negative ones subtracted, in base units of the token.
    ///
    /// The vault holds at least as much and `insurance`: tokens sent to it outside the program are nobody's deposit.
    pub deposits: u64,
    /// The insurance fund, micro-units; of the settlement token's bank only. The vault holds it besides the deposits.
    pub insurance: u64,
    /// Most that one account may owe this bank, micro-units; of the settlement token's bank only.
    pub max_account_debt: u64,
    /// Room for later versions, zero.
    pub reserved: [u8; 128],
}

const _: () = assert!(core::mem::size_of::<Bank>() == 288);

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
    /// [`EstuaryError::BankShortOfTokens`] when that is more than the bank has not lent.
    pub fn remove_deposit(&mut self, amount: u64) -> Result<()> {
        self.deposits = self.deposits.checked_sub(amount).ok_or_else(|| {
            error!(EstuaryError::BankShortOfTokens).with_values((self.deposits, amount))
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

    /// Whether this is the bank of the settlement token.
    #[must_use]
    pub const fn is_settlement(&self) -> bool {
        self.index == SETTLEMENT_BANK
    }

    /// What the vault has to hold: deposits and insurance.
    ///
    /// # Errors
    /// [`EstuaryError::AmountOverflow`].
    pub fn owed(&self) -> Result<u64> {
        self.deposits.checked_add(self.insurance).ok_or_else(|| {
            error!(EstuaryError::AmountOverflow).with_values((self.deposits, self.insurance))
        })
    }

    /// Checks the solvency identity `vault >= deposits + insurance` against the vault's token balance.
    ///
    /// # Errors
    /// [`EstuaryError::VaultShortOfDeposits`] when the vault holds less than the bank owes.
    pub fn check_solvent(&self, vault_amount: u64) -> Result<()> {
        require_gte!(
            vault_amount,
            self.owed()?,
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
        self.owed()?;
        let is_token = !self.is_settlement();
        let has_market = usize::from(self.market) < MAX_MARKETS;
        let only_of_settlement = self.insurance == 0 && self.max_account_debt == 0;
        require!(
            is_token == has_market && (has_market || self.market == NO_MARKET),
            EstuaryError::BankInvariant
        );
        require!(only_of_settlement || !is_token, EstuaryError::BankInvariant);
        Ok(())
    }
}
