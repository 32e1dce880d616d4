//! The answers as aligned tables for a person.

use std::fmt::Write as _;

use estuary_risk::market::MarketRisk;
use estuary_risk::units::Money;

use super::averages::AverageRow;
use super::margin::{Margin, MarketMargin, State, VOL_LEVEL_NAMES};
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

/// What a state's column is called beside others.
fn name(state: State, states: &[State]) -> &'static str {
    match state {
        State::AsItIs if states.contains(&State::After) => "before",
        State::AsItIs => "without orders",
        State::After => "after",
        State::WithOrders => "with orders",
    }
}

/// Rows of named figures, a column for each account.
fn write_figures(states: &[State], columns: &[Vec<(&str, String)>], out: &mut String) {
    let mut table = match states {
        [] | [_] => Table::default(),
        _ => {
            let names = states.iter().map(|state| name(*state, states));
            Table::new(&core::iter::once("").chain(names).collect::<Vec<_>>())
        }
    };
    let names = columns.first().into_iter().flatten();
    for (place, (name, _)) in names.enumerate() {
        let cells = columns.iter().filter_map(|column| column.get(place));
        let cells = cells.map(|(_, figure)| figure.clone());
        table.row(core::iter::once((*name).to_owned()).chain(cells).collect());
    }
    table.write(out);
}

/// The answer of `risk margin`: one account, and one after its what-if and with its orders.
pub fn margins(margins: &[Margin], notes: &Notes) -> String {
    let names: Vec<State> = margins.iter().map(|margin| margin.state).collect();
    let mut out = String::from("Account (quote units)\n");
    let columns: Vec<_> = margins.iter().map(account_figures).collect();
    write_figures(&names, &columns, &mut out);
    if margins.iter().any(|margin| margin.portfolio.markets > 1) {
        out.push_str("\nAcross markets\n");
        let columns: Vec<_> = margins.iter().map(across_markets).collect();
        write_figures(&names, &columns, &mut out);
    }
    let markets = margins.first().map_or(0, |margin| margin.markets.len());
    for index in 0..markets {
        let states: Vec<_> = margins.iter().map(|one| &one.markets[index]).collect();
        margin_market(&names, &states, &mut out);
    }
    finish(out, notes)
}

fn account_figures(margin: &Margin) -> Vec<(&'static str, String)> {
    let report = &margin.report;
    [
        ("equity", report.equity),
        ("senior", report.senior),
        ("initial margin", report.initial_margin),
        ("maintenance margin", report.maintenance_margin),
        ("scenario loss", margin.portfolio.initial.scenario_loss),
        (
            "scenario loss, maintenance",
            margin.portfolio.maintenance.scenario_loss,
        ),
        ("short-option minimum", margin.totals.short_minimum),
        ("oracle contingency", margin.totals.oracle_contingency),
        ("liquidity cost", margin.totals.liquidity_cost),
        ("gross exposure", margin.totals.gross),
        ("health, initial", margin.health_initial),
        ("health, maintenance", margin.health_maintenance),
    ]
    .map(|(name, value)| (name, cents(value)))
    .to_vec()
}

/// X of several markets, and what it is the largest of.
fn across_markets(margin: &Margin) -> Vec<(&'static str, String)> {
    let (initial, maintenance) = (&margin.portfolio.initial, &margin.portfolio.maintenance);
    let share = |ppm: u32| fraction(ppm.into()).to_string();
    vec![
        ("share of gains, initial", share(initial.offset_ppm)),
        ("share of gains, maintenance", share(maintenance.offset_ppm)),
        ("worst node, initial", cents(initial.offset_loss)),
        ("worst node, maintenance", cents(maintenance.offset_loss)),
        (
            "floor of the largest, initial",
            cents(initial.largest_floor),
        ),
        (
            "floor of the largest, maintenance",
            cents(maintenance.largest_floor),
        ),
        ("floor of the sum", cents(initial.sum_floor)),
        ("scan loss, initial", cents(initial.scan_loss)),
        ("scan loss, maintenance", cents(maintenance.scan_loss)),
    ]
}

/// A market's figures; where `limited`, with the most that it can lose.
fn market_figures(market: &MarketMargin, limited: bool) -> Vec<(&'static str, String)> {
    let risk = &market.risk;
    let mut figures = [
        ("scan loss", risk.scan_loss),
        ("certified loss", risk.certified_loss),
        ("twist", risk.twist),
        ("skew", risk.skew),
        ("basis", risk.basis),
        ("expiring longs", risk.expiring_longs),
        ("short-option minimum", risk.short_minimum),
        ("oracle contingency", risk.oracle_contingency),
        ("liquidity cost", risk.liquidity_cost),
        ("gross exposure", risk.gross),
    ]
    .map(|(name, loss)| (name, cents(loss)))
    .to_vec();
    if limited {
        let most = match risk.defined_loss {
            MarketRisk::NO_LIMIT => "no limit".to_owned(),
            loss => cents(loss),
        };
        figures.push(("most it can lose", most));
    }
    let greeks = &market.greeks;
    for (name, value) in [
        ("delta", greeks.delta),
        ("gamma", greeks.gamma),
        ("vega per 1.00", greeks.vega),
        ("theta per day", greeks.theta),
    ] {
        figures.push((name, short(value)));
    }
    figures
}

/// One market in each state of the account; of its positions those of the last one.
fn margin_market(names: &[State], states: &[&MarketMargin], out: &mut String) {
    let Some(last) = states.last() else { return };
    out.push_str(&format!("\n{}\n", last.symbol));
    let limited = |state: &&MarketMargin| state.risk.defined_loss != MarketRisk::NO_LIMIT;
    let limited = states.iter().any(limited);
    let figures = states.iter().map(|state| market_figures(state, limited));
    write_figures(names, &figures.collect::<Vec<_>>(), out);
    write_averages(&last.averages, out);
    if !last.orders.is_empty() {
        out.push('\n');
        let mut table = Table::new(&["order", "quantity", "limit"]);
        for order in &last.orders {
            let (quantity, limit) = (order.lots.quantity(), order.limit);
            table.row(vec![
                order.series.clone(),
                quantity.to_string(),
                limit.to_string(),
            ]);
        }
        table.write(out);
    }
    // With orders the scenarios are those without.
    let filled = names.iter().filter(|name| **name != State::WithOrders);
    let states = states.get(..filled.count()).unwrap_or(states);
    if states.iter().all(|state| state.positions.is_empty()) {
        return;
    }
    out.push('\n');
    let mut table = Table::new(&["position", "quantity", "in the worst scenario"]);
    for position in &last.positions {
        table.row(vec![
            position.series.clone(),
            position.lots.quantity().to_string(),
            cents(position.contribution),
        ]);
    }
    table.write(out);
    out.push('\n');
    write_scenarios(states, last, out);
}

/// The settlement averages under way, if there are any.
fn write_averages(rows: &[AverageRow], out: &mut String) {
    if rows.is_empty() {
        return;
    }
    out.push('\n');
    let mut table = Table::new(&[
        "settlement average",
        "time",
        "minutes fixed",
        "to come",
        "fixed",
        "share to come",
        "if spot stays",
    ]);
    for row in rows {
        table.row(vec![
            format!("expiry {}", row.expiry),
            row.time.to_string(),
            row.minutes_fixed.to_string(),
            row.minutes_to_come.to_string(),
            row.fixed.to_string(),
            fraction(row.share_to_come_ppm).to_string(),
            row.forward.to_string(),
        ]);
    }
    table.write(out);
}

/// Profit and loss of each state in the scenarios, which are the same.
fn write_scenarios(states: &[&MarketMargin], last: &MarketMargin, out: &mut String) {
    let mut table = match states.len() {
        1 => Table::new(&["spot", "vol", "weight", "P&L", ""]),
        _ => Table::new(&["spot", "vol", "weight", "before", "after", ""]),
    };
    for (index, row) in last.scenarios.iter().enumerate() {
        let mut cells = vec![
            percent(row.spot_shock_ppm),
            VOL_LEVEL_NAMES[row.vol_level].to_owned(),
            fraction(row.weight_ppm).to_string(),
        ];
        cells.extend(states.iter().map(|state| cents(state.scenarios[index].pnl)));
        let mark = if index == last.worst { "<- worst" } else { "" };
        cells.push(mark.to_owned());
        table.row(cells);
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
        write_averages(&market.averages, &mut out);
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
