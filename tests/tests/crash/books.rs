//! Who trades what: random books of one to ten strategies, opened by block trades with the market makers.

use crate::prices::SYMBOLS;
use crate::run::{Customer, Run};
use estuary::instructions::TradeLeg;
use estuary::state::SeriesKind::{self, Call, Future, Perp, Put};
use estuary_tests::setup::USD;
use estuary_tests::{ix, Signer, Trader};
use std::collections::BTreeMap;

/// Kind, expiry, strike in percent, and units of the underlying per unit of the strategy.
type Part = (SeriesKind, u8, u64, f64);
/// Strategies and their names.
const STRATEGIES: [(&str, &[Part]); 18] = [
    ("long perpetual", &[(Perp, 0, 0, 1.0)]),
    ("long future", &[(Future, 0, 0, 1.0)]),
    ("short put", &[(Put, 0, 90, -1.0)]),
    ("short far put", &[(Put, 0, 75, -2.0)]),
    ("short perpetual", &[(Perp, 0, 0, -1.0)]),
    ("short call", &[(Call, 0, 110, -1.0)]),
    (
        "short straddle",
        &[(Call, 1, 100, -1.0), (Put, 1, 100, -1.0)],
    ),
    (
        "short strangle",
        &[(Call, 0, 110, -1.0), (Put, 0, 90, -1.0)],
    ),
    ("long straddle", &[(Call, 1, 100, 1.0), (Put, 1, 100, 1.0)]),
    ("put spread", &[(Put, 0, 100, -1.0), (Put, 0, 75, 1.0)]),
    (
        "iron condor",
        &[
            (Put, 1, 75, 1.0),
            (Put, 1, 90, -1.0),
            (Call, 1, 110, -1.0),
            (Call, 1, 125, 1.0),
        ],
    ),
    ("calendar", &[(Put, 0, 100, -1.0), (Put, 2, 100, 1.0)]),
    ("covered call", &[(Perp, 0, 0, 1.0), (Call, 1, 110, -1.0)]),
    ("protective put", &[(Perp, 0, 0, 1.0), (Put, 1, 90, 1.0)]),
    ("basis trade", &[(Perp, 0, 0, 1.0), (Future, 2, 0, -1.0)]),
    (
        "conversion",
        &[(Perp, 0, 0, 1.0), (Put, 1, 100, 1.0), (Call, 1, 100, -1.0)],
    ),
    ("ratio spread", &[(Put, 0, 100, 1.0), (Put, 0, 90, -2.0)]),
    ("hedged calls", &[(Call, 2, 100, 2.0), (Perp, 0, 0, -1.0)]),
];
/// How many of them lose most when prices fall; every third is one of these.
const BULLISH: usize = 4;
/// The markets to choose from: every second strategy is in the most volatile one.
const CHOICE: [usize; 4] = [0, 1, 2, 2];
/// How many strategies a book has: one account in ten has many positions.
const HOW_MANY: [usize; 10] = [1, 1, 1, 1, 1, 2, 2, 2, 3, 10];
/// Legs that one trade takes.
const LEGS: usize = 16;
/// Dollars of the smallest and of the largest strategy.
const SIZES: [f64; 2] = [10_000.0, 400_000.0];

/// What a customer wants to have.
struct Plan {
    name: String,
    /// Lots by market and slot.
    lots: BTreeMap<(usize, u16), i64>,
    /// Dollars of notional, all strategies together.
    notional: f64,
    /// Dollars of a market's underlying as collateral.
    tokens: Option<(usize, f64)>,
    /// Equity over initial margin after the withdrawal.
    cover: f64,
}

impl Run {
    fn plan(&mut self) -> Plan {
        let mut plan = Plan {
            name: String::new(),
            lots: BTreeMap::new(),
            notional: 0.0,
            tokens: None,
            cover: 0.0,
        };
        let strategies = *self.random.pick(&HOW_MANY);
        for _ in 0..strategies {
            let market = *self.random.pick(&CHOICE);
            let bullish = self.random.below(3) == 0;
            let among = if bullish { BULLISH } else { STRATEGIES.len() };
            let (name, parts) = *self.random.pick(&STRATEGIES[..among]);
            let [least, most] = SIZES.map(f64::ln);
            let notional = self.random.uniform(least, most).exp();
            let units = notional / self.prices[market];
            self.add(&mut plan, market, parts, units);
            plan.notional += notional * parts.iter().map(|part| part.3.abs()).sum::<f64>();
            let name = format!("{} {name}", SYMBOLS[market]);
            plan.name = if plan.name.is_empty() {
                name
            } else {
                format!("{}, {name}", plan.name)
            };
            if plan.tokens.is_none() && self.random.below(4) == 0 {
                plan.tokens = Some((market, notional * self.random.uniform(0.2, 1.0)));
            }
        }
        plan.cover = match self.random.below(10) {
            0..=3 => self.random.uniform(1.0, 1.06),
            4..=7 => self.random.uniform(1.06, 1.6),
            _ => self.random.uniform(1.6, 3.0),
        };
        plan
    }

    fn add(&self, plan: &mut Plan, market: usize, parts: &[Part], units: f64) {
        let underlying = &self.markets[market];
        let lot = underlying.args.lot_size as f64 / 1e9;
        for (kind, expiry, percent, weight) in parts {
            let slot = self.world.slot(underlying, *kind, *expiry, *percent);
            let lots = (units * weight / lot).round() as i64;
            *plan.lots.entry((market, slot)).or_default() += lots;
        }
        plan.lots.retain(|_, lots| *lots != 0);
    }

    /// Opens an account with a random book: deposits plenty, trades with the makers at mark, and withdraws what leaves the
    /// account at the cover it wants.
    pub fn open_customer(&mut self) {
        let plan = self.plan();
        let deposit = (plan.notional * 4.0) as u64 * USD + USD;
        let trader = self.house.trader(&mut self.world, deposit);
        if let Some((market, dollars)) = plan.tokens {
            let units = dollars / self.prices[market];
            let decimals = self.token_decimals(market);
            let amount = (units * 10f64.powi(decimals.into())) as u64 + 1;
            let token = self.tokens[market];
            self.world
                .deposit_token(&self.house, &trader, &token, amount);
            self.purses[market].push(token.purse(&trader.owner.pubkey()));
        }
        for market in 0..self.markets.len() {
            let here = plan.lots.iter().filter(|((one, _), _)| *one == market);
            let wanted: Vec<_> = here.map(|((_, slot), lots)| (*slot, *lots)).collect();
            self.trade_with_maker(&trader, market, &wanted);
        }
        let positions = self.account(&trader).position_count;
        self.figures.most_positions = self.figures.most_positions.max(positions);
        self.withdraw_to(&trader, plan.cover);
        self.customers.push(Customer {
            trader,
            book: plan.name,
            was_below_zero: false,
        });
    }

    pub fn token_decimals(&self, market: usize) -> u8 {
        let bank: estuary::state::Bank = self.world.read(&self.tokens[market].bank.bank);
        bank.decimals
    }

    /// Trades lots of a market's slots at mark with its maker.
    pub fn trade_with_maker(&mut self, trader: &Trader, market: usize, wanted: &[(u16, i64)]) {
        let maker = self.makers[market].clone();
        for chunk in wanted.chunks(LEGS) {
            let underlying = &self.markets[market];
            let leg = |(slot, lots): &(u16, i64)| self.world.leg_at_mark(underlying, *slot, *lots);
            let legs: Vec<TradeLeg> = chunk.iter().map(leg).collect();
            let sides = [trader, &maker];
            self.world
                .trade(&self.house, sides, &legs, &self.markets)
                .ok();
        }
    }

    /// Withdraws cash until equity is `cover` times the initial margin, or as much as may leave.
    fn withdraw_to(&mut self, trader: &Trader, cover: f64) {
        let account = self.account(trader);
        let report = self.view().report(&account);
        let kept = (report.initial_margin.0 as f64 * cover) as i64 + 50 * USD as i64;
        let free = report.equity.0 - kept;
        let amount = free.min(report.senior.0).min(account.cash());
        if amount <= 0 {
            return;
        }
        let markets = self.world.needed_to_pay_out(trader, &self.markets);
        let withdraw = ix::withdraw(&self.house, trader, amount.unsigned_abs(), &markets);
        self.world.send(withdraw, &[&trader.owner]).ok();
    }
}
