//! The same ELF in solana-program-test, a bank with real fees, rent and locks: the whole life of an account.

use anchor_lang::prelude::{Clock, Pubkey};
use anchor_lang::solana_program::instruction::Instruction;
use estuary::instructions::TradeLeg;
use estuary::state::claims::CLAIM_WINDOW;
use estuary::state::MarginAccount;
use estuary_client::address;
use estuary_tests::audit::{self, Books};
use estuary_tests::setup::{
    self, mantissa, usual_series, BTC_PRICE, DAY, EXPIRY_DAYS, USD, VOL_PPB,
};
use estuary_tests::world::START;
use estuary_tests::{elf, ix, token, EstuaryError, House, Keypair, Signer, Trader, Underlying};
use solana_account::{Account, AccountSharedData};
use solana_instruction_error::InstructionError;
use solana_program_test::{
    tokio::runtime::Runtime, BanksClientError, ProgramTest, ProgramTestContext,
};
use solana_transaction::Transaction;
use solana_transaction_error::TransactionError;
use std::collections::{HashMap, HashSet};
use std::sync::Once;

/// Guards the environment that solana-program-test reads.
static ENVIRONMENT: Once = Once::new();

/// A bank, and the keys of all accounts whose identities are checked after every transaction.
struct Cluster {
    runtime: Runtime,
    context: ProgramTestContext,
    keys: Vec<Pubkey>,
}

fn keypair(number: u8) -> Keypair {
    Keypair::new_from_array([number; 32])
}

fn lamports() -> Account {
    Account {
        lamports: 100 * token::RICH,
        ..Account::default()
    }
}

/// A house, one market and two traders with tokens: their keys, none of their accounts.
struct Plan {
    house: House,
    btc: Underlying,
    traders: [Trader; 2],
}

impl Plan {
    fn new() -> Self {
        let authority = keypair(1);
        let mint = keypair(2).pubkey();
        let house = House {
            addresses: estuary_client::House::new(1, authority.pubkey(), mint),
            authority,
        };
        let args = setup::btc_args();
        let market = house.market(&args.feed_id);
        let btc = Underlying {
            index: 0,
            market,
            ledger: address::ledger(&market),
            price_account: keypair(3).pubkey(),
            listed_price: mantissa(BTC_PRICE),
            args,
        };
        let traders = [10, 20].map(|number| Trader {
            owner: keypair(number),
            sub_id: 0,
            account: house.margin_account(&keypair(number).pubkey(), 0),
            tokens: keypair(number + 1).pubkey(),
        });
        Self {
            house,
            btc,
            traders,
        }
    }

    /// The bank with what lies outside the program.
    fn start(&self) -> Cluster {
        // Once, before any of the tests' threads reads the environment.
        ENVIRONMENT.call_once(|| {
            let elf = elf::path("estuary.so");
            std::env::set_var("SBF_OUT_DIR", elf.parent().expect("a folder"));
            std::env::set_var("RUST_LOG", "error");
        });
        let mut test = ProgramTest::default();
        test.set_compute_max_units(1_400_000);
        test.prefer_bpf(true);
        test.add_program("estuary", estuary::ID, None);
        test.add_account(self.house.mint, token::mint(6));
        test.add_account(self.house.authority.pubkey(), lamports());
        let mut keys = vec![self.house.clearinghouse, self.house.bank, self.house.vault];
        keys.extend([self.btc.market, self.btc.ledger]);
        for trader in &self.traders {
            let tokens =
                token::token_account(self.house.mint, trader.owner.pubkey(), 1_000_000 * USD);
            test.add_account(trader.tokens, tokens);
            test.add_account(trader.owner.pubkey(), lamports());
            keys.push(trader.account);
            keys.push(trader.owner_account(&self.house.clearinghouse));
        }
        let runtime = Runtime::new().expect("a runtime");
        let context = runtime.block_on(test.start_with_context());
        Cluster {
            runtime,
            context,
            keys,
        }
    }

    /// Creates everything up to two accounts that have deposited.
    fn build(&self, cluster: &mut Cluster) {
        let (house, market) = (&self.house, &self.btc.market);
        let slices = EXPIRY_DAYS.map(|days| setup::flat_slice(START + days * DAY, VOL_PPB));
        let series = &usual_series(BTC_PRICE)[..20];
        cluster.set_time(START);
        let create = [
            ix::create_clearinghouse(house),
            ix::add_bank(house),
            ix::create_market(house, &self.btc.args),
            ix::extend_market(house, market, 20),
            ix::post_surface(house, market, &slices),
        ];
        let list = [ix::list_series(house, market, series)];
        for steps in [create.as_slice(), &list] {
            cluster.ok(steps, &[&house.authority]);
        }
        for trader in &self.traders {
            let steps = [
                ix::open_account(house, trader),
                ix::deposit(house, trader, 100_000 * USD),
            ];
            cluster.ok(&steps, &[&trader.owner]);
        }
        cluster.set_price(&self.btc, BTC_PRICE, START);
    }
}

impl Cluster {
    /// Runs instructions and checks the identities, whatever became of it.
    fn send(
        &mut self,
        steps: &[Instruction],
        signers: &[&Keypair],
    ) -> Result<(), TransactionError> {
        let payer = self.context.payer.insecure_clone();
        let signers: Vec<_> = std::iter::once(&payer)
            .chain(signers.iter().copied())
            .collect();
        let latest = self.context.get_new_latest_blockhash();
        let blockhash = self.runtime.block_on(latest).expect("a blockhash");
        let paid_by = Some(&payer.pubkey());
        let transaction = Transaction::new_signed_with_payer(steps, paid_by, &signers, blockhash);
        let sent = self.context.banks_client.process_transaction(transaction);
        let result = self.runtime.block_on(sent);
        Books::read(&self.accounts(), &HashSet::new()).check(&HashMap::new());
        result.map_err(|error| match error {
            BanksClientError::TransactionError(error)
            | BanksClientError::SimulationError { err: error, .. } => error,
            other => panic!("{other}"),
        })
    }

    #[track_caller]
    fn ok(&mut self, steps: &[Instruction], signers: &[&Keypair]) {
        self.send(steps, signers).expect("a success");
    }

    #[track_caller]
    fn refused(&mut self, step: Instruction, signers: &[&Keypair], error: EstuaryError) {
        let before = self.accounts();
        let custom = InstructionError::Custom(u32::from(error));
        let expected = TransactionError::InstructionError(0, custom);
        assert_eq!(self.send(&[step], signers), Err(expected));
        assert!(before == self.accounts(), "accounts after a failure");
    }

    fn account(&mut self, key: Pubkey) -> Option<Account> {
        let account = self.context.banks_client.get_account(key);
        self.runtime.block_on(account).expect("a bank")
    }

    fn accounts(&mut self) -> HashMap<Pubkey, AccountSharedData> {
        let keys = self.keys.clone();
        keys.into_iter()
            .filter_map(|key| Some((key, self.account(key)?.into())))
            .collect()
    }

    fn cash(&mut self, trader: &Trader) -> i64 {
        let data = self.account(trader.account).expect("an account").data;
        audit::read::<MarginAccount>(&data)
            .expect("a margin account")
            .cash()
    }

    fn set_time(&mut self, unix_timestamp: i64) {
        let clock = self.context.banks_client.get_sysvar::<Clock>();
        let clock = self.runtime.block_on(clock).expect("a clock");
        self.context.set_sysvar(&Clock {
            unix_timestamp,
            ..clock
        });
    }

    fn set_price(&mut self, market: &Underlying, price: f64, publish_time: i64) {
        let account = market.feed(price, publish_time).account();
        self.context
            .set_account(&market.price_account, &account.into());
    }
}

#[test]
fn deposits_leave_again() {
    let plan = Plan::new();
    let mut cluster = plan.start();
    plan.build(&mut cluster);
    let [trader, _] = &plan.traders;
    let withdraw = |amount| ix::withdraw(&plan.house, trader, amount, &[]);
    let too_much = withdraw(100_000 * USD + 1);
    cluster.refused(too_much, &[&trader.owner], EstuaryError::BalanceNegative);
    cluster.ok(&[withdraw(100_000 * USD)], &[&trader.owner]);
    assert_eq!(cluster.cash(trader), 0);
}

/// A leg in the first slot, the perp.
fn perp(lots: i64, dollars: f64) -> TradeLeg {
    TradeLeg {
        market: 0,
        slot: 0,
        generation: 1,
        lots,
        price: mantissa(dollars),
    }
}

#[test]
fn from_deposit_over_trade_and_liquidation_to_withdrawal() {
    let plan = Plan::new();
    let mut cluster = plan.start();
    plan.build(&mut cluster);
    let (house, btc, [long, short]) = (&plan.house, &plan.btc, &plan.traders);
    let both = [&long.owner, &short.owner];
    let trade = |lots, dollars| ix::block_trade(house, long, short, &[perp(lots, dollars)], &[btc]);
    let withdraw = |trader, amount| ix::withdraw(house, trader, amount, &[btc]);

    // 6 BTC need 96,000 of the 100,000 dollars.
    cluster.refused(
        trade(7_000, BTC_PRICE),
        &both,
        EstuaryError::BelowInitialMargin,
    );
    cluster.refused(
        trade(6_000, 104_000.0),
        &both,
        EstuaryError::LegPriceOutsideBand,
    );
    cluster.ok(&[trade(6_000, BTC_PRICE)], &both);
    cluster.ok(&[withdraw(long, 3_000 * USD)], &[&long.owner]);
    let too_much = withdraw(long, 2_000 * USD);
    cluster.refused(too_much, &[&long.owner], EstuaryError::BelowInitialMargin);

    let liquidate = || ix::liquidate(house, short, long, &[btc]);
    cluster.refused(liquidate(), &[&short.owner], EstuaryError::NotLiquidatable);
    // A fall by 5% takes 30,000 of the 97,000.
    cluster.set_time(START + 30);
    cluster.set_price(btc, 95_000.0, START + 30);
    cluster.refused(
        trade(1, 95_000.0),
        &both,
        EstuaryError::FailingAccountDoesNotReduce,
    );
    cluster.ok(&[liquidate()], &[&short.owner]);
    let lots = |cluster: &mut Cluster, trader: &Trader| {
        let data = cluster.account(trader.account).expect("an account").data;
        let account = audit::read::<MarginAccount>(&data).expect("a margin account");
        account.lots(0, 0)
    };
    let left = lots(&mut cluster, long);
    assert!(left > 0 && left < 6_000, "{left}");
    assert_eq!(lots(&mut cluster, short), -left);
    cluster.refused(liquidate(), &[&short.owner], EstuaryError::NotLiquidatable);

    // What is left is closed at mark; the cash of the loser stays until it has paid.
    cluster.ok(&[trade(-left, 95_000.0)], &both);
    // The winner owes nothing, so no market is asked for.
    // It has paid a quarter of its discount to the insurance fund.
    let kept = cluster.cash(short);
    let insured = 100_000 * USD as i64 - kept;
    assert!(insured > 0 && insured < 1_000 * USD as i64, "{insured}");
    let leave = ix::withdraw(house, short, kept.unsigned_abs(), &[]);
    cluster.ok(&[leave], &[&short.owner]);
    assert_eq!(cluster.cash(short), 0);
    cluster.refused(
        withdraw(long, 97_000 * USD),
        &[&long.owner],
        EstuaryError::SeniorNegative,
    );
    cluster.ok(&[withdraw(long, 60_000 * USD)], &[&long.owner]);
    assert_eq!(cluster.cash(long), 37_000 * USD as i64);
    // The gain is claimed and the loss paid; nothing is left between them.
    let settle = |trader| ix::settle(house, trader, btc, false, true);
    cluster.ok(&[settle(short), settle(long)], &[]);
    cluster.set_time(START + 30 + 2 * CLAIM_WINDOW);
    cluster.ok(&[settle(short)], &[]);
    let sum = cluster.cash(short) + cluster.cash(long);
    assert_eq!(sum, 37_000 * USD as i64);
    assert!(cluster.cash(short) > 30_000 * USD as i64);
}

#[test]
fn an_old_price_is_refused() {
    let plan = Plan::new();
    let mut cluster = plan.start();
    plan.build(&mut cluster);
    let [long, short] = &plan.traders;
    let legs = [perp(1, BTC_PRICE)];
    let trade = ix::block_trade(&plan.house, long, short, &legs, &[&plan.btc]);
    cluster.set_time(START + 61);
    cluster.refused(
        trade.clone(),
        &[&long.owner, &short.owner],
        EstuaryError::PriceTooOld,
    );
    cluster.set_price(&plan.btc, BTC_PRICE, START + 61);
    cluster.ok(&[trade], &[&long.owner, &short.owner]);
}
