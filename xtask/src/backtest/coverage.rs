//! Whether exceptions are as many and as scattered as they should be.
//!
//! Kupiec, "Techniques for Verifying the Accuracy of Risk Measurement Models" (1995): with n1 exceptions on n days,
//! `LR_uc = −2 ln[(1−p)^n0 p^n1 / ((1−π)^n0 π^n1)]`, π = n1/n, is chi-square with one degree of freedom where
//! exceptions come with probability p. Christoffersen, "Evaluating Interval Forecasts" (1998): with n_ij the days in
//! state j after one in state i, `LR_ind = −2 ln[L(π) / L(π01, π11)]` is so where they come independently, and
//! `LR_cc = LR_uc + LR_ind` is chi-square with two degrees where both hold.

use serde_json::{json, Value};

/// A likelihood ratio and how often chance alone makes it as large.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Test {
    /// The ratio.
    pub ratio: f64,
    /// Its p-value.
    pub p: f64,
}

/// The tests of one series of days.
#[derive(Clone, Copy, Debug)]
pub struct Tests {
    /// Days.
    pub days: usize,
    /// Days with an exception.
    pub exceptions: usize,
    /// Days with one that follow one.
    pub consecutive: usize,
    /// Kupiec's, of the number.
    pub unconditional: Test,
    /// Christoffersen's, of independence; with fewer than two exceptions there is nothing to test.
    pub independence: Option<Test>,
    /// Both together.
    pub conditional: Option<Test>,
}

impl Tests {
    /// Of days with and without exceptions, where a share `expected` was meant to have one.
    pub fn new(exceeded: &[bool], expected: f64) -> Self {
        let (days, exceptions) = (exceeded.len(), exceeded.iter().filter(|day| **day).count());
        let (n, n1) = (days as f64, exceptions as f64);
        let share = if days == 0 { 0.0 } else { n1 / n };
        let uc = ratio(
            log_likelihood(n - n1, n1, expected),
            log_likelihood(n - n1, n1, share),
        );
        let unconditional = Test {
            ratio: uc,
            p: chi_square_1(uc),
        };
        let mut moves = [[0.0; 2]; 2];
        for pair in exceeded.windows(2) {
            moves[usize::from(pair[0])][usize::from(pair[1])] += 1.0;
        }
        let [[n00, n01], [n10, n11]] = moves;
        let chance = |to: f64, all: f64| if all == 0.0 { 0.0 } else { to / all };
        let one = chance(n01 + n11, n00 + n01 + n10 + n11);
        let free = log_likelihood(n00, n01, chance(n01, n00 + n01))
            + log_likelihood(n10, n11, chance(n11, n10 + n11));
        let ind = ratio(log_likelihood(n00 + n10, n01 + n11, one), free);
        let testable = exceptions >= 2;
        Self {
            days,
            exceptions,
            consecutive: n11 as usize,
            unconditional,
            independence: testable.then(|| Test {
                ratio: ind,
                p: chi_square_1(ind),
            }),
            conditional: testable.then(|| Test {
                ratio: uc + ind,
                p: (-(uc + ind) / 2.0).exp(),
            }),
        }
    }

    /// For the record.
    pub fn json(&self) -> Value {
        let of = |test: Option<Test>| {
            test.map(|test| json!({"ratio": digits(test.ratio), "p": digits(test.p)}))
        };
        json!({
            "exceptions": self.exceptions,
            "consecutive": self.consecutive,
            "kupiec": of(Some(self.unconditional)),
            "independence": of(self.independence),
            "conditional": of(self.conditional),
        })
    }
}

/// Four significant digits.
fn digits(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

/// `ln[(1−p)^n0 p^n1]`, with 0·ln 0 = 0.
fn log_likelihood(n0: f64, n1: f64, p: f64) -> f64 {
    let term = |n: f64, p: f64| if n == 0.0 { 0.0 } else { n * p.ln() };
    term(n0, 1.0 - p) + term(n1, p)
}

fn ratio(restricted: f64, free: f64) -> f64 {
    (-2.0 * (restricted - free)).max(0.0)
}

/// Upper tail of chi-square with one degree of freedom: `erfc(√(x/2))`.
fn chi_square_1(x: f64) -> f64 {
    libm::erfc((x / 2.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(days: usize, exceptions: &[usize]) -> Vec<bool> {
        (0..days).map(|day| exceptions.contains(&day)).collect()
    }

    #[test]
    fn as_many_as_expected_is_no_surprise_and_none_is_one() {
        let ten: Vec<usize> = (0..10).map(|i| i * 100 + 50).collect();
        let exact = Tests::new(&series(1_000, &ten), 0.01);
        assert!(exact.unconditional.ratio < 1e-9 && exact.unconditional.p > 0.9999);
        // −2·1000·ln 0.99 = 20.1007; its p-value is 7.36e-6.
        let none = Tests::new(&series(1_000, &[]), 0.01);
        assert!((none.unconditional.ratio - 20.100_67).abs() < 1e-4);
        assert!((none.unconditional.p / 7.36e-6 - 1.0).abs() < 5e-3);
        assert_eq!(none.independence, None);
    }

    #[test]
    fn known_values_of_the_number_of_exceptions() {
        // 5 in 250 at 1%: −2·[245 ln 0.99 + 5 ln 0.01 − 245 ln 0.98 − 5 ln 0.02] = 1.9568, p = 0.1619.
        let five = Tests::new(&series(250, &[10, 60, 110, 160, 210]), 0.01);
        assert!((five.unconditional.ratio - 1.9568).abs() < 1e-3);
        assert!((five.unconditional.p - 0.1619).abs() < 1e-3);
    }

    #[test]
    fn exceptions_in_a_row_are_not_independent() {
        let scattered: Vec<usize> = (0..10).map(|i| i * 100 + 50).collect();
        let run: Vec<usize> = (500..510).collect();
        let (scattered, run) = (series(1_000, &scattered), series(1_000, &run));
        let (scattered, run) = (Tests::new(&scattered, 0.01), Tests::new(&run, 0.01));
        assert_eq!((scattered.consecutive, run.consecutive), (0, 9));
        assert!(scattered.independence.unwrap().p > 0.5);
        assert!(run.independence.unwrap().p < 1e-10);
        let both = run.conditional.unwrap();
        assert!((both.ratio - run.independence.unwrap().ratio).abs() < 1e-6);
    }
}
