//! A market whose contracts are brought from their listing to their end, and what everybody gets.

use crate::expiry::WINDOW;
use crate::setup::{flat_slice, mantissa, BTC_PRICE, DAY, USD, VOL_PPB};
use crate::{ix, EstuaryError, House, Outcome, Trader, Underlying, World};
use estuary::instructions::{SeriesArgs, TradeLeg};
use estuary::state::claims::CLAIM_WINDOW;
use estuary::state::SeriesKind::{self, Call, Put};
use estuary::state::{ClaimsPool, MarketLedger, Unsettled};
use solana_signer::Signer;

/// What each trader deposits.
pub const RICH: i64 = 1_000_000 * USD as i64;

/// A kind of series, the index of its expiry and its strike in percent of BTC's first price.
pub type Contract = (SeriesKind, u8, u64);

/// Three traders in BTC.
pub struct Life {
    /// The world.
    pub world: World,
    /// Its clearinghouse.
    pub house: House,
    /// BTC and SOL.
    pub all: [Underlying; 2],
    /// Each has deposited [`RICH`].
    pub traders: [Trader; 3],
    /// When the expiry that is looked at ends: at first that with index 0.
    pub time: i64,
}

/// What a lot of BTC, a thousandth, pays in micro-units, from prices with eight digits.
pub fn per_lot_down(kind: SeriesKind, strike: u64, settlement: u64) -> i64 {
    let payoff = match kind {
        Call => settlement.saturating_sub(strike),
        Put => strike.saturating_sub(settlement),
        _ => settlement,
    };
    i64::try_from(payoff / 100_000).expect("a payoff")
}

impl Life {
    /// Everybody has deposited, nobody has traded.
    pub fn new() -> Self {
        let (mut world, house, all) = World::with_markets();
        let traders = [0; 3].map(|_| house.trader(&mut world, RICH.unsigned_abs()));
        let time = world.expiry(&all[0], 0).time;
        Self {
            world,
            house,
            all,
            traders,
            time,
        }
    }

    /// The market.
    pub fn btc(&self) -> Underlying {
        self.all[0].clone()
    }

    /// Publishes a price of BTC now.
    pub fn price(&mut self, dollars: f64) {
        let btc = self.btc();
        self.world.set_price(&btc, dollars);
    }

    /// A leg in BTC at mark.
    pub fn leg(&self, contract: Contract, lots: i64) -> TradeLeg {
        self.world.usual_leg(&self.all[0], contract, lots)
    }

    /// Trades between two of the three, by their places.
    pub fn trade(&mut self, taker: usize, maker: usize, legs: &[TradeLeg]) -> Outcome {
        let sides = [&self.traders[taker], &self.traders[maker]];
        self.world.trade(&self.house, sides, legs, &self.all)
    }

    /// The first takes ten lots from the second and gives three of them to the third. Returns the slot.
    pub fn spread(&mut self, contract: Contract) -> u16 {
        let leg = self.leg(contract, 10);
        self.trade(0, 1, &[leg]).ok();
        let leg = self.leg(contract, 3);
        self.trade(2, 0, &[leg]).ok();
        leg.slot
    }

    /// Records a price in every minute of the window and one after it, and returns the settlement price.
    pub fn expire(&mut self, dollars: impl Fn(i64) -> f64) -> u64 {
        let btc = self.btc();
        let mut sum = 0;
        for minute in 0..=WINDOW {
            let price = dollars(minute);
            self.world
                .record_minute(&self.house, &btc, self.time, minute, price);
            if minute < WINDOW {
                sum += mantissa(price);
            }
        }
        let average = self.world.average(&btc, self.time);
        assert_eq!(average.settlement_price, sum / WINDOW.unsigned_abs());
        average.settlement_price
    }

    /// Settles one of the three, without a price.
    pub fn settle(&mut self, trader: usize) -> Outcome {
        let btc = self.btc();
        let trader = &self.traders[trader];
        self.world.settle(&self.house, trader, &btc, false)
    }

    /// Settles everybody until there is nothing left to settle now.
    pub fn settle_all(&mut self) {
        let mut moved = true;
        while moved {
            moved = false;
            for trader in 0..self.traders.len() {
                let error = self.settle(trader).estuary_error();
                let nothing = EstuaryError::NothingToSettle.code();
                assert!(error.is_none() || error == Some(nothing), "{error:?}");
                moved |= error.is_none();
            }
        }
    }

    /// Everybody registers and pays, claims wait, everybody collects.
    pub fn settle_up(&mut self) {
        self.settle_all();
        self.world.pass(2 * CLAIM_WINDOW);
        self.settle_all();
    }

    /// Cash, cost and carry of each.
    pub fn money(&self) -> [i64; 3] {
        self.traders.each_ref().map(|trader| {
            let account = self.world.account(trader);
            let costs: i64 = account.open_positions().iter().map(|one| one.cost).sum();
            let carries: i64 = account.unsettled.iter().map(|one| one.carry).sum();
            account.cash() + costs + carries
        })
    }

    /// What each holds in a slot.
    pub fn lots(&self, slot: u16) -> [i64; 3] {
        let lots = |trader| self.world.account(trader).lots(0, slot);
        self.traders.each_ref().map(lots)
    }

    /// What one of the three has unsettled beside positions.
    pub fn unsettled(&self, trader: usize) -> Unsettled {
        let account = self.world.account(&self.traders[trader]);
        account.unsettled_in(0).copied().unwrap_or_default()
    }

    /// The market's ledger.
    pub fn ledger(&self) -> MarketLedger {
        self.world.read(&self.all[0].ledger)
    }

    /// Retires the expiry.
    pub fn retire(&mut self) -> Outcome {
        let retire = ix::retire_expiry(&self.house, &self.all[0], self.time);
        self.world.send(retire, &[])
    }

    /// Posts an expiry a week from now, which takes the first free entry.
    pub fn post_again(&mut self) {
        self.time = self.world.now() + 7 * DAY;
        let slice = flat_slice(self.time, VOL_PPB);
        let post = ix::post_surface(&self.house, &self.all[0].market, &[slice]);
        self.world.send(post, &[&self.house.authority]).ok();
        assert_eq!(self.world.expiry(&self.all[0], 0).time, self.time);
    }

    /// Lists series of the first expiry.
    pub fn list(&mut self, contracts: &[(SeriesKind, u64)]) {
        let args = |(kind, percent): &(SeriesKind, u64)| SeriesArgs {
            kind: *kind,
            expiry: 0,
            strike: mantissa(BTC_PRICE) / 100 * percent,
        };
        let series: Vec<_> = contracts.iter().map(args).collect();
        let list = ix::list_series(&self.house, &self.all[0].market, &series);
        self.world.send(list, &[&self.house.authority]).ok();
    }

    /// The contracts that a slot has had.
    pub fn generation(&self, slot: u16) -> u32 {
        let table = self.world.market(&self.all[0].market).table;
        table[usize::from(slot)].generation
    }

    /// Nothing of the market is left in anybody's account or in the ledger: everybody has so much cash, of which `brought`
    /// is from others, and leaves with it.
    pub fn everybody_leaves_with(&mut self, cash: [i64; 3], brought: i64) {
        assert_eq!(cash.iter().sum::<i64>(), 3 * RICH + brought);
        let ledger = self.ledger();
        let empty = ClaimsPool {
            total_socialised: ledger.claims.total_socialised,
            ..ClaimsPool::default()
        };
        assert_eq!(ledger.claims, empty);
        let rest = (ledger.exercised, ledger.total_cost, ledger.total_open_lots);
        assert_eq!(rest, (0, 0, 0));
        for (trader, cash) in self.traders.iter().zip(cash) {
            assert_eq!(self.world.cash(trader), cash, "{}", trader.owner.pubkey());
            let steps = [
                ix::withdraw(&self.house, trader, cash.unsigned_abs(), &[]),
                ix::close_account(&self.house, trader),
            ];
            self.world.send_all(&steps, &[&trader.owner]).ok();
        }
        assert_eq!(self.world.tokens(&self.house.vault), 0);
    }
}

impl Default for Life {
    fn default() -> Self {
        Self::new()
    }
}
