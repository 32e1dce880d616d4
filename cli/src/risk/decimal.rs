//! Decimals as people write them: read exactly, never through a float.

use std::fmt;

/// At most this many significant digits, so that a decimal times a lot count fits 128 bits.
const MAX_DIGITS: usize = 27;
/// Digits of a float's decimal: what 128 bits hold.
const FLOAT_DIGITS: usize = 38;
/// At most this many decimals.
const MAX_DECIMALS: i64 = 99;

/// `mantissa / 10^decimals`, without trailing zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    mantissa: i128,
    decimals: u32,
}

/// A decimal brought to a fixed number of decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scaled {
    /// The value in units of `10^-decimals`.
    pub units: i128,
    /// Whether nothing was rounded.
    pub exact: bool,
}

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self {
        mantissa: 0,
        decimals: 0,
    };

    /// `mantissa × 10^-decimals`.
    pub fn new(mantissa: i128, decimals: u32) -> Self {
        let mut new = Self { mantissa, decimals };
        while new.decimals > 0 && new.mantissa % 10 == 0 {
            new.mantissa /= 10;
            new.decimals -= 1;
        }
        new
    }

    /// Reads the text of a JSON number; the error says which limit it breaks.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::parse_digits(text, MAX_DIGITS)
    }

    fn parse_digits(text: &str, max_digits: usize) -> Result<Self, String> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (digits, exponent) = match unsigned.split_once(['e', 'E']) {
            None => (unsigned, 0),
            Some((digits, exponent)) => {
                let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
                let exponent = exponent
                    .parse::<i32>()
                    .map_err(|_| format!("{text} is not a number this command can read"))?;
                (digits, i64::from(exponent))
            }
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all: String = [whole, fraction].concat();
        let significant = all.trim_matches('0');
        if significant.is_empty() {
            return Ok(Self::ZERO);
        }
        // The first place the digits give, and what trimming took off the end.
        let trimmed = all.len() - all.trim_end_matches('0').len();
        let decimals = fraction.len() as i64 - exponent - trimmed as i64;
        let zeros = usize::try_from(-decimals).unwrap_or(0);
        if significant.len().saturating_add(zeros) > max_digits || decimals > MAX_DECIMALS {
            return Err(format!(
                "{text} has more than {max_digits} digits or {MAX_DECIMALS} decimals"
            ));
        }
        let mantissa: i128 = significant
            .parse()
            .map_err(|_| format!("{text} is not a number this command can read"))?;
        let mantissa = mantissa * 10i128.pow(zeros as u32);
        Ok(Self {
            mantissa: if text.starts_with('-') {
                -mantissa
            } else {
                mantissa
            },
            decimals: u32::try_from(decimals).unwrap_or(0),
        })
    }

    /// How many decimals it has.
    pub const fn decimals(self) -> u32 {
        self.decimals
    }

    /// The digits, all decimals included.
    pub const fn mantissa(self) -> i128 {
        self.mantissa
    }

    /// Whether it is below zero.
    pub const fn is_negative(self) -> bool {
        self.mantissa < 0
    }

    /// The sum; `None` beyond 128 bits.
    pub fn plus(self, other: Self) -> Option<Self> {
        let decimals = self.decimals.max(other.decimals);
        let units = |value: Self| value.nearest(decimals as i32).map(|scaled| scaled.units);
        let sum = units(self)?.checked_add(units(other)?)?;
        Some(Self::new(sum, decimals))
    }

    /// In units of `10^-decimals`, to the nearest (halves away from zero); `None` beyond 128 bits.
    /// A negative `decimals` counts tens, hundreds and so on.
    pub fn nearest(self, decimals: i32) -> Option<Scaled> {
        let shift = i64::from(decimals) - i64::from(self.decimals);
        let Some(divisor) = power_of_ten(-shift) else {
            return Some(Scaled {
                units: 0,
                exact: self.mantissa == 0,
            });
        };
        if shift >= 0 {
            let units = self.mantissa.checked_mul(power_of_ten(shift)?)?;
            return Some(Scaled { units, exact: true });
        }
        let (quotient, rest) = (self.mantissa / divisor, self.mantissa % divisor);
        let away = i128::from(rest.unsigned_abs() >= divisor.unsigned_abs().div_ceil(2));
        Some(Scaled {
            units: quotient + away * rest.signum(),
            exact: rest == 0,
        })
    }

    /// `value × 2^32` to the nearest; `None` beyond 64 bits or below zero.
    pub fn q32(self) -> Option<u64> {
        let numerator = self.mantissa.checked_mul(1 << 33)?;
        let doubled = match power_of_ten(i64::from(self.decimals)) {
            Some(divisor) => numerator / divisor,
            None => 0,
        };
        u64::try_from((doubled + 1) >> 1).ok()
    }

    /// The nearest float, for output that is not money.
    pub fn to_f64(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// A float below 10^38 to `digits` significant digits; 0 where it is below 10^-99.
    pub fn from_f64(value: f64, digits: usize) -> Self {
        let text = format!("{:.*e}", digits.saturating_sub(1), value);
        Self::parse_digits(&text, FLOAT_DIGITS).unwrap_or(Self::ZERO)
    }
}

/// `10^power`, 1 for negative powers, `None` beyond 128 bits.
fn power_of_ten(power: i64) -> Option<i128> {
    10i128.checked_pow(u32::try_from(power.max(0)).ok()?)
}

/// `value × 10^power`, rounded down (towards −∞); `None` beyond 128 bits.
pub fn scale_down(value: i128, power: i64) -> Option<i128> {
    if power >= 0 {
        return value.checked_mul(power_of_ten(power)?);
    }
    match power_of_ten(-power) {
        Some(divisor) => Some(value.div_euclid(divisor)),
        None => Some(if value < 0 { -1 } else { 0 }),
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.decimals as usize;
        let digits = format!("{:0>1$}", self.mantissa.unsigned_abs(), places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        let point = if fraction.is_empty() { "" } else { "." };
        f.pad_integral(self.mantissa >= 0, "", &format!("{whole}{point}{fraction}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn reads_what_json_allows_and_prints_it_plainly() {
        for (text, plain) in [
            ("0", "0"),
            ("-0.0", "0"),
            ("123426.70", "123426.7"),
            ("-0.001", "-0.001"),
            ("1e3", "1000"),
            ("1.5E+2", "150"),
            ("12.5e-4", "0.00125"),
            (
                "0.10000000000000000000000001",
                "0.10000000000000000000000001",
            ),
        ] {
            assert_eq!(read(text).to_string(), plain, "{text}");
        }
        assert!(Decimal::parse("1e27").is_err());
        assert!(Decimal::parse("1e-100").is_err());
    }

    #[test]
    fn scales_to_the_nearest_and_says_whether_exact() {
        let nearest = |text, decimals| read(text).nearest(decimals).map(|s| (s.units, s.exact));
        assert_eq!(nearest("1.25", 2), Some((125, true)));
        assert_eq!(nearest("1.25", 1), Some((13, false)));
        assert_eq!(nearest("-1.25", 1), Some((-13, false)));
        assert_eq!(nearest("1.24", 1), Some((12, false)));
        assert_eq!(nearest("1e-60", 6), Some((0, false)));
        assert_eq!(nearest("1234", -2), Some((12, false)));
        assert_eq!(nearest("1e26", 30), None);
    }

    #[test]
    fn scaling_down_goes_towards_minus_infinity() {
        assert_eq!(scale_down(-15, -1), Some(-2));
        assert_eq!(scale_down(15, -1), Some(1));
        assert_eq!(scale_down(-1, -60), Some(-1));
        assert_eq!(scale_down(3, 2), Some(300));
    }

    #[test]
    fn fixed_point_is_to_the_nearest() {
        assert_eq!(read("0.5").q32(), Some(1 << 31));
        assert_eq!(read("12").q32(), Some(12 << 32));
        assert_eq!(read("-1").q32(), None);
        assert_eq!(Decimal::from_f64(0.1 + 0.2, 12).to_string(), "0.3");
        assert_eq!(
            Decimal::from_f64(-1.25e-9, 12).to_string(),
            "-0.00000000125"
        );
    }
}
