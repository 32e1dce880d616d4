//! Section 6 of the margin model against an independent reference (`reference/across_markets.py`, in exact fractions and 30
//! digits): X, P and both margins of markets that are given, realised statistics of histories of prices, and both together from
//! option books to X. The engine may need more than the reference, by a stated bound of rounding, and never less.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test may panic"
)]

mod support;

use estuary_risk::fixed::ln_q40;
use estuary_risk::margin::AccountTotals;
use estuary_risk::market::MarketRisk;
use estuary_risk::portfolio::{Offset, Offsets, ScanLoss};
use estuary_risk::returns::{PairTerms, Returns, Statistics};
use estuary_risk::scenario::{ScenarioParameters, SPOT_MOVES, SPOT_NODES};
use estuary_risk::smile::Smile;
use estuary_risk::units::Money;
use serde_json::Value;
use support::books::{Book, Expiry, Holding, Strike};

fn rows(text: &str) -> Vec<Value> {
    let rows = text.lines().map(serde_json::from_str);
    rows.collect::<Result<_, _>>()
        .expect("a JSON object a line")
}

fn integer(value: &Value) -> i64 {
    value.as_i64().expect("an integer")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

/// An exact amount, rounded up by the reference.
fn amount(value: &Value) -> i64 {
    value.as_str().expect("digits").parse().expect("an integer")
}

/// The engine's `found` is at least `exact` and at most `room` more.
fn assert_up(found: i64, exact: i64, room: i64, what: &str) {
    assert!(
        found >= exact && found - exact <= room,
        "{what}: {found} for {exact}, {room} allowed"
    );
}

fn losses(market: &Value) -> [Money; SPOT_MOVES] {
    let losses: Vec<Money> = list(&market["losses"])
        .iter()
        .map(|loss| Money(integer(loss)))
        .collect();
    losses.try_into().expect("a loss for every node and tail")
}

fn market(row: &Value) -> MarketRisk {
    let money = |name: &str| Money(integer(&row[name]));
    let besides = money("besides").0;
    MarketRisk {
        node_losses: losses(row),
        certified_loss: money("certified"),
        // In parts that are added again.
        twist: Money(besides / 2),
        skew: Money(besides / 4),
        basis: Money(besides - besides / 2 - besides / 4),
        short_minimum: money("som"),
        short_minimum_maintenance: money("som_mm"),
        liquidity_cost: money("lc"),
        oracle_contingency: money("oc"),
        gross: money("gross"),
        defined_loss: row["limit"].as_i64().map_or(MarketRisk::NO_LIMIT, Money),
        spot_value: money("spot"),
        option_value: money("option"),
        linear_value: money("linear"),
        ..MarketRisk::EMPTY
    }
}

/// By how much the engine's X may exceed the exact one: θ is rounded down to 2^-16, so that gains count for that much less, or
/// the largest loss for as much more; and each number is rounded up to a micro-unit.
fn room_of_x(risks: &[MarketRisk]) -> i64 {
    let gains = (0..SPOT_MOVES).map(|node| {
        let of_node = risks
            .iter()
            .map(|risk| risk.node_losses[node].0.min(0).unsigned_abs());
        of_node.sum::<u64>()
    });
    let largest = risks
        .iter()
        .map(|risk| risk.certified_loss.0.unsigned_abs());
    let most = gains.chain(largest).max().unwrap_or(0);
    (most >> 16) as i64 + 2
}

/// Parts of X and X itself, against the exact ones.
fn check_x(found: &ScanLoss, exact: &[Value], room: i64, what: &str) {
    let parts = [found.offset_loss, found.largest_floor, found.sum_floor];
    for (part, exact) in parts.iter().zip(exact) {
        assert_up(part.0, amount(exact), room, what);
    }
    let most = exact.iter().map(amount).max().unwrap();
    assert_up(found.scan_loss.0, most, room, what);
}

#[test]
fn offsets_and_floors_are_those_of_the_reference() {
    let rows = rows(include_str!("vectors/portfolio.jsonl"));
    let mut binding = [0; 3];
    for (number, row) in rows.iter().enumerate() {
        let risks: Vec<MarketRisk> = list(&row["markets"]).iter().map(market).collect();
        let mut totals = AccountTotals::with_cash(Money(integer(&row["cash"])));
        let mut offsets = Offsets::with_room(risks.len());
        for (place, risk) in risks.iter().enumerate() {
            totals.add_market(risk, Money(0)).unwrap();
            offsets.set_floor(place, integer(&row["kappas"][place]) as u32);
        }
        for pair in list(&row["pairs"]) {
            let at = |place: usize| integer(&pair[place]) as u32;
            let offset = Offset {
                initial_ppm: at(2),
                maintenance_ppm: at(3),
            };
            // Either way round.
            offsets.set_pair(at(number % 2) as usize, at(1 - number % 2) as usize, offset);
        }
        for pair in list(&row["misaligned"]) {
            offsets.set_misaligned(integer(&pair[0]) as usize, integer(&pair[1]) as usize);
        }
        let expected = &row["expected"];
        let portfolio = totals.portfolio_with(&offsets).unwrap();
        let room = room_of_x(&risks);
        for (which, found) in [portfolio.initial, portfolio.maintenance]
            .iter()
            .enumerate()
        {
            assert_eq!(
                i64::from(found.offset_ppm),
                integer(&expected["theta"][which]),
                "{number}"
            );
            let exact = list(&expected["x"][which]);
            check_x(found, exact, room, &format!("{number}, margin {which}"));
            let most = exact.iter().map(amount).max().unwrap();
            let part = exact
                .iter()
                .map(amount)
                .position(|part| part == most)
                .unwrap();
            binding[part] += usize::from(portfolio.markets > 1);
        }
        let report = totals.report_with(&offsets).unwrap();
        assert_up(
            report.initial_margin.0,
            amount(&expected["margins"][0]),
            room + 2,
            "initial margin",
        );
        // Where a limit cuts the short-option minimum, four fifths of what it cuts count in P, and each limit is kept to a
        // micro-unit below.
        let cut = |risk: &MarketRisk| risk.short_minimum.0 - risk.short_minimums().unwrap().0 .0;
        let cut: i64 = risks.iter().map(cut).sum();
        let limited = risks
            .iter()
            .filter(|risk| risk.defined_loss != MarketRisk::NO_LIMIT);
        let limited = limited.count() as i64;
        assert_up(
            report.maintenance_margin.0 + limited,
            amount(&expected["margins"][1]),
            room + cut * 4 / 5 + 2 + 2 * limited,
            &format!("{number}: maintenance margin"),
        );
    }
    assert!(
        rows.len() >= 200 && binding.iter().all(|count| *count > 20),
        "{binding:?}"
    );
}

fn ring(history: &Value, now: i64) -> Returns {
    let mut ring = Returns::EMPTY;
    for record in list(history) {
        let (time, price) = (integer(&record[0]), record[1].as_u64().expect("a price"));
        if time <= now {
            ring.record(time, ln_q40(price));
        }
    }
    ring
}

fn terms(row: &Value) -> PairTerms {
    let ppm = |name: &str| integer(&row["terms"][name]) as u32;
    PairTerms {
        offset_ppm: ppm("offset"),
        correlation_full_ppm: ppm("full"),
        correlation_zero_ppm: ppm("zero"),
    }
}

/// `(norms, correlation, volatilities)` of a window: 0 the full one, 1 the short one.
fn window(statistics: &Value, place: usize) -> ([f64; 2], f64, [f64; 2]) {
    let two = |value: &Value| [number(&value[0]), number(&value[1])];
    (
        two(&statistics["norms"][place]),
        number(&statistics["correlations"][place]),
        two(&statistics["vols"][place]),
    )
}

/// By how much the engine's correlation may fall short of that of the same returns: each root is rounded up by two units of 2^-27
/// at most, their product by two of 2^-30, and the quotient down to a millionth.
fn room_of_correlation(norms: [f64; 2], correlation: f64) -> f64 {
    let unit = |bits: i32| 2f64.powi(-bits);
    let lost = 2.0 * unit(27) / norms[0]
        + 2.0 * unit(27) / norms[1]
        + 2.0 * unit(30) / (norms[0] * norms[1]);
    1e-6 + correlation * lost.min(1.0)
}

/// By how much returns rounded to 2^-15 may turn a correlation: 64 errors of half a unit (of a whole one at the clamp) turn a
/// vector by an angle whose sine is at most their norm over its own, and a cosine changes by no more than the angle.
fn room_of_returns(norms: [f64; 2], count: f64) -> f64 {
    let error = count.sqrt() * 2f64.powi(-15);
    let angle = |norm: f64| {
        if norm > error {
            (error / norm).asin()
        } else {
            2.0
        }
    };
    norms.iter().map(|norm| angle(*norm)).sum()
}

/// By how much θ may fall short of that of the same returns, in parts of what is set: by the correlation's share of its band,
/// by the limit of volatility, which is rounded down to 2^-15, and by the parts per million of each step.
fn room_of_offset(row: &Value, statistics: &Value) -> f64 {
    let band = number(&row["terms"]["full"]) - number(&row["terms"]["zero"]);
    let of_window = |place: usize| {
        let (norms, correlation, _) = window(statistics, place);
        if norms.contains(&0.0) {
            return 0.0;
        }
        room_of_correlation(norms, correlation) * 1e6 / band
    };
    // (4 − σ²/s²)/3 where σ ≤ 2s: its slope in s is at most 8/(3s).
    let least = number(&row["limits"][0]).min(number(&row["limits"][1])) / 1e6;
    let calm = 8.0 / 3.0 / least * 2f64.powi(-15) + 1e-6;
    of_window(0).max(of_window(1)) + calm + 4e-6
}

#[test]
fn realised_statistics_and_offsets_are_those_of_the_reference() {
    let rows = rows(include_str!("vectors/realised.jsonl"));
    let (histories, rows) = rows.split_first().expect("histories");
    let (mut full, mut part, mut none, mut differ) = (0, 0, 0, 0);
    for (place, row) in rows.iter().enumerate() {
        let now = integer(&row["now"]);
        let of = |which: usize| {
            let history = &histories["histories"][integer(&row["markets"][which]) as usize];
            Statistics::new(
                &ring(history, now),
                now,
                integer(&row["limits"][which]) as u32,
            )
        };
        let (one, other) = (of(0), of(1));
        let (stored, exact) = (&row["stored"], &row["exact"]);
        for (which, found) in one.correlations_ppm(&other).into_iter().enumerate() {
            let found = f64::from(found) / 1e6;
            let (norms, correlation, _) = window(stored, which);
            let room = room_of_correlation(norms, correlation) + 1e-12;
            assert!(
                found <= correlation + 1e-12 && found >= correlation - room,
                "{place}: {found} for {correlation}, less {room}"
            );
            // Of the returns before they were rounded.
            let (norms, unrounded, _) = window(exact, which);
            let turned = room + room_of_returns(norms, [64.0, 16.0][which]);
            assert!(
                (found - unrounded).abs() <= turned,
                "{place}: {found} for {unrounded} ± {turned}"
            );
        }
        assert_eq!(one.correlations_ppm(&other), other.correlations_ppm(&one));
        for which in 0..2 {
            let history = &histories["histories"][integer(&row["markets"][which]) as usize];
            let mut ring = ring(history, now);
            ring.advance(Returns::interval_of(now));
            for (window_of, found) in ring.vols_ppm().into_iter().enumerate() {
                let (_, _, vols) = window(stored, window_of);
                let found = found as f64 / 1e6;
                assert!(
                    (found - vols[which]).abs() < 4e-5,
                    "{place}: {found} for {vols:?}"
                );
            }
        }

        let offset = one.offset(&other, &terms(row));
        let set = number(&row["terms"]["offset"]);
        let room = set * room_of_offset(row, stored) + 3.0;
        for (which, found) in [offset.initial_ppm, offset.maintenance_ppm]
            .into_iter()
            .enumerate()
        {
            let expected = number(&stored["offset"][which]);
            let found = f64::from(found);
            assert!(
                found <= expected + 1e-6 && found >= expected - room,
                "{place}, margin {which}: {found} for {expected}, less {room}"
            );
            let kinds = [&mut none, &mut full, &mut part];
            *kinds[if expected == 0.0 {
                0
            } else if expected == set {
                1
            } else {
                2
            }] += 1;
        }
        differ += u32::from(offset.initial_ppm != offset.maintenance_ppm);
    }
    let counts = [full, part, none, differ];
    assert!(
        rows.len() >= 200 && counts.iter().all(|count| *count > 20),
        "{counts:?}"
    );
}

/// A book of the reference in the engine's terms.
fn book(row: &Value) -> Book {
    let (parameters, spot, lot_size) = match row["market"].as_str() {
        Some("BTC") => (ScenarioParameters::BTC, 12_342_671_234_567, 1_000_000),
        Some("ETH") => (ScenarioParameters::ETH, 388_876_543_210, 10_000_000),
        _ => (ScenarioParameters::SOL, 18_912_345_678, 1_000_000_000),
    };
    let expiry = |row: &Value| Expiry {
        seconds: integer(&row[0]),
        forward_q30: integer(&row[1]),
        smile: Smile {
            atm_vol_ppb: integer(&row[2]) as u64,
            rho_ppb: integer(&row[3]),
            phi_ppb: integer(&row[4]) as u64,
        },
    };
    let mut book = Book {
        family: "reference",
        parameters,
        spot,
        price_exponent: -8,
        lot_size,
        oracle: Default::default(),
        expiries: list(&row["expiries"]).iter().map(expiry).collect(),
        strikes: Vec::new(),
        legs: Vec::new(),
    };
    for leg in list(&row["legs"]) {
        let (expiry, mantissa) = (integer(&leg[1]) as usize, integer(&leg[2]) as u64);
        let place = book.strikes.len();
        let holding = match leg[0].as_str() {
            Some("U") => Holding::Perpetual,
            Some("F") => Holding::Future(expiry),
            Some("C") => Holding::Call(place),
            _ => Holding::Put(place),
        };
        if matches!(holding, Holding::Call(_) | Holding::Put(_)) {
            book.strikes.push(Strike { expiry, mantissa });
        }
        book.legs.push((holding, integer(&leg[3])));
    }
    book
}

/// Share of the notional that the kernel's declared error, three times for a dip, and the scale of sums may add.
const KERNEL: f64 = 5e-7;
/// Share of the notional by which a node lies further out than its fraction of the range, and gains so much more there.
const NODES: f64 = 1.0 / (1u64 << 30) as f64;

#[test]
fn accounts_from_books_to_x_are_those_of_the_reference() {
    let realised = rows(include_str!("vectors/realised.jsonl"));
    let histories = &realised[0]["histories"];
    let rows = rows(include_str!("vectors/accounts.jsonl"));
    let (mut offset, mut limited, mut widest) = (0, 0, 0f64);
    for (account, row) in rows.iter().enumerate() {
        let books: Vec<Book> = list(&row["books"]).iter().map(book).collect();
        let now = integer(&row["now"]);
        let mut totals = AccountTotals::with_cash(Money(0));
        let mut offsets = Offsets::NONE;
        let mut earlier: Vec<Statistics> = Vec::new();
        let (mut room, mut tails, mut all) = (0.0, 0.0, 0.0);
        for (place, book) in books.iter().enumerate() {
            let risk = book.risk().expect("a book the engine can price");
            totals.add_market(&risk, Money(0)).unwrap();
            let notional = book.absolute_lots() * book.lot_value();
            let of_book = notional * KERNEL + 4.0;
            let expected = &row["losses"][place];
            let check = |found: i64, exact: f64, weights: f64, what: &str| {
                let (found, room) = (found as f64, of_book + weights);
                assert!(
                    found >= exact - notional * NODES && found <= exact + room,
                    "{account}, {place}, {what}: {found} for {exact}, {room} allowed"
                );
                (found - exact) / room
            };
            let certified = number(&expected["certified"]);
            check(
                risk.capped_loss().0,
                certified,
                certified / 16_384.0,
                "certified",
            );
            for (node, loss) in risk.node_losses.iter().enumerate() {
                let exact = number(&expected["around"][node]);
                // Weights between tails have 16 bits, and count for less of a gain by up to three units.
                let weights = if node < SPOT_NODES {
                    0.0
                } else {
                    exact.abs() / 16_384.0
                };
                widest = widest.max(check(loss.0, exact, weights, &format!("node {node}")));
                tails += weights;
            }
            limited += u32::from(risk.capped_loss() < risk.certified_loss);
            room += of_book;
            all += notional;
            let ring = ring(&histories[integer(&row["histories"][place]) as usize], now);
            let statistics = Statistics::new(&ring, now, integer(&row["limit"]) as u32);
            for (low, of_low) in earlier.iter().enumerate() {
                offsets.set_pair(low, place, statistics.offset(of_low, &terms(row)));
            }
            offsets.set_floor(place, integer(&row["kappa"]) as u32);
            earlier.push(statistics);
        }
        let portfolio = totals.portfolio_with(&offsets).unwrap();
        for (which, found) in [portfolio.initial, portfolio.maintenance]
            .iter()
            .enumerate()
        {
            let (theta, x) = (number(&row["theta"][which]), number(&row["x"][which]));
            let below = theta - f64::from(found.offset_ppm) / 1e6;
            assert!(
                (-1e-12..1e-4).contains(&below),
                "{account}: {} for {theta}",
                found.offset_ppm
            );
            // What is lost of θ in its rounding is lost of gains of at most eight times the notional.
            let room = room + tails + (below + 2f64.powi(-16)) * 8.0 * all;
            let found = found.scan_loss.0 as f64;
            assert!(
                found >= x - all * NODES && found <= x + room,
                "{account}: X {found} for {x}, {room} allowed"
            );
            offset += u32::from(theta > 0.0);
        }
    }
    println!("largest excess {widest} of the room");
    assert!(
        rows.len() >= 40 && offset > 30 && limited > 5,
        "{offset} {limited}"
    );
}
