//! Settling: nothing is lost or made, whoever is settled when.

use crate::run::Run;
use crate::snapshot::Snapshot;
use crate::trade::ROUNDING;
use estuary::instructions::TradeLeg;
use estuary_tests::ix;

impl Run {
    /// Somebody is settled, mostly somebody who has something to settle.
    pub fn settle_any(&mut self) {
        let mut user = self.any_open();
        for _ in 0..4 {
            if self.account(user).unsettled.iter().any(|one| one.is_used()) {
                break;
            }
            user = self.any_open();
        }
        let market = self.random.below(2) as usize;
        let (variation, with_bank) = (self.random.below(2) == 0, self.random.below(4) > 0);
        let _ = self.settle(user, market, variation, with_bank);
    }

    /// Somebody's loss is paid on credit, if there is anybody who owes more than cash.
    pub fn settle_on_credit_any(&mut self) {
        let owes = |user: &usize| {
            let account = self.account(*user);
            account.losses() > account.cash().max(0).unsigned_abs()
        };
        let found = self.open().find(owes);
        let user = found.unwrap_or_else(|| self.any_open());
        let account = self.account(user);
        let owed = (0..self.markets.len()).find(|market| account.loss_in(*market as u16) > 0);
        self.settle_on_credit(user, owed.unwrap_or(0));
    }

    /// Pays a loss on credit, and checks that only what carries it stands for it.
    fn settle_on_credit(&mut self, user: usize, market: usize) {
        let before = self.report(user);
        let books = Snapshot::of(self);
        let trader = self.trader(user);
        let leg = self.leg_in(market);
        let markets = self.world.needed(&[&trader], &[leg], &self.markets);
        let place = markets
            .iter()
            .position(|one| usize::from(one.index) == market);
        let place = place.expect("the market");
        let settle = ix::settle_on_credit(&self.house, &trader, place, &markets);
        if self.send("settle_on_credit", settle, &[]).is_err() {
            return;
        }
        assert_eq!(books.account(user).unhealthy_since, 0);
        let [before, after] = [before, self.report(user)].map(|report| report.expect("a report"));
        assert!(after.equity >= after.initial_margin && after.senior.0 >= 0);
        let now = Snapshot::of(self);
        let [least, most] = now.lowered_since(&books);
        let lowered = i128::from(before.equity.0) - i128::from(after.equity.0);
        let rounding = i128::from(ROUNDING);
        assert!((least - rounding..=most + rounding).contains(&lowered));
    }

    /// A leg that names a market.
    fn leg_in(&self, market: usize) -> TradeLeg {
        self.world.leg(&self.markets[market], 0, 1, 1.0)
    }

    /// Settles an account in a market, and checks what it has and is worth afterwards.
    pub fn settle(
        &mut self,
        user: usize,
        market: usize,
        variation: bool,
        with_bank: bool,
    ) -> Result<(), String> {
        let before = self.report(user);
        let books = Snapshot::of(self);
        let (trader, underlying) = (self.trader(user), self.markets[market].clone());
        let settle = ix::settle(&self.house, &trader, &underlying, variation, with_bank);
        let action = if variation {
            "settle_variation"
        } else {
            "settle"
        };
        let done = self.send(action, settle, &[]);
        if let Err(error) = &done {
            let stale = variation && !self.is_fresh(market) && error.starts_with("Price");
            let fine = ["NothingToSettle", "InsuranceBankMissing"].contains(&error.as_str());
            assert!(fine || stale, "{error}");
            return done;
        }
        let now = Snapshot::of(self);
        let recognised = now.recognised_since(&books);
        assert!(recognised >= 0);
        let [least, most] = now.lowered_since(&books);
        let change = now.book(user) - books.book(user);
        let lowered = now.exercised_since(&books) + recognised - change;
        assert!((least..=most).contains(&lowered), "{lowered} of {most}");
        if recognised > 0 {
            let account = books.account(user);
            assert!(with_bank && account.tokens().next().is_none());
            assert_eq!(now.account(user).position_count, 0);
        }
        if let (Some(before), Some(after)) = (before, self.report(user)) {
            let change = i128::from(after.equity.0) - i128::from(before.equity.0);
            let beside = change - recognised + lowered;
            assert!(
                beside.abs() <= ROUNDING.into(),
                "equity changed by {beside}"
            );
        }
        done
    }
}
