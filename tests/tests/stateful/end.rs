//! The end of a run: everything expires, everybody is settled in random order and leaves.

use crate::run::Run;
use estuary::state::claims::{CLAIM_WINDOW, SHARE_WAIT};
use estuary::state::{ClaimsPool, MarketLedger, MarketStatus};
use estuary_tests::expiry::{MINUTE, WINDOW};
use estuary_tests::setup::USD;
use estuary_tests::trade::PERP;
use estuary_tests::Underlying;

/// Turns of settling everybody after which nothing is left to settle.
const TURNS: usize = 60;

impl Run {
    pub fn end(&mut self) {
        self.restart();
        self.resolve_all();
        for market in 0..self.markets.len() {
            self.close_perps(market);
        }
        while let Some(time) = self.next_expiry() {
            self.expire_fully(time);
        }
        self.settle_everybody();
        self.retire_all();
        self.everybody_leaves();
    }

    fn resolve_all(&mut self) {
        for user in 0..self.backstop() {
            if self.users[user].is_open && self.is_below_zero(user) {
                self.resolve(user);
            }
        }
    }

    /// All feeds work, and all markets are open.
    pub fn restart(&mut self) {
        self.feeds = [true; 2];
        for market in 0..self.markets.len() {
            self.use_status(market, MarketStatus::Active);
        }
        self.pass(1);
    }

    /// Everybody closes the perp with the backstop, which is left with none.
    fn close_perps(&mut self, market: usize) {
        let underlying: Underlying = self.markets[market].clone();
        let slot = self.world.slot(&underlying, PERP.0, 0, 0);
        let holds = |run: &Self, user: usize| {
            run.users[user].is_open && run.account(user).lots(underlying.index, slot) != 0
        };
        while let Some(user) = (0..self.backstop()).find(|user| holds(self, *user)) {
            self.close_perp(user, &underlying, slot);
        }
        assert_eq!(self.ledger(market).lots(slot).expect("a slot"), 0);
    }

    /// Somebody closes a perp with the backstop, a flat one where both have too many positions for a transaction. Who may not
    /// pays in more first.
    fn close_perp(&mut self, user: usize, underlying: &Underlying, slot: u16) {
        let lots = self.account(user).lots(underlying.index, slot);
        let mut backstop = self.backstop();
        let mut refusals = Vec::new();
        for payment in [0, 1_000_000, 10_000_000, 100_000_000] {
            if payment > 0 {
                self.deposit_cash(user, payment * USD);
                self.unmark(user);
            }
            let leg = self.world.leg_at_mark(underlying, slot, -lots);
            let signers = [user, backstop].map(|one| self.trader(one).owner);
            let done = self.trade_legs([user, backstop], &[leg], &signers);
            let Err(refusal) = done else {
                return;
            };
            if refusal == "TooManyPositionsForOneTransaction" {
                backstop = self.renew_backstop();
            }
            refusals.push(refusal);
        }
        panic!("{lots} lots of a perp cannot be closed: {refusals:?}");
    }

    /// Records what is left of an expiry's window, minute by minute, until it has a settlement price in all markets.
    fn expire_fully(&mut self, time: i64) {
        let start = time - WINDOW * MINUTE;
        let early = start - self.world.now();
        if early > 0 {
            self.pass(early);
        }
        for _ in 0..2 * WINDOW {
            if self.next_expiry() != Some(time) {
                return;
            }
            self.pass(MINUTE);
            self.record_all(time);
        }
        assert_ne!(self.next_expiry(), Some(time), "no settlement price");
    }

    /// Whether anything of the accounts is in positions, claims or carry.
    fn is_unsettled(&self, user: usize) -> bool {
        let account = self.account(user);
        let unsettled = account.unsettled.iter().any(|one| one.is_used());
        unsettled || account.position_count > 0
    }

    /// Settles everybody in both markets, in random order, until nothing is left. Who owes more than cash and has tokens, or
    /// has borrowed, brings cash: nobody takes the tokens of an account that is healthy.
    fn settle_everybody(&mut self) {
        for turn in 0..TURNS {
            let mut left: Vec<usize> = self.open().collect();
            left.retain(|user| self.is_unsettled(*user));
            if left.is_empty() {
                return;
            }
            let mut todo: Vec<(usize, usize)> = left
                .iter()
                .flat_map(|user| [(*user, 0), (*user, 1)])
                .collect();
            while !todo.is_empty() {
                let place = self.random.below(todo.len() as u64) as usize;
                let (user, market) = todo.swap_remove(place);
                let _ = self.settle(user, market, false, true);
            }
            for user in left {
                let account = self.account(user);
                let can_wait = account.tokens().next().is_some() || account.cash() < 0;
                let missing = account.losses() as i64 - account.cash();
                if turn > 2 && can_wait && missing > 0 {
                    self.deposit_cash(user, missing.unsigned_abs());
                }
                // Also who is below zero since a shared loss lowered claims that covered what it owes.
                let marked = self.account(user).marked != 0;
                if marked != self.is_below_zero(user) {
                    let _ = self.mark(user);
                }
            }
            let wait = if turn % 3 == 2 {
                SHARE_WAIT
            } else {
                2 * CLAIM_WINDOW
            };
            self.pass(wait);
        }
        let left: Vec<_> = self
            .open()
            .filter(|user| self.is_unsettled(*user))
            .collect();
        panic!("{left:?} are unsettled after {TURNS} turns");
    }

    fn retire_all(&mut self) {
        for market in 0..self.markets.len() {
            for expiry in self.expiries(market) {
                assert!(self.retire(market, expiry.time, true));
            }
        }
    }

    /// Everybody takes everything out and closes the account. No dust is left: what rounding leaves in a round goes to
    /// the last claim of it, and every other amount is a whole number of micro-units on both sides.
    fn everybody_leaves(&mut self) {
        for market in 0..self.markets.len() {
            let ledger: MarketLedger = self.ledger(market);
            let empty = ClaimsPool {
                total_socialised: ledger.claims.total_socialised,
                ..ClaimsPool::default()
            };
            assert_eq!(ledger.claims, empty);
            let rest = (ledger.exercised, ledger.total_cost, ledger.fees_unpaid);
            assert_eq!(rest, (0, 0, 0));
            assert_eq!(ledger.total_open_lots, 0);
        }
        for user in 0..self.users.len() {
            let debt = self.users[user].is_open.then(|| -self.account(user).cash());
            if let Some(debt) = debt.filter(|debt| *debt > 0) {
                self.deposit_cash(user, debt.unsigned_abs());
            }
        }
        for user in 0..self.users.len() {
            assert!(!self.users[user].is_open || self.try_to_leave(user));
        }
        for market in 0..self.markets.len() {
            self.sweep(market);
        }
        let insurance = crate::snapshot::Snapshot::of(self).bank.insurance;
        assert_eq!(self.vaults(), [insurance, 0, 0]);
        let [cash, first, second] = self.purses();
        assert_eq!([cash + insurance, first, second], self.outside);
    }
}
