//! What keeps a market alive. For now the clearinghouse's authority does it.

pub mod post_surface;

pub use post_surface::*;
