//! What became of a transaction, to be asserted exactly: a refusal names its error, or the test fails.

use anchor_lang::error::ERROR_CODE_OFFSET;
use anchor_lang::event::EVENT_IX_TAG_LE;
use anchor_lang::prelude::{ErrorCode, Pubkey};
use anchor_spl::token::spl_token::error::TokenError;
use estuary::EstuaryError;
use estuary_client::event::Event;
use litesvm::types::{TransactionMetadata, TransactionResult};
use solana_instruction_error::InstructionError;
use solana_transaction_error::TransactionError;

/// The system program's "an account with this address exists".
const ACCOUNT_ALREADY_IN_USE: u32 = 0;

/// The result of a transaction whose consequences have been checked already.
#[must_use]
#[derive(Debug)]
pub struct Outcome(pub(crate) TransactionResult);

/// The program's events in a transaction, in their order.
///
/// # Panics
/// When one does not decode.
pub fn events(done: &TransactionMetadata) -> Vec<Event> {
    let inner = done.inner_instructions.iter().flatten();
    inner
        .map(|inner| &inner.instruction.data)
        .filter(|data| data.starts_with(EVENT_IX_TAG_LE))
        .map(|data| Event::decode(data).expect("an event that the client knows"))
        .collect()
}

impl Outcome {
    /// The metadata of a transaction that has to succeed.
    ///
    /// # Panics
    /// With the error and the logs when it failed.
    #[track_caller]
    pub fn ok(self) -> TransactionMetadata {
        match self.0 {
            Ok(metadata) => metadata,
            Err(failed) => panic!("{}\n{}", failed.err, failed.meta.logs.join("\n")),
        }
    }

    /// Compute units that the transaction used, whether it succeeded or not.
    pub fn compute_units(&self) -> u64 {
        match &self.0 {
            Ok(metadata) => metadata.compute_units_consumed,
            Err(failed) => failed.meta.compute_units_consumed,
        }
    }

    /// The events of a transaction; none of one that failed.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.0.as_ref().map(events).unwrap_or_default()
    }

    /// The event of a transaction that has to succeed and to emit this one.
    #[track_caller]
    pub fn event(self) -> Event {
        let events = events(&self.ok());
        let [event] = &events[..] else {
            panic!("one event expected: {events:?}");
        };
        event.clone()
    }

    /// Asserts that Estuary refused with exactly this error.
    #[track_caller]
    pub fn refused(self, error: EstuaryError) {
        let name = format!("{error:?}");
        self.refused_with(&estuary::ID, u32::from(error), &name);
    }

    /// Asserts that one of Anchor's own checks in Estuary refused, such as a missing signature or a wrong address.
    #[track_caller]
    pub fn refused_by_anchor(self, error: ErrorCode) {
        let name = format!("{error:?}");
        self.refused_with(&estuary::ID, u32::from(error), &name);
    }

    /// Asserts that the token program refused a transfer.
    #[track_caller]
    pub fn refused_by_token(self, error: TokenError) {
        let name = format!("{error:?}");
        self.refused_with(&anchor_spl::token::ID, error as u32, &name);
    }

    /// Asserts that the system program refused because the account exists.
    #[track_caller]
    pub fn refused_as_existing(self) {
        let system = anchor_lang::system_program::ID;
        self.refused_with(&system, ACCOUNT_ALREADY_IN_USE, "AccountAlreadyInUse");
    }

    /// The program that failed first and its error, if the transaction failed.
    ///
    /// # Errors
    /// With error and logs when it failed otherwise than by an error that a program or the runtime has for it.
    pub fn refusal(self) -> Result<Option<(Pubkey, InstructionError)>, String> {
        let Err(failed) = self.0 else {
            return Ok(None);
        };
        let logs = &failed.meta.logs;
        let unnamed = || format!("{}\n{}", failed.err, logs.join("\n"));
        let error = match &failed.err {
            TransactionError::InstructionError(_, InstructionError::ProgramFailedToComplete) => {
                return Err(unnamed())
            }
            TransactionError::InstructionError(_, error) => error.clone(),
            _ => return Err(unnamed()),
        };
        let program = logs
            .iter()
            .find(|line| line.contains(" failed: "))
            .and_then(|line| line.split(' ').nth(1))
            .and_then(|program| program.parse().ok());
        program
            .map(|program| Some((program, error)))
            .ok_or_else(unnamed)
    }

    /// Whether the transaction failed, for whatever reason: for refusals of code that is not ours.
    pub fn is_refused(self) -> bool {
        self.0.is_err()
    }

    /// The error of Estuary's own that refused, if one did. Nothing else may have gone wrong.
    #[track_caller]
    pub fn estuary_error(self) -> Option<u32> {
        let failed = self.0.err()?;
        let logs = failed.meta.logs.join("\n");
        let custom = match failed.err {
            TransactionError::InstructionError(_, InstructionError::Custom(code)) => code,
            other => panic!("{other}\n{logs}"),
        };
        assert!(custom >= ERROR_CODE_OFFSET, "{custom}\n{logs}");
        Some(custom)
    }

    /// Asserts a custom error of the program that failed first.
    #[track_caller]
    fn refused_with(self, program: &Pubkey, code: u32, name: &str) {
        let failed = match self.0 {
            Ok(_) => panic!("expected {name}, but it succeeded"),
            Err(failed) => failed,
        };
        let logs = failed.meta.logs.join("\n");
        let TransactionError::InstructionError(_, InstructionError::Custom(found)) = failed.err
        else {
            panic!("expected {name}, got {}\n{logs}", failed.err);
        };
        assert_eq!(found, code, "expected {name}\n{logs}");
        let failure = format!("Program {program} failed: ");
        let first = failed
            .meta
            .logs
            .iter()
            .find(|line| line.contains(" failed: "));
        assert!(
            first.is_some_and(|line| line.starts_with(&failure)),
            "expected {name} of {program}\n{logs}"
        );
    }
}
