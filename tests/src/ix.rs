//! The client's instructions, from what the tests have at hand.

use crate::setup::{Token, MAX_ACCOUNT_DEBT};
use crate::{House, Trader, Underlying};
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use estuary::instructions::{
    CreateMarketArgs, LiquidateArgs, OffsetArgs, PositionTransfer, SeriesArgs, SurfaceSlice,
    TradeLeg, WhatIf,
};
use estuary::report::ReportPage;
use estuary::state::MarketStatus;
use estuary_client::instruction::{Party, PricedMarket, Trader as Addresses};
use solana_signer::Signer;

impl Trader {
    /// The addresses the client needs.
    pub fn addresses(&self) -> Addresses {
        Addresses {
            owner: self.owner.pubkey(),
            sub_id: self.sub_id,
            tokens: self.tokens,
        }
    }

    /// The account of what the owner holds in all accounts of a clearinghouse.
    pub fn owner_account(&self, clearinghouse: &Pubkey) -> Pubkey {
        estuary_client::address::owner_account(clearinghouse, &self.owner.pubkey())
    }

    /// The margin account the client needs.
    pub fn party(&self) -> Party {
        Party {
            owner: self.owner.pubkey(),
            sub_id: self.sub_id,
        }
    }
}

/// The markets with the accounts their prices are in.
pub fn priced(markets: &[&Underlying]) -> Vec<PricedMarket> {
    let priced = |market: &&Underlying| PricedMarket {
        market: market.market,
        price: market.price_account,
    };
    markets.iter().map(priced).collect()
}

/// Creates the house's clearinghouse.
pub fn create_clearinghouse(house: &House) -> Instruction {
    let share = crate::setup::INSURANCE_SHARE_PPM;
    house.addresses.create_clearinghouse(share)
}

/// Adds the bank of the settlement token.
pub fn add_bank(house: &House) -> Instruction {
    house.addresses.add_bank(MAX_ACCOUNT_DEBT)
}

/// Creates a market.
pub fn create_market(house: &House, args: &CreateMarketArgs) -> Instruction {
    house.addresses.create_market(args.clone())
}

/// Grows a market.
pub fn extend_market(house: &House, market: &Pubkey, target_capacity: u16) -> Instruction {
    house.addresses.extend_market(*market, target_capacity)
}

/// Lists series.
pub fn list_series(house: &House, market: &Pubkey, series: &[SeriesArgs]) -> Instruction {
    house.addresses.list_series(*market, series.to_vec())
}

/// Posts a surface.
pub fn post_surface(house: &House, market: &Pubkey, slices: &[SurfaceSlice]) -> Instruction {
    house.addresses.post_surface(*market, slices.to_vec())
}

/// Records a market's price for the settlement of an expiry.
pub fn record_settlement_price(house: &House, market: &Underlying, expiry: i64) -> Instruction {
    let priced = PricedMarket {
        market: market.market,
        price: market.price_account,
    };
    house.addresses.record_settlement_price(&priced, expiry)
}

/// Fixes the settlement price of an expiry.
pub fn finalize_settlement(house: &House, market: &Underlying, expiry: i64) -> Instruction {
    house.addresses.finalize_settlement(market.market, expiry)
}

/// Frees an expiry and its series.
pub fn retire_expiry(house: &House, market: &Underlying, expiry: i64) -> Instruction {
    house.addresses.retire_expiry(market.market, expiry)
}

/// Opens a market, restricts it to exits, or pauses it.
pub fn set_market_status(house: &House, market: &Pubkey, status: MarketStatus) -> Instruction {
    house.addresses.set_market_status(*market, status)
}

/// Changes how far a market and one of a lower index offset each other.
pub fn set_offset(house: &House, market: &Pubkey, args: OffsetArgs) -> Instruction {
    house.addresses.set_offset(*market, args)
}

/// Records a market's price.
pub fn record_price(house: &House, market: &Underlying) -> Instruction {
    let priced = PricedMarket {
        market: market.market,
        price: market.price_account,
    };
    house.addresses.record_price(&priced)
}

/// Opens a trader's account, which the owner pays for.
pub fn open_account(house: &House, trader: &Trader) -> Instruction {
    let owner = trader.owner.pubkey();
    house.addresses.open_account(owner, owner, trader.sub_id)
}

/// Names a trader's delegate.
pub fn set_delegate(house: &House, trader: &Trader, delegate: Pubkey, expiry: i64) -> Instruction {
    house
        .addresses
        .set_delegate(&trader.party(), delegate, expiry)
}

/// Closes a trader's account.
pub fn close_account(house: &House, trader: &Trader) -> Instruction {
    house.addresses.close_account(&trader.party())
}

/// Deposits from the trader's token account.
pub fn deposit(house: &House, trader: &Trader, amount: u64) -> Instruction {
    house.addresses.deposit(&trader.addresses(), amount)
}

/// Withdraws to the trader's token account; `markets` are those the trader has positions in.
pub fn withdraw(
    house: &House,
    trader: &Trader,
    amount: u64,
    markets: &[&Underlying],
) -> Instruction {
    let trader = trader.addresses();
    house.addresses.withdraw(&trader, amount, &priced(markets))
}

/// Adds the bank of a token.
pub fn add_token_bank(house: &House, token: &Token) -> Instruction {
    house.addresses.add_token_bank(&token.bank, token.market)
}

/// Deposits a token.
pub fn deposit_token(house: &House, trader: &Trader, token: &Token, amount: u64) -> Instruction {
    let addresses = token.addresses(trader);
    house
        .addresses
        .deposit_token(&token.bank, &addresses, amount)
}

/// Withdraws a token; `markets` are those that the check needs.
pub fn withdraw_token(
    house: &House,
    trader: &Trader,
    token: &Token,
    amount: u64,
    markets: &[&Underlying],
) -> Instruction {
    let addresses = token.addresses(trader);
    house
        .addresses
        .withdraw_token(&token.bank, &addresses, amount, &priced(markets))
}

/// Moves a token from an account to another of the same owner; `markets` are those that the check needs.
pub fn transfer_token(
    house: &House,
    from: &Trader,
    to: &Trader,
    (token, amount): (&Token, u64),
    markets: &[&Underlying],
) -> Instruction {
    house.addresses.transfer_balance(
        &from.party(),
        to.sub_id,
        token.index,
        amount,
        &priced(markets),
    )
}

/// Moves cash from an account to another of the same owner; `markets` are those the source has positions in.
pub fn transfer_cash(
    house: &House,
    from: &Trader,
    to: &Trader,
    amount: u64,
    markets: &[&Underlying],
) -> Instruction {
    house
        .addresses
        .transfer_balance(&from.party(), to.sub_id, 0, amount, &priced(markets))
}

/// Moves positions from an account to another of the same owner; `markets` are those that either account has positions
/// in.
pub fn transfer_positions(
    house: &House,
    from: &Trader,
    to: &Trader,
    transfers: &[PositionTransfer],
    markets: &[&Underlying],
) -> Instruction {
    let named = |market: &&&Underlying| transfers.iter().any(|one| one.market == market.index);
    let moved: Vec<_> = markets
        .iter()
        .filter(named)
        .map(|market| market.market)
        .collect();
    let transfers = transfers.to_vec();
    house.addresses.transfer_positions(
        &from.party(),
        to.sub_id,
        transfers,
        &priced(markets),
        &moved,
    )
}

/// Trades legs; `markets` are those that either side has positions in or a leg names, ascending.
pub fn block_trade(
    house: &House,
    taker: &Trader,
    maker: &Trader,
    legs: &[TradeLeg],
    markets: &[&Underlying],
) -> Instruction {
    let named = |market: &&&Underlying| legs.iter().any(|leg| leg.market == market.index);
    let traded: Vec<_> = markets
        .iter()
        .filter(named)
        .map(|market| market.market)
        .collect();
    let (taker, maker) = (taker.party(), maker.party());
    house
        .addresses
        .block_trade(&taker, &maker, legs.to_vec(), &priced(markets), &traded)
}

/// Reports on an account; `markets` are those it has positions in.
pub fn margin_report(
    house: &House,
    trader: &Trader,
    page: ReportPage,
    markets: &[&Underlying],
) -> Instruction {
    let trader = trader.party();
    house
        .addresses
        .margin_report(&trader, page, &priced(markets))
}

/// Reports on an account as it would be; `markets` are those it has positions in or a leg names.
pub fn what_if(
    house: &House,
    trader: &Trader,
    page: ReportPage,
    change: &WhatIf,
    markets: &[&Underlying],
) -> Instruction {
    let trader = trader.party();
    house
        .addresses
        .what_if(&trader, page, change.clone(), &priced(markets))
}

/// Liquidates an account; `markets` are those that either account has positions in, and the ledgers of all of them are
/// writable.
pub fn liquidate(
    house: &House,
    liquidator: &Trader,
    liquidated: &Trader,
    markets: &[&Underlying],
) -> Instruction {
    let anything = LiquidateArgs::anything();
    liquidate_within(house, liquidator, liquidated, anything, markets)
}

/// Liquidates an account within a liquidator's limits; see [`liquidate`].
pub fn liquidate_within(
    house: &House,
    liquidator: &Trader,
    liquidated: &Trader,
    args: LiquidateArgs,
    markets: &[&Underlying],
) -> Instruction {
    let written: Vec<_> = markets.iter().map(|market| market.market).collect();
    let (liquidator, liquidated) = (liquidator.party(), liquidated.party());
    house
        .addresses
        .liquidate(&liquidator, &liquidated, args, &priced(markets), &written)
}

/// Settles an account's loss in the market at `place` of `markets` beyond its cash.
pub fn settle_on_credit(
    house: &House,
    trader: &Trader,
    place: usize,
    markets: &[&Underlying],
) -> Instruction {
    let settled = markets[place];
    house.addresses.settle_on_credit(
        &trader.party(),
        settled.index,
        &priced(markets),
        settled.market,
    )
}

/// Settles an account in one market; `with_bank` gives the settlement token's bank along.
pub fn settle(
    house: &House,
    trader: &Trader,
    market: &Underlying,
    variation: bool,
    with_bank: bool,
) -> Instruction {
    let [market_accounts] = priced(&[market])[..] else {
        unreachable!("one market");
    };
    house.addresses.settle(
        &trader.party(),
        (market.index, &market_accounts),
        variation,
        with_bank,
    )
}

/// Marks an account that is below zero, or takes the mark away; `markets` are those its equity depends on.
pub fn mark_account(house: &House, trader: &Trader, markets: &[&Underlying]) -> Instruction {
    let markets = priced(markets);
    house.addresses.mark_account(&trader.party(), &markets)
}

/// Pays the fees of a market out to a token account.
pub fn sweep_fees(house: &House, market: &Underlying, destination: Pubkey) -> Instruction {
    house.addresses.sweep_fees(market.market, destination)
}

/// Pays from a trader's tokens into the insurance fund.
pub fn fund_insurance(house: &House, funder: &Trader, amount: u64) -> Instruction {
    let addresses = funder.addresses();
    house
        .addresses
        .fund_insurance(addresses.owner, addresses.tokens, amount)
}
