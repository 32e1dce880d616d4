//! What happened to money and positions, for whoever keeps accounts outside the chain.
//!
//! Every instruction that moves either emits one event with everything that it moved. The program calls itself with
//! the event as instruction data, so that an event is part of the transaction's inner instructions and not of a log,
//! which may be cut. The bytes are those of Anchor's `emit_cpi!`: its tag, the event's discriminator, the event in
//! Borsh. Amounts of cash are micro-units of the settlement token; those of other tokens are base units.

use anchor_lang::{
    event::EVENT_IX_TAG_LE,
    prelude::*,
    solana_program::{instruction::Instruction, program::invoke_signed},
    Event,
};

/// Most bytes of an inner instruction's data; an event with its tag and discriminator stays below it.
pub const MAX_EVENT_SIZE: usize = 10_240;
/// Seed of the address that signs for events, as Anchor derives it.
const EVENT_AUTHORITY: &[u8] = b"__event_authority";
/// What is reserved for an event at first; the allocator grows it in place.
const USUAL_SIZE: usize = 512;

/// Emits an event. `authority` and `program` are the accounts that `#[event_cpi]` adds; it checks the first of them.
///
/// # Errors
/// [`ErrorCode::InvalidProgramId`] when `program` is not this program.
pub(crate) fn emit(
    authority: &UncheckedAccount<'_>,
    program: &UncheckedAccount<'_>,
    event: &impl Event,
) -> Result<()> {
    require_keys_eq!(*program.key, crate::ID, ErrorCode::InvalidProgramId);
    let instruction = Instruction {
        program_id: crate::ID,
        accounts: vec![AccountMeta::new_readonly(*authority.key, true)],
        data: encode(event)?,
    };
    let bump = [crate::EVENT_AUTHORITY_AND_BUMP.1];
    let seeds: [&[u8]; 2] = [EVENT_AUTHORITY, &bump];
    invoke_signed(&instruction, &[authority.to_account_info()], &[&seeds])?;
    Ok(())
}

/// The data of the inner instruction.
fn encode<E: Event>(event: &E) -> Result<Vec<u8>> {
    let mut data = Vec::with_capacity(USUAL_SIZE);
    data.extend_from_slice(EVENT_IX_TAG_LE);
    data.extend_from_slice(E::DISCRIMINATOR);
    event.serialize(&mut data)?;
    data.shrink_to_fit();
    Ok(data)
}

/// Tokens were deposited.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deposited {
    /// The clearinghouse.
    pub clearinghouse: Pubkey,
    /// The margin account that received.
    pub margin_account: Pubkey,
    /// The token.
    pub mint: Pubkey,
    /// The token account that paid.
    pub source: Pubkey,
    /// Base units deposited.
    pub amount: u64,
    /// The margin account's balance in the token afterwards.
    pub balance: i64,
}

/// Tokens were withdrawn.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawn {
    /// The clearinghouse.
    pub clearinghouse: Pubkey,
    /// The margin account that paid.
    pub margin_account: Pubkey,
    /// The token.
    pub mint: Pubkey,
    /// The token account that received.
    pub destination: Pubkey,
    /// Base units withdrawn.
    pub amount: u64,
    /// The margin account's balance in the token afterwards.
    pub balance: i64,
}

/// Cash or tokens moved between two accounts of one owner.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalanceTransferred {
    /// The clearinghouse.
    pub clearinghouse: Pubkey,
    /// The margin account that paid.
    pub source: Pubkey,
    /// The margin account that received.
    pub destination: Pubkey,
    /// Index of the token's bank.
    pub bank: u16,
    /// Base units moved.
    pub amount: u64,
    /// The source's balance in the token afterwards.
    pub source_balance: i64,
    /// The destination's balance in the token afterwards.
    pub destination_balance: i64,
}

/// Positions moved between two accounts of one owner.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionsTransferred {
    /// The clearinghouse.
    pub clearinghouse: Pubkey,
    /// The margin account that gave.
    pub source: Pubkey,
    /// The margin account that took.
    pub destination: Pubkey,
    /// What moved.
    pub positions: Vec<MovedPosition>,
}

/// One position that moved between accounts of one owner.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct MovedPosition {
    /// Index of the market.
    pub market: u16,
    /// Slot of the series.
    pub slot: u16,
    /// Generation of the slot.
    pub generation: u32,
    /// Lots that left the source.
    pub lots: i64,
    /// Cost that left the source with them.
    pub cost: i64,
}

/// Two accounts traded.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockTraded {
    /// The clearinghouse.
    pub clearinghouse: Pubkey,
    /// The taker's margin account.
    pub taker: Pubkey,
    /// The maker's margin account.
    pub maker: Pubkey,
    /// Cash of the taker afterwards.
    pub taker_cash: i64,
    /// Cash of the maker afterwards.
    pub maker_cash: i64,
    /// The prices used for the markets that were traded in.
    pub prices: Vec<PriceUsed>,
    /// The fees charged in them, in the same order.
    pub fees: Vec<FeesCharged>,
    /// The legs, ascending by market.
    pub legs: Vec<TradedLeg>,
}

/// What both sides of a trade were charged for its legs in one market.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeesCharged {
    /// Index of the market.
    pub market: u16,
    /// The taker's fee.
    pub taker: Fee,
    /// The maker's fee.
    pub maker: Fee,
}

/// A trading fee.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fee {
    /// What was paid in cash.
    pub paid: i64,
    /// What cash did not cover and the carry fell by.
    pub unpaid: i64,
}

/// The price of a market that an instruction used.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceUsed {
    /// Index of the market.
    pub market: u16,
    /// The price of the underlying, a mantissa at the market's exponent.
    pub price: u64,
    /// When it was published, unix seconds.
    pub publish_time: i64,
}

/// One leg as it was traded. Signed amounts are the taker's; the maker's are the opposite.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct TradedLeg {
    /// Index of the market.
    pub market: u16,
    /// Slot of the series.
    pub slot: u16,
    /// Generation of the slot.
    pub generation: u32,
    /// Lots that the taker received.
    pub lots: i64,
    /// Price, a mantissa at the market's exponent.
    pub price: u64,
    /// Cash that the taker paid for an option.
    pub premium: i64,
    /// Change of the cost of the taker's position in a future or perp.
    pub cost: i64,
}

/// Positions and tokens of an account below its maintenance margin were taken.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Liquidated {
    /// The clearinghouse.
    pub clearinghouse: Pubkey,
    /// The margin account that took the positions.
    pub liquidator: Pubkey,
    /// The margin account that gave them.
    pub liquidated: Pubkey,
    /// The liquidated account's margin before.
    pub before: MarginTotals,
    /// The liquidated account's margin after.
    pub after: MarginTotals,
    /// Cash of the liquidator afterwards.
    pub liquidator_cash: i64,
    /// Cash of the liquidated account afterwards.
    pub liquidated_cash: i64,
    /// Markets that count the liquidated account as below zero from now on, one bit each.
    pub marked: u64,
    /// Positions of matured series that left the liquidated account.
    pub exercised: Vec<ExercisedPosition>,
    /// The prices used for the liquidated account's markets.
    pub prices: Vec<PriceUsed>,
    /// What was taken.
    pub positions: Vec<TakenPosition>,
    /// Tokens that were taken.
    pub tokens: Vec<TakenToken>,
    /// The insurance fund's part of the discount, which the liquidator paid in cash.
    pub insured: i64,
    /// What became of the liquidated account's profit and loss, where no position is left.
    pub settlements: Vec<MarketSettlement>,
}

/// What an account has and needs.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarginTotals {
    /// Equity.
    pub equity: i64,
    /// Initial margin.
    pub initial_margin: i64,
    /// Maintenance margin.
    pub maintenance_margin: i64,
}

/// One position that a liquidator took, in whole or in part.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenPosition {
    /// Index of the market.
    pub market: u16,
    /// Slot of the series.
    pub slot: u16,
    /// Generation of the slot.
    pub generation: u32,
    /// Lots that left the liquidated account.
    pub lots: i64,
    /// Cash that the liquidator paid for an option.
    pub premium: i64,
    /// What the liquidated account owes the market for an option that its cash could not pay for, and the market the
    /// liquidator: change of the liquidated account's carry.
    pub carry: i64,
    /// Change of the cost of the liquidated account's position in a future or perp.
    pub cost: i64,
    /// By how much the position changed hands below mark: the liquidator's gain.
    pub discount: i64,
}

/// Tokens that a liquidator took.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenToken {
    /// Index of the token's bank.
    pub bank: u16,
    /// Base units that left the liquidated account.
    pub amount: u64,
    /// Cash that the liquidator paid.
    pub payment: i64,
    /// By how much that is below the tokens' value: the liquidator's gain.
    pub discount: i64,
}

/// Profit and loss of one account in one market was settled.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The clearinghouse.
    pub clearinghouse: Pubkey,
    /// The margin account.
    pub margin_account: Pubkey,
    /// Profit of open futures and perps that left their cost for the carry.
    pub variation: i64,
    /// What became of the carry.
    pub settlement: MarketSettlement,
    /// Cash of the account afterwards.
    pub cash: i64,
    /// Positions of matured series that left the account.
    pub exercised: Vec<ExercisedPosition>,
}

/// What became of an account's carry in one market.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarketSettlement {
    /// Index of the market.
    pub market: u16,
    /// Gain that became a claim.
    pub registered: i64,
    /// Cash collected on claims.
    pub collected: i64,
    /// What a shared loss had taken from claims that are completed now.
    pub written_off: i64,
    /// Loss paid in cash.
    pub paid: i64,
    /// Loss that nobody is left to pay, this account's or one that waits, and that unpaid fees of the market were given up for.
    pub fees_waived: i64,
    /// Loss that nobody is left to pay and the insurance fund paid.
    pub insured: i64,
    /// Loss that nobody is left to pay and that will lower all claims of the market; less what of a loss that waits will not,
    /// because unpaid fees were given up for it.
    pub socialised: i64,
    /// What the account owed the settlement token's bank, had nothing left for, and the insurance fund paid.
    pub debt_insured: i64,
    /// Carry of the account in the market afterwards.
    pub carry: i64,
    /// Unpaid fees of the market, whoever owed them, that cash in its pool paid.
    pub fees_collected: u64,
}

/// A position in a matured series that left its account for what it pays.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExercisedPosition {
    /// Index of the market.
    pub market: u16,
    /// Slot of the series.
    pub slot: u16,
    /// Generation of the slot.
    pub generation: u32,
    /// Lots that left the account.
    pub lots: i64,
    /// What they pay at the settlement price, without the position's cost.
    pub value: i64,
}

/// An account was marked as unhealthy or as below zero, or no longer.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountMarked {
    /// The clearinghouse.
    pub clearinghouse: Pubkey,
    /// The margin account.
    pub margin_account: Pubkey,
    /// Its equity.
    pub equity: i64,
    /// Its maintenance margin.
    pub maintenance_margin: i64,
    /// Since when it is marked as unhealthy, unix seconds; 0 from now on, when it is not.
    pub unhealthy_since: i64,
    /// The markets that count it as below zero from now on, one bit each.
    pub marked: u64,
}

/// The insurance fund was paid into.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsuranceFunded {
    /// The clearinghouse.
    pub clearinghouse: Pubkey,
    /// The token account that paid.
    pub source: Pubkey,
    /// Micro-units paid.
    pub amount: u64,
    /// The fund afterwards.
    pub insurance: u64,
}

/// Trading fees of a market were paid out.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeesSwept {
    /// The clearinghouse.
    pub clearinghouse: Pubkey,
    /// Index of the market.
    pub market: u16,
    /// The token account that received.
    pub destination: Pubkey,
    /// Micro-units paid out.
    pub paid_out: u64,
    /// Micro-units that went to the insurance fund.
    pub insured: u64,
    /// The fund afterwards.
    pub insurance: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{MAX_BALANCES, MAX_LEGS, MAX_MARKETS_PER_ACCOUNT, MAX_POSITIONS};
    use estuary_risk::liquidation::MAX_TAKES;

    /// Keys of the events here.
    const KEY: Pubkey = Pubkey::new_from_array([1; 32]);

    fn check(name: &str, event: &impl Event) {
        let size = encode(event).unwrap().len();
        assert!(size < MAX_EVENT_SIZE, "{name} has {size} bytes");
    }

    #[test]
    fn the_largest_events_are_below_the_limit() {
        let moved = MovedPosition {
            market: 1,
            slot: 1,
            generation: 1,
            lots: 1,
            cost: 1,
        };
        let transferred = PositionsTransferred {
            clearinghouse: KEY,
            source: KEY,
            destination: KEY,
            positions: vec![moved; MAX_LEGS],
        };
        check("PositionsTransferred", &transferred);
        let price = PriceUsed {
            market: 1,
            price: 1,
            publish_time: 1,
        };
        let leg = TradedLeg {
            market: 1,
            slot: 1,
            generation: 1,
            lots: 1,
            price: 1,
            premium: 1,
            cost: 1,
        };
        // A trade may name more markets than an account may end up in.
        let traded = BlockTraded {
            clearinghouse: KEY,
            taker: KEY,
            maker: KEY,
            taker_cash: 1,
            maker_cash: 1,
            prices: vec![price; MAX_LEGS],
            fees: vec![FeesCharged::default(); MAX_LEGS],
            legs: vec![leg; MAX_LEGS],
        };
        check("BlockTraded", &traded);
        let totals = MarginTotals {
            equity: 1,
            initial_margin: 1,
            maintenance_margin: 1,
        };
        let taken = TakenPosition {
            market: 1,
            slot: 1,
            generation: 1,
            lots: 1,
            premium: 1,
            carry: 1,
            cost: 1,
            discount: 1,
        };
        let token = TakenToken {
            bank: 1,
            amount: 1,
            payment: 1,
            discount: 1,
        };
        let price = PriceUsed {
            market: 1,
            price: 1,
            publish_time: 1,
        };
        let exercised = ExercisedPosition {
            market: 1,
            slot: 1,
            generation: 1,
            lots: 1,
            value: 1,
        };
        let liquidated = Liquidated {
            clearinghouse: KEY,
            liquidator: KEY,
            liquidated: KEY,
            before: totals,
            after: totals,
            liquidator_cash: 1,
            liquidated_cash: 1,
            marked: 1,
            exercised: vec![exercised; MAX_POSITIONS],
            prices: vec![price; MAX_MARKETS_PER_ACCOUNT as usize],
            positions: vec![taken; MAX_POSITIONS + MAX_TAKES],
            tokens: vec![token; MAX_BALANCES],
            insured: 1,
            settlements: vec![MarketSettlement::default(); MAX_MARKETS_PER_ACCOUNT as usize],
        };
        check("Liquidated", &liquidated);
        let settled = Settled {
            clearinghouse: KEY,
            margin_account: KEY,
            variation: 1,
            settlement: MarketSettlement::default(),
            cash: 1,
            exercised: vec![exercised; MAX_POSITIONS],
        };
        check("Settled", &settled);
    }
}
