//! Takes positions and tokens of an account that is below its maintenance margin.

use super::{
    handover::{hand_over, pay},
    LiquidateArgs,
};
use crate::{
    bridge::{self, liquidation::Liquidation},
    error::EstuaryError,
    event::{self, ExercisedPosition, Liquidated, MarginTotals, MarketSettlement, PriceUsed},
    instructions::{
        keeper::mark_account::{set_marks, set_unhealthy},
        owners::Owners,
        settlement::{check_settlement_bank, collect, pay_loss, settle_matured, unmark_left},
    },
    market_view::{load_markets, MarketView, Needs},
    state::{
        self, Bank, Clearinghouse, MarginAccount, MarketSet, StateAccount,
        MAX_POSITIONS_PER_TRANSACTION,
    },
};
use anchor_lang::prelude::*;
use estuary_risk::margin::MarginReport;

/// Accounts of `liquidate`. Remaining: `[market, ledger, price]` per market that either account has open positions or
/// tokens in, or that owes it or that it owes; the ledgers of the liquidated account's markets are writable.
#[event_cpi]
#[derive(Accounts)]
pub struct Liquidate<'info> {
    /// Owner of the liquidator's account, or its delegate.
    pub liquidator: Signer<'info>,
    /// The clearinghouse.
    pub clearinghouse: AccountLoader<'info, Clearinghouse>,
    /// The account that takes the positions.
    #[account(mut, has_one = clearinghouse @ EstuaryError::AccountOfAnotherClearinghouse)]
    pub liquidator_account: AccountLoader<'info, MarginAccount>,
    /// The account below its maintenance margin.
    #[account(mut, has_one = clearinghouse @ EstuaryError::AccountOfAnotherClearinghouse)]
    pub liquidated_account: AccountLoader<'info, MarginAccount>,
    /// What the liquidator's owner holds in all accounts.
    #[account(mut, dup)]
    pub liquidator_owner: AccountLoader<'info, state::Owner>,
    /// What the liquidated account's owner holds in all accounts; the same account where both are of one owner.
    #[account(mut, dup)]
    pub liquidated_owner: AccountLoader<'info, state::Owner>,
    /// The settlement token's bank: its insurance fund gets its part of the discount, and pays what an account that is left
    /// with nothing still owes.
    #[account(mut, has_one = clearinghouse @ EstuaryError::AccountOfAnotherClearinghouse)]
    pub bank: AccountLoader<'info, Bank>,
}

impl<'info> Liquidate<'info> {
    fn validate(&self, args: &LiquidateArgs, now: i64) -> Result<()> {
        require_gt!(args.max_notional, 0, EstuaryError::AmountZero);
        state::read(&self.clearinghouse)?;
        check_settlement_bank(&self.bank)?;
        let (liquidator, liquidated) =
            (self.liquidator_account.key(), self.liquidated_account.key());
        require_keys_neq!(liquidator, liquidated, EstuaryError::SameMarginAccount);
        let liquidator = state::read(&self.liquidator_account)?;
        liquidator.check_trader(self.liquidator.key, now)?;
        let liquidated = state::read(&self.liquidated_account)?;
        let count = usize::from(liquidated.position_count)
            .saturating_add(usize::from(liquidator.position_count));
        require_gte!(
            MAX_POSITIONS_PER_TRANSACTION,
            count,
            EstuaryError::TooManyPositionsForOneTransaction
        );
        Ok(())
    }

    /// Takes what releases most margin per unit of discount, at mark less the discount, until the account is at its
    /// target, its equity is used up as discount, or the liquidator has as much as it wants; of an account below zero
    /// everything, at mark. Anyone may.
    ///
    /// # Errors
    /// [`EstuaryError::AmountZero`] for a `max_notional` of zero, [`EstuaryError::NotTheOwner`],
    /// [`EstuaryError::DelegateExpired`], [`EstuaryError::LiquidationPriceNotAccepted`],
    /// [`EstuaryError::NotLiquidatable`], [`EstuaryError::NothingToLiquidate`],
    /// [`EstuaryError::LiquidationSizeTooSmall`], [`EstuaryError::LiquidatorBelowInitialMargin`],
    /// [`EstuaryError::SeniorNegative`] when the liquidator would pay out of unrealised gains,
    /// [`EstuaryError::BalanceNegative`] when it lacks the cash, [`EstuaryError::TooManyPositionsForOneTransaction`],
    /// [`EstuaryError::AccountInTooManyMarkets`], those of the market accounts and prices.
    pub fn handle(ctx: Context<'info, Self>, args: &LiquidateArgs) -> Result<()> {
        let accounts = ctx.accounts;
        let now = Clock::get()?.unix_timestamp;
        accounts.validate(args, now)?;
        let mut liquidated = state::write(&accounts.liquidated_account)?;
        let mut liquidator = state::write(&accounts.liquidator_account)?;
        let loaders = [&accounts.liquidated_owner, &accounts.liquidator_owner];
        let mut owners = Owners::of_both(loaders, [&*liquidated, &*liquidator])?;
        let clearinghouse = accounts.clearinghouse.key();
        let (needs, touched) = needs(&liquidated, &liquidator)?;
        let mut markets = load_markets(ctx.remaining_accounts, &clearinghouse, needs, now)?;
        let mut exercised = Vec::new();
        for view in &mut markets {
            if touched.contains(view.market.header.index) {
                let whose = (&mut *liquidated, owners.first_mut());
                exercised.append(&mut bring_up_to_date(whose, view, now)?);
            }
        }
        let data: Vec<_> = markets.iter().map(MarketView::data).collect();
        args.check_prices(&data)?;
        let touched = Touched(&markets, touched);
        let most = args.max_notional;
        let whose = (&*liquidated, owners.both()[0]);
        let mut liquidation = Liquidation::plan(whose, &liquidator, &data, most, now)?;
        let handover = liquidation.handover(&liquidated, &data)?;
        let cash_before = liquidator.cash();
        hand_over(
            &mut liquidated,
            &mut liquidator,
            &mut owners,
            &markets,
            &handover,
        )?;
        let mut bank = state::write(&accounts.bank)?;
        let least = liquidated.cash().min(0);
        let insured = pay(&mut liquidated, &mut liquidator, &mut bank, &handover)?;
        let planned = liquidation.outcome.cash.0.max(least);
        require_eq!(
            liquidated.cash(),
            planned,
            EstuaryError::MarginAccountInvariant
        );
        let mut prices = Vec::new();
        for view in touched.views() {
            view.record_price()?;
            prices.extend(price_used(view));
        }
        let after = &liquidation.outcome.after;
        let settlements = resolve(&mut liquidated, &touched, &mut bank, after, now)?;
        bank.invariant()?;
        liquidated.invariant()?;
        liquidator.invariant()?;
        owners.invariant()?;
        let whose = (&*liquidator, owners.both()[1]);
        let report = liquidation.assess_liquidator(whose, &data, now)?;
        bridge::check_liquidator(&report, liquidator.cash() < cash_before)?;
        let event = Liquidated {
            clearinghouse,
            liquidator: accounts.liquidator_account.key(),
            liquidated: accounts.liquidated_account.key(),
            before: totals(&liquidation.outcome.before),
            after: totals(&liquidation.outcome.after),
            liquidator_cash: liquidator.cash(),
            liquidated_cash: liquidated.cash(),
            marked: liquidated.marked,
            exercised,
            prices,
            positions: handover.positions,
            tokens: handover.tokens,
            insured,
            settlements,
        };
        event::emit(&accounts.event_authority, &accounts.program, &event)
    }
}

/// The markets of a liquidation, and which of them the liquidated account has to do with.
struct Touched<'m, 'info>(&'m [MarketView<'info>], MarketSet);

impl<'m, 'info> Touched<'m, 'info> {
    fn views(&self) -> impl Iterator<Item = &'m MarketView<'info>> + '_ {
        let index = |view: &&MarketView<'_>| view.market.header.index;
        self.0
            .iter()
            .filter(move |view| self.1.contains(index(view)))
    }
}

/// Shares a loss of the market whose time has come, so that the plan knows what claims are worth, and turns the account's
/// matured positions into carry.
fn bring_up_to_date(
    (liquidated, owner): (&mut MarginAccount, &mut state::Owner),
    view: &mut MarketView<'_>,
    now: i64,
) -> Result<Vec<ExercisedPosition>> {
    let loader = view.ledger.clone();
    let mut ledger = state::write(&loader)?;
    view.share_loss(&mut ledger, now)?;
    let exercised = settle_matured(liquidated, owner, view, &mut ledger)?;
    ledger.invariant()?;
    Ok(exercised)
}

/// Marks the account by its margin after the takes, and settles it where no position is left: first what all markets owe it,
/// so that no market bears what another was about to pay.
fn resolve(
    liquidated: &mut MarginAccount,
    touched: &Touched<'_, '_>,
    bank: &mut Bank,
    after: &MarginReport,
    now: i64,
) -> Result<Vec<MarketSettlement>> {
    let marks = if after.equity.0 < 0 {
        liquidated.liable_markets()?
    } else {
        MarketSet::default()
    };
    set_marks(liquidated, touched.0, marks)?;
    let mut settlements = Vec::new();
    if liquidated.position_count == 0 {
        for view in touched.views() {
            let mut ledger = state::write(&view.ledger)?;
            let mut done = MarketSettlement {
                market: ledger.market_index,
                ..MarketSettlement::default()
            };
            collect(liquidated, &mut ledger, now, &mut done)?;
            settlements.push(done);
        }
        for (view, done) in touched.views().zip(&mut settlements) {
            let mut ledger = state::write(&view.ledger)?;
            pay_loss(liquidated, &mut ledger, Some(&mut *bank), now, done)?;
            unmark_left(liquidated, &mut ledger)?;
            ledger.invariant()?;
        }
    }
    set_unhealthy(liquidated, after, now);
    Ok(settlements)
}

/// The markets that a liquidation needs, and those of them that the liquidated account has to do with.
fn needs(liquidated: &MarginAccount, liquidator: &MarginAccount) -> Result<(Needs, MarketSet)> {
    let marked = MarketSet::from_bits(liquidated.marked);
    let written = liquidated.markets()?.union(marked);
    let needs = Needs::of(&[liquidated, liquidator])?;
    let needs = Needs {
        markets: needs.markets.union(written),
        written,
        ..needs
    };
    Ok((needs, written))
}

/// A market's price as the event tells it.
fn price_used(view: &MarketView<'_>) -> Option<PriceUsed> {
    view.price.as_ref().map(|price| PriceUsed {
        market: view.market.header.index,
        price: price.price,
        publish_time: price.publish_time,
    })
}

/// A report as the event tells it.
fn totals(report: &MarginReport) -> MarginTotals {
    MarginTotals {
        equity: report.equity.0,
        initial_margin: report.initial_margin.0,
        maintenance_margin: report.maintenance_margin.0,
    }
}
