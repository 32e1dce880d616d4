//! The charts of margin by scenario: one book, one panel per volatility level.

use maud::{html, Markup};

use super::curve::{Curves, Level, Tail};
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
    let worst = curves.worst_bound();
    let all = || {
        let levels = curves.levels.iter();
        levels.flat_map(|level| {
            level
                .bound
                .iter()
                .chain(&level.curve)
                .map(|point| point.1 / 1e6)
        })
    };
    let (low, high) = (all().fold(0.0, f64::min), all().fold(0.0, f64::max));
    let room = (high - low).max(1.0) * 0.07;
    html! {
        div class="cards" {
            @for (number, level) in curves.levels.iter().enumerate() {
                article class="card" {
                    h3 { (LEVELS[number]) }
                    (panel(level, (low - room, high + room), (worst.0 == number).then_some(worst.1)))
                }
            }
        }
    }
}

fn panel(level: &Level, up: (f64, f64), worst: Option<(f64, f64)>) -> Markup {
    let scaled = |points: &[(f64, f64)]| -> Vec<(f64, f64)> {
        points.iter().map(|(x, y)| (*x, y / 1e6)).collect()
    };
    let (curve, nodes, bound) = (
        scaled(&level.curve),
        scaled(&level.nodes),
        scaled(&level.bound),
    );
    let ends = nodes.first().zip(nodes.last());
    let across = ends.map_or((0.0, 1.0), |(first, last)| (first.0, last.0));
    let plot = Plot::new(SIZE, 16.0, across, up);
    let money = |units: f64| format::money((units * 1e6) as i64);
    html! {
        svg class="chart" viewBox=(plot.view_box()) role="img" aria-label="Profit and loss by spot price" {
            (plot.grid(5, short_money))
            @for node in nodes.iter().step_by(2) {
                (plot.below(node.0, &format!("{:+.0}%", node.0 * 100.0)))
            }
            path class="gap" d=(plot.area(&curve, &bound)) {}
            path class="line bound" d=(plot.line(&bound)) {
                title { "The certified bound: nothing between the nodes is worse" }
            }
            path class="line equity" d=(plot.line(&curve)) { title { "What the book really gains or loses" } }
            @for (x, y) in &nodes {
                circle class="node" r="3.5" cx=(number(plot.across.place(*x))) cy=(number(plot.up.place(*y))) {
                    title { "Price " (format::percent(*x)) ": " (money(*y)) }
                }
            }
            @if let Some((x, y)) = worst {
                @let (left, top) = (plot.across.place(x), plot.up.place(y / 1e6));
                @let anchor = if left > SIZE.0 / 2.0 { "end" } else { "start" };
                circle class="dot liquidated" r="4.5" cx=(number(left)) cy=(number(top)) {
                    title { "Worst of the bound: " (money(y / 1e6)) " at " (format::percent(x)) }
                }
                text class="label" text-anchor=(anchor) x=(number(left)) y=(number((top + 17.0).min(plot.up.start - 3.0))) {
                    "worst " (money(y / 1e6))
                }
            }
        }
    }
}

/// The moves beyond the range.
pub fn tails(curves: &Curves) -> Markup {
    html! {
        div class="scroll" {
            table {
                thead { tr { th { "Extreme move" } th { "profit or loss" } th { "counts at" } th { "counted loss" } } }
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
