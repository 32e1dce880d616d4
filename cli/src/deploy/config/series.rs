//! What a market's rules list.

use estuary::state::{SeriesKind, MAX_EXPIRIES, MAX_SERIES};
use toml::Spanned;

use super::market::Source;
use super::raw::SeriesRule;
use super::values::Strikes;
use super::{relative, ConfigError, Contract};
use crate::time;

/// The contracts of a market in order: perpetuals, then by expiry futures and options by strike, calls first.
pub fn contracts(source: &Source<'_>, exponent: i8) -> Result<Vec<Contract>, ConfigError> {
    let mut contracts: Vec<Contract> = Vec::new();
    for rule in source.keys.series.iter().flatten() {
        let at = rule.kind.span().start;
        for contract in listed(source, rule, exponent)? {
            if contracts.contains(&contract) {
                let message = "lists a contract that is listed already";
                return Err(source.error("series", at, message));
            }
            contracts.push(contract);
        }
        if contracts.len() > MAX_SERIES {
            let message = format!("more series than a market has room for, {MAX_SERIES}");
            return Err(source.error("series", at, message));
        }
    }
    contracts.sort_unstable_by_key(|contract| {
        let order = match contract.kind {
            SeriesKind::Perp => 0,
            SeriesKind::Future => 1,
            SeriesKind::Call => 2,
            SeriesKind::Put => 3,
        };
        (contract.expiry, contract.strike, order)
    });
    let mut times: Vec<_> = contracts.iter().filter_map(|c| c.expiry).collect();
    times.dedup();
    if times.len() > MAX_EXPIRIES {
        let count = times.len();
        let message = format!("{count} expiries, a market has room for {MAX_EXPIRIES}");
        return Err(source.error("series", source.start, message));
    }
    Ok(contracts)
}

/// What one rule lists.
fn listed(
    source: &Source<'_>,
    rule: &SeriesRule,
    exponent: i8,
) -> Result<Vec<Contract>, ConfigError> {
    let at = rule.kind.span().start;
    let kinds: &[SeriesKind] = match rule.kind.get_ref().as_str() {
        "perp" => &[SeriesKind::Perp],
        "future" => &[SeriesKind::Future],
        "option" => &[SeriesKind::Call, SeriesKind::Put],
        "call" => &[SeriesKind::Call],
        "put" => &[SeriesKind::Put],
        other => {
            let message = format!("«{other}» is not perp, future, option, call or put");
            return Err(source.error("series.kind", at, message));
        }
    };
    let is_perp = kinds == [SeriesKind::Perp];
    let is_option = kinds.iter().all(|kind| kind.is_option());
    if is_perp != rule.expiries.is_empty() {
        let message = match is_perp {
            true => "a perp has no expiry",
            false => "missing",
        };
        return Err(source.error("series.expiries", at, message));
    }
    let strikes = match (&rule.strikes, is_option) {
        (Some(strikes), true) => strikes_of(source, strikes, exponent)?,
        (None, false) => vec![0],
        (None, true) => return Err(source.error("series.strikes", at, "missing")),
        (Some(strikes), false) => {
            let message = "only options have strikes";
            return Err(source.error("series.strikes", strikes.span().start, message));
        }
    };
    let mut expiries = vec![None];
    if !is_perp {
        let times = rule.expiries.iter().map(|text| expiry(source, text));
        expiries = times.map(|time| time.map(Some)).collect::<Result<_, _>>()?;
    }
    let mut contracts = Vec::new();
    for expiry in expiries {
        for strike in &strikes {
            contracts.extend(kinds.iter().map(|kind| Contract {
                kind: *kind,
                expiry,
                strike: *strike,
            }));
        }
    }
    Ok(contracts)
}

/// `2026-12-25T08:00:00Z`; in a template also `first` and `first+14d`.
fn expiry(source: &Source<'_>, text: &Spanned<String>) -> Result<i64, ConfigError> {
    let (key, at) = ("series.expiries", text.span().start);
    let Some(after) = text.get_ref().strip_prefix("first") else {
        // A date alone would hide the hour at which the contract ends.
        if !text.get_ref().contains('T') {
            let message = format!(
                "«{}» is not a time like 2026-12-25T08:00:00Z",
                text.get_ref()
            );
            return Err(source.error(key, at, message));
        }
        return time::parse(text.get_ref()).map_err(|message| source.error(key, at, message));
    };
    let first = source.first_expiry;
    let first = first.ok_or_else(|| source.error(key, at, "needs the time of the first expiry"))?;
    if after.is_empty() {
        return Ok(first);
    }
    let days = after
        .strip_prefix('+')
        .and_then(|days| days.strip_suffix('d'));
    let days = days.and_then(|days| days.parse::<u16>().ok());
    let days = days.ok_or_else(|| {
        let message = format!("«{}» is not like first+14d", text.get_ref());
        source.error(key, at, message)
    })?;
    Ok(first + i64::from(days) * 86_400)
}

/// Mantissas of the strikes.
fn strikes_of(
    source: &Source<'_>,
    strikes: &Spanned<Strikes>,
    exponent: i8,
) -> Result<Vec<u64>, ConfigError> {
    let (key, at) = ("series.strikes", strikes.span().start);
    let wrong = |message: String| source.error(key, at, message);
    match strikes.get_ref() {
        Strikes::List(list) if list.is_empty() => Err(wrong("no strike is given".into())),
        Strikes::List(list) => {
            let exact = list.iter().map(|strike| strike.mantissa(exponent));
            exact.collect::<Result<_, _>>().map_err(wrong)
        }
        Strikes::Range { from, to, step } => {
            let [from, to, step] =
                [("from", from), ("to", to), ("step", step)].map(|(name, value)| {
                    let mantissa = value.mantissa(exponent);
                    mantissa.map_err(|message| wrong(format!("{name} {message}")))
                });
            let (from, to, step) = (from?, to?, step?);
            let steps = to.checked_sub(from).filter(|width| width % step == 0);
            let steps = steps.ok_or_else(|| {
                wrong("from has to lie below to by a whole number of steps".into())
            })? / step;
            if steps >= MAX_SERIES as u64 {
                return Err(wrong(format!("more strikes than {MAX_SERIES}")));
            }
            Ok((0..=steps).map(|place| from + place * step).collect())
        }
        Strikes::Percent(percent) => {
            let price = source.first_price(key, at)?;
            if let Some(wrong_one) = percent.iter().find(|p| !(1..=10_000).contains(*p)) {
                return Err(wrong(format!("{wrong_one} is not from 1 to 10000 percent")));
            }
            Ok(percent
                .iter()
                .map(|p| relative::strike(price, *p))
                .collect())
        }
    }
}
