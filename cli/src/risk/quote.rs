//! Price and Greeks of one series, from the engine's Black-76.

use estuary_risk::black76::{call, put, Terms};
use estuary_risk::fixed::{ln_q40, sqrt_tau_q32};
use estuary_risk::market::OptionKind;
use estuary_risk::smile::SmileSlice;
use estuary_risk::units::Price;

use super::decimal::Decimal;
use super::input::{Expiry, Market, Series, SeriesKind, Vol};
use super::json::InputError;
use super::scale::MarketPrices;

/// Days of the year of rates and volatilities.
const DAYS_PER_YEAR: f64 = 365.0;
/// The larger of forward and strike in the unit of account of [`Terms`], as a power of two.
const LARGER_BITS: i32 = 9;

/// Price and Greeks per unit of underlying, in quote units.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quote {
    /// Price.
    pub price: f64,
    /// Change of the price per unit of spot, the forward moving in proportion.
    pub delta: f64,
    /// Change of delta per unit of spot.
    pub gamma: f64,
    /// Change of the price for a volatility higher by 1.00.
    pub vega: f64,
    /// Change of the price per day that passes.
    pub theta: f64,
}

impl Quote {
    /// Adds `quantity` of another quote.
    pub fn add(&mut self, quantity: f64, other: &Self) {
        self.price += quantity * other.price;
        self.delta += quantity * other.delta;
        self.gamma += quantity * other.gamma;
        self.vega += quantity * other.vega;
        self.theta += quantity * other.theta;
    }

    /// Something worth `price` that moves with spot in proportion.
    fn linear(price: f64, spot: f64) -> Self {
        Self {
            price,
            delta: price / spot,
            ..Self::default()
        }
    }
}

/// Spot, which a balance of the underlying is worth.
pub fn of_spot(prices: &MarketPrices) -> Quote {
    let spot = prices.decimal(prices.spot).to_f64();
    Quote::linear(spot, spot)
}

/// The quote of the series at `index`.
pub fn of_series(
    market: &Market,
    index: usize,
    prices: &MarketPrices,
) -> Result<Quote, InputError> {
    let series = &market.series[index];
    Ok(match series.kind {
        SeriesKind::Spot | SeriesKind::Perpetual => of_spot(prices),
        SeriesKind::Future { expiry } => of_forward(prices, expiry, Price(0)),
        SeriesKind::Option {
            kind,
            expiry,
            vol_q32,
            ..
        } => {
            let strike = prices.strikes[index];
            let Some(terms) = open_terms(prices, expiry, strike, &market.expiries[expiry]) else {
                return Ok(match kind {
                    OptionKind::Call => of_forward(prices, expiry, strike),
                    OptionKind::Put => Quote::default(),
                });
            };
            of_option(
                series,
                kind,
                &market.expiries[expiry],
                vol_q32,
                terms,
                prices,
            )?
        }
    })
}

/// The forward of an expiry less a strike.
fn of_forward(prices: &MarketPrices, expiry: usize, strike: Price) -> Quote {
    let real = |price: Price| prices.decimal(price).to_f64();
    let forward = prices.forwards[expiry];
    // What is fixed of an average does not move with spot.
    let fixed = prices.averages[expiry].map_or(Price(0), |average| average.averaging.fixed);
    Quote {
        price: real(Price(forward.0.saturating_sub(strike.0))),
        ..Quote::linear(
            real(Price(forward.0.saturating_sub(fixed.0))),
            real(prices.spot),
        )
    }
}

/// What volatility acts on: forward, strike and seconds; of an average under way what is still to come. `None` where the
/// option is exercised whatever happens.
fn open_terms(
    prices: &MarketPrices,
    index: usize,
    strike: Price,
    expiry: &Expiry,
) -> Option<([Price; 2], i64)> {
    let Some(average) = &prices.averages[index] else {
        return Some(([prices.forwards[index], strike], expiry.seconds_left));
    };
    let left = strike.0.checked_sub(average.averaging.fixed.0)?;
    let terms = [prices.open_at_spot(average), Price(left)];
    (left > 0).then_some((terms, average.averaging.variance_seconds))
}

fn of_option(
    series: &Series,
    kind: OptionKind,
    expiry: &Expiry,
    vol_q32: u64,
    ([forward, strike], seconds): ([Price; 2], i64),
    prices: &MarketPrices,
) -> Result<Quote, InputError> {
    let sqrt_tau_q32 = sqrt_tau_q32(seconds);
    // To the nearest from Q40.
    let x_q28 = (ln_q40(forward.0) - ln_q40(strike.0) + (1 << 11)) >> 12;
    let flat = |vol_q32: u64| ((u128::from(vol_q32) * u128::from(sqrt_tau_q32)) >> 32) as u64;
    let s_q32 = match (vol_q32, expiry.vol) {
        (0, Some(Vol::Smile(smile))) => SmileSlice::new(&smile, sqrt_tau_q32)
            .map_err(|_| InputError::new(format!("{}.smile", expiry.path), "out of range"))?
            .total_vol_q32(x_q28),
        (0, Some(Vol::Flat(vol_q32))) => flat(vol_q32),
        (0, None) => return Err(InputError::new(format!("{}.vol", series.path), "missing")),
        (own, _) => flat(own),
    };
    // The formula is homogeneous in forward and strike: in a unit of account of 1/512 of the larger one,
    // Q30 carries both to 39 bits.
    let larger = forward.max(strike);
    let ratio_q30 = |price: Price| {
        let doubled = (u128::from(price.0) << (31 + LARGER_BITS)) / u128::from(larger.0);
        ((doubled + 1) >> 1) as i64
    };
    let terms = Terms {
        forward_ratio_q30: ratio_q30(forward),
        strike_ratio_q30: ratio_q30(strike),
        x_q28,
        s_q32,
        sqrt_tau_q32,
    };
    let quote = match kind {
        OptionKind::Call => call(&terms),
        OptionKind::Put => put(&terms),
    };
    let unit = prices.decimal(larger).to_f64() / f64::powi(2.0, LARGER_BITS);
    let spot = prices.decimal(prices.spot).to_f64();
    let q = |value: i64, bits: i32| value as f64 * f64::powi(2.0, -bits);
    Ok(Quote {
        price: q(quote.price_q30, 30) * unit,
        delta: q(quote.delta_q30, 30) * unit / spot,
        gamma: q(quote.gamma_q30, 30) * unit / (spot * spot),
        vega: q(quote.vega_q40, 40) * unit,
        theta: q(quote.theta_q40, 40) * unit / DAYS_PER_YEAR,
    })
}

/// A price or Greek for output: 12 significant digits, which is beyond the engine's own accuracy.
pub fn shown(value: f64) -> Decimal {
    Decimal::from_f64(value, 12)
}

/// A price for output: to 10^-13 of the larger of spot and strike, at least.
pub fn shown_price(value: f64, scale: f64) -> Decimal {
    let decimals = (13.0 - scale.log10().floor()).clamp(0.0, 30.0) as usize;
    Decimal::parse(&format!("{value:.decimals$}")).unwrap_or_else(|_| shown(value))
}
