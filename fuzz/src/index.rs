//! The event index on a disk in memory, against a map: what is held, what one relay is expected to hold, and windows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arbitrary::Arbitrary;
use event_index::{
    Arrival, Delivery, DeliveryState, Extra, ExtraReason, IndexError, Item, MemoryDisk, Snapshot, Store,
    StoreKey, View, Window,
};
use nostr::event::{Event, EventId, Kind, Signature, Tag, Tags};
use nostr::key::PublicKey;
use nostr::types::Timestamp;
use reconciler::neg::{FrameLimit, Initiator, Next, Responder, Strategy};
use supervision::SeededEntropy;

use crate::items::{mix, view};

/// Steps of one run; a commit takes a fraction of a millisecond.
const STEPS_MAX: usize = 24;
/// Events of one run: blocks and superblocks hold eight here, so a few hundred cut and join both.
const EVENTS_MAX: u64 = 600;
/// Ranges looked at after each step.
const RANGES: u64 = 6;
/// The relay that has exceptions.
const RELAY: &str = "wss://relay.example";
/// Outer time of the first event, Unix seconds.
const START: u64 = 1_700_000_000;

/// What is done, one after the other.
#[derive(Debug, Arbitrary)]
pub struct Input {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Step {
    /// Newer than all others: the usual case.
    Append(u8),
    /// From this second on, over so many seconds.
    Put {
        second: u8,
        spread: u8,
        count: u8,
    },
    /// Messages from this rank on, or every n-th of them.
    Delete {
        from: u16,
        count: u8,
        nth: u8,
    },
    /// New ones, deleted in the transaction that brings them, before or after they come.
    PutAndDelete {
        count: u8,
        deletion_first: bool,
    },
    /// Some of all that ever came, held or deleted.
    Again {
        from: u16,
        count: u8,
    },
    Rebuild,
    Reopen,
    /// A sync from now is the last; these of the later writes survive, eight by eight.
    CutPower {
        sync: u8,
        survivors: u8,
    },
    /// The relay refuses messages from this rank on, or every n-th of them.
    Refuse {
        from: u16,
        count: u8,
        nth: u8,
    },
    /// It turns out to hold the first of those.
    Find {
        count: u8,
    },
    /// It serves some of all that ever came; what is deleted is to be expected there.
    Serve {
        from: u16,
        count: u8,
    },
    /// It serves events that fail their checks, some of which come later and are genuine.
    Forge {
        second: u8,
        count: u8,
    },
    /// It stops serving the first of what is not taken.
    Withdraw {
        count: u8,
    },
}

/// What the store holds.
#[derive(Debug, Clone, Default)]
struct Model {
    /// With whether it is a message, which can be deleted.
    items: BTreeMap<Item, bool>,
    deleted: BTreeSet<EventId>,
    /// Held, and refused by the relay.
    refused: BTreeSet<EventId>,
    /// Served by the relay, and not held.
    extra: BTreeSet<Item>,
}

impl Model {
    fn ingest(&mut self, event: &Event) {
        let message = event.kind != Kind::EventDeletion;
        if message && self.deleted.contains(&event.id) {
            return;
        }
        self.extra.remove(&Item::of(event));
        if self.items.insert(Item::of(event), message).is_some() || message {
            return;
        }
        for id in event.tags.event_ids() {
            self.deleted.insert(id);
            self.refused.remove(&id);
            self.items.retain(|item, _| item.id != id);
        }
    }

    /// What the relay is expected to hold.
    fn at_relay(&self) -> Vec<Item> {
        let held = self.items.keys().filter(|item| !self.refused.contains(&item.id));
        let all: BTreeSet<Item> = held.chain(&self.extra).copied().collect();
        all.into_iter().collect()
    }

    /// Whether this is what the store holds.
    fn is_in(&self, store: &Store) -> bool {
        let snapshot = store.snapshot().expect("the items can be read");
        let extra = store.extra(RELAY).expect("the relay's rows can be read");
        let rows = store.deliveries(RELAY, 0, usize::MAX);
        let rows = rows.expect("the relay's rows can be read").into_iter();
        let refused = rows.filter(|row| row.state == DeliveryState::Parked);
        snapshot.items().iter().eq(self.items.keys())
            && extra
                .iter()
                .map(|extra| extra.item)
                .eq(self.extra.iter().copied())
            && refused.map(|row| row.id).collect::<BTreeSet<_>>() == self.refused
    }
}

struct Run {
    disk: MemoryDisk,
    store: Option<Store>,
    model: Model,
    /// Everything that ever came.
    events: Vec<Event>,
    /// Which writes survive the cut that is coming.
    survivors: Option<u8>,
}

/// Carries out the steps on a store and on a map.
///
/// # Panics
/// When the store and the map differ, when an answered step is lost, or when a comparison over the index differs from
/// one over the items.
pub fn run(input: &Input) {
    let mut run = Run::start();
    for (number, step) in (0_u64..).zip(input.steps.iter().take(STEPS_MAX)) {
        run.step(*step);
        run.compare(number);
    }
    run.reconcile();
    let verified = run.store().verify().expect("the store is whole");
    assert_eq!(verified, run.model.items.len() as u64);
}

impl Run {
    fn start() -> Self {
        let disk = MemoryDisk::new();
        Self {
            store: Some(open(&disk).expect("an empty disk becomes a store")),
            disk,
            model: Model::default(),
            events: Vec::new(),
            survivors: None,
        }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("it is open between two steps")
    }

    fn step(&mut self, step: Step) {
        let last = self.model.items.last_key_value();
        let last = last.map_or(START, |(item, _)| item.created_at);
        match step {
            Step::Append(count) => {
                let events = self.messages(count, |n| last + 1 + n / 3);
                self.ingest(events);
            }
            Step::Put {
                second,
                spread,
                count,
            } => {
                let spread = u64::from(spread) + 1;
                let events = self.messages(count, |n| START + u64::from(second) + n % spread);
                self.ingest(events);
            }
            Step::Delete { from, count, nth } => {
                let messages: Vec<EventId> = self.live_messages().collect();
                let from = usize::from(from) % (messages.len() + 1);
                let targets = messages[from..].iter().step_by(usize::from(nth) + 1);
                let targets: Vec<EventId> = targets.take(usize::from(count)).copied().collect();
                self.ingest(vec![deletion(last, &targets)]);
            }
            Step::PutAndDelete {
                count,
                deletion_first,
            } => {
                let mut events = self.messages(count, |n| START + n);
                let targets: Vec<EventId> = events.iter().map(|event| event.id).step_by(2).collect();
                let at = if deletion_first { 0 } else { events.len() };
                events.insert(at, deletion(last, &targets));
                self.ingest(events);
            }
            Step::Again { from, count } => {
                let from = usize::from(from) % (self.events.len() + 1);
                let events = self.events[from..].iter().take(usize::from(count));
                let events = events.cloned().collect();
                self.attempt(events, Store::ingest);
            }
            Step::Rebuild => self.attempt(Vec::new(), |store, _| store.rebuild_index()),
            Step::Reopen => {
                self.store = None;
                match open(&self.disk) {
                    Ok(store) => self.store = Some(store),
                    Err(error) => self.recover(self.model.clone(), &error),
                }
            }
            Step::CutPower { sync, survivors } => {
                self.survivors = Some(survivors);
                self.disk
                    .cut_power_at_sync(self.disk.syncs() + 1 + u64::from(sync % 8));
            }
            Step::Refuse { from, count, nth } => {
                let messages: Vec<EventId> = self.live_messages().collect();
                let from = usize::from(from) % (messages.len() + 1);
                let ids = messages[from..].iter().step_by(usize::from(nth) + 1);
                self.refuse(ids.take(usize::from(count)).copied().collect());
            }
            Step::Find { count } => {
                let found: Vec<EventId> = self.model.refused.iter().copied().collect();
                let found = &found[..found.len().min(usize::from(count))];
                let mut after = self.model.clone();
                after.refused.retain(|id| !found.contains(id));
                self.change(after, |store| store.place(RELAY, &[], found));
            }
            Step::Serve { from, count } => {
                let from = usize::from(from) % (self.events.len() + 1);
                let served = self.events[from..].iter().take(usize::from(count));
                let served = served.map(Item::of).collect();
                self.serve(served, ExtraReason::Tombstoned);
            }
            Step::Forge { second, count } => {
                let events = self.messages(count, |n| START + u64::from(second) + n);
                let served = events.iter().map(Item::of).collect();
                self.serve(served, ExtraReason::Forged);
            }
            Step::Withdraw { count } => {
                let gone: Vec<Item> = self
                    .model
                    .extra
                    .iter()
                    .take(usize::from(count))
                    .copied()
                    .collect();
                let mut after = self.model.clone();
                after.extra.retain(|item| !gone.contains(item));
                let ids: Vec<EventId> = gone.iter().map(|item| item.id).collect();
                self.change(after, |store| store.remove_extra(RELAY, &ids));
            }
        }
    }

    /// They are queued, and then what the relay said is recorded.
    fn refuse(&mut self, ids: Vec<EventId>) {
        self.change(self.model.clone(), |store| store.enqueue(RELAY, &ids));
        let rows = self.store().deliveries(RELAY, 0, usize::MAX);
        let rows = rows.expect("the relay's rows can be read").into_iter();
        let rows: Vec<Delivery> = rows
            .filter(|row| ids.contains(&row.id))
            .map(|row| Delivery {
                state: DeliveryState::Parked,
                ..row
            })
            .collect();
        let mut after = self.model.clone();
        after.refused.extend(rows.iter().map(|row| row.id));
        self.change(after, |store| store.set_deliveries(rows));
    }

    /// What is held is no exception, whatever the relay says of it.
    fn serve(&mut self, served: Vec<Item>, reason: ExtraReason) {
        let mut after = self.model.clone();
        let new = served.iter().filter(|item| !after.items.contains_key(item));
        after.extra.extend(new.copied());
        let rows: Vec<Extra> = served.into_iter().map(|item| Extra { item, reason }).collect();
        self.change(after, |store| store.place(RELAY, &rows, &[]));
    }

    fn messages(&self, count: u8, second: impl Fn(u64) -> u64) -> Vec<Event> {
        let known = self.events.len() as u64;
        let count = u64::from(count).min(EVENTS_MAX.saturating_sub(known));
        let message = |n| event(1080, second(n), vec![], &(known + n).to_string());
        (0..count).map(message).collect()
    }

    fn live_messages(&self) -> impl Iterator<Item = EventId> {
        let messages = self.model.items.iter().filter(|(_, message)| **message);
        messages.map(|(item, _)| item.id)
    }

    fn ingest(&mut self, events: Vec<Event>) {
        self.events.extend_from_slice(&events);
        self.attempt(events, Store::ingest);
    }

    /// One transaction. When the power goes off in it, all of it is there afterwards or nothing.
    fn attempt<T>(
        &mut self,
        events: Vec<Event>,
        write: impl FnOnce(&Store, Vec<Arrival>) -> Result<T, IndexError>,
    ) {
        let mut after = self.model.clone();
        for event in &events {
            after.ingest(event);
        }
        let arrivals = events.into_iter().map(|event| Arrival { event, source: None });
        self.change(after, |store| write(store, arrivals.collect()));
    }

    /// One transaction, behind which the store holds `after`.
    fn change<T>(&mut self, after: Model, write: impl FnOnce(&Store) -> Result<T, IndexError>) {
        match write(self.store()) {
            Ok(_) => self.model = after,
            Err(error) => self.recover(after, &error),
        }
    }

    fn recover(&mut self, after: Model, error: &IndexError) {
        let survivors = self.survivors.take();
        let survivors = survivors.unwrap_or_else(|| panic!("it failed with the power on: {error}"));
        self.store = None;
        self.disk = self
            .disk
            .after_power_cut(|number| survivors >> (number % 8) & 1 == 1);
        let store = open(&self.disk).expect("the store opens after a power cut");
        if after.is_in(&store) {
            self.model = after;
        } else {
            assert!(
                self.model.is_in(&store),
                "neither the state before the step nor the one after it"
            );
        }
        self.store = Some(store);
    }

    fn compare(&self, number: u64) {
        let store = self.store();
        store.verify_index().expect("the index is that of the items");
        let items: Vec<Item> = self.model.items.keys().copied().collect();
        compare_view(&store.view().expect("the view opens"), &items, number);
        let expected = self.model.at_relay();
        let view = Arc::new(self.at_relay());
        assert_eq!(view.absent(), self.model.refused.len() as u64);
        compare_view(&*view, &expected, number ^ 0x5eed);
        let (one, two) = (mix(number) as usize, mix(!number) as usize);
        let (one, two) = (one % (expected.len() + 1), two % (expected.len() + 1));
        let (start, end) = (one.min(two), one.max(two));
        let window = Window::of(view, start as u64..end as u64);
        compare_view(&window, &expected[start..end], number ^ 0xabcd);
    }

    fn at_relay(&self) -> event_index::RelayView<event_index::IndexView> {
        self.store().at_relay(RELAY).expect("the view opens").view
    }

    /// The core reads the index, and a relay's view of it, as it reads the items themselves.
    fn reconcile(&self) {
        let items: Vec<Item> = self.model.items.keys().copied().collect();
        reconcile(&Arc::new(self.store().view().expect("the view opens")), &items);
        reconcile(&Arc::new(self.at_relay()), &self.model.at_relay());
    }
}

/// Everything a view says, against the items it should hold, which are in order.
fn compare_view(view: &impl View, items: &[Item], number: u64) {
    let snapshot = Snapshot::of(items.to_vec(), 0);
    let len = view.len();
    assert_eq!(len, items.len() as u64);
    assert_eq!(sum(view, 0..len), sum(&snapshot, 0..len));
    for draw in 0..RANGES {
        let draw = |salt: u64| mix(number << 16 | draw << 8 | salt);
        let (one, two) = (draw(1) % (len + 1), draw(2) % (len + 1));
        let range = one.min(two)..one.max(two);
        assert_eq!(sum(view, range.clone()), sum(&snapshot, range.clone()));
        let mut found = Vec::new();
        view.each(range.clone(), &mut |item| found.push(item))
            .expect("the items can be read");
        assert_eq!(found, items[range.start as usize..range.end as usize]);
        if let Some(item) = items.get(one as usize) {
            assert_eq!(view.item(one).expect("it is there"), *item);
            assert_eq!(view.lower_bound(item).expect("it is there"), one);
            if let Some(before) = one.checked_sub(1) {
                let beside = (items[before as usize], *item);
                assert_eq!(view.beside(one).expect("both are there"), beside);
                let start = draw(5) % (one + 1);
                let cut = view.sum_to_cut(start, one).expect("both are there");
                assert_eq!(cut, (sum(&snapshot, start..one), beside));
            }
        }
        let bound = Item {
            created_at: START - 1 + draw(3) % 300,
            id: EventId::from_byte_array([draw(4) as u8; 32]),
        };
        let rank = view.lower_bound(&bound).expect("the index can be read");
        assert_eq!(rank, snapshot.lower_bound(&bound) as u64);
        let end = rank.max(one);
        let summed = view.sum_up_to(one, &bound).expect("the index can be read");
        assert_eq!(summed, (end, sum(&snapshot, one..end)));
        let cut = view.cheap_cut(two).expect("the index can be read");
        assert_eq!(sum(view, 0..cut), sum(&snapshot, 0..cut));
    }
}

/// A client over `index`, which should hold `items`, finds what a relay lacks of them.
fn reconcile<V: View>(index: &Arc<V>, items: &[Item]) {
    let (theirs, lost): (Vec<Item>, Vec<Item>) =
        items.iter().partition(|item| item.id.as_bytes()[31] % 8 != 0);
    let relay = Responder::new(view(&theirs), FrameLimit::NONE);
    for strategy in [
        Strategy::Plain,
        Strategy::RecentFirst {
            agreed: items.last().copied(),
        },
    ] {
        let opened = Initiator::open(Arc::clone(index), strategy, FrameLimit::NONE);
        let (mut client, mut message) = opened.expect("the index can be read");
        if strategy == Strategy::Plain {
            let opened = Initiator::open(view(items), strategy, FrameLimit::NONE);
            let (_, expected) = opened.expect("a view in memory does not fail");
            assert_eq!(message, expected, "the index opens otherwise than its items");
        }
        let mut have = BTreeSet::new();
        loop {
            let answer = relay.answer(&message).expect("an honest question is read");
            let step = client.handle(&answer).expect("an honest answer is read");
            assert!(step.need.is_empty(), "the relay has nothing more");
            have.extend(step.have);
            match step.next {
                Next::Send(next) => message = next,
                Next::Done => break,
                Next::Full => panic!("so few ids fill no step"),
            }
        }
        assert_eq!(have, crate::items::ids(&lost));
    }
}

fn sum(view: &impl View, range: std::ops::Range<u64>) -> event_index::Sum {
    view.sum(range).expect("the index can be read")
}

/// Nonces come from a seed, so that the same input writes the same bytes.
fn open(disk: &MemoryDisk) -> Result<Store, IndexError> {
    let entropy = Arc::new(SeededEntropy::new(disk.syncs()));
    Store::open_with(disk.storage(), &StoreKey::from_bytes([7; 32]), entropy)
}

fn deletion(created_at: u64, targets: &[EventId]) -> Event {
    let tags = targets.iter().map(|id| Tag::event(*id)).collect();
    event(5, created_at, tags, "")
}

/// Its signature is no good: the store leaves those to its caller.
fn event(kind: u16, created_at: u64, tags: Vec<Tag>, content: &str) -> Event {
    let author = PublicKey::from_byte_array([1; 32]);
    let (created_at, kind) = (Timestamp::from(created_at), Kind::from(kind));
    let hashed = Tags::from_list(tags.clone());
    let id = EventId::compute(&author, &created_at, &kind, &hashed, content);
    let signature = Signature::from_byte_array([1; 64]);
    Event::new(id, author, created_at, kind, tags, content, signature)
}
