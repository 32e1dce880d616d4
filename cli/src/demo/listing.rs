//! What the demo lists for an underlying: lot, scenario parameters, strikes and expiries, all by stated rules from its
//! first price, so that any price file gives a tradable board.

use estuary::instructions::{CreateMarketArgs, ScenarioArgs, SeriesArgs};
use estuary::state::series::NO_EXPIRY;
use estuary::state::SeriesKind;
use estuary_risk::scenario::ScenarioParameters;

use super::time;

/// Exponent of every price and strike.
pub const EXPONENT: i8 = -8;
/// A liquidator earns this part of spot per unit of delta it takes: 0.5%.
pub const LIQUIDATION_DELTA_PPM: u32 = 5_000;
/// A liquidator earns this part of an option's loss from the volatility-up shock besides: 5%.
const LIQUIDATION_VEGA_PPM: u32 = 50_000;
/// One quote unit at [`EXPONENT`].
pub const ONE: u64 = 100_000_000;
/// Strikes in percent of the first price, each rounded to the strike step.
pub const STRIKE_PERCENT: [u64; 9] = [75, 80, 85, 90, 100, 110, 115, 120, 125];
/// Days from the first possible expiry to each one listed.
pub const EXPIRY_DAYS: [i64; 3] = [0, 14, 42];
/// The first expiry leaves at least this after the replay.
const DAYS_AFTER_REPLAY: i64 = 2;
/// Options expire on Fridays at this hour.
const EXPIRY_HOUR: i64 = 8;
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;
/// A lot is the largest power of ten of the underlying worth at most this many quote units.
const LOT_WORTH: u64 = 200;
/// Prices may be at most this old, seconds; the demo publishes one with every step.
pub const MAX_PRICE_AGE: u32 = 60;

/// Billionths of the underlying in a lot, by [`LOT_WORTH`]; from a billionth to a thousand units.
pub fn lot_size(spot: u64) -> u64 {
    let worth = |lot: u64| u128::from(spot) * u128::from(lot) / u128::from(ONE);
    let limit = u128::from(LOT_WORTH) * 1_000_000_000;
    (0..=12)
        .rev()
        .map(|power| 10u64.pow(power))
        .find(|lot| worth(*lot) <= limit)
        .unwrap_or(1)
}

/// Distance of strikes: the largest of 1, 2 or 5 times a power of ten that is at most a fortieth of the price.
pub fn strike_step(spot: u64) -> u64 {
    let limit = (spot / 40).max(1);
    (0..18)
        .flat_map(|power| [1, 2, 5].map(|digit| digit * 10u64.pow(power)))
        .take_while(|step| *step <= limit)
        .last()
        .unwrap_or(1)
}

/// The listed strike nearest to `percent` of the first price.
pub fn strike(spot: u64, percent: u64) -> u64 {
    let step = strike_step(spot);
    let exact = spot * percent / 100;
    ((exact + step / 2) / step * step).max(step)
}

/// Expiries for a replay that ends at `end`: the first Friday at least two days later, and two and six weeks on.
pub fn expiries(end: i64) -> [i64; 3] {
    let earliest = end + DAYS_AFTER_REPLAY * DAY - EXPIRY_HOUR * HOUR;
    // 1970-01-02 was a Friday.
    let weeks = (earliest - DAY).div_euclid(7 * DAY) + 1;
    let first = weeks * 7 * DAY + DAY + EXPIRY_HOUR * HOUR;
    EXPIRY_DAYS.map(|days| first + days * DAY)
}

/// The contracts of a market: a perpetual, a future per expiry, a call and a put per strike and expiry.
pub fn series(spot: u64) -> Vec<SeriesArgs> {
    let mut series = vec![SeriesArgs {
        kind: SeriesKind::Perp,
        expiry: NO_EXPIRY,
        strike: 0,
    }];
    for expiry in 0..EXPIRY_DAYS.len() as u8 {
        series.push(SeriesArgs {
            kind: SeriesKind::Future,
            expiry,
            strike: 0,
        });
        for strike in STRIKE_PERCENT.map(|percent| strike(spot, percent)) {
            for kind in [SeriesKind::Call, SeriesKind::Put] {
                series.push(SeriesArgs {
                    kind,
                    expiry,
                    strike,
                });
            }
        }
    }
    series
}

/// `SOL-PERP`, `SOL-31OCT25`, `SOL-31OCT25-230-C`.
pub fn name(symbol: &str, series: &SeriesArgs, expiries: &[i64]) -> String {
    let expiry = || {
        let time = expiries.get(usize::from(series.expiry));
        time.map_or_else(String::new, |time| time::expiry(*time))
    };
    match series.kind {
        SeriesKind::Perp => format!("{symbol}-PERP"),
        SeriesKind::Future => format!("{symbol}-{}", expiry()),
        SeriesKind::Call => format!("{symbol}-{}-{}-C", expiry(), decimal(series.strike)),
        SeriesKind::Put => format!("{symbol}-{}-{}-P", expiry(), decimal(series.strike)),
    }
}

/// A price without trailing zeros.
pub fn decimal(price: u64) -> String {
    let text = format!("{}.{:08}", price / ONE, price % ONE);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Scenario parameters by symbol; an unknown one is treated as SOL, the most volatile of the three.
pub fn parameters(symbol: &str) -> ScenarioParameters {
    match symbol {
        "BTC" => ScenarioParameters::BTC,
        "ETH" => ScenarioParameters::ETH,
        _ => ScenarioParameters::SOL,
    }
}

/// A feed of the demo's own: its name in ASCII.
pub fn feed_id(symbol: &str) -> [u8; 32] {
    let mut feed = [0; 32];
    for (place, byte) in feed
        .iter_mut()
        .zip("estuary demo ".bytes().chain(symbol.bytes()))
    {
        *place = byte;
    }
    feed
}

/// Arguments of `create_market`.
pub fn market_args(symbol: &str, spot: u64) -> CreateMarketArgs {
    let mut name = [0; 16];
    for (place, byte) in name.iter_mut().zip(symbol.bytes()) {
        *place = byte;
    }
    let parameters = parameters(symbol);
    CreateMarketArgs {
        symbol: name,
        feed_id: feed_id(symbol),
        price_program: pyth_solana_receiver_sdk::ID,
        price_exponent: EXPONENT,
        lot_size: lot_size(spot),
        max_price_age_seconds: MAX_PRICE_AGE,
        max_confidence_ppm: 20_000,
        band_spot_ppm: 10_000,
        band_vega_ppm: 20_000,
        liquidation_delta_ppm: LIQUIDATION_DELTA_PPM,
        liquidation_vega_ppm: LIQUIDATION_VEGA_PPM,
        max_series_open_interest: 0,
        max_market_open_interest: 0,
        parameters: ScenarioArgs {
            spot_range_ppm: parameters.spot_range_ppm,
            node_ppm: parameters.node_ppm,
            tail_multiple_ppm: parameters.tail_multiple_ppm,
            tail_weight_ppm: parameters.tail_weight_ppm,
            fall_limit_ppm: parameters.fall_limit_ppm,
            vol_up_ppm: parameters.vol_up_ppm,
            vol_down_ppm: parameters.vol_down_ppm,
            vol_power_short_ppm: parameters.vol_power_short_ppm,
            vol_power_long_ppm: parameters.vol_power_long_ppm,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boards_are_round_around_the_first_price() {
        let board = |spot: u64| STRIKE_PERCENT.map(|percent| strike(spot, percent) / ONE);
        assert_eq!(board(12_342_670_000_000)[4], 124_000);
        assert_eq!(
            board(451_235_000_000),
            [3400, 3600, 3800, 4100, 4500, 5000, 5200, 5400, 5600]
        );
        assert_eq!(
            board(22_845_000_000),
            [170, 185, 195, 205, 230, 250, 265, 275, 285]
        );
        assert_eq!(decimal(strike(1_500, 110)), "0.0000166");
        assert_eq!(lot_size(12_342_670_000_000), 1_000_000);
        assert_eq!(lot_size(451_235_000_000), 10_000_000);
        assert_eq!(lot_size(22_845_000_000), 100_000_000);
        assert_eq!(lot_size(1), 1_000_000_000_000);
    }

    #[test]
    fn no_expiry_falls_into_the_replay() {
        let end = time::parse("2025-10-16T00:00:00Z").unwrap();
        let listed = expiries(end).map(time::full);
        assert_eq!(
            listed,
            [
                "2025-10-24 08:00:00",
                "2025-11-07 08:00:00",
                "2025-12-05 08:00:00"
            ]
        );
        for hour in 0..400 {
            let first = expiries(end + hour * HOUR)[0] - end - hour * HOUR;
            assert!((2 * DAY..=9 * DAY).contains(&first), "{first}");
        }
    }

    #[test]
    fn series_have_names() {
        let expiries = [1_761_292_800, 1_762_502_400, 1_764_921_600];
        let names: Vec<String> = series(22_845_000_000)
            .iter()
            .map(|series| name("SOL", series, &expiries))
            .collect();
        assert_eq!(names.len(), 1 + 3 * 19);
        assert_eq!(
            names[..4],
            [
                "SOL-PERP",
                "SOL-24OCT25",
                "SOL-24OCT25-170-C",
                "SOL-24OCT25-170-P"
            ]
        );
    }
}
