//! What liquidators do: anyone with an account healthy enough.

pub mod liquidate;
pub mod liquidate_token;

pub use liquidate::*;
pub use liquidate_token::*;
