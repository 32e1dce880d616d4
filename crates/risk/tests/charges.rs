//! Short-option minimum, oracle contingency, defined risk, gross exposure and longs about to expire.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test may panic"
)]

mod support;

use estuary_risk::blocks::BlockParameters;
use estuary_risk::charges::OracleQuality;
use estuary_risk::liquidity::LiquidityParameters;
use estuary_risk::margin::{AccountTotals, MarginReport};
use estuary_risk::market::MarketRisk;
use estuary_risk::scenario::ScenarioParameters;
use estuary_risk::smile::Smile;
use estuary_risk::units::Money;
use support::books::{Book, Expiry, Holding, Strike, FAMILIES};
use support::{exhaustive, Random};

const DAY: i64 = 86_400;

/// What a leg of a worked book is.
#[derive(Clone, Copy)]
enum Kind {
    Call(u64),
    Put(u64),
    Future,
    Perpetual,
    Spot,
}
use Kind::*;

/// Quantity, kind and seconds to expiry.
type Legs<'l> = &'l [(f64, Kind, i64)];

/// At a spot of 100 and a volatility of 60%, in lots of a millionth: a micro-unit is 10^-6 of a unit's value.
fn book(legs: Legs<'_>) -> Book {
    let mut book = Book {
        family: "worked",
        parameters: ScenarioParameters {
            liquidity: LiquidityParameters::OFF,
            ..ScenarioParameters::BTC
        },
        spot: 10_000_000_000,
        price_exponent: -8,
        lot_size: 1_000,
        oracle: OracleQuality::default(),
        expiries: Vec::new(),
        strikes: Vec::new(),
        legs: Vec::new(),
    };
    for (quantity, kind, seconds) in legs {
        let known = book
            .expiries
            .iter()
            .position(|expiry| expiry.seconds == *seconds);
        let expiry = known.unwrap_or(book.expiries.len());
        if known.is_none() {
            book.expiries.push(Expiry {
                seconds: *seconds,
                forward_q30: 1 << 30,
                smile: Smile::flat(600_000_000),
            });
        }
        let mut strike = |strike: u64| {
            let mantissa = strike * 100_000_000;
            book.strikes.push(Strike { expiry, mantissa });
            book.strikes.len() - 1
        };
        let holding = match kind {
            Call(at) => Holding::Call(strike(*at)),
            Put(at) => Holding::Put(strike(*at)),
            Future => Holding::Future(expiry),
            Perpetual => Holding::Perpetual,
            Spot => Holding::Spot,
        };
        book.legs.push((holding, (quantity * 1e6).round() as i64));
    }
    book
}

fn risk(legs: Legs<'_>) -> MarketRisk {
    book(legs).risk().unwrap()
}

fn report(risk: &MarketRisk, cash: i64) -> MarginReport {
    let mut totals = AccountTotals::with_cash(Money(cash));
    totals.add_market(risk, Money(0)).unwrap();
    totals.report().unwrap()
}

fn units(money: Money) -> f64 {
    money.0 as f64 / 1e6
}

#[track_caller]
fn close(money: Money, expected: f64, within: f64) {
    let got = units(money);
    assert!(
        (got - expected).abs() <= within,
        "{got} instead of {expected}"
    );
}

const CONDOR: [(f64, Kind, i64); 4] = [
    (1.0, Put(90), 14 * DAY),
    (-1.0, Put(92), 14 * DAY),
    (-1.0, Call(108), 14 * DAY),
    (1.0, Call(110), 14 * DAY),
];

#[test]
fn a_condor_never_needs_more_than_it_can_lose() {
    // The reference: a width of 2 less a premium of 0.886.
    let risk = risk(&CONDOR);
    close(risk.defined_loss, 1.113_647, 5e-5);
    let report = report(&risk, 0);
    assert!(units(report.initial_margin) <= 1.113_7, "{report:?}");
    // Each side counts its width, not its notional.
    close(risk.gross, 4.0, 1e-4);
}

#[test]
fn a_condor_beside_owned_spot_needs_what_both_can_lose() {
    let mut legs = CONDOR.to_vec();
    legs.push((3.0, Spot, 0));
    let risk = risk(&legs);
    // Three units fall by 16 each in the core; the tails weigh the same.
    close(risk.defined_loss, 1.113_647 + 48.0, 1e-3);
    assert!(risk.scenario_loss().unwrap() <= risk.defined_loss);
}

#[test]
fn a_ratio_or_a_calendar_has_no_defined_risk() {
    let ratio = [(1.0, Call(100), 14 * DAY), (-2.0, Call(110), 14 * DAY)];
    assert_eq!(risk(&ratio).defined_loss, MarketRisk::NO_LIMIT);
    let calendar = [(1.0, Call(100), 14 * DAY), (-1.0, Call(100), 7 * DAY)];
    assert_eq!(risk(&calendar).defined_loss, MarketRisk::NO_LIMIT);
    let naked = [(-1.0, Put(90), 14 * DAY)];
    let put = risk(&naked);
    // A put can lose its strike at most, less what it is worth.
    assert!(units(put.defined_loss) > 85.0 && units(put.defined_loss) < 90.0);
    let covered = [(-1.0, Call(110), 14 * DAY), (1.0, Future, 14 * DAY)];
    assert!(risk(&covered).defined_loss < MarketRisk::NO_LIMIT);
}

#[test]
fn short_options_have_a_minimum_that_doubles_towards_the_end() {
    let minimum = |legs| {
        let risk = risk(legs);
        (
            units(risk.short_minimum),
            units(risk.short_minimum_maintenance),
        )
    };
    let near = |(got, maintenance): (f64, f64), expected: f64| {
        assert!((got - expected).abs() < 1e-4, "{got} instead of {expected}");
        assert!(
            (maintenance - 0.75 * expected).abs() < 1e-4,
            "{maintenance}"
        );
    };
    near(minimum(&[(-1.0, Call(200), 30 * DAY)]), 0.4);
    near(minimum(&[(-1.0, Call(200), 7 * DAY / 2)]), 0.6);
    near(minimum(&[(-1.0, Call(200), 60)]), 0.8);
    near(minimum(&[(1.0, Call(200), 30 * DAY)]), 0.0);
    // Both types of an expiry count, and each expiry for itself.
    near(
        minimum(&[(-1.0, Call(120), 30 * DAY), (-1.0, Put(100), 30 * DAY)]),
        0.8,
    );
    near(
        minimum(&[(-1.0, Call(120), 30 * DAY), (1.0, Call(120), 31 * DAY)]),
        0.4,
    );
    // What a put can lose is its strike, what a spread can lose its width: per unit of spot.
    near(minimum(&[(-1.0, Put(80), 30 * DAY)]), 0.32);
    near(
        minimum(&[(-1.0, Call(108), 30 * DAY), (1.0, Call(110), 30 * DAY)]),
        0.008,
    );
    // Of three short calls and one long beyond, two and the width of one are open.
    near(
        minimum(&[(-3.0, Call(108), 30 * DAY), (1.0, Call(110), 30 * DAY)]),
        0.824,
    );
    // A worthless wing far out covers nothing.
    near(
        minimum(&[(-1.0, Call(110), 30 * DAY), (1.0, Call(900), 30 * DAY)]),
        0.4,
    );
    near(
        minimum(&[(-1.0, Call(110), 30 * DAY), (1.0, Call(9_000), 30 * DAY)]),
        0.4,
    );
}

#[test]
fn gross_exposure_counts_the_smaller_of_notional_and_worst_payoff() {
    let gross = |legs| units(risk(legs).gross);
    let near = |got: f64, expected: f64| assert!((got - expected).abs() < 1e-4, "{got}");
    near(gross(&[(-1.0, Call(200), 30 * DAY)]), 100.0);
    near(gross(&[(-1.0, Put(40), 30 * DAY)]), 40.0);
    near(
        gross(&[(-1.0, Call(108), 30 * DAY), (1.0, Call(110), 30 * DAY)]),
        2.0,
    );
    near(
        gross(&[(-3.0, Call(108), 30 * DAY), (1.0, Call(110), 30 * DAY)]),
        300.0,
    );
    near(
        gross(&[(-1.0, Call(108), 30 * DAY), (1.0, Call(106), 30 * DAY)]),
        0.0,
    );
    near(gross(&[(-1.0, Perpetual, 0), (2.0, Spot, 0)]), 100.0);
    // A spread that is lost already has nothing more to lose, but its holder still owes it.
    let lost = risk(&[(1.0, Put(900), DAY), (-1.0, Put(902), DAY)]);
    assert!(
        lost.defined_loss <= Money(50) && lost.gross > Money(0) && lost.gross <= Money(1_000),
        "{lost:?}"
    );
}

#[test]
fn a_wide_or_old_price_raises_the_initial_margin_and_no_more() {
    let mut perpetual = book(&[(1.0, Perpetual, 0)]);
    let fresh = perpetual.risk().unwrap();
    assert_eq!(fresh.oracle_contingency, Money(0));
    close(fresh.delta_notional, 100.0, 1e-5);
    perpetual.oracle = OracleQuality::new(10_000_000_000, 10_000_000, 100);
    let doubtful = perpetual.risk().unwrap();
    // 2.12 × 0.1% and 0.02% × √100 of a delta of 100.
    close(doubtful.oracle_contingency, 0.212 + 0.2001, 1e-4);
    let (fresh, doubtful) = (report(&fresh, 1_000), report(&doubtful, 1_000));
    close(
        doubtful.initial_margin.minus(fresh.initial_margin).unwrap(),
        0.4121,
        1e-4,
    );
    assert_eq!(fresh.maintenance_margin, doubtful.maintenance_margin);
    // Neutral wings have the delta that they grow where spot goes.
    let wings = risk(&[(-1.0, Call(110), 2 * DAY), (-1.0, Put(90), 2 * DAY)]);
    assert!(units(wings.delta_notional) > 80.0, "{wings:?}");
    // Who owns and owes nothing needs at most what it is worth.
    let mut owned = book(&[(1.0, Spot, 0)]);
    owned.oracle = OracleQuality::new(1, 1, u32::MAX);
    let owned = report(&owned.risk().unwrap(), 0);
    assert!(owned.initial_margin <= owned.equity && !owned.is_liquidatable());
}

/// The calendar of the time rule: a 30-day call sold, a call of the same strike bought that ends earlier.
fn calendar(seconds: i64) -> Book {
    let mut book = book(&[(-1.0, Call(110), 30 * DAY), (1.0, Call(110), seconds)]);
    book.parameters.tail_weight_ppm = [0; 6];
    book.parameters.blocks = BlockParameters::OFF;
    book
}

#[test]
fn a_long_that_expires_does_not_carry_a_short_that_lives_on() {
    let parts = |book: &Book| {
        let risk = book.risk().unwrap();
        [risk.certified_loss, risk.expiring_longs].map(units)
    };
    let naked = {
        let mut book = book(&[(-1.0, Call(110), 30 * DAY)]);
        book.parameters.tail_weight_ppm = [0; 6];
        book.parameters.blocks = BlockParameters::OFF;
        parts(&book)
    };
    let needed = |seconds| parts(&calendar(seconds));
    // The step that the rule removes: 5.9 before the expiry and 11.6 after it.
    assert!(
        (naked[0] - 11.57).abs() < 0.01 && naked[1] == 0.0,
        "{naked:?}"
    );
    let half = needed(DAY / 2);
    assert!((half[0] - 5.86).abs() < 0.01, "{half:?}");
    assert!(
        (half[1] - (naked[0] - half[0]) / 2.0).abs() < 0.01,
        "{half:?}"
    );
    assert_eq!(needed(DAY)[1], 0.0);
    let total = |[certified, expiring]: [f64; 2]| certified + expiring;
    assert!((total(needed(60)) - naked[0]).abs() < 0.01);
    let mut last = total(needed(DAY));
    for hours in (0..24).rev() {
        let now = total(needed(hours * 3_600 + 60));
        assert!(now >= last - 0.05, "{hours} hours: {now} after {last}");
        last = now;
    }
}

#[test]
fn a_put_that_expires_takes_its_forward_along() {
    let parts = |legs: &[(f64, Kind, i64)]| {
        let mut book = book(legs);
        book.parameters.tail_weight_ppm = [0; 6];
        book.parameters.blocks = BlockParameters::OFF;
        let risk = book.risk().unwrap();
        [risk.certified_loss, risk.expiring_longs].map(units)
    };
    let naked = parts(&[(-1.0, Put(90), 30 * DAY)]);
    let half = parts(&[(-1.0, Put(90), 30 * DAY), (1.0, Put(90), DAY / 2)]);
    assert!(half[0] < 0.8 * naked[0], "{half:?} {naked:?}");
    assert!(
        (half[1] - (naked[0] - half[0]) / 2.0).abs() < 0.01,
        "{half:?} {naked:?}"
    );
    // A put beside a short call of its strike is a forward, which does not fade; beside a long one both do.
    let forward = parts(&[(1.0, Put(90), DAY / 2), (-1.0, Call(90), DAY / 2)]);
    assert_eq!(forward[1], 0.0, "{forward:?}");
    let straddle = [
        (-1.0, Put(90), 30 * DAY),
        (-1.0, Call(90), 30 * DAY),
        (1.0, Put(90), DAY / 2),
        (1.0, Call(90), DAY / 2),
    ];
    let (sold, both) = (parts(&straddle[..2]), parts(&straddle));
    assert!(
        (both[1] - (sold[0] - both[0]) / 2.0).abs() < 0.01,
        "{both:?} {sold:?}"
    );
}

#[test]
fn two_nights_expiring_longs_count_each_for_itself() {
    let expiring = |second: i64, lots: f64| {
        let legs = [
            (-2.0, Call(110), 30 * DAY),
            (1.0, Call(110), DAY / 2),
            (lots, Call(110), second),
        ];
        units(risk(&legs).expiring_longs)
    };
    let one = expiring(2 * DAY, 1.0);
    // A long with nearly a day left changes next to nothing, one that ends at the same time all it can.
    let later = expiring(DAY - 60, 1.0);
    assert!((later - one).abs() < 0.3, "{one} {later}");
    let together = expiring(DAY / 2 + 60, 1.0);
    assert!(together > 1.5 * one, "{one} {together}");
}

fn random_books(seed: u64, count: usize) -> impl Iterator<Item = Book> {
    let count = if exhaustive() { 100 * count } else { count };
    let mut random = Random(seed);
    (0..count).map(move |number| Book::random(&mut random, number % FAMILIES.len()))
}

/// The payoff of the book's options and futures at a price of the underlying, in lots of spot.
fn payoff(book: &Book, at: f64, kinds: (bool, bool, bool)) -> f64 {
    let ratio = |strike: usize| book.strikes[strike].mantissa as f64 / book.spot as f64;
    let (calls, puts, futures) = kinds;
    let legs = book.legs.iter().map(|(holding, lots)| {
        let each = match *holding {
            Holding::Call(strike) if calls => (at - ratio(strike)).max(0.0),
            Holding::Put(strike) if puts => (ratio(strike) - at).max(0.0),
            Holding::Future(_) if futures => at,
            _ => 0.0,
        };
        each * *lots as f64
    });
    legs.sum()
}

/// The smallest payoff over all prices, `None` without a bound.
fn worst_payoff(book: &Book, kinds: (bool, bool, bool)) -> Option<f64> {
    let far = 1e3;
    let at = |price: f64| payoff(book, price, kinds);
    let rising = |holding: &Holding| match holding {
        Holding::Call(_) => kinds.0,
        Holding::Future(_) => kinds.2,
        _ => false,
    };
    let legs = book.legs.iter().filter(|(holding, _)| rising(holding));
    if legs.map(|(_, lots)| lots).sum::<i64>() < 0 {
        return None;
    }
    let kinks = book
        .strikes
        .iter()
        .map(|strike| strike.mantissa as f64 / book.spot as f64);
    let prices = kinks.chain([0.0, far]);
    Some(prices.map(at).fold(f64::INFINITY, f64::min))
}

#[test]
fn exposure_of_random_books_is_that_of_their_payoffs() {
    let mut limited = 0;
    for mut book in random_books(21, 1_200) {
        // One expiry: the others' options go.
        let of_first = |book: &Book, holding: &Holding| match *holding {
            Holding::Call(strike) | Holding::Put(strike) => book.strikes[strike].expiry == 0,
            Holding::Future(expiry) => expiry == 0,
            Holding::Spot | Holding::Perpetual => false,
        };
        let legs: Vec<_> = book
            .legs
            .iter()
            .copied()
            .filter(|(holding, _)| of_first(&book, holding))
            .collect();
        book.legs = legs;
        let Ok(risk) = book.risk() else { continue };
        if book.absolute_lots() == 0.0 {
            continue;
        }
        let (lots, lot) = (book.absolute_lots(), book.lot_value());
        let room = lots * lot * 2e-7 + 3.0;
        let mark = book.value(1.0, &book.base());
        match worst_payoff(&book, (true, true, true)) {
            None => assert_eq!(risk.defined_loss, MarketRisk::NO_LIMIT, "{book:?}"),
            Some(worst) => {
                let exact = (mark - worst).max(0.0) * lot;
                // Legs that net to nothing have no expiry.
                if exact == 0.0 && risk.defined_loss == MarketRisk::NO_LIMIT {
                    continue;
                }
                let got = risk.defined_loss.0 as f64;
                assert!(
                    (got - exact).abs() <= room,
                    "{got} instead of {exact}: {book:?}"
                );
                limited += 1;
                let report = report(&risk, 0);
                let most = got + linear(&book) * lot / 20.0 + risk.liquidity_cost.0 as f64;
                let most = most * (1.0 + 1e-12) + 2.0;
                assert!(
                    report.initial_margin.0 as f64 <= most,
                    "{most} {report:?} {risk:?} {book:?}"
                );
            }
        }
        let exact: f64 = [(true, false), (false, true)]
            .map(|(calls, puts)| {
                let mut net = vec![0i64; book.strikes.len()];
                for (holding, lots) in &book.legs {
                    match *holding {
                        Holding::Call(strike) if calls => net[strike] += lots,
                        Holding::Put(strike) if puts => net[strike] += lots,
                        _ => {}
                    }
                }
                let short = net
                    .iter()
                    .map(|lots| lots.min(&0).unsigned_abs() as f64)
                    .sum::<f64>();
                worst_payoff(&book, (calls, puts, false)).map_or(short, |worst| short.min(-worst))
            })
            .iter()
            .sum::<f64>();
        let exact = (exact + linear(&book)) * lot;
        let got = risk.gross.0 as f64;
        assert!(got <= exact + room, "{got} above {exact}: {book:?}");
        let most = exact.min(20.0 * risk.defined_loss.0 as f64 + linear(&book) * lot);
        assert!(got >= most - 20.0 * room, "{got} below {most}: {book:?}");
    }
    assert!(limited > 100, "{limited}");
}

/// Net lots of futures at their forward, in lots of spot.
fn linear(book: &Book) -> f64 {
    let net: i64 = book
        .legs
        .iter()
        .filter(|(holding, _)| matches!(holding, Holding::Future(_)))
        .map(|(_, lots)| lots)
        .sum();
    net.abs() as f64 * book.expiries[0].forward()
}

#[test]
fn whoever_can_lose_only_so_much_is_never_charged_more() {
    // The limit holds at every spot and volatility, so it is never below the scan; but a smile may have arbitrage where it is
    // stressed, and then loses what no price can.
    for mut book in random_books(22, 900) {
        for expiry in &mut book.expiries {
            expiry.smile = Smile::flat(expiry.smile.atm_vol_ppb);
        }
        let Ok(risk) = book.risk() else { continue };
        let room = book.absolute_lots() * book.lot_value() * 2e-7 + 3.0;
        assert!(
            risk.defined_loss.0 as f64 >= risk.scan_loss.0 as f64 - room,
            "{book:?}"
        );
        assert!(risk.short_minimum_maintenance <= risk.short_minimum);
        let (initial, maintenance) = risk.short_minimums().unwrap();
        let loss = risk.scenario_loss().unwrap();
        let maintained = loss.mul_div_up(800_000, 1_000_000).unwrap();
        let [least, most] = [maintained.plus(maintenance), loss.plus(initial)].map(Result::unwrap);
        assert!(Money(0) <= maintenance && least <= most && most <= risk.defined_loss);
    }
}

#[test]
fn nothing_expires_beyond_a_day_or_without_longs() {
    for mut book in random_books(23, 600) {
        let mut shorts = book.clone();
        for expiry in &mut book.expiries {
            expiry.seconds = expiry.seconds.max(DAY);
        }
        let Ok(risk) = book.risk() else { continue };
        assert_eq!(risk.expiring_longs, Money(0), "{book:?}");
        for (holding, lots) in &mut shorts.legs {
            if matches!(holding, Holding::Call(_) | Holding::Put(_)) {
                *lots = -lots.abs();
            }
        }
        let Ok(risk) = shorts.risk() else { continue };
        assert_eq!(risk.expiring_longs, Money(0), "{shorts:?}");
    }
}
