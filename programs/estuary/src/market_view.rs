//! The one loader of remaining accounts: for each market an instruction needs, its account, its ledger and its price.
//!
//! Handlers never index remaining accounts. The list is `[market, ledger, price]` per market, strictly ascending by the
//! markets' index, nothing missing and nothing left over.

use crate::{
    bridge::MarketData,
    error::EstuaryError,
    oracle::{self, CheckedPrice, PriceLimits},
    state::{self, MarketLedger, MarketRef, MarketSet},
};
use anchor_lang::prelude::*;

/// Accounts of one market in the list.
const ACCOUNTS_PER_MARKET: usize = 3;

/// One market as an instruction sees it: borrowed for reading, with a checked price.
pub struct MarketView<'info> {
    /// The market.
    pub market: MarketRef<'info>,
    /// Its ledger, checked and not borrowed.
    pub ledger: AccountLoader<'info, MarketLedger>,
    /// The price of the underlying.
    pub price: CheckedPrice,
}

/// Loads the markets in `needed` and checks everything about their accounts. The ledgers of the markets in `written`
/// have to be writable.
///
/// # Errors
/// One error per thing that can be wrong: see the groups "Remaining accounts" and "Prices" of [`EstuaryError`].
pub fn load_markets<'info>(
    remaining: &'info [AccountInfo<'info>],
    clearinghouse: &Pubkey,
    needed: MarketSet,
    written: MarketSet,
    now: i64,
) -> Result<Vec<MarketView<'info>>> {
    let count = usize::try_from(needed.len()).unwrap_or_default();
    let mut views = Vec::with_capacity(count);
    let mut groups = remaining.chunks(ACCOUNTS_PER_MARKET);
    let mut previous: Option<u16> = None;
    for index in needed.iter() {
        let Some([market, ledger, price]) = groups.next() else {
            return Err(
                error!(EstuaryError::MarketAccountMissing).with_values((index, remaining.len()))
            );
        };
        let view = MarketView::load(market, ledger, price, clearinghouse, now)?;
        check_place(view.market.header.index, index, previous)?;
        let writable = ledger.is_writable || !written.contains(index);
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
        price: &'info AccountInfo<'info>,
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
        let limits = PriceLimits::of(header, state::read(&ledger)?.last_publish_time, now);
        // A margin account of the instruction, given in a price's place, is borrowed already.
        let data = price
            .try_borrow_data()
            .map_err(|_| error!(EstuaryError::PriceAccountOwner))?;
        let price = oracle::read(price.key, price.owner, &data, header)?;
        let price = price.check(&limits)?;
        Ok(Self {
            market,
            ledger,
            price,
        })
    }

    /// What the engine needs of the market.
    #[must_use]
    pub fn data(&self) -> MarketData<'_> {
        MarketData {
            header: &self.market.header,
            table: &self.market.table,
            price: self.price,
        }
    }

    /// Records in the ledger that the price was used.
    ///
    /// # Errors
    /// [`EstuaryError::PriceOlderThanLast`].
    pub fn record_price(&self) -> Result<()> {
        state::write(&self.ledger)?.record_price(self.price.publish_time)
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
