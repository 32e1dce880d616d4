//! What liquidators do: anyone with an account healthy enough.

pub mod liquidate;

pub use liquidate::*;
