//! `estuary risk margin`: the account's book through the engine, market by market.

use estuary_risk::margin::{AccountTotals, MarginReport};
use estuary_risk::market::{Leg, MarketArrays, MarketRisk};
use estuary_risk::portfolio::Portfolio;
use estuary_risk::scenario::{Scenario, ScenarioGrid, COLUMNS};
use estuary_risk::units::{Money, Price, RiskError, ONE_Q30};

use super::averages::{self, AverageRow};
use super::book::{self, refusal, Book, Priced};
use super::decimal::Decimal;
use super::input::{Account, Holding, Input, PendingOrder};
use super::json::InputError;
use super::notes::Notes;
use super::quote::{self, Quote};
use super::scale::Lots;

/// Names of the volatility levels.
pub const VOL_LEVEL_NAMES: [&str; 3] = ["down", "base", "up"];

/// The answer.
pub struct Margin {
    /// Which state of the account it is.
    pub state: State,
    /// Equity and requirements.
    pub report: MarginReport,
    /// What the requirements are made of.
    pub totals: AccountTotals,
    /// X and P in both margins.
    pub portfolio: Portfolio,
    /// Equity less initial margin.
    pub health_initial: Money,
    /// Equity less maintenance margin.
    pub health_maintenance: Money,
    /// Market by market.
    pub markets: Vec<MarketMargin>,
}

/// A state of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As it is, its pending orders left out.
    AsItIs,
    /// After the what-if.
    After,
    /// The last of these with the pending orders, at their worst.
    WithOrders,
}

/// One market of the answer.
pub struct MarketMargin {
    /// Its name.
    pub symbol: String,
    /// What the engine found.
    pub risk: MarketRisk,
    /// The delta and the vega that unwinding costs something on.
    pub unwound: [Money; 2],
    /// A lot is `10^-lot_decimals` units.
    pub lot_decimals: i32,
    /// Index into `scenarios` of the worst one.
    pub worst: usize,
    /// Its settlement averages under way.
    pub averages: Vec<AverageRow>,
    /// Every scenario that is switched on.
    pub scenarios: Vec<ScenarioRow>,
    /// Greeks of the book in quote units.
    pub greeks: Quote,
    /// Every holding, balances first.
    pub positions: Vec<PositionRow>,
    /// Pending orders that are counted.
    pub orders: Vec<OrderRow>,
}

/// One scenario.
#[derive(Clone, Copy)]
pub struct ScenarioRow {
    /// Change of spot, parts per million.
    pub spot_shock_ppm: i64,
    /// Index into [`VOL_LEVEL_NAMES`].
    pub vol_level: usize,
    /// The share of the loss that counts, parts per million.
    pub weight_ppm: i64,
    /// Profit and loss of the book, unweighted.
    pub pnl: Money,
}

/// One pending order.
pub struct OrderRow {
    /// The series.
    pub series: String,
    /// What was used of the quantity given.
    pub lots: Lots,
    /// What was used of its limit.
    pub limit: Decimal,
}

/// One holding.
pub struct PositionRow {
    /// The series, or the market's symbol for a balance.
    pub series: String,
    /// What was used of the quantity given.
    pub lots: Lots,
    /// Its weighted profit and loss in the market's worst scenario.
    pub contribution: Money,
}

/// Computes the margin of the file's account, then that of the account after its what-if, if there is one, and then that of
/// the last with its pending orders, if it has any.
pub fn compute(input: &Input, notes: &mut Notes) -> Result<Vec<Margin>, InputError> {
    let account = input
        .account
        .as_ref()
        .ok_or_else(|| InputError::new("account", "missing"))?;
    let mut states = vec![(account, State::AsItIs)];
    states.extend(input.after.as_ref().map(|after| (after, State::After)));
    let last = input.after.as_ref().unwrap_or(account);
    if !last.orders.is_empty() {
        states.push((last, State::WithOrders));
    }
    let mut margins = Vec::with_capacity(states.len());
    let largest = states.len().saturating_sub(1);
    for (place, (account, state)) in states.into_iter().enumerate() {
        // What there is to note of the account is noted of the largest one.
        let mut aside = Notes::default();
        let notes = if place == largest {
            &mut *notes
        } else {
            &mut aside
        };
        margins.push(of_account(account, state, input, notes)?);
    }
    Ok(margins)
}

fn of_account(
    account: &Account,
    state: State,
    input: &Input,
    notes: &mut Notes,
) -> Result<Margin, InputError> {
    let overflow = |error| refusal("account", error);
    let cash = book::cash(account)?;
    let mut totals = AccountTotals::with_cash(cash);
    let mut markets = Vec::with_capacity(input.markets.len());
    for (index, market) in input.markets.iter().enumerate() {
        let orders = match state {
            State::WithOrders => account.orders.as_slice(),
            _ => &[],
        };
        let book = Book::with_orders(account, orders, index, market, notes)?;
        let (row, cost, paid) = evaluate(&book)?;
        totals.add_market(&row.risk, cost).map_err(overflow)?;
        totals.cash = totals.cash.minus(paid).map_err(overflow)?;
        markets.push(row);
    }
    let offsets = &input.offsets;
    let report = totals.report_with(offsets).map_err(overflow)?;
    Ok(Margin {
        state,
        health_initial: report.health_initial().map_err(overflow)?,
        health_maintenance: report.health_maintenance().map_err(overflow)?,
        report,
        portfolio: totals.portfolio_with(offsets).map_err(overflow)?,
        totals,
        markets,
    })
}

/// The market's answer, the cost of its linear positions and the cash that added ones take.
fn evaluate(book: &Book<'_>) -> Result<(MarketMargin, Money, Money), InputError> {
    let market = book.market;
    let overflow = |error| refusal(&market.path, error);
    let Priced {
        arrays,
        legs,
        orders,
        costs,
        paid,
    } = &mut book.price()?;
    let mut greeks = Quote::default();
    for (holding, lots) in &book.holdings {
        let quote = match holding.series {
            None => quote::of_spot(&book.prices),
            Some(series) => quote::of_series(market, series, &book.prices)?,
        };
        greeks.add(lots.quantity().to_f64(), &quote);
    }
    let mut risk = MarketRisk::EMPTY;
    let evaluated = arrays.evaluate_with_orders(legs, book.other_lots(), orders, &mut risk);
    evaluated.map_err(overflow)?;
    let cost = costs
        .iter()
        .try_fold(Money(0), |sum, cost| sum.plus(*cost))
        .map_err(overflow)?;
    let unwound = [risk.unwound_delta_q28, risk.unwound_vega_q28];
    let [delta, vega] = unwound.map(|lots_q28| arrays.money_of_q28_up(lots_q28));
    let unwound = [delta.map_err(overflow)?, vega.map_err(overflow)?];
    let (scenarios, worst) = scenarios(&risk, arrays).map_err(overflow)?;
    let positions = positions(book, arrays, legs, &risk).map_err(overflow)?;
    let row = MarketMargin {
        symbol: market.symbol.clone(),
        risk,
        unwound,
        lot_decimals: book.lot_decimals,
        worst,
        averages: averages::rows(market, &book.prices),
        scenarios,
        greeks,
        positions,
        orders: order_rows(book),
    };
    Ok((row, cost, *paid))
}

fn order_rows(book: &Book<'_>) -> Vec<OrderRow> {
    let row = |(order, lots, limit): &(&PendingOrder, Lots, Price)| OrderRow {
        series: book.name(&order.holding).to_owned(),
        lots: *lots,
        limit: book.prices.decimal(*limit),
    };
    book.orders.iter().map(row).collect()
}

fn positions(
    book: &Book<'_>,
    arrays: &MarketArrays,
    legs: &[Leg],
    risk: &MarketRisk,
) -> Result<Vec<PositionRow>, RiskError> {
    let weight_q30 = i128::from(arrays.grid().weight_q30(risk.worst_column));
    let row = |((holding, lots), leg): (&(&Holding, Lots), &Leg)| {
        let pnl = i128::from(arrays.leg_pnl_q28(leg, risk.worst_column)?);
        Ok(PositionRow {
            series: book.name(holding).to_owned(),
            lots: *lots,
            contribution: arrays
                .lot_value()
                .money_down((pnl * weight_q30) >> 30, 28)?,
        })
    };
    book.holdings.iter().zip(legs).map(row).collect()
}

/// The scenarios that are switched on, and which of them is the worst.
fn scenarios(
    risk: &MarketRisk,
    arrays: &MarketArrays,
) -> Result<(Vec<ScenarioRow>, usize), RiskError> {
    let (mut rows, mut worst) = (Vec::with_capacity(COLUMNS), 0);
    for (column, pnl_q28) in risk.pnl_q28.iter().enumerate() {
        let scenario = Scenario::of_column(column);
        let weight_ppm = to_ppm(arrays.grid().weight_q30(column));
        if weight_ppm == 0 {
            continue;
        }
        if column == risk.worst_column {
            worst = rows.len();
        }
        rows.push(ScenarioRow {
            spot_shock_ppm: to_ppm(spot_shock_q30(arrays.grid(), &scenario)),
            vol_level: scenario.vol_level,
            weight_ppm,
            pnl: arrays.lot_value().money_down(i128::from(*pnl_q28), 28)?,
        });
    }
    Ok((rows, worst))
}

fn spot_shock_q30(grid: &ScenarioGrid, scenario: &Scenario) -> i64 {
    grid.multiple_q30[scenario.spot_move] - ONE_Q30
}

/// Parts per million of a fraction that was made from them.
fn to_ppm(fraction_q30: i64) -> i64 {
    (fraction_q30 * 1_000_000 + ONE_Q30 / 2) >> 30
}
