//! Depositing and withdrawing the settlement token, without positions.

use estuary::state::Bank;
use estuary_tests::setup::{POCKET, USD};
use estuary_tests::{ix, token, ErrorCode, EstuaryError, House, Signer, Tamper, TokenError, World};

#[test]
fn deposits_arrive_and_leave_to_the_last_micro_unit() {
    let (mut world, house) = World::with_house();
    let trader = house.newcomer(&mut world, 1_000);
    let steps = [
        ix::open_account(&house, &trader),
        ix::deposit(&house, &trader, 700),
    ];
    world.send_all(&steps, &[&trader.owner]).ok();
    let deposit = ix::deposit(&house, &trader, 300);
    world.send(deposit, &[&trader.owner]).ok();
    assert_eq!(
        (world.cash(&trader), world.tokens(&trader.tokens)),
        (1_000, 0)
    );
    assert_eq!(world.tokens(&house.vault), 1_000);
    for amount in [1, 999] {
        let withdraw = ix::withdraw(&house, &trader, amount, &[]);
        world.send(withdraw, &[&trader.owner]).ok();
    }
    assert_eq!(
        (world.cash(&trader), world.tokens(&trader.tokens)),
        (0, 1_000)
    );
    assert_eq!(world.tokens(&house.vault), 0);
}

#[test]
fn anyone_may_deposit_for_another() {
    let (mut world, house) = World::with_house();
    let poor = house.trader(&mut world, 0);
    let rich = house.newcomer(&mut world, 5 * USD);
    let gift = ix::deposit(&house, &rich, 5 * USD).replacing(&rich.account, &poor.account);
    world.send(gift, &[&rich.owner]).ok();
    assert_eq!(world.cash(&poor), 5_000_000);
}

#[test]
fn tokens_sent_to_the_vault_are_nobodys_deposit() {
    let (mut world, house) = World::with_house();
    let trader = house.trader(&mut world, USD);
    world.give(&house.vault, 77);
    let withdraw = |amount| ix::withdraw(&house, &trader, amount, &[]);
    world
        .send(withdraw(USD + 1), &[&trader.owner])
        .refused(EstuaryError::BalanceNegative);
    world.send(withdraw(USD), &[&trader.owner]).ok();
    assert_eq!(world.tokens(&house.vault), 77);
}

#[test]
fn deposit_refuses_bad_amounts() {
    let (mut world, house) = World::with_house();
    let trader = house.trader(&mut world, USD);
    let mut send = |amount| {
        let deposit = ix::deposit(&house, &trader, amount);
        world.send(deposit, &[&trader.owner])
    };
    send(0).refused(EstuaryError::AmountZero);
    send(i64::MAX as u64 + 1).refused(EstuaryError::AmountOverflow);
    send(u64::MAX).refused(EstuaryError::AmountOverflow);
    // The balance and 2^63 − 1 more.
    send(i64::MAX as u64).refused(EstuaryError::AmountOverflow);
    send(POCKET + 1).refused_by_token(TokenError::InsufficientFunds);
    send(POCKET).ok();
}

#[test]
fn the_banks_total_does_not_overflow() {
    let (mut world, house) = World::with_house();
    let half = 1 << 62;
    let mut traders = Vec::new();
    for _ in 0..2 {
        let trader = house.newcomer(&mut world, u64::MAX);
        let steps = [
            ix::open_account(&house, &trader),
            ix::deposit(&house, &trader, half - 1),
        ];
        world.send_all(&steps, &[&trader.owner]).ok();
        traders.push(trader);
    }
    let third = house.newcomer(&mut world, 2);
    let steps = [
        ix::open_account(&house, &third),
        ix::deposit(&house, &third, 1),
    ];
    world.send_all(&steps, &[&third.owner]).ok();
    let one_more = ix::deposit(&house, &third, 1);
    world
        .send(one_more, &[&third.owner])
        .refused(EstuaryError::AmountOverflow);
    assert_eq!(world.read::<Bank>(&house.bank).deposits, i64::MAX as u64);
}

#[test]
fn deposit_refuses_bad_accounts() {
    let (mut world, house) = World::with_house();
    let trader = house.trader(&mut world, USD);
    let other = House::build(&mut world, 2);
    let foreigner = other.trader(&mut world, USD);
    let good = ix::deposit(&house, &trader, 1);
    let mint = world.place(token::mint(6));
    let owner = trader.owner.pubkey();
    let foreign_tokens = world.place(token::token_account(mint, owner, 5));
    let thief = world.keypair();
    let forged_bank = world.place(solana_account::Account {
        owner: anchor_lang::system_program::ID,
        ..world.raw(&house.bank)
    });
    let mut refuse = |from, to, error| {
        let bad = good.clone().replacing(from, to);
        world.send(bad, &[&trader.owner]).refused(error);
    };
    let foreign = EstuaryError::AccountOfAnotherClearinghouse;
    refuse(&trader.account, &foreigner.account, foreign);
    refuse(
        &house.bank,
        &other.bank,
        EstuaryError::AccountOfAnotherClearinghouse,
    );
    refuse(
        &house.clearinghouse,
        &other.clearinghouse,
        EstuaryError::AccountOfAnotherClearinghouse,
    );
    refuse(&house.mint, &mint, EstuaryError::TokenAccountMint);
    refuse(
        &trader.tokens,
        &foreign_tokens,
        EstuaryError::TokenAccountMint,
    );
    refuse(&house.vault, &other.vault, EstuaryError::VaultOfAnotherBank);
    refuse(
        &house.vault,
        &trader.tokens,
        EstuaryError::VaultOfAnotherBank,
    );

    let mut refuse = |from, to, error| {
        let bad = good.clone().replacing(from, to);
        world.send(bad, &[&trader.owner]).refused_by_anchor(error);
    };
    refuse(
        &trader.account,
        &house.bank,
        ErrorCode::AccountDiscriminatorMismatch,
    );
    refuse(
        &trader.account,
        &house.mint,
        ErrorCode::AccountOwnedByWrongProgram,
    );
    refuse(
        &house.bank,
        &forged_bank,
        ErrorCode::AccountOwnedByWrongProgram,
    );
    refuse(
        &trader.tokens,
        &house.bank,
        ErrorCode::AccountOwnedByWrongProgram,
    );
    refuse(
        &anchor_spl::token::ID,
        &estuary::ID,
        ErrorCode::InvalidProgramId,
    );

    world
        .send(good.clone().unsigned(&owner), &[])
        .refused_by_anchor(ErrorCode::AccountNotSigner);
    world
        .send(good.clone().replacing(&owner, &thief.pubkey()), &[&thief])
        .refused_by_token(TokenError::OwnerMismatch);
    // The vault cannot pay itself: its authority is the bank.
    world
        .send(
            good.clone().replacing(&trader.tokens, &house.vault),
            &[&trader.owner],
        )
        .refused_by_token(TokenError::OwnerMismatch);
    for writable in [&trader.account, &house.bank, &house.vault, &trader.tokens] {
        world
            .send(good.clone().read_only(writable), &[&trader.owner])
            .refused_by_anchor(ErrorCode::ConstraintMut);
    }
    world
        .send(good.without_last(1), &[&trader.owner])
        .refused_by_anchor(ErrorCode::AccountNotEnoughKeys);
}

#[test]
fn withdraw_refuses_bad_amounts() {
    let (mut world, house) = World::with_house();
    let trader = house.trader(&mut world, USD);
    // Others' deposits are there to be taken.
    house.trader(&mut world, 100 * USD);
    let mut send = |amount| {
        let withdraw = ix::withdraw(&house, &trader, amount, &[]);
        world.send(withdraw, &[&trader.owner])
    };
    send(0).refused(EstuaryError::AmountZero);
    send(u64::MAX).refused(EstuaryError::AmountOverflow);
    send(1 << 63).refused(EstuaryError::AmountOverflow);
    send(i64::MAX as u64).refused(EstuaryError::BalanceNegative);
    send(USD + 1).refused(EstuaryError::BalanceNegative);
    send(USD).ok();
    send(1).refused(EstuaryError::BalanceNegative);
}

#[test]
fn withdraw_refuses_bad_accounts() {
    let (mut world, house) = World::with_house();
    let trader = house.trader(&mut world, USD);
    let neighbour = house.trader(&mut world, USD);
    let other = House::build(&mut world, 2);
    let foreigner = other.trader(&mut world, USD);
    let good = ix::withdraw(&house, &trader, 1, &[]);
    let mint = world.place(token::mint(6));
    let owner = trader.owner.pubkey();
    let foreign_tokens = world.place(token::token_account(mint, owner, 5));
    let mut refuse = |from, to, error| {
        let bad = good.clone().replacing(from, to);
        world.send(bad, &[&trader.owner]).refused(error);
    };
    refuse(
        &trader.account,
        &neighbour.account,
        EstuaryError::NotTheOwner,
    );
    refuse(
        &trader.account,
        &foreigner.account,
        EstuaryError::NotTheOwner,
    );
    refuse(
        &house.bank,
        &other.bank,
        EstuaryError::AccountOfAnotherClearinghouse,
    );
    refuse(
        &house.clearinghouse,
        &other.clearinghouse,
        EstuaryError::AccountOfAnotherClearinghouse,
    );
    refuse(&house.mint, &mint, EstuaryError::TokenAccountMint);
    refuse(
        &trader.tokens,
        &foreign_tokens,
        EstuaryError::TokenAccountMint,
    );
    refuse(
        &trader.tokens,
        &house.vault,
        EstuaryError::DestinationIsVault,
    );
    refuse(&house.vault, &other.vault, EstuaryError::VaultOfAnotherBank);

    let neighbours = good.clone().replacing(&owner, &neighbour.owner.pubkey());
    world
        .send(neighbours, &[&neighbour.owner])
        .refused(EstuaryError::NotTheOwner);
    let foreign = ix::withdraw(&other, &foreigner, 1, &[])
        .replacing(&other.clearinghouse, &house.clearinghouse);
    world
        .send(foreign, &[&foreigner.owner])
        .refused(EstuaryError::AccountOfAnotherClearinghouse);
    world
        .send(good.clone().unsigned(&owner), &[])
        .refused_by_anchor(ErrorCode::AccountNotSigner);
    world
        .send(good.clone().with_extra(&house.mint), &[&trader.owner])
        .refused(EstuaryError::MarketAccountsLeftOver);
    for writable in [&trader.account, &house.bank, &house.vault, &trader.tokens] {
        world
            .send(good.clone().read_only(writable), &[&trader.owner])
            .refused_by_anchor(ErrorCode::ConstraintMut);
    }
    // One's own account may pay anyone.
    let to_neighbour = good.replacing(&trader.tokens, &neighbour.tokens);
    world.send(to_neighbour, &[&trader.owner]).ok();
}
