//! The calls of a liquidation, one after the other until nothing is left to do.

use estuary_risk::liquidation::{
    plan, report, reports_after_each, DiscountParameters, LiquidationError, LiquidationMarket,
    LiquidationOutcome, Take, Token,
};
use estuary_risk::margin::{AccountTotals, MarginReport};
use estuary_risk::market::Leg;
use estuary_risk::portfolio::Offsets;
use estuary_risk::units::{Money, RiskError, MAX_LOTS_PER_MARKET};

use crate::risk::book::{self, refusal, Book, Priced};
use crate::risk::input::{Holding, Input, SeriesKind};
use crate::risk::json::InputError;
use crate::risk::notes::Notes;
use crate::risk::scale::Lots;

/// A call raises health or is the last; none of the books tried needs nearly as many.
const MAX_CALLS: usize = 1_000;

/// The account at one moment.
#[derive(Clone, Copy)]
pub struct Health {
    /// Equity and requirements.
    pub report: MarginReport,
    /// Equity at which a liquidation stops.
    pub target: Money,
    /// Equity less maintenance margin.
    pub health: Money,
}

impl Health {
    fn of(report: MarginReport) -> Result<Self, RiskError> {
        Ok(Self {
            report,
            target: report.liquidation_target()?,
            health: report.health_maintenance()?,
        })
    }
}

/// The answer.
pub struct Plan {
    /// What each market's liquidations go by.
    pub markets: Vec<MarketTerms>,
    /// The account as the file has it.
    pub before: Health,
    /// The account in the end.
    pub after: Health,
    /// Its cash in the end.
    pub cash: Money,
    /// Calls of `liquidate`, none for a healthy account.
    pub calls: Vec<Call>,
    /// How it ends.
    pub end: End,
    /// Positions that are left.
    pub left: Vec<Left>,
}

/// How a plan ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Not below maintenance margin, with positions or without any taken.
    Healthy,
    /// Every position was taken, and the account owes nothing.
    Flat,
    /// Equity is below zero and nothing more can be taken.
    Deficit,
    /// Below maintenance margin, and nothing more can be taken.
    Unhealthy,
}

/// One market's terms.
pub struct MarketTerms {
    /// Its name.
    pub symbol: String,
    /// A lot is `10^-lot_decimals` units.
    pub lot_decimals: i32,
    /// What a liquidator earns.
    pub discount: DiscountParameters,
}

/// One call of `liquidate`.
pub struct Call {
    /// The account before.
    pub before: Health,
    /// What is taken, in order.
    pub takes: Vec<Step>,
    /// The account's cash after.
    pub cash: Money,
}

/// One take.
pub struct Step {
    /// The market's name.
    pub market: String,
    /// The series.
    pub series: String,
    /// Whether it is part of a share of every position.
    pub of_share: bool,
    /// Signed lots that leave the account.
    pub taken: Lots,
    /// Signed lots held before.
    pub held: Lots,
    /// What the liquidator pays (negative: receives).
    pub payment: Money,
    /// By how much that is less than mark.
    pub discount: Money,
    /// The account before.
    pub before: Health,
    /// The account after.
    pub after: Health,
}

/// A position that is left.
pub struct Left {
    /// The market's name.
    pub market: String,
    /// The series.
    pub series: String,
    /// What is left of it.
    pub lots: Lots,
}

impl Plan {
    /// Every take of every call.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.calls.iter().flat_map(|call| &call.takes)
    }

    /// What liquidators earn.
    pub fn discount(&self) -> Money {
        Money(self.steps().map(|step| step.discount.0).sum())
    }

    /// What liquidators pay, less what they receive.
    pub fn payment(&self) -> Money {
        Money(self.steps().map(|step| step.payment.0).sum())
    }

    /// What the account owes beyond all it has.
    pub fn deficit(&self) -> Money {
        Money(self.after.report.equity.0.saturating_neg().max(0))
    }
}

/// Plans the liquidation of the file's account.
pub fn compute(input: &Input, notes: &mut Notes) -> Result<Plan, InputError> {
    let account = input
        .account
        .as_ref()
        .ok_or_else(|| InputError::new("account", "missing"))?;
    let overflow = |error| refusal("account", error);
    let mut outside = AccountTotals::with_cash(book::cash(account)?);
    let mut books = Vec::with_capacity(input.markets.len());
    for (index, market) in input.markets.iter().enumerate() {
        books.push(LiveBook::new(Book::new(account, index, market, notes)?)?);
    }
    let before = report((outside, &input.offsets), &mut views(&mut books))
        .and_then(Health::of)
        .map_err(overflow)?;
    let (mut calls, mut after) = (Vec::new(), before);
    while calls.len() < MAX_CALLS {
        let Some(call) =
            call((&mut outside, &input.offsets), &mut books, &mut after).map_err(overflow)?
        else {
            break;
        };
        calls.push(call);
    }
    if calls.len() == MAX_CALLS {
        let message = format!("the plan stops after {MAX_CALLS} calls");
        notes.warn("account", message);
    }
    let left: Vec<Left> = books.iter().flat_map(LiveBook::left).collect();
    let end = if after.report.equity < Money(0) {
        End::Deficit
    } else if after.report.is_liquidatable() {
        End::Unhealthy
    } else if left.is_empty() && !calls.is_empty() {
        End::Flat
    } else {
        End::Healthy
    };
    let terms = |market: &LiveBook<'_>| MarketTerms {
        symbol: market.book.market.symbol.clone(),
        lot_decimals: market.book.lot_decimals,
        discount: market.book.market.discount,
    };
    Ok(Plan {
        markets: books.iter().map(terms).collect(),
        before,
        after,
        cash: outside.cash,
        calls,
        end,
        left,
    })
}

/// One call of `liquidate`, `None` where there is nothing to do. `state` is the account before, then after.
fn call(
    (outside, offsets): (&mut AccountTotals, &Offsets),
    books: &mut [LiveBook<'_>],
    state: &mut Health,
) -> Result<Option<Call>, RiskError> {
    let mut held: Vec<Vec<i64>> = books.iter().map(LiveBook::held).collect();
    let mut takes: Vec<Take> = Vec::new();
    let mut views = views(books);
    let outcome: LiquidationOutcome =
        match plan((*outside, offsets), u64::MAX, &mut views, &mut takes) {
            Ok(outcome) => outcome,
            Err(LiquidationError::Risk(error)) => return Err(error),
            Err(_) => return Ok(None),
        };
    let reports = reports_after_each((*outside, offsets), &mut views, &takes, &outcome)?;
    let before = *state;
    let mut steps = Vec::with_capacity(takes.len());
    for (index, (take, report)) in takes.iter().zip(reports).enumerate() {
        let market = &books[take.market];
        let lots = |lots| market.quantity(take.leg, lots);
        let held = &mut held[take.market][take.leg];
        let after = Health::of(report)?;
        steps.push(Step {
            market: market.book.market.symbol.clone(),
            series: market.book.name(market.holdings[take.leg]).to_owned(),
            of_share: index >= outcome.single_takes,
            taken: lots(take.quantity),
            held: lots(*held),
            payment: take.payment,
            discount: take.discount,
            before: *state,
            after,
        });
        *held -= take.quantity;
        *state = after;
    }
    outside.cash = outcome.cash;
    for market in books {
        market.close(outside)?;
    }
    Ok(Some(Call {
        before,
        takes: steps,
        cash: outcome.cash,
    }))
}

/// A book under liquidation.
struct LiveBook<'a> {
    book: Book<'a>,
    priced: Priced,
    /// The holding of each leg.
    holdings: Vec<&'a Holding>,
    /// The balances behind the last legs.
    tokens: Vec<Token>,
}

impl<'a> LiveBook<'a> {
    /// Positions in the order of the file, then what is held of the underlying: as the program lays an account out.
    fn new(book: Book<'a>) -> Result<Self, InputError> {
        let mut priced = book.price()?;
        let mut order: Vec<usize> = (0..book.holdings.len()).collect();
        order.sort_unstable_by_key(|index| (is_token(&book, book.holdings[*index].0), *index));
        let (mut legs, mut costs, mut holdings) = (Vec::new(), Vec::new(), Vec::new());
        let mut tokens = Vec::new();
        for index in order {
            let (holding, lots) = &book.holdings[index];
            if lots.lots == 0 {
                continue;
            }
            let mut leg = priced.legs[index];
            if is_token(&book, holding) {
                let refused = |error| refusal(&holding.path, error);
                let token = token(*lots).map_err(refused)?;
                leg = balance(&mut priced, &token).map_err(refused)?;
                tokens.push(token);
            }
            legs.push(leg);
            costs.push(priced.costs[index]);
            holdings.push(*holding);
        }
        priced.legs = legs;
        priced.costs = costs;
        Ok(Self {
            book,
            priced,
            holdings,
            tokens,
        })
    }

    /// What each leg holds, lots or base units of a token.
    fn held(&self) -> Vec<i64> {
        let positions = self.priced.legs.len() - self.tokens.len();
        let lots = self.priced.legs[..positions].iter().map(|leg| leg.lots);
        lots.chain(self.tokens.iter().map(|token| token.amount))
            .collect()
    }

    /// So much of a leg.
    fn quantity(&self, leg: usize, lots: i64) -> Lots {
        let positions = self.priced.legs.len() - self.tokens.len();
        let decimals = match leg.checked_sub(positions) {
            None => self.book.lot_decimals,
            Some(token) => self.tokens[token].decimals.into(),
        };
        Lots { lots, decimals }
    }

    /// Positions without lots leave the account; their cost stays in it, as what is still to be settled.
    fn close(&mut self, outside: &mut AccountTotals) -> Result<(), RiskError> {
        let mut index = 0;
        while let Some(leg) = self.priced.legs.get(index) {
            if leg.lots != 0 {
                index += 1;
                continue;
            }
            let positions = self.priced.legs.len() - self.tokens.len();
            if let Some(token) = index.checked_sub(positions) {
                self.tokens.remove(token);
            }
            self.priced.legs.remove(index);
            self.holdings.remove(index);
            let cost = self.priced.costs.remove(index);
            outside.unsettled = outside.unsettled.plus(cost)?;
        }
        Ok(())
    }

    fn left(&self) -> impl Iterator<Item = Left> + '_ {
        let held = self.held().into_iter().zip(&self.holdings).enumerate();
        held.map(|(leg, (lots, holding))| Left {
            market: self.book.market.symbol.clone(),
            series: self.book.name(holding).to_owned(),
            lots: self.quantity(leg, lots),
        })
    }
}

/// The underlying itself, a token balance of the program's account.
fn is_token(book: &Book<'_>, holding: &Holding) -> bool {
    let kind = holding.series.map(|index| book.market.series[index].kind);
    matches!(kind, None | Some(SeriesKind::Spot))
}

/// So many lots of the underlying as a token balance.
fn token(lots: Lots) -> Result<Token, RiskError> {
    let decimals = u8::try_from(lots.decimals.max(0)).map_err(|_| RiskError::BadLotValue)?;
    let amount = 10i64
        .checked_pow(lots.decimals.min(0).unsigned_abs())
        .and_then(|power| lots.lots.checked_mul(power))
        .ok_or(RiskError::MoneyOverflow)?;
    Ok(Token {
        amount,
        decimals,
        // The lots of a market's holdings were bounded when they were read: all of the balance counts.
        room: MAX_LOTS_PER_MARKET,
    })
}

/// The leg of a token.
fn balance(priced: &mut Priced, token: &Token) -> Result<Leg, RiskError> {
    let instrument = priced
        .arrays
        .balance(token.amount, token.decimals, token.room)?;
    Ok(Leg {
        instrument,
        lots: 1,
    })
}

fn views<'v>(books: &'v mut [LiveBook<'_>]) -> Vec<LiquidationMarket<'v>> {
    books
        .iter_mut()
        .map(|market| LiquidationMarket {
            arrays: &mut market.priced.arrays,
            legs: &mut market.priced.legs,
            costs: &mut market.priced.costs,
            tokens: &mut market.tokens,
            other_lots: market.book.other_lots(),
            discount: market.book.market.discount,
        })
        .collect()
}
