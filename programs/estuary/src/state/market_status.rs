//! What may be done in a market: everything, exits only, or nothing between two accounts.

use super::{LotsMoved, Market};
use crate::error::EstuaryError;
use anchor_lang::prelude::*;

/// How far a market is open to block trades and transfers of positions. What takes a position out of the system or
/// money out of an account - deposits, withdrawals, settlement, liquidation - no status blocks.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarketStatus {
    /// Everything is allowed.
    Active,
    /// No trade or transfer raises the absolute lots that an account has of a series, or takes them to the other side.
    ReduceOnly,
    /// No trades and no transfers.
    Paused,
}

impl MarketStatus {
    /// The status with a stored code.
    ///
    /// # Errors
    /// [`EstuaryError::MarketInvariant`] for a code that no status has.
    pub fn from_code(code: u8) -> Result<Self> {
        match code {
            0 => Ok(Self::Active),
            1 => Ok(Self::ReduceOnly),
            2 => Ok(Self::Paused),
            _ => err!(EstuaryError::MarketInvariant),
        }
    }

    /// The code stored in the market's header; 0 when active.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Active => 0,
            Self::ReduceOnly => 1,
            Self::Paused => 2,
        }
    }
}

impl Market {
    /// Checks that the market's status allows an account's lots of one series to change so in a trade or transfer.
    ///
    /// # Errors
    /// [`EstuaryError::MarketPaused`], [`EstuaryError::MarketReduceOnly`] when the absolute lots rise
    /// or change sides.
    pub fn check_status(&self, moved: &LotsMoved) -> Result<()> {
        match MarketStatus::from_code(self.status)? {
            MarketStatus::Active => Ok(()),
            MarketStatus::ReduceOnly => {
                if moved.reduces() {
                    return Ok(());
                }
                let values = (moved.before, moved.after);
                Err(error!(EstuaryError::MarketReduceOnly).with_values(values))
            }
            MarketStatus::Paused => err!(EstuaryError::MarketPaused),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable;

    #[test]
    fn a_status_allows_what_it_says() {
        let allows = |status: MarketStatus, before, after| {
            let market = Market {
                status: status.code(),
                ..Market::zeroed()
            };
            market.check_status(&LotsMoved { before, after }).is_ok()
        };
        for (before, after, reduces) in [
            (5, 3, true),
            (5, 0, true),
            (-5, -4, true),
            (-5, 0, true),
            (0, 1, false),
            (0, -1, false),
            (5, 6, false),
            (-5, -6, false),
            (5, -1, false),
            (-5, 1, false),
            (i64::MIN, i64::MAX, false),
        ] {
            assert!(allows(MarketStatus::Active, before, after));
            assert_eq!(allows(MarketStatus::ReduceOnly, before, after), reduces);
            assert!(!allows(MarketStatus::Paused, before, after));
        }
        assert!(MarketStatus::from_code(3).is_err());
    }
}
