//! Sweeps of the kernel's functions over their domains against the floating-point model.
//!
//! They stride by default; `ESTUARY_EXHAUSTIVE=1` makes each one 2^32 arguments, on all cores
//! (minutes with `--release`).

#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test may panic"
)]

mod support;

use estuary_risk::fixed::{exp_q30, ln_q40, sqrt_tau_q32};
use estuary_risk::normal::{cdf_q30, pdf_q30, CDF_ERROR_Q40};
use estuary_risk::smile::{Smile, SmileSlice};
use support::{exhaustive, normal_cdf, ssvi_factor, Random, YEAR_SECONDS};

fn q(bits: i32) -> f64 {
    2f64.powi(bits)
}

/// The largest of `error` over 2^32 arguments spread evenly over `low..high`, or 2^20 of them, and
/// the argument it is at.
fn largest(low: i64, high: i64, error: impl Fn(i64) -> f64 + Sync) -> (f64, i64) {
    let count: i128 = if exhaustive() { 1 << 32 } else { 1 << 20 };
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get()) as i128;
    let span = i128::from(high) - i128::from(low);
    let chunk = |core: i128| {
        let mut worst = (0f64, low);
        for i in (count * core / cores)..(count * (core + 1) / cores) {
            let argument = (i128::from(low) + span * i / count) as i64;
            let error = error(argument);
            if error > worst.0 {
                worst = (error, argument);
            }
        }
        worst
    };
    std::thread::scope(|scope| {
        let chunk = &chunk;
        let threads: Vec<_> = (0..cores)
            .map(|core| scope.spawn(move || chunk(core)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a sweep"))
            .fold((0.0, low), |a, b| if b.0 > a.0 { b } else { a })
    })
}

fn at_most(what: &str, (error, argument): (f64, i64), limit: f64) {
    println!("{what}: largest error {error:.3e} of {limit:.3e} at {argument}");
    assert!(
        error <= limit,
        "{what}: {error:e} above {limit:e} at {argument}"
    );
}

#[test]
fn normal_distribution() {
    let end = (8 << 32) + (1 << 28);
    let cdf = |d: i64| (cdf_q30(d) as f64 * q(-30) - normal_cdf(d as f64 * q(-32))).abs();
    at_most("N", largest(-end, end, cdf), CDF_ERROR_Q40 as f64 * q(-40));
    let density = |d: f64| (-0.5 * d * d).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let pdf = |d: i64| (pdf_q30(d) as f64 * q(-30) - density(d as f64 * q(-32))).abs();
    at_most("density", largest(-end, end, pdf), 1.5e-9);
}

#[test]
fn logarithm() {
    let ln = |v: i64| (ln_q40(v as u64) as f64 * q(-40) - (v as f64).ln()).abs();
    at_most("ln below 2^32", largest(1, 1 << 32, ln), q(-40));
    // Prices and strikes as mantissas; f64 holds them and their logarithm's 2^-48.
    at_most(
        "ln below 2^50",
        largest(1 << 32, 1 << 50, ln),
        q(-40) + q(-46),
    );
}

#[test]
fn exponential() {
    let exp = |x: i64| {
        let expected = (x as f64 * q(-40)).exp();
        (exp_q30(x) as f64 * q(-30) - expected).abs() / expected.max(1.0)
    };
    at_most("exp below 0", largest(-(25 << 40), 0, exp), 1.2 * q(-30));
    at_most("exp above 0", largest(0, 20 << 40, exp), 1.2 * q(-30));
}

#[test]
fn root_of_time() {
    let root = |seconds: i64| {
        let expected = (seconds as f64 / YEAR_SECONDS).sqrt();
        (sqrt_tau_q32(seconds) as f64 * q(-32) - expected).abs() / (q(-33) + expected * q(-31))
    };
    at_most(
        "root of time, of the stated error",
        largest(60, 315_360_000, root),
        1.0,
    );
}

#[test]
fn smile() {
    let mut random = Random(3);
    let smiles = if exhaustive() { 1_000_000 } else { 20_000 };
    let mut worst = 0f64;
    for _ in 0..smiles {
        let seconds = random.log_uniform(60.0, 2.0 * YEAR_SECONDS) as i64;
        let vol = random.log_uniform(0.005, 12.0);
        let theta = vol * vol * seconds as f64 / YEAR_SECONDS;
        let rho = random.uniform(-0.95, 0.95);
        let room = 4.0 / theta / (1.0 + rho.abs());
        let smile = Smile {
            atm_vol_ppb: (vol * 1e9) as u64,
            rho_ppb: (rho * 1e9) as i64,
            phi_ppb: (random.unit().powi(3) * room.min(room.sqrt()).min(256.0) * 1e9) as u64,
        };
        let slice = SmileSlice::new(&smile, sqrt_tau_q32(seconds)).expect("in range");
        let tau_root = (seconds as f64 / YEAR_SECONDS).sqrt();
        for _ in 0..8 {
            let x_q28 = (random.uniform(-3.5, 3.5) * q(28)) as i64;
            let (rho, phi) = (smile.rho_ppb as f64 / 1e9, smile.phi_ppb as f64 / 1e9);
            let factor = ssvi_factor(rho, phi, -(x_q28 as f64) * q(-28));
            let exact = smile.atm_vol_ppb as f64 / 1e9 * tau_root * factor;
            let error = (slice.total_vol_q32(x_q28) as f64 * q(-32) - exact).abs();
            // Where the volatility is one that prices are promised for.
            if exact <= 12.0 * tau_root && exact < 4.0 {
                worst = worst.max(error);
            }
        }
    }
    println!("total volatility: largest error {worst:.3e}");
    assert!(worst <= 6e-9);
}
