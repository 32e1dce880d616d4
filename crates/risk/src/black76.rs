//! Black-76 prices and Greeks of one option, for quotes, trade bands and reports.
//!
//! Everything is in units of spot. With F the forward, K the strike and s = sigma * sqrt(tau):
//! `d1 = ln(F/K)/s + s/2`, `d2 = d1 - s`, call `= F*N(d1) - K*N(d2)`, put by parity, undiscounted.
//! The scenario loop does not come through here: it computes the same two terms in `array`.

use crate::fixed::{mul_div_down, quotient};
use crate::normal::{cdf_q30, pdf_q30};
use crate::smile::{TOTAL_VOL_MAX_Q32, TOTAL_VOL_MIN_Q32};

/// What an option is priced from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Forward over spot, Q30; 0 up to 2^40.
    pub forward_ratio_q30: i64,
    /// Strike over spot, Q30; 0 up to 2^40.
    pub strike_ratio_q30: i64,
    /// ln(F/K) in Q28, clamped to plus or minus 16.
    pub x_q28: i64,
    /// Total volatility in Q32, clamped to the range of [`crate::smile`].
    pub s_q32: u64,
    /// Root of the time to expiry in years, Q32; at least 1.
    pub sqrt_tau_q32: u64,
}

/// Price and Greeks of one option per unit of underlying, in units of spot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quote {
    /// Price, Q30; error at most 3e-9 of the largest of spot, forward and strike.
    pub price_q30: i64,
    /// Change of the price per change of spot (the forward moves in proportion), Q30.
    pub delta_q30: i64,
    /// Change of delta for a relative move of spot by 1 (spot times gamma), Q30.
    pub gamma_q30: i64,
    /// Change of the price for a volatility higher by 1.00 (100 points), Q40.
    pub vega_q40: i64,
    /// Change of the price per year that passes, forward and volatility held, Q40; never positive.
    /// Divide by 365 for a day.
    pub theta_q40: i64,
}

/// `(d1, d2)` in Q32; `d2` is exactly `d1 - s`, so an error of d1 cancels to first order in prices.
pub fn d1_d2_q32(x_q28: i64, s_q32: u64) -> (i64, i64) {
    let s = s_q32.clamp(TOTAL_VOL_MIN_Q32, TOTAL_VOL_MAX_Q32);
    let size = x_q28.unsigned_abs().min(u64::from(u32::MAX)) << 32;
    // Q60 over Q32 is Q28, at most 2^55; the remainder is below 2^38 and gives four bits more.
    let whole = quotient(size, s);
    let rest = size.wrapping_sub(whole.wrapping_mul(s));
    let ratio_q32 = (whole << 4).wrapping_add(quotient(rest << 4, s)) as i64;
    let half = (s >> 1) as i64;
    let d1 = if x_q28 < 0 {
        half.wrapping_sub(ratio_q32)
    } else {
        half.wrapping_add(ratio_q32)
    };
    (d1, d1.wrapping_sub(s as i64))
}

/// Price and Greeks of a call.
pub fn call(terms: &Terms) -> Quote {
    let forward = ratio(terms.forward_ratio_q30);
    let strike = ratio(terms.strike_ratio_q30);
    let s = terms.s_q32.clamp(TOTAL_VOL_MIN_Q32, TOTAL_VOL_MAX_Q32);
    let sqrt_tau = terms.sqrt_tau_q32.max(1);
    let (d1, d2) = d1_d2_q32(terms.x_q28, s);
    let delta = weighted(forward, cdf_q30(d1));
    let price = delta.wrapping_sub(weighted(strike, cdf_q30(d2)));
    // F * density, Q40: the ratio is at most 2^40 and the density below 2^29 in Q30.
    let density_q40 = (u128::from(forward.unsigned_abs())
        .wrapping_mul(pdf_q30(d1).unsigned_abs().into())
        >> 20) as u64;
    let sigma_q32 = mul_div_down(s, 1 << 32, sqrt_tau).unwrap_or(u64::MAX);
    Quote {
        price_q30: price.clamp(forward.wrapping_sub(strike).max(0), forward),
        delta_q30: delta,
        gamma_q30: signed(mul_div_down(density_q40, 1 << 22, s)),
        vega_q40: signed(mul_div_down(density_q40, sqrt_tau, 1 << 32)),
        // sigma / (2 sqrt(tau)) in Q32, times the density.
        theta_q40: signed(
            mul_div_down(sigma_q32, 1 << 31, sqrt_tau)
                .and_then(|rate_q32| mul_div_down(density_q40, rate_q32, 1 << 32)),
        )
        .wrapping_neg(),
    }
}

/// Price and Greeks of a put, from the call by parity.
pub fn put(terms: &Terms) -> Quote {
    let quote = call(terms);
    let forward = ratio(terms.forward_ratio_q30);
    let strike = ratio(terms.strike_ratio_q30);
    Quote {
        // call - (F - K), all below 2^41.
        price_q30: quote.price_q30.wrapping_sub(forward).wrapping_add(strike),
        delta_q30: quote.delta_q30.wrapping_sub(forward),
        ..quote
    }
}

/// A ratio brought into its range, so that sums and products below cannot wrap.
fn ratio(ratio_q30: i64) -> i64 {
    ratio_q30.clamp(0, 1 << 40)
}

/// `ratio * probability`, Q30, to the nearest unit; 2^40 * 2^30 needs 128 bits.
fn weighted(ratio_q30: i64, probability_q30: i64) -> i64 {
    (i128::from(ratio_q30)
        .wrapping_mul(i128::from(probability_q30))
        .wrapping_add(1 << 29)
        >> 30) as i64
}

/// A Greek that does not fit saturates.
fn signed(value: Option<u64>) -> i64 {
    value
        .and_then(|v| i64::try_from(v).ok())
        .unwrap_or(i64::MAX)
}
