//! Between accounts and engine: the only place that knows the layouts of [`crate::state`] and the types of
//! `estuary_risk`. It converts; every rule about margin is the engine's.

pub mod engine;
pub mod errors;
pub mod liquidation;
pub mod matured;
pub mod offsets;
pub mod parameters;
pub mod report;
pub mod settlement;
pub mod trade;
pub mod what_if;

use crate::{
    error::EstuaryError,
    oracle::CheckedPrice,
    state::{Balance, MarginAccount, Market, Round, Series, StoredReturns},
};
use anchor_lang::prelude::*;
pub use engine::{assess, Engine};
pub use errors::{
    check_can_pay_out, check_liquidator, liquidation_error, refusal_error, risk_error,
};
pub use matured::matured_value;
pub use parameters::{check_surface, forward_ratio_q30, ln_strike_q40, store_parameters};

/// A market and its price, wherever they come from: borrowed accounts on chain, copied bytes in a client.
#[derive(Clone, Copy, Debug)]
pub struct MarketData<'a> {
    /// Header of the market.
    pub header: &'a Market,
    /// Its table of series.
    pub table: &'a [Series],
    /// Its rounds of claims that a loss has lowered; the others are worth their face.
    pub lowered_rounds: &'a [Round],
    /// What its price has done lately.
    pub returns: &'a StoredReturns,
    /// The checked price of its underlying; none where no position needs it.
    pub price: Option<CheckedPrice>,
}

impl MarketData<'_> {
    /// The price.
    ///
    /// # Errors
    /// [`EstuaryError::PriceMissing`].
    pub fn price(&self) -> Result<&CheckedPrice> {
        Ok(self.price.as_ref().ok_or(EstuaryError::PriceMissing)?)
    }
}

/// Tokens of an account whose market this is.
pub fn tokens_in(account: &MarginAccount, market: u16) -> impl Iterator<Item = &Balance> {
    let is_here = move |token: &&Balance| token.is_token() && token.market == market;
    account.balances.iter().filter(is_here)
}
