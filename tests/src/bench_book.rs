//! The book that compute units are measured with: `tests/books/bench.csv`.
//!
//! Its first 16, 64 and 128 rows are books of their own, each over two markets with four expiries from 1 to 60 days,
//! strikes within 25% of spot, calls and puts, longs and shorts. No two rows share market, expiry and strike, so that
//! netting by parity finds nothing and every row is priced.

use estuary::state::SeriesKind;

/// Days to the expiries of the book's markets, in the order of their indices.
pub const EXPIRY_DAYS: [i64; 4] = [1, 7, 21, 60];
/// Symbols of the markets, in the order of their indices.
pub const MARKETS: [&str; 2] = ["BTC", "SOL"];
/// The table.
const CSV: &str = include_str!("../books/bench.csv");
const HEADER: &str = "market,days,kind,strike_ppm_of_spot,lots";

/// One option held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Index of the market.
    pub market: u16,
    /// Index of the expiry.
    pub expiry: u8,
    /// Call or put.
    pub kind: SeriesKind,
    /// Strike, parts per million of spot.
    pub strike_ppm: u64,
    /// Lots, negative when short.
    pub lots: i64,
}

/// All rows, in order.
///
/// # Panics
/// When the table is malformed.
pub fn rows() -> Vec<Row> {
    let mut lines = CSV.lines();
    assert_eq!(lines.next(), Some(HEADER), "the header of bench.csv");
    lines.map(row).collect()
}

/// The same rows over four markets: the two later expiries of each market are a market of their own, the third and the fourth.
pub fn spread_rows() -> Vec<Row> {
    let mut rows = rows();
    for row in &mut rows {
        if row.expiry >= 2 {
            row.market += 2;
        }
    }
    rows
}

fn row(line: &str) -> Row {
    let fields: Vec<&str> = line.split(',').collect();
    let [market, days, kind, strike, lots] = fields[..] else {
        panic!("five fields: {line}")
    };
    let number = |text: &str| {
        text.parse::<i64>()
            .unwrap_or_else(|_| panic!("a number: {line}"))
    };
    let place = |found: Option<usize>| found.unwrap_or_else(|| panic!("market and days: {line}"));
    Row {
        market: place(MARKETS.iter().position(|symbol| *symbol == market)) as u16,
        expiry: place(EXPIRY_DAYS.iter().position(|other| *other == number(days))) as u8,
        kind: match kind {
            "call" => SeriesKind::Call,
            "put" => SeriesKind::Put,
            _ => panic!("call or put: {line}"),
        },
        strike_ppm: number(strike).unsigned_abs(),
        lots: number(lots),
    }
}

#[cfg(test)]
mod tests {
    use super::{rows, Row, EXPIRY_DAYS, MARKETS};
    use estuary::state::SeriesKind;
    use std::collections::BTreeSet;

    #[test]
    fn every_book_is_what_its_description_says() {
        let rows = rows();
        assert_eq!(rows.len(), 128);
        for count in [16, 64, 128] {
            for market in 0..MARKETS.len() as u16 {
                check(
                    rows[..count]
                        .iter()
                        .filter(|row| row.market == market)
                        .collect(),
                    count,
                );
            }
        }
    }

    fn check(book: Vec<&Row>, count: usize) {
        assert_eq!(book.len(), count / MARKETS.len());
        let strikes: BTreeSet<_> = book
            .iter()
            .map(|row| (row.expiry, row.strike_ppm))
            .collect();
        assert_eq!(
            strikes.len(),
            book.len(),
            "no strike of an expiry occurs twice"
        );
        let expiries: BTreeSet<_> = book.iter().map(|row| row.expiry).collect();
        assert_eq!(expiries.len(), EXPIRY_DAYS.len());
        assert!(book
            .iter()
            .all(|row| (750_000..=1_250_000).contains(&row.strike_ppm)));
        for kind in [SeriesKind::Call, SeriesKind::Put] {
            let of_kind = || book.iter().filter(|row| row.kind == kind);
            assert!(
                of_kind().any(|row| row.lots > 0),
                "a long {kind:?} among {count}"
            );
            assert!(
                of_kind().any(|row| row.lots < 0),
                "a short {kind:?} among {count}"
            );
        }
    }
}
