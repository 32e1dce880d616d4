//! Families of computations whose results must be the same bits in the ELF and on the host.

mod calls;
mod collections;
mod integers;
mod memory;
mod risk;
mod wide;

use crate::random::{Digest, Random};

/// One family: a pure function from a random source to outputs.
#[derive(Clone, Copy)]
pub struct Family {
    /// For the message of a failing test.
    pub name: &'static str,
    /// How many cases a test runs.
    pub cases: u64,
    /// How many cases one instruction may run: families that allocate are bound by the heap, which is never freed.
    pub batch: u32,
    /// One case.
    pub run: fn(&mut Random, &mut Digest),
}

impl Family {
    const fn new(name: &'static str, batch: u32, run: fn(&mut Random, &mut Digest)) -> Self {
        Self {
            name,
            cases: 4_000,
            batch,
            run,
        }
    }

    const fn over(self, cases: u64) -> Self {
        Self { cases, ..self }
    }
}

/// All families; an instruction names one by its index.
pub const FAMILIES: &[Family] = &[
    Family::new("u64 arithmetic", 500, integers::unsigned),
    Family::new("i64 arithmetic", 500, integers::signed),
    Family::new("i64 division", 500, integers::signed_division),
    Family::new("division behind a guard", 200, integers::guarded_division),
    Family::new("narrow integers", 500, integers::narrow),
    Family::new("casts between widths", 500, integers::casts),
    Family::new("bits and byte order", 500, integers::bits),
    Family::new("64-bit shifts", 500, integers::shifts),
    Family::new("comparisons and edges", 500, integers::comparisons),
    Family::new("roots, logarithms, powers", 200, integers::roots),
    Family::new("u128 arithmetic", 200, wide::unsigned),
    Family::new("i128 arithmetic", 200, wide::signed),
    Family::new("u128 division", 200, wide::unsigned_division),
    Family::new("i128 division", 200, wide::signed_division),
    Family::new("128-bit shifts", 500, wide::shifts),
    Family::new("high half of a product", 500, wide::mul_high),
    Family::new("128-bit comparisons", 500, wide::comparisons),
    Family::new("unstable sort", 20, collections::sort),
    Family::new("binary search and selection", 20, collections::search),
    Family::new("ordered map", 4, collections::ordered_map),
    Family::new("vectors and boxes", 8, collections::vectors),
    Family::new("format", 10, collections::format),
    Family::new("parse", 50, collections::parse),
    Family::new("iterators and closures", 100, collections::iterators),
    Family::new("moves within memory", 100, memory::moves),
    Family::new("comparing memory", 100, memory::compare),
    Family::new("packed reads", 200, memory::packed),
    Family::new("reads at any address", 200, memory::misaligned),
    Family::new("values passed in memory", 100, memory::aggregates),
    Family::new("atomics of one thread", 200, memory::atomics),
    Family::new("ten-argument calls", 200, calls::ten_arguments),
    Family::new("calls through a table", 200, calls::dynamic),
    Family::new("function pointers", 200, calls::pointers),
    Family::new("recursion", 50, calls::recursion),
    Family::new("matches and early returns", 200, calls::branches),
    Family::new("interior mutability", 20, calls::cells),
    Family::new("risk: functions", 200, risk::functions).over(20_000),
    Family::new("risk: strike arrays", 500, risk::strike_arrays).over(100_000),
    Family::new("risk: books", 2, risk::books),
];

/// Digest of `count` cases of a family from number `first` on.
pub fn digest(family: &Family, first: u64, count: u32) -> u64 {
    let mut digest = Digest::default();
    let salt = family.name.len() as u64;
    for case in 0..u64::from(count) {
        (family.run)(
            &mut Random::new(salt, first.wrapping_add(case)),
            &mut digest,
        );
    }
    digest.finish()
}
