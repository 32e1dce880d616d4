//! Throughput of the kernel: option-scenarios per second on one core.
//!
//!     cargo bench -p estuary-risk --bench option_scenario
//!
//! An item is one option in one scenario. `strike_arrays` prices a strike in every column with its
//! slopes; `market_report` does the whole work of a margin check: smile, arrays, netting, bound.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a benchmark may panic"
)]

use divan::counter::ItemsCount;
use divan::{black_box, Bencher};
use estuary_risk::array::{ExpiryContext, Moneyness, StrikeArray};
use estuary_risk::blocks::BLOCK_COLUMNS;
use estuary_risk::fixed::ln_q40;
use estuary_risk::market::{Leg, MarketArrays, MarketInputs, MarketRisk, OptionKind};
use estuary_risk::normal::cdf_q30;
use estuary_risk::scenario::{ScenarioGrid, ScenarioParameters, COLUMNS};
use estuary_risk::smile::Smile;
use estuary_risk::units::{Price, ONE_Q30, SECONDS_PER_DAY};

const SPOT: u64 = 12_342_670_000_000;
const DAYS: [i64; 4] = [1, 7, 30, 60];

fn main() {
    divan::main();
}

fn grid() -> ScenarioGrid {
    ScenarioParameters::BTC
        .grid()
        .expect("the default parameters")
}

fn smile() -> Smile {
    Smile {
        atm_vol_ppb: 550_000_000,
        rho_ppb: -250_000_000,
        phi_ppb: 1_500_000_000,
    }
}

/// Strikes evenly within 25% of spot, over four expiries.
fn strike(index: usize, count: usize) -> (u8, u64) {
    let ppm = 750_000 + 500_000 * index as u64 / count as u64;
    ((index % DAYS.len()) as u8, SPOT / 1_000_000 * ppm)
}

#[divan::bench(args = [16, 64, 128])]
fn strike_arrays(bencher: Bencher, options: usize) {
    let grid = grid();
    let contexts = DAYS.map(|days| {
        ExpiryContext::new(&grid, days * SECONDS_PER_DAY, ONE_Q30, &smile()).expect("an expiry")
    });
    let strikes: Vec<_> = (0..options)
        .map(|index| {
            let (expiry, mantissa) = strike(index, options);
            let context = &contexts[usize::from(expiry)];
            let ratio_q30 = (mantissa as f64 / SPOT as f64 * ONE_Q30 as f64) as i64;
            let log_q28 = (ln_q40(SPOT) - ln_q40(mantissa)) >> 12;
            let moneyness = Moneyness::new(log_q28, ratio_q30, context);
            let shift_q32 = grid.blocks.skew_q32();
            (
                context,
                moneyness,
                context.slice.skewed_vols_q32(log_q28, shift_q32),
            )
        })
        .collect();
    let mut array = StrikeArray::ZERO;
    bencher
        .counter(ItemsCount::new(options * (COLUMNS + BLOCK_COLUMNS)))
        .bench_local(|| {
            for (context, moneyness, (vol, skewed)) in &strikes {
                array.price(&grid, context, black_box(moneyness), *vol, *skewed);
                black_box(&array);
            }
        });
}

#[divan::bench(args = [16, 64, 128])]
fn market_report(bencher: Bencher, options: usize) {
    let inputs = MarketInputs {
        spot: Price(SPOT),
        price_exponent: -8,
        lot_size: 1_000_000,
        grid: grid(),
        oracle: estuary_risk::charges::OracleQuality::default(),
    };
    let strikes: Vec<_> = (0..options)
        .map(|index| {
            let (expiry, mantissa) = strike(index, options);
            (expiry, Price(mantissa), ln_q40(mantissa))
        })
        .collect();
    let mut arrays = MarketArrays::new(&inputs, DAYS.len(), options).expect("a market");
    let mut legs = Vec::with_capacity(options);
    let mut risk = MarketRisk::EMPTY;
    bencher
        .counter(ItemsCount::new(options * (COLUMNS + BLOCK_COLUMNS)))
        .bench_local(|| {
            arrays.restart(black_box(&inputs)).expect("a market");
            legs.clear();
            for (id, days) in (0..).zip(DAYS) {
                arrays
                    .add_expiry(id, days * SECONDS_PER_DAY, ONE_Q30, &smile())
                    .expect("an expiry");
            }
            for (index, (expiry, strike, log_q40)) in strikes.iter().enumerate() {
                let kind = if index % 2 == 0 {
                    OptionKind::Call
                } else {
                    OptionKind::Put
                };
                let instrument = arrays
                    .option(kind, *expiry, *strike, *log_q40, 0)
                    .expect("an option");
                let lots = if index % 3 == 0 { 1000 } else { -600 };
                legs.push(Leg { instrument, lots });
            }
            arrays.evaluate(&legs, &mut risk).expect("a risk");
            black_box(&risk);
        });
}

#[divan::bench]
fn normal_cdf(bencher: Bencher) {
    let arguments: Vec<i64> = (0..1024)
        .map(|i| (i - 512) * (1 << 26) + i * 12_345)
        .collect();
    bencher
        .counter(ItemsCount::new(arguments.len()))
        .bench_local(|| {
            arguments
                .iter()
                .map(|d| cdf_q30(black_box(*d)))
                .sum::<i64>()
        });
}
