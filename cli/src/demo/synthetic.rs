//! The built-in price path: invented, in the shape of a liquidation cascade, so that the demo runs without a file.
//!
//! A quiet day, a slide of a few per cent, one bar in which everything falls and most of it comes back, a nervous
//! half day after it. The numbers are made here and are no market's history.

use super::prices::{Bar, History, Interval};

/// Start of the path: a time that no reader takes for a record.
const START: i64 = 1_893_456_000;
/// Half an hour, as in the real file this imitates.
const BAR_SECONDS: i64 = 1_800;
/// Units of 10^-8 in one.
const SCALE: f64 = 1e8;

/// One underlying: its name, first price, and how far the crash takes it.
struct Shape {
    symbol: &'static str,
    price: f64,
    /// Fall over the slide before the crash.
    slide: f64,
    /// Fall at the low of the crash, from before it.
    crash: f64,
    /// Fall left at the crash bar's end.
    close: f64,
    /// Typical move of a quiet bar.
    noise: f64,
}

const SHAPES: [Shape; 3] = [
    Shape {
        symbol: "BTC",
        price: 100_000.0,
        slide: 0.04,
        crash: 0.12,
        close: 0.05,
        noise: 0.002,
    },
    Shape {
        symbol: "ETH",
        price: 4_000.0,
        slide: 0.07,
        crash: 0.16,
        close: 0.07,
        noise: 0.003,
    },
    Shape {
        symbol: "SOL",
        price: 200.0,
        slide: 0.10,
        crash: 0.30,
        close: 0.12,
        noise: 0.004,
    },
];

/// Bars of the quiet day, the slide, and what follows the crash bar.
const QUIET_BARS: usize = 24;
const SLIDE_BARS: usize = 12;
const AFTER_BARS: usize = 24;

/// The whole path.
pub fn history() -> History {
    let paths: Vec<Vec<Bar>> = SHAPES.iter().map(Shape::bars).collect();
    let bars = QUIET_BARS + SLIDE_BARS + 1 + AFTER_BARS;
    let interval = |index: usize| Interval {
        time: START + index as i64 * BAR_SECONDS,
        bars: paths.iter().map(|path| path[index]).collect(),
    };
    History {
        symbols: SHAPES.iter().map(|shape| shape.symbol.to_owned()).collect(),
        bar_seconds: BAR_SECONDS,
        intervals: (0..bars).map(interval).collect(),
    }
}

impl Shape {
    fn bars(&self) -> Vec<Bar> {
        let mut noise = Noise(self.price.to_bits());
        let mut price = self.price;
        let mut bars = Vec::new();
        for _ in 0..QUIET_BARS {
            bars.push(self.quiet_bar(&mut price, 0.0, 1.0, &mut noise));
        }
        let drift = (1.0 - self.slide).powf(1.0 / SLIDE_BARS as f64) - 1.0;
        for _ in 0..SLIDE_BARS {
            bars.push(self.quiet_bar(&mut price, drift, 1.5, &mut noise));
        }
        let before = price;
        price = before * (1.0 - self.close);
        bars.push(bar(
            before,
            before * 1.001,
            before * (1.0 - self.crash),
            price,
        ));
        for _ in 0..AFTER_BARS {
            bars.push(self.quiet_bar(&mut price, 0.001, 3.0, &mut noise));
        }
        bars
    }

    fn quiet_bar(&self, price: &mut f64, drift: f64, factor: f64, noise: &mut Noise) -> Bar {
        let width = self.noise * factor;
        let open = *price;
        *price = open * (1.0 + drift + width * noise.next());
        let (top, bottom) = (open.max(*price), open.min(*price));
        let high = top * (1.0 + width * noise.next().abs());
        let low = bottom * (1.0 - width * noise.next().abs());
        bar(open, high, low, *price)
    }
}

fn bar(open: f64, high: f64, low: f64, close: f64) -> Bar {
    // Whole cents: a price someone could have quoted.
    let mantissa = |price: f64| (price * 100.0).round() as u64 * (SCALE / 100.0) as u64;
    Bar {
        open: mantissa(open),
        high: mantissa(high),
        low: mantissa(low),
        close: mantissa(close),
    }
}

/// Repeatable numbers in (−1, 1): a xorshift generator.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_a_crash_and_a_valid_history() {
        let history = history();
        assert_eq!(history, super::history(), "the same numbers every time");
        for interval in &history.intervals {
            for bar in &interval.bars {
                assert!(bar.low <= bar.open.min(bar.close) && bar.high >= bar.open.max(bar.close));
            }
        }
        let sol = |index: usize| history.intervals[index].bars[2];
        let crash = sol(QUIET_BARS + SLIDE_BARS);
        assert!(crash.low * 100 < crash.open * 71);
        assert!(crash.low * 100 < sol(0).open * 65);
    }
}
