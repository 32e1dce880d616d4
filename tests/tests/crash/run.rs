//! The world of a replay and who is in it: customers, a market maker per market, and a liquidator with several accounts.

use crate::figures::Figures;
use crate::prices::{Step, SYMBOLS};
use crate::surface::Rule;
use crate::view::View;
use estuary::instructions::CreateMarketArgs;
use estuary::state::MarginAccount;
use estuary_risk::scenario::ScenarioParameters;
use estuary_tests::setup::{btc_args, scenario_args, series, sol_args, DAY, USD, USUAL_FEES};
use estuary_tests::token::mint;
use estuary_tests::{ix, House, Pubkey, Random, Signer, Token, Trader, Underlying, World};

/// Days from the first bar to the expiries of every market.
const EXPIRY_DAYS: [i64; 3] = [14, 28, 56];
/// Strikes of every expiry, percent of the first price.
pub const STRIKES: [u64; 6] = [60, 75, 90, 100, 110, 125];
/// Volatility that realised volatility has to exceed before it is posted.
const BASE_VOLATILITY: [f64; 3] = [0.40, 0.65, 0.80];
/// Decimals of the tokens that are collateral.
const TOKEN_DECIMALS: [u8; 3] = [8, 8, 9];
/// What a market maker brings.
const MAKER_CASH: u64 = 900_000_000 * USD;
/// Accounts of the liquidator and what each has.
const LIQUIDATOR_ACCOUNTS: u16 = 6;
const LIQUIDATOR_CASH: u64 = 40_000_000 * USD;
/// What the insurance fund begins with.
const INSURANCE: u64 = 5_000 * USD;

/// Somebody with a book of positions.
pub struct Customer {
    pub trader: Trader,
    /// What the book is made of.
    pub book: String,
    /// Whether its equity was below zero at any step.
    pub was_below_zero: bool,
}

pub struct Run {
    pub random: Random,
    pub world: World,
    pub house: House,
    /// By the order of [`SYMBOLS`].
    pub markets: Vec<Underlying>,
    /// The underlying of each market as collateral.
    pub tokens: Vec<Token>,
    pub expiries: [i64; 3],
    pub rules: [Rule; 3],
    /// Dollars per unit of each underlying.
    pub prices: [f64; 3],
    /// One per market.
    pub makers: Vec<Trader>,
    pub liquidators: Vec<Trader>,
    pub customers: Vec<Customer>,
    /// Where owners keep the tokens of each market.
    pub purses: [Vec<Pubkey>; 3],
    /// All tokens there are, in vaults and outside: the settlement token's, and those of each market.
    pub money: [u64; 4],
    pub figures: Figures,
}

fn eth_args() -> CreateMarketArgs {
    let btc = btc_args();
    let mut feed_id = btc.feed_id;
    feed_id[..3].copy_from_slice(b"ETH");
    let mut symbol = btc.symbol;
    symbol[..3].copy_from_slice(b"ETH");
    CreateMarketArgs {
        symbol,
        feed_id,
        lot_size: 10_000_000,
        parameters: scenario_args(&ScenarioParameters::ETH),
        ..btc
    }
}

impl Run {
    /// Markets at the first step's prices, their makers and the liquidator; no customers yet.
    pub fn new(seed: u64, first: &Step) -> Self {
        let mut world = World::new();
        world.set_time(first.time);
        let house = House::build(&mut world, 1);
        let mut run = Self {
            random: Random::new(seed),
            house,
            markets: Vec::new(),
            tokens: Vec::new(),
            expiries: EXPIRY_DAYS.map(|days| first.time + days * DAY),
            rules: BASE_VOLATILITY.map(Rule::new),
            prices: first.prices,
            makers: Vec::new(),
            liquidators: Vec::new(),
            customers: Vec::new(),
            purses: Default::default(),
            money: [0; 4],
            figures: Figures::default(),
            world,
        };
        let args = [btc_args(), eth_args(), sol_args()];
        for (market, args) in args.into_iter().enumerate() {
            run.add_market(market, &USUAL_FEES.of(args));
        }
        for _ in SYMBOLS {
            let maker = run.house.trader(&mut run.world, MAKER_CASH);
            run.makers.push(maker);
        }
        run.open_liquidators();
        let fund = ix::fund_insurance(&run.house, &run.makers[0], INSURANCE);
        let funder = run.makers[0].owner.insecure_clone();
        run.world.send(fund, &[&funder]).ok();
        run
    }

    fn add_market(&mut self, market: usize, args: &CreateMarketArgs) {
        let price = self.prices[market];
        let underlying = self.house.create_market(&mut self.world, args, price);
        let series = series(price, EXPIRY_DAYS.len(), &STRIKES);
        let capacity = u16::try_from(series.len()).expect("a capacity");
        let extend = ix::extend_market(&self.house, &underlying.market, capacity);
        let authority = self.house.authority.insecure_clone();
        self.world.send(extend, &[&authority]).ok();
        self.markets.push(underlying.clone());
        self.post_surface(market);
        let list = ix::list_series(&self.house, &underlying.market, &series);
        self.world.send(list, &[&authority]).ok();
        let mint = self.world.place(mint(TOKEN_DECIMALS[market]));
        let token = self.house.add_token(&mut self.world, &underlying, mint);
        self.tokens.push(token);
    }

    fn open_liquidators(&mut self) {
        let (house, world) = (&self.house, &mut self.world);
        let first = house.trader(world, LIQUIDATOR_CASH);
        let further = (1..LIQUIDATOR_ACCOUNTS)
            .map(|sub_id| house.sub_account(world, &first, sub_id, LIQUIDATOR_CASH));
        let further: Vec<_> = further.collect();
        for (token, purses) in self.tokens.iter().zip(&mut self.purses) {
            purses.push(world.fill_purse(token, &first.owner.pubkey(), 0));
        }
        self.liquidators.push(first);
        self.liquidators.extend(further);
    }

    /// Posts the surface of a market by its rule.
    pub fn post_surface(&mut self, market: usize) {
        let slices = self.rules[market].post(&self.expiries, self.world.now());
        let post = ix::post_surface(&self.house, &self.markets[market].market, &slices);
        let authority = self.house.authority.insecure_clone();
        self.world.send(post, &[&authority]).ok();
        self.figures.surfaces += 1;
    }

    /// Moves to a step and publishes its prices.
    pub fn publish(&mut self, step: &Step) {
        self.world.set_time(step.time);
        self.prices = step.prices;
        for (market, price) in self.markets.iter().zip(step.prices) {
            self.world.set_price(market, price);
        }
    }

    /// The markets as the native engine sees them now.
    pub fn view(&self) -> View {
        let load = |market| self.world.loaded(market);
        View::new(self.markets.iter().map(load).collect(), self.world.now())
    }

    pub fn account(&self, trader: &Trader) -> MarginAccount {
        self.world.account(trader)
    }

    /// All tokens in vaults and with owners.
    pub fn count_money(&self) -> [u64; 4] {
        let amount = |key: &Pubkey| self.world.tokens(key);
        let owners = self.everybody().filter(|trader| trader.sub_id == 0);
        let outside: u64 = owners.map(|trader| amount(&trader.tokens)).sum();
        let mut money = [outside + amount(&self.house.vault), 0, 0, 0];
        for (market, token) in self.tokens.iter().enumerate() {
            let purses: u64 = self.purses[market].iter().map(amount).sum();
            money[market + 1] = purses + amount(&token.bank.vault);
        }
        money
    }

    /// Everybody with an account: customers first, then makers, then the liquidator's.
    pub fn everybody(&self) -> impl Iterator<Item = &Trader> {
        let customers = self.customers.iter().map(|customer| &customer.trader);
        customers.chain(&self.makers).chain(&self.liquidators)
    }
}
