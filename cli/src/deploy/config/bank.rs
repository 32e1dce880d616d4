//! The banks of a file: the settlement token's, and those of the tokens that markets price.

use anchor_lang::prelude::Pubkey;
use estuary::state::MAX_BANKS;

use super::raw::File;
use super::resolve::{integer, public_key, wrong};
use super::{ConfigError, MarketConfig, TokenConfig};

const MINT: &str = "bank.mint";
const MARKET: &str = "bank.market";
const DEBT: &str = "bank.max_account_debt_millionths";

/// What one account may owe the settlement token's bank, which there has to be.
pub fn settlement(file: &File, text: &str, mint: &Pubkey) -> Result<u64, ConfigError> {
    for bank in &file.bank {
        if public_key(text, MINT, &bank.mint)? != *mint {
            continue;
        }
        if let Some(market) = &bank.market {
            let message = "the settlement token has none";
            return Err(wrong(text, market.span().start, MARKET, message));
        }
        let limit = i128::from(estuary::instructions::MAX_ACCOUNT_DEBT);
        let debt = bank.max_account_debt_millionths.as_ref();
        let debt = debt.map_or(Ok(0), |debt| integer(text, DEBT, debt, 0..=limit))?;
        return Ok(debt as u64);
    }
    let at = file.clearinghouse.settlement_mint.span().start;
    let message = "missing: no [[bank]] has the settlement mint";
    Err(wrong(text, at, "bank", message))
}

/// The tokens besides the settlement token, each with its market.
pub fn tokens(
    file: &File,
    text: &str,
    settlement: &Pubkey,
    markets: &[MarketConfig],
) -> Result<Vec<TokenConfig>, ConfigError> {
    let mut seen: Vec<Pubkey> = Vec::with_capacity(file.bank.len());
    let mut tokens = Vec::with_capacity(file.bank.len());
    for bank in &file.bank {
        let at = bank.mint.span().start;
        let mint = public_key(text, MINT, &bank.mint)?;
        if seen.contains(&mint) {
            return Err(wrong(text, at, MINT, "another bank has this mint"));
        }
        if seen.len() == MAX_BANKS {
            let message = format!("the program has room for {MAX_BANKS} banks");
            return Err(wrong(text, at, "bank", message));
        }
        seen.push(mint);
        if mint == *settlement {
            continue;
        }
        if let Some(debt) = &bank.max_account_debt_millionths {
            let message = "only the settlement token is lent";
            return Err(wrong(text, debt.span().start, DEBT, message));
        }
        let Some(symbol) = &bank.market else {
            let message = "missing: a token other than the settlement token needs its market";
            return Err(wrong(text, at, MARKET, message));
        };
        let of_symbol = |market: &MarketConfig| market.symbol == *symbol.get_ref();
        let Some(market) = markets.iter().position(of_symbol) else {
            let message = format!("no market is called {}", symbol.get_ref());
            return Err(wrong(text, symbol.span().start, MARKET, message));
        };
        tokens.push(TokenConfig { mint, market });
    }
    Ok(tokens)
}
