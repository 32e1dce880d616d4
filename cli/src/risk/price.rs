//! `estuary risk price`: every series of the file.

use super::averages::{self, AverageRow};
use super::book::warn_of_calendar_arbitrage;
use super::input::{Input, SeriesKind};
use super::json::InputError;
use super::notes::Notes;
use super::quote::{self, Quote};
use super::scale::MarketPrices;

/// One market of the answer.
pub struct MarketQuotes {
    /// Its name.
    pub symbol: String,
    /// Its series, in the order of the file.
    pub series: Vec<SeriesQuote>,
    /// Its settlement averages under way.
    pub averages: Vec<AverageRow>,
}

/// One series of the answer.
pub struct SeriesQuote {
    /// Its name.
    pub name: String,
    /// Price and Greeks.
    pub quote: Quote,
    /// The larger of spot and strike, to which the accuracy of the price is relative.
    pub scale: f64,
}

/// Prices every series.
pub fn compute(input: &Input, notes: &mut Notes) -> Result<Vec<MarketQuotes>, InputError> {
    let mut markets = Vec::with_capacity(input.markets.len());
    for market in &input.markets {
        let prices = MarketPrices::new(market, &[], notes)?;
        warn_of_calendar_arbitrage(market, notes);
        let spot = market.spot.to_f64();
        let mut series = Vec::with_capacity(market.series.len());
        for (index, one) in market.series.iter().enumerate() {
            let scale = match one.kind {
                SeriesKind::Option { strike, .. } => strike.to_f64().max(spot),
                _ => spot,
            };
            series.push(SeriesQuote {
                name: one.name.clone(),
                quote: quote::of_series(market, index, &prices)?,
                scale,
            });
        }
        markets.push(MarketQuotes {
            symbol: market.symbol.clone(),
            series,
            averages: averages::rows(market, &prices),
        });
    }
    Ok(markets)
}
