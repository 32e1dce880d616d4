//! The token balances of a margin account.

use super::{Bank, MarginAccount, NO_MARKET, SETTLEMENT_BANK};
use crate::error::EstuaryError;
use anchor_lang::prelude::*;

/// What an account holds of one bank's token. The array is indexed by bank, so an entry needs no key of its own, but
/// it stores it: a reader of raw bytes should not have to know. What values the balance is stored with it, so that no
/// check needs the bank.
#[zero_copy]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// Index of the bank in the clearinghouse.
    pub bank: u16,
    /// Index of the market whose underlying the token is, written with the first deposit; [`NO_MARKET`] before it and
    /// for the settlement token.
    pub market: u16,
    /// Decimals of the token, written with the first deposit.
    pub decimals: u8,
    /// Explicit padding, zero.
    pub padding: [u8; 3],
    /// Base units of the token. Negative for the settlement token only, when the account owes it.
    pub amount: i64,
}

const _: () = assert!(core::mem::size_of::<Balance>() == 16);

impl Balance {
    /// An empty balance with a bank.
    #[must_use]
    pub fn empty(bank: u16) -> Self {
        Self {
            bank,
            market: NO_MARKET,
            ..Self::default()
        }
    }

    /// Whether this is some amount of a token other than the settlement token.
    #[must_use]
    pub const fn is_token(&self) -> bool {
        // Most are empty.
        self.amount != 0 && self.bank != SETTLEMENT_BANK
    }
}

impl MarginAccount {
    /// The balances in tokens other than the settlement token: spot positions in their markets.
    pub fn tokens(&self) -> impl Iterator<Item = &Balance> {
        self.balances.iter().filter(|balance| balance.is_token())
    }

    /// Balance in a bank's token, base units.
    #[must_use]
    pub fn balance(&self, bank: u16) -> i64 {
        self.balances
            .get(usize::from(bank))
            .map_or(0, |balance| balance.amount)
    }

    /// Cash in the settlement token, micro-units; negative when the account owes it.
    #[must_use]
    pub fn cash(&self) -> i64 {
        self.balance(SETTLEMENT_BANK)
    }

    fn balance_mut(&mut self, bank: u16) -> Result<&mut Balance> {
        self.balances
            .get_mut(usize::from(bank))
            .ok_or_else(|| error!(EstuaryError::BankUnknown))
    }

    /// Changes the balance in a bank's token by `change` base units. A debt can be repaid so, not made or deepened.
    ///
    /// # Errors
    /// [`EstuaryError::BalanceNegative`] when the balance would fall to less than nothing, [`EstuaryError::AmountOverflow`]
    /// when it would leave `i64`, [`EstuaryError::BankUnknown`] for an index no bank can have.
    pub fn change_balance(&mut self, bank: u16, change: i64) -> Result<()> {
        let balance = self.balance_mut(bank)?;
        let amount = balance.amount.checked_add(change).ok_or_else(|| {
            error!(EstuaryError::AmountOverflow).with_values((balance.amount, change))
        })?;
        if amount < 0 && change < 0 {
            return Err(error!(EstuaryError::BalanceNegative).with_values((balance.amount, change)));
        }
        balance.amount = amount;
        Ok(())
    }

    /// Adds a deposit of `amount` base units, the first of which writes what values the balance.
    ///
    /// # Errors
    /// Those of [`MarginAccount::change_balance`].
    pub fn add_deposit(&mut self, bank: &Bank, amount: u64) -> Result<()> {
        let amount = i64::try_from(amount).map_err(|_| error!(EstuaryError::AmountOverflow))?;
        let balance = self.balance_mut(bank.index)?;
        (balance.market, balance.decimals) = (bank.market, bank.decimals);
        self.change_balance(bank.index, amount)
    }

    /// Moves `amount` base units of a bank's token to another account.
    ///
    /// # Errors
    /// Those of [`MarginAccount::change_balance`].
    pub fn move_balance(&mut self, to: &mut Self, bank: u16, amount: u64) -> Result<()> {
        let gain = i64::try_from(amount).map_err(|_| error!(EstuaryError::AmountOverflow))?;
        let loss = gain.checked_neg().ok_or(EstuaryError::AmountOverflow)?;
        self.change_balance(bank, loss)?;
        let (market, decimals) = {
            let given = self.balance_mut(bank)?;
            (given.market, given.decimals)
        };
        let received = to.balance_mut(bank)?;
        (received.market, received.decimals) = (market, decimals);
        to.change_balance(bank, gain)
    }

    /// Takes `amount` micro-units of cash out of the account, borrowing from the settlement token's bank what it does not
    /// have. The only way to owe cash; whether the account's health allows it is for the caller to check.
    ///
    /// # Errors
    /// [`EstuaryError::AccountDebtLimit`] when it would owe more than the bank lends one account,
    /// [`EstuaryError::BankShortOfTokens`] when the bank has less to lend, [`EstuaryError::BankUnknown`] for the bank of
    /// another token, [`EstuaryError::AmountOverflow`].
    pub fn borrow_cash(&mut self, bank: &Bank, amount: u64) -> Result<()> {
        require!(bank.is_settlement(), EstuaryError::BankUnknown);
        let balance = self.balance_mut(SETTLEMENT_BANK)?;
        let after = i64::try_from(amount)
            .ok()
            .and_then(|amount| balance.amount.checked_sub(amount))
            .ok_or_else(|| {
                error!(EstuaryError::AmountOverflow).with_values((balance.amount, amount))
            })?;
        let debt = after.min(0).unsigned_abs();
        let more = debt.saturating_sub(balance.amount.min(0).unsigned_abs());
        if more > 0 {
            require_gte!(bank.max_account_debt, debt, EstuaryError::AccountDebtLimit);
            require_gte!(bank.deposits, more, EstuaryError::BankShortOfTokens);
        }
        balance.amount = after;
        Ok(())
    }

    /// Checks that only the settlement token is owed.
    pub(super) fn check_balances(&self) -> Result<()> {
        for balance in self.tokens() {
            require_gte!(balance.amount, 0, EstuaryError::BalanceNegative);
        }
        Ok(())
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
    use crate::state::StateAccount;
    use bytemuck::Zeroable;

    fn account() -> MarginAccount {
        let mut account = MarginAccount::zeroed();
        for (index, balance) in (0u16..).zip(account.balances.iter_mut()) {
            *balance = Balance::empty(index);
        }
        account
    }

    fn bank(index: u16, market: u16) -> Bank {
        let mut bank = Bank::zeroed();
        (bank.index, bank.market, bank.decimals) = (index, market, 9);
        bank.invariant().unwrap();
        bank
    }

    #[test]
    fn balances_never_fall_below_zero() {
        let mut account = account();
        account.change_balance(0, 10).unwrap();
        assert!(account.change_balance(0, -11).is_err());
        assert!(account.change_balance(0, i64::MAX).is_err());
        assert!(account.change_balance(16, 1).is_err());
        account.change_balance(0, -10).unwrap();
        assert_eq!(account.cash(), 0);
    }

    #[test]
    fn cash_is_borrowed_within_limits_and_repaid() {
        let mut settlement = bank(0, NO_MARKET);
        (settlement.max_account_debt, settlement.deposits) = (100, 60);
        let mut account = account();
        account.change_balance(0, 10).unwrap();
        let borrow = |account: &mut MarginAccount, amount| account.borrow_cash(&settlement, amount);
        assert!(borrow(&mut account, 71).is_err(), "the bank has 60 to lend");
        borrow(&mut account, 60).unwrap();
        assert_eq!(account.cash(), -50);
        assert!(borrow(&mut account, 51).is_err(), "100 for one account");
        assert!(
            account.change_balance(0, -1).is_err(),
            "no debt made otherwise"
        );
        borrow(&mut account, 50).unwrap();
        account.invariant().unwrap();
        account.change_balance(0, 30).unwrap();
        account.add_deposit(&settlement, 71).unwrap();
        assert_eq!(account.cash(), 1);
        borrow(&mut account, 1).unwrap();
        let token = bank(1, 4);
        assert!(account.borrow_cash(&token, 1).is_err());
        assert!(account.borrow_cash(&settlement, u64::MAX).is_err());
    }

    #[test]
    fn tokens_are_valued_where_their_market_is() {
        let mut account = account();
        account.add_deposit(&bank(0, NO_MARKET), 500).unwrap();
        assert!(account.priced_markets().unwrap().is_empty());
        account.add_deposit(&bank(3, 7), 5).unwrap();
        let token = account.tokens().next().unwrap();
        assert_eq!((token.bank, token.market, token.decimals), (3, 7, 9));
        let markets = |set: crate::state::MarketSet| set.iter().collect::<Vec<_>>();
        assert_eq!(markets(account.priced_markets().unwrap()), [7]);
        assert!(account.owes_nothing(), "nothing is required");
        // What closed positions owe is covered by as much cash.
        account.add_carry(2, -400).unwrap();
        account.add_carry(4, -100).unwrap();
        account.add_carry(5, 1_000).unwrap();
        assert!(!account.owes_nothing() && !account.needs_tokens());
        account.add_carry(4, -1).unwrap();
        assert!(account.needs_tokens());
        assert_eq!(markets(account.priced_markets().unwrap()), [7]);
        assert_eq!(markets(account.settled_markets().unwrap()), [2, 4, 5]);
        account.apply_trade(1, 0, 1, 3, 400).unwrap();
        assert_eq!(markets(account.priced_markets().unwrap()), [1, 7]);
        assert_eq!(markets(account.markets().unwrap()), [1, 2, 4, 5, 7]);
        let mut other = self::account();
        account.move_balance(&mut other, 3, 5).unwrap();
        assert_eq!(markets(account.priced_markets().unwrap()), [1]);
        assert_eq!(markets(other.priced_markets().unwrap()), [7]);
        assert!(account.move_balance(&mut other, 3, 1).is_err());
        other.invariant().unwrap();
    }

    #[test]
    fn markets_of_tokens_count() {
        let mut account = account();
        for market in 0..8 {
            account.apply_trade(market, 0, 1, 1, 0).unwrap();
        }
        account.add_deposit(&bank(1, 3), 5).unwrap();
        account.invariant().unwrap();
        account.add_deposit(&bank(2, 8), 5).unwrap();
        assert!(account.invariant().is_err(), "a ninth market");
    }
}
