//! The world of a run, who is in it, and the one way to send an instruction.

use crate::snapshot::Snapshot;
use anchor_lang::solana_program::instruction::Instruction;
use estuary::state::{MarginAccount, MarketLedger};
use estuary_risk::margin::MarginReport;
use estuary_tests::setup::{btc_args, sol_args, BTC_PRICE, SOL_PRICE, USD, USUAL_FEES};
use estuary_tests::token::mint;
use estuary_tests::world::MAX_HEAP;
use estuary_tests::{
    ix, EstuaryError, House, InstructionError, Keypair, Pubkey, Random, Signer, Token, Trader,
    Underlying, World,
};
use std::collections::BTreeMap;

/// Owners besides the one that takes what nobody else would.
pub const OWNERS: usize = 10;
/// Owners with a second account.
const WITH_TWO: usize = 3;
/// What every owner has of each token outside, base units.
const PURSE: u64 = 1_000_000_000_000_000;
/// Cash of the account that takes over what nobody else can.
const BACKSTOP: u64 = 500_000_000 * USD;

/// How often each action ended in which way.
pub type Counts = BTreeMap<String, BTreeMap<String, u64>>;

/// One margin account.
pub struct User {
    pub trader: Trader,
    pub delegate: Option<Keypair>,
    pub is_open: bool,
}

pub struct Run {
    pub random: Random,
    pub world: World,
    pub house: House,
    pub markets: Vec<Underlying>,
    pub tokens: [Token; 2],
    /// Dollars per unit of each market's underlying.
    pub prices: [f64; 2],
    /// Whether each market's price is published as time passes.
    pub feeds: [bool; 2],
    /// When each market's price was last published.
    pub published: [i64; 2],
    pub users: Vec<User>,
    pub counts: Counts,
    /// Instructions so far.
    pub sent: u64,
    /// All tokens outside at the start, of the settlement token and of the two others.
    pub outside: [u64; 3],
}

/// What an instruction failed with.
pub fn name(program: &Pubkey, error: &InstructionError) -> String {
    let InstructionError::Custom(code) = error else {
        return format!("the runtime's {error:?}");
    };
    if *program != estuary::ID {
        return format!("another program's {code}");
    }
    match EstuaryError::from_code(*code) {
        Some(error) => format!("{error:?}"),
        None => format!("Anchor's {code}"),
    }
}

impl Run {
    pub fn new(seed: u64) -> Self {
        let (mut world, house) = World::with_house();
        // What the client asks for: without it a liquidation of many positions fails for want of memory.
        world.use_heap(MAX_HEAP);
        let markets = [(btc_args(), BTC_PRICE), (sol_args(), SOL_PRICE)].map(|(args, price)| {
            let args = USUAL_FEES.of(args);
            house.create_market(&mut world, &args, price)
        });
        let mints = [world.make_mint(8, &[]), world.place(mint(9))];
        let tokens = [0, 1].map(|place| house.add_token(&mut world, &markets[place], mints[place]));
        let now = world.now();
        let mut run = Self {
            random: Random::new(seed),
            world,
            house,
            markets: markets.to_vec(),
            tokens,
            prices: [BTC_PRICE, SOL_PRICE],
            feeds: [true; 2],
            published: [now; 2],
            users: Vec::new(),
            counts: Counts::new(),
            sent: 0,
            outside: [0; 3],
        };
        run.list_first();
        run.open_users();
        run
    }

    fn open_users(&mut self) {
        for owner in 0..=OWNERS {
            let cash = if owner == OWNERS {
                BACKSTOP
            } else {
                50_000 * USD
            };
            let trader = self.newcomer(cash);
            if owner < WITH_TWO {
                let (house, world) = (&self.house, &mut self.world);
                let second = house.sub_account(world, &trader, 1, 20_000 * USD);
                self.users.insert(0, User::new(second));
            }
            self.users.push(User::new(trader));
        }
        self.outside = self.everything();
    }

    /// The user that takes over what nobody else can, the one opened last.
    pub fn backstop(&self) -> usize {
        self.users.len() - 1
    }

    /// The account of another owner, which becomes the backstop.
    pub fn open_backstop(&mut self, cash: u64) -> usize {
        let before = self.everything();
        let trader = self.newcomer(cash);
        self.users.push(User::new(trader));
        let brought = self.everything();
        for ((sum, after), before) in self.outside.iter_mut().zip(brought).zip(before) {
            *sum += after - before;
        }
        self.backstop()
    }

    /// An owner with an account and tokens outside.
    fn newcomer(&mut self, cash: u64) -> Trader {
        let trader = self.house.trader(&mut self.world, cash);
        for token in self.tokens {
            self.world.fill_purse(&token, &trader.owner.pubkey(), PURSE);
        }
        trader
    }

    /// All tokens in purses and vaults.
    fn everything(&self) -> [u64; 3] {
        let mut sums = self.purses();
        for (sum, vault) in sums.iter_mut().zip(self.vaults()) {
            *sum += vault;
        }
        sums
    }

    /// A flat backstop, with which whatever account there is fits one transaction.
    pub fn renew_backstop(&mut self) -> usize {
        self.open_backstop(BACKSTOP)
    }

    /// Whether the action has succeeded so far.
    pub fn has_succeeded(&self, action: &str) -> bool {
        let outcomes = self.counts.get(action);
        outcomes.is_some_and(|outcomes| outcomes.contains_key("ok"))
    }

    /// A user other than the backstop.
    pub fn any(&mut self) -> usize {
        self.random.below(self.users.len() as u64 - 1) as usize
    }

    /// A user with an open account.
    pub fn any_open(&mut self) -> usize {
        loop {
            let user = self.any();
            if self.users[user].is_open {
                return user;
            }
        }
    }

    /// Two different users with open accounts.
    pub fn pair(&mut self) -> [usize; 2] {
        let first = self.any_open();
        loop {
            let second = self.any_open();
            if second != first {
                return [first, second];
            }
        }
    }

    /// Two open accounts of one owner.
    pub fn own_pair(&mut self) -> Option<[usize; 2]> {
        let first = self.any_open();
        let owner = self.users[first].trader.owner.pubkey();
        let second = self
            .open()
            .find(|other| *other != first && self.users[*other].trader.owner.pubkey() == owner)?;
        Some([first, second])
    }

    /// Users with open accounts.
    pub fn open(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.users.len()).filter(|user| self.users[*user].is_open)
    }

    pub fn trader(&self, user: usize) -> Trader {
        self.users[user].trader.clone()
    }

    pub fn account(&self, user: usize) -> MarginAccount {
        self.world.account(&self.users[user].trader)
    }

    pub fn ledger(&self, market: usize) -> MarketLedger {
        self.world.read(&self.markets[market].ledger)
    }

    /// Whether instructions that need the market's price succeed.
    pub fn is_fresh(&self, market: usize) -> bool {
        let age = self.world.now() - self.published[market];
        age <= i64::from(self.markets[market].args.max_price_age_seconds)
    }

    /// The account's margin, if the prices for it are fresh.
    pub fn report(&self, user: usize) -> Option<MarginReport> {
        let trader = &self.users[user].trader;
        let priced = self.account(user).priced_markets().expect("markets");
        if !priced.iter().all(|market| self.is_fresh(market.into())) {
            return None;
        }
        let markets = self.world.needed(&[trader], &[], &self.markets);
        Some(self.world.report(trader, &markets))
    }

    /// Whether the account is known to be below zero.
    pub fn is_below_zero(&self, user: usize) -> bool {
        let report = self.report(user);
        report.is_some_and(|report| report.equity.0 < 0)
    }

    /// Sends an instruction, counts what became of it, and checks everybody whose account is not in it. Returns the
    /// error's name.
    pub fn send(
        &mut self,
        action: &str,
        instruction: Instruction,
        signers: &[&Keypair],
    ) -> Result<(), String> {
        let before = Snapshot::of(self);
        let keys: Vec<_> = instruction
            .accounts
            .iter()
            .map(|meta| meta.pubkey)
            .collect();
        let mut distinct: Vec<&Keypair> = Vec::new();
        for signer in signers {
            if distinct.iter().all(|one| one.pubkey() != signer.pubkey()) {
                distinct.push(signer);
            }
        }
        let outcome = self.world.send(instruction, &distinct);
        self.sent += 1;
        let refusal = outcome.refusal().expect("an error with a name");
        let refusal = refusal.map(|(program, error)| name(&program, &error));
        let outcome = refusal.clone().unwrap_or_else(|| "ok".to_owned());
        assert!(!outcome.ends_with("Invariant"), "{action}: {outcome}");
        let outcomes = self.counts.entry(action.to_owned()).or_default();
        *outcomes.entry(outcome).or_default() += 1;
        let after = Snapshot::of(self);
        after.check_bystanders(&before, self, &keys);
        after.check_marks(&before, self, action);
        refusal.map_or(Ok(()), Err)
    }

    /// One random action, which may send several instructions.
    pub fn step(&mut self) {
        match self.random.below(100) {
            0..=3 => self.deposit(),
            4..=5 => self.deposit_token(),
            6..=8 => self.withdraw(),
            9..=10 => self.withdraw_token(),
            11..=13 => self.transfer_balance(),
            14..=17 => self.transfer_positions(),
            18..=47 => self.trade(),
            48..=53 => self.liquidate_any(),
            54..=55 => self.resolve_any(),
            56..=57 => self.mark_any(),
            58..=68 => self.settle_any(),
            69 => self.settle_on_credit_any(),
            70..=71 => self.leave(),
            72..=74 => self.enter(),
            75 => {
                self.fund_insurance();
                let market = self.random.below(2) as usize;
                self.sweep(market);
            }
            76..=77 => self.set_status(),
            78 => self.post_surfaces(),
            79 => self.set_delegate(),
            80..=81 => self.wrong(),
            82..=83 => self.reduce_any(),
            84..=88 => self.expire(),
            89..=90 => self.roll(),
            _ => self.move_on(),
        }
    }

    /// The vaults of the settlement token and of the two others.
    pub fn vaults(&self) -> [u64; 3] {
        let [first, second] = self.tokens.map(|token| token.bank.vault);
        [self.house.vault, first, second].map(|vault| self.world.tokens(&vault))
    }

    /// What all owners have outside, of the settlement token and of the two others.
    pub fn purses(&self) -> [u64; 3] {
        let mut sums = [0; 3];
        for user in self.users.iter().filter(|user| user.trader.sub_id == 0) {
            let owner = user.trader.owner.pubkey();
            let [first, second] = self.tokens.map(|token| token.purse(&owner));
            for (sum, key) in sums.iter_mut().zip([user.trader.tokens, first, second]) {
                *sum += self.world.tokens(&key);
            }
        }
        sums
    }

    pub fn set_delegate(&mut self) {
        let user = self.any_open();
        let trader = self.trader(user);
        let delegate = self.world.keypair();
        let clears = self.random.below(5) == 0;
        let until = self.world.now() + 1 + self.random.below(200_000) as i64;
        let set = if clears {
            self.house.clear_delegate(&trader.party())
        } else {
            ix::set_delegate(&self.house, &trader, delegate.pubkey(), until)
        };
        let done = self.send("set_delegate", set, &[&trader.owner]);
        assert_eq!(done, Ok(()));
        self.users[user].delegate = (!clears).then_some(delegate);
    }
}

impl User {
    fn new(trader: Trader) -> Self {
        Self {
            trader,
            delegate: None,
            is_open: true,
        }
    }
}
