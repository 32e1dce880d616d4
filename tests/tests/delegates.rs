//! What a delegate may do for an account and until when, and closing accounts.

use estuary::state::SeriesKind::Call;
use estuary_client::instruction::signed_by_delegate;
use estuary_tests::setup::{BTC_PRICE, DAY, USD};
use estuary_tests::trade::PERP;
use estuary_tests::{
    ix, ErrorCode, EstuaryError as E, Holding, House, Keypair, Pit, Pubkey, Signer, Tamper, Trader,
    World,
};

const RICH: u64 = 1_000_000 * USD;

/// Makes a new key the trader's delegate for a day.
fn delegate(world: &mut World, house: &House, trader: &Trader) -> Keypair {
    let delegate = world.keypair();
    let expiry = world.now() + DAY;
    let set = ix::set_delegate(house, trader, delegate.pubkey(), expiry);
    world.send(set, &[&trader.owner]).ok();
    delegate
}

#[test]
fn the_owner_names_replaces_and_removes_a_delegate() {
    let (mut world, house) = World::with_house();
    let trader = house.trader(&mut world, USD);
    let first = delegate(&mut world, &house, &trader);
    let account = world.account(&trader);
    assert_eq!(account.delegate, first.pubkey());
    assert_eq!(account.delegate_expiry, world.now() + DAY);
    let second = delegate(&mut world, &house, &trader);
    assert_eq!(world.account(&trader).delegate, second.pubkey());
    let clear = house.clear_delegate(&trader.party());
    world.send(clear, &[&trader.owner]).ok();
    let account = world.account(&trader);
    assert_eq!(account.delegate, Pubkey::default());
    assert_eq!(account.delegate_expiry, 0);
}

#[test]
fn bad_delegates_are_refused() {
    let (mut world, house) = World::with_house();
    let trader = house.trader(&mut world, USD);
    let neighbour = house.trader(&mut world, USD);
    let other = House::build(&mut world, 2);
    let (owner, key, now) = (trader.owner.pubkey(), world.address(), world.now());
    let nobody = Pubkey::default();
    for (delegate, expiry, error) in [
        (key, now, E::DelegateExpiryInvalid),
        (key, 0, E::DelegateExpiryInvalid),
        (key, i64::MIN, E::DelegateExpiryInvalid),
        (nobody, now + 1, E::DelegateExpiryInvalid),
        (nobody, -1, E::DelegateExpiryInvalid),
        (owner, now + 1, E::DelegateIsOwner),
    ] {
        let set = ix::set_delegate(&house, &trader, delegate, expiry);
        world.send(set, &[&trader.owner]).refused(error);
    }
    let good = ix::set_delegate(&house, &trader, key, i64::MAX);
    for (from, to, error) in [
        (&trader.account, &neighbour.account, E::NotTheOwner),
        (
            &house.clearinghouse,
            &other.clearinghouse,
            E::AccountOfAnotherClearinghouse,
        ),
    ] {
        let bad = good.clone().replacing(from, to);
        world.send(bad, &[&trader.owner]).refused(error);
    }
    let unsigned = good.clone().unsigned(&owner);
    world
        .send(unsigned, &[])
        .refused_by_anchor(ErrorCode::AccountNotSigner);
    let read_only = good.clone().read_only(&trader.account);
    world
        .send(read_only, &[&trader.owner])
        .refused_by_anchor(ErrorCode::ConstraintMut);
    world.send(good, &[&trader.owner]).ok();
}

#[test]
fn delegates_trade_until_they_expire() {
    let mut pit = Pit::new(RICH, RICH);
    let [taker, maker] = [&pit.taker.owner, &pit.maker.owner].map(Keypair::pubkey);
    let taking = delegate(&mut pit.world, &pit.house, &pit.taker);
    let making = delegate(&mut pit.world, &pit.house, &pit.maker);
    let trade = |pit: &Pit, lots| {
        let legs = [pit.btc_leg(PERP, lots)];
        let trade = ix::block_trade(&pit.house, &pit.taker, &pit.maker, &legs, &[pit.btc()]);
        let trade = signed_by_delegate(trade, &taker, taking.pubkey());
        signed_by_delegate(trade, &maker, making.pubkey())
    };
    let both = [&taking, &making];
    let good = trade(&pit, 1);
    pit.world.send(good.clone(), &both).ok();
    // Each for its own account only, and nobody else.
    let crossed = good.exchanging(&taking.pubkey(), &making.pubkey());
    pit.world.send(crossed, &both).refused(E::NotTheOwner);
    pit.world.pass(DAY - 1);
    pit.world.set_price(&pit.markets[0].clone(), BTC_PRICE);
    let last = trade(&pit, 1);
    pit.world.send(last, &both).ok();
    pit.world.pass(1);
    let late = trade(&pit, 1);
    pit.world
        .send(late.clone(), &both)
        .refused(E::DelegateExpired);
    // The owner trades on, and no key at all is nobody's delegate.
    let clear = pit.house.clear_delegate(&pit.taker.party());
    pit.world.send(clear, &[&pit.taker.owner]).ok();
    pit.world.send(late, &both).refused(E::NotTheOwner);
    let leg = pit.btc_leg(PERP, -2);
    pit.trade(&[leg]).ok();
}

#[test]
fn a_delegate_liquidates_with_the_account() {
    let mut pit = Pit::new(RICH, 10_000 * USD);
    let third = pit.house.trader(&mut pit.world, 10 * RICH);
    let btc = pit.btc().clone();
    let holding = Holding {
        slot: pit.world.slot(&btc, PERP.0, 0, 0),
        lots: 100,
        cost: -20_000 * USD as i64,
    };
    pit.world.hold(&pit.maker, &third, &btc, &[holding]);
    let hand = delegate(&mut pit.world, &pit.house, &pit.taker);
    let good = ix::liquidate(&pit.house, &pit.taker, &pit.maker, &[&btc]);
    let owner = pit.taker.owner.pubkey();
    let by_hand = signed_by_delegate(good, &owner, hand.pubkey());
    pit.world.pass(DAY);
    pit.world.set_price(&btc, BTC_PRICE);
    pit.world
        .send(by_hand.clone(), &[&hand])
        .refused(E::DelegateExpired);
    let stranger = pit.world.keypair();
    let strange = by_hand
        .clone()
        .replacing(&hand.pubkey(), &stranger.pubkey());
    pit.world
        .send(strange, &[&stranger])
        .refused(E::NotTheOwner);
    let expiry = pit.world.now() + 1;
    let again = ix::set_delegate(&pit.house, &pit.taker, hand.pubkey(), expiry);
    pit.world.send(again, &[&pit.taker.owner]).ok();
    // Equity of 10,000 less a loss of 10,000 at mark.
    pit.world.set_price(&btc, BTC_PRICE * 1.01);
    pit.world.send(by_hand, &[&hand]).ok();
    assert!(pit.world.account(&pit.taker).position_count > 0);
}

#[test]
fn a_delegate_does_nothing_else() {
    let (mut world, house) = World::with_house();
    let trader = house.trader(&mut world, USD);
    let empty = house.sub_account(&mut world, &trader, 1, 0);
    let hand = delegate(&mut world, &house, &trader);
    let idle = delegate(&mut world, &house, &empty);
    let owner = trader.owner.pubkey();
    for (instruction, hand) in [
        (ix::withdraw(&house, &trader, 1, &[]), &hand),
        (
            ix::set_delegate(&house, &trader, world.address(), i64::MAX),
            &hand,
        ),
        (house.clear_delegate(&trader.party()), &hand),
        (ix::close_account(&house, &empty), &idle),
    ] {
        let bad = signed_by_delegate(instruction, &owner, hand.pubkey());
        world.send(bad, &[hand]).refused(E::NotTheOwner);
    }
}

#[test]
fn closing_returns_the_rent_to_the_owner() {
    let (mut world, house) = World::with_house();
    let trader = house.trader(&mut world, 0);
    let owner = trader.owner.pubkey();
    let all = trader.owner_account(&house.clearinghouse);
    let [account, summary, before] =
        [trader.account, all, owner].map(|key| world.raw(&key).lamports);
    delegate(&mut world, &house, &trader);
    let close = ix::close_account(&house, &trader);
    world.send(close.clone(), &[&trader.owner]).ok();
    assert_eq!(world.raw(&owner).lamports, before + account + summary);
    world
        .send(close, &[&trader.owner])
        .refused_by_anchor(ErrorCode::AccountOwnedByWrongProgram);
    // The number can be opened again, and remembers nothing.
    let open = ix::open_account(&house, &trader);
    world.send(open, &[&trader.owner]).ok();
    assert_eq!(world.account(&trader).delegate, Pubkey::default());
}

#[test]
fn only_empty_accounts_are_closed_by_their_owners() {
    let mut pit = Pit::new(RICH, RICH);
    let house = pit.house.addresses;
    let leg = pit.btc_leg((Call, 1, 110), 1);
    pit.trade(&[leg]).ok();
    let close = |trader: &Trader| house.close_account(&trader.party());
    pit.world
        .send(close(&pit.taker), &[&pit.taker.owner])
        .refused(E::AccountHasBalance);
    // The cash is gone, the position is not.
    let held = pit.house.trader(&mut pit.world, 0);
    let btc = pit.btc().clone();
    let rest = Holding {
        slot: leg.slot,
        lots: 1,
        cost: 0,
    };
    pit.world.hold(&held, &pit.maker, &btc, &[rest]);
    pit.world
        .send(close(&held), &[&held.owner])
        .refused(E::AccountHasPositions);
    let empty = pit.house.trader(&mut pit.world, 0);
    let other = House::build(&mut pit.world, 2);
    let good = close(&empty);
    let cases = [
        (
            good.clone().replacing(&empty.account, &held.account),
            E::NotTheOwner,
        ),
        (
            good.clone()
                .replacing(&house.clearinghouse, &other.clearinghouse),
            E::AccountOfAnotherClearinghouse,
        ),
    ];
    for (bad, error) in cases {
        pit.world.send(bad, &[&empty.owner]).refused(error);
    }
    let owner = empty.owner.pubkey();
    pit.world
        .send(good.clone().unsigned(&owner), &[])
        .refused_by_anchor(ErrorCode::AccountNotSigner);
    pit.world
        .send(good.clone().read_only(&empty.account), &[&empty.owner])
        .refused_by_anchor(ErrorCode::ConstraintMut);
    pit.world.send(good, &[&empty.owner]).ok();
}
