//! What trades, settlement and liquidations write about a market: the last price seen, the lots held, what is unsettled
//! and who is owed it.

use super::{ClaimsPool, StateAccount, StoredReturns, MAX_SERIES};
use crate::{bridge::offsets::record_return, error::EstuaryError};
use anchor_lang::prelude::*;

/// The written half of a market. Trades lock this account and leave the market itself readable.
///
/// Address: `["ledger", market]`.
#[account(zero_copy)]
#[derive(Debug)]
pub struct MarketLedger {
    /// Layout version, [`MarketLedger::VERSION`].
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    /// Index of the market in its clearinghouse.
    pub market_index: u16,
    /// Explicit padding, zero.
    pub padding: [u8; 4],
    /// The market this ledger belongs to.
    pub market: Pubkey,
    /// Publish time, unix seconds, of the latest price a writing instruction used. No instruction uses an older one.
    pub last_publish_time: i64,
    /// Sum over all accounts of the cost of their positions in the market and of their unsettled carry, micro-units of
    /// the settlement token.
    pub total_cost: i64,
    /// Sum of `open_lots` over all slots.
    pub total_open_lots: u64,
    /// Settlement values of matured positions that left their accounts, summed: what the other side of their series
    /// still has to bring in, negative when it is to receive. Zero once both sides of every series have settled.
    pub exercised: i64,
    /// Gains registered, cash paid in for them, and losses nobody is left to pay.
    pub claims: ClaimsPool,
    /// Trading fees paid and not swept yet, micro-units; part of the settlement bank's deposits.
    pub fees: u64,
    /// Trading fees that cash did not cover and that went to accounts' carry, micro-units: paid out of losses once claims
    /// are served.
    pub fees_unpaid: u64,
    /// What the price has done lately: the first price of every two hours that a writing instruction used.
    pub returns: StoredReturns,
    /// Room for later versions, zero.
    pub reserved: [u8; 160],
    /// Per series slot, the absolute lots of all positions, long and short. Until the series is settled both sides have
    /// half of it, the open interest; zero means that nobody is left on either side.
    pub open_lots: [u64; MAX_SERIES],
}

const _: () = assert!(core::mem::size_of::<MarketLedger>() == 9_176);
const _: () = assert!(core::mem::size_of::<MarketLedger>() + 8 <= 10_240);

impl MarketLedger {
    /// Current layout version.
    pub const VERSION: u8 = 1;

    /// Records a price that an instruction used, a mantissa at the market's exponent, by its publish time. The first one of
    /// an interval of two hours gives a return.
    ///
    /// # Errors
    /// [`EstuaryError::PriceOlderThanLast`] when the ledger has seen a later price.
    pub fn record_price(&mut self, publish_time: i64, price: u64) -> Result<()> {
        require_gte!(
            publish_time,
            self.last_publish_time,
            EstuaryError::PriceOlderThanLast
        );
        self.last_publish_time = publish_time;
        record_return(&mut self.returns, publish_time, price);
        Ok(())
    }

    /// Absolute lots of all positions in a slot, both sides.
    ///
    /// # Errors
    /// [`EstuaryError::SlotUnknown`] for a slot outside the table.
    pub fn lots(&self, slot: u16) -> Result<u64> {
        let lots = self.open_lots.get(usize::from(slot)).copied();
        lots.ok_or_else(|| error!(EstuaryError::SlotUnknown))
    }

    /// Refuses a slot that anybody has lots in.
    ///
    /// # Errors
    /// [`EstuaryError::SeriesHasOpenLots`] with the slot and the lots of both sides.
    pub fn check_unheld(&self, slot: u16) -> Result<()> {
        let lots = self.lots(slot)?;
        if lots != 0 {
            return Err(error!(EstuaryError::SeriesHasOpenLots).with_values((slot, lots)));
        }
        Ok(())
    }

    /// Open interest of a slot, lots: what its longs hold, and its shorts. Rounded up where one side of a settled series
    /// is left with more than the other.
    ///
    /// # Errors
    /// [`EstuaryError::SlotUnknown`] for a slot outside the table.
    pub fn open_interest_up(&self, slot: u16) -> Result<u64> {
        Ok(self.lots(slot)?.div_ceil(2))
    }

    /// Open interest of all slots together, lots, rounded up as that of a slot.
    #[must_use]
    pub const fn total_open_interest_up(&self) -> u64 {
        self.total_open_lots.div_ceil(2)
    }

    /// Moves one account's lots in `slot` from `before` to `after`.
    ///
    /// # Errors
    /// [`EstuaryError::SlotUnknown`] for a slot outside the table, [`EstuaryError::LedgerInvariant`] when the lots
    /// counted would leave their range.
    pub fn move_lots(&mut self, slot: u16, before: i64, after: i64) -> Result<()> {
        let lots = self
            .open_lots
            .get_mut(usize::from(slot))
            .ok_or(EstuaryError::SlotUnknown)?;
        let moved = |from: u64| {
            let rest = from.checked_sub(before.unsigned_abs());
            let sum = rest.and_then(|rest| rest.checked_add(after.unsigned_abs()));
            sum.ok_or(EstuaryError::LedgerInvariant)
        };
        *lots = moved(*lots)?;
        self.total_open_lots = moved(self.total_open_lots)?;
        Ok(())
    }

    /// The conservation identity of a market: what positions and carries have coming, with the claims registered and the
    /// fees unpaid, is what losers still owe, less the cash and the losses set against it. Zero.
    ///
    /// # Errors
    /// [`EstuaryError::LedgerInvariant`], also when a sum leaves its range.
    fn imbalance(&self) -> Result<i128> {
        let claims = i128::from(self.claims.outstanding()?);
        let settled = i128::from(self.claims.unallocated)
            .saturating_add(i128::from(self.claims.loss_to_share))
            .saturating_add(i128::from(self.exercised));
        let open = i128::from(self.total_cost)
            .saturating_add(claims)
            .saturating_add(self.fees_unpaid.into());
        Ok(open.saturating_sub(settled))
    }

    /// Counts the settlement value of a matured position that left its account and became carry.
    ///
    /// # Errors
    /// [`EstuaryError::AmountOverflow`].
    pub fn add_exercised(&mut self, value: i64) -> Result<()> {
        let sum = self.exercised.checked_add(value);
        self.exercised = sum.ok_or(EstuaryError::AmountOverflow)?;
        self.add_cost(value)
    }

    /// Counts a trading fee: the part paid in cash, and the part that the account's carry fell by.
    ///
    /// # Errors
    /// [`EstuaryError::AmountOverflow`].
    pub fn add_fee(&mut self, paid: u64, unpaid: i64) -> Result<()> {
        let overflow = || error!(EstuaryError::AmountOverflow).with_values((paid, unpaid));
        let fees = self.fees.checked_add(paid);
        let fees_unpaid = self.fees_unpaid.checked_add_signed(unpaid);
        self.fees = fees.ok_or_else(overflow)?;
        self.fees_unpaid = fees_unpaid.ok_or_else(overflow)?;
        self.add_cost(unpaid.checked_neg().ok_or_else(overflow)?)
    }

    /// What losers may pay in: what is claimed and, while nobody is kept waiting, the unpaid fees, as far as cash that
    /// waits for its round does not cover them.
    ///
    /// # Errors
    /// [`EstuaryError::LedgerInvariant`].
    pub fn payable(&self) -> Result<u64> {
        if self.claims.is_frozen() {
            return self.claims.payable();
        }
        let due = self.claims.outstanding()?.checked_add(self.fees_unpaid);
        let due = due.ok_or(EstuaryError::LedgerInvariant)?;
        Ok(due.saturating_sub(self.claims.unallocated))
    }

    /// Pays unpaid fees out of cash in the pool that no claim waits for, and returns how much.
    ///
    /// # Errors
    /// [`EstuaryError::LedgerInvariant`].
    pub fn collect_fees(&mut self) -> Result<u64> {
        if self.fees_unpaid == 0 || self.claims.is_frozen() {
            return Ok(0);
        }
        let outstanding = self.claims.outstanding()?;
        let free = self.claims.unallocated.saturating_sub(outstanding);
        let amount = free.min(self.fees_unpaid);
        let less = |sum: u64| sum.checked_sub(amount).ok_or(EstuaryError::LedgerInvariant);
        self.claims.cash = less(self.claims.cash)?;
        self.claims.unallocated = less(self.claims.unallocated)?;
        self.fees_unpaid = less(self.fees_unpaid)?;
        let fees = self.fees.checked_add(amount);
        self.fees = fees.ok_or(EstuaryError::AmountOverflow)?;
        Ok(amount)
    }

    /// Gives up unpaid fees for a loss that nobody is left to pay, before anyone else bears it, and returns how much of
    /// the loss that was.
    pub fn waive_fees(&mut self, loss: u64) -> u64 {
        let waived = self.fees_unpaid.min(loss);
        self.fees_unpaid = self.fees_unpaid.saturating_sub(waived);
        waived
    }

    /// Gives up unpaid fees for a loss that waits: those charged since it was recognised bear it before claims do, too.
    /// Returns how much of the loss that was.
    pub fn set_off_fees(&mut self) -> u64 {
        let waived = self.waive_fees(self.claims.loss_to_share);
        self.claims.lower_loss(waived);
        waived
    }

    /// Adds a change of one account's cost or carry to the total.
    ///
    /// # Errors
    /// [`EstuaryError::AmountOverflow`] when the total leaves `i64`.
    pub fn add_cost(&mut self, change: i64) -> Result<()> {
        self.total_cost = self
            .total_cost
            .checked_add(change)
            .ok_or(EstuaryError::AmountOverflow)?;
        Ok(())
    }
}

impl StateAccount for MarketLedger {
    const VERSION: u8 = Self::VERSION;

    fn version(&self) -> u8 {
        self.version
    }

    fn invariant(&self) -> Result<()> {
        let imbalance = self.imbalance()?;
        if imbalance != 0 {
            return Err(error!(EstuaryError::LedgerInvariant).with_values((imbalance, 0)));
        }
        // What waits for its round is in the pool.
        require_gte!(
            self.claims.cash,
            self.claims.unallocated,
            EstuaryError::LedgerInvariant
        );
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
    use bytemuck::Zeroable;

    /// A market whose losers owe what one winner of 100 has claimed and a fee of 30.
    fn ledger() -> MarketLedger {
        let mut ledger = MarketLedger::zeroed();
        ledger.add_fee(5, 30).unwrap();
        ledger.claims.register(0, 100).unwrap();
        ledger.add_cost(-100).unwrap();
        ledger.invariant().unwrap();
        ledger
    }

    /// A loser pays.
    fn pay(ledger: &mut MarketLedger, amount: u64) {
        ledger.claims.pay_in(amount).unwrap();
        ledger.add_cost(amount as i64).unwrap();
        ledger.invariant().unwrap();
    }

    #[test]
    fn unpaid_fees_wait_for_claims_and_for_a_freeze() {
        let mut ledger = ledger();
        assert_eq!((ledger.fees, ledger.fees_unpaid), (5, 30));
        assert_eq!(ledger.payable().unwrap(), 130);
        pay(&mut ledger, 100);
        assert_eq!(ledger.collect_fees().unwrap(), 0, "the claim's");
        assert_eq!(ledger.payable().unwrap(), 30);
        ledger.claims.unresolved = 1;
        assert_eq!(ledger.payable().unwrap(), 0);
        pay(&mut ledger, 20);
        assert_eq!(ledger.collect_fees().unwrap(), 0, "frozen");
        ledger.claims.unresolved = 0;
        assert_eq!(ledger.collect_fees().unwrap(), 20);
        assert_eq!(ledger.payable().unwrap(), 10);
        pay(&mut ledger, 15);
        assert_eq!(ledger.collect_fees().unwrap(), 10, "no more than is owed");
        assert_eq!((ledger.fees, ledger.fees_unpaid), (35, 0));
        assert_eq!(ledger.claims.unallocated, 105);
        ledger.invariant().unwrap();
    }

    #[test]
    fn fees_are_given_up_as_far_as_there_are_any() {
        let mut ledger = ledger();
        assert_eq!(ledger.waive_fees(20), 20);
        assert_eq!(ledger.waive_fees(20), 10);
        assert_eq!(ledger.waive_fees(20), 0);
        assert_eq!((ledger.fees, ledger.fees_unpaid), (5, 0));
    }
}
