//! Margin computed off chain, from the bytes the program would read and by the code the program would run.

use crate::account::{decode, MarketAccount};
use anchor_lang::{error::Error, prelude::Pubkey};
use estuary::{
    bridge::{self, MarketData},
    instructions::WhatIf,
    oracle::{self, CheckedPrice, PriceLimits},
    report::{MarketReportView, PositionsView, SummaryView, WhatIfView},
    state::{MarginAccount, MarketLedger, Owner, Round, StoredReturns},
    EstuaryError,
};
use estuary_risk::margin::MarginReport;

/// A price account as it was fetched.
#[derive(Clone, Copy, Debug)]
pub struct FetchedPrice<'a> {
    /// Its address.
    pub address: Pubkey,
    /// The program that owns it.
    pub owner: Pubkey,
    /// Its data.
    pub data: &'a [u8],
}

/// A market as it was fetched.
#[derive(Clone, Copy, Debug)]
pub struct FetchedMarket<'a> {
    /// Data of the market.
    pub market: &'a [u8],
    /// Data of its ledger.
    pub ledger: &'a [u8],
    /// Its price account.
    pub price: FetchedPrice<'a>,
}

/// A market decoded, with a price that passed every check of the program.
#[derive(Clone, Debug)]
pub struct LoadedMarket {
    /// The market.
    pub account: MarketAccount,
    /// Its rounds of claims that a loss has lowered.
    pub lowered_rounds: Vec<Round>,
    /// What its ledger knows of the price's returns.
    pub returns: StoredReturns,
    /// Its price, where the account's margin depends on it.
    pub price: Option<CheckedPrice>,
}

/// One margin account, its owner's account and its markets at one time.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The account.
    pub account: Box<MarginAccount>,
    /// What its owner holds in all accounts.
    pub owner: Box<Owner>,
    /// Its markets, ascending by index.
    pub markets: Vec<LoadedMarket>,
    /// The time of the snapshot, unix seconds.
    pub now: i64,
}

impl LoadedMarket {
    /// Decodes a market and, if it is needed, checks its price as the program would at `now`.
    ///
    /// # Errors
    /// Those of the program's loader of market accounts.
    pub fn load(fetched: &FetchedMarket<'_>, priced: bool, now: i64) -> Result<Self, Error> {
        let account = MarketAccount::decode(fetched.market)?;
        let ledger: Box<MarketLedger> = Box::new(decode(fetched.ledger)?);
        let price = if priced {
            let limits = PriceLimits::of(&account.header, ledger.last_publish_time, now);
            let price = &fetched.price;
            let price = oracle::read(&price.address, &price.owner, price.data, &account.header)?;
            Some(price.check(&limits)?)
        } else {
            None
        };
        Ok(Self {
            lowered_rounds: ledger.claims.lowered_rounds(),
            returns: ledger.returns,
            price,
            account,
        })
    }

    /// The market as the engine takes it.
    #[must_use]
    pub fn data(&self) -> MarketData<'_> {
        MarketData {
            header: &self.account.header,
            table: &self.account.table,
            lowered_rounds: &self.lowered_rounds,
            returns: &self.returns,
            price: self.price,
        }
    }
}

/// The markets an account has something in, each with a price where its margin depends on it, as the program loads them;
/// `markets` are all there are, in the order of their indices.
///
/// # Errors
/// [`EstuaryError::MarketAccountMissing`] for a market that is not among them, [`EstuaryError::MarketUnknown`] for an index
/// no market can have.
pub fn markets_of<'a>(
    account: &MarginAccount,
    markets: &'a [LoadedMarket],
) -> Result<Vec<MarketData<'a>>, Error> {
    let priced = account.priced_markets()?;
    let market = |index: u16| {
        let market = markets.get(usize::from(index));
        let data = market.ok_or(EstuaryError::MarketAccountMissing)?.data();
        let price = data.price.filter(|_| priced.contains(index));
        Ok(MarketData { price, ..data })
    };
    account.markets()?.iter().map(market).collect()
}

impl Snapshot {
    /// Decodes an account, its owner's account and the markets its equity depends on; further markets are left out.
    ///
    /// # Errors
    /// Those of decoding, [`EstuaryError::OwnerOfAnotherAccount`], and of the program's loader of market accounts. A missing
    /// market is one of the engine's callers to notice: see [`Snapshot::missing_markets`].
    pub fn new(
        account: &[u8],
        owner: &[u8],
        markets: &[FetchedMarket<'_>],
        now: i64,
    ) -> Result<Self, Error> {
        Self::with([account, owner], markets, now, &WhatIf::default())
    }

    /// The same with the markets that the legs of a change name, for [`Snapshot::what_if`]; `accounts` are the account and
    /// its owner's.
    ///
    /// # Errors
    /// Those of [`Snapshot::new`], and of the legs by themselves.
    pub fn with(
        [account, owner]: [&[u8]; 2],
        markets: &[FetchedMarket<'_>],
        now: i64,
        change: &WhatIf,
    ) -> Result<Self, Error> {
        let account: Box<MarginAccount> = Box::new(decode(account)?);
        let owner: Box<Owner> = Box::new(decode(owner)?);
        owner.check_owns(&account)?;
        let named = change.markets()?;
        let needed = account.markets()?.union(named);
        let priced = account.priced_markets()?.union(named);
        let mut loaded = Vec::with_capacity(markets.len());
        for market in markets {
            let index = MarketAccount::decode(market.market)?.header.index;
            if needed.contains(index) {
                loaded.push(LoadedMarket::load(market, priced.contains(index), now)?);
            }
        }
        loaded.sort_unstable_by_key(|market| market.account.header.index);
        Ok(Self {
            account,
            owner,
            markets: loaded,
            now,
        })
    }

    /// Markets the account's equity depends on that were not given; without them a report would be wrong.
    ///
    /// # Errors
    /// [`estuary::EstuaryError::MarketUnknown`] for a position with an index no market can have.
    pub fn missing_markets(&self) -> Result<Vec<u16>, Error> {
        let given = |index: u16| {
            self.markets
                .iter()
                .any(|market| market.account.header.index == index)
        };
        Ok(self
            .account
            .markets()?
            .iter()
            .filter(|index| !given(*index))
            .collect())
    }

    /// The markets, or an error that names the first one missing.
    fn data(&self) -> Result<Vec<MarketData<'_>>, Error> {
        if let Some(index) = self.missing_markets()?.first() {
            let error: Error = estuary::EstuaryError::MarketAccountMissing.into();
            return Err(error.with_values((index, self.markets.len())));
        }
        Ok(self.markets.iter().map(LoadedMarket::data).collect())
    }

    /// Equity and requirements.
    ///
    /// # Errors
    /// [`estuary::EstuaryError::MarketAccountMissing`], the engine's.
    pub fn assess(&self) -> Result<MarginReport, Error> {
        bridge::assess(&self.account, &self.owner, &self.data()?, self.now)
    }

    /// What `margin_report` returns for the account.
    ///
    /// # Errors
    /// [`estuary::EstuaryError::MarketAccountMissing`], the engine's.
    pub fn summary(&self) -> Result<SummaryView, Error> {
        bridge::report::summary(&self.account, &self.owner, &self.data()?, self.now)
    }

    /// What `margin_report` returns for the account before and after a change. The markets that its legs name have to be
    /// among those of the snapshot, priced.
    ///
    /// # Errors
    /// [`estuary::EstuaryError::MarketAccountMissing`], those of the legs, the engine's.
    pub fn what_if(&self, change: &WhatIf) -> Result<Box<WhatIfView>, Error> {
        let data = self.data()?;
        for index in change.markets()?.iter() {
            let priced = |one: &MarketData<'_>| one.header.index == index && one.price.is_some();
            if !data.iter().any(priced) {
                let error: Error = estuary::EstuaryError::MarketAccountMissing.into();
                return Err(error.with_values((index, data.len())));
            }
        }
        let whose = (&*self.account, &*self.owner);
        let changed = bridge::what_if::changed(whose, change, &data, self.now)?;
        bridge::what_if::summaries(whose, &changed, &data, self.now)
    }

    /// What `margin_report` returns for a market.
    ///
    /// # Errors
    /// [`estuary::EstuaryError::MarketAccountMissing`], [`estuary::EstuaryError::ReportPageUnknown`], the engine's.
    pub fn market(&self, index: u16) -> Result<MarketReportView, Error> {
        bridge::report::market(&self.account, &self.owner, &self.data()?, self.now, index)
    }

    /// What `margin_report` returns for a page of positions.
    ///
    /// # Errors
    /// [`estuary::EstuaryError::MarketAccountMissing`], [`estuary::EstuaryError::ReportPageUnknown`], the engine's.
    pub fn positions(&self, page: u16) -> Result<PositionsView, Error> {
        bridge::report::positions(&self.account, &self.owner, &self.data()?, self.now, page)
    }
}
