//! A liquidation in the engine's terms.

use super::{
    engine::{book, new_arrays, totals_outside},
    liquidation_error,
    matured::constant,
    positions_in, risk_error, tokens_in, MarketData,
};
use crate::{
    error::EstuaryError,
    state::{market::listed, MarginAccount, SeriesKind},
};
use anchor_lang::prelude::*;
use estuary_risk::{
    liquidation::{
        plan, DiscountParameters, LiquidationMarket, LiquidationOutcome, Take, MAX_TAKES,
    },
    margin::MarginReport,
    market::{Leg, MarketArrays, MarketRisk},
    units::Money,
};

/// One market of a liquidation: arrays that serve both accounts, and the liquidated account's book.
struct Prepared {
    /// Place of the market in the instruction's list.
    place: usize,
    arrays: MarketArrays,
    legs: Vec<Leg>,
    costs: Vec<Money>,
}

/// What a liquidation of one account does, and the arrays to evaluate the liquidator with.
pub struct Liquidation {
    prepared: Vec<Prepared>,
    /// Positions that change hands, in the engine's numbering of markets and legs.
    takes: Vec<Take>,
    /// The account's reports before and after.
    pub outcome: LiquidationOutcome,
}

/// Lots of one position that leave the liquidated account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Place of the market in the list of markets.
    pub place: u16,
    /// Index of the market.
    pub market: u16,
    /// Slot of the series.
    pub slot: u16,
    /// Generation of the series.
    pub generation: u32,
    /// Signed lots that leave the account.
    pub lots: i64,
    /// Cash the account receives (pays when negative), for options.
    pub premium: i64,
    /// Change of the account's cost, for futures and perps.
    pub cost: i64,
    /// By how much the account is paid less than mark.
    pub discount: i64,
}

impl Liquidation {
    /// Plans the liquidation of `account`, with room for the series of `liquidator` in the same arrays.
    ///
    /// # Errors
    /// [`crate::EstuaryError::NotLiquidatable`], [`crate::EstuaryError::NothingToLiquidate`], the engine's.
    pub fn plan(
        account: &MarginAccount,
        liquidator: &MarginAccount,
        markets: &[MarketData<'_>],
        now: i64,
    ) -> Result<Self> {
        let mut prepared = Vec::with_capacity(markets.len());
        let priced = |market: &&MarketData<'_>| market.price.is_some();
        for (place, market) in markets.iter().enumerate() {
            if market.price.is_some() {
                prepared.push(prepare(place, account, liquidator, market, now)?);
            }
        }
        let mut views: Vec<LiquidationMarket<'_>> = prepared
            .iter_mut()
            .zip(markets.iter().filter(priced))
            .map(|(prepared, market)| LiquidationMarket {
                arrays: &mut prepared.arrays,
                legs: &mut prepared.legs,
                costs: &mut prepared.costs,
                discount: DiscountParameters {
                    delta_ppm: market.header.liquidation_delta_ppm,
                    vega_ppm: market.header.liquidation_vega_ppm,
                },
            })
            .collect();
        let mut takes = Vec::with_capacity(MAX_TAKES);
        let outcome = plan(totals_outside(account, markets)?, &mut views, &mut takes)
            .map_err(liquidation_error)?;
        Ok(Self {
            prepared,
            takes,
            outcome,
        })
    }

    /// The positions that change hands, named by `account`, which has not been changed yet.
    ///
    /// # Errors
    /// [`crate::EstuaryError::SlotUnknown`] for a position without a series.
    pub fn taken(&self, account: &MarginAccount, markets: &[MarketData<'_>]) -> Result<Vec<Taken>> {
        let mut taken = Vec::with_capacity(self.takes.len());
        for take in &self.takes {
            let Some(place) = self.prepared.get(take.market).map(|one| one.place) else {
                continue;
            };
            let Some(market) = markets.get(place) else {
                continue;
            };
            let positions = positions_in(account, market.header.index);
            let Some(position) = positions.get(take.leg) else {
                continue;
            };
            let series = listed(market.header, market.table, position.slot)?;
            let is_option = matches!(series.kind()?, SeriesKind::Call | SeriesKind::Put);
            let payment = take.payment.0;
            let (premium, cost) = if is_option {
                (payment, 0)
            } else {
                (0, payment)
            };
            taken.push(Taken {
                place: u16::try_from(place).map_err(|_| EstuaryError::CounterOverflow)?,
                market: position.market,
                slot: position.slot,
                generation: position.generation,
                lots: take.lots,
                premium,
                cost,
                discount: take.discount.0,
            });
        }
        Ok(taken)
    }

    /// The margin of the liquidator after the takes, by the arrays of the plan.
    ///
    /// # Errors
    /// The engine's.
    pub fn assess_liquidator(
        &mut self,
        liquidator: &MarginAccount,
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
            let cost = book(&mut prepared.arrays, market, liquidator, now, &mut legs)?;
            prepared
                .arrays
                .evaluate(&legs, &mut risk)
                .map_err(risk_error)?;
            totals.add_market(&risk, cost).map_err(risk_error)?;
        }
        totals.report().map_err(risk_error)
    }
}

/// Arrays of one market with the liquidated account's book in them and room for the liquidator's.
fn prepare(
    place: usize,
    account: &MarginAccount,
    liquidator: &MarginAccount,
    market: &MarketData<'_>,
    now: i64,
) -> Result<Prepared> {
    let positions = positions_in(account, market.header.index);
    let others = positions_in(liquidator, market.header.index)
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
    Ok(Prepared {
        place,
        arrays,
        legs,
        costs,
    })
}
