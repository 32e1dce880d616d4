//! What owners of margin accounts do.

pub mod block_trade;
pub mod deposit;
pub mod legs;
pub mod margin_report;
pub mod open_account;
pub mod withdraw;

pub use block_trade::*;
pub use deposit::*;
pub use legs::*;
pub use margin_report::*;
pub use open_account::*;
pub use withdraw::*;
