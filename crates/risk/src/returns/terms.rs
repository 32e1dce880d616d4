//! What is agreed of offsets: the terms of a pair, and what a market brings to every pair.

use super::{scale_down, PPM};
use crate::units::ONE_PPM;

/// The lowest limit of volatility (10% a year).
pub const MIN_STRESS_VOL_PPM: u32 = 100_000;

/// The highest limit of volatility (1000% a year).
pub const MAX_STRESS_VOL_PPM: u32 = 10_000_000;

/// The entry of a pair of markets: how much one offsets the other, and at which correlation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PairTerms {
    /// θ while correlation and volatility are in their bands, parts per million.
    pub offset_ppm: u32,
    /// Realised correlation from which on all of θ counts, parts per million.
    pub correlation_full_ppm: u32,
    /// Realised correlation up to which none does; below `correlation_full_ppm`.
    pub correlation_zero_ppm: u32,
}

/// Why the terms of a pair, or a market's limits, are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetError {
    /// `offset` exceeds 95%.
    Offset,
    /// `correlation_full` exceeds 1.
    CorrelationFull,
    /// `correlation_zero` is not below `correlation_full`.
    CorrelationZero,
    /// `offset_floor` is not within 5% and 100%.
    Floor,
    /// `stress_vol` is not within 10% and 1000% a year.
    StressVol,
}

impl PairTerms {
    /// Nothing offsets anything.
    pub const NONE: Self = Self {
        offset_ppm: 0,
        correlation_full_ppm: ONE_PPM,
        correlation_zero_ppm: 0,
    };

    /// Checks each number; the error names the first one that is wrong.
    pub const fn validate(&self) -> Result<(), OffsetError> {
        if self.offset_ppm > crate::portfolio::MAX_OFFSET_PPM {
            return Err(OffsetError::Offset);
        }
        if self.correlation_full_ppm > ONE_PPM {
            return Err(OffsetError::CorrelationFull);
        }
        if self.correlation_zero_ppm >= self.correlation_full_ppm {
            return Err(OffsetError::CorrelationZero);
        }
        Ok(())
    }

    /// The tighter of two in each number.
    #[must_use]
    pub fn tighter(&self, other: &Self) -> Self {
        Self {
            offset_ppm: self.offset_ppm.min(other.offset_ppm),
            correlation_full_ppm: self.correlation_full_ppm.max(other.correlation_full_ppm),
            correlation_zero_ppm: self.correlation_zero_ppm.max(other.correlation_zero_ppm),
        }
    }

    /// What a realised correlation leaves of the offset, parts per million, rounded down.
    pub(super) fn share_ppm(&self, correlation_ppm: u64) -> u64 {
        let zero = u64::from(self.correlation_zero_ppm);
        let band = u64::from(self.correlation_full_ppm).saturating_sub(zero);
        let above = correlation_ppm.saturating_sub(zero);
        if above < band {
            scale_down(PPM, above, band)
        } else if band == 0 {
            0
        } else {
            PPM
        }
    }
}

/// Checks what a market brings to every pair: κ and the limit of volatility.
pub const fn validate_market(floor_ppm: u32, stress_vol_ppm: u32) -> Result<(), OffsetError> {
    if floor_ppm < crate::portfolio::MIN_FLOOR_PPM || floor_ppm > ONE_PPM {
        return Err(OffsetError::Floor);
    }
    if stress_vol_ppm < MIN_STRESS_VOL_PPM || stress_vol_ppm > MAX_STRESS_VOL_PPM {
        return Err(OffsetError::StressVol);
    }
    Ok(())
}
