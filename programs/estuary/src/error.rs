//! Everything the program refuses, one error each. Where two numbers disagreed the log carries both.

use anchor_lang::prelude::*;

/// Why an instruction was refused. Refused instructions change nothing.
///
/// Codes are stable: new errors are added at the end.
#[error_code]
#[derive(PartialEq, Eq, bytemuck::CheckedBitPattern)]
pub enum EstuaryError {
    // Accounts
    /// The account has another layout version than this build reads.
    #[msg("account: its layout version is not the one this program reads")]
    AccountVersionUnsupported,
    /// The account belongs to another clearinghouse.
    #[msg("account: it belongs to another clearinghouse")]
    AccountOfAnotherClearinghouse,
    /// The same margin account was given for both sides.
    #[msg("account: both sides are the same margin account")]
    SameMarginAccount,
    /// The signer is not the clearinghouse's authority.
    #[msg("authority: the signer is not the clearinghouse's authority")]
    NotTheAuthority,
    /// The signer does not own the margin account.
    #[msg("owner: the signer does not own the margin account")]
    NotTheOwner,
    /// The account holds fewer bytes than its layout.
    #[msg("account: it is smaller than its layout")]
    AccountTooSmall,

    // Remaining accounts
    /// A market the instruction needs has no account in the list.
    #[msg("remaining accounts: a market that is needed is missing")]
    MarketAccountMissing,
    /// There are accounts left over after the last market needed.
    #[msg("remaining accounts: more accounts than the markets need")]
    MarketAccountsLeftOver,
    /// The markets are not in ascending order of index.
    #[msg("remaining accounts: markets are not strictly ascending by index")]
    MarketAccountsOutOfOrder,
    /// A market is not one the instruction needs.
    #[msg("remaining accounts: a market is not one the accounts and legs name")]
    MarketNotNeeded,
    /// The account in a market's place is not a market of this program.
    #[msg("market: the account is not owned by this program")]
    MarketAccountOwner,
    /// The account in a market's place is of another type.
    #[msg("market: the account is of another type")]
    MarketAccountType,
    /// The account in a ledger's place is not one of this program.
    #[msg("ledger: the account is not owned by this program")]
    LedgerAccountOwner,
    /// The account in a ledger's place is of another type.
    #[msg("ledger: the account is of another type")]
    LedgerAccountType,
    /// The ledger belongs to another market.
    #[msg("ledger: it belongs to another market")]
    LedgerOfAnotherMarket,
    /// The ledger has to be writable.
    #[msg("ledger: it is not writable")]
    LedgerNotWritable,

    // Prices
    /// The price account is not owned by the oracle program the market pinned.
    #[msg("price: the account is not owned by the oracle program of the market")]
    PriceAccountOwner,
    /// The price account is not a price update.
    #[msg("price: the account is not a price update")]
    PriceAccountType,
    /// The price update is verified by fewer guardians than required.
    #[msg("price: the update is not fully verified")]
    PriceNotFullyVerified,
    /// The price update is of another feed.
    #[msg("price: the update is of another feed than the market's")]
    PriceFeedMismatch,
    /// The feed reports that it is not trading.
    #[msg("price: the feed is not trading")]
    PriceNotTrading,
    /// The price is zero or negative.
    #[msg("price: it is not positive")]
    PriceNotPositive,
    /// The price's exponent is outside what feeds may state.
    #[msg("price: its exponent is out of range")]
    PriceExponentOutOfRange,
    /// The price was published after the clock's time.
    #[msg("price: its publish time is in the future")]
    PriceFromTheFuture,
    /// The market has seen a later price.
    #[msg("price: it is older than the last one the market has seen")]
    PriceOlderThanLast,
    /// The price is older than the market allows.
    #[msg("price: it is older than the market allows")]
    PriceTooOld,
    /// The confidence interval is wider than the market allows.
    #[msg("price: its confidence interval is wider than the market allows")]
    PriceTooUncertain,
    /// The price does not fit the market's exponent.
    #[msg("price: it cannot be represented at the market's exponent")]
    PriceNotRepresentable,

    // Clearinghouse, banks, markets
    /// The settlement token has other than six decimals.
    #[msg("settlement mint: it does not have 6 decimals")]
    SettlementMintDecimals,
    /// The mint is not the clearinghouse's settlement token.
    #[msg("mint: it is not the settlement token")]
    MintIsNotSettlementToken,
    /// The token account is of another mint than the bank's.
    #[msg("token account: its mint is not the bank's")]
    TokenAccountMint,
    /// The token account that receives is the bank's vault.
    #[msg("destination: it is the bank's vault")]
    DestinationIsVault,
    /// The vault is not the bank's.
    #[msg("vault: it is not the bank's")]
    VaultOfAnotherBank,
    /// The clearinghouse has all the banks it can have.
    #[msg("banks: the clearinghouse has no index left")]
    TooManyBanks,
    /// The clearinghouse has all the markets it can have.
    #[msg("markets: the clearinghouse has no index left")]
    TooManyMarkets,
    /// No bank has this index.
    #[msg("bank: no bank has this index")]
    BankUnknown,
    /// No market has this index.
    #[msg("market: no market has this index")]
    MarketUnknown,

    // Parameters of a market
    /// The oracle program is none this build can read.
    #[msg("price_program: this program cannot read its price accounts")]
    PriceProgramUnsupported,
    /// The symbol is not one to sixteen bytes of printable ASCII followed by zeros.
    #[msg("symbol: it is not printable ASCII padded with zeros")]
    SymbolInvalid,
    /// The price exponent is outside what feeds may state.
    #[msg("price_exponent: it is out of range")]
    PriceExponentInvalid,
    /// The lot size is zero.
    #[msg("lot_size: it is zero or over 1,000 units of the underlying")]
    LotSizeInvalid,
    /// The maximum age is zero or over a day.
    #[msg("max_price_age_seconds: it is zero or over a day")]
    MaxPriceAgeInvalid,
    /// The maximum confidence is zero or over the price.
    #[msg("max_confidence_ppm: it is zero or over 1,000,000")]
    MaxConfidenceInvalid,
    /// The band as a fraction of spot is zero or over spot.
    #[msg("band_spot_ppm: it is zero or over 1,000,000")]
    BandSpotInvalid,
    /// The band as a fraction of vega is over one.
    #[msg("band_vega_ppm: it is over 1,000,000")]
    BandVegaInvalid,
    /// The liquidation discount on delta is zero or over a tenth of spot.
    #[msg("liquidation_delta_ppm: it is zero or over 100,000")]
    LiquidationDeltaInvalid,
    /// The liquidation discount on volatility is over one.
    #[msg("liquidation_vega_ppm: it is over 1,000,000")]
    LiquidationVegaInvalid,
    /// The spot range is refused.
    #[msg("spot_range: it is below 1% or not below fall_limit")]
    SpotRangeInvalid,
    /// The nodes are refused.
    #[msg("nodes: they do not rise from -1 to +1 with 0 in the middle")]
    NodesInvalid,
    /// The tails are refused.
    #[msg(
        "tails: they do not move outwards from one range, or one multiplies spot by more than 4"
    )]
    TailsInvalid,
    /// The tail weights are refused.
    #[msg("tail_weights: one exceeds 1 or rises outwards")]
    TailWeightsInvalid,
    /// The fall limit is refused.
    #[msg("fall_limit: it is zero or leaves less than 5% of spot")]
    FallLimitInvalid,
    /// The rise of volatility is refused.
    #[msg("vol_up: scaled to one day it exceeds 175%")]
    VolUpInvalid,
    /// The fall of volatility is refused.
    #[msg("vol_down: at one day it would leave less than 10% of volatility")]
    VolDownInvalid,
    /// A volatility power is refused.
    #[msg("vol_power: it exceeds 1")]
    VolPowerInvalid,

    // Series and surfaces
    /// The target capacity exceeds the most series a market can have.
    #[msg("capacity: it exceeds the most series a market can have")]
    CapacityInvalid,
    /// The table of series is full; extend the market.
    #[msg("series: the table is full, extend the market first")]
    SeriesTableFull,
    /// No series were given.
    #[msg("series: none were given")]
    NoSeriesGiven,
    /// The series is listed already.
    #[msg("series: it is listed already")]
    SeriesListedAlready,
    /// The strike is zero, or given for a series without one.
    #[msg("strike: zero for an option, or not zero for a future or perp")]
    StrikeInvalid,
    /// The expiry index names no expiry of the market, or is given for a perp.
    #[msg("expiry: the market has none with this index, or a perp was given one")]
    ExpiryUnknown,
    /// The expiry has passed.
    #[msg("expiry: it has passed")]
    ExpiryPassed,
    /// The expiry is further away than the engine prices.
    #[msg("expiry: it is more than two years away")]
    ExpiryTooFar,
    /// The market has all the expiries it can have.
    #[msg("expiries: the market has no place left")]
    TooManyExpiries,
    /// No slices were given.
    #[msg("surface: no slices were given")]
    NoSlicesGiven,
    /// The slices are not strictly ascending by time.
    #[msg("surface: slices are not strictly ascending by time")]
    SlicesOutOfOrder,
    /// The at-the-money volatility is outside what the engine prices.
    #[msg("atm_vol: it is outside what the engine prices")]
    AtmVolInvalid,
    /// The correlation parameter is out of range.
    #[msg("rho: it is outside -0.95 to 0.95")]
    RhoInvalid,
    /// The curvature parameter is out of range.
    #[msg("phi: it is over 256")]
    PhiInvalid,
    /// The basis rate takes the forward outside half to twice spot.
    #[msg("basis_rate: the forward would leave half to twice of spot")]
    BasisRateInvalid,
    /// A slice admits butterfly arbitrage.
    #[msg("surface: a slice admits butterfly arbitrage")]
    SurfaceButterfly,
    /// Total variance falls from one expiry to a later one.
    #[msg("surface: total variance falls with maturity")]
    SurfaceCalendar,

    // Amounts
    /// The amount is zero.
    #[msg("amount: it is zero")]
    AmountZero,
    /// An amount leaves the range of 64 bits.
    #[msg("amount: it leaves the range of 64 bits")]
    AmountOverflow,
    /// The balance is smaller than the amount taken.
    #[msg("balance: it is smaller than the amount taken from it")]
    BalanceNegative,
    /// A counter leaves its range.
    #[msg("counter: it leaves its range")]
    CounterOverflow,

    // Trades
    /// The trade has no legs.
    #[msg("legs: none were given")]
    NoLegs,
    /// The trade has more legs than fit one transaction.
    #[msg("legs: more than fit one transaction")]
    TooManyLegs,
    /// Two legs name the same series.
    #[msg("legs: two name the same series")]
    LegDuplicated,
    /// The leg's lots are zero.
    #[msg("lots: they are zero")]
    LotsZero,
    /// The lots of a leg, or of an account in one market, reach 2^32.
    #[msg("lots: of a leg, or of one account in one market, they reach 2^32")]
    LotsOverflow,
    /// The leg's price is zero for a future or perp.
    #[msg("leg price: it is zero for a future or perp")]
    LegPriceZero,
    /// The leg's price is further from mark than the market's band.
    #[msg("leg price: it is further from mark than the market's band allows")]
    LegPriceOutsideBand,
    /// The slot is not listed in the market.
    #[msg("slot: the market has no series there")]
    SlotUnknown,
    /// The slot has been reused since.
    #[msg("generation: the slot holds another series")]
    SeriesGenerationMismatch,
    /// The series has expired.
    #[msg("series: it has expired")]
    SeriesExpired,
    /// The margin account has all the positions it can have.
    #[msg("positions: the margin account has no place left")]
    TooManyPositions,
    /// The two accounts have more positions together than one transaction can evaluate.
    #[msg("positions: both accounts together have more than one transaction can evaluate")]
    TooManyPositionsForOneTransaction,
    /// The margin account would have positions in too many markets.
    #[msg("positions: they would be in too many markets")]
    AccountInTooManyMarkets,

    // Health
    /// Equity would be below the initial margin.
    #[msg("health_im: equity would be below the initial margin")]
    BelowInitialMargin,
    /// Equity is below the maintenance margin; positions leave the account in a liquidation or a trade that reduces.
    #[msg(
        "health_mm: equity is below the maintenance margin, the account cannot hand positions on"
    )]
    BelowMaintenanceMargin,
    /// The account is below its initial margin or marked as unhealthy, and the trade lowers its health.
    #[msg(
        "health: the account is below its margin or marked, and the trade would lower its health"
    )]
    WeakAccountHealthFalls,
    /// The account is below its initial margin or marked as unhealthy, and a leg is worse than mark for it.
    #[msg(
        "health: the account is below its margin or marked, and a leg is worse than mark for it"
    )]
    WeakAccountLegWorseThanMark,
    /// The account is below its initial margin or marked as unhealthy, and the trade lowers its equity.
    #[msg("health: the account is below its margin or marked, and the trade would lower equity")]
    WeakAccountEquityFalls,
    /// The account is below its initial margin or marked as unhealthy, and its equity would be negative.
    #[msg("health: the account is below its margin or marked, and equity would be below zero")]
    WeakAccountEquityNegative,
    /// Senior equity would be negative.
    #[msg("senior: equity without unrealised gains would be below zero")]
    SeniorNegative,

    // Liquidation
    /// The account is not below its maintenance margin.
    #[msg("health_mm: it is not negative, the account cannot be liquidated")]
    NotLiquidatable,
    /// No step improves the account.
    #[msg("liquidation: no step releases margin that the account can pay for")]
    NothingToLiquidate,
    /// The liquidator would be below its initial margin.
    #[msg("health_im: the liquidator's equity would be below its initial margin")]
    LiquidatorBelowInitialMargin,

    // Reports
    /// The page of the report does not exist.
    #[msg("report: the account has no such page")]
    ReportPageUnknown,

    // What the engine refuses to price
    /// The forward leaves half to twice of spot.
    #[msg("engine: the forward is outside half to twice of spot")]
    ForwardOutOfRange,
    /// The volatility of a strike is outside what the kernel prices.
    #[msg("engine: the volatility is outside what the kernel prices")]
    VolOutOfRange,
    /// The value of one lot cannot be represented.
    #[msg("engine: the value of one lot cannot be represented")]
    LotValueOutOfRange,
    /// The engine met more expiries or strikes than it can hold.
    #[msg("engine: more expiries or strikes than it can hold")]
    EngineCapacity,

    // What must never happen
    /// The clearinghouse breaks its invariant.
    #[msg("invariant: clearinghouse")]
    ClearinghouseInvariant,
    /// The bank breaks its invariant.
    #[msg("invariant: bank")]
    BankInvariant,
    /// The vault holds less than the bank's deposits.
    #[msg("invariant: the vault holds less than the bank's deposits")]
    VaultShortOfDeposits,
    /// The market breaks its invariant.
    #[msg("invariant: market")]
    MarketInvariant,
    /// The ledger breaks its invariant.
    #[msg("invariant: market ledger")]
    LedgerInvariant,
    /// The margin account breaks its invariant.
    #[msg("invariant: margin account")]
    MarginAccountInvariant,

    // Delegates and closing
    /// The delegate's time is over.
    #[msg("delegate: its time is over")]
    DelegateExpired,
    /// The delegation would end before it begins, or has an end without a delegate.
    #[msg("delegate: its expiry is not in the future, or is given without a delegate")]
    DelegateExpiryInvalid,
    /// The owner needs no delegation.
    #[msg("delegate: it is the owner")]
    DelegateIsOwner,
    /// The account to close holds tokens.
    #[msg("close: the account has a balance")]
    AccountHasBalance,
    /// The account to close has positions.
    #[msg("close: the account has positions")]
    AccountHasPositions,

    // Transfers
    /// The account that receives belongs to another owner.
    #[msg("destination: it belongs to another owner than the source")]
    DestinationOfAnotherOwner,
    /// More lots are to move than the source has, or lots of the other sign.
    #[msg("lots: the source has fewer, or they have the other sign")]
    TransferExceedsPosition,

    // Open interest
    /// The trade would raise a series' open interest over the market's limit for one.
    #[msg("open interest: of the series it would exceed the market's limit for one series")]
    SeriesOpenInterestLimit,
    /// The trade would raise the market's open interest over its limit.
    #[msg("open interest: of all series it would exceed the market's limit")]
    MarketOpenInterestLimit,

    // Expiry
    /// The price is from before the settlement window.
    #[msg("settlement price: the window is not open at the price's publish time")]
    SettlementWindowNotOpen,
    /// The minute of the price has one already, or a later minute has.
    #[msg("settlement price: this minute or a later one has a price already")]
    SettlementMinuteRecorded,
    /// Prices of the settlement window may still come.
    #[msg("settlement price: prices of the window may still come")]
    SettlementWindowOpen,
    /// Too few minutes have a price of their own.
    #[msg("settlement price: fewer than 20 minutes have a price")]
    SettlementMinutesTooFew,
    /// The settlement price is final.
    #[msg("settlement price: it is final")]
    SettlementPriceFinal,
    /// The expiry has not passed.
    #[msg("expiry: it has not passed")]
    ExpiryNotPassed,
    /// A series of the expiry, or a slot to be reused, still has positions.
    #[msg("series: accounts still have positions in it")]
    SeriesHasOpenLots,

    // Status of a market
    /// The market is paused.
    #[msg("market: it is paused, nothing is traded or transferred in it")]
    MarketPaused,
    /// The market allows exits only.
    #[msg("market: positions in it can only be reduced")]
    MarketReduceOnly,

    // Settlement
    /// A market still owes the account, or it owes the market.
    #[msg("account: a market's profit or loss is still to be settled")]
    AccountHasUnsettled,
    /// There is nothing to settle in this market: no gain, no loss that can be paid, nothing to collect.
    #[msg("settlement: nothing to do for this account in this market now")]
    NothingToSettle,
    /// The account's marks, as below its maintenance margin and as below zero, are what its equity makes them already.
    #[msg("mark: the account's equity and marks agree already")]
    NothingToMark,
    /// A loss nobody is left to pay has to be recognised, and the insurance fund's bank is not among the accounts.
    #[msg("insurance: the settlement token's bank is needed to recognise the loss")]
    InsuranceBankMissing,
    /// The bank given is not the settlement token's.
    #[msg("insurance: the bank is not the settlement token's")]
    NotTheSettlementBank,
    /// The instruction meets a market whose price it did not ask for.
    #[msg("price: the market's price was not loaded")]
    PriceMissing,

    // Tokens
    /// The mint takes a fee of transfers.
    #[msg("mint: it has the extension transfer fee")]
    MintHasTransferFee,
    /// The mint has a delegate over all its token accounts.
    #[msg("mint: it has the extension permanent delegate")]
    MintHasPermanentDelegate,
    /// The mint's transfers can be paused.
    #[msg("mint: it has the extension pausable")]
    MintIsPausable,
    /// Another program decides over the mint's transfers.
    #[msg("mint: it has the extension transfer hook")]
    MintHasTransferHook,
    /// The mint's new token accounts can be frozen from the start.
    #[msg("mint: it has the extension default account state")]
    MintHasDefaultAccountState,
    /// The mint has confidential transfers.
    #[msg("mint: it has the extension confidential transfer")]
    MintIsConfidential,
    /// The mint takes a confidential fee of transfers.
    #[msg("mint: it has the extension confidential transfer fee")]
    MintHasConfidentialFee,
    /// The mint's supply is confidential.
    #[msg("mint: it has the extension confidential mint and burn")]
    MintHasConfidentialSupply,
    /// The mint's tokens cannot be transferred.
    #[msg("mint: it has the extension non-transferable")]
    MintIsNotTransferable,
    /// The mint can be closed, and made again in another way.
    #[msg("mint: it has the extension mint close authority")]
    MintIsClosable,
    /// The mint shows amounts with interest.
    #[msg("mint: it has the extension interest-bearing")]
    MintBearsInterest,
    /// The mint shows scaled amounts.
    #[msg("mint: it has the extension scaled amount")]
    MintIsScaled,
    /// The mint has an extension that this program does not know.
    #[msg("mint: it has an extension that is unknown")]
    MintExtensionUnknown,
    /// The mint has more decimals than the engine can value.
    #[msg("mint: it has more than 18 decimals")]
    MintDecimalsTooMany,
    /// The settlement token was given a market.
    #[msg("bank: the settlement token has no market")]
    SettlementBankMarket,
    /// The token needs the market whose underlying it is.
    #[msg("bank: a token other than the settlement token needs its market")]
    BankMarketMissing,
    /// Only the settlement token is lent.
    #[msg("bank: the most that an account may owe is not zero for a token that is not lent")]
    TokenDebtNotZero,
    /// The token program is not the one of the bank's mint.
    #[msg("token program: it is not the one of the bank's token")]
    TokenProgramOfAnotherBank,
    /// The vault's amount changed by something else than the amount transferred.
    #[msg("vault: it did not change by the amount transferred")]
    VaultAmountMismatch,
    /// A stranger would add a token, and so a market, to the account.
    #[msg("deposit: only the owner may add a token that the account does not hold")]
    DepositorIsNotTheOwner,
    /// The account would owe more than the bank lends one account.
    #[msg("debt: the account would owe more than the bank lends to one")]
    AccountDebtLimit,
    /// The bank has lent what is asked of it.
    #[msg("bank: what is left that it has not lent is less than the amount")]
    BankShortOfTokens,

    // Listing
    /// More series are given than one instruction lists.
    #[msg("series: more than 64 are given at once")]
    TooManySeriesGiven,

    // Fees
    /// The maker's fee is over 1%.
    #[msg("maker_fee_ppm: it is over 10,000")]
    MakerFeeInvalid,
    /// The taker's fee is over 1%.
    #[msg("taker_fee_ppm: it is over 10,000")]
    TakerFeeInvalid,
    /// The cap of an option's fee is over its premium.
    #[msg("option_fee_cap_ppm: it is over 1,000,000")]
    OptionFeeCapInvalid,
    /// The share of fees that goes to insurance is over one.
    #[msg("insurance_share_ppm: it is over 1,000,000")]
    InsuranceShareInvalid,
    /// The market has no fees that were paid and not swept yet.
    #[msg("fees: the market has none to sweep")]
    NoFeesToSweep,

    // The mark of an account below its maintenance margin
    /// The account is marked as unhealthy: it may deposit, settle and reduce. Once it is healthy `mark_account` takes the
    /// mark away, in the same transaction too.
    #[msg(
        "unhealthy_since: the account is marked as unhealthy, mark_account unmarks a healthy one"
    )]
    AccountMarkedUnhealthy,
    /// The account is below its maintenance margin and a leg opens, raises or turns a position.
    #[msg("health_mm: it is negative and a leg does anything else than reduce a position")]
    FailingAccountDoesNotReduce,

    // What a liquidator accepts
    /// The share of the discount that goes to insurance is over one.
    #[msg("liquidation_insurance_ppm: it is over 1,000,000")]
    LiquidationInsuranceInvalid,
    /// The price of a market is outside what the liquidator accepts.
    #[msg("liquidation: the market's price is outside what the liquidator accepts")]
    LiquidationPriceNotAccepted,
    /// The liquidator wants at most less than can be taken.
    #[msg("liquidation: max_notional is less than the least that helps")]
    LiquidationSizeTooSmall,

    // Blocks of the scenarios
    /// The twist is over 50%.
    #[msg("twist_ppm: it is over 500,000")]
    TwistInvalid,
    /// The shift of the correlation is over 0.5.
    #[msg("skew_ppm: it is over 500,000")]
    SkewInvalid,
    /// The shock of the basis is over 10%.
    #[msg("basis_ppm: it is over 100,000")]
    BasisShockInvalid,
    /// The shock of the basis grows by more than 50% a year.
    #[msg("basis_annual_ppm: it is over 500,000")]
    BasisAnnualInvalid,

    // Charges beside the scenarios
    /// The short-option minimum is over 10%.
    #[msg("short_minimum_ppm: it is over 100,000")]
    ShortMinimumInvalid,
    /// The short-option minimum of the maintenance margin is over that of the initial margin.
    #[msg("short_minimum_maintenance_ppm: it is over short_minimum_ppm")]
    ShortMinimumMaintenanceInvalid,
    /// The confidence interval would count more than ten times.
    #[msg("oracle_confidence_ppm: it is over 10,000,000")]
    OracleConfidenceInvalid,
    /// The allowance for a price's age is over 1% for a root second.
    #[msg("oracle_age_ppm: it is over 10,000")]
    OracleAgeInvalid,

    // Wings of a surface
    /// Volatility at 32 times the forward, or a 32nd of it, is beyond what the engine prices to its stated error.
    #[msg("phi_ppb: volatility at 32 times the forward, or a 32nd of it, is over 1200%")]
    WingVolInvalid,

    // What a bank lends
    /// One account may owe more than a billion of the settlement token.
    #[msg("max_account_debt: it is over 1,000,000,000 of the settlement token")]
    MaxAccountDebtInvalid,

    // Cost of unwinding, and the owner's account it depends on
    /// The half spread on delta is over 10%.
    #[msg("unwind_delta_ppm: it is over 100,000")]
    UnwindDeltaInvalid,
    /// The impact on delta is over 100% per million.
    #[msg("unwind_delta_impact_ppm: it is over 1,000,000")]
    UnwindDeltaImpactInvalid,
    /// The half spread on vega is over 50%.
    #[msg("unwind_vega_ppm: it is over 500,000")]
    UnwindVegaInvalid,
    /// The impact on vega is over 100% per million.
    #[msg("unwind_vega_impact_ppm: it is over 1,000,000")]
    UnwindVegaImpactInvalid,
    /// The owner account is not that of the margin account's owner.
    #[msg("owner account: it is not that of the margin account's owner")]
    OwnerOfAnotherAccount,
    /// An owner account counts more than its margin accounts hold, or less.
    #[msg("owner account: invariant violated")]
    OwnerInvariant,

    // Offsets across markets
    /// The share of gains that pays for losses of another market is over 95%.
    #[msg("offset_ppm: it is over 950,000")]
    OffsetInvalid,
    /// The correlation at which an offset counts in full is over 1.
    #[msg("correlation_full_ppm: it is over 1,000,000")]
    CorrelationFullInvalid,
    /// The correlation at which an offset ends is not below the one at which it counts in full.
    #[msg("correlation_zero_ppm: it is not below correlation_full_ppm")]
    CorrelationZeroInvalid,
    /// The share of losses that no offset removes is out of range.
    #[msg("offset_floor_ppm: it is not within 50,000 and 1,000,000")]
    OffsetFloorInvalid,
    /// The volatility above which offsets shrink is out of range.
    #[msg("stress_vol_ppm: it is not within 100,000 and 10,000,000")]
    StressVolInvalid,
    /// A pair is kept by the market with the higher index, and the other market is not below it.
    #[msg("offset market: its index is not below that of the market that keeps the pair")]
    OffsetMarketInvalid,
    /// No entry is free for another pair.
    #[msg("offsets: the market keeps as many pairs as it can")]
    OffsetTableFull,
}

impl EstuaryError {
    /// The error with a code as it appears in a transaction's result, if it is one of this program.
    #[must_use]
    pub fn from_code(code: u32) -> Option<Self> {
        let number = code.checked_sub(anchor_lang::error::ERROR_CODE_OFFSET)?;
        bytemuck::checked::try_cast(number).ok()
    }

    /// The code of the error in a transaction's result.
    #[must_use]
    pub fn code(self) -> u32 {
        self.into()
    }
}
