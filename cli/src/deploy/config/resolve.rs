//! The file as a whole: the clearinghouse, and which markets take part.

use std::ops::RangeInclusive;

use anchor_lang::prelude::Pubkey;
use estuary::state::MAX_MARKETS;
use estuary_client::House;
use toml::Spanned;

use super::bank;
use super::market::{Source, PPM};
use super::offsets::offsets;
use super::raw::{File, Market};
use super::values::Int;
use super::{line, ConfigError, Deployment, Given, MarketConfig};

/// The symbol of a market that stands for any other.
pub const ANY: &str = "*";
/// An error about a key at a byte of the file.
pub fn wrong(text: &str, at: usize, key: &str, message: impl Into<String>) -> ConfigError {
    ConfigError {
        line: line(text, at),
        key: key.to_owned(),
        message: message.into(),
    }
}

/// The whole file.
pub fn deployment(file: &File, text: &str, given: &Given) -> Result<Deployment, ConfigError> {
    let house = &file.clearinghouse;
    let id = integer(text, "clearinghouse.id", &house.id, 0..=u16::MAX.into())?;
    let authority = public_key(text, "clearinghouse.authority", &house.authority)?;
    let mint = public_key(
        text,
        "clearinghouse.settlement_mint",
        &house.settlement_mint,
    )?;
    let key = "clearinghouse.insurance_share_ppm";
    let share = integer(text, key, &house.insurance_share_ppm, 0..=PPM)?;
    let max_account_debt = bank::settlement(file, text, &mint)?;
    if let Some(symbol) = &file.market_defaults.symbol {
        let at = symbol.span().start;
        return Err(wrong(
            text,
            at,
            "market_defaults.symbol",
            "every market has its own",
        ));
    }
    let markets = taking_part(file, text, given)?;
    let is_any = |market: &Spanned<Market>| {
        let symbol = market.get_ref().symbol.as_ref();
        symbol.is_some_and(|symbol| symbol.get_ref() == ANY)
    };
    let is_template = file.market.iter().any(is_any);
    let first_of = |symbol: &str| given.first_prices.iter().find(|(name, _)| name == symbol);
    let mut resolved: Vec<MarketConfig> = Vec::with_capacity(markets.len());
    for (symbol, market) in markets {
        let keys = market.get_ref().clone().or(&file.market_defaults);
        let mut source = Source {
            keys: &keys,
            text,
            start: market.span().start,
            symbol: &symbol,
            first_price: None,
            first_expiry: given.first_expiry,
        };
        let exponent = i8::try_from(source.int("price_exponent", &keys.price_exponent, -16..=0)?)
            .map_err(|_| source.missing("price_exponent"))?;
        if let Some((_, price)) = first_of(&symbol) {
            let mantissa = price.mantissa(exponent);
            let mantissa = mantissa.map_err(|what| {
                source.error("symbol", source.start, format!("the first price {what}"))
            })?;
            source.first_price = Some(mantissa);
        }
        let mut config = source.market(exponent)?;
        config.args.offsets = offsets(&source, &resolved, is_template)?;
        let same = resolved
            .iter()
            .any(|other| other.args.feed_id == config.args.feed_id);
        if same {
            return Err(source.error("feed_id", source.start, "another market has this feed"));
        }
        resolved.push(config);
    }
    if resolved.len() > MAX_MARKETS {
        let message = format!(
            "{} markets, the program has room for {MAX_MARKETS}",
            resolved.len()
        );
        return Err(wrong(text, text.len(), "market", message));
    }
    Ok(Deployment {
        house: House::new(id as u16, authority, mint),
        max_account_debt,
        tokens: bank::tokens(file, text, &mint, &resolved)?,
        insurance_share_ppm: share as u32,
        markets: resolved,
    })
}

/// The markets of a file in order, by symbol. In a file with a market `*` those that a first price is given for.
fn taking_part<'a>(
    file: &'a File,
    text: &str,
    given: &Given,
) -> Result<Vec<(String, &'a Spanned<Market>)>, ConfigError> {
    let mut named: Vec<(String, &Spanned<Market>)> = Vec::new();
    for market in &file.market {
        let at = market.span().start;
        let Some(symbol) = &market.get_ref().symbol else {
            return Err(wrong(text, at, "market.symbol", "missing"));
        };
        let (at, symbol) = (symbol.span().start, symbol.get_ref());
        let printable = symbol.bytes().all(|byte| byte.is_ascii_graphic());
        if symbol.is_empty() || symbol.len() > 16 || !printable {
            let message = format!("«{symbol}» is not 1 to 16 printable ASCII characters");
            return Err(wrong(text, at, "market.symbol", message));
        }
        if named.iter().any(|(other, _)| other == symbol) {
            let message = format!("another market is called {symbol}");
            return Err(wrong(text, at, "market.symbol", message));
        }
        named.push((symbol.clone(), market));
    }
    let Some((_, any)) = named.iter().find(|(symbol, _)| symbol == ANY) else {
        return Ok(named);
    };
    if given.first_prices.is_empty() {
        let message = "a template: it needs the first price of every market that is to take part";
        return Err(wrong(text, any.span().start, "market.symbol", message));
    }
    let take = |(symbol, _): &(String, _)| {
        let own = named.iter().find(|(name, _)| name == symbol);
        (symbol.clone(), own.map_or(*any, |(_, market)| *market))
    };
    Ok(given.first_prices.iter().map(take).collect())
}

/// A number in its range.
pub fn integer(
    text: &str,
    key: &str,
    value: &Spanned<Int>,
    range: RangeInclusive<i128>,
) -> Result<i128, ConfigError> {
    let number = value.get_ref().0;
    if range.contains(&number) {
        return Ok(number);
    }
    let message = format!("{number} is not from {} to {}", range.start(), range.end());
    Err(wrong(text, value.span().start, key, message))
}

/// A public key in base 58.
pub fn public_key(text: &str, key: &str, value: &Spanned<String>) -> Result<Pubkey, ConfigError> {
    let parsed = value.get_ref().parse();
    parsed.map_err(|_| {
        let message = format!("«{}» is not a public key", value.get_ref());
        wrong(text, value.span().start, key, message)
    })
}
