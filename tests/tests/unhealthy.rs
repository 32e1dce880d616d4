//! An account below its maintenance margin: the mark that anyone sets and takes away, and what its owner may do meanwhile:
//! deposit, settle and reduce.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test that overflows fails"
)]

use estuary::instructions::{PositionTransfer, TradeLeg};
use estuary::state::SeriesKind::{self, Call, Future, Put};
use estuary_risk::margin::MarginReport;
use estuary_tests::setup::{mantissa, Fees, BTC_PRICE, DAY, SOL_PRICE, USD, USUAL_FEES};
use estuary_tests::token::mint;
use estuary_tests::trade::PERP;
use estuary_tests::{ix, EstuaryError as E, Event, Outcome, Pit, Trader, Underlying};

const RICH: u64 = 10_000_000 * USD;
/// 0.1 BTC: 10,000 dollars, of which the worst scenario takes 16%.
const LOTS: i64 = 100;
/// BTC where the account is below its maintenance margin and above zero.
const FAILING: f64 = 95_000.0;
/// BTC where it is below zero.
const BELOW_ZERO: f64 = 83_500.0;

/// The taker has a book with a dollar more than its initial margin, and a second account with the same cash.
struct Stage {
    pit: Pit,
    second: Trader,
}

impl Stage {
    fn new(book: &[((SeriesKind, u8, u64), i64)], fees: Fees) -> Self {
        let mut pit = Pit::with_fees(RICH, RICH, fees);
        let second = pit
            .house
            .sub_account(&mut pit.world, &pit.taker, 1, 100_000 * USD);
        let legs: Vec<_> = book
            .iter()
            .map(|(series, lots)| pit.btc_leg(*series, *lots))
            .collect();
        pit.trade(&legs).ok();
        let mut stage = Self { pit, second };
        let free = stage.report().health_initial().expect("health").0 as u64;
        stage.withdraw(free - USD).ok();
        stage
    }

    /// The account below its maintenance margin with 0.1 BTC, not marked.
    fn failing() -> Self {
        Self::with(&[(PERP, LOTS)], FAILING)
    }

    /// The same, marked.
    fn marked() -> Self {
        let mut stage = Self::failing();
        stage.mark().ok();
        stage
    }

    fn with(book: &[((SeriesKind, u8, u64), i64)], price: f64) -> Self {
        let mut stage = Self::new(book, Fees::default());
        stage.price(price);
        assert!(stage.report().is_liquidatable());
        stage
    }

    /// BTC is at another price a second later.
    fn price(&mut self, price: f64) {
        let btc = self.pit.btc().clone();
        self.pit.world.pass(1);
        self.pit.world.set_price(&btc, price);
    }

    /// Moves profit of the perp so that equity is exactly so much below maintenance margin.
    fn fail_by(&mut self, amount: i64) {
        let missing = -amount - self.report().health_maintenance().expect("health").0;
        let (btc, slot) = (self.pit.btc().clone(), self.leg(PERP, 1).slot);
        let Pit {
            world,
            taker,
            maker,
            ..
        } = &mut self.pit;
        world.shift(taker, maker, &btc, slot, missing);
        assert_eq!(
            self.report().health_maintenance().expect("health").0,
            -amount
        );
    }

    fn report(&self) -> MarginReport {
        let Pit { world, taker, .. } = &self.pit;
        world.report(taker, &world.needed(&[taker], &[], &self.pit.markets))
    }

    /// Since when the account is marked.
    fn since(&self) -> i64 {
        self.pit.world.account(&self.pit.taker).unhealthy_since
    }

    fn needed(&self) -> Vec<&Underlying> {
        let Pit { world, taker, .. } = &self.pit;
        world.needed(&[taker, &self.second], &[], &self.pit.markets)
    }

    fn mark(&mut self) -> Outcome {
        let mark = ix::mark_account(&self.pit.house, &self.pit.taker, &self.needed());
        self.pit.world.send(mark, &[])
    }

    fn withdraw(&mut self, amount: u64) -> Outcome {
        let Pit { house, taker, .. } = &self.pit;
        let withdraw = ix::withdraw(house, taker, amount, &self.needed());
        self.pit.world.send(withdraw, &[&self.pit.taker.owner])
    }

    fn transfer_cash(&mut self, amount: u64, back: bool) -> Outcome {
        let Pit { house, taker, .. } = &self.pit;
        let transfer = if back {
            ix::transfer_cash(house, &self.second, taker, amount, &[])
        } else {
            ix::transfer_cash(house, taker, &self.second, amount, &self.needed())
        };
        self.pit.world.send(transfer, &[&self.pit.taker.owner])
    }

    /// Moves lots of the BTC perp from the taker to its second account, or back.
    fn transfer(&mut self, lots: i64, back: bool) -> Outcome {
        let leg = self.pit.btc_leg(PERP, lots);
        let moved = PositionTransfer {
            market: leg.market,
            slot: leg.slot,
            generation: leg.generation,
            lots,
        };
        let (mut from, mut to) = (&self.pit.taker, &self.second);
        if back {
            std::mem::swap(&mut from, &mut to);
        }
        let transfer =
            ix::transfer_positions(&self.pit.house, from, to, &[moved], &[self.pit.btc()]);
        self.pit.world.send(transfer, &[&self.pit.taker.owner])
    }

    fn leg(&self, series: (SeriesKind, u8, u64), lots: i64) -> TradeLeg {
        self.pit.btc_leg(series, lots)
    }

    #[track_caller]
    fn trade(&mut self, legs: &[TradeLeg]) {
        self.pit.trade(legs).ok();
    }

    #[track_caller]
    fn refuse(&mut self, legs: &[TradeLeg], error: E) {
        self.pit.refuse(legs, error);
    }
}

fn at(leg: TradeLeg, price: u64) -> TradeLeg {
    TradeLeg { price, ..leg }
}

// The mark

#[test]
fn anyone_marks_an_account_below_maintenance_margin_and_unmarks_it_above() {
    let mut stage = Stage::new(&[(PERP, LOTS)], Fees::default());
    stage.mark().refused(E::NothingToMark);
    stage.price(FAILING);
    let report = stage.report();
    let Event::AccountMarked(told) = stage.mark().event() else {
        panic!("a mark");
    };
    let now = stage.pit.world.now();
    assert_eq!((told.unhealthy_since, stage.since()), (now, now));
    assert_eq!(told.equity, report.equity.0);
    assert_eq!(told.maintenance_margin, report.maintenance_margin.0);
    assert_eq!(told.marked, 0, "not below zero");
    stage.mark().refused(E::NothingToMark);
    // The mark keeps its time while the account fails, and below zero the markets count it besides.
    stage.price(BELOW_ZERO);
    let Event::AccountMarked(told) = stage.mark().event() else {
        panic!("a mark");
    };
    assert_eq!((told.unhealthy_since, told.marked), (now, 1));
    stage.price(BTC_PRICE);
    let Event::AccountMarked(told) = stage.mark().event() else {
        panic!("a mark");
    };
    assert_eq!((told.unhealthy_since, told.marked), (0, 0));
    assert_eq!(stage.since(), 0);
    stage.mark().refused(E::NothingToMark);
}

#[test]
fn the_mark_is_set_at_the_line_and_not_a_micro_unit_before() {
    for (health, marks) in [(0, false), (1, false), (-1, true)] {
        let mut stage = Stage::failing();
        stage.fail_by(-health);
        if marks {
            stage.mark().ok();
        } else {
            stage.mark().refused(E::NothingToMark);
        }
        assert_eq!(stage.since() != 0, marks);
    }
}

#[test]
fn value_leaves_a_marked_account_in_no_way() {
    let mut stage = Stage::marked();
    // Not even when there is plenty of it again: the mark has to go first.
    for price in [FAILING, BTC_PRICE * 1.2] {
        stage.price(price);
        stage.withdraw(1).refused(E::AccountMarkedUnhealthy);
        stage
            .transfer_cash(1, false)
            .refused(E::AccountMarkedUnhealthy);
        stage.transfer(1, false).refused(E::AccountMarkedUnhealthy);
        let Pit { house, taker, .. } = &stage.pit;
        let borrow = ix::settle_on_credit(house, taker, 0, &[stage.pit.btc()]);
        let borrowed = stage.pit.world.send(borrow, &[]);
        borrowed.refused(E::AccountMarkedUnhealthy);
    }
    stage.mark().ok();
    stage.transfer_cash(1, false).ok();
    stage.withdraw(1).ok();
}

#[test]
fn a_recovered_owner_unmarks_and_withdraws_in_one_transaction() {
    let mut stage = Stage::marked();
    let steps = |stage: &Stage| {
        let Pit { house, taker, .. } = &stage.pit;
        let markets = stage.needed();
        [
            ix::mark_account(house, taker, &markets),
            ix::withdraw(house, taker, 5 * USD, &markets),
        ]
    };
    let owner = stage.pit.taker.owner.insecure_clone();
    let early = steps(&stage);
    let early = stage.pit.world.send_all(&early, &[&owner]);
    early.refused(E::NothingToMark);
    stage.price(BTC_PRICE * 1.1);
    let cash = stage.pit.world.cash(&stage.pit.taker);
    let good = steps(&stage);
    stage.pit.world.send_all(&good, &[&owner]).ok();
    let left = cash - stage.pit.world.cash(&stage.pit.taker);
    assert_eq!((left, stage.since()), (5 * USD as i64, 0));
}

#[test]
fn a_marked_account_is_paid_into_settled_and_named_a_delegate_for() {
    let mut stage = Stage::marked();
    let (btc, delegate) = (stage.pit.btc().clone(), stage.pit.world.address());
    stage.transfer_cash(USD, true).ok();
    let Pit {
        world,
        house,
        taker,
        maker,
        ..
    } = &mut stage.pit;
    let until = world.now() + DAY;
    let steps = [
        ix::deposit(house, taker, USD),
        ix::set_delegate(house, taker, delegate, until),
    ];
    world.send_all(&steps, &[&taker.owner]).ok();
    // It repays what it owes the market.
    world.settle(house, maker, &btc, true).ok();
    let cash = world.cash(taker);
    world.settle(house, taker, &btc, true).ok();
    assert_eq!(cash - world.cash(taker), 500 * USD as i64);
    assert_ne!(stage.since(), 0);
    // Settling does not change equity, a deposit does.
    let deposit = ix::deposit(&stage.pit.house, &stage.pit.taker, 10_000 * USD);
    let owner = stage.pit.taker.owner.insecure_clone();
    stage.pit.world.send(deposit, &[&owner]).ok();
    stage.mark().ok();
    assert_eq!(stage.since(), 0);
}

#[test]
fn the_mark_of_an_account_without_positions_goes_whatever_the_oracle_does() {
    let mut pit = Pit::new(0, RICH);
    let [btc, sol] = pit.markets.clone();
    let address = pit.world.place(mint(9));
    let token = pit.house.add_token(&mut pit.world, &sol, address);
    let Pit {
        world,
        house,
        taker,
        maker,
        ..
    } = &mut pit;
    // Tokens for 20,000, a debt of 19,000 to BTC.
    let (tokens, debt) = (100_000_000_000, 19_000 * USD);
    world.deposit_token(house, taker, &token, tokens);
    world.shift(maker, taker, &btc, 0, debt as i64);
    let mark = ix::mark_account(house, taker, &[&btc, &sol]);
    world.send(mark, &[]).ok();
    assert_ne!(world.account(taker).unhealthy_since, 0);
    // Every feed stops. Once cash covers the debt the tokens' price does not matter.
    world.pass(DAY);
    let deposit = ix::deposit(house, taker, debt);
    world.send(deposit, &[&taker.owner]).ok();
    let unmark = ix::mark_account(house, taker, &[&btc]);
    let withdraw = ix::withdraw_token(house, taker, &token, tokens, &[&btc]);
    let blocked = world.send(withdraw.clone(), &[&taker.owner]);
    blocked.refused(E::AccountMarkedUnhealthy);
    let mut fork = world.fork();
    fork.send_all(&[unmark, withdraw], &[&taker.owner]).ok();
    // Once it has paid no market is asked for.
    world.settle(house, maker, &btc, false).ok();
    world.settle(house, taker, &btc, false).ok();
    let unmark = ix::mark_account(house, taker, &[]);
    let withdraw = ix::withdraw_token(house, taker, &token, tokens, &[]);
    let close = ix::close_account(house, taker);
    let steps = [unmark, withdraw, close];
    world.send_all(&steps, &[&taker.owner]).ok();
}

#[test]
fn a_liquidation_to_the_target_takes_the_mark_away() {
    let mut stage = Stage::marked();
    let liquidator = stage.pit.house.trader(&mut stage.pit.world, RICH);
    let Pit {
        world,
        house,
        markets,
        taker,
        ..
    } = &mut stage.pit;
    world.liquidate(house, &liquidator, taker, markets).ok();
    assert!(!stage.report().is_liquidatable());
    assert_eq!(stage.since(), 0);
}

// Reducing

#[test]
fn a_failing_account_reduces_and_may_fail_still() {
    let mut stage = Stage::failing();
    let one = stage.leg(PERP, -1);
    stage.trade(&[one]);
    assert!(stage.report().is_liquidatable());
    // The trade has seen it, and marks.
    let now = stage.pit.world.now();
    assert_eq!(stage.since(), now);
    stage.price(FAILING);
    stage.trade(&[one]);
    assert!(stage.report().is_liquidatable());
    assert_eq!(stage.since(), now, "the mark keeps its time");
    // Down to what it can carry, and its own report takes the mark away.
    let half = stage.leg(PERP, -LOTS / 2);
    stage.trade(&[half]);
    assert!(!stage.report().is_liquidatable());
    assert_eq!(stage.since(), 0);
    let rest = stage.leg(PERP, -LOTS / 2 + 2);
    stage.trade(&[rest]);
    let account = stage.pit.world.account(&stage.pit.taker);
    assert_eq!((account.position_count, account.unhealthy_since), (0, 0));
}

#[test]
fn a_failing_account_does_nothing_else_than_reduce() {
    let book = [(PERP, LOTS), ((Put, 1, 90), 5)];
    let mut stage = Stage::with(&book, 92_000.0);
    let reduce = stage.leg(PERP, -10);
    // More of it, more than all of it, another hedge, a position instead of it, in whichever order.
    for leg in [
        stage.leg(PERP, 1),
        stage.leg(PERP, -LOTS - 1),
        stage.leg((Put, 1, 90), 1),
        stage.leg((Put, 1, 90), -6),
        stage.leg((Put, 1, 95), 10),
        stage.leg((Future, 1, 0), -LOTS / 2),
        stage.leg((Call, 2, 125), -1),
    ] {
        stage.refuse(&[leg], E::FailingAccountDoesNotReduce);
        if leg.slot != reduce.slot {
            stage.refuse(&[reduce, leg], E::FailingAccountDoesNotReduce);
            stage.refuse(&[leg, reduce], E::FailingAccountDoesNotReduce);
        }
        // Nor at a price that is a present.
        let cheap = if leg.lots > 0 {
            leg.price - leg.price / 1_000
        } else {
            leg.price + leg.price / 1_000
        };
        stage.refuse(&[at(leg, cheap)], E::FailingAccountDoesNotReduce);
    }
    let sol = stage.pit.sol_leg(PERP, -1);
    stage.refuse(&[sol], E::FailingAccountDoesNotReduce);
    stage.refuse(&[reduce, sol], E::FailingAccountDoesNotReduce);
    stage.trade(&[reduce]);
}

#[test]
fn a_failing_account_is_not_stripped_by_its_friend() {
    let mut stage = Stage::failing();
    let sell = stage.leg(PERP, -LOTS);
    stage.refuse(&[at(sell, sell.price - 1)], E::WeakAccountLegWorseThanMark);
    let far = at(sell, sell.price - mantissa(2_800.0));
    stage.refuse(&[far], E::WeakAccountLegWorseThanMark);
    // As maker neither.
    std::mem::swap(&mut stage.pit.taker, &mut stage.pit.maker);
    let buy = stage.leg(PERP, LOTS);
    stage.refuse(&[at(buy, buy.price - 1)], E::WeakAccountLegWorseThanMark);
    let more = stage.leg(PERP, -1);
    stage.refuse(&[more], E::FailingAccountDoesNotReduce);
    // The friend may pay more than mark.
    stage.trade(&[at(buy, buy.price + mantissa(100.0))]);
}

#[test]
fn a_bad_leg_does_not_hide_behind_a_good_one() {
    let book = [(PERP, LOTS), ((Call, 1, 110), -20)];
    let mut stage = Stage::with(&book, FAILING);
    let sell = stage.leg(PERP, -LOTS / 2);
    let generous = at(sell, sell.price + mantissa(1_000.0));
    let buy_back = stage.leg((Call, 1, 110), 10);
    let dear = at(buy_back, buy_back.price + 1);
    stage.refuse(&[generous, dear], E::WeakAccountLegWorseThanMark);
    stage.refuse(&[dear, generous], E::WeakAccountLegWorseThanMark);
    stage.trade(&[sell, buy_back]);
}

#[test]
fn a_failing_account_does_not_take_its_hedges_off() {
    // Long puts under a long perp.
    let book = [(PERP, LOTS), ((Put, 1, 95), 80)];
    let mut stage = Stage::new(&book, Fees::default());
    stage.fail_by(USD as i64);
    assert!(stage.report().equity.0 > 0);
    let unhedge = stage.leg((Put, 1, 95), -40);
    let (floor, _) = stage.pit.world.mark(stage.pit.btc(), unhedge.slot);
    let unhedge = at(unhedge, floor);
    stage.refuse(&[unhedge], E::WeakAccountHealthFalls);
    // Nor more of the hedge than of what it hedges.
    let little = stage.leg(PERP, -1);
    stage.refuse(&[little, unhedge], E::WeakAccountHealthFalls);
    let most = stage.leg(PERP, -LOTS / 2);
    stage.trade(&[most, unhedge]);
}

#[test]
fn an_account_below_zero_reduces_only_to_a_friend_who_pays_it_up() {
    let mut stage = Stage::with(&[(PERP, LOTS)], BELOW_ZERO);
    let missing = -stage.report().equity.0;
    assert!(missing > 0);
    for lots in [1, LOTS / 2, LOTS] {
        let sell = stage.leg(PERP, -lots);
        stage.refuse(&[sell], E::WeakAccountEquityNegative);
    }
    // So many micro-units a lot above mark that equity is zero.
    let sell = stage.leg(PERP, -LOTS);
    let per_lot = missing as u64 / LOTS.unsigned_abs() + 1;
    let paid_up = at(sell, sell.price + per_lot * 100_000);
    let almost = at(sell, sell.price + per_lot * 99_000);
    stage.refuse(&[almost], E::WeakAccountEquityNegative);
    stage.trade(&[paid_up]);
    assert!((0..=LOTS).contains(&stage.report().equity.0));
    assert_eq!(stage.since(), 0);
}

#[test]
fn a_failing_account_pays_fees_and_nothing_else() {
    let mut stage = Stage::new(&[(PERP, LOTS)], USUAL_FEES);
    stage.price(FAILING);
    let before = stage.report();
    assert!(before.is_liquidatable());
    let sell = stage.leg(PERP, -10);
    stage.trade(&[sell]);
    // 0.05% of 950 dollars.
    let paid = before.equity.0 - stage.report().equity.0;
    assert_eq!(paid, 475_000);
}

#[test]
fn a_marked_account_that_has_recovered_reduces_and_is_unmarked() {
    let mut stage = Stage::marked();
    stage.price(BTC_PRICE * 1.1);
    assert!(stage.report().health_initial().expect("health").0 > 0);
    let buy = stage.leg(PERP, 1);
    stage.refuse(&[buy], E::AccountMarkedUnhealthy);
    let hedge = stage.leg((Put, 1, 100), 10);
    let sell = stage.leg(PERP, -10);
    stage.refuse(&[sell, hedge], E::AccountMarkedUnhealthy);
    stage.refuse(&[at(sell, sell.price - 1)], E::WeakAccountLegWorseThanMark);
    stage.trade(&[sell]);
    assert_eq!(stage.since(), 0);
    stage.trade(&[hedge]);
}

#[test]
fn the_other_side_of_a_marked_account_is_free() {
    let mut stage = Stage::marked();
    // The friend opens with another what the failing account would not be allowed.
    let third = stage.pit.house.trader(&mut stage.pit.world, RICH);
    let leg = stage.leg(PERP, LOTS);
    let Pit {
        world,
        house,
        markets,
        maker,
        ..
    } = &mut stage.pit;
    world.trade(house, [&third, maker], &[leg], markets).ok();
}

// Transfers of positions

#[test]
fn a_failing_account_gives_no_positions_and_takes_what_reduces_it() {
    let mut stage = Stage::failing();
    stage
        .transfer(LOTS, false)
        .refused(E::BelowMaintenanceMargin);
    // The second account is short: moving that short over closes as much here.
    let short = stage.leg(PERP, -2 * LOTS);
    let Pit {
        world,
        house,
        markets,
        maker,
        ..
    } = &mut stage.pit;
    world
        .trade(house, [&stage.second, maker], &[short], markets)
        .ok();
    for marks in [false, true] {
        if marks {
            stage.mark().ok();
        }
        let refused = stage.transfer(-LOTS - 1, true);
        refused.refused(E::FailingAccountDoesNotReduce);
    }
    stage.transfer(-LOTS / 2, true).ok();
    assert_eq!(stage.since(), 0, "healthy with half of it");
    let account = stage.pit.world.account(&stage.pit.taker);
    assert_eq!(account.open_positions()[0].lots, LOTS / 2);
}

#[test]
fn two_markets_are_reduced_in_one_block() {
    let mut stage = Stage::new(&[(PERP, LOTS)], Fees::default());
    let deposit = ix::deposit(&stage.pit.house, &stage.pit.taker, 1_000 * USD);
    let owner = stage.pit.taker.owner.insecure_clone();
    stage.pit.world.send(deposit, &[&owner]).ok();
    let open = stage.pit.sol_leg(PERP, 100);
    stage.trade(&[open]);
    stage.price(90_000.0);
    let sol = stage.pit.sol().clone();
    stage.pit.world.set_price(&sol, SOL_PRICE);
    assert!(stage.report().is_liquidatable());
    let (btc, sol) = (stage.leg(PERP, -60), stage.pit.sol_leg(PERP, 10));
    stage.refuse(&[btc, sol], E::FailingAccountDoesNotReduce);
    let sol = stage.pit.sol_leg(PERP, -90);
    stage.trade(&[btc, sol]);
}
