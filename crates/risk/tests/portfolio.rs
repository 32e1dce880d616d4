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
use estuary_risk::units::{Money, RiskError};
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

/// What books lose together at any multiple of their ranges, gains times θ, is at most X's sum; returns whether it is at least half.
/// Where risk is defined no book loses more than its limit: a stressed smile may have arbitrage and say so.
fn joint_loss_is_covered(
    (books, risks): (&[Book], &[MarketRisk]),
    theta: f64,
    scan: f64,
    what: u64,
) -> bool {
    let core = (-64..=64).map(|step| f64::from(step) / 64.0);
    let falls = (1..=48).map(|step| -1.0 - f64::from(step) / 24.0);
    let rises = (1..=80).map(|step| 1.0 + f64::from(step) / 16.0);
    let mut worst = 0f64;
    for multiple in core.chain(falls).chain(rises) {
        let losses = losses_at(books, multiple).into_iter().zip(risks);
        let losses = losses.map(|(loss, risk)| loss.min(risk.defined_loss.0 as f64));
        let counted = |loss: f64| if loss > 0.0 { loss } else { theta * loss };
        worst = worst.max(losses.map(counted).sum());
    }
    let notional: f64 = books
        .iter()
        .map(|book| book.absolute_lots() * book.lot_value())
        .sum();
    assert!(
        scan >= worst - NOISE * notional - 1.0,
        "{what}: {scan} {worst} of {notional}"
    );
    worst > 0.5 * scan
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
        tried += 1;
        binding += u64::from(joint_loss_is_covered((&books, &risks), theta, scan, seed));
    }
    println!("{tried} accounts, in {binding} the joint loss is at least half of the bound");
    assert!(binding * 4 > tried);
}

/// Nodes at fractions of the range that are each market's own: L̃ reaches over all four cells of a side, so some node of every
/// market covers where they stand.
#[test]
fn nodes_of_their_own_cover_one_fraction_of_the_ranges_too() {
    for seed in 0..accounts() / 2 {
        let mut random = random(seed + 3_000_000);
        let mut books = books(&mut random);
        for book in &mut books {
            let mut inner = [0; 6].map(|_| 1 + random.below(999_998) as i32);
            inner[..3].sort_unstable();
            inner[3..].sort_unstable();
            if inner[..3]
                .windows(2)
                .chain(inner[3..].windows(2))
                .any(|two| two[0] == two[1])
            {
                continue;
            }
            let nodes = &mut book.parameters.node_ppm;
            for place in 0..3 {
                nodes[3 - place] = -inner[place];
                nodes[5 + place] = inner[3 + place];
            }
        }
        let risks = risks(&books);
        let theta = random.pick(&[0.0, 0.5, 0.9]);
        let offsets = same((theta * 1e6) as u32, (theta * 1e6) as u32, 50_000);
        let scan = portfolio(&risks, &offsets).initial.offset_loss.0 as f64;
        joint_loss_is_covered((&books, &risks), theta, scan, seed);
    }
}

/// Tails at multiples that are each market's own: what two markets lose at one multiple may be counted in different places, so
/// nothing offsets anything.
#[test]
fn markets_whose_tails_do_not_align_add_up() {
    let mut above = 0;
    for seed in 0..accounts() / 2 {
        let mut random = random(seed + 4_000_000);
        let mut books = books(&mut random);
        for book in &mut books {
            let parameters = &mut book.parameters;
            for (first, sign, last) in [(0, -1, 3_000_000), (3, 1, 6_000_000)] {
                let near = 1_050_000 + random.below(1_000_000) as i32;
                let far = near + 100_000 + random.below(700_000) as i32;
                for (place, multiple) in [near, far, last].into_iter().enumerate() {
                    parameters.tail_multiple_ppm[first + place] = sign * multiple;
                    parameters.tail_weight_ppm[first + place] =
                        (1_000_000_000_000u64.div_ceil(multiple as u64)) as u32;
                }
            }
        }
        let risks = risks(&books);
        let theta = random.pick(&[0.0, 0.5, 0.9]);
        let mut offsets = same((theta * 1e6) as u32, (theta * 1e6) as u32, 50_000);
        let losses = |offsets: &Offsets| portfolio(&risks, offsets).initial.scan_loss;
        let offset = losses(&offsets);
        for high in 0..books.len() {
            for low in 0..high {
                let (one, other) = (&books[low].parameters, &books[high].parameters);
                assert!(!one.tails().align(&other.tails()), "{seed}");
                offsets.set_misaligned(high, low);
            }
        }
        let all = losses(&offsets);
        let alone: i64 = risks.iter().map(|risk| risk.capped_loss().0).sum();
        assert_eq!(all, Money(alone), "{seed}");
        joint_loss_is_covered((&books, &risks), theta, all.0 as f64, seed);
        above += u64::from(all > offset);
    }
    assert!(above * 2 > accounts() / 2, "{above}");
}

/// A book that loses around twice its range only, and one that loses ever more beyond 1.25 times its own: where the tails of the
/// second are nearer, no place of the sums holds both losses.
#[test]
fn tails_that_do_not_align_would_miss_what_two_markets_lose_together() {
    let spread = [(Holding::Call(0), -200), (Holding::Call(1), 600)];
    let mut near = ScenarioParameters::BTC;
    for (place, multiple) in [1_100_000i32, 1_200_000].into_iter().enumerate() {
        near.tail_multiple_ppm[3 + place] = multiple;
        near.tail_weight_ppm[3 + place] = 1_000_000_000_000u64.div_ceil(multiple as u64) as u32;
    }
    let mut books = [
        hundred(ScenarioParameters::BTC, &spread, &[(1, 120), (1, 132)]),
        hundred(near, &[(Holding::Call(0), -100)], &[(1, 120)]),
    ];
    for expiry in books.iter_mut().flat_map(|book| &mut book.expiries) {
        expiry.smile = Smile::flat(100_000_000);
    }
    let risks = risks(&books);
    let lost: f64 = losses_at(&books, 2.0).iter().sum();
    let mut offsets = same(0, 0, 50_000);
    let apart = portfolio(&risks, &offsets).initial.scan_loss.0 as f64;
    assert!(apart < 0.95 * lost, "{apart} {lost}");
    offsets.set_misaligned(1, 0);
    let found = portfolio(&risks, &offsets);
    assert_eq!(found.floor_ppm, 1_000_000);
    assert!(found.initial.scan_loss.0 as f64 >= lost, "{found:?} {lost}");
}

#[test]
fn tails_align_by_the_multiples_of_those_that_are_on() {
    let usual = ScenarioParameters::BTC;
    let mut other = ScenarioParameters::SOL;
    assert!(usual.tails().align(&other.tails()));
    other.tail_multiple_ppm[5] += 1;
    assert!(!usual.tails().align(&other.tails()) && !other.tails().align(&usual.tails()));
    other.tail_weight_ppm[5] = 0;
    assert!(usual.tails().align(&other.tails()) && other.tails().align(&usual.tails()));
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
        let gains = dust.node_losses.iter().map(|loss| -loss.0);
        let gain = gains.max().unwrap().max(0);
        for theta in [0, 300_000, 950_000] {
            let offsets = same(theta, theta, 50_000);
            let with = report(&[risk.clone(), dust.clone()], &offsets);
            let paid = gain * i64::from(theta) / 1_000_000 + 1;
            let margins = [with.initial_margin, with.maintenance_margin];
            let least = [alone.initial_margin, alone.maintenance_margin];
            for (margin, least) in margins.iter().zip(least) {
                assert!(margin.0 >= least.0 - paid, "{theta} {legs:?}");
            }
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

/// The largest account: 16 markets (those of two accounts in one instruction) that each lose or gain less than 2^59 micro-units at
/// every node. Its sums are exact; a micro-unit more in one market is refused.
#[test]
fn the_largest_account_overflows_nothing() {
    const MOST: i64 = (1 << 59) - 1;
    let mut random = Random(0xacc);
    let markets = |random: &mut Random, sign: i64| -> Vec<MarketRisk> {
        let market = |place: usize| {
            let mut risk = MarketRisk::EMPTY;
            for loss in &mut risk.node_losses {
                let size = MOST - random.below(1_000) as i64;
                *loss = Money(if sign == 0 {
                    size * (1 - 2 * random.below(2) as i64)
                } else {
                    sign * size
                });
            }
            risk.certified_loss = Money(if sign < 0 { place as i64 } else { MOST });
            risk
        };
        (0..16).map(market).collect()
    };
    for number in 0..100 {
        let mut risks = markets(&mut random, [1, -1, 0, 0][number % 4]);
        let theta = 59_375 * (number as u32 % 17);
        let mut offsets = Offsets::NONE;
        for high in 0..16 {
            offsets.set_floor(high, 50_000);
            for low in 0..high {
                let offset = Offset {
                    initial_ppm: theta,
                    maintenance_ppm: theta,
                };
                offsets.set_pair(low, high, offset);
            }
        }
        let found = portfolio(&risks, &offsets);
        let at = |node: usize| -> i128 {
            let losses = risks
                .iter()
                .map(|risk| i128::from(risk.node_losses[node].0));
            let (losses, gains): (Vec<i128>, Vec<i128>) = losses.partition(|loss| *loss > 0);
            let counted = -gains.iter().sum::<i128>() * i128::from(theta);
            losses.iter().sum::<i128>() - counted / 1_000_000
        };
        let exact = (0..risks[0].node_losses.len())
            .map(at)
            .max()
            .unwrap()
            .max(0);
        let excess = i128::from(found.initial.offset_loss.0) - exact;
        assert!((0..=1 << 48).contains(&excess), "{number}: {excess}");
        let total: i64 = risks.iter().map(|risk| risk.certified_loss.0).sum();
        assert_eq!(found.total.0, total, "{number}");
        let mut beyond = AccountTotals::default();
        let places = [Money(MOST + 1), Money(-MOST - 1), Money(i64::MIN)];
        risks[7].node_losses[number % 15] = places[number % 3];
        assert_eq!(
            beyond.add_market(&risks[7], Money(0)),
            Err(RiskError::MoneyOverflow)
        );
    }
}
