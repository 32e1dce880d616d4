//! What keeps a market alive: surfaces, which the clearinghouse's authority posts for now, and the ends of expiries, which
//! anyone may bring about.

pub mod finalize_settlement;
pub mod post_surface;
pub mod record_settlement_price;
pub mod retire_expiry;

pub use finalize_settlement::*;
pub use post_surface::*;
pub use record_settlement_price::*;
pub use retire_expiry::*;
