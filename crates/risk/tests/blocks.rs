//! Twist, skew and basis: the columns of random books against the floating-point model, and the properties that hold
//! for every book.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test may panic"
)]

mod support;

use estuary_risk::blocks::BlockParameters;
use estuary_risk::charges::OracleQuality;
use estuary_risk::market::MarketRisk;
use estuary_risk::scenario::ScenarioParameters;
use estuary_risk::smile::Smile;
use support::books::{Book, Expiry, Holding, Strike, FAMILIES};
use support::{exhaustive, Random};

fn losses(risk: &MarketRisk) -> [f64; 3] {
    [risk.twist, risk.skew, risk.basis].map(|loss| loss.0 as f64)
}

/// What the kernel may be off by: 1.1e-8 of the larger of spot and strike per lot, in both directions, and the rounding of money.
fn room(book: &Book) -> f64 {
    let strikes = book.strikes.iter().map(|strike| strike.mantissa);
    let most = strikes.fold(book.spot, u64::max) as f64 / book.spot as f64;
    book.absolute_lots() * book.lot_value() * most * 8e-8 + 2.0
}

fn books(seed: u64, count: usize) -> impl Iterator<Item = Book> {
    let count = if exhaustive() { 100 * count } else { count };
    let mut random = Random(seed);
    (0..count).map(move |number| Book::random(&mut random, number % FAMILIES.len()))
}

#[test]
fn the_blocks_of_random_books_are_those_of_the_model() {
    let mut largest = [0f64; 3];
    for book in books(11, 900) {
        let Ok(risk) = book.risk() else { continue };
        let lot = book.lot_value();
        let room = room(&book);
        for (block, (got, model)) in losses(&risk)
            .into_iter()
            .zip(book.block_losses())
            .enumerate()
        {
            let model = model * lot;
            assert!(
                got >= model - 1e-9 * book.absolute_lots() * lot - 1.0,
                "{block}: {got} below {model}: {book:?}"
            );
            assert!(
                got <= model + room,
                "{block}: {got} above {model} by more than {room}: {book:?}"
            );
            largest[block] = largest[block].max(got / (book.absolute_lots() * lot).max(1.0));
        }
    }
    println!("largest loss per lot, in lots of spot (twist, skew, basis): {largest:?}");
    assert!(largest.iter().all(|loss| *loss > 1e-4), "{largest:?}");
}

#[test]
fn spot_and_perpetuals_have_no_blocks() {
    for mut book in books(12, 90) {
        book.legs = vec![(Holding::Spot, 70_000), (Holding::Perpetual, -30_000)];
        assert_eq!(losses(&book.risk().unwrap()), [0.0; 3]);
    }
}

#[test]
fn conversions_and_boxes_have_none_either() {
    let mut random = Random(13);
    for number in 0..400 {
        let mut book = Book::random(&mut random, 4 + number % 2);
        // A conversion against spot or a perpetual has the basis of its options.
        let dated =
            |(holding, _): &(Holding, i64)| !matches!(holding, Holding::Spot | Holding::Perpetual);
        if !book.legs.iter().all(dated) {
            continue;
        }
        let scale = book.absolute_lots().max(1.0);
        book.legs
            .iter_mut()
            .for_each(|(_, lots)| *lots = (*lots as f64 / scale * 1e6) as i64);
        let Ok(risk) = book.risk() else { continue };
        // A box moves with its forward by nothing, a conversion by nothing: what is left is rounding of lots.
        let lot = book.lot_value();
        assert!(
            losses(&risk)
                .iter()
                .all(|loss| *loss <= 4.0 * lot * 0.2 + 2.0),
            "{:?} {book:?}",
            losses(&risk)
        );
    }
}

#[test]
fn larger_shocks_of_parallel_blocks_never_lose_less() {
    for book in books(14, 300) {
        let Ok(risk) = book.risk() else { continue };
        let mut off = book.clone();
        off.parameters.blocks = BlockParameters::OFF;
        let off = off.risk().unwrap();
        // Only the kernel's error is left where nothing moves.
        let error = room(&book);
        assert!(losses(&off).iter().all(|loss| *loss <= error));
        assert_eq!(
            off.certified_loss, risk.certified_loss,
            "the blocks stand beside the scan"
        );
        let mut wider = book.clone();
        wider.parameters.blocks.basis_ppm *= 2;
        wider.parameters.blocks.basis_annual_ppm *= 2;
        let futures = |(holding, _): &(Holding, i64)| {
            matches!(
                holding,
                Holding::Future(_) | Holding::Spot | Holding::Perpetual
            )
        };
        wider.legs.retain(futures);
        let mut narrow = book.clone();
        narrow.legs.retain(futures);
        assert!(wider.risk().unwrap().basis >= narrow.risk().unwrap().basis);
    }
}

#[test]
fn lots_scale_every_block() {
    for mut book in books(15, 200) {
        let scale = (1u64 << 20) as f64 / book.absolute_lots().max(1.0);
        book.legs
            .iter_mut()
            .for_each(|(_, lots)| *lots = (*lots as f64 * scale) as i64);
        let mut thrice = book.clone();
        thrice.legs.iter_mut().for_each(|(_, lots)| *lots *= 3);
        let (Ok(one), Ok(three)) = (book.risk(), thrice.risk()) else {
            continue;
        };
        for (one, three) in losses(&one).into_iter().zip(losses(&three)) {
            assert!((three - 3.0 * one).abs() <= 4.0, "{one} {three}");
        }
    }
}

/// A book of `vectors/blocks.csv`: legs of quantity, kind, strike and days at a spot of 100.
fn worked_book(legs: &str) -> Book {
    let mut book = Book {
        family: "worked",
        parameters: ScenarioParameters::BTC,
        spot: 10_000_000_000,
        price_exponent: -8,
        // A lot of a millionth of a unit.
        lot_size: 1_000,
        oracle: OracleQuality::default(),
        expiries: Vec::new(),
        strikes: Vec::new(),
        legs: Vec::new(),
    };
    let mut days_of = Vec::new();
    for leg in legs.split(' ') {
        let parts: Vec<&str> = leg.split(':').collect();
        let number = |index: usize| -> i64 { parts[index].parse().unwrap() };
        let days = number(3);
        if !days_of.contains(&days) {
            days_of.push(days);
            let carry = 0.05 * days as f64 / 365.0;
            book.expiries.push(Expiry {
                seconds: days * 86_400,
                forward_q30: ((1.0 + carry) * (1u64 << 30) as f64).round() as i64,
                smile: Smile {
                    atm_vol_ppb: 600_000_000,
                    rho_ppb: -300_000_000,
                    phi_ppb: 1_500_000_000,
                },
            });
        }
        let expiry = days_of.iter().position(|known| *known == days).unwrap();
        let mantissa = number(2).unsigned_abs() * 100_000_000;
        let holding = match parts[1] {
            "F" => Holding::Future(expiry),
            kind => {
                book.strikes.push(Strike { expiry, mantissa });
                let strike = book.strikes.len() - 1;
                if kind == "C" {
                    Holding::Call(strike)
                } else {
                    Holding::Put(strike)
                }
            }
        };
        book.legs.push((holding, number(0) * 1_000_000));
    }
    book
}

#[test]
fn the_worked_books_lose_what_brute_force_finds() {
    for line in include_str!("vectors/blocks.csv").lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let got = losses(&worked_book(fields[1]).risk().unwrap());
        for (got, expected) in got.into_iter().zip(&fields[2..]) {
            // Micro-units a unit at a spot of 100.
            let expected: f64 = expected.parse::<f64>().unwrap() * 1e6;
            println!("{}: {got} against {expected}", fields[0]);
            assert!(
                got >= expected - 0.5 && got <= expected + 30.0,
                "{line}: {got}"
            );
        }
    }
}
