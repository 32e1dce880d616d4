//! Every bad price by its own error, through an instruction that needs one: a withdrawal with a position.

use anchor_lang::prelude::Pubkey;
use estuary::state::{MarketLedger, SeriesKind};
use estuary_tests::setup::{BTC_PRICE, USD};
use estuary_tests::{
    ix, EstuaryError as E, Feed, Holding, House, Outcome, Trader, Underlying, World,
};
use pyth_solana_receiver_sdk::price_update::{TwapUpdate, VerificationLevel};

/// A trader who holds one BTC perp and has cash to spare.
struct Stage {
    world: World,
    house: House,
    btc: Underlying,
    trader: Trader,
}

impl Stage {
    fn new() -> Self {
        let (mut world, house, [btc, _]) = World::with_markets();
        let [trader, other] = [0; 2].map(|_| house.trader(&mut world, 1_000_000 * USD));
        let perp = Holding {
            slot: world.slot(&btc, SeriesKind::Perp, 0, 0),
            lots: 1_000,
            cost: -100_000_000_000,
        };
        world.hold(&trader, &other, &btc, &[perp]);
        Self {
            world,
            house,
            btc,
            trader,
        }
    }

    /// The feed of the market as it should be.
    fn good(&self) -> Feed {
        self.btc.feed(BTC_PRICE, self.world.now())
    }

    /// Withdraws one micro-unit at the price in the market's account.
    fn withdraw(&mut self) -> Outcome {
        let withdraw = ix::withdraw(&self.house, &self.trader, 1, &[&self.btc]);
        self.world.send(withdraw, &[&self.trader.owner])
    }

    /// Publishes a price and withdraws.
    fn at(&mut self, feed: Feed) -> Outcome {
        self.world.put_feed(self.btc.price_account, &feed);
        self.withdraw()
    }

    fn saw(&mut self, publish_time: i64) {
        let ledger = self.btc.ledger;
        let mut state: MarketLedger = self.world.read(&ledger);
        state.last_publish_time = publish_time;
        self.world.corrupt(&ledger, |account| {
            account.data[8..].copy_from_slice(bytemuck::bytes_of(&state));
        });
    }
}

#[test]
fn a_good_price_is_accepted_up_to_the_market_s_limits() {
    let mut stage = Stage::new();
    let (good, now) = (stage.good(), stage.world.now());
    stage.at(good).ok();
    let oldest = Feed {
        publish_time: now - 60,
        ..good
    };
    stage.at(oldest).ok();
    // 2% of 100,000.
    let widest = Feed {
        confidence: 200_000_000_000,
        ..good
    };
    stage.at(widest).ok();
    stage.saw(now);
    stage.at(good).ok();
}

#[test]
fn every_bad_price_has_its_own_error() {
    let mut stage = Stage::new();
    let (good, now) = (stage.good(), stage.world.now());
    stage.saw(now - 10);
    let partial = VerificationLevel::Partial { num_signatures: 12 };
    let cases: [(&str, Feed, E); 15] = [
        ("zero", Feed { price: 0, ..good }, E::PriceNotPositive),
        ("negative", Feed { price: -1, ..good }, E::PriceNotPositive),
        (
            "very negative",
            Feed {
                price: i64::MIN,
                ..good
            },
            E::PriceNotPositive,
        ),
        (
            "exponent 1",
            Feed {
                exponent: 1,
                ..good
            },
            E::PriceExponentOutOfRange,
        ),
        (
            "exponent −19",
            Feed {
                exponent: -19,
                ..good
            },
            E::PriceExponentOutOfRange,
        ),
        (
            "exponent min",
            Feed {
                exponent: i32::MIN,
                ..good
            },
            E::PriceExponentOutOfRange,
        ),
        (
            "tomorrow",
            Feed {
                publish_time: now + 1,
                ..good
            },
            E::PriceFromTheFuture,
        ),
        (
            "end of time",
            Feed {
                publish_time: i64::MAX,
                ..good
            },
            E::PriceFromTheFuture,
        ),
        (
            "before the last",
            Feed {
                publish_time: now - 11,
                ..good
            },
            E::PriceOlderThanLast,
        ),
        (
            "wide",
            Feed {
                confidence: 200_000_000_001,
                ..good
            },
            E::PriceTooUncertain,
        ),
        (
            "infinitely wide",
            Feed {
                confidence: u64::MAX,
                ..good
            },
            E::PriceTooUncertain,
        ),
        (
            "other feed",
            Feed {
                feed_id: [9; 32],
                ..good
            },
            E::PriceFeedMismatch,
        ),
        (
            "partial",
            Feed {
                verification: partial,
                ..good
            },
            E::PriceNotFullyVerified,
        ),
        (
            "system's",
            Feed {
                owner: Pubkey::default(),
                ..good
            },
            E::PriceAccountOwner,
        ),
        (
            "impostor's",
            Feed {
                owner: anchor_spl::token::ID,
                ..good
            },
            E::PriceAccountOwner,
        ),
    ];
    for (name, feed, error) in cases {
        println!("{name}");
        stage.at(feed).refused(error);
    }
    stage.at(good).ok();
}

#[test]
fn an_old_price_is_refused() {
    let mut stage = Stage::new();
    let good = stage.good();
    stage.at(good).ok();
    stage.world.pass(60);
    stage.withdraw().ok();
    stage.world.pass(1);
    stage.withdraw().refused(E::PriceTooOld);
    let ancient = Feed {
        publish_time: 0,
        ..good
    };
    stage.at(ancient).refused(E::PriceTooOld);
    let before_time = Feed {
        publish_time: i64::MIN,
        ..good
    };
    stage.at(before_time).refused(E::PriceOlderThanLast);
}

#[test]
fn exponents_other_than_the_market_s_are_converted_or_refused() {
    let mut stage = Stage::new();
    let good = stage.good();
    let same = Feed {
        price: 100_000,
        confidence: 0,
        exponent: 0,
        ..good
    };
    stage.at(same).ok();
    let finer = Feed {
        price: 100_000_000_000_000_000,
        exponent: -12,
        ..good
    };
    stage.at(finer).ok();
    let too_large = Feed {
        price: i64::MAX,
        exponent: 0,
        ..good
    };
    stage.at(too_large).refused(E::PriceNotRepresentable);
    let vanishing = Feed {
        price: 1,
        confidence: 0,
        exponent: -18,
        ..good
    };
    stage.at(vanishing).refused(E::PriceNotRepresentable);
}

#[test]
fn accounts_of_the_receiver_that_are_no_price_update_are_refused() {
    use anchor_lang::Discriminator;
    let mut stage = Stage::new();
    let account = stage.good().account();
    let price = stage.btc.price_account;
    let mut refuse = |data: Vec<u8>| {
        let account = solana_account::Account {
            data,
            ..account.clone()
        };
        stage.world.put(price, account);
        stage.withdraw().refused(E::PriceAccountType);
    };
    refuse(Vec::new());
    refuse(vec![0; 134]);
    refuse(account.data[..60].to_vec());
    refuse(account.data[..8].to_vec());
    refuse([TwapUpdate::DISCRIMINATOR, &account.data[8..]].concat());
    let mut bad_level = account.data.clone();
    bad_level[40] = 7;
    refuse(bad_level);
}

#[test]
fn an_account_without_positions_leaves_whatever_the_oracle_does() {
    let mut stage = Stage::new();
    stage.world.pass(100_000);
    stage.withdraw().refused(E::PriceTooOld);
    let flat = stage.house.trader(&mut stage.world, 5);
    let withdraw = ix::withdraw(&stage.house, &flat, 5, &[]);
    stage.world.send(withdraw, &[&flat.owner]).ok();
    let deposit = ix::deposit(&stage.house, &stage.trader, 5);
    stage.world.send(deposit, &[&stage.trader.owner]).ok();
}
