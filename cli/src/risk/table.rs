//! The answers as aligned tables for a person.

use std::fmt::Write as _;

use estuary_risk::market::MarketRisk;
use estuary_risk::units::Money;

use super::margin::{Margin, MarketMargin, VOL_LEVEL_NAMES};
use super::notes::Notes;
use super::output::{fraction, money};
use super::price::MarketQuotes;
use super::quote::{shown, shown_price};

/// Rows of text, perhaps under a header: the first column to the left, the others to the right.
#[derive(Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table under a header.
    pub fn new(header: &[&str]) -> Self {
        Self {
            rows: vec![header.iter().map(|name| (*name).to_owned()).collect()],
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Lays the rows out.
    pub fn write(&self, out: &mut String) {
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        for row in &self.rows {
            let mut line = String::from(" ");
            for (column, cell) in row.iter().enumerate() {
                let width = width(column);
                let written = if column == 0 {
                    write!(line, " {cell:<width$}")
                } else {
                    write!(line, "  {cell:>width$}")
                };
                // Writing to a string does not fail.
                debug_assert!(written.is_ok());
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }
}

/// Money to the nearest cent; the JSON answer has every micro-unit.
pub fn cents(value: Money) -> String {
    let cents = money(value).nearest(2).map_or(0, |scaled| scaled.units);
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    format!("{sign}{}.{:02}", cents / 100, cents % 100)
}

fn percent(ppm: i64) -> String {
    let percent = fraction(ppm.saturating_mul(100));
    if ppm > 0 {
        format!("+{percent}%")
    } else {
        format!("{percent}%")
    }
}

/// The answer of `risk margin`.
pub fn margin(margin: &Margin, notes: &Notes) -> String {
    let mut out = String::from("Account (quote units)\n");
    let report = &margin.report;
    let mut table = Table::default();
    for (name, value) in [
        ("equity", report.equity),
        ("senior", report.senior),
        ("initial margin", report.initial_margin),
        ("maintenance margin", report.maintenance_margin),
        ("scenario loss", margin.totals.scenario_loss),
        ("short-option minimum", margin.totals.short_minimum),
        ("oracle contingency", margin.totals.oracle_contingency),
        ("gross exposure", margin.totals.gross),
        ("health, initial", margin.health_initial),
        ("health, maintenance", margin.health_maintenance),
    ] {
        table.row(vec![name.to_owned(), cents(value)]);
    }
    table.write(&mut out);
    for market in &margin.markets {
        margin_market(market, &mut out);
    }
    finish(out, notes)
}

fn margin_market(market: &MarketMargin, out: &mut String) {
    out.push_str(&format!("\n{}\n", market.symbol));
    let mut table = Table::default();
    for (name, loss) in [
        ("scan loss", market.risk.scan_loss),
        ("certified loss", market.risk.certified_loss),
        ("twist", market.risk.twist),
        ("skew", market.risk.skew),
        ("basis", market.risk.basis),
        ("expiring longs", market.risk.expiring_longs),
        ("short-option minimum", market.risk.short_minimum),
        ("oracle contingency", market.risk.oracle_contingency),
        ("gross exposure", market.risk.gross),
    ] {
        table.row(vec![name.to_owned(), cents(loss)]);
    }
    if market.risk.defined_loss != MarketRisk::NO_LIMIT {
        table.row(vec![
            "most it can lose".to_owned(),
            cents(market.risk.defined_loss),
        ]);
    }
    for (name, value) in [
        ("delta", market.greeks.delta),
        ("gamma", market.greeks.gamma),
        ("vega per 1.00", market.greeks.vega),
        ("theta per day", market.greeks.theta),
    ] {
        table.row(vec![name.to_owned(), short(value)]);
    }
    table.write(out);
    if market.positions.is_empty() {
        return;
    }
    out.push('\n');
    let mut table = Table::new(&["position", "quantity", "in the worst scenario"]);
    for position in &market.positions {
        table.row(vec![
            position.series.clone(),
            position.lots.quantity().to_string(),
            cents(position.contribution),
        ]);
    }
    table.write(out);
    out.push('\n');
    let mut table = Table::new(&["spot", "vol", "weight", "P&L", ""]);
    for (index, row) in market.scenarios.iter().enumerate() {
        let mark = if index == market.worst {
            "<- worst"
        } else {
            ""
        };
        table.row(vec![
            percent(row.spot_shock_ppm),
            VOL_LEVEL_NAMES[row.vol_level].to_owned(),
            fraction(row.weight_ppm).to_string(),
            cents(row.pnl),
            mark.to_owned(),
        ]);
    }
    table.write(out);
}

/// Six significant digits.
fn short(value: f64) -> String {
    super::decimal::Decimal::from_f64(value, 6).to_string()
}

/// The answer of `risk price`.
pub fn prices(markets: &[MarketQuotes], notes: &Notes) -> String {
    let mut out = String::new();
    for market in markets {
        out.push_str(&format!("{}\n", market.symbol));
        let header = [
            "series",
            "price",
            "delta",
            "gamma",
            "vega per 1.00",
            "theta per day",
        ];
        let mut table = Table::new(&header);
        for series in &market.series {
            let quote = &series.quote;
            let price = shown_price(quote.price, series.scale);
            table.row(vec![
                series.name.clone(),
                shown(price.to_f64()).to_string(),
                short(quote.delta),
                short(quote.gamma),
                short(quote.vega),
                short(quote.theta),
            ]);
        }
        table.write(&mut out);
        out.push('\n');
    }
    finish(out, notes)
}

/// The text with the notes below it.
pub fn finish(mut out: String, notes: &Notes) -> String {
    let lines: Vec<String> = notes.lines().collect();
    if !lines.is_empty() {
        out.push('\n');
    }
    for line in lines {
        out.push_str(&line);
        out.push('\n');
    }
    let text = out.trim_end().to_owned();
    text + "\n"
}
