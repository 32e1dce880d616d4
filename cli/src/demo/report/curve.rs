//! Margin by scenario of one book: what it gains or loses at every spot price in the range, at each volatility level, and
//! the lower bound that the requirement is made of.
//!
//! The true curve comes from the engine itself, asked again with the nodes of its grid moved between the real ones. The
//! bound is the engine's: a cell's ends and its dip between them; see [`estuary_risk::bound`].

use anyhow::{Context, Result};
use estuary::bridge::{Engine, MarketData};
use estuary::state::{MarginAccount, Owner};
use estuary_client::risk::LoadedMarket;
use estuary_risk::scenario::{CENTRE_NODE, CORE_COLUMNS, SPOT_NODES, TAILS, VOL_LEVELS};
use estuary_risk::units::ONE_Q30;

/// Parts into which a cell is divided to sample the true curve.
const PARTS: usize = 16;

/// Spot change as a fraction, and profit or loss in micro-units.
pub type Point = (f64, f64);

/// One volatility level.
#[derive(Clone, Debug, Default)]
pub struct Level {
    /// The true curve, ascending.
    pub curve: Vec<Point>,
    /// The nodes of the grid.
    pub nodes: Vec<Point>,
    /// The certified bound: nodes and the points between them where it dips.
    pub bound: Vec<Point>,
}

/// A move beyond the range.
#[derive(Clone, Copy, Debug)]
pub struct Tail {
    /// Spot change and unweighted profit or loss.
    pub point: Point,
    /// Share of the loss that counts.
    pub weight: f64,
}

/// A book in one market.
#[derive(Clone, Debug)]
pub struct Curves {
    /// Index of the market.
    pub market: u16,
    /// Volatility down, unchanged, up.
    pub levels: [Level; VOL_LEVELS],
    /// Beyond the range, volatility up.
    pub tails: Vec<Tail>,
    /// The engine's weighted loss at the nodes and tails, micro-units.
    pub scan_loss: i64,
    /// The engine's bound, which is the requirement of the market.
    pub certified_loss: i64,
}

impl Curves {
    /// The curves of an account's book in a market.
    ///
    /// # Errors
    /// The engine's.
    pub fn new(account: &MarginAccount, market: &LoadedMarket, now: i64) -> Result<Self> {
        let mut engine = evaluated(account, &market.data(), now)?;
        let per_lot = per_lot(&engine)?;
        let mut curves = Self {
            market: market.account.header.index,
            levels: Default::default(),
            tails: Vec::new(),
            scan_loss: engine.risk.scan_loss.0,
            certified_loss: engine.risk.certified_loss.0,
        };
        let mut dips = Vec::new();
        let Engine { arrays, legs, .. } = &mut *engine;
        arrays
            .core_dips(legs, &mut |dip| dips.push(dip))
            .map_err(|error| anyhow::anyhow!("no bound to draw: {error:?}"))?;
        let pnl = engine.risk.pnl_q28.map(|pnl| pnl as f64 * per_lot);
        let grid = &market.account.header.grid;
        let moves = grid.multiple_q30.map(fraction);
        for (number, level) in curves.levels.iter_mut().enumerate() {
            let column = |node: usize| number * SPOT_NODES + node;
            level.nodes = (0..SPOT_NODES)
                .map(|node| (moves[node], pnl[column(node)]))
                .collect();
            for (node, point) in level.nodes.iter().enumerate() {
                level.bound.push(*point);
                let cell = dips
                    .iter()
                    .filter(|dip| (dip.level, dip.node) == (number, node));
                level.bound.extend(cell.map(|dip| {
                    let share = dip.position_q31 as f64 / (1u64 << 31) as f64;
                    let x = moves[node] + share * (moves[node + 1] - moves[node]);
                    (x, dip.pnl_q28 as f64 * per_lot)
                }));
            }
        }
        curves.tails = (0..TAILS)
            .map(|tail| Tail {
                point: (moves[SPOT_NODES + tail], pnl[CORE_COLUMNS + tail]),
                weight: grid.tail_weight_q30[tail] as f64 / ONE_Q30 as f64,
            })
            .collect();
        curves.sample(account, market, now)?;
        Ok(curves)
    }

    /// Fills the true curves: the engine on a grid whose nodes stand a part of a cell further, again and again.
    fn sample(&mut self, account: &MarginAccount, market: &LoadedMarket, now: i64) -> Result<()> {
        let nodes = market.account.header.grid.multiple_q30;
        let mut moved = market.clone();
        for part in 0..PARTS {
            // The middle node stays: it is what the others are compared with.
            for node in (0..SPOT_NODES).filter(|node| *node != CENTRE_NODE) {
                let (from, to) = if node < CENTRE_NODE {
                    (nodes[node], nodes[node + 1])
                } else {
                    (nodes[node], nodes[node - 1])
                };
                let multiple = from + (to - from) * part as i64 / PARTS as i64;
                let ratio = multiple as f64 / ONE_Q30 as f64;
                let grid = &mut moved.account.header.grid;
                grid.multiple_q30[node] = multiple;
                grid.log_q28[node] = (ratio.ln() * (1u64 << 28) as f64).round() as i64;
            }
            let engine = evaluated(account, &moved.data(), now)?;
            let per_lot = per_lot(&engine)?;
            let multiples = moved.account.header.grid.multiple_q30;
            for (number, level) in self.levels.iter_mut().enumerate() {
                for node in (0..SPOT_NODES).filter(|node| part == 0 || *node != CENTRE_NODE) {
                    let pnl = engine.risk.pnl_q28[number * SPOT_NODES + node];
                    level
                        .curve
                        .push((fraction(multiples[node]), pnl as f64 * per_lot));
                }
            }
        }
        for level in &mut self.levels {
            level.curve.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        }
        Ok(())
    }

    /// The worst point of the bound at the three levels: its level and place.
    pub fn worst_bound(&self) -> (usize, Point) {
        self.worst(|level| &level.bound)
    }

    /// The worst point of the true curves.
    pub fn worst_curve(&self) -> (usize, Point) {
        self.worst(|level| &level.curve)
    }

    /// The worst node.
    pub fn worst_node(&self) -> (usize, Point) {
        self.worst(|level| &level.nodes)
    }

    fn worst(&self, points: fn(&Level) -> &Vec<Point>) -> (usize, Point) {
        let all = self.levels.iter().enumerate();
        let all = all.flat_map(|(number, level)| points(level).iter().map(move |p| (number, *p)));
        all.min_by(|a, b| a.1 .1.total_cmp(&b.1 .1))
            .unwrap_or_default()
    }

    /// By how much the bound lies below the worst node of a volatility level, at most, as a share of the requirement: how
    /// much the picture has to show.
    pub fn gap(&self) -> f64 {
        let worst = |points: &[Point]| points.iter().map(|point| point.1).fold(0.0, f64::min);
        let gaps = self
            .levels
            .iter()
            .map(|level| worst(&level.nodes) - worst(&level.bound));
        gaps.fold(0.0, f64::max) / (self.certified_loss as f64).max(1.0)
    }
}

/// The engine with an account's book in one market evaluated.
fn evaluated(account: &MarginAccount, data: &MarketData<'_>, now: i64) -> Result<Box<Engine>> {
    let series = account.open_positions().len();
    let mut engine =
        Engine::new(std::slice::from_ref(data), series)?.context("a market without a price")?;
    engine.enter(data)?;
    engine.evaluate(data, (account, &Owner::of_one(account)), now)?;
    Ok(engine)
}

/// Micro-units of a profit of one in Q28 on one lot.
fn per_lot(engine: &Engine) -> Result<f64> {
    // A million lots, so that rounding to whole micro-units does not show.
    let lots = 1_000_000i128 << 28;
    let value = engine.arrays.lot_value().money_down(lots, 28);
    let value = value.map_err(|_| anyhow::anyhow!("a lot is worth too much to draw"))?;
    Ok(value.0 as f64 / lots as f64)
}

/// A multiple in Q30 as a change.
fn fraction(multiple_q30: i64) -> f64 {
    (multiple_q30 - ONE_Q30) as f64 / ONE_Q30 as f64
}
