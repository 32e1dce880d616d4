//! The grid of stress scenarios: nine spot nodes times three volatility levels, and six tails.
//!
//! Parameters are what a market sets (parts per million); [`ScenarioGrid`] is what the kernel uses,
//! derived once when the parameters are set so that no instruction takes a logarithm of a shock.

use crate::blocks::BlockParameters;
use crate::charges::ChargeParameters;
use crate::fixed::{ln_of_q30, quotient};
use crate::liquidity::LiquidityParameters;
use crate::units::{ONE_PPM, ONE_Q30, SECONDS_PER_DAY};

/// Spot nodes of the core block.
pub const SPOT_NODES: usize = 9;
/// Volatility levels of the core block: down, base, up.
pub const VOL_LEVELS: usize = 3;
/// Core columns.
pub const CORE_COLUMNS: usize = SPOT_NODES * VOL_LEVELS;
/// Tail columns, each with volatility up: the first three fall, the last three rise.
pub const TAILS: usize = 6;
/// Tails on each side.
pub const TAILS_PER_SIDE: usize = 3;
/// Columns of a risk array: index `level × 9 + node` in the core, then the tails.
pub const COLUMNS: usize = CORE_COLUMNS + TAILS;
/// Distinct spot moves: the nodes, then the tails.
pub const SPOT_MOVES: usize = SPOT_NODES + TAILS;
/// The node at which spot does not move.
pub const CENTRE_NODE: usize = 4;
/// Index of the unmoved volatility level.
pub const VOL_BASE: usize = 1;
/// The column in which nothing moves.
pub const CENTRE_COLUMN: usize = VOL_BASE * SPOT_NODES + CENTRE_NODE;
/// Index of the raised volatility level, that of the tails.
pub const VOL_UP: usize = 2;

/// The volatility-down multiplier never falls below this (10%).
pub const MIN_VOL_MULTIPLIER_PPM: u32 = 100_000;
/// The core range is at least this (1%): what is less was meant in another unit.
pub const MIN_SPOT_RANGE_PPM: u32 = 10_000;
/// No scenario multiplies spot by more than this.
pub const MAX_SPOT_MULTIPLE: i64 = 4;
/// No scenario takes spot below this fraction (5%).
pub const MIN_SPOT_FRACTION_PPM: u32 = 50_000;
/// The rise of volatility, scaled to one day, is at most this (175%), and powers at most 1: up to there a price keeps its stated
/// error.
pub const MAX_VOL_RISE_PPM: u32 = 1_750_000;

/// Scenario parameters of a market, in parts per million.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScenarioParameters {
    /// R: half the width of the core block, as a fraction of spot.
    pub spot_range_ppm: u32,
    /// The nine nodes as fractions of R: rising, from −1 to +1, the middle one 0.
    pub node_ppm: [i32; SPOT_NODES],
    /// The tails as multiples of R: three falls (−), then three rises (+), each further out.
    pub tail_multiple_ppm: [i32; TAILS],
    /// The share of a tail's loss that counts; 0 switches the tail off. Never rising outwards.
    pub tail_weight_ppm: [u32; TAILS],
    /// The largest fall of any scenario, as a fraction of spot.
    pub fall_limit_ppm: u32,
    /// v+: rise of volatility at 30 days to expiry.
    pub vol_up_ppm: u32,
    /// v−: fall of volatility at 30 days to expiry.
    pub vol_down_ppm: u32,
    /// p below 30 days: the shocks scale with (30 / days)^p.
    pub vol_power_short_ppm: u32,
    /// p from 30 days on.
    pub vol_power_long_ppm: u32,
    /// Twist, skew and basis.
    pub blocks: BlockParameters,
    /// Short-option minimum and oracle contingency.
    pub charges: ChargeParameters,
    /// Liquidity cost.
    pub liquidity: LiquidityParameters,
}

/// The tails of a market as [`ScenarioParameters`] has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tails<'a> {
    /// Multiples of the range.
    pub multiple_ppm: &'a [i32; TAILS],
    /// The share of the loss that counts, 0 where the tail is off.
    pub weight_ppm: &'a [u32; TAILS],
}

impl Tails<'_> {
    /// Whether all tails are the same multiples of their ranges.
    pub fn are_at_those_of(&self, other: &Self) -> bool {
        // Without a call to compare bytes, which costs twice as much on chain.
        let multiples = self.multiple_ppm.iter().zip(other.multiple_ppm);
        multiples.fold(0, |differing, (mine, theirs)| differing | (mine ^ theirs)) == 0
    }

    /// Whether every tail that both markets have on is the same multiple of their ranges.
    pub fn align(&self, other: &Self) -> bool {
        let multiples = self.multiple_ppm.iter().zip(other.multiple_ppm);
        let weights = self.weight_ppm.iter().zip(other.weight_ppm);
        multiples
            .zip(weights)
            .all(|((mine, theirs), (one, both))| mine == theirs || *one == 0 || *both == 0)
    }
}

/// A scenario parameter that is refused, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterError {
    /// `spot_range` is below 1% or not below `fall_limit`.
    SpotRange,
    /// `nodes` do not rise from −1 to +1 with 0 in the middle.
    Nodes,
    /// `tails` do not move outwards from ±1, or one multiplies spot by more than 4.
    Tails,
    /// A tail's weight exceeds 1 or rises outwards.
    TailWeights,
    /// `fall_limit` leaves less than 5% of spot.
    FallLimit,
    /// `vol_up`, scaled to one day, exceeds 175%.
    VolUp,
    /// `vol_down`, scaled to one day, would leave less than 10% of volatility.
    VolDown,
    /// A power exceeds 1.
    VolPower,
    /// `twist` exceeds 50%.
    Twist,
    /// `skew` exceeds 0.5.
    Skew,
    /// `basis` exceeds 10%.
    Basis,
    /// `basis_annual` exceeds 50% a year.
    BasisAnnual,
    /// `short_minimum` exceeds 10%.
    ShortMinimum,
    /// `short_minimum_maintenance` exceeds `short_minimum`.
    ShortMinimumMaintenance,
    /// `oracle_confidence` exceeds 10.
    OracleConfidence,
    /// `oracle_age` exceeds 1%.
    OracleAge,
    /// `unwind_delta` exceeds 10%.
    UnwindDelta,
    /// `unwind_delta_impact` exceeds 100% per million.
    UnwindDeltaImpact,
    /// `unwind_vega` exceeds 50%.
    UnwindVega,
    /// `unwind_vega_impact` exceeds 100% per million.
    UnwindVegaImpact,
}

/// The grid in the kernel's formats. Made by [`ScenarioParameters::grid`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScenarioGrid {
    /// Spot multiples `1 + shock` in Q30, nodes first.
    pub multiple_q30: [i64; SPOT_MOVES],
    /// Their natural logarithms in Q28.
    pub log_q28: [i64; SPOT_MOVES],
    /// Weights of the tails in Q30.
    pub tail_weight_q30: [i64; TAILS],
    /// Inverse weights in Q16, 0 where the tail is off: the weight between tails is interpolated in its inverse.
    pub tail_inverse_weight_q16: [i64; TAILS],
    /// v+ in parts per million.
    pub vol_up_ppm: u32,
    /// v− in parts per million.
    pub vol_down_ppm: u32,
    /// Power below 30 days, in parts per million.
    pub vol_power_short_ppm: u32,
    /// Power from 30 days on, in parts per million.
    pub vol_power_long_ppm: u32,
    /// Twist, skew and basis.
    pub blocks: BlockParameters,
    /// Short-option minimum and oracle contingency.
    pub charges: ChargeParameters,
    /// Liquidity cost.
    pub liquidity: LiquidityParameters,
}

/// One column, named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Column index.
    pub column: usize,
    /// Index of the spot move (nodes first, then tails).
    pub spot_move: usize,
    /// Volatility level: 0 down, 1 base, 2 up.
    pub vol_level: usize,
}

impl Scenario {
    /// The scenario of a column below [`COLUMNS`].
    pub fn of_column(column: usize) -> Self {
        let (spot_move, vol_level) = match column {
            0..SPOT_NODES => (column, 0),
            SPOT_NODES..18 => (column.saturating_sub(SPOT_NODES), VOL_BASE),
            18..CORE_COLUMNS => (column.saturating_sub(18), VOL_UP),
            _ => (
                column.saturating_sub(18).min(SPOT_MOVES.saturating_sub(1)),
                VOL_UP,
            ),
        };
        Self {
            column,
            spot_move,
            vol_level,
        }
    }
}

impl ScenarioParameters {
    /// The defaults for a market whose core range is `spot_range_ppm`.
    pub const fn with_spot_range(spot_range_ppm: u32) -> Self {
        Self {
            spot_range_ppm,
            node_ppm: [
                -1_000_000, -750_000, -500_000, -250_000, 0, 250_000, 500_000, 750_000, 1_000_000,
            ],
            tail_multiple_ppm: [
                -2_000_000, -3_000_000, -4_000_000, 2_000_000, 3_000_000, 6_000_000,
            ],
            tail_weight_ppm: [500_000, 333_334, 250_000, 500_000, 333_334, 166_667],
            fall_limit_ppm: 900_000,
            vol_up_ppm: 500_000,
            vol_down_ppm: 300_000,
            vol_power_short_ppm: 300_000,
            vol_power_long_ppm: 130_000,
            blocks: BlockParameters::DEFAULT,
            charges: ChargeParameters::DEFAULT,
            liquidity: LiquidityParameters::DEFAULT,
        }
    }

    /// Bitcoin: R = 16%.
    pub const BTC: Self = Self::with_spot_range(160_000);
    /// Ether: R = 18%.
    pub const ETH: Self = Self::with_spot_range(180_000);
    /// Solana: R = 30%.
    pub const SOL: Self = Self::with_spot_range(300_000);

    /// The tails.
    pub const fn tails(&self) -> Tails<'_> {
        Tails {
            multiple_ppm: &self.tail_multiple_ppm,
            weight_ppm: &self.tail_weight_ppm,
        }
    }

    /// Checks the parameters and derives the grid; the error names the parameter that is wrong.
    pub fn grid(&self) -> Result<ScenarioGrid, ParameterError> {
        self.validate_range()?;
        self.validate_volatility()?;
        self.blocks.validate()?;
        self.charges.validate()?;
        self.liquidity.validate()?;
        let mut grid = ScenarioGrid {
            multiple_q30: [ONE_Q30; SPOT_MOVES],
            log_q28: [0; SPOT_MOVES],
            tail_weight_q30: [0; TAILS],
            tail_inverse_weight_q16: [0; TAILS],
            vol_up_ppm: self.vol_up_ppm,
            vol_down_ppm: self.vol_down_ppm,
            vol_power_short_ppm: self.vol_power_short_ppm,
            vol_power_long_ppm: self.vol_power_long_ppm,
            blocks: self.blocks,
            charges: self.charges,
            liquidity: self.liquidity,
        };
        let fractions = self.node_ppm.iter().chain(&self.tail_multiple_ppm);
        let targets = grid.multiple_q30.iter_mut().zip(grid.log_q28.iter_mut());
        for (fraction, (multiple, log)) in fractions.zip(targets) {
            *multiple = self.multiple_q30(*fraction);
            *log = log_of_multiple_q28(*multiple);
        }
        if grid
            .multiple_q30
            .iter()
            .any(|multiple| *multiple > MAX_SPOT_MULTIPLE.saturating_mul(ONE_Q30))
        {
            return Err(ParameterError::Tails);
        }
        let inverses = grid.tail_inverse_weight_q16.iter_mut();
        for ((ppm, weight), inverse) in self
            .tail_weight_ppm
            .iter()
            .zip(&mut grid.tail_weight_q30)
            .zip(inverses)
        {
            *weight = ratio_up(i64::from(*ppm), ONE_Q30, i64::from(ONE_PPM));
            // Rounded down, so that the interpolated weight is rounded up.
            *inverse = (i64::from(ONE_PPM) << 16)
                .checked_div(i64::from(*ppm))
                .unwrap_or(0);
        }
        Ok(grid)
    }

    fn multiple_q30(&self, fraction_ppm: i32) -> i64 {
        // |fraction| ≤ 2^31 and R ≤ 2^20, so the product stays below 2^51, and below 2^61 in Q30.
        let move_ppm = i64::from(fraction_ppm)
            .saturating_mul(i64::from(self.spot_range_ppm))
            .checked_div_euclid(i64::from(ONE_PPM))
            .unwrap_or(0)
            .clamp(
                i64::from(self.fall_limit_ppm).saturating_neg(),
                i64::from(u32::MAX),
            );
        let shock = i128::from(move_ppm).saturating_mul(i128::from(ONE_Q30));
        // Away from zero, so that the priced range covers the stated one.
        let away = if move_ppm < 0 {
            0
        } else {
            i128::from(ONE_PPM).saturating_sub(1)
        };
        let shock = shock
            .saturating_add(away)
            .checked_div_euclid(i128::from(ONE_PPM))
            .unwrap_or(0);
        ONE_Q30.saturating_add(i64::try_from(shock).unwrap_or(i64::MAX))
    }

    fn validate_range(&self) -> Result<(), ParameterError> {
        let widest_fall = ONE_PPM.saturating_sub(MIN_SPOT_FRACTION_PPM);
        if self.fall_limit_ppm == 0 || self.fall_limit_ppm > widest_fall {
            return Err(ParameterError::FallLimit);
        }
        if self.spot_range_ppm < MIN_SPOT_RANGE_PPM || self.spot_range_ppm >= self.fall_limit_ppm {
            return Err(ParameterError::SpotRange);
        }
        let (minus_one, one) = (-1_000_000, 1_000_000);
        let ends = (self.node_ppm.first(), self.node_ppm.last());
        let rising = self
            .node_ppm
            .windows(2)
            .all(|pair| pair.first() < pair.last());
        if !rising
            || ends != (Some(&minus_one), Some(&one))
            || self.node_ppm.get(CENTRE_NODE) != Some(&0)
        {
            return Err(ParameterError::Nodes);
        }
        let (falls, rises) = self.tail_multiple_ppm.split_at(TAILS_PER_SIDE);
        let outward = |first: bool, side: &[i32]| {
            first
                && side.windows(2).all(|pair| {
                    pair.first().map(|m| m.unsigned_abs()) < pair.last().map(|m| m.unsigned_abs())
                })
        };
        if !outward(falls.iter().all(|m| *m < minus_one), falls)
            || !outward(rises.iter().all(|m| *m > one), rises)
        {
            return Err(ParameterError::Tails);
        }
        let (falls, rises) = self.tail_weight_ppm.split_at(TAILS_PER_SIDE);
        let shrinking = |side: &[u32]| {
            side.iter().all(|w| *w <= ONE_PPM)
                && side.windows(2).all(|pair| pair.first() >= pair.last())
        };
        if !shrinking(falls) || !shrinking(rises) {
            return Err(ParameterError::TailWeights);
        }
        Ok(())
    }

    fn validate_volatility(&self) -> Result<(), ParameterError> {
        if self.vol_power_short_ppm > ONE_PPM || self.vol_power_long_ppm > ONE_PPM {
            return Err(ParameterError::VolPower);
        }
        let at_one_day = |shock_ppm| {
            let powers = (self.vol_power_short_ppm, self.vol_power_long_ppm);
            scaled_shock_ppm(shock_ppm, SECONDS_PER_DAY, powers.0, powers.1)
        };
        if at_one_day(self.vol_up_ppm) > u64::from(MAX_VOL_RISE_PPM) {
            return Err(ParameterError::VolUp);
        }
        let down_at_one_day = at_one_day(self.vol_down_ppm);
        if down_at_one_day > u64::from(ONE_PPM.saturating_sub(MIN_VOL_MULTIPLIER_PPM)) {
            return Err(ParameterError::VolDown);
        }
        Ok(())
    }
}

impl ScenarioGrid {
    /// Volatility multipliers (down, base, up) in Q30 for an expiry `seconds_left` away:
    /// `1 ∓ v·(30/DTE)^p`, DTE floored at one day. The lower is rounded down, the upper up.
    pub fn vol_multipliers_q30(&self, seconds_left: i64) -> [u64; VOL_LEVELS] {
        let factor_q30 = shock_factor_q30(
            seconds_left,
            self.vol_power_short_ppm,
            self.vol_power_long_ppm,
        );
        let shock = |ppm| scaled_ppm(ppm, factor_q30);
        // Shocks are below 2^22 ppm × 30 < 2^27, so the products stay below 2^58.
        let q30 =
            |ppm: u64| ratio_up(ppm.cast_signed(), ONE_Q30, i64::from(ONE_PPM)).cast_unsigned();
        let one = ONE_Q30.unsigned_abs();
        let floor = one.div_ceil(10);
        let down = one.saturating_sub(q30(shock(self.vol_down_ppm))).max(floor);
        [down, one, one.saturating_add(q30(shock(self.vol_up_ppm)))]
    }

    /// The weight of a column's loss in Q30: 1 in the core.
    pub fn weight_q30(&self, column: usize) -> i64 {
        match column.checked_sub(CORE_COLUMNS) {
            None => ONE_Q30,
            Some(tail) => self.tail_weight_q30.get(tail).copied().unwrap_or(0),
        }
    }
}

/// `shock × (30 / DTE)^p` in parts per million, rounded up; p by the side of 30 days.
fn scaled_shock_ppm(
    shock_ppm: u32,
    seconds_left: i64,
    power_short_ppm: u32,
    power_long_ppm: u32,
) -> u64 {
    scaled_ppm(
        shock_ppm,
        shock_factor_q30(seconds_left, power_short_ppm, power_long_ppm),
    )
}

/// `(30 / DTE)^p` in Q30, DTE floored at one day; p by the side of 30 days.
fn shock_factor_q30(seconds_left: i64, power_short_ppm: u32, power_long_ppm: u32) -> u64 {
    let thirty_days = SECONDS_PER_DAY.unsigned_abs().saturating_mul(30);
    let left = seconds_left.max(SECONDS_PER_DAY).unsigned_abs();
    let power_ppm = if left < thirty_days {
        power_short_ppm
    } else {
        power_long_ppm
    };
    if power_ppm == 0 || left == thirty_days {
        return 1 << 30;
    }
    // (30 × 86,400) × 2^30 < 2^52.
    let ratio_q30 = (thirty_days << 30).checked_div(left).unwrap_or(1).max(1);
    crate::fixed::pow_q30(ratio_q30, power_ppm)
}

/// A shock times a factor in Q30, rounded up.
fn scaled_ppm(shock_ppm: u32, factor_q30: u64) -> u64 {
    // The factor is at most 30 and the shock below 2^22 ppm: below 2^57.
    u64::from(shock_ppm)
        .wrapping_mul(factor_q30)
        .wrapping_add((1 << 30) - 1)
        >> 30
}

/// `numerator × factor / divisor` rounded up, for non-negative values whose product fits 63 bits and a positive divisor.
pub(crate) fn ratio_up(numerator: i64, factor: i64, divisor: i64) -> i64 {
    // Non-negative by contract, so what the conversions keep is the number.
    let product = numerator.wrapping_mul(factor).cast_unsigned();
    quotient(
        product.wrapping_add(divisor.wrapping_sub(1).cast_unsigned()),
        divisor.cast_unsigned(),
    )
    .cast_signed()
}

/// ln of a positive Q30 multiple, in Q28, rounded to nearest.
fn log_of_multiple_q28(multiple_q30: i64) -> i64 {
    let log_q40 = ln_of_q30(multiple_q30);
    log_q40.saturating_add(1 << 11) >> 12
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_grid_is_the_one_of_the_margin_page() {
        let grid = ScenarioParameters::SOL.grid().unwrap();
        let percent = |m: i64| ((m - ONE_Q30) * 1000 + (ONE_Q30 / 2)) >> 30;
        let moves: [i64; SPOT_MOVES] = core::array::from_fn(|i| percent(grid.multiple_q30[i]));
        assert_eq!(
            moves,
            [-300, -225, -150, -75, 0, 75, 150, 225, 300, -600, -900, -900, 600, 900, 1800]
        );
        assert_eq!(grid.multiple_q30[CENTRE_NODE], ONE_Q30);
        assert_eq!(grid.log_q28[CENTRE_NODE], 0);
        let ln_fall = (0.7f64).ln() * (1u64 << 28) as f64;
        assert!((grid.log_q28[0] as f64 - ln_fall).abs() < 2.0);
    }

    #[test]
    fn volatility_shocks_grow_towards_expiry() {
        let grid = ScenarioParameters::BTC.grid().unwrap();
        let level = |days: i64, i: usize| {
            grid.vol_multipliers_q30(days * SECONDS_PER_DAY)[i] as f64 / ONE_Q30 as f64
        };
        assert!((level(30, 2) - 1.5).abs() < 1e-5);
        assert!((level(2, 2) - (1.0 + 0.5 * 15f64.powf(0.3))).abs() < 1e-5);
        assert!((level(120, 0) - (1.0 - 0.3 * 0.25f64.powf(0.13))).abs() < 1e-5);
        assert_eq!(
            level(0, 2),
            level(1, 2),
            "days to expiry are floored at one"
        );
        assert!(level(0, 0) >= 0.1);
    }

    #[test]
    fn every_wrong_parameter_is_named() {
        let refused = |change: fn(&mut ScenarioParameters)| {
            let mut parameters = ScenarioParameters::BTC;
            change(&mut parameters);
            parameters.grid().unwrap_err()
        };
        assert_eq!(
            refused(|p| p.spot_range_ppm = 9_999),
            ParameterError::SpotRange
        );
        assert_eq!(
            refused(|p| p.spot_range_ppm = 900_000),
            ParameterError::SpotRange
        );
        assert_eq!(
            refused(|p| p.fall_limit_ppm = 960_000),
            ParameterError::FallLimit
        );
        assert_eq!(refused(|p| p.node_ppm[4] = 1), ParameterError::Nodes);
        assert_eq!(
            refused(|p| p.node_ppm[1] = -1_000_000),
            ParameterError::Nodes
        );
        assert_eq!(
            refused(|p| p.tail_multiple_ppm[1] = -2_000_000),
            ParameterError::Tails
        );
        assert_eq!(
            refused(|p| p.tail_multiple_ppm[5] = 40_000_000),
            ParameterError::Tails
        );
        assert_eq!(
            refused(|p| p.tail_weight_ppm[2] = 400_000),
            ParameterError::TailWeights
        );
        // 63% with a power of 0.3 is 174.8% at a day.
        let steepest = ScenarioParameters {
            vol_up_ppm: 630_000,
            ..ScenarioParameters::BTC
        };
        assert!(steepest.grid().is_ok());
        assert_eq!(refused(|p| p.vol_up_ppm = 631_000), ParameterError::VolUp);
        assert_eq!(refused(|p| p.vol_up_ppm = u32::MAX), ParameterError::VolUp);
        assert_eq!(
            refused(|p| p.vol_power_short_ppm = 400_000),
            ParameterError::VolUp,
            "50% with a power of 0.4 is 195% at a day"
        );
        assert_eq!(
            refused(|p| p.vol_down_ppm = 330_000),
            ParameterError::VolDown
        );
        assert_eq!(
            refused(|p| p.vol_power_long_ppm = 1_000_001),
            ParameterError::VolPower
        );
    }

    #[test]
    fn columns_are_named_by_move_and_level() {
        for column in 0..COLUMNS {
            let scenario = Scenario::of_column(column);
            let expected = if column < CORE_COLUMNS {
                (column % SPOT_NODES, column / SPOT_NODES)
            } else {
                (SPOT_NODES + column - CORE_COLUMNS, VOL_UP)
            };
            assert_eq!((scenario.spot_move, scenario.vol_level), expected);
        }
    }
}
