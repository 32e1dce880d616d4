//! The risk engine of Estuary: portfolio margin by full revaluation, in fixed point.
//!
//! One engine, bit for bit, in the program, the client, the command line and the browser. The modules
//! below, read in this order, are the calculation:
//!
//! numbers ([`units`], [`fixed`], [`normal`]) → one option ([`black76`], [`smile`]) → the stress
//! scenarios ([`scenario`], [`blocks`]) → one strike in every scenario ([`mod@array`]) → what lies between the nodes
//! ([`bound`]) → what is charged besides ([`charges`], [`liquidity`]) → one token balance ([`spot`]) → one market ([`market`]) →
//! several that offset one another ([`portfolio`], by what [`returns`] say) → one account ([`margin`]) → what a liquidator takes
//! ([`liquidation`]) and what a trade costs ([`fees`]).
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::integer_division,
        reason = "tests run with overflow checks and compare with plain arithmetic"
    )
)]

extern crate alloc;
#[cfg(any(test, target_feature = "fma"))]
extern crate std;

pub mod array;
pub mod black76;
pub mod blocks;
pub mod bound;
pub mod charges;
pub mod fees;
pub mod fixed;
mod fixed_table;
pub mod liquidation;
pub mod liquidity;
pub mod margin;
pub mod market;
pub mod normal;
mod normal_table;
pub mod portfolio;
pub mod returns;
pub mod scenario;
pub mod settlement;
pub mod smile;
pub mod spot;
pub mod units;
