//! Root of time, volatility levels, and the smile.

use crate::support::{ssvi_factor, Random, YEAR_SECONDS};
use crate::sweep::{largest, parts, q, random_of, Measured, Size, Worst, PARTS};
use estuary_risk::array::MAX_LOG_MONEYNESS_Q28;
use estuary_risk::black76::d1_d2_q32;
use estuary_risk::fixed::{sqrt_tau_q32, TAU_MAX_SECONDS, TAU_MIN_SECONDS};
use estuary_risk::normal::{cdf_q30, CDF_ERROR_Q40};
use estuary_risk::scenario::ScenarioParameters;
use estuary_risk::smile::{
    Smile, SmileSlice, ATM_VOL_MIN_PPB, PHI_MAX_PPB, RHO_MAX_PPB, TOTAL_VOL_MAX_Q32,
    TOTAL_VOL_MIN_Q32,
};

/// Every time from a minute to ten years; shorter and longer ones are clamped.
pub fn root_of_time(size: Size) -> Vec<Measured> {
    let all = (TAU_MAX_SECONDS - TAU_MIN_SECONDS + 1) as u64;
    let count = size.of(all, 8);
    let step = all / count;
    let worst = largest(count, |worst, range| {
        for i in range {
            let seconds = TAU_MIN_SECONDS + (i * step) as i64;
            let expected = (seconds as f64 / YEAR_SECONDS).sqrt();
            let error = (sqrt_tau_q32(seconds) as f64 * q(-32) - expected).abs();
            worst.see(error / (q(-33) + expected * q(-31)), &[seconds]);
        }
    });
    vec![Measured {
        name: "root of time",
        domain: "every second from a minute to ten years",
        unit: "of 2^-33 + 2^-31 of the value",
        points: count,
        worst,
        reference: 1e-5,
        bound: 1.0,
    }]
}

/// The multipliers of the default grid at every second up to two years: never inside the formula's, and outside by a
/// rounding of parts per million.
pub fn levels(size: Size) -> Vec<Measured> {
    let all = 2 * 31_536_000;
    let count = size.of(all, 8);
    let step = all / count;
    let parameters = ScenarioParameters::BTC;
    let grid = parameters.grid().expect("the default");
    let worst = largest(count, |worst, range| {
        for i in range {
            let seconds = (i * step) as i64;
            let days = (seconds as f64 / 86_400.0).max(1.0);
            let power = if days < 30.0 { 0.30 } else { 0.13 };
            let factor = libm::pow(30.0 / days, power);
            let [down, _, up] = grid.vol_multipliers_q30(seconds);
            let inside_down = down as f64 * q(-30) - (1.0 - 0.30 * factor).max(0.1);
            let inside_up = 1.0 + 0.50 * factor - up as f64 * q(-30);
            // A factor a billionth too small is the kernel's error, not the rule's.
            assert!(inside_down.max(inside_up) <= 2e-9, "at {seconds} s");
            worst.see(-inside_down.min(inside_up), &[seconds]);
        }
    });
    vec![Measured {
        name: "volatility levels",
        domain: "every second to two years, default shocks; outwards by",
        unit: "absolute, in the multiplier",
        points: count,
        worst,
        reference: 1e-15,
        bound: 1.1e-6,
    }]
}

/// A smile that a surface may have: within the ranges and the conditions against butterflies, a minute to two years.
pub fn random_smile(random: &mut Random, seconds: i64) -> Smile {
    let vol = random.log_uniform(0.005, 12.0);
    let theta = vol * vol * seconds as f64 / YEAR_SECONDS;
    let steep = random.pick(&[-0.95, 0.95]) * (1.0 - 0.1 * random.unit().powi(2));
    let rho = if random.below(3) == 0 {
        steep
    } else {
        random.uniform(-0.95, 0.95)
    };
    let room = 4.0 / theta / (1.0 + rho.abs());
    let share = random.unit();
    let share = if random.below(2) == 0 {
        share
    } else {
        share.powi(3)
    };
    Smile {
        atm_vol_ppb: ((vol * 1e9) as u64).clamp(5_000_000, 12_000_000_000),
        rho_ppb: (rho * 1e9) as i64,
        phi_ppb: (share * 0.999 * room.min(room.sqrt()).min(256.0) * 1e9) as u64,
    }
}

/// Total volatility of a smile at ln(K/F), for the root of a time in years.
pub fn total_vol(smile: &Smile, root: f64, k: f64) -> f64 {
    let (rho, phi) = (smile.rho_ppb as f64 / 1e9, smile.phi_ppb as f64 / 1e9);
    smile.atm_vol_ppb as f64 / 1e9 * root * ssvi_factor(rho, phi, k)
}

/// What the smile adds at k = ln(K/F): its relative error, and how fast volatility over that at the money changes
/// with k.
pub fn smile_error(smile: &Smile, k: f64) -> (f64, f64) {
    if smile.phi_ppb == 0 {
        return (0.0, 0.0);
    }
    let phi = smile.phi_ppb as f64 / 1e9;
    let Shape {
        relative, slope, ..
    } = Shape::new(smile.rho_ppb as f64 / 1e9, phi * k);
    (relative, phi * slope)
}

/// The smile's factor at z = phi k: h = (volatility over that at the money)^2.
struct Shape {
    h: f64,
    /// Bound on the engine's relative error of the root of h: 2^-30 for two factors of 32 bits, and what 2h is off by.
    relative: f64,
    /// |d root(h) / dz|.
    slope: f64,
}

impl Shape {
    fn new(rho: f64, z: f64) -> Self {
        let root = ((z + rho).powi(2) + 1.0 - rho * rho).sqrt();
        let h = (1.0 + rho * z + root) / 2.0;
        // The engine halves z until it is below 1; units of Q32 count as much as that.
        let scale = if z.abs() < 1.0 {
            1.0
        } else {
            2f64.powf(z.abs().log2().floor() + 1.0)
        };
        let bend = (rho + (z + rho) / root).abs();
        // Of 2h, in those units: half a unit of the last place of the root, which has 32 bits; a quarter for each of two
        // shifts to Q34; half a unit of rho, which counts z (1 + 1 / root) times; and two for z, whose phi and product are
        // rounded to the nearest of Q31, where 2h changes with it.
        let mut last_place = 1.0;
        while root / scale < last_place {
            last_place /= 2.0;
        }
        let of_rho = 0.5 * z.abs() / scale * (1.0 + 1.0 / root);
        let units = last_place + 0.5 + of_rho + 2.0 * bend;
        Self {
            h,
            relative: q(-30) + q(-32) * scale * units / (4.0 * h),
            slope: bend / (4.0 * h.sqrt()),
        }
    }
}

/// The largest that the bound of a price can be, of max(F, K): smiles of |rho| up to `largest_rho` wherever in them,
/// any total volatility, a volatility of at most `vol` in a scenario that multiplies it by up to `level`.
pub fn largest_bound(largest_rho: f64, level: f64, vol: f64) -> f64 {
    let mut largest = 0f64;
    for rho in (0..=95)
        .map(|i| f64::from(i) / 100.0)
        .filter(|rho| *rho <= largest_rho)
    {
        for step in -400..=400 {
            // z from -54 to 54, densely around 0.
            let z = f64::from(step) / 50.0 * (1.0 + (f64::from(step) / 160.0).powi(2));
            let shape = Shape::new(rho, z);
            for s in (1..60).map(|i| f64::from(i) / 10.0) {
                let at_the_money = s / level / shape.h.sqrt();
                // No butterflies: theta phi^2 (1 + rho) <= 4 and theta phi (1 + rho) < 4.
                let steepest = (2.0 / (1.0 + rho).sqrt()).min(4.0 / at_the_money / (1.0 + rho));
                // Strikes end at K/F = 32: a z further out needs a larger phi.
                if steepest / at_the_money < z.abs() / 32f64.ln() {
                    continue;
                }
                let of_level = steepest * shape.slope * q(-29) + q(-33) + q(-37) * shape.h.sqrt();
                let error =
                    vol * q(-33) + s * (q(-31) + shape.relative) + level * of_level + q(-31);
                let of_normals = 2.0 * CDF_ERROR_Q40 as f64 * q(-40);
                let bound = of_normals + q(-39) + 1.05 * largest_vega(s) * error;
                largest = largest.max(bound);
            }
        }
    }
    largest
}

/// What an error of the total volatility can do to a price of max(F, K): at most F times the density at d1, which is
/// largest, at this volatility, where F = K and d1 = s / 2.
fn largest_vega(s: f64) -> f64 {
    0.398_942_280_401_432_7 * libm::exp(-s * s / 8.0)
}

/// Random smiles at random strikes: the relative error beyond the rounding of root and result, and what the whole
/// error can do to a price.
pub fn smile(size: Size) -> Vec<Measured> {
    let smiles = size.of(1 << 25, 10);
    let found = parts(|part| {
        let mut random = random_of(4, part);
        let mut worst: [Worst; 4] = Default::default();
        for _ in 0..smiles.div_ceil(PARTS) {
            let seconds = random.log_uniform(60.0, 2.0 * YEAR_SECONDS) as i64;
            let smile = random_smile(&mut random, seconds);
            let root = sqrt_tau_q32(seconds);
            let slice = SmileSlice::new(&smile, root).expect("in range");
            smile.check_no_butterfly(root).expect("no butterfly");
            let true_root = (seconds as f64 / YEAR_SECONDS).sqrt();
            for _ in 0..8 {
                let x_q28 = (random.uniform(-3.5, 3.5) * random.unit() * q(28)) as i64;
                let k = -(x_q28 as f64) * q(-28);
                let at = [
                    smile.atm_vol_ppb as i64,
                    smile.rho_ppb,
                    smile.phi_ppb as i64,
                    seconds,
                    x_q28,
                ];
                let got = slice.total_vol_q32(x_q28) as f64 * q(-32);
                // The smile by itself: of the root of time that it is given, beyond the rounding of what it returns.
                let exact = total_vol(&smile, root as f64 * q(-32), k);
                let factor = exact / (smile.atm_vol_ppb as f64 / 1e9 * root as f64 * q(-32));
                let rounding = q(-33) + q(-37) * factor;
                let relative = ((got - exact).abs() - rounding).max(0.0) / exact;
                let steep = usize::from(smile.rho_ppb.abs() > 700_000_000);
                worst[steep].see(relative, &at);
                let (bound, _) = smile_error(&smile, k);
                worst[3].see(relative / (bound + 1e-15), &at);
                // All of it, where the volatility is one that prices are promised for.
                let exact = total_vol(&smile, true_root, k);
                if exact <= 12.0 * true_root {
                    worst[2].see((got - exact).abs() * largest_vega(exact), &at);
                }
            }
        }
        worst
    });
    let mut worst: [Worst; 4] = Default::default();
    for part in found {
        part.into_iter()
            .zip(&mut worst)
            .for_each(|(part, worst)| worst.merge(part));
    }
    let [mild, steep, price, derived] = worst;
    let row = |name, unit, worst, bound| {
        Measured {
        name,
        domain: "random smiles without butterflies, 0.5% to 1200%, a minute to two years, |ln(F/K)| up to 3.5",
        unit,
        points: smiles * 8,
        worst,
        reference: 1e-15,
        bound,
    }
    };
    let relative = "of the value, beyond the rounding of the result";
    vec![
        row("total volatility, |rho| <= 0.7", relative, mild, q(-28)),
        row("total volatility, |rho| <= 0.95", relative, steep, q(-27)),
        row(
            "total volatility, derived",
            "of the derived error at the point",
            derived,
            1.0,
        ),
        row(
            "total volatility, in the price",
            "of max(F, K)",
            price,
            2e-9,
        ),
    ]
}

/// The smallest total volatility of any accepted smile and grid, at its smallest point `phi k = -2 rho`, is still
/// above the clamp.
pub fn lower_clamp_is_out_of_reach() {
    let smallest_level = 0.1;
    for rho_ppb in [-RHO_MAX_PPB, RHO_MAX_PPB] {
        for phi_ppb in [100_000_000, 1_000_000_000, PHI_MAX_PPB] {
            let smile = Smile {
                atm_vol_ppb: ATM_VOL_MIN_PPB,
                rho_ppb,
                phi_ppb,
            };
            let slice = SmileSlice::new(&smile, sqrt_tau_q32(0)).expect("in range");
            let x = 2.0 * rho_ppb as f64 / phi_ppb as f64;
            let lowest = slice.total_vol_q32((x * q(28)) as i64) as f64 * smallest_level;
            assert!(lowest > TOTAL_VOL_MIN_Q32 as f64, "{smile:?}");
        }
    }
}

/// From the upper clamp on, a call within the clamp of ln(F/K) and the farthest moves of spot is worth its forward to
/// the last unit, whatever the volatility; and no accepted smile reaches it before a scenario multiplies it.
pub fn upper_clamp_loses_nothing() {
    let farthest = MAX_LOG_MONEYNESS_Q28 + (20f64.ln() * q(28)) as i64;
    for x_q28 in [-farthest, 0, farthest] {
        let (d1, d2) = d1_d2_q32(x_q28, TOTAL_VOL_MAX_Q32);
        assert_eq!((cdf_q30(d1), cdf_q30(d2)), (1 << 30, 0));
    }
    // theta + 2 |k| bounds the total variance of a smile without butterflies.
    let (theta, log) = (144.0 * 16.0, MAX_LOG_MONEYNESS_Q28 as f64 * q(-28));
    assert!((theta + 2.0 * log).sqrt() < TOTAL_VOL_MAX_Q32 as f64 * q(-32));
}
