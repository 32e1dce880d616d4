//! Which instructions write which field of which account: the one thing about accounts that the IDL does not say.
//!
//! Every field of an account has an entry; a field without one, or an entry without its field, fails the generation.

use anchor_lang_idl::types::Idl;
use anyhow::{ensure, Context, Result};

/// Instructions and the fields they write.
type Writers = &'static [(&'static [&'static str], &'static [&'static str])];

/// Nobody: always zero.
const NOBODY: &[&str] = &[];

/// All change what is open: trades, and settlement of matured positions.
const POSITIONS: &[&str] = &["block_trade", "liquidate", "transfer_positions", "settle"];
/// All change what an account and a market owe each other beside positions.
const CARRY: &[&str] = &[
    "block_trade",
    "liquidate",
    "transfer_positions",
    "settle",
    "settle_on_credit",
];
/// All move cash between accounts and the claims of a market.
const CLAIMS: &[&str] = &["settle", "settle_on_credit", "liquidate"];
/// All change the balances of accounts.
const BALANCES: &[&str] = &[
    "deposit",
    "withdraw",
    "transfer_balance",
    "block_trade",
    "liquidate",
    "settle",
    "settle_on_credit",
];

/// All write entries of a market's expiries.
const EXPIRIES: &[&str] = &[
    "post_surface",
    "record_settlement_price",
    "finalize_settlement",
    "retire_expiry",
];

/// Per struct, who writes its fields.
const WRITERS: &[(&str, Writers)] = &[
    (
        "Clearinghouse",
        &[
            (
                &["create_clearinghouse"],
                &[
                    "version",
                    "bump",
                    "id",
                    "authority",
                    "settlement_mint",
                    "insurance_share_ppm",
                ],
            ),
            (
                &[
                    "create_clearinghouse",
                    "add_bank",
                    "create_market",
                    "set_offset",
                ],
                &["parameter_version"],
            ),
            (&["add_bank"], &["bank_count"]),
            (&["create_market"], &["market_count"]),
            (NOBODY, &["padding", "reserved"]),
        ],
    ),
    (
        "Bank",
        &[
            (
                &["add_bank"],
                &[
                    "version",
                    "bump",
                    "index",
                    "decimals",
                    "vault_bump",
                    "market",
                    "clearinghouse",
                    "mint",
                    "vault",
                    "token_program",
                    "max_account_debt",
                ],
            ),
            (
                &[
                    "deposit",
                    "withdraw",
                    "settle",
                    "settle_on_credit",
                    "liquidate",
                    "sweep_fees",
                ],
                &["deposits"],
            ),
            (
                &[
                    "fund_insurance",
                    "settle",
                    "settle_on_credit",
                    "liquidate",
                    "sweep_fees",
                ],
                &["insurance"],
            ),
            (NOBODY, &["reserved"]),
        ],
    ),
    (
        "Market",
        &[
            (
                &["create_market"],
                &[
                    "version",
                    "bump",
                    "price_exponent",
                    "index",
                    "clearinghouse",
                    "feed_id",
                    "price_program",
                    "symbol",
                    "lot_size",
                    "max_price_age_seconds",
                    "max_confidence_ppm",
                    "band_spot_ppm",
                    "band_vega_ppm",
                    "liquidation_delta_ppm",
                    "liquidation_vega_ppm",
                    "liquidation_insurance_ppm",
                    "max_series_open_interest",
                    "max_market_open_interest",
                    "maker_fee_ppm",
                    "taker_fee_ppm",
                    "option_fee_cap_ppm",
                    "parameters",
                    "grid",
                    "blocks",
                    "charges",
                    "liquidity",
                    "offset_floor_ppm",
                    "stress_vol_ppm",
                ],
            ),
            (&["create_market", "set_offset"], &["offsets"]),
            (&["post_surface"], &["expiry_count"]),
            (EXPIRIES, &["expiries"]),
            (&["list_series"], &["series_count"]),
            (&["set_market_status"], &["status"]),
            (NOBODY, &["status_padding", "reserved"]),
        ],
    ),
    (
        "Expiry",
        &[
            (
                &["post_surface", "retire_expiry"],
                &[
                    "time",
                    "atm_vol_ppb",
                    "rho_ppb",
                    "phi_ppb",
                    "basis_rate_ppb",
                    "posted_at",
                ],
            ),
            (
                &[
                    "record_settlement_price",
                    "finalize_settlement",
                    "retire_expiry",
                ],
                &["average"],
            ),
            (NOBODY, &["reserved"]),
        ],
    ),
    (
        "SettlementAverage",
        &[
            (
                &["record_settlement_price", "finalize_settlement"],
                &["sum", "settlement_price", "covered"],
            ),
            (
                &["record_settlement_price"],
                &["last_price", "last_minute", "filled"],
            ),
            (NOBODY, &["padding"]),
        ],
    ),
    (
        "Series",
        &[
            (&["list_series"], &["generation"]),
            (
                &["list_series", "retire_expiry"],
                &["kind", "expiry", "strike", "ln_strike_q40"],
            ),
            (NOBODY, &["padding", "reserved"]),
        ],
    ),
    (
        "MarketLedger",
        &[
            (
                &["create_market"],
                &["version", "bump", "market_index", "market"],
            ),
            (
                &[
                    "block_trade",
                    "liquidate",
                    "transfer_positions",
                    "record_settlement_price",
                    "mark_account",
                    "settle",
                    "settle_on_credit",
                    "record_price",
                ],
                &["last_publish_time"],
            ),
            (
                &[
                    "create_market",
                    "block_trade",
                    "liquidate",
                    "transfer_positions",
                    "record_settlement_price",
                    "mark_account",
                    "settle",
                    "settle_on_credit",
                    "record_price",
                ],
                &["returns"],
            ),
            (CARRY, &["total_cost"]),
            (POSITIONS, &["total_open_lots", "open_lots"]),
            (CLAIMS, &["exercised"]),
            (
                &["settle", "settle_on_credit", "liquidate", "mark_account"],
                &["claims"],
            ),
            (
                &[
                    "block_trade",
                    "settle",
                    "settle_on_credit",
                    "liquidate",
                    "sweep_fees",
                ],
                &["fees"],
            ),
            (
                &["block_trade", "settle", "settle_on_credit", "liquidate"],
                &["fees_unpaid"],
            ),
            (NOBODY, &["padding", "reserved"]),
        ],
    ),
    (
        "MarginAccount",
        &[
            (
                &["open_account"],
                &["version", "bump", "sub_id", "clearinghouse", "owner"],
            ),
            (&["set_delegate"], &["delegate", "delegate_expiry"]),
            (POSITIONS, &["position_count", "positions"]),
            (CARRY, &["unsettled"]),
            (&["mark_account", "liquidate", "settle"], &["marked"]),
            (
                &[
                    "mark_account",
                    "liquidate",
                    "block_trade",
                    "transfer_positions",
                ],
                &["unhealthy_since"],
            ),
            (BALANCES, &["balances"]),
            (NOBODY, &["padding", "reserved"]),
        ],
    ),
    (
        "Owner",
        &[
            (
                &["open_account"],
                &["version", "bump", "clearinghouse", "owner"],
            ),
            (&["open_account", "close_account"], &["account_count"]),
            (POSITIONS, &["gross_lots"]),
            (NOBODY, &["padding", "reserved"]),
        ],
    ),
    (
        "Balance",
        &[
            (&["open_account"], &["bank"]),
            (
                &["open_account", "deposit", "transfer_balance"],
                &["market", "decimals"],
            ),
            (BALANCES, &["amount"]),
            (NOBODY, &["padding"]),
        ],
    ),
    (
        "Position",
        &[
            (POSITIONS, &["market", "slot", "generation", "lots", "cost"]),
            (NOBODY, &["reserved"]),
        ],
    ),
    (
        "Unsettled",
        &[
            (CARRY, &["market", "carry"]),
            (CLAIMS, &["claims"]),
            (NOBODY, &["padding"]),
        ],
    ),
    (
        "Claim",
        &[
            (CLAIMS, &["round", "face", "collected"]),
            (NOBODY, &["padding"]),
        ],
    ),
    (
        "ClaimsPool",
        &[
            (
                CLAIMS,
                &[
                    "cash",
                    "unallocated",
                    "loss_to_share",
                    "share_after",
                    "total_socialised",
                    "rounds",
                ],
            ),
            (&["mark_account", "liquidate", "settle"], &["unresolved"]),
            (NOBODY, &["padding"]),
        ],
    ),
    (
        "Round",
        &[
            (CLAIMS, &["id", "face", "received", "socialised"]),
            (NOBODY, &["padding"]),
        ],
    ),
];

/// The instructions that write a field, as the page shows them; nothing for structs that have no entries.
///
/// # Errors
/// For a field without an entry and for an instruction the program does not have.
pub fn writers(idl: &Idl, name: &str, field: &str) -> Result<Option<String>> {
    let Some((_, writers)) = WRITERS.iter().find(|(of, _)| *of == name) else {
        return Ok(None);
    };
    let (instructions, _) = writers
        .iter()
        .find(|(_, fields)| fields.contains(&field))
        .with_context(|| format!("who writes {name}.{field}? idl/writers.rs does not say"))?;
    for instruction in *instructions {
        let known = idl
            .instructions
            .iter()
            .any(|found| found.name == *instruction);
        ensure!(known, "{name}.{field}: no instruction {instruction}");
    }
    let shown: Vec<_> = instructions.iter().map(|one| format!("`{one}`")).collect();
    Ok(Some(shown.join(", ")))
}

/// Refuses entries for fields that the struct does not have.
///
/// # Errors
/// Names the field.
pub fn check(name: &str, fields: &[&str]) -> Result<()> {
    let entries = WRITERS.iter().filter(|(of, _)| *of == name);
    for field in entries.flat_map(|(_, writers)| writers.iter().flat_map(|(_, fields)| *fields)) {
        ensure!(
            fields.contains(field),
            "idl/writers.rs names {name}.{field}, which does not exist"
        );
    }
    Ok(())
}
