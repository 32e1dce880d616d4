//! The cascade of October 2025 replayed through the program: accounts with random books, evaluated natively at every step,
//! and liquidated again and again while they are below maintenance margin. After each instruction the world checks every
//! identity; after each step nobody unhealthy may be left, and all equity has to add up.
//!
//! The prices are not part of the project: without `../shared/data/prices/crash-2025-10-30m.csv` beside the checkout the
//! test says so and passes. It replays the hours of the cascade; `ESTUARY_CRASH_WHOLE` replays the
//! whole file, `ESTUARY_CRASH_ACCOUNTS` and `ESTUARY_CRASH_SEED` (one or more, with commas) set how many accounts and which, and
//! `ESTUARY_CRASH_RECORD` names a file to write the figures to; `cargo xtask run crash` uses all of them.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test that overflows fails"
)]

mod books;
mod figures;
mod liquidation;
mod prices;
mod replay;
mod run;
mod settlement;
mod surface;
mod view;

use prices::Interval;
use run::Run;
use serde_json::{json, Value};

/// First bar of the cascade: prices begin to fall slowly, and three hours later suddenly.
const CASCADE: &str = "2025-10-10T18:00:00Z";
/// Last bar that is replayed unless the whole file is.
const AFTERWARDS: &str = "2025-10-10T22:00:00Z";
/// Accounts and seed unless the environment says otherwise.
const ACCOUNTS: u64 = 200;
const SEED: &str = "1";

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not {text}"))
    })
}

/// The seeds to run.
fn seeds() -> Vec<u64> {
    let given = std::env::var("ESTUARY_CRASH_SEED").unwrap_or_else(|_| SEED.to_owned());
    let seed = |part: &str| {
        part.parse()
            .unwrap_or_else(|_| panic!("ESTUARY_CRASH_SEED has {part}, not a number"))
    };
    given.split(',').map(seed).collect()
}

/// Replays bars with the books of a seed, and tells how that went.
fn replay(seed: u64, accounts: u64, intervals: &[Interval]) -> Value {
    println!("ESTUARY_CRASH_SEED={seed} ESTUARY_CRASH_ACCOUNTS={accounts}");
    let mut run = Run::new(seed, &intervals[0].steps()[0]);
    run.replay(intervals, accounts as usize, prices::time(CASCADE));
    let (instructions, audits) = run.world.sent();
    let mut told = run.figures.json();
    told["seed"] = seed.into();
    told["instructions"] = instructions.into();
    told["audits"] = audits.into();
    told
}

#[test]
fn the_crash_leaves_no_unhealthy_account_behind() {
    let Some(path) = prices::file() else {
        println!("skipped: no price file beside the checkout");
        return;
    };
    let accounts = setting("ESTUARY_CRASH_ACCOUNTS", ACCOUNTS);
    let whole = setting("ESTUARY_CRASH_WHOLE", 0) != 0;
    let hours = [CASCADE, AFTERWARDS].map(prices::time);
    let [from, to] = if whole { [i64::MIN, i64::MAX] } else { hours };
    let intervals = prices::read(&path, from, to);
    let seeds = seeds();
    let runs: Vec<_> = seeds
        .iter()
        .map(|seed| replay(*seed, accounts, &intervals))
        .collect();
    let record = json!({
        "seeds": seeds,
        "accounts": accounts,
        "prices": path.file_name().map(|name| name.to_string_lossy()),
        "first_bar": prices::shown(intervals[0].time),
        "bars": intervals.len(),
        "runs": runs,
    });
    let text = serde_json::to_string_pretty(&record).expect("JSON");
    println!("{text}");
    if let Ok(path) = std::env::var("ESTUARY_CRASH_RECORD") {
        std::fs::write(&path, text + "\n").unwrap_or_else(|error| panic!("{path}: {error}"));
    }
}
