//! Whatever happens in whatever order, the read model shows what reading every envelope would show.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chat_model::{
    Content, ConversationSummary, Library, Message, MessageId, Parent, Part, Role, Selection, Tombstone,
};
use event_index::{
    Burial, LocalId, Marks, MemoryDisk, MessageRef, NewDraft, OpenConversation, OpenedArrival,
    OpenedEnvelope, SealedDraft, Store, SummaryRow,
};
use nostr::event::{Event, EventId};
use proptest::collection::vec;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use common::{arrivals, deletion, event, local, open, opened};

const MESSAGES: u8 = 14;
const DRAFTS: u8 = 4;
const CHATS: [&str; 2] = ["one", "two"];

fn envelope(n: u8) -> Event {
    event(
        1080,
        n % 2,
        100 + u64::from(n / 3),
        vec![],
        &format!("message {n}"),
    )
}

fn sealed_as(draft: u8) -> Event {
    event(1080, 0, 300 + u64::from(draft), vec![], &format!("draft {draft}"))
}

fn name(event: &Event) -> MessageId {
    MessageId::Event(event.id.to_bytes())
}

/// What is in the envelopes and drafts of one case. Drafts come behind the messages.
#[derive(Debug, Clone)]
struct World {
    messages: Vec<Message>,
}

impl World {
    /// A message by its envelope, opened.
    fn of(&self, event: &Event) -> Option<&Message> {
        let all = (0..MESSAGES).map(envelope).chain((0..DRAFTS).map(sealed_as));
        let at = all.into_iter().position(|other| other.id == event.id)?;
        self.messages.get(at)
    }

    fn draft(&self, n: u8) -> Message {
        self.messages[usize::from(MESSAGES + n)].clone()
    }
}

fn named(n: u8) -> MessageId {
    if n < MESSAGES {
        name(&envelope(n))
    } else if n < MESSAGES + DRAFTS {
        name(&sealed_as(n - MESSAGES))
    } else {
        // Never here.
        MessageId::Event([n; 32])
    }
}

fn events_of(numbers: &[u8]) -> Vec<EventId> {
    let names = numbers.iter().map(|n| named(*n));
    let event = |name| match name {
        MessageId::Event(id) => Some(EventId::from_byte_array(id)),
        MessageId::Local(_) => None,
    };
    names.filter_map(event).collect()
}

prop_compose! {
    fn message(n: u8)(
        chat in 0..CHATS.len(),
        role in prop_oneof![4 => Just("user"), 4 => Just("assistant"), 1 => Just("system")],
        parent in prop_oneof![
            1 => Just(None), 1 => Just(Some(None)), 6 => (0..MESSAGES + DRAFTS + 2).prop_map(|n| Some(Some(n)))
        ],
        second in 0u64..4,
        source in prop_oneof![Just(None), (0u8..4).prop_map(Some)],
        piece in prop_oneof![4 => Just(None), 1 => (1u32..3).prop_map(Some)],
    ) -> Message {
        let words = piece.map_or_else(|| format!("words {n}"), |piece| ["left", "right"][piece as usize - 1].to_owned());
        let mut message = Message::new(CHATS[chat], Role::from(role), Content::new(words), 1000 + second);
        message.parent = match parent {
            None => Parent::Absent,
            Some(None) => Parent::Top,
            Some(Some(parent)) => Parent::Message(named(parent)),
        };
        // A draft always has a source of its own.
        message.source = match source {
            _ if n >= MESSAGES => Some(format!("draft {n}")),
            source => source.map(|source| format!("source {source}")),
        };
        message.part = piece.map(|index| Part { index, count: 2, whole: Sha256::digest(b"leftright").into() });
        message
    }
}

fn world() -> impl Strategy<Value = World> {
    let messages: Vec<_> = (0..MESSAGES + DRAFTS).map(message).collect();
    messages.prop_map(|mut messages| {
        // A parent in another conversation means nothing.
        let chats: BTreeMap<MessageId, String> = messages
            .iter()
            .zip(0..)
            .map(|(message, n)| (named(n), message.conversation.clone()))
            .collect();
        for message in &mut messages {
            if let Parent::Message(parent) = &message.parent
                && chats
                    .get(parent)
                    .is_some_and(|chat| *chat != message.conversation)
            {
                message.parent = Parent::Top;
            }
        }
        World { messages }
    })
}

#[derive(Debug, Clone)]
enum Step {
    /// Envelopes come; of the second kind no key is known yet.
    Ingest(Vec<u8>, Vec<u8>),
    /// A key appears that opens these.
    OpenLate(Vec<u8>),
    Draft(u8),
    RemoveDraft(u8),
    Seal(Vec<u8>),
    /// Somebody deletes here.
    Bury(Vec<u8>),
    BuryDraft(u8),
    /// A deletion comes from elsewhere, by this author.
    Deletion(u8, Vec<u8>),
    Drop(Vec<u8>),
    /// A relay holds everything, and these are forgotten here.
    Forget(Vec<u8>),
    Recall(Vec<u8>),
    /// Somebody looks at the list.
    Look,
    Reopen,
    Rebuild,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one = || 0..MESSAGES;
    let any = || 0..MESSAGES + DRAFTS + 2;
    let step = prop_oneof![
        6 => (vec(one(), 0..5), vec(one(), 0..2)).prop_map(|(open, closed)| Step::Ingest(open, closed)),
        2 => vec(one(), 1..4).prop_map(Step::OpenLate),
        3 => (0..DRAFTS).prop_map(Step::Draft),
        1 => (0..DRAFTS).prop_map(Step::RemoveDraft),
        2 => vec(0..DRAFTS, 1..3).prop_map(Step::Seal),
        2 => vec(any(), 1..3).prop_map(Step::Bury),
        1 => (0..DRAFTS).prop_map(Step::BuryDraft),
        2 => (0u8..2, vec(any(), 1..3)).prop_map(|(author, ids)| Step::Deletion(author, ids)),
        1 => vec(one(), 1..2).prop_map(Step::Drop),
        3 => vec(any(), 1..5).prop_map(Step::Forget),
        1 => vec(any(), 1..3).prop_map(Step::Recall),
        3 => Just(Step::Look),
        1 => Just(Step::Reopen),
        1 => Just(Step::Rebuild),
    ];
    vec(step, 1..24)
}

struct Bench {
    disk: MemoryDisk,
    store: Store,
    world: World,
    /// Envelopes that keys at hand open.
    readable: BTreeSet<EventId>,
    kept: BTreeMap<&'static str, OpenConversation>,
    clock: u64,
}

impl Bench {
    fn new(world: World) -> Self {
        let disk = MemoryDisk::new();
        let store = open(&disk);
        let mut bench = Self {
            disk,
            store,
            world,
            readable: BTreeSet::new(),
            kept: BTreeMap::new(),
            clock: 500,
        };
        bench.keep();
        bench
    }

    fn keep(&mut self) {
        for chat in CHATS {
            let tag = self.store.conversation_tag(chat);
            self.kept
                .insert(chat, self.store.open_conversation(tag, Marks::END).unwrap());
        }
    }

    fn read(&self, event: &Event) -> Option<Message> {
        self.readable
            .contains(&event.id)
            .then(|| self.world.of(event).cloned())
            .flatten()
    }

    fn remember(&self, ids: impl Iterator<Item = EventId>) {
        let records = ids.filter_map(|id| {
            let event = (0..MESSAGES)
                .map(envelope)
                .chain((0..DRAFTS).map(sealed_as))
                .find(|event| event.id == id)?;
            Some((id, Tombstone::of(&self.read(&event)?).to_record()))
        });
        self.store.keep_records(&records.collect::<Vec<_>>()).unwrap();
    }

    fn step(&mut self, step: &Step) {
        let envelopes = |ids: &[u8]| ids.iter().map(|n| envelope(*n)).collect::<Vec<_>>();
        match step {
            Step::Ingest(opened, closed) => {
                // One that is here and closed stays so until a key appears.
                let fresh = opened.iter().map(|n| envelope(*n).id);
                self.readable
                    .extend(fresh.filter(|id| !self.store.contains(id).unwrap()));
                let events = [envelopes(opened), envelopes(closed)].concat();
                let read: Vec<_> = events.iter().map(|event| self.read(event)).collect();
                let came = arrivals(events).into_iter().zip(read);
                let came = came.map(|(arrival, message)| {
                    OpenedArrival::new(&self.store, arrival, message.map(Arc::new))
                });
                let ingested = self.store.ingest_opened(came.collect(), 1).unwrap();
                self.remember(ingested.tombstoned.into_iter());
            }
            Step::OpenLate(ids) => {
                self.readable.extend(ids.iter().map(|n| envelope(*n).id));
                self.catch_up();
            }
            Step::Draft(n) => {
                let message = self.world.draft(*n);
                let source = self
                    .store
                    .source_id(&message.conversation, message.source.as_deref().unwrap());
                let draft = NewDraft {
                    local: local(*n),
                    source,
                    body: message.to_draft(),
                };
                self.store.add_drafts(vec![draft]).unwrap();
            }
            Step::RemoveDraft(n) => drop(self.store.remove_drafts(&[local(*n)]).unwrap()),
            Step::Seal(drafts) => {
                let sealed = drafts.iter().map(|n| SealedDraft {
                    local: local(*n),
                    event: sealed_as(*n),
                    message: Some(self.world.draft(*n)),
                });
                self.readable.extend(drafts.iter().map(|n| sealed_as(*n).id));
                self.store.commit_sealed(sealed.collect(), &[]).unwrap();
            }
            Step::Bury(ids) => {
                let burials = ids.iter().filter_map(|n| {
                    let MessageId::Event(id) = named(*n) else {
                        return None;
                    };
                    let message = self.world.messages.get(usize::from(*n))?;
                    let id = EventId::from_byte_array(id);
                    self.readable.contains(&id).then(|| Burial {
                        name: MessageRef::Event(id),
                        record: Tombstone::of(message).to_record(),
                    })
                });
                self.store.bury(burials.collect()).unwrap();
            }
            Step::BuryDraft(n) => {
                let record = Tombstone::of(&self.world.draft(*n)).to_record();
                self.store
                    .bury(vec![Burial {
                        name: MessageRef::Local(local(*n)),
                        record,
                    }])
                    .unwrap();
            }
            Step::Deletion(author, ids) => {
                self.clock += 1;
                let ids: Vec<EventId> = ids
                    .iter()
                    .filter_map(|n| match named(*n) {
                        MessageId::Event(id) => Some(EventId::from_byte_array(id)),
                        MessageId::Local(_) => None,
                    })
                    .collect();
                let theirs = |id: &EventId| {
                    self.store
                        .event(id)
                        .unwrap()
                        .is_some_and(|event| event.pubkey == common::author(*author))
                };
                self.remember(ids.iter().copied().filter(theirs));
                self.store
                    .ingest(arrivals([deletion(*author, self.clock, &ids)]))
                    .unwrap();
            }
            Step::Drop(ids) => {
                let ids: Vec<EventId> = ids.iter().map(|n| envelope(*n).id).collect();
                self.store.drop_bodies(&ids).unwrap();
            }
            Step::Forget(ids) => {
                let agreement = event_index::Agreement {
                    at: 1,
                    count: 1,
                    fingerprint: [1; 16],
                    last_seq: self.store.marks().unwrap().seq,
                    basis: event_index::Basis::Fingerprint,
                    authors: 1,
                };
                self.store.record_agreement("wss://a.example", agreement).unwrap();
                let relays = ["wss://a.example".to_owned()];
                self.store.forget(&events_of(ids), u64::MAX, &relays).unwrap();
            }
            Step::Recall(ids) => drop(self.store.recall(&events_of(ids)).unwrap()),
            Step::Look => self.look(),
            Step::Reopen => {
                self.kept.clear();
                let disk = self.disk.clone();
                replace(&mut self.store, &disk);
                self.keep();
            }
            Step::Rebuild => {
                self.store.rebuild(&BTreeSet::new()).unwrap();
                self.catch_up();
            }
        }
    }

    /// What realtime does when keys change, or at its start.
    fn catch_up(&self) {
        let open = |events: Vec<(u64, Event)>| -> Vec<OpenedEnvelope> {
            let opened = events.into_iter().map(|(seq, event)| OpenedEnvelope {
                seq,
                message: self.read(&event),
                event,
            });
            opened.collect()
        };
        loop {
            let page = self.store.unbuilt(3).unwrap();
            let Some(last) = page.last else { break };
            self.store.build(&open(page.events), Some(last), None).unwrap();
        }
        let mut after = 0;
        loop {
            let page = self.store.closed(after, 3).unwrap();
            let Some(last) = page.last else { break };
            after = last;
            self.store.build(&open(page.events), None, None).unwrap();
        }
        let (built, seq) = self.store.model_built().unwrap();
        assert_eq!(built, seq, "the model covers everything");
    }

    fn look(&self) {
        let rows: Vec<SummaryRow> = self
            .store
            .stale()
            .unwrap()
            .into_iter()
            .map(|stale| {
                let open = self.store.open_conversation(stale.tag, Marks::END).unwrap();
                SummaryRow::of(stale, &open)
            })
            .collect();
        self.store.put_summaries(&rows).unwrap();
        assert_eq!(self.store.stale().unwrap(), []);
    }

    /// Everything read from envelopes, drafts and what is remembered of deleted ones, as if there was no model.
    fn everything(&self) -> Library {
        let mut library = Library::new();
        for (id, record) in self.store.tombstones(None, 1000).unwrap() {
            let tombstone = record.and_then(|record| Tombstone::from_record(&record));
            library.bury(MessageId::Event(id.to_bytes()), tombstone);
        }
        for (local, record) in self.store.draft_tombstones().unwrap() {
            library.bury(
                MessageId::Local(*local.as_bytes()),
                Tombstone::from_record(&record),
            );
        }
        for (_, event) in self.store.events_after(0, 1000).unwrap() {
            if let Some(message) = self.read(&event) {
                library.insert(name(&event), event.created_at.as_secs(), message);
            }
        }
        for draft in self.store.drafts(0, 1000).unwrap().drafts {
            let mut message = Message::from_draft(&draft.body).unwrap();
            if let Parent::Message(MessageId::Local(parent)) = &message.parent
                && let Some(event) = self.store.resolve(&LocalId::from_bytes(*parent)).unwrap()
            {
                message.parent = Parent::Message(MessageId::Event(event.to_bytes()));
            }
            library.insert(MessageId::Local(*draft.local.as_bytes()), 0, message);
        }
        for chat in CHATS {
            for gone in self.store.forgotten_of(chat).unwrap() {
                library.pass_over(gone.name(), gone.tombstone);
            }
        }
        library
    }

    fn check(&mut self) {
        let expected = self.everything();
        for chat in CHATS {
            let fresh = self
                .store
                .open_conversation(self.store.conversation_tag(chat), Marks::END)
                .unwrap();
            assert_eq!(
                shown(fresh.library(), chat),
                shown(&expected, chat),
                "read from its rows: {chat}"
            );
            let kept = self.kept.get_mut(chat).unwrap();
            if kept.is_outdated(&self.store) {
                *kept = fresh;
            } else {
                kept.advance(&self.store, &|_| false).unwrap();
                assert_eq!(
                    shown(kept.library(), chat),
                    shown(&expected, chat),
                    "kept up: {chat}"
                );
            }
        }
    }

    fn check_list(&self) {
        self.look();
        let mut listed: Vec<ConversationSummary> = self
            .store
            .summaries()
            .unwrap()
            .into_iter()
            .map(|(_, summary)| summary)
            .collect();
        listed.sort_by(|a, b| a.id.cmp(&b.id));
        let mut expected = self.everything().conversations();
        expected.sort_by(|a, b| a.id.cmp(&b.id));
        for line in listed.iter_mut().chain(&mut expected) {
            // Where the beginning is forgotten, the title stays what it was.
            if !self.store.forgotten_of(&line.id).unwrap().is_empty() {
                line.title.clear();
            }
        }
        assert_eq!(listed, expected, "the list");
    }
}

/// A disk is opened by one store at a time.
fn replace(store: &mut Store, disk: &MemoryDisk) {
    let other = open(&MemoryDisk::new());
    drop(std::mem::replace(store, other));
    *store = open(disk);
}

type Line = (MessageId, Option<MessageId>, Message, usize, usize);

/// Everything that a conversation shows.
fn shown(library: &Library, chat: &str) -> Option<(ConversationSummary, Vec<Line>, Vec<MessageId>)> {
    let summary = library.summary(chat)?;
    let tree = library.conversation(chat)?;
    let line = |shown: &chat_model::Shown<'_>| {
        (
            shown.id,
            shown.parent,
            shown.message.clone(),
            shown.version,
            shown.versions,
        )
    };
    let branch = tree
        .branch(&Selection::new())
        .iter()
        .map(|shown| shown.id)
        .collect();
    Some((summary, tree.messages().iter().map(line).collect(), branch))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_model_shows_what_reading_every_envelope_would_show(world in world(), steps in steps()) {
        let mut bench = Bench::new(world);
        for step in &steps {
            bench.step(step);
            bench.check();
        }
        bench.check_list();
        // Made anew it is the same.
        bench.store.rebuild(&BTreeSet::new()).unwrap();
        bench.catch_up();
        bench.check();
        bench.check_list();
    }
}

#[test]
fn a_conversation_that_is_kept_up_is_called_as_one_that_is_read_anew_once_a_later_piece_makes_its_first_message_whole()
 {
    let piece = |index: u32, words: &str, second| {
        let mut message = Message::new("one", Role::User, Content::new(words), second);
        let whole = Sha256::digest(b"leftright").into();
        message.part = Some(Part {
            index,
            count: 2,
            whole,
        });
        message
    };
    let store = open(&MemoryDisk::new());
    let tag = store.conversation_tag("one");
    let read = || store.open_conversation(tag, Marks::END).unwrap();
    let come = |n, message| {
        store
            .ingest_opened(vec![opened(&store, envelope(n), message)], 1)
            .unwrap();
    };
    let mut second = piece(2, "right", 1000);
    second.parent = Parent::Message(name(&envelope(1)));
    come(2, second);
    let mut kept = read();
    assert_eq!(kept.summary().unwrap().title, "right");
    come(1, piece(1, "left", 1001));
    assert!(!kept.is_outdated(&store));
    kept.advance(&store, &|_| false).unwrap();
    assert_eq!(kept.summary().unwrap().title, "leftright");
    assert_eq!(kept.summary(), read().summary());
}

/// As a program left it that knew of no model.
#[test]
fn a_store_without_the_model_gets_one_and_loses_nothing() {
    use redb::{Database, TableDefinition};

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let file = || event_index::Storage::File(path.clone());
    let mut message = Message::new("one", Role::User, Content::new("hello"), 1000);
    message.source = Some("draft".to_owned());
    let reply = Message {
        parent: Parent::Message(name(&envelope(0))),
        source: Some("reply".to_owned()),
        ..message.clone()
    };
    let store = Store::open(file(), &common::key()).unwrap();
    let came = opened(&store, envelope(0), message.clone());
    store.ingest_opened(vec![came], 1).unwrap();
    let source = store.source_id("one", "reply");
    let draft = NewDraft {
        local: local(1),
        source,
        body: reply.to_draft(),
    };
    store.add_drafts(vec![draft]).unwrap();
    drop(store);

    let database = Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    assert!(
        transaction
            .delete_table(TableDefinition::<u64, &[u8]>::new("messages-1"))
            .unwrap()
    );
    assert!(
        transaction
            .delete_table(TableDefinition::<(&[u8; 16], u64), ()>::new("members-1"))
            .unwrap()
    );
    assert!(
        transaction
            .delete_table(TableDefinition::<&[u8; 16], u64>::new("stale-1"))
            .unwrap()
    );
    assert!(
        transaction
            .delete_table(TableDefinition::<&str, u64>::new("read-model-1"))
            .unwrap()
    );
    transaction.commit().unwrap();
    drop(database);

    let store = Store::open(file(), &common::key()).unwrap();
    let page = store.unbuilt(10).unwrap();
    assert_eq!(page.events.len(), 1, "what was stored before is to be opened");
    let (seq, event) = page.events.into_iter().next().unwrap();
    let opened = OpenedEnvelope {
        seq,
        event,
        message: Some(message),
    };
    store.build(&[opened], page.last, None).unwrap();
    let open = store
        .open_conversation(store.conversation_tag("one"), Marks::END)
        .unwrap();
    let summary = open.summary().unwrap();
    assert_eq!((summary.messages, summary.title.as_str()), (2, "hello"));
    let (built, seq) = store.model_built().unwrap();
    assert_eq!(built, seq);
}

/// What a person read, and what counts as news.
#[test]
fn unread_is_what_came_after_this_device_was_level_and_was_not_read() {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    let said = |n: u8| {
        Message::new(
            "one",
            Role::User,
            Content::new(format!("words {n}")),
            1000 + u64::from(n),
        )
    };
    let arrive = |n: u8| {
        let came = opened(&store, envelope(n), said(n)).unread(true);
        store.ingest_opened(vec![came], 7).unwrap();
    };
    let unread = || {
        let open = store
            .open_conversation(store.conversation_tag("one"), Marks::END)
            .unwrap();
        open.summary().unwrap().unread
    };
    arrive(0);
    assert_eq!(unread(), 0, "history is not news");
    let agreement = |authors| event_index::Agreement {
        at: 1,
        count: 1,
        fingerprint: [1; 16],
        last_seq: 1,
        basis: event_index::Basis::Fingerprint,
        authors,
    };
    store.record_agreement("wss://a.example", agreement(6)).unwrap();
    arrive(1);
    assert_eq!(unread(), 0, "level about other keys");
    store.record_agreement("wss://a.example", agreement(7)).unwrap();
    arrive(2);
    arrive(3);
    assert_eq!(unread(), 2);
    store.rebuild(&BTreeSet::new()).unwrap();
    let page = store.unbuilt(10).unwrap();
    let opened: Vec<_> = page
        .events
        .into_iter()
        .map(|(seq, event)| {
            let n = (0..4).find(|n| envelope(*n).id == event.id);
            OpenedEnvelope {
                seq,
                event,
                message: n.map(said),
            }
        })
        .collect();
    store.build(&opened, page.last, None).unwrap();
    assert_eq!(unread(), 2, "a rebuild does not forget");
    assert_eq!(store.mark_read("one").unwrap(), 2);
    assert_eq!(unread(), 0);
    arrive(4);
    assert_eq!(unread(), 1);
}
