//! A market's parameters in the file and on the cluster.

use anyhow::Result;
use estuary::bridge::store_parameters;
use estuary::instructions::OffsetArgs;
use estuary::state::Market;

use super::config::MarketConfig;
use super::plan::Plan;

/// No instruction changes a market's parameters: what differs is named.
pub fn same_parameters(plan: &mut Plan, config: &MarketConfig, found: &Market) -> Result<()> {
    let args = &config.args;
    let name = |key: &str| format!("market {}: {key}", config.symbol);
    plan.compare(&name("symbol"), found.symbol, args.symbol);
    plan.compare(
        &name("price_program"),
        found.price_program,
        args.price_program,
    );
    plan.compare(
        &name("price_exponent"),
        found.price_exponent,
        args.price_exponent,
    );
    let numbers: [(&str, u64, u64); 15] = [
        ("lot_size_billionths", found.lot_size, args.lot_size),
        (
            "max_price_age_seconds",
            found.max_price_age_seconds.into(),
            args.max_price_age_seconds.into(),
        ),
        (
            "max_confidence_ppm",
            found.max_confidence_ppm.into(),
            args.max_confidence_ppm.into(),
        ),
        (
            "band_spot_ppm",
            found.band_spot_ppm.into(),
            args.band_spot_ppm.into(),
        ),
        (
            "band_vega_ppm",
            found.band_vega_ppm.into(),
            args.band_vega_ppm.into(),
        ),
        (
            "liquidation_delta_ppm",
            found.liquidation_delta_ppm.into(),
            args.liquidation_delta_ppm.into(),
        ),
        (
            "liquidation_vega_ppm",
            found.liquidation_vega_ppm.into(),
            args.liquidation_vega_ppm.into(),
        ),
        (
            "liquidation_insurance_ppm",
            found.liquidation_insurance_ppm.into(),
            args.liquidation_insurance_ppm.into(),
        ),
        (
            "max_series_open_interest_lots",
            found.max_series_open_interest,
            args.max_series_open_interest,
        ),
        (
            "max_market_open_interest_lots",
            found.max_market_open_interest,
            args.max_market_open_interest,
        ),
        (
            "maker_fee_ppm",
            found.maker_fee_ppm.into(),
            args.maker_fee_ppm.into(),
        ),
        (
            "taker_fee_ppm",
            found.taker_fee_ppm.into(),
            args.taker_fee_ppm.into(),
        ),
        (
            "option_fee_cap_ppm",
            found.option_fee_cap_ppm.into(),
            args.option_fee_cap_ppm.into(),
        ),
        (
            "offset_floor_ppm",
            found.offset_floor_ppm.into(),
            args.offset_floor_ppm.into(),
        ),
        (
            "stress_vol_ppm",
            found.stress_vol_ppm.into(),
            args.stress_vol_ppm.into(),
        ),
    ];
    for (key, chain, file) in numbers {
        plan.compare(&name(key), chain, file);
    }
    plan.compare(&name("offsets"), offsets(found), args.offsets.clone());
    let wanted = store_parameters(&args.parameters)?;
    macro_rules! parameters {
        ($stored:expr, $wanted:expr, $($key:ident),*) => {
            $(plan.compare(
                &name(concat!("parameters.", stringify!($key))),
                $stored.$key,
                $wanted.$key,
            );)*
        };
    }
    parameters!(
        found.parameters,
        wanted.parameters,
        spot_range_ppm,
        node_ppm,
        tail_multiple_ppm,
        tail_weight_ppm,
        fall_limit_ppm,
        vol_up_ppm,
        vol_down_ppm,
        vol_power_short_ppm,
        vol_power_long_ppm
    );
    parameters!(
        found.blocks,
        wanted.blocks,
        twist_ppm,
        skew_ppm,
        basis_ppm,
        basis_annual_ppm
    );
    parameters!(
        found.charges,
        wanted.charges,
        short_minimum_ppm,
        short_minimum_maintenance_ppm,
        oracle_confidence_ppm,
        oracle_age_ppm
    );
    parameters!(
        found.liquidity,
        wanted.liquidity,
        unwind_delta_ppm,
        unwind_delta_impact_ppm,
        unwind_vega_ppm,
        unwind_vega_impact_ppm
    );
    Ok(())
}

/// The market's offsets as they are to be: terms that wait are the latest set.
fn offsets(found: &Market) -> Vec<OffsetArgs> {
    let used = found.offsets.iter().filter(|entry| entry.is_used != 0);
    used.map(|entry| {
        let terms = entry.terms_at(i64::MAX);
        OffsetArgs {
            market: entry.market,
            offset_ppm: terms.offset_ppm,
            correlation_full_ppm: terms.correlation_full_ppm,
            correlation_zero_ppm: terms.correlation_zero_ppm,
        }
    })
    .collect()
}
