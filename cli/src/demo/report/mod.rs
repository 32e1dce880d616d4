//! The replay as a page: one HTML file that needs nothing else, for somebody who has never seen the project.
//!
//! [`plot`] has what charts are drawn with; [`prices`], [`accounts`], [`scenarios`] (from [`curve`]) and [`margins`] draw
//! one each; [`tables`] has the rest. Every number is of the replay that was just run.

mod accounts;
pub mod curve;
mod margins;
mod plot;
mod prices;
mod scenarios;
mod tables;

use std::path::Path;

use anyhow::{ensure, Context, Result};
use maud::{html, Markup, PreEscaped, DOCTYPE};

use super::format;
use super::identity::Identities;
use super::prices::History;
use super::replay::{Outcome, Sample};
use super::summary::Verdict;
use super::world::World;
use crate::time;
use curve::Curves;

/// What the page is made of.
pub struct Report<'a> {
    /// The clearing system after the replay.
    pub world: &'a World,
    /// What was replayed.
    pub history: &'a History,
    /// Name of the price file, none for the built-in path.
    pub prices: Option<String>,
    /// What happened.
    pub outcome: &'a Outcome,
    /// Whether it went well.
    pub verdict: &'a Verdict,
}

/// A book whose curves are drawn.
struct Book {
    name: &'static str,
    /// Unix seconds.
    time: i64,
    curves: Curves,
}

/// Refuses a file that could not be written in the end.
///
/// # Errors
/// A folder that does not exist, or a path that is a folder.
pub fn check_path(path: &Path) -> Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    ensure!(
        folder.is_none_or(Path::is_dir),
        "cannot write {}: its folder does not exist",
        path.display()
    );
    ensure!(
        !path.is_dir(),
        "cannot write {}: it is a folder",
        path.display()
    );
    Ok(())
}

/// First and last time.
fn span(samples: &[Sample]) -> (f64, f64) {
    let ends = samples.first().zip(samples.last());
    ends.map_or((0.0, 1.0), |(first, last)| {
        (first.time as f64, last.time as f64)
    })
}

impl Report<'_> {
    /// Writes the page.
    ///
    /// # Errors
    /// When an account cannot be read, or the file not be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let page = self.page()?.into_string();
        std::fs::write(path, page).with_context(|| format!("cannot write {}", path.display()))
    }

    fn page(&self) -> Result<Markup> {
        let identities = Identities::read(self.world)?;
        let book = self.book()?;
        Ok(html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { "Estuary: a crash, replayed" }
                    style { (PreEscaped(include_str!("style.css"))) }
                }
                body {
                    main {
                        (self.head())
                        (self.prices())
                        (self.accounts())
                        @if let Some(book) = &book { (self.scenarios(book)) }
                        (self.margins())
                        (self.ending(&identities))
                    }
                }
            }
        })
    }

    fn head(&self) -> Markup {
        let (outcome, verdict) = (self.outcome, self.verdict);
        let balanced = verdict.sound && verdict.equal;
        let main = super::books::main_market(&self.world.underlyings);
        let underlying = &self.world.underlyings[main];
        let fall = outcome.low.prices[main] as f64 / underlying.first_price as f64 - 1.0;
        let deficits = outcome
            .courses
            .iter()
            .filter(|course| course.end.equity.0 < 0)
            .count();
        html! {
            h1 { "A crash, replayed through a clearing program" }
            p class="lead" {
                "Estuary is a clearing program for Solana: it holds traders' money and decides how much of it their positions "
                "need as security, the " b { "margin" } ". This page replays prices through the real program, step by step, "
                "and shows what it reported for " (outcome.courses.len()) " accounts, whom it liquidated, and whether the books balanced."
            }
            @match &self.prices {
                Some(file) => { p class="small" { "Prices: " (file) "." } }
                None => { p class="notice" { b { "The prices are synthetic" } ": an invented crash that is built in. Recorded ones can be replayed with --prices." } }
            }
            dl class="facts" {
                div { dt { (underlying.symbol) " at its lowest" } dd { (format::percent(fall)) } }
                div { dt { "Liquidations" } dd { (outcome.liquidations.len()) } }
                div { dt { "Accounts that owe more than they have" } dd { (deficits) } }
                div {
                    dt { "Books balance, reports agree" }
                    dd class=(if balanced { "good" } else { "bad" }) {
                        @if balanced { "always" } @else { "NO" }
                    }
                }
            }
            @if verdict.could_be_liquidated > 0 {
                p class="notice bad" { "At the end " (verdict.could_be_liquidated) " of the accounts could still be liquidated." }
            }
        }
    }

    fn prices(&self) -> Markup {
        let (world, outcome, history) = (self.world, self.outcome, self.history);
        html! {
            h2 { "What prices did" }
            p {
                "Change since the start, " (time::full(history.start())) " to " (time::full(history.end())) " UTC, in bars of "
                (history.bar_seconds / 60) " minutes. Each bar is four steps: its open, low, high and close. Circles mark the lowest prices"
                @if !outcome.liquidations.is_empty() { ", dotted lines the liquidations" }
                "."
            }
            (both(|width, height| prices::chart(world, outcome, (width, height))))
        }
    }

    fn accounts(&self) -> Markup {
        html! {
            h2 { "Each account, and what it had to hold" }
            p {
                b { "Equity" } " is what an account is worth at current prices. " b { "Initial margin" } " is what it needs to open or "
                "add positions. " b { "Maintenance margin" } " is what it needs to keep them: when equity falls below it, anyone may "
                "take positions over at a small discount until the rest is safe again. That is a " b { "liquidation" } "."
            }
            (legend(&[("equity", "equity"), ("initial", "initial margin"), ("maintenance", "maintenance margin; in the shade below it an account is liquidated")]))
            (accounts::cards(self.outcome))
            h2 { "What was liquidated, and why" }
            (tables::liquidations(self.outcome))
        }
    }

    fn scenarios(&self, book: &Book) -> Markup {
        let curves = &book.curves;
        let (bound, curve, node) = (
            curves.worst_bound(),
            curves.worst_curve(),
            curves.worst_node(),
        );
        let money = |point: (usize, (f64, f64))| format::money((-point.1 .1).max(0.0) as i64);
        html! {
            h2 { "Where a requirement comes from: the " (book.name) " in " (self.world.underlyings[usize::from(curves.market)].symbol) }
            p {
                "The program asks what the whole book would gain or lose if the price moved, at three levels of volatility. It computes "
                "this at nine prices (the dots). A book can lose more between two dots than at either of them, so the program does not "
                "trust the dots: from the slopes at both it derives a " b { "certified bound" } " (dashed) that the true curve cannot cross. "
                "The solid curve is the truth, sampled from the same engine at 16 points between each two dots. All at "
                (time::full(book.time)) " UTC."
            }
            (legend(&[("equity", "what the book gains or loses"), ("bound", "certified bound; the shade is the distance to it")]))
            (scenarios::panels(curves))
            (scenarios::close_up(curves))
            p {
                "Largest loss in the range: at the dots " b { (money(node)) } ", on the true curve " b { (money(curve)) }
                ", by the bound " b { (money(bound)) } ". With the extreme moves below, which count in part, the market's requirement is "
                b { (format::money(curves.certified_loss)) } "; dots and extremes alone would give " (format::money(curves.scan_loss)) "."
            }
            (scenarios::tails(curves))
        }
    }

    fn margins(&self) -> Markup {
        let outcome = self.outcome;
        let main = super::books::main_market(&self.world.underlyings);
        let could_not: Vec<_> = margins::with_positions(outcome)
            .filter(|course| course.start.isolated > course.start.equity)
            .collect();
        html! {
            h2 { "One portfolio, or each position alone" }
            p {
                b { "Cross margin" } " (blue) looks at an account as one portfolio: what one position loses in a scenario, another may gain, "
                "and only the difference has to be secured. " b { "Isolated margin" } " (grey) treats every position as if it stood alone and adds "
                "the requirements up. Both are initial margin by the same engine; the upright mark is the account's equity."
            }
            div class="pair" {
                div class="card" { h3 { "At the start" } (margins::charts(outcome, |course| &course.start)) }
                div class="card" {
                    h3 { "At the low of " (self.world.underlyings[main].symbol) ", " (time::short(outcome.low.time)) " UTC, before the liquidator acted" }
                    (margins::charts(outcome, |course| &course.low))
                }
            }
            @for course in could_not {
                p {
                    "The " (course.name) " could not have opened its book under isolated margin: it has "
                    (format::money(course.start.equity)) " and would need " (format::money(course.start.isolated)) "."
                }
            }
        }
    }

    fn ending(&self, identities: &Identities) -> Markup {
        html! {
            h2 { "How each account came through" }
            (tables::summary(self.outcome))
            h2 { "Does the money add up?" }
            p {
                "A clearing system may not create or lose money. After every step the accounts themselves are read and both sides of "
                "these identities compared, in millionths of a unit."
            }
            (tables::checks(self.world, self.outcome, identities))
            footer {
                p {
                    "Made by cargo xtask demo --report: " (format::count(self.outcome.reports)) " margin reports of at most "
                    (format::count(self.outcome.most_units.0)) " compute units, each compared with the native engine; volatilities follow a "
                    "rule of the demo, the prices do not contain them. The accounts are invented."
                }
            }
        }
    }

    /// The book with the largest distance between its bound and its nodes, at the start or at the low; none when nobody
    /// holds anything.
    fn book(&self) -> Result<Option<Book>> {
        let mut best: Option<Book> = None;
        for moment in [&self.outcome.at_start, &self.outcome.at_low] {
            for (account, course) in moment.accounts.iter().zip(&self.outcome.courses) {
                for market in account.markets()?.iter() {
                    let Some(curves) = moment.view.curves(account, market)? else {
                        continue;
                    };
                    let gap = best.as_ref().map_or(-1.0, |best| best.curves.gap());
                    if curves.gap() > gap {
                        best = Some(Book {
                            name: course.name,
                            time: moment.time,
                            curves,
                        });
                    }
                }
            }
        }
        Ok(best)
    }
}

/// A chart for wide windows and one for phones, of which the style shows one.
fn both(chart: impl Fn(f64, f64) -> Markup) -> Markup {
    html! {
        div class="card wide" { (chart(1_080.0, 340.0)) }
        div class="card narrow" { (chart(360.0, 250.0)) }
    }
}

/// Lines by style class, and what they are.
fn legend(entries: &[(&str, &str)]) -> Markup {
    html! {
        ul class="legend" {
            @for (class, words) in entries {
                li { svg viewBox="0 0 26 12" aria-hidden="true" { path class={ "line " (class) } d="M0 6L26 6" {} } (words) }
            }
        }
    }
}
