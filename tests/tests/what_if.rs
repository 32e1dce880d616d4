//! What a margin report says of added legs is what the report says after the trade.

use estuary::instructions::{AddedLeg, TradeLeg, WhatIf};
use estuary::report::{
    MarketReportView, PositionsView, ReportPage, SummaryView, WhatIfView, POSITIONS_PER_PAGE,
};
use estuary::state::{SeriesKind, MAX_LEGS, MAX_POSITIONS};
use estuary_tests::setup::USD;
use estuary_tests::trade::PERP;
use estuary_tests::{ix, EstuaryError as E, Pit, Random};

const RICH: u64 = 100_000_000 * USD;
/// Random books.
const BOOKS: u64 = 60;
/// Compute units of a transaction.
const TRANSACTION: u64 = 1_400_000;

/// A leg to add at its own price.
fn added(leg: &TradeLeg) -> AddedLeg {
    AddedLeg {
        market: leg.market,
        slot: leg.slot,
        generation: leg.generation,
        lots: leg.lots,
        price: Some(leg.price),
    }
}

/// Every view of the taker's account after `change`, and its summary before.
struct Views {
    both: WhatIfView,
    markets: Vec<MarketReportView>,
    positions: Vec<PositionsView>,
}

fn pages(count: u16) -> std::ops::Range<u16> {
    let pages = usize::from(count).div_ceil(POSITIONS_PER_PAGE);
    0..u16::try_from(pages).expect("few pages")
}

/// What the program says of a change, the same as the client.
fn what_if(pit: &mut Pit, change: &WhatIf, legs: &[TradeLeg]) -> Views {
    let all = pit.markets.clone();
    let markets = pit.world.needed(&[&pit.taker], legs, &all);
    let (house, taker) = (&pit.house, &pit.taker);
    let report = |page| ix::what_if(house, taker, page, change, &markets);
    let both: WhatIfView = pit.world.view(report(ReportPage::Summary));
    let mut snapshot = pit.world.snapshot(taker, &markets);
    for (loaded, market) in snapshot.markets.iter_mut().zip(&markets) {
        *loaded = pit.world.loaded(market);
    }
    assert_eq!(both, *snapshot.what_if(change).expect("a client's answer"));
    let count = usize::from(both.after.market_count);
    let of_market = |summary: &estuary::report::MarketSummary| {
        let page = ReportPage::Market(summary.market);
        pit.world.view(report(page))
    };
    let priced = both.after.markets.iter().take(count);
    let markets = priced.map(of_market).collect();
    let of_page = |page| pit.world.view(report(ReportPage::Positions(page)));
    let positions = pages(both.after.position_count).map(of_page).collect();
    Views {
        both,
        markets,
        positions,
    }
}

/// Compares what was said with what the account is now.
fn compare(pit: &mut Pit, said: &Views) {
    let all = pit.markets.clone();
    let markets = pit.world.needed(&[&pit.taker], &[], &all);
    let (house, taker) = (&pit.house, &pit.taker);
    let report = |page| ix::margin_report(house, taker, page, &markets);
    let after: SummaryView = pit.world.view(report(ReportPage::Summary));
    assert_eq!(said.both.after, after);
    for market in &said.markets {
        let page = ReportPage::Market(market.market);
        let view: MarketReportView = pit.world.view(report(page));
        assert_eq!(*market, view);
    }
    for (page, said) in pages(after.position_count).zip(&said.positions) {
        let view: PositionsView = pit.world.view(report(ReportPage::Positions(page)));
        assert_eq!(*said, view);
    }
}

/// The summary as it is now.
fn summary(pit: &mut Pit) -> SummaryView {
    let all = pit.markets.clone();
    let markets = pit.world.needed(&[&pit.taker], &[], &all);
    let report = ix::margin_report(&pit.house, &pit.taker, ReportPage::Summary, &markets);
    pit.world.view(report)
}

/// Random legs in both markets, each series once: in some the account has positions, which some of them close.
fn legs(pit: &Pit, random: &mut Random) -> (Vec<TradeLeg>, Vec<AddedLeg>) {
    let (mut traded, mut asked) = (Vec::new(), Vec::new());
    for market in &pit.markets {
        let count = random.below(4) as usize;
        for holding in random.holdings(&pit.world, market, count) {
            let held = pit
                .world
                .account(&pit.taker)
                .lots(market.index, holding.slot);
            let closes = held != 0 && random.below(2) == 0;
            let lots = if closes { -held } else { holding.lots };
            let (down, up) = pit.world.mark(market, holding.slot);
            let at_mark = random.below(2) == 0;
            let price = if lots > 0 { up } else { down };
            let leg = TradeLeg {
                price: if at_mark {
                    price
                } else {
                    (up + up / 5_000).max(1)
                },
                ..pit.world.leg(market, holding.slot, lots, 1.0)
            };
            traded.push(leg);
            let price = (!at_mark).then_some(leg.price);
            asked.push(AddedLeg {
                price,
                ..added(&leg)
            });
        }
    }
    (traded, asked)
}

#[test]
fn what_is_said_of_legs_is_what_trading_them_gives() {
    let mut random = Random::new(0x3a71f);
    for book in 0..BOOKS {
        let mut pit = Pit::new(RICH, RICH);
        let sizes = [0, 1, 5, 16, 30];
        let count = sizes[book as usize % sizes.len()];
        let markets = pit.markets.clone();
        // In every third book the account holds nothing in the second market.
        let parts = [count - count / 3, if book % 3 == 0 { 0 } else { count / 3 }];
        for (market, count) in markets.iter().zip(parts) {
            let holdings = random.holdings(&pit.world, market, count);
            pit.world.hold(&pit.taker, &pit.maker, market, &holdings);
        }
        let before = summary(&mut pit);
        let (legs, asked) = legs(&pit, &mut random);
        let change = WhatIf {
            legs: asked,
            cash: 0,
        };
        let said = what_if(&mut pit, &change, &legs);
        assert_eq!(said.both.before, before);
        if !legs.is_empty() {
            pit.trade(&legs).ok();
        }
        compare(&mut pit, &said);
    }
}

#[test]
fn a_first_trade_in_a_market_is_shown_before_it_is_made() {
    let mut pit = Pit::new(RICH, RICH);
    let leg = pit.sol_leg((SeriesKind::Put, 1, 90), -50);
    let change = WhatIf {
        legs: vec![added(&leg)],
        cash: 0,
    };
    let said = what_if(&mut pit, &change, &[leg]);
    let before = said.both.before;
    assert_eq!((before.initial_margin, before.market_count), (0, 0));
    let after = said.both.after;
    assert!(after.initial_margin > 0 && after.option_value < 0);
    assert_eq!((after.market_count, after.position_count), (1, 1));
    assert!(after.cash > before.cash, "the premium");
    pit.trade(&[leg]).ok();
    compare(&mut pit, &said);
}

#[test]
fn cash_is_added_to_the_account_that_would_be() {
    let mut pit = Pit::new(RICH, RICH);
    let legs = [pit.btc_leg(PERP, 1_000)];
    pit.trade(&legs).ok();
    let change = WhatIf {
        legs: vec![],
        cash: 7 * USD as i64,
    };
    let said = what_if(&mut pit, &change, &[]);
    assert_eq!(
        said.both.after.health_initial - said.both.before.health_initial,
        7 * USD as i64
    );
    let deposit = ix::deposit(&pit.house, &pit.taker, 7 * USD);
    pit.world.send(deposit, &[&pit.taker.owner]).ok();
    compare(&mut pit, &said);
    // What cash does not cover is shown, and refused by the trade.
    let leg = pit.btc_leg((SeriesKind::Call, 1, 100), 30_000_000);
    let change = WhatIf {
        legs: vec![added(&leg)],
        cash: 0,
    };
    let said = what_if(&mut pit, &change, &[leg]);
    assert!(said.both.after.cash < 0 && said.both.after.health_initial < 0);
    pit.refuse(&[leg], E::BalanceNegative);
}

#[test]
fn what_no_account_could_hold_is_refused() {
    let mut pit = Pit::new(RICH, RICH);
    let btc = pit.btc().clone();
    let sol = pit.sol().clone();
    let mut random = Random::new(5);
    let holdings = random.holdings(&pit.world, &btc, 50);
    pit.world.hold(&pit.taker, &pit.maker, &btc, &holdings);
    let holdings = random.holdings(&pit.world, &sol, MAX_POSITIONS - 50);
    pit.world.hold(&pit.taker, &pit.maker, &sol, &holdings);
    let account = pit.world.account(&pit.taker);
    let free = |slot: &u16| account.lots(0, *slot) == 0;
    let slot = (0..58).find(free).expect("a free series");
    let leg = pit.world.leg_at_mark(&btc, slot, 1);
    let report = |legs: Vec<AddedLeg>| {
        let change = WhatIf { legs, cash: 0 };
        ix::what_if(
            &pit.house,
            &pit.taker,
            ReportPage::Summary,
            &change,
            &[&btc, &sol],
        )
    };
    let too_many = report(vec![added(&leg)]);
    // One closed first, in the order given, makes room.
    let held = account.positions[0];
    let close = AddedLeg {
        market: 0,
        slot: held.slot,
        generation: held.generation,
        lots: -held.lots,
        price: None,
    };
    let exchanged = report(vec![close, added(&leg)]);
    let too_large = report(vec![AddedLeg {
        lots: (1 << 32) - 1,
        ..close
    }]);
    pit.world.send(too_many, &[]).refused(E::TooManyPositions);
    pit.world.send(too_large, &[]).refused(E::LotsOverflow);
    pit.world.send(exchanged, &[]).ok();
}

#[test]
fn the_largest_question_fits_a_transaction() {
    let mut pit = Pit::new(RICH, RICH);
    let (btc, sol) = (pit.btc().clone(), pit.sol().clone());
    let mut random = Random::new(9);
    for (market, count) in [(&btc, 40), (&sol, MAX_POSITIONS - 40)] {
        let holdings = random.holdings(&pit.world, market, count);
        pit.world.hold(&pit.taker, &pit.maker, market, &holdings);
    }
    // As many series closed as new ones opened: the most that is priced.
    let account = pit.world.account(&pit.taker);
    let half = MAX_LEGS / 2;
    let close = account.positions.iter().take(half).map(|held| AddedLeg {
        market: held.market,
        slot: held.slot,
        generation: held.generation,
        lots: -held.lots,
        price: None,
    });
    let free = (0..58).filter(|slot| account.lots(0, *slot) == 0);
    let open = free
        .take(half)
        .map(|slot| added(&pit.world.leg_at_mark(&btc, slot, -3)));
    let legs: Vec<_> = close.chain(open).collect();
    assert_eq!(legs.len(), MAX_LEGS);
    let change = WhatIf { legs, cash: -1 };
    let report = |page| ix::what_if(&pit.house, &pit.taker, page, &change, &[&btc, &sol]);
    let pages = [
        ReportPage::Summary,
        ReportPage::Market(0),
        ReportPage::Positions(3),
    ];
    for instruction in pages.map(report) {
        // As `request_heap_frame` asks for.
        pit.world.use_heap(256 * 1024);
        let outcome = pit.world.send(instruction.clone(), &[]);
        let used = outcome.compute_units();
        println!("{used} CU");
        outcome.ok();
        assert!(used <= TRANSACTION * 9 / 10, "{used}");
        let heap = pit.world.heap_needed(instruction, &[]);
        println!("{heap} bytes");
        assert!(heap <= 64 * 1024, "{heap} bytes");
    }
}
