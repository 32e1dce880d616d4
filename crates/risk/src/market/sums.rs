//! What of a book is summed once, before any scenario.

use super::payoff::{PutSums, StrikeLots};
use super::{Instrument, Leg, MarketArrays, OptionKind};
use crate::array::ExpiryContext;
use crate::units::{Money, RiskError, MAX_LOTS_PER_MARKET, ONE_Q30};

/// Sums over the legs of a book before the scenarios.
#[derive(Default)]
pub(super) struct BookSums {
    pub absolute_lots: u64,
    /// Σ lots × F/S of linear legs and, by parity, of short puts: Q30.
    pub linear_q30: i64,
    /// How far the forwards of `linear_q30` move in the columns of the basis, Q30.
    pub basis_q30: [i64; 2],
    pub perpetual_lots: i64,
    pub whole_spot_lots: i64,
    /// Owned less borrowed underlying, balances included: lots in Q30.
    pub spot_q30: i64,
    /// Owned underlying, lots in Q30, and how much of `absolute_lots` is in it.
    pub owned_q30: i64,
    pub owned_lots: u64,
    /// Contracts that the owner has elsewhere in the market, and what they multiply an impact by, Q16.
    pub other_lots: u64,
    pub crowding_q16: u64,
    /// Legs that are balances, whose lots are rounded.
    pub balances: u64,
    /// Exact value of the balances.
    pub balance_value: i128,
    pub has_futures: bool,
    pub option_value_q30: i128,
    pub linear_value_q30: i128,
}

impl BookSums {
    /// What options and futures of one expiry can lose until then, Q30 lots of spot: what they are worth now less their
    /// worst payoff, at least 0. Of both the constant part, which settlement averages under way have, is left out.
    pub fn defined_loss_q30(&self, worst_payoff_q24: i64, constant_q30: i128) -> i128 {
        let perpetuals = i128::from(self.perpetual_lots) << 30;
        self.option_value_q30
            .wrapping_add(self.linear_value_q30)
            .wrapping_sub(perpetuals)
            .wrapping_sub(constant_q30)
            .wrapping_sub(i128::from(worst_payoff_q24) << 6)
            .max(0)
    }

    /// Lots of spot and perpetuals in Q30.
    pub fn not_dated_q30(&self) -> i64 {
        // Below 2^32 lots together.
        (self.perpetual_lots << 30).wrapping_add(self.spot_q30)
    }

    /// Owned underlying, lots in Q28, rounded down.
    pub fn owned_q28(&self) -> u64 {
        self.owned_q30.unsigned_abs() >> 2
    }

    /// Absolute lots of everything but owned underlying.
    pub fn contract_lots(&self) -> u64 {
        self.absolute_lots.saturating_sub(self.owned_lots)
    }

    /// Adds underlying, lots in Q30, and what it counts for in `absolute_lots`.
    fn add_spot(&mut self, exposure_q30: i64, lots: u64) {
        self.spot_q30 = self.spot_q30.wrapping_add(exposure_q30);
        self.linear_q30 = self.linear_q30.wrapping_add(exposure_q30);
        if exposure_q30 > 0 {
            self.owned_q30 = self.owned_q30.wrapping_add(exposure_q30);
            self.owned_lots = self.owned_lots.wrapping_add(lots);
        }
    }

    /// Adds the move of a linear exposure's forward in the columns of the basis.
    fn add_basis(&mut self, lots: i64, context: &ExpiryContext) {
        let moves = context.blocks.basis_moves_q30(context.forward_ratio_q30);
        for (sum, each) in self.basis_q30.iter_mut().zip(moves) {
            // A forward moves by less than 2^30 and Σ|lots| is below 2^32.
            *sum = sum.wrapping_add(lots.wrapping_mul(each));
        }
    }
}

impl MarketArrays {
    /// Whole lots of underlying at spot, rounded down, and balances at their own value.
    pub(super) fn spot_value(&self, sums: &BookSums) -> Result<Money, RiskError> {
        let lots = self
            .lot_value
            .money_down(i128::from(sums.whole_spot_lots), 0)?;
        i64::try_from(sums.balance_value)
            .map_err(|_| RiskError::MoneyOverflow)
            .and_then(|balances| lots.plus(Money(balances)))
    }

    /// Nets options by strike into `net_lots` and sums everything else.
    pub(super) fn sum_legs(&mut self, legs: &[Leg]) -> Result<BookSums, RiskError> {
        let mut sums = BookSums::default();
        self.net_lots.fill(StrikeLots::default());
        for expiry in &mut self.expiries {
            expiry.puts = PutSums::default();
        }
        for leg in legs {
            let each = self.absolute_lots(leg.instrument)?;
            // A product that may overflow costs as much as the rest of a leg on chain.
            let lots = match each {
                1 => leg.lots.unsigned_abs(),
                _ => leg.lots.unsigned_abs().saturating_mul(each),
            };
            sums.absolute_lots = sums.absolute_lots.saturating_add(lots);
            if sums.absolute_lots >= MAX_LOTS_PER_MARKET {
                return Err(RiskError::TooManyLots);
            }
            let mark_q30 = self.mark_q30(leg.instrument)?;
            // |lots| < 2^32 and the sum of all likewise, so sums of lots × ratio (below 2^31) stay below 2^63.
            let exposure_q30 = |ratio_q30: i64| leg.lots.wrapping_mul(ratio_q30);
            let value_q30 = value_of(leg.lots, mark_q30);
            match leg.instrument {
                Instrument::Spot => {
                    sums.whole_spot_lots = sums.whole_spot_lots.wrapping_add(leg.lots);
                    sums.add_spot(exposure_q30(ONE_Q30), lots);
                }
                Instrument::Balance { balance } => {
                    let value = i128::from(self.spot_balance(balance)?.value.0);
                    sums.balances = sums.balances.wrapping_add(leg.lots.unsigned_abs());
                    let value = value.wrapping_mul(i128::from(leg.lots));
                    sums.balance_value = sums.balance_value.wrapping_add(value);
                    sums.add_spot(exposure_q30(mark_q30), lots);
                }
                Instrument::Perpetual => {
                    sums.perpetual_lots = sums.perpetual_lots.wrapping_add(leg.lots);
                    sums.linear_q30 = sums.linear_q30.wrapping_add(exposure_q30(ONE_Q30));
                    sums.linear_value_q30 = sums.linear_value_q30.wrapping_add(value_q30);
                }
                Instrument::Future { expiry } => {
                    sums.has_futures = true;
                    let context = self.context(expiry)?;
                    sums.add_basis(leg.lots, context);
                    let exposure = exposure_q30(context.forward_ratio_q30);
                    sums.linear_q30 = sums.linear_q30.wrapping_add(exposure);
                    sums.linear_value_q30 = sums.linear_value_q30.wrapping_add(value_q30);
                }
                Instrument::Option { kind, strike } => {
                    if let Some(net) = self.net_lots.get_mut(usize::from(strike)) {
                        net.add(kind, leg.lots);
                    }
                    if kind == OptionKind::Put {
                        let (expiry, strike_q24) = {
                            let entry = self.strike(strike)?;
                            (usize::from(entry.expiry), entry.strike_q24)
                        };
                        let Some(entry) = self.expiries.get_mut(expiry) else {
                            return Err(RiskError::UnknownInstrument);
                        };
                        entry.puts.add(leg.lots, strike_q24);
                        let context = &entry.context;
                        sums.linear_q30 = sums
                            .linear_q30
                            .wrapping_sub(exposure_q30(context.forward_ratio_q30));
                        sums.add_basis(leg.lots.wrapping_neg(), context);
                    }
                    sums.option_value_q30 = sums.option_value_q30.wrapping_add(value_q30);
                }
            }
        }
        Ok(sums)
    }
}

/// `lots × mark`: |lots| is below 2^32 and a mark below 2^63, so a product is below 2^95 and a sum of fewer than 2^16 below 2^111.
#[inline(always)]
fn value_of(lots: i64, mark_q30: i64) -> i128 {
    // What fits 64 bits, as it nearly always does, costs a fifth of it on chain.
    if (lots.unsigned_abs() | mark_q30.unsigned_abs()) < 1 << 31 {
        return i128::from(lots.wrapping_mul(mark_q30));
    }
    i128::from(lots).wrapping_mul(i128::from(mark_q30))
}
