//! `docs/invariants.md` names tests; they exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn every_test_that_the_page_names_exists() {
    let docs = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs"));
    let page = fs::read_to_string(docs.join("invariants.md")).expect("the page");
    let mut links = 0;
    for link in page.split("[`").skip(1) {
        let (name, rest) = link.split_once("`](").expect("a link");
        let (path, _) = rest.split_once(')').expect("the link's end");
        let found = fs::read_to_string(docs.join(path))
            .unwrap_or_else(|error| panic!("{name} is linked to {path}: {error}"));
        if !name.contains('/') {
            assert!(
                found.contains(&format!("fn {name}(")),
                "no {name} in {path}"
            );
            links += 1;
        }
    }
    assert!(links > 50, "only {links} tests are named");
}

#[test]
fn every_id_is_used_once() {
    let page = include_str!("../../docs/invariants.md");
    let mut ids = BTreeSet::new();
    for line in page.lines() {
        if let Some((id, _)) = line.strip_prefix("| `").and_then(|row| row.split_once('`')) {
            assert!(ids.insert(id), "{id} names two invariants");
        }
    }
    assert!(ids.len() > 30);
}
