//! Settles what has become of one account's profit and loss in one market.

use crate::{
    bridge::settlement::marked_values_down,
    error::EstuaryError,
    event::{self, MarketSettlement, Settled},
    instructions::owners::owner_of_mut,
    instructions::settlement::{check_settlement_bank, settle_carry, settle_matured, unmark_left},
    market_view::{load_markets, MarketView, Needs},
    state::{self, Bank, Clearinghouse, MarginAccount, MarketSet, StateAccount},
};
use anchor_lang::prelude::*;

/// Accounts of `settle`. Remaining: `[market, ledger, price]` of the market; the ledger is writable, and the price is read
/// only when variation of open positions is settled.
#[event_cpi]
#[derive(Accounts)]
pub struct Settle<'info> {
    /// The clearinghouse.
    pub clearinghouse: AccountLoader<'info, Clearinghouse>,
    /// The account to settle.
    #[account(mut, has_one = clearinghouse @ EstuaryError::AccountOfAnotherClearinghouse)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    /// What the account's owner holds in all accounts.
    #[account(mut)]
    pub owner_account: AccountLoader<'info, state::Owner>,
    /// The settlement token's bank, needed when the account is left with a debt and nothing else.
    #[account(mut, has_one = clearinghouse @ EstuaryError::AccountOfAnotherClearinghouse)]
    pub bank: Option<AccountLoader<'info, Bank>>,
}

impl<'info> Settle<'info> {
    fn validate(&self) -> Result<()> {
        state::read(&self.clearinghouse)?;
        self.bank.as_ref().map_or(Ok(()), check_settlement_bank)
    }

    /// Settles one account in one market; anyone may. In this order: with `variation`, open futures and perps are settled
    /// at mark; positions in series with a settlement price leave the account for what they pay; a recognised loss
    /// whose time has come lowers all claims, and waiting cash goes to its rounds; the account collects on its claims; its
    /// gain is registered as a claim, or its loss paid in cash, at most what is claimed, or owed in fees, and not yet
    /// paid. If then the account owes and has nothing at all, the loss is recognised. Last, cash that no claim waits for
    /// pays unpaid fees.
    ///
    /// # Errors
    /// [`EstuaryError::NothingToSettle`], [`EstuaryError::InsuranceBankMissing`],
    /// [`EstuaryError::NotTheSettlementBank`], and those of the market accounts and, with `variation`, prices.
    pub fn handle(ctx: Context<'info, Self>, market: u16, variation: bool) -> Result<()> {
        let accounts = ctx.accounts;
        accounts.validate()?;
        let now = Clock::get()?.unix_timestamp;
        let mut account = state::write(&accounts.margin_account)?;
        let mut owner = owner_of_mut(&accounts.owner_account, &account)?;
        let mut here = MarketSet::default();
        here.insert(market)?;
        let marked = variation && account.open_markets()?.contains(market);
        let needs = Needs {
            markets: here,
            priced: if marked { here } else { MarketSet::default() },
            written: here,
        };
        let clearinghouse = accounts.clearinghouse.key();
        let markets = load_markets(ctx.remaining_accounts, &clearinghouse, needs, now)?;
        let view = markets.first().ok_or(EstuaryError::MarketUnknown)?;
        let mut bank = accounts.bank.as_ref().map(state::write).transpose()?;
        let pair = (&mut *account, &mut *owner);
        let mut event = settle(pair, view, bank.as_deref_mut(), marked, now)?;
        account.invariant()?;
        owner.invariant()?;
        if let Some(bank) = bank {
            bank.invariant()?;
        }
        event.clearinghouse = clearinghouse;
        event.margin_account = accounts.margin_account.key();
        event::emit(&accounts.event_authority, &accounts.program, &event)
    }
}

/// Everything of the settlement; see [`Settle::handle`]. The event lacks the accounts.
fn settle(
    (account, owner): (&mut MarginAccount, &mut state::Owner),
    view: &MarketView<'_>,
    bank: Option<&mut Bank>,
    marked: bool,
    now: i64,
) -> Result<Settled> {
    let before = state::read(&view.ledger)?.claims;
    let mut variation = 0;
    if marked {
        variation = settle_variation(account, view, now)?;
        view.record_price()?;
    }
    let mut ledger = state::write(&view.ledger)?;
    let exercised = settle_matured(account, owner, view, &mut ledger)?;
    let settlement = settle_carry(account, &mut ledger, bank, now)?;
    unmark_left(account, &mut ledger)?;
    let idle = MarketSettlement {
        market: settlement.market,
        carry: settlement.carry,
        ..MarketSettlement::default()
    };
    let moved =
        variation != 0 || !exercised.is_empty() || settlement != idle || ledger.claims != before;
    require!(moved, EstuaryError::NothingToSettle);
    ledger.invariant()?;
    Ok(Settled {
        clearinghouse: Pubkey::default(),
        margin_account: Pubkey::default(),
        variation,
        settlement,
        cash: account.cash(),
        exercised,
    })
}

/// Moves the profit and loss of open futures and perps from their cost to the carry, so that each is worth nothing at
/// mark. Returns what moved.
fn settle_variation(account: &mut MarginAccount, view: &MarketView<'_>, now: i64) -> Result<i64> {
    let market = view.market.header.index;
    let data = view.data();
    let positions = account.positions_in(market);
    let values = marked_values_down(&data, positions, now)?;
    let mut moved = 0i64;
    for (position, value) in account.positions_in_mut(market).iter_mut().zip(values) {
        let Some(value) = value else {
            continue;
        };
        let profit = position.cost.checked_add(value);
        let profit = profit.ok_or(EstuaryError::AmountOverflow)?;
        position.cost = value.checked_neg().ok_or(EstuaryError::AmountOverflow)?;
        let sum = moved.checked_add(profit);
        moved = sum.ok_or(EstuaryError::AmountOverflow)?;
    }
    account.add_carry(market, moved)?;
    Ok(moved)
}
