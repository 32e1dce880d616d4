//! The certified range bound alone, so that its compute units can be measured apart from everything around it.

use estuary_risk::array::{ExpiryContext, Moneyness, StrikeArray};
use estuary_risk::bound::{certified_loss_q28, CellLosses, LongSide};
use estuary_risk::fixed::exp_q30;
use estuary_risk::scenario::{ScenarioParameters, CENTRE_COLUMN, COLUMNS};
use estuary_risk::smile::Smile;
use estuary_risk::units::ONE_Q30;
use std::hint::black_box;

/// Two weeks: a book whose every cell dips.
const SECONDS: i64 = 14 * 86_400;

/// Bounds one book of net longs and shorts `count` times; the loss, whatever the count.
pub fn bound(count: u64) -> u64 {
    let (Ok(grid), smile) = (ScenarioParameters::BTC.grid(), Smile::flat(600_000_000)) else {
        return 0;
    };
    let Ok(expiry) = ExpiryContext::new(&grid, SECONDS, ONE_Q30, &smile) else {
        return 0;
    };
    let mut long_side = LongSide::EMPTY;
    let mut pnl = [0i64; COLUMNS];
    let mut absolute_lots = 0u64;
    for (place, lots) in (-3i64..=3).zip([40i64, -25, 30, -90, 35, -20, 30]) {
        let log_q28 = place << 24;
        let strike_ratio_q30 = exp_q30(-(log_q28 << 12)) as i64;
        let moneyness = Moneyness::new(log_q28, strike_ratio_q30, &expiry);
        let mut array = StrikeArray::ZERO;
        let vol_q32 = expiry.slice.total_vol_q32(log_q28);
        array.price(&grid, &expiry, &moneyness, vol_q32, [vol_q32; 2]);
        for (column, sum) in pnl.iter_mut().enumerate() {
            *sum += lots * array.pnl_q28(column);
        }
        if let Ok(longs) = u32::try_from(lots) {
            long_side.add(longs, &array);
        }
        absolute_lots += lots.unsigned_abs();
    }
    pnl[CENTRE_COLUMN] = 0;
    let mut loss = 0;
    for _ in 0..count {
        let mut cells = CellLosses::new(&pnl);
        let pnl = black_box(&pnl);
        loss = certified_loss_q28(pnl, &long_side, &grid, absolute_lots, (0, 0), &mut cells);
    }
    loss as u64
}
