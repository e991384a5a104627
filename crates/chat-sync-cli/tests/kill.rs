//! `kill -9` in the middle of imports and syncs: every message ends up there exactly once, on the relay too.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nostr::event::Kind;
use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig, Fault, Proxy};
use serde_json::{Value, json};
use supervision::{Entropy, SeededEntropy};

const MESSAGES: usize = 2_000;
const KILLS: usize = 20;
/// Names the whole run; another one is tried with `KILL_SEED=<number>`.
const SEED: u64 = 20_001;

struct Bench<'a> {
    home: &'a Path,
    relay: String,
}

impl Bench<'_> {
    fn start(&self, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_chat-sync"))
            .args(arguments)
            .args(["--json", "--relay", &self.relay])
            .env("CHAT_SYNC_DATA_DIR", self.home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let Output {
            status,
            stdout,
            stderr,
        } = self.start(arguments).wait_with_output().unwrap();
        let last = String::from_utf8_lossy(&stdout)
            .lines()
            .last()
            .unwrap_or_default()
            .to_owned();
        let value = serde_json::from_str(&last).unwrap_or_else(|_| {
            panic!(
                "{arguments:?} ended with {status}: {last} {}",
                String::from_utf8_lossy(&stderr)
            )
        });
        (status.code(), value)
    }

    fn login(&self) {
        let mut child = self.start(&["login"]);
        child
            .stdin
            .take()
            .unwrap()
            .write_all("01".repeat(32).as_bytes())
            .unwrap();
        assert!(child.wait_with_output().unwrap().status.success());
    }

    /// Runs a command and kills it at `moment`, unless it ended before. Returns whether it was killed.
    fn kill(&self, arguments: &[&str], moment: impl FnOnce(&mpsc::Receiver<()>)) -> bool {
        let mut child = self.start(arguments);
        let (ended, end) = mpsc::channel();
        let mut stdout = child.stdout.take().unwrap();
        // The pipe closes when the process ends, by itself or not.
        let watcher = thread::spawn(move || {
            let _ = stdout.read_to_end(&mut Vec::new());
            let _ = ended.send(());
        });
        moment(&end);
        let killed = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        watcher.join().unwrap();
        killed
    }
}

/// An export of the old web app: forty conversations, questions and answers in turn.
fn export() -> String {
    let conversations: Vec<Value> = (0..40)
        .map(|c| {
            let messages: Vec<Value> = (0..MESSAGES / 40)
                .map(|m| {
                    let role = if m % 2 == 0 { "user" } else { "assistant" };
                    let id = 1_764_001_000_000_u64 + c * 10_000_000 + m as u64 * 1_000;
                    json!({"id": id.to_string(), "role": role, "content": format!("message {m} of {c}")})
                })
                .collect();
            json!({"id": format!("chat-{c}"), "title": format!("Chat {c}"), "messages": messages})
        })
        .collect();
    serde_json::to_string(&conversations).unwrap()
}

#[test]
fn f45_killed_twenty_times_and_every_message_is_there_exactly_once() {
    let seed = std::env::var("KILL_SEED").map_or(SEED, |seed| seed.parse().expect("KILL_SEED is a number"));
    println!("KILL_SEED={seed}");
    let chance = SeededEntropy::new(seed);

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let proxy = Proxy::start(&relay.url(), Fault::None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("export.json");
    std::fs::write(&file, export()).unwrap();
    let home = folder.path().join("laptop");
    let bench = Bench {
        home: &home,
        relay: proxy.url().clone(),
    };
    bench.login();
    assert_eq!(
        bench.run(&["sync"]).0,
        Some(0),
        "the keyring is there before the first kill"
    );

    let import: &[&str] = &["import", file.to_str().unwrap()];
    let mut killed = 0;
    for round in 0..KILLS {
        let fraction = chance.draw_fraction();
        killed += usize::from(if round % 2 == 0 {
            // An import goes by too fast to be watched: any moment of its first second.
            bench.kill(import, |end| {
                let _ = end.recv_timeout(Duration::from_secs_f64(fraction));
            })
        } else {
            // A sync is killed once the relay has seen so many more events.
            let goal = proxy.tally().up_of("EVENT").frames + u64::from(chance.draw_16()[0]) + 1;
            bench.kill(&["sync"], |end| {
                let reached = || proxy.tally().up_of("EVENT").frames >= goal;
                while !reached()
                    && end.recv_timeout(Duration::from_millis(1)) == Err(mpsc::RecvTimeoutError::Timeout)
                {
                }
            })
        });
    }
    assert!(
        killed >= KILLS / 2,
        "only {killed} of {KILLS} were killed before they ended"
    );

    let (code, imported) = bench.run(import);
    assert_eq!(code, Some(0), "{imported}");
    assert_eq!(
        imported["added"].as_u64().unwrap() + imported["known"].as_u64().unwrap(),
        MESSAGES as u64
    );
    let (code, again) = bench.run(import);
    assert_eq!(
        (code, again["added"].as_u64()),
        (Some(0), Some(0)),
        "importing again adds nothing"
    );
    let (code, report) = bench.run(&["sync"]);
    assert_eq!(
        (code, report["complete"].as_bool()),
        (Some(0), Some(true)),
        "{report}"
    );
    assert_eq!(report["messages"].as_u64(), Some(MESSAGES as u64), "{report}");

    let envelopes = runtime
        .block_on(relay.events(&[Kind::Custom(1080)], &[]))
        .unwrap();
    assert_eq!(envelopes.len(), MESSAGES, "exactly once on the relay");
    let keyrings = runtime
        .block_on(relay.events(&[Kind::Custom(1081)], &[]))
        .unwrap();
    assert_eq!(keyrings.len(), 1, "one keyring");

    let other = folder.path().join("phone");
    let phone = Bench {
        home: &other,
        relay: proxy.url().clone(),
    };
    phone.login();
    let (code, report) = phone.run(&["sync"]);
    assert_eq!(
        (code, report["messages"].as_u64()),
        (Some(0), Some(MESSAGES as u64)),
        "{report}"
    );
    assert_eq!(bench.run(&["chats", "list"]).1, phone.run(&["chats", "list"]).1);
    let mut texts = BTreeSet::new();
    for c in 0..40 {
        let (_, shown) = phone.run(&["chats", "show", &format!("chat-{c}")]);
        for message in shown["messages"].as_array().unwrap() {
            assert!(
                texts.insert(message["content"].as_str().unwrap().to_owned()),
                "twice: {message}"
            );
        }
    }
    assert_eq!(texts.len(), MESSAGES);
}
