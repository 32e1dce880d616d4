//! The list of market accounts that an instruction needs, through a withdrawal: nothing missing, nothing more, in order,
//! and each account what it claims to be.

use anchor_lang::solana_program::instruction::Instruction;
use estuary::state::{MarketRef, SeriesKind};
use estuary_tests::setup::{btc_args, BTC_PRICE, USD};
use estuary_tests::{
    ix, EstuaryError as E, Holding, House, Pubkey, Tamper, Trader, Underlying, World,
};

struct Stage {
    world: World,
    house: House,
    btc: Underlying,
    sol: Underlying,
    trader: Trader,
}

impl Stage {
    /// A trader with a perp in each of the markets given by index.
    fn holding(markets: &[usize]) -> Self {
        let (mut world, house, both) = World::with_markets();
        let [trader, other] = [0; 2].map(|_| house.trader(&mut world, 1_000_000 * USD));
        for index in markets {
            let market = &both[*index];
            let perp = Holding {
                slot: world.slot(market, SeriesKind::Perp, 0, 0),
                lots: 10,
                cost: 0,
            };
            world.hold(&trader, &other, market, &[perp]);
        }
        let [btc, sol] = both;
        Self {
            world,
            house,
            btc,
            sol,
            trader,
        }
    }

    fn withdraw(&self, markets: &[&Underlying]) -> Instruction {
        ix::withdraw(&self.house, &self.trader, 1, markets)
    }

    #[track_caller]
    fn refuse(&mut self, instruction: Instruction, error: E) {
        self.world
            .send(instruction, &[&self.trader.owner])
            .refused(error);
    }
}

#[test]
fn the_markets_of_the_account_and_no_others() {
    let mut stage = Stage::holding(&[0, 1]);
    let (btc, sol) = (stage.btc.clone(), stage.sol.clone());
    let both = stage.withdraw(&[&btc, &sol]);
    stage.refuse(stage.withdraw(&[]), E::MarketAccountMissing);
    stage.refuse(stage.withdraw(&[&btc]), E::MarketAccountMissing);
    stage.refuse(stage.withdraw(&[&sol]), E::MarketAccountMissing);
    stage.refuse(stage.withdraw(&[&sol, &btc]), E::MarketAccountMissing);
    stage.refuse(stage.withdraw(&[&btc, &btc]), E::MarketAccountsOutOfOrder);
    stage.refuse(
        stage.withdraw(&[&btc, &sol, &sol]),
        E::MarketAccountsLeftOver,
    );
    stage.refuse(
        both.clone().with_extra(&sol.market),
        E::MarketAccountsLeftOver,
    );
    stage.refuse(both.clone().without_last(1), E::MarketAccountMissing);
    stage.refuse(both.clone().without_last(2), E::MarketAccountMissing);
    stage.world.send(both, &[&stage.trader.owner]).ok();
}

#[test]
fn a_market_without_a_position_is_not_needed() {
    let mut stage = Stage::holding(&[1]);
    let (btc, sol) = (stage.btc.clone(), stage.sol.clone());
    stage.refuse(stage.withdraw(&[&btc]), E::MarketNotNeeded);
    stage.refuse(stage.withdraw(&[&btc, &sol]), E::MarketNotNeeded);
    let mut stage = Stage::holding(&[0]);
    stage.refuse(stage.withdraw(&[&btc, &sol]), E::MarketAccountsLeftOver);
}

#[test]
fn the_three_accounts_of_a_market_do_not_change_places() {
    let mut stage = Stage::holding(&[0]);
    let btc = stage.btc.clone();
    let good = stage.withdraw(&[&btc]);
    let swapped = |one, other| good.clone().exchanging(one, other);
    stage.refuse(swapped(&btc.market, &btc.ledger), E::MarketAccountType);
    stage.refuse(
        swapped(&btc.market, &btc.price_account),
        E::MarketAccountOwner,
    );
    stage.refuse(
        swapped(&btc.ledger, &btc.price_account),
        E::LedgerAccountOwner,
    );
}

#[test]
fn accounts_that_are_not_the_market_s_are_refused() {
    let mut stage = Stage::holding(&[0, 1]);
    let (btc, sol, mint) = (stage.btc.clone(), stage.sol.clone(), stage.house.mint);
    let other = House::build(&mut stage.world, 2);
    let foreign = other.create_market(&mut stage.world, &btc_args(), BTC_PRICE);
    let good = stage.withdraw(&[&btc, &sol]);
    let account = stage.trader.account;
    let cases: [(&Pubkey, &Pubkey, E); 10] = [
        (
            &btc.market,
            &foreign.market,
            E::AccountOfAnotherClearinghouse,
        ),
        (&btc.market, &mint, E::MarketAccountOwner),
        (&btc.market, &btc.ledger, E::MarketAccountType),
        (&sol.market, &account, E::MarketAccountType),
        (&btc.ledger, &sol.ledger, E::LedgerOfAnotherMarket),
        (&btc.ledger, &foreign.ledger, E::LedgerOfAnotherMarket),
        (&btc.ledger, &mint, E::LedgerAccountOwner),
        (&btc.ledger, &btc.market, E::LedgerAccountType),
        (&btc.price_account, &sol.price_account, E::PriceFeedMismatch),
        (&btc.price_account, &mint, E::PriceAccountOwner),
    ];
    for (from, to, error) in cases {
        println!("{error:?}");
        stage.refuse(good.clone().replacing(from, to), error);
    }
    // Another account with the same feed is as good.
    let feed = btc.feed(BTC_PRICE, stage.world.now());
    let copy = stage.world.place(feed.account());
    let same_feed = good.replacing(&btc.price_account, &copy);
    stage.world.send(same_feed, &[&stage.trader.owner]).ok();
}

#[test]
fn markets_of_other_layouts_and_lengths_are_refused() {
    let mut stage = Stage::holding(&[0]);
    let btc = stage.btc.clone();
    let good = stage.withdraw(&[&btc]);
    let series_count = 8 + std::mem::offset_of!(estuary::state::Market, series_count);
    let header = MarketRef::account_size(0);
    let world = &mut stage.world;
    let cases = [
        (
            world.forge(&btc.market, |a| a.data.truncate(7)),
            E::MarketAccountType,
        ),
        (
            world.forge(&btc.market, |a| a.data.truncate(8)),
            E::AccountTooSmall,
        ),
        (
            world.forge(&btc.market, |a| a.data.truncate(header - 1)),
            E::AccountTooSmall,
        ),
        (
            world.forge(&btc.market, |a| a.data.truncate(header)),
            E::MarketInvariant,
        ),
        (
            world.forge(&btc.market, |a| a.data[8] = 2),
            E::AccountVersionUnsupported,
        ),
        (
            world.forge(&btc.market, |a| a.data[series_count] = 0xff),
            E::MarketInvariant,
        ),
        // A faithful copy has no ledger.
        (world.forge(&btc.market, |_| ()), E::LedgerOfAnotherMarket),
    ];
    for (forged, error) in cases {
        println!("{error:?}");
        stage.refuse(good.clone().replacing(&btc.market, &forged), error);
    }
    let ledger = stage
        .world
        .forge(&btc.ledger, |account| account.data[8] = 2);
    stage.refuse(
        good.replacing(&btc.ledger, &ledger),
        E::AccountVersionUnsupported,
    );
}

#[test]
fn a_half_grown_market_is_as_good_as_any() {
    let mut stage = Stage::holding(&[0]);
    let btc = stage.btc.clone();
    let good = stage.withdraw(&[&btc]);
    let extend = ix::extend_market(&stage.house, &btc.market, 1_024);
    let before = stage.world.raw(&btc.market).data.len();
    stage.world.send(extend, &[&stage.house.authority]).ok();
    assert_eq!(stage.world.raw(&btc.market).data.len(), before + 10_240);
    stage.world.send(good.clone(), &[&stage.trader.owner]).ok();
    // Sizes between two records are valid too.
    stage.world.corrupt(&btc.market, |account| {
        account.data.pop();
    });
    stage.world.send(good, &[&stage.trader.owner]).ok();
}

#[test]
fn positions_in_slots_that_changed_are_refused() {
    let mut stage = Stage::holding(&[0]);
    let btc = stage.btc.clone();
    let good = stage.withdraw(&[&btc]);
    let header = 8 + estuary::state::Market::HEADER_SIZE;
    // The record of slot 0 begins with its generation; a copy of the market alone would lack its ledger.
    let next_generation = stage.world.forge(&btc.market, |a| a.data[header] = 2);
    let ledger = stage.world.forge(&btc.ledger, |account| {
        let market = 8 + std::mem::offset_of!(estuary::state::MarketLedger, market);
        account.data[market..market + 32].copy_from_slice(next_generation.as_ref());
    });
    let changed = good
        .replacing(&btc.market, &next_generation)
        .replacing(&btc.ledger, &ledger);
    stage.refuse(changed, E::SeriesGenerationMismatch);
}
