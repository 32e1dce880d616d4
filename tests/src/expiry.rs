//! Expiries brought to their end.

use crate::{ix, House, Underlying, World};
use estuary::state::{Expiry, SettlementAverage};

/// Minutes of a settlement window.
pub const WINDOW: i64 = 30;
/// Seconds of a minute.
pub const MINUTE: i64 = 60;

impl World {
    /// An expiry of a market, by its index.
    pub fn expiry(&self, market: &Underlying, index: usize) -> Expiry {
        self.market(&market.market).header.expiries[index]
    }

    /// The average of the expiry that ends at a time.
    pub fn average(&self, market: &Underlying, time: i64) -> SettlementAverage {
        let header = self.market(&market.market).header;
        let index = header.expiry_at(time).expect("an expiry");
        header.expiries[usize::from(index)].average
    }

    /// Publishes a price in a minute of an expiry's window, counted from 0, and records it.
    pub fn record_minute(
        &mut self,
        house: &House,
        market: &Underlying,
        time: i64,
        minute: i64,
        price: f64,
    ) {
        self.set_time(time - (WINDOW - minute) * MINUTE + 7);
        self.set_price(market, price);
        let record = ix::record_settlement_price(house, market, time);
        self.send(record, &[]).ok();
    }

    /// Brings an expiry to its end at a price that does not move: every minute recorded, and the price final.
    pub fn mature(&mut self, house: &House, market: &Underlying, time: i64, price: f64) {
        for minute in 0..=WINDOW {
            self.record_minute(house, market, time, minute, price);
        }
        assert!(self.average(market, time).is_final());
    }
}
