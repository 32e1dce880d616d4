//! Settlement by claims (section 9 of the margin model): what the losers of a market have paid in, and what its winners
//! are owed.
//!
//! A gain becomes a claim in the round of its time. Cash that comes in goes to all rounds that have waited long enough,
//! in proportion to what each is still owed, and within a round to all claims alike: who asks first is not paid first.

use crate::error::EstuaryError;
use anchor_lang::prelude::*;

/// Seconds in which claims join the same round.
pub const CLAIM_WINDOW: i64 = 300;
/// A round is paid from the second window after its own on, so that every claim has waited a whole one.
const WINDOWS_TO_WAIT: u32 = 2;
/// Seconds from a loss that insurance does not cover to the moment it lowers all claims: time for anyone to register
/// everybody's gains.
pub const SHARE_WAIT: i64 = 3_600;
/// Most rounds that are owed something at a time. While all are in use new gains stay unclaimed.
pub const MAX_ROUNDS: usize = 16;

/// The claims of one time window. Unused when `face` is 0.
#[zero_copy]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Number of the window: unix seconds over [`CLAIM_WINDOW`].
    pub id: u32,
    /// Explicit padding, zero.
    pub padding: [u8; 4],
    /// Sum of the faces of its claims, micro-units.
    pub face: u64,
    /// Cash it has received, micro-units.
    pub received: u64,
    /// By how much socialised losses have lowered it, micro-units.
    pub socialised: u64,
}

const _: () = assert!(core::mem::size_of::<Round>() == 32);

/// What one account is owed in one round. Unused when `face` is 0.
#[zero_copy]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// The round it is part of.
    pub round: u32,
    /// Explicit padding, zero.
    pub padding: [u8; 4],
    /// The gain registered, micro-units.
    pub face: u64,
    /// Cash collected on it, micro-units.
    pub collected: u64,
}

const _: () = assert!(core::mem::size_of::<Claim>() == 24);

/// The claims of one market and the cash paid in for them.
#[zero_copy]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ClaimsPool {
    /// Cash paid in and not yet collected, micro-units.
    pub cash: u64,
    /// The part of `cash` that no round has received yet, micro-units.
    pub unallocated: u64,
    /// Recognised losses that insurance did not cover and that have not lowered claims yet, micro-units.
    pub loss_to_share: u64,
    /// When `loss_to_share` lowers all claims, unix seconds; 0 without a loss.
    pub share_after: i64,
    /// Losses that have lowered claims so far, micro-units.
    pub total_socialised: u64,
    /// Accounts of this market that are marked as below zero. No round receives cash meanwhile.
    pub unresolved: u32,
    /// Explicit padding, zero.
    pub padding: [u8; 4],
    /// The rounds that are owed something, in no particular order.
    pub rounds: [Round; MAX_ROUNDS],
}

const _: () = assert!(core::mem::size_of::<ClaimsPool>() == 560);

/// Number of the window that a time is in.
///
/// # Errors
/// [`EstuaryError::CounterOverflow`] for times before 1970 or after the year 42000.
pub fn window(now: i64) -> Result<u32> {
    let window = now.checked_div_euclid(CLAIM_WINDOW);
    let window = window.and_then(|window| u32::try_from(window).ok());
    window.ok_or_else(|| error!(EstuaryError::CounterOverflow))
}

/// `amount × numerator / denominator`, rounded down; 0 for a zero denominator. The result is at most `amount` where the
/// fraction is at most one.
pub(crate) fn share_down(amount: u64, numerator: u64, denominator: u64) -> u64 {
    let product = u128::from(amount).saturating_mul(u128::from(numerator));
    let share = product.checked_div(u128::from(denominator)).unwrap_or(0);
    u64::try_from(share).unwrap_or(u64::MAX)
}

fn broken() -> Error {
    error!(EstuaryError::LedgerInvariant)
}

impl Round {
    /// What the round is still owed, micro-units.
    ///
    /// # Errors
    /// [`EstuaryError::LedgerInvariant`].
    pub fn owed(&self) -> Result<u64> {
        let paid = self.received.checked_add(self.socialised);
        paid.and_then(|paid| self.face.checked_sub(paid))
            .ok_or_else(broken)
    }

    /// Whether the round takes no further claims and shares in what is paid in.
    fn is_closed(&self, window: u32) -> bool {
        self.face > 0 && self.id < window
    }

    /// Whether it is time to pay the round.
    fn is_ready(&self, window: u32) -> bool {
        self.face > 0 && self.id.saturating_add(WINDOWS_TO_WAIT) <= window
    }

    /// What `claim` may have collected of the round by now: its share of what the round received, rounded down.
    fn entitlement_down(&self, claim: &Claim) -> u64 {
        share_down(claim.face, self.received, self.face)
    }
}

/// The round that a claim is part of. A round that is paid in full leaves the table, so a claim without one is owed all
/// of its face.
#[must_use]
pub fn round_of<'r>(rounds: &'r [Round], claim: &Claim) -> Option<&'r Round> {
    rounds
        .iter()
        .find(|round| round.face > 0 && round.id == claim.round)
}

/// What a claim is worth if everyone pays: its face less its share of socialised losses, rounded down, and less what
/// was collected. Micro-units.
#[must_use]
pub fn claim_value_down(rounds: &[Round], claim: &Claim) -> u64 {
    let kept = match round_of(rounds, claim) {
        Some(round) if round.socialised > 0 => share_down(
            claim.face,
            round.face.saturating_sub(round.socialised),
            round.face,
        ),
        _ => claim.face,
    };
    kept.saturating_sub(claim.collected)
}

impl ClaimsPool {
    /// The rounds that a socialised loss has lowered. Claims in the others are worth their face.
    #[must_use]
    pub fn lowered_rounds(&self) -> Vec<Round> {
        let lowered = self.rounds.iter().filter(|round| round.socialised > 0);
        lowered.copied().collect()
    }

    /// What all rounds together are still owed, micro-units.
    ///
    /// # Errors
    /// [`EstuaryError::LedgerInvariant`].
    pub fn outstanding(&self) -> Result<u64> {
        self.owed_by(|_| true)
    }

    fn owed_by(&self, counts: impl Fn(&Round) -> bool) -> Result<u64> {
        let mut sum = 0u64;
        for round in self.rounds.iter().filter(|round| counts(round)) {
            sum = sum.checked_add(round.owed()?).ok_or_else(broken)?;
        }
        Ok(sum)
    }

    /// What losers may pay in for claims: what is claimed and not covered by cash that waits for its round.
    ///
    /// # Errors
    /// [`EstuaryError::LedgerInvariant`].
    pub fn payable(&self) -> Result<u64> {
        Ok(self.outstanding()?.saturating_sub(self.unallocated))
    }

    /// Whether no round receives cash for now: an account of the market is below zero, or a loss is still to be shared.
    /// Only rounds that are complete are paid meanwhile: no loss can change what they have.
    #[must_use]
    pub const fn is_frozen(&self) -> bool {
        self.unresolved > 0 || self.loss_to_share > 0
    }

    /// Takes cash in.
    ///
    /// # Errors
    /// [`EstuaryError::AmountOverflow`].
    pub fn pay_in(&mut self, amount: u64) -> Result<()> {
        let add = |sum: u64| sum.checked_add(amount);
        let overflow = || error!(EstuaryError::AmountOverflow).with_values((self.cash, amount));
        let (cash, unallocated) = add(self.cash)
            .zip(add(self.unallocated))
            .ok_or_else(overflow)?;
        (self.cash, self.unallocated) = (cash, unallocated);
        Ok(())
    }

    /// Registers a gain in the round of the present window and says which that is; `None`, with nothing registered,
    /// when the table is full or that round has shared a loss already.
    ///
    /// # Errors
    /// [`EstuaryError::AmountOverflow`].
    pub fn register(&mut self, now: i64, amount: u64) -> Result<Option<u32>> {
        let id = window(now)?;
        let here = self
            .rounds
            .iter()
            .position(|round| round.id == id && round.face > 0);
        let place = here.or_else(|| self.rounds.iter().position(|round| round.face == 0));
        let Some(round) = place.and_then(|place| self.rounds.get_mut(place)) else {
            return Ok(None);
        };
        if round.face == 0 {
            *round = Round {
                id,
                ..Round::default()
            };
        }
        if round.received > 0 || round.socialised > 0 {
            return Ok(None);
        }
        round.face = round.face.checked_add(amount).ok_or_else(|| {
            error!(EstuaryError::AmountOverflow).with_values((round.face, amount))
        })?;
        Ok(Some(id))
    }

    /// Recognises a loss that nobody is left to pay.
    ///
    /// # Errors
    /// [`EstuaryError::AmountOverflow`].
    pub fn add_loss(&mut self, amount: u64, now: i64) -> Result<()> {
        if amount == 0 {
            return Ok(());
        }
        let sum = self.loss_to_share.checked_add(amount);
        self.loss_to_share = sum.ok_or(EstuaryError::AmountOverflow)?;
        let until = now.checked_add(SHARE_WAIT);
        self.share_after = until.ok_or(EstuaryError::CounterOverflow)?;
        Ok(())
    }

    /// Takes a part, borne in another way, out of the recognised losses that wait.
    pub const fn lower_loss(&mut self, amount: u64) {
        self.loss_to_share = self.loss_to_share.saturating_sub(amount);
        if self.loss_to_share == 0 {
            self.share_after = 0;
        }
    }

    /// Lowers all rounds by the recognised losses once their time has come, in proportion to what each is owed. What
    /// exceeds all claims waits for the gains still to be registered.
    ///
    /// # Errors
    /// [`EstuaryError::LedgerInvariant`].
    pub fn share_loss(&mut self, now: i64) -> Result<()> {
        if self.loss_to_share == 0 || now < self.share_after {
            return Ok(());
        }
        let owed = self.outstanding()?;
        let shared = self.loss_to_share.min(owed);
        self.spread(shared, owed, |_| true, |round| &mut round.socialised)?;
        let total = self.total_socialised.checked_add(shared);
        self.total_socialised = total.ok_or(EstuaryError::AmountOverflow)?;
        self.loss_to_share = self.loss_to_share.saturating_sub(shared);
        self.share_after = if self.loss_to_share == 0 {
            0
        } else {
            now.saturating_add(SHARE_WAIT)
        };
        Ok(())
    }

    /// Gives cash that waits to the rounds that are closed, in proportion to what each is owed, once one of them is ready.
    /// So whoever claims in the window after another's shares with it, and being first gains nothing.
    ///
    /// # Errors
    /// [`EstuaryError::LedgerInvariant`].
    pub fn allocate(&mut self, now: i64) -> Result<()> {
        if self.is_frozen() {
            return Ok(());
        }
        let window = window(now)?;
        if self.unallocated > 0 && self.owed_by(|round| round.is_ready(window))? > 0 {
            let closed = |round: &Round| round.is_closed(window);
            let owed = self.owed_by(closed)?;
            let amount = self.unallocated.min(owed);
            self.spread(amount, owed, closed, |round| &mut round.received)?;
            self.unallocated = self.unallocated.saturating_sub(amount);
        }
        self.drop_finished(window)
    }

    /// Adds `amount`, at most `owed`, to a field of the rounds that count, in proportion to what each is owed: shares are
    /// rounded down, and what that leaves goes to the first rounds that have room for it.
    fn spread(
        &mut self,
        amount: u64,
        owed: u64,
        counts: impl Fn(&Round) -> bool,
        field: impl Fn(&mut Round) -> &mut u64,
    ) -> Result<()> {
        if amount == 0 {
            return Ok(());
        }
        let mut left = amount;
        let mut add = |round: &mut Round, share: u64| -> Result<()> {
            let target = field(round);
            *target = target.checked_add(share).ok_or_else(broken)?;
            left = left.checked_sub(share).ok_or_else(broken)?;
            Ok(())
        };
        for round in self.rounds.iter_mut().filter(|round| counts(round)) {
            let share = share_down(amount, round.owed()?, owed);
            add(round, share)?;
        }
        for round in self.rounds.iter_mut().filter(|round| counts(round)) {
            let room = round.owed()?.min(left);
            let target = field(round);
            *target = target.checked_add(room).ok_or_else(broken)?;
            left = left.checked_sub(room).ok_or_else(broken)?;
        }
        if left != 0 {
            return Err(broken());
        }
        Ok(())
    }

    /// Frees the rounds that are ready and paid in full. One that has shared a loss stays until its claims are collected, because
    /// they are worth less than their face.
    fn drop_finished(&mut self, window: u32) -> Result<()> {
        for round in &mut self.rounds {
            if round.is_ready(window) && round.socialised == 0 && round.owed()? == 0 {
                *round = Round::default();
            }
        }
        Ok(())
    }

    /// Collects what a claim may have by now and returns it. A claim whose round is complete becomes unused, frozen or not: it
    /// is owed nothing more, and only so does the table have room for the gains that a loss waits for.
    ///
    /// # Errors
    /// [`EstuaryError::LedgerInvariant`] when the pool does not have the cash.
    pub fn collect(&mut self, claim: &mut Claim, now: i64) -> Result<u64> {
        if claim.face == 0 {
            return Ok(0);
        }
        let is_frozen = self.is_frozen();
        let window = window(now)?;
        let place = self
            .rounds
            .iter()
            .position(|round| round.face > 0 && round.id == claim.round);
        let round = place.and_then(|place| self.rounds.get_mut(place));
        if round.as_ref().is_some_and(|round| !round.is_ready(window)) {
            return Ok(0);
        }
        let (entitled, done) = match &round {
            None => (claim.face, true),
            Some(round) => (round.entitlement_down(claim), round.owed()? == 0),
        };
        if is_frozen && !done {
            return Ok(0);
        }
        let amount = entitled.checked_sub(claim.collected).ok_or_else(broken)?;
        self.cash = self.cash.checked_sub(amount).ok_or_else(broken)?;
        claim.collected = entitled;
        if done {
            if let Some(round) = round {
                // The claims that stay share what rounding left, so the last one leaves nothing behind.
                let lost = claim.face.checked_sub(entitled).ok_or_else(broken)?;
                let less = |sum: u64, part: u64| sum.checked_sub(part).ok_or_else(broken);
                round.face = less(round.face, claim.face)?;
                round.received = less(round.received, entitled)?;
                round.socialised = less(round.socialised, lost)?;
                if round.face == 0 {
                    *round = Round::default();
                }
            }
            *claim = Claim::default();
        }
        Ok(amount)
    }
}

#[cfg(test)]
mod tests;
