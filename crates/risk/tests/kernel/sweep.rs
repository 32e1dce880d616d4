//! Many arguments on all cores, with the same answer whatever the number of cores.

use crate::support::Random;
use serde_json::{json, Value};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// How much of a domain is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Some of it, in a second or so without optimisation.
    Sample,
    /// All of it where that can be done, 2^32 arguments or what is stated elsewhere.
    Full,
}

impl Size {
    /// The full number, or about a `2^-shift` of it.
    pub fn of(self, full: u64, shift: u32) -> u64 {
        match self {
            Self::Full => full,
            Self::Sample => (full >> shift).max(1),
        }
    }
}

/// A bound, and how near to it the engine came.
pub struct Measured {
    pub name: &'static str,
    /// What was taken of which domain.
    pub domain: &'static str,
    /// What the error is a multiple of.
    pub unit: &'static str,
    pub points: u64,
    pub worst: Worst,
    /// The error of the reference itself.
    pub reference: f64,
    pub bound: f64,
}

impl Measured {
    pub fn within_bound(&self) -> bool {
        self.worst.error + self.reference <= self.bound
    }

    pub fn json(&self) -> Value {
        json!({
            "domain": self.domain,
            "points": self.points,
            "unit": self.unit,
            "worst": rounded(self.worst.error),
            "at": self.worst.at,
            "reference_error": self.reference,
            "bound": rounded(self.bound),
        })
    }
}

/// Four significant digits.
fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().expect("a number")
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {:.4e} of {:.4e} {}, {} points, at {:?}",
            self.name, self.worst.error, self.bound, self.unit, self.points, self.worst.at
        )
    }
}

/// The largest error seen, and the arguments it was seen at.
#[derive(Clone, Debug, Default)]
pub struct Worst {
    pub error: f64,
    pub at: Vec<i64>,
}

impl Worst {
    /// Takes notice of an error.
    #[inline(always)]
    pub fn see(&mut self, error: f64, at: &[i64]) {
        if error > self.error || error.is_nan() {
            self.replace(error, at);
        }
    }

    #[cold]
    fn replace(&mut self, error: f64, at: &[i64]) {
        assert!(error.is_finite(), "{at:?}");
        *self = Self {
            error,
            at: at.to_vec(),
        };
    }

    pub fn merge(&mut self, other: Self) {
        if other.error > self.error {
            *self = other;
        }
    }
}

/// The number of parts that a sweep is cut into, each with random numbers of its own.
pub const PARTS: u64 = 512;

/// The seeds of the random parts, in the order of the measurements that use them.
pub fn seeds() -> Vec<u64> {
    (1..=6).collect()
}

/// A generator of one part of a sweep.
pub fn random_of(seed: u64, part: u64) -> Random {
    let mut random = Random(seed.wrapping_mul(0xD134_2543_DE82_EF95) ^ part);
    Random(random.bits())
}

/// Runs every part on all cores; answers come in order.
pub fn parts<T: Send>(work: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let next = AtomicU64::new(0);
    let mut answers = std::thread::scope(|scope| {
        let (next, work) = (&next, &work);
        let run = move || {
            let mut mine = Vec::new();
            loop {
                let part = next.fetch_add(1, Ordering::Relaxed);
                if part >= PARTS {
                    return mine;
                }
                mine.push((part, work(part)));
            }
        };
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(run)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("a part"))
            .collect::<Vec<_>>()
    });
    answers.sort_unstable_by_key(|(part, _)| *part);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// The largest error over `count` arguments numbered from 0, in parts.
pub fn largest(count: u64, see: impl Fn(&mut Worst, std::ops::Range<u64>) + Sync) -> Worst {
    let share = count.div_ceil(PARTS);
    let found = parts(|part| {
        let mut worst = Worst::default();
        see(
            &mut worst,
            (part * share).min(count)..((part + 1) * share).min(count),
        );
        worst
    });
    let mut worst = Worst::default();
    found.into_iter().for_each(|part| worst.merge(part));
    worst
}

pub fn q(bits: i32) -> f64 {
    2f64.powi(bits)
}
