//! What holds for every book of a market, whatever it is made of: the properties that docs/invariants.md names.
//!
//! Books are the random ones of `support/books.rs`, every family of them, also with nearly the 2^32 lots that a market takes.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test may panic"
)]

mod support;

use estuary_risk::charges::OracleQuality;
use estuary_risk::margin::{AccountTotals, MarginReport};
use estuary_risk::market::MarketRisk;
use estuary_risk::scenario::TAILS;
use estuary_risk::units::{Money, MAX_LOTS_PER_MARKET};
use proptest::prelude::*;
use support::books::{Book, Holding, FAMILIES};
use support::Random;

const DAY: i64 = 86_400;

/// A book and the generator that made it, for further choices.
fn made(seed: u64, family: usize) -> (Book, Random) {
    let mut random = Random(seed);
    let book = Book::random(&mut random, family);
    (book, random)
}

fn report(risk: &MarketRisk) -> MarginReport {
    let mut totals = AccountTotals::with_cash(Money(0));
    totals.add_market(risk, Money(0)).unwrap();
    totals.report().unwrap()
}

/// The losses that are largest columns: of the scan, and of the blocks with the kernel's error.
fn scans(risk: &MarketRisk) -> [i64; 4] {
    [risk.scan_loss, risk.twist, risk.skew, risk.basis].map(|loss| loss.0)
}

fn with_legs(book: &Book, legs: impl IntoIterator<Item = (Holding, i64)>) -> Book {
    Book {
        legs: legs.into_iter().collect(),
        ..book.clone()
    }
}

/// What the engine's own rounding may come to in a book: units of Q28 per lot, and whole micro-units.
fn rounding(book: &Book, units_per_lot: f64) -> i64 {
    let lots = book.absolute_lots() * book.lot_value();
    (lots * units_per_lot / (1u64 << 28) as f64).ceil() as i64 + 4
}

/// Where the limit of a defined risk binds, the minimum of the maintenance margin takes what the scenario loss leaves: when that
/// rises, four fifths of it rise by less than the minimum falls. A fifth of the minimum is the most it may come to.
fn held_back(risk: &MarketRisk) -> i64 {
    match risk.defined_loss {
        MarketRisk::NO_LIMIT => 0,
        _ => risk.short_minimum_maintenance.0 / 5 + 4,
    }
}

/// What the rounding of lots that are about to expire may come to: a lot of every strike.
fn faded_lots(book: &Book) -> i64 {
    (book.strikes.len() as f64 * book.lot_value()).ceil() as i64
}

/// A random long option in one of the book's expiries, at a strike it has or at a new one.
fn long_option(book: &mut Book, random: &mut Random) -> (Holding, i64) {
    let place = if !book.strikes.is_empty() && random.below(2) == 0 {
        random.below(book.strikes.len() as u64) as usize
    } else {
        let expiry = random.below(book.expiries.len() as u64) as usize;
        let mantissa = (book.spot as f64 * random.uniform(0.5, 2.0)) as u64;
        book.strikes
            .push(support::books::Strike { expiry, mantissa });
        book.strikes.len() - 1
    };
    let kind = random.pick(&[Holding::Call, Holding::Put]);
    (kind(place), random.log_uniform(1.0, 20_000.0) as i64)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    /// Exact, to the micro-unit: a column of a sum is the sum of the columns, rounded down once instead of twice.
    #[test]
    fn the_scan_is_subadditive(seed in any::<u64>(), family in 0..FAMILIES.len()) {
        let (book, mut random) = made(seed, family);
        let (one, other): (Vec<_>, Vec<_>) = book.legs.iter().partition(|_| random.below(2) == 0);
        let parts = [one, other].map(|legs| with_legs(&book, legs).risk());
        let (Ok(both), [Ok(one), Ok(other)]) = (book.risk(), parts) else { return Ok(()) };
        for (both, (one, other)) in scans(&both).iter().zip(scans(&one).iter().zip(scans(&other))) {
            prop_assert!(*both <= one + other, "{both} above {one} + {other}: {book:?}");
        }
        // Each lot of risk is charged at least where it stands alone.
        prop_assert!(both.delta_notional.0 <= one.delta_notional.0 + other.delta_notional.0 + rounding(&book, 64.0));
    }

    #[test]
    fn a_long_option_adds_no_more_to_the_scan_than_its_value(seed in any::<u64>(), family in 0..FAMILIES.len()) {
        let (mut book, mut random) = made(seed, family);
        let leg = long_option(&mut book, &mut random);
        let alone = with_legs(&book, [leg]);
        let more = with_legs(&book, book.legs.iter().copied().chain([leg]));
        let (Ok(before), Ok(after), Ok(option)) = (book.risk(), more.risk(), alone.risk()) else { return Ok(()) };
        // The value is rounded down, and columns to the nearest unit of Q28.
        let value = option.option_value.0 + rounding(&alone, 16.0);
        prop_assert!(option.scan_loss.0 <= value, "the option alone: {option:?}");
        prop_assert!(after.scan_loss.0 <= before.scan_loss.0 + value, "{leg:?} {book:?}");
    }

    /// The slack: the option's own twist, skew and basis losses, its own oracle contingency, what it adds to the liquidity cost of
    /// the book, and by how much its own certified
    /// loss may exceed its value between the nodes, where the tangents of several longs meet elsewhere than each one's, and
    /// 0.002% of the certified loss: the first long brings the cells between tails in, whose weights are rounded to 16 bits. Only
    /// for options of a day and more, in a book whose limit of a defined risk the option does not take away.
    #[test]
    fn a_long_option_adds_no_more_to_the_requirement_than_its_value_and_the_slack(
        seed in any::<u64>(),
        family in 0..FAMILIES.len(),
    ) {
        let (mut book, mut random) = made(seed, family);
        book.oracle = OracleQuality { confidence_ppm: 500, age_seconds: 5 };
        for expiry in &mut book.expiries {
            expiry.seconds = expiry.seconds.max(DAY);
        }
        book.expiries.truncate(if random.below(2) == 0 { 1 } else { 4 });
        let expiries = book.expiries.len();
        book.strikes.iter_mut().for_each(|strike| strike.expiry %= expiries);
        book.legs.iter_mut().for_each(|(holding, _)| {
            if let Holding::Future(expiry) = holding {
                *expiry %= expiries;
            }
        });
        let leg = long_option(&mut book, &mut random);
        let alone = with_legs(&book, [leg]);
        let more = with_legs(&book, book.legs.iter().copied().chain([leg]));
        let (Ok(before), Ok(after), Ok(option)) = (book.risk(), more.risk(), alone.risk()) else { return Ok(()) };
        let had_limit = before.defined_loss != MarketRisk::NO_LIMIT;
        if had_limit && after.defined_loss == MarketRisk::NO_LIMIT {
            return Ok(());
        }
        let gap = tangent_gap(&alone) + before.certified_loss.0 / 50_000;
        let unwinding = (after.liquidity_cost.0 - before.liquidity_cost.0).max(0);
        let slack = option.twist.0 + option.skew.0 + option.basis.0 + option.oracle_contingency.0 + unwinding + gap;
        let value = option.option_value.0 + rounding(&more, 64.0);
        let room = held_back(&after);
        let (before, after) = (report(&before), report(&after));
        prop_assert!(
            after.initial_margin.0 <= before.initial_margin.0.max(0) + value + slack,
            "{} to {} by {value} and {slack}: {leg:?} {book:?}",
            before.initial_margin.0,
            after.initial_margin.0
        );
        prop_assert!(
            after.maintenance_margin.0
                <= before.maintenance_margin.0.max(0) + value + slack + room,
            "{before:?} to {after:?} by {value} and {slack}: {leg:?} {book:?}"
        );
    }

    /// A conversion or a box, of any size, in any expiries: what is left is G/20 and the short-option minimum.
    #[test]
    fn a_perfect_hedge_needs_floors_and_costs_only(seed in any::<u64>(), family in 4..6usize, backwards in any::<bool>()) {
        let (mut book, _) = made(seed, family);
        let sign = if backwards { -1 } else { 1 };
        // Against its future, not against spot: that has a basis. Whole structures of a million lots.
        let structures: Vec<_> = book.strikes.chunks(if family == 4 { 2 } else { 1 }).enumerate().collect();
        let mut legs = Vec::new();
        for (index, strikes) in structures {
            let first = if family == 4 { 2 * index } else { index };
            match strikes {
                [low, high] if low.expiry == high.expiry => legs.extend([
                    (Holding::Call(first), 1_000_000),
                    (Holding::Put(first), -1_000_000),
                    (Holding::Call(first + 1), -1_000_000),
                    (Holding::Put(first + 1), 1_000_000),
                ]),
                [strike] => legs.extend([
                    (Holding::Call(first), 1_000_000),
                    (Holding::Put(first), -1_000_000),
                    (Holding::Future(strike.expiry), -1_000_000),
                ]),
                _ => {}
            }
        }
        book.legs = legs.into_iter().map(|(holding, lots)| (holding, sign * lots)).collect();
        let risk = book.risk().unwrap();
        let none = rounding(&book, 4.0);
        prop_assert!(risk.scenario_loss().unwrap().0 <= none, "{risk:?}");
        prop_assert!(risk.delta_notional.0 <= none);
        let needed = report(&risk).initial_margin.0;
        let (minimum, _) = risk.short_minimums().unwrap();
        prop_assert!(needed <= minimum.0.max(risk.gross.0 / 20 + 1) + none, "{needed}: {risk:?}");
    }

    /// Weights of tails and rates of charges: exactly, for every book. Larger shocks move the nodes, so that other books are
    /// certified more loosely or less; see `wider_shocks_are_certified_for_what_narrower_ones_lose`.
    #[test]
    fn no_rate_that_rises_lowers_the_requirement(seed in any::<u64>(), family in 0..FAMILIES.len()) {
        let (mut book, mut random) = made(seed, family);
        book.oracle = OracleQuality { confidence_ppm: 300, age_seconds: 9 };
        let mut more = book.clone();
        let ppm = |random: &mut Random, value: &mut u32, most: u32| {
            *value += random.below(u64::from(most - *value) + 1) as u32;
        };
        let (charges, liquidity) = (&mut more.parameters.charges, &mut more.parameters.liquidity);
        match random.below(9) {
            5 => ppm(&mut random, &mut liquidity.unwind_delta_ppm, 100_000),
            6 => ppm(&mut random, &mut liquidity.unwind_delta_impact_ppm, 1_000_000),
            7 => ppm(&mut random, &mut liquidity.unwind_vega_ppm, 500_000),
            8 => ppm(&mut random, &mut liquidity.unwind_vega_impact_ppm, 1_000_000),
            0 => ppm(&mut random, &mut charges.short_minimum_ppm, 100_000),
            1 => ppm(&mut random, &mut charges.oracle_confidence_ppm, 10_000_000),
            2 => ppm(&mut random, &mut charges.oracle_age_ppm, 10_000),
            3 => more.oracle.confidence_ppm += random.below(50_000) as u32,
            _ => {
                // Never rising outwards: each at least the one further out, at most the one further in.
                let place = random.below(TAILS as u64) as usize;
                let inner = if place.is_multiple_of(3) { 1_000_000 } else { more.parameters.tail_weight_ppm[place - 1] };
                ppm(&mut random, &mut more.parameters.tail_weight_ppm[place], inner);
            }
        }
        let (Ok(one), Ok(other)) = (book.risk(), more.risk()) else { return Ok(()) };
        for (one, other) in scans(&one).iter().zip(scans(&other)) {
            prop_assert!(other >= *one);
        }
        prop_assert!(other.certified_loss >= one.certified_loss, "{book:?}");
        prop_assert!(report(&other).initial_margin >= report(&one).initial_margin, "{book:?}");
        let least = report(&one).maintenance_margin.0 - held_back(&one);
        prop_assert!(report(&other).maintenance_margin.0 >= least, "{book:?}");
    }

    /// Shocks of spot and volatility: exactly for books that no shock helps between two sizes, which are those of shorts and of
    /// what is linear (concave in spot, falling in volatility).
    #[test]
    fn no_shock_that_grows_lowers_what_shorts_need(seed in any::<u64>(), family in 0..2usize) {
        let (mut book, mut random) = made(seed, family);
        book.legs.iter_mut().for_each(|(holding, lots)| {
            if matches!(holding, Holding::Call(_) | Holding::Put(_)) {
                *lots = -lots.abs();
            }
        });
        // Blocks turn maturities against each other: here they are off.
        book.parameters.blocks = estuary_risk::blocks::BlockParameters::OFF;
        let mut more = book.clone();
        let parameters = &mut more.parameters;
        match random.below(3) {
            0 => parameters.spot_range_ppm += random.below(u64::from(100_000u32)) as u32,
            1 => parameters.vol_up_ppm += random.below(500_000) as u32,
            _ => {
                let place = [2, 5][random.below(2) as usize];
                let multiple = &mut parameters.tail_multiple_ppm[place];
                *multiple += multiple.signum() * random.below(500_000) as i32;
            }
        }
        if more.parameters.grid().is_err() {
            return Ok(());
        }
        let (Ok(one), Ok(other)) = (book.risk(), more.risk()) else { return Ok(()) };
        prop_assert!(other.scan_loss.0 + rounding(&book, 64.0) >= one.scan_loss.0, "{book:?}");
        prop_assert!(other.certified_loss.0 + rounding(&book, 64.0) >= one.certified_loss.0, "{book:?}");
    }

    /// A deeper fall of volatility: for longs and what is linear, whose value falls with it at every node.
    #[test]
    fn no_deeper_fall_of_volatility_lowers_the_scan_of_longs(seed in any::<u64>(), family in 0..2usize) {
        let (mut book, mut random) = made(seed, family);
        book.legs.iter_mut().for_each(|(holding, lots)| {
            if matches!(holding, Holding::Call(_) | Holding::Put(_)) {
                *lots = lots.abs();
            }
        });
        let mut more = book.clone();
        more.parameters.vol_down_ppm += random.below(24_000) as u32;
        if more.parameters.grid().is_err() {
            return Ok(());
        }
        let (Ok(one), Ok(other)) = (book.risk(), more.risk()) else { return Ok(()) };
        prop_assert!(other.scan_loss.0 + rounding(&book, 64.0) >= one.scan_loss.0, "{book:?}");
    }

    #[test]
    fn the_requirement_grows_with_the_size(seed in any::<u64>(), family in 0..FAMILIES.len(), factor in 2i64..1_000) {
        let (mut book, _) = made(seed, family);
        book.oracle = OracleQuality { confidence_ppm: 300, age_seconds: 9 };
        without_impact(&mut book);
        let scale = (1u64 << 20) as f64 / book.absolute_lots().max(1.0);
        book.legs.iter_mut().for_each(|(_, lots)| *lots = (*lots as f64 * scale) as i64);
        let large = with_legs(&book, book.legs.iter().map(|(holding, lots)| (*holding, lots * factor)));
        // The same in lots of another size.
        let coarse = Book { lot_size: book.lot_size * factor as u64, ..book.clone() };
        let (Ok(one), Ok(large), Ok(coarse)) = (book.risk(), large.risk(), coarse.risk()) else { return Ok(()) };
        let parts = |risk: &MarketRisk| {
            let report = report(risk);
            [
                risk.scan_loss, risk.certified_loss, risk.twist, risk.skew, risk.basis, risk.expiring_longs,
                risk.gross, risk.short_minimum, risk.oracle_contingency, risk.liquidity_cost, risk.delta_notional,
                report.initial_margin, report.maintenance_margin, risk.option_value, risk.linear_value,
            ].map(|part| part.0)
        };
        // A sum's scale is a power of two above its lots: a unit of it is 2^-30 of spot for each lot.
        // And the place of a dip, found in as many bits, is weighed between tails by weights of 16.
        let weights = one.certified_loss.0 / 10_000;
        let room = (rounding(&book, 32.0) + faded_lots(&book) + weights) * factor;
        for (place, one) in parts(&one).into_iter().enumerate() {
            for grown in [parts(&large)[place], parts(&coarse)[place]] {
                prop_assert!((grown - one * factor).abs() <= room, "{place}: {grown} for {one} × {factor} ± {room}");
            }
        }
    }

    /// Bit for bit: legs, strikes and expiries in any order, and a leg in two parts.
    #[test]
    fn no_order_of_legs_strikes_or_expiries_matters(seed in any::<u64>(), family in 0..FAMILIES.len()) {
        let (book, mut random) = made(seed, family);
        let mut other = book.clone();
        let turned = |count: usize, place: usize| count - 1 - place;
        other.expiries.reverse();
        other.strikes.reverse();
        let (expiries, strikes) = (book.expiries.len(), book.strikes.len());
        other.strikes.iter_mut().for_each(|strike| strike.expiry = turned(expiries, strike.expiry));
        for (holding, _) in &mut other.legs {
            *holding = match *holding {
                Holding::Future(place) => Holding::Future(turned(expiries, place)),
                Holding::Call(place) => Holding::Call(turned(strikes, place)),
                Holding::Put(place) => Holding::Put(turned(strikes, place)),
                whole => whole,
            };
        }
        for place in (1..other.legs.len()).rev() {
            other.legs.swap(place, random.below(place as u64 + 1) as usize);
        }
        let split: Vec<_> = other.legs.iter().flat_map(|(holding, lots)| [(*holding, lots / 3), (*holding, lots - lots / 3)]).collect();
        let split = with_legs(&other, split);
        prop_assert_eq!(book.risk(), other.risk());
        prop_assert_eq!(book.risk(), split.risk());
    }
}

/// Switches off what grows with the square of a book: the impact in its liquidity cost.
fn without_impact(book: &mut Book) {
    book.parameters.liquidity.unwind_delta_impact_ppm = 0;
    book.parameters.liquidity.unwind_vega_impact_ppm = 0;
}

/// By how much the tangents of a long option alone may lie below its worth of nothing, in micro-units, rounded up: what the
/// certified bound of a book may lose by where the tangents of several longs meet.
fn tangent_gap(alone: &Book) -> i64 {
    let (holding, lots) = alone.legs[0];
    let (Holding::Call(place) | Holding::Put(place)) = holding else {
        panic!("an option");
    };
    let is_put = matches!(holding, Holding::Put(_));
    let strike = alone.strikes[place].mantissa as f64 / alone.spot as f64;
    let forward = alone.expiries[alone.strikes[place].expiry].forward();
    let grid = alone.parameters.grid().unwrap();
    let multiples: Vec<f64> = grid
        .multiple_q30
        .iter()
        .map(|multiple| *multiple as f64 / (1u64 << 30) as f64)
        .collect();
    // From node to node, then from the outermost nodes through the tails.
    let (nodes, tails) = (9, TAILS / 2);
    let mut cells: Vec<(f64, f64, bool)> = (1..nodes)
        .map(|node| (multiples[node - 1], multiples[node], false))
        .collect();
    for (first, mut inner) in [(nodes, multiples[0]), (nodes + tails, multiples[nodes - 1])] {
        for outer in &multiples[first..first + tails] {
            cells.push((inner.min(*outer), inner.max(*outer), true));
            inner = *outer;
        }
    }
    let mut gap = 0f64;
    for (left, right, is_tail) in cells {
        for level in if is_tail { 2..3 } else { 0..3 } {
            let multipliers = alone.multipliers(level);
            let option = Book {
                legs: vec![(holding, 1)],
                ..alone.clone()
            };
            let value = |multiple: f64| option.value(multiple, &multipliers);
            let slope = |multiple: f64| (value(multiple + 1e-6) - value(multiple - 1e-6)) / 2e-6;
            let width = right - left;
            // Where a tangent from one end arrives at the other, if below zero.
            let low = if is_put {
                value(left) + slope(left) * width
            } else {
                value(right) - slope(right) * width
            };
            gap = gap.max(-low);
        }
    }
    assert!(gap <= strike.max(4.0 * forward), "{gap}");
    ((gap + 1e-6) * lots as f64 * alone.lot_value()).ceil() as i64
}

/// A wider range of spot is certified for everything that a narrower one loses, whatever the book: the bound may be looser
/// or tighter, but is never below the truth of either.
#[test]
fn wider_shocks_are_certified_for_what_narrower_ones_lose() {
    let mut random = Random(0x51de);
    for number in 0..300 {
        let book = Book::random(&mut random, number % FAMILIES.len());
        let mut wider = book.clone();
        wider.parameters.spot_range_ppm += random.below(100_000) as u32;
        let Ok(risk) = wider.risk() else { continue };
        let error = 1e-9 * book.absolute_lots() * book.lot_value() + 1.0;
        for level in 0..3 {
            let lost = book.core_loss(&book.multipliers(level), 200) * book.lot_value();
            assert!(
                risk.certified_loss.0 as f64 >= lost - error,
                "{} for {lost}: {book:?}",
                risk.certified_loss.0
            );
        }
    }
}

/// The certified loss is not subadditive: the tangents of two longs meet elsewhere than those of their sum. How far it is not.
#[test]
fn the_certified_loss_is_nearly_subadditive() {
    let mut random = Random(0xadd);
    let (mut above, mut worst, mut books) = (0, 0f64, 0);
    for number in 0..2_000 {
        let book = Book::random(&mut random, number % FAMILIES.len());
        let (one, other): (Vec<_>, Vec<_>) = book.legs.iter().partition(|_| random.below(2) == 0);
        let parts = [one, other].map(|legs| with_legs(&book, legs).risk());
        let (Ok(both), [Ok(one), Ok(other)]) = (book.risk(), parts) else {
            continue;
        };
        let apart = one.certified_loss.0 + other.certified_loss.0;
        let excess = (both.certified_loss.0 - apart) as f64;
        books += 1;
        above += usize::from(excess > 4.0);
        worst = worst.max(excess / (book.absolute_lots() * book.lot_value()));
    }
    println!(
        "{above} of {books} books above the sum of their parts, by {worst} of notional at most"
    );
    assert!(above * 20 <= books, "{above} of {books}");
    assert!(worst <= 0.02, "{worst}");
}

#[test]
fn an_empty_book_has_no_risk_and_an_empty_account_needs_nothing() {
    let mut random = Random(1);
    for family in 0..FAMILIES.len() {
        let book = Book::random(&mut random, family);
        let empty = with_legs(&book, []).risk().unwrap();
        assert_eq!(empty, MarketRisk::EMPTY);
        // Nor have legs of nothing, but for a limit on it: nothing.
        let flat = with_legs(&book, book.legs.iter().map(|(holding, _)| (*holding, 0)));
        let flat = flat.risk().unwrap();
        let least = MarketRisk {
            defined_loss: flat.defined_loss,
            ..MarketRisk::EMPTY
        };
        let costs = [flat.certified_loss, flat.twist, flat.skew, flat.basis];
        assert!(costs.iter().all(|cost| cost.0 == 0), "{flat:?}");
        assert_eq!(flat, least);
        for risk in [&empty, &flat] {
            assert_eq!(report(risk), MarginReport::default());
        }
    }
    let nothing = AccountTotals::default().report().unwrap();
    assert_eq!(nothing, MarginReport::default());
}

/// The largest book that a market takes, 2^32 − 1 lots in absolute terms, whatever it holds: its sums are those of a book a
/// millionth of the size, a million times as large. Anything larger is refused by name.
#[test]
fn the_largest_book_overflows_nothing() {
    let most = MAX_LOTS_PER_MARKET as i64 - 1;
    let mut random = Random(0xb16);
    for number in 0..600 {
        let mut book = Book::random(&mut random, number % FAMILIES.len());
        // A lot worth a cent or so, so that money is no limit.
        book.lot_size = 1;
        without_impact(&mut book);
        let kinds = book.legs.len() as i64;
        if kinds == 0 {
            continue;
        }
        // All lots in one leg, or alike in all, long and short.
        let small: Vec<_> = if number % 2 == 0 {
            let (holding, lots) = book.legs[random.below(kinds as u64) as usize];
            vec![(holding, lots.signum() * (most >> 20))]
        } else {
            let each = (most >> 20) / kinds;
            let sized = |(holding, lots): &(Holding, i64)| (*holding, lots.signum() * each);
            book.legs.iter().map(sized).collect()
        };
        let small = with_legs(&book, small);
        let large = with_legs(
            &book,
            small.legs.iter().map(|(one, lots)| (*one, lots << 20)),
        );
        let (Ok(one), Ok(million)) = (small.risk(), large.risk()) else {
            panic!("refused: {book:?}");
        };
        for (column, (one, million)) in one.pnl_q28.iter().zip(&million.pnl_q28).enumerate() {
            let error = (*million - (one << 20)).unsigned_abs();
            assert!(error <= 1 << 21, "column {column}: {one} and {million}");
        }
        let room = (small.absolute_lots() * book.lot_value() * 1e-7) as i64 + 4;
        for (one, million) in scans(&one).into_iter().zip(scans(&million)) {
            assert!(
                (million - (one << 20)).abs() <= room << 20,
                "{one} {million}"
            );
        }
        let room = 2 * room + faded_lots(&small);
        let [one, million] = [one, million].map(|risk| report(&risk).initial_margin.0);
        assert!(
            (million - (one << 20)).abs() <= room << 20,
            "{one} {million}"
        );
    }
    let mut book = Book::random(&mut random, 0);
    book.legs = vec![(Holding::Perpetual, most), (Holding::Perpetual, -1)];
    assert_eq!(
        book.risk(),
        Err(estuary_risk::units::RiskError::TooManyLots)
    );
}
