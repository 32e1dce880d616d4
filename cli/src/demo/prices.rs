//! Price history: the bars the demo replays, from [`super::price_file`] or [`super::synthetic`].

/// A bar is replayed as this many steps.
pub const STEPS_PER_BAR: usize = 4;

/// One bar of one symbol; prices in units of 10^-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// First price.
    pub open: u64,
    /// Highest price.
    pub high: u64,
    /// Lowest price.
    pub low: u64,
    /// Last price.
    pub close: u64,
}

/// All symbols over one bar's time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Start, unix seconds.
    pub time: i64,
    /// A bar per symbol, in the order of [`History::symbols`].
    pub bars: Vec<Bar>,
}

/// What is replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Names of the underlyings, in alphabetical order.
    pub symbols: Vec<String>,
    /// Length of a bar, seconds.
    pub bar_seconds: i64,
    /// Ascending in time; not empty.
    pub intervals: Vec<Interval>,
}

/// One moment of the replay: a price per symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Publish time, unix seconds.
    pub time: i64,
    /// `open`, `low`, `high` or `close`.
    pub name: &'static str,
    /// Prices in the order of [`History::symbols`], units of 10^-8.
    pub prices: Vec<u64>,
}

impl Interval {
    /// The steps of a bar, at its start and after one, two and three quarters of its length. Every symbol makes its low
    /// at the same moment, which is the harshest reading of bars that do not say.
    pub fn steps(&self, bar_seconds: i64) -> [Step; STEPS_PER_BAR] {
        let step = |quarter: i64, name, price: fn(&Bar) -> u64| Step {
            time: self.time + bar_seconds * quarter / STEPS_PER_BAR as i64,
            name,
            prices: self.bars.iter().map(price).collect(),
        };
        [
            step(0, "open", |bar| bar.open),
            step(1, "low", |bar| bar.low),
            step(2, "high", |bar| bar.high),
            step(3, "close", |bar| bar.close),
        ]
    }
}

impl History {
    /// Start of the first bar.
    pub fn start(&self) -> i64 {
        self.intervals.first().map_or(0, |interval| interval.time)
    }

    /// End of the last bar.
    pub fn end(&self) -> i64 {
        self.intervals.last().map_or(0, |interval| interval.time) + self.bar_seconds
    }

    /// Every step in order.
    pub fn steps(&self) -> impl Iterator<Item = Step> + '_ {
        self.intervals
            .iter()
            .flat_map(|interval| interval.steps(self.bar_seconds))
    }
}
