//! The fullest books that can exist: every instruction that has to work on them does, in one transaction.

use estuary::report::ReportPage;
use estuary::state::MAX_BANKS;
use estuary_tests::full_books::{each, spreads, stage, wide_market};
use estuary_tests::setup::USD;
use estuary_tests::world::{MAX_HEAP, USUAL_HEAP};
use estuary_tests::{ix, token, House, Token, Trader, Underlying, World};

/// A little of every token there can be, over all markets.
fn tokens(world: &mut World, house: &House, markets: &[Underlying], trader: &Trader) -> Vec<Token> {
    (1..MAX_BANKS)
        .map(|number| {
            let mint = world.place(token::mint(9));
            let token = house.add_token(world, &markets[number % markets.len()], mint);
            world.deposit_token(house, trader, &token, 10_000_000 + number as u64);
            token
        })
        .collect()
}

/// Liquidates the weak account in one transaction with `heap` bytes.
fn liquidated(markets: u8, weak_each: u16, others_each: u16, heap: u32) {
    let (world, _, probed, [weak, _]) = stage(markets, weak_each, others_each, 10_000 * USD);
    let probe = world.report(&weak, &probed.iter().collect::<Vec<_>>());
    let equity = probe.maintenance_margin.0 / 10 * 9;
    let deposit = u64::try_from(10_000 * USD as i64 - probe.equity.0 + equity).expect("a deposit");
    let (mut world, house, markets, [weak, liquidator]) =
        stage(markets, weak_each, others_each, deposit);
    let all: Vec<_> = markets.iter().collect();
    assert!(world.report(&weak, &all).is_liquidatable());
    for page in [
        ReportPage::Summary,
        ReportPage::Market(0),
        ReportPage::Positions(0),
    ] {
        let report = ix::margin_report(&house, &weak, page, &all);
        world.send(report, &[]).ok();
    }
    world.use_heap(heap);
    let step = ix::liquidate(&house, &liquidator, &weak, &all);
    let used = world
        .send(step, &[&liquidator.owner])
        .ok()
        .compute_units_consumed;
    assert!(used < 1_250_000, "{used}");
}

#[test]
fn the_fullest_accounts_are_liquidated_in_one_transaction() {
    // An expiry of one market each, and as much as a liquidator may hold besides.
    for (markets, weak_each, others_each) in [(8, 8, 0), (8, 8, 2), (4, 16, 4), (2, 32, 8)] {
        liquidated(markets, weak_each, others_each, MAX_HEAP);
    }
}

#[test]
fn the_fullest_account_with_every_token_is_liquidated_in_one_transaction() {
    // It is worth about 9,000 USD of its maintenance margin of 11,000.
    let (mut world, house, markets, [weak, liquidator]) = stage(8, 8, 2, 10_000 * USD);
    tokens(&mut world, &house, &markets, &weak);
    let all: Vec<_> = markets.iter().collect();
    let report = world.report(&weak, &all);
    let lost = report.equity.0 - report.maintenance_margin.0 / 10 * 9;
    world.adjust_cash(&weak, -lost);
    world.adjust_cash(&liquidator, lost);
    assert!(world.report(&weak, &all).is_liquidatable());
    world.use_heap(MAX_HEAP);
    let step = ix::liquidate(&house, &liquidator, &weak, &all);
    let done = world.send(step, &[&liquidator.owner]).ok();
    let used = done.compute_units_consumed;
    assert!(used < 1_250_000, "{used}");
    println!("{used} compute units");
}

#[test]
fn thirty_six_positions_in_two_markets_need_no_more_heap_than_usual() {
    liquidated(2, 18, 0, USUAL_HEAP);
}

#[test]
fn the_fullest_block_trade_fits_one_transaction() {
    let (mut world, house) = World::with_house();
    world.use_heap(MAX_HEAP);
    let markets = [wide_market(&mut world, &house, 1)];
    let [taker, maker, rest, other] = [0; 4].map(|_| house.trader(&mut world, 1_000_000 * USD));
    let slots = |range: std::ops::Range<u16>| each(range, 1);
    world.hold(&taker, &rest, &markets[0], &slots(0..64));
    world.hold(&maker, &other, &markets[0], &slots(64..80));
    let legs: Vec<_> = (56..72)
        .map(|slot| world.leg_at_mark(&markets[0], slot, if slot < 64 { -1 } else { 1 }))
        .collect();
    // 64 and 16 positions, no series twice.
    let used = world
        .trade(&house, [&taker, &maker], &legs, &markets)
        .ok()
        .compute_units_consumed;
    assert!(used < 1_250_000, "{used}");
}

#[test]
fn a_share_of_every_position_is_taken_in_one_transaction() {
    let (mut world, house, markets, [weak, liquidator]) = spreads(1_000, USD);
    let all: Vec<_> = markets.iter().collect();
    assert!(world.report(&weak, &all).is_liquidatable());
    world.use_heap(MAX_HEAP);
    let step = ix::liquidate(&house, &liquidator, &weak, &all);
    let used = world
        .send(step, &[&liquidator.owner])
        .ok()
        .compute_units_consumed;
    assert!(used < 1_250_000, "{used}");
    println!(
        "{used} {} {:?}",
        world.account(&liquidator).position_count,
        world.report(&weak, &all)
    );
    assert_eq!(world.account(&liquidator).position_count, 64);
    assert!(!world.report(&weak, &all).is_liquidatable());
}
