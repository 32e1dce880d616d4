//! What it costs to unwind a book (`margin-model.md`, section 5, `LC`): a half spread on its net delta and on the net vega
//! of each expiry, and an impact that grows with the square of what is unwound, of all that the owner holds.

use crate::fixed::leading_zeros;
use crate::scenario::ParameterError;
use crate::units::{LotValue, ONE_PPM};

/// The half spread on delta is at most this (10%).
pub const MAX_UNWIND_DELTA_PPM: u32 = 100_000;
/// The half spread on vega is at most this (50% of the gain from the volatility-up shock).
pub const MAX_UNWIND_VEGA_PPM: u32 = 500_000;
/// An impact is at most this (100% per million).
pub const MAX_UNWIND_IMPACT_PPM: u32 = 1_000_000;

/// One as a rate in Q32: nothing costs more to unwind than it is worth.
const WHOLE_Q32: u64 = 1 << 32;
/// 2^80 / (2 × 10^18), rounded up: half an impact of one part per million per million, per micro-unit, in Q80.
const HALF_IMPACT_Q80: u64 = 604_463;

/// Rates of the liquidity cost. Zero switches a term off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiquidityParameters {
    /// h: cost of unwinding delta, parts per million of it.
    pub unwind_delta_ppm: u32,
    /// b: what that rate's margin grows by with every million of the settlement token unwound, parts per million.
    pub unwind_delta_impact_ppm: u32,
    /// h_v: cost of unwinding an expiry's vega, parts per million of its gain or loss from the volatility-up shock.
    pub unwind_vega_ppm: u32,
    /// b_v: what that rate's margin grows by with every million of that gain or loss, parts per million.
    pub unwind_vega_impact_ppm: u32,
}

impl LiquidityParameters {
    /// Delta 0.05%, and 0.5% more for ten million; vega 2% of the volatility-up shock, and 5% more for five million of it.
    pub const DEFAULT: Self = Self {
        unwind_delta_ppm: 500,
        unwind_delta_impact_ppm: 1_000,
        unwind_vega_ppm: 20_000,
        unwind_vega_impact_ppm: 20_000,
    };
    /// No cost.
    pub const OFF: Self = Self {
        unwind_delta_ppm: 0,
        unwind_delta_impact_ppm: 0,
        unwind_vega_ppm: 0,
        unwind_vega_impact_ppm: 0,
    };

    /// Checks the range of each rate; the error names the first one outside it.
    pub const fn validate(&self) -> Result<(), ParameterError> {
        if self.unwind_delta_ppm > MAX_UNWIND_DELTA_PPM {
            return Err(ParameterError::UnwindDelta);
        }
        if self.unwind_delta_impact_ppm > MAX_UNWIND_IMPACT_PPM {
            return Err(ParameterError::UnwindDeltaImpact);
        }
        if self.unwind_vega_ppm > MAX_UNWIND_VEGA_PPM {
            return Err(ParameterError::UnwindVega);
        }
        if self.unwind_vega_impact_ppm > MAX_UNWIND_IMPACT_PPM {
            return Err(ParameterError::UnwindVegaImpact);
        }
        Ok(())
    }
}

/// What a term costs, prepared for a lot's value: sizes are lots of the underlying at spot, Q28.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnwindRate {
    spread_q32: u64,
    /// Half the impact for a lot is at most `mantissa / 2^shift` with a size in Q28, Q32.
    mantissa: u64,
    shift: i32,
}

impl UnwindRate {
    /// From a spread and an impact for every million, parts per million. Rounded up.
    pub fn new(spread_ppm: u32, impact_ppm: u32, lot_value: &LotValue) -> Self {
        // Below 2^20 × 2^20.
        let half_q80 = u64::from(impact_ppm).wrapping_mul(HALF_IMPACT_Q80);
        let (half, half_shift) = shortened_up(half_q80, 31);
        let (lot, lot_shift) = lot_value.shortened_up();
        // At most 2^31 × 2^32.
        let (mantissa, shift) = shortened_up(half.wrapping_mul(lot), 32);
        let dropped = half_shift.saturating_add(shift);
        // From Q28 and Q80 to Q32.
        let shift = lot_shift
            .saturating_add(76)
            .saturating_sub_unsigned(dropped);
        Self {
            spread_q32: (u64::from(spread_ppm) << 32).div_ceil(u64::from(ONE_PPM)),
            mantissa,
            shift,
        }
    }

    /// The cost of unwinding a size, times the crowding in its impact; rounded up, at most the size.
    pub fn cost_q28(&self, size_q28: u64, crowding_q16: u64) -> u64 {
        let impact_q32 = crowded(self.impact_q32(size_q28), crowding_q16);
        let rate_q32 = self.spread_q32.saturating_add(impact_q32).min(WHOLE_Q32);
        let (high, low) = (size_q28 >> 32, size_q28 & (WHOLE_Q32 - 1));
        // Below 2^32 times at most 2^32, and likewise.
        let part = low.wrapping_mul(rate_q32).div_ceil(WHOLE_Q32);
        high.wrapping_mul(rate_q32).wrapping_add(part)
    }

    /// The mean rate that the impact adds on a size, Q32, rounded up, at most one.
    fn impact_q32(&self, size_q28: u64) -> u64 {
        let (size, dropped) = shortened_up(size_q28, 31);
        // At most 2^31 × 2^32.
        let product = size.wrapping_mul(self.mantissa);
        let shift = self.shift.saturating_sub_unsigned(dropped);
        if product == 0 {
            return 0;
        }
        match u32::try_from(shift) {
            Ok(shift @ 0..=62) => (product.wrapping_sub(1) >> shift)
                .wrapping_add(1)
                .min(WHOLE_Q32),
            Ok(_) => 1,
            Err(_) => product
                .saturating_mul(1 << shift.unsigned_abs().min(32))
                .min(WHOLE_Q32),
        }
    }
}

/// A number shortened to so many bits, and how many were dropped; rounded up.
fn shortened_up(number: u64, bits: u32) -> (u64, u32) {
    let used = 64u32.saturating_sub(leading_zeros(number));
    let drop = used.saturating_sub(bits);
    ((number >> drop).saturating_add(u64::from(drop > 0)), drop)
}

/// Times the crowding, rounded up; `impact_q32` is at most one. Saturates.
fn crowded(impact_q32: u64, crowding_q16: u64) -> u64 {
    if crowding_q16 < WHOLE_Q32 {
        return impact_q32.wrapping_mul(crowding_q16).div_ceil(1 << 16);
    }
    let product = u128::from(impact_q32).saturating_mul(u128::from(crowding_q16));
    u64::try_from(product.div_ceil(1 << 16)).unwrap_or(u64::MAX)
}

/// `(lots + others) / lots` in Q16, rounded up, at least 1; `lots` are below 2^32. Saturates.
pub fn crowding_q16(lots: u64, others: u64) -> u64 {
    let whole = others.checked_div(lots).unwrap_or(0);
    let rest = others.checked_rem(lots).unwrap_or(0);
    // The rest is below 2^32.
    let part = (rest << 16).div_ceil(lots.max(1));
    whole
        .saturating_add(1)
        .saturating_mul(1 << 16)
        .saturating_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Price, ONE_Q28};

    /// A lot of a thousandth at 100,000: a hundred a lot.
    fn lot() -> LotValue {
        LotValue::new(Price(100_000), 0, 1_000_000).unwrap()
    }

    /// The cost of so many dollars of delta, and of vega, beside others' lots.
    fn costs(dollars: f64, crowding: f64) -> [f64; 2] {
        let rates = LiquidityParameters::DEFAULT;
        let size = (dollars / 100.0 * ONE_Q28 as f64) as u64;
        [
            (rates.unwind_delta_ppm, rates.unwind_delta_impact_ppm),
            (rates.unwind_vega_ppm, rates.unwind_vega_impact_ppm),
        ]
        .map(|(spread, impact)| {
            let rate = UnwindRate::new(spread, impact, &lot());
            let cost = rate.cost_q28(size, (crowding * 65_536.0) as u64);
            cost as f64 / ONE_Q28 as f64 * 100.0
        })
    }

    #[track_caller]
    fn close(got: f64, expected: f64) {
        assert!((got / expected - 1.0).abs() < 1e-6, "{got} {expected}");
    }

    #[test]
    fn ten_million_of_delta_cost_half_a_percent_more() {
        close(costs(1_000.0, 1.0)[0], 0.5005);
        close(costs(1e7, 1.0)[0], 55_000.0);
        // Five million of vega: 2% and 5% more.
        close(costs(5e6, 1.0)[1], 350_000.0);
    }

    #[test]
    fn what_the_owner_holds_elsewhere_raises_the_impact() {
        close(costs(5e6, 2.0)[0] * 2.0, costs(1e7, 1.0)[0]);
        assert_eq!(crowding_q16(5, 0), 1 << 16);
        assert_eq!(crowding_q16(50_000, 50_000), 2 << 16);
        assert_eq!(crowding_q16(3, 1), (1 << 16) + 21_846);
        assert_eq!(crowding_q16(1, u64::MAX), u64::MAX);
    }

    #[test]
    fn whatever_a_lot_is_worth_the_rate_is_that_of_the_money() {
        for (price, exponent, lot_size) in [
            (200_000, -10, 1),
            (12_342_670_000_000, -8, 1_000_000),
            (1 << 50, 0, 1_000_000_000),
        ] {
            let lot = LotValue::new(Price(price), exponent, lot_size).unwrap();
            let worth = price as f64 * 10f64.powi(exponent.into()) * lot_size as f64 * 1e-9;
            for impact in [1, 999, MAX_UNWIND_IMPACT_PPM] {
                let rate = UnwindRate::new(0, impact, &lot);
                for lots in [1u64, 1_000, (1 << 32) - 1] {
                    let money = worth * lots as f64;
                    let half = f64::from(impact) * 1e-6 * money / 2e6;
                    let expected = (half * WHOLE_Q32 as f64).min(WHOLE_Q32 as f64);
                    let got = rate.impact_q32(lots << 28) as f64;
                    let room = 1.0 + expected * 1e-6;
                    assert!(
                        (expected - 1e-3..=expected + room).contains(&got),
                        "{got} {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn nothing_costs_more_than_it_is_worth_and_nothing_overflows() {
        let lots = LotValue::new(Price(1 << 50), 0, 1_000_000_000).unwrap();
        for lot in [lot(), lots] {
            let (spread, impact) = (MAX_UNWIND_VEGA_PPM, MAX_UNWIND_IMPACT_PPM);
            let rate = UnwindRate::new(spread, impact, &lot);
            for size in [0, 1, 1 << 32, i64::MAX.unsigned_abs()] {
                for crowding in [1 << 16, WHOLE_Q32 - 1, WHOLE_Q32, u64::MAX] {
                    let cost = rate.cost_q28(size, crowding);
                    assert!(cost <= size && cost >= size / 2);
                }
            }
            let most = i64::MAX.unsigned_abs();
            assert_eq!(rate.cost_q28(most, u64::MAX), most);
            let off = UnwindRate::new(0, 0, &lot);
            assert_eq!(off.cost_q28(most, u64::MAX), 0);
        }
    }

    #[test]
    fn each_rate_has_its_limit_and_its_name() {
        let most = LiquidityParameters {
            unwind_delta_ppm: MAX_UNWIND_DELTA_PPM,
            unwind_delta_impact_ppm: MAX_UNWIND_IMPACT_PPM,
            unwind_vega_ppm: MAX_UNWIND_VEGA_PPM,
            unwind_vega_impact_ppm: MAX_UNWIND_IMPACT_PPM,
        };
        assert_eq!(most.validate(), Ok(()));
        let refused = |change: fn(&mut LiquidityParameters)| {
            let mut parameters = most;
            change(&mut parameters);
            parameters.validate().unwrap_err()
        };
        use ParameterError as E;
        assert_eq!(refused(|p| p.unwind_delta_ppm += 1), E::UnwindDelta);
        assert_eq!(
            refused(|p| p.unwind_delta_impact_ppm += 1),
            E::UnwindDeltaImpact
        );
        assert_eq!(refused(|p| p.unwind_vega_ppm += 1), E::UnwindVega);
        assert_eq!(
            refused(|p| p.unwind_vega_impact_ppm += 1),
            E::UnwindVegaImpact
        );
    }
}
