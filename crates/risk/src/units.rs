//! Units of the engine. A newtype where two quantities could be confused, a `_qNN` suffix where a
//! plain integer is a fixed-point fraction (`_q30`: 2^30 stands for 1), `_ppm` and `_ppb` where it
//! counts parts per million or billion.

mod lot_value;
pub use lot_value::LotValue;

/// Money in micro-units of the settlement token (10^-6 USDC).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money(pub i64);

/// A price: a mantissa at the market's price exponent, in quote units for one unit of underlying.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price(pub u64);

/// One in Q28, the format of profit-and-loss entries.
pub const ONE_Q28: i64 = 1 << 28;
/// One in Q30, the format of prices relative to spot.
pub const ONE_Q30: i64 = 1 << 30;
/// One in parts per million.
pub const ONE_PPM: u32 = 1_000_000;
/// One in parts per billion.
pub const ONE_PPB: u64 = 1_000_000_000;

/// Seconds in a day.
pub const SECONDS_PER_DAY: i64 = 86_400;
/// Seconds in a year of 365 days, the year of every rate and volatility here.
pub const SECONDS_PER_YEAR: i64 = 31_536_000;

/// The sum of absolute lots of one account in one market stays below this (2^32), so that a sum of
/// `lots × entry` with entries of ±8 in Q28 fits 64 bits.
pub const MAX_LOTS_PER_MARKET: u64 = 1 << 32;

/// Why the engine cannot answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RiskError {
    /// An amount of money does not fit 64 bits of micro-units.
    MoneyOverflow,
    /// The absolute lots of one account in one market reach 2^32.
    TooManyLots,
    /// A spot price or a lot size is zero, or their product cannot be represented.
    BadLotValue,
    /// A forward is outside [1/2, 2) of spot.
    ForwardOutOfRange,
    /// A strike is zero.
    ZeroStrike,
    /// The implied volatility of an expiry is outside what the kernel prices.
    VolOutOfRange,
    /// More expiries or strikes than the arrays were sized for.
    CapacityExceeded,
    /// An instrument handle of another set of arrays.
    UnknownInstrument,
}

impl Money {
    /// Sum, or [`RiskError::MoneyOverflow`].
    pub fn plus(self, other: Money) -> Result<Money, RiskError> {
        self.0
            .checked_add(other.0)
            .map(Money)
            .ok_or(RiskError::MoneyOverflow)
    }

    /// Difference, or [`RiskError::MoneyOverflow`].
    pub fn minus(self, other: Money) -> Result<Money, RiskError> {
        self.0
            .checked_sub(other.0)
            .map(Money)
            .ok_or(RiskError::MoneyOverflow)
    }

    /// `self × numerator / denominator`, rounded up (towards +∞); the denominator is positive.
    pub fn mul_div_up(self, numerator: u32, denominator: u32) -> Result<Money, RiskError> {
        // Usual amounts fit 64 bits: a division of 128 bits costs a hundred times as much on chain.
        let amount = self.0.cast_unsigned();
        let is_short = amount >> 32 == 0 || amount >> 43 == 0 && numerator >> 21 == 0;
        let product = if is_short {
            Some(amount.wrapping_mul(u64::from(numerator)))
        } else {
            u64::try_from(self.0)
                .ok()
                .and_then(|amount| amount.checked_mul(u64::from(numerator)))
        };
        let divisor = u64::from(denominator);
        let quotient = product.and_then(|product| {
            let down = product.checked_div(divisor)?;
            // Below the product.
            let rest = product.wrapping_sub(down.wrapping_mul(divisor));
            i64::try_from(down.saturating_add(u64::from(rest != 0))).ok()
        });
        match quotient {
            Some(rounded) => Ok(Money(rounded)),
            None => self.wide_mul_div_up(numerator, denominator),
        }
    }

    /// [`Money::mul_div_up`] for any amounts.
    #[inline(never)]
    fn wide_mul_div_up(self, numerator: u32, denominator: u32) -> Result<Money, RiskError> {
        let product = i128::from(self.0)
            .checked_mul(i128::from(numerator))
            .ok_or(RiskError::MoneyOverflow)?;
        let denominator = i128::from(denominator);
        let quotient = product
            .checked_div_euclid(denominator)
            .ok_or(RiskError::MoneyOverflow)?;
        let remainder = product
            .checked_rem_euclid(denominator)
            .ok_or(RiskError::MoneyOverflow)?;
        let rounded = quotient.saturating_add(i128::from(remainder != 0));
        i64::try_from(rounded)
            .map(Money)
            .map_err(|_| RiskError::MoneyOverflow)
    }
}

/// The money of `lots` traded at `price`, rounded down (towards −∞): one number that both sides use,
/// so that what one pays the other receives.
pub fn traded_value_down(
    price: Price,
    price_exponent: i8,
    lot_size: u64,
    lots: i64,
) -> Result<Money, RiskError> {
    let product = i128::from(price.0)
        .checked_mul(i128::from(lot_size))
        .and_then(|per_lot| per_lot.checked_mul(i128::from(lots)))
        .ok_or(RiskError::MoneyOverflow)?;
    money_at_exponent_down(product, i32::from(price_exponent).saturating_sub(3))
}

/// `mantissa × 10^exponent` micro-units, rounded down (towards −∞).
pub(crate) fn money_at_exponent_down(mantissa: i128, exponent: i32) -> Result<Money, RiskError> {
    let power = 10i128
        .checked_pow(exponent.unsigned_abs())
        .ok_or(RiskError::BadLotValue)?;
    let value = if exponent < 0 {
        mantissa.checked_div_euclid(power)
    } else {
        mantissa.checked_mul(power)
    };
    value
        .and_then(|value| i64::try_from(value).ok())
        .map(Money)
        .ok_or(RiskError::MoneyOverflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Amounts on both sides of what the short ways take.
    pub(super) const AMOUNTS: [i64; 8] = [
        1,
        2,
        999,
        1 << 20,
        (1 << 43) - 1,
        1 << 44,
        i64::MAX >> 21,
        i64::MAX,
    ];

    #[test]
    fn short_ways_and_long_ways_give_the_same() {
        for (amount, numerator) in AMOUNTS
            .into_iter()
            .flat_map(|a| [(a, 1), (a, 800_000), (a, u32::MAX)])
        {
            for denominator in [1, 3, 20, 1_000_000] {
                let money = Money(amount);
                assert_eq!(
                    money.mul_div_up(numerator, denominator),
                    money.wide_mul_div_up(numerator, denominator)
                );
            }
        }
    }

    #[test]
    fn a_trade_is_worth_lots_times_price() {
        let value = |lots| traded_value_down(Price(12_342_670_000_000), -8, 1_000_000, lots);
        assert_eq!(value(3), Ok(Money(370_280_100)));
        assert_eq!(value(-3), Ok(Money(-370_280_100)));
        assert_eq!(
            traded_value_down(Price(1), -8, 1_000_000, -1),
            Ok(Money(-1))
        );
        assert_eq!(
            traded_value_down(Price(u64::MAX), 0, u64::MAX, i64::MAX),
            Err(RiskError::MoneyOverflow)
        );
    }

    #[test]
    fn rounding_up_is_never_below_the_exact_value() {
        assert_eq!(Money(10).mul_div_up(1, 3), Ok(Money(4)));
        assert_eq!(Money(-10).mul_div_up(1, 3), Ok(Money(-3)));
        assert_eq!(Money(9).mul_div_up(1, 3), Ok(Money(3)));
    }
}
