//! The scenario parameters of a market, from fractions to the engine's parts per million.

use estuary_risk::scenario::{
    ParameterError, ScenarioGrid, ScenarioParameters, SPOT_NODES, TAILS, TAILS_PER_SIDE,
};

use super::json::{At, Fields, InputError};
use super::notes::Notes;

const FIELDS: [&str; 20] = [
    "spot_range",
    "nodes",
    "tails",
    "fall_limit",
    "vol_up",
    "vol_down",
    "vol_power_short",
    "vol_power_long",
    "twist",
    "skew",
    "basis",
    "basis_annual",
    "short_minimum",
    "short_minimum_maintenance",
    "oracle_confidence",
    "oracle_age",
    "unwind_delta",
    "unwind_delta_impact",
    "unwind_vega",
    "unwind_vega_impact",
];

/// The defaults of a market: those of BTC, ETH and SOL, and SOL's, the widest, for any other symbol.
fn defaults(symbol: &str) -> ScenarioParameters {
    match symbol {
        "BTC" => ScenarioParameters::BTC,
        "ETH" => ScenarioParameters::ETH,
        _ => ScenarioParameters::SOL,
    }
}

/// Reads `parameters` (all optional) of the market at `path` and derives their grid.
pub fn read(
    symbol: &str,
    market: &Fields<'_>,
    notes: &mut Notes,
) -> Result<(ScenarioParameters, ScenarioGrid), InputError> {
    let mut parameters = defaults(symbol);
    if let Some(at) = market.optional("parameters") {
        read_fields(&at.object(&FIELDS)?, &mut parameters, notes)?;
    }
    let path = market.path_of("parameters");
    let grid = parameters.grid();
    let grid = grid.map_err(|error| explain(&path, error, &parameters))?;
    Ok((parameters, grid))
}

fn read_fields(
    fields: &Fields<'_>,
    parameters: &mut ScenarioParameters,
    notes: &mut Notes,
) -> Result<(), InputError> {
    let plain = [
        ("spot_range", &mut parameters.spot_range_ppm),
        ("fall_limit", &mut parameters.fall_limit_ppm),
        ("vol_up", &mut parameters.vol_up_ppm),
        ("vol_down", &mut parameters.vol_down_ppm),
        ("vol_power_short", &mut parameters.vol_power_short_ppm),
        ("vol_power_long", &mut parameters.vol_power_long_ppm),
        ("twist", &mut parameters.blocks.twist_ppm),
        ("skew", &mut parameters.blocks.skew_ppm),
        ("basis", &mut parameters.blocks.basis_ppm),
        ("basis_annual", &mut parameters.blocks.basis_annual_ppm),
        ("short_minimum", &mut parameters.charges.short_minimum_ppm),
        (
            "short_minimum_maintenance",
            &mut parameters.charges.short_minimum_maintenance_ppm,
        ),
        (
            "oracle_confidence",
            &mut parameters.charges.oracle_confidence_ppm,
        ),
        ("oracle_age", &mut parameters.charges.oracle_age_ppm),
        ("unwind_delta", &mut parameters.liquidity.unwind_delta_ppm),
        (
            "unwind_delta_impact",
            &mut parameters.liquidity.unwind_delta_impact_ppm,
        ),
        ("unwind_vega", &mut parameters.liquidity.unwind_vega_ppm),
        (
            "unwind_vega_impact",
            &mut parameters.liquidity.unwind_vega_impact_ppm,
        ),
    ];
    for (name, target) in plain {
        if let Some(at) = fields.optional(name) {
            *target = ppm(&at, notes)?;
        }
    }
    if let Some(at) = fields.optional("nodes") {
        let nodes = at.list()?;
        if nodes.len() != SPOT_NODES {
            let message = format!("needs {SPOT_NODES} nodes, found {}", nodes.len());
            return Err(at.fail(message));
        }
        for (target, node) in parameters.node_ppm.iter_mut().zip(&nodes) {
            *target = ppm(node, notes)?;
        }
    }
    match fields.optional("tails") {
        Some(at) => read_tails(&at, parameters, notes),
        None => Ok(()),
    }
}

/// At most three falls and three rises, each outwards; sides that are left short are switched off there.
fn read_tails(
    at: &At<'_>,
    parameters: &mut ScenarioParameters,
    notes: &mut Notes,
) -> Result<(), InputError> {
    let (mut multiples, mut weights) = ([0i32; TAILS], [0u32; TAILS]);
    let mut counts = [0usize; 2];
    for tail in at.list()? {
        let fields = tail.object(&["multiple", "weight"])?;
        let at_multiple = fields.required("multiple")?;
        let multiple: i32 = ppm(&at_multiple, notes)?;
        let side = usize::from(multiple > 0);
        if side == 0 && counts[1] > 0 {
            return Err(at_multiple.fail("falls come before rises"));
        }
        if counts[side] == TAILS_PER_SIDE {
            let message = format!("more than {TAILS_PER_SIDE} tails on one side");
            return Err(at_multiple.fail(message));
        }
        let index = side * TAILS_PER_SIDE + counts[side];
        multiples[index] = multiple;
        weights[index] = ppm(&fields.required("weight")?, notes)?;
        counts[side] += 1;
    }
    for (side, count) in counts.into_iter().enumerate() {
        // A tail of weight 0 is off; its place only has to lie further out than the last one on.
        let direction = if side == 0 { -1 } else { 1 };
        let first = side * TAILS_PER_SIDE;
        let mut inner = match count {
            0 => direction * 1_000_000,
            on => multiples[first + on - 1],
        };
        for multiple in &mut multiples[first + count..first + TAILS_PER_SIDE] {
            inner = inner.saturating_add(direction);
            *multiple = inner;
        }
    }
    parameters.tail_multiple_ppm = multiples;
    parameters.tail_weight_ppm = weights;
    Ok(())
}

/// A fraction in parts per million, to the nearest, the rounding recorded.
fn ppm<T: TryFrom<i128>>(at: &At<'_>, notes: &mut Notes) -> Result<T, InputError> {
    let value = at.decimal()?;
    notes
        .nearest(&at.path, value, 6)
        .and_then(|ppm| T::try_from(ppm).ok())
        .ok_or_else(|| at.fail(format!("{value} is out of range")))
}

/// The engine's refusal in the names of the input.
fn explain(path: &str, error: ParameterError, parameters: &ScenarioParameters) -> InputError {
    let limit = f64::from(parameters.fall_limit_ppm) / 1e6;
    let (field, message) = match error {
        ParameterError::SpotRange => (
            "spot_range",
            format!("must be at least 0.01 and below fall_limit ({limit})"),
        ),
        ParameterError::Nodes => (
            "nodes",
            "must rise from -1 to 1 with 0 in the middle".to_owned(),
        ),
        ParameterError::Tails => (
            "tails",
            "multiples must move outwards from -1 and 1, and none may multiply spot by more than 4"
                .to_owned(),
        ),
        ParameterError::TailWeights => (
            "tails",
            "weights must lie in 0..1 and not rise outwards".to_owned(),
        ),
        ParameterError::FallLimit => (
            "fall_limit",
            "must be above 0 and leave at least 5% of spot".to_owned(),
        ),
        ParameterError::VolUp => (
            "vol_up",
            "raises volatility by more than 175% at one day to expiry (after its power)".to_owned(),
        ),
        ParameterError::VolDown => (
            "vol_down",
            "leaves less than 10% of the volatility at one day to expiry (after its power)"
                .to_owned(),
        ),
        ParameterError::VolPower => (
            if parameters.vol_power_short_ppm > 1_000_000 {
                "vol_power_short"
            } else {
                "vol_power_long"
            },
            "must be at most 1".to_owned(),
        ),
        ParameterError::Twist => ("twist", "must be at most 0.5".to_owned()),
        ParameterError::Skew => ("skew", "must be at most 0.5".to_owned()),
        ParameterError::Basis => ("basis", "must be at most 0.1".to_owned()),
        ParameterError::BasisAnnual => ("basis_annual", "must be at most 0.5".to_owned()),
        ParameterError::ShortMinimum => ("short_minimum", "must be at most 0.1".to_owned()),
        ParameterError::ShortMinimumMaintenance => (
            "short_minimum_maintenance",
            "must be at most short_minimum".to_owned(),
        ),
        ParameterError::OracleConfidence => ("oracle_confidence", "must be at most 10".to_owned()),
        ParameterError::OracleAge => ("oracle_age", "must be at most 0.01".to_owned()),
        ParameterError::UnwindDelta => ("unwind_delta", "must be at most 0.1".to_owned()),
        ParameterError::UnwindDeltaImpact => {
            ("unwind_delta_impact", "must be at most 1".to_owned())
        }
        ParameterError::UnwindVega => ("unwind_vega", "must be at most 0.5".to_owned()),
        ParameterError::UnwindVegaImpact => ("unwind_vega_impact", "must be at most 1".to_owned()),
    };
    InputError::new(format!("{path}.{field}"), message)
}
