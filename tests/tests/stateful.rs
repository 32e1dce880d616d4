//! Random deposits, withdrawals, trades and liquidations under moving prices: after each of them the world checks every
//! identity, and this file what the margin model promises about the accounts that took part.
//!
//! `ESTUARY_FUZZ_SEED` repeats a run, `ESTUARY_FUZZ_STEPS` makes it longer.

use estuary::instructions::{SurfaceSlice, TradeLeg};
use estuary::state::MarketLedger;
use estuary::state::SeriesKind::{self, Call, Future, Put};
use estuary_risk::margin::MarginReport;
use estuary_tests::setup::{flat_slice, BTC_PRICE, DAY, EXPIRY_DAYS, SOL_PRICE, USD, USUAL_FEES};
use estuary_tests::trade::PERP;
use estuary_tests::world::START;
use estuary_tests::{ix, Event, House, Outcome, Random, Trader, Underlying, World};
use std::collections::BTreeMap;

const TRADERS: usize = 5;
/// Steps of a run, unless the environment says otherwise.
const DEFAULT_STEPS: u64 = 800;
/// What is traded of each market: few enough that two accounts never have too many positions for a trade.
const SERIES: [(SeriesKind, u8, u64); 11] = [
    PERP,
    (Future, 0, 0),
    (Future, 1, 0),
    (Call, 0, 100),
    (Put, 0, 100),
    (Put, 0, 90),
    (Call, 0, 110),
    (Call, 1, 100),
    (Put, 1, 80),
    (Call, 1, 120),
    (Call, 2, 100),
];
/// Micro-units that rounding may move.
const ROUNDING: i64 = 64;

struct Run {
    random: Random,
    world: World,
    house: House,
    markets: Vec<Underlying>,
    prices: [f64; 2],
    traders: Vec<Trader>,
    counts: BTreeMap<String, u32>,
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not {text}"))
    })
}

fn seed_of_the_day() -> u64 {
    let elapsed = std::time::UNIX_EPOCH.elapsed().expect("a clock");
    elapsed.as_secs()
}

impl Run {
    fn new(seed: u64) -> Self {
        let (mut world, house, markets) = World::with_fees(USUAL_FEES);
        let traders = (0..TRADERS)
            .map(|_| house.trader(&mut world, 50_000 * USD))
            .collect();
        Self {
            random: Random::new(seed),
            world,
            house,
            markets: markets.to_vec(),
            prices: [BTC_PRICE, SOL_PRICE],
            traders,
            counts: BTreeMap::new(),
        }
    }

    /// Counts an outcome; returns whether it was a success.
    fn count(&mut self, action: &str, outcome: Outcome) -> bool {
        let error = outcome.estuary_error();
        let name = match error {
            None => format!("{action}: ok"),
            Some(code) => format!("{action}: {code}"),
        };
        *self.counts.entry(name).or_default() += 1;
        error.is_none()
    }

    fn report(&self, trader: usize) -> MarginReport {
        let trader = &self.traders[trader];
        let markets = self.world.needed(&[trader], &[], &self.markets);
        self.world.report(trader, &markets)
    }

    /// All fees charged and not swept, paid or not.
    fn fees(&self) -> i64 {
        let of = |market: &Underlying| {
            let ledger: MarketLedger = self.world.read(&market.ledger);
            ledger.fees + ledger.fees_unpaid
        };
        let sum: u64 = self.markets.iter().map(of).sum();
        i64::try_from(sum).expect("fees")
    }

    /// The authority takes the fees of a market.
    fn sweep(&mut self) {
        let market = self.random.pick(&self.markets).clone();
        let sweep = ix::sweep_fees(&self.house, &market, self.traders[0].tokens);
        let outcome = self.world.send(sweep, &[&self.house.authority]);
        self.count("sweep", outcome);
    }

    /// Settles an account in a market, which changes nobody's equity but that of who is bankrupt.
    fn settle(&mut self) {
        let [number, _] = self.pair();
        let market = self.random.pick(&self.markets).clone();
        let variation = self.random.below(2) == 0;
        let before = self.report(number);
        let trader = &self.traders[number];
        let outcome = self.world.settle(&self.house, trader, &market, variation);
        let forgiven = forgiven(&outcome.events());
        if self.count("settle", outcome) {
            let moved = self.report(number).equity.0 - forgiven - before.equity.0;
            assert!(moved.abs() <= ROUNDING, "settling moved {moved}");
        }
    }

    /// Two different traders.
    fn pair(&mut self) -> [usize; 2] {
        let first = self.random.below(TRADERS as u64) as usize;
        let step = 1 + self.random.below(TRADERS as u64 - 1) as usize;
        [first, (first + step) % TRADERS]
    }

    fn deposit(&mut self) {
        let [trader, _] = self.pair();
        let amount = self.random.below(5_000 * USD) + 1;
        let trader = &self.traders[trader];
        let deposit = ix::deposit(&self.house, trader, amount);
        let outcome = self.world.send(deposit, &[&trader.owner]);
        assert!(
            self.count("deposit", outcome),
            "an exit or a rescue is never blocked"
        );
    }

    fn withdraw(&mut self) {
        let [number, _] = self.pair();
        let trader = &self.traders[number];
        let cash = self.world.cash(trader).unsigned_abs();
        let amount = self.random.below(cash.max(1)) / 3 + 1;
        let markets = self.world.needed(&[trader], &[], &self.markets);
        let before = self.report(number);
        let withdraw = ix::withdraw(&self.house, trader, amount, &markets);
        let outcome = self.world.send(withdraw, &[&trader.owner]);
        let amount = i64::try_from(amount).expect("an amount");
        let allowed = before.equity.0 - amount >= before.initial_margin.0
            && before.senior.0 - amount >= 0
            && amount <= self.world.cash(&self.traders[number]) + amount;
        if self.count("withdraw", outcome) {
            let after = self.report(number);
            assert_eq!(after.equity.0, before.equity.0 - amount);
            assert!(allowed && after.equity >= after.initial_margin && after.senior.0 >= 0);
        } else {
            assert!(
                !allowed || amount > cash as i64,
                "a withdrawal that was refused"
            );
        }
    }

    fn trade(&mut self) {
        let [taker, maker] = self.pair();
        let mut legs: Vec<TradeLeg> = Vec::new();
        for _ in 0..1 + self.random.below(4) {
            let market = self.random.pick(&self.markets).clone();
            let (kind, expiry, percent) = *self.random.pick(&SERIES);
            let slot = self.world.slot(&market, kind, expiry, percent);
            if legs
                .iter()
                .any(|leg| (leg.market, leg.slot) == (market.index, slot))
            {
                continue;
            }
            let mut leg = self
                .world
                .leg_at_mark(&market, slot, self.random.lots(2_000));
            if self.random.below(3) == 0 {
                leg.price = (leg.price as f64 * self.random.uniform(0.97, 1.03)) as u64;
            }
            legs.push(leg);
        }
        let before = [taker, maker].map(|trader| self.report(trader));
        let fees_before = self.fees();
        let sides = [taker, maker].map(|trader| &self.traders[trader]);
        let outcome = self.world.trade(&self.house, sides, &legs, &self.markets);
        if !self.count("trade", outcome) {
            return;
        }
        let after = [taker, maker].map(|trader| self.report(trader));
        let fees = self.fees() - fees_before;
        for (before, after) in before.iter().zip(&after) {
            assert!(!before.is_liquidatable());
            let health = |report: &MarginReport| report.equity.0 - report.initial_margin.0;
            if health(before) < 0 {
                assert!(health(after) >= health(before), "{before:?}\n{after:?}");
                assert!(after.equity.0 >= before.equity.0 - fees - ROUNDING && after.equity.0 >= 0);
            } else {
                assert!(health(after) >= 0, "{before:?}\n{after:?}");
            }
        }
        let sum = |reports: &[MarginReport; 2]| reports[0].equity.0 + reports[1].equity.0;
        let moved = sum(&after) - sum(&before) + fees;
        assert!(moved.abs() <= ROUNDING, "a trade made {moved} of equity");
    }

    fn liquidate(&mut self) {
        let [mut liquidated, liquidator] = self.pair();
        let failing =
            |number: &usize| *number != liquidator && self.report(*number).is_liquidatable();
        if let Some(number) = (0..TRADERS).find(failing) {
            liquidated = number;
        }
        let before = [liquidated, liquidator].map(|trader| self.report(trader));
        let [liquidated_by, liquidator_of] =
            [liquidator, liquidated].map(|trader| &self.traders[trader]);
        let outcome =
            self.world
                .liquidate(&self.house, liquidated_by, liquidator_of, &self.markets);
        let forgiven = forgiven(&outcome.events());
        if !self.count("liquidate", outcome) {
            return;
        }
        let after = [liquidated, liquidator].map(|trader| self.report(trader));
        assert!(before[0].is_liquidatable());
        let health = |report: &MarginReport| report.equity.0 - report.maintenance_margin.0;
        assert!(health(&after[0]) > health(&before[0]));
        assert!(after[1].equity >= after[1].initial_margin);
        let discount = before[0].equity.0 - (after[0].equity.0 - forgiven);
        assert!(discount <= before[0].equity.0.max(0) + ROUNDING);
        let earned = after[1].equity.0 - before[1].equity.0;
        assert!(
            (earned - discount).abs() <= ROUNDING,
            "{earned} of {discount}"
        );
    }

    /// Time passes and prices follow; now and then they jump, and surfaces are posted.
    fn move_on(&mut self) {
        self.world.pass(1 + self.random.below(1_800) as i64);
        let size = if self.random.below(6) == 0 {
            0.15
        } else {
            0.01
        };
        let move_by = [0; 2].map(|_| self.random.uniform(-size, size).exp());
        for (index, factor) in move_by.into_iter().enumerate() {
            let start = [BTC_PRICE, SOL_PRICE][index];
            self.prices[index] = (self.prices[index] * factor).clamp(start / 3.0, start * 3.0);
            self.world
                .set_price(&self.markets[index], self.prices[index]);
        }
        if self.random.below(10) > 0 {
            return;
        }
        let vol = (self.random.uniform(0.3, 1.5) * 1e9) as u64;
        let [rho, phi] = [
            self.random.uniform(-0.6, 0.2),
            self.random.uniform(0.0, 1.2),
        ];
        let live = EXPIRY_DAYS.iter().map(|days| START + days * DAY);
        let slices: Vec<_> = live
            .filter(|time| *time > self.world.now())
            .map(|time| SurfaceSlice {
                rho_ppb: (rho * 1e9) as i64,
                phi_ppb: (phi * 1e9) as u64,
                ..flat_slice(time, vol)
            })
            .collect();
        for market in &self.markets {
            let post = ix::post_surface(&self.house, &market.market, &slices);
            self.world.send(post, &[&self.house.authority]).ok();
        }
    }

    fn step(&mut self) {
        match self.random.below(23) {
            0 => self.deposit(),
            1..=2 => self.withdraw(),
            3..=12 => self.trade(),
            13..=16 => self.liquidate(),
            17 => self.sweep(),
            18..=19 => self.settle(),
            _ => self.move_on(),
        }
    }
}

/// What a liquidation or settlement recognised as lost: the account no longer owes it.
fn forgiven(events: &[Event]) -> i64 {
    let settlements = events.iter().flat_map(|event| match event {
        Event::Liquidated(event) => event.settlements.as_slice(),
        Event::Settled(event) => core::slice::from_ref(&event.settlement),
        _ => &[],
    });
    settlements
        .map(|one| one.fees_waived + one.insured + one.socialised)
        .sum()
}

#[test]
fn random_histories_keep_every_identity() {
    let seed = setting("ESTUARY_FUZZ_SEED", seed_of_the_day());
    let steps = setting("ESTUARY_FUZZ_STEPS", DEFAULT_STEPS);
    println!("ESTUARY_FUZZ_SEED={seed} ESTUARY_FUZZ_STEPS={steps}");
    let mut run = Run::new(seed);
    for step in 0..steps {
        if step % 100 == 0 {
            println!("step {step}");
        }
        run.step();
    }
    println!("{:#?}", run.counts);
    // A run that long meets everything, whatever its seed.
    if steps >= DEFAULT_STEPS {
        for action in [
            "deposit",
            "withdraw",
            "trade",
            "liquidate",
            "sweep",
            "settle",
        ] {
            let name = format!("{action}: ok");
            assert!(run.counts.contains_key(&name), "no {action} succeeded");
        }
    }
}
