//! The account of the file: cash, balances, positions.

use super::{Account, Holding, Market, PendingOrder, SeriesKind, SETTLEMENT_SYMBOLS};
use crate::risk::decimal::Decimal;
use crate::risk::json::{At, Fields, InputError};
use crate::risk::notes::Notes;

/// Reads the account; its holdings refer to `markets`.
pub fn read(at: &At<'_>, markets: &[Market], notes: &mut Notes) -> Result<Account, InputError> {
    let fields = at.object(&["cash", "balances", "positions", "orders"])?;
    let mut cash = match fields.optional("cash") {
        Some(at) => money(&at, notes)?,
        None => 0,
    };
    let mut holdings = Vec::new();
    for at in fields.items("balances")? {
        let fields = at.object(&["symbol", "amount"])?;
        let at_symbol = fields.required("symbol")?;
        let symbol = at_symbol.text()?;
        let at_amount = fields.required("amount")?;
        if SETTLEMENT_SYMBOLS.contains(&symbol) {
            cash = cash.saturating_add(money(&at_amount, notes)?);
            continue;
        }
        holdings.push(Holding {
            market: find_market(&at_symbol, markets)?,
            series: None,
            quantity: at_amount.decimal()?,
            entry: None,
            added: None,
            path: at_amount.path,
        });
    }
    for at in fields.items("positions")? {
        holdings.push(read_position(&at, markets)?);
    }
    let orders = fields.items("orders")?;
    let orders = orders.iter().map(|at| read_order(at, markets));
    Ok(Account {
        cash: Decimal::new(cash, 6),
        holdings,
        orders: orders.collect::<Result<_, _>>()?,
    })
}

/// An amount of settlement token in micro-units, to the nearest.
pub(super) fn money(at: &At<'_>, notes: &mut Notes) -> Result<i128, InputError> {
    let value = at.decimal()?;
    notes
        .nearest(&at.path, value, 6)
        .filter(|units| i64::try_from(*units).is_ok())
        .ok_or_else(|| at.fail(format!("{value} does not fit 64 bits of micro-units")))
}

/// A fraction in parts per million, to the nearest.
pub(super) fn ppm(at: &At<'_>, notes: &mut Notes) -> Result<u32, InputError> {
    let value = at.not_negative()?;
    notes
        .nearest(&at.path, value, 6)
        .and_then(|ppm| u32::try_from(ppm).ok())
        .ok_or_else(|| at.fail(format!("{value} is out of range")))
}

fn find_market(at: &At<'_>, markets: &[Market]) -> Result<usize, InputError> {
    let symbol = at.text()?;
    markets
        .iter()
        .position(|market| market.symbol == symbol)
        .ok_or_else(|| at.fail(format!("no market {symbol} in this file")))
}

/// The market and the series that an object names.
pub(super) fn named(fields: &Fields<'_>, markets: &[Market]) -> Result<(usize, usize), InputError> {
    let market = find_market(&fields.required("market")?, markets)?;
    let at_series = fields.required("series")?;
    let name = at_series.text()?;
    let series = markets[market]
        .series
        .iter()
        .position(|series| series.name == name)
        .ok_or_else(|| {
            let symbol = &markets[market].symbol;
            at_series.fail(format!("no series {name} in market {symbol}"))
        })?;
    Ok((market, series))
}

/// The quantity of a trade, and where it stands.
pub(super) fn traded<'n>(fields: &Fields<'n>) -> Result<(At<'n>, Decimal), InputError> {
    let at = fields.required("quantity")?;
    let quantity = at.decimal()?;
    if quantity == Decimal::ZERO {
        return Err(at.fail("must not be 0"));
    }
    Ok((at, quantity))
}

fn read_order(at: &At<'_>, markets: &[Market]) -> Result<PendingOrder, InputError> {
    let fields = at.object(&["market", "series", "quantity", "price"])?;
    let (market, series) = named(&fields, markets)?;
    let (at_quantity, quantity) = traded(&fields)?;
    let at_limit = fields.required("price")?;
    let limit = match markets[market].series[series].kind {
        SeriesKind::Option { .. } => at_limit.not_negative()?,
        _ => at_limit.positive()?,
    };
    let holding = Holding {
        market,
        series: Some(series),
        quantity,
        entry: None,
        added: None,
        path: at_quantity.path,
    };
    Ok(PendingOrder {
        holding,
        limit,
        limit_path: at_limit.path,
    })
}

fn read_position(at: &At<'_>, markets: &[Market]) -> Result<Holding, InputError> {
    let fields = at.object(&["market", "series", "quantity", "entry"])?;
    let (market, series) = named(&fields, markets)?;
    let at_quantity = fields.required("quantity")?;
    let entry = match fields.optional("entry") {
        Some(at) => Some(at.not_negative()?),
        None => None,
    };
    Ok(Holding {
        market,
        series: Some(series),
        quantity: at_quantity.decimal()?,
        entry,
        added: None,
        path: at_quantity.path,
    })
}
