//! One underlying: how it is priced and stressed, its expiries, and the table of its series.
//!
//! The account is a fixed header and a tail of 64-byte [`Series`] records. A market grows by
//! [`MarketRef::MAX_GROWTH`] bytes an instruction and is valid at every size in between, which is why it has a loader
//! of its own.

use super::{
    check_version, Expiry, MarketStatus, PairEntry, Series, StateAccount, MAX_EXPIRIES,
    MAX_OFFSETS, MAX_SERIES,
};
use crate::error::EstuaryError;
use anchor_lang::{prelude::*, Discriminator};
use core::mem::size_of;
use std::cell::{Ref, RefMut};

/// Bytes before the header.
const DISCRIMINATOR_SIZE: usize = 8;

/// The scenario parameters as they were set: `estuary_risk::scenario::ScenarioParameters` in account form.
#[zero_copy]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct StoredParameters {
    /// Half the width of the core block, fraction of spot.
    pub spot_range_ppm: u32,
    /// The nine nodes as fractions of the range.
    pub node_ppm: [i32; 9],
    /// The tails as multiples of the range.
    pub tail_multiple_ppm: [i32; 6],
    /// Share of a tail's loss that counts.
    pub tail_weight_ppm: [u32; 6],
    /// Largest fall of any scenario, fraction of spot.
    pub fall_limit_ppm: u32,
    /// Rise of volatility at 30 days.
    pub vol_up_ppm: u32,
    /// Fall of volatility at 30 days.
    pub vol_down_ppm: u32,
    /// Power of the volatility shocks below 30 days.
    pub vol_power_short_ppm: u32,
    /// Power of the volatility shocks from 30 days on.
    pub vol_power_long_ppm: u32,
    /// Explicit padding, zero.
    pub padding: [u8; 4],
}

const _: () = assert!(size_of::<StoredParameters>() == 112);

/// The shocks beside the core and the tails: `estuary_risk::blocks::BlockParameters` in account form.
#[zero_copy]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct StoredBlocks {
    /// Largest change of volatility in the twist of its term structure, fraction of it.
    pub twist_ppm: u32,
    /// Shift of every smile's correlation in the skew block.
    pub skew_ppm: u32,
    /// Change of every forward in the basis block, fraction of it.
    pub basis_ppm: u32,
    /// What that change grows by with every year to expiry.
    pub basis_annual_ppm: u32,
}

const _: () = assert!(size_of::<StoredBlocks>() == 16);

/// What is charged beside the scenarios: `estuary_risk::charges::ChargeParameters` in account form.
#[zero_copy]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct StoredCharges {
    /// Short-option minimum in the initial margin: fraction of spot per unit that is short.
    pub short_minimum_ppm: u32,
    /// The same in the maintenance margin.
    pub short_minimum_maintenance_ppm: u32,
    /// How many times the price's confidence interval counts in the initial margin.
    pub oracle_confidence_ppm: u32,
    /// What the root of the price's age in seconds counts there, fraction of spot.
    pub oracle_age_ppm: u32,
}

const _: () = assert!(size_of::<StoredCharges>() == 16);

/// What unwinding costs: `estuary_risk::liquidity::LiquidityParameters` in account form.
#[zero_copy]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct StoredLiquidity {
    /// Cost of unwinding delta, fraction of it.
    pub unwind_delta_ppm: u32,
    /// What the rate's margin grows by with every million of the settlement token unwound.
    pub unwind_delta_impact_ppm: u32,
    /// Cost of unwinding an expiry's vega, fraction of its gain or loss from the volatility-up shock.
    pub unwind_vega_ppm: u32,
    /// What the rate's margin grows by with every million of that gain or loss.
    pub unwind_vega_impact_ppm: u32,
}

const _: () = assert!(size_of::<StoredLiquidity>() == 16);

/// The grid derived from the parameters when they were set: `estuary_risk::scenario::ScenarioGrid` in account form.
#[zero_copy]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct StoredGrid {
    /// Spot multiples, nodes first, Q30.
    pub multiple_q30: [i64; 15],
    /// Their logarithms, Q28.
    pub log_q28: [i64; 15],
    /// Weights of the tails, Q30.
    pub tail_weight_q30: [i64; 6],
    /// Inverse weights of the tails, Q16.
    pub tail_inverse_weight_q16: [i64; 6],
    /// Rise of volatility at 30 days.
    pub vol_up_ppm: u32,
    /// Fall of volatility at 30 days.
    pub vol_down_ppm: u32,
    /// Power of the volatility shocks below 30 days.
    pub vol_power_short_ppm: u32,
    /// Power of the volatility shocks from 30 days on.
    pub vol_power_long_ppm: u32,
}

const _: () = assert!(size_of::<StoredGrid>() == 352);

/// Header of a market. Written by administrative instructions and surface postings, read by everything else.
///
/// Address: `["market", clearinghouse, feed id]`.
#[account(zero_copy)]
#[derive(Debug)]
pub struct Market {
    /// Layout version, [`Market::VERSION`].
    pub version: u8,
    /// Bump of the address.
    pub bump: u8,
    /// Decimal exponent of all prices and strikes of this market.
    pub price_exponent: i8,
    /// Entries of `expiries` that have been used: the first ones. Those of retired expiries are free again.
    pub expiry_count: u8,
    /// Position of this market in its clearinghouse.
    pub index: u16,
    /// Records of the tail that have been used: the first ones. Those of retired series are free again.
    pub series_count: u16,
    /// The clearinghouse this market belongs to.
    pub clearinghouse: Pubkey,
    /// The price feed.
    pub feed_id: [u8; 32],
    /// The oracle program that has to own the price account.
    pub price_program: Pubkey,
    /// Name of the underlying, ASCII padded with zeros.
    pub symbol: [u8; 16],
    /// Billionths of a unit of the underlying in one lot.
    pub lot_size: u64,
    /// Oldest price that may be used, seconds.
    pub max_price_age_seconds: u32,
    /// Widest confidence interval (half width) that may be used, parts per million of the price.
    pub max_confidence_ppm: u32,
    /// Trade price band: parts per million of spot by which a leg may be off mark.
    pub band_spot_ppm: u32,
    /// Trade price band: what an option's leg may be off mark besides, parts per million of its vega per 100% of
    /// volatility (10,000 is one volatility point).
    pub band_vega_ppm: u32,
    /// What a liquidator earns: parts per million of spot per unit of absolute delta.
    pub liquidation_delta_ppm: u32,
    /// What a liquidator earns besides on an option: parts per million of its gain from the volatility-up shock.
    pub liquidation_vega_ppm: u32,
    /// Scenario parameters as set.
    pub parameters: StoredParameters,
    /// The grid derived from them.
    pub grid: StoredGrid,
    /// Maturities.
    pub expiries: [Expiry; MAX_EXPIRIES],
    /// Most open interest of one series, lots; 0 for no limit.
    pub max_series_open_interest: u64,
    /// Most open interest of all series together, lots; 0 for no limit.
    pub max_market_open_interest: u64,
    /// What trades may do: 0 all, 1 only reduce positions, 2 nothing; the codes of [`MarketStatus`].
    pub status: u8,
    /// Explicit padding, zero.
    pub status_padding: [u8; 7],
    /// What a maker pays for a trade: parts per million of the underlying's value at spot.
    pub maker_fee_ppm: u32,
    /// What a taker pays for a trade: parts per million of the underlying's value at spot.
    pub taker_fee_ppm: u32,
    /// Most that either pays for an option's leg: parts per million of its premium.
    pub option_fee_cap_ppm: u32,
    /// The share of a liquidator's discount that it pays to the insurance fund, parts per million.
    pub liquidation_insurance_ppm: u32,
    /// Twist, skew and basis as set.
    pub blocks: StoredBlocks,
    /// Short-option minimum and oracle contingency as set.
    pub charges: StoredCharges,
    /// Liquidity cost as set.
    pub liquidity: StoredLiquidity,
    /// Of all losses of an account added, the share that no offset across markets removes, parts per million; the largest of
    /// its markets counts.
    pub offset_floor_ppm: u32,
    /// Realised volatility per year, parts per million, above which offsets with other markets shrink; at twice as much none
    /// is left.
    pub stress_vol_ppm: u32,
    /// How far this market and others of a lower index offset each other; one without an entry does not.
    pub offsets: [PairEntry; MAX_OFFSETS],
    /// Room for later versions, zero.
    pub reserved: [u8; 312],
}

const _: () = assert!(size_of::<Market>() == Market::HEADER_SIZE);
const _: () = assert!(DISCRIMINATOR_SIZE + Market::HEADER_SIZE <= 10_240);

impl Market {
    /// Current layout version.
    pub const VERSION: u8 = 1;
    /// Bytes of the header.
    pub const HEADER_SIZE: usize = 3_712;
}

impl Market {
    /// The entry of the pair with a market of a lower index, if there is one.
    #[must_use]
    pub fn pair_with(&self, market: u16) -> Option<&PairEntry> {
        let mut used = self.offsets.iter().filter(|entry| entry.is_used != 0);
        used.find(|entry| entry.market == market)
    }

    /// The entry of the pair with a market of a lower index, or a free one for it.
    ///
    /// # Errors
    /// [`EstuaryError::OffsetMarketInvalid`], [`EstuaryError::OffsetTableFull`].
    pub fn pair_for(&mut self, market: u16) -> Result<&mut PairEntry> {
        if market >= self.index {
            return Err(error!(EstuaryError::OffsetMarketInvalid).with_values((market, self.index)));
        }
        let is_its = |entry: &PairEntry| entry.is_used != 0 && entry.market == market;
        let its = self.offsets.iter().position(is_its);
        let free = || self.offsets.iter().position(|entry| entry.is_used == 0);
        let place = its.or_else(free).ok_or(EstuaryError::OffsetTableFull)?;
        let entry = self.offsets.get_mut(place);
        let entry = entry.ok_or(EstuaryError::OffsetTableFull)?;
        (entry.market, entry.is_used) = (market, 1);
        Ok(entry)
    }
}

impl StateAccount for Market {
    const VERSION: u8 = Self::VERSION;

    fn version(&self) -> u8 {
        self.version
    }

    fn invariant(&self) -> Result<()> {
        require_gte!(
            MAX_EXPIRIES,
            usize::from(self.expiry_count),
            EstuaryError::MarketInvariant
        );
        require_gte!(
            MAX_SERIES,
            usize::from(self.series_count),
            EstuaryError::MarketInvariant
        );
        require_gt!(self.lot_size, 0, EstuaryError::MarketInvariant);
        MarketStatus::from_code(self.status)?;
        Ok(())
    }
}

/// Splits the bytes of a market into its header and its table, as large as the account has grown.
///
/// # Errors
/// [`EstuaryError::MarketAccountType`], [`EstuaryError::AccountTooSmall`],
/// [`EstuaryError::AccountVersionUnsupported`], [`EstuaryError::MarketInvariant`] when the header counts more series
/// than the table has.
pub fn split_market(data: &[u8]) -> Result<(&Market, &[Series])> {
    require!(
        data.starts_with(Market::DISCRIMINATOR),
        EstuaryError::MarketAccountType
    );
    let (header, tail) = market_ranges(data.len())?;
    let too_small = |_| error!(EstuaryError::AccountTooSmall);
    let header: &Market =
        bytemuck::try_from_bytes(data.get(header).unwrap_or_default()).map_err(too_small)?;
    let series: &[Series] =
        bytemuck::try_cast_slice(data.get(tail).unwrap_or_default()).map_err(too_small)?;
    check_version::<Market>(header.version)?;
    require_gte!(
        series.len(),
        usize::from(header.series_count),
        EstuaryError::MarketInvariant
    );
    Ok((header, series))
}

/// Where the header and the whole records of the table lie in an account of `length` bytes.
fn market_ranges(length: usize) -> Result<(core::ops::Range<usize>, core::ops::Range<usize>)> {
    let tail_start = DISCRIMINATOR_SIZE + Market::HEADER_SIZE;
    let records = length
        .checked_sub(tail_start)
        .and_then(|tail| tail.checked_div(Series::SIZE))
        .ok_or_else(|| error!(EstuaryError::AccountTooSmall).with_values((length, tail_start)))?;
    let tail_end = records
        .saturating_mul(Series::SIZE)
        .saturating_add(tail_start);
    Ok((DISCRIMINATOR_SIZE..tail_start, tail_start..tail_end))
}

/// A market borrowed for reading.
#[derive(Debug)]
pub struct MarketRef<'a> {
    /// The header.
    pub header: Ref<'a, Market>,
    /// All records of the table, listed or not.
    pub table: Ref<'a, [Series]>,
}

impl<'a> MarketRef<'a> {
    /// Most bytes an account can grow by in one instruction.
    pub const MAX_GROWTH: usize = 10_240;

    /// Borrows a market after checking owner, type, length and version.
    ///
    /// # Errors
    /// [`EstuaryError::MarketAccountOwner`] and those of [`split_market`].
    pub fn load(account: &'a AccountInfo<'_>) -> Result<Self> {
        require_keys_eq!(*account.owner, crate::ID, EstuaryError::MarketAccountOwner);
        // A margin account of the instruction, given in a market's place, is borrowed already.
        let borrowed = account.try_borrow_data();
        let data = borrowed.map_err(|_| error!(EstuaryError::MarketAccountType))?;
        split_market(&data)?;
        let (header, tail) = market_ranges(data.len())?;
        // The ranges, sizes and alignment were checked by `split_market`.
        let (header, table) = Ref::map_split(data, |data| {
            (
                bytemuck::from_bytes(&data[header]),
                bytemuck::cast_slice(&data[tail]),
            )
        });
        Ok(Self { header, table })
    }

    /// Bytes of an account with room for `capacity` series.
    #[must_use]
    pub const fn account_size(capacity: u16) -> usize {
        (capacity as usize)
            .saturating_mul(Series::SIZE)
            .saturating_add(DISCRIMINATOR_SIZE + Market::HEADER_SIZE)
    }

    /// The series in a slot.
    ///
    /// # Errors
    /// [`EstuaryError::SlotUnknown`] when none is listed there.
    pub fn series(&self, slot: u16) -> Result<&Series> {
        listed(&self.header, &self.table, slot)
    }
}

/// The series listed in a slot.
///
/// # Errors
/// [`EstuaryError::SlotUnknown`] when none is.
pub fn listed<'t>(header: &Market, table: &'t [Series], slot: u16) -> Result<&'t Series> {
    let series = table
        .get(usize::from(slot))
        .filter(|series| slot < header.series_count && !series.is_free());
    series.ok_or_else(|| error!(EstuaryError::SlotUnknown).with_values((slot, header.series_count)))
}

/// A market borrowed for writing.
#[derive(Debug)]
pub struct MarketMut<'a> {
    /// The header.
    pub header: RefMut<'a, Market>,
    /// All records of the table, listed or not.
    pub table: RefMut<'a, [Series]>,
}

impl<'a> MarketMut<'a> {
    /// Borrows a market after checking owner, type, length and version.
    ///
    /// # Errors
    /// [`EstuaryError::MarketAccountOwner`] and those of [`split_market`].
    pub fn load(account: &'a AccountInfo<'_>) -> Result<Self> {
        require_keys_eq!(*account.owner, crate::ID, EstuaryError::MarketAccountOwner);
        let data = account.try_borrow_mut_data()?;
        split_market(&data)?;
        let (_, tail) = market_ranges(data.len())?;
        // The ranges, sizes and alignment were checked by `split_market`.
        let (header, table) = RefMut::map_split(data, |data| {
            let (head, rest) = data.split_at_mut(tail.start);
            let records = tail.end.saturating_sub(tail.start);
            (
                bytemuck::from_bytes_mut(&mut head[DISCRIMINATOR_SIZE..]),
                bytemuck::cast_slice_mut(&mut rest[..records]),
            )
        });
        Ok(Self { header, table })
    }

    /// Lists a series in the first free slot, or the next unused one, with the slot's next generation. Returns the slot.
    ///
    /// # Errors
    /// [`EstuaryError::SeriesListedAlready`] with the slot it has, [`EstuaryError::SeriesTableFull`].
    pub fn list(&mut self, series: Series) -> Result<u16> {
        let used = self.header.series_count;
        let listed = self
            .table
            .get(..usize::from(used))
            .ok_or(EstuaryError::MarketInvariant)?;
        let free = listed.iter().position(Series::is_free);
        let slot = free
            .and_then(|slot| u16::try_from(slot).ok())
            .unwrap_or(used);
        if let Some(same) = listed
            .iter()
            .position(|other| other.is_same_contract(&series))
        {
            return Err(error!(EstuaryError::SeriesListedAlready).with_values((same, slot)));
        }
        let capacity = self.table.len();
        let place = self
            .table
            .get_mut(usize::from(slot))
            .ok_or_else(|| error!(EstuaryError::SeriesTableFull).with_values((slot, capacity)))?;
        let generation = place.generation.checked_add(1);
        *place = Series {
            generation: generation.ok_or(EstuaryError::CounterOverflow)?,
            ..series
        };
        if slot == used {
            self.header.series_count = used.checked_add(1).ok_or(EstuaryError::CounterOverflow)?;
        }
        Ok(slot)
    }

    /// Frees the records of an expiry's series, which keep their generation, and its entry. `check` sees each slot first.
    ///
    /// # Errors
    /// Those of `check`.
    pub fn retire(&mut self, expiry: u8, mut check: impl FnMut(u16) -> Result<()>) -> Result<()> {
        let used = usize::from(self.header.series_count);
        let listed = self.table.iter_mut().take(used);
        for (slot, series) in (0u16..).zip(listed) {
            if series.expiry == expiry && !series.is_free() {
                check(slot)?;
                *series = Series::free(series.generation);
            }
        }
        *self.header.expiry_mut(expiry)? = Expiry::default();
        Ok(())
    }
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test that overflows fails"
)]
mod tests {
    use super::*;

    /// A market's bytes, aligned, with `tail` bytes after the header.
    fn market(tail: usize) -> (Vec<u64>, usize) {
        let length = MarketRef::account_size(0) + tail;
        let mut words = vec![0u64; length.div_ceil(8)];
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        bytes[..DISCRIMINATOR_SIZE].copy_from_slice(Market::DISCRIMINATOR);
        bytes[DISCRIMINATOR_SIZE] = Market::VERSION;
        (words, length)
    }

    fn split(words: &[u64], length: usize) -> Result<usize> {
        let bytes: &[u8] = bytemuck::cast_slice(words);
        split_market(&bytes[..length]).map(|(_, table)| table.len())
    }

    #[test]
    fn every_size_from_the_header_on_is_valid() {
        for (tail, records) in [
            (0, 0),
            (1, 0),
            (63, 0),
            (64, 1),
            (127, 1),
            (10_240, 160),
            (65_536, 1024),
        ] {
            let (words, length) = market(tail);
            assert_eq!(split(&words, length).unwrap(), records);
        }
        let (words, length) = market(0);
        assert!(split(&words, length - 1).is_err());
    }

    #[test]
    fn strange_bytes_are_refused() {
        let (mut words, length) = market(64);
        let series_count = DISCRIMINATOR_SIZE + core::mem::offset_of!(Market, series_count);
        bytemuck::cast_slice_mut::<u64, u8>(&mut words)[series_count] = 2;
        assert!(split(&words, length).is_err(), "more series than records");
        let (mut words, length) = market(64);
        bytemuck::cast_slice_mut::<u64, u8>(&mut words)[DISCRIMINATOR_SIZE] = Market::VERSION + 1;
        assert!(split(&words, length).is_err(), "another version");
        let (mut words, length) = market(64);
        words[0] = 0;
        assert!(split(&words, length).is_err(), "another type");
    }
}
