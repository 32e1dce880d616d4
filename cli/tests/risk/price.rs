//! `risk price`: accuracy, parity, Greeks.

use serde_json::{json, Value};

use super::{answer, number, repository_file, run, worked_market, DAY, NOW};

/// A Q30 ratio to 16 decimals, as text: more digits than a float has.
fn ratio(q30: &str) -> String {
    let value: u128 = q30.parse().expect("an integer");
    let units = ((value * 10u128.pow(16) * 2) + (1 << 30)) >> 31;
    format!("{}.{:016}", units / 10u128.pow(16), units % 10u128.pow(16))
}

/// A market with spot 1 and a call and a put, from a row of the reference vectors. Where its time is within a settlement
/// window it is taken 64 times as long, at an eighth of the volatility.
fn reference_market(index: usize, row: &[&str]) -> String {
    let seconds: i64 = row[2].parse().expect("seconds");
    let vol_ppb: u64 = row[3].parse().expect("a volatility");
    let (seconds, vol) = match seconds {
        0..=1_800 => (seconds * 64, format!("{}e-12", vol_ppb * 125)),
        _ => (seconds, format!("{vol_ppb}e-9")),
    };
    let (forward, strike) = (ratio(row[0]), ratio(row[1]));
    format!(
        r#"{{"symbol": "M{index}", "spot": 1,
            "expiries": [{{"time": {}, "forward": {forward}, "vol": {vol}}}],
            "series": [{{"name": "C", "kind": "call", "expiry": 0, "strike": {strike}}},
                       {{"name": "P", "kind": "put", "expiry": 0, "strike": {strike}}}]}}"#,
        NOW + seconds
    )
}

#[test]
fn prices_are_within_the_stated_error_of_the_reference() {
    let real = |text: &str| text.parse::<f64>().expect("a decimal");
    let path = repository_file("crates/risk/tests/vectors/black76.csv");
    let csv = std::fs::read_to_string(path).expect("the reference vectors");
    let rows: Vec<Vec<&str>> = csv
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect())
        .filter(|row: &Vec<&str>| row[0] != "0")
        // An eighth of the volatility is below what is priced.
        .filter(|row| real(row[2]) > 1_800.0 || real(row[3]) >= 8.0 * 5e6)
        .collect();
    let markets: Vec<String> = rows
        .iter()
        .enumerate()
        .map(|(index, row)| reference_market(index, row))
        .collect();
    let input = format!(r#"{{"now": {NOW}, "markets": [{}]}}"#, markets.join(",\n"));
    let output = run("price", "json", &input);
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{message}");
    let got: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut worst = (0f64, 0);
    for (index, row) in rows.iter().enumerate() {
        let (forward, strike) = (real(&ratio(row[0])), real(&ratio(row[1])));
        let call = real(row[4]);
        let series = &got["markets"][index]["series"];
        let errors = [
            number(&series[0]["price"]) - call,
            number(&series[1]["price"]) - (call - forward + strike),
        ];
        for error in errors {
            let relative = error.abs() / forward.max(strike);
            if relative > worst.0 {
                worst = (relative, index);
            }
        }
    }
    let (error, row) = (worst.0, &rows[worst.1]);
    println!("largest price error {error:.3e} of max(F, K), at {row:?}");
    assert!(error <= 5e-9, "{error:e} at {row:?}");
}

#[test]
fn a_call_less_a_put_is_the_forward_less_the_strike() {
    let option = |name: &str, kind: &str, strike: f64| json!({"name": name, "kind": kind, "expiry": 0, "strike": strike});
    let got = answer(
        "price",
        &json!({"now": NOW, "markets": [{
            "symbol": "SOL", "spot": 220.5,
            "expiries": [{"time": NOW + 9 * DAY, "forward": 221.25,
                          "smile": {"atm_vol": 0.8, "rho": -0.3, "phi": 2}}],
            "series": [option("C1", "call", 180.0), option("P1", "put", 180.0),
                       option("C2", "call", 300.5), option("P2", "put", 300.5)],
        }]}),
    );
    let series = &got["markets"][0]["series"];
    for (call, strike) in [(0, 180.0), (2, 300.5)] {
        let (call, put) = (&series[call], &series[call + 1]);
        let apart = |name: &str| number(&call[name]) - number(&put[name]);
        assert!((apart("price") - (221.25 - strike)).abs() < 1e-9);
        assert!((apart("delta") - 221.25 / 220.5).abs() < 1e-9);
        for name in ["gamma", "vega", "theta"] {
            assert!(apart(name).abs() < 1e-12, "{name}");
        }
    }
}

#[test]
fn linear_series_are_worth_what_they_follow() {
    let got = answer(
        "price",
        &json!({"now": NOW, "markets": [{
            "symbol": "ETH", "spot": 4000,
            "expiries": [{"time": NOW + 90 * DAY, "forward": 4100}],
            "series": [{"name": "S", "kind": "spot"}, {"name": "P", "kind": "perp"},
                       {"name": "F", "kind": "future", "expiry": 0}],
        }]}),
    );
    for (index, price, delta) in [(0, 4000.0, 1.0), (1, 4000.0, 1.0), (2, 4100.0, 1.025)] {
        let series = &got["markets"][0]["series"][index];
        assert_eq!(number(&series["price"]), price);
        assert!((number(&series["delta"]) - delta).abs() < 1e-11);
        for name in ["gamma", "vega", "theta"] {
            assert_eq!(number(&series[name]), 0.0, "{name}");
        }
    }
}

/// The call's price with one number of the market changed.
fn repriced(change: impl Fn(&mut Value)) -> Value {
    let mut market = worked_market(json!([
        {"name": "C", "kind": "call", "expiry": 1, "strike": 104.5}
    ]));
    change(&mut market);
    let got = answer("price", &json!({"now": NOW, "markets": [market]}));
    got["markets"][0]["series"][0].clone()
}

#[test]
fn greeks_are_the_slopes_of_the_price() {
    let base = repriced(|_| {});
    let greek = |name: &str| number(&base[name]);
    let price = |value: Value| number(&value["price"]);
    let at_spot = |spot: f64| price(repriced(|market| market["spot"] = json!(spot)));
    let slope = (at_spot(100.1) - at_spot(99.9)) / 0.2;
    assert!((greek("delta") - slope).abs() < 1e-5, "{slope}");
    let bend = (at_spot(100.5) - 2.0 * at_spot(100.0) + at_spot(99.5)) / 0.25;
    assert!((greek("gamma") - bend).abs() < 1e-4, "{bend}");
    let at_vol = |vol: f64| price(repriced(|market| market["expiries"][1]["vol"] = json!(vol)));
    let slope = (at_vol(0.601) - at_vol(0.599)) / 0.002;
    assert!((greek("vega") - slope).abs() < 1e-3, "{slope}");
    let at_time = |time: i64| {
        price(repriced(|market| {
            market["expiries"][1]["time"] = json!(time)
        }))
    };
    let slope =
        (at_time(NOW + 7 * DAY - 600) - at_time(NOW + 7 * DAY + 600)) / (1200.0 / DAY as f64);
    assert!((greek("theta") - slope).abs() < 1e-4, "{slope}");
}

#[test]
fn a_volatility_of_its_own_overrides_the_expiry() {
    let smile = |market: &mut Value| {
        let time = market["expiries"][1]["time"].clone();
        market["expiries"][1] =
            json!({"time": time, "smile": {"atm_vol": 0.9, "rho": -0.2, "phi": 3}});
    };
    let flat = repriced(|_| {});
    let smiled = repriced(smile);
    let own = repriced(|market| {
        smile(market);
        market["series"][0]["vol"] = json!(0.6);
    });
    assert_eq!(own, flat);
    assert!(number(&smiled["price"]) > number(&flat["price"]));
    // An expiry whose options all have their own needs none.
    let without = repriced(|market| {
        market["expiries"][1] = json!({"time": NOW + 7 * DAY});
        market["series"][0]["vol"] = json!(0.6);
        let expiries = market["expiries"].as_array_mut().expect("a list");
        expiries.swap_remove(2);
        expiries.remove(0);
        market["series"][0]["expiry"] = json!(0);
    });
    assert_eq!(without, flat);
}

#[test]
fn prices_of_cheap_tokens_keep_their_digits() {
    let got = answer(
        "price",
        &json!({"now": NOW, "markets": [{
            "symbol": "TINY", "spot": 0.00002,
            "expiries": [{"time": NOW + 30 * DAY, "vol": 1.2}],
            "series": [{"name": "C", "kind": "call", "expiry": 0, "strike": 0.00002}],
        }]}),
    );
    let scaled = answer(
        "price",
        &json!({"now": NOW, "markets": [{
            "symbol": "LARGE", "spot": 20000,
            "expiries": [{"time": NOW + 30 * DAY, "vol": 1.2}],
            "series": [{"name": "C", "kind": "call", "expiry": 0, "strike": 20000}],
        }]}),
    );
    let price = |got: &Value| number(&got["markets"][0]["series"][0]["price"]);
    assert!((price(&got) * 1e9 / price(&scaled) - 1.0).abs() < 1e-8);
}

#[test]
fn falling_total_variance_is_a_warning() {
    let got = answer(
        "price",
        &json!({"now": NOW, "markets": [{
            "symbol": "SOL", "spot": 220.5,
            "expiries": [{"time": NOW + 30 * DAY, "vol": 0.5}, {"time": NOW + 7 * DAY, "vol": 1.5}],
        }]}),
    );
    let warning = &got["warnings"][0];
    assert_eq!(warning["field"], "markets[0].expiries[0]");
    let message = warning["message"].as_str().expect("text");
    assert!(message.starts_with("calendar arbitrage"), "{message}");
}
