//! The fullest books that can exist: every instruction that has to work on them does, in one transaction.

use estuary::instructions::{CreateMarketArgs, SeriesArgs};
use estuary::report::ReportPage;
use estuary::state::{SeriesKind, MAX_BANKS};
use estuary_tests::setup::{btc_args, flat_slice, mantissa, DAY, USD, VOL_PPB};
use estuary_tests::{ix, token, EstuaryError, Holding, House, Token, Trader, Underlying, World};

const PRICE: f64 = 1_000.0;
const EXPIRIES: u8 = 16;
/// Heap of a transaction that does not ask for more.
const USUAL_HEAP: u32 = 32 * 1024;
/// Heap of a transaction that asks for all it can.
const MAX_HEAP: u32 = 256 * 1024;

/// A market with sixteen expiries of five strikes each, slot = 5 × expiry + strike.
fn wide_market(world: &mut World, house: &House, number: u8) -> Underlying {
    let mut args: CreateMarketArgs = btc_args();
    args.feed_id[0] = number;
    let market = house.create_market(world, &args, PRICE);
    let start = world.now();
    let slices: Vec<_> = (0..i64::from(EXPIRIES))
        .map(|expiry| flat_slice(start + (5 + 7 * expiry) * DAY, VOL_PPB))
        .collect();
    let series: Vec<SeriesArgs> = (0..EXPIRIES)
        .flat_map(|expiry| {
            (0..5u64).map(move |strike| SeriesArgs {
                kind: if strike % 2 == 0 {
                    SeriesKind::Call
                } else {
                    SeriesKind::Put
                },
                expiry,
                strike: mantissa(PRICE) / 100 * (90 + 5 * strike),
            })
        })
        .collect();
    let extend = ix::extend_market(house, &market.market, 80);
    world.send(extend, &[&house.authority]).ok();
    for slices in slices.chunks(8) {
        let post = ix::post_surface(house, &market.market, slices);
        world.send(post, &[&house.authority]).ok();
    }
    for series in series.chunks(40) {
        let list = ix::list_series(house, &market.market, series);
        world.send(list, &[&house.authority]).ok();
    }
    market
}

fn short(slots: impl Iterator<Item = u16>, lots: i64) -> Vec<Holding> {
    slots
        .map(|slot| Holding {
            slot,
            lots,
            cost: 0,
        })
        .collect()
}

/// One short position per market and expiry in `slots` of each market for the weak, others for the liquidator.
fn stage(
    markets: u8,
    weak_each: u16,
    others_each: u16,
    deposit: u64,
) -> (World, House, Vec<Underlying>, [Trader; 2]) {
    let (mut world, house) = World::with_house();
    let markets: Vec<_> = (1..=markets)
        .map(|number| wide_market(&mut world, &house, number))
        .collect();
    let counterparty: Vec<_> = markets
        .iter()
        .map(|_| house.trader(&mut world, USD))
        .collect();
    let weak = house.trader(&mut world, deposit);
    let liquidator = house.trader(&mut world, 100_000_000 * USD);
    let spread = |place: u16, strike: u16| 5 * (place % 16) + (place / 16) % 3 + strike;
    for (market, long) in markets.iter().zip(&counterparty) {
        let slots = (0..weak_each).map(|place| spread(place, 0));
        let holdings = short(slots, if place_is_odd(market) { 20 } else { 10 });
        world.hold(long, &weak, market, &holdings);
    }
    for (market, long) in markets.iter().zip(&counterparty) {
        if others_each > 0 {
            let slots = (0..others_each).map(|place| spread(15 - place, 4 - (15 - place) / 16));
            let holdings = short(slots, 1);
            world.hold(long, &liquidator, market, &holdings);
        }
    }
    (world, house, markets, [weak, liquidator])
}

fn place_is_odd(market: &Underlying) -> bool {
    market.index % 2 == 1
}

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
    let tokens = tokens(&mut world, &house, &markets, &weak);
    let all: Vec<_> = markets.iter().collect();
    let report = world.report(&weak, &all);
    let lost = report.equity.0 - report.maintenance_margin.0 / 10 * 9;
    world.adjust_cash(&weak, -lost);
    world.adjust_cash(&liquidator, lost);
    assert!(world.report(&weak, &all).is_liquidatable());
    world.use_heap(MAX_HEAP);
    // The tokens hedge the calls: all is evaluated, and the sale refused.
    let sale = ix::liquidate_token(&house, &liquidator, &weak, (&tokens[14], 1_000_000), &all);
    world
        .send(sale, &[&liquidator.owner])
        .refused(EstuaryError::TokenSaleDoesNotHelp);
    let step = ix::liquidate(&house, &liquidator, &weak, &all);
    let done = world.send(step, &[&liquidator.owner]).ok();
    let used = done.compute_units_consumed;
    assert!(used < 1_250_000, "{used}");
    println!("{used} compute units");
}

#[test]
fn sixty_positions_in_two_markets_need_no_more_heap_than_usual() {
    liquidated(2, 30, 0, USUAL_HEAP);
}

#[test]
fn the_fullest_block_trade_fits_one_transaction() {
    let (mut world, house) = World::with_house();
    world.use_heap(MAX_HEAP);
    let markets = [wide_market(&mut world, &house, 1)];
    let [taker, maker, rest, other] = [0; 4].map(|_| house.trader(&mut world, 1_000_000 * USD));
    let slots = |range: std::ops::Range<u16>| short(range, 1);
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

/// Sixty-four positions in eight markets of which no single one helps: long options hold the value, cash is used up.
fn spreads(long: i64, deposit: u64) -> (World, House, Vec<Underlying>, [Trader; 2]) {
    let (mut world, house) = World::with_house();
    let markets: Vec<_> = (1..=8)
        .map(|number| wide_market(&mut world, &house, number))
        .collect();
    let weak = house.trader(&mut world, deposit);
    let liquidator = house.trader(&mut world, 100_000_000 * USD);
    for market in &markets {
        let other = house.trader(&mut world, USD);
        let holdings: Vec<_> = (0..8u16)
            .map(|place| Holding {
                slot: 5 * place,
                lots: if place % 2 == 0 { -1_000 } else { long },
                cost: 0,
            })
            .collect();
        world.hold(&weak, &other, market, &holdings);
    }
    (world, house, markets, [weak, liquidator])
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
