//! The positions of a margin account: sorted by market and slot, none of them empty.

use super::{MarginAccount, MAX_LOTS_PER_MARKET, MAX_MARKETS_PER_ACCOUNT, MAX_POSITIONS};
use crate::error::EstuaryError;
use anchor_lang::prelude::*;
use core::cmp::Ordering;
use core::ops::Range;

/// A holding in one series.
#[zero_copy]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Index of the market in the clearinghouse.
    pub market: u16,
    /// Slot of the series in the market's table.
    pub slot: u16,
    /// Generation of the slot when the position was opened.
    pub generation: u32,
    /// Lots held, negative when short, never zero.
    pub lots: i64,
    /// Micro-units of the settlement token, the cash flow of all trades that is still to be settled: minus the sum of
    /// lots times price. Zero for options, whose premium moves in cash at the trade.
    pub cost: i64,
    /// Room for later versions, zero.
    pub reserved: [u8; 8],
}

const _: () = assert!(core::mem::size_of::<Position>() == 32);

impl Position {
    /// Order of positions in an account: by market, then by slot.
    #[must_use]
    pub fn order(&self, market: u16, slot: u16) -> Ordering {
        self.market.cmp(&market).then(self.slot.cmp(&slot))
    }
}

/// How a trade changed one position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LotsMoved {
    /// Lots before the trade.
    pub before: i64,
    /// Lots after the trade.
    pub after: i64,
}

impl LotsMoved {
    /// Whether a position there was became smaller or went, and none came about: through zero to the other side is a new
    /// position, however small.
    #[must_use]
    pub fn reduces(&self) -> bool {
        let same_side = self.after == 0 || self.after.signum() == self.before.signum();
        same_side && self.after.unsigned_abs() < self.before.unsigned_abs()
    }
}

impl MarginAccount {
    /// The positions in use.
    #[must_use]
    pub fn open_positions(&self) -> &[Position] {
        self.positions
            .get(..usize::from(self.position_count))
            .unwrap_or(&self.positions)
    }

    /// Where the positions in a market stand.
    #[must_use]
    pub fn places_in(&self, market: u16) -> Range<usize> {
        let positions = self.open_positions();
        let start = positions.partition_point(|position| position.market < market);
        let from = positions.get(start..).unwrap_or_default();
        // Few enough that counting them is no dearer than a second search.
        let here = from.iter().take_while(|position| position.market == market);
        start..start.saturating_add(here.count())
    }

    /// The positions in a market.
    #[must_use]
    pub fn positions_in(&self, market: u16) -> &[Position] {
        self.positions
            .get(self.places_in(market))
            .unwrap_or_default()
    }

    /// The positions in a market, to be changed.
    pub fn positions_in_mut(&mut self, market: u16) -> &mut [Position] {
        let places = self.places_in(market);
        self.positions.get_mut(places).unwrap_or_default()
    }

    /// Index of the position in a series, or where it belongs.
    fn search(&self, market: u16, slot: u16) -> core::result::Result<usize, usize> {
        self.open_positions()
            .binary_search_by(|position| position.order(market, slot))
    }

    /// Whether the account has a position in a series.
    #[must_use]
    pub fn has_position(&self, market: u16, slot: u16) -> bool {
        self.search(market, slot).is_ok()
    }

    /// The position in a series.
    #[must_use]
    pub fn position(&self, market: u16, slot: u16) -> Option<&Position> {
        let found = self.search(market, slot).ok();
        found.and_then(|index| self.positions.get(index))
    }

    /// Lots held in a series.
    #[must_use]
    pub fn lots(&self, market: u16, slot: u16) -> i64 {
        self.position(market, slot)
            .map_or(0, |position| position.lots)
    }

    /// Absolute lots of all positions in a market.
    #[must_use]
    pub fn gross_lots(&self, market: u16) -> u64 {
        self.positions_in(market).iter().fold(0, |sum, position| {
            sum.saturating_add(position.lots.unsigned_abs())
        })
    }

    /// Adds `lots` and `cost` to the position in a series, opening it where there is none. One left without lots is
    /// removed, and its cost becomes carry.
    ///
    /// # Errors
    /// [`EstuaryError::TooManyPositions`], [`EstuaryError::SeriesGenerationMismatch`] when the position was opened in an
    /// earlier series of the slot, [`EstuaryError::LotsOverflow`], [`EstuaryError::AmountOverflow`],
    /// [`EstuaryError::AccountInTooManyMarkets`].
    pub fn apply_trade(
        &mut self,
        market: u16,
        slot: u16,
        generation: u32,
        lots: i64,
        cost: i64,
    ) -> Result<LotsMoved> {
        let index = match self.search(market, slot) {
            Ok(index) => index,
            Err(index) => {
                self.insert(
                    index,
                    Position {
                        market,
                        slot,
                        generation,
                        ..Position::default()
                    },
                )?;
                index
            }
        };
        let position = self
            .positions
            .get_mut(index)
            .ok_or(EstuaryError::MarginAccountInvariant)?;
        require_eq!(
            position.generation,
            generation,
            EstuaryError::SeriesGenerationMismatch
        );
        let before = position.lots;
        position.lots = before.checked_add(lots).ok_or(EstuaryError::LotsOverflow)?;
        position.cost = position
            .cost
            .checked_add(cost)
            .ok_or(EstuaryError::AmountOverflow)?;
        let (after, cost) = (position.lots, position.cost);
        if after == 0 {
            self.remove(index)?;
            self.add_carry(market, cost)?;
        }
        Ok(LotsMoved { before, after })
    }

    /// Puts a position at `index` and moves the later ones back.
    fn insert(&mut self, index: usize, position: Position) -> Result<()> {
        let count = usize::from(self.position_count);
        require_gt!(MAX_POSITIONS, count, EstuaryError::TooManyPositions);
        let end = count.checked_add(1).ok_or(EstuaryError::CounterOverflow)?;
        let tail = self
            .positions
            .get_mut(index..end)
            .ok_or(EstuaryError::MarginAccountInvariant)?;
        tail.copy_within(..count.saturating_sub(index), 1);
        *tail
            .first_mut()
            .ok_or(EstuaryError::MarginAccountInvariant)? = position;
        self.position_count = self
            .position_count
            .checked_add(1)
            .ok_or(EstuaryError::CounterOverflow)?;
        Ok(())
    }

    /// Removes the position at `index` and moves the later ones forward.
    fn remove(&mut self, index: usize) -> Result<()> {
        let count = usize::from(self.position_count);
        let tail = self
            .positions
            .get_mut(index..count)
            .ok_or(EstuaryError::MarginAccountInvariant)?;
        tail.copy_within(1.., 0);
        *tail
            .last_mut()
            .ok_or(EstuaryError::MarginAccountInvariant)? = Position::default();
        self.position_count = self
            .position_count
            .checked_sub(1)
            .ok_or(EstuaryError::CounterOverflow)?;
        Ok(())
    }

    /// Checks that the positions are sorted, each used, and within the limits on lots and, with what else it has in
    /// markets, on those.
    pub(super) fn check_positions(&self) -> Result<()> {
        let mut last: Option<&Position> = None;
        let mut lots_in_market = 0u64;
        for position in self.open_positions() {
            let same_market = last.is_some_and(|last| last.market == position.market);
            if let Some(last) = last {
                let sorted = last.order(position.market, position.slot) == Ordering::Less;
                require!(sorted, EstuaryError::MarginAccountInvariant);
            }
            if !same_market {
                lots_in_market = 0;
            }
            lots_in_market = lots_in_market.saturating_add(position.lots.unsigned_abs());
            require_gt!(
                MAX_LOTS_PER_MARKET,
                lots_in_market,
                EstuaryError::LotsOverflow
            );
            require!(position.lots != 0, EstuaryError::MarginAccountInvariant);
            last = Some(position);
        }
        require_gte!(
            MAX_MARKETS_PER_ACCOUNT,
            self.markets()?.len(),
            EstuaryError::AccountInTooManyMarkets
        );
        Ok(())
    }
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test that overflows fails"
)]
mod tests {
    use super::*;
    use crate::state::StateAccount;
    use bytemuck::Zeroable;

    fn slots(account: &MarginAccount) -> Vec<(u16, u16, i64)> {
        let key = |position: &Position| (position.market, position.slot, position.lots);
        account.open_positions().iter().map(key).collect()
    }

    #[test]
    fn positions_stay_sorted_and_compact() {
        let mut account = MarginAccount::zeroed();
        for (market, slot) in [(1, 5), (0, 7), (1, 2), (0, 3)] {
            account.apply_trade(market, slot, 1, 10, 0).unwrap();
            account.invariant().unwrap();
        }
        assert_eq!(
            slots(&account),
            [(0, 3, 10), (0, 7, 10), (1, 2, 10), (1, 5, 10)]
        );
        let moved = account.apply_trade(0, 7, 1, -10, 0).unwrap();
        assert_eq!(
            moved,
            LotsMoved {
                before: 10,
                after: 0
            }
        );
        assert_eq!(slots(&account), [(0, 3, 10), (1, 2, 10), (1, 5, 10)]);
        assert_eq!(account.positions[3], Position::default());
        assert_eq!(account.lots(1, 5), 10);
        assert_eq!(account.lots(0, 7), 0);
        account.invariant().unwrap();
    }

    #[test]
    fn reducing_is_neither_opening_nor_turning() {
        for (before, after, reduces) in [
            (5, 3, true),
            (5, 0, true),
            (-5, -4, true),
            (-5, 0, true),
            (i64::MIN, 0, true),
            (0, 0, false),
            (5, 5, false),
            (5, 6, false),
            (-5, -6, false),
            (0, 1, false),
            (0, -1, false),
            (5, -1, false),
            (-5, 1, false),
        ] {
            assert_eq!(LotsMoved { before, after }.reduces(), reduces);
        }
    }

    #[test]
    fn limits_are_kept() {
        let mut account = MarginAccount::zeroed();
        for slot in 0..MAX_POSITIONS {
            account.apply_trade(0, slot as u16, 1, 1, 0).unwrap();
        }
        assert!(account
            .apply_trade(0, MAX_POSITIONS as u16, 1, 1, 0)
            .is_err());
        assert!(
            account.apply_trade(0, 3, 2, 1, 0).is_err(),
            "another generation"
        );
        account.invariant().unwrap();
        let mut account = MarginAccount::zeroed();
        account.apply_trade(0, 0, 1, 1 << 31, 0).unwrap();
        account.invariant().unwrap();
        account.apply_trade(0, 1, 1, -(1 << 31), 0).unwrap();
        assert!(account.invariant().is_err(), "2^32 lots in one market");
        let mut account = MarginAccount::zeroed();
        for market in 0..=MAX_MARKETS_PER_ACCOUNT as u16 {
            account.invariant().unwrap();
            account.apply_trade(market, 0, 1, 1, 0).unwrap();
        }
        assert!(account.invariant().is_err(), "too many markets");
    }
}
