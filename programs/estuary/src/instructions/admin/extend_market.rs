//! Makes room for more series in a market.

use crate::{
    error::EstuaryError,
    state::{self, Clearinghouse, MarketRef, MAX_SERIES},
};
use anchor_lang::{
    prelude::*,
    system_program::{transfer, Transfer},
};

/// Accounts of `extend_market`.
#[derive(Accounts)]
pub struct ExtendMarket<'info> {
    /// The clearinghouse's authority; pays for the room.
    #[account(mut)]
    pub authority: Signer<'info>,
    /// The clearinghouse.
    #[account(has_one = authority @ EstuaryError::NotTheAuthority)]
    pub clearinghouse: AccountLoader<'info, Clearinghouse>,
    /// The market to extend.
    /// CHECK: [`MarketRef::load`] checks owner, type, length and version; `validate` the clearinghouse.
    #[account(mut)]
    pub market: UncheckedAccount<'info>,
    /// Moves the rent.
    pub system_program: Program<'info, System>,
}

impl<'info> ExtendMarket<'info> {
    /// Checks that the market is of this clearinghouse.
    fn validate(&self, target_capacity: u16) -> Result<()> {
        state::read(&self.clearinghouse)?;
        require_gte!(
            MAX_SERIES,
            usize::from(target_capacity),
            EstuaryError::CapacityInvalid
        );
        let market = MarketRef::load(self.market.as_ref())?;
        require_keys_eq!(
            market.header.clearinghouse,
            self.clearinghouse.key(),
            EstuaryError::AccountOfAnotherClearinghouse
        );
        Ok(())
    }

    /// Grows the market towards room for `target_capacity` series, by at most [`MarketRef::MAX_GROWTH`] bytes (160
    /// series). Repeat until it has them; a repetition too many changes nothing.
    ///
    /// # Errors
    /// [`EstuaryError::NotTheAuthority`], [`EstuaryError::CapacityInvalid`],
    /// [`EstuaryError::AccountOfAnotherClearinghouse`].
    pub fn handle(ctx: Context<'info, Self>, target_capacity: u16) -> Result<()> {
        let accounts = ctx.accounts;
        accounts.validate(target_capacity)?;
        let market = accounts.market.as_ref();
        let length = market.data_len();
        let grown = MarketRef::account_size(target_capacity)
            .min(length.saturating_add(MarketRef::MAX_GROWTH));
        if grown <= length {
            return Ok(());
        }
        let rent = Rent::get()?
            .minimum_balance(grown)
            .saturating_sub(market.lamports());
        if rent > 0 {
            let from = accounts.authority.to_account_info();
            let payment = Transfer {
                from,
                to: market.clone(),
            };
            transfer(
                CpiContext::new(accounts.system_program.key(), payment),
                rent,
            )?;
        }
        market.resize(grown)?;
        Ok(())
    }
}
