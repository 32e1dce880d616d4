//! Pending orders: whatever part of them is filled, the account needs no more than it was charged before.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test may panic"
)]

mod support;

use estuary_risk::liquidity::LiquidityParameters;
use estuary_risk::margin::{AccountTotals, MarginReport};
use estuary_risk::market::{Leg, MarketRisk, Order};
use estuary_risk::units::{Money, Price, RiskError};
use proptest::prelude::*;
use support::books::{Book, FAMILIES};
use support::Random;

/// The report of a market's book, with what was paid for fills.
fn report(risk: &MarketRisk, cash: i64, cost: i64) -> MarginReport {
    let mut totals = AccountTotals::with_cash(Money(cash));
    totals.add_market(risk, Money(cost)).unwrap();
    totals.report().unwrap()
}

fn health(report: &MarginReport) -> i128 {
    i128::from(report.equity.0) - i128::from(report.initial_margin.0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_fill_needs_more_than_the_orders_did(seed in any::<u64>(), family in 0..FAMILIES.len()) {
        let mut random = Random(seed);
        let mut book = Book::random(&mut random, family);
        if random.below(2) == 0 {
            // Where the impact is all there is.
            book.parameters.liquidity = LiquidityParameters {
                unwind_delta_ppm: 0,
                unwind_delta_impact_ppm: 100_000,
                unwind_vega_ppm: 0,
                unwind_vega_impact_ppm: 100_000,
            };
        }
        let elsewhere = [0, random.below(1_000), random.below(1 << 32)];
        let others = random.pick(&elsewhere);
        // Some of the legs are orders: together no more than a market takes.
        let mut picked = Vec::new();
        book.legs.retain(|leg| {
            let is_order = random.below(3) == 0;
            if is_order {
                picked.push(*leg);
            }
            !is_order
        });
        picked.truncate(1 + random.below(8) as usize);
        for leg in &book.legs {
            if random.below(3) == 0 {
                let (holding, lots) = *leg;
                let share = [1.0, random.unit(), 2.0];
                picked.push((holding, -(lots as f64 * random.pick(&share)) as i64));
            }
        }
        let Ok((mut arrays, legs, wanted)) = book.arrays(&picked) else { return Ok(()) };
        let orders: Vec<Order> = wanted
            .iter()
            .map(|leg| {
                let mark = arrays.mark_q30(leg.instrument).unwrap().max(0) as f64 / (1u64 << 30) as f64;
                let off = [0.0, random.uniform(-0.02, 0.02), random.uniform(-0.3, 0.3)];
                let limit = (book.spot as f64 * (mark + random.pick(&off)).max(0.0)) as u64;
                Order { instrument: leg.instrument, lots: leg.lots, limit: Price(limit) }
            })
            .collect();
        let (mut alone, mut none, mut pending) = (MarketRisk::EMPTY, MarketRisk::EMPTY, MarketRisk::EMPTY);
        if arrays.evaluate_beside(&legs, others, &mut alone).is_err() {
            return Ok(());
        }
        arrays.evaluate_with_orders(&legs, others, &[], &mut none).unwrap();
        prop_assert_eq!(&none, &alone, "no orders cost nothing");
        match arrays.evaluate_with_orders(&legs, others, &orders, &mut pending) {
            Err(RiskError::MoneyOverflow | RiskError::TooManyLots) => return Ok(()),
            other => other.unwrap(),
        }
        let before = report(&pending, 0, 0);
        prop_assert_eq!(before.equity, report(&alone, 0, 0).equity, "values are the book's");
        let without = report(&alone, 0, 0).initial_margin;
        prop_assert!(before.initial_margin.0 + 8 >= without.0, "{before:?} {without:?} {alone:?}\n{pending:?} {orders:?} {book:?}");
        for _ in 0..6 {
            let mut filled = legs.clone();
            let mut cash = 0f64;
            for order in &orders {
                let share = [0.0, 1.0, random.unit()];
                let lots = (order.lots as f64 * random.pick(&share)) as i64;
                // A fill closes what is held of its series, as in an account, or stands beside it.
                let nets = random.below(2) == 0;
                let held = filled.iter_mut().find(|leg| nets && leg.instrument == order.instrument);
                match held {
                    Some(leg) => leg.lots += lots,
                    None => filled.push(Leg { instrument: order.instrument, lots }),
                }
                cash -= lots as f64 * order.limit.0 as f64 / book.spot as f64 * book.lot_value();
            }
            let mut after = MarketRisk::EMPTY;
            if arrays.evaluate_beside(&filled, others, &mut after).is_err() {
                continue;
            }
            let dear = pending.liquidity_cost.0;
            prop_assert!(
                after.liquidity_cost.0 <= dear + 8 + dear / 1_000_000,
                "{} after, {dear} before: {others}\n{legs:?}\n{orders:?} {filled:?}",
                after.liquidity_cost.0
            );
            // Whether it is paid in cash or as cost makes no difference to health; money is rounded by a few units.
            let found = after.clone();
            let after = report(&after, 0, cash.clamp(-9e18, 9e18) as i64);
            let room = 8 + (cash.abs() * 1e-12) as i128 + (book.absolute_lots() * book.lot_value() * 1e-9) as i128;
            prop_assert!(
                health(&after) + room >= health(&before),
                "{} after, {} before: {after:?} {before:?} AFTER {found:?}\nPENDING {pending:?}\n{orders:?} {book:?}",
                health(&after),
                health(&before)
            );
        }
    }
}
