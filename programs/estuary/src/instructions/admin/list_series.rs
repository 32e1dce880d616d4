//! Lists contracts in a market.

use crate::{
    bridge,
    error::EstuaryError,
    market_view::check_ledger,
    state::{
        self, series::NO_EXPIRY, Clearinghouse, Market, MarketLedger, MarketMut, Series,
        SeriesKind, StateAccount, MAX_LISTED_AT_ONCE,
    },
};
use anchor_lang::prelude::*;
use bytemuck::Zeroable;

/// One contract to list.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesArgs {
    /// What it pays.
    pub kind: SeriesKind,
    /// Index of its expiry in the market; [`NO_EXPIRY`] for a perp.
    pub expiry: u8,
    /// Strike, a mantissa at the market's price exponent; 0 for a future or perp.
    pub strike: u64,
}

/// Accounts of `list_series`.
#[derive(Accounts)]
pub struct ListSeries<'info> {
    /// The clearinghouse's authority.
    pub authority: Signer<'info>,
    /// The clearinghouse.
    #[account(has_one = authority @ EstuaryError::NotTheAuthority)]
    pub clearinghouse: AccountLoader<'info, Clearinghouse>,
    /// The market.
    /// CHECK: [`MarketMut::load`] checks owner, type, length and version; the handler the clearinghouse.
    #[account(mut)]
    pub market: UncheckedAccount<'info>,
    /// Its ledger, which knows what is held.
    pub ledger: AccountLoader<'info, MarketLedger>,
}

impl SeriesArgs {
    /// Checks one contract against its market and makes its record.
    ///
    /// A strike is any positive mantissa: what is listed is not bounded by today's price, and the engine clamps strikes
    /// further than 64 times from the forward conservatively.
    fn record(&self, market: &Market, now: i64) -> Result<Series> {
        require!(
            (self.strike > 0) == self.kind.is_option(),
            EstuaryError::StrikeInvalid
        );
        if self.kind == SeriesKind::Perp {
            require_eq!(self.expiry, NO_EXPIRY, EstuaryError::ExpiryUnknown);
        } else {
            require_gt!(
                market.expiry(self.expiry)?.time,
                now,
                EstuaryError::ExpiryPassed
            );
        }
        Ok(Series {
            kind: self.kind.code(),
            expiry: self.expiry,
            strike: self.strike,
            ln_strike_q40: bridge::ln_strike_q40(self.strike),
            ..Series::zeroed()
        })
    }
}

impl<'info> ListSeries<'info> {
    /// Checks what does not need the market borrowed.
    fn validate(&self, series: &[SeriesArgs]) -> Result<()> {
        state::read(&self.clearinghouse)?;
        require!(!series.is_empty(), EstuaryError::NoSeriesGiven);
        require_gte!(
            MAX_LISTED_AT_ONCE,
            series.len(),
            EstuaryError::TooManySeriesGiven
        );
        Ok(())
    }

    /// Lists contracts in the first free slots, in the order given: all or none. A slot that had a series before gets the
    /// next generation.
    ///
    /// # Errors
    /// [`EstuaryError::NotTheAuthority`], [`EstuaryError::NoSeriesGiven`], [`EstuaryError::TooManySeriesGiven`],
    /// [`EstuaryError::SeriesListedAlready`], [`EstuaryError::SeriesTableFull`], [`EstuaryError::StrikeInvalid`],
    /// [`EstuaryError::ExpiryUnknown`], [`EstuaryError::ExpiryPassed`], [`EstuaryError::SeriesHasOpenLots`].
    pub fn handle(ctx: Context<'info, Self>, series: Vec<SeriesArgs>) -> Result<()> {
        let accounts = ctx.accounts;
        accounts.validate(&series)?;
        let now = Clock::get()?.unix_timestamp;
        let mut market = MarketMut::load(accounts.market.as_ref())?;
        check_ledger(&accounts.ledger, accounts.market.key)?;
        require_keys_eq!(
            market.header.clearinghouse,
            accounts.clearinghouse.key(),
            EstuaryError::AccountOfAnotherClearinghouse
        );
        let ledger = state::read(&accounts.ledger)?;
        for args in &series {
            let record = args.record(&market.header, now)?;
            ledger.check_unheld(market.list(record)?)?;
        }
        market.header.invariant()
    }
}
