//! The shapes of `chats delete`.

use chat_sync::{DeletionPreview, DeletionReport, DroppedHere, RelayDeletion, Told};
use serde::{Deserialize, Serialize};

/// `chats delete`: what it takes, in every case.
#[derive(Serialize, Deserialize)]
pub(crate) struct Took {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) message: Option<String>,
    pub(crate) messages: usize,
    pub(crate) versions: usize,
    pub(crate) aliases: usize,
    pub(crate) drafts: usize,
    pub(crate) events: usize,
    pub(crate) deletions: usize,
}

impl From<&DeletionPreview> for Took {
    fn from(took: &DeletionPreview) -> Self {
        Self {
            id: took.conversation.id.clone(),
            title: took.conversation.title.clone(),
            message: took.message.map(|id| id.to_string()),
            messages: took.messages,
            versions: took.versions,
            aliases: took.aliases,
            drafts: took.drafts,
            events: took.events,
            deletions: took.deletions,
        }
    }
}

/// `chats delete --dry-run`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Preview {
    pub(crate) dry_run: bool,
    #[serde(flatten)]
    pub(crate) took: Took,
    pub(crate) relays: Vec<Known>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) url: String,
    /// Events that it is known to hold.
    pub(crate) known: usize,
}

impl From<&DeletionPreview> for Preview {
    fn from(preview: &DeletionPreview) -> Self {
        let known = |(url, known): &(chat_sync::RelayUrl, usize)| Known {
            url: url.to_string(),
            known: *known,
        };
        Self {
            dry_run: true,
            took: preview.into(),
            relays: preview.relays.iter().map(known).collect(),
        }
    }
}

/// `chats delete`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Deleted {
    pub(crate) dry_run: bool,
    pub(crate) here_only: bool,
    pub(crate) complete: bool,
    #[serde(flatten)]
    pub(crate) took: Took,
    pub(crate) relays: Vec<Relay>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Relay {
    pub(crate) url: String,
    /// `accepted`, `waiting` or `refused`.
    pub(crate) deletions: String,
    pub(crate) reason: Option<String>,
    pub(crate) serves: Option<usize>,
    pub(crate) error: Option<String>,
}

impl Relay {
    /// It was told, and serves nothing of it any more.
    pub(crate) fn is_done(&self) -> bool {
        self.deletions == "accepted" && self.serves == Some(0)
    }
}

impl From<&RelayDeletion> for Relay {
    fn from(relay: &RelayDeletion) -> Self {
        let (deletions, reason) = match &relay.told {
            Told::Accepted => ("accepted", None),
            Told::Waiting => ("waiting", None),
            Told::Refused { reason } => ("refused", reason.clone()),
        };
        Self {
            url: relay.url.to_string(),
            deletions: deletions.to_owned(),
            reason,
            serves: relay.served.as_ref().ok().map(Vec::len),
            error: relay.served.as_ref().err().cloned(),
        }
    }
}

impl From<&DeletionReport> for Deleted {
    fn from(report: &DeletionReport) -> Self {
        Self {
            dry_run: false,
            here_only: false,
            complete: report.complete(),
            took: (&report.took).into(),
            relays: report.relays.iter().map(Relay::from).collect(),
        }
    }
}

/// `chats delete --here-only`.
#[derive(Serialize, Deserialize)]
pub(crate) struct FromHere {
    pub(crate) dry_run: bool,
    pub(crate) here_only: bool,
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) dropped: usize,
    pub(crate) kept: usize,
}

impl FromHere {
    pub(crate) fn new(preview: &DeletionPreview, dropped: &DroppedHere) -> Self {
        Self {
            dry_run: false,
            here_only: true,
            id: preview.conversation.id.clone(),
            title: preview.conversation.title.clone(),
            dropped: dropped.dropped,
            kept: dropped.kept,
        }
    }
}
