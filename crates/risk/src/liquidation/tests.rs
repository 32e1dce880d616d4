//! Plans on small books whose answer is known, and on random ones.

use super::*;
use crate::fixed::ln_q40;
use crate::market::{Instrument, MarketInputs, OptionKind};
use crate::scenario::ScenarioParameters;
use crate::smile::Smile;
use crate::units::{Price, ONE_Q30};
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
        oracle: crate::charges::OracleQuality::default(),
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

type Planned = (Result<LiquidationOutcome, LiquidationError>, Vec<Take>);

fn run(arrays: &mut MarketArrays, legs: &mut [Leg], cash: i64) -> Planned {
    run_with_tokens(arrays, legs, &mut [], cash)
}

fn run_with_tokens(
    arrays: &mut MarketArrays,
    legs: &mut [Leg],
    tokens: &mut [Token],
    cash: i64,
) -> Planned {
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
        tokens,
        other_lots: 0,
        discount: DISCOUNT,
    }];
    let outside = AccountTotals::with_cash(Money(cash));
    let planned = plan(
        (outside, &Offsets::NONE),
        u64::MAX,
        &mut markets,
        &mut takes,
    );
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
    let reports = reports_after_each((outside, &Offsets::NONE), markets, takes, outcome).unwrap();
    assert_eq!(
        (reports.len(), reports.last()),
        (takes.len(), Some(&outcome.after))
    );
    assert_eq!(markets[0].legs, left);
    let outside = AccountTotals {
        cash: outcome.cash,
        ..outside
    };
    assert_eq!(
        report((outside, &Offsets::NONE), markets),
        Ok(outcome.after)
    );
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
    let full = takes[0].quantity * 500_000;
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
}

#[test]
fn a_bankrupt_account_is_taken_at_mark() {
    let mut arrays = arrays();
    let mut legs = [option(&mut arrays, OptionKind::Call, 9_000_000_000, -100)];
    let (outcome, takes) = run(&mut arrays, &mut legs, 600_000_000);
    let outcome = outcome.unwrap();
    assert!(outcome.before.equity < Money(0));
    assert!(takes.iter().all(|take| take.discount == Money(0)));
    assert_eq!(legs[0].lots, 0, "all of it, whatever cash there is");
    assert_eq!(outcome.cash, outcome.after.equity);
    assert!((outcome.after.equity.0 - outcome.before.equity.0).abs() <= 1);
}

/// A balance of SOL-like tokens, nine decimals, and its leg.
fn token(arrays: &mut MarketArrays, amount: i64) -> (Token, Leg) {
    let (decimals, room) = (9, u64::MAX);
    let instrument = arrays.balance(amount, decimals, room).unwrap();
    let token = Token {
        amount,
        decimals,
        room,
    };
    (
        token,
        Leg {
            instrument,
            lots: 1,
        },
    )
}

#[test]
fn tokens_that_hedge_are_left() {
    // A short perpetual covered by the token itself needs no more than its gross exposure, and a long one too many is taken.
    let mut arrays = arrays();
    let (covered, leg) = token(&mut arrays, 50_000_000_000);
    let perpetual = |lots| Leg {
        instrument: Instrument::Perpetual,
        lots,
    };
    let mut legs = [perpetual(-50), leg];
    let (outcome, takes) = run_with_tokens(&mut arrays, &mut legs, &mut [covered], 0);
    let Err(LiquidationError::NotLiquidatable { equity, .. }) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!((equity, takes), (Money(5_000_000_000), vec![]));

    let mut legs = [perpetual(500), leg];
    let (outcome, takes) = run_with_tokens(&mut arrays, &mut legs, &mut [covered], 0);
    let outcome = outcome.unwrap();
    // Token and perpetual release the same per discount: the first of the account goes first.
    assert!(takes.iter().all(|take| take.leg == 0), "{takes:?}");
    assert!(outcome.after.equity >= outcome.after.liquidation_target().unwrap());
    assert_eq!(legs[1], leg);
}

#[test]
fn tokens_are_sold_to_pay_a_debt() {
    // 50 tokens of 100 dollars against a debt of 4,400: IM is 800, MM 640.
    let mut arrays = arrays();
    let (balance, leg) = token(&mut arrays, 50_000_000_000);
    let (mut legs, mut tokens) = ([leg], [balance]);
    let (outcome, takes) = run_with_tokens(&mut arrays, &mut legs, &mut tokens, -4_400_000_000);
    let outcome = outcome.unwrap();
    assert_eq!(takes.len(), 1);
    let sold = takes[0].quantity;
    assert_eq!(tokens[0].amount, 50_000_000_000 - sold);
    // 0.5% of what is sold, and at most a lot, one token, more than the target needs.
    assert_eq!(takes[0].payment.0, sold / 10 - sold / 2_000);
    assert_eq!(outcome.cash.0, takes[0].payment.0 - 4_400_000_000);
    let (after, target) = (outcome.after, outcome.after.liquidation_target().unwrap());
    let needed_by_a_token = 16_000_000;
    assert!(
        (0..needed_by_a_token).contains(&(after.equity.0 - target.0)),
        "{after:?}"
    );
}

#[test]
fn the_size_is_limited() {
    let mut arrays = arrays();
    let plan_within = |arrays: &mut MarketArrays, max_notional| {
        let mut legs = [Leg {
            instrument: Instrument::Perpetual,
            lots: 100,
        }];
        let mut markets = [LiquidationMarket {
            arrays,
            legs: &mut legs,
            costs: &mut [Money(-10_000_000_000)],
            tokens: &mut [],
            other_lots: 0,
            discount: DISCOUNT,
        }];
        let outside = AccountTotals::with_cash(Money(1_200_000_000));
        let mut takes = vec![];
        plan(
            (outside, &Offsets::NONE),
            max_notional,
            &mut markets,
            &mut takes,
        )
        .map(|_| takes)
    };
    // A lot is worth 100 dollars.
    for (max_notional, lots) in [(100_000_000, 1), (299_999_999, 2), (300_000_000, 3)] {
        let takes = plan_within(&mut arrays, max_notional).unwrap();
        assert_eq!((takes.len(), takes[0].quantity), (1, lots));
    }
    for max_notional in [0, 99_999_999] {
        let refused = plan_within(&mut arrays, max_notional);
        assert_eq!(
            refused,
            Err(LiquidationError::SizeTooSmall { max_notional })
        );
    }
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
