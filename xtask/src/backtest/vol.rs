//! Implied volatility by a rule from what is known at the close: no option prices are in the file.
//!
//! Two variances per day of squared log returns: a fast one, exponentially weighted with factor 0.94, and a slow one,
//! the mean of the last 365 days (of all there are, at first). The implied variance rate of T days lies between them
//! as if the fast one returned to the slow one with a mean life of 30 days:
//! `slow + (fast − slow)·(1 − e^(−T/30))/(T/30)`. Short volatility thus moves more than long, and jumps after a crash.

use super::prices::Day;

/// Days of history before the first book is opened.
pub const HISTORY_DAYS: usize = 60;
/// The slow variance is over at most this many returns.
const SLOW_DAYS: usize = 365;
/// Weight of yesterday's fast variance.
const DECAY: f64 = 0.94;
/// Mean life of the difference between the two, in days.
const MEAN_LIFE: f64 = 30.0;
/// Implied volatility stays within these, per root year.
const RANGE: (f64, f64) = (0.10, 4.0);

/// What the rule knows at a close.
#[derive(Clone, Debug)]
pub struct State {
    fast: f64,
    /// Squared returns of the slow variance, oldest first.
    squares: Vec<f64>,
}

impl State {
    /// From the days up to a close, that day included and nothing after it.
    pub fn of(known: &[Day]) -> Self {
        let first = known.len().saturating_sub(SLOW_DAYS + 1);
        let squares: Vec<f64> = known[first..]
            .windows(2)
            .map(|pair| (pair[1].close / pair[0].close).ln().powi(2))
            .collect();
        // A year back the weight is 0.94^365, below 1e-9; shorter histories start from their mean.
        let start = mean(&squares);
        let fast = squares
            .iter()
            .fold(start, |fast, square| DECAY * fast + (1.0 - DECAY) * square);
        Self { fast, squares }
    }

    /// A day later, after a log return.
    pub fn after(&self, log_return: f64) -> Self {
        let square = log_return.powi(2);
        let mut squares = self.squares.clone();
        if squares.len() == SLOW_DAYS {
            squares.remove(0);
        }
        squares.push(square);
        Self {
            fast: DECAY * self.fast + (1.0 - DECAY) * square,
            squares,
        }
    }

    /// Implied volatility per root year of an expiry this many days away.
    pub fn implied(&self, days: f64) -> f64 {
        let slow = mean(&self.squares);
        let age = days / MEAN_LIFE;
        let variance = slow + (self.fast - slow) * (1.0 - (-age).exp()) / age;
        (variance * 365.0).sqrt().clamp(RANGE.0, RANGE.1)
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(count: i64) -> Vec<Day> {
        let day = |number: i64| {
            let close = if number % 2 == 0 { 100.0 } else { 103.0 };
            Day {
                number,
                date: String::new(),
                low: close,
                high: close,
                close,
            }
        };
        (0..count).map(day).collect()
    }

    #[test]
    fn a_steady_return_is_its_own_volatility_at_every_expiry() {
        let state = State::of(&days(100));
        let steady = 1.03f64.ln() * 365f64.sqrt();
        assert!((state.implied(30.0) - steady).abs() < 1e-12);
        assert!((state.implied(60.0) - steady).abs() < 1e-12);
    }

    #[test]
    fn a_crash_raises_the_short_end_more_and_the_day_before_knows_nothing() {
        let before = State::of(&days(100));
        let after = before.after(0.6f64.ln());
        assert!(after.implied(30.0) > after.implied(60.0));
        assert!(after.implied(60.0) > before.implied(60.0));
        let mut crashed = days(100);
        let close = 0.6 * crashed[99].close;
        crashed.push(Day {
            close,
            ..crashed[99].clone()
        });
        assert!((State::of(&crashed).implied(30.0) / after.implied(30.0) - 1.0).abs() < 2e-3);
        assert_eq!(
            State::of(&crashed[..100]).implied(30.0),
            before.implied(30.0)
        );
    }
}
