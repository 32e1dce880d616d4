//! Section 8 of the margin model: what health allows, and the trades that would strip a failing account.

use estuary::instructions::TradeLeg;
use estuary::state::SeriesKind::{Call, Put};
use estuary_tests::setup::{mantissa, USD};
use estuary_tests::trade::PERP;
use estuary_tests::{ix, EstuaryError as E, Pit};

const RICH: u64 = 10_000_000 * USD;
/// 0.1 BTC: 10,000 dollars, of which the worst scenario takes 16%.
const LOTS: i64 = 100;

/// The taker long 0.1 BTC with a dollar more than the initial margin, and BTC at `price` since.
fn pit_at(price: f64) -> Pit {
    let mut pit = Pit::new(RICH, RICH);
    let leg = pit.btc_leg(PERP, LOTS);
    pit.trade(&[leg]).ok();
    let report = pit.world.report(&pit.taker, &[pit.btc()]);
    let free = report.health_initial().expect("health").0.unsigned_abs();
    let withdraw = ix::withdraw(&pit.house, &pit.taker, free - USD, &[pit.btc()]);
    pit.world.send(withdraw, &[&pit.taker.owner]).ok();
    pit.world.pass(1);
    pit.world.set_price(&pit.markets[0].clone(), price);
    pit
}

/// Below the initial margin, above maintenance.
fn weak() -> Pit {
    let pit = pit_at(98_400.0);
    let report = pit.world.report(&pit.taker, &[pit.btc()]);
    assert!(report.equity < report.initial_margin && !report.is_liquidatable());
    pit
}

/// Below maintenance.
fn dead() -> Pit {
    let pit = pit_at(95_000.0);
    let report = pit.world.report(&pit.taker, &[pit.btc()]);
    assert!(report.is_liquidatable());
    pit
}

fn at(leg: TradeLeg, price: u64) -> TradeLeg {
    TradeLeg { price, ..leg }
}

#[test]
fn a_trade_may_use_equity_up_to_the_initial_margin_and_no_further() {
    for lots in [LOTS, -LOTS] {
        let mut probe = Pit::new(RICH, RICH);
        let leg = probe.btc_leg(PERP, lots);
        probe.trade(&[leg]).ok();
        let report = probe.world.report(&probe.taker, &[probe.btc()]);
        let needed = report.initial_margin.0.unsigned_abs();
        let mut short = Pit::new(needed - 1, RICH);
        short.refuse(&[leg], E::BelowInitialMargin);
        let deposit = ix::deposit(&short.house, &short.taker, 1);
        short.world.send(deposit, &[&short.taker.owner]).ok();
        short.trade(&[leg]).ok();
        // The other side is held to the same.
        let mut maker = Pit::new(RICH, needed - 1);
        maker.refuse(&[leg], E::BelowInitialMargin);
    }
}

#[test]
fn a_price_off_mark_counts_against_the_side_that_loses() {
    let mut probe = Pit::new(RICH, RICH);
    let leg = probe.btc_leg(PERP, LOTS);
    probe.trade(&[leg]).ok();
    let needed = probe
        .world
        .report(&probe.taker, &[probe.btc()])
        .initial_margin
        .0;
    let mut pit = Pit::new(needed.unsigned_abs(), RICH);
    // A dollar above mark on 0.1 BTC.
    pit.refuse(&[at(leg, mantissa(100_001.0))], E::BelowInitialMargin);
    pit.trade(&[at(leg, mantissa(99_999.0))]).ok();
}

#[test]
fn a_weak_account_may_reduce_and_hedge_at_mark() {
    let mut pit = weak();
    let sell = pit.btc_leg(PERP, -10);
    pit.trade(&[sell]).ok();
    let put = pit.btc_leg((Put, 1, 90), 20);
    pit.trade(&[put]).ok();
    // Better than mark is the friend's gift.
    let dear = at(sell, sell.price + mantissa(100.0));
    pit.trade(&[dear]).ok();
}

#[test]
fn a_weak_account_may_not_take_more_risk() {
    let mut pit = weak();
    let buy = pit.btc_leg(PERP, 1);
    pit.refuse(&[buy], E::WeakAccountHealthFalls);
    let sell_put = pit.btc_leg((Put, 1, 90), -1);
    pit.refuse(&[sell_put], E::WeakAccountHealthFalls);
    // Not even at a price that pays for less than the risk.
    pit.refuse(
        &[at(buy, buy.price - mantissa(100.0))],
        E::WeakAccountHealthFalls,
    );
    let reduce = pit.btc_leg(PERP, -LOTS / 2);
    let wing = pit.btc_leg((Call, 2, 125), -LOTS * 20);
    pit.refuse(&[reduce, wing], E::WeakAccountHealthFalls);
}

#[test]
fn a_weak_account_is_not_stripped() {
    let mut pit = weak();
    let sell = pit.btc_leg(PERP, -LOTS);
    // Health rises, the friend gains: refused to the last unit of price.
    pit.refuse(&[at(sell, sell.price - 1)], E::WeakAccountLegWorseThanMark);
    pit.refuse(
        &[at(sell, sell.price - mantissa(2_900.0))],
        E::WeakAccountLegWorseThanMark,
    );
    // A bad leg does not hide behind a good one.
    let put = pit.btc_leg((Put, 1, 90), 10);
    let generous = at(sell, sell.price + mantissa(1_000.0));
    pit.refuse(
        &[generous, at(put, put.price + 1)],
        E::WeakAccountLegWorseThanMark,
    );
    // Nor does a sale below mark.
    let call = pit.btc_leg((Call, 1, 110), -1);
    let (floor, _) = pit.world.mark(pit.btc(), call.slot);
    pit.refuse(&[sell, at(call, floor - 1)], E::WeakAccountLegWorseThanMark);
    pit.trade(&[sell, at(call, floor)]).ok();
}

#[test]
fn the_weak_side_is_protected_as_maker_too() {
    let mut pit = weak();
    std::mem::swap(&mut pit.taker, &mut pit.maker);
    let buy = pit.btc_leg(PERP, LOTS);
    pit.refuse(&[at(buy, buy.price - 1)], E::WeakAccountLegWorseThanMark);
    let sell = pit.btc_leg(PERP, -1);
    pit.refuse(&[sell], E::WeakAccountHealthFalls);
    pit.trade(&[buy]).ok();
}

#[test]
fn a_failing_account_hedges_again_once_it_is_paid_up() {
    let mut pit = dead();
    let put = pit.btc_leg((Put, 1, 90), 1);
    let withdraw = ix::withdraw(&pit.house, &pit.taker, 1, &[pit.btc()]);
    pit.world
        .send(withdraw, &[&pit.taker.owner])
        .refused(E::BelowInitialMargin);
    // Exactly up to maintenance: weak, no longer failing.
    let report = pit.world.report(&pit.taker, &[pit.btc()]);
    let missing = report
        .health_maintenance()
        .expect("health")
        .0
        .unsigned_abs();
    let refusals = [Some(E::FailingAccountDoesNotReduce), None];
    for (amount, error) in [missing - 1, 1].into_iter().zip(refusals) {
        let deposit = ix::deposit(&pit.house, &pit.taker, amount);
        pit.world.send(deposit, &[&pit.taker.owner]).ok();
        match error {
            Some(error) => pit.refuse(&[put], error),
            None => {
                pit.trade(&[put]).ok();
            }
        }
    }
}

#[test]
fn marks_in_another_s_favour_do_not_become_cash() {
    // Both sides of a friend's market: one gains what the other loses, neither can take it out.
    let mut pit = Pit::new(30_000 * USD, 30_000 * USD);
    let leg = pit.btc_leg(PERP, LOTS);
    pit.trade(&[leg]).ok();
    pit.world.pass(1);
    pit.world.set_price(&pit.markets[0].clone(), 300_000.0);
    let report = pit.world.report(&pit.taker, &[pit.btc()]);
    assert_eq!(report.equity.0, 50_000 * USD as i64);
    assert_eq!(report.senior.0, 30_000 * USD as i64);
    let withdraw = ix::withdraw(&pit.house, &pit.taker, 30_000 * USD + 1, &[pit.btc()]);
    pit.world
        .send(withdraw, &[&pit.taker.owner])
        .refused(E::BalanceNegative);
    let third = pit.house.trader(&mut pit.world, RICH);
    // Nor pay a friend's premium with it.
    let call = pit.btc_leg((Call, 2, 75), 3_000);
    let sides = [&pit.taker, &third];
    pit.world
        .trade(&pit.house, sides, &[call], &pit.markets)
        .refused(E::BalanceNegative);
}
