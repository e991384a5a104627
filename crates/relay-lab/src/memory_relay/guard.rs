//! A relay in memory that wants to know who asks (NIP-42): what it says, and whom it believes.

use std::collections::BTreeSet;

use nostr::event::{Event, Kind, Tag};
use nostr::filter::Filter;
use nostr::key::PublicKey;

use super::wire::{self, Request};

/// How a relay wants to know who asks (field guide U-12). A request is served once every author it names has proven
/// itself on that connection.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct WantsAuth {
    /// When its challenge comes.
    pub asks: Asks,
    /// How it refuses.
    pub refuses: Refuses,
    /// What it makes of an AUTH.
    pub judges: Judges,
    /// Which kinds it guards; none named is all.
    pub kinds: &'static [u16],
}

/// When a relay sends its challenge.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// As soon as somebody connects.
    #[default]
    AtConnect,
    /// Before each refusal, the same one.
    BeforeRefusal,
    /// After each refusal, another one.
    AfterRefusal,
    /// Never, although it refuses.
    Never,
}

/// How a relay refuses those who have proven nothing.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Refuses {
    /// CLOSED with strfry's `ERROR: ` before the prefix, NEG-ERR, OK (P-21).
    #[default]
    ByName,
    /// A NOTICE, which names nothing.
    ByNotice,
}

/// What a relay makes of an AUTH.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Judges {
    /// It believes it.
    #[default]
    Fairly,
    /// It refuses it, with these words.
    Refuses(&'static str),
    /// It says nothing.
    Silently,
    /// The first challenge of a connection has expired when its answer comes, and another one follows the refusal.
    Late,
    /// It believes it, and refuses the request all the same.
    ForNothing,
}

/// Who has proven what on one connection.
#[derive(Debug, Default)]
pub(super) struct Guard {
    connection: u64,
    challenges: u64,
    proven: BTreeSet<PublicKey>,
    /// Every key that was proven or not, in order.
    heard: Vec<PublicKey>,
}

impl Guard {
    pub(super) fn new(connection: u64) -> Self {
        Self {
            connection,
            ..Self::default()
        }
    }

    pub(super) fn heard(&self) -> &[PublicKey] {
        &self.heard
    }

    /// What is said to somebody who connects.
    pub(super) fn greeting(&mut self, rules: WantsAuth) -> Option<String> {
        (rules.asks == Asks::AtConnect).then(|| self.another_challenge())
    }

    /// The answer to a request that is not served.
    pub(super) fn stops(&mut self, request: &Request, rules: Option<WantsAuth>) -> Option<Vec<String>> {
        if let Request::Auth(event) = request {
            return Some(self.judge(event, rules.unwrap_or_default().judges));
        }
        let rules = rules.filter(|rules| guards(rules.kinds, request))?;
        let proven = names(request).iter().all(|name| self.proven.contains(name));
        if proven && rules.judges != Judges::ForNothing {
            return None;
        }
        let refusal = refusal(request, rules.refuses)?;
        Some(match rules.asks {
            Asks::AtConnect | Asks::Never => vec![refusal],
            Asks::BeforeRefusal if self.challenges == 0 => vec![self.another_challenge(), refusal],
            Asks::BeforeRefusal => vec![wire::auth(&self.challenge()), refusal],
            Asks::AfterRefusal => vec![refusal, self.another_challenge()],
        })
    }

    fn challenge(&self) -> String {
        format!("challenge {} of connection {}", self.challenges, self.connection)
    }

    fn another_challenge(&mut self) -> String {
        self.challenges += 1;
        wire::auth(&self.challenge())
    }

    fn judge(&mut self, event: &Event, judges: Judges) -> Vec<String> {
        self.heard.push(event.pubkey);
        let says = |accepted, reason: &str| vec![wire::ok(&event.id, accepted, reason)];
        let tagged = |name: &str| {
            let mut tags = event.tags.iter().map(Tag::as_slice);
            tags.find(|tag| tag.first().is_some_and(|first| first == name))
                .and_then(|tag| tag.get(1).cloned())
        };
        if event.verify().is_err() || event.kind != Kind::Authentication || tagged("relay").is_none() {
            return says(false, "invalid: this is no authentication");
        }
        if tagged("challenge") != Some(self.challenge()) {
            return says(false, "invalid: another challenge");
        }
        match judges {
            Judges::Refuses(reason) => says(false, reason),
            Judges::Silently => Vec::new(),
            Judges::Late if self.challenges == 1 => {
                let mut said = says(false, "invalid: the challenge has expired");
                said.insert(0, self.another_challenge());
                said
            }
            Judges::Fairly | Judges::Late | Judges::ForNothing => {
                self.proven.insert(event.pubkey);
                says(true, "")
            }
        }
    }
}

fn refusal(request: &Request, refuses: Refuses) -> Option<String> {
    const REASON: &str = "auth-required: requested filter requires authentication";
    Some(match (refuses, request) {
        (_, Request::Close { .. } | Request::NegMsg { .. } | Request::NegClose { .. } | Request::Auth(_)) => {
            return None;
        }
        (Refuses::ByNotice, _) => wire::notice(REASON),
        (_, Request::Event(event)) => wire::ok(&event.id, false, "auth-required: who are you?"),
        (_, Request::Req { sub, .. }) => wire::closed(sub, &format!("ERROR: {REASON}")),
        (_, Request::NegOpen { sub, .. }) => wire::neg_err(sub, REASON),
    })
}

/// Whether a request is about what is guarded.
fn guards(kinds: &[u16], request: &Request) -> bool {
    let of = |filter: &Filter| filter.kinds.clone().unwrap_or_default();
    let asked = match request {
        Request::Event(event) => BTreeSet::from([event.kind]),
        Request::Req { filters, .. } => filters.iter().flat_map(of).collect(),
        Request::NegOpen { filter, .. } => of(filter),
        _ => return true,
    };
    kinds.is_empty() || asked.iter().any(|kind| kinds.contains(&kind.as_u16()))
}

fn names(request: &Request) -> BTreeSet<PublicKey> {
    let of = |filter: &Filter| filter.authors.clone().unwrap_or_default();
    match request {
        Request::Event(event) => BTreeSet::from([event.pubkey]),
        Request::Req { filters, .. } => filters.iter().flat_map(of).collect(),
        Request::NegOpen { filter, .. } => of(filter),
        _ => BTreeSet::new(),
    }
}
