//! The volatility smile of one expiry: an SSVI slice.
//!
//! With k = ln(K/F) and theta the at-the-money total variance, the total variance is
//! `w(k) = theta * h(k)`, `h(k) = (1 + rho*phi*k + sqrt((phi*k + rho)^2 + 1 - rho^2)) / 2`
//! (Gatheral and Jacquier, "Arbitrage-free SVI volatility surfaces", 2014). The kernel needs its
//! root, the total volatility `s = sigma_atm * sqrt(tau) * sqrt(h)`.

use crate::fixed::{isqrt_normalised, leading_zeros, quotient};

/// Lowest at-the-money volatility accepted, parts per billion: 0.5%.
pub const ATM_VOL_MIN_PPB: u64 = 5_000_000;
/// Highest at-the-money volatility accepted, parts per billion: 1200%.
pub const ATM_VOL_MAX_PPB: u64 = 12_000_000_000;
/// Largest |rho| accepted, parts per billion.
pub const RHO_MAX_PPB: i64 = 950_000_000;
/// Largest phi accepted, parts per billion.
pub const PHI_MAX_PPB: u64 = 256_000_000_000;
/// Largest square root of time accepted, Q32: four, that is sixteen years.
pub const SQRT_TAU_MAX_Q32: u64 = 4 << 32;

/// Total volatility is never below this (Q32): 2^-23, less than any accepted smile can reach in a minute.
///
/// No accepted smile reaches it in a scenario: 0.5% for a minute, times √(1 − ρ²) ≥ 0.31, times the smallest
/// multiplier 0.1, is 2^-22.2. At the upper end a call is worth its forward to the last bit.
pub const TOTAL_VOL_MIN_Q32: u64 = 1 << 9;
/// Total volatility is never above this (Q32): 2^6.
pub const TOTAL_VOL_MAX_Q32: u64 = 1 << 38;

/// [`ATM_VOL_MAX_PPB`] in Q32.
const MAX_VOL_Q32: u64 = 12 << 32;
const _: () = assert!(ATM_VOL_MAX_PPB == 12 * 1_000_000_000);

/// ln 32 in Q28, rounded down: strikes from a 32nd to 32 times the forward are priced to the kernel's stated error.
const LN_32_Q28: i64 = 930_326_397;

/// |ln(F/K)| is clamped to this in the smile (Q28): a unit below 16.
pub const MONEYNESS_MAX_Q28: u64 = (1 << 32) - 1;

/// ln(K/F) in Q28 at which total variance may not fall from one expiry to the next:
/// 0, and plus or minus 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1, 1.5, 2.
pub const CALENDAR_POINTS_Q28: [i64; 19] = [
    -536_870_912,
    -402_653_184,
    -268_435_456,
    -201_326_592,
    -134_217_728,
    -93_952_410,
    -53_687_091,
    -26_843_546,
    -13_421_773,
    0,
    13_421_773,
    26_843_546,
    53_687_091,
    93_952_410,
    134_217_728,
    201_326_592,
    268_435_456,
    402_653_184,
    536_870_912,
];

/// Why a smile is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmileError {
    /// The at-the-money volatility is outside [`ATM_VOL_MIN_PPB`]..=[`ATM_VOL_MAX_PPB`].
    AtmVol,
    /// The correlation is beyond plus or minus [`RHO_MAX_PPB`].
    Rho,
    /// The curvature is above [`PHI_MAX_PPB`].
    Phi,
    /// The square root of time is 0 or above [`SQRT_TAU_MAX_Q32`].
    SqrtTau,
    /// theta * phi * (1 + |rho|) is 4 or more: the wings are too steep.
    ButterflyWings,
    /// theta * phi^2 * (1 + |rho|) is above 4: the smile is too curved at the money.
    ButterflyCurvature,
    /// Volatility at 32 times the forward, or a 32nd of it, is above [`ATM_VOL_MAX_PPB`].
    WingVol,
    /// Total variance falls with maturity at this point of [`CALENDAR_POINTS_Q28`] (its index).
    Calendar(u8),
}

/// Parameters of an SSVI slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Smile {
    /// At-the-money volatility per root year, parts per billion.
    pub atm_vol_ppb: u64,
    /// Correlation, parts per billion; negative makes low strikes dearer.
    pub rho_ppb: i64,
    /// Curvature, parts per billion; 0 is a flat smile whatever rho is.
    pub phi_ppb: u64,
}

impl Smile {
    /// The same volatility at every strike.
    pub const fn flat(atm_vol_ppb: u64) -> Self {
        Self {
            atm_vol_ppb,
            rho_ppb: 0,
            phi_ppb: 0,
        }
    }

    /// Checks the range of each parameter; the error names the first one outside it.
    pub const fn validate(&self) -> Result<(), SmileError> {
        if self.atm_vol_ppb < ATM_VOL_MIN_PPB || self.atm_vol_ppb > ATM_VOL_MAX_PPB {
            return Err(SmileError::AtmVol);
        }
        if self.rho_ppb.unsigned_abs() > RHO_MAX_PPB.unsigned_abs() {
            return Err(SmileError::Rho);
        }
        if self.phi_ppb > PHI_MAX_PPB {
            return Err(SmileError::Phi);
        }
        Ok(())
    }

    /// Checks that volatility is at most 1200% at every strike from a 32nd to 32 times the forward: beyond, the kernel does not
    /// price to its stated error (`docs/kernel-accuracy.md`). It does not depend on the time to expiry.
    pub fn check_wings(&self) -> Result<(), SmileError> {
        // At a year total volatility is volatility. Its square is convex in ln(K/F), so the ends decide. The kernel's own error
        // is below a 2^27th of it.
        let slice = SmileSlice::new(self, 1 << 32)?;
        let most_q32 = MAX_VOL_Q32.wrapping_add(MAX_VOL_Q32 >> 26);
        let wings = [LN_32_Q28, LN_32_Q28.wrapping_neg()];
        if wings
            .iter()
            .any(|x_q28| slice.total_vol_q32(*x_q28) > most_q32)
        {
            return Err(SmileError::WingVol);
        }
        Ok(())
    }

    /// The closed-form sufficient conditions for no butterfly arbitrage at this time to expiry:
    /// `theta*phi*(1+|rho|) < 4` and `theta*phi^2*(1+|rho|) <= 4`. Rounded against the smile.
    ///
    /// theta shrinks with time, so a smile that passes keeps passing.
    pub fn check_no_butterfly(&self, sqrt_tau_q32: u64) -> Result<(), SmileError> {
        self.validate()?;
        check_sqrt_tau(sqrt_tau_q32)?;
        let one_plus_rho_ppb = u128::from(self.rho_ppb.unsigned_abs()).wrapping_add(1_000_000_000);
        // vol <= 2^38; vol * phi < 2^76 in Q32 and parts per billion, below 2^56 in Q12.
        let vol_q32 = u128::from(atm_q37(self.atm_vol_ppb, sqrt_tau_q32) >> 5).wrapping_add(1);
        let vol_phi_q12 = (vol_q32.wrapping_mul(u128::from(self.phi_ppb)) >> 20).wrapping_add(1);
        // Below 2^125 against 4 * 2^44 * 10^18.
        let wings = vol_q32
            .wrapping_mul(vol_phi_q12)
            .wrapping_mul(one_plus_rho_ppb);
        if wings >= 1_000_000_000_000_000_000 << 46 {
            return Err(SmileError::ButterflyWings);
        }
        // Up to vol * phi = 4 the square stays below 2^119; the limit is 4 * 2^24 * 10^27.
        let curvature = vol_phi_q12
            .wrapping_mul(vol_phi_q12)
            .wrapping_mul(one_plus_rho_ppb);
        if vol_phi_q12 > 4_000_000_000 << 12
            || curvature > 1_000_000_000_000_000_000_000_000_000 << 26
        {
            return Err(SmileError::ButterflyCurvature);
        }
        Ok(())
    }
}

/// Checks that total variance does not fall from `earlier` to `later` at [`CALENDAR_POINTS_Q28`].
///
/// Between and beyond these points nothing is checked. The prepared slices carry the rounding of
/// the kernel, so a fall below 2^-30 of the value passes.
pub fn check_no_calendar(earlier: &SmileSlice, later: &SmileSlice) -> Result<(), SmileError> {
    for (index, k_q28) in (0_u8..).zip(CALENDAR_POINTS_Q28) {
        let before = earlier.total_vol_q32(k_q28.wrapping_neg());
        let after = later.total_vol_q32(k_q28.wrapping_neg());
        // Both are at most 2^38.
        if after.wrapping_add(after >> 30).wrapping_add(2) < before {
            return Err(SmileError::Calendar(index));
        }
    }
    Ok(())
}

/// A smile at one time to expiry, prepared for many strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmileSlice {
    /// sigma_atm * sqrt(tau), Q32, within the total volatility range.
    atm_q32: u64,
    /// The same as 32 leading bits; `mantissa * root(h)_q31 >> shift` is Q32.
    atm_mantissa: u64,
    atm_shift: u32,
    /// phi as 32 leading bits or 2^32, placed so that `mantissa * k_q28 >> shift` is phi*k in Q31.
    phi_mantissa: u64,
    phi_shift: u32,
    rho_q32: i64,
}

impl SmileSlice {
    /// A volatility of nothing, for memory that is filled later.
    pub(crate) const EMPTY: Self = Self {
        atm_q32: TOTAL_VOL_MIN_Q32,
        atm_mantissa: 0,
        atm_shift: 0,
        phi_mantissa: 0,
        phi_shift: 0,
        rho_q32: 0,
    };

    /// Prepares `smile` at the time to expiry whose root in years is `sqrt_tau_q32`
    /// (see [`crate::fixed::sqrt_tau_q32`]). Errors name the parameter that is out of range.
    pub fn new(smile: &Smile, sqrt_tau_q32: u64) -> Result<Self, SmileError> {
        smile.validate()?;
        check_sqrt_tau(sqrt_tau_q32)?;
        let atm_q37 = atm_q37(smile.atm_vol_ppb, sqrt_tau_q32);
        // 2^14..=2^43, so 20..=49.
        let zeros = leading_zeros(atm_q37);
        // phi * 2^(phi_zeros + 9) between 2^42 and 2^43.1, then its 32 leading bits.
        let phi_zeros = leading_zeros(smile.phi_ppb.max(1));
        let phi_scaled = quotient(smile.phi_ppb << phi_zeros, FIVE_TO_THE_NINTH);
        let spill = (phi_scaled >> 43) as u32;
        // To the nearest, as the mantissa of phi, which may so take 33 bits.
        let rho_q33 = quotient(smile.rho_ppb.unsigned_abs() << 33, 1_000_000_000);
        let rho_q32 = (rho_q33.wrapping_add(1) >> 1) as i64;
        let phi_mantissa = (phi_scaled >> 10_u32.wrapping_add(spill)).wrapping_add(1) >> 1;
        Ok(Self {
            atm_q32: atm_q37.wrapping_add(16) >> 5,
            atm_mantissa: (atm_q37 << zeros) >> 32,
            atm_shift: zeros.wrapping_add(4),
            phi_mantissa,
            // phi_zeros is 26..=63, so this is 20..=58.
            phi_shift: phi_zeros.wrapping_sub(5).wrapping_sub(spill),
            rho_q32: if smile.rho_ppb < 0 {
                rho_q32.wrapping_neg()
            } else {
                rho_q32
            },
        })
    }

    /// At-the-money total volatility in Q32, within the total volatility range.
    pub const fn atm_total_vol_q32(&self) -> u64 {
        self.atm_q32
    }

    /// Total volatility `s = sigma(k) * sqrt(tau)` in Q32 at x = ln(F/K) = -k in Q28, clamped to
    /// [`TOTAL_VOL_MIN_Q32`]..=[`TOTAL_VOL_MAX_Q32`]; |x| is clamped to [`MONEYNESS_MAX_Q28`].
    ///
    /// The error is below 2^-28 of the value for |rho| up to 0.7 and 2^-27 up to 0.95, plus half a
    /// unit, plus 2^-37 of `sqrt(h)`.
    pub fn total_vol_q32(&self, x_q28: i64) -> u64 {
        if self.phi_mantissa == 0 {
            return self.atm_q32;
        }
        self.vol_at(&self.wing(x_q28), self.rho_q32)
    }

    /// Total volatility at x, and what it is with ρ higher and lower by `shift_q32`, within ±[`RHO_MAX_PPB`].
    ///
    /// Errors and clamps are those of [`SmileSlice::total_vol_q32`].
    pub fn skewed_vols_q32(&self, x_q28: i64, shift_q32: i64) -> (u64, [u64; 2]) {
        if self.phi_mantissa == 0 {
            return (self.atm_q32, [self.atm_q32; 2]);
        }
        let wing = self.wing(x_q28);
        let shifted = [
            self.rho_q32.saturating_add(shift_q32).min(RHO_MAX_Q32),
            self.rho_q32.saturating_sub(shift_q32).max(-RHO_MAX_Q32),
        ];
        (
            self.vol_at(&wing, self.rho_q32),
            shifted.map(|rho_q32| self.vol_at(&wing, rho_q32)),
        )
    }

    /// phi*k in floating point.
    #[inline(always)]
    fn wing(&self, x_q28: i64) -> Wing {
        // |phi*k| = size * 2^halvings with size <= 1 in Q31; the product is below 2^64, so Q31 below 2^44.
        let product = self
            .phi_mantissa
            .wrapping_mul(x_q28.unsigned_abs().min(MONEYNESS_MAX_Q28));
        let mut size_q31 = product >> self.phi_shift;
        let mut halvings = 0_u32;
        while size_q31 >= 1 << 31 {
            size_q31 >>= 1;
            halvings = halvings.wrapping_add(1);
        }
        // Once more, to the nearest: the shift is 20 and more.
        let last = self.phi_shift.wrapping_add(halvings).wrapping_sub(1);
        let size_q31 = (product >> last).wrapping_add(1) >> 1;
        let z_q31 = if x_q28 > 0 {
            (size_q31 as i64).wrapping_neg()
        } else {
            size_q31 as i64
        };
        Wing {
            size_q31,
            z_q31,
            halvings,
        }
    }

    /// Total volatility with this rho, |rho| <= 0.95.
    fn vol_at(&self, wing: &Wing, rho_q32: i64) -> u64 {
        let Wing {
            size_q31,
            z_q31,
            halvings,
        } = *wing;
        // rho*z in Q63 is 2*rho*z in Q62; |rho| <= 0.95 and |z| <= 1.
        let twice_rho_z_q62 = rho_q32.wrapping_mul(z_q31);
        // z^2 + 2*rho*z + 1, all over 4^halvings: positive and at most 3.9, so below 2^64.
        let radicand_q62 = size_q31
            .wrapping_mul(size_q31)
            .wrapping_add((twice_rho_z_q62 >> halvings) as u64)
            .wrapping_add((1 << 62) >> halvings >> halvings);
        let (root, lifted) = root_of_fraction(radicand_q62);
        // The middle of the unit the floor left open, in Q34: where h is small it is what two large numbers leave.
        let root_q34 = root.wrapping_shl(3).wrapping_add(4) >> lifted;
        // 2*h over 2^halvings in Q34, below 2^36; the floor only guards rounding.
        let twice_h_q34 = root_q34
            .wrapping_add((twice_rho_z_q62 >> 29) as u64)
            .wrapping_add((1 << 34) >> halvings)
            .clamp(1, (1 << 36) - 1);
        // sqrt(h) = root_h * 2^(halvings/2 - lifted - 31); an odd halving doubles what is rooted.
        let odd = halvings & 1;
        let (root_h, lifted) = root_of_fraction(twice_h_q34 << 27 << odd);
        // Both factors are 32 bits. The shift is at least 24 - 6 and at most 53 + 5.
        let shift = self
            .atm_shift
            .wrapping_add(lifted)
            .wrapping_sub(halvings >> 1)
            .min(63);
        let total =
            (self.atm_mantissa.wrapping_mul(root_h) >> shift.wrapping_sub(1)).wrapping_add(1) >> 1;
        total.clamp(TOTAL_VOL_MIN_Q32, TOTAL_VOL_MAX_Q32)
    }
}

/// phi*k = z * 2^halvings, |z| < 1.
struct Wing {
    size_q31: u64,
    z_q31: i64,
    halvings: u32,
}

/// [`RHO_MAX_PPB`] in Q32, rounded down.
const RHO_MAX_Q32: i64 = 4_080_218_931;

/// 5^9: 10^9 is this times 2^9.
const FIVE_TO_THE_NINTH: u64 = 1_953_125;

/// Volatility (parts per billion) times root time (Q32), in Q37, within the total volatility range.
fn atm_q37(vol_ppb: u64, sqrt_tau_q32: u64) -> u64 {
    // Below 2^34 * 2^34.1 by validation, so 64 bits after the shift.
    let product = (u128::from(vol_ppb).wrapping_mul(u128::from(sqrt_tau_q32)) >> 4) as u64;
    quotient(product, FIVE_TO_THE_NINTH).clamp(TOTAL_VOL_MIN_Q32 << 5, TOTAL_VOL_MAX_Q32 << 5)
}

/// Floor of the square root of `v * 4^lifted`, with `lifted` chosen to give 32 bits; `v >= 1`.
#[inline(always)]
fn root_of_fraction(v: u64) -> (u64, u32) {
    let mut v = v.max(1);
    let mut lifted = 0_u32;
    while v < 1 << 62 {
        v <<= 2;
        lifted = lifted.wrapping_add(1);
    }
    (isqrt_normalised(v), lifted)
}

const fn check_sqrt_tau(sqrt_tau_q32: u64) -> Result<(), SmileError> {
    if sqrt_tau_q32 == 0 || sqrt_tau_q32 > SQRT_TAU_MAX_Q32 {
        return Err(SmileError::SqrtTau);
    }
    Ok(())
}
