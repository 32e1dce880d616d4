//! What concerns one account: its opening and closing, its money, its report.

use crate::row::{Expect, Input, Row, AMOUNTS};
use crate::stage::{Good, Stage, TOKENS};
use estuary::instruction;
use estuary::instructions::{AddedLeg, WhatIf};
use estuary::report::ReportPage;
use estuary::state::{MarginAccount, MAX_LEGS};
use estuary_tests::setup::{DAY, USD};
use estuary_tests::{ix, token, ErrorCode as A, EstuaryError as E, Pubkey, Signer, TokenError};
use Input::*;

/// All of them.
pub fn rows() -> Vec<Row> {
    vec![
        open_account(),
        set_delegate(),
        close_account(),
        deposit(),
        withdraw(),
        margin_report(),
    ]
}

/// Puts a slot that is not listed into the first position of a margin account's bytes.
pub fn unlisted_position(data: &mut [u8]) {
    let account: &mut MarginAccount = bytemuck::from_bytes_mut(&mut data[8..]);
    let last = usize::from(account.position_count) - 1;
    account.positions[last].slot = 900;
}

fn open_account() -> Row {
    let good = |stage: &mut Stage| {
        let open = ix::open_account(&stage.house, &stage.newcomer);
        Good::signed(open, &[&stage.newcomer])
    };
    Row::new("open_account", good)
        .none(&[MarkedAccount], "the account is new")
        .case(MissingSigner, A::AccountNotSigner, |case| case.unsign_at(0))
        .case(MissingSigner, A::AccountNotSigner, |case| case.unsign_at(1))
        .case(MissingSigner, A::ConstraintSeeds, |case| {
            let other = case.stage.maker.owner.insecure_clone();
            case.signed_by("owner", &other);
        })
        .owned(&["clearinghouse"])
        .case(WrongOwner, A::InvalidProgramId, |case| {
            case.elsewhere("system_program")
        })
        .case(ForeignClearinghouse, A::ConstraintSeeds, |case| {
            case.foreign("clearinghouse")
        })
        .case(WrongAddress, A::ConstraintSeeds, |case| {
            case.elsewhere("margin_account")
        })
        .case(WrongAddress, A::ConstraintSeeds, |case| {
            case.elsewhere("owner_account")
        })
        .case(WrongAddress, A::ConstraintSeeds, |case| {
            case.other_owner("owner_account")
        })
        .case(WrongAddress, A::ConstraintSeeds, |case| {
            case.args(instruction::OpenAccount { sub_id: u16::MAX });
        })
        .none(&[WrongMint], "it uses no token")
        .none(AMOUNTS, "it takes no amount")
        .case(DuplicateAccounts, Expect::Exists, |case| {
            case.instruction = ix::open_account(&case.stage.house, &case.stage.taker);
            let owner = case.stage.taker.owner.insecure_clone();
            case.also_signed_by(owner);
        })
        .case(ReorderedAccounts, A::AccountOwnedByWrongProgram, |case| {
            case.swap("margin_account", "clearinghouse");
        })
        .fixed_accounts()
        .no_market()
}

fn set_delegate() -> Row {
    fn args(delegate: Option<Pubkey>, after: i64) -> impl Fn(&mut crate::case::Case<'_>) {
        move |case| {
            let delegate = delegate.unwrap_or(case.stage.maker.owner.pubkey());
            let expiry = case.stage.world.now().saturating_add(after);
            case.args(instruction::SetDelegate { delegate, expiry });
        }
    }
    let good = |stage: &mut Stage| {
        let delegate = stage.maker.owner.pubkey();
        let expiry = stage.world.now() + DAY;
        let set = ix::set_delegate(&stage.house, &stage.taker, delegate, expiry);
        Good::signed(set, &[&stage.taker])
    };
    own_account(Row::new("set_delegate", good))
        .open_to_marked(&["margin_account"])
        .case(MissingSigner, E::NotTheOwner, |case| {
            case.signed_by_delegate("owner", DAY)
        })
        .case(MissingSigner, E::DelegateIsOwner, |case| {
            let delegate = case.stage.taker.owner.pubkey();
            let expiry = case.stage.world.now() + DAY;
            case.args(instruction::SetDelegate { delegate, expiry });
        })
        .case(ZeroAmount, E::DelegateExpiryInvalid, args(None, 0))
        .case(
            ZeroAmount,
            E::DelegateExpiryInvalid,
            args(Some(Pubkey::default()), DAY),
        )
        .harmless(OverflowingAmount, args(None, i64::MAX))
        .case(
            OverflowingAmount,
            E::DelegateExpiryInvalid,
            args(None, i64::MIN),
        )
        .no_market()
}

fn close_account() -> Row {
    let good = |stage: &mut Stage| {
        let close = ix::close_account(&stage.house, &stage.empty);
        Good::signed(close, &[&stage.empty])
    };
    own_account(Row::new("close_account", good))
        .of_owner(&["owner_account"])
        .open_to_marked(&["margin_account"])
        .none(AMOUNTS, "it takes no amount")
        .case(DuplicateAccounts, E::AccountHasBalance, |case| {
            case.instruction = ix::close_account(&case.stage.house, &case.stage.second);
            let owner = case.stage.second.owner.insecure_clone();
            case.also_signed_by(owner);
        })
        .no_market()
}

/// What instructions of an owner about the owner's account alone have in common.
fn own_account(row: Row) -> Row {
    row.signers(&["owner"])
        .case(MissingSigner, E::NotTheOwner, |case| {
            case.signed_by_stranger("owner")
        })
        .owned(&["clearinghouse", "margin_account"])
        .local(&["clearinghouse", "margin_account"])
        .case(WrongAddress, E::NotTheOwner, |case| {
            let other = case.stage.weak.account;
            case.replace("margin_account", other);
        })
        .none(&[WrongMint], "it uses no token")
        .case(DuplicateAccounts, A::AccountDiscriminatorMismatch, |case| {
            case.put("margin_account", "clearinghouse");
        })
        .case(ReorderedAccounts, A::AccountDiscriminatorMismatch, |case| {
            case.swap("clearinghouse", "margin_account");
        })
        .fixed_accounts()
}

/// What a deposit and a withdrawal have in common; `outside` is the token account that is not the vault.
fn money(row: Row, outside: &'static str) -> Row {
    bank_tokens(row, outside)
        .owned(&["margin_account"])
        .local(&["margin_account"])
        .case(ReorderedAccounts, A::AccountDiscriminatorMismatch, |case| {
            case.swap("margin_account", "bank");
        })
}

/// What instructions about a bank's tokens have in common; `outside` is the token account that is not the vault.
pub fn bank_tokens(row: Row, outside: &'static str) -> Row {
    tokens_of_bank(row, outside).local(&["clearinghouse"])
}

/// The same of instructions that look at who governs the clearinghouse before anything else of it.
pub fn tokens_of_bank(row: Row, outside: &'static str) -> Row {
    row.owned(&["clearinghouse", "bank", "mint", "vault", outside])
        .case(WrongOwner, A::InvalidProgramId, |case| {
            case.elsewhere("token_program")
        })
        .local(&["bank"])
        .case(ForeignClearinghouse, E::VaultOfAnotherBank, |case| {
            case.foreign("vault")
        })
        .case(WrongAddress, E::VaultOfAnotherBank, move |case| {
            let mint = case.stage.house.mint;
            let bank = case.stage.house.bank;
            let vault = case
                .stage
                .world
                .place(token::token_account(mint, bank, USD));
            case.replace("vault", vault);
        })
        .case(WrongMint, E::TokenAccountMint, |case| {
            let mint = case.stage.other_mint;
            case.replace("mint", mint);
        })
        .case(WrongMint, E::TokenAccountMint, move |case| {
            let (mint, owner) = (case.stage.other_mint, case.stage.taker.owner.pubkey());
            let tokens = case
                .stage
                .world
                .place(token::token_account(mint, owner, USD));
            case.replace(outside, tokens);
        })
        .case(WrongMint, E::TokenAccountMint, |case| {
            let bank = case.stage.token.bank.bank;
            case.replace("bank", bank);
        })
        .case(WrongMint, Expect::NotAMint, |case| {
            case.put("mint", "vault")
        })
        .case(WrongMint, Expect::NotAMint, |case| {
            case.put("vault", "mint")
        })
        .case(WrongMint, E::VaultOfAnotherBank, |case| {
            let vault = case.stage.token.bank.vault;
            case.replace("vault", vault);
        })
        .case(WrongMint, E::TokenProgramOfAnotherBank, |case| {
            case.replace("token_program", anchor_spl::token_2022::ID);
        })
}

fn deposit() -> Row {
    let good = |stage: &mut Stage| {
        let deposit = ix::deposit(&stage.house, &stage.taker, 5 * USD);
        Good::signed(deposit, &[&stage.taker])
    };
    money(Row::new("deposit", good), "source")
        .open_to_marked(&["margin_account"])
        .signers(&["depositor"])
        .case(MissingSigner, TokenError::OwnerMismatch, |case| {
            case.signed_by_stranger("depositor")
        })
        .case(MissingSigner, E::DepositorIsNotTheOwner, |case| {
            // A stranger may pay in cash and what the account has already, not a token it has none of.
            case.deposit_token();
            let account = case.stage.second.account;
            case.replace("margin_account", account);
        })
        .harmless(MissingSigner, |case| case.deposit_token())
        .case(ZeroAmount, E::AmountZero, |case| {
            case.args(instruction::Deposit { amount: 0 })
        })
        .case(OverflowingAmount, E::AmountOverflow, |case| {
            case.args(instruction::Deposit { amount: u64::MAX });
        })
        .case(OverflowingAmount, E::AmountOverflow, |case| {
            case.args(instruction::Deposit {
                amount: i64::MAX as u64,
            });
        })
        .case(OverflowingAmount, TokenError::InsufficientFunds, |case| {
            case.args(instruction::Deposit { amount: 1 << 60 });
        })
        .case(DuplicateAccounts, TokenError::OwnerMismatch, |case| {
            case.put("source", "vault")
        })
        .case(DuplicateAccounts, E::VaultOfAnotherBank, |case| {
            case.put("vault", "source")
        })
        .fixed_accounts()
        .no_market()
}

fn withdraw() -> Row {
    let good = |stage: &mut Stage| {
        let withdraw = ix::withdraw(&stage.house, &stage.taker, 5 * USD, &stage.all());
        Good::signed(withdraw, &[&stage.taker])
    };
    money(Row::new("withdraw", good), "destination")
        .of_owner(&["owner_account"])
        .closed_to_marked(&["margin_account"])
        .signers(&["owner"])
        .case(MissingSigner, E::NotTheOwner, |case| {
            case.signed_by_stranger("owner")
        })
        .case(MissingSigner, E::NotTheOwner, |case| {
            case.signed_by_delegate("owner", DAY)
        })
        .case(WrongAddress, E::NotTheOwner, |case| {
            let other = case.stage.weak.account;
            case.replace("margin_account", other);
        })
        .case(ZeroAmount, E::AmountZero, |case| {
            case.args(instruction::Withdraw { amount: 0 })
        })
        .case(OverflowingAmount, E::AmountOverflow, |case| {
            case.args(instruction::Withdraw { amount: u64::MAX });
        })
        .case(OverflowingAmount, E::BalanceNegative, |case| {
            case.args(instruction::Withdraw {
                amount: i64::MAX as u64,
            });
        })
        .harmless(OverflowingAmount, |case| case.withdraw_token(TOKENS))
        .case(OverflowingAmount, E::BalanceNegative, |case| {
            case.withdraw_token(TOKENS + 1)
        })
        .case(DuplicateAccounts, E::DestinationIsVault, |case| {
            case.put("destination", "vault")
        })
        .case(UnknownSeries, E::SlotUnknown, |case| {
            case.forge("margin_account", unlisted_position)
        })
        .matured()
        .markets()
        .harmless(PausedMarket, |case| case.pause())
}

fn margin_report() -> Row {
    let good = |stage: &mut Stage| {
        let page = ReportPage::Summary;
        let report = ix::margin_report(&stage.house, &stage.taker, page, &stage.all());
        Good::signed(report, &[])
    };
    let row = Row::new("margin_report", good)
        .of_owner(&["owner_account"])
        .open_to_marked(&["margin_account"])
        .none(&[MissingSigner], "anyone may look")
        .owned(&["clearinghouse", "margin_account"])
        .local(&["clearinghouse", "margin_account"])
        .case(WrongAddress, E::MarketAccountsLeftOver, |case| {
            let other = case.stage.second.account;
            case.replace("margin_account", other);
        })
        .none(&[WrongMint], "it uses no token")
        .case(OverflowingAmount, E::ReportPageUnknown, |case| {
            case.args(instruction::MarginReport {
                page: ReportPage::Positions(u16::MAX),
                what_if: None,
            });
        })
        .case(UnknownSeries, E::SlotUnknown, |case| {
            case.forge("margin_account", unlisted_position)
        })
        .case(DuplicateAccounts, E::LegDuplicated, |case| {
            let leg = added(case.stage);
            what_if(case, vec![leg; 2], 0);
        })
        .matured();
    added_legs(row)
        .case(ReorderedAccounts, A::AccountDiscriminatorMismatch, |case| {
            case.swap("clearinghouse", "margin_account");
        })
        .markets()
        .harmless(PausedMarket, |case| case.pause())
}

/// A leg that could be added.
fn added(stage: &Stage) -> AddedLeg {
    let leg = stage.legs(1)[0];
    AddedLeg {
        market: leg.market,
        slot: leg.slot,
        generation: leg.generation,
        lots: leg.lots,
        price: None,
    }
}

fn what_if(case: &mut crate::case::Case<'_>, legs: Vec<AddedLeg>, cash: i64) {
    let what_if = Some(WhatIf { legs, cash });
    let page = ReportPage::Summary;
    case.args(instruction::MarginReport { page, what_if });
}

/// What can be wrong with a leg to add.
fn added_legs(row: Row) -> Row {
    fn adding(change: impl Fn(&mut AddedLeg, &mut Stage)) -> impl Fn(&mut crate::case::Case<'_>) {
        move |case| {
            let mut leg = added(case.stage);
            change(&mut leg, case.stage);
            what_if(case, vec![leg], 0);
        }
    }
    let outside = E::LegPriceOutsideBand;
    let mut row = row
        .harmless(ZeroAmount, |case| what_if(case, vec![], 0))
        .case(ZeroAmount, E::LotsZero, adding(|leg, _| leg.lots = 0))
        .case(
            ZeroAmount,
            E::LegPriceZero,
            adding(|leg, _| leg.price = Some(0)),
        )
        .case(
            OverflowingAmount,
            outside,
            adding(|leg, _| leg.price = Some(u64::MAX)),
        )
        .case(OverflowingAmount, E::TooManyLegs, |case| {
            let leg = added(case.stage);
            let legs = (0..=MAX_LEGS as u16).map(|slot| AddedLeg { slot, ..leg });
            let legs = legs.collect();
            what_if(case, legs, 0);
        })
        .case(OverflowingAmount, E::AmountOverflow, |case| {
            what_if(case, vec![], i64::MAX)
        });
    for lots in [1 << 32, i64::MIN] {
        row = row.case(
            OverflowingAmount,
            E::LotsOverflow,
            adding(move |leg, _| leg.lots = lots),
        );
    }
    for (market, slot, error) in [
        (0, 900, E::SlotUnknown),
        (40, 0, E::MarketAccountMissing),
        (u16::MAX, 0, E::MarketUnknown),
    ] {
        row = row.case(
            UnknownSeries,
            error,
            adding(move |leg, _| (leg.market, leg.slot) = (market, slot)),
        );
    }
    row.case(
        UnknownSeries,
        E::SeriesGenerationMismatch,
        adding(|leg, _| leg.generation += 1),
    )
    .case(
        MaturedSeries,
        E::SeriesExpired,
        adding(|leg, stage| leg.slot = stage.matured_slot),
    )
    .case(
        MaturedSeries,
        E::SeriesExpired,
        adding(|leg, stage| leg.slot = stage.hold_settled()),
    )
}
