//! What the authority founds: a clearinghouse, its bank, its markets.

use crate::case::Case;
use crate::row::{Expect, Input, Row, PRICES, SERIES};
use crate::stage::{Good, Stage};
use estuary::instruction;
use estuary::instructions::{CreateMarketArgs, OffsetArgs};
use estuary_tests::setup::{USD, USUAL_OFFSET};
use estuary_tests::{ix, token, ErrorCode as A, EstuaryError as E, Pubkey, Signer};
use Input::*;

/// All of them.
pub fn rows() -> Vec<Row> {
    vec![create_clearinghouse(), add_bank(), create_market()]
}

fn create_clearinghouse() -> Row {
    let good = |stage: &mut Stage| {
        let create = ix::create_clearinghouse(&stage.planned);
        Good::admin(&stage.planned, create)
    };
    Row::new("create_clearinghouse", good)
        .signers(&["authority"])
        .owned(&["settlement_mint"])
        .case(WrongOwner, A::InvalidProgramId, |case| {
            case.elsewhere("system_program")
        })
        .none(
            &[ForeignClearinghouse],
            "it names none besides the one it creates",
        )
        .case(WrongAddress, A::ConstraintSeeds, |case| {
            case.elsewhere("clearinghouse")
        })
        .case(WrongAddress, A::ConstraintSeeds, |case| {
            case.args(instruction::CreateClearinghouse {
                id: 1,
                insurance_share_ppm: 0,
            });
        })
        .case(WrongMint, E::SettlementMintDecimals, |case| {
            let mint = case.stage.world.place(token::mint(9));
            case.replace("settlement_mint", mint);
        })
        .case(WrongMint, A::AccountNotInitialized, |case| {
            case.elsewhere("settlement_mint")
        })
        .case(DuplicateAccounts, Expect::Exists, |case| {
            case.args(instruction::CreateClearinghouse {
                id: case.stage.house.id,
                insurance_share_ppm: 0,
            });
            let there = case.stage.house.clearinghouse;
            case.replace("clearinghouse", there);
        })
        .case(ReorderedAccounts, A::AccountNotInitialized, |case| {
            case.swap("clearinghouse", "settlement_mint");
        })
        .harmless(ZeroAmount, |case| {
            case.args(instruction::CreateClearinghouse {
                id: case.stage.planned.id,
                insurance_share_ppm: 0,
            });
        })
        .case(OverflowingAmount, E::InsuranceShareInvalid, |case| {
            case.args(instruction::CreateClearinghouse {
                id: case.stage.planned.id,
                insurance_share_ppm: 1_000_001,
            });
        })
        .fixed_accounts()
        .no_market()
        .no_margin_account()
}

/// Asks for the bank of a token beside the settlement token's instead, with the first market.
fn of_token(case: &mut Case<'_>, mint: fn(&Stage) -> Pubkey) {
    let stage = &mut *case.stage;
    let token = stage
        .house
        .planned_token(&stage.world, &stage.markets[0], mint(stage));
    case.instruction = ix::add_token_bank(&stage.house, &token);
    let authority = stage.house.authority.insecure_clone();
    case.also_signed_by(authority);
}

fn add_bank() -> Row {
    let good = |stage: &mut Stage| Good::admin(&stage.unbanked, ix::add_bank(&stage.unbanked));
    Row::new("add_bank", good)
        .signers(&["authority"])
        .case(MissingSigner, E::NotTheAuthority, |case| {
            case.signed_by_stranger("authority")
        })
        .owned(&["clearinghouse", "mint"])
        .case(WrongOwner, A::InvalidProgramId, |case| {
            case.elsewhere("token_program")
        })
        .case(WrongOwner, A::InvalidProgramId, |case| {
            case.elsewhere("system_program")
        })
        .case(WrongOwner, E::TokenProgramOfAnotherBank, |case| {
            case.replace("token_program", anchor_spl::token_2022::ID);
        })
        .case(WrongOwner, E::MarketAccountOwner, |case| {
            of_token(case, |stage| stage.other_mint);
            case.disown("market");
        })
        .case(
            ForeignClearinghouse,
            E::AccountOfAnotherClearinghouse,
            |case| {
                of_token(case, |stage| stage.other_mint);
                case.foreign("market");
            },
        )
        .case(ForeignClearinghouse, A::ConstraintSeeds, |case| {
            let other = case.stage.house.clearinghouse;
            case.replace("clearinghouse", other);
        })
        .case(ForeignClearinghouse, E::NotTheAuthority, |case| {
            let house = &mut case.stage.unbanked;
            house.addresses.authority = case.stage.house.authority.pubkey();
            case.instruction = ix::add_bank(&case.stage.unbanked);
            let authority = case.stage.house.authority.insecure_clone();
            case.also_signed_by(authority);
        })
        .case(WrongAddress, A::ConstraintSeeds, |case| {
            case.elsewhere("bank")
        })
        .case(WrongAddress, A::ConstraintSeeds, |case| {
            case.elsewhere("vault")
        })
        .case(WrongMint, E::MintIsNotSettlementToken, |case| {
            let house = &mut case.stage.unbanked;
            house.use_mint(case.stage.other_mint);
            case.instruction = ix::add_bank(&case.stage.unbanked);
        })
        .case(WrongMint, A::ConstraintSeeds, |case| {
            let mint = case.stage.other_mint;
            case.replace("mint", mint);
        })
        .case(WrongMint, E::MintHasTransferFee, |case| {
            of_token(case, |stage| stage.extended_mint);
        })
        .case(MissingAccounts, E::BankMarketMissing, |case| {
            of_token(case, |stage| stage.other_mint);
            case.replace("market", estuary::ID);
        })
        .case(WrongAddress, E::MarketAccountType, |case| {
            of_token(case, |stage| stage.other_mint);
            let ledger = case.stage.markets[0].ledger;
            case.replace("market", ledger);
        })
        .case(WrongAddress, E::SettlementBankMarket, |case| {
            let market = case.stage.markets[0].market;
            case.replace("market", market);
        })
        .harmless(ZeroAmount, |case| {
            case.args(instruction::AddBank {
                max_account_debt: 0,
            });
        })
        .case(OverflowingAmount, E::TokenDebtNotZero, |case| {
            of_token(case, |stage| stage.other_mint);
            case.args(instruction::AddBank {
                max_account_debt: u64::MAX,
            });
        })
        .harmless(OverflowingAmount, |case| {
            case.args(instruction::AddBank {
                max_account_debt: 1_000_000_000 * USD,
            });
        })
        .case(OverflowingAmount, E::MaxAccountDebtInvalid, |case| {
            case.args(instruction::AddBank {
                max_account_debt: 1_000_000_000 * USD + 1,
            });
        })
        .case(DuplicateAccounts, Expect::Exists, |case| {
            case.instruction = ix::add_bank(&case.stage.house);
            let authority = case.stage.house.authority.insecure_clone();
            case.also_signed_by(authority);
        })
        .case(DuplicateAccounts, A::ConstraintSeeds, |case| {
            case.put("vault", "bank")
        })
        .case(ReorderedAccounts, A::ConstraintSeeds, |case| {
            case.swap("bank", "vault")
        })
        .fixed_accounts()
        .no_market()
        .no_margin_account()
}

fn create_market() -> Row {
    fn args(change: fn(&mut CreateMarketArgs)) -> impl Fn(&mut crate::case::Case<'_>) {
        move |case| {
            let mut args = case.stage.third_market();
            change(&mut args);
            case.instruction = ix::create_market(&case.stage.house, &args);
        }
    }
    let good = |stage: &mut Stage| {
        let create = ix::create_market(&stage.house, &stage.third_market());
        Good::admin(&stage.house, create)
    };
    Row::new("create_market", good)
        .signers(&["authority"])
        .case(MissingSigner, E::NotTheAuthority, |case| {
            case.signed_by_stranger("authority")
        })
        .owned(&["clearinghouse"])
        .case(WrongOwner, A::InvalidProgramId, |case| {
            case.elsewhere("system_program")
        })
        .case(ForeignClearinghouse, A::ConstraintSeeds, |case| {
            case.foreign("clearinghouse")
        })
        .case(ForeignClearinghouse, E::NotTheAuthority, |case| {
            let args = case.stage.third_market();
            let house = &mut case.stage.other;
            house.addresses.authority = case.stage.house.authority.pubkey();
            case.instruction = ix::create_market(house, &args);
        })
        .case(WrongAddress, A::ConstraintSeeds, |case| {
            case.elsewhere("market")
        })
        .case(WrongAddress, A::ConstraintSeeds, |case| {
            case.elsewhere("ledger")
        })
        .none(&[WrongMint], "it uses no token")
        .none(PRICES, "it uses no price")
        .case(
            WrongOwner,
            E::PriceProgramUnsupported,
            args(|args| args.price_program = Pubkey::default()),
        )
        .case(
            ZeroAmount,
            E::LotSizeInvalid,
            args(|args| args.lot_size = 0),
        )
        .case(
            ZeroAmount,
            E::MaxPriceAgeInvalid,
            args(|args| args.max_price_age_seconds = 0),
        )
        .case(
            ZeroAmount,
            E::MaxConfidenceInvalid,
            args(|args| args.max_confidence_ppm = 0),
        )
        .case(
            ZeroAmount,
            E::BandSpotInvalid,
            args(|args| args.band_spot_ppm = 0),
        )
        .case(
            ZeroAmount,
            E::LiquidationDeltaInvalid,
            args(|args| args.liquidation_delta_ppm = 0),
        )
        .case(
            OverflowingAmount,
            E::LotSizeInvalid,
            args(|args| args.lot_size = u64::MAX),
        )
        .case(
            OverflowingAmount,
            E::MaxPriceAgeInvalid,
            args(|args| args.max_price_age_seconds = u32::MAX),
        )
        .case(
            OverflowingAmount,
            E::BandVegaInvalid,
            args(|args| args.band_vega_ppm = u32::MAX),
        )
        .case(
            OverflowingAmount,
            E::LiquidationVegaInvalid,
            args(|args| args.liquidation_vega_ppm = u32::MAX),
        )
        .case(
            OverflowingAmount,
            E::LiquidationInsuranceInvalid,
            args(|args| args.liquidation_insurance_ppm = u32::MAX),
        )
        .case(
            OverflowingAmount,
            E::MakerFeeInvalid,
            args(|args| args.maker_fee_ppm = u32::MAX),
        )
        .case(
            OverflowingAmount,
            E::TakerFeeInvalid,
            args(|args| args.taker_fee_ppm = u32::MAX),
        )
        .case(
            OverflowingAmount,
            E::OptionFeeCapInvalid,
            args(|args| args.option_fee_cap_ppm = u32::MAX),
        )
        .case(
            ZeroAmount,
            E::OffsetFloorInvalid,
            args(|args| args.offset_floor_ppm = 0),
        )
        .case(
            OverflowingAmount,
            E::OffsetFloorInvalid,
            args(|args| args.offset_floor_ppm = u32::MAX),
        )
        .case(
            ZeroAmount,
            E::StressVolInvalid,
            args(|args| args.stress_vol_ppm = 0),
        )
        .case(
            OverflowingAmount,
            E::StressVolInvalid,
            args(|args| args.stress_vol_ppm = u32::MAX),
        )
        .case(
            OverflowingAmount,
            E::OffsetMarketInvalid,
            args(|args| {
                args.offsets = vec![OffsetArgs {
                    market: 2,
                    ..USUAL_OFFSET
                }];
            }),
        )
        .case(
            OverflowingAmount,
            E::OffsetInvalid,
            args(|args| {
                args.offsets = vec![OffsetArgs {
                    offset_ppm: u32::MAX,
                    ..USUAL_OFFSET
                }];
            }),
        )
        .harmless(
            ZeroAmount,
            args(|args| {
                args.maker_fee_ppm = 0;
                args.taker_fee_ppm = 0;
                args.option_fee_cap_ppm = 0;
            }),
        )
        .case(
            OverflowingAmount,
            E::PriceExponentInvalid,
            args(|args| args.price_exponent = i8::MIN),
        )
        .case(
            OverflowingAmount,
            E::VolUpInvalid,
            args(|args| args.parameters.vol_up_ppm = u32::MAX),
        )
        .none(SERIES, "a market is created without series")
        .case(DuplicateAccounts, Expect::Exists, |case| {
            let args = case.stage.markets[0].args.clone();
            case.instruction = ix::create_market(&case.stage.house, &args);
        })
        .case(DuplicateAccounts, A::ConstraintSeeds, |case| {
            case.put("ledger", "market")
        })
        .case(ReorderedAccounts, A::ConstraintSeeds, |case| {
            case.swap("market", "ledger")
        })
        .fixed_accounts()
        .none(&[PausedMarket], "a new market is active")
        .no_margin_account()
}
