//! The price file: bars of BTC, ETH and SOL, and the moments that they are replayed as.

use chrono::{DateTime, NaiveDateTime};
use std::path::{Path, PathBuf};

/// The underlyings of the file, in the order of the markets.
pub const SYMBOLS: [&str; 3] = ["BTC", "ETH", "SOL"];
/// Where the file is, from the folder of the checkout.
const FILE: &str = "../shared/data/prices/crash-2025-10-30m.csv";
/// Columns of the file.
const HEADER: [&str; 6] = ["timestamp", "symbol", "open", "high", "low", "close"];
/// Seconds of a bar.
pub const BAR_SECONDS: i64 = 1_800;
/// A bar is replayed as this many steps.
pub const STEPS_PER_BAR: usize = 4;

/// One bar of one underlying, dollars.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bar {
    pub open: f64,
    pub high: f64,
    pub low: f64,
    pub close: f64,
}

/// All underlyings over one bar's time.
#[derive(Clone, Copy, Debug)]
pub struct Interval {
    /// Start, unix seconds.
    pub time: i64,
    /// By market.
    pub bars: [Bar; 3],
}

/// One moment of the replay.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Unix seconds.
    pub time: i64,
    /// What all prices are of their bars.
    pub name: &'static str,
    /// Dollars, by market.
    pub prices: [f64; 3],
}

impl Interval {
    /// Its steps, a quarter of its time apart. All underlyings make their low at the same moment, and the low before the
    /// high: the harshest reading of bars that do not say.
    pub fn steps(&self) -> [Step; STEPS_PER_BAR] {
        let step = |quarter: i64, name, price: fn(&Bar) -> f64| Step {
            time: self.time + BAR_SECONDS * quarter / STEPS_PER_BAR as i64,
            name,
            prices: self.bars.each_ref().map(price),
        };
        [
            step(0, "open", |bar| bar.open),
            step(1, "low", |bar| bar.low),
            step(2, "high", |bar| bar.high),
            step(3, "close", |bar| bar.close),
        ]
    }
}

/// Reads a time such as `2025-10-10T21:00:00Z`, unix seconds.
pub fn time(text: &str) -> i64 {
    let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%SZ");
    let time = time.unwrap_or_else(|error| panic!("{text}: {error}"));
    time.and_utc().timestamp()
}

/// A time for people.
pub fn shown(seconds: i64) -> String {
    let time = DateTime::from_timestamp(seconds, 0).expect("a time");
    time.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// The file, if it is there.
pub fn file() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = root.join(FILE);
    path.is_file().then_some(path)
}

/// The file's bars from one time to another, both ends included.
pub fn read(path: &Path, from: i64, to: i64) -> Vec<Interval> {
    let mut reader = csv::Reader::from_path(path).expect("a price file");
    assert_eq!(reader.headers().expect("a header"), &HEADER[..]);
    let mut intervals: Vec<Interval> = Vec::new();
    for record in reader.records() {
        let record = record.expect("a row");
        let number = |column: usize| record[column].parse::<f64>().expect("a price");
        let time = time(&record[0]);
        let market = SYMBOLS.iter().position(|symbol| *symbol == &record[1]);
        let bar = Bar {
            open: number(2),
            high: number(3),
            low: number(4),
            close: number(5),
        };
        if !(from..=to).contains(&time) {
            continue;
        }
        if intervals.last().is_none_or(|last| last.time < time) {
            let bars = [Bar::default(); 3];
            intervals.push(Interval { time, bars });
        }
        let last = intervals.last_mut().expect("an interval");
        last.bars[market.expect("an underlying")] = bar;
    }
    let complete = |one: &Interval| one.bars.iter().all(|bar| bar.low > 0.0);
    assert!(intervals.iter().all(complete), "a bar is missing");
    assert!(!intervals.is_empty(), "no bars");
    intervals
}
