//! What a liquidator is willing to take.

use crate::{bridge::MarketData, error::EstuaryError};
use anchor_lang::prelude::*;

/// What the liquidator is willing to take.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct LiquidateArgs {
    /// Most that is taken, micro-units: each lot counts as a lot of the underlying at its price, whatever the series, and
    /// tokens as what they are worth. `u64::MAX` for no limit.
    pub max_notional: u64,
    /// Prices at which it is willing to; a market that is not named has no limit.
    pub accepted: Vec<AcceptedPrice>,
}

impl LiquidateArgs {
    /// Accepts everything.
    #[must_use]
    pub const fn anything() -> Self {
        Self {
            max_notional: u64::MAX,
            accepted: Vec::new(),
        }
    }

    /// Refuses prices that the liquidator does not accept.
    pub(super) fn check_prices(&self, markets: &[MarketData<'_>]) -> Result<()> {
        for limit in &self.accepted {
            let market = markets
                .iter()
                .find(|market| market.header.index == limit.market)
                .ok_or_else(|| {
                    error!(EstuaryError::MarketAccountMissing)
                        .with_values((limit.market, markets.len()))
                })?;
            let price = market.price()?.price;
            let bound = price.clamp(limit.lowest, limit.highest.max(limit.lowest));
            if price != bound {
                let values = (price, bound);
                return Err(error!(EstuaryError::LiquidationPriceNotAccepted).with_values(values));
            }
        }
        Ok(())
    }
}

/// Worst prices of one market's underlying that a liquidator accepts; it takes longs and shorts, so there are two.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptedPrice {
    /// Index of the market.
    pub market: u16,
    /// Lowest price, a mantissa at the market's exponent.
    pub lowest: u64,
    /// Highest price, a mantissa at the market's exponent.
    pub highest: u64,
}
