//! Files that are read, and files that are refused: by line and key.

use super::*;
use estuary::instructions::OffsetArgs;

const DEVNET: &str = include_str!("../../../../migrations/devnet.toml");
const DEMO: &str = include_str!("../../../../migrations/demo.toml");

fn read_devnet(replace: &str, by: &str) -> Result<Deployment, String> {
    assert!(DEVNET.contains(replace), "nothing to replace: {replace}");
    let text = DEVNET.replacen(replace, by, 1);
    read(&text, &Given::default()).map_err(|error| error.to_string())
}

/// The line on which a text of the file begins.
fn line_of(text: &str) -> usize {
    line(DEVNET, DEVNET.find(text).expect("a text of the file"))
}

#[test]
fn a_file_is_read() {
    let deployment = read(DEVNET, &Given::default()).unwrap();
    let [btc, eth, sol] = deployment.markets.as_slice() else {
        panic!("{} markets", deployment.markets.len());
    };
    assert_eq!(deployment.house.id, 1);
    assert_eq!(deployment.max_account_debt, 10_000_000_000);
    let [wrapped] = deployment.tokens.as_slice() else {
        panic!("{} tokens", deployment.tokens.len());
    };
    assert!(wrapped.mint.to_string().starts_with("So111"));
    assert_eq!(deployment.symbol_of(wrapped), "SOL");
    assert_eq!(btc.symbol, "BTC");
    assert_eq!(&btc.args.symbol, b"BTC\0\0\0\0\0\0\0\0\0\0\0\0\0");
    assert_eq!(btc.args.feed_id[..2], [0xe6, 0x2d]);
    assert_eq!(btc.args.lot_size, 1_000_000);
    assert_eq!(btc.args.parameters.spot_range_ppm, 160_000);
    assert_eq!(btc.contracts.len(), 1 + 2 + 2 * 2 * 13);
    assert_eq!(btc.capacity, 320);
    assert_eq!(btc.expiries(), [1_798_185_600, 1_806_048_000]);
    let first: Vec<_> = btc.contracts[..4]
        .iter()
        .map(|c| (c.kind, c.strike))
        .collect();
    let strike = 6_000_000_000_000;
    let expected = [
        (SeriesKind::Perp, 0),
        (SeriesKind::Future, 0),
        (SeriesKind::Call, strike),
        (SeriesKind::Put, strike),
    ];
    assert_eq!(first, expected);
    assert_eq!(eth.contracts.len(), 1 + 2 * 7);
    let pairs = |market: &MarketConfig| {
        let pair = |offset: &OffsetArgs| (offset.market, offset.offset_ppm);
        market.args.offsets.iter().map(pair).collect::<Vec<_>>()
    };
    assert_eq!(pairs(btc), []);
    assert_eq!(pairs(eth), [(0, 500_000)]);
    assert_eq!(pairs(sol), [(0, 300_000), (1, 350_000)]);
    let preset = read_devnet("parameters = \"btc\"", "parameters = \"sol\"").unwrap();
    assert_eq!(sol.args.parameters, preset.markets[0].args.parameters);
}

#[test]
fn unknown_keys_and_wrong_types_are_refused_by_line() {
    for (replace, by, words) in [
        ("id = 1", "id = 1\nnumber = 2", "number"),
        ("id = 1", "id = 1.5", "whole number"),
        ("[[bank]]", "[[banks]]", "banks"),
        ("band_spot_ppm = 10_000", "band_spot = 10_000", "band_spot"),
        ("kind = \"perp\"", "kinds = \"perp\"", "kinds"),
        (
            "lot_size_billionths = 1_000_000",
            "lot_size_billionths = \"a\"",
            "«a»",
        ),
        ("spot_range_ppm = 300_000", "spot_range = 3", "spot_range"),
        ("step = \"10000\" }", "steps = \"10000\" }", "steps"),
        ("from = \"60000\"", "from = 60000.5", "in quotes"),
    ] {
        let error = read_devnet(replace, by).unwrap_err();
        assert!(error.contains(words), "{error}");
        let near = line_of(replace);
        let named = (near..=near + 1).any(|line| error.starts_with(&format!("line {line},")));
        assert!(named, "{error}: not at line {near}");
    }
}

#[test]
fn wrong_values_are_refused_by_line_and_key() {
    for (replace, by, key, words) in [
        (
            "id = 1",
            "id = 65_536",
            "clearinghouse.id",
            "65536 is not from 0 to 65535",
        ),
        (
            "authority = \"1",
            "authority = \"0",
            "clearinghouse.authority",
            "public key",
        ),
        ("mint = \"So1", "mint = \"0\"#", "bank.mint", "public key"),
        (
            "max_account_debt_millionths = 10_000_000_000",
            "max_account_debt_millionths = -1",
            "bank.max_account_debt_millionths",
            "-1 is not from 0",
        ),
        (
            "max_account_debt_millionths = 10_000_000_000",
            "market = \"SOL\"",
            "bank.market",
            "the settlement token has none",
        ),
        (
            "market = \"SOL\"",
            "market = \"SOL\"\nmax_account_debt_millionths = 0",
            "bank.max_account_debt_millionths",
            "only the settlement token is lent",
        ),
        (
            "market = \"SOL\"",
            "market = \"WSOL\"",
            "bank.market",
            "no market is called WSOL",
        ),
        (
            "symbol = \"BTC\"",
            "symbol = \"B C\"",
            "market.symbol",
            "printable",
        ),
        (
            "symbol = \"ETH\"",
            "symbol = \"BTC\"",
            "market.symbol",
            "another market",
        ),
        (
            "feed_id = \"e62d",
            "feed_id = \"e62\"#",
            "market.feed_id",
            "64 hexadecimal",
        ),
        ("\"rec5", "\"rec6", "market.price_program", "oracle program"),
        (
            "price_exponent = -8",
            "price_exponent = -17",
            "market.price_exponent",
            "-17",
        ),
        (
            "lot_size_billionths = 1_000_000",
            "lot_size_billionths = 0",
            "market.lot_size_billionths",
            "0 is not from 1",
        ),
        (
            "max_price_age_seconds = 60",
            "max_price_age_seconds = 86_401",
            "market.max_price_age_seconds",
            "86401",
        ),
        (
            "max_confidence_ppm = 10_000",
            "max_confidence_ppm = 0",
            "market.max_confidence_ppm",
            "0 is not",
        ),
        (
            "liquidation_delta_ppm = 5_000",
            "liquidation_delta_ppm = 100_001",
            "market.liquidation_delta_ppm",
            "100001",
        ),
        (
            "taker_fee_ppm = 500",
            "taker_fee_ppm = 10_001",
            "market.taker_fee_ppm",
            "10001 is not from 0 to 10000",
        ),
        (
            "insurance_share_ppm = 250_000",
            "insurance_share_ppm = 1_000_001",
            "clearinghouse.insurance_share_ppm",
            "1000001 is not",
        ),
        (
            "capacity_series = 320",
            "capacity_series = 54",
            "market.capacity_series",
            "54 is not from 55 to 1024",
        ),
        (
            "parameters = \"btc\"",
            "parameters = \"doge\"",
            "market.parameters",
            "«doge»",
        ),
        (
            "vol_up_ppm = 500_000",
            "vol_up_ppm = 4_000_001",
            "market.parameters.vol_up_ppm",
            "175%",
        ),
        (
            "kind = \"future\"",
            "kind = \"swap\"",
            "market.series.kind",
            "«swap»",
        ),
        (
            "[\"2026-12-25T08:00:00Z\"]",
            "[\"2026-12-25\"]",
            "market.series.expiries",
            "not a time",
        ),
        (
            "[\"2026-12-25T08:00:00Z\"]",
            "[\"2026-12-25T08:00:00\"]",
            "market.series.expiries",
            "UTC",
        ),
        (
            "[\"2026-12-25T08:00:00Z\"]",
            "[\"first\"]",
            "market.series.expiries",
            "first expiry",
        ),
        (
            "from = \"60000\"",
            "from = \"60001\"",
            "market.series.strikes",
            "whole number of steps",
        ),
        (
            "step = \"10000\"",
            "step = \"0\"",
            "market.series.strikes",
            "zero",
        ),
        (
            "step = \"10000\"",
            "step = \"0.5\"",
            "market.series.strikes",
            "more strikes",
        ),
        (
            "offset_floor_ppm = 350_000",
            "offset_floor_ppm = 1_000_001",
            "market.offset_floor_ppm",
            "1000001 is not from 50000 to 1000000",
        ),
        (
            "stress_vol_ppm = 1_000_000",
            "stress_vol_ppm = 0",
            "market.stress_vol_ppm",
            "0 is not from 100000 to 10000000",
        ),
        (
            "with = \"BTC\"",
            "with = \"SOL\"",
            "market.offsets.with",
            "no market before ETH is SOL",
        ),
        (
            "with = \"ETH\"",
            "with = \"BTC\"",
            "market.offsets.with",
            "a second offset with BTC",
        ),
        (
            "offset_ppm = 500_000",
            "offset_ppm = 950_001",
            "market.offsets.offset_ppm",
            "950001 is not from 0 to 950000",
        ),
        (
            "correlation_zero_ppm = 200_000",
            "correlation_zero_ppm = 600_000",
            "market.offsets.correlation_zero_ppm",
            "600000 is not from 0 to 599999",
        ),
        (
            "[\"2000\",",
            "[\"2000.000000001\",",
            "market.series.strikes",
            "more than 8 digits",
        ),
    ] {
        let error = read_devnet(replace, by).unwrap_err();
        assert!(error.contains(&format!("key {key}: ")), "{error}");
        assert!(error.contains(words), "{error}");
        let near = line_of(replace);
        // Of a contract its rule is named, of a scenario parameter the table.
        let named = (near.saturating_sub(6)..=near + 1)
            .any(|line| error.starts_with(&format!("line {line},")));
        assert!(named, "{error}: not at line {near}");
    }
}

#[test]
fn missing_keys_and_contradictions_are_named() {
    for (replace, by, words) in [
        (
            "lot_size_billionths = 1_000_000\n",
            "",
            "key market.lot_size_billionths: missing: neither market BTC",
        ),
        (
            "band_vega_ppm = 20_000\n",
            "",
            "key market.band_vega_ppm: missing",
        ),
        (
            "maker_fee_ppm = 200\n",
            "",
            "key market.maker_fee_ppm: missing",
        ),
        ("insurance_share_ppm = 250_000\n", "", "insurance_share_ppm"),
        (
            "[[bank]]\nmint = \"4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU\"\n",
            "[[bank]]\nmint = \"7tyRKDhomWMU2jGHS4hbNUAYQJoWxFsUWxmGm6aCGPRz\"\n",
            "no [[bank]] has the settlement mint",
        ),
        (
            "mint = \"So11111111111111111111111111111111111111112\"",
            "mint = \"4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU\"",
            "another bank has this mint",
        ),
        (
            "market = \"SOL\"\n",
            "",
            "key bank.market: missing: a token other than the settlement token",
        ),
        ("symbol = \"SOL\"\n", "", "key market.symbol: missing"),
        (
            "feed_id = \"ff61491a931112ddf1bd8147cd1b641375f79f5825126d665480874634fd0ace\"",
            "feed_id = \"e62df6c8b4a85fe1a67db44dc12de5db330f7ac66b72dc658afedf0f4a415b43\"",
            "another market has this feed",
        ),
        (
            "parameters = \"btc\"",
            "parameters = \"btc\"\nfeed_name = \"x\"",
            "feed_id is given too",
        ),
        (
            "lot_size_billionths = 1_000_000",
            "lot_worth = 200",
            "needs the first price of BTC",
        ),
        (
            "kind = \"perp\"",
            "kind = \"perp\"\nexpiries = [\"2026-12-25T08:00:00Z\"]",
            "a perp has no expiry",
        ),
        (
            "kind = \"future\"",
            "kind = \"option\"",
            "key market.series.strikes: missing",
        ),
        (
            "kind = \"option\"",
            "kind = \"future\"",
            "only options have strikes",
        ),
        (
            "kind = \"future\"\nexpiries",
            "kind = \"call\"\nstrikes = [60_000]\nexpiries",
            "listed already",
        ),
        ("symbol = \"SOL\"", "symbol = \"*\"", "a template"),
    ] {
        let error = read_devnet(replace, by).unwrap_err();
        assert!(error.contains(words), "{error}");
        assert!(error.starts_with("line "), "{error}");
    }
}

#[test]
fn a_template_takes_its_markets_from_the_prices() {
    let price = |text| Decimal::parse(text).unwrap();
    let given = Given {
        first_prices: vec![
            ("WIF".into(), price("1.85")),
            ("BTC".into(), price("123426.7")),
        ],
        first_expiry: Some(1_761_292_800),
    };
    let deployment = read(DEMO, &given).unwrap();
    let symbols: Vec<&str> = deployment
        .markets
        .iter()
        .map(|market| market.symbol.as_str())
        .collect();
    assert_eq!(symbols, ["WIF", "BTC"]);
    let [wif, btc] = deployment.markets.as_slice() else {
        panic!()
    };
    assert_eq!(&wif.args.feed_id[..17], b"estuary demo WIF\0");
    assert_eq!(wif.surface.atm_vol, 0.9);
    assert_eq!(btc.args.lot_size, 1_000_000);
    assert_eq!(
        btc.expiries(),
        [1_761_292_800, 1_762_502_400, 1_764_921_600]
    );
    let no_expiry = Given {
        first_expiry: None,
        ..given
    };
    let error = read(DEMO, &no_expiry).unwrap_err();
    assert_eq!(error.key, "market.series.expiries");
    assert_eq!(
        read(DEMO, &Given::default()).unwrap_err().key,
        "market.symbol"
    );
}

#[test]
fn an_initial_smile_has_one_shape_for_all_maturities() {
    let surface = InitialSurface {
        atm_vol: 0.5,
        rho: -0.25,
        curvature: 0.8,
        basis_rate: 0.05,
    };
    let year = 31_536_000;
    let near = surface.slice(0.5, year / 4, 0);
    let far = surface.slice(0.5, year, 0);
    assert_eq!((far.atm_vol_ppb, far.phi_ppb), (500_000_000, 1_600_000_000));
    assert_eq!((near.phi_ppb, near.rho_ppb), (3_200_000_000, -250_000_000));
    assert_eq!(near.basis_rate_ppb, 50_000_000);
}
