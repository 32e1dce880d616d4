//! What a series pays at its expiry (section 9 of `margin-model.md`).
//!
//! A lot pays a whole number of micro-units, the same to the long as from the short: over all accounts, whose lots add up
//! to zero, the payments do so exactly. A long gets less than the exact value by less than a micro-unit per lot.

use crate::market::OptionKind;
use crate::units::{traded_value_down, Money, Price, RiskError};

/// What one unit of a future or option pays at a settlement price; a future, given by no kind, the price itself.
pub fn payoff(kind: Option<OptionKind>, strike: Price, settlement: Price) -> Price {
    match kind {
        None => settlement,
        Some(OptionKind::Call) => Price(settlement.0.saturating_sub(strike.0)),
        Some(OptionKind::Put) => Price(strike.0.saturating_sub(settlement.0)),
    }
}

/// What one lot pays, in whole micro-units, rounded down; never negative.
///
/// Errors: [`RiskError::MoneyOverflow`].
pub fn value_per_lot_down(
    payoff: Price,
    price_exponent: i8,
    lot_size: u64,
) -> Result<Money, RiskError> {
    traded_value_down(payoff, price_exponent, lot_size, 1)
}

/// What signed lots pay at so much a lot: exact, and the opposite for opposite lots.
///
/// Errors: [`RiskError::MoneyOverflow`].
pub fn value_of_lots(per_lot: Money, lots: i64) -> Result<Money, RiskError> {
    per_lot
        .0
        .checked_mul(lots)
        .map(Money)
        .ok_or(RiskError::MoneyOverflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: Option<OptionKind> = Some(OptionKind::Call);
    const PUT: Option<OptionKind> = Some(OptionKind::Put);

    #[test]
    fn options_pay_what_they_are_in_the_money() {
        let strike = Price(90);
        for (settlement, call, put) in [(0, 0, 90), (89, 0, 1), (90, 0, 0), (91, 1, 0)] {
            let settlement = Price(settlement);
            assert_eq!(payoff(CALL, strike, settlement), Price(call));
            assert_eq!(payoff(PUT, strike, settlement), Price(put));
            assert_eq!(payoff(None, strike, settlement), settlement);
        }
        assert_eq!(payoff(CALL, Price(0), Price(u64::MAX)), Price(u64::MAX));
        assert_eq!(payoff(PUT, Price(u64::MAX), Price(1)), Price(u64::MAX - 1));
    }

    #[test]
    fn a_lot_pays_whole_micro_units_rounded_down() {
        // 1,234.56789012 USD, a lot of 0.001: 1,234,567.89 micro-units.
        let value = value_per_lot_down(Price(123_456_789_012), -8, 1_000_000);
        assert_eq!(value, Ok(Money(1_234_567)));
        assert_eq!(value_per_lot_down(Price(0), -8, 1_000_000), Ok(Money(0)));
        assert_eq!(value_per_lot_down(Price(1), -8, 1_000_000), Ok(Money(0)));
        assert_eq!(
            value_per_lot_down(Price(u64::MAX), 0, 1_000_000_000_000),
            Err(RiskError::MoneyOverflow)
        );
    }

    #[test]
    fn lots_pay_exactly_and_both_sides_add_up_to_zero() {
        let per_lot = Money(1_234_567);
        assert_eq!(value_of_lots(per_lot, 3), Ok(Money(3_703_701)));
        assert_eq!(value_of_lots(per_lot, -3), Ok(Money(-3_703_701)));
        assert_eq!(value_of_lots(Money(0), i64::MIN), Ok(Money(0)));
        let huge = Money(i64::MAX);
        assert_eq!(value_of_lots(huge, 2), Err(RiskError::MoneyOverflow));
        assert_eq!(value_of_lots(huge, -2), Err(RiskError::MoneyOverflow));
    }
}
