//! Losses paid with cash that the settlement token's bank lends against other holdings.

use estuary::state::{Bank, MarketLedger};
use estuary_tests::setup::{MAX_ACCOUNT_DEBT, SOL_PRICE, USD};
use estuary_tests::token::mint;
use estuary_tests::trade::PERP;
use estuary_tests::{ix, EstuaryError as E, Holding, Outcome, Pit, Token};

const RICH: u64 = 10_000_000 * USD;
/// One SOL in base units.
const SOL: u64 = 1_000_000_000;

/// The taker owes `loss` in BTC, the maker has claimed it, and the taker has no cash but `tokens` SOL.
struct Stage {
    pit: Pit,
    sol: Token,
}

impl Stage {
    fn new(loss: u64, tokens: u64) -> Self {
        let mut pit = Pit::new(0, RICH);
        let market = pit.sol().clone();
        let mint = pit.world.place(mint(9));
        let sol = pit.house.add_token(&mut pit.world, &market, mint);
        let Pit {
            world,
            house,
            markets,
            taker,
            maker,
        } = &mut pit;
        if tokens > 0 {
            world.deposit_token(house, taker, &sol, tokens);
        }
        let slot = world.slot(&markets[0], PERP.0, 0, 0);
        // Bought and sold again at another price.
        for (lots, cost) in [(10, 0), (-10, loss as i64)] {
            let holding = Holding { slot, lots, cost };
            world.hold(maker, taker, &markets[0], &[holding]);
        }
        world.settle(house, maker, &markets[0], false).ok();
        Self { pit, sol }
    }

    fn settle(&mut self) -> Outcome {
        let pit = &mut self.pit;
        let markets: Vec<_> = pit.markets.iter().collect();
        let settle = ix::settle_on_credit(&pit.house, &pit.taker, 0, &markets);
        pit.world.send(settle, &[])
    }

    fn bank(&self) -> Bank {
        self.pit.world.read(&self.pit.house.addresses.bank)
    }
}

#[test]
fn a_loss_is_paid_on_the_credit_of_tokens_and_the_winner_collects() {
    let (loss, debt) = (2_000 * USD, 2_000 * USD as i64);
    let mut stage = Stage::new(loss, 100 * SOL);
    let (taker, maker) = (stage.pit.taker.clone(), stage.pit.maker.clone());
    let btc = stage.pit.btc().clone();
    let Pit { world, house, .. } = &mut stage.pit;
    world
        .settle(house, &taker, &btc, false)
        .refused(E::NothingToSettle);
    stage.settle().ok();
    stage.settle().refused(E::NothingToSettle);
    assert_eq!(stage.pit.world.cash(&taker), -debt);
    let account = stage.pit.world.account(&taker);
    assert!(account.unsettled_in(btc.index).is_none());
    let ledger: MarketLedger = stage.pit.world.read(&btc.ledger);
    assert_eq!(ledger.claims.unallocated, loss);
    let Pit { world, house, .. } = &mut stage.pit;
    world.pass(600);
    world.settle(house, &maker, &btc, false).ok();
    assert_eq!(world.cash(&maker), RICH as i64 + debt);
    // What a deposit brings repays.
    let deposit = ix::deposit(house, &taker, loss + 5);
    world.send(deposit, &[&taker.owner]).ok();
    assert_eq!(world.cash(&taker), 5);
}

#[test]
fn nothing_is_lent_beyond_the_limit_the_bank_or_what_the_account_stands_for() {
    let mut stage = Stage::new(MAX_ACCOUNT_DEBT + 1, 1_000_000 * SOL);
    stage.settle().refused(E::AccountDebtLimit);
    let mut stage = Stage::new(MAX_ACCOUNT_DEBT, 1_000_000 * SOL);
    stage.settle().ok();
    // Tokens worth less than the loss, and worth little more.
    let loss = 2_000 * USD;
    let mut stage = Stage::new(loss, 9 * SOL);
    stage.settle().refused(E::SeniorNegative);
    let mut stage = Stage::new(loss, 10 * SOL + SOL / 10);
    stage.settle().refused(E::BelowInitialMargin);
    let sol = stage.sol;
    let Pit {
        world,
        house,
        taker,
        ..
    } = &mut stage.pit;
    world.deposit_token(house, taker, &sol, 10 * SOL);
    stage.settle().ok();
    // The bank lends what it has.
    let mut stage = Stage::new(loss, 100 * SOL);
    let Pit {
        world,
        house,
        maker,
        ..
    } = &mut stage.pit;
    let left = loss / 2;
    let leave = ix::withdraw(house, maker, RICH - left, &[]);
    world.send(leave, &[&maker.owner]).ok();
    stage.settle().refused(E::BankShortOfTokens);
}

#[test]
fn insurance_pays_what_an_account_without_anything_owes_the_bank() {
    let mut stage = Stage::new(2_000 * USD, 100 * SOL);
    stage.settle().ok();
    let Pit {
        world,
        house,
        markets,
        taker,
        maker,
    } = &mut stage.pit;
    // SOL loses 95%, and the tokens are sold for what they are worth.
    world.pass(1);
    world.set_price(&markets[1], SOL_PRICE / 20.0);
    world.liquidate(house, maker, taker, markets).ok();
    assert!(world.account(taker).tokens().next().is_none());
    let debt = -world.cash(taker);
    assert!(debt > 900 * USD as i64, "{debt}");
    let fund = ix::fund_insurance(house, maker, 5_000 * USD);
    world.send(fund, &[&maker.owner]).ok();
    let market = markets[0].clone();
    world.settle(house, taker, &market, false).ok();
    assert_eq!(world.cash(taker), 0);
    assert_eq!(
        stage.bank().insurance as i64,
        5_000 * USD as i64 - debt,
        "to the micro-unit"
    );
}
