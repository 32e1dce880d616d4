//! What tests that need the program share.

use std::path::{Path, PathBuf};

/// The program, or nothing where going without it is allowed.
pub fn elf() -> Option<PathBuf> {
    let folder = std::env::var_os("ESTUARY_ELF_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/deploy"),
        PathBuf::from,
    );
    let elf = folder.join("estuary.so");
    if elf.is_file() {
        return Some(elf);
    }
    let allowed = std::env::var("ESTUARY_ALLOW_NO_SBF").is_ok_and(|value| value == "1");
    assert!(
        allowed,
        "{} is missing: run `cargo xtask build-sbf`",
        elf.display()
    );
    eprintln!(
        "left out: {} is missing, `cargo xtask build-sbf` makes it",
        elf.display()
    );
    None
}
