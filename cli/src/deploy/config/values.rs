//! Values of a deployment file: numbers and decimals without loss, lists that may be ranges.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::Deserialize as Derive;

/// A whole number, as an integer or, `_` allowed between digits, in quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Int(pub i128);

/// A decimal number in quotes, or an integer. Never a float: `0.1` has no exact one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    digits: u64,
    places: u32,
}

impl Decimal {
    /// `digits` × 10^−`places`.
    pub const fn new(digits: u64, places: u32) -> Self {
        Self { digits, places }
    }

    /// Reads `95000` or `0.5`.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("«{text}» is not a positive decimal number like 95000 or 0.5");
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let given = !whole.is_empty() && (text.len() == whole.len() || !fraction.is_empty());
        if !given || !is_number(whole) || !is_number(fraction) {
            return Err(wrong());
        }
        let fraction = fraction.trim_end_matches('0');
        let digits = format!("{whole}{fraction}").parse().map_err(|_| wrong())?;
        let places = u32::try_from(fraction.len()).map_err(|_| wrong())?;
        Ok(Self { digits, places })
    }

    /// The mantissa at a decimal exponent, zero or less; it has to be exact.
    ///
    /// # Errors
    /// What does not fit.
    pub fn mantissa(self, exponent: i8) -> Result<u64, String> {
        let wanted = u32::from(exponent.unsigned_abs());
        let missing = wanted.checked_sub(self.places);
        let missing = missing.ok_or_else(|| {
            format!("has more than {wanted} digits after the point, the exponent's number")
        })?;
        10u64
            .checked_pow(missing)
            .and_then(|factor| self.digits.checked_mul(factor))
            .filter(|mantissa| *mantissa > 0)
            .ok_or_else(|| format!("is zero or too large at exponent {exponent}"))
    }
}

/// Strikes: listed, spaced evenly, or in percent of a first price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strikes {
    /// These.
    List(Vec<Decimal>),
    /// From one to another, both included.
    Range {
        /// The first.
        from: Decimal,
        /// The last.
        to: Decimal,
        /// Their distance.
        step: Decimal,
    },
    /// Percent of the market's first price, each rounded to a round number.
    Percent(Vec<u64>),
}

/// Scenario parameters: the name of a preset, or all of them.
#[derive(Clone, Debug)]
pub enum Parameters {
    /// `btc`, `eth` or `sol`.
    Preset(String),
    /// A table.
    Table(ParameterTable),
}

/// Every scenario parameter.
#[derive(Clone, Debug, Derive)]
#[serde(deny_unknown_fields)]
pub struct ParameterTable {
    /// Half the width of the core block.
    pub spot_range_ppm: u32,
    /// The nine nodes.
    pub node_ppm: [i32; 9],
    /// The six tails.
    pub tail_multiple_ppm: [i32; 6],
    /// Their weights.
    pub tail_weight_ppm: [u32; 6],
    /// Largest fall.
    pub fall_limit_ppm: u32,
    /// Rise of volatility.
    pub vol_up_ppm: u32,
    /// Fall of volatility.
    pub vol_down_ppm: u32,
    /// Power of the shocks below 30 days.
    pub vol_power_short_ppm: u32,
    /// Power of the shocks from 30 days on.
    pub vol_power_long_ppm: u32,
    /// Largest change of volatility in the twist.
    pub twist_ppm: u32,
    /// Shift of every smile's correlation.
    pub skew_ppm: u32,
    /// Change of every forward.
    pub basis_ppm: u32,
    /// What it grows by with every year.
    pub basis_annual_ppm: u32,
    /// Short-option minimum.
    pub short_minimum_ppm: u32,
    /// That of the maintenance margin.
    pub short_minimum_maintenance_ppm: u32,
    /// How many times a price's confidence interval counts.
    pub oracle_confidence_ppm: u32,
    /// What the root of its age counts.
    pub oracle_age_ppm: u32,
    /// Cost of unwinding delta.
    pub unwind_delta_ppm: u32,
    /// What its margin grows by with every million.
    pub unwind_delta_impact_ppm: u32,
    /// Cost of unwinding vega.
    pub unwind_vega_ppm: u32,
    /// What its margin grows by with every million.
    pub unwind_vega_impact_ppm: u32,
}

struct IntVisitor;

impl Visitor<'_> for IntVisitor {
    type Value = Int;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a whole number")
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Int, E> {
        Ok(Int(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Int, E> {
        Ok(Int(value.into()))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Int, E> {
        let plain = text.replace('_', "");
        let number = plain.parse().map(Int);
        number.map_err(|_| E::custom(format!("«{text}» is not a whole number")))
    }
}

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IntVisitor)
    }
}

struct DecimalVisitor;

impl Visitor<'_> for DecimalVisitor {
    type Value = Decimal;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a decimal number in quotes, or an integer")
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Decimal, E> {
        Decimal::parse(&value.to_string()).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Decimal, E> {
        Ok(Decimal::new(value, 0))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Decimal, E> {
        Decimal::parse(text).map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DecimalVisitor)
    }
}

/// The two tables that strikes can be.
#[derive(Derive)]
#[serde(deny_unknown_fields)]
struct StrikeTable {
    from: Option<Decimal>,
    to: Option<Decimal>,
    step: Option<Decimal>,
    percent: Option<Vec<u64>>,
}

struct StrikesVisitor;

impl<'de> Visitor<'de> for StrikesVisitor {
    type Value = Strikes;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of strikes, {from, to, step} or {percent}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Strikes, A::Error> {
        let list = de::value::SeqAccessDeserializer::new(list);
        Vec::deserialize(list).map(Strikes::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Strikes, A::Error> {
        let table = StrikeTable::deserialize(de::value::MapAccessDeserializer::new(map))?;
        match (table.from, table.to, table.step, table.percent) {
            (Some(from), Some(to), Some(step), None) => Ok(Strikes::Range { from, to, step }),
            (None, None, None, Some(percent)) => Ok(Strikes::Percent(percent)),
            _ => Err(de::Error::custom(
                "strikes are a list, {from, to, step} or {percent}",
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Strikes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrikesVisitor)
    }
}

struct ParametersVisitor;

impl<'de> Visitor<'de> for ParametersVisitor {
    type Value = Parameters;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("\"btc\", \"eth\", \"sol\" or a table of scenario parameters")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Parameters, E> {
        Ok(Parameters::Preset(name.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Parameters, A::Error> {
        let map = de::value::MapAccessDeserializer::new(map);
        ParameterTable::deserialize(map).map(Parameters::Table)
    }
}

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ParametersVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        let at = |text: &str, exponent| Decimal::parse(text).and_then(|d| d.mantissa(exponent));
        assert_eq!(at("95000", -8), Ok(9_500_000_000_000));
        assert_eq!(at("0.5", -1), Ok(5));
        assert_eq!(at("1.50", -1), Ok(15));
        assert!(at("0.55", -1).unwrap_err().contains("more than 1 digits"));
        assert!(at("0", -1).unwrap_err().contains("zero"));
        assert!(at("99999999999", -16).unwrap_err().contains("too large"));
        for wrong in ["", ".", "1.", ".5", "-1", "1e3", "1,000"] {
            assert!(Decimal::parse(wrong).is_err(), "{wrong}");
        }
    }
}
