//! What concerns two margin accounts: trades, transfers, liquidations.

use crate::case::Case;
use crate::row::{Input, Row};
use crate::stage::{Good, Stage, TOKENS};
use crate::trader::unlisted_position;
use estuary::instruction;
use estuary::instructions::{AcceptedPrice, LiquidateArgs, PositionTransfer, TradeLeg};
use estuary::state::{MarketStatus, MAX_LEGS};
use estuary_tests::expiry::MINUTE;
use estuary_tests::setup::USD;
use estuary_tests::{ix, ErrorCode as A, EstuaryError as E};
use Input::*;

/// All of them.
pub fn rows() -> Vec<Row> {
    vec![
        transfer_balance(),
        transfer_positions(),
        block_trade(),
        liquidate(),
    ]
}

/// What all of them have in common; `sides` are the two accounts.
fn pair(row: Row, [one, other]: [&'static str; 2]) -> Row {
    row.owned(&["clearinghouse", one, other])
        .local(&["clearinghouse", one, other])
        .case(DuplicateAccounts, E::SameMarginAccount, move |case| {
            case.put(other, one)
        })
        .case(DuplicateAccounts, E::SameMarginAccount, move |case| {
            case.put(one, other)
        })
        .case(
            ReorderedAccounts,
            A::AccountDiscriminatorMismatch,
            move |case| {
                case.swap("clearinghouse", other);
            },
        )
        .markets()
}

/// What instructions of one owner have in common.
fn own_pair(row: Row) -> Row {
    pair(row, ["source", "destination"])
        .of_owner(&["owner_account"])
        .signers(&["owner"])
        .case(MissingSigner, E::NotTheOwner, |case| {
            case.signed_by_stranger("owner")
        })
        .case(MissingSigner, E::NotTheOwner, |case| {
            case.signed_by_delegate("owner", MINUTE)
        })
        .case(WrongAddress, E::NotTheOwner, |case| {
            let other = case.stage.maker.account;
            case.replace("source", other);
        })
        .case(WrongAddress, E::DestinationOfAnotherOwner, |case| {
            let other = case.stage.maker.account;
            case.replace("destination", other);
        })
}

fn transfer_balance() -> Row {
    fn args(bank: u16, amount: u64) -> impl Fn(&mut Case<'_>) {
        move |case| case.args(instruction::TransferBalance { bank, amount })
    }
    let good = |stage: &mut Stage| {
        let (from, to) = (&stage.taker, &stage.second);
        let transfer = ix::transfer_cash(&stage.house, from, to, 5 * USD, &stage.all());
        Good::signed(transfer, &[from])
    };
    own_pair(Row::new("transfer_balance", good))
        .closed_to_marked(&["source"])
        .open_to_marked(&["destination"])
        .case(ZeroAmount, E::AmountZero, args(0, 0))
        .case(OverflowingAmount, E::AmountOverflow, args(0, u64::MAX))
        .case(
            OverflowingAmount,
            E::BalanceNegative,
            args(0, i64::MAX as u64),
        )
        .harmless(OverflowingAmount, args(1, TOKENS))
        .case(OverflowingAmount, E::BalanceNegative, args(1, TOKENS + 1))
        .case(WrongMint, E::BalanceNegative, args(9, USD))
        .case(OverflowingAmount, E::BankUnknown, args(u16::MAX, USD))
        .case(UnknownSeries, E::SlotUnknown, |case| {
            case.forge("source", unlisted_position)
        })
        .matured()
        .harmless(PausedMarket, |case| case.pause())
}

/// Changes the only transfer.
fn moving(change: fn(&mut PositionTransfer, &Stage)) -> impl Fn(&mut Case<'_>) {
    move |case| {
        let mut transfer = case.stage.moved(1);
        change(&mut transfer, case.stage);
        let transfers = vec![transfer];
        case.args(instruction::TransferPositions { transfers });
    }
}

/// Moves a lot of another series instead.
fn move_slot(case: &mut Case<'_>, slot: u16) {
    let moved = case.stage.moved(1);
    let transfers = vec![PositionTransfer { slot, ..moved }];
    case.args(instruction::TransferPositions { transfers });
}

fn transfer_positions() -> Row {
    let good = |stage: &mut Stage| {
        let (from, to) = (&stage.taker, &stage.second);
        let moved = [stage.moved(1)];
        let transfer = ix::transfer_positions(&stage.house, from, to, &moved, &stage.all());
        Good::signed(transfer, &[from])
    };
    own_pair(Row::new("transfer_positions", good))
        .closed_to_marked(&["source"])
        .open_to_marked(&["destination"])
        .none(&[WrongMint], "it uses no token")
        .case(ZeroAmount, E::LotsZero, moving(|one, _| one.lots = 0))
        .case(ZeroAmount, E::NoLegs, |case| {
            case.args(instruction::TransferPositions { transfers: vec![] });
        })
        .case(
            OverflowingAmount,
            E::TransferExceedsPosition,
            moving(|one, _| one.lots = i64::MAX),
        )
        .case(
            OverflowingAmount,
            E::TransferExceedsPosition,
            moving(|one, _| one.lots = i64::MIN),
        )
        .case(
            OverflowingAmount,
            E::TransferExceedsPosition,
            moving(|one, _| one.lots = -1),
        )
        .case(OverflowingAmount, E::TooManyLegs, |case| {
            let transfers = (0..=MAX_LEGS as u16).map(|slot| PositionTransfer {
                slot,
                ..case.stage.moved(1)
            });
            let transfers = transfers.collect();
            case.args(instruction::TransferPositions { transfers });
        })
        .case(
            UnknownSeries,
            E::SlotUnknown,
            moving(|one, _| one.slot = 900),
        )
        .case(
            UnknownSeries,
            E::SlotUnknown,
            moving(|one, _| one.slot = u16::MAX),
        )
        .case(
            UnknownSeries,
            E::SeriesGenerationMismatch,
            moving(|one, _| one.generation += 1),
        )
        .case(
            UnknownSeries,
            E::MarketAccountMissing,
            moving(|one, _| one.market = 40),
        )
        .case(
            UnknownSeries,
            E::MarketUnknown,
            moving(|one, _| one.market = u16::MAX),
        )
        .case(
            MaturedSeries,
            E::TransferExceedsPosition,
            moving(|one, stage| one.slot = stage.matured_slot),
        )
        // Between accounts of one owner a matured position may move: it is worth the same in both.
        .harmless(MaturedSeries, |case| {
            case.stage.hold_matured();
            let slot = case.stage.matured_slot;
            move_slot(case, slot);
        })
        .harmless(MaturedSeries, |case| {
            let slot = case.stage.hold_settled();
            move_slot(case, slot);
        })
        .case(DuplicateAccounts, E::LegDuplicated, |case| {
            let transfers = vec![case.stage.moved(1); 2];
            case.args(instruction::TransferPositions { transfers });
        })
        .case(WrongOwner, E::LedgerNotWritable, |case| {
            case.read_only("ledger0")
        })
        .case(PausedMarket, E::MarketPaused, |case| case.pause())
        .case(PausedMarket, E::MarketReduceOnly, |case| {
            case.set_status(MarketStatus::ReduceOnly)
        })
}

/// Changes the first leg.
fn trading(change: fn(&mut TradeLeg, &Stage)) -> impl Fn(&mut Case<'_>) {
    move |case| {
        let mut legs = case.stage.legs(1);
        change(&mut legs[0], case.stage);
        case.args(instruction::BlockTrade { legs });
    }
}

fn block_trade() -> Row {
    let good = |stage: &mut Stage| {
        let (taker, maker) = (&stage.taker, &stage.maker);
        let trade = ix::block_trade(&stage.house, taker, maker, &stage.legs(1), &stage.all());
        Good::signed(trade, &[taker, maker])
    };
    pair(
        Row::new("block_trade", good).closed_to_marked(&["taker_account", "maker_account"]),
        ["taker_account", "maker_account"],
    )
    .of_owner(&["taker_owner", "maker_owner"])
    .case(DuplicateAccounts, E::OwnerOfAnotherAccount, |case| {
        case.put("maker_owner", "taker_owner")
    })
    .case(ReorderedAccounts, E::OwnerOfAnotherAccount, |case| {
        case.swap("taker_owner", "maker_owner")
    })
    .none(&[WrongMint], "it uses no token")
    .signers(&["taker", "maker"])
    .case(MissingSigner, E::NotTheOwner, |case| {
        case.signed_by_stranger("taker")
    })
    .case(MissingSigner, E::NotTheOwner, |case| {
        case.signed_by_stranger("maker")
    })
    .case(MissingSigner, E::DelegateExpired, |case| {
        case.signed_by_delegate("taker", 1);
        case.stage.world.pass(1);
        case.stage.set_prices();
    })
    .case(WrongAddress, E::NotTheOwner, |case| {
        let other = case.stage.weak.account;
        case.replace("taker_account", other);
    })
    .case(WrongAddress, E::NotTheOwner, |case| {
        let other = case.stage.weak.account;
        case.replace("maker_account", other);
    })
    .case(ReorderedAccounts, E::NotTheOwner, |case| {
        case.swap("taker_account", "maker_account")
    })
    .case(ZeroAmount, E::LotsZero, trading(|leg, _| leg.lots = 0))
    .case(ZeroAmount, E::LegPriceZero, trading(|leg, _| leg.price = 0))
    .case(ZeroAmount, E::NoLegs, |case| {
        case.args(instruction::BlockTrade { legs: vec![] })
    })
    .case(
        OverflowingAmount,
        E::LotsOverflow,
        trading(|leg, _| leg.lots = 1 << 32),
    )
    .case(
        OverflowingAmount,
        E::LotsOverflow,
        trading(|leg, _| leg.lots = i64::MIN),
    )
    .case(
        OverflowingAmount,
        E::LegPriceOutsideBand,
        trading(|leg, _| leg.price = u64::MAX),
    )
    .case(OverflowingAmount, E::TooManyLegs, |case| {
        let legs = (0..=MAX_LEGS as u16).map(|slot| TradeLeg {
            slot,
            ..case.stage.legs(1)[0]
        });
        let legs = legs.collect();
        case.args(instruction::BlockTrade { legs });
    })
    .case(
        UnknownSeries,
        E::SlotUnknown,
        trading(|leg, _| leg.slot = 900),
    )
    .case(
        UnknownSeries,
        E::SlotUnknown,
        trading(|leg, _| leg.slot = u16::MAX),
    )
    .case(
        UnknownSeries,
        E::SeriesGenerationMismatch,
        trading(|leg, _| leg.generation += 1),
    )
    .case(
        UnknownSeries,
        E::MarketAccountMissing,
        trading(|leg, _| leg.market = 40),
    )
    .case(
        UnknownSeries,
        E::MarketUnknown,
        trading(|leg, _| leg.market = u16::MAX),
    )
    .case(
        MaturedSeries,
        E::SeriesExpired,
        trading(|leg, stage| leg.slot = stage.matured_slot),
    )
    .case(MaturedSeries, E::SeriesExpired, |case| {
        let slot = case.stage.hold_settled();
        let mut legs = case.stage.legs(-1);
        legs[0].slot = slot;
        case.args(instruction::BlockTrade { legs });
    })
    .case(DuplicateAccounts, E::LegDuplicated, |case| {
        let legs = vec![case.stage.legs(1)[0]; 2];
        case.args(instruction::BlockTrade { legs });
    })
    .case(WrongOwner, E::LedgerNotWritable, |case| {
        case.read_only("ledger1")
    })
    .case(PausedMarket, E::MarketPaused, |case| case.pause())
    .case(PausedMarket, E::MarketReduceOnly, |case| {
        case.set_status(MarketStatus::ReduceOnly)
    })
}

fn liquidate() -> Row {
    fn args(change: impl Fn(&mut LiquidateArgs)) -> impl Fn(&mut Case<'_>) {
        move |case| {
            let mut args = LiquidateArgs {
                max_notional: u64::MAX,
                accepted: vec![AcceptedPrice {
                    market: 0,
                    lowest: 0,
                    highest: u64::MAX,
                }],
            };
            change(&mut args);
            case.args(instruction::Liquidate { args });
        }
    }
    let good = |stage: &mut Stage| {
        let (liquidator, weak) = (&stage.liquidator, &stage.weak);
        let liquidate = ix::liquidate(&stage.house, liquidator, weak, &stage.all());
        Good::signed(liquidate, &[liquidator])
    };
    let row = Row::new("liquidate", good)
        .owned(&["bank"])
        .local(&["bank"])
        .case(WrongMint, E::NotTheSettlementBank, |case| {
            let bank = case.stage.token.bank.bank;
            case.replace("bank", bank);
        })
        .case(DuplicateAccounts, A::AccountDiscriminatorMismatch, |case| {
            case.put("bank", "liquidated_account")
        })
        .case(
            ZeroAmount,
            E::AmountZero,
            args(|args| args.max_notional = 0),
        )
        .case(
            ZeroAmount,
            E::LiquidationSizeTooSmall,
            args(|args| args.max_notional = 1),
        )
        .case(
            ZeroAmount,
            E::LiquidationPriceNotAccepted,
            args(|args| args.accepted[0].highest = 0),
        )
        .case(
            OverflowingAmount,
            E::LiquidationPriceNotAccepted,
            args(|args| args.accepted[0].lowest = u64::MAX),
        )
        .harmless(OverflowingAmount, args(|args| args.max_notional = u64::MAX))
        .case(
            UnknownSeries,
            E::MarketAccountMissing,
            args(|args| args.accepted[0].market = u16::MAX),
        );
    pair(row, ["liquidator_account", "liquidated_account"])
        .of_owner(&["liquidator_owner", "liquidated_owner"])
        .case(DuplicateAccounts, E::OwnerOfAnotherAccount, |case| {
            case.put("liquidated_owner", "liquidator_owner")
        })
        .case(ReorderedAccounts, E::OwnerOfAnotherAccount, |case| {
            case.swap("liquidated_owner", "liquidator_owner")
        })
        .signers(&["liquidator"])
        .case(MissingSigner, E::NotTheOwner, |case| {
            case.signed_by_stranger("liquidator")
        })
        .case(WrongAddress, E::NotTheOwner, |case| {
            let other = case.stage.maker.account;
            case.replace("liquidator_account", other);
        })
        .case(WrongAddress, E::NotLiquidatable, |case| {
            let names = ["liquidated_account", "liquidated_owner"];
            case.other_account(names, |stage| &stage.taker);
        })
        .case(ReorderedAccounts, E::NotTheOwner, |case| {
            case.swap("liquidator_account", "liquidated_account");
        })
        .case(UnknownSeries, E::SlotUnknown, |case| {
            case.forge("liquidated_account", unlisted_position)
        })
        .matured()
        .case(WrongOwner, E::LedgerNotWritable, |case| {
            case.read_only("ledger0")
        })
        .open_to_marked(&["liquidator_account", "liquidated_account"])
        .harmless(PausedMarket, |case| case.pause())
}
