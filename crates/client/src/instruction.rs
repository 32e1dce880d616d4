//! One builder per instruction. Addresses that follow from others are derived.

use crate::pda;
use anchor_lang::{
    prelude::{AccountMeta, Pubkey},
    solana_program::{instruction::Instruction, system_program},
    InstructionData, ToAccountMetas,
};
use anchor_spl::token;
use estuary::{
    accounts, instruction as data,
    instructions::{CreateMarketArgs, SeriesArgs, SurfaceSlice, TradeLeg},
    report::ReportPage,
};

/// The accounts of one market in an instruction that needs a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketKeys {
    /// Index of the market in its clearinghouse: the order of the accounts.
    pub index: u16,
    /// The market.
    pub market: Pubkey,
    /// The account its price is read from.
    pub price: Pubkey,
}

/// The two sides of a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TradeParties {
    /// Owner of the taker's account; signs.
    pub taker: Pubkey,
    /// The taker's account.
    pub taker_account: Pubkey,
    /// Owner of the maker's account; signs.
    pub maker: Pubkey,
    /// The maker's account.
    pub maker_account: Pubkey,
}

fn build(accounts: &impl ToAccountMetas, data: &impl InstructionData) -> Instruction {
    Instruction {
        program_id: estuary::ID,
        accounts: accounts.to_account_metas(None),
        data: data.data(),
    }
}

/// Appends `[market, ledger, price]` of each market in ascending order; ledgers of `written` markets are writable.
fn with_markets(
    mut instruction: Instruction,
    markets: &[MarketKeys],
    written: impl Fn(u16) -> bool,
) -> Instruction {
    let mut markets = markets.to_vec();
    markets.sort_unstable_by_key(|keys| keys.index);
    for keys in &markets {
        let ledger = pda::ledger(&keys.market);
        instruction
            .accounts
            .push(AccountMeta::new_readonly(keys.market, false));
        instruction.accounts.push(AccountMeta {
            pubkey: ledger,
            is_signer: false,
            is_writable: written(keys.index),
        });
        instruction
            .accounts
            .push(AccountMeta::new_readonly(keys.price, false));
    }
    instruction
}

/// Creates the clearinghouse with a number.
#[must_use]
pub fn create_clearinghouse(authority: Pubkey, id: u16, settlement_mint: Pubkey) -> Instruction {
    let accounts = accounts::CreateClearinghouse {
        authority,
        clearinghouse: pda::clearinghouse(id),
        settlement_mint,
        system_program: system_program::ID,
    };
    build(&accounts, &data::CreateClearinghouse { id })
}

/// Adds the bank of the settlement token.
#[must_use]
pub fn add_bank(authority: Pubkey, clearinghouse: Pubkey, mint: Pubkey) -> Instruction {
    let bank = pda::bank(&clearinghouse, &mint);
    let accounts = accounts::AddBank {
        authority,
        clearinghouse,
        mint,
        bank,
        vault: pda::vault(&bank),
        token_program: token::ID,
        system_program: system_program::ID,
    };
    build(&accounts, &data::AddBank {})
}

/// Creates a market and its ledger.
#[must_use]
pub fn create_market(
    authority: Pubkey,
    clearinghouse: Pubkey,
    args: CreateMarketArgs,
) -> Instruction {
    let market = pda::market(&clearinghouse, &args.feed_id);
    let accounts = accounts::CreateMarket {
        authority,
        clearinghouse,
        market,
        ledger: pda::ledger(&market),
        system_program: system_program::ID,
    };
    build(&accounts, &data::CreateMarket { args })
}

/// Grows a market by up to 160 series towards `target_capacity`.
#[must_use]
pub fn extend_market(
    authority: Pubkey,
    clearinghouse: Pubkey,
    market: Pubkey,
    target_capacity: u16,
) -> Instruction {
    let system_program = system_program::ID;
    let accounts = accounts::ExtendMarket {
        authority,
        clearinghouse,
        market,
        system_program,
    };
    build(&accounts, &data::ExtendMarket { target_capacity })
}

/// The `extend_market` instructions that bring a market from one capacity to another.
#[must_use]
pub fn extend_market_fully(
    authority: Pubkey,
    clearinghouse: Pubkey,
    market: Pubkey,
    capacity: u16,
    target_capacity: u16,
) -> Vec<Instruction> {
    let calls = target_capacity.saturating_sub(capacity).div_ceil(160);
    let call = |_| extend_market(authority, clearinghouse, market, target_capacity);
    (0..calls).map(call).collect()
}

/// Lists series in the next free slots.
#[must_use]
pub fn list_series(
    authority: Pubkey,
    clearinghouse: Pubkey,
    market: Pubkey,
    series: Vec<SeriesArgs>,
) -> Instruction {
    let accounts = accounts::ListSeries {
        authority,
        clearinghouse,
        market,
    };
    build(&accounts, &data::ListSeries { series })
}

/// Posts smiles and basis rates, ascending by time; unknown times become expiries.
#[must_use]
pub fn post_surface(
    authority: Pubkey,
    clearinghouse: Pubkey,
    market: Pubkey,
    slices: Vec<SurfaceSlice>,
) -> Instruction {
    let accounts = accounts::PostSurface {
        authority,
        clearinghouse,
        market,
    };
    build(&accounts, &data::PostSurface { slices })
}

/// Opens the owner's margin account with a number.
#[must_use]
pub fn open_account(
    payer: Pubkey,
    owner: Pubkey,
    clearinghouse: Pubkey,
    sub_id: u16,
) -> Instruction {
    let accounts = accounts::OpenAccount {
        payer,
        owner,
        clearinghouse,
        margin_account: pda::margin_account(&clearinghouse, &owner, sub_id),
        system_program: system_program::ID,
    };
    build(&accounts, &data::OpenAccount { sub_id })
}

/// Deposits base units of a token from `source`, whose authority signs.
#[must_use]
pub fn deposit(
    depositor: Pubkey,
    clearinghouse: Pubkey,
    margin_account: Pubkey,
    mint: Pubkey,
    source: Pubkey,
    amount: u64,
) -> Instruction {
    let bank = pda::bank(&clearinghouse, &mint);
    let accounts = accounts::Deposit {
        depositor,
        clearinghouse,
        margin_account,
        bank,
        mint,
        vault: pda::vault(&bank),
        source,
        token_program: token::ID,
    };
    build(&accounts, &data::Deposit { amount })
}

/// Withdraws base units of a token to `destination`. `markets` are those the account has positions in.
#[must_use]
pub fn withdraw(
    owner: Pubkey,
    clearinghouse: Pubkey,
    margin_account: Pubkey,
    mint: Pubkey,
    destination: Pubkey,
    amount: u64,
    markets: &[MarketKeys],
) -> Instruction {
    let bank = pda::bank(&clearinghouse, &mint);
    let accounts = accounts::Withdraw {
        owner,
        clearinghouse,
        margin_account,
        bank,
        mint,
        vault: pda::vault(&bank),
        destination,
        token_program: token::ID,
    };
    with_markets(
        build(&accounts, &data::Withdraw { amount }),
        markets,
        |_| false,
    )
}

/// Trades legs between two accounts. `markets` are those of either account and of the legs.
#[must_use]
pub fn block_trade(
    clearinghouse: Pubkey,
    parties: &TradeParties,
    legs: Vec<TradeLeg>,
    markets: &[MarketKeys],
) -> Instruction {
    let accounts = accounts::BlockTrade {
        taker: parties.taker,
        maker: parties.maker,
        clearinghouse,
        taker_account: parties.taker_account,
        maker_account: parties.maker_account,
    };
    let traded: Vec<u16> = legs.iter().map(|leg| leg.market).collect();
    let instruction = build(&accounts, &data::BlockTrade { legs });
    with_markets(instruction, markets, |index| traded.contains(&index))
}

/// Asks for a view of an account's margin; simulate it and read the return data with [`crate::view::decode`].
/// `markets` are those the account has positions in.
#[must_use]
pub fn margin_report(
    clearinghouse: Pubkey,
    margin_account: Pubkey,
    page: ReportPage,
    markets: &[MarketKeys],
) -> Instruction {
    let accounts = accounts::MarginReport {
        clearinghouse,
        margin_account,
    };
    with_markets(
        build(&accounts, &data::MarginReport { page }),
        markets,
        |_| false,
    )
}

/// Takes positions of an account below its maintenance margin. `markets` are those of either account; `written` the
/// indices of those the liquidated account has positions in.
#[must_use]
pub fn liquidate(
    liquidator: Pubkey,
    clearinghouse: Pubkey,
    liquidator_account: Pubkey,
    liquidated_account: Pubkey,
    markets: &[MarketKeys],
    written: &[u16],
) -> Instruction {
    let accounts = accounts::Liquidate {
        liquidator,
        clearinghouse,
        liquidator_account,
        liquidated_account,
    };
    let instruction = build(&accounts, &data::Liquidate {});
    with_markets(instruction, markets, |index| written.contains(&index))
}
