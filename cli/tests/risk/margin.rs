//! `risk margin`: the worked checks, the identities of an answer, units.

use serde_json::{json, Value};

use super::{answer, number, repository_file, run, worked_market, NOW};

const EXPIRY_OF_DAYS: [(&str, usize); 3] = [("2", 0), ("7", 1), ("14", 2)];

/// The margin of the worked book `name`, read from the reference vectors, and its reference losses.
fn worked_book(name: &str) -> (Value, f64, f64) {
    let path = repository_file("crates/risk/tests/vectors/worked.csv");
    let csv = std::fs::read_to_string(path).expect("the reference vectors");
    let row: Vec<&str> = csv
        .lines()
        .map(|line| line.split(',').collect::<Vec<_>>())
        .find(|row| row[0] == name)
        .expect("the book");
    let decimal = |text: &str| -> f64 { text.parse().expect("a decimal") };
    let mut series = vec![json!({"name": "hedge", "kind": "perp"})];
    let mut positions =
        vec![json!({"market": "X", "series": "hedge", "quantity": decimal(row[2]), "entry": 100})];
    for leg in row[1].split_whitespace() {
        let parts: Vec<&str> = leg.split(':').collect();
        let (_, expiry) = EXPIRY_OF_DAYS
            .into_iter()
            .find(|(days, _)| *days == parts[2])
            .expect("an expiry of the worked market");
        series.push(
            json!({"name": leg, "kind": "call", "expiry": expiry, "strike": decimal(parts[1])}),
        );
        positions.push(json!({"market": "X", "series": leg, "quantity": decimal(parts[0])}));
    }
    let account = json!({"cash": 1000, "positions": positions});
    let market = worked_market(Value::Array(series));
    let input = json!({"now": NOW, "markets": [market], "account": account});
    (input, decimal(row[3]), decimal(row[4]))
}

fn losses(input: &Value) -> (f64, f64) {
    let got = answer("margin", input);
    let market = &got["markets"][0];
    (
        number(&market["scan_loss"]),
        number(&market["certified_loss"]),
    )
}

#[test]
fn the_worked_checks_of_the_margin_model() {
    // The loss at a node, except for the butterfly, whose worst point may lie between two.
    for (name, page) in [
        ("short 2-day 110 call", 6.61),
        ("short 7-day 120 call", 3.78),
        ("gamma-neutral short wings", 26.02),
        ("long 2-day butterfly", 2.04),
    ] {
        let (mut input, flat, scaled) = worked_book(name);
        assert!((flat - page).abs() < 0.005, "{name}: {flat}");
        let check = |input: &Value, reference: f64| {
            let (scan, certified) = losses(input);
            // The engine rounds scaled volatility shocks up to a millionth.
            assert!(scan <= reference * 1.00001, "{name}: {scan} {reference}");
            assert!(scan >= reference * 0.99, "{name}: {scan} {reference}");
            assert!(certified >= reference, "{name}: {certified} {reference}");
            assert!(
                certified <= reference * 1.03,
                "{name}: {certified} {reference}"
            );
        };
        check(&input, flat);
        let parameters = &mut input["markets"][0]["parameters"];
        parameters["vol_power_short"] = json!(0.3);
        parameters["vol_power_long"] = json!(0.13);
        check(&input, scaled);
    }
}

/// A book with a balance, a future, options and a tail, in two markets.
fn mixed_book() -> Value {
    let mut market = worked_market(json!([
        {"name": "S", "kind": "spot"},
        {"name": "PERP", "kind": "perp"},
        {"name": "F", "kind": "future", "expiry": 2},
        {"name": "C", "kind": "call", "expiry": 1, "strike": 110},
        {"name": "P", "kind": "put", "expiry": 1, "strike": 90},
    ]));
    market["parameters"]["tails"] =
        json!([{"multiple": -2, "weight": 0.5}, {"multiple": 3, "weight": 0.333333}]);
    let other =
        json!({"symbol": "BTC", "spot": 121662.4, "series": [{"name": "B", "kind": "perp"}]});
    let position = |market: &str, series: &str, quantity: f64, entry: f64| json!({"market": market, "series": series, "quantity": quantity, "entry": entry});
    json!({"now": NOW, "markets": [market, other], "account": {
        "cash": 500.25,
        "balances": [{"symbol": "X", "amount": 2.5}, {"symbol": "USDC", "amount": 99.75}, {"symbol": "USD", "amount": -100}],
        "positions": [
            position("X", "S", -1.25, 97.0),
            position("X", "PERP", 3.0, 98.5),
            position("X", "F", -2.0, 103.25),
            position("X", "C", -7.5, 1.5),
            position("X", "P", 4.0, 0.5),
            position("BTC", "B", 0.002, 120000.0),
        ],
    }})
}

#[test]
fn an_answer_adds_up() {
    let input = mixed_book();
    let got = answer("margin", &input);
    let prices = answer("price", &input);
    let price = |index: usize| number(&prices["markets"][0]["series"][index]["price"]);
    let options = -7.5 * price(3) + 4.0 * price(4);
    let unsettled = 3.0 * 1.5 + 2.0 * 3.25 + 0.002 * 1662.4;
    let owned = 500.0 + 1.25 * 100.0;
    let field = |name: &str| number(&got[name]);
    assert!((field("equity") - (owned + unsettled + options)).abs() < 1e-5);
    assert!((field("senior") - (owned + unsettled.min(0.0) + options.min(0.0))).abs() < 1e-5);
    let markets = got["markets"].as_array().expect("markets");
    let parts = ["certified_loss", "twist", "skew", "basis", "expiring_longs"];
    let added = |parts: &[&str]| -> f64 {
        let of = |market: &serde_json::Value| -> f64 {
            parts.iter().map(|part| number(&market[*part])).sum()
        };
        markets.iter().map(of).sum()
    };
    let alone = added(&parts);
    let scan = &got["scan"]["initial"];
    // Markets without an entry of their own offset nothing.
    assert_eq!(number(&scan["offset"]), 0.0);
    assert!((number(&got["scan"]["sum"]) - added(&parts[..1])).abs() < 2e-6);
    let terms = ["offset_loss", "largest_floor", "sum_floor"].map(|term| number(&scan[term]));
    let scan = number(&scan["scan_loss"]);
    assert_eq!(scan, terms.into_iter().fold(0.0, f64::max));
    let loss = (scan + added(&parts[1..])).min(alone);
    assert!((field("scenario_loss") - loss).abs() < 4e-6);
    assert_eq!(field("scenario_loss_maintenance"), field("scenario_loss"));
    for charge in [
        "short_minimum",
        "short_minimum_maintenance",
        "oracle_contingency",
        "liquidity_cost",
    ] {
        assert!((field(charge) - added(&[charge])).abs() < 2e-6, "{charge}");
    }
    let gross = 3.0 * 100.0 + 2.0 * 100.0 + 7.5 * 100.0 + 0.002 * 121662.4;
    assert!((field("gross") - gross).abs() < 2e-6);
    let costs = field("liquidity_cost") + field("oracle_contingency");
    let initial = (loss + field("short_minimum") + costs).max(gross / 20.0);
    assert!((field("initial_margin") - initial).abs() < 4e-6);
    let costs = field("short_minimum_maintenance") + field("liquidity_cost");
    let maintenance = (0.8 * loss + costs).max(gross / 25.0).min(initial);
    assert!((field("maintenance_margin") - maintenance).abs() < 4e-6);
    for name in ["initial", "maintenance"] {
        let health = field(&format!("health_{name}"));
        let margin = field(&format!("{name}_margin"));
        assert!((field("equity") - margin - health).abs() < 1e-6);
    }
    assert_eq!(got["rounding"], json!([]));
    assert_eq!(got["warnings"], json!([]));
}

#[test]
fn markets_with_tails_elsewhere_add_up() {
    let mut input = mixed_book();
    let scan = |input: &Value| {
        let got = answer("margin", input);
        let scan = &got["scan"];
        let numbers = [
            &scan["offset_floor"],
            &scan["sum"],
            &scan["initial"]["scan_loss"],
        ];
        numbers.map(number)
    };
    // The first rise is three times the range in one market and twice in the other.
    let [floor, sum, loss] = scan(&input);
    assert_eq!((floor, loss), (1.0, sum));
    // Markets that are alike need not lose most at once.
    input["markets"][0]["parameters"]["tails"][1] = json!({"multiple": 2, "weight": 0.5});
    let [floor, sum, loss] = scan(&input);
    assert_eq!(floor, 0.35);
    assert!(loss < sum, "{loss} {sum}");
}

#[test]
fn contributions_add_up_to_the_scan_loss() {
    let got = answer("margin", &mixed_book());
    for market in got["markets"].as_array().expect("markets") {
        let worst = &market["worst_scenario"];
        let scan = number(&market["scan_loss"]);
        let positions = market["positions"].as_array().expect("positions");
        let sum: f64 = positions
            .iter()
            .map(|position| number(&position["contribution"]))
            .sum();
        assert!((sum + scan).abs() < 1e-4, "{sum} {scan}");
        let weighted = number(&worst["pnl"]) * number(&worst["weight"]);
        assert!((weighted + scan).abs() < 1e-5, "{weighted} {scan}");
        let scenarios = market["scenarios"].as_array().expect("scenarios");
        assert!(scenarios.contains(worst));
        for scenario in scenarios {
            let weighted = number(&scenario["pnl"]) * number(&scenario["weight"]);
            assert!(weighted >= -scan - 1e-5, "{scenario}");
        }
    }
    let names: Vec<&Value> = got["markets"][0]["positions"]
        .as_array()
        .expect("positions")
        .iter()
        .map(|position| &position["series"])
        .collect();
    assert_eq!(names, ["X", "S", "PERP", "F", "C", "P"]);
    let count = |market: usize| got["markets"][market]["scenarios"].as_array().map(Vec::len);
    assert_eq!((count(0), count(1)), (Some(29), Some(33)));
}

#[test]
fn every_node_and_tail_can_be_set() {
    let mut input = mixed_book();
    input["markets"][0]["parameters"] = json!({
        "spot_range": 0.2,
        "nodes": [-1, -0.6, -0.4, -0.1, 0, 0.2, 0.4, 0.6, 1],
        "tails": [{"multiple": -5, "weight": 0.4}, {"multiple": 2.5, "weight": 0.3}, {"multiple": 4, "weight": 0}],
        "fall_limit": 0.7,
    });
    let got = answer("margin", &input);
    let scenarios = got["markets"][0]["scenarios"]
        .as_array()
        .expect("scenarios");
    let shocks: Vec<f64> = scenarios
        .iter()
        .skip(18)
        .map(|scenario| number(&scenario["spot_shock"]))
        .collect();
    assert_eq!(
        shocks,
        [-0.2, -0.12, -0.08, -0.02, 0.0, 0.04, 0.08, 0.12, 0.2, -0.7, 0.5]
    );
    let last = scenarios.last().expect("a tail");
    assert_eq!(last["vol_level"], "up");
    assert_eq!(last["weight"], 0.3);
}

#[test]
fn defaults_go_by_symbol() {
    let range = |symbol: &str| {
        let got = answer(
            "margin",
            &json!({"now": NOW, "markets": [{"symbol": symbol, "spot": 10}], "account": {}}),
        );
        number(&got["markets"][0]["scenarios"][8]["spot_shock"])
    };
    assert_eq!(
        ["BTC", "ETH", "SOL", "DOGE"].map(range),
        [0.16, 0.18, 0.3, 0.3]
    );
}

#[test]
fn what_is_rounded_is_said() {
    let mut input = mixed_book();
    input["account"]["positions"][1]["quantity"] = json!(1_234_567.891_25);
    input["account"]["cash"] = json!(0.1234567);
    input["markets"][0]["parameters"]["vol_up"] = json!(0.3333333);
    let got = answer("margin", &input);
    assert_eq!(
        got["rounding"],
        json!([
            {"field": "markets[0].parameters.vol_up", "given": 0.3333333, "used": 0.333333},
            {"field": "account.cash", "given": 0.1234567, "used": 0.123457},
            {"field": "account.positions[1].quantity", "given": 1_234_567.891_25, "used": 1_234_567.891},
        ])
    );
    let position = &got["markets"][0]["positions"][2];
    assert_eq!(position["quantity"], 1_234_567.891);
    let table = run("margin", "table", &input.to_string());
    let text = String::from_utf8(table.stdout).expect("text");
    let line = "rounded: account.cash: 0.1234567 was given, 0.123457 is used";
    assert!(text.contains(line), "{text}");
}

#[test]
fn an_empty_account_needs_nothing() {
    let market = json!({"symbol": "SOL", "spot": 220.5});
    let got = answer(
        "margin",
        &json!({"now": NOW, "markets": [market], "account": {"cash": 7.5}}),
    );
    for (name, value) in [
        ("equity", 7.5),
        ("senior", 7.5),
        ("initial_margin", 0.0),
        ("maintenance_margin", 0.0),
        ("health_initial", 7.5),
        ("health_maintenance", 7.5),
    ] {
        assert_eq!(number(&got[name]), value, "{name}");
    }
    assert_eq!(number(&got["markets"][0]["scan_loss"]), 0.0);
}

#[test]
fn greeks_are_those_of_the_series_times_their_quantities() {
    let input = mixed_book();
    let (got, prices) = (answer("margin", &input), answer("price", &input));
    let quantities = [2.5 - 1.25, 3.0, -2.0, -7.5, 4.0];
    for name in ["delta", "gamma", "vega", "theta"] {
        let series = prices["markets"][0]["series"].as_array().expect("series");
        let sum: f64 = series
            .iter()
            .zip(quantities)
            .map(|(series, quantity)| number(&series[name]) * quantity)
            .sum();
        let greek = number(&got["markets"][0]["greeks"][name]);
        assert!((greek - sum).abs() < 1e-8, "{name}: {greek} {sum}");
    }
}
