//! Tokens of failing accounts: who may buy them, how many and for how much.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test that overflows fails"
)]

use estuary::event::TakenToken;
use estuary::instructions::{LiquidateArgs, TradeLeg};
use estuary::state::Bank;
use estuary::state::SeriesKind::Call;
use estuary_client::event::Event;
use estuary_risk::margin::MarginReport;
use estuary_tests::setup::{mantissa, BTC_PRICE, SOL_PRICE, USD};
use estuary_tests::token::mint;
use estuary_tests::trade::PERP;
use estuary_tests::{ix, EstuaryError as E, Outcome, Pit, Trader};

const RICH: u64 = 10_000_000 * USD;
/// One SOL in base units.
const SOL: u64 = 1_000_000_000;

/// A pit whose taker has SOL, and a liquidator with cash.
struct Stage {
    pit: Pit,
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
        Self { pit, liquidator }
    }

    /// 100 SOL, and a perp on BTC that has lost 15,000 USD.
    fn indebted(liquidators: u64) -> Self {
        let mut stage = Self::new(0, 100 * SOL, liquidators);
        let leg = stage.pit.btc_leg(PERP, 500);
        stage.pit.trade(&[leg]).ok();
        stage.set_btc(BTC_PRICE - 30_000.0);
        stage
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

    fn buy(&mut self, max_notional: u64) -> Outcome {
        let pit = &mut self.pit;
        let traders = [&self.liquidator, &pit.taker];
        let markets = pit.world.needed(&traders, &[], &pit.markets);
        let args = LiquidateArgs {
            max_notional,
            ..LiquidateArgs::anything()
        };
        let [by, of] = traders;
        let liquidate = ix::liquidate_within(&pit.house, by, of, args, &markets);
        pit.world.send(liquidate, &[&by.owner])
    }
}

/// 100 SOL and no position, only a debt of 16,000 dollars to the market of BTC.
fn in_debt() -> Stage {
    let mut stage = Stage::new(0, 100 * SOL, RICH);
    let (taker, maker) = (stage.pit.taker.clone(), stage.pit.maker.clone());
    let btc = stage.pit.btc().clone();
    let world = &mut stage.pit.world;
    world.shift(&maker, &taker, &btc, 0, 16_000_000_000);
    stage
}

#[test]
fn tokens_are_sold_for_cash_at_a_discount_and_told() {
    let mut stage = in_debt();
    let before = stage.report(&stage.pit.taker);
    assert!(
        before.is_liquidatable() && before.equity.0 > 0,
        "{before:?}"
    );
    // Ten SOL at 200 dollars less 0.5%, a quarter of which goes to the insurance fund.
    let Event::Liquidated(event) = stage.buy(2_000 * USD).event() else {
        panic!("a liquidation");
    };
    let (payment, discount, insured) = (1_990_000_000, 10_000_000, 2_500_000);
    let told = TakenToken {
        bank: 1,
        amount: 10 * SOL,
        payment,
        discount,
    };
    assert_eq!((event.tokens, event.positions), (vec![told], vec![]));
    assert_eq!(event.insured, insured);
    let used: Vec<_> = event
        .prices
        .iter()
        .map(|used| (used.market, used.price))
        .collect();
    assert_eq!(used, [(1, mantissa(SOL_PRICE))], "a debt needs no price");
    let taker = stage.pit.world.account(&stage.pit.taker);
    let liquidator = stage.pit.world.account(&stage.liquidator);
    assert_eq!(taker.balance(1), 90 * SOL as i64);
    assert_eq!(liquidator.balances[1].market, taker.balances[1].market);
    assert_eq!(liquidator.balances[1].decimals, 9);
    assert_eq!(liquidator.balance(1), 10 * SOL as i64);
    assert_eq!(liquidator.cash(), RICH as i64 - payment - insured);
    let bank: Bank = stage.pit.world.read(&stage.pit.house.bank);
    assert_eq!(bank.insurance, insured as u64);
    let after = stage.report(&stage.pit.taker);
    assert_eq!(before.equity.0 - after.equity.0, discount);
    assert!(health(&after) > health(&before));
}

fn health(report: &MarginReport) -> i64 {
    report.equity.0 - report.maintenance_margin.0
}

#[test]
fn a_healthy_account_keeps_its_tokens() {
    let mut stage = Stage::new(0, 100 * SOL, RICH);
    stage.buy(u64::MAX).refused(E::NotLiquidatable);
    let leg = stage.pit.btc_leg(PERP, 500);
    stage.pit.trade(&[leg]).ok();
    stage.buy(u64::MAX).refused(E::NotLiquidatable);
}

#[test]
fn a_sale_takes_no_more_than_the_target_needs_to_a_lot() {
    let mut stage = in_debt();
    stage.buy(u64::MAX).ok();
    let taker = stage.pit.taker.clone();
    let after = stage.report(&taker);
    let target = after.liquidation_target().unwrap();
    assert!(after.equity >= target, "{after:?}");
    // A lot of 20 dollars holds 4.8 to 6 of margin.
    assert!((after.equity.0 - target.0) < 6_000_000, "{after:?}");
    stage.buy(u64::MAX).refused(E::NotLiquidatable);
}

#[test]
fn positions_and_tokens_are_ranked_together() {
    // Long 100 SOL and a perp on BTC that has lost most of their value: both lose when markets fall, and the perp, ranked by
    // what it releases per unit of discount, is no better than the token, whose stress is wider.
    let mut stage = Stage::indebted(RICH);
    let taker = stage.pit.taker.clone();
    assert!(stage.report(&taker).is_liquidatable());
    let Event::Liquidated(event) = stage.buy(u64::MAX).event() else {
        panic!("a liquidation");
    };
    assert!(
        !event.tokens.is_empty(),
        "SOL has a stress range of 30%, BTC one of 16%"
    );
    assert!(!stage.report(&taker).is_liquidatable());
}

#[test]
fn a_bankrupt_account_s_tokens_are_sold_at_mark_and_it_is_settled() {
    let mut stage = in_debt();
    let taker = stage.pit.taker.clone();
    stage.set_sol(100.0);
    let report = stage.report(&taker);
    assert_eq!(report.equity.0, -6_000_000_000);
    let Event::Liquidated(event) = stage.buy(u64::MAX).event() else {
        panic!("a liquidation");
    };
    assert_eq!((event.tokens[0].discount, event.insured), (0, 0));
    // All that the tokens brought is paid, and the rest is recognised.
    let account = stage.pit.world.account(&taker);
    assert_eq!(
        (account.balance(1), account.cash(), account.marked),
        (0, 0, 0)
    );
    assert!(account.unsettled.iter().all(|one| !one.is_used()));
    let lost: i64 = event.settlements.iter().map(|one| one.socialised).sum();
    assert_eq!(lost, 6_000_000_000);
}

#[test]
fn tokens_that_hedge_stay() {
    // Short 1,000 lots of a perp against 100 SOL, 20,000 dollars each way, and a loss: what is required is a share of the gross
    // exposure, which the perp has and the token has not.
    let mut stage = Stage::new(1_500 * USD, 100 * SOL, RICH);
    let leg = stage.pit.sol_leg(PERP, -1_000);
    stage.pit.trade(&[leg]).ok();
    let (taker, maker) = (stage.pit.taker.clone(), stage.pit.maker.clone());
    let sol = stage.pit.sol().clone();
    let loss = 20_800_000_000;
    stage.pit.world.shift(&maker, &taker, &sol, leg.slot, loss);
    let before = stage.report(&taker);
    assert!(before.is_liquidatable(), "{before:?}");
    let Event::Liquidated(event) = stage.buy(u64::MAX).event() else {
        panic!("a liquidation");
    };
    assert!(event.tokens.is_empty());
    let account = stage.pit.world.account(&taker);
    let lots = account.lots(1, leg.slot);
    assert!(lots > -1_000 && lots < -800, "{lots}");
}

#[test]
fn the_liquidator_pays_in_cash_and_stays_healthy() {
    let mut stage = Stage::indebted(1_000 * USD);
    stage.buy(u64::MAX).refused(E::BalanceNegative);
    // With positions of its own it must not fall below its margin.
    let mut stage = Stage::indebted(21_000 * USD);
    let leg = stage.pit.btc_leg(PERP, 1_500);
    let leg = TradeLeg {
        price: mantissa(BTC_PRICE - 30_000.0),
        ..leg
    };
    let pit = &mut stage.pit;
    let sides = [&stage.liquidator, &pit.maker];
    let done = pit.world.trade(&pit.house, sides, &[leg], &pit.markets);
    done.ok();
    stage.buy(u64::MAX).refused(E::LiquidatorBelowInitialMargin);
}

#[test]
fn below_zero_everything_is_taken_at_once() {
    // 100 SOL and a short of as many: selling the tokens or closing the short alone raises what is required.
    let mut stage = Stage::new(0, 100 * SOL, RICH);
    let short = stage.pit.sol_leg(PERP, -1_000);
    stage.pit.trade(&[short]).ok();
    let call = stage.pit.btc_leg((Call, 1, 110), -5);
    stage.pit.trade(&[call]).ok();
    let btc = stage.pit.btc().clone();
    let (taker, maker) = (stage.pit.taker.clone(), stage.pit.maker.clone());
    let loss = 20_501 * USD as i64;
    let perp = stage.pit.world.slot(&btc, PERP.0, 0, 0);
    stage.pit.world.shift(&maker, &taker, &btc, perp, loss);
    let before = stage.report(&taker);
    assert!(before.equity.0 < 0, "{before:?}");
    stage.buy(u64::MAX).ok();
    let account = stage.pit.world.account(&taker);
    assert_eq!((account.position_count, account.balance(1)), (0, 0));
    assert_eq!(stage.report(&taker).equity.0, 0, "its loss is recognised");
}
