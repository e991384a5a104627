//! `nostr-sdk`'s part: the same set by its own NIP-77 client, over its memory store and over LMDB.

use std::path::Path;
use std::time::Duration;

use nostr_lmdb::NostrLMDB;
use nostr_sdk::prelude::{
    Client, Filter, IntoNostrDatabase, Kind, MemoryDatabase, MemoryDatabaseOptions, SyncOptions,
};

use bench_download::Outcome;
use bench_download::transport::NoDelay;
use bench_download::usage::{Stopwatch, Usage};

/// It reports success for less than everything; each further try costs it the time it takes.
const TRIES: usize = 10;

pub(crate) fn download_to_memory(url: &str, _: &Path, count: u64) -> Outcome<Usage> {
    let database = MemoryDatabase::with_opts(MemoryDatabaseOptions {
        events: true,
        max_events: None,
    });
    download(url, database, count)
}

pub(crate) fn download_to_lmdb(url: &str, folder: &Path, count: u64) -> Outcome<Usage> {
    download(url, NostrLMDB::open(folder)?, count)
}

fn download(url: &str, database: impl IntoNostrDatabase, count: u64) -> Outcome<Usage> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::builder()
            .database(database)
            .websocket_transport(NoDelay)
            .build();
        let filter = Filter::new().kind(Kind::Custom(1080));
        let watch = Stopwatch::start();
        client.add_relay(url).await?;
        client.try_connect(Duration::from_secs(10)).await;
        let mut held = 0;
        for _ in 0..TRIES {
            client.sync(filter.clone(), &SyncOptions::default()).await?;
            held = client.database().count(filter.clone()).await? as u64;
            if held == count {
                break;
            }
        }
        let usage = watch.stop(held)?;
        client.shutdown().await;
        Ok(usage)
    })
}
