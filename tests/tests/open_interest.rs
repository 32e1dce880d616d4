//! Limits on open interest: they bind what raises it, to the lot, and never an exit.

use estuary::instructions::CreateMarketArgs;
use estuary::state::MarketLedger;
use estuary::state::SeriesKind::{Call, Put};
use estuary_tests::setup::{btc_args, sol_args, BTC_PRICE, SOL_PRICE, USD};
use estuary_tests::trade::PERP;
use estuary_tests::{EstuaryError as E, Holding, Pit, World};

const RICH: u64 = 10_000_000 * USD;

/// A pit whose BTC market has these limits.
fn limited(series: u64, market: u64) -> Pit {
    let (mut world, house) = World::with_house();
    let btc = CreateMarketArgs {
        max_series_open_interest: series,
        max_market_open_interest: market,
        ..btc_args()
    };
    let markets = [(btc, BTC_PRICE), (sol_args(), SOL_PRICE)].map(|(args, price)| {
        let market = house.create_market(&mut world, &args, price);
        house.list_usual_series(&mut world, &market, price);
        market
    });
    let [taker, maker] = [0; 2].map(|_| house.trader(&mut world, RICH));
    Pit {
        world,
        house,
        markets,
        taker,
        maker,
    }
}

fn total(pit: &Pit) -> u64 {
    let ledger: MarketLedger = pit.world.read(&pit.btc().ledger);
    ledger.total_open_interest_up()
}

#[test]
fn a_series_takes_its_limit_and_not_a_lot_more() {
    let mut pit = limited(10, 0);
    let one = pit.btc_leg(PERP, 1);
    let eleven = pit.btc_leg(PERP, 11);
    pit.refuse(&[eleven], E::SeriesOpenInterestLimit);
    let short = pit.btc_leg(PERP, -10);
    pit.trade(&[short]).ok();
    let more = pit.btc_leg(PERP, -1);
    pit.refuse(&[more], E::SeriesOpenInterestLimit);
    // Other series and other markets are not concerned.
    let call = pit.btc_leg((Call, 1, 110), 10);
    let sol = pit.sol_leg(PERP, 1_000);
    pit.trade(&[call, sol]).ok();
    pit.trade(&[one]).ok();
    assert_eq!(total(&pit), 19);
}

#[test]
fn a_market_takes_its_limit_over_all_series() {
    let mut pit = limited(0, 10);
    let legs = [pit.btc_leg(PERP, 6), pit.btc_leg((Put, 1, 90), -4)];
    pit.trade(&legs).ok();
    assert_eq!(total(&pit), 10);
    let call = pit.btc_leg((Call, 1, 110), 1);
    pit.refuse(&[call], E::MarketOpenInterestLimit);
    // A package counts as a whole, whatever the order of its legs.
    let close = pit.btc_leg(PERP, -1);
    pit.trade(&[call, close]).ok();
    assert_eq!(total(&pit), 10);
    let two = pit.btc_leg((Call, 1, 120), 2);
    pit.refuse(&[close, two], E::MarketOpenInterestLimit);
}

#[test]
fn lots_change_hands_at_the_limit() {
    let mut pit = limited(10, 10);
    let leg = pit.btc_leg(PERP, 10);
    pit.trade(&[leg]).ok();
    let heir = pit.house.trader(&mut pit.world, RICH);
    let sell = pit.btc_leg(PERP, -10);
    let sides = [&pit.taker, &heir];
    pit.world
        .trade(&pit.house, sides, &[sell], &pit.markets)
        .ok();
    assert_eq!(total(&pit), 10);
    assert_eq!(pit.world.account(&heir).lots(0, leg.slot), 10);
}

#[test]
fn an_exit_is_never_blocked() {
    let mut pit = limited(10, 10);
    let slot = pit.btc_leg(PERP, 1).slot;
    let btc = pit.btc().clone();
    // More than the limits, as if they had been lower later.
    let over = Holding {
        slot,
        lots: 50,
        cost: 0,
    };
    pit.world.hold(&pit.taker, &pit.maker, &btc, &[over]);
    let up = pit.btc_leg(PERP, 1);
    pit.refuse(&[up], E::SeriesOpenInterestLimit);
    for lots in [-1, -9, -40] {
        let down = pit.btc_leg(PERP, lots);
        pit.trade(&[down]).ok();
    }
    assert_eq!(total(&pit), 0);
}

#[test]
fn no_limit_is_no_limit() {
    let mut pit = limited(0, 0);
    let leg = pit.btc_leg(PERP, 100_000);
    pit.trade(&[leg]).ok();
    let mut pit = limited(u64::MAX, u64::MAX);
    pit.trade(&[leg]).ok();
    assert_eq!(total(&pit), 100_000);
}
