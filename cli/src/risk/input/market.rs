//! A market of the file: expiries, smiles, series.

use estuary_risk::charges::OracleQuality;
use estuary_risk::fixed::{sqrt_tau_q32, TAU_MAX_SECONDS};
use estuary_risk::market::OptionKind;
use estuary_risk::smile::{Smile, SmileError};

use super::{liquidation, settlement, Expiry, Market, Series, SeriesKind, Vol, SETTLEMENT_SYMBOLS};
use crate::risk::decimal::Decimal;
use crate::risk::json::{At, Fields, InputError};
use crate::risk::notes::Notes;
use crate::risk::parameters;

/// Lowest volatility the kernel prices.
const VOL_MIN: f64 = 0.005;
/// Highest volatility the kernel prices.
const VOL_MAX: f64 = 12.0;
/// Expiries of one market: the engine's handle of an expiry is a byte.
const MAX_EXPIRIES: usize = 256;

/// Reads how wide and how old the price is: a perfect one where the file says nothing. Both are rounded up.
fn read_oracle(fields: &Fields<'_>, spot: Decimal) -> Result<OracleQuality, InputError> {
    let number = |name| match fields.optional(name) {
        Some(at) => at.not_negative().map(|value| value.to_f64()),
        None => Ok(0.0),
    };
    let confidence = number("confidence")? / spot.to_f64() * 1e6;
    Ok(OracleQuality {
        // Casts saturate.
        confidence_ppm: confidence.ceil() as u32,
        age_seconds: number("price_age")?.ceil() as u32,
    })
}

/// Reads one market.
pub fn read(at: &At<'_>, now: i64, notes: &mut Notes) -> Result<Market, InputError> {
    let fields = at.object(&[
        "symbol",
        "spot",
        "confidence",
        "price_age",
        "parameters",
        "others",
        "lot",
        "liquidation",
        "expiries",
        "series",
    ])?;
    let at_symbol = fields.required("symbol")?;
    let symbol = at_symbol.text()?.to_owned();
    if SETTLEMENT_SYMBOLS.contains(&symbol.as_str()) {
        return Err(at_symbol.fail(format!("{symbol} is the settlement token")));
    }
    let spot = fields.required("spot")?.positive()?;
    let oracle = read_oracle(&fields, spot)?;
    let (parameters, grid) = parameters::read(&symbol, &fields, notes)?;
    let lot_decimals = match fields.optional("lot") {
        Some(at) => Some(liquidation::read_lot(&at)?),
        None => None,
    };
    let others = match fields.optional("others") {
        Some(at) => at.not_negative()?,
        None => Decimal::ZERO,
    };
    let discount = liquidation::read_discount(&fields, notes)?;
    let expiries = fields.items("expiries")?;
    if expiries.len() > MAX_EXPIRIES {
        let message = format!("more than {MAX_EXPIRIES} expiries");
        return Err(InputError::new(fields.path_of("expiries"), message));
    }
    let expiries = expiries
        .iter()
        .map(|at| read_expiry(at, now, spot, notes))
        .collect::<Result<Vec<_>, _>>()?;
    let mut series: Vec<Series> = Vec::new();
    for at in fields.items("series")? {
        let one = read_series(&at, expiries.len())?;
        if series.iter().any(|other| other.name == one.name) {
            let message = format!("a second series {}", one.name);
            return Err(InputError::new(format!("{}.name", at.path), message));
        }
        series.push(one);
    }
    check_vols(&expiries, &series)?;
    Ok(Market {
        path: at.path.clone(),
        symbol,
        spot,
        oracle,
        parameters,
        grid,
        discount,
        others,
        lot_decimals,
        expiries,
        series,
    })
}

fn read_expiry(
    at: &At<'_>,
    now: i64,
    spot: Decimal,
    notes: &mut Notes,
) -> Result<Expiry, InputError> {
    let fields = at.object(&["time", "forward", "vol", "smile", "settlement_prices"])?;
    let at_time = fields.required("time")?;
    let time: i64 = at_time.whole()?;
    let seconds_left = time.saturating_sub(now);
    let listed = fields.optional("settlement_prices");
    let window = settlement::read(listed.as_ref(), time, now)?;
    // An expiry that is over may be a mistake, unless the file says what was recorded of it.
    if seconds_left <= 0 && (listed.is_none() || window.is_none()) {
        let message = "is not after now";
        let hint = "only one with settlement_prices may be over";
        return Err(at_time.fail(format!("{time} {message} ({now}): {hint}")));
    }
    if seconds_left > TAU_MAX_SECONDS {
        return Err(at_time.fail(format!("{time} is more than ten years after now ({now})")));
    }
    let forward = match fields.optional("forward") {
        Some(at) => {
            let forward = at.positive()?;
            if window.is_some() {
                notes.warn(
                    &at.path,
                    "has no effect: the settlement average is under way",
                );
            }
            forward
        }
        None => spot,
    };
    let variance_seconds = window.as_ref().map_or(0, |one| one.variance_seconds);
    let vol = match (fields.optional("vol"), fields.optional("smile")) {
        (Some(_), Some(smile)) => {
            return Err(smile.fail("give either vol or smile, not both"));
        }
        (Some(vol), None) => Some(Vol::Flat(read_vol(&vol)?)),
        (None, Some(smile)) => Some(Vol::Smile(read_smile(
            &smile,
            seconds_left.max(variance_seconds),
            notes,
        )?)),
        (None, None) => None,
    };
    Ok(Expiry {
        path: at.path.clone(),
        time,
        seconds_left,
        forward,
        window,
        vol,
    })
}

/// A volatility in Q32 within what the kernel prices.
fn read_vol(at: &At<'_>) -> Result<u64, InputError> {
    let vol = at.decimal()?;
    if !(VOL_MIN..=VOL_MAX).contains(&vol.to_f64()) {
        return Err(at.fail(format!("{vol} is outside {VOL_MIN}..{VOL_MAX}")));
    }
    vol.q32()
        .ok_or_else(|| at.fail(format!("{vol} is out of range")))
}

fn read_smile(at: &At<'_>, seconds_left: i64, notes: &mut Notes) -> Result<Smile, InputError> {
    let fields = at.object(&["atm_vol", "rho", "phi"])?;
    let at_vol = fields.required("atm_vol")?;
    let at_rho = fields.required("rho")?;
    let at_phi = fields.required("phi")?;
    read_vol(&at_vol)?;
    let smile = Smile {
        atm_vol_ppb: ppb(&at_vol, notes)?,
        rho_ppb: ppb(&at_rho, notes)?,
        phi_ppb: ppb(&at_phi, notes)?,
    };
    let sqrt_tau = sqrt_tau_q32(seconds_left);
    smile
        .check_no_butterfly(sqrt_tau)
        .and_then(|()| smile.check_wings())
        .map_err(|error| match error {
            SmileError::AtmVol | SmileError::SqrtTau | SmileError::Calendar(_) => {
                at_vol.fail("out of range")
            }
            SmileError::Rho => at_rho.fail("must lie in -0.95..0.95"),
            SmileError::Phi => at_phi.fail("must lie in 0..256"),
            SmileError::ButterflyWings => at_phi
                .fail("butterfly arbitrage: atm_vol^2 * tau * phi * (1 + |rho|) must be below 4"),
            SmileError::ButterflyCurvature => at_phi.fail(
                "butterfly arbitrage: atm_vol^2 * tau * phi^2 * (1 + |rho|) must be at most 4",
            ),
            SmileError::WingVol => at_phi
                .fail("volatility at 32 times the forward, or a 32nd of it, must be at most 12"),
        })?;
    Ok(smile)
}

/// A smile parameter in parts per billion, to the nearest, the rounding recorded.
fn ppb<T: TryFrom<i128>>(at: &At<'_>, notes: &mut Notes) -> Result<T, InputError> {
    let value = at.decimal()?;
    notes
        .nearest(&at.path, value, 9)
        .and_then(|ppb| T::try_from(ppb).ok())
        .ok_or_else(|| at.fail(format!("{value} is out of range")))
}

fn read_series(at: &At<'_>, expiries: usize) -> Result<Series, InputError> {
    let fields = at.object(&["name", "kind", "expiry", "strike", "vol"])?;
    let name = fields.required("name")?.text()?.to_owned();
    let at_kind = fields.required("kind")?;
    let kind = match at_kind.text()? {
        "spot" => undated(&fields, SeriesKind::Spot)?,
        "perp" => undated(&fields, SeriesKind::Perpetual)?,
        "future" => {
            no_strike(&fields)?;
            let expiry = expiry_index(&fields, expiries)?;
            SeriesKind::Future { expiry }
        }
        "call" => option(&fields, OptionKind::Call, expiries)?,
        "put" => option(&fields, OptionKind::Put, expiries)?,
        other => {
            let message = format!("unknown kind {other}; known: call, put, future, perp, spot");
            return Err(at_kind.fail(message));
        }
    };
    Ok(Series {
        path: at.path.clone(),
        name,
        kind,
    })
}

fn undated(fields: &Fields<'_>, kind: SeriesKind) -> Result<SeriesKind, InputError> {
    fields.absent("expiry", "only futures and options have an expiry")?;
    no_strike(fields)?;
    Ok(kind)
}

fn no_strike(fields: &Fields<'_>) -> Result<(), InputError> {
    fields.absent("strike", "only options have a strike")?;
    fields.absent("vol", "only options have a volatility")
}

fn expiry_index(fields: &Fields<'_>, expiries: usize) -> Result<usize, InputError> {
    let at = fields.required("expiry")?;
    let index: usize = at.whole()?;
    if index >= expiries {
        let message = format!("{index} is not an index of this market's {expiries} expiries");
        return Err(at.fail(message));
    }
    Ok(index)
}

fn option(
    fields: &Fields<'_>,
    kind: OptionKind,
    expiries: usize,
) -> Result<SeriesKind, InputError> {
    let vol_q32 = match fields.optional("vol") {
        Some(at) => read_vol(&at)?,
        None => 0,
    };
    Ok(SeriesKind::Option {
        kind,
        expiry: expiry_index(fields, expiries)?,
        strike: fields.required("strike")?.positive()?,
        vol_q32,
    })
}

/// An expiry without volatility is right only where nothing that refers to it needs one.
fn check_vols(expiries: &[Expiry], series: &[Series]) -> Result<(), InputError> {
    for (index, expiry) in expiries.iter().enumerate() {
        if expiry.vol.is_some() {
            continue;
        }
        let mut of_expiry = series
            .iter()
            .filter_map(|series| match series.kind {
                SeriesKind::Future { expiry } => Some((series, expiry, true)),
                SeriesKind::Option {
                    expiry, vol_q32, ..
                } => Some((series, expiry, vol_q32 > 0)),
                SeriesKind::Spot | SeriesKind::Perpetual => None,
            })
            .filter(|(_, expiry, _)| *expiry == index)
            .peekable();
        if of_expiry.peek().is_none() || of_expiry.any(|(_, _, has_vol)| !has_vol) {
            let path = format!("{}.vol", expiry.path);
            return Err(InputError::new(path, "missing; give vol or smile"));
        }
    }
    Ok(())
}
