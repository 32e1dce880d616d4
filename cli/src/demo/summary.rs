//! What is said at the end, and whether it is a success.

use anyhow::Result;

use super::bot::Liquidation;
use super::format;
use super::identity::Identities;
use super::replay::{Course, Outcome};
use super::view::Comparison;
use super::world::World;
use crate::time;

/// Whether a replay went well.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    /// Every identity held after every step.
    pub sound: bool,
    /// The program and the native engine agreed.
    pub equal: bool,
    /// Accounts left below maintenance that could be liquidated.
    pub could_be_liquidated: usize,
}

impl Verdict {
    /// All of it.
    pub fn success(&self) -> bool {
        self.sound && self.equal && self.could_be_liquidated == 0
    }
}

/// Prints the summary and says whether the replay went well.
///
/// # Errors
/// When an account cannot be read.
pub fn print(world: &World, outcome: &Outcome) -> Result<Verdict> {
    print_liquidations(world, outcome);
    print_margins(world, outcome);
    print_courses(outcome);
    let identities = Identities::read(world)?;
    print_identities(world, outcome, &identities);
    let deficits = print_deficits(outcome);
    print_checks(outcome);
    let could_be_liquidated = outcome
        .left_behind
        .iter()
        .filter(|left| !left.nothing_to_take)
        .count();
    let verdict = Verdict {
        sound: identities.hold() && outcome.broken_steps == 0,
        equal: outcome.differing == 0,
        could_be_liquidated,
    };
    println!(
        "\n{}: identities {}, reports {}; {} left that could be liquidated, {deficits} in deficit.",
        if verdict.success() {
            "Success"
        } else {
            "FAILURE"
        },
        if verdict.sound { "hold" } else { "BROKEN" },
        if verdict.equal { "agree" } else { "DIFFER" },
        accounts(could_be_liquidated),
    );
    Ok(verdict)
}

fn accounts(number: usize) -> String {
    match number {
        0 => "no account".to_owned(),
        1 => "1 account".to_owned(),
        more => format!("{more} accounts"),
    }
}

fn title(text: &str) {
    println!("\n{text}");
}

fn print_liquidations(world: &World, outcome: &Outcome) {
    title("What was liquidated, and why");
    if outcome.liquidations.is_empty() {
        let why = match outcome.refusals.is_empty() {
            true => "no account fell below its maintenance margin",
            false => "the program refused, see below",
        };
        println!("  Nothing: {why}.");
    }
    for liquidation in &outcome.liquidations {
        print_liquidation(world, liquidation);
    }
}

fn print_liquidation(world: &World, liquidation: &Liquidation) {
    let first = |symbol: &str| {
        let market = world
            .underlyings
            .iter()
            .find(|market| market.symbol == symbol);
        market.map_or(1.0, |market| market.first_price as f64)
    };
    let price = |(symbol, price): &(String, u64)| {
        let change = format::percent(*price as f64 / first(symbol) - 1.0);
        format!(
            "{symbol} {} ({change} since the start)",
            format::price(*price)
        )
    };
    let prices: Vec<String> = liquidation.prices.iter().map(price).collect();
    let (before, after) = (&liquidation.before, &liquidation.after);
    println!(
        "  {}, {} of its bar: the {}",
        time::full(liquidation.time),
        liquidation.step,
        liquidation.name
    );
    println!("    prices     {}", prices.join(", "));
    println!(
        "    why        equity {} is below maintenance margin {} (initial margin {})",
        format::money(before.equity.0),
        format::money(before.maintenance_margin.0),
        format::money(before.initial_margin.0)
    );
    for worst in &liquidation.worst {
        println!("    worst case {worst}");
    }
    println!(
        "    {:<22}{:>12}{:>14}{:>18}{:>12}",
        "position", "held", "mark", "worst case", "taken"
    );
    for taken in &liquidation.taken {
        println!(
            "    {:<22}{:>12}{:>14}{:>18}{:>12}",
            taken.series,
            format::units(taken.held),
            format::price(taken.mark),
            format::money(taken.contribution),
            format::units(taken.units)
        );
    }
    println!("    taken first: what releases most margin per unit of discount, until equity is safely above maintenance");
    println!(
        "    after      equity {}, maintenance margin {}; of the discount, {}, {} went to the insurance fund and the rest to the liquidator; {} CU",
        format::money(after.equity.0),
        format::money(after.maintenance_margin.0),
        format::money(liquidation.discount()),
        format::money(liquidation.insured),
        format::count(liquidation.units)
    );
}

fn print_margins(world: &World, outcome: &Outcome) {
    let main = super::books::main_market(&world.underlyings);
    let symbol = &world.underlyings[main].symbol;
    title("Initial margin of the same books: netted in one portfolio, and each position alone");
    println!(
        "  {:<20}{:>36}   {:>36}",
        "",
        "at the start",
        format!("at the low of {symbol}, {}", time::short(outcome.low.time))
    );
    println!(
        "  {:<20}{:>12}{:>12}{:>12}   {:>12}{:>12}{:>12}",
        "account", "equity", "portfolio", "isolated", "equity", "portfolio", "isolated"
    );
    for course in outcome
        .courses
        .iter()
        .filter(|course| course.start.isolated > 0)
    {
        let cells = |comparison: &Comparison| {
            format!(
                "{:>12}{:>12}{:>12}",
                format::money(comparison.equity),
                format::money(comparison.portfolio),
                format::money(comparison.isolated)
            )
        };
        println!(
            "  {:<20}{}   {}",
            course.name,
            cells(&course.start),
            cells(&course.low)
        );
    }
    println!("  Isolated: every position in an account of its own, by the same engine. At the low before the liquidator acts.");
    for course in outcome
        .courses
        .iter()
        .filter(|course| course.start.isolated > course.start.equity)
    {
        println!(
            "  The {} could not have opened its book under isolated margin: it has {} and would need {}.",
            course.name,
            format::money(course.start.equity),
            format::money(course.start.isolated)
        );
    }
}

fn print_courses(outcome: &Outcome) {
    title("How each account came through");
    println!(
        "  {:<20}{:>10}{:>12}{:>12}{:>12}  {:<12}{:>26}",
        "", "", "", "", "lowest", "", "steps below maintenance"
    );
    println!(
        "  {:<20}{:>10}{:>12}{:>12}{:>12}  {:<12}{:>13}{:>13}  liquidated",
        "account", "deposit", "at the end", "result", "health", "(when)", "portfolio", "isolated"
    );
    for course in &outcome.courses {
        let deposit = i64::try_from(course.deposit * 1_000_000).unwrap_or(i64::MAX);
        let times = outcome
            .liquidations
            .iter()
            .filter(|liquidation| liquidation.name == course.name)
            .count();
        println!(
            "  {:<20}{:>10}{:>12}{:>12}{:>12}  {:<12}{:>13}{:>13}  {}",
            course.name,
            format::money(deposit),
            format::money(course.end.equity.0),
            format::money(course.end.equity.0 - deposit),
            format::money(course.lowest_health.0),
            time::short(course.lowest_health.1),
            course.steps_below.0,
            course.steps_below.1,
            match times {
                0 => "no".to_owned(),
                1 => "once".to_owned(),
                more => format!("{more} times"),
            }
        );
    }
    println!("  Health is equity less maintenance margin, taken here before the liquidator acts. Isolated: steps at which the same");
    println!("  equity was below the sum of the maintenance margins of the positions, each alone.");
}

fn print_identities(world: &World, outcome: &Outcome, identities: &Identities) {
    title("Solvency");
    for line in identities.lines(world) {
        println!("{line}");
    }
    println!(
        "  checked after every step: {}",
        match outcome.broken_steps {
            0 => "always held".to_owned(),
            broken => format!("BROKEN after {broken} of them"),
        }
    );
}

/// Accounts that owe more than they have, and those the bot could not bring back; says how many are in deficit.
fn print_deficits(outcome: &Outcome) -> String {
    let in_deficit = |course: &&Course| course.end.equity.0 < 0;
    for course in outcome.courses.iter().filter(in_deficit) {
        println!(
            "  DEFICIT: the {} ends with equity {}; nobody covers it yet (insurance comes with settlement)",
            course.name,
            format::money(course.end.equity.0)
        );
    }
    for (name, refusals) in &outcome.refusals {
        println!(
            "  The {name} stayed below maintenance margin at {} steps, first at {}:\n    {}",
            refusals.steps,
            time::full(refusals.first),
            refusals.reason
        );
    }
    for left in &outcome.left_behind {
        println!(
            "  The {} ends below maintenance margin {}:\n    {}",
            left.name,
            match left.nothing_to_take {
                true => "with nothing to take that it can pay for",
                false => "and COULD BE LIQUIDATED",
            },
            left.reason
        );
    }
    accounts(outcome.courses.iter().filter(in_deficit).count())
}

fn print_checks(outcome: &Outcome) {
    title("Checks");
    println!(
        "  {} margin reports by the program in simulated transactions, at most {} CU each",
        format::count(outcome.reports),
        format::count(outcome.most_units.0),
    );
    println!(
        "  all of them compared with the native engine: {}",
        match outcome.differing {
            0 => "equal to the last micro-unit".to_owned(),
            differing => format!("{differing} DIFFER"),
        }
    );
    if outcome.most_units.1 > 0 {
        println!(
            "  a liquidation took at most {} CU",
            format::count(outcome.most_units.1)
        );
    }
    println!(
        "  volatility surfaces posted again by the rule: {}",
        format::count(outcome.postings)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_read_as_english() {
        assert_eq!(accounts(0), "no account");
        assert_eq!(accounts(1), "1 account");
        assert_eq!(accounts(2), "2 accounts");
    }
}
