//! `cargo xtask run capital_efficiency`: what standard books need in one account, against each of their legs in an
//! account of its own.
//!
//! markets and books (here) → the engine's margin ([`crate::engine`]) → `docs/runs/capital_efficiency.json` →
//! `docs/capital-efficiency.md` ([`page`]).

mod page;

use crate::engine::Kind::{Call, Future, Perpetual, Put, Spot};
use crate::engine::{open, open_alone, Book, Leg, Margin};
use crate::process::step;
use crate::record::Recording;
use anyhow::{Context, Result};
use serde_json::{json, Map, Value};
use std::fs;
use std::path::Path;

/// The page that is written.
const PAGE: &str = "docs/capital-efficiency.md";

/// A market at a moment: its default parameters go by its symbol.
struct Market {
    symbol: &'static str,
    spot: f64,
    /// At every strike and expiry.
    vol: f64,
}

const MARKETS: [Market; 3] = [
    Market {
        symbol: "BTC",
        spot: 100_000.0,
        vol: 0.5,
    },
    Market {
        symbol: "ETH",
        spot: 4_000.0,
        vol: 0.7,
    },
    Market {
        symbol: "SOL",
        spot: 200.0,
        vol: 0.9,
    },
];

const fn book(name: &'static str, legs: &'static [Leg]) -> Book {
    Book {
        name,
        legs,
        hedged: false,
    }
}

/// In the order of the page.
const BOOKS: [Book; 10] = [
    book(
        "conversion",
        &[Leg(Spot, 1), Leg(Put(1.0, 30), 1), Leg(Call(1.0, 30), -1)],
    ),
    book(
        "conversion on a perpetual",
        &[
            Leg(Perpetual, 1),
            Leg(Put(1.0, 30), 1),
            Leg(Call(1.0, 30), -1),
        ],
    ),
    book("basis trade", &[Leg(Spot, 1), Leg(Future(30), -1)]),
    book(
        "basis trade on a perpetual",
        &[Leg(Perpetual, 1), Leg(Future(30), -1)],
    ),
    book(
        "iron condor",
        &[
            Leg(Put(0.8, 30), 1),
            Leg(Put(0.9, 30), -1),
            Leg(Call(1.1, 30), -1),
            Leg(Call(1.2, 30), 1),
        ],
    ),
    Book {
        name: "delta-hedged calendar",
        legs: &[Leg(Call(1.0, 30), -1), Leg(Call(1.0, 60), 1)],
        hedged: true,
    },
    book("covered call", &[Leg(Spot, 1), Leg(Call(1.1, 30), -1)]),
    book("naked perpetual, long", &[Leg(Perpetual, 1)]),
    book("naked perpetual, short", &[Leg(Perpetual, -1)]),
    book(
        "short strangle",
        &[Leg(Call(1.1, 30), -1), Leg(Put(0.9, 30), -1)],
    ),
];

/// Opens every book and its legs, and writes the record and the page.
///
/// # Errors
/// Those of [`Recording::begin`], and a book that the engine refuses.
pub fn capital_efficiency(root: &Path) -> Result<()> {
    let recording = Recording::begin(root, "capital_efficiency", &[PAGE])?;
    let figures = figures()?;
    let text = page::write(&figures)?;
    fs::write(root.join(PAGE), text).with_context(|| format!("could not write {PAGE}"))?;
    step(format!("wrote {PAGE}"));
    recording.write(figures)
}

/// Every book in every market.
fn figures() -> Result<Map<String, Value>> {
    let mut figures = Map::new();
    figures.insert("seeds".to_owned(), json!([]));
    figures.insert("unit".to_owned(), "shares of spot, per unit".into());
    let mut markets = Map::new();
    for market in &MARKETS {
        let mut books = Vec::new();
        for book in &BOOKS {
            let named = || format!("{} ({})", book.name, market.symbol);
            books.push(of_book(market, book).with_context(named)?);
        }
        let value = json!({ "spot": market.spot, "vol": market.vol, "books": books });
        markets.insert(market.symbol.to_owned(), value);
    }
    figures.insert("markets".to_owned(), markets.into());
    Ok(figures)
}

/// One book, and its legs apart.
fn of_book(market: &Market, book: &Book) -> Result<Value> {
    let Market { symbol, spot, .. } = *market;
    let vol = |_: f64| market.vol;
    let together = open(symbol, spot, &vol, book)?;
    let mut legs = Vec::new();
    let (mut initial, mut maintenance) = (0.0, 0.0);
    for leg in &together.legs {
        let alone = open_alone(symbol, spot, &vol, *leg)?.margin;
        initial += alone.initial;
        maintenance += alone.maintenance;
        legs.push(json!({
            "units": leg.units(),
            "what": leg.name(spot),
            "initial": digits(alone.initial / spot),
            "maintenance": digits(alone.maintenance / spot),
            "binds": alone.binds,
        }));
    }
    let Margin {
        equity,
        initial: together_initial,
        maintenance: together_maintenance,
        components,
        binds,
    } = together.margin;
    let components: Map<String, Value> = components
        .into_iter()
        .map(|(name, part)| (name.to_owned(), digits(part / spot).into()))
        .collect();
    Ok(json!({
        "book": book.name,
        "value": digits(equity / spot),
        "initial": digits(together_initial / spot),
        "maintenance": digits(together_maintenance / spot),
        "initial_apart": digits(initial / spot),
        "maintenance_apart": digits(maintenance / spot),
        "initial_ratio": digits(together_initial / initial),
        "maintenance_ratio": digits(together_maintenance / maintenance),
        "components": components,
        "binds": binds,
        "legs": legs,
    }))
}

/// Six decimals.
fn digits(value: f64) -> f64 {
    (value * 1e6).round() / 1e6 + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_account_never_needs_more_than_several() {
        let figures = figures().unwrap();
        for (symbol, market) in figures["markets"].as_object().unwrap() {
            let books = market["books"].as_array().unwrap();
            assert_eq!(books.len(), BOOKS.len());
            for book in books {
                let name = book["book"].as_str().unwrap();
                for margin in ["initial", "maintenance"] {
                    let ratio = book[format!("{margin}_ratio")].as_f64().unwrap();
                    assert!(ratio <= 1.0, "{name} ({symbol}): {margin} {ratio}");
                    let alone = name.starts_with("naked");
                    assert_eq!(ratio == 1.0, alone, "{name} ({symbol}): {margin} {ratio}");
                }
            }
        }
    }

    #[test]
    fn the_page_shows_the_committed_record() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let Ok(record) = fs::read_to_string(root.join("docs/runs/capital_efficiency.json")) else {
            println!("skipped: no run is recorded");
            return;
        };
        let figures = serde_json::from_str(&record).unwrap();
        let page = fs::read_to_string(root.join(PAGE)).unwrap();
        assert_eq!(page::write(&figures).unwrap(), page);
    }
}
