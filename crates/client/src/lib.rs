//! Everything a program, bot or frontend in Rust needs to talk to Estuary, without an RPC library: addresses,
//! instructions, accounts from bytes, and the margin of an account computed with the program's own code.

pub mod address;
pub mod instruction;

pub use address::House;
