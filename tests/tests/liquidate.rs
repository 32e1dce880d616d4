//! What a liquidation takes and leaves, and that it starts at the line and not a micro-unit before it.

use estuary::instructions::{AcceptedPrice, LiquidateArgs};
use estuary::state::SeriesKind::{Call, Future, Put};
use estuary::state::{Bank, MarketLedger};
use estuary_risk::margin::MarginReport;
use estuary_tests::setup::{BTC_PRICE, SOL_PRICE, USD};
use estuary_tests::trade::PERP;
use estuary_tests::{ix, EstuaryError as E, Event, Holding, Outcome, Pit, Trader, World};

const RICH: u64 = 10_000_000 * USD;
/// Micro-units that the rounding of marks may move.
const ROUNDING: i64 = 20;

/// Equity less maintenance margin.
fn health(report: &MarginReport) -> i64 {
    report.health_maintenance().expect("health").0
}

/// A pit whose maker has sold to the taker, and a liquidator.
struct Stage {
    pit: Pit,
    liquidator: Trader,
}

impl Stage {
    /// The taker holds perps of BTC; see [`Stage::of`].
    fn perps(lots: i64, health: i64) -> Self {
        Self::of(&[(PERP, lots)], health)
    }

    /// The taker holds these lots of BTC series, and a perp's unsettled profit or loss that makes its maintenance
    /// health exactly `health`.
    fn of(book: &[((estuary::state::SeriesKind, u8, u64), i64)], health: i64) -> Self {
        let mut pit = Pit::new(10_000 * USD, RICH);
        let liquidator = pit.house.trader(&mut pit.world, RICH);
        let btc = pit.btc().clone();
        let perp = pit.world.slot(&btc, PERP.0, 0, 0);
        for (series, lots) in book {
            let leg = pit.btc_leg(*series, *lots);
            let holding = Holding {
                slot: leg.slot,
                lots: *lots,
                cost: 0,
            };
            pit.world.hold(&pit.taker, &pit.maker, &btc, &[holding]);
        }
        let mut stage = Self { pit, liquidator };
        let missing = health - self::health(&stage.report());
        let pit = &mut stage.pit;
        pit.world.shift(&pit.taker, &pit.maker, &btc, perp, missing);
        assert_eq!(self::health(&stage.report()), health);
        stage
    }

    fn report(&self) -> MarginReport {
        self.report_of(&self.pit.taker)
    }

    fn report_of(&self, trader: &Trader) -> MarginReport {
        let pit = &self.pit;
        pit.world
            .report(trader, &pit.world.needed(&[trader], &[], &pit.markets))
    }

    fn liquidate(&mut self) -> Outcome {
        self.liquidate_by(LiquidateArgs::anything())
    }

    fn liquidate_within(&mut self, max_notional: u64) -> Outcome {
        self.liquidate_by(LiquidateArgs {
            max_notional,
            ..LiquidateArgs::anything()
        })
    }

    fn liquidate_by(&mut self, args: LiquidateArgs) -> Outcome {
        let pit = &mut self.pit;
        let sides = [&self.liquidator, &pit.taker];
        let markets = pit.world.needed(&sides, &[], &pit.markets);
        let [by, of] = sides;
        let liquidate = ix::liquidate_within(&pit.house, by, of, args, &markets);
        pit.world.send(liquidate, &[&by.owner])
    }

    /// Liquidates once and checks what has to hold of every step. Returns the discount paid.
    fn step(&mut self) -> i64 {
        let (before, others) = (self.report(), self.report_of(&self.liquidator));
        let cash = self.pit.world.cash(&self.pit.taker);
        let outcome = self.liquidate();
        let used = outcome.compute_units();
        let Event::Liquidated(told) = outcome.event() else {
            panic!("a liquidation");
        };
        let (after, others_after) = (self.report(), self.report_of(&self.liquidator));
        assert!(before.is_liquidatable());
        assert!(health(&after) > health(&before), "{before:?}\n{after:?}");
        // A loss that nobody is left to pay is the account's no more.
        let lost: i64 = told
            .settlements
            .iter()
            .map(|one| one.insured + one.socialised)
            .sum();
        let discount = before.equity.0 - (after.equity.0 - lost);
        assert!(discount >= -ROUNDING && discount <= before.equity.0.max(0) + ROUNDING);
        // A quarter of the discount goes to the insurance fund.
        assert!((told.insured - discount / 4).abs() <= ROUNDING);
        let earned = others_after.equity.0 - others.equity.0;
        assert!(
            (earned + told.insured - discount).abs() <= ROUNDING,
            "{earned} of {discount}"
        );
        assert!(others_after.equity >= others_after.initial_margin);
        assert!(self.pit.world.cash(&self.pit.taker) >= 0.min(cash));
        assert!(used < 1_250_000, "{used}");
        discount
    }
}

#[test]
fn a_healthy_account_cannot_be_liquidated_and_one_micro_unit_less_can() {
    for lots in [1_000, -1_000] {
        let mut on_the_line = Stage::perps(lots, 0);
        on_the_line.liquidate().refused(E::NotLiquidatable);
        let mut above = Stage::perps(lots, 1);
        above.liquidate().refused(E::NotLiquidatable);
        let mut below = Stage::perps(lots, -1);
        below.step();
    }
}

#[test]
fn a_step_stops_at_the_target() {
    let mut stage = Stage::perps(1_000, -1);
    stage.step();
    let after = stage.report();
    let target = after.liquidation_target().expect("a target");
    assert!(after.equity >= target, "{after:?}");
    // One lot less would not have been enough: the step is as small as it can be, within one lot's margin.
    let lot = after.initial_margin.0 / 900;
    assert!(after.equity.0 - target.0 <= 2 * lot, "{after:?}");
    stage.liquidate().refused(E::NotLiquidatable);
}

#[test]
fn the_discount_is_at_most_the_equity() {
    let mut poor = Stage::perps(1_000, -1);
    // The perp alone needs 12,800; leave the account 3 dollars.
    let equity = poor.report().equity.0;
    let (pit, perp) = (&mut poor.pit, 0);
    let btc = pit.btc().clone();
    let take = 3 * USD as i64 - equity;
    pit.world.shift(&pit.taker, &pit.maker, &btc, perp, take);
    let discount = poor.step();
    assert!((0..=3 * USD as i64).contains(&discount), "{discount}");
    assert!(poor.report().equity.0 >= -ROUNDING);
}

#[test]
fn an_account_below_zero_pays_no_discount() {
    let mut stage = Stage::perps(1_000, -20_000 * USD as i64);
    let before = stage.report();
    assert!(before.equity.0 < 0);
    let discount = stage.step();
    assert!(discount.abs() <= ROUNDING);
}

#[test]
fn what_a_bankrupt_account_cannot_pay_is_recognised_when_its_last_position_goes() {
    let mut stage = Stage::perps(1_000, -20_000 * USD as i64);
    let owed = -stage.report().equity.0;
    assert!(owed > 0);
    let Pit {
        world,
        house,
        markets,
        taker,
        maker,
    } = &mut stage.pit;
    let fund = ix::fund_insurance(house, maker, owed as u64 - 5);
    world.send(fund, &[&maker.owner]).ok();
    let event = world
        .liquidate(house, &stage.liquidator, taker, markets)
        .event();
    let Event::Liquidated(event) = event else {
        panic!("a liquidation");
    };
    let done = event.settlements[0];
    assert_eq!(done.insured, owed - 5);
    assert!((done.socialised - 5).abs() <= ROUNDING);
    let account = world.account(taker);
    assert_eq!((account.cash(), account.marked), (0, 0));
    assert_eq!(account.markets().expect("markets").len(), 0);
    let ledger: MarketLedger = world.read(&markets[0].ledger);
    assert_eq!(ledger.claims.loss_to_share, done.socialised as u64);
    let bank: Bank = world.read(&house.addresses.bank);
    assert_eq!(bank.insurance, 0);
}

#[test]
fn an_account_below_zero_with_positions_left_is_marked_until_it_is_paid_up() {
    // Short options of which the liquidator wants only some.
    let mut stage = Stage::of(&[((Call, 1, 105), -6_000)], -1);
    let deficit = health(&stage.report()) - stage.report().equity.0;
    let pit = &mut stage.pit;
    let btc = pit.btc().clone();
    pit.world
        .shift(&pit.taker, &pit.maker, &btc, 0, deficit - USD as i64);
    assert!(stage.report().equity.0 < 0);
    stage.liquidate_within(100_000 * USD).ok();
    let Pit {
        world,
        house,
        markets,
        taker,
        ..
    } = &mut stage.pit;
    let account = world.account(taker);
    assert!(account.position_count > 0, "5,000 of the calls are left");
    assert_eq!(account.marked, 1 << btc.index);
    let ledger = |world: &World| world.read::<MarketLedger>(&btc.ledger).claims.unresolved;
    assert_eq!(ledger(world), 1);
    // Paid up, anyone takes the mark away.
    let deposit = ix::deposit(house, taker, 1_000_000 * USD);
    world.send(deposit, &[&taker.owner]).ok();
    let mark = ix::mark_account(house, taker, &[&markets[0]]);
    world.send(mark, &[]).ok();
    assert_eq!(world.account(taker).marked, 0);
    assert_eq!(ledger(world), 0);
}

#[test]
fn premium_that_cash_does_not_pay_is_owed_in_the_option_s_market() {
    // All that the account has is an unsettled gain, and no cash to buy its short calls back.
    let mut stage = Stage::of(&[((Call, 1, 105), -600)], -1);
    let btc = stage.pit.btc().index;
    let before = stage.pit.world.account(&stage.pit.taker).cash();
    assert_eq!(before, 10_000 * USD as i64);
    let world = &mut stage.pit.world;
    world.adjust_cash(&stage.pit.taker, -before);
    world.adjust_cash(&stage.liquidator, before);
    let gain = before;
    let perp = world.slot(&stage.pit.markets[0], PERP.0, 0, 0);
    let market = stage.pit.markets[0].clone();
    world.shift(&stage.pit.taker, &stage.pit.maker, &market, perp, gain);
    assert!(stage.report().is_liquidatable());
    let carry = |stage: &Stage| {
        let account = stage.pit.world.account(&stage.pit.taker);
        account.unsettled_in(btc).map_or(0, |one| one.carry)
    };
    let gain_before = carry(&stage);
    stage.step();
    let world = &stage.pit.world;
    let [taker, liquidator] = [&stage.pit.taker, &stage.liquidator].map(|one| world.account(one));
    assert_eq!(taker.cash(), 0);
    assert!(taker.lots(btc, world.slot(&market, Call, 1, 105)) > -600);
    let gained = liquidator.unsettled_in(btc).map_or(0, |one| one.carry);
    assert!(gained > 0, "{gained}");
    let left = taker.unsettled_in(btc).map_or(0, |one| one.carry);
    assert_eq!(left, gain_before - gained);
}

#[test]
fn the_liquidator_says_how_much_it_takes_at_most() {
    let lot = (BTC_PRICE / 1_000.0) as u64 * USD;
    let mut stage = Stage::perps(1_000, -100 * USD as i64);
    stage.liquidate_within(0).refused(E::AmountZero);
    stage
        .liquidate_within(lot - 1)
        .refused(E::LiquidationSizeTooSmall);
    for lots in [1u64, 7, 20] {
        let held = |stage: &Stage| {
            let account = stage.pit.world.account(&stage.pit.taker);
            account.open_positions()[0].lots
        };
        let before = held(&stage);
        stage.liquidate_within(lots * lot + lot / 2).ok();
        assert_eq!(before - held(&stage), lots as i64);
    }
    // And of an account below zero, as large a part of everything.
    let mut stage = Stage::of(&[((Call, 1, 105), -6_000), (PERP, 600)], -1);
    let loss = stage.report().equity.0 + USD as i64;
    let market = stage.pit.markets[0].clone();
    let pit = &mut stage.pit;
    pit.world.shift(&pit.taker, &pit.maker, &market, 0, -loss);
    stage.liquidate_within(661 * lot).ok();
    let account = stage.pit.world.account(&stage.pit.taker);
    let left: Vec<_> = account
        .open_positions()
        .iter()
        .map(|one| one.lots.abs())
        .collect();
    assert_eq!(left, [540, 5_400]);
}

#[test]
fn the_liquidator_says_at_which_prices() {
    let price = estuary_tests::setup::mantissa(BTC_PRICE);
    let within = |lowest, highest| LiquidateArgs {
        max_notional: u64::MAX,
        accepted: vec![AcceptedPrice {
            market: 0,
            lowest,
            highest,
        }],
    };
    let mut stage = Stage::perps(1_000, -1);
    for args in [
        within(price + 1, u64::MAX),
        within(0, price - 1),
        within(price + 1, price - 1),
    ] {
        stage
            .liquidate_by(args)
            .refused(E::LiquidationPriceNotAccepted);
    }
    // A market that neither account has anything in is not among those given.
    let mut other = within(0, u64::MAX);
    other.accepted[0].market = 1;
    stage.liquidate_by(other).refused(E::MarketAccountMissing);
    stage.liquidate_by(within(price, price)).ok();
}

#[test]
fn option_books_are_liquidated_step_by_step() {
    let books: [&[_]; 5] = [
        &[((Call, 0, 110), -3_000)],
        &[((Put, 1, 90), -2_000), ((Put, 1, 80), 2_000)],
        &[
            ((Put, 0, 90), -900),
            ((Put, 0, 80), 900),
            ((Call, 0, 110), -900),
            ((Call, 0, 120), 900),
        ],
        &[
            ((Call, 2, 100), 1_000),
            ((Future, 2, 0), -1_000),
            ((Put, 2, 75), -4_000),
        ],
        &[
            ((Call, 1, 105), 700),
            (PERP, -700),
            ((Call, 2, 125), -5_000),
            ((Future, 0, 0), 300),
        ],
    ];
    for (number, book) in books.iter().enumerate() {
        for health in [-1, -500 * USD as i64] {
            let mut stage = Stage::of(book, health);
            let mut steps = 0;
            while stage.report().is_liquidatable() {
                stage.step();
                steps += 1;
                assert!(steps <= 12, "book {number} is not finished");
            }
            println!("book {number} at {health}: {steps} steps");
            stage.liquidate().refused(E::NotLiquidatable);
        }
    }
}

#[test]
fn a_crash_across_two_markets_is_cleared() {
    let mut pit = Pit::new(33_000 * USD, RICH);
    let liquidator = pit.house.trader(&mut pit.world, RICH);
    let legs = [
        pit.btc_leg(PERP, 700),
        pit.sol_leg(PERP, 2_000),
        pit.sol_leg((Put, 1, 90), -1_000),
        pit.btc_leg((Call, 2, 110), 300),
    ];
    pit.trade(&legs).ok();
    let mut stage = Stage { pit, liquidator };
    stage.liquidate().refused(E::NotLiquidatable);
    let markets = stage.pit.markets.clone();
    let mut steps = 0;
    for fall in [0.95, 0.9, 0.85, 0.8] {
        stage.pit.world.pass(60);
        stage.pit.world.set_price(&markets[0], BTC_PRICE * fall);
        stage.pit.world.set_price(&markets[1], SOL_PRICE * fall);
        while stage.report().is_liquidatable() {
            stage.step();
            steps += 1;
            assert!(steps < 40);
        }
    }
    assert!(steps > 0);
    assert!(stage.report().equity.0 > 0, "liquidated in time");
}
