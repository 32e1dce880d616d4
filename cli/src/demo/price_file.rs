//! The price file.
//!
//! CSV with the header `timestamp,symbol,open,high,low,close`. `timestamp` is the start of the bar, ISO-8601 in UTC
//! (`2025-10-10T21:00:00Z`); rows ascend by it; every timestamp has one row per symbol. Prices are positive decimals with
//! at most eight digits after the point, `low` and `high` enclosing `open` and `close`. The length of a bar is the
//! smallest distance between two timestamps; holes are allowed.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;

use super::prices::{Bar, History, Interval, STEPS_PER_BAR};
use crate::time;

/// Digits after the point that every price keeps: the markets' price exponent is −8.
const PRICE_DECIMALS: usize = 8;
/// Largest price, in units of 10^-8: a thousand million.
const MAX_PRICE: u64 = 100_000_000_000_000_000;
/// Columns of the file.
const HEADER: [&str; 6] = ["timestamp", "symbol", "open", "high", "low", "close"];
/// Longest name of an underlying that a market stores.
const MAX_SYMBOL: usize = 16;

/// What is wrong with a price file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceError {
    /// Line of the file, from 1; 0 where the whole file is meant.
    pub line: u64,
    /// Column of the file; empty where a whole line is meant.
    pub field: &'static str,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for PriceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.field) {
            (0, _) => write!(formatter, "{}", self.message),
            (line, "") => write!(formatter, "line {line}: {}", self.message),
            (line, field) => write!(formatter, "line {line}, field {field}: {}", self.message),
        }
    }
}

impl std::error::Error for PriceError {}

fn wrong(line: u64, field: &'static str, message: impl Into<String>) -> PriceError {
    PriceError {
        line,
        field,
        message: message.into(),
    }
}

/// Which part of a history to replay, unix seconds; both ends count.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// First bar.
    pub from: i64,
    /// Last bar.
    pub to: i64,
}

impl Window {
    /// Everything.
    pub const ALL: Self = Self {
        from: i64::MIN,
        to: i64::MAX,
    };
}

/// Reads the part of a file that lies in `window`.
///
/// # Errors
/// A [`PriceError`] that names line and field.
pub fn read(file: impl Read, window: Window) -> Result<History, PriceError> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(file);
    let mut rows = Vec::new();
    let mut last = i64::MIN;
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(not_csv)?;
        let line = record.position().map_or(0, csv::Position::line);
        if index == 0 {
            check_header(line, &record)?;
            continue;
        }
        let row = Row::read(line, &record)?;
        if row.time < last {
            let message = format!("earlier than the row before ({})", time::full(last));
            return Err(wrong(line, "timestamp", message));
        }
        last = row.time;
        if (window.from..=window.to).contains(&row.time) {
            rows.push(row);
        }
    }
    from_rows(&rows)
}

fn from_rows(rows: &[Row]) -> Result<History, PriceError> {
    if rows.is_empty() {
        return Err(wrong(0, "", "no bars (in the time asked for)"));
    }
    let mut symbols: Vec<String> = rows.iter().map(|row| row.symbol.clone()).collect();
    symbols.sort_unstable();
    symbols.dedup();
    let mut intervals: Vec<Interval> = Vec::new();
    for group in rows.chunk_by(|before, after| before.time == after.time) {
        intervals.push(complete(group, &symbols)?);
    }
    let bar_seconds = intervals
        .windows(2)
        .map(|pair| pair[1].time - pair[0].time)
        .min()
        .ok_or_else(|| {
            wrong(
                0,
                "",
                "one bar only: at least two are needed to know how long a bar is",
            )
        })?;
    if bar_seconds < STEPS_PER_BAR as i64 {
        let message = format!("bars of {bar_seconds} s: at least {STEPS_PER_BAR} s are needed");
        return Err(wrong(0, "", message));
    }
    Ok(History {
        symbols,
        bar_seconds,
        intervals,
    })
}

/// The bars of one timestamp in the order of the symbols; a missing or doubled one is named.
fn complete(group: &[Row], symbols: &[String]) -> Result<Interval, PriceError> {
    let mut found: BTreeMap<&str, &Row> = BTreeMap::new();
    for row in group {
        if let Some(first) = found.insert(&row.symbol, row) {
            let message = format!(
                "{} has a row for this timestamp already, line {}",
                row.symbol, first.line
            );
            return Err(wrong(row.line, "symbol", message));
        }
    }
    let (line, start) = group.first().map_or((0, 0), |row| (row.line, row.time));
    let bar = |symbol: &String| {
        let row = found.get(symbol.as_str());
        row.map(|row| row.bar).ok_or_else(|| {
            let message = format!(
                "no row for {symbol}, which other timestamps have ({})",
                time::full(start)
            );
            wrong(line, "symbol", message)
        })
    };
    Ok(Interval {
        time: start,
        bars: symbols.iter().map(bar).collect::<Result<_, _>>()?,
    })
}

fn not_csv(error: csv::Error) -> PriceError {
    let line = error.position().map_or(0, csv::Position::line);
    wrong(line, "", error.to_string())
}

fn check_header(line: u64, record: &csv::StringRecord) -> Result<(), PriceError> {
    if record.iter().eq(HEADER) {
        return Ok(());
    }
    let message = format!("the header has to be {}", HEADER.join(","));
    Err(wrong(line, "", message))
}

/// One line of the file.
struct Row {
    line: u64,
    time: i64,
    symbol: String,
    bar: Bar,
}

impl Row {
    fn read(line: u64, record: &csv::StringRecord) -> Result<Self, PriceError> {
        if record.len() != HEADER.len() {
            let message = format!("{} fields instead of {}", record.len(), HEADER.len());
            return Err(wrong(line, "", message));
        }
        let field = |index: usize| record.get(index).unwrap_or_default();
        let price = |index: usize| {
            parse_price(field(index)).map_err(|message| wrong(line, HEADER[index], message))
        };
        let bar = Bar {
            open: price(2)?,
            high: price(3)?,
            low: price(4)?,
            close: price(5)?,
        };
        if bar.low > bar.open.min(bar.close) {
            return Err(wrong(line, "low", "above the open or the close"));
        }
        if bar.high < bar.open.max(bar.close) {
            return Err(wrong(line, "high", "below the open or the close"));
        }
        let symbol = field(1).to_owned();
        let printable = symbol.bytes().all(|byte| byte.is_ascii_graphic());
        if symbol.is_empty() || symbol.len() > MAX_SYMBOL || !printable {
            let message =
                format!("«{symbol}» is not a name of 1 to {MAX_SYMBOL} printable characters");
            return Err(wrong(line, "symbol", message));
        }
        Ok(Self {
            line,
            time: time::parse(field(0)).map_err(|message| wrong(line, "timestamp", message))?,
            symbol,
            bar,
        })
    }
}

/// A positive decimal in units of 10^-8, exactly.
fn parse_price(text: &str) -> Result<u64, String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return Err(format!("«{text}» is not a decimal number"));
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > PRICE_DECIMALS {
        return Err(format!(
            "«{text}» has more than {PRICE_DECIMALS} digits after the point"
        ));
    }
    let price = format!("{whole}{fraction:0<PRICE_DECIMALS$}").parse::<u64>();
    match price {
        Ok(0) => Err("the price is zero".to_owned()),
        Ok(price) if price <= MAX_PRICE => Ok(price),
        _ => Err(format!("«{text}» is above {}", MAX_PRICE / 100_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::prices::Step;

    const HEAD: &str = "timestamp,symbol,open,high,low,close\n";
    const GOOD: &str = "2025-10-06T00:00:00Z,BTC,123426.7,124336.3,123206.1,123625.4\n\
                        2025-10-06T00:00:00Z,SOL,228.45,230.21,227.4,228.37\n\
                        2025-10-06T00:30:00Z,SOL,228.37,229.18,227.66,228.57\n\
                        2025-10-06T00:30:00Z,BTC,123625.4,123837.9,123018.5,123295.8\n";

    use super::read as read_file;

    fn read(rows: &str) -> Result<History, String> {
        read_file(format!("{HEAD}{rows}").as_bytes(), Window::ALL)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_good_file_is_read_exactly() {
        let history = read(GOOD).unwrap();
        assert_eq!(history.symbols, ["BTC", "SOL"]);
        assert_eq!(history.bar_seconds, 1800);
        assert_eq!(history.end() - history.start(), 3600);
        let steps: Vec<Step> = history.steps().collect();
        assert_eq!(steps.len(), 8);
        assert_eq!(steps[0].prices, [12_342_670_000_000, 22_845_000_000]);
        assert_eq!((steps[1].name, steps[1].prices[1]), ("low", 22_740_000_000));
        assert_eq!(
            (steps[2].name, steps[2].prices[1]),
            ("high", 23_021_000_000)
        );
        assert_eq!(
            (steps[3].name, steps[3].prices[1]),
            ("close", 22_837_000_000)
        );
        let offsets: Vec<i64> = steps
            .iter()
            .map(|step| step.time - history.start())
            .collect();
        assert_eq!(offsets, [0, 450, 900, 1350, 1800, 2250, 2700, 3150]);
    }

    #[test]
    fn a_window_selects_bars_before_symbols_are_required() {
        let late =
            format!("{GOOD}2025-10-06T01:00:00Z,BTC,1,1,1,1\n2025-10-06T01:30:00Z,BTC,1,1,1,1\n");
        let window = Window {
            from: time::parse("2025-10-06T01:00:00Z").unwrap(),
            to: i64::MAX,
        };
        let history = read_file(format!("{HEAD}{late}").as_bytes(), window).unwrap();
        assert_eq!(history.symbols, ["BTC"]);
        assert_eq!(history.intervals.len(), 2);
        let error = read(&late).unwrap_err();
        assert!(
            error.starts_with("line 6, field symbol: no row for SOL"),
            "{error}"
        );
    }

    #[test]
    fn every_error_names_line_and_field() {
        let second =
            |row: &str| read(&format!("2025-10-06T00:00:00Z,BTC,2,3,1,2\n{row}\n")).unwrap_err();
        let cases = [
            (
                "2025-10-06T00:30:00,BTC,2,3,1,2",
                "line 3, field timestamp: «2025-10-06T00:30:00» does not end in Z",
            ),
            (
                "yesterdayZ,BTC,2,3,1,2",
                "line 3, field timestamp: «yesterdayZ» is not a time",
            ),
            (
                "2025-10-05T00:30:00Z,BTC,2,3,1,2",
                "line 3, field timestamp: earlier than",
            ),
            (
                "2025-10-06T00:00:00Z,BTC,2,3,1,2",
                "line 3, field symbol: BTC has a row for this timestamp already, line 2",
            ),
            (
                "2025-10-06T00:30:00Z,,2,3,1,2",
                "line 3, field symbol: «» is not a name",
            ),
            (
                "2025-10-06T00:30:00Z,BTC,x,3,1,2",
                "line 3, field open: «x» is not a decimal",
            ),
            (
                "2025-10-06T00:30:00Z,BTC,2,-3,1,2",
                "line 3, field high: «-3» is not a decimal",
            ),
            (
                "2025-10-06T00:30:00Z,BTC,2,3,0.0,2",
                "line 3, field low: the price is zero",
            ),
            (
                "2025-10-06T00:30:00Z,BTC,2,3,1,1e3",
                "line 3, field close: «1e3» is not a decimal",
            ),
            (
                "2025-10-06T00:30:00Z,BTC,2,3,1,.5",
                "line 3, field close: «.5» is not a decimal",
            ),
            (
                "2025-10-06T00:30:00Z,BTC,2,3,1,1.123456789",
                "line 3, field close: «1.123456789» has more than 8",
            ),
            (
                "2025-10-06T00:30:00Z,BTC,2,99999999999,1,2",
                "line 3, field high: «99999999999» is above 1000000000",
            ),
            (
                "2025-10-06T00:30:00Z,BTC,2,3,2.5,2",
                "line 3, field low: above the open",
            ),
            (
                "2025-10-06T00:30:00Z,BTC,2,1.5,1,2",
                "line 3, field high: below the open",
            ),
            (
                "2025-10-06T00:30:00Z,BTC,2,3,1",
                "line 3: 5 fields instead of 6",
            ),
        ];
        for (row, expected) in cases {
            let error = second(row);
            assert!(error.starts_with(expected), "{row}: {error}");
        }
    }

    #[test]
    fn files_without_enough_bars_are_refused() {
        let no_header = read_file(GOOD.as_bytes(), Window::ALL).unwrap_err();
        assert_eq!((no_header.line, no_header.field), (1, ""));
        assert!(read("").unwrap_err().starts_with("no bars"));
        let one = read("2025-10-06T00:00:00Z,BTC,2,3,1,2\n").unwrap_err();
        assert!(one.starts_with("one bar only"), "{one}");
    }
}
