//! `cargo xtask run kernel`: the kernel over its whole domains, and the table of `docs/kernel-accuracy.md`.

use super::Recording;
use crate::idl::page;
use crate::process::host_cargo;
use anyhow::{bail, Context, Result};
use serde_json::{Map, Value};
use std::path::Path;

/// The page with the derivation.
const PAGE: &str = "docs/kernel-accuracy.md";

/// Runs the kernel's test at full size, some twenty minutes on two cores, and writes its record and table.
///
/// # Errors
/// Those of [`Recording::begin`], or a bound does not hold.
pub fn kernel(root: &Path) -> Result<()> {
    let recording = Recording::begin(root, "kernel", &[PAGE])?;
    let mut cargo = host_cargo(root);
    cargo.args(["test", "--locked", "--release", "--package"]);
    cargo.args(["estuary-risk", "--test", "kernel", "--"]);
    cargo.args(["--exact", "the_full_run_is_recorded", "--nocapture"]);
    let figures = recording.measured_by(cargo, "ESTUARY_KERNEL_RECORD")?;
    recording.fill(PAGE, |text| filled(text, &figures))?;
    recording.write(figures)
}

/// The page with the record's tables.
fn filled(text: &str, figures: &Map<String, Value>) -> Result<String> {
    page::fill(text, |section| match section {
        "functions" | "prices" => table(figures, section),
        _ => bail!("unknown"),
    })
}

/// The measurements of one section of the record.
fn table(figures: &Map<String, Value>, section: &str) -> Result<String> {
    let rows = figures.get(section).and_then(Value::as_object);
    let mut text = "| what | worst | bound | unit | points | taken |\n".to_owned();
    text.push_str("|---|---:|---:|---|---:|---|\n");
    for (name, row) in rows.with_context(|| format!("no {section} in the record"))? {
        let number = |field: &str| row[field].as_f64().context("a number");
        let words = |field: &str| row[field].as_str().context("words");
        let points = number("points")?;
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            escaped(name),
            short(number("worst")?),
            row["bound"].as_f64().map_or("–".to_owned(), short),
            escaped(words("unit")?),
            if points < 1e6 {
                format!("{points}")
            } else {
                format!("{points:.2e}")
            },
            escaped(words("domain")?),
        ));
    }
    Ok(text)
}

/// A bar ends a cell of a table.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Three digits, as decimals where that is short.
fn short(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value}")
    } else if (0.01..100.0).contains(&value) {
        format!("{value:.3}")
    } else {
        format!("{value:.2e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_page_shows_the_committed_record() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let Ok(record) = fs::read_to_string(root.join("docs/runs/kernel.json")) else {
            println!("skipped: no run is recorded");
            return;
        };
        let figures = serde_json::from_str(&record).unwrap();
        let page = fs::read_to_string(root.join(PAGE)).unwrap();
        assert_eq!(filled(&page, &figures).unwrap(), page);
    }

    #[test]
    fn figures_are_short() {
        let shown = [0.0, 1.0, 0.94458, 3.0204e-9].map(short);
        assert_eq!(shown, ["0", "1", "0.945", "3.02e-9"]);
    }
}
