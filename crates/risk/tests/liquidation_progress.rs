//! Liquidation reaches its target on every solvent book that cash can pay for, also where no single leg helps: books
//! whose worst scenarios balance, books of a few lots, and books whose value is in long options.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test may panic"
)]

use estuary_risk::fixed::ln_q40;
use estuary_risk::liquidation::{plan, DiscountParameters, LiquidationError, LiquidationMarket};
use estuary_risk::margin::AccountTotals;
use estuary_risk::market::OptionKind::{self, Call, Put};
use estuary_risk::market::{Instrument, Leg, MarketArrays, MarketInputs, MarketRisk};
use estuary_risk::scenario::ScenarioParameters;
use estuary_risk::smile::Smile;
use estuary_risk::units::{Money, Price, ONE_Q30};

/// An option's kind and strike in dollars, or a perpetual.
type Holding = (Option<(OptionKind, u64)>, i64);

#[derive(Debug, PartialEq, Eq)]
enum End {
    Healthy,
    Target,
    Bankrupt,
    Stuck,
}

/// Liquidates a book at 100 dollars, 30 days and 60%, in at most 60 steps.
fn liquidate(holdings: &[Holding], cash: i64) -> End {
    let inputs = MarketInputs {
        spot: Price(10_000_000_000),
        price_exponent: -8,
        lot_size: 1_000_000_000,
        grid: ScenarioParameters::BTC.grid().unwrap(),
    };
    let mut arrays = MarketArrays::new(&inputs, 1, 8).unwrap();
    arrays
        .add_expiry(0, 30 * 86_400, ONE_Q30, &Smile::flat(600_000_000))
        .unwrap();
    let mut instrument = |option| match option {
        Some((kind, dollars)) => {
            let strike = dollars * 100_000_000;
            let option = arrays.option(kind, 0, Price(strike), ln_q40(strike), 0);
            option.unwrap()
        }
        None => Instrument::Perpetual,
    };
    let mut legs: Vec<Leg> = holdings
        .iter()
        .map(|(option, lots)| Leg {
            instrument: instrument(*option),
            lots: *lots,
        })
        .collect();
    let mut costs: Vec<Money> = holdings
        .iter()
        .map(|(option, lots)| {
            Money(if option.is_some() {
                0
            } else {
                -lots * 100_000_000
            })
        })
        .collect();
    let mut cash = Money(cash);
    for step in 0..60 {
        let mut takes = vec![];
        let mut markets = [LiquidationMarket {
            arrays: &mut arrays,
            legs: &mut legs,
            costs: &mut costs,
            discount: DiscountParameters {
                delta_ppm: 5_000,
                vega_ppm: 50_000,
            },
        }];
        match plan(AccountTotals::with_cash(cash), &mut markets, &mut takes) {
            Ok(outcome) => {
                assert!(outcome.cash >= Money(0), "{holdings:?} {outcome:?}");
                let health = |report: &estuary_risk::margin::MarginReport| {
                    report.health_maintenance().unwrap()
                };
                assert!(health(&outcome.after) > health(&outcome.before));
                let discount: i64 = takes.iter().map(|take| take.discount.0).sum();
                assert!(discount <= outcome.before.equity.0.max(0));
                cash = outcome.cash;
                if outcome.after.equity >= outcome.after.liquidation_target().unwrap() {
                    return End::Target;
                }
            }
            Err(LiquidationError::NotLiquidatable { .. }) if step == 0 => return End::Healthy,
            Err(LiquidationError::NotLiquidatable { .. }) => return End::Target,
            Err(_) => break,
        }
    }
    let mut risk = MarketRisk::EMPTY;
    arrays.evaluate(&legs, &mut risk).unwrap();
    let costs: i64 = costs.iter().map(|cost| cost.0).sum();
    let equity = cash.0 + risk.option_value.0 + risk.linear_value.0 + costs;
    if equity <= 0 {
        End::Bankrupt
    } else {
        End::Stuck
    }
}

#[test]
fn strangles_with_balanced_wings_are_liquidated() {
    let mut liquidated = 0;
    for (call, put) in [(115, 85), (110, 90), (105, 95), (100, 100), (120, 80)] {
        for perp in (-4_000..4_000).step_by(7).chain(-20..20) {
            for cash in [100_000_000_000i64, 150_000_000_000] {
                let book = [
                    (Some((Call, call)), -10_000),
                    (Some((Put, put)), -10_000),
                    (None, perp),
                ];
                match liquidate(&book, cash) {
                    End::Stuck => panic!("{call} {put} {perp} {cash}"),
                    End::Target => liquidated += 1,
                    End::Healthy | End::Bankrupt => {}
                }
            }
        }
    }
    assert!(liquidated > 1_000, "{liquidated}");
}

#[test]
fn books_of_a_few_lots_are_liquidated() {
    for book in [
        [(Some((Put, 95)), -5), (None, -3)],
        [(Some((Call, 105)), -5), (None, 3)],
    ] {
        assert_eq!(liquidate(&book, 32_000_000), End::Target, "{book:?}");
    }
}

#[test]
fn spreads_are_liquidated_without_cash() {
    // A ratio spread whose value is all in the long options.
    let book = [(Some((Call, 90)), 100), (Some((Call, 95)), -130)];
    assert_eq!(liquidate(&book, 80_000_000), End::Target);
}

#[test]
fn random_books_end_at_the_target_or_bankrupt() {
    let mut seed = 7u64;
    let mut next = |modulus: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % modulus
    };
    let mut liquidated = 0;
    for _ in 0..10_000 {
        let mut book: Vec<Holding> = (0..2 + next(5))
            .map(|_| {
                let kind = if next(2) == 0 { Call } else { Put };
                let lots = next(4_000) as i64 - 2_000;
                (Some((kind, 80 + 2 * next(20))), lots)
            })
            .collect();
        book.push((None, next(4_000) as i64 - 2_000));
        let cash = next(100_000) as i64 * 1_000_000;
        match liquidate(&book, cash) {
            End::Stuck => panic!("{book:?} {cash}"),
            End::Target => liquidated += 1,
            End::Healthy | End::Bankrupt => {}
        }
    }
    assert!(liquidated > 1_000, "{liquidated}");
}
