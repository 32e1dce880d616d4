//! `docs/backtest.md`.

use super::coverage::{Test, Tests};
use super::{Outcome, Outturn, Underlying, EXPECTED};
use crate::engine::parameters_of;
use std::fmt::Write;

const METHOD: &str = "\
# Backtest of the margin

Written by `cargo xtask run backtest`; the same figures, with every exception of the maintenance margin, are in
[runs/backtest.json](runs/backtest.json).

Each day at the close a book of one unit of underlying is opened and its initial and maintenance margin taken from the
engine, as `estuary risk margin` computes them for an account that holds nothing else. A day later the account is
valued again by the same engine, at the next close, with its options a day older. The loss is the fall of equity. An
**exception** is a day on which the loss exceeded the margin: an account that held exactly that much, and that nobody
liquidated meanwhile, would have ended below zero.

What is assumed:

- **Volatility.** The price file has no option prices, so implied volatility follows a rule that knows nothing but past
  closes: a fast variance of squared daily log returns (exponentially weighted, factor 0.94) and a slow one (mean of the
  last 365 days, or of all there are, at least 60). An expiry T days away has the variance rate
  `slow + (fast − slow)·(1 − e^(−T/30))/(T/30)`, years of 365 days, the same for all strikes, within 10% to 400%. On the
  day of the loss the rule has seen that day's return: volatility jumps with a crash, at short expiries more than at
  long ones.
- **Books.** Strikes are fractions of the spot at the opening (straddles at 100%, strangles and the short put at 90% and
  110%, the condor's wings at 80% and 120%); options have 30 days, calendars 30 and 60. The hedged strangle holds
  perpetuals against its delta at the opening, to a thousandth of a unit. Forwards equal spot; no fees, no funding.
- **Parameters.** The engine's defaults, the same on every day: R is below.
- **Days.** Non-overlapping, close to close, UTC. *Intraday* counts the days on which the loss exceeded the margin at the
  day's low, high or close, with the volatility that the rule would give if the day had closed there.

The tests ask whether exceptions come on 1% of days, which is what the defaults are meant for: Kupiec's unconditional
coverage for the number, Christoffersen's for independence (with fewer than two exceptions there is nothing to test, –)
and both together. A small p-value says that 1% is wrong in either direction: *few* or *many* says which. Margins cover
more than a day's 99% on purpose: a position must last until somebody has liquidated it, and the scenarios reach
several R.
";

const LIMITS: &str = "\
## Limits

- No option was ever traded at these volatilities. A rule from realised volatility lags: before an announced event real
  options are dearer, and in a crash real implied volatility may jump further than the rule does. There is no smile and
  no skew, so a book that is long one wing and short the other is flattered.
- R and the other defaults were chosen with the daily data of 2020 to 2025 in view: those years are not out of sample.
  The years 2017 to 2019 are, for BTC and ETH; the second table of each underlying keeps them apart.
- One day is one horizon. Liquidation is meant to take minutes; a chain that halts, or a market that gaps for longer,
  is not measured. Nor is what it costs to close a position: losses are at mark.
- One underlying at a time, one unit at a time: neither offsets across underlyings nor size.
- The prices are one exchange's in USDT; a day's low and high are its last trade's, wicks included.
";

/// The whole page.
pub fn write(underlyings: &[Underlying]) -> String {
    let mut page = METHOD.to_owned();
    summary(&mut page, underlyings);
    for one in underlyings {
        underlying(&mut page, one);
    }
    page.push('\n');
    page.push_str(LIMITS);
    page
}

/// What the figures say, from the figures.
fn summary(page: &mut String, underlyings: &[Underlying]) {
    let all = || underlyings.iter().flat_map(|one| &one.outcomes);
    let days: usize = all().map(|outcome| outcome.days.len()).sum();
    let count = |exceeds: fn(&Outturn) -> bool| -> usize {
        all().map(|outcome| outcome.count(exceeds)).sum()
    };
    let of = |number: usize| format!("{number} ({})", percent(number as f64 / days.max(1) as f64));
    page.push_str("\n## What the figures say\n\n");
    line(page, &format!(
        "{days} days of a book. The loss exceeded initial margin on {} and maintenance margin on {}; within the day, \
         at a low or high, on {} and {}.",
        of(count(|day| day.loss > day.initial)),
        of(count(|day| day.loss > day.maintenance)),
        of(count(|day| day.worst > day.initial)),
        of(count(|day| day.worst > day.maintenance)),
    ));
    if let Some(text) = worst(underlyings) {
        page.push('\n');
        line(page, &text);
    }
    let named = |chosen: fn(&Tests) -> bool| -> String {
        let outcomes = underlyings
            .iter()
            .flat_map(|one| one.outcomes.iter().map(move |outcome| (one, outcome)));
        let names: Vec<String> = outcomes
            .filter(|(_, outcome)| chosen(&outcome.maintenance()))
            .map(|(one, outcome)| format!("{} ({})", outcome.book.name, one.symbol))
            .collect();
        names.join("; ")
    };
    let many = named(|tests| {
        tests.unconditional.p < 0.05 && tests.exceptions as f64 > EXPECTED * tests.days as f64
    });
    page.push('\n');
    if many.is_empty() {
        line(page, "No book was beyond its maintenance margin on significantly more than 1% of days (Kupiec, 5%).");
    } else {
        line(page, &format!("Beyond maintenance margin on significantly more than 1% of days (Kupiec, 5%): {many}."));
    }
    let clustered = named(|tests| tests.independence.is_some_and(|test| test.p < 0.05));
    page.push('\n');
    if clustered.is_empty() {
        line(page, "Where there were exceptions enough to ask, independence is not rejected (Christoffersen, 5%).");
    } else {
        line(page, &format!("Exceptions that follow one another more than chance would have it (Christoffersen, 5%): {clustered}."));
    }
}

/// The day that exceeded initial margin by the largest multiple, and how many days did at all.
fn worst(underlyings: &[Underlying]) -> Option<String> {
    let beyond = || {
        underlyings.iter().flat_map(|one| {
            let of_book = move |outcome: &'_ Outcome| {
                let name = format!("{} ({})", outcome.book.name, one.symbol);
                let days = outcome.days.iter().filter(|day| day.loss > day.initial);
                days.map(|day| (day.loss / day.initial, day.date.clone(), name.clone()))
                    .collect::<Vec<_>>()
            };
            one.outcomes.iter().flat_map(of_book)
        })
    };
    let (ratio, date, name) = beyond().max_by(|a, b| a.0.total_cmp(&b.0))?;
    let mut dates: Vec<String> = beyond().map(|(_, date, _)| date).collect();
    let all = dates.len();
    let on_worst = dates.iter().filter(|other| **other == date).count();
    dates.sort_unstable();
    dates.dedup();
    Some(format!(
        "The losses beyond initial margin fell on {} days; {on_worst} of the {all} on {date}, the worst of all days: {name} lost \
         {ratio:.2} times its initial margin.",
        dates.len()
    ))
}

/// A paragraph, broken like the rest of the page.
fn line(page: &mut String, text: &str) {
    let mut width = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > 120 {
            page.push('\n');
            width = 0;
        } else if width > 0 {
            page.push(' ');
            width += 1;
        }
        page.push_str(word);
        width += length;
    }
    page.push('\n');
}

fn underlying(page: &mut String, one: &Underlying) {
    let range = f64::from(parameters_of(&one.symbol).spot_range_ppm) / 1e6;
    let days = one.outcomes.first().map_or(0, |outcome| outcome.days.len());
    let _ = writeln!(
        page,
        "\n## {}\n\n{days} days, {} to {}, R = {}; {} left out where a day is missing in the file.\n",
        one.symbol,
        one.first,
        one.last,
        percent(range),
        one.gaps,
    );
    line(
        page,
        "IM and MM: initial and maintenance margin. The median IM is a share of spot, the largest loss a multiple of its \
         day's margin. Beyond: days on which the loss exceeded it, and Kupiec's p-value beside the number; then \
         Christoffersen's for the days beyond MM.",
    );
    page.push('\n');
    page.push_str("| book | median IM | largest loss / IM | / MM | beyond IM | p | beyond MM | p | p independence | p both | intraday beyond IM | MM |\n");
    page.push_str("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n");
    for outcome in &one.outcomes {
        row(page, outcome);
    }
    periods(page, one);
    exceptions(page, one);
}

fn row(page: &mut String, outcome: &Outcome) {
    let (initial, maintenance) = (outcome.initial(), outcome.maintenance());
    let number = |tests: &Tests| {
        let expected = EXPECTED * tests.days as f64;
        let side = if tests.exceptions as f64 > expected {
            "many"
        } else {
            "few"
        };
        let p = tests.unconditional.p;
        if p < 0.05 {
            format!("{} {side}", short(p))
        } else {
            short(p)
        }
    };
    let p = |test: Option<Test>| test.map_or("–".to_owned(), |test| short(test.p));
    let _ = writeln!(
        page,
        "| {} | {} | {:.2} | {:.2} | {} | {} | {} | {} | {} | {} | {} | {} |",
        outcome.book.name,
        percent(outcome.median_initial()),
        outcome.largest(|day| day.loss / day.initial),
        outcome.largest(|day| day.loss / day.maintenance),
        initial.exceptions,
        number(&initial),
        maintenance.exceptions,
        number(&maintenance),
        p(maintenance.independence),
        p(maintenance.conditional),
        outcome.count(|day| day.worst > day.initial),
        outcome.count(|day| day.worst > day.maintenance),
    );
}

/// The years whose data the defaults have not seen, and the others.
fn periods(page: &mut String, one: &Underlying) {
    if one.first.as_str() >= "2020" {
        return;
    }
    page.push_str("\n| beyond MM | before 2020 | of days | from 2020 | of days |\n|---|---:|---:|---:|---:|\n");
    for outcome in &one.outcomes {
        let early = outcome.count(|day| day.date.as_str() < "2020");
        let beyond = |from: bool| {
            outcome.count(|day| day.loss > day.maintenance && (day.date.as_str() >= "2020") == from)
        };
        let _ = writeln!(
            page,
            "| {} | {} | {early} | {} | {} |",
            outcome.book.name,
            beyond(false),
            beyond(true),
            outcome.days.len() - early,
        );
    }
}

/// Every day beyond a maintenance margin, one line a day.
fn exceptions(page: &mut String, one: &Underlying) {
    let mut days: Vec<(&str, Vec<String>)> = Vec::new();
    for outcome in &one.outcomes {
        for day in outcome.days.iter().filter(|day| day.loss > day.maintenance) {
            let mark = if day.loss > day.initial { "**" } else { "" };
            let text = format!(
                "{} {mark}{:.2}{mark}",
                outcome.book.name,
                day.loss / day.maintenance
            );
            match days.iter_mut().find(|(date, _)| *date == day.date) {
                Some((_, books)) => books.push(text),
                None => days.push((&day.date, vec![text])),
            }
        }
    }
    days.sort_unstable();
    if days.is_empty() {
        page.push_str("\nNo loss exceeded a maintenance margin.\n");
        return;
    }
    page.push_str("\nDays beyond MM, with the loss as a multiple of it (bold: beyond IM too):\n\n| day | books |\n|---|---|\n");
    for (date, books) in days {
        let _ = writeln!(page, "| {date} | {} |", books.join(", "));
    }
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent == 0.0 || percent >= 0.995 {
        format!("{percent:.1}%").replace(".0%", "%")
    } else {
        format!("{percent:.2}%")
    }
}

/// Two digits.
fn short(p: f64) -> String {
    if p >= 0.01 {
        format!("{p:.2}")
    } else {
        format!("{p:.0e}")
    }
}
