//! What a withdrawal leaves behind: equity over the initial margin, and no unrealised gain paid out.

use estuary::state::SeriesKind;
use estuary_tests::setup::{BTC_PRICE, SOL_PRICE, USD};
use estuary_tests::{ix, EstuaryError as E, Holding, House, Trader, Underlying, World};

const CASH: u64 = 1_000_000 * USD;

/// A world with two traders of a million each.
fn stage() -> (World, House, [Underlying; 2], [Trader; 2]) {
    let (mut world, house, markets) = World::with_markets();
    let traders = [0; 2].map(|_| house.trader(&mut world, CASH));
    (world, house, markets, traders)
}

/// Asserts that `trader` can withdraw down to the initial margin and not one micro-unit further.
fn assert_line(world: &mut World, house: &House, trader: &Trader, markets: &[&Underlying]) {
    let report = world.report(trader, markets);
    let free = report.health_initial().expect("health").0;
    assert!(free > 0, "{report:?}");
    let amount = u64::try_from(free).expect("an amount");
    let withdraw = |amount| ix::withdraw(house, trader, amount, markets);
    world
        .send(withdraw(amount + 1), &[&trader.owner])
        .refused(E::BelowInitialMargin);
    world.send(withdraw(amount), &[&trader.owner]).ok();
    let after = world.report(trader, markets);
    assert_eq!(after.equity, after.initial_margin);
    world
        .send(withdraw(1), &[&trader.owner])
        .refused(E::BelowInitialMargin);
}

#[test]
fn a_perp_keeps_its_margin_in_the_account() {
    let (mut world, house, [btc, _], [long, short]) = stage();
    let perp = Holding {
        slot: world.slot(&btc, SeriesKind::Perp, 0, 0),
        lots: 1_000,
        cost: -100_000_000_000,
    };
    world.hold(&long, &short, &btc, &[perp]);
    for trader in [&long, &short] {
        assert_line(&mut world, &house, trader, &[&btc]);
    }
}

#[test]
fn options_in_two_markets_keep_theirs() {
    let (mut world, house, [btc, sol], [long, short]) = stage();
    for market in [&btc, &sol] {
        let holdings = [
            (SeriesKind::Call, 0, 110, 500),
            (SeriesKind::Put, 0, 90, -700),
            (SeriesKind::Call, 1, 120, -900),
            (SeriesKind::Put, 2, 75, 1_100),
        ];
        let holdings = holdings.map(|(kind, expiry, percent, lots)| Holding {
            slot: world.slot(market, kind, expiry, percent),
            lots,
            cost: 0,
        });
        world.hold(&long, &short, market, &holdings);
    }
    for trader in [&long, &short] {
        assert_line(&mut world, &house, trader, &[&btc, &sol]);
    }
}

#[test]
fn unrealised_gains_stay_and_unrealised_losses_count() {
    let (mut world, house, [_, sol], [long, short]) = stage();
    let perp = Holding {
        slot: world.slot(&sol, SeriesKind::Perp, 0, 0),
        lots: 100_000,
        cost: -2_000_000 * USD as i64,
    };
    world.hold(&long, &short, &sol, &[perp]);
    // The long gains two millions, the short loses as much and has one.
    world.set_price(&sol, 2.0 * SOL_PRICE);
    let withdraw = |trader, amount| ix::withdraw(&house, trader, amount, &[&sol]);
    let report = world.report(&long, &[&sol]);
    assert_eq!(report.equity.0, 3_000_000 * USD as i64);
    assert_eq!(report.senior.0, CASH as i64);
    world
        .send(withdraw(&long, CASH + 1), &[&long.owner])
        .refused(E::BalanceNegative);
    world.send(withdraw(&long, CASH), &[&long.owner]).ok();
    world
        .send(withdraw(&short, 1), &[&short.owner])
        .refused(E::SeniorNegative);
    // The short cannot leave as long as it loses, and can when it does not.
    world.set_price(&sol, SOL_PRICE);
    world.send(withdraw(&short, 1), &[&short.owner]).ok();
}

#[test]
fn the_clock_alone_can_raise_or_lower_the_margin() {
    let (mut world, house, [btc, _], [long, short]) = stage();
    let call = Holding {
        slot: world.slot(&btc, SeriesKind::Call, 0, 110),
        lots: 10_000,
        cost: 0,
    };
    world.hold(&long, &short, &btc, &[call]);
    assert_line(&mut world, &house, &short, &[&btc]);
    world.pass(6 * 86_400 + 80_000);
    world.set_price(&btc, BTC_PRICE);
    // An hour before the end the same call is worth nothing and needs the floor on notional.
    assert_line(&mut world, &house, &short, &[&btc]);
}

#[test]
fn other_accounts_of_the_owner_do_not_count() {
    let (mut world, house, [btc, _], [long, short]) = stage();
    let perp = Holding {
        slot: world.slot(&btc, SeriesKind::Perp, 0, 0),
        lots: 5_000,
        cost: -500_000 * USD as i64,
    };
    world.hold(&long, &short, &btc, &[perp]);
    let mut second = house.newcomer(&mut world, 0);
    second.owner = long.owner.insecure_clone();
    second.tokens = long.tokens;
    second.sub_id = 1;
    second.account = house.margin_account(&estuary_tests::Signer::pubkey(&long.owner), 1);
    let steps = [
        ix::open_account(&house, &second),
        ix::deposit(&house, &second, CASH),
    ];
    world.send_all(&steps, &[&second.owner]).ok();
    assert_line(&mut world, &house, &long, &[&btc]);
    let withdraw = ix::withdraw(&house, &second, CASH, &[]);
    world.send(withdraw, &[&second.owner]).ok();
}
