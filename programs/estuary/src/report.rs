//! What `margin_report` returns: fixed-size views, each within the 1,024 bytes of return data.
//!
//! All amounts are micro-units of the settlement token. The views are plain bytes, little-endian, with explicit
//! padding; the client reads them back with the same types.

use crate::state::MAX_MARKETS_PER_ACCOUNT;
use anchor_lang::prelude::*;

/// Most bytes of return data.
pub const MAX_RETURN_DATA: usize = 1_024;
/// Positions on a page.
pub const POSITIONS_PER_PAGE: usize = 16;
/// Columns of a market's scenarios: 27 of the core, index `level × 9 + node`, then 6 tails.
pub const COLUMNS: usize = estuary_risk::scenario::COLUMNS;
/// Columns of its blocks: two of the twist, the skew and the basis each.
pub const BLOCK_COLUMNS: usize = estuary_risk::blocks::BLOCK_COLUMNS;

/// Which view to return.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportPage {
    /// The account: a [`SummaryView`], or a [`WhatIfView`] where legs or cash are added.
    Summary,
    /// The market with this index: a [`MarketReportView`].
    Market(u16),
    /// Positions from 16 times this number on: a [`PositionsView`].
    Positions(u16),
}

/// The account in one market, short.
#[zero_copy]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct MarketSummary {
    /// Index of the market.
    pub market: u16,
    /// Column of the largest weighted loss.
    pub worst_column: u16,
    /// Explicit padding, zero.
    pub padding: [u8; 4],
    /// Weighted loss in that column, at least 0.
    pub scan_loss: i64,
    /// Certified bound on the loss over the whole range of spot.
    pub certified_loss: i64,
}

/// What the markets' scans come to together, in one of the margins.
#[zero_copy]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ScanView {
    /// The largest sum over the markets at one node or tail, gains by their share.
    pub offset_loss: i64,
    /// The largest loss of one market, by what no offset removes of it.
    pub largest_floor: i64,
    /// All markets' losses added, by the share that no offset removes.
    pub sum_floor: i64,
    /// The largest of the three.
    pub scan_loss: i64,
    /// The share of gains that counts, the smallest over the pairs of markets, parts per million.
    pub offset_ppm: u32,
    /// Explicit padding, zero.
    pub padding: [u8; 4],
}

/// The account as a whole.
#[zero_copy]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SummaryView {
    /// What supports positions: everything at mark.
    pub equity: i64,
    /// What may leave: unrealised gains do not count.
    pub senior: i64,
    /// Initial margin.
    pub initial_margin: i64,
    /// Maintenance margin.
    pub maintenance_margin: i64,
    /// Equity less initial margin.
    pub health_initial: i64,
    /// Equity less maintenance margin.
    pub health_maintenance: i64,
    /// Equity at which a liquidation stops.
    pub liquidation_target: i64,
    /// Settlement token.
    pub cash: i64,
    /// Tokens other than the settlement token at their markets' prices.
    pub spot_value: i64,
    /// Options at mark.
    pub option_value: i64,
    /// Perps and futures at mark plus their cost, and what matured series pay.
    pub unsettled: i64,
    /// P: the scan of all markets together with their twist, skew, basis and expiring longs.
    pub scenario_loss: i64,
    /// The same in the maintenance margin.
    pub scenario_loss_maintenance: i64,
    /// The scan in the initial margin.
    pub scan_initial: ScanView,
    /// The scan in the maintenance margin.
    pub scan_maintenance: ScanView,
    /// The share of all losses added that no offset removes, parts per million.
    pub offset_floor_ppm: u32,
    /// Markets in which anything can be lost or gained.
    pub markets_held: u32,
    /// The markets' short-option minimums of the initial margin, added.
    pub short_minimum: i64,
    /// Those of the maintenance margin.
    pub short_minimum_maintenance: i64,
    /// The markets' oracle contingencies, added.
    pub oracle_contingency: i64,
    /// The markets' liquidity costs, added.
    pub liquidity_cost: i64,
    /// Gross exposure.
    pub gross: i64,
    /// Clock of the report, unix seconds.
    pub now: i64,
    /// Positions of the account.
    pub position_count: u16,
    /// Entries of `markets` in use.
    pub market_count: u16,
    /// Explicit padding, zero.
    pub padding: [u8; 4],
    /// The account's markets, ascending.
    pub markets: [MarketSummary; MAX_MARKETS_PER_ACCOUNT as usize],
}

/// The account as a whole, as it is and as it would be.
#[zero_copy]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct WhatIfView {
    /// As it is.
    pub before: SummaryView,
    /// As it would be after the change of cash and the legs.
    pub after: SummaryView,
}

/// The account in one market.
#[zero_copy]
#[derive(Debug, PartialEq, Eq)]
pub struct MarketReportView {
    /// Index of the market.
    pub market: u16,
    /// Column of the largest weighted loss.
    pub worst_column: u16,
    /// Spot move of that column: 0 to 8 are the nodes, 9 to 14 the tails.
    pub worst_spot_move: u8,
    /// Volatility level of that column: 0 down, 1 base, 2 up.
    pub worst_vol_level: u8,
    /// Power of ten of `price` and `confidence`.
    pub price_exponent: i8,
    /// Explicit padding, zero.
    pub padding: [u8; 1],
    /// Price used, a mantissa.
    pub price: u64,
    /// Half width of its confidence interval, a mantissa.
    pub confidence: u64,
    /// When it was published, unix seconds.
    pub publish_time: i64,
    /// Weighted loss in the worst column, at least 0.
    pub scan_loss: i64,
    /// Certified bound on the loss.
    pub certified_loss: i64,
    /// Loss in the worse column of the twist, at least 0.
    pub twist: i64,
    /// Loss in the worse column of the skew, at least 0.
    pub skew: i64,
    /// Loss in the worse column of the basis, at least 0.
    pub basis: i64,
    /// What net long options that expire within a day do not carry of these losses.
    pub expiring_longs: i64,
    /// The most the book can lose by spot and volatility; the largest number where there is no limit.
    pub defined_loss: i64,
    /// Short-option minimum of the initial margin.
    pub short_minimum: i64,
    /// Short-option minimum of the maintenance margin.
    pub short_minimum_maintenance: i64,
    /// What the width and the age of the price add to the initial margin.
    pub oracle_contingency: i64,
    /// The largest net delta over the nodes of the core, at spot.
    pub delta_notional: i64,
    /// What unwinding the book costs.
    pub liquidity_cost: i64,
    /// The net delta that this is charged on: the largest over the nodes of the core that owned underlying does not cover.
    pub unwound_delta: i64,
    /// The net vega that it is charged on: each expiry's gain or loss from the volatility-up shock, added.
    pub unwound_vega: i64,
    /// Absolute lots of the account's open positions.
    pub gross_lots: u64,
    /// Those of all accounts of its owner together.
    pub owner_lots: u64,
    /// Gross exposure.
    pub gross: i64,
    /// Tokens of the underlying at its price.
    pub spot_value: i64,
    /// Options at mark.
    pub option_value: i64,
    /// Perps and futures at mark plus their cost, and what matured series pay.
    pub unsettled: i64,
    /// Net delta in lots of the underlying, Q30.
    pub delta_q30: i64,
    /// Profit and loss of the book in each column, unweighted, rounded down.
    pub pnl: [i64; COLUMNS],
    /// Profit and loss of the book in each column of the blocks, two of twist, skew and basis each, rounded down.
    pub block_pnl: [i64; BLOCK_COLUMNS],
}

/// One position.
#[zero_copy]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PositionView {
    /// Index of the market.
    pub market: u16,
    /// Slot of the series.
    pub slot: u16,
    /// Generation of the slot.
    pub generation: u32,
    /// Lots, negative when short.
    pub lots: i64,
    /// Mark of the series, a mantissa at the market's exponent, rounded down; what a unit pays if it has matured and has
    /// a settlement price; 0 for a closed position.
    pub mark: u64,
    /// Lots at mark, rounded down, plus the cost of a perp or future.
    pub value: i64,
    /// Weighted profit and loss in the worst scenario of its market, rounded down.
    pub contribution: i64,
}

/// A page of positions.
#[zero_copy]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PositionsView {
    /// Position of the first entry in the account.
    pub first: u16,
    /// Entries in use.
    pub count: u16,
    /// Positions of the account.
    pub position_count: u16,
    /// Explicit padding, zero.
    pub padding: [u8; 2],
    /// The positions, by market and slot.
    pub positions: [PositionView; POSITIONS_PER_PAGE],
}

const _: () = assert!(core::mem::size_of::<SummaryView>() == 440);
const _: () = assert!(core::mem::size_of::<MarketReportView>() == 512);
const _: () = assert!(core::mem::size_of::<PositionsView>() == 648);
const _: () = assert!(core::mem::size_of::<WhatIfView>() <= MAX_RETURN_DATA);
const _: () = assert!(core::mem::size_of::<MarketReportView>() <= MAX_RETURN_DATA);
const _: () = assert!(core::mem::size_of::<PositionsView>() <= MAX_RETURN_DATA);
