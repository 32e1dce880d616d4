//! The report of the ELF is the client's report, bit for bit, in every view.

use estuary::report::{
    MarketReportView, PositionsView, ReportPage, SummaryView, WhatIfView, MAX_RETURN_DATA,
    POSITIONS_PER_PAGE,
};
use estuary::state::{SeriesKind, MAX_POSITIONS};
use estuary_tests::setup::{flat_slice, BTC_PRICE, DAY, EXPIRY_DAYS, SOL_PRICE, USD};
use estuary_tests::trade::PERP;
use estuary_tests::{
    ix, ErrorCode, EstuaryError as E, House, Pit, Random, Tamper, Trader, Underlying, World,
};

const RICH: u64 = 100_000_000 * USD;
/// Random books.
const BOOKS: u64 = 120;

/// Compares every view of a trader's account with the client's.
fn compare(pit: &mut Pit, trader: &Trader) {
    let all = pit.markets.clone();
    let markets = pit.world.needed(&[trader], &[], &all);
    let native = pit.world.snapshot(trader, &markets);
    let report = |page| ix::margin_report(&pit.house, trader, page, &markets);
    let summary: SummaryView = pit.world.view(report(ReportPage::Summary));
    assert_eq!(summary, native.summary().expect("a summary"));
    let assessed = native.assess().expect("a report");
    assert_eq!(summary.initial_margin, assessed.initial_margin.0);
    for market in &markets {
        let page = ReportPage::Market(market.index);
        let view: MarketReportView = pit.world.view(report(page));
        assert_eq!(view, native.market(market.index).expect("a market"));
    }
    let pages = usize::from(summary.position_count).div_ceil(POSITIONS_PER_PAGE);
    let mut met = 0;
    for page in 0..u16::try_from(pages).expect("pages") {
        let view: PositionsView = pit.world.view(report(ReportPage::Positions(page)));
        assert_eq!(view, native.positions(page).expect("a page"));
        met += view.count;
    }
    assert_eq!(met, summary.position_count);
    let beyond = report(ReportPage::Positions(u16::try_from(pages).expect("pages")));
    pit.world.send(beyond, &[]).refused(E::ReportPageUnknown);
}

/// Moves prices, smiles and the clock at random.
fn shake(pit: &mut Pit, random: &mut Random) {
    let now = pit.world.now() + random.below(3_600) as i64;
    pit.world.set_time(now);
    let levels = [BTC_PRICE, SOL_PRICE];
    for (market, level) in pit.markets.clone().iter().zip(levels) {
        // The same vol, skew and curvature for all expiries keep total variance rising.
        let vol = (random.uniform(0.2, 1.5) * 1e9) as u64;
        let (rho, phi) = (random.uniform(-0.6, 0.3), random.uniform(0.0, 1.5));
        let basis = random.uniform(-0.1, 0.2);
        let slices = EXPIRY_DAYS.map(|days| estuary::instructions::SurfaceSlice {
            rho_ppb: (rho * 1e9) as i64,
            phi_ppb: (phi * 1e9) as u64,
            basis_rate_ppb: (basis * 1e9) as i64,
            ..flat_slice(estuary_tests::world::START + days * DAY, vol)
        });
        let post = ix::post_surface(&pit.house, &market.market, &slices);
        pit.world.send(post, &[&pit.house.authority]).ok();
        let price = level * random.uniform(0.7, 1.4);
        pit.world.set_price(market, price);
    }
}

/// Gives the taker's owner positions in another account.
fn hold_elsewhere(pit: &mut Pit, random: &mut Random) {
    let second = pit.house.sub_account(&mut pit.world, &pit.taker, 1, 0);
    for market in pit.markets.clone() {
        let holdings = random.holdings(&pit.world, &market, 3);
        pit.world.hold(&second, &pit.maker, &market, &holdings);
    }
}

#[test]
fn random_books_have_the_same_bits_on_chain_and_off() {
    let mut random = Random::new(0x0e57_0a4f);
    for book in 0..BOOKS {
        let mut pit = Pit::with_liquidity_cost(RICH, RICH);
        let sizes = [1, 2, 5, 16, 40, MAX_POSITIONS];
        let count = sizes[book as usize % sizes.len()];
        let in_btc = (random.below(count as u64 + 1) as usize)
            .max(count.saturating_sub(58))
            .min(58);
        for (index, count) in [in_btc, count - in_btc].into_iter().enumerate() {
            let market = pit.markets[index].clone();
            let holdings = random.holdings(&pit.world, &market, count);
            pit.world.hold(&pit.taker, &pit.maker, &market, &holdings);
        }
        if book % 3 == 0 {
            hold_elsewhere(&mut pit, &mut random);
        }
        shake(&mut pit, &mut random);
        let other = pit.house.newcomer(&mut pit.world, 0);
        let taker = std::mem::replace(&mut pit.taker, other);
        compare(&mut pit, &taker);
    }
}

#[test]
fn an_empty_account_needs_nothing() {
    let mut pit = Pit::new(5 * USD, 0);
    let report = |page| ix::margin_report(&pit.house, &pit.taker, page, &[]);
    let [summary, market, positions] = [
        ReportPage::Summary,
        ReportPage::Market(0),
        ReportPage::Positions(0),
    ]
    .map(report);
    let summary: SummaryView = pit.world.view(summary);
    let expected = SummaryView {
        equity: 5_000_000,
        senior: 5_000_000,
        health_initial: 5_000_000,
        health_maintenance: 5_000_000,
        cash: 5_000_000,
        now: pit.world.now(),
        ..SummaryView::default()
    };
    assert_eq!(summary, expected);
    pit.world.send(market, &[]).refused(E::ReportPageUnknown);
    pit.world.send(positions, &[]).refused(E::ReportPageUnknown);
}

#[test]
fn a_book_can_be_read_off_the_report() {
    let mut pit = Pit::new(RICH, RICH);
    let legs = [
        pit.btc_leg(PERP, 1_000),
        pit.btc_leg((SeriesKind::Put, 1, 90), -2_000),
        pit.sol_leg((SeriesKind::Call, 0, 110), 300),
    ];
    pit.trade(&legs).ok();
    let markets: Vec<_> = pit.markets.iter().collect();
    let report = |page| ix::margin_report(&pit.house, &pit.taker, page, &markets);
    let [summary, btc, sol, page] = [
        ReportPage::Summary,
        ReportPage::Market(0),
        ReportPage::Market(1),
        ReportPage::Positions(0),
    ]
    .map(report);
    let summary: SummaryView = pit.world.view(summary);
    let btc: MarketReportView = pit.world.view(btc);
    let sol: MarketReportView = pit.world.view(sol);
    let page: PositionsView = pit.world.view(page);
    assert_eq!(
        (summary.market_count, summary.position_count, page.count),
        (2, 3, 3)
    );
    // Long the perp and short puts: the worst is a fall; long calls: they expire.
    assert!(btc.worst_spot_move < 4 || (9..12).contains(&btc.worst_spot_move));
    assert_eq!(btc.worst_vol_level, 2);
    assert_eq!(btc.price, 10_000_000_000_000);
    let besides = |view: &MarketReportView| {
        let blocks = view.twist + view.skew + view.basis;
        (blocks + view.expiring_longs).min(view.defined_loss)
    };
    let alone = |view: &MarketReportView| {
        let loss = view.certified_loss + view.twist + view.skew + view.basis;
        (loss + view.expiring_longs).min(view.defined_loss)
    };
    // Nothing offsets anything, but two markets need not lose most at once.
    assert_eq!(summary.scan_initial.offset_ppm, 0);
    assert_eq!(summary.scan_initial, summary.scan_maintenance);
    let together = summary.scan_initial.scan_loss + besides(&btc) + besides(&sol);
    // A micro-unit of the short-option minimum of nothing is cut by what the calls can lose.
    assert!((together..=together + 1).contains(&summary.scenario_loss));
    assert!(together < alone(&btc) + alone(&sol));
    assert!(summary.scan_initial.scan_loss >= btc.certified_loss.max(sol.certified_loss));
    assert!(btc.certified_loss >= btc.scan_loss && btc.scan_loss > 16_000 * USD as i64);
    // The positions' contributions are the market's worst column, each rounded down.
    let of = |market: u16| {
        let positions = page
            .positions
            .iter()
            .filter(move |position| position.lots != 0);
        positions.filter(move |position| position.market == market)
    };
    for (market, view) in [(0, &btc), (1, &sol)] {
        let sum: i64 = of(market).map(|position| position.contribution).sum();
        assert!(
            (sum + view.scan_loss).abs() <= 4,
            "{sum} against {}",
            view.scan_loss
        );
    }
    let value: i64 = of(0).chain(of(1)).map(|position| position.value).sum();
    assert!((summary.cash + value - summary.equity).abs() <= 4);
    assert_eq!(page.positions[0].mark, btc.price);
}

#[test]
fn margin_report_refuses_bad_accounts() {
    let mut pit = Pit::new(RICH, RICH);
    let legs = [pit.btc_leg(PERP, 1), pit.sol_leg(PERP, 1)];
    pit.trade(&legs).ok();
    let other = House::build(&mut pit.world, 2);
    let foreigner = other.trader(&mut pit.world, USD);
    let (btc, sol) = (pit.btc().clone(), pit.sol().clone());
    let report = |markets: &[&Underlying]| {
        ix::margin_report(&pit.house, &pit.taker, ReportPage::Summary, markets)
    };
    let good = report(&[&btc, &sol]);
    let (clearinghouse, account) = (pit.house.clearinghouse, pit.taker.account);
    let cases = [
        (report(&[&btc]), E::MarketAccountMissing),
        (report(&[]), E::MarketAccountMissing),
        (report(&[&sol, &btc]), E::MarketAccountMissing),
        (report(&[&btc, &sol, &sol]), E::MarketAccountsLeftOver),
        (
            good.clone().replacing(&account, &foreigner.account),
            E::AccountOfAnotherClearinghouse,
        ),
        (
            good.clone().replacing(&clearinghouse, &other.clearinghouse),
            E::AccountOfAnotherClearinghouse,
        ),
        (
            good.clone()
                .replacing(&btc.price_account, &sol.price_account),
            E::PriceFeedMismatch,
        ),
    ];
    let world: &mut World = &mut pit.world;
    for (instruction, error) in cases {
        world.send(instruction, &[]).refused(error);
    }
    for (from, to, error) in [
        (
            account,
            pit.house.bank,
            ErrorCode::AccountDiscriminatorMismatch,
        ),
        (
            account,
            pit.house.mint,
            ErrorCode::AccountOwnedByWrongProgram,
        ),
        (
            clearinghouse,
            account,
            ErrorCode::AccountDiscriminatorMismatch,
        ),
    ] {
        let bad = good.clone().replacing(&from, &to);
        world.send(bad, &[]).refused_by_anchor(error);
    }
    world.pass(61);
    world.send(good, &[]).refused(E::PriceTooOld);
}

#[test]
fn every_view_fits_the_return_data() {
    let sizes = [
        size_of::<SummaryView>(),
        size_of::<WhatIfView>(),
        size_of::<MarketReportView>(),
        size_of::<PositionsView>(),
    ];
    assert!(sizes.iter().all(|size| *size <= MAX_RETURN_DATA));
}
