//! One expiry after the other in the same slots: random trades, prices with gaps, settlement in random order, and each time
//! everybody has to the micro-unit what a list of trades and payoffs says.

use estuary::state::series::NO_EXPIRY;
use estuary::state::SeriesKind::{self, Call, Future, Put};
use estuary_tests::expiry::{MINUTE, WINDOW};
use estuary_tests::life::{per_lot_down, Life, RICH};
use estuary_tests::setup::{mantissa, BTC_PRICE, DAY};
use estuary_tests::{ix, EstuaryError as E, Random};

/// Expiries that follow each other; each has its own series in the slots of the one before.
const CYCLES: u32 = 12;
const TRADES: usize = 25;

struct Run {
    life: Life,
    random: Random,
    dollars: f64,
}

impl Run {
    fn new(seed: u64) -> Self {
        Self {
            life: Life::new(),
            random: Random::new(seed),
            dollars: BTC_PRICE,
        }
    }

    fn place(&mut self) -> usize {
        self.random.below(3) as usize
    }

    /// Trades at mark between random sides in random series of the expiry.
    fn trade(&mut self) {
        let table = self.life.world.market(&self.life.all[0].market).table;
        let slots: Vec<u16> = (0u16..)
            .zip(&table)
            .filter(|(_, series)| series.expiry == 0 && !series.is_free())
            .map(|(slot, _)| slot)
            .collect();
        for _ in 0..TRADES {
            let taker = self.place();
            let maker = (taker + 1 + self.random.below(2) as usize) % 3;
            let slot = *self.random.pick(&slots);
            let lots = self.random.lots(200);
            self.life.price(self.dollars);
            let leg = self.life.world.leg_at_mark(&self.life.all[0], slot, lots);
            self.life.trade(taker, maker, &[leg]).ok();
            self.life.world.pass(600);
            self.dollars *= self.random.uniform(0.995, 1.005);
        }
    }

    /// Records random minutes of the window, until the settlement price is final. Returns it by a list of minutes.
    fn expire(&mut self) -> u64 {
        let btc = self.life.btc();
        let share = self.random.uniform(0.3, 1.0);
        let mut minutes: Vec<Option<u64>> = Vec::new();
        let mut filled = 0;
        for minute in 0i64.. {
            let ended = minute >= WINDOW && filled >= 20;
            if !ended && self.random.uniform(0.0, 1.0) > share {
                minutes.push(None);
                continue;
            }
            self.dollars *= self.random.uniform(0.99, 1.01);
            let time = self.life.time;
            self.life
                .world
                .record_minute(&self.life.house, &btc, time, minute, self.dollars);
            if ended {
                break;
            }
            filled += 1;
            minutes.push(Some(mantissa(self.dollars)));
            if minute >= WINDOW && filled == 20 {
                break;
            }
        }
        let mut last = None;
        let mut covered = Vec::new();
        for (minute, price) in (0i64..).zip(minutes) {
            last = price.or(last);
            covered.extend(if minute < WINDOW { last } else { price });
        }
        let sum: u64 = covered.iter().sum();
        sum / covered.len() as u64
    }

    /// Everybody's money when it is settled: what it is now, and what the lots pay.
    fn expected(&self, settlement: u64) -> [i64; 3] {
        let table = self.life.world.market(&self.life.all[0].market).table;
        let mut money = self.life.money();
        for (slot, series) in (0u16..).zip(&table) {
            if series.is_free() || series.expiry != 0 {
                continue;
            }
            let kind = series.kind().expect("a kind");
            let per_lot = per_lot_down(kind, series.strike, settlement);
            for (money, lots) in money.iter_mut().zip(self.life.lots(slot)) {
                *money += lots * per_lot;
            }
        }
        money
    }

    /// Settles in random order with random pauses until everything is collected.
    fn settle(&mut self) {
        for _ in 0..20 {
            let place = self.place();
            let error = self.life.settle(place).estuary_error();
            assert!(error.is_none() || error == Some(E::NothingToSettle.code()));
            self.life.world.pass(self.random.below(400) as i64);
        }
        self.life.settle_up();
        self.life.settle_up();
    }
}

/// Contracts of a cycle, at strikes that differ from cycle to cycle.
fn contracts(cycle: u32) -> Vec<(SeriesKind, u64)> {
    let shift = u64::from(cycle % 4);
    let strikes = [80, 95, 100, 105, 120].map(|percent| percent + shift);
    let options = [Call, Put]
        .into_iter()
        .flat_map(|kind| strikes.map(|percent| (kind, percent)));
    std::iter::once((Future, 0)).chain(options).collect()
}

fn run(seed: u64) {
    let mut run = Run::new(seed);
    let first = run.life.world.slot(&run.life.all[0], Future, 0, 0);
    let used = run.life.world.market(&run.life.all[0].market);
    for cycle in 1..=CYCLES {
        assert_eq!(run.life.generation(first), cycle);
        run.trade();
        let settlement = run.expire();
        let btc = run.life.btc();
        let average = run.life.world.average(&btc, run.life.time);
        assert_eq!(average.settlement_price, settlement, "cycle {cycle}");
        let expected = run.expected(settlement);
        assert_eq!(expected.iter().sum::<i64>(), 3 * RICH);
        run.settle();
        let cash = run
            .life
            .traders
            .each_ref()
            .map(|one| run.life.world.cash(one));
        assert_eq!(cash, expected, "cycle {cycle}");
        run.life.retire().ok();
        run.life.post_again();
        run.life.list(&contracts(cycle));
    }
    // The table has not grown.
    let after = run.life.world.market(&run.life.all[0].market);
    assert_eq!(after.header.series_count, used.header.series_count);
    assert_eq!(after.header.expiry_count, used.header.expiry_count);
    for (old, new) in used.table.iter().zip(&after.table) {
        let lives_on = old.expiry == NO_EXPIRY || old.expiry > 0;
        assert!(!lives_on || old.generation == new.generation);
    }
    let cash = run
        .life
        .traders
        .each_ref()
        .map(|one| run.life.world.cash(one));
    run.life.everybody_leaves_with(cash, 0);
}

#[test]
fn one_expiry_after_the_other_is_settled_exactly() {
    for seed in 1..=3 {
        println!("seed {seed}");
        run(seed);
    }
}

#[test]
fn an_expiry_settles_while_others_and_their_slots_live_on() {
    let mut life = Life::new();
    let kept = life.spread((Call, 1, 100));
    let gone = life.spread((Call, 0, 100));
    let before = life.money();
    life.expire(|_| BTC_PRICE + 500.0);
    life.settle_up();
    assert_eq!(life.lots(gone), [0, 0, 0]);
    assert_eq!(life.lots(kept), [7, -10, 3]);
    let paid = [7, -10, 3].map(|lots| lots * 500_000);
    let after = [0, 1, 2].map(|place| before[place] + paid[place]);
    assert_eq!(life.money(), after);
    life.retire().ok();
    // What lives on is traded, settled at its own end and at its own price.
    life.price(BTC_PRICE);
    let leg = life.leg((Call, 1, 100), 1);
    life.trade(0, 1, &[leg]).ok();
    let btc = life.btc();
    life.time = life.world.expiry(&btc, 1).time;
    life.retire().refused(E::ExpiryNotPassed);
    let retired = ix::retire_expiry(&life.house, &btc, life.time - 23 * DAY);
    life.world.send(retired, &[]).refused(E::ExpiryUnknown);
    let before = life.money();
    life.expire(|minute| BTC_PRICE + (minute * MINUTE) as f64);
    life.settle_up();
    // 60 dollars a minute: 870 on average.
    let paid = [8, -11, 3].map(|lots| lots * 870_000);
    let after = [0, 1, 2].map(|place| before[place] + paid[place]);
    life.retire().ok();
    life.everybody_leaves_with(after, 0);
}
