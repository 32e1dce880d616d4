//! A good instruction to be spoilt: its accounts go by their names in the IDL, those after them by `market0`,
//! `ledger0`, `price0`, `market1` and so on.

use crate::market::options;
use crate::stage::{Good, Stage, TOKENS};
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};
use anchor_lang::InstructionData;
use estuary::state::{MarginAccount, MarketStatus, MAX_LISTED_AT_ONCE, MAX_SERIES};
use estuary_tests::{ix, Feed, Keypair, Outcome, Pubkey, Signer, Trader};
use pyth_solana_receiver_sdk::price_update::VerificationLevel;

/// A verification level below full.
pub const PARTIAL: VerificationLevel = VerificationLevel::Partial { num_signatures: 12 };
/// What comes after the named accounts, per market.
const GROUP: [&str; 3] = ["market", "ledger", "price"];

/// One instruction on its stage.
pub struct Case<'a> {
    /// The world.
    pub stage: &'a mut Stage,
    /// The instruction.
    pub instruction: Instruction,
    signers: Vec<Keypair>,
    names: &'a [String],
}

impl<'a> Case<'a> {
    /// A good instruction whose accounts have these names.
    pub fn new(stage: &'a mut Stage, good: Good, names: &'a [String]) -> Self {
        Self {
            stage,
            instruction: good.instruction,
            signers: good.signers,
            names,
        }
    }

    /// Sends what has become of it.
    pub fn send(self) -> Outcome {
        let signers: Vec<_> = self.signers.iter().collect();
        self.stage.world.send(self.instruction, &signers)
    }

    fn index(&self, name: &str) -> usize {
        if let Some(index) = self.names.iter().position(|other| other == name) {
            return index;
        }
        let (what, market) = name.split_at(name.len() - 1);
        let place = GROUP.iter().position(|other| *other == what);
        let (Some(place), Ok(market)) = (place, market.parse::<usize>()) else {
            panic!("no account {name}");
        };
        self.names.len() + GROUP.len() * market + place
    }

    /// Whether the instruction names such an account.
    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|other| other == name)
    }

    fn meta(&mut self, name: &str) -> &mut AccountMeta {
        let index = self.index(name);
        &mut self.instruction.accounts[index]
    }

    /// The address of an account.
    pub fn key(&self, name: &str) -> Pubkey {
        self.instruction.accounts[self.index(name)].pubkey
    }

    /// Takes a signature away.
    pub fn unsign(&mut self, name: &str) {
        assert!(self.meta(name).is_signer, "{name} does not sign anyway");
        self.meta(name).is_signer = false;
    }

    /// Lets another sign in an account's place.
    pub fn signed_by(&mut self, name: &str, key: &Keypair) {
        self.signers.push(key.insecure_clone());
        self.replace(name, key.pubkey());
    }

    /// Takes the signature of one account away, by its place: another may be the same and still sign.
    pub fn unsign_at(&mut self, index: usize) {
        let payer = self.instruction.accounts[index].pubkey;
        assert!(
            self.instruction.accounts[index].is_signer,
            "{payer} does not sign anyway"
        );
        // Another payer, so that a signature elsewhere does not count here.
        let other = self.stage.world.address();
        self.stage.world.fund(&other);
        self.instruction.accounts[index].pubkey = other;
        self.instruction.accounts[index].is_signer = false;
    }

    /// Makes an account read-only.
    pub fn read_only(&mut self, name: &str) {
        assert!(self.meta(name).is_writable, "{name} is read-only anyway");
        self.meta(name).is_writable = false;
    }

    /// Adds a key to those who sign where the instruction wants them to.
    pub fn also_signed_by(&mut self, key: Keypair) {
        self.signers.push(key);
    }

    /// Lets someone sign who owns nothing.
    pub fn signed_by_stranger(&mut self, name: &str) {
        let stranger = self.stage.world.keypair();
        self.stage.world.fund(&stranger.pubkey());
        self.signed_by(name, &stranger);
    }

    /// Lets a delegate of the taker's accounts sign in an account's place, who may trade for `seconds` from now on.
    pub fn signed_by_delegate(&mut self, name: &str, seconds: i64) {
        let delegate = self.stage.newcomer.owner.insecure_clone();
        self.stage.delegate(&delegate.pubkey(), seconds);
        self.signed_by(name, &delegate);
    }

    /// Puts an address in an account's place.
    pub fn replace(&mut self, name: &str, key: Pubkey) {
        assert_ne!(self.key(name), key, "{name} is that already");
        self.meta(name).pubkey = key;
    }

    /// Puts one account of the instruction in another's place too.
    pub fn put(&mut self, name: &str, other: &str) {
        let key = self.key(other);
        self.replace(name, key);
    }

    /// Puts the account of another owner in an owner account's place.
    pub fn other_owner(&mut self, name: &str) {
        let key = self.key(name);
        let stage = &self.stage;
        let other = [&stage.empty, &stage.maker]
            .into_iter()
            .map(|trader| trader.owner_account(&stage.house.clearinghouse))
            .find(|other| *other != key);
        self.replace(name, other.expect("another owner"));
    }

    /// Puts another margin account in the place of the one of that name, and its owner's in the place of that.
    pub fn other_account(&mut self, [account, owner]: [&str; 2], other: fn(&Stage) -> &Trader) {
        let other = other(self.stage);
        let (key, summary) = (
            other.account,
            other.owner_account(&self.stage.house.clearinghouse),
        );
        self.replace(account, key);
        self.replace(owner, summary);
    }

    /// Puts an address in an account's place where nothing is.
    pub fn elsewhere(&mut self, name: &str) {
        let key = self.stage.world.address();
        self.replace(name, key);
    }

    /// Puts a copy in an account's place that belongs to another program.
    pub fn disown(&mut self, name: &str) {
        let mut account = self.stage.world.raw(&self.key(name));
        account.owner = self.stage.world.address();
        let copy = self.stage.world.place(account);
        self.replace(name, copy);
    }

    /// Puts a copy with other bytes in an account's place: what no one could make.
    pub fn forge(&mut self, name: &str, change: impl FnOnce(&mut [u8])) {
        let key = self.key(name);
        let copy = self
            .stage
            .world
            .forge(&key, |account| change(&mut account.data));
        self.replace(name, copy);
    }

    /// Puts the account with the same role in another clearinghouse in an account's place.
    pub fn foreign(&mut self, name: &str) {
        let key = self.key(name);
        let other = self.stage.foreign.get(&key);
        let other = *other.unwrap_or_else(|| panic!("no foreign {name}"));
        self.replace(name, other);
    }

    /// Other arguments.
    pub fn args(&mut self, data: impl InstructionData) {
        self.instruction.data = data.data();
    }

    /// Puts another price of a market in an account's place; `change` also gets the publish time the ledger has seen
    /// last.
    pub fn feed(&mut self, name: &str, market: usize, change: impl FnOnce(&mut Feed, i64)) {
        let underlying = &self.stage.markets[market];
        let price = underlying.listed_price as f64 * 1e-8;
        let mut feed = underlying.feed(price, self.stage.world.now());
        change(&mut feed, self.stage.last_publish_time);
        let key = self.stage.world.place(feed.account());
        self.replace(name, key);
    }

    /// Drops the last accounts.
    pub fn drop_last(&mut self, count: usize) {
        let left = self.instruction.accounts.len() - count;
        self.instruction.accounts.truncate(left);
    }

    /// Appends an account of the instruction once more.
    pub fn push(&mut self, name: &str) {
        let meta = self.meta(name).clone();
        self.instruction.accounts.push(meta);
    }

    /// Appends an account that has nothing to do with it.
    pub fn push_any(&mut self) {
        let key = self.stage.world.address();
        let meta = AccountMeta::new_readonly(key, false);
        self.instruction.accounts.push(meta);
    }

    /// Exchanges two accounts.
    pub fn swap(&mut self, one: &str, other: &str) {
        let (one, other) = (self.index(one), self.index(other));
        self.instruction.accounts.swap(one, other);
    }

    /// Deposits a token into the taker's account instead, by the maker.
    pub fn deposit_token(&mut self) {
        let stage = &mut *self.stage;
        let (token, maker) = (stage.token, &stage.maker);
        stage
            .world
            .fill_purse(&token, &maker.owner.pubkey(), TOKENS);
        self.instruction = ix::deposit_token(&stage.house, maker, &token, TOKENS);
        let (signer, account) = (maker.owner.insecure_clone(), stage.taker.account);
        self.also_signed_by(signer);
        self.replace("margin_account", account);
    }

    /// Withdraws a token from the taker's account instead.
    pub fn withdraw_token(&mut self, amount: u64) {
        let stage = &mut *self.stage;
        let (token, taker) = (stage.token, &stage.taker);
        stage.world.fill_purse(&token, &taker.owner.pubkey(), 0);
        let markets = stage.all();
        self.instruction = ix::withdraw_token(&stage.house, taker, &token, amount, &markets);
    }

    /// Sets the status of the first market.
    pub fn set_status(&mut self, status: MarketStatus) {
        let stage = &mut *self.stage;
        let set = ix::set_market_status(&stage.house, &stage.markets[0].market, status);
        stage.world.send(set, &[&stage.house.authority]).ok();
    }

    /// Makes the first market's table as long as it can be, and lists all but as many series as one instruction lists.
    pub fn fill_table(&mut self) {
        let stage = &mut *self.stage;
        let (house, market) = (&stage.house, stage.markets[0].market);
        let capacity = u16::try_from(MAX_SERIES).expect("a capacity");
        while stage.world.market(&market).table.len() < MAX_SERIES {
            let extend = ix::extend_market(house, &market, capacity);
            stage.world.send(extend, &[&house.authority]).ok();
        }
        let last = MAX_SERIES - MAX_LISTED_AT_ONCE;
        for strike in (1_000u64..).step_by(MAX_LISTED_AT_ONCE) {
            let used = usize::from(stage.world.market(&market).header.series_count);
            let series = options((last - used).min(MAX_LISTED_AT_ONCE), strike);
            if series.is_empty() {
                break;
            }
            let list = ix::list_series(house, &market, &series);
            stage.world.send(list, &[&house.authority]).ok();
        }
    }

    /// Marks a margin account as unhealthy, whatever it has.
    pub fn mark(&mut self, name: &str) {
        let key = self.instruction.accounts[self.index(name)].pubkey;
        self.stage.world.corrupt(&key, |account| {
            let account: &mut MarginAccount = bytemuck::from_bytes_mut(&mut account.data[8..]);
            account.unhealthy_since = 1;
        });
    }

    /// Pauses the first market.
    pub fn pause(&mut self) {
        self.set_status(MarketStatus::Paused);
    }
}
