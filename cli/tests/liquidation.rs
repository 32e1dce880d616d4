//! `estuary liquidation plan`, through the binary a person runs.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test may add two numbers"
)]

#[path = "common/portfolio.rs"]
mod portfolio;

use portfolio::{repository_file, run, with_block};
use serde_json::{json, Value};

const PAGE: &str = "docs/liquidation-cli.md";
const EXAMPLE: &str = "cli/examples/liquidation.json";
const NOW: i64 = 1_760_054_400;
const DAY: i64 = 86_400;

fn text_of(path: &str) -> String {
    std::fs::read_to_string(repository_file(path)).expect(path)
}

/// What a command prints for a portfolio that must be accepted.
fn printed(command: [&str; 2], format: &str, input: &str) -> String {
    let output = run(command, format, input);
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{message}");
    String::from_utf8(output.stdout).expect("text")
}

fn answer(command: [&str; 2], input: &Value) -> Value {
    serde_json::from_str(&printed(command, "json", &input.to_string())).expect("JSON")
}

/// The plan of a portfolio, with the identities of every plan checked.
fn plan(input: &Value) -> Value {
    let got = answer(["liquidation", "plan"], input);
    check(&got);
    got
}

fn table(input: &Value) -> String {
    printed(["liquidation", "plan"], "table", &input.to_string())
}

/// Money in micro-units.
fn micro(value: &Value) -> i64 {
    let number = value.as_f64().unwrap_or_else(|| panic!("{value}"));
    (number * 1e6).round() as i64
}

fn items(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value}"))
}

fn whole(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("{value}"))
}

/// An amount rounded by at most a micro-unit.
fn assert_near(value: &Value, exact: i64, what: &str) {
    assert!((micro(value) - exact).abs() <= 1, "{what}: {value} {exact}");
}

/// What holds of every plan, whatever the portfolio.
fn check(got: &Value) {
    let health = |state: &Value| micro(&state["health_maintenance"]);
    let mut state = &got["before"];
    let (mut payment, mut discount, mut takes) = (0, 0, 0);
    for call in items(&got["calls"]) {
        assert_eq!(&call["before"], state);
        assert!(health(state) < 0, "only an unhealthy account is liquidated");
        let mut of_call = 0;
        for take in items(&call["takes"]) {
            assert_eq!(
                &take["before"], state,
                "each take starts where the last ended"
            );
            state = &take["after"];
            let (lots, held) = (whole(&take["lots"]), whole(&take["lots_held"]));
            assert!(lots != 0 && lots.signum() == held.signum(), "{take}");
            assert!(lots.abs() <= held.abs(), "{take}");
            if take["of_share"] == false {
                assert!(health(state) > health(&take["before"]), "{take}");
            }
            // Marks of the lots taken and of those left are rounded.
            let fall = micro(&take["before"]["equity"]) - micro(&state["equity"]);
            assert!((fall - micro(&take["discount"])).abs() <= 2, "{take}");
            payment += micro(&take["payment"]);
            of_call += micro(&take["discount"]);
            takes += 1;
        }
        assert!(health(state) > health(&call["before"]), "{call}");
        assert!(of_call <= micro(&call["before"]["equity"]).max(0), "{call}");
        discount += of_call;
    }
    assert_eq!(&got["after"], state);
    let totals = &got["totals"];
    assert_eq!(whole(&totals["calls"]), items(&got["calls"]).len() as i64);
    assert_eq!(whole(&totals["takes"]), takes);
    assert_eq!(micro(&totals["payment"]), payment);
    assert_eq!(micro(&totals["discount"]), discount);
    assert_eq!(
        micro(&got["deficit"]),
        (-micro(&got["after"]["equity"])).max(0)
    );
}

/// One market at 100 with a month of options at 60%; no tails, lots of one unit.
fn portfolio(cash: f64, positions: Value) -> Value {
    json!({
        "now": NOW,
        "markets": [{
            "symbol": "X",
            "spot": 100,
            "lot": 1,
            "parameters": {"spot_range": 0.16, "tails": []},
            "expiries": [{"time": NOW + 30 * DAY, "vol": 0.6}],
            "series": [
                {"name": "PERP", "kind": "perp"},
                {"name": "SPOT", "kind": "spot"},
                {"name": "C90", "kind": "call", "expiry": 0, "strike": 90},
                {"name": "C110", "kind": "call", "expiry": 0, "strike": 110},
                {"name": "P90", "kind": "put", "expiry": 0, "strike": 90},
            ],
        }],
        "account": {"cash": cash, "positions": positions},
    })
}

fn position(series: &str, quantity: f64) -> Value {
    json!({"market": "X", "series": series, "quantity": quantity})
}

#[test]
fn a_healthy_account_has_an_empty_plan() {
    // 100 units need 1,600 initial and 1,280 maintenance margin, and what the bound between the nodes adds.
    let input = portfolio(1_650.0, json!([position("PERP", 100.0)]));
    let got = plan(&input);
    assert_eq!(got["end"], "healthy");
    assert_eq!(got["liquidatable"], false);
    assert_eq!(got["calls"], json!([]));
    assert_eq!(got["before"], got["after"]);
    assert_eq!(got["left"][0]["quantity"], 100);
    let text = table(&input);
    assert!(text.contains("Healthy: equity is not below"), "{text}");
    assert!(!text.contains("Call 1"), "{text}");
}

#[test]
fn one_unit_on_either_side_of_the_line() {
    let at = |cash: f64| plan(&portfolio(cash, json!([position("PERP", 100.0)])));
    let maintenance = micro(&at(2_000.0)["before"]["maintenance_margin"]);
    let exactly = at(maintenance as f64 / 1e6);
    assert_eq!(micro(&exactly["before"]["health_maintenance"]), 0);
    assert_eq!(exactly["calls"], json!([]));
    let below = at((maintenance - 1) as f64 / 1e6);
    assert_eq!(micro(&below["before"]["health_maintenance"]), -1);
    assert_eq!(items(&below["calls"]).len(), 1);
    assert_eq!(below["end"], "healthy");
}

#[test]
fn a_perpetual_is_reduced_to_the_target_and_no_further() {
    let got = plan(&portfolio(1_200.0, json!([position("PERP", 100.0)])));
    assert_eq!(
        (got["end"].as_str(), items(&got["calls"]).len()),
        (Some("healthy"), 1)
    );
    let take = &got["calls"][0]["takes"][0];
    assert_eq!(
        (&take["market"], &take["series"]),
        (&json!("X"), &json!("PERP"))
    );
    assert_eq!(
        (whole(&take["lots_held"]), &take["held"]),
        (100, &json!(100))
    );
    let lots = whole(&take["lots"]);
    assert_near(&take["discount"], lots * 500_000, "0.5% of 100 a unit");
    assert_near(&take["payment"], lots * 99_500_000, "value less discount");
    let after = &got["after"];
    let beyond = micro(&after["equity"]) - micro(&after["target"]);
    assert!((0..16_000_000).contains(&beyond), "{after}");
}

#[test]
fn the_discount_is_the_markets() {
    let book = || portfolio(1_200.0, json!([position("PERP", 100.0)]));
    let usual = plan(&book());
    let terms = json!({"symbol": "X", "lot": 1, "delta": 0.005, "vega": 0.05});
    assert_eq!(usual["markets"], json!([terms]));
    let mut input = book();
    input["markets"][0]["liquidation"] = json!({"delta": 0.01, "vega": 0});
    let got = plan(&input);
    let terms = json!({"symbol": "X", "lot": 1, "delta": 0.01, "vega": 0});
    assert_eq!(got["markets"], json!([terms]));
    let take = &got["calls"][0]["takes"][0];
    assert_near(&take["discount"], whole(&take["lots"]) * 1_000_000, "1%");
    input["markets"][0]["liquidation"] = json!({"delta": 0.005});
    assert_eq!(plan(&input), usual, "what is left out has its default");
}

#[test]
fn a_bankrupt_account_is_taken_at_mark_and_ends_with_a_deficit() {
    // The calls are worth more than the cash.
    let input = portfolio(600.0, json!([position("C90", -100.0)]));
    let got = plan(&input);
    assert_eq!(got["end"], "deficit");
    assert!(micro(&got["deficit"]) > 0);
    assert_eq!(micro(&got["totals"]["discount"]), 0);
    assert_eq!(micro(&got["cash"]), micro(&got["before"]["equity"]));
    assert_eq!(got["left"], json!([]), "all of it, whatever cash there is");
    assert!(table(&input).contains(" more than it has."));
}

#[test]
fn a_bankrupt_perpetual_is_taken_whole() {
    let mut input = portfolio(100.0, json!([position("PERP", 50.0)]));
    input["account"]["positions"][0]["entry"] = json!(110);
    let got = plan(&input);
    assert_eq!(got["end"], "deficit");
    assert_eq!(got["left"], json!([]));
    assert_eq!(micro(&got["deficit"]), 400_000_000);
    assert_eq!(micro(&got["after"]["maintenance_margin"]), 0);
}

#[test]
fn an_account_without_equity_to_keep_ends_flat() {
    // What is left after a discount is nothing, and so is what it owes.
    let mut input = portfolio(500.0, json!([position("PERP", 50.0)]));
    input["account"]["positions"][0]["entry"] = json!(110);
    let got = plan(&input);
    assert_eq!(got["end"], "flat", "{got}");
    assert_eq!((micro(&got["deficit"]), &got["left"]), (0, &json!([])));
    assert!(table(&input).contains("every position is taken"));
}

#[test]
fn calls_follow_each_other_until_done() {
    let example: Value = serde_json::from_str(&text_of(EXAMPLE)).expect("JSON");
    let (mut counts, mut shares) = (vec![], 0);
    for cash in [5_000, 9_000, 12_000, 15_000, 19_000] {
        let mut input = example.clone();
        input["account"]["cash"] = json!(cash);
        let got = plan(&input);
        if micro(&got["before"]["equity"]) > 0 {
            assert_eq!(got["end"], "healthy", "{cash}");
        }
        counts.push(items(&got["calls"]).len());
        shares += items(&got["calls"])
            .iter()
            .flat_map(|call| items(&call["takes"]))
            .filter(|take| take["of_share"] == true)
            .count();
        let before = answer(["risk", "margin"], &input);
        for name in ["equity", "initial_margin", "maintenance_margin"] {
            assert_eq!(got["before"][name], before[name], "{name}");
        }
    }
    assert!(
        counts.iter().all(|count| (1..=2).contains(count)),
        "{counts:?}"
    );
    assert!(shares > 0, "some books are improved by no single leg");
}

#[test]
fn what_is_left_needs_the_margin_that_the_plan_ends_with() {
    let options = json!([
        position("C110", -100.0),
        position("P90", -100.0),
        position("C90", 30.0),
    ]);
    for cash in [500, 600, 700, 800, 1_000] {
        let mut input = portfolio(f64::from(cash), options.clone());
        let got = plan(&input);
        assert!(!items(&got["calls"]).is_empty(), "{cash}");
        let left: Vec<Value> = items(&got["left"])
            .iter()
            .map(|left| json!({"market": left["market"], "series": left["series"], "quantity": left["quantity"]}))
            .collect();
        input["account"] = json!({"cash": got["cash"], "positions": left});
        let margin = answer(["risk", "margin"], &input);
        for name in ["equity", "initial_margin", "maintenance_margin"] {
            assert_eq!(got["after"][name], margin[name], "{cash} {name}");
        }
    }
}

#[test]
fn the_underlying_is_taken_where_that_releases_margin() {
    // Long both: the perpetual and the token release the same per discount, and positions come first.
    let mut input = portfolio(0.0, json!([position("SPOT", 5.0), position("PERP", 100.0)]));
    input["account"]["balances"] = json!([{"symbol": "X", "amount": 6}]);
    let got = plan(&input);
    assert_eq!(micro(&got["before"]["equity"]), 1_100_000_000);
    assert_eq!(got["end"], "healthy");
    for take in items(&got["calls"][0]["takes"]) {
        assert_eq!(take["series"], "PERP");
    }
    // The token hedges the calls, so these go first, without cash; what is left of it stays.
    input["account"]["positions"] = json!([position("C90", -30.0)]);
    let healthy = plan(&input);
    assert_eq!(healthy["end"], "healthy");
    let first = &healthy["calls"][0]["takes"][0];
    assert_eq!(first["series"], "C90");
    assert!(micro(&healthy["cash"]) < 0, "owed in another form");
    // Below zero everything goes, and what is missing is the deficit.
    input["account"]["positions"] = json!([position("C90", -70.0)]);
    let bankrupt = plan(&input);
    assert_eq!(bankrupt["end"], "deficit");
    assert_eq!(
        (
            items(&bankrupt["calls"]).len(),
            items(&bankrupt["left"]).len()
        ),
        (1, 0)
    );
    assert_eq!(
        micro(&bankrupt["deficit"]),
        -micro(&bankrupt["before"]["equity"])
    );
    let taken = items(&bankrupt["calls"][0]["takes"]);
    assert!(taken.iter().any(|take| take["series"] == "X"));
}

#[test]
fn lots_are_those_of_the_file() {
    let with_lot = |lot: Value| {
        let mut input = portfolio(1_200.0, json!([position("PERP", 100.0)]));
        input["markets"][0]["lot"] = lot;
        plan(&input)
    };
    let (ten, hundredth, finest) = (
        with_lot(json!(10)),
        with_lot(json!(0.01)),
        with_lot(Value::Null),
    );
    let quantity = |got: &Value| got["calls"][0]["takes"][0]["quantity"].as_f64();
    assert_eq!(whole(&ten["calls"][0]["takes"][0]["lots_held"]), 10);
    assert_eq!(hundredth["markets"][0]["lot"], 0.01);
    assert_eq!(finest["markets"][0]["lot"], 0.0000001);
    assert!(quantity(&ten) > quantity(&hundredth) && quantity(&hundredth) > quantity(&finest));
    let mut input = portfolio(1_200.0, json!([position("PERP", 99.6)]));
    let rounded = json!([{"field": "account.positions[0].quantity", "given": 99.6, "used": 100}]);
    assert_eq!(plan(&input)["rounding"], rounded);
    input["markets"][0]["lot"] = json!(0.1);
    assert_eq!(plan(&input)["rounding"], json!([]));
}

#[test]
fn a_wrong_file_is_refused_with_its_place() {
    let input = portfolio(100.0, json!([position("PERP", 1.0)]));
    let market = |name: &str, value: Value| {
        let mut input = input.clone();
        input["markets"][0][name] = value;
        input.to_string()
    };
    let mut without_account = input.clone();
    without_account["account"] = Value::Null;
    let cases = [
        (without_account.to_string(), "account: missing"),
        (
            market("liquidation", json!(1)),
            "markets[0].liquidation: expected an object",
        ),
        (
            market("liquidation", json!({"gamma": 0})),
            "markets[0].liquidation.gamma: unknown field; known here: delta, vega",
        ),
        (
            market("liquidation", json!({"delta": 0})),
            "markets[0].liquidation.delta: must be above 0 and at most 0.1",
        ),
        (
            market("liquidation", json!({"delta": 0.100001})),
            "markets[0].liquidation.delta: must be above 0 and at most 0.1",
        ),
        (
            market("liquidation", json!({"delta": -0.1})),
            "markets[0].liquidation.delta: -0.1 must not be below 0",
        ),
        (
            market("liquidation", json!({"vega": 1.1})),
            "markets[0].liquidation.vega: must be at most 1",
        ),
        (
            market("lot", json!(0.2)),
            "markets[0].lot: 0.2 must be a power of ten from 0.000000001 to 1000",
        ),
        (market("lot", json!(0)), "markets[0].lot: 0 must be above 0"),
        (
            market("lot", json!("1")),
            "markets[0].lot: expected a number, found a string",
        ),
        ("{".to_owned(), "input: "),
    ];
    for (text, wanted) in cases {
        let output = run(["liquidation", "plan"], "table", &text);
        let message = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert_eq!(output.stdout, b"", "nothing on standard output");
        assert!(
            message.starts_with(&format!("error: {wanted}")),
            "{message}"
        );
    }
}

#[test]
fn quantities_that_the_lot_cannot_count_are_refused() {
    let mut input = portfolio(100.0, json!([position("PERP", 5_000_000_000.0)]));
    let output = run(["liquidation", "plan"], "json", &input.to_string());
    let message = String::from_utf8(output.stderr).expect("text");
    assert_eq!(
        message.trim_end(),
        "error: account.positions[0].quantity: the market's quantities are too large"
    );
    input["markets"][0]["lot"] = json!(1_000);
    plan(&input);
}

/// `ESTUARY_BLESS=1` writes the page's blocks anew.
#[test]
fn the_page_shows_what_the_command_does() {
    let example = text_of(EXAMPLE);
    let text = printed(["liquidation", "plan"], "table", &example);
    let mut wanted = with_block(&text_of(PAGE), "example", &example);
    wanted = with_block(&wanted, "plan table", &text);
    if std::env::var_os("ESTUARY_BLESS").is_some() {
        std::fs::write(repository_file(PAGE), &wanted).expect("the page can be written");
    }
    assert!(
        text_of(PAGE) == wanted,
        "{PAGE} shows other output than the command gives; ESTUARY_BLESS=1 writes it anew"
    );
}
