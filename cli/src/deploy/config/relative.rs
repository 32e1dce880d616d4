//! Rules that derive a board from a market's first price, so that a template gives a tradable one at any price.

/// Billionths of the underlying in a lot: the largest power of ten worth at most `worth` quote units at a price with the
/// given exponent; from a billionth to a thousand units.
pub fn lot_size(price: u64, exponent: i8, worth: u64) -> u64 {
    let one = 10u128.saturating_pow(u32::from(exponent.unsigned_abs()));
    let limit = u128::from(worth) * 1_000_000_000;
    (0..=12)
        .rev()
        .map(|power| 10u64.pow(power))
        .find(|lot| u128::from(price) * u128::from(*lot) / one <= limit)
        .unwrap_or(1)
}

/// Distance of strikes: the largest of 1, 2 or 5 times a power of ten that is at most a fortieth of the price.
fn strike_step(price: u64) -> u64 {
    let limit = (price / 40).max(1);
    (0..18)
        .flat_map(|power| [1, 2, 5].map(|digit| digit * 10u64.pow(power)))
        .take_while(|step| *step <= limit)
        .last()
        .unwrap_or(1)
}

/// The round strike nearest to `percent` of a price.
pub fn strike(price: u64, percent: u64) -> u64 {
    let step = strike_step(price);
    let exact = price.saturating_mul(percent) / 100;
    ((exact + step / 2) / step * step).max(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boards_are_round_around_the_first_price() {
        const PERCENT: [u64; 9] = [75, 80, 85, 90, 100, 110, 115, 120, 125];
        let board = |price: u64| PERCENT.map(|percent| strike(price, percent) / 100_000_000);
        assert_eq!(board(12_342_670_000_000)[4], 124_000);
        assert_eq!(
            board(451_235_000_000),
            [3400, 3600, 3800, 4100, 4500, 5000, 5200, 5400, 5600]
        );
        assert_eq!(
            board(22_845_000_000),
            [170, 185, 195, 205, 230, 250, 265, 275, 285]
        );
        assert_eq!(strike(1_500, 110), 1_660);
        assert_eq!(lot_size(12_342_670_000_000, -8, 200), 1_000_000);
        assert_eq!(lot_size(451_235_000_000, -8, 200), 10_000_000);
        assert_eq!(lot_size(22_845_000_000, -8, 200), 100_000_000);
        assert_eq!(lot_size(1, -8, 200), 1_000_000_000_000);
    }
}
