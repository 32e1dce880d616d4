//! The identities of section 9 of the margin model that apply so far, over all accounts of the program at once.

use anchor_lang::prelude::Pubkey;
use bytemuck::{AnyBitPattern, Zeroable};
use estuary::state::market::split_market;
use estuary::state::series::NO_EXPIRY;
use estuary::state::{
    Bank, Clearinghouse, Expiry, MarginAccount, Market, MarketLedger, Owner, Position, Series,
    SeriesKind, StateAccount, Unsettled,
};
use estuary_risk::market::OptionKind;
use estuary_risk::settlement::{payoff, value_per_lot_down};
use estuary_risk::units::Price;
use solana_account::{AccountSharedData, ReadableAccount};
use std::collections::{HashMap, HashSet};

/// A market with its whole table.
pub struct MarketCopy {
    /// The header.
    pub header: Market,
    /// All records, listed or not.
    pub table: Vec<Series>,
}

/// Copies of all accounts of the program.
#[derive(Default)]
pub struct Books {
    clearinghouses: HashMap<Pubkey, Clearinghouse>,
    banks: HashMap<Pubkey, (Bank, u64)>,
    markets: HashMap<Pubkey, MarketCopy>,
    ledgers: HashMap<Pubkey, MarketLedger>,
    accounts: HashMap<Pubkey, MarginAccount>,
    /// By clearinghouse and owner.
    owners: HashMap<(Pubkey, Pubkey), Owner>,
}

/// The account of that type in these bytes, if they are one.
pub fn read<T: StateAccount + AnyBitPattern>(data: &[u8]) -> Option<T> {
    data.starts_with(T::DISCRIMINATOR)
        .then(|| bytemuck::pod_read_unaligned(&data[8..T::SIZE]))
}

/// The market in these bytes, if they are one.
pub fn read_market(data: &[u8]) -> Option<MarketCopy> {
    let (header, table) = split_market(data).ok()?;
    Some(MarketCopy {
        header: *header,
        table: table.to_vec(),
    })
}

impl MarketCopy {
    /// Whether the series in a slot has a settlement price.
    pub fn is_settled(&self, slot: usize) -> bool {
        let expiry = usize::from(self.table[slot].expiry);
        let listed = slot < usize::from(self.header.series_count) && !self.table[slot].is_free();
        let expiry = self.header.expiries.get(expiry).filter(|_| listed);
        expiry.is_some_and(|expiry| expiry.average.is_final())
    }
}

/// Every listed series has its expiry; what is free is empty, but for the generations of slots.
fn check_table(market: &MarketCopy) {
    let used = usize::from(market.header.series_count);
    for (slot, series) in market.table.iter().enumerate() {
        if series.is_free() {
            let generation = series.generation;
            assert!(slot < used || generation == 0, "an unused slot");
            let free = Series::free(generation);
            assert_eq!(bytemuck::bytes_of(series), bytemuck::bytes_of(&free));
        } else if series.expiry != NO_EXPIRY {
            let expiry = market.header.expiry(series.expiry);
            expiry.expect("the expiry of a listed series");
        }
    }
    for expiry in market.header.expiries.iter().filter(|one| one.is_free()) {
        let free = Expiry::default();
        assert_eq!(bytemuck::bytes_of(expiry), bytemuck::bytes_of(&free));
    }
}

/// What matured positions were worth that have left their accounts, and what those are worth that have not: together
/// zero. `net` are the lots left per slot.
fn check_exercised(ledger: &MarketLedger, market: &MarketCopy, net: &[i128]) {
    let header = &market.header;
    let mut sum = i128::from(ledger.exercised);
    for (slot, series) in market.table.iter().enumerate() {
        if !market.is_settled(slot) {
            continue;
        }
        let settlement = header.expiries[usize::from(series.expiry)]
            .average
            .settlement_price;
        let kind = match series.kind().expect("a kind of series") {
            SeriesKind::Call => Some(OptionKind::Call),
            SeriesKind::Put => Some(OptionKind::Put),
            SeriesKind::Future | SeriesKind::Perp => None,
        };
        let paid = payoff(kind, Price(series.strike), Price(settlement));
        let per_lot = value_per_lot_down(paid, header.price_exponent, header.lot_size);
        sum += net[slot] * i128::from(per_lot.expect("the value of a lot").0);
    }
    assert_eq!(sum, 0, "what matured positions paid and have to pay");
}

impl Books {
    /// Copies the program's accounts out of all accounts there are, but for the forged ones.
    ///
    /// # Panics
    /// When an account of the program is of no known type, or a bank has no vault.
    pub fn read(all: &HashMap<Pubkey, AccountSharedData>, forged: &HashSet<Pubkey>) -> Self {
        let mut books = Self::default();
        let ours = all
            .iter()
            .filter(|(key, account)| *account.owner() == estuary::ID && !forged.contains(*key));
        for (key, account) in ours {
            let data = account.data();
            if let Some(account) = read::<MarginAccount>(data) {
                books.accounts.insert(*key, account);
            } else if let Some(owner) = read::<Owner>(data) {
                let known = books
                    .owners
                    .insert((owner.clearinghouse, owner.owner), owner);
                assert!(known.is_none(), "two accounts of one owner");
            } else if let Some(ledger) = read::<MarketLedger>(data) {
                books.ledgers.insert(ledger.market, ledger);
            } else if let Some(market) = read_market(data) {
                books.markets.insert(*key, market);
            } else if let Some(bank) = read::<Bank>(data) {
                let vault = all.get(&bank.vault).expect("a vault");
                books
                    .banks
                    .insert(*key, (bank, crate::token::amount(vault.data())));
            } else if let Some(clearinghouse) = read::<Clearinghouse>(data) {
                books.clearinghouses.insert(*key, clearinghouse);
            } else {
                panic!("{key} belongs to the program and is none of its accounts");
            }
        }
        books
    }

    /// The publish time each ledger has seen last, by market.
    pub fn publish_times(&self) -> impl Iterator<Item = (Pubkey, i64)> + '_ {
        self.ledgers
            .iter()
            .map(|(market, ledger)| (*market, ledger.last_publish_time))
    }

    /// Every settlement price that is final, by market and time of the expiry.
    pub fn settlement_prices(&self) -> impl Iterator<Item = ((Pubkey, i64), u64)> + '_ {
        self.markets.iter().flat_map(|(key, market)| {
            let expiries = market.header.expiries.iter();
            expiries.filter_map(|expiry| Some(((*key, expiry.time), expiry.settlement_price()?)))
        })
    }

    /// The generation of every slot ever used, by market and slot.
    pub fn generations(&self) -> impl Iterator<Item = ((Pubkey, usize), u32)> + '_ {
        self.markets.iter().flat_map(|(key, market)| {
            let used = usize::from(market.header.series_count);
            let slots = market.table.iter().take(used).enumerate();
            slots.map(|(slot, series)| ((*key, slot), series.generation))
        })
    }

    /// Checks everything. `gifts` are tokens sent to vaults outside the program.
    ///
    /// # Panics
    /// With the identity that does not hold.
    pub fn check(&self, gifts: &HashMap<Pubkey, u64>) {
        self.check_invariants();
        for (bank, vault_amount) in self.banks.values() {
            self.check_bank(bank, *vault_amount, gifts.get(&bank.vault).copied());
        }
        for account in self.accounts.values() {
            self.check_account(account);
        }
        for (key, market) in &self.markets {
            self.check_market(key, market);
        }
        self.check_owners();
    }

    /// Every account's own invariant.
    fn check_invariants(&self) {
        let all = self
            .clearinghouses
            .values()
            .map(StateAccount::invariant)
            .chain(self.banks.values().map(|(bank, _)| bank.invariant()))
            .chain(
                self.markets
                    .values()
                    .map(|market| market.header.invariant()),
            )
            .chain(self.ledgers.values().map(StateAccount::invariant))
            .chain(self.accounts.values().map(StateAccount::invariant))
            .chain(self.owners.values().map(StateAccount::invariant));
        for result in all {
            result.expect("every account's invariant");
        }
    }

    /// Balances over accounts, negative ones too, and in the settlement token the pools and fees of all markets = deposits;
    /// with insurance = vault.
    fn check_bank(&self, bank: &Bank, vault_amount: u64, gifts: Option<u64>) {
        let balances: i128 = self
            .accounts_of(&bank.clearinghouse)
            .map(|account| i128::from(account.balance(bank.index)))
            .sum();
        let held: i128 = if bank.index == 0 {
            self.ledgers_of(&bank.clearinghouse)
                .map(|ledger| i128::from(ledger.claims.cash) + i128::from(ledger.fees))
                .sum()
        } else {
            0
        };
        assert_eq!(
            balances + held,
            bank.deposits.into(),
            "balances, pools and fees against the bank's deposits"
        );
        let vault = vault_amount - gifts.unwrap_or(0);
        assert_eq!(
            vault,
            bank.deposits + bank.insurance,
            "the vault against the bank's deposits and insurance"
        );
        for account in self.accounts_of(&bank.clearinghouse) {
            self.check_balance(bank, account);
        }
    }

    /// What is stored with a balance is the bank's, and only the settlement token is owed, within its limit.
    fn check_balance(&self, bank: &Bank, account: &MarginAccount) {
        let balance = account.balances[usize::from(bank.index)];
        let least = -i128::from(bank.max_account_debt);
        assert!(i128::from(balance.amount) >= least, "a debt");
        if balance.is_token() {
            let of_bank = (bank.market, bank.decimals);
            assert_eq!((balance.market, balance.decimals), of_bank, "a token");
            self.market_with_index(&bank.clearinghouse, bank.market);
        }
    }

    fn ledgers_of<'a>(
        &'a self,
        clearinghouse: &'a Pubkey,
    ) -> impl Iterator<Item = &'a MarketLedger> {
        self.ledgers.values().filter(move |ledger| {
            self.markets[&ledger.market].header.clearinghouse == *clearinghouse
        })
    }

    fn accounts_of<'a>(
        &'a self,
        clearinghouse: &'a Pubkey,
    ) -> impl Iterator<Item = &'a MarginAccount> {
        self.accounts
            .values()
            .filter(move |account| account.clearinghouse == *clearinghouse)
    }

    fn market_with_index(&self, clearinghouse: &Pubkey, index: u16) -> &MarketCopy {
        self.markets
            .values()
            .find(|market| {
                market.header.clearinghouse == *clearinghouse && market.header.index == index
            })
            .expect("a market with the index that a position names")
    }

    /// What an account's own invariant cannot see: that its positions are in series that exist.
    fn check_account(&self, account: &MarginAccount) {
        for (index, balance) in account.balances.iter().enumerate() {
            assert_eq!(usize::from(balance.bank), index, "a balance's bank");
        }
        let unused = &account.positions[usize::from(account.position_count)..];
        let zero = Position::zeroed();
        assert!(
            unused
                .iter()
                .all(|position| bytemuck::bytes_of(position) == bytemuck::bytes_of(&zero)),
            "unused positions are zero"
        );
        for position in account.open_positions() {
            let market = self.market_with_index(&account.clearinghouse, position.market);
            assert!(position.slot < market.header.series_count, "a used slot");
            let series = &market.table[usize::from(position.slot)];
            let closed = position.lots == 0;
            if closed && (series.is_free() || position.generation < series.generation) {
                continue;
            }
            assert_eq!(position.generation, series.generation, "a generation");
            let kind = series.kind().expect("a kind of series");
            assert!(
                position.cost == 0 || !kind.is_option(),
                "an option has no cost"
            );
        }
    }

    /// Every owner of a margin account has an owner account, and none without one; per market its lots = Σ |lots| over the
    /// owner's margin accounts.
    fn check_owners(&self) {
        let mut held: HashMap<_, (u32, Vec<u64>)> = HashMap::new();
        for account in self.accounts.values() {
            let key = (account.clearinghouse, account.owner);
            let owner = self.owners.get(&key).expect("an owner account");
            let (count, lots) = held
                .entry(key)
                .or_insert((0, vec![0; owner.gross_lots.len()]));
            *count += 1;
            for position in account.open_positions() {
                lots[usize::from(position.market)] += position.lots.unsigned_abs();
            }
        }
        assert_eq!(held.len(), self.owners.len(), "owner accounts");
        for (key, (count, lots)) in held {
            let owner = &self.owners[&key];
            assert_eq!(owner.account_count, count, "margin accounts of an owner");
            assert_eq!(owner.gross_lots[..], lots, "lots of an owner");
        }
    }

    /// Per series Σ lots = 0, until there is a settlement price and accounts are settled one after the other, and open
    /// lots = Σ |lots|; per market Σ cost = 0.
    fn check_market(&self, key: &Pubkey, market: &MarketCopy) {
        check_table(market);
        let ledger = &self.ledgers[key];
        assert_eq!(
            ledger.market_index, market.header.index,
            "the ledger's index"
        );
        let mut net = vec![0i128; ledger.open_lots.len()];
        let mut open = vec![0u128; ledger.open_lots.len()];
        let mut cost = 0i128;
        for account in self.accounts_of(&market.header.clearinghouse) {
            let positions = account.open_positions().iter();
            for position in positions.filter(|position| position.market == market.header.index) {
                let slot = usize::from(position.slot);
                net[slot] += i128::from(position.lots);
                open[slot] += u128::from(position.lots.unsigned_abs());
                cost += i128::from(position.cost);
            }
        }
        for (slot, (net, open)) in net.iter().zip(&open).enumerate() {
            assert!(
                *net == 0 || market.is_settled(slot),
                "lots of slot {slot} over all accounts"
            );
            let recorded = u128::from(ledger.open_lots[slot]);
            assert_eq!(*open, recorded, "open lots of slot {slot}");
        }
        let total: u128 = open.iter().sum();
        assert_eq!(
            total,
            ledger.total_open_lots.into(),
            "open lots of the market"
        );
        let carry: i128 = self
            .unsettled_in(market)
            .map(|unsettled| i128::from(unsettled.carry))
            .sum();
        assert_eq!(
            cost + carry,
            ledger.total_cost.into(),
            "cost and carry over all accounts of the market"
        );
        check_exercised(ledger, market, &net);
        self.check_claims(ledger, market);
    }

    fn unsettled_in<'a>(&'a self, market: &'a MarketCopy) -> impl Iterator<Item = &'a Unsettled> {
        self.accounts_of(&market.header.clearinghouse)
            .flat_map(|account| &account.unsettled)
            .filter(|unsettled| unsettled.is_used() && unsettled.market == market.header.index)
    }

    /// Per round Σ claims = face; the pool's cash = what rounds received and waits, less what was collected.
    fn check_claims(&self, ledger: &MarketLedger, market: &MarketCopy) {
        let pool = &ledger.claims;
        let mut faces = vec![0u128; pool.rounds.len()];
        let mut cash = i128::from(pool.unallocated);
        for claim in self.unsettled_in(market).flat_map(|one| &one.claims) {
            let place = pool
                .rounds
                .iter()
                .position(|round| round.face > 0 && round.id == claim.round);
            cash -= i128::from(claim.collected);
            match place {
                Some(place) => faces[place] += u128::from(claim.face),
                None => cash += i128::from(claim.face),
            }
        }
        for (round, face) in pool.rounds.iter().zip(faces) {
            assert_eq!(u128::from(round.face), face, "claims of round {}", round.id);
            cash += i128::from(round.received);
        }
        assert_eq!(cash, pool.cash.into(), "the pool's cash");
        let marked = self
            .accounts_of(&market.header.clearinghouse)
            .filter(|account| account.marked >> market.header.index & 1 == 1);
        assert_eq!(marked.count(), pool.unresolved as usize, "marked accounts");
    }
}
