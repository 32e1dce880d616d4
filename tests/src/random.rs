//! Random books that a seed reproduces.

use crate::{Holding, Underlying, World};
use estuary::state::SeriesKind;

/// A generator of 64-bit numbers (splitmix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The generator of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next_u64() % limit
    }

    /// A number from `low` to `high`.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }

    /// Positive or negative lots, small ones as likely as large ones, never zero.
    pub fn lots(&mut self, most: u64) -> i64 {
        let magnitude = self.uniform(0.0, (most as f64).ln()).exp().round() as i64;
        let magnitude = magnitude.max(1);
        if self.below(2) == 0 {
            magnitude
        } else {
            -magnitude
        }
    }

    /// `count` holdings in different series of a market, traded within 5% of its price.
    ///
    /// # Panics
    /// When the market has fewer series.
    pub fn holdings(&mut self, world: &World, market: &Underlying, count: usize) -> Vec<Holding> {
        let copy = world.market(&market.market);
        let listed = usize::from(copy.header.series_count);
        assert!(count <= listed, "{count} of {listed} series");
        let mut slots: Vec<u16> = (0..copy.header.series_count).collect();
        let mut holdings = Vec::with_capacity(count);
        for _ in 0..count {
            let slot = slots.swap_remove(self.below(slots.len() as u64) as usize);
            let lots = self.lots(20_000);
            let kind = copy.table[usize::from(slot)].kind().expect("a kind");
            let linear = matches!(kind, SeriesKind::Perp | SeriesKind::Future);
            let lot = market.listed_price as f64 * market.args.lot_size as f64 * 1e-11;
            let cost = -(lots as f64) * lot * self.uniform(0.95, 1.05);
            holdings.push(Holding {
                slot,
                lots,
                cost: if linear { cost as i64 } else { 0 },
            });
        }
        holdings
    }
}
