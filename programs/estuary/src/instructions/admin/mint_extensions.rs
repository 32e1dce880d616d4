//! Which Token-2022 extensions a bank's mint may have.

use crate::error::EstuaryError;
use anchor_lang::prelude::*;
use anchor_spl::token_2022::{
    spl_token_2022::{
        extension::{BaseStateWithExtensions, ExtensionType, StateWithExtensions},
        state::Mint,
    },
    Token2022,
};

/// Refuses a mint with an extension that could take tokens out of a vault, keep them in it, or make an amount mean
/// something else than it says. Extensions are fixed when a mint is initialised, but for names and groups, which are
/// accepted; so it is enough to ask once, as long as nobody can close the mint and make another in its place.
///
/// # Errors
/// One per extension; [`EstuaryError::MintExtensionUnknown`] for those this build does not know.
pub fn check_extensions(
    token_program: &Pubkey,
    mint: &[u8],
) -> core::result::Result<(), EstuaryError> {
    if *token_program != Token2022::id() {
        return Ok(());
    }
    let extensions = StateWithExtensions::<Mint>::unpack(mint)
        .and_then(|mint| mint.get_extension_types())
        .map_err(|_| EstuaryError::MintExtensionUnknown)?;
    extensions.into_iter().find_map(refusal).map_or(Ok(()), Err)
}

/// Why an extension is refused, if it is.
fn refusal(extension: ExtensionType) -> Option<EstuaryError> {
    match extension {
        ExtensionType::MetadataPointer
        | ExtensionType::TokenMetadata
        | ExtensionType::GroupPointer
        | ExtensionType::TokenGroup
        | ExtensionType::GroupMemberPointer
        | ExtensionType::TokenGroupMember => None,
        // Less arrives than was sent, now or when the fee is raised.
        ExtensionType::TransferFeeConfig => Some(EstuaryError::MintHasTransferFee),
        // Can take tokens from any account, vaults included.
        ExtensionType::PermanentDelegate => Some(EstuaryError::MintHasPermanentDelegate),
        // Can stop all transfers.
        ExtensionType::Pausable => Some(EstuaryError::MintIsPausable),
        // Another program decides whether a transfer happens, and wants accounts of its own.
        ExtensionType::TransferHook => Some(EstuaryError::MintHasTransferHook),
        // New accounts can be frozen; the state can be changed later, so any is refused.
        ExtensionType::DefaultAccountState => Some(EstuaryError::MintHasDefaultAccountState),
        // Balances that nobody can add up.
        ExtensionType::ConfidentialTransferMint => Some(EstuaryError::MintIsConfidential),
        ExtensionType::ConfidentialTransferFeeConfig => Some(EstuaryError::MintHasConfidentialFee),
        ExtensionType::ConfidentialMintBurn => Some(EstuaryError::MintHasConfidentialSupply),
        ExtensionType::NonTransferable => Some(EstuaryError::MintIsNotTransferable),
        // A closed mint can be made again at its address, with other extensions.
        ExtensionType::MintCloseAuthority => Some(EstuaryError::MintIsClosable),
        // Prices are of the amount shown, vaults hold the other.
        ExtensionType::InterestBearingConfig => Some(EstuaryError::MintBearsInterest),
        ExtensionType::ScaledUiAmount => Some(EstuaryError::MintIsScaled),
        _ => Some(EstuaryError::MintExtensionUnknown),
    }
}
