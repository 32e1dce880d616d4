//! Plans on small books whose answer is known, and on random ones.

use super::*;
use crate::fixed::ln_q40;
use crate::market::{MarketInputs, OptionKind};
use crate::scenario::ScenarioParameters;
use crate::smile::Smile;
use crate::units::Price;
use std::vec;

const DISCOUNT: DiscountParameters = DiscountParameters {
    delta_ppm: 5_000,
    vega_ppm: 50_000,
};
/// 100 USD at exponent -8, whole units: one lot is worth 100 USD.
const SPOT: u64 = 10_000_000_000;

fn arrays() -> MarketArrays {
    let inputs = MarketInputs {
        spot: Price(SPOT),
        price_exponent: -8,
        lot_size: 1_000_000_000,
        grid: ScenarioParameters::BTC.grid().unwrap(),
    };
    let mut arrays = MarketArrays::new(&inputs, 1, 8).unwrap();
    arrays
        .add_expiry(0, 30 * 86_400, ONE_Q30, &Smile::flat(600_000_000))
        .unwrap();
    arrays
}

fn option(arrays: &mut MarketArrays, kind: OptionKind, strike: u64, lots: i64) -> Leg {
    let instrument = arrays
        .option(kind, 0, Price(strike), ln_q40(strike), 0)
        .unwrap();
    Leg { instrument, lots }
}

fn run(
    arrays: &mut MarketArrays,
    legs: &mut [Leg],
    cash: i64,
) -> (Result<LiquidationOutcome, LiquidationError>, Vec<Take>) {
    let mut costs: Vec<Money> = legs
        .iter()
        .map(|leg| match leg.instrument {
            Instrument::Perpetual => Money(-leg.lots * 100_000_000),
            _ => Money(0),
        })
        .collect();
    let mut takes = vec![];
    let mut markets = [LiquidationMarket {
        arrays,
        legs,
        costs: &mut costs,
        discount: DISCOUNT,
    }];
    let outside = AccountTotals::with_cash(Money(cash));
    let planned = plan(outside, &mut markets, &mut takes);
    if let Ok(outcome) = &planned {
        check_steps(outside, &mut markets, &takes, outcome);
    }
    (planned, takes)
}

/// Walking through a plan ends where the plan ended, and each take of one leg raises health.
fn check_steps(
    outside: AccountTotals,
    markets: &mut [LiquidationMarket<'_>],
    takes: &[Take],
    outcome: &LiquidationOutcome,
) {
    let left: Vec<Leg> = markets[0].legs.to_vec();
    let reports = reports_after_each(outside, markets, takes, outcome).unwrap();
    assert_eq!(
        (reports.len(), reports.last()),
        (takes.len(), Some(&outcome.after))
    );
    assert_eq!(markets[0].legs, left);
    let outside = AccountTotals {
        cash: outcome.cash,
        ..outside
    };
    assert_eq!(report(outside, markets), Ok(outcome.after));
    let mut health = outcome.before.health_maintenance().unwrap();
    for report in &reports[..outcome.single_takes] {
        let next = report.health_maintenance().unwrap();
        assert!(next > health);
        health = next;
    }
}

#[test]
fn a_healthy_account_is_left_alone() {
    let mut arrays = arrays();
    let mut legs = [Leg {
        instrument: Instrument::Perpetual,
        lots: 100,
    }];
    let (outcome, takes) = run(&mut arrays, &mut legs, 10_000_000_000);
    assert!(matches!(
        outcome,
        Err(LiquidationError::NotLiquidatable { .. })
    ));
    assert!(takes.is_empty());
}

#[test]
fn a_perpetual_is_reduced_to_the_target_and_no_further() {
    let mut arrays = arrays();
    let mut legs = [Leg {
        instrument: Instrument::Perpetual,
        lots: 100,
    }];
    // 100 lots need 1,600 initial and 1,280 maintenance.
    let (outcome, takes) = run(&mut arrays, &mut legs, 1_200_000_000);
    let outcome = outcome.unwrap();
    assert_eq!(takes.len(), 1);
    assert!(outcome.after.equity >= outcome.after.liquidation_target().unwrap());
    let per_lot = 16_000_000;
    assert!(outcome.after.equity.0 < outcome.after.liquidation_target().unwrap().0 + per_lot);
    assert_eq!(
        outcome.before.equity.0 - outcome.after.equity.0,
        takes[0].discount.0
    );
    let full = takes[0].lots * 500_000;
    assert!(
        (full - 1..=full).contains(&takes[0].discount.0),
        "rounded down"
    );
}

#[test]
fn the_leg_that_causes_the_loss_goes_first() {
    let mut arrays = arrays();
    let mut legs = [
        option(&mut arrays, OptionKind::Call, 11_000_000_000, -100),
        Leg {
            instrument: Instrument::Perpetual,
            lots: 30,
        },
    ];
    let (outcome, takes) = run(&mut arrays, &mut legs, 1_000_000_000);
    let outcome = outcome.unwrap();
    assert_eq!(
        takes[0].leg, 0,
        "the short calls lose in the rally, the perpetual hedges them"
    );
    assert!(
        outcome.after.health_maintenance().unwrap() > outcome.before.health_maintenance().unwrap()
    );
    assert!(outcome.cash >= Money(0));
}

#[test]
fn a_bankrupt_account_is_taken_at_mark() {
    let mut arrays = arrays();
    let mut legs = [option(&mut arrays, OptionKind::Call, 9_000_000_000, -100)];
    let (outcome, takes) = run(&mut arrays, &mut legs, 600_000_000);
    let outcome = outcome.unwrap();
    assert!(outcome.before.equity < Money(0));
    assert!(takes.iter().all(|take| take.discount == Money(0)));
    assert!(
        outcome.cash >= Money(0),
        "cash pays for part of the shorts and no more"
    );
    assert!(legs[0].lots < 0);
}

#[test]
fn every_take_raises_health_in_random_books() {
    let mut seed = 7u64;
    let mut next = |modulus: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % modulus
    };
    let mut liquidated = 0;
    for _ in 0..300 {
        let mut arrays = arrays();
        let mut legs: Vec<Leg> = (0..5)
            .map(|i| {
                let kind = if next(2) == 0 {
                    OptionKind::Call
                } else {
                    OptionKind::Put
                };
                let strike = 8_000_000_000 + 500_000_000 * (next(8) + i % 2);
                let lots = next(200) as i64 - 100;
                option(&mut arrays, kind, strike, lots)
            })
            .collect();
        legs.push(Leg {
            instrument: Instrument::Perpetual,
            lots: next(200) as i64 - 100,
        });
        let cash = next(2_000) as i64 * 1_000_000;
        let (outcome, takes) = run(&mut arrays, &mut legs, cash);
        let Ok(outcome) = outcome else { continue };
        liquidated += 1;
        let health = |report: &MarginReport| report.health_maintenance().unwrap();
        assert!(health(&outcome.after) > health(&outcome.before));
        assert!(outcome.cash >= Money(0));
        let discount: i64 = takes.iter().map(|take| take.discount.0).sum();
        assert!(discount <= outcome.before.equity.0.max(0));
        // Marks are rounded, so equity falls by the discount to within a micro-unit a take.
        let fall = outcome.before.equity.0 - outcome.after.equity.0;
        assert!(
            (fall - discount).abs() <= 1 + takes.len() as i64,
            "{fall} {discount}"
        );
    }
    assert!(liquidated > 50, "{liquidated}");
}

#[test]
fn balances_count_and_are_not_taken() {
    // A short perpetual covered by the token itself, and a long one too many: only the long is worth taking.
    let mut arrays = arrays();
    let covered = arrays.balance(50_000_000_000, 9, u64::MAX).unwrap();
    let leg = |instrument, lots| Leg { instrument, lots };
    let mut legs = [leg(covered, 1), leg(Instrument::Perpetual, -50)];
    let (outcome, takes) = run(&mut arrays, &mut legs, 0);
    let Err(LiquidationError::NotLiquidatable { equity, .. }) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!((equity, takes), (Money(5_000_000_000), vec![]));

    let mut legs = [leg(covered, 1), leg(Instrument::Perpetual, 500)];
    let (outcome, takes) = run(&mut arrays, &mut legs, 0);
    let outcome = outcome.unwrap();
    assert!(takes.iter().all(|take| take.leg == 1), "{takes:?}");
    assert!(outcome.after.equity >= outcome.after.liquidation_target().unwrap());
    assert_eq!(legs[0], leg(covered, 1));
}

#[test]
fn longs_repay_cash_that_is_negative() {
    let mut arrays = arrays();
    let mut legs = [option(&mut arrays, OptionKind::Call, SPOT, 1_000)];
    let value = arrays
        .lot_value()
        .money_down(
            1_000 * i128::from(arrays.mark_q30(legs[0].instrument).unwrap()),
            30,
        )
        .unwrap();
    let debt = -value.0 * 3 / 4;
    let (outcome, takes) = run(&mut arrays, &mut legs, debt);
    let outcome = outcome.unwrap();
    assert!(
        takes.iter().all(|take| take.payment > Money(0)),
        "{takes:?}"
    );
    assert!(outcome.cash > Money(debt));
    let health = |report: MarginReport| report.health_maintenance().unwrap();
    assert!(health(outcome.after) > health(outcome.before));
}
