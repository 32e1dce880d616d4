//! Offsets across markets (section 6 of `margin-model.md`): how far what one market gains pays for what another loses.
//!
//! Each market brings L̃: its certified loss around every node of the core, and around every tail, negative where it gains even
//! at the bound. Nodes align by fraction of each market's range, tails by multiple; losses of markets whose tails do not are
//! added up. Of gains only the share θ counts, the
//! smallest over the pairs of markets held. Losses and gains are summed apart, so that the sums are made before θ is known and
//! serve any θ.
//!
//! A market is held when it can lose or gain anything in any scenario. A position without lots, or one that is a constant, does
//! not count; a single lot does. So one lot elsewhere can only lower θ and add its own losses; it brings the tails of every
//! other market along, and θ times its own gain is all that it can pay for.

use crate::scenario::{CENTRE_NODE, SPOT_MOVES};
use crate::units::{Money, RiskError, ONE_PPM};
use alloc::vec::Vec;

/// Markets that totals can be summed over: those of two accounts in one instruction.
pub const MAX_MARKETS: usize = 16;
/// One in Q16.
const ONE_Q16: u64 = 1 << 16;
/// The largest share of gains that counts (95%).
pub const MAX_OFFSET_PPM: u32 = 950_000;
/// The least that κ may be (5%).
pub const MIN_FLOOR_PPM: u32 = 50_000;

/// θ of a pair of markets: the share of the gains of one that pays for losses of the other, parts per million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offset {
    /// In the initial margin.
    pub initial_ppm: u32,
    /// In the maintenance margin; not below `initial_ppm`.
    pub maintenance_ppm: u32,
}

impl Offset {
    /// Nothing pays for anything else.
    pub const NONE: Self = Self {
        initial_ppm: 0,
        maintenance_ppm: 0,
    };

    /// The smaller of two in each margin.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Self {
            initial_ppm: self.initial_ppm.min(other.initial_ppm),
            maintenance_ppm: self.maintenance_ppm.min(other.maintenance_ppm),
        }
    }
}

/// θ of every pair of the markets that totals are summed over, in the order in which they are added, and κ of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offsets {
    /// Of each market with all before it, market by market; pairs that are missing have none.
    pairs: Vec<Offset>,
    floors_ppm: Vec<u32>,
    /// Of each market those whose tails are other multiples of their ranges, a bit for each.
    misaligned: [u16; MAX_MARKETS],
}

impl Offsets {
    /// No market pays for another: losses add up.
    pub const NONE: Self = Self {
        pairs: Vec::new(),
        floors_ppm: Vec::new(),
        misaligned: [0; MAX_MARKETS],
    };

    /// None yet, with room for the pairs of so many markets: memory is taken once.
    pub fn with_room(markets: usize) -> Self {
        let markets = markets.min(MAX_MARKETS);
        let pairs = Self::pair(0, markets);
        let mut offsets = Self {
            pairs: Vec::with_capacity(pairs),
            floors_ppm: Vec::with_capacity(markets),
            misaligned: [0; MAX_MARKETS],
        };
        offsets.pairs.resize(pairs, Offset::NONE);
        offsets.floors_ppm.resize(markets, ONE_PPM);
        offsets
    }

    /// Place of a pair of different markets.
    fn pair(one: usize, other: usize) -> usize {
        let (low, high) = (one.min(other), one.max(other));
        // At most 15 × 14 / 2 + 14.
        (high.wrapping_mul(high.wrapping_sub(1)) >> 1).wrapping_add(low)
    }

    /// Sets θ of a pair, at most [`MAX_OFFSET_PPM`]. A market outside the first [`MAX_MARKETS`] has none.
    pub fn set_pair(&mut self, one: usize, other: usize, offset: Offset) {
        if one == other || one.max(other) >= MAX_MARKETS {
            return;
        }
        let place = Self::pair(one, other);
        if place >= self.pairs.len() {
            self.pairs.resize(place.saturating_add(1), Offset::NONE);
        }
        if let Some(pair) = self.pairs.get_mut(place) {
            let maintenance_ppm = offset.maintenance_ppm.min(MAX_OFFSET_PPM);
            *pair = Offset {
                initial_ppm: offset.initial_ppm.min(maintenance_ppm),
                maintenance_ppm,
            };
        }
    }

    /// Sets κ of a market: of all losses added, the share that no offset removes, at most 1; 1 where it is not set.
    pub fn set_floor(&mut self, market: usize, ppm: u32) {
        if market >= MAX_MARKETS {
            return;
        }
        if market >= self.floors_ppm.len() {
            self.floors_ppm.resize(market.saturating_add(1), ONE_PPM);
        }
        if let Some(floor) = self.floors_ppm.get_mut(market) {
            *floor = ppm.min(ONE_PPM);
        }
    }

    /// Says that the tails of two markets are not at the same multiples of their ranges: κ of accounts that hold both is 1.
    pub fn set_misaligned(&mut self, one: usize, other: usize) {
        for (market, beside) in [(one, other), (other, one)] {
            if let (Some(mask), true) = (self.misaligned.get_mut(market), beside < MAX_MARKETS) {
                // Below 2^16.
                *mask |= 1u16.wrapping_shl(beside as u32);
            }
        }
    }

    /// The smallest θ over the pairs of a set of markets, a bit for each; of fewer than two there is nothing to offset.
    fn smallest(&self, held: u16) -> Offset {
        if held & held.wrapping_sub(1) == 0 {
            return Offset::NONE;
        }
        let mut smallest = Offset {
            initial_ppm: u32::MAX,
            maintenance_ppm: u32::MAX,
        };
        let (mut high, mut first) = (0u32, 0usize);
        while high < u16::BITS && held.wrapping_shr(high) != 0 {
            if held.wrapping_shr(high) & 1 != 0 {
                let (mut place, mut below) =
                    (first, held & 1u16.wrapping_shl(high).wrapping_sub(1));
                while below != 0 {
                    if below & 1 != 0 {
                        let pair = self.pairs.get(place);
                        smallest = smallest.min(pair.copied().unwrap_or(Offset::NONE));
                    }
                    (below, place) = (below >> 1, place.wrapping_add(1));
                }
            }
            // At most 16 markets and 120 pairs.
            first = first.wrapping_add(high as usize);
            high = high.wrapping_add(1);
        }
        smallest
    }

    /// The largest κ of a set of markets; 1 where two have tails that do not align.
    fn floor_ppm(&self, held: u16) -> u32 {
        let (mut rest, mut most) = (held, 0u32);
        let mut floors = self.floors_ppm.iter();
        for misaligned in &self.misaligned {
            if rest == 0 {
                break;
            }
            let floor = floors.next().copied().unwrap_or(ONE_PPM);
            if rest & 1 != 0 {
                if misaligned & held != 0 {
                    return ONE_PPM;
                }
                most = most.max(floor);
            }
            rest >>= 1;
        }
        most
    }
}

/// What the markets of an account lose and gain around each node and tail, summed apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortfolioSums {
    losses: [Money; SPOT_MOVES],
    gains: [Money; SPOT_MOVES],
    /// The largest A of a market.
    largest: Money,
    /// Σ A.
    total: Money,
    /// Σ of what is added to the scan of each market: twist, skew, basis and the like.
    besides: Money,
    /// Markets added: one past the place of the last.
    count: u8,
    /// Those that can lose or gain anything, a bit for each in the order in which they were added.
    held: u16,
}

/// X and what it is the largest of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanLoss {
    /// θ: the share of gains that counts, parts per million.
    pub offset_ppm: u32,
    /// The largest sum over the markets at one node or tail, gains times θ; rounded up.
    pub offset_loss: Money,
    /// Its node of the core, or tail after them.
    pub node: usize,
    /// The largest loss of one market times 1 − θ, rounded up.
    pub largest_floor: Money,
    /// All markets' losses times κ, rounded up.
    pub sum_floor: Money,
    /// X: the largest of the three; with one market its certified loss.
    pub scan_loss: Money,
    /// P: X and what is added to it, at most what the markets need alone.
    pub scenario_loss: Money,
}

/// X and P in both margins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Portfolio {
    /// Markets held: those that can lose or gain anything.
    pub markets: u32,
    /// κ, parts per million.
    pub floor_ppm: u32,
    /// Σ A: the markets' losses added.
    pub total: Money,
    /// In the initial margin.
    pub initial: ScanLoss,
    /// In the maintenance margin.
    pub maintenance: ScanLoss,
}

impl PortfolioSums {
    /// Where the next market comes.
    pub(crate) fn next_place(&self) -> u8 {
        self.count
    }

    /// Adds a market in its place: L̃ around every node and tail, A and what is added to it.
    ///
    /// # Errors
    /// [`RiskError::MoneyOverflow`], [`RiskError::CapacityExceeded`] beyond [`MAX_MARKETS`].
    pub(crate) fn add(
        &mut self,
        place: u8,
        node_losses: &[Money; SPOT_MOVES],
        certified: Money,
        besides: Money,
    ) -> Result<(), RiskError> {
        if usize::from(place) >= MAX_MARKETS {
            return Err(RiskError::CapacityExceeded);
        }
        self.count = self.count.max(place.wrapping_add(1));
        self.besides = self.besides.plus(besides)?;
        let (mut moves, mut sizes) = (certified != Money(0), 0u64);
        let sums = self.losses.iter_mut().zip(&mut self.gains);
        for ((losses, gains), loss) in sums.zip(node_losses) {
            // Sizes are checked below before anybody looks at the sums.
            if loss.0 >= 0 {
                sizes |= loss.0.cast_unsigned();
                losses.0 = losses.0.wrapping_add(loss.0);
            } else {
                moves = true;
                let gain = loss.0.wrapping_neg();
                sizes |= gain.cast_unsigned();
                gains.0 = gains.0.wrapping_add(gain);
            }
        }
        // A sum of as many as 16 fits 63 bits.
        if sizes >> 59 != 0 {
            return Err(RiskError::MoneyOverflow);
        }
        if moves {
            // Below 2^16.
            self.held |= 1u16.wrapping_shl(place.into());
            self.largest = self.largest.max(certified);
            self.total = self.total.plus(certified)?;
        }
        Ok(())
    }

    /// X and P for a θ and a κ; `alone` is what the markets need without offsets.
    fn scan_loss(
        &self,
        offset_ppm: u32,
        floor_ppm: u32,
        alone: Money,
    ) -> Result<ScanLoss, RiskError> {
        // Rounded down: less of a gain counts.
        let offset_q16 = (u64::from(offset_ppm.min(ONE_PPM)) << 16)
            .checked_div(u64::from(ONE_PPM))
            .unwrap_or(0);
        let (mut offset_loss, mut node) = (Money(0), CENTRE_NODE);
        // By place, which the compiler unrolls; of two iterators it keeps each in memory.
        for place in 0..SPOT_MOVES {
            let (Some(losses), Some(gains)) = (self.losses.get(place), self.gains.get(place))
            else {
                break;
            };
            // Gains only lower the sum.
            if losses.0 > offset_loss.0 {
                // Neither is negative.
                let net = losses.0.wrapping_sub(share_down(*gains, offset_q16).0);
                if net > offset_loss.0 {
                    (offset_loss, node) = (Money(net), place);
                }
            }
        }
        let counted = share_down(self.largest, offset_q16);
        let largest_floor = self.largest.minus(counted)?;
        let sum_floor = self.total.mul_div_up(floor_ppm, ONE_PPM)?;
        let scan_loss = offset_loss.max(largest_floor).max(sum_floor);
        let scenario_loss = if self.is_single() {
            alone
        } else {
            scan_loss.plus(self.besides)?.min(alone)
        };
        Ok(ScanLoss {
            offset_ppm,
            offset_loss,
            node,
            largest_floor,
            sum_floor,
            scan_loss,
            scenario_loss,
        })
    }

    /// Whether there are no two markets to offset each other.
    fn is_single(&self) -> bool {
        self.held & self.held.wrapping_sub(1) == 0
    }

    /// X and P in both margins; `alone` is what the markets need without offsets.
    ///
    /// # Errors
    /// [`RiskError::MoneyOverflow`].
    pub fn portfolio(&self, offsets: &Offsets, alone: Money) -> Result<Portfolio, RiskError> {
        let offset = offsets.smallest(self.held);
        let floor_ppm = offsets.floor_ppm(self.held);
        let initial = self.scan_loss(offset.initial_ppm, floor_ppm, alone)?;
        let maintenance = if offset.maintenance_ppm == offset.initial_ppm {
            initial
        } else {
            self.scan_loss(offset.maintenance_ppm, floor_ppm, alone)?
        };
        Ok(Portfolio {
            markets: self.held.count_ones(),
            floor_ppm,
            total: self.total,
            initial,
            maintenance,
        })
    }

    /// P in the initial and the maintenance margin, and the node or tail that X of the latter is the sum at; `None` where a
    /// floor is larger or one market is alone.
    pub(crate) fn losses(
        &self,
        offsets: &Offsets,
        alone: Money,
    ) -> Result<((Money, Money), Option<usize>), RiskError> {
        if self.is_single() {
            return Ok(((alone, alone), None));
        }
        let portfolio = self.portfolio(offsets, alone)?;
        let scan = &portfolio.maintenance;
        let losses = (portfolio.initial.scenario_loss, scan.scenario_loss);
        let node = (scan.scan_loss == scan.offset_loss).then_some(scan.node);
        Ok((losses, node))
    }
}

/// A share in Q16, at most 1, of an amount that is not negative, rounded down.
fn share_down(amount: Money, share_q16: u64) -> Money {
    let amount = amount.0.max(0).unsigned_abs();
    let share = share_q16.min(ONE_Q16);
    if amount >> 46 == 0 {
        // Below 2^46 × 2^17.
        return Money((amount.wrapping_mul(share) >> 16).cast_signed());
    }
    // Below 2^47 × 2^16 and 2^16 × 2^16; no more than the amount together.
    let high = (amount >> 16).wrapping_mul(share);
    let low = (amount & 0xffff).wrapping_mul(share) >> 16;
    Money(high.wrapping_add(low).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(theta: u32, kappa: u32) -> Offsets {
        let mut offsets = Offsets::NONE;
        for high in 0..MAX_MARKETS {
            offsets.set_floor(high, kappa);
            for low in 0..high {
                let offset = Offset {
                    initial_ppm: theta,
                    maintenance_ppm: theta,
                };
                offsets.set_pair(low, high, offset);
            }
        }
        offsets
    }

    /// Two markets whose losses and gains mirror each other.
    fn hedged() -> PortfolioSums {
        let mut sums = PortfolioSums::default();
        let mut losses = [Money(0); SPOT_MOVES];
        (losses[0], losses[8]) = (Money(100), Money(-50));
        sums.add(0, &losses, Money(100), Money(7)).unwrap();
        (losses[0], losses[8]) = (Money(-50), Money(100));
        sums.add(1, &losses, Money(100), Money(0)).unwrap();
        sums
    }

    #[test]
    fn gains_pay_for_losses_by_their_share() {
        let portfolio = hedged()
            .portfolio(&offsets(500_000, 350_000), Money(207))
            .unwrap();
        assert_eq!(portfolio.initial.offset_loss, Money(75));
        assert_eq!(portfolio.initial.largest_floor, Money(50));
        assert_eq!(portfolio.initial.sum_floor, Money(70));
        assert_eq!(portfolio.initial.scan_loss, Money(75));
        let ((initial, _), node) = hedged()
            .losses(&offsets(500_000, 350_000), Money(207))
            .unwrap();
        assert_eq!((initial, node), (Money(82), Some(0)));
    }

    #[test]
    fn without_offsets_losses_add_up() {
        let sums = hedged();
        assert_eq!(
            sums.losses(&Offsets::NONE, Money(207)),
            Ok(((Money(207), Money(207)), None))
        );
    }

    #[test]
    fn the_smallest_offset_of_the_markets_held_counts() {
        let mut offsets = offsets(500_000, 350_000);
        let low = Offset {
            initial_ppm: 100_000,
            maintenance_ppm: 300_000,
        };
        offsets.set_pair(3, 1, low);
        offsets.set_floor(3, 400_000);
        assert_eq!(offsets.smallest(0b0111).initial_ppm, 500_000);
        assert_eq!(offsets.smallest(0b1001).initial_ppm, 500_000);
        assert_eq!(offsets.smallest(0b1111), low);
        assert_eq!(offsets.floor_ppm(0b0111), 350_000);
        assert_eq!(offsets.floor_ppm(0b1000), 400_000);
        assert_eq!(offsets.smallest(0b0100), Offset::NONE);
    }

    #[test]
    fn a_market_in_which_nothing_moves_is_not_held() {
        let mut sums = hedged();
        sums.add(2, &[Money(0); SPOT_MOVES], Money(0), Money(3))
            .unwrap();
        assert_eq!((sums.count, sums.held), (3, 0b011));
        assert_eq!(sums.besides, Money(10));
    }

    #[test]
    fn too_many_markets_are_refused() {
        let mut sums = PortfolioSums::default();
        for place in 0..MAX_MARKETS as u8 {
            sums.add(place, &[Money(1); SPOT_MOVES], Money(1), Money(0))
                .unwrap();
        }
        let more = sums.add(
            sums.next_place(),
            &[Money(1); SPOT_MOVES],
            Money(1),
            Money(0),
        );
        assert_eq!(more, Err(RiskError::CapacityExceeded));
    }

    #[test]
    fn shares_are_rounded_down_at_any_size() {
        for amount in [0, 1, 99, 1 << 16, (1 << 40) + 7, i64::MAX] {
            for ppm in [0u64, 1, 500_000, 950_000] {
                let share = (ppm << 16) / 1_000_000;
                let exact = (amount as i128 * i128::from(share)) >> 16;
                assert_eq!(share_down(Money(amount), share).0 as i128, exact);
            }
        }
        assert_eq!(share_down(Money(7), ONE_Q16), Money(7));
    }
}
