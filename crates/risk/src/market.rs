//! The risk of one book in one market: every series priced once, any number of books evaluated
//! against the arrays.

use alloc::vec::Vec;

use crate::array::{ExpiryContext, Moneyness, StrikeArray};
use crate::charges::{fading_q16, ramp_q16, OracleQuality};
use crate::fixed::{leading_zeros, quotient_of_wide};
use crate::scenario::{Scenario, ScenarioGrid, CENTRE_COLUMN};
use crate::smile::Smile;
use crate::spot::{token_value_down, SpotBalance};
use crate::units::{LotValue, Money, Price, RiskError, ONE_Q30};

mod averaging;
mod columns;
mod evaluation;
mod fading;
mod fills;
mod orders;
mod payoff;
mod risk;
pub mod scan;
mod sums;
mod unwinding;
use averaging::log_moneyness_q40;
pub use averaging::Averaging;
pub use orders::Order;
use payoff::{strike_q24, PutSums, StrikeLots};
pub use risk::{MarketParts, MarketRisk};
use unwinding::UnwindRates;

/// Call or put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionKind {
    /// The right to buy at the strike.
    Call,
    /// The right to sell at the strike.
    Put,
}

/// A handle to something that can be held in a market, valid for the arrays that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instrument {
    /// The underlying itself, owned or borrowed, in whole lots.
    Spot,
    /// A whole balance of the underlying, whatever fraction of a lot it is: a leg of it has one "lot".
    Balance {
        /// Position of the balance in the arrays.
        balance: u8,
    },
    /// A perpetual on the index.
    Perpetual,
    /// A dated future of a prepared expiry.
    Future {
        /// Position of the expiry in the arrays.
        expiry: u8,
    },
    /// An option on a prepared strike.
    Option {
        /// Call or put.
        kind: OptionKind,
        /// Position of the strike in the arrays.
        strike: u16,
    },
}

/// Signed lots of an instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// What is held.
    pub instrument: Instrument,
    /// How much: long positive, short negative.
    pub lots: i64,
}

/// What the engine must know of a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketInputs {
    /// The current index price.
    pub spot: Price,
    /// Power of ten of every price mantissa of the market.
    pub price_exponent: i8,
    /// Billionths of a unit of underlying in one lot.
    pub lot_size: u64,
    /// The stress scenarios.
    pub grid: ScenarioGrid,
    /// How good `spot` is.
    pub oracle: OracleQuality,
}

struct ExpiryEntry {
    id: u8,
    /// One past the position of the lowest strike of this expiry, 0 where there is none.
    first_strike: u16,
    /// One past the position of the strike met last: series mostly come in the order of their strikes.
    recent_strike: u16,
    /// What short options' minimum is multiplied by, Q16.
    ramp_q16: u32,
    /// How little its long options count beside what lives on, Q16; 0 until the last day.
    fading_q16: u32,
    /// What is fixed of its settlement average over spot, Q30; 0 before the average begins.
    fixed_q30: i64,
    /// Puts of the book being evaluated.
    puts: PutSums,
    context: ExpiryContext,
}

struct StrikeEntry {
    expiry: u8,
    strike: Price,
    vol_override_q32: u64,
    /// One past the position of the next strike up, 0 where there is none.
    next_strike: u16,
    /// K/S, less what is fixed of a settlement average under way.
    strike_ratio_q30: i64,
    /// The same as payoffs take it, at least 0.
    strike_q24: i64,
    array: StrikeArray,
}

/// All strikes and expiries of one market that an instruction meets, each priced once.
pub struct MarketArrays {
    inputs: MarketInputs,
    lot_value: LotValue,
    log_spot_q40: i64,
    oracle_ppm: u32,
    inverse_spot: InverseSpot,
    unwind_rates: UnwindRates,
    expiries: Vec<ExpiryEntry>,
    strikes: Vec<StrikeEntry>,
    net_lots: Vec<StrikeLots>,
    balances: Vec<SpotBalance>,
}

impl MarketArrays {
    /// Empty arrays with room for the given number of expiries and strikes: memory is taken once.
    pub fn new(inputs: &MarketInputs, expiries: usize, strikes: usize) -> Result<Self, RiskError> {
        let lot_value = LotValue::new(inputs.spot, inputs.price_exponent, inputs.lot_size)?;
        Ok(Self {
            inputs: *inputs,
            lot_value,
            log_spot_q40: crate::fixed::ln_q40(inputs.spot.0),
            oracle_ppm: inputs.grid.charges.oracle_ppm(&inputs.oracle),
            inverse_spot: InverseSpot::new(inputs.spot)?,
            unwind_rates: UnwindRates::new(&inputs.grid, &lot_value),
            expiries: Vec::with_capacity(expiries),
            strikes: Vec::with_capacity(strikes),
            net_lots: Vec::with_capacity(strikes),
            balances: Vec::new(),
        })
    }

    /// Turns to another market in the same memory; every instrument given before is void.
    pub fn restart(&mut self, inputs: &MarketInputs) -> Result<(), RiskError> {
        self.inputs = *inputs;
        self.lot_value = LotValue::new(inputs.spot, inputs.price_exponent, inputs.lot_size)?;
        self.log_spot_q40 = crate::fixed::ln_q40(inputs.spot.0);
        self.oracle_ppm = inputs.grid.charges.oracle_ppm(&inputs.oracle);
        self.inverse_spot = InverseSpot::new(inputs.spot)?;
        self.unwind_rates = UnwindRates::new(&inputs.grid, &self.lot_value);
        self.expiries.clear();
        self.strikes.clear();
        self.net_lots.clear();
        self.balances.clear();
        Ok(())
    }

    /// Money of so many lots of the underlying in Q28, rounded up: of [`MarketRisk::unwound_delta_q28`], for one.
    ///
    /// # Errors
    /// [`RiskError::MoneyOverflow`].
    pub fn money_of_q28_up(&self, lots_q28: u64) -> Result<Money, RiskError> {
        self.lot_value.money_up(i128::from(lots_q28), 28)
    }

    /// The value of a lot at spot.
    pub fn lot_value(&self) -> &LotValue {
        &self.lot_value
    }

    /// Billionths of a unit of underlying in a lot.
    pub fn lot_size(&self) -> u64 {
        self.inputs.lot_size
    }

    /// The value of `amount` base units of a token with `decimals`; see [`token_value_down`].
    pub fn token_value_down(&self, amount: i64, decimals: u8) -> Result<Money, RiskError> {
        token_value_down(
            self.inputs.spot,
            self.inputs.price_exponent,
            amount,
            decimals,
        )
    }

    /// The grid in use.
    pub fn grid(&self) -> &ScenarioGrid {
        &self.inputs.grid
    }

    /// Whether the expiry the caller calls `id` is prepared.
    pub fn has_expiry(&self, id: u8) -> bool {
        self.expiries.iter().any(|entry| entry.id == id)
    }

    /// Prepares an expiry under the caller's `id`; a second call with the same id changes nothing.
    ///
    /// `seconds_left` is floored at one minute; `forward_ratio_q30` is F/S.
    pub fn add_expiry(
        &mut self,
        id: u8,
        seconds_left: i64,
        forward_ratio_q30: i64,
        smile: &Smile,
    ) -> Result<(), RiskError> {
        self.push_expiry(id, seconds_left, |context, grid| {
            context.prepare(grid, seconds_left, forward_ratio_q30, smile)
        })
    }

    fn push_expiry(
        &mut self,
        id: u8,
        seconds_left: i64,
        prepare: impl FnOnce(&mut ExpiryContext, &ScenarioGrid) -> Result<(), RiskError>,
    ) -> Result<(), RiskError> {
        if self.has_expiry(id) {
            return Ok(());
        }
        if self.expiries.len() == self.expiries.capacity() {
            return Err(RiskError::CapacityExceeded);
        }
        self.expiries.push(ExpiryEntry {
            id,
            first_strike: 0,
            recent_strike: 0,
            // At most 2 and 1.
            ramp_q16: u32::try_from(ramp_q16(seconds_left)).unwrap_or(u32::MAX),
            fading_q16: u32::try_from(fading_q16(seconds_left)).unwrap_or(u32::MAX),
            fixed_q30: 0,
            puts: PutSums::default(),
            context: ExpiryContext::EMPTY,
        });
        let Some(entry) = self.expiries.last_mut() else {
            return Err(RiskError::CapacityExceeded);
        };
        let prepared = prepare(&mut entry.context, &self.inputs.grid);
        if prepared.is_err() {
            self.expiries.pop();
        }
        prepared
    }

    fn expiry_position(&self, id: u8) -> Result<u8, RiskError> {
        self.expiries
            .iter()
            .position(|entry| entry.id == id)
            .and_then(|position| u8::try_from(position).ok())
            .ok_or(RiskError::UnknownInstrument)
    }

    /// The future of a prepared expiry.
    pub fn future(&self, expiry_id: u8) -> Result<Instrument, RiskError> {
        Ok(Instrument::Future {
            expiry: self.expiry_position(expiry_id)?,
        })
    }

    /// An option of a prepared expiry, priced in every scenario the first time its strike is met.
    ///
    /// `log_strike_q40` is ln of the strike's mantissa, stored at listing. `vol_override_q32` is a
    /// volatility (per √year, Q32) that replaces the smile's, 0 for none; it has no skew.
    pub fn option(
        &mut self,
        kind: OptionKind,
        expiry_id: u8,
        strike: Price,
        log_strike_q40: i64,
        vol_override_q32: u64,
    ) -> Result<Instrument, RiskError> {
        let expiry = self.expiry_position(expiry_id)?;
        let entry = self
            .expiries
            .get_mut(usize::from(expiry))
            .ok_or(RiskError::UnknownInstrument)?;
        // Strikes of an expiry are linked from the lowest up: the payoff at expiry is walked in that order.
        let recent = usize::from(entry.recent_strike).wrapping_sub(1);
        let passes_recent = self
            .strikes
            .get(recent)
            .is_some_and(|known| known.strike < strike);
        let from = if passes_recent {
            entry.recent_strike
        } else {
            entry.first_strike
        };
        let (mut below, mut next_strike) = (0u16, from);
        while let Some(position) = next_strike.checked_sub(1) {
            let known = self
                .strikes
                .get(usize::from(position))
                .ok_or(RiskError::UnknownInstrument)?;
            if known.strike > strike {
                break;
            }
            if known.strike == strike && known.vol_override_q32 == vol_override_q32 {
                entry.recent_strike = next_strike;
                return Ok(Instrument::Option {
                    kind,
                    strike: position,
                });
            }
            (below, next_strike) = (next_strike, known.next_strike);
        }
        if self.strikes.len() == self.strikes.capacity() {
            return Err(RiskError::CapacityExceeded);
        }
        if strike.0 == 0 {
            return Err(RiskError::ZeroStrike);
        }
        let position =
            u16::try_from(self.strikes.len()).map_err(|_| RiskError::CapacityExceeded)?;
        let context = &entry.context;
        let mut strike_ratio_q30 = self.inverse_spot.ratio_q30(strike);
        let mut log_q40 = self
            .log_spot_q40
            .saturating_add(context.log_forward_ratio_q40)
            .saturating_sub(log_strike_q40);
        let mut exercised = false;
        if entry.fixed_q30 != 0 {
            strike_ratio_q30 = strike_ratio_q30.saturating_sub(entry.fixed_q30);
            exercised = strike_ratio_q30 <= 0;
            log_q40 = log_moneyness_q40(context, strike_ratio_q30);
        }
        let moneyness = Moneyness::new(
            log_q40.saturating_add(1 << 11) >> 12,
            strike_ratio_q30,
            context,
        );
        let (total_vol_q32, skewed_q32) = if vol_override_q32 == 0 {
            let shift_q32 = self.inputs.grid.blocks.skew_q32();
            context.slice.skewed_vols_q32(moneyness.log_q28, shift_q32)
        } else {
            let product =
                u128::from(vol_override_q32).saturating_mul(u128::from(context.sqrt_tau_q32));
            let total = u64::try_from(product >> 32).unwrap_or(u64::MAX);
            (total, [total; 2])
        };
        self.strikes.push(StrikeEntry {
            expiry,
            strike,
            vol_override_q32,
            next_strike,
            strike_ratio_q30,
            strike_q24: strike_q24(strike_ratio_q30.max(0)),
            array: StrikeArray::ZERO,
        });
        let link = position.saturating_add(1);
        entry.recent_strike = link;
        match below.checked_sub(1).map(usize::from) {
            None => entry.first_strike = link,
            Some(below) => {
                let below = self.strikes.get_mut(below);
                below.ok_or(RiskError::UnknownInstrument)?.next_strike = link;
            }
        }
        self.net_lots.push(StrikeLots::default());
        if let Some(new) = self.strikes.last_mut() {
            let grid = &self.inputs.grid;
            if exercised {
                new.array.price_exercised(context, strike_ratio_q30);
            } else {
                new.array
                    .price(grid, context, &moneyness, total_vol_q32, skewed_q32);
            }
        }
        Ok(Instrument::Option {
            kind,
            strike: position,
        })
    }

    /// A token balance of `amount` base units of a token with `decimals`, negative when borrowed.
    ///
    /// Of what is owned at most `room` whole lots count, so that no balance can grow beyond what can be evaluated.
    pub fn balance(
        &mut self,
        amount: i64,
        decimals: u8,
        room: u64,
    ) -> Result<Instrument, RiskError> {
        let balance = SpotBalance::new(&self.inputs, &self.lot_value, amount, decimals, room)?;
        let known = self.balances.iter().position(|known| *known == balance);
        let place = known.unwrap_or(self.balances.len());
        if known.is_none() {
            self.balances.push(balance);
        }
        let balance = u8::try_from(place).map_err(|_| RiskError::CapacityExceeded)?;
        Ok(Instrument::Balance { balance })
    }

    /// The balance behind a handle.
    fn spot_balance(&self, balance: u8) -> Result<&SpotBalance, RiskError> {
        self.balances
            .get(usize::from(balance))
            .ok_or(RiskError::UnknownInstrument)
    }

    /// Value of one unit of an instrument now: fraction of spot in Q30. A call is rounded down.
    pub fn mark_q30(&self, instrument: Instrument) -> Result<i64, RiskError> {
        Ok(match instrument {
            Instrument::Spot | Instrument::Perpetual => ONE_Q30,
            Instrument::Balance { balance } => self.spot_balance(balance)?.lots_q30,
            Instrument::Future { expiry } => {
                let entry = self.expiry(expiry)?;
                entry
                    .context
                    .forward_ratio_q30
                    .saturating_add(entry.fixed_q30)
            }
            Instrument::Option { kind, strike } => {
                let entry = self.strike(strike)?;
                match kind {
                    OptionKind::Call => entry.array.call_mark_q30,
                    OptionKind::Put => entry
                        .array
                        .call_mark_q30
                        .saturating_add(entry.strike_ratio_q30)
                        .saturating_sub(self.context(entry.expiry)?.forward_ratio_q30),
                }
            }
        })
    }

    /// The array of an option's strike, as a call.
    pub fn strike_array(&self, strike: u16) -> Result<&StrikeArray, RiskError> {
        self.strike(strike).map(|entry| &entry.array)
    }

    /// Profit and loss of a leg in one column: lots × fraction of spot in Q28.
    pub fn leg_pnl_q28(&self, leg: &Leg, column: usize) -> Result<i64, RiskError> {
        let spot_move = Scenario::of_column(column).spot_move;
        let multiple = self
            .inputs
            .grid
            .multiple_q30
            .get(spot_move)
            .copied()
            .unwrap_or(ONE_Q30);
        let linear = |ratio_q30: i64| linear_pnl_q28(times(leg.lots, ratio_q30), multiple);
        Ok(match leg.instrument {
            Instrument::Spot | Instrument::Perpetual => linear(ONE_Q30),
            Instrument::Balance { balance } => linear(self.spot_balance(balance)?.lots_q30),
            Instrument::Future { expiry } => linear(self.context(expiry)?.forward_ratio_q30),
            Instrument::Option { kind, strike } => {
                let entry = self.strike(strike)?;
                let call = times(leg.lots, entry.array.pnl_q28(column));
                match kind {
                    OptionKind::Call => call,
                    OptionKind::Put => {
                        call.saturating_sub(linear(self.context(entry.expiry)?.forward_ratio_q30))
                    }
                }
            }
        })
    }

    /// Delta of one unit of an instrument against spot, Q30.
    pub fn delta_q30(&self, instrument: Instrument) -> Result<i64, RiskError> {
        Ok(match instrument {
            Instrument::Spot | Instrument::Perpetual => ONE_Q30,
            Instrument::Balance { balance } => self.spot_balance(balance)?.lots_q30,
            Instrument::Future { expiry } => self.context(expiry)?.forward_ratio_q30,
            Instrument::Option { kind, strike } => {
                let entry = self.strike(strike)?;
                let call = i64::from(entry.array.slope_q28[CENTRE_COLUMN]) << 2;
                match kind {
                    OptionKind::Call => call,
                    OptionKind::Put => {
                        call.saturating_sub(self.context(entry.expiry)?.forward_ratio_q30)
                    }
                }
            }
        })
    }

    /// Lots of underlying that one unit of an instrument counts for: 1, and those of a balance rounded up.
    pub fn absolute_lots(&self, instrument: Instrument) -> Result<u64, RiskError> {
        let Instrument::Balance { balance } = instrument else {
            return Ok(1);
        };
        let each = self.spot_balance(balance)?.lots_q30.unsigned_abs();
        Ok(each.div_ceil(ONE_Q30.unsigned_abs()))
    }

    fn expiry(&self, expiry: u8) -> Result<&ExpiryEntry, RiskError> {
        self.expiries
            .get(usize::from(expiry))
            .ok_or(RiskError::UnknownInstrument)
    }

    fn context(&self, expiry: u8) -> Result<&ExpiryContext, RiskError> {
        self.expiry(expiry).map(|entry| &entry.context)
    }

    fn strike(&self, strike: u16) -> Result<&StrikeEntry, RiskError> {
        self.strikes
            .get(usize::from(strike))
            .ok_or(RiskError::UnknownInstrument)
    }
}

/// `lots × value`, saturating; one lot, as a ranking asks for, costs no product.
fn times(lots: i64, value: i64) -> i64 {
    match lots {
        1 => value,
        -1 => value.saturating_neg(),
        _ => value.saturating_mul(lots),
    }
}

/// `exposure × shock` in Q28, rounded down; exposure in Q30 lots, the multiple 1 + shock in Q30.
fn linear_pnl_q28(exposure_q30: i64, multiple_q30: i64) -> i64 {
    let shock = multiple_q30.wrapping_sub(ONE_Q30);
    if exposure_q30.unsigned_abs() < 1 << 59 {
        // A lot moves by less than 8 times spot: the upper part is below 2^29 × 2^33, the lower below 2^30 × 2^33.
        let upper = (exposure_q30 >> 30).wrapping_mul(shock);
        let lower = (exposure_q30 & ((1 << 30) - 1)).wrapping_mul(shock);
        return upper.wrapping_add(lower >> 30) >> 2;
    }
    let shock = i128::from(shock);
    // Below 2^63 × 2^32, so 2^63 after the shift: a lot moves by less than 8 times spot.
    let product = i128::from(exposure_q30).wrapping_mul(shock) >> 32;
    i64::try_from(product).unwrap_or(if product < 0 { i64::MIN } else { i64::MAX })
}

/// 1/spot prepared for K/S: `2^(62+bits) / spot`, in (2^62, 2^63].
#[derive(Clone, Copy)]
struct InverseSpot {
    mantissa: u64,
    shift: u32,
}

impl InverseSpot {
    fn new(spot: Price) -> Result<Self, RiskError> {
        if spot.0 == 0 {
            return Err(RiskError::BadLotValue);
        }
        let zeros = leading_zeros(spot.0);
        let bits = 64u32.saturating_sub(zeros);
        // 2^126 over spot with its top bit at 63.
        let (mantissa, _) = quotient_of_wide(1 << 62, 0, spot.0 << zeros);
        Ok(Self {
            mantissa,
            shift: bits.saturating_add(32),
        })
    }

    /// K/S in Q30 to the nearest but for 2^-39 of itself and a hundredth of a unit, saturating at 2^62.
    fn ratio_q30(&self, strike: Price) -> i64 {
        // A product of 128 bits costs five times as much on chain. 40 bits of the mantissa are good to 2^-39, and a unit of
        // `low` is at most a 2^8th of one of the ratio.
        let shift = self.shift.wrapping_sub(47);
        if strike.0 < 1 << 47 && (8..64).contains(&shift) {
            let mantissa = self.mantissa >> 23;
            // At most 2^23 × 2^40, and less than 2^40 more.
            let high = (strike.0 >> 24).wrapping_mul(mantissa);
            let low = (strike.0 & 0xff_ffff).wrapping_mul(mantissa) >> 24;
            let ratio = high.wrapping_add(low) >> shift.wrapping_sub(1);
            let ratio = i64::try_from(ratio.wrapping_add(1) >> 1);
            return ratio.unwrap_or(i64::MAX).min(1 << 62);
        }
        self.wide_ratio_q30(strike)
    }

    /// [`InverseSpot::ratio_q30`] of any price, to the nearest.
    #[inline(never)]
    fn wide_ratio_q30(&self, strike: Price) -> i64 {
        // Both factors are below 2^64 and the shift lies in 33..=96.
        let product = u128::from(strike.0).wrapping_mul(u128::from(self.mantissa));
        let ratio = (product >> self.shift.saturating_sub(1)).saturating_add(1) >> 1;
        i64::try_from(ratio).unwrap_or(i64::MAX).min(1 << 62)
    }
}
