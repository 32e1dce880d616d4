//! What each event says, to the micro-unit. That events and accounts agree is checked after every transaction of every
//! test; see `tests/src/reconcile.rs`.

use anchor_lang::prelude::AccountMeta;
use anchor_lang::solana_program::instruction::Instruction;
use estuary::event::{
    BalanceTransferred, BlockTraded, Deposited, FeesCharged, InsuranceFunded, MarketSettlement,
    MovedPosition, PositionsTransferred, PriceUsed, Settled, TradedLeg, Withdrawn,
};
use estuary::instructions::PositionTransfer;
use estuary::state::SeriesKind::{Call, Put};
use estuary_client::address::event_authority;
use estuary_tests::setup::{mantissa, BTC_PRICE, SOL_PRICE, USD};
use estuary_tests::trade::PERP;
use estuary_tests::{ix, ErrorCode, Event, Pit, Signer, Tamper, World};

const RICH: u64 = 10_000_000 * USD;

#[test]
fn deposits_and_withdrawals_tell_their_amounts_and_the_balance_left() {
    let (mut world, house) = World::with_house();
    let trader = house.trader(&mut world, 5 * USD);
    let deposit = ix::deposit(&house, &trader, 3 * USD);
    let event = world.send(deposit, &[&trader.owner]).event();
    let deposited = Deposited {
        clearinghouse: house.clearinghouse,
        margin_account: trader.account,
        mint: house.mint,
        source: trader.tokens,
        amount: 3 * USD,
        balance: 8_000_000,
    };
    assert_eq!(event, Event::Deposited(deposited));
    let withdraw = ix::withdraw(&house, &trader, 7 * USD, &[]);
    let event = world.send(withdraw, &[&trader.owner]).event();
    let withdrawn = Withdrawn {
        clearinghouse: house.clearinghouse,
        margin_account: trader.account,
        mint: house.mint,
        destination: trader.tokens,
        amount: 7 * USD,
        balance: 1_000_000,
    };
    assert_eq!(event, Event::Withdrawn(withdrawn));
}

#[test]
fn a_block_trade_tells_all_its_legs() {
    let mut pit = Pit::new(RICH, RICH);
    let call = pit.world.slot(pit.btc(), Call, 1, 110);
    let perp = pit.world.slot(pit.sol(), PERP.0, 0, 0);
    // In the order of the markets in the event, whatever the order of the legs.
    let legs = [
        pit.world.leg(pit.sol(), perp, -1_000, 201.0),
        pit.world.leg(pit.btc(), call, 50, 3_210.123_456_78),
    ];
    let event = pit.trade(&legs).event();
    let now = pit.world.now();
    let traded = BlockTraded {
        clearinghouse: pit.house.clearinghouse,
        taker: pit.taker.account,
        maker: pit.maker.account,
        taker_cash: RICH as i64 - 160_506_172,
        maker_cash: RICH as i64 + 160_506_172,
        prices: [(0, BTC_PRICE), (1, SOL_PRICE)]
            .map(|(market, price)| PriceUsed {
                market,
                price: mantissa(price),
                publish_time: now,
            })
            .to_vec(),
        fees: [0, 1]
            .map(|market| FeesCharged {
                market,
                ..FeesCharged::default()
            })
            .to_vec(),
        legs: vec![
            TradedLeg {
                market: 0,
                slot: call,
                generation: 1,
                lots: 50,
                price: mantissa(3_210.123_456_78),
                premium: 160_506_172,
                cost: 0,
            },
            TradedLeg {
                market: 1,
                slot: perp,
                generation: 1,
                lots: -1_000,
                price: mantissa(201.0),
                premium: 0,
                cost: 20_100_000_000,
            },
        ],
    };
    assert_eq!(event, Event::BlockTraded(traded));
}

#[test]
fn transfers_tell_what_moved() {
    let mut pit = Pit::new(RICH, RICH);
    let second = pit.house.sub_account(&mut pit.world, &pit.taker, 1, RICH);
    let cash = ix::transfer_cash(&pit.house, &pit.taker, &second, 5 * USD, &[]);
    let event = pit.world.send(cash, &[&pit.taker.owner]).event();
    let transferred = BalanceTransferred {
        clearinghouse: pit.house.clearinghouse,
        source: pit.taker.account,
        destination: second.account,
        bank: 0,
        amount: 5 * USD,
        source_balance: RICH as i64 - 5_000_000,
        destination_balance: RICH as i64 + 5_000_000,
    };
    assert_eq!(event, Event::BalanceTransferred(transferred));
    let perp = pit.world.slot(pit.sol(), PERP.0, 0, 0);
    let leg = pit.world.leg(pit.sol(), perp, -300, 199.0);
    pit.trade(&[leg]).ok();
    let transfer = PositionTransfer {
        market: leg.market,
        slot: perp,
        generation: 1,
        lots: -100,
    };
    let transfer =
        ix::transfer_positions(&pit.house, &pit.taker, &second, &[transfer], &[pit.sol()]);
    let event = pit.world.send(transfer, &[&pit.taker.owner]).event();
    let transferred = PositionsTransferred {
        clearinghouse: pit.house.clearinghouse,
        source: pit.taker.account,
        destination: second.account,
        positions: vec![MovedPosition {
            market: 1,
            slot: perp,
            generation: 1,
            lots: -100,
            cost: 1_990_000_000,
        }],
    };
    assert_eq!(event, Event::PositionsTransferred(transferred));
}

#[test]
fn a_liquidation_tells_what_was_taken_and_what_it_did() {
    let mut pit = Pit::new(2_000 * USD, RICH);
    let liquidator = pit.house.trader(&mut pit.world, RICH);
    let legs = [
        pit.btc_leg(PERP, 60),
        pit.btc_leg((Put, 1, 90), -20),
        pit.btc_leg((Call, 1, 110), -20),
    ];
    pit.trade(&legs).ok();
    let btc = pit.btc().clone();
    let mut price = BTC_PRICE;
    let before = loop {
        price -= 500.0;
        pit.world.pass(1);
        pit.world.set_price(&btc, price);
        let report = pit.world.report(&pit.taker, &[&btc]);
        if report.is_liquidatable() {
            break report;
        }
    };
    let outcome = pit
        .world
        .liquidate(&pit.house, &liquidator, &pit.taker, &pit.markets);
    let Event::Liquidated(event) = outcome.event() else {
        panic!("a liquidation");
    };
    assert_eq!(event.clearinghouse, pit.house.clearinghouse);
    assert_eq!(event.liquidated, pit.taker.account);
    assert_eq!(event.liquidator, liquidator.account);
    let after = pit.world.report(&pit.taker, &[&btc]);
    for (told, report) in [(event.before, before), (event.after, after)] {
        assert_eq!(told.equity, report.equity.0);
        assert_eq!(told.initial_margin, report.initial_margin.0);
        assert_eq!(told.maintenance_margin, report.maintenance_margin.0);
    }
    assert_eq!(event.liquidated_cash, pit.world.cash(&pit.taker));
    assert_eq!(event.liquidator_cash, pit.world.cash(&liquidator));
    assert!(!event.positions.is_empty());
    let discount: i64 = event.positions.iter().map(|taken| taken.discount).sum();
    assert!(discount > 0 && discount <= event.before.equity);
    // What the account loses is the discount, but for the rounding of values.
    let lost = event.before.equity - event.after.equity;
    assert!((lost - discount).abs() <= 8, "{lost} {discount}");
}

#[test]
fn nobody_else_emits_events() {
    let (mut world, house) = World::with_house();
    let trader = house.trader(&mut world, USD);
    // What the program sends itself, sent from outside: the authority cannot sign.
    let mut forged = Instruction {
        program_id: estuary::ID,
        accounts: vec![AccountMeta::new_readonly(event_authority(), false)],
        data: anchor_lang::event::EVENT_IX_TAG_LE.to_vec(),
    };
    world
        .send(forged.clone(), &[])
        .refused_by_anchor(ErrorCode::ConstraintSigner);
    // Nor is another signer the authority.
    forged.accounts = vec![AccountMeta::new_readonly(trader.owner.pubkey(), true)];
    world
        .send(forged, &[&trader.owner])
        .refused_by_anchor(ErrorCode::ConstraintSeeds);
    let deposit = ix::deposit(&house, &trader, USD);
    let wrong = deposit.replacing(&event_authority(), &house.bank);
    world
        .send(wrong, &[&trader.owner])
        .refused_by_anchor(ErrorCode::ConstraintAddress);
}

#[test]
fn settlement_tells_what_became_of_profit_and_loss() {
    let mut pit = Pit::new(RICH, RICH);
    let leg = pit.sol_leg(PERP, 1_000);
    pit.trade(&[leg]).ok();
    let sol = pit.sol().clone();
    pit.world.pass(1);
    pit.world.set_price(&sol, SOL_PRICE * 1.1);
    let gain = 2_000 * USD as i64;
    let Pit {
        world,
        house,
        taker,
        maker,
        ..
    } = &mut pit;
    let clearinghouse = house.clearinghouse;
    let event = world.settle(house, taker, &sol, true).event();
    let settled = |margin_account, variation, settlement, cash| Settled {
        clearinghouse,
        margin_account,
        variation,
        settlement,
        cash,
        exercised: Vec::new(),
    };
    let registered = MarketSettlement {
        market: sol.index,
        registered: gain,
        ..MarketSettlement::default()
    };
    let registered = settled(taker.account, gain, registered, RICH as i64);
    assert_eq!(event, Event::Settled(registered));
    let event = world.settle(house, maker, &sol, true).event();
    let paid = MarketSettlement {
        market: sol.index,
        paid: gain,
        ..MarketSettlement::default()
    };
    let paid = settled(maker.account, -gain, paid, RICH as i64 - gain);
    assert_eq!(event, Event::Settled(paid));
    let fund = ix::fund_insurance(house, maker, 5 * USD);
    let event = world.send(fund, &[&maker.owner]).event();
    let funded = InsuranceFunded {
        clearinghouse: house.clearinghouse,
        source: maker.tokens,
        amount: 5 * USD,
        insurance: 5 * USD,
    };
    assert_eq!(event, Event::InsuranceFunded(funded));
}
