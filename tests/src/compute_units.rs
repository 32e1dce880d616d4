//! Compute units of the program's instructions, measured from its ELF.
//!
//! Markets, accounts and deposits are made by real instructions in a [`World`]; its accounts are then copied into an SVM
//! of the bench's own, where the positions of [`bench_book`] are written into the margin account as bytes: 128 of them
//! need the build with wide accounts, and reaching them by trades would measure nothing else. Every figure is the
//! consumption of a transaction that holds the one instruction.

use crate::bench_book::{self, Row};
use crate::full_books::{self, each, wide_market};
use crate::outcome::events;
use crate::setup::{self, mantissa, BTC_PRICE, DAY, SOL_PRICE};
use crate::trade::PERP;
use crate::Event;
use crate::{elf, ix, House, Pit, Trader, Underlying, World};
use anchor_lang::prelude::{Clock, Pubkey};
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::Discriminator;
use bytemuck::AnyBitPattern;
use estuary::instructions::{CreateMarketArgs, LiquidateArgs, SeriesArgs, SurfaceSlice, TradeLeg};
use estuary::report::{PositionView, PositionsView, ReportPage, SummaryView};
use estuary::state::series::NO_EXPIRY;
use estuary::state::{
    Balance, MarginAccount, MarketLedger, Owner, Position, SeriesKind, MAX_MARKETS, MAX_POSITIONS,
    MAX_SERIES,
};
use estuary_client::instruction::{Party, PricedMarket};
use estuary_differential::Request;
use estuary_risk::liquidation::MAX_TAKES;
use litesvm::types::TransactionMetadata;
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
/// Scenarios an option is priced in: the columns of its array and those of the blocks.
const PRICES_PER_OPTION: u64 =
    (estuary_risk::scenario::COLUMNS + estuary_risk::blocks::BLOCK_COLUMNS) as u64;
/// What a trader deposits: enough for any book here.
const DEPOSIT: u64 = 100_000_000 * setup::USD;
/// Compute units a transaction may take here: more than on chain, so that a figure above the limit is still a figure.
const COMPUTE_UNITS: u64 = 20_000_000;

/// Heap of a transaction that asks for all it can.
const HEAP: u32 = 256 * 1024;
/// Price of ether.
const ETH_PRICE: f64 = 4_000.0;
/// Price of the last of four markets.
const LINK_PRICE: f64 = 20.0;

/// An SVM with one clearinghouse, two markets with the series of the bench book, and two traders.
struct Bench {
    svm: LiteSVM,
    payer: Keypair,
    house: House,
    markets: Vec<Underlying>,
    traders: [Trader; 2],
    positions: usize,
    /// The book, whose first rows are held.
    rows: Vec<Row>,
}

/// Markets with their prices and the book over them.
struct Stage {
    markets: Vec<(CreateMarketArgs, f64)>,
    rows: Vec<Row>,
}

impl Stage {
    /// The bench book as it is, over two markets. Amounts are those of exact prices.
    fn two_markets() -> Self {
        let markets = vec![
            (setup::btc_args(), BTC_PRICE),
            (setup::sol_args(), SOL_PRICE),
        ];
        Self {
            markets,
            rows: bench_book::rows(),
        }
    }

    /// The bench book spread over four markets that make every charge.
    fn four_markets() -> Self {
        use estuary_risk::scenario::ScenarioParameters as Parameters;
        let args = |symbol, lot_size, parameters: &Parameters| {
            setup::charging_args(symbol, lot_size, parameters)
        };
        let markets = vec![
            (args("BTC", 1_000_000, &Parameters::BTC), BTC_PRICE),
            (args("SOL", 100_000_000, &Parameters::SOL), SOL_PRICE),
            (args("ETH", 10_000_000, &Parameters::ETH), ETH_PRICE),
            (args("LINK", 1_000_000_000, &Parameters::SOL), LINK_PRICE),
        ];
        Self {
            markets,
            rows: bench_book::spread_rows(),
        }
    }
}

/// Measures everything.
///
/// # Panics
/// When an instruction fails or an ELF is missing.
pub fn measure() -> Figures {
    let mut figures = Figures::new();
    let mut bench = Bench::new(SHIPPED, MAX_POSITIONS, Stage::two_markets());
    bench.measure_transfers(&mut figures);
    bench.measure_reports(&mut figures);
    bench.measure_trades(&mut figures);
    bench.measure_liquidations(&mut figures);
    let mut wide = Bench::new(WIDE, WIDE_POSITIONS, Stage::two_markets());
    wide.measure_wide(&mut figures);
    let mut full = Bench::new(SHIPPED, MAX_POSITIONS, Stage::four_markets());
    let mut wide_full = Bench::new(WIDE, WIDE_POSITIONS, Stage::four_markets());
    let mut insert = |name, units| figures.insert(name, units);
    insert(
        "margin_report_16_full",
        full.report_cost(16, ReportPage::Summary),
    );
    insert(
        "margin_report_64_full",
        full.report_cost(64, ReportPage::Summary),
    );
    insert(
        "margin_report_128_full",
        wide_full.report_cost(128, ReportPage::Summary),
    );
    figures.insert("range_bound_per_market", range_bound());
    measure_settlement(&mut figures);
    measure_largest(&mut figures);
    figures
}

impl Bench {
    /// Builds everything with the ELF named, whose accounts have room for `positions`.
    fn new(elf: &str, positions: usize, stage: Stage) -> Self {
        let (mut world, house) = World::with_house();
        let mut markets = Vec::new();
        for (args, price) in stage.markets {
            let args = CreateMarketArgs {
                offsets: setup::offsets_with(markets.len() as u16),
                ..setup::USUAL_FEES.of(args)
            };
            let market = house.create_market(&mut world, &args, price);
            list_series(&mut world, &house, &market, &stage.rows, price);
            world.fill_returns(&market);
            markets.push(market);
        }
        let traders = [0; 2].map(|_| house.trader(&mut world, DEPOSIT));
        let mut svm = unlimited_svm();
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
            traders,
            positions,
            rows: stage.rows,
        };
        bench.copy_accounts(&world);
        bench
    }

    /// Copies what the World holds, the margin accounts widened to this build's layout.
    fn copy_accounts(&mut self, world: &World) {
        let house = &self.house;
        let mut keys = vec![house.clearinghouse, house.mint, house.bank, house.vault];
        for trader in &self.traders {
            keys.extend([trader.owner.pubkey(), trader.account, trader.tokens]);
            keys.push(trader.owner_account(&house.clearinghouse));
        }
        for market in &self.markets {
            keys.extend([market.market, market.ledger, market.price_account]);
        }
        for key in keys {
            let mut account = world.raw(&key);
            if account.data.starts_with(MarketLedger::DISCRIMINATOR) {
                // As if others traded: written positions are not among the lots counted.
                let body = &mut account.data[MarketLedger::DISCRIMINATOR.len()..];
                let lots = [2_000_000u64; MAX_SERIES];
                let total = lots.iter().sum::<u64>();
                let start = offset_of!(MarketLedger, open_lots);
                body[start..].copy_from_slice(bytemuck::bytes_of(&lots));
                let start = offset_of!(MarketLedger, total_open_lots);
                body[start..][..8].copy_from_slice(&total.to_le_bytes());
            }
            if account.data.starts_with(Owner::DISCRIMINATOR) {
                let start = Owner::DISCRIMINATOR.len() + offset_of!(Owner, gross_lots);
                let lots = [2_000_000u64 * MAX_SERIES as u64; MAX_MARKETS];
                let lots = bytemuck::bytes_of(&lots);
                account.data[start..][..lots.len()].copy_from_slice(lots);
            }
            if account.data.starts_with(MarginAccount::DISCRIMINATOR) {
                let more = (self.positions - MAX_POSITIONS) * size_of::<Position>();
                account.data.resize(account.data.len() + more, 0);
                account.lamports = crate::token::RICH;
            }
            self.svm.set_account(key, account).expect("an account");
        }
    }

    /// Changes bytes of a trader's margin account from `offset` of the struct on.
    fn write(&mut self, trader: usize, offset: usize, bytes: &[u8]) {
        let key = self.traders[trader].account;
        let mut account = self.svm.get_account(&key).expect("a margin account");
        let start = MarginAccount::DISCRIMINATOR.len() + offset;
        account.data[start..start + bytes.len()].copy_from_slice(bytes);
        self.svm.set_account(key, account).expect("an account");
    }

    /// Writes rows of the book as all of a trader's positions, `sign` times their lots.
    fn hold(&mut self, trader: usize, rows: &[Row], sign: i64) {
        let mut positions: Vec<Position> = rows
            .iter()
            .map(|row| position(&self.rows, row, sign))
            .collect();
        positions.sort_unstable_by(|a, b| a.order(b.market, b.slot));
        let count = u16::try_from(positions.len())
            .expect("a count")
            .to_le_bytes();
        positions.resize(self.positions, Position::default());
        self.write(
            trader,
            offset_of!(MarginAccount, positions),
            bytemuck::cast_slice(&positions),
        );
        self.write(trader, offset_of!(MarginAccount, position_count), &count);
    }

    /// Writes a trader's cash.
    fn set_cash(&mut self, trader: usize, cash: i64) {
        let offset = offset_of!(MarginAccount, balances) + offset_of!(Balance, amount);
        self.write(trader, offset, &cash.to_le_bytes());
    }

    /// The metadata of one instruction, which has to succeed; nothing it writes is kept.
    fn simulate(&self, instruction: Instruction) -> TransactionMetadata {
        let payer = self.payer.pubkey();
        let wanted = |key: &Pubkey| {
            instruction
                .accounts
                .iter()
                .any(|meta| meta.is_signer && meta.pubkey == *key)
        };
        let mut signers = vec![&self.payer];
        signers.extend(
            self.traders
                .iter()
                .map(|trader| &trader.owner)
                .filter(|key| wanted(&key.pubkey())),
        );
        let blockhash = self.svm.latest_blockhash();
        let transaction =
            Transaction::new_signed_with_payer(&[instruction], Some(&payer), &signers, blockhash);
        match self.svm.simulate_transaction(transaction) {
            Ok(done) => done.meta,
            Err(failed) => panic!("{}\n{}", failed.err, failed.meta.logs.join("\n")),
        }
    }

    /// Compute units of one instruction.
    fn cost(&self, instruction: Instruction) -> u64 {
        self.simulate(instruction).compute_units_consumed
    }

    /// Both markets, for the instructions' remaining accounts.
    fn both(&self) -> Vec<&Underlying> {
        self.markets.iter().collect()
    }

    /// Both markets with their prices.
    fn priced(&self) -> Vec<PricedMarket> {
        let priced = |market: &Underlying| PricedMarket {
            market: market.market,
            price: market.price_account,
        };
        self.markets.iter().map(priced).collect()
    }

    /// Addresses of both markets.
    fn keys(&self) -> Vec<Pubkey> {
        self.markets.iter().map(|market| market.market).collect()
    }

    /// One view of a trader's margin report.
    fn report<T: AnyBitPattern>(&self, trader: usize, page: ReportPage) -> T {
        let instruction =
            self.house
                .addresses
                .margin_report(&party(&self.traders[trader]), page, &self.priced());
        let mut data = self.simulate(instruction).return_data.data;
        // The runtime cuts zeros off the end.
        data.resize(size_of::<T>(), 0);
        bytemuck::pod_read_unaligned(&data)
    }

    fn measure_transfers(&mut self, figures: &mut Figures) {
        let (house, trader) = (&self.house, &self.traders[0]);
        figures.insert("deposit", self.cost(ix::deposit(house, trader, setup::USD)));
        figures.insert(
            "withdraw",
            self.cost(ix::withdraw(house, trader, setup::USD, &[])),
        );
        let rows = bench_book::rows();
        for (name, count) in [("withdraw_16", 16), ("withdraw_64", 64)] {
            self.hold(0, &rows[..count], 1);
            let withdraw = ix::withdraw(&self.house, &self.traders[0], setup::USD, &self.both());
            figures.insert(name, self.cost(withdraw));
        }
    }

    /// Compute units of a report's page for the first rows of the book.
    fn report_cost(&mut self, count: usize, page: ReportPage) -> u64 {
        let rows = self.rows[..count].to_vec();
        self.hold(0, &rows, 1);
        self.cost(self.house.addresses.margin_report(
            &party(&self.traders[0]),
            page,
            &self.priced(),
        ))
    }

    fn measure_reports(&mut self, figures: &mut Figures) {
        figures.insert(
            "margin_report_16",
            self.report_cost(16, ReportPage::Summary),
        );
        figures.insert(
            "margin_report_64",
            self.report_cost(64, ReportPage::Summary),
        );
        let positions = self.report_cost(64, ReportPage::Positions(0));
        figures.insert("margin_report_64_positions", positions);
    }

    fn measure_wide(&mut self, figures: &mut Figures) {
        let [with_64, with_128] =
            [64, 128].map(|count| self.report_cost(count, ReportPage::Summary));
        figures.insert("margin_report_128", with_128);
        figures.insert(
            "option_scenario",
            (with_128 - with_64).div_ceil(64 * PRICES_PER_OPTION),
        );
    }

    /// Four legs at mark in series that both sides hold; 12 others of each side are its own or, mirrored, the same.
    fn measure_trades(&mut self, figures: &mut Figures) {
        let rows = self.rows.clone();
        self.hold(0, &rows[..16], 1);
        let view: PositionsView = self.report(0, ReportPage::Positions(0));
        let traded: Vec<Row> = [0, 1, 2, 3].map(|place| rows[place]).to_vec();
        let legs: Vec<TradeLeg> = traded.iter().map(|row| leg(&rows, row, &view)).collect();
        let others: Vec<Row> = traded.iter().chain(&rows[16..28]).copied().collect();
        let [taker, maker] = &self.traders;
        let trade = self.house.addresses.block_trade(
            &party(taker),
            &party(maker),
            legs,
            &self.priced(),
            &self.keys(),
        );
        for (name, book) in [
            ("block_trade_4_legs_16_positions", &others[..]),
            ("block_trade_4_legs_16_positions_mirrored", &rows[..16]),
        ] {
            self.hold(1, book, -1);
            figures.insert(name, self.cost(trade.clone()));
        }
    }

    /// The first trader just below maintenance margin, the second flat and rich.
    fn measure_liquidations(&mut self, figures: &mut Figures) {
        self.hold(1, &[], 1);
        for (name, count) in [
            ("liquidate_16_positions", 16),
            ("liquidate_64_positions", 64),
        ] {
            figures.insert(name, self.liquidate(count, 90).compute_units_consumed);
        }
        // The least lack of equity that takes as many single legs as one call may.
        let steps = |done: &TransactionMetadata| match events(done).first() {
            Some(Event::Liquidated(event)) => event.positions.len(),
            other => panic!("a liquidation, not {other:?}"),
        };
        let four = (1..90)
            .rev()
            .map(|percent| self.liquidate(16, percent))
            .find(|done| steps(done) == MAX_TAKES);
        let four = four.expect("a liquidation in four steps");
        figures.insert("liquidate_4_steps", four.compute_units_consumed);
    }

    /// A liquidation of the first rows of the book, with so many percent of their maintenance margin as equity.
    fn liquidate(&mut self, rows: usize, percent: i64) -> TransactionMetadata {
        let rows = &self.rows.clone()[..rows];
        self.set_cash(0, DEPOSIT as i64);
        self.hold(0, rows, 1);
        let summary: SummaryView = self.report(0, ReportPage::Summary);
        let equity = summary.maintenance_margin / 100 * percent;
        self.set_cash(0, summary.cash - summary.equity + equity);
        let [liquidated, liquidator] = &self.traders;
        let liquidate = self.house.addresses.liquidate(
            &party(liquidator),
            &party(liquidated),
            LiquidateArgs::anything(),
            &self.priced(),
            &self.keys(),
        );
        self.simulate(liquidate)
    }
}

/// A winner's variation becomes a claim, a loser's is paid in.
fn measure_settlement(figures: &mut Figures) {
    let rich = DEPOSIT;
    let mut pit = Pit::new(rich, rich);
    let leg = pit.sol_leg(PERP, 1_000);
    pit.trade(&[leg]).ok();
    let sol = pit.sol().clone();
    pit.world.pass(1);
    pit.world.set_price(&sol, SOL_PRICE * 1.1);
    for (name, trader) in [("settle_gain", &pit.taker), ("settle_loss", &pit.maker)] {
        let settled = pit.world.settle(&pit.house, trader, &sol, true);
        figures.insert(name, settled.ok().compute_units_consumed);
    }
}

/// The most that one transaction can be asked to do, and the heap it takes.
fn measure_largest(figures: &mut Figures) {
    let mut stage = full_books::largest();
    let all: Vec<_> = stage.markets.iter().collect();
    let liquidator = &stage.liquidator;
    let liquidate = ix::liquidate(&stage.house, liquidator, &stage.weak, &all);
    let world = &mut stage.world;
    let heap = world.heap_needed(liquidate.clone(), &[&liquidator.owner]);
    figures.insert("liquidate_full_account_heap_bytes", heap.into());
    let used = world.send(liquidate, &[&liquidator.owner]).ok();
    figures.insert("liquidate_full_account", used.compute_units_consumed);

    let (mut world, house) = World::with_house();
    world.use_compute_units(COMPUTE_UNITS);
    world.use_heap(HEAP);
    let markets = [1, 2].map(|number| wide_market(&mut world, &house, number));
    let [taker, maker, rest, other] = [0; 4].map(|_| house.trader(&mut world, DEPOSIT));
    for market in &markets {
        world.hold(&taker, &rest, market, &each(0..32, 1));
        world.hold(&maker, &other, market, &each(32..40, 1));
    }
    let legs: Vec<_> = markets
        .iter()
        .flat_map(|market| (28..36).map(move |slot| (market, slot)))
        .map(|(market, slot)| world.leg_at_mark(market, slot, if slot < 32 { -1 } else { 1 }))
        .collect();
    let all: Vec<_> = markets.iter().collect();
    let trade = ix::block_trade(&house, &taker, &maker, &legs, &all);
    let signers = [&taker.owner, &maker.owner];
    let heap = world.heap_needed(trade.clone(), &signers);
    figures.insert("block_trade_full_vs_16_heap_bytes", heap.into());
    let used = world.send(trade, &signers).ok();
    figures.insert("block_trade_full_vs_16", used.compute_units_consumed);
}

fn party(trader: &Trader) -> Party {
    Party {
        owner: trader.owner.pubkey(),
        sub_id: trader.sub_id,
    }
}

/// An SVM in which a transaction may take [`COMPUTE_UNITS`].
fn unlimited_svm() -> LiteSVM {
    let budget = ComputeBudget {
        compute_unit_limit: COMPUTE_UNITS,
        heap_size: HEAP,
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
fn slot(rows: &[Row], row: &Row) -> u16 {
    let before = rows.iter().take_while(|other| *other != row);
    1 + before.filter(|other| other.market == row.market).count() as u16
}

fn position(rows: &[Row], row: &Row, sign: i64) -> Position {
    Position {
        market: row.market,
        slot: slot(rows, row),
        generation: 1,
        lots: sign * row.lots,
        ..Position::default()
    }
}

/// One lot of a row's series at its mark, sold where the row is long.
fn leg(rows: &[Row], row: &Row, view: &PositionsView) -> TradeLeg {
    let slot = slot(rows, row);
    let same = |position: &&PositionView| position.market == row.market && position.slot == slot;
    let position = view
        .positions
        .iter()
        .find(same)
        .expect("the row on the first page");
    TradeLeg {
        market: row.market,
        slot: position.slot,
        generation: position.generation,
        lots: -row.lots.signum(),
        price: position.mark,
    }
}

/// Lists the perp and the options of a book.
fn list_series(world: &mut World, house: &House, market: &Underlying, rows: &[Row], price: f64) {
    let slices = bench_book::EXPIRY_DAYS.map(|days| SurfaceSlice {
        time: world.now() + days * DAY,
        atm_vol_ppb: 600_000_000,
        rho_ppb: -200_000_000,
        phi_ppb: 1_500_000_000,
        basis_rate_ppb: 50_000_000,
    });
    let spot = mantissa(price);
    let mut series = vec![SeriesArgs {
        kind: SeriesKind::Perp,
        expiry: NO_EXPIRY,
        strike: 0,
    }];
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
