//! Logarithm, square root, exponential and power.

use crate::sweep::{largest, q, random_of, Measured, Size, PARTS};
use estuary_risk::fixed::{exp_q30, isqrt, ln_q40, pow_q30, EXP_MAX_Q40, EXP_MIN_Q40};

/// Every argument below 2^32, then half as many over the octaves above.
pub fn logarithm(size: Size) -> Vec<Measured> {
    let error = |v: u64| (ln_q40(v) as f64 * q(-40) - libm::log(v as f64)).abs();
    let low = size.of(1 << 32, 12);
    let step = (1 << 32) / low;
    let below = largest(low, |worst, range| {
        for i in range {
            let v = (i * step).max(1);
            worst.see(error(v), &[v as i64]);
        }
    });
    // Mantissas spread evenly and moved at random within their share, the 32 octaves in turn.
    let high = size.of(1 << 31, 11);
    let above = largest(high, |worst, range| {
        let mut random = random_of(1, range.start);
        for i in range {
            let octave = 32 + (i % 32);
            let share = (i / 32) as f64 + random.unit();
            let mantissa = 1.0 + share / (high / 32) as f64;
            let v = (mantissa * 2f64.powi(octave as i32)) as u64;
            worst.see(error(v), &[v as i64]);
        }
    });
    let row = |name, domain, points, worst| Measured {
        name,
        domain,
        unit: "absolute",
        points,
        worst,
        reference: 7.2e-15,
        bound: q(-40),
    };
    vec![
        row("ln below 2^32", "every argument", low, below),
        row(
            "ln from 2^32",
            "spread over 32 octaves to 2^64",
            high,
            above,
        ),
    ]
}

/// The floor of the root changes at squares only and `isqrt` is checked on both sides of each. A root below 2^31 is
/// that of an argument shifted up by an even number of bits, shifted down: those are sampled.
pub fn square_root(size: Size) -> Vec<Measured> {
    let wrong = |root: u64| {
        let square = root * root;
        let last = square + 2 * root;
        u64::from(isqrt(square) != root) + u64::from(isqrt(last) != root)
    };
    let count = size.of(1 << 31, 11);
    let step = (1 << 31) / count;
    let worst = largest(count, |worst, range| {
        for i in range {
            let root = (1 << 31) + i * step;
            worst.see(wrong(root) as f64, &[root as i64]);
            if i % 16 == 0 {
                let shifted = (root + i / 16 % 8) >> (i / 16 % 31);
                worst.see(wrong(shifted) as f64, &[shifted as i64]);
            }
        }
    });
    vec![Measured {
        name: "square root",
        domain: "first and last argument of every root from 2^31 to 2^32, and of a sixteenth as many below",
        unit: "wrong floors",
        points: 2 * (count + count / 16),
        worst,
        reference: 0.0,
        bound: 0.0,
    }]
}

/// Arguments spread over the whole range, and every argument that the reduction can leave: the polynomial sees
/// 2^-36 of a distance of at most ln 2 / 32.
pub fn exponential(size: Size) -> Vec<Measured> {
    let error = |x: i64| {
        let expected = libm::exp(x as f64 * q(-40));
        (exp_q30(x) as f64 * q(-30) - expected).abs() / expected.max(1.0)
    };
    let count = size.of(1 << 31, 11);
    let span = (EXP_MAX_Q40 - EXP_MIN_Q40) as f64;
    let spread = largest(count, |worst, range| {
        let mut random = random_of(2, range.start);
        for i in range {
            let x = EXP_MIN_Q40 + ((i as f64 + random.unit()) / count as f64 * span) as i64;
            worst.see(error(x), &[x]);
        }
    });
    // ln 2 / 32 in Q36, and the sixteen arguments of Q40 that share it taken in turn.
    let reach = (std::f64::consts::LN_2 / 32.0 * q(36)) as i64 + 1;
    let all = 2 * reach as u64;
    let reduced = size.of(all, 12);
    let step = all / reduced;
    let reduced_worst = largest(reduced, |worst, range| {
        for i in range {
            let x = ((i * step) as i64 - reach) * 16 + (i % 16) as i64;
            worst.see(error(x), &[x]);
        }
    });
    assert_eq!(exp_q30(EXP_MIN_Q40 - 1), 0, "e^-24 is a 25th of a unit");
    let row = |name, domain, points, worst| Measured {
        name,
        domain,
        unit: "of max(1, value)",
        points,
        worst,
        reference: 2e-15,
        bound: 1.2 * q(-30),
    };
    vec![
        row("exp", "spread over [-24, 20]", count, spread),
        row(
            "exp, reduced argument",
            "every reduced argument, at one octave",
            reduced,
            reduced_worst,
        ),
    ]
}

/// Random bases of every size and exponents up to 2^32 whose power is in the range of the exponential.
pub fn power(size: Size) -> Vec<Measured> {
    let count = size.of(1 << 27, 8);
    let worst = largest(count, |worst, range| {
        let mut random = random_of(3, range.start);
        for _ in range {
            let base = random.bits() >> random.below(64);
            let log = libm::log(base.max(1) as f64 * q(-30));
            let room = if log < 0.0 { 24.0 } else { 20.0 } / log.abs().max(1e-9);
            let largest = (room * 1e6).min(f64::from(u32::MAX));
            let exponent = random.log_uniform(1.0, largest) as u32;
            let exact = libm::exp(f64::from(exponent) * 1e-6 * log);
            let error = (pow_q30(base.max(1), exponent) as f64 * q(-30) - exact).abs();
            // The error of the exponential, and that of the logarithm as often as the exponent says.
            let stated =
                1.2 * q(-30) * exact.max(1.0) + f64::from(exponent) * 1e-6 * q(-39) * exact;
            worst.see(error / stated, &[base as i64, exponent.into()]);
        }
    });
    vec![Measured {
        name: "pow",
        domain: "random bases of 1 to 64 bits, exponents up to 2^32 ppm within the range of exp",
        unit: "of the stated error",
        points: count,
        worst,
        reference: 1e-4,
        bound: 1.0,
    }]
}

/// Logarithm and exponential against the vectors.
pub fn reference_agrees() {
    let rows = |csv: &'static str| {
        csv.lines().skip(1).map(|line| {
            let (argument, value) = line.split_once(',').unwrap();
            (argument.to_owned(), value.parse::<f64>().unwrap())
        })
    };
    for (v, value) in rows(include_str!("../vectors/ln.csv")) {
        let error = libm::log(v.parse::<u64>().unwrap() as f64) - value;
        assert!(error.abs() <= 7.2e-15, "ln {v}: {error:e}");
    }
    for (x, value) in rows(include_str!("../vectors/exp.csv")) {
        let error = libm::exp(x.parse::<i64>().unwrap() as f64 * q(-40)) - value;
        assert!(error.abs() <= 2e-15 * value.max(1.0), "exp {x}: {error:e}");
    }
}

const _: () = assert!(PARTS == 512, "the rows of the normal distribution");
