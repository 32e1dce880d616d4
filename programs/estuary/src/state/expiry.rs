//! The maturities of a market: entries of its header, named by their time outside and by their index inside.

use super::{Market, SettlementAverage, MAX_EXPIRIES};
use crate::error::EstuaryError;
use anchor_lang::prelude::*;
use core::mem::size_of;

/// One maturity of a market and the smile posted for it.
#[zero_copy]
#[derive(Debug, Default)]
pub struct Expiry {
    /// When it ends, unix seconds; 0 in a free entry.
    pub time: i64,
    /// At-the-money volatility per year, parts per billion.
    pub atm_vol_ppb: u64,
    /// Correlation parameter of the smile, parts per billion, strictly between −1 and 1.
    pub rho_ppb: i64,
    /// Curvature parameter of the smile, parts per billion.
    pub phi_ppb: u64,
    /// Basis per year, parts per billion: forward = spot × (1 + rate × years left).
    pub basis_rate_ppb: i64,
    /// When the smile was posted, unix seconds.
    pub posted_at: i64,
    /// The settlement price and what leads to it.
    pub average: SettlementAverage,
    /// Room for later versions, zero.
    pub reserved: [u8; 32],
}

const _: () = assert!(size_of::<Expiry>() == 128);

impl Expiry {
    /// Whether no series can belong to this entry.
    #[must_use]
    pub const fn is_free(&self) -> bool {
        self.time == 0
    }

    /// The price its series are settled at, a mantissa, once it is final.
    #[must_use]
    pub const fn settlement_price(&self) -> Option<u64> {
        if self.average.is_final() {
            Some(self.average.settlement_price)
        } else {
            None
        }
    }
}

impl Market {
    /// The entries that have been used, free ones among them.
    #[must_use]
    pub fn open_expiries(&self) -> &[Expiry] {
        self.expiries
            .get(..usize::from(self.expiry_count))
            .unwrap_or(&self.expiries)
    }

    /// The expiry with an index.
    ///
    /// # Errors
    /// [`EstuaryError::ExpiryUnknown`], also for a free entry.
    pub fn expiry(&self, index: u8) -> Result<&Expiry> {
        Ok(self
            .open_expiries()
            .get(usize::from(index))
            .filter(|expiry| !expiry.is_free())
            .ok_or(EstuaryError::ExpiryUnknown)?)
    }

    /// Index of the expiry that ends at a time.
    ///
    /// # Errors
    /// [`EstuaryError::ExpiryUnknown`].
    pub fn expiry_at(&self, time: i64) -> Result<u8> {
        let found = self
            .open_expiries()
            .iter()
            .position(|expiry| !expiry.is_free() && expiry.time == time);
        found
            .and_then(|index| u8::try_from(index).ok())
            .ok_or_else(|| {
                error!(EstuaryError::ExpiryUnknown).with_values((time, self.expiry_count))
            })
    }

    /// The expiry with an index, to be written.
    ///
    /// # Errors
    /// [`EstuaryError::ExpiryUnknown`].
    pub fn expiry_mut(&mut self, index: u8) -> Result<&mut Expiry> {
        Ok(self
            .expiries
            .get_mut(usize::from(index))
            .ok_or(EstuaryError::ExpiryUnknown)?)
    }

    /// Puts an expiry into the first free entry, or the next unused one.
    ///
    /// # Errors
    /// [`EstuaryError::TooManyExpiries`].
    pub fn add_expiry(&mut self, expiry: Expiry) -> Result<()> {
        let count = usize::from(self.expiry_count);
        let free = self.open_expiries().iter().position(Expiry::is_free);
        let index = free.unwrap_or(count);
        let place = self.expiries.get_mut(index).ok_or_else(|| {
            error!(EstuaryError::TooManyExpiries).with_values((count, MAX_EXPIRIES))
        })?;
        *place = expiry;
        if free.is_none() {
            self.expiry_count = self
                .expiry_count
                .checked_add(1)
                .ok_or(EstuaryError::CounterOverflow)?;
        }
        Ok(())
    }
}
