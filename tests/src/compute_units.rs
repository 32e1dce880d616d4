//! Compute units of the program's instructions, measured from its ELF.
//!
//! Markets, accounts and deposits are made by real instructions in a [`World`]; its accounts are then copied into an SVM
//! of the bench's own, where the positions of [`bench_book`] are written into the margin account as bytes: 128 of them
//! need the build with wide accounts, and reaching them by trades would measure nothing else. Every figure is the
//! consumption of a transaction that holds the one instruction.

use crate::bench_book::{self, Row};
use crate::setup::{self, mantissa, BTC_PRICE, DAY, SOL_PRICE};
use crate::{elf, ix, House, Trader, Underlying, World};
use anchor_lang::prelude::{Clock, Pubkey};
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::Discriminator;
use estuary::instructions::{SeriesArgs, SurfaceSlice};
use estuary::state::series::NO_EXPIRY;
use estuary::state::{MarginAccount, Position, SeriesKind, MAX_POSITIONS};
use estuary_differential::Request;
use litesvm::LiteSVM;
use solana_compute_budget::compute_budget::ComputeBudget;
use solana_keypair::Keypair;
use solana_signer::Signer;
use solana_transaction::Transaction;
use std::collections::BTreeMap;
use std::mem::{offset_of, size_of};

/// Name and compute units of everything measured.
pub type Figures = BTreeMap<&'static str, u64>;

/// The program as it ships.
const SHIPPED: &str = "estuary.so";
/// The program with room for 128 positions.
const WIDE: &str = "bench/estuary.so";
/// Positions of an account in the wide program.
const WIDE_POSITIONS: usize = 128;
/// Columns of a risk array.
const COLUMNS: u64 = estuary_risk::scenario::COLUMNS as u64;
/// What a trader deposits: enough for any book here.
const DEPOSIT: u64 = 100_000_000 * setup::USD;
/// Compute units a transaction may take here: more than on chain, so that a figure above the limit is still a figure.
const COMPUTE_UNITS: u64 = 20_000_000;

/// Spot prices, in the order of [`bench_book::MARKETS`].
const PRICES: [f64; 2] = [BTC_PRICE, SOL_PRICE];

/// An SVM with one clearinghouse, two markets with the series of the bench book, and two traders.
struct Bench {
    svm: LiteSVM,
    payer: Keypair,
    house: House,
    markets: Vec<Underlying>,
    trader: Trader,
    positions: usize,
}

/// Measures everything.
///
/// # Panics
/// When an instruction fails or an ELF is missing.
pub fn measure() -> Figures {
    let mut figures = Figures::new();
    let mut bench = Bench::new(SHIPPED, MAX_POSITIONS);
    bench.measure_shipped(&mut figures);
    let mut wide = Bench::new(WIDE, WIDE_POSITIONS);
    wide.measure_wide(&mut figures);
    figures.insert("range_bound_per_market", range_bound());
    figures
}

impl Bench {
    /// Builds everything with the ELF named, whose accounts have room for `positions`.
    fn new(elf: &str, positions: usize) -> Self {
        let (mut world, house) = World::with_house();
        let args = [setup::btc_args(), setup::sol_args()];
        let markets: Vec<Underlying> = args
            .iter()
            .zip(PRICES)
            .map(|(args, price)| house.create_market(&mut world, args, price))
            .collect();
        for market in &markets {
            list_series(&mut world, &house, market);
        }
        let trader = house.trader(&mut world, DEPOSIT);
        let budget = ComputeBudget {
            compute_unit_limit: COMPUTE_UNITS,
            ..ComputeBudget::new_with_defaults(false)
        };
        let mut svm = LiteSVM::new()
            .with_compute_budget(budget)
            .with_transaction_history(0);
        svm.add_program_from_file(estuary::ID, elf::path(elf))
            .expect("an ELF that loads");
        let clock = svm.get_sysvar::<Clock>();
        svm.set_sysvar(&Clock {
            unix_timestamp: world.now(),
            ..clock
        });
        let payer = Keypair::new();
        svm.airdrop(&payer.pubkey(), setup::USD * 100_000)
            .expect("an airdrop");
        let mut bench = Self {
            svm,
            payer,
            house,
            markets,
            trader,
            positions,
        };
        bench.copy_accounts(&world);
        bench
    }

    /// Copies what the World holds, the margin account widened to this build's layout.
    fn copy_accounts(&mut self, world: &World) {
        let (house, trader) = (&self.house, &self.trader);
        let mut keys = vec![house.clearinghouse, house.mint, house.bank, house.vault];
        keys.extend([trader.owner.pubkey(), trader.account, trader.tokens]);
        for market in &self.markets {
            keys.extend([market.market, market.ledger, market.price_account]);
        }
        for key in keys {
            let mut account = world.raw(&key);
            if account.data.starts_with(MarginAccount::DISCRIMINATOR) {
                let length =
                    account.data.len() + (self.positions - MAX_POSITIONS) * size_of::<Position>();
                account.data.resize(length, 0);
                account.lamports = crate::token::RICH;
            }
            self.svm.set_account(key, account).expect("an account");
        }
    }

    /// Writes the first `count` rows of the book as the trader's positions.
    fn hold(&mut self, rows: &[Row]) {
        let mut positions: Vec<Position> = rows.iter().map(|row| position(row)).collect();
        positions.sort_unstable_by(|a, b| a.order(b.market, b.slot));
        let mut account = self
            .svm
            .get_account(&self.trader.account)
            .expect("a margin account");
        let start = 8 + offset_of!(MarginAccount, positions);
        account.data[start..].fill(0);
        let bytes: &[u8] = bytemuck::cast_slice(&positions);
        account.data[start..start + bytes.len()].copy_from_slice(bytes);
        let count = u16::try_from(positions.len())
            .expect("a count")
            .to_le_bytes();
        let place = 8 + offset_of!(MarginAccount, position_count);
        account.data[place..place + 2].copy_from_slice(&count);
        self.svm
            .set_account(self.trader.account, account)
            .expect("an account");
    }

    /// Compute units of one instruction, which has to succeed; nothing it writes is kept.
    fn cost(&self, instruction: Instruction, signers: &[&Keypair]) -> u64 {
        let payer = self.payer.pubkey();
        let signers: Vec<&Keypair> = std::iter::once(&self.payer)
            .chain(signers.iter().copied())
            .collect();
        let blockhash = self.svm.latest_blockhash();
        let transaction =
            Transaction::new_signed_with_payer(&[instruction], Some(&payer), &signers, blockhash);
        match self.svm.simulate_transaction(transaction) {
            Ok(done) => done.meta.compute_units_consumed,
            Err(failed) => panic!("{}\n{}", failed.err, failed.meta.logs.join("\n")),
        }
    }

    fn measure_shipped(&mut self, figures: &mut Figures) {
        let (house, trader) = (&self.house, &self.trader);
        let owner = [&trader.owner];
        let deposit = ix::deposit(house, trader, setup::USD);
        figures.insert("deposit", self.cost(deposit, &owner));
        let withdraw = ix::withdraw(house, trader, setup::USD, &[]);
        figures.insert("withdraw", self.cost(withdraw, &owner));
        let rows = bench_book::rows();
        for (name, count) in [("withdraw_16", 16), ("withdraw_64", 64)] {
            self.hold(&rows[..count]);
            figures.insert(name, self.cost(self.withdraw(), &[&self.trader.owner]));
        }
    }

    fn measure_wide(&mut self, figures: &mut Figures) {
        let rows = bench_book::rows();
        let [with_64, with_128] = [64, 128].map(|count| {
            self.hold(&rows[..count]);
            self.cost(self.withdraw(), &[&self.trader.owner])
        });
        figures.insert("withdraw_128", with_128);
        figures.insert(
            "option_scenario",
            (with_128 - with_64).div_ceil(64 * COLUMNS),
        );
    }

    /// A withdrawal over both markets: a margin check and a transfer.
    fn withdraw(&self) -> Instruction {
        let markets: Vec<&Underlying> = self.markets.iter().collect();
        ix::withdraw(&self.house, &self.trader, setup::USD, &markets)
    }
}

/// An SVM in which a transaction may take [`COMPUTE_UNITS`].
fn unlimited_svm() -> LiteSVM {
    let budget = ComputeBudget {
        compute_unit_limit: COMPUTE_UNITS,
        ..ComputeBudget::new_with_defaults(false)
    };
    LiteSVM::new()
        .with_compute_budget(budget)
        .with_transaction_history(0)
}

/// Compute units of one range bound: the slope over their number, in the test-only program.
fn range_bound() -> u64 {
    const MORE: u64 = 32;
    let mut svm = unlimited_svm();
    let (program, payer) = (Pubkey::new_unique(), Keypair::new());
    svm.airdrop(&payer.pubkey(), setup::USD * 1_000)
        .expect("an airdrop");
    let elf = elf::path("estuary_differential.so");
    svm.add_program_from_file(program, elf)
        .expect("an ELF that loads");
    let [one, many] = [1, 1 + MORE].map(|count| {
        let data = Request::RangeBound { count }.encode();
        let bound = Instruction::new_with_bytes(program, &data, Vec::new());
        let transaction = Transaction::new_signed_with_payer(
            &[bound],
            Some(&payer.pubkey()),
            &[&payer],
            svm.latest_blockhash(),
        );
        svm.send_transaction(transaction)
            .expect("a bound")
            .compute_units_consumed
    });
    (many - one).div_ceil(MORE)
}

/// Slot of a row's series in its market: after the perp, in the order of the book.
fn slot(row: &Row) -> u16 {
    let rows = bench_book::rows();
    let before = rows.iter().take_while(|other| *other != row);
    1 + before.filter(|other| other.market == row.market).count() as u16
}

fn position(row: &Row) -> Position {
    Position {
        market: row.market,
        slot: slot(row),
        generation: 1,
        lots: row.lots,
        ..Position::default()
    }
}

/// Lists the perp and the options of the bench book.
fn list_series(world: &mut World, house: &House, market: &Underlying) {
    let slices = bench_book::EXPIRY_DAYS.map(|days| SurfaceSlice {
        time: world.now() + days * DAY,
        atm_vol_ppb: 600_000_000,
        rho_ppb: -200_000_000,
        phi_ppb: 1_500_000_000,
        basis_rate_ppb: 50_000_000,
    });
    let spot = mantissa(PRICES[usize::from(market.index)]);
    let mut series = vec![SeriesArgs {
        kind: SeriesKind::Perp,
        expiry: NO_EXPIRY,
        strike: 0,
    }];
    let rows = bench_book::rows();
    series.extend(
        rows.iter()
            .filter(|row| row.market == market.index)
            .map(|row| SeriesArgs {
                kind: row.kind,
                expiry: row.expiry,
                strike: spot / 1_000_000 * row.strike_ppm,
            }),
    );
    let capacity = u16::try_from(series.len()).expect("a capacity");
    let extend = ix::extend_market(house, &market.market, capacity);
    let post = ix::post_surface(house, &market.market, &slices);
    world.send_all(&[extend, post], &[&house.authority]).ok();
    for chunk in series.chunks(50) {
        let list = ix::list_series(house, &market.market, chunk);
        world.send(list, &[&house.authority]).ok();
    }
}
