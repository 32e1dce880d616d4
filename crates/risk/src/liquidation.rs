//! What a liquidator takes: the positions that release most margin per unit of discount in the
//! active worst scenario, until the account is back at its target (section 8 of `margin-model.md`).
//!
//! Nothing is priced here: every step reuses the arrays of the instruction.

use alloc::vec::Vec;

use crate::margin::{
    AccountTotals, MarginReport, GROSS_DIVISOR_INITIAL, GROSS_DIVISOR_MAINTENANCE,
};
use crate::margin::{LIQUIDATION_TARGET_PPM, MAINTENANCE_FRACTION_PPM};
use crate::market::{Instrument, Leg, MarketArrays, MarketRisk};
use crate::scenario::{CENTRE_COLUMN, CENTRE_NODE, SPOT_NODES, VOL_UP};
use crate::units::{Money, RiskError, ONE_PPM, ONE_Q30};

/// Single legs that one call takes, and so the number of times the worst scenario may move under the plan. Takes of a
/// share of every leg come on top.
pub const MAX_TAKES: usize = 4;
/// Evaluations of the whole account one call may make.
const MAX_EVALUATIONS: usize = 8;
/// Searches for the best leg one call may make: each looks at every leg, and a leg that cash cannot pay for costs one.
const MAX_SEARCHES: usize = 5;

/// The whole of a book, as a share in Q20.
const WHOLE_Q20: u64 = 1 << 20;

/// A hundredth of a unit in Q30: the least delta a discount is charged on.
const LEAST_CHARGED_DELTA_Q30: u64 = 10_737_418;

/// What a liquidator earns per lot, as a market states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscountParameters {
    /// Fraction of spot per unit of absolute delta, parts per million; also the least charge on a
    /// hundredth of a unit, so that no lot is free to take.
    pub delta_ppm: u32,
    /// Fraction of an option's gain from the volatility-up shock at unmoved spot, parts per million.
    pub vega_ppm: u32,
}

/// One market of the account under liquidation; `legs` and `costs` change as the plan takes lots.
pub struct LiquidationMarket<'a> {
    /// The market's arrays, every leg priced.
    pub arrays: &'a mut MarketArrays,
    /// What the account holds.
    pub legs: &'a mut [Leg],
    /// Cost of each leg: the cash flow of a linear position's trades, 0 for options and spot.
    pub costs: &'a mut [Money],
    /// What the liquidator earns.
    pub discount: DiscountParameters,
}

/// Lots that change hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Take {
    /// Position of the market in the plan's input.
    pub market: usize,
    /// Position of the leg in its market.
    pub leg: usize,
    /// Signed lots that leave the account.
    pub lots: i64,
    /// What the liquidator pays (negative: receives): value at mark less the discount.
    pub payment: Money,
    /// The discount in it.
    pub discount: Money,
}

/// The account before and after the takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiquidationOutcome {
    /// Report before the first take.
    pub before: MarginReport,
    /// Report after the last.
    pub after: MarginReport,
    /// The account's cash after the takes.
    pub cash: Money,
    /// Takes of one leg; those after them are one share of every leg.
    pub single_takes: usize,
}

/// Why nothing is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiquidationError {
    /// Equity is not below maintenance margin.
    NotLiquidatable {
        /// Equity.
        equity: Money,
        /// Maintenance margin.
        maintenance_margin: Money,
    },
    /// Neither a single leg nor a share of all raises health at its discount within the account's cash.
    NothingToTake,
    /// The numbers do not fit.
    Risk(RiskError),
}

impl From<RiskError> for LiquidationError {
    fn from(error: RiskError) -> Self {
        Self::Risk(error)
    }
}

/// What one lot of a leg is worth to the plan; money of one lot in micro-units, at least 0.
#[derive(Clone, Copy)]
struct Candidate {
    market: usize,
    leg: usize,
    /// Fall of the target (MM + 0.4·(IM − MM)) per lot, in 2^-20 micro-units.
    release_q20: u64,
    /// Discount per lot, in 2^-20 micro-units; at least 1.
    discount_q20: u64,
}

struct Planner<'m, 'a> {
    markets: &'m mut [LiquidationMarket<'a>],
    /// Worst column of each market in the book as it stands; `risks` may be those of a trial that was undone.
    worst: Vec<usize>,
    /// Taken before `worst` and dropped after it: the program's allocator only frees the block it gave last.
    risks: Vec<MarketRisk>,
    outside: AccountTotals,
    cash: Money,
    discount_left: Money,
    evaluations_left: usize,
    searches_left: usize,
}

/// Plans a liquidation and applies it to `markets`' legs and costs.
///
/// `outside` is the account's cash and whatever counts beside `markets`, such as closed positions still to be settled.
/// The total discount is at most max(0, equity); no payment takes the account's cash below zero, so a short
/// option is taken only as far as cash (including what earlier takes brought in) can pay for it. Cash that is negative
/// already is repaid by what is sold. Token balances count and are not taken.
/// Every take raises equity less maintenance margin; where no leg does so by itself, the takes are the same share of
/// every leg and do so together.
pub fn plan(
    outside: AccountTotals,
    markets: &mut [LiquidationMarket<'_>],
    takes: &mut Vec<Take>,
) -> Result<LiquidationOutcome, LiquidationError> {
    let mut planner = Planner::new(outside, markets);
    let (mut totals, before) = planner.evaluate()?;
    if !before.is_liquidatable() {
        return Err(LiquidationError::NotLiquidatable {
            equity: before.equity,
            maintenance_margin: before.maintenance_margin,
        });
    }
    planner.accept();
    planner.discount_left = before.equity.max(Money(0));
    let mut report = before;
    let mut single_takes = 0;
    while takes.len() < MAX_TAKES && report.equity < report.liquidation_target()? {
        let Some((take, next_totals, next)) = planner.best_take(&totals, &report)? else {
            if report.is_liquidatable() {
                report = planner.take_share(&report, takes)?.unwrap_or(report);
            }
            break;
        };
        takes.push(take);
        single_takes = takes.len();
        totals = next_totals;
        report = next;
    }
    if takes.is_empty() {
        return Err(LiquidationError::NothingToTake);
    }
    Ok(LiquidationOutcome {
        before,
        after: report,
        cash: planner.cash,
        single_takes,
    })
}

impl<'m, 'a> Planner<'m, 'a> {
    fn new(outside: AccountTotals, markets: &'m mut [LiquidationMarket<'a>]) -> Self {
        let mut risks = Vec::with_capacity(markets.len());
        risks.resize(markets.len(), MarketRisk::EMPTY);
        let mut worst = Vec::with_capacity(markets.len());
        worst.resize(markets.len(), CENTRE_COLUMN);
        Self {
            markets,
            worst,
            risks,
            cash: outside.cash,
            outside,
            discount_left: Money(0),
            evaluations_left: MAX_EVALUATIONS,
            searches_left: MAX_SEARCHES,
        }
    }

    fn evaluate(&mut self) -> Result<(AccountTotals, MarginReport), RiskError> {
        let mut totals = AccountTotals {
            cash: self.cash,
            ..self.outside
        };
        for (market, risk) in self.markets.iter_mut().zip(&mut self.risks) {
            market.arrays.evaluate(market.legs, risk)?;
            let cost = market
                .costs
                .iter()
                .try_fold(Money(0), |sum, cost| sum.plus(*cost))?;
            totals.add_market(risk, cost)?;
        }
        let report = totals.report()?;
        Ok((totals, report))
    }

    /// Makes the last evaluation the book as it stands.
    fn accept(&mut self) {
        for (worst, risk) in self.worst.iter_mut().zip(&self.risks) {
            *worst = risk.worst_column;
        }
    }

    /// The best leg, taken as far as it is needed and helps; `None` where no leg helps.
    fn best_take(
        &mut self,
        totals: &AccountTotals,
        report: &MarginReport,
    ) -> Result<Option<(Take, AccountTotals, MarginReport)>, LiquidationError> {
        let mut passed_over: Option<Candidate> = None;
        while self.searches_left > 0 {
            self.searches_left = self.searches_left.saturating_sub(1);
            let Some(candidate) = self.best_candidate(totals, passed_over)? else {
                break;
            };
            let needed = lots_to_target(&candidate, report)?;
            let held = self.leg(&candidate)?.lots.unsigned_abs();
            let mut lots = self.payable_lots(&candidate, needed.min(held))?;
            while lots > 0 && self.evaluations_left > 0 {
                let take = self.exchange(&candidate, lots)?;
                self.evaluations_left = self.evaluations_left.saturating_sub(1);
                let (next_totals, next) = self.evaluate()?;
                if next.health_maintenance()? > report.health_maintenance()? {
                    self.accept();
                    return Ok(Some((take, next_totals, next)));
                }
                self.undo(&take)?;
                lots >>= 2;
            }
            if self.evaluations_left == 0 {
                break;
            }
            passed_over = Some(candidate);
        }
        Ok(None)
    }

    /// The same share of every leg, for books that no single leg improves, such as those whose worst scenarios balance.
    /// Requirements shrink in proportion, so this raises health; it is limited by cash alone.
    fn take_share(
        &mut self,
        report: &MarginReport,
        takes: &mut Vec<Take>,
    ) -> Result<Option<MarginReport>, LiquidationError> {
        let target = report.liquidation_target()?;
        let missing = target.minus(report.equity)?.0.max(0).unsigned_abs();
        let target = target.0.max(1).unsigned_abs();
        let needed = crate::fixed::mul_div_up(missing, WHOLE_Q20, target).unwrap_or(WHOLE_Q20);
        // Each value is rounded down: with the last micro-units of equity for discount, cash could end below zero.
        let legs: usize = self.markets.iter().map(|market| market.legs.len()).sum();
        let rounding = i64::try_from(legs).unwrap_or(i64::MAX);
        self.discount_left = Money(self.discount_left.0.saturating_sub(rounding).max(0));
        let (payable, whole) = self.payable_shares_q20()?;
        // A share much smaller than needed would crawl: then rather all, if cash pays for it.
        let shares = if payable >= needed {
            [needed, whole]
        } else {
            [whole, payable]
        };
        let before = takes.len();
        for share_q20 in shares {
            self.exchange_share(share_q20, takes)?;
            let (_, next) = self.evaluate()?;
            let better = next.health_maintenance()? > report.health_maintenance()?;
            // Cash that is negative from the start stays so where the share only brings some in.
            let taken = takes.get(before..).unwrap_or_default();
            let paid =
                self.cash >= Money(0) || !taken.iter().any(|take| self.takes_from_cash(take));
            if better && paid {
                return Ok(Some(next));
            }
            for take in takes.drain(before..).rev() {
                self.undo(&take)?;
            }
        }
        Ok(None)
    }

    /// The largest share of all legs, in Q20, that the account's cash can pay for: at the full discount, and at the
    /// discount that equity limits, which matters to large shares only.
    fn payable_shares_q20(&self) -> Result<(u64, u64), RiskError> {
        let (mut value, mut full) = (0i128, 0u128);
        for (market, held) in self.markets.iter().enumerate() {
            for (leg, held) in held.legs.iter().enumerate() {
                let Some(candidate) = self.ranked(market, leg, false)? else {
                    continue;
                };
                if matches!(held.instrument, Instrument::Option { .. }) {
                    let lots = held.lots.unsigned_abs();
                    let (payment, discount) = self.payment(&candidate, lots)?;
                    value = value.saturating_add(i128::from(payment.plus(discount)?.0));
                    full = full.saturating_add(full_discount(&candidate, lots));
                }
            }
        }
        let cash = i128::from(self.cash.0.max(0));
        let full = i128::try_from(full).unwrap_or(i128::MAX);
        let limited = full.min(i128::from(self.discount_left.0));
        let share = |discount: i128| {
            let outflow = discount.saturating_sub(value);
            if outflow <= cash {
                return WHOLE_Q20;
            }
            let share = (cash << 20).checked_div(outflow).unwrap_or(0);
            u64::try_from(share).unwrap_or(0)
        };
        let payable = share(full);
        let whole = if share(limited) == WHOLE_Q20 {
            WHOLE_Q20
        } else {
            payable
        };
        Ok((payable, whole))
    }

    /// Moves a share of every leg, rounded down to lots, those that bring cash in first.
    fn exchange_share(&mut self, share_q20: u64, takes: &mut Vec<Take>) -> Result<(), RiskError> {
        let share = |held: u64| {
            let lots = u128::from(held).saturating_mul(u128::from(share_q20)) >> 20;
            u64::try_from(lots).unwrap_or(0)
        };
        for brings_cash in [true, false] {
            for market in 0..self.markets.len() {
                let count = self.markets.get(market).map_or(0, |m| m.legs.len());
                for leg in 0..count {
                    let held = self.markets.get(market).and_then(|m| m.legs.get(leg));
                    let Some(held) = held.copied() else { continue };
                    let is_option = matches!(held.instrument, Instrument::Option { .. });
                    let lots = share(held.lots.unsigned_abs());
                    if lots == 0 || (is_option && held.lots > 0) != brings_cash {
                        continue;
                    }
                    if let Some(candidate) = self.ranked(market, leg, false)? {
                        takes.push(self.exchange(&candidate, lots)?);
                    }
                }
            }
        }
        Ok(())
    }

    /// A leg's release and discount, `None` where it holds nothing or a token balance: those are not taken.
    fn ranked(
        &self,
        market: usize,
        leg: usize,
        gross_binds: bool,
    ) -> Result<Option<Candidate>, RiskError> {
        let held = self
            .markets
            .get(market)
            .ok_or(RiskError::UnknownInstrument)?;
        let worst = self.worst.get(market).copied().unwrap_or(CENTRE_COLUMN);
        let takes =
            |held: &&Leg| held.lots != 0 && !matches!(held.instrument, Instrument::Balance { .. });
        let Some(lots) = held.legs.get(leg).filter(takes) else {
            return Ok(None);
        };
        let (release_q20, discount_q20) = per_lot(held, worst, lots, gross_binds)?;
        Ok(Some(Candidate {
            market,
            leg,
            release_q20,
            discount_q20,
        }))
    }

    fn leg(&self, candidate: &Candidate) -> Result<Leg, RiskError> {
        self.markets
            .get(candidate.market)
            .and_then(|market| market.legs.get(candidate.leg))
            .copied()
            .ok_or(RiskError::UnknownInstrument)
    }

    /// The candidate with the highest release per discount after `passed_over` in that order (ties by position).
    fn best_candidate(
        &self,
        totals: &AccountTotals,
        passed_over: Option<Candidate>,
    ) -> Result<Option<Candidate>, RiskError> {
        let gross_binds = totals.gross.mul_div_up(1, GROSS_DIVISOR_INITIAL)? > totals.scenario_loss;
        let mut best: Option<Candidate> = None;
        for (market, held) in self.markets.iter().enumerate() {
            for leg in 0..held.legs.len() {
                let Some(candidate) = self.ranked(market, leg, gross_binds)? else {
                    continue;
                };
                if candidate.release_q20 <= candidate.discount_q20 {
                    continue;
                }
                let eligible = passed_over.is_none_or(|passed| passed.precedes(&candidate));
                if eligible && best.is_none_or(|best| candidate.precedes(&best)) {
                    best = Some(candidate);
                }
            }
        }
        Ok(best)
    }

    /// The largest number of lots, at most `lots`, that the account's cash can pay for.
    fn payable_lots(&mut self, candidate: &Candidate, lots: u64) -> Result<u64, RiskError> {
        let (payment, discount) = self.payment(candidate, lots)?;
        if payment >= Money(0) || self.cash_after(candidate, payment)? >= Money(0) {
            return Ok(lots);
        }
        // Linear in lots but for rounding, with the discount that fewer lots pay too: the share that cash covers, less one.
        let value = u128::from(payment.plus(discount)?.0.unsigned_abs());
        let share = u128::from(lots)
            .saturating_mul(u128::from(self.cash.0.max(0).unsigned_abs()))
            .checked_div(value.saturating_add(full_discount(candidate, lots)))
            .unwrap_or(0);
        let share = u64::try_from(share)
            .unwrap_or(0)
            .saturating_sub(1)
            .min(lots);
        let payment = self.payment(candidate, share)?.0;
        let paid = self.cash_after(candidate, payment)? >= Money(0);
        Ok(if paid { share } else { 0 })
    }

    fn cash_after(&self, candidate: &Candidate, payment: Money) -> Result<Money, RiskError> {
        match self.leg(candidate)?.instrument {
            Instrument::Option { .. } | Instrument::Spot | Instrument::Balance { .. } => {
                self.cash.plus(payment)
            }
            Instrument::Perpetual | Instrument::Future { .. } => Ok(self.cash),
        }
    }

    /// What a liquidator pays for `lots` of the candidate, and the discount in it.
    fn payment(&self, candidate: &Candidate, lots: u64) -> Result<(Money, Money), RiskError> {
        let leg = self.leg(candidate)?;
        let market = self
            .markets
            .get(candidate.market)
            .ok_or(RiskError::UnknownInstrument)?;
        let signed = signed_like(lots, leg.lots)?;
        let mark = i128::from(market.arrays.mark_q30(leg.instrument)?);
        let value = market
            .arrays
            .lot_value()
            .money_down(i128::from(signed).saturating_mul(mark), 30)?;
        let discount = i64::try_from(full_discount(candidate, lots))
            .map_or(self.discount_left, Money)
            .min(self.discount_left);
        Ok((value.minus(discount)?, discount))
    }

    /// Whether a take lowers the account's cash.
    fn takes_from_cash(&self, take: &Take) -> bool {
        let leg = self
            .markets
            .get(take.market)
            .and_then(|market| market.legs.get(take.leg));
        let linear = |leg: &Leg| {
            matches!(
                leg.instrument,
                Instrument::Perpetual | Instrument::Future { .. }
            )
        };
        take.payment < Money(0) && !leg.is_some_and(linear)
    }

    /// Moves lots and money; the inverse is [`Planner::undo`].
    fn exchange(&mut self, candidate: &Candidate, lots: u64) -> Result<Take, RiskError> {
        let (payment, discount) = self.payment(candidate, lots)?;
        let lots = signed_like(lots, self.leg(candidate)?.lots)?;
        let take = Take {
            market: candidate.market,
            leg: candidate.leg,
            lots,
            payment,
            discount,
        };
        self.apply(&take, 1)?;
        Ok(take)
    }

    fn undo(&mut self, take: &Take) -> Result<(), RiskError> {
        self.apply(take, -1)
    }

    fn apply(&mut self, take: &Take, direction: i64) -> Result<(), RiskError> {
        let market = self
            .markets
            .get_mut(take.market)
            .ok_or(RiskError::UnknownInstrument)?;
        let leg = market
            .legs
            .get_mut(take.leg)
            .ok_or(RiskError::UnknownInstrument)?;
        let cost = market
            .costs
            .get_mut(take.leg)
            .ok_or(RiskError::UnknownInstrument)?;
        let payment = Money(take.payment.0.saturating_mul(direction));
        leg.lots = leg.lots.saturating_sub(take.lots.saturating_mul(direction));
        match leg.instrument {
            Instrument::Option { .. } | Instrument::Spot | Instrument::Balance { .. } => {
                self.cash = self.cash.plus(payment)?;
            }
            Instrument::Perpetual | Instrument::Future { .. } => *cost = cost.plus(payment)?,
        }
        let discount = Money(take.discount.0.saturating_mul(direction));
        self.discount_left = self.discount_left.minus(discount)?;
        Ok(())
    }
}

impl Candidate {
    /// Higher release per discount first; equal ones in the order of the account.
    fn precedes(&self, other: &Candidate) -> bool {
        let mine = u128::from(self.release_q20).saturating_mul(u128::from(other.discount_q20));
        let theirs = u128::from(other.release_q20).saturating_mul(u128::from(self.discount_q20));
        mine > theirs || mine == theirs && (self.market, self.leg) < (other.market, other.leg)
    }
}

/// The discount on lots, whatever the account's equity.
fn full_discount(candidate: &Candidate, lots: u64) -> u128 {
    u128::from(candidate.discount_q20).saturating_mul(u128::from(lots)) >> 20
}

/// Release and discount of one lot in 2^-20 micro-units.
fn per_lot(
    market: &LiquidationMarket<'_>,
    worst_column: usize,
    leg: &Leg,
    gross_binds: bool,
) -> Result<(u64, u64), RiskError> {
    let lot = market.arrays.lot_value();
    let one = Leg {
        instrument: leg.instrument,
        lots: leg.lots.signum(),
    };
    // 2^20 lots at once keep the fraction of a micro-unit.
    let q20 = |fraction: i64, bits: u32| {
        let money = lot.money_up(i128::from(fraction) << 20, bits)?;
        Ok::<u64, RiskError>(money.0.max(0).unsigned_abs())
    };
    let delta = market.arrays.delta_q30(leg.instrument)?.unsigned_abs();
    let charged_delta = delta.max(LEAST_CHARGED_DELTA_Q30);
    let by_delta = ppm_of(charged_delta, market.discount.delta_ppm);
    let vega_gain = match leg.instrument {
        Instrument::Option { strike, .. } => {
            let column = VOL_UP
                .saturating_mul(SPOT_NODES)
                .saturating_add(CENTRE_NODE);
            let gain = market.arrays.strike_array(strike)?.pnl_q28(column);
            gain.max(0).unsigned_abs() << 2
        }
        _ => 0,
    };
    let by_vega = ppm_of(vega_gain, market.discount.vega_ppm);
    let discount_q30 = by_delta.saturating_add(by_vega);
    let discount_q20 = q20(i64::try_from(discount_q30).unwrap_or(i64::MAX), 30)?.max(1);

    let release_q30 = if gross_binds {
        let counted = match leg.instrument {
            Instrument::Option { .. } | Instrument::Spot | Instrument::Balance { .. } => {
                leg.lots < 0
            }
            _ => true,
        };
        // MM + 0.4·(IM − MM) of G/25 and G/20.
        let share = |divisor| ONE_PPM.checked_div(divisor).unwrap_or(0);
        let share = target_share_ppm(
            share(GROSS_DIVISOR_INITIAL),
            share(GROSS_DIVISOR_MAINTENANCE),
        );
        if counted {
            ppm_of(ONE_Q30.unsigned_abs(), share)
        } else {
            0
        }
    } else {
        let pnl_q28 = market.arrays.leg_pnl_q28(&one, worst_column)?;
        let weight = market.arrays.grid().weight_q30(worst_column).unsigned_abs();
        // Below 2^31 × 2^30.
        let loss_q30 = (pnl_q28
            .saturating_neg()
            .max(0)
            .unsigned_abs()
            .saturating_mul(weight)
            >> 30)
            << 2;
        ppm_of(
            loss_q30,
            target_share_ppm(ONE_PPM, MAINTENANCE_FRACTION_PPM),
        )
    };
    Ok((
        q20(i64::try_from(release_q30).unwrap_or(i64::MAX), 30)?,
        discount_q20,
    ))
}

/// MM + 0.4·(IM − MM) of two fractions in parts per million.
fn target_share_ppm(initial_ppm: u32, maintenance_ppm: u32) -> u32 {
    let span = u64::from(initial_ppm.saturating_sub(maintenance_ppm));
    let share = ppm_of(span, LIQUIDATION_TARGET_PPM);
    maintenance_ppm.saturating_add(u32::try_from(share).unwrap_or(0))
}

/// `value × ppm / 10^6`, rounded down.
fn ppm_of(value: u64, ppm: u32) -> u64 {
    crate::fixed::mul_div_down(value, u64::from(ppm), u64::from(ONE_PPM)).unwrap_or(u64::MAX)
}

/// Lots that bring equity to the target if the worst scenario stayed the same, rounded up.
fn lots_to_target(candidate: &Candidate, report: &MarginReport) -> Result<u64, RiskError> {
    let missing = report.liquidation_target()?.minus(report.equity)?;
    let missing_q20 = u128::from(missing.0.max(0).unsigned_abs()) << 20;
    let gain = u128::from(candidate.release_q20.saturating_sub(candidate.discount_q20)).max(1);
    let lots = missing_q20.div_ceil(gain);
    Ok(u64::try_from(lots).unwrap_or(u64::MAX).max(1))
}

/// `lots` with the sign of `like`.
fn signed_like(lots: u64, like: i64) -> Result<i64, RiskError> {
    let lots = i64::try_from(lots).map_err(|_| RiskError::TooManyLots)?;
    Ok(lots.saturating_mul(like.signum()))
}

mod steps;
#[cfg(test)]
mod tests;

pub use steps::{report, reports_after_each};
