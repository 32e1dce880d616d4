//! Expiries that nobody holds any more: their entries and slots are free, and what takes a slot next is another series.

use estuary::instructions::{SeriesArgs, TradeLeg};
use estuary::state::market::split_market;
use estuary::state::series::NO_EXPIRY;
use estuary::state::SeriesKind::{Call, Future, Put};
use estuary::state::{Market, MarketLedger, Series, MAX_EXPIRIES};
use estuary_tests::setup::{flat_slice, mantissa, BTC_PRICE, DAY, USD, VOL_PPB};
use estuary_tests::trade::PERP;
use estuary_tests::{ix, ErrorCode, EstuaryError as E, Holding, Outcome, Pit, Tamper};
use std::mem::offset_of;

const RICH: u64 = 10_000_000 * USD;

/// A pit at the moment its first expiries end, and when that is.
fn pit() -> (Pit, i64) {
    let mut pit = Pit::new(RICH, RICH);
    let time = pit.world.expiry(pit.btc(), 0).time;
    pit.world.set_time(time);
    let btc = pit.btc().clone();
    pit.world.set_price(&btc, BTC_PRICE);
    (pit, time)
}

fn retire(pit: &mut Pit, time: i64) -> Outcome {
    let retire = ix::retire_expiry(&pit.house, pit.btc(), time);
    pit.world.send(retire, &[])
}

fn post(pit: &mut Pit, times: &[i64]) -> Outcome {
    let slices: Vec<_> = times
        .iter()
        .map(|time| flat_slice(*time, VOL_PPB))
        .collect();
    let post = ix::post_surface(&pit.house, &pit.btc().market, &slices);
    pit.world.send(post, &[&pit.house.authority])
}

fn list(pit: &mut Pit, series: &[SeriesArgs]) -> Outcome {
    let list = ix::list_series(&pit.house, &pit.btc().market, series);
    pit.world.send(list, &[&pit.house.authority])
}

fn series(pit: &Pit) -> Vec<Series> {
    pit.world.market(&pit.btc().market).table
}

#[test]
fn what_nobody_holds_is_retired_without_a_settlement_price() {
    let (mut pit, time) = pit();
    let before = series(&pit);
    let header = pit.world.market(&pit.btc().market).header;
    retire(&mut pit, time).ok();
    let market = pit.world.market(&pit.btc().market);
    for (old, new) in before.iter().zip(&market.table) {
        let expected = if old.expiry == 0 {
            Series::free(1)
        } else {
            *old
        };
        assert_eq!(bytemuck::bytes_of(new), bytemuck::bytes_of(&expected));
    }
    // The places stay counted; only what is in them is gone.
    assert_eq!(market.header.series_count, header.series_count);
    assert_eq!(market.header.expiry_count, header.expiry_count);
    assert!(market.header.expiries[0].is_free());
    for (old, new) in header.expiries.iter().zip(&market.header.expiries).skip(1) {
        assert_eq!(bytemuck::bytes_of(new), bytemuck::bytes_of(old));
    }
    retire(&mut pit, time).refused(E::ExpiryUnknown);
    let record = ix::record_settlement_price(&pit.house, pit.btc(), time);
    pit.world.send(record, &[]).refused(E::ExpiryUnknown);
    // Its time has passed, so it does not come back.
    post(&mut pit, &[time]).refused(E::ExpiryPassed);
}

#[test]
fn a_slot_is_used_again_for_the_next_generation() {
    let (mut pit, time) = pit();
    let old = pit.btc_leg((Call, 1, 100), 1);
    let slot = pit.world.slot(pit.btc(), Call, 0, 100);
    let first = series(&pit).iter().position(|one| one.expiry == 0);
    retire(&mut pit, time).ok();
    let leg = TradeLeg { slot, ..old };
    pit.refuse(&[leg], E::SlotUnknown);
    // The free entry takes the next expiry, the free slots the next series in their order.
    post(&mut pit, &[time + 14 * DAY]).ok();
    assert_eq!(pit.world.expiry(pit.btc(), 0).time, time + 14 * DAY);
    let used = pit.world.market(&pit.btc().market).header.series_count;
    let args = |kind, strike| SeriesArgs {
        kind,
        expiry: 0,
        strike: mantissa(strike),
    };
    let next: Vec<_> = (0..19)
        .map(|number| args(Put, 70_000.0 + 1_000.0 * f64::from(number)))
        .collect();
    list(&mut pit, &next).ok();
    let table = series(&pit);
    assert_eq!(
        pit.world.market(&pit.btc().market).header.series_count,
        used
    );
    let reused = table.iter().skip(first.expect("a slot")).zip(&next);
    for (series, args) in reused {
        assert_eq!((series.generation, series.kind), (2, Put.code()));
        assert_eq!((series.expiry, series.strike), (0, args.strike));
    }
    // The table is full again.
    list(&mut pit, &[args(Call, 1.0)]).refused(E::SeriesTableFull);
    list(&mut pit, &next[..1]).refused(E::SeriesListedAlready);
    // A trade names the generation it means.
    let good = pit.world.leg_at_mark(pit.btc(), slot, 1);
    assert_eq!(good.generation, 2);
    for generation in [0, 1, 3] {
        let leg = TradeLeg { generation, ..good };
        pit.refuse(&[leg], E::SeriesGenerationMismatch);
    }
    pit.trade(&[good]).ok();
}

#[test]
fn what_somebody_holds_is_not_retired() {
    let (mut pit, time) = pit();
    let btc = pit.btc().clone();
    let held = Holding {
        slot: pit.world.slot(&btc, Put, 0, 125),
        lots: 1,
        cost: 0,
    };
    pit.world.hold(&pit.taker, &pit.maker, &btc, &[held]);
    retire(&mut pit, time).refused(E::SeriesHasOpenLots);
    pit.world.mature(&pit.house, &btc, time, BTC_PRICE);
    retire(&mut pit, time).refused(E::SeriesHasOpenLots);
    let back = Holding { lots: -1, ..held };
    pit.world.hold(&pit.taker, &pit.maker, &btc, &[back]);
    retire(&mut pit, time).ok();
}

#[test]
fn only_what_has_passed_is_retired() {
    let (mut pit, time) = pit();
    let later = pit.world.expiry(pit.btc(), 1).time;
    retire(&mut pit, later).refused(E::ExpiryNotPassed);
    pit.world.set_time(time - 1);
    retire(&mut pit, time).refused(E::ExpiryNotPassed);
    for unknown in [0, time - 1, time + 1, i64::MIN, i64::MAX] {
        retire(&mut pit, unknown).refused(E::ExpiryUnknown);
    }
    pit.world.set_time(time);
    retire(&mut pit, time).ok();
}

#[test]
fn expiries_that_have_run_out_come_back_with_retirement() {
    let (mut pit, time) = pit();
    let more = i64::try_from(MAX_EXPIRIES).unwrap() - 3;
    let times: Vec<_> = (0..more).map(|day| time + (200 + day) * DAY).collect();
    for times in times.chunks(5) {
        post(&mut pit, times).ok();
    }
    let next = time + 300 * DAY;
    post(&mut pit, &[next]).refused(E::TooManyExpiries);
    retire(&mut pit, time).ok();
    post(&mut pit, &[next]).ok();
    assert_eq!(pit.world.expiry(pit.btc(), 0).time, next);
    post(&mut pit, &[next + DAY]).refused(E::TooManyExpiries);
}

#[test]
fn a_free_slot_that_somebody_held_lots_in_is_not_listed() {
    let (mut pit, _) = pit();
    let btc = pit.btc().clone();
    let leg = pit.btc_leg(PERP, 1);
    pit.trade(&[leg]).ok();
    // No instruction frees a slot that has lots: a market and a ledger that say so.
    let record = |data: &[u8]| {
        let (_, table) = split_market(data).unwrap();
        assert_eq!(table[usize::from(leg.slot)].expiry, NO_EXPIRY);
        8 + Market::HEADER_SIZE + usize::from(leg.slot) * Series::SIZE
    };
    let market = pit.world.forge(&btc.market, |account| {
        let record = record(&account.data);
        account.data[record..record + Series::SIZE]
            .copy_from_slice(bytemuck::bytes_of(&Series::free(1)));
    });
    let ledger = pit.world.forge(&btc.ledger, |account| {
        let start = 8 + offset_of!(MarketLedger, market);
        account.data[start..start + 32].copy_from_slice(market.as_ref());
    });
    let call = SeriesArgs {
        kind: Call,
        expiry: 1,
        strike: mantissa(12_345.0),
    };
    let list = ix::list_series(&pit.house, &btc.market, &[call])
        .replacing(&btc.market, &market)
        .replacing(&btc.ledger, &ledger);
    pit.world
        .send(list, &[&pit.house.authority])
        .refused(E::SeriesHasOpenLots);
}

#[test]
fn the_ledger_of_a_listing_is_the_market_s() {
    let (mut pit, time) = pit();
    retire(&mut pit, time).ok();
    post(&mut pit, &[time + 14 * DAY]).ok();
    let (btc, sol) = (pit.btc().clone(), pit.sol().clone());
    let future = SeriesArgs {
        kind: Future,
        expiry: 0,
        strike: 0,
    };
    let good = ix::list_series(&pit.house, &btc.market, &[future]);
    let authority = pit.house.authority.insecure_clone();
    let bad = good.clone().replacing(&btc.ledger, &sol.ledger);
    pit.world
        .send(bad, &[&authority])
        .refused(E::LedgerOfAnotherMarket);
    for (wrong, error) in [
        (btc.market, ErrorCode::AccountDiscriminatorMismatch),
        (btc.price_account, ErrorCode::AccountOwnedByWrongProgram),
    ] {
        let bad = good.clone().replacing(&btc.ledger, &wrong);
        pit.world.send(bad, &[&authority]).refused_by_anchor(error);
    }
    pit.world.send(good, &[&authority]).ok();
}
