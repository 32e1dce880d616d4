//! Takes tokens of an account that is below its maintenance margin.

use super::liquidate::totals;
use crate::{
    bridge::{self, token_sale::TokenSale},
    error::EstuaryError,
    event::{self, PriceUsed, TokenLiquidated},
    market_view::{load_markets, MarketView, Needs},
    state::{self, Clearinghouse, MarginAccount, StateAccount, MAX_POSITIONS_PER_TRANSACTION},
};
use anchor_lang::prelude::*;

/// Accounts of `liquidate_token`. Remaining: `[market, ledger, price]` per market that either account has open positions or
/// tokens in, or that owes it or that it owes; the ledgers of the liquidated account's markets are writable.
#[event_cpi]
#[derive(Accounts)]
pub struct LiquidateToken<'info> {
    /// Owner of the liquidator's account, or its delegate.
    pub liquidator: Signer<'info>,
    /// The clearinghouse.
    pub clearinghouse: AccountLoader<'info, Clearinghouse>,
    /// The account that takes the tokens.
    #[account(mut, has_one = clearinghouse @ EstuaryError::AccountOfAnotherClearinghouse)]
    pub liquidator_account: AccountLoader<'info, MarginAccount>,
    /// The account below its maintenance margin.
    #[account(mut, has_one = clearinghouse @ EstuaryError::AccountOfAnotherClearinghouse)]
    pub liquidated_account: AccountLoader<'info, MarginAccount>,
}

impl<'info> LiquidateToken<'info> {
    fn validate(&self, amount: u64, now: i64) -> Result<()> {
        require_gt!(amount, 0, EstuaryError::AmountZero);
        state::read(&self.clearinghouse)?;
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

    /// Buys `amount` base units of a token of the account for cash, at its market's price less the discount on delta, so
    /// that the account can pay what it owes. Anyone may, while the account is below its maintenance margin, as long
    /// as that raises its health and to a lot no more than brings it to its target.
    ///
    /// # Errors
    /// [`EstuaryError::AmountZero`], [`EstuaryError::NotTheOwner`], [`EstuaryError::DelegateExpired`],
    /// [`EstuaryError::TooManyPositionsForOneTransaction`], those of [`TokenSale::settle`],
    /// [`EstuaryError::LiquidatorBelowInitialMargin`], [`EstuaryError::SeniorNegative`] when the liquidator would pay out
    /// of unrealised gains, [`EstuaryError::AccountInTooManyMarkets`], those of the market accounts and prices.
    pub fn handle(ctx: Context<'info, Self>, bank: u16, amount: u64) -> Result<()> {
        let accounts = ctx.accounts;
        let now = Clock::get()?.unix_timestamp;
        accounts.validate(amount, now)?;
        let mut liquidated = state::write(&accounts.liquidated_account)?;
        let mut liquidator = state::write(&accounts.liquidator_account)?;
        let written = liquidated.markets()?;
        let needs = Needs {
            written,
            ..Needs::of(&[&*liquidated, &*liquidator])?
        };
        let clearinghouse = accounts.clearinghouse.key();
        let markets = load_markets(ctx.remaining_accounts, &clearinghouse, needs, now)?;
        let data: Vec<_> = markets.iter().map(MarketView::data).collect();
        let token = (bank, amount);
        let sale = TokenSale::settle(&mut liquidated, &mut liquidator, &data, token, now)?;
        for view in &markets {
            if written.contains(view.market.header.index) {
                view.record_price()?;
            }
        }
        liquidated.invariant()?;
        liquidator.invariant()?;
        bridge::check_liquidator(&sale.liquidator, true)?;
        let event = TokenLiquidated {
            clearinghouse,
            liquidator: accounts.liquidator_account.key(),
            liquidated: accounts.liquidated_account.key(),
            before: totals(&sale.before),
            after: totals(&sale.after),
            bank,
            amount,
            price: PriceUsed {
                market: sale.market,
                price: sale.price.price,
                publish_time: sale.price.publish_time,
            },
            payment: sale.payment,
            discount: sale.discount,
            liquidator_cash: liquidator.cash(),
            liquidated_cash: liquidated.cash(),
        };
        event::emit(&accounts.event_authority, &accounts.program, &event)
    }
}
