//! Ways to other people's money that were tried, end to end. Those that are one refusal of one instruction are in the
//! tests of that instruction; docs/invariants.md lists all of them.

use estuary::state::claims::CLAIM_WINDOW;
use estuary::state::SeriesKind::Call;
use estuary_tests::setup::{BTC_PRICE, SOL_PRICE, USD};
use estuary_tests::trade::PERP;
use estuary_tests::{ix, EstuaryError as E, Pit};

/// A winner sells deep options against its unsettled gain and takes the premium out before the loser has paid.
#[test]
fn premium_sold_against_an_unsettled_gain_does_not_leave() {
    let mut pit = Pit::new(60_000 * USD, 60_000 * USD);
    let third = pit.house.trader(&mut pit.world, 1_000_000 * USD);
    let perp = pit.btc_leg(PERP, 3_000);
    pit.trade(&[perp]).ok();
    pit.world.pass(1);
    let btc = pit.btc().clone();
    pit.world.set_price(&btc, 1.4 * BTC_PRICE);
    // 120,000 of gain, and its counterparty is at -60,000.
    let report = |pit: &Pit| pit.world.report(&pit.taker, &[pit.btc()]);
    assert_eq!(report(&pit).equity.0, 180_000 * USD as i64);
    let call = pit.world.slot(&btc, Call, 2, 75);
    let leg = pit.world.leg_at_mark(&btc, call, -1_000);
    let sides = [&pit.taker, &third];
    pit.world
        .trade(&pit.house, sides, &[leg], &pit.markets)
        .ok();
    let cash = pit.world.cash(&pit.taker);
    assert!(cash > 120_000 * USD as i64, "the premium is in cash");
    let senior = report(&pit).senior.0;
    assert!(senior <= 60_000 * USD as i64, "what was deposited, at most");
    let withdraw = |amount: i64| {
        let amount = amount.unsigned_abs();
        ix::withdraw(&pit.house, &pit.taker, amount, &[pit.btc()])
    };
    let (too_much, all) = (withdraw(senior + 1), withdraw(senior));
    pit.world
        .send(too_much, &[&pit.taker.owner])
        .refused(E::SeniorNegative);
    pit.world.send(all, &[&pit.taker.owner]).ok();
    // Nor does another account of the same owner get it.
    let mut second = pit.taker.clone();
    second.sub_id = 1;
    second.account = pit
        .house
        .margin_account(&estuary_tests::Signer::pubkey(&second.owner), 1);
    let open = ix::open_account(&pit.house, &second);
    pit.world.send(open, &[&second.owner]).ok();
    let transfer = ix::transfer_cash(&pit.house, &pit.taker, &second, 1, &[pit.btc()]);
    pit.world
        .send(transfer, &[&pit.taker.owner])
        .refused(E::SeniorNegative);
}

/// A winner claims, and collects everything that losers have paid, before another winner knows.
#[test]
fn a_run_on_the_claims_pool_gains_nothing() {
    let rich = 1_000_000 * USD;
    let mut pit = Pit::new(rich, rich);
    let [slow, late] = [0; 2].map(|_| pit.house.trader(&mut pit.world, rich));
    let leg = pit.sol_leg(PERP, 1_000);
    pit.trade(&[leg]).ok();
    let Pit {
        world,
        house,
        markets,
        taker: quick,
        maker,
    } = &mut pit;
    world.trade(house, [&slow, &late], &[leg], &*markets).ok();
    let sol = markets[1].clone();
    let gain = 2_000 * USD as i64;
    // The last second of a window.
    let left = CLAIM_WINDOW - 2 - world.now().rem_euclid(CLAIM_WINDOW);
    world.pass(left.rem_euclid(CLAIM_WINDOW));
    world.set_price(&sol, 1.1 * SOL_PRICE);
    world.settle(house, quick, &sol, true).ok();
    world.settle(house, maker, &sol, true).ok();
    assert_eq!(world.cash(maker), rich as i64 - gain);
    // Another window passes; the slow one claims in its last second.
    world.pass(CLAIM_WINDOW);
    world.set_price(&sol, 1.1 * SOL_PRICE);
    world.settle(house, &slow, &sol, true).ok();
    world
        .settle(house, quick, &sol, false)
        .refused(E::NothingToSettle);
    world.pass(2);
    world.settle(house, quick, &sol, false).ok();
    world.pass(CLAIM_WINDOW);
    world.settle(house, &slow, &sol, false).ok();
    let cash = [quick, &slow].map(|trader| world.cash(trader) - rich as i64);
    assert_eq!(cash, [gain / 2; 2], "what one loser paid is shared");
}
