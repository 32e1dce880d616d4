//! The answers as JSON: the names are an interface.

use estuary_risk::market::MarketRisk;
use estuary_risk::portfolio::{Portfolio, ScanLoss};
use estuary_risk::units::Money;

use super::averages::AverageRow;
use super::decimal::Decimal;
use super::json::{object, Node};
use super::margin::{Margin, MarketMargin, OrderRow, ScenarioRow, State, VOL_LEVEL_NAMES};
use super::notes::Notes;
use super::price::MarketQuotes;
use super::quote::{shown, shown_price, Quote};
use super::scale::Lots;

/// Money as a decimal of quote units.
pub fn money(value: Money) -> Decimal {
    Decimal::new(i128::from(value.0), 6)
}

/// Parts per million as a fraction.
pub fn fraction(ppm: i64) -> Decimal {
    Decimal::new(i128::from(ppm), 6)
}

/// The answer's fields, then what was rounded and what is doubtful.
pub fn with_notes(mut fields: Vec<(&'static str, Node)>, notes: &Notes) -> Node {
    fields.extend(notes.nodes());
    object_of(fields)
}

fn object_of(fields: Vec<(&'static str, Node)>) -> Node {
    Node::Object(
        fields
            .into_iter()
            .map(|(name, node)| (name.to_owned(), node))
            .collect(),
    )
}

/// The answer of `risk margin`: the account, and the account after its what-if and with its orders, if there are any.
pub fn margins(margins: &[Margin], notes: &Notes) -> Node {
    let mut fields = Vec::new();
    for one in margins {
        let named = |name| (name, object_of(margin(one)));
        match one.state {
            State::AsItIs => fields.extend(margin(one)),
            State::After => fields.push(named("after")),
            State::WithOrders => fields.push(named("with_orders")),
        }
    }
    with_notes(fields, notes)
}

/// One account of it.
fn margin(margin: &Margin) -> Vec<(&'static str, Node)> {
    let report = &margin.report;
    let amount = |value| Node::from(money(value));
    vec![
        ("equity", amount(report.equity)),
        ("senior", amount(report.senior)),
        ("initial_margin", amount(report.initial_margin)),
        ("maintenance_margin", amount(report.maintenance_margin)),
        (
            "scenario_loss",
            amount(margin.portfolio.initial.scenario_loss),
        ),
        (
            "scenario_loss_maintenance",
            amount(margin.portfolio.maintenance.scenario_loss),
        ),
        ("scan", scan(&margin.portfolio)),
        ("short_minimum", amount(margin.totals.short_minimum)),
        (
            "short_minimum_maintenance",
            amount(margin.totals.short_minimum_maintenance),
        ),
        (
            "oracle_contingency",
            amount(margin.totals.oracle_contingency),
        ),
        ("liquidity_cost", amount(margin.totals.liquidity_cost)),
        ("gross", amount(margin.totals.gross)),
        ("health_initial", amount(margin.health_initial)),
        ("health_maintenance", amount(margin.health_maintenance)),
        (
            "markets",
            Node::List(margin.markets.iter().map(market_of(margin.state)).collect()),
        ),
    ]
}

/// X in both margins, and what it is the largest of.
fn scan(portfolio: &Portfolio) -> Node {
    let of = |scan: &ScanLoss| {
        object([
            ("offset", fraction(i64::from(scan.offset_ppm)).into()),
            ("offset_loss", money(scan.offset_loss).into()),
            ("largest_floor", money(scan.largest_floor).into()),
            ("sum_floor", money(scan.sum_floor).into()),
            ("scan_loss", money(scan.scan_loss).into()),
        ])
    };
    object([
        ("sum", money(portfolio.total).into()),
        (
            "offset_floor",
            fraction(i64::from(portfolio.floor_ppm)).into(),
        ),
        ("initial", of(&portfolio.initial)),
        ("maintenance", of(&portfolio.maintenance)),
    ])
}

/// A market with what is filled in, or with its orders: scenarios, Greeks and positions are those without.
fn market_of(state: State) -> impl Fn(&MarketMargin) -> Node {
    move |market| {
        let mut fields = requirement(market);
        fields.extend(match state {
            State::WithOrders => vec![("orders", orders(market))],
            _ => book(market),
        });
        object_of(fields)
    }
}

fn orders(market: &MarketMargin) -> Node {
    let row = |order: &OrderRow| {
        object([
            ("series", order.series.as_str().into()),
            ("quantity", order.lots.quantity().into()),
            ("price", order.limit.into()),
        ])
    };
    Node::List(market.orders.iter().map(row).collect())
}

/// The averages under way, a field only where there is one.
fn averages(rows: &[AverageRow]) -> Option<(&'static str, Node)> {
    let whole = |value: i128| Decimal::new(value, 0).into();
    let node = |row: &AverageRow| {
        object([
            ("expiry", whole(row.expiry as i128)),
            ("time", whole(row.time.into())),
            ("minutes_fixed", whole(row.minutes_fixed.into())),
            ("minutes_to_come", whole(row.minutes_to_come.into())),
            ("fixed", row.fixed.into()),
            ("share_to_come", fraction(row.share_to_come_ppm).into()),
            ("forward", row.forward.into()),
        ])
    };
    let list = Node::List(rows.iter().map(node).collect());
    (!rows.is_empty()).then_some(("settlement_averages", list))
}

fn book(market: &MarketMargin) -> Vec<(&'static str, Node)> {
    let mut fields: Vec<_> = averages(&market.averages).into_iter().collect();
    let scenarios: Vec<Node> = market.scenarios.iter().map(scenario).collect();
    let positions = market.positions.iter().map(|position| {
        object([
            ("series", position.series.as_str().into()),
            ("quantity", position.lots.quantity().into()),
            ("contribution", money(position.contribution).into()),
        ])
    });
    fields.extend([
        (
            "worst_scenario",
            scenarios.get(market.worst).cloned().unwrap_or(Node::Null),
        ),
        ("scenarios", Node::List(scenarios)),
        ("greeks", Node::Object(greeks(&market.greeks))),
        ("positions", Node::List(positions.collect())),
    ]);
    fields
}

fn requirement(market: &MarketMargin) -> Vec<(&'static str, Node)> {
    vec![
        ("symbol", market.symbol.as_str().into()),
        ("scan_loss", money(market.risk.scan_loss).into()),
        ("certified_loss", money(market.risk.certified_loss).into()),
        ("twist", money(market.risk.twist).into()),
        ("skew", money(market.risk.skew).into()),
        ("basis", money(market.risk.basis).into()),
        ("expiring_longs", money(market.risk.expiring_longs).into()),
        ("defined_loss", limit(market.risk.defined_loss)),
        ("short_minimum", money(market.risk.short_minimum).into()),
        (
            "short_minimum_maintenance",
            money(market.risk.short_minimum_maintenance).into(),
        ),
        (
            "oracle_contingency",
            money(market.risk.oracle_contingency).into(),
        ),
        ("liquidity_cost", money(market.risk.liquidity_cost).into()),
        ("unwound_delta", money(market.unwound[0]).into()),
        ("unwound_vega", money(market.unwound[1]).into()),
        (
            "gross_quantity",
            units(market.risk.gross_lots, market.lot_decimals),
        ),
        (
            "owner_quantity",
            units(
                market
                    .risk
                    .gross_lots
                    .saturating_add(market.risk.other_lots),
                market.lot_decimals,
            ),
        ),
        ("gross", money(market.risk.gross).into()),
    ]
}

/// So many lots in units of the underlying.
fn units(lots: u64, decimals: i32) -> Node {
    let lots = i64::try_from(lots).unwrap_or(i64::MAX);
    Lots { lots, decimals }.quantity().into()
}

/// A limit of losses, null where there is none.
fn limit(loss: Money) -> Node {
    match loss {
        MarketRisk::NO_LIMIT => Node::Null,
        loss => money(loss).into(),
    }
}

fn scenario(row: &ScenarioRow) -> Node {
    object([
        ("spot_shock", fraction(row.spot_shock_ppm).into()),
        ("vol_level", VOL_LEVEL_NAMES[row.vol_level].into()),
        ("weight", fraction(row.weight_ppm).into()),
        ("pnl", money(row.pnl).into()),
    ])
}

fn greeks(quote: &Quote) -> Vec<(String, Node)> {
    [
        ("delta", quote.delta),
        ("gamma", quote.gamma),
        ("vega", quote.vega),
        ("theta", quote.theta),
    ]
    .map(|(name, value)| (name.to_owned(), shown(value).into()))
    .to_vec()
}

/// The answer of `risk price`.
pub fn prices(markets: &[MarketQuotes], notes: &Notes) -> Node {
    let market = |market: &MarketQuotes| {
        let series = market.series.iter().map(|series| {
            let price = shown_price(series.quote.price, series.scale);
            let mut fields = vec![
                ("name".to_owned(), series.name.as_str().into()),
                ("price".to_owned(), price.into()),
            ];
            fields.extend(greeks(&series.quote));
            Node::Object(fields)
        });
        let mut fields = vec![("symbol", market.symbol.as_str().into())];
        fields.extend(averages(&market.averages));
        fields.push(("series", Node::List(series.collect())));
        object_of(fields)
    };
    let fields = vec![("markets", Node::List(markets.iter().map(market).collect()))];
    with_notes(fields, notes)
}
