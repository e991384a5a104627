//! How fast messages are on disk: ours, and a table of plain redb with the same texts.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bench_download::{Outcome, history};
use chat_sync::{Config, Engine, NewMessage};
use event_index::{Storage, Store, StoreKey};
use futures_executor::block_on;
use redb::{Database, TableDefinition};
use serde::{Deserialize, Serialize};

use crate::report::Row;
use crate::texts::{conversation, message, words};

const TABLE: TableDefinition<u64, &[u8]> = TableDefinition::new("messages");
/// Messages in one commit of plain redb.
const BATCH: u64 = 1_000;

/// Messages a second.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Composed {
    by_hand: f64,
    batched: f64,
    plain_by_hand: f64,
    plain_batched: f64,
}

impl Composed {
    pub(crate) fn rows(&self, by_hand: u64, batched: u64) -> [Row; 3] {
        let batches = "plain redb, one commit each 1,000";
        [
            Row::rate(
                "durable messages, one by one",
                by_hand,
                self.by_hand,
                "plain redb, one commit each",
                self.plain_by_hand,
            ),
            Row::rate(
                "durable messages, an import",
                batched,
                self.batched,
                "plain redb, one commit each",
                self.plain_by_hand,
            ),
            Row::rate(
                "durable messages, an import",
                batched,
                self.batched,
                batches,
                self.plain_batched,
            ),
        ]
    }
}

pub(crate) fn measure(folder: &Path, by_hand: u64, batched: u64) -> Outcome<Composed> {
    let ours = |name: &str, work: &dyn Fn(&chat_sync::Handle) -> Outcome<()>, count: u64| {
        let store = Storage::File(folder.join(name));
        let store = Arc::new(Store::open(store, &StoreKey::from_bytes([3; 32]))?);
        let mut config = Config::new(Arc::new(history::signer()?), Arc::clone(&store), Vec::new());
        config.online = false;
        let engine = Engine::start(config)?;
        block_on(engine.conversations())?;
        let begin = Instant::now();
        work(&engine)?;
        let rate = count as f64 / begin.elapsed().as_secs_f64();
        block_on(engine.shutdown());
        let kept = store.counts()?.drafts;
        if kept != count {
            return Err(format!("{kept} of {count} messages are on disk").into());
        }
        Ok::<f64, Box<dyn std::error::Error>>(rate)
    };
    let one_by_one = |engine: &chat_sync::Handle| {
        for n in 0..by_hand {
            let (role, text) = words(n);
            let new = NewMessage {
                role,
                ..NewMessage::user(conversation(n), text)
            };
            block_on(engine.send(new))?;
        }
        Ok(())
    };
    let import = |engine: &chat_sync::Handle| {
        block_on(engine.import((0..batched).map(message).collect(), |_| ()))?;
        Ok(())
    };
    Ok(Composed {
        by_hand: ours("by-hand.redb", &one_by_one, by_hand)?,
        batched: ours("batched.redb", &import, batched)?,
        plain_by_hand: plain(&folder.join("plain-by-hand.redb"), by_hand, 1)?,
        plain_batched: plain(&folder.join("plain-batched.redb"), batched, BATCH)?,
    })
}

fn plain(file: &Path, count: u64, batch: u64) -> Outcome<f64> {
    let database = Database::create(file)?;
    let begin = Instant::now();
    for first in (0..count).step_by(batch as usize) {
        let writing = database.begin_write()?;
        {
            let mut table = writing.open_table(TABLE)?;
            for n in first..count.min(first + batch) {
                let (_, text) = words(n);
                table.insert(
                    n,
                    serde_json::to_vec(&serde_json::json!({ "content": text }))?.as_slice(),
                )?;
            }
        }
        writing.commit()?;
    }
    Ok(count as f64 / begin.elapsed().as_secs_f64())
}
