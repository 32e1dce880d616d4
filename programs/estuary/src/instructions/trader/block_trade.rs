//! Trades several legs at once between two accounts, with one net margin check for each.

use super::legs::{check_legs, TradeLeg};
use crate::{
    bridge::trade::{price_leg, LegEffect, Side},
    error::EstuaryError,
    event::{self, BlockTraded, FeesCharged, PriceUsed, TradedLeg},
    instructions::{
        fees::{charge_fees, FeesDue},
        owners::Owners,
        pair::{check_position_count, check_sides, exchange, markets_of, Named, Pair},
    },
    market_view::{load_markets, MarketView, Needs},
    state::{self, Clearinghouse, LotsMoved, MarginAccount, StateAccount, SETTLEMENT_BANK},
};
use anchor_lang::prelude::*;
use estuary_risk::units::Money;

/// Accounts of `block_trade`. Remaining: `[market, ledger, price]` per market that either account has open positions or
/// tokens in or a leg names; the ledgers of the markets that legs name are writable.
#[event_cpi]
#[derive(Accounts)]
pub struct BlockTrade<'info> {
    /// Owner of the taker's account, or its delegate.
    pub taker: Signer<'info>,
    /// Owner of the maker's account, or its delegate.
    pub maker: Signer<'info>,
    /// The clearinghouse.
    pub clearinghouse: AccountLoader<'info, Clearinghouse>,
    /// The taker's account.
    #[account(mut, has_one = clearinghouse @ EstuaryError::AccountOfAnotherClearinghouse)]
    pub taker_account: AccountLoader<'info, MarginAccount>,
    /// The maker's account.
    #[account(mut, has_one = clearinghouse @ EstuaryError::AccountOfAnotherClearinghouse)]
    pub maker_account: AccountLoader<'info, MarginAccount>,
    /// What the taker holds in all accounts.
    #[account(mut, dup)]
    pub taker_owner: AccountLoader<'info, state::Owner>,
    /// What the maker holds in all accounts; the same account where both are of one owner.
    #[account(mut, dup)]
    pub maker_owner: AccountLoader<'info, state::Owner>,
}

impl<'info> BlockTrade<'info> {
    /// Checks the accounts against each other and those who sign for them.
    fn validate(&self, now: i64) -> Result<()> {
        state::read(&self.clearinghouse)?;
        let (taker, maker) = (self.taker_account.key(), self.maker_account.key());
        require_keys_neq!(taker, maker, EstuaryError::SameMarginAccount);
        state::read(&self.taker_account)?.check_trader(self.taker.key, now)?;
        state::read(&self.maker_account)?.check_trader(self.maker.key, now)
    }

    /// Trades all legs or none. Premium of options moves in cash at once; the cash flow of futures and perps goes to
    /// the cost of the positions. Both sides pay a fee, in cash as far as there is any, the rest out of the carry: it
    /// never stops a trade for lack of cash. Limits on open interest bind what raises it: of a series, each leg; of a
    /// market, all legs in it together. The status of a market binds both sides of each leg in it. Each side must satisfy
    /// section 8 of the margin model after all legs and fees: one below its maintenance margin, or marked as unhealthy, only
    /// reduces. The margin after it marks each side or takes its mark away.
    ///
    /// # Errors
    /// The groups "Trades" and "Health" of [`EstuaryError`], [`EstuaryError::SameMarginAccount`],
    /// [`EstuaryError::NotTheOwner`], [`EstuaryError::DelegateExpired`], [`EstuaryError::MarketPaused`],
    /// [`EstuaryError::MarketReduceOnly`], [`EstuaryError::BalanceNegative`] when premium exceeds cash,
    /// [`EstuaryError::FailingAccountDoesNotReduce`], [`EstuaryError::AccountMarkedUnhealthy`], and those of the market
    /// accounts and prices.
    pub fn handle(ctx: Context<'info, Self>, legs: Vec<TradeLeg>) -> Result<()> {
        let accounts = ctx.accounts;
        let now = Clock::get()?.unix_timestamp;
        accounts.validate(now)?;
        let named = check_legs(&legs)?;
        let traded = markets_of(&named)?;
        let mut taker = state::write(&accounts.taker_account)?;
        let mut maker = state::write(&accounts.maker_account)?;
        let mut pair: Pair<'_> = [&mut taker, &mut maker];
        let loaders = [&accounts.taker_owner, &accounts.maker_owner];
        let mut owners = Owners::of_both(loaders, [&*pair[0], &*pair[1]])?;
        check_position_count(&pair, &named)?;
        let needs = Needs::of(&[&*pair[0], &*pair[1]])?.trading(traded);
        let clearinghouse = accounts.clearinghouse.key();
        let markets = load_markets(ctx.remaining_accounts, &clearinghouse, needs, now)?;
        let (sides, done) = trade(&mut pair, &mut owners, &markets, (&legs, &named), now)?;
        let rounded = (markets.len(), legs.len());
        owners.invariant()?;
        check_sides(&sides, &mut pair, ["taker", "maker"], rounded, now)?;
        let traded = BlockTraded {
            clearinghouse,
            taker: accounts.taker_account.key(),
            maker: accounts.maker_account.key(),
            taker_cash: pair[0].cash(),
            maker_cash: pair[1].cash(),
            prices: done.prices,
            fees: done.fees,
            legs: done.legs,
        };
        event::emit(&accounts.event_authority, &accounts.program, &traded)
    }
}

/// What a trade did, for its event.
struct Done {
    prices: Vec<PriceUsed>,
    fees: Vec<FeesCharged>,
    legs: Vec<TradedLeg>,
}

/// Applies the legs between both books' evaluations, then pays the premium and the fees.
fn trade(
    pair: &mut Pair<'_>,
    owners: &mut Owners<'_>,
    markets: &[MarketView<'_>],
    (legs, named): (&[TradeLeg], &[Named]),
    now: i64,
) -> Result<(Box<[Side; 2]>, Done)> {
    let mut done = Done {
        prices: Vec::with_capacity(markets.len()),
        fees: Vec::new(),
        legs: Vec::with_capacity(legs.len()),
    };
    let mut due = Vec::with_capacity(markets.len());
    let mut sides = exchange(pair, owners, markets, named, now, &mut |here, pair| {
        let header = here.data.header;
        let mut fees = FeesDue {
            market: header.index,
            ..FeesDue::default()
        };
        let before = state::read(&here.view.ledger)?.total_open_interest_up();
        for leg in legs.iter().filter(|leg| leg.market == header.index) {
            let effect = price_leg(here.engine, here.data, leg, now, here.sides)?;
            let moved = apply_leg(pair, here.view, leg, &effect)?;
            here.owners.move_lots(leg.market, &moved)?;
            for (side, moved) in here.sides.iter_mut().zip(&moved) {
                side.count_move(moved);
            }
            fees.add_leg(here.data, leg)?;
            done.legs.push(traded_leg(leg, &effect));
        }
        due.push(fees);
        let price = here.data.price()?;
        done.prices.push(PriceUsed {
            market: header.index,
            price: price.price,
            publish_time: price.publish_time,
        });
        check_open_interest(
            before,
            state::read(&here.view.ledger)?.total_open_interest_up(),
            header.max_market_open_interest,
            EstuaryError::MarketOpenInterestLimit,
        )
    })?;
    for (side, account) in sides.iter().zip(pair.iter_mut()) {
        let premium = side
            .premium_paid
            .checked_neg()
            .ok_or(EstuaryError::AmountOverflow)?;
        account.change_balance(SETTLEMENT_BANK, premium)?;
    }
    done.fees = charge_fees(pair, &mut sides, markets, &due)?;
    for (side, account) in sides.iter_mut().zip(pair.iter()) {
        side.after.cash = Money(account.cash());
        side.unhealthy_since = account.unhealthy_since;
    }
    Ok((sides, done))
}

/// A leg as its event tells it.
fn traded_leg(leg: &TradeLeg, effect: &LegEffect) -> TradedLeg {
    TradedLeg {
        market: leg.market,
        slot: leg.slot,
        generation: leg.generation,
        lots: effect.lots,
        price: leg.price,
        premium: effect.premium,
        cost: effect.cost,
    }
}

/// Moves a leg's lots and cost in both accounts and in the ledger, and returns how both accounts' lots changed.
fn apply_leg(
    pair: &mut Pair<'_>,
    view: &MarketView<'_>,
    leg: &TradeLeg,
    effect: &LegEffect,
) -> Result<[LotsMoved; 2]> {
    let mut ledger = state::write(&view.ledger)?;
    let before = ledger.open_interest_up(leg.slot)?;
    let negated = || error!(EstuaryError::AmountOverflow).with_values((effect.lots, effect.cost));
    let opposite = (
        effect.lots.checked_neg().ok_or_else(negated)?,
        effect.cost.checked_neg().ok_or_else(negated)?,
    );
    let mut both = [LotsMoved::default(); 2];
    let changes = [(effect.lots, effect.cost), opposite];
    for ((account, moved), (lots, cost)) in pair.iter_mut().zip(&mut both).zip(changes) {
        *moved = account.apply_trade(leg.market, leg.slot, leg.generation, lots, cost)?;
        view.market.header.check_status(moved)?;
        ledger.move_lots(leg.slot, moved.before, moved.after)?;
        ledger.add_cost(cost)?;
    }
    check_open_interest(
        before,
        ledger.open_interest_up(leg.slot)?,
        view.market.header.max_series_open_interest,
        EstuaryError::SeriesOpenInterestLimit,
    )?;
    ledger.invariant()?;
    Ok(both)
}

/// Refuses open interest over a limit that is not 0. What does not raise it is an exit, which no limit blocks.
fn check_open_interest(before: u64, after: u64, limit: u64, error: EstuaryError) -> Result<()> {
    let raised = after > before;
    if raised && limit != 0 && after > limit {
        return Err(error!(error).with_values((after, limit)));
    }
    Ok(())
}
