//! The books, each of one unit of underlying.

use crate::engine::Kind::{Call, Perpetual, Put, Spot};
use crate::engine::{Book, Leg};

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
