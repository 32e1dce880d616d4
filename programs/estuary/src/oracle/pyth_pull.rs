//! Pyth's pull oracle: `PriceUpdateV2` accounts that the Pyth receiver program wrote after verifying signatures.

use super::FeedPrice;
use crate::error::EstuaryError;
use anchor_lang::{prelude::*, Discriminator};
use pyth_solana_receiver_sdk::price_update::{PriceUpdateV2, VerificationLevel};

/// The Pyth receiver program.
pub const PROGRAM_ID: Pubkey = pyth_solana_receiver_sdk::ID;

/// Reads an account that belongs to the receiver program.
///
/// # Errors
/// [`EstuaryError::PriceAccountType`] unless it is a price update, [`EstuaryError::PriceNotFullyVerified`],
/// [`EstuaryError::PriceFeedMismatch`].
pub fn read(data: &[u8], feed_id: &[u8; 32]) -> Result<FeedPrice> {
    require!(
        data.starts_with(PriceUpdateV2::DISCRIMINATOR),
        EstuaryError::PriceAccountType
    );
    let mut bytes = data;
    let update = PriceUpdateV2::try_deserialize(&mut bytes)
        .map_err(|_| error!(EstuaryError::PriceAccountType))?;
    require!(
        update.verification_level == VerificationLevel::Full,
        EstuaryError::PriceNotFullyVerified
    );
    let message = &update.price_message;
    if message.feed_id != *feed_id {
        let found = Pubkey::new_from_array(message.feed_id);
        let wanted = Pubkey::new_from_array(*feed_id);
        return Err(error!(EstuaryError::PriceFeedMismatch).with_pubkeys((found, wanted)));
    }
    Ok(FeedPrice {
        price: message.price,
        confidence: message.conf,
        exponent: message.exponent,
        publish_time: message.publish_time,
    })
}
