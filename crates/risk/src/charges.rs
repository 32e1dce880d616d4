//! What a market charges beside its scenarios: the short-option minimum and the oracle contingency
//! (`margin-model.md`, section 5).

use crate::fixed::isqrt;
use crate::scenario::{ratio_up, ParameterError};
use crate::units::{Money, RiskError, ONE_PPM, SECONDS_PER_DAY};

/// The short-option minimum is at most this (10% of spot).
pub const MAX_SHORT_MINIMUM_PPM: u32 = 100_000;
/// The confidence interval counts at most this many times.
pub const MAX_ORACLE_CONFIDENCE_PPM: u32 = 10_000_000;
/// The allowance for a price's age is at most this (1% for a root second).
pub const MAX_ORACLE_AGE_PPM: u32 = 10_000;
/// The short-option minimum doubles over this time before the expiry: seven days.
const RAMP_SECONDS: i64 = 7 * SECONDS_PER_DAY;

/// Rates of the charges, in parts per million. Zero switches a charge off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChargeParameters {
    /// Short-option minimum in the initial margin: fraction of spot per unit that is short.
    pub short_minimum_ppm: u32,
    /// The same in the maintenance margin; not above it.
    pub short_minimum_maintenance_ppm: u32,
    /// How many times the confidence interval (half width) counts.
    pub oracle_confidence_ppm: u32,
    /// What the root of the price's age in seconds counts, as a fraction of spot.
    pub oracle_age_ppm: u32,
}

impl ChargeParameters {
    /// Short options 0.4% and 0.3% of spot, 2.12 confidence intervals, 0.02% for a root second of age.
    pub const DEFAULT: Self = Self {
        short_minimum_ppm: 4_000,
        short_minimum_maintenance_ppm: 3_000,
        oracle_confidence_ppm: 2_120_000,
        oracle_age_ppm: 200,
    };
    /// No charges.
    pub const OFF: Self = Self {
        short_minimum_ppm: 0,
        short_minimum_maintenance_ppm: 0,
        oracle_confidence_ppm: 0,
        oracle_age_ppm: 0,
    };

    /// Checks the range of each rate; the error names the first one outside it.
    pub const fn validate(&self) -> Result<(), ParameterError> {
        if self.short_minimum_ppm > MAX_SHORT_MINIMUM_PPM {
            return Err(ParameterError::ShortMinimum);
        }
        if self.short_minimum_maintenance_ppm > self.short_minimum_ppm {
            return Err(ParameterError::ShortMinimumMaintenance);
        }
        if self.oracle_confidence_ppm > MAX_ORACLE_CONFIDENCE_PPM {
            return Err(ParameterError::OracleConfidence);
        }
        if self.oracle_age_ppm > MAX_ORACLE_AGE_PPM {
            return Err(ParameterError::OracleAge);
        }
        Ok(())
    }

    /// The contingency of a price per net delta, parts per million of spot, rounded up.
    pub fn oracle_ppm(&self, oracle: &OracleQuality) -> u32 {
        let age_q32 = u64::from(oracle.age_seconds) << 32;
        // A root of at most 2^64 in Q16, rounded up: below 2^32 + 1.
        let root_q16 = isqrt(age_q32).saturating_add(1);
        let root_q16 = if age_q32 == 0 { 0 } else { root_q16 };
        // Rates are below 2^14 and 2^24.
        let age_ppm = u64::from(self.oracle_age_ppm)
            .wrapping_mul(root_q16)
            .div_ceil(1 << 16);
        let confidence_ppm = u64::from(self.oracle_confidence_ppm)
            .wrapping_mul(u64::from(oracle.confidence_ppm))
            .div_ceil(u64::from(ONE_PPM));
        u32::try_from(age_ppm.saturating_add(confidence_ppm)).unwrap_or(u32::MAX)
    }

    /// The short-option minimum of ramped short exposure, initial and maintenance, rounded up.
    ///
    /// # Errors
    /// [`RiskError::MoneyOverflow`].
    pub fn short_minimum(&self, exposure: Money) -> Result<(Money, Money), RiskError> {
        Ok((
            exposure.mul_div_up(self.short_minimum_ppm, ONE_PPM)?,
            exposure.mul_div_up(self.short_minimum_maintenance_ppm, ONE_PPM)?,
        ))
    }
}

/// How good a price is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OracleQuality {
    /// Half width of the confidence interval, parts per million of the price, rounded up.
    pub confidence_ppm: u32,
    /// Age of the price, seconds.
    pub age_seconds: u32,
}

impl OracleQuality {
    /// From the mantissas of a price and its confidence interval's half width.
    pub fn new(price: u64, confidence: u64, age_seconds: u32) -> Self {
        // A million is below 2^20.
        let parts = if confidence < 1 << 44 {
            confidence
                .wrapping_mul(ONE_PPM.into())
                .div_ceil(price.max(1))
        } else {
            let scaled = u128::from(confidence).saturating_mul(u128::from(ONE_PPM));
            let parts = scaled.div_ceil(u128::from(price.max(1)));
            u64::try_from(parts).unwrap_or(u64::MAX)
        };
        Self {
            confidence_ppm: u32::try_from(parts).unwrap_or(u32::MAX),
            age_seconds,
        }
    }
}

/// `1 + max(0, 1 − DTE/7)` in Q16, rounded up: what a short option's minimum is multiplied by.
pub fn ramp_q16(seconds_left: i64) -> u64 {
    phase_q16(seconds_left, RAMP_SECONDS).saturating_add(1 << 16)
}

/// `max(0, 1 − DTE)` in Q16, rounded up: how little a long option that expires counts.
pub fn fading_q16(seconds_left: i64) -> u64 {
    phase_q16(seconds_left, SECONDS_PER_DAY)
}

/// `max(0, 1 − left / span)` in Q16, rounded up, at most 1.
fn phase_q16(seconds_left: i64, span: i64) -> u64 {
    let passed = span.saturating_sub(seconds_left.clamp(0, span));
    ratio_up(passed, 1 << 16, span).unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ramp_doubles_over_the_last_week() {
        let day = SECONDS_PER_DAY;
        assert_eq!(ramp_q16(30 * day), 1 << 16);
        assert_eq!(ramp_q16(7 * day), 1 << 16);
        assert_eq!(ramp_q16(7 * day / 2), 3 << 15);
        assert_eq!(ramp_q16(0), 2 << 16);
        assert_eq!(ramp_q16(-5), 2 << 16);
        assert_eq!((fading_q16(day), fading_q16(day / 2)), (0, 1 << 15));
        assert_eq!((fading_q16(0), fading_q16(day - 1)), (1 << 16, 1));
    }

    #[test]
    fn a_price_costs_more_the_wider_and_the_older_it_is() {
        let ppm = |confidence, age| {
            let oracle = OracleQuality::new(1_000_000, confidence, age);
            ChargeParameters::DEFAULT.oracle_ppm(&oracle)
        };
        assert_eq!(ppm(0, 0), 0);
        assert_eq!(ppm(1_000, 0), 2_120);
        assert_eq!(ppm(0, 100), 2_001);
        assert_eq!(ppm(1_000, 100), 4_121);
        assert!(ppm(0, 1) >= 200 && ppm(0, 86_400) >= 58_787);
        let widest = OracleQuality::new(1, u64::MAX, u32::MAX);
        let most = ChargeParameters {
            oracle_confidence_ppm: MAX_ORACLE_CONFIDENCE_PPM,
            oracle_age_ppm: MAX_ORACLE_AGE_PPM,
            ..ChargeParameters::DEFAULT
        };
        assert_eq!(most.oracle_ppm(&widest), u32::MAX);
        assert_eq!(ChargeParameters::OFF.oracle_ppm(&widest), 0);
    }

    #[test]
    fn each_rate_has_its_limit_and_its_name() {
        let most = ChargeParameters {
            short_minimum_ppm: MAX_SHORT_MINIMUM_PPM,
            short_minimum_maintenance_ppm: MAX_SHORT_MINIMUM_PPM,
            oracle_confidence_ppm: MAX_ORACLE_CONFIDENCE_PPM,
            oracle_age_ppm: MAX_ORACLE_AGE_PPM,
        };
        assert_eq!(most.validate(), Ok(()));
        let refused = |change: fn(&mut ChargeParameters)| {
            let mut parameters = most;
            change(&mut parameters);
            parameters.validate().unwrap_err()
        };
        use ParameterError as E;
        assert_eq!(refused(|p| p.short_minimum_ppm += 1), E::ShortMinimum);
        assert_eq!(
            refused(|p| p.short_minimum_maintenance_ppm += 1),
            E::ShortMinimumMaintenance
        );
        assert_eq!(
            refused(|p| p.oracle_confidence_ppm += 1),
            E::OracleConfidence
        );
        assert_eq!(refused(|p| p.oracle_age_ppm += 1), E::OracleAge);
    }
}
