//! A plan step by step, for those who show one; a liquidation itself needs none of it.

use super::{book::Book, LiquidationMarket, LiquidationOutcome, Take};
use crate::margin::{AccountTotals, MarginReport};
use crate::portfolio::Offsets;
use crate::units::RiskError;
use alloc::vec::Vec;

/// The account's report with `markets`' legs and costs as they stand, as a plan sees it.
///
/// Errors: [`RiskError::MoneyOverflow`] and those of an instrument the arrays do not know.
pub fn report(
    outside: (AccountTotals, &Offsets),
    markets: &mut [LiquidationMarket<'_>],
) -> Result<MarginReport, RiskError> {
    let standing = Book::new(outside, u64::MAX, markets).evaluate_all()?;
    Ok(standing.report)
}

/// The account's report after each of the takes of a plan, in their order; the last is the outcome's `after`.
///
/// `markets`, `takes` and `outcome` are as [`super::plan`] left them, `outside` as it was given. The takes are undone and
/// done again by the plan's own bookkeeping, so that `markets` are unchanged in the end. Takes of a share of every leg
/// raise health together: on the way it may fall.
///
/// Errors: [`RiskError::MoneyOverflow`] and those of takes that are not `markets`' own.
pub fn reports_after_each(
    outside: (AccountTotals, &Offsets),
    markets: &mut [LiquidationMarket<'_>],
    takes: &[Take],
    outcome: &LiquidationOutcome,
) -> Result<Vec<MarginReport>, RiskError> {
    let mut book = Book::new(outside, u64::MAX, markets);
    book.cash = outcome.cash;
    for take in takes.iter().rev() {
        book.apply(take, -1)?;
    }
    let mut reports = Vec::with_capacity(takes.len());
    for take in takes {
        book.apply(take, 1)?;
        reports.push(book.evaluate_all()?.report);
    }
    Ok(reports)
}
