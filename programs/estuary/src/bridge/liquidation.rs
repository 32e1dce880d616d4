//! A liquidation in the engine's terms.

use super::{
    engine::{book, new_arrays, totals_outside},
    liquidation_error,
    matured::constant,
    offsets::offsets,
    risk_error, tokens_in, MarketData,
};
use crate::{
    error::EstuaryError,
    event::{TakenPosition, TakenToken},
    state::{market::listed, MarginAccount, Owner, Position, MAX_LOTS_PER_MARKET},
};
use anchor_lang::prelude::*;
use estuary_risk::{
    liquidation::{
        plan, DiscountParameters, LiquidationMarket, LiquidationOutcome, Take, Token, MAX_TAKES,
    },
    margin::MarginReport,
    market::{Leg, MarketArrays, MarketRisk},
    portfolio::Offsets,
    units::{Money, ONE_PPM},
};

/// One market of a liquidation: arrays that serve both accounts, and the liquidated account's book.
struct Prepared {
    /// Place of the market in the instruction's list.
    place: usize,
    arrays: MarketArrays,
    legs: Vec<Leg>,
    costs: Vec<Money>,
    tokens: Vec<Token>,
}

/// What a liquidation of one account does, and the arrays to evaluate the liquidator with.
pub struct Liquidation {
    prepared: Vec<Prepared>,
    /// Positions that change hands, in the engine's numbering of markets and legs.
    takes: Vec<Take>,
    /// How far markets offset each other, for both accounts.
    offsets: Offsets,
    /// The account's reports before and after.
    pub outcome: LiquidationOutcome,
}

/// What changes hands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handover {
    /// Positions.
    pub positions: Vec<TakenPosition>,
    /// Tokens.
    pub tokens: Vec<TakenToken>,
    /// Cash the account receives in all, or pays when negative.
    pub cash: i64,
    /// The insurance fund's part of the discount, rounded down.
    pub insured: u64,
}

impl Liquidation {
    /// Plans the liquidation of `account`, whose owner's account is `owner`, at most `max_notional` micro-units of it, with
    /// room for the series of `liquidator` in the same arrays.
    ///
    /// # Errors
    /// [`crate::EstuaryError::NotLiquidatable`], [`crate::EstuaryError::NothingToLiquidate`],
    /// [`crate::EstuaryError::LiquidationSizeTooSmall`], the engine's.
    #[inline(never)]
    pub fn plan(
        (account, owner): (&MarginAccount, &Owner),
        liquidator: &MarginAccount,
        markets: &[MarketData<'_>],
        max_notional: u64,
        now: i64,
    ) -> Result<Self> {
        let mut prepared = prepare_all(account, liquidator, markets, now)?;
        let priced = |market: &&MarketData<'_>| market.price.is_some();
        let mut views: Vec<LiquidationMarket<'_>> = prepared
            .iter_mut()
            .zip(markets.iter().filter(priced))
            .map(|(prepared, market)| LiquidationMarket {
                arrays: &mut prepared.arrays,
                legs: &mut prepared.legs,
                costs: &mut prepared.costs,
                tokens: &mut prepared.tokens,
                other_lots: owner.other_lots(account, market.header.index),
                discount: DiscountParameters {
                    delta_ppm: market.header.liquidation_delta_ppm,
                    vega_ppm: market.header.liquidation_vega_ppm,
                },
            })
            .collect();
        let mut takes = Vec::with_capacity(MAX_TAKES);
        let outside = totals_outside(account, markets)?;
        // The liquidator may have all of these markets afterwards.
        let offsets = offsets(markets, now);
        let outside = (outside, &offsets);
        let outcome =
            plan(outside, max_notional, &mut views, &mut takes).map_err(liquidation_error)?;
        Ok(Self {
            prepared,
            takes,
            offsets,
            outcome,
        })
    }

    /// What changes hands, named by `account`, which has not been changed yet. Premium that its cash cannot pay is owed
    /// in the option's market.
    ///
    /// # Errors
    /// [`crate::EstuaryError::SlotUnknown`] for a position without a series, [`crate::EstuaryError::AmountOverflow`].
    #[inline(never)]
    pub fn handover(
        &self,
        account: &MarginAccount,
        markets: &[MarketData<'_>],
    ) -> Result<Handover> {
        let overflow = || error!(EstuaryError::AmountOverflow);
        let mut done = Handover::default();
        done.positions.reserve_exact(self.takes.len());
        let least = account.cash().min(0);
        let mut short = least.saturating_sub(self.outcome.cash.0).max(0);
        let mut insured_ppm = 0u128;
        for take in &self.takes {
            let place = self.prepared.get(take.market).map(|one| one.place);
            let place = place.ok_or(EstuaryError::MarketAccountMissing)?;
            let market = markets
                .get(place)
                .ok_or(EstuaryError::MarketAccountMissing)?;
            let positions = account.positions_in(market.header.index);
            if let Some(position) = positions.get(take.leg) {
                let taken = taken(take, position, market, &mut short)?;
                done.cash = done.cash.checked_add(taken.premium).ok_or_else(overflow)?;
                done.positions.push(taken);
            } else {
                let token = take.leg.saturating_sub(positions.len());
                let sold = sold(take, token, account, market)?;
                done.cash = done.cash.checked_add(sold.payment).ok_or_else(overflow)?;
                done.tokens.push(sold);
            }
            let share = u128::from(market.header.liquidation_insurance_ppm);
            let discount = u128::from(take.discount.0.max(0).unsigned_abs());
            insured_ppm = insured_ppm.saturating_add(discount.saturating_mul(share));
        }
        let insured = insured_ppm.checked_div(ONE_PPM.into()).unwrap_or(0);
        done.insured = u64::try_from(insured).map_err(|_| overflow())?;
        require_eq!(short, 0, EstuaryError::MarginAccountInvariant);
        Ok(done)
    }

    /// The margin of the liquidator after the takes, by the arrays of the plan.
    ///
    /// # Errors
    /// The engine's.
    #[inline(never)]
    pub fn assess_liquidator(
        &mut self,
        (liquidator, owner): (&MarginAccount, &Owner),
        markets: &[MarketData<'_>],
        now: i64,
    ) -> Result<MarginReport> {
        let mut totals = totals_outside(liquidator, markets)?;
        let mut risk = MarketRisk::EMPTY;
        let mut legs = Vec::with_capacity(liquidator.open_positions().len());
        for prepared in &mut self.prepared {
            let Some(market) = markets.get(prepared.place) else {
                continue;
            };
            let besides = book(&mut prepared.arrays, market, liquidator, now, &mut legs)?;
            let other_lots = owner.lots_beside(besides.gross_lots, market.header.index);
            prepared
                .arrays
                .evaluate_beside(&legs, other_lots, &mut risk)
                .map_err(risk_error)?;
            totals.add_market(&risk, besides.cost).map_err(risk_error)?;
        }
        totals.report_with(&self.offsets).map_err(risk_error)
    }
}

/// A take of a position. `short` is what cash does not pay of the premium, less what this take owes of it.
fn taken(
    take: &Take,
    position: &Position,
    market: &MarketData<'_>,
    short: &mut i64,
) -> Result<TakenPosition> {
    let series = listed(market.header, market.table, position.slot)?;
    let payment = take.payment.0;
    let (premium, carry, cost) = if series.kind()?.is_option() {
        let owed = payment.saturating_neg().clamp(0, *short);
        *short = short.saturating_sub(owed);
        (payment.saturating_add(owed), owed.saturating_neg(), 0)
    } else {
        (0, 0, payment)
    };
    Ok(TakenPosition {
        market: position.market,
        slot: position.slot,
        generation: position.generation,
        lots: take.quantity,
        premium,
        carry,
        cost,
        discount: take.discount.0,
    })
}

/// A take of the token at a place among those of a market.
fn sold(
    take: &Take,
    token: usize,
    account: &MarginAccount,
    market: &MarketData<'_>,
) -> Result<TakenToken> {
    let balance = tokens_in(account, market.header.index).nth(token);
    Ok(TakenToken {
        bank: balance.ok_or(EstuaryError::BankUnknown)?.bank,
        amount: take.quantity.max(0).unsigned_abs(),
        payment: take.payment.0,
        discount: take.discount.0,
    })
}

/// Arrays of every market with a price; apart from the plan, whose stack frame has no room for them on the way.
#[inline(never)]
fn prepare_all(
    account: &MarginAccount,
    liquidator: &MarginAccount,
    markets: &[MarketData<'_>],
    now: i64,
) -> Result<Vec<Prepared>> {
    let mut prepared = Vec::with_capacity(markets.len());
    for (place, market) in markets.iter().enumerate() {
        if market.price.is_some() {
            prepared.push(prepare(place, account, liquidator, market, now)?);
        }
    }
    Ok(prepared)
}

/// Arrays of one market with the liquidated account's book in them and room for the liquidator's.
fn prepare(
    place: usize,
    account: &MarginAccount,
    liquidator: &MarginAccount,
    market: &MarketData<'_>,
    now: i64,
) -> Result<Prepared> {
    let positions = account.positions_in(market.header.index);
    let others = liquidator
        .positions_in(market.header.index)
        .iter()
        .filter(|other| !positions.iter().any(|position| position.slot == other.slot));
    let room = positions.len().saturating_add(others.count());
    let mut arrays = new_arrays(market, room)?;
    let count = positions
        .len()
        .saturating_add(tokens_in(account, market.header.index).count());
    let mut legs = Vec::with_capacity(count);
    book(&mut arrays, market, account, now, &mut legs)?;
    let mut costs = Vec::with_capacity(count);
    for (position, leg) in positions.iter().zip(&legs) {
        let is_leg = leg.lots == position.lots;
        costs.push(if is_leg {
            Money(position.cost)
        } else {
            constant(market.header, market.table, position)?
        });
    }
    // Tokens come after the positions and have no cost.
    costs.resize(legs.len(), Money(0));
    let tokens = tokens(account, market, &arrays, &legs)?;
    Ok(Prepared {
        place,
        arrays,
        legs,
        costs,
        tokens,
    })
}

/// The account's tokens in a market as the plan takes them, each with the room that [`book`] gave it.
fn tokens(
    account: &MarginAccount,
    market: &MarketData<'_>,
    arrays: &MarketArrays,
    legs: &[Leg],
) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let positions = account.positions_in(market.header.index).len();
    let (contracts, balances) = legs.split_at_checked(positions).unwrap_or_default();
    let lots = |leg: &Leg| leg.lots.unsigned_abs();
    let held = contracts
        .iter()
        .fold(0u64, |sum, leg| sum.saturating_add(lots(leg)));
    let mut room = MAX_LOTS_PER_MARKET.saturating_sub(1).saturating_sub(held);
    for (token, leg) in tokens_in(account, market.header.index).zip(balances) {
        tokens.push(Token {
            amount: token.amount,
            decimals: token.decimals,
            room,
        });
        let lots = arrays.absolute_lots(leg.instrument).map_err(risk_error)?;
        room = room.saturating_sub(lots);
    }
    Ok(tokens)
}
