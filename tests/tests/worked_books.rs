//! The worked checks of section 10 of the margin model, on chain: spot 100, vol 60% flat, R 16%, flat vol levels, no tails
//! and nothing besides; then what a market with its default charges needs.

use estuary::instructions::{CreateMarketArgs, ScenarioArgs, SeriesArgs};
use estuary::report::{MarketReportView, ReportPage, SummaryView};
use estuary::state::series::NO_EXPIRY;
use estuary::state::SeriesKind::{self, Call, Future, Perp, Put};
use estuary_risk::blocks::BlockParameters;
use estuary_risk::charges::ChargeParameters;
use estuary_risk::liquidity::LiquidityParameters;
use estuary_risk::scenario::ScenarioParameters;
use estuary_tests::setup::{btc_args, flat_slice, mantissa, scenario_args, DAY, USD, VOL_PPB};
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
    /// The market of the worked checks.
    fn new() -> Self {
        let mut parameters = scenario_args(&ScenarioParameters {
            blocks: BlockParameters::OFF,
            charges: ChargeParameters::OFF,
            liquidity: LiquidityParameters::OFF,
            ..ScenarioParameters::BTC
        });
        parameters.tail_weight_ppm = [0; 6];
        (
            parameters.vol_power_short_ppm,
            parameters.vol_power_long_ppm,
        ) = (0, 0);
        Self::with(parameters)
    }

    /// A market with the defaults of bitcoin.
    fn charged() -> Self {
        Self::with(scenario_args(&ScenarioParameters::BTC))
    }

    fn with(parameters: ScenarioArgs) -> Self {
        let (mut world, house) = World::with_house();
        let args = CreateMarketArgs {
            lot_size: 10_000,
            parameters,
            ..btc_args()
        };
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

    fn summary(&mut self) -> SummaryView {
        let page = ReportPage::Summary;
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
        let summary = self.summary();
        // The blocks are off: what is left of them is the kernel's error.
        let loss = view.certified_loss + view.twist + view.skew + view.basis;
        let loss = loss.min(view.defined_loss) as f64;
        let floor = (summary.gross as f64 / 20.0).max(loss);
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

#[test]
fn a_condor_is_charged_what_it_can_lose_and_its_costs() {
    let mut stage = Stage::charged();
    for (kind, percent, units) in [
        (Put, 90, 1.0),
        (Put, 92, -1.0),
        (Call, 108, -1.0),
        (Call, 110, 1.0),
    ] {
        stage.hold(kind, 2, percent, units);
    }
    let (view, summary) = (stage.view(), stage.summary());
    let dollars = |amount: i64| amount as f64 / DOLLAR;
    assert!(
        (dollars(view.defined_loss) - 1.1136).abs() < 1e-3,
        "{view:?}"
    );
    // Both sides count their width, not their notional.
    assert!((dollars(view.gross) - 4.0).abs() < 1e-3, "{view:?}");
    assert!(view.twist > 0 && view.short_minimum > 0);
    assert!(view.liquidity_cost > 0);
    let most = view.defined_loss + view.liquidity_cost + view.oracle_contingency;
    assert!(summary.initial_margin <= most, "{summary:?}");
    assert!(summary.maintenance_margin <= summary.initial_margin);
}

#[test]
fn a_short_call_is_charged_its_minimum() {
    let mut stage = Stage::charged();
    stage.hold(Call, 0, 110, -1.0);
    let (view, summary) = (stage.view(), stage.summary());
    // Two days from expiry: 0.4% of spot times 1 + 5/7.
    let minimum = view.short_minimum as f64 / DOLLAR;
    assert!((minimum - 0.4 * (12.0 / 7.0)).abs() < 1e-3, "{minimum}");
    let parts = view.certified_loss + view.twist + view.skew + view.basis;
    assert_eq!(summary.scenario_loss, parts + view.expiring_longs);
    let costs = view.liquidity_cost + view.oracle_contingency;
    let needed = summary.scenario_loss + view.short_minimum + costs;
    assert_eq!(summary.initial_margin, needed.max((view.gross + 19) / 20));
    // 0.05% of the largest delta and 2% of the vega, and next to nothing more.
    let rates = view.unwound_delta as f64 * 5e-4 + view.unwound_vega as f64 * 0.02;
    let cost = view.liquidity_cost as f64;
    assert!((rates..rates * 1.001 + 2.0).contains(&cost), "{view:?}");
}

#[test]
fn an_old_price_raises_the_initial_margin_and_freezes_nobody() {
    let mut stage = Stage::charged();
    stage.hold(Perp, NO_EXPIRY, 0, 1.0);
    let fresh = stage.summary();
    // A confidence of a twenty-thousandth, 2.12 times.
    assert!(
        (10_500..=10_800).contains(&fresh.oracle_contingency),
        "{fresh:?}"
    );
    stage.world.pass(36);
    let old = stage.summary();
    let more = old.oracle_contingency - fresh.oracle_contingency;
    // 0.02% of 100 for each of six root seconds.
    assert!((120_000..=120_200).contains(&more), "{more}");
    assert_eq!(old.initial_margin, fresh.initial_margin + more);
    assert_eq!(old.maintenance_margin, fresh.maintenance_margin);
}
