//! From decimals to the engine's integers: one price exponent and one lot per market.

use estuary_risk::array::{MAX_FORWARD_RATIO_Q30, MIN_FORWARD_RATIO_Q30};
use estuary_risk::market::MarketInputs;
use estuary_risk::units::{Money, Price, MAX_LOTS_PER_MARKET, ONE_Q30};

use super::decimal::{scale_down, Decimal};
use super::input::{Average, Expiry, Holding, Market, PendingOrder, SeriesKind, Window};
use super::json::InputError;
use super::notes::Notes;

/// The engine prices with exponents down to this.
const MAX_PRICE_DECIMALS: u32 = 16;
/// An average has more digits than its prices: it is taken with at least the decimals that prices mostly have on chain.
const AVERAGE_DECIMALS: u32 = 8;
/// And with as many as give spot this mantissa.
const AVERAGE_SPOT: i128 = 10_000_000_000;
/// A lot is at least a billionth of a unit.
const MAX_LOT_DECIMALS: i32 = 9;
/// And at most 10^10 units: more would not fit the engine's lot size.
const MIN_LOT_DECIMALS: i32 = -10;

/// The prices of a market as mantissas at one exponent.
#[derive(Debug)]
pub struct MarketPrices {
    /// The exponent is minus this.
    pub decimals: u32,
    /// Spot.
    pub spot: Price,
    /// Forwards by index of the expiry; where its average is under way, what it would be if spot stayed.
    pub forwards: Vec<Price>,
    /// Settlement averages under way by index of the expiry.
    pub averages: Vec<Option<Average>>,
    /// Strikes by index of the series; 0 for those without.
    pub strikes: Vec<Price>,
}

impl MarketPrices {
    /// Keeps every digit given where 64 bits and 16 decimals allow, of orders' limits too, and records what was rounded.
    pub fn new(
        market: &Market,
        orders: &[&PendingOrder],
        notes: &mut Notes,
    ) -> Result<Self, InputError> {
        let spot = (format!("{}.spot", market.path), market.spot);
        let forwards = market
            .expiries
            .iter()
            .map(|expiry| (format!("{}.forward", expiry.path), expiry.forward));
        let strikes = market.series.iter().filter_map(|series| match series.kind {
            SeriesKind::Option { strike, .. } => Some((format!("{}.strike", series.path), strike)),
            _ => None,
        });
        let windows = market.expiries.iter().filter_map(|one| one.window.as_ref());
        let all: Vec<(String, Decimal)> = std::iter::once(spot.clone())
            .chain(forwards)
            .chain(strikes)
            .chain(windows.clone().flat_map(Window::prices))
            .chain(orders.iter().map(|one| (one.limit_path.clone(), one.limit)))
            .collect();
        let least = windows.map(|_| average_decimals(market.spot)).max();
        let decimals = common_decimals(&all, least.unwrap_or(0))?;
        let mut price = |(path, value): (String, Decimal)| {
            notes
                .nearest(&path, value, decimals)
                .and_then(|units| u64::try_from(units).ok())
                .filter(|mantissa| *mantissa > 0)
                .map(Price)
                .ok_or_else(|| InputError::new(path, "too small beside the market's other prices"))
        };
        let mut prices = Self {
            decimals,
            spot: price(spot)?,
            forwards: Vec::new(),
            averages: Vec::new(),
            strikes: Vec::new(),
        };
        for expiry in &market.expiries {
            let average = match &expiry.window {
                Some(window) => window.average(|path, value| Ok(price((path, value))?.0))?,
                None => None,
            };
            prices.averages.push(average);
            if let Some(average) = &average {
                let forward = prices.average_at_spot(average);
                prices.forwards.push(forward);
                continue;
            }
            let path = format!("{}.forward", expiry.path);
            let forward = if expiry.forward == market.spot {
                prices.spot
            } else {
                price((path.clone(), expiry.forward))?
            };
            prices.forwards.push(forward);
            check_forward(&path, expiry, prices.forward_ratio_q30(forward))?;
        }
        for series in &market.series {
            prices.strikes.push(match series.kind {
                SeriesKind::Option { strike, .. } => {
                    price((format!("{}.strike", series.path), strike))?
                }
                _ => Price(0),
            });
        }
        Ok(prices)
    }

    /// F/S in Q30, to the nearest.
    pub fn forward_ratio_q30(&self, forward: Price) -> i64 {
        let spot = u128::from(self.spot.0);
        let ratio = ((u128::from(forward.0) << 31) / spot + 1) >> 1;
        i64::try_from(ratio).unwrap_or(i64::MAX)
    }

    /// What is still to come of an average, if spot stays: to the nearest.
    pub fn open_at_spot(&self, average: &Average) -> Price {
        // The share is at most 1.
        let share = average.averaging.open_share_q30.clamp(0, ONE_Q30);
        let doubled = (u128::from(self.spot.0) * u128::from(share.unsigned_abs())) >> 29;
        Price(u64::try_from((doubled + 1) >> 1).unwrap_or(self.spot.0))
    }

    /// What an average would be if spot stayed.
    fn average_at_spot(&self, average: &Average) -> Price {
        let open = self.open_at_spot(average);
        Price(average.averaging.fixed.0.saturating_add(open.0))
    }

    /// An order's limit, rounded against the account where it has more digits than the market's prices.
    pub fn limit(
        &self,
        (path, limit): (&str, Decimal),
        buys: bool,
        notes: &mut Notes,
    ) -> Result<Price, InputError> {
        let too_large = || InputError::new(path, format!("{limit} is too large for a price"));
        let scaled = i32::try_from(self.decimals)
            .ok()
            .and_then(|d| limit.nearest(d));
        let scaled = scaled.ok_or_else(too_large)?;
        let units = match (scaled.exact, buys) {
            (true, _) => scaled.units,
            (false, true) => scaled.units.saturating_add(1),
            (false, false) => scaled.units.saturating_sub(1).max(0),
        };
        let price = u64::try_from(units).map(Price).map_err(|_| too_large())?;
        if !scaled.exact {
            notes.rounded(path, limit, self.decimal(price));
        }
        Ok(price)
    }

    /// A mantissa as the decimal it stands for.
    pub fn decimal(&self, price: Price) -> Decimal {
        Decimal::new(i128::from(price.0), self.decimals)
    }

    /// What the engine needs of the market, with lots of `10^-lot_decimals` units.
    pub fn inputs(&self, market: &Market, lot_decimals: i32) -> MarketInputs {
        let lot_power = u32::try_from(MAX_LOT_DECIMALS - lot_decimals).unwrap_or(0);
        MarketInputs {
            spot: self.spot,
            // At most 16.
            price_exponent: -(self.decimals as i8),
            lot_size: 10u64.pow(lot_power),
            grid: market.grid,
            oracle: market.oracle,
        }
    }
}

/// The decimals that an average at a spot price is taken with, where they fit.
fn average_decimals(spot: Decimal) -> u32 {
    let mantissa = |decimals: u32| spot.nearest(decimals as i32).map(|scaled| scaled.units);
    let enough = |decimals: &u32| mantissa(*decimals).is_none_or(|units| units >= AVERAGE_SPOT);
    let mut range = AVERAGE_DECIMALS..MAX_PRICE_DECIMALS;
    range.find(enough).unwrap_or(MAX_PRICE_DECIMALS)
}

/// The most decimals any price has, but at least so many, lowered until the largest fits a mantissa.
fn common_decimals(all: &[(String, Decimal)], least: u32) -> Result<u32, InputError> {
    let wanted = all.iter().map(|(_, value)| value.decimals()).max();
    let mut decimals = wanted.unwrap_or(0).max(least).min(MAX_PRICE_DECIMALS);
    for (path, value) in all {
        while value
            .nearest(decimals as i32)
            .is_none_or(|scaled| u64::try_from(scaled.units).is_err())
        {
            decimals = decimals.checked_sub(1).ok_or_else(|| {
                InputError::new(path.clone(), format!("{value} is too large for a price"))
            })?;
        }
    }
    Ok(decimals)
}

fn check_forward(path: &str, expiry: &Expiry, ratio_q30: i64) -> Result<(), InputError> {
    if (MIN_FORWARD_RATIO_Q30..MAX_FORWARD_RATIO_Q30).contains(&ratio_q30) {
        return Ok(());
    }
    let message = format!("{} is outside half to twice the spot price", expiry.forward);
    Err(InputError::new(path, message))
}

/// A holding in whole lots.
#[derive(Clone, Copy, Debug)]
pub struct Lots {
    /// Signed lots.
    pub lots: i64,
    /// A lot is `10^-decimals` units.
    pub decimals: i32,
}

impl Lots {
    /// In units of underlying.
    pub fn quantity(self) -> Decimal {
        let (lots, decimals) = (i128::from(self.lots), self.decimals);
        match u32::try_from(decimals) {
            Ok(decimals) => Decimal::new(lots, decimals),
            // At most 2^32 lots of 10^10 units.
            Err(_) => Decimal::new(lots * 10i128.pow(decimals.unsigned_abs()), 0),
        }
    }

    /// Money paid for this much at `price`, as the cost of a position (negative when bought), rounded
    /// down (towards −∞); `None` beyond 64 bits of micro-units.
    pub fn cost_down(self, price: Decimal) -> Option<Money> {
        let product = i128::from(self.lots)
            .checked_neg()?
            .checked_mul(price.mantissa())?;
        let power = 6 - i64::from(self.decimals) - i64::from(price.decimals());
        let micro = scale_down(product, power)?;
        i64::try_from(micro).ok().map(Money)
    }
}

/// The lot given, or else the finest for which the market's holdings stay below 2^32 lots, and each holding in it.
pub fn lots(
    holdings: &[&Holding],
    given: Option<i32>,
    notes: &mut Notes,
) -> Result<(i32, Vec<Lots>), InputError> {
    let choice = match given {
        Some(decimals) => decimals..=decimals,
        None => MIN_LOT_DECIMALS..=MAX_LOT_DECIMALS,
    };
    for decimals in choice.rev() {
        let Some(scaled) = holdings
            .iter()
            .map(|holding| holding.quantity.nearest(decimals))
            .collect::<Option<Vec<_>>>()
        else {
            continue;
        };
        let sum = scaled.iter().fold(0u128, |sum, one| {
            sum.saturating_add(one.units.unsigned_abs())
        });
        if sum >= u128::from(MAX_LOTS_PER_MARKET) {
            continue;
        }
        let mut all = Vec::with_capacity(holdings.len());
        for (holding, one) in holdings.iter().zip(&scaled) {
            // Below 2^32 by the check of the sum.
            let lots = Lots {
                lots: one.units as i64,
                decimals,
            };
            if !one.exact {
                notes.rounded(&holding.path, holding.quantity, lots.quantity());
            }
            all.push(lots);
        }
        return Ok((decimals, all));
    }
    let path = holdings.first().map_or("", |holding| &holding.path);
    Err(InputError::new(
        path,
        "the market's quantities are too large",
    ))
}
