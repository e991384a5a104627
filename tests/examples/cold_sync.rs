//! Prints how long a history takes from one device through an embedded relay to another, step by step.
//!
//! `cargo run --release -p whole-flow --example cold_sync -- [MESSAGES]`

#![expect(clippy::disallowed_methods, reason = "this program is a stopwatch")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use chat_model::{Content, Message, Role};
use chat_sync::{Config, Engine, Handle};
use event_index::{Storage, Store, StoreKey};
use futures_executor::block_on;
use pns_keys::LocalSigner;
use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig};
use supervision::{Entropy, SystemEntropy};

fn main() -> Result<(), Box<dyn Error>> {
    let count: usize = std::env::args()
        .nth(1)
        .map_or(Ok(10_000), |count| count.parse())?;
    let folder = tempfile::tempdir()?;
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default())?;
    let laptop = start(&folder.path().join("laptop.redb"), &relay.url())?;
    block_on(laptop.sync())?;

    timed("import", count, || {
        block_on(laptop.import(messages(count), |_| ()))
    })?;
    let up = timed("upload sync", count, || block_on(laptop.sync()))?;
    let phone = start(&folder.path().join("phone.redb"), &relay.url())?;
    let down = timed("cold sync", count, || block_on(phone.sync()))?;
    let noop = timed("no-op sync", count, || block_on(phone.sync()))?;
    let listed = timed("list", count, || block_on(phone.conversations()))?;
    println!("complete: {} {} {}", up.complete, down.complete, noop.complete);
    println!("cold: {:?}", down.relays[0]);
    println!("no-op: {:?}", noop.relays[0]);
    println!("conversations: {}", listed.len());
    block_on(phone.shutdown());
    block_on(laptop.shutdown());

    let phone = start(&folder.path().join("phone.redb"), &relay.url())?;
    timed("list after a restart", count, || block_on(phone.conversations()))?;
    block_on(phone.shutdown());
    Ok(())
}

fn start(store: &Path, relay: &str) -> Result<Handle, Box<dyn Error>> {
    let key = StoreKey::from_bytes([3; 32]);
    let signer = LocalSigner::parse(&"01".repeat(32), || SystemEntropy.draw_32())?;
    let store = Arc::new(Store::open(Storage::File(store.to_owned()), &key)?);
    Ok(Engine::start(Config::new(
        Arc::new(signer),
        store,
        vec![relay.parse()?],
    ))?)
}

/// Conversations of fifty messages of about 600 bytes.
fn messages(count: usize) -> Vec<Message> {
    (0..count)
        .map(|n| {
            let role = if n % 2 == 0 { Role::User } else { Role::Assistant };
            let text = format!("message {n}: {}", "words ".repeat(100));
            let mut message = Message::new(
                format!("chat-{}", n / 50),
                role,
                Content::new(text),
                1_700_000_000 + n as u64,
            );
            message.source = Some(format!("bench:{n}"));
            message
        })
        .collect()
}

fn timed<T, E>(what: &str, count: usize, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let begin = Instant::now();
    let done = work()?;
    let took = begin.elapsed();
    println!(
        "{what}: {took:.2?} ({:.0} messages a second)",
        count as f64 / took.as_secs_f64()
    );
    Ok(done)
}
