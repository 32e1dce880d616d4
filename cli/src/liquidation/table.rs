//! The answer as aligned tables for a person.

use crate::risk::notes::Notes;
use crate::risk::output::money;
use crate::risk::table::{cents, finish, Table};

use super::plan::{Call, End, Health, Plan};

/// The answer of `liquidation plan`.
pub fn plan(plan: &Plan, notes: &Notes) -> String {
    let mut out = String::from("Account (quote units)\n");
    account(plan, &mut out);
    for (index, one) in plan.calls.iter().enumerate() {
        out.push_str(&format!("\nCall {}\n", index + 1));
        call(one, &mut out);
    }
    out.push('\n');
    if plan.steps().any(|step| step.of_share) {
        out.push_str("* one share of every position: health rises by all of it together\n");
    }
    out.push_str(&verdict(plan));
    out.push('\n');
    if !plan.calls.is_empty() && !plan.left.is_empty() {
        out.push_str("\nLeft\n");
        let mut table = Table::default();
        for left in &plan.left {
            table.row(vec![left.series.clone(), left.lots.quantity().to_string()]);
        }
        table.write(&mut out);
    }
    finish(out, notes)
}

fn account(plan: &Plan, out: &mut String) {
    let (before, after) = (&plan.before, &plan.after);
    let taken = !plan.calls.is_empty();
    let mut table = if taken {
        Table::new(&["", "before", "after"])
    } else {
        Table::default()
    };
    let rows = |health: &Health| {
        [
            ("equity", health.report.equity),
            ("initial margin", health.report.initial_margin),
            ("maintenance margin", health.report.maintenance_margin),
            ("target", health.target),
            ("health, maintenance", health.health),
        ]
    };
    for ((name, before), (_, after)) in rows(before).into_iter().zip(rows(after)) {
        let mut cells = vec![name.to_owned(), cents(before)];
        if taken {
            cells.push(cents(after));
        }
        table.row(cells);
    }
    table.write(out);
}

fn call(call: &Call, out: &mut String) {
    let mut table = Table::new(&[
        "take",
        "quantity",
        "of",
        "payment",
        "discount",
        "equity",
        "initial",
        "maintenance",
        "target",
        "health",
    ]);
    let row = |cells: [String; 5], health: &Health| {
        let states = [
            health.report.equity,
            health.report.initial_margin,
            health.report.maintenance_margin,
            health.target,
            health.health,
        ];
        cells.into_iter().chain(states.map(cents)).collect()
    };
    let mut cells: [String; 5] = Default::default();
    cells[0] = "(before)".to_owned();
    table.row(row(cells, &call.before));
    for step in &call.takes {
        let mark = if step.of_share { " *" } else { "" };
        let cells = [
            format!("{}{mark}", step.series),
            step.taken.quantity().to_string(),
            step.held.quantity().to_string(),
            cents(step.payment),
            cents(step.discount),
        ];
        table.row(row(cells, &step.after));
    }
    table.write(out);
}

/// How it ends, in a sentence.
fn verdict(plan: &Plan) -> String {
    if plan.calls.is_empty() && plan.end == End::Healthy {
        return "Healthy: equity is not below maintenance margin, nothing is liquidated."
            .to_owned();
    }
    let count = |count: usize, noun: &str| match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    };
    let calls = count(plan.calls.len(), "call");
    let takes = count(plan.steps().count(), "take");
    let discount = cents(plan.discount());
    let end = match plan.end {
        End::Healthy => "the account is healthy".to_owned(),
        End::Flat => "every position is taken and the account owes nothing".to_owned(),
        End::Deficit => format!(
            "the account owes {} more than it has",
            money(plan.deficit())
        ),
        End::Unhealthy => {
            "the account is still below maintenance margin, and nothing more can be taken"
                .to_owned()
        }
    };
    if plan.calls.is_empty() {
        return format!("Nothing can be taken: {end}.");
    }
    format!("{calls}, {takes}, {discount} of discount: {end}.")
}
