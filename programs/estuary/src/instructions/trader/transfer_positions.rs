//! Moves positions between two accounts of one owner.

use crate::{
    error::EstuaryError,
    event::{self, MovedPosition, PositionsTransferred},
    instructions::owners::{owner_of_mut, Owners},
    instructions::pair::{
        check_own_pair, check_position_count, check_sides, exchange, markets_of, Named, Pair,
    },
    market_view::{load_markets, MarketView, Needs},
    state::{self, Clearinghouse, LotsMoved, MarginAccount, StateAccount, MAX_LEGS},
};
use anchor_lang::prelude::*;

/// Lots of one position that change accounts.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionTransfer {
    /// Index of the market.
    pub market: u16,
    /// Slot of the series.
    pub slot: u16,
    /// Generation of the slot.
    pub generation: u32,
    /// Lots that leave the source, of the sign of its position: negative for a short.
    pub lots: i64,
}

/// Accounts of `transfer_positions`. Remaining: `[market, ledger, price]` per market that either account has open positions
/// or tokens in; the ledgers of the markets that transfers name are writable.
#[event_cpi]
#[derive(Accounts)]
pub struct TransferPositions<'info> {
    /// Owner of both accounts; a delegate may not.
    pub owner: Signer<'info>,
    /// The clearinghouse.
    pub clearinghouse: AccountLoader<'info, Clearinghouse>,
    /// The account that gives.
    #[account(mut, has_one = clearinghouse @ EstuaryError::AccountOfAnotherClearinghouse)]
    pub source: AccountLoader<'info, MarginAccount>,
    /// The account that takes.
    #[account(mut, has_one = clearinghouse @ EstuaryError::AccountOfAnotherClearinghouse)]
    pub destination: AccountLoader<'info, MarginAccount>,
    /// What the owner holds in all accounts.
    #[account(mut)]
    pub owner_account: AccountLoader<'info, state::Owner>,
}

impl<'info> TransferPositions<'info> {
    fn validate(&self) -> Result<()> {
        check_own_pair(self.owner.key, &self.source, &self.destination)?;
        state::read(&self.clearinghouse)?;
        Ok(())
    }

    /// Moves all lots named or none. Nothing is paid: a position moves with its share of its cost, so that both
    /// accounts together have the lots and the cost they had. Each must satisfy section 8 of the margin model after it,
    /// as after a trade. A source that is marked as unhealthy or below its maintenance margin gives nothing; a destination
    /// below it takes what reduces its own positions.
    ///
    /// # Errors
    /// [`EstuaryError::AccountMarkedUnhealthy`], [`EstuaryError::BelowMaintenanceMargin`],
    /// [`EstuaryError::SameMarginAccount`], [`EstuaryError::NotTheOwner`], [`EstuaryError::DestinationOfAnotherOwner`],
    /// [`EstuaryError::TransferExceedsPosition`], [`EstuaryError::MarketPaused`], [`EstuaryError::MarketReduceOnly`],
    /// the groups "Trades" and "Health" of [`EstuaryError`] as far as they are not about prices of legs, and those of
    /// the market accounts and prices.
    pub fn handle(ctx: Context<'info, Self>, transfers: Vec<PositionTransfer>) -> Result<()> {
        let accounts = ctx.accounts;
        accounts.validate()?;
        let named = check_transfers(&transfers)?;
        let moved = markets_of(&named)?;
        let now = Clock::get()?.unix_timestamp;
        let mut source = state::write(&accounts.source)?;
        source.check_unmarked()?;
        let mut destination = state::write(&accounts.destination)?;
        let mut pair: Pair<'_> = [&mut source, &mut destination];
        let mut owners = Owners::shared(owner_of_mut(&accounts.owner_account, pair[0])?);
        check_position_count(&pair, &named)?;
        let needs = Needs::of(&[&*pair[0], &*pair[1]])?.trading(moved);
        let clearinghouse = accounts.clearinghouse.key();
        let markets = load_markets(ctx.remaining_accounts, &clearinghouse, needs, now)?;
        let mut positions = Vec::with_capacity(transfers.len());
        let sides = exchange(
            &mut pair,
            &mut owners,
            &markets,
            &named,
            now,
            &mut |here, pair| {
                let market = here.data.header.index;
                for transfer in transfers.iter().filter(|one| one.market == market) {
                    let [_, destination] = &mut *here.sides;
                    let (position, moved) = apply(pair, here.view, transfer)?;
                    // What the source gives of a position always reduces it.
                    destination.count_move(&moved[1]);
                    here.owners.move_lots(market, &moved)?;
                    positions.push(position);
                }
                Ok(())
            },
        )?;
        owners.invariant()?;
        let [source, _] = &*sides;
        source.check_not_failing()?;
        let names = ["source", "destination"];
        let rounded = (markets.len(), transfers.len());
        check_sides(&sides, &mut pair, names, rounded, now)?;
        let transferred = PositionsTransferred {
            clearinghouse,
            source: accounts.source.key(),
            destination: accounts.destination.key(),
            positions,
        };
        event::emit(&accounts.event_authority, &accounts.program, &transferred)
    }
}

/// Checks what can be checked of transfers by themselves, and returns their series.
fn check_transfers(transfers: &[PositionTransfer]) -> Result<Vec<Named>> {
    require!(!transfers.is_empty(), EstuaryError::NoLegs);
    require_gte!(MAX_LEGS, transfers.len(), EstuaryError::TooManyLegs);
    let mut named = Vec::with_capacity(transfers.len());
    for transfer in transfers {
        require!(transfer.lots != 0, EstuaryError::LotsZero);
        named.push(Named {
            market: transfer.market,
            slot: transfer.slot,
        });
    }
    Ok(named)
}

/// Moves one position's lots and their share of its cost, and writes the ledger; returns besides how both accounts' lots
/// changed.
fn apply(
    pair: &mut Pair<'_>,
    view: &MarketView<'_>,
    transfer: &PositionTransfer,
) -> Result<(MovedPosition, [LotsMoved; 2])> {
    let (market, slot, generation) = (transfer.market, transfer.slot, transfer.generation);
    view.market.series(slot)?;
    let [source, _] = pair;
    let held = source.position(market, slot).copied().unwrap_or_default();
    let covered = transfer.lots.signum() == held.lots.signum()
        && transfer.lots.unsigned_abs() <= held.lots.unsigned_abs();
    if !covered {
        let values = (transfer.lots, held.lots);
        return Err(error!(EstuaryError::TransferExceedsPosition).with_values(values));
    }
    let cost = cost_share_down(held.cost, transfer.lots, held.lots)?;
    let overflow = || error!(EstuaryError::AmountOverflow).with_values((transfer.lots, cost));
    let given = (
        transfer.lots.checked_neg().ok_or_else(overflow)?,
        cost.checked_neg().ok_or_else(overflow)?,
    );
    let mut ledger = state::write(&view.ledger)?;
    let mut both = [LotsMoved::default(); 2];
    let changes = [given, (transfer.lots, cost)];
    for ((account, moved), (lots, cost)) in pair.iter_mut().zip(&mut both).zip(changes) {
        *moved = account.apply_trade(market, slot, generation, lots, cost)?;
        view.market.header.check_status(moved)?;
        ledger.move_lots(slot, moved.before, moved.after)?;
        ledger.add_cost(cost)?;
    }
    ledger.invariant()?;
    let position = MovedPosition {
        market,
        slot,
        generation,
        lots: transfer.lots,
        cost,
    };
    Ok((position, both))
}

/// The share of `lots` out of `held` in a cost, rounded down; all of it for all lots. What rounding takes from the
/// destination stays with the source, so that the sum does not change.
fn cost_share_down(cost: i64, lots: i64, held: i64) -> Result<i64> {
    let (lots, held) = (lots.unsigned_abs(), held.unsigned_abs());
    i128::from(cost)
        .checked_mul(i128::from(lots))
        .and_then(|product| product.checked_div_euclid(i128::from(held)))
        .and_then(|share| i64::try_from(share).ok())
        .ok_or_else(|| error!(EstuaryError::AmountOverflow).with_values((cost, lots)))
}

#[cfg(test)]
mod tests {
    use super::cost_share_down;

    #[test]
    fn shares_round_down_and_all_lots_take_all() {
        let share = |cost, lots, held| cost_share_down(cost, lots, held).unwrap();
        assert_eq!(share(10, 1, 3), 3);
        assert_eq!(share(-10, 1, 3), -4);
        assert_eq!(share(-10, -1, -3), -4);
        for cost in [i64::MIN, -7, 0, 7, i64::MAX] {
            assert_eq!(share(cost, 5, 5), cost);
            assert_eq!(share(cost, -5, -5), cost);
        }
        assert!(cost_share_down(1, 1, 0).is_err());
    }
}
