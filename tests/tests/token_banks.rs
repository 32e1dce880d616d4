//! Banks of tokens: which mints and markets they take.

use anchor_lang::solana_program::instruction::Instruction;
use estuary_tests::mint::ExtensionType;
use estuary_tests::setup::SOL_PRICE;
use estuary_tests::token::mint;
use estuary_tests::{ix, EstuaryError as E, House, Tamper, Token, World};

#[test]
fn every_extension_that_could_hurt_is_refused_by_name() {
    use ExtensionType as X;
    let (mut world, house, [_, sol]) = World::with_markets();
    let (fee, confidential) = (X::TransferFeeConfig, X::ConfidentialTransferMint);
    // Some exist only beside others, which come after them; the first one is named.
    let named = [
        (vec![fee], E::MintHasTransferFee),
        (vec![X::PermanentDelegate], E::MintHasPermanentDelegate),
        (vec![X::Pausable], E::MintIsPausable),
        (vec![X::TransferHook], E::MintHasTransferHook),
        (vec![X::DefaultAccountState], E::MintHasDefaultAccountState),
        (vec![confidential], E::MintIsConfidential),
        (
            vec![X::ConfidentialTransferFeeConfig, fee, confidential],
            E::MintHasConfidentialFee,
        ),
        (
            vec![X::ConfidentialMintBurn, confidential],
            E::MintHasConfidentialSupply,
        ),
        (vec![X::NonTransferable], E::MintIsNotTransferable),
        (vec![X::MintCloseAuthority], E::MintIsClosable),
        (vec![X::InterestBearingConfig], E::MintBearsInterest),
        (vec![X::ScaledUiAmount], E::MintIsScaled),
    ];
    for (refused, error) in named {
        // Harmless ones before and after it do not hide it.
        let extensions = [vec![X::MetadataPointer], refused, vec![X::GroupPointer]].concat();
        let mint = world.make_mint(6, &extensions);
        let token = house.planned_token(&world, &sol, mint);
        let add = ix::add_token_bank(&house, &token);
        world.send(add, &[&house.authority]).refused(error);
    }
    // What the token library of this build has never heard of does not even read as a mint.
    let mint = world.forge_mint(99);
    let token = house.planned_token(&world, &sol, mint);
    let add = ix::add_token_bank(&house, &token);
    assert!(world.send(add, &[&house.authority]).is_refused());
}

#[test]
fn add_bank_refuses_tokens_without_a_proper_market() {
    let (mut world, house, [_, sol]) = World::with_markets();
    let mint_9 = world.place(mint(9));
    let token = house.planned_token(&world, &sol, mint_9);
    let good = ix::add_token_bank(&house, &token);
    let abroad = House::build(&mut world, 2);
    let foreign = abroad.create_market(&mut world, &estuary_tests::setup::sol_args(), SOL_PRICE);
    let mut refuse = |bad: Instruction, error| {
        world.send(bad, &[&house.authority]).refused(error);
    };
    let with_market = |key| good.clone().replacing(&sol.market, key);
    refuse(with_market(&estuary::ID), E::BankMarketMissing);
    refuse(
        with_market(&foreign.market),
        E::AccountOfAnotherClearinghouse,
    );
    refuse(with_market(&sol.ledger), E::MarketAccountType);
    refuse(with_market(&house.mint), E::MarketAccountOwner);
    let mut debt = good.clone();
    debt.data[8..].copy_from_slice(&1u64.to_le_bytes());
    refuse(debt, E::TokenDebtNotZero);
    let mint_19 = world.place(mint(19));
    let long = house.planned_token(&world, &sol, mint_19);
    let add = ix::add_token_bank(&house, &long);
    world
        .send(add, &[&house.authority])
        .refused(E::MintDecimalsTooMany);
    world.send(good.clone(), &[&house.authority]).ok();
    world.send(good, &[&house.authority]).refused_as_existing();
}

#[test]
fn the_first_bank_is_the_settlement_token_s_and_has_no_market() {
    let mut world = World::new();
    let house = House::planned(&mut world, 1);
    let create = ix::create_clearinghouse(&house);
    world.send(create, &[&house.authority]).ok();
    let sol = house.create_market(&mut world, &estuary_tests::setup::sol_args(), SOL_PRICE);
    let mint = world.place(mint(6));
    let token = house.planned_token(&world, &sol, mint);
    let add = ix::add_token_bank(&house, &token);
    world
        .send(add, &[&house.authority])
        .refused(E::MintIsNotSettlementToken);
    let settlement = Token {
        bank: house.settlement_bank(),
        ..token
    };
    let add = ix::add_token_bank(&house, &settlement);
    world
        .send(add, &[&house.authority])
        .refused(E::SettlementBankMarket);
    world.send(ix::add_bank(&house), &[&house.authority]).ok();
}
