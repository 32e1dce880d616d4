//! Liquidations and marks: who is below maintenance margin, and who is below zero.

use crate::run::Run;
use crate::snapshot::Snapshot;
use crate::trade::ROUNDING;
use estuary::instructions::LiquidateArgs;
use estuary::market_view::Needs;
use estuary::state::{MarginAccount, Unsettled};
use estuary_risk::margin::MarginReport;
use estuary_tests::{ix, setup::USD, trade::PERP};

/// Calls after which an account below zero owes nothing any more, if prices are fresh and a liquidator has the cash.
const CALLS_TO_RESOLVE: usize = 60;

/// Whether an account without positions and tokens has cash, gains and claims, at their face, for all it owes to markets.
/// What a shared loss takes from claims elsewhere is recognised once they are complete.
fn is_covered(account: &MarginAccount) -> bool {
    let owed = |one: &Unsettled| i128::from(one.carry.max(0)) + i128::from(one.owed_on_claims());
    let owed: i128 = account.unsettled.iter().map(owed).sum();
    let has = (i128::from(account.cash()) + owed).max(0);
    let is_flat = account.position_count == 0 && account.tokens().next().is_none();
    is_flat && has >= account.losses().into()
}

impl Run {
    /// Somebody liquidates somebody, who fails if anybody does.
    pub fn liquidate_any(&mut self) {
        let [mut liquidated, liquidator] = self.pair();
        let failing = |user: &usize| {
            let report = self.report(*user);
            *user != liquidator && report.is_some_and(|report| report.is_liquidatable())
        };
        if let Some(user) = self.open().find(failing) {
            liquidated = user;
        }
        // Half of them want no more than some thousand dollars.
        let most = match self.random.below(2) {
            0 => u64::MAX,
            _ => self.random.below(20_000) * USD + 1,
        };
        let _ = self.liquidate(liquidated, liquidator, most);
    }

    /// One liquidation, and what it may have done to both.
    pub fn liquidate(
        &mut self,
        liquidated: usize,
        liquidator: usize,
        max_notional: u64,
    ) -> Result<(), String> {
        let sides = [liquidated, liquidator];
        let before = sides.map(|user| self.report(user));
        let books = Snapshot::of(self);
        let [of, by] = sides.map(|user| self.trader(user));
        let markets = self.world.needed(&[&by, &of], &[], &self.markets);
        let args = LiquidateArgs {
            max_notional,
            ..LiquidateArgs::anything()
        };
        let liquidate = ix::liquidate_within(&self.house, &by, &of, args, &markets);
        let done = self.send("liquidate", liquidate, &[&by.owner]);
        done?;
        let before = before.map(|report| report.expect("fresh prices"));
        let after = sides.map(|user| self.report(user).expect("fresh prices"));
        let now = Snapshot::of(self);
        // A discount is for accounts that have something, a loss is left by those that have not: never both.
        let change = now.recognised_since(&books) as i64;
        let (recognised, insured) = (change.max(0), change.min(0).abs());
        // A loss whose hour has come lowers claims first, those of both.
        let [least, most] = now.lowered_since(&books).map(|amount| amount as i64);
        let health = |report: &MarginReport| report.equity.0 - report.maintenance_margin.0;
        let [was, is] = [&before[0], &after[0]].map(health);
        assert!(was - most.max(0) < 0, "{before:?}");
        let raised = is > was - most || is == was && before[0].equity.0 < 0;
        assert!(raised, "{before:?}\n{after:?}");
        assert!(after[1].equity >= after[1].initial_margin);
        if recognised > 0 {
            // Whoever has nothing left has paid with everything.
            let account = now.account(liquidated);
            assert!(before[0].equity.0 - most < ROUNDING && account.position_count == 0);
        }
        let earned = after[1].equity.0 - before[1].equity.0;
        let limit = before[0].equity.0.max(0);
        assert!(earned >= -ROUNDING - most && earned <= limit + ROUNDING - least);
        let lost = before[0].equity.0 + recognised - after[0].equity.0;
        let missing = lost - earned - insured;
        let range = least - ROUNDING..=2 * most + ROUNDING;
        assert!(range.contains(&missing), "{lost} lost, {earned} earned");
        self.check_mark(liquidated);
        Ok(())
    }

    /// Somebody sells perps, their price rises until that account fails, and it is liquidated: the one liquidation of a
    /// history that had none.
    pub fn liquidate_on_purpose(&mut self) {
        self.restart();
        let failing = self.open_backstop(10_000 * USD);
        let liquidator = self.renew_backstop();
        let underlying = self.markets[1].clone();
        let slot = self.world.slot(&underlying, PERP.0, 0, 0);
        let signers = [failing, liquidator].map(|user| self.trader(user).owner);
        let sold = [20_000i64, 5_000, 1_000, 200].iter().any(|lots| {
            let leg = self.world.leg_at_mark(&underlying, slot, -lots);
            let done = self.trade_legs([failing, liquidator], &[leg], &signers);
            done.is_ok()
        });
        assert!(sold, "nobody may sell a perp");
        while !self.report(failing).expect("a report").is_liquidatable() {
            self.prices[1] *= 1.02;
            self.pass(1);
        }
        let done = self.liquidate(failing, liquidator, u64::MAX);
        assert_eq!(done, Ok(()));
    }

    /// After an instruction that marks, an account is marked if it is below zero, unless the face of its claims covers what it
    /// owes to markets; and one with positions is marked as unhealthy if it is.
    fn check_mark(&self, user: usize) {
        let account = self.account(user);
        let marked = account.marked != 0;
        let Some(report) = self.report(user) else {
            assert!(!account.needs_tokens(), "prices that are not fresh");
            return;
        };
        let agrees = (account.unhealthy_since != 0) == report.is_liquidatable();
        assert!(agrees || account.position_count == 0, "{report:?}");
        assert!(
            marked || report.equity.0 >= 0 || is_covered(&account),
            "{report:?}"
        );
        assert!(!marked || report.equity.0 < 0, "{report:?}");
    }

    pub fn mark_any(&mut self) {
        let mut user = self.any_open();
        let differs = |user: &usize| {
            let marked = self.account(*user).marked != 0;
            let unhealthy = self.account(*user).unhealthy_since != 0;
            let report = self.report(*user);
            report.is_some_and(|report| {
                (report.equity.0 < 0) != marked || report.is_liquidatable() != unhealthy
            })
        };
        if let Some(found) = self.open().find(differs) {
            user = found;
        }
        let _ = self.mark(user);
    }

    pub fn mark(&mut self, user: usize) -> Result<(), String> {
        let trader = self.trader(user);
        let account = self.account(user);
        let needed = Needs::to_mark(&account).expect("markets").markets;
        let markets: Vec<_> = self
            .markets
            .iter()
            .filter(|one| needed.contains(one.index))
            .collect();
        let mark = ix::mark_account(&self.house, &trader, &markets);
        let done = self.send("mark_account", mark, &[]);
        if done.is_ok() {
            self.check_mark(user);
        }
        done
    }

    /// Whoever is below zero is brought back to it.
    pub fn resolve_any(&mut self) {
        let below = |user: &usize| self.is_below_zero(*user);
        let found = self.open().find(below);
        if let Some(user) = found {
            self.resolve(user);
        }
    }

    /// Liquidates as large a part as the backstop's own margin and cash allow; a flat one where the positions of both are too
    /// many for a transaction.
    fn take_what_is_possible(&mut self, user: usize) -> bool {
        let sizes = [u64::MAX, 1_000_000 * USD, 100_000 * USD, 10_000 * USD];
        let mut by = self.backstop();
        for size in sizes {
            let mut done = self.liquidate(user, by, size);
            if done == Err("TooManyPositionsForOneTransaction".to_owned()) {
                by = self.renew_backstop();
                done = self.liquidate(user, by, size);
            }
            if done.is_ok() {
                return true;
            }
        }
        false
    }

    /// Takes positions and tokens of an account below zero and settles what is left: a bounded number of calls, and its
    /// markets pay again.
    pub fn resolve(&mut self, user: usize) {
        if !(0..self.markets.len()).all(|market| self.is_fresh(market)) {
            return;
        }
        for _ in 0..CALLS_TO_RESOLVE {
            let account = self.account(user);
            let is_done = !self.is_below_zero(user) || is_covered(&account);
            if is_done && account.marked == 0 {
                return;
            }
            let is_flat = account.position_count == 0 && account.tokens().next().is_none();
            if !is_flat && self.take_what_is_possible(user) {
                continue;
            }
            if self.is_below_zero(user) != (account.marked != 0) {
                let _ = self.mark(user);
            }
            for market in 0..self.markets.len() {
                let _ = self.settle(user, market, false, true);
            }
        }
        let account = self.account(user);
        let (positions, unsettled) = (account.open_positions(), &account.unsettled[..2]);
        let (report, cash) = (self.report(user), account.cash());
        panic!("{user} is still below zero: {report:?} {cash} {positions:?} {unsettled:?}");
    }
}
