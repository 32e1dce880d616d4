//! Token-2022 mints, made by the Token-2022 program itself.

use crate::{token, World};
use anchor_lang::prelude::Pubkey;
use anchor_lang::solana_program::instruction::Instruction;
use anchor_lang::solana_program::program_error::ProgramError;
use anchor_spl::token_2022::spl_token_2022::extension as ext;
pub use anchor_spl::token_2022::spl_token_2022::extension::ExtensionType;
use anchor_spl::token_2022::spl_token_2022::{instruction, state};
use anchor_spl::token_2022::ID;
use bytemuck::Zeroable;
use solana_account::Account;

/// Whoever may do whatever a mint allows.
const ANYONE: Pubkey = Pubkey::new_from_array([7; 32]);

impl World {
    /// Makes a Token-2022 mint with a freeze authority and extensions, in this order.
    pub fn make_mint(&mut self, decimals: u8, extensions: &[ExtensionType]) -> Pubkey {
        let size = ExtensionType::try_calculate_account_len::<state::Mint>(extensions);
        let mint = self.place(Account {
            lamports: token::RICH,
            data: vec![0; size.expect("fixed lengths")],
            owner: ID,
            ..Account::default()
        });
        let extend = |extension: &ExtensionType| initialize(*extension, &mint);
        let mut steps: Vec<Instruction> = extensions.iter().map(extend).collect();
        let made = instruction::initialize_mint2(&ID, &mint, &ANYONE, Some(&ANYONE), decimals);
        steps.push(made.expect("an instruction"));
        self.send_all(&steps, &[]).ok();
        mint
    }

    /// Makes a Token-2022 mint with something of a type that no program knows.
    pub fn forge_mint(&mut self, extension: u16) -> Pubkey {
        let made = self.make_mint(6, &[ExtensionType::MetadataPointer]);
        let mut account = self.raw(&made);
        account.data.extend(extension.to_le_bytes());
        account.data.extend([1, 0, 0]);
        self.place(account)
    }
}

/// What adds an extension to a mint that is not initialized yet.
fn initialize(extension: ExtensionType, mint: &Pubkey) -> Instruction {
    built(extension, mint).unwrap_or_else(|error| panic!("{extension:?}: {error}"))
}

fn built(extension: ExtensionType, mint: &Pubkey) -> Result<Instruction, ProgramError> {
    use ExtensionType as X;
    let (id, some) = (&ID, Some(ANYONE));
    match extension {
        X::TransferFeeConfig => ext::transfer_fee::instruction::initialize_transfer_fee_config(
            id,
            mint,
            some.as_ref(),
            some.as_ref(),
            0,
            0,
        ),
        X::MintCloseAuthority => {
            instruction::initialize_mint_close_authority(id, mint, some.as_ref())
        }
        X::ConfidentialTransferMint => {
            ext::confidential_transfer::instruction::initialize_mint(id, mint, some, true, None)
        }
        X::ConfidentialTransferFeeConfig => {
            ext::confidential_transfer_fee::instruction::initialize_confidential_transfer_fee_config(
                id,
                mint,
                some,
                &Zeroable::zeroed(),
            )
        }
        X::ConfidentialMintBurn => ext::confidential_mint_burn::instruction::initialize_mint(
            id,
            mint,
            &Zeroable::zeroed(),
            &Zeroable::zeroed(),
        ),
        X::DefaultAccountState => {
            let frozen = state::AccountState::Frozen;
            ext::default_account_state::instruction::initialize_default_account_state(
                id, mint, &frozen,
            )
        }
        X::NonTransferable => instruction::initialize_non_transferable_mint(id, mint),
        X::InterestBearingConfig => {
            ext::interest_bearing_mint::instruction::initialize(id, mint, some, 100)
        }
        X::PermanentDelegate => instruction::initialize_permanent_delegate(id, mint, &ANYONE),
        X::TransferHook => ext::transfer_hook::instruction::initialize(id, mint, some, some),
        X::MetadataPointer => ext::metadata_pointer::instruction::initialize(id, mint, some, some),
        X::GroupPointer => ext::group_pointer::instruction::initialize(id, mint, some, some),
        X::GroupMemberPointer => {
            ext::group_member_pointer::instruction::initialize(id, mint, some, some)
        }
        X::ScaledUiAmount => ext::scaled_ui_amount::instruction::initialize(id, mint, some, 2.0),
        X::Pausable => ext::pausable::instruction::initialize(id, mint, &ANYONE),
        other => panic!("{other:?} is not made here"),
    }
}
