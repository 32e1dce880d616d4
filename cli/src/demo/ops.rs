//! Trading, reporting and liquidating: the instructions that need markets and prices.

use anchor_lang::solana_program::instruction::Instruction;
use anyhow::{Context, Result};
use estuary::instructions::{AcceptedPrice, LiquidateArgs, TradeLeg};
use estuary::report::{PositionView, PositionsView, ReportPage, SummaryView, POSITIONS_PER_PAGE};
use estuary::state::MarketSet;
use estuary_client::view::padded;

use super::books::BookLeg;
use super::svm::{Executed, Refused};
use super::world::World;

/// Generation of every series here: no slot is used twice.
pub const GENERATION: u32 = 1;

impl World {
    /// Trades all legs in one block at mark, rounded down, the maker on the other side.
    ///
    /// # Errors
    /// The program's refusals.
    pub fn block_trade(&mut self, taker: usize, maker: usize, legs: &[BookLeg]) -> Result<()> {
        let view = self.view()?;
        let held = |place: usize| -> Result<MarketSet> { Ok(self.account(place)?.markets()?) };
        let held = held(taker)?.union(held(maker)?);
        let mut traded = MarketSet::default();
        let mut priced = Vec::with_capacity(legs.len());
        for leg in legs {
            traded.insert(leg.market)?;
            priced.push(TradeLeg {
                market: leg.market,
                slot: leg.slot,
                generation: GENERATION,
                lots: leg.lots,
                price: view.mark(leg.market, leg.slot, GENERATION)?,
            });
        }
        let markets = held.union(traded);
        let (taker, maker) = (&self.traders[taker], &self.traders[maker]);
        let trade = self.house.block_trade(
            &taker.party(),
            &maker.party(),
            priced,
            &self.priced(markets),
            &self.addresses(traded),
        );
        let done = self.svm.send(&[trade], &[&taker.owner, &maker.owner])?;
        self.activity.executed("block_trade", &done);
        Ok(())
    }

    /// An account's margin as the program reports it.
    ///
    /// # Errors
    /// The program's refusals.
    pub fn margin_report(&mut self, trader: usize) -> Result<(Box<SummaryView>, u64)> {
        let report = self.report_page(trader, ReportPage::Summary)?;
        let done = self.svm.simulate(report, &[])?;
        self.activity.simulated("margin_report", &done);
        Ok((returned(&done)?, done.units))
    }

    /// An account's positions as the program reports them.
    ///
    /// # Errors
    /// The program's refusals.
    pub fn positions(&mut self, trader: usize) -> Result<Vec<PositionView>> {
        let count = self.account(trader)?.open_positions().len();
        let mut positions = Vec::with_capacity(count);
        for page in 0..count.div_ceil(POSITIONS_PER_PAGE) {
            let report = self.report_page(trader, ReportPage::Positions(u16::try_from(page)?))?;
            let done = self.svm.simulate(report, &[])?;
            self.activity.simulated("margin_report", &done);
            let view = returned::<PositionsView>(&done)?;
            positions.extend(view.positions.iter().take(usize::from(view.count)));
        }
        Ok(positions)
    }

    fn report_page(&self, trader: usize, page: ReportPage) -> Result<Instruction> {
        let markets = self.priced(self.account(trader)?.markets()?);
        Ok(self
            .house
            .margin_report(&self.traders[trader].party(), page, &markets))
    }

    /// One call of a liquidation, at index prices within half a percent of `prices`, those it was decided on, market by
    /// market.
    ///
    /// # Errors
    /// [`Refused`] by the program, the outer error when an account cannot be read.
    pub fn liquidate(
        &mut self,
        trader: usize,
        liquidator: usize,
        prices: &[u64],
    ) -> Result<Result<Executed, Refused>> {
        let accounts = [self.account(trader)?, self.account(liquidator)?];
        let markets = accounts[0].markets()?.union(accounts[1].markets()?);
        let accepted = |market: u16| {
            let price = prices[usize::from(market)];
            AcceptedPrice {
                market,
                lowest: price - price / 200,
                highest: price + price / 200,
            }
        };
        let args = LiquidateArgs {
            max_notional: u64::MAX,
            accepted: accounts[0].priced_markets()?.iter().map(accepted).collect(),
        };
        let liquidated = accounts[0].markets()?;
        let by = &self.traders[liquidator];
        let step = self.house.liquidate(
            &by.party(),
            &self.traders[trader].party(),
            args,
            &self.priced(markets),
            &self.addresses(liquidated),
        );
        let result = self.svm.send(&[step], &[&by.owner]);
        if let Ok(done) = &result {
            self.activity.executed("liquidate", done);
        }
        Ok(result)
    }
}

/// A view that the program returned.
fn returned<T: bytemuck::AnyBitPattern>(done: &Executed) -> Result<Box<T>> {
    padded(&done.data).with_context(|| format!("the program returned {} bytes", done.data.len()))
}
