//! The risk array of one strike: profit and loss of one long call per unit of underlying in every
//! scenario, with its slope against spot. The kernel of the engine.
//!
//! A call and a put of one expiry and strike differ by a forward, so one array serves both: a put is
//! a call less the linear leg (`margin-model.md`, section 4, netting by parity).

use crate::blocks::{BlockShocks, BASIS, BLOCK_COLUMNS};
use crate::fixed::{ln_of_q30, sqrt_tau_q32, zeros_around_one_q30};
use crate::normal::{cdf_shifted_q30, cdf_within_q30, CDF_CLAMP_Q32, CDF_RANGE_Q32};
use crate::scenario::{
    Scenario, ScenarioGrid, CENTRE_COLUMN, CENTRE_NODE, COLUMNS, SPOT_MOVES, VOL_BASE, VOL_LEVELS,
    VOL_UP,
};
use crate::smile::{Smile, SmileSlice, TOTAL_VOL_MAX_Q32, TOTAL_VOL_MIN_Q32};
use crate::units::{RiskError, ONE_Q30};

/// |ln(F/K)| is clamped to ln 64 before scenarios: a strike further away is priced at the clamp and
/// the whole remaining value of its out-of-the-money side is declared as error.
pub const MAX_LOG_MONEYNESS_Q28: i64 = 1_116_391_677;
/// Forwards lie in [1/2, 2) of spot.
pub const MIN_FORWARD_RATIO_Q30: i64 = ONE_Q30 >> 1;
/// Exclusive upper limit of the forward ratio.
pub const MAX_FORWARD_RATIO_Q30: i64 = 2 * ONE_Q30;
/// Of a settlement average under way at least this share (a 128th) is still to come.
pub const MIN_OPEN_SHARE_Q30: i64 = ONE_Q30 >> 7;

/// What every strike of one expiry shares in one instruction.
#[derive(Clone, Debug)]
pub struct ExpiryContext {
    /// F/S in Q30, unmoved.
    pub forward_ratio_q30: i64,
    /// ln(F/S) in Q40.
    pub log_forward_ratio_q40: i64,
    /// F/S in Q30 after each spot move.
    pub moved_forward_q30: [i64; SPOT_MOVES],
    /// The largest of them, those of the basis included.
    pub largest_forward_q30: i64,
    /// Volatility multipliers down, base, up.
    pub vol_levels: [VolLevel; VOL_LEVELS],
    /// Those of the columns of the twist.
    pub twist: [VolLevel; 2],
    /// √τ in Q32, years of 365 days.
    pub sqrt_tau_q32: u64,
    /// The smile at this maturity.
    pub slice: SmileSlice,
    /// Shocks of the blocks.
    pub blocks: BlockShocks,
}

impl ExpiryContext {
    /// Nothing prepared, to be filled by [`ExpiryContext::prepare`].
    pub const EMPTY: Self = Self {
        forward_ratio_q30: ONE_Q30,
        log_forward_ratio_q40: 0,
        moved_forward_q30: [ONE_Q30; SPOT_MOVES],
        largest_forward_q30: ONE_Q30,
        vol_levels: [VolLevel::ONE; VOL_LEVELS],
        twist: [VolLevel::ONE; 2],
        sqrt_tau_q32: 0,
        slice: SmileSlice::EMPTY,
        blocks: BlockShocks::NONE,
    };

    /// Prepares an expiry `seconds_left` away (floored at one minute) whose forward is
    /// `forward_ratio_q30` of spot.
    pub fn new(
        grid: &ScenarioGrid,
        seconds_left: i64,
        forward_ratio_q30: i64,
        smile: &Smile,
    ) -> Result<Self, RiskError> {
        let mut context = Self::EMPTY;
        context.prepare(grid, seconds_left, forward_ratio_q30, smile)?;
        Ok(context)
    }

    /// [`ExpiryContext::new`] in place: moving one costs a tenth of making it on chain.
    pub fn prepare(
        &mut self,
        grid: &ScenarioGrid,
        seconds_left: i64,
        forward_ratio_q30: i64,
        smile: &Smile,
    ) -> Result<(), RiskError> {
        if !(MIN_FORWARD_RATIO_Q30..MAX_FORWARD_RATIO_Q30).contains(&forward_ratio_q30) {
            return Err(RiskError::ForwardOutOfRange);
        }
        self.fill(grid, [seconds_left; 2], forward_ratio_q30, smile)
    }

    /// [`ExpiryContext::prepare`] of an expiry whose settlement average is under way: the forward is that share of spot which
    /// is still to come, and volatility acts over `variance_seconds`.
    ///
    /// # Errors
    /// [`RiskError::ForwardOutOfRange`] for a share outside [`MIN_OPEN_SHARE_Q30`] to 1, [`RiskError::VolOutOfRange`].
    pub fn prepare_averaging(
        &mut self,
        grid: &ScenarioGrid,
        [seconds_left, variance_seconds]: [i64; 2],
        open_share_q30: i64,
        smile: &Smile,
    ) -> Result<(), RiskError> {
        if !(MIN_OPEN_SHARE_Q30..=ONE_Q30).contains(&open_share_q30) {
            return Err(RiskError::ForwardOutOfRange);
        }
        self.fill(
            grid,
            [seconds_left, variance_seconds],
            open_share_q30,
            smile,
        )
    }

    fn fill(
        &mut self,
        grid: &ScenarioGrid,
        [seconds_left, variance_seconds]: [i64; 2],
        forward_ratio_q30: i64,
        smile: &Smile,
    ) -> Result<(), RiskError> {
        self.sqrt_tau_q32 = sqrt_tau_q32(variance_seconds);
        self.slice =
            SmileSlice::new(smile, self.sqrt_tau_q32).map_err(|_| RiskError::VolOutOfRange)?;
        self.forward_ratio_q30 = forward_ratio_q30;
        self.log_forward_ratio_q40 = ln_of_q30(forward_ratio_q30);
        for (moved, multiple) in self.moved_forward_q30.iter_mut().zip(&grid.multiple_q30) {
            // The ratio is below 2^31 and the multiple at most 2^32.
            *moved = forward_ratio_q30.wrapping_mul(*multiple) >> 30;
        }
        self.blocks = BlockShocks::new(&grid.blocks, seconds_left, forward_ratio_q30);
        // Tails rise outwards, so the last move is the largest.
        let [.., farthest] = self.moved_forward_q30;
        self.largest_forward_q30 = farthest.max(self.blocks.basis_forward_q30[0]);
        let [down, _, up] = grid.vol_multipliers_q30(seconds_left);
        self.vol_levels = [VolLevel::new(down), VolLevel::ONE, VolLevel::new(up)];
        self.twist = self.blocks.twist_q30.map(VolLevel::new);
        Ok(())
    }
}

/// Where a strike stands against spot and forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moneyness {
    /// K/S in Q30 as it is.
    pub strike_ratio_q30: i64,
    /// K/S in Q30 as the kernel prices it.
    pub clamped_ratio_q30: i64,
    /// ln(F/K) in Q28, clamped to ±ln 64.
    pub log_q28: i64,
}

impl Moneyness {
    /// From ln(F/K) in Q28 and K/S in Q30 (any positive values).
    pub fn new(log_q28: i64, strike_ratio_q30: i64, expiry: &ExpiryContext) -> Self {
        let clamped = log_q28.clamp(-MAX_LOG_MONEYNESS_Q28, MAX_LOG_MONEYNESS_Q28);
        let clamped_ratio_q30 = if clamped == log_q28 {
            strike_ratio_q30
        } else if clamped > 0 {
            expiry.forward_ratio_q30 >> 6
        } else {
            // Below 2^31 × 64.
            expiry.forward_ratio_q30.wrapping_mul(64)
        };
        Self {
            strike_ratio_q30,
            clamped_ratio_q30,
            log_q28: clamped,
        }
    }

    fn is_clamped(&self) -> bool {
        self.strike_ratio_q30 != self.clamped_ratio_q30
    }
}

/// The risk array of a call of one strike, per unit of underlying.
///
/// It holds values rather than profits: they are never negative, so a column is summed without sign
/// extension, and the present value is one of them.
#[derive(Clone, Debug)]
pub struct StrikeArray {
    /// Value in each scenario: fraction of spot in Q28, rounded down; below 8.
    pub value_q28: [u32; COLUMNS],
    /// Slope of the value against spot (`∂V/∂S`, `F/S × N(d1)`) in each scenario, Q28; below 2.
    pub slope_q28: [u32; COLUMNS],
    /// Value in each column of the blocks, like `value_q28`.
    pub block_q28: [u32; BLOCK_COLUMNS],
    /// Value of the call now, fraction of spot in Q30, rounded down.
    pub call_mark_q30: i64,
    /// Bound on the error of any profit and loss taken from `value_q28` and `block_q28`, in their units.
    pub error_q28: i64,
}

/// 2^62 over the 32 leading bits of a divisor, within (2^30, 2^31], by its leading zeros.
#[inline(always)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "the normalised divisor has its top bit at 31"
)]
const fn reciprocal(divisor: u64, zeros: u32) -> u64 {
    (1 << 62) / ((divisor << zeros) >> 32)
}

/// What total volatility is multiplied by, and its reciprocal: a strike's `1/s` is inverted once for all levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VolLevel {
    /// The multiplier in Q30, in 1..2^37.
    pub multiplier_q30: u64,
    /// At most 2^31.
    reciprocal: u32,
    zeros: u32,
}

impl VolLevel {
    /// Volatility as it is.
    pub const ONE: Self = Self {
        multiplier_q30: 1 << 30,
        reciprocal: 1 << 31,
        zeros: 33,
    };

    /// A multiplier in Q30, kept within 1 and 2^37.
    pub fn new(multiplier_q30: u64) -> Self {
        let multiplier_q30 = multiplier_q30.clamp(1, (1 << 37) - 1);
        let zeros = zeros_around_one_q30(multiplier_q30);
        let reciprocal = reciprocal(multiplier_q30, zeros);
        Self {
            multiplier_q30,
            #[allow(clippy::cast_possible_truncation, reason = "at most 2^31")]
            reciprocal: reciprocal as u32,
            zeros,
        }
    }
}

/// A divisor prepared for `x ↦ x / s`: `x × mantissa >> shift`.
#[derive(Clone, Copy)]
struct InverseVol {
    mantissa: i64,
    shift: u32,
    /// Half the volatility, plus the shift of [`cdf_shifted_q30`].
    shifted_half_q32: i64,
    vol_q32: i64,
    /// Neither d2, shifted likewise, nor d1 is clamped where d2 is below this as a number without a sign.
    unclamped_q32: u64,
}

impl InverseVol {
    /// `vol_q32` within [`TOTAL_VOL_MIN_Q32`] and [`TOTAL_VOL_MAX_Q32`].
    #[inline(always)]
    fn new(vol_q32: u64) -> Self {
        // Not by the table: its branches would take registers from the scenarios.
        Self::with_zeros(vol_q32, vol_q32.leading_zeros())
    }

    /// [`InverseVol::new`] of a volatility that mostly has as many bits as another: they are dear to count on chain.
    #[inline(always)]
    fn near(vol_q32: u64, other: &Self) -> Self {
        // The shift below, backwards.
        let zeros = 58u32.wrapping_sub(other.shift);
        if vol_q32 >> 63u32.wrapping_sub(zeros) == 1 {
            return Self::with_zeros(vol_q32, zeros);
        }
        Self::new(vol_q32)
    }

    #[inline(always)]
    fn with_zeros(vol_q32: u64, zeros: u32) -> Self {
        let mantissa = reciprocal(vol_q32, zeros);
        // 2^9 ≤ s ≤ 2^38, so zeros is 25..=54. d_q32 = x_q28 × 2^36 / s = x_q28 × mantissa >> (58 − zeros): 4..=33.
        Self::of(mantissa, 58u32.wrapping_sub(zeros), vol_q32)
    }

    #[inline(always)]
    fn of(mantissa: u64, shift: u32, vol_q32: u64) -> Self {
        Self {
            mantissa: mantissa.cast_signed(),
            shift,
            shifted_half_q32: (vol_q32 >> 1).cast_signed().wrapping_add(CDF_CLAMP_Q32),
            vol_q32: vol_q32.cast_signed(),
            unclamped_q32: CDF_RANGE_Q32.saturating_sub(vol_q32),
        }
    }

    /// This volatility at a level, clamped to the kernel's range.
    #[inline(always)]
    fn at(&self, level: &VolLevel) -> Self {
        // s ≤ 2^38 and the multiplier is below 2^37: the high product stays below 2^60, the low one below 2^53.
        let vol = self.vol_q32.cast_unsigned();
        let high = vol.wrapping_mul(level.multiplier_q30 >> 15);
        let low = vol.wrapping_mul(level.multiplier_q30 & 0x7fff) >> 15;
        let scaled = high.wrapping_add(low) >> 15;
        if !(TOTAL_VOL_MIN_Q32..=TOTAL_VOL_MAX_Q32).contains(&scaled) {
            return Self::new(scaled.clamp(TOTAL_VOL_MIN_Q32, TOTAL_VOL_MAX_Q32));
        }
        // 1/m = reciprocal × 2^(zeros − 64). Both factors are within (2^30, 2^31], so the product keeps 29 bits and more;
        // with s·m in range the shift is 2..=33.
        let mantissa = self
            .mantissa
            .cast_unsigned()
            .wrapping_mul(u64::from(level.reciprocal))
            >> 31;
        let shift = self.shift.wrapping_add(33).wrapping_sub(level.zeros);
        Self::of(mantissa, shift, scaled)
    }

    /// (F_j/S)·N(d1) − (K/S)·N(d2) in Q60, and N(d1) in Q30.
    #[inline(always)]
    fn call(&self, log_q28: i64, moved_forward_q30: i64, strike_ratio_q30: i64) -> (i64, i64) {
        // |x| < ln 64 + ln 20 < 8, so below 2^31, times a mantissa of at most 2^31; the quotient is
        // below 2^58 and half a volatility below 2^37.
        let shifted_d1 =
            (log_q28.wrapping_mul(self.mantissa) >> self.shift).wrapping_add(self.shifted_half_q32);
        let shifted_d2 = shifted_d1.wrapping_sub(self.vol_q32);
        // Far from the strike both are 0 or 1, and one comparison knows that nothing is clamped elsewhere.
        let (n1, n2) = if shifted_d2.cast_unsigned() < self.unclamped_q32 {
            (
                cdf_within_q30(shifted_d1.cast_unsigned()),
                cdf_within_q30(shifted_d2.cast_unsigned()),
            )
        } else if shifted_d1 <= 0 {
            return (0, 0);
        } else if shifted_d2 >= CDF_RANGE_Q32.cast_signed() {
            (ONE_Q30, ONE_Q30)
        } else {
            clamped_cdfs_q30(shifted_d1, shifted_d2)
        };
        // F_j/S < 8 and N ≤ 1: the first product is below 2^63; a call is worth at least nothing, so
        // the second exceeds it by no more than the kernel's error and the difference is in range.
        let value = moved_forward_q30
            .wrapping_mul(n1)
            .wrapping_sub(strike_ratio_q30.wrapping_mul(n2));
        (value, n1)
    }
}

/// N(d1) and N(d2), each shifted, where one of them may be clamped: Q30.
#[inline(always)]
fn clamped_cdfs_q30(shifted_d1: i64, shifted_d2: i64) -> (i64, i64) {
    /// One result, so that it comes back in a register.
    #[cold]
    #[inline(never)]
    fn packed(shifted_d1: i64, shifted_d2: i64) -> u64 {
        let (n1, n2) = (cdf_shifted_q30(shifted_d1), cdf_shifted_q30(shifted_d2));
        (n1 << 32 | n2).cast_unsigned()
    }
    let both = packed(shifted_d1, shifted_d2);
    (
        (both >> 32).cast_signed(),
        (both & 0xffff_ffff).cast_signed(),
    )
}

/// Values of a call in the columns of the blocks, Q28.
#[inline(always)]
fn block_values_q28(
    expiry: &ExpiryContext,
    moneyness: &Moneyness,
    base: &InverseVol,
    skewed_q32: [u64; 2],
) -> [u32; BLOCK_COLUMNS] {
    let (strike, forward) = (moneyness.clamped_ratio_q30, expiry.forward_ratio_q30);
    let here = |vol: InverseVol| value_q28(vol.call(moneyness.log_q28, forward, strike).0);
    let [steeper, flatter] = [0, 1].map(|side: usize| here(base.at(&expiry.twist[side])));
    let [skew_up, skew_down] = skewed_q32.map(|vol| here(InverseVol::near(clamped(vol), base)));
    let logs = expiry.blocks.basis_log_q28.iter();
    let mut basis = logs
        .zip(&expiry.blocks.basis_forward_q30)
        .map(|(log, forward)| {
            // Half a forward up at most: less than the tails may move.
            let log_q28 = moneyness.log_q28.wrapping_add(*log);
            value_q28(base.call(log_q28, *forward, strike).0)
        });
    let (up, down) = (basis.next(), basis.next());
    [
        steeper,
        flatter,
        skew_up,
        skew_down,
        up.unwrap_or(0),
        down.unwrap_or(0),
    ]
}

impl StrikeArray {
    /// An array of zeros, to be filled by [`StrikeArray::price`].
    pub const ZERO: Self = Self {
        value_q28: [0; COLUMNS],
        slope_q28: [0; COLUMNS],
        block_q28: [0; BLOCK_COLUMNS],
        call_mark_q30: 0,
        error_q28: 0,
    };

    /// Prices the strike in every scenario. `total_vol_q32` is σ√τ unmoved, `skewed_q32` with ρ up and down;
    /// volatility is sticky-strike, so spot moves leave it as it is.
    pub fn price(
        &mut self,
        grid: &ScenarioGrid,
        expiry: &ExpiryContext,
        moneyness: &Moneyness,
        total_vol_q32: u64,
        skewed_q32: [u64; 2],
    ) {
        let base = InverseVol::new(clamped(total_vol_q32));
        let [down, _, up] = &expiry.vol_levels;
        let vols = [base.at(down), base, base.at(up)];
        let strike = moneyness.clamped_ratio_q30;
        let at = |column: usize, vol: &InverseVol, node: usize, array: &mut Self| {
            // |log| < 8 in Q28 on both sides.
            let log_q28 = moneyness.log_q28.wrapping_add(grid.log_q28[node]);
            let (value_q60, n1) = vol.call(log_q28, expiry.moved_forward_q30[node], strike);
            array.value_q28[column] = value_q28(value_q60);
            array.slope_q28[column] = slope_q28(expiry.forward_ratio_q30, n1);
            value_q60
        };
        // Column by column: the instructions of a loop would be a tenth of it on chain.
        macro_rules! columns {
            ($first:expr, $vol:expr; $($node:literal)*) => {
                $(at($first + $node, $vol, $node, self);)*
            };
        }
        columns!(0, &vols[0]; 0 1 2 3 4 5 6 7 8);
        columns!(9, &vols[1]; 0 1 2 3);
        let now_q60 = at(CENTRE_COLUMN, &vols[1], CENTRE_NODE, self);
        columns!(9, &vols[1]; 5 6 7 8);
        // The tails are priced at the last level.
        columns!(18, &vols[2]; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14);

        // Below the clamp a call is the forward less the strike: the part the clamp took off comes back.
        let below_clamp = strike.wrapping_sub(moneyness.strike_ratio_q30).max(0);
        self.call_mark_q30 = (now_q60.max(0) >> 30).wrapping_add(below_clamp);
        self.block_q28 = block_values_q28(expiry, moneyness, &base, skewed_q32);
        self.error_q28 = self.declared_error_q28(expiry, moneyness);
    }

    /// Fills in what is exercised whatever happens, a strike at or below 0: the forward less the strike.
    #[inline(never)]
    pub fn price_exercised(&mut self, expiry: &ExpiryContext, strike_ratio_q30: i64) {
        // Ratios are below 2^33.
        let q28 = |ratio_q30: i64| value_q28(ratio_q30.max(0) << 30);
        let forward = expiry.forward_ratio_q30;
        for (column, value) in self.value_q28.iter_mut().enumerate() {
            let spot_move = Scenario::of_column(column).spot_move;
            *value = q28(expiry
                .moved_forward_q30
                .get(spot_move)
                .copied()
                .unwrap_or(0));
        }
        self.slope_q28 = [slope_q28(forward, ONE_Q30); COLUMNS];
        self.block_q28 = [q28(forward); BLOCK_COLUMNS];
        let basis = self.block_q28.iter_mut().skip(BASIS);
        for (value, moved) in basis.zip(&expiry.blocks.basis_forward_q30) {
            *value = q28(*moved);
        }
        self.call_mark_q30 = forward.saturating_sub(strike_ratio_q30);
        let moneyness = Moneyness {
            strike_ratio_q30,
            clamped_ratio_q30: strike_ratio_q30,
            log_q28: 0,
        };
        self.error_q28 = self.declared_error_q28(expiry, &moneyness);
    }

    /// Profit and loss of the call in a column below [`COLUMNS`] (0 beyond): fraction of spot in Q28.
    pub fn pnl_q28(&self, column: usize) -> i64 {
        let value = |column: usize| {
            self.value_q28
                .get(column)
                .map_or(0, |value| i64::from(*value))
        };
        if column < COLUMNS {
            value(column).wrapping_sub(value(CENTRE_COLUMN))
        } else {
            0
        }
    }

    /// The kernel's error: twice the price error of 5e-9·max(F, K) (the node's and the mark's), the
    /// rounding of the entries, and beyond the clamp all that the out-of-the-money side can be worth.
    fn declared_error_q28(&self, expiry: &ExpiryContext, moneyness: &Moneyness) -> i64 {
        let scale = moneyness.clamped_ratio_q30.max(expiry.largest_forward_q30);
        // 2 × 5e-9 is below 3 units of 2^-28; the scale is below 2^38.
        let error = (scale >> 30)
            .wrapping_add(1)
            .wrapping_mul(3)
            .wrapping_add(2);
        if !moneyness.is_clamped() {
            return error;
        }
        let highest = if moneyness.log_q28 < 0 {
            let values = self.value_q28.iter().chain(&self.block_q28);
            values.max().map(|value| i64::from(*value))
        } else {
            Some(moneyness.clamped_ratio_q30 >> 2)
        };
        error.saturating_add(highest.unwrap_or(0)).saturating_add(1)
    }
}

/// Total volatility within the kernel's range.
#[inline(always)]
fn clamped(vol_q32: u64) -> u64 {
    vol_q32.clamp(TOTAL_VOL_MIN_Q32, TOTAL_VOL_MAX_Q32)
}

/// Value in Q28 from Q60: below 8; a call is worth at least nothing, whatever the kernel's last digit says.
#[inline(always)]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "in 0..2^31"
)]
fn value_q28(value_q60: i64) -> u32 {
    (value_q60.max(0) >> 32) as u32
}

/// F/S × N(d1) in Q28: below 2.
#[inline(always)]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "in 0..2^29"
)]
fn slope_q28(forward_ratio_q30: i64, n1_q30: i64) -> u32 {
    (forward_ratio_q30.wrapping_mul(n1_q30) >> 32) as u32
}

const _: () = assert!(VOL_BASE == 1 && VOL_UP == 2 && VOL_LEVELS == 3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_the_same_wherever_its_cdfs_are_clamped() {
        let vols = (9..=38).flat_map(|bits| [1u64 << bits, (1 << bits) | (1 << (bits - 2))]);
        let mut kinds = [0u32; 4];
        for vol in vols.filter(|vol| *vol <= TOTAL_VOL_MAX_Q32) {
            let inverse = InverseVol::new(vol);
            for step in -4_000..=4_000i64 {
                // Even steps of the logarithm, then of d up to ±12 where the logarithm stays below 8.
                let of_d = (step * vol as i64 / 333) >> 4;
                for log_q28 in [step << 19, of_d.clamp(-(8 << 28), 8 << 28)] {
                    let d1 =
                        ((log_q28 * inverse.mantissa) >> inverse.shift) + inverse.shifted_half_q32;
                    let d2 = d1 - inverse.vol_q32;
                    let (n1, n2) = (cdf_shifted_q30(d1), cdf_shifted_q30(d2));
                    let (forward, strike) = (3 * ONE_Q30 / 2, ONE_Q30);
                    let expected = (forward * n1 - strike * n2, n1);
                    assert_eq!(
                        inverse.call(log_q28, forward, strike),
                        expected,
                        "{vol} {log_q28}"
                    );
                    let within = |d: i64| (0..CDF_RANGE_Q32 as i64).contains(&d);
                    kinds[usize::from(within(d1)) * 2 + usize::from(within(d2))] += 1;
                }
            }
        }
        assert!(kinds.iter().all(|count| *count > 1_000), "{kinds:?}");
    }
}
