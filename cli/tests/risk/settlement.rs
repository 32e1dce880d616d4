//! Expiries whose settlement average is under way.

use serde_json::{json, Value};

use super::{answer, number, worked_market, NOW};

const MINUTE: i64 = 60;

/// The worked market with an expiry so many minutes after its first price, of which the minutes given are recorded at 100,
/// and options on it.
fn market(since: i64, recorded: i64) -> Value {
    let start = NOW - since * MINUTE;
    let mut market = worked_market(json!([
        {"name": "F", "kind": "future", "expiry": 1},
        {"name": "DEEP", "kind": "call", "expiry": 1, "strike": 40},
        {"name": "GONE", "kind": "put", "expiry": 1, "strike": 40},
        {"name": "C", "kind": "call", "expiry": 1, "strike": 100.02},
        {"name": "P", "kind": "put", "expiry": 1, "strike": 100.02},
        {"name": "PERP", "kind": "perp"},
    ]));
    let prices = (0..recorded).map(|minute| json!({"time": start + minute * MINUTE, "price": 100}));
    market["expiries"][1] = json!({
        "time": start + 30 * MINUTE, "vol": 0.6,
        "settlement_prices": prices.collect::<Vec<_>>(),
    });
    market
}

fn input(market: Value) -> Value {
    let positions = [
        ("F", 3.0),
        ("DEEP", 5.0),
        ("C", -2.5),
        ("P", 4.0),
        ("PERP", -1.5),
    ];
    let positions = positions
        .map(|(series, quantity)| json!({"market": "X", "series": series, "quantity": quantity}));
    json!({"now": NOW, "markets": [market], "account": {"cash": 1000, "positions": positions}})
}

/// A figure of a series of the answer to `risk price`.
fn quoted(market: &Value, series: usize, name: &str) -> f64 {
    let got = answer("price", &json!({"now": NOW, "markets": [market]}));
    number(&got["markets"][0]["series"][series][name])
}

#[test]
fn what_is_fixed_and_what_is_to_come_are_shown() {
    // Fifteen minutes over, of which the last three carry a price.
    let mut half = market(15, 12);
    half["spot"] = json!(90);
    let row = json!([{
        "expiry": 1, "time": NOW + 15 * MINUTE, "minutes_fixed": 15, "minutes_to_come": 15,
        "fixed": 50, "share_to_come": 0.5, "forward": 95,
    }]);
    let input = input(half);
    for action in ["price", "margin"] {
        let got = answer(action, &input);
        assert_eq!(got["markets"][0]["settlement_averages"], row, "{action}");
        let text = super::run(action, "table", &input.to_string()).stdout;
        let text = String::from_utf8(text).expect("text");
        let line = text.lines().find(|line| line.contains("expiry 1 "));
        let cells = line.expect(&text).split_whitespace().skip(2);
        let shown = ["1760055300", "15", "15", "50", "0.5", "95"];
        assert!(cells.eq(shown), "{text}");
    }
    let before = answer(
        "price",
        &json!({"now": NOW, "markets": [worked_market(json!([]))]}),
    );
    assert_eq!(before["markets"][0]["settlement_averages"], Value::Null);
}

#[test]
fn a_share_is_fixed_and_the_rest_moves() {
    let mut half = market(15, 15);
    half["spot"] = json!(90);
    let price = |series| quoted(&half, series, "price");
    let delta = |series| quoted(&half, series, "delta");
    // The future and the call struck below what is fixed are certain but for spot; the put there is gone.
    assert_eq!((price(0), delta(0)), (95.0, 0.5));
    assert_eq!((price(1), delta(1)), (55.0, 0.5));
    for name in ["price", "delta", "gamma", "vega", "theta"] {
        assert_eq!(quoted(&half, 2, name), 0.0, "{name}");
    }
    let parity = price(3) - price(4);
    assert!((parity - (95.0 - 100.02)).abs() < 1e-9, "{parity}");
    assert!((delta(3) - delta(4) - 0.5).abs() < 1e-9);
}

#[test]
fn quotes_and_the_engine_agree() {
    for (since, recorded) in [(0, 0), (1, 1), (15, 12), (29, 25), (31, 30), (50, 7)] {
        let input = input(market(since, recorded));
        let prices = answer("price", &input);
        let series = &prices["markets"][0]["series"];
        let price = |index: usize| number(&series[index]["price"]);
        let options = 5.0 * price(1) - 2.5 * price(3) + 4.0 * price(4);
        let got = answer("margin", &input);
        // Futures are entered at mark.
        let equity = number(&got["equity"]);
        assert!(
            (equity - 1_000.0 - options).abs() < 2e-5,
            "{equity} {options}"
        );
        let delta = |index: usize| number(&series[index]["delta"]);
        let book = 3.0 * delta(0) + 5.0 * delta(1) - 2.5 * delta(3) + 4.0 * delta(4) - 1.5;
        assert!((number(&got["markets"][0]["greeks"]["delta"]) - book).abs() < 1e-9);
    }
}

#[test]
fn greeks_are_those_of_what_is_to_come() {
    let base = market(15, 15);
    let price = |spot: f64| {
        let mut market = base.clone();
        market["spot"] = json!(spot);
        quoted(&market, 3, "price")
    };
    let slope = (price(100.001) - price(99.999)) / 0.002;
    let delta = quoted(&base, 3, "delta");
    assert!((delta - slope).abs() < 1e-4, "{delta} {slope}");
    let bend = (price(100.02) - 2.0 * price(100.0) + price(99.98)) / 0.0004;
    let gamma = quoted(&base, 3, "gamma");
    assert!((gamma / bend - 1.0).abs() < 0.01, "{gamma} {bend}");
    let at_vol = |vol: f64| {
        let mut market = base.clone();
        market["expiries"][1]["vol"] = json!(vol);
        quoted(&market, 3, "price")
    };
    let slope = (at_vol(0.601) - at_vol(0.599)) / 0.002;
    let vega = quoted(&base, 3, "vega");
    assert!((vega / slope - 1.0).abs() < 1e-3, "{vega} {slope}");
}

#[test]
fn without_prices_the_window_counts_all_the_same() {
    let listed = input(market(10, 0));
    let mut left_out = listed.clone();
    let expiry = left_out["markets"][0]["expiries"][1].as_object_mut();
    expiry.expect("an object").remove("settlement_prices");
    assert_eq!(answer("margin", &listed), answer("margin", &left_out));
    // A step down of the price at the beginning: 30 minutes of variance become 10.5.
    let price = |since: i64| {
        let mut market = market(since, 0);
        market["series"][3]["strike"] = json!(100);
        market["expiries"][1]["time"] = json!(NOW + 1_800 - since);
        quoted(&market, 3, "price")
    };
    let (before, after) = (price(-1), price(0));
    let root = (631.0f64 / 1_801.0).sqrt();
    assert!((after / before - root).abs() < 1e-4, "{before} {after}");
    // A forward given is not the forward any more.
    left_out["markets"][0]["expiries"][1]["forward"] = json!(101);
    let got = answer("margin", &left_out);
    let warning = json!({
        "field": "markets[0].expiries[1].forward",
        "message": "has no effect: the settlement average is under way",
    });
    assert_eq!(got["warnings"], json!([warning]));
    assert_eq!(got["equity"], answer("margin", &listed)["equity"]);
}

#[test]
fn cheap_tokens_have_averages_of_as_many_digits() {
    let scaled = |scale: f64| {
        let mut market = market(10, 10);
        market["spot"] = json!(90.0 * scale);
        let prices = market["expiries"][1]["settlement_prices"].as_array_mut();
        for price in prices.expect("a list") {
            price["price"] = json!(100.0 * scale);
        }
        market["series"][3]["strike"] = json!(95.5 * scale);
        quoted(&market, 0, "price") / scale
    };
    assert!((scaled(1.0) - 280.0 / 3.0).abs() < 1e-7);
    assert!(
        (scaled(1e-7) - 280.0 / 3.0).abs() < 1e-7,
        "{}",
        scaled(1e-7)
    );
}

#[test]
fn a_liquidation_starts_from_the_same_margin() {
    let mut input = input(market(15, 12));
    input["account"]["cash"] = json!(-284);
    let margin = answer("margin", &input);
    let plan = super::portfolio::run(["liquidation", "plan"], "json", &input.to_string());
    assert!(
        plan.status.success(),
        "{}",
        String::from_utf8_lossy(&plan.stderr)
    );
    let plan: Value = serde_json::from_slice(&plan.stdout).expect("JSON");
    for name in ["equity", "initial_margin", "maintenance_margin"] {
        assert_eq!(plan["before"][name], margin[name], "{name}");
    }
    assert_eq!(plan["liquidatable"], true);
    assert_eq!(plan["end"], "healthy", "{plan}");
}
