//! The list of conversations in memory, and what of it is not on disk yet.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use chat_model::ConversationSummary;
use event_index::{ConversationTag, IndexError, Stale, Store, SummaryRow};

/// One line for each conversation, newest activity first.
#[derive(Debug, Default)]
pub(crate) struct List {
    /// What is on disk was read.
    read: bool,
    lines: BTreeMap<ConversationTag, ConversationSummary>,
    by_activity: BTreeSet<(Reverse<u64>, String, ConversationTag)>,
    /// The change up to which a line that is behind on disk was made.
    made: BTreeMap<ConversationTag, u64>,
    /// Lines that are newer than those on disk.
    unkept: BTreeMap<ConversationTag, SummaryRow>,
}

impl List {
    /// Reads what is on disk, once.
    pub(crate) fn load(&mut self, store: &Store) -> Result<(), IndexError> {
        if self.read {
            return Ok(());
        }
        for (tag, summary) in store.summaries()? {
            // A line that was made since is newer.
            if !self.made.contains_key(&tag) {
                self.set(tag, Some(summary));
            }
        }
        self.read = true;
        Ok(())
    }

    /// What of these is behind in memory too.
    pub(crate) fn behind(&mut self, stale: Vec<Stale>) -> Vec<Stale> {
        if stale.is_empty() {
            self.made.clear();
            return stale;
        }
        stale
            .into_iter()
            .filter(|stale| self.made.get(&stale.tag) != Some(&stale.turn))
            .collect()
    }

    /// Takes a line that was made anew. Returns it when it differs from the one before.
    pub(crate) fn make(
        &mut self,
        stale: Stale,
        summary: Option<ConversationSummary>,
        row: SummaryRow,
    ) -> Option<ConversationSummary> {
        self.made.insert(stale.tag, stale.turn);
        self.unkept.insert(stale.tag, row);
        let before = self.set(stale.tag, summary.clone());
        if before == summary {
            return None;
        }
        // One that is gone says so: one with nothing but notes has no messages either, and a time.
        summary.or_else(|| {
            before.map(|before| ConversationSummary {
                messages: 0,
                unread: 0,
                updated_at: 0,
                ..before
            })
        })
    }

    /// Lines to be kept on disk; at most `max`, the others stay.
    pub(crate) fn take_unkept(&mut self, max: usize) -> Vec<SummaryRow> {
        let mut taken = Vec::new();
        while taken.len() < max
            && let Some((_, row)) = self.unkept.pop_first()
        {
            taken.push(row);
        }
        taken
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.unkept.is_empty()
    }

    fn set(
        &mut self,
        tag: ConversationTag,
        summary: Option<ConversationSummary>,
    ) -> Option<ConversationSummary> {
        let key = |line: &ConversationSummary| (Reverse(line.updated_at), line.id.clone(), tag);
        let before = self.lines.remove(&tag);
        if let Some(before) = &before {
            self.by_activity.remove(&key(before));
        }
        if let Some(summary) = summary {
            self.by_activity.insert(key(&summary));
            self.lines.insert(tag, summary);
        }
        before
    }

    /// Newest activity first; equally new ones by id.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &ConversationSummary> + Clone {
        self.by_activity
            .iter()
            .filter_map(|(_, _, tag)| self.lines.get(tag))
    }

    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }
}
