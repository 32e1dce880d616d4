//! The build route makes ELFs that compute what the host computes, and that stop where the host would panic.
//!
//! The program under test is `tests/programs/differential`, built by `cargo xtask build-sbf differential`; the same
//! functions run here and in the ELF.

use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::solana_program::pubkey::Pubkey;
use estuary_differential::families::{Family, FAMILIES};
use estuary_differential::faults::FAULTS;
use estuary_differential::Request;
use litesvm::types::TransactionResult;
use litesvm::LiteSVM;
use solana_compute_budget::compute_budget::ComputeBudget;
use solana_instruction_error::InstructionError;
use solana_keypair::Keypair;
use solana_signer::Signer;
use solana_transaction::Transaction;
use solana_transaction_error::TransactionError;
use std::path::{Path, PathBuf};

/// A transaction's compute units here: far above what is needed, so that no fault is an exhausted budget.
const COMPUTE_UNITS: u64 = 200_000_000;

/// An SVM with the differential program.
struct Machine {
    svm: LiteSVM,
    program: Pubkey,
    payer: Keypair,
}

impl Machine {
    fn new() -> Self {
        let budget = ComputeBudget {
            compute_unit_limit: COMPUTE_UNITS,
            ..ComputeBudget::new_with_defaults(false)
        };
        let mut svm = LiteSVM::new()
            .with_compute_budget(budget)
            .with_sigverify(false)
            .with_blockhash_check(false)
            .with_transaction_history(0);
        let (program, payer) = (Pubkey::new_unique(), Keypair::new());
        svm.airdrop(&payer.pubkey(), 100_000_000_000)
            .expect("an airdrop");
        svm.add_program_from_file(program, elf("estuary_differential.so"))
            .expect("an ELF that loads");
        Self {
            svm,
            program,
            payer,
        }
    }

    /// Runs one request.
    #[allow(clippy::result_large_err, reason = "the SVM's own result")]
    fn send(&mut self, request: Request) -> TransactionResult {
        let instruction = Instruction::new_with_bytes(self.program, &request.encode(), Vec::new());
        let transaction = Transaction::new_signed_with_payer(
            &[instruction],
            Some(&self.payer.pubkey()),
            &[&self.payer],
            self.svm.latest_blockhash(),
        );
        self.svm.send_transaction(transaction)
    }

    /// What the ELF answers, or why it does not.
    fn answer(&mut self, request: Request) -> Result<u64, String> {
        let done = self
            .send(request)
            .map_err(|failed| format!("{}: {:?}", failed.err, failed.meta.logs))?;
        let bytes = done
            .return_data
            .data
            .as_slice()
            .try_into()
            .map_err(|_| "no return data".to_owned())?;
        Ok(u64::from_le_bytes(bytes))
    }
}

/// The ELF of that name; without it the test fails and says how to build it.
fn elf(name: &str) -> PathBuf {
    let folder = std::env::var_os("ESTUARY_ELF_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/deploy"),
        PathBuf::from,
    );
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "{} is missing: run `cargo xtask build-sbf estuary differential`",
        path.display()
    );
    path
}

/// The first case in which ELF and host differ, if a batch of this family differs.
fn first_difference(
    machine: &mut Machine,
    index: u8,
    family: &Family,
    first: u64,
) -> Option<String> {
    let ask = |first, count| Request::Family {
        family: index,
        first,
        count,
    };
    let batch = ask(first, family.batch);
    if machine.answer(batch).ok() == batch.answer() {
        return None;
    }
    let differing = (first..first + u64::from(family.batch)).find_map(|case| {
        let (elf, host) = (machine.answer(ask(case, 1)), ask(case, 1).answer());
        (elf.as_ref().ok() != host.as_ref())
            .then(|| format!("case {case}: ELF {elf:?}, host {host:?}"))
    });
    let whole = || {
        format!(
            "batch at {first}: ELF {:?}, host {:?}",
            machine.answer(batch),
            batch.answer()
        )
    };
    Some(format!(
        "{}: {}",
        family.name,
        differing.unwrap_or_else(whole)
    ))
}

#[test]
fn every_family_computes_the_same_bits_as_the_host() {
    let mut machine = Machine::new();
    let mut differences = Vec::new();
    for (index, family) in (0u8..).zip(FAMILIES) {
        let batches = (0..family.cases).step_by(family.batch as usize);
        let mut differing =
            batches.filter_map(|first| first_difference(&mut machine, index, family, first));
        differences.extend(differing.next());
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn every_fault_aborts_and_its_harmless_twin_returns_the_hosts_answer() {
    let mut machine = Machine::new();
    let mut passed_silently = Vec::new();
    for (index, fault) in (0u8..).zip(FAULTS) {
        let harmless = Request::Fault {
            fault: index,
            operand: fault.harmless,
        };
        assert_eq!(
            machine.answer(harmless).ok(),
            harmless.answer(),
            "{}, harmless operand",
            fault.name
        );
        let harmful = Request::Fault {
            fault: index,
            operand: fault.harmful,
        };
        let aborted =
            TransactionError::InstructionError(0, InstructionError::ProgramFailedToComplete);
        match machine.send(harmful) {
            Ok(done) => passed_silently.push(format!(
                "{}: returned {:?}",
                fault.name, done.return_data.data
            )),
            Err(failed) if failed.err != aborted => {
                passed_silently.push(format!("{}: {:?}", fault.name, failed.err));
            }
            // The machine takes all units after a fault of its own, so the count says nothing; the log does.
            Err(failed) => assert!(
                !failed
                    .meta
                    .logs
                    .iter()
                    .any(|line| line.contains("exceeded CUs")),
                "{} ran out of compute units: {:?}",
                fault.name,
                failed.meta.logs
            ),
        }
    }
    assert!(passed_silently.is_empty(), "{}", passed_silently.join("\n"));
}

#[test]
fn every_harmful_operand_panics_on_the_host_too() {
    // Not the heap and the stack, which are larger here, nor the one that would end this process.
    let machine_limits = [
        "allocation larger than the heap",
        "many allocations that fill the heap",
        "calls deeper than the stack",
    ];
    for fault in FAULTS
        .iter()
        .filter(|fault| !machine_limits.contains(&fault.name))
    {
        let run = || (fault.run)(fault.harmful);
        assert!(
            std::panic::catch_unwind(run).is_err(),
            "{} does not panic on the host",
            fault.name
        );
    }
}

#[test]
fn unknown_requests_are_refused() {
    let mut machine = Machine::new();
    for request in [
        Request::Family {
            family: u8::MAX,
            first: 0,
            count: 1,
        },
        Request::Fault {
            fault: u8::MAX,
            operand: 0,
        },
    ] {
        let failed = machine
            .send(request)
            .expect_err("an index that does not exist");
        let refused = TransactionError::InstructionError(0, InstructionError::InvalidArgument);
        assert_eq!(failed.err, refused);
    }
}
