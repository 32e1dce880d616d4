//! Cash and positions between two accounts of one owner.

use anchor_lang::solana_program::instruction::Instruction;
use estuary::instructions::PositionTransfer;
use estuary::state::SeriesKind::{self, Call, Put};
use estuary_client::instruction::signed_by_delegate;
use estuary_tests::setup::{BTC_PRICE, DAY, USD};
use estuary_tests::trade::PERP;
use estuary_tests::{
    ix, ErrorCode, EstuaryError as E, House, Outcome, Pit, Signer, Tamper, Trader,
};

const RICH: u64 = 1_000_000 * USD;

/// A pit whose taker has a second account.
struct Stage {
    pit: Pit,
    second: Trader,
}

impl Stage {
    fn new(deposit: u64) -> Self {
        let mut pit = Pit::new(RICH, 10 * RICH);
        let second = pit
            .house
            .sub_account(&mut pit.world, &pit.taker, 9, deposit);
        Self { pit, second }
    }

    /// Moves these lots of the positions of the taker to the second account.
    fn positions(&self, moves: &[((SeriesKind, u8, u64), i64)]) -> Instruction {
        let transfers: Vec<_> = moves
            .iter()
            .map(|(series, lots)| self.one(*series, *lots))
            .collect();
        self.of(&transfers)
    }

    fn one(&self, series: (SeriesKind, u8, u64), lots: i64) -> PositionTransfer {
        let leg = self.pit.btc_leg(series, lots);
        PositionTransfer {
            market: leg.market,
            slot: leg.slot,
            generation: leg.generation,
            lots,
        }
    }

    fn of(&self, transfers: &[PositionTransfer]) -> Instruction {
        let pit = &self.pit;
        ix::transfer_positions(
            &pit.house,
            &pit.taker,
            &self.second,
            transfers,
            &[pit.btc()],
        )
    }

    fn cash(&self, amount: u64) -> Instruction {
        let pit = &self.pit;
        let markets = pit.world.needed(&[&pit.taker], &[], &pit.markets);
        ix::transfer_cash(&pit.house, &pit.taker, &self.second, amount, &markets)
    }

    fn send(&mut self, instruction: Instruction) -> Outcome {
        self.pit.world.send(instruction, &[&self.pit.taker.owner])
    }

    /// Lots and cost of the taker's and the second account's position in a series.
    fn held(&self, series: (SeriesKind, u8, u64)) -> [Option<(i64, i64)>; 2] {
        let slot = self.pit.btc_leg(series, 1).slot;
        [&self.pit.taker, &self.second].map(|trader| {
            let account = self.pit.world.account(trader);
            let position = account.position(0, slot);
            position.map(|position| (position.lots, position.cost))
        })
    }
}

#[test]
fn cash_moves_to_the_last_micro_unit() {
    let mut stage = Stage::new(0);
    let all = stage.cash(RICH);
    stage.send(all).ok();
    assert_eq!(stage.pit.world.cash(&stage.pit.taker), 0);
    assert_eq!(stage.pit.world.cash(&stage.second), RICH as i64);
    let more = stage.cash(1);
    stage.send(more).refused(E::BalanceNegative);
}

#[test]
fn cash_stays_where_margin_needs_it() {
    let mut stage = Stage::new(0);
    let leg = stage.pit.btc_leg(PERP, 1_000);
    stage.pit.trade(&[leg]).ok();
    let report = stage.pit.world.report(&stage.pit.taker, &[stage.pit.btc()]);
    let free = report.health_initial().expect("health").0 as u64;
    let beyond = stage.cash(free + 1);
    stage.send(beyond).refused(E::BelowInitialMargin);
    let blind = stage.cash(1).without_last(3);
    stage.send(blind).refused(E::MarketAccountMissing);
    let good = stage.cash(free);
    stage.send(good).ok();
    // A price older than the market's limit blocks it, and nothing else does for the account without positions.
    stage.pit.world.pass(DAY);
    let stale = stage.cash(1);
    stage.send(stale).refused(E::PriceTooOld);
    let pit = &stage.pit;
    let back = ix::transfer_cash(&pit.house, &stage.second, &pit.taker, 1, &[]);
    stage.send(back).ok();
}

#[test]
fn a_losing_account_pays_nothing_out() {
    let mut stage = Stage::new(0);
    let leg = stage.pit.btc_leg(PERP, 1_000);
    stage.pit.trade(&[leg]).ok();
    let btc = stage.pit.btc().clone();
    stage.pit.world.set_price(&btc, 0.8 * BTC_PRICE);
    // A fifth of 100,000 is lost, which cannot leave; what the margin needs cannot either.
    let left = RICH - 20_000 * USD;
    let lost = stage.cash(left + 1);
    stage.send(lost).refused(E::SeniorNegative);
    let needed = stage.cash(left);
    stage.send(needed).refused(E::BelowInitialMargin);
    let good = stage.cash(left / 2);
    stage.send(good).ok();
}

#[test]
fn positions_move_with_their_share_of_cost() {
    let mut stage = Stage::new(RICH);
    let perp = stage.pit.btc_leg(PERP, 3);
    let put = stage.pit.btc_leg((Put, 1, 90), -5);
    stage.pit.trade(&[perp, put]).ok();
    // A cost that a third of the lots does not divide.
    let btc = stage.pit.btc().clone();
    let (taker, maker) = (&stage.pit.taker, &stage.pit.maker);
    stage.pit.world.shift(taker, maker, &btc, perp.slot, 1);
    let cash = [&stage.pit.taker, &stage.second].map(|trader| stage.pit.world.cash(trader));
    let part = stage.positions(&[(PERP, 1), ((Put, 1, 90), -2)]);
    stage.send(part).ok();
    assert_eq!(
        stage.held(PERP),
        [Some((2, -199_999_999)), Some((1, -100_000_000))]
    );
    assert_eq!(stage.held((Put, 1, 90)), [Some((-3, 0)), Some((-2, 0))]);
    let rest = stage.positions(&[((Put, 1, 90), -3), (PERP, 2)]);
    stage.send(rest).ok();
    assert_eq!(stage.held(PERP), [None, Some((3, -299_999_999))]);
    assert_eq!(stage.held((Put, 1, 90)), [None, Some((-5, 0))]);
    let after = [&stage.pit.taker, &stage.second].map(|trader| stage.pit.world.cash(trader));
    assert_eq!(cash, after, "nothing is paid");
    let ledger: estuary::state::MarketLedger = stage.pit.world.read(&btc.ledger);
    assert_eq!(ledger.open_lots[usize::from(perp.slot)], 6);
}

#[test]
fn opposite_positions_of_one_owner_cancel() {
    let mut stage = Stage::new(RICH);
    let leg = stage.pit.btc_leg((Call, 1, 110), 4);
    stage.pit.trade(&[leg]).ok();
    let (pit, second) = (&mut stage.pit, &stage.second);
    let sell = pit.btc_leg((Call, 1, 110), -4);
    pit.world
        .trade(&pit.house, [second, &pit.maker], &[sell], &pit.markets)
        .ok();
    let all = stage.positions(&[((Call, 1, 110), 4)]);
    stage.send(all).ok();
    assert_eq!(stage.held((Call, 1, 110)), [None, None]);
}

#[test]
fn neither_account_is_left_without_margin() {
    let mut stage = Stage::new(1_000 * USD);
    let naked = stage.pit.btc_leg((Call, 1, 110), -100);
    let cover = stage.pit.btc_leg((Call, 1, 105), 100);
    stage.pit.trade(&[naked, cover]).ok();
    // The destination cannot carry the short.
    let short = stage.positions(&[((Call, 1, 110), -100)]);
    stage.send(short).refused(E::BelowInitialMargin);
    // The source cannot do without the long, once its cash is gone.
    let report = stage.pit.world.report(&stage.pit.taker, &[stage.pit.btc()]);
    let free = report.health_initial().expect("health").0;
    let cash = free.min(stage.pit.world.cash(&stage.pit.taker)) as u64;
    let out = stage.cash(cash);
    stage.send(out).ok();
    let long = stage.positions(&[((Call, 1, 105), 100)]);
    stage.send(long).refused(E::BelowInitialMargin);
    // Together they go.
    let both = stage.positions(&[((Call, 1, 110), -100), ((Call, 1, 105), 100)]);
    stage.send(both).ok();
    assert_eq!(stage.pit.world.account(&stage.pit.taker).position_count, 0);
}

#[test]
fn an_account_below_maintenance_margin_hands_nothing_on() {
    let mut stage = Stage::new(RICH);
    let leg = stage.pit.btc_leg(PERP, 1_000);
    stage.pit.trade(&[leg]).ok();
    let btc = stage.pit.btc().clone();
    let loss = RICH as i64 - 1_000 * USD as i64;
    let (maker, taker) = (&stage.pit.maker, &stage.pit.taker);
    stage.pit.world.shift(maker, taker, &btc, leg.slot, loss);
    let gone = stage.positions(&[(PERP, 1_000)]);
    stage.send(gone).refused(E::BelowMaintenanceMargin);
}

#[test]
fn bad_transfers_of_positions_are_refused() {
    let mut stage = Stage::new(RICH);
    let perp = stage.pit.btc_leg(PERP, 10);
    let put = stage.pit.btc_leg((Put, 1, 90), -5);
    stage.pit.trade(&[perp, put]).ok();
    let good = stage.one(PERP, 1);
    let short = stage.one((Put, 1, 90), -1);
    let listed = stage
        .pit
        .world
        .market(&stage.pit.btc().market)
        .header
        .series_count;
    let changed = |change: fn(&mut PositionTransfer)| {
        let mut transfer = good;
        change(&mut transfer);
        vec![transfer]
    };
    let cases = [
        (vec![], E::NoLegs),
        (vec![good; 17], E::TooManyLegs),
        (vec![good, short, good], E::LegDuplicated),
        (changed(|one| one.lots = 0), E::LotsZero),
        (changed(|one| one.lots = 11), E::TransferExceedsPosition),
        (changed(|one| one.lots = -1), E::TransferExceedsPosition),
        (
            changed(|one| one.lots = i64::MAX),
            E::TransferExceedsPosition,
        ),
        (
            changed(|one| one.lots = i64::MIN),
            E::TransferExceedsPosition,
        ),
        (
            vec![PositionTransfer { lots: 1, ..short }],
            E::TransferExceedsPosition,
        ),
        (
            vec![PositionTransfer {
                slot: perp.slot + 1,
                ..good
            }],
            E::TransferExceedsPosition,
        ),
        (
            vec![PositionTransfer {
                slot: listed,
                ..good
            }],
            E::SlotUnknown,
        ),
        (
            changed(|one| one.generation += 1),
            E::SeriesGenerationMismatch,
        ),
        (changed(|one| one.market = 64), E::MarketUnknown),
        (changed(|one| one.market = 5), E::MarketAccountMissing),
    ];
    for (transfers, error) in cases {
        println!("{error:?} {transfers:?}");
        let bad = stage.of(&transfers);
        stage.send(bad).refused(error);
    }
    let btc = stage.pit.btc().clone();
    let read_only = stage.of(&[good]).read_only(&btc.ledger);
    stage.send(read_only).refused(E::LedgerNotWritable);
    let sol = stage.pit.sol().clone();
    let extra = stage.of(&[good]).with_extra(&sol.market);
    stage.send(extra).refused(E::MarketAccountsLeftOver);
}

#[test]
fn only_accounts_of_one_owner_are_connected() {
    let mut stage = Stage::new(RICH);
    let perp = stage.pit.btc_leg(PERP, 10);
    stage.pit.trade(&[perp]).ok();
    let hand = stage.pit.world.keypair();
    let expiry = stage.pit.world.now() + DAY;
    for trader in [&stage.pit.taker, &stage.second] {
        let set = ix::set_delegate(&stage.pit.house, trader, hand.pubkey(), expiry);
        stage.pit.world.send(set, &[&trader.owner]).ok();
    }
    let other = House::build(&mut stage.pit.world, 2);
    let foreign = other.trader(&mut stage.pit.world, 0);
    let (source, destination) = (stage.pit.taker.account, stage.second.account);
    let (maker, owner) = (stage.pit.maker.account, stage.pit.taker.owner.pubkey());
    let clearinghouse = stage.pit.house.clearinghouse;
    for good in [stage.cash(1), stage.positions(&[(PERP, 1)])] {
        for (from, to, error) in [
            (&destination, &source, E::SameMarginAccount),
            (&source, &destination, E::SameMarginAccount),
            (&source, &maker, E::NotTheOwner),
            (&destination, &maker, E::DestinationOfAnotherOwner),
            (&source, &foreign.account, E::AccountOfAnotherClearinghouse),
            (
                &destination,
                &foreign.account,
                E::AccountOfAnotherClearinghouse,
            ),
            (
                &clearinghouse,
                &other.clearinghouse,
                E::AccountOfAnotherClearinghouse,
            ),
        ] {
            let bad = good.clone().replacing(from, to);
            stage.send(bad).refused(error);
        }
        let by_hand = signed_by_delegate(good.clone(), &owner, hand.pubkey());
        stage
            .pit
            .world
            .send(by_hand, &[&hand])
            .refused(E::NotTheOwner);
        stage
            .send(good.clone().unsigned(&owner))
            .refused_by_anchor(ErrorCode::AccountNotSigner);
        for account in [&source, &destination] {
            stage
                .send(good.clone().read_only(account))
                .refused_by_anchor(ErrorCode::ConstraintMut);
        }
        stage.send(good).ok();
    }
    for (amount, error) in [
        (0, E::AmountZero),
        (u64::MAX, E::AmountOverflow),
        (1 << 63, E::AmountOverflow),
        (i64::MAX as u64, E::BalanceNegative),
    ] {
        let bad = stage.cash(amount);
        stage.send(bad).refused(error);
    }
}
