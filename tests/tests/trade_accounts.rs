//! Who may trade, with which accounts, at which prices in time, and how many positions one trade may meet.

use anchor_lang::solana_program::instruction::Instruction;
use estuary::instructions::TradeLeg;
use estuary::state::SeriesKind::{Call, Put};
use estuary::state::MAX_POSITIONS;
use estuary_tests::setup::{btc_args, BTC_PRICE, USD};
use estuary_tests::trade::PERP;
use estuary_tests::{
    ix, ErrorCode, EstuaryError as E, Holding, House, Pit, Pubkey, Signer, Tamper,
};

const RICH: u64 = 1_000_000_000 * USD;

fn pit() -> Pit {
    Pit::new(RICH, RICH)
}

/// A good trade of one BTC leg.
fn good(pit: &Pit) -> Instruction {
    let leg = pit.btc_leg(PERP, 1);
    ix::block_trade(&pit.house, &pit.taker, &pit.maker, &[leg], &[pit.btc()])
}

#[track_caller]
fn refuse(pit: &mut Pit, instruction: Instruction, error: E) {
    pit.world
        .send(instruction, &[&pit.taker.owner, &pit.maker.owner])
        .refused(error);
}

#[track_caller]
fn refuse_by_anchor(pit: &mut Pit, instruction: Instruction, error: ErrorCode) {
    pit.world
        .send(instruction, &[&pit.taker.owner, &pit.maker.owner])
        .refused_by_anchor(error);
}

#[test]
fn both_owners_sign_for_their_own_accounts() {
    let mut pit = pit();
    let good = good(&pit);
    let [taker, maker] = [&pit.taker, &pit.maker].map(|trader| trader.owner.pubkey());
    let [taker_account, maker_account] = [pit.taker.account, pit.maker.account];
    for owner in [taker, maker] {
        refuse_by_anchor(
            &mut pit,
            good.clone().unsigned(&owner),
            ErrorCode::AccountNotSigner,
        );
    }
    refuse(
        &mut pit,
        good.clone().replacing(&taker, &maker),
        E::NotTheOwner,
    );
    refuse(
        &mut pit,
        good.clone().replacing(&maker, &taker),
        E::NotTheOwner,
    );
    refuse(
        &mut pit,
        good.clone().exchanging(&taker, &maker),
        E::NotTheOwner,
    );
    let third = pit.house.trader(&mut pit.world, RICH);
    for account in [taker_account, maker_account] {
        let others = good.clone().replacing(&account, &third.account);
        refuse(&mut pit, others, E::NotTheOwner);
    }
}

#[test]
fn an_account_does_not_trade_with_itself() {
    let mut pit = pit();
    let good = good(&pit);
    let [taker, maker] = [pit.taker.account, pit.maker.account];
    refuse(
        &mut pit,
        good.clone().replacing(&maker, &taker),
        E::SameMarginAccount,
    );
    refuse(
        &mut pit,
        good.clone().replacing(&taker, &maker),
        E::SameMarginAccount,
    );
    let owners = [&pit.taker, &pit.maker].map(|trader| trader.owner.pubkey());
    let all_taker = good
        .replacing(&maker, &taker)
        .replacing(&owners[1], &owners[0]);
    refuse(&mut pit, all_taker, E::SameMarginAccount);
}

#[test]
fn two_accounts_of_one_owner_may_trade() {
    let mut pit = pit();
    let owner = pit.taker.owner.insecure_clone();
    let mut second = pit.house.newcomer(&mut pit.world, 0);
    second.account = pit.house.margin_account(&owner.pubkey(), 7);
    second.sub_id = 7;
    second.tokens = pit.taker.tokens;
    second.owner = owner;
    let steps = [
        ix::open_account(&pit.house, &second),
        ix::deposit(&pit.house, &second, 1_000_000 * USD),
    ];
    pit.world.send_all(&steps, &[&second.owner]).ok();
    pit.maker = second;
    let leg = pit.btc_leg((Put, 1, 90), 4);
    pit.trade(&[leg]).ok();
}

#[test]
fn accounts_of_other_kinds_and_houses_are_refused() {
    let mut pit = pit();
    let good = good(&pit);
    let other = House::build(&mut pit.world, 2);
    let foreigner = other.trader(&mut pit.world, USD);
    let foreign = other.create_market(&mut pit.world, &btc_args(), BTC_PRICE);
    let (house, btc, sol) = (&pit.house, pit.btc().clone(), pit.sol().clone());
    let (clearinghouse, bank, mint) = (house.clearinghouse, house.bank, house.mint);
    let [taker, maker] = [pit.taker.account, pit.maker.account];
    let named: [(&Pubkey, &Pubkey, E); 9] = [
        (
            &clearinghouse,
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
        (&btc.ledger, &foreign.ledger, E::LedgerOfAnotherMarket),
        (&btc.ledger, &sol.ledger, E::LedgerOfAnotherMarket),
        (&btc.price_account, &sol.price_account, E::PriceFeedMismatch),
        (&btc.market, &taker, E::MarketAccountType),
        (&btc.ledger, &maker, E::LedgerAccountType),
    ];
    for (from, to, error) in named {
        println!("{error:?}");
        refuse(&mut pit, good.clone().replacing(from, to), error);
    }
    for (from, to, error) in [
        (&taker, &bank, ErrorCode::AccountDiscriminatorMismatch),
        (&maker, &btc.ledger, ErrorCode::AccountDiscriminatorMismatch),
        (&maker, &mint, ErrorCode::AccountOwnedByWrongProgram),
        (
            &clearinghouse,
            &bank,
            ErrorCode::AccountDiscriminatorMismatch,
        ),
    ] {
        refuse_by_anchor(&mut pit, good.clone().replacing(from, to), error);
    }
    for account in [taker, maker] {
        refuse_by_anchor(
            &mut pit,
            good.clone().read_only(&account),
            ErrorCode::ConstraintMut,
        );
    }
    refuse(&mut pit, good.read_only(&btc.ledger), E::LedgerNotWritable);
}

#[test]
fn the_markets_are_those_of_both_books_and_the_legs() {
    let mut pit = pit();
    let (btc, sol) = (pit.btc().clone(), pit.sol().clone());
    let sol_leg = pit.sol_leg(PERP, 1);
    let btc_leg = pit.btc_leg(PERP, 1);
    // The maker alone holds SOL.
    let third = pit.house.trader(&mut pit.world, RICH);
    let sides = [&third, &pit.maker];
    pit.world
        .trade(&pit.house, sides, &[sol_leg], &pit.markets)
        .ok();
    let trade = |pit: &Pit, legs: &[TradeLeg], markets: &[&_]| {
        ix::block_trade(&pit.house, &pit.taker, &pit.maker, legs, markets)
    };
    let mut cases = vec![
        (trade(&pit, &[btc_leg], &[&btc]), E::MarketAccountMissing),
        (trade(&pit, &[btc_leg], &[&sol]), E::MarketAccountMissing),
        (trade(&pit, &[btc_leg], &[]), E::MarketAccountMissing),
        (
            trade(&pit, &[btc_leg], &[&sol, &btc]),
            E::MarketAccountMissing,
        ),
        (
            trade(&pit, &[btc_leg], &[&btc, &btc]),
            E::MarketAccountsOutOfOrder,
        ),
        (trade(&pit, &[sol_leg], &[&btc, &sol]), E::MarketNotNeeded),
        (
            trade(&pit, &[btc_leg], &[&btc, &sol, &sol]),
            E::MarketAccountsLeftOver,
        ),
    ];
    let both = trade(&pit, &[btc_leg], &[&btc, &sol]);
    cases.push((
        both.clone().with_extra(&btc.market),
        E::MarketAccountsLeftOver,
    ));
    cases.push((both.clone().without_last(1), E::MarketAccountMissing));
    for (instruction, error) in cases {
        println!("{error:?}");
        refuse(&mut pit, instruction, error);
    }
    // The ledger of a market that is only held needs not be writable, and is not written.
    let read_only = !both
        .accounts
        .iter()
        .any(|meta| meta.pubkey == sol.ledger && meta.is_writable);
    assert!(read_only);
    pit.world
        .send(both, &[&pit.taker.owner, &pit.maker.owner])
        .ok();
}

#[test]
fn prices_only_move_forward() {
    let mut pit = pit();
    let start = pit.world.now();
    pit.world.pass(50);
    let newest = pit.btc().feed(BTC_PRICE, start + 40);
    let older = pit.btc().feed(BTC_PRICE, start + 39);
    let account = pit.btc().price_account;
    let leg = pit.btc_leg(PERP, 1);
    pit.world.put_feed(account, &older);
    pit.trade(&[leg]).ok();
    pit.world.put_feed(account, &newest);
    pit.trade(&[leg]).ok();
    // The caller may not choose the better price of the window, in any instruction.
    pit.world.put_feed(account, &older);
    pit.refuse(&[leg], E::PriceOlderThanLast);
    let withdraw = ix::withdraw(&pit.house, &pit.taker, 1, &[pit.btc()]);
    pit.world
        .send(withdraw, &[&pit.taker.owner])
        .refused(E::PriceOlderThanLast);
    let liquidate = ix::liquidate(&pit.house, &pit.maker, &pit.taker, &[pit.btc()]);
    pit.world
        .send(liquidate, &[&pit.maker.owner])
        .refused(E::PriceOlderThanLast);
    pit.world.put_feed(account, &newest);
    pit.trade(&[leg]).ok();
    pit.world.pass(60);
    pit.refuse(&[leg], E::PriceTooOld);
}

/// Gives the taker `count` positions against someone else.
fn fill(pit: &mut Pit, count: usize) {
    let other = pit.house.trader(&mut pit.world, RICH);
    let market = pit.btc().clone();
    let sol = pit.sol().clone();
    let holding = |slot| Holding {
        slot,
        lots: 1,
        cost: 0,
    };
    let first: Vec<_> = (0..count.min(50) as u16).map(holding).collect();
    let rest: Vec<_> = (0..count.saturating_sub(50) as u16).map(holding).collect();
    pit.world.hold(&pit.taker, &other, &market, &first);
    if !rest.is_empty() {
        pit.world.hold(&pit.taker, &other, &sol, &rest);
    }
}

#[test]
fn positions_run_out() {
    let mut pit = pit();
    fill(&mut pit, MAX_POSITIONS - 1);
    let [one, two] = [(Call, 2, 120), (Put, 2, 120)].map(|series| pit.btc_leg(series, 1));
    pit.refuse(&[one, two], E::TooManyPositions);
    pit.trade(&[one]).ok();
    pit.refuse(&[two], E::TooManyPositions);
    // Full accounts still change what they have.
    let more = pit.btc_leg(PERP, 3);
    pit.trade(&[more]).ok();
}

#[test]
fn one_transaction_meets_eighty_positions_and_no_more() {
    let mut pit = pit();
    fill(&mut pit, MAX_POSITIONS);
    let third = pit.house.trader(&mut pit.world, RICH);
    let sol = pit.sol().clone();
    let held: Vec<_> = (30..45)
        .map(|slot| Holding {
            slot,
            lots: -2,
            cost: 0,
        })
        .collect();
    pit.world.hold(&pit.maker, &third, &sol, &held);
    // 64 and 15 before; each leg opens a position of the maker's in a series that the taker has.
    for (series, held) in [((Call, 0, 90), 79), ((Put, 0, 90), 80)] {
        let counts =
            [&pit.taker, &pit.maker].map(|trader| pit.world.account(trader).position_count);
        assert_eq!(counts.iter().sum::<u16>(), held);
        let leg = pit.btc_leg(series, 1);
        let done = pit.trade(&[leg]).ok();
        assert!(done.compute_units_consumed < 1_250_000);
    }
    let leg = pit.btc_leg((Call, 0, 100), 1);
    pit.refuse(&[leg], E::TooManyPositionsForOneTransaction);
    // With anyone else they go on.
    let new = pit.house.trader(&mut pit.world, RICH);
    pit.world
        .trade(&pit.house, [&pit.taker, &new], &[leg], &pit.markets)
        .ok();
}
