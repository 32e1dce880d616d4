//! One trader's account: balances of tokens and positions in series.

use super::{
    Balance, MarketSet, Position, StateAccount, Unsettled, MAX_BALANCES, MAX_MARKETS_PER_ACCOUNT,
    MAX_POSITIONS,
};
use crate::error::EstuaryError;
use anchor_lang::prelude::*;

/// A trader's account.
///
/// Address: `["margin", clearinghouse, owner, sub id]`.
#[account(zero_copy)]
#[derive(Debug)]
pub struct MarginAccount {
    /// Layout version, [`MarginAccount::VERSION`].
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    /// Number of the account among those of its owner, part of its address.
    pub sub_id: u16,
    /// How many entries of `positions` are in use.
    pub position_count: u16,
    /// Explicit padding, zero.
    pub padding: [u8; 2],
    /// The clearinghouse this account belongs to.
    pub clearinghouse: Pubkey,
    /// Who may trade, withdraw, name a delegate and close the account.
    pub owner: Pubkey,
    /// Who may trade too until `delegate_expiry`; all zeros without a delegate.
    pub delegate: Pubkey,
    /// From when on, unix seconds, the delegate may no longer trade; 0 without a delegate.
    pub delegate_expiry: i64,
    /// Markets that count this account as below zero, one bit each; 0 for an account that is not marked.
    pub marked: u64,
    /// Since when, unix seconds, the account is marked as unhealthy: its equity was below its maintenance margin, and
    /// whoever looks again has found nothing better. 0 for an account that is not marked. While it is, value leaves the
    /// account in no way and its positions are only reduced.
    pub unhealthy_since: i64,
    /// Room for later versions, zero.
    pub reserved: [u8; 64],
    /// Token balances, indexed by bank.
    pub balances: [Balance; MAX_BALANCES],
    /// What markets owe the account, or it owes them, beside its positions; in no particular order.
    pub unsettled: [Unsettled; MAX_MARKETS_PER_ACCOUNT as usize],
    /// Positions in the first `position_count` entries, sorted by market and slot; the rest is zero.
    pub positions: [Position; MAX_POSITIONS],
}

const _: () = assert!(core::mem::size_of::<MarginAccount>() == 960 + 32 * MAX_POSITIONS);

impl MarginAccount {
    /// Current layout version.
    pub const VERSION: u8 = 1;

    /// The markets the account has positions in.
    ///
    /// # Errors
    /// [`EstuaryError::MarketUnknown`] for an index no market can have.
    pub fn open_markets(&self) -> Result<MarketSet> {
        let mut set = MarketSet::default();
        let mut last = None;
        // They are in the order of their markets.
        for position in self.open_positions() {
            if last != Some(position.market) {
                set.insert(position.market)?;
                last = Some(position.market);
            }
        }
        Ok(set)
    }

    /// The markets that others settle with the account in: those it has positions in, and those that owe it or that it
    /// owes.
    ///
    /// # Errors
    /// [`EstuaryError::MarketUnknown`] for an index no market can have.
    pub fn settled_markets(&self) -> Result<MarketSet> {
        Ok(self.open_markets()?.union(self.unsettled_markets()?))
    }

    /// The markets that owe the account, or that it owes, beside its positions.
    ///
    /// # Errors
    /// [`EstuaryError::MarketUnknown`] for an index no market can have.
    pub fn unsettled_markets(&self) -> Result<MarketSet> {
        let mut set = MarketSet::default();
        for unsettled in self.unsettled.iter().filter(|one| one.is_used()) {
            set.insert(unsettled.market)?;
        }
        Ok(set)
    }

    /// The markets that lose when the account cannot pay: those it has positions in, and those that it owes beside them.
    ///
    /// # Errors
    /// [`EstuaryError::MarketUnknown`] for an index no market can have.
    pub fn liable_markets(&self) -> Result<MarketSet> {
        let mut set = self.open_markets()?;
        for unsettled in self.unsettled.iter().filter(|one| one.carry < 0) {
            set.insert(unsettled.market)?;
        }
        Ok(set)
    }

    /// The markets whose price the account's margin depends on: those it has positions or tokens in.
    ///
    /// # Errors
    /// [`EstuaryError::MarketUnknown`] for an index no market can have.
    pub fn priced_markets(&self) -> Result<MarketSet> {
        let mut set = self.open_markets()?;
        for token in self.tokens() {
            set.insert(token.market)?;
        }
        Ok(set)
    }

    /// All markets the account's equity depends on: those with a price, and those that owe it or that it owes.
    ///
    /// # Errors
    /// [`EstuaryError::MarketUnknown`] for an index no market can have.
    pub fn markets(&self) -> Result<MarketSet> {
        Ok(self.priced_markets()?.union(self.unsettled_markets()?))
    }

    /// Whether the account has neither positions nor debts, so that nothing it holds is needed as margin.
    #[must_use]
    pub fn owes_nothing(&self) -> bool {
        self.position_count == 0
            && self.unsettled.iter().all(|unsettled| unsettled.carry >= 0)
            && self.balances.iter().all(|balance| balance.amount >= 0)
    }

    /// Whether anything needs the account's tokens as margin: positions, or debts beyond its cash.
    #[must_use]
    pub fn needs_tokens(&self) -> bool {
        if self.position_count > 0 {
            return true;
        }
        let cash = i128::from(self.cash());
        let owed = self.unsettled.iter().map(|one| one.carry.min(0));
        let left = owed.fold(cash, |sum, owed| sum.saturating_add(owed.into()));
        left < 0
    }

    /// What the account owes to a market beside positions, micro-units.
    #[must_use]
    pub fn loss_in(&self, market: u16) -> u64 {
        let carry = self.unsettled_in(market).map_or(0, |one| one.carry);
        carry.min(0).unsigned_abs()
    }

    /// What the account owes to all markets beside positions, micro-units.
    #[must_use]
    pub fn losses(&self) -> u64 {
        let loss = |one: &Unsettled| one.carry.min(0).unsigned_abs();
        let sum = |sum: u64, one: &Unsettled| sum.saturating_add(loss(one));
        self.unsettled.iter().fold(0, sum)
    }

    /// What the account owes beside positions to those markets that it is marked in, micro-units.
    #[must_use]
    pub fn marked_losses(&self) -> u64 {
        let marked = MarketSet::from_bits(self.marked);
        let loss = |market| self.loss_in(market);
        marked
            .iter()
            .fold(0, |sum: u64, market| sum.saturating_add(loss(market)))
    }

    /// What is unsettled in a market beside positions, if anything.
    #[must_use]
    pub fn unsettled_in(&self, market: u16) -> Option<&Unsettled> {
        self.unsettled
            .iter()
            .find(|unsettled| unsettled.is_used() && unsettled.market == market)
    }

    /// The entry for what is unsettled in a market, a new one where there is none. An entry left with nothing in it is
    /// free again.
    ///
    /// # Errors
    /// [`EstuaryError::AccountInTooManyMarkets`].
    pub fn unsettled_mut(&mut self, market: u16) -> Result<&mut Unsettled> {
        let held = |one: &Unsettled| one.is_used() && one.market == market;
        let place = self.unsettled.iter().position(held);
        let place = place.or_else(|| self.unsettled.iter().position(|one| !one.is_used()));
        let entry = place.and_then(|place| self.unsettled.get_mut(place));
        let entry = entry.ok_or_else(|| {
            error!(EstuaryError::AccountInTooManyMarkets)
                .with_values((market, MAX_MARKETS_PER_ACCOUNT))
        })?;
        if !entry.is_used() {
            *entry = Unsettled {
                market,
                ..Unsettled::default()
            };
        }
        Ok(entry)
    }

    /// Adds to what is unsettled in a market and neither claimed nor paid.
    ///
    /// # Errors
    /// [`EstuaryError::AccountInTooManyMarkets`], [`EstuaryError::AmountOverflow`].
    pub fn add_carry(&mut self, market: u16, change: i64) -> Result<()> {
        let entry = self.unsettled_mut(market)?;
        entry.carry = entry.carry.checked_add(change).ok_or_else(|| {
            error!(EstuaryError::AmountOverflow).with_values((entry.carry, change))
        })?;
        if !entry.is_used() {
            *entry = Unsettled::default();
        }
        Ok(())
    }

    /// Frees the entries that nothing is left in.
    pub fn drop_unused(&mut self) {
        for unsettled in self.unsettled.iter_mut().filter(|one| !one.is_used()) {
            *unsettled = Unsettled::default();
        }
    }

    /// Whether `signer` may trade for this account: its owner, or its delegate before the delegation expires.
    ///
    /// # Errors
    /// [`EstuaryError::DelegateExpired`] with the expiry and the time, [`EstuaryError::NotTheOwner`] for anyone else.
    pub fn check_trader(&self, signer: &Pubkey, now: i64) -> Result<()> {
        if *signer == self.owner {
            return Ok(());
        }
        let has_delegate = self.delegate != Pubkey::default();
        require!(
            has_delegate && *signer == self.delegate,
            EstuaryError::NotTheOwner
        );
        require_gt!(self.delegate_expiry, now, EstuaryError::DelegateExpired);
        Ok(())
    }

    /// Records whether the account's equity is below its maintenance margin; a mark keeps its time.
    pub fn mark_health(&mut self, is_failing: bool, now: i64) {
        if !is_failing {
            self.unhealthy_since = 0;
        } else if self.unhealthy_since == 0 {
            // A clock at 0 would mark nobody.
            self.unhealthy_since = now.max(1);
        }
    }

    /// Refuses an account that is marked as unhealthy.
    ///
    /// # Errors
    /// [`EstuaryError::AccountMarkedUnhealthy`] with the time of the mark.
    pub fn check_unmarked(&self) -> Result<()> {
        require_eq!(
            self.unhealthy_since,
            0,
            EstuaryError::AccountMarkedUnhealthy
        );
        Ok(())
    }

    /// Refuses an account that holds anything: a balance, a position, or something unsettled.
    ///
    /// # Errors
    /// [`EstuaryError::AccountHasBalance`] with the bank and the amount, [`EstuaryError::AccountHasPositions`] with
    /// their number, [`EstuaryError::AccountHasUnsettled`] with the market and its carry.
    pub fn check_empty(&self) -> Result<()> {
        for balance in &self.balances {
            if balance.amount != 0 {
                let values = (balance.bank, balance.amount);
                return Err(error!(EstuaryError::AccountHasBalance).with_values(values));
            }
        }
        require_eq!(self.position_count, 0, EstuaryError::AccountHasPositions);
        if let Some(unsettled) = self.unsettled.iter().find(|one| one.is_used()) {
            let values = (unsettled.market, unsettled.carry);
            return Err(error!(EstuaryError::AccountHasUnsettled).with_values(values));
        }
        Ok(())
    }
}

impl StateAccount for MarginAccount {
    const VERSION: u8 = Self::VERSION;

    fn version(&self) -> u8 {
        self.version
    }

    fn invariant(&self) -> Result<()> {
        require_gte!(
            MAX_POSITIONS,
            usize::from(self.position_count),
            EstuaryError::MarginAccountInvariant
        );
        self.check_balances()?;
        require!(
            self.delegate != Pubkey::default() || self.delegate_expiry == 0,
            EstuaryError::MarginAccountInvariant
        );
        require_gte!(
            self.unhealthy_since,
            0,
            EstuaryError::MarginAccountInvariant
        );
        self.check_positions()
    }
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test that overflows fails"
)]
mod tests {
    use super::*;
    use bytemuck::Zeroable;

    #[test]
    fn a_mark_keeps_its_time_until_it_goes() {
        let mut account = MarginAccount::zeroed();
        account.check_unmarked().unwrap();
        for (is_failing, now, since) in [(true, 7, 7), (true, 9, 7), (false, 9, 0), (true, 0, 1)] {
            account.mark_health(is_failing, now);
            assert_eq!(account.unhealthy_since, since);
            assert_eq!(account.check_unmarked().is_ok(), since == 0);
            account.invariant().unwrap();
        }
        account.unhealthy_since = -1;
        assert!(account.invariant().is_err());
    }

    #[test]
    fn the_cost_of_a_closed_position_is_carried() {
        let mut account = MarginAccount::zeroed();
        account.apply_trade(3, 0, 1, 5, -500).unwrap();
        assert_eq!(account.unsettled_in(3), None);
        account.apply_trade(3, 0, 1, -5, 400).unwrap();
        assert_eq!(account.position_count, 0);
        let carry = |account: &MarginAccount| account.unsettled_in(3).map(|one| one.carry);
        assert_eq!(carry(&account), Some(-100));
        assert!(account.priced_markets().unwrap().is_empty());
        assert!(account.markets().unwrap().contains(3));
        assert!(!account.owes_nothing());
        account.invariant().unwrap();
        account.add_carry(3, 100).unwrap();
        assert_eq!(carry(&account), None);
        assert!(account.owes_nothing() && account.check_empty().is_ok());
    }

    #[test]
    fn more_markets_than_entries_are_refused() {
        let mut account = MarginAccount::zeroed();
        for market in 0..MAX_MARKETS_PER_ACCOUNT as u16 {
            account.add_carry(market, 1).unwrap();
        }
        assert!(account.add_carry(60, 1).is_err());
        account.invariant().unwrap();
        account.apply_trade(60, 0, 1, 1, 0).unwrap();
        assert!(account.invariant().is_err());
    }
}
