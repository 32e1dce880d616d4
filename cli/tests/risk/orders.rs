//! `risk margin` with orders that may still be filled.

use serde_json::{json, Value};

use super::{answer, number, run, worked_market, NOW};

/// Long perpetuals and a short call, and orders on both sides.
fn book(orders: Value) -> Value {
    let market = worked_market(json!([
        {"name": "S", "kind": "spot"},
        {"name": "PERP", "kind": "perp"},
        {"name": "C", "kind": "call", "expiry": 1, "strike": 110},
        {"name": "P", "kind": "put", "expiry": 1, "strike": 90},
    ]));
    json!({"now": NOW, "markets": [market], "account": {
        "cash": 1000,
        "positions": [
            {"market": "X", "series": "PERP", "quantity": 3.0},
            {"market": "X", "series": "C", "quantity": -7.5},
        ],
        "orders": orders,
    }})
}

fn order(series: &str, quantity: f64, price: f64) -> Value {
    json!({"market": "X", "series": series, "quantity": quantity, "price": price})
}

/// The answer without the state with orders.
fn without(answer: &Value) -> Value {
    let mut fields = answer.clone();
    let all = fields.as_object_mut().expect("an object");
    for name in ["rounding", "warnings", "after", "with_orders"] {
        all.remove(name);
    }
    fields
}

#[test]
fn an_order_counts_at_its_worst_case_and_its_limit() {
    let input = |limit: f64| {
        let mut input = book(json!([order("PERP", -2.0, limit)]));
        input["account"]["positions"] = json!([]);
        input
    };
    let got = answer("margin", &input(100.0));
    assert_eq!(number(&got["initial_margin"]), 0.0);
    let with = &got["with_orders"];
    let market = &with["markets"][0];
    // Two short at 100 lose 16 each in the worst node.
    let certified = number(&market["certified_loss"]);
    assert!((32.0..32.001).contains(&certified), "{certified}");
    assert!((200.0..200.001).contains(&number(&market["gross"])));
    assert!((200.0..200.001).contains(&number(&market["unwound_delta"])));
    assert_eq!(with["equity"], got["equity"]);
    assert_eq!(
        market["orders"],
        json!([{"series": "PERP", "quantity": -2, "price": 100}])
    );
    // Sold ten below mark it may lose ten more each; above it gains nothing it could rely on.
    let margin = |limit| number(&answer("margin", &input(limit))["with_orders"]["initial_margin"]);
    let at_mark = margin(100.0);
    assert!((margin(90.0) - at_mark - 20.0).abs() < 0.01);
    assert!(margin(110.0) <= at_mark);
}

#[test]
fn whatever_is_filled_needs_no_more_than_the_orders_did() {
    let orders = [
        ("PERP", -6.0, 99.5),
        ("C", 7.5, 2.5),
        ("P", -4.0, 0.25),
        ("S", 1.5, 101.0),
    ];
    let all = orders.map(|(series, quantity, price)| order(series, quantity, price));
    for others in [0.0, 40.0] {
        let file = |orders: &[Value]| {
            let mut input = book(json!(orders));
            input["markets"][0]["others"] = json!(others);
            input["markets"][0]["parameters"]["unwind_delta_impact"] = json!(1);
            input["markets"][0]["parameters"]["unwind_vega_impact"] = json!(1);
            input
        };
        let got = answer("margin", &file(&all));
        let with = &got["with_orders"];
        let held = answer("margin", &file(&[]));
        assert_eq!(without(&got), without(&held), "without its orders");
        assert_eq!(held.get("with_orders"), None);
        for fills in 0..3u32.pow(4) {
            let mut legs = Vec::new();
            for (place, (series, quantity, price)) in (0..).zip(orders) {
                let share = [0.0, 0.4, 1.0][(fills / 3u32.pow(place) % 3) as usize];
                if share > 0.0 {
                    legs.push(order(series, quantity * share, price));
                }
            }
            let mut filled = file(&[]);
            filled["what_if"] = json!({"legs": legs});
            let after = &answer("margin", &filled)["after"];
            let health = |state: &Value| number(&state["health_initial"]);
            assert!(health(after) + 1e-5 >= health(with), "{fills} {others}");
            let cost = |state: &Value| number(&state["liquidity_cost"]);
            assert!(cost(after) <= cost(with) + 1e-5, "{fills} {others}");
        }
    }
}

#[test]
fn the_columns_name_the_states() {
    let header = |input: Value| -> Vec<String> {
        let output = run("margin", "table", &input.to_string());
        let text = String::from_utf8(output.stdout).expect("text");
        assert_eq!(text.matches("<- worst").count(), 1, "{text}");
        let orders = input["account"]["orders"].as_array().map_or(0, Vec::len);
        let listed = text.contains("order  quantity  limit") && text.contains("  -4    0.5\n");
        assert_eq!(listed, orders > 0, "{text}");
        let words = text.lines().nth(1).expect("a header").split("  ");
        let words = words.map(str::trim).filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    };
    let mut input = book(json!([order("P", -4.0, 0.5)]));
    assert_eq!(header(input.clone()), ["without orders", "with orders"]);
    input["what_if"] = json!({"legs": [order("C", 1.0, 2.0)]});
    assert_eq!(header(input.clone()), ["before", "after", "with orders"]);
    input["account"]["orders"] = json!([]);
    assert_eq!(header(input), ["before", "after"]);
}

#[test]
fn limits_are_rounded_against_the_account() {
    let limit = |quantity: f64| {
        // More digits than a price has beside a spot of a hundred thousand.
        let mut input = book(json!([order("PERP", quantity, 12_345.0)]));
        input["markets"][0]["spot"] = json!(100_000);
        let text = input
            .to_string()
            .replace("12345.0", "99999.00000000000000005");
        let output = run("margin", "json", &text);
        let text = String::from_utf8(output.stdout).expect("text");
        let limit = text.split("\"price\": ").nth(1).expect("a limit");
        let limit = limit.split('}').next().expect("its end").to_owned();
        let rounded = text.contains("account.orders[0].price");
        (limit, rounded)
    };
    assert_eq!(limit(1.0), ("99999.00000000000001".to_owned(), true));
    assert_eq!(limit(-1.0), ("99998.99999999999999".to_owned(), true));
}
