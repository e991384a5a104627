//! Whatever is done in whatever order, the store agrees with a model made of ordinary maps.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use event_index::{
    Agreement, Basis, Burial, Counts, Delivery, DeliveryState, DraftOutcome, Item, LocalId, MemoryDisk,
    MessageRef, NewDraft, OpenedEnvelope, SealedDraft, SourceId, Standing, Store, View,
};
use nostr::event::{Event, EventId, Kind};
use nostr::key::PublicKey;
use proptest::prelude::*;

use common::{arrivals, author, deletion, event, local, open};

const RELAYS: [&str; 3] = ["wss://a.example", "wss://b.example", "wss://c.example"];
const DRAFTS: u8 = 5;

#[derive(Debug, Clone)]
enum Step {
    Ingest(Vec<usize>),
    AddDrafts(Vec<(u8, u8)>),
    RemoveDraft(u8),
    Commit(Vec<u8>, Vec<usize>),
    Enqueue(usize, Vec<usize>),
    Set(usize, usize, DeliveryState),
    Agree(usize, u64),
    ForgetAgreement(usize),
    ForgetRelay(usize),
    Bury(Vec<usize>, Vec<u8>),
    Sign(Vec<usize>),
    DropBodies(Vec<usize>),
    /// Of these, what was sealed before this second and is safe on so many relays.
    Forget(Vec<usize>, u64, usize),
    Recall(Vec<usize>),
    Rebuild,
    Reopen,
}

/// Every event that can occur: messages of two authors, what drafts are sealed as, and deletions of all sorts.
fn universe() -> Vec<Event> {
    let mut events: Vec<Event> = (0..8_u8)
        .map(|n| {
            event(
                1080,
                n % 2,
                100 + u64::from(n / 3),
                vec![],
                &format!("message {n}"),
            )
        })
        .collect();
    events.extend((0..DRAFTS).map(sealed_as));
    let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
    events.push(deletion(0, 200, &[ids[0], ids[1], ids[8]]));
    events.push(deletion(1, 201, &[ids[1], ids[2]]));
    events.push(deletion(0, 202, &[ids[4], ids[9], events[13].id, events[14].id]));
    events.push(deletion(1, 101, &[ids[3], ids[4], ids[3]]));
    events
}

fn sealed_as(draft: u8) -> Event {
    event(
        1080,
        0,
        150 - u64::from(draft),
        vec![],
        &format!("sealed {draft}"),
    )
}

fn step() -> impl Strategy<Value = Step> {
    let events = || prop::collection::vec(0..17_usize, 0..4);
    let states = prop::sample::select(vec![
        DeliveryState::Waiting,
        DeliveryState::Sent,
        DeliveryState::Accepted,
        DeliveryState::Verified,
        DeliveryState::Parked,
    ]);
    prop_oneof![
        4 => events().prop_map(Step::Ingest),
        2 => prop::collection::vec((0..DRAFTS, 0..DRAFTS), 0..3).prop_map(Step::AddDrafts),
        1 => (0..DRAFTS).prop_map(Step::RemoveDraft),
        3 => (prop::collection::vec(0..DRAFTS, 0..3), prop::collection::vec(0..3_usize, 0..3))
            .prop_map(|(drafts, relays)| Step::Commit(drafts, relays)),
        3 => (0..3_usize, events()).prop_map(|(relay, ids)| Step::Enqueue(relay, ids)),
        4 => (0..3_usize, 0..17_usize, states).prop_map(|(relay, id, state)| Step::Set(relay, id, state)),
        2 => (0..3_usize, 0..20_u64).prop_map(|(relay, seq)| Step::Agree(relay, seq)),
        1 => (0..3_usize).prop_map(Step::ForgetAgreement),
        1 => (0..3_usize).prop_map(Step::ForgetRelay),
        3 => (events(), prop::collection::vec(0..DRAFTS, 0..3)).prop_map(|(ids, drafts)| Step::Bury(ids, drafts)),
        2 => prop::collection::vec(0..3_usize, 0..3).prop_map(Step::Sign),
        1 => events().prop_map(Step::DropBodies),
        4 => (prop::collection::vec(0..17_usize, 0..12), 99..303_u64, 1..3_usize)
            .prop_map(|(ids, before, relays)| Step::Forget(ids, before, relays)),
        1 => events().prop_map(Step::Recall),
        1 => Just(Step::Rebuild),
        1 => Just(Step::Reopen),
    ]
}

#[derive(Default)]
struct Model {
    last_seq: u64,
    live: BTreeMap<EventId, (u64, Event)>,
    /// Those of the live ones that have no envelope any more.
    forgotten: BTreeSet<EventId>,
    deleters: BTreeMap<EventId, BTreeSet<PublicKey>>,
    unsigned: BTreeMap<EventId, (PublicKey, u64)>,
    drafts_deleted: BTreeSet<LocalId>,
    drafts: Vec<LocalId>,
    aliases: BTreeMap<LocalId, EventId>,
    sources: BTreeMap<SourceId, LocalId>,
    rows: BTreeMap<(usize, u64), (EventId, DeliveryState)>,
    agreed: BTreeMap<usize, u64>,
}

impl Model {
    fn insert(&mut self, event: &Event) {
        self.last_seq += 1;
        self.deleters.remove(&event.id);
        self.live.insert(event.id, (self.last_seq, event.clone()));
    }

    fn is_deleted(&self, event: &Event) -> bool {
        event.kind == Kind::from(1080)
            && self
                .deleters
                .get(&event.id)
                .is_some_and(|authors| authors.contains(&event.pubkey))
    }

    fn ingest(&mut self, event: &Event) {
        if self.live.contains_key(&event.id) || self.is_deleted(event) {
            return;
        }
        self.insert(event);
        if event.kind != Kind::EventDeletion {
            return;
        }
        for target in event.tags.event_ids() {
            if let Some((seq, held)) = self.live.get(&target).cloned() {
                if held.pubkey != event.pubkey || held.kind == Kind::EventDeletion {
                    continue;
                }
                self.live.remove(&target);
                self.forgotten.remove(&target);
                self.rows.retain(|(_, row), _| *row != seq);
            }
            self.deleters.entry(target).or_default().insert(event.pubkey);
            if self
                .unsigned
                .get(&target)
                .is_some_and(|(author, _)| *author == event.pubkey)
            {
                self.unsigned.remove(&target);
            }
        }
    }

    /// Deletes what is meant, and returns the events that were held.
    fn bury(&mut self, ids: &[EventId], drafts: &[LocalId]) -> Vec<EventId> {
        let mut ids = ids.to_vec();
        for draft in drafts {
            if let Some(event) = self.aliases.get(draft) {
                ids.push(*event);
            } else if self.drafts.contains(draft) {
                self.drafts.retain(|kept| kept != draft);
                self.drafts_deleted.insert(*draft);
            }
        }
        let mut buried = Vec::new();
        for id in ids {
            let Some((seq, event)) = self
                .live
                .get(&id)
                .filter(|(_, event)| event.kind == Kind::from(1080))
                .cloned()
            else {
                continue;
            };
            self.live.remove(&id);
            self.forgotten.remove(&id);
            self.rows.retain(|(_, row), _| *row != seq);
            self.deleters.entry(id).or_default().insert(event.pubkey);
            self.unsigned
                .insert(id, (event.pubkey, event.created_at.as_secs()));
            buried.push(id);
        }
        buried
    }

    fn name(&self, local: LocalId) -> MessageRef {
        self.aliases
            .get(&local)
            .map_or(MessageRef::Local(local), |id| MessageRef::Event(*id))
    }

    fn add(&mut self, draft: &NewDraft) -> DraftOutcome {
        if let Some(first) = self.sources.get(&draft.source) {
            return DraftOutcome::Known(self.name(*first));
        }
        if self.drafts.contains(&draft.local) || self.aliases.contains_key(&draft.local) {
            return DraftOutcome::Known(self.name(draft.local));
        }
        self.drafts.push(draft.local);
        self.sources.insert(draft.source, draft.local);
        DraftOutcome::Added
    }

    fn commit(&mut self, draft: u8, relays: &[usize]) {
        let (local, event) = (local(draft), sealed_as(draft));
        if !self.drafts.contains(&local) || self.is_deleted(&event) {
            return;
        }
        if !self.live.contains_key(&event.id) {
            self.insert(&event);
        }
        self.drafts.retain(|kept| *kept != local);
        self.aliases.insert(local, event.id);
        for relay in relays {
            if self.forgotten.contains(&event.id) {
                continue;
            }
            let seq = self.live[&event.id].0;
            self.rows
                .entry((*relay, seq))
                .or_insert((event.id, DeliveryState::Waiting));
        }
    }

    fn enqueue(&mut self, relay: usize, id: &EventId) -> usize {
        let Some((seq, _)) = self.live.get(id).filter(|_| !self.forgotten.contains(id)) else {
            return 0;
        };
        let row = self.rows.get(&(relay, *seq)).map(|(_, state)| *state);
        if row.is_none_or(DeliveryState::is_settled) {
            self.rows.insert((relay, *seq), (*id, DeliveryState::Waiting));
            return 1;
        }
        0
    }

    fn counts(&self) -> Counts {
        let distinct = |wanted: &[DeliveryState]| {
            let rows = self.rows.values().filter(|(_, state)| wanted.contains(state));
            rows.map(|(id, _)| *id).collect::<BTreeSet<_>>().len() as u64
        };
        let drafts = self.drafts.len() as u64;
        Counts {
            items: self.live.len() as u64,
            messages: self.messages().count() as u64 + drafts,
            forgotten: self.forgotten.len() as u64,
            drafts,
            waiting: drafts
                + self.unsigned.len() as u64
                + distinct(&[DeliveryState::Waiting, DeliveryState::Sent]),
            parked: distinct(&[DeliveryState::Parked]),
            tombstones: self.deleters.len() as u64,
            keyring_copies: 0,
            unsigned: self.unsigned.len() as u64,
            event_bytes: self
                .here()
                .map(|(_, event)| serde_json::to_vec(event).unwrap().len() as u64)
                .sum(),
        }
    }

    /// The number of the author who wrote an event that is unsigned.
    fn live_author(&self, id: EventId) -> u8 {
        let (wrote, _) = self.unsigned[&id];
        (0..2).find(|number| author(*number) == wrote).unwrap()
    }

    /// The live events whose envelopes are here.
    fn here(&self) -> impl Iterator<Item = &(u64, Event)> {
        self.live
            .values()
            .filter(|(_, event)| !self.forgotten.contains(&event.id))
    }

    /// Whether this may be forgotten.
    fn may_go(&self, id: &EventId, before: u64, relays: usize) -> bool {
        let Some((seq, event)) = self.live.get(id) else {
            return false;
        };
        let settled = |(_, row): &&(usize, u64)| row == seq;
        let verified = |relay: &usize| self.standing(*relay, id) == Some(Standing::Verified);
        let left = self
            .rows
            .iter()
            .filter(|(key, _)| settled(key))
            .any(|(_, (_, state))| *state != DeliveryState::Verified);
        event.kind == Kind::from(1080)
            && !self.forgotten.contains(id)
            && event.created_at.as_secs() < before
            && !left
            && (0..relays).filter(verified).count() >= relays.min(2)
    }

    fn messages(&self) -> impl Iterator<Item = u64> {
        self.here()
            .filter(|(_, event)| event.kind == Kind::from(1080))
            .map(|(seq, _)| *seq)
    }

    fn standing(&self, relay: usize, id: &EventId) -> Option<Standing> {
        let (seq, _) = self.live.get(id)?;
        Some(match self.rows.get(&(relay, *seq)) {
            Some((_, DeliveryState::Waiting)) => Standing::Waiting,
            Some((_, DeliveryState::Sent)) => Standing::Sent,
            Some((_, DeliveryState::Verified)) => Standing::Verified,
            Some((_, DeliveryState::Accepted)) => Standing::Accepted,
            Some((_, DeliveryState::Parked)) => Standing::Parked,
            None if self.agreed.get(&relay).is_some_and(|last| last >= seq) => Standing::Verified,
            None => Standing::Unknown,
        })
    }

    fn safe(&self, relays: usize) -> u64 {
        self.verified(relays, relays.clamp(1, 2), |seq, relay| {
            matches!(self.rows.get(&(relay, seq)), Some((_, DeliveryState::Verified)))
        })
    }

    fn proven(&self, relays: usize) -> u64 {
        self.verified(relays, relays, |_, _| false)
    }

    fn verified(&self, relays: usize, on: usize, shown: impl Fn(u64, usize) -> bool) -> u64 {
        let agreed = |seq: u64, relay: usize| {
            self.agreed.get(&relay).is_some_and(|last| *last >= seq) && !self.rows.contains_key(&(relay, seq))
        };
        let verified = |seq: u64, relay: &usize| agreed(seq, *relay) || shown(seq, *relay);
        let safe = |seq: &u64| (0..relays).filter(|relay| verified(*seq, relay)).count() >= on;
        self.messages().filter(safe).count() as u64
    }
}

fn run(store: &Store, model: &mut Model, events: &[Event], step: Step) -> Result<(), TestCaseError> {
    match step {
        Step::Ingest(which) => {
            let batch: Vec<Event> = which.iter().map(|n| events[*n].clone()).collect();
            let before: BTreeSet<EventId> = model.live.keys().copied().collect();
            for event in &batch {
                model.ingest(event);
            }
            let after: BTreeSet<EventId> = model.live.keys().copied().collect();
            let ingested = store.ingest(arrivals(batch)).unwrap();
            let stored: BTreeSet<EventId> = ingested.stored.iter().copied().collect();
            prop_assert_eq!(&stored, &(&after - &before));
            prop_assert_eq!(stored.len(), ingested.stored.len());
            let deleted: BTreeSet<EventId> = ingested.deleted.into_iter().collect();
            prop_assert!(deleted.is_superset(&(&before - &after)) && deleted.is_disjoint(&after));
        }
        Step::AddDrafts(which) => {
            let draft = |(name, source): &(u8, u8)| NewDraft {
                local: local(*name),
                source: store.source_id("c", &source.to_string()),
                body: vec![*name; 3],
            };
            let drafts: Vec<NewDraft> = which.iter().map(draft).collect();
            let expected: Vec<DraftOutcome> = drafts.iter().map(|draft| model.add(draft)).collect();
            prop_assert_eq!(store.add_drafts(drafts).unwrap(), expected);
        }
        Step::RemoveDraft(draft) => {
            model.drafts.retain(|kept| *kept != local(draft));
            store.remove_drafts(&[local(draft)]).unwrap();
        }
        Step::Commit(drafts, relays) => {
            for draft in &drafts {
                model.commit(*draft, &relays);
            }
            let sealed = drafts.iter().map(|draft| SealedDraft {
                local: local(*draft),
                event: sealed_as(*draft),
                message: None,
            });
            let relays: Vec<String> = relays.iter().map(|relay| RELAYS[*relay].to_owned()).collect();
            store.commit_sealed(sealed.collect(), &relays).unwrap();
        }
        Step::Enqueue(relay, which) => {
            let ids: Vec<EventId> = which.iter().map(|n| events[*n].id).collect();
            let expected: usize = ids.iter().map(|id| model.enqueue(relay, id)).sum();
            prop_assert_eq!(store.enqueue(RELAYS[relay], &ids).unwrap(), expected);
        }
        Step::Set(relay, which, state) => {
            let id = events[which].id;
            let seq = model.live.get(&id).map_or(3, |(seq, _)| *seq);
            if model.live.contains_key(&id) && !model.forgotten.contains(&id) {
                model.rows.insert((relay, seq), (id, state));
            }
            let relay = RELAYS[relay].to_owned();
            let row = Delivery {
                relay,
                seq,
                id,
                state,
                at: 0,
                attempts: 1,
                next_try: 2,
                reason: Some("why".into()),
                absent: 0,
            };
            store.set_deliveries(vec![row]).unwrap();
        }
        Step::Agree(relay, last_seq) => {
            model.agreed.insert(relay, last_seq);
            let verified = |seq: u64, state: DeliveryState| seq <= last_seq && state.is_settled();
            model
                .rows
                .retain(|(at, seq), (_, state)| *at != relay || !verified(*seq, *state));
            let basis = Basis::Pages;
            let agreement = Agreement {
                at: 1,
                count: 2,
                fingerprint: [3; 16],
                last_seq,
                basis,
                authors: 1,
            };
            store.record_agreement(RELAYS[relay], agreement).unwrap();
        }
        Step::ForgetAgreement(relay) => {
            model.agreed.remove(&relay);
            for ((at, _), (_, state)) in &mut model.rows {
                if *at == relay && *state == DeliveryState::Verified {
                    *state = DeliveryState::Accepted;
                }
            }
            store.forget_agreement(RELAYS[relay]).unwrap();
        }
        Step::ForgetRelay(relay) => {
            model.agreed.remove(&relay);
            model.rows.retain(|(at, _), _| *at != relay);
            store.forget_relay(RELAYS[relay]).unwrap();
        }
        Step::Bury(which, drafts) => {
            let ids: Vec<EventId> = which.iter().map(|n| events[*n].id).collect();
            let drafts: Vec<LocalId> = drafts.iter().map(|draft| local(*draft)).collect();
            let names = ids.iter().map(|id| MessageRef::Event(*id));
            let names = names.chain(drafts.iter().map(|draft| MessageRef::Local(*draft)));
            let burial = |name| Burial {
                name,
                record: format!("{name:?}").into_bytes(),
            };
            let buried = store.bury(names.map(burial).collect()).unwrap();
            prop_assert_eq!(buried.last_seq, model.last_seq);
            prop_assert_eq!(buried.events, model.bury(&ids, &drafts));
        }
        Step::Sign(relays) => {
            let unsigned = store.unsigned(None, 99).unwrap();
            let mut by_author: BTreeMap<PublicKey, Vec<EventId>> = BTreeMap::new();
            for one in unsigned {
                by_author.entry(one.author).or_default().push(one.id);
            }
            let deletions: Vec<Event> = by_author
                .values()
                .map(|ids| deletion(model.live_author(ids[0]), 300 + model.last_seq, ids))
                .collect();
            let urls: Vec<String> = relays.iter().map(|relay| RELAYS[*relay].to_owned()).collect();
            let before = store.counts().unwrap().items;
            prop_assert_eq!(
                store.commit_deletions(&deletions, &urls).unwrap(),
                deletions.len()
            );
            prop_assert_eq!(store.counts().unwrap().items, before + deletions.len() as u64);
            for event in &deletions {
                model.ingest(event);
                let seq = model.live[&event.id].0;
                for relay in &relays {
                    model
                        .rows
                        .insert((*relay, seq), (event.id, DeliveryState::Waiting));
                }
            }
        }
        Step::DropBodies(which) => {
            let ids: BTreeSet<EventId> = which.iter().map(|n| events[*n].id).collect();
            let mut dropped = 0;
            for id in &ids {
                if let Some((seq, event)) = model.live.get(id).cloned()
                    && event.kind == Kind::from(1080)
                    && !model.forgotten.contains(id)
                {
                    model.live.remove(id);
                    model.rows.retain(|(_, row), _| *row != seq);
                    dropped += 1;
                }
            }
            if dropped > 0 {
                model.agreed.clear();
            }
            let ids: Vec<EventId> = ids.into_iter().collect();
            prop_assert_eq!(store.drop_bodies(&ids).unwrap(), dropped);
        }
        Step::Forget(which, before, relays) => {
            let ids: Vec<EventId> = which.iter().map(|n| events[*n].id).collect();
            let names: Vec<String> = RELAYS[..relays].iter().map(|relay| (*relay).to_owned()).collect();
            let may_go: BTreeSet<EventId> = (model.live.keys().copied())
                .filter(|id| model.may_go(id, before, relays))
                .collect();
            let mut found = Vec::new();
            let mut after = None;
            loop {
                let stretch = store.forgettable(before, &names, after, 2).unwrap();
                found.extend(stretch.ids);
                match stretch.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
            prop_assert_eq!(found.iter().copied().collect::<BTreeSet<_>>(), may_go.clone());
            prop_assert_eq!(found.len(), may_go.len());
            let gone = store.forget(&ids, before, &names).unwrap();
            let meant: BTreeSet<EventId> = ids.into_iter().filter(|id| may_go.contains(id)).collect();
            prop_assert_eq!(gone.iter().copied().collect::<BTreeSet<_>>(), meant.clone());
            prop_assert_eq!(gone.len(), meant.len());
            for id in meant {
                let seq = model.live[&id].0;
                model.rows.retain(|(_, row), _| *row != seq);
                model.forgotten.insert(id);
            }
        }
        Step::Recall(which) => {
            let ids: BTreeSet<EventId> = which.iter().map(|n| events[*n].id).collect();
            let meant: Vec<EventId> = ids.intersection(&model.forgotten).copied().collect();
            for id in &meant {
                model.live.remove(id);
                model.forgotten.remove(id);
            }
            if !meant.is_empty() {
                model.agreed.clear();
            }
            let ids: Vec<EventId> = ids.into_iter().collect();
            prop_assert_eq!(store.recall(&ids).unwrap(), meant.len());
        }
        Step::Rebuild => {
            let rebuilt = store.rebuild(&BTreeSet::new()).unwrap();
            prop_assert_eq!(rebuilt.mended, 0);
            prop_assert_eq!(rebuilt.events, model.here().count() as u64);
            // What realtime does when there are no keys.
            while let Some(last) = store.unbuilt(7).unwrap().last {
                let page = store.unbuilt(7).unwrap();
                let closed = page.events.into_iter().map(|(seq, event)| OpenedEnvelope {
                    seq,
                    event,
                    message: None,
                });
                store
                    .build(&closed.collect::<Vec<_>>(), Some(last), None)
                    .unwrap();
            }
        }
        Step::Reopen => unreachable!("done by the caller, who owns the disk"),
    }
    Ok(())
}

/// The sums on disk and those that are added up from the items answer every question alike.
fn same_views(view: &dyn View, items: &dyn View) -> Result<(), TestCaseError> {
    prop_assert_eq!(view.len(), items.len());
    for start in 0..=view.len() {
        for end in start..=view.len() {
            prop_assert_eq!(view.sum(start..end).unwrap(), items.sum(start..end).unwrap());
        }
    }
    for rank in 0..view.len() {
        let item = items.item(rank).unwrap();
        prop_assert_eq!(view.item(rank).unwrap(), item);
        prop_assert_eq!(view.lower_bound(&item).unwrap(), rank);
    }
    Ok(())
}

fn compare(store: &Store, model: &Model, events: &[Event]) -> Result<(), TestCaseError> {
    prop_assert_eq!(store.counts().unwrap(), model.counts());
    prop_assert_eq!(store.verify().unwrap(), model.here().count() as u64);
    let mut damage = Vec::new();
    store
        .examine(&mut |_| std::ops::ControlFlow::Continue(true), &mut |found| {
            damage.push(found);
        })
        .unwrap();
    prop_assert_eq!(damage, []);
    let snapshot = store.snapshot().unwrap();
    let items: BTreeSet<Item> = model.live.values().map(|(_, event)| Item::of(event)).collect();
    prop_assert!(snapshot.items().iter().eq(items.iter()));
    prop_assert_eq!(snapshot.last_seq(), model.last_seq);
    let view = store.view().unwrap();
    prop_assert_eq!(view.last_seq(), model.last_seq);
    same_views(&view, &snapshot)?;
    let by_seq: BTreeMap<u64, Event> = model.here().cloned().collect();
    let by_author = store.items_by_author([author(0), author(1)]).unwrap();
    prop_assert_eq!(by_author.values().map(Vec::len).sum::<usize>(), items.len());
    for before in [100, 150, 201] {
        let older = items.iter().filter(|item| item.created_at < before).count();
        prop_assert_eq!(store.items_before(before).unwrap(), older as u64);
    }
    let recallable = store.forgotten_from(101, None, 99).unwrap();
    let later = |id: &&EventId| model.live[*id].1.created_at.as_secs() >= 101;
    prop_assert_eq!(
        recallable.ids.into_iter().collect::<BTreeSet<_>>(),
        model
            .forgotten
            .iter()
            .filter(later)
            .copied()
            .collect::<BTreeSet<_>>()
    );
    prop_assert_eq!(
        store.events_after(0, 99).unwrap(),
        by_seq.into_iter().collect::<Vec<_>>()
    );
    for event in events {
        prop_assert_eq!(
            store.contains(&event.id).unwrap(),
            model.live.contains_key(&event.id)
        );
        let here = model.live.contains_key(&event.id) && !model.forgotten.contains(&event.id);
        prop_assert_eq!(store.event(&event.id).unwrap(), here.then(|| event.clone()));
        let author = model.live.get(&event.id).map(|(_, event)| event.pubkey);
        prop_assert_eq!(store.author_of(&event.id).unwrap().map(|one| one.author), author);
        prop_assert_eq!(
            store.is_tombstoned(&event.id).unwrap(),
            model.deleters.contains_key(&event.id)
        );
    }
    let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
    for (number, relay) in RELAYS.iter().enumerate() {
        let rows = store.deliveries(relay, 0, 99).unwrap();
        let rows: Vec<_> = rows.iter().map(|row| (row.seq, row.id, row.state)).collect();
        let expected = model
            .rows
            .range((number, 0)..(number + 1, 0))
            .map(|((_, seq), (id, state))| (*seq, *id, *state));
        let expected: Vec<_> = expected.collect();
        prop_assert_eq!(&rows, &expected);
        let open = expected
            .iter()
            .filter(|(_, _, state)| *state <= DeliveryState::Sent)
            .count();
        prop_assert_eq!(
            store.undelivered(relay).unwrap(),
            (open + model.drafts.len() + model.unsigned.len()) as u64
        );
        for (event, standings) in events
            .iter()
            .zip(store.standings(&ids, &[(*relay).to_owned()]).unwrap())
        {
            prop_assert_eq!(
                standings,
                model.standing(number, &event.id).into_iter().collect::<Vec<_>>()
            );
        }
        let relays: Vec<String> = RELAYS[..=number]
            .iter()
            .map(|relay| (*relay).to_owned())
            .collect();
        prop_assert_eq!(store.safe(&relays, &[]).unwrap(), model.safe(number + 1));
        prop_assert_eq!(store.proven(&relays).unwrap(), model.proven(number + 1));
        for (receipts, standings) in store
            .receipts(&ids, &relays)
            .unwrap()
            .iter()
            .zip(store.standings(&ids, &relays).unwrap())
        {
            let told: Vec<Standing> = receipts.iter().map(|receipt| receipt.standing).collect();
            prop_assert_eq!(told, standings);
        }
    }
    let drafts: Vec<_> = store
        .drafts(0, 99)
        .unwrap()
        .drafts
        .into_iter()
        .map(|draft| (draft.local, draft.body))
        .collect();
    let body = |local: &LocalId| (*local, vec![local.as_bytes()[0]; 3]);
    prop_assert_eq!(drafts, model.drafts.iter().map(body).collect::<Vec<_>>());
    let unsigned = store.unsigned(None, 99).unwrap();
    let unsigned: BTreeMap<_, _> = unsigned
        .iter()
        .map(|one| (one.id, (one.author, one.created_at)))
        .collect();
    prop_assert_eq!(&unsigned, &model.unsigned);
    let mut tombstones = Vec::new();
    while let Some(one) = store.tombstones(tombstones.last().copied(), 1).unwrap().first() {
        tombstones.push(one.0);
    }
    prop_assert!(tombstones.iter().eq(model.deleters.keys()));
    let gone = store.draft_tombstones().unwrap();
    prop_assert!(
        gone.iter()
            .map(|(local, _)| *local)
            .eq(model.drafts_deleted.iter().copied())
    );
    for draft in 0..DRAFTS {
        let alias = model.aliases.get(&local(draft)).copied();
        prop_assert_eq!(store.resolve(&local(draft)).unwrap(), alias);
        prop_assert_eq!(
            store.local_of(&sealed_as(draft).id).unwrap(),
            alias.map(|_| local(draft))
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_store_agrees_with_the_model(steps in prop::collection::vec(step(), 1..40)) {
        let events = universe();
        prop_assert_eq!(events[0].pubkey, author(0));
        let disk = MemoryDisk::new();
        let mut store = open(&disk);
        let mut model = Model::default();
        for step in steps {
            if matches!(step, Step::Reopen) {
                drop(store);
                store = open(&disk);
            } else {
                run(&store, &mut model, &events, step)?;
            }
            compare(&store, &model, &events)?;
        }
    }
}
