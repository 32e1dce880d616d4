//! The certified bound against brute force: random books of the kinds that margin models get wrong,
//! over a dense spot grid at each volatility level and out to the tails. Never understated. Between the
//! volatility levels nothing is certified; there the same books are measured.
//!
//! `ESTUARY_EXHAUSTIVE=1` runs fifty times as many books. `ESTUARY_CERTIFIED_RECORD` names a file: then
//! [`the_full_run_is_recorded`] takes [`FULL`] books and writes what it found; `cargo xtask run certified` does that.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test may panic"
)]

mod support;

use serde_json::{json, Map, Value};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::LazyLock;
use support::books::{Book, FAMILIES};
use support::{exhaustive, percentile, Random};

/// Books of the recorded run.
const FULL: usize = 108_000;
/// Each book has random numbers of its own, made from this and its number.
const SEED: u64 = 20_251_010;
/// Points of the spot grid over the core range, besides strikes and what refines the worst.
const POINTS: usize = 320;
/// The same for each stretch between two tails.
const TAIL_POINTS: usize = 80;
/// The same over the core range at a volatility between the levels.
const BETWEEN_POINTS: usize = 64;
/// Volatility goes from its lower to its upper level in this many steps; step 6 is where it is now.
const VOL_STEPS: u32 = 16;
/// What 64 sums of products lose in floating point, as a share of a book's notional.
const NOISE: f64 = 1e-14;
/// Ratios of losses only mean something where a book loses more than this share of its notional.
const MATERIAL: f64 = 1e-4;

/// What brute force and the engine say of one book, in micro-units.
struct Found {
    book: usize,
    family: &'static str,
    legs: usize,
    nearest_days: f64,
    farthest_days: f64,
    notional: f64,
    certified: f64,
    /// The loss at the nodes alone.
    nodes: f64,
    /// The true loss at the volatility levels and in the tails.
    exact: f64,
    /// The true loss over the core range at volatilities from the lower to the upper level.
    between: f64,
}

impl Found {
    fn new(number: usize) -> Self {
        let book = book(number);
        let risk = book.risk().expect("a book the engine can price");
        let lot = book.lot_value();
        let core = (0..3).map(|level| book.core_loss(&book.multipliers(level), POINTS));
        let exact = core.fold(book.tail_loss(TAIL_POINTS), f64::max) * lot;
        let (down, up) = (book.multipliers(0), book.multipliers(2));
        let at_step = |step: u32| {
            let share = f64::from(step) / f64::from(VOL_STEPS);
            let ends = down.iter().zip(&up);
            let multipliers: Vec<f64> = ends.map(|(d, u)| d + (u - d) * share).collect();
            book.core_loss(&multipliers, BETWEEN_POINTS) * lot
        };
        let days = book.expiries.iter().map(|e| e.seconds as f64 / 86_400.0);
        Self {
            book: number,
            family: book.family,
            legs: book.legs.len(),
            nearest_days: days.clone().fold(f64::INFINITY, f64::min),
            farthest_days: days.fold(0.0, f64::max),
            notional: book.absolute_lots() * lot,
            certified: risk.certified_loss.0 as f64,
            nodes: risk.scan_loss.0 as f64,
            exact,
            between: (0..=VOL_STEPS).map(at_step).fold(0.0, f64::max),
        }
    }

    fn is_understated(&self) -> bool {
        self.certified < self.exact - NOISE * self.notional
    }

    fn is_material(&self) -> bool {
        self.exact > MATERIAL * self.notional
    }

    /// Whether the loss between the levels is.
    fn is_material_between(&self) -> bool {
        self.between > MATERIAL * self.notional
    }

    /// How far the bound lies above what it bounds.
    fn ratio(&self) -> f64 {
        self.certified / self.exact
    }

    /// By what share of the certified loss the loss between the levels exceeds it.
    fn gap(&self) -> f64 {
        self.between / self.certified.max(1.0) - 1.0
    }

    /// By what share of the true loss at the levels the loss between them exceeds it.
    fn true_gap(&self) -> f64 {
        self.between / self.exact.max(1.0) - 1.0
    }

    /// The groups that figures are given for.
    fn groups(&self) -> [&'static str; 3] {
        let expiry = if self.nearest_days <= 1.0 {
            "nearest expiry within a day"
        } else {
            "no expiry within a day"
        };
        let legs = match self.legs {
            0..=4 => "1 to 4 legs",
            5..=16 => "5 to 16 legs",
            _ => "17 to 64 legs",
        };
        [self.family, expiry, legs]
    }
}

/// Book `number`, the same in every run.
fn book(number: usize) -> Book {
    let mut random = Random(SEED ^ (number as u64).wrapping_mul(0xD134_2543_DE82_EF95));
    let mut random = Random(random.bits());
    Book::random(&mut random, number % FAMILIES.len())
}

/// Every book, on all cores, in order.
fn measure(books: usize) -> Vec<Found> {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let next = AtomicUsize::new(0);
    let mut found = std::thread::scope(|scope| {
        let next = &next;
        let run = move || {
            let numbers = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
            let mine = numbers.take_while(|number| *number < books);
            mine.map(Found::new).collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(run)).collect();
        let found = threads.into_iter().map(|thread| thread.join());
        found
            .flat_map(|found| found.expect("books"))
            .collect::<Vec<_>>()
    });
    found.sort_unstable_by_key(|found| found.book);
    found
}

/// The books of the short run.
static SHORT: LazyLock<Vec<Found>> =
    LazyLock::new(|| measure(if exhaustive() { 25_000 } else { 500 }));

/// A distribution by its quantiles, for all books and for each group.
struct Spread {
    all: Vec<f64>,
    groups: Vec<(&'static str, Vec<f64>)>,
}

impl Spread {
    fn of<'a>(found: impl Iterator<Item = &'a Found>, figure: impl Fn(&Found) -> f64) -> Self {
        let mut spread = Self {
            all: Vec::new(),
            groups: Vec::new(),
        };
        for one in found {
            spread.all.push(figure(one));
            for group in one.groups() {
                match spread.groups.iter_mut().find(|(name, _)| *name == group) {
                    Some((_, values)) => values.push(figure(one)),
                    None => spread.groups.push((group, vec![figure(one)])),
                }
            }
        }
        let groups = spread.groups.iter_mut().map(|(_, values)| values);
        for values in groups.chain([&mut spread.all]) {
            values.sort_unstable_by(f64::total_cmp);
        }
        spread
    }

    fn at(&self, share: f64) -> f64 {
        digits(percentile(&self.all, share))
    }

    fn above(&self, limit: f64) -> usize {
        self.all.iter().filter(|value| **value > limit).count()
    }

    fn json(&self) -> Value {
        let groups = self.groups.iter().map(|(name, values)| (*name, values));
        let rows = groups.chain([("all", &self.all)]);
        let rows: Map<String, Value> = rows
            .map(|(name, values)| (name.to_owned(), quantiles(values)))
            .collect();
        rows.into()
    }
}

/// The quantiles of sorted values.
fn quantiles(values: &[f64]) -> Value {
    let at = |share| digits(percentile(values, share));
    json!({
        "books": values.len(),
        "median": at(0.5),
        "p90": at(0.9),
        "p99": at(0.99),
        "p999": at(0.999),
        "worst": at(1.0),
    })
}

/// Four decimals, of a million and more four digits.
fn digits(value: f64) -> f64 {
    let text = if value.abs() < 1e6 {
        format!("{value:.4}")
    } else {
        format!("{value:.3e}")
    };
    text.parse::<f64>().expect("a number") + 0.0
}

/// The figures of a run.
fn figures(found: &[Found]) -> Value {
    let material = || found.iter().filter(|one| one.is_material());
    let between = || found.iter().filter(|one| one.is_material_between());
    let ratios = Spread::of(material(), Found::ratio);
    let gaps = Spread::of(between(), Found::gap);
    let true_gaps = Spread::of(between(), Found::true_gap);
    let nodes = Spread::of(material(), |one| one.exact / one.nodes.max(1.0));
    let loosest = material().max_by(|a, b| a.ratio().total_cmp(&b.ratio()));
    let widest = between().max_by(|a, b| a.gap().total_cmp(&b.gap()));
    let days = |pick: fn(f64, f64) -> f64, of: fn(&Found) -> f64| {
        digits(found.iter().map(of).reduce(pick).unwrap_or(0.0))
    };
    json!({
        "seeds": [SEED],
        "books": found.len(),
        "understated": found.iter().filter(|one| one.is_understated()).count(),
        "understated_is": "certified loss below the true loss by more than 1e-14 of the book's notional",
        "legs": [found.iter().map(|one| one.legs).min(), found.iter().map(|one| one.legs).max()],
        "days_to_expiry": [
            days(f64::min, |one| one.nearest_days),
            days(f64::max, |one| one.farthest_days),
        ],
        "material": ratios.all.len(),
        "material_is": "loss above 1e-4 of the book's notional; ratios and gaps are over such books",
        "ratio_is": "certified loss over true loss",
        "ratio_median": ratios.at(0.5),
        "ratio_p90": ratios.at(0.9),
        "ratio_p99": ratios.at(0.99),
        "ratio_worst": ratios.at(1.0),
        "ratio_worst_book": loosest.map(|one| one.book),
        "ratio": ratios.json(),
        "nodes_alone_understate_by_1_percent": nodes.above(1.01),
        "vol_gap_is": "true loss over the core range at 17 volatilities from the lower level to the upper, over certified loss, less 1",
        "vol_gap_worst": gaps.at(1.0),
        "vol_gap_worst_book": widest.map(|one| one.book),
        "vol_gap_books": gaps.all.len(),
        "vol_gap_above_0": gaps.above(1e-6),
        "vol_gap_above_1_percent": gaps.above(0.01),
        "vol_gap": gaps.json(),
        "vol_gap_over_true_loss_is": "the same over the true loss at the three levels and in the tails, less 1",
        "vol_gap_over_true_loss": true_gaps.json(),
    })
}

fn print(title: &str, rows: &Value) {
    println!("{title}: books, median, p90, p99, p99.9, largest");
    for (name, row) in rows.as_object().expect("groups") {
        let fields = ["books", "median", "p90", "p99", "p999", "worst"];
        let row = fields.map(|field| row[field].to_string());
        println!("  {name}: {}", row.join(", "));
    }
}

/// The normal distribution that brute force prices with is fast; here is one by series and continued fraction.
#[test]
fn the_reference_agrees_with_a_slower_one() {
    for step in -4_000..=4_000 {
        let strike = f64::from(step) / 1_000.0;
        for s in [0.01, 0.3, 2.0] {
            let (fast, slow) = (
                support::out_of_the_money(1.0, strike.exp(), s),
                support::call(1.0, strike.exp(), s) - (1.0 - strike.exp()).max(0.0),
            );
            assert!((fast - slow).abs() < 1e-15 * 1f64.max(strike.exp()) * 4.0);
        }
    }
}

#[test]
fn the_certified_loss_is_never_understated() {
    if let Some(low) = SHORT.iter().find(|one| one.is_understated()) {
        let (certified, exact) = (low.certified, low.exact);
        let share = (exact - certified) / low.notional;
        let book = book(low.book);
        panic!("certified {certified} below {exact} by {share:e} of its notional\n{book:?}");
    }
    let figures = figures(&SHORT);
    print("certified loss over true loss", &figures["ratio"]);
    let material = SHORT.iter().filter(|one| one.is_material()).count();
    println!(
        "the nodes alone understate {} of {material} books by more than 1%",
        figures["nodes_alone_understate_by_1_percent"]
    );
    assert!(material > SHORT.len() / 2);
}

/// Volatility between its three levels is not certified; this measures what that leaves out.
#[test]
fn volatility_between_the_levels_is_measured() {
    let figures = figures(&SHORT);
    print(
        "loss at volatilities between the levels over certified loss, less 1",
        &figures["vol_gap"],
    );
    assert!(figures["vol_gap_worst"].as_f64().expect("a number") < 1.0);
}

/// [`FULL`] books, into the file that `ESTUARY_CERTIFIED_RECORD` names; nothing without it.
#[test]
fn the_full_run_is_recorded() {
    let Ok(path) = std::env::var("ESTUARY_CERTIFIED_RECORD") else {
        println!("skipped: ESTUARY_CERTIFIED_RECORD is not set");
        return;
    };
    let figures = figures(&measure(FULL));
    print("certified loss over true loss", &figures["ratio"]);
    let text = serde_json::to_string_pretty(&figures).expect("a record") + "\n";
    std::fs::write(&path, text).expect("a place for the record");
    assert_eq!(figures["understated"], 0);
}
