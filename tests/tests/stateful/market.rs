//! What happens around the accounts: time, prices, feeds that stop, surfaces, statuses, and expiries that end and are
//! replaced in the same slots.

use crate::run::Run;
use estuary::instructions::{SeriesArgs, SurfaceSlice};
use estuary::state::series::NO_EXPIRY;
use estuary::state::{Expiry, MarketStatus, SeriesKind};
use estuary_tests::expiry::{MINUTE, WINDOW};
use estuary_tests::ix;
use estuary_tests::setup::{flat_slice, mantissa, BTC_PRICE, SOL_PRICE, VOL_PPB};

const HOUR: i64 = 3_600;
/// Hours from the start to the first expiries.
const FIRST_HOURS: [i64; 3] = [4, 26, 75];
/// Strikes of an expiry, percent of the price when it is listed.
const PERCENT: [u64; 3] = [85, 100, 115];
/// Series a market has room for.
const CAPACITY: u16 = 24;
/// Accounts to be settled in a matured expiry before it is retired: more than there are.
const MANY: usize = 64;

/// A future and options at every strike.
fn contracts(expiry: u8, dollars: f64) -> Vec<SeriesArgs> {
    let args = |kind, strike| SeriesArgs {
        kind,
        expiry,
        strike,
    };
    let mut series = vec![args(SeriesKind::Future, 0)];
    for percent in PERCENT {
        let strike = mantissa(dollars) / 100 * percent;
        series.push(args(SeriesKind::Call, strike));
        series.push(args(SeriesKind::Put, strike));
    }
    series
}

impl Run {
    /// Room, three expiries and their series in both markets, and the perps.
    pub fn list_first(&mut self) {
        let now = self.world.now();
        let slices = FIRST_HOURS.map(|hours| flat_slice(now + hours * HOUR, VOL_PPB));
        for market in 0..self.markets.len() {
            let key = self.markets[market].market;
            let extend = ix::extend_market(&self.house, &key, CAPACITY);
            let post = ix::post_surface(&self.house, &key, &slices);
            let authority = self.house.authority.insecure_clone();
            self.send("extend_market", extend, &[&authority])
                .expect("room");
            self.send("post_surface", post, &[&authority])
                .expect("a surface");
            let mut series = vec![SeriesArgs {
                kind: SeriesKind::Perp,
                expiry: NO_EXPIRY,
                strike: 0,
            }];
            for expiry in 0..3 {
                series.extend(contracts(expiry, self.prices[market]));
            }
            self.list(market, &series);
        }
    }

    fn list(&mut self, market: usize, series: &[SeriesArgs]) {
        let list = ix::list_series(&self.house, &self.markets[market].market, series);
        let authority = self.house.authority.insecure_clone();
        let done = self.send("list_series", list, &[&authority]);
        assert_eq!(done, Ok(()));
    }

    /// The expiries of a market.
    pub fn expiries(&self, market: usize) -> Vec<Expiry> {
        let header = self.world.market(&self.markets[market].market).header;
        let used = header.open_expiries().iter().filter(|one| !one.is_free());
        used.copied().collect()
    }

    /// Publishes a market's price.
    pub fn publish(&mut self, market: usize) {
        let price = self.prices[market];
        self.world.set_price(&self.markets[market].clone(), price);
        self.published[market] = self.world.now();
    }

    /// Time passes, and the prices of the feeds that work follow.
    pub fn pass(&mut self, seconds: i64) {
        self.world.pass(seconds);
        for market in 0..self.markets.len() {
            if self.feeds[market] {
                self.publish(market);
            }
        }
    }

    /// Both prices move by at most a factor of `1 + size` and stay within a quarter and four times where they began.
    fn move_prices(&mut self, size: f64) {
        for (market, start) in [BTC_PRICE, SOL_PRICE].into_iter().enumerate() {
            let home = (start / self.prices[market]).ln() * 0.02;
            let factor = (self.random.uniform(-size, size) + home).exp();
            self.prices[market] = (self.prices[market] * factor).clamp(start / 4.0, start * 4.0);
        }
    }

    /// Time passes; now and then prices jump, and a feed stops or works again.
    pub fn move_on(&mut self) {
        let size = match self.random.below(30) {
            0 => 0.6,
            1..=4 => 0.15,
            _ => 0.01,
        };
        self.move_prices(size);
        for market in 0..self.markets.len() {
            let moves = if self.feeds[market] { 25 } else { 3 };
            let switches = self.random.below(moves) == 0;
            self.feeds[market] ^= switches;
        }
        let most = if self.random.below(40) == 0 {
            40_000
        } else {
            900
        };
        let seconds = 1 + self.random.below(most) as i64;
        self.pass(seconds);
        if size > 0.1 && self.random.below(2) == 0 {
            self.mark_any();
        }
    }

    /// A market is paused, restricted to exits, or, mostly, opened again.
    pub fn set_status(&mut self) {
        let market = self.random.below(2) as usize;
        let header = self.world.market(&self.markets[market].market).header;
        let is_active = header.status == MarketStatus::Active.code();
        let status = match self.random.below(if is_active { 4 } else { 40 }) {
            0 => MarketStatus::Paused,
            1 => MarketStatus::ReduceOnly,
            _ => MarketStatus::Active,
        };
        self.use_status(market, status);
    }

    pub fn use_status(&mut self, market: usize, status: MarketStatus) {
        let set = ix::set_market_status(&self.house, &self.markets[market].market, status);
        let authority = self.house.authority.insecure_clone();
        let done = self.send("set_market_status", set, &[&authority]);
        assert_eq!(done, Ok(()));
    }

    /// A new surface of the expiries that have not passed, and of new ones; whether it was free of arbitrage.
    fn post(&mut self, market: usize, new: &[i64]) -> bool {
        let now = self.world.now();
        let vol = (self.random.uniform(0.3, 1.5) * 1e9) as u64;
        let [rho, phi] = [
            self.random.uniform(-0.6, 0.2),
            self.random.uniform(0.0, 1.2),
        ];
        let basis = self.random.uniform(-0.05, 0.1);
        let mut times: Vec<i64> = self.expiries(market).iter().map(|one| one.time).collect();
        times.retain(|time| *time > now);
        times.extend(new);
        times.sort_unstable();
        let slice = |time: &i64| SurfaceSlice {
            rho_ppb: (rho * 1e9) as i64,
            phi_ppb: (phi * 1e9) as u64,
            basis_rate_ppb: (basis * 1e9) as i64,
            ..flat_slice(*time, vol)
        };
        let slices: Vec<_> = times.iter().map(slice).collect();
        if slices.is_empty() {
            return false;
        }
        let post = ix::post_surface(&self.house, &self.markets[market].market, &slices);
        let authority = self.house.authority.insecure_clone();
        let done = self.send("post_surface", post, &[&authority]);
        if let Err(error) = &done {
            assert!(error.starts_with("Surface"), "{error}");
        }
        done.is_ok()
    }

    pub fn post_surfaces(&mut self) {
        for market in 0..self.markets.len() {
            self.post(market, &[]);
        }
    }

    /// The next expiry without a settlement price.
    pub fn next_expiry(&self) -> Option<i64> {
        let all = (0..self.markets.len()).flat_map(|market| self.expiries(market));
        let open = all.filter(|expiry| !expiry.average.is_final());
        open.map(|expiry| expiry.time).min()
    }

    /// Some minutes of the next settlement window pass, and the price is recorded in most of them, while others act.
    pub fn expire(&mut self) {
        let Some(time) = self.next_expiry() else {
            return;
        };
        let start = time - WINDOW * MINUTE;
        let early = start - self.world.now();
        if early > 12 * HOUR || (early > HOUR && self.random.below(4) > 0) {
            return;
        }
        if early > 0 {
            let late = self.random.below(60) as i64;
            self.pass(early + late);
        }
        // Half of them end without a price from after the expiry.
        let stops = self.random.below(2) == 0;
        let minutes = if stops {
            WINDOW as u64
        } else {
            1 + self.random.below(40)
        };
        let gaps = self.random.below(4);
        for _ in 0..minutes {
            self.move_prices(0.004);
            self.pass(MINUTE);
            if stops && self.world.now() >= time {
                break;
            }
            if self.random.below(10) < gaps {
                continue;
            }
            self.record_all(time);
            match self.random.below(12) {
                0 => self.trade(),
                1 => self.settle_any(),
                2 => self.liquidate_any(),
                _ => (),
            }
        }
        if stops && self.world.now() > time - 2 * MINUTE {
            self.pass(2 * MINUTE);
            for market in 0..self.markets.len() {
                self.finalize(market, time);
            }
        }
    }

    /// Records a minute of the expiry in every market that has it.
    pub fn record_all(&mut self, time: i64) {
        for market in 0..self.markets.len() {
            let expiries = self.expiries(market);
            if expiries.iter().any(|expiry| expiry.time == time) {
                self.record(market, time);
            }
        }
    }

    fn record(&mut self, market: usize, time: i64) {
        let underlying = &self.markets[market];
        let record = ix::record_settlement_price(&self.house, underlying, time);
        let done = self.send("record_settlement_price", record, &[]);
        let average = self.world.average(&self.markets[market], time);
        if done.is_ok() {
            assert!(self.is_fresh(market));
            let is_over = self.published[market] >= time;
            assert!(!average.is_final() || is_over && average.has_enough());
        }
    }

    pub fn finalize(&mut self, market: usize, time: i64) {
        if !self
            .expiries(market)
            .iter()
            .any(|expiry| expiry.time == time)
        {
            return;
        }
        let before = self.world.average(&self.markets[market], time);
        let finalize = ix::finalize_settlement(&self.house, &self.markets[market], time);
        let done = self.send("finalize_settlement", finalize, &[]);
        let is_over =
            self.world.now() >= time + MINUTE || self.ledger(market).last_publish_time >= time;
        let expected = is_over && before.has_enough() && !before.is_final();
        assert_eq!(done.is_ok(), expected, "{done:?}");
    }

    /// Lots that accounts have in an expiry of a market.
    fn holds(&self, user: usize, market: usize, time: i64) -> bool {
        let copy = self.world.market(&self.markets[market].market);
        let index = self.markets[market].index;
        let account = self.account(user);
        let found = account.open_positions().iter().any(|position| {
            let series = &copy.table[usize::from(position.slot)];
            let expiry = copy.header.expiry(series.expiry);
            position.market == index && expiry.is_ok_and(|expiry| expiry.time == time)
        });
        found
    }

    /// Settles some of those who hold matured series, frees the slots once nobody is left, and lists the next expiry.
    pub fn roll(&mut self) {
        let market = self.random.below(2) as usize;
        let expiries = self.expiries(market);
        let matured = expiries.iter().find(|expiry| expiry.average.is_final());
        let Some(time) = matured.map(|expiry| expiry.time) else {
            return;
        };
        let most = if self.random.below(2) == 0 { MANY } else { 3 };
        let mut holders: Vec<usize> = self.open().collect();
        holders.retain(|user| self.holds(*user, market, time));
        for _ in 0..most.min(holders.len()) {
            let place = self.random.below(holders.len() as u64) as usize;
            let user = holders.swap_remove(place);
            assert_eq!(self.settle(user, market, false, true), Ok(()));
        }
        if self.retire(market, time, holders.is_empty()) {
            self.list_next(market);
        }
    }

    /// Retires an expiry, which succeeds exactly when nobody is left in it.
    pub fn retire(&mut self, market: usize, time: i64, is_free: bool) -> bool {
        let retire = ix::retire_expiry(&self.house, &self.markets[market], time);
        let done = self.send("retire_expiry", retire, &[]);
        assert_eq!(done.is_ok(), is_free, "{done:?}");
        is_free
    }

    /// Posts another expiry and lists its series in free slots.
    fn list_next(&mut self, market: usize) {
        let mut time = self.world.now() + HOUR + self.random.below(300_000) as i64;
        let taken: Vec<i64> = self.expiries(market).iter().map(|one| one.time).collect();
        while taken.contains(&time) {
            time += 1;
        }
        for _ in 0..20 {
            if !self.post(market, &[time]) {
                continue;
            }
            let header = self.world.market(&self.markets[market].market).header;
            let index = header.expiry_at(time).expect("the expiry posted");
            return self.list(market, &contracts(index, self.prices[market]));
        }
    }
}
