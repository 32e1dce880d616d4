//! What an owner holds in all margin accounts together, and what unwinding any of them costs.

use estuary::instructions::PositionTransfer;
use estuary::report::{MarketReportView, ReportPage, SummaryView};
use estuary::state::{Owner, SeriesKind::Call};
use estuary_tests::setup::{BTC_PRICE, USD};
use estuary_tests::trade::PERP;
use estuary_tests::{ix, EstuaryError as E, Pit, Signer, Trader};

const RICH: u64 = 10_000_000 * USD;

/// Opens another account of the taker's.
fn second(pit: &mut Pit, deposit: u64) -> Trader {
    pit.house
        .sub_account(&mut pit.world, &pit.taker, 1, deposit)
}

/// Moves lots of the BTC perp from the taker's account to another.
fn move_perps(pit: &mut Pit, to: &Trader, lots: i64) {
    let leg = pit.btc_leg(PERP, lots);
    let moved = [PositionTransfer {
        market: leg.market,
        slot: leg.slot,
        generation: leg.generation,
        lots,
    }];
    let transfer = ix::transfer_positions(&pit.house, &pit.taker, to, &moved, &[pit.btc()]);
    pit.world.send(transfer, &[&pit.taker.owner]).ok();
}

/// The report of an account in the BTC market; that of the whole account agrees with it and with the client's.
fn report(pit: &mut Pit, trader: &Trader) -> MarketReportView {
    let btc = pit.btc().clone();
    let ask = |page| ix::margin_report(&pit.house, trader, page, &[&btc]);
    let (whole, here) = (ask(ReportPage::Summary), ask(ReportPage::Market(0)));
    let summary: SummaryView = pit.world.view(whole);
    let view: MarketReportView = pit.world.view(here);
    assert_eq!(summary.liquidity_cost, view.liquidity_cost);
    let native = pit.world.snapshot(trader, &[&btc]);
    assert_eq!(summary, native.summary().expect("a summary"));
    view
}

/// Lots in BTC of all accounts of an owner.
fn lots(pit: &Pit, trader: &Trader) -> u64 {
    pit.world.owner(trader).gross_lots[0]
}

#[test]
fn an_owner_account_lives_as_long_as_one_of_its_margin_accounts() {
    let mut pit = Pit::new(0, RICH);
    let key = pit.taker.owner_account(&pit.house.clearinghouse);
    let owner = pit.world.owner(&pit.taker);
    assert_eq!((owner.version, owner.account_count), (Owner::VERSION, 1));
    assert_eq!(owner.owner, pit.taker.owner.pubkey());
    assert_eq!(owner.clearinghouse, pit.house.clearinghouse);
    let second = second(&mut pit, 0);
    assert_eq!(pit.world.owner(&second).account_count, 2);
    let rent = pit.world.raw(&key).lamports;
    let hand = pit.taker.owner.insecure_clone();
    let close = ix::close_account(&pit.house, &second);
    pit.world.send(close, &[&hand]).ok();
    assert_eq!(pit.world.owner(&pit.taker).account_count, 1);
    let account = pit.world.raw(&pit.taker.account).lamports;
    let before = pit.world.raw(&hand.pubkey()).lamports;
    let close = ix::close_account(&pit.house, &pit.taker);
    pit.world.send(close, &[&hand]).ok();
    let after = pit.world.raw(&hand.pubkey()).lamports;
    assert_eq!(after, before + account + rent);
    // It begins anew with the next account, which somebody else may pay for.
    let payer = pit.maker.owner.pubkey();
    let open = pit.house.open_account(payer, hand.pubkey(), 0);
    pit.world.send(open, &[&pit.maker.owner, &hand]).ok();
    assert_eq!(pit.world.owner(&pit.taker).account_count, 1);
}

#[test]
fn a_book_split_over_accounts_costs_no_less() {
    let mut pit = Pit::with_liquidity_cost(RICH, RICH);
    let second = second(&mut pit, RICH);
    let leg = pit.btc_leg(PERP, 100_000);
    pit.trade(&[leg]).ok();
    let taker = pit.taker.clone();
    let whole = report(&mut pit, &taker);
    // Ten million dollars of delta: 0.05%, and half a percent more.
    assert!((whole.unwound_delta - 10_000_000_000_000).abs() < 2_000_000);
    assert!((whole.liquidity_cost - 55_000_000_000).abs() < 200_000);
    assert_eq!((whole.gross_lots, whole.owner_lots), (100_000, 100_000));
    for moved in [20_000, 30_000] {
        move_perps(&mut pit, &second, moved);
        let [first, other] = [taker.clone(), second.clone()].map(|one| report(&mut pit, &one));
        assert_eq!(first.gross_lots + other.gross_lots, 100_000);
        assert_eq!((first.owner_lots, other.owner_lots), (100_000, 100_000));
        let sum = first.liquidity_cost + other.liquidity_cost;
        assert!(sum >= whole.liquidity_cost, "{sum}");
        assert!(sum <= whole.liquidity_cost + 200_000, "{sum}");
    }
    assert_eq!(lots(&pit, &taker), 100_000);
}

#[test]
fn what_an_owner_holds_elsewhere_counts_in_every_check() {
    let mut pit = Pit::with_liquidity_cost(RICH, 10 * RICH);
    let second = second(&mut pit, RICH);
    let leg = pit.btc_leg(PERP, 10_000);
    pit.trade(&[leg]).ok();
    let taker = pit.taker.clone();
    let alone = report(&mut pit, &taker);
    let btc = pit.btc().clone();
    let free = |pit: &Pit| {
        let report = pit.world.report(&taker, &[&btc]);
        report.health_initial().expect("health").0.unsigned_abs()
    };
    let before = free(&pit);
    // Options of no delta to speak of, but of as many lots again.
    let calls = pit.btc_leg((Call, 0, 120), 10_000);
    let sides = [&second, &pit.maker];
    let markets = pit.markets.clone();
    pit.world.trade(&pit.house, sides, &[calls], &markets).ok();
    let beside = report(&mut pit, &taker);
    assert_eq!((beside.gross_lots, beside.owner_lots), (10_000, 20_000));
    let more = (beside.liquidity_cost - alone.liquidity_cost).unsigned_abs();
    // Half of 0.1% of a million, of a million.
    assert!((499_000_000..=502_000_000).contains(&more), "{more}");
    let after = free(&pit);
    assert_eq!(before - after, more);
    let withdraw = |amount| ix::withdraw(&pit.house, &taker, amount, &[&btc]);
    let (too_much, all) = (withdraw(before), withdraw(after));
    pit.world
        .send(too_much, &[&taker.owner])
        .refused(E::BelowInitialMargin);
    pit.world.send(all, &[&taker.owner]).ok();
    // Once the options are closed the rest may leave too.
    let calls = pit.btc_leg((Call, 0, 120), -10_000);
    let sides = [&second, &pit.maker];
    pit.world.trade(&pit.house, sides, &[calls], &markets).ok();
    let rest = ix::withdraw(&pit.house, &taker, more, &[&btc]);
    pit.world.send(rest, &[&taker.owner]).ok();
}

#[test]
fn two_accounts_of_one_owner_trade_with_each_other() {
    let mut pit = Pit::with_liquidity_cost(RICH, RICH);
    let second = second(&mut pit, RICH);
    let legs = [pit.btc_leg(PERP, 1_000), pit.btc_leg((Call, 1, 110), -500)];
    let taker = pit.taker.clone();
    let markets = pit.markets.clone();
    pit.world
        .trade(&pit.house, [&taker, &second], &legs, &markets)
        .ok();
    assert_eq!(lots(&pit, &taker), 3_000);
    let [one, other] = [taker.clone(), second.clone()].map(|one| report(&mut pit, &one));
    assert_eq!((one.gross_lots, one.owner_lots), (1_500, 3_000));
    assert_eq!((other.gross_lots, other.owner_lots), (1_500, 3_000));
    let back = legs.map(|leg| estuary::instructions::TradeLeg {
        lots: -leg.lots,
        ..leg
    });
    pit.world
        .trade(&pit.house, [&taker, &second], &back, &markets)
        .ok();
    assert_eq!(lots(&pit, &taker), 0);
}

#[test]
fn one_account_of_an_owner_liquidates_another() {
    let mut pit = Pit::with_liquidity_cost(200_000 * USD, RICH);
    let second = second(&mut pit, RICH);
    let leg = pit.btc_leg(PERP, 10_000);
    pit.trade(&[leg]).ok();
    let btc = pit.btc().clone();
    pit.world.set_price(&btc, 0.91 * BTC_PRICE);
    let (taker, markets) = (pit.taker.clone(), pit.markets.clone());
    pit.world
        .liquidate(&pit.house, &second, &taker, &markets)
        .ok();
    let taken = pit.world.account(&second).gross_lots(0);
    assert!(taken > 0, "{taken}");
    assert_eq!(lots(&pit, &taker), 10_000);
    let left = report(&mut pit, &taker);
    assert_eq!((left.gross_lots, left.owner_lots), (10_000 - taken, 10_000));
}
