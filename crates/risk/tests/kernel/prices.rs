//! Random options through the engine as the program uses it, [`MarketArrays`], in every column.

use crate::normal::{normal_cdf, normal_pdf};
use crate::support::{Random, YEAR_SECONDS};
use crate::sweep::{parts, q, random_of, Measured, Size, Worst, PARTS};
use crate::volatility::{random_smile, smile_error, total_vol};
use estuary_risk::fixed::ln_q40;
use estuary_risk::market::{Instrument, MarketArrays, MarketInputs, OptionKind};
use estuary_risk::normal::CDF_ERROR_Q40;
use estuary_risk::scenario::{
    Scenario, ScenarioGrid, ScenarioParameters, COLUMNS, SPOT_MOVES, VOL_LEVELS,
};
use estuary_risk::smile::Smile;
use estuary_risk::units::Price;

/// Strikes priced in each random market.
const STRIKES: usize = 8;

/// What the prices came to.
pub struct Prices {
    /// Option prices compared: one a column and the present value.
    pub points: u64,
    pub options: u64,
    pub measured: Vec<Measured>,
}

impl Prices {
    /// Of the present value, everything included.
    pub fn worst_error(&self) -> f64 {
        self.measured.first().map_or(0.0, |row| row.worst.error)
    }
}

/// One random market with one expiry, in the engine's numbers, all of which the reference takes as exact.
struct Market {
    spot: u64,
    forward_q30: i64,
    seconds: i64,
    smile: Smile,
    grid: ScenarioGrid,
    /// Multiples of spot, their logarithms, and multipliers of volatility, from the grid.
    multiples: [f64; SPOT_MOVES],
    logs: [f64; SPOT_MOVES],
    levels: [f64; VOL_LEVELS],
}

impl Market {
    fn random(random: &mut Random) -> Self {
        let seconds = random.log_uniform(60.0, 2.0 * YEAR_SECONDS) as i64;
        let mut smile = random_smile(random, seconds);
        if random.below(3) == 0 {
            smile = Smile::flat(smile.atm_vol_ppb);
        }
        while smile.check_wings().is_err() {
            smile.phi_ppb = (smile.phi_ppb as f64 * 0.95) as u64;
        }
        let grid = random_grid(random);
        let forward = [1.0, random.uniform(0.9, 1.1), random.uniform(0.5, 2.0)];
        let multiples = grid.multiple_q30.map(|multiple| multiple as f64 * q(-30));
        Self {
            spot: random.log_uniform(1e4, 1e15) as u64,
            forward_q30: (random.pick(&forward) * q(30)) as i64,
            seconds,
            smile,
            logs: multiples.map(libm::log),
            levels: grid
                .vol_multipliers_q30(seconds)
                .map(|level| level as f64 * q(-30)),
            multiples,
            grid,
        }
    }

    fn forward(&self) -> f64 {
        self.forward_q30 as f64 * q(-30)
    }

    /// A strike with K/F in [1/32, 32], as a mantissa: anywhere, near the forward, or some standard deviations away
    /// from a moved forward.
    fn strike(&self, random: &mut Random) -> u64 {
        let end = 32f64.ln();
        let root = (self.seconds as f64 / YEAR_SECONDS).sqrt();
        let s = self.smile.atm_vol_ppb as f64 / 1e9 * root;
        let log = match random.below(4) {
            0 => random.uniform(-end, end),
            1 => random.uniform(-0.5, 0.5),
            2 => random.uniform(-4.0, 4.0) * s,
            _ => random.pick(&self.logs) + random.uniform(-4.0, 4.0) * s * random.unit(),
        };
        let ratio = libm::exp(log.clamp(-end, end));
        ((self.spot as f64 * self.forward() * ratio).round() as u64).max(1)
    }
}

/// The grids of the three markets, or one of any parameters that are accepted.
fn random_grid(random: &mut Random) -> ScenarioGrid {
    let defaults = [
        ScenarioParameters::BTC,
        ScenarioParameters::ETH,
        ScenarioParameters::SOL,
    ];
    let mut parameters = random.pick(&defaults);
    if random.below(2) == 0 {
        let range = random.uniform(0.02, 0.45);
        parameters.spot_range_ppm = (range * 1e6) as u32;
        parameters.fall_limit_ppm = (random.uniform(range + 0.01, 0.95) * 1e6) as u32;
        parameters.vol_power_short_ppm = (random.unit() * 1e6) as u32;
        parameters.vol_power_long_ppm = (random.unit() * 1e6) as u32;
        let steepest = 30f64.powf(f64::from(parameters.vol_power_short_ppm) / 1e6);
        parameters.vol_down_ppm = (random.unit() * 0.899 / steepest * 1e6) as u32;
        // Every other one rises as far as is accepted.
        let share = (random.unit() * 2.0).min(1.0);
        parameters.vol_up_ppm = (share * 1.7499 / steepest * 1e6) as u32;
    }
    parameters.grid().expect("accepted parameters")
}

/// One option of a market, as the reference sees it: fractions of spot.
struct Reference<'a> {
    market: &'a Market,
    strike: f64,
    /// ln(F/K), and total volatility, unmoved.
    x: f64,
    s: f64,
    root: f64,
    /// Bound on the error of the engine's `s`.
    vol_error: f64,
}

impl<'a> Reference<'a> {
    fn new(market: &'a Market, strike: u64) -> Self {
        let strike = strike as f64 / market.spot as f64;
        let x = libm::log(market.forward() / strike);
        let root = (market.seconds as f64 / YEAR_SECONDS).sqrt();
        let mut reference = Self {
            market,
            strike,
            x,
            s: total_vol(&market.smile, root, -x),
            root,
            vol_error: 0.0,
        };
        reference.vol_error = reference.largest_vol_error();
        reference
    }

    /// The call at a moved spot and volatility: its value and the bound derived for the engine's error, without the
    /// rounding of the result.
    fn call(&self, multiple: f64, log_multiple: f64, level: f64) -> Value {
        let forward = self.market.forward() * multiple;
        let (x, s) = (self.x + log_multiple, self.s * level);
        let d1 = x / s + s / 2.0;
        let scale = forward.max(self.strike);
        let vega = forward * normal_pdf(d1);
        let bound = N_ERROR * (forward + self.strike)
            + self.strike * q(-39)
            + 1.05 * vega * (level * self.vol_error + q(-31))
            + vega_of_log(forward, x, s);
        Value {
            value: forward * normal_cdf(d1) - self.strike * normal_cdf(d1 - s),
            scale,
            bound: bound + 1e-15 * scale,
            ordinary: s <= 12.0 * self.root && level <= LARGEST_ORDINARY_LEVEL,
        }
    }

    /// Bound on the error of the unmoved total volatility: root of time, smile, ln(F/K) in the smile, rounding.
    fn largest_vol_error(&self) -> f64 {
        let at_the_money = self.market.smile.atm_vol_ppb as f64 / 1e9 * self.root;
        let of_root = self.s * (q(-33) / self.root + q(-31));
        let (relative, slope) = smile_error(&self.market.smile, -self.x);
        of_root
            + self.s * (relative + q(-37) / at_the_money)
            + at_the_money * slope * q(-29)
            + q(-33)
    }
}

/// A reference value.
struct Value {
    value: f64,
    /// max(F, K).
    scale: f64,
    bound: f64,
    /// Whether volatility is one that prices are promised for.
    ordinary: bool,
}

/// Largest error of N.
const N_ERROR: f64 = CDF_ERROR_Q40 as f64 / (1u64 << 40) as f64;
/// The largest multiplier of volatility that prices are promised for.
const LARGEST_ORDINARY_LEVEL: f64 = 2.7501;
/// What the formats of F and K leave open: F rounded down, K to the nearest, in units of spot.
const GRID: f64 = 1.5 / (1u64 << 30) as f64;

/// What an error of ln(F/K) does: the price is flat in it at the true one, so its square counts.
fn vega_of_log(forward: f64, x: f64, s: f64) -> f64 {
    let error = q(-28) + x.abs() * q(-30) + s * q(-31);
    0.4 * forward * error * error / s
}

/// The errors that are looked for, in the order of [`measured`].
#[derive(Default)]
struct Errors {
    worst: [Worst; ROWS],
    /// Comparisons made of each.
    points: [u64; ROWS],
    options: u64,
}

/// Kinds of error.
const ROWS: usize = 7;

impl Errors {
    fn see(&mut self, row: usize, error: f64, at: &[i64]) {
        self.worst[row].see(error, at);
        self.points[row] += 1;
    }

    /// Prices one market's strikes and compares every column.
    fn see_market(&mut self, random: &mut Random) {
        let market = Market::random(random);
        let inputs = MarketInputs {
            spot: Price(market.spot),
            price_exponent: -8,
            lot_size: 1_000_000,
            grid: market.grid,
            oracle: estuary_risk::charges::OracleQuality::default(),
        };
        let mut arrays = MarketArrays::new(&inputs, 1, STRIKES).expect("a market");
        arrays
            .add_expiry(0, market.seconds, market.forward_q30, &market.smile)
            .expect("an expiry");
        for _ in 0..STRIKES {
            let strike = market.strike(random);
            let option = arrays
                .option(OptionKind::Call, 0, Price(strike), ln_q40(strike), 0)
                .expect("an option");
            let at = [
                market.spot as i64,
                strike as i64,
                market.forward_q30,
                market.seconds,
                market.smile.atm_vol_ppb as i64,
                market.smile.rho_ppb,
                market.smile.phi_ppb as i64,
            ];
            self.see_option(&Reference::new(&market, strike), &arrays, option, &at);
        }
    }

    fn see_option(
        &mut self,
        reference: &Reference<'_>,
        arrays: &MarketArrays,
        option: Instrument,
        at: &[i64],
    ) {
        let Instrument::Option { strike: slot, .. } = option else {
            unreachable!("an option was asked for")
        };
        self.options += 1;
        let now = reference.call(1.0, 0.0, 1.0);
        let mark = arrays.mark_q30(option).expect("a mark") as f64 * q(-30);
        let error = (mark - now.value).abs();
        if now.ordinary {
            self.see(0, error / now.scale, at);
        }
        self.see(1, error / (now.bound + GRID), at);
        let array = arrays.strike_array(slot).expect("an array");
        let market = reference.market;
        for column in 0..COLUMNS {
            let Scenario {
                spot_move,
                vol_level,
                ..
            } = Scenario::of_column(column);
            let moved = reference.call(
                market.multiples[spot_move],
                market.logs[spot_move],
                market.levels[vol_level],
            );
            self.see_column(&moved, f64::from(array.value_q28[column]), at);
            let profit = (moved.value - now.value) * q(28);
            let error = (array.pnl_q28(column) as f64 - profit).abs();
            let share = error / array.error_q28 as f64;
            if moved.ordinary && now.ordinary {
                self.see(5, share, at);
            }
            self.see(6, share, at);
        }
    }

    /// An entry is the price rounded down: only what lies outside [entry, entry + 1) is the kernel's error for certain.
    fn see_column(&mut self, moved: &Value, entry: f64, at: &[i64]) {
        let exact = moved.value * q(28);
        let beyond = (entry - exact).max(exact - entry - 1.0) * q(-28);
        self.see(2, beyond / (moved.bound + GRID), at);
        if !moved.ordinary {
            return;
        }
        self.see(3, beyond / (5e-9 * moved.scale + GRID), at);
        if moved.scale >= 0.5 {
            self.see(4, beyond / moved.scale, at);
        }
    }
}

/// Random options in every column.
pub fn prices(size: Size) -> Prices {
    let markets = size
        .of(100_000_000 / STRIKES as u64 + 1, 10)
        .div_ceil(PARTS);
    let found = parts(|part| {
        let mut random = random_of(5, part);
        let mut errors = Errors::default();
        for _ in 0..markets {
            errors.see_market(&mut random);
        }
        errors
    });
    let mut total = Errors::default();
    for part in found {
        total.options += part.options;
        for (sum, points) in total.points.iter_mut().zip(part.points) {
            *sum += points;
        }
        part.worst
            .into_iter()
            .zip(&mut total.worst)
            .for_each(|(part, worst)| worst.merge(part));
    }
    let options = total.options;
    Prices {
        points: options * (COLUMNS as u64 + 1),
        options,
        measured: measured(total),
    }
}

fn measured(errors: Errors) -> Vec<Measured> {
    const DOMAIN: &str =
        "random: K/F in [1/32, 32], F/S in [1/2, 2), a minute to two years, 0.5% to 1200%, levels to 2.75";
    const BEYOND: &str =
        "random: the same strikes, forwards and times, any accepted grid and surface and the volatility they lead to";
    // Name, unit, domain, bound, in the order in which the errors are kept.
    let rows: [(&str, &str, &str, f64); ROWS] = [
        (
            "present value",
            "of max(F, K), rounding included",
            DOMAIN,
            5e-9,
        ),
        (
            "present value, derived",
            "of the bound at the point",
            BEYOND,
            1.0,
        ),
        (
            "scenario value, derived",
            "of the bound at the point",
            BEYOND,
            1.0,
        ),
        (
            "scenario value",
            "of 5e-9 max(F, K) + 1.5 units of Q30 of spot",
            DOMAIN,
            1.0,
        ),
        (
            "scenario value, max(F, K) >= S/2",
            "of max(F, K)",
            DOMAIN,
            5e-9,
        ),
        ("scenario profit", "of the declared error", DOMAIN, 1.0),
        (
            "scenario profit, beyond",
            "of the declared error",
            BEYOND,
            1.0,
        ),
    ];
    let found = errors.worst.into_iter().zip(errors.points);
    let row = |((name, unit, domain, bound), (worst, points))| Measured {
        name,
        domain,
        unit,
        points,
        worst,
        reference: if bound < 1.0 { 2e-15 } else { 1e-6 },
        bound,
    };
    rows.into_iter().zip(found).map(row).collect()
}
