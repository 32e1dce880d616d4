//! Who trades what: five accounts, sized in quote units so that any price file gives the same books.
//!
//! Leverage is ordinary: the directional trader puts up 36% of what it buys, the others a multiple of their
//! requirement. Nothing about margins is set here.

use anyhow::{Context, Result};
use estuary::instructions::SeriesArgs;
use estuary::state::series::NO_EXPIRY;
use estuary::state::SeriesKind;

use super::format;
use super::listing::ONE;
use super::ops::GENERATION;
use super::world::{Underlying, World};
use crate::deploy::config::relative::strike;

/// Name of the account every other one trades with.
pub const MAKER: &str = "market maker";
/// Name of the account the bot trades for.
pub const LIQUIDATOR: &str = "liquidator";
/// Name of the account that netting protects.
pub const HEDGED: &str = "hedged trader";
/// Name of the account with the defined risk.
pub const CONDOR: &str = "iron condor";
/// Name of the account without a hedge.
pub const DIRECTIONAL: &str = "directional trader";

/// What the hedged trader spends on calls, quote units.
const PREMIUM: i64 = 32_000;

/// Lots of one series, the maker on the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookLeg {
    /// Market index.
    pub market: u16,
    /// Slot of the series.
    pub slot: u16,
    /// Signed lots of the account, not of the maker.
    pub lots: i64,
}

/// One account to open.
#[derive(Clone, Debug)]
pub struct Book {
    /// What the demo calls it.
    pub name: &'static str,
    /// Quote units to deposit.
    pub deposit: u64,
    /// What it buys and sells, in words.
    pub description: String,
    /// What it trades with the maker.
    pub legs: Vec<BookLeg>,
}

/// Which part of a smile an option is from.
struct Contract {
    kind: SeriesKind,
    /// Index of the expiry.
    expiry: u8,
    /// Percent of the first price, one of the template's.
    percent: u64,
}

/// The five books, maker first, liquidator last.
///
/// # Errors
/// When a market does not list what a book needs, which would be a mistake of the demo.
pub fn books(world: &World) -> Result<Vec<Book>> {
    let (main, second) = roles(&world.underlyings);
    let cash_only = |name, deposit, description: &str| Book {
        name,
        deposit,
        description: description.to_owned(),
        legs: Vec::new(),
    };
    Ok(vec![
        cash_only(MAKER, 500_000, "the other side of every trade below"),
        hedged(world, main)?,
        condor(second)?,
        directional(main, second)?,
        cash_only(
            LIQUIDATOR,
            250_000,
            "cash only: its bot evaluates accounts natively and sends liquidations",
        ),
    ])
}

/// Long calls for a fixed premium, however long they run, against a short perpetual on half of them.
fn hedged(world: &World, main: &Underlying) -> Result<Book> {
    let option = Contract {
        kind: SeriesKind::Call,
        expiry: 2,
        percent: 100,
    };
    let mut calls = leg(main, Some(option), 1)?;
    let price = world.view()?.mark(calls.market, calls.slot, GENERATION)?;
    calls.lots = lots_worth(PREMIUM, price, main.lot_size)?;
    let mut perpetual = leg(main, None, 1)?;
    perpetual.lots = -calls.lots / 2;
    Ok(Book {
        name: HEDGED,
        deposit: 40_000,
        description: format!(
            "long {0} {1} for {2}, short {3} {4}: about delta-neutral",
            format::units(world.units(calls.market, calls.lots)).trim_start_matches('+'),
            world.series_name(calls.market, calls.slot),
            format::count(PREMIUM.unsigned_abs()),
            format::units(world.units(perpetual.market, -perpetual.lots)).trim_start_matches('+'),
            world.series_name(perpetual.market, perpetual.slot),
        ),
        legs: vec![calls, perpetual],
    })
}

/// Short a strangle, long a wider one.
fn condor(second: &Underlying) -> Result<Book> {
    let option = |kind, percent, notional| {
        let option = Contract {
            kind,
            expiry: 1,
            percent,
        };
        leg(second, Some(option), notional)
    };
    Ok(Book {
        name: CONDOR,
        deposit: 30_000,
        description: format!(
            "{} options on 200,000: short 90% puts and 110% calls, long 80% puts and 120% calls",
            second.symbol
        ),
        legs: vec![
            option(SeriesKind::Put, 80, 200_000)?,
            option(SeriesKind::Put, 90, -200_000)?,
            option(SeriesKind::Call, 110, -200_000)?,
            option(SeriesKind::Call, 120, 200_000)?,
        ],
    })
}

/// Long perpetuals at 2.8 times the deposit; with one market all of it there.
fn directional(main: &Underlying, second: &Underlying) -> Result<Book> {
    let (in_main, in_second) = (150_000, 100_000);
    let (description, legs) = if main.index == second.index {
        let text = format!("long 250,000 of {} perpetual on 90,000", main.symbol);
        (text, vec![leg(main, None, in_main + in_second)?])
    } else {
        let text = format!(
            "long 150,000 of {} and 100,000 of {} perpetual on 90,000: 2.8 times leverage",
            main.symbol, second.symbol
        );
        (
            text,
            vec![leg(main, None, in_main)?, leg(second, None, in_second)?],
        )
    };
    Ok(Book {
        name: DIRECTIONAL,
        deposit: 90_000,
        description,
        legs,
    })
}

/// The most volatile market and another one: SOL and ETH where the file has them, else the last two.
fn roles(underlyings: &[Underlying]) -> (&Underlying, &Underlying) {
    let named = |symbol: &str| underlyings.iter().find(|market| market.symbol == symbol);
    let main = named("SOL").unwrap_or(&underlyings[underlyings.len() - 1]);
    let other = |market: &&Underlying| market.index != main.index;
    let second = named("ETH").filter(other);
    let second = second.or_else(|| underlyings.iter().rev().find(other));
    (main, second.unwrap_or(main))
}

/// The most volatile market, whose lowest price is "the low" of the summary.
pub fn main_market(underlyings: &[Underlying]) -> usize {
    usize::from(roles(underlyings).0.index)
}

/// Lots worth `notional` quote units of the underlying at its first price, of an option or the perpetual.
fn leg(market: &Underlying, option: Option<Contract>, notional: i64) -> Result<BookLeg> {
    let wanted = match option {
        None => SeriesArgs {
            kind: SeriesKind::Perp,
            expiry: NO_EXPIRY,
            strike: 0,
        },
        Some(option) => SeriesArgs {
            kind: option.kind,
            expiry: option.expiry,
            strike: strike(market.first_price, option.percent),
        },
    };
    let slot = market.series.iter().position(|series| *series == wanted);
    Ok(BookLeg {
        market: market.index,
        slot: u16::try_from(slot.context("a series that is not listed")?)?,
        lots: lots_worth(notional, market.first_price, market.lot_size)?,
    })
}

/// Lots that are worth `amount` quote units at a price, rounded towards zero.
fn lots_worth(amount: i64, price: u64, lot_size: u64) -> Result<i64> {
    let lot_worth = i128::from(price) * i128::from(lot_size);
    let lots = (i128::from(amount) * i128::from(ONE) * 1_000_000_000)
        .checked_div(lot_worth)
        .context("a price of zero")?;
    Ok(i64::try_from(lots)?)
}
