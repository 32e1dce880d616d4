//! `estuary risk`, through the binary a person runs.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test may add two numbers"
)]

mod documentation;
mod errors;
mod margin;
mod orders;
#[path = "../common/portfolio.rs"]
mod portfolio;
mod price;
mod settlement;
mod what_if;

use portfolio::repository_file;
use std::process::Output;

use serde_json::{json, Value};

/// Runs `estuary risk` with a portfolio on standard input.
fn run(action: &str, format: &str, input: &str) -> Output {
    portfolio::run(["risk", action], format, input)
}

/// The JSON answer to a portfolio that must be accepted.
fn answer(action: &str, input: &Value) -> Value {
    let output = run(action, "json", &input.to_string());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    serde_json::from_slice(&output.stdout).expect("JSON on standard output")
}

/// A number of an answer.
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}"))
}

const NOW: i64 = 1_760_054_400;
const DAY: i64 = 86_400;

/// One market at 100 with volatility 60% at 2, 7 and 14 days, the grid of the worked checks: ±16%,
/// volatility levels −30% and +50% at every expiry, no tails.
fn worked_market(series: Value) -> Value {
    let expiry = |days: i64| json!({"time": NOW + days * DAY, "vol": 0.6});
    json!({
        "symbol": "X",
        "spot": 100,
        "parameters": {
            "spot_range": 0.16, "tails": [], "vol_up": 0.5, "vol_down": 0.3,
            "vol_power_short": 0, "vol_power_long": 0
        },
        "expiries": [expiry(2), expiry(7), expiry(14)],
        "series": series,
    })
}
