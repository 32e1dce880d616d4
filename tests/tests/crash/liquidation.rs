//! The liquidator: whoever is below maintenance margin is taken from, call after call, until nothing is left to do.

use crate::run::Run;
use estuary::event::{Liquidated, MarketSettlement};
use estuary::instructions::{AcceptedPrice, LiquidateArgs};
use estuary::market_view::Needs;
use estuary::report::{ReportPage, SummaryView};
use estuary::state::{MarginAccount, Unsettled};
use estuary_risk::margin::MarginReport;
use estuary_tests::setup::mantissa;
use estuary_tests::{ix, EstuaryError, Event, InstructionError, Outcome, Trader, Underlying};

/// Calls for one account at one step after which it has to be healthy, flat or resolved.
const MAX_CALLS: u64 = 12;
/// Settlements of an account without positions in all its markets after which nothing is left to recognise.
const MAX_SETTLEMENTS: usize = 4;
/// Looks at everybody in one step after which nobody unhealthy may be found.
const MAX_PASSES: usize = 4;
/// Positions from which on a liquidator's account takes no more.
pub const FULL: u16 = 16;
/// Micro-units that rounding may move: a few per position of two accounts.
pub const ROUNDING: i64 = 256;

/// What the program or the runtime refused with.
fn refusal(outcome: Outcome) -> Option<String> {
    let (program, error) = outcome.refusal().expect("an error with a name")?;
    let InstructionError::Custom(code) = error else {
        return Some(format!("{error:?}"));
    };
    match EstuaryError::from_code(code).filter(|_| program == estuary::ID) {
        Some(error) => Some(format!("{error:?}")),
        None => Some(format!("{program}: {code}")),
    }
}

/// Whether nothing is left to take.
pub fn is_flat(account: &MarginAccount) -> bool {
    account.position_count == 0 && account.tokens().next().is_none()
}

/// Whether an account without positions and tokens has cash, gains and claims, at their face, for all it owes to markets.
/// What a shared loss takes from its claims is recognised once they are complete.
pub fn is_covered(account: &MarginAccount) -> bool {
    let owed = |one: &Unsettled| i128::from(one.carry.max(0)) + i128::from(one.owed_on_claims());
    let owed: i128 = account.unsettled.iter().map(owed).sum();
    let has = (i128::from(account.cash()) + owed).max(0);
    is_flat(account) && has >= account.losses().into()
}

fn health(report: &MarginReport) -> i64 {
    report.equity.0 - report.maintenance_margin.0
}

impl Run {
    pub fn report(&self, trader: &Trader) -> MarginReport {
        self.view().report(&self.account(trader))
    }

    /// Liquidates every customer below maintenance margin. A loss that is shared while one is liquidated lowers the claims of
    /// others, so that it takes a second look to see them all.
    pub fn bring_all_back(&mut self) {
        for _ in 0..MAX_PASSES {
            let before = self.figures.brought_back;
            self.look_at_everybody();
            if self.figures.brought_back == before {
                return;
            }
        }
        panic!("unhealthy accounts after {MAX_PASSES} passes");
    }

    fn look_at_everybody(&mut self) {
        let view = self.view();
        for place in 0..self.customers.len() {
            let account = self.account(&self.customers[place].trader);
            let report = view.report(&account);
            self.figures.evaluations += 1;
            if report.equity.0 < 0 {
                let customer = &mut self.customers[place];
                self.figures.below_zero += u64::from(!customer.was_below_zero);
                customer.was_below_zero = true;
                self.figures.lowest_equity = self.figures.lowest_equity.min(report.equity.0);
            }
            if report.is_liquidatable() && !is_covered(&account) {
                self.bring_back(place);
            }
        }
    }

    /// Liquidates one account until it is healthy or has nothing left, and settles what it then owes.
    fn bring_back(&mut self, place: usize) {
        let trader = self.customers[place].trader.clone();
        // Every second one is marked before it is liquidated.
        if place.is_multiple_of(2) {
            self.update_mark(&trader);
        }
        let mut calls = 0;
        while self.report(&trader).is_liquidatable() && !is_flat(&self.account(&trader)) {
            assert!(calls < MAX_CALLS, "{}: too many calls", self.tell(place));
            if let Err(error) = self.liquidate(&trader) {
                panic!("{}: {error}", self.tell(place));
            }
            calls += 1;
        }
        self.figures.brought_back += 1;
        self.figures.liquidated += u64::from(calls > 0);
        self.figures.most_calls = self.figures.most_calls.max(calls);
        for _ in 0..MAX_SETTLEMENTS {
            let account = self.account(&trader);
            let is_below = self.report(&trader).equity.0 < 0;
            if !is_below || is_covered(&account) {
                break;
            }
            self.update_mark(&trader);
            self.settle_everywhere(&trader, false);
        }
    }

    /// An account in one line.
    pub fn tell(&self, place: usize) -> String {
        let customer = &self.customers[place];
        let report = self.report(&customer.trader);
        let account = self.account(&customer.trader);
        format!(
            "account {place} ({}), equity {} of {} needed, cash {}, {} positions",
            customer.book,
            report.equity.0,
            report.maintenance_margin.0,
            account.cash(),
            account.position_count
        )
    }

    /// The liquidator's account to take positions into: the first that is not full, or the first once all are emptied.
    fn liquidator(&mut self) -> Trader {
        let has_room = |one: &&Trader| self.account(one).position_count < FULL;
        if let Some(found) = self.liquidators.iter().find(has_room) {
            return found.clone();
        }
        self.unwind();
        self.liquidators[0].clone()
    }

    /// One call, and what the program's own reports before and after it have to say.
    fn liquidate(&mut self, trader: &Trader) -> Result<(), String> {
        let by = self.liquidator();
        let before = self.program_report(trader);
        assert!(before.equity < before.maintenance_margin, "a healthy one");
        let earned_from = self.report(&by).equity.0;
        let markets = self.world.needed(&[&by, trader], &[], &self.markets);
        let args = self.acceptable(&self.account(trader));
        let liquidate = ix::liquidate_within(&self.house, &by, trader, args, &markets);
        let outcome = self.world.send(liquidate, &[&by.owner]);
        let (events, units) = (outcome.events(), outcome.compute_units());
        if let Some(error) = refusal(outcome) {
            return Err(error);
        }
        let [Event::Liquidated(event)] = &events[..] else {
            panic!("one liquidation: {events:?}");
        };
        assert_eq!(event.before.equity, before.equity);
        assert_eq!(event.before.maintenance_margin, before.maintenance_margin);
        self.check_liquidation(event, trader, &by, earned_from);
        self.figures.calls += 1;
        self.figures.taken += event.positions.len() as u64;
        self.figures.tokens_taken += event.tokens.len() as u64;
        self.figures.most_units = self.figures.most_units.max(units);
        for settlement in &event.settlements {
            self.note_loss(settlement);
        }
        Ok(())
    }

    /// As much as there is, at the prices of this step and no others.
    fn acceptable(&self, account: &MarginAccount) -> LiquidateArgs {
        let priced = account.priced_markets().expect("markets");
        let accept = |market: u16| {
            let price = mantissa(self.prices[usize::from(market)]);
            AcceptedPrice {
                market,
                lowest: price,
                highest: price,
            }
        };
        LiquidateArgs {
            accepted: priced.iter().map(accept).collect(),
            ..LiquidateArgs::anything()
        }
    }

    /// The program's report of an account, which has to be the native engine's.
    fn program_report(&mut self, trader: &Trader) -> SummaryView {
        let markets = self.world.needed(&[trader], &[], &self.markets);
        let report = ix::margin_report(&self.house, trader, ReportPage::Summary, &markets);
        let told: SummaryView = self.world.view(report);
        assert_eq!(told, self.view().summary(&self.account(trader)));
        told
    }

    /// A liquidation raises health, costs the account the discount at most and that at most its equity, and leaves the
    /// liquidator healthy.
    fn check_liquidation(
        &mut self,
        event: &Liquidated,
        trader: &Trader,
        by: &Trader,
        earned_from: i64,
    ) {
        let (of, by) = (self.report(trader), self.report(by));
        let health_before = event.before.equity - event.before.maintenance_margin;
        let raised = health(&of) > health_before;
        let resolved = event.before.equity < 0 && is_flat(&self.account(trader));
        assert!(raised || resolved, "{event:?}\n{of:?}");
        assert!(by.equity >= by.initial_margin, "{by:?}");
        let of_positions = event.positions.iter().map(|one| one.discount);
        let of_tokens = event.tokens.iter().map(|one| one.discount);
        let discount: i64 = of_positions.chain(of_tokens).sum();
        let most = event.before.equity.max(0);
        assert!((0..=most + ROUNDING).contains(&discount), "{event:?}");
        let earned = by.equity.0 - earned_from;
        let kept = discount - event.insured;
        assert!((earned - kept).abs() <= ROUNDING, "{earned}: {event:?}");
        let lost = event.before.equity - event.after.equity;
        assert!((lost - discount).abs() <= ROUNDING, "{lost}: {event:?}");
        self.figures.discounts += discount;
        self.figures.discounts_insured += event.insured;
    }

    /// Adds up what losses of accounts that had nothing left cost others.
    pub fn note_loss(&mut self, settlement: &MarketSettlement) {
        self.figures.fees_waived += settlement.fees_waived;
        self.figures.insured += settlement.insured + settlement.debt_insured;
        self.figures.socialised += settlement.socialised;
    }

    /// Tries to liquidate a customer who is healthy, if the one picked is.
    pub fn try_healthy(&mut self) {
        let place = self.random.below(self.customers.len() as u64) as usize;
        let trader = self.customers[place].trader.clone();
        if self.report(&trader).is_liquidatable() {
            return;
        }
        let by = self.liquidator();
        let markets = self.world.needed(&[&by, &trader], &[], &self.markets);
        let liquidate = ix::liquidate(&self.house, &by, &trader, &markets);
        let outcome = self.world.send(liquidate, &[&by.owner]);
        outcome.refused(EstuaryError::NotLiquidatable);
        self.figures.refused += 1;
    }

    /// Trades everything that liquidators hold with the market makers, at mark, and withdraws their tokens.
    pub fn unwind(&mut self) {
        for place in 0..self.liquidators.len() {
            let liquidator = self.liquidators[place].clone();
            if is_flat(&self.account(&liquidator)) {
                continue;
            }
            for market in 0..self.markets.len() {
                let account = self.account(&liquidator);
                let here = account
                    .open_positions()
                    .iter()
                    .filter(|position| usize::from(position.market) == market);
                let opposite: Vec<_> = here.map(|one| (one.slot, -one.lots)).collect();
                self.trade_with_maker(&liquidator, market, &opposite);
            }
            for market in 0..self.tokens.len() {
                self.withdraw_tokens(&liquidator, market);
            }
            assert!(is_flat(&self.account(&liquidator)));
            self.figures.unwound += 1;
        }
    }

    /// Takes all that a liquidator has of a market's token out of its account.
    fn withdraw_tokens(&mut self, liquidator: &Trader, market: usize) {
        let token = self.tokens[market];
        let mut after = self.account(liquidator);
        let amount = after.balance(token.index);
        if amount == 0 {
            return;
        }
        let gone = after.change_balance(token.index, -amount);
        gone.expect("a balance");
        let needs = Needs::to_pay_out(&after).expect("markets");
        let named = |one: &&Underlying| needs.markets.contains(one.index);
        let markets: Vec<_> = self.markets.iter().filter(named).collect();
        let amount = amount.unsigned_abs();
        let withdraw = ix::withdraw_token(&self.house, liquidator, &token, amount, &markets);
        self.world.send(withdraw, &[&liquidator.owner]).ok();
    }
}
