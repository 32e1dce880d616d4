//! Books of positions without the trades that lead to them, and their margin by the native engine.

use crate::{Feed, Trader, Underlying, World};
use anchor_lang::prelude::Pubkey;
use bytemuck::bytes_of;
use estuary::bridge::{assess, MarketData};
use estuary::oracle::{CheckedPrice, FeedPrice, PriceLimits};
use estuary::state::{MarginAccount, MarketLedger, SeriesKind, StateAccount};
use estuary_risk::margin::MarginReport;

/// Lots of a series to hold.
#[derive(Clone, Copy, Debug)]
pub struct Holding {
    /// Slot of the series.
    pub slot: u16,
    /// Lots, negative when short.
    pub lots: i64,
    /// Cost; 0 for options.
    pub cost: i64,
}

impl World {
    /// Slot of a series of the usual kind: `strike` in percent of the price the market was listed at, 0 for none.
    pub fn slot(&self, market: &Underlying, kind: SeriesKind, expiry: u8, percent: u64) -> u16 {
        let strike = market.listed_price / 100 * percent;
        let copy = self.market(&market.market);
        let found = copy.table.iter().position(|series| {
            series.kind == kind.code()
                && (kind == SeriesKind::Perp || series.expiry == expiry)
                && series.strike == strike
        });
        u16::try_from(found.expect("a listed series")).expect("a slot")
    }

    /// Gives `long` these positions and `short` the opposite ones, as if they had traded: no margin is asked and no cash
    /// moves. Books that no trader could build one trade at a time begin here.
    pub fn hold(
        &mut self,
        long: &Trader,
        short: &Trader,
        market: &Underlying,
        holdings: &[Holding],
    ) {
        let table = self.market(&market.market).table;
        let mut ledger: MarketLedger = self.read(&market.ledger);
        for (trader, sign) in [(long, 1), (short, -1)] {
            let mut account = self.account(trader);
            for holding in holdings {
                let generation = table[usize::from(holding.slot)].generation;
                let (lots, cost) = (holding.lots * sign, holding.cost * sign);
                let moved = account
                    .apply_trade(market.index, holding.slot, generation, lots, cost)
                    .expect("positions that fit");
                ledger
                    .move_lots(holding.slot, moved.before, moved.after)
                    .expect("open interest that fits");
            }
            account.invariant().expect("an account that may exist");
            self.overwrite(&trader.account, &account);
        }
        self.overwrite(&market.ledger, &ledger);
    }

    fn overwrite<T: StateAccount + bytemuck::NoUninit>(&mut self, key: &Pubkey, state: &T) {
        self.corrupt(key, |account| {
            account.data[8..T::SIZE].copy_from_slice(bytes_of(state));
        });
    }

    /// The price of a market as the program would accept it now.
    pub fn checked_price(&self, market: &Underlying) -> CheckedPrice {
        let feed = Feed::read(&self.raw(&market.price_account));
        let ledger: MarketLedger = self.read(&market.ledger);
        let limits = PriceLimits {
            exponent: market.args.price_exponent,
            max_age_seconds: market.args.max_price_age_seconds,
            max_confidence_ppm: market.args.max_confidence_ppm,
            last_publish_time: ledger.last_publish_time,
            now: self.now(),
        };
        let read = FeedPrice {
            price: feed.price,
            confidence: feed.confidence,
            exponent: feed.exponent,
            publish_time: feed.publish_time,
        };
        read.check(&limits).expect("a good price")
    }

    /// The margin of an account by the native engine; `markets` are those it has positions in.
    pub fn report(&self, trader: &Trader, markets: &[&Underlying]) -> MarginReport {
        self.report_of(&self.account(trader), markets)
    }

    /// The margin an account would have.
    pub fn report_of(&self, account: &MarginAccount, markets: &[&Underlying]) -> MarginReport {
        let copies: Vec<_> = markets
            .iter()
            .map(|market| (self.market(&market.market), self.checked_price(market)))
            .collect();
        let data: Vec<_> = copies
            .iter()
            .map(|(market, price)| MarketData {
                header: &market.header,
                table: &market.table,
                price: *price,
            })
            .collect();
        assess(account, &data, self.now()).expect("a margin report")
    }
}
