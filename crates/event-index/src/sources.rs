//! Where messages came from, so that importing twice makes no second copy and brings nothing deleted back.

use nostr::event::{Event, EventId};
use redb::ReadableTable;

use crate::tables::{Blob, Bytes16, Bytes32, OLD_SOURCES, SOURCES};
use crate::writer::Writer;
use crate::{IndexError, Item, LocalId, SourceId, Store};

/// A message by the name it has: a local id until it is sealed, its event id from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MessageRef {
    /// Composed on this device and not sealed.
    Local(LocalId),
    /// Sealed, here or elsewhere; it may have been deleted since.
    Event(EventId),
}

impl MessageRef {
    fn encode(self) -> Vec<u8> {
        match self {
            Self::Local(id) => [&[0], &id.as_bytes()[..]].concat(),
            Self::Event(id) => [&[1], &id.as_bytes()[..]].concat(),
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (tag, id) = bytes.split_first()?;
        match tag {
            0 => Some(Self::Local(LocalId::from_bytes(id.try_into().ok()?))),
            1 => Some(Self::Event(EventId::from_byte_array(id.try_into().ok()?))),
            _ => None,
        }
    }
}

impl Store {
    /// Whether a message from each of these sources is or was here, in the same order: whether taking it in would add
    /// nothing. Cost: a lookup each.
    pub fn known_sources(&self, sources: &[SourceId]) -> Result<Vec<bool>, IndexError> {
        let transaction = self.read()?;
        let (table, old) = (
            transaction.open_table(SOURCES)?,
            transaction.open_table(OLD_SOURCES)?,
        );
        let known = sources
            .iter()
            .map(|source| Ok(row(&table, &old, source)?.is_some()));
        known.collect()
    }

    /// Remembers which events carry which sources, once somebody has opened them. One transaction.
    pub fn record_sources(&self, sources: Vec<(SourceId, EventId)>) -> Result<(), IndexError> {
        self.write(|writer| {
            let mut changed = false;
            for (source, id) in sources {
                if let Some(seq) = writer.held_seq(&id)? {
                    let event = writer.held(&id, seq)?;
                    changed |= writer.record_source(source, &event)?;
                }
            }
            if !changed {
                writer.nothing_changed();
            }
            Ok(())
        })
    }
}

impl Writer<'_> {
    /// The message that came from `source`, if any did.
    pub(crate) fn message_from(&self, source: SourceId) -> Result<Option<MessageRef>, IndexError> {
        match row(&self.sources, &self.old_sources, &source)? {
            Some(MessageRef::Local(local)) => Ok(Some(self.current_name(local)?)),
            known => Ok(known),
        }
    }

    /// The event id when `local` was sealed, itself otherwise.
    pub(crate) fn current_name(&self, local: LocalId) -> Result<MessageRef, IndexError> {
        let alias = self.aliases.get(local.as_bytes())?;
        Ok(alias.map_or(MessageRef::Local(local), |id| {
            MessageRef::Event(EventId::from_byte_array(*id.value()))
        }))
    }

    pub(crate) fn set_source(&mut self, source: SourceId, message: MessageRef) -> Result<(), IndexError> {
        self.sources.insert(source.key(), message.encode().as_slice())?;
        Ok(())
    }

    /// Remembers that `event` came from `source`. Of several events the lowest (outer time, id) is the message, the
    /// others are aliases (DESIGN 3). Returns whether anything was written.
    pub(crate) fn record_source(&mut self, source: SourceId, event: &Event) -> Result<bool, IndexError> {
        match self.message_from(source)? {
            None => {}
            // Still a draft: it becomes an event of its own later, which this one may then turn out to be an alias of.
            Some(MessageRef::Local(_)) => return Ok(false),
            Some(MessageRef::Event(known)) => {
                // A deleted message keeps its source, and a deleted duplicate does not take one over.
                let (Some(seq), Some(_)) = (self.seq_of(&known)?, self.seq_of(&event.id)?) else {
                    return Ok(false);
                };
                let known = match self.forgotten_as(seq)? {
                    Some(forgotten) => forgotten.item,
                    None => Item::of(&self.held(&known, seq)?),
                };
                if known <= Item::of(event) {
                    return Ok(false);
                }
            }
        }
        self.set_source(source, MessageRef::Event(event.id))?;
        Ok(true)
    }
}

/// What came from `source`, by the name it had then. Cost: a lookup, and another one for what is unknown in a file that
/// an earlier program wrote.
fn row(
    table: &impl ReadableTable<(Bytes16, Bytes16), Blob>,
    old: &impl ReadableTable<Bytes32, Blob>,
    source: &SourceId,
) -> Result<Option<MessageRef>, IndexError> {
    let (found, name) = match table.get(source.key())? {
        Some(found) => (Some(found), "a row of sources-2"),
        None if old.is_empty()? => (None, ""),
        None => (old.get(&source.hash)?, "a row of sources-1"),
    };
    let read = |found: redb::AccessGuard<'_, Blob>| {
        MessageRef::decode(found.value()).ok_or_else(|| IndexError::corrupt(name))
    };
    found.map(read).transpose()
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;
    use crate::{DraftOutcome, NewDraft, Storage, StoreKey};

    fn store() -> Store {
        let memory = Storage::Backend(Box::new(InMemoryBackend::new()));
        Store::open(memory, &StoreKey::from_bytes([1; 32])).unwrap()
    }

    fn import(store: &Store, source: SourceId) -> DraftOutcome {
        let draft = NewDraft {
            local: LocalId::from_bytes([7; 16]),
            source,
            body: b"{}".to_vec(),
        };
        store.add_drafts(vec![draft]).unwrap().remove(0)
    }

    #[test]
    fn what_an_earlier_program_imported_is_not_imported_again() {
        let store = store();
        let [source, other] = ["1", "2"].map(|src| store.source_id("talk", src));
        let deleted = MessageRef::Event(EventId::from_byte_array([9; 32]));
        store
            .write(|writer| {
                writer
                    .old_sources
                    .insert(&source.hash, deleted.encode().as_slice())?;
                Ok(())
            })
            .unwrap();
        assert_eq!(store.known_sources(&[source, other]).unwrap(), [true, false]);
        assert_eq!(import(&store, source), DraftOutcome::Known(deleted));
        assert_eq!(import(&store, other), DraftOutcome::Added);
        assert_eq!(store.known_sources(&[source, other]).unwrap(), [true, true]);
    }

    #[test]
    fn equal_sources_of_two_conversations_are_two() {
        let store = store();
        let [here, there] = ["here", "there"].map(|conversation| store.source_id(conversation, "1"));
        assert_eq!(import(&store, here), DraftOutcome::Added);
        assert_eq!(store.known_sources(&[here, there]).unwrap(), [true, false]);
    }
}
