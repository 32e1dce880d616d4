//! What a book's options can lose at their expiry, whatever spot does: the measure of short exposure and of defined risk.

use super::sums::BookSums;
use super::unwinding::vega_q28;
use super::{MarketArrays, OptionKind, StrikeEntry};
use crate::liquidity::UnwindRate;
use crate::units::ONE_Q30;

/// One lot of spot in the format of payoffs. Strikes are rounded to it.
const ONE_Q24: i64 = 1 << 24;
/// Strikes this many times spot and beyond are not netted: a sum of payoffs would not fit 64 bits.
pub(super) const MOST_STRIKE_Q24: i64 = 64 * ONE_Q24;

/// Lots of one strike.
#[derive(Clone, Copy, Default)]
pub(super) struct StrikeLots {
    /// Calls and puts.
    pub options: i64,
    /// Puts alone.
    pub puts: i64,
}

impl StrikeLots {
    /// Adds lots of one kind.
    pub(super) fn add(&mut self, kind: OptionKind, lots: i64) {
        self.options = self.options.wrapping_add(lots);
        if kind == OptionKind::Put {
            self.puts = self.puts.wrapping_add(lots);
        }
    }

    /// How many of `part` of the net longs are puts: those there are beside short calls, none beside long calls that short puts
    /// take off, a share of both where both are long. Rounded up.
    pub(super) fn puts_among(self, part: i64) -> i64 {
        if self.puts <= 0 {
            return 0;
        }
        if self.calls() <= 0 {
            return part;
        }
        // Both are below 2^32.
        let product = part.unsigned_abs().wrapping_mul(self.puts.unsigned_abs());
        product
            .div_ceil(self.options.unsigned_abs().max(1))
            .cast_signed()
    }

    fn calls(self) -> i64 {
        // Each is below 2^32.
        self.options.wrapping_sub(self.puts)
    }
}

/// Exposure of a book's options, most of it of the short ones: lots of spot in Q24.
#[derive(Clone, Copy, Default)]
pub(super) struct ShortExposure {
    /// Per expiry and type the smaller of the short lots and the worst payoff's loss where that is bounded.
    pub gross_q24: u64,
    /// Per expiry and type the smaller of the short lots and what defined risk leaves open, times the expiry's ramp.
    pub ramped_q24: u64,
    /// What the payoff of the only expiry is at its worst, options and futures together: lots of spot in Q24, `None` where
    /// it has no lower bound or there are several expiries.
    pub worst_payoff_q24: Option<i64>,
    /// Each expiry's gain or loss from the volatility-up shock, added, and what unwinding it costs: lots of spot in Q28.
    pub vega_q28: u64,
    pub vega_cost_q28: u64,
}

/// Puts of one expiry at spot zero, where the walk along rising spot begins.
#[derive(Clone, Copy, Default)]
pub(super) struct PutSums {
    lots: i64,
    /// Σ lots × strike: what they pay there, lots of spot in Q24.
    value_q24: i64,
}

impl PutSums {
    /// Adds lots of a strike. Σ|lots| is below 2^32 and strikes are at most 2^30.
    #[inline(always)]
    pub(super) fn add(&mut self, lots: i64, strike_q24: i64) {
        self.lots = self.lots.wrapping_add(lots);
        self.value_q24 = self.value_q24.wrapping_add(lots.wrapping_mul(strike_q24));
    }
}

/// A payoff along rising spot: a value and a slope, and the lowest value met.
#[derive(Clone, Copy)]
struct Path {
    value: i64,
    slope: i64,
    lowest: i64,
}

impl Path {
    /// From spot at zero.
    const fn new(value: i64, slope: i64) -> Self {
        Self {
            value,
            slope,
            lowest: value,
        }
    }

    /// On to a kink `distance` further, where the slope grows by `bend`.
    ///
    /// Σ|lots| is below 2^32 and strikes are at most 2^30: no value passes 2^62.
    #[inline(always)]
    fn go(&mut self, distance: i64, bend: i64) {
        self.value = self.value.wrapping_add(self.slope.wrapping_mul(distance));
        self.lowest = self.lowest.min(self.value);
        self.slope = self.slope.wrapping_add(bend);
    }
}

/// The payoff of one expiry's options and futures, strike by strike from the lowest up.
struct Walk {
    calls: Path,
    puts: Path,
    /// Futures are on the way of the whole only.
    futures: i64,
    lowest_whole: i64,
    reached: i64,
    absolute: u64,
    short_calls: u64,
    short_puts: u64,
    /// At the strike that leaves least: calls short on balance, with what the rest can lose to there, less the short calls
    /// met so far. No strike more can raise it, so no long bought does.
    least_open: i64,
}

impl Walk {
    const fn new(puts: &PutSums, futures: i64) -> Self {
        Self {
            calls: Path::new(0, 0),
            puts: Path::new(puts.value_q24, puts.lots.wrapping_neg()),
            futures,
            lowest_whole: puts.value_q24,
            reached: 0,
            absolute: 0,
            short_calls: 0,
            short_puts: 0,
            least_open: 0,
        }
    }

    #[inline(always)]
    fn pass(&mut self, strike_q24: i64, lots: StrikeLots) {
        let (calls, puts) = (lots.calls(), lots.puts);
        let distance = strike_q24.wrapping_sub(self.reached);
        self.reached = strike_q24;
        self.calls.go(distance, calls);
        self.puts.go(distance, puts);
        let options = self.calls.value.wrapping_add(self.puts.value);
        let whole = options.wrapping_add(self.futures.wrapping_mul(strike_q24));
        self.lowest_whole = self.lowest_whole.min(whole);
        // Σ|lots| is below 2^32.
        self.absolute = self
            .absolute
            .wrapping_add(calls.unsigned_abs())
            .wrapping_add(puts.unsigned_abs());
        self.short_calls = self.short_calls.wrapping_add(calls.min(0).unsigned_abs());
        self.short_puts = self.short_puts.wrapping_add(puts.min(0).unsigned_abs());
        // Lots below 2^32 in Q24, and a loss below 2^62.
        let open = (self.short_calls << 24)
            .cast_signed()
            .wrapping_add(self.calls.slope.min(0) << 24);
        let left = self.calls.lowest.wrapping_add(open).wrapping_neg();
        self.least_open = self.least_open.min(left);
    }

    /// A path's loss. Each strike was rounded by at most half a unit, and a payoff is a sum of lots times differences of
    /// strikes.
    fn loss(&self, path: &Path) -> u64 {
        path.lowest
            .min(0)
            .unsigned_abs()
            .saturating_add(self.absolute)
    }

    /// The lowest the whole payoff can be, `None` without a lower bound.
    fn worst_payoff_q24(&self) -> Option<i64> {
        // Beyond the last strike puts pay nothing.
        if self.calls.slope.wrapping_add(self.futures) < 0 {
            return None;
        }
        let room = i64::try_from(self.absolute).unwrap_or(i64::MAX);
        Some(self.lowest_whole.saturating_sub(room))
    }

    /// Adds the short options of this expiry.
    fn add_to(&self, exposure: &mut ShortExposure, ramp_q16: u64) {
        // Short lots are below 2^32.
        let (short_calls, short_puts) = (self.short_calls << 24, self.short_puts << 24);
        if self.reached >= MOST_STRIKE_Q24 {
            let short = short_calls.wrapping_add(short_puts);
            return exposure.add(short, short, ramp_q16);
        }
        let calls_loss = self.loss(&self.calls);
        let puts = short_puts.min(self.loss(&self.puts));
        let calls_gross = if self.calls.slope >= 0 {
            short_calls.min(calls_loss)
        } else {
            short_calls
        };
        let left_open = short_calls.saturating_add_signed(self.least_open);
        let calls_open = short_calls.min(left_open.saturating_add(self.absolute));
        exposure.add(
            calls_gross.saturating_add(puts),
            calls_open.saturating_add(puts),
            ramp_q16,
        );
    }
}

impl MarketArrays {
    /// Strikes of an expiry, rising, with their lots.
    pub(super) fn rising(&self, first: u16) -> impl Iterator<Item = (&StrikeEntry, StrikeLots)> {
        let at = |link: u16| {
            let position = usize::from(link.checked_sub(1)?);
            Some((self.strikes.get(position)?, *self.net_lots.get(position)?))
        };
        core::iter::successors(at(first), move |(entry, _)| at(entry.next_strike))
    }

    /// The exposure of the book in `net_lots`; `futures` are the net lots of futures of an expiry.
    pub(super) fn short_exposure(
        &self,
        sums: &BookSums,
        futures: &dyn Fn(usize) -> i64,
    ) -> ShortExposure {
        let mut exposure = ShortExposure::default();
        let (mut expiries_held, mut worst_payoff) = (0u32, None);
        for (position, expiry) in self.expiries.iter().enumerate() {
            let futures = if sums.has_futures {
                futures(position)
            } else {
                0
            };
            let (mut walk, mut vega) = (Walk::new(&expiry.puts, futures), 0i64);
            for (entry, lots) in self.rising(expiry.first_strike) {
                if lots.options != 0 || lots.puts != 0 {
                    walk.pass(entry.strike_q24, lots);
                    vega = vega.wrapping_add(vega_q28(lots, &entry.array));
                }
            }
            if walk.absolute == 0 && futures == 0 {
                continue;
            }
            exposure.add_vega(vega, &self.unwind_rates.vega, sums.crowding_q16);
            expiries_held = expiries_held.wrapping_add(1);
            let is_too_far = walk.reached >= MOST_STRIKE_Q24;
            worst_payoff = if is_too_far {
                None
            } else {
                walk.worst_payoff_q24()
            };
            walk.add_to(&mut exposure, expiry.ramp_q16.into());
        }
        if expiries_held == 1 {
            exposure.worst_payoff_q24 = worst_payoff;
        }
        exposure
    }
}

impl ShortExposure {
    /// Adds the net vega of an expiry, lots in Q28.
    fn add_vega(&mut self, vega_q28: i64, rate: &UnwindRate, crowding_q16: u64) {
        let vega_q28 = vega_q28.unsigned_abs();
        let cost = rate.cost_q28(vega_q28, crowding_q16);
        // Σ|lots| is below 2^32 over all expiries, a gain below 2^31, and a cost at most that.
        self.vega_q28 = self.vega_q28.wrapping_add(vega_q28);
        self.vega_cost_q28 = self.vega_cost_q28.wrapping_add(cost);
    }

    fn add(&mut self, gross_q24: u64, open_q24: u64, ramp_q16: u64) {
        self.gross_q24 = self.gross_q24.saturating_add(gross_q24);
        // A ramp is at most 2 and what is open below 2^58: the upper part is below 2^42 × 2^17.
        let upper = (open_q24 >> 16).wrapping_mul(ramp_q16);
        let lower = (open_q24 & 0xffff).wrapping_mul(ramp_q16) >> 16;
        let ramped = upper.wrapping_add(lower).wrapping_add(1);
        self.ramped_q24 = self.ramped_q24.saturating_add(ramped);
    }
}

/// K/S in Q24, to the nearest, at most [`MOST_STRIKE_Q24`].
pub(super) fn strike_q24(strike_ratio_q30: i64) -> i64 {
    let ratio = strike_ratio_q30.min(64 * ONE_Q30);
    ratio.saturating_add(1 << 5) >> 6
}
