//! What liquidators do: anyone with an account healthy enough.

mod handover;
pub mod limits;
pub mod liquidate;

pub use limits::*;
pub use liquidate::*;
