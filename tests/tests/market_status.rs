//! Pausing a market, and restricting it to exits.

use estuary::instructions::PositionTransfer;
use estuary::state::{Market, MarketStatus};
use estuary_tests::setup::{BTC_PRICE, USD};
use estuary_tests::trade::PERP;
use estuary_tests::{ix, EstuaryError as E, Holding, House, Pit, Signer, Trader};

const RICH: u64 = 10_000_000 * USD;

fn set(pit: &mut Pit, status: MarketStatus) {
    let set = ix::set_market_status(&pit.house, &pit.btc().market, status);
    pit.world.send(set, &[&pit.house.authority]).ok();
    let header: Market = pit.world.market(&pit.btc().market).header;
    assert_eq!(header.status, status.code());
}

/// Moves perpetual lots of the taker's to another account of the same owner.
fn transfer(pit: &mut Pit, to: &Trader, lots: i64) -> estuary_tests::Outcome {
    let slot = pit.btc_leg(PERP, 1);
    let transfer = PositionTransfer {
        market: slot.market,
        slot: slot.slot,
        generation: slot.generation,
        lots,
    };
    let sides = [&pit.taker, to];
    let markets = pit.world.needed(&sides, &[slot], &pit.markets);
    let transfer = ix::transfer_positions(&pit.house, &pit.taker, to, &[transfer], &markets);
    pit.world.send(transfer, &[&pit.taker.owner])
}

#[test]
fn a_paused_market_neither_trades_nor_transfers() {
    let mut pit = Pit::new(RICH, RICH);
    let second = pit
        .house
        .sub_account(&mut pit.world, &pit.taker, 1, 1_000 * USD);
    let [buy, sell] = [10, -10].map(|lots| pit.btc_leg(PERP, lots));
    pit.trade(&[buy]).ok();
    set(&mut pit, MarketStatus::Paused);
    pit.refuse(&[buy], E::MarketPaused);
    pit.refuse(&[sell], E::MarketPaused);
    transfer(&mut pit, &second, 1).refused(E::MarketPaused);
    // A leg elsewhere does not carry one in the paused market.
    let sol = pit.sol_leg(PERP, 1);
    pit.refuse(&[sol, sell], E::MarketPaused);
    pit.trade(&[sol]).ok();
    set(&mut pit, MarketStatus::Active);
    pit.trade(&[sell]).ok();
}

#[test]
fn a_restricted_market_is_only_left() {
    let mut pit = Pit::new(RICH, RICH);
    let second = pit
        .house
        .sub_account(&mut pit.world, &pit.taker, 1, 1_000 * USD);
    let leg = |pit: &Pit, lots| pit.btc_leg(PERP, lots);
    let opening = leg(&pit, 10);
    pit.trade(&[opening]).ok();
    set(&mut pit, MarketStatus::ReduceOnly);
    for refused in [1, -11, -20] {
        let refused = leg(&pit, refused);
        pit.refuse(&[refused], E::MarketReduceOnly);
    }
    transfer(&mut pit, &second, 1).refused(E::MarketReduceOnly);
    for allowed in [-3, -7] {
        let allowed = leg(&pit, allowed);
        pit.trade(&[allowed]).ok();
    }
    // Both sides have to reduce: the maker of a closing trade may not open by it.
    set(&mut pit, MarketStatus::Active);
    pit.trade(&[opening]).ok();
    set(&mut pit, MarketStatus::ReduceOnly);
    let third = pit.house.trader(&mut pit.world, RICH);
    let closing = leg(&pit, -10);
    pit.world
        .trade(&pit.house, [&pit.taker, &third], &[closing], &pit.markets)
        .refused(E::MarketReduceOnly);
}

#[test]
fn a_transfer_may_reduce_both_accounts_of_a_restricted_market() {
    let mut pit = Pit::new(RICH, RICH);
    let second = pit
        .house
        .sub_account(&mut pit.world, &pit.taker, 1, 1_000_000 * USD);
    let [long, short] = [10, -10].map(|lots| pit.btc_leg(PERP, lots));
    pit.trade(&[long]).ok();
    let sides = [&second, &pit.maker];
    pit.world
        .trade(&pit.house, sides, &[short], &pit.markets)
        .ok();
    set(&mut pit, MarketStatus::ReduceOnly);
    transfer(&mut pit, &second, 4).ok();
    transfer(&mut pit, &second, 6).ok();
}

#[test]
fn only_the_authority_sets_the_status_of_its_own_markets() {
    let mut pit = Pit::new(RICH, RICH);
    let market = pit.btc().market;
    let set = ix::set_market_status(&pit.house, &market, MarketStatus::Paused);
    let other = House::planned(&mut pit.world, 2);
    let create = ix::create_clearinghouse(&other);
    pit.world.send(create, &[&other.authority]).ok();
    let mut stranger = set.clone();
    stranger.accounts[0].pubkey = other.authority.pubkey();
    pit.world
        .send(stranger, &[&other.authority])
        .refused(E::NotTheAuthority);
    let mut foreign = set.clone();
    foreign.accounts[0].pubkey = other.authority.pubkey();
    foreign.accounts[1].pubkey = other.clearinghouse;
    pit.world
        .send(foreign, &[&other.authority])
        .refused(E::AccountOfAnotherClearinghouse);
    pit.world.send(set, &[&pit.house.authority]).ok();
}

#[test]
fn money_and_liquidations_pass_a_paused_market() {
    let mut pit = Pit::new(20_000 * USD, RICH);
    let slot = pit.world.slot(pit.btc(), PERP.0, PERP.1, PERP.2);
    let held = Holding {
        slot,
        lots: 1_000,
        cost: -100_000 * USD as i64,
    };
    let btc = pit.btc().clone();
    pit.world.hold(&pit.taker, &pit.maker, &btc, &[held]);
    set(&mut pit, MarketStatus::Paused);
    let second = pit.house.sub_account(&mut pit.world, &pit.maker, 1, USD);
    let deposit = ix::deposit(&pit.house, &pit.taker, USD);
    pit.world.send(deposit, &[&pit.taker.owner]).ok();
    let withdraw = ix::withdraw(&pit.house, &pit.maker, USD, &[&btc]);
    pit.world.send(withdraw, &[&pit.maker.owner]).ok();
    let transfer = ix::transfer_cash(&pit.house, &pit.maker, &second, USD, &[&btc]);
    pit.world.send(transfer, &[&pit.maker.owner]).ok();
    let all = ix::withdraw(&pit.house, &second, 2 * USD, &[]);
    let close = ix::close_account(&pit.house, &second);
    let leave = [all, close];
    pit.world.send_all(&leave, &[&second.owner]).ok();
    pit.world.set_price(&btc, BTC_PRICE * 0.9);
    let liquidator = pit.house.trader(&mut pit.world, RICH);
    pit.world
        .liquidate(&pit.house, &liquidator, &pit.taker, &pit.markets)
        .ok();
}
