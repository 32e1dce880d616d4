//! How far the file's markets offset each other.

use estuary_risk::portfolio::{Offset, Offsets, MAX_MARKETS, MAX_OFFSET_PPM, MIN_FLOOR_PPM};
use estuary_risk::units::ONE_PPM;

use super::account::ppm;
use super::Market;
use crate::risk::json::{At, Fields, InputError};
use crate::risk::notes::Notes;

/// The offsets of usual markets while realised correlation and volatility stay in their bands, parts per million.
const USUAL: [([&str; 2], u32); 3] = [
    (["BTC", "ETH"], 500_000),
    (["ETH", "SOL"], 350_000),
    (["BTC", "SOL"], 300_000),
];
/// The share of all losses added that no offset removes, parts per million.
const USUAL_FLOOR_PPM: u32 = 350_000;

/// Reads `offsets` and `offset_floor` of the file, both optional.
pub fn read(
    root: &Fields<'_>,
    markets: &[Market],
    notes: &mut Notes,
) -> Result<Offsets, InputError> {
    let mut offsets = Offsets::NONE;
    let floor_ppm = match root.optional("offset_floor") {
        None => USUAL_FLOOR_PPM,
        Some(at) => {
            let floor = ppm(&at, notes)?;
            if !(MIN_FLOOR_PPM..=ONE_PPM).contains(&floor) {
                return Err(at.fail("must be at least 0.05 and at most 1"));
            }
            floor
        }
    };
    for place in 0..MAX_MARKETS {
        offsets.set_floor(place, floor_ppm);
    }
    for (high, market) in markets.iter().enumerate() {
        for (low, other) in markets.iter().enumerate().take(high) {
            if !market.parameters.tails().align(&other.parameters.tails()) {
                offsets.set_misaligned(low, high);
            }
        }
    }
    let place = |symbol: &str| markets.iter().position(|market| market.symbol == symbol);
    for ([one, other], offset_ppm) in USUAL {
        if let (Some(one), Some(other)) = (place(one), place(other)) {
            let both = Offset {
                initial_ppm: offset_ppm,
                maintenance_ppm: offset_ppm,
            };
            offsets.set_pair(one, other, both);
        }
    }
    let Some(at) = root.optional("offsets") else {
        return Ok(offsets);
    };
    for at in at.list()? {
        let fields = at.object(&["markets", "offset", "offset_maintenance"])?;
        let at_pair = fields.required("markets")?;
        let mut pair = Vec::with_capacity(2);
        for symbol in at_pair.list()? {
            let text = symbol.text()?;
            let found = place(text);
            pair.push(found.ok_or_else(|| symbol.fail(format!("no market {text}")))?);
        }
        let [one, other] = pair[..] else {
            return Err(at_pair.fail("names two markets"));
        };
        if one == other {
            return Err(at_pair.fail("names one market twice"));
        }
        let initial_ppm = share(&fields.required("offset")?, notes)?;
        let maintenance_ppm = match fields.optional("offset_maintenance") {
            None => initial_ppm,
            Some(at) => {
                let share = share(&at, notes)?;
                if share < initial_ppm {
                    return Err(at.fail("must be at least offset"));
                }
                share
            }
        };
        let offset = Offset {
            initial_ppm,
            maintenance_ppm,
        };
        offsets.set_pair(one, other, offset);
    }
    Ok(offsets)
}

/// A share of gains.
fn share(at: &At<'_>, notes: &mut Notes) -> Result<u32, InputError> {
    let share = ppm(at, notes)?;
    if share > MAX_OFFSET_PPM {
        return Err(at.fail("must be at most 0.95"));
    }
    Ok(share)
}
