//! The program as real sBPF: an upstream nightly and `sbpf-linker`, nothing from the Solana platform-tools.
//!
//! Every flag here is one the route needs. They must stay the same for all programs and all steps: cargo builds the
//! standard library for the target along with the program, and a flag that differs builds it again (30 to 50 s).

use crate::process::{command, output, run, step};
use anyhow::{bail, Context, Result};
use serde_json::{json, Value};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The nightly of LLVM 23 that the route was proven with; LLVM 22 has neither stack arguments nor 128-bit builtins.
pub const NIGHTLY: &str = "nightly-2026-09-15";
/// The linker's version, installed under `target/tools`.
pub const LINKER: &str = "0.2.6";
/// Name of the generated target, and so of its folder under `target/sbf`.
const TARGET: &str = "sbpf-solana";
/// Upstream target the generated one starts from.
const BASE_TARGET: &str = "bpfel-unknown-none";

/// One ELF: which package, with which features, and where it goes.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Cargo package.
    pub package: &'static str,
    /// Name of the library, with underscores.
    pub library: &'static str,
    /// Features to switch on.
    pub features: &'static [&'static str],
    /// Where the ELF goes, relative to `target/deploy`.
    pub elf: &'static str,
}

/// The program itself.
pub const ESTUARY: Program = Program {
    package: "estuary",
    library: "estuary",
    features: &[],
    elf: "estuary.so",
};
/// The program with 128 positions to an account, for measurements only.
pub const ESTUARY_WIDE: Program = Program {
    package: "estuary",
    library: "estuary",
    features: &["bench-wide-accounts"],
    elf: "bench/estuary.so",
};
/// The test-only program of the differential test.
pub const DIFFERENTIAL: Program = Program {
    package: "estuary-differential",
    library: "estuary_differential",
    features: &[],
    elf: "estuary_differential.so",
};

/// Everything that the tests and the measurements run.
pub const ALL: &[Program] = &[ESTUARY, ESTUARY_WIDE, DIFFERENTIAL];

/// Why the tools of the route are not there.
#[derive(Debug)]
pub struct Unavailable(pub String);

impl std::fmt::Display for Unavailable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unavailable {}

/// Builds each program in turn and puts the ELFs under `target/deploy`.
///
/// # Errors
/// [`Unavailable`] when the nightly or the linker is missing and cannot be installed; otherwise what cargo said.
pub fn build(root: &Path, programs: &[Program]) -> Result<Vec<PathBuf>> {
    ensure_nightly(root)?;
    let linker = ensure_linker(root)?;
    let target = write_target(root)?;
    let mut elfs = Vec::with_capacity(programs.len());
    for program in programs {
        elfs.push(build_one(root, &linker, &target, program)?);
    }
    Ok(elfs)
}

/// The pinned nightly with the sources of std, installed when missing.
fn ensure_nightly(root: &Path) -> Result<()> {
    if nightly_is_complete(root) {
        step(format!("{NIGHTLY} with rust-src is installed"));
        return Ok(());
    }
    step(format!("installing {NIGHTLY} with rust-src"));
    let mut rustup = command("rustup", root);
    rustup.args([
        "toolchain",
        "install",
        NIGHTLY,
        "--profile",
        "minimal",
        "--component",
        "rust-src",
        "--no-self-update",
    ]);
    run(&mut rustup).map_err(|error| {
        Unavailable(format!(
            "{NIGHTLY}, which builds the program, is not installed and could not be fetched ({error:#}); install it \
             where there is a network with `rustup toolchain install {NIGHTLY} --profile minimal --component rust-src`"
        ))
    })?;
    if !nightly_is_complete(root) {
        bail!(Unavailable(format!(
            "{NIGHTLY} was installed, but its standard library's sources are missing"
        )));
    }
    Ok(())
}

/// Asked of the compiler itself, because `rustup component list` needs the toolchain's manifest, which a linked
/// toolchain does not have.
fn nightly_is_complete(root: &Path) -> bool {
    let mut rustc = command("rustup", root);
    rustc
        .args(["run", NIGHTLY, "rustc", "--print", "sysroot"])
        .stderr(std::process::Stdio::null());
    let Ok(answer) = rustc.output() else {
        return false;
    };
    let sysroot = String::from_utf8_lossy(&answer.stdout);
    answer.status.success()
        && Path::new(sysroot.trim())
            .join("lib/rustlib/src/rust/library/std/Cargo.toml")
            .is_file()
}

/// Path of the pinned `sbpf-linker`, installed under `target/tools` when missing.
fn ensure_linker(root: &Path) -> Result<PathBuf> {
    let tools = root.join("target/tools");
    let linker = tools.join("bin/sbpf-linker");
    if linker_version(&linker).is_some_and(|version| version == LINKER) {
        step(format!("sbpf-linker {LINKER} is installed"));
        return Ok(linker);
    }
    step(format!(
        "installing sbpf-linker {LINKER} into {}",
        tools.display()
    ));
    let mut cargo = nightly_cargo(root);
    cargo
        .args([
            "install",
            "sbpf-linker",
            "--version",
            LINKER,
            "--locked",
            "--force",
            "--root",
        ])
        .arg(&tools);
    cargo.env("CARGO_TARGET_DIR", root.join("target/tools/build"));
    run(&mut cargo).map_err(|error| {
        Unavailable(format!(
            "sbpf-linker {LINKER} could not be installed: {error:#}"
        ))
    })?;
    Ok(linker)
}

/// Version the linker reports, if it is there and runs.
fn linker_version(linker: &Path) -> Option<String> {
    let answer = Command::new(linker).arg("--version").output().ok()?;
    let text = String::from_utf8(answer.stdout).ok()?;
    let version = text.lines().next()?.split_whitespace().nth(1)?;
    Some(version.to_owned())
}

/// Writes the target file from the compiler's own description of the upstream target, changed in four places.
fn write_target(root: &Path) -> Result<PathBuf> {
    let mut rustc = command("rustup", root);
    rustc.args([
        "run",
        NIGHTLY,
        "rustc",
        "-Zunstable-options",
        "--print",
        "target-spec-json",
        "--target",
        BASE_TARGET,
    ]);
    let mut spec: Value =
        serde_json::from_str(&output(&mut rustc)?).context("the target of rustc is not JSON")?;
    let keys = spec
        .as_object_mut()
        .context("the target of rustc is not a JSON object")?;
    // The one os for which std has an allocator without system calls and is not restricted.
    keys.insert("os".to_owned(), json!("zkvm"));
    keys.insert("vendor".to_owned(), json!("solana"));
    // Atomics exist as types; the pass lower-atomic turns them into plain loads and stores (one thread).
    keys.insert("atomic-cas".to_owned(), json!(true));
    keys.insert("min-atomic-width".to_owned(), json!(8));
    let path = root.join("target/sbf").join(format!("{TARGET}.json"));
    let text = format!("{spec:#}\n");
    // Written only when it differs: its time is part of cargo's fingerprint.
    if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
        fs::create_dir_all(root.join("target/sbf"))?;
        fs::write(&path, text).with_context(|| format!("could not write {}", path.display()))?;
    }
    Ok(path)
}

/// Builds one program and copies its ELF.
fn build_one(root: &Path, linker: &Path, target: &Path, program: &Program) -> Result<PathBuf> {
    step(format!("building {} for sBPF v3", named(program)));
    let mut cargo = nightly_cargo(root);
    cargo.args([
        "build",
        "--release",
        "--locked",
        "--lib",
        "--package",
        program.package,
    ]);
    if !program.features.is_empty() {
        cargo.arg("--features").arg(program.features.join(","));
    }
    cargo.arg("--target").arg(target);
    cargo.args([
        "-Z",
        "json-target-spec",
        "-Z",
        "build-std=std,panic_abort",
        "-Z",
        "build-std-features=",
    ]);
    // Copied here by cargo itself, under its lock: two builds with different features share the target folder.
    let out = root
        .join("target/sbf/out")
        .join(program.elf.trim_end_matches(".so"));
    cargo
        .args(["-Z", "unstable-options", "--artifact-dir"])
        .arg(&out);
    cargo.env("RUSTC_BOOTSTRAP_SYNTHETIC_TARGET", "1");
    cargo.env("CARGO_ENCODED_RUSTFLAGS", rustflags(linker).join("\u{1f}"));
    cargo.env("CARGO_TARGET_DIR", root.join("target/sbf"));
    cargo.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1");
    run(&mut cargo)?;
    let built = out.join(format!("lib{}.so", program.library));
    let elf = root.join("target/deploy").join(program.elf);
    let size = install_elf(&built, &elf)?;
    step(format!(
        "{}: {size} bytes",
        elf.strip_prefix(root).unwrap_or(&elf).display()
    ));
    Ok(elf)
}

/// Copies an ELF into place after a look at its header; returns its size.
fn install_elf(built: &Path, elf: &Path) -> Result<usize> {
    let bytes =
        fs::read(built).with_context(|| format!("cargo left no ELF at {}", built.display()))?;
    let version =
        elf_version(&bytes).with_context(|| format!("{} is not an ELF", built.display()))?;
    if version != 3 {
        bail!("{} is sBPF v{version}, expected v3", built.display());
    }
    if fs::read(elf).ok().as_deref() != Some(&bytes) {
        let folder = elf.parent().context("an ELF has a folder")?;
        fs::create_dir_all(folder)?;
        // Through a rename, so that a test which loads the ELF at this moment sees the old one or the new one.
        let half = elf.with_extension("so.part");
        fs::write(&half, &bytes)?;
        fs::rename(&half, elf)?;
    }
    Ok(bytes.len())
}

/// sBPF version of an ELF: the header's flags word.
fn elf_version(bytes: &[u8]) -> Option<u32> {
    let flags = bytes.get(48..52)?.try_into().ok()?;
    bytes
        .starts_with(b"\x7fELF")
        .then(|| u32::from_le_bytes(flags))
}

/// Package and features in one phrase.
fn named(program: &Program) -> String {
    match program.features {
        [] => program.package.to_owned(),
        features => format!("{} with {}", program.package, features.join(",")),
    }
}

/// `cargo` of the pinned nightly; the linker loads LLVM from the same toolchain.
fn nightly_cargo(root: &Path) -> Command {
    let mut cargo = command("rustup", root);
    cargo.args(["run", NIGHTLY, "cargo"]);
    cargo
}

/// Flags for rustc on the sBPF target.
fn rustflags(linker: &Path) -> Vec<String> {
    let mut flags = vec![format!("-Clinker={}", linker.display())];
    flags.extend(
        CODE_FLAGS
            .iter()
            .chain(LINK_FLAGS)
            .chain(CFG_FLAGS)
            .map(|flag| (*flag).to_owned()),
    );
    flags
}

/// How code is made.
const CODE_FLAGS: &[&str] = &[
    "-Crelocation-model=static",
    "-Ctarget-cpu=v4",
    "-Ctarget-feature=+allows-misaligned-mem-access",
    "-Cpasses=lower-atomic",
    "-Zunstable-options",
    "-Cpanic=immediate-abort",
];

/// What the linker is told.
const LINK_FLAGS: &[&str] = &[
    "-Clink-arg=--arch=v3",
    // It would put the wide build in the shipped one's place.
    "-Clink-arg=--deploy=false",
    // Builtins that LLVM calls only after the linker has dropped what nobody exports.
    concat!(
        "-Clink-arg=--export=__multi3,__adddf3,__subdf3,__negdf2,__muldf3,__divdf3,",
        "__floatundidf,__fixunsdfdi,__gedf2,__gtdf2"
    ),
    "-Clink-arg=--llvm-args=-bpf-stack-size=4096",
    "-Clink-arg=--llvm-args=--bpf-max-stores-per-memfunc=5",
    // Instructions of BPF v4 that sBPF does not have.
    "-Clink-arg=--llvm-args=--disable-gotox",
    "-Clink-arg=--llvm-args=--disable-ldsx",
    "-Clink-arg=--llvm-args=--disable-movsx",
    "-Clink-arg=--llvm-args=--disable-bswap",
    // To LLVM's BPF a division by zero is harmless (it yields 0), so these two passes move divisions above their guards;
    // sBPF traps. The family "i64 division" of the differential test fails without the first.
    "-Clink-arg=--llvm-args=--disable-machine-cse",
    "-Clink-arg=--llvm-args=--disable-machine-licm",
];

/// What the sources see.
const CFG_FLAGS: &[&str] = &[
    "--cfg=target_os=\"solana\"",
    "--cfg=target_feature=\"static-syscalls\"",
    // Only std's allocator looks at the arch: `csky` has a minimum alignment of 8.
    "--cfg=target_arch=\"csky\"",
    "-Aexplicit_builtin_cfgs_in_flags",
    // The linker names each LLVM it tried before the one it took.
    "-Alinker_messages",
];
