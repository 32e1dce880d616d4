//! Test-only program of the build route, which ships nowhere.
//!
//! The route compiles with an upstream nightly and links with `sbpf-linker`; that it computes what a host computes is
//! not a given. Each [`families::Family`] is one pure function of a seed, run here and on the host and compared; each
//! [`faults::Fault`] must abort the ELF with its harmful operand and return the host's answer with its harmless one.

pub mod families;
pub mod faults;
pub mod random;
pub mod range_bound;

#[cfg(target_os = "solana")]
use solana_compiler_builtins as _;

/// What an instruction asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Digest over `count` cases of a family, the first one numbered `first`.
    Family {
        /// Index into [`families::FAMILIES`].
        family: u8,
        /// Number of the first case.
        first: u64,
        /// How many cases.
        count: u32,
    },
    /// One fault case with an operand.
    Fault {
        /// Index into [`faults::FAULTS`].
        fault: u8,
        /// The operand that decides whether it faults.
        operand: u64,
    },
    /// The certified range bound of one book, `count` times.
    RangeBound {
        /// How often.
        count: u64,
    },
}

impl Request {
    /// As instruction data.
    pub fn encode(self) -> Vec<u8> {
        let (kind, index, word, count) = match self {
            Self::Family {
                family,
                first,
                count,
            } => (0, family, first, count),
            Self::Fault { fault, operand } => (1, fault, operand, 0),
            Self::RangeBound { count } => (2, 0, count, 0),
        };
        let mut data = vec![kind, index];
        data.extend_from_slice(&word.to_le_bytes());
        data.extend_from_slice(&count.to_le_bytes());
        data
    }

    /// From instruction data; `None` when it is not one.
    pub fn decode(data: &[u8]) -> Option<Self> {
        let [kind, index, rest @ ..] = data else {
            return None;
        };
        let (word, count) = rest.split_at_checked(8)?;
        let word = u64::from_le_bytes(word.try_into().ok()?);
        let count = u32::from_le_bytes(count.try_into().ok()?);
        match kind {
            0 => Some(Self::Family {
                family: *index,
                first: word,
                count,
            }),
            1 => Some(Self::Fault {
                fault: *index,
                operand: word,
            }),
            2 => Some(Self::RangeBound { count: word }),
            _ => None,
        }
    }

    /// The answer, here or on the host; `None` for an index that does not exist.
    pub fn answer(self) -> Option<u64> {
        match self {
            Self::Family {
                family,
                first,
                count,
            } => {
                let family = families::FAMILIES.get(usize::from(family))?;
                Some(families::digest(family, first, count))
            }
            Self::Fault { fault, operand } => {
                let fault = faults::FAULTS.get(usize::from(fault))?;
                Some((fault.run)(operand))
            }
            Self::RangeBound { count } => Some(range_bound::bound(count)),
        }
    }
}

#[cfg(not(feature = "no-entrypoint"))]
mod entry {
    use super::Request;
    use anchor_lang::solana_program::account_info::AccountInfo;
    use anchor_lang::solana_program::entrypoint;
    use anchor_lang::solana_program::entrypoint::ProgramResult;
    use anchor_lang::solana_program::program::set_return_data;
    use anchor_lang::solana_program::program_error::ProgramError;
    use anchor_lang::solana_program::pubkey::Pubkey;

    entrypoint!(process);

    /// Answers with eight bytes of return data.
    fn process(_program: &Pubkey, _accounts: &[AccountInfo], data: &[u8]) -> ProgramResult {
        let request = Request::decode(data).ok_or(ProgramError::InvalidInstructionData)?;
        let answer = request.answer().ok_or(ProgramError::InvalidArgument)?;
        set_return_data(&answer.to_le_bytes());
        Ok(())
    }
}
