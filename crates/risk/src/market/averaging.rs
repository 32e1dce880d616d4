//! Expiries whose settlement average is under way: what is settled at is a constant and a share of spot
//! (`margin-model.md`, section 8).

use super::{Instrument, Leg, MarketArrays, OptionKind};
use crate::array::ExpiryContext;
use crate::smile::Smile;
use crate::units::{Price, RiskError};

/// A settlement average under way: what is settled at is a constant and a share of spot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Averaging {
    /// c: what the prices so far contribute, a mantissa of the market.
    pub fixed: Price,
    /// w: the share still to come, Q30.
    pub open_share_q30: i64,
    /// Over which time spot would have the variance of what is still to come of the average, seconds.
    pub variance_seconds: i64,
}

impl MarketArrays {
    /// [`MarketArrays::add_expiry`] of an expiry whose settlement average is under way. Its futures are the constant and the
    /// share of spot, its options struck at the strike less the constant, linear where that is at or below 0.
    ///
    /// # Errors
    /// Those of [`ExpiryContext::prepare_averaging`], [`RiskError::CapacityExceeded`].
    pub fn add_averaging_expiry(
        &mut self,
        id: u8,
        seconds_left: i64,
        averaging: &Averaging,
        smile: &Smile,
    ) -> Result<(), RiskError> {
        let seconds = [seconds_left, averaging.variance_seconds];
        let share_q30 = averaging.open_share_q30;
        self.push_expiry(id, seconds_left, |context, grid| {
            context.prepare_averaging(grid, seconds, share_q30, smile)
        })?;
        let fixed_q30 = self.inverse_spot.ratio_q30(averaging.fixed);
        if let Some(entry) = self.expiries.iter_mut().find(|entry| entry.id == id) {
            entry.fixed_q30 = fixed_q30;
        }
        Ok(())
    }

    /// What a unit of an instrument is worth beyond what its payoff, as the walk over strikes takes it, can be: Q30.
    fn constant_q30(&self, instrument: Instrument) -> Result<i64, RiskError> {
        Ok(match instrument {
            Instrument::Future { expiry } => self.expiry(expiry)?.fixed_q30,
            Instrument::Option {
                kind: OptionKind::Call,
                strike,
            } => self
                .strike(strike)?
                .strike_ratio_q30
                .min(0)
                .saturating_neg(),
            _ => 0,
        })
    }

    /// The constant part of the legs' values: what is fixed of settlement averages under way, lots in Q30.
    #[inline(never)]
    pub(super) fn constants_q30(&self, legs: &[Leg]) -> Result<i128, RiskError> {
        if self.expiries.iter().all(|expiry| expiry.fixed_q30 == 0) {
            return Ok(0);
        }
        legs.iter().try_fold(0i128, |sum, leg| {
            let each = i128::from(self.constant_q30(leg.instrument)?);
            // |lots| < 2^32 and a ratio is at most 2^62.
            Ok(sum.wrapping_add(i128::from(leg.lots).wrapping_mul(each)))
        })
    }
}

/// ln(F/K) in Q40 of a strike over spot, at least a unit.
#[inline(never)]
pub(super) fn log_moneyness_q40(context: &ExpiryContext, strike_ratio_q30: i64) -> i64 {
    let log_strike_q40 = crate::fixed::ln_of_q30(strike_ratio_q30.max(1));
    context.log_forward_ratio_q40.saturating_sub(log_strike_q40)
}
