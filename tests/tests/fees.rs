//! Trading fees: what each side is charged, what becomes of a fee that cash does not cover, and where fees go.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test that overflows fails"
)]

use estuary::event::{Fee, FeesCharged, FeesSwept, MarketSettlement};
use estuary::instructions::{PositionTransfer, TradeLeg};
use estuary::state::claims::{CLAIM_WINDOW, SHARE_WAIT};
use estuary::state::SeriesKind::Call;
use estuary::state::{Bank, MarketLedger};
use estuary_risk::units::{traded_value_down, Price};
use estuary_tests::books::Holding;
use estuary_tests::setup::{mantissa, sol_args, Fees, SOL_PRICE, USD, USUAL_FEES};
use estuary_tests::trade::PERP;
use estuary_tests::{ix, token, EstuaryError as E, Event, Outcome, Pit, Signer, Trader, World};

const RICH: u64 = 10_000_000 * USD;
/// 100 SOL: 20,000 dollars, of which a taker pays 10 and a maker 4.
const LOTS: i64 = 1_000;
const TAKER_FEE: i64 = 10 * USD as i64;
const MAKER_FEE: i64 = 4 * USD as i64;

fn pit() -> Pit {
    Pit::with_fees(RICH, RICH, USUAL_FEES)
}

fn ledger(pit: &Pit) -> MarketLedger {
    pit.world.read(&pit.sol().ledger)
}

fn bank(pit: &Pit) -> Bank {
    pit.world.read(&pit.house.addresses.bank)
}

fn carry(pit: &Pit, trader: &Trader) -> i64 {
    let account = pit.world.account(trader);
    let unsettled = account.unsettled_in(pit.sol().index);
    unsettled.map_or(0, |one| one.carry)
}

/// Trades in SOL and returns what the event says was charged.
fn charged(pit: &mut Pit, legs: &[TradeLeg]) -> FeesCharged {
    let Event::BlockTraded(traded) = pit.trade(legs).event() else {
        panic!("a trade");
    };
    let [fees] = traded.fees[..] else {
        panic!("one market");
    };
    assert_eq!(fees.market, pit.sol().index);
    fees
}

fn settled(outcome: Outcome) -> MarketSettlement {
    let Event::Settled(settled) = outcome.event() else {
        panic!("a settlement");
    };
    settled.settlement
}

fn settle(pit: &mut Pit, trader: &Trader, variation: bool) -> MarketSettlement {
    let sol = pit.sol().clone();
    settled(pit.world.settle(&pit.house, trader, &sol, variation))
}

const fn paid(paid: i64) -> Fee {
    Fee { paid, unpaid: 0 }
}

#[test]
fn both_sides_pay_their_rate_of_the_underlying_at_spot() {
    let mut pit = pit();
    // A dollar off mark: the fee does not depend on the price of the leg.
    let leg = TradeLeg {
        price: mantissa(201.0),
        ..pit.sol_leg(PERP, LOTS)
    };
    let fees = charged(&mut pit, &[leg]);
    assert_eq!(fees.taker, paid(TAKER_FEE));
    assert_eq!(fees.maker, paid(MAKER_FEE));
    assert_eq!(pit.world.cash(&pit.taker), RICH as i64 - TAKER_FEE);
    assert_eq!(pit.world.cash(&pit.maker), RICH as i64 - MAKER_FEE);
    assert_eq!(ledger(&pit).fees, (TAKER_FEE + MAKER_FEE) as u64);
    assert_eq!(ledger(&pit).fees_unpaid, 0);
    assert_eq!(bank(&pit).deposits, 2 * RICH, "fees are still deposits");
    // A sale costs what a purchase does.
    let leg = pit.sol_leg(PERP, -LOTS);
    assert_eq!(charged(&mut pit, &[leg]).taker, paid(TAKER_FEE));
}

#[test]
fn fees_are_rounded_up_to_the_micro_unit() {
    let mut pit = pit();
    let sol = pit.sol().clone();
    // A hundred-millionth of a dollar above 200: three lots of 0.1 are worth 60.000000003.
    pit.world.pass(1);
    pit.world.set_price(&sol, 200.000_000_01);
    let leg = pit.sol_leg(PERP, 3);
    let fees = charged(&mut pit, &[leg]);
    assert_eq!((fees.taker, fees.maker), (paid(30_001), paid(12_001)));
    // At 200 they are exact.
    pit.world.pass(1);
    pit.world.set_price(&sol, SOL_PRICE);
    let leg = pit.sol_leg(PERP, 3);
    let fees = charged(&mut pit, &[leg]);
    assert_eq!((fees.taker, fees.maker), (paid(30_000), paid(12_000)));
}

#[test]
fn an_option_costs_at_most_a_share_of_its_premium() {
    let mut pit = pit();
    // 50 lots of 0.1 at 0.4 and a hundred-millionth: 2 dollars, of which an eighth is 0.25000000625.
    let cheap = TradeLeg {
        price: mantissa(0.400_000_01),
        ..pit.sol_leg((Call, 0, 125), 50)
    };
    let fees = charged(&mut pit, &[cheap]);
    assert_eq!(fees.taker, paid(250_001));
    // The maker's rate on 1,000 dollars is less than that.
    assert_eq!(fees.maker, paid(200_000));
    let free = TradeLeg { price: 0, ..cheap };
    let fees = charged(&mut pit, &[free]);
    assert_eq!((fees.taker, fees.maker), (paid(0), paid(0)));
    // A dear one costs the rate.
    let dear = pit.sol_leg((Call, 2, 75), 50);
    let fees = charged(&mut pit, &[dear]);
    assert_eq!((fees.taker, fees.maker), (paid(500_000), paid(200_000)));
    // Each leg is rounded and capped by itself.
    let perp = pit.sol_leg(PERP, LOTS);
    let free = TradeLeg {
        price: 0,
        ..pit.sol_leg((Call, 0, 120), 50)
    };
    let fees = charged(&mut pit, &[cheap, free, perp]);
    assert_eq!(fees.taker, paid(250_001 + TAKER_FEE));
}

#[test]
fn each_market_keeps_its_own_fees() {
    let mut pit = pit();
    let legs = [pit.btc_leg(PERP, 100), pit.sol_leg(PERP, LOTS)];
    let Event::BlockTraded(traded) = pit.trade(&legs).event() else {
        panic!("a trade");
    };
    // 0.1 BTC is half of 100 SOL.
    let charged = |market, part| FeesCharged {
        market,
        taker: paid(TAKER_FEE / part),
        maker: paid(MAKER_FEE / part),
    };
    assert_eq!(traded.fees, [charged(0, 2), charged(1, 1)]);
    let btc: MarketLedger = pit.world.read(&pit.btc().ledger);
    assert_eq!(btc.fees, ledger(&pit).fees / 2);
}

#[test]
fn the_margin_is_checked_after_the_fee() {
    let mut probe = pit();
    let leg = probe.sol_leg(PERP, LOTS);
    probe.trade(&[leg]).ok();
    let report = probe.world.report(&probe.taker, &[probe.sol()]);
    let needed = (report.initial_margin.0 + TAKER_FEE).unsigned_abs();
    let mut short = Pit::with_fees(needed - 1, RICH, USUAL_FEES);
    short.refuse(&[leg], E::BelowInitialMargin);
    let mut enough = Pit::with_fees(needed, RICH, USUAL_FEES);
    enough.trade(&[leg]).ok();
}

#[test]
fn a_weak_account_loses_the_fee_and_nothing_else() {
    let mut pit = pit();
    let sol = pit.sol().clone();
    let buy = pit.sol_leg(PERP, LOTS);
    pit.trade(&[buy]).ok();
    let report = pit.world.report(&pit.taker, &[&sol]);
    let free = report.health_initial().expect("health").0.unsigned_abs();
    let withdraw = ix::withdraw(&pit.house, &pit.taker, free, &[&sol]);
    pit.world.send(withdraw, &[&pit.taker.owner]).ok();
    pit.world.pass(1);
    pit.world.set_price(&sol, 0.98 * SOL_PRICE);
    let weak = pit.world.report(&pit.taker, &[&sol]);
    assert!(weak.equity < weak.initial_margin && !weak.is_liquidatable());
    // A worse price is no fee.
    let sell = pit.sol_leg(PERP, -100);
    let worse = TradeLeg {
        price: sell.price - 1,
        ..sell
    };
    pit.refuse(&[worse], E::WeakAccountLegWorseThanMark);
    // What costs more than it helps is refused: a perp for a future of the same delta.
    let future = pit.sol_leg((estuary::state::SeriesKind::Future, 0, 0), 100);
    pit.refuse(&[sell, future], E::WeakAccountHealthFalls);
    let fees = charged(&mut pit, &[sell]);
    // A tenth of the lots at 98% of the price.
    assert_eq!(fees.taker, paid(TAKER_FEE * 98 / 1_000));
    let after = pit.world.report(&pit.taker, &[&sol]);
    assert_eq!(after.equity.0, weak.equity.0 - fees.taker.paid);
    // As maker too.
    std::mem::swap(&mut pit.taker, &mut pit.maker);
    let buy = pit.sol_leg(PERP, 100);
    assert_eq!(
        charged(&mut pit, &[buy]).maker,
        paid(MAKER_FEE * 98 / 1_000)
    );
}

/// A taker without cash: all of it went into calls.
fn without_cash(pit: &mut Pit) -> Trader {
    let call = pit.sol_leg((Call, 2, 75), LOTS);
    let args = &pit.sol().args;
    let premium = traded_value_down(
        Price(call.price),
        args.price_exponent,
        args.lot_size,
        call.lots,
    );
    let premium = premium.expect("a premium").0;
    let cash = (premium + TAKER_FEE).unsigned_abs();
    let trader = pit.house.trader(&mut pit.world, cash);
    let sides = [&trader, &pit.maker];
    pit.world
        .trade(&pit.house, sides, &[call], &pit.markets)
        .ok();
    assert_eq!(pit.world.cash(&trader), 0);
    trader
}

/// An account without cash hedges its calls and owes the fee, half of [`TAKER_FEE`].
fn with_unpaid_fee() -> Pit {
    let mut pit = pit();
    pit.taker = without_cash(&mut pit);
    let hedge = pit.sol_leg(PERP, -LOTS / 2);
    let fees = charged(&mut pit, &[hedge]);
    let unpaid = Fee {
        paid: 0,
        unpaid: TAKER_FEE / 2,
    };
    assert_eq!((fees.taker, fees.maker), (unpaid, paid(MAKER_FEE / 2)));
    pit
}

#[test]
fn what_cash_does_not_cover_is_owed_and_paid_later() {
    let mut pit = with_unpaid_fee();
    let payer = pit.taker.clone();
    let owed = TAKER_FEE / 2;
    assert_eq!(carry(&pit, &payer), -owed);
    assert_eq!(ledger(&pit).fees_unpaid, owed as u64);
    let before = ledger(&pit).fees;
    // The fee is owed all the same: with a part in cash, then the rest.
    let sol = pit.sol().clone();
    for (amount, left) in [(1, owed - 1), (2 * owed - 1, 0)] {
        let deposit = ix::deposit(&pit.house, &payer, amount as u64);
        pit.world.send(deposit, &[&payer.owner]).ok();
        let equity = pit.world.report(&payer, &[&sol]).equity;
        let settled = settle(&mut pit, &payer, false);
        assert_eq!(settled.fees_collected, settled.paid as u64);
        assert_eq!(settled.carry, -left);
        assert_eq!(pit.world.report(&payer, &[&sol]).equity, equity);
        assert_eq!(ledger(&pit).fees_unpaid, left as u64);
    }
    assert_eq!(ledger(&pit).fees, before + owed as u64);
    assert_eq!(ledger(&pit).claims, Default::default());
    assert_eq!(pit.world.cash(&payer), owed);
    // Part in cash, part not.
    let unhedge = pit.sol_leg(PERP, 550);
    let fees = charged(&mut pit, &[unhedge]);
    let half = Fee {
        paid: owed,
        unpaid: TAKER_FEE * 55 / 100 - owed,
    };
    assert_eq!(fees.taker, half);
}

#[test]
fn an_exit_never_fails_for_lack_of_cash() {
    let mut pit = with_unpaid_fee();
    let payer = pit.taker.clone();
    // Out of the hedge, then out of the calls, whose premium pays what it can.
    let close = pit.sol_leg(PERP, LOTS / 2);
    let fees = charged(&mut pit, &[close]);
    assert_eq!(fees.taker.unpaid, TAKER_FEE / 2);
    assert_eq!(carry(&pit, &payer), -TAKER_FEE);
    let call = pit.sol_leg((Call, 2, 75), -LOTS);
    let fees = charged(&mut pit, &[call]);
    assert_eq!(fees.taker, paid(TAKER_FEE));
    let settled = settle(&mut pit, &payer, false);
    assert_eq!((settled.paid, settled.carry), (TAKER_FEE, 0));
    let all = pit.world.cash(&payer).unsigned_abs();
    let withdraw = ix::withdraw(&pit.house, &payer, all, &[]);
    pit.world.send(withdraw, &[&payer.owner]).ok();
    let close = ix::close_account(&pit.house, &payer);
    pit.world.send(close, &[&payer.owner]).ok();
}

#[test]
fn premium_is_not_bought_with_an_unpaid_fee() {
    let mut pit = pit();
    pit.taker = without_cash(&mut pit);
    let call = pit.sol_leg((Call, 2, 75), 1);
    let args = &pit.sol().args;
    let premium = traded_value_down(Price(call.price), args.price_exponent, args.lot_size, 1);
    let premium = premium.expect("a premium").0.unsigned_abs();
    let deposit = ix::deposit(&pit.house, &pit.taker, premium);
    pit.world.send(deposit, &[&pit.taker.owner]).ok();
    pit.refuse(&[call], E::SeniorNegative);
    // The fee of a lot: 0.01 dollars.
    let deposit = ix::deposit(&pit.house, &pit.taker, 10_000);
    pit.world.send(deposit, &[&pit.taker.owner]).ok();
    assert_eq!(charged(&mut pit, &[call]).taker, paid(10_000));
}

#[test]
fn claims_are_served_before_fees() {
    let mut pit = with_unpaid_fee();
    let payer = pit.taker.clone();
    let owed = TAKER_FEE / 2;
    let sol = pit.sol().clone();
    let winner = pit.house.trader(&mut pit.world, RICH);
    let loser = pit.house.trader(&mut pit.world, RICH);
    let leg = pit.sol_leg(PERP, LOTS);
    let Pit {
        world,
        house,
        markets,
        ..
    } = &mut pit;
    world.trade(house, [&winner, &loser], &[leg], markets).ok();
    world.pass(1);
    world.set_price(&sol, 1.01 * SOL_PRICE);
    let gain = 200 * USD as i64;
    assert_eq!(settle(&mut pit, &winner, true).registered, gain);
    // What the payer brings goes to the claim; its fee is then owed by whoever loses.
    let deposit = ix::deposit(&pit.house, &payer, owed as u64);
    pit.world.send(deposit, &[&payer.owner]).ok();
    let settled = settle(&mut pit, &payer, false);
    assert_eq!((settled.paid, settled.fees_collected), (owed, 0));
    let before = ledger(&pit).fees;
    let settled = settle(&mut pit, &loser, true);
    assert_eq!((settled.paid, settled.fees_collected), (gain, owed as u64));
    assert_eq!(ledger(&pit).fees, before + owed as u64);
    assert_eq!(ledger(&pit).fees_unpaid, 0);
    pit.world.pass(2 * CLAIM_WINDOW);
    assert_eq!(settle(&mut pit, &winner, false).collected, gain);
    assert_eq!(ledger(&pit).claims, Default::default());
}

#[test]
fn unpaid_fees_are_given_up_before_anyone_bears_a_loss() {
    let mut pit = with_unpaid_fee();
    let owed = TAKER_FEE / 2;
    let sol = pit.sol().clone();
    let winner = pit.house.trader(&mut pit.world, 10_000 * USD);
    let loser = pit.house.trader(&mut pit.world, 10_000 * USD);
    let perp = pit.world.slot(&sol, PERP.0, 0, 0);
    // Bought at 200 dollars and sold at 302 to each other without anybody asking for margin.
    for (lots, cost) in [(LOTS, -20_000), (-LOTS, 30_200)] {
        let holding = Holding {
            slot: perp,
            lots,
            cost: cost * USD as i64,
        };
        pit.world.hold(&winner, &loser, &sol, &[holding]);
    }
    let settled = settle(&mut pit, &loser, false);
    let loss = 200 * USD as i64;
    assert_eq!(settled.paid, 10_000 * USD as i64);
    assert_eq!((settled.fees_waived, settled.insured), (owed, 0));
    assert_eq!(settled.socialised, loss - owed);
    assert_eq!(ledger(&pit).fees_unpaid, 0);
    // A loss no larger than the unpaid fees needs neither insurance nor its bank.
    let mut pit = with_unpaid_fee();
    let sol = pit.sol().clone();
    let loser = pit.house.trader(&mut pit.world, 0);
    for (lots, cost) in [(LOTS, -owed), (-LOTS, 0)] {
        let holding = Holding {
            slot: perp,
            lots,
            cost,
        };
        let winner = pit.maker.clone();
        pit.world.hold(&loser, &winner, &sol, &[holding]);
    }
    let without = ix::settle(&pit.house, &loser, &sol, false, false);
    let settled = self::settled(pit.world.send(without, &[]));
    assert_eq!((settled.fees_waived, settled.socialised), (owed, 0));
}

#[test]
fn fees_charged_while_a_loss_waits_are_given_up_for_it() {
    let mut pit = pit();
    pit.taker = without_cash(&mut pit);
    let sol = pit.sol().clone();
    let loser = pit.house.trader(&mut pit.world, 0);
    let (maker, owed) = (pit.maker.clone(), TAKER_FEE / 2);
    let perp = pit.world.slot(&sol, PERP.0, 0, 0);
    // The fee is a part of the first loss, and more than the second.
    for (loss, waits, left) in [(owed + 7, 7, 0), (3, 0, owed - 3)] {
        pit.world.shift(&maker, &loser, &sol, perp, loss);
        let settled = settle(&mut pit, &loser, true);
        assert_eq!((settled.fees_waived, settled.socialised), (0, loss));
        let hedge = pit.sol_leg(PERP, -LOTS / 2);
        charged(&mut pit, &[hedge]);
        let settled = settle(&mut pit, &maker, false);
        let waived = loss - waits;
        assert_eq!((settled.fees_waived, settled.socialised), (waived, -waived));
        let books = ledger(&pit);
        assert_eq!(books.fees_unpaid, left as u64);
        assert_eq!(books.claims.loss_to_share, waits as u64);
        assert_eq!(books.claims.share_after == 0, waits == 0);
        pit.world.pass(SHARE_WAIT);
        pit.world.set_price(&sol, SOL_PRICE);
        let _ = pit.world.settle(&pit.house, &maker, &sol, false);
        assert_eq!(ledger(&pit).claims.loss_to_share, 0);
    }
}

#[test]
fn transfers_and_liquidations_cost_no_fee() {
    let mut pit = pit();
    let sol = pit.sol().clone();
    let leg = pit.sol_leg(PERP, LOTS);
    pit.trade(&[leg]).ok();
    let fees = ledger(&pit).fees;
    let (house, world) = (&pit.house, &mut pit.world);
    let second = house.sub_account(world, &pit.taker, 1, 15_000 * USD);
    let moved = PositionTransfer {
        market: sol.index,
        slot: leg.slot,
        generation: leg.generation,
        lots: LOTS,
    };
    let transfer = ix::transfer_positions(house, &pit.taker, &second, &[moved], &[&sol]);
    world.send(transfer, &[&pit.taker.owner]).ok();
    assert_eq!(world.cash(&second), 15_000 * USD as i64);
    world.pass(1);
    world.set_price(&sol, 0.3 * SOL_PRICE);
    world
        .liquidate(house, &pit.maker, &second, &pit.markets)
        .ok();
    assert_eq!(ledger(&pit).fees, fees);
    assert_eq!(ledger(&pit).fees_unpaid, 0);
}

#[test]
fn fees_are_swept_and_a_share_insures() {
    let mut pit = pit();
    let sol = pit.sol().clone();
    pit.world.pass(1);
    pit.world.set_price(&sol, 200.000_000_01);
    let legs = [pit.btc_leg(PERP, 100), pit.sol_leg(PERP, 3)];
    pit.trade(&legs).ok();
    let fees = ledger(&pit).fees;
    assert_eq!(fees, 42_002);
    let deposits = bank(&pit).deposits;
    let stranger = pit.world.keypair();
    let tokens = token::token_account(pit.house.mint, stranger.pubkey(), 0);
    let destination = pit.world.place(tokens);
    let sweep = ix::sweep_fees(&pit.house, &sol, destination);
    let event = pit
        .world
        .send(sweep.clone(), &[&pit.house.authority])
        .event();
    // A quarter, rounded up.
    let swept = FeesSwept {
        clearinghouse: pit.house.clearinghouse,
        market: sol.index,
        destination,
        paid_out: 31_501,
        insured: 10_501,
        insurance: 10_501,
    };
    assert_eq!(event, Event::FeesSwept(swept));
    assert_eq!(pit.world.tokens(&destination), 31_501);
    assert_eq!(bank(&pit).insurance, 10_501);
    assert_eq!(bank(&pit).deposits, deposits - fees);
    assert_eq!(ledger(&pit).fees, 0);
    pit.world
        .send(sweep, &[&pit.house.authority])
        .refused(E::NoFeesToSweep);
    let btc: MarketLedger = pit.world.read(&pit.btc().ledger);
    assert_eq!(btc.fees, ((TAKER_FEE + MAKER_FEE) / 2) as u64);
}

#[test]
fn a_market_with_bad_fees_is_refused_by_name() {
    let (mut world, house) = World::with_house();
    let most = Fees {
        maker_ppm: 10_000,
        taker_ppm: 10_000,
        option_cap_ppm: 1_000_000,
    };
    let mut maker = most;
    maker.maker_ppm += 1;
    let mut taker = most;
    taker.taker_ppm += 1;
    let mut cap = most;
    cap.option_cap_ppm += 1;
    for (fees, error) in [
        (maker, E::MakerFeeInvalid),
        (taker, E::TakerFeeInvalid),
        (cap, E::OptionFeeCapInvalid),
    ] {
        let create = ix::create_market(&house, &fees.of(sol_args()));
        world.send(create, &[&house.authority]).refused(error);
    }
    house.create_market(&mut world, &most.of(sol_args()), SOL_PRICE);
}
