//! Every wrong field is an error that names it and its place.

use serde_json::{json, Value};

use super::{run, DAY, NOW};

fn portfolio() -> Value {
    json!({
        "now": NOW,
        "markets": [
            {"symbol": "BTC", "spot": 121662.4},
            {
                "symbol": "SOL",
                "spot": 220.5,
                "confidence": 0.1,
                "price_age": 3,
                "parameters": {
                    "spot_range": 0.3,
                    "nodes": [-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1],
                    "tails": [{"multiple": -2, "weight": 0.5}, {"multiple": 2, "weight": 0.5}],
                },
                "expiries": [
                    {"time": NOW + 7 * DAY, "vol": 0.8},
                    {"time": NOW + 30 * DAY, "forward": 221,
                     "smile": {"atm_vol": 0.7, "rho": -0.2, "phi": 1.5}},
                ],
                "series": [
                    {"name": "P", "kind": "perp"},
                    {"name": "F", "kind": "future", "expiry": 1},
                    {"name": "C", "kind": "call", "expiry": 0, "strike": 230},
                ],
            },
        ],
        "account": {
            "cash": 100,
            "balances": [{"symbol": "SOL", "amount": 1}, {"symbol": "USDC", "amount": 5}],
            "positions": [{"market": "SOL", "series": "P", "quantity": -2, "entry": 221}],
        },
    })
}

fn refused(action: &str, input: &str) -> String {
    let output = run(action, "json", input);
    let message = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert_eq!(output.stdout, b"", "nothing on standard output");
    assert!(!message.contains("panicked"), "{message}");
    message.trim_end().to_owned()
}

/// What a change makes of the portfolio: `None` removes the field.
fn with(pointer: &str, value: Option<Value>) -> String {
    let mut input = portfolio();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    let parent = input.pointer_mut(parent).expect("the parent exists");
    match (parent, value) {
        (Value::Array(items), Some(value)) => {
            let index: usize = name.parse().expect("an index");
            if index == items.len() {
                items.push(value);
            } else {
                items[index] = value;
            }
        }
        (Value::Object(fields), Some(value)) => {
            fields.insert(name.to_owned(), value);
        }
        (Value::Object(fields), None) => {
            fields.remove(name).expect("the field exists");
        }
        (other, _) => panic!("{other}"),
    }
    input.to_string()
}

#[test]
fn the_portfolio_itself_is_accepted() {
    for action in ["margin", "price"] {
        let output = run(action, "json", &portfolio().to_string());
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{message}");
    }
}

#[test]
fn a_wrong_field_is_named_with_its_place() {
    let set = |pointer, value| (pointer, Some(value));
    let cases: Vec<((&str, Option<Value>), &str)> = vec![
        // Unknown fields, at every level.
        (set("/nonce", json!(1)), "nonce: unknown field"),
        (
            set("/markets/1/color", json!(1)),
            "markets[1].color: unknown field",
        ),
        (
            set("/markets/1/parameters/vol", json!(1)),
            "markets[1].parameters.vol: unknown field",
        ),
        (
            set("/markets/1/parameters/tails/0/share", json!(1)),
            "markets[1].parameters.tails[0].share: unknown field",
        ),
        (
            set("/markets/1/expiries/0/basis", json!(1)),
            "markets[1].expiries[0].basis: unknown field",
        ),
        (
            set("/markets/1/expiries/1/smile/sigma", json!(1)),
            "markets[1].expiries[1].smile.sigma: unknown field",
        ),
        (
            set("/markets/1/series/2/style", json!(1)),
            "markets[1].series[2].style: unknown field",
        ),
        (
            set("/account/owner", json!(1)),
            "account.owner: unknown field",
        ),
        (
            set("/account/balances/0/mint", json!(1)),
            "account.balances[0].mint: unknown field",
        ),
        (
            set("/account/positions/0/side", json!(1)),
            "account.positions[0].side: unknown field",
        ),
        // Missing fields.
        (("/now", None), "now: missing"),
        (("/markets", None), "markets: missing"),
        (("/markets/0/symbol", None), "markets[0].symbol: missing"),
        (("/markets/1/spot", None), "markets[1].spot: missing"),
        (
            ("/markets/1/expiries/1/time", None),
            "markets[1].expiries[1].time: missing",
        ),
        (
            ("/markets/1/expiries/1/smile/phi", None),
            "markets[1].expiries[1].smile.phi: missing",
        ),
        (
            ("/markets/1/expiries/0/vol", None),
            "markets[1].expiries[0].vol: missing; give vol or smile",
        ),
        (
            ("/markets/1/series/2/strike", None),
            "markets[1].series[2].strike: missing",
        ),
        (
            ("/markets/1/series/2/expiry", None),
            "markets[1].series[2].expiry: missing",
        ),
        (
            ("/markets/1/series/1/expiry", None),
            "markets[1].series[1].expiry: missing",
        ),
        (
            ("/markets/1/series/0/kind", None),
            "markets[1].series[0].kind: missing",
        ),
        (
            ("/account/positions/0/quantity", None),
            "account.positions[0].quantity: missing",
        ),
        (
            set("/markets/1/spot", Value::Null),
            "markets[1].spot: missing",
        ),
        // Wrong types.
        (
            set("/now", json!("today")),
            "now: expected a number, found a string",
        ),
        (set("/now", json!(1.5)), "now: 1.5 must be a whole number"),
        (
            set("/markets", json!({})),
            "markets: expected an array, found an object",
        ),
        (
            set("/markets/0", json!([])),
            "markets[0]: expected an object, found an array",
        ),
        (
            set("/markets/0/symbol", json!(7)),
            "markets[0].symbol: expected a string, found a number",
        ),
        (
            set("/markets/0/symbol", json!("")),
            "markets[0].symbol: must not be empty",
        ),
        (
            set("/markets/1/spot", json!("220.5")),
            "markets[1].spot: expected a number, found a string",
        ),
        (
            set("/markets/1/series/2/expiry", json!(true)),
            "markets[1].series[2].expiry: expected a number, found a boolean",
        ),
        // Numbers out of range.
        (
            set("/markets/1/spot", json!(0)),
            "markets[1].spot: 0 must be above 0",
        ),
        (
            set("/markets/1/spot", json!(-1)),
            "markets[1].spot: -1 must be above 0",
        ),
        (
            set("/markets/1/confidence", json!(-1)),
            "markets[1].confidence: -1 must not be below 0",
        ),
        (
            set("/markets/1/price_age", json!(-1)),
            "markets[1].price_age: -1 must not be below 0",
        ),
        (
            set("/markets/1/expiries/0/vol", json!(0)),
            "markets[1].expiries[0].vol: 0 is outside 0.005..12",
        ),
        (
            set("/markets/1/expiries/0/vol", json!(12.1)),
            "markets[1].expiries[0].vol: 12.1 is outside 0.005..12",
        ),
        (
            set("/markets/1/series/2/vol", json!(0.001)),
            "markets[1].series[2].vol: 0.001 is outside 0.005..12",
        ),
        (
            set("/markets/1/series/2/strike", json!(-230)),
            "markets[1].series[2].strike: -230 must be above 0",
        ),
        (
            set("/markets/1/expiries/1/forward", json!(0)),
            "markets[1].expiries[1].forward: 0 must be above 0",
        ),
        (
            set("/markets/1/expiries/1/forward", json!(441)),
            "markets[1].expiries[1].forward: 441 is outside half to twice the spot price",
        ),
        (
            set("/account/positions/0/entry", json!(-1)),
            "account.positions[0].entry: -1 must not be below 0",
        ),
        (
            set("/account/cash", json!(1e13)),
            "account.cash: 10000000000000 does not fit 64 bits of micro-units",
        ),
        (
            set("/account/positions/0/quantity", json!(1e26)),
            "account.balances[0].amount: the market's quantities are too large",
        ),
        (
            set("/account/cash", json!(1e-200)),
            "account.cash: 1e-200 has more than 27 digits or 99 decimals",
        ),
        // Smiles.
        (
            set("/markets/1/expiries/1/smile/atm_vol", json!(13)),
            "markets[1].expiries[1].smile.atm_vol: 13 is outside 0.005..12",
        ),
        (
            set("/markets/1/expiries/1/smile/rho", json!(0.96)),
            "markets[1].expiries[1].smile.rho: must lie in -0.95..0.95",
        ),
        (
            set("/markets/1/expiries/1/smile/phi", json!(-1)),
            "markets[1].expiries[1].smile.phi: -1 is out of range",
        ),
        (
            set("/markets/1/expiries/1/smile/phi", json!(300)),
            "markets[1].expiries[1].smile.phi: must lie in 0..256",
        ),
        (
            set("/markets/1/expiries/1/smile/phi", json!(100)),
            "markets[1].expiries[1].smile.phi: butterfly arbitrage",
        ),
        // Times.
        (
            set("/markets/1/expiries/0/time", json!(NOW)),
            "markets[1].expiries[0].time: 1760054400 is not after now (1760054400): only one with settlement_prices may be over",
        ),
        (
            set("/markets/1/expiries/0/time", json!(NOW - DAY)),
            "markets[1].expiries[0].time: 1759968000 is not after now (1760054400)",
        ),
        (
            set("/markets/1/expiries/0/time", json!(NOW + 4000 * DAY)),
            "markets[1].expiries[0].time: 2105654400 is more than ten years after now (1760054400)",
        ),
        (
            set("/markets/1/expiries/0/settlement_prices", json!(1)),
            "markets[1].expiries[0].settlement_prices: expected an array, found a number",
        ),
        (
            set(
                "/markets/1/expiries/0/settlement_prices",
                json!([{"time": NOW - 60, "price": 220}]),
            ),
            "markets[1].expiries[0].settlement_prices: the settlement window, the 30 minutes before 1760659200, begins after now (1760054400)",
        ),
        (
            set(
                "/markets/1/expiries/0",
                json!({"time": NOW + 60, "vol": 0.8, "settlement_prices": [{"time": NOW - 60, "price": 0}]}),
            ),
            "markets[1].expiries[0].settlement_prices[0].price: 0 must be above 0",
        ),
        (
            set(
                "/markets/1/expiries/0",
                json!({"time": NOW + 60, "vol": 0.8, "settlement_prices": [
                    {"time": NOW - 60, "price": 220}, {"time": NOW - 61, "price": 220}]}),
            ),
            "markets[1].expiries[0].settlement_prices[1].time: 1760054339 is not in a later minute of the window than the price before it",
        ),
        // Fields that exclude each other.
        (
            set("/markets/1/expiries/1/vol", json!(0.7)),
            "markets[1].expiries[1].smile: give either vol or smile, not both",
        ),
        (
            set("/markets/1/series/0/expiry", json!(0)),
            "markets[1].series[0].expiry: only futures and options have an expiry",
        ),
        (
            set("/markets/1/series/0/strike", json!(1)),
            "markets[1].series[0].strike: only options have a strike",
        ),
        (
            set("/markets/1/series/1/vol", json!(1)),
            "markets[1].series[1].vol: only options have a volatility",
        ),
        // References.
        (
            set("/markets/1/series/2/expiry", json!(2)),
            "markets[1].series[2].expiry: 2 is not an index of this market's 2 expiries",
        ),
        (
            set("/markets/1/series/2/expiry", json!(-1)),
            "markets[1].series[2].expiry: -1 is out of range",
        ),
        (
            set("/markets/1/series/2/kind", json!("straddle")),
            "markets[1].series[2].kind: unknown kind straddle",
        ),
        (
            set("/markets/1/series/2/name", json!("P")),
            "markets[1].series[2].name: a second series P",
        ),
        (
            set("/markets/1/symbol", json!("BTC")),
            "markets[1].symbol: a second market BTC",
        ),
        (
            set("/markets/1/symbol", json!("USDC")),
            "markets[1].symbol: USDC is the settlement token",
        ),
        (
            set("/account/balances/0/symbol", json!("ETH")),
            "account.balances[0].symbol: no market ETH in this file",
        ),
        (
            set("/account/positions/0/market", json!("ETH")),
            "account.positions[0].market: no market ETH in this file",
        ),
        (
            set("/account/positions/0/series", json!("Q")),
            "account.positions[0].series: no series Q in market SOL",
        ),
        // Scenario parameters.
        (
            set("/markets/1/parameters/spot_range", json!(0)),
            "markets[1].parameters.spot_range: must be at least 0.01 and below fall_limit (0.9)",
        ),
        (
            set("/markets/1/parameters/spot_range", json!(-0.1)),
            "markets[1].parameters.spot_range: -0.1 is out of range",
        ),
        (
            set("/markets/1/parameters/fall_limit", json!(0.96)),
            "markets[1].parameters.fall_limit: must be above 0 and leave at least 5% of spot",
        ),
        (
            set("/markets/1/parameters/vol_up", json!(0.64)),
            "markets[1].parameters.vol_up: raises volatility by more than 175%",
        ),
        (
            set("/markets/1/parameters/vol_down", json!(0.4)),
            "markets[1].parameters.vol_down: leaves less than 10%",
        ),
        (
            set("/markets/1/parameters/vol_power_short", json!(1.1)),
            "markets[1].parameters.vol_power_short: must be at most 1",
        ),
        (
            set("/markets/1/parameters/vol_power_long", json!(1.1)),
            "markets[1].parameters.vol_power_long: must be at most 1",
        ),
        (
            set("/markets/1/parameters/nodes", json!([-1, 0, 1])),
            "markets[1].parameters.nodes: needs 9 nodes, found 3",
        ),
        (
            set("/markets/1/parameters/nodes/4", json!(0.1)),
            "markets[1].parameters.nodes: must rise from -1 to 1",
        ),
        (
            set("/markets/1/parameters/nodes/1", json!("x")),
            "markets[1].parameters.nodes[1]: expected a number, found a string",
        ),
        (
            set("/markets/1/parameters/tails/0/multiple", json!(-1)),
            "markets[1].parameters.tails: multiples must move outwards",
        ),
        (
            set("/markets/1/parameters/tails/1/multiple", json!(20)),
            "markets[1].parameters.tails: multiples must move outwards",
        ),
        (
            set("/markets/1/parameters/tails/0/weight", json!(1.5)),
            "markets[1].parameters.tails: weights must lie in 0..1",
        ),
        (
            set(
                "/markets/1/parameters/tails/2",
                json!({"multiple": -3, "weight": 0.1}),
            ),
            "markets[1].parameters.tails[2].multiple: falls come before rises",
        ),
    ];
    for ((pointer, value), expected) in cases {
        let input = with(pointer, value);
        let message = refused("margin", &input);
        let expected = format!("error: {expected}");
        assert!(message.starts_with(&expected), "{message}\n{expected}");
    }
}

#[test]
fn what_is_no_json_object_is_refused() {
    assert!(refused("margin", "").starts_with("error: input: "));
    assert!(refused("margin", "[]").starts_with("error: input: expected an object"));
    let message = refused("price", "{\"now\": 1,\n \"markets\": [1, }");
    assert!(message.contains("markets[1]"), "{message}");
    let twice = portfolio().to_string().replacen("{\"", "{\"now\":1,\"", 1);
    assert_eq!(refused("price", &twice), "error: now: given twice");
    let digits = "1".repeat(30);
    let long = format!("{{\"now\": {digits}, \"markets\": []}}");
    let message = refused("price", &long);
    assert!(message.starts_with("error: now: "), "{message}");
}

#[test]
fn a_leg_to_add_is_checked_as_a_position_is() {
    let leg = json!({"market": "SOL", "series": "P", "quantity": 1, "price": 220});
    let cases = [
        ("market", json!("ETH"), "no market ETH in this file"),
        ("series", json!("Q"), "no series Q in market SOL"),
        ("quantity", json!(0), "must not be 0"),
        ("quantity", Value::Null, "missing"),
        (
            "quantity",
            json!(1e26),
            "the market's quantities are too large",
        ),
        ("price", json!(0), "0 must be above 0"),
        ("price", json!(-1), "-1 must be above 0"),
        ("entry", json!(1), "unknown field"),
    ];
    let refused_with = |what_if: Value| {
        let mut input = portfolio();
        input["what_if"] = what_if;
        refused("margin", &input.to_string())
    };
    for (field, value, message) in cases {
        let mut bad = leg.clone();
        bad[field] = value;
        let error = refused_with(json!({"legs": [bad]}));
        // A position of the market stands for all its quantities.
        let place = match message.contains("market's") {
            true => "account.balances[0].amount".to_owned(),
            false => format!("what_if.legs[0].{field}"),
        };
        let wanted = format!("error: {place}: {message}");
        assert!(error.starts_with(&wanted), "{error}");
    }
    let option = json!({"market": "SOL", "series": "C", "quantity": 1, "price": -1});
    assert_eq!(
        refused_with(json!({"legs": [option]})),
        "error: what_if.legs[0].price: -1 must not be below 0"
    );
    assert_eq!(
        refused_with(json!({"legs": [leg, leg]})),
        "error: what_if.legs[1]: a second leg in the same series"
    );
    assert_eq!(
        refused_with(json!({"cash": 1e13})),
        "error: what_if.cash: 10000000000000 does not fit 64 bits of micro-units"
    );
    let unknown = refused_with(json!({"fees": 1}));
    assert!(unknown.starts_with("error: what_if.fees: unknown field"));
    let mut alone = portfolio();
    alone.as_object_mut().expect("an object").remove("account");
    alone["what_if"] = json!({});
    assert_eq!(
        refused("margin", &alone.to_string()),
        "error: account: missing"
    );
}

#[test]
fn wrong_orders_are_named() {
    let order = json!({"market": "SOL", "series": "C", "quantity": 1, "price": 2});
    let refused_with = |field: &str, value: Value| {
        let mut input = portfolio();
        let mut bad = order.clone();
        bad[field] = value;
        input["account"]["orders"] = json!([order, bad]);
        refused("margin", &input.to_string())
    };
    for (field, value, message) in [
        ("market", json!("DOGE"), "no market DOGE in this file"),
        ("series", json!("?"), "no series ? in market SOL"),
        ("quantity", json!(0), "must not be 0"),
        ("quantity", json!("1"), "expected a number, found a string"),
        ("price", Value::Null, "missing"),
        ("price", json!(-1), "-1 must not be below 0"),
        ("entry", json!(1), "unknown field"),
    ] {
        let wanted = format!("error: account.orders[1].{field}: {message}");
        let error = refused_with(field, value);
        assert!(error.starts_with(&wanted), "{error}");
    }
    let too_many = refused_with("quantity", json!(1e15));
    assert!(
        too_many.contains("too large") || too_many.contains("do not fit 64 bits"),
        "{too_many}"
    );
}

#[test]
fn margin_needs_an_account_and_price_does_not() {
    let mut input = portfolio();
    input.as_object_mut().expect("an object").remove("account");
    let input = input.to_string();
    assert_eq!(refused("margin", &input), "error: account: missing");
    assert!(run("price", "json", &input).status.success());
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_estuary"))
        .args(["risk", "margin", "--input", "/no/such/file.json"])
        .output()
        .expect("the binary starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("/no/such/file.json"), "{message}");
}
