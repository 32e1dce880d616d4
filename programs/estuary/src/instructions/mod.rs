//! One file per instruction, in folders by who calls: arguments, accounts, checks and handler.

pub mod admin;
pub(crate) mod fees;
pub mod keeper;
pub mod liquidator;
pub(crate) mod owners;
pub(crate) mod pair;
pub(crate) mod settlement;
pub mod trader;
pub(crate) mod vault;

pub use admin::*;
pub use keeper::*;
pub use liquidator::*;
pub use trader::*;
