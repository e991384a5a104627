//! What a long queue costs: the rows that are read for each event that leaves.

use std::time::{Duration, Instant};

use chat_model::{Content, Message, MessageId, Parent, Role};
use event_index::{Agreement, Arrival, Basis, LocalId, MemoryDisk, NewDraft, SealedDraft, Store, StoreKey};
use nostr::prelude::{Event, EventId, Kind, PublicKey, Signature, Tags, Timestamp};
use relay_link::OkClass;

use crate::drafts::{Next as SealNext, Pending};
use crate::{IN_FLIGHT_MAX, Next, Outbox, Pace, Window};

const RELAY: &str = "wss://relay.example";
const UNIX: u64 = 1_789_000_000;

/// An event with this number. Whoever stores events checks their signatures; nobody here does.
fn event(number: u64) -> Event {
    event_at(number, UNIX + number)
}

fn event_at(number: u64, second: u64) -> Event {
    let author = PublicKey::from_byte_array([2; 32]);
    let (created_at, kind) = (Timestamp::from(second), Kind::Custom(1080));
    let content = number.to_string();
    let id = EventId::compute(&author, &created_at, &kind, &Tags::new(), &content);
    let signature = Signature::from_byte_array([1; 64]);
    Event::new(id, author, created_at, kind, [], content, signature)
}

fn store() -> Store {
    Store::open(MemoryDisk::new().storage(), &StoreKey::from_bytes([7; 32])).unwrap()
}

/// A relay that takes everything, and the queue towards it.
struct Queue {
    store: Store,
    outbox: Outbox,
    now: Instant,
    unix: u64,
    flight: Vec<EventId>,
    sent: u64,
}

impl Queue {
    /// A queue over a store that holds this many events, none of them queued.
    fn over(events: u64) -> Self {
        let store = store();
        let arrivals = (0..events)
            .map(event)
            .map(|event| Arrival { event, source: None });
        store.ingest(arrivals.collect()).unwrap();
        let now = tokio::time::Instant::now().into_std();
        Self {
            store,
            outbox: Outbox::new(Pace::unlimited(now)),
            now,
            unix: UNIX,
            flight: Vec::new(),
            sent: 0,
        }
    }

    fn answer(&mut self) {
        let mut rows = Vec::new();
        for id in self.flight.drain(..) {
            let at = (self.now, self.unix);
            rows.extend(self.outbox.answered(&id, OkClass::Stored, "", at, 0.0));
        }
        self.sent += rows.len() as u64;
        self.store.set_deliveries(rows).unwrap();
    }

    /// Sends until nothing may be sent at this moment. Returns when the next thing is due.
    fn send(&mut self) -> Option<Instant> {
        loop {
            let next = self.outbox.next(self.now, self.unix);
            match next {
                Next::Load { after, read } => {
                    let (window, _) = Window::read(&self.store, RELAY, after, self.unix).unwrap();
                    self.outbox.load(read, window, self.unix);
                }
                Next::Send(row) => {
                    self.flight.push(row.id);
                    if self.flight.len() == IN_FLIGHT_MAX {
                        self.answer();
                    }
                }
                Next::Wait(_) | Next::Idle if !self.flight.is_empty() => self.answer(),
                Next::Wait(until) => return Some(until),
                Next::Idle => return None,
            }
        }
    }

    /// Goes on until this moment.
    fn run(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while let Some(until) = self.send().filter(|until| *until <= end) {
            let pause = until
                .saturating_duration_since(self.now)
                .max(Duration::from_millis(1));
            self.now += pause;
            // The wall clock counts whole seconds, and here it is never behind.
            self.unix += pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
        }
    }

    fn rows_for_each(&self, from: u64) -> u64 {
        (self.store.rows_scanned() - from) / self.sent.max(1)
    }
}

#[test]
fn a_queue_of_any_length_is_read_once() {
    for waiting in [1_000, 20_000] {
        let mut queue = Queue::over(waiting);
        let ids: Vec<EventId> = (0..waiting).map(|number| event(number).id).collect();
        queue.store.enqueue(RELAY, &ids).unwrap();
        let before = queue.store.rows_scanned();
        queue.outbox.appended();
        assert_eq!(queue.send(), None);
        assert_eq!(queue.sent, waiting);
        let rows = queue.store.rows_scanned() - before;
        assert!(rows <= waiting + 1, "{rows} rows read for {waiting} events");
    }
}

#[test]
fn what_a_comparison_names_bit_by_bit_does_not_have_the_queue_read_for_every_bit() {
    for waiting in [1_000, 4_000] {
        let mut queue = Queue::over(waiting);
        let before = queue.store.rows_scanned();
        // In an order of its own: none of it is simply behind what was read.
        let ids: Vec<EventId> = (0..waiting)
            .map(|number| event(number * 7 % waiting).id)
            .collect();
        for bit in ids.chunks(100) {
            queue.store.queue_missing(RELAY, bit, queue.unix, 0, 0).unwrap();
            queue.outbox.added();
            queue.send();
            queue.now += Duration::from_millis(2);
        }
        queue.run(60);
        assert_eq!(queue.sent, waiting, "all of it left");
        let rows = queue.rows_for_each(before);
        assert!(rows <= 8, "{rows} rows read for each of {waiting} events");
    }
}

#[test]
fn rows_whose_time_has_not_come_cost_so_many_rows_a_second_however_many_they_are() {
    for waiting in [1_000, 4_000] {
        let mut queue = Queue::over(waiting);
        let agreement = Agreement {
            at: UNIX,
            count: waiting,
            fingerprint: [0; 16],
            last_seq: waiting,
            basis: Basis::Fingerprint,
            authors: 1,
        };
        queue.store.record_agreement(RELAY, agreement).unwrap();
        let ids: Vec<EventId> = (0..waiting).map(|number| event(number).id).collect();
        queue.store.queue_missing(RELAY, &ids, UNIX, 500, 0).unwrap();
        let before = queue.store.rows_scanned();
        queue.outbox.appended();
        queue.run(300);
        assert!((500..=700).contains(&queue.sent), "two a second: {}", queue.sent);
        let rows = queue.store.rows_scanned() - before;
        assert!(rows <= 300 * 10_000, "{rows} rows in 300 s over {waiting} events");
    }
}

/// Messages that were written or imported while no relay was ready, each a reply to the one before.
fn drafts(store: &Store, count: u32) -> Vec<NewDraft> {
    let local = |number: u32| {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        LocalId::from_bytes(bytes)
    };
    let draft = |number: u32| {
        let content = Content::new(format!("text {number}"));
        let mut message = Message::new("talk", Role::User, content, UNIX);
        if let Some(before) = number.checked_sub(1) {
            message.parent = Parent::Message(MessageId::Local(*local(before).as_bytes()));
        }
        NewDraft {
            local: local(number),
            source: store.source_id("talk", &number.to_string()),
            body: message.to_draft(),
        }
    };
    (0..count).map(draft).collect()
}

/// Seals every draft of a store as the actor does, and waits for the next second where it would. Returns the outer times, in
/// the order of sealing.
fn seal_all(store: &Store, mut unix: u64) -> Vec<u64> {
    let (mut from, mut sealed) = (SealNext::default(), Vec::new());
    loop {
        let not_before = from.second.min(unix);
        let Some(mut pending) = Pending::read(store, from.after, unix, not_before).unwrap() else {
            return sealed;
        };
        let mut times = pending.times(unix, not_before).unwrap();
        let (mut envelopes, mut held) = (Vec::new(), None);
        while !pending.is_empty() && held.is_none() {
            let level = pending.take_level(&mut times);
            for (local, message, second) in level.ready {
                assert!(sealed.is_empty() || matches!(message.parent, Parent::Message(MessageId::Event(_))));
                let envelope = event_at(sealed.len() as u64, second);
                pending.sealed_as(local, &envelope);
                envelopes.push(SealedDraft {
                    local,
                    event: envelope,
                    message: None,
                });
                sealed.push(second);
            }
            held = level.held;
        }
        store.commit_sealed(envelopes, &[RELAY.to_owned()]).unwrap();
        from = pending.next(held, &times).unwrap();
        unix += u64::from(held.is_some());
    }
}

#[test]
fn sealing_a_draft_costs_the_same_however_many_wait() {
    for waiting in [1_000, 20_000] {
        let store = store();
        store.add_drafts(drafts(&store, waiting)).unwrap();
        let before = store.rows_scanned();
        let sealed = seal_all(&store, UNIX);
        assert_eq!(sealed.len() as u32, waiting);
        assert!(sealed.is_sorted(), "in their order");
        assert_eq!(
            (sealed[0], sealed[sealed.len() - 1]),
            (UNIX - u64::from(waiting) / 100, UNIX - 1)
        );
        let rows = store.rows_scanned() - before;
        assert!(
            rows <= 2 * u64::from(waiting),
            "{rows} rows read for {waiting} drafts"
        );
    }
}

#[test]
fn what_fills_the_window_again_and_again_is_not_counted_again() {
    let store = store();
    let full = (0..30_100_u64).map(|n| Arrival {
        event: event_at(1_000_000 + n, UNIX - 300 + n / 100),
        source: None,
    });
    store.ingest(full.collect()).unwrap();
    store.add_drafts(drafts(&store, 1_000)).unwrap();
    let before = store.rows_scanned();
    let sealed = seal_all(&store, UNIX);
    let seconds: std::collections::BTreeSet<u64> = sealed.iter().copied().collect();
    assert!(
        sealed.is_sorted() && seconds.len() == 10,
        "a hundred in each second: {seconds:?}"
    );
    let rows = store.rows_scanned() - before;
    // The window once, and for each second that passes a batch that is read and what that second holds.
    assert!(rows <= 30_100 + 1_000 + 11 * 500, "{rows} rows read");
}

#[test]
fn writing_by_hand_does_not_count_the_window_for_every_message() {
    let store = store();
    let imported = (0..20_000_u64).map(|n| Arrival {
        event: event_at(1_000_000 + n, UNIX - 201 + n / 100),
        source: None,
    });
    store.ingest(imported.collect()).unwrap();
    let before = store.rows_scanned();
    for number in 0..50_u32 {
        let draft = drafts(&store, number + 1).pop().unwrap();
        store.add_drafts(vec![draft]).unwrap();
        let mut pending = Pending::read(&store, 0, UNIX, 0).unwrap().unwrap();
        let mut times = pending.times(UNIX, 0).unwrap();
        let (local, _, second) = pending.take_level(&mut times).ready.remove(0);
        assert_eq!(second, UNIX);
        let event = event_at(u64::from(number), second);
        store
            .commit_sealed(
                vec![SealedDraft {
                    local,
                    event,
                    message: None,
                }],
                &[],
            )
            .unwrap();
    }
    let rows = store.rows_scanned() - before;
    assert!(rows <= 50 * 60, "{rows} rows read for 50 messages");
}
