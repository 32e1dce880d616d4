//! An account as it would be after further legs, and its summary before and after: pricing each series once for both.

use super::{
    engine::totals_outside,
    report::{fill_summary, market_summary},
    trade::{mark, price_leg, Side},
    Engine, MarketData,
};
use crate::{
    error::EstuaryError,
    instructions::{AddedLeg, TradeLeg, WhatIf},
    report::{SummaryView, WhatIfView},
    state::{MarginAccount, MarketSet, Owner, StateAccount},
};
use anchor_lang::prelude::*;
use estuary_risk::margin::AccountTotals;

/// Copies of an account and its owner's after a change.
pub struct Changed {
    // Slices of one are copied to the heap without passing the stack.
    account: Box<[MarginAccount]>,
    owner: Box<[Owner]>,
}

impl Changed {
    /// Both.
    ///
    /// # Errors
    /// None that can happen.
    pub fn both(&self) -> Result<(&MarginAccount, &Owner)> {
        let both = self.account.first().zip(self.owner.first());
        Ok(both.ok_or(EstuaryError::MarginAccountInvariant)?)
    }
}

/// Copies of an account and its owner's after a change: its legs at their prices, premium paid in cash, no fees. Cash may
/// fall below zero in it, so that a trader sees what is missing.
///
/// # Errors
/// Those of a leg by itself and against its series and mark, as in a block trade: see
/// [`super::trade::price_leg`]; [`EstuaryError::TooManyPositions`], [`EstuaryError::LotsOverflow`],
/// [`EstuaryError::AccountInTooManyMarkets`], [`EstuaryError::AmountOverflow`], the engine's.
#[inline(never)]
pub fn changed(
    (account, owner): (&MarginAccount, &Owner),
    change: &WhatIf,
    markets: &[MarketData<'_>],
    now: i64,
) -> Result<Changed> {
    let mut copy = Changed {
        account: core::slice::from_ref(account).into(),
        owner: core::slice::from_ref(owner).into(),
    };
    let both = copy.account.first_mut().zip(copy.owner.first_mut());
    let (after, owner) = both.ok_or(EstuaryError::MarginAccountInvariant)?;
    add_cash(after, change.cash)?;
    let legs_in = |market: &MarketData<'_>| {
        let index = market.header.index;
        change.legs.iter().filter(move |leg| leg.market == index)
    };
    let most = markets.iter().map(|market| legs_in(market).count()).max();
    let Some(mut engine) = Engine::new(markets, most.unwrap_or(0))? else {
        return Ok(copy);
    };
    let mut sides = Box::<[Side; 2]>::default();
    for market in markets.iter().filter(|one| legs_in(one).next().is_some()) {
        engine.enter(market)?;
        for leg in legs_in(market) {
            let leg = at_price(&mut engine, market, leg, now)?;
            let effect = price_leg(&mut engine, market, &leg, now, &mut sides)?;
            let moved = after.apply_trade(
                leg.market,
                leg.slot,
                leg.generation,
                effect.lots,
                effect.cost,
            )?;
            owner.move_lots(leg.market, &moved)?;
        }
    }
    let [taker, _] = &*sides;
    let paid = taker.premium_paid.checked_neg();
    add_cash(after, paid.ok_or(EstuaryError::AmountOverflow)?)?;
    after.invariant()?;
    Ok(copy)
}

/// Adds to the cash of a copy, below zero too.
fn add_cash(account: &mut MarginAccount, change: i64) -> Result<()> {
    let cash = account
        .balances
        .first_mut()
        .ok_or(EstuaryError::BankUnknown)?;
    cash.amount = cash
        .amount
        .checked_add(change)
        .ok_or_else(|| error!(EstuaryError::AmountOverflow).with_values((cash.amount, change)))?;
    Ok(())
}

/// A leg with its price: at mark, rounded against the account, where none is given.
fn at_price(
    engine: &mut Engine,
    market: &MarketData<'_>,
    leg: &AddedLeg,
    now: i64,
) -> Result<TradeLeg> {
    let price = match leg.price {
        Some(price) => price,
        None => {
            let instrument = engine.instrument(market, leg.slot, leg.generation, now)?;
            let (down, up) = mark(engine, market, instrument)?;
            if leg.lots > 0 {
                up
            } else {
                down
            }
        }
    };
    Ok(TradeLeg {
        market: leg.market,
        slot: leg.slot,
        generation: leg.generation,
        lots: leg.lots,
        price,
    })
}

/// Those of the markets that an account's report takes, each with a price where its margin depends on it.
///
/// # Errors
/// [`EstuaryError::MarketUnknown`] for an index no market can have.
pub fn markets_of<'m>(
    account: &MarginAccount,
    markets: &[MarketData<'m>],
) -> Result<Vec<MarketData<'m>>> {
    let (needed, priced) = (account.markets()?, account.priced_markets()?);
    let mut of_account = Vec::with_capacity(markets.len());
    for market in markets {
        let index = market.header.index;
        if needed.contains(index) {
            let price = market.price.filter(|_| priced.contains(index));
            of_account.push(MarketData { price, ..*market });
        }
    }
    Ok(of_account)
}

/// One of the two accounts of a comparison, as it is summed up.
struct Summed<'a> {
    account: &'a MarginAccount,
    owner: &'a Owner,
    priced: MarketSet,
    totals: AccountTotals,
    view: &'a mut SummaryView,
    entries: usize,
}

impl<'a> Summed<'a> {
    fn new(
        (account, owner): (&'a MarginAccount, &'a Owner),
        markets: &[MarketData<'_>],
        view: &'a mut SummaryView,
    ) -> Result<Self> {
        Ok(Self {
            account,
            owner,
            priced: account.priced_markets()?,
            totals: totals_outside(account, markets)?,
            view,
            entries: 0,
        })
    }

    /// Adds a market that the engine has entered.
    fn add(&mut self, engine: &mut Engine, market: &MarketData<'_>, now: i64) -> Result<()> {
        if !self.priced.contains(market.header.index) {
            return Ok(());
        }
        engine.evaluate(market, (self.account, self.owner), now)?;
        engine.add_to(&mut self.totals)?;
        let entry = self.view.markets.get_mut(self.entries);
        *entry.ok_or(EstuaryError::AccountInTooManyMarkets)? = market_summary(engine, market)?;
        self.entries = self.entries.saturating_add(1);
        Ok(())
    }

    fn finish(self, markets: &[MarketData<'_>], now: i64) -> Result<()> {
        let own = markets_of(self.account, markets)?;
        fill_summary(self.view, self.account, &self.totals, &own, now)?;
        let markets = self.account.markets()?.len();
        self.view.market_count =
            u16::try_from(markets).map_err(|_| EstuaryError::CounterOverflow)?;
        Ok(())
    }
}

/// An account's summary as it is and as it would be: each what a report on that account alone would return. What its owner
/// holds in other accounts stays as it is.
///
/// # Errors
/// The engine's.
#[inline(never)]
pub fn summaries(
    (account, owner): (&MarginAccount, &Owner),
    changed: &Changed,
    markets: &[MarketData<'_>],
    now: i64,
) -> Result<Box<WhatIfView>> {
    let mut view = Box::<WhatIfView>::default();
    let WhatIfView { before, after } = &mut *view;
    let (changed, changed_owner) = changed.both()?;
    let mut both = [
        Summed::new((account, owner), markets, before)?,
        Summed::new((changed, changed_owner), markets, after)?,
    ];
    let most_series = markets
        .iter()
        .map(|market| series_met(account, changed, market.header.index));
    if let Some(mut engine) = Engine::new(markets, most_series.max().unwrap_or(0))? {
        for market in markets.iter().filter(|market| market.price.is_some()) {
            engine.enter(market)?;
            for one in &mut both {
                one.add(&mut engine, market, now)?;
            }
        }
    }
    let [before, after] = both;
    before.finish(markets, now)?;
    after.finish(markets, now)?;
    Ok(view)
}

/// How many series of a market the account has before or after.
fn series_met(account: &MarginAccount, changed: &MarginAccount, market: u16) -> usize {
    let closed = account
        .positions_in(market)
        .iter()
        .filter(|position| !changed.has_position(market, position.slot));
    changed
        .positions_in(market)
        .len()
        .saturating_add(closed.count())
}
