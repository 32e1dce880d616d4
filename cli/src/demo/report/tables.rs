//! The tables of the page: how each account came through, what was liquidated, and what was checked.

use maud::{html, Markup};

use crate::demo::bot::Liquidation;
use crate::demo::format;
use crate::demo::identity::Identities;
use crate::demo::replay::Outcome;
use crate::demo::world::World;
use crate::time;

/// A line per account.
pub fn summary(outcome: &Outcome) -> Markup {
    html! {
        div class="scroll" {
            table {
                thead {
                    tr {
                        th { "account" } th { "deposit" } th { "at the end" } th { "result" } th { "lowest health" }
                        th { "when" } th { "steps below" } th { "if isolated" } th { "liquidated" }
                    }
                }
                tbody {
                    @for course in &outcome.courses {
                        @let deposit = i64::try_from(course.deposit * 1_000_000).unwrap_or(i64::MAX);
                        @let times = outcome.liquidations.iter().filter(|one| one.name == course.name).count();
                        tr {
                            td { (course.name) }
                            td { (format::money(deposit)) }
                            td { (format::money(course.end.equity.0)) }
                            td { (format::money(course.end.equity.0 - deposit)) }
                            td class=[(course.lowest_health.0 < 0).then_some("bad")] { (format::money(course.lowest_health.0)) }
                            td { (time::short(course.lowest_health.1)) }
                            td { (course.steps_below.0) }
                            td { (course.steps_below.1) }
                            td { @match times { 0 => "no", 1 => "once", more => { (more) " times" } } }
                        }
                    }
                }
            }
        }
        p class="small" {
            "Health is equity less maintenance margin, before the liquidator acts. «Steps below» counts the moments at which it "
            "was negative; «if isolated» counts them for the same equity against positions margined each alone."
        }
    }
}

/// A card per liquidation.
pub fn liquidations(outcome: &Outcome) -> Markup {
    html! {
        @if outcome.liquidations.is_empty() {
            p {
                @if outcome.refusals.is_empty() { "Nothing was: no account fell below its maintenance margin." }
                @else { "Nothing was, although an account fell below its maintenance margin; the reason is below." }
            }
        }
        @for liquidation in &outcome.liquidations { (one(liquidation)) }
        @for (name, refusals) in &outcome.refusals {
            p class="notice bad" {
                "The " (name) " stayed below its maintenance margin after " (format::count(refusals.steps))
                " steps, first at " (time::full(refusals.first)) ": " (refusals.reason)
            }
        }
    }
}

fn one(liquidation: &Liquidation) -> Markup {
    let (before, after) = (&liquidation.before, &liquidation.after);
    html! {
        h3 { "The " (liquidation.name) ", " (time::full(liquidation.time)) " UTC" }
        p {
            "Equity " (format::money(before.equity.0)) " was below maintenance margin "
            (format::money(before.maintenance_margin.0)) ". After it: equity " (format::money(after.equity.0))
            ", maintenance margin " (format::money(after.maintenance_margin.0)) ". The difference in equity, "
            (format::money(liquidation.discount())) ", is the discount: " (format::money(liquidation.insured)) " of it went to the insurance fund and the rest to the liquidator. One transaction, "
            (format::count(liquidation.units)) " compute units of the 1,400,000 that a Solana transaction may use."
        }
        ul class="small" { @for worst in &liquidation.worst { li { "Worst case " (worst) } } }
        div class="scroll" {
            table {
                thead { tr { th { "position" } th { "held" } th { "price" } th { "worst case" } th { "taken over" } } }
                tbody {
                    @for taken in &liquidation.taken {
                        tr {
                            td { (taken.series) }
                            td { (format::units(taken.held)) }
                            td { (format::price(taken.mark)) }
                            td { (format::money(taken.contribution)) }
                            td { (format::units(taken.units)) }
                        }
                    }
                }
            }
        }
    }
}

/// What was checked, and whether it held.
pub fn checks(world: &World, outcome: &Outcome, identities: &Identities) -> Markup {
    let row = |what: Markup, sides: Markup, holds: bool| {
        html! {
            tr {
                td class="words" { (what) }
                td class=(if holds { "good" } else { "bad" }) { (if holds { "holds" } else { "BROKEN" }) }
                td class="words" { (sides) }
            }
        }
    };
    let exact = |micro: i128| format::exact(micro);
    html! {
        div class="scroll" {
            table {
                thead { tr { th { "identity" } th { "" } th class="words" { "both sides at the end" } } }
                tbody {
                    (row(
                        html! { "Cash of all accounts, trading fees and the insurance fund are what the vault holds and what the bank owes" },
                        html! {
                            (exact(identities.cash)) " + " (exact(identities.fees.into())) " + " (exact(identities.insurance.into())) " = " (exact(identities.vault.into()))
                            "; owed " (exact(identities.deposits.into()))
                        },
                        identities.money_holds(),
                    ))
                    (row(
                        html! { "In each series long and short positions sum to zero: every long has a short" },
                        html! { (identities.series.len()) " series with positions" },
                        identities.lots_hold(),
                    ))
                    @for (market, sum, ledger, unpaid) in &identities.costs {
                        (row(
                            html! { "What positions in " (world.underlyings[usize::from(*market)].symbol) " cost sums to the market's ledger" },
                            html! { (exact(*sum)) " = " (exact((*ledger).into())) ", fees still owed " (exact((*unpaid).into())) },
                            *sum == i128::from(*ledger) && *sum + i128::from(*unpaid) == 0,
                        ))
                    }
                    (row(
                        html! { "All of these after every single step" },
                        html! { (format::count(outcome.steps)) " steps, broken after " (outcome.broken_steps) },
                        outcome.broken_steps == 0,
                    ))
                    (row(
                        html! { "The program on chain and the same engine off chain report the same margin to the last millionth" },
                        html! { (format::count(outcome.reports)) " reports, " (outcome.differing) " different" },
                        outcome.differing == 0,
                    ))
                }
            }
        }
    }
}
