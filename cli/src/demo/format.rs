//! Numbers for people.

use super::listing::ONE;

/// Digits in groups of three.
fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Micro-units as whole quote units, rounded to nearest: `-12,345`.
pub fn money(micro: i64) -> String {
    let whole = (micro.unsigned_abs() + 500_000) / 1_000_000;
    let sign = if micro < 0 && whole > 0 { "-" } else { "" };
    format!("{sign}{}", grouped(&whole.to_string()))
}

/// Micro-units to the last one: `-12,345.678901`.
pub fn exact(micro: i128) -> String {
    let sign = if micro < 0 { "-" } else { "" };
    let (whole, rest) = (
        micro.unsigned_abs() / 1_000_000,
        micro.unsigned_abs() % 1_000_000,
    );
    format!("{sign}{}.{rest:06}", grouped(&whole.to_string()))
}

/// A price at exponent −8 with two decimals, more below 1.
pub fn price(mantissa: u64) -> String {
    if mantissa < ONE {
        return format!("0.{mantissa:08}");
    }
    let cents = (mantissa + ONE / 200) / (ONE / 100);
    format!("{}.{:02}", grouped(&(cents / 100).to_string()), cents % 100)
}

/// A count: `1,234,567`.
pub fn count(number: u64) -> String {
    grouped(&number.to_string())
}

/// An amount of the underlying, signed, without trailing zeros: `+1,313.1`.
pub fn units(amount: f64) -> String {
    let text = format!("{:.9}", amount.abs());
    let text = text.trim_end_matches('0').trim_end_matches('.');
    let (whole, rest) = text
        .split_once('.')
        .map_or((text, String::new()), |(whole, rest)| {
            (whole, format!(".{rest}"))
        });
    let sign = if amount < 0.0 { "-" } else { "+" };
    format!("{sign}{}{rest}", grouped(whole))
}

/// A signed percentage with one decimal.
pub fn percent(fraction: f64) -> String {
    format!("{:+.1}%", fraction * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_signed() {
        assert_eq!(money(-12_345_678_900), "-12,346");
        assert_eq!(money(-400_000), "0");
        assert_eq!(exact(-1_234_000_001), "-1,234.000001");
        assert_eq!(price(12_342_670_000_000), "123,426.70");
        assert_eq!(price(1_650), "0.00001650");
        assert_eq!(count(1_000), "1,000");
        assert_eq!(units(-1313.1), "-1,313.1");
        assert_eq!(units(0.5), "+0.5");
        assert_eq!(percent(-0.2834), "-28.3%");
    }
}
