//! What a book's options can lose at their expiry, whatever spot does: the measure of short exposure and of defined risk.

use super::evaluation::BookSums;
use super::{MarketArrays, OptionKind, StrikeEntry};
use crate::units::ONE_Q30;

/// One lot of spot in the format of payoffs. Strikes are rounded to it.
const ONE_Q24: i64 = 1 << 24;
/// Strikes this many times spot and beyond are not netted: a sum of payoffs would not fit 64 bits.
const MOST_STRIKE_Q24: i64 = 64 * ONE_Q24;

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

    fn calls(self) -> i64 {
        // Each is below 2^32.
        self.options.wrapping_sub(self.puts)
    }
}

/// Exposure of a book's short options: lots of spot in Q24.
#[derive(Clone, Copy, Default)]
pub(super) struct ShortExposure {
    /// Per expiry and type the smaller of the short lots and the worst payoff's loss where that is bounded.
    pub gross_q24: u64,
    /// Per expiry and type the smaller of the short lots and what defined risk leaves open, times the expiry's ramp.
    pub ramped_q24: u128,
    /// What the payoff of the only expiry is at its worst, options and futures together: lots of spot in Q24, `None` where
    /// it has no lower bound or there are several expiries.
    pub worst_payoff_q24: Option<i64>,
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
    /// Σ|lots| is below 2^32 and strikes are below 2^30: no value reaches 2^62.
    #[inline(always)]
    fn go(&mut self, distance: i64, bend: i64) {
        self.value = self.value.wrapping_add(self.slope.wrapping_mul(distance));
        self.lowest = self.lowest.min(self.value);
        self.slope = self.slope.wrapping_add(bend);
    }

    fn is_bounded(&self) -> bool {
        self.slope >= 0
    }

    fn loss(&self) -> u64 {
        self.lowest.min(0).unsigned_abs()
    }
}

/// Options of one expiry and what they have lost at the worst of spot.
#[derive(Default)]
struct ExpiryLots {
    absolute: u64,
    short_calls: u64,
    short_puts: u64,
    puts: i64,
    /// Σ puts × strike: what puts pay at spot zero.
    puts_at_zero_q24: i64,
    /// A strike too far for the sums.
    too_far: bool,
}

impl ExpiryLots {
    fn add(&mut self, lots: StrikeLots, strike_q24: i64) {
        let (calls, puts) = (lots.calls(), lots.puts);
        let short = |lots: i64| lots.min(0).unsigned_abs();
        self.absolute = self
            .absolute
            .wrapping_add(calls.unsigned_abs())
            .wrapping_add(puts.unsigned_abs());
        self.short_calls = self.short_calls.wrapping_add(short(calls));
        self.short_puts = self.short_puts.wrapping_add(short(puts));
        self.puts = self.puts.wrapping_add(puts);
        self.puts_at_zero_q24 = self
            .puts_at_zero_q24
            .wrapping_add(puts.wrapping_mul(strike_q24));
        self.too_far |= strike_q24 >= MOST_STRIKE_Q24;
    }
}

impl MarketArrays {
    /// Strikes of an expiry, rising, with their lots.
    fn rising(&self, first: u16) -> impl Iterator<Item = (&StrikeEntry, StrikeLots)> {
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
            let mut lots = ExpiryLots::default();
            for (entry, strike) in self.rising(expiry.first_strike) {
                lots.add(strike, strike_q24(entry));
            }
            let futures = if sums.has_futures {
                futures(position)
            } else {
                0
            };
            if lots.absolute == 0 && futures == 0 {
                continue;
            }
            expiries_held = expiries_held.wrapping_add(1);
            worst_payoff = self.add_expiry_exposure(
                &mut exposure,
                expiry.first_strike,
                &lots,
                futures,
                expiry.ramp_q16,
            );
        }
        if expiries_held == 1 {
            exposure.worst_payoff_q24 = worst_payoff;
        }
        exposure
    }

    /// Adds one expiry; returns the lowest its payoff can be.
    fn add_expiry_exposure(
        &self,
        exposure: &mut ShortExposure,
        first_strike: u16,
        lots: &ExpiryLots,
        futures: i64,
        ramp_q16: u64,
    ) -> Option<i64> {
        let short_calls_q24 = lots.short_calls << 24;
        let short_puts_q24 = lots.short_puts << 24;
        if lots.too_far {
            let short = short_calls_q24.wrapping_add(short_puts_q24);
            exposure.add(short, short, ramp_q16);
            return None;
        }
        let (zero, puts) = (lots.puts_at_zero_q24, lots.puts.wrapping_neg());
        let mut call_path = Path::new(0, 0);
        let mut put_path = Path::new(zero, puts);
        let mut whole = Path::new(zero, puts.wrapping_add(futures));
        let mut reached = 0;
        for (entry, strike) in self.rising(first_strike) {
            let at = strike_q24(entry);
            let distance = at.wrapping_sub(reached);
            call_path.go(distance, strike.calls());
            put_path.go(distance, strike.puts);
            whole.go(distance, strike.options);
            reached = at;
        }
        // Each strike was rounded by at most half a unit, and a payoff is a sum of lots times differences of strikes.
        let loss = |path: &Path| path.loss().saturating_add(lots.absolute);
        // Beyond the last strike only the calls that are short on balance go on losing, a lot each.
        let open_q24 = call_path.slope.min(0).unsigned_abs() << 24;
        let left_open = open_q24.saturating_add(loss(&call_path));
        let calls_gross = if call_path.is_bounded() {
            short_calls_q24.min(loss(&call_path))
        } else {
            short_calls_q24
        };
        let puts_both = short_puts_q24.min(loss(&put_path));
        exposure.add(
            calls_gross.saturating_add(puts_both),
            short_calls_q24.min(left_open).saturating_add(puts_both),
            ramp_q16,
        );
        let room = i64::try_from(lots.absolute).unwrap_or(i64::MAX);
        whole
            .is_bounded()
            .then(|| whole.lowest.saturating_sub(room))
    }
}

impl ShortExposure {
    fn add(&mut self, gross_q24: u64, open_q24: u64, ramp_q16: u64) {
        self.gross_q24 = self.gross_q24.saturating_add(gross_q24);
        let ramped = u128::from(open_q24).saturating_mul(u128::from(ramp_q16)) >> 16;
        self.ramped_q24 = self.ramped_q24.saturating_add(ramped).saturating_add(1);
    }
}

/// K/S in Q24, to the nearest.
fn strike_q24(entry: &StrikeEntry) -> i64 {
    let ratio = entry.strike_ratio_q30.min(64 * ONE_Q30);
    ratio.saturating_add(1 << 5) >> 6
}
