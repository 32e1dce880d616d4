//! Who trades what: five accounts, sized in quote units so that any price file gives the same books.
//!
//! Leverage is ordinary: the directional trader puts up 36% of what it buys, the others a multiple of their
//! requirement. Nothing about margins is set here.

use anyhow::{Context, Result};
use estuary::instructions::SeriesArgs;
use estuary::state::series::NO_EXPIRY;
use estuary::state::SeriesKind;

use super::listing::{self, ONE};
use super::world::{Underlying, World};

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
    /// Percent of the first price, one of [`listing::STRIKE_PERCENT`].
    percent: u64,
}

/// The five books, maker first, liquidator last.
///
/// # Errors
/// When a market does not list what a book needs, which would be a mistake of the demo.
pub fn books(world: &World) -> Result<Vec<Book>> {
    let (main, second) = roles(&world.underlyings);
    let book = |name, deposit, description, legs| Book {
        name,
        deposit,
        description,
        legs,
    };
    let perp = |market: &Underlying, notional| leg(market, None, notional);
    let option = |market: &Underlying, kind, expiry, percent, notional| {
        let option = Contract {
            kind,
            expiry,
            percent,
        };
        leg(market, Some(option), notional)
    };
    use SeriesKind::{Call, Put};
    Ok(vec![
        book(
            MAKER,
            500_000,
            "the other side of every trade below".to_owned(),
            Vec::new(),
        ),
        book(
            HEDGED,
            40_000,
            format!(
                "long 300,000 of at-the-money {0} calls, short 150,000 of {0} perpetual: delta-neutral",
                main.symbol
            ),
            vec![option(main, Call, 2, 100, 300_000)?, perp(main, -150_000)?],
        ),
        book(
            CONDOR,
            30_000,
            format!(
                "{} options on 200,000: short the 90% put and 110% call, long the 80% put and 120% call",
                second.symbol
            ),
            vec![
                option(second, Put, 1, 80, 200_000)?,
                option(second, Put, 1, 90, -200_000)?,
                option(second, Call, 1, 110, -200_000)?,
                option(second, Call, 1, 120, 200_000)?,
            ],
        ),
        directional(main, second)?,
        book(
            LIQUIDATOR,
            250_000,
            "cash only; a bot reads accounts, evaluates them natively and liquidates".to_owned(),
            Vec::new(),
        ),
    ])
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
            strike: listing::strike(market.first_price, option.percent),
        },
    };
    let slot = market.series.iter().position(|series| *series == wanted);
    let lot_worth = i128::from(market.first_price) * i128::from(market.lot_size);
    let lots = i128::from(notional) * i128::from(ONE) * 1_000_000_000 / lot_worth;
    Ok(BookLeg {
        market: market.index,
        slot: u16::try_from(slot.context("a series that is not listed")?)?,
        lots: i64::try_from(lots)?,
    })
}
