//! Events against accounts: whoever keeps books by events alone has to arrive at what the accounts say.

use crate::audit::{read, read_market};
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::Discriminator;
use estuary::event::{ExercisedPosition, Fee, MarketSettlement};
use estuary::instruction as sent;
use estuary::state::{Bank, MarginAccount, MarketLedger};
use estuary_client::event::Event;
use solana_account::{AccountSharedData, ReadableAccount};
use std::collections::{BTreeMap, HashMap};

/// Instructions whose changes their events tell; a transaction with another one of the program is not compared.
const COMPARED: &[&[u8]] = &[
    sent::OpenAccount::DISCRIMINATOR,
    sent::SetDelegate::DISCRIMINATOR,
    sent::CloseAccount::DISCRIMINATOR,
    sent::Deposit::DISCRIMINATOR,
    sent::Withdraw::DISCRIMINATOR,
    sent::TransferBalance::DISCRIMINATOR,
    sent::TransferPositions::DISCRIMINATOR,
    sent::BlockTrade::DISCRIMINATOR,
    sent::Liquidate::DISCRIMINATOR,
    sent::Settle::DISCRIMINATOR,
    sent::SettleOnCredit::DISCRIMINATOR,
    sent::MarkAccount::DISCRIMINATOR,
    sent::FundInsurance::DISCRIMINATOR,
    sent::SweepFees::DISCRIMINATOR,
];

/// All accounts there are.
type Accounts = HashMap<Pubkey, AccountSharedData>;

/// Changes of margin accounts, fees and insurance; what did not change is absent.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    /// Of balances, by account and bank.
    balances: BTreeMap<(Pubkey, u16), i128>,
    /// Of lots, by account, market and slot.
    lots: BTreeMap<(Pubkey, u16, u16), i128>,
    /// Of what markets and accounts owe each other, costs of positions and carry, by account and market.
    owed: BTreeMap<(Pubkey, u16), i128>,
    /// Of the face of claims less what was collected on it, by account and market.
    claims: BTreeMap<(Pubkey, u16), i128>,
    /// Of fees paid and not swept, by clearinghouse and market.
    fees: BTreeMap<(Pubkey, u16), i128>,
    /// Of fees unpaid, by clearinghouse and market.
    fees_unpaid: BTreeMap<(Pubkey, u16), i128>,
    /// Of insurance funds, by clearinghouse.
    insurance: BTreeMap<Pubkey, i128>,
}

/// Compares what events say with how the accounts changed.
///
/// # Panics
/// When they differ.
pub fn check(sent: &[Instruction], events: &[Event], before: &Accounts, after: &Accounts) {
    let compared = |instruction: &Instruction| {
        instruction.program_id != estuary::ID
            || COMPARED
                .iter()
                .any(|start| instruction.data.starts_with(start))
    };
    if !sent.iter().all(compared) {
        return;
    }
    let told = Changes::of_events(events, after);
    let found = Changes::between(before, after);
    assert_eq!(told, found, "events (left) against accounts (right)");
}

impl Changes {
    fn of_events(events: &[Event], accounts: &Accounts) -> Self {
        let mut changes = Self::default();
        for event in events {
            changes.add_event(event, accounts);
        }
        changes.drop_zeros();
        changes
    }

    fn add_event(&mut self, event: &Event, accounts: &Accounts) {
        match event {
            Event::Deposited(event) => {
                let bank = bank_of(accounts, &event.clearinghouse, &event.mint);
                self.pay(event.margin_account, bank, event.amount.into());
            }
            Event::Withdrawn(event) => {
                let bank = bank_of(accounts, &event.clearinghouse, &event.mint);
                self.pay(event.margin_account, bank, -i128::from(event.amount));
            }
            Event::BalanceTransferred(event) => {
                self.pay(event.source, event.bank, -i128::from(event.amount));
                self.pay(event.destination, event.bank, event.amount.into());
            }
            Event::PositionsTransferred(event) => {
                for moved in &event.positions {
                    let place = (moved.market, moved.slot);
                    let accounts = [event.source, event.destination];
                    self.hand_over(accounts, place, moved.lots, -moved.cost);
                }
            }
            Event::BlockTraded(event) => {
                for leg in &event.legs {
                    let place = (leg.market, leg.slot);
                    let accounts = [event.maker, event.taker];
                    self.hand_over(accounts, place, leg.lots, -leg.cost);
                    self.pay(event.maker, 0, leg.premium.into());
                    self.pay(event.taker, 0, -i128::from(leg.premium));
                }
                for fees in &event.fees {
                    let place = (event.clearinghouse, fees.market);
                    self.charge(event.taker, place, fees.taker);
                    self.charge(event.maker, place, fees.maker);
                }
            }
            Event::Liquidated(event) => {
                for taken in &event.positions {
                    let place = (taken.market, taken.slot);
                    let accounts = [event.liquidated, event.liquidator];
                    self.hand_over(accounts, place, taken.lots, taken.cost);
                    self.pay(event.liquidated, 0, taken.premium.into());
                    self.pay(event.liquidator, 0, -i128::from(taken.premium));
                    self.owe(event.liquidated, taken.market, taken.carry.into());
                    self.owe(event.liquidator, taken.market, -i128::from(taken.carry));
                }
                for taken in &event.tokens {
                    self.pay(event.liquidated, taken.bank, -i128::from(taken.amount));
                    self.pay(event.liquidator, taken.bank, taken.amount.into());
                    self.pay(event.liquidated, 0, taken.payment.into());
                    self.pay(event.liquidator, 0, -i128::from(taken.payment));
                }
                self.pay(event.liquidator, 0, -i128::from(event.insured));
                self.insure(event.clearinghouse, event.insured.into());
                self.exercise(event.liquidated, &event.exercised);
                for settlement in &event.settlements {
                    self.settle(event.clearinghouse, event.liquidated, settlement);
                }
            }
            Event::Settled(event) => {
                self.exercise(event.margin_account, &event.exercised);
                self.settle(event.clearinghouse, event.margin_account, &event.settlement);
            }
            Event::InsuranceFunded(event) => {
                self.insure(event.clearinghouse, event.amount.into());
            }
            Event::FeesSwept(event) => {
                let swept = i128::from(event.paid_out) + i128::from(event.insured);
                self.add_fees((event.clearinghouse, event.market), -swept, 0);
                self.insure(event.clearinghouse, event.insured.into());
            }
            Event::AccountMarked(_) => {}
        }
    }

    fn exercise(&mut self, account: Pubkey, exercised: &[ExercisedPosition]) {
        for gone in exercised {
            let place = (gone.market, gone.slot);
            self.hold(account, place, -i128::from(gone.lots), gone.value.into());
        }
    }

    fn settle(&mut self, clearinghouse: Pubkey, account: Pubkey, done: &MarketSettlement) {
        let wide = i128::from;
        let (paid, collected, registered) =
            (wide(done.paid), wide(done.collected), wide(done.registered));
        self.pay(account, 0, collected - paid + wide(done.debt_insured));
        let waived = wide(done.fees_waived);
        let lost = wide(done.insured) + wide(done.socialised) + waived;
        self.owe(account, done.market, paid + lost - registered);
        let claims = registered - collected - wide(done.written_off);
        self.claim(account, done.market, claims);
        let fees = i128::from(done.fees_collected);
        self.add_fees((clearinghouse, done.market), fees, -fees - waived);
        let insured = wide(done.insured) + wide(done.debt_insured);
        self.insure(clearinghouse, -insured);
    }

    /// A fee of an account in a market.
    fn charge(&mut self, account: Pubkey, place: (Pubkey, u16), fee: Fee) {
        let (paid, unpaid) = (i128::from(fee.paid), i128::from(fee.unpaid));
        self.pay(account, 0, -paid);
        self.owe(account, place.1, -unpaid);
        self.add_fees(place, paid, unpaid);
    }

    fn add_fees(&mut self, place: (Pubkey, u16), paid: i128, unpaid: i128) {
        *self.fees.entry(place).or_default() += paid;
        *self.fees_unpaid.entry(place).or_default() += unpaid;
    }

    fn insure(&mut self, clearinghouse: Pubkey, amount: i128) {
        *self.insurance.entry(clearinghouse).or_default() += amount;
    }

    fn pay(&mut self, account: Pubkey, bank: u16, amount: i128) {
        *self.balances.entry((account, bank)).or_default() += amount;
    }

    fn hold(&mut self, account: Pubkey, (market, slot): (u16, u16), lots: i128, cost: i128) {
        *self.lots.entry((account, market, slot)).or_default() += lots;
        self.owe(account, market, cost);
    }

    fn owe(&mut self, account: Pubkey, market: u16, amount: i128) {
        *self.owed.entry((account, market)).or_default() += amount;
    }

    fn claim(&mut self, account: Pubkey, market: u16, amount: i128) {
        *self.claims.entry((account, market)).or_default() += amount;
    }

    /// Moves lots from the first account to the second; `cost` is how the first one's changes.
    fn hand_over(&mut self, [giver, taker]: [Pubkey; 2], place: (u16, u16), lots: i64, cost: i64) {
        let (lots, cost) = (i128::from(lots), i128::from(cost));
        self.hold(giver, place, -lots, cost);
        self.hold(taker, place, lots, -cost);
    }

    fn between(before: &Accounts, after: &Accounts) -> Self {
        let mut changes = Self::default();
        for (accounts, sign) in [(before, -1), (after, 1)] {
            changes.add_accounts(accounts, sign);
            changes.add_ledgers(accounts, sign);
        }
        changes.drop_zeros();
        changes
    }

    fn add_accounts(&mut self, accounts: &Accounts, sign: i128) {
        for (key, account) in of_program::<MarginAccount>(accounts) {
            for balance in &account.balances {
                self.pay(key, balance.bank, sign * i128::from(balance.amount));
            }
            for position in account.open_positions() {
                let (lots, cost) = (i128::from(position.lots), i128::from(position.cost));
                let place = (position.market, position.slot);
                self.hold(key, place, sign * lots, sign * cost);
            }
            for unsettled in &account.unsettled {
                self.owe(key, unsettled.market, sign * i128::from(unsettled.carry));
                for claim in &unsettled.claims {
                    let left = i128::from(claim.face) - i128::from(claim.collected);
                    self.claim(key, unsettled.market, sign * left);
                }
            }
        }
    }

    fn add_ledgers(&mut self, accounts: &Accounts, sign: i128) {
        for (_, ledger) in of_program::<MarketLedger>(accounts) {
            let market = accounts.get(&ledger.market);
            let Some(market) = market.and_then(|market| read_market(market.data())) else {
                continue;
            };
            let place = (market.header.clearinghouse, ledger.market_index);
            let (paid, unpaid) = (i128::from(ledger.fees), i128::from(ledger.fees_unpaid));
            self.add_fees(place, sign * paid, sign * unpaid);
        }
        for (_, bank) in of_program::<Bank>(accounts) {
            self.insure(bank.clearinghouse, sign * i128::from(bank.insurance));
        }
    }

    fn drop_zeros(&mut self) {
        self.balances.retain(|_, change| *change != 0);
        self.lots.retain(|_, change| *change != 0);
        self.owed.retain(|_, change| *change != 0);
        self.claims.retain(|_, change| *change != 0);
        self.fees.retain(|_, change| *change != 0);
        self.fees_unpaid.retain(|_, change| *change != 0);
        self.insurance.retain(|_, change| *change != 0);
    }
}

/// The program's accounts of one type.
fn of_program<T: estuary::state::StateAccount + bytemuck::AnyBitPattern>(
    accounts: &Accounts,
) -> impl Iterator<Item = (Pubkey, T)> + '_ {
    let ours = accounts
        .iter()
        .filter(|(_, account)| *account.owner() == estuary::ID);
    ours.filter_map(|(key, account)| Some((*key, read::<T>(account.data())?)))
}

/// The index of the bank of a token.
fn bank_of(accounts: &Accounts, clearinghouse: &Pubkey, mint: &Pubkey) -> u16 {
    let bank = of_program::<Bank>(accounts)
        .find(|(_, bank)| bank.clearinghouse == *clearinghouse && bank.mint == *mint);
    bank.expect("a bank of the event's token").1.index
}
