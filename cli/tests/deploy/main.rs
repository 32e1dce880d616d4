//! `estuary deploy` as a user runs it, against a JSON-RPC endpoint with the real program.

#[path = "../common/mod.rs"]
mod common;
mod endpoint;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::elf;
use endpoint::Endpoint;
use solana_keypair::Keypair;
use solana_signer::Signer;

const DEVNET: &str = include_str!("../../../migrations/devnet.toml");
/// The tokens of the file.
const MINTS: [&str; 2] = [
    "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU",
    "So11111111111111111111111111111111111111112",
];
/// A month before the first expiry of the file.
const NOW: i64 = 1_795_507_200;

/// A file of the tests' own.
fn written(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).expect("a file in the tests' folder");
    path
}

/// The key of a number, and the file that holds it.
fn key(number: u8) -> (Keypair, PathBuf) {
    let key = Keypair::new_from_array([number; 32]);
    let text = format!("{:?}", key.to_bytes());
    let file = written(&format!("key-{number}.json"), &text);
    (key, file)
}

/// The devnet file with another authority.
fn config(name: &str, authority: &Keypair) -> PathBuf {
    let nobody = "\"11111111111111111111111111111111\"";
    let text = DEVNET.replace(nobody, &format!("\"{}\"", authority.pubkey()));
    written(name, &text)
}

fn deploy(config: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_estuary"))
        .args(["deploy", "--config"])
        .arg(config)
        .args(arguments)
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .expect("the command line starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// Runs it and takes what it printed, with its exit code.
fn said(config: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = deploy(config, arguments);
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn a_plan_is_shown_applied_once_and_then_complete() {
    let Some(elf) = elf() else { return };
    let (authority, key_file) = key(0x11);
    let config = config("deploy.toml", &authority);
    let mints = MINTS.map(|mint| mint.parse().expect("a public key"));
    let endpoint = Endpoint::start(&elf, NOW, &mints, authority.pubkey());
    let url = endpoint.url.as_str();
    let key_file = key_file.to_str().expect("UTF-8");

    let (code, plan, complaints) = said(&config, &["--url", url]);
    assert_eq!(code, Some(0), "{complaints}");
    assert!(plan.contains("create   market BTC"), "{plan}");
    assert!(plan.contains("1 perp, 2 futures, 52 options"), "{plan}");
    assert!(
        plan.ends_with("Nothing was sent; --apply sends it.\n"),
        "{plan}"
    );
    let (code, plan, _) = said(&config, &["--url", url, "--keypair", key_file]);
    assert_eq!(
        (code, endpoint.sent()),
        (Some(0), 0),
        "a key alone sends nothing: {plan}"
    );

    let apply = ["--url", url, "--keypair", key_file, "--apply"];
    let (code, applied, complaints) = said(&config, &apply);
    assert_eq!(code, Some(0), "{applied}\n{complaints}");
    let sent = endpoint.sent();
    let done = format!("Done: {sent} transactions, and the cluster has what the file declares.\n");
    assert!(sent > 0 && applied.ends_with(&done), "{applied}");

    let (code, again, complaints) = said(&config, &apply);
    assert_eq!((code, endpoint.sent()), (Some(0), sent), "{complaints}");
    assert!(again.ends_with("Nothing to do.\n"), "{again}");
    assert!(!again.contains("create "), "{again}");
}

#[test]
fn what_stands_in_the_way_is_named_and_nothing_is_sent() {
    let Some(elf) = elf() else { return };
    let (authority, key_file) = key(0x12);
    let (stranger, stranger_file) = key(0x13);
    let config = config("refused.toml", &authority);
    let mints = MINTS.map(|mint| mint.parse().expect("a public key"));
    // The payer of this cluster is the stranger: the authority cannot pay.
    let endpoint = Endpoint::start(&elf, NOW, &mints, stranger.pubkey());
    let url = endpoint.url.as_str();
    let apply = |key: &Path| {
        let key = key.to_str().expect("UTF-8");
        said(&config, &["--url", url, "--keypair", key, "--apply"])
    };
    let (code, _, complaints) = apply(&stranger_file);
    assert_eq!((code, endpoint.sent()), (Some(1), 0));
    assert!(
        complaints.contains("clearinghouse.authority is "),
        "{complaints}"
    );
    let (code, _, complaints) = apply(&key_file);
    assert_eq!(code, Some(1));
    assert!(
        complaints.contains("create_clearinghouse was refused"),
        "{complaints}"
    );

    let wrong_mint = Endpoint::start(&elf, NOW, &[stranger.pubkey()], authority.pubkey());
    let (code, plan, complaints) = said(&config, &["--url", &wrong_mint.url]);
    assert_eq!(code, Some(1));
    assert!(
        plan.contains("CONFLICT clearinghouse.settlement_mint: "),
        "{plan}"
    );
    assert!(complaints.contains("nothing was sent"), "{complaints}");
}

#[test]
fn wrong_files_and_arguments_end_with_two() {
    let (authority, _) = key(0x14);
    let good = config("good.toml", &authority);
    let wrong = written(
        "wrong.toml",
        &DEVNET.replace("id = 1", "id = 1\ncolour = 2"),
    );
    let (code, _, complaints) = said(&wrong, &[]);
    assert_eq!(code, Some(2));
    assert!(
        complaints.contains("wrong.toml: line 9, unknown field `colour`"),
        "{complaints}"
    );
    for (arguments, words) in [
        (&["--apply"][..], "--url"),
        (&["--apply", "--url", "http://127.0.0.1:1"], "--keypair"),
        (&["--price", "SOL"], "SOL=228.45"),
        (&["--keypair", "no/such/key.json"], "no/such/key.json"),
    ] {
        let (code, _, complaints) = said(&good, arguments);
        assert_eq!(code, Some(2), "{complaints}");
        assert!(complaints.contains(words), "{complaints}");
    }
    let (code, _, complaints) = said(&good, &["--url", "http://127.0.0.1:1"]);
    assert_eq!(code, Some(1), "{complaints}");
}

#[test]
fn the_demos_template_is_a_deployment_file() {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations/demo.toml");
    let template = [
        "--price",
        "WIF=1.85",
        "--first-expiry",
        "2025-10-24T08:00:00Z",
    ];
    let (code, plan, complaints) = said(&demo, &template);
    assert_eq!(code, Some(0), "{complaints}");
    assert!(plan.contains("1 perp, 3 futures, 54 options"), "{plan}");
    let (code, _, complaints) = said(&demo, &[]);
    assert_eq!(code, Some(2));
    assert!(complaints.contains("a template"), "{complaints}");
}
