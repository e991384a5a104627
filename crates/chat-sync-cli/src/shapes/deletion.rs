//! The shapes of `chats delete`.

use chat_sync::{DeletionPreview, DeletionReport, DroppedHere, RelayDeletion, Told};
use serde::Serialize;

/// `chats delete`: what it takes, in every case.
#[derive(Debug, Serialize)]
struct Took<'a> {
    id: &'a str,
    title: &'a str,
    message: Option<String>,
    messages: usize,
    versions: usize,
    aliases: usize,
    drafts: usize,
    events: usize,
    deletions: usize,
}

impl<'a> From<&'a DeletionPreview> for Took<'a> {
    fn from(took: &'a DeletionPreview) -> Self {
        Self {
            id: &took.conversation.id,
            title: &took.conversation.title,
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
#[derive(Debug, Serialize)]
pub(crate) struct Preview<'a> {
    dry_run: bool,
    #[serde(flatten)]
    took: Took<'a>,
    relays: Vec<Known<'a>>,
}

#[derive(Debug, Serialize)]
struct Known<'a> {
    url: &'a str,
    /// Events that it is known to hold.
    known: usize,
}

impl<'a> From<&'a DeletionPreview> for Preview<'a> {
    fn from(preview: &'a DeletionPreview) -> Self {
        let known = |(url, known): &'a (chat_sync::RelayUrl, usize)| Known {
            url: url.as_str(),
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
#[derive(Debug, Serialize)]
pub(crate) struct Deleted<'a> {
    dry_run: bool,
    here_only: bool,
    complete: bool,
    #[serde(flatten)]
    took: Took<'a>,
    relays: Vec<Relay<'a>>,
}

#[derive(Debug, Serialize)]
struct Relay<'a> {
    url: &'a str,
    deletions: &'static str,
    reason: Option<&'a str>,
    serves: Option<usize>,
    error: Option<&'a str>,
}

/// `accepted`, `waiting` or `refused`.
pub(crate) fn told_word(told: &Told) -> &'static str {
    match told {
        Told::Accepted => "accepted",
        Told::Waiting => "waiting",
        Told::Refused { .. } => "refused",
    }
}

impl<'a> From<&'a RelayDeletion> for Relay<'a> {
    fn from(relay: &'a RelayDeletion) -> Self {
        Self {
            url: relay.url.as_str(),
            deletions: told_word(&relay.told),
            reason: match &relay.told {
                Told::Refused { reason } => reason.as_deref(),
                Told::Accepted | Told::Waiting => None,
            },
            serves: relay.served.as_ref().ok().map(Vec::len),
            error: relay.served.as_ref().err().map(String::as_str),
        }
    }
}

impl<'a> From<&'a DeletionReport> for Deleted<'a> {
    fn from(report: &'a DeletionReport) -> Self {
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
#[derive(Debug, Serialize)]
pub(crate) struct FromHere<'a> {
    dry_run: bool,
    here_only: bool,
    id: &'a str,
    title: &'a str,
    dropped: usize,
    kept: usize,
}

impl<'a> FromHere<'a> {
    pub(crate) fn new(preview: &'a DeletionPreview, dropped: &DroppedHere) -> Self {
        Self {
            dry_run: false,
            here_only: true,
            id: &preview.conversation.id,
            title: &preview.conversation.title,
            dropped: dropped.dropped,
            kept: dropped.kept,
        }
    }
}
