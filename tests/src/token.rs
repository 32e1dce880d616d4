//! Token accounts written straight into the SVM: the token program's bookkeeping is not under test.

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::program_pack::Pack;
use anchor_spl::token::spl_token::state::{Account as TokenAccount, AccountState, Mint};
use anchor_spl::token_2022::spl_token_2022::{extension::StateWithExtensions, state};
use solana_account::Account;

/// Lamports that make any account here exempt from rent.
pub const RICH: u64 = 10_000_000_000;

fn account<P: Pack>(state: P) -> Account {
    let mut data = vec![0; P::LEN];
    state.pack_into_slice(&mut data);
    Account {
        lamports: RICH,
        data,
        owner: anchor_spl::token::ID,
        ..Account::default()
    }
}

/// A mint without a mint authority.
pub fn mint(decimals: u8) -> Account {
    account(Mint {
        supply: u64::MAX,
        decimals,
        is_initialized: true,
        ..Mint::default()
    })
}

/// A token account.
pub fn token_account(mint: Pubkey, owner: Pubkey, amount: u64) -> Account {
    account(TokenAccount {
        mint,
        owner,
        amount,
        state: AccountState::Initialized,
        ..TokenAccount::default()
    })
}

/// The amount in a token account.
///
/// # Panics
/// When the bytes are not a token account.
pub fn amount(data: &[u8]) -> u64 {
    let account = StateWithExtensions::<state::Account>::unpack(data);
    account.expect("a token account").base.amount
}
