//! The instructions as a well-behaved client builds them.

use crate::{House, Trader, Underlying};
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};
use anchor_lang::{system_program, InstructionData, ToAccountMetas};
use estuary::instructions::{CreateMarketArgs, SeriesArgs, SurfaceSlice};
use estuary::{accounts, instruction};
use solana_signer::Signer;

fn build(accounts: impl ToAccountMetas, data: impl InstructionData) -> Instruction {
    Instruction {
        program_id: estuary::ID,
        accounts: accounts.to_account_metas(None),
        data: data.data(),
    }
}

/// Creates the house's clearinghouse.
pub fn create_clearinghouse(house: &House) -> Instruction {
    let accounts = accounts::CreateClearinghouse {
        authority: house.authority.pubkey(),
        clearinghouse: house.clearinghouse,
        settlement_mint: house.mint,
        system_program: system_program::ID,
    };
    build(accounts, instruction::CreateClearinghouse { id: house.id })
}

/// Adds the bank of the settlement token.
pub fn add_bank(house: &House) -> Instruction {
    let accounts = accounts::AddBank {
        authority: house.authority.pubkey(),
        clearinghouse: house.clearinghouse,
        mint: house.mint,
        bank: house.bank,
        vault: house.vault,
        token_program: anchor_spl::token::ID,
        system_program: system_program::ID,
    };
    build(accounts, instruction::AddBank {})
}

/// Creates a market.
pub fn create_market(house: &House, args: &CreateMarketArgs) -> Instruction {
    let market = house.market_address(&args.feed_id);
    let accounts = accounts::CreateMarket {
        authority: house.authority.pubkey(),
        clearinghouse: house.clearinghouse,
        market,
        ledger: crate::setup::ledger_address(&market),
        system_program: system_program::ID,
    };
    build(accounts, instruction::CreateMarket { args: args.clone() })
}

/// Grows a market.
pub fn extend_market(house: &House, market: &Pubkey, target_capacity: u16) -> Instruction {
    let accounts = accounts::ExtendMarket {
        authority: house.authority.pubkey(),
        clearinghouse: house.clearinghouse,
        market: *market,
        system_program: system_program::ID,
    };
    build(accounts, instruction::ExtendMarket { target_capacity })
}

/// Lists series.
pub fn list_series(house: &House, market: &Pubkey, series: &[SeriesArgs]) -> Instruction {
    let accounts = accounts::ListSeries {
        authority: house.authority.pubkey(),
        clearinghouse: house.clearinghouse,
        market: *market,
    };
    let series = series.to_vec();
    build(accounts, instruction::ListSeries { series })
}

/// Posts a surface.
pub fn post_surface(house: &House, market: &Pubkey, slices: &[SurfaceSlice]) -> Instruction {
    let accounts = accounts::PostSurface {
        authority: house.authority.pubkey(),
        clearinghouse: house.clearinghouse,
        market: *market,
    };
    let slices = slices.to_vec();
    build(accounts, instruction::PostSurface { slices })
}

/// Opens a trader's account, which the owner pays for.
pub fn open_account(house: &House, trader: &Trader) -> Instruction {
    let accounts = accounts::OpenAccount {
        payer: trader.owner.pubkey(),
        owner: trader.owner.pubkey(),
        clearinghouse: house.clearinghouse,
        margin_account: trader.account,
        system_program: system_program::ID,
    };
    let sub_id = trader.sub_id;
    build(accounts, instruction::OpenAccount { sub_id })
}

/// Deposits from the trader's token account.
pub fn deposit(house: &House, trader: &Trader, amount: u64) -> Instruction {
    let accounts = accounts::Deposit {
        depositor: trader.owner.pubkey(),
        clearinghouse: house.clearinghouse,
        margin_account: trader.account,
        bank: house.bank,
        mint: house.mint,
        vault: house.vault,
        source: trader.tokens,
        token_program: anchor_spl::token::ID,
    };
    build(accounts, instruction::Deposit { amount })
}

/// Withdraws to the trader's token account; `markets` are those the trader has positions in.
pub fn withdraw(
    house: &House,
    trader: &Trader,
    amount: u64,
    markets: &[&Underlying],
) -> Instruction {
    let accounts = accounts::Withdraw {
        owner: trader.owner.pubkey(),
        clearinghouse: house.clearinghouse,
        margin_account: trader.account,
        bank: house.bank,
        mint: house.mint,
        vault: house.vault,
        destination: trader.tokens,
        token_program: anchor_spl::token::ID,
    };
    let mut instruction = build(accounts, instruction::Withdraw { amount });
    instruction.accounts.extend(remaining(markets, false));
    instruction
}

/// The remaining accounts of an instruction over these markets.
fn remaining(markets: &[&Underlying], writable: bool) -> Vec<AccountMeta> {
    let group = |market: &&Underlying| {
        let mut ledger = AccountMeta::new_readonly(market.ledger, false);
        ledger.is_writable = writable;
        [
            AccountMeta::new_readonly(market.market, false),
            ledger,
            AccountMeta::new_readonly(market.price_account, false),
        ]
    };
    markets.iter().flat_map(group).collect()
}
