//! `read`: what it costs to look at a long history, against opening every envelope of it.
//!
//! The store holds what a download leaves. Each measurement is a process of its own, from its start to its end; the file is in
//! the page cache. The alternative reads and opens every envelope into conversations in memory, as one thread.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;
use std::{env, thread};

use chat_model::{Content, Library, Message, MessageId, Parent, Role};
use chat_sync::{Account, AccountState, DataDir, Engine, Excerpt, Handle, Login, LoginMethod};
use event_index::{Arrival, OpenedArrival};
use futures_executor::block_on;
use futures_util::StreamExt;
use nostr::event::Event;
use pns_keys::{DeviceSecret, PnsKey, Profile, open, seal};
use supervision::{Entropy, SeededEntropy, SystemEntropy};

use crate::{Outcome, meter};

mod daemon;
mod program;

/// What was measured: the least and the median in milliseconds, and the peak of memory in MiB where it was looked at.
type Row = (&'static str, f64, f64, Option<u64>);

/// The first argument of a process that is measured.
pub(crate) const CHILD: &str = "read-child";

const SECRET: &str = "5e1f0c9a7b3d2846e0f1a2b3c4d5968778695a4b3c2d1e0ff1e2d3c4b5a69788";
const MESSAGES: u64 = 100_000;
const CONVERSATIONS: u64 = 5_000;
const RUNS: usize = 5;
const BEGIN: u64 = 1_789_000_000;
/// Events stored in one commit.
const BATCH: usize = 2_000;

const CHILDREN: [(&str, &str); 5] = [
    ("list", "chats list"),
    ("status", "status"),
    ("show", "one conversation"),
    ("search", "search in every message"),
    ("envelopes", "alternative: open every envelope"),
];

pub(crate) fn run(arguments: &[String]) -> Outcome {
    let json = arguments.iter().any(|argument| argument == "--json");
    let folder = tempfile::tempdir()?;
    let began = Instant::now();
    make(folder.path())?;
    let file = store_file(folder.path())?;
    let bytes = std::fs::metadata(&file)?.len();
    eprintln!(
        "made {MESSAGES} messages in {CONVERSATIONS} conversations: {:.1} s",
        began.elapsed().as_secs_f64()
    );
    let mut rows: Vec<Row> = Vec::new();
    for (name, title) in CHILDREN {
        let mut runs = Vec::new();
        for _ in 0..RUNS {
            let began = Instant::now();
            let output = Command::new(env::current_exe()?)
                .args([CHILD, name])
                .arg(folder.path())
                .output()?;
            let wall = began.elapsed().as_secs_f64() * 1e3;
            if !output.status.success() {
                return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
            }
            let peak: u64 = String::from_utf8(output.stdout)?.trim().parse()?;
            runs.push((wall, peak));
        }
        runs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let peak = runs.iter().map(|(_, peak)| *peak).max().unwrap_or_default() / 1024;
        rows.push((title, runs[0].0, runs[RUNS / 2].0, Some(peak)));
    }
    rows.extend(program::rows(&folder.path().join("data"))?);
    if json {
        let rows: Vec<_> = rows
            .iter()
            .map(|(what, least, median, peak)| {
                serde_json::json!({ "what": what, "least_ms": least, "median_ms": median, "peak_mb": peak })
            })
            .collect();
        let report = serde_json::json!({
            "messages": MESSAGES, "conversations": CONVERSATIONS, "store_bytes": bytes, "rows": rows
        });
        println!("{report}");
        return Ok(());
    }
    println!("store {} MB", bytes >> 20);
    println!("| | least | median | peak memory |\n|---|---:|---:|---:|");
    for (what, least, median, peak) in rows {
        let peak = peak.map_or_else(|| "-".to_owned(), |peak| format!("{peak} MB"));
        println!("| {what} | {least:.1} ms | {median:.1} ms | {peak} |");
    }
    Ok(())
}

/// What is measured; prints the peak of its memory.
pub(crate) fn child(arguments: &[String]) -> Outcome {
    let [what, folder] = arguments else {
        return Err("a measurement and a folder".into());
    };
    let account = account(Path::new(folder))?;
    if what == "envelopes" {
        let found = open_all(&account)?;
        expect(found)?;
    } else {
        let engine = Engine::start(account.config(false))?;
        block_on(ask(&engine, what))?;
    }
    println!("{}", meter::peak_bytes().unwrap_or_default() / 1024);
    // As the program ends: what is on disk is on disk.
    std::process::exit(0);
}

async fn ask(engine: &Handle, what: &str) -> Outcome {
    match what {
        "list" => expect(engine.conversations().await?.len() as u64)?,
        "status" => {
            let mut statuses = std::pin::pin!(engine.watch_status());
            while let Some(status) = statuses.next().await {
                if status.account.state != AccountState::Loading {
                    break;
                }
            }
            expect(engine.conversation_count().await?)?;
        }
        "show" => {
            let shown = engine.conversation_page("latest", Excerpt::last(200)).await?;
            assert!(!shown.branch.is_empty());
        }
        "search" => {
            let found = engine.search("NEEDLE", 50).await?;
            assert_eq!(found.hits.len(), 50);
        }
        _ => return Err("no such measurement".into()),
    }
    Ok(())
}

fn expect(conversations: u64) -> Outcome {
    if conversations == CONVERSATIONS {
        return Ok(());
    }
    Err(format!("{conversations} conversations instead of {CONVERSATIONS}").into())
}

fn data(folder: &Path) -> DataDir {
    DataDir::new(folder.join("data"))
}

fn account(folder: &Path) -> Result<Account, Box<dyn std::error::Error>> {
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    Ok(data(folder).open(&entropy)?)
}

fn store_file(folder: &Path) -> Result<PathBuf, Box<dyn std::error::Error>> {
    let account = account(folder)?;
    Ok(data(folder).store_file(&account.public_key))
}

/// The key that an account's own secret gives: no keyring is needed to read with it.
fn key() -> Result<PnsKey, Box<dyn std::error::Error>> {
    Ok(PnsKey::derive(
        Profile::Routstr,
        &DeviceSecret::parse(SECRET)?,
        "",
    )?)
}

fn make(folder: &Path) -> Outcome {
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let login = Login::with_key(DeviceSecret::parse(SECRET)?, LoginMethod::RawKey);
    let account = data(folder).login(&login, &["ws://127.0.0.1:9".parse()?], &entropy)?;
    let author = account.public_key.to_hex();
    let halves = thread::scope(|scope| {
        let author = &author;
        let workers: Vec<_> = (0..2)
            .map(|half| scope.spawn(move || sealed(half, author).map_err(|error| error.to_string())))
            .collect();
        let joined = workers
            .into_iter()
            .map(|worker| worker.join().map_err(|_| "a worker died".to_owned())?);
        joined.collect::<Result<Vec<_>, String>>()
    })?;
    let mut all: Vec<(Event, Message)> = halves.into_iter().flatten().collect();
    // As a download brings them.
    all.sort_by_key(|(event, _)| event.id);
    for batch in all.chunks(BATCH) {
        let arrivals = batch.iter().map(|(event, message)| {
            let arrival = Arrival {
                event: event.clone(),
                source: None,
            };
            OpenedArrival::new(&account.store, arrival, Some(Arc::new(message.clone())))
        });
        account.store.ingest_opened(arrivals.collect(), 0)?;
    }
    drop(all);
    let engine = Engine::start(account.config(false))?;
    block_on(async {
        engine.keep_list().await?;
        engine.shutdown().await;
        Ok::<(), chat_sync::EngineError>(())
    })?;
    Ok(())
}

/// Half of the conversations, each a chain of questions and answers.
fn sealed(half: u64, author: &str) -> Result<Vec<(Event, Message)>, Box<dyn std::error::Error>> {
    let (key, entropy) = (key()?, SeededEntropy::new(half));
    let mut made = Vec::new();
    for conversation in (0..CONVERSATIONS).filter(|number| number % 2 == half) {
        let mut parent = Parent::Top;
        for n in 0..MESSAGES / CONVERSATIONS {
            let (role, length) = if n % 2 == 0 {
                (Role::User, 80)
            } else {
                (Role::Assistant, 900)
            };
            let needle = if n == 7 { "needle " } else { "" };
            let text =
                format!("{needle}message {n} of {conversation} ") + &"words of a chat ".repeat(length / 16);
            let second = BEGIN + conversation * 100 + n;
            let mut message = Message::new(
                format!("conversation-{conversation}"),
                role,
                Content::new(text),
                second,
            );
            message.parent = parent;
            message.source = Some(format!("{conversation}:{n}"));
            let message = Message::from_rumor(&message.to_rumor(author)?, &[author])?;
            let event = seal(
                &key,
                &message.to_rumor(author)?,
                second,
                entropy.draw_32(),
                entropy.draw_32(),
            )?;
            parent = Parent::Message(MessageId::Event(event.id.to_bytes()));
            made.push((event, message));
        }
    }
    Ok(made)
}

/// What a start costs without the read model; returns how many conversations there are.
fn open_all(account: &Account) -> Result<u64, Box<dyn std::error::Error>> {
    let (key, author) = (key()?, account.public_key.to_hex());
    let mut library = Library::new();
    let mut after = 0;
    loop {
        let page = account.store.events_after(after, 1000)?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        for (_, event) in page {
            let message = Message::from_rumor(&open(&key, &event)?, &[&author])?;
            library.insert(
                MessageId::Event(event.id.to_bytes()),
                event.created_at.as_secs(),
                message,
            );
        }
    }
    Ok(library.conversations().len() as u64)
}
