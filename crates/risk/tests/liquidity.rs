//! The liquidity cost: worked values, and that splitting a book over sub-accounts and positions never lowers the sum.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "a test may panic"
)]

mod support;

use estuary_risk::charges::OracleQuality;
use estuary_risk::liquidity::LiquidityParameters;
use estuary_risk::margin::{AccountTotals, MarginReport};
use estuary_risk::market::MarketRisk;
use estuary_risk::scenario::ScenarioParameters;
use estuary_risk::smile::Smile;
use estuary_risk::units::Money;
use proptest::prelude::*;
use support::books::{Book, Expiry, Holding, Strike, FAMILIES};
use support::{call, Random, YEAR_SECONDS};

const DAY: i64 = 86_400;
const VOL: f64 = 0.6;

/// At a spot of 100,000, flat volatility of 60% and lots of a thousandth: a hundred a lot.
fn book(expiries: &[i64], strikes: &[(usize, u64)], legs: &[(Holding, i64)]) -> Book {
    Book {
        family: "worked",
        parameters: ScenarioParameters::BTC,
        spot: 10_000_000_000_000,
        price_exponent: -8,
        lot_size: 1_000_000,
        oracle: OracleQuality::default(),
        expiries: expiries
            .iter()
            .map(|days| Expiry {
                seconds: days * DAY,
                forward_q30: 1 << 30,
                smile: Smile::flat((VOL * 1e9) as u64),
            })
            .collect(),
        strikes: strikes
            .iter()
            .map(|(expiry, strike)| Strike {
                expiry: *expiry,
                mantissa: strike * 100_000_000,
            })
            .collect(),
        legs: legs.to_vec(),
    }
}

fn dollars(money: Money) -> f64 {
    money.0 as f64 / 1e6
}

/// Lots in Q28 of a market as dollars.
fn worth(book: &Book, lots_q28: u64) -> f64 {
    lots_q28 as f64 / (1u64 << 28) as f64 * book.lot_value() / 1e6
}

/// Lots in Q28 of the worked market.
fn worked(lots_q28: u64) -> Money {
    Money((worth(&book(&[], &[], &[]), lots_q28) * 1e6).round() as i64)
}

#[track_caller]
fn close(got: Money, expected: f64, within: f64) {
    let got = dollars(got);
    assert!(
        (got - expected).abs() <= within,
        "{got} instead of {expected}"
    );
}

fn report(risk: &MarketRisk, cash: i64) -> MarginReport {
    let mut totals = AccountTotals::with_cash(Money(cash));
    totals.add_market(risk, Money(0)).unwrap();
    totals.report().unwrap()
}

/// What the volatility-up shock adds to an option, as a fraction of spot.
fn vega(days: f64, strike: f64) -> f64 {
    let up = 1.0 + 0.5 * (30.0 / days).powf(if days < 30.0 { 0.30 } else { 0.13 });
    let total = VOL * (days * DAY as f64 / YEAR_SECONDS).sqrt();
    call(1.0, strike, total * up) - call(1.0, strike, total)
}

#[test]
fn delta_costs_its_spread_and_its_impact() {
    let perpetual = |lots| book(&[], &[], &[(Holding::Perpetual, lots)]);
    // 100 and 10 million: 0.05%, and 0.5% more.
    for lots in [1, -1] {
        let risk = perpetual(lots).risk().unwrap();
        close(risk.liquidity_cost, 0.05, 1e-4);
    }
    for lots in [100_000, -100_000] {
        let risk = perpetual(lots).risk().unwrap();
        close(worked(risk.unwound_delta_q28), 1e7, 1.0);
        close(risk.liquidity_cost, 55_000.0, 0.1);
        assert_eq!((risk.gross_lots, risk.other_lots), (100_000, 0));
    }
    // The same delta beside as much again costs twice the impact.
    let risk = perpetual(100_000).risk_beside(100_000).unwrap();
    close(risk.liquidity_cost, 105_000.0, 0.1);
}

#[test]
fn vega_costs_by_expiry() {
    let strikes = [(0, 100_000), (1, 100_000)];
    let (near, far) = (vega(7.0, 1.0), vega(60.0, 1.0));
    let calls = |near, far| {
        let legs = [(Holding::Call(0), near), (Holding::Call(1), far)];
        let mut book = book(&[7, 60], &strikes, &legs);
        book.parameters.liquidity.unwind_delta_ppm = 0;
        book.parameters.liquidity.unwind_delta_impact_ppm = 0;
        book.risk().unwrap()
    };
    let cost = |gain: f64| 0.02 * gain + 0.01 / 1e6 * gain * gain;
    for (first, second) in [(200_000, 0), (200_000, -90_000), (200_000, 90_000)] {
        let risk = calls(first, second);
        let [first, second] =
            [(first, near), (second, far)].map(|(lots, v)| (lots as f64 * 100.0 * v).abs());
        close(worked(risk.unwound_vega_q28), first + second, 1.0);
        close(risk.liquidity_cost, cost(first) + cost(second), 1.0);
    }
    // A call and a put of one strike against each other have no vega.
    let legs = [(Holding::Call(0), 1_000), (Holding::Put(0), -1_000)];
    let risk = book(&[7], &strikes[..1], &legs).risk().unwrap();
    assert_eq!(risk.unwound_vega_q28, 0);
}

#[test]
fn delta_is_the_largest_of_the_core() {
    // Flat now, short a lot of delta far up: wings do not vanish.
    let legs = [(Holding::Call(0), -1_000), (Holding::Call(1), 1_000)];
    let spread = book(&[2], &[(0, 110_000), (0, 130_000)], &legs);
    let risk = spread.risk().unwrap();
    assert!(
        dollars(worked(risk.unwound_delta_q28)) > 0.5 * 1_000.0 * 100.0,
        "{risk:?}"
    );
}

#[test]
fn owned_underlying_is_collateral_until_a_short_needs_it() {
    let cost = |spot, perpetual| {
        let legs = [(Holding::Spot, spot), (Holding::Perpetual, perpetual)];
        worked(book(&[], &[], &legs).risk().unwrap().unwound_delta_q28)
    };
    close(cost(1_000, -1_000), 0.0, 1.0);
    close(cost(1_000, -400), 0.0, 1.0);
    close(cost(1_000, -1_500), 50_000.0, 1.0);
    close(cost(1_000, 300), 30_000.0, 1.0);
    let alone = book(&[], &[], &[(Holding::Spot, 1_000)]).risk().unwrap();
    assert_eq!((alone.liquidity_cost, alone.gross_lots), (Money(0), 0));
    // What is borrowed has to be bought back.
    let borrowed = book(&[], &[], &[(Holding::Spot, -1_000)]).risk().unwrap();
    close(worked(borrowed.unwound_delta_q28), 100_000.0, 1.0);
    assert_eq!(borrowed.gross_lots, 1_000);
}

#[test]
fn the_cost_comes_on_top_of_what_defined_risk_limits() {
    let strikes = [90_000, 92_000, 108_000, 110_000].map(|strike| (0, strike));
    let legs = [
        (Holding::Put(0), 1_000),
        (Holding::Put(1), -1_000),
        (Holding::Call(2), -1_000),
        (Holding::Call(3), 1_000),
    ];
    let condor = book(&[14], &strikes, &legs);
    let risk = condor.risk().unwrap();
    assert!(risk.liquidity_cost > Money(0));
    let report = report(&risk, 10_000_000_000);
    let lost = risk.defined_loss.plus(risk.liquidity_cost).unwrap();
    assert_eq!(report.initial_margin, lost);
    // Whoever owes nothing is not charged beyond what is owned.
    let long = book(&[14], &strikes[2..3], &[(Holding::Call(0), 100)]);
    let risk = long.risk().unwrap();
    let report = self::report(&risk, 0);
    assert!(report.initial_margin <= risk.option_value);
    assert!(!report.is_liquidatable());
}

/// A random book and its cost by the parameters drawn; `None` where the whole is beyond the range in which the rates add up
/// to less than one.
fn random_book(random: &mut Random) -> Option<(Book, MarketRisk)> {
    let family = random.below(FAMILIES.len() as u64) as usize;
    let mut book = Book::random(random, family);
    let scale = random.log_uniform(0.01, 1_000.0);
    for (_, lots) in &mut book.legs {
        *lots = (*lots as f64 * scale).clamp(-1e8, 1e8) as i64;
    }
    book.legs.retain(|(_, lots)| *lots != 0);
    if random.below(3) == 0 {
        let lots = random.log_uniform(1.0, 1e5) as i64;
        let sign = random.pick(&[-1, 1, 1]);
        book.legs.push((Holding::Spot, sign * lots));
    }
    book.parameters.liquidity = LiquidityParameters {
        unwind_delta_ppm: random.below(2_000) as u32,
        unwind_delta_impact_ppm: random.log_uniform(1.0, 10_000.0) as u32,
        unwind_vega_ppm: random.below(50_000) as u32,
        unwind_vega_impact_ppm: random.log_uniform(1.0, 100_000.0) as u32,
    };
    let risk = book.risk().ok()?;
    let rates = &book.parameters.liquidity;
    let marginal = |rate: u32, impact: u32, size: u64| {
        f64::from(rate) + f64::from(impact) * worth(&book, size) / 1e6
    };
    let delta = marginal(
        rates.unwind_delta_ppm,
        rates.unwind_delta_impact_ppm,
        risk.unwound_delta_q28,
    );
    let vega = marginal(
        rates.unwind_vega_ppm,
        rates.unwind_vega_impact_ppm,
        risk.unwound_vega_q28,
    );
    (delta < 1e6 && vega < 1e6).then_some((book, risk))
}

/// Deals the lots of every leg out to so many accounts: some get nothing, some more than there is and others the opposite.
fn split(random: &mut Random, book: &Book, accounts: usize) -> Vec<Book> {
    let mut parts = vec![
        Book {
            legs: Vec::new(),
            ..book.clone()
        };
        accounts
    ];
    for (holding, lots) in &book.legs {
        let mut left = *lots;
        for part in &mut parts[1..] {
            let share = match random.below(4) {
                0 => 0.0,
                // No account borrows what another owns: underlying is dealt out as it is.
                1 if *holding != Holding::Spot => random.uniform(-1.0, 2.0),
                _ => random.uniform(0.0, 1.0),
            };
            let given = (left as f64 * share) as i64;
            left -= given;
            part.legs.push((*holding, given));
        }
        parts[0].legs.push((*holding, left));
    }
    for part in &mut parts {
        part.legs.retain(|(_, lots)| *lots != 0);
    }
    parts
}

fn gross_lots(book: &Book) -> u64 {
    let counts = |(holding, lots): &&(Holding, i64)| !(*holding == Holding::Spot && *lots > 0);
    let legs = book.legs.iter().filter(counts);
    legs.map(|(_, lots)| lots.unsigned_abs()).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn splitting_a_book_never_lowers_its_liquidity_cost(seed in any::<u64>(), accounts in 2usize..6) {
        let mut random = Random(seed);
        if let Some((book, whole)) = random_book(&mut random) {
            let parts = split(&mut random, &book, accounts);
            let owner: u64 = parts.iter().map(gross_lots).sum();
            let mut sum = 0.0;
            for part in &parts {
                let lots = gross_lots(part);
                let Ok(risk) = part.risk_beside(owner - lots) else { return Ok(()) };
                prop_assert_eq!(risk.gross_lots, lots);
                sum += dollars(risk.liquidity_cost);
            }
            // Entries are integers: those of a linear part are rounded once in the whole and once in each part.
            let room = 1e-5 + dollars(whole.liquidity_cost) * 1e-8;
            prop_assert!(sum >= dollars(whole.liquidity_cost) - room, "{sum} of {whole:?}: {book:?}");
        }
    }

    #[test]
    fn a_book_dealt_out_in_proportion_costs_the_same(seed in any::<u64>(), accounts in 2i64..6) {
        let mut random = Random(seed);
        if let Some((part, _)) = random_book(&mut random) {
            let mut book = part.clone();
            for (_, lots) in &mut book.legs {
                *lots *= accounts;
            }
            let lots = gross_lots(&part);
            let others = lots * (accounts as u64 - 1);
            if let (Ok(whole), Ok(part)) = (book.risk(), part.risk_beside(others)) {
                let (whole, sum) = (dollars(whole.liquidity_cost), dollars(part.liquidity_cost) * accounts as f64);
                prop_assert!((whole - sum).abs() <= 1e-3 + whole * 1e-4, "{sum} of {whole}: {book:?}");
            }
        }
    }

    #[test]
    fn what_others_hold_never_lowers_the_cost(seed in any::<u64>(), others in any::<u64>(), fewer in any::<u64>()) {
        let mut random = Random(seed);
        if let Some((book, alone)) = random_book(&mut random) {
            let fewer = fewer.min(others);
            let [less, more] = [fewer, others].map(|others| book.risk_beside(others).unwrap());
            prop_assert!(alone.liquidity_cost <= less.liquidity_cost);
            prop_assert!(less.liquidity_cost <= more.liquidity_cost);
            let most = worth(&book, more.unwound_delta_q28) + worth(&book, more.unwound_vega_q28);
            prop_assert!(dollars(more.liquidity_cost) <= most * (1.0 + 1e-9) + 1e-6);
            let report = report(&more, 0);
            prop_assert!(report.maintenance_margin <= report.initial_margin);
        }
    }
}
