//! The same share of every leg: for books that no single leg improves, such as those whose worst scenarios balance, and
//! for accounts below zero, of which nothing is to stay.

use super::{book::Book, State, Take};
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
        let scaled = u128::from(held).saturating_mul(u128::from(self.q20));
        let quantity = if self.rounds_up {
            scaled.div_ceil(WHOLE_Q20.into())
        } else {
            scaled >> 20
        };
        u64::try_from(quantity).unwrap_or(held).min(held)
    }
}

/// Takes the share that the target needs, where that raises health above the line, else everything; of an account below
/// zero everything; and never more than the limit on size. Nothing where that does not help.
pub(super) fn take(
    book: &mut Book<'_, '_>,
    state: &mut State,
    takes: &mut Vec<Take>,
) -> Result<(), RiskError> {
    let totals = sums(book)?;
    let needed = needed_q20(&state.report, totals.discount)?;
    let up = |q20| Share {
        q20,
        rounds_up: true,
    };
    // Rounded up a share may count for one lot more of every leg.
    let limit_q20 = match u128::from(book.notional_left()).checked_shl(20) {
        Some(left) if totals.notional > u128::from(book.notional_left()) => {
            let share = left.checked_div(totals.notional).unwrap_or(0);
            u64::try_from(share).unwrap_or(WHOLE_Q20)
        }
        _ => WHOLE_Q20,
    };
    let whole = Share {
        q20: limit_q20,
        rounds_up: false,
    };
    if needed < WHOLE_Q20
        && totals.notional_of(up(needed)) <= u128::from(book.notional_left())
        && attempt(book, state, takes, up(needed), true)?
    {
        return Ok(());
    }
    if !attempt(book, state, takes, whole, false)? {
        book.is_limited_by_size |= limit_q20 < WHOLE_Q20;
    }
    Ok(())
}

/// Takes a share and keeps it if it raises health, above the line if `clears`. Of an account below zero a share that only
/// leaves health as it was is kept too: its last legs may need no margin.
fn attempt(
    book: &mut Book<'_, '_>,
    state: &mut State,
    takes: &mut Vec<Take>,
    share: Share,
    clears: bool,
) -> Result<bool, RiskError> {
    let before = takes.len();
    exchange(book, share, takes)?;
    if takes.len() == before {
        return Ok(false);
    }
    let (totals, report) = book.evaluate_all()?;
    let (was, is) = (
        state.report.health_maintenance()?,
        report.health_maintenance()?,
    );
    let helps = is > was || is == was && state.report.equity < Money(0);
    if helps && !(clears && report.is_liquidatable()) {
        *state = State { totals, report };
        return Ok(true);
    }
    for take in takes.drain(before..).rev() {
        book.apply(&take, -1)?;
    }
    Ok(false)
}

/// Moves a share of every leg.
fn exchange(book: &mut Book<'_, '_>, share: Share, takes: &mut Vec<Take>) -> Result<(), RiskError> {
    for market in 0..book.markets.len() {
        let count = book.markets.get(market).map_or(0, |held| held.legs.len());
        for leg in 0..count {
            let Some(candidate) = book.candidate(market, leg, false)? else {
                continue;
            };
            let quantity = share.of(book.held(&candidate)?);
            if quantity > 0 {
                takes.push(book.exchange_quantity(&candidate, quantity)?);
            }
        }
    }
    Ok(())
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

/// What the whole book counts for.
struct Sums {
    /// Towards the limit on size, rounded up.
    notional: u128,
    /// That of one lot of every leg, rounded up.
    lots_notional: u128,
    /// The discount on all of it, whatever the account's equity.
    discount: u128,
}

impl Sums {
    /// An upper bound on what a share rounded up counts towards the limit on size.
    fn notional_of(&self, share: Share) -> u128 {
        let part = self
            .notional
            .saturating_mul(u128::from(share.q20))
            .div_ceil(WHOLE_Q20.into());
        part.saturating_add(self.lots_notional).min(self.notional)
    }
}

fn sums(book: &Book<'_, '_>) -> Result<Sums, RiskError> {
    let mut sums = Sums {
        notional: 0,
        lots_notional: 0,
        discount: 0,
    };
    for (market, held) in book.markets.iter().enumerate() {
        let lot = held.arrays.lot_value().money_up(1, 0)?.0.max(0);
        for leg in 0..held.legs.len() {
            let Some(candidate) = book.candidate(market, leg, false)? else {
                continue;
            };
            let notional = book.held_notional_up(&candidate)?;
            let discount = book.full_discount(&candidate, book.held(&candidate)?)?;
            sums.notional = sums.notional.saturating_add(notional.into());
            sums.discount = sums.discount.saturating_add(discount);
            let lot = u128::from(lot.unsigned_abs());
            sums.lots_notional = sums.lots_notional.saturating_add(lot);
        }
    }
    Ok(sums)
}
