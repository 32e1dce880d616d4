//! `estuary risk margin` beside the program: the same account described in a portfolio file, while the settlement average of
//! an expiry it holds is under way.

use estuary::instructions::SeriesArgs;
use estuary::state::{Expiry, SeriesKind};
use estuary_client::account::MarketAccount;
use estuary_client::instruction::PricedMarket;

use super::books::BookLeg;
use super::listing;
use super::prices::{Bar, History, Interval, Step};
use super::svm::Svm;
use super::world::World;
use crate::common::elf;
use crate::risk::input::Input;
use crate::risk::json::Node;
use crate::risk::margin;
use crate::risk::notes::Notes;

/// A price whose last digit is not zero: the file's prices then have the market's eight decimals.
const PRICE: u64 = 16_240_000_037;
const START: i64 = 1_760_054_400;
const MINUTE: i64 = 60;

/// A market, two accounts that trade with each other, and the prices recorded of the first expiry so far.
struct Stage {
    world: World,
    recorded: Vec<(i64, u64)>,
}

fn step(time: i64, price: u64) -> Step {
    Step {
        time,
        name: "step",
        prices: vec![price],
    }
}

/// Digits with so many decimals.
fn decimal(units: i64, places: usize) -> String {
    let digits = format!("{:0>1$}", units.unsigned_abs(), places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let sign = if units < 0 { "-" } else { "" };
    format!("{sign}{whole}.{fraction}")
}

impl Stage {
    fn new(elf: &std::path::Path) -> Self {
        let bar = Bar {
            open: PRICE,
            high: PRICE,
            low: PRICE,
            close: PRICE,
        };
        let history = History {
            symbols: vec!["SOL".to_owned()],
            bar_seconds: 1_800,
            intervals: vec![Interval {
                time: START,
                bars: vec![bar],
            }],
        };
        let svm = Svm::new(elf).unwrap();
        let world = World::new(svm, &history, &step(START, PRICE)).unwrap();
        let mut stage = Self {
            world,
            recorded: Vec::new(),
        };
        for name in ["taker", "maker"] {
            stage.world.open(name, 2_000_000_000_000).unwrap();
        }
        let legs = [
            stage.leg(SeriesKind::Future, 0, 0, 1_000),
            stage.leg(SeriesKind::Call, 0, 75, 300),
            stage.leg(SeriesKind::Call, 0, 100, -1_500),
            stage.leg(SeriesKind::Put, 0, 110, 700),
            stage.leg(SeriesKind::Call, 1, 110, -400),
        ];
        stage.world.block_trade(0, 1, &legs).unwrap();
        stage
    }

    fn leg(&self, kind: SeriesKind, expiry: u8, percent: u64, lots: i64) -> BookLeg {
        let market = &self.world.underlyings[0];
        let strike = match percent {
            0 => 0,
            _ => crate::deploy::config::relative::strike(market.first_price, percent),
        };
        let wanted =
            |one: &SeriesArgs| (one.kind, one.expiry, one.strike) == (kind, expiry, strike);
        let slot = market.series.iter().position(wanted).expect("listed");
        BookLeg {
            market: 0,
            slot: slot as u16,
            lots,
        }
    }

    fn expiry(&self) -> i64 {
        self.world.expiries[0]
    }

    /// Moves to seconds from the beginning of the first expiry's window, at a price.
    fn at(&mut self, second: i64, price: u64) {
        let time = self.expiry() - 30 * MINUTE + second;
        self.world.publish(&step(time, price)).unwrap();
    }

    /// Records the price there is now.
    fn record(&mut self, price: u64) {
        let market = &self.world.underlyings[0];
        let priced = PricedMarket {
            market: market.market,
            price: market.price_account,
        };
        let expiry = self.expiry();
        let record = self.world.house.record_settlement_price(&priced, expiry);
        self.world.svm.send(&[record], &[]).unwrap();
        self.recorded.push((self.world.now, price));
    }

    /// The portfolio file of an account: what the chain has of it and of its market.
    fn file(&self, trader: usize, price: u64) -> String {
        let market = &self.world.underlyings[0];
        let cash = self.world.account(trader).unwrap().cash();
        format!(
            r#"{{"now": {}, "markets": [{{
                "symbol": "SOL", "spot": {}, "confidence": {}, "price_age": 0, "lot": {},
                "expiries": [{}], "series": [{}]
            }}], "account": {{"cash": {}, "positions": [{}]}}}}"#,
            self.world.now,
            decimal(price as i64, 8),
            decimal((price / 2_000) as i64, 8),
            decimal(market.lot_size as i64, 9),
            self.expiries(price),
            self.series(),
            decimal(cash, 6),
            self.positions(trader),
        )
    }

    /// Expiries with the smiles posted and, where their window has begun, the prices recorded.
    fn expiries(&self, price: u64) -> String {
        let data = self.world.svm.data(&self.world.underlyings[0].market);
        let header = MarketAccount::decode(data.unwrap()).unwrap().header;
        let recorded = self.recorded.iter().map(|(time, price)| {
            format!(
                r#"{{"time": {time}, "price": {}}}"#,
                decimal(*price as i64, 8)
            )
        });
        let recorded: Vec<String> = recorded.collect();
        let expiry = |expiry: &Expiry| {
            let more = if self.world.now >= expiry.time - 30 * MINUTE {
                format!(r#""settlement_prices": [{}]"#, recorded.join(","))
            } else {
                let ratio = estuary::bridge::forward_ratio_q30(expiry, self.world.now);
                let forward = (i128::from(ratio) * i128::from(price) + (1 << 29)) >> 30;
                format!(r#""forward": {}"#, decimal(forward as i64, 8))
            };
            let smile = [
                expiry.atm_vol_ppb as i64,
                expiry.rho_ppb,
                expiry.phi_ppb as i64,
            ];
            let [vol, rho, phi] = smile.map(|ppb| decimal(ppb, 9));
            let smile = format!(r#"{{"atm_vol": {vol}, "rho": {rho}, "phi": {phi}}}"#);
            format!(r#"{{"time": {}, "smile": {smile}, {more}}}"#, expiry.time)
        };
        joined(header.open_expiries().iter().map(expiry))
    }

    fn series(&self) -> String {
        let market = &self.world.underlyings[0];
        joined(market.series.iter().zip(&market.names).map(|(one, name)| {
            let (kind, dated) = match one.kind {
                SeriesKind::Perp => ("perp", String::new()),
                SeriesKind::Future => ("future", format!(r#", "expiry": {}"#, one.expiry)),
                SeriesKind::Call => ("call", option(one)),
                SeriesKind::Put => ("put", option(one)),
            };
            format!(r#"{{"name": "{name}", "kind": "{kind}"{dated}}}"#)
        }))
    }

    /// Positions with what they cost a lot.
    fn positions(&self, trader: usize) -> String {
        let account = self.world.account(trader).unwrap();
        let lot_size = self.world.underlyings[0].lot_size as i64;
        assert_eq!(lot_size, 1_000_000_000, "a lot is a unit");
        joined(account.open_positions().iter().map(|one| {
            // Prices have eight decimals, money six.
            let entry = -one.cost * 100 / one.lots;
            assert_eq!(entry * one.lots, -one.cost * 100, "an exact entry");
            let entry = match entry {
                0 => String::new(),
                entry => format!(r#", "entry": {}"#, decimal(entry, 8)),
            };
            let name = self.world.series_name(one.market, one.slot);
            let quantity = one.lots;
            format!(r#"{{"market": "SOL", "series": "{name}", "quantity": {quantity}{entry}}}"#)
        }))
    }

    /// Both accounts by the program's report and by the file, to the micro-unit.
    fn compare(&mut self, price: u64, what: &str) {
        for trader in 0..2 {
            let (report, _) = self.world.margin_report(trader).unwrap();
            let file = self.file(trader, price);
            let mut notes = Notes::default();
            let document = Node::read(file.as_bytes()).unwrap();
            let input = Input::read(&document, &mut notes);
            let input = input.unwrap_or_else(|error| panic!("{what}: {error}\n{file}"));
            let margins = margin::compute(&input, &mut notes).unwrap();
            assert_eq!(notes.lines().collect::<Vec<_>>(), [""; 0]);
            let got = &margins[0];
            let market = &report.markets[0];
            let risk = &got.markets[0].risk;
            let pairs = [
                ("equity", report.equity, got.report.equity),
                ("senior", report.senior, got.report.senior),
                ("initial", report.initial_margin, got.report.initial_margin),
                (
                    "maintenance",
                    report.maintenance_margin,
                    got.report.maintenance_margin,
                ),
                ("unsettled", report.unsettled, got.totals.unsettled),
                ("gross", report.gross, got.totals.gross),
                ("certified loss", market.certified_loss, risk.certified_loss),
            ];
            for (name, on_chain, here) in pairs {
                assert_eq!(on_chain, here.0, "{what}, account {trader}: {name}");
            }
            assert!(report.initial_margin > 0);
        }
    }
}

/// Items of a list.
fn joined(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(",")
}

fn option(series: &SeriesArgs) -> String {
    let strike = listing::decimal(series.strike);
    format!(r#", "expiry": {}, "strike": {strike}"#, series.expiry)
}

#[test]
fn the_file_needs_the_margin_that_the_program_reports_in_the_window() {
    let Some(elf) = elf() else { return };
    let mut stage = Stage::new(&elf);
    stage.at(-1, PRICE);
    stage.compare(PRICE, "a second before the window");
    stage.at(250, PRICE);
    stage.compare(PRICE, "nothing recorded");
    for (minute, price) in [(4, PRICE), (5, 16_310_000_041), (6, 16_298_000_003)] {
        stage.at(minute * MINUTE + 11, price);
        stage.record(price);
    }
    stage.compare(16_298_000_003, "three minutes");
    // A gap, carried; then to the end with fewer minutes than are needed.
    stage.at(13 * MINUTE, 15_900_000_009);
    stage.compare(15_900_000_009, "a gap");
    for minute in 14..29 {
        let price = 16_100_000_007 + 13_000_000 * minute as u64;
        stage.at(minute * MINUTE + 2, price);
        stage.record(price);
    }
    stage.at(40 * MINUTE, 16_555_000_001);
    stage.compare(16_555_000_001, "over, with 18 minutes");
    stage.record(16_555_000_001);
    stage.compare(16_555_000_001, "over, with 19 minutes");
}
