//! Correlation and volatility of the returns in two windows, and what they leave of a pair's offset.

use super::terms::{PairTerms, MAX_STRESS_VOL_PPM};
use super::{scale_down, yearly_variance_up_q30, Newest, Returns, PPM, RETURNS};
use crate::fixed::isqrt;
use crate::portfolio::Offset;
use crate::units::ONE_PPM;
use core::borrow::Borrow;

/// Intervals, of the full window, in which both markets must have a price before one offsets the other at all.
const LEAST_COMMON: u64 = 12;

/// Intervals from which on their history is complete; between the two the offset grows in proportion.
const ENOUGH_COMMON: u64 = 48;

/// Intervals of the short window in which both markets must have a price.
const LEAST_COMMON_SHORT: u32 = 8;

/// Of one market, in one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Window {
    /// √Σa² of at most 8, rounded up, Q27.
    root_up_q27: u64,
    /// What volatility leaves of an offset, parts per million.
    pub(super) calm_ppm: u64,
}

/// A market's returns at the time of an instruction, prepared for pairs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statistics<B = [u16; RETURNS]> {
    pub(super) returns: Returns<B>,
    newest: Newest,
    full: Window,
    short: Window,
}

impl Window {
    /// From the squares of its returns and their number. Volatility up to the limit leaves an offset as it is, twice the limit
    /// nothing of it; between them variance decides in proportion.
    pub(super) fn new(squares_q30: u64, observed: u64, stress_vol_ppm: u32) -> Self {
        let variance_q30 = yearly_variance_up_q30(squares_q30, observed);
        // The limit is at most 10, so its square is below 2^37 in Q30 and a million times 3 of it below 2^59.
        let limit_q15 = (u64::from(stress_vol_ppm.min(MAX_STRESS_VOL_PPM)) << 15)
            .checked_div(PPM)
            .unwrap_or(0);
        let limit_q30 = limit_q15.wrapping_mul(limit_q15);
        let left = (limit_q30 << 2).saturating_sub(variance_q30);
        let span = limit_q30.wrapping_mul(3).max(1);
        let calm_ppm = if left < span {
            scale_down(PPM, left, span)
        } else {
            PPM
        };
        Self {
            // A root of at most 2^30.
            root_up_q27: isqrt(squares_q30 << 24).wrapping_add(1),
            calm_ppm,
        }
    }

    /// Realised correlation with the same window of another market, parts per million, rounded down; 0 where it is negative.
    fn correlation_ppm(&self, other: &Self, product_q30: i64) -> u64 {
        if product_q30 <= 0 {
            return 0;
        }
        // Below 2^31 each.
        let scale_q54 = self.root_up_q27.wrapping_mul(other.root_up_q27);
        let scale_q30 = (scale_q54 >> 24).wrapping_add(1);
        // 64 products below 2^30.
        scale_down(PPM, product_q30.cast_unsigned(), scale_q30).min(PPM)
    }

    /// What volatility of this and another market leaves of an offset of this share.
    fn calm_ppm(&self, other: &Self, share_ppm: u64) -> u64 {
        share_ppm.min(self.calm_ppm).min(other.calm_ppm)
    }
}

impl Statistics {
    /// Those of a market at a time; `stress_vol_ppm` is its limit of volatility per year.
    pub fn new(returns: &Returns, now: i64, stress_vol_ppm: u32) -> Self {
        let mut returns = *returns;
        returns.advance(Returns::interval_of(now));
        Self::of(returns, stress_vol_ppm)
    }
}

impl<B: Borrow<[u16; RETURNS]>> Statistics<B> {
    /// Those of returns that have been brought to the interval of the instruction.
    #[inline(never)]
    pub fn of(returns: Returns<B>, stress_vol_ppm: u32) -> Self {
        let short = returns.observed & returns.short_mask();
        Self {
            full: Window::new(returns.squares_q30, returns.observed, stress_vol_ppm),
            short: Window::new(returns.short_squares_q30, short, stress_vol_ppm),
            newest: returns.newest(returns.last_interval),
            returns,
        }
    }

    /// Realised correlation over the full and the short window, parts per million, rounded down; 0 where it is negative.
    pub fn correlations_ppm(&self, other: &Self) -> [u32; 2] {
        [
            self.correlation_ppm(other),
            self.short_correlation_ppm(other),
        ]
        .map(|ppm| u32::try_from(ppm).unwrap_or(ONE_PPM))
    }

    fn correlation_ppm(&self, other: &Self) -> u64 {
        let product_q30 = self.returns.product_q30(&other.returns);
        self.full.correlation_ppm(&other.full, product_q30)
    }

    fn short_correlation_ppm(&self, other: &Self) -> u64 {
        let interval = self.returns.last_interval;
        let product_q30 = if other.returns.last_interval == interval {
            self.newest.product_q30(&other.newest)
        } else {
            self.newest.product_q30(&other.returns.newest(interval))
        };
        self.short.correlation_ppm(&other.short, product_q30)
    }

    /// What the history of a pair leaves of an offset, parts per million, and whether it has enough of the short window.
    fn history(&self, other: &Self, offset_ppm: u32) -> (u64, bool) {
        let common = self.returns.observed & other.returns.observed;
        let offset = u64::from(offset_ppm);
        if common == u64::MAX {
            return (offset, true);
        }
        let count = u64::from(common.count_ones());
        if count < LEAST_COMMON {
            return (0, false);
        }
        let newest = common & self.returns.short_mask();
        (
            scale_down(offset, count.min(ENOUGH_COMMON), ENOUGH_COMMON),
            newest.count_ones() >= LEAST_COMMON_SHORT,
        )
    }

    /// θ of a pair: what its terms allow, as far as correlation and volatility stay in their bands and there is history.
    ///
    /// The maintenance margin goes by the full window alone, so that an offset that ends is taken away over days; the initial
    /// margin by the worse of both, at once.
    #[inline(never)]
    pub fn offset(&self, other: &Self, terms: &PairTerms) -> Offset {
        let (history, has_newest) = self.history(other, terms.offset_ppm);
        if history == 0 {
            return Offset::NONE;
        }
        let share = terms.share_ppm(self.correlation_ppm(other));
        let full = self.full.calm_ppm(&other.full, share);
        if full == 0 {
            return Offset::NONE;
        }
        let initial = if has_newest {
            let share = terms.share_ppm(self.short_correlation_ppm(other));
            self.short.calm_ppm(&other.short, share).min(full)
        } else {
            0
        };
        let of_history = |share| u32::try_from(scale_down(history, share, PPM)).unwrap_or(0);
        Offset {
            initial_ppm: of_history(initial),
            maintenance_ppm: of_history(full),
        }
    }
}
