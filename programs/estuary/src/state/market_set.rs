//! Which markets something is about.

use crate::error::EstuaryError;
use anchor_lang::prelude::*;

/// A set of market indices, one bit each ([`super::MAX_MARKETS`] of them).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarketSet(u64);

impl MarketSet {
    /// Adds a market.
    ///
    /// # Errors
    /// [`EstuaryError::MarketUnknown`] for an index no market can have.
    pub fn insert(&mut self, market: u16) -> Result<()> {
        let bit = 1u64
            .checked_shl(u32::from(market))
            .ok_or(EstuaryError::MarketUnknown)?;
        self.0 |= bit;
        Ok(())
    }

    /// Whether the set has a market.
    #[must_use]
    pub fn contains(self, market: u16) -> bool {
        1u64.checked_shl(u32::from(market))
            .is_some_and(|bit| self.0 & bit != 0)
    }

    /// Takes a market out, if it is there.
    pub fn remove(&mut self, market: u16) {
        let bit = 1u64.checked_shl(u32::from(market));
        self.0 &= !bit.unwrap_or_default();
    }

    /// The markets of either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The set with the bits given.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The set as bits, the form accounts store.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many markets the set has.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// The markets, ascending.
    pub fn iter(self) -> impl Iterator<Item = u16> {
        // Most sets have a few low markets: going past them one by one is cheaper than counting zeros in software.
        let (mut rest, mut next) = (self.0, 0u16);
        core::iter::from_fn(move || {
            while rest != 0 {
                let (market, is_in) = (next, rest & 1 != 0);
                // Below 64: each bit is shifted out once.
                (rest, next) = (rest >> 1, next.wrapping_add(1));
                if is_in {
                    return Some(market);
                }
            }
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_markets_ascends() {
        let mut set = MarketSet::default();
        assert!(set.is_empty());
        for market in [63, 0, 5, 5] {
            set.insert(market).unwrap();
        }
        assert!(set.insert(64).is_err());
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 5, 63]);
        set.remove(1);
        set.remove(64);
        assert_eq!(set.len(), 3);
        assert_eq!(set.len(), 3);
        assert!(set.contains(5) && !set.contains(6) && !set.contains(64));
    }
}
