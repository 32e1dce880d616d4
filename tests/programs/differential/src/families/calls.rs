//! Calls: many arguments, tables, pointers, depth, and the ways out of a function.

use crate::random::{Digest, Random};
use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::rc::Rc;

/// Arguments beyond the fifth go over the stack.
pub fn ten_arguments(random: &mut Random, digest: &mut Digest) {
    let r = random;
    let sum = ten(
        r.word() as u8,
        r.i64(),
        r.word() as u32,
        r.u128(),
        r.i64() as i16,
        r.word(),
        r.i64() as i32,
        r.word() & 1 == 0,
        r.i128(),
        &[r.word(), r.word()],
    );
    digest.i128(sum);
    let tail = black_box(ten as Ten)(1, -2, 3, 4, -5, 6, -7, true, -9, &[10, 11]);
    digest.i128(tail);
}

type Ten = fn(u8, i64, u32, u128, i16, u64, i32, bool, i128, &[u64]) -> i128;

#[inline(never)]
#[allow(clippy::too_many_arguments, reason = "what is tested")]
fn ten(
    a: u8,
    b: i64,
    c: u32,
    d: u128,
    e: i16,
    f: u64,
    g: i32,
    h: bool,
    i: i128,
    j: &[u64],
) -> i128 {
    let small = i128::from(a) * 3 + i128::from(b) * 5 + i128::from(c) * 7 + i128::from(e) * 11;
    let large = i128::from(f) * 13 + i128::from(g) * 17 + i128::from(h) * 19;
    let slice = j
        .iter()
        .fold(0i128, |sum, word| sum * 3 + i128::from(*word));
    small
        .wrapping_sub(large)
        .wrapping_add(d as i128)
        .wrapping_sub(i)
        .wrapping_mul(slice | 1)
}

/// One instrument of several.
trait Payoff {
    fn value(&self, spot: i64) -> i64;
    fn twice(&self, spot: i64) -> i64 {
        self.value(spot).wrapping_mul(2)
    }
}

struct Call(i64);
struct Put {
    strike: i64,
    lots: i32,
}
struct Spread<'a>(&'a dyn Payoff, &'a dyn Payoff);

impl Payoff for Call {
    fn value(&self, spot: i64) -> i64 {
        spot.wrapping_sub(self.0).max(0)
    }
}

impl Payoff for Put {
    fn value(&self, spot: i64) -> i64 {
        self.strike
            .wrapping_sub(spot)
            .max(0)
            .wrapping_mul(i64::from(self.lots))
    }
    fn twice(&self, spot: i64) -> i64 {
        self.value(spot).wrapping_add(1)
    }
}

impl Payoff for Spread<'_> {
    fn value(&self, spot: i64) -> i64 {
        self.0.value(spot).wrapping_sub(self.1.twice(spot))
    }
}

/// Trait objects, nested, with a default method and an overridden one.
pub fn dynamic(random: &mut Random, digest: &mut Digest) {
    let (call, put) = (
        Call(random.i64()),
        Put {
            strike: random.i64(),
            lots: random.i64() as i32,
        },
    );
    let spread = Spread(&call, &put);
    let outer = Spread(&spread, &call);
    let book: [&dyn Payoff; 4] = [&call, &put, &spread, &outer];
    for _ in 0..4 {
        let held = black_box(book)[random.below(4) as usize];
        let spot = random.i64();
        digest.i64(held.value(spot));
        digest.i64(held.twice(spot));
    }
}

/// A table of functions and closures behind a pointer.
pub fn pointers(random: &mut Random, digest: &mut Digest) {
    const TABLE: [fn(i64, i64) -> i64; 5] = [
        i64::wrapping_add,
        i64::wrapping_sub,
        i64::wrapping_mul,
        i64::max,
        |a, b| a & !b,
    ];
    let mut value = random.i64();
    for _ in 0..10 {
        value = TABLE[random.below(5) as usize](value, random.i64());
        digest.i64(value);
    }
    let scale = random.i64();
    let closure: &dyn Fn(i64) -> i64 = &|x| x.wrapping_mul(scale) ^ value;
    digest.i64(black_box(closure)(random.i64()));
}

/// To a depth below the machine's 64 frames, and in two branches.
pub fn recursion(random: &mut Random, digest: &mut Digest) {
    let depth = random.below(40);
    digest.u64(descend(depth, random.word()));
    digest.u64(fibonacci(random.below(11)));
    digest.bool(even(random.below(40)));
}

#[inline(never)]
fn descend(depth: u64, seed: u64) -> u64 {
    let frame = black_box([seed; 20]);
    if depth == 0 {
        return seed;
    }
    let below = descend(depth - 1, seed.rotate_left(7) ^ depth);
    frame
        .iter()
        .fold(below, |sum, word| sum.wrapping_mul(31).wrapping_add(*word))
}

#[inline(never)]
fn fibonacci(n: u64) -> u64 {
    match n {
        0 | 1 => n,
        _ => fibonacci(n - 1) + fibonacci(n - 2),
    }
}

#[inline(never)]
fn even(n: u64) -> bool {
    n == 0 || !black_box(even as fn(u64) -> bool)(n - 1)
}

/// Why a step was refused.
#[derive(Debug, PartialEq)]
enum Refusal {
    Odd(u64),
    Large { value: u64, limit: u64 },
    Text(&'static str),
}

/// Dense and sparse matches, `?`, enums with data.
pub fn branches(random: &mut Random, digest: &mut Digest) {
    for _ in 0..6 {
        let value = random.u64();
        digest.u64(match value % 23 {
            0 => 1,
            1..=4 => value >> 3,
            5 | 7 | 11 | 13 => value.wrapping_mul(5),
            other if other & 1 == 0 => !value,
            other => other,
        });
        match black_box(step(value)) {
            Ok(done) => digest.u64(done),
            Err(Refusal::Odd(odd)) => digest.u64(odd ^ 1),
            Err(Refusal::Large { value, limit }) => digest.u64(value - limit),
            Err(Refusal::Text(text)) => digest.bytes(text.as_bytes()),
        }
    }
    digest.i64(match random.i64() {
        i64::MIN..=-1_000_000 => -3,
        -999_999..=-1 => -2,
        0 => 0,
        1..=1_000_000 => 2,
        _ => 3,
    });
}

#[inline(never)]
fn step(value: u64) -> Result<u64, Refusal> {
    let half = halved(value)?;
    let bounded = within(half, 1 << 50)?;
    if bounded == 0 {
        return Err(Refusal::Text("nothing is left"));
    }
    Ok(bounded - 1)
}

#[inline(never)]
fn halved(value: u64) -> Result<u64, Refusal> {
    if value & 1 == 1 {
        Err(Refusal::Odd(value))
    } else {
        Ok(value / 2)
    }
}

#[inline(never)]
fn within(value: u64, limit: u64) -> Result<u64, Refusal> {
    if value > limit {
        return Err(Refusal::Large { value, limit });
    }
    Ok(value)
}

/// Says when it is dropped.
struct Loud<'a>(u64, &'a Cell<u64>);

impl Drop for Loud<'_> {
    fn drop(&mut self) {
        self.1
            .set(self.1.get().wrapping_mul(31).wrapping_add(self.0));
    }
}

/// Cells, counted references, the order of drops.
pub fn cells(random: &mut Random, digest: &mut Digest) {
    let shared = Rc::new(RefCell::new(vec![random.word()]));
    let other = Rc::clone(&shared);
    for _ in 0..3 {
        other.borrow_mut().push(random.word());
    }
    digest.bool(shared.try_borrow_mut().is_ok());
    let reading = shared.borrow();
    digest.bool(other.try_borrow_mut().is_err());
    reading.iter().for_each(|word| digest.u64(*word));
    digest.u64(Rc::strong_count(&shared) as u64);
    let log = Cell::new(random.word());
    {
        let _first = Loud(random.word(), &log);
        let second = Loud(random.word(), &log);
        let _third = Loud(random.word(), &log);
        if random.word() & 1 == 0 {
            drop(second);
        }
    }
    digest.u64(log.get());
}
