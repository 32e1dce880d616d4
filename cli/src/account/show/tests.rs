use std::collections::HashMap;

use bytemuck::Zeroable;
use estuary::state::{Balance, Claim, Position};
use estuary_client::chain::{ChainError, FetchedAccount};
use estuary_client::Instruction;
use solana_signer::Signer;

use super::*;

/// Accounts by address.
#[derive(Default)]
struct Accounts(HashMap<Pubkey, FetchedAccount>);

impl Chain for Accounts {
    fn account(&self, address: &Pubkey) -> Result<Option<FetchedAccount>, ChainError> {
        Ok(self.0.get(address).cloned())
    }

    fn send(&mut self, _: &[Instruction], _: &[&dyn Signer]) -> Result<(), ChainError> {
        Err("nothing is sent here".into())
    }
}

impl Accounts {
    fn put(&mut self, address: Pubkey, discriminator: &[u8], body: &[u8]) {
        let account = FetchedAccount {
            owner: estuary::ID,
            executable: false,
            data: [discriminator, body].concat(),
        };
        self.0.insert(address, account);
    }
}

const KEYS: [Pubkey; 3] = [
    Pubkey::new_from_array([1; 32]),
    Pubkey::new_from_array([2; 32]),
    Pubkey::new_from_array([3; 32]),
];

/// A margin account of an owner who has another one too.
fn chain() -> Accounts {
    let [clearinghouse, holder, address] = KEYS;
    let mut account = MarginAccount::zeroed();
    account.version = MarginAccount::VERSION;
    account.sub_id = 7;
    account.clearinghouse = clearinghouse;
    account.owner = holder;
    for (bank, balance) in (0..).zip(&mut account.balances) {
        *balance = Balance::empty(bank);
    }
    account.balances[0].amount = -1_500_000;
    account.balances[2].amount = 5_000_000_000;
    account.balances[2].market = 1;
    account.balances[2].decimals = 9;
    account.position_count = 2;
    let position = |market, slot, lots, cost| Position {
        market,
        slot,
        lots,
        cost,
        ..Position::default()
    };
    account.positions[0] = position(1, 4, -30, 2_500_000);
    account.positions[1] = position(1, 9, 12, 0);
    account.unsettled[0].market = 3;
    account.unsettled[0].carry = -250_000;
    account.unsettled[0].claims[0] = Claim {
        face: 9_000_000,
        collected: 4_000_000,
        ..Claim::default()
    };
    let mut owner = Owner::of_one(&account);
    owner.account_count = 2;
    owner.gross_lots[1] += 100;
    let mut chain = Accounts::default();
    let body = bytemuck::bytes_of(&account);
    chain.put(address, MarginAccount::DISCRIMINATOR, body);
    let of_owner = owner_account(&clearinghouse, &holder);
    chain.put(of_owner, Owner::DISCRIMINATOR, bytemuck::bytes_of(&owner));
    chain
}

fn json(shown: &Shown) -> serde_json::Value {
    let text = shown.node().pretty().expect("JSON");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn a_margin_account_is_shown_with_its_owner() {
    let [clearinghouse, holder, address] = KEYS;
    let shown = fetch(&chain(), &address).expect("the account");
    let expected = serde_json::json!({
        "address": address.to_string(), "kind": "margin",
        "clearinghouse": clearinghouse.to_string(), "owner": holder.to_string(),
        "sub_id": 7, "delegate": null, "unhealthy_since": null, "cash": -1.5,
        "tokens": [{"bank": 2, "market": 1, "base_units": 5_000_000_000i64, "decimals": 9}],
        "positions": [
            {"market": 1, "slot": 4, "generation": 0, "lots": -30, "cost": 2.5},
            {"market": 1, "slot": 9, "generation": 0, "lots": 12, "cost": 0},
        ],
        "unsettled": [{"market": 3, "carry": -0.25, "claims": 5}],
        "owner_account": {
            "clearinghouse": clearinghouse.to_string(), "owner": holder.to_string(),
            "margin_accounts": 2,
            "markets": [{"market": 1, "gross_lots": 142, "of_this_account": 42}],
        },
    });
    assert_eq!(json(&shown), expected);
    let text = shown.text();
    let is_cash = |line: &str| line.starts_with("  cash ") && line.ends_with("  -1.5");
    assert!(text.lines().any(is_cash), "{text}");
    for line in [
        "  2          1  5000000000         9",
        "  1          4   -30   2.5",
        "  3       -0.25       5",
        "  1                        142               42",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}: {text}");
    }
}

#[test]
fn an_owner_is_shown_alone() {
    let [clearinghouse, holder, _] = KEYS;
    let address = owner_account(&clearinghouse, &holder);
    let shown = json(&fetch(&chain(), &address).expect("the account"));
    assert_eq!(shown["kind"], "owner");
    assert_eq!(shown.get("positions"), None);
    assert_eq!(
        shown["owner_account"]["markets"],
        serde_json::json!([{"market": 1, "gross_lots": 142, "of_this_account": null}])
    );
}

#[test]
fn what_is_no_such_account_is_named() {
    let mut chain = chain();
    let [_, _, address] = KEYS;
    let other = Pubkey::new_from_array([9; 32]);
    let refused = |chain: &Accounts, address: &Pubkey| fetch(chain, address).err();
    let error = refused(&chain, &other).expect("an error");
    assert_eq!(error, format!("there is no account {other}"));
    chain.put(other, &[5; 8], &[0; 100]);
    let error = refused(&chain, &other).expect("an error");
    assert!(error.ends_with("is neither a margin account nor an owner's account"));
    let mut foreign = chain.0[&address].clone();
    foreign.owner = other;
    chain.0.insert(other, foreign);
    let error = refused(&chain, &other).expect("an error");
    assert!(error.contains("belongs to"), "{error}");
    // Cut short, and of a version to come.
    let account = chain.0.get_mut(&address).expect("the account");
    let whole = account.data.clone();
    account.data.truncate(100);
    let error = refused(&chain, &address).expect("an error");
    assert!(error.starts_with(&address.to_string()), "{error}");
    chain.0.get_mut(&address).expect("the account").data = whole;
    chain.0.get_mut(&address).expect("the account").data[8] = 99;
    assert!(refused(&chain, &address).is_some());
    let of_owner = owner_account(&KEYS[0], &KEYS[1]);
    chain.0.get_mut(&address).expect("the account").data[8] = MarginAccount::VERSION;
    chain.0.remove(&of_owner);
    let error = refused(&chain, &address).expect("an error");
    assert_eq!(error, format!("there is no account {of_owner}"));
}
