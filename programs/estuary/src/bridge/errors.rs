//! The engine's errors as errors of the program, with the numbers that decided.

use crate::error::EstuaryError;
use anchor_lang::prelude::*;
use estuary_risk::{
    liquidation::LiquidationError,
    margin::{MarginReport, Refusal},
    returns::OffsetError,
    scenario::ParameterError,
    smile::SmileError,
    units::RiskError,
};

/// Whether value may leave an account in the state the report describes.
///
/// # Errors
/// [`EstuaryError::SeniorNegative`], [`EstuaryError::BelowInitialMargin`].
pub fn check_can_pay_out(report: &MarginReport) -> Result<()> {
    report
        .check_withdrawal()
        .map_err(|refusal| refusal_error(refusal, report))
}

/// Whether a liquidator is healthy after taking positions, in the state the report describes.
///
/// # Errors
/// [`EstuaryError::LiquidatorBelowInitialMargin`]; [`EstuaryError::SeniorNegative`] when it paid premium out of gains
/// that are not realised.
pub fn check_liquidator(report: &MarginReport, paid_premium: bool) -> Result<()> {
    if report.equity < report.initial_margin {
        let values = (report.equity.0, report.initial_margin.0);
        return Err(error!(EstuaryError::LiquidatorBelowInitialMargin).with_values(values));
    }
    if paid_premium && report.senior.0 < 0 {
        return Err(error!(EstuaryError::SeniorNegative).with_values((report.senior.0, 0)));
    }
    Ok(())
}

/// The program's error for an engine's refusal, with the numbers that decided it.
#[must_use]
pub fn refusal_error(refusal: Refusal, after: &MarginReport) -> Error {
    let (equity, initial) = (after.equity.0, after.initial_margin.0);
    match refusal {
        Refusal::DoesNotReduce => error!(EstuaryError::FailingAccountDoesNotReduce),
        Refusal::BelowInitialMargin => {
            error!(EstuaryError::BelowInitialMargin).with_values((equity, initial))
        }
        Refusal::SeniorEquityNegative => {
            error!(EstuaryError::SeniorNegative).with_values((after.senior.0, 0))
        }
        Refusal::LowersHealth => {
            error!(EstuaryError::WeakAccountHealthFalls).with_values((equity, initial))
        }
        Refusal::WorseThanMark => error!(EstuaryError::WeakAccountLegWorseThanMark),
        Refusal::EquityFalls => {
            error!(EstuaryError::WeakAccountEquityFalls).with_values((equity, initial))
        }
        Refusal::EquityNegative => {
            error!(EstuaryError::WeakAccountEquityNegative).with_values((equity, 0))
        }
        Refusal::Risk(error) => risk_error(error),
    }
}

/// The program's error for an engine's error.
#[must_use]
pub fn risk_error(error: RiskError) -> Error {
    let error = match error {
        RiskError::MoneyOverflow => EstuaryError::AmountOverflow,
        RiskError::TooManyLots => EstuaryError::LotsOverflow,
        RiskError::BadLotValue => EstuaryError::LotValueOutOfRange,
        RiskError::ForwardOutOfRange => EstuaryError::ForwardOutOfRange,
        RiskError::ZeroStrike => EstuaryError::StrikeInvalid,
        RiskError::VolOutOfRange => EstuaryError::VolOutOfRange,
        RiskError::CapacityExceeded => EstuaryError::EngineCapacity,
        RiskError::UnknownInstrument => EstuaryError::SlotUnknown,
    };
    error!(error)
}

/// The program's error for a liquidation that does not happen.
#[must_use]
pub fn liquidation_error(error: LiquidationError) -> Error {
    match error {
        LiquidationError::NotLiquidatable {
            equity,
            maintenance_margin,
        } => error!(EstuaryError::NotLiquidatable).with_values((equity.0, maintenance_margin.0)),
        LiquidationError::SizeTooSmall { max_notional } => {
            error!(EstuaryError::LiquidationSizeTooSmall).with_values((max_notional, 0))
        }
        LiquidationError::NothingToTake => error!(EstuaryError::NothingToLiquidate),
        LiquidationError::Risk(error) => risk_error(error),
    }
}

pub(super) fn offset_error(error: OffsetError) -> EstuaryError {
    match error {
        OffsetError::Offset => EstuaryError::OffsetInvalid,
        OffsetError::CorrelationFull => EstuaryError::CorrelationFullInvalid,
        OffsetError::CorrelationZero => EstuaryError::CorrelationZeroInvalid,
        OffsetError::Floor => EstuaryError::OffsetFloorInvalid,
        OffsetError::StressVol => EstuaryError::StressVolInvalid,
    }
}

pub(super) fn parameter_error(error: ParameterError) -> EstuaryError {
    match error {
        ParameterError::SpotRange => EstuaryError::SpotRangeInvalid,
        ParameterError::Nodes => EstuaryError::NodesInvalid,
        ParameterError::Tails => EstuaryError::TailsInvalid,
        ParameterError::TailWeights => EstuaryError::TailWeightsInvalid,
        ParameterError::FallLimit => EstuaryError::FallLimitInvalid,
        ParameterError::VolUp => EstuaryError::VolUpInvalid,
        ParameterError::VolDown => EstuaryError::VolDownInvalid,
        ParameterError::VolPower => EstuaryError::VolPowerInvalid,
        ParameterError::Twist => EstuaryError::TwistInvalid,
        ParameterError::Skew => EstuaryError::SkewInvalid,
        ParameterError::Basis => EstuaryError::BasisShockInvalid,
        ParameterError::BasisAnnual => EstuaryError::BasisAnnualInvalid,
        ParameterError::ShortMinimum => EstuaryError::ShortMinimumInvalid,
        ParameterError::ShortMinimumMaintenance => EstuaryError::ShortMinimumMaintenanceInvalid,
        ParameterError::OracleConfidence => EstuaryError::OracleConfidenceInvalid,
        ParameterError::OracleAge => EstuaryError::OracleAgeInvalid,
        ParameterError::UnwindDelta => EstuaryError::UnwindDeltaInvalid,
        ParameterError::UnwindDeltaImpact => EstuaryError::UnwindDeltaImpactInvalid,
        ParameterError::UnwindVega => EstuaryError::UnwindVegaInvalid,
        ParameterError::UnwindVegaImpact => EstuaryError::UnwindVegaImpactInvalid,
    }
}

pub(super) fn smile_error(error: SmileError) -> EstuaryError {
    match error {
        SmileError::AtmVol => EstuaryError::AtmVolInvalid,
        SmileError::Rho => EstuaryError::RhoInvalid,
        SmileError::Phi => EstuaryError::PhiInvalid,
        SmileError::SqrtTau => EstuaryError::ExpiryTooFar,
        SmileError::ButterflyWings | SmileError::ButterflyCurvature => {
            EstuaryError::SurfaceButterfly
        }
        SmileError::WingVol => EstuaryError::WingVolInvalid,
        SmileError::Calendar(_) => EstuaryError::SurfaceCalendar,
    }
}
