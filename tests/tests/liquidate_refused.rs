//! Who may not liquidate, what, and with which accounts.

use anchor_lang::solana_program::instruction::Instruction;
use estuary::state::SeriesKind::{Call, Put};
use estuary_tests::setup::{btc_args, BTC_PRICE, USD};
use estuary_tests::trade::PERP;
use estuary_tests::{
    ix, ErrorCode, EstuaryError as E, Feed, Holding, House, Pit, Pubkey, Signer, Tamper, Trader,
    Underlying,
};

const RICH: u64 = 10_000_000 * USD;

/// A pit whose taker is long a BTC perp and below its maintenance margin, and a liquidator.
fn failing() -> (Pit, Trader) {
    let mut pit = Pit::new(2_000 * USD, RICH);
    let leg = pit.btc_leg(PERP, 100);
    pit.trade(&[leg]).ok();
    pit.world.pass(1);
    pit.world.set_price(&pit.markets[0].clone(), 90_000.0);
    let liquidator = pit.house.trader(&mut pit.world, RICH);
    (pit, liquidator)
}

fn good(pit: &Pit, liquidator: &Trader, markets: &[&Underlying]) -> Instruction {
    ix::liquidate(&pit.house, liquidator, &pit.taker, markets)
}

#[test]
fn an_account_does_not_liquidate_itself() {
    let (mut pit, liquidator) = failing();
    let itself = ix::liquidate(&pit.house, &pit.taker, &pit.taker, &[pit.btc()]);
    pit.world
        .send(itself, &[&pit.taker.owner])
        .refused(E::SameMarginAccount);
    let same =
        good(&pit, &liquidator, &[pit.btc()]).replacing(&pit.taker.account, &liquidator.account);
    pit.world
        .send(same, &[&liquidator.owner])
        .refused(E::SameMarginAccount);
}

#[test]
fn the_liquidator_signs_for_an_account_of_its_own() {
    let (mut pit, liquidator) = failing();
    let good = good(&pit, &liquidator, &[pit.btc()]);
    let owner = liquidator.owner.pubkey();
    pit.world
        .send(good.clone().unsigned(&owner), &[])
        .refused_by_anchor(ErrorCode::AccountNotSigner);
    let thief = pit.world.keypair();
    pit.world
        .send(good.clone().replacing(&owner, &thief.pubkey()), &[&thief])
        .refused(E::NotTheOwner);
    pit.world
        .send(
            good.replacing(&liquidator.account, &pit.maker.account),
            &[&liquidator.owner],
        )
        .refused(E::NotTheOwner);
}

#[test]
fn liquidate_refuses_bad_accounts() {
    let (mut pit, liquidator) = failing();
    let other = House::build(&mut pit.world, 2);
    let foreigner = other.trader(&mut pit.world, USD);
    let foreign = other.create_market(&mut pit.world, &btc_args(), BTC_PRICE);
    let (btc, sol) = (pit.btc().clone(), pit.sol().clone());
    let instruction = good(&pit, &liquidator, &[&btc]);
    let (house, bank, mint) = (pit.house.clearinghouse, pit.house.bank, pit.house.mint);
    let (taker, maker) = (pit.taker.account, liquidator.account);
    let named: [(&Pubkey, &Pubkey, E); 9] = [
        (
            &house,
            &other.clearinghouse,
            E::AccountOfAnotherClearinghouse,
        ),
        (&taker, &foreigner.account, E::AccountOfAnotherClearinghouse),
        (&maker, &foreigner.account, E::AccountOfAnotherClearinghouse),
        (
            &btc.market,
            &foreign.market,
            E::AccountOfAnotherClearinghouse,
        ),
        (&btc.market, &mint, E::MarketAccountOwner),
        (&btc.market, &taker, E::MarketAccountType),
        (&btc.ledger, &sol.ledger, E::LedgerOfAnotherMarket),
        (&btc.ledger, &taker, E::LedgerAccountType),
        (&btc.price_account, &sol.price_account, E::PriceFeedMismatch),
    ];
    for (from, to, error) in named {
        println!("{error:?}");
        let bad = instruction.clone().replacing(from, to);
        pit.world.send(bad, &[&liquidator.owner]).refused(error);
    }
    for (from, to, error) in [
        (&taker, &bank, ErrorCode::AccountDiscriminatorMismatch),
        (&maker, &mint, ErrorCode::AccountOwnedByWrongProgram),
        (&house, &bank, ErrorCode::AccountDiscriminatorMismatch),
    ] {
        let bad = instruction.clone().replacing(from, to);
        pit.world
            .send(bad, &[&liquidator.owner])
            .refused_by_anchor(error);
    }
    for account in [taker, maker] {
        let bad = instruction.clone().read_only(&account);
        pit.world
            .send(bad, &[&liquidator.owner])
            .refused_by_anchor(ErrorCode::ConstraintMut);
    }
    for (bad, error) in [
        (
            instruction.clone().read_only(&btc.ledger),
            E::LedgerNotWritable,
        ),
        (instruction.clone().without_last(1), E::MarketAccountMissing),
        (
            instruction.clone().with_extra(&mint),
            E::MarketAccountsLeftOver,
        ),
        (good(&pit, &liquidator, &[]), E::MarketAccountMissing),
        (good(&pit, &liquidator, &[&sol]), E::MarketAccountMissing),
        (
            good(&pit, &liquidator, &[&btc, &sol]),
            E::MarketAccountsLeftOver,
        ),
    ] {
        pit.world.send(bad, &[&liquidator.owner]).refused(error);
    }
    pit.world.send(instruction, &[&liquidator.owner]).ok();
}

#[test]
fn the_liquidator_s_markets_count_too() {
    let (mut pit, liquidator) = failing();
    let (btc, sol) = (pit.btc().clone(), pit.sol().clone());
    let leg = pit.sol_leg((Put, 1, 80), 10);
    let sides = [&liquidator, &pit.maker];
    pit.world
        .trade(&pit.house, sides, &[leg], &pit.markets)
        .ok();
    let without = good(&pit, &liquidator, &[&btc]);
    pit.world
        .send(without, &[&liquidator.owner])
        .refused(E::MarketAccountMissing);
    let with = good(&pit, &liquidator, &[&btc, &sol]).read_only(&sol.ledger);
    pit.world.send(with, &[&liquidator.owner]).ok();
}

#[test]
fn a_liquidation_needs_good_prices() {
    let (mut pit, liquidator) = failing();
    let btc = pit.btc().clone();
    let good_feed = btc.feed(90_000.0, pit.world.now());
    let cases = [
        (
            Feed {
                publish_time: good_feed.publish_time + 1,
                ..good_feed
            },
            E::PriceFromTheFuture,
        ),
        (
            Feed {
                publish_time: good_feed.publish_time - 2,
                ..good_feed
            },
            E::PriceOlderThanLast,
        ),
        (
            Feed {
                confidence: u64::MAX,
                ..good_feed
            },
            E::PriceTooUncertain,
        ),
        (
            Feed {
                price: -5,
                ..good_feed
            },
            E::PriceNotPositive,
        ),
        (
            Feed {
                feed_id: [3; 32],
                ..good_feed
            },
            E::PriceFeedMismatch,
        ),
    ];
    for (feed, error) in cases {
        pit.world.put_feed(btc.price_account, &feed);
        let liquidate = good(&pit, &liquidator, &[&btc]);
        pit.world
            .send(liquidate, &[&liquidator.owner])
            .refused(error);
    }
    pit.world.put_feed(btc.price_account, &good_feed);
    pit.world.pass(61);
    let liquidate = good(&pit, &liquidator, &[&btc]);
    pit.world
        .send(liquidate.clone(), &[&liquidator.owner])
        .refused(E::PriceTooOld);
    // What it used, it records.
    pit.world.set_price(&btc, 90_000.0);
    pit.world.send(liquidate, &[&liquidator.owner]).ok();
    let ledger: estuary::state::MarketLedger = pit.world.read(&btc.ledger);
    assert_eq!(ledger.last_publish_time, pit.world.now());
}

#[test]
fn the_liquidator_is_healthy_afterwards() {
    let (mut pit, _) = failing();
    let poor = pit.house.trader(&mut pit.world, 100 * USD);
    pit.world
        .liquidate(&pit.house, &poor, &pit.taker, &pit.markets)
        .refused(E::LiquidatorBelowInitialMargin);
    // One that is failing itself does not even out by taking more.
    let leg = pit.btc_leg(PERP, 5);
    let sides = [&poor, &pit.maker];
    pit.world
        .trade(&pit.house, sides, &[leg], &pit.markets)
        .ok();
    pit.world
        .liquidate(&pit.house, &poor, &pit.taker, &pit.markets)
        .refused(E::LiquidatorBelowInitialMargin);
    // A short of the same perp gets rid of risk and may be as poor.
    let hedged = pit.house.trader(&mut pit.world, 1_700 * USD);
    let leg = pit.btc_leg(PERP, -100);
    let sides = [&hedged, &pit.maker];
    pit.world
        .trade(&pit.house, sides, &[leg], &pit.markets)
        .ok();
    pit.world
        .liquidate(&pit.house, &hedged, &pit.taker, &pit.markets)
        .ok();
}

/// Long calls worth more than the poor liquidator's cash, brought down by an unsettled loss.
#[test]
fn the_liquidator_pays_for_options_in_cash() {
    let mut pit = Pit::new(100 * USD, RICH);
    let btc = pit.btc().clone();
    let call = pit.world.slot(&btc, Call, 2, 75);
    let perp = pit.world.slot(&btc, PERP.0, 0, 0);
    let calls = Holding {
        slot: call,
        lots: 1_000,
        cost: 0,
    };
    let loss = Holding {
        slot: perp,
        lots: 0,
        cost: -25_000 * USD as i64,
    };
    pit.world.hold(&pit.taker, &pit.maker, &btc, &[calls, loss]);
    let report = pit.world.report(&pit.taker, &[&btc]);
    assert!(
        report.is_liquidatable() && report.equity.0 > 0,
        "{report:?}"
    );
    let poor = pit.house.trader(&mut pit.world, 500 * USD);
    pit.world
        .liquidate(&pit.house, &poor, &pit.taker, &pit.markets)
        .refused(E::BalanceNegative);
    let rich = pit.house.trader(&mut pit.world, RICH);
    pit.world
        .liquidate(&pit.house, &rich, &pit.taker, &pit.markets)
        .ok();
    assert!(pit.world.cash(&pit.taker) > 100 * USD as i64);
}

#[test]
fn an_account_with_nothing_to_take_is_left() {
    let mut pit = Pit::new(100 * USD, RICH);
    let btc = pit.btc().clone();
    let perp = pit.world.slot(&btc, PERP.0, 0, 0);
    let loss = Holding {
        slot: perp,
        lots: 0,
        cost: -200 * USD as i64,
    };
    pit.world.hold(&pit.taker, &pit.maker, &btc, &[loss]);
    pit.world
        .liquidate(&pit.house, &pit.maker, &pit.taker, &pit.markets)
        .refused(E::NothingToLiquidate);
    // An account without positions is not below anything.
    let flat = pit.house.trader(&mut pit.world, 0);
    pit.world
        .liquidate(&pit.house, &pit.maker, &flat, &pit.markets)
        .refused(E::NotLiquidatable);
}

#[test]
fn full_accounts_do_not_liquidate_full_accounts() {
    let (mut pit, liquidator) = failing();
    let btc = pit.btc().clone();
    let holding = |slot| Holding {
        slot,
        lots: 1,
        cost: 0,
    };
    let forty: Vec<_> = (1..41).map(holding).collect();
    pit.world.hold(&pit.taker, &pit.maker, &btc, &forty);
    let third = pit.house.trader(&mut pit.world, RICH);
    pit.world.hold(&liquidator, &third, &btc, &forty);
    pit.world
        .liquidate(&pit.house, &liquidator, &pit.taker, &pit.markets)
        .refused(E::TooManyPositionsForOneTransaction);
}

#[test]
fn an_owner_s_second_account_may_liquidate_the_first() {
    // At the same discount as anyone's.
    let (mut pit, _) = failing();
    let mut second = pit.house.newcomer(&mut pit.world, 0);
    second.owner = pit.taker.owner.insecure_clone();
    second.sub_id = 1;
    second.account = pit.house.margin_account(&second.owner.pubkey(), 1);
    second.tokens = pit.taker.tokens;
    let steps = [
        ix::open_account(&pit.house, &second),
        ix::deposit(&pit.house, &second, 100_000 * USD),
    ];
    pit.world.send_all(&steps, &[&second.owner]).ok();
    pit.world
        .liquidate(&pit.house, &second, &pit.taker, &pit.markets)
        .ok();
}
