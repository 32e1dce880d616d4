//! The normal distribution function at 2^34 of its 2^36 arguments, and the density over all of its 2^32.

use crate::sweep::{largest, parts, q, Measured, Size, Worst};
use estuary_risk::normal::{cdf_q30, pdf_q30, CDF_CLAMP_Q32, CDF_ERROR_Q40};

/// Standard normal distribution, good to 2e-16.
pub fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

/// Standard normal density.
pub fn normal_pdf(x: f64) -> f64 {
    0.398_942_280_401_432_7 * libm::exp(-0.5 * x * x)
}

/// Degree of the Taylor polynomials below: on half an interval of 1/32 the next term is below 3e-16.
const DEGREE: usize = 6;
/// Arguments taken at once.
const BLOCK: usize = 512;

/// N around `centre` as a polynomial in the distance, in units of Q30: the derivatives are the density times
/// Hermite's polynomials.
fn taylor_q30(centre: f64) -> [f64; DEGREE + 1] {
    let mut coefficients = [0.0; DEGREE + 1];
    coefficients[0] = normal_cdf(centre) * q(30);
    let density = normal_pdf(centre) * q(30);
    let (mut before, mut hermite, mut factorial) = (0.0, 1.0, 1.0);
    for (order, coefficient) in coefficients.iter_mut().enumerate().skip(1) {
        let n = order as f64;
        factorial *= n;
        let sign = if order % 2 == 1 { 1.0 } else { -1.0 };
        *coefficient = sign * hermite * density / factorial;
        (before, hermite) = (hermite, centre * hermite - (n - 1.0) * before);
    }
    coefficients
}

/// The largest error of N over a block of arguments from `low`, `stride` apart, against the polynomial around `centre`;
/// the value at the last one. Two passes, so that the second needs no branches.
fn block(low: i64, stride: i64, centre: i64, c: &[f64; DEGREE + 1], highest: &mut i64) -> f64 {
    let mut got = [0i32; BLOCK];
    let mut falls = false;
    let mut d = low;
    for got in &mut got {
        let n = cdf_q30(d);
        *got = n as i32;
        falls |= n.wrapping_add(1) < *highest;
        *highest = n.max(*highest);
        d = d.wrapping_add(stride);
    }
    assert!(!falls, "N falls by more than a unit after {low}");
    let (first, step) = ((low - centre) as f64 * q(-32), stride as f64 * q(-32));
    let mut largest = 0.0;
    for (i, got) in got.iter().enumerate() {
        // Below 2^53 and in units of 2^-32: exact.
        let h = first + f64::from(i as u32) * step;
        let sum = c[5] + h * c[6];
        let sum = c[4] + h * sum;
        let sum = c[3] + h * sum;
        let sum = c[2] + h * sum;
        let sum = c[1] + h * sum;
        let error = (f64::from(*got) - (c[0] + h * sum)).abs();
        largest = if error > largest { error } else { largest };
    }
    largest
}

/// Every fourth of the 2^36 arguments of N, each residue in turn; beyond 512 intervals of 2^27 N is constant.
pub fn distribution(size: Size) -> Vec<Measured> {
    const STRIDE: i64 = 4;
    let apart = match size {
        Size::Full => STRIDE * BLOCK as i64,
        Size::Sample => 1 << 25,
    };
    let blocks = (1 << 27) / apart;
    let found = parts(|row| {
        let low = (row as i64 - 256) << 27;
        let centre = low + (1 << 26);
        let c = taylor_q30(centre as f64 * q(-32));
        let (mut worst, mut highest) = (Worst::default(), 0);
        for number in 0..blocks {
            let first = low + number * apart + number % STRIDE;
            let error = block(first, STRIDE, centre, &c, &mut highest);
            worst.see(error, &[first]);
        }
        (worst, blocks as u64 * BLOCK as u64)
    });
    let (mut worst, mut points) = (Worst::default(), 0);
    for (part, count) in found {
        worst.merge(part);
        points += count;
    }
    worst.error *= q(-30);
    for d in [-CDF_CLAMP_Q32 - 1, i64::MIN] {
        assert_eq!(cdf_q30(d), 0, "the tail beyond the clamp is 6.3e-16");
    }
    for d in [CDF_CLAMP_Q32, i64::MAX] {
        assert_eq!(cdf_q30(d), 1 << 30);
    }
    vec![Measured {
        name: "N",
        domain: "every fourth of 2^36 in [-8, 8), constant beyond; at: first of a block of 512",
        unit: "absolute",
        points,
        worst,
        reference: 7e-16,
        bound: CDF_ERROR_Q40 as f64 * q(-40),
    }]
}

/// Every argument of the density: it is a function of |d| rounded to Q29. Of the eight that round to one, the outer
/// two are the worst, as the density falls.
pub fn density(size: Size) -> Vec<Measured> {
    const NEIGHBOURS: u64 = 4096;
    let blocks = (1 << 32) / NEIGHBOURS;
    let taken = size.of(blocks, 12);
    let worst = largest(taken, |worst, range| {
        for i in range {
            let first = (i * (blocks / taken) * NEIGHBOURS) as i64;
            // Three terms around the block's middle: the fourth is below 1e-16 within 2^-18.
            let middle = (first + NEIGHBOURS as i64 / 2) * 8;
            let x = middle as f64 * q(-32);
            let density = normal_pdf(x);
            let (slope, bend) = (-x * density, (x * x - 1.0) * density / 2.0);
            for rounded in first..first + NEIGHBOURS as i64 {
                let got = pdf_q30(rounded * 8) as f64 * q(-30);
                for d in [(rounded * 8 - 4).max(0), rounded * 8 + 3] {
                    let h = (d - middle) as f64 * q(-32);
                    worst.see((got - (density + h * (slope + h * bend))).abs(), &[d]);
                }
            }
        }
    });
    assert_eq!((pdf_q30(i64::MIN), pdf_q30(8 << 32)), (0, 0));
    vec![Measured {
        name: "density",
        domain:
            "every argument: 2^32 after rounding to Q29, each at both ends of what rounds to it",
        unit: "absolute",
        points: taken * NEIGHBOURS,
        worst,
        reference: 3e-16,
        bound: 1.5e-9,
    }]
}

/// N and the density against the vectors.
pub fn reference_agrees() {
    for line in include_str!("../vectors/normal.csv").lines().skip(1) {
        let fields: Vec<f64> = line
            .split(',')
            .map(|field| field.parse().unwrap())
            .collect();
        let x = fields[0] * q(-32);
        let errors = [normal_cdf(x) - fields[1], normal_pdf(x) - fields[2]];
        assert!(
            errors.iter().all(|error| error.abs() < 3e-16),
            "{line}: {errors:?}"
        );
        // The polynomial from the middle of an interval, where it is used furthest out.
        if x.abs() < 8.0 {
            let centre = (x * 32.0).floor() / 32.0 + 1.0 / 64.0;
            let sum = taylor_q30(centre)
                .iter()
                .rev()
                .fold(0.0, |sum, c| sum * (x - centre) + c);
            assert!((sum * q(-30) - fields[1]).abs() < 4e-16, "{line}");
        }
    }
}
