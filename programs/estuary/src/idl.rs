//! Prints the types that belong into the IDL and that no instruction names, for `cargo xtask idl`: the records of a
//! market's table and the views of `margin_report`.

use crate::{
    report::{MarketReportView, PositionsView, SummaryView, WhatIfView},
    state::Series,
};
use anchor_lang::idl::{serde_json, types::IdlTypeDef, IdlBuild};
use std::collections::BTreeMap;

#[test]
fn prints_types() {
    let mut types = BTreeMap::new();
    add::<Series>(&mut types);
    add::<SummaryView>(&mut types);
    add::<WhatIfView>(&mut types);
    add::<MarketReportView>(&mut types);
    add::<PositionsView>(&mut types);
    let types: Vec<_> = types.values().collect();
    println!("--- IDL begin types ---");
    println!("{}", serde_json::to_string(&types).unwrap());
    println!("--- IDL end types ---");
}

/// Adds a type and the types it is made of.
fn add<T: IdlBuild>(types: &mut BTreeMap<String, IdlTypeDef>) {
    T::insert_types(types);
    types.extend(T::create_type().map(|definition| (T::get_full_path(), definition)));
}
