//! What a trade costs besides its price: a share of the underlying's value, of an option at most a share of its premium.
//!
//! Fees are rounded up once, from the exact value of the lots: a trade of anything at a rate above zero pays something.

use crate::units::{Money, Price, RiskError, ONE_PPM};

/// Exact value of lots at a price: whole micro-units and a fraction of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notional {
    /// Whole micro-units, below 2^63.
    whole: u64,
    /// The rest, in `unit`-ths of a micro-unit.
    fraction: u64,
    /// 10 to the power of 3 less the price's exponent.
    unit: u64,
}

impl Notional {
    /// The value of `lots`, whatever their sign, at `price` with an exponent of −16 to 3 and `lot_size` billionths a lot.
    ///
    /// Errors: [`RiskError::BadLotValue`] for another exponent, [`RiskError::MoneyOverflow`].
    pub fn new(
        price: Price,
        price_exponent: i8,
        lot_size: u64,
        lots: i64,
    ) -> Result<Self, RiskError> {
        let power = u32::try_from(3i32.saturating_sub(price_exponent.into()));
        let unit = power.ok().and_then(|power| 10u64.checked_pow(power));
        let unit = unit.ok_or(RiskError::BadLotValue)?;
        let product = u128::from(price.0)
            .checked_mul(lot_size.into())
            .and_then(|lot| lot.checked_mul(lots.unsigned_abs().into()))
            .ok_or(RiskError::MoneyOverflow)?;
        let part = |part: Option<u128>| part.and_then(|part| i64::try_from(part).ok());
        let whole = part(product.checked_div(unit.into())).ok_or(RiskError::MoneyOverflow)?;
        // Below `unit`, which fits 64 bits.
        let fraction = product.checked_rem(unit.into()).unwrap_or(0);
        Ok(Self {
            whole: whole.unsigned_abs(),
            fraction: u64::try_from(fraction).map_err(|_| RiskError::MoneyOverflow)?,
            unit,
        })
    }

    /// A share of it, rounded up; at most all of it.
    ///
    /// Errors: [`RiskError::MoneyOverflow`].
    pub fn share_up(&self, share_ppm: u32) -> Result<Money, RiskError> {
        if share_ppm == 0 {
            return Ok(Money(0));
        }
        // Rounding up twice is rounding up once: the second divisor is whole. Products stay below 2^96.
        let of_fraction = u128::from(self.fraction)
            .saturating_mul(share_ppm.into())
            .div_ceil(self.unit.into());
        let share = u128::from(self.whole)
            .saturating_mul(share_ppm.into())
            .saturating_add(of_fraction)
            .div_ceil(ONE_PPM.into());
        i64::try_from(share)
            .map(Money)
            .map_err(|_| RiskError::MoneyOverflow)
    }
}

/// The fee of a leg: `rate_ppm` of its underlying's value at spot; of an option, given by its premium and the cap, at most
/// `cap_ppm` of the premium. Both are rounded up.
///
/// Errors: [`RiskError::MoneyOverflow`].
pub fn leg_fee_up(
    at_spot: &Notional,
    rate_ppm: u32,
    cap: Option<(&Notional, u32)>,
) -> Result<Money, RiskError> {
    let fee = at_spot.share_up(rate_ppm)?;
    match cap {
        None => Ok(fee),
        Some((premium, cap_ppm)) => Ok(fee.min(premium.share_up(cap_ppm)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1,234.56789012 USD, a lot of 0.001: 1,234,567.89012 micro-units a lot.
    fn lots(lots: i64) -> Notional {
        Notional::new(Price(123_456_789_012), -8, 1_000_000, lots).unwrap()
    }

    #[test]
    fn shares_are_rounded_up_once_from_the_exact_value() {
        assert_eq!(lots(1).share_up(0), Ok(Money(0)));
        assert_eq!(lots(1).share_up(1), Ok(Money(2)), "1.23456789012");
        assert_eq!(lots(1).share_up(1_000_000), Ok(Money(1_234_568)));
        // 1,234.56789012 × 1,000 lots: 1,234,567,890.12 × 500 ppm = 617,283.94506.
        assert_eq!(lots(1_000).share_up(500), Ok(Money(617_284)));
        assert_eq!(lots(-1_000), lots(1_000));
        // Half a micro-unit's millionth is still something, and an exact share is not rounded.
        let tiny = Notional::new(Price(1), -16, 1, 1).unwrap();
        assert_eq!(tiny.share_up(1), Ok(Money(1)));
        let dollar = Notional::new(Price(100_000_000), -8, 1_000_000_000, 1).unwrap();
        assert_eq!(dollar.share_up(300), Ok(Money(300)));
    }

    #[test]
    fn a_fee_equals_that_of_wide_arithmetic() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = |bits: u32| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state >> (64 - bits)
        };
        for _ in 0..10_000 {
            let (price, size, count) = (next(36), next(15), next(15));
            let exponent = -i8::try_from(next(4)).unwrap();
            let ppm = u32::try_from(next(20)).unwrap().min(ONE_PPM);
            let notional = Notional::new(Price(price), exponent, size, count as i64).unwrap();
            let exact = u128::from(price) * u128::from(size) * u128::from(count);
            let power = 10u128.pow(3 + u32::from(exponent.unsigned_abs()));
            let wanted = (exact * u128::from(ppm)).div_ceil(power * 1_000_000);
            assert_eq!(notional.share_up(ppm), Ok(Money(wanted as i64)));
        }
    }

    #[test]
    fn an_option_pays_at_most_a_share_of_its_premium() {
        let premium = Notional::new(Price(100_000_000), -8, 1_000_000, 1).unwrap();
        let spot = lots(1);
        assert_eq!(leg_fee_up(&spot, 500, None), Ok(Money(618)));
        let cap = |ppm| leg_fee_up(&spot, 500, Some((&premium, ppm)));
        assert_eq!(cap(125_000), Ok(Money(125)));
        assert_eq!(cap(125_001), Ok(Money(126)), "the cap is rounded up too");
        assert_eq!(cap(1_000_000), Ok(Money(618)));
        assert_eq!(cap(0), Ok(Money(0)));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        let huge = |price, exponent, size, lots| Notional::new(Price(price), exponent, size, lots);
        let overflow = Err(RiskError::MoneyOverflow);
        assert_eq!(huge(u64::MAX, 0, u64::MAX, 2), overflow);
        assert_eq!(huge(u64::MAX, 0, 1_000, 1), overflow);
        assert_eq!(huge(1, 4, 1, 1), Err(RiskError::BadLotValue));
        assert_eq!(huge(1, -17, 1, 1), Err(RiskError::BadLotValue));
        let most = huge(i64::MAX as u64, 0, 1_000, i64::MIN);
        assert_eq!(most, overflow);
        let most = huge(i64::MAX as u64, 0, 1_000, -1).unwrap();
        assert_eq!(most.share_up(1_000_000), Ok(Money(i64::MAX)));
    }
}
