//! The worked books of the margin model: the engine against a brute-force reference
//! (`tests/reference/worked_checks.py`), per unit at a spot of 100.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test may panic"
)]

use estuary_risk::fixed::ln_q40;
use estuary_risk::market::{Instrument, Leg, MarketArrays, MarketInputs, MarketRisk, OptionKind};
use estuary_risk::scenario::{ScenarioParameters, SPOT_NODES, TAILS};
use estuary_risk::smile::Smile;
use estuary_risk::units::{Price, ONE_Q30, SECONDS_PER_DAY};

/// A lot of 1e-8 units: fractional quantities lose nothing that matters.
const LOTS_PER_UNIT: f64 = 1e8;
/// One unit at one quote unit, in micro-units.
const MICRO: f64 = 1e6;

struct Book {
    name: String,
    /// Quantity, strike, days to expiry; calls.
    legs: Vec<(f64, u64, i64)>,
    hedge: f64,
    flat: f64,
    term_scaled: f64,
}

fn books() -> Vec<Book> {
    let number = |field: &str| -> f64 { field.parse().unwrap() };
    include_str!("vectors/worked.csv")
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            let legs = fields[1].split(' ').map(|leg| {
                let parts: Vec<&str> = leg.split(':').collect();
                (
                    number(parts[0]),
                    parts[1].parse().unwrap(),
                    parts[2].parse().unwrap(),
                )
            });
            Book {
                name: fields[0].to_string(),
                legs: legs.collect(),
                hedge: number(fields[2]),
                flat: number(fields[3]),
                term_scaled: number(fields[4]),
            }
        })
        .collect()
}

fn lots(quantity: f64) -> i64 {
    (quantity * LOTS_PER_UNIT).round() as i64
}

fn arrays(parameters: &ScenarioParameters, expiries: usize) -> MarketArrays {
    let inputs = MarketInputs {
        spot: Price(10_000_000_000),
        price_exponent: -8,
        lot_size: 10,
        grid: parameters.grid().unwrap(),
        oracle: estuary_risk::charges::OracleQuality::default(),
    };
    MarketArrays::new(&inputs, expiries, 16).unwrap()
}

fn add_expiry(arrays: &mut MarketArrays, days: i64) -> u8 {
    let id = u8::try_from(days).unwrap();
    arrays
        .add_expiry(
            id,
            days * SECONDS_PER_DAY,
            ONE_Q30,
            &Smile::flat(600_000_000),
        )
        .unwrap();
    id
}

fn option(arrays: &mut MarketArrays, kind: OptionKind, strike: u64, expiry: u8) -> Instrument {
    let mantissa = strike * 100_000_000;
    arrays
        .option(kind, expiry, Price(mantissa), ln_q40(mantissa), 0)
        .unwrap()
}

fn risk(book: &Book, parameters: &ScenarioParameters) -> MarketRisk {
    let mut arrays = arrays(parameters, 4);
    let mut legs = vec![Leg {
        instrument: Instrument::Perpetual,
        lots: lots(book.hedge),
    }];
    for (quantity, strike, days) in &book.legs {
        let expiry = add_expiry(&mut arrays, *days);
        legs.push(Leg {
            instrument: option(&mut arrays, OptionKind::Call, *strike, expiry),
            lots: lots(*quantity),
        });
    }
    let mut risk = MarketRisk::EMPTY;
    arrays.evaluate(&legs, &mut risk).unwrap();
    risk
}

/// The parameters of the table: R = 16%, no tails, levels -30% and +50%.
fn parameters(term_scaled: bool) -> ScenarioParameters {
    let mut parameters = ScenarioParameters::BTC;
    parameters.tail_weight_ppm = [0; TAILS];
    if !term_scaled {
        parameters.vol_power_short_ppm = 0;
        parameters.vol_power_long_ppm = 0;
    }
    parameters
}

#[test]
fn the_engine_needs_what_brute_force_finds() {
    println!("book: brute force, certified, at the nodes (flat levels; term-scaled levels)");
    for book in books() {
        let mut line = String::new();
        for (expected, term_scaled) in [(book.flat, false), (book.term_scaled, true)] {
            let risk = risk(&book, &parameters(term_scaled));
            let certified = risk.certified_loss.0 as f64 / MICRO;
            let at_nodes = risk.scan_loss.0 as f64 / MICRO;
            line += &format!(" {expected:.3} {certified:.3} {at_nodes:.3};");
            let name = &book.name;
            if name.contains("expiry") {
                assert!(
                    certified <= expected,
                    "{name}: {certified} above {expected}"
                );
                continue;
            }
            assert!(
                certified >= expected,
                "{name}: {certified} below {expected}"
            );
            assert!(
                certified <= expected * 1.05,
                "{name}: {certified} against {expected}"
            );
            assert!(
                at_nodes <= expected + 1e-4,
                "{name}: {at_nodes} above {expected}"
            );
        }
        println!("{}:{line}", book.name);
    }
}

#[test]
fn a_conversion_needs_next_to_nothing_at_any_strike() {
    for strike in [50, 90, 100, 101, 130, 300] {
        let mut arrays = arrays(&ScenarioParameters::BTC, 1);
        let expiry = add_expiry(&mut arrays, 7);
        let unit = lots(1.0);
        let legs = [
            (Instrument::Spot, unit),
            (option(&mut arrays, OptionKind::Put, strike, expiry), unit),
            (option(&mut arrays, OptionKind::Call, strike, expiry), -unit),
        ]
        .map(|(instrument, lots)| Leg { instrument, lots });
        let mut risk = MarketRisk::EMPTY;
        arrays.evaluate(&legs, &mut risk).unwrap();
        assert!(
            risk.certified_loss.0 <= 1,
            "strike {strike}: {:?} micro-units on a notional of 100",
            risk.certified_loss
        );
    }
}

#[test]
fn the_worst_dip_is_the_bound() {
    let mut arrays = arrays(&ScenarioParameters::BTC, 1);
    let expiry = add_expiry(&mut arrays, 7);
    let legs = [OptionKind::Call, OptionKind::Put].map(|kind| Leg {
        instrument: option(&mut arrays, kind, 100, expiry),
        lots: 1_000_000_000,
    });
    let mut risk = MarketRisk::EMPTY;
    arrays.evaluate(&legs, &mut risk).unwrap();
    assert!(risk.certified_loss > risk.scan_loss);
    let mut worst = 0;
    arrays
        .core_dips(&legs, &mut |dip| {
            assert!(dip.node < SPOT_NODES - 1 && dip.position_q31 <= 1 << 31);
            worst = worst.min(dip.pnl_q28);
        })
        .unwrap();
    let loss = arrays.lot_value().money_up(-i128::from(worst), 28).unwrap();
    // The requirement has the arrays' declared error on top: less than a thousandth of it.
    let error = risk.certified_loss.0 - loss.0;
    assert!(
        (0..risk.certified_loss.0 / 1_000).contains(&error),
        "{error}"
    );
    // A book without longs has no dips.
    let short = legs.map(|leg| Leg {
        lots: -leg.lots,
        ..leg
    });
    arrays
        .core_dips(&short, &mut |dip| panic!("{dip:?}"))
        .unwrap();
}
