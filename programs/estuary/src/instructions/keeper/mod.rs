//! Instructions that anyone may call to keep the clearinghouse current, and the keepers' postings.

pub mod finalize_settlement;
pub mod fund_insurance;
pub mod mark_account;
pub mod post_surface;
pub mod record_price;
pub mod record_settlement_price;
pub mod retire_expiry;
pub mod settle;
pub mod settle_on_credit;

pub use finalize_settlement::*;
pub use fund_insurance::*;
pub use mark_account::*;
pub use post_surface::*;
pub use record_price::*;
pub use record_settlement_price::*;
pub use retire_expiry::*;
pub use settle::*;
pub use settle_on_credit::*;
