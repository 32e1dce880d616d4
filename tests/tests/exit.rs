//! Exit is never blocked: a price that an account's margin does not depend on is not asked for.

use estuary_tests::setup::{BTC_PRICE, SOL_PRICE, USD};
use estuary_tests::trade::PERP;
use estuary_tests::{ix, EstuaryError as E, Pit};

const RICH: u64 = 1_000_000 * USD;

/// The taker bought SOL, sold it again 10% lower and still holds BTC; SOL's price is long stale since.
fn round_trip() -> Pit {
    let mut pit = Pit::new(RICH, RICH);
    let [btc, sol] = pit.markets.clone();
    let legs = [pit.btc_leg(PERP, 100), pit.sol_leg(PERP, 1_000)];
    pit.trade(&legs).ok();
    pit.world.pass(1);
    pit.world.set_price(&btc, BTC_PRICE);
    pit.world.set_price(&sol, 0.9 * SOL_PRICE);
    let leg = pit.sol_leg(PERP, -1_000);
    pit.trade(&[leg]).ok();
    pit.world.pass(3_600);
    pit.world.set_price(&btc, BTC_PRICE);
    pit
}

#[test]
fn a_closed_position_needs_no_price_and_keeps_its_loss() {
    let mut pit = round_trip();
    let [btc, sol] = pit.markets.clone();
    let closed = pit.world.account(&pit.taker);
    let loss: i64 = closed
        .open_positions()
        .iter()
        .filter(|position| position.lots == 0)
        .map(|position| position.cost)
        .sum();
    assert!(loss < 0, "{loss}");
    let report = pit.world.report(&pit.taker, &[&btc]);
    assert_eq!(report.equity.0, RICH as i64 + loss);
    assert_eq!(report.senior.0, report.equity.0);

    let withdraw =
        |pit: &Pit, amount, markets: &[_]| ix::withdraw(&pit.house, &pit.taker, amount, markets);
    let free = report.health_initial().expect("health").0.unsigned_abs();
    let needless = withdraw(&pit, free, &[&btc, &sol]);
    pit.world
        .send(needless, &[&pit.taker.owner])
        .refused(E::MarketAccountsLeftOver);
    let beyond = withdraw(&pit, free + 1, &[&btc]);
    pit.world
        .send(beyond, &[&pit.taker.owner])
        .refused(E::BelowInitialMargin);
    let all = withdraw(&pit, free, &[&btc]);
    pit.world.send(all, &[&pit.taker.owner]).ok();
}

#[test]
fn a_trade_elsewhere_counts_the_closed_loss_on_both_sides_of_the_check() {
    let mut pit = round_trip();
    let leg = pit.btc_leg(PERP, -100);
    pit.trade(&[leg]).ok();
    // Nothing open is left: the account leaves with its cash less the loss, and no market.
    let report = pit.world.report(&pit.taker, &[]);
    assert_eq!(report.initial_margin.0, 0);
    let free = report.senior.0.unsigned_abs();
    let beyond = ix::withdraw(&pit.house, &pit.taker, free + 1, &[]);
    pit.world
        .send(beyond, &[&pit.taker.owner])
        .refused(E::SeniorNegative);
    let all = ix::withdraw(&pit.house, &pit.taker, free, &[]);
    pit.world.send(all, &[&pit.taker.owner]).ok();
}

#[test]
fn an_open_position_still_needs_its_price() {
    let mut pit = Pit::new(RICH, RICH);
    let [_, sol] = pit.markets.clone();
    let leg = pit.sol_leg(PERP, 1_000);
    pit.trade(&[leg]).ok();
    pit.world.pass(3_600);
    let stale = ix::withdraw(&pit.house, &pit.taker, 1, &[&sol]);
    pit.world
        .send(stale, &[&pit.taker.owner])
        .refused(E::PriceTooOld);
    let missing = ix::withdraw(&pit.house, &pit.taker, 1, &[]);
    pit.world
        .send(missing, &[&pit.taker.owner])
        .refused(E::MarketAccountMissing);
}
