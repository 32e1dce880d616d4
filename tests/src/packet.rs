//! Transactions as a client builds them: legacy where they fit a packet, otherwise with an address lookup table.

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use solana_account::Account;
use solana_address_lookup_table_interface::program::ID as LOOKUP_TABLE_PROGRAM;
use solana_address_lookup_table_interface::state::{AddressLookupTable, LookupTableMeta};
use solana_keypair::Keypair;
use solana_message::{v0, AddressLookupTableAccount, Hash, Message, VersionedMessage};
use solana_signer::Signer;
use solana_transaction::versioned::VersionedTransaction;

/// Most bytes of a transaction.
pub const PACKET: usize = 1_232;

/// Bytes of the transaction of a message.
pub fn size(message: &VersionedMessage) -> usize {
    let signatures = usize::from(message.header().num_required_signatures);
    1 + 64 * signatures + message.serialize().len()
}

/// A legacy message.
pub fn legacy(instructions: &[Instruction], payer: &Pubkey, blockhash: &Hash) -> VersionedMessage {
    VersionedMessage::Legacy(Message::new_with_blockhash(
        instructions,
        Some(payer),
        blockhash,
    ))
}

/// A lookup table of every account that neither signs nor runs.
pub fn lookup_table(instructions: &[Instruction]) -> Vec<Pubkey> {
    let mut addresses: Vec<_> = instructions
        .iter()
        .flat_map(|instruction| &instruction.accounts)
        .filter(|meta| !meta.is_signer)
        .map(|meta| meta.pubkey)
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// The account of a lookup table.
pub fn lookup_table_account(addresses: &[Pubkey]) -> Account {
    let table = AddressLookupTable {
        meta: LookupTableMeta::default(),
        addresses: addresses.into(),
    };
    Account {
        lamports: crate::token::RICH,
        data: table.serialize_for_tests().expect("a lookup table"),
        owner: LOOKUP_TABLE_PROGRAM,
        ..Account::default()
    }
}

/// A message that finds its accounts in a table at `key`.
pub fn with_table(
    instructions: &[Instruction],
    payer: &Pubkey,
    blockhash: Hash,
    key: Pubkey,
    addresses: Vec<Pubkey>,
) -> VersionedMessage {
    let tables = [AddressLookupTableAccount { key, addresses }];
    let message = v0::Message::try_compile(payer, instructions, &tables, blockhash);
    VersionedMessage::V0(message.expect("a message"))
}

/// Signs with those keys that the message wants.
///
/// # Panics
/// When one is missing.
pub fn sign(message: VersionedMessage, keys: &[&Keypair]) -> VersionedTransaction {
    let signatures = usize::from(message.header().num_required_signatures);
    let wanted = &message.static_account_keys()[..signatures];
    let mut signing: Vec<&Keypair> = Vec::new();
    for key in keys {
        let known = signing.iter().any(|other| other.pubkey() == key.pubkey());
        if !known && wanted.contains(&key.pubkey()) {
            signing.push(key);
        }
    }
    VersionedTransaction::try_new(message, &signing).expect("every signature")
}
