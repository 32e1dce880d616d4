//! The answer as JSON: the names are an interface.

use estuary_risk::units::Money;

use crate::risk::input::lot;
use crate::risk::json::{object, Node};
use crate::risk::notes::Notes;
use crate::risk::output::{fraction, money, with_notes};

use super::plan::{Call, End, Health, Left, MarketTerms, Plan, Step};

/// The answer of `liquidation plan`.
pub fn plan(plan: &Plan, notes: &Notes) -> Node {
    let fields = vec![
        ("end", end(plan.end).into()),
        (
            "liquidatable",
            Node::Bool(plan.before.report.is_liquidatable()),
        ),
        ("before", health(&plan.before)),
        ("after", health(&plan.after)),
        ("cash", amount(plan.cash)),
        ("deficit", amount(plan.deficit())),
        ("totals", totals(plan)),
        ("calls", list(&plan.calls, call)),
        ("left", list(&plan.left, left)),
        ("markets", list(&plan.markets, terms)),
    ];
    with_notes(fields, notes)
}

/// The end in one word.
fn end(end: End) -> &'static str {
    match end {
        End::Healthy => "healthy",
        End::Flat => "flat",
        End::Deficit => "deficit",
        End::Unhealthy => "unhealthy",
    }
}

fn amount(value: Money) -> Node {
    money(value).into()
}

fn list<T>(items: &[T], one: impl Fn(&T) -> Node) -> Node {
    Node::List(items.iter().map(one).collect())
}

fn whole(value: i64) -> Node {
    Node::Number(value.to_string())
}

fn health(health: &Health) -> Node {
    object([
        ("equity", amount(health.report.equity)),
        ("initial_margin", amount(health.report.initial_margin)),
        (
            "maintenance_margin",
            amount(health.report.maintenance_margin),
        ),
        ("target", amount(health.target)),
        ("health_maintenance", amount(health.health)),
    ])
}

fn totals(plan: &Plan) -> Node {
    let count = |count: usize| Node::Number(count.to_string());
    object([
        ("calls", count(plan.calls.len())),
        ("takes", count(plan.steps().count())),
        ("payment", amount(plan.payment())),
        ("discount", amount(plan.discount())),
    ])
}

fn call(call: &Call) -> Node {
    object([
        ("before", health(&call.before)),
        ("takes", list(&call.takes, step)),
        ("cash", amount(call.cash)),
    ])
}

fn step(step: &Step) -> Node {
    object([
        ("market", step.market.as_str().into()),
        ("series", step.series.as_str().into()),
        ("of_share", Node::Bool(step.of_share)),
        ("quantity", step.taken.quantity().into()),
        ("held", step.held.quantity().into()),
        ("lots", whole(step.taken.lots)),
        ("lots_held", whole(step.held.lots)),
        ("payment", amount(step.payment)),
        ("discount", amount(step.discount)),
        ("before", health(&step.before)),
        ("after", health(&step.after)),
    ])
}

fn left(left: &Left) -> Node {
    object([
        ("market", left.market.as_str().into()),
        ("series", left.series.as_str().into()),
        ("quantity", left.lots.quantity().into()),
        ("lots", whole(left.lots.lots)),
    ])
}

fn terms(market: &MarketTerms) -> Node {
    object([
        ("symbol", market.symbol.as_str().into()),
        ("lot", lot(market.lot_decimals).into()),
        ("delta", fraction(market.discount.delta_ppm.into()).into()),
        ("vega", fraction(market.discount.vega_ppm.into()).into()),
    ])
}
