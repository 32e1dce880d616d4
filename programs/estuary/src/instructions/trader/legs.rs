//! The legs of a block trade.

use crate::{
    error::EstuaryError,
    instructions::pair::Named,
    state::{MAX_LEGS, MAX_LOTS_PER_MARKET},
};
use anchor_lang::prelude::*;

/// One leg of a block trade.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct TradeLeg {
    /// Index of the market.
    pub market: u16,
    /// Slot of the series.
    pub slot: u16,
    /// Generation of the slot, so that a leg never meets another series than it was agreed for.
    pub generation: u32,
    /// Lots the taker receives, negative when the taker sells.
    pub lots: i64,
    /// Price, a mantissa at the market's exponent, quote units for one unit of the underlying.
    pub price: u64,
}

/// Checks what can be checked of legs by themselves, and returns their series.
pub(super) fn check_legs(legs: &[TradeLeg]) -> Result<Vec<Named>> {
    require!(!legs.is_empty(), EstuaryError::NoLegs);
    require_gte!(MAX_LEGS, legs.len(), EstuaryError::TooManyLegs);
    let mut named = Vec::with_capacity(legs.len());
    for leg in legs {
        require!(leg.lots != 0, EstuaryError::LotsZero);
        require_gt!(
            MAX_LOTS_PER_MARKET,
            leg.lots.unsigned_abs(),
            EstuaryError::LotsOverflow
        );
        named.push(Named {
            market: leg.market,
            slot: leg.slot,
        });
    }
    Ok(named)
}
