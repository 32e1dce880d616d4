//! A deployment as a file declares it: read, checked and complete.
//!
//! text → [`raw`] (keys and types) → [`resolve`], [`bank`], [`market`], [`series`] (meaning and ranges, templates filled by [`Given`]) → [`Deployment`].

mod bank;
mod market;
mod offsets;
mod raw;
pub mod relative;
mod resolve;
mod series;
mod values;

use std::fmt;

use anchor_lang::prelude::Pubkey;
use estuary::instructions::{CreateMarketArgs, SurfaceSlice};
use estuary::state::SeriesKind;
use estuary_client::House;

pub use values::Decimal;

/// What a template leaves open.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// First prices by symbol, in the order of the markets' indices.
    pub first_prices: Vec<(String, Decimal)>,
    /// The expiry called `first`, unix seconds.
    pub first_expiry: Option<i64>,
}

/// A clearinghouse with everything in it.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// Its addresses.
    pub house: House,
    /// Most that one account may owe the settlement token's bank, millionths.
    pub max_account_debt: u64,
    /// Share of trading fees that goes to the insurance fund, parts per million.
    pub insurance_share_ppm: u32,
    /// Its markets, in the order of their indices.
    pub markets: Vec<MarketConfig>,
    /// The tokens besides the settlement token, in the order of their banks' indices.
    pub tokens: Vec<TokenConfig>,
}

/// A token that is collateral.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenConfig {
    /// The token.
    pub mint: Pubkey,
    /// Place among the deployment's markets of the one whose underlying the token is.
    pub market: usize,
}

/// One market.
#[derive(Clone, Debug)]
pub struct MarketConfig {
    /// Name of the underlying.
    pub symbol: String,
    /// What it is created with.
    pub args: CreateMarketArgs,
    /// Room for series.
    pub capacity: u16,
    /// What is posted for an expiry the market does not have yet.
    pub surface: InitialSurface,
    /// What is listed: perpetuals first, then by expiry: futures, then options by strike, calls first.
    pub contracts: Vec<Contract>,
}

/// One contract, its expiry by time instead of by the market's index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contract {
    /// What it pays.
    pub kind: SeriesKind,
    /// When it ends, unix seconds.
    pub expiry: Option<i64>,
    /// Strike, a mantissa at the market's price exponent; 0 without one.
    pub strike: u64,
}

/// The first smile and basis of an expiry. Later ones are posted by whoever keeps the surface, and not compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InitialSurface {
    /// At-the-money volatility per year.
    pub atm_vol: f64,
    /// Correlation: negative where puts are dearer than calls.
    pub rho: f64,
    /// η: curvature in units of total volatility, φ = η / sqrt(θ), which gives all maturities one shape of smile.
    pub curvature: f64,
    /// Forward above spot per year.
    pub basis_rate: f64,
}

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Line, from 1.
    pub line: usize,
    /// Key, such as `market.lot_size_billionths`.
    pub key: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, ", self.line)?;
        if !self.key.is_empty() {
            write!(formatter, "key {}: ", self.key)?;
        }
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for ConfigError {}

/// Reads a deployment file.
///
/// # Errors
/// The first thing that is wrong, with its line and key.
pub fn read(text: &str, given: &Given) -> Result<Deployment, ConfigError> {
    let file = toml::from_str(text).map_err(|error: toml::de::Error| ConfigError {
        line: line(text, error.span().map_or(0, |span| span.start)),
        key: String::new(),
        message: error.message().to_owned(),
    })?;
    resolve::deployment(&file, text, given)
}

/// The line of a byte, from 1.
fn line(text: &str, byte: usize) -> usize {
    let before = text.as_bytes().iter().take(byte);
    before.filter(|byte| **byte == b'\n').count() + 1
}

impl Deployment {
    /// Who governs the clearinghouse.
    pub fn authority(&self) -> &Pubkey {
        &self.house.authority
    }

    /// Symbol of the market whose underlying a token is.
    pub fn symbol_of(&self, token: &TokenConfig) -> &str {
        self.markets
            .get(token.market)
            .map_or("", |market| &market.symbol)
    }
}

impl MarketConfig {
    /// The expiries of its contracts, ascending.
    pub fn expiries(&self) -> Vec<i64> {
        let mut times: Vec<i64> = self.contracts.iter().filter_map(|c| c.expiry).collect();
        times.sort_unstable();
        times.dedup();
        times
    }
}

impl InitialSurface {
    /// The slice to post at `now` for an expiry, at another volatility than the first where the poster knows better.
    pub fn slice(&self, atm_vol: f64, time: i64, now: i64) -> SurfaceSlice {
        const YEAR: f64 = 31_536_000.0;
        const PPB: f64 = 1e9;
        let left = (time - now).max(60) as f64;
        let phi = self.curvature / (atm_vol * (left / YEAR).sqrt());
        SurfaceSlice {
            time,
            atm_vol_ppb: (atm_vol * PPB) as u64,
            rho_ppb: (self.rho * PPB) as i64,
            phi_ppb: (phi * PPB) as u64,
            basis_rate_ppb: (self.basis_rate * PPB) as i64,
        }
    }
}

#[cfg(test)]
mod tests;
