//! The liquidator bot: reads the accounts, evaluates them with the native engine, sends `liquidate` for those below
//! maintenance margin, again and again until they are healthy or the program refuses.

use anyhow::Result;
use estuary::report::PositionView;
use estuary::state::MarginAccount;
use estuary::EstuaryError;
use estuary_risk::margin::MarginReport;

use super::format;
use super::prices::Step;
use super::world::World;
use crate::time;

/// Liquidations of one account in one step; a call takes up to four legs, so this is far more than any book here needs.
const MAX_CALLS: usize = 32;

/// A position of the account and how much of it changed hands.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The series.
    pub series: String,
    /// Units of the underlying the account gave up, signed as it held them.
    pub units: f64,
    /// Units it held before.
    pub held: f64,
    /// Mark, a price at exponent −8.
    pub mark: u64,
    /// Profit and loss of the position in the worst scenario of its market, as the program reports it.
    pub contribution: i64,
}

/// One successful `liquidate`.
#[derive(Clone, Debug)]
pub struct Liquidation {
    /// The account.
    pub name: &'static str,
    /// Unix seconds.
    pub time: i64,
    /// The step's name.
    pub step: &'static str,
    /// Prices of the markets the account has positions in.
    pub prices: Vec<(String, u64)>,
    /// The account before.
    pub before: MarginReport,
    /// The account after.
    pub after: MarginReport,
    /// The worst scenario per market, in words.
    pub worst: Vec<String>,
    /// Its positions before, and what was taken of each.
    pub taken: Vec<Taken>,
    /// The insurance fund's part of the discount, micro-units.
    pub insured: i64,
    /// Compute units.
    pub units: u64,
}

impl Liquidation {
    /// What the account paid: at unmoved marks its equity falls by the discount and nothing else.
    pub fn discount(&self) -> i64 {
        self.before.equity.0 - self.after.equity.0
    }

    /// What is said while the replay runs.
    pub fn headline(&self) -> String {
        let legs: Vec<String> = self
            .taken
            .iter()
            .filter(|taken| taken.units != 0.0)
            .map(|taken| format!("{} {}", format::units(taken.units), taken.series))
            .collect();
        format!(
            "* {} {}: {} liquidated, equity {} is below MM {}\n  taken {} at a discount of {}; {} CU",
            time::full(self.time),
            self.step,
            self.name,
            format::money(self.before.equity.0),
            format::money(self.before.maintenance_margin.0),
            legs.join(", "),
            format::money(self.discount()),
            format::count(self.units)
        )
    }
}

/// An account that is still below maintenance margin after the bot acted.
#[derive(Clone, Debug)]
pub struct LeftBehind {
    /// The account.
    pub name: &'static str,
    /// Why: what the program said.
    pub reason: String,
    /// The program found nothing to take that the account can pay for; otherwise it could have been liquidated.
    pub nothing_to_take: bool,
}

/// What the bot did in one step.
#[derive(Debug, Default)]
pub struct Round {
    /// Liquidations, in order.
    pub liquidations: Vec<Liquidation>,
    /// Accounts that it could not bring back.
    pub left_behind: Vec<LeftBehind>,
}

/// The bot and the account it takes positions into.
pub struct Bot {
    liquidator: usize,
}

impl Bot {
    /// For the account at `liquidator`.
    pub fn new(liquidator: usize) -> Self {
        Self { liquidator }
    }

    /// Acts on the current prices.
    ///
    /// # Errors
    /// When an account cannot be read or evaluated.
    pub fn act(&self, world: &mut World, step: &Step) -> Result<Round> {
        let mut round = Round::default();
        for place in 0..world.traders.len() {
            if place != self.liquidator {
                self.bring_back(world, place, step, &mut round)?;
            }
        }
        if is_below(world, self.liquidator)? {
            let reason = "it is the only liquidator".to_owned();
            round.leave(world, self.liquidator, reason, false);
        }
        Ok(round)
    }

    /// Liquidates one account until it is healthy or the program refuses.
    fn bring_back(
        &self,
        world: &mut World,
        place: usize,
        step: &Step,
        round: &mut Round,
    ) -> Result<()> {
        for _ in 0..MAX_CALLS {
            if !is_below(world, place)? {
                return Ok(());
            }
            let (view, account) = (world.view()?, world.account(place)?);
            let book = world.positions(place)?;
            let insurance = world.bank()?.insurance;
            let done = match world.liquidate(place, self.liquidator, &step.prices)? {
                Ok(done) => done,
                Err(refused) => {
                    let nothing = u32::from(EstuaryError::NothingToLiquidate);
                    let nothing_to_take = refused.code == Some(nothing);
                    round.leave(world, place, refused.reason, nothing_to_take);
                    return Ok(());
                }
            };
            let after_account = world.account(place)?;
            round.liquidations.push(Liquidation {
                name: world.traders[place].name,
                time: step.time,
                step: step.name,
                prices: prices(world, &account, step)?,
                before: view.report(&account)?,
                after: view.report(&after_account)?,
                worst: view.worst_scenarios(&account, &world.underlyings)?,
                taken: taken(world, &book, &after_account),
                insured: world.bank()?.insurance as i64 - insurance as i64,
                units: done.units,
            });
        }
        if is_below(world, place)? {
            let reason = format!("still below after {MAX_CALLS} liquidations in one step");
            round.leave(world, place, reason, false);
        }
        Ok(())
    }
}

impl Round {
    fn leave(&mut self, world: &World, place: usize, reason: String, nothing_to_take: bool) {
        self.left_behind.push(LeftBehind {
            name: world.traders[place].name,
            reason,
            nothing_to_take,
        });
    }
}

/// Whether an account is below maintenance margin, by the native engine.
fn is_below(world: &World, place: usize) -> Result<bool> {
    let report = world.view()?.report(&world.account(place)?)?;
    Ok(report.is_liquidatable())
}

fn prices(world: &World, account: &MarginAccount, step: &Step) -> Result<Vec<(String, u64)>> {
    let price = |index: u16| {
        let index = usize::from(index);
        (world.underlyings[index].symbol.clone(), step.prices[index])
    };
    Ok(account.markets()?.iter().map(price).collect())
}

/// What an account no longer has of its book.
fn taken(world: &World, book: &[PositionView], after: &MarginAccount) -> Vec<Taken> {
    let gone = |position: &PositionView| {
        let left = after.lots(position.market, position.slot);
        let units = |lots| world.units(position.market, lots);
        Taken {
            series: world.series_name(position.market, position.slot).to_owned(),
            units: units(position.lots - left),
            held: units(position.lots),
            mark: position.mark,
            contribution: position.contribution,
        }
    };
    book.iter().map(gone).collect()
}
