//! The JSON shapes of DESIGN 8. Other keys may be added; these stay.

pub(crate) mod deletion;
pub(crate) mod relays;

use chat_sync::{
    ConversationSummary, MessageReceipt, MessageState, MessageView, Refusal, RelayReceipt, RelayReport,
    Status, SyncReport, npub,
};
use nostr::key::PublicKey;
use reconciler::Method;
use serde::Serialize;
use status::{RelayStatus, basis_word};

/// `login`, `whoami`.
#[derive(Debug, Serialize)]
pub(crate) struct Identity {
    pub(crate) npub: String,
    pub(crate) pubkey: String,
    pub(crate) method: &'static str,
    pub(crate) write_key: Option<String>,
    pub(crate) profile: &'static str,
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
    full_download_bytes: u64,
    held: Option<&'a str>,
    failed: &'a [String],
    relays: &'a [RelayStatus],
    warning: Option<&'a str>,
    /// The first line that people see.
    summary: String,
    refused: Vec<Refused<'a>>,
}

/// Messages that one relay does not take, for one reason.
#[derive(Debug, Serialize)]
struct Refused<'a> {
    relay: &'a str,
    count: u64,
    why: &'static str,
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
            full_download_bytes: counts.full_download_bytes(),
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
                    why: refusal.brief,
                    meaning: &refusal.meaning,
                    reason: refusal.reason.as_deref(),
                    next_try: refusal.next_try,
                })
                .collect(),
        }
    }
}

/// `chats list`.
#[derive(Debug, Serialize)]
pub(crate) struct Conversations<'a> {
    pub(crate) conversations: Vec<Line<'a>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Line<'a> {
    id: &'a str,
    title: &'a str,
    messages: usize,
    updated_at: u64,
}

impl<'a> From<&'a ConversationSummary> for Line<'a> {
    fn from(summary: &'a ConversationSummary) -> Self {
        let ConversationSummary {
            id,
            title,
            messages,
            updated_at,
        } = summary;
        Self {
            id,
            title,
            messages: *messages,
            updated_at: *updated_at,
        }
    }
}

/// `chats show`.
#[derive(Debug, Serialize)]
pub(crate) struct Conversation<'a> {
    pub(crate) id: &'a str,
    pub(crate) title: &'a str,
    pub(crate) messages: Vec<MessageShape<'a>>,
}

/// A message; with its conversation in `chats watch`.
#[derive(Debug, Serialize)]
pub(crate) struct MessageShape<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) conversation: Option<&'a str>,
    id: String,
    parent: Option<String>,
    role: &'a str,
    content: &'a str,
    created_at: u64,
    model: Option<&'a str>,
    version: usize,
    versions: usize,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    safe: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deliveries: Option<Vec<DeliveryShape<'a>>>,
}

/// How a message stands at one relay.
#[derive(Debug, Serialize)]
pub(crate) struct DeliveryShape<'a> {
    url: &'a str,
    state: &'static str,
    at: Option<u64>,
    reason: Option<&'a str>,
    attempts: u32,
    next_try: Option<u64>,
}

impl<'a> DeliveryShape<'a> {
    pub(crate) fn all(known: &'a MessageReceipt) -> Vec<Self> {
        let shape = |RelayReceipt { url, receipt }: &'a RelayReceipt| Self {
            url,
            state: receipt.standing.word(),
            at: receipt.at,
            reason: receipt.reason.as_deref(),
            attempts: receipt.attempts,
            next_try: receipt.next_try,
        };
        known.deliveries.iter().map(shape).collect()
    }
}

impl<'a> MessageShape<'a> {
    pub(crate) fn new(message: &'a MessageView, state: MessageState) -> Self {
        Self {
            conversation: None,
            id: message.id.to_string(),
            parent: message.parent.map(|parent| parent.to_string()),
            role: message.role.as_str(),
            content: &message.content,
            created_at: message.created_at,
            model: message.model.as_deref(),
            version: message.version,
            versions: message.versions,
            state: state.word(),
            safe: None,
            deliveries: None,
        }
    }

    pub(crate) fn with_receipt(mut self, known: &'a MessageReceipt) -> Self {
        self.safe = Some(known.safe);
        self.deliveries = Some(DeliveryShape::all(known));
        self
    }
}

/// `chats send`.
#[derive(Debug, Serialize)]
pub(crate) struct Sent<'a> {
    pub(crate) id: String,
    pub(crate) conversation: &'a str,
    pub(crate) state: &'static str,
    pub(crate) deliveries: Vec<DeliveryShape<'a>>,
}

/// `import`.
#[derive(Debug, Serialize)]
pub(crate) struct Imported<'a> {
    pub(crate) added: usize,
    pub(crate) known: usize,
    pub(crate) skipped: usize,
    pub(crate) too_long: usize,
    pub(crate) refused: Vec<RefusedShape<'a>>,
    pub(crate) conversations: usize,
    pub(crate) dry_run: bool,
}

/// A message that an import left out because no number of envelopes can carry it.
#[derive(Debug, Serialize)]
pub(crate) struct RefusedShape<'a> {
    pub(crate) conversation: &'a str,
    pub(crate) source: &'a str,
    pub(crate) why: String,
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
}
