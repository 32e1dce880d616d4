//! What changes hands in a liquidation, from the engine's plan into the accounts.

use crate::{
    bridge::liquidation::Handover,
    error::EstuaryError,
    event::TakenPosition,
    instructions::owners::Owners,
    market_view::MarketView,
    state::{self, Bank, LotsMoved, MarginAccount, StateAccount, SETTLEMENT_BANK},
};
use anchor_lang::prelude::*;

/// Moves positions, carry and tokens from the liquidated account to the liquidator and writes the ledgers; `owners` are
/// theirs in this order.
///
/// # Errors
/// [`EstuaryError::TooManyPositions`], [`EstuaryError::AccountInTooManyMarkets`], [`EstuaryError::LotsOverflow`],
/// [`EstuaryError::AmountOverflow`].
pub(super) fn hand_over(
    liquidated: &mut MarginAccount,
    liquidator: &mut MarginAccount,
    owners: &mut Owners<'_>,
    markets: &[MarketView<'_>],
    handover: &Handover,
) -> Result<()> {
    let overflow = || error!(EstuaryError::AmountOverflow);
    let opposite = |amount: i64| amount.checked_neg().ok_or_else(overflow);
    for view in markets {
        let market = view.market.header.index;
        let here = |one: &&TakenPosition| one.market == market;
        let mut taken = handover.positions.iter().filter(here).peekable();
        if taken.peek().is_none() {
            continue;
        }
        let mut ledger = state::write(&view.ledger)?;
        for one in taken {
            let gives = (&mut *liquidated, opposite(one.lots)?, one.cost, one.carry);
            let (cost, carry) = (opposite(one.cost)?, opposite(one.carry)?);
            let takes = (&mut *liquidator, one.lots, cost, carry);
            let mut both = [LotsMoved::default(); 2];
            for ((account, lots, cost, carry), both) in [gives, takes].into_iter().zip(&mut both) {
                let (slot, generation) = (one.slot, one.generation);
                let moved = account.apply_trade(one.market, slot, generation, lots, cost)?;
                ledger.move_lots(slot, moved.before, moved.after)?;
                ledger.add_cost(cost)?;
                if carry != 0 {
                    account.add_carry(one.market, carry)?;
                    ledger.add_cost(carry)?;
                }
                *both = moved;
            }
            owners.move_lots(one.market, &both)?;
        }
        ledger.invariant()?;
    }
    for token in &handover.tokens {
        liquidated.move_balance(liquidator, token.bank, token.amount)?;
    }
    Ok(())
}

/// Pays for everything in one sum, because on the way the account may pay for a short before it is paid for a long, and the
/// insurance fund its part of the discount, which it returns.
///
/// # Errors
/// [`EstuaryError::BalanceNegative`] when the liquidator lacks the cash, [`EstuaryError::AmountOverflow`].
pub(super) fn pay(
    liquidated: &mut MarginAccount,
    liquidator: &mut MarginAccount,
    bank: &mut Bank,
    handover: &Handover,
) -> Result<i64> {
    let overflow = || error!(EstuaryError::AmountOverflow);
    // What the bank has lent cannot become insurance.
    let insured = handover.insured.min(bank.deposits);
    bank.remove_deposit(insured)?;
    bank.add_insurance(insured)?;
    let insured = i64::try_from(insured).map_err(|_| overflow())?;
    let paid = handover.cash.checked_add(insured);
    let paid = paid.and_then(i64::checked_neg).ok_or_else(overflow)?;
    liquidated.change_balance(SETTLEMENT_BANK, handover.cash)?;
    liquidator.change_balance(SETTLEMENT_BANK, paid)?;
    Ok(insured)
}
