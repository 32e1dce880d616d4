//! Posts the volatility smile and the basis of expiries, adding expiries the market does not have.

use crate::{
    bridge,
    error::EstuaryError,
    state::{self, Clearinghouse, Expiry, Market, MarketMut, StateAccount},
};
use anchor_lang::prelude::*;

/// Furthest expiry: two years, the range of the engine.
const MAX_SECONDS_TO_EXPIRY: i64 = 2 * 31_536_000;

/// The smile and basis of one expiry, in parts per billion.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct SurfaceSlice {
    /// When the expiry ends, unix seconds: its name. An expiry the market does not have is added.
    pub time: i64,
    /// At-the-money volatility per year.
    pub atm_vol_ppb: u64,
    /// Correlation parameter.
    pub rho_ppb: i64,
    /// Curvature parameter.
    pub phi_ppb: u64,
    /// Basis per year: forward = spot × (1 + rate × years left).
    pub basis_rate_ppb: i64,
}

/// Accounts of `post_surface`.
#[derive(Accounts)]
pub struct PostSurface<'info> {
    /// The clearinghouse's authority.
    pub authority: Signer<'info>,
    /// The clearinghouse.
    #[account(has_one = authority @ EstuaryError::NotTheAuthority)]
    pub clearinghouse: AccountLoader<'info, Clearinghouse>,
    /// The market.
    /// CHECK: [`MarketMut::load`] checks owner, type, length and version; the handler the clearinghouse.
    #[account(mut)]
    pub market: UncheckedAccount<'info>,
}

impl SurfaceSlice {
    /// Checks the time and makes the record.
    fn record(&self, now: i64) -> Result<Expiry> {
        require_gt!(self.time, now, EstuaryError::ExpiryPassed);
        let left = self.time.saturating_sub(now);
        require_gte!(MAX_SECONDS_TO_EXPIRY, left, EstuaryError::ExpiryTooFar);
        Ok(Expiry {
            time: self.time,
            atm_vol_ppb: self.atm_vol_ppb,
            rho_ppb: self.rho_ppb,
            phi_ppb: self.phi_ppb,
            basis_rate_ppb: self.basis_rate_ppb,
            posted_at: now,
            ..Expiry::default()
        })
    }
}

/// Replaces the smile of the expiry of the same time, or adds an expiry.
fn upsert(market: &mut Market, expiry: Expiry) -> Result<()> {
    let same = market
        .expiries
        .iter_mut()
        .take(usize::from(market.expiry_count))
        .find(|other| other.time == expiry.time);
    let Some(same) = same else {
        return market.add_expiry(expiry);
    };
    // The average that is under way stays.
    *same = Expiry {
        average: same.average,
        ..expiry
    };
    Ok(())
}

impl<'info> PostSurface<'info> {
    /// Checks what does not need the market borrowed.
    fn validate(&self, slices: &[SurfaceSlice]) -> Result<()> {
        state::read(&self.clearinghouse)?;
        require!(!slices.is_empty(), EstuaryError::NoSlicesGiven);
        for pair in slices.windows(2) {
            let [earlier, later] = pair else { continue };
            require_gt!(later.time, earlier.time, EstuaryError::SlicesOutOfOrder);
        }
        Ok(())
    }

    /// Posts slices, ascending by time: all or none. The whole surface that results, of all expiries that have not
    /// passed, must be free of butterfly and calendar arbitrage by the conditions of `estuary_risk::smile`.
    ///
    /// # Errors
    /// [`EstuaryError::NotTheAuthority`], [`EstuaryError::SlicesOutOfOrder`], [`EstuaryError::ExpiryPassed`],
    /// [`EstuaryError::ExpiryTooFar`], [`EstuaryError::TooManyExpiries`], one error per parameter out of range,
    /// [`EstuaryError::SurfaceButterfly`], [`EstuaryError::SurfaceCalendar`].
    pub fn handle(ctx: Context<'info, Self>, slices: Vec<SurfaceSlice>) -> Result<()> {
        let accounts = ctx.accounts;
        accounts.validate(&slices)?;
        let now = Clock::get()?.unix_timestamp;
        let mut market = MarketMut::load(accounts.market.as_ref())?;
        require_keys_eq!(
            market.header.clearinghouse,
            accounts.clearinghouse.key(),
            EstuaryError::AccountOfAnotherClearinghouse
        );
        for slice in &slices {
            upsert(&mut market.header, slice.record(now)?)?;
        }
        bridge::check_surface(&market.header, now)?;
        market.header.invariant()
    }
}
