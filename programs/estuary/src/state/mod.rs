//! What each account may look like: one file per account, its layout, its methods and its invariant.

pub mod balance;
pub mod bank;
pub mod claims;
pub mod clearinghouse;
pub mod expiry;
pub mod ledger;
pub mod margin_account;
pub mod market;
pub mod market_set;
pub mod market_status;
pub mod owner;
pub mod positions;
pub mod returns;
pub mod series;
pub mod settlement_average;
pub mod unsettled;

use crate::error::EstuaryError;
use anchor_lang::{prelude::*, Discriminator, Owner as OwnedByProgram, ZeroCopy};
pub use balance::Balance;
pub use bank::Bank;
pub use claims::{Claim, ClaimsPool, Round};
pub use clearinghouse::Clearinghouse;
pub use expiry::Expiry;
pub use ledger::MarketLedger;
pub use margin_account::MarginAccount;
pub use market::{Market, MarketMut, MarketRef};
pub use market_set::MarketSet;
pub use market_status::MarketStatus;
pub use owner::Owner;
pub use positions::{LotsMoved, Position};
pub use returns::{PairEntry, StoredReturns, StoredTerms, MAX_OFFSETS, OFFSET_DELAY_SECONDS};
pub use series::{Series, SeriesKind};
pub use settlement_average::SettlementAverage;
use std::cell::{Ref, RefMut};
pub use unsettled::Unsettled;

/// Decimals the settlement token must have: money is counted in millionths of it.
pub const SETTLEMENT_DECIMALS: u8 = 6;
/// Index of the settlement token's bank: the first one of a clearinghouse.
pub const SETTLEMENT_BANK: u16 = 0;
/// In place of a market's index: the settlement token has no market.
pub const NO_MARKET: u16 = u16::MAX;
/// Most decimals of a token.
pub const MAX_DECIMALS: u8 = 18;
/// Most banks of a clearinghouse; one balance per bank fits every margin account.
pub const MAX_BANKS: usize = 16;
/// Most markets of a clearinghouse; a set of markets is a 64-bit word.
pub const MAX_MARKETS: usize = 64;
/// Most markets one margin account may hold positions in, so that its check fits one transaction's account locks.
pub const MAX_MARKETS_PER_ACCOUNT: u32 = 8;
/// Most series of a market.
pub const MAX_SERIES: usize = 1024;
/// Most expiries of a market.
pub const MAX_EXPIRIES: usize = 16;
/// Most balances of a margin account.
pub const MAX_BALANCES: usize = MAX_BANKS;
/// Most positions of a margin account: so many, with a balance of every token, are liquidated in one transaction of at most
/// 1,250,000 compute units (`liquidate_full_account` in docs/compute_units.json), and twice as many are not.
#[cfg(not(feature = "bench-wide-accounts"))]
pub const MAX_POSITIONS: usize = 64;
/// Most positions of a margin account, raised for measurements.
#[cfg(feature = "bench-wide-accounts")]
pub const MAX_POSITIONS: usize = 128;
/// Most positions that both accounts of a trade or a liquidation may have together, legs that open new ones included.
pub const MAX_POSITIONS_PER_TRANSACTION: usize = 80;
/// Most legs of a block trade.
pub const MAX_LEGS: usize = 16;
/// Most series that one instruction lists: into a table that is full otherwise, they take two thirds of the compute units
/// of a transaction.
pub const MAX_LISTED_AT_ONCE: usize = 64;
/// Exclusive bound on the sum of absolute lots of one account in one market, and on the lots of one leg.
pub const MAX_LOTS_PER_MARKET: u64 = 1 << 32;

/// What every account of the program has: a layout version and conditions that always hold.
pub trait StateAccount: Discriminator + Sized {
    /// Bytes of the account: discriminator and struct. A market's table comes on top.
    const SIZE: usize = Self::DISCRIMINATOR
        .len()
        .saturating_add(core::mem::size_of::<Self>());
    /// The version this build reads and writes.
    const VERSION: u8;

    /// The version stored in the account.
    fn version(&self) -> u8;

    /// Checks what must hold after every instruction that writes the account.
    ///
    /// # Errors
    /// The account's own `...Invariant` error.
    fn invariant(&self) -> Result<()>;
}

/// Borrows an account for reading and checks its version.
///
/// # Errors
/// [`EstuaryError::AccountVersionUnsupported`], or Anchor's errors for a wrong owner, discriminator or size.
pub fn read<'a, T>(loader: &'a AccountLoader<'_, T>) -> Result<Ref<'a, T>>
where
    T: ZeroCopy + OwnedByProgram + StateAccount,
{
    let account = loader.load()?;
    check_version::<T>(account.version())?;
    Ok(account)
}

/// Borrows an account for writing and checks its version.
///
/// # Errors
/// [`EstuaryError::AccountVersionUnsupported`], or Anchor's errors for a wrong owner, discriminator or size.
pub fn write<'a, T>(loader: &'a AccountLoader<'_, T>) -> Result<RefMut<'a, T>>
where
    T: ZeroCopy + OwnedByProgram + StateAccount,
{
    let account = loader.load_mut()?;
    check_version::<T>(account.version())?;
    Ok(account)
}

/// Checks a stored layout version against the one this build knows.
///
/// # Errors
/// [`EstuaryError::AccountVersionUnsupported`] with both versions.
pub fn check_version<T: StateAccount>(version: u8) -> Result<()> {
    require_eq!(version, T::VERSION, EstuaryError::AccountVersionUnsupported);
    Ok(())
}
