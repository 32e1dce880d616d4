//! The average price that an expiry is settled at: section 9 of the margin model, without accounts.
//!
//! The window is the 30 minutes before the expiry, cut into minutes by publish time. The first price recorded of a minute
//! is that minute's. A minute without one takes the price before it, so the average covers the window from the first
//! minute filled to its end. With fewer than 20 minutes filled the window goes on after the expiry until 20 are; there only
//! minutes with a price of their own count, so that a price from before an outage does not outweigh those after it.

use crate::error::EstuaryError;
use anchor_lang::prelude::*;

/// Seconds of one minute of the window.
const MINUTE: i64 = 60;
/// Minutes of the window before the expiry.
pub const WINDOW_MINUTES: u32 = 30;
/// The same in seconds.
const WINDOW_SECONDS: i64 = 1_800;
const _: () = assert!(WINDOW_SECONDS == MINUTE * WINDOW_MINUTES as i64);
/// Minutes that need a price of their own.
pub const MIN_FILLED: u32 = 20;

/// What is known of an expiry's settlement price so far.
#[zero_copy]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SettlementAverage {
    /// Sum of the prices of the minutes covered, mantissas: low word, high word.
    pub sum: [u64; 2],
    /// Price of the last minute filled, a mantissa; 0 before the first.
    pub last_price: u64,
    /// The settlement price, a mantissa at the market's exponent, the average rounded down; 0 until it is final, then
    /// never changed.
    pub settlement_price: u64,
    /// The last minute filled, counted from the beginning of the window; it means nothing before the first.
    pub last_minute: u32,
    /// Minutes in the sum.
    pub covered: u32,
    /// Those of them with a price of their own.
    pub filled: u32,
    /// Explicit padding, zero.
    pub padding: [u8; 4],
}

const _: () = assert!(core::mem::size_of::<SettlementAverage>() == 48);

/// An average under way, as far as the clock has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnderWay {
    /// Sum of the prices of the minutes that are over and count, mantissas.
    pub sum: u128,
    /// How many these are.
    pub covered: u32,
    /// How many are still to come, at least 1.
    pub open: u32,
}

impl SettlementAverage {
    /// What is fixed at `now` of the average of the expiry that ends at `expiry`: `None` before the window and once the
    /// settlement price is final. Minutes that are over without a price are carried as they would be at the end, and until the
    /// price is final the last one counts as still to come.
    #[must_use]
    pub fn under_way(&self, expiry: i64, now: i64) -> Option<UnderWay> {
        if self.is_final() {
            return None;
        }
        let since = now
            .checked_sub(start_of(expiry))
            .filter(|since| *since >= 0)?;
        let minute = u32::try_from(since.checked_div(MINUTE)?).unwrap_or(u32::MAX);
        let minute = minute.min(WINDOW_MINUTES);
        let left = |minute: u32| WINDOW_MINUTES.saturating_sub(minute);
        if self.filled == 0 {
            return Some(UnderWay {
                sum: 0,
                covered: 0,
                open: left(minute).max(MIN_FILLED),
            });
        }
        let next = self.last_minute.saturating_add(1);
        let carried = minute.saturating_sub(next);
        // Two factors of 64 and 32 bits, on a sum of fewer than 2^32 of the first.
        let more = u128::from(self.last_price).saturating_mul(u128::from(carried));
        let sum = self.total().saturating_add(more);
        let covered = self.covered.saturating_add(carried);
        let missing = MIN_FILLED.saturating_sub(self.filled);
        let open = left(next.max(minute)).max(missing);
        // The last minute, at the last price, is open until the price is final.
        let last = u32::from(open == 0);
        Some(UnderWay {
            sum: sum.saturating_sub(u128::from(self.last_price).saturating_mul(u128::from(last))),
            covered: covered.saturating_sub(last),
            open: open.max(1),
        })
    }

    /// Whether the settlement price is fixed.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        self.settlement_price != 0
    }

    /// Whether enough minutes are filled for the window to end with the expiry, or where it is now.
    #[must_use]
    pub const fn has_enough(&self) -> bool {
        self.filled >= MIN_FILLED
    }

    /// Records a price of the expiry that ends at `expiry`, published at `publish_time`. A price after the expiry that
    /// is not needed any more changes nothing.
    ///
    /// # Errors
    /// [`EstuaryError::SettlementPriceFinal`], [`EstuaryError::SettlementWindowNotOpen`] for a price from before the
    /// window, [`EstuaryError::SettlementMinuteRecorded`] for a second price of a minute, or one of an earlier minute.
    pub fn record(&mut self, expiry: i64, publish_time: i64, price: u64) -> Result<()> {
        require!(!self.is_final(), EstuaryError::SettlementPriceFinal);
        let minute = minute_of(expiry, publish_time)?;
        if minute >= WINDOW_MINUTES && self.has_enough() {
            return Ok(());
        }
        if self.filled > 0 {
            require_gt!(
                minute,
                self.last_minute,
                EstuaryError::SettlementMinuteRecorded
            );
            self.carry_to(minute)?;
        }
        self.add(price, 1)?;
        self.filled = self
            .filled
            .checked_add(1)
            .ok_or(EstuaryError::CounterOverflow)?;
        self.last_minute = minute;
        self.last_price = price;
        Ok(())
    }

    /// [`SettlementAverage::record`]; then a price from the expiry or later fixes the settlement price if enough minutes are
    /// filled.
    ///
    /// # Errors
    /// Those of [`SettlementAverage::record`].
    pub fn record_and_finalize(
        &mut self,
        expiry: i64,
        publish_time: i64,
        price: u64,
    ) -> Result<()> {
        self.record(expiry, publish_time, price)?;
        if publish_time >= expiry && self.has_enough() {
            self.finalize()?;
        }
        Ok(())
    }

    /// Fixes the settlement price: the average of the minutes covered, rounded down.
    ///
    /// # Errors
    /// [`EstuaryError::SettlementPriceFinal`], [`EstuaryError::SettlementMinutesTooFew`].
    pub fn finalize(&mut self) -> Result<()> {
        require!(!self.is_final(), EstuaryError::SettlementPriceFinal);
        require_gte!(
            self.filled,
            MIN_FILLED,
            EstuaryError::SettlementMinutesTooFew
        );
        self.carry_to(WINDOW_MINUTES)?;
        let average = self.total().checked_div(u128::from(self.covered));
        // An average of 64-bit prices, each at least 1.
        self.settlement_price = average
            .and_then(|average| u64::try_from(average).ok())
            .ok_or(EstuaryError::AmountOverflow)?;
        Ok(())
    }

    /// Fills the minutes of the window after the last one filled and before `minute` with its price.
    fn carry_to(&mut self, minute: u32) -> Result<()> {
        let next = self.last_minute.saturating_add(1);
        let empty = minute.min(WINDOW_MINUTES).saturating_sub(next);
        self.add(self.last_price, empty)
    }

    fn add(&mut self, price: u64, minutes: u32) -> Result<()> {
        // Two factors of 64 and 32 bits.
        let added = u128::from(price).saturating_mul(u128::from(minutes));
        let total = self
            .total()
            .checked_add(added)
            .ok_or(EstuaryError::AmountOverflow)?;
        let covered = self.covered.checked_add(minutes);
        self.covered = covered.ok_or(EstuaryError::CounterOverflow)?;
        #[allow(
            clippy::cast_possible_truncation,
            reason = "the low word, then the high word"
        )]
        let words = [total as u64, (total >> 64) as u64];
        self.sum = words;
        Ok(())
    }

    fn total(&self) -> u128 {
        let [low, high] = self.sum;
        u128::from(low) | (u128::from(high) << 64)
    }
}

/// When the window of an expiry begins.
const fn start_of(expiry: i64) -> i64 {
    expiry.saturating_sub(WINDOW_SECONDS)
}

/// The minute of a publish time, counted from the beginning of the window.
fn minute_of(expiry: i64, publish_time: i64) -> Result<u32> {
    let start = start_of(expiry);
    require_gte!(publish_time, start, EstuaryError::SettlementWindowNotOpen);
    let minute = publish_time.saturating_sub(start).checked_div(MINUTE);
    minute
        .and_then(|minute| u32::try_from(minute).ok())
        .ok_or_else(|| error!(EstuaryError::CounterOverflow))
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test that overflows fails"
)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An expiry that is no whole minute of the clock.
    const EXPIRY: i64 = 1_760_000_007;
    const START: i64 = EXPIRY - 1_800;

    /// Records at seconds from the beginning of the window.
    fn record(average: &mut SettlementAverage, second: i64, price: u64) -> Option<EstuaryError> {
        error_of(average.record(EXPIRY, START + second, price))
    }

    fn error_of(result: Result<()>) -> Option<EstuaryError> {
        match result {
            Ok(()) => None,
            Err(Error::AnchorError(error)) => EstuaryError::from_code(error.error_code_number),
            Err(Error::ProgramError(_)) => panic!("an error of the program"),
        }
    }

    /// The average over prices at seconds, recorded and made final.
    fn settled(prices: &[(i64, u64)]) -> u64 {
        let mut average = SettlementAverage::default();
        for (second, price) in prices {
            assert_eq!(record(&mut average, *second, *price), None, "at {second}");
        }
        average.finalize().unwrap();
        average.settlement_price
    }

    fn minutes(range: core::ops::Range<i64>, price: u64) -> Vec<(i64, u64)> {
        range.map(|minute| (minute * 60 + 11, price)).collect()
    }

    #[test]
    fn a_full_window_is_averaged_and_rounded_down() {
        let mut prices = minutes(0..29, 100);
        prices.push((1_799, 129));
        assert_eq!(settled(&prices), 100);
        prices[29].1 = 130;
        assert_eq!(settled(&prices), 101);
    }

    #[test]
    fn the_first_update_of_a_minute_wins() {
        let mut average = SettlementAverage::default();
        assert_eq!(record(&mut average, 60, 100), None);
        let before = average;
        for (second, price) in [(60, 100), (61, 500), (119, 1), (59, 7), (0, 7)] {
            let error = record(&mut average, second, price);
            assert_eq!(error, Some(EstuaryError::SettlementMinuteRecorded));
        }
        assert_eq!(average, before);
        assert_eq!(record(&mut average, 120, 100), None);
        assert_eq!((average.filled, average.covered), (2, 2));
    }

    #[test]
    fn gaps_take_the_price_before_them_and_a_late_start_counts_from_the_start() {
        // Minutes 2 to 20 at 100, 21 to 27 carried, 28 at 200, 29 carried.
        let mut prices = minutes(2..21, 100);
        prices.extend(minutes(28..29, 200));
        assert_eq!(settled(&prices), (26 * 100 + 2 * 200) / 28);
        // From minute 10 on: twenty minutes are enough, and the ten before do not count.
        assert_eq!(settled(&minutes(10..30, 7)), 7);
    }

    #[test]
    fn the_window_goes_on_until_twenty_minutes_are_filled() {
        let mut average = SettlementAverage::default();
        for (second, price) in minutes(0..19, 100) {
            assert_eq!(record(&mut average, second, price), None);
        }
        let too_few = error_of(average.finalize());
        assert_eq!(too_few, Some(EstuaryError::SettlementMinutesTooFew));
        // The feed is back after three hours: the empty minutes of the window count at 100, those after it not at all.
        assert_eq!(record(&mut average, 10_800, 410), None);
        assert_eq!((average.filled, average.covered), (20, 31));
        average.finalize().unwrap();
        assert_eq!(average.settlement_price, (30 * 100 + 410) / 31);
        // A feed that was away for the whole window.
        assert_eq!(settled(&minutes(100..120, 9)), 9);
    }

    #[test]
    fn prices_outside_the_window_do_not_count() {
        let mut average = SettlementAverage::default();
        let early = Some(EstuaryError::SettlementWindowNotOpen);
        assert_eq!(record(&mut average, -1, 5), early);
        assert_eq!(error_of(average.record(EXPIRY, i64::MIN, 5)), early);
        assert_eq!(average, SettlementAverage::default());
        for (second, price) in minutes(0..20, 100) {
            assert_eq!(record(&mut average, second, price), None);
        }
        let before = average;
        for second in [1_800, 1_859, 100_000] {
            assert_eq!(record(&mut average, second, 900), None);
            assert_eq!(average, before);
        }
        average.finalize().unwrap();
        assert_eq!(average.settlement_price, 100);
    }

    #[test]
    fn the_first_price_after_the_expiry_ends_a_window_with_enough() {
        let mut average = SettlementAverage::default();
        let mut at = |minute: i64, price| {
            let time = START + minute * 60;
            average.record_and_finalize(EXPIRY, time, price).unwrap();
            (average.filled, average.settlement_price)
        };
        for minute in 0..19 {
            assert_eq!(at(minute, 100).1, 0);
        }
        // Enough, but a later minute of the window may come.
        assert_eq!(at(20, 100), (20, 0));
        assert_eq!(at(30, 900), (20, 100));
        let mut average = SettlementAverage::default();
        for minute in 10..29 {
            average
                .record_and_finalize(EXPIRY, START + minute * 60, 100)
                .unwrap();
        }
        // The one that fills enough counts.
        average.record_and_finalize(EXPIRY, EXPIRY, 310).unwrap();
        assert_eq!(average.settlement_price, (20 * 100 + 310) / 21);
    }

    #[test]
    fn a_final_price_is_final() {
        let mut average = SettlementAverage::default();
        for (second, price) in minutes(0..30, 100) {
            assert_eq!(record(&mut average, second, price), None);
        }
        assert!(!average.is_final());
        average.finalize().unwrap();
        let before = average;
        let refused = Some(EstuaryError::SettlementPriceFinal);
        for second in [-1, 0, 1_799, 1_800, 90_000] {
            assert_eq!(record(&mut average, second, 5), refused);
        }
        assert_eq!(error_of(average.finalize()), refused);
        assert_eq!(average, before);
    }

    #[test]
    fn what_is_fixed_and_what_is_open_add_up_to_the_window() {
        let at = |average: &SettlementAverage, second: i64| {
            let now = average.under_way(EXPIRY, START + second);
            now.map(|now| (now.sum, now.covered, now.open))
        };
        let mut average = SettlementAverage::default();
        assert_eq!(at(&average, -1), None);
        assert_eq!(average.under_way(EXPIRY, i64::MIN), None);
        assert_eq!(at(&average, 0), Some((0, 0, 30)));
        // Without any price the window goes on: twenty minutes are needed, whenever they come.
        assert_eq!(at(&average, 900), Some((0, 0, 20)));
        assert_eq!(at(&average, 1_000_000), Some((0, 0, 20)));
        for (second, price) in minutes(0..15, 100) {
            assert_eq!(record(&mut average, second, price), None);
        }
        assert_eq!(at(&average, 14 * 60 + 20), Some((1_500, 15, 15)));
        assert_eq!(at(&average, 15 * 60), Some((1_500, 15, 15)));
        // Three minutes over without a price are carried; five prices more are needed at least.
        assert_eq!(at(&average, 18 * 60 + 59), Some((1_800, 18, 12)));
        assert_eq!(at(&average, 1_800), Some((3_000, 30, 5)));
        for (second, price) in minutes(25..30, 400) {
            assert_eq!(record(&mut average, second, price), None);
        }
        // The last minute is open until the price is final.
        assert_eq!(at(&average, 1_799), Some((2_500 + 1_600, 29, 1)));
        assert_eq!(at(&average, 9_999), Some((2_500 + 1_600, 29, 1)));
        average.finalize().unwrap();
        assert_eq!(at(&average, 9_999), None);
    }

    #[test]
    fn the_largest_prices_and_times_do_not_overflow() {
        assert_eq!(settled(&minutes(0..30, u64::MAX)), u64::MAX);
        assert_eq!(settled(&minutes(0..20, 1)), 1);
        let mut average = SettlementAverage::default();
        let error = error_of(average.record(0, i64::MAX, 1));
        assert_eq!(error, Some(EstuaryError::CounterOverflow));
    }

    /// The same by lists: every minute's first price, then the rules one after the other.
    fn naive(updates: &[(i64, u64)]) -> Option<u64> {
        let mut prices: Vec<Option<u64>> = Vec::new();
        for (second, price) in updates.iter().filter(|(second, _)| *second >= 0) {
            let minute = usize::try_from(second / 60).unwrap();
            let filled = prices.iter().flatten().count();
            if minute >= 30 && filled >= 20 {
                break;
            }
            prices.resize(prices.len().max(minute + 1), None);
            prices[minute].get_or_insert(*price);
        }
        let filled = prices.iter().flatten().count();
        prices.resize(prices.len().max(30), None);
        let mut covered = Vec::new();
        let mut last = None;
        for (minute, price) in prices.iter().enumerate() {
            last = price.or(last);
            covered.extend(if minute < 30 { last } else { *price });
        }
        let sum: u128 = covered.iter().map(|price| u128::from(*price)).sum();
        (filled >= 20).then(|| (sum / covered.len() as u128) as u64)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Whatever was recorded: when each minute to come has one price, the average is what it was taken for.
        #[test]
        fn what_is_under_way_ends_where_it_was_taken_to(
            steps in prop::collection::vec((1i64..180, 1u64..1 << 50), 1..25),
            wait in 0i64..300,
            price in 1u64..1 << 50,
        ) {
            let mut average = SettlementAverage::default();
            let mut second = 0;
            for (step, price) in &steps {
                second += step;
                record(&mut average, second, *price);
            }
            let minute = (second + wait) / 60;
            let under_way = average.under_way(EXPIRY, START + second + wait).unwrap();
            let open = i64::from(under_way.open);
            let ended = minute >= 30 && average.has_enough();
            prop_assume!(!ended && average.last_minute != 29);
            let next = minute.max(i64::from(average.last_minute) + 1);
            for later in 0..open {
                prop_assert_eq!(record(&mut average, (next + later) * 60, price), None);
            }
            let expected = (under_way.sum + u128::from(price) * u128::from(under_way.open))
                / u128::from(under_way.covered + under_way.open);
            prop_assert!(average.finalize().is_ok());
            prop_assert_eq!(u128::from(average.settlement_price), expected);
        }

        #[test]
        fn the_average_is_that_of_a_list(
            start in -600i64..2_400,
            steps in prop::collection::vec((0i64..180, 1u64..=u64::MAX), 1..90),
        ) {
            let mut second = start;
            let mut updates = Vec::new();
            for (step, price) in steps {
                updates.push((second, price));
                second += step;
            }
            let mut average = SettlementAverage::default();
            for (second, price) in &updates {
                let before = average;
                let refused = record(&mut average, *second, *price).is_some();
                prop_assert!(!refused || average == before);
                prop_assert!(average.filled <= average.covered);
            }
            let expected = naive(&updates);
            prop_assert_eq!(average.has_enough(), expected.is_some());
            prop_assert_eq!(average.finalize().is_ok(), expected.is_some());
            prop_assert_eq!(average.settlement_price, expected.unwrap_or(0));
        }
    }
}
