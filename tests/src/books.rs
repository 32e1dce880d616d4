//! Books of positions without the trades that lead to them, and their margin by the native engine.

use crate::{Trader, Underlying, World};
use anchor_lang::prelude::Pubkey;
use bytemuck::bytes_of;
use estuary::bridge::offsets::record_return;
use estuary::state::{MarketLedger, SeriesKind, StateAccount};
use estuary_client::risk::{FetchedMarket, FetchedPrice, LoadedMarket, Snapshot};
use estuary_risk::margin::MarginReport;
use estuary_risk::returns::{INTERVAL_SECONDS, RETURNS};

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
            let mut owner = self.owner(trader);
            for holding in holdings {
                let generation = table[usize::from(holding.slot)].generation;
                let (lots, cost) = (holding.lots * sign, holding.cost * sign);
                let moved = account
                    .apply_trade(market.index, holding.slot, generation, lots, cost)
                    .expect("positions that fit");
                owner
                    .move_lots(market.index, &moved)
                    .expect("an owner's lots");
                ledger
                    .move_lots(holding.slot, moved.before, moved.after)
                    .expect("open interest that fits");
            }
            account.invariant().expect("an account that may exist");
            self.overwrite(&trader.account, &account);
            self.overwrite(&trader.owner_account(&account.clearinghouse), &owner);
        }
        self.overwrite(&market.ledger, &ledger);
    }

    /// Moves `amount` of unsettled profit from one account to another, into their positions in a perp or future, or into
    /// their carry where they have none.
    pub fn shift(
        &mut self,
        to: &Trader,
        from: &Trader,
        market: &Underlying,
        slot: u16,
        amount: i64,
    ) {
        let cost = Holding {
            slot,
            lots: 0,
            cost: amount,
        };
        self.hold(to, from, market, &[cost]);
    }

    /// Changes a trader's cash by `change`, which may make it negative; the caller changes another's by the opposite.
    pub fn adjust_cash(&mut self, trader: &Trader, change: i64) {
        let mut account = self.account(trader);
        account.balances[0].amount += change;
        self.overwrite(&trader.account, &account);
    }

    /// Fills a market's history: a return of a few tenths of a percent in every interval up to now.
    pub fn fill_returns(&mut self, market: &Underlying) {
        let mut ledger: MarketLedger = self.read(&market.ledger);
        for interval in (0..RETURNS as i64).rev() {
            let time = self.now() - interval * INTERVAL_SECONDS;
            let change = u64::from(interval as u32).wrapping_mul(2_654_435_761) >> 7 & 0xff;
            let price = market.listed_price / 100_000 * (99_900 + change);
            record_return(&mut ledger.returns, time, price);
        }
        self.overwrite(&market.ledger, &ledger);
    }

    fn overwrite<T: StateAccount + bytemuck::NoUninit>(&mut self, key: &Pubkey, state: &T) {
        self.corrupt(key, |account| {
            account.data[8..T::SIZE].copy_from_slice(bytes_of(state));
        });
    }

    /// A market as a client sees it.
    ///
    /// # Panics
    /// When its price is not one the program would accept.
    pub fn loaded(&self, market: &Underlying) -> LoadedMarket {
        self.loaded_for(market, true)
    }

    /// A market as a client sees it, its price only where it is asked for.
    fn loaded_for(&self, market: &Underlying, priced: bool) -> LoadedMarket {
        let [data, ledger] = [&market.market, &market.ledger].map(|key| self.raw(key).data);
        let price = self.raw(&market.price_account);
        let fetched = FetchedMarket {
            market: &data,
            ledger: &ledger,
            price: FetchedPrice {
                address: market.price_account,
                owner: price.owner,
                data: &price.data,
            },
        };
        LoadedMarket::load(&fetched, priced, self.now()).expect("a market with a good price")
    }

    /// An account as a client sees it; `markets` are those its equity depends on.
    pub fn snapshot(&self, trader: &Trader, markets: &[&Underlying]) -> Snapshot {
        let account = self.account(trader);
        let priced = account.priced_markets().expect("markets");
        let load = |market: &&Underlying| self.loaded_for(market, priced.contains(market.index));
        Snapshot {
            markets: markets.iter().map(load).collect(),
            owner: Box::new(self.owner(trader)),
            account: Box::new(account),
            now: self.now(),
        }
    }

    /// The margin of an account by the client; `markets` are those its equity depends on.
    pub fn report(&self, trader: &Trader, markets: &[&Underlying]) -> MarginReport {
        self.snapshot(trader, markets)
            .assess()
            .expect("a margin report")
    }
}
