//! The owner accounts that belong to the margin accounts of an instruction.

use crate::state::{self, LotsMoved, MarginAccount, Owner, StateAccount};
use anchor_lang::prelude::*;
use core::cell::{Ref, RefMut};

/// The owner account of a margin account, for reading.
///
/// # Errors
/// [`crate::EstuaryError::OwnerOfAnotherAccount`].
pub(crate) fn owner_of<'a>(
    loader: &'a AccountLoader<'_, Owner>,
    account: &MarginAccount,
) -> Result<Ref<'a, Owner>> {
    let owner = state::read(loader)?;
    owner.check_owns(account)?;
    Ok(owner)
}

/// The owner account of a margin account, for writing.
///
/// # Errors
/// [`crate::EstuaryError::OwnerOfAnotherAccount`].
pub(crate) fn owner_of_mut<'a>(
    loader: &'a AccountLoader<'_, Owner>,
    account: &MarginAccount,
) -> Result<RefMut<'a, Owner>> {
    let owner = state::write(loader)?;
    owner.check_owns(account)?;
    Ok(owner)
}

/// The owner accounts of two margin accounts, which are one account where both are of one owner.
pub(crate) struct Owners<'a> {
    first: RefMut<'a, Owner>,
    second: Option<RefMut<'a, Owner>>,
}

impl<'a> Owners<'a> {
    /// Those of two margin accounts, each given in its place.
    ///
    /// # Errors
    /// [`crate::EstuaryError::OwnerOfAnotherAccount`].
    pub fn of_both(
        loaders: [&'a AccountLoader<'_, Owner>; 2],
        accounts: [&MarginAccount; 2],
    ) -> Result<Self> {
        let ([first, second], [one, other]) = (loaders, accounts);
        let owners = Self::shared(owner_of_mut(first, one)?);
        if first.key() == second.key() {
            owners.first.check_owns(other)?;
            return Ok(owners);
        }
        Ok(Self {
            second: Some(owner_of_mut(second, other)?),
            ..owners
        })
    }

    /// The one of two margin accounts of the same owner.
    pub const fn shared(owner: RefMut<'a, Owner>) -> Self {
        Self {
            first: owner,
            second: None,
        }
    }

    /// That of the first account, then that of the second.
    pub fn both(&self) -> [&Owner; 2] {
        let second = self.second.as_ref().unwrap_or(&self.first);
        [&self.first, second]
    }

    /// That of the first account, for writing.
    pub fn first_mut(&mut self) -> &mut Owner {
        &mut self.first
    }

    /// Counts how a position of each of the two accounts changed.
    ///
    /// # Errors
    /// [`crate::EstuaryError::OwnerInvariant`].
    pub fn move_lots(&mut self, market: u16, [first, second]: &[LotsMoved; 2]) -> Result<()> {
        self.first.move_lots(market, first)?;
        let owner = self.second.as_mut().unwrap_or(&mut self.first);
        owner.move_lots(market, second)
    }

    /// Checks their invariants.
    ///
    /// # Errors
    /// [`crate::EstuaryError::OwnerInvariant`].
    pub fn invariant(&self) -> Result<()> {
        self.both()
            .into_iter()
            .try_for_each(StateAccount::invariant)
    }
}
