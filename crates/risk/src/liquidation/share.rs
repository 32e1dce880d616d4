//! The same share of every leg: for books that no single leg improves, such as those whose worst scenarios balance, and
//! for accounts below zero, of which nothing is to stay.

use super::{book::Book, Standing, Take};
use crate::margin::MarginReport;
use crate::units::{Money, RiskError};
use alloc::vec::Vec;

/// The whole of a book, as a share in Q20.
const WHOLE_Q20: u64 = 1 << 20;

/// A share of every leg, and how its lots are rounded.
#[derive(Clone, Copy)]
struct Share {
    q20: u64,
    rounds_up: bool,
}

impl Share {
    fn of(self, held: u64) -> u64 {
        // Below 2^64 × 2^21.
        let scaled = u128::from(held).wrapping_mul(u128::from(self.q20));
        let quantity = if self.rounds_up {
            scaled.div_ceil(WHOLE_Q20.into())
        } else {
            scaled >> 20
        };
        u64::try_from(quantity).unwrap_or(held).min(held)
    }
}

/// The whole book.
struct Whole {
    legs: usize,
    /// What it counts towards the limit on size, rounded up, 0 where there is no limit.
    notional: u128,
    /// What one lot of every leg counts, rounded up, 0 where there is no limit.
    lots_notional: u128,
    /// The discount on all of it, whatever the account's equity.
    discount: u128,
}

impl Whole {
    fn of(book: &mut Book<'_, '_>) -> Result<Self, RiskError> {
        let mut whole = Self {
            legs: 0,
            notional: 0,
            lots_notional: 0,
            discount: 0,
        };
        let pays = book.discount_left > Money(0);
        if pays {
            book.add_discounts()?;
        }
        let is_limited = book.notional_left() < u64::MAX;
        let mut next = book.candidate_from((0, 0));
        while let Some(candidate) = next {
            next = book.candidate_from((candidate.market, candidate.leg.saturating_add(1)));
            whole.legs = whole.legs.saturating_add(1);
            if pays {
                let discount = book.full_discount(&candidate)?;
                whole.discount = whole.discount.saturating_add(discount);
            }
            if is_limited {
                let held = book.held(&candidate)?;
                let notional = u128::from(book.notional_up(&candidate, held)?);
                whole.notional = whole.notional.saturating_add(notional);
                let lot = u128::from(book.lot_notional_up(&candidate)?);
                whole.lots_notional = whole.lots_notional.saturating_add(lot);
            }
        }
        Ok(whole)
    }

    /// An upper bound on what a share rounded up counts towards the limit on size.
    fn notional_of(&self, share: Share) -> u128 {
        let part = self
            .notional
            .saturating_mul(u128::from(share.q20))
            .div_ceil(WHOLE_Q20.into());
        part.saturating_add(self.lots_notional).min(self.notional)
    }

    /// The largest share within a limit on size.
    fn limit_q20(&self, limit: u64) -> u64 {
        let limit = u128::from(limit);
        if self.notional <= limit {
            return WHOLE_Q20;
        }
        let share = (limit << 20).checked_div(self.notional);
        share.and_then(|q20| u64::try_from(q20).ok()).unwrap_or(0)
    }
}

/// Takes the share that the target needs, where that raises health above the line, else everything; of an account below
/// zero everything; and never more than the limit on size. Nothing where that does not help.
pub(super) fn take(
    book: &mut Book<'_, '_>,
    state: &mut Standing,
    takes: &mut Vec<Take>,
) -> Result<(), RiskError> {
    let whole = Whole::of(book)?;
    takes.reserve_exact(whole.legs);
    let needed = Share {
        q20: needed_q20(&state.report, whole.discount)?,
        rounds_up: true,
    };
    if needed.q20 < WHOLE_Q20
        && whole.notional_of(needed) <= u128::from(book.notional_left())
        && attempt(book, state, takes, needed)?
    {
        return Ok(());
    }
    let most = Share {
        q20: whole.limit_q20(book.notional_left()),
        rounds_up: false,
    };
    if !attempt(book, state, takes, most)? {
        book.is_limited_by_size |= most.q20 < WHOLE_Q20;
    }
    Ok(())
}

/// Takes a share and keeps it if it raises health, above the line where it was to be just enough. Of an account below zero a
/// share that only leaves health as it was is kept too: its last legs may need no margin.
fn attempt(
    book: &mut Book<'_, '_>,
    state: &mut Standing,
    takes: &mut Vec<Take>,
    share: Share,
) -> Result<bool, RiskError> {
    let before = takes.len();
    let mut next = book.candidate_from((0, 0));
    while let Some(candidate) = next {
        next = book.candidate_from((candidate.market, candidate.leg.saturating_add(1)));
        let quantity = share.of(book.held(&candidate)?);
        if quantity > 0 {
            takes.push(book.exchange_quantity(&candidate, quantity)?);
        }
    }
    if takes.len() == before {
        return Ok(false);
    }
    let tried = book.evaluate_all()?;
    let (was, is) = (
        state.report.health_maintenance()?,
        tried.report.health_maintenance()?,
    );
    let helps = is > was || is == was && state.report.equity < Money(0);
    if helps && !(share.rounds_up && tried.report.is_liquidatable()) {
        *state = tried;
        return Ok(true);
    }
    for take in takes.drain(before..).rev() {
        book.apply(&take, -1)?;
    }
    Ok(false)
}

/// The share that brings equity to its target: a share s costs s·D in discount and leaves (1 − s) of the target T, so
/// `s = (T − E) / (T − D)`, rounded up; all where that is no less, or equity is below zero.
fn needed_q20(report: &MarginReport, discount: u128) -> Result<u64, RiskError> {
    if report.equity < Money(0) {
        return Ok(WHOLE_Q20);
    }
    let target = report.liquidation_target()?;
    let missing = u128::from(target.minus(report.equity)?.0.max(0).unsigned_abs());
    let gain = u128::from(target.0.max(0).unsigned_abs()).saturating_sub(discount);
    let share = (missing << 20)
        .checked_add(gain.saturating_sub(1))
        .and_then(|scaled| scaled.checked_div(gain));
    let share = share.and_then(|share| u64::try_from(share).ok());
    Ok(share.map_or(WHOLE_Q20, |share| share.min(WHOLE_Q20)))
}
