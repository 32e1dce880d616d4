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
fn a_carried_loss_needs_no_price_and_counts() {
    let mut pit = round_trip();
    let [btc, sol] = pit.markets.clone();
    let closed = pit.world.account(&pit.taker);
    let loss = closed.unsettled_in(sol.index).expect("a loss").carry;
    assert!(loss < 0, "{loss}");
    let report = pit.world.report(&pit.taker, &[&btc, &sol]);
    assert_eq!(report.equity.0, RICH as i64 + loss);
    assert_eq!(report.senior.0, report.equity.0);

    let withdraw =
        |pit: &Pit, amount, markets: &[_]| ix::withdraw(&pit.house, &pit.taker, amount, markets);
    let free = report.health_initial().expect("health").0.unsigned_abs();
    let missing = withdraw(&pit, free, &[&btc]);
    pit.world
        .send(missing, &[&pit.taker.owner])
        .refused(E::MarketAccountMissing);
    let beyond = withdraw(&pit, free + 1, &[&btc, &sol]);
    pit.world
        .send(beyond, &[&pit.taker.owner])
        .refused(E::BelowInitialMargin);
    let all = withdraw(&pit, free, &[&btc, &sol]);
    pit.world.send(all, &[&pit.taker.owner]).ok();
}

#[test]
fn an_account_that_owes_nothing_needs_no_market_to_leave() {
    let mut pit = round_trip();
    let leg = pit.btc_leg(PERP, -100);
    pit.trade(&[leg]).ok();
    let sol = pit.markets[1].clone();
    // The other side of the round trip has a gain in SOL: not needed to take its cash out, and not payable as cash.
    let maker = pit.world.account(&pit.maker);
    assert!(maker.unsettled_in(sol.index).expect("a gain").carry > 0);
    let beyond = ix::withdraw(&pit.house, &pit.maker, RICH + 1, &[]);
    pit.world
        .send(beyond, &[&pit.maker.owner])
        .refused(E::BalanceNegative);
    let needless = ix::withdraw(&pit.house, &pit.maker, RICH, &[&sol]);
    pit.world
        .send(needless, &[&pit.maker.owner])
        .refused(E::MarketAccountsLeftOver);
    let all = ix::withdraw(&pit.house, &pit.maker, RICH, &[]);
    pit.world.send(all, &[&pit.maker.owner]).ok();
}

#[test]
fn a_trade_elsewhere_counts_the_closed_loss_on_both_sides_of_the_check() {
    let mut pit = round_trip();
    let leg = pit.btc_leg(PERP, -100);
    pit.trade(&[leg]).ok();
    // Nothing open is left: the account leaves with its cash less the loss, by the stale market's ledger alone.
    let sol = pit.markets[1].clone();
    let report = pit.world.report(&pit.taker, &[&sol]);
    assert_eq!(report.initial_margin.0, 0);
    let free = report.senior.0.unsigned_abs();
    let beyond = ix::withdraw(&pit.house, &pit.taker, free + 1, &[&sol]);
    pit.world
        .send(beyond, &[&pit.taker.owner])
        .refused(E::SeniorNegative);
    let all = ix::withdraw(&pit.house, &pit.taker, free, &[&sol]);
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
