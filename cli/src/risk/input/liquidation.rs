//! What a market says for liquidations: its lot and its discounts.

use estuary_risk::liquidation::DiscountParameters;

use super::account::ppm;
use crate::risk::decimal::Decimal;
use crate::risk::json::{At, Fields, InputError};
use crate::risk::notes::Notes;

/// The discounts of the program's usual markets: 0.5% of spot per unit of delta, 5% of the loss from volatility up.
const USUAL: DiscountParameters = DiscountParameters {
    delta_ppm: 5_000,
    vega_ppm: 50_000,
};
/// Largest discount on delta that the program takes, parts per million.
const MAX_DELTA_PPM: u32 = 100_000;
/// Largest discount on vega that the program takes, parts per million.
const MAX_VEGA_PPM: u32 = 1_000_000;
/// The coarsest lot is 10^3 units.
const MIN_LOT_DECIMALS: i32 = -3;
/// The finest lot is a billionth of a unit.
const MAX_LOT_DECIMALS: i32 = 9;

/// Reads `liquidation` of a market, all of it optional.
pub fn read_discount(
    market: &Fields<'_>,
    notes: &mut Notes,
) -> Result<DiscountParameters, InputError> {
    let mut discount = USUAL;
    let Some(at) = market.optional("liquidation") else {
        return Ok(discount);
    };
    let fields = at.object(&["delta", "vega"])?;
    if let Some(at) = fields.optional("delta") {
        discount.delta_ppm = ppm(&at, notes)?;
        if !(1..=MAX_DELTA_PPM).contains(&discount.delta_ppm) {
            return Err(at.fail("must be above 0 and at most 0.1"));
        }
    }
    if let Some(at) = fields.optional("vega") {
        discount.vega_ppm = ppm(&at, notes)?;
        if discount.vega_ppm > MAX_VEGA_PPM {
            return Err(at.fail("must be at most 1"));
        }
    }
    Ok(discount)
}

/// The decimals of a lot, which is a power of ten.
pub fn read_lot(at: &At<'_>) -> Result<i32, InputError> {
    let value = at.positive()?;
    (MIN_LOT_DECIMALS..=MAX_LOT_DECIMALS)
        .find(|decimals| lot(*decimals) == value)
        .ok_or_else(|| {
            at.fail(format!(
                "{value} must be a power of ten from 0.000000001 to 1000"
            ))
        })
}

/// A lot of `10^-decimals` units.
pub fn lot(decimals: i32) -> Decimal {
    let power = |decimals: u32| 10i128.pow(decimals);
    match u32::try_from(decimals) {
        Ok(decimals) => Decimal::new(1, decimals),
        Err(_) => Decimal::new(power(decimals.unsigned_abs()), 0),
    }
}
