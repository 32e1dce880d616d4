//! Listing series and posting surfaces.

use estuary::instructions::{SeriesArgs, SurfaceSlice};
use estuary::state::series::NO_EXPIRY;
use estuary::state::{SeriesKind, MAX_EXPIRIES};
use estuary_tests::setup::{btc_args, flat_slice, mantissa, BTC_PRICE, DAY};
use estuary_tests::{ix, ErrorCode, EstuaryError as E, House, Signer, Tamper, Underlying, World};

/// A market with two expiries and room for eight series, nothing listed.
fn empty_market() -> (World, House, Underlying) {
    let (mut world, house) = World::with_house();
    let btc = house.create_market(&mut world, &btc_args(), BTC_PRICE);
    let slices = [7, 30].map(|days| flat_slice(world.now() + days * DAY, 600_000_000));
    let steps = [
        ix::extend_market(&house, &btc.market, 8),
        ix::post_surface(&house, &btc.market, &slices),
    ];
    world.send_all(&steps, &[&house.authority]).ok();
    (world, house, btc)
}

fn series(kind: SeriesKind, expiry: u8, dollars: f64) -> SeriesArgs {
    SeriesArgs {
        kind,
        expiry,
        strike: mantissa(dollars),
    }
}

#[test]
fn series_take_the_next_slots_in_the_order_given() {
    let (mut world, house, btc) = empty_market();
    let given = [
        series(SeriesKind::Perp, NO_EXPIRY, 0.0),
        series(SeriesKind::Future, 0, 0.0),
        series(SeriesKind::Call, 0, 90_000.0),
        series(SeriesKind::Put, 0, 90_000.0),
        series(SeriesKind::Call, 1, 90_000.0),
    ];
    for batch in [&given[..2], &given[2..]] {
        let list = ix::list_series(&house, &btc.market, batch);
        world.send(list, &[&house.authority]).ok();
    }
    let market = world.market(&btc.market);
    assert_eq!(market.header.series_count, 5);
    for (series, args) in market.table.iter().zip(&given) {
        assert_eq!((series.generation, series.kind), (1, args.kind.code()));
        assert_eq!((series.expiry, series.strike), (args.expiry, args.strike));
    }
    // ln(9 × 10^12) in Q40.
    let ln = (9e12f64).ln() * (1u64 << 40) as f64;
    assert!((market.table[2].ln_strike_q40 as f64 - ln).abs() < 1e3);
    assert_eq!(market.table[0].ln_strike_q40, 0);
}

#[test]
fn list_series_refuses_bad_series_and_lists_all_or_none() {
    let (mut world, house, btc) = empty_market();
    let call = series(SeriesKind::Call, 0, 90_000.0);
    let mut send = |list: &[SeriesArgs]| {
        let list = ix::list_series(&house, &btc.market, list);
        world.send(list, &[&house.authority])
    };
    send(&[]).refused(E::NoSeriesGiven);
    send(&[series(SeriesKind::Call, 0, 0.0)]).refused(E::StrikeInvalid);
    send(&[series(SeriesKind::Put, 0, 0.0)]).refused(E::StrikeInvalid);
    send(&[series(SeriesKind::Future, 0, 1.0)]).refused(E::StrikeInvalid);
    send(&[series(SeriesKind::Perp, NO_EXPIRY, 1.0)]).refused(E::StrikeInvalid);
    send(&[series(SeriesKind::Perp, 0, 0.0)]).refused(E::ExpiryUnknown);
    send(&[series(SeriesKind::Call, 2, 1.0)]).refused(E::ExpiryUnknown);
    send(&[series(SeriesKind::Future, NO_EXPIRY, 0.0)]).refused(E::ExpiryUnknown);
    send(&[call, call]).refused(E::SeriesListedAlready);
    send(&[call]).ok();
    send(&[series(SeriesKind::Put, 0, 90_000.0), call]).refused(E::SeriesListedAlready);
    let many: Vec<_> = (1..=8)
        .map(|number| series(SeriesKind::Put, 1, f64::from(number)))
        .collect();
    send(&many).refused(E::SeriesTableFull);
    send(&many[..7]).ok();
    send(&many[7..]).refused(E::SeriesTableFull);
}

#[test]
fn nothing_is_listed_for_an_expiry_that_has_passed() {
    let (mut world, house, btc) = empty_market();
    let list = ix::list_series(&house, &btc.market, &[series(SeriesKind::Call, 0, 1.0)]);
    world.pass(7 * DAY);
    world
        .send(list, &[&house.authority])
        .refused(E::ExpiryPassed);
    let later = ix::list_series(&house, &btc.market, &[series(SeriesKind::Call, 1, 1.0)]);
    world.send(later, &[&house.authority]).ok();
}

#[test]
fn listing_and_posting_refuse_bad_accounts() {
    let (mut world, house, btc) = empty_market();
    let other = House::build(&mut world, 2);
    let slice = flat_slice(world.now() + 9 * DAY, 600_000_000);
    let call = series(SeriesKind::Call, 0, 90_000.0);
    let builders: [&dyn Fn(&House) -> _; 2] = [
        &|house: &House| ix::list_series(house, &btc.market, &[call]),
        &|house: &House| ix::post_surface(house, &btc.market, &[slice]),
    ];
    for build in builders {
        let good = build(&house);
        let authority = house.authority.pubkey();
        world
            .send(build(&other), &[&other.authority])
            .refused(E::AccountOfAnotherClearinghouse);
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
        world
            .send(good.clone().read_only(&btc.market), &[&house.authority])
            .refused_by_anchor(ErrorCode::ConstraintMut);
        for (wrong, error) in [
            (house.mint, E::MarketAccountOwner),
            (btc.ledger, E::MarketAccountType),
        ] {
            world
                .send(
                    good.clone().replacing(&btc.market, &wrong),
                    &[&house.authority],
                )
                .refused(error);
        }
        let newer = world.forge(&btc.market, |account| account.data[8] = 9);
        world
            .send(
                good.clone().replacing(&btc.market, &newer),
                &[&house.authority],
            )
            .refused(E::AccountVersionUnsupported);
        world.send(good, &[&house.authority]).ok();
    }
}

#[test]
fn posting_replaces_an_expiry_of_the_same_time_and_adds_others() {
    let (mut world, house, btc) = empty_market();
    let times = world
        .market(&btc.market)
        .header
        .expiries
        .map(|expiry| expiry.time);
    world.pass(60);
    let slices = [
        SurfaceSlice {
            atm_vol_ppb: 700_000_000,
            rho_ppb: -300_000_000,
            phi_ppb: 1_500_000_000,
            basis_rate_ppb: 100_000_000,
            ..flat_slice(times[0], 0)
        },
        SurfaceSlice {
            rho_ppb: -300_000_000,
            phi_ppb: 1_500_000_000,
            ..flat_slice(times[0] + DAY, 700_000_000)
        },
    ];
    let post = ix::post_surface(&house, &btc.market, &slices);
    world.send(post, &[&house.authority]).ok();
    let header = world.market(&btc.market).header;
    assert_eq!(header.expiry_count, 3);
    let first = header.expiries[0];
    assert_eq!((first.time, first.posted_at), (times[0], world.now()));
    assert_eq!(
        (first.atm_vol_ppb, first.rho_ppb),
        (700_000_000, -300_000_000)
    );
    assert_eq!(
        (first.phi_ppb, first.basis_rate_ppb),
        (1_500_000_000, 100_000_000)
    );
    assert_eq!(header.expiries[1].time, times[1]);
    assert_eq!(header.expiries[2].time, times[0] + DAY);
}

#[test]
fn post_surface_refuses_what_cannot_be_priced() {
    let (mut world, house, btc) = empty_market();
    let now = world.now();
    let week = flat_slice(now + 7 * DAY, 600_000_000);
    let cases: [(&str, SurfaceSlice, E); 15] = [
        ("passed", flat_slice(now, 600_000_000), E::ExpiryPassed),
        (
            "long past",
            flat_slice(i64::MIN, 600_000_000),
            E::ExpiryPassed,
        ),
        (
            "over two years",
            flat_slice(now + 730 * DAY + 1, 600_000_000),
            E::ExpiryTooFar,
        ),
        (
            "at the end of time",
            flat_slice(i64::MAX, 600_000_000),
            E::ExpiryTooFar,
        ),
        (
            "low vol",
            flat_slice(week.time, 4_999_999),
            E::AtmVolInvalid,
        ),
        (
            "high vol",
            flat_slice(week.time, 12_000_000_001),
            E::AtmVolInvalid,
        ),
        (
            "huge vol",
            flat_slice(week.time, u64::MAX),
            E::AtmVolInvalid,
        ),
        (
            "rho",
            SurfaceSlice {
                rho_ppb: 950_000_001,
                ..week
            },
            E::RhoInvalid,
        ),
        (
            "rho below",
            SurfaceSlice {
                rho_ppb: i64::MIN,
                ..week
            },
            E::RhoInvalid,
        ),
        (
            "phi",
            SurfaceSlice {
                phi_ppb: 256_000_000_001,
                ..week
            },
            E::PhiInvalid,
        ),
        // Without butterflies, but 1,500% at a strike of 32 times the forward.
        (
            "wings",
            SurfaceSlice {
                time: now + 3_600,
                atm_vol_ppb: 2_000_000_000,
                phi_ppb: 30_000_000_000,
                ..week
            },
            E::WingVolInvalid,
        ),
        // θφ²(1 + |ρ|) over 4: θ = 0.0069, φ = 20, ρ = 0.5.
        (
            "butterfly",
            SurfaceSlice {
                phi_ppb: 20_000_000_000,
                rho_ppb: 500_000_000,
                ..week
            },
            E::SurfaceButterfly,
        ),
        (
            "basis up",
            SurfaceSlice {
                basis_rate_ppb: 60_000_000_000,
                ..week
            },
            E::BasisRateInvalid,
        ),
        (
            "basis down",
            SurfaceSlice {
                basis_rate_ppb: -30_000_000_000,
                ..week
            },
            E::BasisRateInvalid,
        ),
        (
            "basis beyond",
            SurfaceSlice {
                basis_rate_ppb: i64::MAX,
                ..week
            },
            E::BasisRateInvalid,
        ),
    ];
    for (name, slice, error) in cases {
        println!("{name}");
        let post = ix::post_surface(&house, &btc.market, &[slice]);
        world.send(post, &[&house.authority]).refused(error);
    }
}

#[test]
fn total_variance_may_not_fall_with_maturity() {
    let (mut world, house, btc) = empty_market();
    let now = world.now();
    let mut post = |slices: &[SurfaceSlice]| {
        let post = ix::post_surface(&house, &btc.market, slices);
        world.send(post, &[&house.authority])
    };
    // 0.6² × 7 days against 0.28² × 30 days.
    post(&[flat_slice(now + 30 * DAY, 280_000_000)]).refused(E::SurfaceCalendar);
    // A new expiry in between is held against both neighbours.
    post(&[flat_slice(now + 14 * DAY, 400_000_000)]).refused(E::SurfaceCalendar);
    post(&[flat_slice(now + 14 * DAY, 900_000_000)]).refused(E::SurfaceCalendar);
    post(&[flat_slice(now + 14 * DAY, 600_000_000)]).ok();
    // At the money it rises; in the wings of the earlier smile it does not.
    let steep = SurfaceSlice {
        phi_ppb: 12_000_000_000,
        ..flat_slice(now + 7 * DAY, 600_000_000)
    };
    post(&[steep]).refused(E::SurfaceCalendar);
}

#[test]
fn an_expiry_that_has_passed_constrains_no_other() {
    let (mut world, house, btc) = empty_market();
    world.pass(8 * DAY);
    let post = ix::post_surface(
        &house,
        &btc.market,
        &[flat_slice(world.now() + 22 * DAY, 100_000_000)],
    );
    world.send(post, &[&house.authority]).ok();
}

#[test]
fn slices_are_given_in_order_and_expiries_run_out() {
    let (mut world, house, btc) = empty_market();
    let slice = |days: i64| flat_slice(estuary_tests::world::START + days * DAY, 600_000_000);
    let mut post = |slices: &[SurfaceSlice]| {
        let post = ix::post_surface(&house, &btc.market, slices);
        world.send(post, &[&house.authority])
    };
    post(&[]).refused(E::NoSlicesGiven);
    post(&[slice(8), slice(7)]).refused(E::SlicesOutOfOrder);
    post(&[slice(8), slice(8)]).refused(E::SlicesOutOfOrder);
    let many: Vec<_> = (40..=54).map(slice).collect();
    post(&many).refused(E::TooManyExpiries);
    post(&many[..MAX_EXPIRIES - 2]).ok();
    post(&many[MAX_EXPIRIES - 2..]).refused(E::TooManyExpiries);
    // Those it has can still be posted.
    post(&many[..MAX_EXPIRIES - 2]).ok();
}
