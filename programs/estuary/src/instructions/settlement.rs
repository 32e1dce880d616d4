//! What settlement does to one account in one market: the part that `settle` and `liquidate` share.

use crate::{
    bridge::matured::matured_value,
    error::EstuaryError,
    event::{ExercisedPosition, MarketSettlement},
    market_view::MarketView,
    state::{
        self, claims::share_down, Bank, MarginAccount, MarketLedger, MarketSet, Owner, Unsettled,
        SETTLEMENT_BANK,
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
    owner: &mut Owner,
    view: &MarketView<'_>,
    ledger: &mut MarketLedger,
) -> Result<Vec<ExercisedPosition>> {
    let (header, table) = (&view.market.header, &view.market.table);
    let mut matured = Vec::new();
    for position in account.positions_in(header.index) {
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
        owner.move_lots(gone.market, &moved)?;
        ledger.add_exercised(gone.value)?;
    }
    Ok(matured)
}

/// Settles what an account and a market owe each other beside positions: [`collect`], then [`pay_loss`]. Equity does not change.
///
/// # Errors
/// Those of both.
pub(crate) fn settle_carry(
    account: &mut MarginAccount,
    ledger: &mut MarketLedger,
    bank: Option<&mut Bank>,
    now: i64,
) -> Result<MarketSettlement> {
    let mut done = MarketSettlement {
        market: ledger.market_index,
        ..MarketSettlement::default()
    };
    collect(account, ledger, now, &mut done)?;
    pay_loss(account, ledger, bank, now, &mut done)?;
    Ok(done)
}

/// Gives the account what is its own: unpaid fees are given up for a recognised loss that waits, and once its time has come
/// it lowers all claims; waiting cash goes to the claims' rounds; the account collects what its claims may have by now, and
/// its gain is registered as a claim.
///
/// # Errors
/// [`EstuaryError::AmountOverflow`], [`EstuaryError::LedgerInvariant`].
pub(crate) fn collect(
    account: &mut MarginAccount,
    ledger: &mut MarketLedger,
    now: i64,
    done: &mut MarketSettlement,
) -> Result<()> {
    if ledger.claims.loss_to_share > 0 {
        done.fees_waived = amount(ledger.set_off_fees())?;
        done.socialised = done.fees_waived.saturating_neg();
        ledger.claims.share_loss(now)?;
    }
    ledger.claims.allocate(now)?;
    claim(account, ledger, now, done)
}

/// Takes what the account owes: its loss is paid in cash, at most what is claimed, or owed in fees, and not yet paid; cash that
/// no claim waits for pays unpaid fees.
///
/// Of an account without positions and tokens that owes more than it has and is owed, the loss beyond that is recognised:
/// the market gets its share of the cash, claimed or not, unpaid fees are given up for what nobody will pay, the insurance
/// fund pays what it can of what they do not cover, and what then is missing will lower all claims. What the account is
/// owed covers the rest, which stays. Claims in other markets count at their face, so whoever settles in several collects in all
/// of them first.
///
/// # Errors
/// [`EstuaryError::InsuranceBankMissing`] when insurance has to bear a loss and there is no bank,
/// [`EstuaryError::AmountOverflow`], [`EstuaryError::LedgerInvariant`].
pub(crate) fn pay_loss(
    account: &mut MarginAccount,
    ledger: &mut MarketLedger,
    mut bank: Option<&mut Bank>,
    now: i64,
    done: &mut MarketSettlement,
) -> Result<()> {
    let market = ledger.market_index;
    let loss = account.loss_in(market);
    let deficit = deficit(account, ledger)?;
    if deficit == Some(0) {
        unmark(account, ledger)?;
    }
    let bad = deficit.filter(|deficit| *deficit > 0 && loss > 0);
    let bad = bad.map(|deficit| (deficit, losses_that_share(account, market)));
    match bad.filter(|(_, sharing)| *sharing > 0) {
        _ if loss == 0 => {}
        Some(bad) => {
            let bank = bank.as_deref_mut();
            recognise_loss(account, ledger, bank, bad, now, done)?;
        }
        None => {
            let cash = account.cash().max(0).unsigned_abs();
            let payment = loss.min(cash).min(ledger.payable()?);
            done.paid = pay(account, ledger, payment)?;
        }
    }
    if let Some(bank) = bank {
        done.debt_insured = insure_debt(account, bank)?;
    }
    ledger.claims.allocate(now)?;
    done.fees_collected = ledger.collect_fees()?;
    done.carry = account.unsettled_in(market).map_or(0, |one| one.carry);
    Ok(())
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
    if entry.has_claims() {
        let owed = entry.owed_on_claims();
        done.collected = entry.collect(&mut ledger.claims, now)?;
        let left = entry.owed_on_claims().saturating_add(done.collected);
        done.written_off = owed.saturating_sub(left);
    }
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

/// What an account without positions and tokens owes to markets beyond all it has: its cash, from which a debt to the bank is
/// subtracted, and what others owe it. Claims in the ledger's market count for what they are worth, those elsewhere for
/// what is not collected of their face. `None` for an account that still has positions or tokens.
fn deficit(account: &MarginAccount, ledger: &MarketLedger) -> Result<Option<u64>> {
    if account.position_count > 0 || account.tokens().next().is_some() {
        return Ok(None);
    }
    let mut has = account.cash();
    for one in &account.unsettled {
        let claims = if one.market == ledger.market_index {
            one.claims_value_down(&ledger.claims.rounds)?
        } else {
            one.owed_on_claims()
        };
        has = has.saturating_add(claims).saturating_add(one.carry.max(0));
    }
    let deficit = account.losses().saturating_sub(has.max(0).unsigned_abs());
    Ok(Some(deficit))
}

/// The losses that a deficit is split over, the one in `market` among them. Where others owe the account nothing these are
/// all. Otherwise part of a loss stays when its share is recognised, so the markets still to share it are those that the
/// account is marked in; none before it is marked.
fn losses_that_share(account: &MarginAccount, market: u16) -> u64 {
    let is_owed = |one: &Unsettled| one.carry > 0 || one.has_claims();
    if !account.unsettled.iter().any(is_owed) {
        return account.losses();
    }
    if MarketSet::from_bits(account.marked).contains(market) {
        return account.marked_losses();
    }
    0
}

/// Recognises the market's share of the account's deficit and takes its share of the cash; see [`pay_loss`]. What then
/// is left of the loss is covered by what others owe the account.
fn recognise_loss(
    account: &mut MarginAccount,
    ledger: &mut MarketLedger,
    bank: Option<&mut Bank>,
    (deficit, sharing): (u64, u64),
    now: i64,
    done: &mut MarketSettlement,
) -> Result<()> {
    let market = ledger.market_index;
    let loss = account.loss_in(market);
    let covered = share_down(sharing.saturating_sub(deficit), loss, sharing);
    let bad = loss.saturating_sub(covered);
    let cash = account.cash().max(0).unsigned_abs();
    let share = share_down(cash, loss, sharing).min(covered);
    done.paid = pay(account, ledger, share)?;
    let waived = ledger.waive_fees(bad);
    let uncovered = bad.saturating_sub(waived);
    let insured = match uncovered {
        0 => 0,
        _ => bank
            .ok_or(EstuaryError::InsuranceBankMissing)?
            .pay_insurance(uncovered)?,
    };
    let shared = uncovered.saturating_sub(insured);
    ledger.claims.pay_in(insured)?;
    ledger.claims.add_loss(shared, now)?;
    account.add_carry(market, amount(bad)?)?;
    ledger.add_cost(amount(bad)?)?;
    let add = |sum: i64, part: u64| -> Result<i64> {
        let sum = sum.checked_add(amount(part)?);
        sum.ok_or_else(|| error!(EstuaryError::AmountOverflow))
    };
    done.fees_waived = add(done.fees_waived, waived)?;
    done.insured = amount(insured)?;
    done.socialised = add(done.socialised, shared)?;
    unmark(account, ledger)
}

/// Takes the account out of the count of a market, if it is in it.
fn unmark(account: &mut MarginAccount, ledger: &mut MarketLedger) -> Result<()> {
    let mut marked = MarketSet::from_bits(account.marked);
    if marked.contains(ledger.market_index) {
        marked.remove(ledger.market_index);
        account.marked = marked.bits();
        let left = ledger.claims.unresolved.checked_sub(1);
        ledger.claims.unresolved = left.ok_or(EstuaryError::LedgerInvariant)?;
    }
    Ok(())
}

/// Takes the account out of the count of a market that it has neither positions nor losses in any more.
pub(crate) fn unmark_left(account: &mut MarginAccount, ledger: &mut MarketLedger) -> Result<()> {
    if account.liable_markets()?.contains(ledger.market_index) {
        return Ok(());
    }
    unmark(account, ledger)
}

fn amount(part: u64) -> Result<i64> {
    i64::try_from(part).map_err(|_| error!(EstuaryError::AmountOverflow))
}
