//! What a program that governs a clearinghouse needs of a cluster, whichever way it reaches it.

use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;

use solana_signer::Signer;

/// Address of the clock.
const CLOCK: Pubkey = Pubkey::from_str_const("SysvarC1ock11111111111111111111111111111111");

/// Why a cluster could not be read, or refused a transaction.
pub type ChainError = Box<dyn std::error::Error + Send + Sync>;

/// An account as it was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedAccount {
    /// The program that owns it.
    pub owner: Pubkey,
    /// Whether it is a program.
    pub executable: bool,
    /// Its bytes.
    pub data: Vec<u8>,
}

/// A cluster, or something that behaves like one.
pub trait Chain {
    /// The account at an address, if there is one.
    ///
    /// # Errors
    /// When the cluster cannot be reached.
    fn account(&self, address: &Pubkey) -> Result<Option<FetchedAccount>, ChainError>;

    /// Executes instructions in one transaction, all or none, and waits until it is confirmed. Whether the first signer
    /// pays is up to the implementation.
    ///
    /// # Errors
    /// What the program or the cluster said.
    fn send(
        &mut self,
        instructions: &[Instruction],
        signers: &[&dyn Signer],
    ) -> Result<(), ChainError>;

    /// The cluster's clock, unix seconds.
    ///
    /// # Errors
    /// When the clock cannot be read.
    fn unix_time(&self) -> Result<i64, ChainError> {
        // Slot, start of the epoch, epoch, epoch of the leader schedule, then the time: five words of eight bytes.
        let clock = self.account(&CLOCK)?;
        let time = clock
            .as_ref()
            .and_then(|clock| clock.data.get(32..40))
            .and_then(|bytes| bytes.try_into().ok());
        time.map(i64::from_le_bytes)
            .ok_or_else(|| "the cluster has no clock".into())
    }
}
