//! The views of [`crate::report`], filled by the engine. The client fills the same views from the same bytes.

use super::{
    engine::visit_markets,
    matured::{constant, settled_price},
    offsets::offsets,
    risk_error,
    trade::mark,
    Engine, MarketData,
};
use crate::{
    error::EstuaryError,
    report::{
        MarketReportView, MarketSummary, PositionView, PositionsView, ScanView, SummaryView,
        POSITIONS_PER_PAGE,
    },
    state::{MarginAccount, Owner, Position},
};
use anchor_lang::prelude::*;
use bytemuck::Zeroable;
use estuary_risk::{margin::AccountTotals, market::Leg, portfolio::ScanLoss, units::Money};

/// The account as a whole.
///
/// # Errors
/// The engine's.
pub fn summary(
    account: &MarginAccount,
    owner: &Owner,
    markets: &[MarketData<'_>],
    now: i64,
) -> Result<SummaryView> {
    let mut view = SummaryView::default();
    let mut entries = view.markets.iter_mut();
    let totals = visit_markets(account, owner, markets, now, &mut |engine, market| {
        let entry = entries
            .next()
            .ok_or(EstuaryError::AccountInTooManyMarkets)?;
        *entry = market_summary(engine, market)?;
        Ok(())
    })?;
    fill_summary(&mut view, account, &totals, markets, now)?;
    view.market_count = u16::try_from(markets.len()).map_err(|_| EstuaryError::CounterOverflow)?;
    Ok(view)
}

/// The book just evaluated, short.
pub(super) fn market_summary(engine: &Engine, market: &MarketData<'_>) -> Result<MarketSummary> {
    Ok(MarketSummary {
        market: market.header.index,
        worst_column: column(engine.risk.worst_column)?,
        padding: [0; 4],
        scan_loss: engine.risk.scan_loss.0,
        certified_loss: engine.risk.certified_loss.0,
    })
}

/// Everything of a summary but its markets; `markets` are those whose books `totals` has, in order.
pub(super) fn fill_summary(
    view: &mut SummaryView,
    account: &MarginAccount,
    totals: &AccountTotals,
    markets: &[MarketData<'_>],
    now: i64,
) -> Result<()> {
    let offsets = offsets(markets, now);
    let portfolio = totals.portfolio_with(&offsets).map_err(risk_error)?;
    let (initial, maintenance) = (
        portfolio.initial.scenario_loss,
        portfolio.maintenance.scenario_loss,
    );
    let report = totals.report_of(initial, maintenance).map_err(risk_error)?;
    view.equity = report.equity.0;
    view.senior = report.senior.0;
    view.initial_margin = report.initial_margin.0;
    view.maintenance_margin = report.maintenance_margin.0;
    view.health_initial = report.health_initial().map_err(risk_error)?.0;
    view.health_maintenance = report.health_maintenance().map_err(risk_error)?.0;
    view.liquidation_target = report.liquidation_target().map_err(risk_error)?.0;
    view.cash = totals.cash.0;
    view.spot_value = totals.spot_value.0;
    view.option_value = totals.option_value.0;
    view.unsettled = totals.unsettled.0;
    view.scenario_loss = initial.0;
    view.scenario_loss_maintenance = maintenance.0;
    view.scan_initial = scan_view(&portfolio.initial);
    view.scan_maintenance = scan_view(&portfolio.maintenance);
    view.offset_floor_ppm = portfolio.floor_ppm;
    view.markets_held = portfolio.markets;
    view.short_minimum = totals.short_minimum.0;
    view.short_minimum_maintenance = totals.short_minimum_maintenance.0;
    view.oracle_contingency = totals.oracle_contingency.0;
    view.liquidity_cost = totals.liquidity_cost.0;
    view.gross = totals.gross.0;
    view.now = now;
    view.position_count = account.position_count;
    Ok(())
}

const fn scan_view(scan: &ScanLoss) -> ScanView {
    ScanView {
        offset_loss: scan.offset_loss.0,
        largest_floor: scan.largest_floor.0,
        sum_floor: scan.sum_floor.0,
        scan_loss: scan.scan_loss.0,
        offset_ppm: scan.offset_ppm,
        padding: [0; 4],
    }
}

/// The account in one market.
///
/// # Errors
/// [`EstuaryError::ReportPageUnknown`] when the account has neither an open position nor tokens there, the engine's.
pub fn market(
    account: &MarginAccount,
    owner: &Owner,
    markets: &[MarketData<'_>],
    now: i64,
    index: u16,
) -> Result<MarketReportView> {
    let mut view = None;
    visit_markets(account, owner, markets, now, &mut |engine, market| {
        if market.header.index == index {
            view = Some(market_view(engine, market)?);
        }
        Ok(())
    })?;
    view.ok_or_else(|| {
        error!(EstuaryError::ReportPageUnknown).with_values((index, account.position_count))
    })
}

fn market_view(engine: &Engine, market: &MarketData<'_>) -> Result<MarketReportView> {
    let risk = &engine.risk;
    let worst = risk.worst_scenario();
    let mut view = MarketReportView::zeroed();
    view.market = market.header.index;
    view.worst_column = column(risk.worst_column)?;
    view.worst_spot_move =
        u8::try_from(worst.spot_move).map_err(|_| EstuaryError::CounterOverflow)?;
    view.worst_vol_level =
        u8::try_from(worst.vol_level).map_err(|_| EstuaryError::CounterOverflow)?;
    view.price_exponent = market.header.price_exponent;
    let price = market.price()?;
    view.price = price.price;
    view.confidence = price.confidence;
    view.publish_time = price.publish_time;
    view.scan_loss = risk.scan_loss.0;
    view.certified_loss = risk.certified_loss.0;
    view.twist = risk.twist.0;
    view.skew = risk.skew.0;
    view.basis = risk.basis.0;
    view.expiring_longs = risk.expiring_longs.0;
    view.defined_loss = risk.defined_loss.0;
    view.short_minimum = risk.short_minimum.0;
    view.short_minimum_maintenance = risk.short_minimum_maintenance.0;
    view.oracle_contingency = risk.oracle_contingency.0;
    view.delta_notional = risk.delta_notional.0;
    view.liquidity_cost = risk.liquidity_cost.0;
    let money_up = |q28| engine.arrays.money_of_q28_up(q28).map_err(risk_error);
    view.unwound_delta = money_up(risk.unwound_delta_q28)?.0;
    view.unwound_vega = money_up(risk.unwound_vega_q28)?.0;
    view.gross_lots = risk.gross_lots;
    view.owner_lots = risk.gross_lots.saturating_add(risk.other_lots);
    view.gross = risk.gross.0;
    view.spot_value = risk.spot_value.0;
    view.option_value = risk.option_value.0;
    view.unsettled = risk.linear_value.plus(engine.cost).map_err(risk_error)?.0;
    view.delta_q30 = risk.delta_q30;
    let columns = view.pnl.iter_mut().zip(&risk.pnl_q28);
    let blocks = view.block_pnl.iter_mut().zip(&risk.block_pnl_q28);
    for (pnl, pnl_q28) in columns.chain(blocks) {
        let lot = engine.arrays.lot_value();
        *pnl = lot
            .money_down(i128::from(*pnl_q28), 28)
            .map_err(risk_error)?
            .0;
    }
    Ok(view)
}

/// A page of the account's positions.
///
/// # Errors
/// [`EstuaryError::ReportPageUnknown`] for a page past the last position, the engine's.
pub fn positions(
    account: &MarginAccount,
    owner: &Owner,
    markets: &[MarketData<'_>],
    now: i64,
    page: u16,
) -> Result<PositionsView> {
    let first = usize::from(page).saturating_mul(POSITIONS_PER_PAGE);
    let count = usize::from(account.position_count);
    if first >= count {
        return Err(error!(EstuaryError::ReportPageUnknown).with_values((page, count)));
    }
    let mut view = PositionsView {
        first: u16::try_from(first).map_err(|_| EstuaryError::CounterOverflow)?,
        position_count: account.position_count,
        ..PositionsView::default()
    };
    let used = count.saturating_sub(first).min(POSITIONS_PER_PAGE);
    view.count = u16::try_from(used).map_err(|_| EstuaryError::CounterOverflow)?;
    visit_markets(account, owner, markets, now, &mut |engine, market| {
        for (place, at) in account.places_in(market.header.index).enumerate() {
            let entry = at.checked_sub(first);
            let entries = view.positions.get_mut(..used).unwrap_or_default();
            let entry = entry.and_then(|entry| entries.get_mut(entry));
            if let (Some(entry), Some(position)) = (entry, account.positions.get(at)) {
                *entry = position_view(engine, market, position, place)?;
            }
        }
        Ok(())
    })?;
    Ok(view)
}

/// A position in a matured series with a settlement price: worth the same at any price.
fn constant_view(market: &MarketData<'_>, position: &Position) -> Result<PositionView> {
    let price = settled_price(market.header, market.table, position)?;
    Ok(PositionView {
        market: position.market,
        slot: position.slot,
        generation: position.generation,
        lots: position.lots,
        mark: price.0,
        value: constant(market.header, market.table, position)?.0,
        contribution: 0,
    })
}

/// A position of the book just evaluated, the one in `place`.
fn position_view(
    engine: &Engine,
    market: &MarketData<'_>,
    position: &Position,
    place: usize,
) -> Result<PositionView> {
    let leg: Leg = *engine
        .legs
        .get(place)
        .ok_or(EstuaryError::MarginAccountInvariant)?;
    if leg.lots == 0 {
        return constant_view(market, position);
    }
    let arrays = &engine.arrays;
    let mark_q30 = arrays.mark_q30(leg.instrument).map_err(risk_error)?;
    let value = i128::from(mark_q30).saturating_mul(i128::from(leg.lots));
    let value = arrays
        .lot_value()
        .money_down(value, 30)
        .map_err(risk_error)?;
    let worst = engine.risk.worst_column;
    let pnl = arrays.leg_pnl_q28(&leg, worst).map_err(risk_error)?;
    let weight_q30 = arrays.grid().weight_q30(worst);
    let weighted = i128::from(pnl).saturating_mul(i128::from(weight_q30)) >> 30;
    let contribution = arrays
        .lot_value()
        .money_down(weighted, 28)
        .map_err(risk_error)?;
    Ok(PositionView {
        market: position.market,
        slot: position.slot,
        generation: position.generation,
        lots: position.lots,
        mark: mark(engine, market, leg.instrument)?.0,
        value: value.plus(Money(position.cost)).map_err(risk_error)?.0,
        contribution: contribution.0,
    })
}

fn column(column: usize) -> Result<u16> {
    u16::try_from(column).map_err(|_| error!(EstuaryError::CounterOverflow))
}
