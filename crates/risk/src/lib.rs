//! The risk engine of Estuary: portfolio margin by full revaluation, in fixed point.
#![no_std]
#![forbid(unsafe_code)]

pub mod units;
pub mod fixed;
mod fixed_table;
pub mod normal;
mod normal_table;
pub mod black76;
pub mod smile;
