//! A clearinghouse with markets and traders, built by the program's own instructions.

use crate::{ix, token, Feed, World};
use anchor_lang::prelude::Pubkey;
use estuary::instructions::{CreateMarketArgs, OffsetArgs, ScenarioArgs, SeriesArgs, SurfaceSlice};
use estuary::state::series::NO_EXPIRY;
use estuary::state::{Bank, MarginAccount, Owner, SeriesKind, MAX_OFFSETS};
use estuary_client::address::{self, TokenBank};
use estuary_client::instruction::Trader as Addresses;
use estuary_risk::liquidity::LiquidityParameters;
use estuary_risk::scenario::ScenarioParameters;
use solana_account::Account;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::ops::Deref;

/// One unit of the settlement token.
pub const USD: u64 = 1_000_000;
/// Tokens every trader has besides what is deposited.
pub const POCKET: u64 = 1_000_000_000 * USD;
/// Most cash that one account may owe.
pub const MAX_ACCOUNT_DEBT: u64 = 1_000_000 * USD;
/// Seconds of a day.
pub const DAY: i64 = 86_400;
/// Exponent of all prices here.
pub const EXPONENT: i8 = -8;
/// Days to the expiries of every market, in the order of their indices.
pub const EXPIRY_DAYS: [i64; 3] = [7, 30, 90];
/// Strikes of every market, percent of the starting price.
pub const STRIKE_PERCENT: [u64; 9] = [75, 80, 90, 95, 100, 105, 110, 120, 125];
/// Starting price of BTC, US dollars.
pub const BTC_PRICE: f64 = 100_000.0;
/// Starting price of SOL, US dollars.
pub const SOL_PRICE: f64 = 200.0;
/// Volatility of every expiry at the start.
pub const VOL_PPB: u64 = 600_000_000;
/// Share of trading fees that goes to insurance.
pub const INSURANCE_SHARE_PPM: u32 = 250_000;
/// Series listed by one instruction, so that it fits a packet.
const SERIES_PER_LISTING: usize = 60;

/// A clearinghouse, its bank and its authority. The addresses are the client's.
pub struct House {
    /// Where everything is.
    pub addresses: estuary_client::House,
    /// Who governs it.
    pub authority: Keypair,
}

impl Deref for House {
    type Target = estuary_client::House;

    fn deref(&self) -> &Self::Target {
        &self.addresses
    }
}

/// What trades in a market cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fees {
    /// The maker, parts per million of the underlying.
    pub maker_ppm: u32,
    /// The taker.
    pub taker_ppm: u32,
    /// Most of an option's premium.
    pub option_cap_ppm: u32,
}

impl Fees {
    /// These fees in a market's arguments.
    pub fn of(self, args: CreateMarketArgs) -> CreateMarketArgs {
        CreateMarketArgs {
            maker_fee_ppm: self.maker_ppm,
            taker_fee_ppm: self.taker_ppm,
            option_fee_cap_ppm: self.option_cap_ppm,
            ..args
        }
    }
}

/// What exchanges charge: 0.02% and 0.05%, of an option's premium at most an eighth.
pub const USUAL_FEES: Fees = Fees {
    maker_ppm: 200,
    taker_ppm: 500,
    option_cap_ppm: 125_000,
};

/// A market, its ledger and the account that its prices come in.
#[derive(Clone, Debug)]
pub struct Underlying {
    /// Index in the clearinghouse.
    pub index: u16,
    /// The market.
    pub market: Pubkey,
    /// Its ledger.
    pub ledger: Pubkey,
    /// Where its prices are.
    pub price_account: Pubkey,
    /// Mantissa of the price it was created at.
    pub listed_price: u64,
    /// What it was created with.
    pub args: CreateMarketArgs,
}

/// A token that is collateral, and its bank.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    /// Where everything is.
    pub bank: TokenBank,
    /// The bank's index in the clearinghouse.
    pub index: u16,
    /// The market whose underlying the token is.
    pub market: Pubkey,
}

/// The owner of a margin account and of the tokens to put into it.
pub struct Trader {
    /// Signs.
    pub owner: Keypair,
    /// Number of the margin account.
    pub sub_id: u16,
    /// The margin account.
    pub account: Pubkey,
    /// Token account.
    pub tokens: Pubkey,
}

impl Clone for Trader {
    fn clone(&self) -> Self {
        Self {
            owner: self.owner.insecure_clone(),
            ..*self
        }
    }
}

/// A price as a mantissa at [`EXPONENT`].
pub fn mantissa(dollars: f64) -> u64 {
    (dollars * 1e8).round() as u64
}

/// Scenario parameters as the program takes them.
pub fn scenario_args(parameters: &ScenarioParameters) -> ScenarioArgs {
    ScenarioArgs {
        spot_range_ppm: parameters.spot_range_ppm,
        node_ppm: parameters.node_ppm,
        tail_multiple_ppm: parameters.tail_multiple_ppm,
        tail_weight_ppm: parameters.tail_weight_ppm,
        fall_limit_ppm: parameters.fall_limit_ppm,
        vol_up_ppm: parameters.vol_up_ppm,
        vol_down_ppm: parameters.vol_down_ppm,
        vol_power_short_ppm: parameters.vol_power_short_ppm,
        vol_power_long_ppm: parameters.vol_power_long_ppm,
        twist_ppm: parameters.blocks.twist_ppm,
        skew_ppm: parameters.blocks.skew_ppm,
        basis_ppm: parameters.blocks.basis_ppm,
        basis_annual_ppm: parameters.blocks.basis_annual_ppm,
        short_minimum_ppm: parameters.charges.short_minimum_ppm,
        short_minimum_maintenance_ppm: parameters.charges.short_minimum_maintenance_ppm,
        oracle_confidence_ppm: parameters.charges.oracle_confidence_ppm,
        oracle_age_ppm: parameters.charges.oracle_age_ppm,
        unwind_delta_ppm: parameters.liquidity.unwind_delta_ppm,
        unwind_delta_impact_ppm: parameters.liquidity.unwind_delta_impact_ppm,
        unwind_vega_ppm: parameters.liquidity.unwind_vega_ppm,
        unwind_vega_impact_ppm: parameters.liquidity.unwind_vega_impact_ppm,
    }
}

fn market_args(symbol: &str, lot_size: u64, parameters: &ScenarioParameters) -> CreateMarketArgs {
    let mut padded = [0; 16];
    padded[..symbol.len()].copy_from_slice(symbol.as_bytes());
    let mut feed_id = [0xfe; 32];
    feed_id[..16].copy_from_slice(&padded);
    CreateMarketArgs {
        symbol: padded,
        feed_id,
        price_program: pyth_solana_receiver_sdk::ID,
        price_exponent: EXPONENT,
        lot_size,
        max_price_age_seconds: 60,
        max_confidence_ppm: 20_000,
        band_spot_ppm: 30_000,
        band_vega_ppm: 100_000,
        liquidation_delta_ppm: 5_000,
        liquidation_vega_ppm: 50_000,
        liquidation_insurance_ppm: 250_000,
        max_series_open_interest: 0,
        max_market_open_interest: 0,
        maker_fee_ppm: 0,
        taker_fee_ppm: 0,
        option_fee_cap_ppm: 0,
        offset_floor_ppm: 350_000,
        stress_vol_ppm: 1_500_000,
        offsets: Vec::new(),
        // Amounts in the tests are those of exact prices and without a cost of unwinding; those about them switch them on.
        parameters: ScenarioArgs {
            oracle_confidence_ppm: 0,
            oracle_age_ppm: 0,
            unwind_delta_ppm: 0,
            unwind_delta_impact_ppm: 0,
            unwind_vega_ppm: 0,
            unwind_vega_impact_ppm: 0,
            ..scenario_args(parameters)
        },
    }
}

/// A market that makes every charge, also for the width and the age of a price.
pub fn charging_args(
    symbol: &str,
    lot_size: u64,
    parameters: &ScenarioParameters,
) -> CreateMarketArgs {
    CreateMarketArgs {
        parameters: scenario_args(parameters),
        ..market_args(symbol, lot_size, parameters)
    }
}

/// Half of the gains of the first market and of this one count for the other, at a realised correlation of 0.6 and above.
pub const USUAL_OFFSET: OffsetArgs = OffsetArgs {
    market: 0,
    offset_ppm: 500_000,
    correlation_full_ppm: 600_000,
    correlation_zero_ppm: 200_000,
};

/// The same with each of so many markets, as far as a market keeps pairs.
pub fn offsets_with(markets: u16) -> Vec<OffsetArgs> {
    let with = |market| OffsetArgs {
        market,
        ..USUAL_OFFSET
    };
    (0..markets).take(MAX_OFFSETS).map(with).collect()
}

/// Bitcoin, in lots of 0.001.
pub fn btc_args() -> CreateMarketArgs {
    market_args("BTC", 1_000_000, &ScenarioParameters::BTC)
}

/// Solana, in lots of 0.1.
pub fn sol_args() -> CreateMarketArgs {
    market_args("SOL", 100_000_000, &ScenarioParameters::SOL)
}

/// A market's arguments with the usual cost of unwinding.
pub fn with_liquidity_cost(args: CreateMarketArgs) -> CreateMarketArgs {
    let liquidity = LiquidityParameters::DEFAULT;
    CreateMarketArgs {
        parameters: ScenarioArgs {
            unwind_delta_ppm: liquidity.unwind_delta_ppm,
            unwind_delta_impact_ppm: liquidity.unwind_delta_impact_ppm,
            unwind_vega_ppm: liquidity.unwind_vega_ppm,
            unwind_vega_impact_ppm: liquidity.unwind_vega_impact_ppm,
            ..args.parameters
        },
        ..args
    }
}

/// A flat smile.
pub fn flat_slice(time: i64, atm_vol_ppb: u64) -> SurfaceSlice {
    SurfaceSlice {
        time,
        atm_vol_ppb,
        rho_ppb: 0,
        phi_ppb: 0,
        basis_rate_ppb: 0,
    }
}

/// The series of a usual market.
pub fn usual_series(price: f64) -> Vec<SeriesArgs> {
    series(price, EXPIRY_DAYS.len(), &STRIKE_PERCENT)
}

/// The perp, a future per expiry, and calls and puts at every strike, in percent of a price, of every expiry.
pub fn series(price: f64, expiries: usize, strike_percent: &[u64]) -> Vec<SeriesArgs> {
    let args = |kind, expiry, strike| SeriesArgs {
        kind,
        expiry,
        strike,
    };
    let mut series = vec![args(SeriesKind::Perp, NO_EXPIRY, 0)];
    for expiry in 0..expiries as u8 {
        series.push(args(SeriesKind::Future, expiry, 0));
        for percent in strike_percent {
            let strike = mantissa(price) / 100 * percent;
            series.push(args(SeriesKind::Call, expiry, strike));
            series.push(args(SeriesKind::Put, expiry, strike));
        }
    }
    series
}

impl House {
    /// A house that has not been built: keys and addresses only.
    pub fn planned(world: &mut World, id: u16) -> Self {
        let authority = world.keypair();
        world.fund(&authority.pubkey());
        let mint = world.place(token::mint(6));
        Self {
            addresses: estuary_client::House::new(id, authority.pubkey(), mint),
            authority,
        }
    }

    /// Turns to the bank of another token.
    pub fn use_mint(&mut self, mint: Pubkey) {
        self.addresses = estuary_client::House::new(self.id, self.authority.pubkey(), mint);
    }

    /// Creates the clearinghouse and its bank.
    pub fn build(world: &mut World, id: u16) -> Self {
        let house = Self::planned(world, id);
        let steps = [ix::create_clearinghouse(&house), ix::add_bank(&house)];
        world.send_all(&steps, &[&house.authority]).ok();
        house
    }

    /// Adds the bank of a token with a market's price.
    pub fn add_token(&self, world: &mut World, market: &Underlying, mint: Pubkey) -> Token {
        let token = self.planned_token(world, market, mint);
        let add = ix::add_token_bank(self, &token);
        world.send(add, &[&self.authority]).ok();
        let bank: Bank = world.read(&token.bank.bank);
        Token {
            index: bank.index,
            ..token
        }
    }

    /// A token without its bank.
    pub fn planned_token(&self, world: &World, market: &Underlying, mint: Pubkey) -> Token {
        Token {
            bank: self.token_bank(mint, world.raw(&mint).owner),
            index: 0,
            market: market.market,
        }
    }

    /// Creates a market without series, and its price.
    pub fn create_market(
        &self,
        world: &mut World,
        args: &CreateMarketArgs,
        price: f64,
    ) -> Underlying {
        let create = ix::create_market(self, args);
        world.send(create, &[&self.authority]).ok();
        let market = self.market(&args.feed_id);
        let underlying = Underlying {
            index: world.market(&market).header.index,
            market,
            ledger: address::ledger(&market),
            price_account: world.address(),
            listed_price: mantissa(price),
            args: args.clone(),
        };
        world.set_price(&underlying, price);
        underlying
    }

    /// Gives a market the usual expiries and series.
    pub fn list_usual_series(&self, world: &mut World, market: &Underlying, price: f64) {
        let slices = EXPIRY_DAYS.map(|days| flat_slice(world.now() + days * DAY, VOL_PPB));
        let series = usual_series(price);
        let capacity = u16::try_from(series.len()).expect("a capacity");
        let extend = ix::extend_market(self, &market.market, capacity);
        let post = ix::post_surface(self, &market.market, &slices);
        world.send_all(&[extend, post], &[&self.authority]).ok();
        for chunk in series.chunks(SERIES_PER_LISTING) {
            let list = ix::list_series(self, &market.market, chunk);
            world.send(list, &[&self.authority]).ok();
        }
    }

    /// A trader that has not opened the account yet.
    pub fn newcomer(&self, world: &mut World, tokens: u64) -> Trader {
        let owner = world.keypair();
        world.fund(&owner.pubkey());
        let tokens = world.place(token::token_account(self.mint, owner.pubkey(), tokens));
        Trader {
            account: self.margin_account(&owner.pubkey(), 0),
            owner,
            sub_id: 0,
            tokens,
        }
    }

    /// A trader with an account, who has deposited `deposit` and holds [`POCKET`] outside.
    pub fn trader(&self, world: &mut World, deposit: u64) -> Trader {
        let trader = self.newcomer(world, deposit + POCKET);
        let mut steps = vec![ix::open_account(self, &trader)];
        if deposit > 0 {
            steps.push(ix::deposit(self, &trader, deposit));
        }
        world.send_all(&steps, &[&trader.owner]).ok();
        trader
    }

    /// Another account of a trader's, with its own deposit from the same tokens.
    pub fn sub_account(
        &self,
        world: &mut World,
        trader: &Trader,
        sub_id: u16,
        deposit: u64,
    ) -> Trader {
        let owner = trader.owner.insecure_clone();
        let second = Trader {
            account: self.margin_account(&owner.pubkey(), sub_id),
            owner,
            sub_id,
            tokens: trader.tokens,
        };
        let mut steps = vec![ix::open_account(self, &second)];
        if deposit > 0 {
            steps.push(ix::deposit(self, &second, deposit));
        }
        world.send_all(&steps, &[&second.owner]).ok();
        second
    }
}

impl Token {
    /// Where an owner keeps the token.
    pub fn purse(&self, owner: &Pubkey) -> Pubkey {
        let seeds = [owner.as_ref(), self.bank.mint.as_ref()];
        Pubkey::find_program_address(&seeds, &self.bank.token_program).0
    }

    /// A trader with the token in its purse.
    pub fn addresses(&self, trader: &Trader) -> Addresses {
        let owner = trader.owner.pubkey();
        Addresses {
            tokens: self.purse(&owner),
            owner,
            sub_id: trader.sub_id,
        }
    }
}

impl Underlying {
    /// A good price of this market.
    pub fn feed(&self, price: f64, publish_time: i64) -> Feed {
        Feed::good(
            self.args.feed_id,
            mantissa(price),
            self.args.price_exponent,
            publish_time,
        )
    }
}

impl World {
    /// A world with one clearinghouse.
    pub fn with_house() -> (Self, House) {
        let mut world = Self::new();
        let house = House::build(&mut world, 1);
        (world, house)
    }

    /// A world with one clearinghouse and two markets with the usual series and without fees: BTC and SOL.
    pub fn with_markets() -> (Self, House, [Underlying; 2]) {
        Self::with_fees(Fees::default())
    }

    /// The same with fees.
    pub fn with_fees(fees: Fees) -> (Self, House, [Underlying; 2]) {
        Self::with_args([btc_args(), sol_args()].map(|args| fees.of(args)))
    }

    /// The same with the cost of unwinding and without fees.
    pub fn with_liquidity_cost() -> (Self, House, [Underlying; 2]) {
        Self::with_args([btc_args(), sol_args()].map(with_liquidity_cost))
    }

    fn with_args([btc, sol]: [CreateMarketArgs; 2]) -> (Self, House, [Underlying; 2]) {
        let (mut world, house) = Self::with_house();
        let markets = [(btc, BTC_PRICE), (sol, SOL_PRICE)];
        let markets = markets.map(|(args, price)| {
            let market = house.create_market(&mut world, &args, price);
            house.list_usual_series(&mut world, &market, price);
            market
        });
        (world, house, markets)
    }

    /// Gives an owner so many base units of a token, and returns where they are.
    pub fn fill_purse(&mut self, token: &Token, owner: &Pubkey, amount: u64) -> Pubkey {
        let purse = token.purse(owner);
        let account = token::token_account(token.bank.mint, *owner, amount);
        let account = Account {
            owner: token.bank.token_program,
            ..account
        };
        self.put(purse, account);
        purse
    }

    /// Deposits a token that the trader receives for it.
    pub fn deposit_token(&mut self, house: &House, trader: &Trader, token: &Token, amount: u64) {
        self.fill_purse(token, &trader.owner.pubkey(), amount);
        let deposit = ix::deposit_token(house, trader, token, amount);
        self.send(deposit, &[&trader.owner]).ok();
    }

    /// Publishes a good price now.
    pub fn set_price(&mut self, market: &Underlying, price: f64) {
        let feed = market.feed(price, self.now());
        self.put_feed(market.price_account, &feed);
    }

    /// A trader's margin account.
    pub fn account(&self, trader: &Trader) -> MarginAccount {
        self.read(&trader.account)
    }

    /// What a trader's owner holds in all accounts.
    pub fn owner(&self, trader: &Trader) -> Owner {
        let account = self.account(trader);
        self.read(&trader.owner_account(&account.clearinghouse))
    }

    /// A trader's cash, micro-units.
    pub fn cash(&self, trader: &Trader) -> i64 {
        self.account(trader).cash()
    }
}
