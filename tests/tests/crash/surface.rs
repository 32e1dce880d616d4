//! Volatilities, which the price file has not: posted by a rule from realised ones.
//!
//! The range of each bar gives a variance, `ln(high/low)² / (4 ln 2)` over its time; what its mean with a half-life of twelve
//! hours exceeds a base volatility by is added to expiries of a week and less in full, to later ones by `sqrt(7 days / time
//! left)`. A surface is posted when that moved by a twentieth.

use crate::prices::{Bar, BAR_SECONDS};
use estuary::instructions::SurfaceSlice;

const WEEK: f64 = 7.0 * 86_400.0;
const YEAR: f64 = 31_536_000.0;
/// Half-life of the realised variance, seconds.
const HALF_LIFE: f64 = 43_200.0;
/// Realised volatility counts up to this.
const MOST: f64 = 3.0;
/// A relative move of this is posted.
const THRESHOLD: f64 = 0.05;

/// Follows one underlying.
pub struct Rule {
    base: f64,
    variance: f64,
    posted: f64,
}

impl Rule {
    /// From a base volatility, which nothing exceeds yet.
    pub fn new(base: f64) -> Self {
        Self {
            base,
            variance: base * base,
            posted: base,
        }
    }

    /// Takes in a bar; whether a surface is due.
    pub fn observe(&mut self, bar: &Bar) -> bool {
        let range = (bar.high / bar.low).ln();
        let seconds = BAR_SECONDS as f64;
        let variance = range * range / (4.0 * std::f64::consts::LN_2) * YEAR / seconds;
        let keep = 0.5f64.powf(seconds / HALF_LIFE);
        self.variance = self.variance * keep + variance * (1.0 - keep);
        (self.short() / self.posted - 1.0).abs() > THRESHOLD
    }

    /// At-the-money volatility of a week and less.
    fn short(&self) -> f64 {
        self.base.max(self.variance.sqrt().min(MOST))
    }

    /// The surface now, for expiries in ascending order.
    pub fn post(&mut self, expiries: &[i64], now: i64) -> Vec<SurfaceSlice> {
        self.posted = self.short();
        let slice = |time: &i64| {
            let fade = (WEEK / (time - now) as f64).sqrt().min(1.0);
            let volatility = self.base + (self.posted - self.base) * fade;
            SurfaceSlice {
                time: *time,
                atm_vol_ppb: (volatility * 1e9) as u64,
                rho_ppb: -250_000_000,
                phi_ppb: 1_200_000_000,
                basis_rate_ppb: 50_000_000,
            }
        };
        expiries.iter().map(slice).collect()
    }
}
