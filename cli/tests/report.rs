//! `estuary demo --report`: the page of a short replay, on the real ELF.
//!
//! Without an ELF the tests that need one fail and say how to make it; `ESTUARY_ALLOW_NO_SBF=1` leaves them out.
#![allow(clippy::arithmetic_side_effects, reason = "tests add small numbers")]

mod common;

use common::elf;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use roxmltree::{Document, Node};

/// Two markets, one of them with a name to escape, and a fall that liquidates; the file has a name to escape too.
const ROWS: &str = "2025-01-01T00:00:00Z,A<&B,100,101,99,100\n\
    2025-01-01T00:00:00Z,SOL,200,202,198,200\n\
    2025-01-01T01:00:00Z,A<&B,100,100,80,90\n\
    2025-01-01T01:00:00Z,SOL,200,200,130,160\n\
    2025-01-01T02:00:00Z,A<&B,90,92,88,91\n\
    2025-01-01T02:00:00Z,SOL,160,165,158,162\n";

/// Replays [`ROWS`] and returns the page and what was said.
fn replay(elf: &Path, name: &str) -> (String, String) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (file, page) = (
        folder.join("prices & more.csv"),
        folder.join(format!("{name}.html")),
    );
    let head = "timestamp,symbol,open,high,low,close\n";
    let prices = folder.join(format!("{name}.csv"));
    // Written aside and renamed: tests run side by side.
    std::fs::write(&prices, format!("{head}{ROWS}")).expect("a file in the tests' folder");
    std::fs::rename(&prices, &file).expect("the same folder");
    let output = Command::new(env!("CARGO_BIN_EXE_estuary"))
        .args(["demo", "--elf"])
        .arg(elf)
        .arg("--prices")
        .arg(&file)
        .arg("--report")
        .arg(&page)
        .output()
        .expect("the command line starts");
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complaints}");
    assert!(said.contains("Report: "), "{said}");
    (std::fs::read_to_string(page).expect("a page"), said)
}

/// The page that most tests look at, made once.
fn page() -> Option<&'static (String, String)> {
    static PAGE: OnceLock<Option<(String, String)>> = OnceLock::new();
    PAGE.get_or_init(|| elf().map(|elf| replay(&elf, "page")))
        .as_ref()
}

/// The pictures of a page, each as a document of its own.
fn pictures(page: &str) -> Vec<&str> {
    let mut rest = page;
    let mut found = Vec::new();
    while let Some(start) = rest.find("<svg") {
        let end = rest[start..].find("</svg>").expect("a picture that ends") + start + 6;
        found.push(&rest[start..end]);
        rest = &rest[end..];
    }
    found
}

#[test]
fn the_page_tells_of_every_account_and_of_the_liquidation() {
    let Some((page, said)) = page() else { return };
    for account in [
        "market maker",
        "hedged trader",
        "iron condor",
        "directional trader",
        "liquidator",
    ] {
        let heading = format!("<h3>{account}</h3>");
        assert!(page.contains(&heading), "no {heading}");
        assert!(said.contains(account), "{said}");
    }
    assert!(page.contains("<b>Liquidated once</b>"), "no liquidation");
    assert!(!page.contains("BROKEN"), "an identity is broken");
    // The numbers are those of the run: an equity that was said is on the page too.
    let line = said
        .lines()
        .find(|line| line.contains("is below maintenance margin"))
        .expect("a liquidation is explained");
    let number = |after: &str| {
        let rest = line.split(after).nth(1).expect(after);
        rest.split_whitespace().next().expect("a number").to_owned()
    };
    let words = format!(
        "Equity {} was below maintenance margin {}.",
        number("equity "),
        number("maintenance margin ")
    );
    assert!(page.contains(&words), "no «{words}»");
}

#[test]
fn the_page_needs_nothing_else() {
    let Some((page, _)) = page() else { return };
    for word in [
        "http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link",
    ] {
        assert!(!page.contains(word), "«{word}» on the page");
    }
}

#[test]
fn names_from_outside_are_escaped() {
    let Some((page, _)) = page() else { return };
    assert!(page.contains("prices &amp; more.csv"), "no file name");
    assert!(page.contains("A&lt;&amp;B"), "no symbol");
    assert!(!page.contains("A<&B"), "a symbol as it is");
}

#[test]
fn pictures_are_well_formed_and_stay_within_their_boxes() {
    let Some((page, _)) = page() else { return };
    let pictures = pictures(page);
    assert!(pictures.len() > 10, "{} pictures", pictures.len());
    for picture in pictures {
        let document = Document::parse(picture).expect("well-formed XML");
        let root = document.root_element();
        let view_box: Vec<f64> = root
            .attribute("viewBox")
            .expect("a view box")
            .split(' ')
            .map(|number| number.parse().expect("a number"))
            .collect();
        for node in document.descendants().filter(Node::is_element) {
            for (x, y) in points(&node) {
                assert!(
                    (0.0..=view_box[2]).contains(&x) && (0.0..=view_box[3]).contains(&y),
                    "({x}, {y}) of <{}> outside {view_box:?}",
                    node.tag_name().name()
                );
            }
        }
    }
}

/// Where an element stands.
fn points(node: &Node<'_, '_>) -> Vec<(f64, f64)> {
    let number = |name: &str| -> f64 {
        let value = node.attribute(name).unwrap_or_else(|| panic!("no {name}"));
        let value: f64 = value.parse().expect("a number");
        assert!(value.is_finite(), "{name} is {value}");
        value
    };
    match node.tag_name().name() {
        "path" => {
            let path = node.attribute("d").expect("a path");
            let steps = path.trim_end_matches('Z').split(['M', 'L']);
            let point = |step: &str| {
                let (x, y) = step.split_once(' ').expect("two numbers");
                (x.parse().expect("a number"), y.parse().expect("a number"))
            };
            steps.filter(|step| !step.is_empty()).map(point).collect()
        }
        "line" => vec![(number("x1"), number("y1")), (number("x2"), number("y2"))],
        "circle" => vec![(number("cx"), number("cy"))],
        "rect" => {
            let (x, y) = (number("x"), number("y"));
            vec![(x, y), (x + number("width"), y + number("height"))]
        }
        "text" => vec![(number("x"), number("y"))],
        _ => Vec::new(),
    }
}

#[test]
fn the_drawn_bound_is_the_engine_s() {
    let Some((page, _)) = page() else { return };
    let amount = |after: &str| -> i64 {
        let rest = page
            .split(after)
            .nth(1)
            .unwrap_or_else(|| panic!("no «{after}»"));
        let digits: String = rest
            .chars()
            .take_while(|c| *c == ',' || c.is_ascii_digit())
            .collect();
        digits.replace(',', "").parse().expect("a number")
    };
    let (dots, curve, bound, requirement) = (
        amount("at the dots <b>"),
        amount("on the true curve <b>"),
        amount("by the bound <b>"),
        amount("requirement is <b>"),
    );
    let scan = amount("dots and extremes alone would give ");
    assert!(dots <= curve && curve <= bound, "{dots} {curve} {bound}");
    assert!(
        dots < bound,
        "a book without anything between the dots was chosen"
    );
    // The engine rounds up and adds its declared error; both are far below one unit.
    assert!(
        (bound.max(scan) - requirement).abs() <= 1,
        "{bound} {scan} {requirement}"
    );
}

#[test]
fn the_same_replay_makes_the_same_bytes() {
    let Some(elf) = elf() else { return };
    let Some((page, _)) = page() else { return };
    let (again, _) = replay(&elf, "again");
    assert!(*page == again, "two runs, two pages");
}

#[test]
fn a_folder_that_does_not_exist_is_an_error_before_the_replay() {
    let output = Command::new(env!("CARGO_BIN_EXE_estuary"))
        .args([
            "demo",
            "--elf",
            "no/such/estuary.so",
            "--report",
            "no/such/page.html",
        ])
        .output()
        .expect("the command line starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        complaint.contains("cannot write no/such/page.html: its folder does not exist"),
        "{complaint}"
    );
}
