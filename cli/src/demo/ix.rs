//! Instructions that the client crate does not build yet.

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::{InstructionData, ToAccountMetas};
use estuary::instructions::TradeLeg;
use estuary::report::ReportPage;
use estuary::{accounts, instruction};
use estuary_client::instruction::{market_accounts, Ledgers, PricedMarket, Trader};
use estuary_client::House;

fn build(
    accounts: impl ToAccountMetas,
    data: impl InstructionData,
    markets: &[PricedMarket],
    ledgers: Ledgers,
) -> Instruction {
    let mut accounts = accounts.to_account_metas(None);
    accounts.extend(market_accounts(markets, ledgers));
    Instruction {
        program_id: estuary::ID,
        accounts,
        data: data.data(),
    }
}

/// Trades legs; `markets` are those of both accounts and of the legs, ascending.
pub fn block_trade(
    house: &House,
    taker: &Trader,
    maker: &Trader,
    legs: Vec<TradeLeg>,
    markets: &[PricedMarket],
) -> Instruction {
    let accounts = accounts::BlockTrade {
        taker: taker.owner,
        maker: maker.owner,
        clearinghouse: house.clearinghouse,
        taker_account: house.margin_account(&taker.owner, taker.sub_id),
        maker_account: house.margin_account(&maker.owner, maker.sub_id),
    };
    build(
        accounts,
        instruction::BlockTrade { legs },
        markets,
        Ledgers::Write,
    )
}

/// Reports on an account; `markets` are those it has positions in, ascending.
pub fn margin_report(
    house: &House,
    account: Pubkey,
    page: ReportPage,
    markets: &[PricedMarket],
) -> Instruction {
    let accounts = accounts::MarginReport {
        clearinghouse: house.clearinghouse,
        margin_account: account,
    };
    build(
        accounts,
        instruction::MarginReport { page },
        markets,
        Ledgers::Read,
    )
}

/// Liquidates an account; `markets` are those of both accounts, ascending.
pub fn liquidate(
    house: &House,
    liquidator: &Trader,
    account: Pubkey,
    markets: &[PricedMarket],
) -> Instruction {
    let accounts = accounts::Liquidate {
        liquidator: liquidator.owner,
        clearinghouse: house.clearinghouse,
        liquidator_account: house.margin_account(&liquidator.owner, liquidator.sub_id),
        liquidated_account: account,
    };
    build(accounts, instruction::Liquidate {}, markets, Ledgers::Write)
}
