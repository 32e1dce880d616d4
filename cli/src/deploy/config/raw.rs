//! A deployment file as it is written: every key, known or refused. What the values mean is checked in [`super::resolve`].

use serde::Deserialize;
use toml::Spanned;

use super::values::{Int, Parameters, Strikes};

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The clearinghouse.
    pub clearinghouse: Clearinghouse,
    /// Its banks.
    #[serde(default)]
    pub bank: Vec<Bank>,
    /// Keys of every market that does not have them itself.
    #[serde(default)]
    pub market_defaults: Market,
    /// Its markets, in the order of their indices.
    #[serde(default)]
    pub market: Vec<Spanned<Market>>,
}

/// `[clearinghouse]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clearinghouse {
    /// Its number.
    pub id: Spanned<Int>,
    /// Who governs it: a public key.
    pub authority: Spanned<String>,
    /// The token contracts are paid in.
    pub settlement_mint: Spanned<String>,
    /// Share of trading fees that goes to the insurance fund.
    pub insurance_share_ppm: Spanned<Int>,
}

/// `[[bank]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bank {
    /// The token.
    pub mint: Spanned<String>,
    /// Symbol of the market whose underlying the token is; not for the settlement token.
    pub market: Option<Spanned<String>>,
    /// What one account may owe, 0 without it; for the settlement token only.
    pub max_account_debt_millionths: Option<Spanned<Int>>,
}

/// The keys of a market, and how those that are missing are taken from another.
macro_rules! market {
    ($($(#[$doc:meta])* $key:ident: $kind:ty,)*) => {
        /// `[[market]]` and `[market_defaults]`.
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Market {
            $($(#[$doc])* pub $key: Option<$kind>,)*
        }

        impl Market {
            /// This market with the missing keys of `defaults`.
            pub fn or(self, defaults: &Self) -> Self {
                Self { $($key: self.$key.or_else(|| defaults.$key.clone()),)* }
            }
        }
    };
}

market! {
    /// Name of the underlying; `*` in a template: any other.
    symbol: Spanned<String>,
    /// The price feed, 64 hexadecimal digits.
    feed_id: Spanned<String>,
    /// Instead of `feed_id`: the feed's bytes as text, `*` standing for the symbol.
    feed_name: Spanned<String>,
    /// The oracle program.
    price_program: Spanned<String>,
    /// Decimal exponent of prices.
    price_exponent: Spanned<Int>,
    /// Billionths of a unit in a lot.
    lot_size_billionths: Spanned<Int>,
    /// Instead of `lot_size_billionths`: the largest power of ten worth at most this much at the first price.
    lot_worth: Spanned<Int>,
    /// Oldest price.
    max_price_age_seconds: Spanned<Int>,
    /// Widest confidence.
    max_confidence_ppm: Spanned<Int>,
    /// Trade band, share of spot.
    band_spot_ppm: Spanned<Int>,
    /// Trade band, share of vega.
    band_vega_ppm: Spanned<Int>,
    /// Liquidation discount on delta.
    liquidation_delta_ppm: Spanned<Int>,
    /// Liquidation discount on vega.
    liquidation_vega_ppm: Spanned<Int>,
    /// The insurance fund's share of the discount.
    liquidation_insurance_ppm: Spanned<Int>,
    /// Most open interest of one series.
    max_series_open_interest_lots: Spanned<Int>,
    /// Most open interest of all series.
    max_market_open_interest_lots: Spanned<Int>,
    /// Maker's fee, share of the underlying's value.
    maker_fee_ppm: Spanned<Int>,
    /// Taker's fee, share of the underlying's value.
    taker_fee_ppm: Spanned<Int>,
    /// Most of an option's premium that a fee takes.
    option_fee_cap_ppm: Spanned<Int>,
    /// Share of all losses added that no offset across markets removes.
    offset_floor_ppm: Spanned<Int>,
    /// Realised volatility per year above which offsets shrink.
    stress_vol_ppm: Spanned<Int>,
    /// Offsets with markets before this one.
    offsets: Vec<OffsetRule>,
    /// Scenario parameters.
    parameters: Spanned<Parameters>,
    /// Room for series, at least those of the file.
    capacity_series: Spanned<Int>,
    /// First smile of a new expiry: volatility at the money.
    initial_atm_vol_ppm: Spanned<Int>,
    /// First smile of a new expiry: correlation.
    initial_rho_ppm: Spanned<Int>,
    /// First smile of a new expiry: curvature in units of total volatility.
    initial_curvature_ppm: Spanned<Int>,
    /// First basis of a new expiry per year.
    initial_basis_rate_ppm: Spanned<Int>,
    /// Rules that say what is listed.
    series: Vec<SeriesRule>,
}

/// `[[market.offsets]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OffsetRule {
    /// Symbol of the other market.
    pub with: Spanned<String>,
    /// Share of the gains of one that pays for losses of the other.
    pub offset_ppm: Spanned<Int>,
    /// Realised correlation from which on all of it counts.
    pub correlation_full_ppm: Spanned<Int>,
    /// Realised correlation up to which nothing does.
    pub correlation_zero_ppm: Spanned<Int>,
}

/// `[[market.series]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeriesRule {
    /// `perp`, `future`, `option` (calls and puts), `call` or `put`.
    pub kind: Spanned<String>,
    /// When they end.
    #[serde(default)]
    pub expiries: Vec<Spanned<String>>,
    /// Their strikes.
    pub strikes: Option<Spanned<Strikes>>,
}
