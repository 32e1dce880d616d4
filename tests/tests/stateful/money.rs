//! What brings money and tokens in, moves them between accounts and takes them out.

use crate::run::Run;
use crate::snapshot::Snapshot;
use estuary::market_view::Needs;
use estuary::state::{MarginAccount, StateAccount};
use estuary_tests::setup::USD;
use estuary_tests::{ix, Underlying};

/// Base units that tokens are deposited in: a hundredth of a bitcoin, one SOL.
const TOKEN_UNIT: [u64; 2] = [1_000_000, 1_000_000_000];

/// How value leaves an account.
#[derive(Clone, Copy)]
enum Way {
    Out,
    To(usize),
}

impl Run {
    pub fn deposit(&mut self) {
        let user = self.any_open();
        let amount = self.random.below(20_000 * USD) + 1;
        self.deposit_cash(user, amount);
    }

    /// A deposit is never refused.
    pub fn deposit_cash(&mut self, user: usize, amount: u64) {
        let trader = self.trader(user);
        let before = Snapshot::of(self);
        let deposit = ix::deposit(&self.house, &trader, amount);
        assert_eq!(self.send("deposit", deposit, &[&trader.owner]), Ok(()));
        let change = Snapshot::of(self).book(user) - before.book(user);
        assert_eq!(change, i128::from(amount));
    }

    pub fn deposit_token(&mut self) {
        let user = self.any_open();
        let place = self.random.below(2) as usize;
        let units = self.random.lots(50).unsigned_abs();
        let amount = TOKEN_UNIT[place] * units + self.random.below(1_000);
        let (trader, token) = (self.trader(user), self.tokens[place]);
        let before = self.account(user).balance(token.index);
        let deposit = ix::deposit_token(&self.house, &trader, &token, amount);
        let done = self.send("deposit_token", deposit, &[&trader.owner]);
        assert_eq!(done, Ok(()));
        let after = self.account(user).balance(token.index);
        assert_eq!(after - before, amount as i64);
    }

    /// An amount of a balance: mostly a part, now and then all of it or more.
    fn part_of(&mut self, balance: i64) -> u64 {
        let balance = balance.max(0).unsigned_abs();
        match self.random.below(8) {
            0 => balance + 1,
            1 => balance.max(1),
            _ => self.random.below(balance.max(1)) / 3 + 1,
        }
    }

    pub fn withdraw(&mut self) {
        let user = self.any_open();
        let amount = self.part_of(self.account(user).cash());
        self.pay_out(user, 0, amount, Way::Out);
    }

    pub fn withdraw_token(&mut self) {
        let user = self.any_open();
        let bank = self.random.below(2) as u16 + 1;
        let amount = self.part_of(self.account(user).balance(bank));
        self.pay_out(user, bank, amount, Way::Out);
    }

    pub fn transfer_balance(&mut self) {
        let Some([from, to]) = self.own_pair() else {
            return;
        };
        let bank = self.random.below(3) as u16;
        let amount = self.part_of(self.account(from).balance(bank));
        self.pay_out(from, bank, amount, Way::To(to));
    }

    /// The account once the amount is gone, and the markets that have to be named for it to go.
    fn without(&self, user: usize, bank: u16, amount: u64) -> (MarginAccount, Vec<Underlying>) {
        let mut after = self.account(user);
        let less = -i64::try_from(amount).expect("an amount");
        // More than there is is refused whatever is named.
        let _ = after.change_balance(bank, less);
        let needs = Needs::to_pay_out(&after).expect("markets");
        let named = |market: &&Underlying| needs.markets.contains(market.index);
        (after, self.markets.iter().filter(named).cloned().collect())
    }

    /// Takes the mark of an account that is healthy away; returns whether it has none now.
    pub fn unmark(&mut self, user: usize) -> bool {
        if self.account(user).unhealthy_since != 0 {
            let _ = self.mark(user);
        }
        self.account(user).unhealthy_since == 0
    }

    /// Takes an amount out of an account or moves it to another of the same owner, and returns whether that worked.
    fn pay_out(&mut self, user: usize, bank: u16, amount: u64, way: Way) -> bool {
        let (trader, before) = (self.trader(user), self.report(user));
        let books = Snapshot::of(self);
        let balance = books.account(user).balance(bank);
        let (left, markets) = self.without(user, bank, amount);
        let markets: Vec<_> = markets.iter().collect();
        let house = &self.house;
        let token = (bank > 0).then(|| self.tokens[usize::from(bank) - 1]);
        let (action, instruction) = match (way, &token) {
            (Way::Out, None) => ("withdraw", ix::withdraw(house, &trader, amount, &markets)),
            (Way::Out, Some(token)) => (
                "withdraw_token",
                ix::withdraw_token(house, &trader, token, amount, &markets),
            ),
            (Way::To(to), _) => {
                let (to, markets) = (&self.users[to].trader, ix::priced(&markets));
                let house = &house.addresses;
                let from = trader.party();
                let transfer = house.transfer_balance(&from, to.sub_id, bank, amount, &markets);
                ("transfer_balance", transfer)
            }
        };
        let done = self.send(action, instruction, &[&trader.owner]);
        let has_it = i128::from(balance) >= i128::from(amount);
        match done {
            Ok(()) => {
                assert!(has_it);
                self.check_paid_out(user, &books, bank, amount);
                if let Way::To(to) = way {
                    let after = self.account(to).balance(bank);
                    assert_eq!(after - books.account(to).balance(bank), amount as i64);
                }
                true
            }
            Err(error) => {
                if error == "BankShortOfTokens" {
                    // Others have borrowed what is missing.
                    return false;
                }
                if error == "AccountMarkedUnhealthy" {
                    assert_ne!(books.account(user).unhealthy_since, 0);
                    let unmarked = self.unmark(user);
                    assert!(unmarked || books.account(user).needs_tokens());
                    return unmarked && self.pay_out(user, bank, amount, way);
                }
                let free = left.position_count == 0 && !left.needs_tokens() && has_it;
                assert!(
                    !free || !left.owes_nothing(),
                    "an exit was refused: {error}"
                );
                if let (Some(before), 0, true) = (before, bank, has_it) {
                    let equity = before.equity.0 - amount as i64;
                    let senior = before.senior.0 - amount as i64;
                    assert!(equity < before.initial_margin.0 || senior < 0, "{error}");
                }
                false
            }
        }
    }

    /// Less is there by the amount and nothing else, and what is left covers what it has to.
    fn check_paid_out(&self, user: usize, before: &Snapshot, bank: u16, amount: u64) {
        let after = Snapshot::of(self);
        assert_eq!(before.account(user).unhealthy_since, 0);
        let change = after.account(user).balance(bank) - before.account(user).balance(bank);
        assert_eq!(change, -(amount as i64));
        let cash = if bank == 0 { amount } else { 0 };
        assert_eq!(after.book(user), before.book(user) - i128::from(cash));
        if let Some(report) = self.report(user) {
            assert!(report.equity >= report.initial_margin, "{report:?}");
            assert!(report.senior.0 >= 0, "{report:?}");
        }
        after.account(user).invariant().expect("an account");
    }

    pub fn fund_insurance(&mut self) {
        let user = self.any_open();
        let amount = self.random.below(10_000 * USD) + 1;
        let trader = self.trader(user);
        let before = Snapshot::of(self).bank.insurance;
        let fund = ix::fund_insurance(&self.house, &trader, amount);
        let done = self.send("fund_insurance", fund, &[&trader.owner]);
        assert_eq!(done, Ok(()));
        assert_eq!(Snapshot::of(self).bank.insurance, before + amount);
    }

    /// The authority takes a market's fees, which are all that anyone may take of them.
    pub fn sweep(&mut self, market: usize) {
        let before = Snapshot::of(self);
        let destination = self.users[0].trader.tokens;
        let vault = self.vaults()[0];
        let sweep = ix::sweep_fees(&self.house, &self.markets[market], destination);
        let authority = self.house.authority.insecure_clone();
        let done = self.send("sweep_fees", sweep, &[&authority]);
        let after = Snapshot::of(self);
        let fees = before.ledgers[market].fees;
        assert_eq!(done.is_ok(), fees > 0, "{done:?}");
        assert_eq!(after.ledgers[market].fees, 0);
        let insured = after.bank.insurance - before.bank.insurance;
        assert_eq!(vault - self.vaults()[0] + insured, fees);
    }

    /// Somebody without positions takes everything out and closes the account.
    pub fn leave(&mut self) {
        let first = self.any_open();
        let flat = |user: &usize| self.account(*user).position_count == 0;
        let found = self.open().filter(flat).find(|user| *user >= first);
        if let Some(user) = found.filter(|user| *user < self.backstop()) {
            if self.open().count() > 9 {
                self.try_to_leave(user);
            }
        }
    }

    /// Takes everything out of an account without positions and closes it; returns whether that worked.
    pub fn try_to_leave(&mut self, user: usize) -> bool {
        for bank in [1, 2, 0] {
            let balance = self.account(user).balance(bank);
            if balance > 0 && !self.pay_out(user, bank, balance.unsigned_abs(), Way::Out) {
                return false;
            }
        }
        let trader = self.trader(user);
        let is_empty = self.account(user).check_empty().is_ok();
        let close = ix::close_account(&self.house, &trader);
        self.users[user].is_open = false;
        let done = self.send("close_account", close, &[&trader.owner]);
        assert_eq!(done.is_ok(), is_empty, "{done:?}");
        self.users[user].is_open = !is_empty;
        is_empty
    }

    /// Whoever has left comes back with new money.
    pub fn enter(&mut self) {
        let closed = (0..self.users.len()).find(|user| !self.users[*user].is_open);
        let Some(user) = closed else {
            return;
        };
        let trader = self.trader(user);
        let open = ix::open_account(&self.house, &trader);
        let done = self.send("open_account", open, &[&trader.owner]);
        assert_eq!(done, Ok(()));
        self.users[user].is_open = true;
        self.users[user].delegate = None;
        let amount = self.random.below(60_000 * USD) + 1;
        self.deposit_cash(user, amount);
    }
}
