//! Tokens of failing accounts: who may buy them, how many and for how much.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test that overflows fails"
)]

use estuary::event::{MarginTotals, PriceUsed, TokenLiquidated};
use estuary::instructions::TradeLeg;
use estuary::state::SeriesKind::Call;
use estuary_client::event::Event;
use estuary_risk::margin::MarginReport;
use estuary_tests::setup::{mantissa, BTC_PRICE, SOL_PRICE, USD};
use estuary_tests::token::mint;
use estuary_tests::trade::PERP;
use estuary_tests::{ix, EstuaryError as E, House, Outcome, Pit, Token, Trader};

const RICH: u64 = 10_000_000 * USD;
/// One SOL in base units.
const SOL: u64 = 1_000_000_000;
/// One lot of SOL in base units.
const LOT: u64 = SOL / 10;

/// A pit whose taker has SOL, and a liquidator with cash.
struct Stage {
    pit: Pit,
    sol: Token,
    liquidator: Trader,
}

impl Stage {
    fn new(cash: u64, amount: u64, liquidators: u64) -> Self {
        let mut pit = Pit::new(cash, RICH);
        let market = pit.sol().clone();
        let mint = pit.world.place(mint(9));
        let sol = pit.house.add_token(&mut pit.world, &market, mint);
        pit.world
            .deposit_token(&pit.house, &pit.taker, &sol, amount);
        let liquidator = pit.house.trader(&mut pit.world, liquidators);
        Self {
            pit,
            sol,
            liquidator,
        }
    }

    /// 100 SOL, and a perp on BTC that has lost 15,000 USD.
    fn indebted(liquidators: u64) -> Self {
        let mut stage = Self::new(0, 100 * SOL, liquidators);
        let leg = stage.pit.btc_leg(PERP, 500);
        stage.pit.trade(&[leg]).ok();
        stage.set_btc(BTC_PRICE - 30_000.0);
        stage
    }

    /// The same stage again.
    fn fork(&self) -> Self {
        let pit = &self.pit;
        Self {
            pit: Pit {
                world: pit.world.fork(),
                house: House {
                    addresses: pit.house.addresses,
                    authority: pit.house.authority.insecure_clone(),
                },
                markets: pit.markets.clone(),
                taker: pit.taker.clone(),
                maker: pit.maker.clone(),
            },
            sol: self.sol,
            liquidator: self.liquidator.clone(),
        }
    }

    fn set_btc(&mut self, price: f64) {
        let btc = self.pit.btc().clone();
        self.pit.world.set_price(&btc, price);
    }

    fn set_sol(&mut self, price: f64) {
        let sol = self.pit.sol().clone();
        self.pit.world.set_price(&sol, price);
    }

    fn report(&self, trader: &Trader) -> MarginReport {
        let pit = &self.pit;
        let markets = pit.world.needed(&[trader], &[], &pit.markets);
        pit.world.report(trader, &markets)
    }

    fn buy(&mut self, amount: u64) -> Outcome {
        let pit = &mut self.pit;
        let traders = [&self.liquidator, &pit.taker];
        let markets = pit.world.needed(&traders, &[], &pit.markets);
        let token = (&self.sol, amount);
        let buy = ix::liquidate_token(&pit.house, &self.liquidator, &pit.taker, token, &markets);
        pit.world.send(buy, &[&self.liquidator.owner])
    }

    fn held(&self, trader: &Trader) -> i64 {
        self.pit.world.account(trader).balance(1)
    }
}

#[test]
fn tokens_are_sold_for_cash_at_a_discount_and_told() {
    let mut stage = Stage::indebted(RICH);
    let before = stage.report(&stage.pit.taker);
    assert!(
        before.is_liquidatable() && before.equity.0 > 0,
        "{before:?}"
    );
    let event = stage.buy(10 * SOL).event();
    // Ten SOL at 200 USD less 0.5%.
    let payment = 1_990_000_000;
    let taker = stage.pit.world.account(&stage.pit.taker);
    assert_eq!((taker.cash(), taker.balance(1)), (payment, 90 * SOL as i64));
    let liquidator = stage.pit.world.account(&stage.liquidator);
    assert_eq!(liquidator.balances[1].market, taker.balances[1].market);
    assert_eq!(liquidator.balances[1].decimals, 9);
    assert_eq!(liquidator.balance(1), 10 * SOL as i64);
    assert_eq!(liquidator.cash(), RICH as i64 - payment);
    let after = stage.report(&stage.pit.taker);
    assert_eq!(before.equity.0 - after.equity.0, 10_000_000);
    let health = |report: &MarginReport| report.equity.0 - report.maintenance_margin.0;
    assert!(health(&after) > health(&before));
    let totals = |report: &MarginReport| MarginTotals {
        equity: report.equity.0,
        initial_margin: report.initial_margin.0,
        maintenance_margin: report.maintenance_margin.0,
    };
    let told = TokenLiquidated {
        clearinghouse: stage.pit.house.clearinghouse,
        liquidator: stage.liquidator.account,
        liquidated: stage.pit.taker.account,
        before: totals(&before),
        after: totals(&after),
        bank: 1,
        amount: 10 * SOL,
        price: PriceUsed {
            market: 1,
            price: mantissa(SOL_PRICE),
            publish_time: stage.pit.world.now(),
        },
        payment,
        discount: 10_000_000,
        liquidator_cash: RICH as i64 - payment,
        liquidated_cash: payment,
    };
    assert_eq!(event, Event::TokenLiquidated(told));
}

#[test]
fn a_healthy_account_keeps_its_tokens() {
    let mut stage = Stage::new(0, 100 * SOL, RICH);
    stage.buy(SOL).refused(E::NotLiquidatable);
    let leg = stage.pit.btc_leg(PERP, 500);
    stage.pit.trade(&[leg]).ok();
    stage.buy(SOL).refused(E::NotLiquidatable);
}

#[test]
fn a_sale_takes_no_more_than_the_target_needs_to_a_lot() {
    // No position is left, only a debt to the market: 96 SOL of 200 USD against 15,000 USD.
    let mut stage = Stage::new(0, 96 * SOL, RICH);
    let (taker, maker) = (stage.pit.taker.clone(), stage.pit.maker.clone());
    let btc = stage.pit.btc().clone();
    stage
        .pit
        .world
        .shift(&maker, &taker, &btc, 0, 15_000_000_000);
    let report = stage.report(&taker);
    assert!(report.is_liquidatable(), "{report:?}");
    stage.buy(96 * SOL).refused(E::TokenSaleTooLarge);
    // The largest number of lots that is not too many, by bisection.
    let (mut good, mut bad) = (1, 960);
    while bad - good > 1 {
        let middle = (good + bad) / 2;
        let mut trial = stage.fork();
        match trial.buy(middle * LOT).estuary_error() {
            None => good = middle,
            Some(code) => {
                assert_eq!(code, u32::from(E::TokenSaleTooLarge));
                bad = middle;
            }
        }
    }
    stage.buy(good * LOT).ok();
    let after = stage.report(&taker);
    let target = after.liquidation_target().unwrap();
    assert!(after.equity >= target, "{after:?}");
    // A lot of 20 USD holds 4.8 to 6 of margin.
    assert!((after.equity.0 - target.0) < 6_000_000, "{after:?}");
    stage.buy(LOT).refused(E::NotLiquidatable);
}

#[test]
fn a_bankrupt_account_s_tokens_are_sold_at_mark_and_then_it_settles() {
    let mut stage = Stage::new(0, 100 * SOL, RICH);
    let (taker, maker) = (stage.pit.taker.clone(), stage.pit.maker.clone());
    let btc = stage.pit.btc().clone();
    stage
        .pit
        .world
        .shift(&maker, &taker, &btc, 0, 15_000_000_000);
    stage.set_sol(100.0);
    let report = stage.report(&taker);
    assert_eq!(report.equity.0, -5_000_000_000);
    stage.buy(100 * SOL).ok();
    assert_eq!(stage.held(&taker), 0);
    assert_eq!(stage.pit.world.cash(&taker), 10_000_000_000);
    // What is left is cash and a debt: settlement takes the one and recognises the rest.
    let (house, world) = (&stage.pit.house, &mut stage.pit.world);
    world.settle(house, &taker, &btc, false).ok();
    assert_eq!(world.cash(&taker), 0);
    assert!(world.account(&taker).unsettled_in(btc.index).is_none());
}

#[test]
fn a_sale_that_opens_a_hedge_is_refused() {
    // Short 1,000 lots of a perp against 100 SOL: 20,000 USD each way.
    let mut stage = Stage::new(1_500 * USD, 100 * SOL, RICH);
    let leg = stage.pit.sol_leg(PERP, -1_000);
    stage.pit.trade(&[leg]).ok();
    let (taker, maker) = (stage.pit.taker.clone(), stage.pit.maker.clone());
    let sol = stage.pit.sol().clone();
    stage
        .pit
        .world
        .shift(&maker, &taker, &sol, leg.slot, 20_800_000_000);
    let report = stage.report(&taker);
    assert!(report.is_liquidatable(), "{report:?}");
    for amount in [LOT, 10 * SOL, 100 * SOL] {
        stage.buy(amount).refused(E::TokenSaleDoesNotHelp);
    }
}

#[test]
fn the_liquidator_pays_in_cash_and_stays_healthy() {
    let mut stage = Stage::indebted(1_000 * USD);
    stage.buy(6 * SOL).refused(E::BalanceNegative);
    stage.buy(5 * SOL).ok();
    // With positions of its own it must not fall below its margin.
    let mut stage = Stage::indebted(19_000 * USD);
    let leg = stage.pit.btc_leg(PERP, 1_300);
    let leg = TradeLeg {
        price: mantissa(BTC_PRICE - 30_000.0),
        ..leg
    };
    let pit = &mut stage.pit;
    let sides = [&stage.liquidator, &pit.maker];
    let done = pit.world.trade(&pit.house, sides, &[leg], &pit.markets);
    done.ok();
    stage.buy(90 * SOL).refused(E::LiquidatorBelowInitialMargin);
}

#[test]
fn dust_is_not_sold_for_nothing() {
    let mut stage = Stage::indebted(RICH);
    for amount in 1..=4 {
        // Its value is rounded up to a micro-unit, which no rounding of margin gives back.
        let before = stage.pit.world.cash(&stage.liquidator);
        if stage.buy(amount).estuary_error().is_none() {
            assert!(stage.pit.world.cash(&stage.liquidator) < before);
        }
    }
}

#[test]
fn calls_are_bought_back_with_what_tokens_bring() {
    // Short options cost cash to take over, and there is none but in tokens.
    let mut stage = Stage::new(0, 500 * SOL, RICH);
    let call = stage.pit.btc_leg((Call, 1, 110), -500);
    stage.pit.trade(&[call]).ok();
    let taker = stage.pit.taker.clone();
    stage.set_btc(2.5 * BTC_PRICE);
    let report = stage.report(&taker);
    assert!(report.is_liquidatable(), "{report:?}");
    let sold = stage.buy(50 * SOL);
    sold.ok();
    let liquidated = {
        let pit = &mut stage.pit;
        pit.world
            .liquidate(&pit.house, &stage.liquidator, &taker, &pit.markets)
    };
    liquidated.ok();
    let after = stage.report(&taker);
    assert!(
        after.equity.0 - after.maintenance_margin.0 > report.equity.0 - report.maintenance_margin.0
    );
}

#[test]
fn below_zero_tokens_are_sold_although_they_hedge() {
    // 100 SOL and a short of as many: selling the tokens or closing the short alone raises what is required.
    let mut stage = Stage::new(0, 100 * SOL, RICH);
    let short = stage.pit.sol_leg(PERP, -1_000);
    stage.pit.trade(&[short]).ok();
    let btc = stage.pit.btc().clone();
    let perp = stage.pit.world.slot(&btc, PERP.0, 0, 0);
    let (taker, maker) = (stage.pit.taker.clone(), stage.pit.maker.clone());
    let loss = 20_001 * USD as i64;
    stage.pit.world.shift(&maker, &taker, &btc, perp, loss);
    let before = stage.report(&taker);
    assert!(before.equity.0 < 0, "{before:?}");
    stage.buy(100 * SOL).ok();
    let after = stage.report(&taker);
    assert!(after.maintenance_margin > before.maintenance_margin);
    assert!(after.equity >= before.equity, "nothing is given away");
    assert_eq!(stage.held(&taker), 0);
}
