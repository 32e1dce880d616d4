//! What the keys of a market mean, and whether their values can be deployed.

use std::ops::RangeInclusive;

use anchor_lang::prelude::Pubkey;
use estuary::instructions::{CreateMarketArgs, ScenarioArgs};
use estuary::state::MAX_SERIES;
use estuary_risk::blocks::BlockParameters;
use estuary_risk::charges::ChargeParameters;
use estuary_risk::liquidity::LiquidityParameters;
use estuary_risk::portfolio::MIN_FLOOR_PPM;
use estuary_risk::returns::{MAX_STRESS_VOL_PPM, MIN_STRESS_VOL_PPM};
use estuary_risk::scenario::{ParameterError, ScenarioParameters};
use toml::Spanned;

use super::raw::Market;
use super::resolve::{integer, public_key, wrong, ANY};
use super::values::{Int, Parameters};
use super::{relative, series, ConfigError, InitialSurface, MarketConfig};

/// A whole in parts per million.
pub const PPM: i128 = 1_000_000;

/// A market whose missing keys came from the defaults, with what errors about it need.
pub struct Source<'a> {
    /// Its keys.
    pub keys: &'a Market,
    /// The file.
    pub text: &'a str,
    /// Where the market begins.
    pub start: usize,
    /// Its symbol.
    pub symbol: &'a str,
    /// Its first price at its exponent, in a template.
    pub first_price: Option<u64>,
    /// The expiry called `first`.
    pub first_expiry: Option<i64>,
}

impl Source<'_> {
    /// An error about a key of this market.
    pub fn error(&self, key: &str, at: usize, message: impl Into<String>) -> ConfigError {
        wrong(self.text, at, &format!("market.{key}"), message)
    }

    /// The error about a key that neither the market nor the defaults have.
    pub fn missing(&self, key: &str) -> ConfigError {
        let message = format!(
            "missing: neither market {} nor market_defaults has it",
            self.symbol
        );
        self.error(key, self.start, message)
    }

    /// A number of this market in its range.
    pub fn int(
        &self,
        key: &str,
        value: &Option<Spanned<Int>>,
        range: RangeInclusive<i128>,
    ) -> Result<i128, ConfigError> {
        let value = value.as_ref().ok_or_else(|| self.missing(key))?;
        integer(self.text, &format!("market.{key}"), value, range)
    }

    /// A number of at most 32 bits, in parts per million or seconds.
    fn small(
        &self,
        key: &str,
        value: &Option<Spanned<Int>>,
        range: RangeInclusive<i128>,
    ) -> Result<u32, ConfigError> {
        let number = self.int(key, value, range)?;
        u32::try_from(number).map_err(|_| self.missing(key))
    }

    /// A fraction in parts per million.
    fn fraction(
        &self,
        key: &str,
        value: &Option<Spanned<Int>>,
        range: RangeInclusive<i128>,
    ) -> Result<f64, ConfigError> {
        Ok(self.int(key, value, range)? as f64 / PPM as f64)
    }

    /// The whole market.
    pub fn market(&self, exponent: i8) -> Result<MarketConfig, ConfigError> {
        let contracts = series::contracts(self, exponent)?;
        let needed = contracts.len();
        let most = MAX_SERIES as i128;
        let capacity = match &self.keys.capacity_series {
            None => needed as i128,
            given => self.int("capacity_series", given, needed as i128..=most)?,
        };
        Ok(MarketConfig {
            symbol: self.symbol.to_owned(),
            args: self.args(exponent)?,
            capacity: u16::try_from(capacity).map_err(|_| self.missing("capacity_series"))?,
            surface: self.surface()?,
            contracts,
        })
    }

    /// Arguments of `create_market`.
    fn args(&self, exponent: i8) -> Result<CreateMarketArgs, ConfigError> {
        let keys = self.keys;
        let day = 86_400;
        let limit = i128::from(u64::MAX);
        let most_lots = |key, value| Ok(self.int(key, value, 0..=limit)? as u64);
        Ok(CreateMarketArgs {
            symbol: padded(self.symbol),
            feed_id: self.feed()?,
            price_program: self.price_program()?,
            price_exponent: exponent,
            lot_size: self.lot_size(exponent)?,
            max_price_age_seconds: self.small(
                "max_price_age_seconds",
                &keys.max_price_age_seconds,
                1..=day,
            )?,
            max_confidence_ppm: self.small(
                "max_confidence_ppm",
                &keys.max_confidence_ppm,
                1..=PPM,
            )?,
            band_spot_ppm: self.small("band_spot_ppm", &keys.band_spot_ppm, 1..=PPM)?,
            band_vega_ppm: self.small("band_vega_ppm", &keys.band_vega_ppm, 0..=PPM)?,
            liquidation_delta_ppm: self.small(
                "liquidation_delta_ppm",
                &keys.liquidation_delta_ppm,
                1..=PPM / 10,
            )?,
            liquidation_vega_ppm: self.small(
                "liquidation_vega_ppm",
                &keys.liquidation_vega_ppm,
                0..=PPM,
            )?,
            liquidation_insurance_ppm: self.small(
                "liquidation_insurance_ppm",
                &keys.liquidation_insurance_ppm,
                0..=PPM,
            )?,
            max_series_open_interest: most_lots(
                "max_series_open_interest_lots",
                &keys.max_series_open_interest_lots,
            )?,
            max_market_open_interest: most_lots(
                "max_market_open_interest_lots",
                &keys.max_market_open_interest_lots,
            )?,
            maker_fee_ppm: self.small("maker_fee_ppm", &keys.maker_fee_ppm, 0..=PPM / 100)?,
            taker_fee_ppm: self.small("taker_fee_ppm", &keys.taker_fee_ppm, 0..=PPM / 100)?,
            option_fee_cap_ppm: self.small(
                "option_fee_cap_ppm",
                &keys.option_fee_cap_ppm,
                0..=PPM,
            )?,
            offset_floor_ppm: self.small(
                "offset_floor_ppm",
                &keys.offset_floor_ppm,
                MIN_FLOOR_PPM.into()..=PPM,
            )?,
            stress_vol_ppm: self.small(
                "stress_vol_ppm",
                &keys.stress_vol_ppm,
                MIN_STRESS_VOL_PPM.into()..=MAX_STRESS_VOL_PPM.into(),
            )?,
            // Which market is which is known only when all are.
            offsets: Vec::new(),
            parameters: self.parameters()?,
        })
    }

    /// The feed, by number or by name.
    fn feed(&self) -> Result<[u8; 32], ConfigError> {
        match (&self.keys.feed_id, &self.keys.feed_name) {
            (Some(_), Some(name)) => {
                Err(self.error("feed_name", name.span().start, "feed_id is given too"))
            }
            (None, None) => Err(self.missing("feed_id")),
            (None, Some(name)) => {
                let text = name.get_ref().replace(ANY, self.symbol);
                if text.is_empty() || text.len() > 32 {
                    let message = format!("«{text}» is not 1 to 32 bytes");
                    return Err(self.error("feed_name", name.span().start, message));
                }
                Ok(padded(&text))
            }
            (Some(id), None) => {
                let text = id.get_ref().trim_start_matches("0x");
                hexadecimal(text).ok_or_else(|| {
                    let message = format!("«{text}» is not 64 hexadecimal digits");
                    self.error("feed_id", id.span().start, message)
                })
            }
        }
    }

    /// The oracle program.
    fn price_program(&self) -> Result<Pubkey, ConfigError> {
        let key = "price_program";
        let given = self.keys.price_program.as_ref();
        let given = given.ok_or_else(|| self.missing(key))?;
        let program = public_key(self.text, "market.price_program", given)?;
        if !estuary::oracle::is_supported(&program) {
            let message = format!("{program} is not an oracle program that Estuary reads");
            return Err(self.error(key, given.span().start, message));
        }
        Ok(program)
    }

    /// The lot, as a number or by its worth.
    fn lot_size(&self, exponent: i8) -> Result<u64, ConfigError> {
        let most = 1_000_000_000_000;
        let (size, worth) = (&self.keys.lot_size_billionths, &self.keys.lot_worth);
        match (size, worth) {
            (Some(_), Some(worth)) => {
                let message = "lot_size_billionths is given too";
                Err(self.error("lot_worth", worth.span().start, message))
            }
            (None, Some(at)) => {
                let worth = self.int("lot_worth", worth, 1..=most)?;
                let price = self.first_price("lot_worth", at.span().start)?;
                Ok(relative::lot_size(price, exponent, worth as u64))
            }
            _ => Ok(self.int("lot_size_billionths", size, 1..=most)? as u64),
        }
    }

    /// The first price, which a relative key needs.
    pub fn first_price(&self, key: &str, at: usize) -> Result<u64, ConfigError> {
        self.first_price.ok_or_else(|| {
            let message = format!("needs the first price of {}", self.symbol);
            self.error(key, at, message)
        })
    }

    /// What is posted for a new expiry.
    fn surface(&self) -> Result<InitialSurface, ConfigError> {
        let keys = self.keys;
        Ok(InitialSurface {
            atm_vol: self.fraction(
                "initial_atm_vol_ppm",
                &keys.initial_atm_vol_ppm,
                5_000..=12 * PPM,
            )?,
            rho: self.fraction("initial_rho_ppm", &keys.initial_rho_ppm, 1 - PPM..=PPM - 1)?,
            curvature: self.fraction(
                "initial_curvature_ppm",
                &keys.initial_curvature_ppm,
                1..=2 * PPM,
            )?,
            basis_rate: self.fraction(
                "initial_basis_rate_ppm",
                &keys.initial_basis_rate_ppm,
                -PPM..=PPM,
            )?,
        })
    }

    /// Scenario parameters, which the risk engine checks.
    fn parameters(&self) -> Result<ScenarioArgs, ConfigError> {
        let key = "parameters";
        let given = self.keys.parameters.as_ref();
        let given = given.ok_or_else(|| self.missing(key))?;
        let at = given.span().start;
        let parameters = match given.get_ref() {
            Parameters::Preset(name) => match name.as_str() {
                "btc" => ScenarioParameters::BTC,
                "eth" => ScenarioParameters::ETH,
                "sol" => ScenarioParameters::SOL,
                _ => {
                    let message = format!("«{name}» is not btc, eth, sol or a table");
                    return Err(self.error(key, at, message));
                }
            },
            Parameters::Table(table) => ScenarioParameters {
                spot_range_ppm: table.spot_range_ppm,
                node_ppm: table.node_ppm,
                tail_multiple_ppm: table.tail_multiple_ppm,
                tail_weight_ppm: table.tail_weight_ppm,
                fall_limit_ppm: table.fall_limit_ppm,
                vol_up_ppm: table.vol_up_ppm,
                vol_down_ppm: table.vol_down_ppm,
                vol_power_short_ppm: table.vol_power_short_ppm,
                vol_power_long_ppm: table.vol_power_long_ppm,
                blocks: BlockParameters {
                    twist_ppm: table.twist_ppm,
                    skew_ppm: table.skew_ppm,
                    basis_ppm: table.basis_ppm,
                    basis_annual_ppm: table.basis_annual_ppm,
                },
                charges: ChargeParameters {
                    short_minimum_ppm: table.short_minimum_ppm,
                    short_minimum_maintenance_ppm: table.short_minimum_maintenance_ppm,
                    oracle_confidence_ppm: table.oracle_confidence_ppm,
                    oracle_age_ppm: table.oracle_age_ppm,
                },
                liquidity: LiquidityParameters {
                    unwind_delta_ppm: table.unwind_delta_ppm,
                    unwind_delta_impact_ppm: table.unwind_delta_impact_ppm,
                    unwind_vega_ppm: table.unwind_vega_ppm,
                    unwind_vega_impact_ppm: table.unwind_vega_impact_ppm,
                },
            },
        };
        if let Err(error) = parameters.grid() {
            let (name, message) = parameter_error(error);
            return Err(self.error(&format!("{key}.{name}"), at, message));
        }
        Ok(ScenarioArgs {
            spot_range_ppm: parameters.spot_range_ppm,
            node_ppm: parameters.node_ppm,
            tail_multiple_ppm: parameters.tail_multiple_ppm,
            tail_weight_ppm: parameters.tail_weight_ppm,
            fall_limit_ppm: parameters.fall_limit_ppm,
            vol_up_ppm: parameters.vol_up_ppm,
            vol_down_ppm: parameters.vol_down_ppm,
            vol_power_short_ppm: parameters.vol_power_short_ppm,
            vol_power_long_ppm: parameters.vol_power_long_ppm,
            twist_ppm: parameters.blocks.twist_ppm,
            skew_ppm: parameters.blocks.skew_ppm,
            basis_ppm: parameters.blocks.basis_ppm,
            basis_annual_ppm: parameters.blocks.basis_annual_ppm,
            short_minimum_ppm: parameters.charges.short_minimum_ppm,
            short_minimum_maintenance_ppm: parameters.charges.short_minimum_maintenance_ppm,
            oracle_confidence_ppm: parameters.charges.oracle_confidence_ppm,
            oracle_age_ppm: parameters.charges.oracle_age_ppm,
            unwind_delta_ppm: parameters.liquidity.unwind_delta_ppm,
            unwind_delta_impact_ppm: parameters.liquidity.unwind_delta_impact_ppm,
            unwind_vega_ppm: parameters.liquidity.unwind_vega_ppm,
            unwind_vega_impact_ppm: parameters.liquidity.unwind_vega_impact_ppm,
        })
    }
}

/// Key and words for a scenario parameter that the engine refuses.
fn parameter_error(error: ParameterError) -> (&'static str, &'static str) {
    match error {
        ParameterError::SpotRange => ("spot_range_ppm", "is below 1% or not below fall_limit_ppm"),
        ParameterError::Nodes => ("node_ppm", "do not rise from −1 to +1 with 0 in the middle"),
        ParameterError::Tails => (
            "tail_multiple_ppm",
            "do not move outwards from ±1, or one multiplies spot by more than 4",
        ),
        ParameterError::TailWeights => ("tail_weight_ppm", "exceeds 1 or rises outwards"),
        ParameterError::FallLimit => ("fall_limit_ppm", "is zero or leaves less than 5% of spot"),
        ParameterError::VolUp => ("vol_up_ppm", "scaled to one day exceeds 175%"),
        ParameterError::VolDown => (
            "vol_down_ppm",
            "scaled to one day would leave less than 10% of volatility",
        ),
        ParameterError::VolPower => ("vol_power_short_ppm", "or vol_power_long_ppm exceeds 1"),
        ParameterError::Twist => ("twist_ppm", "exceeds 50%"),
        ParameterError::Skew => ("skew_ppm", "exceeds 0.5"),
        ParameterError::Basis => ("basis_ppm", "exceeds 10%"),
        ParameterError::BasisAnnual => ("basis_annual_ppm", "exceeds 50% a year"),
        ParameterError::ShortMinimum => ("short_minimum_ppm", "exceeds 10%"),
        ParameterError::ShortMinimumMaintenance => {
            ("short_minimum_maintenance_ppm", "exceeds short_minimum_ppm")
        }
        ParameterError::OracleConfidence => ("oracle_confidence_ppm", "exceeds 10"),
        ParameterError::OracleAge => ("oracle_age_ppm", "exceeds 1%"),
        ParameterError::UnwindDelta => ("unwind_delta_ppm", "exceeds 10%"),
        ParameterError::UnwindDeltaImpact => {
            ("unwind_delta_impact_ppm", "exceeds 100% per million")
        }
        ParameterError::UnwindVega => ("unwind_vega_ppm", "exceeds 50%"),
        ParameterError::UnwindVegaImpact => ("unwind_vega_impact_ppm", "exceeds 100% per million"),
    }
}

/// Text as bytes, padded with zeros.
fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    for (place, byte) in bytes.iter_mut().zip(text.bytes()) {
        *place = byte;
    }
    bytes
}

/// 32 bytes out of 64 hexadecimal digits.
fn hexadecimal(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}
