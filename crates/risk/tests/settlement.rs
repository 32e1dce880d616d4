//! What matured series pay: both sides add up to zero, nobody gets more than the exact value, and the contracts keep
//! their parity.

#![allow(clippy::arithmetic_side_effects, reason = "a test may panic")]
#![allow(
    clippy::integer_division,
    reason = "exact quotients are compared on purpose"
)]

use estuary_risk::market::OptionKind;
use estuary_risk::settlement::{payoff, value_of_lots, value_per_lot_down};
use estuary_risk::units::{Money, Price};
use proptest::prelude::*;

const CALL: Option<OptionKind> = Some(OptionKind::Call);
const PUT: Option<OptionKind> = Some(OptionKind::Put);

fn kinds() -> impl Strategy<Value = Option<OptionKind>> {
    prop_oneof![Just(None), Just(CALL), Just(PUT)]
}

proptest! {
    #[test]
    fn payments_over_all_accounts_add_up_to_zero(
        kind in kinds(),
        strike in 1u64..1 << 50,
        settlement in 1u64..1 << 50,
        lot_size in 1u64..1_000_000_000_000,
        held in prop::collection::vec(-1_000_000i64..1_000_000, 1..20),
    ) {
        let price = payoff(kind, Price(strike), Price(settlement));
        let per_lot = value_per_lot_down(price, -8, lot_size).unwrap();
        prop_assume!(per_lot.0 < 1 << 40);
        let last = -held.iter().sum::<i64>();
        let paid = |lots: &i64| i128::from(value_of_lots(per_lot, *lots).unwrap().0);
        prop_assert_eq!(held.iter().chain([&last]).map(paid).sum::<i128>(), 0);
    }

    #[test]
    fn a_lot_pays_at_most_its_exact_value_and_less_than_a_micro_unit_less(
        price in 0u64..1 << 60,
        exponent in -12i8..=-4,
        lot_size in 1u64..1_000_000_000,
    ) {
        // Micro-units = price × 10^exponent × lot_size × 10^-9 × 10^6.
        let unit = 10u128.pow(u32::from(exponent.unsigned_abs()) + 3);
        let exact = u128::from(price) * u128::from(lot_size);
        match value_per_lot_down(Price(price), exponent, lot_size) {
            Ok(Money(value)) => {
                let value = u128::from(value.unsigned_abs()) * unit;
                prop_assert!(value <= exact && exact - value < unit);
            }
            Err(_) => prop_assert!(exact / unit > i64::MAX as u128),
        }
    }

    #[test]
    fn call_less_put_is_the_future_less_the_strike(strike in any::<u64>(), settlement in any::<u64>()) {
        let pays = |kind| i128::from(payoff(kind, Price(strike), Price(settlement)).0);
        prop_assert_eq!(pays(CALL) - pays(PUT), pays(None) - i128::from(strike));
        prop_assert!(pays(CALL) == 0 || pays(PUT) == 0);
    }
}
