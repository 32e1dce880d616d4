//! The checks that every test relies on do fail when they should.

use estuary::state::{MarginAccount, MarketLedger, Owner};
use estuary_tests::setup::USD;
use estuary_tests::trade::PERP;
use estuary_tests::{ix, EstuaryError, Pit, Pubkey};
use std::mem::offset_of;

/// A pit after a trade, and an instruction to send in it.
fn pit() -> Pit {
    let mut pit = Pit::new(100_000 * USD, 100_000 * USD);
    let leg = pit.btc_leg(PERP, 10);
    pit.trade(&[leg]).ok();
    pit
}

/// Adds one to the number at an offset behind the discriminator, then sends an instruction.
fn after_adding_one(pit: &mut Pit, key: Pubkey, offset: usize) {
    pit.world.corrupt(&key, |account| account.data[offset] += 1);
    let deposit = ix::deposit(&pit.house, &pit.maker, 1);
    let owner = pit.maker.owner.insecure_clone();
    let _ = pit.world.send(deposit, &[&owner]);
}

#[test]
#[should_panic(expected = "balances, pools and fees against the bank's deposits")]
fn cash_out_of_nothing_is_noticed() {
    let mut pit = pit();
    let account = pit.taker.account;
    // The first balance's amount follows its index.
    after_adding_one(
        &mut pit,
        account,
        8 + offset_of!(MarginAccount, balances) + 8,
    );
}

#[test]
#[should_panic(expected = "the vault against the bank's deposits")]
fn a_vault_with_other_than_the_deposits_is_noticed() {
    let mut pit = pit();
    let vault = pit.house.vault;
    after_adding_one(&mut pit, vault, 64);
}

#[test]
#[should_panic(expected = "over all accounts")]
fn lots_without_a_counterparty_are_noticed() {
    let mut pit = pit();
    let account = pit.taker.account;
    after_adding_one(
        &mut pit,
        account,
        8 + offset_of!(MarginAccount, positions) + 8,
    );
}

#[test]
#[should_panic(expected = "lots of an owner")]
fn lots_that_no_account_of_an_owner_has_are_noticed() {
    let mut pit = pit();
    let owner = pit.taker.owner_account(&pit.house.clearinghouse);
    after_adding_one(&mut pit, owner, 8 + offset_of!(Owner, gross_lots) + 8);
}

#[test]
#[should_panic(expected = "cost and carry over all accounts")]
fn cost_without_a_counterpart_is_noticed() {
    let mut pit = pit();
    let account = pit.taker.account;
    after_adding_one(
        &mut pit,
        account,
        8 + offset_of!(MarginAccount, positions) + 16,
    );
}

#[test]
#[should_panic(expected = "open lots of slot 0")]
fn open_lots_that_nobody_holds_are_noticed() {
    let mut pit = pit();
    let ledger = pit.btc().ledger;
    after_adding_one(&mut pit, ledger, 8 + offset_of!(MarketLedger, open_lots));
}

#[test]
#[should_panic(expected = "expected BelowInitialMargin")]
fn another_error_is_not_the_one_expected() {
    let mut pit = pit();
    let leg = pit.btc_leg(PERP, 0);
    pit.refuse(&[leg], EstuaryError::BelowInitialMargin);
}

#[test]
#[should_panic(expected = "but it succeeded")]
fn a_success_is_no_refusal() {
    let mut pit = pit();
    let leg = pit.btc_leg(PERP, 1);
    pit.refuse(&[leg], EstuaryError::BelowInitialMargin);
}

#[test]
#[should_panic(expected = "expected LotsZero, got")]
fn an_abort_is_no_refusal() {
    let mut pit = pit();
    // Nothing can be computed with so few units.
    pit.world.use_compute_units(1_000);
    let leg = pit.btc_leg(PERP, 0);
    pit.refuse(&[leg], EstuaryError::LotsZero);
}
