//! The SVM, closed: [`World::send`] is the only way in, and it audits.

use crate::audit::{read, read_market, Books, MarketCopy};
use crate::packet::{self, PACKET};
use crate::{elf, outcome, reconcile, token, Feed, Outcome};
use anchor_lang::prelude::{Clock, Pubkey};
use anchor_lang::solana_program::instruction::Instruction;
use bytemuck::AnyBitPattern;
use estuary::state::StateAccount;
use litesvm::LiteSVM;
use solana_account::{Account, AccountSharedData, ReadableAccount};
use solana_compute_budget::compute_budget::ComputeBudget;
use solana_keypair::Keypair;
use solana_message::VersionedMessage;
use solana_signer::Signer;
use std::collections::{HashMap, HashSet};

/// When every world begins: 9 October 2025.
pub const START: i64 = 1_760_000_000;
/// Most heap a transaction can ask for, bytes.
pub const MAX_HEAP: u32 = 256 * 1024;
/// Heap of a transaction that asks for none.
pub const USUAL_HEAP: u32 = 32 * 1024;
/// Most compute units a transaction can ask for.
const COMPUTE_UNITS: u64 = 1_400_000;

/// An SVM that runs the program, and what the audit has to remember.
pub struct World {
    svm: LiteSVM,
    payer: Keypair,
    keys: u64,
    gifts: HashMap<Pubkey, u64>,
    forged: HashSet<Pubkey>,
    publish_times: HashMap<Pubkey, i64>,
    settlement_prices: HashMap<(Pubkey, i64), u64>,
    generations: HashMap<(Pubkey, usize), u32>,
    instructions: u64,
    audits: u64,
}

impl World {
    /// An SVM with the program's ELF and nothing else, at [`START`].
    pub fn new() -> Self {
        let budget = ComputeBudget {
            compute_unit_limit: COMPUTE_UNITS,
            ..ComputeBudget::new_with_defaults(false)
        };
        // Without a history the same transaction may be sent twice.
        let mut svm = LiteSVM::new()
            .with_compute_budget(budget)
            .with_transaction_history(0);
        svm.add_program_from_file(estuary::ID, elf::path("estuary.so"))
            .expect("an ELF that loads");
        let mut world = Self {
            svm,
            payer: Keypair::new_from_array([0xee; 32]),
            keys: 0,
            gifts: HashMap::new(),
            forged: HashSet::new(),
            publish_times: HashMap::new(),
            settlement_prices: HashMap::new(),
            generations: HashMap::new(),
            instructions: 0,
            audits: 0,
        };
        world.fund(&world.payer.pubkey());
        // Addresses of a lookup table are found from the slot after the one that wrote them.
        world.svm.warp_to_slot(1);
        world.set_time(START);
        world
    }

    /// A world of its own that begins as this one is.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            svm: self.svm.clone(),
            payer: self.payer.insecure_clone(),
            keys: self.keys,
            gifts: self.gifts.clone(),
            forged: self.forged.clone(),
            publish_times: self.publish_times.clone(),
            settlement_prices: self.settlement_prices.clone(),
            generations: self.generations.clone(),
            instructions: self.instructions,
            audits: self.audits,
        }
    }

    // Sending

    /// Runs one instruction; see [`World::send_all`].
    pub fn send(&mut self, instruction: Instruction, signers: &[&Keypair]) -> Outcome {
        self.send_all(&[instruction], signers)
    }

    /// Runs instructions in one transaction. Whatever becomes of it, all identities are checked; if it
    /// succeeds, its events have to tell every change of a margin account, and if it fails, no account
    /// may have changed but for the fee.
    ///
    /// Of the keys given those sign that the instructions want as signers.
    pub fn send_all(&mut self, instructions: &[Instruction], signers: &[&Keypair]) -> Outcome {
        let message = self.message(instructions);
        let size = packet::size(&message);
        assert!(size <= PACKET, "the transaction has {size} bytes");
        let keys: Vec<_> = std::iter::once(&self.payer)
            .chain(signers.iter().copied())
            .collect();
        let transaction = packet::sign(message, &keys);
        let before = self.accounts().clone();
        let result = self.svm.send_transaction(transaction);
        match &result {
            Ok(done) => {
                let events = outcome::events(done);
                reconcile::check(instructions, &events, &before, self.accounts());
            }
            Err(_) => self.assert_unchanged(&before),
        }
        self.instructions += instructions.len() as u64;
        self.audit();
        Outcome(result)
    }

    /// Runs an instruction that returns a view and changes nothing.
    ///
    /// # Panics
    /// When it fails, changes an account, or returns other than a `T`.
    #[track_caller]
    pub fn view<T: AnyBitPattern>(&mut self, instruction: Instruction) -> T {
        let before = self.accounts().clone();
        let done = self.send(instruction, &[]).ok();
        for key in before.keys() {
            let unchanged = *key == self.payer.pubkey() || self.accounts()[key] == before[key];
            assert!(unchanged, "a view changed {key}");
        }
        assert_eq!(done.return_data.program_id, estuary::ID);
        let view = estuary_client::view::padded(&done.return_data.data);
        *view.expect("a view")
    }

    /// The high-water mark of the heap: the fewest bytes, to 64 and not below the usual
    /// 32 kB, with which a transaction that has to succeed does.
    /// Nothing it writes is kept, and the heap is back to what it was.
    ///
    /// # Panics
    /// When it fails even with all the heap there is.
    #[track_caller]
    pub fn heap_needed(&mut self, instruction: Instruction, signers: &[&Keypair]) -> u32 {
        const STEP: u32 = 64;
        let message = self.message(&[instruction]);
        let keys: Vec<_> = std::iter::once(&self.payer)
            .chain(signers.iter().copied())
            .collect();
        let transaction = packet::sign(message, &keys);
        let usual = self.svm.get_compute_budget().expect("a budget").heap_size;
        // No transaction has less than its usual heap.
        let (mut too_few, mut enough) = (USUAL_HEAP / STEP - 1, MAX_HEAP / STEP);
        while enough - too_few > 1 {
            let half = u32::midpoint(too_few, enough);
            self.use_heap(half * STEP);
            match self.svm.simulate_transaction(transaction.clone()) {
                Ok(_) => enough = half,
                Err(_) => too_few = half,
            }
        }
        self.use_heap(enough * STEP);
        let done = self.svm.simulate_transaction(transaction);
        done.expect("a transaction that succeeds with enough heap");
        self.use_heap(usual);
        enough * STEP
    }

    /// The legacy message, or one with a lookup table made for it where that would not fit.
    pub fn message(&mut self, instructions: &[Instruction]) -> VersionedMessage {
        let (payer, blockhash) = (self.payer.pubkey(), self.svm.latest_blockhash());
        let legacy = packet::legacy(instructions, &payer, &blockhash);
        if packet::size(&legacy) <= PACKET {
            return legacy;
        }
        let addresses = packet::lookup_table(instructions);
        let table = self.place(packet::lookup_table_account(&addresses));
        packet::with_table(instructions, &payer, blockhash, table, addresses)
    }

    fn assert_unchanged(&self, before: &HashMap<Pubkey, AccountSharedData>) {
        let payer = self.payer.pubkey();
        let after = self.accounts();
        assert_eq!(before.len(), after.len(), "accounts after a failure");
        for (key, account) in before.iter().filter(|(key, _)| **key != payer) {
            assert!(
                after.get(key) == Some(account),
                "{key} changed in a failure"
            );
        }
    }

    /// Checks the identities, that no ledger went back in time, no final settlement price changed and no slot went back to
    /// an earlier generation.
    fn audit(&mut self) {
        self.audits += 1;
        let books = Books::read(self.accounts(), &self.forged);
        books.check(&self.gifts);
        for (market, time) in books.publish_times() {
            let last = self.publish_times.insert(market, time);
            assert!(
                last <= Some(time),
                "the ledger of {market} went back in time"
            );
        }
        for (expiry, price) in books.settlement_prices() {
            let known = *self.settlement_prices.entry(expiry).or_insert(price);
            assert_eq!(known, price, "the settlement price of {expiry:?}");
        }
        for (slot, generation) in books.generations() {
            let last = self.generations.insert(slot, generation);
            assert!(last <= Some(generation), "the generation of {slot:?}");
        }
    }

    // The world outside the program

    /// Sets the bytes of heap that transactions have, as if each asked for them: the client's `request_heap`.
    pub fn use_heap(&mut self, bytes: u32) {
        let budget = ComputeBudget {
            heap_size: bytes,
            ..self.svm.get_compute_budget().expect("a budget")
        };
        self.svm = std::mem::take(&mut self.svm).with_compute_budget(budget);
    }

    /// Sets the compute units that transactions have.
    pub fn use_compute_units(&mut self, units: u64) {
        let budget = ComputeBudget {
            compute_unit_limit: units,
            ..self.svm.get_compute_budget().expect("a budget")
        };
        self.svm = std::mem::take(&mut self.svm).with_compute_budget(budget);
    }

    /// The clock, unix seconds.
    pub fn now(&self) -> i64 {
        self.svm.get_sysvar::<Clock>().unix_timestamp
    }

    /// Sets the clock.
    pub fn set_time(&mut self, unix_timestamp: i64) {
        let clock = self.svm.get_sysvar::<Clock>();
        self.svm.set_sysvar(&Clock {
            unix_timestamp,
            ..clock
        });
    }

    /// Moves the clock forward.
    pub fn pass(&mut self, seconds: i64) {
        self.set_time(self.now() + seconds);
    }

    /// A key pair that no one else has; the same ones in every run.
    pub fn keypair(&mut self) -> Keypair {
        self.keys += 1;
        let mut secret = [0x11; 32];
        secret[..8].copy_from_slice(&self.keys.to_le_bytes());
        Keypair::new_from_array(secret)
    }

    /// An address that no one else has.
    pub fn address(&mut self) -> Pubkey {
        self.keypair().pubkey()
    }

    /// Gives an account lamports.
    pub fn fund(&mut self, key: &Pubkey) {
        self.svm
            .airdrop(key, token::RICH * 100)
            .expect("an airdrop");
    }

    /// Writes an account that does not belong to the program, at a new address.
    pub fn place(&mut self, account: Account) -> Pubkey {
        let key = self.address();
        self.put(key, account);
        key
    }

    /// Writes an account that does not belong to the program.
    pub fn put(&mut self, key: Pubkey, account: Account) {
        assert_ne!(
            account.owner,
            estuary::ID,
            "use `forge` for the program's accounts"
        );
        self.svm.set_account(key, account).expect("an account");
    }

    /// Writes a price account.
    pub fn put_feed(&mut self, key: Pubkey, feed: &Feed) {
        self.put(key, feed.account());
    }

    /// Sends tokens to a vault without the program's knowledge.
    pub fn give(&mut self, vault: &Pubkey, amount: u64) {
        let mut account = self.raw(vault);
        let after = token::amount(&account.data) + amount;
        account.data[64..72].copy_from_slice(&after.to_le_bytes());
        *self.gifts.entry(*vault).or_default() += amount;
        self.put(*vault, account);
    }

    /// A copy of an account of the program at a new address, with its bytes changed: what no one could make and the
    /// program has to refuse even so. The identities do not count it.
    pub fn forge(&mut self, original: &Pubkey, change: impl FnOnce(&mut Account)) -> Pubkey {
        let copy = self.address();
        self.forged.insert(copy);
        let account = self.raw(original);
        self.svm.set_account(copy, account).expect("an account");
        self.corrupt(&copy, change);
        copy
    }

    /// Changes an account's bytes in place.
    pub fn corrupt(&mut self, key: &Pubkey, change: impl FnOnce(&mut Account)) {
        let mut account = self.raw(key);
        change(&mut account);
        self.svm.set_account(*key, account).expect("an account");
    }

    // Reading

    /// Instructions sent so far, and audits of all accounts made.
    pub fn sent(&self) -> (u64, u64) {
        (self.instructions, self.audits)
    }

    fn accounts(&self) -> &HashMap<Pubkey, AccountSharedData> {
        &self.svm.accounts_db().inner
    }

    /// An account as it is.
    pub fn raw(&self, key: &Pubkey) -> Account {
        self.svm.get_account(key).expect("an account there")
    }

    /// An account of the program.
    pub fn read<T: StateAccount + AnyBitPattern>(&self, key: &Pubkey) -> T {
        read(self.accounts()[key].data()).expect("an account of that type")
    }

    /// A market of the program.
    pub fn market(&self, key: &Pubkey) -> MarketCopy {
        read_market(self.accounts()[key].data()).expect("a market")
    }

    /// The amount in a token account.
    pub fn tokens(&self, key: &Pubkey) -> u64 {
        token::amount(self.accounts()[key].data())
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}
