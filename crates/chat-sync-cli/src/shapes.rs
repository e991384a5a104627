//! The JSON shapes of DESIGN 8. Other keys may be added; these stay.

pub(crate) mod deletion;
pub(crate) mod importing;
pub(crate) mod keys;
pub(crate) mod queue;
pub(crate) mod relays;
pub(crate) mod search;
pub(crate) mod store;

use chat_sync::{
    ConversationSummary, MessageReceipt, MessageState, MessageView, Refusal, RelayReceipt, RelayReport,
    Status, Switches, SyncReport, npub,
};
use nostr::key::PublicKey;
use reconciler::Method;
use serde::{Deserialize, Serialize};
use status::{RelayStatus, basis_word};

/// `login`, `whoami`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) npub: String,
    pub(crate) pubkey: String,
    pub(crate) method: String,
    pub(crate) write_key: Option<String>,
    pub(crate) profile: String,
    pub(crate) relays: Vec<String>,
}

/// `sync`.
#[derive(Debug, Serialize)]
pub(crate) struct Sync<'a> {
    complete: bool,
    relays: Vec<Relay<'a>>,
    messages: u64,
    drafts: u64,
    waiting: u64,
    parked: u64,
    /// Of each relay, if everything was fetched from it.
    full_download_bytes: u64,
    locked: Option<&'a str>,
    held: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Relay<'a> {
    url: &'a str,
    method: Option<&'static str>,
    basis: Option<&'static str>,
    rounds: u32,
    have: u64,
    need: u64,
    received: u64,
    sent: u64,
    bytes_in: u64,
    bytes_out: u64,
    complete: bool,
    error: Option<&'a str>,
}

/// `negentropy` or `paging`.
pub(crate) fn method_word(method: Method) -> &'static str {
    match method {
        Method::Negentropy => "negentropy",
        Method::Paging => "paging",
    }
}

impl<'a> From<&'a SyncReport> for Sync<'a> {
    fn from(report: &'a SyncReport) -> Self {
        let counts = &report.counts;
        Self {
            complete: report.complete,
            relays: report.relays.iter().map(Relay::from).collect(),
            messages: counts.messages,
            drafts: counts.drafts,
            waiting: counts.waiting,
            parked: counts.parked,
            full_download_bytes: counts.full_download_bytes(),
            locked: report.locked.as_deref(),
            held: report.held.as_deref(),
        }
    }
}

impl<'a> From<&'a RelayReport> for Relay<'a> {
    fn from(relay: &'a RelayReport) -> Self {
        Self {
            url: relay.url.as_str(),
            method: relay.method.map(method_word),
            basis: relay.basis.map(basis_word),
            rounds: relay.rounds,
            have: relay.have,
            need: relay.need,
            received: relay.received,
            sent: relay.sent,
            bytes_in: relay.bytes_in,
            bytes_out: relay.bytes_out,
            complete: relay.complete,
            error: relay.error.as_deref(),
        }
    }
}

/// `status`.
#[derive(Debug, Serialize)]
pub(crate) struct StatusShape<'a> {
    account: AccountShape<'a>,
    complete: bool,
    basis: Option<&'static str>,
    agreed_at: Option<u64>,
    messages: u64,
    conversations: u64,
    drafts: u64,
    waiting: u64,
    safe: u64,
    parked: u64,
    /// Messages that were forgotten here because they are old.
    forgotten: u64,
    full_download_bytes: u64,
    /// Seconds too full for a page of a relay: what is in them is not proven.
    unproven: u64,
    bytes_in: u64,
    bytes_out: u64,
    /// How far the clocks of relays are ahead of this machine's, in seconds; null while none is known.
    clock_skew: Option<i64>,
    held: Option<&'a str>,
    failed: &'a [String],
    relays: &'a [RelayStatus],
    warning: Option<&'a str>,
    /// The first line that people see.
    summary: String,
    refused: Vec<Refused<'a>>,
    switches: Switches,
}

/// Messages that one relay does not take, for one reason.
#[derive(Debug, Serialize)]
struct Refused<'a> {
    relay: &'a str,
    count: u64,
    why: &'a str,
    meaning: &'a str,
    reason: Option<&'a str>,
    next_try: Option<u64>,
}

#[derive(Debug, Serialize)]
struct AccountShape<'a> {
    npub: String,
    state: &'static str,
    why: Option<&'a str>,
    page: Option<&'a str>,
    write_key: Option<String>,
}

impl<'a> StatusShape<'a> {
    pub(crate) fn new(status: &'a Status, refusals: &'a [Refusal]) -> Self {
        let (account, counts) = (&status.account, &status.counts);
        Self {
            account: AccountShape {
                npub: npub(&account.account),
                state: account.state.word(),
                why: account.state.why(),
                page: account.page.as_deref(),
                write_key: account.write_key.as_ref().map(PublicKey::to_hex),
            },
            complete: status.complete,
            basis: status.basis.map(basis_word),
            agreed_at: status.agreed_at,
            messages: counts.messages,
            conversations: status.conversations,
            drafts: counts.drafts,
            waiting: counts.waiting,
            safe: status.safe,
            parked: counts.parked,
            forgotten: counts.forgotten,
            full_download_bytes: counts.full_download_bytes(),
            unproven: status.unproven,
            bytes_in: status.relays.iter().map(|relay| relay.traffic.bytes_in).sum(),
            bytes_out: status.relays.iter().map(|relay| relay.traffic.bytes_out).sum(),
            clock_skew: status.clock_skew,
            held: status.held.as_deref(),
            failed: &status.failed,
            relays: &status.relays,
            warning: status.warning.as_deref(),
            summary: chat_sync::summary(status, refusals),
            refused: refusals
                .iter()
                .map(|refusal| Refused {
                    relay: refusal.relay.as_str(),
                    count: refusal.count,
                    why: &refusal.brief,
                    meaning: &refusal.meaning,
                    reason: refusal.reason.as_deref(),
                    next_try: refusal.next_try,
                })
                .collect(),
            switches: status.switches,
        }
    }
}

/// `chats list`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Conversations {
    pub(crate) conversations: Vec<Line>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) messages: usize,
    pub(crate) updated_at: u64,
    pub(crate) unread: usize,
}

impl From<ConversationSummary> for Line {
    fn from(summary: ConversationSummary) -> Self {
        let ConversationSummary {
            id,
            title,
            messages,
            updated_at,
            unread,
        } = summary;
        Self {
            id,
            title,
            messages,
            updated_at,
            unread,
        }
    }
}

/// `chats show`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Conversation {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) messages: Vec<MessageShape>,
}

/// A message; with its conversation in `chats watch`.
#[derive(Serialize, Deserialize)]
pub(crate) struct MessageShape {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) conversation: Option<String>,
    pub(crate) id: String,
    pub(crate) parent: Option<String>,
    pub(crate) role: String,
    pub(crate) content: String,
    pub(crate) created_at: u64,
    pub(crate) model: Option<String>,
    pub(crate) version: usize,
    pub(crate) versions: usize,
    pub(crate) version_ids: Vec<String>,
    pub(crate) state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) safe: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deliveries: Option<Vec<DeliveryShape>>,
}

impl std::fmt::Debug for MessageShape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageShape")
            .field("id", &self.id)
            .field("bytes", &self.content.len())
            .finish_non_exhaustive()
    }
}

/// How a message stands at one relay.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DeliveryShape {
    pub(crate) url: String,
    pub(crate) state: String,
    pub(crate) at: Option<u64>,
    pub(crate) reason: Option<String>,
    pub(crate) attempts: u32,
    pub(crate) next_try: Option<u64>,
}

impl DeliveryShape {
    pub(crate) fn all(known: &MessageReceipt) -> Vec<Self> {
        let shape = |RelayReceipt { url, receipt }: &RelayReceipt| Self {
            url: url.clone(),
            state: receipt.standing.word().to_owned(),
            at: receipt.at,
            reason: receipt.reason.clone(),
            attempts: receipt.attempts,
            next_try: receipt.next_try,
        };
        known.deliveries.iter().map(shape).collect()
    }
}

impl MessageShape {
    pub(crate) fn new(message: MessageView, state: MessageState) -> Self {
        Self {
            conversation: None,
            id: message.id.to_string(),
            parent: message.parent.map(|parent| parent.to_string()),
            role: message.role.as_str().to_owned(),
            content: message.content,
            created_at: message.created_at,
            model: message.model,
            version: message.version,
            versions: message.versions,
            version_ids: message.version_ids.iter().map(ToString::to_string).collect(),
            state: state.word().to_owned(),
            safe: None,
            deliveries: None,
        }
    }

    /// With the name of its conversation, where messages of several stand side by side.
    pub(crate) fn of_conversation(message: MessageView, state: MessageState) -> Self {
        let conversation = Some(message.conversation.clone());
        Self {
            conversation,
            ..Self::new(message, state)
        }
    }

    pub(crate) fn with_receipt(mut self, known: &MessageReceipt) -> Self {
        self.safe = Some(known.safe);
        self.deliveries = Some(DeliveryShape::all(known));
        self
    }
}

/// `GET /messages/{id}/receipts` of the daemon.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReceiptShape {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) safe: bool,
    pub(crate) deliveries: Vec<DeliveryShape>,
}

/// `chats send`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sent {
    pub(crate) id: String,
    pub(crate) conversation: String,
    pub(crate) state: String,
    pub(crate) deliveries: Vec<DeliveryShape>,
    /// It is the first message of its conversation.
    pub(crate) began: bool,
}

/// `demo`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct DemoShape {
    pub(crate) converged: bool,
    pub(crate) devices: usize,
    pub(crate) messages: usize,
    pub(crate) conversations: usize,
    pub(crate) lost: usize,
    pub(crate) duplicates: usize,
    pub(crate) seconds: f64,
    /// Of the page, with what lets a person in; only with `--ui`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
}
