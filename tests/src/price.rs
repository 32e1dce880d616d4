//! Pyth price updates as the receiver program writes them, with every field open to a test.

use anchor_lang::prelude::Pubkey;
use anchor_lang::AccountSerialize;
use pyth_solana_receiver_sdk::price_update::{PriceFeedMessage, PriceUpdateV2, VerificationLevel};
use solana_account::Account;

/// One price update and the account it is in.
#[derive(Clone, Copy, Debug)]
pub struct Feed {
    /// Which price it is.
    pub feed_id: [u8; 32],
    /// Mantissa of the price.
    pub price: i64,
    /// Mantissa of the confidence.
    pub confidence: u64,
    /// Exponent of both.
    pub exponent: i32,
    /// When it was published, unix seconds.
    pub publish_time: i64,
    /// How far the guardians' signatures were checked.
    pub verification: VerificationLevel,
    /// Owner of the account.
    pub owner: Pubkey,
}

impl Feed {
    /// A good price: fully verified, half a basis point wide.
    pub fn good(feed_id: [u8; 32], price: u64, exponent: i8, publish_time: i64) -> Self {
        let price = i64::try_from(price).expect("a price of 63 bits");
        Self {
            feed_id,
            price,
            confidence: price.unsigned_abs() / 20_000,
            exponent: exponent.into(),
            publish_time,
            verification: VerificationLevel::Full,
            owner: pyth_solana_receiver_sdk::ID,
        }
    }

    /// The account.
    pub fn account(&self) -> Account {
        let update = PriceUpdateV2 {
            write_authority: Pubkey::default(),
            verification_level: self.verification,
            price_message: PriceFeedMessage {
                feed_id: self.feed_id,
                price: self.price,
                conf: self.confidence,
                exponent: self.exponent,
                publish_time: self.publish_time,
                prev_publish_time: self.publish_time.saturating_sub(1),
                ema_price: self.price,
                ema_conf: self.confidence,
            },
            posted_slot: 0,
        };
        let mut data = Vec::with_capacity(PriceUpdateV2::LEN);
        update.try_serialize(&mut data).expect("a price update");
        data.resize(PriceUpdateV2::LEN, 0);
        Account {
            lamports: crate::token::RICH,
            data,
            owner: self.owner,
            ..Account::default()
        }
    }
}
