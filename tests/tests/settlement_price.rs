//! The price an expiry is settled at: who may bring it about, when, from which prices, and what it makes of positions.

use anchor_lang::solana_program::instruction::Instruction;
use estuary::instructions::SeriesArgs;
use estuary::report::{PositionsView, ReportPage, SummaryView};
use estuary::state::series::NO_EXPIRY;
use estuary::state::MarketLedger;
use estuary::state::SeriesKind::{Call, Future, Put};
use estuary_tests::expiry::{MINUTE, WINDOW};
use estuary_tests::setup::{flat_slice, mantissa, BTC_PRICE, DAY, USD, VOL_PPB};
use estuary_tests::trade::PERP;
use estuary_tests::{ix, ErrorCode, EstuaryError as E, Feed, Holding, House, Pit, Signer, Tamper};
use pyth_solana_receiver_sdk::price_update::VerificationLevel;

const RICH: u64 = 10_000_000 * USD;

/// A pit, and when BTC's first expiry ends.
fn pit() -> (Pit, i64) {
    let pit = Pit::new(RICH, RICH);
    let time = pit.world.expiry(pit.btc(), 0).time;
    (pit, time)
}

fn record(pit: &Pit, time: i64) -> Instruction {
    ix::record_settlement_price(&pit.house, pit.btc(), time)
}

fn finalize(pit: &Pit, time: i64) -> Instruction {
    ix::finalize_settlement(&pit.house, pit.btc(), time)
}

impl Minutes for Pit {
    fn minutes(&mut self, time: i64, minutes: std::ops::Range<i64>, price: f64) {
        let btc = self.btc().clone();
        for minute in minutes {
            self.world
                .record_minute(&self.house, &btc, time, minute, price);
        }
    }
}

/// Records the same price in minutes of a window.
trait Minutes {
    fn minutes(&mut self, time: i64, minutes: std::ops::Range<i64>, price: f64);
}

fn seconds_before(pit: &mut Pit, time: i64, seconds: i64) {
    pit.world.set_time(time - seconds);
    let btc = pit.btc().clone();
    pit.world.set_price(&btc, BTC_PRICE);
}

#[test]
fn an_expiry_is_settled_at_the_average_of_its_window() {
    let (mut pit, time) = pit();
    pit.minutes(time, 0..20, 90_000.0);
    let average = pit.world.average(pit.btc(), time);
    assert_eq!((average.filled, average.covered), (20, 20));
    // A gap of four minutes, carried at 90,000.
    pit.minutes(time, 24..30, 105_000.0);
    let average = pit.world.average(pit.btc(), time);
    assert_eq!((average.filled, average.covered), (26, 30));
    assert!(!average.is_final());
    // The first price after the expiry does not count; it ends the window.
    pit.minutes(time, 30..31, 1.0);
    let average = pit.world.average(pit.btc(), time);
    assert_eq!((average.filled, average.covered), (26, 30));
    assert_eq!(average.settlement_price, mantissa(93_000.0));
    let ledger: MarketLedger = pit.world.read(&pit.btc().ledger);
    assert_eq!(ledger.last_publish_time, time + 7);
    // Other expiries and markets have nothing of it.
    assert_eq!(pit.world.expiry(pit.btc(), 1).average.filled, 0);
    assert_eq!(pit.world.expiry(pit.sol(), 0).average.filled, 0);
}

#[test]
fn the_first_price_of_a_minute_is_its_price() {
    let (mut pit, time) = pit();
    pit.minutes(time, 0..1, 90_000.0);
    let btc = pit.btc().clone();
    pit.world.pass(40);
    pit.world.set_price(&btc, 95_000.0);
    let again = record(&pit, time);
    pit.world
        .send(again.clone(), &[])
        .refused(E::SettlementMinuteRecorded);
    pit.world.pass(13);
    pit.world.set_price(&btc, 95_000.0);
    pit.world.send(again, &[]).ok();
    let average = pit.world.average(&btc, time);
    assert_eq!(average.last_price, mantissa(95_000.0));
}

#[test]
fn only_the_window_of_the_expiry_named_is_recorded() {
    let (mut pit, time) = pit();
    seconds_before(&mut pit, time, WINDOW * MINUTE + 1);
    let early = record(&pit, time);
    pit.world
        .send(early, &[])
        .refused(E::SettlementWindowNotOpen);
    seconds_before(&mut pit, time, WINDOW * MINUTE);
    for other in [0, time - 1, time + 1, i64::MIN, i64::MAX] {
        for unknown in [record(&pit, other), finalize(&pit, other)] {
            pit.world.send(unknown, &[]).refused(E::ExpiryUnknown);
        }
    }
    let later = pit.world.expiry(pit.btc(), 1).time;
    let later = record(&pit, later);
    pit.world
        .send(later, &[])
        .refused(E::SettlementWindowNotOpen);
    let good = record(&pit, time);
    pit.world.send(good, &[]).ok();
}

#[test]
fn a_settlement_price_is_checked_as_any_other() {
    let (mut pit, time) = pit();
    seconds_before(&mut pit, time, 600);
    let btc = pit.btc().clone();
    let now = pit.world.now();
    let good = btc.feed(BTC_PRICE, now);
    let sol = pit.sol().args.feed_id;
    let partial = VerificationLevel::Partial { num_signatures: 5 };
    let cases = [
        (
            Feed {
                owner: estuary_tests::Pubkey::new_unique(),
                ..good
            },
            E::PriceAccountOwner,
        ),
        (
            Feed {
                verification: partial,
                ..good
            },
            E::PriceNotFullyVerified,
        ),
        (
            Feed {
                feed_id: sol,
                ..good
            },
            E::PriceFeedMismatch,
        ),
        (Feed { price: 0, ..good }, E::PriceNotPositive),
        (
            Feed {
                exponent: -19,
                ..good
            },
            E::PriceExponentOutOfRange,
        ),
        (
            Feed {
                publish_time: now + 1,
                ..good
            },
            E::PriceFromTheFuture,
        ),
        (
            Feed {
                publish_time: now - 61,
                ..good
            },
            E::PriceTooOld,
        ),
        (
            Feed {
                confidence: good.price.unsigned_abs() / 50 + 1,
                ..good
            },
            E::PriceTooUncertain,
        ),
    ];
    let record = record(&pit, time);
    for (feed, error) in cases {
        println!("{error:?}");
        pit.world.put_feed(btc.price_account, &feed);
        pit.world.send(record.clone(), &[]).refused(error);
    }
    pit.world.put_feed(btc.price_account, &good);
    // A trade at a later price makes this one older than the last.
    let leg = pit.btc_leg(PERP, 1);
    pit.trade(&[leg]).ok();
    pit.world
        .put_feed(btc.price_account, &btc.feed(BTC_PRICE, now - 1));
    pit.world
        .send(record.clone(), &[])
        .refused(E::PriceOlderThanLast);
    pit.world.put_feed(btc.price_account, &good);
    pit.world.send(record, &[]).ok();
}

#[test]
fn the_accounts_of_a_settlement_belong_together() {
    let (mut pit, time) = pit();
    seconds_before(&mut pit, time, 600);
    let (btc, sol) = (pit.btc().clone(), pit.sol().clone());
    let retire = ix::retire_expiry(&pit.house, &btc, time);
    let (record, finalize) = (record(&pit, time), finalize(&pit, time));
    for good in [&record, &finalize, &retire] {
        let mut refuse = |bad: Instruction, error| pit.world.send(bad, &[]).refused(error);
        refuse(
            good.clone().replacing(&btc.ledger, &sol.ledger),
            E::LedgerOfAnotherMarket,
        );
        refuse(
            good.clone().replacing(&btc.market, &sol.market),
            E::LedgerOfAnotherMarket,
        );
        let mut anchor =
            |bad: Instruction, error| pit.world.send(bad, &[]).refused_by_anchor(error);
        anchor(
            good.clone().read_only(&btc.market),
            ErrorCode::ConstraintMut,
        );
        anchor(
            good.clone().replacing(&btc.ledger, &btc.market),
            ErrorCode::AccountDiscriminatorMismatch,
        );
        anchor(
            good.clone().replacing(&btc.ledger, &btc.price_account),
            ErrorCode::AccountOwnedByWrongProgram,
        );
        let forged = pit.world.forge(&btc.ledger, |account| account.data[8] = 9);
        pit.world
            .send(good.clone().replacing(&btc.ledger, &forged), &[])
            .refused(E::AccountVersionUnsupported);
    }
    pit.world
        .send(record.clone().read_only(&btc.ledger), &[])
        .refused_by_anchor(ErrorCode::ConstraintMut);
    for (wrong, error) in [
        (btc.market, E::PriceAccountOwner),
        (btc.ledger, E::PriceAccountOwner),
        (sol.price_account, E::PriceFeedMismatch),
    ] {
        let bad = record.clone().replacing(&btc.price_account, &wrong);
        pit.world.send(bad, &[]).refused(error);
    }
    // Markets of other shapes.
    for (change, error) in [
        (
            Box::new(|data: &mut Vec<u8>| data[8] = 9) as Box<dyn Fn(&mut Vec<u8>)>,
            E::AccountVersionUnsupported,
        ),
        (Box::new(|data| data[0] ^= 1), E::MarketAccountType),
        (Box::new(|data| data.truncate(3_079)), E::AccountTooSmall),
    ] {
        let market = pit
            .world
            .forge(&btc.market, |account| change(&mut account.data));
        for good in [&record, &finalize, &retire] {
            let bad = good.clone().replacing(&btc.market, &market);
            pit.world.send(bad, &[]).refused(error);
        }
    }
    pit.world.send(record, &[]).ok();
}

#[test]
fn a_feed_that_stops_does_not_stop_the_settlement() {
    let (mut pit, time) = pit();
    let finalize = finalize(&pit, time);
    pit.minutes(time, 2..22, 110_000.0);
    pit.world
        .send(finalize.clone(), &[])
        .refused(E::SettlementWindowOpen);
    // A price of the window's last second may be recorded until it is too old.
    pit.world.set_time(time + 59);
    pit.world
        .send(finalize.clone(), &[])
        .refused(E::SettlementWindowOpen);
    pit.world.set_time(time + 60);
    pit.world.send(finalize.clone(), &[]).ok();
    let average = pit.world.average(pit.btc(), time);
    assert_eq!((average.filled, average.covered), (20, 28));
    assert_eq!(average.settlement_price, mantissa(110_000.0));
    pit.world
        .send(finalize, &[])
        .refused(E::SettlementPriceFinal);
}

#[test]
fn the_last_minute_may_be_recorded_after_the_expiry() {
    let (mut pit, time) = pit();
    pit.minutes(time, 0..29, 100_000.0);
    let btc = pit.btc().clone();
    pit.world.set_time(time + 20);
    pit.world
        .put_feed(btc.price_account, &btc.feed(130_000.0, time - 1));
    let late = record(&pit, time);
    pit.world.send(late, &[]).ok();
    assert!(!pit.world.average(&btc, time).is_final());
    // A trade has seen a later price, so no price of the window can come any more.
    pit.world.set_price(&btc, 100_000.0);
    let leg = pit.btc_leg(PERP, 1);
    pit.trade(&[leg]).ok();
    let finalize = finalize(&pit, time);
    pit.world.send(finalize, &[]).ok();
    let price = pit.world.average(&btc, time).settlement_price;
    assert_eq!(price, mantissa(101_000.0));
}

#[test]
fn with_too_few_prices_the_window_goes_on() {
    let (mut pit, time) = pit();
    let finalize = finalize(&pit, time);
    pit.minutes(time, 10..29, 100_000.0);
    pit.world.set_time(time + 3_600);
    pit.world
        .send(finalize.clone(), &[])
        .refused(E::SettlementMinutesTooFew);
    // One more is enough, and ends it. What was missing after the expiry does not count.
    pit.minutes(time, 100..101, 121_000.0);
    let average = pit.world.average(pit.btc(), time);
    assert_eq!((average.filled, average.covered), (20, 21));
    assert_eq!(average.settlement_price, mantissa(101_000.0));
    pit.world
        .send(finalize, &[])
        .refused(E::SettlementPriceFinal);
}

#[test]
fn a_settlement_price_never_changes() {
    let (mut pit, time) = pit();
    let btc = pit.btc().clone();
    pit.world.mature(&pit.house, &btc, time, 95_000.0);
    let before = pit.world.expiry(&btc, 0);
    for seconds in [60, 3_600] {
        pit.world.pass(seconds);
        pit.world.set_price(&btc, 50_000.0);
        for again in [record(&pit, time), finalize(&pit, time)] {
            pit.world.send(again, &[]).refused(E::SettlementPriceFinal);
        }
        let post = ix::post_surface(&pit.house, &btc.market, &[flat_slice(time, VOL_PPB)]);
        let signers = [&pit.house.authority.insecure_clone()];
        pit.world.send(post, &signers).refused(E::ExpiryPassed);
    }
    assert_eq!(before.average, pit.world.expiry(&btc, 0).average);
}

#[test]
fn posting_in_the_window_keeps_the_average() {
    let (mut pit, time) = pit();
    pit.minutes(time, 0..5, 100_000.0);
    let before = pit.world.average(pit.btc(), time);
    let slice = flat_slice(time, VOL_PPB / 2);
    let post = ix::post_surface(&pit.house, &pit.btc().market, &[slice]);
    let authority = pit.house.authority.insecure_clone();
    pit.world.send(post, &[&authority]).ok();
    let after = pit.world.expiry(pit.btc(), 0);
    assert_eq!(after.atm_vol_ppb, VOL_PPB / 2);
    assert_eq!((after.average, after.posted_at), (before, pit.world.now()));
}

#[test]
fn what_has_matured_is_not_traded_listed_or_posted() {
    let (mut pit, time) = pit();
    let btc = pit.btc().clone();
    let legs = [
        pit.btc_leg((Future, 0, 0), 1),
        pit.btc_leg((Call, 0, 100), 1),
        pit.btc_leg((Put, 0, 100), 1),
    ];
    let authority = pit.house.authority.insecure_clone();
    let series = SeriesArgs {
        kind: Call,
        expiry: 0,
        strike: mantissa(77_777.0),
    };
    let list = ix::list_series(&pit.house, &btc.market, &[series]);
    let post = ix::post_surface(&pit.house, &btc.market, &[flat_slice(time, VOL_PPB)]);
    for settled in [false, true] {
        if settled {
            pit.minutes(time, 100..120, BTC_PRICE);
            assert!(pit.world.average(&btc, time).is_final());
        } else {
            seconds_before(&mut pit, time, 0);
        }
        for leg in legs {
            pit.refuse(&[leg], E::SeriesExpired);
        }
        for admin in [&list, &post] {
            pit.world
                .send(admin.clone(), &[&authority])
                .refused(E::ExpiryPassed);
        }
    }
    // A perp is traded on.
    let perp = pit.btc_leg(PERP, 1);
    pit.trade(&[perp]).ok();
}

/// Lots that the taker holds against the maker: a future, two calls and two puts, in and out of the money at 95,000.
fn hold_everything(pit: &mut Pit) -> i64 {
    let btc = pit.btc().clone();
    let slot = |kind, percent| pit.world.slot(&btc, kind, 0, percent);
    let holding = |slot, lots, cost| Holding { slot, lots, cost };
    let held = [
        holding(slot(Future, 0), 30, -2_999_000_000),
        holding(slot(Call, 90), 20, 0),
        holding(slot(Call, 100), -500, 0),
        holding(slot(Put, 105), -40, 0),
        holding(slot(Put, 90), 70, 0),
    ];
    pit.world.hold(&pit.taker, &pit.maker, &btc, &held);
    // At 95,000.00000001, a lot of 0.001: the future, the call at 90,000 and the short put at 105,000 pay.
    30 * 95_000_000 - 2_999_000_000 + 20 * 5_000_000 - 40 * 9_999_999
}

#[test]
fn matured_positions_are_constants() {
    let (mut pit, time) = pit();
    let worth = hold_everything(&mut pit);
    let btc = pit.btc().clone();
    let rest = 1e-8;
    pit.world.mature(&pit.house, &btc, time, 95_000.0 + rest);
    let cash = i64::try_from(RICH).unwrap();
    for price in [95_000.0, 40_000.0, 300_000.0] {
        pit.world.set_price(&btc, price);
        for (trader, sign) in [(&pit.taker, 1), (&pit.maker, -1)] {
            let page = ReportPage::Summary;
            let report = ix::margin_report(&pit.house, trader, page, &[&btc]);
            let on_chain: SummaryView = pit.world.view(report);
            assert_eq!(on_chain.equity, cash + sign * worth);
            assert_eq!(on_chain.unsettled, sign * worth);
            assert_eq!((on_chain.option_value, on_chain.gross), (0, 0));
            assert_eq!(on_chain.initial_margin, 0);
            let client = pit.world.snapshot(trader, &[&btc]);
            assert_eq!(client.summary().expect("a summary"), on_chain);
        }
    }
}

#[test]
fn reports_show_what_matured_positions_pay() {
    let (mut pit, time) = pit();
    let worth = hold_everything(&mut pit);
    let perp = Holding {
        slot: pit.world.slot(pit.btc(), PERP.0, 0, 0),
        lots: 10,
        cost: -950_000_000,
    };
    let btc = pit.btc().clone();
    pit.world.hold(&pit.taker, &pit.maker, &btc, &[perp]);
    pit.world.mature(&pit.house, &btc, time, 95_000.000_000_01);
    pit.world.set_price(&btc, 80_000.0);
    let report = ix::margin_report(&pit.house, &pit.taker, ReportPage::Positions(0), &[&btc]);
    let view: PositionsView = pit.world.view(report);
    let positions = &view.positions[..usize::from(view.count)];
    let matured = positions
        .iter()
        .filter(|position| position.slot != perp.slot);
    assert_eq!(matured.clone().map(|one| one.value).sum::<i64>(), worth);
    assert!(matured.clone().all(|one| one.contribution == 0));
    let marks: Vec<_> = matured.map(|one| one.mark).collect();
    let unit = mantissa(1.0);
    let expected = [95_000 * unit + 1, 5_000 * unit + 1, 0, 0, 10_000 * unit - 1];
    let mut sorted = marks.clone();
    sorted.sort_unstable();
    let mut wanted = expected;
    wanted.sort_unstable();
    assert_eq!(sorted, wanted);
    // The perp alone is at risk.
    let alone = positions.iter().find(|one| one.slot == perp.slot);
    assert_eq!(
        alone.expect("the perp").value,
        10 * 80_000_000 - 950_000_000
    );
    let report = pit.world.report(&pit.taker, &[&btc]);
    assert!(report.initial_margin.0 > 0 && report.initial_margin.0 < 300_000_000);
    let client = pit.world.snapshot(&pit.taker, &[&btc]);
    assert_eq!(client.positions(0).expect("a page"), view);
}

#[test]
fn a_price_that_moved_does_not_liquidate_what_has_matured() {
    let (mut pit, time) = pit();
    let btc = pit.btc().clone();
    let poor = pit.house.trader(&mut pit.world, 20 * USD);
    let call = Holding {
        slot: pit.world.slot(&btc, Call, 0, 100),
        lots: -10,
        cost: 0,
    };
    pit.world.hold(&poor, &pit.maker, &btc, &[call]);
    pit.world.mature(&pit.house, &btc, time, 101_000.0);
    let report = |pit: &Pit| pit.world.report(&poor, &[&btc]);
    // Ten lots of a thousandth pay 1,000 each: 10 dollars of 20.
    pit.world.set_price(&btc, 500_000.0);
    assert_eq!(report(&pit).equity.0, 10_000_000);
    let refused = pit
        .world
        .liquidate(&pit.house, &pit.taker, &poor, &pit.markets);
    refused.refused(E::NotLiquidatable);
    // With a perp that fails, the perp is what is taken.
    let perp = Holding {
        slot: pit.world.slot(&btc, PERP.0, 0, 0),
        lots: -100,
        cost: 50_000_000_000,
    };
    pit.world.hold(&poor, &pit.maker, &btc, &[perp]);
    let taken = pit
        .world
        .liquidate(&pit.house, &pit.taker, &poor, &pit.markets);
    taken.ok();
    // What has matured leaves the account in the same instruction.
    assert_eq!(pit.world.account(&poor).lots(btc.index, call.slot), 0);
    assert_eq!(pit.world.account(&pit.taker).lots(btc.index, call.slot), 0);
    assert!(pit.world.account(&pit.taker).lots(btc.index, perp.slot) < 0);
}

#[test]
fn both_sides_of_what_has_matured_add_up_exactly() {
    let (mut pit, time) = pit();
    let btc = pit.btc().clone();
    let third = pit.house.trader(&mut pit.world, RICH);
    let holding = |slot, lots| Holding {
        slot,
        lots,
        cost: 0,
    };
    let slots = [(Future, 0), (Call, 80), (Put, 125)]
        .map(|(kind, percent)| pit.world.slot(&btc, kind, 0, percent));
    for (slot, lots) in slots.into_iter().zip([7, 11, 13]) {
        let ones = [holding(slot, lots)];
        pit.world.hold(&pit.taker, &pit.maker, &btc, &ones);
        let others = [holding(slot, 2 * lots + 1)];
        pit.world.hold(&pit.maker, &third, &btc, &others);
    }
    // A price that no lot's value is exact at.
    let odd = 98_765.432_109_87;
    pit.world.mature(&pit.house, &btc, time, odd);
    let equities = [&pit.taker, &pit.maker, &third].map(|trader| {
        let report = pit.world.report(trader, &[&btc]);
        report.equity.0
    });
    assert_eq!(
        equities.iter().sum::<i64>(),
        3 * i64::try_from(RICH).unwrap()
    );
    assert!(equities.iter().all(|one| *one != equities[0]) || equities[0] != equities[1]);
}

#[test]
fn perps_never_mature() {
    let (mut pit, time) = pit();
    let leg = pit.btc_leg(PERP, 5);
    pit.trade(&[leg]).ok();
    let btc = pit.btc().clone();
    let table = pit.world.market(&btc.market).table;
    assert_eq!(table[usize::from(leg.slot)].expiry, NO_EXPIRY);
    pit.world.mature(&pit.house, &btc, time, 95_000.0);
    pit.world.set_price(&btc, 96_000.0);
    let report = pit.world.report(&pit.taker, &[&btc]);
    let fell = 5 * 4_000_000;
    assert_eq!(report.equity.0, i64::try_from(RICH).unwrap() - fell);
    assert!(report.initial_margin.0 > 0);
}

#[test]
fn a_house_of_another_number_settles_its_own_markets() {
    let (mut pit, time) = pit();
    let other = House::build(&mut pit.world, 2);
    let args = pit.btc().args.clone();
    let foreign = other.create_market(&mut pit.world, &args, BTC_PRICE);
    seconds_before(&mut pit, time, 600);
    pit.world.set_price(&foreign, BTC_PRICE);
    let record = ix::record_settlement_price(&other, &foreign, time);
    pit.world.send(record, &[]).refused(E::ExpiryUnknown);
    let slice = flat_slice(time + DAY, VOL_PPB);
    let post = ix::post_surface(&other, &foreign.market, &[slice]);
    assert_ne!(other.authority.pubkey(), pit.house.authority.pubkey());
    pit.world.send(post, &[&other.authority]).ok();
    let record = ix::record_settlement_price(&other, &foreign, time + DAY);
    pit.world
        .send(record, &[])
        .refused(E::SettlementWindowNotOpen);
}

#[test]
fn in_the_window_a_share_is_fixed_and_the_rest_moves() {
    let (mut pit, time) = pit();
    let btc = pit.btc().clone();
    let slot = |kind, percent| pit.world.slot(&btc, kind, 0, percent);
    let future = slot(Future, 0);
    // Struck at 80,000 and 105,000; the average so far contributes 50,000.
    let (deep, near) = (slot(Call, 80), slot(Call, 105));
    let holding = |slot, lots, cost| Holding { slot, lots, cost };
    let held = [
        holding(future, 30, -3_000_000_000),
        holding(deep, 10, 0),
        holding(near, 10, 0),
    ];
    let maker = pit.house.trader(&mut pit.world, RICH);
    pit.world.hold(&pit.taker, &maker, &btc, &held[1..]);
    pit.world.hold(&pit.taker, &pit.maker, &btc, &held[..1]);
    let margin = |pit: &Pit| pit.world.report(&pit.maker, &[&btc]).initial_margin.0;
    let before = margin(&pit);
    pit.minutes(time, 0..15, 100_000.0);
    let half = margin(&pit);
    let least = before * 45 / 100;
    assert!(
        (least..before * 55 / 100).contains(&half),
        "{before} {half}"
    );
    let values = |pit: &mut Pit| {
        let report = ix::margin_report(&pit.house, &pit.taker, ReportPage::Positions(0), &[&btc]);
        let view: PositionsView = pit.world.view(report);
        let client = pit.world.snapshot(&pit.taker, &[&btc]);
        assert_eq!(client.positions(0).expect("a page"), view);
        [future, deep, near].map(|slot| {
            let positions = &view.positions[..usize::from(view.count)];
            let found = positions.iter().find(|one| one.slot == slot);
            found.expect("the position").value
        })
    };
    let near_zero = |value: i64| (-50..=50).contains(&value);
    let [long, in_the_money, out] = values(&mut pit);
    assert!(near_zero(long), "{long}");
    assert!(near_zero(in_the_money - 10 * 20_000_000), "{in_the_money}");
    assert!((0..1_000_000).contains(&out), "{out}");
    // A fall of a tenth: half of it counts. Sixteen minutes are over, so 16 of 30 are fixed.
    let now = time - 14 * MINUTE;
    pit.world.set_time(now);
    pit.world.set_price(&btc, 90_000.0);
    let average = 100_000.0 * 16.0 / 30.0 + 90_000.0 * 14.0 / 30.0;
    let [long, in_the_money, out] = values(&mut pit);
    let expected = ((average - 100_000.0) * 30.0 * 1_000.0) as i64;
    assert!(near_zero(long - expected), "{long} {expected}");
    let expected = ((average - 80_000.0) * 10.0 * 1_000.0) as i64;
    assert!(
        near_zero(in_the_money - expected),
        "{in_the_money} {expected}"
    );
    assert!((0..10).contains(&out), "{out}");
    // Traded at that mark, and not at the index.
    let mark = pit.world.mark(&btc, future).0;
    assert!(mark.abs_diff(mantissa(average)) < mantissa(0.01), "{mark}");
    let leg = pit.world.leg_at_mark(&btc, future, 1);
    pit.trade(&[leg]).ok();
    let mut beyond = pit.world.leg(&btc, future, 1, 0.0);
    beyond.price = mantissa(average - 5_100.0);
    pit.refuse(&[beyond], E::LegPriceOutsideBand);
    // Nothing jumps when it ends.
    pit.minutes(time, 16..30, 90_000.0);
    let last = values(&mut pit);
    pit.minutes(time, 30..31, 90_000.0);
    assert!(pit.world.average(&btc, time).is_final());
    for (last, settled) in last.into_iter().zip(values(&mut pit)) {
        assert!(near_zero(last - settled), "{last} {settled}");
    }
}

#[test]
fn after_the_window_little_is_at_risk_until_the_price_is_final() {
    let (mut pit, time) = pit();
    let btc = pit.btc().clone();
    let future = Holding {
        slot: pit.world.slot(&btc, Future, 0, 0),
        lots: 30,
        cost: -3_000_000_000,
    };
    pit.world.hold(&pit.taker, &pit.maker, &btc, &[future]);
    let equity = |pit: &Pit| {
        let report = pit.world.report(&pit.taker, &[&btc]);
        report.equity.0 - i64::try_from(RICH).unwrap()
    };
    pit.minutes(time, 0..30, 100_000.0);
    // The feed falls by half; the last of 30 minutes is still taken to be open.
    pit.world.set_time(time + 5);
    pit.world.set_price(&btc, 50_000.0);
    let lost = 50_000_000;
    assert!((equity(&pit) + lost).abs() < 50, "{}", equity(&pit));
    let finalize = finalize(&pit, time);
    pit.world.set_time(time + 60);
    pit.world.send(finalize, &[]).ok();
    pit.world.set_price(&btc, 50_000.0);
    assert_eq!(equity(&pit), 0);
}

#[test]
fn what_is_fixed_saves_from_liquidation_and_is_paid_in_one() {
    let (mut pit, time) = pit();
    let btc = pit.btc().clone();
    let poor = pit.house.trader(&mut pit.world, 500 * USD);
    let future = Holding {
        slot: pit.world.slot(&btc, Future, 0, 0),
        lots: 30,
        cost: -3_000_000_000,
    };
    pit.world.hold(&poor, &pit.maker, &btc, &[future]);
    pit.minutes(time, 0..10, 100_000.0);
    let report = |pit: &Pit, trader| pit.world.report(trader, &[&btc]);
    // At the index alone 200 would be left of 500, against a margin of 345 and more.
    pit.world.set_price(&btc, 90_000.0);
    assert!((report(&pit, &poor).equity.0 - 300_000_000).abs() < 50);
    let refused = pit
        .world
        .liquidate(&pit.house, &pit.taker, &poor, &pit.markets);
    refused.refused(E::NotLiquidatable);
    // A third is fixed at 100,000 and the rest stands at 85,000: 90,000.
    pit.world.set_price(&btc, 85_000.0);
    let (before, taker) = (report(&pit, &poor), report(&pit, &pit.taker));
    assert!((before.equity.0 - 200_000_000).abs() < 50);
    assert!(before.is_liquidatable());
    let taken = pit
        .world
        .liquidate(&pit.house, &pit.taker, &poor, &pit.markets);
    taken.ok();
    let after = report(&pit, &poor);
    assert!(after.health_initial().unwrap() > before.health_initial().unwrap());
    assert!(!after.is_liquidatable());
    // What the account paid beyond mark the liquidator has, but for the insurance fund's share.
    let taken = 30 - pit.world.account(&poor).lots(btc.index, future.slot);
    assert!((1..30).contains(&taken), "{taken}");
    let paid = before.equity.0 - after.equity.0;
    let earned = report(&pit, &pit.taker).equity.0 - taker.equity.0;
    // Half a percent of the 56,667 that a lot of a thousandth still moves with.
    assert!(
        (paid - taken * 283_333).abs() <= taken + 2,
        "{paid} {taken}"
    );
    assert!((0..=paid).contains(&earned), "{earned} of {paid}");
}
