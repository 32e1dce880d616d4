//! What anyone may send to keep a market alive.

use crate::row::{Input, Row, SERIES};
use crate::stage::{Good, Stage};
use estuary::instruction;
use estuary::state::MarketLedger;
use estuary_tests::expiry::{MINUTE, WINDOW};
use estuary_tests::setup::BTC_PRICE;
use estuary_tests::{ix, ErrorCode as A, EstuaryError as E};
use Input::*;

/// Minutes of a window that need a price of their own.
const ENOUGH: i64 = 20;

/// All of them.
pub fn rows() -> Vec<Row> {
    vec![
        record_price(),
        record_settlement_price(),
        finalize_settlement(),
        retire_expiry(),
    ]
}

/// What instructions about a market have in common.
fn of_market(row: Row) -> Row {
    row.none(&[MissingSigner], "anyone may send it")
        .case(WrongOwner, E::MarketAccountOwner, |case| {
            case.disown("market")
        })
        .owned(&["ledger"])
        .case(ForeignClearinghouse, E::LedgerOfAnotherMarket, |case| {
            case.foreign("market")
        })
        .case(ForeignClearinghouse, E::LedgerOfAnotherMarket, |case| {
            case.foreign("ledger")
        })
        .case(WrongAddress, E::LedgerOfAnotherMarket, |case| {
            let ledger = case.stage.markets[1].ledger;
            case.replace("ledger", ledger);
        })
        .case(WrongAddress, E::MarketAccountType, |case| {
            let ledger = case.stage.markets[1].ledger;
            case.replace("market", ledger);
        })
        .none(&[WrongMint], "it uses no token")
        .case(DuplicateAccounts, E::MarketAccountType, |case| {
            case.put("market", "ledger")
        })
        .case(DuplicateAccounts, A::AccountDiscriminatorMismatch, |case| {
            case.put("ledger", "market")
        })
        .case(ReorderedAccounts, A::AccountDiscriminatorMismatch, |case| {
            case.swap("market", "ledger")
        })
        .fixed_accounts()
        .harmless(PausedMarket, |case| case.pause())
        .no_margin_account()
}

/// What instructions about an expiry of a market have in common.
fn expiring(row: Row) -> Row {
    of_market(row).case(ForeignClearinghouse, E::ExpiryUnknown, |case| {
        // A whole market of another clearinghouse is as good as one here, but has no such expiry.
        case.foreign("market");
        case.foreign("ledger");
    })
}

/// A price's account in the wrong place.
fn misplaced_price(row: Row) -> Row {
    row.case(WrongOwner, E::PriceAccountOwner, |case| {
        case.disown("price")
    })
    .case(DuplicateAccounts, E::PriceAccountOwner, |case| {
        case.put("price", "market")
    })
    .case(DuplicateAccounts, E::PriceAccountOwner, |case| {
        case.put("price", "ledger")
    })
    .case(ReorderedAccounts, A::AccountOwnedByWrongProgram, |case| {
        case.swap("price", "ledger")
    })
}

fn record_price() -> Row {
    let good = |stage: &mut Stage| {
        let record = ix::record_price(&stage.house, &stage.markets[0]);
        Good::signed(record, &[])
    };
    misplaced_price(of_market(Row::new("record_price", good)).price("price", 0))
        .case(ReorderedAccounts, E::MarketAccountOwner, |case| {
            case.swap("price", "market")
        })
        .none(&[ZeroAmount, OverflowingAmount], "it takes no amount")
        .none(SERIES, "it names no series")
}

fn record_settlement_price() -> Row {
    let good = |stage: &mut Stage| {
        let market = &stage.markets[0];
        let record = ix::record_settlement_price(&stage.house, market, stage.matured_time);
        Good::signed(record, &[])
    };
    let row = expiring(Row::new("record_settlement_price", good)).price("price", 0);
    let row = misplaced_price(row);
    [0, 1, -1]
        .into_iter()
        .fold(row, |row, expiry| {
            row.case(ZeroAmount, E::ExpiryUnknown, move |case| {
                case.args(instruction::RecordSettlementPrice { expiry })
            })
        })
        .case(OverflowingAmount, E::ExpiryUnknown, |case| {
            case.args(instruction::RecordSettlementPrice { expiry: i64::MAX })
        })
        .case(OverflowingAmount, E::ExpiryUnknown, |case| {
            case.args(instruction::RecordSettlementPrice { expiry: i64::MIN })
        })
        .case(UnknownSeries, E::ExpiryUnknown, |case| {
            let expiry = case.stage.matured_time + 1;
            case.args(instruction::RecordSettlementPrice { expiry })
        })
        .case(PastPrice, E::SettlementWindowNotOpen, |case| {
            let expiry = case.stage.later_expiry();
            case.args(instruction::RecordSettlementPrice { expiry })
        })
        .case(PastPrice, E::SettlementMinuteRecorded, |case| {
            let same = case.instruction.clone();
            case.stage.world.send(same, &[]).ok();
        })
        .case(MaturedSeries, E::SettlementPriceFinal, |case| {
            let expiry = case.stage.later_expiry();
            let stage = &mut *case.stage;
            let market = stage.markets[0].clone();
            stage.world.mature(&stage.house, &market, expiry, BTC_PRICE);
            stage.world.pass(MINUTE);
            stage.world.set_price(&market, BTC_PRICE);
            case.args(instruction::RecordSettlementPrice { expiry })
        })
        .case(ReorderedAccounts, A::ConstraintMut, |case| {
            case.swap("price", "market")
        })
}

fn finalize_settlement() -> Row {
    let good = |stage: &mut Stage| {
        let (market, expiry) = (stage.markets[0].clone(), stage.later_expiry());
        for minute in WINDOW - ENOUGH..WINDOW {
            let world = &mut stage.world;
            world.record_minute(&stage.house, &market, expiry, minute, BTC_PRICE);
        }
        stage.world.set_time(expiry + MINUTE);
        let finalize = ix::finalize_settlement(&stage.house, &market, expiry);
        Good::signed(finalize, &[])
    };
    expiring(Row::new("finalize_settlement", good))
        .none(crate::row::PRICES, "it uses no price")
        .case(ZeroAmount, E::ExpiryUnknown, |case| {
            case.args(instruction::FinalizeSettlement { expiry: 0 })
        })
        .case(OverflowingAmount, E::ExpiryUnknown, |case| {
            case.args(instruction::FinalizeSettlement { expiry: i64::MAX })
        })
        .case(OverflowingAmount, E::ExpiryUnknown, |case| {
            case.args(instruction::FinalizeSettlement { expiry: i64::MIN })
        })
        .case(UnknownSeries, E::ExpiryUnknown, |case| {
            let expiry = case.stage.later_expiry() - 1;
            case.args(instruction::FinalizeSettlement { expiry })
        })
        .case(UnknownSeries, E::SettlementMinutesTooFew, |case| {
            let expiry = case.stage.matured_time;
            case.args(instruction::FinalizeSettlement { expiry })
        })
        .case(MaturedSeries, E::SettlementPriceFinal, |case| {
            let same = case.instruction.clone();
            case.stage.world.send(same, &[]).ok();
        })
        .case(MaturedSeries, E::SettlementWindowOpen, |case| {
            let last = case.stage.later_expiry() + MINUTE - 1;
            case.stage.world.set_time(last);
        })
}

fn retire_expiry() -> Row {
    let good = |stage: &mut Stage| {
        let retire = ix::retire_expiry(&stage.house, &stage.markets[0], stage.matured_time);
        Good::signed(retire, &[])
    };
    expiring(Row::new("retire_expiry", good))
        .none(crate::row::PRICES, "it uses no price")
        .case(ZeroAmount, E::ExpiryUnknown, |case| {
            case.args(instruction::RetireExpiry { expiry: 0 })
        })
        .case(OverflowingAmount, E::ExpiryUnknown, |case| {
            case.args(instruction::RetireExpiry { expiry: i64::MAX })
        })
        .case(OverflowingAmount, E::ExpiryUnknown, |case| {
            case.args(instruction::RetireExpiry { expiry: i64::MIN })
        })
        .case(UnknownSeries, E::ExpiryUnknown, |case| {
            let expiry = case.stage.matured_time + 1;
            case.args(instruction::RetireExpiry { expiry })
        })
        .case(UnknownSeries, E::ExpiryNotPassed, |case| {
            let expiry = case.stage.later_expiry();
            case.args(instruction::RetireExpiry { expiry })
        })
        .case(MaturedSeries, E::ExpiryUnknown, |case| {
            let same = case.instruction.clone();
            case.stage.world.send(same, &[]).ok();
        })
        .case(MaturedSeries, E::SeriesHasOpenLots, |case| {
            let slot = usize::from(case.stage.matured_slot);
            case.forge("ledger", |data| {
                let ledger: &mut MarketLedger = bytemuck::from_bytes_mut(&mut data[8..]);
                ledger.open_lots[slot] = 1;
            });
        })
}
