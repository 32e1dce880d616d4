//! Offsets across markets on chain: terms that loosen slowly and tighten at once, returns recorded once an interval by whoever
//! comes first, and what both make of a book that hedges one market with another.

use core::mem::{offset_of, size_of};
use estuary::instructions::OffsetArgs;
use estuary::report::{ReportPage, SummaryView};
use estuary::state::{
    market::StoredParameters, Market, MarketLedger, PairEntry, StoredTerms, OFFSET_DELAY_SECONDS,
};
use estuary_tests::setup::{BTC_PRICE, DAY, SOL_PRICE, USD, USUAL_OFFSET};
use estuary_tests::trade::PERP;
use estuary_tests::{ix, EstuaryError as E, Pit, Signer, Tamper, Underlying};

const RICH: u64 = 10_000_000 * USD;
const INTERVAL: i64 = 7_200;
/// Bytes before a market's header.
const DISCRIMINATOR: usize = 8;

fn set(pit: &mut Pit, args: OffsetArgs) {
    let set = ix::set_offset(&pit.house, &pit.sol().market, args);
    pit.world.send(set, &[&pit.house.authority]).ok();
}

fn entry(pit: &Pit) -> PairEntry {
    let header: Market = pit.world.market(&pit.sol().market).header;
    header.offsets[0]
}

fn ledger(pit: &Pit, market: &Underlying) -> MarketLedger {
    pit.world.read(&market.ledger)
}

fn record(pit: &mut Pit, market: &Underlying) {
    let record = ix::record_price(&pit.house, market);
    pit.world.send(record, &[]).ok();
}

/// Lets intervals pass in which both prices change by the same share, or by opposite ones, and are recorded.
fn pass(pit: &mut Pit, intervals: i64, opposite: bool) {
    let [btc, sol] = pit.markets.clone();
    for _ in 0..intervals {
        let next = (pit.world.now() / INTERVAL + 1) * INTERVAL;
        pit.world.set_time(next);
        let up = next / INTERVAL % 2 == 0;
        let share = |up: bool| if up { 1.005 } else { 1.0 };
        pit.world.set_price(&btc, BTC_PRICE * share(up));
        pit.world.set_price(&sol, SOL_PRICE * share(up != opposite));
        record(pit, &btc);
        record(pit, &sol);
    }
}

fn summary(pit: &mut Pit) -> SummaryView {
    let all = pit.markets.clone();
    let markets: Vec<&Underlying> = all.iter().collect();
    let report = ix::margin_report(&pit.house, &pit.taker, ReportPage::Summary, &markets);
    pit.world.view(report)
}

/// A long BTC perpetual of 100,000 USD or so and a SOL perpetual against it, 20 days after the markets began.
fn hedged() -> Pit {
    let mut pit = Pit::new(RICH, RICH);
    let [btc, sol] = pit.markets.clone();
    pit.world.pass(DAY);
    pit.world.set_price(&btc, BTC_PRICE);
    pit.world.set_price(&sol, SOL_PRICE);
    let one = (100_000.0 / BTC_PRICE / 0.001) as i64;
    let other = (100_000.0 / SOL_PRICE / 0.1) as i64;
    let legs = [pit.btc_leg(PERP, one), pit.sol_leg(PERP, -other)];
    pit.trade(&legs).ok();
    pit
}

#[test]
fn terms_loosen_slowly_and_tighten_at_once() {
    let mut pit = hedged();
    let terms = |offset_ppm| StoredTerms {
        offset_ppm,
        correlation_full_ppm: 600_000,
        correlation_zero_ppm: 200_000,
    };
    set(&mut pit, USUAL_OFFSET);
    let (now, found) = (pit.world.now(), entry(&pit));
    assert_eq!(found.terms.offset_ppm, 0);
    assert_eq!(found.next_terms, terms(500_000));
    assert_eq!(found.next_from, now + OFFSET_DELAY_SECONDS);
    assert_eq!(found.terms_at(found.next_from - 1).offset_ppm, 0);
    assert_eq!(found.terms_at(found.next_from), &terms(500_000));

    // What comes in between replaces what waits, and waits itself.
    pit.world.pass(OFFSET_DELAY_SECONDS - 1);
    set(&mut pit, USUAL_OFFSET);
    assert_eq!(entry(&pit).terms.offset_ppm, 0);
    pit.world.pass(OFFSET_DELAY_SECONDS);
    assert_eq!(entry(&pit).terms_at(pit.world.now()), &terms(500_000));

    let half = OffsetArgs {
        offset_ppm: 250_000,
        ..USUAL_OFFSET
    };
    set(&mut pit, half);
    let found = entry(&pit);
    assert_eq!((found.terms, found.next_from), (terms(250_000), 0));

    // One number looser and another tighter: each by its own rule.
    let mixed = OffsetArgs {
        offset_ppm: 400_000,
        correlation_full_ppm: 700_000,
        ..USUAL_OFFSET
    };
    set(&mut pit, mixed);
    let found = entry(&pit);
    assert_eq!(found.terms.offset_ppm, 250_000);
    assert_eq!(found.terms.correlation_full_ppm, 700_000);
    assert_eq!(found.next_terms.offset_ppm, 400_000);
    assert!(found.next_from > pit.world.now());
}

#[test]
fn the_first_price_of_an_interval_counts_whoever_records_it() {
    let mut pit = hedged();
    let btc = pit.btc().clone();
    pass(&mut pit, 3, false);
    let before = ledger(&pit, &btc).returns;
    assert_eq!(before.observed.count_ones(), 3);
    assert_eq!(before.last_interval as i64, pit.world.now() / INTERVAL);
    pit.world.pass(60);
    pit.world.set_price(&btc, BTC_PRICE * 1.3);
    record(&mut pit, &btc);
    assert_eq!(ledger(&pit, &btc).returns, before);
    // A trade's price counts as any other.
    pit.world
        .set_time((pit.world.now() / INTERVAL + 1) * INTERVAL + 5);
    pit.world.set_price(&btc, BTC_PRICE * 1.1);
    let sol = pit.sol().clone();
    pit.world.set_price(&sol, SOL_PRICE);
    let leg = pit.btc_leg(PERP, 1);
    pit.trade(&[leg]).ok();
    let after = ledger(&pit, &btc).returns;
    assert_eq!(after.observed.count_ones(), 4);
    assert!(after.squares_q30 > before.squares_q30);
    // An older price than the ledger has seen is none.
    let feed = btc.feed(BTC_PRICE, pit.world.now() - 1);
    pit.world.put_feed(btc.price_account, &feed);
    let older = ix::record_price(&pit.house, &btc);
    pit.world.send(older, &[]).refused(E::PriceOlderThanLast);
}

#[test]
fn history_and_terms_make_the_offset_and_parting_prices_end_it() {
    let mut pit = hedged();
    let alone = summary(&mut pit);
    assert_eq!(alone.markets_held, 2);
    assert_eq!(
        alone.scan_initial.offset_ppm, 0,
        "neither terms nor history"
    );
    assert_eq!(alone.offset_floor_ppm, 350_000);
    set(&mut pit, USUAL_OFFSET);
    pass(&mut pit, 11, false);
    assert_eq!(summary(&mut pit).scan_maintenance.offset_ppm, 0);
    pass(&mut pit, 13, false);
    assert_eq!(
        summary(&mut pit).scan_initial.offset_ppm,
        0,
        "terms wait three days"
    );
    pass(&mut pit, 13, false);
    let grown = summary(&mut pit);
    let share = 500_000 * 37 / 48;
    assert_eq!(grown.scan_initial.offset_ppm, share, "37 intervals of 48");
    assert_eq!(grown.scan_maintenance, grown.scan_initial);
    pass(&mut pit, 14, false);
    let whole = summary(&mut pit);
    assert_eq!(whole.scan_initial.offset_ppm, 500_000);
    assert!(whole.initial_margin < alone.initial_margin);
    let scan = whole.scan_initial;
    let most = scan.offset_loss.max(scan.largest_floor).max(scan.sum_floor);
    assert_eq!(scan.scan_loss, most);

    // Prices part: the initial margin loses the offset within a day and a half, the maintenance margin later.
    pass(&mut pit, 12, true);
    let parted = summary(&mut pit);
    assert_eq!(parted.scan_initial.offset_ppm, 0);
    assert!(parted.scan_maintenance.offset_ppm > 0);
    assert!(parted.initial_margin > whole.initial_margin);
    pass(&mut pit, 30, true);
    assert_eq!(summary(&mut pit).scan_maintenance.offset_ppm, 0);
}

#[test]
fn whoever_sets_offsets_is_the_authority_and_names_a_lower_market() {
    let mut pit = hedged();
    let set = ix::set_offset(&pit.house, &pit.btc().market, USUAL_OFFSET);
    let outcome = pit.world.send(set, &[&pit.house.authority]);
    outcome.refused(E::OffsetMarketInvalid);
    let set = ix::set_offset(&pit.house, &pit.sol().market, USUAL_OFFSET);
    let stranger = pit.taker.owner.pubkey();
    let forged = set.replacing(&pit.house.authority.pubkey(), &stranger);
    let outcome = pit.world.send(forged, &[&pit.taker.owner]);
    outcome.refused(E::NotTheAuthority);
}

/// Sums are made tail by tail, so markets whose tails are other multiples of their ranges offset nothing.
#[test]
fn markets_whose_tails_are_other_multiples_add_up() {
    let mut pit = hedged();
    set(&mut pit, USUAL_OFFSET);
    pass(&mut pit, 60, false);
    let aligned = summary(&mut pit);
    assert_eq!(aligned.offset_floor_ppm, 350_000);
    let market = pit.sol().market;
    let last = DISCRIMINATOR
        + offset_of!(Market, parameters)
        + offset_of!(StoredParameters, tail_multiple_ppm)
        + 5 * size_of::<i32>();
    pit.world.corrupt(&market, |account| {
        let multiple = &mut account.data[last..last + size_of::<i32>()];
        assert_eq!(*multiple, 6_000_000i32.to_le_bytes());
        multiple.copy_from_slice(&5_900_000i32.to_le_bytes());
    });
    let found = summary(&mut pit);
    assert_eq!(found.offset_floor_ppm, 1_000_000);
    assert_eq!(found.scan_initial.scan_loss, found.scan_initial.sum_floor);
    assert!(found.scan_initial.scan_loss > aligned.scan_initial.scan_loss);
    assert!(found.maintenance_margin > aligned.maintenance_margin);
}

/// A liquidation counts offsets as the report does: what the account has afterwards is what the report says.
#[test]
fn a_hedged_account_is_liquidated_by_the_same_margin() {
    let mut pit = hedged();
    set(&mut pit, USUAL_OFFSET);
    pass(&mut pit, 60, false);
    let report = summary(&mut pit);
    assert!(report.scan_maintenance.offset_ppm == 500_000);
    let change = -report.health_maintenance - 1;
    let taker = &pit.taker;
    pit.world.adjust_cash(taker, change);
    pit.world.adjust_cash(&pit.maker, -change);
    let below = summary(&mut pit);
    assert_eq!(below.health_maintenance, -1);
    let liquidator = pit.house.trader(&mut pit.world, RICH);
    let markets = pit.markets.clone();
    let sides = [&liquidator, &pit.taker];
    let liquidated = pit
        .world
        .liquidate(&pit.house, sides[0], sides[1], &markets);
    liquidated.ok();
    let after = summary(&mut pit);
    assert!(after.health_maintenance > 0);
    assert!(after.equity >= after.liquidation_target);
}
