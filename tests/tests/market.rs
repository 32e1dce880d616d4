//! Creating and growing markets: what is stored, and each wrong parameter by its name.

use estuary::instructions::{CreateMarketArgs, ScenarioArgs, SeriesArgs, TradeLeg};
use estuary::state::series::NO_EXPIRY;
use estuary::state::{MarketLedger, MarketRef, SeriesKind, MAX_MARKETS, MAX_SERIES};
use estuary_client::address;
use estuary_tests::setup::{btc_args, sol_args, BTC_PRICE, USD};
use estuary_tests::{ix, ErrorCode, EstuaryError as E, Feed, House, Signer, Tamper, World};

#[test]
fn a_market_stores_what_it_was_created_with() {
    let (mut world, house) = World::with_house();
    let args = btc_args();
    let btc = house.create_market(&mut world, &args, BTC_PRICE);
    let sol = house.create_market(&mut world, &sol_args(), 200.0);
    assert_eq!((btc.index, sol.index), (0, 1));
    let market = world.market(&btc.market).header;
    assert_eq!(market.clearinghouse, house.clearinghouse);
    assert_eq!((market.symbol, market.feed_id), (args.symbol, args.feed_id));
    assert_eq!(market.price_program, args.price_program);
    assert_eq!(
        (market.lot_size, market.price_exponent),
        (args.lot_size, -8)
    );
    assert_eq!(market.max_price_age_seconds, args.max_price_age_seconds);
    assert_eq!(market.max_confidence_ppm, args.max_confidence_ppm);
    assert_eq!((market.series_count, market.expiry_count), (0, 0));
    assert_eq!(market.parameters.node_ppm, args.parameters.node_ppm);
    assert_eq!(market.grid.multiple_q30[4], 1 << 30);
    let ledger: MarketLedger = world.read(&btc.ledger);
    assert_eq!((ledger.market, ledger.market_index), (btc.market, 0));
    assert_eq!(ledger.last_publish_time, 0);
    assert_eq!(ledger.total_open_lots, 0);
    assert!(ledger.open_lots.iter().all(|lots| *lots == 0));
}

#[test]
fn the_extremes_of_every_parameter_are_accepted() {
    let (mut world, house) = World::with_house();
    let low = CreateMarketArgs {
        feed_id: [1; 32],
        symbol: *b"A\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        price_exponent: -16,
        lot_size: 1,
        max_price_age_seconds: 1,
        max_confidence_ppm: 1,
        band_spot_ppm: 1,
        band_vega_ppm: 0,
        ..btc_args()
    };
    let high = CreateMarketArgs {
        feed_id: [2; 32],
        symbol: *b"SIXTEEN-LETTERS!",
        price_exponent: 0,
        lot_size: 1_000_000_000_000,
        max_price_age_seconds: 86_400,
        max_confidence_ppm: 1_000_000,
        band_spot_ppm: 1_000_000,
        band_vega_ppm: 1_000_000,
        ..btc_args()
    };
    for args in [low, high] {
        let create = ix::create_market(&house, &args);
        world.send(create, &[&house.authority]).ok();
    }
}

/// A change to the arguments, and the error that names it.
type Case = (fn(&mut CreateMarketArgs), E);

#[test]
fn every_wrong_market_parameter_is_named() {
    let cases: [Case; 14] = [
        (
            |args| args.price_program = estuary::ID,
            E::PriceProgramUnsupported,
        ),
        (|args| args.symbol = [0; 16], E::SymbolInvalid),
        (|args| args.symbol[1] = 0, E::SymbolInvalid),
        (|args| args.symbol[0] = b' ', E::SymbolInvalid),
        (|args| args.symbol[0] = 0xff, E::SymbolInvalid),
        (|args| args.price_exponent = 1, E::PriceExponentInvalid),
        (|args| args.price_exponent = -17, E::PriceExponentInvalid),
        (|args| args.lot_size = 0, E::LotSizeInvalid),
        (|args| args.lot_size = 1_000_000_000_001, E::LotSizeInvalid),
        (|args| args.max_price_age_seconds = 0, E::MaxPriceAgeInvalid),
        (
            |args| args.max_price_age_seconds = 86_401,
            E::MaxPriceAgeInvalid,
        ),
        (|args| args.max_confidence_ppm = 0, E::MaxConfidenceInvalid),
        (
            |args| args.max_confidence_ppm = 1_000_001,
            E::MaxConfidenceInvalid,
        ),
        (|args| args.band_spot_ppm = 0, E::BandSpotInvalid),
    ];
    refuse_all(&cases);
    refuse_all(&[
        (|args| args.band_spot_ppm = 1_000_001, E::BandSpotInvalid),
        (|args| args.band_vega_ppm = 1_000_001, E::BandVegaInvalid),
    ]);
}

/// Changes one thing and expects one error.
fn refuse_all(cases: &[Case]) {
    let (mut world, house) = World::with_house();
    for (number, (change, error)) in cases.iter().enumerate() {
        println!("case {number}: {error:?}");
        let mut args = btc_args();
        change(&mut args);
        let create = ix::create_market(&house, &args);
        world.send(create, &[&house.authority]).refused(*error);
    }
}

#[test]
fn every_wrong_scenario_parameter_is_named() {
    type Change = fn(&mut ScenarioArgs);
    let cases: [(Change, E); 41] = [
        (|p| p.spot_range_ppm = 0, E::SpotRangeInvalid),
        (|p| p.spot_range_ppm = 9_999, E::SpotRangeInvalid),
        (|p| p.vol_up_ppm = u32::MAX, E::VolUpInvalid),
        (|p| p.spot_range_ppm = p.fall_limit_ppm, E::SpotRangeInvalid),
        (|p| p.node_ppm[0] = -999_999, E::NodesInvalid),
        (|p| p.node_ppm[8] = 1_000_001, E::NodesInvalid),
        (|p| p.node_ppm[4] = 1, E::NodesInvalid),
        (|p| p.node_ppm[2] = p.node_ppm[1], E::NodesInvalid),
        (|p| p.node_ppm.swap(5, 6), E::NodesInvalid),
        (|p| p.tail_multiple_ppm[0] = -1_000_000, E::TailsInvalid),
        (|p| p.tail_multiple_ppm[0] = 2_000_000, E::TailsInvalid),
        (|p| p.tail_multiple_ppm[3] = 1_000_000, E::TailsInvalid),
        (|p| p.tail_multiple_ppm[3] = -2_000_000, E::TailsInvalid),
        (|p| p.tail_multiple_ppm.swap(0, 1), E::TailsInvalid),
        (|p| p.tail_multiple_ppm.swap(4, 5), E::TailsInvalid),
        (|p| p.tail_multiple_ppm[5] = 20_000_000, E::TailsInvalid),
        (|p| p.tail_multiple_ppm[0] = i32::MIN, E::TailsInvalid),
        (|p| p.tail_weight_ppm[0] = 1_000_001, E::TailWeightsInvalid),
        (|p| p.tail_weight_ppm.swap(0, 2), E::TailWeightsInvalid),
        (|p| p.tail_weight_ppm.swap(4, 5), E::TailWeightsInvalid),
        (|p| p.fall_limit_ppm = 0, E::FallLimitInvalid),
        (|p| p.fall_limit_ppm = 950_001, E::FallLimitInvalid),
        (|p| p.vol_up_ppm = 640_000, E::VolUpInvalid),
        (|p| p.vol_down_ppm = 330_000, E::VolDownInvalid),
        (|p| p.vol_down_ppm = u32::MAX, E::VolDownInvalid),
        (|p| p.vol_power_short_ppm = 1_000_001, E::VolPowerInvalid),
        (|p| p.vol_power_long_ppm = 1_000_001, E::VolPowerInvalid),
        (|p| p.vol_power_short_ppm = 400_000, E::VolUpInvalid),
        (
            |p| (p.vol_up_ppm, p.vol_power_short_ppm) = (0, 400_000),
            E::VolDownInvalid,
        ),
        (|p| p.twist_ppm = 500_001, E::TwistInvalid),
        (|p| p.skew_ppm = 500_001, E::SkewInvalid),
        (|p| p.basis_ppm = 100_001, E::BasisShockInvalid),
        (|p| p.basis_annual_ppm = 500_001, E::BasisAnnualInvalid),
        (|p| p.short_minimum_ppm = 100_001, E::ShortMinimumInvalid),
        (
            |p| p.short_minimum_maintenance_ppm = p.short_minimum_ppm + 1,
            E::ShortMinimumMaintenanceInvalid,
        ),
        (
            |p| p.oracle_confidence_ppm = 10_000_001,
            E::OracleConfidenceInvalid,
        ),
        (|p| p.oracle_age_ppm = 10_001, E::OracleAgeInvalid),
        (|p| p.unwind_delta_ppm = 100_001, E::UnwindDeltaInvalid),
        (
            |p| p.unwind_delta_impact_ppm = 1_000_001,
            E::UnwindDeltaImpactInvalid,
        ),
        (|p| p.unwind_vega_ppm = 500_001, E::UnwindVegaInvalid),
        (
            |p| p.unwind_vega_impact_ppm = 1_000_001,
            E::UnwindVegaImpactInvalid,
        ),
    ];
    let (mut world, house) = World::with_house();
    for (number, (change, error)) in cases.iter().enumerate() {
        println!("case {number}: {error:?}");
        let mut args = btc_args();
        change(&mut args.parameters);
        let create = ix::create_market(&house, &args);
        world.send(create, &[&house.authority]).refused(*error);
    }
}

#[test]
fn create_market_refuses_bad_accounts() {
    let (mut world, house) = World::with_house();
    let args = btc_args();
    let good = ix::create_market(&house, &args);
    let market = house.market(&args.feed_id);
    let stranger = world.keypair();
    world.fund(&stranger.pubkey());
    let authority = house.authority.pubkey();
    world
        .send(
            good.clone().replacing(&authority, &stranger.pubkey()),
            &[&stranger],
        )
        .refused(E::NotTheAuthority);
    world
        .send(good.clone().unsigned(&authority), &[])
        .refused_by_anchor(ErrorCode::AccountNotSigner);
    for derived in [market, address::ledger(&market)] {
        world
            .send(
                good.clone().replacing(&derived, &stranger.pubkey()),
                &[&house.authority],
            )
            .refused_by_anchor(ErrorCode::ConstraintSeeds);
    }
    let other = House::build(&mut world, 2);
    world
        .send(
            good.clone()
                .replacing(&house.clearinghouse, &other.clearinghouse),
            &[&house.authority],
        )
        .refused_by_anchor(ErrorCode::ConstraintSeeds);
    world.send(good.clone(), &[&house.authority]).ok();
    world.send(good, &[&house.authority]).refused_as_existing();
}

#[test]
fn markets_run_out_of_indices() {
    let (mut world, house) = World::with_house();
    let args = |number: usize| CreateMarketArgs {
        feed_id: [number as u8; 32],
        ..btc_args()
    };
    for number in 0..MAX_MARKETS {
        let create = ix::create_market(&house, &args(number));
        world.send(create, &[&house.authority]).ok();
    }
    let create = ix::create_market(&house, &args(MAX_MARKETS));
    world
        .send(create, &[&house.authority])
        .refused(E::TooManyMarkets);
}

#[test]
fn a_market_grows_in_steps_and_a_step_too_many_changes_nothing() {
    let (mut world, house) = World::with_house();
    let btc = house.create_market(&mut world, &btc_args(), BTC_PRICE);
    let mut extend = |target: usize| {
        let extend = ix::extend_market(&house, &btc.market, target as u16);
        world.send(extend, &[&house.authority]).ok();
        world.market(&btc.market).table.len()
    };
    assert_eq!(extend(1), 1);
    // 160 series a step.
    let mut sizes = Vec::new();
    while sizes.last() != Some(&MAX_SERIES) {
        sizes.push(extend(MAX_SERIES));
    }
    assert_eq!(sizes, [161, 321, 481, 641, 801, 961, 1_024]);
    assert_eq!(extend(MAX_SERIES), MAX_SERIES);
    assert_eq!(extend(5), MAX_SERIES, "a market never shrinks");
    let length = world.raw(&btc.market).data.len();
    assert_eq!(length, MarketRef::account_size(MAX_SERIES as u16));
}

#[test]
fn extend_market_refuses_bad_input() {
    let (mut world, house) = World::with_house();
    let btc = house.create_market(&mut world, &btc_args(), BTC_PRICE);
    let good = ix::extend_market(&house, &btc.market, 10);
    let too_many = ix::extend_market(&house, &btc.market, MAX_SERIES as u16 + 1);
    world
        .send(too_many, &[&house.authority])
        .refused(E::CapacityInvalid);
    let other = House::build(&mut world, 2);
    world
        .send(
            ix::extend_market(&other, &btc.market, 10),
            &[&other.authority],
        )
        .refused(E::AccountOfAnotherClearinghouse);
    let authority = house.authority.pubkey();
    world
        .send(
            good.clone()
                .replacing(&authority, &other.authority.pubkey()),
            &[&other.authority],
        )
        .refused(E::NotTheAuthority);
    world
        .send(good.clone().unsigned(&authority), &[])
        .refused_by_anchor(ErrorCode::AccountNotSigner);
    let mut refuse = |to, error| {
        let bad = good.clone().replacing(&btc.market, to);
        world.send(bad, &[&house.authority]).refused(error);
    };
    refuse(&house.mint, E::MarketAccountOwner);
    refuse(&btc.ledger, E::MarketAccountType);
    refuse(&house.clearinghouse, E::MarketAccountType);
}

#[test]
fn a_market_at_the_extremes_can_be_priced() {
    for exponent in [-16, 0] {
        let mut world = World::new();
        let house = House::build(&mut world, 1);
        let args = CreateMarketArgs {
            price_exponent: exponent,
            ..btc_args()
        };
        let market = house.create_market(&mut world, &args, BTC_PRICE);
        let perp = SeriesArgs {
            kind: SeriesKind::Perp,
            expiry: NO_EXPIRY,
            strike: 0,
        };
        let steps = [
            ix::extend_market(&house, &market.market, 1),
            ix::list_series(&house, &market.market, &[perp]),
        ];
        world.send_all(&steps, &[&house.authority]).ok();
        // One dollar, which both exponents can say.
        let feed = Feed {
            price: 100_000_000,
            exponent: -8,
            ..market.feed(1.0, world.now())
        };
        world.put_feed(market.price_account, &feed);
        let traders = [0; 2].map(|_| house.trader(&mut world, 1_000 * USD));
        let leg = TradeLeg {
            price: 10u64.pow(exponent.unsigned_abs().into()),
            ..world.leg(&market, 0, 100, 1.0)
        };
        let sides = [&traders[0], &traders[1]];
        world.trade(&house, sides, &[leg], &[market]).ok();
    }
}
