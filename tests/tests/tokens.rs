//! Tokens as collateral: deposited and withdrawn to the last base unit, counted as spot positions of their market.

use anchor_lang::solana_program::instruction::Instruction;
use estuary::report::{MarketReportView, PositionsView, ReportPage, SummaryView};
use estuary::state::{Bank, SeriesKind, NO_MARKET};
use estuary_risk::margin::MarginReport;
use estuary_tests::mint::ExtensionType;
use estuary_tests::setup::{BTC_PRICE, MAX_ACCOUNT_DEBT, SOL_PRICE, USD};
use estuary_tests::token::mint;
use estuary_tests::trade::PERP;
use estuary_tests::{
    ix, EstuaryError as E, Outcome, Pit, Signer, Tamper, Token, TokenError, Trader, World,
};

const RICH: u64 = 10_000_000 * USD;
/// One SOL in base units.
const SOL: u64 = 1_000_000_000;

/// A pit where SOL is collateral; the taker has `amount` of it and the cash given, the maker is rich.
struct Stage {
    pit: Pit,
    sol: Token,
}

impl Stage {
    fn new(cash: u64, amount: u64) -> Self {
        let mut pit = Pit::new(cash, RICH);
        let market = pit.sol().clone();
        let mint = pit.world.place(mint(9));
        let sol = pit.house.add_token(&mut pit.world, &market, mint);
        if amount > 0 {
            pit.world
                .deposit_token(&pit.house, &pit.taker, &sol, amount);
        }
        Self { pit, sol }
    }

    fn report(&self) -> MarginReport {
        let pit = &self.pit;
        let markets = pit.world.needed(&[&pit.taker], &[], &pit.markets);
        pit.world.report(&pit.taker, &markets)
    }

    fn withdraw(&self, amount: u64, markets: &[usize]) -> Instruction {
        let pit = &self.pit;
        let markets: Vec<_> = markets.iter().map(|place| &pit.markets[*place]).collect();
        ix::withdraw_token(&pit.house, &pit.taker, &self.sol, amount, &markets)
    }

    fn withdraw_cash(&self, amount: u64, markets: &[usize]) -> Instruction {
        let pit = &self.pit;
        let markets: Vec<_> = markets.iter().map(|place| &pit.markets[*place]).collect();
        ix::withdraw(&pit.house, &pit.taker, amount, &markets)
    }

    fn send(&mut self, instruction: Instruction) -> Outcome {
        self.pit.world.send(instruction, &[&self.pit.taker.owner])
    }

    fn held(&self) -> i64 {
        self.pit.world.account(&self.pit.taker).balance(1)
    }
}

#[test]
fn tokens_of_both_programs_come_and_leave_to_the_last_base_unit() {
    let (mut world, house, [btc, sol]) = World::with_markets();
    let trader = house.trader(&mut world, 0);
    let harmless = [
        ExtensionType::MetadataPointer,
        ExtensionType::GroupPointer,
        ExtensionType::GroupMemberPointer,
    ];
    let mints = [
        (&sol, world.place(mint(9))),
        (&btc, world.place(mint(0))),
        (&sol, world.make_mint(18, &[])),
        (&btc, world.make_mint(8, &harmless)),
    ];
    for (number, (market, mint)) in (1u16..).zip(mints) {
        let account = world.raw(&mint);
        let (program, decimals) = (account.owner, account.data[44]);
        let token = house.add_token(&mut world, market, mint);
        let bank: Bank = world.read(&token.bank.bank);
        assert_eq!(
            (bank.index, bank.market, bank.decimals),
            (number, market.index, decimals)
        );
        assert_eq!((bank.token_program, bank.max_account_debt), (program, 0));
        world.deposit_token(&house, &trader, &token, 1_000);
        let balance = world.account(&trader).balances[usize::from(number)];
        assert_eq!((balance.market, balance.decimals), (market.index, decimals));
        assert_eq!(balance.amount, 1_000);
        assert_eq!(world.tokens(&token.bank.vault), 1_000);
        let mut send = |amount| {
            let withdraw = ix::withdraw_token(&house, &trader, &token, amount, &[]);
            world.send(withdraw, &[&trader.owner])
        };
        send(1).ok();
        send(1_000).refused(E::BalanceNegative);
        send(0).refused(E::AmountZero);
        send(999).ok();
        let purse = token.purse(&trader.owner.pubkey());
        assert_eq!(world.tokens(&purse), 1_000);
        assert_eq!(world.tokens(&token.bank.vault), 0);
    }
    let settlement: Bank = world.read(&house.bank);
    assert_eq!((settlement.market, settlement.insurance), (NO_MARKET, 0));
    assert_eq!(settlement.max_account_debt, MAX_ACCOUNT_DEBT);
}

#[test]
fn accounts_of_another_token_are_refused() {
    let mut stage = Stage::new(RICH, 5 * SOL);
    let owner = stage.pit.taker.owner.pubkey();
    let pit = &mut stage.pit;
    let btc = pit.btc().clone();
    let mint = pit.world.make_mint(9, &[]);
    let other = pit.house.add_token(&mut pit.world, &btc, mint);
    let purse = pit.world.fill_purse(&other, &owner, 5);
    let sol_purse = stage.sol.purse(&owner);
    pit.world.fill_purse(&stage.sol, &owner, SOL);
    let deposit = ix::deposit_token(&pit.house, &pit.taker, &stage.sol, 1);
    for good in [deposit, stage.withdraw(1, &[])] {
        let (sol, other) = (stage.sol.bank, other.bank);
        for (from, to, error) in [
            (sol.mint, other.mint, E::TokenAccountMint),
            (sol.vault, other.vault, E::VaultOfAnotherBank),
            (sol_purse, purse, E::TokenAccountMint),
            (
                sol.token_program,
                other.token_program,
                E::TokenProgramOfAnotherBank,
            ),
            // Another bank with the mint and vault of this one.
            (sol.bank, other.bank, E::TokenAccountMint),
        ] {
            stage
                .send(good.clone().replacing(&from, &to))
                .refused(error);
        }
        stage.send(good).ok();
    }
    let beyond = ix::deposit_token(&stage.pit.house, &stage.pit.taker, &stage.sol, 2 * SOL);
    stage
        .send(beyond)
        .refused_by_token(TokenError::InsufficientFunds);
}

#[test]
fn only_the_owner_adds_a_token() {
    let mut stage = Stage::new(0, 0);
    let maker = stage.pit.maker.owner.insecure_clone();
    let pit = &mut stage.pit;
    pit.world.fill_purse(&stage.sol, &maker.pubkey(), SOL);
    let gift = ix::deposit_token(&pit.house, &pit.maker, &stage.sol, 1)
        .replacing(&pit.maker.account, &pit.taker.account);
    let refused = pit.world.send(gift.clone(), &[&maker]);
    refused.refused(E::DepositorIsNotTheOwner);
    pit.world
        .deposit_token(&pit.house, &pit.taker, &stage.sol, 1);
    pit.world.send(gift, &[&maker]).ok();
    assert_eq!(stage.held(), 2);
}

#[test]
fn tokens_support_positions_at_their_risk() {
    // 100 SOL at 200 USD and no cash.
    let mut stage = Stage::new(0, 100 * SOL);
    let alone = stage.report();
    assert_eq!(
        (alone.equity.0, alone.senior.0),
        (20_000_000_000, 20_000_000_000)
    );
    assert!(alone.initial_margin < alone.equity, "{alone:?}");
    // Their own scenario loss is the haircut: 30% of them, and 16% of the perp in the other market.
    let leg = stage.pit.btc_leg(PERP, 500);
    stage.pit.trade(&[leg]).ok();
    let report = stage.report();
    let expected = 6_000_000_000 + 8_000_000_000;
    let off = report.initial_margin.0 - expected;
    assert!((0..100_000).contains(&off), "{report:?}");
    assert_eq!(report.equity.0, 20_000_000_000);
    // Every SOL withdrawn takes 200 USD of equity and 60 of margin.
    let free = report.equity.0 - report.initial_margin.0;
    let most = free as u64 * 1_000 / 140;
    let withdraw = |stage: &Stage, amount| stage.withdraw(amount, &[0, 1]);
    let beyond = withdraw(&stage, most + 50_000);
    stage.send(beyond).refused(E::BelowInitialMargin);
    let blind = withdraw(&stage, 1).without_last(3);
    stage.send(blind).refused(E::MarketAccountMissing);
    let good = withdraw(&stage, most - 50_000);
    stage.send(good).ok();
    // Cash that is not there is not paid out, whatever the tokens are worth.
    let cash = stage.withdraw_cash(1, &[0, 1]);
    stage.send(cash).refused(E::BalanceNegative);
    let call = stage.pit.btc_leg((SeriesKind::Call, 1, 110), 1);
    stage.pit.refuse(&[call], E::BalanceNegative);
}

#[test]
fn tokens_hedge_a_short_perp_of_their_market() {
    let mut stage = Stage::new(10_000 * USD, 0);
    let leg = stage.pit.sol_leg(PERP, -1_000);
    // 20,000 USD short need 30% against 10,000 of cash.
    stage.pit.trade(&[leg]).ok();
    let naked = stage.report();
    let owner = stage.pit.taker.owner.pubkey();
    stage.pit.world.fill_purse(&stage.sol, &owner, 100 * SOL);
    let deposit = ix::deposit_token(&stage.pit.house, &stage.pit.taker, &stage.sol, 100 * SOL);
    stage.send(deposit).ok();
    let hedged = stage.report();
    assert!(naked.initial_margin.0 >= 6_000_000_000);
    // What is left is the floor on gross exposure, of which owned tokens are no part.
    assert_eq!(hedged.initial_margin.0, 1_000_000_000);
    assert_eq!(hedged.maintenance_margin.0, 800_000_000);
    assert_eq!(hedged.equity.0 - naked.equity.0, 20_000_000_000);
    // Whatever SOL does, the account is worth the same.
    let market = stage.pit.sol().clone();
    for factor in [0.3, 4.0] {
        stage.pit.world.set_price(&market, factor * SOL_PRICE);
        assert_eq!(stage.report().equity, hedged.equity);
    }
}

#[test]
fn the_program_reports_tokens_as_the_client_does() {
    // Not a whole number of lots, which are a tenth of a SOL.
    let mut stage = Stage::new(50_000 * USD, 100 * SOL + 123_456_789);
    let legs = [stage.pit.btc_leg(PERP, 500), stage.pit.sol_leg(PERP, -777)];
    stage.pit.trade(&legs).ok();
    let call = [stage.pit.sol_leg((SeriesKind::Call, 1, 110), -100)];
    stage.pit.trade(&call).ok();
    let pit = &mut stage.pit;
    let markets = [&pit.markets[0], &pit.markets[1]];
    let snapshot = pit.world.snapshot(&pit.taker, &markets);
    let ask = |page| ix::margin_report(&pit.house, &pit.taker, page, &markets);
    let view: SummaryView = pit.world.view(ask(ReportPage::Summary));
    assert_eq!(view, snapshot.summary().expect("a summary"));
    assert_eq!(view.spot_value, 20_024_691_357);
    for index in [0, 1] {
        let view: MarketReportView = pit.world.view(ask(ReportPage::Market(index)));
        assert_eq!(view, snapshot.market(index).expect("a market"));
    }
    let view: PositionsView = pit.world.view(ask(ReportPage::Positions(0)));
    assert_eq!(view, snapshot.positions(0).expect("positions"));
}

#[test]
fn a_token_s_stale_price_blocks_only_what_depends_on_it() {
    let mut stage = Stage::new(1_000 * USD, 100 * SOL);
    stage.pit.world.pass(100_000);
    // Without positions everything may leave and come, and no market may be given.
    let instruction = stage.withdraw_cash(1, &[]);
    stage.send(instruction).ok();
    let instruction = stage.withdraw(SOL, &[]);
    stage.send(instruction).ok();
    let extra = stage.withdraw(SOL, &[1]);
    stage.send(extra).refused(E::MarketAccountsLeftOver);
    let owner = stage.pit.taker.owner.pubkey();
    stage.pit.world.fill_purse(&stage.sol, &owner, SOL);
    let deposit = ix::deposit_token(&stage.pit.house, &stage.pit.taker, &stage.sol, SOL);
    stage.send(deposit.clone()).ok();
    // A trade depends on every token that would support it.
    let btc = stage.pit.btc().clone();
    stage.pit.world.set_price(&btc, BTC_PRICE);
    let leg = stage.pit.btc_leg(PERP, 1);
    stage.pit.refuse(&[leg], E::PriceTooOld);
    let sol = stage.pit.sol().clone();
    stage.pit.world.set_price(&sol, SOL_PRICE);
    stage.pit.trade(&[leg]).ok();
    stage.pit.world.pass(61);
    stage.pit.world.set_price(&btc, BTC_PRICE);
    let stuck = stage.withdraw_cash(1, &[0, 1]);
    stage.send(stuck).refused(E::PriceTooOld);
    // The way out: all of the token, after which it is none of the account's any more.
    let all = stage.withdraw(100 * SOL, &[0]);
    stage.send(all).ok();
    let free = stage.withdraw_cash(1, &[0]);
    stage.send(free).ok();
    stage.pit.world.fill_purse(&stage.sol, &owner, SOL);
    stage.send(deposit).ok();
}

#[test]
fn tokens_cover_what_a_closed_position_owes_at_a_fresh_price() {
    let mut stage = Stage::new(5_000 * USD, 100 * SOL);
    let leg = stage.pit.btc_leg(PERP, 1_000);
    stage.pit.trade(&[leg]).ok();
    let btc = stage.pit.btc().clone();
    stage.pit.world.set_price(&btc, 0.96 * BTC_PRICE);
    let close = stage.pit.btc_leg(PERP, -1_000);
    stage.pit.trade(&[close]).ok();
    // 4,000 USD are owed to BTC. Cash covers them, at whatever price, until less than that stays.
    stage.pit.world.pass(100_000);
    let some = stage.withdraw_cash(1_000 * USD, &[0]);
    stage.send(some).ok();
    let token = stage.withdraw(SOL, &[0]);
    stage.send(token).ok();
    let blind = stage.withdraw_cash(1, &[0]);
    stage.send(blind).refused(E::MarketAccountMissing);
    let stale = stage.withdraw_cash(1, &[0, 1]);
    stage.send(stale).refused(E::PriceTooOld);
    let sol = stage.pit.sol().clone();
    stage.pit.world.set_price(&sol, SOL_PRICE);
    let seen = stage.withdraw_cash(1, &[0, 1]);
    stage.send(seen).ok();
    // 19,800 USD of tokens less a 30% haircut support 13,860; the debt of one micro-unit is no matter.
    let tokens = stage.withdraw(99 * SOL, &[0]);
    stage.send(tokens).refused(E::SeniorNegative);
    let tokens = stage.withdraw(98 * SOL, &[0, 1]);
    stage.send(tokens).ok();
}

#[test]
fn tokens_move_between_accounts_of_one_owner() {
    let mut stage = Stage::new(10_000 * USD, 100 * SOL);
    let second = stage
        .pit
        .house
        .sub_account(&mut stage.pit.world, &stage.pit.taker, 9, 0);
    let transfer = |stage: &Stage, amount, markets: &[usize]| {
        let pit = &stage.pit;
        let markets: Vec<_> = markets.iter().map(|place| &pit.markets[*place]).collect();
        ix::transfer_token(
            &pit.house,
            &pit.taker,
            &second,
            (&stage.sol, amount),
            &markets,
        )
    };
    let some = transfer(&stage, 40 * SOL, &[]);
    stage.send(some).ok();
    let balance = |stage: &Stage, trader: &Trader| stage.pit.world.account(trader).balances[1];
    assert_eq!(stage.held(), 60 * SOL as i64);
    let received = balance(&stage, &second);
    let given = balance(&stage, &stage.pit.taker);
    assert_eq!(received.amount, 40 * SOL as i64);
    assert_eq!(
        (received.market, received.decimals),
        (given.market, given.decimals)
    );
    let more = transfer(&stage, 61 * SOL, &[]);
    stage.send(more).refused(E::BalanceNegative);
    // With a position the source keeps what its margin needs.
    let leg = stage.pit.sol_leg(PERP, -600);
    stage.pit.trade(&[leg]).ok();
    let market = stage.pit.sol().clone();
    stage.pit.world.set_price(&market, 2.5 * SOL_PRICE);
    let all = transfer(&stage, 60 * SOL, &[1]);
    stage.send(all).refused(E::SeniorNegative);
    let one = transfer(&stage, SOL, &[1]);
    stage.send(one).ok();
    let mut unknown = transfer(&stage, 1, &[1]);
    unknown.data[8..10].copy_from_slice(&16u16.to_le_bytes());
    stage.send(unknown).refused(E::BankUnknown);
}

#[test]
fn what_tokens_do_not_support_any_more_is_liquidated() {
    let mut stage = Stage::new(0, 100 * SOL);
    let pit = &mut stage.pit;
    let liquidator = pit.house.trader(&mut pit.world, RICH);
    let leg = pit.btc_leg(PERP, 500);
    pit.trade(&[leg]).ok();
    let liquidate = |pit: &mut Pit| {
        pit.world
            .liquidate(&pit.house, &liquidator, &pit.taker, &pit.markets)
    };
    liquidate(pit).refused(E::NotLiquidatable);
    let sol = pit.sol().clone();
    pit.world.set_price(&sol, 0.4 * SOL_PRICE);
    let blind = ix::liquidate(&pit.house, &liquidator, &pit.taker, &[pit.btc()]);
    pit.world
        .send(blind, &[&liquidator.owner])
        .refused(E::MarketAccountMissing);
    liquidate(pit).ok();
    let slot = leg.slot;
    let account = pit.world.account(&pit.taker);
    assert!(account.lots(0, slot) < 500 || account.balance(1) < 100 * SOL as i64);
    let after = stage.report();
    assert!(after.equity >= after.maintenance_margin, "{after:?}");
}

#[test]
fn tokens_without_debts_are_never_liquidated() {
    let mut stage = Stage::new(0, 1);
    let pit = &mut stage.pit;
    let liquidator = pit.house.trader(&mut pit.world, RICH);
    let sol = pit.sol().clone();
    for price in [SOL_PRICE, 0.000_001] {
        pit.world.set_price(&sol, price);
        let markets = pit
            .world
            .needed(&[&liquidator, &pit.taker], &[], &pit.markets);
        let step = ix::liquidate(&pit.house, &liquidator, &pit.taker, &markets);
        pit.world
            .send(step, &[&liquidator.owner])
            .refused(E::NotLiquidatable);
    }
}

#[test]
fn who_owes_cash_takes_none_out_and_deposits_repay() {
    let mut stage = Stage::new(0, 100 * SOL);
    let debt = 5_000 * USD as i64;
    // As if the taker had borrowed to settle a loss and the maker been paid.
    for (trader, change) in [(&stage.pit.taker, -debt), (&stage.pit.maker, debt)] {
        stage.pit.world.adjust_cash(trader, change);
    }
    let report = stage.report();
    assert_eq!(
        (report.equity.0, report.senior.0),
        (15_000_000_000, 15_000_000_000)
    );
    let cash = stage.withdraw_cash(1, &[1]);
    stage.send(cash).refused(E::BalanceNegative);
    let call = stage.pit.btc_leg((SeriesKind::Call, 1, 110), 1);
    stage.pit.refuse(&[call], E::BalanceNegative);
    // The tokens support the debt.
    let blind = stage.withdraw(SOL, &[]);
    stage.send(blind).refused(E::MarketAccountMissing);
    let tokens = stage.withdraw(80 * SOL, &[1]);
    stage.send(tokens).refused(E::SeniorNegative);
    let tokens = stage.withdraw(65 * SOL, &[1]);
    stage.send(tokens).refused(E::BelowInitialMargin);
    let tokens = stage.withdraw(SOL, &[1]);
    stage.send(tokens).ok();
    // What is lent is not in the vault.
    let pit = &mut stage.pit;
    let maker = ix::withdraw(&pit.house, &pit.maker, RICH + 1, &[]);
    pit.world
        .send(maker, &[&pit.maker.owner])
        .refused(E::BankShortOfTokens);
    let deposit = ix::deposit(&pit.house, &pit.taker, debt as u64 + 7);
    stage.send(deposit).ok();
    assert_eq!(stage.pit.world.cash(&stage.pit.taker), 7);
    let all = stage.withdraw(99 * SOL, &[]);
    stage.send(all).ok();
}
