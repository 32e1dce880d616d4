//! Settlement by claims: who pays whom, when, and what happens to a loss that nobody is left to pay.

use estuary::state::claims::{CLAIM_WINDOW, SHARE_WAIT};
use estuary::state::{Bank, MarketLedger, Unsettled};
use estuary_tests::setup::{SOL_PRICE, USD};
use estuary_tests::trade::PERP;
use estuary_tests::world::START;
use estuary_tests::{ix, EstuaryError as E, Pit, Trader};

const RICH: u64 = 1_000_000 * USD;

/// A trade of SOL perps that the price has moved under.
struct Stage {
    pit: Pit,
}

impl Stage {
    /// The taker is long 1,000 lots of 0.1 SOL, and SOL has moved to `factor` of its price.
    fn new(cash: u64, factor: f64) -> Self {
        let mut pit = Pit::new(cash, cash);
        let leg = pit.sol_leg(PERP, 1_000);
        pit.trade(&[leg]).ok();
        let mut stage = Self { pit };
        stage.price(factor);
        stage
    }

    /// SOL moves to `factor` of its first price, a second later.
    fn price(&mut self, factor: f64) {
        let sol = self.pit.sol().clone();
        self.pit.world.pass(1);
        self.pit.world.set_price(&sol, factor * SOL_PRICE);
    }

    /// Time passes until claims registered now are paid.
    fn wait(&mut self) {
        self.pit.world.pass(2 * CLAIM_WINDOW);
    }

    /// Time passes and SOL's price is published again, at `factor` of the first.
    fn wait_and_price(&mut self, factor: f64) {
        self.wait();
        self.price(factor);
    }

    fn settle(&mut self, trader: &Trader, variation: bool) -> estuary_tests::Outcome {
        let sol = self.pit.sol().clone();
        let house = &self.pit.house;
        self.pit.world.settle(house, trader, &sol, variation)
    }

    fn ledger(&self) -> MarketLedger {
        self.pit.world.read(&self.pit.sol().ledger)
    }

    fn bank(&self) -> Bank {
        self.pit.world.read(&self.pit.house.addresses.bank)
    }

    fn unsettled(&self, trader: &Trader) -> Unsettled {
        let account = self.pit.world.account(trader);
        let found = account.unsettled_in(self.pit.sol().index).copied();
        found.unwrap_or_default()
    }

    fn equity(&self, trader: &Trader) -> i64 {
        let sol = self.pit.sol();
        self.pit.world.report(trader, &[sol]).equity.0
    }
}

/// What the taker gains when SOL rises by a tenth.
const GAIN: i64 = 2_000 * USD as i64;

#[test]
fn a_gain_becomes_a_claim_and_the_loss_pays_it_after_its_wait() {
    let mut stage = Stage::new(RICH, 1.1);
    let (winner, loser) = (stage.pit.taker.clone(), stage.pit.maker.clone());
    // Nobody has claimed yet, so the loser has nothing to pay.
    stage.settle(&loser, true).ok();
    assert_eq!(stage.unsettled(&loser).carry, -GAIN);
    assert_eq!(stage.pit.world.cash(&loser), RICH as i64);
    let before = stage.equity(&winner);
    stage.settle(&winner, true).ok();
    assert_eq!(stage.equity(&winner), before);
    let claim = stage.unsettled(&winner).claims[0];
    assert_eq!((claim.face, claim.collected), (GAIN.unsigned_abs(), 0));
    stage.settle(&winner, true).refused(E::NothingToSettle);
    // The loss is paid at once, and waits in the pool.
    stage.settle(&loser, false).ok();
    assert_eq!(stage.pit.world.cash(&loser), RICH as i64 - GAIN);
    assert_eq!(stage.unsettled(&loser), Unsettled::default());
    let pool = stage.ledger().claims;
    assert_eq!((pool.cash, pool.unallocated), (GAIN as u64, GAIN as u64));
    stage.settle(&winner, false).refused(E::NothingToSettle);
    assert_eq!(stage.pit.world.cash(&winner), RICH as i64);
    stage.wait();
    stage.settle(&winner, false).ok();
    assert_eq!(stage.pit.world.cash(&winner), RICH as i64 + GAIN);
    assert_eq!(stage.unsettled(&winner), Unsettled::default());
    assert_eq!(stage.ledger().claims, Default::default());
    // The positions stay as they were, worth nothing at mark.
    let account = stage.pit.world.account(&winner);
    assert_eq!(account.open_positions()[0].lots, 1_000);
    assert_eq!(account.open_positions()[0].cost, -11 * GAIN);
}

#[test]
fn settling_needs_no_price_unless_variation_is_settled() {
    let mut stage = Stage::new(RICH, 1.1);
    let winner = stage.pit.taker.clone();
    stage.pit.world.pass(3_600);
    stage.settle(&winner, true).refused(E::PriceTooOld);
    stage.settle(&winner, false).refused(E::NothingToSettle);
    // A closed position's gain is claimed while the feed is silent.
    let sol = stage.pit.sol().clone();
    stage.price(1.1);
    let leg = stage.pit.sol_leg(PERP, -1_000);
    stage.pit.trade(&[leg]).ok();
    assert_eq!(stage.unsettled(&winner).carry, GAIN);
    stage.pit.world.pass(3_600);
    stage.settle(&winner, true).ok();
    assert_eq!(stage.unsettled(&winner).carry, 0);
    assert!(stage
        .ledger()
        .claims
        .rounds
        .iter()
        .any(|round| round.face > 0));
    assert_eq!(sol.index, 1);
}

#[test]
fn at_most_what_is_claimed_is_paid_and_claims_of_one_time_share_alike() {
    let mut stage = Stage::new(RICH, 1.0);
    let (first, early) = (stage.pit.taker.clone(), stage.pit.maker.clone());
    let second = stage.pit.house.trader(&mut stage.pit.world, RICH);
    let late = stage.pit.house.trader(&mut stage.pit.world, RICH);
    let leg = stage.pit.sol_leg(PERP, 3_000);
    let all = stage.pit.markets.clone();
    let Pit { world, house, .. } = &mut stage.pit;
    world.trade(house, [&second, &late], &[leg], &all).ok();
    stage.price(1.1);
    stage.settle(&first, true).ok();
    // Claims are a third of what the late loser owes, and it pays no more than that.
    stage.settle(&late, true).ok();
    assert_eq!(stage.pit.world.cash(&late), RICH as i64 - GAIN);
    assert_eq!(stage.unsettled(&late).carry, -2 * GAIN);
    stage.settle(&late, false).refused(E::NothingToSettle);
    // The other winner claims in the same window, and both share what is there.
    stage.settle(&second, true).ok();
    stage.wait();
    stage.settle(&second, false).ok();
    stage.settle(&first, false).ok();
    assert_eq!(stage.pit.world.cash(&second), RICH as i64 + GAIN * 3 / 4);
    assert_eq!(stage.pit.world.cash(&first), RICH as i64 + GAIN / 4);
    // What the losers pay later completes both.
    stage.settle(&late, false).ok();
    stage.price(1.1);
    stage.settle(&early, true).ok();
    stage.settle(&second, false).ok();
    stage.settle(&first, false).ok();
    assert_eq!(stage.pit.world.cash(&second), RICH as i64 + 3 * GAIN);
    assert_eq!(stage.pit.world.cash(&first), RICH as i64 + GAIN);
    assert_eq!(stage.ledger().claims, Default::default());
}

/// The loser has lost more than it has; its positions are the winner's again, and its debt is left.
fn bankrupt() -> Stage {
    let mut stage = Stage::new(10_000 * USD, 1.0);
    let sol = stage.pit.sol().clone();
    let (winner, loser) = (stage.pit.taker.clone(), stage.pit.maker.clone());
    let perp = stage.pit.world.slot(&sol, PERP.0, 0, 0);
    // Bought at 200 dollars and sold at 350 to each other without anybody asking for margin.
    let close = estuary_tests::books::Holding {
        slot: perp,
        lots: -1_000,
        cost: 35_000 * USD as i64,
    };
    stage.pit.world.hold(&winner, &loser, &sol, &[close]);
    assert_eq!(stage.unsettled(&loser).carry, -15_000 * USD as i64);
    stage
}

#[test]
fn insurance_pays_what_a_bankrupt_account_owes() {
    let mut stage = bankrupt();
    let (winner, loser) = (stage.pit.taker.clone(), stage.pit.maker.clone());
    let funder = stage.pit.house.trader(&mut stage.pit.world, RICH);
    let fund = ix::fund_insurance(&stage.pit.house, &funder, 6_000 * USD);
    stage.pit.world.send(fund, &[&funder.owner]).ok();
    assert_eq!(stage.bank().insurance, 6_000 * USD);
    let sol = stage.pit.sol().clone();
    let without = ix::settle(&stage.pit.house, &loser, &sol, false, false);
    stage
        .pit
        .world
        .send(without, &[])
        .refused(E::InsuranceBankMissing);
    stage.settle(&loser, false).ok();
    assert_eq!(stage.bank().insurance, 1_000 * USD);
    assert_eq!(stage.unsettled(&loser), Unsettled::default());
    assert_eq!(stage.pit.world.cash(&loser), 0);
    stage.settle(&winner, false).ok();
    stage.wait();
    stage.settle(&winner, false).ok();
    assert_eq!(stage.pit.world.cash(&winner), 25_000 * USD as i64);
}

#[test]
fn what_insurance_does_not_cover_lowers_all_claims_alike_an_hour_later() {
    let mut stage = bankrupt();
    let (winner, loser) = (stage.pit.taker.clone(), stage.pit.maker.clone());
    stage.settle(&loser, false).ok();
    assert_eq!(stage.pit.world.cash(&loser), 0);
    let pool = stage.ledger().claims;
    assert_eq!(pool.loss_to_share, 5_000 * USD);
    stage.settle(&winner, false).ok();
    assert_eq!(stage.equity(&winner), 25_000 * USD as i64);
    stage.wait();
    // Frozen until everybody had an hour to register.
    stage.settle(&winner, false).refused(E::NothingToSettle);
    stage.pit.world.pass(SHARE_WAIT - 2 * CLAIM_WINDOW - 1);
    stage.settle(&winner, false).refused(E::NothingToSettle);
    stage.pit.world.pass(1);
    stage.settle(&winner, false).ok();
    assert_eq!(stage.pit.world.cash(&winner), 20_000 * USD as i64);
    assert_eq!(stage.unsettled(&winner), Unsettled::default());
    assert_eq!(stage.ledger().claims.total_socialised, 5_000 * USD);
    assert!(stage.pit.world.now() > START);
}

#[test]
fn a_marked_account_stops_payments_in_its_markets() {
    let mut stage = Stage::new(25_000 * USD, 1.1);
    let (winner, loser) = (stage.pit.taker.clone(), stage.pit.maker.clone());
    let sol = stage.pit.sol().clone();
    stage.settle(&winner, true).ok();
    stage.settle(&loser, true).ok();
    let mark = ix::mark_account(&stage.pit.house, &loser, &[&sol]);
    stage
        .pit
        .world
        .send(mark.clone(), &[])
        .refused(E::NothingToMark);
    // SOL rises until the loser is below zero.
    stage.wait_and_price(2.5);
    assert!(stage.equity(&loser) < 0);
    stage.pit.world.send(mark.clone(), &[]).ok();
    assert_eq!(stage.pit.world.account(&loser).marked, 1 << sol.index);
    assert_eq!(stage.ledger().claims.unresolved, 1);
    stage
        .pit
        .world
        .send(mark.clone(), &[])
        .refused(E::NothingToMark);
    stage.settle(&winner, false).refused(E::NothingToSettle);
    // Back above zero, anyone takes the mark away, and the claim is paid.
    stage.price(1.1);
    stage.pit.world.send(mark, &[]).ok();
    assert_eq!(stage.ledger().claims.unresolved, 0);
    stage.settle(&winner, false).ok();
    assert_eq!(stage.pit.world.cash(&winner), 25_000 * USD as i64 + GAIN);
}
