//! What a liquidator takes: the positions and tokens that release most margin per unit of discount in the active worst
//! scenario, until the account is back at its target (section 8 of `margin-model.md`).
//!
//! Nothing is priced here: every step reuses the arrays of the instruction. `rank` says what is worth taking, `book`
//! keeps what the account holds while it is taken, `share` takes a part of everything where no single leg helps.

mod book;
mod rank;
mod share;
mod steps;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use crate::margin::{AccountTotals, MarginReport};
use crate::market::{Leg, MarketArrays};
use crate::portfolio::Offsets;
use crate::units::{Money, RiskError};
use book::Book;
pub use steps::{report, reports_after_each};

/// Single legs that one call takes, and so the number of times the worst scenario may move under the plan. Takes of a
/// share of every leg come on top.
pub const MAX_TAKES: usize = 4;
/// Evaluations of one market that the search for single legs may make in one call.
const MAX_TRIALS: usize = 6;
/// Further evaluations of one market to find out how little of the last leg is enough.
const MAX_TRIMS: usize = 4;
/// Searches for the best leg one call may make: each looks at every leg, so that every so many legs cost one of them.
const MAX_SEARCHES: usize = 5;
const LEGS_PER_SEARCH: usize = 40;

/// What a liquidator earns per lot, as a market states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscountParameters {
    /// Fraction of spot per unit of absolute delta, parts per million; also the least charge on a
    /// hundredth of a unit, so that no lot is free to take.
    pub delta_ppm: u32,
    /// Fraction of an option's gain from the volatility-up shock at unmoved spot, parts per million.
    pub vega_ppm: u32,
}

/// A token balance of the account under liquidation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Base units; a debt is negative, and counts without being taken.
    pub amount: i64,
    /// Decimals of the token.
    pub decimals: u8,
    /// Whole lots of it that count at most; see [`MarketArrays::balance`].
    pub room: u64,
}

/// One market of the account under liquidation; legs, costs and tokens change as the plan takes from them.
pub struct LiquidationMarket<'a> {
    /// The market's arrays, every leg priced.
    pub arrays: &'a mut MarketArrays,
    /// What the account holds: positions, then a leg with one lot for each of `tokens`, in their order.
    pub legs: &'a mut [Leg],
    /// Cost of each leg: the cash flow of a linear position's trades, 0 for options, spot and tokens.
    pub costs: &'a mut [Money],
    /// The balances behind the last legs.
    pub tokens: &'a mut [Token],
    /// Gross lots that the account's owner has elsewhere in the market.
    pub other_lots: u64,
    /// What the liquidator earns.
    pub discount: DiscountParameters,
}

impl LiquidationMarket<'_> {
    /// The place among `tokens` that a leg stands for, `None` for a position.
    fn token_place(&self, leg: usize) -> Option<usize> {
        let positions = self.legs.len().checked_sub(self.tokens.len())?;
        leg.checked_sub(positions)
    }

    /// The token behind a leg, `None` for a position.
    fn token(&self, leg: usize) -> Option<Token> {
        let place = self.token_place(leg)?;
        self.tokens.get(place).copied()
    }
}

/// Something that changes hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Take {
    /// Position of the market in the plan's input.
    pub market: usize,
    /// Position of the leg in its market.
    pub leg: usize,
    /// What leaves the account: signed lots, or base units of a token.
    pub quantity: i64,
    /// What the liquidator pays (negative: receives): value at mark less the discount.
    pub payment: Money,
    /// The discount in it.
    pub discount: Money,
}

/// The account before and after the takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiquidationOutcome {
    /// Report before the first take.
    pub before: MarginReport,
    /// Report after the last.
    pub after: MarginReport,
    /// The account's cash if it paid everything in cash: what falls short of the smaller of 0 and its cash before is to
    /// be owed in another form.
    pub cash: Money,
    /// Takes of one leg; those after them are one share of every leg.
    pub single_takes: usize,
}

/// Why nothing is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiquidationError {
    /// Equity is not below maintenance margin.
    NotLiquidatable {
        /// Equity.
        equity: Money,
        /// Maintenance margin.
        maintenance_margin: Money,
    },
    /// Neither a single leg nor a share of all raises health at its discount.
    NothingToTake,
    /// Something would help, but not as little of it as the caller wants at most.
    SizeTooSmall {
        /// The caller's limit on the notional taken.
        max_notional: u64,
    },
    /// The numbers do not fit.
    Risk(RiskError),
}

impl From<RiskError> for LiquidationError {
    fn from(error: RiskError) -> Self {
        Self::Risk(error)
    }
}

/// Plans a liquidation and applies it to `markets`' legs, costs and tokens.
///
/// `outside` is the account's cash and whatever counts beside `markets`, such as closed positions still to be settled, and the
/// offsets across them.
/// What is taken is worth at most `max_notional` micro-units, each lot counted as a lot of the underlying at spot,
/// rounded up. The total discount is at most max(0, equity). Cash limits nothing: see [`LiquidationOutcome::cash`].
///
/// Every take of one leg raises equity less maintenance margin. Where such takes neither bring the account above the
/// line nor halve what it is below, the last takes are the same share of every leg and raise health together. Of an account
/// below zero everything is taken, at mark. So without a limit on size a bounded number of calls ends above the line, or
/// with nothing left.
#[inline(never)]
pub fn plan(
    outside: (AccountTotals, &Offsets),
    max_notional: u64,
    markets: &mut [LiquidationMarket<'_>],
    takes: &mut Vec<Take>,
) -> Result<LiquidationOutcome, LiquidationError> {
    let mut book = Book::new(outside, max_notional, markets);
    let mut state = book.evaluate_all()?;
    let before = state.report;
    if !before.is_liquidatable() {
        return Err(LiquidationError::NotLiquidatable {
            equity: before.equity,
            maintenance_margin: before.maintenance_margin,
        });
    }
    book.limit_discount(before.equity);
    let single_takes = if before.equity < Money(0) {
        0
    } else {
        take_single_legs(&mut book, &mut state, takes)?;
        takes.len()
    };
    if state.report.is_liquidatable() && !has_halved(&before, &state.report)? {
        share::take(&mut book, &mut state, takes)?;
    }
    if takes.is_empty() {
        return Err(if book.is_limited_by_size {
            LiquidationError::SizeTooSmall { max_notional }
        } else {
            LiquidationError::NothingToTake
        });
    }
    Ok(LiquidationOutcome {
        before,
        after: state.report,
        cash: book.cash,
        single_takes,
    })
}

/// The account as it stands.
#[derive(Clone, Copy)]
struct Standing {
    /// Whether gross exposure asks for more than the scenarios.
    gross_binds: bool,
    /// The node or tail at which all markets together lose most, where that decides.
    node: Option<usize>,
    report: MarginReport,
}

/// Whether what an account is below its maintenance margin by is at most half of what it was.
fn has_halved(before: &MarginReport, now: &MarginReport) -> Result<bool, RiskError> {
    let (was, is) = (before.health_maintenance()?.0, now.health_maintenance()?.0);
    Ok(is.saturating_mul(2) >= was)
}

/// Takes the best leg, again and again while there is one and the account is below its target.
fn take_single_legs(
    book: &mut Book<'_, '_>,
    state: &mut Standing,
    takes: &mut Vec<Take>,
) -> Result<(), RiskError> {
    let legs = book.legs();
    let spent = legs.saturating_sub(1).checked_div(LEGS_PER_SEARCH);
    let searches = MAX_SEARCHES.saturating_sub(spent.unwrap_or(0)).max(1);
    let (mut searches, mut trials) = (searches, MAX_TRIALS);
    let mut passed_over = None;
    // Where markets lose most together is looked up once: each time it moved, every leg would be ranked anew.
    let node = state.node;
    while takes.len() < MAX_TAKES
        && searches > 0
        && trials > 0
        && state.report.equity < state.report.liquidation_target()?
    {
        searches = searches.saturating_sub(1);
        let Some(candidate) = book.best_candidate((state.gross_binds, node), passed_over)? else {
            break;
        };
        match try_candidate(book, state, &candidate, &mut trials)? {
            Some(take) => {
                takes.push(take);
                passed_over = None;
            }
            None => passed_over = Some(candidate),
        }
    }
    Ok(())
}

/// Takes as much of a candidate as the target needs and not a lot more, or less of it where only that raises health; `None`
/// where nothing does.
fn try_candidate(
    book: &mut Book<'_, '_>,
    state: &mut Standing,
    candidate: &rank::Candidate,
    trials: &mut usize,
) -> Result<Option<Take>, RiskError> {
    let missing = state
        .report
        .liquidation_target()?
        .minus(state.report.equity)?;
    let most = book.most_lots(candidate)?;
    book.is_limited_by_size |= most == 0;
    let mut lots = rank::lots_to_target(candidate, missing).min(most);
    while lots > 0 && *trials > 0 {
        let take = book.exchange(candidate, lots)?;
        *trials = trials.saturating_sub(1);
        let tried = book.evaluate(candidate.market)?;
        let health = state.report.health_maintenance()?;
        if tried.report.health_maintenance()? > health {
            book.accept(candidate.market);
            *state = tried;
            let was = (missing, health);
            let (take, is_exact) = trim(book, state, candidate, (lots, take), was)?;
            if !is_exact {
                *trials = 0;
            }
            book.count_notional(candidate, &take)?;
            return Ok(Some(take));
        }
        book.apply(&take, -1)?;
        lots >>= 2;
    }
    Ok(None)
}

/// Gives back what a take has brought the account beyond its target: less of a leg can be enough where what is left of it
/// hedges, or where the worst loss lies between two nodes. `was` is what equity was below the target without the take, and
/// maintenance health.
///
/// Returns what is taken, and whether it is known to be as little as reaches the target, or does not reach it for want of
/// lots. Where that is not found out in time it is too little, and the next call goes on, unless so little lowers health.
fn trim(
    book: &mut Book<'_, '_>,
    state: &mut Standing,
    candidate: &rank::Candidate,
    (lots, mut take): (u64, Take),
    was: (Money, Money),
) -> Result<(Take, bool), RiskError> {
    let beyond = |report: &MarginReport| report.equity.minus(report.liquidation_target()?);
    // Lots that are too few and lots that are enough, and by how much they miss or exceed the target.
    let (mut few, mut enough) = ((0u64, was.0), (lots, beyond(&state.report)?));
    let mut creeps = 0u32;
    for _ in 0..MAX_TRIMS {
        let span = enough.0.saturating_sub(few.0);
        if enough.1 < Money(0) || span <= 1 {
            break;
        }
        let (short, over) = (few.1 .0.unsigned_abs(), enough.1 .0.unsigned_abs());
        // The secant; beyond it where it has hardly moved, as it does when the last lots release next to nothing, and where what
        // they release grows or falls along the way.
        let short = short >> creeps;
        let step = crate::fixed::mul_div_up(span, short, short.saturating_add(over).max(1));
        let step = step.unwrap_or(span).clamp(1, span.saturating_sub(1));
        let lots = few.0.saturating_add(step);
        book.apply(&take, -1)?;
        let fewer = book.exchange(candidate, lots)?;
        let tried = book.evaluate(candidate.market)?;
        let excess = beyond(&tried.report)?;
        if excess >= Money(0) {
            book.accept(candidate.market);
            *state = tried;
            (take, enough) = (fewer, (lots, excess));
            creeps = creeps.saturating_add(1);
        } else {
            book.apply(&fewer, -1)?;
            book.apply(&take, 1)?;
            few = (lots, excess);
            creeps = 0;
        }
    }
    if enough.1 < Money(0) || few.0 == 0 || enough.0.saturating_sub(few.0) <= 1 {
        return Ok((take, true));
    }
    book.apply(&take, -1)?;
    let fewer = book.exchange(candidate, few.0)?;
    let tried = book.evaluate(candidate.market)?;
    if tried.report.health_maintenance()? <= was.1 {
        book.apply(&fewer, -1)?;
        book.apply(&take, 1)?;
        return Ok((take, true));
    }
    book.accept(candidate.market);
    *state = tried;
    Ok((fewer, false))
}
