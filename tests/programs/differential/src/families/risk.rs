//! The risk engine itself: what the chain charges is what everybody else computes.

use crate::random::{Digest, Random};
use estuary_risk::array::{ExpiryContext, Moneyness, StrikeArray};
use estuary_risk::charges::OracleQuality;
use estuary_risk::fixed;
use estuary_risk::margin::AccountTotals;
use estuary_risk::market::{Instrument, Leg, MarketArrays, MarketInputs, MarketRisk, OptionKind};
use estuary_risk::normal;
use estuary_risk::scenario::{ScenarioGrid, ScenarioParameters};
use estuary_risk::smile::Smile;
use estuary_risk::units::{Money, Price, RiskError, ONE_Q30};

/// Longest time to expiry tried: two years.
const TWO_YEARS: u64 = 2 * 31_536_000;

/// Logarithm, exponential, power, roots, and the normal distribution.
pub fn functions(random: &mut Random, digest: &mut Digest) {
    let (a, b, c) = (random.u64(), random.u64(), random.u64());
    digest.i64(fixed::ln_q40(a | 1));
    digest.u64(fixed::exp_q30(
        (random.i64() >> 18).clamp(fixed::EXP_MIN_Q40, fixed::EXP_MAX_Q40),
    ));
    digest.u64(fixed::pow_q30(
        ONE_Q30 as u64 + (b >> 34),
        (c % 1_000_001) as u32,
    ));
    digest.u64(fixed::isqrt(a));
    digest.u64(fixed::sqrt_tau_q32((b % TWO_YEARS) as i64));
    digest.option(fixed::mul_div_down(a, b, c | 1));
    digest.option(fixed::mul_div_up(a, b, c | 1));
    digest.i64(normal::cdf_q30(random.i64() >> 27));
    digest.i64(normal::pdf_q30(random.i64() >> 27));
}

/// One strike in every scenario, over everything that may be listed.
pub fn strike_arrays(random: &mut Random, digest: &mut Digest) {
    let grid = grid(random);
    let forward_ratio_q30 = ONE_Q30 / 2 + random.below(3 << 29) as i64;
    let smile = smile(random);
    let seconds = seconds(random);
    let Ok(expiry) = ExpiryContext::new(&grid, seconds, forward_ratio_q30, &smile) else {
        return digest.bool(false);
    };
    let mut array = StrikeArray::ZERO;
    // Strikes from a 64th of the forward to 64 times it and beyond.
    let log_q28 = (random.i64() >> 32).clamp(-(5 << 28), 5 << 28) >> random.below(8);
    let strike_ratio_q30 = fixed::exp_q30(-(log_q28 << 12)) as i64;
    let moneyness = Moneyness::new(log_q28, strike_ratio_q30, &expiry);
    let shift_q32 = grid.blocks.skew_q32();
    let (vol_q32, skewed_q32) = expiry.slice.skewed_vols_q32(log_q28, shift_q32);
    array.price(&grid, &expiry, &moneyness, vol_q32, skewed_q32);
    array
        .block_q28
        .iter()
        .for_each(|value| digest.u64(u64::from(*value)));
    array
        .value_q28
        .iter()
        .for_each(|value| digest.u64(u64::from(*value)));
    array
        .slope_q28
        .iter()
        .for_each(|slope| digest.u64(u64::from(*slope)));
    digest.i64(array.call_mark_q30);
    digest.i64(array.error_q28);
}

/// A whole margin check of one random book: netting, certified bound, report.
pub fn books(random: &mut Random, digest: &mut Digest) {
    let mut risk = MarketRisk::EMPTY;
    if let Err(error) = book(random, &mut risk) {
        return digest.u64(error as u64);
    }
    risk.pnl_q28.iter().for_each(|pnl| digest.i64(*pnl));
    digest.u64(risk.worst_column as u64);
    for money in [
        risk.scan_loss,
        risk.certified_loss,
        risk.twist,
        risk.skew,
        risk.basis,
        risk.expiring_longs,
        risk.defined_loss,
        risk.short_minimum,
        risk.short_minimum_maintenance,
        risk.oracle_contingency,
        risk.delta_notional,
        risk.liquidity_cost,
        risk.gross,
        risk.option_value,
    ] {
        digest.i64(money.0);
    }
    digest.i64(risk.delta_q30);
    let mut totals = AccountTotals::with_cash(Money(random.i64() >> 16));
    let report = totals
        .add_market(&risk, Money(random.i64() >> 20))
        .and_then(|()| totals.report());
    let Ok(report) = report else {
        return digest.bool(false);
    };
    for money in [
        report.equity,
        report.senior,
        report.initial_margin,
        report.maintenance_margin,
    ] {
        digest.i64(money.0);
    }
}

/// Fills in the risk of a book of up to ten legs over three expiries.
fn book(random: &mut Random, risk: &mut MarketRisk) -> Result<(), RiskError> {
    let spot = 1_000_000 + random.below(20_000_000_000_000);
    let inputs = MarketInputs {
        spot: Price(spot),
        price_exponent: -8,
        lot_size: 1_000_000,
        grid: grid(random),
        oracle: OracleQuality {
            confidence_ppm: random.below(1_000_000) as u32,
            age_seconds: random.below(100_000) as u32,
        },
    };
    let mut arrays = MarketArrays::new(&inputs, 3, 8)?;
    for expiry in 0..3 {
        let forward_ratio_q30 = ONE_Q30 - (1 << 26) + random.below(1 << 27) as i64;
        arrays.add_expiry(expiry, seconds(random), forward_ratio_q30, &smile(random))?;
    }
    let mut legs = [Leg {
        instrument: Instrument::Spot,
        lots: 0,
    }; 10];
    for (index, leg) in legs.iter_mut().enumerate() {
        let strike = spot / 1_000 * (600 + random.below(800)) + 1;
        let kind = if random.word() & 1 == 0 {
            OptionKind::Call
        } else {
            OptionKind::Put
        };
        let expiry = random.below(3) as u8;
        let log_strike = fixed::ln_q40(strike);
        leg.lots = random.i64() >> 34;
        leg.instrument = match index {
            0 => Instrument::Spot,
            1 => Instrument::Perpetual,
            2 => arrays.future(expiry)?,
            _ => arrays.option(kind, expiry, Price(strike), log_strike, 0)?,
        };
    }
    arrays.evaluate_beside(&legs, random.below(1 << 34), risk)
}

/// From a minute to two years, short times as often as long ones.
fn seconds(random: &mut Random) -> i64 {
    let shift = random.below(16);
    (random.below(TWO_YEARS) >> shift) as i64
}

/// A default grid, or one with another range and other shocks of volatility.
fn grid(random: &mut Random) -> ScenarioGrid {
    let defaults = [
        ScenarioParameters::BTC,
        ScenarioParameters::ETH,
        ScenarioParameters::SOL,
    ];
    let default = defaults[random.below(3) as usize];
    let changed = ScenarioParameters {
        spot_range_ppm: 20_000 + random.below(400_000) as u32,
        vol_up_ppm: random.below(1_000_000) as u32,
        vol_down_ppm: random.below(320_000) as u32,
        ..default
    };
    let chosen = if random.word() & 3 == 0 {
        changed
    } else {
        default
    };
    chosen
        .grid()
        .or_else(|_| default.grid())
        .unwrap_or_else(|_| unreachable!("a default grid"))
}

/// Any accepted smile, flat ones among them.
fn smile(random: &mut Random) -> Smile {
    let atm_vol_ppb = 5_000_000 + (random.below(11_995_000_001) >> random.below(6));
    if random.word() & 3 == 0 {
        return Smile::flat(atm_vol_ppb);
    }
    Smile {
        atm_vol_ppb,
        rho_ppb: random.below(1_900_000_001) as i64 - 950_000_000,
        phi_ppb: random.below(256_000_000_001) >> random.below(12),
    }
}
