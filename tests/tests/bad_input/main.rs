//! The matrix of bad input: every instruction against every kind of it.
//!
//! A row is an instruction that succeeds in a prepared world; a cell spoils it in one respect and names the error it
//! has to fail with, or says why that input does not exist for it. The table is complete by assertion: its rows are the
//! instructions of the IDL, its columns [`Input`], and no cell is empty. That nothing changed when an instruction was
//! refused `World::send` compares byte for byte.

mod admin;
mod case;
mod keeper;
mod market;
mod row;
mod settlement;
mod stage;
mod sweep;
mod trader;
mod two_accounts;

use case::Case;
use row::{Cell, Expect, Input, Row, INPUTS};
use stage::Stage;
use std::collections::{BTreeMap, BTreeSet};

/// An instruction's accounts by name.
type Names = BTreeMap<String, Vec<String>>;

/// The instructions of the IDL.
fn instructions() -> Names {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../app/idl/estuary.json");
    let text = std::fs::read_to_string(path).expect("the IDL");
    let idl: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let name = |value: &serde_json::Value| value["name"].as_str().expect("a name").to_owned();
    let list = |value: &serde_json::Value| value.as_array().expect("a list").clone();
    list(&idl["instructions"])
        .iter()
        .map(|one| {
            let accounts = list(&one["accounts"]);
            (name(one), accounts.iter().map(name).collect())
        })
        .collect()
}

fn table() -> Vec<Row> {
    let mut rows = admin::rows();
    rows.extend(market::rows());
    rows.extend(keeper::rows());
    rows.extend(settlement::rows());
    rows.extend(trader::rows());
    rows.extend(two_accounts::rows());
    let names = instructions();
    let emits = |row: &Row| {
        let accounts = names.get(row.name);
        accounts.is_some_and(|accounts| accounts.iter().any(|name| name == "event_authority"))
    };
    rows.into_iter()
        .map(|row| if emits(&row) { row.events() } else { row })
        .collect()
}

#[test]
fn the_table_is_complete() {
    let rows = table();
    let names: Vec<_> = rows.iter().map(|row| row.name).collect();
    let found: BTreeSet<_> = names.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), names.len(), "a row twice");
    let instructions: BTreeSet<_> = instructions().into_keys().collect();
    assert_eq!(found, instructions, "rows against the IDL's instructions");
    for row in &rows {
        for input in INPUTS {
            let cells = || row.cells.iter().filter(|(of, _)| *of == input);
            let none = cells()
                .filter(|(_, cell)| matches!(cell, Cell::Nothing(why) if !why.is_empty()))
                .count();
            let (name, count) = (row.name, cells().count());
            assert!(count > 0, "{name}: {input:?} is empty");
            assert!(none == 0 || count == 1, "{name}: {input:?} contradicts");
        }
    }
}

/// Runs one row and returns what was wrong with its cells.
fn run(row: &Row, stage: &Stage, names: &Names) -> Vec<String> {
    let mut wrong = Vec::new();
    let accounts = &names[row.name];
    let mut sent = |input: Option<Input>, expect: Expect, change: &dyn Fn(&mut Case<'_>)| {
        let mut stage = stage.fork();
        let good = (row.good)(&mut stage);
        let mut case = Case::new(&mut stage, good, accounts);
        change(&mut case);
        if let Err(found) = expect.check(case.send().refusal()) {
            wrong.push(format!("{} {input:?}: {found}", row.name));
        }
    };
    sent(None, Expect::Done, &|_| ());
    for (input, cell) in &row.cells {
        if let Cell::Sent(expect, change) = cell {
            sent(Some(*input), *expect, change.as_ref());
        }
    }
    wrong
}

#[test]
fn every_bad_input_has_its_own_error_and_changes_nothing() {
    let (stage, names) = (Stage::new(), instructions());
    let rows = table();
    let cells = rows.iter().flat_map(|row| &row.cells);
    let sent = cells
        .filter(|(_, cell)| matches!(cell, Cell::Sent(..)))
        .count();
    println!("{} instructions, {sent} bad inputs", rows.len());
    let wrong: Vec<_> = rows
        .iter()
        .flat_map(|row| run(row, &stage, &names))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
