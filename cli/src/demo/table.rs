//! What is on screen while the replay runs: a progress bar over a table that rewrites itself on a terminal, and the same
//! table printed now and then as plain lines elsewhere.

use std::io::IsTerminal;

use anyhow::Result;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::format;
use super::prices::Step;
use crate::time;

/// Tables printed over a replay where there is no terminal.
const PLAIN_TABLES: usize = 8;

/// The state of one account after a step.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The account.
    pub name: &'static str,
    /// Value of everything at mark.
    pub equity: i64,
    /// Initial margin.
    pub initial: i64,
    /// Maintenance margin.
    pub maintenance: i64,
    /// Compute units of its last margin report.
    pub units: u64,
}

/// The state of everything after a step.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// Number of the step, from 0.
    pub number: usize,
    /// How many there are.
    pub steps: usize,
    /// The step.
    pub step: &'a Step,
    /// Names of the underlyings.
    pub symbols: &'a [String],
    /// The accounts.
    pub rows: &'a [Row],
    /// Name of the last instruction.
    pub last: &'static str,
    /// Its compute units.
    pub last_units: u64,
    /// Transactions and simulations so far.
    pub sent: u64,
}

impl Frame<'_> {
    /// The table, line by line.
    fn lines(&self) -> Vec<String> {
        let prices: Vec<String> = self
            .symbols
            .iter()
            .zip(&self.step.prices)
            .map(|(symbol, price)| format!("{symbol} {}", format::price(*price)))
            .collect();
        let mut lines = vec![
            format!(
                "{} {:<5}  {}   (step {} of {})",
                time::full(self.step.time),
                self.step.name,
                prices.join("   "),
                format::count(self.number as u64 + 1),
                format::count(self.steps as u64)
            ),
            header(),
        ];
        lines.extend(self.rows.iter().map(Row::line));
        lines.push(format!(
            "  {} instructions run; the last one, {}, took {} CU",
            format::count(self.sent),
            self.last,
            format::count(self.last_units)
        ));
        lines
    }
}

/// Titles of the columns.
fn header() -> String {
    format!(
        "  {:<19}{:>11}{:>11}{:>11}{:>11}{:>11}",
        "account", "equity", "IM", "MM", "health", "report CU"
    )
}

impl Row {
    /// Equity less maintenance margin: below zero the account may be liquidated.
    pub fn health(&self) -> i64 {
        self.equity - self.maintenance
    }

    fn line(&self) -> String {
        let flag = match (self.health() < 0, self.equity < self.initial) {
            (true, _) => " below MM",
            (false, true) => " below IM",
            (false, false) => "",
        };
        format!(
            "  {:<19}{:>11}{:>11}{:>11}{:>11}{:>11}{flag}",
            self.name,
            format::money(self.equity),
            format::money(self.initial),
            format::money(self.maintenance),
            format::money(self.health()),
            format::count(self.units)
        )
    }
}

/// Where it goes.
pub enum Screen {
    /// A terminal: a bar, and one line per line of the table under it.
    Live {
        /// Draws all of them.
        all: MultiProgress,
        /// The bar.
        bar: ProgressBar,
        /// The lines.
        lines: Vec<ProgressBar>,
    },
    /// Anything else: plain lines.
    Plain {
        /// A table every so many steps.
        every: usize,
        /// Number of the step shown last.
        shown: Option<usize>,
    },
}

impl Screen {
    /// For a replay of `steps` steps and `rows` accounts.
    ///
    /// # Errors
    /// When the style of the bar is wrong, which would be a mistake of the demo.
    pub fn new(steps: usize, rows: usize) -> Result<Self> {
        if !std::io::stdout().is_terminal() {
            return Ok(Self::Plain {
                every: steps.div_ceil(PLAIN_TABLES).max(1),
                shown: None,
            });
        }
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let bar = all.add(ProgressBar::new(steps as u64));
        bar.set_style(ProgressStyle::with_template(
            "{bar:40} {pos}/{len} steps, {elapsed} gone, {eta} to go",
        )?);
        let blank = ProgressStyle::with_template("{msg}")?;
        let line = |_| {
            let line = all.add(ProgressBar::new_spinner());
            line.set_style(blank.clone());
            line
        };
        // Prices and titles above the accounts, the last instruction below them.
        let lines = (0..rows + 3).map(line).collect();
        Ok(Self::Live { all, bar, lines })
    }

    /// Shows a step; a notable one in any case.
    pub fn show(&mut self, frame: &Frame<'_>, notable: bool) {
        match self {
            Self::Live { bar, lines, .. } => {
                bar.inc(1);
                for (line, text) in lines.iter().zip(frame.lines()) {
                    line.set_message(text);
                }
            }
            Self::Plain { every, shown } => {
                if notable || frame.number.is_multiple_of(*every) {
                    println!("\n{}", frame.lines().join("\n"));
                    *shown = Some(frame.number);
                }
            }
        }
    }

    /// Writes a line that stays.
    pub fn say(&self, text: &str) {
        match self {
            // A terminal that went away is no reason to stop.
            Self::Live { all, .. } => drop(all.println(text)),
            Self::Plain { .. } => println!("\n{text}"),
        }
    }

    /// Shows the last step and leaves it on screen.
    pub fn finish(&self, frame: &Frame<'_>) {
        match self {
            Self::Live { bar, lines, .. } => {
                bar.finish();
                for line in lines {
                    line.finish();
                }
                println!();
            }
            Self::Plain { shown, .. } if *shown == Some(frame.number) => {}
            Self::Plain { .. } => println!("\n{}", frame.lines().join("\n")),
        }
    }
}
