//! A settlement average under way: futures and options of a constant and a share of spot.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test may panic"
)]

mod support;

use estuary_risk::black76::{call, Terms};
use estuary_risk::charges::OracleQuality;
use estuary_risk::fixed::{ln_q40, sqrt_tau_q32};
use estuary_risk::market::{
    Averaging, Instrument, Leg, MarketArrays, MarketInputs, MarketRisk, OptionKind,
};
use estuary_risk::scenario::{Scenario, ScenarioParameters, CENTRE_COLUMN, COLUMNS, CORE_COLUMNS};
use estuary_risk::smile::Smile;
use estuary_risk::units::{Price, ONE_Q30};
use proptest::prelude::*;
use support::Random;

/// A hundred in hundred-thousandths.
const SPOT: u64 = 10_000_000;
const VOL_PPB: u64 = 600_000_000;

fn arrays() -> MarketArrays {
    let inputs = MarketInputs {
        spot: Price(SPOT),
        price_exponent: -5,
        lot_size: 1_000_000_000,
        grid: ScenarioParameters::BTC.grid().unwrap(),
        oracle: OracleQuality::default(),
    };
    MarketArrays::new(&inputs, 2, 64).unwrap()
}

/// So many of 30 minutes fixed at a price.
fn after(minutes: i64, price: u64) -> Averaging {
    let open = 30 - minutes;
    Averaging {
        fixed: Price(price * minutes.unsigned_abs() / 30),
        open_share_q30: (open << 30) / 30,
        variance_seconds: 10 * (open + 1) * (2 * open + 1) / open,
    }
}

fn window(averaging: &Averaging) -> MarketArrays {
    let mut arrays = arrays();
    let smile = Smile::flat(VOL_PPB);
    arrays
        .add_averaging_expiry(0, 900, averaging, &smile)
        .unwrap();
    arrays
}

fn option(arrays: &mut MarketArrays, kind: OptionKind, strike: u64) -> Instrument {
    arrays
        .option(kind, 0, Price(strike), ln_q40(strike), 0)
        .unwrap()
}

fn pnl(arrays: &MarketArrays, instrument: Instrument) -> [i64; COLUMNS] {
    let leg = Leg {
        instrument,
        lots: 1,
    };
    core::array::from_fn(|column| arrays.leg_pnl_q28(&leg, column).unwrap())
}

#[test]
fn a_future_is_the_constant_and_moves_with_the_rest() {
    for minutes in [0, 1, 15, 29] {
        let averaging = after(minutes, SPOT * 9 / 10);
        let arrays = window(&averaging);
        let future = arrays.future(0).unwrap();
        let share = averaging.open_share_q30 as f64 / ONE_Q30 as f64;
        let mark = arrays.mark_q30(future).unwrap() as f64 / ONE_Q30 as f64;
        assert!((mark - 0.9 * (1.0 - share) - share).abs() < 1e-7, "{mark}");
        assert_eq!(
            arrays.delta_q30(future).unwrap(),
            averaging.open_share_q30,
            "delta"
        );
        for (column, pnl) in pnl(&arrays, future).into_iter().enumerate() {
            let spot_move = Scenario::of_column(column).spot_move;
            let shock = arrays.grid().multiple_q30[spot_move] - ONE_Q30;
            let expected = shock as f64 * share / 4.0;
            assert!((pnl as f64 - expected).abs() < 2.0, "{minutes} {column}");
        }
    }
}

#[test]
fn an_option_is_struck_at_the_rest_in_every_scenario() {
    for minutes in [0i64, 3, 15, 27, 29] {
        let averaging = after(minutes, SPOT);
        let mut arrays = window(&averaging);
        for percent in [97u64, 100, 101, 110, 180] {
            let strike = SPOT * percent / 100;
            let rest = strike - averaging.fixed.0;
            let instrument = option(&mut arrays, OptionKind::Call, strike);
            let Instrument::Option { strike: place, .. } = instrument else {
                unreachable!()
            };
            let array = arrays.strike_array(place).unwrap().clone();
            let levels = arrays.grid().vol_multipliers_q30(900);
            for column in 0..COLUMNS {
                let scenario = Scenario::of_column(column);
                let multiple = arrays.grid().multiple_q30[scenario.spot_move];
                let forward = (averaging.open_share_q30 * multiple) >> 30;
                let level = if column < CORE_COLUMNS {
                    levels[scenario.vol_level]
                } else {
                    levels[2]
                };
                // The other pipeline of the crate, at the price's own arguments.
                let sqrt_tau = sqrt_tau_q32(averaging.variance_seconds);
                let vol_q32 = ((VOL_PPB as f64 * 1e-9) * level as f64 * 4.0) as u64;
                let log = (forward as f64 / ONE_Q30 as f64 * SPOT as f64 / rest as f64).ln();
                let terms = Terms {
                    forward_ratio_q30: forward,
                    strike_ratio_q30: (rest as f64 / SPOT as f64 * ONE_Q30 as f64) as i64,
                    x_q28: (log * (1u64 << 28) as f64) as i64,
                    s_q32: ((u128::from(vol_q32) * u128::from(sqrt_tau)) >> 32) as u64,
                    sqrt_tau_q32: sqrt_tau,
                };
                let expected = call(&terms).price_q30 >> 2;
                let off = (i64::from(array.value_q28[column]) - expected).abs();
                assert!(
                    off <= array.error_q28 + 2,
                    "{minutes} {percent} {column}: {off} {}",
                    array.error_q28
                );
            }
        }
    }
}

#[test]
fn what_is_exercised_whatever_happens_is_linear() {
    let averaging = after(20, SPOT);
    let mut arrays = window(&averaging);
    let future = arrays.future(0).unwrap();
    for strike in [averaging.fixed.0, averaging.fixed.0 - 1, SPOT / 4] {
        let [call, put] =
            [OptionKind::Call, OptionKind::Put].map(|kind| option(&mut arrays, kind, strike));
        assert_eq!(arrays.mark_q30(put).unwrap(), 0);
        let expected =
            arrays.mark_q30(future).unwrap() as f64 / ONE_Q30 as f64 - strike as f64 / SPOT as f64;
        let mark = arrays.mark_q30(call).unwrap() as f64 / ONE_Q30 as f64;
        assert!((mark - expected).abs() < 3e-9, "{mark} {expected}");
        let lines = pnl(&arrays, call).into_iter().zip(pnl(&arrays, future));
        for ((call, future), put) in lines.zip(pnl(&arrays, put)) {
            assert!((call - future).abs() <= 2 && put.abs() <= 2);
        }
        let delta = arrays.delta_q30(call).unwrap();
        assert!((delta - averaging.open_share_q30).abs() <= 4);
        let Instrument::Option { strike, .. } = call else {
            unreachable!()
        };
        assert!(arrays.strike_array(strike).unwrap().error_q28 < 20);
    }
    // Sold against the future it loses next to nothing, and its spread nothing.
    let legs = |pairs: &[(Instrument, i64)]| -> Vec<Leg> {
        let leg = |(instrument, lots): &(Instrument, i64)| Leg {
            instrument: *instrument,
            lots: *lots,
        };
        pairs.iter().map(leg).collect()
    };
    let low = option(&mut arrays, OptionKind::Call, SPOT / 4);
    let high = option(&mut arrays, OptionKind::Call, SPOT / 2);
    for book in [
        legs(&[(low, -1_000), (future, 1_000)]),
        legs(&[(low, -1_000), (high, 1_000)]),
        legs(&[(low, 1_000), (high, -1_000)]),
    ] {
        let mut risk = MarketRisk::EMPTY;
        arrays.evaluate(&book, &mut risk).unwrap();
        assert!(risk.certified_loss.0 < 100_000, "{risk:?}");
        assert!(risk.defined_loss.0 < 100_000, "{risk:?}");
    }
}

#[test]
fn before_anything_is_fixed_only_the_time_is_another() {
    let averaging = Averaging {
        fixed: Price(0),
        open_share_q30: ONE_Q30,
        variance_seconds: 900,
    };
    let (mut before, mut begun) = (arrays(), window(&averaging));
    before
        .add_expiry(0, 900, ONE_Q30, &Smile::flat(VOL_PPB))
        .unwrap();
    for strike in [SPOT / 2, SPOT, SPOT * 11 / 10] {
        for kind in [OptionKind::Call, OptionKind::Put] {
            let one = option(&mut before, kind, strike);
            let other = option(&mut begun, kind, strike);
            assert_eq!(
                before.mark_q30(one).unwrap(),
                begun.mark_q30(other).unwrap()
            );
            assert_eq!(pnl(&before, one), pnl(&begun, other));
        }
    }
}

#[test]
fn the_more_is_fixed_the_less_can_be_lost() {
    let mut last = i64::MAX;
    for minutes in 0..30 {
        let mut arrays = window(&after(minutes, SPOT));
        let straddle = [OptionKind::Call, OptionKind::Put].map(|kind| Leg {
            instrument: option(&mut arrays, kind, SPOT),
            lots: -1_000,
        });
        let mut risk = MarketRisk::EMPTY;
        arrays.evaluate(&straddle, &mut risk).unwrap();
        assert!(risk.certified_loss.0 < last, "{minutes}");
        last = risk.certified_loss.0;
    }
    // A thirtieth of a sixth of 100,000, less the premium.
    assert!(last < 1_100_000_000, "{last}");
}

#[test]
fn a_share_outside_its_range_is_refused() {
    use estuary_risk::units::RiskError::ForwardOutOfRange;
    for share in [0, -1, (ONE_Q30 >> 7) - 1, ONE_Q30 + 1, i64::MAX, i64::MIN] {
        let averaging = Averaging {
            fixed: Price(1),
            open_share_q30: share,
            variance_seconds: 60,
        };
        let mut arrays = arrays();
        let smile = Smile::flat(VOL_PPB);
        let refused = arrays.add_averaging_expiry(0, 60, &averaging, &smile);
        assert_eq!(refused, Err(ForwardOutOfRange));
        assert!(!arrays.has_expiry(0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Against the payoff itself, over every price that spot may still have.
    #[test]
    fn a_defined_risk_is_that_of_the_payoff(seed in any::<u64>()) {
        let mut random = Random(seed);
        let averaging = after(1 + random.below(29) as i64, SPOT * (80 + random.below(40)) / 100);
        let mut arrays = window(&averaging);
        let share = averaging.open_share_q30 as f64 / ONE_Q30 as f64;
        let (mut legs, mut payoffs) = (Vec::new(), Vec::new());
        for _ in 0..1 + random.below(6) {
            let lots = random.below(2_001) as i64 - 1_000;
            let strike = SPOT * (50 + random.below(100)) / 100;
            let kind = [None, Some(OptionKind::Call), Some(OptionKind::Put)][random.below(3) as usize];
            let instrument = match kind {
                None => arrays.future(0).unwrap(),
                Some(kind) => option(&mut arrays, kind, strike),
            };
            legs.push(Leg { instrument, lots });
            payoffs.push((kind, strike as f64 / SPOT as f64, lots as f64));
        }
        let fixed = averaging.fixed.0 as f64 / SPOT as f64;
        let payoff = |rest: f64| -> f64 {
            let price = fixed + rest;
            payoffs.iter().map(|(kind, strike, lots)| lots * match kind {
                None => price,
                Some(OptionKind::Call) => (price - strike).max(0.0),
                Some(OptionKind::Put) => (strike - price).max(0.0),
            }).sum()
        };
        let strikes = payoffs.iter().map(|(_, strike, _)| (strike - fixed).max(0.0));
        let worst = strikes.chain([0.0]).map(payoff).fold(f64::INFINITY, f64::min);
        let rises: f64 = payoffs.iter().map(|(kind, _, lots)| if *kind == Some(OptionKind::Put) { 0.0 } else { *lots }).sum();
        let value: f64 = legs.iter().map(|leg| leg.lots as f64 * arrays.mark_q30(leg.instrument).unwrap() as f64 / ONE_Q30 as f64).sum();
        let mut risk = MarketRisk::EMPTY;
        arrays.evaluate(&legs, &mut risk).unwrap();
        let absolute: f64 = legs.iter().map(|leg| leg.lots.unsigned_abs() as f64).sum();
        // A lot is worth a hundred; entries are rounded to 2^-24 a lot.
        if risk.pnl_q28.iter().all(|pnl| *pnl == 0) && value.abs() < 1e-9 {
            // Legs that net to nothing have no expiry, and so no limit.
            return Ok(());
        }
        if rises < 0.0 {
            prop_assert_eq!(risk.defined_loss, MarketRisk::NO_LIMIT);
        } else {
            let expected = (value - worst).max(0.0) * 1e8;
            let room = 1.0 + absolute * 30.0;
            let found = risk.defined_loss.0 as f64;
            prop_assert!((found - expected).abs() <= room, "{found} {expected} {room} {share}");
        }
        // Everything is worth what it was in the column where nothing moves, and equity holds the constants.
        prop_assert!(risk.pnl_q28[CENTRE_COLUMN].abs() <= 4 * absolute as i64 + 4);
        let held = (risk.option_value.0 + risk.linear_value.0) as f64;
        prop_assert!((held - value * 1e8).abs() <= 4.0 + absolute);
    }

    /// Against a dense grid of spot, in floating point: the core range at each volatility level.
    #[test]
    fn the_certified_loss_covers_the_whole_range(seed in any::<u64>()) {
        let mut random = Random(seed);
        let averaging = after(random.below(30) as i64, SPOT * (80 + random.below(40)) / 100);
        let mut arrays = window(&averaging);
        let share = averaging.open_share_q30 as f64 / ONE_Q30 as f64;
        let fixed = averaging.fixed.0 as f64 / SPOT as f64;
        let tau = averaging.variance_seconds as f64 / (365.0 * 86_400.0);
        let (mut legs, mut held) = (Vec::new(), Vec::new());
        for _ in 0..1 + random.below(6) {
            let lots = random.below(2_001) as i64 - 1_000;
            // Most of them where the average will be, some far off.
            let centre = fixed + share;
            let off = [0.01, 0.1, 0.5];
            let off = random.pick(&off) * random.uniform(-1.0, 1.0);
            let strike = ((centre * (1.0 + off)) * SPOT as f64) as u64;
            let kind = [None, Some(OptionKind::Call), Some(OptionKind::Put)][random.below(3) as usize];
            let instrument = match kind {
                None => arrays.future(0).unwrap(),
                Some(kind) => option(&mut arrays, kind, strike),
            };
            legs.push(Leg { instrument, lots });
            held.push((kind, strike as f64 / SPOT as f64 - fixed, lots as f64));
        }
        let levels = arrays.grid().vol_multipliers_q30(900);
        let value = |spot: f64, level: f64| -> f64 {
            let forward = share * spot;
            let total = VOL_PPB as f64 * 1e-9 * level * tau.sqrt();
            held.iter().map(|(kind, rest, lots)| {
                let call = if *rest <= 0.0 { forward - rest } else { support::call(forward, *rest, total) };
                lots * match kind {
                    None => forward,
                    Some(OptionKind::Call) => call,
                    Some(OptionKind::Put) => call - forward + rest,
                }
            }).sum()
        };
        let now = value(1.0, 1.0);
        let mut worst = 0f64;
        for level in levels.map(|level| level as f64 / ONE_Q30 as f64) {
            for point in 0..=400 {
                let spot = 1.0 + 0.16 * (f64::from(point) / 200.0 - 1.0);
                worst = worst.max(now - value(spot, level));
            }
        }
        let mut risk = MarketRisk::EMPTY;
        arrays.evaluate(&legs, &mut risk).unwrap();
        let certified = risk.certified_loss.0 as f64 / 1e8;
        prop_assert!(certified + 1e-9 >= worst, "{certified} {worst} {share} {fixed} {held:?}");
    }
}
