//! Faults: each must abort the ELF, and none may pass silently.
//!
//! Every case depends on its operand, which the compiler cannot see: with the harmless operand it returns a number
//! (the host's), with the harmful one it must not return.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hint::black_box;

/// One fault.
#[derive(Clone, Copy)]
pub struct Fault {
    /// For the message of a failing test.
    pub name: &'static str,
    /// Operand with which it returns.
    pub harmless: u64,
    /// Operand with which it aborts.
    pub harmful: u64,
    /// The case.
    pub run: fn(u64) -> u64,
}

impl Fault {
    const fn new(name: &'static str, harmless: u64, harmful: u64, run: fn(u64) -> u64) -> Self {
        Self {
            name,
            harmless,
            harmful,
            run,
        }
    }
}

/// The bits of `i64::MIN`.
const LOWEST: u64 = 1 << 63;

/// All faults; an instruction names one by its index.
#[rustfmt::skip]
pub const FAULTS: &[Fault] = &[
    Fault::new("add u64", 5, 6, |x| (u64::MAX - 5) + x),
    Fault::new("subtract u64", 5, 6, |x| 5 - x),
    Fault::new("multiply u64", 1 << 31, 1 << 32, |x| x * (1 << 32)),
    Fault::new("add i64", 5, 6, |x| ((i64::MAX - 5) + x as i64) as u64),
    Fault::new("subtract i64", 5, 6, |x| ((i64::MIN + 5) - x as i64) as u64),
    Fault::new("multiply i64", 3, LOWEST, |x| (x as i64 * black_box(-1)) as u64),
    Fault::new("negate i64", 3, LOWEST, |x| (-(x as i64)) as u64),
    Fault::new("absolute value of i64", 3, LOWEST, |x| (x as i64).abs().cast_unsigned()),
    Fault::new("add u8", 5, 6, |x| u64::from(250u8 + x as u8)),
    Fault::new("multiply i32", 1 << 14, 1 << 16, |x| (x as i32 * x as i32) as u64),
    Fault::new("add u128", 5, 6, |x| ((u128::MAX - 5) + u128::from(x)) as u64),
    Fault::new("subtract i128", 5, 6, |x| ((i128::MIN + 5) - i128::from(x)) as u64),
    Fault::new("multiply u128", 2, 1 << 40, |x| (u128::from(x) * (1 << 100)) as u64),
    Fault::new("multiply i128", 2, 1 << 40, |x| (i128::from(x) * -(1 << 100)) as u64),
    Fault::new("shift left by the width", 63, 64, |x| black_box(1u64) << x),
    Fault::new("shift right by the width", 63, 64, |x| black_box(LOWEST) >> x),
    Fault::new("shift i128 by the width", 127, 128, |x| (black_box(1i128) << x) as u64),
    Fault::new("divide u64 by zero", 7, 0, |x| 100 / x),
    Fault::new("remainder of u64 by zero", 7, 0, |x| 100 % x),
    Fault::new("divide i64 by zero", 7, 0, |x| (-100 / x as i64) as u64),
    Fault::new("divide u128 by zero", 7, 0, |x| (black_box(u128::MAX) / u128::from(x)) as u64),
    Fault::new("divide i64::MIN by minus one", 1, u64::MAX, |x| (black_box(i64::MIN) / x as i64) as u64),
    Fault::new("remainder of i64::MIN by minus one", 1, u64::MAX, |x| (black_box(i64::MIN) % x as i64) as u64),
    Fault::new("divide i128::MIN by minus one", 1, u64::MAX, |x| (black_box(i128::MIN) / i128::from(x as i64)) as u64),
    Fault::new("power", 63, 64, |x| 2u64.pow(x as u32)),
    Fault::new("sum of an iterator", 3, 4, |x| (0..x).map(|_| u64::MAX / 3).sum()),
    Fault::new("logarithm of zero", 1, 0, |x| u64::from(x.ilog2())),
    Fault::new("index of an array", 3, 4, |x| black_box([10u64, 20, 30, 40])[x as usize]),
    Fault::new("index of a vector", 1, 2, |x| black_box(vec![1u64, 2])[x as usize]),
    Fault::new("end of a slice", 4, 5, |x| black_box(&[1u64; 4])[..x as usize].len() as u64),
    Fault::new("start of a slice after its end", 2, 3, |x| black_box(&[1u64; 4])[x as usize..2].len() as u64),
    Fault::new("split of a slice", 4, 5, |x| black_box(&[1u64; 4]).split_at(x as usize).0.len() as u64),
    Fault::new("copy between unequal slices", 4, 3, |x| {
        let mut out = [0u64; 4];
        out.copy_from_slice(&black_box([7; 5])[..x as usize]);
        out[0]
    }),
    Fault::new("text cut within a character", 2, 1, |x| black_box("éa")[x as usize..].len() as u64),
    Fault::new("chunks of zero", 2, 0, |x| black_box(&[1u64; 4]).chunks(x as usize).count() as u64),
    Fault::new("clamp with crossed limits", 9, 1, |x| black_box(5u64).clamp(3, x)),
    Fault::new("unwrap of None", 1, 0, |x| 7u64.checked_div(x).unwrap()),
    Fault::new("expect of None", 1, 0, |x| 7u64.checked_div(x).expect("a divisor")),
    Fault::new("unwrap of Err", 200, 300, |x| u64::from(u8::try_from(x).unwrap())),
    Fault::new("expect of Err", 200, 300, |x| u64::from(u8::try_from(x).expect("a byte"))),
    Fault::new("array from a slice of another length", 8, 7, |x| u64::from_le_bytes(black_box([1u8; 9])[..x as usize].try_into().unwrap())),
    Fault::new("two mutable borrows", 0, 1, |x| {
        let cell = RefCell::new(5u64);
        let held = (x == 1).then(|| cell.borrow_mut());
        *cell.borrow_mut() += 1;
        drop(held);
        cell.into_inner()
    }),
    Fault::new("mutable borrow while read", 0, 1, |x| {
        let cell = RefCell::new(5u64);
        let held = (x == 1).then(|| cell.borrow());
        *cell.borrow_mut() += 1;
        drop(held);
        cell.into_inner()
    }),
    Fault::new("removal past the end", 1, 2, |x| black_box(vec![1u64, 2]).remove(x as usize)),
    Fault::new("key that is not in a map", 1, 2, |x| black_box(BTreeMap::from([(1u64, 9u64)]))[&x]),
    Fault::new("allocation larger than the heap", 1_000, 40_000, |x| black_box(vec![1u8; x as usize]).len() as u64),
    Fault::new("capacity beyond the address space", 10, u64::MAX / 8, |x| black_box(Vec::<u64>::with_capacity(x as usize)).len() as u64),
    Fault::new("many allocations that fill the heap", 10, 200, |x| {
        (0..x).map(|byte| black_box(vec![byte as u8; 256]).len() as u64).sum()
    }),
    Fault::new("calls deeper than the stack", 20, 200, deep),
    Fault::new("explicit panic", 0, 1, |x| if x == 1 { panic!("asked for") } else { x }),
    Fault::new("failed assertion", 0, 1, |x| { assert!(x == 0); x }),
    Fault::new("failed assertion of equality", 7, 8, |x| { assert_eq!(x, 7); x }),
    Fault::new("code said to be unreachable", 1, 2, |x| match x { 1 => 5, _ => unreachable!("{x}") }),
];

/// Needs one frame per level.
#[inline(never)]
fn deep(levels: u64) -> u64 {
    if levels == 0 {
        return 0;
    }
    black_box(deep(black_box(levels - 1))) + 1
}
