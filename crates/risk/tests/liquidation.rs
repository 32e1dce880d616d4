//! What a liquidation promises, on thousands of random accounts below their maintenance margin: positions of every kind in
//! up to three markets, tokens, cash of either sign.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test may panic"
)]

mod support;

use estuary_risk::liquidation::{reports_after_each, LiquidationError, Take};
use estuary_risk::margin::MarginReport;
use estuary_risk::units::Money;
use support::accounts::Account;
use support::Random;

/// Accounts of each property; the long run takes twenty times as many.
const ACCOUNTS: u64 = 5_000;

fn accounts() -> u64 {
    ACCOUNTS * if support::exhaustive() { 20 } else { 1 }
}

/// A random account that needs margin, `None` where the draw needs none.
fn account(seed: u64) -> Option<(Account, Random)> {
    let mut random = Random(seed.wrapping_mul(0x5851_F42D_4C95_7F2D) + 1);
    let mut account = Account::random(&mut random);
    account.set_health(0);
    let needs = account.report().maintenance_margin > Money(0);
    needs.then_some((account, random))
}

/// An account below its maintenance margin: from a micro-unit to far below zero.
fn unhealthy(seed: u64) -> Option<(Account, Random)> {
    let (mut account, mut random) = account(seed)?;
    let margin = account.report().maintenance_margin.0 as f64;
    let missing = match random.below(4) {
        0 => random.log_uniform(1.0, margin.max(2.0)),
        1 | 2 => random.uniform(0.0, 1.0) * margin,
        _ => random.uniform(0.9, 2.0) * margin,
    };
    account.set_health(-(missing.max(1.0) as i64));
    account
        .report()
        .is_liquidatable()
        .then_some((account, random))
}

fn health(report: &MarginReport) -> i64 {
    report.health_maintenance().unwrap().0
}

fn target(report: &MarginReport) -> Money {
    report.liquidation_target().unwrap()
}

fn discount(takes: &[Take]) -> i64 {
    takes.iter().map(|take| take.discount.0).sum()
}

/// A micro-unit for each leg whose value is rounded, and one for each sum.
fn rounding(account: &Account) -> i64 {
    let legs: usize = account.markets.iter().map(|market| market.legs.len()).sum();
    3 * account.markets.len() as i64 + legs as i64
}

#[test]
fn every_step_raises_health_and_costs_the_discount() {
    let mut tried = 0;
    // The last account has a leg of which most raises health and a little lowers it.
    for seed in (0..accounts() * 5 / 4).chain([88_280]) {
        let Some((mut account, _)) = unhealthy(seed) else {
            continue;
        };
        tried += 1;
        let (outside, offsets) = (account.outside, account.offsets.clone());
        let (outcome, takes) = account.liquidate(u64::MAX).unwrap();
        let reports =
            reports_after_each((outside, &offsets), &mut account.views(), &takes, &outcome)
                .unwrap();
        assert_eq!(reports.last(), Some(&outcome.after), "{seed}");
        assert_eq!(account.report(), outcome.after, "{seed}");
        let mut before = health(&outcome.before);
        for report in &reports[..outcome.single_takes] {
            assert!(health(report) > before, "{seed}");
            before = health(report);
        }
        if takes.len() > outcome.single_takes {
            let raised = health(&outcome.after) > before;
            let resolved = outcome.before.equity < Money(0) && account.is_flat();
            assert!(raised || resolved, "{seed}");
        }
        let paid = discount(&takes);
        assert!(takes.iter().all(|take| take.discount >= Money(0)));
        assert!(paid <= outcome.before.equity.0.max(0), "{seed}");
        let fall = outcome.before.equity.0 - outcome.after.equity.0;
        assert!(
            (fall - paid).abs() <= rounding(&account),
            "{seed}: {fall} of {paid}"
        );
    }
    assert!(tried >= accounts(), "{tried}");
}

#[test]
fn the_line_is_exact() {
    let mut tried = 0;
    for seed in 0..accounts() * 5 / 4 {
        let Some((mut account, _)) = account(seed) else {
            continue;
        };
        for above in [0, 1] {
            account.set_health(above);
            let refused = account.liquidate(u64::MAX);
            let Err(LiquidationError::NotLiquidatable { .. }) = refused else {
                panic!("{seed}: {refused:?}");
            };
        }
        account.set_health(-1);
        if !account.report().is_liquidatable() {
            continue;
        }
        tried += 1;
        let taken = account.liquidate(u64::MAX);
        assert!(taken.is_ok(), "{seed}: {taken:?}");
    }
    assert!(tried >= accounts(), "{tried}");
}

#[test]
fn a_bounded_number_of_calls_ends_above_the_line_or_flat() {
    let (mut tried, mut most, mut flat, mut one_call) = (0, 0, 0, 0);
    for seed in 0..accounts() * 5 / 4 {
        let Some((mut account, _)) = unhealthy(seed) else {
            continue;
        };
        tried += 1;
        let mut calls = 0;
        while account.report().is_liquidatable() && !account.is_flat() {
            account.liquidate(u64::MAX).unwrap();
            calls += 1;
            assert!(calls <= 64, "{seed}");
        }
        flat += u32::from(account.is_flat());
        one_call += u32::from(calls == 1);
        most = most.max(calls);
    }
    println!("{tried} accounts, {one_call} in one call, {flat} ended flat, at most {most} calls");
    if let Some(path) = std::env::var_os("ESTUARY_LIQUIDATION_RECORD") {
        let figures = format!(
            r#"{{"accounts": {tried}, "ended_in_one_call": {one_call}, "ended_flat": {flat}, "most_calls": {most}}}"#
        );
        std::fs::write(path, figures).unwrap();
    }
    assert!(tried >= accounts(), "{tried}");
    assert!(most <= 8, "{most}");
}

/// With a lot less of the last single leg the account would not be at its target; and a share exceeds the target by at most
/// what one lot of every leg needs by itself, because its lots are rounded up, and a quarter of the liquidity cost, whose
/// impact falls with the square of what is left; by more only where that rounding gives the rest a limit to what it can lose.
#[test]
fn no_more_than_a_lot_beyond_the_target() {
    let (mut singles, mut shares, mut limits, mut unsearched) = (0, 0, 0, 0);
    for seed in 0..accounts() * 5 / 4 {
        let Some((mut account, _)) = unhealthy(seed) else {
            continue;
        };
        let (outcome, takes) = account.liquidate(u64::MAX).unwrap();
        if outcome.after.equity < target(&outcome.after) || account.is_flat() {
            continue;
        }
        let beyond = outcome.after.equity.0 - target(&outcome.after).0;
        if takes.len() > outcome.single_takes {
            shares += 1;
            let share = &takes[outcome.single_takes..];
            let lots: i64 = share.iter().map(|take| account.target_of_a_lot(take)).sum();
            let limited = beyond > lots && account.has_defined_risk();
            for take in share {
                account.give_back(take, take.quantity);
            }
            let most = lots + account.liquidity_cost() / 4;
            let limited = limited && beyond > most;
            limits += u32::from(limited);
            assert!(limited || beyond <= most, "{seed}: {beyond} of {most}");
            continue;
        }
        singles += 1;
        let last = takes.last().unwrap();
        let lot = account.lot_of(last);
        let limited = account.has_defined_risk() || account.markets.len() > 1;
        account.give_back(last, lot);
        let less = account.report();
        let is_more = less.equity >= target(&less);
        limits += u32::from(limited && is_more);
        if is_more && !limited {
            // The search for fewer lots ends after a few steps.
            println!("{seed}: {outcome:?} {less:?}");
            unsearched += 1;
        }
    }
    println!("{limits} of them where the loss has a limit, {unsearched} where the search ended");
    assert!(unsearched * 10_000 < singles, "{unsearched}");
    println!("{singles} ended by a single leg, {shares} by a share");
    assert!(
        singles > 100 && shares > 10 && limits * 100 < singles + shares,
        "{limits}"
    );
}

#[test]
fn a_limit_on_size_is_kept_and_progress_is_made_within_it() {
    let (mut limited, mut too_small) = (0, 0);
    for seed in 0..accounts() {
        let Some((mut account, mut random)) = unhealthy(seed) else {
            continue;
        };
        let whole = account.notional();
        let limit = (whole as f64 * random.log_uniform(0.01, 1.0)) as u64;
        match account.liquidate(limit) {
            Ok((outcome, _)) => {
                limited += 1;
                let taken = whole.saturating_sub(account.notional());
                assert!(taken <= limit, "{seed}: {taken} of {limit}");
                assert!(health(&outcome.after) >= health(&outcome.before), "{seed}");
            }
            Err(LiquidationError::SizeTooSmall { max_notional }) => {
                too_small += 1;
                assert_eq!(max_notional, limit);
            }
            Err(error) => panic!("{seed}: {error:?}"),
        }
    }
    println!("{limited} within the limit, {too_small} too small");
    assert!(limited > accounts() / 2);
}

/// Both accounts of one owner together: what one loses the other gains, less what rounding takes.
#[test]
fn liquidating_oneself_never_profits() {
    for seed in 0..accounts() {
        let Some((mut account, _)) = unhealthy(seed) else {
            continue;
        };
        let before = account.value();
        let (_, takes) = account.liquidate(u64::MAX).unwrap();
        let both = account.value() + account.value_of_taken(&takes);
        assert!(
            both <= before + rounding(&account),
            "{seed}: {both} of {before}"
        );
        assert!(
            both >= before - rounding(&account),
            "{seed}: {both} of {before}"
        );
    }
}
