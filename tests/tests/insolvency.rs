//! Accounts below zero that others owe something: their loss is recognised as far as nothing covers it, and the markets they
//! are in pay again.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test that overflows fails"
)]

use estuary::state::claims::{CLAIM_WINDOW, SHARE_WAIT};
use estuary::state::{MarketLedger, Unsettled};
use estuary_tests::setup::{BTC_PRICE, SOL_PRICE, USD};
use estuary_tests::trade::PERP;
use estuary_tests::{ix, EstuaryError as E, Holding, Outcome, Pit, Trader};

/// What everybody has deposited.
const CASH: i64 = 10_000 * USD as i64;

/// Two traders who have won and lost without positions: the maker is the loser.
struct Stage {
    pit: Pit,
}

impl Stage {
    fn new() -> Self {
        let cash = CASH.unsigned_abs();
        Self {
            pit: Pit::new(cash, cash),
        }
    }

    fn winner(&self) -> Trader {
        self.pit.taker.clone()
    }

    fn loser(&self) -> Trader {
        self.pit.maker.clone()
    }

    /// The loser loses so many dollars to the winner in a market, or wins them when negative.
    fn lose(&mut self, market: usize, dollars: i64) {
        let underlying = self.pit.markets[market].clone();
        let slot = self.pit.world.slot(&underlying, PERP.0, 0, 0);
        let (winner, loser) = (self.winner(), self.loser());
        let amount = dollars * USD as i64;
        self.pit
            .world
            .shift(&winner, &loser, &underlying, slot, amount);
    }

    fn settle(&mut self, trader: &Trader, market: usize) -> Outcome {
        let underlying = self.pit.markets[market].clone();
        let pit = &mut self.pit;
        pit.world.settle(&pit.house, trader, &underlying, false)
    }

    fn mark(&mut self) -> Outcome {
        let all: Vec<_> = self.pit.markets.iter().collect();
        let mark = ix::mark_account(&self.pit.house, &self.pit.maker, &all);
        self.pit.world.send(mark, &[])
    }

    fn ledger(&self, market: usize) -> MarketLedger {
        self.pit.world.read(&self.pit.markets[market].ledger)
    }

    fn unsettled(&self, trader: &Trader, market: u16) -> Unsettled {
        let account = self.pit.world.account(trader);
        account.unsettled_in(market).copied().unwrap_or_default()
    }

    fn cash(&self, trader: &Trader) -> i64 {
        self.pit.world.cash(trader)
    }

    /// Equity of the loser.
    fn equity(&self) -> i64 {
        let all: Vec<_> = self.pit.markets.iter().collect();
        self.pit.world.report(&self.pit.maker, &all).equity.0
    }
}

#[test]
fn a_claim_elsewhere_covers_its_part_of_a_loss_and_blocks_nothing() {
    let mut stage = Stage::new();
    let (winner, loser) = (stage.winner(), stage.loser());
    // A claim on 3,000 in BTC, a loss of 15,000 in SOL, 10,000 in cash.
    stage.lose(0, -3_000);
    stage.settle(&loser, 0).ok();
    stage.lose(1, 15_000);
    stage.settle(&winner, 1).ok();
    // BTC has nothing to lose by the account, so it is not held up.
    stage.mark().ok();
    assert_eq!(stage.pit.world.account(&loser).marked, 0b10);
    assert_eq!(stage.ledger(0).claims.unresolved, 0);
    stage.settle(&loser, 1).ok();
    let pool = stage.ledger(1).claims;
    assert_eq!((pool.loss_to_share, pool.unresolved), (2_000 * USD, 0));
    assert_eq!(stage.cash(&loser), 0);
    assert_eq!(stage.unsettled(&loser, 1).carry, -3_000 * USD as i64);
    // What is left is covered: the account is at zero, and healthy.
    stage.mark().ok();
    assert_eq!(stage.pit.world.account(&loser).unhealthy_since, 0);
    stage.mark().refused(E::NothingToMark);
    stage.settle(&winner, 0).ok();
    stage.pit.world.pass(SHARE_WAIT);
    // What the claim pays goes on to SOL.
    stage.settle(&loser, 0).ok();
    assert_eq!(stage.cash(&loser), 3_000 * USD as i64);
    stage.settle(&loser, 1).ok();
    stage.settle(&winner, 1).ok();
    let account = stage.pit.world.account(&loser);
    assert!(account.owes_nothing() && account.cash() == 0);
    // The loser had 10,000, and all of it is the winner's: 2,000 of 15,000 are missing.
    assert_eq!(stage.cash(&winner), 2 * CASH);
    assert_eq!(stage.ledger(1).claims.total_socialised, 2_000 * USD);
}

/// A claim on 3,000 in BTC, then losses of 6,000 there and of 9,000 in SOL: 2,000 more than the cash and the claim.
fn with_two_losses() -> Stage {
    let mut stage = Stage::new();
    let loser = stage.loser();
    stage.lose(0, -3_000);
    stage.settle(&loser, 0).ok();
    stage.pit.world.pass(CLAIM_WINDOW);
    stage.lose(0, 6_000);
    stage.lose(1, 9_000);
    stage
}

#[test]
fn markets_share_what_is_missing_alike_whichever_is_settled_first() {
    for order in [[0, 1], [1, 0]] {
        let mut stage = with_two_losses();
        let loser = stage.loser();
        stage.mark().ok();
        assert_eq!(stage.pit.world.account(&loser).marked, 0b11);
        stage.settle(&loser, order[0]).ok();
        // Not asked a second time before the other has had its share.
        stage.mark().refused(E::NothingToMark);
        stage.settle(&loser, order[1]).ok();
        stage.mark().ok();
        assert_eq!(stage.pit.world.account(&loser).unhealthy_since, 0);
        stage.mark().refused(E::NothingToMark);
        let missing = [0, 1].map(|market| stage.ledger(market).claims.loss_to_share);
        assert_eq!(missing, [800 * USD, 1_200 * USD]);
        let left = [0, 1].map(|market| stage.unsettled(&loser, market).carry);
        assert_eq!(left.iter().sum::<i64>(), -3_000 * USD as i64);
        assert_eq!(stage.pit.world.account(&loser).marked, 0);
        assert_eq!(stage.cash(&loser), 0);
    }
}

#[test]
fn nothing_is_recognised_beside_claims_before_the_account_is_marked() {
    let mut stage = with_two_losses();
    let (winner, loser) = (stage.winner(), stage.loser());
    stage.settle(&winner, 0).ok();
    stage.settle(&loser, 0).ok();
    assert_eq!(stage.ledger(0).claims.loss_to_share, 0);
    // It pays like everybody who has cash.
    assert_eq!(stage.unsettled(&loser, 0).carry, 0);
    assert_eq!(stage.cash(&loser), CASH - 6_000 * USD as i64);
}

#[test]
fn a_loss_that_is_shared_by_now_is_shared_before_anything_is_recognised_beside_claims() {
    let mut stage = Stage::new();
    let (winner, loser) = (stage.winner(), stage.loser());
    let [btc, sol] = [0, 1].map(|market: usize| stage.pit.markets[market].clone());
    // The loser's claim on 3,000 in SOL is on an account that has nothing.
    let claim = 3_000 * USD as i64;
    let Pit { world, house, .. } = &mut stage.pit;
    let ruined = house.trader(world, 0);
    let [perp, sol_perp] = [&btc, &sol].map(|market| world.slot(market, PERP.0, 0, 0));
    world.shift(&loser, &ruined, &sol, sol_perp, claim);
    stage.settle(&loser, 1).ok();
    stage.settle(&ruined, 1).ok();
    assert_eq!(stage.ledger(1).claims.loss_to_share, 3_000 * USD);
    // It sold a perp in BTC, and owes 13,500 there: 500 more than its cash and the face of its claim.
    let world = &mut stage.pit.world;
    world.pass(SHARE_WAIT);
    world.set_price(&btc, BTC_PRICE);
    world.set_price(&sol, SOL_PRICE);
    let holding = Holding {
        slot: perp,
        lots: 1,
        cost: -(world.leg_at_mark(&btc, perp, 1).price as i64),
    };
    world.hold(&winner, &loser, &btc, &[holding]);
    let equity = stage.equity();
    stage.lose(0, equity / USD as i64 + 500);
    let equity = stage.equity();
    assert!(equity < 0 && equity + claim > 0);
    let missing = claim - equity;
    let Pit {
        world,
        house,
        markets,
        ..
    } = &mut stage.pit;
    world.liquidate(house, &winner, &loser, markets).ok();
    // Nothing of the claim is left, so all that the cash does not pay is recognised at once.
    let account = stage.pit.world.account(&loser);
    assert_eq!((account.marked, account.unhealthy_since), (0, 0));
    account.check_empty().expect("nothing left");
    let pool = stage.ledger(0).claims;
    assert!(pool.loss_to_share.abs_diff(missing as u64) <= 16);
    assert_eq!(pool.unresolved, 0);
}
