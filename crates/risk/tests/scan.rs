//! The scan of accounts against shared arrays gives the bits of the evaluation of one account.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test may panic"
)]

mod support;

use estuary_risk::charges::OracleQuality;
use estuary_risk::fixed::ln_q40;
use estuary_risk::market::scan::{Scan, ScanLeg, Scanner};
use estuary_risk::market::{Instrument, Leg, MarketArrays, MarketInputs, MarketRisk, OptionKind};
use estuary_risk::scenario::ScenarioParameters;
use estuary_risk::smile::Smile;
use estuary_risk::units::{Price, RiskError, ONE_Q30, SECONDS_PER_DAY};
use support::Random;

const SPOT: u64 = 12_342_670_000_000;
const STRIKES: u64 = 24;

/// A market with options, futures and the perpetual, in the order of the instruments returned.
fn market(random: &mut Random) -> (MarketArrays, Vec<Instrument>) {
    let mut parameters = ScenarioParameters::BTC;
    if random.below(4) == 0 {
        // Three and a half times spot.
        parameters.tail_multiple_ppm[5] =
            2_500_000_000_000u64.div_ceil(u64::from(parameters.spot_range_ppm)) as i32;
    }
    let inputs = MarketInputs {
        spot: Price(SPOT),
        price_exponent: -8,
        lot_size: 1_000_000,
        grid: parameters.grid().unwrap(),
        oracle: OracleQuality::default(),
    };
    let mut arrays = MarketArrays::new(&inputs, 4, 64).unwrap();
    let mut series = vec![Instrument::Perpetual, Instrument::Spot];
    for (id, days) in [0.5, 3.0, 30.0, 200.0].into_iter().enumerate() {
        let smile = Smile {
            atm_vol_ppb: random.uniform(2e8, 1e9) as u64,
            rho_ppb: random.uniform(-5e8, 5e8) as i64,
            phi_ppb: random.uniform(0.0, 1e9) as u64,
        };
        let forward = (random.uniform(0.9, 1.1) * ONE_Q30 as f64) as i64;
        let left = (days * SECONDS_PER_DAY as f64) as i64;
        let id = id as u8;
        arrays.add_expiry(id, left, forward, &smile).unwrap();
        series.push(arrays.future(id).unwrap());
        for _ in 0..STRIKES / 4 {
            let strike = (SPOT as f64 * random.uniform(0.5, 1.8)) as u64;
            for kind in [OptionKind::Call, OptionKind::Put] {
                let option = arrays.option(kind, id, Price(strike), ln_q40(strike), 0);
                series.push(option.unwrap());
            }
        }
    }
    (arrays, series)
}

#[test]
fn a_scan_gives_the_bits_of_an_evaluation() {
    let random = &mut Random(41);
    let mut wide = 0;
    let mut scan = Scan::EMPTY;
    for _ in 0..60 {
        let (mut arrays, series) = market(random);
        let scanner = Scanner::new(&arrays, &series).unwrap();
        for _ in 0..100 {
            let largest = random.pick(&[3.0, 1e3, 6e4, 2e6, 1e8]);
            let legs: Vec<ScanLeg> = (0..random.below(17))
                .map(|_| ScanLeg {
                    series: random.below(series.len() as u64) as u32,
                    lots: random.uniform(-largest, largest) as i32,
                })
                .collect();
            let book: Vec<Leg> = legs
                .iter()
                .map(|leg| Leg {
                    instrument: series[leg.series as usize],
                    lots: i64::from(leg.lots),
                })
                .collect();
            wide +=
                usize::from(legs.iter().map(|leg| leg.lots.unsigned_abs()).sum::<u32>() >= 1 << 17);
            let mut risk = MarketRisk::EMPTY;
            arrays.evaluate(&book, &mut risk).unwrap();
            scanner.scan(&legs, &mut scan).unwrap();
            assert_eq!(scan.pnl_q28(), risk.pnl_q28);
            assert_eq!(scan.block_pnl_q28(), risk.block_pnl_q28);
            assert_eq!(scan.worst_column, risk.worst_column);
            let loss = i128::from(scan.scan_loss_q28);
            assert_eq!(arrays.lot_value().money_up(loss, 28), Ok(risk.scan_loss));
        }
    }
    assert!(wide > 500, "{wide} books beyond what doubles hold");
}

#[test]
fn what_cannot_be_scanned_is_refused() {
    let (mut arrays, series) = market(&mut Random(7));
    let scanner = Scanner::new(&arrays, &series).unwrap();
    let scan = |series: usize, lots| {
        let series = series as u32;
        scanner.scan(&[ScanLeg { series, lots }; 3], &mut { Scan::EMPTY })
    };
    assert_eq!(scan(series.len(), 1), Err(RiskError::UnknownInstrument));
    assert_eq!(scan(0, i32::MAX), Err(RiskError::TooManyLots));
    assert!(scan(0, i32::MAX / 3).is_ok());
    let balance = arrays.balance(1, 0, u64::MAX).unwrap();
    let strange = Instrument::Option {
        kind: OptionKind::Call,
        strike: u16::MAX,
    };
    for instrument in [balance, strange] {
        let refused = Scanner::new(&arrays, &[instrument]).err();
        assert_eq!(refused, Some(RiskError::UnknownInstrument));
    }
}
