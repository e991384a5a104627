//! One client of a relay in memory, as a state machine: frames in, frames out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use negentropy::{Id, Negentropy, NegentropyStorageVector};
use nostr::event::Event;
use nostr::filter::Filter;
use nostr::key::PublicKey;

use super::MemoryRelayConfig;
use super::guard::{Guard, WantsAuth};
use super::quirk::Quirks;
use super::store::{Held, Store, Taken};
use super::wire::{self, Request};

/// Open REQs and open NEG sessions per connection, each: what strfry allows.
const SUBSCRIPTIONS_MAX: usize = 200;

/// What a frame led to.
#[derive(Debug, Default)]
pub(super) struct Handled {
    /// Frames for the client that sent it, in order.
    pub(super) answers: Vec<String>,
    /// A new event, for the live subscriptions of every client.
    pub(super) announce: Option<Arc<Held>>,
}

impl Handled {
    fn answer(frame: String) -> Self {
        Self {
            answers: vec![frame],
            announce: None,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Session {
    subs: BTreeMap<String, Vec<Filter>>,
    negs: BTreeMap<String, Negentropy<'static, NegentropyStorageVector>>,
    /// What was said to the NEG-OPEN of a session that had no NEG-MSG yet.
    opening_answers: BTreeMap<String, String>,
    /// Every subscription id of this connection, closed ones too.
    used: BTreeSet<String>,
    /// NEG frames so far.
    rounds: u64,
    guard: Guard,
}

impl Session {
    /// The session of a client who just connected.
    pub(super) fn new(connection: u64) -> Self {
        Self {
            guard: Guard::new(connection),
            ..Self::default()
        }
    }

    /// What is said to that client, where who asks matters.
    pub(super) fn greeting(&mut self, rules: WantsAuth) -> Option<String> {
        self.guard.greeting(rules)
    }

    /// Who said who they are, in order.
    pub(super) fn identities(&self) -> &[PublicKey] {
        self.guard.heard()
    }

    /// Handles one text frame from the client.
    pub(super) fn handle(
        &mut self,
        frame: &str,
        store: &mut Store,
        config: &MemoryRelayConfig,
        quirks: &mut Quirks,
    ) -> Handled {
        let request = match Request::parse(frame) {
            Err(notice) => return Handled::answer(notice),
            Ok(request) => request,
        };
        if let Some(answers) = self.guard.stops(&request, quirks.wants_auth()) {
            return Handled {
                answers,
                announce: None,
            };
        }
        match request {
            Request::Auth(_) => Handled::default(),
            Request::Event(event) => publish(*event, store),
            Request::Req { sub, filters } => self.subscribe(sub, filters, store, config, quirks),
            Request::Close { sub } => {
                self.subs.remove(&sub);
                Handled::default()
            }
            Request::NegOpen { sub, filter, message } => {
                self.rounds += 1;
                let answer = self.open(sub.clone(), &filter, &message, store, config, quirks);
                self.opening_answers.insert(sub, answer.clone());
                Handled::answer(answer)
            }
            Request::NegMsg { sub, message } => {
                self.rounds += 1;
                let opening_answer = self.opening_answers.remove(&sub);
                if let Some(again) = opening_answer.filter(|_| quirks.neg_repeats()) {
                    return Handled::answer(again);
                }
                Handled::answer(match quirks.neg_msg(&sub, self.rounds) {
                    Some(answer) => {
                        self.negs.remove(&sub);
                        answer
                    }
                    None => self.reconcile(&sub, &message),
                })
            }
            Request::NegClose { sub } => {
                self.negs.remove(&sub);
                self.opening_answers.remove(&sub);
                Handled::default()
            }
        }
    }

    /// The frames that tell this client of a new event: one for each subscription that asks for it.
    pub(super) fn announce(&self, held: &Held) -> Vec<String> {
        let interested = self.subs.iter().filter(|(_, filters)| held.matches(filters));
        interested.map(|(sub, _)| wire::event(sub, &held.json)).collect()
    }

    fn subscribe(
        &mut self,
        sub: String,
        filters: Vec<Filter>,
        store: &Store,
        config: &MemoryRelayConfig,
        quirks: &mut Quirks,
    ) -> Handled {
        if self.subs.len() >= SUBSCRIPTIONS_MAX && !self.subs.contains_key(&sub) {
            return Handled::answer(wire::closed(&sub, "ERROR: too many concurrent REQs"));
        }
        let reused = !self.used.insert(sub.clone());
        let others = self.subs.len() - usize::from(self.subs.contains_key(&sub));
        if let Some(answers) = quirks.refuses(others, reused) {
            return Handled {
                answers,
                announce: None,
            };
        }
        let filters = quirks.read(filters);
        let (answers, open) = quirks.answer(&sub, store.query(&filters, config.page_max));
        if open {
            self.subs.insert(sub, filters);
        } else {
            self.subs.remove(&sub);
        }
        Handled {
            answers,
            announce: None,
        }
    }

    fn open(
        &mut self,
        sub: String,
        filter: &Filter,
        message: &[u8],
        store: &Store,
        config: &MemoryRelayConfig,
        quirks: &mut Quirks,
    ) -> String {
        if self.negs.len() >= SUBSCRIPTIONS_MAX && !self.negs.contains_key(&sub) {
            return wire::notice("ERROR: too many concurrent NEG requests");
        }
        let mut items = store.items(filter);
        if quirks.neg_is_empty() {
            items.clear();
        }
        if let Some(answer) = quirks.neg_open(&sub, items.len(), self.rounds) {
            return answer;
        }
        if let Some(cap) = config.neg_items_max.filter(|cap| items.len() > *cap) {
            return wire::neg_too_big(&sub, cap);
        }
        let mut storage = NegentropyStorageVector::with_capacity(items.len());
        let built = items
            .into_iter()
            .try_for_each(|(time, id)| storage.insert(time.as_secs(), Id::from_byte_array(id.to_bytes())))
            .and_then(|()| storage.seal())
            .and_then(|()| Negentropy::owned(storage, config.neg_frame_bytes));
        match built {
            Ok(responder) => {
                self.negs.insert(sub.clone(), responder);
                self.reconcile(&sub, message)
            }
            Err(error) => wire::neg_err(&sub, &format!("error: {error}")),
        }
    }

    fn reconcile(&mut self, sub: &str, message: &[u8]) -> String {
        let Some(responder) = self.negs.get_mut(sub) else {
            return wire::neg_err(sub, "closed: unknown subscription handle");
        };
        if let Ok(answer) = responder.reconcile(message) {
            return wire::neg_msg(sub, &answer);
        }
        self.negs.remove(sub);
        wire::neg_err(sub, "PROTOCOL-ERROR")
    }
}

fn publish(event: Event, store: &mut Store) -> Handled {
    let id = event.id;
    if event.verify().is_err() {
        return Handled::answer(wire::ok(&id, false, "invalid: the id or the signature is wrong"));
    }
    let held = if event.kind.is_ephemeral() {
        Held::new(event)
    } else {
        match store.insert(event) {
            Taken::New(held) => held,
            Taken::Duplicate => {
                return Handled::answer(wire::ok(&id, true, "duplicate: already have this event"));
            }
            Taken::Deleted => {
                return Handled::answer(wire::ok(&id, false, "blocked: this event has been deleted"));
            }
        }
    };
    Handled {
        answers: vec![wire::ok(&id, true, "")],
        announce: Some(held),
    }
}
