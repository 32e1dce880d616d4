//! The average price that an expiry is settled at: section 9 of the margin model, without accounts.
//!
//! The window is the 30 minutes before the expiry, cut into minutes by publish time. The first price recorded of a minute
//! is that minute's. A minute without one takes the price before it, so the average covers the window from the first
//! minute filled to its end. With fewer than 20 minutes filled the window goes on after the expiry until 20 are; there only
//! minutes with a price of their own count, so that a price from before an outage does not outweigh those after it.

use crate::error::EstuaryError;
use anchor_lang::prelude::*;

/// Seconds of one minute of the window.
const MINUTE: i64 = 60;
/// Minutes of the window before the expiry.
pub const WINDOW_MINUTES: u32 = 30;
/// Minutes that need a price of their own.
pub const MIN_FILLED: u32 = 20;

/// What is known of an expiry's settlement price so far.
#[zero_copy]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SettlementAverage {
    /// Sum of the prices of the minutes covered, mantissas: low word, high word.
    pub sum: [u64; 2],
    /// Price of the last minute filled, a mantissa; 0 before the first.
    pub last_price: u64,
    /// The settlement price, a mantissa at the market's exponent, the average rounded down; 0 until it is final, then
    /// never changed.
    pub settlement_price: u64,
    /// The last minute filled, counted from the beginning of the window; it means nothing before the first.
    pub last_minute: u32,
    /// Minutes in the sum.
    pub covered: u32,
    /// Those of them with a price of their own.
    pub filled: u32,
    /// Explicit padding, zero.
    pub padding: [u8; 4],
}

const _: () = assert!(core::mem::size_of::<SettlementAverage>() == 48);

impl SettlementAverage {
    /// Whether the settlement price is fixed.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        self.settlement_price != 0
    }

    /// Whether enough minutes are filled for the window to end with the expiry, or where it is now.
    #[must_use]
    pub const fn has_enough(&self) -> bool {
        self.filled >= MIN_FILLED
    }

    /// Records a price of the expiry that ends at `expiry`, published at `publish_time`. A price after the expiry that
    /// is not needed any more changes nothing.
    ///
    /// # Errors
    /// [`EstuaryError::SettlementPriceFinal`], [`EstuaryError::SettlementWindowNotOpen`] for a price from before the
    /// window, [`EstuaryError::SettlementMinuteRecorded`] for a second price of a minute, or one of an earlier minute.
    pub fn record(&mut self, expiry: i64, publish_time: i64, price: u64) -> Result<()> {
        require!(!self.is_final(), EstuaryError::SettlementPriceFinal);
        let minute = minute_of(expiry, publish_time)?;
        if minute >= WINDOW_MINUTES && self.has_enough() {
            return Ok(());
        }
        if self.filled > 0 {
            require_gt!(
                minute,
                self.last_minute,
                EstuaryError::SettlementMinuteRecorded
            );
            self.carry_to(minute)?;
        }
        self.add(price, 1)?;
        self.filled = self
            .filled
            .checked_add(1)
            .ok_or(EstuaryError::CounterOverflow)?;
        self.last_minute = minute;
        self.last_price = price;
        Ok(())
    }

    /// Fixes the settlement price: the average of the minutes covered, rounded down.
    ///
    /// # Errors
    /// [`EstuaryError::SettlementPriceFinal`], [`EstuaryError::SettlementMinutesTooFew`].
    pub fn finalize(&mut self) -> Result<()> {
        require!(!self.is_final(), EstuaryError::SettlementPriceFinal);
        require_gte!(
            self.filled,
            MIN_FILLED,
            EstuaryError::SettlementMinutesTooFew
        );
        self.carry_to(WINDOW_MINUTES)?;
        let average = self.total().checked_div(u128::from(self.covered));
        // An average of 64-bit prices, each at least 1.
        self.settlement_price = average
            .and_then(|average| u64::try_from(average).ok())
            .ok_or(EstuaryError::AmountOverflow)?;
        Ok(())
    }

    /// Fills the minutes of the window after the last one filled and before `minute` with its price.
    fn carry_to(&mut self, minute: u32) -> Result<()> {
        let next = self.last_minute.saturating_add(1);
        let empty = minute.min(WINDOW_MINUTES).saturating_sub(next);
        self.add(self.last_price, empty)
    }

    fn add(&mut self, price: u64, minutes: u32) -> Result<()> {
        // Two factors of 64 and 32 bits.
        let added = u128::from(price).saturating_mul(u128::from(minutes));
        let total = self
            .total()
            .checked_add(added)
            .ok_or(EstuaryError::AmountOverflow)?;
        let covered = self.covered.checked_add(minutes);
        self.covered = covered.ok_or(EstuaryError::CounterOverflow)?;
        #[allow(
            clippy::cast_possible_truncation,
            reason = "the low word, then the high word"
        )]
        let words = [total as u64, (total >> 64) as u64];
        self.sum = words;
        Ok(())
    }

    fn total(&self) -> u128 {
        let [low, high] = self.sum;
        u128::from(low) | (u128::from(high) << 64)
    }
}

/// The minute of a publish time, counted from the beginning of the window.
fn minute_of(expiry: i64, publish_time: i64) -> Result<u32> {
    let start = expiry.saturating_sub(MINUTE.saturating_mul(i64::from(WINDOW_MINUTES)));
    require_gte!(publish_time, start, EstuaryError::SettlementWindowNotOpen);
    let minute = publish_time.saturating_sub(start).checked_div(MINUTE);
    minute
        .and_then(|minute| u32::try_from(minute).ok())
        .ok_or_else(|| error!(EstuaryError::CounterOverflow))
}
