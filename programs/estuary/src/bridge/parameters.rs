//! Scenario parameters, expiries and surfaces in the engine's terms.

use super::errors::{parameter_error, smile_error};
use crate::{
    error::EstuaryError,
    instructions::ScenarioArgs,
    state::{
        market::{StoredBlocks, StoredCharges, StoredGrid, StoredLiquidity, StoredParameters},
        Expiry, Market,
    },
};
use anchor_lang::prelude::*;
use estuary_risk::{
    array::{MAX_FORWARD_RATIO_Q30, MIN_FORWARD_RATIO_Q30},
    blocks::BlockParameters,
    charges::ChargeParameters,
    fixed::{ln_q40, sqrt_tau_q32},
    liquidity::LiquidityParameters,
    market::Averaging,
    scenario::{ScenarioGrid, ScenarioParameters},
    smile::{check_no_calendar, Smile, SmileError, SmileSlice},
    units::{Price, ONE_Q30, SECONDS_PER_YEAR},
};

/// Parts per billion of a whole, times the seconds of a year.
const PPB_YEAR: i128 = 1_000_000_000 * SECONDS_PER_YEAR as i128;
/// The same over 2^16.
const PPB_YEAR_OVER_2_16: i64 = (PPB_YEAR >> 16) as i64;
const _: () = assert!((PPB_YEAR_OVER_2_16 as i128) << 16 == PPB_YEAR);

/// Scenario parameters as a market's account keeps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredScenarios {
    /// Range, nodes, tails and volatility shocks.
    pub parameters: StoredParameters,
    /// What is derived from them.
    pub grid: StoredGrid,
    /// Twist, skew and basis.
    pub blocks: StoredBlocks,
    /// Short-option minimum and oracle contingency.
    pub charges: StoredCharges,
    /// Liquidity cost.
    pub liquidity: StoredLiquidity,
}

/// Checks scenario parameters and derives their grid, all in account form.
///
/// # Errors
/// The error that names the wrong parameter.
pub fn store_parameters(args: &ScenarioArgs) -> Result<StoredScenarios> {
    let charges = StoredCharges {
        short_minimum_ppm: args.short_minimum_ppm,
        short_minimum_maintenance_ppm: args.short_minimum_maintenance_ppm,
        oracle_confidence_ppm: args.oracle_confidence_ppm,
        oracle_age_ppm: args.oracle_age_ppm,
    };
    let blocks = StoredBlocks {
        twist_ppm: args.twist_ppm,
        skew_ppm: args.skew_ppm,
        basis_ppm: args.basis_ppm,
        basis_annual_ppm: args.basis_annual_ppm,
    };
    let liquidity = StoredLiquidity {
        unwind_delta_ppm: args.unwind_delta_ppm,
        unwind_delta_impact_ppm: args.unwind_delta_impact_ppm,
        unwind_vega_ppm: args.unwind_vega_ppm,
        unwind_vega_impact_ppm: args.unwind_vega_impact_ppm,
    };
    let scenarios = ScenarioParameters {
        spot_range_ppm: args.spot_range_ppm,
        node_ppm: args.node_ppm,
        tail_multiple_ppm: args.tail_multiple_ppm,
        tail_weight_ppm: args.tail_weight_ppm,
        fall_limit_ppm: args.fall_limit_ppm,
        vol_up_ppm: args.vol_up_ppm,
        vol_down_ppm: args.vol_down_ppm,
        vol_power_short_ppm: args.vol_power_short_ppm,
        vol_power_long_ppm: args.vol_power_long_ppm,
        blocks: load_blocks(&blocks),
        charges: load_charges(&charges),
        liquidity: load_liquidity(&liquidity),
    };
    let grid = scenarios.grid().map_err(parameter_error)?;
    let parameters = StoredParameters {
        spot_range_ppm: args.spot_range_ppm,
        node_ppm: args.node_ppm,
        tail_multiple_ppm: args.tail_multiple_ppm,
        tail_weight_ppm: args.tail_weight_ppm,
        fall_limit_ppm: args.fall_limit_ppm,
        vol_up_ppm: args.vol_up_ppm,
        vol_down_ppm: args.vol_down_ppm,
        vol_power_short_ppm: args.vol_power_short_ppm,
        vol_power_long_ppm: args.vol_power_long_ppm,
        padding: [0; 4],
    };
    let grid = StoredGrid {
        multiple_q30: grid.multiple_q30,
        log_q28: grid.log_q28,
        tail_weight_q30: grid.tail_weight_q30,
        tail_inverse_weight_q16: grid.tail_inverse_weight_q16,
        vol_up_ppm: grid.vol_up_ppm,
        vol_down_ppm: grid.vol_down_ppm,
        vol_power_short_ppm: grid.vol_power_short_ppm,
        vol_power_long_ppm: grid.vol_power_long_ppm,
    };
    Ok(StoredScenarios {
        parameters,
        grid,
        blocks,
        charges,
        liquidity,
    })
}

const fn load_charges(stored: &StoredCharges) -> ChargeParameters {
    ChargeParameters {
        short_minimum_ppm: stored.short_minimum_ppm,
        short_minimum_maintenance_ppm: stored.short_minimum_maintenance_ppm,
        oracle_confidence_ppm: stored.oracle_confidence_ppm,
        oracle_age_ppm: stored.oracle_age_ppm,
    }
}

const fn load_liquidity(stored: &StoredLiquidity) -> LiquidityParameters {
    LiquidityParameters {
        unwind_delta_ppm: stored.unwind_delta_ppm,
        unwind_delta_impact_ppm: stored.unwind_delta_impact_ppm,
        unwind_vega_ppm: stored.unwind_vega_ppm,
        unwind_vega_impact_ppm: stored.unwind_vega_impact_ppm,
    }
}

const fn load_blocks(stored: &StoredBlocks) -> BlockParameters {
    BlockParameters {
        twist_ppm: stored.twist_ppm,
        skew_ppm: stored.skew_ppm,
        basis_ppm: stored.basis_ppm,
        basis_annual_ppm: stored.basis_annual_ppm,
    }
}

/// The grid of a market, with what stands beside it.
pub(super) fn load_grid(market: &Market) -> ScenarioGrid {
    let stored = &market.grid;
    ScenarioGrid {
        multiple_q30: stored.multiple_q30,
        log_q28: stored.log_q28,
        tail_weight_q30: stored.tail_weight_q30,
        tail_inverse_weight_q16: stored.tail_inverse_weight_q16,
        vol_up_ppm: stored.vol_up_ppm,
        vol_down_ppm: stored.vol_down_ppm,
        vol_power_short_ppm: stored.vol_power_short_ppm,
        vol_power_long_ppm: stored.vol_power_long_ppm,
        blocks: load_blocks(&market.blocks),
        charges: load_charges(&market.charges),
        liquidity: load_liquidity(&market.liquidity),
    }
}

/// The logarithm stored with a series: of the strike's mantissa, Q40, 0 without a strike.
#[must_use]
pub fn ln_strike_q40(strike: u64) -> i64 {
    ln_q40(strike)
}

pub(super) fn smile_of(expiry: &Expiry) -> Smile {
    Smile {
        atm_vol_ppb: expiry.atm_vol_ppb,
        rho_ppb: expiry.rho_ppb,
        phi_ppb: expiry.phi_ppb,
    }
}

/// Forward over spot at `now`, Q30, rounded down: one plus the basis rate times the years left. Saturates.
#[must_use]
pub fn forward_ratio_q30(expiry: &Expiry, now: i64) -> i64 {
    let left = expiry.time.saturating_sub(now).max(0);
    // The divisor is a multiple of 2^16: the product over it has 14 bits to gain, its remainder below 2^39 fits them.
    if let Some(product) = expiry.basis_rate_ppb.checked_mul(left) {
        let whole = product.div_euclid(PPB_YEAR_OVER_2_16);
        let rest = product.rem_euclid(PPB_YEAR_OVER_2_16) << 14;
        let basis = whole
            .saturating_mul(1 << 14)
            .saturating_add(rest.div_euclid(PPB_YEAR_OVER_2_16));
        return ONE_Q30.saturating_add(basis);
    }
    // A rate and a time of 64 bits each and 30 bits more: below 2^127 for any time within 2^33 seconds.
    let basis = i128::from(expiry.basis_rate_ppb)
        .saturating_mul(i128::from(left))
        .saturating_mul(i128::from(ONE_Q30))
        .div_euclid(PPB_YEAR);
    ONE_Q30.saturating_add(i64::try_from(basis).unwrap_or(if basis < 0 {
        i64::MIN
    } else {
        i64::MAX
    }))
}

/// An expiry's settlement average at `now`, where it is under way.
#[must_use]
pub fn averaging(expiry: &Expiry, now: i64) -> Option<Averaging> {
    let under_way = expiry.average.under_way(expiry.time, now)?;
    let open = under_way.open.max(1);
    let minutes = under_way.covered.saturating_add(open);
    let fixed = under_way.sum.checked_div(u128::from(minutes));
    let share_q30 = (i64::from(open) << 30).checked_div(i64::from(minutes));
    Some(Averaging {
        // An average of 64-bit prices.
        fixed: Price(u64::try_from(fixed.unwrap_or(0)).unwrap_or(u64::MAX)),
        open_share_q30: share_q30.unwrap_or(ONE_Q30),
        variance_seconds: variance_seconds(open),
    })
}

/// Over how many seconds spot has the variance of its mean at the ends of the next so many minutes: `n` minutes have
/// `Σ i²/n²` minutes of it, `(n + 1)(2n + 1)/6n`. Rounded up.
fn variance_seconds(minutes: u32) -> i64 {
    let n = i64::from(minutes);
    let product = n
        .saturating_add(1)
        .saturating_mul(n.saturating_mul(2).saturating_add(1));
    let tenths = product
        .saturating_mul(10)
        .saturating_add(n)
        .saturating_sub(1);
    tenths.checked_div(n).unwrap_or(0)
}

/// Checks the whole surface of a market: each slice for butterflies, consecutive maturities for calendars.
///
/// # Errors
/// One error per parameter out of range, [`EstuaryError::WingVolInvalid`], [`EstuaryError::BasisRateInvalid`], [`EstuaryError::SurfaceButterfly`],
/// [`EstuaryError::SurfaceCalendar`]. The log names the expiry.
pub fn check_surface(market: &Market, now: i64) -> Result<()> {
    let mut live: Vec<&Expiry> = market
        .open_expiries()
        .iter()
        .filter(|expiry| expiry.time > now)
        .collect();
    live.sort_unstable_by_key(|expiry| expiry.time);
    let mut earlier: Option<SmileSlice> = None;
    for expiry in live {
        let slice = check_slice(expiry, now)
            .and_then(|slice| match &earlier {
                Some(earlier) => check_no_calendar(earlier, &slice).map(|()| slice),
                None => Ok(slice),
            })
            .map_err(|error| {
                msg!("expiry {}: {:?}", expiry.time, error);
                smile_error(error)
            })?;
        let ratio = forward_ratio_q30(expiry, now);
        if !(MIN_FORWARD_RATIO_Q30..MAX_FORWARD_RATIO_Q30).contains(&ratio) {
            let values = (expiry.basis_rate_ppb, expiry.time);
            return Err(error!(EstuaryError::BasisRateInvalid).with_values(values));
        }
        earlier = Some(slice);
    }
    Ok(())
}

fn check_slice(expiry: &Expiry, now: i64) -> core::result::Result<SmileSlice, SmileError> {
    let smile = smile_of(expiry);
    let sqrt_tau = sqrt_tau_q32(expiry.time.saturating_sub(now));
    smile.validate()?;
    smile.check_no_butterfly(sqrt_tau)?;
    smile.check_wings()?;
    SmileSlice::new(&smile, sqrt_tau)
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test that overflows fails"
)]
mod tests {
    use super::*;

    #[test]
    fn an_average_under_way_is_a_constant_and_a_share_of_spot() {
        let mut expiry = Expiry {
            time: 1_800,
            ..Expiry::default()
        };
        assert_eq!(averaging(&expiry, -1), None);
        let none_fixed = averaging(&expiry, 0).unwrap();
        assert_eq!(
            (none_fixed.fixed, none_fixed.open_share_q30),
            (Price(0), ONE_Q30)
        );
        // (31 × 61) / 180 minutes.
        assert_eq!(none_fixed.variance_seconds, 631);
        for minute in 0..10 {
            expiry.average.record(1_800, minute * 60, 600).unwrap();
        }
        let ten = averaging(&expiry, 600).unwrap();
        assert_eq!(ten.fixed, Price(200));
        assert_eq!(ten.open_share_q30, (2 << 30) / 3);
        assert_eq!(ten.variance_seconds, 431);
        for minute in 10..29 {
            expiry.average.record(1_800, minute * 60, 600).unwrap();
        }
        let last = averaging(&expiry, 1_740).unwrap();
        assert_eq!((last.fixed, last.variance_seconds), (Price(580), 60));
        assert_eq!(last.open_share_q30, (1 << 30) / 30);
        expiry.average.record(1_800, 1_740, 600).unwrap();
        expiry.average.finalize().unwrap();
        assert_eq!(averaging(&expiry, 1_800), None);
    }

    #[test]
    fn the_forward_is_one_plus_basis_times_time() {
        let year = SECONDS_PER_YEAR;
        let expiry = |rate| Expiry {
            time: year,
            basis_rate_ppb: rate,
            ..Expiry::default()
        };
        assert_eq!(forward_ratio_q30(&expiry(0), 0), ONE_Q30);
        assert_eq!(
            forward_ratio_q30(&expiry(250_000_000), 0),
            ONE_Q30 + ONE_Q30 / 4
        );
        assert_eq!(
            forward_ratio_q30(&expiry(-250_000_000), year / 2),
            ONE_Q30 - ONE_Q30 / 8
        );
        assert_eq!(
            forward_ratio_q30(&expiry(250_000_000), year + 1),
            ONE_Q30,
            "after its end"
        );
        assert_eq!(
            forward_ratio_q30(&expiry(-1), 0),
            ONE_Q30 - 2,
            "rounded down"
        );
        assert_eq!(
            forward_ratio_q30(&expiry(i64::MAX), 0),
            i64::MAX,
            "saturated"
        );
    }
}
