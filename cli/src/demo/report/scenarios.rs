//! The charts of margin by scenario: one book, one panel per volatility level.

use maud::{html, Markup};

use super::curve::{Curves, Level, Point, Tail};
use super::plot::{number, short_money, Plot};
use crate::demo::format;

/// Size of each panel.
const SIZE: (f64, f64) = (360.0, 230.0);
/// Names of the volatility levels.
pub const LEVELS: [&str; 3] = [
    "Volatility falls",
    "Volatility unchanged",
    "Volatility rises",
];

/// One panel per level.
pub fn panels(curves: &Curves) -> Markup {
    let all = || curves.levels.iter().flat_map(shown);
    let (low, high) = (all().fold(0.0, f64::min), all().fold(0.0, f64::max));
    let up = with_room(low, high);
    let worst = curves.worst_bound();
    html! {
        div class="cards" {
            @for (number, level) in curves.levels.iter().enumerate() {
                article class="card" {
                    h3 { (LEVELS[number]) }
                    (panel(level, SIZE, up, (worst.0 == number).then_some(worst.1)))
                }
            }
        }
    }
}

/// The worst point of the bound from near: its cell and the ones beside it.
pub fn close_up(curves: &Curves) -> Markup {
    let (number, worst) = curves.worst_bound();
    let nodes = &curves.levels[number].nodes;
    let last = nodes.len().saturating_sub(1);
    let cell = nodes.partition_point(|node| node.0 < worst.0);
    let (from, to) = (cell.saturating_sub(2), (cell + 1).min(last));
    let near = |points: &[Point]| -> Vec<Point> {
        let inside = |point: &&Point| (nodes[from].0..=nodes[to].0).contains(&point.0);
        points.iter().filter(inside).copied().collect()
    };
    let level = Level {
        curve: near(&curves.levels[number].curve),
        nodes: near(nodes),
        bound: near(&curves.levels[number].bound),
    };
    let low = shown(&level).fold(f64::INFINITY, f64::min);
    let high = shown(&level).fold(f64::NEG_INFINITY, f64::max);
    super::both(|width, height| {
        html! {
            h3 { (LEVELS[number]) ", from near" }
            (panel(&level, (width, height), with_room(low, high), Some(worst)))
        }
    })
}

/// Everything that a panel draws, in quote units.
fn shown(level: &Level) -> impl Iterator<Item = f64> + '_ {
    let points = level.bound.iter().chain(&level.curve);
    points.map(|point| point.1 / 1e6)
}

/// A range with room for a label below.
fn with_room(low: f64, high: f64) -> (f64, f64) {
    let width = (high - low).max(1.0);
    (low - width * 0.14, high + width * 0.06)
}

fn panel(level: &Level, size: (f64, f64), up: (f64, f64), worst: Option<Point>) -> Markup {
    let scaled =
        |points: &[Point]| -> Vec<Point> { points.iter().map(|(x, y)| (*x, y / 1e6)).collect() };
    let (curve, nodes, bound) = (
        scaled(&level.curve),
        scaled(&level.nodes),
        scaled(&level.bound),
    );
    let ends = nodes.first().zip(nodes.last());
    let across = ends.map_or((0.0, 1.0), |(first, last)| (first.0, last.0));
    let plot = Plot::new(size, 22.0, across, up);
    let every = if nodes.len() > 5 { 2 } else { 1 };
    let money = |units: f64| format::money((units * 1e6) as i64);
    html! {
        svg class="chart" viewBox=(plot.view_box()) role="img" aria-label="Profit and loss by spot price" {
            (plot.grid(5, short_money))
            @for node in nodes.iter().step_by(every) { (plot.below(node.0, &change(node.0))) }
            path class="gap" d=(plot.area(&curve, &bound)) {}
            path class="line bound" d=(plot.line(&bound)) {
                title { "The certified bound: nothing between the dots is worse" }
            }
            path class="line equity" d=(plot.line(&curve)) { title { "What the book really gains or loses" } }
            @for (x, y) in &nodes {
                circle class="node" r="3.5" cx=(number(plot.across.place(*x))) cy=(number(plot.up.place(*y))) {
                    title { "Price " (change(*x)) ": " (money(*y)) }
                }
            }
            @if let Some((x, y)) = worst { (mark(&plot, x, y / 1e6)) }
        }
    }
}

/// The worst point of the bound.
fn mark(plot: &Plot, x: f64, y: f64) -> Markup {
    let (left, top) = (plot.across.place(x), plot.up.place(y));
    let anchor = match left / plot.width {
        share if share > 0.75 => "end",
        share if share < 0.3 => "start",
        _ => "middle",
    };
    let loss = format::money((y * 1e6) as i64);
    html! {
        circle class="dot liquidated" r="4.5" cx=(number(left)) cy=(number(top)) {
            title { "Worst of the bound: " (loss) " at " (change(x)) }
        }
        text class="label" text-anchor=(anchor) x=(number(left)) y=(number((top + 18.0).min(plot.up.start - 2.0))) {
            "bound " (loss)
        }
    }
}

/// A change of the price in whole or half per cent.
fn change(fraction: f64) -> String {
    let percent = fraction * 100.0;
    if percent.abs() < 0.05 {
        return "0%".to_owned();
    }
    let text = format!("{percent:+.1}");
    format!("{}%", text.strip_suffix(".0").unwrap_or(&text))
}

/// The moves beyond the range.
pub fn tails(curves: &Curves) -> Markup {
    html! {
        p class="small" { "Extreme moves, with volatility up; a fall stops where the market's limit is." }
        div class="scroll" {
            table {
                thead { tr { th { "extreme move" } th { "profit or loss" } th { "counts at" } th { "counted loss" } } }
                tbody {
                    @for Tail { point, weight } in &curves.tails {
                        tr {
                            td { (format::percent(point.0)) }
                            td { (format::money(point.1 as i64)) }
                            td { (format!("{:.0}%", weight * 100.0)) }
                            td { (format::money((-point.1 * weight).max(0.0) as i64)) }
                        }
                    }
                }
            }
        }
    }
}
