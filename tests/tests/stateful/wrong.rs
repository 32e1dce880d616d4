//! Deliberately wrong input: refused, and nothing changes.

use crate::run::Run;
use estuary::instructions::{PositionTransfer, TradeLeg};
use estuary::state::MarketStatus;
use estuary_client::instruction::signed_by_delegate;
use estuary_tests::{ix, Keypair, Signer, Tamper, Underlying};

type Instruction = anchor_lang::solana_program::instruction::Instruction;

impl Run {
    /// An instruction that is wrong in one respect.
    pub fn wrong(&mut self) {
        let kinds = 6;
        let (instruction, signers) = match self.random.below(kinds) {
            0 => self.wrong_money(),
            1 => self.wrong_pair(),
            2 => self.wrong_legs(),
            3 => self.wrong_accounts(),
            4 => self.wrong_settlement(),
            _ => self.wrong_authority(),
        };
        let signers: Vec<&Keypair> = signers.iter().collect();
        let shown = format!("{:?} {}", instruction.data, instruction.accounts.len());
        let done = self.send("wrong", instruction, &signers);
        assert!(done.is_err(), "wrong input was accepted: {shown}");
    }

    /// Amounts of nothing and of more than there is.
    fn wrong_money(&mut self) -> (Instruction, Vec<Keypair>) {
        let user = self.any_open();
        let trader = self.trader(user);
        let markets = self.markets.clone();
        let needed = self.world.needed_to_pay_out(&trader, &markets);
        let token = self.tokens[self.random.below(2) as usize];
        let house = &self.house;
        let instruction = match self.random.below(5) {
            0 => ix::deposit(house, &trader, 0),
            1 => ix::deposit(house, &trader, u64::MAX),
            2 => ix::withdraw(house, &trader, u64::MAX, &needed),
            3 => ix::withdraw_token(house, &trader, &token, 0, &needed),
            _ => ix::fund_insurance(house, &trader, 0),
        };
        (instruction, vec![trader.owner])
    }

    /// The same account on both sides, and accounts of two owners where they have to be one's.
    fn wrong_pair(&mut self) -> (Instruction, Vec<Keypair>) {
        let [first, second] = loop {
            let pair = self.pair();
            let [one, other] = pair.map(|user| self.users[user].trader.owner.pubkey());
            if one != other {
                break pair.map(|user| self.trader(user));
            }
        };
        let all: Vec<Underlying> = self.markets.clone();
        let all: Vec<&Underlying> = all.iter().collect();
        let legs = self.legs();
        let kind = self.random.below(5);
        let house = &self.house;
        let transfer = [PositionTransfer {
            market: 0,
            slot: 0,
            generation: 1,
            lots: 1,
        }];
        let instruction = match kind {
            0 => ix::block_trade(house, &first, &first, &legs, &all),
            1 => ix::liquidate(house, &first, &first, &all),
            2 => ix::transfer_positions(house, &first, &first, &transfer, &all),
            3 => ix::transfer_cash(house, &first, &first, 1, &[]),
            _ => ix::transfer_cash(house, &first, &second, 1, &[]).replacing(
                &house.margin_account(&first.owner.pubkey(), second.sub_id),
                &second.account,
            ),
        };
        (instruction, vec![first.owner])
    }

    /// Legs that no trade may have.
    fn wrong_legs(&mut self) -> (Instruction, Vec<Keypair>) {
        let sides = self.pair().map(|user| self.trader(user));
        let mut legs = self.legs();
        let leg = legs[0];
        let other = match self.random.below(7) {
            0 => TradeLeg { lots: 0, ..leg },
            1 => TradeLeg { market: 9, ..leg },
            2 => TradeLeg {
                generation: leg.generation + 1,
                ..leg
            },
            3 => TradeLeg { slot: 999, ..leg },
            4 => TradeLeg {
                lots: i64::MIN,
                ..leg
            },
            5 => TradeLeg {
                price: u64::MAX,
                ..leg
            },
            _ => {
                legs.push(leg);
                leg
            }
        };
        legs[0] = other;
        let [taker, maker] = &sides;
        let markets = self.world.needed(&[taker, maker], &legs, &self.markets);
        let trade = ix::block_trade(&self.house, taker, maker, &legs, &markets);
        (trade, sides.map(|side| side.owner).into())
    }

    /// Accounts missing, left over and in the places of others.
    fn wrong_accounts(&mut self) -> (Instruction, Vec<Keypair>) {
        let sides = self.pair().map(|user| self.trader(user));
        let legs = self.legs();
        let [taker, maker] = &sides;
        let markets = self.world.needed(&[taker, maker], &legs, &self.markets);
        let trade = ix::block_trade(&self.house, taker, maker, &legs, &markets);
        let traded = |market: &&&Underlying| market.index == legs[0].market;
        let first = markets
            .iter()
            .find(traded)
            .expect("a market that is traded");
        let trade = match self.random.below(5) {
            0 => trade.without_last(1),
            1 => trade.with_extra(&first.market),
            2 => trade.exchanging(&first.market, &first.ledger),
            3 => trade.replacing(&first.price_account, &taker.tokens),
            _ => trade.replacing(&taker.account, &self.house.bank),
        };
        (trade, sides.map(|side| side.owner).into())
    }

    /// Settlement in the books of another market or bank, and of expiries that are not there.
    fn wrong_settlement(&mut self) -> (Instruction, Vec<Keypair>) {
        let user = self.any_open();
        let trader = self.trader(user);
        let [btc, sol] = [0, 1].map(|place: usize| self.markets[place].clone());
        let settle = ix::settle(&self.house, &trader, &btc, false, true);
        let never = self.world.now() + 12_345_678;
        let instruction = match self.random.below(6) {
            0 => settle.replacing(&btc.ledger, &sol.ledger),
            1 => settle.replacing(&btc.market, &sol.market),
            2 => settle.replacing(&self.house.bank, &self.tokens[0].bank.bank),
            3 => ix::record_settlement_price(&self.house, &btc, never),
            4 => ix::finalize_settlement(&self.house, &btc, never),
            _ => ix::retire_expiry(&self.house, &btc, never),
        };
        (instruction, Vec::new())
    }

    /// Somebody who may not.
    fn wrong_authority(&mut self) -> (Instruction, Vec<Keypair>) {
        let user = self.any_open();
        let trader = self.trader(user);
        let stranger = self.world.keypair();
        let authority = self.house.authority.pubkey();
        let (house, key) = (&self.house, self.markets[0].market);
        let owned = match self.random.below(4) {
            0 => ix::withdraw(house, &trader, 1, &[]),
            1 => ix::close_account(house, &trader),
            2 => ix::set_delegate(house, &trader, stranger.pubkey(), i64::MAX),
            _ => ix::set_market_status(house, &key, MarketStatus::Paused),
        };
        let signer = if owned.accounts.iter().any(|meta| meta.pubkey == authority) {
            authority
        } else {
            trader.owner.pubkey()
        };
        let stolen = signed_by_delegate(owned, &signer, stranger.pubkey());
        (stolen, vec![stranger])
    }
}
