//! What a block trade does, and each bad leg by its own error.

use estuary::instructions::TradeLeg;
use estuary::state::SeriesKind::{Call, Future, Put};
use estuary::state::{MarketLedger, Position};
use estuary_tests::setup::{mantissa, DAY, USD};
use estuary_tests::trade::PERP;
use estuary_tests::{EstuaryError as E, Pit, Trader};

const RICH: u64 = 10_000_000 * USD;

fn pit() -> Pit {
    Pit::new(RICH, RICH)
}

fn positions(pit: &Pit, trader: &Trader) -> Vec<Position> {
    pit.world.account(trader).open_positions().to_vec()
}

#[test]
fn premium_moves_in_cash_at_the_trade() {
    let mut pit = pit();
    let slot = pit.world.slot(pit.btc(), Call, 1, 110);
    // 50 lots of 0.001 BTC at 3,210.12345678: 160.506172839, rounded down.
    let leg = pit.world.leg(pit.btc(), slot, 50, 3_210.123_456_78);
    pit.trade(&[leg]).ok();
    let paid = 160_506_172;
    let rich = RICH as i64;
    assert_eq!(pit.world.cash(&pit.taker), rich - paid);
    assert_eq!(pit.world.cash(&pit.maker), rich + paid);
    for (trader, lots) in [(&pit.taker, 50), (&pit.maker, -50)] {
        let [position] = positions(&pit, trader)[..] else {
            panic!("one position");
        };
        assert_eq!((position.market, position.slot), (0, slot));
        assert_eq!((position.lots, position.cost), (lots, 0));
    }
    let ledger: MarketLedger = pit.world.read(&pit.btc().ledger);
    assert_eq!(ledger.open_lots[usize::from(slot)], 100);
    assert_eq!(ledger.last_publish_time, pit.world.now());
}

#[test]
fn the_cash_flow_of_futures_and_perps_goes_to_their_cost() {
    let mut pit = pit();
    let perp = pit.world.slot(pit.sol(), PERP.0, 0, 0);
    let future = pit.world.slot(pit.sol(), Future, 2, 0);
    // Lots of 0.1 SOL.
    let legs = [
        pit.world.leg(pit.sol(), perp, 1_000, 201.0),
        pit.world.leg(pit.sol(), future, -500, 199.0),
    ];
    pit.trade(&legs).ok();
    let [long, short] = positions(&pit, &pit.taker)[..] else {
        panic!("two positions");
    };
    assert_eq!((long.lots, long.cost), (1_000, -20_100_000_000));
    assert_eq!((short.lots, short.cost), (-500, 9_950_000_000));
    for trader in [&pit.taker, &pit.maker] {
        assert_eq!(pit.world.cash(trader), RICH as i64);
    }
    // 100 SOL a dollar above mark and 50 a dollar below.
    let report = pit.world.report(&pit.taker, &[pit.sol()]);
    assert_eq!(report.equity.0, RICH as i64 - 150_000_000);
}

#[test]
fn closing_frees_the_slots_and_carries_what_a_perp_still_owes() {
    let mut pit = pit();
    let [perp, put] = [PERP, (Put, 0, 90)].map(|series| pit.btc_leg(series, 10));
    pit.trade(&[perp, put]).ok();
    assert_eq!(positions(&pit, &pit.taker).len(), 2);
    pit.world.pass(30);
    pit.world.set_price(&pit.markets[0].clone(), 101_000.0);
    let [perp, put] = [PERP, (Put, 0, 90)].map(|series| pit.btc_leg(series, -10));
    pit.trade(&[perp, put]).ok();
    for (trader, carry) in [(&pit.taker, 10_000_000), (&pit.maker, -10_000_000)] {
        assert!(positions(&pit, trader).is_empty());
        let account = pit.world.account(trader);
        let rest = account.unsettled_in(perp.market).expect("the perp's rest");
        assert_eq!(rest.carry, carry);
    }
    // Closed at the price it was opened at, nothing is left.
    let mut flat = Pit::new(RICH, RICH);
    for lots in [7, -7] {
        let leg = flat.btc_leg(PERP, lots);
        flat.trade(&[leg]).ok();
    }
    assert!(positions(&flat, &flat.taker).is_empty());
}

#[test]
fn legs_of_one_package_are_margined_together() {
    // An iron condor needs its width; its short legs alone need far more.
    let mut pit = Pit::new(110 * USD, RICH);
    let condor = [
        (Put, 1, 90, 10),
        (Put, 1, 95, -10),
        (Call, 1, 105, -10),
        (Call, 1, 110, 10),
    ];
    let legs =
        condor.map(|(kind, expiry, percent, lots)| pit.btc_leg((kind, expiry, percent), lots));
    pit.refuse(&legs[1..3], E::BelowInitialMargin);
    pit.trade(&legs).ok();
    assert_eq!(positions(&pit, &pit.taker).len(), 4);
}

#[test]
fn a_package_may_span_markets_and_meet_positions_in_others() {
    let mut pit = pit();
    let both = [
        pit.btc_leg((Call, 0, 105), 3),
        pit.sol_leg((Put, 2, 80), -40),
    ];
    pit.trade(&both).ok();
    let sol_only = pit.sol_leg(PERP, 5);
    pit.world.pass(1);
    pit.world.set_price(&pit.markets[1].clone(), 202.0);
    let seen = pit.world.now();
    pit.trade(&[sol_only]).ok();
    let [btc, sol] = [0, 1].map(|index: usize| {
        let ledger: MarketLedger = pit.world.read(&pit.markets[index].ledger);
        ledger.last_publish_time
    });
    assert_eq!(
        (btc, sol),
        (seen - 1, seen),
        "only a traded market's ledger is written"
    );
}

#[test]
fn every_bad_leg_has_its_own_error() {
    let mut pit = pit();
    let good = pit.btc_leg((Call, 1, 110), 10);
    let perp = pit.btc_leg(PERP, 10);
    let future = pit.btc_leg((Future, 1, 0), 10);
    let listed = pit.world.market(&pit.btc().market).header.series_count;
    let cases: [(&str, TradeLeg, E); 16] = [
        ("no lots", TradeLeg { lots: 0, ..good }, E::LotsZero),
        (
            "2^32 lots",
            TradeLeg {
                lots: 1 << 32,
                ..good
            },
            E::LotsOverflow,
        ),
        (
            "−2^32 lots",
            TradeLeg {
                lots: -(1 << 32),
                ..good
            },
            E::LotsOverflow,
        ),
        (
            "least lots",
            TradeLeg {
                lots: i64::MIN,
                ..good
            },
            E::LotsOverflow,
        ),
        (
            "most lots",
            TradeLeg {
                lots: i64::MAX,
                ..good
            },
            E::LotsOverflow,
        ),
        ("free perp", TradeLeg { price: 0, ..perp }, E::LegPriceZero),
        (
            "free future",
            TradeLeg { price: 0, ..future },
            E::LegPriceZero,
        ),
        (
            "dear perp",
            TradeLeg {
                price: u64::MAX,
                ..perp
            },
            E::LegPriceOutsideBand,
        ),
        (
            "dear call",
            TradeLeg {
                price: u64::MAX,
                ..good
            },
            E::LegPriceOutsideBand,
        ),
        (
            "next slot",
            TradeLeg {
                slot: listed,
                ..good
            },
            E::SlotUnknown,
        ),
        (
            "last slot",
            TradeLeg {
                slot: u16::MAX,
                ..good
            },
            E::SlotUnknown,
        ),
        (
            "generation 0",
            TradeLeg {
                generation: 0,
                ..good
            },
            E::SeriesGenerationMismatch,
        ),
        (
            "generation 2",
            TradeLeg {
                generation: 2,
                ..good
            },
            E::SeriesGenerationMismatch,
        ),
        (
            "no such market",
            TradeLeg { market: 2, ..good },
            E::MarketAccountMissing,
        ),
        (
            "market 64",
            TradeLeg { market: 64, ..good },
            E::MarketUnknown,
        ),
        (
            "market 65535",
            TradeLeg {
                market: u16::MAX,
                ..good
            },
            E::MarketUnknown,
        ),
    ];
    for (name, leg, error) in cases {
        println!("{name}");
        pit.refuse(&[leg], error);
        let with_good = [perp, leg];
        if leg.slot != perp.slot || leg.market != perp.market {
            pit.refuse(&with_good, error);
        }
    }
    pit.refuse(&[], E::NoLegs);
    pit.refuse(&[good, good], E::LegDuplicated);
    let back = TradeLeg { lots: -10, ..good };
    pit.refuse(&[good, perp, back], E::LegDuplicated);
    let many: Vec<_> = (0..17).map(|slot| TradeLeg { slot, ..good }).collect();
    pit.refuse(&many, E::TooManyLegs);
}

#[test]
fn lots_and_money_do_not_overflow() {
    let mut pit = pit();
    // Each is below the limit; together they reach it.
    let half = 1i64 << 31;
    let cheap = [(Call, 0, 125), (Put, 0, 75)].map(|series| TradeLeg {
        price: 0,
        ..pit.btc_leg(series, half)
    });
    pit.refuse(&cheap, E::LotsOverflow);
    let perp = pit.btc_leg(PERP, u32::MAX.into());
    pit.refuse(&[perp], E::BelowInitialMargin);
    let dear = pit.btc_leg((Call, 2, 75), u32::MAX.into());
    pit.refuse(&[dear], E::BalanceNegative);
}

#[test]
fn a_series_trades_until_it_expires() {
    let mut pit = pit();
    let legs = [(Call, 0, 100), (Future, 0, 0)].map(|series| pit.btc_leg(series, 1));
    pit.world.pass(7 * DAY - 1);
    pit.world.set_price(&pit.markets[0].clone(), 100_000.0);
    let before = [(Call, 0, 100), (Future, 0, 0)].map(|series| pit.btc_leg(series, 1));
    pit.trade(&before).ok();
    pit.world.pass(1);
    pit.world.set_price(&pit.markets[0].clone(), 100_000.0);
    for leg in legs {
        pit.refuse(&[leg], E::SeriesExpired);
    }
    // Others go on, with the expired positions still in both books.
    let later = pit.btc_leg((Call, 1, 100), 1);
    pit.trade(&[later]).ok();
}

#[test]
fn prices_stay_within_a_band_of_spot_and_vega() {
    let mut pit = pit();
    let perp = pit.btc_leg(PERP, 1);
    // 3% of 100,000.
    let at = |dollars: f64| TradeLeg {
        price: mantissa(dollars),
        ..perp
    };
    for dollars in [97_000.0, 103_000.0] {
        pit.trade(&[at(dollars)]).ok();
        let off = (dollars - 100_000.0_f64).signum() * 1e-8;
        pit.refuse(&[at(dollars + off)], E::LegPriceOutsideBand);
    }
    // A 30-day at-the-money call: vega per 100% is 0.3989·√(30/365)·100,000 = 11,437, of which 10%.
    let call = pit.btc_leg((Call, 1, 100), 1);
    let band = mantissa(3_000.0) as f64 + 0.1 * 0.398_942 * (30.0f64 / 365.0).sqrt() * 1e13;
    for (sign, share, allowed) in [
        (1.0, 0.99, true),
        (1.0, 1.01, false),
        (-1.0, 0.99, true),
        (-1.0, 1.01, false),
    ] {
        let price = call.price as f64 + sign * share * band;
        let leg = TradeLeg {
            price: price as u64,
            ..call
        };
        let outcome = pit.trade(&[leg]);
        if allowed {
            outcome.ok();
        } else {
            outcome.refused(E::LegPriceOutsideBand);
        }
    }
    // A wing that is worth next to nothing may be given away, and is not sold for much more.
    let wing = pit.btc_leg((Call, 0, 125), -1);
    pit.trade(&[TradeLeg { price: 0, ..wing }]).ok();
    pit.refuse(
        &[TradeLeg {
            price: mantissa(4_200.0),
            ..wing
        }],
        E::LegPriceOutsideBand,
    );
}

#[test]
fn premium_is_paid_from_cash() {
    let mut pit = Pit::new(1_000 * USD, RICH);
    // A perp's gain is no cash.
    let perp = pit.btc_leg(PERP, 10);
    pit.trade(&[perp]).ok();
    pit.world.set_price(&pit.markets[0].clone(), 200_000.0);
    let equity = pit.world.report(&pit.taker, &[pit.btc()]).equity.0;
    assert_eq!(equity, 2_000 * USD as i64);
    let call = pit.btc_leg((Call, 2, 75), 10);
    assert!(
        call.price > mantissa(100_000.0),
        "ten lots cost more than a thousand"
    );
    pit.refuse(&[call], E::BalanceNegative);
    let fewer = pit.btc_leg((Call, 2, 75), 5);
    pit.trade(&[fewer]).ok();
}
