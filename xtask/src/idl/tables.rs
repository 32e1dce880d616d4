//! The generated sections of `docs/accounts.md`, as Markdown tables.

use super::{layout, writers};
use anchor_lang_idl::types::{
    Idl, IdlInstructionAccount, IdlInstructionAccountItem, IdlPda, IdlSeed, IdlType,
};
use anyhow::{bail, Context, Result};

/// Bytes before an account's struct.
const DISCRIMINATOR: usize = 8;
/// Names of programs with fixed addresses.
const PROGRAMS: [(&str, &str); 2] = [
    ("11111111111111111111111111111111", "the system program"),
    (
        "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA",
        "the token program",
    ),
];
/// What the accounts are for that Anchor adds to instructions with events.
const ADDED: [(&str, &str); 2] = [
    (
        "event_authority",
        "Signs for the event when the program calls itself.",
    ),
    ("program", "This program, which receives the event."),
];

/// The section with a name: `struct NAME`, `instructions` or `events`.
///
/// # Errors
/// For another name, and for a struct the IDL lacks.
pub fn section(idl: &Idl, name: &str) -> Result<String> {
    match name.split_once(' ') {
        Some(("struct", name)) => structure(idl, name),
        None if name == "instructions" => instructions(idl),
        None if name == "events" => events(idl),
        _ => bail!("nothing generates this"),
    }
}

/// Size, discriminator and fields of a struct. Offsets in an account count from its first byte.
fn structure(idl: &Idl, name: &str) -> Result<String> {
    let fields = layout::fields(idl, name)?;
    let (offsets, whole) = layout::offsets(idl, name)?;
    let names: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
    writers::check(name, &names)?;
    let account = idl.accounts.iter().find(|account| account.name == name);
    let start = account.map_or(0, |_| DISCRIMINATOR);
    let size = whole.size;
    let mut text = match account {
        Some(account) => {
            let bytes: Vec<_> = account
                .discriminator
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect();
            let (total, bytes) = (start + size, bytes.join(" "));
            format!("{total} bytes: {start} of discriminator (`{bytes}`) and {size} of fields.\n\n")
        }
        None => format!("{size} bytes.\n\n"),
    };
    let written = writers::writers(idl, name, names.first().context("a field")?)?.is_some();
    text.push_str("| Offset | Field | Type | Meaning |");
    text.push_str(if written { " Written by |\n" } else { "\n" });
    text.push_str("|---:|---|---|---|");
    text.push_str(if written { "---|\n" } else { "\n" });
    for (field, offset) in fields.iter().zip(offsets) {
        let meaning = prose(&field.docs);
        let (place, ty) = (start + offset, layout::name(&field.ty));
        text.push_str(&format!(
            "| {place} | `{}` | `{ty}` | {meaning} |",
            field.name
        ));
        if let Some(writers) = writers::writers(idl, name, &field.name)? {
            let writers = if writers.is_empty() { "–" } else { &writers };
            text.push_str(&format!(" {writers} |"));
        }
        text.push('\n');
    }
    Ok(text)
}

/// Every instruction's arguments and accounts, in the order of the transaction.
fn instructions(idl: &Idl) -> Result<String> {
    let mut text =
        String::from("| Instruction | Account | Signer | Writable | Must be | Meaning |\n");
    text.push_str("|---|---|:-:|:-:|---|---|\n");
    for instruction in &idl.instructions {
        let arguments = instruction.args.iter();
        let arguments: Vec<_> = arguments
            .map(|argument| format!("{}: {}", argument.name, layout::name(&argument.ty)))
            .collect();
        let mut title = format!("`{}({})`", instruction.name, arguments.join(", "));
        for item in &instruction.accounts {
            let IdlInstructionAccountItem::Single(account) = item else {
                bail!("{} has a group of accounts", instruction.name);
            };
            // What follows is said to Anchor, about accounts that the program checks itself.
            let meaning = prose(&account.docs);
            let meaning = meaning.split(" CHECK:").next().unwrap_or_default();
            let added = ADDED.iter().find(|(name, _)| *name == account.name);
            let meaning = added.map_or(meaning, |(_, meaning)| *meaning);
            let mark = |set: bool| if set { "✓" } else { "" };
            text.push_str(&format!(
                "| {title} | `{}` | {} | {} | {} | {meaning} |\n",
                account.name,
                mark(account.signer),
                mark(account.writable),
                identity(account)?
            ));
            title.clear();
        }
    }
    Ok(text)
}

/// Every event and the structs that only events hold, with their fields in the order of the bytes.
fn events(idl: &Idl) -> Result<String> {
    let mut text = String::from("| Event | Field | Type | Meaning |\n|---|---|---|---|\n");
    let mut parts = Vec::new();
    for event in &idl.events {
        event_fields(idl, &event.name, &mut text, &mut parts)?;
    }
    let mut next = 0;
    while let Some(name) = parts.get(next).cloned() {
        event_fields(idl, &name, &mut text, &mut parts)?;
        next += 1;
    }
    Ok(text)
}

/// The rows of one struct; structs it holds that are not in `parts` yet are added to them.
fn event_fields(idl: &Idl, name: &str, text: &mut String, parts: &mut Vec<String>) -> Result<()> {
    let mut title = format!("`{name}`");
    for field in layout::fields(idl, name)? {
        let (ty, meaning) = (layout::name(&field.ty), prose(&field.docs));
        text.push_str(&format!(
            "| {title} | `{}` | `{ty}` | {meaning} |\n",
            field.name
        ));
        title.clear();
        let part = match &field.ty {
            IdlType::Vec(item) => item.as_ref(),
            ty => ty,
        };
        if let IdlType::Defined { name, .. } = part {
            if !parts.contains(name) {
                parts.push(name.clone());
            }
        }
    }
    Ok(())
}

/// What determines an account: its seeds, its fixed address, or the accounts that store its key.
fn identity(account: &IdlInstructionAccount) -> Result<String> {
    if let Some(pda) = &account.pda {
        return Ok(format!("at `{}`", seeds(pda)?));
    }
    if let Some(address) = &account.address {
        let known = PROGRAMS.iter().find(|(key, _)| key == address);
        return Ok(known.map_or_else(|| format!("`{address}`"), |(_, name)| (*name).to_owned()));
    }
    let relations = account.relations.iter();
    let relations: Vec<_> = relations
        .map(|other| format!("`{other}.{}`", account.name))
        .collect();
    Ok(relations.join(" and "))
}

/// Seeds as the sources write them.
fn seeds(pda: &IdlPda) -> Result<String> {
    let seeds = pda.seeds.iter().map(|seed| {
        Ok(match seed {
            IdlSeed::Const(constant) => format!("{:?}", std::str::from_utf8(&constant.value)?),
            IdlSeed::Arg(argument) => argument.path.clone(),
            IdlSeed::Account(account) => account.path.clone(),
        })
    });
    let seeds: Vec<String> = seeds.collect::<Result<_>>()?;
    Ok(format!("[{}]", seeds.join(", ")))
}

/// Documentation as one line of Markdown that a table can hold.
fn prose(docs: &[String]) -> String {
    let text = docs.join(" ");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // Links of rustdoc lead nowhere here; paths are shortened to their names.
    let text = text
        .replace("[`super::", "[`")
        .replace("[`", "`")
        .replace("`]", "`");
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::prose;

    #[test]
    fn documentation_becomes_a_cell() {
        let docs = [
            "Layout of [`super::Bank`],".to_owned(),
            String::new(),
            "a|b.".to_owned(),
        ];
        assert_eq!(prose(&docs), "Layout of `Bank`, a\\|b.");
    }
}
