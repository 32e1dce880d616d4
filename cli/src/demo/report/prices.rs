//! The chart of prices: each underlying as a change since the first step.

use maud::{html, Markup};

use super::plot::{number, thin, Plot};
use crate::demo::format;
use crate::demo::replay::{Outcome, Sample};
use crate::demo::world::World;
use crate::time;

/// Vertical distance that keeps two labels apart.
const LABEL_HEIGHT: f64 = 13.0;

/// One underlying.
struct Line<'a> {
    symbol: &'a str,
    /// Time and change since the start.
    points: Vec<(f64, f64)>,
    /// The lowest of them and its price.
    lowest: (f64, f64, u64),
}

/// The chart, `size` units wide and high.
pub fn chart(world: &World, outcome: &Outcome, size: (f64, f64)) -> Markup {
    let samples = &outcome.samples;
    let lines: Vec<Line<'_>> = (0..world.underlyings.len())
        .map(|market| line(world, samples, market))
        .collect();
    let all = || lines.iter().flat_map(|line| line.points.iter());
    let low = all().map(|point| point.1).fold(0.0, f64::min);
    let high = all().map(|point| point.1).fold(0.0, f64::max);
    let room = (high - low).max(0.01) * 0.06;
    let plot = Plot::new(size, 96.0, super::span(samples), (low - room, high + room));
    let labels = apart(lines.iter().map(|line| {
        let last = line.points.last().map_or(0.0, |point| point.1);
        plot.up.place(last)
    }));
    html! {
        svg class="chart" viewBox=(plot.view_box()) role="img" aria-label="Prices of the underlyings since the start" {
            (plot.grid(5, |value| format!("{:.0}%", value * 100.0)))
            (plot.times((size.0 / 110.0) as usize))
            @for liquidation in &outcome.liquidations {
                @let x = number(plot.across.place(liquidation.time as f64));
                line class="moment" x1=(x) x2=(x) y1=(number(plot.up.end)) y2=(number(plot.up.start)) {
                    title { (time::full(liquidation.time)) ": the " (liquidation.name) " is liquidated" }
                }
            }
            @for (place, line) in lines.iter().enumerate() {
                path class={ "line " (colour(place)) } d=(plot.line(&thin(&line.points))) {
                    title { (line.symbol) " since the start" }
                }
                circle class={ "dot " (colour(place)) } r="4"
                    cx=(number(plot.across.place(line.lowest.0))) cy=(number(plot.up.place(line.lowest.1))) {
                    title {
                        (line.symbol) " at its lowest: " (format::price(line.lowest.2)) ", "
                        (format::percent(line.lowest.1)) ", " (time::full(line.lowest.0 as i64))
                    }
                }
                text class="label" x=(number(plot.across.end + 6.0)) y=(number(labels[place] + 4.0)) {
                    tspan class={ "ink " (colour(place)) } { (line.symbol) }
                    " " (format::percent(line.points.last().map_or(0.0, |point| point.1)))
                }
            }
        }
    }
}

/// Style class of an underlying's colour.
pub fn colour(place: usize) -> &'static str {
    ["c0", "c1", "c2", "c3", "c4", "c5"][place % 6]
}

fn line<'a>(world: &'a World, samples: &[Sample], market: usize) -> Line<'a> {
    let underlying = &world.underlyings[market];
    let change = |price: u64| price as f64 / underlying.first_price as f64 - 1.0;
    let lowest = samples.iter().min_by_key(|sample| sample.prices[market]);
    Line {
        symbol: &underlying.symbol,
        points: samples
            .iter()
            .map(|sample| (sample.time as f64, change(sample.prices[market])))
            .collect(),
        lowest: lowest.map_or((0.0, 0.0, 0), |sample| {
            let price = sample.prices[market];
            (sample.time as f64, change(price), price)
        }),
    }
}

/// Positions pushed apart until no two labels overlap, in the order given.
fn apart(wanted: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut placed: Vec<f64> = wanted.collect();
    let mut order: Vec<usize> = (0..placed.len()).collect();
    order.sort_unstable_by(|a, b| placed[*a].total_cmp(&placed[*b]).then(a.cmp(b)));
    // Downwards each one gives way to the one above it; then all move back by half of what the last one was pushed.
    let last_wanted = order.last().map_or(0.0, |last| placed[*last]);
    for pair in order.windows(2) {
        placed[pair[1]] = placed[pair[1]].max(placed[pair[0]] + LABEL_HEIGHT);
    }
    let pushed = order.last().map_or(0.0, |last| placed[*last]) - last_wanted;
    placed.iter().map(|place| place - pushed / 2.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_do_not_overlap() {
        let placed = apart([50.0, 52.0, 51.0].into_iter());
        let mut sorted = placed.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        assert!(sorted
            .windows(2)
            .all(|pair| pair[1] - pair[0] >= LABEL_HEIGHT));
        assert!(placed[0] < placed[2] && placed[2] < placed[1]);
        assert_eq!(apart([10.0, 90.0].into_iter()), [10.0, 90.0]);
    }
}
