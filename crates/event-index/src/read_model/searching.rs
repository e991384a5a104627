//! Looking for words in every message.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use chat_model::{MessageId, Role, Wanted};

use super::conversation::Reader;
use super::place::Place;
use crate::tables::{DRAFTS, MESSAGES};
use crate::{IndexError, Store};

/// The most messages one search finds: more are no answer to a person.
pub const SEARCH_MAX: usize = 1000;

/// Rows read in one transaction. One that is held for long makes the file grow.
const PAGE: usize = 2000;

/// A message with the words somebody looked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// When it was said, Unix seconds.
    pub created_at: u64,
    /// The id of the copy that was found.
    pub id: MessageId,
    /// Its conversation.
    pub conversation: String,
}

impl Store {
    /// The `max` newest messages that have the words, newest first, by when they were said. Notes are passed over. Copies
    /// and pieces are found one by one. `go_on` is asked between pages; when it says no, what was found so far is
    /// returned. Cost: some microseconds for each message there is; memory for `max` hits.
    pub fn search(
        &self,
        wanted: &Wanted,
        max: usize,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Vec<Hit>, IndexError> {
        let mut hits = BTreeSet::new();
        let mut before = u64::MAX;
        while go_on() {
            let (places, last) = self.places_before(before)?;
            let Some(last) = last else { break };
            before = last;
            let reader = Reader::new(self)?;
            for place in places {
                let Some(row) = reader.row(place)? else { continue };
                if row.message.role == Role::System || wanted.find(&row.message.content).is_none() {
                    continue;
                }
                hits.insert(Reverse(Hit {
                    created_at: row.message.created_at,
                    id: row.id,
                    conversation: row.message.conversation,
                }));
                if hits.len() > max {
                    hits.pop_last();
                }
            }
        }
        Ok(hits.into_iter().map(|Reverse(hit)| hit).collect())
    }

    /// A page of places before this key, the last first, and the key of its end.
    fn places_before(&self, before: u64) -> Result<(Vec<Place>, Option<u64>), IndexError> {
        let transaction = self.read()?;
        let mut places = Vec::new();
        if let Place::Draft(number) = Place::from_key(before) {
            for row in transaction.open_table(DRAFTS)?.range(..number)?.rev().take(PAGE) {
                places.push(Place::Draft(row?.0.value()));
            }
        }
        let first = match Place::from_key(before) {
            Place::Event(seq) => seq,
            Place::Draft(_) => u64::MAX,
        };
        let left = PAGE - places.len();
        for row in transaction.open_table(MESSAGES)?.range(..first)?.rev().take(left) {
            places.push(Place::Event(row?.0.value()));
        }
        let last = places.last().map(|place| place.key());
        Ok((places, last))
    }
}
