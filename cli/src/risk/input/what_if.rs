//! Legs and cash that the account might add.

use super::account::{money, named, traded};
use super::{Account, Added, Holding, Market, SeriesKind};
use crate::risk::decimal::Decimal;
use crate::risk::json::{At, InputError};
use crate::risk::notes::Notes;

/// The account after `what_if`: its cash changed, and each leg added to the holding of its series. What options and spot
/// cost is taken from the cash when they are priced.
pub fn read(
    at: &At<'_>,
    account: &Account,
    markets: &[Market],
    notes: &mut Notes,
) -> Result<Account, InputError> {
    let fields = at.object(&["cash", "legs"])?;
    let mut after = account.clone();
    if let Some(at) = fields.optional("cash") {
        let change = Decimal::new(money(&at, notes)?, 6);
        let cash = after.cash.plus(change);
        after.cash = cash.ok_or_else(|| at.fail(format!("{change} is too large")))?;
    }
    for at in fields.items("legs")? {
        add_leg(&at, &mut after, markets)?;
    }
    Ok(after)
}

fn add_leg(at: &At<'_>, after: &mut Account, markets: &[Market]) -> Result<(), InputError> {
    let fields = at.object(&["market", "series", "quantity", "price"])?;
    let (market, series) = named(&fields, markets)?;
    let (at_quantity, quantity) = traded(&fields)?;
    let is_option = matches!(
        markets[market].series[series].kind,
        SeriesKind::Option { .. }
    );
    let price = match fields.optional("price") {
        Some(at) if is_option => Some(at.not_negative()?),
        Some(at) => Some(at.positive()?),
        None => None,
    };
    let added = Some(Added { quantity, price });
    let same = |held: &&mut Holding| held.market == market && held.series == Some(series);
    let Some(held) = after.holdings.iter_mut().find(same) else {
        after.holdings.push(Holding {
            path: at_quantity.path,
            market,
            series: Some(series),
            quantity,
            entry: None,
            added,
        });
        return Ok(());
    };
    if held.added.is_some() {
        return Err(at.fail("a second leg in the same series"));
    }
    held.quantity = held
        .quantity
        .plus(quantity)
        .ok_or_else(|| at_quantity.fail(format!("{quantity} is too large")))?;
    held.added = added;
    Ok(())
}
