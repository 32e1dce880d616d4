//! How far a market and earlier ones offset each other.

use estuary::instructions::OffsetArgs;
use estuary::state::MAX_OFFSETS;
use estuary_risk::portfolio::MAX_OFFSET_PPM;

use super::market::{Source, PPM};
use super::raw::OffsetRule;
use super::resolve::{integer, wrong};
use super::{ConfigError, MarketConfig};

/// The offsets of a market with the markets before it. In a template a rule about a market that does not take part says
/// nothing.
pub fn offsets(
    source: &Source<'_>,
    earlier: &[MarketConfig],
    is_template: bool,
) -> Result<Vec<OffsetArgs>, ConfigError> {
    let rules = source.keys.offsets.as_deref().unwrap_or_default();
    let mut offsets: Vec<OffsetArgs> = Vec::new();
    for rule in rules {
        let with = rule.with.get_ref();
        let fail = |message: String| {
            let at = rule.with.span().start;
            Err(wrong(source.text, at, "market.offsets.with", message))
        };
        let Some(market) = earlier.iter().position(|other| other.symbol == *with) else {
            if is_template {
                continue;
            }
            return fail(format!("no market before {} is {with}", source.symbol));
        };
        let market = u16::try_from(market).unwrap_or(u16::MAX);
        if offsets.iter().any(|other| other.market == market) {
            return fail(format!("a second offset with {with}"));
        }
        offsets.push(args(source, rule, market)?);
        if offsets.len() > MAX_OFFSETS {
            return fail(format!("more than {MAX_OFFSETS} offsets"));
        }
    }
    Ok(offsets)
}

fn args(source: &Source<'_>, rule: &OffsetRule, market: u16) -> Result<OffsetArgs, ConfigError> {
    let number = |key: &str, value, most: i128| {
        let number = integer(
            source.text,
            &format!("market.offsets.{key}"),
            value,
            0..=most,
        )?;
        Ok(number as u32)
    };
    let full = number("correlation_full_ppm", &rule.correlation_full_ppm, PPM)?;
    let below_full = i128::from(full) - 1;
    Ok(OffsetArgs {
        market,
        offset_ppm: number("offset_ppm", &rule.offset_ppm, MAX_OFFSET_PPM.into())?,
        correlation_full_ppm: full,
        correlation_zero_ppm: number(
            "correlation_zero_ppm",
            &rule.correlation_zero_ppm,
            below_full,
        )?,
    })
}
