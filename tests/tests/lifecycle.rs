//! The whole life of a contract: listed, traded, expired, settled to the last micro-unit, collected, retired, and its slot
//! given to the next one.

use estuary::instructions::{PositionTransfer, TradeLeg};
use estuary::report::ReportPage;
use estuary::state::claims::{CLAIM_WINDOW, SHARE_WAIT};
use estuary::state::series::NO_EXPIRY;
use estuary::state::MarketStatus;
use estuary::state::SeriesKind::{Call, Future, Put};
use estuary_tests::expiry::MINUTE;
use estuary_tests::life::{per_lot_down, Contract, RICH};
use estuary_tests::setup::{mantissa, BTC_PRICE, DAY, USD};
use estuary_tests::trade::PERP;
use estuary_tests::{ix, EstuaryError as E, Holding, Life, Tamper};

fn drifting(minute: i64) -> f64 {
    100_000.0 + 37.123_456_78 * minute as f64
}

fn live(series: Contract, pays: bool) {
    let mut life = Life::new();
    let slot = life.spread(series);
    let old = life.leg(series, 1);
    let first = life.world.slot(&life.all[0], Future, 0, 0);
    assert_eq!(life.lots(slot), [7, -10, 3]);
    let before = life.money();
    let settlement = life.expire(drifting);
    let strike = mantissa(BTC_PRICE) / 100 * series.2;
    let per_lot = per_lot_down(series.0, strike, settlement);
    assert_eq!(per_lot > 0, pays, "{series:?}");
    let after = [7, -10, 3].map(|lots| lots * per_lot);
    let after = [0, 1, 2].map(|place| before[place] + after[place]);
    // It is not traded any more, and its slot is not free yet.
    life.trade(0, 1, &[old]).refused(E::SeriesExpired);
    life.retire().refused(E::SeriesHasOpenLots);
    // Settling it needs no price, whoever comes first.
    life.world.pass(DAY);
    for (place, left) in [(1, 10), (0, 3), (2, 0)] {
        assert_eq!(
            life.ledger().lots(slot).unwrap(),
            left + life.lots(slot)[place].unsigned_abs()
        );
        life.settle(place).ok();
        assert_eq!(life.world.account(&life.traders[place]).position_count, 0);
        assert_eq!(life.ledger().lots(slot).unwrap(), left);
        if left > 0 {
            life.retire().refused(E::SeriesHasOpenLots);
        }
    }
    assert_eq!(life.ledger().exercised, 0);
    // The slot is free while claims are still waiting.
    life.retire().ok();
    life.settle_up();
    life.price(BTC_PRICE);
    life.post_again();
    life.list(&[(series.0, series.2)]);
    let slot = life.world.slot(&life.all[0], series.0, 0, series.2);
    assert_eq!((slot, life.generation(slot)), (first, 2));
    let stale = TradeLeg { slot, ..old };
    life.trade(0, 1, &[stale])
        .refused(E::SeriesGenerationMismatch);
    assert_eq!(life.money(), after);
    life.everybody_leaves_with(after, 0);
}

#[test]
fn a_future_lives_and_is_settled_at_the_average() {
    live((Future, 0, 0), true);
}

#[test]
fn a_call_lives_and_is_exercised() {
    live((Call, 0, 90), true);
}

#[test]
fn a_call_lives_and_ends_worthless() {
    live((Call, 0, 110), false);
}

#[test]
fn a_put_lives_and_is_exercised() {
    live((Put, 0, 110), true);
}

#[test]
fn a_put_lives_and_ends_worthless() {
    live((Put, 0, 90), false);
}

#[test]
fn a_perp_lives_without_an_end() {
    let mut life = Life::new();
    let slot = life.spread(PERP);
    let variation = |life: &mut Life| {
        let btc = life.btc();
        for trader in &life.traders {
            life.world.settle(&life.house, trader, &btc, true).ok();
        }
        life.settle_up();
    };
    // 4,000 dollars up, a thousandth of them per lot.
    life.world.pass(1);
    life.price(104_000.0);
    variation(&mut life);
    let cash = |life: &Life| life.traders.each_ref().map(|one| life.world.cash(one));
    let gain = [28, -40, 12].map(|dollars| RICH + dollars * USD as i64);
    assert_eq!(cash(&life), gain);
    assert_eq!(life.lots(slot), [7, -10, 3]);
    // The end of an expiry is nothing to it.
    life.expire(|_| 104_000.0);
    life.settle_all();
    life.retire().ok();
    assert_eq!(life.lots(slot), [7, -10, 3]);
    assert_eq!(cash(&life), gain);
    // 6,000 dollars down, and closed at mark.
    life.world.pass(1);
    life.price(98_000.0);
    let leg = life.leg(PERP, 7);
    life.trade(1, 0, &[leg]).ok();
    let leg = life.leg(PERP, 3);
    life.trade(1, 2, &[leg]).ok();
    assert_eq!(life.lots(slot), [0, 0, 0]);
    life.settle_up();
    let table = life.world.market(&life.all[0].market).table;
    let perp = table[usize::from(slot)];
    assert_eq!((perp.generation, perp.expiry), (1, NO_EXPIRY));
    life.everybody_leaves_with([-14, 20, -6].map(|dollars| RICH + dollars * USD as i64), 0);
}

#[test]
fn an_option_is_exercised_once() {
    let mut life = Life::new();
    let series = (Call, 0, 90);
    let slot = life.spread(series);
    let before = life.money();
    let settlement = life.expire(|_| 100_000.0);
    assert_eq!(settlement, mantissa(100_000.0));
    // Ten dollars a lot.
    let paid = |lots: i64| lots * 10 * USD as i64;
    life.settle(0).ok();
    let claim = life.unsettled(0).claims[0];
    assert_eq!(claim.face, paid(7).unsigned_abs());
    let btc = life.btc();
    for variation in [false, true] {
        let again = life
            .world
            .settle(&life.house, &life.traders[0], &btc, variation);
        again.refused(E::NothingToSettle);
    }
    // Nor by handing on what is not there any more.
    let sub = {
        let first = &life.traders[0];
        life.house.sub_account(&mut life.world, first, 1, USD)
    };
    let transfer = PositionTransfer {
        market: 0,
        slot,
        generation: 1,
        lots: 7,
    };
    let moved = ix::transfer_positions(&life.house, &life.traders[0], &sub, &[transfer], &[&btc]);
    life.world
        .send(moved, &[&life.traders[0].owner])
        .refused(E::TransferExceedsPosition);
    let leg = TradeLeg {
        market: 0,
        slot,
        generation: 1,
        lots: -7,
        price: mantissa(10_000.0),
    };
    life.trade(0, 1, &[leg]).refused(E::SeriesExpired);
    // The others settle, it collects, and once more there is nothing.
    life.settle(1).ok();
    life.settle(2).ok();
    life.world.pass(2 * CLAIM_WINDOW);
    life.settle_all();
    life.settle(0).refused(E::NothingToSettle);
    let after = [7, -10, 3].map(paid);
    let after = [0, 1, 2].map(|place| before[place] + after[place]);
    assert_eq!(life.money(), after);
    life.retire().ok();
    life.settle(0).refused(E::NothingToSettle);
}

#[test]
fn lots_that_change_accounts_after_the_end_are_exercised_once() {
    let mut life = Life::new();
    let slot = life.spread((Put, 0, 110));
    let sub = {
        let first = &life.traders[0];
        life.house.sub_account(&mut life.world, first, 1, USD)
    };
    life.expire(|_| 100_000.0);
    let btc = life.btc();
    let transfer = |lots| PositionTransfer {
        market: 0,
        slot,
        generation: 1,
        lots,
    };
    let owner = life.traders[0].owner.insecure_clone();
    let moved =
        ix::transfer_positions(&life.house, &life.traders[0], &sub, &[transfer(4)], &[&btc]);
    life.world.send(moved, &[&owner]).ok();
    let before = life.money();
    life.world.settle(&life.house, &sub, &btc, false).ok();
    let back = ix::transfer_positions(&life.house, &sub, &life.traders[0], &[transfer(4)], &[&btc]);
    life.world
        .send(back, &[&owner])
        .refused(E::TransferExceedsPosition);
    life.settle_all();
    life.world.pass(2 * CLAIM_WINDOW);
    life.settle_all();
    life.world.settle(&life.house, &sub, &btc, false).ok();
    let ten = 10 * USD as i64;
    assert_eq!(life.world.cash(&sub), USD as i64 + 4 * ten);
    let after = [3, -10, 3].map(|lots| lots * ten);
    let after = [0, 1, 2].map(|place| before[place] + after[place]);
    assert_eq!(life.money(), after);
    assert_eq!(life.ledger().claims, Default::default());
    life.retire().ok();
}

#[test]
fn a_position_never_counts_in_the_next_series_of_its_slot() {
    let mut life = Life::new();
    let slot = life.spread((Call, 0, 90));
    // An account as it was, kept where no instruction reaches them.
    let old = life.traders[0].account;
    let kept = life.world.forge(&old, |_| ());
    life.expire(|_| 100_000.0);
    life.settle_up();
    life.retire().ok();
    let btc = life.btc();
    let settle = ix::settle(&life.house, &life.traders[0], &btc, false, false);
    let of_kept = settle.replacing(&old, &kept);
    // No series is there.
    life.world
        .send(of_kept.clone(), &[])
        .refused(E::SlotUnknown);
    // Another one is there.
    life.price(BTC_PRICE);
    life.post_again();
    let puts: Vec<_> = (0..19).map(|number| (Put, 101 + number)).collect();
    life.list(&puts);
    assert_eq!(life.generation(slot), 2);
    life.world
        .send(of_kept.clone(), &[])
        .refused(E::SeriesGenerationMismatch);
    let report = ix::margin_report(&life.house, &life.traders[0], ReportPage::Summary, &[&btc]);
    life.world
        .send(report.replacing(&old, &kept), &[])
        .refused(E::SeriesGenerationMismatch);
    let withdraw = ix::withdraw(&life.house, &life.traders[0], 1, &[&btc]).replacing(&old, &kept);
    life.world
        .send(withdraw, &[&life.traders[0].owner])
        .refused(E::SeriesGenerationMismatch);
    // Nor when that one has matured too.
    life.expire(|_| 100_000.0);
    life.world
        .send(of_kept, &[])
        .refused(E::SeriesGenerationMismatch);
}

#[test]
fn nothing_else_blocks_the_settlement_of_what_has_matured() {
    let mut life = Life::new();
    let slot = life.spread((Call, 0, 90));
    // The first also holds perps in both markets, far below what it has: it fails once the price falls.
    let (btc, sol) = (life.btc(), life.all[1].clone());
    for market in [&btc, &sol] {
        let perp = Holding {
            slot: life.world.slot(market, PERP.0, 0, 0),
            lots: 100_000,
            cost: -100_000 * 100 * USD as i64,
        };
        let [first, second, _] = &life.traders;
        life.world.hold(first, second, market, &[perp]);
    }
    life.expire(|_| 100_000.0);
    life.world.pass(1);
    life.price(80_000.0);
    life.world.set_price(&sol, 100.0);
    let report = life.world.report(&life.traders[0], &[&btc, &sol]);
    assert!(report.equity.0 < 0);
    // It is marked, so that nobody is paid, both markets are paused, and all feeds stop.
    let mark = ix::mark_account(&life.house, &life.traders[0], &[&btc, &sol]);
    life.world.send(mark, &[]).ok();
    for market in [&btc, &sol] {
        let pause = ix::set_market_status(&life.house, &market.market, MarketStatus::Paused);
        life.world.send(pause, &[&life.house.authority]).ok();
    }
    life.world.pass(DAY);
    for place in 0..3 {
        assert_ne!(life.lots(slot)[place], 0);
        life.settle(place).ok();
        assert_eq!(life.lots(slot)[place], 0);
    }
    assert_eq!(life.ledger().claims.unresolved, 1);
    life.retire().ok();
    // Nor does the pause keep the next expiry from its settlement price.
    life.time = life.world.expiry(&btc, 1).time;
    life.expire(|_| 80_000.0);
    life.retire().ok();
}

#[test]
fn too_few_prices_leave_positions_where_they_are_until_there_are_enough() {
    let mut life = Life::new();
    let slot = life.spread((Call, 0, 90));
    let before = life.money();
    let btc = life.btc();
    let minutes = |life: &mut Life, minutes: std::ops::Range<i64>, dollars| {
        for minute in minutes {
            let time = life.time;
            life.world
                .record_minute(&life.house, &btc, time, minute, dollars);
        }
    };
    minutes(&mut life, 0..12, 95_000.0);
    // The feed stops for two hours; nothing is settled, nothing is lost.
    life.world.set_time(life.time + 90 * MINUTE);
    let finalize = ix::finalize_settlement(&life.house, &btc, life.time);
    life.world
        .send(finalize, &[])
        .refused(E::SettlementMinutesTooFew);
    for place in 0..3 {
        life.settle(place).refused(E::NothingToSettle);
    }
    life.retire().refused(E::SeriesHasOpenLots);
    assert_eq!(life.lots(slot), [7, -10, 3]);
    minutes(&mut life, 120..127, 100_000.0);
    life.settle(0).refused(E::NothingToSettle);
    minutes(&mut life, 127..128, 100_000.0);
    // Thirty minutes at 95,000 by carrying forward, eight at 100,000.
    let settlement = (30 * mantissa(95_000.0) + 8 * mantissa(100_000.0)) / 38;
    assert_eq!(
        life.world.average(&btc, life.time).settlement_price,
        settlement
    );
    let per_lot = per_lot_down(Call, mantissa(90_000.0), settlement);
    life.settle_up();
    let after = [7, -10, 3].map(|lots| lots * per_lot);
    let after = [0, 1, 2].map(|place| before[place] + after[place]);
    life.retire().ok();
    life.everybody_leaves_with(after, 0);
}

#[test]
fn every_position_an_account_can_have_matures_in_one_settlement() {
    let mut life = Life::new();
    let btc = life.btc();
    let table = life.world.market(&btc.market).table;
    let all: Vec<_> = (0u16..)
        .zip(&table)
        .filter(|(_, series)| series.expiry != NO_EXPIRY)
        .map(|(slot, series)| Holding {
            slot,
            lots: 1 + i64::from(slot % 5),
            cost: if series.kind == Future.code() {
                -99_000 * USD as i64 / 1_000 * (1 + i64::from(slot % 5))
            } else {
                0
            },
        })
        .collect();
    assert_eq!(all.len(), 57);
    let [first, second, third] = &life.traders;
    life.world.hold(first, second, &btc, &all);
    let half: Vec<_> = all.iter().step_by(2).copied().collect();
    life.world.hold(third, second, &btc, &half);
    let before = life.money();
    for expiry in 0..3 {
        life.time = life.world.expiry(&btc, expiry).time;
        life.expire(drifting);
    }
    life.world.pass(DAY);
    for place in 0..3 {
        life.settle(place).ok();
        assert_eq!(life.world.account(&life.traders[place]).position_count, 0);
    }
    life.settle_up();
    assert_eq!(life.ledger().exercised, 0);
    let after = life.money();
    assert_eq!(after.iter().sum::<i64>(), before.iter().sum::<i64>());
    assert_ne!(after, before);
    life.everybody_leaves_with(after, 0);
}

#[test]
fn what_a_bankrupt_seller_cannot_pay_is_missing_to_the_micro_unit() {
    let mut life = Life::new();
    let btc = life.btc();
    let poor = life.house.trader(&mut life.world, 1_000 * USD);
    let slot = life.world.slot(&btc, Call, 0, 90);
    let held = |lots| Holding {
        slot,
        lots,
        cost: 0,
    };
    let [first, second, _] = &life.traders;
    life.world.hold(first, &poor, &btc, &[held(10)]);
    life.world.hold(second, &poor, &btc, &[held(3)]);
    // 210 dollars a lot: 2,730 dollars, of which the seller has 1,000.
    let settlement = life.expire(|_| 300_000.0);
    assert_eq!(
        per_lot_down(Call, mantissa(90_000.0), settlement),
        210_000_000
    );
    life.world.settle(&life.house, &poor, &btc, false).ok();
    assert_eq!(life.world.cash(&poor), 0);
    assert_eq!(life.ledger().claims.loss_to_share, 1_730 * USD);
    life.settle_all();
    life.retire().ok();
    let close = ix::close_account(&life.house, &poor);
    life.world.send(close, &[&poor.owner]).ok();
    life.world.pass(SHARE_WAIT);
    life.settle_all();
    // The thousand is shared by lots, rounded down but for the last who comes.
    let thousand = 1_000 * USD as i64;
    let first = thousand * 10 / 13;
    life.everybody_leaves_with([RICH + first, RICH + thousand - first, RICH], thousand);
}
