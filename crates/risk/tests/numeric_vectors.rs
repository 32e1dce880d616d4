//! The kernel's functions against reference values from 50-digit arithmetic
//! (`tests/reference/numeric_vectors.py`), each to the error its documentation states.

#![allow(clippy::arithmetic_side_effects, reason = "a test may panic")]

use estuary_risk::black76::{call, put, Terms};
use estuary_risk::fixed::{exp_q30, ln_q40, sqrt_tau_q32};
use estuary_risk::normal::{cdf_q30, pdf_q30, CDF_ERROR_Q40};
use estuary_risk::smile::{Smile, SmileSlice};

/// Rows of a vector file as text fields, header left out.
fn rows(csv: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    csv.lines().skip(1).map(|line| line.split(',').collect())
}

fn real(field: &str) -> f64 {
    field.parse().expect("a decimal in the vectors")
}

fn integer<T: std::str::FromStr>(field: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    field.parse().expect("an integer in the vectors")
}

fn q(bits: i32) -> f64 {
    2f64.powi(bits)
}

/// The largest error seen and the row it was seen in.
#[derive(Default)]
struct Worst {
    error: f64,
    row: String,
}

impl Worst {
    fn see(&mut self, error: f64, row: &[&str]) {
        assert!(error.is_finite(), "{row:?}");
        if error > self.error {
            *self = Worst {
                error,
                row: row.join(","),
            };
        }
    }

    fn at_most(&self, what: &str, limit: f64) {
        println!(
            "{what}: largest error {:.3e}, limit {limit:.3e}, at {}",
            self.error, self.row
        );
        assert!(
            self.error <= limit,
            "{what}: error {:e} above {limit:e} at {}",
            self.error,
            self.row
        );
    }
}

#[test]
fn logarithm() {
    let mut worst = Worst::default();
    for row in rows(include_str!("vectors/ln.csv")) {
        let got = ln_q40(integer(row[0])) as f64 / q(40);
        worst.see((got - real(row[1])).abs(), &row);
    }
    worst.at_most("ln", q(-40));
}

#[test]
fn exponential() {
    let mut worst = Worst::default();
    for row in rows(include_str!("vectors/exp.csv")) {
        let expected = real(row[1]);
        let got = exp_q30(integer(row[0])) as f64 / q(30);
        worst.see((got - expected).abs() / expected.max(1.0), &row);
    }
    worst.at_most("exp, of max(1, value)", 1.2 * q(-30));
}

#[test]
fn normal_distribution() {
    let (mut cdf, mut pdf) = (Worst::default(), Worst::default());
    for row in rows(include_str!("vectors/normal.csv")) {
        let d: i64 = integer(row[0]);
        cdf.see((cdf_q30(d) as f64 / q(30) - real(row[1])).abs(), &row);
        pdf.see((pdf_q30(d) as f64 / q(30) - real(row[2])).abs(), &row);
    }
    cdf.at_most("N", CDF_ERROR_Q40 as f64 * q(-40));
    pdf.at_most("density", 1.5e-9);
}

#[test]
fn root_of_time() {
    let mut worst = Worst::default();
    for row in rows(include_str!("vectors/sqrt_tau.csv")) {
        let expected = real(row[1]);
        let error = (sqrt_tau_q32(integer(row[0])) as f64 / q(32) - expected).abs();
        worst.see(error / (q(-33) + expected * q(-31)), &row);
    }
    worst.at_most("root of time, of the stated error", 1.0);
}

#[test]
fn smile_total_volatility() {
    let (mut mild, mut steep, mut absolute) =
        (Worst::default(), Worst::default(), Worst::default());
    for row in rows(include_str!("vectors/smile.csv")) {
        let smile = Smile {
            atm_vol_ppb: integer(row[0]),
            rho_ppb: integer(row[1]),
            phi_ppb: integer(row[2]),
        };
        let root = sqrt_tau_q32(integer(row[3]));
        let slice = SmileSlice::new(&smile, root).expect("parameters in range");
        let expected = real(row[5]).clamp(q(-23), 64.0);
        let error = (slice.total_vol_q32(integer(row[4])) as f64 / q(32) - expected).abs();
        // Half a unit, half a unit of the root of time carried through the volatility, and 2^-37 of
        // the at-the-money volatility carried through the smile.
        let at_the_money = slice.atm_total_vol_q32() as f64 / q(32);
        let rounding =
            q(-33) + q(-33) * expected / (root as f64 / q(32)) + q(-37) * expected / at_the_money;
        let relative = (error - rounding).max(0.0) / expected;
        if smile.rho_ppb.abs() <= 700_000_000 {
            &mut mild
        } else {
            &mut steep
        }
        .see(relative, &row);
        // Prices are promised up to a volatility of 1200%; above s = 4 they hardly depend on it.
        if expected <= 4.0 && expected <= 12.0 * root as f64 / q(32) {
            absolute.see(error, &row);
        }
    }
    mild.at_most("smile, |rho| <= 0.7, relative", q(-29));
    steep.at_most("smile, |rho| <= 0.95, relative", q(-27));
    absolute.at_most("smile, volatility up to 1200%, absolute", 4e-9);
}

#[test]
fn prices_and_greeks() {
    let mut worst: [Worst; 6] = Default::default();
    for row in rows(include_str!("vectors/black76.csv")) {
        let (forward, strike): (i64, i64) = (integer(row[0]), integer(row[1]));
        let root = sqrt_tau_q32(integer(row[2]));
        let slice =
            SmileSlice::new(&Smile::flat(integer(row[3])), root).expect("parameters in range");
        let x_q28 = (ln_q40(forward as u64) - ln_q40(strike as u64)) >> 12;
        let s_q32 = slice.total_vol_q32(x_q28);
        assert_eq!(s_q32, slice.atm_total_vol_q32());
        let terms = Terms {
            forward_ratio_q30: forward,
            strike_ratio_q30: strike,
            x_q28,
            s_q32,
            sqrt_tau_q32: root,
        };
        let quote = call(&terms);
        let (f, k) = (forward as f64 / q(30), strike as f64 / q(30));
        let (s, sqrt_tau) = (s_q32 as f64 / q(32), root as f64 / q(32));
        let scale = f.max(k);
        let got = |value: i64, bits: i32| value as f64 / q(bits);
        worst[0].see(
            (got(quote.price_q30, 30) - real(row[4])).abs() / scale,
            &row,
        );
        let parity = got(put(&terms).price_q30, 30) - (real(row[4]) - f + k);
        worst[1].see(parity.abs() / scale, &row);
        // The slopes are steep where total volatility is small, so their errors are stated in its terms.
        worst[2].see(
            (got(quote.delta_q30, 30) - real(row[5])).abs() / f * s.min(1.0),
            &row,
        );
        worst[3].see(
            (got(quote.gamma_q30, 30) - real(row[6])).abs() / f * (s * s).min(1.0),
            &row,
        );
        worst[4].see(
            (got(quote.vega_q40, 40) - real(row[7])).abs() / f / sqrt_tau * s.min(1.0),
            &row,
        );
        let theta = (got(quote.theta_q40, 40) - real(row[8])).abs() / f;
        worst[5].see(theta * sqrt_tau * sqrt_tau, &row);
    }
    worst[0].at_most("call price, of max(F, K)", 5e-9);
    worst[1].at_most("put price, of max(F, K)", 5e-9);
    worst[2].at_most("delta times min(1, s)", 5e-9);
    worst[3].at_most("gamma times min(1, s^2)", 5e-9);
    worst[4].at_most("vega over root time, times min(1, s)", 5e-9);
    worst[5].at_most("theta times tau", 5e-9);
}
