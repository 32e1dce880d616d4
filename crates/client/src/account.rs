//! Accounts out of fetched bytes, whatever their alignment.

use anchor_lang::error::Error;
use bytemuck::AnyBitPattern;
use estuary::{
    state::{check_version, market::split_market, Market, Series, StateAccount},
    EstuaryError,
};

/// Copies an account of a fixed size out of its bytes: a clearinghouse, bank, ledger, margin account or the header of a
/// market.
///
/// # Errors
/// [`EstuaryError::AccountTooSmall`] for bytes that are no such account, [`EstuaryError::AccountVersionUnsupported`].
pub fn decode<T: StateAccount + AnyBitPattern>(data: &[u8]) -> Result<T, Error> {
    let body = data
        .strip_prefix(T::DISCRIMINATOR)
        .and_then(|body| body.get(..core::mem::size_of::<T>()))
        .ok_or(EstuaryError::AccountTooSmall)?;
    let account: T = bytemuck::pod_read_unaligned(body);
    check_version::<T>(account.version())?;
    Ok(account)
}

/// A market with its table of series.
#[derive(Clone, Debug)]
pub struct MarketAccount {
    /// The header.
    pub header: Box<Market>,
    /// All records of the table; the first `header.series_count` are listed.
    pub table: Vec<Series>,
}

impl MarketAccount {
    /// Copies a market out of its bytes.
    ///
    /// # Errors
    /// Those of [`split_market`].
    pub fn decode(data: &[u8]) -> Result<Self, Error> {
        let mut words = vec![0u64; data.len().div_ceil(8)];
        let aligned: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        let (aligned, _) = aligned.split_at_mut(data.len());
        aligned.copy_from_slice(data);
        let (header, table) = split_market(aligned)?;
        Ok(Self {
            header: Box::new(*header),
            table: table.to_vec(),
        })
    }

    /// The series that are listed, in the order of their slots.
    #[must_use]
    pub fn listed(&self) -> &[Series] {
        self.table
            .get(..usize::from(self.header.series_count))
            .unwrap_or(&self.table)
    }

    /// Name of the underlying.
    #[must_use]
    pub fn symbol(&self) -> String {
        let name = self.header.symbol.iter().take_while(|byte| **byte != 0);
        name.map(|byte| char::from(*byte)).collect()
    }
}
