//! A card per account: its equity against its requirement through the replay, each liquidation marked.

use maud::{html, Markup};

use super::plot::{number, short_money, thin, units, Plot};
use crate::demo::bot::Liquidation;
use crate::demo::format;
use crate::demo::replay::{Course, Levels, Outcome};
use crate::time;

/// Size of each chart: cards stand beside each other where there is room, so one size serves all widths.
const SIZE: (f64, f64) = (360.0, 210.0);

/// All cards.
pub fn cards(outcome: &Outcome) -> Markup {
    html! {
        div class="cards" {
            @for (place, course) in outcome.courses.iter().enumerate() {
                article class="card" {
                    h3 { (course.name) }
                    p class="small" { (course.description) }
                    (chart(outcome, place, course))
                    p class="small" { (fate(outcome, course)) }
                }
            }
        }
    }
}

/// What became of the account, in a sentence.
fn fate(outcome: &Outcome, course: &Course) -> Markup {
    let liquidations: Vec<&Liquidation> = of(outcome, course.name).collect();
    let cost: i64 = liquidations
        .iter()
        .map(|liquidation| liquidation.discount())
        .sum();
    let (health, when) = course.lowest_health;
    html! {
        @match liquidations.len() {
            0 if health >= 0 => { "Never below its maintenance margin: at the closest it had " (format::money(health)) " to spare" }
            0 => { b { "Below its maintenance margin" } " by up to " (format::money(-health)) ", and not liquidated" }
            1 => { b { "Liquidated once" } ", at a cost of " (format::money(cost)) "; at worst it was short of " (format::money(-health)) }
            times => { b { "Liquidated " (times) " times" } ", at a cost of " (format::money(cost)) "; at worst it was short of " (format::money(-health)) }
        }
        " (" (time::short(when)) " UTC)."
    }
}

/// The liquidations of one account.
fn of<'a>(outcome: &'a Outcome, name: &'a str) -> impl Iterator<Item = &'a Liquidation> {
    outcome
        .liquidations
        .iter()
        .filter(move |liquidation| liquidation.name == name)
}

fn chart(outcome: &Outcome, place: usize, course: &Course) -> Markup {
    let samples = &outcome.samples;
    let level = |read: fn(&Levels) -> i64| -> Vec<(f64, f64)> {
        let point = |sample: &crate::demo::replay::Sample| {
            (sample.time as f64, units(read(&sample.accounts[place])))
        };
        samples.iter().map(point).collect()
    };
    let equity = level(|levels| levels.equity);
    let initial = level(|levels| levels.initial);
    let maintenance = level(|levels| levels.maintenance);
    let all = || equity.iter().chain(&initial).map(|point| point.1);
    let (low, high) = (all().fold(0.0, f64::min), all().fold(1.0, f64::max));
    let across = super::span(samples);
    let plot = Plot::new(SIZE, 10.0, across, (low, high * 1.06));
    let (equity, initial, maintenance) = (thin(&equity), thin(&initial), thin(&maintenance));
    let floor: Vec<(f64, f64)> = [across.0, across.1].map(|time| (time, 0.0)).to_vec();
    html! {
        svg class="chart" viewBox=(plot.view_box()) role="img"
            aria-label={ "Equity and margin of the " (course.name) } {
            path class="danger" d=(plot.area(&maintenance, &floor)) {
                title { "Below maintenance margin: here anyone may liquidate the account" }
            }
            (plot.grid(4, short_money))
            (plot.times(4))
            path class="line initial" d=(plot.line(&initial)) { title { "Initial margin: needed to open or add" } }
            path class="line maintenance" d=(plot.line(&maintenance)) { title { "Maintenance margin: needed to stay" } }
            path class="line equity" d=(plot.line(&equity)) { title { "Equity: what the account is worth" } }
            @for liquidation in of(outcome, course.name) {
                @let x = plot.across.place(liquidation.time as f64);
                @let y = plot.up.place(units(liquidation.before.equity.0));
                g class="mark" {
                    title {
                        (time::full(liquidation.time)) ": liquidated. Equity " (format::money(liquidation.before.equity.0))
                        " was below maintenance margin " (format::money(liquidation.before.maintenance_margin.0))
                        "; after it equity " (format::money(liquidation.after.equity.0)) ", maintenance margin "
                        (format::money(liquidation.after.maintenance_margin.0))
                    }
                    line class="moment" x1=(number(x)) x2=(number(x)) y1=(number(plot.up.end)) y2=(number(plot.up.start)) {}
                    circle class="dot liquidated" cx=(number(x)) cy=(number(y)) r="5" {}
                }
            }
        }
    }
}
