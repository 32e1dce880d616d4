//! Creating clearinghouses, banks and margin accounts.

use anchor_spl::token::ID as TOKEN;
use estuary::state::{Bank, Clearinghouse, StateAccount};
use estuary_tests::{
    ix, token, ErrorCode, EstuaryError, House, Keypair, Pubkey, Signer, Tamper, World,
};

#[test]
fn a_clearinghouse_and_its_bank_are_created() {
    let (world, house) = World::with_house();
    let clearinghouse: Clearinghouse = world.read(&house.clearinghouse);
    assert_eq!(clearinghouse.id, 1);
    assert_eq!(clearinghouse.authority, house.authority.pubkey());
    assert_eq!(clearinghouse.settlement_mint, house.mint);
    assert_eq!(
        (clearinghouse.bank_count, clearinghouse.market_count),
        (1, 0)
    );
    let bank: Bank = world.read(&house.bank);
    assert_eq!((bank.index, bank.decimals, bank.deposits), (0, 6, 0));
    assert_eq!((bank.mint, bank.vault), (house.mint, house.vault));
    assert_eq!(bank.clearinghouse, house.clearinghouse);
    assert_eq!(
        world.raw(&house.clearinghouse).data.len(),
        Clearinghouse::SIZE
    );
    assert_eq!(world.raw(&house.vault).owner, TOKEN);
}

#[test]
fn anyone_may_create_further_clearinghouses() {
    let (mut world, first) = World::with_house();
    let second = House::build(&mut world, 2);
    assert_ne!(first.clearinghouse, second.clearinghouse);
    assert_ne!(first.bank, second.bank);
}

#[test]
fn create_clearinghouse_refuses_bad_accounts() {
    let (mut world, house) = World::with_house();
    let again = ix::create_clearinghouse(&house);
    world.send(again, &[&house.authority]).refused_as_existing();

    let next = House::planned(&mut world, 2);
    let good = ix::create_clearinghouse(&next);
    let authority = next.authority.pubkey();
    let mut send = |instruction| world.send(instruction, &[&next.authority]);
    send(good.clone().unsigned(&authority)).refused_by_anchor(ErrorCode::AccountNotSigner);
    send(
        good.clone()
            .replacing(&next.clearinghouse, &Pubkey::new_from_array([7; 32])),
    )
    .refused_by_anchor(ErrorCode::ConstraintSeeds);
    send(good.clone().replacing(&next.mint, &house.bank))
        .refused_by_anchor(ErrorCode::AccountOwnedByWrongProgram);
    let system = anchor_lang::system_program::ID;
    send(good.replacing(&system, &TOKEN)).refused_by_anchor(ErrorCode::InvalidProgramId);
}

#[test]
fn the_settlement_token_needs_six_decimals() {
    let mut world = World::new();
    for decimals in [0, 5, 7, 9] {
        let mut house = House::planned(&mut world, decimals.into());
        let mint = world.place(token::mint(decimals));
        house.use_mint(mint);
        world
            .send(ix::create_clearinghouse(&house), &[&house.authority])
            .refused(EstuaryError::SettlementMintDecimals);
    }
}

#[test]
fn add_bank_refuses_strangers_and_other_tokens() {
    let mut world = World::new();
    let mut house = House::planned(&mut world, 1);
    world
        .send(ix::create_clearinghouse(&house), &[&house.authority])
        .ok();
    let good = ix::add_bank(&house);
    let stranger = world.keypair();
    world.fund(&stranger.pubkey());
    let authority = house.authority.pubkey();
    world
        .send(
            good.clone().replacing(&authority, &stranger.pubkey()),
            &[&stranger],
        )
        .refused(EstuaryError::NotTheAuthority);
    world
        .send(good.clone().unsigned(&authority), &[])
        .refused_by_anchor(ErrorCode::AccountNotSigner);
    world
        .send(
            good.clone().replacing(&house.bank, &stranger.pubkey()),
            &[&house.authority],
        )
        .refused_by_anchor(ErrorCode::ConstraintSeeds);
    world
        .send(
            good.clone().replacing(&house.vault, &stranger.pubkey()),
            &[&house.authority],
        )
        .refused_by_anchor(ErrorCode::ConstraintSeeds);
    let other = House::build(&mut world, 2);
    world
        .send(
            good.clone()
                .replacing(&house.clearinghouse, &other.clearinghouse),
            &[&house.authority],
        )
        .refused_by_anchor(ErrorCode::ConstraintSeeds);
    world
        .send(
            good.clone().replacing(&house.clearinghouse, &house.mint),
            &[&house.authority],
        )
        .refused_by_anchor(ErrorCode::AccountOwnedByWrongProgram);
    world
        .send(
            good.clone().replacing(&house.clearinghouse, &other.bank),
            &[&house.authority],
        )
        .refused_by_anchor(ErrorCode::AccountDiscriminatorMismatch);

    let settlement_mint = house.mint;
    let mint = world.place(token::mint(6));
    house.use_mint(mint);
    world
        .send(ix::add_bank(&house), &[&house.authority])
        .refused(EstuaryError::MintIsNotSettlementToken);
    house.use_mint(settlement_mint);
    world.send(good.clone(), &[&house.authority]).ok();
    world.send(good, &[&house.authority]).refused_as_existing();
}

#[test]
fn accounts_of_an_unknown_layout_are_refused() {
    let (mut world, house) = World::with_house();
    let stranger = house.newcomer(&mut world, 0);
    world.corrupt(&house.clearinghouse, |account| account.data[8] = 2);
    world
        .send(ix::open_account(&house, &stranger), &[&stranger.owner])
        .refused(EstuaryError::AccountVersionUnsupported);
}

#[test]
fn an_owner_opens_accounts_by_number() {
    let (mut world, house) = World::with_house();
    let mut trader = house.newcomer(&mut world, 0);
    for sub_id in [0, 1, u16::MAX] {
        trader.sub_id = sub_id;
        trader.account = house.margin_account(&trader.owner.pubkey(), sub_id);
        let open = ix::open_account(&house, &trader);
        world.send(open, &[&trader.owner]).ok();
        let account = world.account(&trader);
        assert_eq!((account.sub_id, account.position_count), (sub_id, 0));
        assert_eq!(account.owner, trader.owner.pubkey());
        assert_eq!(account.clearinghouse, house.clearinghouse);
        assert_eq!(account.cash(), 0);
    }
    let again = ix::open_account(&house, &trader);
    world.send(again, &[&trader.owner]).refused_as_existing();
}

#[test]
fn open_account_refuses_bad_accounts() {
    let (mut world, house) = World::with_house();
    let trader = house.newcomer(&mut world, 0);
    let good = ix::open_account(&house, &trader);
    let owner = trader.owner.pubkey();
    let payer = Keypair::new();
    world.fund(&payer.pubkey());
    let mut unsigned = good.clone();
    unsigned.accounts[0].pubkey = payer.pubkey();
    unsigned.accounts[1].is_signer = false;
    world
        .send(unsigned, &[&payer])
        .refused_by_anchor(ErrorCode::AccountNotSigner);
    world
        .send(good.clone().unsigned(&owner), &[])
        .refused_by_anchor(ErrorCode::AccountNotSigner);
    let somewhere = world.address();
    world
        .send(
            good.clone().replacing(&trader.account, &somewhere),
            &[&trader.owner],
        )
        .refused_by_anchor(ErrorCode::ConstraintSeeds);
    world
        .send(
            good.clone().replacing(&house.clearinghouse, &house.bank),
            &[&trader.owner],
        )
        .refused_by_anchor(ErrorCode::AccountDiscriminatorMismatch);
    world
        .send(
            good.replacing(&house.clearinghouse, &house.mint),
            &[&trader.owner],
        )
        .refused_by_anchor(ErrorCode::AccountOwnedByWrongProgram);
}
