//! Block trades and transfers of positions, and what they may do to an account's health.

use crate::run::Run;
use crate::snapshot::Snapshot;
use estuary::instructions::{PositionTransfer, TradeLeg};
use estuary::state::LotsMoved;
use estuary_client::instruction::signed_by_delegate;
use estuary_risk::margin::MarginReport;
use estuary_tests::{ix, Keypair, Signer, Trader};

/// Micro-units that rounding may move: a few per position of two accounts.
pub const ROUNDING: i64 = 256;

/// What is left above initial margin.
fn health(report: &MarginReport) -> i64 {
    report.equity.0 - report.initial_margin.0
}

/// Section 8: who is above initial margin stays there, and who is below, or marked, does not sink.
fn check_health(before: &MarginReport, after: &MarginReport, fees: i64, is_failing: bool) {
    let maintenance = |report: &MarginReport| report.equity.0 - report.maintenance_margin.0;
    assert!(!is_failing || maintenance(after) >= maintenance(before));
    if is_failing || health(before) < 0 {
        assert!(health(after) >= health(before), "{before:?}\n{after:?}");
        assert!(after.equity.0 >= before.equity.0 - fees - ROUNDING && after.equity.0 >= 0);
    } else {
        assert!(health(after) >= 0, "{before:?}\n{after:?}");
    }
}

impl Run {
    /// Slots of a market's series that have not expired.
    pub fn live_slots(&self, market: usize) -> Vec<u16> {
        let copy = self.world.market(&self.markets[market].market);
        let is_live = |slot: &u16| {
            let series = &copy.table[usize::from(*slot)];
            let expiry = copy.header.expiry(series.expiry);
            !series.is_free() && expiry.map_or(true, |expiry| expiry.time > self.world.now())
        };
        (0..copy.header.series_count).filter(is_live).collect()
    }

    /// Different series, mostly few, at mark or near it.
    pub fn legs(&mut self) -> Vec<TradeLeg> {
        let most = if self.random.below(6) == 0 { 16 } else { 4 };
        let count = 1 + self.random.below(most);
        let mut legs: Vec<TradeLeg> = Vec::new();
        for _ in 0..count {
            let market = self.random.below(2) as usize;
            let slot = *self.random.pick(&self.live_slots(market));
            let index = self.markets[market].index;
            if legs
                .iter()
                .any(|leg| (leg.market, leg.slot) == (index, slot))
            {
                continue;
            }
            let lots = self.random.lots(if most > 4 { 200 } else { 2_000 });
            let underlying = &self.markets[market];
            let mut leg = if self.is_fresh(market) {
                self.world.leg_at_mark(underlying, slot, lots)
            } else {
                self.world.leg(underlying, slot, lots, self.prices[market])
            };
            if self.random.below(3) == 0 {
                leg.price = ((leg.price as f64 * self.random.uniform(0.97, 1.03)) as u64).max(1);
            }
            legs.push(leg);
        }
        legs
    }

    /// Who signs for an account: the owner, or now and then a delegate whose time may have passed.
    fn signer(&mut self, user: usize) -> Keypair {
        let by_delegate = self.random.below(6) == 0;
        let user = &self.users[user];
        let delegate = user.delegate.as_ref().filter(|_| by_delegate);
        delegate.unwrap_or(&user.trader.owner).insecure_clone()
    }

    pub fn trade(&mut self) {
        let (legs, sides) = (self.legs(), self.pair());
        let owner = |user: usize| self.users[user].trader.owner.pubkey();
        let signers = if owner(sides[0]) == owner(sides[1]) {
            sides.map(|user| self.users[user].trader.owner.insecure_clone())
        } else {
            sides.map(|user| self.signer(user))
        };
        let _ = self.trade_legs(sides, &legs, &signers);
    }

    /// Trades, and checks both sides.
    pub fn trade_legs(
        &mut self,
        sides: [usize; 2],
        legs: &[TradeLeg],
        signers: &[Keypair; 2],
    ) -> Result<(), String> {
        self.send_trade("block_trade", sides, legs, signers)
    }

    /// Trades under another name in the counts, and checks both sides.
    fn send_trade(
        &mut self,
        action: &str,
        sides: [usize; 2],
        legs: &[TradeLeg],
        signers: &[Keypair; 2],
    ) -> Result<(), String> {
        let before = sides.map(|user| self.report(user));
        let books = Snapshot::of(self);
        let traders = sides.map(|user| self.trader(user));
        let [taker, maker] = [&traders[0], &traders[1]];
        let markets = self.world.needed(&[taker, maker], legs, &self.markets);
        let mut trade = ix::block_trade(&self.house, taker, maker, legs, &markets);
        for (trader, signer) in [taker, maker].iter().zip(signers) {
            if signer.pubkey() != trader.owner.pubkey() {
                trade = signed_by_delegate(trade, &trader.owner.pubkey(), signer.pubkey());
            }
        }
        let done = self.send(action, trade, &[&signers[0], &signers[1]]);
        done?;
        // What succeeds has had fresh prices for everything.
        let before = before.map(|report| report.expect("fresh prices"));
        let after = sides.map(|user| self.report(user).expect("fresh prices"));
        let fees = Snapshot::of(self).fees_since(&books) as i64;
        assert!(fees >= 0);
        for ((user, before), after) in sides.into_iter().zip(&before).zip(&after) {
            let was = books.account(user);
            let is_failing = was.unhealthy_since != 0 || before.is_liquidatable();
            check_health(before, after, fees, is_failing);
            let is = self.account(user);
            let fails = is.unhealthy_since != 0;
            assert_eq!(fails, after.is_liquidatable(), "{after:?}");
            for leg in legs.iter().filter(|_| is_failing) {
                let [before, after] = [was, &is].map(|one| one.lots(leg.market, leg.slot));
                let moved = LotsMoved { before, after };
                assert!(moved.reduces(), "{moved:?} below maintenance margin");
            }
        }
        self.check_sum(sides, [&before, &after], &books);
        Ok(())
    }

    /// Somebody who fails, if anybody does, trades parts of some positions away, or a little more than that.
    pub fn reduce_any(&mut self) {
        let [mut user, mut other] = self.pair();
        let failing = |user: &usize| {
            let report = self.report(*user);
            let has_positions = self.account(*user).position_count > 0;
            has_positions && report.is_some_and(|report| report.is_liquidatable())
        };
        let mut all: Vec<usize> = self.open().filter(failing).collect();
        all.retain(|one| *one != self.backstop());
        if !all.is_empty() {
            user = *self.random.pick(&all);
        }
        if user == other || self.random.below(2) == 0 {
            other = self.backstop();
        }
        let positions = self.account(user).open_positions().to_vec();
        let mut legs: Vec<TradeLeg> = Vec::new();
        for position in positions {
            let market = usize::from(position.market);
            let is_live = self.live_slots(market).contains(&position.slot);
            if !self.is_fresh(market) || !is_live || self.random.below(3) == 0 || legs.len() > 3 {
                continue;
            }
            let held = position.lots.unsigned_abs();
            let lots = match self.random.below(8) {
                0 => held + 1,
                1..=3 => held,
                _ => self.random.below(held) + 1,
            };
            let lots = -position.lots.signum() * lots as i64;
            legs.push(
                self.world
                    .leg_at_mark(&self.markets[market], position.slot, lots),
            );
        }
        if !legs.is_empty() {
            let signers = [user, other].map(|one| self.trader(one).owner);
            let _ = self.send_trade("reduce", [user, other], &legs, &signers);
        }
    }

    /// What one of two accounts gains the other loses, but for fees: in books exactly, in equity but for rounding.
    fn check_sum(&self, sides: [usize; 2], reports: [&[MarginReport; 2]; 2], before: &Snapshot) {
        let after = Snapshot::of(self);
        let sum = |books: &Snapshot| books.book(sides[0]) + books.book(sides[1]);
        let fees = after.fees_since(before);
        assert_eq!(sum(&after) + fees, sum(before));
        let [before, after] =
            reports.map(|reports| reports.iter().map(|one| one.equity.0).sum::<i64>());
        let moved = after + fees as i64 - before;
        assert!(moved.abs() <= ROUNDING, "{moved} of equity out of nothing");
    }

    /// Some positions move to another account of the same owner.
    pub fn transfer_positions(&mut self) {
        let Some([from, to]) = self.own_pair() else {
            return;
        };
        let mut transfers: Vec<PositionTransfer> = Vec::new();
        let positions = self.account(from).open_positions().to_vec();
        let count = 1 + self.random.below(4);
        for position in positions {
            if transfers.len() as u64 == count || self.random.below(2) == 0 {
                continue;
            }
            let lots = self.random.below(position.lots.unsigned_abs()) as i64 + 1;
            transfers.push(PositionTransfer {
                market: position.market,
                slot: position.slot,
                generation: position.generation,
                lots: lots * position.lots.signum(),
            });
        }
        if transfers.is_empty() {
            return;
        }
        let before = [from, to].map(|user| self.report(user));
        let books = Snapshot::of(self);
        let [source, target] = [from, to].map(|user| self.trader(user));
        let instruction = self.transfer(&source, &target, &transfers);
        let done = self.send("transfer_positions", instruction, &[&source.owner]);
        if done.is_err() {
            return;
        }
        let before = before.map(|report| report.expect("fresh prices"));
        let after = [from, to].map(|user| self.report(user).expect("fresh prices"));
        assert!(!before[0].is_liquidatable() && books.account(from).unhealthy_since == 0);
        for (before, after) in before.iter().zip(&after) {
            assert!(
                health(after) >= health(before).min(0),
                "{before:?}\n{after:?}"
            );
        }
        self.check_sum([from, to], [&before, &after], &books);
    }

    fn transfer(
        &self,
        source: &Trader,
        target: &Trader,
        transfers: &[PositionTransfer],
    ) -> anchor_lang::solana_program::instruction::Instruction {
        let markets = self.world.needed(&[source, target], &[], &self.markets);
        ix::transfer_positions(&self.house, source, target, transfers, &markets)
    }
}
