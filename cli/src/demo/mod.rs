//! `estuary demo`: a price history replayed through the real program in an embedded SVM.
//!
//! file → [`price_file`] (or [`synthetic`]) → [`prices`] → [`world`] (the program deployed in [`svm`], markets by [`listing`] and
//! [`surface`]) → [`books`] (who trades what) → [`replay`] (each step: prices, reports, [`bot`]) → [`table`] (while it
//! runs) → [`summary`] and [`report`] (at the end). No margin is computed here: [`view`] calls the engine.

mod books;
mod bot;
mod format;
mod identity;
mod listing;
mod ops;
mod price_file;
mod prices;
mod replay;
mod report;
#[cfg(test)]
mod settlement_tests;
mod summary;
mod surface;
pub mod svm;
mod synthetic;
mod table;
mod view;
mod world;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{ensure, Context, Result};
use clap::Args;

use crate::time;
use price_file::Window;
use prices::History;
use replay::Replay;
use report::Report;
use svm::Svm;
use table::Screen;
use world::World;

/// The exit code of a wrong file or program.
const EXIT_WRONG_INPUT: u8 = 2;
/// Longest replay: the last expiry, eight weeks after it, has to lie within the program's two years.
const MAX_DAYS: i64 = 650;

/// The arguments of `estuary demo`.
#[derive(Args)]
pub struct DemoCommand {
    /// The program: `cargo xtask build-sbf` makes target/deploy/estuary.so.
    #[arg(long, value_name = "FILE")]
    elf: PathBuf,
    /// Prices to replay, CSV with the columns timestamp,symbol,open,high,low,close; without it a synthetic crash.
    ///
    /// `timestamp` is the start of the bar in UTC (2025-10-10T21:00:00Z), rows ascend by it, and every timestamp has one
    /// row per symbol. Prices are positive decimals with at most eight digits after the point. Any symbols will do: BTC,
    /// ETH and SOL have stress ranges of their own, others are treated as SOL.
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// First bar to replay, UTC.
    #[arg(long, value_name = "TIME", value_parser = time::parse, requires = "prices")]
    from: Option<i64>,
    /// Last bar to replay, UTC.
    #[arg(long, value_name = "TIME", value_parser = time::parse, requires = "prices")]
    to: Option<i64>,
    /// Writes the replay as a page with charts, one HTML file that needs nothing else.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Runs the demo: 0 when everything held, 1 when something did not, 2 when it could not run.
pub fn run(command: &DemoCommand) -> ExitCode {
    match replay(command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(EXIT_WRONG_INPUT)
        }
    }
}

fn replay(command: &DemoCommand) -> Result<bool> {
    let started = Instant::now();
    if let Some(path) = &command.report {
        report::check_path(path)?;
    }
    let history = history(command)?;
    let days = (history.end() - history.start()) / 86_400;
    ensure!(
        days <= MAX_DAYS,
        "the prices span {days} days and the series listed at their start can outlive {MAX_DAYS}: choose a part with --from and --to"
    );
    let svm = Svm::new(&command.elf)?;
    let first = history.steps().next().context("no steps")?;
    introduce(command, &history);
    let mut world = World::new(svm, &history, &first)?;
    describe_markets(&world);
    println!("\nAccounts, deposits, and what each trades with the market maker, at mark and in one atomic block:");
    let courses = replay::open_books(&mut world)?;
    println!("\nReplay: the program reports every account at every step; the liquidator acts after each.");
    println!("  IM, MM: initial and maintenance margin; health: equity less MM, below zero anyone may liquidate");
    let mut screen = Screen::new(
        history.intervals.len() * prices::STEPS_PER_BAR,
        courses.len(),
    )?;
    let outcome = Replay::new(&mut world, &history, courses, first)?.run(&mut screen)?;
    let verdict = summary::print(&world, &outcome)?;
    if let Some(path) = &command.report {
        let report = Report {
            world: &world,
            history: &history,
            prices: command.prices.as_deref().map(file_name),
            outcome: &outcome,
            verdict: &verdict,
        };
        report.write(path)?;
        println!("Report: {}", path.display());
    }
    let activity = &world.activity;
    println!(
        "{} transactions and {} simulations in {:.0} s.",
        format::count(activity.transactions),
        format::count(activity.simulations),
        started.elapsed().as_secs_f64()
    );
    Ok(verdict.success())
}

/// The last part of a path.
fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

/// The file's history, or the synthetic one.
fn history(command: &DemoCommand) -> Result<History> {
    let Some(path) = &command.prices else {
        return Ok(synthetic::history());
    };
    let window = Window {
        from: command.from.unwrap_or(Window::ALL.from),
        to: command.to.unwrap_or(Window::ALL.to),
    };
    let file =
        std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    price_file::read(file, window).with_context(|| path.display().to_string())
}

fn introduce(command: &DemoCommand, history: &History) {
    println!(
        "Estuary demo: the real program ({}) in an embedded SVM.",
        shown(&command.elf)
    );
    match &command.prices {
        Some(path) => println!("Prices: {}", path.display()),
        None => println!(
            "Prices: SYNTHETIC, a built-in invented crash; --prices FILE replays a real one."
        ),
    }
    println!(
        "  {} bars of {} minutes of {}, {} to {} UTC;\n  each bar is four steps: open, low, high, close",
        history.intervals.len(),
        history.bar_seconds / 60,
        history.symbols.join(", "),
        time::full(history.start()),
        time::full(history.end())
    );
}

/// A path as the reader would write it: from the current folder where it lies in there.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here)
        .unwrap_or(path)
        .display()
        .to_string()
}

fn describe_markets(world: &World) {
    println!("\nMarkets: a perpetual, and futures, calls and puts that expire after the replay (payouts are not built yet).");
    for underlying in &world.underlyings {
        println!(
            "  {:<6} at {:>12}, stress range ±{}%, base volatility {:.0}%, {} series, lot {}",
            underlying.symbol,
            format::price(underlying.first_price),
            underlying.spot_range_ppm / 10_000,
            underlying.rule.base_volatility() * 100.0,
            underlying.series.len(),
            underlying.lot_size as f64 / 1e9
        );
    }
    let expiries: Vec<String> = world
        .expiries
        .iter()
        .map(|time| time::expiry(*time))
        .collect();
    println!("  expiries {}", expiries.join(", "));
    println!("  volatilities are not in the prices, they follow a rule:");
    for line in surface::RULE {
        println!("    {line}");
    }
}
