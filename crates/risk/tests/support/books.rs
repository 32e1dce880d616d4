//! Random books of the kinds that margin models get wrong, and their exact loss by brute force in
//! floating point.

use super::{out_of_the_money, ssvi_factor, Random, YEAR_SECONDS};
use estuary_risk::charges::OracleQuality;
use estuary_risk::fixed::ln_q40;
use estuary_risk::market::{Instrument, Leg, MarketArrays, MarketInputs, MarketRisk, OptionKind};
use estuary_risk::scenario::{ScenarioParameters, SPOT_NODES, TAILS_PER_SIDE};
use estuary_risk::smile::Smile;
use estuary_risk::units::{Price, RiskError};

/// What a leg holds; expiries and strikes are positions in the book's lists.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Holding {
    Spot,
    Perpetual,
    Future(usize),
    Call(usize),
    Put(usize),
}

#[derive(Clone, Debug)]
pub struct Expiry {
    pub seconds: i64,
    pub forward_q30: i64,
    pub smile: Smile,
}

impl Expiry {
    /// F/S.
    pub fn forward(&self) -> f64 {
        self.forward_q30 as f64 / (1u64 << 30) as f64
    }
}

#[derive(Clone, Debug)]
pub struct Strike {
    pub expiry: usize,
    pub mantissa: u64,
}

#[derive(Clone, Debug)]
pub struct Book {
    pub family: &'static str,
    pub parameters: ScenarioParameters,
    pub spot: u64,
    pub price_exponent: i8,
    pub lot_size: u64,
    pub oracle: OracleQuality,
    pub expiries: Vec<Expiry>,
    pub strikes: Vec<Strike>,
    pub legs: Vec<(Holding, i64)>,
}

/// The kinds of book, in the order of [`Book::random`].
pub const FAMILIES: [&str; 9] = [
    "random legs",
    "pin risk",
    "calendars",
    "narrow butterflies",
    "boxes",
    "conversions",
    "condors",
    "hedged wings",
    "mixed",
];

impl Book {
    pub fn random(random: &mut Random, family: usize) -> Self {
        let (parameters, spot, price_exponent, lot_size) = random.pick(&[
            (ScenarioParameters::BTC, 12_342_671_234_567, -8, 1_000_000),
            (ScenarioParameters::ETH, 388_876_543_210, -8, 10_000_000),
            (ScenarioParameters::SOL, 18_912_345_678, -8, 1_000_000_000),
        ]);
        let mut book = Self {
            family: FAMILIES[family],
            parameters,
            spot,
            price_exponent,
            lot_size,
            oracle: OracleQuality::default(),
            expiries: Vec::new(),
            strikes: Vec::new(),
            legs: Vec::new(),
        };
        let days = if family == 1 {
            (0.02, 0.5)
        } else {
            (0.02, 400.0)
        };
        for _ in 0..1 + random.below(4) {
            let smile = random_smile(random);
            book.expiries.push(Expiry {
                seconds: (random.log_uniform(days.0, days.1) * 86_400.0) as i64,
                forward_q30: ((1.0 + random.uniform(-0.04, 0.08)) * (1u64 << 30) as f64) as i64,
                smile,
            });
        }
        match family {
            8 => (0..1 + random.below(4)).for_each(|_| book.add_structure(random, 9)),
            2..=7 => (0..1 + random.below(3)).for_each(|_| book.add_structure(random, family)),
            _ => (0..1 + random.below(64)).for_each(|_| book.add_leg(random, family == 1)),
        }
        book.legs.truncate(64);
        if family == 7 || random.below(4) == 0 {
            book.hedge();
        }
        book.resize(random);
        book
    }

    /// Every sixth book is blown up to nearly the 2^32 lots a market allows, every sixth shrunk to a few.
    fn resize(&mut self, random: &mut Random) {
        let target = match random.below(6) {
            0 => random.uniform(0.9, 0.999) * (1u64 << 32) as f64,
            1 => random.uniform(1.0, 100.0),
            _ => return,
        };
        let factor = target / self.absolute_lots().max(1.0);
        for (_, lots) in &mut self.legs {
            *lots = (*lots as f64 * factor) as i64;
        }
    }

    fn add_structure(&mut self, random: &mut Random, family: usize) {
        let lots = random.log_uniform(10.0, 20_000.0) as i64;
        let sign = random.pick(&[-1, 1]) * lots;
        let expiry = random.below(self.expiries.len() as u64) as usize;
        let centre = self.near_strike(random, expiry, 2.0);
        let family = if family == 9 {
            2 + random.below(6) as usize
        } else {
            family
        };
        // Ratios of strikes, holdings' kinds and lots of each structure.
        let side = random.pick(&[Holding::Call, Holding::Put]);
        match family {
            2 => {
                let other = random.below(self.expiries.len() as u64) as usize;
                self.add_option(side, expiry, centre, -sign);
                self.add_option(side, other, centre, sign);
            }
            3 => {
                let gap = random.log_uniform(0.001, 0.08);
                self.add_option(side, expiry, centre * (1.0 - gap), sign);
                self.add_option(side, expiry, centre, -2 * sign);
                self.add_option(side, expiry, centre * (1.0 + gap), sign);
            }
            4 | 5 => {
                let width = random.log_uniform(1.002, 1.5);
                self.add_option(Holding::Call, expiry, centre, sign);
                self.add_option(Holding::Put, expiry, centre, -sign);
                if family == 4 {
                    self.add_option(Holding::Call, expiry, centre * width, -sign);
                    self.add_option(Holding::Put, expiry, centre * width, sign);
                } else {
                    let linear =
                        random.pick(&[Holding::Spot, Holding::Perpetual, Holding::Future(expiry)]);
                    self.legs.push((linear, -sign));
                }
            }
            6 => {
                let (near, wide) = (random.uniform(0.01, 0.1), random.uniform(0.005, 0.1));
                self.add_option(Holding::Put, expiry, centre * (1.0 - near - wide), sign);
                self.add_option(Holding::Put, expiry, centre * (1.0 - near), -sign);
                self.add_option(Holding::Call, expiry, centre * (1.0 + near), -sign);
                self.add_option(Holding::Call, expiry, centre * (1.0 + near + wide), sign);
            }
            _ => {
                let far = random.uniform(1.05, 1.6);
                let far = random.pick(&[far, 1.0 / far]);
                self.add_option(Holding::Call, expiry, far, -lots);
                self.add_option(
                    Holding::Call,
                    expiry,
                    1.0,
                    (lots as f64 * random.unit()) as i64,
                );
            }
        }
    }

    fn add_leg(&mut self, random: &mut Random, pinned: bool) {
        let lots = random.pick(&[-1, 1]) * random.log_uniform(1.0, 20_000.0) as i64;
        let expiry = random.below(self.expiries.len() as u64) as usize;
        let kind = random.below(12);
        match kind {
            0 => self.legs.push((Holding::Perpetual, lots)),
            1 => self.legs.push((Holding::Future(expiry), lots)),
            2 => self.legs.push((Holding::Spot, lots)),
            _ => {
                let strike = if pinned {
                    random.uniform(0.98, 1.02)
                } else {
                    self.near_strike(random, expiry, 3.0)
                };
                let kind = random.pick(&[Holding::Call, Holding::Put]);
                self.add_option(kind, expiry, strike, lots);
            }
        }
    }

    /// A strike ratio: at a distance in total volatilities, or anywhere within the core range.
    fn near_strike(&self, random: &mut Random, expiry: usize, reach: f64) -> f64 {
        let Expiry { seconds, smile, .. } = &self.expiries[expiry];
        let s = smile.atm_vol_ppb as f64 / 1e9 * (*seconds as f64 / YEAR_SECONDS).sqrt();
        if random.below(2) == 0 {
            (random.uniform(-reach, reach) * s).clamp(-2.0, 2.0).exp()
        } else {
            random.uniform(0.7, 1.3)
        }
    }

    fn add_option(&mut self, kind: fn(usize) -> Holding, expiry: usize, ratio: f64, lots: i64) {
        let mantissa = ((self.spot as f64 * ratio) as u64).max(1);
        let known = self
            .strikes
            .iter()
            .position(|strike| strike.expiry == expiry && strike.mantissa == mantissa);
        let strike = known.unwrap_or_else(|| {
            self.strikes.push(Strike { expiry, mantissa });
            self.strikes.len() - 1
        });
        self.legs.push((kind(strike), lots));
    }

    /// Adds perpetuals against the book's delta.
    fn hedge(&mut self) {
        let delta =
            (self.value(1.0 + 1e-5, &self.base()) - self.value(1.0 - 1e-5, &self.base())) / 2e-5;
        self.legs.push((Holding::Perpetual, -delta.round() as i64));
    }

    pub fn base(&self) -> Vec<f64> {
        vec![1.0; self.expiries.len()]
    }

    /// The multipliers of each expiry at a volatility level, by the formula of the margin model.
    pub fn multipliers(&self, level: usize) -> Vec<f64> {
        let parameters = &self.parameters;
        let multiplier = |expiry: &Expiry| {
            let days = (expiry.seconds as f64 / 86_400.0).max(1.0);
            let power = if days < 30.0 {
                parameters.vol_power_short_ppm
            } else {
                parameters.vol_power_long_ppm
            };
            let factor = (30.0 / days).powf(f64::from(power) / 1e6) / 1e6;
            match level {
                0 => (1.0 - f64::from(parameters.vol_down_ppm) * factor).max(0.1),
                1 => 1.0,
                _ => 1.0 + f64::from(parameters.vol_up_ppm) * factor,
            }
        };
        self.expiries.iter().map(multiplier).collect()
    }

    /// Value of the book in lots of spot when spot is `multiple` of itself.
    pub fn value(&self, multiple: f64, multipliers: &[f64]) -> f64 {
        let forwards: Vec<f64> = self.expiries.iter().map(Expiry::forward).collect();
        self.value_of(multiple, multipliers, &forwards, 0.0)
    }

    /// Loss in the worse of the two columns of twist, skew and basis, in lots of spot.
    pub fn block_losses(&self) -> [f64; 3] {
        let blocks = &self.parameters.blocks;
        let ppm = |value: u32| f64::from(value) / 1e6;
        let (forwards, base) = (self.expiries.iter().map(Expiry::forward), self.base());
        let forwards: Vec<f64> = forwards.collect();
        let now = self.value(1.0, &base);
        let worst = |value: &dyn Fn(f64) -> f64| {
            [1.0, -1.0]
                .map(value)
                .into_iter()
                .fold(0.0, |worst: f64, value| worst.max(now - value))
        };
        let each = |size: &dyn Fn(f64) -> f64| -> Vec<f64> {
            let seconds = self.expiries.iter().map(|expiry| expiry.seconds as f64);
            seconds.map(size).collect()
        };
        [
            worst(&|sign| {
                let share = |seconds: f64| (seconds / 86_400.0 / 30.0).ln() / 12f64.ln();
                let twist = each(&|seconds| {
                    1.0 + sign * ppm(blocks.twist_ppm) * share(seconds).clamp(-1.0, 1.0)
                });
                self.value_of(1.0, &twist, &forwards, 0.0)
            }),
            worst(&|sign| self.value_of(1.0, &base, &forwards, sign * ppm(blocks.skew_ppm))),
            worst(&|sign| {
                let basis = each(&|seconds| {
                    let yearly = ppm(blocks.basis_annual_ppm) * seconds / YEAR_SECONDS;
                    1.0 + sign * (ppm(blocks.basis_ppm) + yearly)
                });
                let moved = forwards
                    .iter()
                    .zip(&basis)
                    .map(|(forward, by)| forward * by);
                self.value_of(1.0, &base, &moved.collect::<Vec<f64>>(), 0.0)
            }),
        ]
    }

    fn value_of(
        &self,
        multiple: f64,
        multipliers: &[f64],
        forwards: &[f64],
        rho_shift: f64,
    ) -> f64 {
        let forward = |expiry: usize| forwards[expiry];
        let mut options = vec![0i64; self.strikes.len()];
        let mut value = 0.0;
        for (holding, lots) in &self.legs {
            let units = *lots as f64;
            match *holding {
                Holding::Spot | Holding::Perpetual => value += units * multiple,
                Holding::Future(expiry) => value += units * forward(expiry) * multiple,
                Holding::Call(strike) => options[strike] += lots,
                Holding::Put(strike) => {
                    options[strike] += lots;
                    let Strike { expiry, mantissa } = self.strikes[strike];
                    value -=
                        units * (forward(expiry) * multiple - mantissa as f64 / self.spot as f64);
                }
            }
        }
        for (strike, lots) in self.strikes.iter().zip(options) {
            if lots != 0 {
                let ratio = strike.mantissa as f64 / self.spot as f64;
                let moved = forward(strike.expiry) * multiple;
                let s = self.total_vol_at(strike, rho_shift) * multipliers[strike.expiry];
                value +=
                    lots as f64 * (out_of_the_money(moved, ratio, s) + (moved - ratio).max(0.0));
            }
        }
        value
    }

    /// Unmoved total volatility of a strike; the smile sticks to the strike.
    fn total_vol(&self, strike: &Strike) -> f64 {
        self.total_vol_at(strike, 0.0)
    }

    fn total_vol_at(&self, strike: &Strike, rho_shift: f64) -> f64 {
        let expiry = &self.expiries[strike.expiry];
        let Expiry { seconds, smile, .. } = expiry;
        let k = (strike.mantissa as f64 / self.spot as f64 / expiry.forward()).ln();
        let rho = (smile.rho_ppb as f64 / 1e9 + rho_shift).clamp(-0.95, 0.95);
        let factor = ssvi_factor(rho, smile.phi_ppb as f64 / 1e9, k);
        smile.atm_vol_ppb as f64 / 1e9 * (*seconds as f64 / YEAR_SECONDS).sqrt() * factor
    }

    /// Largest loss over spot in the core range at these multipliers, in lots of spot.
    pub fn core_loss(&self, multipliers: &[f64], points: usize) -> f64 {
        let range = f64::from(self.parameters.spot_range_ppm) / 1e6;
        let base = self.value(1.0, &self.base());
        let loss = |multiple: f64| base - self.value(multiple, multipliers);
        self.largest(1.0 - range, 1.0 + range, points, multipliers, &loss)
    }

    /// Largest weighted loss over spot outside the core range, volatility up.
    pub fn tail_loss(&self, points: usize) -> f64 {
        let parameters = &self.parameters;
        let range = f64::from(parameters.spot_range_ppm) / 1e6;
        let (up, base) = (self.multipliers(2), self.value(1.0, &self.base()));
        let mut worst = 0f64;
        for side in [0, TAILS_PER_SIDE] {
            let sign = if side == 0 { -1.0 } else { 1.0 };
            let (mut inner, mut inner_weight) = (sign * range, 1.0);
            for tail in side..side + TAILS_PER_SIDE {
                let fall_limit = -f64::from(parameters.fall_limit_ppm) / 1e6;
                let outer =
                    (f64::from(parameters.tail_multiple_ppm[tail]) / 1e6 * range).max(fall_limit);
                let weight = f64::from(parameters.tail_weight_ppm[tail]) / 1e6;
                // The weight between two tails is interpolated in its inverse.
                let weight_at = |shock: f64| {
                    if outer == inner {
                        return weight;
                    }
                    let share = (shock - inner) / (outer - inner);
                    1.0 / ((1.0 - share) / inner_weight + share / weight)
                };
                let loss =
                    |multiple: f64| (base - self.value(multiple, &up)) * weight_at(multiple - 1.0);
                let (left, right) = (inner.min(outer), inner.max(outer));
                worst = worst.max(self.largest(1.0 + left, 1.0 + right, points, &up, &loss));
                (inner, inner_weight) = (outer, weight);
            }
        }
        worst
    }

    /// Largest `loss` in [low, high]: a grid, every strike and its surroundings, then refined.
    fn largest(
        &self,
        low: f64,
        high: f64,
        points: usize,
        multipliers: &[f64],
        loss: &dyn Fn(f64) -> f64,
    ) -> f64 {
        let mut at: Vec<f64> = (0..=points)
            .map(|i| low + (high - low) * i as f64 / points as f64)
            .collect();
        for strike in &self.strikes {
            let forward = self.expiries[strike.expiry].forward_q30 as f64 / (1u64 << 30) as f64;
            let kink = strike.mantissa as f64 / self.spot as f64 / forward;
            let s = self.total_vol(strike) * multipliers[strike.expiry];
            at.extend([-2.0, 0.0, 2.0].map(|distance| kink * f64::exp(distance * s)));
        }
        at.retain(|multiple| (low..=high).contains(multiple));
        at.sort_unstable_by(f64::total_cmp);
        let losses: Vec<f64> = at.iter().map(|multiple| loss(*multiple)).collect();
        let best = (0..at.len())
            .max_by(|a, b| losses[*a].total_cmp(&losses[*b]))
            .unwrap();
        let (mut left, mut right) = (at[best.saturating_sub(1)], at[(best + 1).min(at.len() - 1)]);
        let mut worst = losses[best];
        for _ in 0..40 {
            let third = (right - left) / 3.0;
            let (a, b) = (loss(left + third), loss(right - third));
            worst = worst.max(a).max(b);
            if a > b {
                right -= third;
            } else {
                left += third;
            }
        }
        worst.max(0.0)
    }

    /// One lot at spot, in micro-units.
    pub fn lot_value(&self) -> f64 {
        self.spot as f64 * 10f64.powi(self.price_exponent.into()) * self.lot_size as f64 * 1e-3
    }

    pub fn absolute_lots(&self) -> f64 {
        self.legs.iter().map(|(_, lots)| lots.abs() as f64).sum()
    }

    /// The engine's answer.
    pub fn risk(&self) -> Result<MarketRisk, RiskError> {
        self.risk_beside(0)
    }

    /// The engine's answer where the owner has other lots in the market.
    pub fn risk_beside(&self, other_lots: u64) -> Result<MarketRisk, RiskError> {
        let (mut arrays, legs, _) = self.arrays(&[])?;
        let mut risk = MarketRisk::EMPTY;
        arrays.evaluate_beside(&legs, other_lots, &mut risk)?;
        Ok(risk)
    }

    /// The arrays with the book's legs and further ones.
    pub fn arrays(
        &self,
        further: &[(Holding, i64)],
    ) -> Result<(MarketArrays, Vec<Leg>, Vec<Leg>), RiskError> {
        let inputs = MarketInputs {
            spot: Price(self.spot),
            price_exponent: self.price_exponent,
            lot_size: self.lot_size,
            grid: self.parameters.grid().unwrap(),
            oracle: self.oracle,
        };
        let mut arrays = MarketArrays::new(&inputs, self.expiries.len(), self.strikes.len())?;
        for (id, expiry) in self.expiries.iter().enumerate() {
            arrays.add_expiry(id as u8, expiry.seconds, expiry.forward_q30, &expiry.smile)?;
        }
        let mut legs = Vec::new();
        for (holding, lots) in self.legs.iter().chain(further) {
            let mut option = |kind, strike: usize| {
                let Strike { expiry, mantissa } = self.strikes[strike];
                arrays.option(kind, expiry as u8, Price(mantissa), ln_q40(mantissa), 0)
            };
            let instrument = match *holding {
                Holding::Spot => Instrument::Spot,
                Holding::Perpetual => Instrument::Perpetual,
                Holding::Future(expiry) => arrays.future(expiry as u8)?,
                Holding::Call(strike) => option(OptionKind::Call, strike)?,
                Holding::Put(strike) => option(OptionKind::Put, strike)?,
            };
            legs.push(Leg {
                instrument,
                lots: *lots,
            });
        }
        let further = legs.split_off(self.legs.len());
        Ok((arrays, legs, further))
    }
}

fn random_smile(random: &mut Random) -> Smile {
    let vol = random.log_uniform(0.2, 2.0);
    if random.below(2) == 0 {
        return Smile::flat((vol * 1e9) as u64);
    }
    Smile {
        atm_vol_ppb: (vol * 1e9) as u64,
        rho_ppb: (random.uniform(-0.7, 0.4) * 1e9) as i64,
        phi_ppb: (random.log_uniform(0.3, 3.0) * 1e9) as u64,
    }
}

// The node count only documents what `core_loss` covers.
const _: () = assert!(SPOT_NODES == 9);
