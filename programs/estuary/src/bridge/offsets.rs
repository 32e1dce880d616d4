//! Offsets across markets and the returns that they go by, in the engine's terms.

use super::{errors::offset_error, MarketData};
use crate::{
    error::EstuaryError,
    instructions::OffsetArgs,
    state::{Market, MarketSet, PairEntry, StoredReturns, StoredTerms, OFFSET_DELAY_SECONDS},
};
use anchor_lang::prelude::*;
use estuary_risk::{
    fixed::ln_q40,
    portfolio::Offsets,
    returns::{validate_market, PairTerms, Returns, Statistics, RETURNS},
    scenario::Tails,
};

const _: () = assert!(crate::state::returns::RETURNS == RETURNS);

/// The places of a ring.
type Ring = [u16; RETURNS];

/// Returns as an account keeps them, with the ring where it is; see [`load_returns`] for one that never had a price.
const fn returns_in(stored: &StoredReturns) -> Returns<&Ring> {
    Returns {
        last_interval: stored.last_interval,
        observed: stored.observed,
        log_price_q40: stored.log_price_q40,
        squares_q30: stored.squares_q30,
        short_squares_q30: stored.short_squares_q30,
        sum_q15: stored.sum_q15,
        biased_q15: &stored.biased_q15,
    }
}

/// A copy of the returns that an account keeps; those of one that never had a price are empty.
const fn load_returns(stored: &StoredReturns) -> Returns {
    if stored.last_interval == 0 {
        return Returns::EMPTY;
    }
    returns_in(stored).copied()
}

const fn store_returns(returns: &Returns) -> StoredReturns {
    StoredReturns {
        last_interval: returns.last_interval,
        observed: returns.observed,
        log_price_q40: returns.log_price_q40,
        squares_q30: returns.squares_q30,
        short_squares_q30: returns.short_squares_q30,
        sum_q15: returns.sum_q15,
        biased_q15: returns.biased_q15,
    }
}

/// The returns of a market without a price.
#[must_use]
pub const fn no_returns() -> StoredReturns {
    store_returns(&Returns::EMPTY)
}

/// Records a price in the ring where it is the first of its interval.
pub fn record_return(stored: &mut StoredReturns, publish_time: i64, price: u64) {
    if Returns::interval_of(publish_time) > stored.last_interval {
        push_return(stored, publish_time, price);
    }
}

/// Apart from its caller: it happens once in two hours.
#[inline(never)]
fn push_return(stored: &mut StoredReturns, publish_time: i64, price: u64) {
    let mut returns = load_returns(stored);
    returns.record(publish_time, ln_q40(price));
    *stored = store_returns(&returns);
}

const fn load_terms(stored: &StoredTerms) -> PairTerms {
    PairTerms {
        offset_ppm: stored.offset_ppm,
        correlation_full_ppm: stored.correlation_full_ppm,
        correlation_zero_ppm: stored.correlation_zero_ppm,
    }
}

const fn stored(terms: &PairTerms) -> StoredTerms {
    StoredTerms {
        offset_ppm: terms.offset_ppm,
        correlation_full_ppm: terms.correlation_full_ppm,
        correlation_zero_ppm: terms.correlation_zero_ppm,
    }
}

/// Checks the terms of a pair and returns them in account form.
///
/// # Errors
/// The error that names the wrong parameter.
pub fn store_terms(args: &OffsetArgs) -> Result<StoredTerms> {
    let terms = PairTerms {
        offset_ppm: args.offset_ppm,
        correlation_full_ppm: args.correlation_full_ppm,
        correlation_zero_ppm: args.correlation_zero_ppm,
    };
    terms.validate().map_err(offset_error)?;
    Ok(stored(&terms))
}

/// Checks what a market brings to every pair.
///
/// # Errors
/// [`EstuaryError::OffsetFloorInvalid`], [`EstuaryError::StressVolInvalid`].
pub fn check_market(offset_floor_ppm: u32, stress_vol_ppm: u32) -> Result<()> {
    Ok(validate_market(offset_floor_ppm, stress_vol_ppm).map_err(offset_error)?)
}

/// Changes the terms of a pair: what tightens them is in force at once, the rest after [`OFFSET_DELAY_SECONDS`]. Terms that
/// wait are replaced.
///
/// # Errors
/// The error that names the wrong parameter.
pub fn set_terms(entry: &mut PairEntry, args: &OffsetArgs, now: i64) -> Result<()> {
    let wanted = store_terms(args)?;
    let current = load_terms(entry.terms_at(now));
    // An entry that has just been made has all numbers zero, which no offset is.
    let current = if current.validate().is_ok() {
        current
    } else {
        PairTerms::NONE
    };
    entry.terms = stored(&current.tighter(&load_terms(&wanted)));
    if entry.terms == wanted {
        (entry.next_terms, entry.next_from) = (StoredTerms::default(), 0);
    } else {
        let from = now.checked_add(OFFSET_DELAY_SECONDS);
        entry.next_from = from.ok_or(EstuaryError::AmountOverflow)?;
        entry.next_terms = wanted;
    }
    Ok(())
}

const fn tails(market: &Market) -> Tails<'_> {
    Tails {
        multiple_ppm: &market.parameters.tail_multiple_ppm,
        weight_ppm: &market.parameters.tail_weight_ppm,
    }
}

/// How far the priced ones of `markets`, those of one account, offset each other, in their order: the order in which its
/// books are added up.
#[must_use]
pub fn offsets(markets: &[MarketData<'_>], now: i64) -> Offsets {
    offsets_of(None, markets, now)
}

/// [`offsets`] of accounts that have something in these sets of markets, where they are given; pairs that none of them has are
/// left without.
#[must_use]
#[inline(never)]
pub fn offsets_of(held: Option<&[MarketSet]>, markets: &[MarketData<'_>], now: i64) -> Offsets {
    let has_no_pair = |held: &[MarketSet]| held.iter().all(|markets| markets.len() < 2);
    if markets.len() < 2 || held.is_some_and(has_no_pair) {
        return Offsets::NONE;
    }
    let priced = || markets.iter().filter(|market| market.price.is_some());
    let count = priced().count();
    let older = older_returns(markets, Returns::interval_of(now));
    let mut offsets = Offsets::with_room(count);
    let mut known: Vec<(&Market, Statistics<&Ring>)> = Vec::with_capacity(count);
    let mut are_alike = true;
    for (high, market) in priced().enumerate() {
        let header = market.header;
        offsets.set_floor(high, header.offset_floor_ppm);
        let returns = older.get(high).map(Returns::by_reference);
        let returns = returns.unwrap_or_else(|| returns_in(market.returns));
        let statistics = Statistics::of(returns, header.stress_vol_ppm);
        // As long as each has the tails of the one before, all align.
        let before = known.last();
        are_alike &= before.is_none_or(|(of, _)| tails(of).are_at_those_of(&tails(header)));
        if !are_alike {
            for (low, (of_low, _)) in known.iter().enumerate() {
                if !tails(of_low).align(&tails(header)) {
                    offsets.set_misaligned(low, high);
                }
            }
        }
        // Pairs are with markets of a lower index, which come before.
        for entry in header.offsets.iter().take_while(|entry| entry.is_used != 0) {
            let is_held =
                |set: &MarketSet| set.contains(header.index) && set.contains(entry.market);
            if held.is_some_and(|held| !held.iter().any(is_held)) {
                continue;
            }
            let mut earlier = known.iter().enumerate();
            if let Some((low, (_, of_low))) =
                earlier.find(|(_, (low, _))| low.index == entry.market)
            {
                let terms = load_terms(entry.terms_at(now));
                offsets.set_pair(low, high, statistics.offset(of_low, &terms));
            }
        }
        known.push((header, statistics));
    }
    offsets
}

/// The returns of all priced markets in copies brought to an interval, unless all are there: then they are read where they
/// are, for a copy takes half as long as a pair.
fn older_returns(markets: &[MarketData<'_>], interval: u64) -> Vec<Returns> {
    let priced = || markets.iter().filter(|market| market.price.is_some());
    let is_current = |market: &MarketData<'_>| market.returns.last_interval == interval;
    if interval != 0 && priced().all(is_current) {
        return Vec::new();
    }
    let advanced = |market: &MarketData<'_>| {
        let mut returns = load_returns(market.returns);
        returns.advance(interval);
        returns
    };
    priced().map(advanced).collect()
}
