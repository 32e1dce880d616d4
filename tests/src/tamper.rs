//! Spoils a well-formed instruction in one respect, so that a refusal can have one cause only.

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};

/// Changes to an instruction's accounts. Each panics when the account is not there: it would test nothing.
pub trait Tamper: Sized {
    /// Puts another account wherever `from` is.
    #[must_use]
    fn replacing(self, from: &Pubkey, to: &Pubkey) -> Self;
    /// Takes a signature away.
    #[must_use]
    fn unsigned(self, key: &Pubkey) -> Self;
    /// Makes an account read-only.
    #[must_use]
    fn read_only(self, key: &Pubkey) -> Self;
    /// Appends an account, read-only.
    #[must_use]
    fn with_extra(self, key: &Pubkey) -> Self;
    /// Drops the last `count` accounts.
    #[must_use]
    fn without_last(self, count: usize) -> Self;
    /// Exchanges two accounts.
    #[must_use]
    fn exchanging(self, one: &Pubkey, other: &Pubkey) -> Self;
}

fn metas<'a>(instruction: &'a mut Instruction, key: &Pubkey) -> Vec<&'a mut AccountMeta> {
    let found: Vec<_> = instruction
        .accounts
        .iter_mut()
        .filter(|meta| meta.pubkey == *key)
        .collect();
    assert!(!found.is_empty(), "the instruction does not use {key}");
    found
}

impl Tamper for Instruction {
    fn replacing(mut self, from: &Pubkey, to: &Pubkey) -> Self {
        for meta in metas(&mut self, from) {
            meta.pubkey = *to;
        }
        self
    }

    fn unsigned(mut self, key: &Pubkey) -> Self {
        for meta in metas(&mut self, key) {
            assert!(meta.is_signer, "{key} does not sign anyway");
            meta.is_signer = false;
        }
        self
    }

    fn read_only(mut self, key: &Pubkey) -> Self {
        for meta in metas(&mut self, key) {
            assert!(meta.is_writable, "{key} is read-only anyway");
            meta.is_writable = false;
        }
        self
    }

    fn with_extra(mut self, key: &Pubkey) -> Self {
        self.accounts.push(AccountMeta::new_readonly(*key, false));
        self
    }

    fn without_last(mut self, count: usize) -> Self {
        let left = self.accounts.len() - count;
        self.accounts.truncate(left);
        self
    }

    fn exchanging(mut self, one: &Pubkey, other: &Pubkey) -> Self {
        let place = |key: &Pubkey| self.accounts.iter().position(|meta| meta.pubkey == *key);
        let (Some(one), Some(other)) = (place(one), place(other)) else {
            panic!("the instruction does not use both accounts");
        };
        self.accounts.swap(one, other);
        self
    }
}
