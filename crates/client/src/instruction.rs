//! Instructions as a well-behaved client builds them.

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};
use anchor_lang::{system_program, InstructionData, ToAccountMetas};
use estuary::instructions::{
    CreateMarketArgs, LiquidateArgs, OffsetArgs, PositionTransfer, SeriesArgs, SurfaceSlice,
    TradeLeg, WhatIf,
};
use estuary::report::ReportPage;
use estuary::state::MarketStatus;
use estuary::{accounts, instruction};

use crate::address::{event_authority, ledger, House, TokenBank};

/// A margin account and the token account that its owner pays from and is paid to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trader {
    /// Who signs.
    pub owner: Pubkey,
    /// Number of the margin account among the owner's.
    pub sub_id: u16,
    /// The owner's account of the token that is moved.
    pub tokens: Pubkey,
}

/// Which margin account: the signer's number so-and-so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Party {
    /// Who owns the account and, where an instruction needs it, signs.
    pub owner: Pubkey,
    /// Number of the margin account among the owner's.
    pub sub_id: u16,
}

/// A market with the price account that an instruction is to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PricedMarket {
    /// The market.
    pub market: Pubkey,
    /// The price update of its feed.
    pub price: Pubkey,
}

/// What an instruction does with the ledgers of its markets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ledgers {
    /// Reads them.
    Read,
    /// Records prices and open interest in them.
    Write,
}

/// Heap that a transaction needs whose accounts have many positions, bytes: the most there is, for 56 compute units.
const HEAP_FRAME: u32 = 256 * 1024;

/// The program that takes a transaction's requests for resources.
const COMPUTE_BUDGET: Pubkey =
    Pubkey::from_str_const("ComputeBudget111111111111111111111111111111");

/// Requests the largest heap. Send it in the same transaction before a trade, report, withdrawal or liquidation whose
/// accounts have more than 32 positions together: the 32 kB that a transaction gets otherwise may not hold their arrays.
pub fn request_heap_frame() -> Instruction {
    let [a, b, c, d] = HEAP_FRAME.to_le_bytes();
    Instruction {
        program_id: COMPUTE_BUDGET,
        accounts: Vec::new(),
        data: vec![1, a, b, c, d],
    }
}

/// Raises a transaction's limit of compute units, 200,000 an instruction otherwise, to at most 1,400,000.
pub fn request_compute_units(units: u32) -> Instruction {
    let [a, b, c, d] = units.to_le_bytes();
    Instruction {
        program_id: COMPUTE_BUDGET,
        accounts: Vec::new(),
        data: vec![2, a, b, c, d],
    }
}

/// The remaining accounts over markets, which have to ascend by the markets' index.
pub fn market_accounts(markets: &[PricedMarket], ledgers: Ledgers) -> Vec<AccountMeta> {
    let group = |market: &PricedMarket| {
        let ledger = AccountMeta {
            pubkey: ledger(&market.market),
            is_signer: false,
            is_writable: ledgers == Ledgers::Write,
        };
        [
            AccountMeta::new_readonly(market.market, false),
            ledger,
            AccountMeta::new_readonly(market.price, false),
        ]
    };
    markets.iter().flat_map(group).collect()
}

/// The remaining accounts over markets, the ledgers of `written` markets writable.
fn mixed_accounts(markets: &[PricedMarket], written: &[Pubkey]) -> Vec<AccountMeta> {
    let group = |market: &PricedMarket| {
        let write = written.contains(&market.market);
        let ledgers = if write { Ledgers::Write } else { Ledgers::Read };
        market_accounts(core::slice::from_ref(market), ledgers)
    };
    markets.iter().flat_map(group).collect()
}

/// The same trade or liquidation with `delegate` signing for `owner`, on every side that `owner` would sign for.
pub fn signed_by_delegate(
    mut instruction: Instruction,
    owner: &Pubkey,
    delegate: Pubkey,
) -> Instruction {
    let signs = |meta: &&mut AccountMeta| meta.is_signer && meta.pubkey == *owner;
    for meta in instruction.accounts.iter_mut().filter(signs) {
        meta.pubkey = delegate;
    }
    instruction
}

fn build(accounts: impl ToAccountMetas, data: impl InstructionData) -> Instruction {
    Instruction {
        program_id: estuary::ID,
        accounts: accounts.to_account_metas(None),
        data: data.data(),
    }
}

impl House {
    /// Creates the clearinghouse.
    pub fn create_clearinghouse(&self, insurance_share_ppm: u32) -> Instruction {
        let accounts = accounts::CreateClearinghouse {
            authority: self.authority,
            clearinghouse: self.clearinghouse,
            settlement_mint: self.mint,
            system_program: system_program::ID,
        };
        let arguments = instruction::CreateClearinghouse {
            id: self.id,
            insurance_share_ppm,
        };
        build(accounts, arguments)
    }

    /// Adds the bank of the settlement token, of which one account may owe `max_account_debt` micro-units.
    pub fn add_bank(&self, max_account_debt: u64) -> Instruction {
        self.add_any_bank(&self.settlement_bank(), None, max_account_debt)
    }

    /// Adds the bank of a token that is the underlying of `market`.
    pub fn add_token_bank(&self, bank: &TokenBank, market: Pubkey) -> Instruction {
        self.add_any_bank(bank, Some(market), 0)
    }

    fn add_any_bank(
        &self,
        bank: &TokenBank,
        market: Option<Pubkey>,
        max_account_debt: u64,
    ) -> Instruction {
        let accounts = accounts::AddBank {
            authority: self.authority,
            clearinghouse: self.clearinghouse,
            mint: bank.mint,
            market,
            bank: bank.bank,
            vault: bank.vault,
            token_program: bank.token_program,
            system_program: system_program::ID,
        };
        build(accounts, instruction::AddBank { max_account_debt })
    }

    /// Creates a market and its ledger.
    pub fn create_market(&self, args: CreateMarketArgs) -> Instruction {
        let market = self.market(&args.feed_id);
        let accounts = accounts::CreateMarket {
            authority: self.authority,
            clearinghouse: self.clearinghouse,
            market,
            ledger: ledger(&market),
            system_program: system_program::ID,
        };
        build(accounts, instruction::CreateMarket { args })
    }

    /// Makes room for series; repeat until the target is reached.
    pub fn extend_market(&self, market: Pubkey, target_capacity: u16) -> Instruction {
        let accounts = accounts::ExtendMarket {
            authority: self.authority,
            clearinghouse: self.clearinghouse,
            market,
            system_program: system_program::ID,
        };
        build(accounts, instruction::ExtendMarket { target_capacity })
    }

    /// Lists series.
    pub fn list_series(&self, market: Pubkey, series: Vec<SeriesArgs>) -> Instruction {
        let accounts = accounts::ListSeries {
            authority: self.authority,
            clearinghouse: self.clearinghouse,
            market,
            ledger: ledger(&market),
        };
        build(accounts, instruction::ListSeries { series })
    }

    /// Posts a surface.
    pub fn post_surface(&self, market: Pubkey, slices: Vec<SurfaceSlice>) -> Instruction {
        let accounts = accounts::PostSurface {
            authority: self.authority,
            clearinghouse: self.clearinghouse,
            market,
        };
        build(accounts, instruction::PostSurface { slices })
    }

    /// Records a price for the settlement of the expiry that ends at `expiry`.
    pub fn record_settlement_price(&self, priced: &PricedMarket, expiry: i64) -> Instruction {
        let accounts = accounts::RecordSettlementPrice {
            market: priced.market,
            ledger: ledger(&priced.market),
            price: priced.price,
        };
        build(accounts, instruction::RecordSettlementPrice { expiry })
    }

    /// Fixes the settlement price of the expiry that ends at `expiry` when no price comes any more.
    pub fn finalize_settlement(&self, market: Pubkey, expiry: i64) -> Instruction {
        let accounts = accounts::FinalizeSettlement {
            market,
            ledger: ledger(&market),
        };
        build(accounts, instruction::FinalizeSettlement { expiry })
    }

    /// Frees the expiry that ended at `expiry` and its series.
    pub fn retire_expiry(&self, market: Pubkey, expiry: i64) -> Instruction {
        let accounts = accounts::RetireExpiry {
            market,
            ledger: ledger(&market),
        };
        build(accounts, instruction::RetireExpiry { expiry })
    }

    /// Opens a market, restricts it to exits, or pauses it.
    pub fn set_market_status(&self, market: Pubkey, status: MarketStatus) -> Instruction {
        let accounts = accounts::SetMarketStatus {
            authority: self.authority,
            clearinghouse: self.clearinghouse,
            market,
        };
        build(accounts, instruction::SetMarketStatus { status })
    }

    /// Changes how far a market and one of a lower index offset each other.
    pub fn set_offset(&self, market: Pubkey, args: OffsetArgs) -> Instruction {
        let accounts = accounts::SetOffset {
            authority: self.authority,
            clearinghouse: self.clearinghouse,
            market,
        };
        build(accounts, instruction::SetOffset { args })
    }

    /// Records the price of a market in which nobody trades.
    pub fn record_price(&self, priced: &PricedMarket) -> Instruction {
        let accounts = accounts::RecordPrice {
            market: priced.market,
            ledger: ledger(&priced.market),
            price: priced.price,
        };
        build(accounts, instruction::RecordPrice {})
    }

    /// Opens a margin account that `payer` pays for.
    pub fn open_account(&self, payer: Pubkey, owner: Pubkey, sub_id: u16) -> Instruction {
        let accounts = accounts::OpenAccount {
            payer,
            owner,
            clearinghouse: self.clearinghouse,
            margin_account: self.margin_account(&owner, sub_id),
            owner_account: self.owner_account(&owner),
            system_program: system_program::ID,
        };
        build(accounts, instruction::OpenAccount { sub_id })
    }

    /// Lets `delegate` trade for an account until `expiry`, unix seconds.
    pub fn set_delegate(&self, account: &Party, delegate: Pubkey, expiry: i64) -> Instruction {
        let accounts = accounts::SetDelegate {
            owner: account.owner,
            clearinghouse: self.clearinghouse,
            margin_account: self.margin_account(&account.owner, account.sub_id),
        };
        build(accounts, instruction::SetDelegate { delegate, expiry })
    }

    /// Removes an account's delegate.
    pub fn clear_delegate(&self, account: &Party) -> Instruction {
        self.set_delegate(account, Pubkey::default(), 0)
    }

    /// Closes an empty account; its rent goes to the owner.
    pub fn close_account(&self, account: &Party) -> Instruction {
        let accounts = accounts::CloseAccount {
            owner: account.owner,
            clearinghouse: self.clearinghouse,
            margin_account: self.margin_account(&account.owner, account.sub_id),
            owner_account: self.owner_account(&account.owner),
        };
        build(accounts, instruction::CloseAccount {})
    }

    /// Deposits `amount` micro-units of the settlement token from the trader's token account.
    pub fn deposit(&self, trader: &Trader, amount: u64) -> Instruction {
        self.deposit_token(&self.settlement_bank(), trader, amount)
    }

    /// Deposits `amount` base units of a bank's token from the trader's account of that token.
    pub fn deposit_token(&self, bank: &TokenBank, trader: &Trader, amount: u64) -> Instruction {
        let accounts = accounts::Deposit {
            depositor: trader.owner,
            clearinghouse: self.clearinghouse,
            margin_account: self.margin_account(&trader.owner, trader.sub_id),
            bank: bank.bank,
            mint: bank.mint,
            vault: bank.vault,
            source: trader.tokens,
            token_program: bank.token_program,
            event_authority: event_authority(),
            program: estuary::ID,
        };
        build(accounts, instruction::Deposit { amount })
    }

    /// Withdraws `amount` micro-units of the settlement token to the trader's token account; `markets` are those of
    /// [`estuary::state::MarginAccount::markets`] after the withdrawal, ascending.
    pub fn withdraw(&self, trader: &Trader, amount: u64, markets: &[PricedMarket]) -> Instruction {
        self.withdraw_token(&self.settlement_bank(), trader, amount, markets)
    }

    /// Withdraws `amount` base units of a bank's token to the trader's account of that token; `markets` as for
    /// [`House::withdraw`].
    pub fn withdraw_token(
        &self,
        bank: &TokenBank,
        trader: &Trader,
        amount: u64,
        markets: &[PricedMarket],
    ) -> Instruction {
        let accounts = accounts::Withdraw {
            owner: trader.owner,
            clearinghouse: self.clearinghouse,
            margin_account: self.margin_account(&trader.owner, trader.sub_id),
            owner_account: self.owner_account(&trader.owner),
            bank: bank.bank,
            mint: bank.mint,
            vault: bank.vault,
            destination: trader.tokens,
            token_program: bank.token_program,
            event_authority: event_authority(),
            program: estuary::ID,
        };
        let mut instruction = build(accounts, instruction::Withdraw { amount });
        instruction
            .accounts
            .extend(market_accounts(markets, Ledgers::Read));
        instruction
    }

    /// Moves `amount` base units of the token of bank number `bank` from an account to the owner's account number `to`;
    /// `markets` as for [`House::withdraw`] from the source.
    pub fn transfer_balance(
        &self,
        from: &Party,
        to: u16,
        bank: u16,
        amount: u64,
        markets: &[PricedMarket],
    ) -> Instruction {
        let accounts = accounts::TransferBalance {
            owner: from.owner,
            clearinghouse: self.clearinghouse,
            source: self.margin_account(&from.owner, from.sub_id),
            destination: self.margin_account(&from.owner, to),
            owner_account: self.owner_account(&from.owner),
            event_authority: event_authority(),
            program: estuary::ID,
        };
        let mut instruction = build(accounts, instruction::TransferBalance { bank, amount });
        let remaining = market_accounts(markets, Ledgers::Read);
        instruction.accounts.extend(remaining);
        instruction
    }

    /// Moves positions from an account to the owner's account number `to`. `markets` are those that either
    /// account has positions or tokens in, ascending; `moved` those of the transfers.
    pub fn transfer_positions(
        &self,
        from: &Party,
        to: u16,
        transfers: Vec<PositionTransfer>,
        markets: &[PricedMarket],
        moved: &[Pubkey],
    ) -> Instruction {
        let accounts = accounts::TransferPositions {
            owner: from.owner,
            clearinghouse: self.clearinghouse,
            source: self.margin_account(&from.owner, from.sub_id),
            destination: self.margin_account(&from.owner, to),
            owner_account: self.owner_account(&from.owner),
            event_authority: event_authority(),
            program: estuary::ID,
        };
        let mut instruction = build(accounts, instruction::TransferPositions { transfers });
        let remaining = mixed_accounts(markets, moved);
        instruction.accounts.extend(remaining);
        instruction
    }

    /// Trades legs between two accounts, whose owners both sign. `markets` are those of either account and of the legs,
    /// ascending; `traded` those of the legs.
    pub fn block_trade(
        &self,
        taker: &Party,
        maker: &Party,
        legs: Vec<TradeLeg>,
        markets: &[PricedMarket],
        traded: &[Pubkey],
    ) -> Instruction {
        let accounts = accounts::BlockTrade {
            taker: taker.owner,
            maker: maker.owner,
            clearinghouse: self.clearinghouse,
            taker_account: self.margin_account(&taker.owner, taker.sub_id),
            maker_account: self.margin_account(&maker.owner, maker.sub_id),
            taker_owner: self.owner_account(&taker.owner),
            maker_owner: self.owner_account(&maker.owner),
            event_authority: event_authority(),
            program: estuary::ID,
        };
        let mut instruction = build(accounts, instruction::BlockTrade { legs });
        let remaining = mixed_accounts(markets, traded);
        instruction.accounts.extend(remaining);
        instruction
    }

    /// Asks for a view of an account's margin: simulate it and read the return data with [`crate::view::decode`].
    /// `markets` are those the account has open positions or tokens in, ascending.
    pub fn margin_report(
        &self,
        account: &Party,
        page: ReportPage,
        markets: &[PricedMarket],
    ) -> Instruction {
        self.report(account, page, None, markets)
    }

    /// Asks for a view of an account's margin as it would be after further legs and a change of its cash: simulate it and
    /// read the return data with [`crate::view::decode_what_if`]. `markets` are those the account has open positions or
    /// tokens in and those the legs name, ascending.
    pub fn what_if(
        &self,
        account: &Party,
        page: ReportPage,
        what_if: WhatIf,
        markets: &[PricedMarket],
    ) -> Instruction {
        self.report(account, page, Some(what_if), markets)
    }

    fn report(
        &self,
        account: &Party,
        page: ReportPage,
        what_if: Option<WhatIf>,
        markets: &[PricedMarket],
    ) -> Instruction {
        let accounts = accounts::MarginReport {
            clearinghouse: self.clearinghouse,
            margin_account: self.margin_account(&account.owner, account.sub_id),
            owner_account: self.owner_account(&account.owner),
        };
        let mut instruction = build(accounts, instruction::MarginReport { page, what_if });
        let remaining = market_accounts(markets, Ledgers::Read);
        instruction.accounts.extend(remaining);
        instruction
    }

    /// Takes positions and tokens of an account below its maintenance margin; the liquidator's owner signs. `markets` are
    /// those of either account, ascending; `liquidated_markets` those of the liquidated account. `args` say how much, and
    /// at which prices.
    pub fn liquidate(
        &self,
        liquidator: &Party,
        liquidated: &Party,
        args: LiquidateArgs,
        markets: &[PricedMarket],
        liquidated_markets: &[Pubkey],
    ) -> Instruction {
        let accounts = accounts::Liquidate {
            liquidator: liquidator.owner,
            clearinghouse: self.clearinghouse,
            liquidator_account: self.margin_account(&liquidator.owner, liquidator.sub_id),
            liquidated_account: self.margin_account(&liquidated.owner, liquidated.sub_id),
            liquidator_owner: self.owner_account(&liquidator.owner),
            liquidated_owner: self.owner_account(&liquidated.owner),
            bank: self.bank,
            event_authority: event_authority(),
            program: estuary::ID,
        };
        let mut instruction = build(accounts, instruction::Liquidate { args });
        let remaining = mixed_accounts(markets, liquidated_markets);
        instruction.accounts.extend(remaining);
        instruction
    }

    /// Settles an account in the market with an index; anyone may send it. `with_bank` gives the settlement token's bank
    /// along, which only an account left with a debt and nothing else needs.
    pub fn settle(
        &self,
        account: &Party,
        (market, accounts): (u16, &PricedMarket),
        variation: bool,
        with_bank: bool,
    ) -> Instruction {
        let settle = accounts::Settle {
            clearinghouse: self.clearinghouse,
            margin_account: self.margin_account(&account.owner, account.sub_id),
            owner_account: self.owner_account(&account.owner),
            bank: with_bank.then_some(self.bank),
            event_authority: event_authority(),
            program: estuary::ID,
        };
        let data = instruction::Settle { market, variation };
        let mut instruction = build(settle, data);
        let remaining = market_accounts(core::slice::from_ref(accounts), Ledgers::Write);
        instruction.accounts.extend(remaining);
        instruction
    }

    /// Settles a loss in the market with an index beyond the account's cash; anyone may send it. `markets` are those the
    /// account's equity depends on and the one settled, `settled`, ascending.
    pub fn settle_on_credit(
        &self,
        account: &Party,
        market: u16,
        markets: &[PricedMarket],
        settled: Pubkey,
    ) -> Instruction {
        let accounts = accounts::SettleOnCredit {
            clearinghouse: self.clearinghouse,
            margin_account: self.margin_account(&account.owner, account.sub_id),
            owner_account: self.owner_account(&account.owner),
            bank: self.bank,
            event_authority: event_authority(),
            program: estuary::ID,
        };
        let mut instruction = build(accounts, instruction::SettleOnCredit { market });
        let remaining = mixed_accounts(markets, &[settled]);
        instruction.accounts.extend(remaining);
        instruction
    }

    /// Marks an account that is below zero, or takes the mark away; anyone may send it. `markets` are those its equity
    /// depends on or that have it marked, ascending.
    pub fn mark_account(&self, account: &Party, markets: &[PricedMarket]) -> Instruction {
        let accounts = accounts::MarkAccount {
            clearinghouse: self.clearinghouse,
            margin_account: self.margin_account(&account.owner, account.sub_id),
            owner_account: self.owner_account(&account.owner),
            event_authority: event_authority(),
            program: estuary::ID,
        };
        let mut instruction = build(accounts, instruction::MarkAccount {});
        let remaining = market_accounts(markets, Ledgers::Write);
        instruction.accounts.extend(remaining);
        instruction
    }

    /// Pays into the insurance fund from a token account of `funder`, who signs.
    pub fn fund_insurance(&self, funder: Pubkey, source: Pubkey, amount: u64) -> Instruction {
        let accounts = accounts::FundInsurance {
            funder,
            clearinghouse: self.clearinghouse,
            bank: self.bank,
            mint: self.mint,
            vault: self.vault,
            source,
            token_program: self.settlement_bank().token_program,
            event_authority: event_authority(),
            program: estuary::ID,
        };
        build(accounts, instruction::FundInsurance { amount })
    }

    /// Pays the fees of a market out to a token account, but for the insurance fund's share.
    pub fn sweep_fees(&self, market: Pubkey, destination: Pubkey) -> Instruction {
        let accounts = accounts::SweepFees {
            authority: self.authority,
            clearinghouse: self.clearinghouse,
            market,
            ledger: ledger(&market),
            bank: self.bank,
            mint: self.mint,
            vault: self.vault,
            destination,
            token_program: self.settlement_bank().token_program,
            event_authority: event_authority(),
            program: estuary::ID,
        };
        build(accounts, instruction::SweepFees {})
    }
}
