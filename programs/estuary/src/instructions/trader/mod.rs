//! What owners of margin accounts do.

pub mod deposit;
pub mod open_account;
pub mod withdraw;

pub use deposit::*;
pub use open_account::*;
pub use withdraw::*;
