//! Which part of the engine a frame is for. A core: no socket, no clock.

use std::collections::{BTreeMap, BTreeSet};

use nostr::event::EventId;

use crate::{ClientFrame, RelayFrame, SubId};

/// Subscriptions and sessions remembered per connection. Six REQ and two NEG are open at a time; the rest is room
/// for a part that forgot to close. Beyond it the oldest is forgotten.
const SUBS_MAX: usize = 256;
/// Events without an OK remembered per connection. 32 are in flight at a time; relays that never answer would fill
/// memory. Beyond it the oldest is forgotten, and a late OK for it is dropped.
const EVENTS_MAX: usize = 4096;
/// Unreadable frames of one connection before it is dropped (field guide P-22).
const BAD_FRAMES_MAX: u32 = 50;

/// Remembers who asked for what on one connection; `T` is where answers go.
#[derive(Debug)]
pub(crate) struct Router<T> {
    requests: Open<SubId, T>,
    sessions: Open<SubId, T>,
    events: Open<EventId, T>,
    bad_frames: u32,
}

/// The relay sent too many frames that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooManyBadFrames;

impl<T: Clone> Router<T> {
    pub(crate) fn new() -> Self {
        Self {
            requests: Open::new(SUBS_MAX),
            sessions: Open::new(SUBS_MAX),
            events: Open::new(EVENTS_MAX),
            bad_frames: 0,
        }
    }

    /// A frame goes out; answers to it belong to `reply_to`.
    pub(crate) fn sent(&mut self, frame: &ClientFrame, reply_to: T) {
        match frame {
            ClientFrame::Event(event) | ClientFrame::Auth(event) => self.events.insert(event.id, reply_to),
            ClientFrame::Req { sub, .. } => self.requests.insert(sub.clone(), reply_to),
            ClientFrame::NegOpen { sub, .. } => self.sessions.insert(sub.clone(), reply_to),
            ClientFrame::Close { sub } => drop(self.requests.remove(sub)),
            ClientFrame::NegClose { sub } => drop(self.sessions.remove(sub)),
            ClientFrame::NegMsg { .. } => {}
        }
    }

    /// Whom a frame goes to: nobody when it answers nothing that is open (P-17).
    pub(crate) fn receivers(&mut self, frame: &RelayFrame) -> Vec<T> {
        match frame {
            RelayFrame::Event { sub, .. } | RelayFrame::Eose { sub, .. } => {
                self.requests.get(sub).into_iter().collect()
            }
            RelayFrame::NegMsg { sub, .. } => self.sessions.get(sub).into_iter().collect(),
            RelayFrame::NegErr { sub, .. } => self.sessions.remove(sub).into_iter().collect(),
            // Some relays refuse a NEG-OPEN with CLOSED, and the two kinds of id are separate spaces.
            RelayFrame::Closed { sub, .. } => [self.requests.remove(sub), self.sessions.remove(sub)]
                .into_iter()
                .flatten()
                .collect(),
            RelayFrame::Ok { id: Some(id), .. } => self.events.remove(id).into_iter().collect(),
            // For an event the relay could not read: it does not say which.
            RelayFrame::Ok { id: None, .. } => self.events.newest().into_iter().collect(),
            RelayFrame::Notice { .. } | RelayFrame::Auth { .. } => self.everyone(),
        }
    }

    /// A frame could not be read.
    pub(crate) fn bad_frame(&mut self) -> Result<(), TooManyBadFrames> {
        self.bad_frames += 1;
        if self.bad_frames < BAD_FRAMES_MAX {
            Ok(())
        } else {
            Err(TooManyBadFrames)
        }
    }

    /// Once for each prefix of open subscriptions and sessions, once for whoever sent the newest event: 32 events
    /// in flight are one receiver.
    fn everyone(&self) -> Vec<T> {
        let mut seen = BTreeSet::new();
        let subs = self.requests.entries.iter().chain(&self.sessions.entries);
        let mut all: Vec<T> = subs
            .filter(|(sub, _)| seen.insert(sub.prefix()))
            .map(|(_, open)| open.reply_to.clone())
            .collect();
        all.extend(self.events.newest());
        all
    }
}

/// What is open, in the order of opening.
#[derive(Debug)]
struct Open<K, T> {
    entries: BTreeMap<K, Entry<T>>,
    order: BTreeMap<u64, K>,
    next: u64,
    max: usize,
}

#[derive(Debug)]
struct Entry<T> {
    place: u64,
    reply_to: T,
}

impl<K: Clone + Ord, T: Clone> Open<K, T> {
    fn new(max: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            order: BTreeMap::new(),
            next: 0,
            max,
        }
    }

    fn insert(&mut self, key: K, reply_to: T) {
        self.remove(&key);
        if self.entries.len() == self.max
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.entries.remove(&oldest);
        }
        self.order.insert(self.next, key.clone());
        self.entries.insert(
            key,
            Entry {
                place: self.next,
                reply_to,
            },
        );
        self.next += 1;
    }

    fn remove(&mut self, key: &K) -> Option<T> {
        let entry = self.entries.remove(key)?;
        self.order.remove(&entry.place);
        Some(entry.reply_to)
    }

    fn get(&self, key: &K) -> Option<T> {
        self.entries.get(key).map(|entry| entry.reply_to.clone())
    }

    fn newest(&self) -> Option<T> {
        self.order.last_key_value().and_then(|(_, key)| self.get(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sub(text: &str) -> SubId {
        text.parse().unwrap()
    }

    fn req(name: &str) -> ClientFrame {
        ClientFrame::Req {
            sub: sub(name),
            filters: Vec::new(),
        }
    }

    fn neg_open(name: &str) -> ClientFrame {
        ClientFrame::NegOpen {
            sub: sub(name),
            filter: nostr::filter::Filter::new(),
            message: vec![0x61],
        }
    }

    fn event(byte: u8) -> ClientFrame {
        let text = format!(
            r#"["EVENT",{{"id":"{}","pubkey":"{}","created_at":1,"kind":1,"tags":[],"content":"","sig":"{}"}}]"#,
            format!("{byte:02x}").repeat(32),
            "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
            "00".repeat(64)
        );
        ClientFrame::parse(&text).unwrap()
    }

    fn ok(frame: &ClientFrame) -> RelayFrame {
        RelayFrame::Ok {
            id: frame.event_id(),
            accepted: true,
            reason: String::new(),
        }
    }

    fn eose(name: &str) -> RelayFrame {
        RelayFrame::Eose {
            sub: sub(name),
            hints: Vec::new(),
        }
    }

    fn closed(name: &str) -> RelayFrame {
        RelayFrame::Closed {
            sub: sub(name),
            reason: String::new(),
        }
    }

    fn neg_msg(name: &str) -> RelayFrame {
        RelayFrame::NegMsg {
            sub: sub(name),
            message: vec![0x61],
        }
    }

    fn neg_err(name: &str) -> RelayFrame {
        RelayFrame::NegErr {
            sub: sub(name),
            reason: String::new(),
            cap: None,
        }
    }

    fn notice() -> RelayFrame {
        RelayFrame::Notice {
            message: String::new(),
        }
    }

    #[test]
    fn an_answer_goes_to_who_asked_until_it_is_closed() {
        let mut router = Router::new();
        router.sent(&req("a-1"), "realtime");
        router.sent(&req("b-1"), "uploader");
        assert_eq!(router.receivers(&eose("a-1")), ["realtime"]);
        assert_eq!(router.receivers(&eose("b-1")), ["uploader"]);
        router.sent(&ClientFrame::Close { sub: sub("a-1") }, "realtime");
        assert!(router.receivers(&eose("a-1")).is_empty());
        assert_eq!(
            router.receivers(&closed("b-1")),
            ["uploader"],
            "CLOSED after EOSE is passed on"
        );
        assert!(router.receivers(&eose("b-1")).is_empty());
        assert!(router.receivers(&eose("never-opened")).is_empty());
    }

    #[test]
    fn subscriptions_and_sessions_are_separate_spaces() {
        let mut router = Router::new();
        router.sent(&req("x"), "realtime");
        router.sent(&neg_open("x"), "reconciler");
        assert_eq!(router.receivers(&neg_msg("x")), ["reconciler"]);
        assert_eq!(router.receivers(&eose("x")), ["realtime"]);
        assert_eq!(router.receivers(&neg_err("x")), ["reconciler"]);
        assert!(router.receivers(&neg_msg("x")).is_empty(), "the session is over");
        assert_eq!(router.receivers(&closed("x")), ["realtime"]);
        router.sent(&neg_open("y"), "reconciler");
        assert_eq!(
            router.receivers(&closed("y")),
            ["reconciler"],
            "some relays refuse NEG-OPEN with CLOSED"
        );
        router.sent(&neg_open("z"), "reconciler");
        router.sent(&ClientFrame::NegClose { sub: sub("z") }, "reconciler");
        assert!(router.receivers(&neg_msg("z")).is_empty());
    }

    #[test]
    fn an_ok_settles_its_event_once() {
        let mut router = Router::new();
        router.sent(&event(1), "uploader");
        router.sent(&event(2), "keeper");
        assert_eq!(router.receivers(&ok(&event(1))), ["uploader"]);
        assert!(router.receivers(&ok(&event(1))).is_empty());
        let nameless = RelayFrame::Ok {
            id: None,
            accepted: false,
            reason: String::new(),
        };
        assert_eq!(router.receivers(&nameless), ["keeper"]);
    }

    #[test]
    fn a_notice_reaches_everyone_once() {
        let mut router = Router::new();
        assert!(router.receivers(&notice()).is_empty());
        for name in ["live-1", "page-2", "page-3"] {
            router.sent(&req(name), "realtime");
        }
        router.sent(&neg_open("neg-1"), "reconciler");
        (0..32).for_each(|byte| router.sent(&event(byte), "uploader"));
        assert_eq!(
            router.receivers(&notice()),
            ["realtime", "realtime", "reconciler", "uploader"]
        );
    }

    #[test]
    fn what_a_relay_never_answers_does_not_fill_memory() {
        let mut router = Router::new();
        for n in 0..=SUBS_MAX {
            router.sent(&req(&format!("page-{n}")), n);
        }
        assert!(
            router.receivers(&eose("page-0")).is_empty(),
            "the oldest is forgotten"
        );
        assert_eq!(router.receivers(&eose("page-1")), [1]);
        assert_eq!(router.requests.entries.len(), SUBS_MAX);
        assert_eq!(router.requests.order.len(), SUBS_MAX);
    }

    #[test]
    fn fifty_unreadable_frames_are_too_many() {
        let mut router = Router::<()>::new();
        assert!((1..50).all(|_| router.bad_frame().is_ok()));
        assert_eq!(router.bad_frame(), Err(TooManyBadFrames));
    }
}
