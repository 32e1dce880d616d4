//! What a market is created with.

use crate::{error::EstuaryError, oracle};
use anchor_lang::prelude::*;
use estuary_risk::units::ONE_PPM;

/// Oldest price a market may allow.
const SECONDS_PER_DAY: u32 = 86_400;
/// Largest liquidation discount on delta: a tenth of spot.
const MAX_LIQUIDATION_DELTA: u32 = 100_000;
/// Largest fee: a hundredth of the underlying's value.
const MAX_FEE: u32 = 10_000;
/// Smallest exponent the engine can value a lot at: it divides by 10^(3 − exponent), a 64-bit number.
const MIN_PRICE_EXPONENT: i32 = -16;
/// Largest lot: a thousand units of the underlying.
const MAX_LOT_SIZE: u64 = 1_000_000_000_000;

/// Scenario parameters, in parts per million; see `estuary_risk::scenario::ScenarioParameters`.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScenarioArgs {
    /// Half the width of the core block, fraction of spot.
    pub spot_range_ppm: u32,
    /// The nine nodes as fractions of the range.
    pub node_ppm: [i32; 9],
    /// The tails as multiples of the range: three falls, then three rises.
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
    /// Largest change of volatility in the twist of its term structure, fraction of it.
    pub twist_ppm: u32,
    /// Shift of every smile's correlation in the skew block.
    pub skew_ppm: u32,
    /// Change of every forward in the basis block, fraction of it.
    pub basis_ppm: u32,
    /// What that change grows by with every year to expiry.
    pub basis_annual_ppm: u32,
    /// Short-option minimum in the initial margin: fraction of spot per unit that is short.
    pub short_minimum_ppm: u32,
    /// The same in the maintenance margin.
    pub short_minimum_maintenance_ppm: u32,
    /// How many times the price's confidence interval counts in the initial margin.
    pub oracle_confidence_ppm: u32,
    /// What the root of the price's age in seconds counts there, fraction of spot.
    pub oracle_age_ppm: u32,
    /// Cost of unwinding delta, fraction of it.
    pub unwind_delta_ppm: u32,
    /// What the rate's margin grows by with every million of the settlement token unwound.
    pub unwind_delta_impact_ppm: u32,
    /// Cost of unwinding an expiry's vega, fraction of its gain or loss from the volatility-up shock.
    pub unwind_vega_ppm: u32,
    /// What the rate's margin grows by with every million of that gain or loss.
    pub unwind_vega_impact_ppm: u32,
}

/// How far two markets offset each other; see `estuary_risk::returns::PairTerms`.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetArgs {
    /// Index of the other market, below that of the market that keeps the pair.
    pub market: u16,
    /// The share of gains of one that pays for losses of the other, parts per million.
    pub offset_ppm: u32,
    /// Realised correlation from which on all of it counts, parts per million.
    pub correlation_full_ppm: u32,
    /// Realised correlation up to which nothing does, parts per million.
    pub correlation_zero_ppm: u32,
}

/// Arguments of `create_market`.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, PartialEq, Eq)]
pub struct CreateMarketArgs {
    /// Name of the underlying: printable ASCII padded with zeros.
    pub symbol: [u8; 16],
    /// The price feed.
    pub feed_id: [u8; 32],
    /// The oracle program that has to own price accounts.
    pub price_program: Pubkey,
    /// Decimal exponent of prices and strikes, −16 to 0.
    pub price_exponent: i8,
    /// Billionths of a unit of the underlying in one lot.
    pub lot_size: u64,
    /// Oldest price that may be used, seconds.
    pub max_price_age_seconds: u32,
    /// Widest confidence (half width) that may be used, parts per million of the price.
    pub max_confidence_ppm: u32,
    /// Trade price band as parts per million of spot.
    pub band_spot_ppm: u32,
    /// Trade price band as parts per million of an option's vega per 100% of volatility.
    pub band_vega_ppm: u32,
    /// What a liquidator earns: parts per million of spot per unit of absolute delta.
    pub liquidation_delta_ppm: u32,
    /// What a liquidator earns besides on an option: parts per million of its gain from the volatility-up shock.
    pub liquidation_vega_ppm: u32,
    /// The share of that which goes to the insurance fund, parts per million.
    pub liquidation_insurance_ppm: u32,
    /// Most open interest of one series, lots; 0 for no limit.
    pub max_series_open_interest: u64,
    /// Most open interest of all series together, lots; 0 for no limit.
    pub max_market_open_interest: u64,
    /// What a maker pays: parts per million of the underlying's value at spot.
    pub maker_fee_ppm: u32,
    /// What a taker pays: parts per million of the underlying's value at spot.
    pub taker_fee_ppm: u32,
    /// Most that either pays for an option: parts per million of its premium.
    pub option_fee_cap_ppm: u32,
    /// Of all losses of an account added, the share that no offset across markets removes, parts per million.
    pub offset_floor_ppm: u32,
    /// Realised volatility per year above which offsets with other markets shrink, parts per million.
    pub stress_vol_ppm: u32,
    /// Offsets with markets that exist, in force at once: nobody holds anything here yet.
    pub offsets: Vec<OffsetArgs>,
    /// Scenario parameters.
    pub parameters: ScenarioArgs,
}

impl CreateMarketArgs {
    /// Checks everything but the scenario parameters, which the engine checks.
    pub(super) fn validate(&self) -> Result<()> {
        require!(
            oracle::is_supported(&self.price_program),
            EstuaryError::PriceProgramUnsupported
        );
        require!(is_symbol(&self.symbol), EstuaryError::SymbolInvalid);
        let exponent = i32::from(self.price_exponent);
        require_gte!(
            exponent,
            MIN_PRICE_EXPONENT,
            EstuaryError::PriceExponentInvalid
        );
        require_gte!(
            oracle::MAX_EXPONENT,
            exponent,
            EstuaryError::PriceExponentInvalid
        );
        require_gt!(self.lot_size, 0, EstuaryError::LotSizeInvalid);
        require_gte!(MAX_LOT_SIZE, self.lot_size, EstuaryError::LotSizeInvalid);
        require_gt!(
            self.max_price_age_seconds,
            0,
            EstuaryError::MaxPriceAgeInvalid
        );
        require_gte!(
            SECONDS_PER_DAY,
            self.max_price_age_seconds,
            EstuaryError::MaxPriceAgeInvalid
        );
        require_gt!(
            self.max_confidence_ppm,
            0,
            EstuaryError::MaxConfidenceInvalid
        );
        require_gte!(
            ONE_PPM,
            self.max_confidence_ppm,
            EstuaryError::MaxConfidenceInvalid
        );
        require_gt!(self.band_spot_ppm, 0, EstuaryError::BandSpotInvalid);
        require_gte!(ONE_PPM, self.band_spot_ppm, EstuaryError::BandSpotInvalid);
        require_gte!(ONE_PPM, self.band_vega_ppm, EstuaryError::BandVegaInvalid);
        let delta = self.liquidation_delta_ppm;
        require_gt!(delta, 0, EstuaryError::LiquidationDeltaInvalid);
        require_gte!(
            MAX_LIQUIDATION_DELTA,
            delta,
            EstuaryError::LiquidationDeltaInvalid
        );
        require_gte!(
            ONE_PPM,
            self.liquidation_vega_ppm,
            EstuaryError::LiquidationVegaInvalid
        );
        require_gte!(
            ONE_PPM,
            self.liquidation_insurance_ppm,
            EstuaryError::LiquidationInsuranceInvalid
        );
        require_gte!(MAX_FEE, self.maker_fee_ppm, EstuaryError::MakerFeeInvalid);
        require_gte!(MAX_FEE, self.taker_fee_ppm, EstuaryError::TakerFeeInvalid);
        require_gte!(
            ONE_PPM,
            self.option_fee_cap_ppm,
            EstuaryError::OptionFeeCapInvalid
        );
        Ok(())
    }
}

/// Whether a name is at least one printable character followed by zeros only.
fn is_symbol(symbol: &[u8; 16]) -> bool {
    let length = symbol
        .iter()
        .take_while(|byte| byte.is_ascii_graphic())
        .count();
    length > 0 && symbol.iter().skip(length).all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::is_symbol;

    #[test]
    fn symbols_are_printable_and_padded_with_zeros() {
        assert!(is_symbol(b"SOL\0\0\0\0\0\0\0\0\0\0\0\0\0"));
        assert!(is_symbol(b"SIXTEEN-LETTERS!"));
        assert!(!is_symbol(&[0; 16]));
        assert!(!is_symbol(b"SO\0L\0\0\0\0\0\0\0\0\0\0\0\0"));
        assert!(!is_symbol(b"S L\0\0\0\0\0\0\0\0\0\0\0\0\0"));
    }
}
