//! Memory: moves, comparisons, odd addresses, values larger than a register.

use crate::random::{Digest, Random};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicU8, Ordering};

/// Fills from the random source.
fn fill(random: &mut Random, bytes: &mut [u8]) {
    for chunk in bytes.chunks_mut(8) {
        let word = random.word().to_le_bytes();
        chunk.copy_from_slice(&word[..chunk.len()]);
    }
}

/// Overlapping both ways, rotations, reversals, fills.
pub fn moves(random: &mut Random, digest: &mut Digest) {
    let mut bytes = [0u8; 200];
    fill(random, &mut bytes);
    let (from, len, to) = (
        random.below(100) as usize,
        random.below(90) as usize,
        random.below(100) as usize,
    );
    bytes.copy_within(from..from + len, to);
    digest.bytes(&bytes[to..to + len]);
    bytes.rotate_left(random.below(200) as usize);
    bytes[from..from + len].reverse();
    let (left, right) = bytes.split_at_mut(100);
    left[..len].swap_with_slice(&mut right[..len]);
    right[..len / 2].fill(random.word() as u8);
    digest.bytes(&bytes);
    let mut words = [random.word(); 12];
    words.copy_within(2..9, 4);
    words.swap(0, 11);
    words.iter().for_each(|word| digest.u64(*word));
}

/// Equality and order of byte strings that share a beginning.
pub fn compare(random: &mut Random, digest: &mut Digest) {
    let mut a = [0u8; 70];
    fill(random, &mut a);
    let mut b = a;
    let place = random.below(70) as usize;
    b[place] = b[place].wrapping_add(random.below(3) as u8);
    digest.bool(a == b);
    digest.i64(a.cmp(&b) as i64);
    digest.bool(a[..place] == b[..place]);
    digest.bool(a[..33].starts_with(&b[..20]));
    digest.bool(a.ends_with(&b[60..]));
    digest.i64(a[place..].cmp(&b[..70 - place]) as i64);
    digest.option(
        a.iter()
            .position(|byte| *byte == b[place])
            .map(|place| place as u64),
    );
    digest.bool(black_box([1u8, 2, 3]) == a[..3]);
}

/// A record without padding, whose fields lie at odd addresses.
#[repr(C, packed)]
#[derive(Clone, Copy, Default)]
struct Packed {
    tag: u8,
    signed: i64,
    half: u16,
    wide: u128,
    word: u32,
    last: i16,
}

/// Reads and writes of packed fields.
pub fn packed(random: &mut Random, digest: &mut Digest) {
    let mut records = [Packed::default(); 5];
    for record in &mut records {
        record.tag = random.word() as u8;
        record.signed = random.i64();
        record.half = random.word() as u16;
        record.wide = random.u128();
        record.word = random.word() as u32;
        record.last = random.i64() as i16;
    }
    let place = random.below(5) as usize;
    let record = black_box(&records)[place];
    digest.u64(u64::from(record.tag));
    digest.i64(record.signed);
    digest.u64(u64::from(record.half));
    digest.u128(record.wide);
    digest.u64(u64::from(record.word));
    digest.i64(i64::from(record.last));
    records[place].signed = { records[place].signed }.wrapping_mul(3);
    digest.i64(black_box(&records)[place].signed);
    digest.u64(std::mem::size_of::<Packed>() as u64);
}

/// Integers read from bytes at any offset.
pub fn misaligned(random: &mut Random, digest: &mut Digest) {
    let mut bytes = [0u8; 48];
    fill(random, &mut bytes);
    let at = random.below(30) as usize;
    let bytes = black_box(&mut bytes);
    digest.u64(u64::from_le_bytes(array(&bytes[at..])));
    digest.i64(i64::from(i32::from_le_bytes(array(&bytes[at + 1..]))));
    digest.u64(u64::from(u16::from_be_bytes(array(&bytes[at + 3..]))));
    digest.u128(u128::from_le_bytes(array(&bytes[at..])));
    bytes[at + 5..at + 13].copy_from_slice(&random.word().to_be_bytes());
    digest.bytes(bytes);
}

/// The first `N` bytes.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[..N]);
    out
}

/// A value that travels in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Aggregate {
    columns: [i32; 33],
    mark: i64,
    bound: Option<u128>,
    flag: bool,
}

/// Built, passed and returned by value.
pub fn aggregates(random: &mut Random, digest: &mut Digest) {
    let first = aggregate(random);
    let second = aggregate(random);
    let sum = black_box(added(first, second));
    sum.columns
        .iter()
        .for_each(|value| digest.i64(i64::from(*value)));
    digest.i64(sum.mark);
    digest.wide_option(sum.bound);
    digest.bool(sum.flag);
    digest.bool(sum == first);
}

#[inline(never)]
fn aggregate(random: &mut Random) -> Aggregate {
    let mut columns = [0i32; 33];
    columns
        .iter_mut()
        .for_each(|value| *value = random.i64() as i32);
    let bound = (random.word() & 1 == 0).then(|| random.u128());
    Aggregate {
        columns,
        mark: random.i64(),
        bound,
        flag: random.word() & 1 == 0,
    }
}

#[inline(never)]
fn added(mut a: Aggregate, b: Aggregate) -> Aggregate {
    for (left, right) in a.columns.iter_mut().zip(&b.columns) {
        *left = left.wrapping_add(*right);
    }
    Aggregate {
        mark: a.mark.wrapping_sub(b.mark),
        bound: a.bound.or(b.bound),
        flag: a.flag ^ b.flag,
        ..a
    }
}

/// Atomics become plain loads and stores: one thread.
pub fn atomics(random: &mut Random, digest: &mut Digest) {
    let word = AtomicU64::new(random.u64());
    digest.u64(word.fetch_add(random.u64(), Ordering::SeqCst));
    digest.u64(word.fetch_xor(random.u64(), Ordering::AcqRel));
    digest.u64(word.fetch_max(random.u64(), Ordering::Relaxed));
    digest.u64(word.swap(random.u64(), Ordering::SeqCst));
    let expected = random.below(2) * word.load(Ordering::Acquire);
    let exchanged = word.compare_exchange(expected, 9, Ordering::SeqCst, Ordering::SeqCst);
    digest.bool(exchanged.is_ok());
    digest.u64(exchanged.unwrap_or_else(|found| found));
    let half = AtomicI32::new(random.i64() as i32);
    digest.i64(i64::from(
        half.fetch_sub(random.i64() as i32, Ordering::SeqCst),
    ));
    digest.i64(i64::from(
        half.fetch_min(random.i64() as i32, Ordering::SeqCst),
    ));
    let byte = AtomicU8::new(random.word() as u8);
    digest.u64(u64::from(
        byte.fetch_or(random.word() as u8, Ordering::SeqCst),
    ));
    let flag = AtomicBool::new(random.word() & 1 == 0);
    digest.bool(flag.fetch_not(Ordering::SeqCst));
    digest.u64(word.into_inner() ^ u64::from(byte.into_inner()));
}
