//! The solvency identities over all accounts of the clearinghouse, both sides read from the accounts themselves.

use std::collections::BTreeMap;

use anyhow::Result;

use super::format;
use super::world::World;

/// Both sides of every identity.
pub struct Identities {
    /// Cash of all accounts, micro-units.
    pub cash: i128,
    /// Trading fees that the markets hold, micro-units.
    pub fees: u64,
    /// Equity of all accounts: what they are owed, less what accounts in deficit owe.
    pub equity: i128,
    /// What accounts in deficit owe, as a positive amount.
    pub deficit: i128,
    /// What the bank says it owes.
    pub deposits: u64,
    /// What the bank's insurance fund has.
    pub insurance: u64,
    /// What the vault holds.
    pub vault: u64,
    /// Per series with a position: market, slot, long lots, short lots.
    pub series: Vec<(u16, u16, i128, i128)>,
    /// Per market: costs and carry of the accounts added up, the ledger's own sum, and fees that are still owed.
    pub costs: Vec<(u16, i128, i64, u64)>,
    /// Series whose open interest on the ledger is not the sum of the long lots.
    pub wrong_interest: usize,
}

impl Identities {
    /// Reads all accounts.
    ///
    /// # Errors
    /// When an account cannot be read.
    pub fn read(world: &World) -> Result<Self> {
        let view = world.view()?;
        let (mut cash, mut equity, mut deficit) = (0, 0, 0);
        let mut series: BTreeMap<(u16, u16), (i128, i128)> = BTreeMap::new();
        let mut costs = vec![0i128; world.underlyings.len()];
        for trader in 0..world.traders.len() {
            let account = world.account(trader)?;
            let worth = i128::from(view.report(&account)?.equity.0);
            cash += i128::from(account.cash());
            equity += worth;
            deficit -= worth.min(0);
            for position in account.open_positions() {
                let (long, short) = series.entry((position.market, position.slot)).or_default();
                *long += i128::from(position.lots.max(0));
                *short += i128::from(position.lots.min(0));
                costs[usize::from(position.market)] += i128::from(position.cost);
            }
            for unsettled in account.unsettled.iter().filter(|one| one.is_used()) {
                costs[usize::from(unsettled.market)] += i128::from(unsettled.carry);
            }
        }
        let (mut wrong_interest, mut fees) = (0, 0);
        let mut sums = Vec::with_capacity(costs.len());
        for (market, cost) in (0u16..).zip(costs) {
            let ledger = world.ledger(usize::from(market))?;
            sums.push((market, cost, ledger.total_cost, ledger.fees_unpaid));
            fees += ledger.fees;
            wrong_interest += (0u16..)
                .zip(&ledger.open_lots)
                .filter(|(slot, lots)| {
                    let sides = series.get(&(market, *slot));
                    let open = sides.map_or(0, |(long, short)| long - short);
                    i128::from(**lots) != open
                })
                .count();
        }
        let bank = world.bank()?;
        Ok(Self {
            cash,
            fees,
            equity,
            deficit,
            deposits: bank.deposits,
            insurance: bank.insurance,
            vault: world.svm.tokens(&world.house.vault)?,
            series: series
                .into_iter()
                .map(|((market, slot), (long, short))| (market, slot, long, short))
                .collect(),
            costs: sums,
            wrong_interest,
        })
    }

    /// Whether all of them hold.
    pub fn hold(&self) -> bool {
        self.money_holds() && self.lots_hold() && self.costs_hold()
    }

    /// Whether cash, fees, insurance, the vault and what the bank owes agree.
    pub fn money_holds(&self) -> bool {
        let [fees, insurance, vault, deposits] =
            [self.fees, self.insurance, self.vault, self.deposits].map(i128::from);
        self.cash + fees + insurance == vault && deposits + insurance == vault
    }

    /// Whether longs and shorts sum to zero, and open interest is the longs.
    pub fn lots_hold(&self) -> bool {
        self.wrong_interest == 0
            && self
                .series
                .iter()
                .all(|(_, _, long, short)| long + short == 0)
    }

    fn costs_hold(&self) -> bool {
        self.costs.iter().all(|(_, sum, ledger, unpaid)| {
            *sum == i128::from(*ledger) && *sum + i128::from(*unpaid) == 0
        })
    }

    /// One line per identity, with both sides.
    pub fn lines(&self, world: &World) -> Vec<String> {
        let verdict = |holds| if holds { "holds" } else { "BROKEN" };
        let mut lines = vec![
            format!(
                "  cash of all accounts     {:>24}",
                format::exact(self.cash)
            ),
            format!(
                "  fees of all trades       {:>24}",
                format::exact(self.fees.into())
            ),
            format!(
                "  deposits the bank owes   {:>24}",
                format::exact(self.deposits.into())
            ),
            format!(
                "  insurance fund           {:>24}",
                format::exact(self.insurance.into())
            ),
            format!(
                "  tokens in the vault      {:>24}   {}",
                format::exact(self.vault.into()),
                verdict(self.money_holds())
            ),
        ];
        // Each position's value is rounded down, so the sum may be a few millionths below the vault.
        lines.push(format!(
            "  equity of all accounts   {:>24}   every gain is another's loss, or a fee",
            format::exact(self.equity)
        ));
        if self.deficit > 0 {
            lines.push(format!(
                "  owed by those in deficit {:>24}   others are owed this much more than the vault holds",
                format::exact(self.deficit)
            ));
        }
        for (market, slot, long, short) in &self.series {
            lines.push(format!(
                "  lots of {:<22} {:>10} long, {:>10} short, sum {}",
                world.series_name(*market, *slot),
                long,
                short,
                long + short
            ));
        }
        lines.push(format!(
            "  lots sum to zero in each of {} series: {}",
            self.series.len(),
            verdict(self.lots_hold())
        ));
        for (market, sum, ledger, _) in &self.costs {
            lines.push(format!(
                "  costs in {:<6} over all accounts {}, on the ledger {}",
                world.underlyings[usize::from(*market)].symbol,
                format::exact(*sum),
                format::exact((*ledger).into())
            ));
        }
        lines.push(format!(
            "  costs, with fees that are owed, sum to zero in each of {} markets: {}",
            self.costs.len(),
            verdict(self.costs_hold())
        ));
        lines
    }
}
