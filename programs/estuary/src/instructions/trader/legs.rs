//! The legs of a block trade, and how many series they and two accounts have.

use crate::{
    bridge::positions_in,
    error::EstuaryError,
    state::{
        MarginAccount, MarketSet, MAX_LEGS, MAX_LOTS_PER_MARKET, MAX_POSITIONS_PER_TRANSACTION,
    },
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

/// Both accounts, taker first.
pub(super) type Pair<'a> = [&'a mut MarginAccount; 2];

/// Checks what can be checked of legs by themselves, and returns their markets.
pub(super) fn check_legs(legs: &[TradeLeg]) -> Result<MarketSet> {
    require!(!legs.is_empty(), EstuaryError::NoLegs);
    require_gte!(MAX_LEGS, legs.len(), EstuaryError::TooManyLegs);
    let mut markets = MarketSet::default();
    for (index, leg) in legs.iter().enumerate() {
        require!(leg.lots != 0, EstuaryError::LotsZero);
        require_gt!(
            MAX_LOTS_PER_MARKET,
            leg.lots.unsigned_abs(),
            EstuaryError::LotsOverflow
        );
        let same = |other: &TradeLeg| other.market == leg.market && other.slot == leg.slot;
        require!(
            !legs.iter().take(index).any(same),
            EstuaryError::LegDuplicated
        );
        markets.insert(leg.market)?;
    }
    Ok(markets)
}

/// Refuses more positions than one transaction can evaluate. A leg counts when it may open one.
pub(super) fn check_position_count(pair: &Pair<'_>, legs: &[TradeLeg]) -> Result<()> {
    let held: usize = pair
        .iter()
        .map(|account| usize::from(account.position_count))
        .sum();
    let opens = |leg: &&TradeLeg| {
        pair.iter()
            .all(|account| !account.has_position(leg.market, leg.slot))
    };
    let count = held.saturating_add(legs.iter().filter(opens).count());
    require_gte!(
        MAX_POSITIONS_PER_TRANSACTION,
        count,
        EstuaryError::TooManyPositionsForOneTransaction
    );
    Ok(())
}

/// How many different series both accounts and the legs have in a market.
pub(super) fn series_met(pair: &Pair<'_>, legs: &[TradeLeg], market: u16) -> usize {
    let [taker, maker] = pair;
    let taker_has = positions_in(taker, market).len();
    let maker_adds = positions_in(maker, market)
        .iter()
        .filter(|position| !taker.has_position(market, position.slot))
        .count();
    let legs_add = legs.iter().filter(|leg| {
        leg.market == market
            && !pair
                .iter()
                .any(|account| account.has_position(market, leg.slot))
    });
    taker_has
        .saturating_add(maker_adds)
        .saturating_add(legs_add.count())
}
