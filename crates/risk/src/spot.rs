//! A balance of the underlying: an amount in base units of a token, not in lots.

use crate::market::MarketInputs;
use crate::units::{
    money_at_exponent_down, LotValue, Money, Price, RiskError, MAX_LOTS_PER_MARKET,
};

/// A balance as the engine sees it: an exposure like that of a perpetual, and a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpotBalance {
    /// Lots in Q30, negative when borrowed, rounded down.
    pub lots_q30: i64,
    /// Value at spot in the settlement token, rounded down.
    pub value: Money,
}

impl SpotBalance {
    /// Of `amount` base units of a token with `decimals`; of what is owned at most `room` whole lots count.
    ///
    /// # Errors
    /// [`RiskError::MoneyOverflow`], [`RiskError::TooManyLots`] for a debt of 2^32 lots and more,
    /// [`RiskError::BadLotValue`] for decimals beyond any token's.
    pub fn new(
        inputs: &MarketInputs,
        lot_value: &LotValue,
        amount: i64,
        decimals: u8,
        room: u64,
    ) -> Result<Self, RiskError> {
        let lots_q30 = lots_q30_down(amount, decimals, inputs.lot_size)?;
        let room = room.min(MAX_LOTS_PER_MARKET.saturating_sub(1));
        let room_q30 = i128::from(room) << 30;
        if lots_q30 > room_q30 {
            return Ok(Self {
                lots_q30: i64::try_from(room_q30).map_err(|_| RiskError::TooManyLots)?,
                value: lot_value.money_down(i128::from(room), 0)?,
            });
        }
        Ok(Self {
            lots_q30: i64::try_from(lots_q30).map_err(|_| RiskError::TooManyLots)?,
            value: token_value_down(inputs.spot, inputs.price_exponent, amount, decimals)?,
        })
    }
}

/// Lots in Q30 of `amount` base units, rounded down (towards −∞).
///
/// A lot is `lot_size` billionths of a unit, a base unit `10^-decimals` of one.
fn lots_q30_down(amount: i64, decimals: u8, lot_size: u64) -> Result<i128, RiskError> {
    // Below 2^63 × 2^30 × 2^30.
    let scaled = (i128::from(amount) << 30).saturating_mul(1_000_000_000);
    10i128
        .checked_pow(decimals.into())
        .and_then(|unit| unit.checked_mul(i128::from(lot_size)))
        .and_then(|lot| scaled.checked_div_euclid(lot))
        .ok_or(RiskError::BadLotValue)
}

/// The value of `amount` base units of a token at `price`, exact but for rounding down (towards −∞).
///
/// Micro-units = `amount × 10^-decimals × price × 10^price_exponent × 10^6`.
///
/// # Errors
/// [`RiskError::MoneyOverflow`], [`RiskError::BadLotValue`] for a power of ten that cannot be represented.
pub fn token_value_down(
    price: Price,
    price_exponent: i8,
    amount: i64,
    decimals: u8,
) -> Result<Money, RiskError> {
    let product = i128::from(amount)
        .checked_mul(i128::from(price.0))
        .ok_or(RiskError::MoneyOverflow)?;
    let exponent = i32::from(price_exponent)
        .saturating_add(6)
        .saturating_sub(decimals.into());
    money_at_exponent_down(product, exponent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::ScenarioParameters;

    const LAMPORTS: i64 = 1_000_000_000;

    /// SOL at 200 USD in lots of 0.1.
    fn sol(amount: i64, decimals: u8, room: u64) -> Result<SpotBalance, RiskError> {
        let inputs = MarketInputs {
            spot: Price(20_000_000_001),
            price_exponent: -8,
            lot_size: 100_000_000,
            grid: ScenarioParameters::SOL.grid().unwrap(),
            oracle: crate::charges::OracleQuality::default(),
        };
        let lot = LotValue::new(inputs.spot, -8, inputs.lot_size).unwrap();
        SpotBalance::new(&inputs, &lot, amount, decimals, room)
    }

    #[test]
    fn a_balance_is_worth_its_base_units() {
        let balance = |amount| sol(amount, 9, u64::MAX).unwrap();
        // 1.5 SOL: 15 lots, 300.000000015 USD.
        assert_eq!(balance(LAMPORTS * 3 / 2).lots_q30, 15 << 30);
        assert_eq!(balance(LAMPORTS * 3 / 2).value, Money(300_000_000));
        assert_eq!(balance(-LAMPORTS * 3 / 2).value, Money(-300_000_001));
        // One lamport: 2e-7 USD and a hundred-millionth of a lot, both rounded down.
        assert_eq!((balance(1).lots_q30, balance(1).value), (10, Money(0)));
        assert_eq!((balance(-1).lots_q30, balance(-1).value), (-11, Money(-1)));
        assert_eq!(balance(5).value, Money(1));
    }

    #[test]
    fn decimals_from_none_to_eighteen() {
        let whole = sol(7, 0, u64::MAX).unwrap();
        assert_eq!(whole.lots_q30, 70 << 30);
        assert_eq!(whole.value, Money(1_400_000_000));
        assert_eq!(sol(7 * LAMPORTS, 9, u64::MAX), Ok(whole));
        assert_eq!(sol(7_000_000_000_000_000_000, 18, u64::MAX), Ok(whole));
        assert_eq!(sol(1, 40, u64::MAX), Err(RiskError::BadLotValue));
    }

    #[test]
    fn what_exceeds_the_room_does_not_count() {
        let room = sol(25 * LAMPORTS, 9, 100).unwrap();
        assert_eq!(room.lots_q30, 100 << 30);
        assert_eq!(room.value, Money(2_000_000_000));
        assert_eq!(sol(i64::MAX, 0, 0).unwrap().value, Money(0));
        assert_eq!(sol(i64::MIN, 0, 0), Err(RiskError::TooManyLots));
        assert_eq!(sol(i64::MIN, 9, 0), Err(RiskError::TooManyLots));
    }

    #[test]
    fn values_that_do_not_fit_are_refused() {
        assert_eq!(
            token_value_down(Price(u64::MAX), -8, i64::MAX, 0),
            Err(RiskError::MoneyOverflow)
        );
        assert_eq!(
            token_value_down(Price(1), 100, 1, 0),
            Err(RiskError::BadLotValue)
        );
        assert_eq!(token_value_down(Price(3), 2, 7, 1), Ok(Money(210_000_000)));
    }
}
