//! What trades and liquidations write about a market: the last price seen, open interest and the sum of costs.

use super::{StateAccount, MAX_SERIES};
use crate::error::EstuaryError;
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
    /// Sum of `cost` over all positions of the market, micro-units of the settlement token. Always zero: every trade
    /// adds equal and opposite amounts to two accounts.
    pub total_cost: i64,
    /// Sum of `open_interest` over all slots, lots.
    pub total_open_interest: u64,
    /// Room for later versions, zero.
    pub reserved: [u8; 184],
    /// Per series slot, the sum of all long lots (equal to the sum of all short lots).
    pub open_interest: [u64; MAX_SERIES],
}

const _: () = assert!(core::mem::size_of::<MarketLedger>() == 8_440);
const _: () = assert!(core::mem::size_of::<MarketLedger>() + 8 <= 10_240);

impl MarketLedger {
    /// Current layout version.
    pub const VERSION: u8 = 1;

    /// Records the publish time of a price that an instruction used.
    ///
    /// # Errors
    /// [`EstuaryError::PriceOlderThanLast`] when the ledger has seen a later price.
    pub fn record_price(&mut self, publish_time: i64) -> Result<()> {
        require_gte!(
            publish_time,
            self.last_publish_time,
            EstuaryError::PriceOlderThanLast
        );
        self.last_publish_time = publish_time;
        Ok(())
    }

    /// Open interest of a slot, lots.
    ///
    /// # Errors
    /// [`EstuaryError::SlotUnknown`] for a slot outside the table.
    pub fn interest(&self, slot: u16) -> Result<u64> {
        let interest = self.open_interest.get(usize::from(slot)).copied();
        interest.ok_or_else(|| error!(EstuaryError::SlotUnknown))
    }

    /// Moves one account's lots in `slot` from `before` to `after`.
    ///
    /// # Errors
    /// [`EstuaryError::SlotUnknown`] for a slot outside the table, [`EstuaryError::LedgerInvariant`] when open
    /// interest would leave its range.
    pub fn move_lots(&mut self, slot: u16, before: i64, after: i64) -> Result<()> {
        let interest = self
            .open_interest
            .get_mut(usize::from(slot))
            .ok_or(EstuaryError::SlotUnknown)?;
        let long_before = before.max(0).unsigned_abs();
        let long_after = after.max(0).unsigned_abs();
        let moved = |from: u64| {
            let rest = from.checked_sub(long_before);
            let sum = rest.and_then(|rest| rest.checked_add(long_after));
            sum.ok_or(EstuaryError::LedgerInvariant)
        };
        *interest = moved(*interest)?;
        self.total_open_interest = moved(self.total_open_interest)?;
        Ok(())
    }

    /// Adds a change of one account's cost to the total.
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
        require_eq!(self.total_cost, 0, EstuaryError::LedgerInvariant);
        Ok(())
    }
}
