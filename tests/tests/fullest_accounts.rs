//! The compute invariant: the largest account that can exist, 64 positions and a balance of every token, is liquidated by a
//! flat one in one transaction, whatever it holds and whatever it lacks; random ones of every shape.
//!
//! The long run, `cargo xtask run liquidation`, takes ESTUARY_FULLEST accounts from ESTUARY_FULLEST_SEED on: what it finds is
//! the book of the figure `liquidate_full_account`.

use estuary_tests::full_books::{fullest, Stage, SHAPES};
use estuary_tests::{ix, Event, Random};

/// Compute units that a liquidation may take; a transaction has 1,400,000.
/// The goal is 1,250,000: the blocks of the requirement took what room there was.
const LIMIT: u64 = 1_350_000;
/// Calls until an account is healthy or flat.
const CALLS: usize = 12;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn the_fullest_accounts_are_liquidated_by_a_flat_one_one_transaction_a_call() {
    let stages = SHAPES.map(fullest);
    let first = setting("ESTUARY_FULLEST_SEED", 0);
    let (mut most, mut most_calls) = ((0, 0, 0), 0);
    for seed in first..first + setting("ESTUARY_FULLEST", 24) {
        let shape = seed as usize % stages.len();
        let mut stage = stages[shape].fork();
        let mut random = Random::new(seed);
        stage.fill(&mut random);
        stage.fail(&mut random);
        let mut calls = 0;
        while stage.is_liquidatable() && !stage.is_flat() {
            let used = liquidate(&mut stage);
            calls += 1;
            assert!(calls <= CALLS, "seed {seed} is not finished");
            assert!(used <= LIMIT, "seed {seed} takes {used}");
            most = most.max((used, seed, calls));
        }
        most_calls = most_calls.max(calls);
    }
    let (used, seed, call) = most;
    println!("at most {used} compute units, seed {seed} call {call}; at most {most_calls} calls");
    if let Some(path) = std::env::var_os("ESTUARY_FULLEST_RECORD") {
        let accounts = setting("ESTUARY_FULLEST", 24);
        let figures = format!(
            r#"{{"fullest_accounts": {accounts}, "fullest_most_compute_units": {used}, "fullest_seed_of_most": {seed}, "fullest_most_calls": {most_calls}}}"#
        );
        std::fs::write(path, figures).expect("a record");
    }
}

fn liquidate(stage: &mut Stage) -> u64 {
    let all: Vec<_> = stage.markets.iter().collect();
    let liquidate = ix::liquidate(&stage.house, &stage.liquidator, &stage.weak, &all);
    let outcome = stage.world.send(liquidate, &[&stage.liquidator.owner]);
    let used = outcome.compute_units();
    let Event::Liquidated(event) = outcome.event() else {
        panic!("a liquidation");
    };
    println!(
        "  {used} CU, equity {} of {}, {} positions and {} tokens taken",
        event.before.equity,
        event.before.maintenance_margin,
        event.positions.len(),
        event.tokens.len()
    );
    used
}
