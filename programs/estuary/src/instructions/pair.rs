//! Two accounts that exchange positions in one instruction: both books before and after, and what limits them.

use crate::{
    bridge::{
        engine::totals_outside, offsets::offsets_of, risk_error, trade::Side, Engine, MarketData,
    },
    error::EstuaryError,
    instructions::owners::Owners,
    market_view::MarketView,
    state::{MarginAccount, MarketSet, Owner, StateAccount, MAX_POSITIONS_PER_TRANSACTION},
};
use anchor_lang::prelude::*;
use estuary_risk::portfolio::Offsets;
use std::rc::Rc;

/// Both accounts.
pub(crate) type Pair<'a> = [&'a mut MarginAccount; 2];

/// A series that an instruction names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// Index of the market.
    pub market: u16,
    /// Slot of the series.
    pub slot: u16,
}

/// What changes in one market, given to [`exchange`].
pub(crate) struct Exchange<'a, 'b, 'o> {
    /// The engine, turned to the market.
    pub engine: &'a mut Engine,
    /// The market and its ledger.
    pub view: &'a MarketView<'b>,
    /// The market as the engine sees it.
    pub data: &'a MarketData<'a>,
    /// What is known of both sides so far.
    pub sides: &'a mut [Side; 2],
    /// Both owners' accounts.
    pub owners: &'a mut Owners<'o>,
}

/// Changes both accounts in one market.
pub(crate) type Apply<'c> = dyn FnMut(Exchange<'_, '_, '_>, &mut Pair<'_>) -> Result<()> + 'c;

/// The markets of series, none of which may be named twice.
pub(crate) fn markets_of(named: &[Named]) -> Result<MarketSet> {
    let mut markets = MarketSet::default();
    for (index, series) in named.iter().enumerate() {
        require!(
            !named.iter().take(index).any(|other| other == series),
            EstuaryError::LegDuplicated
        );
        markets.insert(series.market)?;
    }
    Ok(markets)
}

/// Refuses more positions than one transaction can evaluate. A series named counts when it may open one.
pub(crate) fn check_position_count(pair: &Pair<'_>, named: &[Named]) -> Result<()> {
    let held: usize = pair
        .iter()
        .map(|account| usize::from(account.position_count))
        .sum();
    let opens = |series: &&Named| {
        pair.iter()
            .all(|account| !account.has_position(series.market, series.slot))
    };
    let count = held.saturating_add(named.iter().filter(opens).count());
    require_gte!(
        MAX_POSITIONS_PER_TRANSACTION,
        count,
        EstuaryError::TooManyPositionsForOneTransaction
    );
    Ok(())
}

/// Evaluates both books, lets `apply` change them and evaluates them again, market by market. Records the prices of the
/// markets named.
pub(crate) fn exchange(
    pair: &mut Pair<'_>,
    owners: &mut Owners<'_>,
    markets: &[MarketView<'_>],
    named: &[Named],
    now: i64,
    apply: &mut Apply<'_>,
) -> Result<Box<[Side; 2]>> {
    let data: Vec<_> = markets.iter().map(MarketView::data).collect();
    let mut sides = Box::<[Side; 2]>::default();
    let most_series = markets
        .iter()
        .map(|view| series_met(pair, named, view.market.header.index));
    let mut engine =
        Engine::new(&data, most_series.max().unwrap_or(0))?.ok_or(EstuaryError::NoLegs)?;
    for (side, account) in sides.iter_mut().zip(pair.iter()) {
        side.before = totals_outside(account, &data)?;
        side.after = side.before;
        side.outside = side.before.unsettled;
    }
    for (view, data) in markets.iter().zip(&data) {
        let market = data.header.index;
        let traded = named.iter().any(|series| series.market == market);
        if data.price.is_none() {
            continue;
        }
        engine.enter(data)?;
        for (side, account) in sides.iter_mut().zip(whose(pair, owners)) {
            side.add_before(&mut engine, data, account, now, traded)?;
        }
        if !traded {
            continue;
        }
        let here = Exchange {
            engine: &mut engine,
            view,
            data,
            sides: &mut sides,
            owners,
        };
        apply(here, pair)?;
        view.record_price()?;
        for (side, account) in sides.iter_mut().zip(whose(pair, owners)) {
            side.add_after(&mut engine, data, account, now)?;
        }
    }
    let offsets = Rc::new(offsets_of_pair(pair, &data, named, now)?);
    for (side, account) in sides.iter_mut().zip(pair.iter()) {
        side.offsets = Some(Rc::clone(&offsets));
        // A position that closed has left its cost there.
        let outside = totals_outside(account, &data)?;
        side.after.cash = outside.cash;
        let carried = outside.unsettled.minus(side.outside).map_err(risk_error)?;
        side.after.unsettled = side.after.unsettled.plus(carried).map_err(risk_error)?;
    }
    Ok(sides)
}

/// Both accounts, each with its owner's.
fn whose<'a>(pair: &'a Pair<'_>, owners: &'a Owners<'_>) -> [(&'a MarginAccount, &'a Owner); 2] {
    let ([one, other], [owner, others]) = (pair, owners.both());
    [(one, owner), (other, others)]
}

/// How far markets offset each other for both accounts, before and after the exchange, which has been made.
fn offsets_of_pair(
    pair: &Pair<'_>,
    data: &[MarketData<'_>],
    named: &[Named],
    now: i64,
) -> Result<Offsets> {
    let [one, other] = pair;
    let mut held = [one.priced_markets()?, other.priced_markets()?];
    for set in &mut held {
        for series in named {
            set.insert(series.market)?;
        }
    }
    Ok(offsets_of(Some(&held), data, now))
}

/// How many different series both accounts have in a market, with those named.
fn series_met(pair: &Pair<'_>, named: &[Named], market: u16) -> usize {
    let [one, other] = pair;
    let one_has = one.positions_in(market).len();
    let other_adds = other
        .positions_in(market)
        .iter()
        .filter(|position| !one.has_position(market, position.slot))
        .count();
    let named_add = named.iter().filter(|series| {
        series.market == market
            && !pair
                .iter()
                .any(|account| account.has_position(market, series.slot))
    });
    one_has
        .saturating_add(other_adds)
        .saturating_add(named_add.count())
}

/// Checks both accounts' invariants and section 8 of the margin model for each, and marks them by their margin after it.
/// `names` tell the log which side it was; `changes` is how many amounts were rounded besides the values of the books.
pub(crate) fn check_sides(
    sides: &[Side; 2],
    pair: &mut Pair<'_>,
    names: [&str; 2],
    (markets, changes): (usize, usize),
    now: i64,
) -> Result<()> {
    // Each change of money and the values before and after are rounded by less than a micro-unit each.
    let rounding = markets.saturating_mul(2).saturating_add(changes);
    let rounding = i64::try_from(rounding).map_err(|_| error!(EstuaryError::CounterOverflow))?;
    for (name, (side, account)) in names.iter().zip(sides.iter().zip(pair)) {
        account.invariant()?;
        let after = side
            .check(rounding)
            .inspect_err(|_| msg!("side: {}", name))?;
        account.mark_health(after.is_liquidatable(), now);
    }
    Ok(())
}

/// Checks the accounts of a transfer: different ones, both of the signer.
pub(crate) fn check_own_pair(
    owner: &Pubkey,
    source: &AccountLoader<'_, MarginAccount>,
    destination: &AccountLoader<'_, MarginAccount>,
) -> Result<()> {
    require_keys_neq!(
        source.key(),
        destination.key(),
        EstuaryError::SameMarginAccount
    );
    let source_owner = crate::state::read(source)?.owner;
    require_keys_eq!(source_owner, *owner, EstuaryError::NotTheOwner);
    let destination_owner = crate::state::read(destination)?.owner;
    require_keys_eq!(
        destination_owner,
        *owner,
        EstuaryError::DestinationOfAnotherOwner
    );
    Ok(())
}
