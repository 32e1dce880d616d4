//! Where the ELFs under test are.

use std::path::{Path, PathBuf};

/// The folder of the ELFs: `ESTUARY_ELF_DIR`, or where `cargo xtask build-sbf` puts them.
pub fn folder() -> PathBuf {
    std::env::var_os("ESTUARY_ELF_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/deploy"),
        PathBuf::from,
    )
}

/// The ELF of that name.
///
/// # Panics
/// When there is none, with how to build it.
pub fn path(name: &str) -> PathBuf {
    let path = folder().join(name);
    assert!(
        path.is_file(),
        "{} is missing: run `cargo xtask build-sbf`",
        path.display()
    );
    path
}
