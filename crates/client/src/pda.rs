//! Addresses of the program's accounts.

use anchor_lang::prelude::Pubkey;
use estuary::seeds;

fn derive(seeds: &[&[u8]]) -> Pubkey {
    Pubkey::find_program_address(seeds, &estuary::ID).0
}

/// The clearinghouse with a number.
#[must_use]
pub fn clearinghouse(id: u16) -> Pubkey {
    derive(&[seeds::CLEARINGHOUSE, &id.to_le_bytes()])
}

/// The bank of a token.
#[must_use]
pub fn bank(clearinghouse: &Pubkey, mint: &Pubkey) -> Pubkey {
    derive(&[seeds::BANK, clearinghouse.as_ref(), mint.as_ref()])
}

/// The vault of a bank.
#[must_use]
pub fn vault(bank: &Pubkey) -> Pubkey {
    derive(&[seeds::VAULT, bank.as_ref()])
}

/// The market of a price feed.
#[must_use]
pub fn market(clearinghouse: &Pubkey, feed_id: &[u8; 32]) -> Pubkey {
    derive(&[seeds::MARKET, clearinghouse.as_ref(), feed_id])
}

/// The ledger of a market.
#[must_use]
pub fn ledger(market: &Pubkey) -> Pubkey {
    derive(&[seeds::LEDGER, market.as_ref()])
}

/// An owner's margin account with a number.
#[must_use]
pub fn margin_account(clearinghouse: &Pubkey, owner: &Pubkey, sub_id: u16) -> Pubkey {
    derive(&[
        seeds::MARGIN,
        clearinghouse.as_ref(),
        owner.as_ref(),
        &sub_id.to_le_bytes(),
    ])
}
