//! What the prices of a market have done lately, and what that makes of the offset between two markets (section 6 of
//! `margin-model.md`).
//!
//! Time is cut into intervals of two hours. The first price that is recorded in an interval is the interval's, whatever comes
//! later, and the return from the interval before goes into a ring of 64 (five days and a third). An interval without a price
//! has a return of zero; the return up to the next price counts there as a whole. Returns have no mean worth the name over so
//! short a time, so variance and correlation are those of the returns as they are: `ρ = Σab / √(Σa²·Σb²)`, and an interval
//! missing on one side takes from the numerator alone, which lowers ρ.
//!
//! All rings of an instruction are brought to the interval of its clock first, so that equal places are equal times.

use crate::fixed::isqrt;
use crate::units::{ONE_PPM, SECONDS_PER_YEAR};
use core::borrow::Borrow;

mod statistics;
mod terms;
pub use statistics::Statistics;
pub use terms::{validate_market, OffsetError, PairTerms, MAX_STRESS_VOL_PPM, MIN_STRESS_VOL_PPM};

/// Length of an interval: two hours.
pub const INTERVAL_SECONDS: i64 = 7_200;
/// Intervals in a ring, the full window.
pub const RETURNS: usize = 64;
/// The last place of a ring, and the bits of its places.
const LAST_PLACE: u64 = RETURNS as u64 - 1;
/// Intervals in the short window: the last 32 hours.
pub const SHORT_WINDOW: usize = 16;
/// Returns are stored in Q15 with this added, so that a product needs no sign.
const BIAS: u16 = 1 << 15;
/// What 64 biases add up to.
const ALL_BIASES: i64 = (BIAS as i64) * (RETURNS as i64);
/// What those of the short window do.
const SHORT_BIASES: i64 = (BIAS as i64) * (SHORT_WINDOW as i64);
/// One in parts per million.
const PPM: u64 = ONE_PPM as u64;
/// Intervals in a year.
const INTERVALS_PER_YEAR: u64 = 4_380;

const _: () = assert!(INTERVALS_PER_YEAR.cast_signed() * INTERVAL_SECONDS == SECONDS_PER_YEAR);
const _: () = assert!(SHORT_WINDOW == 16 && RETURNS == 4 * SHORT_WINDOW);
const _: () = assert!(RETURNS.is_power_of_two() && RETURNS == u64::BITS as usize);

/// The ring of one market's returns; `B` is the ring itself, or a reference to where it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Returns<B = [u16; RETURNS]> {
    /// Number of the last interval in the ring, counted from 1970; 0 before the first price.
    pub last_interval: u64,
    /// Intervals of the ring that have a return, a bit for each place.
    pub observed: u64,
    /// Natural logarithm of the last price recorded, a mantissa at the market's exponent, Q40.
    pub log_price_q40: i64,
    /// Σ of squared returns in the ring, Q30.
    pub squares_q30: u64,
    /// Those of the short window.
    pub short_squares_q30: u64,
    /// Σ of returns in the ring, Q15.
    pub sum_q15: i64,
    /// Logarithmic returns in Q15 plus 2^15, that of interval n in place n modulo 64.
    pub biased_q15: B,
}

/// The short window of a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Newest {
    biased_q15: [u16; SHORT_WINDOW],
    /// Σ of them.
    sum: i64,
}

impl Returns<&[u16; RETURNS]> {
    /// The same with a ring of their own.
    pub const fn copied(&self) -> Returns {
        self.with_ring(*self.biased_q15)
    }
}

impl<B: Copy> Returns<B> {
    /// The same with the ring kept in another way.
    const fn with_ring<C>(&self, biased_q15: C) -> Returns<C> {
        Returns {
            last_interval: self.last_interval,
            observed: self.observed,
            log_price_q40: self.log_price_q40,
            squares_q30: self.squares_q30,
            short_squares_q30: self.short_squares_q30,
            sum_q15: self.sum_q15,
            biased_q15,
        }
    }
}

impl Returns {
    /// No price yet.
    pub const EMPTY: Self = Self {
        last_interval: 0,
        observed: 0,
        log_price_q40: 0,
        squares_q30: 0,
        short_squares_q30: 0,
        sum_q15: 0,
        biased_q15: [BIAS; RETURNS],
    };

    /// The interval of a time, unix seconds; 0 before 1970.
    pub fn interval_of(time: i64) -> u64 {
        let interval = time.checked_div(INTERVAL_SECONDS).unwrap_or(0);
        interval.max(0).unsigned_abs()
    }

    /// Whether a price of this time would be the first of its interval.
    pub fn is_due(&self, time: i64) -> bool {
        Self::interval_of(time) > self.last_interval
    }

    /// Records a price by its time and the logarithm of its mantissa; nothing where its interval has one.
    pub fn record(&mut self, time: i64, log_price_q40: i64) {
        let interval = Self::interval_of(time);
        if interval <= self.last_interval {
            return;
        }
        let gap = interval.saturating_sub(self.last_interval);
        let known = self.last_interval != 0 && gap < RETURNS as u64;
        self.advance(interval.saturating_sub(1));
        let change = log_price_q40.saturating_sub(self.log_price_q40);
        let rounded_q15 = change.saturating_add(1 << 24) >> 25;
        let (least, most) = (i64::from(i16::MIN), i64::from(i16::MAX));
        self.push(known.then_some(rounded_q15.clamp(least, most)));
        self.log_price_q40 = log_price_q40;
    }

    /// The same with the ring where it is.
    pub const fn by_reference(&self) -> Returns<&[u16; RETURNS]> {
        self.with_ring(&self.biased_q15)
    }

    /// Brings the ring to an interval; those without a price have no return.
    pub fn advance(&mut self, interval: u64) {
        let gap = interval.saturating_sub(self.last_interval);
        if gap >= RETURNS as u64 {
            *self = Self {
                last_interval: interval,
                log_price_q40: self.log_price_q40,
                ..Self::EMPTY
            };
            return;
        }
        for _ in 0..gap {
            self.push(None);
        }
    }

    /// Place of an interval in the ring.
    fn place(interval: u64) -> usize {
        // Below 64.
        (interval & LAST_PLACE) as usize
    }

    /// The return in a place, Q15.
    fn return_q15(&self, place: usize) -> i64 {
        let biased = self.biased_q15.get(place).copied().unwrap_or(BIAS);
        signed_q15(biased)
    }

    /// Adds the next interval.
    fn push(&mut self, value_q15: Option<i64>) {
        let square = |value: i64| value.wrapping_mul(value).unsigned_abs();
        let interval = self.last_interval.saturating_add(1);
        let place = Self::place(interval);
        let old = self.return_q15(place);
        let leaving = Self::place(interval.wrapping_sub(SHORT_WINDOW as u64));
        let leaving = square(self.return_q15(leaving));
        let new = value_q15.unwrap_or(0);
        // 64 squares below 2^30 each.
        self.squares_q30 = self
            .squares_q30
            .saturating_sub(square(old))
            .saturating_add(square(new));
        self.short_squares_q30 = self
            .short_squares_q30
            .saturating_sub(leaving)
            .saturating_add(square(new));
        self.sum_q15 = self.sum_q15.wrapping_sub(old).wrapping_add(new);
        let bit = 1u64.wrapping_shl(place as u32);
        self.observed = (self.observed & !bit) | if value_q15.is_some() { bit } else { 0 };
        if let Some(biased) = self.biased_q15.get_mut(place) {
            let value = new.saturating_add(i64::from(BIAS));
            *biased = u16::try_from(value).unwrap_or(BIAS);
        }
        self.last_interval = interval;
    }

    /// Realised volatility of a window per year, parts per million, to the unit of Q15; 0 without a return.
    fn vol_ppm(squares_q30: u64, observed: u64) -> u64 {
        // A root of at most 2^25.
        let root_q15 = isqrt(yearly_variance_up_q30(squares_q30, observed));
        root_q15.saturating_mul(PPM) >> 15
    }

    /// Realised volatility per year over the full and over the short window, parts per million, to the unit of Q15.
    pub fn vols_ppm(&self) -> [u64; 2] {
        [
            Self::vol_ppm(self.squares_q30, self.observed),
            Self::vol_ppm(self.short_squares_q30, self.observed & self.short_mask()),
        ]
    }
}

impl<B: Borrow<[u16; RETURNS]>> Returns<B> {
    /// Places of the short window, a bit for each.
    fn short_mask(&self) -> u64 {
        let newest = Returns::place(self.last_interval) as u32;
        let mask = (1u64 << SHORT_WINDOW) - 1;
        mask.rotate_left(newest.wrapping_add(1))
            .rotate_right(SHORT_WINDOW as u32)
    }

    /// Σab over the whole ring, Q30.
    fn product_q30(&self, other: &Self) -> i64 {
        let biased = biased_product(self.biased_q15.borrow(), other.biased_q15.borrow());
        // Σ(a + B)(b + B) = Σab + B·Σa + B·Σb + 64·B².
        let sums = self.sum_q15.wrapping_add(other.sum_q15);
        let besides = sums.wrapping_add(ALL_BIASES);
        biased
            .cast_signed()
            .wrapping_sub(besides.wrapping_mul(i64::from(BIAS)))
    }

    /// The short window that ends in an interval, and the sum of what is in it.
    fn newest(&self, interval: u64) -> Newest {
        // A quarter of the ring has the window up to the newest place, the quarter before has the rest of it.
        let place = Returns::place(interval);
        let (quarter, last) = (place >> 4, place & 15);
        let (quarters, _) = self.biased_q15.borrow().as_chunks::<SHORT_WINDOW>();
        let before = quarters.get(quarter.wrapping_sub(1) & 3);
        let mut biased_q15 = before.copied().unwrap_or([BIAS; SHORT_WINDOW]);
        let now = quarters.get(quarter).and_then(|now| now.get(..=last));
        let new = biased_q15.get_mut(..=last).unwrap_or_default();
        for (value, now) in new.iter_mut().zip(now.unwrap_or_default()) {
            *value = *now;
        }
        let mut sum = 0i64;
        for value in &biased_q15 {
            // 16 below 2^16.
            sum = sum.wrapping_add(i64::from(*value));
        }
        Newest { biased_q15, sum }
    }
}

impl Newest {
    /// Σab, Q30.
    fn product_q30(&self, other: &Self) -> i64 {
        let biased = biased_product(&self.biased_q15, &other.biased_q15);
        // As in the whole ring, of sums that have the biases in them: Σab = Σ(a + B)(b + B) − B·(Σ(a + B) + Σ(b + B)) + 16·B².
        let sums = self.sum.wrapping_add(other.sum);
        let besides = sums.wrapping_sub(SHORT_BIASES);
        biased
            .cast_signed()
            .wrapping_sub(besides.wrapping_mul(i64::from(BIAS)))
    }
}

/// Σ(a + B)(b + B) over a multiple of 16 places, 64 at most. Apart from its callers: of products whose number it knows the
/// compiler makes a tree, and keeps its leaves in memory.
#[inline(never)]
fn biased_product(mine: &[u16], theirs: &[u16]) -> u64 {
    let (mine, _) = mine.as_chunks::<SHORT_WINDOW>();
    let (theirs, _) = theirs.as_chunks::<SHORT_WINDOW>();
    let mut sum = 0u64;
    for (mine, theirs) in mine.iter().zip(theirs) {
        // A fixed length, which it unrolls.
        for (mine, theirs) in mine.iter().zip(theirs) {
            // 64 products below 2^32.
            sum = sum.wrapping_add(u64::from(*mine).wrapping_mul(u64::from(*theirs)));
        }
    }
    sum
}

/// A return as it is, Q15.
#[inline(always)]
fn signed_q15(biased: u16) -> i64 {
    i64::from(biased).wrapping_sub(i64::from(BIAS))
}

/// The variance per year of so many squared returns, Q30, rounded up: more of it leaves less of an offset.
fn yearly_variance_up_q30(squares_q30: u64, observed: u64) -> u64 {
    // Below 2^36 × 2^13.
    let yearly = squares_q30.wrapping_mul(INTERVALS_PER_YEAR);
    yearly.div_ceil(u64::from(observed.count_ones()).max(1))
}

/// `value × numerator / denominator`, rounded down, where the product fits; 0 for a denominator of 0.
#[inline(always)]
fn scale_down(value: u64, numerator: u64, denominator: u64) -> u64 {
    let product = value.wrapping_mul(numerator);
    product.checked_div(denominator).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::statistics::Window;
    use super::*;
    use crate::fixed::ln_q40;
    use crate::portfolio::Offset;
    use std::vec::Vec;

    const TERMS: PairTerms = PairTerms {
        offset_ppm: 500_000,
        correlation_full_ppm: 600_000,
        correlation_zero_ppm: 200_000,
    };
    const START: i64 = 1_700_000_000;

    fn ring(returns: &[f64]) -> Returns {
        let mut ring = Returns::EMPTY;
        let mut log = ln_q40(100_000_000);
        ring.record(START, log);
        for (step, value) in (1i64..).zip(returns) {
            log += (value * (1u64 << 40) as f64) as i64;
            ring.record(START + step * INTERVAL_SECONDS, log);
        }
        ring
    }

    fn statistics(returns: &[f64]) -> Statistics {
        let now = START + returns.len() as i64 * INTERVAL_SECONDS;
        Statistics::new(&ring(returns), now, 1_500_000)
    }

    /// Noise of a given size, the same for the same seed.
    fn noise(seed: u64, count: usize, size: f64) -> Vec<f64> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 40) as f64 / (1u64 << 24) as f64 - 0.5
        };
        (0..count)
            .map(|_| (next() + next() + next()) * 2.0 * size)
            .collect()
    }

    fn mix(one: &[f64], other: &[f64], share: f64) -> Vec<f64> {
        let rest = (1.0 - share * share).sqrt();
        one.iter()
            .zip(other)
            .map(|(a, b)| share * a + rest * b)
            .collect()
    }

    fn correlation(one: &[f64], other: &[f64]) -> f64 {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        dot(one, other) / (dot(one, one) * dot(other, other)).sqrt()
    }

    #[test]
    fn running_sums_are_those_of_the_ring() {
        let mut ring = ring(&noise(1, 200, 0.01));
        ring.record(START + 209 * INTERVAL_SECONDS, ln_q40(100_000_000));
        let returns: Vec<i64> = (0..RETURNS).map(|place| ring.return_q15(place)).collect();
        assert_eq!(ring.sum_q15, returns.iter().sum::<i64>());
        assert_eq!(
            ring.squares_q30,
            returns.iter().map(|r| (r * r) as u64).sum::<u64>()
        );
        let short = (0..16).map(|back| ring.return_q15(Returns::place(ring.last_interval - back)));
        assert_eq!(
            ring.short_squares_q30,
            short.map(|r| (r * r) as u64).sum::<u64>()
        );
        assert_eq!(
            ring.observed.count_ones(),
            56,
            "eight intervals had no price"
        );
        let newest = (0..16).fold(0u64, |mask, back| {
            mask | 1 << Returns::place(ring.last_interval - back)
        });
        assert_eq!(ring.short_mask(), newest);
    }

    #[test]
    fn correlation_and_volatility_are_those_of_the_last_intervals() {
        let (one, other) = (noise(2, 150, 0.01), noise(3, 150, 0.01));
        let mixed = mix(&one, &other, 0.7);
        let (a, b) = (statistics(&one), statistics(&mixed));
        let [full, short] = a.correlations_ppm(&b);
        let expected = correlation(&one[86..], &mixed[86..]);
        assert!(
            (f64::from(full) / 1e6 - expected).abs() < 2e-3,
            "{full} {expected}"
        );
        let expected = correlation(&one[134..], &mixed[134..]).max(0.0);
        assert!(
            (f64::from(short) / 1e6 - expected).abs() < 5e-3,
            "{short} {expected}"
        );
        let yearly = (one[86..].iter().map(|r| r * r).sum::<f64>() / 64.0 * 4_380.0).sqrt();
        let [vol, _] = a.returns.vols_ppm();
        assert!(
            (vol as f64 / 1e6 - yearly).abs() < 5e-3 * yearly,
            "{vol} {yearly}"
        );
        assert_eq!(
            a.correlations_ppm(&a)[0],
            1_000_000.min(a.correlations_ppm(&a)[0])
        );
        assert!(a.correlations_ppm(&a)[0] > 999_000);
    }

    #[test]
    fn the_first_price_of_an_interval_counts_and_no_other() {
        let mut ring = ring(&noise(4, 20, 0.01));
        let before = ring;
        let later = START + 20 * INTERVAL_SECONDS;
        let interval_end = (later / INTERVAL_SECONDS + 1) * INTERVAL_SECONDS - 1;
        assert!(!ring.is_due(interval_end));
        ring.record(interval_end, ln_q40(400_000_000));
        ring.record(START, ln_q40(1));
        assert_eq!(ring, before);
        assert!(ring.is_due(interval_end + 1));
    }

    #[test]
    fn together_all_counts_and_apart_nothing() {
        let (one, other) = (noise(5, 80, 0.004), noise(6, 80, 0.004));
        let close = statistics(&one).offset(&statistics(&mix(&one, &other, 0.95)), &TERMS);
        assert_eq!(
            (close.initial_ppm, close.maintenance_ppm),
            (500_000, 500_000)
        );
        let apart: Vec<f64> = one.iter().map(|value| -value).collect();
        let apart = statistics(&one).offset(&statistics(&apart), &TERMS);
        assert_eq!(apart, Offset::NONE);
        let unset = statistics(&one).offset(&statistics(&one), &PairTerms::NONE);
        assert_eq!(unset, Offset::NONE);
    }

    #[test]
    fn an_offset_that_ends_is_taken_from_initial_margin_first() {
        let one = noise(7, 80, 0.004);
        let mut parted = one.clone();
        for value in &mut parted[72..] {
            *value = -*value;
        }
        let offset = statistics(&one).offset(&statistics(&parted), &TERMS);
        let correlations = statistics(&one).correlations_ppm(&statistics(&parted));
        assert!(offset.initial_ppm < 300_000, "{offset:?} {correlations:?}");
        assert!(offset.maintenance_ppm > 400_000, "{offset:?}");
    }

    #[test]
    fn stress_takes_the_offset_away() {
        let mut wild = noise(9, 80, 0.004);
        let calm = statistics(&wild).offset(&statistics(&wild), &TERMS);
        assert_eq!(calm.initial_ppm, 500_000);
        for value in &mut wild[70..] {
            *value *= 60.0;
        }
        let stressed = statistics(&wild).offset(&statistics(&wild), &TERMS);
        assert_eq!(
            stressed.initial_ppm,
            0,
            "{:?}",
            statistics(&wild).returns.vols_ppm()
        );
    }

    #[test]
    fn what_volatility_leaves_is_never_rounded_up() {
        // A limit of an eighth has no rest in Q15: all roundings are those of the variance and of the share.
        let limit = 125_000u32;
        for squares_q30 in (190_000u64..).step_by(251).take(2_000) {
            let observed = (1u64 << 48) - 1;
            let calm = Window::new(squares_q30, observed, limit).calm_ppm;
            let (limit, count) = (i128::from(limit), 48i128 << 30);
            let four = 4 * limit * limit * count;
            let variance = i128::from(squares_q30 * INTERVALS_PER_YEAR) * 1_000_000_000_000;
            let exact = 1_000_000 * (four - variance).max(0);
            let share = i128::from(calm) * 3 * limit * limit * count;
            assert!(share <= exact, "{squares_q30}: {calm}");
        }
    }

    #[test]
    fn history_grows_into_the_offset() {
        let returns = noise(10, 80, 0.004);
        let after = |count: usize| {
            statistics(&returns[..count]).offset(&statistics(&returns[..count]), &TERMS)
        };
        assert_eq!(after(11), Offset::NONE);
        assert_eq!(after(24).maintenance_ppm, 250_000);
        assert_eq!(after(48).maintenance_ppm, 500_000);
        // The newest prices are missing: initial margin within a day, maintenance margin over days.
        let ring = ring(&returns);
        let offset_after = |hours: i64| {
            let now = START + 80 * INTERVAL_SECONDS + hours * 3_600;
            let statistics = Statistics::new(&ring, now, 1_500_000);
            statistics.offset(&statistics, &TERMS)
        };
        assert_eq!(offset_after(12).initial_ppm, 500_000);
        assert_eq!(offset_after(24).initial_ppm, 0);
        assert_eq!(offset_after(24).maintenance_ppm, 500_000);
        assert!((1..400_000).contains(&offset_after(60).maintenance_ppm));
        assert_eq!(offset_after(24 * 6), Offset::NONE);
    }

    #[test]
    fn prices_on_one_side_only_lower_correlation() {
        let returns = noise(11, 90, 0.004);
        let one = statistics(&returns);
        let mut sparse = Returns::EMPTY;
        let mut log = ln_q40(100_000_000);
        sparse.record(START, log);
        for (step, value) in (1i64..).zip(&returns) {
            log += (value * (1u64 << 40) as f64) as i64;
            if step % 3 == 0 {
                sparse.record(START + step * INTERVAL_SECONDS, log);
            }
        }
        let sparse = Statistics::new(&sparse, START + 90 * INTERVAL_SECONDS, 1_500_000);
        let [full, _] = one.correlations_ppm(&sparse);
        assert!((400_000..750_000).contains(&full), "{full}");
        let offset = one.offset(&sparse, &TERMS);
        assert!(offset.initial_ppm <= offset.maintenance_ppm);
    }

    #[test]
    fn each_number_has_its_limit_and_its_name() {
        let refused = |terms: PairTerms| terms.validate().unwrap_err();
        assert_eq!(TERMS.validate(), Ok(()));
        assert_eq!(PairTerms::NONE.validate(), Ok(()));
        assert_eq!(
            refused(PairTerms {
                offset_ppm: 950_001,
                ..TERMS
            }),
            OffsetError::Offset
        );
        assert_eq!(
            refused(PairTerms {
                correlation_full_ppm: 1_000_001,
                ..TERMS
            }),
            OffsetError::CorrelationFull
        );
        assert_eq!(
            refused(PairTerms {
                correlation_zero_ppm: 600_000,
                ..TERMS
            }),
            OffsetError::CorrelationZero
        );
        assert_eq!(validate_market(350_000, 1_500_000), Ok(()));
        assert_eq!(validate_market(49_999, 1_500_000), Err(OffsetError::Floor));
        assert_eq!(
            validate_market(1_000_001, 1_500_000),
            Err(OffsetError::Floor)
        );
        assert_eq!(
            validate_market(350_000, 99_999),
            Err(OffsetError::StressVol)
        );
        assert_eq!(
            validate_market(350_000, 10_000_001),
            Err(OffsetError::StressVol)
        );
    }
}
