//! Carries what an engine says to those who read events; messages are a matter of [`super::followed`].

use std::sync::Arc;
use std::time::Duration;

use chat_sync::{Extension, Handle};
use futures_util::StreamExt;
use tokio::task::JoinHandle;

use super::hub::{Event, Hub};

/// As often as anybody can follow; the last one always comes through.
const STATUS_PAUSE: Duration = Duration::from_millis(100);

pub(super) fn start(engine: &Handle, extension: Option<&Extension>, hub: &Arc<Hub>) -> Vec<JoinHandle<()>> {
    let (counts, to) = (engine.watch_counts(), Arc::clone(hub));
    let counts = async move {
        let mut counts = std::pin::pin!(counts);
        while let Some(changed) = counts.next().await {
            to.push(Event::Counts(changed));
        }
    };
    let (statuses, to) = (engine.watch_status(), Arc::clone(hub));
    let statuses = async move {
        let mut statuses = std::pin::pin!(statuses);
        while statuses.next().await.is_some() {
            to.push(Event::Status);
            tokio::time::sleep(STATUS_PAUSE).await;
        }
    };
    let mut pumps = vec![tokio::spawn(counts), tokio::spawn(statuses)];
    pumps.extend(extension.map(|extension| questions(extension, hub)));
    pumps
}

/// Tells when the extension is asked for something.
pub(super) fn questions(extension: &Extension, hub: &Arc<Hub>) -> JoinHandle<()> {
    let (mut told, to) = (extension.told(), Arc::clone(hub));
    tokio::spawn(async move {
        while told.changed().await.is_ok() {
            to.push(Event::Signer);
        }
    })
}
