//! Pyth's older push oracle: one account per feed that publishers update in place. Behind a feature that is off.

use super::FeedPrice;
use crate::error::EstuaryError;
use anchor_lang::prelude::*;
use pyth_sdk_solana::state::{load_price_account, PriceStatus};

/// The oracle program on mainnet.
pub const MAINNET_PROGRAM_ID: Pubkey = pubkey!("FsJ3A3u2vn5cTVofAjvy6y5kwABJAqYWpe4975bi2epH");
/// The oracle program on devnet.
pub const DEVNET_PROGRAM_ID: Pubkey = pubkey!("gSbePebfvPy7tRqimPoVecS2UsBvYv46ynrzWocc92s");
/// Component prices of an account on Solana.
const COMPONENTS: usize = 32;

/// Whether a program is the older oracle.
#[must_use]
pub fn is_supported(program: &Pubkey) -> bool {
    *program == MAINNET_PROGRAM_ID || *program == DEVNET_PROGRAM_ID
}

/// Reads an account that belongs to the older oracle. The feed id of such a market is the address of its account.
///
/// # Errors
/// [`EstuaryError::PriceFeedMismatch`], [`EstuaryError::PriceAccountType`], [`EstuaryError::PriceNotTrading`].
pub fn read(address: &Pubkey, data: &[u8], feed_id: &[u8; 32]) -> Result<FeedPrice> {
    require_keys_eq!(
        *address,
        Pubkey::new_from_array(*feed_id),
        EstuaryError::PriceFeedMismatch
    );
    let account = load_price_account::<COMPONENTS, ()>(data)
        .map_err(|_| error!(EstuaryError::PriceAccountType))?;
    require!(
        account.agg.status == PriceStatus::Trading,
        EstuaryError::PriceNotTrading
    );
    Ok(FeedPrice {
        price: account.agg.price,
        confidence: account.agg.conf,
        exponent: account.expo,
        publish_time: account.timestamp,
    })
}
