//! Where the embedded relay keeps its events.

use std::path::Path;
use std::sync::Arc;

use nostr_lmdb::NostrLMDB;
use nostr_relay_builder::prelude::{
    Backend, BoxedFuture, DatabaseError, DatabaseEventStatus, Event, EventId, Events, Filter,
    MatchEventOptions, MemoryDatabase, MemoryDatabaseOptions, NostrDatabase, SaveEventStatus, Timestamp,
};

use crate::LabError;

/// Events that stay in memory; the oldest go beyond that. Twice what the largest benchmark holds.
const EVENTS_MAX: usize = 2_000_000;

/// Opens LMDB in `data`, or a database in memory without it.
pub(crate) fn open(data: Option<&Path>) -> Result<Arc<dyn NostrDatabase>, LabError> {
    let Some(path) = data else {
        return Ok(Arc::new(IndexedMemory::new()));
    };
    let lmdb = NostrLMDB::open(path).map_err(|error| LabError::Open {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    Ok(Arc::new(lmdb))
}

/// The crate's memory database, asked so that it uses its indexes.
///
/// By itself it scans every event for a filter with ids, and for one with more than one kind or author, which is
/// each filter we send. Here ids are looked up one by one, and every (kind, author) is a query of its own: asking for
/// 100 ids costs the same among 10,000 and 50,000 events (a debug build took 5 ms, and 8 and 32 ms by scanning).
#[derive(Debug)]
struct IndexedMemory(MemoryDatabase);

impl IndexedMemory {
    fn new() -> Self {
        Self(MemoryDatabase::with_opts(MemoryDatabaseOptions {
            events: true,
            max_events: Some(EVENTS_MAX),
        }))
    }
}

/// One filter for each kind and author of `filter`; nothing when it asks for something else.
fn by_kind_and_author(filter: &Filter) -> Option<Vec<Filter>> {
    let (kinds, authors) = (filter.kinds.as_ref()?, filter.authors.as_ref()?);
    if filter.ids.is_some() || filter.search.is_some() || !filter.generic_tags.is_empty() {
        return None;
    }
    let one = |kind, author| Filter {
        kinds: Some([kind].into()),
        authors: Some([author].into()),
        since: filter.since,
        until: filter.until,
        limit: filter.limit,
        ..Filter::default()
    };
    Some(
        kinds
            .iter()
            .flat_map(|kind| authors.iter().map(move |author| one(*kind, *author)))
            .collect(),
    )
}

impl NostrDatabase for IndexedMemory {
    fn backend(&self) -> Backend {
        self.0.backend()
    }

    fn save_event<'a>(&'a self, event: &'a Event) -> BoxedFuture<'a, Result<SaveEventStatus, DatabaseError>> {
        self.0.save_event(event)
    }

    fn check_id<'a>(
        &'a self,
        event_id: &'a EventId,
    ) -> BoxedFuture<'a, Result<DatabaseEventStatus, DatabaseError>> {
        self.0.check_id(event_id)
    }

    fn event_by_id<'a>(
        &'a self,
        event_id: &'a EventId,
    ) -> BoxedFuture<'a, Result<Option<Event>, DatabaseError>> {
        self.0.event_by_id(event_id)
    }

    fn count(&self, filter: Filter) -> BoxedFuture<'_, Result<usize, DatabaseError>> {
        self.0.count(filter)
    }

    fn query(&self, filter: Filter) -> BoxedFuture<'_, Result<Events, DatabaseError>> {
        Box::pin(async move {
            let mut found = Events::new(&filter);
            if let Some(ids) = &filter.ids {
                for id in ids {
                    let event = self.0.event_by_id(id).await?;
                    let wanted = |event: &Event| filter.match_event(event, MatchEventOptions::new());
                    found.extend(event.filter(wanted));
                }
            } else if let Some(filters) = by_kind_and_author(&filter) {
                for filter in filters {
                    found.extend(self.0.query(filter).await?);
                }
            } else {
                return self.0.query(filter).await;
            }
            Ok(found)
        })
    }

    fn negentropy_items(
        &self,
        filter: Filter,
    ) -> BoxedFuture<'_, Result<Vec<(EventId, Timestamp)>, DatabaseError>> {
        Box::pin(async move {
            match by_kind_and_author(&filter) {
                // A limit cuts the union, not each part, so that rare case goes the slow way.
                Some(filters) if filter.limit.is_none() => {
                    let mut items = Vec::new();
                    for filter in filters {
                        items.extend(self.0.negentropy_items(filter).await?);
                    }
                    Ok(items)
                }
                _ => self.0.negentropy_items(filter).await,
            }
        })
    }

    fn delete(&self, filter: Filter) -> BoxedFuture<'_, Result<(), DatabaseError>> {
        self.0.delete(filter)
    }

    fn wipe(&self) -> BoxedFuture<'_, Result<(), DatabaseError>> {
        self.0.wipe()
    }
}
