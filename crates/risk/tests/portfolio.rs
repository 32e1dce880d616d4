//! Offsets across markets: what several books of the kinds that margin models get wrong can lose together, by brute force,
//! and what holds of the requirement whatever the offsets are.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test may panic"
)]

mod support;

use estuary_risk::charges::OracleQuality;
use estuary_risk::margin::{AccountTotals, MarginReport};
use estuary_risk::market::MarketRisk;
use estuary_risk::portfolio::{Offset, Offsets, Portfolio};
use estuary_risk::scenario::ScenarioParameters;
use estuary_risk::smile::Smile;
use estuary_risk::units::Money;
use support::books::{Book, Expiry, Holding, Strike, FAMILIES};
use support::{exhaustive, Random};

/// Accounts of each property.
const ACCOUNTS: u64 = 600;
/// What sums of products lose in floating point, as a share of the notional.
const NOISE: f64 = 1e-13;

fn accounts() -> u64 {
    ACCOUNTS * if exhaustive() { 50 } else { 1 }
}

/// Two to four books of comparable size.
fn books(random: &mut Random) -> Vec<Book> {
    let count = 2 + random.below(3);
    let mut books = Vec::new();
    while (books.len() as u64) < count {
        let family = random.below(FAMILIES.len() as u64) as usize;
        let mut book = Book::random(random, family);
        let notional = book.absolute_lots() * book.lot_value();
        let factor = random.log_uniform(1e9, 1e11) / notional;
        for (_, lots) in &mut book.legs {
            *lots = (*lots as f64 * factor) as i64;
        }
        if book.absolute_lots() >= 1.0 {
            books.push(book);
        }
    }
    books
}

fn random(seed: u64) -> Random {
    let mut random = Random(seed.wrapping_mul(0xD134_2543_DE82_EF95) + 7);
    Random(random.bits())
}

fn risks(books: &[Book]) -> Vec<MarketRisk> {
    let risk = |book: &Book| book.risk().expect("a book the engine can price");
    books.iter().map(risk).collect()
}

fn totals(risks: &[MarketRisk]) -> AccountTotals {
    let mut totals = AccountTotals::with_cash(Money(1 << 50));
    for risk in risks {
        totals.add_market(risk, Money(0)).unwrap();
    }
    totals
}

/// The same θ and κ for all pairs and markets.
fn same(initial_ppm: u32, maintenance_ppm: u32, floor_ppm: u32) -> Offsets {
    let mut offsets = Offsets::NONE;
    for high in 0..8 {
        offsets.set_floor(high, floor_ppm);
        for low in 0..high {
            let offset = Offset {
                initial_ppm,
                maintenance_ppm,
            };
            offsets.set_pair(low, high, offset);
        }
    }
    offsets
}

fn portfolio(risks: &[MarketRisk], offsets: &Offsets) -> Portfolio {
    totals(risks).portfolio_with(offsets).unwrap()
}

fn report(risks: &[MarketRisk], offsets: &Offsets) -> MarginReport {
    totals(risks).report_with(offsets).unwrap()
}

/// What each book loses at its worst volatility level where spot has moved by a multiple of its range, by its weight there, in
/// micro-units; a gain is negative. Multiples from −3 to 6: further falls are clamped.
fn losses_at(books: &[Book], multiple: f64) -> Vec<f64> {
    let weight = 1.0 / multiple.abs().max(1.0);
    let levels = if multiple.abs() > 1.0 { 2..3 } else { 0..3 };
    let loss = |book: &Book| {
        let range = f64::from(book.parameters.spot_range_ppm) / 1e6;
        let now = book.value(1.0, &book.base());
        let at = |level| now - book.value(1.0 + multiple * range, &book.multipliers(level));
        let worst = levels.clone().map(at).fold(f64::NEG_INFINITY, f64::max);
        worst * weight * book.lot_value()
    };
    books.iter().map(loss).collect()
}

#[test]
fn losses_at_one_fraction_of_the_ranges_are_never_understated() {
    let (mut tried, mut binding) = (0, 0);
    for seed in 0..accounts() {
        let mut random = random(seed);
        let books = books(&mut random);
        let risks = risks(&books);
        let theta = random.pick(&[0.0, 0.2, 0.5, 0.9]);
        let offsets = same((theta * 1e6) as u32, (theta * 1e6) as u32, 50_000);
        let scan = portfolio(&risks, &offsets).initial.offset_loss.0 as f64;
        let core = (-64..=64).map(|step| f64::from(step) / 64.0);
        let falls = (1..=48).map(|step| -1.0 - f64::from(step) / 24.0);
        let rises = (1..=80).map(|step| 1.0 + f64::from(step) / 16.0);
        let mut worst = 0f64;
        for multiple in core.chain(falls).chain(rises) {
            let losses = losses_at(&books, multiple);
            let counted = |loss: &f64| if *loss > 0.0 { *loss } else { theta * loss };
            worst = worst.max(losses.iter().map(counted).sum());
        }
        let notional: f64 = books
            .iter()
            .map(|book| book.absolute_lots() * book.lot_value())
            .sum();
        assert!(
            scan >= worst - NOISE * notional - 1.0,
            "{seed}: {scan} {worst} of {notional}"
        );
        tried += 1;
        binding += u64::from(worst > 0.5 * scan);
    }
    println!("{tried} accounts, in {binding} the joint loss is at least half of the bound");
    assert!(binding * 4 > tried);
}

/// The properties of X and of the requirement, for random books, offsets and orders.
#[test]
fn the_floors_hold_and_nothing_lowers_them() {
    for seed in 0..accounts() {
        let mut random = random(seed + 1_000_000);
        let mut risks = risks(&books(&mut random));
        let theta = random.uniform(0.0, 0.95e6) as u32;
        let kappa = random.uniform(0.05e6, 1e6) as u32;
        let offsets = same(theta, theta, kappa);
        let found = portfolio(&risks, &offsets);
        let alone: Vec<i64> = risks.iter().map(|risk| risk.capped_loss().0).collect();
        let (sum, most): (i64, i64) = (alone.iter().sum(), *alone.iter().max().unwrap());
        let x = found.initial.scan_loss.0;
        assert_eq!(found.total.0, sum, "{seed}");
        assert!(x <= sum, "{seed}");
        assert!(
            x as f64 >= sum as f64 * f64::from(kappa) / 1e6 - 1.0,
            "{seed}"
        );
        assert!(
            x as f64 >= most as f64 * (1.0 - f64::from(theta) / 1e6) - 1.0,
            "{seed}"
        );

        // Without offsets gains pay for nothing.
        let none = portfolio(&risks, &same(0, 0, kappa)).initial;
        assert!(none.scan_loss.0 >= most, "{seed}");
        for node in 0..risks[0].node_losses.len() {
            let losses = risks.iter().map(|risk| risk.node_losses[node].0.max(0));
            assert!(none.scan_loss.0 >= losses.sum(), "{seed}");
        }
        assert!(none.scan_loss.0 >= x, "{seed}");

        // More of gains, or a lower floor, never needs more.
        let more = portfolio(
            &risks,
            &same(theta.midpoint(950_000), theta.midpoint(950_000), kappa),
        );
        assert!(more.initial.scan_loss <= found.initial.scan_loss, "{seed}");
        let higher = portfolio(&risks, &same(theta, theta, kappa.midpoint(1_000_000)));
        assert!(
            higher.initial.scan_loss >= found.initial.scan_loss,
            "{seed}"
        );

        // Nor does the order of the markets, or one without positions.
        let before = report(&risks, &offsets);
        let tighter = report(&risks, &same(theta / 2, theta, kappa));
        assert!(tighter.initial_margin >= before.initial_margin, "{seed}");
        assert!(
            tighter.maintenance_margin >= before.maintenance_margin,
            "{seed}"
        );
        assert!(before.maintenance_margin <= before.initial_margin, "{seed}");
        let additive = totals(&risks).report().unwrap();
        assert!(before.initial_margin <= additive.initial_margin, "{seed}");
        assert!(
            before.maintenance_margin <= additive.maintenance_margin,
            "{seed}"
        );
        risks.reverse();
        assert_eq!(report(&risks, &offsets), before, "{seed}");
        risks.insert(1, MarketRisk::EMPTY);
        assert_eq!(report(&risks, &offsets), before, "{seed}");
    }
}

#[test]
fn one_market_needs_what_it_needs_alone() {
    for seed in 0..accounts() {
        let mut random = random(seed + 2_000_000);
        for risk in risks(&books(&mut random)) {
            let nodes = risk.node_losses.iter().max().unwrap();
            assert_eq!(*nodes, risk.capped_loss(), "{seed}");
            let one = [risk];
            let offsets = same(900_000, 900_000, 50_000);
            assert_eq!(
                report(&one, &offsets),
                totals(&one).report().unwrap(),
                "{seed}"
            );
        }
    }
}

/// A market of its own: spot 100, volatility 60%.
fn hundred(
    parameters: ScenarioParameters,
    legs: &[(Holding, i64)],
    strikes: &[(i64, u64)],
) -> Book {
    let mut expiries: Vec<Expiry> = Vec::new();
    let mut listed = Vec::new();
    for (days, strike) in strikes {
        expiries.push(Expiry {
            seconds: days * 86_400,
            forward_q30: 1 << 30,
            smile: Smile::flat(600_000_000),
        });
        listed.push(Strike {
            expiry: expiries.len() - 1,
            mantissa: strike * 100_000_000,
        });
    }
    Book {
        family: "worked",
        parameters,
        spot: 10_000_000_000,
        price_exponent: -8,
        lot_size: 10_000_000,
        oracle: OracleQuality::default(),
        expiries,
        strikes: listed,
        legs: legs.to_vec(),
    }
}

/// The worst of a short far call lies in a tail. One lot of another market does not hide it.
#[test]
fn dust_elsewhere_does_not_hide_a_tail() {
    let short = hundred(
        ScenarioParameters::BTC,
        &[(Holding::Call(0), -1_000)],
        &[(7, 150)],
    );
    let risk = short.risk().unwrap();
    assert!(
        risk.worst_column >= estuary_risk::scenario::CORE_COLUMNS,
        "a tail"
    );
    let alone = report(std::slice::from_ref(&risk), &Offsets::NONE);
    for (legs, strikes) in [
        (&[(Holding::Perpetual, 1)], &[][..]),
        (&[(Holding::Perpetual, -1)], &[]),
        (&[(Holding::Call(0), 1)], &[(7, 100)]),
        (&[(Holding::Put(0), -1)], &[(30, 90)]),
    ] {
        let dust = hundred(ScenarioParameters::SOL, legs, strikes);
        let dust = dust.risk().unwrap();
        for theta in [0, 300_000, 950_000] {
            let offsets = same(theta, theta, 50_000);
            let with = report(&[risk.clone(), dust.clone()], &offsets);
            // A lot of dust pays for at most its own gain, 180% of 1 USD by its weight.
            let least = alone.initial_margin.0 - 1_800_000;
            assert!(with.initial_margin.0 >= least, "{theta} {legs:?}");
            assert!(
                with.maintenance_margin.0 >= least * 4 / 5,
                "{theta} {legs:?}"
            );
        }
        let none = report(&[risk.clone(), dust.clone()], &same(0, 0, 350_000));
        assert!(none.initial_margin >= alone.initial_margin, "{legs:?}");
    }
}

/// Two futures books that move together: what one gains pays for half of what the other loses.
#[test]
fn a_hedge_in_another_market_counts_by_its_share() {
    let linear = |lots| {
        let book = hundred(ScenarioParameters::BTC, &[(Holding::Perpetual, lots)], &[]);
        book.risk().unwrap()
    };
    let (long, short) = (linear(1_000), linear(-1_000));
    // 1,000 USD move by 16% in the core. Around the centre each may lose half of that, two nodes away, and neither gains: more
    // than at the ends, where one loses all and half of what the other gains two nodes further in pays for a quarter.
    let found = portfolio(
        &[long.clone(), short.clone()],
        &same(500_000, 500_000, 50_000),
    );
    let near = |found: Money, dollars: f64| (found.0 as f64 / 1e6 - dollars).abs() < 0.01;
    assert!(near(found.total, 320.0));
    assert!(near(found.initial.largest_floor, 80.0));
    assert!(near(found.initial.sum_floor, 16.0));
    assert!(near(found.initial.offset_loss, 160.0), "{found:?}");
    let same_way = portfolio(&[long.clone(), long], &same(500_000, 500_000, 50_000));
    assert!(near(same_way.initial.scan_loss, 320.0));
}
