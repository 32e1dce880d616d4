//! What a lot is worth, and the money of fractions of it, rounded as its use needs.

use super::{Money, Price, RiskError};
use crate::fixed::{halves, leading_zeros, normalised, quotient, quotient_of_wide, wide_product};

/// The value of one lot at spot: between `mantissa` and `mantissa_up` over `2^shift` micro-units, with
/// 48-bit mantissas, so that it is good to 2^-47 whatever the market's price and lot size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LotValue {
    mantissa: u64,
    mantissa_up: u64,
    shift: i32,
}

/// Divisors that leave 26 bits and more of a number of 64, and a rest with room for 26 bits more.
const SHORT_DIVISORS: core::ops::Range<u64> = 1 << 26..1 << 38;

/// 10^0 to 10^19.
const POWERS_OF_TEN: [u64; 20] = {
    let mut powers = [1; 20];
    let mut index: usize = 1;
    while index < 20 {
        powers[index] = 10 * powers[index - 1];
        index += 1;
    }
    powers
};

impl LotValue {
    /// From a spot mantissa at `price_exponent` and a lot of `lot_size` billionths of a unit.
    ///
    /// Micro-units per lot = `spot × 10^price_exponent × lot_size × 10^-9 × 10^6`.
    pub fn new(spot: Price, price_exponent: i8, lot_size: u64) -> Result<Self, RiskError> {
        let exponent = i32::from(price_exponent).saturating_sub(3);
        let power = *POWERS_OF_TEN
            .get(usize::try_from(exponent.unsigned_abs()).unwrap_or(usize::MAX))
            .ok_or(RiskError::BadLotValue)?;
        if spot.0 == 0 || lot_size == 0 {
            return Err(RiskError::BadLotValue);
        }
        let (product, divisor) = if exponent < 0 {
            (wide_product(spot.0, lot_size), power)
        } else {
            let product = u128::from(spot.0).checked_mul(u128::from(lot_size));
            let scaled = product
                .and_then(|product| product.checked_mul(u128::from(power)))
                .ok_or(RiskError::BadLotValue)?;
            (halves(scaled), 1)
        };
        let (raised, raise) = normalised(product);
        Ok(if SHORT_DIVISORS.contains(&divisor) {
            Self::of_short_quotient(raised, divisor, raise)
        } else {
            Self::of_quotient(raised, divisor, raise)
        })
    }

    /// Of a number whose top bit of 128 is set and which was raised by so many bits, and a divisor.
    #[inline(never)]
    fn of_quotient((high, low): (u64, u64), divisor: u64, raise: u32) -> Self {
        let top = quotient(high, divisor);
        let rest = high.wrapping_sub(top.wrapping_mul(divisor));
        let (bottom, remainder) = quotient_of_wide(rest, low, divisor);
        // The numerator has its top bit at 127 and the divisor is below 2^64, so the quotient is at least 2^63.
        let bits = 128u32.saturating_sub(if top == 0 {
            bottom.leading_zeros().saturating_add(64)
        } else {
            top.leading_zeros()
        });
        // 16..=80.
        let lower = bits.saturating_sub(48);
        let (mantissa, dropped) = match lower.checked_sub(64) {
            Some(lower) => (
                top >> lower,
                bottom | (top & (1u64 << lower).wrapping_sub(1)),
            ),
            None => {
                let above = top.checked_shl(64u32.saturating_sub(lower)).unwrap_or(0);
                (
                    above | (bottom >> lower),
                    bottom & (1u64 << lower).wrapping_sub(1),
                )
            }
        };
        let exact = dropped == 0 && remainder == 0;
        Self {
            mantissa,
            mantissa_up: mantissa.saturating_add(u64::from(!exact)),
            // Both are at most 127.
            shift: raise.cast_signed().saturating_sub(lower.cast_signed()),
        }
    }

    /// [`LotValue::of_quotient`] for one of [`SHORT_DIVISORS`]: two divisions of 64 bits give 51 bits of the quotient and more,
    /// where 48 are kept.
    #[inline(always)]
    fn of_short_quotient((high, low): (u64, u64), divisor: u64, raise: u32) -> Self {
        // From 2^25 up to 2^38.
        let top = quotient(high, divisor);
        let rest = high.wrapping_sub(top.wrapping_mul(divisor));
        // Below the divisor times 2^26: 64 bits.
        let next = (rest << 26) | (low >> 38);
        let bottom = quotient(next, divisor);
        let remainder = next.wrapping_sub(bottom.wrapping_mul(divisor));
        let whole = (top << 26) | bottom;
        // 3..=16.
        let lower = 16u32.saturating_sub(leading_zeros(whole));
        let dropped = (whole & (1u64 << lower).wrapping_sub(1)) | remainder | (low << 26);
        let mantissa = whole >> lower;
        Self {
            mantissa,
            mantissa_up: mantissa.saturating_add(u64::from(dropped != 0)),
            shift: raise
                .cast_signed()
                .saturating_sub(lower.cast_signed())
                .saturating_sub(38),
        }
    }

    /// At most 2^32, and a shift: the value of a lot is no more than `mantissa / 2^shift` micro-units, and hardly less.
    pub(crate) fn shortened_up(&self) -> (u64, i32) {
        let mantissa = (self.mantissa_up >> 16).saturating_add(1);
        (mantissa, self.shift.saturating_sub(16))
    }

    /// Money of a lot-weighted fraction of spot in Qn (`lots × fraction × 2^bits`), rounded up
    /// (towards +∞): for losses and requirements.
    #[inline(never)]
    pub fn money_up(&self, lots_fraction: i128, bits: u32) -> Result<Money, RiskError> {
        match self.short_money_down(lots_fraction.wrapping_neg(), bits) {
            Some(up) => Ok(Money(up.wrapping_neg())),
            None => self.long_money_up(lots_fraction, bits),
        }
    }

    /// Money of a lot-weighted fraction of spot in Qn, rounded down (towards −∞): for values.
    #[inline(never)]
    pub fn money_down(&self, lots_fraction: i128, bits: u32) -> Result<Money, RiskError> {
        match self.short_money_down(lots_fraction, bits) {
            Some(money) => Ok(Money(money)),
            None => self.long_money_down(lots_fraction, bits),
        }
    }

    /// [`LotValue::money_down`] of amounts of 39 bits, as they nearly always are: two products of 64 bits.
    #[inline(always)]
    fn short_money_down(&self, lots_fraction: i128, bits: u32) -> Option<i64> {
        #[allow(clippy::cast_possible_truncation, reason = "compared below")]
        let lots = lots_fraction as i64;
        let size = lots.unsigned_abs();
        // One below 0 becomes large.
        let shift = self
            .shift
            .wrapping_add(bits.cast_signed())
            .wrapping_sub(24)
            .cast_unsigned();
        if i128::from(lots) != lots_fraction || size >> 39 != 0 || shift.wrapping_sub(1) >= 62 {
            return None;
        }
        let mantissa = self.mantissa_of(lots < 0);
        // A mantissa is at most 2^48: no product reaches 2^63, and the sum stays below 2^64.
        let low = size.wrapping_mul(mantissa & 0xff_ffff);
        let sum = size.wrapping_mul(mantissa >> 24).wrapping_add(low >> 24);
        let quotient = (sum >> shift).cast_signed();
        if lots >= 0 {
            return Some(quotient);
        }
        let dropped = (sum & (1u64 << shift).wrapping_sub(1)) | (low & 0xff_ffff);
        Some(
            quotient
                .wrapping_add(i64::from(dropped != 0))
                .wrapping_neg(),
        )
    }

    /// [`LotValue::money_up`] of any amounts.
    #[inline(never)]
    fn long_money_up(&self, lots_fraction: i128, bits: u32) -> Result<Money, RiskError> {
        let down = lots_fraction
            .checked_neg()
            .ok_or(RiskError::MoneyOverflow)?;
        let down = self.long_money_down(down, bits)?;
        down.0
            .checked_neg()
            .map(Money)
            .ok_or(RiskError::MoneyOverflow)
    }

    /// [`LotValue::money_down`] of any amounts: within ±2^62 in 64 bits.
    #[inline(never)]
    fn long_money_down(&self, lots_fraction: i128, bits: u32) -> Result<Money, RiskError> {
        let shift = self.shift.wrapping_add(bits.cast_signed());
        if let (Ok(lots), Ok(shift)) = (i64::try_from(lots_fraction), u32::try_from(shift)) {
            if let Some(money) = shifted_product_down(lots, self.mantissa_of(lots < 0), shift) {
                return Ok(Money(money));
            }
        }
        self.wide_money_down(lots_fraction, bits)
    }

    /// The mantissa that rounds down.
    #[inline(always)]
    const fn mantissa_of(&self, is_negative: bool) -> u64 {
        if is_negative {
            self.mantissa_up
        } else {
            self.mantissa
        }
    }

    /// Writes the money of fractions of spot in Q28 that are scaled down by `scale` bits, an error added to each, rounded up (towards +∞),
    /// and at most `most`. In 64 bits, good to 2^-28, where none takes more than 33.
    pub(crate) fn money_up_each<const N: usize>(
        &self,
        scaled: &[i64; N],
        (error, most): (i64, Money),
        scale: u32,
        money: &mut [Money; N],
    ) -> Result<(), RiskError> {
        /// Bits of the 48 of a mantissa that are left out.
        const DROPPED: u32 = 19;
        let shift = i64::from(self.shift)
            .saturating_add(28)
            .saturating_sub(i64::from(scale.saturating_add(DROPPED)));
        let shift = u32::try_from(shift).ok().filter(|shift| *shift < 63);
        let size = scaled.iter().fold(error.unsigned_abs(), |size, fraction| {
            size | fraction.unsigned_abs()
        });
        if let (Some(shift), true) = (shift, size < 1 << 32) {
            let up = (self.mantissa_up >> DROPPED).wrapping_add(1).cast_signed();
            let down = (self.mantissa >> DROPPED).cast_signed();
            for (money, fraction) in money.iter_mut().zip(scaled) {
                // Below 2^33 × (2^29 + 1).
                let fraction = fraction.wrapping_add(error);
                let mantissa = if fraction > 0 { up } else { down };
                let product = fraction.wrapping_mul(mantissa).wrapping_neg();
                *money = Money((product >> shift).wrapping_neg()).min(most);
            }
            return Ok(());
        }
        for (money, fraction) in money.iter_mut().zip(scaled) {
            let wide = i128::from(fraction.saturating_add(error)).checked_shl(scale);
            let exact = self.money_up(wide.ok_or(RiskError::MoneyOverflow)?, 28)?;
            *money = exact.min(most);
        }
        Ok(())
    }

    /// [`LotValue::money_down`] for any amounts.
    #[inline(never)]
    fn wide_money_down(&self, lots_fraction: i128, bits: u32) -> Result<Money, RiskError> {
        let mantissa = self.mantissa_of(lots_fraction < 0);
        let product = lots_fraction
            .checked_mul(i128::from(mantissa))
            .ok_or(RiskError::MoneyOverflow)?;
        let shift = self
            .shift
            .checked_add_unsigned(bits)
            .ok_or(RiskError::MoneyOverflow)?;
        let value = if shift >= 0 {
            product.checked_shr(shift.unsigned_abs().min(127))
        } else {
            1i128
                .checked_shl(shift.unsigned_abs())
                .and_then(|factor| product.checked_mul(factor))
        };
        value
            .and_then(|value| i64::try_from(value).ok())
            .map(Money)
            .ok_or(RiskError::MoneyOverflow)
    }
}

/// `amount × mantissa / 2^shift`, rounded down, for a mantissa of at most 48 bits and a shift below 112; `None` beyond those
/// and where the result may not fit. Four products of 56 bits: the compiler's 128 bits cost three times as much on chain.
#[inline(never)]
fn shifted_product_down(amount: i64, mantissa: u64, shift: u32) -> Option<i64> {
    const LOW_24: u64 = (1 << 24) - 1;
    const LOW_56: u64 = (1 << 56) - 1;
    if mantissa > 1 << 48 || shift >= 112 {
        return None;
    }
    let size = amount.unsigned_abs();
    let (size_high, size_low) = (size >> 32, size & 0xffff_ffff);
    // The upper part is at most 2^24: each product is at most 2^56, and each sum below it at most 2^57 + 2^49.
    let (high, low) = (mantissa >> 24, mantissa & LOW_24);
    let lowest = size_low.wrapping_mul(low);
    let middle = size_low.wrapping_mul(high).wrapping_add(lowest >> 24);
    let upper = size_high.wrapping_mul(low).wrapping_add(middle >> 8);
    let top = size_high.wrapping_mul(high).wrapping_add(upper >> 24);
    // The product is top × 2^56 + bottom.
    let bottom = ((upper & LOW_24) << 32) | ((middle & 0xff) << 24) | (lowest & LOW_24);
    let (quotient, rest) = match 56u32.checked_sub(shift) {
        Some(up) => {
            if top >> (62u32.saturating_sub(up)) != 0 {
                return None;
            }
            let kept = (top << up) | (bottom >> shift);
            (kept, bottom & (LOW_56 >> up))
        }
        None => {
            let down = shift.wrapping_sub(56);
            let rest = top & (1u64 << down).wrapping_sub(1);
            (top >> down, rest | bottom)
        }
    };
    // At most 2^62.
    let quotient = quotient.cast_signed();
    Some(if amount < 0 {
        quotient.wrapping_add(i64::from(rest != 0)).wrapping_neg()
    } else {
        quotient
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::AMOUNTS;
    use super::*;

    #[test]
    fn a_lot_of_bitcoin_is_worth_its_share_of_the_price() {
        // 123,426.70 USD at exponent -8, a lot of 0.001: 123.4267 USD.
        let lot = LotValue::new(Price(12_342_670_000_000), -8, 1_000_000).unwrap();
        assert_eq!(lot.money_down(1, 0).unwrap().0, 123_426_700);
        assert_eq!(lot.money_down(-1, 0).unwrap().0, -123_426_700);
        // A third of a micro-unit more: no longer exact, so the two directions differ.
        let lot = LotValue::new(Price(12_342_670_000_033), -8, 1_000_000).unwrap();
        assert_eq!(lot.money_down(1, 0).unwrap().0, 123_426_700);
        assert_eq!(lot.money_up(1, 0).unwrap().0, 123_426_701);
        assert_eq!(lot.money_down(-1, 0).unwrap().0, -123_426_701);
    }

    #[test]
    fn a_product_of_limbs_is_the_product() {
        let amounts = [
            0,
            1,
            2,
            3,
            0xffff_ffff,
            1 << 32,
            (1 << 40) + 12_345,
            i64::MAX,
            i64::MIN,
        ];
        let amounts = amounts
            .iter()
            .flat_map(|amount| [*amount, amount.wrapping_neg()]);
        let mantissas = [
            0,
            1,
            (1 << 24) - 1,
            1 << 24,
            (1 << 47) + 987_654_321,
            (1 << 48) - 1,
            1 << 48,
        ];
        let mut taken = 0;
        for amount in amounts {
            for mantissa in mantissas {
                for shift in 0..112 {
                    let exact = (i128::from(amount) * i128::from(mantissa)) >> shift;
                    match shifted_product_down(amount, mantissa, shift) {
                        Some(product) => {
                            assert_eq!(i128::from(product), exact, "{amount} {mantissa} {shift}");
                            taken += 1;
                        }
                        None => assert!(
                            exact.unsigned_abs() >= 1 << 61,
                            "{amount} {mantissa} {shift}"
                        ),
                    }
                }
            }
        }
        assert!(taken > 9_000, "{taken}");
        assert_eq!(shifted_product_down(1, (1 << 48) + 1, 0), None);
        assert_eq!(shifted_product_down(1, 1, 112), None);
    }

    #[test]
    fn tiny_and_huge_lots_keep_their_precision() {
        // 0.00002 USD at exponent -10, a lot of one billionth: 2e-8 micro-units.
        let lot = LotValue::new(Price(200_000), -10, 1).unwrap();
        let lots = 1i128 << 40;
        let expected = 2e-8 * lots as f64;
        assert!((lot.money_down(lots, 0).unwrap().0 as f64 - expected).abs() <= 1.0);
        let lot = LotValue::new(Price(1 << 50), 0, 1_000_000_000).unwrap();
        assert_eq!(
            lot.money_down(1, 30).unwrap().0,
            (((1i128 << 50) * 1_000_000) >> 30) as i64
        );
    }

    #[test]
    fn a_short_division_gives_the_lot_of_a_long_one() {
        let ends = [SHORT_DIVISORS.start, SHORT_DIVISORS.end - 1];
        let divisors = ends
            .into_iter()
            .chain(
                POWERS_OF_TEN
                    .into_iter()
                    .filter(|d| SHORT_DIVISORS.contains(d)),
            )
            .chain((26..38).map(|bit| (1 << bit) + 12_345));
        let mut state = 1u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state ^ (state >> 29)
        };
        for divisor in divisors {
            for round in 0..4_000u32 {
                let high = match round % 4 {
                    0 => 1 << 63,
                    1 => u64::MAX,
                    _ => next() | (1 << 63),
                };
                let low = [0, 1, u64::MAX, next(), next() << 40, next() >> 30][round as usize % 6];
                assert_eq!(
                    LotValue::of_short_quotient((high, low), divisor, round % 128),
                    LotValue::of_quotient((high, low), divisor, round % 128),
                    "{high} {low} {divisor}"
                );
            }
            // Without a rest: the mantissa is exact.
            let exact = halves(u128::from(divisor) << (64 + divisor.leading_zeros()));
            let lot = LotValue::of_short_quotient(exact, divisor, 0);
            assert_eq!(lot, LotValue::of_quotient(exact, divisor, 0));
            assert_eq!(lot.mantissa, lot.mantissa_up);
        }
    }

    #[test]
    fn refuses_what_cannot_be_a_lot() {
        assert_eq!(LotValue::new(Price(0), -8, 1), Err(RiskError::BadLotValue));
        assert_eq!(LotValue::new(Price(1), -8, 0), Err(RiskError::BadLotValue));
        assert_eq!(
            LotValue::new(Price(1), -100, 1),
            Err(RiskError::BadLotValue)
        );
    }

    #[test]
    fn short_ways_and_long_ways_give_the_same() {
        for (price, lot_size) in [
            (12_342_670_000_033, 1_000_000),
            (200_000, 1),
            (1 << 50, 1_000_000_000),
        ] {
            let lot = LotValue::new(Price(price), -8, lot_size).unwrap();
            let edges = [0, (1 << 39) - 1, 1 << 39, (1 << 38) + 7, 98_765_432_109];
            let amounts = AMOUNTS.into_iter().chain(edges);
            for lots in amounts.flat_map(|lots| [lots, -lots]) {
                for bits in [0, 1, 2, 3, 24, 28, 30, 60, 61, 62, 63] {
                    let wide = lot.wide_money_down(i128::from(lots), bits);
                    assert_eq!(lot.money_down(i128::from(lots), bits), wide);
                    let up = lot.wide_money_down(-i128::from(lots), bits);
                    let up = up.map(|down| Money(-down.0));
                    assert_eq!(lot.money_up(i128::from(lots), bits), up);
                }
            }
        }
    }
}
