//! The standard normal distribution in fixed point.

use crate::fixed::exp_q30;
use crate::fixed_table::INVERSE_ROOT_TWO_PI_Q32;
use crate::normal_table::NORMAL_QUADRATICS;

/// Largest absolute error of [`cdf_q30`], in units of 2^-40: 0.71 of a unit of Q30, 6.6e-10.
///
/// Half a unit of rounding, 1.9e-10 of the quadratics and 0.1e-10 of their coefficients.
pub const CDF_ERROR_Q40: i64 = 730;

/// The argument is clamped to plus or minus this (Q32): 8, where the tail is 6.3e-16.
pub const CDF_CLAMP_Q32: i64 = 8 << 32;
/// The width of what is not clamped (Q32): 16.
pub(crate) const CDF_RANGE_Q32: u64 = 16 << 32;

/// N(d) in Q30 for d in Q32, in `0..=2^30`, for every `i64`; at most [`CDF_ERROR_Q40`] from the truth.
///
/// A table of 4096 quadratics over [-8, 8]: its 98 kB spare a tenth of a scenario on chain. Neighbours meet at
/// their ends, so N does not fall as d rises except by one unit where rounding decides it.
#[inline(always)]
pub fn cdf_q30(d_q32: i64) -> i64 {
    cdf_shifted_q30(d_q32.saturating_add(CDF_CLAMP_Q32))
}

/// [`cdf_q30`] of d, given d + 8 ([`CDF_CLAMP_Q32`]): the scenario loop folds the shift into a constant
/// it adds anyway, which saves 5 of some 95 instructions a scenario.
#[inline(always)]
pub(crate) fn cdf_shifted_q30(shifted_q32: i64) -> i64 {
    let mut u = shifted_q32 as u64;
    if u >= CDF_RANGE_Q32 {
        u = if shifted_q32 < 0 {
            0
        } else {
            CDF_RANGE_Q32 - 1
        };
    }
    cdf_within_q30(u)
}

/// [`cdf_shifted_q30`] below [`CDF_RANGE_Q32`].
#[inline(always)]
pub(crate) fn cdf_within_q30(shifted_q32: u64) -> i64 {
    let c = &NORMAL_QUADRATICS[((shifted_q32 >> 24) & 4095) as usize];
    let t_q24 = (shifted_q32 & ((1 << 24) - 1)) as i64;
    // |c2| < 2^19 and c1 < 2^29 in Q38, c0 <= 2^62 in Q62: with t < 2^24 no sum reaches 2^63.
    let p_q38 = c[1].wrapping_add(c[2].wrapping_mul(t_q24) >> 24);
    c[0].wrapping_add(p_q38.wrapping_mul(t_q24)) >> 32
}

/// The density at d (Q32) in Q30, absolute error at most 1.5e-9; 0 beyond plus or minus 8.
pub fn pdf_q30(d_q32: i64) -> i64 {
    let size = d_q32.unsigned_abs();
    if size >= 8 << 32 {
        return 0;
    }
    // Rounded to Q29 it is at most 2^32, and its square at 8 would be 2^64: one unit less keeps it in.
    let d_q29 = (size.wrapping_add(4) >> 3).min((1 << 32) - 1);
    // d^2 / 2: Q58 halved is Q59, then to Q40.
    let half_square_q40 = (d_q29.wrapping_mul(d_q29) >> 19) as i64;
    let e = exp_q30(half_square_q40.wrapping_neg());
    (e.wrapping_mul(INVERSE_ROOT_TWO_PI_Q32)
        .wrapping_add(1 << 31)
        >> 32) as i64
}
