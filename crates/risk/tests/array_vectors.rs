//! The risk array in every column against the floating-point model, and that model against the
//! reference vectors.

#![allow(clippy::arithmetic_side_effects, reason = "a test may panic")]

mod support;

use estuary_risk::array::{ExpiryContext, Moneyness, StrikeArray};
use estuary_risk::black76::{call, Terms};
use estuary_risk::fixed::ln_q40;
use estuary_risk::scenario::{Scenario, ScenarioGrid, ScenarioParameters, COLUMNS};
use estuary_risk::smile::Smile;
use estuary_risk::units::ONE_Q30;
use support::{exhaustive, normal_cdf, out_of_the_money, Random, YEAR_SECONDS};

const Q28: f64 = (1u64 << 28) as f64;
const Q30: f64 = (1u64 << 30) as f64;

#[test]
fn the_floating_point_model_agrees_with_the_reference() {
    let real = |field: &str| -> f64 { field.parse().unwrap() };
    for line in include_str!("vectors/normal.csv").lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let error = normal_cdf(real(fields[0]) / (1u64 << 32) as f64) - real(fields[1]);
        assert!(error.abs() < 5e-16, "{line}: {error:e}");
    }
    for line in include_str!("vectors/black76.csv").lines().skip(1) {
        let fields: Vec<f64> = line.split(',').map(real).collect();
        let (forward, strike) = (fields[0] / Q30, fields[1] / Q30);
        let s = fields[3] / 1e9 * (fields[2] / YEAR_SECONDS).sqrt();
        let model = out_of_the_money(forward, strike, s) + (forward - strike).max(0.0);
        let error = (model - fields[4]).abs() / forward.max(strike);
        assert!(error < 1e-14, "{line}: {error:e}");
    }
}

/// An option and the numbers the model needs, all exact.
struct Case {
    forward_q30: i64,
    strike_q30: i64,
    seconds: i64,
    vol_ppb: u64,
}

impl Case {
    /// Anything a listed series can be: K/F in [1/32, 32], a minute to two years, 0.5% to 1200%.
    fn random(random: &mut Random) -> Self {
        let seconds = random.log_uniform(60.0, 2.0 * YEAR_SECONDS) as i64;
        let vol = random.log_uniform(0.005, 12.0);
        let s = vol * (seconds as f64 / YEAR_SECONDS).sqrt();
        let based = random.uniform(0.5, 1.9);
        let forward = random.pick(&[1.0, 1.0, based]);
        let log_strike = match random.below(3) {
            0 => random.uniform(-3.46, 3.46),
            1 => random.uniform(-0.5, 0.5),
            _ => (random.uniform(-4.0, 4.0) * s).clamp(-3.46, 3.46),
        };
        Self {
            forward_q30: (forward * Q30) as i64,
            strike_q30: (forward * f64::exp(log_strike) * Q30) as i64,
            seconds,
            vol_ppb: (vol * 1e9) as u64,
        }
    }

    fn price(&self, grid: &ScenarioGrid) -> (StrikeArray, ExpiryContext) {
        let smile = Smile::flat(self.vol_ppb);
        let context = ExpiryContext::new(grid, self.seconds, self.forward_q30, &smile).unwrap();
        let log = |ratio: i64| ln_q40(ratio.unsigned_abs());
        let log_q28 = (log(self.forward_q30) - log(self.strike_q30) + (1 << 11)) >> 12;
        let moneyness = Moneyness::new(log_q28, self.strike_q30, &context);
        let mut array = StrikeArray::ZERO;
        let vol = context.slice.total_vol_q32(log_q28);
        array.price(grid, &context, &moneyness, vol, [vol; 2]);
        (array, context)
    }

    /// Out-of-the-money value, the intrinsic value of the call, and the call's slope, in a scenario.
    fn model(&self, multiple: f64, level: f64) -> (f64, f64, f64) {
        let (forward, strike) = (self.forward_q30 as f64 / Q30, self.strike_q30 as f64 / Q30);
        let s = self.vol_ppb as f64 / 1e9 * (self.seconds as f64 / YEAR_SECONDS).sqrt() * level;
        let moved = forward * multiple;
        let d1 = (moved / strike).ln() / s + s / 2.0;
        (
            out_of_the_money(moved, strike, s),
            (moved - strike).max(0.0),
            forward * normal_cdf(d1),
        )
    }
}

/// Errors of one case: the mark's (of max(F, K)), the largest of a column as a share of the declared
/// error, and the largest of a slope.
fn errors(case: &Case, grid: &ScenarioGrid) -> [f64; 3] {
    let (array, context) = case.price(grid);
    let (value, intrinsic, _) = case.model(1.0, 1.0);
    let now = value + intrinsic;
    let scale = case.forward_q30.max(case.strike_q30) as f64 / Q30;
    let mark = (array.call_mark_q30 as f64 / Q30 - now).abs() / scale;
    let (mut column_error, mut slope_error) = (0f64, 0f64);
    for column in 0..COLUMNS {
        let scenario = Scenario::of_column(column);
        let multiple = grid.multiple_q30[scenario.spot_move] as f64 / Q30;
        let level = context.vol_levels[scenario.vol_level].multiplier_q30 as f64 / Q30;
        let (value, intrinsic, slope) = case.model(multiple, level);
        let error = array.pnl_q28(column) as f64 - (value + intrinsic - now) * Q28;
        column_error = column_error.max(error.abs() / array.error_q28 as f64);
        slope_error = slope_error.max((f64::from(array.slope_q28[column]) / Q28 - slope).abs());
    }
    [mark, column_error, slope_error]
}

fn grids() -> [ScenarioGrid; 3] {
    [
        ScenarioParameters::BTC,
        ScenarioParameters::ETH,
        ScenarioParameters::SOL,
    ]
    .map(|parameters| parameters.grid().unwrap())
}

#[test]
fn every_column_is_within_the_declared_error() {
    let mut random = Random(1);
    let cases = if exhaustive() { 1_000_000 } else { 20_000 };
    let mut worst = [0f64; 3];
    for _ in 0..cases {
        let grid = random.pick(&grids());
        let case = Case::random(&mut random);
        for (worst, error) in worst.iter_mut().zip(errors(&case, &grid)) {
            *worst = worst.max(error);
        }
    }
    let [mark, column, slope] = worst;
    println!("{cases} options: mark off by {mark:.3e} of max(F, K), a column by {column:.3} of the declared error, a slope by {slope:.3e}");
    assert!(mark <= 5e-9);
    assert!(column <= 1.0);
}

/// Far beyond the clamp of the moneyness, where collapsed tokens leave old strikes, the entries are
/// clamped and the declared error must say by how much.
#[test]
fn strikes_beyond_the_clamp_are_within_the_declared_error() {
    let mut random = Random(2);
    let mut worst = 0f64;
    for _ in 0..5_000 {
        let grid = random.pick(&grids());
        let far = random.log_uniform(30.0, 1e5);
        let strike = random.pick(&[far, 1.0 / far]);
        let case = Case {
            strike_q30: (strike * Q30) as i64,
            forward_q30: ONE_Q30,
            ..Case::random(&mut random)
        };
        worst = worst.max(errors(&case, &grid)[1]);
    }
    println!("beyond the clamp: a column off by {worst:.3} of the declared error");
    assert!(worst <= 1.0);
}

/// The scenario loop and the scalar quote are written apart; they must agree on the present value.
#[test]
fn the_mark_agrees_with_the_quote() {
    let mut random = Random(4);
    let grid = ScenarioParameters::BTC.grid().unwrap();
    for _ in 0..20_000 {
        let case = Case::random(&mut random);
        let (array, context) = case.price(&grid);
        let log = |ratio: i64| ln_q40(ratio.unsigned_abs());
        let x_q28 = (log(case.forward_q30) - log(case.strike_q30) + (1 << 11)) >> 12;
        let quote = call(&Terms {
            forward_ratio_q30: case.forward_q30,
            strike_ratio_q30: case.strike_q30,
            x_q28,
            s_q32: context.slice.total_vol_q32(x_q28),
            sqrt_tau_q32: context.sqrt_tau_q32,
        });
        // Both are within 5e-9 of max(F, K), the mark rounded down besides.
        let limit = (case.forward_q30.max(case.strike_q30) as f64 * 4e-9) as i64 + 2;
        let difference = (array.call_mark_q30 - quote.price_q30).abs();
        assert!(
            difference <= limit,
            "{difference} units apart, allowed {limit}"
        );
    }
}
