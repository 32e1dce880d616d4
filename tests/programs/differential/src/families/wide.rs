//! 128 bits, all of it in software here.

use crate::random::{Digest, Random};

/// Wrapping, checked and saturating forms.
pub fn unsigned(random: &mut Random, digest: &mut Digest) {
    let (a, b) = (random.u128(), random.u128());
    digest.u128(a.wrapping_add(b));
    digest.u128(a.wrapping_sub(b));
    digest.u128(a.wrapping_mul(b));
    digest.wide_option(a.checked_add(b));
    digest.wide_option(a.checked_sub(b));
    digest.wide_option(a.checked_mul(b));
    digest.u128(a.saturating_mul(b));
    digest.u128(a.abs_diff(b));
    digest.u64(u64::from(a.leading_zeros()));
    digest.u64(u64::from(a.trailing_zeros()));
    digest.u128(a.swap_bytes());
    digest.u128(a.isqrt());
}

/// The same, signed.
pub fn signed(random: &mut Random, digest: &mut Digest) {
    let (a, b) = (random.i128(), random.i128());
    let wide = |value: Option<i128>| value.map(|value| value as u128);
    digest.i128(a.wrapping_add(b));
    digest.i128(a.wrapping_sub(b));
    digest.i128(a.wrapping_mul(b));
    digest.wide_option(wide(a.checked_add(b)));
    digest.wide_option(wide(a.checked_sub(b)));
    digest.wide_option(wide(a.checked_mul(b)));
    digest.wide_option(wide(a.checked_neg()));
    digest.i128(a.saturating_mul(b));
    digest.u128(a.unsigned_abs());
    digest.i128(a.signum());
    let money = i128::from(random.i64()) * i128::from(random.i64());
    digest.i128(money);
    digest.option(i64::try_from(money >> 30).ok().map(|value| value as u64));
}

/// By divisors of one word and of two.
pub fn unsigned_division(random: &mut Random, digest: &mut Digest) {
    let (a, b, narrow) = (random.u128(), random.u128(), u128::from(random.u64()));
    digest.wide_option(a.checked_div(b));
    digest.wide_option(a.checked_rem(b));
    digest.wide_option(a.checked_div(narrow));
    digest.wide_option(a.checked_rem(narrow));
    digest.u128(a.div_ceil(narrow | 1));
    digest.u128(a / 1_000_000);
    digest.u128(a % 1_000_000_007);
}

/// Towards zero, and Euclidean.
pub fn signed_division(random: &mut Random, digest: &mut Digest) {
    let (a, b, narrow) = (random.i128(), random.i128(), i128::from(random.i64()));
    let wide = |value: Option<i128>| value.map(|value| value as u128);
    digest.wide_option(wide(a.checked_div(b)));
    digest.wide_option(wide(a.checked_rem(b)));
    digest.wide_option(wide(a.checked_div(narrow)));
    digest.wide_option(wide(a.checked_rem_euclid(narrow)));
    digest.wide_option(wide(a.checked_div_euclid(b)));
    digest.i128(a / 1_000_000);
    digest.i128(a % -1_000);
}

/// By variable distances, over the seam between the words.
pub fn shifts(random: &mut Random, digest: &mut Digest) {
    let (a, distance) = (random.u128(), random.u64() as u32);
    digest.u128(a.wrapping_shl(distance));
    digest.u128(a.wrapping_shr(distance));
    digest.i128((a as i128).wrapping_shr(distance));
    digest.u128(a << (distance & 127));
    digest.i128(a as i128 >> (distance & 127));
    digest.wide_option(a.checked_shl(distance & 255));
    digest.u128(a.rotate_left(distance & 127));
    digest.u64((a >> 64) as u64);
    digest.i128((a as i128) << 28 >> 60);
}

/// Through a wide product, and by 32-bit limbs.
pub fn mul_high(random: &mut Random, digest: &mut Digest) {
    let (a, b) = (random.u64(), random.u64());
    let high = ((u128::from(a) * u128::from(b)) >> 64) as u64;
    digest.u64(high);
    digest.u64(high_by_limbs(a, b));
    digest.bool(high == high_by_limbs(a, b));
    let signed = (i128::from(a as i64) * i128::from(b as i64)) >> 64;
    digest.i64(signed as i64);
    digest.u64(((u128::from(a) * u128::from(b)) >> 30) as u64);
    digest.i64(((i128::from(a as i64) * i128::from(b as i64)) >> 28) as i64);
}

/// The high word of a product, from four products of 32-bit limbs.
fn high_by_limbs(a: u64, b: u64) -> u64 {
    let mask = 0xFFFF_FFFF;
    let (a1, a0, b1, b0) = (a >> 32, a & mask, b >> 32, b & mask);
    let low = a0 * b0;
    let middle = a1 * b0 + (low >> 32);
    let carry = (middle & mask) + a0 * b1;
    a1 * b1 + (middle >> 32) + (carry >> 32)
}

/// Orders at the edges of signed and unsigned.
pub fn comparisons(random: &mut Random, digest: &mut Digest) {
    let (a, b, c) = (random.u128(), random.u128(), random.i128());
    digest.bool(a < b);
    digest.bool((a as i128) < c);
    digest.bool(a >= c as u128);
    digest.i64(a.cmp(&b) as i64);
    digest.i64((b as i128).cmp(&c) as i64);
    digest.u128(a.min(b));
    digest.i128(c.max(a as i128));
    digest.i128(c.clamp(i128::from(i64::MIN), i128::from(i64::MAX)));
    digest.bool(a == b);
}
