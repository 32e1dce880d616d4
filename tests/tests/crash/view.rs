//! The native engine on copies of the accounts: whom the liquidator acts on, and what the program's reports have to agree
//! with.

use estuary::bridge::{self, MarketData};
use estuary::report::SummaryView;
use estuary::state::MarginAccount;
use estuary_client::risk::LoadedMarket;
use estuary_risk::margin::MarginReport;

/// All markets at one moment.
pub struct View {
    markets: Vec<LoadedMarket>,
    now: i64,
}

impl View {
    /// Markets in the order of their indices.
    pub fn new(markets: Vec<LoadedMarket>, now: i64) -> Self {
        Self { markets, now }
    }

    /// The markets an account has something in, with a price where it has positions or tokens, as the program loads them.
    fn held(&self, account: &MarginAccount) -> Vec<MarketData<'_>> {
        let indices = account.markets().expect("markets");
        let priced = account.priced_markets().expect("markets");
        let market = |index: u16| {
            let data = self.markets[usize::from(index)].data();
            let price = data.price.filter(|_| priced.contains(index));
            MarketData { price, ..data }
        };
        indices.iter().map(market).collect()
    }

    /// The account's margin.
    pub fn report(&self, account: &MarginAccount) -> MarginReport {
        bridge::assess(account, &self.held(account), self.now).expect("a margin report")
    }

    /// What the program's report of the account has to be.
    pub fn summary(&self, account: &MarginAccount) -> SummaryView {
        let summary = bridge::report::summary(account, &self.held(account), self.now);
        summary.expect("a margin report")
    }
}
