//! An independent model in floating point: the normal distribution by series and continued
//! fraction, SSVI, Black-76. It shares no formula with the kernel beyond the mathematics.
#![allow(dead_code, reason = "each test uses a part")]

pub mod accounts;
pub mod books;

pub const YEAR_SECONDS: f64 = 31_536_000.0;

/// Standard normal distribution, good to about 1e-15.
pub fn normal_cdf(x: f64) -> f64 {
    let size = x.abs();
    let density = (-0.5 * size * size).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let upper_tail = if size < 3.0 {
        // x + x^3/3 + x^5/15 + ...
        let (mut term, mut sum, mut n) = (size, size, 1.0);
        while term > sum * 1e-17 {
            n += 2.0;
            term *= size * size / n;
            sum += term;
        }
        0.5 - density * sum
    } else {
        // 1/(x + 1/(x + 2/(x + 3/(x + ...)))), from deep inside outwards.
        let depth = (60..=80).rev().chain((1..60).rev());
        density / depth.fold(size, |fraction, n| size + f64::from(n) / fraction)
    };
    if x < 0.0 {
        upper_tail
    } else {
        1.0 - upper_tail
    }
}

/// Black-76 call with total volatility `s`.
pub fn call(forward: f64, strike: f64, s: f64) -> f64 {
    let d1 = (forward / strike).ln() / s + s / 2.0;
    forward * normal_cdf(d1) - strike * normal_cdf(d1 - s)
}

/// The smaller of call and put, which keeps its digits; the other side is linear. Brute force spends its time here:
/// the normal distribution is that of `libm`, and `certified.rs` checks it against [`call`].
pub fn out_of_the_money(forward: f64, strike: f64, s: f64) -> f64 {
    let below = |x: f64| 0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2);
    let d1 = (forward / strike).ln() / s + s / 2.0;
    if strike >= forward {
        forward * below(d1) - strike * below(d1 - s)
    } else {
        strike * below(s - d1) - forward * below(-d1)
    }
}

/// SSVI volatility over volatility at the money, at k = ln(K/F).
pub fn ssvi_factor(rho: f64, phi: f64, k: f64) -> f64 {
    let wing = phi * k + rho;
    ((1.0 + rho * phi * k + (wing * wing + 1.0 - rho * rho).sqrt()) / 2.0).sqrt()
}

/// A small repeatable generator (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    pub fn log_uniform(&mut self, low: f64, high: f64) -> f64 {
        self.uniform(low.ln(), high.ln()).exp()
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.bits() % n
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// Whether the long versions of the sweeps are asked for.
pub fn exhaustive() -> bool {
    std::env::var_os("ESTUARY_EXHAUSTIVE").is_some()
}

/// The value below which a share of `sorted` lies.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}
