//! What an account has coming from one market, or owes it, beside its open positions.

use super::{
    claims::{claim_value_down, Round},
    Claim, ClaimsPool,
};
use crate::error::EstuaryError;
use anchor_lang::prelude::*;

/// Rounds of a market an account can have claims in at a time; further gains wait in the carry.
pub const CLAIMS_PER_MARKET: usize = 2;

/// Profit and loss of one market that has left its positions. Unused when everything in it is zero.
#[zero_copy]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Unsettled {
    /// Index of the market in the clearinghouse.
    pub market: u16,
    /// Explicit padding, zero.
    pub padding: [u8; 6],
    /// Gain not yet registered as a claim, or loss not yet paid when negative, micro-units.
    pub carry: i64,
    /// Gains registered and not yet paid in full.
    pub claims: [Claim; CLAIMS_PER_MARKET],
}

const _: () = assert!(core::mem::size_of::<Unsettled>() == 64);

impl Unsettled {
    /// Whether anything is left in it.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.carry != 0 || self.has_claims()
    }

    /// Whether a gain is registered.
    #[must_use]
    pub fn has_claims(&self) -> bool {
        self.claims.iter().any(|claim| claim.face > 0)
    }

    /// What the claims are worth if everyone pays, rounded down, micro-units.
    ///
    /// # Errors
    /// [`EstuaryError::AmountOverflow`].
    pub fn claims_value_down(&self, rounds: &[Round]) -> Result<i64> {
        let mut sum = 0i64;
        for claim in self.claims.iter().filter(|claim| claim.face > 0) {
            let value = i64::try_from(claim_value_down(rounds, claim)).ok();
            let total = value.and_then(|value| sum.checked_add(value));
            sum = total.ok_or(EstuaryError::AmountOverflow)?;
        }
        Ok(sum)
    }

    /// Registers a positive carry as a claim as far as the market's table and the account's places allow, and returns
    /// what was registered, micro-units.
    ///
    /// # Errors
    /// [`EstuaryError::AmountOverflow`].
    pub fn register(&mut self, pool: &mut ClaimsPool, now: i64) -> Result<i64> {
        let gain = self.carry.max(0);
        if gain == 0 {
            return Ok(0);
        }
        let window = super::claims::window(now)?;
        let same = |claim: &Claim| claim.face > 0 && claim.round == window;
        let place = self
            .claims
            .iter()
            .position(same)
            .or_else(|| self.claims.iter().position(|claim| claim.face == 0));
        let Some(claim) = place.and_then(|place| self.claims.get_mut(place)) else {
            return Ok(0);
        };
        let amount = gain.unsigned_abs();
        let Some(round) = pool.register(now, amount)? else {
            return Ok(0);
        };
        claim.round = round;
        claim.face = claim
            .face
            .checked_add(amount)
            .ok_or(EstuaryError::AmountOverflow)?;
        self.carry = 0;
        Ok(gain)
    }

    /// Face of the claims less what was collected, micro-units.
    #[must_use]
    pub fn owed_on_claims(&self) -> i64 {
        let owed = |claim: &Claim| claim.face.saturating_sub(claim.collected);
        let sum = self
            .claims
            .iter()
            .fold(0u64, |sum, claim| sum.saturating_add(owed(claim)));
        i64::try_from(sum).unwrap_or(i64::MAX)
    }

    /// Collects what the claims may have by now, micro-units.
    ///
    /// # Errors
    /// [`EstuaryError::LedgerInvariant`], [`EstuaryError::AmountOverflow`].
    pub fn collect(&mut self, pool: &mut ClaimsPool, now: i64) -> Result<i64> {
        let mut sum = 0u64;
        for claim in &mut self.claims {
            let amount = pool.collect(claim, now)?;
            sum = sum
                .checked_add(amount)
                .ok_or(EstuaryError::AmountOverflow)?;
        }
        i64::try_from(sum).map_err(|_| error!(EstuaryError::AmountOverflow))
    }
}
