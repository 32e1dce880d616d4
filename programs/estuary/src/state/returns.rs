//! A market's realised returns and the offsets it has with others: the accounts' form of `estuary_risk::returns`.

use anchor_lang::prelude::*;
use core::mem::size_of;

/// Returns in a ring.
pub const RETURNS: usize = 64;
/// Pairs whose terms a market keeps: each with a market of a lower index.
pub const MAX_OFFSETS: usize = 16;
/// Seconds that terms wait which let an account need less margin: three days, in which everybody can see them.
pub const OFFSET_DELAY_SECONDS: i64 = 259_200;

/// The ring of a market's returns, one for every two hours: `estuary_risk::returns::Returns` in account form.
#[zero_copy]
#[derive(Debug, PartialEq, Eq)]
pub struct StoredReturns {
    /// Number of the last interval in the ring, counted from 1970; 0 before the first price.
    pub last_interval: u64,
    /// Intervals of the ring that have a return, a bit for each place.
    pub observed: u64,
    /// Natural logarithm of the first price of the last interval that had one, a mantissa at the market's exponent, Q40.
    pub log_price_q40: i64,
    /// Sum of squared returns in the ring, Q30.
    pub squares_q30: u64,
    /// That of the short window.
    pub short_squares_q30: u64,
    /// Sum of returns in the ring, Q15.
    pub sum_q15: i64,
    /// Logarithmic returns in Q15 plus 2^15, that of interval n in place n modulo 64.
    pub biased_q15: [u16; RETURNS],
}

const _: () = assert!(size_of::<StoredReturns>() == 176);

/// How far the gains of one market of a pair pay for the losses of the other: `estuary_risk::returns::PairTerms` in account
/// form.
#[zero_copy]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct StoredTerms {
    /// The share of gains that counts while correlation and volatility are in their bands, parts per million.
    pub offset_ppm: u32,
    /// Realised correlation from which on all of it counts, parts per million.
    pub correlation_full_ppm: u32,
    /// Realised correlation up to which nothing does, parts per million.
    pub correlation_zero_ppm: u32,
}

/// The entry of a pair, kept by the market with the higher index.
#[zero_copy]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PairEntry {
    /// The other market's index.
    pub market: u16,
    /// 1 for an entry in use, 0 for a free one.
    pub is_used: u8,
    /// Explicit padding, zero.
    pub padding: [u8; 1],
    /// Terms in force until those that wait are.
    pub terms: StoredTerms,
    /// Terms that wait.
    pub next_terms: StoredTerms,
    /// Explicit padding, zero.
    pub next_padding: [u8; 4],
    /// When they are in force, unix seconds; 0 where none wait.
    pub next_from: i64,
}

const _: () = assert!(size_of::<PairEntry>() == 40);

impl PairEntry {
    /// The terms in force at a time.
    #[must_use]
    pub const fn terms_at(&self, now: i64) -> &StoredTerms {
        if self.next_from != 0 && now >= self.next_from {
            &self.next_terms
        } else {
            &self.terms
        }
    }
}
