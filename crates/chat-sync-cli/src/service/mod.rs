//! What commands ask for, whoever holds the store: this process, or the daemon.
//!
//! [`Here`] answers with an engine of this process; [`Daemon`] passes the question on over HTTP. Both give the same shapes,
//! so that a command prints the same, byte by byte.

mod comparing;
mod connection;
mod daemon;
mod following;
mod here;
mod importing;
mod lines;
mod relays;
mod sse;
mod talk;
mod upkeep;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use chat_model::Message;
use chat_sync::{AccountState, Handle, MessageId, NewMessage, RelayTest, RelayUrl, Status, npub};
use futures_util::StreamExt;
use pns_keys::{CardKey, NONCE_BYTES};

use crate::exit::Failure;
use crate::shapes::deletion::{Deleted, FromHere, Preview};
use crate::shapes::importing::Taken;
use crate::shapes::keys::{Keys, SealedCard};
use crate::shapes::queue::{Dropped, QueueShape, Retried};
use crate::shapes::search::Hits;
use crate::shapes::{Conversation, Conversations, Identity, Sent};

pub(crate) use comparing::Comparing;
pub(crate) use daemon::Daemon;
pub(crate) use following::{Following, Seen};
pub(crate) use here::{Here, Known, Slot};
pub(crate) use lines::Line;
pub(crate) use relays::RelayNames;
pub(crate) use talk::{Part, Shown};
pub(crate) use upkeep::{compact, rebuild, set_aside};
pub(crate) use waiting::Chosen;

/// How long reading a few keys from a local disk may take.
const KEYS_PATIENCE: Duration = Duration::from_secs(5);

/// Who answers.
pub(crate) enum Service {
    Here(Arc<Here>),
    Daemon(Daemon),
}

impl Service {
    pub(crate) async fn status(&self) -> Result<Known, Failure> {
        match self {
            Self::Here(here) => here.status().await,
            Self::Daemon(daemon) => daemon.status().await,
        }
    }

    pub(crate) async fn identity(&self) -> Result<Identity, Failure> {
        match self {
            Self::Here(here) => here.identity().await,
            Self::Daemon(daemon) => daemon.identity().await,
        }
    }

    pub(crate) async fn keys(&self) -> Result<Keys, Failure> {
        match self {
            Self::Here(here) => here.keys(),
            Self::Daemon(daemon) => daemon.keys().await,
        }
    }

    /// Whose history it is.
    pub(crate) async fn npub(&self) -> Result<String, Failure> {
        match self {
            Self::Here(here) => Ok(npub(&here.account.public_key)),
            Self::Daemon(daemon) => Ok(daemon.identity().await?.npub),
        }
    }

    /// Whether there is a key that a card can hold.
    pub(crate) async fn has_history_key(&self) -> Result<bool, Failure> {
        match self {
            Self::Here(here) => here.has_history_key(),
            Self::Daemon(daemon) => {
                let known = daemon.keys().await?;
                Ok(known.keys.iter().any(|key| key.public_key.is_some()))
            }
        }
    }

    /// A card of the history keys, sealed under `key`; where this process seals it, with `nonce`.
    pub(crate) async fn key_card(
        &self,
        key: &CardKey,
        nonce: [u8; NONCE_BYTES],
    ) -> Result<SealedCard, Failure> {
        match self {
            Self::Here(here) => here.key_card(key, nonce),
            Self::Daemon(daemon) => daemon.key_card(key).await,
        }
    }

    pub(crate) async fn conversations(&self) -> Result<Conversations, Failure> {
        match self {
            Self::Here(here) => here.conversations().await,
            Self::Daemon(daemon) => daemon.conversations().await,
        }
    }

    pub(crate) async fn conversation(&self, selector: &str, part: Part) -> Result<Conversation, Failure> {
        match self {
            Self::Here(here) => Ok(here.conversation(selector, part).await?.conversation),
            Self::Daemon(daemon) => daemon.conversation(selector, part).await,
        }
    }

    /// Shows this version at its place from now on; returns its conversation.
    pub(crate) async fn pick(&self, message: MessageId) -> Result<Conversation, Failure> {
        match self {
            Self::Here(here) => Ok(here.pick(message, Part::default()).await?.conversation),
            Self::Daemon(daemon) => daemon.pick(message).await,
        }
    }

    /// Counts everything in it as read on this device.
    pub(crate) async fn mark_read(&self, conversation: &str) -> Result<(), Failure> {
        match self {
            Self::Here(here) => here.mark_read(conversation).await,
            Self::Daemon(daemon) => daemon.mark_read(conversation).await,
        }
    }

    /// Takes messages of an export in, or says what that would come to; `progress` is told how many more were looked at.
    pub(crate) async fn import(
        &self,
        messages: Vec<Message>,
        dry_run: bool,
        mut progress: impl FnMut(usize),
    ) -> Result<Taken, Failure> {
        match self {
            Self::Here(here) if dry_run => here.import_preview(messages),
            Self::Here(here) => here.import(messages, progress).await,
            Self::Daemon(daemon) => daemon.import(messages, dry_run, &mut progress).await,
        }
    }

    /// Messages that have these words, at most so many.
    pub(crate) async fn search(&self, text: &str, limit: usize) -> Result<Hits, Failure> {
        match self {
            Self::Here(here) => here.search(text, limit).await,
            Self::Daemon(daemon) => daemon.search(text, limit).await,
        }
    }

    /// Waits for a moment until the message is out.
    pub(crate) async fn send(&self, new: NewMessage) -> Result<Sent, Failure> {
        match self {
            Self::Here(here) => here.send(new, true).await,
            Self::Daemon(daemon) => daemon.send(new, true).await,
        }
    }

    pub(crate) async fn delete_preview(&self, selector: &str) -> Result<Preview, Failure> {
        match self {
            Self::Here(here) => here.delete_preview(selector).await,
            Self::Daemon(daemon) => daemon.delete_preview(selector).await,
        }
    }

    pub(crate) async fn delete(&self, selector: &str) -> Result<Deleted, Failure> {
        match self {
            Self::Here(here) => here.delete(selector).await,
            Self::Daemon(daemon) => daemon.delete(selector).await,
        }
    }

    pub(crate) async fn drop_here(&self, selector: &str) -> Result<FromHere, Failure> {
        match self {
            Self::Here(here) => here.drop_here(selector).await,
            Self::Daemon(daemon) => daemon.drop_here(selector).await,
        }
    }

    pub(crate) async fn queue(&self, all: bool) -> Result<QueueShape, Failure> {
        match self {
            Self::Here(here) => here.queue(all),
            Self::Daemon(daemon) => daemon.queue(all).await,
        }
    }

    pub(crate) async fn retry(&self, chosen: Chosen) -> Result<Retried, Failure> {
        match self {
            Self::Here(here) => here.retry(&chosen),
            Self::Daemon(daemon) => daemon.retry(chosen).await,
        }
    }

    pub(crate) async fn give_up_preview(&self, chosen: Chosen) -> Result<Dropped, Failure> {
        match self {
            Self::Here(here) => here.give_up_preview(&chosen),
            Self::Daemon(daemon) => daemon.give_up(chosen, false, true).await,
        }
    }

    pub(crate) async fn give_up(&self, chosen: Chosen, force: bool) -> Result<Dropped, Failure> {
        match self {
            Self::Here(here) => here.give_up(&chosen, force),
            Self::Daemon(daemon) => daemon.give_up(chosen, force, false).await,
        }
    }

    /// What the account's relays are known to be.
    pub(crate) async fn relays(&self) -> Result<Vec<chat_sync::KnownRelay>, Failure> {
        match self {
            Self::Here(here) => here.known_relays(),
            Self::Daemon(daemon) => daemon.relays().await,
        }
    }

    pub(crate) async fn add_relays(&self, urls: &[RelayUrl]) -> Result<RelayNames, Failure> {
        match self {
            Self::Here(here) => here.add_relays(urls).await,
            Self::Daemon(daemon) => daemon.add_relays(urls).await,
        }
    }

    pub(crate) async fn remove_relays(&self, urls: &[RelayUrl], force: bool) -> Result<RelayNames, Failure> {
        match self {
            Self::Here(here) => here.remove_relays(urls, force).await,
            Self::Daemon(daemon) => daemon.remove_relays(urls, force).await,
        }
    }

    /// Follows the account's relay list (NIP-65) from now on, or no longer.
    pub(crate) async fn follow_relay_list(&self, follow: bool) -> Result<RelayNames, Failure> {
        match self {
            Self::Here(here) => here.follow_relay_list(follow).await,
            Self::Daemon(daemon) => daemon.follow_relay_list(follow).await,
        }
    }

    /// All of the account's, when none is named.
    pub(crate) async fn test_relays(&self, urls: &[RelayUrl]) -> Result<Vec<RelayTest>, Failure> {
        match self {
            Self::Here(here) => here.test_relays(urls).await,
            Self::Daemon(daemon) => daemon.test_relays(urls).await,
        }
    }

    /// Whether somebody may be asked far away, and an answer takes its time.
    pub(crate) fn asks_far_off(&self) -> bool {
        match self {
            Self::Here(here) => here.account.remote.is_some(),
            Self::Daemon(_) => true,
        }
    }

    /// Everything that happens from now on; messages of one conversation only, when one is named by its id.
    pub(crate) async fn follow(&self, only: Option<&str>) -> Result<Following, Failure> {
        match self {
            Self::Here(here) => here.follow(only).await,
            Self::Daemon(daemon) => daemon.follow(only).await,
        }
    }
}

/// Does what blocks on the disk away from the threads that answer, and that hear Ctrl-C.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        Err(Failure::Failed(
            "the store could not be read or written; run it again".to_owned(),
        ))
    })
}

/// The status once the keys on disk have been read.
pub(crate) async fn settled_status(handle: &Handle) -> Status {
    let wait = async {
        let mut statuses = std::pin::pin!(handle.watch_status());
        while let Some(status) = statuses.next().await {
            if status.account.state != AccountState::Loading {
                return status;
            }
        }
        handle.status()
    };
    tokio::time::timeout(KEYS_PATIENCE, wait)
        .await
        .unwrap_or_else(|_| handle.status())
}
