//! Creates the market of an underlying and its ledger.

use super::CreateMarketArgs;
use crate::{
    bridge,
    error::EstuaryError,
    seeds,
    state::{self, Clearinghouse, Market, MarketLedger, StateAccount},
};
use anchor_lang::prelude::*;

/// Accounts of `create_market`.
#[derive(Accounts)]
#[instruction(args: CreateMarketArgs)]
pub struct CreateMarket<'info> {
    /// The clearinghouse's authority; pays for the accounts.
    #[account(mut)]
    pub authority: Signer<'info>,
    /// The clearinghouse.
    #[account(mut, has_one = authority @ EstuaryError::NotTheAuthority)]
    pub clearinghouse: AccountLoader<'info, Clearinghouse>,
    /// The market to create, without room for series.
    #[account(
        init,
        payer = authority,
        space = Market::SIZE,
        seeds = [seeds::MARKET, clearinghouse.key().as_ref(), args.feed_id.as_ref()],
        bump
    )]
    pub market: AccountLoader<'info, Market>,
    /// The market's ledger to create.
    #[account(
        init,
        payer = authority,
        space = MarketLedger::SIZE,
        seeds = [seeds::LEDGER, market.key().as_ref()],
        bump
    )]
    pub ledger: AccountLoader<'info, MarketLedger>,
    /// Creates the accounts.
    pub system_program: Program<'info, System>,
}

impl<'info> CreateMarket<'info> {
    /// Creates a market; a wrong parameter is refused by an error that names it.
    ///
    /// # Errors
    /// [`EstuaryError::NotTheAuthority`], [`EstuaryError::TooManyMarkets`], and one error per parameter.
    pub fn handle(ctx: Context<'info, Self>, args: CreateMarketArgs) -> Result<()> {
        args.validate()?;
        let scenarios = bridge::store_parameters(&args.parameters)?;
        bridge::offsets::check_market(args.offset_floor_ppm, args.stress_vol_ppm)?;
        let mut clearinghouse = state::write(&ctx.accounts.clearinghouse)?;
        let mut market = ctx.accounts.market.load_init()?;
        market.version = Market::VERSION;
        market.bump = ctx.bumps.market;
        market.price_exponent = args.price_exponent;
        market.index = clearinghouse.take_market_index()?;
        market.clearinghouse = ctx.accounts.clearinghouse.key();
        market.feed_id = args.feed_id;
        market.price_program = args.price_program;
        market.symbol = args.symbol;
        market.lot_size = args.lot_size;
        market.max_price_age_seconds = args.max_price_age_seconds;
        market.max_confidence_ppm = args.max_confidence_ppm;
        market.band_spot_ppm = args.band_spot_ppm;
        market.band_vega_ppm = args.band_vega_ppm;
        market.liquidation_delta_ppm = args.liquidation_delta_ppm;
        market.liquidation_vega_ppm = args.liquidation_vega_ppm;
        market.liquidation_insurance_ppm = args.liquidation_insurance_ppm;
        market.max_series_open_interest = args.max_series_open_interest;
        market.max_market_open_interest = args.max_market_open_interest;
        market.maker_fee_ppm = args.maker_fee_ppm;
        market.taker_fee_ppm = args.taker_fee_ppm;
        market.option_fee_cap_ppm = args.option_fee_cap_ppm;
        market.parameters = scenarios.parameters;
        market.grid = scenarios.grid;
        market.blocks = scenarios.blocks;
        market.charges = scenarios.charges;
        market.liquidity = scenarios.liquidity;
        (market.offset_floor_ppm, market.stress_vol_ppm) =
            (args.offset_floor_ppm, args.stress_vol_ppm);
        for offset in &args.offsets {
            let entry = market.pair_for(offset.market)?;
            entry.terms = bridge::offsets::store_terms(offset)?;
        }
        let mut ledger = ctx.accounts.ledger.load_init()?;
        ledger.version = MarketLedger::VERSION;
        ledger.bump = ctx.bumps.ledger;
        ledger.market_index = market.index;
        ledger.market = ctx.accounts.market.key();
        ledger.returns = bridge::offsets::no_returns();
        clearinghouse.bump_parameter_version()?;
        market.invariant()?;
        ledger.invariant()?;
        clearinghouse.invariant()
    }
}
