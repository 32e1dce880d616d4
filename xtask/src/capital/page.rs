//! `docs/capital-efficiency.md`, from the record.

use anyhow::{Context, Result};
use serde_json::{Map, Value};
use std::fmt::Write;

const METHOD: &str = "\
# Capital efficiency

Written by `cargo xtask run capital_efficiency`; the same figures, with every leg's and what the requirement is made of, are in
[runs/capital_efficiency.json](runs/capital_efficiency.json).

Each book is of one unit of underlying, opened at mark in an account that holds nothing else, and its initial and maintenance
margin (IM, MM) are those of the engine, as `estuary risk margin` computes them. *Apart* is the sum over its legs, each opened in
an account of its own; the ratio is what netting within a market leaves of it. All are shares of spot.

What is assumed:

- **Market.** Spot and volatility are stated at each table; volatility is the same for all strikes and expiries, forwards equal
  spot, the price is exact and of this second. The engine's default parameters.
- **Books.** Strikes are shares of spot; options and futures have 30 days, the calendar's long leg 60. The calendar holds perpetuals
  against its delta, to a thousandth of a unit. A *conversion* is long the underlying (or a perpetual), long a put and short a call of
  one strike; a *basis trade* is long the underlying (or a perpetual) and short a future.
- **Requirement, not cash.** A requirement is held against equity, and equity counts what is owned at mark: the underlying of a
  covered call is worth more than it needs, and a premium received is there to meet the requirement. *Value* is what the book is
  worth at mark: perpetuals and futures nothing, since they were opened there, a short option less than nothing, which is the premium
  that was received and is not counted here.

What *binds* is what the initial margin comes from, by the names of [the margin model](margin-model.md): the certified loss A with its
worst scenario, of a tail the share of the loss that counts, and the charges that are added to it; the floor of gross exposure G/20; all
it can lose, where that has a limit; or all it is worth, which is the most that an account needs which owes nothing. A linear book loses
the same at every tail's weight: the first of the largest is named.
";

const LIMITS: &str = "\
## Limits

- One underlying, one unit: neither offsets across underlyings nor size.
- One volatility. At a higher one short options cost more apart and together, and the ratio moves less than either.
- Apart is this engine's own requirement for a leg, not another exchange's: it already knows what an option can lose.
- Liquidity cost is not part of the model yet.
";

/// The whole page.
///
/// # Errors
/// When the record lacks something.
pub fn write(figures: &Map<String, Value>) -> Result<String> {
    let mut page = METHOD.to_owned();
    let markets = figures.get("markets").and_then(Value::as_object);
    for (symbol, market) in markets.context("no markets in the record")? {
        table(&mut page, symbol, market).with_context(|| symbol.clone())?;
    }
    page.push('\n');
    page.push_str(LIMITS);
    Ok(page)
}

fn table(page: &mut String, symbol: &str, market: &Value) -> Result<()> {
    let books = market["books"].as_array().context("no books")?;
    writeln!(
        page,
        "\n## {symbol}\n\nSpot {}, volatility {}.\n",
        number(market, "spot")?,
        percent(number(market, "vol")?)
    )?;
    page.push_str(
        "| book | value | IM | MM | IM apart | MM apart | ratio of IM | of MM | what binds IM |\n",
    );
    page.push_str("|---|---:|---:|---:|---:|---:|---:|---:|---|\n");
    for book in books {
        let name = book["book"].as_str().context("a name")?;
        write!(page, "| {name} |")?;
        let columns = [
            "value",
            "initial",
            "maintenance",
            "initial_apart",
            "maintenance_apart",
        ];
        for column in columns {
            write!(page, " {} |", percent(number(book, column)?))?;
        }
        for column in ["initial_ratio", "maintenance_ratio"] {
            write!(page, " {:.2} |", number(book, column)?)?;
        }
        writeln!(page, " {} |", book["binds"].as_str().context("words")?)?;
    }
    Ok(())
}

fn number(value: &Value, field: &str) -> Result<f64> {
    value[field].as_f64().with_context(|| format!("no {field}"))
}

/// Two decimals.
fn percent(share: f64) -> String {
    format!("{:.2}%", 100.0 * share)
}
