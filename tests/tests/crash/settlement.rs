//! What keepers do beside liquidations: settle everybody, and keep marks true.

use crate::run::Run;
use estuary::market_view::Needs;
use estuary::state::MarginAccount;
use estuary_tests::{ix, EstuaryError, Event, Trader, Underlying};

impl Run {
    /// Settles everybody's profit and loss in all markets where they have any.
    pub fn settle_everybody(&mut self) {
        let everybody: Vec<Trader> = self.everybody().cloned().collect();
        for trader in &everybody {
            self.settle_everywhere(trader, true);
        }
    }

    /// Settles one account in all markets; with `variation` the profit and loss of its open positions too.
    pub fn settle_everywhere(&mut self, trader: &Trader, variation: bool) {
        for market in 0..self.markets.len() {
            let account = self.account(trader);
            if is_due(&account, market as u16, variation) {
                self.settle(trader, market, variation);
            }
        }
    }

    fn settle(&mut self, trader: &Trader, market: usize, variation: bool) {
        let underlying = &self.markets[market];
        let settle = ix::settle(&self.house, trader, underlying, variation, true);
        let outcome = self.world.send(settle, &[]);
        self.figures.settlements += 1;
        let events = outcome.events();
        let error = outcome.estuary_error();
        let nothing = EstuaryError::NothingToSettle.code();
        assert!(error.is_none() || error == Some(nothing), "{error:?}");
        for event in &events {
            let Event::Settled(event) = event else {
                panic!("a settlement: {event:?}");
            };
            self.note_loss(&event.settlement);
        }
    }

    /// Marks an account that is unhealthy or below zero, or takes marks away that are not true any more.
    pub fn update_mark(&mut self, trader: &Trader) {
        let account = self.account(trader);
        let report = self.view().report(&account);
        let agrees = (report.equity.0 < 0) == (account.marked != 0)
            && report.is_liquidatable() == (account.unhealthy_since != 0);
        if agrees {
            return;
        }
        let needed = Needs::to_mark(&account).expect("markets").markets;
        let named = |one: &&Underlying| needed.contains(one.index);
        let markets: Vec<_> = self.markets.iter().filter(named).collect();
        let mark = ix::mark_account(&self.house, trader, &markets);
        let error = self.world.send(mark, &[]).estuary_error();
        let nothing = EstuaryError::NothingToMark.code();
        assert!(error.is_none() || error == Some(nothing), "{error:?}");
        self.figures.marks += u64::from(error.is_none());
    }

    /// Takes the marks of everybody away who has recovered without a liquidation.
    pub fn update_marks(&mut self) {
        let everybody: Vec<Trader> = self.everybody().cloned().collect();
        for trader in &everybody {
            let account = self.account(trader);
            if account.marked != 0 || account.unhealthy_since != 0 {
                self.update_mark(trader);
            }
        }
    }
}

/// Whether an account has anything to settle in a market. Positions with a cost are those in perps and futures.
fn is_due(account: &MarginAccount, market: u16, variation: bool) -> bool {
    let mut unsettled = account.unsettled.iter();
    let has_carry = unsettled.any(|one| one.is_used() && one.market == market);
    let mut positions = account.open_positions().iter();
    let has_cost = positions.any(|one| one.market == market && one.cost != 0);
    has_carry || (variation && has_cost)
}
