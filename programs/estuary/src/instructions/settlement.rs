//! What settlement does to one account in one market: the part that `settle` and `liquidate` share.

use crate::{
    bridge::{matured::matured_value, positions_in},
    error::EstuaryError,
    event::{ExercisedPosition, MarketSettlement},
    market_view::MarketView,
    state::{
        self, claims::share_down, Bank, MarginAccount, MarketLedger, MarketSet, SETTLEMENT_BANK,
    },
};
use anchor_lang::prelude::*;

/// Refuses another bank in the place of the settlement token's.
///
/// # Errors
/// [`EstuaryError::NotTheSettlementBank`].
pub(crate) fn check_settlement_bank(bank: &AccountLoader<'_, Bank>) -> Result<()> {
    let is_settlement = state::read(bank)?.is_settlement();
    require!(is_settlement, EstuaryError::NotTheSettlementBank);
    Ok(())
}

/// Turns the positions in matured series with a settlement price into carry: what their lots pay, and their cost.
pub(crate) fn settle_matured(
    account: &mut MarginAccount,
    view: &MarketView<'_>,
    ledger: &mut MarketLedger,
) -> Result<Vec<ExercisedPosition>> {
    let (header, table) = (&view.market.header, &view.market.table);
    let mut matured = Vec::new();
    for position in positions_in(account, header.index) {
        if let Some(value) = matured_value(header, table, position)? {
            matured.push(ExercisedPosition {
                market: position.market,
                slot: position.slot,
                generation: position.generation,
                lots: position.lots,
                value: value.0,
            });
        }
    }
    for gone in &matured {
        let lots = gone.lots.checked_neg().ok_or(EstuaryError::LotsOverflow)?;
        let moved =
            account.apply_trade(gone.market, gone.slot, gone.generation, lots, gone.value)?;
        ledger.move_lots(gone.slot, moved.before, moved.after)?;
        ledger.add_exercised(gone.value)?;
    }
    Ok(matured)
}

/// Settles what an account and a market owe each other beside positions: a recognised loss whose time has come lowers all
/// claims and waiting cash goes to its rounds; the account collects what its claims may have by now; its gain is
/// registered as a claim, or its loss paid in cash, at most what is claimed, or owed in fees, and not yet paid; cash that
/// no claim waits for pays unpaid fees. Equity does not change.
///
/// The loss of an account that has nothing but cash, and less of it than it owes, is recognised: the market gets its
/// share of the cash, claimed or not, unpaid fees are given up for the rest, the insurance fund pays what it can of what
/// they do not cover, and what then is missing will lower all claims.
///
/// # Errors
/// [`EstuaryError::InsuranceBankMissing`] when insurance has to bear a loss and there is no bank,
/// [`EstuaryError::AmountOverflow`], [`EstuaryError::LedgerInvariant`].
pub(crate) fn settle_carry(
    account: &mut MarginAccount,
    ledger: &mut MarketLedger,
    mut bank: Option<&mut Bank>,
    now: i64,
) -> Result<MarketSettlement> {
    let market = ledger.market_index;
    let mut done = MarketSettlement {
        market,
        ..MarketSettlement::default()
    };
    ledger.claims.share_loss(now)?;
    ledger.claims.allocate(now)?;
    claim(account, ledger, now, &mut done)?;
    let loss = account.loss_in(market);
    if loss > 0 && is_insolvent(account) {
        let bank = bank.as_deref_mut();
        recognise_loss(account, ledger, bank, now, &mut done)?;
    } else if loss > 0 {
        let cash = account.cash().max(0).unsigned_abs();
        let payment = loss.min(cash).min(ledger.payable()?);
        done.paid = pay(account, ledger, payment)?;
    }
    if let Some(bank) = bank {
        done.debt_insured = insure_debt(account, bank)?;
    }
    ledger.claims.allocate(now)?;
    done.fees_collected = ledger.collect_fees()?;
    done.carry = account.unsettled_in(market).map_or(0, |one| one.carry);
    Ok(done)
}

/// Collects on the account's claims and registers its gain.
fn claim(
    account: &mut MarginAccount,
    ledger: &mut MarketLedger,
    now: i64,
    done: &mut MarketSettlement,
) -> Result<()> {
    let market = ledger.market_index;
    if account.unsettled_in(market).is_none() {
        return Ok(());
    }
    let entry = account.unsettled_mut(market)?;
    let owed = entry.owed_on_claims();
    done.collected = entry.collect(&mut ledger.claims, now)?;
    let left = entry.owed_on_claims().saturating_add(done.collected);
    done.written_off = owed.saturating_sub(left);
    done.registered = entry.register(&mut ledger.claims, now)?;
    account.change_balance(SETTLEMENT_BANK, done.collected)?;
    let registered = done.registered.checked_neg();
    ledger.add_cost(registered.ok_or(EstuaryError::AmountOverflow)?)?;
    account.drop_unused();
    Ok(())
}

/// Pays part of a loss into the pool, in cash, and returns it.
fn pay(account: &mut MarginAccount, ledger: &mut MarketLedger, payment: u64) -> Result<i64> {
    let amount = amount(payment)?;
    let less = amount.checked_neg().ok_or(EstuaryError::AmountOverflow)?;
    account.change_balance(SETTLEMENT_BANK, less)?;
    account.add_carry(ledger.market_index, amount)?;
    ledger.add_cost(amount)?;
    ledger.claims.pay_in(payment)?;
    Ok(amount)
}

/// Pays what is claimed of the account's loss with cash that the settlement token's bank lends it.
///
/// # Errors
/// [`EstuaryError::NothingToSettle`] when nothing is claimed or owed, and those of [`MarginAccount::borrow_cash`].
pub(crate) fn pay_on_credit(
    account: &mut MarginAccount,
    ledger: &mut MarketLedger,
    bank: &Bank,
    now: i64,
    done: &mut MarketSettlement,
) -> Result<()> {
    let market = ledger.market_index;
    let payment = account.loss_in(market).min(ledger.claims.payable()?);
    require_gt!(payment, 0, EstuaryError::NothingToSettle);
    let paid = amount(payment)?;
    account.borrow_cash(bank, payment)?;
    account.add_carry(market, paid)?;
    ledger.add_cost(paid)?;
    ledger.claims.pay_in(payment)?;
    ledger.claims.allocate(now)?;
    let sum = done.paid.checked_add(paid);
    done.paid = sum.ok_or(EstuaryError::AmountOverflow)?;
    done.carry = account.unsettled_in(market).map_or(0, |one| one.carry);
    Ok(())
}

/// Lets the insurance fund pay what an account with nothing owes the bank.
fn insure_debt(account: &mut MarginAccount, bank: &mut Bank) -> Result<i64> {
    let owes_only_cash = account.position_count == 0
        && account.tokens().next().is_none()
        && account.unsettled.iter().all(|one| !one.is_used());
    let debt = account.cash().min(0).unsigned_abs();
    if !owes_only_cash || debt == 0 {
        return Ok(0);
    }
    let insured = amount(bank.pay_insurance(debt)?)?;
    account.change_balance(SETTLEMENT_BANK, insured)?;
    Ok(insured)
}

/// Whether the account has nothing but cash, and less of it than it owes to markets.
fn is_insolvent(account: &MarginAccount) -> bool {
    let has_assets = account.position_count > 0
        || account.tokens().next().is_some()
        || account
            .unsettled
            .iter()
            .any(|one| one.carry > 0 || one.has_claims());
    !has_assets && account.losses() > account.cash().max(0).unsigned_abs()
}

/// See [`settle_carry`].
fn recognise_loss(
    account: &mut MarginAccount,
    ledger: &mut MarketLedger,
    bank: Option<&mut Bank>,
    now: i64,
    done: &mut MarketSettlement,
) -> Result<()> {
    let market = ledger.market_index;
    let loss = account.loss_in(market);
    let cash = account.cash().max(0).unsigned_abs();
    let share = share_down(cash, loss, account.losses());
    done.paid = pay(account, ledger, share)?;
    let rest = account.loss_in(market);
    let waived = ledger.waive_fees(rest);
    let uncovered = rest.saturating_sub(waived);
    let insured = match uncovered {
        0 => 0,
        _ => bank
            .ok_or(EstuaryError::InsuranceBankMissing)?
            .pay_insurance(uncovered)?,
    };
    let shared = uncovered.saturating_sub(insured);
    ledger.claims.pay_in(insured)?;
    ledger.claims.add_loss(shared, now)?;
    account.add_carry(market, amount(rest)?)?;
    ledger.add_cost(amount(rest)?)?;
    done.fees_waived = amount(waived)?;
    done.insured = amount(insured)?;
    done.socialised = amount(shared)?;
    Ok(())
}

/// Takes the account out of the count of a market that it has nothing to do with any more.
pub(crate) fn unmark_left(account: &mut MarginAccount, ledger: &mut MarketLedger) -> Result<()> {
    let market = ledger.market_index;
    let mut marked = MarketSet::from_bits(account.marked);
    if marked.contains(market) && !account.markets()?.contains(market) {
        marked.remove(market);
        account.marked = marked.bits();
        let left = ledger.claims.unresolved.checked_sub(1);
        ledger.claims.unresolved = left.ok_or(EstuaryError::LedgerInvariant)?;
    }
    Ok(())
}

fn amount(part: u64) -> Result<i64> {
    i64::try_from(part).map_err(|_| error!(EstuaryError::AmountOverflow))
}
