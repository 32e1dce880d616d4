//! What one core does in a second: options priced in all their scenarios, accounts scanned against shared arrays, accounts
//! evaluated in full. Beside it a baseline, a chain of multiplications, so that runs on different machines compare.
//!
//!     cargo bench -p estuary-risk --bench throughput
//!
//! `cargo xtask run throughput` records it, built for the processor it runs on.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a benchmark may panic"
)]

use estuary_risk::array::{ExpiryContext, Moneyness, StrikeArray};
use estuary_risk::blocks::BLOCK_COLUMNS;
use estuary_risk::charges::OracleQuality;
use estuary_risk::fixed::ln_q40;
use estuary_risk::market::scan::{Scan, ScanLeg, Scanner};
use estuary_risk::market::{Instrument, Leg, MarketArrays, MarketInputs, MarketRisk, OptionKind};
use estuary_risk::scenario::{ScenarioParameters, COLUMNS};
use estuary_risk::smile::Smile;
use estuary_risk::units::{Price, ONE_Q30, SECONDS_PER_DAY};
use std::hint::black_box;
use std::time::Instant;

const SPOT: u64 = 12_342_670_000_000;
const DAYS: [i64; 4] = [1, 7, 30, 60];
const OPTIONS: usize = 128;
/// Series of an account, and accounts over which the positions differ.
const POSITIONS: usize = 16;
const ACCOUNTS: usize = 4_096;
/// Windows of which the best counts: the machine does other things too.
const WINDOWS: usize = 40;
/// Where the record goes.
const RECORD: &str = "ESTUARY_THROUGHPUT_RECORD";

const SMILE: Smile = Smile {
    atm_vol_ppb: 550_000_000,
    rho_ppb: -250_000_000,
    phi_ppb: 1_500_000_000,
};

/// Items a second in the best of the windows; `work` does one batch of `items`.
fn per_second(items: usize, mut work: impl FnMut()) -> f64 {
    let mut best = 0f64;
    for _ in 0..WINDOWS {
        let (start, mut batches) = (Instant::now(), 0);
        let spent = loop {
            work();
            batches += 1;
            let spent = start.elapsed().as_secs_f64();
            if spent > 0.05 {
                break spent;
            }
        };
        best = best.max((items * batches) as f64 / spent);
    }
    best
}

fn strike(index: usize) -> (usize, u64) {
    let ppm = 750_000 + 500_000 * index as u64 / OPTIONS as u64;
    (index % DAYS.len(), SPOT / 1_000_000 * ppm)
}

/// Strikes priced in every scenario.
fn option_scenarios() -> f64 {
    let grid = ScenarioParameters::BTC.grid().expect("a grid");
    let contexts = DAYS.map(|days| {
        ExpiryContext::new(&grid, days * SECONDS_PER_DAY, ONE_Q30, &SMILE).expect("an expiry")
    });
    let strikes: Vec<_> = (0..OPTIONS)
        .map(|index| {
            let (expiry, mantissa) = strike(index);
            let context = &contexts[expiry];
            let ratio_q30 = (mantissa as f64 / SPOT as f64 * ONE_Q30 as f64) as i64;
            let log_q28 = (ln_q40(SPOT) - ln_q40(mantissa)) >> 12;
            let vols = context
                .slice
                .skewed_vols_q32(log_q28, grid.blocks.skew_q32());
            (context, Moneyness::new(log_q28, ratio_q30, context), vols)
        })
        .collect();
    let mut array = StrikeArray::ZERO;
    per_second(OPTIONS * (COLUMNS + BLOCK_COLUMNS), || {
        for (context, moneyness, (vol, skewed)) in &strikes {
            array.price(&grid, context, black_box(moneyness), *vol, *skewed);
            black_box(&array);
        }
    })
}

/// A market with its options priced.
fn market() -> (MarketArrays, Vec<Instrument>) {
    let inputs = MarketInputs {
        spot: Price(SPOT),
        price_exponent: -8,
        lot_size: 1_000_000,
        grid: ScenarioParameters::BTC.grid().expect("a grid"),
        oracle: OracleQuality::default(),
    };
    let mut arrays = MarketArrays::new(&inputs, DAYS.len(), OPTIONS).expect("a market");
    for (id, days) in (0..).zip(DAYS) {
        let left = days * SECONDS_PER_DAY + 3_600;
        arrays
            .add_expiry(id, left, ONE_Q30, &SMILE)
            .expect("an expiry");
    }
    let series = (0..OPTIONS)
        .map(|index| {
            let (expiry, mantissa) = strike(index);
            let kind = [OptionKind::Call, OptionKind::Put][index / 4 % 2];
            let option = arrays.option(kind, expiry as u8, Price(mantissa), ln_q40(mantissa), 0);
            option.expect("an option")
        })
        .collect();
    (arrays, series)
}

/// Accounts of a step-wise spread over the series.
fn accounts() -> Vec<[ScanLeg; POSITIONS]> {
    let leg = |account: usize, position: usize| {
        let mixed = (account * 31 + position * 17 + account / 7 * position) % OPTIONS;
        let size = 1 + (account * 13 + position * 29) % 2_000;
        let sign = if (account + position).is_multiple_of(3) {
            1
        } else {
            -1
        };
        ScanLeg {
            series: mixed as u32,
            lots: sign * size as i32,
        }
    };
    (0..ACCOUNTS)
        .map(|account| std::array::from_fn(|position| leg(account, position)))
        .collect()
}

fn scans(accounts: &[[ScanLeg; POSITIONS]]) -> f64 {
    let (arrays, series) = market();
    let scanner = Scanner::new(&arrays, &series).expect("a scanner");
    per_second(accounts.len(), || {
        let mut worst = 0;
        let mut scan = Scan::EMPTY;
        for account in accounts {
            scanner.scan(account, &mut scan).expect("a scan");
            worst = worst.max(scan.scan_loss_q28);
            black_box(&scan);
        }
        black_box(worst);
    })
}

fn evaluations(accounts: &[[ScanLeg; POSITIONS]]) -> f64 {
    let (mut arrays, series) = market();
    let books: Vec<[Leg; POSITIONS]> = accounts
        .iter()
        .map(|account| {
            account.map(|leg| Leg {
                instrument: series[leg.series as usize],
                lots: i64::from(leg.lots),
            })
        })
        .collect();
    let mut risk = MarketRisk::EMPTY;
    per_second(books.len(), || {
        for book in &books {
            arrays.evaluate(book, &mut risk).expect("a risk");
            black_box(&risk);
        }
    })
}

/// Multiplications that wait for each other.
fn baseline() -> f64 {
    const STEPS: usize = 1 << 16;
    per_second(STEPS, || {
        let mut value = black_box(0x9e37_79b9_7f4a_7c15u64);
        for _ in 0..STEPS {
            value = value.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 1;
        }
        black_box(value);
    })
}

fn main() {
    let accounts = accounts();
    let before = baseline();
    let figures = [
        ("option_scenarios_per_second", option_scenarios()),
        ("accounts_scanned_per_second", scans(&accounts)),
        ("accounts_evaluated_per_second", evaluations(&accounts)),
    ];
    let baseline = before.max(baseline());
    let mut object = serde_json::Map::new();
    object.insert("positions_per_account".to_owned(), POSITIONS.into());
    object.insert("series".to_owned(), OPTIONS.into());
    object.insert(
        "baseline_steps_per_second".to_owned(),
        (baseline.round() as u64).into(),
    );
    for (name, value) in figures {
        object.insert(name.to_owned(), (value.round() as u64).into());
        let steps = (baseline / value * 100.0).round() / 100.0;
        let name = name.replace("_per_second", "_baseline_steps_each");
        object.insert(name, steps.into());
    }
    let text = serde_json::to_string_pretty(&object).expect("an object");
    println!("{text}");
    if let Ok(path) = std::env::var(RECORD) {
        std::fs::write(path, text).expect("a record");
    }
}
