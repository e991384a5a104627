//! What a long queue costs: the rows that are read for each event that leaves.

use std::time::{Duration, Instant};

use event_index::{Agreement, Arrival, Basis, MemoryDisk, Store, StoreKey};
use nostr::prelude::{Event, EventId, Kind, PublicKey, Signature, Tags, Timestamp};
use relay_link::OkClass;

use crate::{IN_FLIGHT_MAX, Next, Outbox, Pace, Window};

const RELAY: &str = "wss://relay.example";
const UNIX: u64 = 1_789_000_000;

/// An event with this number. Whoever stores events checks their signatures; nobody here does.
fn event(number: u64) -> Event {
    let author = PublicKey::from_byte_array([2; 32]);
    let (created_at, kind) = (Timestamp::from(UNIX + number), Kind::Custom(1080));
    let content = number.to_string();
    let id = EventId::compute(&author, &created_at, &kind, &Tags::new(), &content);
    let signature = Signature::from_byte_array([1; 64]);
    Event::new(id, author, created_at, kind, [], content, signature)
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
        let disk = MemoryDisk::new();
        let store = Store::open(disk.storage(), &StoreKey::from_bytes([7; 32])).unwrap();
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
    for waiting in [500, 5_000] {
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
