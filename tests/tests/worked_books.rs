//! The worked checks of section 10 of the margin model, on chain: spot 100, vol 60% flat, R 16%, flat vol levels, no tails.

use estuary::instructions::{CreateMarketArgs, SeriesArgs};
use estuary::report::{MarketReportView, ReportPage, SummaryView};
use estuary::state::series::NO_EXPIRY;
use estuary::state::SeriesKind::{self, Call, Future, Perp, Put};
use estuary_tests::setup::{btc_args, flat_slice, mantissa, DAY, USD, VOL_PPB};
use estuary_tests::{ix, Holding, House, Trader, Underlying, World};

/// Lots of one unit of the underlying.
const UNIT: i64 = 100_000;
/// Money of a dollar.
const DOLLAR: f64 = 1e6;

struct Stage {
    world: World,
    house: House,
    market: Underlying,
    traders: [Trader; 2],
}

/// Expiries by their days.
const DAYS: [i64; 3] = [2, 7, 14];

impl Stage {
    fn new() -> Self {
        let (mut world, house) = World::with_house();
        let mut args = CreateMarketArgs {
            lot_size: 10_000,
            ..btc_args()
        };
        args.parameters.tail_weight_ppm = [0; 6];
        (
            args.parameters.vol_power_short_ppm,
            args.parameters.vol_power_long_ppm,
        ) = (0, 0);
        let market = house.create_market(&mut world, &args, 100.0);
        let slices = DAYS.map(|days| flat_slice(world.now() + days * DAY, VOL_PPB));
        let mut series = vec![
            (Perp, NO_EXPIRY, 0.0),
            (Future, 2, 0.0),
            (Call, 0, 95.0),
            (Call, 0, 100.0),
            (Call, 0, 105.0),
            (Call, 0, 110.0),
            (Call, 1, 120.0),
        ];
        for strike in [90.0, 92.0, 100.0, 108.0, 110.0, 130.0] {
            series.extend([(Call, 2, strike), (Put, 2, strike)]);
        }
        let series: Vec<_> = series
            .into_iter()
            .map(|(kind, expiry, strike)| SeriesArgs {
                kind,
                expiry,
                strike: mantissa(strike),
            })
            .collect();
        let steps = [
            ix::extend_market(&house, &market.market, 40),
            ix::post_surface(&house, &market.market, &slices),
            ix::list_series(&house, &market.market, &series),
        ];
        world.send_all(&steps, &[&house.authority]).ok();
        let traders = [0; 2].map(|_| house.trader(&mut world, 1_000_000 * USD));
        Self {
            world,
            house,
            market,
            traders,
        }
    }

    fn hold(&mut self, kind: SeriesKind, expiry: u8, percent: u64, units: f64) {
        let slot = self.world.slot(&self.market, kind, expiry, percent);
        let lots = (units * UNIT as f64).round() as i64;
        // Futures are traded at mark, which is spot without a basis.
        let cost = match kind {
            Perp | Future => -(units * 100.0 * DOLLAR).round() as i64,
            Call | Put => 0,
        };
        let [long, short] = &self.traders;
        let holding = Holding { slot, lots, cost };
        self.world.hold(long, short, &self.market, &[holding]);
    }

    /// Adds perps until the delta is zero.
    fn hedge(&mut self) {
        let delta = self.view().delta_q30 as f64 / (1u64 << 30) as f64;
        self.hold(Perp, NO_EXPIRY, 0, -delta / UNIT as f64);
        assert!(self.view().delta_q30.abs() <= 1 << 30, "within a lot");
    }

    fn view(&mut self) -> MarketReportView {
        let page = ReportPage::Market(0);
        let report = ix::margin_report(&self.house, &self.traders[0], page, &[&self.market]);
        self.world.view(report)
    }

    /// The largest loss over the columns and the certified bound, in dollars.
    #[track_caller]
    fn assert_needs(&mut self, dollars: f64) {
        let view = self.view();
        let [scan, certified] =
            [view.scan_loss, view.certified_loss].map(|loss| loss as f64 / DOLLAR);
        println!("{dollars}: scan {scan}, certified {certified}");
        assert!((scan - dollars).abs() < 0.01, "{scan} against {dollars}");
        assert!(
            certified >= scan && certified <= scan * 1.25 + 0.01,
            "{certified}"
        );
        let page = ReportPage::Summary;
        let report = ix::margin_report(&self.house, &self.traders[0], page, &[&self.market]);
        let summary: SummaryView = self.world.view(report);
        let floor = (summary.gross as f64 / 20.0).max(certified * DOLLAR);
        assert!((summary.initial_margin as f64 - floor).abs() <= 1.0);
    }
}

#[test]
fn a_hedged_short_call_of_two_days() {
    let mut stage = Stage::new();
    stage.hold(Call, 0, 110, -1.0);
    stage.hedge();
    stage.assert_needs(6.61);
}

#[test]
fn a_hedged_short_call_of_seven_days() {
    let mut stage = Stage::new();
    stage.hold(Call, 1, 120, -1.0);
    stage.hedge();
    stage.assert_needs(3.78);
}

#[test]
fn short_wings_that_greeks_do_not_see() {
    let mut stage = Stage::new();
    stage.hold(Call, 2, 130, -10.0);
    stage.hold(Call, 2, 100, 0.943);
    stage.hedge();
    stage.assert_needs(26.02);
}

#[test]
fn a_long_butterfly() {
    let mut stage = Stage::new();
    for (percent, units) in [(95, 1.0), (100, -2.0), (105, 1.0)] {
        stage.hold(Call, 0, percent, units);
    }
    stage.assert_needs(2.04);
}

#[test]
fn an_iron_condor_needs_little_more_than_its_loss() {
    let mut stage = Stage::new();
    for (kind, percent, units) in [
        (Put, 90, 1.0),
        (Put, 92, -1.0),
        (Call, 108, -1.0),
        (Call, 110, 1.0),
    ] {
        stage.hold(kind, 2, percent, units);
    }
    let loss = stage.view().certified_loss as f64 / DOLLAR;
    // At worst it loses 1.11 at expiry.
    assert!((0.5..1.16).contains(&loss), "{loss}");
}

#[test]
fn a_conversion_needs_floors_only() {
    for percent in [90, 100, 130] {
        let mut stage = Stage::new();
        stage.hold(Future, 2, 0, 1.0);
        stage.hold(Call, 2, percent, -1.0);
        stage.hold(Put, 2, percent, 1.0);
        let loss = stage.view().certified_loss as f64 / DOLLAR;
        assert!(loss < 0.001, "{loss}");
    }
}
