//! Marks of open futures and perps as money, for settlement.

use super::{
    engine::{instrument, new_arrays},
    matured::matured_value,
    risk_error, MarketData,
};
use crate::state::{market::listed, Position};
use anchor_lang::prelude::*;

/// The value at mark of each position given, rounded down; none for options, whose value is not settled before they
/// end, and for series that ended. All are positions of one account in `market`.
///
/// # Errors
/// [`crate::EstuaryError::PriceMissing`], those of a position without its series, the engine's.
pub fn marked_values_down(
    market: &MarketData<'_>,
    positions: &[Position],
    now: i64,
) -> Result<Vec<Option<i64>>> {
    let mut arrays = new_arrays(market, positions.len())?;
    let mut values = Vec::with_capacity(positions.len());
    for position in positions {
        let series = listed(market.header, market.table, position.slot)?;
        let matured = matured_value(market.header, market.table, position)?.is_some();
        if matured || series.kind()?.is_option() {
            values.push(None);
            continue;
        }
        let instrument = instrument(&mut arrays, market, position.slot, position.generation, now)?;
        let mark_q30 = arrays.mark_q30(instrument).map_err(risk_error)?;
        let value_q30 = i128::from(mark_q30).saturating_mul(i128::from(position.lots));
        let value = arrays.lot_value().money_down(value_q30, 30);
        values.push(Some(value.map_err(risk_error)?.0));
    }
    Ok(values)
}
