//! The legs of a block trade, and those that a margin report adds to see what they would do.

use crate::{
    error::EstuaryError,
    instructions::pair::{markets_of, Named},
    state::{MarketSet, MAX_LEGS, MAX_LOTS_PER_MARKET},
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

/// One leg that a margin report adds to an account.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddedLeg {
    /// Index of the market.
    pub market: u16,
    /// Slot of the series.
    pub slot: u16,
    /// Generation of the slot.
    pub generation: u32,
    /// Lots the account receives, negative when it sells.
    pub lots: i64,
    /// Price, a mantissa at the market's exponent; without one the mark, rounded up to buy and down to sell.
    pub price: Option<u64>,
}

/// What an account might do, for a margin report on what it would be then.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct WhatIf {
    /// Legs it would trade as the taker of a block trade, without fees.
    pub legs: Vec<AddedLeg>,
    /// Cash it would deposit, negative to withdraw, micro-units.
    pub cash: i64,
}

impl WhatIf {
    /// The markets that the legs name.
    ///
    /// # Errors
    /// [`EstuaryError::TooManyLegs`], [`EstuaryError::LotsZero`], [`EstuaryError::LotsOverflow`],
    /// [`EstuaryError::LegDuplicated`], [`EstuaryError::MarketUnknown`].
    pub fn markets(&self) -> Result<MarketSet> {
        let legs = self.legs.iter();
        markets_of(&named(legs.map(|leg| (leg.market, leg.slot, leg.lots)))?)
    }
}

/// Checks what can be checked of legs by themselves, and returns their series.
pub(super) fn check_legs(legs: &[TradeLeg]) -> Result<Vec<Named>> {
    require!(!legs.is_empty(), EstuaryError::NoLegs);
    named(legs.iter().map(|leg| (leg.market, leg.slot, leg.lots)))
}

/// The series of legs, each given by market, slot and lots.
fn named(legs: impl ExactSizeIterator<Item = (u16, u16, i64)>) -> Result<Vec<Named>> {
    require_gte!(MAX_LEGS, legs.len(), EstuaryError::TooManyLegs);
    let mut named = Vec::with_capacity(legs.len());
    for (market, slot, lots) in legs {
        require!(lots != 0, EstuaryError::LotsZero);
        require_gt!(
            MAX_LOTS_PER_MARKET,
            lots.unsigned_abs(),
            EstuaryError::LotsOverflow
        );
        named.push(Named { market, slot });
    }
    Ok(named)
}
