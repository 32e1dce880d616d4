//! Creates a clearing system.

use crate::{
    error::EstuaryError,
    seeds,
    state::{Clearinghouse, StateAccount, SETTLEMENT_DECIMALS},
};
use anchor_lang::prelude::*;
use anchor_spl::token_interface::Mint;
use estuary_risk::units::ONE_PPM;

/// Accounts of `create_clearinghouse`.
#[derive(Accounts)]
#[instruction(id: u16)]
pub struct CreateClearinghouse<'info> {
    /// Becomes the authority and pays for the account.
    #[account(mut)]
    pub authority: Signer<'info>,
    /// The clearinghouse to create.
    #[account(
        init,
        payer = authority,
        space = Clearinghouse::SIZE,
        seeds = [seeds::CLEARINGHOUSE, &id.to_le_bytes()],
        bump
    )]
    pub clearinghouse: AccountLoader<'info, Clearinghouse>,
    /// The token contracts are paid in.
    pub settlement_mint: InterfaceAccount<'info, Mint>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

impl<'info> CreateClearinghouse<'info> {
    fn validate(&self, insurance_share_ppm: u32) -> Result<()> {
        require_gte!(
            ONE_PPM,
            insurance_share_ppm,
            EstuaryError::InsuranceShareInvalid
        );
        require_eq!(
            self.settlement_mint.decimals,
            SETTLEMENT_DECIMALS,
            EstuaryError::SettlementMintDecimals
        );
        Ok(())
    }

    /// Creates the clearinghouse with number `id`, of whose trading fees that share goes to insurance. Anyone may: a
    /// clearinghouse concerns only those who use it.
    ///
    /// # Errors
    /// [`EstuaryError::SettlementMintDecimals`], [`EstuaryError::InsuranceShareInvalid`].
    pub fn handle(ctx: Context<'info, Self>, id: u16, insurance_share_ppm: u32) -> Result<()> {
        ctx.accounts.validate(insurance_share_ppm)?;
        let mut clearinghouse = ctx.accounts.clearinghouse.load_init()?;
        clearinghouse.version = Clearinghouse::VERSION;
        clearinghouse.bump = ctx.bumps.clearinghouse;
        clearinghouse.id = id;
        clearinghouse.authority = ctx.accounts.authority.key();
        clearinghouse.settlement_mint = ctx.accounts.settlement_mint.key();
        clearinghouse.insurance_share_ppm = insurance_share_ppm;
        clearinghouse.parameter_version = 1;
        clearinghouse.invariant()
    }
}
