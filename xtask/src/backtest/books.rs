//! The books, each of one unit of underlying.

/// What a leg is; strikes are multiples of spot at the time of opening.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// The underlying, owned.
    Spot,
    /// A perpetual.
    Perpetual,
    /// A call: strike, days to expiry.
    Call(f64, i64),
    /// A put: strike, days to expiry.
    Put(f64, i64),
}

/// A leg and its units, shorts negative.
#[derive(Clone, Copy, Debug)]
pub struct Leg(pub Kind, pub i64);

/// A book.
#[derive(Debug)]
pub struct Book {
    /// What it is called.
    pub name: &'static str,
    /// Its legs.
    pub legs: &'static [Leg],
    /// Whether perpetuals are added until its delta is zero.
    pub hedged: bool,
}

use Kind::{Call, Perpetual, Put, Spot};

const SHORT_STRANGLE: &[Leg] = &[Leg(Call(1.1, 30), -1), Leg(Put(0.9, 30), -1)];

const fn book(name: &'static str, legs: &'static [Leg]) -> Book {
    Book {
        name,
        legs,
        hedged: false,
    }
}

/// In the order of the page.
pub const BOOKS: [Book; 11] = [
    book("long perpetual", &[Leg(Perpetual, 1)]),
    book("short perpetual", &[Leg(Perpetual, -1)]),
    book(
        "short straddle",
        &[Leg(Call(1.0, 30), -1), Leg(Put(1.0, 30), -1)],
    ),
    book(
        "long straddle",
        &[Leg(Call(1.0, 30), 1), Leg(Put(1.0, 30), 1)],
    ),
    book("short strangle", SHORT_STRANGLE),
    Book {
        name: "short strangle, delta-hedged",
        legs: SHORT_STRANGLE,
        hedged: true,
    },
    book(
        "iron condor",
        &[
            Leg(Put(0.8, 30), 1),
            Leg(Put(0.9, 30), -1),
            Leg(Call(1.1, 30), -1),
            Leg(Call(1.2, 30), 1),
        ],
    ),
    book("covered call", &[Leg(Spot, 1), Leg(Call(1.1, 30), -1)]),
    book("short put", &[Leg(Put(0.9, 30), -1)]),
    book(
        "calendar, short 30 long 60 days",
        &[Leg(Call(1.0, 30), -1), Leg(Call(1.0, 60), 1)],
    ),
    book(
        "calendar, long 30 short 60 days",
        &[Leg(Call(1.0, 30), 1), Leg(Call(1.0, 60), -1)],
    ),
];
