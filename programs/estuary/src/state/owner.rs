//! What one owner holds in all margin accounts together: the measure of what unwinding any of them costs.

use super::{LotsMoved, MarginAccount, StateAccount, MAX_MARKETS};
use crate::error::EstuaryError;
use anchor_lang::prelude::*;

/// One owner's gross lots per market. It exists while the owner has a margin account.
///
/// Address: `["owner", clearinghouse, owner]`.
#[account(zero_copy)]
#[derive(Debug)]
pub struct Owner {
    /// Layout version, [`Owner::VERSION`].
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    /// Explicit padding, zero.
    pub padding: [u8; 2],
    /// Margin accounts of the owner.
    pub account_count: u32,
    /// The clearinghouse of the accounts.
    pub clearinghouse: Pubkey,
    /// Who owns them.
    pub owner: Pubkey,
    /// By index of the market: absolute lots of all positions of all margin accounts.
    pub gross_lots: [u64; MAX_MARKETS],
    /// Room for later versions, zero.
    pub reserved: [u8; 120],
}

const _: () = assert!(core::mem::size_of::<Owner>() == 704);

impl Owner {
    /// Current layout version.
    pub const VERSION: u8 = 1;

    /// What the owner of a margin account has who has no other: for computations off chain.
    #[must_use]
    pub fn of_one(account: &MarginAccount) -> Self {
        let mut owner: Self = bytemuck::Zeroable::zeroed();
        owner.version = Self::VERSION;
        owner.account_count = 1;
        owner.clearinghouse = account.clearinghouse;
        owner.owner = account.owner;
        for (market, lots) in (0u16..).zip(&mut owner.gross_lots) {
            *lots = account.gross_lots(market);
        }
        owner
    }

    /// Refuses another owner's account, or one of another clearinghouse, beside a margin account.
    ///
    /// # Errors
    /// [`EstuaryError::AccountOfAnotherClearinghouse`], [`EstuaryError::OwnerOfAnotherAccount`].
    pub fn check_owns(&self, account: &MarginAccount) -> Result<()> {
        require_keys_eq!(
            self.clearinghouse,
            account.clearinghouse,
            EstuaryError::AccountOfAnotherClearinghouse
        );
        require_keys_eq!(
            self.owner,
            account.owner,
            EstuaryError::OwnerOfAnotherAccount
        );
        Ok(())
    }

    /// Counts a margin account that was opened.
    ///
    /// # Errors
    /// [`EstuaryError::CounterOverflow`].
    pub fn add_account(&mut self) -> Result<()> {
        let count = self.account_count.checked_add(1);
        self.account_count = count.ok_or(EstuaryError::CounterOverflow)?;
        Ok(())
    }

    /// Counts a margin account that is closed, and says whether it was the last.
    ///
    /// # Errors
    /// [`EstuaryError::OwnerInvariant`].
    pub fn remove_account(&mut self) -> Result<bool> {
        let count = self.account_count.checked_sub(1);
        self.account_count = count.ok_or(EstuaryError::OwnerInvariant)?;
        Ok(self.account_count == 0)
    }

    /// Counts how a position of one of the margin accounts changed.
    ///
    /// # Errors
    /// [`EstuaryError::MarketUnknown`], [`EstuaryError::OwnerInvariant`].
    pub fn move_lots(&mut self, market: u16, moved: &LotsMoved) -> Result<()> {
        let lots = self.gross_lots.get_mut(usize::from(market));
        let lots = lots.ok_or(EstuaryError::MarketUnknown)?;
        let others = lots.checked_sub(moved.before.unsigned_abs());
        *lots = others
            .and_then(|others| others.checked_add(moved.after.unsigned_abs()))
            .ok_or(EstuaryError::OwnerInvariant)?;
        Ok(())
    }

    /// Absolute lots in a market of the owner's other margin accounts.
    #[must_use]
    pub fn other_lots(&self, account: &MarginAccount, market: u16) -> u64 {
        self.lots_beside(account.gross_lots(market), market)
    }

    /// Absolute lots in a market of the owner's margin accounts but one that has so many there.
    #[must_use]
    pub fn lots_beside(&self, account_lots: u64, market: u16) -> u64 {
        let lots = self.gross_lots.get(usize::from(market));
        // Never less than the account's own: exits do not depend on it.
        let lots = lots.copied().unwrap_or_default();
        lots.saturating_sub(account_lots)
    }
}

impl StateAccount for Owner {
    const VERSION: u8 = Self::VERSION;

    fn version(&self) -> u8 {
        self.version
    }

    fn invariant(&self) -> Result<()> {
        require_keys_neq!(self.owner, Pubkey::default(), EstuaryError::OwnerInvariant);
        let is_empty = self.account_count > 0 || self.gross_lots.iter().all(|lots| *lots == 0);
        require!(is_empty, EstuaryError::OwnerInvariant);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable;

    fn owner() -> Owner {
        let mut owner = Owner::zeroed();
        owner.owner = Pubkey::new_from_array([1; 32]);
        owner.add_account().unwrap();
        owner
    }

    #[test]
    fn lots_are_those_of_all_accounts_together() {
        let mut owner = owner();
        let mut accounts = [MarginAccount::zeroed(), MarginAccount::zeroed()];
        for (account, slot, lots) in [(0, 1, 5), (1, 1, -7), (0, 2, -3), (0, 1, -6), (1, 1, 7)] {
            let account = &mut accounts[account];
            let moved = account.apply_trade(3, slot, 1, lots, 0).unwrap();
            owner.move_lots(3, &moved).unwrap();
            let sum: u64 = accounts.iter().map(|account| account.gross_lots(3)).sum();
            assert_eq!(owner.gross_lots[3], sum);
        }
        assert_eq!(
            (owner.gross_lots[3], owner.other_lots(&accounts[0], 3)),
            (4, 0)
        );
        assert_eq!(owner.other_lots(&accounts[1], 3), 4);
        assert_eq!(owner.other_lots(&accounts[0], 4), 0);
        let more = LotsMoved {
            before: 5,
            after: 0,
        };
        assert!(owner.move_lots(3, &more).is_err(), "more than there are");
        assert!(owner.move_lots(64, &LotsMoved::default()).is_err());
    }

    #[test]
    fn accounts_are_counted() {
        let mut owner = owner();
        owner.add_account().unwrap();
        assert!(!owner.remove_account().unwrap());
        owner.gross_lots[0] = 1;
        owner.invariant().unwrap();
        assert!(owner.remove_account().unwrap());
        assert!(owner.invariant().is_err(), "lots without an account");
        assert!(owner.remove_account().is_err());
    }
}
