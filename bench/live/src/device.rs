//! A device's part: an engine that sends at random moments, and notes what lands of the other one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chat_sync::{ChatUpdate, Config, Engine, Handle, MessageId, NewMessage};
use event_index::{Storage, Store, StoreKey};
use futures_util::{Stream, StreamExt};
use pns_keys::LocalSigner;
use supervision::{Entropy, SeededEntropy};

use crate::telling::{self, Run};
use crate::{Outcome, telling::Device};

/// The account of every run.
const SECRET: &str = "0101010101010101010101010101010101010101010101010101010101010101";
/// Messages of one conversation.
const CONVERSATION: u64 = 50;
/// Nothing landed for this long: what has not come by now is lost, and what came twice has come.
const QUIET: Duration = Duration::from_secs(3);
/// For everything the other one sends.
const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) fn run(name: &str, url: &str, folder: &str, run: &str) -> Outcome<()> {
    let run: Run = serde_json::from_str(run)?;
    let file = Path::new(folder).join(format!("{name}.redb"));
    let store = Store::open(Storage::File(file), &StoreKey::from_bytes([3; 32]))?;
    let signer = LocalSigner::parse(SECRET, || SeededEntropy::new(2).draw_32())?;
    let config = Config::new(Arc::new(signer), Arc::new(store), vec![url.parse()?]);
    let engine = Engine::start(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let told = runtime.block_on(async {
        let report = engine.sync().await?;
        if !report.complete {
            return Err(format!("the first comparison is not complete: {report:?}").into());
        }
        let landing = tokio::spawn(land(engine.updates(), format!("{name}-"), run.each));
        telling::say("ready")?;
        tokio::task::spawn_blocking(|| telling::wait().map_err(|error| error.to_string())).await??;
        let sent = send(&engine, name, &run).await?;
        let seen = landing.await?;
        let mut named = Vec::with_capacity(sent.len());
        for (called, returned, id) in sent {
            let id = engine.current_name(id).await?.ok_or("a message is gone")?;
            named.push((called, returned, id.to_string()));
        }
        Ok::<_, Box<dyn std::error::Error>>(Device {
            name: name.to_owned(),
            sent: named,
            seen,
        })
    })?;
    telling::say(&serde_json::to_string(&told)?)
}

async fn send(engine: &Handle, name: &str, run: &Run) -> Outcome<Vec<(u64, u64, MessageId)>> {
    let mut sent = Vec::new();
    let who = u64::from(name.as_bytes()[0]);
    for (n, pause) in (0..).zip(telling::pauses(run, who)) {
        tokio::time::sleep(pause).await;
        let conversation = format!("{name}-{}", n / CONVERSATION);
        let called = telling::now();
        let message = engine
            .send(NewMessage::user(conversation, telling::text(name, n)))
            .await?;
        sent.push((called, telling::now(), message.id));
    }
    Ok(sent)
}

/// Everything the other device's messages did here: number and time of each landing.
async fn land(updates: impl Stream<Item = ChatUpdate>, own: String, each: u64) -> Vec<(u64, u64)> {
    let mut updates = std::pin::pin!(updates);
    let mut seen = Vec::new();
    loop {
        let patience = if seen.len() as u64 >= each {
            QUIET
        } else {
            PATIENCE
        };
        let Ok(Some(update)) = tokio::time::timeout(patience, updates.next()).await else {
            return seen;
        };
        let at = telling::now();
        if let ChatUpdate::Landed(messages) = update {
            let number = |text: &str| text.split(' ').nth(1)?.parse().ok();
            // Its own messages land here as well, under a local id as a rule, under their event's when they are sealed at once.
            let other = messages.iter().filter(|one| !one.conversation.starts_with(&own));
            seen.extend(other.filter_map(|one| Some((number(&one.content)?, at))));
        }
    }
}
