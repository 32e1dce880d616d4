//! Random accounts over up to three markets, with tokens, and liquidations of them.

#![allow(clippy::integer_division, reason = "amounts of a test")]

use super::Random;
use estuary_risk::fixed::ln_q40;
use estuary_risk::liquidation::{
    plan, report, DiscountParameters, LiquidationError, LiquidationMarket, LiquidationOutcome,
    Take, Token,
};
use estuary_risk::margin::{AccountTotals, MarginReport};
use estuary_risk::market::{Instrument, Leg, MarketArrays, MarketInputs, MarketRisk, OptionKind};
use estuary_risk::portfolio::{Offset, Offsets};
use estuary_risk::scenario::ScenarioParameters;
use estuary_risk::smile::Smile;
use estuary_risk::units::{Money, Price, MAX_LOTS_PER_MARKET, ONE_Q30};

/// What liquidators earn in every market here.
pub const DISCOUNT: DiscountParameters = DiscountParameters {
    delta_ppm: 5_000,
    vega_ppm: 50_000,
};

/// One market's part of an account.
pub struct MarketBook {
    pub arrays: MarketArrays,
    pub legs: Vec<Leg>,
    pub costs: Vec<Money>,
    pub tokens: Vec<Token>,
    /// Lots that the account's owner has elsewhere in the market.
    pub other_lots: u64,
    pub discount: DiscountParameters,
}

/// An account as the plan sees it.
pub struct Account {
    pub outside: AccountTotals,
    pub offsets: Offsets,
    pub markets: Vec<MarketBook>,
}

/// What a market is like.
#[derive(Clone, Copy)]
struct Terms {
    parameters: ScenarioParameters,
    spot: u64,
    lot_size: u64,
    decimals: u8,
}

const MARKETS: [Terms; 3] = [
    Terms {
        parameters: ScenarioParameters::BTC,
        spot: 12_342_671_234_567,
        lot_size: 1_000_000,
        decimals: 8,
    },
    Terms {
        parameters: ScenarioParameters::ETH,
        spot: 388_876_543_210,
        lot_size: 10_000_000,
        decimals: 18,
    },
    Terms {
        parameters: ScenarioParameters::SOL,
        spot: 18_912_345_678,
        lot_size: 1_000_000_000,
        decimals: 9,
    },
];

impl MarketBook {
    fn new(terms: &Terms, expiries: &[(i64, i64, Smile)], strikes: usize) -> Self {
        let inputs = MarketInputs {
            spot: Price(terms.spot),
            price_exponent: -8,
            lot_size: terms.lot_size,
            grid: terms.parameters.grid().unwrap(),
            oracle: estuary_risk::charges::OracleQuality::default(),
        };
        let mut arrays = MarketArrays::new(&inputs, expiries.len(), strikes).unwrap();
        for (id, (seconds, forward_q30, smile)) in (0u8..).zip(expiries) {
            arrays
                .add_expiry(id, *seconds, *forward_q30, smile)
                .unwrap();
        }
        Self {
            arrays,
            legs: Vec::new(),
            costs: Vec::new(),
            tokens: Vec::new(),
            other_lots: 0,
            discount: DISCOUNT,
        }
    }

    /// Value of the market's legs at mark, costs included, rounded down once.
    pub fn value(&mut self) -> i64 {
        let mut risk = estuary_risk::market::MarketRisk::EMPTY;
        self.arrays.evaluate(&self.legs, &mut risk).unwrap();
        let cost: i64 = self.costs.iter().map(|cost| cost.0).sum();
        risk.option_value.0 + risk.linear_value.0 + risk.spot_value.0 + cost
    }
}

impl Account {
    /// Legs of any kind, few or many, in lots from one to thousands, and tokens in a third of the markets.
    pub fn random(random: &mut Random) -> Self {
        let mut markets = Vec::new();
        let count = 1 + random.below(3) as usize;
        let first = random.below(3) as usize;
        let size = random.log_uniform(1.0, 20_000.0);
        let legs = 1 + random.below(24) as usize / count;
        for index in 0..count {
            let terms = MARKETS[(first + index) % 3];
            let expiries: Vec<_> = (0..1 + random.below(3)).map(|_| expiry(random)).collect();
            let mut book = MarketBook::new(&terms, &expiries, legs);
            for _ in 0..legs {
                let leg = leg(random, &mut book.arrays, &terms, expiries.len(), size);
                let linear = matches!(
                    leg.instrument,
                    Instrument::Perpetual | Instrument::Future { .. }
                );
                let value = book.arrays.lot_value().money_down(leg.lots.into(), 0);
                let moved = random.uniform(0.9, 1.1);
                let cost = if linear {
                    -value.unwrap().0 as f64 * moved
                } else {
                    0.0
                };
                book.legs.push(leg);
                book.costs.push(Money(cost as i64));
            }
            if random.below(3) == 0 {
                add_token(random, &mut book, &terms, size);
            }
            if random.below(3) == 0 {
                book.other_lots = random.log_uniform(1.0, 1e6) as u64;
            }
            markets.push(book);
        }
        let mut outside = AccountTotals::with_cash(Money(0));
        if random.below(3) == 0 {
            outside.unsettled = Money(random.uniform(-1e9, 1e9) as i64);
        }
        // Of their own numbers, so that they change nothing else.
        let offsets = random_offsets(&mut Random(random.0 ^ 0x000F_F5E7), markets.len());
        Self {
            outside,
            offsets,
            markets,
        }
    }

    pub fn report(&mut self) -> MarginReport {
        let (outside, offsets) = (self.outside, self.offsets.clone());
        report((outside, &offsets), &mut self.views()).unwrap()
    }

    /// Changes cash so that equity less maintenance margin is `health`.
    pub fn set_health(&mut self, health: i64) {
        // Where the account owes nothing its requirement depends on whether cash is negative: so twice.
        for _ in 0..2 {
            let now = self.report().health_maintenance().unwrap().0;
            self.outside.cash.0 += health - now;
        }
    }

    pub fn views(&mut self) -> Vec<LiquidationMarket<'_>> {
        self.markets
            .iter_mut()
            .map(|market| LiquidationMarket {
                arrays: &mut market.arrays,
                legs: &mut market.legs,
                costs: &mut market.costs,
                tokens: &mut market.tokens,
                other_lots: market.other_lots,
                discount: market.discount,
            })
            .collect()
    }

    /// One call: the account is as the plan leaves it, its cash too.
    pub fn liquidate(
        &mut self,
        max_notional: u64,
    ) -> Result<(LiquidationOutcome, Vec<Take>), LiquidationError> {
        let (outside, offsets) = (self.outside, self.offsets.clone());
        let mut takes = Vec::new();
        let outcome = plan(
            (outside, &offsets),
            max_notional,
            &mut self.views(),
            &mut takes,
        )?;
        self.outside.cash = outcome.cash;
        Ok((outcome, takes))
    }

    pub fn is_flat(&self) -> bool {
        let mut legs = self.markets.iter().flat_map(|market| &market.legs);
        legs.all(|leg| leg.lots == 0)
    }

    /// What one lot of what a take took needs by itself to be at its target.
    pub fn target_of_a_lot(&mut self, take: &Take) -> i64 {
        let lot = self.lot_of(take);
        let market = &mut self.markets[take.market];
        let positions = market.legs.len() - market.tokens.len();
        let instrument = market.legs[take.leg].instrument;
        let leg = match take.leg.checked_sub(positions) {
            None => Leg {
                instrument,
                lots: lot,
            },
            Some(_) => Leg {
                instrument: Instrument::Spot,
                lots: 1,
            },
        };
        let mut risk = MarketRisk::EMPTY;
        market.arrays.evaluate(&[leg], &mut risk).unwrap();
        let mut totals = AccountTotals::default();
        totals.add_market(&risk, Money(0)).unwrap();
        let report = totals.report().unwrap();
        report.liquidation_target().unwrap().0 + 1
    }

    /// Whether what a book can lose has a limit somewhere: there a lot more or less may change the requirement by any amount.
    pub fn has_defined_risk(&mut self) -> bool {
        self.markets.iter_mut().any(|market| {
            let mut risk = MarketRisk::EMPTY;
            market.arrays.evaluate(&market.legs, &mut risk).unwrap();
            risk.defined_loss != MarketRisk::NO_LIMIT
        })
    }

    /// What unwinding everything costs.
    pub fn liquidity_cost(&mut self) -> i64 {
        let mut cost = 0;
        for market in &mut self.markets {
            let mut risk = MarketRisk::EMPTY;
            let (legs, others) = (&market.legs, market.other_lots);
            let evaluated = market.arrays.evaluate_beside(legs, others, &mut risk);
            evaluated.unwrap();
            cost += risk.liquidity_cost.0;
        }
        cost
    }

    /// What all legs count towards a limit on size.
    pub fn notional(&self) -> u64 {
        let of = |market: &MarketBook| {
            let positions = market.legs.len() - market.tokens.len();
            let lots: u64 = market.legs[..positions]
                .iter()
                .map(|leg| leg.lots.unsigned_abs())
                .sum();
            let lots = market.arrays.lot_value().money_down(lots.into(), 0);
            let tokens = market.tokens.iter().map(|token| {
                let value = market.arrays.token_value_down(token.amount, token.decimals);
                value.unwrap().0 as u64
            });
            lots.unwrap().0 as u64 + tokens.sum::<u64>()
        };
        self.markets.iter().map(of).sum()
    }

    /// Everything at mark.
    pub fn value(&mut self) -> i64 {
        let outside = self.outside.cash.0 + self.outside.unsettled.0;
        let markets: i64 = self.markets.iter_mut().map(MarketBook::value).sum();
        outside + markets
    }

    /// What an account that had nothing has at mark after it took all this.
    pub fn value_of_taken(&mut self, takes: &[Take]) -> i64 {
        let mut value = 0;
        for take in takes {
            let market = &mut self.markets[take.market];
            let positions = market.legs.len() - market.tokens.len();
            if let Some(token) = take.leg.checked_sub(positions) {
                let decimals = market.tokens[token].decimals;
                let token = market.arrays.token_value_down(take.quantity, decimals);
                value += token.unwrap().0;
            } else {
                let mark = market.arrays.mark_q30(market.legs[take.leg].instrument);
                let lots = i128::from(take.quantity) * i128::from(mark.unwrap());
                value += market.arrays.lot_value().money_down(lots, 30).unwrap().0;
            }
            value -= take.payment.0;
        }
        value
    }

    /// One lot of what a take took, signed alike; all of it where that is less.
    pub fn lot_of(&self, take: &Take) -> i64 {
        let market = &self.markets[take.market];
        let positions = market.legs.len() - market.tokens.len();
        let Some(token) = take.leg.checked_sub(positions) else {
            return take.quantity.signum();
        };
        let unit = 10i128.pow(market.tokens[token].decimals.into());
        let lot = (unit * i128::from(market.arrays.lot_size()) / 1_000_000_000).max(1);
        lot.min(take.quantity.into()) as i64
    }

    /// Gives part of a take back at what was paid for it; what rounding changes in the payment does not matter.
    pub fn give_back(&mut self, take: &Take, quantity: i64) {
        let part = |amount: Money| {
            Money((i128::from(amount.0) * i128::from(quantity) / i128::from(take.quantity)) as i64)
        };
        let market = &mut self.markets[take.market];
        let positions = market.legs.len() - market.tokens.len();
        let leg = &mut market.legs[take.leg];
        if take.leg >= positions {
            let token = &mut market.tokens[take.leg - positions];
            token.amount += quantity;
            leg.instrument = market
                .arrays
                .balance(token.amount, token.decimals, token.room)
                .unwrap();
            leg.lots = 1;
            self.outside.cash.0 -= part(take.payment).0;
            return;
        }
        leg.lots += quantity;
        match leg.instrument {
            Instrument::Perpetual | Instrument::Future { .. } => {
                market.costs[take.leg].0 -= part(take.payment).0;
            }
            _ => self.outside.cash.0 -= part(take.payment).0,
        }
    }
}

fn expiry(random: &mut Random) -> (i64, i64, Smile) {
    let seconds = (random.log_uniform(0.1, 200.0) * 86_400.0) as i64;
    let forward = (1.0 + random.uniform(-0.02, 0.04)) * ONE_Q30 as f64;
    let volatility = random.uniform(0.2, 1.2) * 1e9;
    (seconds, forward as i64, Smile::flat(volatility as u64))
}

fn leg(
    random: &mut Random,
    arrays: &mut MarketArrays,
    terms: &Terms,
    expiries: usize,
    size: f64,
) -> Leg {
    let sign = random.pick(&[-1, 1]);
    let lots = sign * (random.log_uniform(1.0, size.max(1.0) + 1.0) as i64);
    let expiry = random.below(expiries as u64) as u8;
    let instrument = match random.below(6) {
        0 => Instrument::Perpetual,
        1 => arrays.future(expiry).unwrap(),
        kind => {
            let kind = if kind % 2 == 0 {
                OptionKind::Call
            } else {
                OptionKind::Put
            };
            let strike = terms.spot / 100 * (70 + 2 * random.below(31));
            arrays
                .option(kind, expiry, Price(strike), ln_q40(strike), 0)
                .unwrap()
        }
    };
    Leg { instrument, lots }
}

fn add_token(random: &mut Random, book: &mut MarketBook, terms: &Terms, size: f64) {
    let unit = 10f64.powi(terms.decimals.into());
    let lot = unit * terms.lot_size as f64 / 1e9;
    let amount = (random.uniform(0.1, size) * lot).min(9e18) as i64;
    let (decimals, room) = (terms.decimals, MAX_LOTS_PER_MARKET / 2);
    let instrument = book.arrays.balance(amount, decimals, room).unwrap();
    book.legs.push(Leg {
        instrument,
        lots: 1,
    });
    book.costs.push(Money(0));
    book.tokens.push(Token {
        amount,
        decimals,
        room,
    });
}

/// Offsets of every pair: none for a third of the accounts.
fn random_offsets(random: &mut Random, markets: usize) -> Offsets {
    let mut offsets = Offsets::NONE;
    if random.below(3) == 0 {
        return offsets;
    }
    for high in 0..markets {
        offsets.set_floor(high, random.uniform(0.1, 0.6e6) as u32);
        for low in 0..high {
            let maintenance_ppm = random.uniform(0.0, 0.9e6) as u32;
            let kept = random.below(3) as f64 / 2.0;
            let offset = Offset {
                initial_ppm: (f64::from(maintenance_ppm) * kept) as u32,
                maintenance_ppm,
            };
            offsets.set_pair(low, high, offset);
        }
    }
    offsets
}
