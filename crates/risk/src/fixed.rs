//! Fixed-point arithmetic: rounding products, square root, logarithm, exponential.
//!
//! `Qn` means an integer that counts units of 2^-n. Nothing here uses floats, signed division or
//! tables larger than a kilobyte. The functions are total: out-of-range arguments saturate as each
//! function states, or give `None`.

use crate::fixed_table::{
    EXP2_SIXTEENTHS_Q31, INVERSE_ROOT_YEAR_Q44, LN_2_Q56, LN_2_SIXTEENTH_Q56, LN_NODES,
    SIXTEEN_OVER_LN_2_Q24,
};

/// ln 2 in Q40, to the nearest unit.
pub const LN_2_Q40: i64 = 762_123_384_786;

/// ln 2^30 in Q40, to the nearest unit: thirty times [`LN_2_Q40`] would carry its rounding thirty times.
const LN_ONE_Q30_Q40: i64 = (LN_2_Q56.wrapping_mul(30).wrapping_add(1 << 15)) >> 16;

/// The shortest time to expiry that is priced, in seconds.
pub const TAU_MIN_SECONDS: i64 = 60;

/// The longest time to expiry that is priced, in seconds: ten years.
pub const TAU_MAX_SECONDS: i64 = 315_360_000;

/// Above this argument [`exp_q30`] saturates (Q40).
pub const EXP_MAX_Q40: i64 = 20 << 40;

/// Below this argument [`exp_q30`] is 0 (Q40); e^-24 is a twenty-fifth of a unit of Q30.
pub const EXP_MIN_Q40: i64 = -(24 << 40);

/// `a * b / d` rounded down; `None` when `d` is 0 or the result exceeds `u64`.
pub fn mul_div_down(a: u64, b: u64, d: u64) -> Option<u64> {
    match a.checked_mul(b) {
        Some(product) => product.checked_div(d),
        None => u64::try_from(
            u128::from(a)
                .wrapping_mul(u128::from(b))
                .checked_div(u128::from(d))?,
        )
        .ok(),
    }
}

/// `a * b / d` rounded up; `None` when `d` is 0 or the result exceeds `u64`.
pub fn mul_div_up(a: u64, b: u64, d: u64) -> Option<u64> {
    let down = mul_div_down(a, b, d)?;
    // Equal modulo 2^64 is equal: the remainder is below `d`.
    let exact = down.wrapping_mul(d) == a.wrapping_mul(b);
    if exact {
        Some(down)
    } else {
        down.checked_add(1)
    }
}

/// Leading zeros of a byte.
static ZEROS_OF_BYTE: [u8; 256] = {
    let mut zeros = [8; 256];
    let mut byte: usize = 1;
    while byte < 256 {
        zeros[byte] = (byte as u8).leading_zeros() as u8;
        byte += 1;
    }
    zeros
};

/// Leading zeros of a number, 64 of 0: chain has no instruction that counts them, and what the compiler puts in its place takes
/// 40 where the table of a byte takes 15.
#[inline(always)]
pub(crate) fn leading_zeros(v: u64) -> u32 {
    let (above, byte) = if v >> 32 == 0 {
        match (v >> 16, v >> 8) {
            (0, 0) => (56, v),
            (0, byte) => (48, byte),
            (half, _) if half >> 8 == 0 => (40, half),
            (half, _) => (32, half >> 8),
        }
    } else {
        match (v >> 48, v >> 40) {
            (0, 0) => (24, v >> 32),
            (0, byte) => (16, byte),
            (half, _) if half >> 8 == 0 => (8, half),
            (half, _) => (0, half >> 8),
        }
    };
    // Every byte above this one is 0.
    let zeros = ZEROS_OF_BYTE[(byte & 0xff) as usize];
    u32::from(zeros).wrapping_add(above)
}

/// Floor of the square root, exact for every input.
pub fn isqrt(v: u64) -> u64 {
    if v == 0 {
        return 0;
    }
    // An even shift by 2k scales the root by 2^k, and nested floors compose.
    let shift = leading_zeros(v) & !1;
    isqrt_normalised(v << shift) >> (shift >> 1)
}

/// Floor of the square root of `m` in `[2^62, 2^64)`: three divisions, no loop.
///
/// The linear start is within 4.2% of the root, so three Newton steps (which square the relative
/// error and halve it) leave less than 1e-13 of a root below 2^32: the floor or one above it.
#[inline(always)]
pub(crate) fn isqrt_normalised(m: u64) -> u64 {
    // Start: 0.3542 + 2/3 t with t = m / 2^64; below 2^32 * 1.03, so nothing here can wrap.
    let start = 1_521_134_502_u64.wrapping_add((m >> 32).wrapping_mul(43_691) >> 16);
    let once = start.wrapping_add(quotient(m, start)) >> 1;
    let twice = once.wrapping_add(quotient(m, once)) >> 1;
    let thrice = twice.wrapping_add(quotient(m, twice)) >> 1;
    let root = thrice.min(u64::from(u32::MAX));
    if root.wrapping_mul(root) > m {
        root.wrapping_sub(1)
    } else {
        root
    }
}

/// Unsigned division by a divisor proven positive; one instruction on sBPF.
#[inline(always)]
#[allow(clippy::arithmetic_side_effects, clippy::integer_division)] // every caller's divisor is at least 1
pub(crate) const fn quotient(a: u64, d: u64) -> u64 {
    a / d
}

/// Quotient and remainder of `high × 2^64 + low` by a divisor above `high`: the compiler's division of 128 bits costs three
/// times as much on chain.
///
/// Two digits of 32 bits, each estimated from the leading digit of the normalised divisor and corrected at most twice (Knuth,
/// The Art of Computer Programming, volume 2, 4.3.1, algorithm D).
pub(crate) fn quotient_of_wide(high: u64, low: u64, divisor: u64) -> (u64, u64) {
    const DIGIT: u64 = 0xffff_ffff;
    let zeros = leading_zeros(divisor.max(1));
    let divisor = divisor.max(1) << zeros;
    let spill = low.checked_shr(64u32.wrapping_sub(zeros)).unwrap_or(0);
    let (high, low) = ((high << zeros) | spill, low << zeros);
    let (leading, trailing) = (divisor >> 32, divisor & DIGIT);
    let digit = |rest: u64, next: u64| {
        // The leading digit is at least 2^31 and the rest below the divisor: the estimate is at most 2^32 + 1 and 2 too large.
        let mut estimate = quotient(rest, leading);
        let mut left = rest.wrapping_sub(estimate.wrapping_mul(leading));
        while left <= DIGIT
            && (estimate > DIGIT || estimate.wrapping_mul(trailing) > (left << 32) | next)
        {
            estimate = estimate.wrapping_sub(1);
            left = left.wrapping_add(leading);
        }
        // Modulo 2^64, of which the remainder is less.
        let rest = (rest << 32 | next).wrapping_sub(estimate.wrapping_mul(divisor));
        (estimate, rest)
    };
    let (first, rest) = digit(high, low >> 32);
    let (second, rest) = digit(rest, low & DIGIT);
    ((first << 32).wrapping_add(second), rest >> zeros)
}

/// The upper and the lower half of a number.
#[allow(clippy::cast_possible_truncation, reason = "its two halves")]
pub(crate) const fn halves(number: u128) -> (u64, u64) {
    ((number >> 64) as u64, number as u64)
}

/// The halves of a product: four products of 64 bits cost less on chain than one of 128.
pub(crate) fn wide_product(one: u64, other: u64) -> (u64, u64) {
    const DIGIT: u64 = 0xffff_ffff;
    let (a, b) = (one >> 32, one & DIGIT);
    let (c, d) = (other >> 32, other & DIGIT);
    // Each product is at most (2^32 − 1)², and two digits more fit 64 bits.
    let low = b.wrapping_mul(d);
    let middle = a.wrapping_mul(d).wrapping_add(low >> 32);
    let more = b.wrapping_mul(c).wrapping_add(middle & DIGIT);
    let high = a
        .wrapping_mul(c)
        .wrapping_add(middle >> 32)
        .wrapping_add(more >> 32);
    (high, (more << 32) | (low & DIGIT))
}

/// A number, not 0, raised until its top bit of 128 is set, and by how many bits.
pub(crate) fn normalised((high, low): (u64, u64)) -> ((u64, u64), u32) {
    if high == 0 {
        let zeros = leading_zeros(low);
        return ((low << zeros, 0), zeros.saturating_add(64));
    }
    let zeros = leading_zeros(high);
    // In two steps: a shift by 64 is none.
    let spill = (low >> 1) >> 63u32.wrapping_sub(zeros);
    (((high << zeros) | spill, low << zeros), zeros)
}

/// Natural logarithm of the integer `v` in Q40, absolute error at most 2^-40; `ln_q40(0)` is 0.
///
/// `v = 2^e * m`; the reciprocal of a node near `m` leaves `ln(1 + r)` with |r| < 2^-6.9, summed to
/// the fifth power (the sixth is below 2^-44). To take the logarithm of a Q-format number subtract
/// `n * LN_2_Q40`.
pub fn ln_q40(v: u64) -> i64 {
    ln_with_zeros(v, leading_zeros(v.max(1)))
}

/// Leading zeros of a number that is mostly between a half and two in Q30: chain has no instruction that counts them.
#[inline(always)]
pub(crate) fn zeros_around_one_q30(v: u64) -> u32 {
    match v >> 29 {
        1 => 34,
        2 | 3 => 33,
        _ => leading_zeros(v),
    }
}

/// [`ln_q40`] by the leading zeros of `v`, those of 1 for 0.
#[inline(always)]
fn ln_with_zeros(v: u64, zeros: u32) -> i64 {
    let mantissa_q47 = (v.max(1) << zeros) >> 16;
    let exponent = i64::from(63_u32.wrapping_sub(zeros));
    let (reciprocal_q16, node_q44) = LN_NODES[((mantissa_q47 >> 41) & 63) as usize];
    // mantissa * reciprocal is 1 + r in Q63, within 2^63 * (1 +- 0.008); |r| < 2^56.1 in Q63.
    let r_q63 = mantissa_q47
        .wrapping_mul(reciprocal_q16)
        .wrapping_sub(1 << 63) as i64;
    let r_q36 = r_q63 >> 27;
    let r_q32 = r_q63 >> 31;
    let square_q44 = r_q36.wrapping_mul(r_q36) >> 28;
    // 1/2 - r/3 + r^2/4 - r^3/5 in Q32; every product is below 2^57.
    let series = 1_073_741_824_i64.wrapping_sub(r_q32.wrapping_mul(858_993_459) >> 32);
    let series = 1_431_655_765_i64.wrapping_sub(r_q32.wrapping_mul(series) >> 32);
    let series = 2_147_483_648_i64.wrapping_sub(r_q32.wrapping_mul(series) >> 32);
    // square < 2^31 and series < 2^32.
    let log_q44 = (r_q63 >> 19).wrapping_sub(square_q44.wrapping_mul(series) >> 32);
    // exponent * ln 2 is below 2^62 in Q56; the sum is below 2^50 in Q44.
    let octaves_q44 = exponent.wrapping_mul(LN_2_Q56) >> 12;
    octaves_q44
        .wrapping_add(node_q44)
        .wrapping_add(log_q44)
        .wrapping_add(8)
        >> 4
}

/// Natural logarithm in Q40 of a positive Q30 number; one unit more of error than [`ln_q40`].
pub fn ln_of_q30(v_q30: i64) -> i64 {
    // The logarithm of a u64 is below 2^46.
    let v = v_q30.unsigned_abs().max(1);
    ln_with_zeros(v, zeros_around_one_q30(v)).wrapping_sub(LN_ONE_Q30_Q40)
}

/// e^x in Q30 for x in Q40: error at most 1.2 units of Q30 times max(1, e^x).
///
/// Saturates: 0 below [`EXP_MIN_Q40`], the value at [`EXP_MAX_Q40`] (about 2^58.9) above it.
pub fn exp_q30(x_q40: i64) -> u64 {
    if x_q40 < EXP_MIN_Q40 {
        return 0;
    }
    let x_q40 = x_q40.min(EXP_MAX_Q40);
    // x = sixteenths * ln2/16 + r. |x| < 2^29 in Q24 and the factor is below 2^29: no wrap.
    let sixteenths = (x_q40 >> 16)
        .wrapping_mul(SIXTEEN_OVER_LN_2_Q24)
        .wrapping_add(1 << 47)
        >> 48;
    let r_q40 = x_q40.wrapping_sub(sixteenths.wrapping_mul(LN_2_SIXTEENTH_Q56) >> 16);
    // |r| <= 0.0217, so r < 2^30.5 in Q36; e^r - 1 to the fifth power, truncation 2e-13.
    let r_q36 = r_q40 >> 4;
    let series = 89_478_485_i64.wrapping_add(r_q36.wrapping_mul(17_895_697) >> 36);
    let series = 357_913_941_i64.wrapping_add(r_q36.wrapping_mul(series) >> 36);
    let series = 1_073_741_824_i64.wrapping_add(r_q36.wrapping_mul(series) >> 36);
    let square_q36 = r_q36.wrapping_mul(r_q36) >> 36;
    let grown_q36 = r_q36.wrapping_add(square_q36.wrapping_mul(series) >> 31);
    let factor_q31 = (1_i64 << 31).wrapping_add(grown_q36.wrapping_add(16) >> 5) as u64;
    // Both factors are positive and the product is below 2^63.1.
    let product_q62 = EXP2_SIXTEENTHS_Q31[(sixteenths & 15) as usize].wrapping_mul(factor_q31);
    // x in [-24, 20] makes the power of two -35..=28, hence the shift 4..=67.
    let shift = 32_i64.wrapping_sub(sixteenths >> 4) as u32;
    if shift > 63 {
        return 0;
    }
    product_q62.wrapping_add((1 << shift) >> 1) >> shift
}

/// `base^exponent` in Q30 for a base in Q30 and an exponent in parts per million.
///
/// The error is that of [`exp_q30`] plus the exponent times 2^-39 of the value, and the range is
/// its range. A zero base gives 0, except that anything to the power 0 is 1.
pub fn pow_q30(base_q30: u64, exponent_ppm: u32) -> u64 {
    if exponent_ppm == 0 {
        return 1 << 30;
    }
    if base_q30 == 0 {
        return 0;
    }
    // ln of a u64 in Q40 is below 2^46.
    let log_q40 = ln_q40(base_q30).wrapping_sub(LN_ONE_Q30_Q40);
    let size = log_q40.unsigned_abs();
    let exponent = u64::from(exponent_ppm);
    // size * exponent / 10^6 in two parts, each product below 2^58.
    let whole = quotient(size, 1_000_000);
    let rest = size.wrapping_sub(whole.wrapping_mul(1_000_000));
    let scaled = whole.wrapping_mul(exponent).wrapping_add(quotient(
        rest.wrapping_mul(exponent).wrapping_add(500_000),
        1_000_000,
    )) as i64;
    exp_q30(if log_q40 < 0 {
        scaled.wrapping_neg()
    } else {
        scaled
    })
}

/// Square root of the time to expiry in years, Q32, for a time in seconds.
///
/// Times are floored at [`TAU_MIN_SECONDS`] and capped at [`TAU_MAX_SECONDS`]. The error is at most
/// half a unit plus 2^-31 of the value.
pub fn sqrt_tau_q32(seconds: i64) -> u64 {
    let seconds = seconds.clamp(TAU_MIN_SECONDS, TAU_MAX_SECONDS) as u64;
    let shift = leading_zeros(seconds) & !1;
    // sqrt(seconds) * 2^(shift/2), rounded down to 32 bits; the half adds the middle of that unit.
    let root = isqrt_normalised(seconds << shift);
    // Below 2^32 * 2^31.6; Q(44 + shift/2) goes down to Q32, and shift is 34..=58.
    let product = root
        .wrapping_mul(INVERSE_ROOT_YEAR_Q44)
        .wrapping_add(INVERSE_ROOT_YEAR_Q44 >> 1);
    let down = 12_u32.wrapping_add(shift >> 1);
    product.wrapping_add((1 << down) >> 1) >> down
}

#[cfg(test)]
mod tests {
    use super::{halves, leading_zeros, normalised, quotient_of_wide, wide_product};

    #[test]
    fn halves_are_those_of_the_whole() {
        let numbers =
            (0..64).flat_map(|bit| [1u64 << bit, u64::MAX >> bit, 0x9E37_79B9_7F4A_7C15 >> bit]);
        for one in numbers.clone() {
            for other in numbers.clone() {
                let whole = u128::from(one) * u128::from(other);
                assert_eq!(wide_product(one, other), halves(whole));
                let zeros = whole.leading_zeros();
                assert_eq!(normalised(halves(whole)), (halves(whole << zeros), zeros));
            }
        }
    }

    #[test]
    fn leading_zeros_are_counted_whatever_their_number() {
        for bit in 0..64 {
            for number in [1u64 << bit, u64::MAX >> bit, 0xA5A5_5A5A_F00F_1234 >> bit] {
                for number in [number, number - 1] {
                    assert_eq!(leading_zeros(number), number.leading_zeros(), "{number}");
                }
            }
        }
        for number in 0..1u64 << 18 {
            assert_eq!(leading_zeros(number), number.leading_zeros(), "{number}");
        }
    }

    #[test]
    fn a_wide_quotient_is_that_of_128_bits() {
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        let mut next = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed >> (seed & 63)
        };
        let edges = [
            1,
            2,
            0xffff_ffff,
            1 << 32,
            (1 << 32) + 1,
            1 << 63,
            u64::MAX - 1,
            u64::MAX,
        ];
        let random = (0..200_000).map(|_| (next(), next(), next()));
        let of_edges = edges.iter().flat_map(|divisor| {
            edges
                .iter()
                .flat_map(move |high| edges.map(|low| (*high, low, *divisor)))
        });
        for (high, low, divisor) in of_edges.chain(random) {
            let divisor = divisor.max(1);
            let high = high % divisor;
            let whole = (u128::from(high) << 64) | u128::from(low);
            let (quotient, rest) = quotient_of_wide(high, low, divisor);
            assert_eq!(
                u128::from(quotient),
                whole / u128::from(divisor),
                "{high} {low} {divisor}"
            );
            assert_eq!(
                u128::from(rest),
                whole % u128::from(divisor),
                "{high} {low} {divisor}"
            );
        }
    }
}
