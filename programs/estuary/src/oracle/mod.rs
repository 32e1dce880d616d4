//! From a price account to a checked price: one adapter per account format, one set of checks for all of them.

#[cfg(feature = "legacy-push-oracle")]
pub mod legacy_push;
pub mod pyth_pull;

use crate::{error::EstuaryError, state::Market};
use anchor_lang::prelude::*;

/// Smallest decimal exponent a feed may state.
pub const MIN_EXPONENT: i32 = -18;
/// Largest decimal exponent a feed may state.
pub const MAX_EXPONENT: i32 = 0;
/// Parts of a whole in `max_confidence_ppm`.
const PPM: u128 = 1_000_000;

/// A price as an adapter read it: authentic and of the right feed, otherwise unchecked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedPrice {
    /// Mantissa of the price.
    pub price: i64,
    /// Mantissa of the half width of the confidence interval.
    pub confidence: u64,
    /// Decimal exponent of both.
    pub exponent: i32,
    /// When the price was published, unix seconds.
    pub publish_time: i64,
}

/// A price the margin engine may use, at the market's exponent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedPrice {
    /// Mantissa of the price, rounded down where the feed has more digits than the market; positive.
    pub price: u64,
    /// Mantissa of the half width of the confidence interval, rounded up.
    pub confidence: u64,
    /// When the price was published, unix seconds.
    pub publish_time: i64,
    /// Age of the price, seconds.
    pub age_seconds: u32,
}

/// The limits a price has to meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceLimits {
    /// Exponent of the result.
    pub exponent: i8,
    /// Oldest acceptable age, seconds.
    pub max_age_seconds: u32,
    /// Widest acceptable confidence, parts per million of the price.
    pub max_confidence_ppm: u32,
    /// Publish time of the last price the market has seen.
    pub last_publish_time: i64,
    /// The clock, unix seconds.
    pub now: i64,
}

/// Whether this build can read the price accounts of a program.
#[must_use]
pub fn is_supported(program: &Pubkey) -> bool {
    #[cfg(feature = "legacy-push-oracle")]
    if legacy_push::is_supported(program) {
        return true;
    }
    *program == pyth_pull::PROGRAM_ID
}

/// Reads the price account of a market, given by its address, owner and data.
///
/// # Errors
/// [`EstuaryError::PriceAccountOwner`] unless the account belongs to the program the market pinned, and the adapter's
/// errors.
pub fn read(address: &Pubkey, owner: &Pubkey, data: &[u8], market: &Market) -> Result<FeedPrice> {
    require_keys_eq!(
        *owner,
        market.price_program,
        EstuaryError::PriceAccountOwner
    );
    #[cfg(feature = "legacy-push-oracle")]
    if legacy_push::is_supported(owner) {
        return legacy_push::read(address, data, &market.feed_id);
    }
    // Where the older oracle is compiled in, its accounts are known by their address.
    let _ = address;
    pyth_pull::read(data, &market.feed_id)
}

impl PriceLimits {
    /// The limits of a market whose ledger has seen a price of `last_publish_time`.
    #[must_use]
    pub const fn of(market: &Market, last_publish_time: i64, now: i64) -> Self {
        Self {
            exponent: market.price_exponent,
            max_age_seconds: market.max_price_age_seconds,
            max_confidence_ppm: market.max_confidence_ppm,
            last_publish_time,
            now,
        }
    }
}

/// Reads and checks the price account of a market.
///
/// # Errors
/// [`EstuaryError::PriceAccountOwner`] for another account of the instruction, which is borrowed already; those of [`read`]
/// and [`FeedPrice::check`].
pub fn checked(
    account: &AccountInfo<'_>,
    market: &Market,
    limits: &PriceLimits,
) -> Result<CheckedPrice> {
    let data = account
        .try_borrow_data()
        .map_err(|_| error!(EstuaryError::PriceAccountOwner))?;
    read(account.key, account.owner, &data, market)?.check(limits)
}

impl FeedPrice {
    /// Checks a price against a market's limits and converts it to the market's exponent.
    ///
    /// # Errors
    /// One error per check: [`EstuaryError::PriceNotPositive`], [`EstuaryError::PriceExponentOutOfRange`],
    /// [`EstuaryError::PriceFromTheFuture`], [`EstuaryError::PriceOlderThanLast`], [`EstuaryError::PriceTooOld`],
    /// [`EstuaryError::PriceTooUncertain`], [`EstuaryError::PriceNotRepresentable`].
    pub fn check(&self, limits: &PriceLimits) -> Result<CheckedPrice> {
        require_gt!(self.price, 0, EstuaryError::PriceNotPositive);
        require_gte!(
            self.exponent,
            MIN_EXPONENT,
            EstuaryError::PriceExponentOutOfRange
        );
        require_gte!(
            MAX_EXPONENT,
            self.exponent,
            EstuaryError::PriceExponentOutOfRange
        );
        require_gte!(
            limits.now,
            self.publish_time,
            EstuaryError::PriceFromTheFuture
        );
        require_gte!(
            self.publish_time,
            limits.last_publish_time,
            EstuaryError::PriceOlderThanLast
        );
        let age = limits.now.saturating_sub(self.publish_time);
        require_gte!(
            i64::from(limits.max_age_seconds),
            age,
            EstuaryError::PriceTooOld
        );
        let price = self.price.unsigned_abs();
        if is_wider(self.confidence, price, limits.max_confidence_ppm) {
            return Err(
                error!(EstuaryError::PriceTooUncertain).with_values((self.confidence, price))
            );
        }
        self.convert(price, age, limits.exponent)
    }

    /// The price at another exponent: price rounded down, confidence up.
    fn convert(&self, price: u64, age: i64, exponent: i8) -> Result<CheckedPrice> {
        let age_seconds = u32::try_from(age).map_err(|_| error!(EstuaryError::PriceTooOld))?;
        let digits = self.exponent.saturating_sub(i32::from(exponent));
        if digits == 0 {
            return Ok(CheckedPrice {
                price,
                confidence: self.confidence,
                publish_time: self.publish_time,
                age_seconds,
            });
        }
        let not_representable =
            || error!(EstuaryError::PriceNotRepresentable).with_values((self.exponent, exponent));
        let factor = 10u64
            .checked_pow(digits.unsigned_abs())
            .ok_or_else(not_representable)?;
        let (price, confidence) = if digits >= 0 {
            (
                price.checked_mul(factor),
                self.confidence.checked_mul(factor),
            )
        } else {
            (
                price.checked_div(factor),
                Some(self.confidence.div_ceil(factor)),
            )
        };
        Ok(CheckedPrice {
            price: price
                .filter(|price| *price > 0)
                .ok_or_else(not_representable)?,
            confidence: confidence.ok_or_else(not_representable)?,
            publish_time: self.publish_time,
            age_seconds,
        })
    }
}

/// Whether a confidence interval is wider than so many parts per million of the price.
fn is_wider(confidence: u64, price: u64, max_ppm: u32) -> bool {
    if confidence >> 44 == 0 && price >> 44 == 0 && max_ppm >> 20 == 0 {
        // Below 2^44 × 2^20 each: products of 128 bits are dear on chain.
        return confidence.wrapping_mul(1_000_000) > price.wrapping_mul(max_ppm.into());
    }
    let width = u128::from(confidence).saturating_mul(PPM);
    width > u128::from(price).saturating_mul(max_ppm.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: PriceLimits = PriceLimits {
        exponent: -8,
        max_age_seconds: 60,
        max_confidence_ppm: 20_000,
        last_publish_time: 900,
        now: 1_000,
    };
    const GOOD: FeedPrice = FeedPrice {
        price: 123_456_789,
        confidence: 1_000,
        exponent: -8,
        publish_time: 990,
    };

    fn code(result: Result<CheckedPrice>) -> u32 {
        match result.unwrap_err() {
            Error::AnchorError(error) => error.error_code_number,
            Error::ProgramError(_) => 0,
        }
    }

    #[test]
    fn a_good_price_passes_unchanged() {
        let price = GOOD.check(&LIMITS).unwrap();
        assert_eq!(
            (price.price, price.confidence, price.age_seconds),
            (123_456_789, 1_000, 10)
        );
    }

    #[test]
    fn exponents_convert_with_stated_rounding() {
        let fewer_digits = FeedPrice {
            exponent: -5,
            ..GOOD
        }
        .check(&LIMITS)
        .unwrap();
        assert_eq!(
            (fewer_digits.price, fewer_digits.confidence),
            (123_456_789_000, 1_000_000)
        );
        let more_digits = FeedPrice {
            exponent: -10,
            confidence: 1_001,
            ..GOOD
        }
        .check(&LIMITS)
        .unwrap();
        assert_eq!((more_digits.price, more_digits.confidence), (1_234_567, 11));
    }

    #[test]
    fn every_bad_price_has_its_own_error() {
        let cases: [(FeedPrice, EstuaryError); 8] = [
            (
                FeedPrice { price: 0, ..GOOD },
                EstuaryError::PriceNotPositive,
            ),
            (
                FeedPrice {
                    exponent: -19,
                    ..GOOD
                },
                EstuaryError::PriceExponentOutOfRange,
            ),
            (
                FeedPrice {
                    exponent: 1,
                    ..GOOD
                },
                EstuaryError::PriceExponentOutOfRange,
            ),
            (
                FeedPrice {
                    publish_time: 1_001,
                    ..GOOD
                },
                EstuaryError::PriceFromTheFuture,
            ),
            (
                FeedPrice {
                    publish_time: 899,
                    ..GOOD
                },
                EstuaryError::PriceOlderThanLast,
            ),
            (
                FeedPrice {
                    publish_time: 939,
                    ..GOOD
                },
                EstuaryError::PriceTooOld,
            ),
            (
                FeedPrice {
                    confidence: 2_469_136,
                    ..GOOD
                },
                EstuaryError::PriceTooUncertain,
            ),
            (
                FeedPrice {
                    price: i64::MAX,
                    exponent: 0,
                    ..GOOD
                },
                EstuaryError::PriceNotRepresentable,
            ),
        ];
        for (price, expected) in cases {
            assert_eq!(code(price.check(&LIMITS)), u32::from(expected), "{price:?}");
        }
        let tight = PriceLimits {
            last_publish_time: 0,
            ..LIMITS
        };
        assert_eq!(
            code(
                FeedPrice {
                    publish_time: 939,
                    ..GOOD
                }
                .check(&tight)
            ),
            u32::from(EstuaryError::PriceTooOld)
        );
        assert!(FeedPrice {
            publish_time: 940,
            ..GOOD
        }
        .check(&tight)
        .is_ok());
    }
}
