//! A cluster reached by JSON-RPC.

use anchor_lang::prelude::Pubkey;
use estuary_client::chain::{Chain, ChainError, FetchedAccount};
use estuary_client::error::ProgramFailure;
use estuary_client::Instruction;
use solana_commitment_config::CommitmentConfig;
use solana_rpc_client::api::client_error::Error as ClientError;
use solana_rpc_client::rpc_client::RpcClient;
use solana_signer::Signer;
use solana_transaction::{InstructionError, Transaction, TransactionError};

/// A cluster's RPC endpoint.
pub struct Rpc {
    client: RpcClient,
}

impl Rpc {
    /// An endpoint; nothing is asked of it yet.
    pub fn new(url: &str) -> Self {
        let commitment = CommitmentConfig::confirmed();
        Self {
            client: RpcClient::new_with_commitment(url.to_owned(), commitment),
        }
    }
}

impl Chain for Rpc {
    fn account(&self, address: &Pubkey) -> Result<Option<FetchedAccount>, ChainError> {
        let commitment = CommitmentConfig::confirmed();
        let response = self
            .client
            .get_account_with_commitment(address, commitment)?;
        Ok(response.value.map(|account| FetchedAccount {
            owner: account.owner,
            executable: account.executable,
            data: account.data,
        }))
    }

    /// The first signer pays.
    fn send(
        &mut self,
        instructions: &[Instruction],
        signers: &[&dyn Signer],
    ) -> Result<(), ChainError> {
        let payer = signers.first().ok_or("nobody signs")?.pubkey();
        let recent = self.client.get_latest_blockhash()?;
        let mut transaction = Transaction::new_with_payer(instructions, Some(&payer));
        transaction.try_sign(&signers.to_vec(), recent)?;
        match self.client.send_and_confirm_transaction(&transaction) {
            Ok(_) => Ok(()),
            Err(error) => Err(named(error)),
        }
    }
}

/// The program's own words for a refusal, where it was one.
fn named(error: ClientError) -> ChainError {
    match error.get_transaction_error() {
        Some(TransactionError::InstructionError(_, InstructionError::Custom(code))) => {
            Box::new(ProgramFailure::from_code(code))
        }
        _ => Box::new(error),
    }
}
