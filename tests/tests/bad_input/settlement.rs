//! What anyone may send about the profit and loss of accounts.

use crate::case::Case;
use crate::row::{Input, Row};
use crate::stage::{Good, Stage};
use crate::trader::{bank_tokens, unlisted_position};
use estuary::instruction;
use estuary_tests::setup::USD;
use estuary_tests::{ix, ErrorCode as A, EstuaryError as E, Signer, TokenError};
use Input::*;

/// All of them.
pub fn rows() -> Vec<Row> {
    vec![
        settle(),
        settle_on_credit(),
        mark_account(),
        fund_insurance(),
    ]
}

/// What instructions about an account and markets have in common.
fn account_and_markets(row: Row) -> Row {
    row.none(&[MissingSigner], "anyone may send it")
        .of_owner(&["owner_account"])
        .owned(&["clearinghouse", "margin_account"])
        .local(&["clearinghouse", "margin_account"])
        .case(WrongOwner, E::LedgerNotWritable, |case| {
            case.read_only("ledger0")
        })
        .case(UnknownSeries, E::SlotUnknown, |case| {
            case.forge("margin_account", unlisted_position)
        })
        .case(ReorderedAccounts, A::AccountDiscriminatorMismatch, |case| {
            case.swap("clearinghouse", "margin_account");
        })
        .case(DuplicateAccounts, A::AccountDiscriminatorMismatch, |case| {
            case.put("margin_account", "clearinghouse");
        })
        .case(DuplicateAccounts, E::MarketAccountType, |case| {
            case.put("market0", "ledger0");
        })
        .case(DuplicateAccounts, E::LedgerAccountType, |case| {
            case.put("ledger0", "market0");
        })
        .harmless(PausedMarket, |case| case.pause())
}

fn settle() -> Row {
    fn args(market: u16, variation: bool) -> impl Fn(&mut Case<'_>) {
        move |case| case.args(instruction::Settle { market, variation })
    }
    let good = |stage: &mut Stage| {
        let (weak, market) = (&stage.weak, &stage.markets[1]);
        Good::signed(ix::settle(&stage.house, weak, market, true, true), &[])
    };
    account_and_markets(Row::new("settle", good))
        .open_to_marked(&["margin_account"])
        .owned(&["bank"])
        .local(&["bank"])
        .price("price0", 1)
        .market(0, 1)
        .case(WrongAddress, E::NothingToSettle, |case| {
            let names = ["margin_account", "owner_account"];
            case.other_account(names, |stage| &stage.liquidator);
        })
        .case(WrongMint, E::NotTheSettlementBank, |case| {
            let bank = case.stage.token.bank.bank;
            case.replace("bank", bank);
        })
        .none(&[ZeroAmount], "it takes no amount")
        .case(OverflowingAmount, E::MarketUnknown, args(u16::MAX, true))
        .case(UnknownSeries, E::MarketNotNeeded, args(40, true))
        .case(UnknownSeries, E::MarketAccountMissing, args(0, true))
        .matured()
        .case(DuplicateAccounts, E::NothingToSettle, |case| {
            let same = case.instruction.clone();
            case.stage.world.send(same, &[]).ok();
        })
        .case(DuplicateAccounts, A::AccountDiscriminatorMismatch, |case| {
            case.put("bank", "margin_account");
        })
        .case(MissingAccounts, E::MarketAccountMissing, |case| {
            case.drop_last(1)
        })
        .case(MissingAccounts, E::MarketAccountMissing, |case| {
            case.drop_last(3)
        })
        .case(MissingAccounts, A::AccountNotEnoughKeys, |case| {
            case.drop_last(4)
        })
        .case(MissingAccounts, E::InsuranceBankMissing, |case| {
            let stage = &mut *case.stage;
            let (market, slot) = (&stage.markets[1], stage.legs(1)[1].slot);
            let debt = USD as i64;
            stage
                .world
                .shift(&stage.maker, &stage.empty, market, slot, debt);
            case.instruction = ix::settle(&stage.house, &stage.empty, market, false, false);
        })
        .case(ExtraAccounts, E::MarketAccountsLeftOver, |case| {
            case.push_any()
        })
        .case(ExtraAccounts, E::MarketAccountsLeftOver, |case| {
            for name in ["market0", "ledger0", "price0"] {
                case.push(name);
            }
        })
        .case(ReorderedAccounts, E::MarketAccountType, |case| {
            case.swap("market0", "ledger0");
        })
        .case(ReorderedAccounts, E::LedgerAccountOwner, |case| {
            case.swap("ledger0", "price0");
        })
}

fn settle_on_credit() -> Row {
    fn args(market: u16) -> impl Fn(&mut Case<'_>) {
        move |case| case.args(instruction::SettleOnCredit { market })
    }
    let good = |stage: &mut Stage| {
        stage.owe_without_cash();
        let settle = ix::settle_on_credit(&stage.house, &stage.taker, 0, &stage.all());
        Good::signed(settle, &[])
    };
    account_and_markets(Row::new("settle_on_credit", good))
        .closed_to_marked(&["margin_account"])
        .owned(&["bank"])
        .local(&["bank"])
        .case(WrongAddress, E::NothingToSettle, |case| {
            let names = ["margin_account", "owner_account"];
            case.other_account(names, |stage| &stage.maker);
        })
        .case(WrongMint, E::NotTheSettlementBank, |case| {
            let bank = case.stage.token.bank.bank;
            case.replace("bank", bank);
        })
        .none(&[ZeroAmount], "it takes no amount")
        .case(OverflowingAmount, E::MarketUnknown, args(u16::MAX))
        .case(UnknownSeries, E::MarketAccountMissing, args(40))
        .matured()
        .case(DuplicateAccounts, E::NothingToSettle, |case| {
            let same = case.instruction.clone();
            case.stage.world.send(same, &[]).ok();
        })
        .case(DuplicateAccounts, A::AccountDiscriminatorMismatch, |case| {
            case.put("bank", "margin_account");
        })
        .markets()
}

fn mark_account() -> Row {
    let good = |stage: &mut Stage| {
        stage.sink();
        let mark = ix::mark_account(&stage.house, &stage.weak, &stage.all());
        Good::signed(mark, &[])
    };
    account_and_markets(Row::new("mark_account", good))
        .open_to_marked(&["margin_account"])
        .case(WrongAddress, E::NothingToMark, |case| {
            let names = ["margin_account", "owner_account"];
            case.other_account(names, |stage| &stage.maker);
        })
        .none(&[WrongMint], "it uses no token")
        .none(&[ZeroAmount, OverflowingAmount], "it takes no amount")
        .matured()
        .case(DuplicateAccounts, E::NothingToMark, |case| {
            let same = case.instruction.clone();
            case.stage.world.send(same, &[]).ok();
        })
        .markets()
}

fn fund_insurance() -> Row {
    let good = |stage: &mut Stage| {
        let fund = ix::fund_insurance(&stage.house, &stage.taker, 5 * USD);
        Good::signed(fund, &[&stage.taker])
    };
    bank_tokens(Row::new("fund_insurance", good), "source")
        .signers(&["funder"])
        .case(MissingSigner, TokenError::OwnerMismatch, |case| {
            case.signed_by_stranger("funder")
        })
        .case(WrongMint, E::NotTheSettlementBank, |case| {
            let (token, funder) = (case.stage.token, case.stage.taker.owner.pubkey());
            let purse = case.stage.world.fill_purse(&token, &funder, 5 * USD);
            case.replace("bank", token.bank.bank);
            case.replace("mint", token.bank.mint);
            case.replace("vault", token.bank.vault);
            case.replace("source", purse);
        })
        .case(ZeroAmount, E::AmountZero, |case| {
            case.args(instruction::FundInsurance { amount: 0 })
        })
        .case(OverflowingAmount, TokenError::InsufficientFunds, |case| {
            case.args(instruction::FundInsurance { amount: u64::MAX });
        })
        .case(OverflowingAmount, TokenError::InsufficientFunds, |case| {
            case.args(instruction::FundInsurance { amount: 1 << 60 });
        })
        .case(DuplicateAccounts, E::VaultOfAnotherBank, |case| {
            case.put("source", "vault")
        })
        .case(DuplicateAccounts, E::VaultOfAnotherBank, |case| {
            case.put("vault", "source")
        })
        .case(ReorderedAccounts, A::AccountDiscriminatorMismatch, |case| {
            case.swap("clearinghouse", "bank");
        })
        .fixed_accounts()
        .no_market()
        .no_margin_account()
}
