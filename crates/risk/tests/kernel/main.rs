//! The kernel's functions over their whole domains, and prices of the real pipeline at random points, each against a
//! reference that is more exact by five digits or more. `docs/kernel-accuracy.md` derives the bounds asserted here.
//!
//! Without anything set this is a sample of seconds. `ESTUARY_KERNEL_RECORD` names a file: then the test
//! [`the_full_run_is_recorded`] takes every argument of the functions whose domain allows it and writes what it found;
//! `cargo xtask run kernel` does that.
//!
//! The reference is `f64` with the crate `libm`, which gives the same bits on every platform: its `erfc`, `log` and
//! `exp` are within one unit in the last place (2e-16 of a value near 1). What is measured here is 6e-13 and more.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test may panic"
)]

mod elementary;
mod normal;
mod prices;
#[path = "../support/mod.rs"]
mod support;
mod sweep;
mod volatility;

use estuary_risk::scenario::MAX_VOL_RISE_PPM;
use serde_json::{json, Map, Value};
use sweep::{Measured, Size};

/// Every measurement, in the order of the calculation.
const MEASUREMENTS: [fn(Size) -> Vec<Measured>; 9] = [
    normal::distribution,
    normal::density,
    elementary::logarithm,
    elementary::square_root,
    elementary::exponential,
    elementary::power,
    volatility::root_of_time,
    volatility::levels,
    volatility::smile,
];

fn check(measured: &[Measured]) {
    for row in measured {
        println!("{row}");
        if std::env::var_os("NOASSERT").is_none() {
            assert!(row.within_bound(), "{row}");
        }
    }
}

/// The reference has a reference too: the committed vectors of 50 digits.
#[test]
fn the_reference_agrees_with_fifty_digits() {
    normal::reference_agrees();
    elementary::reference_agrees();
}

#[test]
fn normal_distribution() {
    check(&normal::distribution(Size::Sample));
    check(&normal::density(Size::Sample));
}

#[test]
fn logarithm_and_exponential() {
    check(&elementary::logarithm(Size::Sample));
    check(&elementary::exponential(Size::Sample));
    check(&elementary::power(Size::Sample));
}

#[test]
fn square_root_is_exact_around_every_square() {
    check(&elementary::square_root(Size::Sample));
}

#[test]
fn root_of_time() {
    check(&volatility::root_of_time(Size::Sample));
}

#[test]
fn volatility_levels_are_rounded_outwards() {
    check(&volatility::levels(Size::Sample));
}

#[test]
fn total_volatility() {
    check(&volatility::smile(Size::Sample));
}

#[test]
fn prices_of_the_pipeline() {
    check(&prices::prices(Size::Sample).measured);
}

/// The bounds that `docs/kernel-accuracy.md` states, at their largest.
#[test]
fn the_derived_bound_of_a_price() {
    // Within 1200%: that is what is promised, at the largest rise of volatility that is accepted.
    let level = 1.0 + f64::from(MAX_VOL_RISE_PPM) / 1e6;
    let [mild, steep] = [0.8, 0.95].map(|rho| volatility::largest_bound(rho, level, 12.0));
    println!("derived: |rho| <= 0.8 {mild:.3e}, <= 0.95 {steep:.3e}");
    assert!(mild <= 4.3e-9);
    assert!(steep <= 5e-9);
    // What an array declares for a profit is three units of Q28 of max(F, K), for the price in a scenario and now. An accepted
    // surface reaches 1200% anywhere before a scenario raises it, and the largest rho in the columns of the skew at most
    // twice the variance of that.
    let declared = 3.0 / f64::from(1 << 28);
    let now = volatility::largest_bound(0.95, 1.0, 12.0);
    let raised = volatility::largest_bound(0.95, level, 12.0 * level);
    let skewed = volatility::largest_bound(0.95, 1.0, 12.0 * 2f64.sqrt());
    println!("now {now:.3e}, raised {raised:.3e}, skewed {skewed:.3e}, declared {declared:.3e}");
    assert!(now + raised.max(skewed) <= declared);
}

#[test]
fn the_clamps_of_total_volatility_lose_nothing() {
    volatility::lower_clamp_is_out_of_reach();
    volatility::upper_clamp_loses_nothing();
}

/// Everything at full size, into the file that `ESTUARY_KERNEL_RECORD` names; nothing without it.
#[test]
fn the_full_run_is_recorded() {
    let Ok(path) = std::env::var("ESTUARY_KERNEL_RECORD") else {
        println!("skipped: ESTUARY_KERNEL_RECORD is not set");
        return;
    };
    // Prices first: they depend on everything else.
    let prices = prices::prices(Size::Full);
    prices.measured.iter().for_each(|row| println!("{row}"));
    let rows: Map<String, Value> = prices
        .measured
        .iter()
        .map(|row| (row.name.to_owned(), row.json()))
        .collect();
    let mut functions = Map::new();
    let mut all = Vec::new();
    for measure in MEASUREMENTS {
        let measured = measure(Size::Full);
        measured.iter().for_each(|row| println!("{row}"));
        functions.extend(measured.iter().map(|row| (row.name.to_owned(), row.json())));
        all.extend(measured);
    }
    let record = json!({
        "seeds": sweep::seeds(),
        "points": prices.points,
        "options": prices.options,
        "worst_error": prices.worst_error(),
        "worst_error_is": "largest |price - reference| / max(F, K) of a present value, rounding included",
        "prices": rows,
        "functions": functions,
    });
    let text = serde_json::to_string_pretty(&record).expect("a record") + "\n";
    std::fs::write(&path, text).expect("a place for the record");
    all.extend(prices.measured);
    check(&all);
}
