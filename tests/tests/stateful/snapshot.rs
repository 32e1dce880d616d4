//! All accounts at one moment, to be compared with those of another.

use crate::run::Run;
use estuary::state::claims::Round;
use estuary::state::{Bank, Claim, MarginAccount, MarketLedger};
use estuary_tests::Pubkey;

/// Micro-units by which the claims of a round that a loss has lowered may differ from their exact shares: each is rounded
/// down, and when one is completed the others share what that left.
const CLAIM_ROUNDING: i128 = 16;

/// What looks at an account's margin and marks by it.
const MARKING: [&str; 5] = [
    "block_trade",
    "liquidate",
    "mark_account",
    "reduce",
    "transfer_positions",
];

/// Copies of what can change hands.
pub struct Snapshot {
    accounts: Vec<Option<MarginAccount>>,
    pub ledgers: Vec<MarketLedger>,
    pub bank: Bank,
}

impl Snapshot {
    pub fn of(run: &Run) -> Self {
        let accounts = run.users.iter().map(|user| {
            let is_open = user.is_open;
            is_open.then(|| run.world.account(&user.trader))
        });
        Self {
            accounts: accounts.collect(),
            ledgers: (0..run.markets.len())
                .map(|market| run.ledger(market))
                .collect(),
            bank: run.world.read(&run.house.bank),
        }
    }

    pub fn account(&self, user: usize) -> &MarginAccount {
        self.accounts[user].as_ref().expect("an open account")
    }

    /// What the account's claims are worth, micro-units.
    pub fn claims(&self, user: usize) -> i128 {
        let value = |one: &estuary::state::Unsettled| {
            let rounds = &self.ledgers[usize::from(one.market)].claims.rounds;
            i128::from(one.claims_value_down(rounds).expect("a value"))
        };
        let account = self.account(user);
        account.unsettled.iter().map(value).sum()
    }

    /// Cash, cost, carry and claims: everything that needs no price.
    pub fn book(&self, user: usize) -> i128 {
        let account = self.account(user);
        let costs: i64 = account.open_positions().iter().map(|one| one.cost).sum();
        let carries: i64 = account.unsettled.iter().map(|one| one.carry).sum();
        i128::from(account.cash()) + i128::from(costs) + i128::from(carries) + self.claims(user)
    }

    /// By how much losses have lowered claims so far.
    fn socialised(&self) -> i128 {
        let sum = |sum, ledger: &MarketLedger| sum + i128::from(ledger.claims.total_socialised);
        self.ledgers.iter().fold(0, sum)
    }

    /// Fees charged and neither swept nor given up, paid or not.
    fn fees(&self) -> i128 {
        let of = |ledger: &MarketLedger| i128::from(ledger.fees) + i128::from(ledger.fees_unpaid);
        self.ledgers.iter().map(of).sum()
    }

    /// Fees charged since `before`; nobody may have swept or given up any.
    pub fn fees_since(&self, before: &Self) -> i128 {
        self.fees() - before.fees()
    }

    /// Losses recognised so far, but for a constant: fees given up, what insurance has paid less what it received, and what
    /// has lowered claims or will.
    fn recognised(&self) -> i128 {
        let waiting = |sum, ledger: &MarketLedger| sum + i128::from(ledger.claims.loss_to_share);
        let shared = self.ledgers.iter().fold(self.socialised(), waiting);
        shared - i128::from(self.bank.insurance) - self.fees()
    }

    fn exercised(&self) -> i128 {
        self.ledgers
            .iter()
            .map(|one| i128::from(one.exercised))
            .sum()
    }

    /// Losses recognised since `before`, by an instruction that neither charges fees nor pays into the insurance fund.
    pub fn recognised_since(&self, before: &Self) -> i128 {
        self.recognised() - before.recognised()
    }

    /// What matured positions were worth that left their accounts since `before`.
    pub fn exercised_since(&self, before: &Self) -> i128 {
        self.exercised() - before.exercised()
    }

    /// By how much the claims of an account may have been lowered since `before`: least and most.
    pub fn lowered_since(&self, before: &Self) -> [i128; 2] {
        let shared = self.socialised() - before.socialised();
        let is_lowered = |one: &MarketLedger| !one.claims.lowered_rounds().is_empty();
        let exact = shared == 0 && !before.ledgers.iter().any(is_lowered);
        let rounding = if exact { 0 } else { CLAIM_ROUNDING };
        [-rounding, shared + rounding]
    }

    /// A mark comes and goes only by what an instruction finds the account's margin to be, and keeps its time between.
    pub fn check_marks(&self, before: &Self, run: &Run, action: &str) {
        for user in run.open() {
            let Some(old) = before.accounts[user].as_ref() else {
                continue;
            };
            let (account, was) = (self.account(user), old.unhealthy_since);
            let is = account.unhealthy_since;
            if was == is {
                continue;
            }
            assert!(MARKING.contains(&action), "{action} marked {user}");
            assert!(was == 0 || is == 0, "the mark of {user} moved");
            assert!(is == 0 || is == run.world.now(), "a mark of another time");
            // Of an account that needs no price the report may lack one, and it is healthy. A loss may be recognised and
            // shared after a liquidation's report, of an account without positions.
            let report = run.report(user).filter(|_| account.position_count > 0);
            let fails = report.map(|report| report.is_liquidatable());
            assert!(fails.is_none_or(|fails| fails == (is != 0)), "{report:?}");
        }
    }

    /// Accounts that are not among the keys are as they were, and worth as much as they were but for a loss that is shared
    /// by all; and where nobody is to be paid nobody is.
    pub fn check_bystanders(&self, before: &Self, run: &Run, keys: &[Pubkey]) {
        let [least, most] = self.lowered_since(before);
        for user in run.open() {
            if keys.contains(&run.users[user].trader.account) {
                continue;
            }
            let [old, new] = [before, self].map(|books| bytemuck::bytes_of(books.account(user)));
            assert!(old == new, "account {user} was changed by others");
            let lowered = before.claims(user) - self.claims(user);
            assert!(
                (least..=most).contains(&lowered),
                "others took {lowered} from the claims of {user}, at most {most}"
            );
        }
        for (old, new) in before.ledgers.iter().zip(&self.ledgers) {
            if old.claims.is_frozen() && new.claims.is_frozen() {
                self.check_frozen(before, [old, new]);
            }
        }
    }

    /// A frozen pool gives its rounds nothing, and pays only the claims of rounds that are complete.
    fn check_frozen(&self, before: &Self, [old, new]: [&MarketLedger; 2]) {
        for round in new.claims.rounds.iter().filter(|round| round.face > 0) {
            let same = |one: &&Round| one.face > 0 && one.id == round.id;
            let was = old.claims.rounds.iter().find(same);
            let received = was.map_or(0, |was| was.received);
            assert!(round.received <= received, "a frozen pool allocated");
        }
        for (old_account, account) in before.accounts.iter().zip(&self.accounts) {
            let of = |account: &Option<MarginAccount>| {
                let account = account.as_ref()?;
                let here = account.unsettled_in(new.market_index)?;
                Some(here.claims)
            };
            let (was, is) = (of(old_account), of(account));
            for claim in is.into_iter().flatten().filter(|claim| claim.face > 0) {
                let same = |one: &Claim| one.face > 0 && one.round == claim.round;
                let was = was.and_then(|claims| claims.into_iter().find(same));
                let collected = was.map_or(0, |was| was.collected);
                assert_eq!(claim.collected, collected, "a frozen pool paid");
            }
        }
    }
}
