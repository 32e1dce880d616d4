//! From the markets' risks to an account's requirement, its equity in two layers, and what its health
//! allows (sections 5, 7 and 8 of `margin-model.md`).

use crate::market::MarketRisk;
use crate::portfolio::{Offsets, Portfolio, PortfolioSums};
use crate::units::{Money, RiskError};

/// Initial margin is at least gross exposure divided by this: "up to 20:1 hedged".
pub const GROSS_DIVISOR_INITIAL: u32 = 20;
/// Maintenance margin is at least gross exposure divided by this.
pub const GROSS_DIVISOR_MAINTENANCE: u32 = 25;
/// Maintenance margin as a fraction of the scenario loss, parts per million.
pub const MAINTENANCE_FRACTION_PPM: u32 = 800_000;
/// Liquidation stops at maintenance margin plus this share of the way to initial margin, ppm.
pub const LIQUIDATION_TARGET_PPM: u32 = 400_000;

/// Everything of an account that counts, summed over its markets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountTotals {
    /// Settlement token.
    pub cash: Money,
    /// Value of owned less borrowed underlying.
    pub spot_value: Money,
    /// Value of options at mark.
    pub option_value: Money,
    /// Profit and loss of perpetuals and futures not yet settled: value at mark plus cost.
    pub unsettled: Money,
    /// What the markets' scenarios take alone: their certified losses with twist, skew and basis, added. P is at most this.
    pub scenario_loss: Money,
    /// What they lose and gain together, of which P is made.
    pub portfolio: PortfolioSums,
    /// SOM: the markets' short-option minimums of the initial margin, added.
    pub short_minimum: Money,
    /// Those of the maintenance margin, added.
    pub short_minimum_maintenance: Money,
    /// OC: the markets' oracle contingencies, added.
    pub oracle_contingency: Money,
    /// LC: the markets' liquidity costs, added.
    pub liquidity_cost: Money,
    /// G: gross exposure.
    pub gross: Money,
}

/// The answer to "how much is it worth, and how much must it be worth".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarginReport {
    /// What supports positions: everything at mark.
    pub equity: Money,
    /// What may leave: neither a net gain of the options nor one of the unsettled profit and loss counts, also not
    /// against a loss of the other; losses do.
    pub senior: Money,
    /// Needed to increase risk.
    pub initial_margin: Money,
    /// Below it the account may be liquidated.
    pub maintenance_margin: Money,
}

impl AccountTotals {
    /// An account that holds only cash so far.
    pub fn with_cash(cash: Money) -> Self {
        Self {
            cash,
            ..Self::default()
        }
    }

    /// Adds a market; `cost` is the sum of the cost of the account's linear positions in it. Markets are added in the order of
    /// the offsets that the report is made with, those without positions included.
    pub fn add_market(&mut self, risk: &MarketRisk, cost: Money) -> Result<(), RiskError> {
        self.add_market_at(self.portfolio.next_place(), risk, cost)
    }

    /// [`AccountTotals::add_market`] of one whose place in the offsets is this.
    pub(crate) fn add_market_at(
        &mut self,
        place: u8,
        risk: &MarketRisk,
        cost: Money,
    ) -> Result<(), RiskError> {
        self.spot_value = self.spot_value.plus(risk.spot_value)?;
        self.option_value = self.option_value.plus(risk.option_value)?;
        self.unsettled = self.unsettled.plus(risk.linear_value)?.plus(cost)?;
        let parts = risk.parts()?;
        self.scenario_loss = self.scenario_loss.plus(parts.scenario_loss)?;
        self.portfolio.add(
            place,
            &risk.node_losses,
            parts.certified_loss,
            parts.besides,
        )?;
        self.short_minimum = self.short_minimum.plus(parts.short_minimum)?;
        self.short_minimum_maintenance = self
            .short_minimum_maintenance
            .plus(parts.short_minimum_maintenance)?;
        self.oracle_contingency = self.oracle_contingency.plus(risk.oracle_contingency)?;
        self.liquidity_cost = self.liquidity_cost.plus(risk.liquidity_cost)?;
        self.gross = self.gross.plus(risk.gross)?;
        Ok(())
    }

    /// X and P in both margins: what the scenarios take of all markets together.
    pub fn portfolio_with(&self, offsets: &Offsets) -> Result<Portfolio, RiskError> {
        self.portfolio.portfolio(offsets, self.scenario_loss)
    }

    /// What the positions can lose at most. Without debts, shorts and linear positions that is what they are worth, so
    /// that an account which only owns can always leave and is never liquidated.
    fn most_to_lose(&self) -> Result<Money, RiskError> {
        let owes = self.gross != Money(0) || self.cash < Money(0) || self.unsettled < Money(0);
        if owes {
            return Ok(Money(i64::MAX));
        }
        self.spot_value.plus(self.option_value)
    }

    /// The report without offsets across markets. Requirements are rounded up.
    pub fn report(&self) -> Result<MarginReport, RiskError> {
        self.report_with(&Offsets::NONE)
    }

    /// The report. Requirements are rounded up.
    pub fn report_with(&self, offsets: &Offsets) -> Result<MarginReport, RiskError> {
        let ((initial, maintenance), _) = self.portfolio.losses(offsets, self.scenario_loss)?;
        self.report_of(initial, maintenance)
    }

    /// The report with P of the initial and of the maintenance margin as [`AccountTotals::portfolio_with`] has them.
    pub fn report_of(
        &self,
        loss_initial: Money,
        loss_maintenance: Money,
    ) -> Result<MarginReport, RiskError> {
        let contracts = self.option_value.plus(self.unsettled)?;
        let owned = self.cash.plus(self.spot_value)?;
        let floor = |divisor| self.gross.mul_div_up(1, divisor);
        let most = self.most_to_lose()?;
        let initial_margin = loss_initial
            .min(most)
            .plus(self.short_minimum)?
            .plus(self.liquidity_cost)?
            .plus(self.oracle_contingency)?
            .min(most)
            .max(floor(GROSS_DIVISOR_INITIAL)?);
        let maintenance_margin = loss_maintenance
            .min(most)
            .mul_div_up(MAINTENANCE_FRACTION_PPM, 1_000_000)?
            .plus(self.short_minimum_maintenance)?
            .plus(self.liquidity_cost)?
            .max(floor(GROSS_DIVISOR_MAINTENANCE)?)
            .min(initial_margin);
        Ok(MarginReport {
            equity: owned.plus(contracts)?,
            senior: owned
                .plus(self.option_value.min(Money(0)))?
                .plus(self.unsettled.min(Money(0)))?,
            initial_margin,
            maintenance_margin,
        })
    }
}

impl MarginReport {
    /// Equity less initial margin.
    pub fn health_initial(&self) -> Result<Money, RiskError> {
        self.equity.minus(self.initial_margin)
    }

    /// Equity less maintenance margin.
    pub fn health_maintenance(&self) -> Result<Money, RiskError> {
        self.equity.minus(self.maintenance_margin)
    }

    /// Equity below maintenance margin: the account may be liquidated, and trades only to reduce.
    pub fn is_liquidatable(&self) -> bool {
        self.equity < self.maintenance_margin
    }

    /// Equity at which a liquidation stops: MM + 0.4·(IM − MM), rounded up.
    pub fn liquidation_target(&self) -> Result<Money, RiskError> {
        let span = self.initial_margin.minus(self.maintenance_margin)?;
        self.maintenance_margin
            .plus(span.mul_div_up(LIQUIDATION_TARGET_PPM, 1_000_000)?)
    }

    /// Whether value may leave the account, in the state the report describes (after the withdrawal).
    pub fn check_withdrawal(&self) -> Result<(), Refusal> {
        if self.senior < Money(0) {
            return Err(Refusal::SeniorEquityNegative);
        }
        if self.equity < self.initial_margin {
            return Err(Refusal::BelowInitialMargin);
        }
        Ok(())
    }
}

/// What one side of a trade does, besides changing positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TradeSide {
    /// Whether any leg trades at a price worse than mark for this side.
    pub worse_than_mark: bool,
    /// Whether this side pays more option premium than it receives.
    pub pays_net_premium: bool,
    /// Whether a leg does anything else than reduce a position of this side: opens, raises or turns one.
    pub increases: bool,
    /// Whether the account is marked as unhealthy, and so treated as below maintenance margin whatever it has now.
    pub is_marked: bool,
    /// By how much the fees, and the rounding of one micro-unit a leg, may lower equity.
    pub allowed_equity_fall: Money,
}

/// Why an account's health does not allow what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Below maintenance margin or marked, and a leg does anything else than reduce a position.
    DoesNotReduce,
    /// Equity would be below initial margin.
    BelowInitialMargin,
    /// Unrealised gains would leave the account.
    SeniorEquityNegative,
    /// Below initial margin already or marked, and the trade lowers health.
    LowersHealth,
    /// Below initial margin already or marked, and a leg is worse than mark for this account.
    WorseThanMark,
    /// Below initial margin already or marked, and equity falls by more than fees.
    EquityFalls,
    /// Below initial margin already or marked, and equity would be negative.
    EquityNegative,
    /// The numbers do not fit 64 bits of micro-units.
    Risk(RiskError),
}

impl From<RiskError> for Refusal {
    fn from(error: RiskError) -> Self {
        Self::Risk(error)
    }
}

/// Section 8 for one side of a trade: healthy accounts must stay above initial margin; weak ones may only improve, and
/// only at prices that do not strip them; failing ones, below maintenance margin or marked, may besides only reduce what
/// they hold. A failing account may still be failing afterwards.
pub fn check_trade(
    before: &MarginReport,
    after: &MarginReport,
    side: &TradeSide,
) -> Result<(), Refusal> {
    let is_failing = side.is_marked || before.is_liquidatable();
    if is_failing && side.increases {
        return Err(Refusal::DoesNotReduce);
    }
    if is_failing || before.equity < before.initial_margin {
        check_improvement(before, after, side)?;
        if is_failing && after.health_maintenance()? < before.health_maintenance()? {
            return Err(Refusal::LowersHealth);
        }
    } else if after.equity < after.initial_margin {
        return Err(Refusal::BelowInitialMargin);
    }
    if side.pays_net_premium && after.senior < Money(0) {
        return Err(Refusal::SeniorEquityNegative);
    }
    Ok(())
}

/// What binds every account that is not healthy: it may not get worse, and nobody may gain by it.
fn check_improvement(
    before: &MarginReport,
    after: &MarginReport,
    side: &TradeSide,
) -> Result<(), Refusal> {
    if after.health_initial()? < before.health_initial()? {
        return Err(Refusal::LowersHealth);
    }
    if side.worse_than_mark {
        return Err(Refusal::WorseThanMark);
    }
    if after.equity.plus(side.allowed_equity_fall)? < before.equity {
        return Err(Refusal::EquityFalls);
    }
    if after.equity < Money(0) {
        return Err(Refusal::EquityNegative);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(equity: i64, initial: i64, maintenance: i64) -> MarginReport {
        MarginReport {
            equity: Money(equity),
            senior: Money(equity),
            initial_margin: Money(initial),
            maintenance_margin: Money(maintenance),
        }
    }

    const FAIR: TradeSide = TradeSide {
        worse_than_mark: false,
        pays_net_premium: false,
        increases: true,
        is_marked: false,
        allowed_equity_fall: Money(0),
    };

    /// A trade that only reduces.
    const REDUCING: TradeSide = TradeSide {
        increases: false,
        ..FAIR
    };

    #[test]
    fn floors_and_layers() {
        let totals = AccountTotals {
            cash: Money(1_000),
            option_value: Money(300),
            unsettled: Money(-100),
            scenario_loss: Money(101),
            gross: Money(4_001),
            ..AccountTotals::default()
        };
        let report = totals.report().unwrap();
        assert_eq!(report.equity, Money(1_200));
        assert_eq!(
            report.senior,
            Money(900),
            "the options' gain does not count"
        );
        assert_eq!(report.initial_margin, Money(201), "G/20, rounded up");
        assert_eq!(report.maintenance_margin, Money(161), "G/25, rounded up");
        let losing = AccountTotals {
            unsettled: Money(-400),
            ..totals
        };
        assert_eq!(losing.report().unwrap().senior, Money(600));
        let short = AccountTotals {
            option_value: Money(-300),
            unsettled: Money(500),
            ..totals
        };
        let senior = short.report().unwrap().senior;
        assert_eq!(
            senior,
            Money(700),
            "an unsettled gain does not pay for short options"
        );
    }

    #[test]
    fn who_only_owns_needs_no_more_than_that() {
        let owned = AccountTotals {
            spot_value: Money(70),
            option_value: Money(30),
            scenario_loss: Money(101),
            ..AccountTotals::default()
        };
        let report = owned.report().unwrap();
        assert_eq!(report.initial_margin, Money(100));
        assert!(!report.is_liquidatable());
        for owing in [
            AccountTotals {
                cash: Money(-1),
                ..owned
            },
            AccountTotals {
                unsettled: Money(-1),
                ..owned
            },
            AccountTotals {
                gross: Money(1),
                ..owned
            },
        ] {
            assert_eq!(owing.report().unwrap().initial_margin, Money(101));
        }
    }

    #[test]
    fn a_healthy_account_must_stay_above_initial_margin() {
        assert_eq!(
            check_trade(&report(100, 50, 40), &report(100, 100, 80), &FAIR),
            Ok(())
        );
        let beyond = check_trade(&report(100, 50, 40), &report(100, 101, 80), &FAIR);
        assert_eq!(beyond, Err(Refusal::BelowInitialMargin));
    }

    #[test]
    fn a_weak_account_may_only_improve_and_is_not_stripped() {
        let weak = report(100, 120, 90);
        assert_eq!(check_trade(&weak, &report(100, 119, 90), &FAIR), Ok(()));
        assert_eq!(
            check_trade(&weak, &report(100, 121, 90), &FAIR),
            Err(Refusal::LowersHealth)
        );
        assert_eq!(
            check_trade(&weak, &report(99, 50, 40), &FAIR),
            Err(Refusal::EquityFalls)
        );
        let worse = TradeSide {
            worse_than_mark: true,
            ..FAIR
        };
        assert_eq!(
            check_trade(&weak, &report(100, 50, 40), &worse),
            Err(Refusal::WorseThanMark)
        );
    }

    #[test]
    fn a_failing_account_may_only_reduce() {
        let failing = report(89, 120, 90);
        let healthy = report(89, 0, 0);
        assert_eq!(
            check_trade(&failing, &healthy, &FAIR),
            Err(Refusal::DoesNotReduce)
        );
        // On the line it is weak, and may hedge too.
        let weak = report(90, 120, 90);
        assert_eq!(check_trade(&weak, &report(90, 0, 0), &FAIR), Ok(()));
        assert_eq!(check_trade(&failing, &healthy, &REDUCING), Ok(()));
        // It may end where it began, below maintenance margin still.
        let still = report(89, 119, 90);
        assert_eq!(check_trade(&failing, &still, &REDUCING), Ok(()));
    }

    #[test]
    fn a_failing_account_loses_neither_health_nor_equity() {
        let failing = report(89, 120, 90);
        let refused = |after, side: TradeSide, refusal| {
            assert_eq!(check_trade(&failing, &after, &side), Err(refusal));
        };
        refused(report(89, 121, 90), REDUCING, Refusal::LowersHealth);
        refused(report(89, 119, 91), REDUCING, Refusal::LowersHealth);
        refused(report(88, 50, 40), REDUCING, Refusal::EquityFalls);
        let stripped = TradeSide {
            worse_than_mark: true,
            ..REDUCING
        };
        refused(report(89, 50, 40), stripped, Refusal::WorseThanMark);
        let charged = TradeSide {
            allowed_equity_fall: Money(1),
            ..REDUCING
        };
        assert_eq!(check_trade(&failing, &report(88, 50, 40), &charged), Ok(()));
        let paying = TradeSide {
            pays_net_premium: true,
            ..REDUCING
        };
        let unfunded = MarginReport {
            senior: Money(-1),
            ..report(89, 50, 40)
        };
        refused(unfunded, paying, Refusal::SeniorEquityNegative);
        let below_zero = report(-1, 120, 90);
        assert_eq!(
            check_trade(&below_zero, &report(-1, 50, 40), &REDUCING),
            Err(Refusal::EquityNegative)
        );
    }

    #[test]
    fn a_marked_account_is_held_to_the_same_whatever_its_health() {
        let (rich, marked) = (report(200, 120, 90), |side: TradeSide| TradeSide {
            is_marked: true,
            ..side
        });
        let after = report(200, 119, 90);
        assert_eq!(check_trade(&rich, &after, &FAIR), Ok(()));
        assert_eq!(
            check_trade(&rich, &after, &marked(FAIR)),
            Err(Refusal::DoesNotReduce)
        );
        assert_eq!(check_trade(&rich, &after, &marked(REDUCING)), Ok(()));
        assert_eq!(
            check_trade(&rich, &report(199, 50, 40), &marked(REDUCING)),
            Err(Refusal::EquityFalls)
        );
    }

    #[test]
    fn premium_is_paid_from_senior_equity() {
        let after = MarginReport {
            senior: Money(-1),
            ..report(100, 50, 40)
        };
        let paying = TradeSide {
            pays_net_premium: true,
            ..FAIR
        };
        assert_eq!(
            check_trade(&report(100, 50, 40), &after, &paying),
            Err(Refusal::SeniorEquityNegative)
        );
        assert_eq!(check_trade(&report(100, 50, 40), &after, &FAIR), Ok(()));
        assert_eq!(after.check_withdrawal(), Err(Refusal::SeniorEquityNegative));
        assert_eq!(
            report(50, 51, 40).check_withdrawal(),
            Err(Refusal::BelowInitialMargin)
        );
    }

    #[test]
    fn the_liquidation_target_lies_between_the_margins() {
        assert_eq!(report(0, 100, 80).liquidation_target(), Ok(Money(88)));
    }
}
