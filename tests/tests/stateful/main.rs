//! Random histories of the whole clearing core: ten owners in two markets trade, are liquidated and settled while prices
//! jump, feeds stop, markets pause and one expiry after the other matures and is listed again in the same slots. After
//! each instruction the world checks every identity, and these files what the margin model promises about the accounts.
//! At the end everything expires, everybody is settled and leaves, and the vaults are empty but for the insurance fund.
//!
//! `ESTUARY_FUZZ_SEED` (one or more, with commas) repeats a run, `ESTUARY_FUZZ_STEPS` sets the instructions per seed, and
//! `ESTUARY_FUZZ_RECORD` names a file to write what was sent to; `cargo xtask run stateful` uses all three.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test that overflows fails"
)]

mod end;
mod liquidation;
mod market;
mod money;
mod run;
mod settlement;
mod snapshot;
mod trade;
mod wrong;

use run::{Counts, Run};
use std::collections::BTreeMap;

/// Instructions of a run, unless the environment says otherwise.
const DEFAULT_STEPS: u64 = 3_000;
/// Instructions together from which on everything has to have succeeded.
const EVERYTHING: u64 = 50_000;
/// What has to succeed at least once in every run of the usual length.
const COMMON: [&str; 17] = [
    "block_trade",
    "close_account",
    "deposit",
    "deposit_token",
    "fund_insurance",
    "liquidate",
    "list_series",
    "post_surface",
    "record_settlement_price",
    "retire_expiry",
    "set_market_status",
    "settle",
    "settle_variation",
    "sweep_fees",
    "transfer_balance",
    "withdraw",
    "withdraw_token",
];
/// What a run of the usual length may miss.
const RARE: [&str; 7] = [
    "finalize_settlement",
    "mark_account",
    "open_account",
    "reduce",
    "set_delegate",
    "settle_on_credit",
    "transfer_positions",
];

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not {text}"))
    })
}

/// The seeds to run: those given, or that of the second.
fn seeds() -> Vec<u64> {
    let elapsed = std::time::UNIX_EPOCH.elapsed().expect("a clock");
    let given = std::env::var("ESTUARY_FUZZ_SEED");
    let text = given.unwrap_or_else(|_| elapsed.as_secs().to_string());
    let seed = |part: &str| {
        part.parse()
            .unwrap_or_else(|_| panic!("ESTUARY_FUZZ_SEED has {part}, not a number"))
    };
    text.split(',').map(seed).collect()
}

/// Writes seeds and counts as a JSON object.
fn record(path: &str, seeds: &[u64], instructions: u64, counts: &Counts) {
    let object = serde_json::json!({
        "seeds": seeds,
        "instructions": instructions,
        "counts": counts,
    });
    let text = serde_json::to_string_pretty(&object).expect("JSON");
    std::fs::write(path, text + "\n").unwrap_or_else(|error| panic!("{path}: {error}"));
}

#[test]
fn random_histories_keep_every_identity() {
    let seeds = seeds();
    let steps = setting("ESTUARY_FUZZ_STEPS", DEFAULT_STEPS);
    let mut counts = Counts::new();
    let mut instructions = 0;
    for seed in &seeds {
        println!("ESTUARY_FUZZ_SEED={seed} ESTUARY_FUZZ_STEPS={steps}");
        let mut run = Run::new(*seed);
        while run.sent < steps {
            run.step();
        }
        if !run.has_succeeded("liquidate") {
            run.liquidate_on_purpose();
        }
        run.end();
        instructions += run.sent;
        for (action, outcomes) in run.counts {
            let sum: &mut BTreeMap<_, _> = counts.entry(action).or_default();
            for (outcome, count) in outcomes {
                *sum.entry(outcome).or_default() += count;
            }
        }
    }
    println!("{instructions} instructions: {counts:#?}");
    let common = COMMON.iter().filter(|_| steps >= DEFAULT_STEPS);
    let rare = RARE.iter().filter(|_| instructions >= EVERYTHING);
    for action in common.chain(rare) {
        let succeeded = counts.get(*action).and_then(|outcomes| outcomes.get("ok"));
        assert!(succeeded.is_some(), "no {action} succeeded");
    }
    if let Ok(path) = std::env::var("ESTUARY_FUZZ_RECORD") {
        record(&path, &seeds, instructions, &counts);
    }
}
