//! The settlement averages that are under way, as the answers show them.

use estuary_risk::units::ONE_Q30;

use super::decimal::Decimal;
use super::input::{Average, Market};
use super::scale::MarketPrices;

/// One expiry whose settlement average is under way.
#[derive(Clone, Copy, Debug)]
pub struct AverageRow {
    /// Index of the expiry in the market.
    pub expiry: usize,
    /// When it ends, unix seconds.
    pub time: i64,
    /// Minutes that are fixed.
    pub minutes_fixed: u32,
    /// Minutes still to come.
    pub minutes_to_come: u32,
    /// What the minutes that are fixed contribute.
    pub fixed: Decimal,
    /// The share of spot still to come, parts per million.
    pub share_to_come_ppm: i64,
    /// The average if spot stayed.
    pub forward: Decimal,
}

/// Those of a market, in the order of its expiries.
pub fn rows(market: &Market, prices: &MarketPrices) -> Vec<AverageRow> {
    let row = |(expiry, average): (usize, &Option<Average>)| {
        let average = average.as_ref()?;
        Some(AverageRow {
            expiry,
            time: market.expiries[expiry].time,
            minutes_fixed: average.minutes.covered,
            minutes_to_come: average.minutes.open,
            fixed: prices.decimal(average.averaging.fixed),
            share_to_come_ppm: (average.averaging.open_share_q30 * 1_000_000 + ONE_Q30 / 2) >> 30,
            forward: prices.decimal(prices.forwards[expiry]),
        })
    };
    prices.averages.iter().enumerate().filter_map(row).collect()
}
