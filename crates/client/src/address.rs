//! Program-derived addresses.

use anchor_lang::prelude::Pubkey;
use estuary::seeds;

/// A program-derived address of the program.
pub fn derive(seeds: &[&[u8]]) -> Pubkey {
    Pubkey::find_program_address(seeds, &estuary::ID).0
}

/// The address that signs for the program's events.
pub fn event_authority() -> Pubkey {
    estuary::EVENT_AUTHORITY_AND_BUMP.0
}

/// Address of a market's ledger.
pub fn ledger(market: &Pubkey) -> Pubkey {
    derive(&[seeds::LEDGER, market.as_ref()])
}

/// The addresses of one clearinghouse and its settlement bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct House {
    /// Number of the clearinghouse.
    pub id: u16,
    /// Who governs it and pays for its accounts.
    pub authority: Pubkey,
    /// The settlement token.
    pub mint: Pubkey,
    /// The clearinghouse.
    pub clearinghouse: Pubkey,
    /// The bank of the settlement token.
    pub bank: Pubkey,
    /// Where the bank's tokens are.
    pub vault: Pubkey,
}

impl House {
    /// The addresses of clearinghouse number `id`.
    pub fn new(id: u16, authority: Pubkey, mint: Pubkey) -> Self {
        let clearinghouse = derive(&[seeds::CLEARINGHOUSE, &id.to_le_bytes()]);
        let bank = derive(&[seeds::BANK, clearinghouse.as_ref(), mint.as_ref()]);
        Self {
            id,
            authority,
            mint,
            clearinghouse,
            bank,
            vault: derive(&[seeds::VAULT, bank.as_ref()]),
        }
    }

    /// Address of the market of a price feed.
    pub fn market(&self, feed_id: &[u8; 32]) -> Pubkey {
        derive(&[seeds::MARKET, self.clearinghouse.as_ref(), feed_id])
    }

    /// Address of an owner's margin account number `sub_id`.
    pub fn margin_account(&self, owner: &Pubkey, sub_id: u16) -> Pubkey {
        let sub_id = sub_id.to_le_bytes();
        derive(&[
            seeds::MARGIN,
            self.clearinghouse.as_ref(),
            owner.as_ref(),
            &sub_id,
        ])
    }
}
