//! Estuary: a portfolio-margin clearing program.
//!
//! One margin account per trader holds every position; its margin is recomputed from live prices inside each
//! instruction that needs it, by `estuary_risk`. This file dispatches; instructions are in [`instructions`], accounts in
//! [`state`], price adapters in [`oracle`], and [`bridge`] alone knows both the accounts and the engine.

#![allow(
    unexpected_cfgs,
    reason = "Anchor's macros test features that this crate does not declare"
)]
#![allow(
    missing_docs,
    reason = "`#[program]` and `#[derive(Accounts)]` write items without documentation; our own modules deny it again"
)]

#[deny(missing_docs)]
pub mod bridge;
// `#[error_code]` and `#[event]` add functions without documentation when the IDL is built.
#[cfg_attr(not(feature = "idl-build"), deny(missing_docs))]
pub mod error;
#[cfg_attr(not(feature = "idl-build"), deny(missing_docs))]
pub mod event;
#[cfg(all(
    target_os = "solana",
    feature = "custom-heap",
    not(feature = "no-entrypoint")
))]
mod heap;
#[cfg(all(test, feature = "idl-build"))]
mod idl;
pub mod instructions;
#[deny(missing_docs)]
pub mod market_view;
#[deny(missing_docs)]
pub mod oracle;
#[deny(missing_docs)]
pub mod report;
#[deny(missing_docs)]
pub mod seeds;
#[deny(missing_docs)]
pub mod state;

use anchor_lang::prelude::*;
pub use error::EstuaryError;
use instructions::*;
use report::ReportPage;
#[cfg(target_os = "solana")]
use solana_compiler_builtins as _;
use state::MarketStatus;

declare_id!("AS8nTG4WNmwBPZUPCkemNkG3FdTjrcxRciHHqCafhchn");

/// The instructions.
#[program]
pub mod estuary {
    use super::*;

    /// Creates a clearing system; see [`CreateClearinghouse::handle`].
    pub fn create_clearinghouse<'info>(
        ctx: Context<'info, CreateClearinghouse<'info>>,
        id: u16,
        insurance_share_ppm: u32,
    ) -> Result<()> {
        CreateClearinghouse::handle(ctx, id, insurance_share_ppm)
    }

    /// Adds a token's bank and vault; see [`AddBank::handle`].
    pub fn add_bank<'info>(
        ctx: Context<'info, AddBank<'info>>,
        max_account_debt: u64,
    ) -> Result<()> {
        AddBank::handle(ctx, max_account_debt)
    }

    /// Creates a market and its ledger; see [`CreateMarket::handle`].
    pub fn create_market<'info>(
        ctx: Context<'info, CreateMarket<'info>>,
        args: CreateMarketArgs,
    ) -> Result<()> {
        CreateMarket::handle(ctx, args)
    }

    /// Makes room for more series; see [`ExtendMarket::handle`].
    pub fn extend_market<'info>(
        ctx: Context<'info, ExtendMarket<'info>>,
        target_capacity: u16,
    ) -> Result<()> {
        ExtendMarket::handle(ctx, target_capacity)
    }

    /// Lists contracts; see [`ListSeries::handle`].
    pub fn list_series<'info>(
        ctx: Context<'info, ListSeries<'info>>,
        series: Vec<SeriesArgs>,
    ) -> Result<()> {
        ListSeries::handle(ctx, series)
    }

    /// Posts smiles and basis rates; see [`PostSurface::handle`].
    pub fn post_surface<'info>(
        ctx: Context<'info, PostSurface<'info>>,
        slices: Vec<SurfaceSlice>,
    ) -> Result<()> {
        PostSurface::handle(ctx, slices)
    }

    /// Records a price for the settlement of an expiry; see [`RecordSettlementPrice::handle`].
    pub fn record_settlement_price<'info>(
        ctx: Context<'info, RecordSettlementPrice<'info>>,
        expiry: i64,
    ) -> Result<()> {
        RecordSettlementPrice::handle(ctx, expiry)
    }

    /// Fixes the settlement price of an expiry; see [`FinalizeSettlement::handle`].
    pub fn finalize_settlement<'info>(
        ctx: Context<'info, FinalizeSettlement<'info>>,
        expiry: i64,
    ) -> Result<()> {
        FinalizeSettlement::handle(ctx, expiry)
    }

    /// Frees an expiry and its series; see [`RetireExpiry::handle`].
    pub fn retire_expiry<'info>(
        ctx: Context<'info, RetireExpiry<'info>>,
        expiry: i64,
    ) -> Result<()> {
        RetireExpiry::handle(ctx, expiry)
    }

    /// Opens a market, restricts it to exits, or pauses it; see [`SetMarketStatus::handle`].
    pub fn set_market_status<'info>(
        ctx: Context<'info, SetMarketStatus<'info>>,
        status: MarketStatus,
    ) -> Result<()> {
        SetMarketStatus::handle(ctx, status)
    }

    /// Changes how far two markets offset each other; see [`SetOffset::handle`].
    pub fn set_offset<'info>(
        ctx: Context<'info, SetOffset<'info>>,
        args: OffsetArgs,
    ) -> Result<()> {
        SetOffset::handle(ctx, &args)
    }

    /// Records the price of a market in which nobody trades; see [`RecordPrice::handle`].
    pub fn record_price<'info>(ctx: Context<'info, RecordPrice<'info>>) -> Result<()> {
        RecordPrice::handle(ctx)
    }

    /// Pays out a market's fees, a share of them to insurance; see [`SweepFees::handle`].
    pub fn sweep_fees<'info>(ctx: Context<'info, SweepFees<'info>>) -> Result<()> {
        SweepFees::handle(ctx)
    }

    /// Opens a margin account; see [`OpenAccount::handle`].
    pub fn open_account<'info>(ctx: Context<'info, OpenAccount<'info>>, sub_id: u16) -> Result<()> {
        OpenAccount::handle(ctx, sub_id)
    }

    /// Names who may trade for an account; see [`SetDelegate::handle`].
    pub fn set_delegate<'info>(
        ctx: Context<'info, SetDelegate<'info>>,
        delegate: Pubkey,
        expiry: i64,
    ) -> Result<()> {
        SetDelegate::handle(ctx, delegate, expiry)
    }

    /// Closes an empty account; see [`CloseAccount::handle`].
    pub fn close_account<'info>(ctx: Context<'info, CloseAccount<'info>>) -> Result<()> {
        CloseAccount::handle(ctx)
    }

    /// Deposits tokens; see [`Deposit::handle`].
    pub fn deposit<'info>(ctx: Context<'info, Deposit<'info>>, amount: u64) -> Result<()> {
        Deposit::handle(ctx, amount)
    }

    /// Moves cash or tokens between accounts of one owner; see [`TransferBalance::handle`].
    pub fn transfer_balance<'info>(
        ctx: Context<'info, TransferBalance<'info>>,
        bank: u16,
        amount: u64,
    ) -> Result<()> {
        TransferBalance::handle(ctx, bank, amount)
    }

    /// Moves positions between accounts of one owner; see [`TransferPositions::handle`].
    pub fn transfer_positions<'info>(
        ctx: Context<'info, TransferPositions<'info>>,
        transfers: Vec<PositionTransfer>,
    ) -> Result<()> {
        TransferPositions::handle(ctx, transfers)
    }

    /// Trades several legs at once between two accounts; see [`BlockTrade::handle`].
    pub fn block_trade<'info>(
        ctx: Context<'info, BlockTrade<'info>>,
        legs: Vec<TradeLeg>,
    ) -> Result<()> {
        BlockTrade::handle(ctx, legs)
    }

    /// Returns a view of an account's margin, as it is or as it would be; see [`MarginReport::handle`].
    pub fn margin_report<'info>(
        ctx: Context<'info, MarginReport<'info>>,
        page: ReportPage,
        what_if: Option<WhatIf>,
    ) -> Result<()> {
        MarginReport::handle(ctx, page, what_if)
    }

    /// Takes positions and tokens of an account below its maintenance margin; see [`Liquidate::handle`].
    pub fn liquidate<'info>(
        ctx: Context<'info, Liquidate<'info>>,
        args: LiquidateArgs,
    ) -> Result<()> {
        Liquidate::handle(ctx, &args)
    }

    /// Settles one account in one market; see [`Settle::handle`].
    pub fn settle<'info>(
        ctx: Context<'info, Settle<'info>>,
        market: u16,
        variation: bool,
    ) -> Result<()> {
        Settle::handle(ctx, market, variation)
    }

    /// Settles a loss beyond the account's cash; see [`SettleOnCredit::handle`].
    pub fn settle_on_credit<'info>(
        ctx: Context<'info, SettleOnCredit<'info>>,
        market: u16,
    ) -> Result<()> {
        SettleOnCredit::handle(ctx, market)
    }

    /// Marks an account that is below its maintenance margin or below zero, or takes the marks away; see [`MarkAccount::handle`].
    pub fn mark_account<'info>(ctx: Context<'info, MarkAccount<'info>>) -> Result<()> {
        MarkAccount::handle(ctx)
    }

    /// Pays into the insurance fund; see [`FundInsurance::handle`].
    pub fn fund_insurance<'info>(
        ctx: Context<'info, FundInsurance<'info>>,
        amount: u64,
    ) -> Result<()> {
        FundInsurance::handle(ctx, amount)
    }

    /// Withdraws tokens; see [`Withdraw::handle`].
    pub fn withdraw<'info>(ctx: Context<'info, Withdraw<'info>>, amount: u64) -> Result<()> {
        Withdraw::handle(ctx, amount)
    }
}
