//! The clearing system of the demo: deployed, configured and read through the program's own instructions.

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anyhow::{Context, Result};
use estuary::instructions::SeriesArgs;
use estuary::state::{Bank, MarginAccount, MarketLedger, MarketSet};
use estuary_client::account::{decode, MarketAccount};
use estuary_client::address::{derive, ledger};
use estuary_client::instruction::{Party, PricedMarket, Trader as Depositor};
use estuary_client::risk::{FetchedMarket, FetchedPrice, LoadedMarket};
use estuary_client::House;
use solana_keypair::Keypair;
use solana_signer::Signer;

use super::listing;
use super::prices::{History, Step};
use super::surface::SurfaceRule;
use super::svm::{Executed, Quote, Svm};
use super::view::View;
use crate::deploy::apply::{self, apply};
use crate::deploy::config::MarketConfig;
use crate::deploy::plan;

/// Half width of the published confidence interval: this part of the price (5 basis points).
const CONFIDENCE_PART: u64 = 2_000;

/// One underlying.
pub struct Underlying {
    /// Its name.
    pub symbol: String,
    /// Index of its market in the clearinghouse.
    pub index: u16,
    /// The market account.
    pub market: Pubkey,
    /// The market's ledger.
    pub ledger: Pubkey,
    /// Where its prices are published.
    pub price_account: Pubkey,
    /// Its feed.
    pub feed_id: [u8; 32],
    /// First price of the replay.
    pub first_price: u64,
    /// Billionths of a unit in a lot.
    pub lot_size: u64,
    /// Half the width of its scenarios' core block.
    pub spot_range_ppm: u32,
    /// How its volatilities are posted.
    pub rule: SurfaceRule,
    /// Its series, by slot.
    pub series: Vec<SeriesArgs>,
    /// Their names.
    pub names: Vec<String>,
}

/// Somebody with a margin account.
pub struct Trader {
    /// What the demo calls it.
    pub name: &'static str,
    /// Signs for it.
    pub owner: Keypair,
    /// The margin account.
    pub account: Pubkey,
    /// The owner's token account.
    pub tokens: Pubkey,
}

/// Instructions sent so far, and what the last one took.
#[derive(Clone, Debug, Default)]
pub struct Activity {
    /// How many transactions the program executed.
    pub transactions: u64,
    /// How many reports were simulated.
    pub simulations: u64,
    /// Name of the last instruction, sent or simulated.
    pub last: &'static str,
    /// Its compute units.
    pub last_units: u64,
}

/// Everything.
pub struct World {
    /// The SVM.
    pub svm: Svm,
    /// Addresses of the clearinghouse.
    pub house: House,
    /// The markets, by index.
    pub underlyings: Vec<Underlying>,
    /// Expiries of every market.
    pub expiries: Vec<i64>,
    /// The accounts.
    pub traders: Vec<Trader>,
    /// The clock, unix seconds.
    pub now: i64,
    /// What was sent.
    pub activity: Activity,
    authority: Keypair,
}

/// The same keys in every run: number 0 is the authority's.
fn keypair(number: u8) -> Keypair {
    let mut secret = [0x37; 32];
    secret[0] = number;
    Keypair::new_from_array(secret)
}

impl Trader {
    /// The margin account, for the client's instruction builders.
    pub fn party(&self) -> Party {
        Party {
            owner: self.owner.pubkey(),
            sub_id: 0,
        }
    }

    /// The margin account and the tokens it is paid from.
    fn depositor(&self) -> Depositor {
        Depositor {
            owner: self.owner.pubkey(),
            sub_id: 0,
            tokens: self.tokens,
        }
    }
}

impl World {
    /// Deploys clearinghouse, bank and a market per symbol at the first prices, as `estuary deploy` does.
    ///
    /// # Errors
    /// The program's refusals, which would be mistakes of the demo.
    pub fn new(mut svm: Svm, history: &History, first: &Step) -> Result<Self> {
        let authority = keypair(0);
        let mint = keypair(1).pubkey();
        svm.set_time(first.time);
        svm.fund(&authority.pubkey())?;
        svm.create_mint(mint)?;
        let deployment =
            listing::deployment(history.symbols.iter().zip(&first.prices), history.end())?;
        let mut activity = Activity::default();
        apply(&deployment, &mut svm, &authority, &mut |name| {
            activity.sent(name);
        })?;
        let mut world = Self {
            svm,
            house: deployment.house,
            underlyings: Vec::new(),
            expiries: Vec::new(),
            traders: Vec::new(),
            now: first.time,
            activity,
            authority,
        };
        for (config, price) in deployment.markets.into_iter().zip(&first.prices) {
            world.add_market(config, *price, history.bar_seconds)?;
        }
        world.publish(first)?;
        Ok(world)
    }

    /// Reads what was deployed of a market.
    fn add_market(
        &mut self,
        config: MarketConfig,
        first_price: u64,
        bar_seconds: i64,
    ) -> Result<()> {
        let feed_id = config.args.feed_id;
        let market = self.house.market(&feed_id);
        let account = MarketAccount::decode(self.svm.data(&market)?)?;
        let expiries = account.header.open_expiries();
        self.expiries = expiries.iter().map(|expiry| expiry.time).collect();
        let series = plan::contracts(&account);
        let series = series
            .iter()
            .map(|contract| apply::series(contract, &account));
        let series: Vec<SeriesArgs> = series.collect::<Result<_>>()?;
        let name = |series| listing::name(&config.symbol, series, &self.expiries);
        self.underlyings.push(Underlying {
            index: account.header.index,
            market,
            ledger: ledger(&market),
            price_account: derive(&[b"demo price", &feed_id]),
            feed_id,
            first_price,
            lot_size: config.args.lot_size,
            spot_range_ppm: config.args.parameters.spot_range_ppm,
            rule: SurfaceRule::new(config.surface, bar_seconds),
            names: series.iter().map(name).collect(),
            series,
            symbol: config.symbol,
        });
        Ok(())
    }

    /// Posts the surface of a market by its rule.
    ///
    /// # Errors
    /// The program's refusals.
    pub fn post_surface(&mut self, index: usize) -> Result<()> {
        let underlying = &mut self.underlyings[index];
        let slices = underlying.rule.post(&self.expiries, self.now);
        let instruction = self.house.post_surface(underlying.market, slices);
        self.govern("post_surface", instruction)
    }

    /// Sends an instruction of the authority's.
    fn govern(&mut self, name: &'static str, instruction: Instruction) -> Result<()> {
        let done = self
            .svm
            .send(&[instruction], &[&self.authority])
            .with_context(|| format!("{name} was refused"))?;
        self.activity.executed(name, &done);
        Ok(())
    }

    /// Moves the clock to a step and publishes its prices.
    ///
    /// # Errors
    /// When the SVM does not take a price account.
    pub fn publish(&mut self, step: &Step) -> Result<()> {
        self.now = step.time;
        self.svm.set_time(step.time);
        for (underlying, price) in self.underlyings.iter().zip(&step.prices) {
            let quote = Quote {
                feed_id: underlying.feed_id,
                price: *price,
                confidence: price / CONFIDENCE_PART,
                exponent: listing::EXPONENT,
                publish_time: step.time,
            };
            self.svm.publish(underlying.price_account, &quote)?;
        }
        Ok(())
    }

    /// Opens an account and deposits `amount` micro-units, after giving the owner the tokens.
    ///
    /// # Errors
    /// The program's refusals.
    pub fn open(&mut self, name: &'static str, amount: u64) -> Result<usize> {
        let place = self.traders.len();
        let number = u8::try_from(place).context("too many traders")?;
        let (owner, tokens) = (keypair(0x40 + number), keypair(0x80 + number).pubkey());
        let trader = Trader {
            name,
            account: self.house.margin_account(&owner.pubkey(), 0),
            owner,
            tokens,
        };
        let key = trader.owner.pubkey();
        self.svm.fund(&key)?;
        self.svm
            .create_tokens(tokens, self.house.mint, key, amount)?;
        let steps = [
            ("open_account", self.house.open_account(key, key, 0)),
            ("deposit", self.house.deposit(&trader.depositor(), amount)),
        ];
        for (what, instruction) in steps {
            let done = self.svm.send(&[instruction], &[&trader.owner]);
            let done = done.with_context(|| format!("{what} of the {name} was refused"))?;
            self.activity.executed(what, &done);
        }
        self.traders.push(trader);
        Ok(place)
    }

    /// Accounts of the markets in a set, as the client's instruction builders want them.
    pub fn priced(&self, markets: MarketSet) -> Vec<PricedMarket> {
        let priced = |index: u16| {
            let underlying = &self.underlyings[usize::from(index)];
            PricedMarket {
                market: underlying.market,
                price: underlying.price_account,
            }
        };
        markets.iter().map(priced).collect()
    }

    /// Addresses of the markets in a set.
    pub fn addresses(&self, markets: MarketSet) -> Vec<Pubkey> {
        let address = |index: u16| self.underlyings[usize::from(index)].market;
        markets.iter().map(address).collect()
    }

    // Reading

    /// A margin account, by place in [`World::traders`].
    ///
    /// # Errors
    /// When the SVM has no such account.
    pub fn account(&self, trader: usize) -> Result<MarginAccount> {
        Ok(decode(self.svm.data(&self.traders[trader].account)?)?)
    }

    /// The bank.
    ///
    /// # Errors
    /// When the SVM has no such account.
    pub fn bank(&self) -> Result<Bank> {
        Ok(decode(self.svm.data(&self.house.bank)?)?)
    }

    /// A market's ledger.
    ///
    /// # Errors
    /// When the SVM has no such account.
    pub fn ledger(&self, market: usize) -> Result<MarketLedger> {
        Ok(decode(self.svm.data(&self.underlyings[market].ledger)?)?)
    }

    /// All markets and prices as the native engine sees them now.
    ///
    /// # Errors
    /// When an account cannot be read, or a price would be refused.
    pub fn view(&self) -> Result<View> {
        let mut markets = Vec::with_capacity(self.underlyings.len());
        for underlying in &self.underlyings {
            let fetched = FetchedMarket {
                market: self.svm.data(&underlying.market)?,
                ledger: self.svm.data(&underlying.ledger)?,
                price: FetchedPrice {
                    address: underlying.price_account,
                    owner: pyth_solana_receiver_sdk::ID,
                    data: self.svm.data(&underlying.price_account)?,
                },
            };
            markets.push(LoadedMarket::load(&fetched, true, self.now)?);
        }
        Ok(View::new(markets, self.now))
    }

    /// Name of a series.
    pub fn series_name(&self, market: u16, slot: u16) -> &str {
        let underlying = self.underlyings.get(usize::from(market));
        underlying
            .and_then(|underlying| underlying.names.get(usize::from(slot)))
            .map_or("?", String::as_str)
    }

    /// Lots in words: units of the underlying.
    pub fn units(&self, market: u16, lots: i64) -> f64 {
        let lot = self.underlyings[usize::from(market)].lot_size;
        lots as f64 * lot as f64 / 1e9
    }
}

impl Activity {
    /// Counts a transaction of the deployment.
    pub fn sent(&mut self, name: &'static str) {
        self.transactions += 1;
        self.last = name;
    }

    /// Counts a transaction.
    pub fn executed(&mut self, name: &'static str, done: &Executed) {
        self.transactions += 1;
        self.last = name;
        self.last_units = done.units;
    }

    /// Counts a simulation.
    pub fn simulated(&mut self, name: &'static str, done: &Executed) {
        self.simulations += 1;
        self.last = name;
        self.last_units = done.units;
    }
}
