//! The native engine on copies of the accounts: what the bot decides by, and what the program's reports are checked
//! against. The calculation itself is `estuary_risk`, reached through the program's own bridge.

use anyhow::{Context, Result};
use bytemuck::Zeroable;
use estuary::bridge::{self, Engine, MarketData};
use estuary::report::SummaryView;
use estuary::state::{MarginAccount, Owner, Position};
use estuary_client::risk::{markets_of, LoadedMarket};
use estuary_risk::margin::MarginReport;
use estuary_risk::scenario::{Scenario, SPOT_NODES};
use estuary_risk::units::ONE_Q30;

use super::format;
use super::report::curve::Curves;
use super::world::Underlying;

/// What an account needs with each position margined alone, and together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Comparison {
    /// Value of the account.
    pub equity: i64,
    /// Initial margin of the whole book.
    pub portfolio: i64,
    /// Sum of the initial margins of the positions, each in an account of its own.
    pub isolated: i64,
    /// Sum of their maintenance margins.
    pub isolated_maintenance: i64,
}

/// All markets at one moment. Every owner has one account.
pub struct View {
    markets: Vec<LoadedMarket>,
    now: i64,
}

impl View {
    /// Markets in the order of their indices.
    pub fn new(markets: Vec<LoadedMarket>, now: i64) -> Self {
        Self { markets, now }
    }

    fn held(&self, account: &MarginAccount) -> Result<Vec<MarketData<'_>>> {
        Ok(markets_of(account, &self.markets)?)
    }

    /// The account's margin.
    ///
    /// # Errors
    /// The engine's.
    pub fn report(&self, account: &MarginAccount) -> Result<MarginReport> {
        Ok(bridge::assess(
            account,
            &Owner::of_one(account),
            &self.held(account)?,
            self.now,
        )?)
    }

    /// The view that the program returns for the account.
    ///
    /// # Errors
    /// The engine's.
    pub fn summary(&self, account: &MarginAccount) -> Result<SummaryView> {
        Ok(bridge::report::summary(
            account,
            &Owner::of_one(account),
            &self.held(account)?,
            self.now,
        )?)
    }

    /// Price of a series at mark, rounded down.
    ///
    /// # Errors
    /// The engine's.
    pub fn mark(&self, market: u16, slot: u16, generation: u32) -> Result<u64> {
        let data = self.markets[usize::from(market)].data();
        let mut engine = Engine::new(&[data], 1)?.context("one market is given")?;
        engine.enter(&data)?;
        let instrument = engine.instrument(&data, slot, generation, self.now)?;
        Ok(bridge::trade::mark(&engine, &data, instrument)?.0)
    }

    /// The scenario that loses most in each market, in words.
    ///
    /// # Errors
    /// The engine's.
    pub fn worst_scenarios(
        &self,
        account: &MarginAccount,
        markets: &[Underlying],
    ) -> Result<Vec<String>> {
        let summary = self.summary(account)?;
        let used = usize::from(summary.market_count);
        let mut words = Vec::with_capacity(used);
        for entry in &summary.markets[..used] {
            let place = usize::from(entry.market);
            let grid = &self.markets[place].account.header.grid;
            let scenario = Scenario::of_column(usize::from(entry.worst_column));
            let multiple = grid.multiple_q30[scenario.spot_move] as f64 / ONE_Q30 as f64;
            let weight = match scenario.spot_move.checked_sub(SPOT_NODES) {
                Some(tail) => grid.tail_weight_q30[tail] as f64 / ONE_Q30 as f64,
                None => 1.0,
            };
            words.push(format!(
                "{} {}, volatility {}{}: loss {}",
                markets[place].symbol,
                format::percent(multiple - 1.0),
                ["down", "unchanged", "up"][scenario.vol_level],
                if weight < 1.0 {
                    format!(", counted at {:.0}%", weight * 100.0)
                } else {
                    String::new()
                },
                format::money(entry.certified_loss)
            ));
        }
        Ok(words)
    }

    /// Margin by scenario of an account's book in a market; none without a position there.
    ///
    /// # Errors
    /// The engine's.
    pub fn curves(&self, account: &MarginAccount, market: u16) -> Result<Option<Curves>> {
        if account.positions_in(market).is_empty() {
            return Ok(None);
        }
        let copy = self.markets.get(usize::from(market));
        let copy = copy.context("a position in an unknown market")?;
        Curves::new(account, copy, self.now).map(Some)
    }

    /// The book's requirement with and without netting between positions.
    ///
    /// # Errors
    /// The engine's.
    pub fn compare(&self, account: &MarginAccount) -> Result<Comparison> {
        let whole = self.report(account)?;
        let (mut isolated, mut isolated_maintenance) = (0, 0);
        for position in account.open_positions() {
            let alone = self.report(&alone(*position))?;
            isolated += alone.initial_margin.0;
            isolated_maintenance += alone.maintenance_margin.0;
        }
        Ok(Comparison {
            equity: whole.equity.0,
            portfolio: whole.initial_margin.0,
            isolated,
            isolated_maintenance,
        })
    }
}

/// An account that holds one position and nothing else.
fn alone(position: Position) -> MarginAccount {
    let mut account = MarginAccount::zeroed();
    account.position_count = 1;
    account.positions[0] = position;
    account
}
