//! A JSON-RPC endpoint over an embedded SVM: the five methods that a deployment calls, over plain HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use anchor_lang::prelude::{Clock, Pubkey};
use anchor_lang::solana_program::program_pack::Pack;
use anchor_spl::token::spl_token::state::Mint;
use base64::engine::{general_purpose::STANDARD, Engine};
use litesvm::LiteSVM;
use serde_json::{json, Value};
use solana_account::{Account, ReadableAccount};
use solana_transaction::Transaction;

/// A running endpoint; its thread ends with the test's process.
pub struct Endpoint {
    /// Where it listens.
    pub url: String,
    sent: Arc<AtomicUsize>,
}

impl Endpoint {
    /// A cluster at a time with the program, mints and a rich payer.
    pub fn start(elf: &Path, time: i64, mints: &[Pubkey], payer: Pubkey) -> Self {
        let mints = mints.to_vec();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let elf = std::fs::read(elf).expect("the ELF");
        let sent = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&sent);
        std::thread::spawn(move || {
            let mut svm = cluster(&elf, time, &mints, payer);
            for stream in listener.incoming() {
                answer(&mut svm, &counter, stream.expect("a connection"));
            }
        });
        Self { url, sent }
    }

    /// How many transactions it was sent so far.
    pub fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst)
    }
}

fn cluster(elf: &[u8], time: i64, mints: &[Pubkey], payer: Pubkey) -> LiteSVM {
    let mut svm = LiteSVM::new();
    svm.add_program(estuary::ID, elf).expect("the ELF deploys");
    let clock = svm.get_sysvar::<Clock>();
    svm.set_sysvar(&Clock {
        unix_timestamp: time,
        ..clock
    });
    svm.airdrop(&payer, 1_000_000_000_000).expect("lamports");
    let state = Mint {
        decimals: 6,
        is_initialized: true,
        ..Mint::default()
    };
    let mut data = vec![0; Mint::LEN];
    state.pack_into_slice(&mut data);
    let account = Account {
        lamports: 1_000_000_000,
        data,
        owner: anchor_spl::token::ID,
        ..Account::default()
    };
    for mint in mints {
        svm.set_account(*mint, account.clone()).expect("the mint");
    }
    svm
}

/// Reads one request, answers it and closes the connection.
fn answer(svm: &mut LiteSVM, sent: &AtomicUsize, mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().expect("the connection"));
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a header");
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().expect("a length");
            }
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let request: Value = serde_json::from_slice(&body).expect("JSON");
    let method = request["method"].as_str().unwrap_or_default();
    let mut response = json!({"jsonrpc": "2.0", "id": request["id"]});
    match result(svm, sent, method, &request["params"]) {
        Ok(result) => response["result"] = result,
        Err(error) => response["error"] = error,
    }
    let body = response.to_string();
    let length = body.len();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
    write!(stream, "{head}\r\ncontent-length: {length}\r\n\r\n{body}").expect("an answer");
}

fn result(
    svm: &mut LiteSVM,
    sent: &AtomicUsize,
    method: &str,
    params: &Value,
) -> Result<Value, Value> {
    let with_context = |value: Value| Ok(json!({"context": {"slot": 1}, "value": value}));
    match method {
        "getAccountInfo" => {
            let address: Pubkey = params[0]
                .as_str()
                .and_then(|text| text.parse().ok())
                .expect("an address");
            let account = svm.accounts_db().inner.get(&address);
            with_context(account.map_or(Value::Null, |account| {
                json!({
                    "lamports": account.lamports(),
                    "owner": account.owner().to_string(),
                    "executable": account.executable(),
                    "rentEpoch": 0,
                    "space": account.data().len(),
                    "data": [STANDARD.encode(account.data()), "base64"],
                })
            }))
        }
        "getLatestBlockhash" => with_context(json!({
            "blockhash": svm.latest_blockhash().to_string(),
            "lastValidBlockHeight": 1_000,
        })),
        "sendTransaction" => {
            sent.fetch_add(1, Ordering::SeqCst);
            let text = params[0].as_str().expect("a transaction");
            let bytes = STANDARD.decode(text).expect("base 64");
            assert!(bytes.len() <= 1_232, "{} bytes", bytes.len());
            let transaction: Transaction = bincode::deserialize(&bytes).expect("a transaction");
            let signature = transaction.signatures[0].to_string();
            match svm.send_transaction(transaction) {
                Ok(_) => {
                    svm.expire_blockhash();
                    Ok(json!(signature))
                }
                Err(failure) => Err(json!({
                    "code": -32_002,
                    "message": "Transaction simulation failed",
                    "data": {"err": failure.err, "logs": failure.meta.logs, "accounts": null},
                })),
            }
        }
        "getSignatureStatuses" => with_context(json!([{
            "slot": 1,
            "confirmations": null,
            "err": null,
            "status": {"Ok": null},
            "confirmationStatus": "finalized",
        }])),
        other => Err(json!({"code": -32_601, "message": format!("no method {other}")})),
    }
}
