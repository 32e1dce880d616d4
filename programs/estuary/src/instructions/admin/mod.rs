//! What the clearinghouse's authority does.

pub mod add_bank;
pub mod create_clearinghouse;
pub mod create_market;
pub mod extend_market;
pub mod list_series;
pub mod market_args;
pub mod mint_extensions;
pub mod set_market_status;
pub mod set_offset;
pub mod sweep_fees;

pub use add_bank::*;
pub use create_clearinghouse::*;
pub use create_market::*;
pub use extend_market::*;
pub use list_series::*;
pub use market_args::*;
pub use mint_extensions::*;
pub use set_market_status::*;
pub use set_offset::*;
pub use sweep_fees::*;
