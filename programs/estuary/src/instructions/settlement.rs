//! What settlement does to one account in one market: the part that `settle` and `liquidate` share.

use crate::{
    error::EstuaryError,
    event::ExercisedPosition,
    state::{Bank, ClaimsPool, MarginAccount, MarketLedger, SETTLEMENT_BANK},
};
use anchor_lang::prelude::*;

/// What a settlement moved, micro-units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settlement {
    /// Positions whose series has ended.
    pub exercised: Vec<ExercisedPosition>,
    /// Profit and loss of open futures and perps that left their positions.
    pub variation: i64,
    /// Cash collected on claims.
    pub collected: i64,
    /// What a shared loss had taken from claims that are completed now.
    pub written_off: i64,
    /// Gain registered as a claim.
    pub registered: i64,
    /// Loss paid in cash.
    pub paid: i64,
    /// Loss that nobody is left to pay and the insurance fund covered.
    pub insured: i64,
    /// Loss that nobody is left to pay and that lowers all claims.
    pub socialised: i64,
}

/// Brings the pool up to date: a loss whose time has come lowers all claims, and waiting cash goes to its rounds.
pub(crate) fn refresh(pool: &mut ClaimsPool, now: i64) -> Result<()> {
    pool.share_loss(now)?;
    pool.allocate(now)
}

/// Collects what the account's claims may have by now, registers its gain or pays its loss, as far as the rules of
/// [`ClaimsPool`] and its cash allow. Equity does not change.
///
/// An account that has nothing but cash and owes more than that pays in all of it, claimed or not.
pub(crate) fn settle_carry(
    account: &mut MarginAccount,
    ledger: &mut MarketLedger,
    now: i64,
    done: &mut Settlement,
) -> Result<()> {
    let market = ledger.market_index;
    if account.unsettled_in(market).is_none() {
        return Ok(());
    }
    let entry = account.unsettled_mut(market)?;
    let owed = entry.owed_on_claims();
    done.collected = entry.collect(&mut ledger.claims)?;
    let left = entry.owed_on_claims().saturating_add(done.collected);
    done.written_off = owed.saturating_sub(left);
    done.registered = entry.register(&mut ledger.claims, now)?;
    account.change_balance(SETTLEMENT_BANK, done.collected)?;
    let registered = done.registered.checked_neg();
    ledger.add_cost(registered.ok_or(EstuaryError::AmountOverflow)?)?;
    account.drop_unused();
    let carry = account.unsettled_in(market).map_or(0, |one| one.carry);
    if carry >= 0 {
        return Ok(());
    }
    let cash = account.cash().max(0).unsigned_abs();
    let due = if is_insolvent(account) {
        cash
    } else {
        cash.min(ledger.claims.payable()?)
    };
    let payment = due.min(carry.unsigned_abs());
    pay(account, ledger, payment)?;
    done.paid = i64::try_from(payment).map_err(|_| error!(EstuaryError::AmountOverflow))?;
    ledger.claims.allocate(now)
}

/// Pays part of a loss into the pool, in cash.
fn pay(account: &mut MarginAccount, ledger: &mut MarketLedger, payment: u64) -> Result<()> {
    let amount = i64::try_from(payment).map_err(|_| error!(EstuaryError::AmountOverflow))?;
    let less = amount.checked_neg().ok_or(EstuaryError::AmountOverflow)?;
    account.change_balance(SETTLEMENT_BANK, less)?;
    account.add_carry(ledger.market_index, amount)?;
    ledger.add_cost(amount)?;
    ledger.claims.pay_in(payment)
}

/// Whether the account has nothing but cash, and less of it than it owes to markets.
pub(crate) fn is_insolvent(account: &MarginAccount) -> bool {
    let has_assets = account.position_count > 0
        || account.tokens().next().is_some()
        || account
            .unsettled
            .iter()
            .any(|one| one.carry > 0 || one.has_claims());
    let debts = account.unsettled.iter().fold(0u64, |sum, one| {
        sum.saturating_add(one.carry.min(0).unsigned_abs())
    });
    !has_assets && debts > account.cash().max(0).unsigned_abs()
}

/// Recognises the loss of an account that owes a market and has nothing left: the insurance fund pays what it can, the
/// rest will lower all claims of the market. Nothing happens to an account that still has something.
///
/// # Errors
/// [`EstuaryError::InsuranceBankMissing`] when there is a loss and no bank, [`EstuaryError::AmountOverflow`].
pub(crate) fn recognise_loss(
    account: &mut MarginAccount,
    ledger: &mut MarketLedger,
    bank: Option<&mut Bank>,
    now: i64,
    done: &mut Settlement,
) -> Result<()> {
    let market = ledger.market_index;
    let carry = account.unsettled_in(market).map_or(0, |one| one.carry);
    if carry >= 0 || account.cash() > 0 || !is_insolvent(account) {
        return Ok(());
    }
    let bank = bank.ok_or(EstuaryError::InsuranceBankMissing)?;
    let loss = carry.unsigned_abs();
    let insured = bank.pay_insurance(loss)?;
    let shared = loss.saturating_sub(insured);
    ledger.claims.pay_in(insured)?;
    ledger.claims.add_loss(shared, now)?;
    let amount = |part: u64| i64::try_from(part).map_err(|_| error!(EstuaryError::AmountOverflow));
    account.add_carry(market, amount(loss)?)?;
    ledger.add_cost(amount(loss)?)?;
    done.insured = amount(insured)?;
    done.socialised = amount(shared)?;
    ledger.claims.allocate(now)
}
