//! Events out of the inner instructions of a transaction.

use anchor_lang::event::EVENT_IX_TAG_LE;
use anchor_lang::{AnchorDeserialize, Discriminator};
use estuary::event::{
    AccountMarked, BalanceTransferred, BlockTraded, Deposited, FeesSwept, InsuranceFunded,
    Liquidated, PositionsTransferred, Settled, Withdrawn,
};

/// Every event of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// See [`Deposited`].
    Deposited(Deposited),
    /// See [`Withdrawn`].
    Withdrawn(Withdrawn),
    /// See [`BalanceTransferred`].
    BalanceTransferred(BalanceTransferred),
    /// See [`PositionsTransferred`].
    PositionsTransferred(PositionsTransferred),
    /// See [`BlockTraded`].
    BlockTraded(BlockTraded),
    /// See [`Liquidated`].
    Liquidated(Liquidated),
    /// See [`Settled`].
    Settled(Settled),
    /// See [`AccountMarked`].
    AccountMarked(AccountMarked),
    /// See [`InsuranceFunded`].
    InsuranceFunded(InsuranceFunded),
    /// See [`FeesSwept`].
    FeesSwept(FeesSwept),
}

impl Event {
    /// The event in the data of an inner instruction of the program; nothing for other instructions and for events of
    /// later versions.
    #[must_use]
    pub fn decode(data: &[u8]) -> Option<Self> {
        let event = data.strip_prefix(EVENT_IX_TAG_LE)?;
        read(event, Self::Deposited)
            .or_else(|| read(event, Self::Withdrawn))
            .or_else(|| read(event, Self::BalanceTransferred))
            .or_else(|| read(event, Self::PositionsTransferred))
            .or_else(|| read(event, Self::BlockTraded))
            .or_else(|| read(event, Self::Liquidated))
            .or_else(|| read(event, Self::Settled))
            .or_else(|| read(event, Self::AccountMarked))
            .or_else(|| read(event, Self::InsuranceFunded))
            .or_else(|| read(event, Self::FeesSwept))
    }
}

/// An event of one type.
fn read<T: AnchorDeserialize + Discriminator>(
    event: &[u8],
    wrap: impl FnOnce(T) -> Event,
) -> Option<Event> {
    let body = event.strip_prefix(T::DISCRIMINATOR)?;
    T::try_from_slice(body).ok().map(wrap)
}
