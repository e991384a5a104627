//! Everything that is logged at the most talkative level in a whole flow: no text of a message, no title, no key.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chat_sync::{Config, Engine, Handle, NewMessage};
use event_index::{MemoryDisk, Store, StoreKey};
use futures_executor::block_on;
use nostr::prelude::{Keys, ToBech32};
use pns_keys::LocalSigner;
use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig};
use supervision::{Entropy, SystemEntropy};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

const SECRET: &str = "0101010101010101010101010101010101010101010101010101010101010101";
const PATIENCE: Duration = Duration::from_secs(60);

/// Everything that was logged.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn start(relay: &str) -> Handle {
    let store = Store::open(MemoryDisk::new().storage(), &StoreKey::draw(&SystemEntropy)).unwrap();
    let signer = LocalSigner::parse(SECRET, || SystemEntropy.draw_32()).unwrap();
    let relays = vec![relay.parse().unwrap()];
    Engine::start(Config::new(Arc::new(signer), Arc::new(store), relays)).unwrap()
}

#[test]
fn nothing_of_a_history_and_no_key_is_in_the_log_of_a_whole_flow() {
    let captured = Captured::default();
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("trace"))
        .with_writer(captured.clone())
        .with_ansi(false);
    log.init();
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let said = ["A title that nobody may read", "the reply under it, as private"];
    let conversation = "conversation-with-a-telling-name";
    block_on(async {
        let (one, two) = (start(&relay.url()), start(&relay.url()));
        for text in said {
            one.send(NewMessage::user(conversation, text)).await.unwrap();
        }
        one.flush(PATIENCE).await.unwrap();
        assert!(one.sync().await.unwrap().complete);
        two.sync().await.unwrap();
        assert_eq!(two.conversation(conversation).await.unwrap().branch.len(), 2);
        two.delete(conversation).await.unwrap();
        one.send(NewMessage::user("another", "word ".repeat(20_000)))
            .await
            .unwrap();
        one.sync().await.unwrap();
        one.shutdown().await;
        two.shutdown().await;
    });
    let log = captured.0.lock().unwrap_or_else(PoisonError::into_inner);
    let log = String::from_utf8_lossy(&log);
    assert!(
        log.contains("relay{relay=ws://127.0.0.1"),
        "lines have the span of their relay"
    );
    assert!(
        log.contains("session{relay=ws://127.0.0.1"),
        "and of their session"
    );
    assert!(
        log.contains("TRACE") || log.contains("DEBUG"),
        "the talkative levels are there"
    );
    let nsec = Keys::parse(SECRET).unwrap().secret_key().to_bech32().unwrap();
    let private = [said[0], said[1], conversation, SECRET, &nsec, "word word"];
    for secret in private {
        let at = log.find(secret);
        let around = at.map(|at| log[..at].rsplit('\n').next().unwrap_or_default().to_owned());
        assert_eq!(around, None, "logged");
    }
}
