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
use serde_json::Value;
use stage::Stage;
use std::collections::{BTreeMap, BTreeSet};

/// Accounts of one market: the most that belong together.
const MARKET_ACCOUNTS: usize = 3;

/// An instruction's accounts by name.
type Names = BTreeMap<String, Vec<String>>;

/// The instructions as the IDL has them.
fn idl() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../app/idl/estuary.json");
    let text = std::fs::read_to_string(path).expect("the IDL");
    let idl: Value = serde_json::from_str(&text).expect("JSON");
    list(&idl["instructions"])
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().expect("a list").clone()
}

fn name(value: &Value) -> String {
    value["name"].as_str().expect("a name").to_owned()
}

/// The instructions of the IDL.
fn instructions() -> Names {
    let names = |one: &Value| list(&one["accounts"]).iter().map(name).collect();
    idl().iter().map(|one| (name(one), names(one))).collect()
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

/// The inputs that exist for an instruction by what the IDL says of it.
fn evident(instruction: &Value) -> Vec<Input> {
    let (accounts, args) = (list(&instruction["accounts"]), list(&instruction["args"]));
    let has = |what: &str| accounts.iter().any(|account| name(account) == what);
    let mut inputs = vec![
        Input::WrongOwner,
        Input::WrongAddress,
        Input::DuplicateAccounts,
        Input::MissingAccounts,
        Input::ExtraAccounts,
        Input::ReorderedAccounts,
    ];
    // The one that creates a clearinghouse names no other.
    if name(instruction) != "create_clearinghouse" {
        inputs.push(Input::ForeignClearinghouse);
    }
    if accounts.iter().any(|account| account["signer"] == true) {
        inputs.push(Input::MissingSigner);
    }
    if has("mint") || has("bank") {
        inputs.push(Input::WrongMint);
    }
    if has("price") {
        inputs.extend(row::PRICES);
    }
    if has("market") && !has("system_program") {
        inputs.push(Input::PausedMarket);
    }
    let traders = ["margin_account", "taker_account", "liquidated_account"];
    // Of one that is opened nothing is known yet.
    if traders.into_iter().any(has) && name(instruction) != "open_account" {
        inputs.push(Input::MarkedAccount);
    }
    if args.iter().any(|arg| name(arg) == "amount") {
        inputs.extend(row::AMOUNTS);
    }
    inputs
}

#[test]
fn no_reason_denies_what_the_idl_shows() {
    let rows = table();
    for instruction in idl() {
        let this = name(&instruction);
        let row = rows.iter().find(|row| row.name == this).expect("a row");
        for input in evident(&instruction) {
            let nothing =
                |(of, cell): &(Input, Cell)| *of == input && matches!(cell, Cell::Nothing(_));
            assert!(!row.cells.iter().any(nothing), "{this}: {input:?} exists");
        }
    }
}

#[test]
fn every_account_is_wrong_in_some_refused_cell() {
    let (stage, names) = (Stage::new(), instructions());
    let mut never = Vec::new();
    for row in table() {
        let good = (row.good)(&mut stage.fork()).instruction.accounts;
        let mut wrong = vec![false; good.len()];
        for (_, cell) in &row.cells {
            let Cell::Sent(expect, change) = cell else {
                continue;
            };
            if matches!(expect, Expect::Done) {
                continue;
            }
            let mut stage = stage.fork();
            let instruction = (row.good)(&mut stage);
            let mut case = Case::new(&mut stage, instruction, &names[row.name]);
            change(&mut case);
            let given = &case.instruction.accounts;
            let differs = |index: &usize| given.get(*index) != Some(&good[*index]);
            let differ: Vec<_> = (0..good.len()).filter(differs).collect();
            // Otherwise it is another instruction altogether.
            if given.len() == good.len() && differ.len() <= MARKET_ACCOUNTS {
                differ.iter().for_each(|index| wrong[*index] = true);
            }
        }
        let right = wrong.iter().enumerate().filter(|(_, wrong)| !**wrong);
        for (index, _) in right {
            let account = names[row.name].get(index);
            never.push(format!("{}: {account:?} at {index}", row.name));
        }
    }
    assert!(never.is_empty(), "never wrong:\n{}", never.join("\n"));
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
