//! What a trade costs both of its sides, and how they pay it.

use crate::{
    bridge::{risk_error, trade::Side, MarketData},
    error::EstuaryError,
    event::{Fee, FeesCharged},
    instructions::{pair::Pair, TradeLeg},
    market_view::MarketView,
    state::{self, market::listed, MarginAccount, MarketLedger, StateAccount, SETTLEMENT_BANK},
};
use anchor_lang::prelude::*;
use estuary_risk::{
    fees::{leg_fee_up, Notional},
    units::{Money, Price},
};

/// What the legs in one market cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FeesDue {
    /// Index of the market.
    pub market: u16,
    /// The taker's fee and the maker's, micro-units.
    pub sides: [i64; 2],
}

impl FeesDue {
    /// Adds the fees of a leg: each side's rate on the underlying's value at spot, of an option at most the market's share
    /// of its premium, each rounded up.
    ///
    /// # Errors
    /// [`EstuaryError::AmountOverflow`], those of a leg without its series or price.
    pub fn add_leg(&mut self, market: &MarketData<'_>, leg: &TradeLeg) -> Result<()> {
        let header = market.header;
        let rates = [header.taker_fee_ppm, header.maker_fee_ppm];
        if rates == [0, 0] {
            return Ok(());
        }
        let at = |price: u64| {
            let exponent = header.price_exponent;
            Notional::new(Price(price), exponent, header.lot_size, leg.lots).map_err(risk_error)
        };
        let at_spot = at(market.price()?.price)?;
        let is_option = listed(header, market.table, leg.slot)?.kind()?.is_option();
        let premium = if is_option {
            Some(at(leg.price)?)
        } else {
            None
        };
        let cap = premium
            .as_ref()
            .map(|premium| (premium, header.option_fee_cap_ppm));
        for (side, rate) in self.sides.iter_mut().zip(rates) {
            let fee = leg_fee_up(&at_spot, rate, cap).map_err(risk_error)?;
            let sum = side.checked_add(fee.0);
            *side = sum.ok_or(EstuaryError::AmountOverflow)?;
        }
        Ok(())
    }
}

/// Charges both sides what their legs cost, in the totals after the trade too: in cash as far as there is any, the rest in
/// the carry, so that a trade that lowers risk never fails for lack of cash.
///
/// # Errors
/// [`EstuaryError::AmountOverflow`], [`EstuaryError::AccountInTooManyMarkets`].
pub(crate) fn charge_fees(
    pair: &mut Pair<'_>,
    sides: &mut [Side; 2],
    markets: &[MarketView<'_>],
    due: &[FeesDue],
) -> Result<Vec<FeesCharged>> {
    let mut charged = Vec::with_capacity(due.len());
    for due in due {
        let mut fees = [Fee::default(); 2];
        if due.sides != [0, 0] {
            let view = markets
                .iter()
                .find(|view| view.market.header.index == due.market)
                .ok_or(EstuaryError::MarketUnknown)?;
            let mut ledger = state::write(&view.ledger)?;
            let accounts = pair.iter_mut().zip(sides.iter_mut());
            for ((account, side), (fee, amount)) in accounts.zip(fees.iter_mut().zip(due.sides)) {
                *fee = charge(account, &mut ledger, amount)?;
                side.charge(amount, fee.unpaid)?;
            }
            ledger.invariant()?;
        }
        let [taker, maker] = fees;
        charged.push(FeesCharged {
            market: due.market,
            taker,
            maker,
        });
    }
    Ok(charged)
}

/// Charges one account a fee.
fn charge(account: &mut MarginAccount, ledger: &mut MarketLedger, amount: i64) -> Result<Fee> {
    let overflow = || error!(EstuaryError::AmountOverflow).with_values((amount, 0));
    let paid = account.cash().clamp(0, amount);
    let unpaid = amount.checked_sub(paid).ok_or_else(overflow)?;
    account.change_balance(SETTLEMENT_BANK, paid.checked_neg().ok_or_else(overflow)?)?;
    if unpaid > 0 {
        let less = unpaid.checked_neg().ok_or_else(overflow)?;
        account.add_carry(ledger.market_index, less)?;
    }
    ledger.add_fee(paid.unsigned_abs(), unpaid)?;
    Ok(Fee { paid, unpaid })
}

impl Side {
    /// Counts a fee, part of which went to the carry, in what the side has after the trade.
    fn charge(&mut self, fee: i64, unpaid: i64) -> Result<()> {
        let sum = self.fees.checked_add(fee);
        self.fees = sum.ok_or(EstuaryError::AmountOverflow)?;
        let unsettled = self.after.unsettled.minus(Money(unpaid));
        self.after.unsettled = unsettled.map_err(risk_error)?;
        Ok(())
    }
}
