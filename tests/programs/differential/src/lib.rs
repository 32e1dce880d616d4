//! Test-only program of the build route: arithmetic and faults, run in the ELF and on the host.

#[cfg(target_os = "solana")]
use solana_compiler_builtins as _;

#[cfg(not(feature = "no-entrypoint"))]
mod entry {
    use anchor_lang::solana_program::account_info::AccountInfo;
    use anchor_lang::solana_program::entrypoint::ProgramResult;
    use anchor_lang::solana_program::pubkey::Pubkey;

    anchor_lang::solana_program::entrypoint!(process);

    fn process(_program: &Pubkey, _accounts: &[AccountInfo], data: &[u8]) -> ProgramResult {
        let a: i128 = data.len() as i128;
        if a * a / 3 == 5 {
            return Err(anchor_lang::solana_program::program_error::ProgramError::InvalidArgument);
        }
        Ok(())
    }
}
