//! The embedded SVM: runs the program's ELF, and stands in for what lies outside it: clock, price feed, token faucet.

use std::path::Path;

use anchor_lang::prelude::{Clock, Pubkey};
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::solana_program::program_pack::Pack;
use anchor_lang::AccountSerialize;
use anchor_spl::token::spl_token::state::{Account as TokenAccount, AccountState, Mint};
use anyhow::{anyhow, bail, Context, Result};
use estuary_client::chain::{Chain, ChainError, FetchedAccount};
use litesvm::types::TransactionMetadata;
use litesvm::LiteSVM;
use pyth_solana_receiver_sdk::price_update::{PriceFeedMessage, PriceUpdateV2, VerificationLevel};
use solana_account::{Account, ReadableAccount};
use solana_compute_budget::compute_budget::ComputeBudget;
use solana_keypair::Keypair;
use solana_signer::Signer;
use solana_transaction::Transaction;

/// Most compute units a transaction can ask for.
pub const COMPUTE_LIMIT: u64 = 1_400_000;
/// Most bytes of a transaction on the network.
const PACKET: usize = 1_232;
/// Enough lamports for any account and fee here.
const RICH: u64 = 1_000_000_000_000;

/// What a transaction did.
#[derive(Clone, Debug)]
pub struct Executed {
    /// Compute units it took.
    pub units: u64,
    /// What its last program returned.
    pub data: Vec<u8>,
}

/// Why the program refused a transaction.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The program's own message, or the runtime's error.
    pub reason: String,
    /// The program's error number.
    pub code: Option<u32>,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.reason)
    }
}

impl std::error::Error for Refused {}

/// One price as a feed publishes it.
#[derive(Clone, Copy, Debug)]
pub struct Quote {
    /// The feed.
    pub feed_id: [u8; 32],
    /// Mantissa at `exponent`.
    pub price: u64,
    /// Half width of the confidence interval, same exponent.
    pub confidence: u64,
    /// Decimal exponent.
    pub exponent: i8,
    /// Unix seconds.
    pub publish_time: i64,
}

/// A LiteSVM with the program deployed.
pub struct Svm {
    inner: LiteSVM,
    payer: Keypair,
}

impl Svm {
    /// Deploys the ELF.
    ///
    /// # Errors
    /// When the file cannot be read or is not a program.
    pub fn new(elf: &Path) -> Result<Self> {
        let bytes = std::fs::read(elf).with_context(|| {
            format!(
                "cannot read the program {}: `cargo xtask build-sbf` makes it",
                elf.display()
            )
        })?;
        let budget = ComputeBudget {
            compute_unit_limit: COMPUTE_LIMIT,
            ..ComputeBudget::new_with_defaults(false)
        };
        // Without a history the same transaction may be sent twice: bars repeat prices.
        let mut inner = LiteSVM::new()
            .with_compute_budget(budget)
            .with_transaction_history(0);
        inner
            .add_program(estuary::ID, &bytes)
            .map_err(|error| anyhow!("{} does not deploy: {error:?}", elf.display()))?;
        let mut svm = Self {
            inner,
            payer: Keypair::new_from_array([0xe5; 32]),
        };
        svm.fund(&svm.payer.pubkey())?;
        Ok(svm)
    }

    /// Runs instructions in one transaction. Of the keys given those sign that the instructions want as signers.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn send(
        &mut self,
        instructions: &[Instruction],
        signers: &[&Keypair],
    ) -> Result<Executed, Refused> {
        let transaction = self.transaction(instructions, &dynamic(signers))?;
        match self.inner.send_transaction(transaction) {
            Ok(done) => Ok(executed(done)),
            Err(failure) => Err(refused(&failure.err, &failure.meta)),
        }
    }

    /// Runs an instruction and forgets what it changed, as the RPC method `simulateTransaction` does.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn simulate(
        &self,
        instruction: Instruction,
        signers: &[&Keypair],
    ) -> Result<Executed, Refused> {
        let transaction = self.transaction(&[instruction], &dynamic(signers))?;
        match self.inner.simulate_transaction(transaction) {
            Ok(done) => Ok(executed(done.meta)),
            Err(failure) => Err(refused(&failure.err, &failure.meta)),
        }
    }

    fn transaction(
        &self,
        instructions: &[Instruction],
        signers: &[&dyn Signer],
    ) -> Result<Transaction, Refused> {
        let mut transaction = Transaction::new_with_payer(instructions, Some(&self.payer.pubkey()));
        let message = &transaction.message;
        let wanted = &message.account_keys[..usize::from(message.header.num_required_signatures)];
        let payer: &dyn Signer = &self.payer;
        let signing: Vec<&dyn Signer> = std::iter::once(payer)
            .chain(signers.iter().copied())
            .filter(|key| wanted.contains(&key.pubkey()))
            .collect();
        let refuse = |reason| Refused { reason, code: None };
        transaction
            .try_sign(&signing, self.inner.latest_blockhash())
            .map_err(|error| refuse(error.to_string()))?;
        let size = 1 + 64 * transaction.signatures.len() + transaction.message_data().len();
        if size > PACKET {
            return Err(refuse(format!(
                "the transaction has {size} bytes, the network takes {PACKET}"
            )));
        }
        Ok(transaction)
    }

    /// Sets the clock sysvar, unix seconds.
    pub fn set_time(&mut self, unix_timestamp: i64) {
        let clock = self.inner.get_sysvar::<Clock>();
        self.inner.set_sysvar(&Clock {
            unix_timestamp,
            slot: clock.slot + 1,
            ..clock
        });
    }

    /// Writes a price account as the Pyth receiver program would after verifying all signatures.
    ///
    /// # Errors
    /// When the SVM does not take the account.
    pub fn publish(&mut self, account: Pubkey, quote: &Quote) -> Result<()> {
        let price = i64::try_from(quote.price).context("a price above 63 bits")?;
        let update = PriceUpdateV2 {
            write_authority: self.payer.pubkey(),
            verification_level: VerificationLevel::Full,
            price_message: PriceFeedMessage {
                feed_id: quote.feed_id,
                price,
                conf: quote.confidence,
                exponent: quote.exponent.into(),
                publish_time: quote.publish_time,
                prev_publish_time: quote.publish_time - 1,
                ema_price: price,
                ema_conf: quote.confidence,
            },
            posted_slot: self.inner.get_sysvar::<Clock>().slot,
        };
        let mut data = Vec::with_capacity(PriceUpdateV2::LEN);
        update.try_serialize(&mut data)?;
        data.resize(PriceUpdateV2::LEN, 0);
        self.place(account, data, pyth_solana_receiver_sdk::ID)
    }

    /// Creates a token of six decimals, as the settlement token is.
    ///
    /// # Errors
    /// When the SVM does not take the account.
    pub fn create_mint(&mut self, mint: Pubkey) -> Result<()> {
        let state = Mint {
            supply: u64::MAX,
            decimals: estuary::state::SETTLEMENT_DECIMALS,
            is_initialized: true,
            ..Mint::default()
        };
        self.place(mint, packed(state), anchor_spl::token::ID)
    }

    /// Gives `owner` tokens in a token account at `address`.
    ///
    /// # Errors
    /// When the SVM does not take the account.
    pub fn create_tokens(
        &mut self,
        address: Pubkey,
        mint: Pubkey,
        owner: Pubkey,
        amount: u64,
    ) -> Result<()> {
        let state = TokenAccount {
            mint,
            owner,
            amount,
            state: AccountState::Initialized,
            ..TokenAccount::default()
        };
        self.place(address, packed(state), anchor_spl::token::ID)
    }

    /// Tokens in a token account.
    ///
    /// # Errors
    /// When it is none.
    pub fn tokens(&self, address: &Pubkey) -> Result<u64> {
        Ok(TokenAccount::unpack(self.data(address)?)?.amount)
    }

    /// Bytes of an account.
    ///
    /// # Errors
    /// When there is none.
    pub fn data(&self, address: &Pubkey) -> Result<&[u8]> {
        let account = self.inner.accounts_db().inner.get(address);
        Ok(account
            .with_context(|| format!("no account {address}"))?
            .data())
    }

    /// Gives an account lamports for rent and fees.
    ///
    /// # Errors
    /// When the SVM refuses.
    pub fn fund(&mut self, key: &Pubkey) -> Result<()> {
        match self.inner.airdrop(key, RICH) {
            Ok(_) => Ok(()),
            Err(failure) => bail!("no lamports for {key}: {}", failure.err),
        }
    }

    pub fn place(&mut self, address: Pubkey, data: Vec<u8>, owner: Pubkey) -> Result<()> {
        let account = Account {
            lamports: RICH,
            data,
            owner,
            ..Account::default()
        };
        self.inner
            .set_account(address, account)
            .map_err(|error| anyhow!("the SVM does not take account {address}: {error}"))
    }
}

impl Chain for Svm {
    fn account(&self, address: &Pubkey) -> Result<Option<FetchedAccount>, ChainError> {
        let account = self.inner.accounts_db().inner.get(address);
        Ok(account.map(|account| FetchedAccount {
            owner: *account.owner(),
            executable: account.executable(),
            data: account.data().to_vec(),
        }))
    }

    /// The SVM's own payer pays the fees.
    fn send(
        &mut self,
        instructions: &[Instruction],
        signers: &[&dyn Signer],
    ) -> Result<(), ChainError> {
        let transaction = self.transaction(instructions, signers)?;
        let done = self.inner.send_transaction(transaction);
        done.map(drop)
            .map_err(|failure| refused(&failure.err, &failure.meta).into())
    }
}

fn packed<T: Pack>(state: T) -> Vec<u8> {
    let mut data = vec![0; T::LEN];
    state.pack_into_slice(&mut data);
    data
}

/// Keys as whatever signs.
fn dynamic<'a>(keys: &[&'a Keypair]) -> Vec<&'a dyn Signer> {
    keys.iter().map(|key| *key as &dyn Signer).collect()
}

fn executed(meta: TransactionMetadata) -> Executed {
    Executed {
        units: meta.compute_units_consumed,
        data: meta.return_data.data,
    }
}

/// The program's own words where it left any. Anchor logs
/// `... Error Code: Name. Error Number: 6012. Error Message: text.`
fn refused(error: &impl std::fmt::Display, meta: &TransactionMetadata) -> Refused {
    let line = meta
        .logs
        .iter()
        .rev()
        .find(|line| line.contains("Error Code: "));
    let part = |mark: &str, end: &str| {
        let (_, rest) = line?.split_once(mark)?;
        Some(rest.split_once(end).map_or(rest, |(part, _)| part))
    };
    let name = part("Error Code: ", ". Error Number: ");
    let number = part("Error Number: ", ". Error Message: ");
    let message = part("Error Message: ", "\n");
    let code = number.and_then(|number| number.parse().ok());
    let reason = match (name, message) {
        (Some(name), Some(message)) => format!("{name}: {message}"),
        _ => error.to_string(),
    };
    Refused { reason, code }
}
