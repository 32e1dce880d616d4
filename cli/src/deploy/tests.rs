//! Plans and deployments on the real ELF in an embedded SVM.

use std::cell::Cell;
use std::path::Path;

use anchor_lang::prelude::Pubkey;
use estuary::state::Bank;
use estuary_client::account::{decode, MarketAccount};
use estuary_client::chain::{Chain, ChainError, FetchedAccount};
use estuary_client::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;

use super::apply::apply;
use super::config::{self, Deployment, Given};
use super::plan::{compare, Action, Plan, Target};
use crate::common::elf;
use crate::demo::svm::Svm;

const DEVNET: &str = include_str!("../../../migrations/devnet.toml");
/// A month before the first expiry of the file.
const NOW: i64 = 1_795_507_200;

fn authority() -> Keypair {
    Keypair::new_from_array([0x11; 32])
}

/// The devnet file with the test's own authority.
fn file(replace: &str, by: &str) -> Deployment {
    assert!(DEVNET.contains(replace), "nothing to replace: {replace}");
    let nobody = "\"11111111111111111111111111111111\"";
    let text = DEVNET.replace(nobody, &format!("\"{}\"", authority().pubkey()));
    config::read(&text.replace(replace, by), &Given::default()).expect("a good file")
}

fn devnet() -> Deployment {
    file("", "")
}

/// A cluster with the program, the mint and an authority that can pay.
fn cluster(elf: &Path, deployment: &Deployment) -> Svm {
    let mut svm = Svm::new(elf).expect("the ELF deploys");
    svm.set_time(NOW);
    svm.fund(&authority().pubkey()).unwrap();
    svm.create_mint(deployment.house.mint).unwrap();
    for token in &deployment.tokens {
        svm.create_mint(token.mint).unwrap();
    }
    svm
}

/// A cluster that counts transactions and stops taking them after some.
struct Counted {
    svm: Svm,
    sent: usize,
    takes: usize,
}

impl Chain for Counted {
    fn account(&self, address: &Pubkey) -> Result<Option<FetchedAccount>, ChainError> {
        self.svm.account(address)
    }

    fn send(
        &mut self,
        instructions: &[Instruction],
        signers: &[&dyn Signer],
    ) -> Result<(), ChainError> {
        if self.sent == self.takes {
            return Err("the connection broke".into());
        }
        self.sent += 1;
        Chain::send(&mut self.svm, instructions, signers)
    }
}

fn counted(elf: &Path, deployment: &Deployment, takes: usize) -> Counted {
    Counted {
        svm: cluster(elf, deployment),
        sent: 0,
        takes,
    }
}

fn plan(deployment: &Deployment, chain: &dyn Chain) -> Plan {
    compare(deployment, Target::Cluster(chain)).expect("the cluster can be read")
}

fn deploy(deployment: &Deployment, chain: &mut dyn Chain) -> Result<usize, String> {
    let sent = Cell::new(0);
    let count = &mut |_| sent.set(sent.get() + 1);
    let applied = apply(deployment, chain, &authority(), count);
    applied
        .map(|_| sent.get())
        .map_err(|error| format!("{error:#}"))
}

fn verbs(plan: &Plan) -> Vec<&'static str> {
    plan.actions().map(Action::verb).collect()
}

#[test]
fn an_empty_cluster_gets_everything_and_a_second_time_nothing() {
    let Some(elf) = elf() else { return };
    let deployment = devnet();
    let mut chain = counted(&elf, &deployment, usize::MAX);
    let before = plan(&deployment, &chain);
    assert!(before.conflicts.is_empty(), "{:?}", before.conflicts);
    assert_eq!(
        verbs(&before),
        [
            "create", "add", // clearinghouse and bank
            "create", "extend", "post", "list", // BTC
            "create", "extend", "post", "list", // ETH
            "create", "extend", "list", // SOL: a perp alone has no expiry
            "add"   // and its token
        ]
    );
    assert_eq!(chain.sent, 0, "a plan sends nothing");
    let sent = deploy(&deployment, &mut chain).unwrap();
    assert_eq!(sent, chain.sent);
    assert!(plan(&deployment, &chain).is_complete());
    let btc = &deployment.markets[0];
    let data = chain
        .svm
        .data(&deployment.house.market(&btc.args.feed_id))
        .unwrap();
    let market = MarketAccount::decode(data).unwrap();
    assert_eq!(market.table.len(), 320);
    assert_eq!(super::plan::contracts(&market), btc.contracts);
    assert_eq!(deploy(&deployment, &mut chain), Ok(0), "nothing is missing");
    assert_eq!(chain.sent, sent);
}

#[test]
fn an_interrupted_deployment_continues_where_it_stopped() {
    let Some(elf) = elf() else { return };
    let deployment = devnet();
    let mut whole = counted(&elf, &deployment, usize::MAX);
    let all = deploy(&deployment, &mut whole).unwrap();
    for stop in 0..all {
        let mut chain = counted(&elf, &deployment, stop);
        let error = deploy(&deployment, &mut chain).unwrap_err();
        assert!(
            error.contains("was refused: the connection broke"),
            "{error}"
        );
        chain.takes = usize::MAX;
        assert_eq!(
            deploy(&deployment, &mut chain),
            Ok(all - stop),
            "stopped after {stop}"
        );
        assert!(plan(&deployment, &chain).is_complete());
    }
}

#[test]
fn what_the_file_adds_later_is_added() {
    let Some(elf) = elf() else { return };
    let small = file("to = \"180000\"", "to = \"120000\"");
    let mut chain = counted(&elf, &small, usize::MAX);
    deploy(&small, &mut chain).unwrap();
    let whole = devnet();
    let wider = plan(&whole, &chain);
    assert_eq!(verbs(&wider), ["list"]);
    let row = wider.rows.iter().find(|row| row.action.is_some()).unwrap();
    assert_eq!(row.detail, "24 options beside 31 listed");
    deploy(&whole, &mut chain).unwrap();
    let back = plan(&small, &chain);
    assert!(back.is_complete(), "what the file no longer has stays");
    let row = back
        .rows
        .iter()
        .find(|row| row.thing == "series BTC")
        .unwrap();
    assert_eq!(row.detail, "31 listed, 24 that the file does not have");
    let roomy = file("capacity_series = 320", "capacity_series = 1_024");
    assert_eq!(verbs(&plan(&roomy, &chain)), ["extend"; 3]);
    deploy(&roomy, &mut chain).unwrap();
    assert!(
        plan(&whole, &chain).is_complete(),
        "more room than asked for is no difference"
    );
}

#[test]
fn a_difference_that_cannot_be_changed_stops_everything_by_name() {
    let Some(elf) = elf() else { return };
    let deployment = devnet();
    let mut chain = counted(&elf, &deployment, usize::MAX);
    deploy(&deployment, &mut chain).unwrap();
    let sent = chain.sent;
    for (replace, by, name) in [
        (
            "lot_size_billionths = 1_000_000",
            "lot_size_billionths = 2_000_000",
            "market BTC: lot_size_billionths is 1000000 on the cluster and 2000000 in the file",
        ),
        (
            "max_price_age_seconds = 60",
            "max_price_age_seconds = 61",
            "market SOL: max_price_age_seconds is 60 on the cluster and 61",
        ),
        (
            "price_exponent = -8",
            "price_exponent = -6",
            "market ETH: price_exponent",
        ),
        (
            "vol_up_ppm = 500_000",
            "vol_up_ppm = 400_000",
            "market SOL: parameters.vol_up_ppm is 500000",
        ),
        ("\"BTC\"", "\"XBT\"", "market XBT: symbol"),
        (
            "taker_fee_ppm = 500",
            "taker_fee_ppm = 501",
            "market BTC: taker_fee_ppm is 500 on the cluster and 501",
        ),
        (
            "insurance_share_ppm = 250_000",
            "insurance_share_ppm = 0",
            "clearinghouse.insurance_share_ppm is 250000",
        ),
        (
            "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU",
            "7tyRKDhomWMU2jGHS4hbNUAYQJoWxFsUWxmGm6aCGPRz",
            "clearinghouse.settlement_mint is 4zMM",
        ),
        (
            "offset_floor_ppm = 350_000",
            "offset_floor_ppm = 400_000",
            "market BTC: offset_floor_ppm is 350000 on the cluster and 400000",
        ),
        (
            "offset_ppm = 500_000",
            "offset_ppm = 400_000",
            "market ETH: offsets is [OffsetArgs { market: 0, offset_ppm: 500000",
        ),
        (
            "max_account_debt_millionths = 10_000_000_000",
            "max_account_debt_millionths = 1",
            "bank.max_account_debt_millionths is 10000000000 on the cluster and 1",
        ),
        (
            "market = \"SOL\"",
            "market = \"ETH\"",
            "bank So11111111111111111111111111111111111111112: market is number 2 on the cluster and ETH",
        ),
    ] {
        // A further series would be listed, were nothing in the way.
        let changed = file(replace, by);
        let found = plan(&changed, &chain);
        assert!(
            found
                .conflicts
                .iter()
                .any(|conflict| conflict.starts_with(name)),
            "{name}: {:?}",
            found.conflicts
        );
        let error = deploy(&changed, &mut chain).unwrap_err();
        assert!(error.contains(name), "{error}");
    }
    assert_eq!(chain.sent, sent, "nothing is sent");
}

#[test]
fn what_has_to_be_there_before_is_named() {
    let Some(elf) = elf() else { return };
    let deployment = devnet();
    let mut svm = Svm::new(&elf).unwrap();
    svm.set_time(NOW);
    let found = plan(&deployment, &svm).conflicts;
    assert_eq!(found.len(), 2);
    for conflict in found {
        assert!(
            conflict.ends_with(" is no token on the cluster"),
            "{conflict}"
        );
    }
    let mut chain = counted(&elf, &deployment, usize::MAX);
    let stranger = Keypair::new_from_array([0x22; 32]);
    let error = apply(&deployment, &mut chain, &stranger, &mut |_| {}).unwrap_err();
    assert!(
        error.to_string().starts_with("clearinghouse.authority is "),
        "{error}"
    );
    assert_eq!(chain.sent, 0);
    deploy(&deployment, &mut chain).unwrap();
    let nobody = DEVNET.to_owned();
    let other = config::read(&nobody, &Given::default()).unwrap();
    let found = plan(&other, &chain).conflicts;
    assert!(
        found[0].starts_with("clearinghouse.authority is "),
        "{found:?}"
    );
}

#[test]
fn expiries_that_have_passed_are_left_alone() {
    let Some(elf) = elf() else { return };
    let deployment = devnet();
    let mut chain = counted(&elf, &deployment, usize::MAX);
    let between = deployment.markets[0].expiries()[0] + 3_600;
    chain.svm.set_time(between);
    deploy(&deployment, &mut chain).unwrap();
    let done = plan(&deployment, &chain);
    let detail = |thing: &str| {
        let row = done.rows.iter().find(|row| row.thing == thing);
        row.map(|row| row.detail.clone()).unwrap_or_default()
    };
    assert_eq!(detail("expiries BTC"), "25DEC26 passed: left alone");
    assert_eq!(detail("series BTC"), "28 listed");
    assert_eq!(detail("series ETH"), "1 listed");
}

#[test]
fn a_plan_without_a_cluster_is_the_whole_deployment() {
    let deployment = devnet();
    let found = compare(&deployment, Target::Empty).unwrap();
    assert_eq!(found.actions().count(), 14);
    assert!(found.conflicts.is_empty());
}

#[test]
fn tokens_get_their_banks_once_and_bad_ones_none() {
    let Some(elf) = elf() else { return };
    let without = file(
        "[[bank]]\nmint = \"So11111111111111111111111111111111111111112\"\nmarket = \"SOL\"\n",
        "",
    );
    let mut chain = counted(&elf, &without, usize::MAX);
    deploy(&without, &mut chain).unwrap();
    let whole = devnet();
    let mint = whole.tokens[0].mint;
    let found = plan(&whole, &chain).conflicts;
    assert_eq!(
        found,
        [format!("bank.mint: {mint} is no token on the cluster")]
    );
    // A Token-2022 mint: 82 bytes of mint, padding, its kind, then extensions by number and length.
    let mut data = vec![0; 166];
    (data[44], data[45], data[165]) = (19, 1, 1);
    let extension = |data: &[u8], number: u16, length: u16| {
        let mut data = data.to_vec();
        data.extend(number.to_le_bytes());
        data.extend(length.to_le_bytes());
        data.resize(data.len() + usize::from(length), 0);
        data
    };
    let metadata_pointer = extension(&data, 18, 64);
    let permanent_delegate = extension(&metadata_pointer, 12, 32);
    for (data, words) in [
        (permanent_delegate, "permanent delegate"),
        (data, "19 decimals"),
    ] {
        chain
            .svm
            .place(mint, data, anchor_spl::token_2022::ID)
            .unwrap();
        let error = deploy(&whole, &mut chain).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    let mut good = metadata_pointer;
    good[44] = 9;
    chain
        .svm
        .place(mint, good, anchor_spl::token_2022::ID)
        .unwrap();
    assert_eq!(verbs(&plan(&whole, &chain)), ["add"]);
    assert_eq!(deploy(&whole, &mut chain), Ok(1));
    assert_eq!(deploy(&whole, &mut chain), Ok(0));
    let bank = chain.svm.data(&whole.house.bank_address(&mint)).unwrap();
    let bank: Bank = decode(bank).unwrap();
    assert_eq!((bank.index, bank.market, bank.decimals), (1, 2, 9));
    assert_eq!(bank.token_program, anchor_spl::token_2022::ID);
}
