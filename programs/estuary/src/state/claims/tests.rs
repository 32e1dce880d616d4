//! Tests of the claims pool.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test that overflows fails"
)]

use super::*;
use crate::state::Unsettled;
use proptest::prelude::*;

const START: i64 = 1_760_000_000 / CLAIM_WINDOW * CLAIM_WINDOW;

fn at(windows: i64) -> i64 {
    START + windows * CLAIM_WINDOW
}

fn claim(pool: &mut ClaimsPool, now: i64, face: u64) -> Claim {
    let round = pool.register(now, face).unwrap().unwrap();
    Claim {
        round,
        face,
        ..Claim::default()
    }
}

#[test]
fn being_first_by_less_than_a_window_gains_nothing() {
    let mut pool = ClaimsPool::default();
    let mut first = claim(&mut pool, at(1) - 1, 300);
    let mut second = claim(&mut pool, at(2) - 1, 100);
    let mut third = claim(&mut pool, at(2), 100);
    pool.pay_in(200).unwrap();
    pool.allocate(at(2) - 1).unwrap();
    assert_eq!(pool.unallocated, 200, "nobody is ready");
    pool.allocate(at(2)).unwrap();
    assert_eq!(pool.collect(&mut first, at(2)).unwrap(), 150);
    assert_eq!(pool.collect(&mut second, at(3) - 1).unwrap(), 0, "it waits");
    assert_eq!(pool.collect(&mut second, at(3)).unwrap(), 50);
    pool.pay_in(100).unwrap();
    pool.allocate(at(3)).unwrap();
    let late = pool.collect(&mut third, at(4)).unwrap();
    assert_eq!(
        late,
        100 * 100 / 300,
        "what comes later is shared with the third"
    );
}

#[test]
fn only_what_is_complete_is_paid_while_frozen() {
    let freezes: [fn(&mut ClaimsPool); 2] = [
        |pool| pool.unresolved = 1,
        |pool| pool.add_loss(1, at(2)).unwrap(),
    ];
    for freeze in freezes {
        let mut pool = ClaimsPool::default();
        let mut whole = claim(&mut pool, at(0), 10);
        pool.pay_in(10).unwrap();
        pool.allocate(at(2)).unwrap();
        let mut part = claim(&mut pool, at(2), 10);
        pool.pay_in(4).unwrap();
        pool.allocate(at(4)).unwrap();
        let mut last = claim(&mut pool, at(4), 10);
        pool.pay_in(10).unwrap();
        freeze(&mut pool);
        pool.allocate(at(6)).unwrap();
        assert_eq!(pool.unallocated, 10, "no round receives anything");
        assert_eq!(pool.collect(&mut part, at(6)).unwrap(), 0);
        assert_eq!(pool.collect(&mut last, at(6)).unwrap(), 0);
        assert_eq!(pool.collect(&mut whole, at(6)).unwrap(), 10);
        assert_eq!(whole, Claim::default());
        assert_eq!((part.collected, last.collected), (0, 0));
    }
}

#[test]
fn claims_worth_nothing_make_room_for_the_gains_that_a_loss_waits_for() {
    let mut pool = ClaimsPool::default();
    let count = MAX_ROUNDS as i64;
    let mut claims: Vec<Claim> = (0..count).map(|n| claim(&mut pool, at(n), 10)).collect();
    // Marked as long as it lasts: not even that keeps a round that is complete.
    pool.unresolved = 1;
    pool.add_loss(10 * count as u64 + 7, at(count)).unwrap();
    let now = at(count) + SHARE_WAIT;
    pool.share_loss(now).unwrap();
    assert_eq!((pool.loss_to_share, pool.outstanding().unwrap()), (7, 0));
    assert_eq!(pool.register(now, 100).unwrap(), None, "the table is full");
    for claim in &mut claims {
        assert_eq!(pool.collect(claim, now).unwrap(), 0);
        assert_eq!(*claim, Claim::default());
    }
    let winner = claim(&mut pool, now, 100);
    pool.share_loss(now + SHARE_WAIT).unwrap();
    assert_eq!((pool.loss_to_share, pool.share_after), (0, 0));
    assert_eq!(claim_value_down(&pool.rounds, &winner), 93);
}

#[test]
fn a_shared_loss_lowers_claims_by_size_whenever_they_were_made() {
    let mut pool = ClaimsPool::default();
    let mut early = claim(&mut pool, at(0), 300);
    pool.add_loss(100, at(0)).unwrap();
    let mut late = claim(&mut pool, at(11), 100);
    pool.share_loss(at(0) + SHARE_WAIT - 1).unwrap();
    assert_eq!(pool.total_socialised, 0);
    pool.share_loss(at(0) + SHARE_WAIT).unwrap();
    assert_eq!(
        (pool.total_socialised, pool.outstanding().unwrap()),
        (100, 300)
    );
    let value = |claim: &Claim| claim_value_down(&pool.rounds, claim);
    assert_eq!((value(&early), value(&late)), (225, 75));
    pool.pay_in(300).unwrap();
    pool.allocate(at(13)).unwrap();
    assert_eq!(pool.collect(&mut early, at(13)).unwrap(), 225);
    assert_eq!(pool.collect(&mut late, at(13)).unwrap(), 75);
    assert_eq!((early, late), (Claim::default(), Claim::default()));
    assert_eq!(
        (pool.cash, pool.rounds),
        (0, [Round::default(); MAX_ROUNDS])
    );
}

#[derive(Clone, Debug)]
enum Step {
    Claim(u64),
    Pay(u64),
    Lose(u64),
    Collect(usize),
    Pass(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1u64..1_000_000).prop_map(Step::Claim),
        4 => (1u64..1_000_000).prop_map(Step::Pay),
        1 => (1u64..1_000_000).prop_map(Step::Lose),
        6 => any::<usize>().prop_map(Step::Collect),
        5 => (1i64..900).prop_map(Step::Pass),
        1 => (3_600i64..7_200).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    #[test]
    fn a_pool_pays_what_came_in_and_claims_add_up_to_rounds(steps in steps()) {
        let mut pool = ClaimsPool::default();
        let mut claims: Vec<Claim> = Vec::new();
        let (mut now, mut paid, mut collected) = (START, 0u64, 0u64);
        for step in steps {
            pool.share_loss(now).unwrap();
            pool.allocate(now).unwrap();
            match step {
                Step::Claim(face) => {
                    if let Some(round) = pool.register(now, face).unwrap() {
                        claims.push(Claim { round, face, ..Claim::default() });
                    }
                }
                Step::Pay(amount) => {
                    let amount = amount.min(pool.payable().unwrap());
                    pool.pay_in(amount).unwrap();
                    paid += amount;
                }
                Step::Lose(amount) => pool.add_loss(amount, now).unwrap(),
                Step::Collect(number) => {
                    let count = claims.len().max(1);
                    if let Some(claim) = claims.get_mut(number % count) {
                        let value = claim_value_down(&pool.rounds, claim);
                        let frozen = pool.is_frozen();
                        let amount = pool.collect(claim, now).unwrap();
                        prop_assert!(amount <= value && (!frozen || amount == 0 || claim.face == 0));
                        collected += amount;
                    }
                }
                Step::Pass(seconds) => now += seconds,
            }
            claims.retain(|claim| claim.face > 0);
            prop_assert_eq!(pool.cash, paid - collected);
            let mut held = pool.unallocated;
            for round in pool.rounds.iter().filter(|round| round.face > 0) {
                let of = || claims.iter().filter(|claim| claim.round == round.id);
                prop_assert_eq!(of().map(|claim| claim.face).sum::<u64>(), round.face);
                held += round.received - of().map(|claim| claim.collected).sum::<u64>();
                round.owed().unwrap();
            }
            let whole = claims.iter().filter(|claim| round_of(&pool.rounds, claim).is_none());
            held += whole.map(|claim| claim.face - claim.collected).sum::<u64>();
            prop_assert_eq!(held, pool.cash, "cash is what claims can still have and what waits");
        }
    }
}

/// Turns of an hour, in each of which everybody is settled once, after which a market is at rest: the loss is shared, every round
/// that was complete is free, and what is registered and paid in is collected.
const TURNS: usize = 4;

/// A market with accounts that only gain, and losers who owe it all of that.
struct Market {
    pool: ClaimsPool,
    accounts: [Unsettled; 12],
    now: i64,
    /// What losers still owe.
    owed: u64,
    gained: u64,
    collected: u64,
}

#[derive(Clone, Debug)]
enum Event {
    Gain(usize, u64),
    /// A loser pays, at most what is claimed.
    Pay(u64),
    /// Insurance pays, claimed or not.
    Insure(u64),
    /// A loser is bankrupt.
    Lose(u64),
    Mark(bool),
    Settle(usize),
    Pass(i64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => (0usize..12, 1u64..1_000_000).prop_map(|(who, amount)| Event::Gain(who, amount)),
        3 => (1u64..3_000_000).prop_map(Event::Pay),
        1 => (1u64..1_000_000).prop_map(Event::Insure),
        2 => (1u64..5_000_000).prop_map(Event::Lose),
        1 => any::<bool>().prop_map(Event::Mark),
        9 => (0usize..12).prop_map(Event::Settle),
        5 => (1i64..900).prop_map(Event::Pass),
        1 => (3_600i64..7_200).prop_map(Event::Pass),
    ];
    prop::collection::vec(event, 1..300)
}

impl Market {
    fn new() -> Self {
        Self {
            pool: ClaimsPool::default(),
            accounts: [Unsettled::default(); 12],
            now: START,
            owed: 0,
            gained: 0,
            collected: 0,
        }
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Gain(who, amount) => {
                self.accounts[who].carry += amount as i64;
                self.owed += amount;
                self.gained += amount;
            }
            Event::Pay(amount) => {
                let amount = amount.min(self.pool.payable().unwrap());
                self.pay(amount);
            }
            Event::Insure(amount) => self.pay(amount),
            Event::Lose(amount) => {
                let amount = amount.min(self.owed);
                self.owed -= amount;
                self.pool.add_loss(amount, self.now).unwrap();
            }
            Event::Mark(is_marked) => self.pool.unresolved = is_marked.into(),
            Event::Settle(who) => self.settle(who),
            Event::Pass(seconds) => self.now += seconds,
        }
    }

    fn pay(&mut self, amount: u64) {
        let amount = amount.min(self.owed);
        self.owed -= amount;
        self.pool.pay_in(amount).unwrap();
    }

    /// What `settle` does for a winner; anyone may.
    fn settle(&mut self, who: usize) {
        self.pool.share_loss(self.now).unwrap();
        self.pool.allocate(self.now).unwrap();
        let account = &mut self.accounts[who];
        self.collected += account.collect(&mut self.pool, self.now).unwrap() as u64;
        account.register(&mut self.pool, self.now).unwrap();
    }

    /// Settles everybody every hour until `done`, and says whether that came.
    fn comes_to(&mut self, done: impl Fn(&Self) -> bool, pays: bool) -> bool {
        for _ in 0..TURNS {
            for who in 0..self.accounts.len() {
                self.settle(who);
            }
            if done(self) {
                return true;
            }
            if pays {
                self.happen(&Event::Pay(u64::MAX));
            }
            self.now += SHARE_WAIT;
        }
        false
    }

    fn is_shared(&self) -> bool {
        let window = window(self.now).unwrap();
        let complete = |round: &Round| round.is_ready(window) && round.owed().unwrap() == 0;
        self.pool.loss_to_share == 0 && !self.pool.rounds.iter().any(complete)
    }

    fn is_empty(&self) -> bool {
        !self.accounts.iter().any(Unsettled::is_used)
    }
}

proptest! {
    /// From any state, frozen by an account below zero or not, settling everybody shares the whole loss and frees every round
    /// that is complete; and once no account is below zero and losers pay, everything is paid.
    #[test]
    fn any_pool_comes_to_rest(events in events()) {
        let mut market = Market::new();
        for event in &events {
            market.happen(event);
        }
        prop_assert!(market.comes_to(Market::is_shared, false), "{:?}", market.pool);
        market.pool.unresolved = 0;
        prop_assert!(market.comes_to(Market::is_empty, true), "{:?}", market.pool);
        let lost = market.pool.total_socialised;
        prop_assert_eq!(market.owed, 0);
        prop_assert_eq!(market.collected + lost, market.gained);
        let empty = ClaimsPool { total_socialised: lost, ..ClaimsPool::default() };
        prop_assert_eq!(market.pool, empty);
    }
}
