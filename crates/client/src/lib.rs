//! A client of the Estuary program that knows no transport: addresses, instructions, accounts, reports and errors.
//!
//! Fetch accounts and send transactions with whatever you like (what a deployment needs of it is a [`chain`]); this crate derives [`address`]es, turns intentions
//! into [`instruction`]s, fetched bytes into [`account`]s, and, in [`risk`], fetched bytes into the very margin report
//! that the program would compute from them: the program's own code runs, so the numbers agree to the bit.

pub mod account;
pub mod address;
pub mod chain;
pub mod error;
pub mod event;
pub mod instruction;
pub mod risk;
pub mod view;

pub use address::House;
pub use anchor_lang::{prelude::Pubkey, solana_program::instruction::Instruction};
pub use estuary::{
    instructions::{
        CreateMarketArgs, PositionTransfer, ScenarioArgs, SeriesArgs, SurfaceSlice, TradeLeg,
    },
    report::{MarketReportView, PositionView, PositionsView, ReportPage, SummaryView},
    state::{SeriesKind, MAX_LEGS, MAX_POSITIONS, MAX_POSITIONS_PER_TRANSACTION},
    EstuaryError, ID,
};
