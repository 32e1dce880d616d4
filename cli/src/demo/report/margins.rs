//! The chart of cross against isolated margin: two bars per account and moment, and a mark where its equity is.

use maud::{html, Markup};

use super::plot::{number, short_money, ticks, units, Axis};
use crate::demo::format;
use crate::demo::replay::{Course, Outcome};
use crate::demo::view::Comparison;

/// Height of a bar, of an account's rows, and of the axis.
const BAR: f64 = 13.0;
const ROW: f64 = 78.0;
const AXIS: f64 = 24.0;
const TOP: f64 = 6.0;
/// Room that a value takes.
const LABEL: f64 = 56.0;

/// The chart at a moment, for wide windows and for phones.
pub fn charts(outcome: &Outcome, moment: fn(&Course) -> &Comparison) -> Markup {
    html! {
        div class="wide" { (chart(outcome, moment, 440.0)) }
        div class="narrow" { (chart(outcome, moment, 350.0)) }
    }
}

/// The chart, `width` units wide.
fn chart(outcome: &Outcome, moment: fn(&Course) -> &Comparison, width: f64) -> Markup {
    let courses: Vec<&Course> = with_positions(outcome).collect();
    let most = courses
        .iter()
        .map(|course| moment(course))
        .flat_map(|one| [one.portfolio, one.isolated]);
    let most = units(most.max().unwrap_or(1).max(1));
    let height = ROW * courses.len() as f64 + AXIS + TOP;
    let across = Axis {
        low: 0.0,
        high: most * 1.02,
        start: 8.0,
        end: width - 66.0,
    };
    html! {
        svg class="chart" viewBox={ "0 0 " (number(width)) " " (number(height)) } role="img"
            aria-label="Initial margin of each account, as one portfolio and each position alone" {
            @for tick in ticks(0.0, across.high, (width / 90.0) as usize) {
                @let x = number(across.place(tick));
                line class="grid" x1=(x) x2=(x) y1=(number(TOP)) y2=(number(height - AXIS)) {}
                text class="tick" x=(x) y=(number(height - 8.0)) text-anchor="middle" { (short_money(tick)) }
            }
            @for (place, course) in courses.iter().enumerate() {
                @let top = TOP + ROW * place as f64;
                @let one = moment(course);
                text class="label strong" x=(number(across.start)) y=(number(top + 15.0)) { (course.name) }
                (bar(&across, top + 24.0, (one.portfolio, one.equity), "portfolio", "as one portfolio"))
                (bar(&across, top + 42.0, (one.isolated, one.equity), "isolated", "each position alone"))
                (equity(&across, top, one, course.name))
            }
        }
    }
}

/// The accounts that hold something at the start.
pub fn with_positions(outcome: &Outcome) -> impl Iterator<Item = &Course> {
    outcome
        .courses
        .iter()
        .filter(|course| course.start.isolated > 0)
}

/// A bar with its value beside it, moved on where the mark of the equity stands.
fn bar(across: &Axis, top: f64, (margin, equity): (i64, i64), class: &str, words: &str) -> Markup {
    let (end, mark) = (across.place(units(margin)), across.place(units(equity)));
    let label = if (end..end + LABEL).contains(&mark) {
        mark
    } else {
        end
    };
    html! {
        rect class=(class) x=(number(across.start)) y=(number(top)) width=(number(end - across.start)) height=(number(BAR)) rx="2" {
            title { "Initial margin " (words) ": " (format::money(margin)) }
        }
        text class="label" x=(number(label + 5.0)) y=(number(top + BAR - 2.0)) { (format::money(margin)) }
    }
}

/// A mark at the account's equity, or an arrow at the edge where it has more than the chart shows.
fn equity(across: &Axis, top: f64, one: &Comparison, name: &str) -> Markup {
    let equity = units(one.equity);
    let x = number(across.place(equity));
    html! {
        @if equity <= across.high {
            line class="equity-mark" x1=(x) x2=(x) y1=(number(top + 20.0)) y2=(number(top + 60.0)) {
                title { "Equity of the " (name) ": " (format::money(one.equity)) }
            }
        } @else {
            text class="tick" x=(number(across.end + 58.0)) y=(number(top + 15.0)) text-anchor="end" {
                "equity " (format::money(one.equity)) " →"
            }
        }
    }
}
