//! What every integration test uses: a [`World`] that runs the program's ELF in an SVM, checks the solvency identities
//! and every account's invariant after each instruction, and knows nothing else of the program than its accounts.
//!
//! There is no way to send an instruction without the checks: the SVM is private to [`world`].

pub mod audit;
pub mod bench_book;
pub mod books;
pub mod compute_units;
pub mod elf;
pub mod expiry;
pub mod full_books;
pub mod ix;
pub mod life;
pub mod mint;
pub mod outcome;
pub mod packet;
pub mod price;
pub mod random;
pub mod reconcile;
pub mod setup;
pub mod tamper;
pub mod token;
pub mod trade;
pub mod world;

pub use books::Holding;
pub use life::Life;
pub use outcome::Outcome;
pub use price::Feed;
pub use random::Random;
pub use setup::{House, Token, Trader, Underlying};
pub use tamper::Tamper;
pub use trade::Pit;
pub use world::World;

pub use anchor_lang::prelude::{ErrorCode, Pubkey};
pub use anchor_spl::token::spl_token::error::TokenError;
pub use estuary::EstuaryError;
pub use estuary_client::event::Event;
pub use solana_instruction_error::InstructionError;
pub use solana_keypair::Keypair;
pub use solana_signer::Signer;
