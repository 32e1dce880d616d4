//! What matured series are worth: constants, whatever the price does.

use super::risk_error;
use crate::{
    error::EstuaryError,
    state::{market::listed, series::NO_EXPIRY, Market, Position, Series, SeriesKind},
};
use anchor_lang::prelude::*;
use estuary_risk::{
    market::OptionKind,
    settlement::{payoff, value_of_lots, value_per_lot_down},
    units::{Money, Price},
};

/// What the lots of a position pay, if their series has matured and has a settlement price: a whole number of
/// micro-units per lot, so that the sum over all accounts is zero. Positive for what the account receives; the position's
/// cost comes on top.
///
/// `None` while the value still depends on the price.
///
/// # Errors
/// [`EstuaryError::SlotUnknown`], [`EstuaryError::SeriesGenerationMismatch`], [`EstuaryError::AmountOverflow`].
pub fn matured_value(
    header: &Market,
    table: &[Series],
    position: &Position,
) -> Result<Option<Money>> {
    let series = series_of(header, table, position)?;
    matured_series_value(header, series, position.lots)
}

/// What so many lots of a series pay, if it has matured and has a settlement price.
///
/// # Errors
/// [`EstuaryError::ExpiryUnknown`], [`EstuaryError::AmountOverflow`].
pub(super) fn matured_series_value(
    header: &Market,
    series: &Series,
    lots: i64,
) -> Result<Option<Money>> {
    let Some(price) = payoff_of(header, series)? else {
        return Ok(None);
    };
    let per_lot = value_per_lot_down(price, header.price_exponent, header.lot_size);
    let value = per_lot.and_then(|per_lot| value_of_lots(per_lot, lots));
    value.map(Some).map_err(risk_error)
}

/// All that a position counts for which is no leg of the engine: what its lots pay and its cost.
///
/// # Errors
/// Those of [`matured_value`].
pub(super) fn constant(header: &Market, table: &[Series], position: &Position) -> Result<Money> {
    let value = matured_value(header, table, position)?.unwrap_or_default();
    value.plus(Money(position.cost)).map_err(risk_error)
}

/// What one unit of a position's series pays, 0 before it has a settlement price.
///
/// # Errors
/// Those of [`matured_value`].
pub(super) fn settled_price(
    header: &Market,
    table: &[Series],
    position: &Position,
) -> Result<Price> {
    let series = series_of(header, table, position)?;
    Ok(payoff_of(header, series)?.unwrap_or_default())
}

/// The series that a position was opened in.
fn series_of<'t>(header: &Market, table: &'t [Series], position: &Position) -> Result<&'t Series> {
    let series = listed(header, table, position.slot)?;
    require_eq!(
        series.generation,
        position.generation,
        EstuaryError::SeriesGenerationMismatch
    );
    Ok(series)
}

/// What one unit of a series pays at the settlement price of its expiry, once there is one.
fn payoff_of(header: &Market, series: &Series) -> Result<Option<Price>> {
    if series.expiry == NO_EXPIRY {
        return Ok(None);
    }
    let Some(settlement) = header.expiry(series.expiry)?.settlement_price() else {
        return Ok(None);
    };
    let kind = match series.kind()? {
        SeriesKind::Perp => return Ok(None),
        SeriesKind::Future => None,
        SeriesKind::Call => Some(OptionKind::Call),
        SeriesKind::Put => Some(OptionKind::Put),
    };
    Ok(Some(payoff(kind, Price(series.strike), Price(settlement))))
}
