//! One tradable contract: a record in the table behind a market's header.

use crate::error::EstuaryError;
use anchor_lang::prelude::*;
use bytemuck::Zeroable;

/// What a series pays.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeriesKind {
    /// European call, settled in the settlement token.
    Call,
    /// European put, settled in the settlement token.
    Put,
    /// Future of an expiry.
    Future,
    /// Perpetual future, marked at the spot price.
    Perp,
}

impl SeriesKind {
    /// The kind with a stored code.
    ///
    /// # Errors
    /// [`EstuaryError::SlotUnknown`] for a code that no kind has, such as the zero of an unused record.
    pub fn from_code(code: u8) -> Result<Self> {
        match code {
            1 => Ok(Self::Call),
            2 => Ok(Self::Put),
            3 => Ok(Self::Future),
            4 => Ok(Self::Perp),
            _ => err!(EstuaryError::SlotUnknown),
        }
    }

    /// The code stored in a series' record, never 0.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Call => 1,
            Self::Put => 2,
            Self::Future => 3,
            Self::Perp => 4,
        }
    }

    /// Whether the series has a strike and its premium is paid in cash.
    #[must_use]
    pub const fn is_option(self) -> bool {
        matches!(self, Self::Call | Self::Put)
    }
}

/// Expiry index of a series that never expires.
pub const NO_EXPIRY: u8 = u8::MAX;

/// One contract of a market.
#[zero_copy]
#[derive(Debug)]
pub struct Series {
    /// How many contracts have had this slot, counting this one; 0 in a record never used.
    pub generation: u32,
    /// Code of the [`SeriesKind`]; 0 in a free record.
    pub kind: u8,
    /// Index into the market's expiries, [`NO_EXPIRY`] for a perp.
    pub expiry: u8,
    /// Explicit padding, zero.
    pub padding: [u8; 2],
    /// Strike, a mantissa at the market's price exponent; 0 without one.
    pub strike: u64,
    /// Natural logarithm of the strike's mantissa, Q40, rounded to nearest at listing; 0 without a strike.
    pub ln_strike_q40: i64,
    /// Room for later versions, zero.
    pub reserved: [u8; 40],
}

const _: () = assert!(core::mem::size_of::<Series>() == Series::SIZE);

impl Series {
    /// Bytes of a record.
    pub const SIZE: usize = 64;

    /// What the series pays.
    ///
    /// # Errors
    /// [`EstuaryError::SlotUnknown`] in an unused record.
    pub fn kind(&self) -> Result<SeriesKind> {
        SeriesKind::from_code(self.kind)
    }

    /// A free record after so many contracts.
    #[must_use]
    pub fn free(generation: u32) -> Self {
        Self {
            generation,
            ..Self::zeroed()
        }
    }

    /// Whether no contract has the slot.
    #[must_use]
    pub const fn is_free(&self) -> bool {
        self.kind == 0
    }

    /// Whether two records describe the same contract.
    #[must_use]
    pub const fn is_same_contract(&self, other: &Self) -> bool {
        // The strike first: it tells most records apart, and a listing compares with all of them.
        self.strike == other.strike && self.kind == other.kind && self.expiry == other.expiry
    }
}
