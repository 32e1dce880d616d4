//! The native engine on copies of the accounts: whom the liquidator acts on, and what the program's reports have to agree
//! with.

use estuary::bridge::{self, MarketData};
use estuary::report::SummaryView;
use estuary::state::{MarginAccount, Owner};
use estuary_client::risk::{markets_of, LoadedMarket};
use estuary_risk::margin::MarginReport;

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

    fn held(&self, account: &MarginAccount) -> Vec<MarketData<'_>> {
        markets_of(account, &self.markets).expect("markets")
    }

    /// The account's margin.
    pub fn report(&self, account: &MarginAccount) -> MarginReport {
        bridge::assess(
            account,
            &Owner::of_one(account),
            &self.held(account),
            self.now,
        )
        .expect("a margin report")
    }

    /// What the program's report of the account has to be.
    pub fn summary(&self, account: &MarginAccount) -> SummaryView {
        let summary = bridge::report::summary(
            account,
            &Owner::of_one(account),
            &self.held(account),
            self.now,
        );
        summary.expect("a margin report")
    }
}
