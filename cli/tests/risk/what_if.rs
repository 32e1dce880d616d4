//! `risk margin` with legs that the account might add.

use serde_json::{json, Value};

use super::{answer, number, run, worked_market, NOW};

/// A short call and a perpetual in one market, and one where nothing is held.
fn book() -> Value {
    let market = worked_market(json!([
        {"name": "S", "kind": "spot"},
        {"name": "PERP", "kind": "perp"},
        {"name": "F", "kind": "future", "expiry": 2},
        {"name": "C", "kind": "call", "expiry": 1, "strike": 110},
        {"name": "P", "kind": "put", "expiry": 1, "strike": 90},
    ]));
    let other =
        json!({"symbol": "BTC", "spot": 121662.4, "series": [{"name": "B", "kind": "perp"}]});
    json!({"now": NOW, "markets": [market, other], "account": {
        "cash": 500.25,
        "positions": [
            {"market": "X", "series": "PERP", "quantity": 3.0, "entry": 98.5},
            {"market": "X", "series": "C", "quantity": -7.5},
        ],
    }})
}

fn with(legs: Value, cash: f64) -> Value {
    let mut input = book();
    input["what_if"] = json!({"legs": legs, "cash": cash});
    input
}

fn leg(market: &str, series: &str, quantity: f64) -> Value {
    json!({"market": market, "series": series, "quantity": quantity})
}

/// The answer without what is not about the account.
fn account(answer: &Value) -> Value {
    let mut fields = answer.clone();
    let all = fields.as_object_mut().expect("an object");
    for name in ["rounding", "warnings", "after"] {
        all.remove(name);
    }
    fields
}

#[test]
fn the_account_after_is_the_one_that_traded() {
    let legs = json!([
        {"market": "X", "series": "P", "quantity": 4.0, "price": 0.5},
        {"market": "X", "series": "C", "quantity": 2.5, "price": 1.25},
        {"market": "X", "series": "F", "quantity": -2.0, "price": 101.5},
        {"market": "X", "series": "S", "quantity": 1.5, "price": 99.5},
        {"market": "BTC", "series": "B", "quantity": 0.002, "price": 121000.0},
    ]);
    let got = answer("margin", &with(legs, 10.5));
    assert_eq!(account(&got), account(&answer("margin", &book())));
    let mut traded = book();
    let paid = 4.0 * 0.5 + 2.5 * 1.25 + 1.5 * 99.5;
    traded["account"] = json!({
        "cash": 500.25 + 10.5 - paid,
        "positions": [
            {"market": "X", "series": "PERP", "quantity": 3.0, "entry": 98.5},
            {"market": "X", "series": "C", "quantity": -5.0},
            {"market": "X", "series": "P", "quantity": 4.0},
            {"market": "X", "series": "F", "quantity": -2.0, "entry": 101.5},
            {"market": "X", "series": "S", "quantity": 1.5},
            {"market": "BTC", "series": "B", "quantity": 0.002, "entry": 121000.0},
        ],
    });
    assert_eq!(got["after"], account(&answer("margin", &traded)));
    assert_eq!(
        (&got["rounding"], &got["warnings"]),
        (&json!([]), &json!([]))
    );
}

#[test]
fn a_leg_without_a_price_trades_at_mark() {
    let legs = json!([
        leg("X", "P", -4.0),
        leg("X", "C", 7.5),
        leg("X", "S", 1.5),
        leg("X", "PERP", -3.0),
        leg("BTC", "B", 0.002),
    ]);
    let got = answer("margin", &with(legs, 0.0));
    let equity = |account: &Value| number(&account["equity"]);
    assert!((equity(&got) - equity(&got["after"])).abs() < 1e-5);
    assert!(equity(&got["after"]) <= equity(&got), "rounded against it");
    // The perpetual that closes leaves its gain.
    let positions = &got["after"]["markets"][0]["positions"];
    assert_eq!(positions[0]["quantity"], json!(0));
    let flat = json!([leg("X", "C", 7.5), leg("X", "PERP", -3.0)]);
    let flat = &answer("margin", &with(flat, 0.0))["after"];
    assert_eq!(number(&flat["initial_margin"]), 0.0);
    assert_eq!(number(&flat["gross"]), 0.0);
}

#[test]
fn before_and_after_stand_side_by_side() {
    let input = with(json!([leg("BTC", "B", 0.002), leg("X", "P", 1.0)]), 1.0).to_string();
    let output = run("margin", "table", &input);
    let text = String::from_utf8(output.stdout).expect("text");
    let words = |start: &str| -> Vec<String> {
        let line = text.lines().find(|line| line.trim().starts_with(start));
        let line = line.unwrap_or_else(|| panic!("{start}: {text}"));
        line.split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(words("before"), ["before", "after"]);
    let [before, after] = &words("equity")[1..] else {
        panic!("{text}");
    };
    let number = |text: &String| -> f64 { text.parse().expect("a number") };
    assert!((number(after) - number(before) - 1.0).abs() < 0.011);
    // Only the account after it has positions in the second market.
    assert_eq!(words("initial margin").len(), 4);
    assert_eq!(text.matches("<- worst").count(), 2, "{text}");
}
