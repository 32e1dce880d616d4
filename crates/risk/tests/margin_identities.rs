//! What holds between the numbers of every margin report.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test may panic"
)]

use estuary_risk::margin::AccountTotals;
use estuary_risk::units::Money;
use proptest::prelude::*;

/// Amounts of every size up to 2^59, so that sums of a few stay in 64 bits.
fn amount() -> impl Strategy<Value = i64> {
    (any::<i64>(), 4..64u32).prop_map(|(value, shift)| value >> shift)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn requirements_and_layers_keep_their_order(
        cash in 0i64..1 << 59,
        spot_value in 0i64..1 << 58,
        option_value in amount(),
        unsettled in amount(),
        scenario_loss in 0i64..1 << 59,
        short_minimum in 0i64..1 << 58,
        share_ppm in 0i64..=1_000_000,
        oracle_contingency in 0i64..1 << 58,
        liquidity_cost in 0i64..1 << 58,
        gross in amount(),
    ) {
        let totals = AccountTotals {
            cash: Money(cash),
            spot_value: Money(spot_value),
            option_value: Money(option_value),
            unsettled: Money(unsettled),
            scenario_loss: Money(scenario_loss),
            short_minimum: Money(short_minimum),
            short_minimum_maintenance: Money(
                (i128::from(short_minimum) * i128::from(share_ppm) / 1_000_000) as i64,
            ),
            oracle_contingency: Money(oracle_contingency),
            liquidity_cost: Money(liquidity_cost),
            gross: Money(gross.abs()),
            ..AccountTotals::default()
        };
        let report = totals.report().unwrap();
        let (initial, maintenance) = (report.initial_margin, report.maintenance_margin);
        prop_assert!(maintenance <= initial);
        let only_owns = gross == 0 && unsettled >= 0;
        let needed = scenario_loss + short_minimum + liquidity_cost + oracle_contingency;
        let least = if only_owns { needed.min(spot_value + option_value) } else { needed };
        prop_assert!(initial.0 >= least);
        prop_assert!(!only_owns || option_value < 0 || !report.is_liquidatable());
        prop_assert!(i128::from(initial.0) * 20 >= i128::from(gross.abs()));
        prop_assert!(maintenance == initial || i128::from(maintenance.0) * 25 >= i128::from(gross.abs()));
        prop_assert!(only_owns || maintenance == initial || maintenance.0 >= scenario_loss / 10 * 8 + liquidity_cost);
        prop_assert!(report.senior <= report.equity);
        prop_assert!(report.senior.0 <= cash + spot_value);
        let target = report.liquidation_target().unwrap();
        prop_assert!(maintenance <= target && target <= initial);
    }
}
