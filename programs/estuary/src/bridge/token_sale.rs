//! A liquidation of tokens in the engine's terms.

use super::{liquidation_error, positions_in, risk_error, Engine, MarketData};
use crate::{
    error::EstuaryError,
    oracle::CheckedPrice,
    state::{Balance, MarginAccount, SETTLEMENT_BANK},
};
use anchor_lang::prelude::*;
use estuary_risk::{
    liquidation::LiquidationError,
    margin::{AccountTotals, MarginReport},
    spot::token_value_down,
    units::{Money, Price},
};

/// Tokens that leave a failing account for a liquidator's cash.
#[derive(Clone, Copy, Debug)]
pub struct TokenSale {
    /// Index of the token's market.
    pub market: u16,
    /// The price of the token.
    pub price: CheckedPrice,
    /// The account's margin before.
    pub before: MarginReport,
    /// Its margin after.
    pub after: MarginReport,
    /// The liquidator's margin after.
    pub liquidator: MarginReport,
    /// Cash that the liquidator pays: the tokens' value, rounded up, less the discount.
    pub payment: i64,
    /// The liquidator's gain, rounded down.
    pub discount: i64,
}

/// What one evaluation after another adds to.
#[derive(Default)]
struct Totals {
    before: AccountTotals,
    /// With a lot less than the sale takes.
    nearly: AccountTotals,
    after: AccountTotals,
    liquidator: AccountTotals,
}

impl TokenSale {
    /// Sells `amount` base units of a bank's token for cash and moves both, when the rules of a liquidation allow it: the
    /// account is below its maintenance margin, the sale raises its health or the account is below zero, and a lot less
    /// would not have brought it to its target. The discount is the market's on delta, and at most the account's equity. `markets` are all of both
    /// accounts.
    ///
    /// # Errors
    /// [`EstuaryError::NothingToLiquidate`] for a token that the account does not hold,
    /// [`EstuaryError::BalanceNegative`] for more than it or the liquidator's cash has,
    /// [`EstuaryError::NotLiquidatable`], [`EstuaryError::TokenSaleDoesNotHelp`], [`EstuaryError::TokenSaleTooLarge`],
    /// the engine's.
    pub fn settle(
        account: &mut MarginAccount,
        liquidator: &mut MarginAccount,
        markets: &[MarketData<'_>],
        (bank, amount): (u16, u64),
        now: i64,
    ) -> Result<Self> {
        let token = account.balances.get(usize::from(bank)).copied();
        let token = token
            .filter(Balance::is_token)
            .ok_or(EstuaryError::NothingToLiquidate)?;
        let market = markets
            .iter()
            .find(|market| market.header.index == token.market)
            .ok_or(EstuaryError::MarketAccountMissing)?;
        let less = amount.saturating_sub(lot(market, token.decimals));
        let parts = [less, amount.saturating_sub(less)];
        let mut totals = evaluate(account, liquidator, markets, (token, parts), now)?;
        let before = totals.before.report().map_err(risk_error)?;
        if !before.is_liquidatable() {
            return Err(liquidation_error(LiquidationError::NotLiquidatable {
                equity: before.equity,
                maintenance_margin: before.maintenance_margin,
            }));
        }
        let price = |amount| price(market, &token, amount, &before);
        let ((nearly_paid, _), (payment, discount)) = (price(less)?, price(amount)?);
        let pay = |totals: &mut AccountTotals, cash: Money| -> Result<MarginReport> {
            totals.cash = totals.cash.plus(cash).map_err(risk_error)?;
            totals.report().map_err(risk_error)
        };
        let nearly = pay(&mut totals.nearly, nearly_paid)?;
        let after = pay(&mut totals.after, payment)?;
        let cost = Money(0).minus(payment).map_err(risk_error)?;
        let liquidators = pay(&mut totals.liquidator, cost)?;
        check(&before, &nearly, &after)?;
        liquidator.change_balance(SETTLEMENT_BANK, cost.0)?;
        account.change_balance(SETTLEMENT_BANK, payment.0)?;
        Ok(Self {
            market: token.market,
            price: *market.price()?,
            before,
            after,
            liquidator: liquidators,
            payment: payment.0,
            discount: discount.0,
        })
    }
}

/// Base units of a token in a lot of its market, at least one.
fn lot(market: &MarketData<'_>, decimals: u8) -> u64 {
    let unit = 10u128.checked_pow(decimals.into()).unwrap_or(u128::MAX);
    let scaled = unit.saturating_mul(market.header.lot_size.into());
    let lot = scaled.checked_div(1_000_000_000).unwrap_or(0);
    u64::try_from(lot).unwrap_or(u64::MAX).max(1)
}

/// What a liquidator pays for an amount, and the discount in it.
fn price(
    market: &MarketData<'_>,
    token: &Balance,
    amount: u64,
    before: &MarginReport,
) -> Result<(Money, Money)> {
    let amount = i64::try_from(amount).map_err(|_| error!(EstuaryError::AmountOverflow))?;
    let opposite = amount.checked_neg().ok_or(EstuaryError::AmountOverflow)?;
    let spot = Price(market.price()?.price);
    let value_down = |amount| {
        token_value_down(spot, market.header.price_exponent, amount, token.decimals)
            .map_err(risk_error)
    };
    let owed_down = value_down(opposite)?;
    let value_up = Money(0).minus(owed_down).map_err(risk_error)?;
    let share = i128::from(value_down(amount)?.0)
        .saturating_mul(market.header.liquidation_delta_ppm.into())
        .checked_div(1_000_000)
        .unwrap_or(0);
    let most = i128::from(before.equity.0.max(0));
    let discount = i64::try_from(share.min(most)).map_err(|_| EstuaryError::AmountOverflow)?;
    let payment = value_up.minus(Money(discount)).map_err(risk_error)?;
    Ok((payment, Money(discount)))
}

/// Evaluates the account before, between and after the parts of the token leave it, and the liquidator with both.
fn evaluate(
    account: &mut MarginAccount,
    liquidator: &mut MarginAccount,
    markets: &[MarketData<'_>],
    (token, parts): (Balance, [u64; 2]),
    now: i64,
) -> Result<Totals> {
    let series = |market: &MarketData<'_>| {
        let held = |account: &MarginAccount| positions_in(account, market.header.index).len();
        held(account).saturating_add(held(liquidator))
    };
    let most_series = markets.iter().map(series).max().unwrap_or(0);
    let mut engine = Engine::new(markets, most_series)?.ok_or(EstuaryError::NothingToLiquidate)?;
    let outside = super::engine::totals_outside(account, markets)?;
    let mut totals = Totals {
        before: outside,
        nearly: outside,
        after: outside,
        liquidator: super::engine::totals_outside(liquidator, markets)?,
    };
    for market in markets.iter().filter(|market| market.price.is_some()) {
        engine.enter(market)?;
        engine.evaluate(market, account, now)?;
        engine.add_to(&mut totals.before)?;
        let sold = market.header.index == token.market;
        for (part, totals) in parts
            .into_iter()
            .zip([&mut totals.nearly, &mut totals.after])
        {
            if sold {
                account.move_balance(liquidator, token.bank, part)?;
                engine.evaluate(market, account, now)?;
            }
            engine.add_to(totals)?;
        }
        engine.evaluate(market, liquidator, now)?;
        engine.add_to(&mut totals.liquidator)?;
    }
    Ok(totals)
}

/// Whether a sale helps, and takes no more than it has to. Of an account below zero everything is sold, also what hedges
/// its positions: otherwise tokens and positions that hedge each other could never be taken.
fn check(before: &MarginReport, nearly: &MarginReport, after: &MarginReport) -> Result<()> {
    let health = |report: &MarginReport| report.health_maintenance().map_err(risk_error);
    let (was, is) = (health(before)?, health(after)?);
    if is <= was && before.equity >= Money(0) {
        return Err(error!(EstuaryError::TokenSaleDoesNotHelp).with_values((is.0, was.0)));
    }
    let target = nearly.liquidation_target().map_err(risk_error)?;
    if nearly.equity >= target {
        let values = (nearly.equity.0, target.0);
        return Err(error!(EstuaryError::TokenSaleTooLarge).with_values(values));
    }
    Ok(())
}
