//! Our engine's part: a device that has only the account's key, until its relay is proven to agree.

use std::path::Path;
use std::sync::Arc;

use chat_sync::{Config, Engine};
use event_index::{Storage, Store, StoreKey};
use futures_executor::block_on;

use bench_download::usage::{Stopwatch, Usage};
use bench_download::{Outcome, history};

/// From the start of the engine to the end of its first full comparison: everything is on disk and opened then, and a
/// second comparison has found no difference.
pub(crate) fn download(url: &str, folder: &Path, count: u64) -> Outcome<Usage> {
    let store = Storage::File(folder.join("store.redb"));
    let store = Arc::new(Store::open(store, &StoreKey::from_bytes([3; 32]))?);
    let config = Config::new(
        Arc::new(history::signer()?),
        Arc::clone(&store),
        vec![url.parse()?],
    );
    let watch = Stopwatch::start();
    let engine = Engine::start(config)?;
    let report = block_on(engine.sync())?;
    let usage = watch.stop(report.counts.messages)?;
    let conversations = block_on(engine.conversations())?;
    let shown: usize = conversations.iter().map(|one| one.messages).sum();
    block_on(engine.shutdown());
    if !report.complete || usage.held != count || shown as u64 != count || store.verify()? != count {
        return Err(format!(
            "ours: {} of {count} held, {shown} shown, complete: {}",
            usage.held, report.complete
        )
        .into());
    }
    Ok(usage)
}
