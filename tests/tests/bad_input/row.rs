//! Rows of the matrix and how they are written down.

use crate::case::Case;
use crate::stage::{Good, Stage};
use estuary_tests::{ErrorCode, EstuaryError as E, InstructionError, Pubkey, TokenError};

/// The kinds of bad input: the columns of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// An account that has to sign does not, or another signs in its place.
    MissingSigner,
    /// An account belongs to another program.
    WrongOwner,
    /// An account of another clearinghouse in its place.
    ForeignClearinghouse,
    /// Another address than the derived one, or another account of the same type.
    WrongAddress,
    /// Another token.
    WrongMint,
    /// A price older than the market allows.
    StalePrice,
    /// A price older than the last one the ledger has seen.
    PastPrice,
    /// A price from the future.
    FuturePrice,
    /// A price of another feed.
    WrongFeed,
    /// A price that not enough guardians signed.
    UnverifiedPrice,
    /// A price with too wide a confidence interval.
    WidePrice,
    /// Nothing of what is asked for.
    ZeroAmount,
    /// More than its type or the system holds.
    OverflowingAmount,
    /// A series that is not listed.
    UnknownSeries,
    /// A series or expiry that has ended.
    MaturedSeries,
    /// The same account in two places.
    DuplicateAccounts,
    /// An account too few.
    MissingAccounts,
    /// An account too many.
    ExtraAccounts,
    /// Accounts in another order.
    ReorderedAccounts,
    /// A market that is paused.
    PausedMarket,
    /// A margin account that is marked as unhealthy.
    MarkedAccount,
}

/// All columns.
pub const INPUTS: [Input; 21] = [
    Input::MissingSigner,
    Input::WrongOwner,
    Input::ForeignClearinghouse,
    Input::WrongAddress,
    Input::WrongMint,
    Input::StalePrice,
    Input::PastPrice,
    Input::FuturePrice,
    Input::WrongFeed,
    Input::UnverifiedPrice,
    Input::WidePrice,
    Input::ZeroAmount,
    Input::OverflowingAmount,
    Input::UnknownSeries,
    Input::MaturedSeries,
    Input::DuplicateAccounts,
    Input::MissingAccounts,
    Input::ExtraAccounts,
    Input::ReorderedAccounts,
    Input::PausedMarket,
    Input::MarkedAccount,
];
/// The columns about prices.
pub const PRICES: &[Input] = &[
    Input::StalePrice,
    Input::PastPrice,
    Input::FuturePrice,
    Input::WrongFeed,
    Input::UnverifiedPrice,
    Input::WidePrice,
];
/// The columns about amounts.
pub const AMOUNTS: &[Input] = &[Input::ZeroAmount, Input::OverflowingAmount];
/// The columns about series.
pub const SERIES: &[Input] = &[Input::UnknownSeries, Input::MaturedSeries];

/// A program and its error.
type Refusal = (Pubkey, InstructionError);

/// What has to become of an instruction.
#[derive(Clone, Copy, Debug)]
pub enum Expect {
    /// It succeeds: the input is harmless.
    Done,
    /// Estuary refuses.
    Estuary(E),
    /// Anchor refuses in Estuary.
    Anchor(ErrorCode),
    /// The token program refuses, with this code.
    Token(u32),
    /// The system program refuses because the account exists.
    Exists,
    /// Anchor finds something else than a mint or a token account in the place of one, and logs which place.
    NotAMint,
}

impl From<E> for Expect {
    fn from(error: E) -> Self {
        Self::Estuary(error)
    }
}

impl From<ErrorCode> for Expect {
    fn from(error: ErrorCode) -> Self {
        Self::Anchor(error)
    }
}

impl From<TokenError> for Expect {
    fn from(error: TokenError) -> Self {
        Self::Token(error as u32)
    }
}

impl Expect {
    /// Who refuses and with what.
    fn refusal(self) -> Option<Refusal> {
        let custom = |program, code| Some((program, InstructionError::Custom(code)));
        match self {
            Self::Done => None,
            Self::Estuary(error) => custom(estuary::ID, u32::from(error)),
            Self::Anchor(error) => custom(estuary::ID, u32::from(error)),
            Self::Token(error) => custom(anchor_spl::token::ID, error),
            Self::Exists => custom(anchor_lang::system_program::ID, 0),
            Self::NotAMint => Some((estuary::ID, InstructionError::InvalidAccountData)),
        }
    }

    /// Checks who refused and with what.
    pub fn check(self, found: Result<Option<Refusal>, String>) -> Result<(), String> {
        let found = found.map_err(|error| format!("wanted {self:?}, {error}"))?;
        if found == self.refusal() {
            return Ok(());
        }
        let name = found.map(|(program, error)| {
            let own = match error {
                InstructionError::Custom(code) if program == estuary::ID => E::from_code(code),
                _ => None,
            };
            own.map_or_else(
                || format!("{error:?} of {program}"),
                |own| format!("{own:?}"),
            )
        });
        Err(format!("wanted {self:?}, found {name:?}"))
    }
}

/// A change of a good instruction.
pub type Change = Box<dyn Fn(&mut Case<'_>)>;

/// A cell of the matrix.
pub enum Cell {
    /// The input does not exist for the instruction, and why.
    Nothing(&'static str),
    /// What is changed and what has to come of it.
    Sent(Expect, Change),
}

/// One instruction.
pub struct Row {
    /// Its name in the IDL.
    pub name: &'static str,
    /// Makes it so that it succeeds.
    pub good: fn(&mut Stage) -> Good,
    /// A column has one cell or several.
    pub cells: Vec<(Input, Cell)>,
}

impl Row {
    /// A row without cells.
    pub fn new(name: &'static str, good: fn(&mut Stage) -> Good) -> Self {
        let cells = Vec::new();
        Self { name, good, cells }
    }

    /// Adds a refusal.
    pub fn case(
        mut self,
        input: Input,
        expect: impl Into<Expect>,
        change: impl Fn(&mut Case<'_>) + 'static,
    ) -> Self {
        let cell = Cell::Sent(expect.into(), Box::new(change));
        self.cells.push((input, cell));
        self
    }

    /// Adds an input that changes nothing for the instruction: it succeeds.
    pub fn harmless(self, input: Input, change: impl Fn(&mut Case<'_>) + 'static) -> Self {
        self.case(input, Expect::Done, change)
    }

    /// Adds inputs that do not exist for the instruction.
    pub fn none(mut self, inputs: &[Input], why: &'static str) -> Self {
        let cells = inputs.iter().map(|input| (*input, Cell::Nothing(why)));
        self.cells.extend(cells);
        self
    }

    /// The accounts that have to sign.
    pub fn signers(self, names: &[&'static str]) -> Self {
        names.iter().fold(self, |row, name| {
            let error = ErrorCode::AccountNotSigner;
            row.case(Input::MissingSigner, error, |case| case.unsign(name))
        })
    }

    /// The accounts whose owner Anchor checks.
    pub fn owned(self, names: &[&'static str]) -> Self {
        names.iter().fold(self, |row, name| {
            let error = ErrorCode::AccountOwnedByWrongProgram;
            row.case(Input::WrongOwner, error, |case| case.disown(name))
        })
    }

    /// The accounts that carry their clearinghouse.
    pub fn local(self, names: &[&'static str]) -> Self {
        names.iter().fold(self, |row, name| {
            let error = E::AccountOfAnotherClearinghouse;
            row.case(Input::ForeignClearinghouse, error, |case| {
                case.foreign(name)
            })
        })
    }

    /// The accounts that sum up what the owners of margin accounts hold.
    pub fn of_owner(self, names: &[&'static str]) -> Self {
        let row = self.owned(names).local(names);
        names.iter().fold(row, |row, name| {
            let error = E::OwnerOfAnotherAccount;
            row.case(Input::WrongAddress, error, |case| case.other_owner(name))
        })
    }

    /// An instruction that emits an event: the program calls itself, signed for by its own address.
    pub fn events(self) -> Self {
        self.case(Input::WrongAddress, ErrorCode::ConstraintAddress, |case| {
            case.elsewhere("event_authority");
        })
        .case(Input::WrongAddress, ErrorCode::InvalidProgramId, |case| {
            case.elsewhere("program");
        })
    }

    /// An instruction that takes a fixed list of accounts and looks at no others.
    pub fn fixed_accounts(self) -> Self {
        self.case(
            Input::MissingAccounts,
            ErrorCode::AccountNotEnoughKeys,
            |case| case.drop_last(1),
        )
        .harmless(Input::ExtraAccounts, |case| case.push_any())
    }

    /// An instruction that uses no market: nothing about prices, series or a pause.
    pub fn no_market(self) -> Self {
        self.none(PRICES, "it uses no price")
            .none(SERIES, "it names no series")
            .none(&[Input::PausedMarket], "it uses no market")
    }

    /// An instruction that looks at no margin account.
    pub fn no_margin_account(self) -> Self {
        self.none(&[Input::MarkedAccount], "it looks at no margin account")
    }

    /// An instruction that a mark on these accounts does not stop.
    pub fn open_to_marked(self, names: &[&'static str]) -> Self {
        names.iter().fold(self, |row, name| {
            row.harmless(Input::MarkedAccount, |case| case.mark(name))
        })
    }

    /// An instruction that a mark on any of these accounts stops.
    pub fn closed_to_marked(self, names: &[&'static str]) -> Self {
        names.iter().fold(self, |row, name| {
            let error = E::AccountMarkedUnhealthy;
            row.case(Input::MarkedAccount, error, |case| case.mark(name))
        })
    }

    /// An instruction that names no series: what the accounts hold of a matured one, settled or not, does not stop it.
    pub fn matured(self) -> Self {
        self.harmless(Input::MaturedSeries, |case| case.stage.hold_matured())
            .harmless(Input::MaturedSeries, |case| {
                case.stage.hold_settled();
            })
    }

    /// An instruction that values accounts with positions in the first two markets.
    pub fn markets(self) -> Self {
        let mut row = self;
        for market in 0..2 {
            row = row
                .price(["price0", "price1"][market], market)
                .market(market, market);
        }
        row.case(Input::MissingAccounts, E::MarketAccountMissing, |case| {
            case.drop_last(1);
        })
        .case(Input::MissingAccounts, E::MarketAccountMissing, |case| {
            case.drop_last(3);
        })
        .case(Input::MissingAccounts, E::MarketAccountMissing, |case| {
            case.drop_last(6);
        })
        .case(
            Input::MissingAccounts,
            ErrorCode::AccountNotEnoughKeys,
            |case| case.drop_last(7),
        )
        .case(Input::ExtraAccounts, E::MarketAccountsLeftOver, |case| {
            case.push_any();
        })
        .case(Input::ExtraAccounts, E::MarketAccountsLeftOver, |case| {
            for name in ["market1", "ledger1", "price1"] {
                case.push(name);
            }
        })
        .case(Input::ReorderedAccounts, E::MarketAccountMissing, |case| {
            for name in ["market", "ledger", "price"] {
                case.swap(&format!("{name}0"), &format!("{name}1"));
            }
        })
        .case(Input::ReorderedAccounts, E::MarketAccountType, |case| {
            case.swap("market0", "ledger0");
        })
        .case(Input::ReorderedAccounts, E::LedgerAccountOwner, |case| {
            case.swap("ledger1", "price1");
        })
        .case(
            Input::DuplicateAccounts,
            E::MarketAccountsOutOfOrder,
            |case| {
                for name in ["market", "ledger", "price"] {
                    case.put(&format!("{name}1"), &format!("{name}0"));
                }
            },
        )
    }

    /// An instruction that uses a market, whose accounts are at this place of those after the named ones.
    pub fn market(self, place: usize, market: usize) -> Self {
        let name = move |what: &str| format!("{what}{place}");
        self.case(Input::WrongOwner, E::MarketAccountOwner, move |case| {
            case.disown(&name("market"));
        })
        .case(Input::WrongOwner, E::LedgerAccountOwner, move |case| {
            case.disown(&name("ledger"));
        })
        .case(Input::WrongOwner, E::PriceAccountOwner, move |case| {
            case.disown(&name("price"));
        })
        .case(
            Input::ForeignClearinghouse,
            E::AccountOfAnotherClearinghouse,
            move |case| case.foreign(&name("market")),
        )
        .case(
            Input::ForeignClearinghouse,
            E::LedgerOfAnotherMarket,
            move |case| case.foreign(&name("ledger")),
        )
        .case(Input::WrongAddress, E::LedgerOfAnotherMarket, move |case| {
            let other = case.stage.markets[1 - market].ledger;
            case.replace(&name("ledger"), other);
        })
    }

    /// An instruction that uses the price of a market, in the account of that name.
    pub fn price(self, name: &'static str, market: usize) -> Self {
        self.case(Input::StalePrice, E::PriceTooOld, move |case| {
            case.feed(name, market, |feed, _| feed.publish_time -= 61);
        })
        .case(Input::PastPrice, E::PriceOlderThanLast, move |case| {
            case.feed(name, market, |feed, last| feed.publish_time = last - 1);
        })
        .case(Input::FuturePrice, E::PriceFromTheFuture, move |case| {
            case.feed(name, market, |feed, _| feed.publish_time += 1);
        })
        .case(Input::WrongFeed, E::PriceFeedMismatch, move |case| {
            let other = case.stage.markets[1 - market].price_account;
            case.replace(name, other);
        })
        .case(
            Input::UnverifiedPrice,
            E::PriceNotFullyVerified,
            move |case| {
                case.feed(name, market, |feed, _| {
                    feed.verification = crate::case::PARTIAL
                });
            },
        )
        .case(Input::WidePrice, E::PriceTooUncertain, move |case| {
            case.feed(name, market, |feed, _| {
                feed.confidence = feed.price.unsigned_abs() / 50 + 1;
            });
        })
    }
}
