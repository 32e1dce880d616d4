//! What the standard library builds on the heap and on closures.

use crate::random::{Digest, Random};
use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;

/// Words, by key, by comparison with a tie-break; the stable sorts do not link here.
#[allow(clippy::disallowed_methods, reason = "only unstable sorts below")]
pub fn sort(random: &mut Random, digest: &mut Digest) {
    let len = random.below(40) as usize;
    let mut words = [0u64; 40];
    words.iter_mut().for_each(|word| *word = random.u64());
    words[..len].sort_unstable();
    words.iter().for_each(|word| digest.u64(*word));
    let mut pairs = [(0i64, 0u16); 32];
    for (index, pair) in pairs.iter_mut().enumerate() {
        *pair = (random.i64() >> 48, index as u16);
    }
    pairs.sort_unstable_by_key(|pair| (pair.0, pair.1));
    pairs.iter().for_each(|pair| digest.u64(u64::from(pair.1)));
    pairs.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    pairs.iter().for_each(|pair| digest.u64(u64::from(pair.1)));
    let mut wide = [0i128; 24];
    wide.iter_mut().for_each(|value| *value = random.i128());
    wide.sort_unstable_by_key(|value| Reverse(*value));
    wide.iter().for_each(|value| digest.i128(*value));
}

/// Searches in a sorted slice and partial sorts.
pub fn search(random: &mut Random, digest: &mut Digest) {
    let mut words = [0u64; 33];
    words.iter_mut().for_each(|word| *word = random.u64() >> 32);
    words.sort_unstable();
    for _ in 0..8 {
        let probe = random.u64() >> 32;
        digest.u64(words.partition_point(|word| *word < probe) as u64);
        digest.bool(words.binary_search(&probe).is_ok());
    }
    let mut shuffled = [0i64; 33];
    shuffled.iter_mut().for_each(|value| *value = random.i64());
    let middle = *shuffled.select_nth_unstable(16).1;
    digest.i64(middle);
    digest.option(
        shuffled
            .iter()
            .position(|value| *value == middle)
            .map(|place| place as u64),
    );
    digest.i64(*shuffled.iter().min().unwrap_or(&0));
}

/// Inserts, removals, ranges, in order.
pub fn ordered_map(random: &mut Random, digest: &mut Digest) {
    let mut map = BTreeMap::new();
    for _ in 0..48 {
        let (key, value) = (random.below(64), random.i64());
        match random.below(4) {
            0 => digest.option(map.remove(&key).map(|value: i64| value as u64)),
            1 => {
                let sum = map.entry(key).or_insert(0i64);
                *sum = sum.wrapping_add(value);
            }
            _ => digest.option(map.insert(key, value).map(|value| value as u64)),
        }
    }
    for (key, value) in map.range(10..50) {
        digest.u64(*key);
        digest.i64(*value);
    }
    digest.u64(map.len() as u64);
    digest.option(map.first_key_value().map(|(key, _)| *key));
}

/// Growing, draining, boxes of slices, a deque.
pub fn vectors(random: &mut Random, digest: &mut Digest) {
    let len = random.below(60) as usize;
    let mut values: Vec<u32> = (0..len).map(|_| random.word() as u32).collect();
    values.retain(|value| value % 3 != 0);
    values.dedup_by_key(|value| *value & 3);
    values.insert(values.len() / 2, 7);
    let drained: Vec<u32> = values.drain(..values.len() / 3).collect();
    values.extend_from_slice(&drained);
    let boxed: Box<[u32]> = values.into_boxed_slice();
    boxed.iter().for_each(|value| digest.u64(u64::from(*value)));
    let mut queue = VecDeque::with_capacity(4);
    for value in drained {
        if queue.len() == 4 {
            digest.option(queue.pop_front().map(u64::from));
        }
        queue.push_back(value);
    }
    digest.u64(queue.iter().map(|value| u64::from(*value)).sum());
    digest.u64(
        vec![vec![random.word(); 3]; 2]
            .concat()
            .iter()
            .fold(0, |sum, word| sum ^ word),
    );
}

/// Numbers of every width to text.
pub fn format(random: &mut Random, digest: &mut Digest) {
    let (a, b, c) = (random.i64(), random.u128(), random.i128());
    digest.bytes(format!("{a}|{a:+}|{:#x}|{:>12}|{:08b}", a, a as i16, a as u8).as_bytes());
    digest.bytes(format!("{b}|{c}|{:?}", (a as u32, Some(b as u16))).as_bytes());
    let mut text = String::new();
    let written = write!(text, "{:?} {:e}", [a as i8; 3], a as u32);
    digest.bool(written.is_ok());
    digest.bytes(text.as_bytes());
    digest.bytes(a.to_string().as_bytes());
}

/// Text to numbers, and pieces of text.
pub fn parse(random: &mut Random, digest: &mut Digest) {
    let mut digits = [b'0'; 24];
    let len = 1 + random.below(23) as usize;
    for digit in &mut digits[..len] {
        *digit = match random.below(40) {
            0 => b'-',
            1 => b'x',
            other => b'0' + (other % 10) as u8,
        };
    }
    let Ok(text) = std::str::from_utf8(&digits[..len]) else {
        return digest.bool(false);
    };
    digest.option(text.parse::<u64>().ok());
    digest.option(text.parse::<i64>().ok().map(|value| value as u64));
    digest.wide_option(text.parse::<i128>().ok().map(|value| value as u128));
    digest.option(u64::from_str_radix(text, 16).ok());
    digest.option(text.split_once('x').map(|(left, _)| left.len() as u64));
    digest.u64(
        text.chars()
            .rev()
            .filter_map(|digit| digit.to_digit(10))
            .map(u64::from)
            .sum(),
    );
    digest.bool(std::str::from_utf8(&random.word().to_le_bytes()).is_ok());
}

/// Adapters over slices.
pub fn iterators(random: &mut Random, digest: &mut Digest) {
    let mut values = [0i64; 27];
    values
        .iter_mut()
        .for_each(|value| *value = random.i64() >> 20);
    let offset = random.i64() >> 20;
    let shifted = |value: &i64| value.wrapping_add(offset);
    digest.i64(values.iter().map(shifted).fold(0i64, i64::wrapping_add));
    digest.i64(
        values
            .chunks_exact(9)
            .map(|row| row.iter().max().copied().unwrap_or(0))
            .sum(),
    );
    digest.i64(values.windows(2).filter(|pair| pair[0] < pair[1]).count() as i64);
    digest.i64(
        values
            .iter()
            .zip(values.iter().rev())
            .map(|(a, b)| (a ^ b) >> 8)
            .sum(),
    );
    digest.option(
        values
            .iter()
            .rposition(|value| *value < offset)
            .map(|place| place as u64),
    );
    let worst = values
        .iter()
        .enumerate()
        .min_by_key(|(place, value)| (**value, *place));
    digest.option(worst.map(|(place, _)| place as u64));
    digest.bool(
        values
            .iter()
            .step_by(5)
            .skip(1)
            .take(3)
            .any(|value| *value > offset),
    );
    let total: Option<i64> = values
        .iter()
        .try_fold(0i64, |sum, value| sum.checked_add(*value));
    digest.option(total.map(|value| value as u64));
}
