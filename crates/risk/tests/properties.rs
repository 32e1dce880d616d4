//! Properties of the kernel that hold for every input, and exhaustive sweeps.
//!
//! The sweeps stride by default; `ESTUARY_EXHAUSTIVE=1` makes them complete (minutes in release).

#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test may panic"
)]

use estuary_risk::black76::{call, d1_d2_q32, put, Terms};
use estuary_risk::fixed::{
    exp_q30, isqrt, ln_q40, mul_div_down, mul_div_up, pow_q30, sqrt_tau_q32, EXP_MAX_Q40,
    EXP_MIN_Q40, LN_2_Q40,
};
use estuary_risk::normal::{cdf_q30, pdf_q30};
use estuary_risk::smile::{
    check_no_calendar, Smile, SmileError, SmileSlice, TOTAL_VOL_MAX_Q32, TOTAL_VOL_MIN_Q32,
};
use proptest::prelude::*;

const ONE_Q30: i64 = 1 << 30;

/// The whole range in steps of 1 when `ESTUARY_EXHAUSTIVE` is set, else in steps of `stride`.
fn step(stride: usize) -> usize {
    if std::env::var_os("ESTUARY_EXHAUSTIVE").is_some() {
        1
    } else {
        stride
    }
}

/// Any u64, with its size uniform over the bits rather than nearly always 64.
fn any_size() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64u32).prop_map(|(v, shift)| v >> shift)
}

/// N over all of its 2^36 arguments takes minutes, so the exhaustive sweep takes every sixteenth of
/// them: 2^32 of them, four times finer than the output resolves.
#[test]
fn normal_never_falls_by_more_than_a_unit_and_stays_within_bounds() {
    let mut highest = 0;
    let (mut falls, mut asymmetry) = (0u64, 0);
    for d in ((-8i64 << 32)..=(8 << 32)).step_by(16 * step(4099)) {
        let n = cdf_q30(d);
        assert!((0..=ONE_Q30).contains(&n), "N({d}) = {n}");
        assert!(n >= highest - 1, "N falls from {highest} to {n} at {d}");
        falls += u64::from(n < highest);
        highest = highest.max(n);
        asymmetry = asymmetry.max((n + cdf_q30(-d) - ONE_Q30).abs());
    }
    println!("falls by one unit: {falls}; largest |N(d) + N(-d) - 1|: {asymmetry} units");
    assert!(asymmetry <= 2);
    assert_eq!((cdf_q30(i64::MIN), cdf_q30(i64::MAX)), (0, ONE_Q30));
    assert_eq!((pdf_q30(i64::MIN), pdf_q30(i64::MAX)), (0, 0));
}

#[test]
fn logarithm_of_powers_of_two_and_its_edges() {
    assert_eq!((ln_q40(0), ln_q40(1)), (0, 0));
    for bits in 0..64 {
        let error = ln_q40(1 << bits) - i64::from(bits) * LN_2_Q40;
        assert!(error.abs() <= 32, "ln 2^{bits} is off by {error}");
    }
}

#[test]
fn exponential_saturates_at_its_edges() {
    assert_eq!(exp_q30(0), 1 << 30);
    assert_eq!(exp_q30(EXP_MIN_Q40 - 1), 0);
    assert_eq!(exp_q30(i64::MIN), 0);
    assert_eq!(exp_q30(i64::MAX), exp_q30(EXP_MAX_Q40));
    assert_eq!((pow_q30(0, 0), pow_q30(0, 1)), (1 << 30, 0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mul_div_rounds_as_named(a in any_size(), b in any_size(), d in any_size()) {
        let product = u128::from(a) * u128::from(b);
        if d == 0 {
            prop_assert_eq!((mul_div_down(a, b, d), mul_div_up(a, b, d)), (None, None));
        } else {
            let d_wide = u128::from(d);
            prop_assert_eq!(mul_div_down(a, b, d), u64::try_from(product / d_wide).ok());
            prop_assert_eq!(mul_div_up(a, b, d), u64::try_from(product.div_ceil(d_wide)).ok());
        }
    }

    #[test]
    fn square_root_is_the_floor(v in any_size()) {
        let root = u128::from(isqrt(v));
        prop_assert!(root * root <= u128::from(v) && u128::from(v) < (root + 1) * (root + 1));
    }

    #[test]
    fn logarithm_rises_and_is_additive(a in 1u64..1 << 32, b in 1u64..1 << 32) {
        prop_assert!((ln_q40(a) + ln_q40(b) - ln_q40(a * b)).abs() <= 3);
        prop_assert!(ln_q40(a) <= ln_q40(a + 1) + 1);
    }

    #[test]
    fn exponential_inverts_the_logarithm(v in (1u64 << 20)..(1 << 50)) {
        let back = exp_q30(ln_q40(v) - 30 * LN_2_Q40) as f64;
        let error = (back - v as f64).abs() / (v as f64).max((1u64 << 30) as f64);
        prop_assert!(error < 1.5e-9, "{} became {}", v, back);
    }

    #[test]
    fn power_agrees_with_floating_point(base in (1u64 << 16)..(1 << 40), ppm in 0u32..2_000_000) {
        let expected = (base as f64 / ONE_Q30 as f64).powf(f64::from(ppm) / 1e6);
        let got = pow_q30(base, ppm) as f64 / ONE_Q30 as f64;
        prop_assert!((got - expected).abs() <= 2e-9 * expected.max(1.0), "{} for {}", got, expected);
    }

    #[test]
    fn root_of_time_rises(seconds in any::<i64>()) {
        prop_assert!(sqrt_tau_q32(seconds) <= sqrt_tau_q32(seconds.saturating_add(1)));
        prop_assert!(sqrt_tau_q32(seconds) >= sqrt_tau_q32(60));
        prop_assert!(sqrt_tau_q32(seconds) <= sqrt_tau_q32(315_360_000));
    }

    #[test]
    fn smile_is_total_and_within_its_range(
        vol in 5_000_000u64..=12_000_000_000,
        rho in -950_000_000i64..=950_000_000,
        phi in 0u64..=256_000_000_000,
        seconds in any::<i64>(),
        x in any::<i64>(),
        near in -(8i64 << 28)..(8 << 28),
    ) {
        let smile = Smile { atm_vol_ppb: vol, rho_ppb: rho, phi_ppb: phi };
        let root = sqrt_tau_q32(seconds);
        let slice = SmileSlice::new(&smile, root).unwrap();
        let flat = SmileSlice::new(&Smile::flat(vol), root).unwrap();
        for x in [x, near] {
            let s = slice.total_vol_q32(x);
            prop_assert!((TOTAL_VOL_MIN_Q32..=TOTAL_VOL_MAX_Q32).contains(&s));
            prop_assert_eq!(flat.total_vol_q32(x), slice.atm_total_vol_q32());
        }
        // At the money the smile is its at-the-money volatility, to the 32 bits it keeps.
        let atm = slice.atm_total_vol_q32();
        prop_assert!(slice.total_vol_q32(0).abs_diff(atm) <= 1 + (atm >> 29));
    }

    #[test]
    fn an_accepted_smile_gives_convex_prices(
        vol in 100_000_000u64..=3_000_000_000,
        rho in -950_000_000i64..=950_000_000,
        share in 0.0f64..0.999,
        seconds in 3600i64..=63_072_000,
        k in -1.0f64..1.0,
    ) {
        // A share of the largest phi that the two conditions allow.
        let theta = (vol as f64 / 1e9).powi(2) * seconds as f64 / 31_536_000.0;
        let room = 4.0 / theta / (1.0 + rho.abs() as f64 / 1e9);
        let phi = share * room.min(room.sqrt()).min(256.0);
        let smile = Smile { atm_vol_ppb: vol, rho_ppb: rho, phi_ppb: (phi * 1e9) as u64 };
        let root = sqrt_tau_q32(seconds);
        prop_assert_eq!(smile.check_no_butterfly(root), Ok(()));
        let slice = SmileSlice::new(&smile, root).unwrap();
        let price = |strike: f64| {
            let x_q28 = (-strike.ln() * f64::from(1 << 28)).round() as i64;
            let terms = Terms {
                forward_ratio_q30: ONE_Q30,
                strike_ratio_q30: (strike * ONE_Q30 as f64).round() as i64,
                x_q28,
                s_q32: slice.total_vol_q32(x_q28),
                sqrt_tau_q32: root,
            };
            call(&terms).price_q30
        };
        let strike = k.exp();
        // The errors of three prices (2e-9 each, the middle one twice) are 9 units.
        prop_assert!(price(strike * 0.99) + price(strike * 1.01) >= 2 * price(strike) - 10);
        prop_assert!(price(strike * 0.99) >= price(strike * 1.01) - 5);
    }

    #[test]
    fn a_smile_that_only_ages_has_no_calendar_arbitrage(
        vol in 5_000_000u64..=12_000_000_000,
        rho in -950_000_000i64..=950_000_000,
        phi in 0u64..=256_000_000_000,
        seconds in 60i64..=63_072_000,
        more in 0i64..=63_072_000,
    ) {
        let smile = Smile { atm_vol_ppb: vol, rho_ppb: rho, phi_ppb: phi };
        let slice = |seconds| SmileSlice::new(&smile, sqrt_tau_q32(seconds)).unwrap();
        prop_assert_eq!(check_no_calendar(&slice(seconds), &slice(seconds + more)), Ok(()));
    }

    #[test]
    fn prices_stay_within_their_bounds_and_parity_is_exact(
        forward in 1i64..=1 << 40,
        strike in 1i64..=1 << 40,
        x in any::<i64>(),
        s in any::<u64>(),
        root in any::<u64>(),
    ) {
        let terms = Terms {
            forward_ratio_q30: forward,
            strike_ratio_q30: strike,
            x_q28: x,
            s_q32: s,
            sqrt_tau_q32: root,
        };
        let (call, put) = (call(&terms), put(&terms));
        prop_assert!(call.price_q30 >= (forward - strike).max(0) && call.price_q30 <= forward);
        prop_assert_eq!(call.price_q30 - put.price_q30, forward - strike);
        prop_assert_eq!(call.delta_q30 - put.delta_q30, forward);
        prop_assert!(call.delta_q30 >= 0 && call.delta_q30 <= forward);
        prop_assert!(call.gamma_q30 >= 0 && call.vega_q40 >= 0 && call.theta_q40 <= 0);
        let (d1, d2) = d1_d2_q32(x, s);
        prop_assert_eq!((d1 - d2) as u64, s.clamp(TOTAL_VOL_MIN_Q32, TOTAL_VOL_MAX_Q32));
    }
}

#[test]
fn every_wrong_smile_parameter_is_named() {
    let good = Smile {
        atm_vol_ppb: 600_000_000,
        rho_ppb: -300_000_000,
        phi_ppb: 2_000_000_000,
    };
    assert_eq!(good.validate(), Ok(()));
    let year = sqrt_tau_q32(31_536_000);
    assert_eq!(good.check_no_butterfly(year), Ok(()));
    for atm_vol_ppb in [0, 4_999_999, 12_000_000_001, u64::MAX] {
        assert_eq!(
            Smile {
                atm_vol_ppb,
                ..good
            }
            .validate(),
            Err(SmileError::AtmVol)
        );
    }
    for rho_ppb in [-950_000_001, 950_000_001, i64::MIN, i64::MAX] {
        assert_eq!(Smile { rho_ppb, ..good }.validate(), Err(SmileError::Rho));
    }
    for phi_ppb in [256_000_000_001, u64::MAX] {
        assert_eq!(Smile { phi_ppb, ..good }.validate(), Err(SmileError::Phi));
    }
    for root in [0, (4 << 32) + 1, u64::MAX] {
        assert_eq!(SmileSlice::new(&good, root), Err(SmileError::SqrtTau));
        assert_eq!(good.check_no_butterfly(root), Err(SmileError::SqrtTau));
    }
}

#[test]
fn butterfly_conditions_sit_where_the_formulas_put_them() {
    // One year at 100%: theta = 1. With rho = 0 both limits are phi = 4 and phi = 2.
    let year = 1 << 32;
    let check = |atm_vol_ppb, rho_ppb, phi_ppb| {
        Smile {
            atm_vol_ppb,
            rho_ppb,
            phi_ppb,
        }
        .check_no_butterfly(year)
    };
    assert_eq!(check(1_000_000_000, 0, 1_999_999_990), Ok(()));
    assert_eq!(
        check(1_000_000_000, 0, 2_000_000_010),
        Err(SmileError::ButterflyCurvature)
    );
    // At 400% theta is 16: the wings bind first, at phi = 1/4.
    assert_eq!(check(4_000_000_000, 0, 249_999_990), Ok(()));
    assert_eq!(
        check(4_000_000_000, 0, 250_000_010),
        Err(SmileError::ButterflyWings)
    );
    // rho counts as 1 + |rho|: 1/4 becomes 1/6.
    assert_eq!(check(4_000_000_000, -500_000_000, 166_666_660), Ok(()));
    assert_eq!(
        check(4_000_000_000, 500_000_000, 166_666_680),
        Err(SmileError::ButterflyWings)
    );
    assert_eq!(
        check(12_000_000_000, 950_000_000, 256_000_000_000),
        Err(SmileError::ButterflyWings)
    );
}

#[test]
fn falling_total_variance_is_found() {
    let slice = |vol, rho_ppb, phi_ppb, days: i64| {
        let smile = Smile {
            atm_vol_ppb: vol,
            rho_ppb,
            phi_ppb,
        };
        SmileSlice::new(&smile, sqrt_tau_q32(days * 86_400)).unwrap()
    };
    let near = slice(800_000_000, 0, 0, 30);
    assert_eq!(
        check_no_calendar(&near, &slice(400_000_001, 0, 0, 120)),
        Ok(())
    );
    assert_eq!(
        check_no_calendar(&near, &slice(399_000_000, 0, 0, 120)),
        Err(SmileError::Calendar(0))
    );
    // The same at the money, but the later slice is skewed: it falls below where strikes are high.
    let skewed = slice(400_000_001, -700_000_000, 2_000_000_000, 120);
    assert!(matches!(check_no_calendar(&near, &skewed), Err(SmileError::Calendar(i)) if i > 9));
}
