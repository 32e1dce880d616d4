//! The account's holdings as the engine's books.

use estuary_risk::market::{Instrument, Leg, MarketArrays, Order};
use estuary_risk::smile::{check_no_calendar, Smile, SmileSlice};
use estuary_risk::units::{Money, Price, RiskError};

use super::decimal::Decimal;
use super::input::{Account, Added, Expiry, Holding, Market, PendingOrder, SeriesKind, Vol};
use super::json::InputError;
use super::notes::Notes;
use super::scale::{lots, Lots, MarketPrices};

/// The account's cash.
pub fn cash(account: &Account) -> Result<Money, InputError> {
    account
        .cash
        .nearest(6)
        .and_then(|scaled| i64::try_from(scaled.units).ok())
        .map(Money)
        .ok_or_else(|| refusal("account", RiskError::MoneyOverflow))
}

/// The account's holdings in one market, in the engine's units.
pub struct Book<'a> {
    /// The market of the file.
    pub market: &'a Market,
    /// Its prices.
    pub prices: MarketPrices,
    /// A lot is `10^-lot_decimals` units.
    pub lot_decimals: i32,
    /// Holdings and what of each is used, in the order of the file.
    pub holdings: Vec<(&'a Holding, Lots)>,
    /// Pending orders, what of each is used, and the limit.
    pub orders: Vec<(&'a PendingOrder, Lots, Price)>,
}

/// A book that the engine can evaluate.
pub struct Priced {
    /// The market's arrays.
    pub arrays: MarketArrays,
    /// A leg per holding.
    pub legs: Vec<Leg>,
    /// An order per pending order.
    pub orders: Vec<Order>,
    /// The cost of each.
    pub costs: Vec<Money>,
    /// Cash that the options and the spot which a what-if adds take, negative when they bring any.
    pub paid: Money,
}

impl<'a> Book<'a> {
    /// Scales the account's holdings in market number `index`; pending orders are left out.
    pub fn new(
        account: &'a Account,
        index: usize,
        market: &'a Market,
        notes: &mut Notes,
    ) -> Result<Self, InputError> {
        Self::with_orders(account, &[], index, market, notes)
    }

    /// Scales the account's holdings in market number `index`, and orders there.
    pub fn with_orders(
        account: &'a Account,
        orders: &'a [PendingOrder],
        index: usize,
        market: &'a Market,
        notes: &mut Notes,
    ) -> Result<Self, InputError> {
        let orders = orders.iter().filter(|order| order.holding.market == index);
        let orders: Vec<&PendingOrder> = orders.collect();
        let prices = MarketPrices::new(market, &orders, notes)?;
        warn_of_calendar_arbitrage(market, notes);
        let holdings: Vec<&Holding> = account
            .holdings
            .iter()
            .filter(|holding| holding.market == index)
            .collect();
        let ordered = orders.iter().map(|order| &order.holding);
        let all: Vec<&Holding> = holdings.iter().copied().chain(ordered).collect();
        let (lot_decimals, mut all_lots) = lots(&all, market.lot_decimals, notes)?;
        let order_lots = all_lots.split_off(holdings.len());
        let orders = orders.into_iter().zip(order_lots).map(|(order, lots)| {
            let limit = (order.limit_path.as_str(), order.limit);
            let limit = prices.limit(limit, lots.lots > 0, notes)?;
            Ok((order, lots, limit))
        });
        let orders = orders.collect::<Result<_, _>>()?;
        Ok(Self {
            market,
            prices,
            lot_decimals,
            holdings: holdings.into_iter().zip(all_lots).collect(),
            orders,
        })
    }

    /// Lots that the account's owner has in other accounts, rounded up; saturates.
    pub fn other_lots(&self) -> u64 {
        let scaled = self.market.others.nearest(self.lot_decimals);
        scaled.map_or(u64::MAX, |scaled| {
            let lots = u64::try_from(scaled.units).unwrap_or(u64::MAX);
            lots.saturating_add(u64::from(!scaled.exact))
        })
    }

    /// Every holding as a leg of the engine, with its cost.
    pub fn price(&self) -> Result<Priced, InputError> {
        let market = self.market;
        let inputs = self.prices.inputs(market, self.lot_decimals);
        let spot_path = format!("{}.spot", market.path);
        let mut arrays = MarketArrays::new(
            &inputs,
            market.expiries.len(),
            self.holdings.len() + self.orders.len(),
        )
        .map_err(|error| refusal(&spot_path, error))?;
        let (mut legs, mut costs) = (Vec::new(), Vec::new());
        let mut paid = Money(0);
        for (holding, lots) in &self.holdings {
            let instrument = self.instrument(&mut arrays, holding)?;
            legs.push(Leg {
                instrument,
                lots: lots.lots,
            });
            let overflow = || refusal(&holding.path, RiskError::MoneyOverflow);
            costs.push(self.cost(holding, *lots).ok_or_else(overflow)?);
            let cash = self.cash_paid(&arrays, holding, instrument);
            paid = cash
                .and_then(|cash| paid.plus(cash).ok())
                .ok_or_else(overflow)?;
        }
        let mut orders = Vec::with_capacity(self.orders.len());
        for (order, lots, limit) in &self.orders {
            orders.push(Order {
                instrument: self.instrument(&mut arrays, &order.holding)?,
                lots: lots.lots,
                limit: *limit,
            });
        }
        Ok(Priced {
            arrays,
            legs,
            orders,
            costs,
            paid,
        })
    }

    /// What a holding is called: its series, or the market's symbol.
    pub fn name(&self, holding: &Holding) -> &'a str {
        match holding.series {
            None => &self.market.symbol,
            Some(index) => &self.market.series[index].name,
        }
    }

    /// The engine's handle of a holding, its strike priced at the first meeting.
    fn instrument(
        &self,
        arrays: &mut MarketArrays,
        holding: &Holding,
    ) -> Result<Instrument, InputError> {
        let Some(index) = holding.series else {
            return Ok(Instrument::Spot);
        };
        let series = &self.market.series[index];
        let made = match series.kind {
            SeriesKind::Spot => Ok(Instrument::Spot),
            SeriesKind::Perpetual => Ok(Instrument::Perpetual),
            SeriesKind::Future { expiry } => {
                self.add_expiry(arrays, expiry)?;
                arrays.future(expiry as u8)
            }
            SeriesKind::Option {
                kind,
                expiry,
                vol_q32,
                ..
            } => {
                self.add_expiry(arrays, expiry)?;
                let strike = self.prices.strikes[index];
                let vol_q32 = match (vol_q32, self.market.expiries[expiry].vol) {
                    (0, Some(Vol::Flat(flat))) => flat,
                    (own, _) => own,
                };
                let log_strike = estuary_risk::fixed::ln_q40(strike.0);
                arrays.option(kind, expiry as u8, strike, log_strike, vol_q32)
            }
        };
        made.map_err(|error| refusal(&series.path, error))
    }

    fn add_expiry(&self, arrays: &mut MarketArrays, index: usize) -> Result<(), InputError> {
        let expiry = &self.market.expiries[index];
        let (id, left, smile) = (index as u8, expiry.seconds_left, smile_of(expiry));
        let added = match &self.prices.averages[index] {
            Some(average) => arrays.add_averaging_expiry(id, left, &average.averaging, &smile),
            None => {
                let ratio = self.prices.forward_ratio_q30(self.prices.forwards[index]);
                arrays.add_expiry(id, left, ratio, &smile)
            }
        };
        added.map_err(|error| refusal(&expiry.path, error))
    }

    /// Perpetuals and futures carry their cost; premiums and spot were paid in cash.
    fn cost(&self, holding: &Holding, lots: Lots) -> Option<Money> {
        let mark = match holding.series.map(|index| self.market.series[index].kind) {
            Some(SeriesKind::Perpetual) => self.prices.spot,
            Some(SeriesKind::Future { expiry }) => self.prices.forwards[expiry],
            _ => return Some(Money(0)),
        };
        let cost = |lots: Lots, price: Option<Decimal>| {
            lots.cost_down(price.unwrap_or(self.prices.decimal(mark)))
        };
        let Some(added) = &holding.added else {
            return cost(lots, holding.entry);
        };
        let added_lots = self.lots_of(added)?;
        let before = Lots {
            lots: lots.lots.checked_sub(added_lots.lots)?,
            ..lots
        };
        let before = cost(before, holding.entry)?;
        before.plus(cost(added_lots, added.price)?).ok()
    }

    /// What an added option or added spot takes out of the cash, rounded up.
    fn cash_paid(
        &self,
        arrays: &MarketArrays,
        holding: &Holding,
        instrument: Instrument,
    ) -> Option<Money> {
        let kind = holding.series.map(|index| self.market.series[index].kind);
        let in_cash = matches!(kind, Some(SeriesKind::Option { .. } | SeriesKind::Spot));
        let Some(added) = holding.added.as_ref().filter(|_| in_cash) else {
            return Some(Money(0));
        };
        let lots = self.lots_of(added)?;
        if let Some(price) = added.price {
            let paid = lots.cost_down(price)?.0.checked_neg()?;
            return Some(Money(paid));
        }
        let mark_q30 = i128::from(arrays.mark_q30(instrument).ok()?);
        let value = mark_q30 * i128::from(lots.lots);
        arrays.lot_value().money_up(value, 30).ok()
    }

    fn lots_of(&self, added: &Added) -> Option<Lots> {
        let decimals = self.lot_decimals;
        let lots = i64::try_from(added.quantity.nearest(decimals)?.units).ok()?;
        Some(Lots { lots, decimals })
    }
}

/// What the engine prepares an expiry with. A flat volatility reaches the strikes at full precision;
/// an expiry without any holds only futures and options with their own.
fn smile_of(expiry: &Expiry) -> Smile {
    match expiry.vol {
        Some(Vol::Smile(smile)) => smile,
        Some(Vol::Flat(vol_q32)) => Smile::flat(
            u64::try_from((u128::from(vol_q32) * 1_000_000_000) >> 32)
                .unwrap_or(u64::MAX)
                .clamp(
                    estuary_risk::smile::ATM_VOL_MIN_PPB,
                    estuary_risk::smile::ATM_VOL_MAX_PPB,
                ),
        ),
        None => Smile::flat(1_000_000_000),
    }
}

/// Posting such a surface would be refused on chain; a what-if may ask all the same.
pub fn warn_of_calendar_arbitrage(market: &Market, notes: &mut Notes) {
    let mut expiries: Vec<&Expiry> = market
        .expiries
        .iter()
        .filter(|expiry| expiry.vol.is_some() && expiry.seconds_left > 0)
        .collect();
    expiries.sort_unstable_by_key(|expiry| expiry.time);
    let slice = |expiry: &Expiry| {
        let sqrt_tau = estuary_risk::fixed::sqrt_tau_q32(expiry.seconds_left);
        SmileSlice::new(&smile_of(expiry), sqrt_tau).ok()
    };
    for pair in expiries.windows(2) {
        let [earlier, later] = pair else { continue };
        let slices = slice(earlier).zip(slice(later));
        if earlier.time == later.time
            || slices.is_none_or(|(before, after)| check_no_calendar(&before, &after).is_ok())
        {
            continue;
        }
        let message = format!(
            "calendar arbitrage: total variance falls below that of {}",
            earlier.path
        );
        notes.warn(&later.path, message);
    }
}

/// The engine's refusal at a place of the input.
pub fn refusal(path: &str, error: RiskError) -> InputError {
    let message = match error {
        RiskError::MoneyOverflow => {
            "amounts do not fit 64 bits of micro-units of the settlement token"
        }
        RiskError::TooManyLots => "the quantities of this market are too large",
        RiskError::BadLotValue => "price and quantities cannot be represented together",
        RiskError::ForwardOutOfRange => "the forward is outside half to twice the spot price",
        RiskError::ZeroStrike => "the strike is zero",
        RiskError::VolOutOfRange => "the volatility is outside what is priced",
        RiskError::CapacityExceeded => "more strikes than the engine takes",
        RiskError::UnknownInstrument => "the engine does not know the series",
    };
    InputError::new(path, message)
}
