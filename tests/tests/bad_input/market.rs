//! What the authority does with a market.

use crate::case::Case;
use crate::row::{Input, Row, PRICES, SERIES};
use crate::stage::{Good, Stage};
use crate::trader::tokens_of_bank;
use estuary::instruction;
use estuary::instructions::{OffsetArgs, SeriesArgs, SurfaceSlice};
use estuary::state::series::NO_EXPIRY;
use estuary::state::SeriesKind::{self, Call, Future, Perp};
use estuary::state::{MarketStatus, MAX_EXPIRIES, MAX_LISTED_AT_ONCE};
use estuary_tests::setup::{flat_slice, usual_series, BTC_PRICE, DAY, USUAL_OFFSET, VOL_PPB};
use estuary_tests::{ix, ErrorCode as A, EstuaryError as E};
use Input::*;

/// All of them.
pub fn rows() -> Vec<Row> {
    vec![
        extend_market(),
        list_series(),
        post_surface(),
        set_market_status(),
        set_offset(),
        sweep_fees(),
    ]
}

/// What instructions about one market have in common.
fn one_market(row: Row) -> Row {
    row.signers(&["authority"])
        .case(MissingSigner, E::NotTheAuthority, |case| {
            case.signed_by_stranger("authority")
        })
        .owned(&["clearinghouse"])
        .case(WrongOwner, E::MarketAccountOwner, |case| {
            case.disown("market")
        })
        .case(ForeignClearinghouse, E::NotTheAuthority, |case| {
            case.foreign("clearinghouse")
        })
        .case(
            ForeignClearinghouse,
            E::AccountOfAnotherClearinghouse,
            |case| {
                case.foreign("market");
                if case.has("ledger") {
                    case.foreign("ledger");
                }
            },
        )
        .case(WrongAddress, E::MarketAccountType, |case| {
            let ledger = case.stage.markets[0].ledger;
            case.replace("market", ledger);
        })
        .none(&[WrongMint], "it uses no token")
        .none(PRICES, "it uses no price")
        .case(DuplicateAccounts, A::AccountDiscriminatorMismatch, |case| {
            case.put("clearinghouse", "market")
        })
        .case(DuplicateAccounts, E::MarketAccountType, |case| {
            case.put("market", "clearinghouse")
        })
        .case(ReorderedAccounts, A::AccountDiscriminatorMismatch, |case| {
            case.swap("clearinghouse", "market")
        })
        .fixed_accounts()
}

fn extend_market() -> Row {
    let good = |stage: &mut Stage| {
        let market = stage.markets[0].market;
        Good::admin(&stage.house, ix::extend_market(&stage.house, &market, 100))
    };
    one_market(Row::new("extend_market", good))
        .case(WrongOwner, A::InvalidProgramId, |case| {
            case.elsewhere("system_program")
        })
        .harmless(ZeroAmount, |case| {
            case.args(instruction::ExtendMarket { target_capacity: 0 })
        })
        .case(OverflowingAmount, E::CapacityInvalid, |case| {
            case.args(instruction::ExtendMarket {
                target_capacity: u16::MAX,
            });
        })
        .none(SERIES, "it names no series")
        .harmless(PausedMarket, |case| case.pause())
        .no_margin_account()
}

/// So many options, from this strike on.
pub fn options(count: usize, strike: u64) -> Vec<SeriesArgs> {
    let strikes = (strike..).take(count);
    let option = |strike| SeriesArgs {
        kind: Call,
        expiry: 1,
        strike,
    };
    strikes.map(option).collect()
}

fn list_series() -> Row {
    fn listing(kind: SeriesKind, expiry: u8, strike: u64) -> impl Fn(&mut Case<'_>) {
        move |case| {
            let series = vec![SeriesArgs {
                kind,
                expiry,
                strike,
            }];
            case.args(instruction::ListSeries { series });
        }
    }
    let good = |stage: &mut Stage| {
        let series = [SeriesArgs {
            kind: Call,
            expiry: 1,
            strike: 12_345_600_000_000,
        }];
        let list = ix::list_series(&stage.house, &stage.markets[0].market, &series);
        Good::admin(&stage.house, list)
    };
    one_market(Row::new("list_series", good))
        .owned(&["ledger"])
        .case(ForeignClearinghouse, E::LedgerOfAnotherMarket, |case| {
            case.foreign("ledger")
        })
        .case(WrongAddress, E::LedgerOfAnotherMarket, |case| {
            let ledger = case.stage.markets[1].ledger;
            case.replace("ledger", ledger);
        })
        .case(ReorderedAccounts, A::AccountDiscriminatorMismatch, |case| {
            case.swap("market", "ledger")
        })
        .case(ZeroAmount, E::NoSeriesGiven, |case| {
            case.args(instruction::ListSeries { series: vec![] })
        })
        .case(ZeroAmount, E::StrikeInvalid, listing(Call, 1, 0))
        .case(
            OverflowingAmount,
            E::StrikeInvalid,
            listing(Future, 1, u64::MAX),
        )
        .case(OverflowingAmount, E::TooManySeriesGiven, |case| {
            let series = options(MAX_LISTED_AT_ONCE + 1, 1);
            case.args(instruction::ListSeries { series });
        })
        .case(OverflowingAmount, E::SeriesTableFull, |case| {
            let series = options(MAX_LISTED_AT_ONCE, 1);
            case.args(instruction::ListSeries { series });
        })
        .harmless(OverflowingAmount, |case| {
            // The last of a table that is full then.
            case.fill_table();
            let series = options(MAX_LISTED_AT_ONCE, 1);
            case.args(instruction::ListSeries { series });
        })
        .case(UnknownSeries, E::ExpiryUnknown, listing(Future, 9, 0))
        .case(
            UnknownSeries,
            E::ExpiryUnknown,
            listing(Future, NO_EXPIRY, 0),
        )
        .case(UnknownSeries, E::ExpiryUnknown, listing(Perp, 0, 0))
        .case(MaturedSeries, E::ExpiryPassed, listing(Call, 3, 1))
        .case(DuplicateAccounts, E::SeriesListedAlready, |case| {
            let series = usual_series(BTC_PRICE)[..1].to_vec();
            case.args(instruction::ListSeries { series });
        })
        .harmless(PausedMarket, |case| case.pause())
        .no_margin_account()
}

/// So many slices more than the first market has free expiries, all after those it has.
fn later_slices(stage: &Stage, more: usize) -> Vec<SurfaceSlice> {
    let header = stage.world.market(&stage.markets[0].market).header;
    let free = MAX_EXPIRIES - usize::from(header.expiry_count);
    let after = stage.world.now() + 400 * DAY;
    let days = (1i64..).take(free + more);
    days.map(|day| flat_slice(after + day * DAY, VOL_PPB))
        .collect()
}

fn post_surface() -> Row {
    fn posting(change: fn(&mut SurfaceSlice, &Stage)) -> impl Fn(&mut Case<'_>) {
        move |case| {
            let mut slice = flat_slice(case.stage.world.now() + DAY, VOL_PPB);
            change(&mut slice, case.stage);
            case.args(instruction::PostSurface {
                slices: vec![slice],
            });
        }
    }
    let good = |stage: &mut Stage| {
        let slices = [flat_slice(stage.world.now() + DAY, VOL_PPB)];
        let post = ix::post_surface(&stage.house, &stage.markets[0].market, &slices);
        Good::admin(&stage.house, post)
    };
    one_market(Row::new("post_surface", good))
        .case(ZeroAmount, E::NoSlicesGiven, |case| {
            case.args(instruction::PostSurface { slices: vec![] })
        })
        .case(
            ZeroAmount,
            E::AtmVolInvalid,
            posting(|slice, _| slice.atm_vol_ppb = 0),
        )
        .case(
            OverflowingAmount,
            E::AtmVolInvalid,
            posting(|slice, _| slice.atm_vol_ppb = u64::MAX),
        )
        .case(
            OverflowingAmount,
            E::RhoInvalid,
            posting(|slice, _| slice.rho_ppb = i64::MIN),
        )
        .case(
            OverflowingAmount,
            E::PhiInvalid,
            posting(|slice, _| slice.phi_ppb = u64::MAX),
        )
        .case(
            OverflowingAmount,
            E::BasisRateInvalid,
            posting(|slice, _| slice.basis_rate_ppb = i64::MAX),
        )
        .case(
            OverflowingAmount,
            E::ExpiryTooFar,
            posting(|slice, _| slice.time = i64::MAX),
        )
        .case(OverflowingAmount, E::TooManyExpiries, |case| {
            let slices = later_slices(case.stage, 1);
            case.args(instruction::PostSurface { slices });
        })
        .harmless(OverflowingAmount, |case| {
            let slices = later_slices(case.stage, 0);
            case.args(instruction::PostSurface { slices });
        })
        .none(
            &[UnknownSeries],
            "an expiry the market does not have is added",
        )
        .case(
            MaturedSeries,
            E::ExpiryPassed,
            posting(|slice, stage| slice.time = stage.matured_time),
        )
        .case(DuplicateAccounts, E::SlicesOutOfOrder, |case| {
            let slices = vec![flat_slice(case.stage.world.now() + DAY, VOL_PPB); 2];
            case.args(instruction::PostSurface { slices });
        })
        .harmless(PausedMarket, |case| case.pause())
        .no_margin_account()
}

fn set_market_status() -> Row {
    let good = |stage: &mut Stage| {
        let market = stage.markets[0].market;
        Good::admin(
            &stage.house,
            ix::set_market_status(&stage.house, &market, MarketStatus::ReduceOnly),
        )
    };
    one_market(Row::new("set_market_status", good))
        .none(&[ZeroAmount], "it takes no amount")
        .case(OverflowingAmount, A::InstructionDidNotDeserialize, |case| {
            let last = case.instruction.data.last_mut();
            *last.expect("a status") = 3;
        })
        .none(SERIES, "it names no series")
        .harmless(PausedMarket, |case| case.pause())
        .no_margin_account()
}

fn set_offset() -> Row {
    fn args(change: fn(&mut OffsetArgs)) -> impl Fn(&mut Case<'_>) {
        move |case| {
            let mut args = USUAL_OFFSET;
            change(&mut args);
            case.args(instruction::SetOffset { args });
        }
    }
    let good = |stage: &mut Stage| {
        let market = stage.markets[1].market;
        let set = ix::set_offset(&stage.house, &market, USUAL_OFFSET);
        Good::admin(&stage.house, set)
    };
    let row = one_market(Row::new("set_offset", good))
        .case(WrongAddress, E::OffsetMarketInvalid, |case| {
            let first = case.stage.markets[0].market;
            case.replace("market", first);
        })
        .harmless(ZeroAmount, args(|args| args.offset_ppm = 0))
        .case(
            ZeroAmount,
            E::CorrelationZeroInvalid,
            args(|args| args.correlation_full_ppm = 0),
        )
        .case(
            OverflowingAmount,
            E::OffsetInvalid,
            args(|args| args.offset_ppm = u32::MAX),
        )
        .case(
            OverflowingAmount,
            E::CorrelationFullInvalid,
            args(|args| args.correlation_full_ppm = u32::MAX),
        )
        .case(
            OverflowingAmount,
            E::CorrelationZeroInvalid,
            args(|args| args.correlation_zero_ppm = u32::MAX),
        )
        .case(
            OverflowingAmount,
            E::OffsetMarketInvalid,
            args(|args| args.market = u16::MAX),
        );
    row.case(
        DuplicateAccounts,
        E::OffsetMarketInvalid,
        args(|args| args.market = 1),
    )
    .none(SERIES, "it names no series")
    .harmless(PausedMarket, |case| case.pause())
    .no_margin_account()
}

fn sweep_fees() -> Row {
    let good = |stage: &mut Stage| {
        let (market, tokens) = (&stage.markets[0], stage.taker.tokens);
        Good::admin(&stage.house, ix::sweep_fees(&stage.house, market, tokens))
    };
    tokens_of_bank(Row::new("sweep_fees", good), "destination")
        .signers(&["authority"])
        .case(MissingSigner, E::NotTheAuthority, |case| {
            case.signed_by_stranger("authority")
        })
        .owned(&["ledger"])
        .case(WrongOwner, E::MarketAccountOwner, |case| {
            let name = "market";
            case.disown(name);
            let market = case.key(name).to_bytes();
            case.forge("ledger", move |data| data[16..48].copy_from_slice(&market));
        })
        .case(ForeignClearinghouse, E::NotTheAuthority, |case| {
            case.foreign("clearinghouse")
        })
        .case(ForeignClearinghouse, E::LedgerOfAnotherMarket, |case| {
            case.foreign("ledger")
        })
        .case(
            ForeignClearinghouse,
            E::AccountOfAnotherClearinghouse,
            |case| {
                case.foreign("market");
                case.foreign("ledger");
            },
        )
        .case(WrongAddress, E::LedgerOfAnotherMarket, |case| {
            let other = case.stage.markets[1].ledger;
            case.replace("ledger", other);
        })
        .case(ZeroAmount, E::NoFeesToSweep, |case| {
            let same = case.instruction.clone();
            let authority = case.stage.house.authority.insecure_clone();
            case.stage.world.send(same, &[&authority]).ok();
        })
        .none(&[OverflowingAmount], "it takes no amount")
        .none(PRICES, "it uses no price")
        .none(SERIES, "it names no series")
        .case(DuplicateAccounts, E::DestinationIsVault, |case| {
            case.put("destination", "vault")
        })
        .case(DuplicateAccounts, E::VaultOfAnotherBank, |case| {
            case.put("vault", "destination")
        })
        .case(ReorderedAccounts, A::AccountDiscriminatorMismatch, |case| {
            case.swap("market", "ledger");
        })
        .fixed_accounts()
        .harmless(PausedMarket, |case| case.pause())
        .no_margin_account()
}
