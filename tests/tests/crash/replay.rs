//! The replay: at every step prices move, the liquidator acts, and everything is looked at.

use crate::liquidation::is_covered;
use crate::prices::{shown, Interval, Step, STEPS_PER_BAR};
use crate::run::Run;
use estuary::state::{Bank, MarketLedger};
use estuary_tests::Trader;

/// Steps from one settlement of everybody to the next: four hours.
const SETTLE_EVERY: u64 = 32;
/// The step of a bar at which its range is known to the surface: when prices are lowest, so that both hit at once.
const LOW: usize = 1;
/// Micro-units of rounding in one account and market: of its options, its other positions, its tokens, its claims.
const ROUNDING: i128 = 8;

impl Run {
    /// Replays bars; half of the customers come before the first, half before the one that begins at `second`.
    pub fn replay(&mut self, intervals: &[Interval], customers: usize, second: i64) {
        let late = intervals.iter().any(|one| one.time == second);
        let early = if late { customers / 2 } else { customers };
        self.open_customers(early);
        self.check_everything();
        for interval in intervals {
            for (number, step) in interval.steps().iter().enumerate() {
                self.publish(step);
                if number == LOW {
                    self.post_surfaces(interval);
                }
                if number == 0 && interval.time == second {
                    self.open_customers(customers);
                }
                self.step(step);
                if number == STEPS_PER_BAR - 1 {
                    self.unwind();
                }
            }
        }
    }

    /// Opens accounts until there are so many, and counts the money that they brought.
    fn open_customers(&mut self, count: usize) {
        while self.customers.len() < count {
            self.open_customer();
        }
        self.money = self.count_money();
    }

    fn post_surfaces(&mut self, interval: &Interval) {
        for (market, bar) in interval.bars.iter().enumerate() {
            if self.rules[market].observe(bar) {
                self.post_surface(market);
            }
        }
    }

    fn step(&mut self, step: &Step) {
        let before = self.figures.calls;
        self.figures.steps += 1;
        if self.figures.steps.is_multiple_of(SETTLE_EVERY) {
            self.settle_everybody();
        }
        self.bring_all_back();
        self.update_marks();
        self.try_healthy();
        self.check_everything();
        let calls = self.figures.calls - before;
        if calls > 0 {
            let [btc, eth, sol] = step.prices;
            let (time, name) = (shown(step.time), step.name);
            println!("{time} {name}, BTC {btc} ETH {eth} SOL {sol}: {calls} liquidations");
        }
    }

    /// After a step: nobody is below maintenance margin, whoever is marked is below zero or unhealthy, all equity adds up to what
    /// the vault holds for it, and no token was made or lost.
    fn check_everything(&mut self) {
        let view = self.view();
        let (mut equity, mut rounding) = (0, 0);
        let (mut waiting, mut left_behind) = (0, 0);
        for (place, trader) in self.everybody().enumerate() {
            let account = self.account(trader);
            let report = view.report(&account);
            let markets = account.markets().expect("markets");
            rounding += ROUNDING * i128::from(markets.bits().count_ones());
            equity += i128::from(report.equity.0) - self.value_of_tokens(trader);
            if report.is_liquidatable() && is_covered(&account) {
                waiting += 1;
            } else if report.is_liquidatable() {
                println!("{place} is left behind: {report:?}");
                left_behind += 1;
            }
            assert!(account.marked == 0 || report.equity.0 < 0, "a wrong mark");
            let unhealthy = account.unhealthy_since != 0;
            assert!(!unhealthy || report.is_liquidatable(), "a wrong mark");
        }
        let off = (equity - self.promised()).abs();
        assert!(off <= rounding, "equity is off by {off} micro-units");
        assert_eq!(self.count_money(), self.money, "all tokens there are");
        self.figures.most_rounding = self.figures.most_rounding.max(off);
        self.figures.waiting = waiting;
        self.figures.left_behind += left_behind;
        assert_eq!(self.figures.left_behind, 0, "left behind");
    }

    /// Value of an account's tokens, micro-units.
    fn value_of_tokens(&self, trader: &Trader) -> i128 {
        let account = self.account(trader);
        let value = |balance: &estuary::state::Balance| {
            let price = self.prices[usize::from(balance.market)];
            let price = i128::from(estuary_tests::setup::mantissa(price));
            // Dollars with eight digits, and base units, to micro-units.
            let unit = 10i128.pow(u32::from(balance.decimals) + 2);
            i128::from(balance.amount) * price / unit
        };
        account.tokens().map(value).sum()
    }

    /// What the equity of all accounts, tokens aside, adds up to when nothing was made or lost: the deposits, less fees
    /// paid and owed, and losses that are recognised and not shared yet.
    fn promised(&self) -> i128 {
        let bank: Bank = self.world.read(&self.house.bank);
        let of = |ledger: MarketLedger| {
            let fees = i128::from(ledger.fees) + i128::from(ledger.fees_unpaid);
            i128::from(ledger.claims.loss_to_share) - fees
        };
        let ledgers = self
            .markets
            .iter()
            .map(|market| self.world.read(&market.ledger));
        i128::from(bank.deposits) + ledgers.map(of).sum::<i128>()
    }
}
