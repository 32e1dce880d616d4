//! The certified bound against brute force: random books of the kinds that margin models get wrong,
//! over a dense spot grid at each volatility level and out to the tails. Never understated.
//!
//! `ESTUARY_EXHAUSTIVE=1` runs fifty times as many books.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test may panic"
)]

mod support;

use support::books::{Book, FAMILIES};
use support::{exhaustive, percentile, Random};

const POINTS: usize = 320;

/// How far a bound lies above what it bounds, as a ratio of losses; by family and by time to expiry.
#[derive(Default)]
struct Looseness {
    by_group: Vec<(String, Vec<f64>)>,
}

impl Looseness {
    fn add(&mut self, group: &str, ratio: f64) {
        match self.by_group.iter_mut().find(|(name, _)| name == group) {
            Some((_, ratios)) => ratios.push(ratio),
            None => self.by_group.push((group.to_string(), vec![ratio])),
        }
    }

    fn print(&mut self, title: &str) {
        println!("{title}: books, median, p90, p99, largest");
        for (name, ratios) in &mut self.by_group {
            ratios.sort_unstable_by(f64::total_cmp);
            let at = |share| percentile(ratios, share);
            let count = ratios.len();
            println!(
                "  {name}: {count}, {:.4}, {:.3}, {:.3}, {:.3}",
                at(0.5),
                at(0.9),
                at(0.99),
                at(1.0)
            );
        }
    }
}

#[test]
fn the_certified_loss_is_never_understated() {
    let mut random = Random(20_251_010);
    let books = if exhaustive() { 25_000 } else { 500 };
    let (mut loose, mut nodes) = (Looseness::default(), Looseness::default());
    let mut understated_nodes = 0usize;
    let mut material = 0usize;
    for index in 0..books {
        let book = Book::random(&mut random, index % FAMILIES.len());
        let risk = book.risk().expect("a book the engine can price");
        let core = (0..3).map(|level| book.core_loss(&book.multipliers(level), POINTS));
        let exact = core.fold(0.0, f64::max).max(book.tail_loss(POINTS / 4)) * book.lot_value();
        let certified = risk.certified_loss.0 as f64;
        // What 64 sums of products lose in floating point.
        let noise = 1e-14 * book.absolute_lots() * book.lot_value();
        assert!(
            certified >= exact - noise,
            "book {index}: certified {certified} below {exact} by {:e} of its notional\n{book:?}",
            (exact - certified) / (book.absolute_lots() * book.lot_value())
        );
        // Ratios of losses only mean something where there is a loss.
        if exact > 1e-4 * book.absolute_lots() * book.lot_value() {
            material += 1;
            let ratio = certified / exact;
            let days = book.expiries.iter().map(|e| e.seconds).min().unwrap() as f64 / 86_400.0;
            loose.add(book.family, ratio);
            loose.add(
                if days <= 1.0 {
                    "nearest expiry within a day"
                } else {
                    "no expiry within a day"
                },
                ratio,
            );
            loose.add("all", ratio);
            nodes.add("all", exact / risk.scan_loss.0.max(1) as f64);
            understated_nodes += usize::from(exact > 1.01 * risk.scan_loss.0 as f64);
        }
    }
    loose.print("certified loss over exact loss");
    nodes.print("exact loss over the loss at the nodes alone");
    println!("the nodes alone understate {understated_nodes} of {material} books by more than 1%");
    assert!(material > books / 2);
}

/// Volatility between its three levels is not certified; this measures what that leaves out.
#[test]
fn volatility_between_the_levels_is_measured() {
    let mut random = Random(77);
    let books = if exhaustive() { 5_000 } else { 90 };
    let mut excess = Vec::new();
    for index in 0..books {
        let book = Book::random(&mut random, index % FAMILIES.len());
        let certified = book.risk().unwrap().certified_loss.0 as f64;
        let (down, up) = (book.multipliers(0), book.multipliers(2));
        let mut worst = 0f64;
        for step in 0..=12 {
            let share = f64::from(step) / 12.0;
            let between: Vec<f64> = down
                .iter()
                .zip(&up)
                .map(|(d, u)| d + (u - d) * share)
                .collect();
            worst = worst.max(book.core_loss(&between, 64) * book.lot_value());
        }
        if worst > 1e-4 * book.absolute_lots() * book.lot_value() {
            excess.push(worst / certified - 1.0);
        }
    }
    excess.sort_unstable_by(f64::total_cmp);
    let above = excess.iter().filter(|e| **e > 0.01).count();
    println!(
        "loss at 13 volatilities over the certified loss: largest excess {:.2}%, {above} of {} books above 1%",
        100.0 * percentile(&excess, 1.0),
        excess.len()
    );
    assert!(percentile(&excess, 1.0) < 1.0);
}
