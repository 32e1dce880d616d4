//! `cargo xtask run backtest`: one-day losses of standard books against their margin, over daily prices.
//!
//! prices ([`prices`]) → implied volatility by rule ([`vol`]) → books ([`books`]) → the engine's margin and the next
//! day's loss ([`crate::engine`]) → exceptions and their tests ([`coverage`]) → `docs/runs/backtest.json` and
//! `docs/backtest.md` ([`page`]).

mod books;
mod coverage;
mod page;
mod prices;
mod vol;

use crate::engine::{self, Book};
use crate::process::step;
use crate::record::Recording;
use anyhow::{Context, Result};
use books::BOOKS;
use coverage::Tests;
use prices::{Day, History};
use serde_json::{json, Map, Value};
use std::fs;
use std::path::Path;

/// Daily prices beside the checkout.
const PRICES: &str = "../shared/data/prices/daily-2017-2025.csv";
/// The page that is written.
const PAGE: &str = "docs/backtest.md";
/// The share of days on which a loss may exceed the margin: the defaults are meant for 99%.
const EXPECTED: f64 = 0.01;

/// One book of one underlying over all days.
struct Outcome {
    book: &'static Book,
    days: Vec<Outturn>,
}

/// One day of one book: what it needed at the close, and what it lost by the next, in fractions of spot.
#[derive(Clone, Debug)]
struct Outturn {
    /// The day of the loss.
    date: String,
    initial: f64,
    maintenance: f64,
    /// By the next close.
    loss: f64,
    /// At the worst of the next day's low, high and close.
    worst: f64,
}

impl Outcome {
    fn exceptions(&self, exceeds: impl Fn(&Outturn) -> bool) -> Vec<bool> {
        self.days.iter().map(exceeds).collect()
    }

    fn initial(&self) -> Tests {
        Tests::new(&self.exceptions(|day| day.loss > day.initial), EXPECTED)
    }

    fn maintenance(&self) -> Tests {
        Tests::new(&self.exceptions(|day| day.loss > day.maintenance), EXPECTED)
    }

    fn count(&self, exceeds: impl Fn(&Outturn) -> bool) -> usize {
        self.days.iter().filter(|day| exceeds(day)).count()
    }

    /// The largest of a ratio.
    fn largest(&self, ratio: impl Fn(&Outturn) -> f64) -> f64 {
        self.days.iter().map(ratio).fold(0.0, f64::max)
    }

    fn median_initial(&self) -> f64 {
        let mut all: Vec<f64> = self.days.iter().map(|day| day.initial).collect();
        all.sort_unstable_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or(0.0)
    }
}

/// One underlying.
struct Underlying {
    symbol: String,
    first: String,
    last: String,
    /// Pairs of days left out because a day is missing between them.
    gaps: usize,
    outcomes: Vec<Outcome>,
}

/// Runs every book over the price file and writes the record and the page.
///
/// # Errors
/// Those of [`Recording::begin`], a malformed price file, and a book that the engine refuses.
pub fn backtest(root: &Path) -> Result<()> {
    let path = root.join(PRICES);
    if !path.exists() {
        step(format!("skipped: there is no {PRICES}"));
        return Ok(());
    }
    let recording = Recording::begin(root, "backtest", &[PAGE])?;
    let text = fs::read_to_string(&path).with_context(|| format!("could not read {PRICES}"))?;
    let underlyings = prices::read(&text)?
        .iter()
        .map(run)
        .collect::<Result<Vec<_>>>()?;
    fs::write(root.join(PAGE), page::write(&underlyings))
        .with_context(|| format!("could not write {PAGE}"))?;
    step(format!("wrote {PAGE}"));
    recording.write(figures(&underlyings))
}

/// Every book over one underlying's history.
fn run(history: &History) -> Result<Underlying> {
    let days = &history.days;
    let mut outcomes: Vec<Outcome> = BOOKS
        .iter()
        .map(|book| Outcome {
            book,
            days: Vec::new(),
        })
        .collect();
    let mut gaps = 0;
    for today in vol::HISTORY_DAYS..days.len().saturating_sub(1) {
        let next = &days[today + 1];
        if next.number != days[today].number + 1 {
            gaps += 1;
            continue;
        }
        for outcome in &mut outcomes {
            let outturn = one_day(history, today, next, outcome.book)
                .with_context(|| format!("{} on {}", outcome.book.name, next.date))?;
            outcome.days.push(outturn);
        }
    }
    let dates = outcomes.first().map_or(&[][..], |outcome| &outcome.days);
    let date = |day: Option<&Outturn>| day.map(|day| day.date.clone()).unwrap_or_default();
    Ok(Underlying {
        symbol: history.symbol.clone(),
        first: date(dates.first()),
        last: date(dates.last()),
        gaps,
        outcomes,
    })
}

/// Opens the book at the close of day number `today` and looks at it a day later.
fn one_day(history: &History, today: usize, next: &Day, book: &Book) -> Result<Outturn> {
    let known = &history.days[..=today];
    let spot = known[today].close;
    let vol = vol::State::of(known);
    let position = engine::open(&history.symbol, spot, &|days| vol.implied(days), book)?;
    let loss_at = |price: f64| {
        let after = vol.after((price / spot).ln());
        let loss = position.loss(price, &|days| after.implied(days))?;
        anyhow::Ok(loss / spot)
    };
    let loss = loss_at(next.close)?;
    let worst = loss.max(loss_at(next.low)?).max(loss_at(next.high)?);
    Ok(Outturn {
        date: next.date.clone(),
        initial: position.margin.initial / spot,
        maintenance: position.margin.maintenance / spot,
        loss,
        worst,
    })
}

/// The figures of the record.
fn figures(underlyings: &[Underlying]) -> Map<String, Value> {
    let mut figures = Map::new();
    figures.insert("prices".to_owned(), PRICES.into());
    figures.insert("expected_exceptions".to_owned(), EXPECTED.into());
    figures.insert("seeds".to_owned(), json!([]));
    let all = || underlyings.iter().flat_map(|one| &one.outcomes);
    let days: usize = all().map(|outcome| outcome.days.len()).sum();
    figures.insert("book_days".to_owned(), days.into());
    let count = |exceeds: fn(&Outturn) -> bool| -> usize {
        all().map(|outcome| outcome.count(exceeds)).sum()
    };
    let initial = count(|day| day.loss > day.initial);
    let maintenance = count(|day| day.loss > day.maintenance);
    figures.insert("exceptions_initial".to_owned(), initial.into());
    figures.insert("exceptions_maintenance".to_owned(), maintenance.into());
    for one in underlyings {
        let books: Map<String, Value> = one
            .outcomes
            .iter()
            .map(|outcome| (outcome.book.name.to_owned(), of_book(outcome)))
            .collect();
        let value = json!({
            "first": one.first,
            "last": one.last,
            "gaps": one.gaps,
            "books": books,
        });
        figures.insert(one.symbol.clone(), value);
    }
    figures
}

fn of_book(outcome: &Outcome) -> Value {
    let exceptions: Vec<Value> = outcome
        .days
        .iter()
        .filter(|day| day.loss > day.maintenance)
        .map(|day| {
            json!({
                "date": day.date,
                "loss": digits(day.loss),
                "initial": digits(day.initial),
                "maintenance": digits(day.maintenance),
            })
        })
        .collect();
    json!({
        "days": outcome.days.len(),
        "initial": outcome.initial().json(),
        "maintenance": outcome.maintenance().json(),
        "intraday_exceptions_initial": outcome.count(|day| day.worst > day.initial),
        "intraday_exceptions_maintenance": outcome.count(|day| day.worst > day.maintenance),
        "median_initial": digits(outcome.median_initial()),
        "worst_loss": digits(outcome.largest(|day| day.loss)),
        "worst_loss_of_initial": digits(outcome.largest(|day| day.loss / day.initial)),
        "worst_loss_of_maintenance": digits(outcome.largest(|day| day.loss / day.maintenance)),
        "exceptions": exceptions,
    })
}

/// Five decimals.
fn digits(value: f64) -> f64 {
    (value * 1e5).round() / 1e5
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A calm history and one fall by half at its end.
    fn crash() -> History {
        let mut days = Vec::new();
        let mut close = 30_000.0;
        for number in 0..=vol::HISTORY_DAYS as i64 + 20 {
            let last = number == vol::HISTORY_DAYS as i64 + 20;
            close *= match (last, number % 2) {
                (true, _) => 0.5,
                (_, 0) => 1.02,
                _ => 1.0 / 1.02,
            };
            days.push(Day {
                number,
                date: format!("day {number}"),
                low: close,
                high: close,
                close,
            });
        }
        History {
            symbol: "BTC".to_owned(),
            days,
        }
    }

    #[test]
    fn a_fall_by_half_is_an_exception_for_longs_only() {
        let underlying = run(&crash()).unwrap();
        assert_eq!(
            (underlying.gaps, underlying.outcomes.len()),
            (0, BOOKS.len())
        );
        for outcome in &underlying.outcomes {
            assert_eq!(outcome.days.len(), 20);
            let last = outcome.days.last().unwrap();
            assert!(last.initial >= last.maintenance, "{}", outcome.book.name);
            let exceeded = last.loss > last.initial;
            match outcome.book.name {
                "long perpetual" => assert!(exceeded && (last.loss - 0.5).abs() < 1e-6),
                "short perpetual" => assert!(!exceeded && (last.loss + 0.5).abs() < 1e-6),
                "short straddle" | "covered call" => assert!(exceeded),
                "long straddle" => assert!(last.loss < 0.0),
                _ => {}
            }
            assert_eq!(
                outcome.count(|day| day.loss > day.initial),
                usize::from(exceeded)
            );
        }
        let page = page::write(&[underlying]);
        assert!(page.contains("| short straddle |"));
    }
}
