//! An account fetched and printed.

use anchor_lang::prelude::Pubkey;
use anchor_lang::Discriminator;
use estuary::state::{MarginAccount, Owner, Unsettled};
use estuary_client::account::decode;
use estuary_client::address::owner_account;
use estuary_client::chain::Chain;

use crate::risk::json::{object, Node};
use crate::risk::output::money;
use crate::risk::table::Table;
use estuary_risk::units::Money;

/// An owner's account, and one margin account of the owner where that was asked for.
pub struct Shown {
    address: Pubkey,
    account: Option<Box<MarginAccount>>,
    owner: Box<Owner>,
}

/// Fetches the account at an address, and its owner's.
pub fn fetch(chain: &impl Chain, address: &Pubkey) -> Result<Shown, String> {
    let data = bytes_of(chain, address)?;
    if data.starts_with(Owner::DISCRIMINATOR) {
        return Ok(Shown {
            address: *address,
            account: None,
            owner: Box::new(decoded(&data, address)?),
        });
    }
    if !data.starts_with(MarginAccount::DISCRIMINATOR) {
        let message = "is neither a margin account nor an owner's account";
        return Err(format!("{address} {message}"));
    }
    let account: Box<MarginAccount> = Box::new(decoded(&data, address)?);
    let of_owner = owner_account(&account.clearinghouse, &account.owner);
    let owner = decoded(&bytes_of(chain, &of_owner)?, &of_owner)?;
    Ok(Shown {
        address: *address,
        account: Some(account),
        owner: Box::new(owner),
    })
}

fn bytes_of(chain: &impl Chain, address: &Pubkey) -> Result<Vec<u8>, String> {
    let fetched = chain.account(address).map_err(|error| error.to_string())?;
    let account = fetched.ok_or_else(|| format!("there is no account {address}"))?;
    if account.owner != estuary::ID {
        let program = estuary::ID;
        return Err(format!(
            "{address} belongs to {}, not to the program {program}",
            account.owner
        ));
    }
    Ok(account.data)
}

fn decoded<T>(data: &[u8], address: &Pubkey) -> Result<T, String>
where
    T: estuary::state::StateAccount + bytemuck::AnyBitPattern,
{
    decode(data).map_err(|error| format!("{address}: {error}"))
}

/// A number of any size.
fn number(value: impl ToString) -> Node {
    Node::Number(value.to_string())
}

fn amount(micro: i64) -> Node {
    money(Money(micro)).into()
}

impl Shown {
    /// The answer as JSON.
    pub fn node(&self) -> Node {
        let mut fields = vec![("address".to_owned(), text(&self.address))];
        if let Some(account) = &self.account {
            fields.push(("kind".to_owned(), "margin".into()));
            fields.extend(margin_fields(account));
        } else {
            fields.push(("kind".to_owned(), "owner".into()));
        }
        fields.push(("owner_account".to_owned(), self.owner_node()));
        Node::Object(fields)
    }

    fn owner_node(&self) -> Node {
        let markets = self.markets().map(|(market, lots, own)| {
            object([
                ("market", number(market)),
                ("gross_lots", number(lots)),
                ("of_this_account", own.map_or(Node::Null, number)),
            ])
        });
        object([
            ("clearinghouse", text(&self.owner.clearinghouse)),
            ("owner", text(&self.owner.owner)),
            ("margin_accounts", number(self.owner.account_count)),
            ("markets", Node::List(markets.collect())),
        ])
    }

    /// Markets in which the owner holds anything, with the owner's lots and those of the margin account.
    fn markets(&self) -> impl Iterator<Item = (u16, u64, Option<u64>)> + '_ {
        let account = self.account.as_deref();
        let all = (0u16..).zip(self.owner.gross_lots);
        all.filter(|(_, lots)| *lots > 0)
            .map(move |(market, lots)| {
                let own = account.map(|account| account.gross_lots(market));
                (market, lots, own)
            })
    }

    /// The answer for a person.
    pub fn text(&self) -> String {
        let mut out = String::new();
        match &self.account {
            Some(account) => margin_text(&self.address, account, &mut out),
            None => out.push_str(&format!("Owner's account {}\n", self.address)),
        }
        out.push_str(&format!(
            "\nOwner {} with {} margin account(s)\n",
            self.owner.owner, self.owner.account_count
        ));
        let mut table = Table::new(&["market", "lots, signs left out", "of this account"]);
        for (market, lots, own) in self.markets() {
            let own = own.map_or_else(String::new, |own| own.to_string());
            table.row(vec![market.to_string(), lots.to_string(), own]);
        }
        table.write(&mut out);
        out
    }
}

/// Gains registered in a market and not collected yet, before what losses of others may take off them.
fn claimed(unsettled: &Unsettled) -> i64 {
    let left = unsettled.claims.iter();
    let left = left.map(|claim| claim.face.saturating_sub(claim.collected));
    let sum = left.fold(0u64, u64::saturating_add);
    i64::try_from(sum).unwrap_or(i64::MAX)
}

fn text(key: &Pubkey) -> Node {
    Node::Text(key.to_string())
}

fn margin_fields(account: &MarginAccount) -> Vec<(String, Node)> {
    let tokens = account.tokens().map(|balance| {
        let places = usize::from(balance.decimals);
        object([
            ("bank", number(balance.bank)),
            ("market", number(balance.market)),
            ("base_units", number(balance.amount)),
            ("decimals", number(places)),
        ])
    });
    let positions = account.open_positions().iter().map(|position| {
        object([
            ("market", number(position.market)),
            ("slot", number(position.slot)),
            ("generation", number(position.generation)),
            ("lots", number(position.lots)),
            ("cost", amount(position.cost)),
        ])
    });
    let unsettled = account.unsettled.iter().filter(|one| one.is_used());
    let unsettled = unsettled.map(|one| {
        object([
            ("market", number(one.market)),
            ("carry", amount(one.carry)),
            ("claims", amount(claimed(one))),
        ])
    });
    let delegate = match account.delegate_expiry {
        0 => Node::Null,
        until => object([("key", text(&account.delegate)), ("until", number(until))]),
    };
    let unhealthy = match account.unhealthy_since {
        0 => Node::Null,
        since => number(since),
    };
    let fields = [
        ("clearinghouse", text(&account.clearinghouse)),
        ("owner", text(&account.owner)),
        ("sub_id", number(account.sub_id)),
        ("delegate", delegate),
        ("unhealthy_since", unhealthy),
        ("cash", amount(account.cash())),
        ("tokens", Node::List(tokens.collect())),
        ("positions", Node::List(positions.collect())),
        ("unsettled", Node::List(unsettled.collect())),
    ];
    fields.map(|(name, node)| (name.to_owned(), node)).to_vec()
}

fn margin_text(address: &Pubkey, account: &MarginAccount, out: &mut String) {
    out.push_str(&format!("Margin account {address}\n"));
    let mut table = Table::default();
    let mut row = |name: &str, value: String| table.row(vec![name.to_owned(), value]);
    row("clearinghouse", account.clearinghouse.to_string());
    row("sub id", account.sub_id.to_string());
    if account.delegate_expiry != 0 {
        let until = account.delegate_expiry;
        row("delegate", format!("{} until {until}", account.delegate));
    }
    if account.unhealthy_since != 0 {
        row("unhealthy since", account.unhealthy_since.to_string());
    }
    row("cash", money(Money(account.cash())).to_string());
    table.write(out);
    let mut lists = |title: &str, header: &[&str], rows: Vec<Vec<String>>| {
        if !rows.is_empty() {
            out.push_str(&format!("\n{title}\n"));
            let mut table = Table::new(header);
            rows.into_iter().for_each(|row| table.row(row));
            table.write(out);
        }
    };
    let tokens = account.tokens().map(|one| {
        let columns = [
            one.bank.into(),
            one.market.into(),
            one.amount,
            one.decimals.into(),
        ];
        columns.map(|column| column.to_string()).to_vec()
    });
    let header = ["bank", "market", "base units", "decimals"];
    lists("Tokens", &header, tokens.collect());
    let positions = account.open_positions().iter().map(|one| {
        vec![
            one.market.to_string(),
            one.slot.to_string(),
            one.lots.to_string(),
            money(Money(one.cost)).to_string(),
        ]
    });
    let header = ["market", "slot", "lots", "cost"];
    lists("Positions", &header, positions.collect());
    let unsettled = account.unsettled.iter().filter(|one| one.is_used());
    let unsettled = unsettled.map(|one| {
        vec![
            one.market.to_string(),
            money(Money(one.carry)).to_string(),
            money(Money(claimed(one))).to_string(),
        ]
    });
    let header = ["market", "carry", "claims"];
    lists("Unsettled", &header, unsettled.collect());
}

#[cfg(test)]
mod tests;
