//! Program-derived addresses.

use anchor_lang::prelude::Pubkey;
use anchor_spl::token;
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

/// Address of the account that sums up what an owner holds in all margin accounts of a clearinghouse.
pub fn owner_account(clearinghouse: &Pubkey, owner: &Pubkey) -> Pubkey {
    derive(&[seeds::OWNER, clearinghouse.as_ref(), owner.as_ref()])
}

/// A token with its bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenBank {
    /// The token.
    pub mint: Pubkey,
    /// The token program that owns it: SPL Token or Token-2022.
    pub token_program: Pubkey,
    /// The bank.
    pub bank: Pubkey,
    /// Where the bank's tokens are.
    pub vault: Pubkey,
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
        let TokenBank { bank, vault, .. } = token_bank(&clearinghouse, mint, token::ID);
        Self {
            id,
            authority,
            mint,
            clearinghouse,
            bank,
            vault,
        }
    }

    /// The bank of the settlement token, which is an SPL token.
    pub const fn settlement_bank(&self) -> TokenBank {
        TokenBank {
            mint: self.mint,
            token_program: token::ID,
            bank: self.bank,
            vault: self.vault,
        }
    }

    /// Address of the bank of a token, whichever token program it is of.
    pub fn bank_address(&self, mint: &Pubkey) -> Pubkey {
        derive(&[seeds::BANK, self.clearinghouse.as_ref(), mint.as_ref()])
    }

    /// The bank of any token.
    pub fn token_bank(&self, mint: Pubkey, token_program: Pubkey) -> TokenBank {
        token_bank(&self.clearinghouse, mint, token_program)
    }

    /// Address of the market of a price feed.
    pub fn market(&self, feed_id: &[u8; 32]) -> Pubkey {
        derive(&[seeds::MARKET, self.clearinghouse.as_ref(), feed_id])
    }

    /// Address of the account that sums up what an owner holds in all margin accounts.
    pub fn owner_account(&self, owner: &Pubkey) -> Pubkey {
        owner_account(&self.clearinghouse, owner)
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

fn token_bank(clearinghouse: &Pubkey, mint: Pubkey, token_program: Pubkey) -> TokenBank {
    let bank = derive(&[seeds::BANK, clearinghouse.as_ref(), mint.as_ref()]);
    TokenBank {
        mint,
        token_program,
        bank,
        vault: derive(&[seeds::VAULT, bank.as_ref()]),
    }
}
