//! Token balances as spot positions: their value, their exposure, and what they hedge.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test may panic"
)]

use estuary_risk::fixed::ln_q40;
use estuary_risk::market::{Instrument, Leg, MarketArrays, MarketInputs, MarketRisk, OptionKind};
use estuary_risk::scenario::ScenarioParameters;
use estuary_risk::smile::Smile;
use estuary_risk::units::{Money, Price, RiskError, ONE_Q30, SECONDS_PER_DAY};
use proptest::prelude::*;

const DECIMALS: u8 = 9;

/// SOL at a price in units of 10^-8, in lots of `lot_size` billionths.
fn arrays(spot: u64, lot_size: u64) -> MarketArrays {
    let inputs = MarketInputs {
        spot: Price(spot),
        price_exponent: -8,
        lot_size,
        grid: ScenarioParameters::SOL.grid().unwrap(),
        oracle: estuary_risk::charges::OracleQuality::default(),
    };
    let mut arrays = MarketArrays::new(&inputs, 1, 2).unwrap();
    arrays
        .add_expiry(0, 30 * SECONDS_PER_DAY, ONE_Q30, &Smile::flat(800_000_000))
        .unwrap();
    arrays
}

fn evaluate(arrays: &mut MarketArrays, legs: &[(Instrument, i64)]) -> MarketRisk {
    try_evaluate(arrays, legs).unwrap()
}

fn try_evaluate(
    arrays: &mut MarketArrays,
    legs: &[(Instrument, i64)],
) -> Result<MarketRisk, RiskError> {
    let leg = |(instrument, lots): &(Instrument, i64)| Leg {
        instrument: *instrument,
        lots: *lots,
    };
    let legs: Vec<Leg> = legs.iter().map(leg).collect();
    let mut risk = MarketRisk::EMPTY;
    arrays.evaluate(&legs, &mut risk)?;
    Ok(risk)
}

fn balance(arrays: &mut MarketArrays, amount: i64) -> Instrument {
    arrays.balance(amount, DECIMALS, u64::MAX).unwrap()
}

/// `amount × price` in micro-units, exactly: base units of 10^-9 times 10^-8 USD.
fn exact_value(spot: u64, amount: i64) -> i128 {
    (i128::from(spot) * i128::from(amount)).div_euclid(100_000_000_000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_balance_is_a_spot_position_of_any_fraction(
        spot in 1_000u64..1 << 40,
        lot_size in 1_000_000u64..100_000_000_000,
        amount in -(1i64 << 50)..1 << 50,
    ) {
        let mut arrays = arrays(spot, lot_size);
        let held = balance(&mut arrays, amount);
        let Ok(risk) = try_evaluate(&mut arrays, &[(held, 1)]) else {
            return Ok(());
        };
        prop_assert_eq!(i128::from(risk.spot_value.0), exact_value(spot, amount));
        // The worst a long can meet is R or a tail at its weight; a short likewise. Never below it, and not far above.
        let grid = *arrays.grid();
        let value = spot as f64 * amount as f64 / 1e11;
        let worst = (0..grid.multiple_q30.len()).map(|place| {
            let column = if place < 9 { place } else { place + 18 };
            let shock = grid.multiple_q30[place] as f64 / ONE_Q30 as f64 - 1.0;
            -value * shock * grid.weight_q30(column) as f64 / ONE_Q30 as f64
        }).fold(0.0, f64::max);
        let certified = risk.certified_loss.0 as f64;
        let tolerance = 1e-6 * worst + spot as f64 * lot_size as f64 * 1e-11 * 1e-8 + 2.0;
        prop_assert!(certified >= worst * (1.0 - 1e-12) - 1e-6, "{certified} below {worst}");
        prop_assert!(certified <= worst + tolerance, "{certified} far above {worst}");
        let borrowed = if amount < 0 { -value } else { 0.0 };
        prop_assert!(risk.gross.0 as f64 >= borrowed * (1.0 - 1e-12));
        prop_assert!(risk.gross.0 as f64 <= borrowed + tolerance);
    }

    #[test]
    fn a_balance_hedges_a_short_perpetual(lots in 1i64..1 << 24, dust in 0i64..100_000_000) {
        // Lots of 0.1 SOL are 10^8 lamports; less than a lot stays open.
        let mut arrays = arrays(20_000_000_000, 100_000_000);
        let held = balance(&mut arrays, lots * 100_000_000 + dust);
        let hedged = evaluate(&mut arrays, &[(held, 1), (Instrument::Perpetual, -lots)]);
        let naked = evaluate(&mut arrays, &[(Instrument::Perpetual, -lots)]);
        // The dust, at most 20 USD, loses at most a third in a fall.
        prop_assert!(hedged.certified_loss.0 <= dust / 5 / 3 + 2, "{:?}", hedged.certified_loss);
        prop_assert!(naked.certified_loss.0 >= lots * 20_000_000 * 3 / 10);
        prop_assert_eq!(hedged.gross, naked.gross, "owned spot is not gross exposure");
        prop_assert_eq!(hedged.delta_q30, dust * ONE_Q30 / 100_000_000);
    }

    #[test]
    fn a_balance_covers_short_calls(lots in 1i64..1 << 20, strike_percent in 60u64..=100) {
        let spot = 20_000_000_000;
        let mut arrays = arrays(spot, 100_000_000);
        let strike = spot / 100 * strike_percent;
        let call = arrays
            .option(OptionKind::Call, 0, Price(strike), ln_q40(strike), 0)
            .unwrap();
        let held = balance(&mut arrays, lots * 100_000_000);
        let covered = evaluate(&mut arrays, &[(held, 1), (call, -lots)]);
        let naked = evaluate(&mut arrays, &[(call, -lots)]);
        let owned = evaluate(&mut arrays, &[(held, 1)]);
        // However far spot rises, the token pays for the call, whose premium softens a fall.
        prop_assert!(covered.certified_loss <= owned.certified_loss);
        prop_assert!(covered.certified_loss < naked.certified_loss);
        prop_assert_eq!(covered.gross, naked.gross);
        prop_assert_eq!(covered.option_value, naked.option_value);
        prop_assert_eq!(covered.spot_value, owned.spot_value);
    }

    #[test]
    fn whole_lots_are_the_same_as_a_spot_leg(lots in -(1i64 << 30)..1 << 30) {
        let mut arrays = arrays(18_912_345_678, 100_000_000);
        let held = balance(&mut arrays, lots * 100_000_000);
        let by_balance = evaluate(&mut arrays, &[(held, 1)]);
        let by_lots = evaluate(&mut arrays, &[(Instrument::Spot, lots)]);
        prop_assert_eq!(by_balance.pnl_q28, by_lots.pnl_q28);
        prop_assert_eq!(by_balance.gross, by_lots.gross);
        prop_assert_eq!(by_balance.delta_q30, by_lots.delta_q30);
        prop_assert!(by_balance.certified_loss.0 - by_lots.certified_loss.0 <= 1);
        // The value of a lot has 48 bits; that of a balance is exact.
        let off = by_balance.spot_value.0 - by_lots.spot_value.0;
        prop_assert!((0..=1 + (by_lots.spot_value.0.abs() >> 46)).contains(&off), "{off}");
    }
}

#[test]
fn balances_add_up_and_are_kept_once() {
    let mut arrays = arrays(20_000_000_000, 100_000_000);
    let one = balance(&mut arrays, 1);
    assert_eq!(balance(&mut arrays, 1), one);
    let other = balance(&mut arrays, 1_000_000_000);
    let risk = evaluate(&mut arrays, &[(one, 1), (other, 1)]);
    assert_eq!(risk.spot_value, Money(200_000_000));
    let unknown = Instrument::Balance { balance: 9 };
    assert_eq!(
        try_evaluate(&mut arrays, &[(unknown, 1)]),
        Err(RiskError::UnknownInstrument)
    );
}

#[test]
fn no_balance_is_too_large_to_be_evaluated_beside_positions() {
    let mut arrays = arrays(20_000_000_000, 100_000_000);
    let lots = (1i64 << 32) - 11;
    let all = arrays.balance(i64::MAX, DECIMALS, 10).unwrap();
    let risk = evaluate(&mut arrays, &[(Instrument::Perpetual, lots), (all, 1)]);
    assert_eq!(risk.spot_value, Money(200_000_000), "ten lots count");
    let more = arrays.balance(i64::MAX, DECIMALS, 11).unwrap();
    assert_eq!(
        try_evaluate(&mut arrays, &[(Instrument::Perpetual, lots), (more, 1)]),
        Err(RiskError::TooManyLots)
    );
}
