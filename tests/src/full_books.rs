//! The fullest books that can exist, for the limits of a transaction and the benchmark.

use crate::setup::{btc_args, flat_slice, mantissa, offsets_with, DAY, USD, USUAL_FEES, VOL_PPB};
use crate::world::MAX_HEAP;
use crate::{ix, token, Holding, House, Random, Trader, Underlying, World};
use estuary::instructions::{CreateMarketArgs, SeriesArgs};
use estuary::state::{Clearinghouse, SeriesKind, MAX_BANKS, MAX_POSITIONS};
use estuary_risk::margin::MarginReport;

const PRICE: f64 = 1_000.0;
const EXPIRIES: u8 = 16;

/// A market with sixteen expiries of five strikes each, slot = 5 × expiry + strike.
pub fn wide_market(world: &mut World, house: &House, number: u8) -> Underlying {
    let mut args: CreateMarketArgs = USUAL_FEES.of(btc_args());
    args.feed_id[0] = number;
    let earlier: Clearinghouse = world.read(&house.clearinghouse);
    args.offsets = offsets_with(earlier.market_count);
    let market = house.create_market(world, &args, PRICE);
    world.fill_returns(&market);
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

/// Markets, and whether there are tokens, of the shapes of fullest accounts.
pub const SHAPES: [(u8, bool); 6] = [
    (1, false),
    (2, true),
    (4, false),
    (8, true),
    (8, false),
    (1, true),
];

/// A weak account and a flat liquidator, before the weak one holds anything.
pub struct Stage {
    /// The world.
    pub world: World,
    /// Its clearinghouse.
    pub house: House,
    /// Markets of 80 series.
    pub markets: Vec<Underlying>,
    /// Whose account is filled.
    pub weak: Trader,
    /// Who takes from it.
    pub liquidator: Trader,
    /// The other side of each market.
    others: Vec<Trader>,
}

/// The stage of a shape, with some of every token if there are tokens.
pub fn fullest((markets, with_tokens): (u8, bool)) -> Stage {
    let (mut world, house) = World::with_house();
    world.use_heap(MAX_HEAP);
    world.use_compute_units(5_000_000);
    let markets: Vec<_> = (1..=markets)
        .map(|number| wide_market(&mut world, &house, number))
        .collect();
    let rich = 1_000_000_000 * USD;
    let others = markets.iter().map(|_| house.trader(&mut world, rich));
    let others = others.collect();
    let [weak, liquidator] = [0; 2].map(|_| house.trader(&mut world, rich));
    for number in 1..if with_tokens { MAX_BANKS } else { 1 } {
        let mint = world.place(token::mint(9));
        let token = house.add_token(&mut world, &markets[number % markets.len()], mint);
        let amount = 50_000_000_000 + number as u64;
        world.deposit_token(&house, &weak, &token, amount);
    }
    Stage {
        world,
        house,
        markets,
        weak,
        liquidator,
        others,
    }
}

/// Of all accounts of `cargo xtask run liquidation` the one whose liquidation takes most compute units: the book of the
/// figure `liquidate_full_account`.
pub fn largest() -> Stage {
    const SEED: u64 = 135;
    let mut random = Random::new(SEED);
    let mut stage = fullest(SHAPES[SEED as usize % SHAPES.len()]);
    stage.fill(&mut random);
    stage.fail(&mut random);
    stage
}

impl Stage {
    /// The same stage again.
    pub fn fork(&self) -> Self {
        Self {
            world: self.world.fork(),
            house: House {
                addresses: self.house.addresses,
                authority: self.house.authority.insecure_clone(),
            },
            markets: self.markets.clone(),
            weak: self.weak.clone(),
            liquidator: self.liquidator.clone(),
            others: self.others.clone(),
        }
    }

    /// Fills the weak account with positions: random lots, or long and short ones in turn, or all alike.
    pub fn fill(&mut self, random: &mut Random) {
        let each = MAX_POSITIONS / self.markets.len();
        let kind = random.below(4);
        let size = 10 + random.below(2_000);
        for (market, other) in self.markets.iter().zip(&self.others) {
            let mut holdings = random.holdings(&self.world, market, each);
            for (place, holding) in holdings.iter_mut().enumerate() {
                let lots = size as i64 + random.below(1 + size / 4) as i64;
                holding.lots = match kind {
                    0 => holding.lots,
                    1 => -lots,
                    2 if place % 2 == 0 => lots,
                    2 => -lots,
                    _ => random.lots(2 + size),
                };
            }
            holdings.sort_unstable_by_key(|holding| holding.slot);
            self.world.hold(&self.weak, other, market, &holdings);
        }
    }

    /// Brings the weak account below its maintenance margin: by little, by much, or below zero.
    pub fn fail(&mut self, random: &mut Random) {
        let report = self.report();
        let margin = report.maintenance_margin.0 as f64;
        let equity = match random.below(6) {
            0 => margin - 1.0,
            1 => margin * random.uniform(0.9, 1.0),
            2 | 3 => margin * random.uniform(0.0, 0.9),
            4 => margin * random.uniform(0.0, 0.02),
            _ => -margin * random.uniform(0.0, 0.5),
        };
        let lost = report.equity.0 - equity as i64;
        self.world.adjust_cash(&self.weak, -lost);
        self.world.adjust_cash(&self.liquidator, lost);
    }

    /// The weak account's margin.
    pub fn report(&self) -> MarginReport {
        let all: Vec<_> = self.markets.iter().collect();
        self.world.report(&self.weak, &all)
    }

    /// Whether the weak account is below its maintenance margin.
    pub fn is_liquidatable(&self) -> bool {
        self.report().is_liquidatable()
    }

    /// Whether the weak account has neither positions nor tokens.
    pub fn is_flat(&self) -> bool {
        let account = self.world.account(&self.weak);
        account.position_count == 0 && account.tokens().next().is_none()
    }
}
