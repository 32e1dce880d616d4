//! The largest things that can happen fit a transaction: its bytes, its compute units, its heap.

use estuary::instructions::{CreateMarketArgs, TradeLeg};
use estuary::state::{MAX_LEGS, MAX_MARKETS_PER_ACCOUNT, MAX_POSITIONS};
use estuary_tests::packet::{self, PACKET};
use estuary_tests::setup::{btc_args, BTC_PRICE, USD};
use estuary_tests::trade::PERP;
use estuary_tests::{ix, EstuaryError as E, Holding, House, Random, Trader, Underlying, World};
use solana_message::VersionedMessage;

const RICH: u64 = 1_000_000_000 * USD;
/// What the largest accounts may take of a transaction, compute units.
const MOST_COMPUTE_UNITS: u64 = 1_250_000;
const MARKETS: usize = MAX_MARKETS_PER_ACCOUNT as usize;

struct Stage {
    world: World,
    house: House,
    markets: Vec<Underlying>,
}

impl Stage {
    /// One market more than an account can hold positions in.
    fn new() -> Self {
        let (mut world, house) = World::with_house();
        let create = |number| {
            let args = CreateMarketArgs {
                feed_id: [number; 32],
                ..btc_args()
            };
            let market = house.create_market(&mut world, &args, BTC_PRICE);
            house.list_usual_series(&mut world, &market, BTC_PRICE);
            market
        };
        let markets = (0..=MARKETS as u8).map(create).collect();
        Self {
            world,
            house,
            markets,
        }
    }

    fn trader(&mut self) -> Trader {
        self.house.trader(&mut self.world, RICH)
    }

    /// Gives a trader `each` random positions in as many markets, a perp among them, against `other`.
    fn fill(
        &mut self,
        random: &mut Random,
        trader: &Trader,
        other: &Trader,
        markets: usize,
        each: usize,
    ) {
        for market in &self.markets[..markets] {
            let perp = self.world.slot(market, PERP.0, 0, 0);
            let mut holdings = random.holdings(&self.world, market, each);
            if holdings.iter().all(|holding| holding.slot != perp) {
                holdings[0] = Holding {
                    slot: perp,
                    lots: 1,
                    cost: 0,
                };
            }
            self.world.hold(trader, other, market, &holdings);
        }
    }

    /// Shifts unsettled profit until the maintenance health is `health`.
    fn bring_to(&mut self, trader: &Trader, other: &Trader, health: i64) {
        let needed = self.world.needed(&[trader], &[], &self.markets);
        let report = self.world.report(trader, &needed);
        let now = report.health_maintenance().expect("health").0;
        let market = self.markets[0].clone();
        let perp = self.world.slot(&market, PERP.0, 0, 0);
        self.world.shift(trader, other, &market, perp, health - now);
    }
}

#[test]
fn an_account_holds_positions_in_eight_markets() {
    let mut stage = Stage::new();
    let [taker, maker] = [stage.trader(), stage.trader()];
    let leg = |stage: &Stage, index: usize| stage.world.usual_leg(&stage.markets[index], PERP, 1);
    let legs: Vec<_> = (0..MARKETS).map(|index| leg(&stage, index)).collect();
    let all = stage.markets.clone();
    let sides = [&taker, &maker];
    stage.world.trade(&stage.house, sides, &legs, &all).ok();
    let ninth = leg(&stage, MARKETS);
    stage
        .world
        .trade(&stage.house, sides, &[ninth], &all)
        .refused(E::AccountInTooManyMarkets);
}

#[test]
fn the_largest_block_trade_fits_one_transaction() {
    let mut random = Random::new(16);
    let mut stage = Stage::new();
    let [taker, maker] = [stage.trader(), stage.trader()];
    for trader in [&taker, &maker] {
        let others = stage.trader();
        stage.fill(&mut random, trader, &others, 8, 4);
    }
    let mut legs: Vec<TradeLeg> = Vec::new();
    for index in 0..MAX_LEGS {
        let market = stage.markets[index % 8].clone();
        let series = stage.world.market(&market.market).header.series_count;
        let slot = (index / 8 * 29) as u16 + random.below(u64::from(series / 2)) as u16;
        legs.push(stage.world.leg_at_mark(&market, slot, 3));
    }
    let all = stage.markets.clone();
    let done = stage
        .world
        .trade(&stage.house, [&taker, &maker], &legs, &all)
        .ok();
    println!(
        "16 legs, 64 positions, 8 markets: {} CU",
        done.compute_units_consumed
    );
    assert!(done.compute_units_consumed < MOST_COMPUTE_UNITS);
}

#[test]
fn the_largest_block_trade_fits_a_packet_with_a_lookup_table() {
    let mut stage = Stage::new();
    let [taker, maker] = [stage.trader(), stage.trader()];
    // Sixteen legs in eight markets, two owners and somebody else who pays, and what a client asks of the runtime.
    let legs: Vec<_> = stage.markets[..MARKETS]
        .iter()
        .flat_map(|market| [(market, 0), (market, 1)])
        .map(|(market, slot)| stage.world.leg_at_mark(market, slot, 3))
        .collect();
    assert_eq!(legs.len(), MAX_LEGS);
    let all: Vec<_> = stage.markets[..MARKETS].iter().collect();
    let instructions = [
        estuary_client::instruction::request_heap_frame(),
        estuary_client::instruction::request_compute_units(1_400_000),
        ix::block_trade(&stage.house, &taker, &maker, &legs, &all),
    ];
    let message = stage.world.message(&instructions);
    assert!(matches!(message, VersionedMessage::V0(_)));
    assert_eq!(message.header().num_required_signatures, 3);
    let size = packet::size(&message);
    println!("{size} bytes");
    assert!(size <= PACKET, "{size} bytes");
    let signers = [&taker.owner, &maker.owner];
    stage.world.send_all(&instructions, &signers).ok();
}

#[test]
fn every_account_can_be_liquidated_in_one_transaction() {
    let mut random = Random::new(64);
    for (markets, each) in [(8, 8), (2, 32), (4, 16)] {
        let mut stage = Stage::new();
        let [full, others] = [stage.trader(), stage.trader()];
        let [liquidator, its_makers] = [stage.trader(), stage.trader()];
        stage.fill(&mut random, &full, &others, markets, each);
        assert_eq!(
            usize::from(stage.world.account(&full).position_count),
            MAX_POSITIONS
        );
        // The liquidator holds as much as it may.
        stage.fill(&mut random, &liquidator, &its_makers, markets, 16 / markets);
        // As `request_heap_frame` asks for.
        stage.world.use_heap(256 * 1024);
        let all = stage.markets.clone();
        let needed = stage.world.needed(&[&full], &[], &all);
        let margin = stage.world.report(&full, &needed).maintenance_margin.0;
        for health in [-1, -margin / 3, -margin, -2 * margin] {
            stage.bring_to(&full, &others, health);
            let outcome = stage
                .world
                .liquidate(&stage.house, &liquidator, &full, &all);
            let done = outcome.ok();
            println!(
                "{markets} markets at {health}: {} CU",
                done.compute_units_consumed
            );
            assert!(done.compute_units_consumed < MOST_COMPUTE_UNITS);
            if stage.world.account(&liquidator).position_count > 16 {
                break;
            }
        }
    }
}
