//! The one loader of remaining accounts: for each market an instruction needs, its account, its ledger and its price.
//!
//! Handlers never index remaining accounts. The list is `[market, ledger, price]` per market, strictly ascending by the
//! markets' index, nothing missing and nothing left over.

use crate::{
    bridge::MarketData,
    error::EstuaryError,
    oracle::{self, CheckedPrice, PriceLimits},
    state::{self, MarginAccount, MarketLedger, MarketRef, MarketSet, Round, StoredReturns},
};
use anchor_lang::prelude::*;

/// Accounts of one market in the list.
const ACCOUNTS_PER_MARKET: usize = 3;

/// One market as an instruction sees it: borrowed for reading, with a checked price where one is needed.
pub struct MarketView<'info> {
    /// The market.
    pub market: MarketRef<'info>,
    /// Its ledger, checked and not borrowed.
    pub ledger: AccountLoader<'info, MarketLedger>,
    /// The ledger's rounds of claims that a loss has lowered; the others are worth their face.
    pub lowered_rounds: Vec<Round>,
    /// What the ledger knew of the price's returns when the instruction began.
    pub returns: StoredReturns,
    /// The price of the underlying, where the instruction needs it.
    pub price: Option<CheckedPrice>,
}

/// Which markets an instruction needs, and what for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needs {
    /// All of them.
    pub markets: MarketSet,
    /// Those whose price is needed. The price account of the others is in the list too and is not read, so that no
    /// feed blocks what does not depend on it.
    pub priced: MarketSet,
    /// Those whose ledger is written.
    pub written: MarketSet,
}

impl Needs {
    /// What evaluating accounts takes.
    ///
    /// # Errors
    /// [`EstuaryError::MarketUnknown`] for a position with an index no market can have.
    pub fn of(accounts: &[&MarginAccount]) -> Result<Self> {
        let mut needs = Self::default();
        for account in accounts {
            let priced = account.priced_markets()?;
            let all = priced.union(account.unsettled_markets()?);
            needs.markets = needs.markets.union(all);
            needs.priced = needs.priced.union(priced);
        }
        Ok(needs)
    }

    /// What letting value leave an account takes: nothing when it owes nothing, and no price when its cash covers what it
    /// owes.
    ///
    /// # Errors
    /// [`EstuaryError::MarketUnknown`] for a position with an index no market can have.
    pub fn to_pay_out(account: &MarginAccount) -> Result<Self> {
        if account.owes_nothing() {
            return Ok(Self::default());
        }
        if !account.needs_tokens() {
            return Ok(Self {
                markets: account.settled_markets()?,
                ..Self::default()
            });
        }
        Self::of(&[account])
    }

    /// What comparing an account's equity with its marks takes: what letting value leave it takes, so that no feed keeps
    /// a mark on an account that nothing depends on, and the markets it is marked in. All are written.
    ///
    /// # Errors
    /// [`EstuaryError::MarketUnknown`] for a position with an index no market can have.
    pub fn to_mark(account: &MarginAccount) -> Result<Self> {
        let needs = Self::to_pay_out(account)?;
        let markets = needs.markets.union(MarketSet::from_bits(account.marked));
        Ok(Self {
            markets,
            written: markets,
            ..needs
        })
    }

    /// These needs, and the price of further markets.
    #[must_use]
    pub const fn looking_at(self, markets: MarketSet) -> Self {
        Self {
            markets: self.markets.union(markets),
            priced: self.priced.union(markets),
            ..self
        }
    }

    /// These needs, and the ledger and price of further markets, written.
    #[must_use]
    pub const fn trading(self, markets: MarketSet) -> Self {
        Self {
            markets: self.markets.union(markets),
            priced: self.priced.union(markets),
            written: self.written.union(markets),
        }
    }
}

/// Loads the markets needed and checks everything about their accounts.
///
/// # Errors
/// One error per thing that can be wrong: see the groups "Remaining accounts" and "Prices" of [`EstuaryError`].
pub fn load_markets<'info>(
    remaining: &'info [AccountInfo<'info>],
    clearinghouse: &Pubkey,
    needs: Needs,
    now: i64,
) -> Result<Vec<MarketView<'info>>> {
    let count = usize::try_from(needs.markets.len()).unwrap_or_default();
    let mut views = Vec::with_capacity(count);
    let mut groups = remaining.chunks(ACCOUNTS_PER_MARKET);
    let mut previous: Option<u16> = None;
    for index in needs.markets.iter() {
        let Some([market, ledger, price]) = groups.next() else {
            return Err(
                error!(EstuaryError::MarketAccountMissing).with_values((index, remaining.len()))
            );
        };
        let price = needs.priced.contains(index).then_some(price);
        let view = MarketView::load(market, ledger, price, clearinghouse, now)?;
        check_place(view.market.header.index, index, previous)?;
        let writable = ledger.is_writable || !needs.written.contains(index);
        require!(writable, EstuaryError::LedgerNotWritable);
        previous = Some(index);
        views.push(view);
    }
    if groups.next().is_some() {
        let used = count.saturating_mul(ACCOUNTS_PER_MARKET);
        return Err(
            error!(EstuaryError::MarketAccountsLeftOver).with_values((used, remaining.len()))
        );
    }
    Ok(views)
}

/// Names what is wrong when the market found is not the one wanted.
fn check_place(found: u16, wanted: u16, previous: Option<u16>) -> Result<()> {
    if found == wanted {
        return Ok(());
    }
    let error = if previous.is_some_and(|previous| found <= previous) {
        EstuaryError::MarketAccountsOutOfOrder
    } else if found > wanted {
        EstuaryError::MarketAccountMissing
    } else {
        EstuaryError::MarketNotNeeded
    };
    Err(error!(error).with_values((wanted, found)))
}

impl<'info> MarketView<'info> {
    /// Checks the three accounts of one market.
    fn load(
        market: &'info AccountInfo<'info>,
        ledger: &'info AccountInfo<'info>,
        price: Option<&'info AccountInfo<'info>>,
        clearinghouse: &Pubkey,
        now: i64,
    ) -> Result<Self> {
        let market_key = market.key;
        let market = MarketRef::load(market)?;
        let header = &market.header;
        require_keys_eq!(
            header.clearinghouse,
            *clearinghouse,
            EstuaryError::AccountOfAnotherClearinghouse
        );
        let ledger = load_ledger(ledger, market_key)?;
        let (limits, lowered_rounds, returns) = {
            let ledger = state::read(&ledger)?;
            let limits = PriceLimits::of(header, ledger.last_publish_time, now);
            (limits, ledger.claims.lowered_rounds(), ledger.returns)
        };
        let price = price.map(|price| oracle::checked(price, header, &limits));
        Ok(Self {
            price: price.transpose()?,
            market,
            ledger,
            lowered_rounds,
            returns,
        })
    }

    /// Lowers the claims by a recognised loss whose time has come, before anybody's margin is looked at.
    ///
    /// # Errors
    /// [`EstuaryError::LedgerInvariant`], [`EstuaryError::AmountOverflow`].
    pub fn share_loss(&mut self, ledger: &mut MarketLedger, now: i64) -> Result<()> {
        let before = ledger.claims.loss_to_share;
        ledger.claims.share_loss(now)?;
        if ledger.claims.loss_to_share != before {
            self.lowered_rounds = ledger.claims.lowered_rounds();
        }
        Ok(())
    }

    /// What the engine needs of the market.
    #[must_use]
    pub fn data(&self) -> MarketData<'_> {
        MarketData {
            header: &self.market.header,
            table: &self.market.table,
            lowered_rounds: &self.lowered_rounds,
            returns: &self.returns,
            price: self.price,
        }
    }

    /// Records in the ledger that the price was used, if there is one.
    ///
    /// # Errors
    /// [`EstuaryError::PriceOlderThanLast`].
    pub fn record_price(&self) -> Result<()> {
        let Some(price) = self.price else {
            return Ok(());
        };
        state::write(&self.ledger)?.record_price(price.publish_time, price.price)
    }
}

/// Checks a ledger's owner, type, version and market.
fn load_ledger<'info>(
    account: &'info AccountInfo<'info>,
    market: &Pubkey,
) -> Result<AccountLoader<'info, MarketLedger>> {
    require_keys_eq!(*account.owner, crate::ID, EstuaryError::LedgerAccountOwner);
    let ledger = AccountLoader::<MarketLedger>::try_from(account)
        .map_err(|_| error!(EstuaryError::LedgerAccountType))?;
    check_ledger(&ledger, market)?;
    Ok(ledger)
}

/// Checks that a ledger is a market's.
///
/// # Errors
/// [`EstuaryError::LedgerOfAnotherMarket`].
pub fn check_ledger(ledger: &AccountLoader<'_, MarketLedger>, market: &Pubkey) -> Result<()> {
    require_keys_eq!(
        state::read(ledger)?.market,
        *market,
        EstuaryError::LedgerOfAnotherMarket
    );
    Ok(())
}
