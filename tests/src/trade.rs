//! Trading and liquidating in one line, with exactly the market accounts that are needed.

use crate::setup::Fees;
use crate::{ix, House, Outcome, Trader, Underlying, World};
use estuary::bridge::{trade::mark, Engine};
use estuary::instructions::TradeLeg;
use estuary::state::SeriesKind;
use estuary::EstuaryError;

impl World {
    /// A leg at a price in dollars.
    pub fn leg(&self, market: &Underlying, slot: u16, lots: i64, dollars: f64) -> TradeLeg {
        let price = crate::setup::mantissa(dollars);
        TradeLeg {
            market: market.index,
            slot,
            generation: self.market(&market.market).table[usize::from(slot)].generation,
            lots,
            price,
        }
    }

    /// A leg at mark, rounded up where it is not exact.
    pub fn leg_at_mark(&self, market: &Underlying, slot: u16, lots: i64) -> TradeLeg {
        TradeLeg {
            price: self.mark(market, slot).1,
            ..self.leg(market, slot, lots, 0.0)
        }
    }

    /// A leg in a series of the usual kind, at mark; see [`World::slot`].
    pub fn usual_leg(
        &self,
        market: &Underlying,
        (kind, expiry, percent): (SeriesKind, u8, u64),
        lots: i64,
    ) -> TradeLeg {
        self.leg_at_mark(market, self.slot(market, kind, expiry, percent), lots)
    }

    /// The mark of a series by the native engine, a mantissa rounded down and up.
    pub fn mark(&self, market: &Underlying, slot: u16) -> (u64, u64) {
        let loaded = self.loaded(market);
        let data = loaded.data();
        let engine = Engine::new(&[data], 1).expect("an engine");
        let mut engine = engine.expect("an engine for a market");
        let generation = data.table[usize::from(slot)].generation;
        let instrument = engine.instrument(&data, slot, generation, self.now());
        mark(&engine, &data, instrument.expect("an instrument")).expect("a mark")
    }

    /// Those of all markets that the account's equity depends on, none if it owes nothing: what a withdrawal names.
    pub fn needed_to_pay_out<'a>(
        &self,
        trader: &Trader,
        all: &'a [Underlying],
    ) -> Vec<&'a Underlying> {
        if self.account(trader).owes_nothing() {
            return Vec::new();
        }
        self.needed(&[trader], &[], all)
    }

    /// Those of all markets that the accounts' equity depends on or the legs name.
    pub fn needed<'a>(
        &self,
        traders: &[&Trader],
        legs: &[TradeLeg],
        all: &'a [Underlying],
    ) -> Vec<&'a Underlying> {
        let held = |index| {
            traders.iter().any(|trader| {
                let markets = self.account(trader).markets().expect("an account");
                markets.contains(index)
            })
        };
        let named = |index| legs.iter().any(|leg| leg.market == index);
        all.iter()
            .filter(|market| held(market.index) || named(market.index))
            .collect()
    }

    /// Sends a block trade that both sides sign.
    pub fn trade(
        &mut self,
        house: &House,
        [taker, maker]: [&Trader; 2],
        legs: &[TradeLeg],
        all: &[Underlying],
    ) -> Outcome {
        let markets = self.needed(&[taker, maker], legs, all);
        let trade = ix::block_trade(house, taker, maker, legs, &markets);
        self.send(trade, &[&taker.owner, &maker.owner])
    }

    /// Sends a settlement of one account in one market, with the settlement token's bank.
    pub fn settle(
        &mut self,
        house: &House,
        trader: &Trader,
        market: &Underlying,
        variation: bool,
    ) -> Outcome {
        let settle = ix::settle(house, trader, market, variation, true);
        self.send(settle, &[])
    }

    /// Sends a liquidation.
    pub fn liquidate(
        &mut self,
        house: &House,
        liquidator: &Trader,
        liquidated: &Trader,
        all: &[Underlying],
    ) -> Outcome {
        let markets = self.needed(&[liquidator, liquidated], &[], all);
        let liquidate = ix::liquidate(house, liquidator, liquidated, &markets);
        self.send(liquidate, &[&liquidator.owner])
    }
}

/// Two traders and two markets, the most common stage of a test.
pub struct Pit {
    /// The world.
    pub world: World,
    /// Its clearinghouse.
    pub house: House,
    /// BTC and SOL.
    pub markets: [Underlying; 2],
    /// Signs first.
    pub taker: Trader,
    /// Signs second.
    pub maker: Trader,
}

impl Pit {
    /// A pit whose traders have deposited so much.
    pub fn new(taker: u64, maker: u64) -> Self {
        Self::with_fees(taker, maker, Fees::default())
    }

    /// The same with fees.
    pub fn with_fees(taker: u64, maker: u64, fees: Fees) -> Self {
        Self::of(World::with_fees(fees), taker, maker)
    }

    /// The same with the cost of unwinding and without fees.
    pub fn with_liquidity_cost(taker: u64, maker: u64) -> Self {
        Self::of(World::with_liquidity_cost(), taker, maker)
    }

    fn of(
        (mut world, house, markets): (World, House, [Underlying; 2]),
        taker: u64,
        maker: u64,
    ) -> Self {
        let taker = house.trader(&mut world, taker);
        let maker = house.trader(&mut world, maker);
        Self {
            world,
            house,
            markets,
            taker,
            maker,
        }
    }

    /// Trades between the two.
    pub fn trade(&mut self, legs: &[TradeLeg]) -> Outcome {
        let sides = [&self.taker, &self.maker];
        self.world.trade(&self.house, sides, legs, &self.markets)
    }

    /// Expects a refusal of a trade between the two.
    #[track_caller]
    pub fn refuse(&mut self, legs: &[TradeLeg], error: EstuaryError) {
        self.trade(legs).refused(error);
    }

    /// The BTC market.
    pub fn btc(&self) -> &Underlying {
        &self.markets[0]
    }

    /// The SOL market.
    pub fn sol(&self) -> &Underlying {
        &self.markets[1]
    }

    /// A leg in BTC at mark.
    pub fn btc_leg(&self, series: (SeriesKind, u8, u64), lots: i64) -> TradeLeg {
        self.world.usual_leg(self.btc(), series, lots)
    }

    /// A leg in SOL at mark.
    pub fn sol_leg(&self, series: (SeriesKind, u8, u64), lots: i64) -> TradeLeg {
        self.world.usual_leg(self.sol(), series, lots)
    }
}

/// The perp of a market, for [`World::usual_leg`].
pub const PERP: (SeriesKind, u8, u64) = (SeriesKind::Perp, 0, 0);
