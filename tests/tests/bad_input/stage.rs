//! The prepared world in which every instruction of the table succeeds.

use anchor_lang::solana_program::instruction::Instruction;
use estuary::instructions::{CreateMarketArgs, PositionTransfer, SeriesArgs, TradeLeg};
use estuary::state::SeriesKind::Future;
use estuary_tests::expiry::MINUTE;
use estuary_tests::mint::ExtensionType;
use estuary_tests::setup::{btc_args, flat_slice, BTC_PRICE, SOL_PRICE, USD, USUAL_FEES, VOL_PPB};
use estuary_tests::trade::PERP;
use estuary_tests::{
    ix, token, Holding, House, Keypair, Pubkey, Signer, Token, Trader, Underlying, World,
};
use std::collections::HashMap;

/// What a rich trader has deposited.
const RICH: u64 = 10_000_000 * USD;
/// Seconds since the ledgers have seen a price: longer than a price may be old.
const SINCE_LAST: i64 = 100;

/// What the taker has of a token, base units.
pub const TOKENS: u64 = 1_000_000_000;

/// An instruction and who signs it.
pub struct Good {
    /// The instruction.
    pub instruction: Instruction,
    /// Those who sign.
    pub signers: Vec<Keypair>,
}

/// One world, two clearinghouses.
pub struct Stage {
    /// The world.
    pub world: World,
    /// The clearinghouse that the instructions are sent to.
    pub house: House,
    /// Another with a bank and the same two markets, and accounts of the same owners.
    pub other: House,
    /// Its BTC and SOL; every ledger has seen a price [`SINCE_LAST`] seconds ago, and there is a price of now.
    pub markets: [Underlying; 2],
    /// Long perps of both markets.
    pub taker: Trader,
    /// Short what the taker is long.
    pub maker: Trader,
    /// Another account of the taker's, with cash.
    pub second: Trader,
    /// Below its maintenance margin, with positions in both markets.
    pub weak: Trader,
    /// Rich and without positions.
    pub liquidator: Trader,
    /// An account without anything.
    pub empty: Trader,
    /// A clearinghouse without a bank, whose mint is another.
    pub unbanked: House,
    /// A clearinghouse that does not exist.
    pub planned: House,
    /// An owner without an account.
    pub newcomer: Trader,
    /// A mint that no bank is of.
    pub other_mint: Pubkey,
    /// Collateral with the second market's price, of which the taker and the weak account have [`TOKENS`].
    pub token: Token,
    /// A mint of Token-2022 that no bank is of, with an extension that is refused.
    pub extended_mint: Pubkey,
    /// Per account, the one with the same role in the other clearinghouse.
    pub foreign: HashMap<Pubkey, Pubkey>,
    /// Publish time of the price that the ledgers saw last.
    pub last_publish_time: i64,
    /// Slot of a BTC future that has expired.
    pub matured_slot: u16,
    /// When it expired.
    pub matured_time: i64,
}

fn copy(trader: &Trader) -> Trader {
    Trader {
        owner: trader.owner.insecure_clone(),
        ..*trader
    }
}

fn copy_house(house: &House) -> House {
    House {
        addresses: house.addresses,
        authority: house.authority.insecure_clone(),
    }
}

/// Lists a future that expires at `soon`.
fn list(world: &mut World, house: &House, market: &Underlying, soon: i64) {
    let slices = [flat_slice(soon, VOL_PPB)];
    let count = world.market(&market.market).header.series_count;
    let expiry = world.market(&market.market).header.expiry_count;
    let future = SeriesArgs {
        kind: Future,
        expiry,
        strike: 0,
    };
    let steps = [
        ix::extend_market(house, &market.market, count + 5),
        ix::post_surface(house, &market.market, &slices),
        ix::list_series(house, &market.market, &[future]),
    ];
    world.send_all(&steps, &[&house.authority]).ok();
}

impl Stage {
    /// The taker owes the liquidator, who has claimed it, has no cash, and tokens that are worth far more.
    pub fn owe_without_cash(&mut self) {
        let (market, debt) = (self.markets[0].clone(), 1_000 * USD as i64);
        let slot = self.world.slot(&market, Future, 2, 0);
        let world = &mut self.world;
        // Bought and sold again at another price.
        for (lots, cost) in [(10, 0), (-10, debt)] {
            let holding = Holding { slot, lots, cost };
            world.hold(&self.liquidator, &self.taker, &market, &[holding]);
        }
        world
            .settle(&self.house, &self.liquidator, &market, false)
            .ok();
        let cash = world.cash(&self.taker);
        world.adjust_cash(&self.taker, -cash);
        world.adjust_cash(&self.liquidator, cash);
        let plenty = 1_000_000 * TOKENS;
        world.deposit_token(&self.house, &self.taker, &self.token, plenty);
    }

    /// Builds it.
    pub fn new() -> Self {
        let (mut world, house, markets) = World::with_fees(USUAL_FEES);
        let matured_time = world.now() + SINCE_LAST / 2;
        for market in &markets {
            list(&mut world, &house, market, matured_time);
        }
        let matured_slot = world.market(&markets[0].market).header.series_count - 1;
        let traders = [(); 4].map(|()| house.trader(&mut world, RICH));
        let [taker, maker, weak, liquidator] = traders;
        let second = house.sub_account(&mut world, &taker, 1, RICH);
        let empty = house.trader(&mut world, 0);
        let newcomer = house.newcomer(&mut world, RICH);
        let (other, foreign) = Self::abroad(
            &mut world,
            &house,
            &markets,
            &[&taker, &maker, &weak, &liquidator, &second, &empty],
        );
        let planned = House::planned(&mut world, 8);
        let unbanked = House::planned(&mut world, 9);
        let create = ix::create_clearinghouse(&unbanked);
        world.send(create, &[&unbanked.authority]).ok();
        let other_mint = world.place(token::mint(6));
        let mint = world.place(token::mint(9));
        let token = house.add_token(&mut world, &markets[1], mint);
        world.deposit_token(&house, &taker, &token, TOKENS);
        world.deposit_token(&house, &weak, &token, TOKENS);
        let extended_mint = world.make_mint(6, &[ExtensionType::TransferFeeConfig]);
        let mut stage = Self {
            last_publish_time: world.now(),
            world,
            house,
            other,
            markets,
            taker,
            maker,
            second,
            weak,
            liquidator,
            empty,
            unbanked,
            planned,
            newcomer,
            other_mint,
            token,
            extended_mint,
            foreign,
            matured_slot,
            matured_time,
        };
        stage.trade();
        stage
    }

    /// The other clearinghouse, and what of it corresponds to what.
    fn abroad(
        world: &mut World,
        house: &House,
        markets: &[Underlying; 2],
        traders: &[&Trader],
    ) -> (House, HashMap<Pubkey, Pubkey>) {
        let mut other = House::planned(world, 2);
        other.use_mint(house.mint);
        let steps = [ix::create_clearinghouse(&other), ix::add_bank(&other)];
        world.send_all(&steps, &[&other.authority]).ok();
        let mut foreign = HashMap::from([
            (house.clearinghouse, other.clearinghouse),
            (house.bank, other.bank),
            (house.vault, other.vault),
        ]);
        for (market, price) in markets.iter().zip([BTC_PRICE, SOL_PRICE]) {
            let there = other.create_market(world, &market.args, price);
            foreign.insert(market.market, there.market);
            foreign.insert(market.ledger, there.ledger);
        }
        for trader in traders {
            let there = other.margin_account(&trader.owner.pubkey(), trader.sub_id);
            let abroad = Trader {
                account: there,
                ..copy(trader)
            };
            let open = ix::open_account(&other, &abroad);
            world.send(open, &[&trader.owner]).ok();
            foreign.insert(trader.account, there);
            let [owner, there] =
                [house, &other].map(|one| trader.owner_account(&one.clearinghouse));
            foreign.insert(owner, there);
        }
        (other, foreign)
    }

    /// Trades both perps, makes the weak account weak, and lets time pass.
    fn trade(&mut self) {
        let legs = self.legs(10);
        let sides = [&self.taker, &self.maker];
        let done = self.world.trade(&self.house, sides, &legs, &self.markets);
        done.ok();
        let lost = [RICH / 2 - 2_000 * USD; 2].map(|lost| -i64::try_from(lost).expect("a loss"));
        for ((leg, market), cost) in legs.iter().zip(&self.markets).zip(lost) {
            let holding = Holding {
                slot: leg.slot,
                lots: 1_000,
                cost: cost - Self::value(market) * 1_000,
            };
            self.world.hold(&self.weak, &self.maker, market, &[holding]);
        }
        self.world.pass(SINCE_LAST);
        self.set_prices();
    }

    /// Names a delegate of both accounts of the taker's for so many seconds.
    pub fn delegate(&mut self, delegate: &Pubkey, seconds: i64) {
        let expiry = self.world.now() + seconds;
        for account in [&self.taker, &self.second] {
            let set = ix::set_delegate(&self.house, account, *delegate, expiry);
            self.world.send(set, &[&account.owner]).ok();
        }
    }

    /// Publishes the usual prices now.
    pub fn set_prices(&mut self) {
        for (market, price) in self.markets.iter().zip([BTC_PRICE, SOL_PRICE]) {
            self.world.set_price(market, price);
        }
    }

    /// Gives the taker and the weak account a lot each of a series of the first market.
    fn hold_one(&mut self, slot: u16) {
        let held = Holding {
            slot,
            lots: 1,
            cost: -Self::value(&self.markets[0]),
        };
        for long in [&self.taker, &self.weak] {
            let (short, market) = (&self.maker, &self.markets[0]);
            self.world.hold(long, short, market, &[held]);
        }
    }

    /// Gives them the future that has expired without a settlement price.
    pub fn hold_matured(&mut self) {
        self.hold_one(self.matured_slot);
    }

    /// Gives them a future that has a settlement price, and returns its slot. Time has passed to its expiry and a minute
    /// on, and the prices are of now.
    pub fn hold_settled(&mut self) -> u16 {
        let slot = self.world.slot(&self.markets[0], Future, 0, 0);
        self.hold_one(slot);
        let expiry = self.later_expiry();
        self.world
            .mature(&self.house, &self.markets[0], expiry, BTC_PRICE);
        self.world.pass(MINUTE);
        self.set_prices();
        slot
    }

    /// Moves profit of the weak account's to the maker, so that it is below zero.
    pub fn sink(&mut self) {
        let slot = self.legs(1)[0].slot;
        let (to, from, market) = (&self.maker, &self.weak, &self.markets[0]);
        let loss = 100_000 * USD as i64;
        self.world.shift(to, from, market, slot, loss);
    }

    /// Value of a perp's lot at the price it was listed at, micro-units.
    fn value(market: &Underlying) -> i64 {
        let lot = market.listed_price as f64 * market.args.lot_size as f64 * 1e-11;
        lot as i64
    }

    /// The same world again, to be spoilt.
    pub fn fork(&self) -> Self {
        Self {
            world: self.world.fork(),
            house: copy_house(&self.house),
            other: copy_house(&self.other),
            markets: self.markets.clone(),
            taker: copy(&self.taker),
            maker: copy(&self.maker),
            second: copy(&self.second),
            weak: copy(&self.weak),
            liquidator: copy(&self.liquidator),
            empty: copy(&self.empty),
            unbanked: copy_house(&self.unbanked),
            planned: copy_house(&self.planned),
            newcomer: copy(&self.newcomer),
            foreign: self.foreign.clone(),
            ..*self
        }
    }

    /// A leg of `lots` in the perp of each market.
    pub fn legs(&self, lots: i64) -> Vec<TradeLeg> {
        let leg = |market| self.world.usual_leg(market, PERP, lots);
        self.markets.iter().map(leg).collect()
    }

    /// A transfer of `lots` of the first market's perp.
    pub fn moved(&self, lots: i64) -> PositionTransfer {
        let leg = self.legs(lots)[0];
        PositionTransfer {
            market: leg.market,
            slot: leg.slot,
            generation: leg.generation,
            lots,
        }
    }

    /// Arguments of a market that does not exist.
    pub fn third_market(&self) -> CreateMarketArgs {
        CreateMarketArgs {
            feed_id: [7; 32],
            ..btc_args()
        }
    }

    /// Addresses of everything on the stage but the owners: accounts of both clearinghouses, prices, tokens, programs.
    pub fn cast(&self) -> Vec<Pubkey> {
        let traders = [
            &self.taker,
            &self.maker,
            &self.second,
            &self.weak,
            &self.liquidator,
            &self.empty,
        ];
        let prices = self.markets.iter().map(|market| market.price_account);
        let mut cast: Vec<_> = self
            .foreign
            .iter()
            .flat_map(|(one, other)| [*one, *other])
            .collect();
        cast.extend(prices);
        cast.extend(traders.iter().map(|trader| trader.tokens));
        cast.extend([
            self.house.mint,
            self.other_mint,
            self.unbanked.clearinghouse,
        ]);
        cast.extend([
            estuary::ID,
            anchor_spl::token::ID,
            anchor_spl::token_2022::ID,
            self.extended_mint,
            anchor_lang::system_program::ID,
        ]);
        let bank = self.token.bank;
        cast.extend([bank.mint, bank.bank, bank.vault]);
        // A withdrawal to another clearinghouse's vault is a gift, which the audit would have to be told of.
        cast.retain(|key| *key != self.other.vault);
        // The same in every run.
        cast.sort_unstable();
        cast
    }

    /// When the first market's first usual expiry ends: in a day or more.
    pub fn later_expiry(&self) -> i64 {
        self.world.expiry(&self.markets[0], 0).time
    }

    /// Both markets, for what has positions in both.
    pub fn all(&self) -> Vec<&Underlying> {
        self.markets.iter().collect()
    }
}

impl Good {
    /// An instruction of the clearinghouse's authority.
    pub fn admin(house: &House, instruction: Instruction) -> Self {
        Self {
            instruction,
            signers: vec![house.authority.insecure_clone()],
        }
    }

    /// An instruction of owners.
    pub fn signed(instruction: Instruction, traders: &[&Trader]) -> Self {
        let owners = traders.iter().map(|trader| trader.owner.insecure_clone());
        Self {
            instruction,
            signers: owners.collect(),
        }
    }
}
