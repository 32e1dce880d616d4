//! The account's book while a plan takes from it: quantities, what is paid for them, and the risk of what is left.

use super::{
    rank::{Candidate, Ranking},
    LiquidationMarket, Standing, Take, Token,
};
use crate::fixed::mul_div_down;
use crate::margin::{AccountTotals, GROSS_DIVISOR_INITIAL};
use crate::market::{Instrument, Leg, MarketRisk};
use crate::portfolio::Offsets;
use crate::scenario::{CENTRE_COLUMN, CORE_COLUMNS, SPOT_NODES, VOL_LEVELS};
use crate::units::{Money, RiskError, ONE_PPM};
use alloc::{boxed::Box, vec::Vec};

/// The risk of one market's book, and the sum of its costs.
struct Evaluated {
    risk: MarketRisk,
    cost: Money,
}

/// The account but for one market, so that a trial there adds no other.
struct Rest {
    /// The market left out, [`usize::MAX`] where none is.
    market: usize,
    totals: AccountTotals,
}

/// The place of a market in the offsets.
fn place(market: usize) -> u8 {
    u8::try_from(market).unwrap_or(u8::MAX)
}

/// Everything that a plan changes.
pub(super) struct Book<'m, 'a> {
    pub markets: &'m mut [LiquidationMarket<'a>],
    /// Of each market's book as it stands.
    evaluated: Vec<Evaluated>,
    /// Of one market after a take that may be undone.
    trial: MarketRisk,
    /// Of the last trial, as long as no other market changes.
    rest: Box<Rest>,
    outside: AccountTotals,
    offsets: &'m Offsets,
    /// The account's cash; below zero when it cannot pay for what is taken.
    pub cash: Money,
    /// Micro-units of discount that the plan may still give.
    pub discount_left: Money,
    /// What the ranking knows, market by market.
    pub rankings: Vec<Ranking>,
    notional_left: u64,
    /// Something was not taken because of the limit on size.
    pub is_limited_by_size: bool,
}

impl<'m, 'a> Book<'m, 'a> {
    pub fn new(
        (outside, offsets): (AccountTotals, &'m Offsets),
        max_notional: u64,
        markets: &'m mut [LiquidationMarket<'a>],
    ) -> Self {
        let mut evaluated = Vec::with_capacity(markets.len());
        evaluated.resize_with(markets.len(), || Evaluated {
            risk: MarketRisk::EMPTY,
            cost: Money(0),
        });
        let mut rankings = Vec::with_capacity(markets.len());
        rankings.resize_with(markets.len(), Ranking::default);
        Self {
            markets,
            rankings,
            evaluated,
            trial: MarketRisk::EMPTY,
            cash: outside.cash,
            rest: Box::new(Rest {
                market: usize::MAX,
                totals: outside,
            }),
            outside,
            offsets,
            discount_left: Money(0),
            notional_left: max_notional,
            is_limited_by_size: false,
        }
    }

    /// Legs of all markets.
    pub fn legs(&self) -> usize {
        self.markets.iter().map(|market| market.legs.len()).sum()
    }

    /// Limits all discounts together to an account's equity, less what rounding each leg's value may take from it.
    pub fn limit_discount(&mut self, equity: Money) {
        let rounding = i64::try_from(self.legs()).unwrap_or(i64::MAX);
        self.discount_left = Money(equity.0.saturating_sub(rounding).max(0));
    }

    /// Micro-units of notional that the plan may still take.
    pub fn notional_left(&self) -> u64 {
        self.notional_left
    }

    /// The worst column of a market's book as it stood when it was last evaluated: of all columns, or of those around the node at
    /// which all markets together lose most.
    pub fn worst_column(&self, market: usize, node: Option<usize>) -> usize {
        let Some(evaluated) = self.evaluated.get(market) else {
            return CENTRE_COLUMN;
        };
        let risk = &evaluated.risk;
        let Some(node) = node else {
            return risk.worst_column;
        };
        if node >= SPOT_NODES {
            // After the nodes of the core come the tails, as in the columns of the last level.
            return node.saturating_add(CORE_COLUMNS.saturating_sub(SPOT_NODES));
        }
        let first = node.saturating_sub(2);
        let count = node.saturating_add(3).min(SPOT_NODES).saturating_sub(first);
        let (levels, _) = risk.pnl_q28.as_chunks::<SPOT_NODES>();
        let (mut lowest, mut worst) = (i64::MAX, CENTRE_COLUMN);
        let mut column = first;
        for level in levels.iter().take(VOL_LEVELS) {
            for (place, pnl) in level.iter().skip(first).take(count).enumerate() {
                if *pnl < lowest {
                    (lowest, worst) = (*pnl, column.saturating_add(place));
                }
            }
            column = column.saturating_add(SPOT_NODES);
        }
        worst
    }

    /// Evaluates every market and makes that the book as it stands.
    pub fn evaluate_all(&mut self) -> Result<Standing, RiskError> {
        for (market, evaluated) in self.markets.iter_mut().zip(&mut self.evaluated) {
            let risk = &mut evaluated.risk;
            market
                .arrays
                .evaluate_beside(market.legs, market.other_lots, risk)?;
            evaluated.cost = market
                .costs
                .iter()
                .try_fold(Money(0), |sum, cost| sum.plus(*cost))?;
        }
        self.total(usize::MAX)
    }

    /// Evaluates one market; the others are as they stand. [`Book::accept`] makes it the book as it stands.
    pub fn evaluate(&mut self, market: usize) -> Result<Standing, RiskError> {
        let held = self
            .markets
            .get_mut(market)
            .ok_or(RiskError::UnknownInstrument)?;
        held.arrays
            .evaluate_beside(held.legs, held.other_lots, &mut self.trial)?;
        self.total(market)
    }

    /// Makes the last evaluation of one market its book as it stands.
    pub fn accept(&mut self, market: usize) {
        if let Some(evaluated) = self.evaluated.get_mut(market) {
            core::mem::swap(&mut evaluated.risk, &mut self.trial);
        }
    }

    /// How the account stands, with the market `tried` as in the trial.
    #[inline(never)]
    fn total(&mut self, tried: usize) -> Result<Standing, RiskError> {
        if tried == usize::MAX || self.rest.market != tried {
            self.rest.market = tried;
            self.rest.totals = self.outside;
            for (market, evaluated) in self.evaluated.iter().enumerate() {
                if market != tried {
                    let totals = &mut self.rest.totals;
                    totals.add_market_at(place(market), &evaluated.risk, evaluated.cost)?;
                }
            }
        }
        let mut totals = self.rest.totals;
        totals.cash = self.cash;
        if let Some(evaluated) = self.evaluated.get(tried) {
            totals.add_market_at(place(tried), &self.trial, evaluated.cost)?;
        }
        let ((initial, maintenance), node) = totals
            .portfolio
            .losses(self.offsets, totals.scenario_loss)?;
        let gross_binds = totals.gross.mul_div_up(1, GROSS_DIVISOR_INITIAL)? > initial;
        Ok(Standing {
            gross_binds,
            node: node.filter(|_| !gross_binds),
            report: totals.report_of(initial, maintenance)?,
        })
    }

    fn market(&self, market: usize) -> Result<&LiquidationMarket<'a>, RiskError> {
        self.markets.get(market).ok_or(RiskError::UnknownInstrument)
    }

    fn leg(&self, candidate: &Candidate) -> Result<Leg, RiskError> {
        let market = self.market(candidate.market)?;
        let leg = market.legs.get(candidate.leg);
        leg.copied().ok_or(RiskError::UnknownInstrument)
    }

    /// The token behind a leg, `None` for a position.
    fn token(&self, candidate: &Candidate) -> Result<Option<Token>, RiskError> {
        Ok(self.market(candidate.market)?.token(candidate.leg))
    }

    /// What the account holds of a candidate: lots, or base units of a token.
    pub fn held(&self, candidate: &Candidate) -> Result<u64, RiskError> {
        Ok(match self.token(candidate)? {
            Some(token) => token.amount.max(0).unsigned_abs(),
            None => self.leg(candidate)?.lots.unsigned_abs(),
        })
    }

    /// The quantity of so many lots, rounded up, at most what is held.
    fn quantity_of(&self, candidate: &Candidate, lots: u64) -> Result<u64, RiskError> {
        let held = self.held(candidate)?;
        let Some(token) = self.token(candidate)? else {
            return Ok(lots.min(held));
        };
        let lot_size = self.market(candidate.market)?.arrays.lot_size();
        let base_units = 10u128
            .checked_pow(token.decimals.into())
            .and_then(|unit| unit.checked_mul(lot_size.into()))
            .and_then(|billionths| billionths.checked_mul(lots.into()))
            .map_or(u128::MAX, |billionths| billionths.div_ceil(1_000_000_000));
        Ok(u64::try_from(base_units).map_or(held, |quantity| quantity.min(held)))
    }

    /// What a quantity counts towards the limit on size, rounded up.
    pub fn notional_up(&self, candidate: &Candidate, quantity: u64) -> Result<u64, RiskError> {
        let arrays = &self.market(candidate.market)?.arrays;
        let value = match self.token(candidate)? {
            Some(token) => {
                let opposite = signed(quantity)?.saturating_neg();
                Money(0).minus(arrays.token_value_down(opposite, token.decimals)?)?
            }
            None => arrays.lot_value().money_up(i128::from(quantity), 0)?,
        };
        Ok(value.0.max(0).unsigned_abs())
    }

    /// What one lot of a candidate counts towards the limit on size, rounded up.
    pub fn lot_notional_up(&self, candidate: &Candidate) -> Result<u64, RiskError> {
        let arrays = &self.market(candidate.market)?.arrays;
        Ok(arrays.lot_value().money_up(1, 0)?.0.max(0).unsigned_abs())
    }

    /// The largest number of lots within what is left of the limit on size, at most what is held, rounded up where all of
    /// it is within the limit.
    pub fn most_lots(&self, candidate: &Candidate) -> Result<u64, RiskError> {
        let lot = self.lot_notional_up(candidate)?.max(1);
        let held = self.held(candidate)?;
        let notional = self.notional_up(candidate, held)?;
        let within = notional <= self.notional_left;
        let lots = match self.token(candidate)? {
            None if within => held,
            _ if within => notional.div_ceil(lot).saturating_add(1),
            _ => self.notional_left.checked_div(lot).unwrap_or(0),
        };
        Ok(lots)
    }

    /// The discount on all that is held of a candidate, whatever the account's equity, rounded down.
    pub fn full_discount(&self, candidate: &Candidate) -> Result<u128, RiskError> {
        let held = self.held(candidate)?;
        let (_, value) = self.value(candidate, held)?;
        self.discount(candidate, held, value)
    }

    /// The discount on a quantity of this value, whatever the account's equity, rounded down.
    fn discount(
        &self,
        candidate: &Candidate,
        quantity: u64,
        value: Money,
    ) -> Result<u128, RiskError> {
        let market = self.market(candidate.market)?;
        if market.token(candidate.leg).is_none() {
            let lots = u128::from(quantity);
            // Two of 64 bits fit 128.
            return Ok(u128::from(candidate.discount_q20).wrapping_mul(lots) >> 20);
        }
        let value = value.0.max(0).unsigned_abs();
        let share = mul_div_down(value, market.discount.delta_ppm.into(), ONE_PPM.into());
        Ok(share.unwrap_or(u64::MAX).into())
    }

    /// A quantity with its sign, and its value at mark: that of contracts rounded down, that of tokens up, because their
    /// balance is rounded down.
    fn value(&self, candidate: &Candidate, quantity: u64) -> Result<(i64, Money), RiskError> {
        let market = self.market(candidate.market)?;
        let quantity = signed(quantity)?;
        if let Some(token) = market.token(candidate.leg) {
            let opposite = quantity.saturating_neg();
            let value = market.arrays.token_value_down(opposite, token.decimals)?;
            return Ok((quantity, Money(0).minus(value)?));
        }
        let leg = self.leg(candidate)?;
        let lots = directed(quantity, leg.lots);
        let mark = i128::from(market.arrays.mark_q30(leg.instrument)?);
        // Two of 63 bits.
        let value = i128::from(lots).wrapping_mul(mark);
        Ok((lots, market.arrays.lot_value().money_down(value, 30)?))
    }

    /// Moves so many lots and the money for them; the inverse is [`Book::apply`] with −1.
    pub fn exchange(&mut self, candidate: &Candidate, lots: u64) -> Result<Take, RiskError> {
        let quantity = self.quantity_of(candidate, lots)?;
        self.exchange_quantity(candidate, quantity)
    }

    /// [`Book::exchange`] of a quantity, which may be a fraction of a lot of a token.
    pub fn exchange_quantity(
        &mut self,
        candidate: &Candidate,
        quantity: u64,
    ) -> Result<Take, RiskError> {
        let (moved, value) = self.value(candidate, quantity)?;
        let full = self.discount(candidate, quantity, value)?;
        let discount = i64::try_from(full)
            .map_or(self.discount_left, Money)
            .min(self.discount_left);
        let take = Take {
            market: candidate.market,
            leg: candidate.leg,
            quantity: moved,
            payment: value.minus(discount)?,
            discount,
        };
        self.apply(&take, 1)?;
        Ok(take)
    }

    /// Applies a take, or undoes it with a `direction` of −1.
    pub fn apply(&mut self, take: &Take, direction: i64) -> Result<(), RiskError> {
        let moved = directed(take.quantity, direction);
        let payment = Money(directed(take.payment.0, direction));
        let market = self
            .markets
            .get_mut(take.market)
            .ok_or(RiskError::UnknownInstrument)?;
        let token_place = market.token_place(take.leg);
        let leg = market
            .legs
            .get_mut(take.leg)
            .ok_or(RiskError::UnknownInstrument)?;
        if let Some(token) = token_place.and_then(|place| market.tokens.get_mut(place)) {
            token.amount = token.amount.saturating_sub(moved);
            leg.instrument = market
                .arrays
                .balance(token.amount, token.decimals, token.room)?;
            leg.lots = i64::from(token.amount != 0);
            self.cash = self.cash.plus(payment)?;
        } else {
            leg.lots = leg.lots.saturating_sub(moved);
            match leg.instrument {
                Instrument::Option { .. } | Instrument::Spot | Instrument::Balance { .. } => {
                    self.cash = self.cash.plus(payment)?;
                }
                Instrument::Perpetual | Instrument::Future { .. } => {
                    let cost = market
                        .costs
                        .get_mut(take.leg)
                        .ok_or(RiskError::UnknownInstrument)?;
                    *cost = cost.plus(payment)?;
                    if let Some(evaluated) = self.evaluated.get_mut(take.market) {
                        evaluated.cost = evaluated.cost.plus(payment)?;
                    }
                }
            }
        }
        if self.rest.market != take.market {
            self.rest.market = usize::MAX;
        }
        let discount = Money(directed(take.discount.0, direction));
        self.discount_left = self.discount_left.minus(discount)?;
        Ok(())
    }

    /// Counts a take towards the limit on size.
    pub fn count_notional(&mut self, candidate: &Candidate, take: &Take) -> Result<(), RiskError> {
        if self.notional_left < u64::MAX {
            let notional = self.notional_up(candidate, take.quantity.unsigned_abs())?;
            self.notional_left = self.notional_left.saturating_sub(notional);
        }
        Ok(())
    }
}

/// A number, the other way round for a negative direction, 0 for none.
fn directed(number: i64, direction: i64) -> i64 {
    match direction {
        0 => 0,
        1.. => number,
        _ => number.saturating_neg(),
    }
}

fn signed(quantity: u64) -> Result<i64, RiskError> {
    i64::try_from(quantity).map_err(|_| RiskError::TooManyLots)
}
