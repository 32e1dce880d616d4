//! What the demo lists: `migrations/demo.toml`, a template that is filled with the first prices and expiries of the replay.

use anyhow::{Context, Result};
use estuary::instructions::SeriesArgs;
use estuary::state::SeriesKind;

use crate::deploy::config::{self, Decimal, Deployment, Given};
use crate::time;

/// The deployment, part of the binary so that it runs in any folder.
const TEMPLATE: &str = include_str!("../../../migrations/demo.toml");
/// Exponent of every price and strike, as in the template.
pub const EXPONENT: i8 = -8;
/// One quote unit at [`EXPONENT`].
pub const ONE: u64 = 100_000_000;
/// The first expiry leaves at least this after the replay.
const DAYS_AFTER_REPLAY: i64 = 2;
/// Options expire on Fridays at this hour.
const EXPIRY_HOUR: i64 = 8;
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

/// The deployment for a replay that begins at `prices`, by symbol, and ends at `end`.
///
/// # Errors
/// When the template does not fit the prices.
pub fn deployment<'a>(
    prices: impl Iterator<Item = (&'a String, &'a u64)>,
    end: i64,
) -> Result<Deployment> {
    let places = u32::from(EXPONENT.unsigned_abs());
    let given = Given {
        first_prices: prices
            .map(|(symbol, price)| (symbol.clone(), Decimal::new(*price, places)))
            .collect(),
        first_expiry: Some(first_expiry(end)),
    };
    config::read(TEMPLATE, &given).context("migrations/demo.toml")
}

/// First expiry of a replay that ends at `end`: the first Friday at least two days later.
fn first_expiry(end: i64) -> i64 {
    let earliest = end + DAYS_AFTER_REPLAY * DAY - EXPIRY_HOUR * HOUR;
    // 1970-01-02 was a Friday.
    let weeks = (earliest - DAY).div_euclid(7 * DAY) + 1;
    weeks * 7 * DAY + DAY + EXPIRY_HOUR * HOUR
}

/// `SOL-PERP`, `SOL-31OCT25`, `SOL-31OCT25-230-C`.
pub fn name(symbol: &str, series: &SeriesArgs, expiries: &[i64]) -> String {
    let expiry = || {
        let time = expiries.get(usize::from(series.expiry));
        time.map_or_else(String::new, |time| time::expiry(*time))
    };
    match series.kind {
        SeriesKind::Perp => format!("{symbol}-PERP"),
        SeriesKind::Future => format!("{symbol}-{}", expiry()),
        SeriesKind::Call => format!("{symbol}-{}-{}-C", expiry(), decimal(series.strike)),
        SeriesKind::Put => format!("{symbol}-{}-{}-P", expiry(), decimal(series.strike)),
    }
}

/// A price without trailing zeros.
pub fn decimal(price: u64) -> String {
    let text = format!("{}.{:08}", price / ONE, price % ONE);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_expiry_falls_into_the_replay() {
        let end = time::parse("2025-10-16T00:00:00Z").unwrap();
        assert_eq!(time::full(first_expiry(end)), "2025-10-24 08:00:00");
        for hour in 0..400 {
            let first = first_expiry(end + hour * HOUR) - end - hour * HOUR;
            assert!((2 * DAY..=9 * DAY).contains(&first), "{first}");
        }
    }

    #[test]
    fn the_template_gives_a_board_for_any_symbol() {
        let end = time::parse("2025-10-16T00:00:00Z").unwrap();
        let prices = [
            ("SOL".to_owned(), 22_845_000_000),
            ("WIF".to_owned(), 185_000_000),
        ];
        let given = prices.iter().map(|(symbol, price)| (symbol, price));
        let deployment = deployment(given, end).unwrap();
        let [sol, wif] = deployment.markets.as_slice() else {
            panic!("{} markets", deployment.markets.len());
        };
        assert_eq!(&sol.args.feed_id[..17], b"estuary demo SOL\0");
        assert_eq!(
            (sol.args.lot_size, wif.args.lot_size),
            (100_000_000, 100_000_000_000)
        );
        assert_eq!((sol.surface.atm_vol, wif.surface.atm_vol), (0.8, 0.9));
        assert_eq!(sol.capacity, 1 + 3 * 19);
        let expiries = sol.expiries();
        let shown: Vec<String> = expiries.iter().map(|time| time::full(*time)).collect();
        let expected = [
            "2025-10-24 08:00:00",
            "2025-11-07 08:00:00",
            "2025-12-05 08:00:00",
        ];
        assert_eq!(shown, expected);
        let names = sol.contracts[..4].iter().map(|contract| {
            let series = SeriesArgs {
                kind: contract.kind,
                expiry: 0,
                strike: contract.strike,
            };
            name("SOL", &series, &expiries)
        });
        let expected = [
            "SOL-PERP",
            "SOL-24OCT25",
            "SOL-24OCT25-170-C",
            "SOL-24OCT25-170-P",
        ];
        assert_eq!(names.collect::<Vec<_>>(), expected);
        assert_eq!(decimal(1_660), "0.0000166");
    }
}
