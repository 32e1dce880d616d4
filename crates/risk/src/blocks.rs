//! The blocks beside the core and the tails: how the term structure of volatility, the skew and the basis may move
//! while spot stays where it is (`margin-model.md`, section 3). Each is two columns, repriced.

use crate::fixed::{ln_of_q30, ln_q40};
use crate::scenario::{ratio_up, ParameterError};
use crate::units::{ONE_PPM, ONE_Q30, SECONDS_PER_YEAR};

/// Columns of the blocks, two each: twist, skew, basis.
pub const BLOCK_COLUMNS: usize = 6;
/// First column of the twist: maturities beyond 30 days up and those below it down, then the opposite.
pub const TWIST: usize = 0;
/// First column of the skew: ρ up, then ρ down.
pub const SKEW: usize = 2;
/// First column of the basis: forwards up, then forwards down.
pub const BASIS: usize = 4;

/// The twist is at most this (50%).
pub const MAX_TWIST_PPM: u32 = 500_000;
/// The shift of ρ is at most this (0.5).
pub const MAX_SKEW_PPM: u32 = 500_000;
/// The shock of the basis is at most this at any maturity (10%).
pub const MAX_BASIS_PPM: u32 = 100_000;
/// The shock of the basis grows by at most this a year (50%).
pub const MAX_BASIS_ANNUAL_PPM: u32 = 500_000;
/// Whatever the maturity, no forward moves by more than this in the basis block (half of it).
const MAX_BASIS_SHOCK_Q30: i64 = ONE_Q30 >> 1;

/// ln of 30 days in seconds, Q40.
const LN_30_DAYS_Q40: i64 = 16237522118234;
/// ln 12 in Q40: the twist reaches its full size at 30 × 12 days and at 30 / 12.
const LN_12_Q40: i64 = 2_732_183_755_380;
/// 1 / ln 12 in Q30.
const INVERSE_LN_12_Q30: i64 = 432_105_497;

/// Shocks of the blocks, in parts per million. Zero switches a block off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockParameters {
    /// t: the largest change of volatility in the twist, as a fraction of it.
    pub twist_ppm: u32,
    /// What is added to every slice's ρ and taken from it.
    pub skew_ppm: u32,
    /// b0: the change of every forward, as a fraction of it.
    pub basis_ppm: u32,
    /// a: what that change grows by with every year to expiry.
    pub basis_annual_ppm: u32,
}

impl BlockParameters {
    /// Twist 20%, ρ ± 0.10, basis 0.2% and 5% a year.
    pub const DEFAULT: Self = Self {
        twist_ppm: 200_000,
        skew_ppm: 100_000,
        basis_ppm: 2_000,
        basis_annual_ppm: 50_000,
    };
    /// No blocks.
    pub const OFF: Self = Self {
        twist_ppm: 0,
        skew_ppm: 0,
        basis_ppm: 0,
        basis_annual_ppm: 0,
    };

    /// Checks the range of each shock; the error names the first one outside it.
    pub const fn validate(&self) -> Result<(), ParameterError> {
        if self.twist_ppm > MAX_TWIST_PPM {
            return Err(ParameterError::Twist);
        }
        if self.skew_ppm > MAX_SKEW_PPM {
            return Err(ParameterError::Skew);
        }
        if self.basis_ppm > MAX_BASIS_PPM {
            return Err(ParameterError::Basis);
        }
        if self.basis_annual_ppm > MAX_BASIS_ANNUAL_PPM {
            return Err(ParameterError::BasisAnnual);
        }
        Ok(())
    }

    /// The shift of ρ in Q32, rounded up.
    pub fn skew_q32(&self) -> i64 {
        ratio_up(i64::from(self.skew_ppm), 1 << 32, i64::from(ONE_PPM))
    }
}

/// The blocks' shocks of one expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockShocks {
    /// Multipliers of volatility in the columns of the twist, Q30.
    pub twist_q30: [u64; 2],
    /// F/S in the columns of the basis, Q30.
    pub basis_forward_q30: [i64; 2],
    /// ln of the forward's multiple there, Q28.
    pub basis_log_q28: [i64; 2],
}

impl BlockShocks {
    /// Nothing moves.
    pub const NONE: Self = Self {
        twist_q30: [1 << 30; 2],
        basis_forward_q30: [ONE_Q30; 2],
        basis_log_q28: [0; 2],
    };

    /// Of an expiry `seconds_left` away whose forward is `forward_ratio_q30` of spot, in [1/2, 2).
    pub fn new(parameters: &BlockParameters, seconds_left: i64, forward_ratio_q30: i64) -> Self {
        let twist = twist_q30(parameters.twist_ppm, seconds_left);
        let basis = basis_q30(parameters, seconds_left);
        let multiples = [ONE_Q30.wrapping_add(basis), ONE_Q30.wrapping_sub(basis)];
        Self {
            // The twist is at most a half.
            twist_q30: [ONE_Q30.wrapping_add(twist), ONE_Q30.wrapping_sub(twist)]
                .map(i64::unsigned_abs),
            // Below 2^31 × 2^31.
            basis_forward_q30: multiples
                .map(|multiple| forward_ratio_q30.wrapping_mul(multiple) >> 30),
            // Between 1/2 and 3/2: the logarithm of 2^30 comes off.
            basis_log_q28: multiples
                .map(|multiple| ln_of_q30(multiple).wrapping_add(1 << 11) >> 12),
        }
    }

    /// How far the forward moves in the columns of the basis, Q30 of spot.
    pub fn basis_moves_q30(&self, forward_ratio_q30: i64) -> [i64; 2] {
        self.basis_forward_q30
            .map(|moved| moved.wrapping_sub(forward_ratio_q30))
    }
}

/// `t × clamp(ln(DTE/30) / ln 12, −1, 1)` in Q30, to a few units.
fn twist_q30(twist_ppm: u32, seconds_left: i64) -> i64 {
    let left = ln_q40(seconds_left.max(1).unsigned_abs());
    let log_q40 = left
        .wrapping_sub(LN_30_DAYS_Q40)
        .clamp(-LN_12_Q40, LN_12_Q40);
    // Below 2^29.4 × 2^28.7.
    let share_q30 =
        ((log_q40 >> 12).wrapping_mul(INVERSE_LN_12_Q30) >> 28).clamp(-ONE_Q30, ONE_Q30);
    let size_q30 = ratio_up(i64::from(twist_ppm), ONE_Q30, i64::from(ONE_PPM));
    size_q30.wrapping_mul(share_q30) >> 30
}

/// `b0 + a·τ` in Q30, rounded up, at most [`MAX_BASIS_SHOCK_Q30`].
fn basis_q30(parameters: &BlockParameters, seconds_left: i64) -> i64 {
    // Ten years at most: below 2^19 × 2^29 ppm·seconds, and 2^60 in Q12.
    let left = seconds_left.clamp(0, crate::fixed::TAU_MAX_SECONDS);
    let yearly = i64::from(parameters.basis_annual_ppm).wrapping_mul(left);
    let by_time_q12 = ratio_up(yearly, 1 << 12, SECONDS_PER_YEAR);
    // Below 2^17 + 2^23 ppm, so 2^36 in Q12 and 2^54 in Q30.
    let ppm_q12 = (i64::from(parameters.basis_ppm) << 12).saturating_add(by_time_q12);
    ratio_up(ppm_q12, 1 << 18, i64::from(ONE_PPM)).min(MAX_BASIS_SHOCK_Q30)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = crate::units::SECONDS_PER_DAY;

    fn shocks(days: i64) -> BlockShocks {
        BlockShocks::new(&BlockParameters::DEFAULT, days * DAY, ONE_Q30)
    }

    #[test]
    fn the_twist_turns_about_thirty_days() {
        let multiple = |days| {
            shocks(days)
                .twist_q30
                .map(|q30| q30 as f64 / ONE_Q30 as f64)
        };
        let close = |got: [f64; 2], expected: f64| {
            assert!((got[0] - expected).abs() < 1e-8, "{got:?}");
            assert!((got[1] + expected - 2.0).abs() < 1e-8, "{got:?}");
        };
        close(multiple(30), 1.0);
        close(multiple(360), 1.2);
        close(multiple(3_600), 1.2);
        close(multiple(1), 0.8);
        close(multiple(90), 1.0 + 0.2 * 3f64.ln() / 12f64.ln());
        close(multiple(7), 1.0 + 0.2 * (7f64 / 30.0).ln() / 12f64.ln());
    }

    #[test]
    fn the_basis_widens_with_time_and_is_bounded() {
        let up = |days| (shocks(days).basis_forward_q30[0] - ONE_Q30) as f64 / ONE_Q30 as f64;
        assert!((up(0) - 0.002).abs() < 1e-8);
        assert!((up(365) - 0.052).abs() < 1e-8);
        let widest = BlockParameters {
            basis_ppm: MAX_BASIS_PPM,
            basis_annual_ppm: MAX_BASIS_ANNUAL_PPM,
            ..BlockParameters::OFF
        };
        let moved = BlockShocks::new(&widest, i64::MAX, ONE_Q30);
        assert_eq!(moved.basis_forward_q30, [3 * ONE_Q30 / 2, ONE_Q30 / 2]);
    }

    #[test]
    fn blocks_that_are_off_move_nothing() {
        let off = BlockShocks::new(&BlockParameters::OFF, 7 * DAY, ONE_Q30 + 5);
        assert_eq!(off.twist_q30, [ONE_Q30.unsigned_abs(); 2]);
        assert_eq!(off.basis_moves_q30(ONE_Q30 + 5), [0; 2]);
        assert_eq!(off.basis_log_q28, [0; 2]);
    }

    #[test]
    fn each_shock_has_its_limit_and_its_name() {
        let most = BlockParameters {
            twist_ppm: MAX_TWIST_PPM,
            skew_ppm: MAX_SKEW_PPM,
            basis_ppm: MAX_BASIS_PPM,
            basis_annual_ppm: MAX_BASIS_ANNUAL_PPM,
        };
        assert_eq!(most.validate(), Ok(()));
        let refused = |change: fn(&mut BlockParameters)| {
            let mut parameters = most;
            change(&mut parameters);
            parameters.validate().unwrap_err()
        };
        assert_eq!(refused(|p| p.twist_ppm += 1), ParameterError::Twist);
        assert_eq!(refused(|p| p.skew_ppm += 1), ParameterError::Skew);
        assert_eq!(refused(|p| p.basis_ppm += 1), ParameterError::Basis);
        assert_eq!(
            refused(|p| p.basis_annual_ppm += 1),
            ParameterError::BasisAnnual
        );
    }
}
