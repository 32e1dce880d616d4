//! What owners of margin accounts do.

pub mod block_trade;
pub mod close_account;
pub mod deposit;
pub mod legs;
pub mod margin_report;
pub mod open_account;
pub mod set_delegate;
pub mod transfer_balance;
pub mod transfer_positions;
pub mod withdraw;

pub use block_trade::*;
pub use close_account::*;
pub use deposit::*;
pub use legs::*;
pub use margin_report::*;
pub use open_account::*;
pub use set_delegate::*;
pub use transfer_balance::*;
pub use transfer_positions::*;
pub use withdraw::*;
