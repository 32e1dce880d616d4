//! A plan on the screen.

use super::plan::Plan;

/// One line per thing, what stands in the way below.
pub fn plan(plan: &Plan) -> String {
    let verb = |row: &super::plan::Row| row.action.as_ref().map_or("present", |a| a.verb());
    let things = plan.rows.iter().map(|row| row.thing.chars().count());
    let width = things.max().unwrap_or(0);
    let mut text = String::new();
    for row in &plan.rows {
        let (verb, thing, detail) = (verb(row), &row.thing, &row.detail);
        text.push_str(&format!("  {verb:<8} {thing:<width$}  {detail}\n"));
    }
    for conflict in &plan.conflicts {
        text.push_str(&format!("  CONFLICT {conflict}\n"));
    }
    text
}
