//! Names for what transactions fail with.

use anchor_lang::error::ERROR_CODE_OFFSET;
use estuary::EstuaryError;

/// A custom error code of a failed instruction, named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgramFailure {
    /// One of the program's own errors.
    Estuary(EstuaryError),
    /// An error of the framework, below 6,000: a missing signature, an account of the wrong type and so on.
    Framework(u32),
    /// A code this client does not know.
    Unknown(u32),
}

impl ProgramFailure {
    /// Names a custom error code of an instruction of this program.
    #[must_use]
    pub fn from_code(code: u32) -> Self {
        match EstuaryError::from_code(code) {
            Some(error) => Self::Estuary(error),
            None if code < ERROR_CODE_OFFSET => Self::Framework(code),
            None => Self::Unknown(code),
        }
    }
}

impl core::fmt::Display for ProgramFailure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Estuary(error) => write!(f, "{}: {error}", error.name()),
            Self::Framework(code) => write!(f, "framework error {code}"),
            Self::Unknown(code) => write!(f, "unknown error {code}"),
        }
    }
}

impl std::error::Error for ProgramFailure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_named_both_ways() {
        let first = EstuaryError::AccountVersionUnsupported;
        let codes = first.code()..;
        let errors = codes.map_while(EstuaryError::from_code);
        let mut none = first.code();
        for error in errors {
            none = error.code() + 1;
            let named = ProgramFailure::from_code(error.code());
            assert_eq!(named, ProgramFailure::Estuary(error));
            assert!(named.to_string().starts_with(&error.name()));
        }
        assert_eq!(
            ProgramFailure::from_code(2_001),
            ProgramFailure::Framework(2_001)
        );
        assert_eq!(
            ProgramFailure::from_code(none),
            ProgramFailure::Unknown(none)
        );
    }
}
