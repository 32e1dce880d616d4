//! The fullest books that can exist, for the limits of a transaction and the benchmark.

use crate::setup::{btc_args, flat_slice, mantissa, DAY, USD, USUAL_FEES, VOL_PPB};
use crate::{ix, Holding, House, Trader, Underlying, World};
use estuary::instructions::{CreateMarketArgs, SeriesArgs};
use estuary::state::SeriesKind;

const PRICE: f64 = 1_000.0;
const EXPIRIES: u8 = 16;

/// A market with sixteen expiries of five strikes each, slot = 5 × expiry + strike.
pub fn wide_market(world: &mut World, house: &House, number: u8) -> Underlying {
    let mut args: CreateMarketArgs = USUAL_FEES.of(btc_args());
    args.feed_id[0] = number;
    let market = house.create_market(world, &args, PRICE);
    let start = world.now();
    let slices: Vec<_> = (0..i64::from(EXPIRIES))
        .map(|expiry| flat_slice(start + (5 + 7 * expiry) * DAY, VOL_PPB))
        .collect();
    let series: Vec<SeriesArgs> = (0..EXPIRIES)
        .flat_map(|expiry| {
            (0..5u64).map(move |strike| SeriesArgs {
                kind: if strike % 2 == 0 {
                    SeriesKind::Call
                } else {
                    SeriesKind::Put
                },
                expiry,
                strike: mantissa(PRICE) / 100 * (90 + 5 * strike),
            })
        })
        .collect();
    let extend = ix::extend_market(house, &market.market, 80);
    world.send(extend, &[&house.authority]).ok();
    for slices in slices.chunks(8) {
        let post = ix::post_surface(house, &market.market, slices);
        world.send(post, &[&house.authority]).ok();
    }
    for series in series.chunks(40) {
        let list = ix::list_series(house, &market.market, series);
        world.send(list, &[&house.authority]).ok();
    }
    market
}

/// A holding of `lots` in each slot.
pub fn each(slots: impl Iterator<Item = u16>, lots: i64) -> Vec<Holding> {
    slots
        .map(|slot| Holding {
            slot,
            lots,
            cost: 0,
        })
        .collect()
}

/// One short position per market and expiry in `slots` of each market for the weak, others for the liquidator.
pub fn stage(
    markets: u8,
    weak_each: u16,
    others_each: u16,
    deposit: u64,
) -> (World, House, Vec<Underlying>, [Trader; 2]) {
    let (mut world, house) = World::with_house();
    let markets: Vec<_> = (1..=markets)
        .map(|number| wide_market(&mut world, &house, number))
        .collect();
    let counterparty: Vec<_> = markets
        .iter()
        .map(|_| house.trader(&mut world, USD))
        .collect();
    let weak = house.trader(&mut world, deposit);
    let liquidator = house.trader(&mut world, 100_000_000 * USD);
    let spread = |place: u16, strike: u16| 5 * (place % 16) + (place / 16) % 3 + strike;
    for (market, long) in markets.iter().zip(&counterparty) {
        let slots = (0..weak_each).map(|place| spread(place, 0));
        let holdings = each(slots, if place_is_odd(market) { 20 } else { 10 });
        world.hold(long, &weak, market, &holdings);
    }
    for (market, long) in markets.iter().zip(&counterparty) {
        if others_each > 0 {
            let slots = (0..others_each).map(|place| spread(15 - place, 4 - (15 - place) / 16));
            let holdings = each(slots, 1);
            world.hold(long, &liquidator, market, &holdings);
        }
    }
    (world, house, markets, [weak, liquidator])
}

fn place_is_odd(market: &Underlying) -> bool {
    market.index % 2 == 1
}

/// Sixty-four positions in eight markets of which no single one helps: long options hold the value, cash is used up.
pub fn spreads(long: i64, deposit: u64) -> (World, House, Vec<Underlying>, [Trader; 2]) {
    let (mut world, house) = World::with_house();
    let markets: Vec<_> = (1..=8)
        .map(|number| wide_market(&mut world, &house, number))
        .collect();
    let weak = house.trader(&mut world, deposit);
    let liquidator = house.trader(&mut world, 100_000_000 * USD);
    for market in &markets {
        let other = house.trader(&mut world, USD);
        let holdings: Vec<_> = (0..8u16)
            .map(|place| Holding {
                slot: 5 * place,
                lots: if place % 2 == 0 { -1_000 } else { long },
                cost: 0,
            })
            .collect();
        world.hold(&weak, &other, market, &holdings);
    }
    (world, house, markets, [weak, liquidator])
}
