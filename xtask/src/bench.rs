//! `cargo xtask bench`: compute units from the ELFs, as a page for people and an object for programs.

use crate::binaries::binary;
use crate::process::{command, output, step};
use crate::sbf;
use anyhow::{bail, Context, Result};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// The page.
const PAGE: &str = "docs/COMPUTE_UNITS.md";
/// The object.
const OBJECT: &str = "docs/compute_units.json";
/// A figure may rise by this much against the committed one, percent.
const TOLERANCE_PERCENT: u64 = 2;
/// Compute units of a transaction.
const TRANSACTION: u64 = 1_400_000;

/// What a figure is, and the most it may be where the project promises a limit.
struct Described {
    name: &'static str,
    limit: Option<u64>,
    what: &'static str,
}

const fn figure(name: &'static str, limit: Option<u64>, what: &'static str) -> Described {
    Described { name, limit, what }
}

/// In the order of the page. A figure that is measured and not described is an error, and so is the reverse.
const FIGURES: &[Described] = &[
    figure("option_scenario", Some(130), "one option in one scenario: the slope of a margin report from 64 to 128 options over the 39 scenarios each is priced in, set-up, netting, slopes and charges included"),
    figure("range_bound_per_market", Some(3_000), "the certified bound between the nodes and out to the tails, once per market"),
    figure("margin_report_16", Some(120_000), "margin report, summary, 16 options over 2 markets, accounts loaded"),
    figure("margin_report_64", Some(400_000), "margin report, summary, 64 options over 2 markets"),
    figure("margin_report_128", Some(760_000), "margin report, summary, 128 options over 2 markets (wide build)"),
    figure("margin_report_16_full", Some(130_000), "margin report with every charge, 16 options over 4 markets"),
    figure("margin_report_64_full", Some(440_000), "margin report with every charge, 64 options over 4 markets"),
    figure("margin_report_128_full", Some(850_000), "margin report with every charge, 128 options over 4 markets (wide build)"),
    figure("margin_report_64_positions", None, "margin report, first page of positions with marks and contributions, 64 options"),
    figure("deposit", Some(25_000), "deposit into an account without positions"),
    figure("withdraw", Some(25_000), "withdraw from an account without positions"),
    figure("withdraw_16", None, "withdraw with 16 options over 2 markets: a margin check and a transfer"),
    figure("withdraw_64", None, "withdraw with 64 options over 2 markets"),
    figure("block_trade_4_legs_16_positions", Some(350_000), "block trade of 4 legs in series that both sides hold, 16 positions on each side, the other 12 different: 28 series"),
    figure("block_trade_4_legs_16_positions_mirrored", None, "the same with the other 12 positions in the same series: 16 series"),
    figure("block_trade_full_vs_16", Some(1_250_000), "the largest block trade: 16 legs, a full account of 64 positions against one of 16, 80 series in two markets"),
    figure("block_trade_full_vs_16_heap_bytes", Some(262_144), "its heap at the high-water mark: bytes, not compute units"),
    figure("settle_gain", None, "settlement of an account with a gain, with variation: a claim is registered"),
    figure("settle_loss", None, "settlement of an account with a loss, with variation: it is paid in"),
    figure("liquidate_16_positions", Some(700_000), "liquidation of an account with 16 options at 90% of maintenance margin by a flat account"),
    figure("liquidate_64_positions", None, "liquidation of an account with 64 options at 90% of maintenance margin by a flat account"),
    figure("liquidate_4_steps", Some(400_000), "liquidation of an account with 16 options that takes four single legs, as many as one call may"),
    figure("liquidate_full_account", Some(1_250_000), "the largest liquidation known: 64 positions in 8 markets and 15 tokens, single legs and then a share of everything, by a flat account"),
    figure("liquidate_full_account_heap_bytes", Some(262_144), "its heap at the high-water mark: bytes, not compute units"),
];

/// Name and compute units.
type Figures = BTreeMap<String, u64>;

/// Measures, and writes the page and the object.
///
/// # Errors
/// When an ELF cannot be built, an instruction fails, or a figure exceeds its limit (after writing).
pub fn write(root: &Path) -> Result<()> {
    sbf::build(root, sbf::ALL)?;
    let figures = measure(root)?;
    fs::write(root.join(PAGE), page(&figures)?)
        .with_context(|| format!("could not write {PAGE}"))?;
    let object = serde_json::to_string_pretty(&figures)?;
    fs::write(root.join(OBJECT), object + "\n")
        .with_context(|| format!("could not write {OBJECT}"))?;
    step(format!("wrote {PAGE} and {OBJECT}"));
    print!("{}", table(&figures));
    refuse(over_limit(&figures))
}

/// Measures, and compares with the committed object. The ELFs must have been built.
///
/// # Errors
/// When a figure rose by more than 2%, exceeds its limit, or is missing on either side.
pub fn check(root: &Path) -> Result<()> {
    let committed =
        fs::read_to_string(root.join(OBJECT)).with_context(|| format!("{OBJECT} is missing"))?;
    let committed: Figures =
        serde_json::from_str(&committed).with_context(|| format!("{OBJECT} is malformed"))?;
    let figures = measure(root)?;
    let mut wrong = over_limit(&figures);
    wrong.extend(risen(&committed, &figures));
    refuse(wrong)?;
    step(format!(
        "{} figures of compute units are within {TOLERANCE_PERCENT}% of {OBJECT}",
        figures.len()
    ));
    Ok(())
}

fn refuse(wrong: Vec<String>) -> Result<()> {
    if wrong.is_empty() {
        return Ok(());
    }
    bail!(
        "compute units: {}; `cargo xtask bench` writes the table anew",
        wrong.join("; ")
    )
}

/// Runs the measuring program: a line per figure.
fn measure(root: &Path) -> Result<Figures> {
    step("measuring compute units");
    let program = binary(root, "estuary-tests", "compute_units", &[])?;
    let mut figures = Figures::new();
    for line in output(&mut command(program, root))?.lines() {
        let (name, units) = line
            .split_once(' ')
            .with_context(|| format!("not a figure: {line}"))?;
        figures.insert(
            name.to_owned(),
            units
                .parse()
                .with_context(|| format!("not a figure: {line}"))?,
        );
    }
    for described in FIGURES {
        if !figures.contains_key(described.name) {
            bail!("{} was not measured", described.name);
        }
    }
    if let Some(name) = figures
        .keys()
        .find(|name| !FIGURES.iter().any(|figure| figure.name == name.as_str()))
    {
        bail!("{name} is measured, but xtask/src/bench.rs does not say what it is");
    }
    Ok(figures)
}

/// Figures above what the project promises.
fn over_limit(figures: &Figures) -> Vec<String> {
    let over = |described: &Described| {
        let (units, limit) = (*figures.get(described.name)?, described.limit?);
        (units > limit).then(|| format!("{} is {units}, over its limit of {limit}", described.name))
    };
    FIGURES.iter().filter_map(over).collect()
}

/// Figures that rose by more than the tolerance, and those on one side only.
fn risen(committed: &Figures, measured: &Figures) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, units) in measured {
        match committed.get(name) {
            None => wrong.push(format!("{name} is not in {OBJECT}")),
            Some(before) if units * 100 > before * (100 + TOLERANCE_PERCENT) => {
                wrong.push(format!("{name} rose from {before} to {units}"));
            }
            Some(_) => {}
        }
    }
    let gone = committed
        .keys()
        .filter(|name| !measured.contains_key(*name));
    wrong.extend(gone.map(|name| format!("{name} is no longer measured")));
    wrong
}

/// The page for people.
fn page(figures: &Figures) -> Result<String> {
    let mut page = String::new();
    writeln!(page, "# Compute units\n")?;
    writeln!(page, "Written by `cargo xtask bench`; `cargo xtask test` fails when a figure rises by more than {TOLERANCE_PERCENT}%.")?;
    writeln!(
        page,
        "The same figures as one object: [compute_units.json](compute_units.json).\n"
    )?;
    writeln!(page, "{}", table(figures))?;
    let toolchain = format!("{} and sbpf-linker {}", sbf::NIGHTLY, sbf::LINKER);
    writeln!(page, "## What was measured\n")?;
    writeln!(page, "- The ELF: sBPF v3, built by `cargo xtask build-sbf` with {toolchain}, overflow checks on. An ELF of the Solana platform-tools may differ.")?;
    writeln!(page, "- The machine: LiteSVM 0.16.0, one transaction with the one instruction, everything it consumed. A transaction may take {TRANSACTION}.")?;
    page.push_str(HOW);
    Ok(page)
}

/// How the books were made.
const HOW: &str = "\
- The book: [tests/books/bench.csv](../tests/books/bench.csv), two markets, four expiries each from 1 to 60 days, strikes
  within 25% of spot, calls and puts, longs and shorts, no strike of an expiry twice, so that netting finds nothing. The
  first 16, 64 and 128 rows are the books of those sizes.
- Markets, series, surfaces, accounts and deposits are made by the program's own instructions. The positions of the bench
  book, and open interest to match, are written into the accounts as bytes.
- Wide build: the program with its feature `bench-wide-accounts`, whose accounts have room for 128 positions instead of
  64. It exists for this page only. `option_scenario` is the difference of a margin report of 128 and of 64 options, both
  in the wide build, over 64 × 39: the 33 scenarios of the core and the tails and 6 of twist, skew and basis.
- `…_full`: the same rows over four markets, the two later expiries of each market being a market of their own, with every
  charge of the margin model switched on.
- No node of the kernel returns early: beyond eight standard deviations the argument is clamped and the same polynomial
  evaluated.
- The range bound runs alone in the test-only program `tests/programs/differential`: the slope over its repetitions.
";

/// The table, in the order of [`FIGURES`].
fn table(figures: &Figures) -> String {
    let mut table =
        String::from("| figure | compute units | limit | what |\n|---|---:|---:|---|\n");
    for described in FIGURES {
        let units = figures
            .get(described.name)
            .copied()
            .map(grouped)
            .unwrap_or_default();
        let limit = described.limit.map(grouped).unwrap_or_default();
        table.push_str(&format!(
            "| `{}` | {units} | {limit} | {} |\n",
            described.name, described.what
        ));
    }
    table
}

/// With a comma between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{grouped, risen, Figures};

    fn figures(list: &[(&str, u64)]) -> Figures {
        list.iter()
            .map(|(name, units)| ((*name).to_owned(), *units))
            .collect()
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            [1, 999, 1_000, 1_234_567].map(grouped),
            ["1", "999", "1,000", "1,234,567"]
        );
    }

    #[test]
    fn only_a_rise_of_more_than_two_percent_is_refused() {
        let committed = figures(&[("a", 1_000), ("b", 1_000)]);
        assert!(risen(&committed, &figures(&[("a", 1_020), ("b", 1)])).is_empty());
        assert_eq!(
            risen(&committed, &figures(&[("a", 1_021), ("b", 1_000)])).len(),
            1
        );
        assert_eq!(
            risen(&committed, &figures(&[("a", 1_000), ("c", 1)])).len(),
            2
        );
    }
}
