//! `cargo xtask run kernel`: the kernel over its whole domains, and the table of `docs/kernel-accuracy.md`.

use super::Recording;
use crate::idl::page;
use crate::process::{host_cargo, step};
use anyhow::{bail, Context, Result};
use serde_json::{Map, Value};
use std::fs;
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
    let path = root.join(PAGE);
    let text = fs::read_to_string(&path).with_context(|| format!("could not read {PAGE}"))?;
    let filled = page::fill(&text, |section| match section {
        "functions" | "prices" => table(&figures, section),
        _ => bail!("unknown"),
    })?;
    fs::write(&path, filled).with_context(|| format!("could not write {PAGE}"))?;
    step(format!("wrote {PAGE}"));
    recording.write(figures)
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
            short(number("bound")?),
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

/// Three digits.
fn short(value: f64) -> String {
    if value == 0.0 || (0.01..100.0).contains(&value) {
        format!("{value}").chars().take(5).collect()
    } else {
        format!("{value:.2e}")
    }
}
