//! Integers of one machine word and less.

use crate::random::{Digest, Random};
use std::hint::black_box;

/// Wrapping, checked, saturating and overflowing forms.
pub fn unsigned(random: &mut Random, digest: &mut Digest) {
    let (a, b) = (random.u64(), random.u64());
    digest.u64(a.wrapping_add(b));
    digest.u64(a.wrapping_sub(b));
    digest.u64(a.wrapping_mul(b));
    digest.option(a.checked_add(b));
    digest.option(a.checked_sub(b));
    digest.option(a.checked_mul(b));
    digest.option(a.checked_div(b));
    digest.option(a.checked_rem(b));
    digest.u64(a.saturating_add(b));
    digest.u64(a.saturating_sub(b));
    digest.u64(a.saturating_mul(b));
    let (product, overflowed) = a.overflowing_mul(b);
    digest.u64(product);
    digest.bool(overflowed);
    digest.u64(a.abs_diff(b));
    digest.u64(a.div_ceil(b | 1));
    digest.option((a >> 1).checked_next_multiple_of(b));
}

/// The same for signed words.
pub fn signed(random: &mut Random, digest: &mut Digest) {
    let (a, b) = (random.i64(), random.i64());
    let word = |value: Option<i64>| value.map(|value| value as u64);
    digest.i64(a.wrapping_add(b));
    digest.i64(a.wrapping_sub(b));
    digest.i64(a.wrapping_mul(b));
    digest.i64(a.wrapping_neg());
    digest.i64(a.wrapping_abs());
    digest.option(word(a.checked_add(b)));
    digest.option(word(a.checked_sub(b)));
    digest.option(word(a.checked_mul(b)));
    digest.option(word(a.checked_neg()));
    digest.option(word(a.checked_abs()));
    digest.i64(a.saturating_add(b));
    digest.i64(a.saturating_sub(b));
    digest.i64(a.saturating_mul(b));
    digest.u64(a.unsigned_abs());
    digest.u64(a.abs_diff(b));
    digest.i64(a.signum());
    let (sum, overflowed) = a.overflowing_add(b);
    digest.i64(sum);
    digest.bool(overflowed);
}

/// Signed division is software on this machine.
pub fn signed_division(random: &mut Random, digest: &mut Digest) {
    let (a, b) = (random.i64(), random.i64());
    let word = |value: Option<i64>| value.map(|value| value as u64);
    digest.option(word(a.checked_div(b)));
    digest.option(word(a.checked_rem(b)));
    digest.option(word(a.checked_div_euclid(b)));
    digest.option(word(a.checked_rem_euclid(b)));
    if b != 0 {
        digest.i64(a.wrapping_div(b));
        digest.i64(a.wrapping_rem(b));
    }
    digest.i64(a / 7);
    digest.i64(a % 1_000_000);
    digest.i64(a / -1_024);
}

/// The same division under several guards and within a loop: the machine traps on a zero divisor, so a compiler that
/// takes division for harmless and moves it above its guard stops the program.
pub fn guarded_division(random: &mut Random, digest: &mut Digest) {
    let (a, b) = (random.u64(), random.u64() & random.u64() & 3);
    let (c, d) = (random.i64(), random.i64() & 1);
    let rounds = random.below(5);
    let mut sum = 0u64;
    for round in 0..black_box(rounds) {
        if b != 0 && round != 1 {
            sum = sum.wrapping_add(a / b).rotate_left(3) ^ (a % b);
        }
        if d != 0 && round & 1 == 0 {
            sum = sum.wrapping_add((c / d) as u64).rotate_left(5);
        }
    }
    digest.u64(sum);
    match random.below(3) {
        0 if b != 0 => digest.u64(a / b),
        1 if b != 0 => digest.u64((a / b).wrapping_add(1)),
        2 => digest.option(a.checked_rem(b)),
        _ => digest.u64(a),
    }
    digest.option(a.checked_div(b));
    if d != 0 {
        digest.i64(c / d);
    }
    digest.option(c.checked_div(d).map(|value| value as u64));
}

/// 8, 16 and 32 bits, where the machine has 64-bit registers and half of the narrow instructions.
pub fn narrow(random: &mut Random, digest: &mut Digest) {
    let (a, b) = (random.u64(), random.u64());
    let (a8, b8) = (a as u8, b as u8);
    digest.u64(u64::from(a8.wrapping_mul(b8)));
    digest.option(a8.checked_add(b8).map(u64::from));
    digest.i64(i64::from((a8 as i8).saturating_sub(b8 as i8)));
    digest.option((a8 as i8).checked_div(b8 as i8).map(|value| value as u64));
    let (a16, b16) = (a as u16, b as u16);
    digest.option(a16.checked_mul(b16).map(u64::from));
    digest.i64(i64::from((a16 as i16).wrapping_mul(b16 as i16)));
    digest.option(
        (a16 as i16)
            .checked_rem(b16 as i16)
            .map(|value| value as u64),
    );
    let (a32, b32) = (a as u32, b as u32);
    digest.u64(u64::from(a32.wrapping_add(b32)));
    digest.option(a32.checked_mul(b32).map(u64::from));
    digest.option(a32.checked_div(b32).map(u64::from));
    digest.option(
        (a32 as i32)
            .checked_div(b32 as i32)
            .map(|value| value as u64),
    );
    digest.i64(i64::from((a32 as i32).wrapping_mul(b32 as i32)));
    digest.i64(i64::from((a32 as i32).wrapping_shr(b32)));
    digest.u64(u64::from(a32.rotate_left(b32 & 31)));
}

/// Truncation, extension of signs and of zeros, and checked conversions.
pub fn casts(random: &mut Random, digest: &mut Digest) {
    let a = random.u64();
    digest.i64(i64::from(a as i8));
    digest.i64(i64::from(a as i16));
    digest.i64(i64::from(a as i32));
    digest.u64(u64::from(a as u8));
    digest.u64(u64::from(a as u32));
    digest.u64(a as i32 as u64);
    digest.u64(a as i8 as u32 as u64);
    digest.i128(i128::from(a as i64));
    digest.i128(a as i128);
    digest.u128(a as i64 as u128);
    digest.option(u8::try_from(a).ok().map(u64::from));
    digest.option(u32::try_from(a as i64).ok().map(u64::from));
    digest.option(i64::try_from(a).ok().map(|value| value as u64));
    digest.option(i32::try_from(a as i64).ok().map(|value| value as u64));
    digest.option(u64::try_from(random.i128()).ok());
    digest.option(i64::try_from(random.u128()).ok().map(|value| value as u64));
}

/// Counting, reversing and swapping.
pub fn bits(random: &mut Random, digest: &mut Digest) {
    let a = random.u64();
    digest.u64(u64::from(a.leading_zeros()));
    digest.u64(u64::from(a.trailing_zeros()));
    digest.u64(u64::from(a.count_ones()));
    digest.u64(u64::from(a.leading_ones()));
    digest.u64(u64::from((a as u32).leading_zeros()));
    digest.u64(u64::from((a as u8).trailing_zeros()));
    digest.u64(a.swap_bytes());
    digest.u64(u64::from((a as u32).swap_bytes()));
    digest.u64(u64::from((a as u16).swap_bytes()));
    digest.u64(a.reverse_bits());
    digest.u64(u64::from_be_bytes(a.to_le_bytes()));
    digest.u64(u64::from(u32::from_be_bytes((a as u32).to_ne_bytes())));
    digest.bool(a.is_power_of_two());
    digest.option(a.checked_next_power_of_two());
}

/// By variable and constant distances.
pub fn shifts(random: &mut Random, digest: &mut Digest) {
    let (a, distance) = (random.u64(), random.u64() as u32);
    digest.u64(a.wrapping_shl(distance));
    digest.u64(a.wrapping_shr(distance));
    digest.i64((a as i64).wrapping_shr(distance));
    digest.i64((a as i64).wrapping_shl(distance));
    digest.option(a.checked_shl(distance & 127));
    digest.option(
        (a as i64)
            .checked_shr(distance & 127)
            .map(|value| value as u64),
    );
    digest.u64(a << (distance & 63));
    digest.i64(a as i64 >> (distance & 63));
    digest.u64(a.rotate_left(distance));
    digest.u64(a.rotate_right(distance));
    digest.i64(a as i64 >> 63);
    digest.u64((a << 31) >> 33);
}

/// Orders at the edges of signed and unsigned.
pub fn comparisons(random: &mut Random, digest: &mut Digest) {
    let (a, b, c) = (random.u64(), random.u64(), random.i64());
    digest.bool(a < b);
    digest.bool((a as i64) < b as i64);
    digest.bool(a <= c as u64);
    digest.bool((a as i64) >= c);
    digest.bool((a as u32) < b as u32);
    digest.bool((a as i32) > b as i32);
    digest.bool((a as i8) <= b as i8);
    digest.i64(a.cmp(&b) as i64);
    digest.i64((a as i64).cmp(&c) as i64);
    digest.u64(a.min(b));
    digest.i64((a as i64).max(c));
    digest.i64(c.clamp(-1_000, 1 << 40));
    digest.u64(a.clamp(b.min(a), b.max(a)));
    digest.bool((a, c) < (b, !c));
    digest.bool(a == b || a.wrapping_sub(b) as i64 > c);
}

/// Library functions made of many steps.
pub fn roots(random: &mut Random, digest: &mut Digest) {
    let a = random.u64();
    digest.u64(a.isqrt());
    digest.option(a.checked_ilog2().map(u64::from));
    digest.option(a.checked_ilog10().map(u64::from));
    digest.option((a & 0xFFFF).checked_pow((a >> 60) as u32));
    digest.i64((a as i64 | 1).wrapping_pow((a >> 58) as u32));
    digest.u64(u64::from((a as u32).isqrt()));
    digest.u64(a.midpoint(random.u64()));
}
