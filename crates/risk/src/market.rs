//! The risk of one book in one market: every series priced once, any number of books evaluated
//! against the arrays.

use alloc::vec::Vec;

use crate::array::{ExpiryContext, Moneyness, StrikeArray};
use crate::bound::{add_scaled, certified_loss_q28, core_dips, CellDip, LongSide};
use crate::scenario::{Scenario, ScenarioGrid, CENTRE_COLUMN, COLUMNS};
use crate::smile::Smile;
use crate::spot::{token_value_down, SpotBalance};
use crate::units::{LotValue, Money, Price, RiskError, MAX_LOTS_PER_MARKET, ONE_Q30};

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
}

/// The risk of one book in one market.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketRisk {
    /// Profit and loss of the book in each scenario, unweighted: lots × fraction of spot in Q28.
    pub pnl_q28: [i64; COLUMNS],
    /// The column whose weighted loss is largest.
    pub worst_column: usize,
    /// Weighted loss in the worst column, at least 0, rounded up.
    pub scan_loss: Money,
    /// Upper bound on the weighted loss over the whole range of spot at each volatility level, the
    /// kernel's error included; never below `scan_loss`.
    pub certified_loss: Money,
    /// Gross exposure: linear notional by expiry and short-option notional, rounded up.
    pub gross: Money,
    /// Value of the options at mark, shorts negative, rounded down.
    pub option_value: Money,
    /// Value of perpetuals and futures at mark, before their cost, rounded down.
    pub linear_value: Money,
    /// Value of owned less borrowed underlying, rounded down.
    pub spot_value: Money,
    /// Net delta: lots of underlying in Q30.
    pub delta_q30: i64,
}

impl MarketRisk {
    /// The risk of an empty book.
    pub const EMPTY: Self = Self {
        pnl_q28: [0; COLUMNS],
        worst_column: CENTRE_COLUMN,
        scan_loss: Money(0),
        certified_loss: Money(0),
        gross: Money(0),
        option_value: Money(0),
        linear_value: Money(0),
        spot_value: Money(0),
        delta_q30: 0,
    };

    /// The scenario of the largest weighted loss.
    pub fn worst_scenario(&self) -> Scenario {
        Scenario::of_column(self.worst_column)
    }
}

struct ExpiryEntry {
    id: u8,
    /// One past the position of the newest strike of this expiry, 0 where there is none.
    newest_strike: u16,
    context: ExpiryContext,
}

struct StrikeEntry {
    expiry: u8,
    strike: Price,
    vol_override_q32: u64,
    older_strike: u16,
    strike_ratio_q30: i64,
    array: StrikeArray,
}

/// All strikes and expiries of one market that an instruction meets, each priced once.
pub struct MarketArrays {
    inputs: MarketInputs,
    lot_value: LotValue,
    log_spot_q40: i64,
    inverse_spot: InverseSpot,
    expiries: Vec<ExpiryEntry>,
    strikes: Vec<StrikeEntry>,
    net_lots: Vec<i64>,
    balances: Vec<SpotBalance>,
}

/// Sums over the legs of a book before the scenarios.
#[derive(Default)]
struct BookSums {
    absolute_lots: u64,
    /// Σ lots × F/S of linear legs and, by parity, of short puts: Q30.
    linear_q30: i64,
    perpetual_lots: i64,
    whole_spot_lots: i64,
    /// Owned less borrowed underlying, balances included: lots in Q30.
    spot_q30: i64,
    /// Legs that are balances, whose lots are rounded.
    balances: u64,
    /// Exact value of the balances.
    balance_value: i128,
    short_option_lots: u64,
    has_futures: bool,
    option_value_q30: i128,
    linear_value_q30: i128,
}

impl MarketArrays {
    /// Empty arrays with room for the given number of expiries and strikes: memory is taken once.
    pub fn new(inputs: &MarketInputs, expiries: usize, strikes: usize) -> Result<Self, RiskError> {
        Ok(Self {
            inputs: *inputs,
            lot_value: LotValue::new(inputs.spot, inputs.price_exponent, inputs.lot_size)?,
            log_spot_q40: crate::fixed::ln_q40(inputs.spot.0),
            inverse_spot: InverseSpot::new(inputs.spot)?,
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
        self.inverse_spot = InverseSpot::new(inputs.spot)?;
        self.expiries.clear();
        self.strikes.clear();
        self.net_lots.clear();
        self.balances.clear();
        Ok(())
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
        if self.has_expiry(id) {
            return Ok(());
        }
        if self.expiries.len() == self.expiries.capacity() {
            return Err(RiskError::CapacityExceeded);
        }
        let context =
            ExpiryContext::new(&self.inputs.grid, seconds_left, forward_ratio_q30, smile)?;
        self.expiries.push(ExpiryEntry {
            id,
            newest_strike: 0,
            context,
        });
        Ok(())
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
    /// volatility (per √year, Q32) that replaces the smile's, 0 for none.
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
        let mut older = entry.newest_strike;
        while let Some(position) = older.checked_sub(1) {
            let known = self
                .strikes
                .get(usize::from(position))
                .ok_or(RiskError::UnknownInstrument)?;
            if known.strike == strike && known.vol_override_q32 == vol_override_q32 {
                return Ok(Instrument::Option {
                    kind,
                    strike: position,
                });
            }
            older = known.older_strike;
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
        let log_q40 = self
            .log_spot_q40
            .saturating_add(context.log_forward_ratio_q40)
            .saturating_sub(log_strike_q40);
        let strike_ratio_q30 = self.inverse_spot.ratio_q30(strike);
        let moneyness = Moneyness::new(
            log_q40.saturating_add(1 << 11) >> 12,
            strike_ratio_q30,
            context,
        );
        let total_vol_q32 = if vol_override_q32 == 0 {
            context.slice.total_vol_q32(moneyness.log_q28)
        } else {
            let product =
                u128::from(vol_override_q32).saturating_mul(u128::from(context.sqrt_tau_q32));
            u64::try_from(product >> 32).unwrap_or(u64::MAX)
        };
        self.strikes.push(StrikeEntry {
            expiry,
            strike,
            vol_override_q32,
            older_strike: entry.newest_strike,
            strike_ratio_q30,
            array: StrikeArray::ZERO,
        });
        entry.newest_strike = position.saturating_add(1);
        self.net_lots.push(0);
        if let Some(new) = self.strikes.last_mut() {
            new.array
                .price(&self.inputs.grid, context, &moneyness, total_vol_q32);
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
            Instrument::Future { expiry } => self.context(expiry)?.forward_ratio_q30,
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
        let linear = |ratio_q30: i64| linear_pnl_q28(leg.lots.saturating_mul(ratio_q30), multiple);
        Ok(match leg.instrument {
            Instrument::Spot | Instrument::Perpetual => linear(ONE_Q30),
            Instrument::Balance { balance } => linear(self.spot_balance(balance)?.lots_q30),
            Instrument::Future { expiry } => linear(self.context(expiry)?.forward_ratio_q30),
            Instrument::Option { kind, strike } => {
                let entry = self.strike(strike)?;
                let call = entry.array.pnl_q28(column).saturating_mul(leg.lots);
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

    /// Evaluates a book. Legs may repeat an instrument.
    ///
    /// Errors: [`RiskError::TooManyLots`], [`RiskError::MoneyOverflow`], [`RiskError::UnknownInstrument`].
    pub fn evaluate(&mut self, legs: &[Leg], risk: &mut MarketRisk) -> Result<(), RiskError> {
        *risk = MarketRisk::EMPTY;
        if legs.is_empty() {
            return Ok(());
        }
        let mut long_side = LongSide::EMPTY;
        let (sums, error_q28) = self.sum_columns(legs, &mut risk.pnl_q28, &mut long_side)?;
        risk.delta_q30 = self.net_delta_q30(sums.linear_q30);

        let (worst_column, scan_loss_q28) = worst_column(&risk.pnl_q28, &self.inputs.grid);
        risk.worst_column = worst_column;
        let certified_q28 = certified_loss_q28(
            &risk.pnl_q28,
            &long_side,
            &self.inputs.grid,
            sums.absolute_lots,
            scan_loss_q28,
        );
        let money_up = |q28: i128| self.lot_value.money_up(q28, 28);
        risk.scan_loss = money_up(i128::from(scan_loss_q28))?;
        risk.certified_loss = money_up(i128::from(certified_q28).wrapping_add(error_q28))?;
        risk.gross = self.gross(&sums, legs)?;
        risk.option_value = self.lot_value.money_down(sums.option_value_q30, 30)?;
        risk.linear_value = self.lot_value.money_down(sums.linear_value_q30, 30)?;
        risk.spot_value = self.spot_value(&sums)?;
        Ok(())
    }

    /// The dips of the certified bound between the nodes of the core, of a book; see [`crate::bound`].
    ///
    /// Errors: those of [`MarketArrays::evaluate`].
    pub fn core_dips(
        &mut self,
        legs: &[Leg],
        visit: &mut dyn FnMut(CellDip),
    ) -> Result<(), RiskError> {
        let (mut pnl, mut long_side) = ([0; COLUMNS], LongSide::EMPTY);
        let (sums, _) = self.sum_columns(legs, &mut pnl, &mut long_side)?;
        let grid = &self.inputs.grid;
        core_dips(&pnl, &long_side, grid, sums.absolute_lots, visit);
        Ok(())
    }

    /// Fills a book's columns, zero before; returns its sums and the declared error of a column in Q28.
    #[inline(always)]
    fn sum_columns(
        &mut self,
        legs: &[Leg],
        pnl: &mut [i64; COLUMNS],
        long_side: &mut LongSide,
    ) -> Result<(BookSums, i128), RiskError> {
        let sums = self.sum_legs(legs)?;
        // A balance is short of its lots by less than one in Q30 and moves by less than 8 times spot: 2 in Q28.
        let error_q28 = self
            .accumulate(pnl, long_side)
            .wrapping_add(i128::from(sums.balances).wrapping_mul(2));
        add_linear(pnl, sums.linear_q30, &self.inputs.grid);
        Ok((sums, error_q28))
    }

    /// Whole lots of underlying at spot, rounded down, and balances at their own value.
    fn spot_value(&self, sums: &BookSums) -> Result<Money, RiskError> {
        let lots = self
            .lot_value
            .money_down(i128::from(sums.whole_spot_lots), 0)?;
        i64::try_from(sums.balance_value)
            .map_err(|_| RiskError::MoneyOverflow)
            .and_then(|balances| lots.plus(Money(balances)))
    }

    /// Nets options by strike into `net_lots` and sums everything else.
    fn sum_legs(&mut self, legs: &[Leg]) -> Result<BookSums, RiskError> {
        let mut sums = BookSums::default();
        self.net_lots.fill(0);
        for leg in legs {
            let each = self.absolute_lots(leg.instrument)?;
            let lots = leg.lots.unsigned_abs().saturating_mul(each);
            sums.absolute_lots = sums.absolute_lots.saturating_add(lots);
            if sums.absolute_lots >= MAX_LOTS_PER_MARKET {
                return Err(RiskError::TooManyLots);
            }
            let mark_q30 = self.mark_q30(leg.instrument)?;
            // |lots| < 2^32 and the sum of all likewise, so sums of lots × ratio (below 2^31) stay below 2^63.
            let exposure_q30 = |ratio_q30: i64| leg.lots.wrapping_mul(ratio_q30);
            // |lots| < 2^32 and a mark is below 2^63: each product below 2^95, a sum of fewer than 2^16 below 2^111.
            let value_q30 = i128::from(leg.lots).wrapping_mul(i128::from(mark_q30));
            match leg.instrument {
                Instrument::Spot => {
                    sums.whole_spot_lots = sums.whole_spot_lots.wrapping_add(leg.lots);
                    sums.spot_q30 = sums.spot_q30.wrapping_add(exposure_q30(ONE_Q30));
                    sums.linear_q30 = sums.linear_q30.wrapping_add(exposure_q30(ONE_Q30));
                }
                Instrument::Balance { balance } => {
                    let value = i128::from(self.spot_balance(balance)?.value.0);
                    sums.balances = sums.balances.wrapping_add(leg.lots.unsigned_abs());
                    let value = value.wrapping_mul(i128::from(leg.lots));
                    sums.balance_value = sums.balance_value.wrapping_add(value);
                    sums.spot_q30 = sums.spot_q30.wrapping_add(exposure_q30(mark_q30));
                    sums.linear_q30 = sums.linear_q30.wrapping_add(exposure_q30(mark_q30));
                }
                Instrument::Perpetual => {
                    sums.perpetual_lots = sums.perpetual_lots.wrapping_add(leg.lots);
                    sums.linear_q30 = sums.linear_q30.wrapping_add(exposure_q30(ONE_Q30));
                    sums.linear_value_q30 = sums.linear_value_q30.wrapping_add(value_q30);
                }
                Instrument::Future { .. } => {
                    sums.has_futures = true;
                    sums.linear_q30 = sums.linear_q30.wrapping_add(exposure_q30(mark_q30));
                    sums.linear_value_q30 = sums.linear_value_q30.wrapping_add(value_q30);
                }
                Instrument::Option { kind, strike } => {
                    if let Some(net) = self.net_lots.get_mut(usize::from(strike)) {
                        *net = net.wrapping_add(leg.lots);
                    }
                    if kind == OptionKind::Put {
                        let forward_q30 =
                            self.context(self.strike(strike)?.expiry)?.forward_ratio_q30;
                        sums.linear_q30 = sums.linear_q30.wrapping_sub(exposure_q30(forward_q30));
                    }
                    if leg.lots < 0 {
                        sums.short_option_lots =
                            sums.short_option_lots.wrapping_add(leg.lots.unsigned_abs());
                    }
                    sums.option_value_q30 = sums.option_value_q30.wrapping_add(value_q30);
                }
            }
        }
        Ok(sums)
    }

    /// Lots of underlying that one unit of an instrument counts for: 1, and those of a balance rounded up.
    pub fn absolute_lots(&self, instrument: Instrument) -> Result<u64, RiskError> {
        let Instrument::Balance { balance } = instrument else {
            return Ok(1);
        };
        let each = self.spot_balance(balance)?.lots_q30.unsigned_abs();
        Ok(each.div_ceil(ONE_Q30.unsigned_abs()))
    }

    /// Adds the net options to the columns; returns the declared error of the sums in Q28.
    fn accumulate(&self, pnl: &mut [i64; COLUMNS], long_side: &mut LongSide) -> i128 {
        let (mut error_q28, mut long_error_q28) = (0u64, 0u64);
        for (entry, lots) in self.strikes.iter().zip(&self.net_lots) {
            let (array, lots) = (&entry.array, *lots);
            if lots == 0 {
                continue;
            }
            // An entry's error is below 2^31.1 and Σ|lots| below 2^32.
            let error = lots
                .unsigned_abs()
                .wrapping_mul(array.error_q28.unsigned_abs());
            error_q28 = error_q28.wrapping_add(error);
            add_scaled(pnl, lots, &array.value_q28);
            if lots > 0 {
                long_error_q28 = long_error_q28.wrapping_add(error);
                long_side.add(lots, array);
            }
        }
        // A dip is off by at most the errors of a value and a slope at each end: three times an entry's.
        let error_q28 =
            i128::from(error_q28).wrapping_add(i128::from(long_error_q28).wrapping_mul(3));
        // From values to profit and loss: less the present value.
        let now = pnl[CENTRE_COLUMN];
        for sum in pnl.iter_mut() {
            *sum = sum.wrapping_sub(now);
        }
        error_q28
    }

    fn net_delta_q30(&self, linear_q30: i64) -> i64 {
        let options = self
            .strikes
            .iter()
            .zip(&self.net_lots)
            .fold(0i64, |sum, (entry, lots)| {
                let slope = entry.array.slope_q28[CENTRE_COLUMN];
                sum.wrapping_add(lots.wrapping_mul(i64::from(slope)))
            });
        linear_q30.saturating_add(options.saturating_mul(4))
    }

    /// Linear notional by expiry (perpetuals a bucket of their own, owned spot not counted, borrowed
    /// spot counted) and short-option notional at spot.
    fn gross(&self, sums: &BookSums, legs: &[Leg]) -> Result<Money, RiskError> {
        let mut lots_q30 = i128::from(sums.perpetual_lots.unsigned_abs())
            .saturating_add(i128::from(sums.short_option_lots))
            .saturating_mul(i128::from(ONE_Q30))
            .saturating_add(i128::from(sums.spot_q30.min(0).unsigned_abs()));
        if sums.has_futures {
            for (position, entry) in self.expiries.iter().enumerate() {
                let of_expiry = |leg: &Leg| match leg.instrument {
                    Instrument::Future { expiry } if usize::from(expiry) == position => leg.lots,
                    _ => 0,
                };
                let net = legs
                    .iter()
                    .fold(0i64, |net, leg| net.saturating_add(of_expiry(leg)));
                let ratio = i128::from(entry.context.forward_ratio_q30);
                lots_q30 =
                    lots_q30.saturating_add(i128::from(net.unsigned_abs()).saturating_mul(ratio));
            }
        }
        self.lot_value.money_up(lots_q30, 30)
    }

    fn context(&self, expiry: u8) -> Result<&ExpiryContext, RiskError> {
        self.expiries
            .get(usize::from(expiry))
            .map(|entry| &entry.context)
            .ok_or(RiskError::UnknownInstrument)
    }

    fn strike(&self, strike: u16) -> Result<&StrikeEntry, RiskError> {
        self.strikes
            .get(usize::from(strike))
            .ok_or(RiskError::UnknownInstrument)
    }
}

/// Adds the linear part of a book, exposure in Q30 lots, to every column, rounded down.
fn add_linear(pnl: &mut [i64; COLUMNS], linear_q30: i64, grid: &ScenarioGrid) {
    if linear_q30 == 0 {
        return;
    }
    let moves = grid
        .multiple_q30
        .map(|multiple| linear_pnl_q28(linear_q30, multiple));
    let (nodes, tails) = moves.split_at(crate::scenario::SPOT_NODES);
    let (core, tail_columns) = pnl.split_at_mut(crate::scenario::CORE_COLUMNS);
    let by_level = core
        .chunks_exact_mut(crate::scenario::SPOT_NODES)
        .map(|columns| (columns, nodes));
    for (columns, moves) in by_level.chain(core::iter::once((tail_columns, tails))) {
        for (sum, linear) in columns.iter_mut().zip(moves) {
            *sum = sum.wrapping_add(*linear);
        }
    }
}

/// `exposure × shock` in Q28, rounded down; exposure in Q30 lots, the multiple 1 + shock in Q30.
fn linear_pnl_q28(exposure_q30: i64, multiple_q30: i64) -> i64 {
    let shock = i128::from(multiple_q30.wrapping_sub(ONE_Q30));
    // Below 2^63 × 2^32, so 2^63 after the shift: a lot moves by less than 8 times spot.
    let product = i128::from(exposure_q30).wrapping_mul(shock) >> 32;
    i64::try_from(product).unwrap_or(if product < 0 { i64::MIN } else { i64::MAX })
}

/// The column of the largest weighted loss, and that loss (at least 0), rounded up.
fn worst_column(pnl: &[i64; COLUMNS], grid: &ScenarioGrid) -> (usize, i64) {
    let mut worst = (CENTRE_COLUMN, 0i64);
    for (column, pnl) in pnl.iter().enumerate() {
        if *pnl >= 0 {
            continue;
        }
        let loss = match column.checked_sub(crate::scenario::CORE_COLUMNS) {
            None => pnl.saturating_neg(),
            Some(_) => weigh_up(pnl.saturating_neg(), grid.weight_q30(column)),
        };
        if loss > worst.1 {
            worst = (column, loss);
        }
    }
    worst
}

/// `loss × weight`, rounded up; loss non-negative, weight at most 1 in Q30.
fn weigh_up(loss: i64, weight_q30: i64) -> i64 {
    let product = i128::from(loss).wrapping_mul(i128::from(weight_q30));
    let weighted = product.wrapping_add(i128::from(ONE_Q30 - 1)) >> 30;
    i64::try_from(weighted).unwrap_or(i64::MAX)
}

/// 1/spot prepared for K/S: `2^(62+bits) / spot`, in (2^62, 2^63].
#[derive(Clone, Copy)]
struct InverseSpot {
    mantissa: u64,
    shift: u32,
}

impl InverseSpot {
    fn new(spot: Price) -> Result<Self, RiskError> {
        let bits = 64u32.saturating_sub(spot.0.leading_zeros());
        let numerator = 1u128
            .checked_shl(bits.saturating_add(62))
            .ok_or(RiskError::BadLotValue)?;
        let mantissa = numerator
            .checked_div(u128::from(spot.0))
            .ok_or(RiskError::BadLotValue)?;
        Ok(Self {
            mantissa: u64::try_from(mantissa).map_err(|_| RiskError::BadLotValue)?,
            shift: bits.saturating_add(32),
        })
    }

    /// K/S in Q30 rounded to nearest, saturating at 2^62.
    fn ratio_q30(&self, strike: Price) -> i64 {
        // Both factors are below 2^64 and the shift lies in 33..=96.
        let product = u128::from(strike.0).wrapping_mul(u128::from(self.mantissa));
        let ratio = (product >> self.shift.saturating_sub(1)).saturating_add(1) >> 1;
        i64::try_from(ratio).unwrap_or(i64::MAX).min(1 << 62)
    }
}
