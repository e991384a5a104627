//! The events a relay in memory holds, newest first, and what was deleted.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nostr::event::{Event, EventId, Kind};
use nostr::filter::{Filter, MatchEventOptions};
use nostr::key::PublicKey;
use nostr::types::Timestamp;

/// Newest first, and among equals the lowest id first (NIP-01).
type Place = (Reverse<Timestamp>, EventId);

/// An event and its JSON, written once.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) event: Event,
    pub(super) json: String,
}

impl Held {
    pub(super) fn new(event: Event) -> Arc<Self> {
        Arc::new(Self {
            json: event.as_json(),
            event,
        })
    }

    /// Whether any of `filters` asks for it, their limits aside.
    pub(super) fn matches(&self, filters: &[Filter]) -> bool {
        filters
            .iter()
            .any(|filter| filter.match_event(&self.event, MatchEventOptions::new()))
    }

    fn place(&self) -> Place {
        (Reverse(self.event.created_at), self.event.id)
    }
}

/// What became of an event that was offered.
#[derive(Debug)]
pub(super) enum Taken {
    New(Arc<Held>),
    Duplicate,
    Deleted,
}

/// Regular events only: a kind that NIP-01 calls replaceable is kept like any other.
#[derive(Debug, Default)]
pub(super) struct Store {
    ids: BTreeMap<EventId, Arc<Held>>,
    places: BTreeMap<Place, Arc<Held>>,
    /// Deleted ids with who deleted them; an id named by a stranger stays welcome.
    deleted: BTreeSet<(EventId, PublicKey)>,
    /// Deletions are kept and not carried out.
    pub(super) keeps_deleted: bool,
}

impl Store {
    /// Takes an event. One of kind 5 removes what it names by `e` tag of the same author, now and for ever (NIP-09).
    pub(super) fn insert(&mut self, event: Event) -> Taken {
        if self.ids.contains_key(&event.id) {
            return Taken::Duplicate;
        }
        if self.deleted.contains(&(event.id, event.pubkey)) {
            return Taken::Deleted;
        }
        if event.kind == Kind::EventDeletion && !self.keeps_deleted {
            self.delete_named_by(&event);
        }
        let held = Held::new(event);
        self.ids.insert(held.event.id, Arc::clone(&held));
        self.places.insert(held.place(), Arc::clone(&held));
        Taken::New(held)
    }

    fn delete_named_by(&mut self, deletion: &Event) {
        for tag in deletion.tags.iter() {
            let ["e", id, ..] = tag.as_slice().iter().map(String::as_str).collect::<Vec<_>>()[..] else {
                continue;
            };
            let Ok(id) = EventId::from_hex(id) else { continue };
            let target = self.ids.get(&id);
            // A deletion cannot be deleted (NIP-09).
            if target.is_some_and(|held| held.event.kind == Kind::EventDeletion) {
                continue;
            }
            self.deleted.insert((id, deletion.pubkey));
            if target.is_some_and(|held| held.event.pubkey == deletion.pubkey) {
                self.remove(&id);
            }
        }
    }

    /// Forgets an event as a relay that prunes does: it may come back.
    pub(super) fn remove(&mut self, id: &EventId) -> bool {
        let Some(held) = self.ids.remove(id) else {
            return false;
        };
        self.places.remove(&held.place());
        true
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Every event, newest first.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Held>> {
        self.places.values()
    }

    /// What any of `filters` asks for, newest first: at most its limit, and at most `page_max`, for each.
    pub(super) fn query(&self, filters: &[Filter], page_max: usize) -> Vec<Arc<Held>> {
        let mut found = BTreeMap::new();
        for filter in filters {
            let limit = filter.limit.unwrap_or(page_max).min(page_max);
            found.extend(
                self.matching(filter)
                    .take(limit)
                    .map(|held| (held.place(), Arc::clone(held))),
            );
        }
        found.into_values().collect()
    }

    /// What one filter asks for, newest first; its limit counts here too, as it does at strfry.
    pub(super) fn items(&self, filter: &Filter) -> Vec<(Timestamp, EventId)> {
        let limit = filter.limit.unwrap_or(usize::MAX);
        self.matching(filter)
            .take(limit)
            .map(|held| (held.event.created_at, held.event.id))
            .collect()
    }

    fn matching<'a>(&'a self, filter: &'a Filter) -> Box<dyn Iterator<Item = &'a Arc<Held>> + 'a> {
        let wanted = |held: &&Arc<Held>| held.matches(std::slice::from_ref(filter));
        if let Some(ids) = &filter.ids {
            let found: BTreeMap<Place, &Arc<Held>> = ids
                .iter()
                .filter_map(|id| self.ids.get(id))
                .map(|held| (held.place(), held))
                .collect();
            return Box::new(found.into_values().filter(wanted));
        }
        let newest = filter.until.map_or(Reverse(Timestamp::from(u64::MAX)), Reverse);
        let from = (newest, EventId::from_byte_array([0; 32]));
        let since = filter.since.unwrap_or_default();
        let in_time = self.places.range(from..).map(|(_, held)| held);
        Box::new(
            in_time
                .take_while(move |held| held.event.created_at >= since)
                .filter(wanted),
        )
    }
}
