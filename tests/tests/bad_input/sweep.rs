//! What no cell names: every account of every instruction in every place, accounts cut off, flags taken away, data cut
//! and flipped. Whether such an instruction fails is not asserted here; if it does, a program has to say why, and
//! `World::send` checks as ever that nothing changed and that the books are right.

use crate::case::Case;
use crate::row::Row;
use crate::stage::Stage;
use crate::{instructions, table, Names};
use anchor_lang::solana_program::instruction::Instruction;
use estuary_tests::InstructionError;

/// Whether a failure says what is wrong. Besides errors of programs there are two: of the runtime, when Anchor makes an
/// account that the transaction has not marked as writable, and of the token library, when something else than a mint or
/// a token account is in the place of one; Anchor logs which.
fn is_named(error: &InstructionError) -> bool {
    matches!(
        error,
        InstructionError::Custom(_)
            | InstructionError::PrivilegeEscalation
            | InstructionError::InvalidAccountData
    )
}

/// Sends a row's good instruction as `change` leaves it and returns what was wrong with its failure.
fn sent(
    row: &Row,
    stage: &Stage,
    names: &Names,
    change: &dyn Fn(&mut Instruction),
) -> Option<String> {
    let mut stage = stage.fork();
    let good = (row.good)(&mut stage);
    let mut case = Case::new(&mut stage, good, &names[row.name]);
    change(&mut case.instruction);
    match case.send().refusal() {
        Ok(None) => None,
        Ok(Some((_, error))) if is_named(&error) => None,
        Ok(Some((program, error))) => Some(format!("{error:?} of {program}")),
        Err(failure) => Some(failure),
    }
}

/// Runs changes of every row, as many as `count` says for its good instruction.
fn sweep(count: impl Fn(&Instruction) -> usize, change: impl Fn(&mut Instruction, usize)) {
    let (stage, names) = (Stage::new(), instructions());
    let mut sends = 0;
    let mut wrong = Vec::new();
    for row in table() {
        let good = (row.good)(&mut stage.fork()).instruction;
        for number in 0..count(&good) {
            let found = sent(&row, &stage, &names, &|good| change(good, number));
            sends += 1;
            wrong.extend(found.map(|found| format!("{} {number}: {found}", row.name)));
        }
    }
    println!("{sends} instructions");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_account_fails_with_a_reason_in_every_place() {
    let count = |good: &Instruction| good.accounts.len() * good.accounts.len();
    sweep(count, |good, number| {
        let accounts = good.accounts.len();
        let (place, other) = (number / accounts, number % accounts);
        // Who does not sign anywhere cannot be made to.
        if good.accounts[other].is_signer >= good.accounts[place].is_signer {
            good.accounts[place].pubkey = good.accounts[other].pubkey;
        }
    });
}

#[test]
fn every_account_there_is_fails_with_a_reason_in_every_place() {
    let cast = Stage::new().cast();
    let count = |good: &Instruction| good.accounts.len() * cast.len();
    sweep(count, |good, number| {
        let account = &mut good.accounts[number / cast.len()];
        if !account.is_signer {
            account.pubkey = cast[number % cast.len()];
        }
    });
}

#[test]
fn accounts_cut_off_fail_with_a_reason() {
    let count = |good: &Instruction| good.accounts.len();
    sweep(count, |good, number| good.accounts.truncate(number));
}

#[test]
fn accounts_left_out_fail_with_a_reason() {
    let count = |good: &Instruction| good.accounts.len();
    sweep(count, |good, number| {
        good.accounts.remove(number);
    });
}

#[test]
fn accounts_without_their_flags_fail_with_a_reason() {
    let count = |good: &Instruction| 2 * good.accounts.len();
    sweep(count, |good, number| {
        let account = &mut good.accounts[number / 2];
        if number % 2 == 0 {
            account.is_writable = false;
        } else {
            account.is_signer = false;
        }
    });
}

#[test]
fn data_cut_off_fails_with_a_reason() {
    let count = |good: &Instruction| good.data.len();
    sweep(count, |good, number| good.data.truncate(number));
}

#[test]
fn data_with_a_byte_changed_fails_with_a_reason_or_means_something_else() {
    const VALUES: [u8; 4] = [0, 1, 0x7f, 0xff];
    // The first eight bytes choose the instruction.
    let count = |good: &Instruction| (good.data.len() - 8) * VALUES.len();
    sweep(count, |good, number| {
        good.data[8 + number / VALUES.len()] = VALUES[number % VALUES.len()];
    });
}
