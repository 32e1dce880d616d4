//! The root account of one clearing system: who governs it and how many banks and markets it has.

use super::{StateAccount, MAX_BANKS, MAX_MARKETS};
use crate::error::EstuaryError;
use anchor_lang::prelude::*;
use estuary_risk::units::{Money, ONE_PPM};

/// One clearing system. Written by administrative instructions only, so that trades never contend for it.
///
/// Address: `["clearinghouse", id]`.
#[account(zero_copy)]
#[derive(Debug)]
pub struct Clearinghouse {
    /// Layout version, [`Clearinghouse::VERSION`].
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    /// Number of this clearinghouse, part of its address.
    pub id: u16,
    /// Banks added so far; the next bank takes this index.
    pub bank_count: u16,
    /// Markets created so far; the next market takes this index.
    pub market_count: u16,
    /// Starts at 1 and rises with every bank and market added.
    pub parameter_version: u64,
    /// Who may call the administrative instructions.
    pub authority: Pubkey,
    /// The token contracts are paid in; it has [`super::SETTLEMENT_DECIMALS`] decimals.
    pub settlement_mint: Pubkey,
    /// Share of trading fees that goes to the insurance fund, parts per million.
    pub insurance_share_ppm: u32,
    /// Explicit padding, zero.
    pub padding: [u8; 4],
    /// Room for later versions, zero.
    pub reserved: [u8; 232],
}

const _: () = assert!(core::mem::size_of::<Clearinghouse>() == 320);

impl Clearinghouse {
    /// Current layout version.
    pub const VERSION: u8 = 1;

    /// Records that a bank or a market was added.
    ///
    /// # Errors
    /// [`EstuaryError::CounterOverflow`] after 2^64 additions.
    pub fn bump_parameter_version(&mut self) -> Result<()> {
        self.parameter_version = self
            .parameter_version
            .checked_add(1)
            .ok_or(EstuaryError::CounterOverflow)?;
        Ok(())
    }

    /// The part of fees that goes to the insurance fund, rounded up, micro-units.
    ///
    /// # Errors
    /// [`EstuaryError::AmountOverflow`].
    pub fn insurance_share_up(&self, fees: u64) -> Result<u64> {
        let overflow = || error!(EstuaryError::AmountOverflow).with_values((fees, ONE_PPM));
        let fees = i64::try_from(fees).map_err(|_| overflow())?;
        let share = Money(fees).mul_div_up(self.insurance_share_ppm, ONE_PPM);
        Ok(share.map_err(|_| overflow())?.0.unsigned_abs())
    }

    /// Takes the next bank index.
    ///
    /// # Errors
    /// [`EstuaryError::TooManyBanks`] when [`MAX_BANKS`] exist.
    pub fn take_bank_index(&mut self) -> Result<u16> {
        let index = self.bank_count;
        require_gt!(MAX_BANKS, usize::from(index), EstuaryError::TooManyBanks);
        self.bank_count = index.checked_add(1).ok_or(EstuaryError::CounterOverflow)?;
        Ok(index)
    }

    /// Takes the next market index.
    ///
    /// # Errors
    /// [`EstuaryError::TooManyMarkets`] when [`MAX_MARKETS`] exist.
    pub fn take_market_index(&mut self) -> Result<u16> {
        let index = self.market_count;
        require_gt!(
            MAX_MARKETS,
            usize::from(index),
            EstuaryError::TooManyMarkets
        );
        self.market_count = index.checked_add(1).ok_or(EstuaryError::CounterOverflow)?;
        Ok(index)
    }
}

impl StateAccount for Clearinghouse {
    const VERSION: u8 = Self::VERSION;

    fn version(&self) -> u8 {
        self.version
    }

    fn invariant(&self) -> Result<()> {
        require_keys_neq!(
            self.authority,
            Pubkey::default(),
            EstuaryError::ClearinghouseInvariant
        );
        require_gte!(
            ONE_PPM,
            self.insurance_share_ppm,
            EstuaryError::ClearinghouseInvariant
        );
        require_gte!(
            MAX_BANKS,
            usize::from(self.bank_count),
            EstuaryError::ClearinghouseInvariant
        );
        require_gte!(
            MAX_MARKETS,
            usize::from(self.market_count),
            EstuaryError::ClearinghouseInvariant
        );
        Ok(())
    }
}
