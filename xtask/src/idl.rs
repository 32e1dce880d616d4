//! `cargo xtask idl`: the program's interface description, and the tables of `docs/accounts.md` made from it.
//!
//! The description comes from Anchor's own builder, which compiles the program's tests with the feature `idl-build` and
//! reads what they print: nothing is downloaded. Types that no instruction names (a market's series, the views of
//! `margin_report`) are printed by a test of the program and added here.

mod layout;
pub mod page;
mod tables;
mod writers;

use crate::process::{host_cargo, output, step};
use anchor_lang_idl::build::IdlBuilder;
use anchor_lang_idl::types::{Idl, IdlTypeDef};
use anyhow::{bail, ensure, Context, Result};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Where the description is committed.
const IDL: &str = "app/idl/estuary.json";
/// The page with generated tables.
const PAGE: &str = "docs/accounts.md";
/// The program's test that prints the types no instruction names.
const TYPES_TEST: &str = "idl::prints_types";
/// What encloses its output.
const TYPES_MARKS: [&str; 2] = ["--- IDL begin types ---", "--- IDL end types ---"];

/// Which packages cargo selects. The description is the same; what differs is whose dependencies are compiled.
#[derive(Clone, Copy, Debug)]
pub enum Selection {
    /// The program alone: least to compile on its own.
    Program,
    /// The workspace: least to compile after its tests were built, because features are resolved as they were then.
    Workspace,
}

impl Selection {
    fn arguments(self) -> Vec<String> {
        let packages: &[&str] = match self {
            Self::Program => &["--package", "estuary"],
            Self::Workspace => &["--workspace"],
        };
        let arguments = packages.iter().chain(&["--lib", "--locked"]);
        arguments.map(ToString::to_string).collect()
    }
}

/// Writes the description and the page's tables.
///
/// # Errors
/// When the program does not compile, and when the page lacks a mark or a field lacks a writer.
pub fn write(root: &Path) -> Result<()> {
    for (name, text) in generate(root, Selection::Program)? {
        let path = root.join(name);
        if fs::read_to_string(&path).is_ok_and(|found| found == text) {
            step(format!("{name} is up to date"));
            continue;
        }
        let folder = path.parent().context("the file has a folder")?;
        fs::create_dir_all(folder)?;
        fs::write(&path, text).with_context(|| format!("could not write {name}"))?;
        step(format!("wrote {name}"));
    }
    Ok(())
}

/// Compares what is committed with what the sources say.
///
/// # Errors
/// Names each file that differs and its first differing line.
pub fn check(root: &Path, selection: Selection) -> Result<()> {
    let mut differing = Vec::new();
    for (name, text) in generate(root, selection)? {
        let found = fs::read_to_string(root.join(name)).unwrap_or_default();
        if found == text {
            continue;
        }
        let same = found.lines().zip(text.lines());
        let line = same.take_while(|(found, wanted)| found == wanted).count() + 1;
        differing.push(format!("{name} (from line {line})"));
    }
    if !differing.is_empty() {
        let files = differing.join(", ");
        bail!("out of date: {files}; `cargo xtask idl` writes what the program says");
    }
    step("the IDL and the tables of accounts are up to date");
    Ok(())
}

/// Each file's name and what it should hold.
fn generate(root: &Path, selection: Selection) -> Result<[(&'static str, String); 2]> {
    step("building the IDL");
    let idl = build(root, selection)?;
    let page = fs::read_to_string(root.join(PAGE)).with_context(|| format!("no {PAGE}"))?;
    let page = page::fill(&page, |section| tables::section(&idl, section))
        .with_context(|| format!("in {PAGE}"))?;
    let json = serde_json::to_string_pretty(&idl)?;
    let here = root.to_string_lossy();
    ensure!(
        !json.contains(&*here),
        "the IDL names this machine's {here}"
    );
    Ok([(IDL, json + "\n"), (PAGE, page)])
}

/// Builds the description.
fn build(root: &Path, selection: Selection) -> Result<Idl> {
    // The builder installs the toolchain this names, and passes it on wrongly.
    std::env::remove_var("RUSTUP_TOOLCHAIN");
    // The builder sets RUSTFLAGS, and other flags would compile every dependency again; this takes precedence.
    if std::env::var_os("CARGO_ENCODED_RUSTFLAGS").is_none() {
        let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
        let flags: Vec<_> = flags.split_whitespace().collect();
        std::env::set_var("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    }
    let program = root.join("programs/estuary");
    let mut idl = IdlBuilder::new()
        .program_path(program.clone())
        .cargo_args(selection.arguments())
        .build()?;
    for definition in further_types(root, &program, selection)? {
        match idl.types.iter().find(|other| other.name == definition.name) {
            None => idl.types.push(definition),
            Some(same) if *same == definition => {}
            Some(other) => bail!("two types are named {}", other.name),
        }
    }
    idl.types
        .sort_unstable_by(|one, other| one.name.cmp(&other.name));
    ensure!(
        !idl.errors.is_empty(),
        "the description has no errors: was the program's error enum left out?"
    );
    Ok(idl)
}

/// The types that the program's own test prints.
fn further_types(root: &Path, program: &Path, selection: Selection) -> Result<Vec<IdlTypeDef>> {
    let mut cargo = host_cargo(root);
    // As the builder calls it, so that nothing is compiled again: Anchor's macros read these variables.
    cargo
        .current_dir(program)
        .env("ANCHOR_IDL_BUILD_NO_DOCS", "FALSE")
        .env("ANCHOR_IDL_BUILD_RESOLUTION", "TRUE")
        .env("ANCHOR_IDL_BUILD_SKIP_LINT", "FALSE")
        .env("ANCHOR_IDL_BUILD_PROGRAM_PATH", program)
        .args(["test", "--quiet", TYPES_TEST, "--features", "idl-build"])
        .args(selection.arguments())
        .args(["--", "--show-output", "--exact"]);
    let printed = output(&mut cargo)?;
    let [begin, end] = TYPES_MARKS;
    let json = printed
        .split_once(begin)
        .and_then(|(_, rest)| rest.split_once(end))
        .with_context(|| format!("the test {TYPES_TEST} of the program printed no types"))?
        .0;
    let mut types: Value = serde_json::from_str(json)?;
    shorten_names(&mut types);
    Ok(serde_json::from_value(types)?)
}

/// Replaces the paths that types are printed with by their last part, as the builder does.
fn shorten_names(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(name)) = object.get_mut("name") {
                if let Some((_, last)) = name.rsplit_once("::") {
                    *name = last.to_owned();
                }
            }
            object.values_mut().for_each(shorten_names);
        }
        Value::Array(items) => items.iter_mut().for_each(shorten_names),
        _ => {}
    }
}
