//! `cargo xtask run certified`: the certified bound against brute force, and its figures in `docs/margin-model.md`.

use super::Recording;
use crate::idl::page;
use crate::process::host_cargo;
use anyhow::{bail, Context, Result};
use serde_json::{Map, Value};
use std::fmt::Write;
use std::path::Path;

/// The page that states the figures.
const PAGE: &str = "docs/margin-model.md";
/// The groups that the page shows; the record has more.
const ROWS: [&str; 12] = [
    "all",
    "nearest expiry within a day",
    "no expiry within a day",
    "random legs",
    "pin risk",
    "calendars",
    "narrow butterflies",
    "boxes",
    "conversions",
    "condors",
    "hedged wings",
    "mixed",
];

/// Runs the test at full size, some ten minutes on four cores, and writes its record and the page's section.
///
/// # Errors
/// Those of [`Recording::begin`], or a book is understated.
pub fn certified(root: &Path) -> Result<()> {
    let recording = Recording::begin(root, "certified", &[PAGE])?;
    let mut cargo = host_cargo(root);
    cargo.args(["test", "--locked", "--release", "--package"]);
    cargo.args(["estuary-risk", "--test", "certified", "--"]);
    cargo.args(["--exact", "the_full_run_is_recorded", "--nocapture"]);
    let figures = recording.measured_by(cargo, "ESTUARY_CERTIFIED_RECORD")?;
    recording.fill(PAGE, |text| filled(text, &figures))?;
    recording.write(figures)
}

/// The page with the record's figures.
fn filled(text: &str, figures: &Map<String, Value>) -> Result<String> {
    page::fill(text, |section| match section {
        "certified" => summary(figures),
        _ => bail!("unknown"),
    })
}

fn summary(figures: &Map<String, Value>) -> Result<String> {
    let number = |field: &str| {
        let value = figures.get(field).and_then(Value::as_f64);
        value.with_context(|| format!("no {field} in the record"))
    };
    let (books, material) = (number("books")?, number("material")?);
    let (gaps, above) = (number("vol_gap_books")?, number("vol_gap_above_1_percent")?);
    let nodes = number("nodes_alone_understate_by_1_percent")?;
    let mut text = String::new();
    writeln!(
        text,
        "Of {books} books {} were understated. Over the {material} that lose more than a ten-thousandth of their notional, the certified\n\
         loss is a median {:.3}, p90 {:.2} and p99 {:.1} times the true one. The nodes alone would understate {:.1}% of these by more than 1%.",
        number("understated")?,
        number("ratio_median")?,
        number("ratio_p90")?,
        number("ratio_p99")?,
        100.0 * nodes / material,
    )?;
    writeln!(
        text,
        "At volatilities between the levels the true loss exceeds the certified one by {:.1}% at most, and by more than 1% in {above} of\n\
         {gaps} books. The volatilities of all expiries move by the same share of the way, and spot stays in the core range.\n",
        100.0 * number("vol_gap_worst")?,
    )?;
    text.push_str("| books | number | certified / true: median | p90 | p99 | largest | between levels: p99.9 | largest |\n");
    text.push_str("|---|---:|---:|---:|---:|---:|---:|---:|\n");
    for group in ROWS {
        writeln!(text, "| {group} | {} |", row(figures, group)?)?;
    }
    Ok(text)
}

/// The figures of one group.
fn row(figures: &Map<String, Value>, group: &str) -> Result<String> {
    let of = |table: &str, field: &str| {
        let groups = figures.get(table).and_then(|table| table.get(group));
        groups
            .and_then(|row| row.get(field))
            .and_then(Value::as_f64)
    };
    let Some(books) = of("ratio", "books") else {
        return Ok("0 | – | – | – | – | – | –".to_owned());
    };
    let ratio = |field| of("ratio", field).map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
    let gap = |field| match of("vol_gap", field) {
        Some(gap) if gap > 0.0 => format!("+{:.2}%", 100.0 * gap),
        Some(_) => "none".to_owned(),
        None => "–".to_owned(),
    };
    let cells = [
        books.to_string(),
        ratio("median"),
        ratio("p90"),
        ratio("p99"),
        ratio("worst"),
        gap("p999"),
        gap("worst"),
    ];
    Ok(cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_page_shows_the_committed_record() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let Ok(record) = fs::read_to_string(root.join("docs/runs/certified.json")) else {
            println!("skipped: no run is recorded");
            return;
        };
        let figures: Map<String, Value> = serde_json::from_str(&record).unwrap();
        assert_eq!(figures["understated"], 0);
        assert!(figures["books"].as_u64() >= Some(100_000));
        let page = fs::read_to_string(root.join(PAGE)).unwrap();
        assert_eq!(filled(&page, &figures).unwrap(), page);
    }
}
