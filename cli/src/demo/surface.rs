//! Where the volatilities come from: a price file has none, so the demo posts them by a rule.
//!
//! Every market starts from a base volatility. After each bar the realised volatility of its symbol (range estimator of
//! Parkinson, 1980: `ln(high/low)² / (4 ln 2)` per bar, averaged with a half-life of twelve hours) is compared with it;
//! what it exceeds the base by is added to expiries of a week and less in full, to later ones by `sqrt(7 / days)`. A
//! surface is posted when a volatility moved by a twentieth of itself since the last posting.

use estuary::instructions::SurfaceSlice;

use super::prices::Bar;
use crate::deploy::config::InitialSurface;

/// Seconds of a day and of the year of every rate here.
const DAY: f64 = 86_400.0;
const YEAR: f64 = 31_536_000.0;
/// Half-life of the realised variance, seconds.
const HALF_LIFE: f64 = 43_200.0;
/// Realised volatility counts up to this: 300%.
const REALISED_CAP: f64 = 3.0;
/// A posting follows a relative move of this.
const POST_THRESHOLD: f64 = 0.05;
/// The rule in words, for the screen.
pub const RULE: [&str; 2] = [
    "each market's base, plus what realised volatility (half-life 12 h) exceeds it by, for expiries beyond a week",
    "times sqrt(7 days / time left); posted again after a bar when it moved by 5% of itself",
];

/// Follows one symbol and says what to post.
pub struct SurfaceRule {
    surface: InitialSurface,
    bar_seconds: f64,
    realised_variance: f64,
    posted: f64,
}

impl SurfaceRule {
    /// At the start of the replay, with the surface that was deployed.
    pub fn new(surface: InitialSurface, bar_seconds: i64) -> Self {
        let base = surface.atm_vol;
        Self {
            surface,
            bar_seconds: bar_seconds as f64,
            realised_variance: base * base,
            posted: base,
        }
    }

    /// Takes in a finished bar. True when a posting is due.
    pub fn observe(&mut self, bar: &Bar) -> bool {
        let range = (bar.high as f64 / bar.low as f64).ln();
        let variance = range * range / (4.0 * std::f64::consts::LN_2) * YEAR / self.bar_seconds;
        let keep = 0.5f64.powf(self.bar_seconds / HALF_LIFE);
        self.realised_variance = self.realised_variance * keep + variance * (1.0 - keep);
        (self.short_volatility() / self.posted - 1.0).abs() > POST_THRESHOLD
    }

    /// At-the-money volatility that was deployed.
    pub const fn base_volatility(&self) -> f64 {
        self.surface.atm_vol
    }

    /// At-the-money volatility of a week and less.
    pub fn short_volatility(&self) -> f64 {
        self.base_volatility()
            .max(self.realised_variance.sqrt().min(REALISED_CAP))
    }

    /// The surface to post now for expiries at `times`, ascending; remembers it as posted.
    pub fn post(&mut self, times: &[i64], now: i64) -> Vec<SurfaceSlice> {
        self.posted = self.short_volatility();
        times.iter().map(|time| self.slice(*time, now)).collect()
    }

    fn slice(&self, time: i64, now: i64) -> SurfaceSlice {
        let left = (time - now).max(60) as f64;
        let fade = (7.0 * DAY / left).sqrt().min(1.0);
        let base = self.base_volatility();
        let volatility = base + (self.short_volatility() - base) * fade;
        self.surface.slice(volatility, time, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SURFACE: InitialSurface = InitialSurface {
        atm_vol: 0.8,
        rho: -0.25,
        curvature: 0.8,
        basis_rate: 0.05,
    };
    const CALM: Bar = Bar {
        open: 1_000_000,
        high: 1_001_000,
        low: 999_000,
        close: 1_000_000,
    };
    const CRASH: Bar = Bar {
        open: 1_000_000,
        high: 1_000_000,
        low: 700_000,
        close: 880_000,
    };

    #[test]
    fn volatility_rises_with_a_crash_and_fades() {
        let mut rule = SurfaceRule::new(SURFACE, 1_800);
        assert!(!rule.observe(&CALM), "calm bars leave the base");
        assert!(rule.observe(&CRASH), "a crash is posted");
        let week = 7 * 86_400;
        let slices = rule.post(&[week, 4 * week], 0);
        assert!(slices[0].atm_vol_ppb > 1_000_000_000);
        let bump = |slice: &SurfaceSlice| slice.atm_vol_ppb as f64 - 0.8e9;
        assert!(
            (bump(&slices[1]) / bump(&slices[0]) - 0.5).abs() < 1e-6,
            "half the bump at four weeks"
        );
        assert!(
            (0..96).any(|_| rule.observe(&CALM)),
            "the fall back is posted too"
        );
        let mut postings = 0;
        for _ in 0..480 {
            if rule.observe(&CALM) {
                postings += 1;
                rule.post(&[week], 0);
            }
        }
        assert_eq!(rule.short_volatility(), 0.8);
        assert!(postings < 40);
    }
}
