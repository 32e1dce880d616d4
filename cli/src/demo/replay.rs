//! The replay: for every step prices are published, every account is reported by the program and by the native engine,
//! the bot acts, the identities are checked.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use estuary::state::MarginAccount;
use estuary_risk::margin::MarginReport;

use super::books::{self, BookLeg, LIQUIDATOR, MAKER};
use super::bot::{Bot, LeftBehind, Liquidation};
use super::identity::Identities;
use super::prices::{History, Step, STEPS_PER_BAR};
use super::table::{Frame, Row, Screen};
use super::view::{Comparison, View};
use super::world::World;

/// What an account is worth and what it needs, as the program reported it.
#[derive(Clone, Copy, Debug)]
pub struct Levels {
    /// Value of the account.
    pub equity: i64,
    /// Initial margin.
    pub initial: i64,
    /// Maintenance margin.
    pub maintenance: i64,
}

/// One moment: a step before the bot acted or, if it liquidated, after it.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Unix seconds.
    pub time: i64,
    /// Prices in the order of the markets, units of 10^-8.
    pub prices: Vec<u64>,
    /// The accounts in the order of the courses.
    pub accounts: Vec<Levels>,
}

/// Copies of everything at one moment.
pub struct Moment {
    /// Unix seconds.
    pub time: i64,
    /// The markets.
    pub view: View,
    /// The accounts in the order of the courses.
    pub accounts: Vec<MarginAccount>,
}

/// What one account went through.
#[derive(Clone, Debug)]
pub struct Course {
    /// The account.
    pub name: &'static str,
    /// What it traded, in words.
    pub description: String,
    /// Quote units deposited.
    pub deposit: u64,
    /// After the opening trades.
    pub start: Comparison,
    /// At the lowest price of the main market, before the bot acted.
    pub low: Comparison,
    /// After the last step.
    pub end: MarginReport,
    /// Lowest equity less maintenance margin of all steps, before the bot acted, and when.
    pub lowest_health: (i64, i64),
    /// Steps at which equity was below maintenance margin before the bot acted: of the portfolio, and of the positions
    /// each alone.
    pub steps_below: (u64, u64),
}

/// Steps after which an account was still below maintenance.
#[derive(Clone, Debug)]
pub struct Refusals {
    /// How many.
    pub steps: u64,
    /// The first, unix seconds.
    pub first: i64,
    /// What the program said then.
    pub reason: String,
}

/// Everything the summary tells.
pub struct Outcome {
    /// The accounts, maker first.
    pub courses: Vec<Course>,
    /// When the main market was lowest.
    pub low: Step,
    /// Everything after the opening trades.
    pub at_start: Moment,
    /// Everything when the main market was lowest, before the bot acted.
    pub at_low: Moment,
    /// Every moment, in order.
    pub samples: Vec<Sample>,
    /// How many steps there were.
    pub steps: u64,
    /// What the bot did.
    pub liquidations: Vec<Liquidation>,
    /// Accounts below maintenance after the last step.
    pub left_behind: Vec<LeftBehind>,
    /// Refused liquidations by account.
    pub refusals: BTreeMap<&'static str, Refusals>,
    /// Reports compared with the native engine.
    pub reports: u64,
    /// Those that differed.
    pub differing: u64,
    /// Steps after which an identity was broken.
    pub broken_steps: u64,
    /// Surfaces posted after the first ones.
    pub postings: u64,
    /// Most compute units of a margin report, and of a liquidation.
    pub most_units: (u64, u64),
}

/// The accounts of a replay under way.
pub struct Replay<'a> {
    world: &'a mut World,
    history: &'a History,
    bot: Bot,
    rows: Vec<Row>,
    outcome: Outcome,
}

/// Opens the accounts, trades the books at mark against the maker, and says so.
///
/// # Errors
/// The program's refusals, which would be mistakes of the demo.
pub fn open_books(world: &mut World) -> Result<Vec<Course>> {
    let plans = books::books(world)?;
    let mut courses = Vec::new();
    for plan in &plans {
        world.open(plan.name, plan.deposit * 1_000_000)?;
    }
    for (place, plan) in plans.iter().enumerate() {
        if !plan.legs.is_empty() {
            trade(world, place, &plan.legs)
                .with_context(|| format!("the trade of the {} was refused", plan.name))?;
        }
    }
    let view = world.view()?;
    for (place, plan) in plans.iter().enumerate() {
        let account = world.account(place)?;
        let start = view.compare(&account)?;
        println!(
            "  {:<20}{:>10}  {}",
            plan.name,
            super::format::count(plan.deposit),
            plan.description
        );
        courses.push(Course {
            name: plan.name,
            description: plan.description.clone(),
            deposit: plan.deposit,
            start,
            low: start,
            end: view.report(&account)?,
            lowest_health: (i64::MAX, world.now),
            steps_below: (0, 0),
        });
    }
    Ok(courses)
}

/// Trades all legs with the maker in one block at mark.
fn trade(world: &mut World, trader: usize, legs: &[BookLeg]) -> Result<()> {
    let maker = place_of(world, MAKER)?;
    world.block_trade(trader, maker, legs)
}

/// Place of an account by name.
fn place_of(world: &World, name: &str) -> Result<usize> {
    let place = world.traders.iter().position(|trader| trader.name == name);
    place.with_context(|| format!("no {name}"))
}

impl Moment {
    /// Copies everything as it is now.
    fn read(world: &World) -> Result<Self> {
        Ok(Self {
            time: world.now,
            view: world.view()?,
            accounts: (0..world.traders.len())
                .map(|place| world.account(place))
                .collect::<Result<_>>()?,
        })
    }
}

impl<'a> Replay<'a> {
    /// A replay of accounts that are open.
    ///
    /// # Errors
    /// When there is no liquidator, or an account cannot be read.
    pub fn new(
        world: &'a mut World,
        history: &'a History,
        courses: Vec<Course>,
        first: Step,
    ) -> Result<Self> {
        let bot = Bot::new(place_of(world, LIQUIDATOR)?);
        let rows = courses
            .iter()
            .map(|course| Row {
                name: course.name,
                equity: 0,
                initial: 0,
                maintenance: 0,
                units: 0,
            })
            .collect();
        let (at_start, at_low) = (Moment::read(world)?, Moment::read(world)?);
        Ok(Self {
            world,
            history,
            bot,
            rows,
            outcome: Outcome {
                courses,
                low: first,
                at_start,
                at_low,
                samples: Vec::new(),
                steps: 0,
                liquidations: Vec::new(),
                left_behind: Vec::new(),
                refusals: BTreeMap::new(),
                reports: 0,
                differing: 0,
                broken_steps: 0,
                postings: 0,
                most_units: (0, 0),
            },
        })
    }

    /// Runs all steps.
    ///
    /// # Errors
    /// When the SVM or an account cannot be used; refusals of liquidations are part of the outcome.
    pub fn run(mut self, screen: &mut Screen) -> Result<Outcome> {
        let main = books::main_market(&self.world.underlyings);
        let history = self.history;
        let steps = history.intervals.len() * STEPS_PER_BAR;
        for (number, step) in history.steps().enumerate() {
            self.world.publish(&step)?;
            self.report_all()?;
            if step.prices[main] < self.outcome.low.prices[main] {
                self.compare_at_low(&step)?;
            }
            self.sample(&step);
            self.outcome.steps += 1;
            let liquidated = self.act(&step, screen)?;
            if liquidated {
                self.sample(&step);
            }
            self.outcome.broken_steps += u64::from(!Identities::read(self.world)?.hold());
            screen.show(&self.frame(number, &step), liquidated);
            let bar = number / STEPS_PER_BAR;
            let bar_ends = number % STEPS_PER_BAR == STEPS_PER_BAR - 1;
            if bar_ends && bar + 1 < history.intervals.len() {
                self.post_surfaces(bar)?;
            }
        }
        let last = history.steps().last().context("a history without steps")?;
        screen.finish(&self.frame(steps - 1, &last));
        let view = self.world.view()?;
        for place in 0..self.rows.len() {
            self.outcome.courses[place].end = view.report(&self.world.account(place)?)?;
        }
        Ok(self.outcome)
    }

    fn frame<'s>(&'s self, number: usize, step: &'s Step) -> Frame<'s> {
        let activity = &self.world.activity;
        Frame {
            number,
            steps: self.history.intervals.len() * STEPS_PER_BAR,
            step,
            symbols: &self.history.symbols,
            rows: &self.rows,
            last: activity.last,
            last_units: activity.last_units,
            sent: activity.transactions + activity.simulations,
        }
    }

    /// Reports every account, and notes its lowest health and what isolated margin would have said.
    fn report_all(&mut self) -> Result<()> {
        let view = self.world.view()?;
        for place in 0..self.rows.len() {
            self.report(place, &view)?;
            let health = self.rows[place].health();
            let alone = view.compare(&self.world.account(place)?)?;
            let course = &mut self.outcome.courses[place];
            course.steps_below.0 += u64::from(health < 0);
            course.steps_below.1 += u64::from(alone.equity < alone.isolated_maintenance);
            if health < course.lowest_health.0 {
                course.lowest_health = (health, self.world.now);
            }
        }
        Ok(())
    }

    /// One account by the program, checked against the native engine.
    fn report(&mut self, place: usize, view: &View) -> Result<()> {
        let (report, units) = self.world.margin_report(place)?;
        let native = view.summary(&self.world.account(place)?)?;
        self.outcome.reports += 1;
        self.outcome.differing += u64::from(*report != native);
        self.outcome.most_units.0 = self.outcome.most_units.0.max(units);
        let row = &mut self.rows[place];
        row.equity = report.equity;
        row.initial = report.initial_margin;
        row.maintenance = report.maintenance_margin;
        row.units = units;
        Ok(())
    }

    /// Notes what was just reported.
    fn sample(&mut self, step: &Step) {
        let levels = |row: &Row| Levels {
            equity: row.equity,
            initial: row.initial,
            maintenance: row.maintenance,
        };
        self.outcome.samples.push(Sample {
            time: step.time,
            prices: step.prices.clone(),
            accounts: self.rows.iter().map(levels).collect(),
        });
    }

    fn compare_at_low(&mut self, step: &Step) -> Result<()> {
        let at_low = Moment::read(self.world)?;
        self.outcome.low = step.clone();
        for (course, account) in self.outcome.courses.iter_mut().zip(&at_low.accounts) {
            course.low = at_low.view.compare(account)?;
        }
        self.outcome.at_low = at_low;
        Ok(())
    }

    /// Lets the bot act and says whether it liquidated; what it could not do is remembered until the next step.
    fn act(&mut self, step: &Step, screen: &Screen) -> Result<bool> {
        let done = self.bot.act(self.world, step)?;
        for left in &done.left_behind {
            let refusals = self.outcome.refusals.entry(left.name).or_insert(Refusals {
                steps: 0,
                first: step.time,
                reason: left.reason.clone(),
            });
            refusals.steps += 1;
        }
        self.outcome.left_behind = done.left_behind;
        if done.liquidations.is_empty() {
            return Ok(false);
        }
        for liquidation in done.liquidations {
            screen.say(&liquidation.headline());
            self.outcome.most_units.1 = self.outcome.most_units.1.max(liquidation.units);
            self.outcome.liquidations.push(liquidation);
        }
        let view = self.world.view()?;
        for place in 0..self.rows.len() {
            self.report(place, &view)?;
        }
        Ok(true)
    }

    fn post_surfaces(&mut self, bar: usize) -> Result<()> {
        for market in 0..self.world.underlyings.len() {
            let bar = &self.history.intervals[bar].bars[market];
            if self.world.underlyings[market].rule.observe(bar) {
                self.world.post_surface(market)?;
                self.outcome.postings += 1;
            }
        }
        Ok(())
    }
}
