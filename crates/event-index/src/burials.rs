//! What a person deletes on this device: gone and remembered in one transaction, signed for the relays afterwards.
//!
//! Between the two a crash may fall: a buried id stays [`Unsigned`] until a kind 5 among the items names it.

use nostr::event::{Event, EventId, Kind};
use nostr::key::PublicKey;
use redb::ReadableTable;

use crate::delivery_rows::Row;
use crate::event_json::encode_event;
use crate::sources::MessageRef;
use crate::tables::{ENVELOPES, OTHERS, UNSIGNED};
use crate::writer::Writer;
use crate::{DeliveryState, IndexError, Ingested, LocalId, Store};

/// A message to delete, by one of its names.
#[derive(Clone, PartialEq, Eq)]
pub struct Burial {
    /// The name.
    pub name: MessageRef,
    /// What to remember of it, as the caller writes it. Sealed by the store.
    pub record: Vec<u8>,
}

impl std::fmt::Debug for Burial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Burial")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What [`Store::bury`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Buried {
    /// Events that were held, or forgotten, until now. Each is unsigned.
    pub events: Vec<EventId>,
    /// Drafts that were there until now.
    pub drafts: Vec<LocalId>,
    /// The last sequence number given out so far: the kind 5s of these have higher ones.
    pub last_seq: u64,
}

/// An event that was deleted here, and that no kind 5 names yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unsigned {
    /// Its id.
    pub id: EventId,
    /// Who wrote it, and alone can take it back.
    pub author: PublicKey,
    /// When it was sealed, Unix seconds.
    pub created_at: u64,
}

impl Store {
    /// Deletes messages for good, in one transaction: events leave the items and get a tombstone, their deliveries go,
    /// drafts go; replies and late copies find what is remembered. A draft that was sealed meanwhile is deleted as the
    /// event it became. Names that are nowhere, and events of kind 5, are passed over; so is an event whose envelope is
    /// damaged, because nothing says whose it was.
    pub fn bury(&self, burials: Vec<Burial>) -> Result<Buried, IndexError> {
        self.write(|writer| {
            let mut buried = Buried {
                last_seq: writer.counted().seq,
                ..Buried::default()
            };
            let mut changed = false;
            for Burial { name, record } in &burials {
                let name = match name {
                    MessageRef::Local(local) => writer.current_name(*local)?,
                    event @ MessageRef::Event(_) => *event,
                };
                match name {
                    MessageRef::Local(local) if writer.take_draft(local, false)? => {
                        writer.keep_draft_tombstone(local, record)?;
                        buried.drafts.push(local);
                    }
                    MessageRef::Local(_) => {}
                    MessageRef::Event(id) if writer.bury_event(&id)? => {
                        writer.keep_record(&id, record)?;
                        buried.events.push(id);
                    }
                    // Deleted before by somebody who did not know what was in it.
                    MessageRef::Event(id) => {
                        let deleted = writer.tombstones.get(id.as_bytes())?.is_some();
                        changed |= deleted && writer.keep_record(&id, record)?;
                    }
                }
            }
            if !changed && buried.events.is_empty() && buried.drafts.is_empty() {
                writer.nothing_changed();
            }
            Ok(buried)
        })
    }

    /// The first `max` unsigned ids after this one, in the order of ids.
    pub fn unsigned(&self, after: Option<EventId>, max: usize) -> Result<Vec<Unsigned>, IndexError> {
        let table = self.read()?.open_table(UNSIGNED)?;
        let first = after.map_or([0; 32], EventId::to_bytes);
        let mut found = Vec::new();
        for row in table.range::<&[u8; 32]>(&first..)? {
            let (id, value) = row?;
            let id = EventId::from_byte_array(*id.value());
            if Some(id) == after {
                continue;
            }
            if found.len() == max {
                break;
            }
            let (author, created_at) = decode(value.value());
            found.push(Unsigned {
                id,
                author,
                created_at,
            });
        }
        Ok(found)
    }

    /// Keeps deletions of what was buried, in one transaction: each becomes an item with a waiting delivery per relay,
    /// and what it names is not unsigned any more. Returns how many were not held before.
    pub fn commit_deletions(&self, deletions: &[Event], relays: &[String]) -> Result<usize, IndexError> {
        self.write(|writer| {
            let relays = self.retired.without(relays);
            let tags: Vec<_> = relays.iter().map(|relay| writer.keys.relay_tag(relay)).collect();
            let mut ingested = Ingested::default();
            for deletion in deletions {
                writer.ingest_one(deletion, encode_event(deletion), None, &mut ingested)?;
                let Some(seq) = writer.seq_of(&deletion.id)? else {
                    continue;
                };
                for tag in &tags {
                    if writer.delivery(tag, seq)?.is_none() {
                        writer.put_delivery(tag, seq, &Row::new(deletion.id, DeliveryState::Waiting))?;
                    }
                }
            }
            Ok(ingested.stored.len())
        })
    }

    /// The events of kind 5 with a sequence number above `seq`, in order. Cost: a lookup per deletion that is held.
    pub fn deletions_after(&self, seq: u64) -> Result<Vec<EventId>, IndexError> {
        let transaction = self.read()?;
        let envelopes = transaction.open_table(ENVELOPES)?;
        let mut found = Vec::new();
        for row in transaction.open_table(OTHERS)?.range(seq.saturating_add(1)..)? {
            let (seq, kind) = row?;
            if kind.value() != Kind::EventDeletion.as_u16() {
                continue;
            }
            let bytes = envelopes.get(seq.value())?;
            let bytes = bytes.as_ref().map(redb::AccessGuard::value);
            found.push(crate::envelopes::decode_event(seq.value(), None, bytes)?.id);
        }
        Ok(found)
    }

    /// Drops messages that relays have, in one transaction, without a tombstone: the next comparison names them as
    /// missing here, and they are fetched again. What relays agreed on is forgotten with them, because this device does
    /// not hold it any more. Returns how many were held.
    pub fn drop_bodies(&self, ids: &[EventId]) -> Result<usize, IndexError> {
        self.write(|writer| {
            let mut dropped = 0;
            for id in ids {
                let Some(seq) = writer.held_seq(id)? else { continue };
                let event = writer.held(id, seq)?;
                if event.kind == Kind::EventDeletion {
                    continue;
                }
                writer.remove_event(&event, seq)?;
                dropped += 1;
            }
            if dropped == 0 {
                writer.nothing_changed();
            } else {
                writer.agreements.retain(|_, _| false)?;
            }
            Ok(dropped)
        })
    }
}

fn decode(value: &[u8; 40]) -> (PublicKey, u64) {
    let (mut author, mut created_at) = ([0; 32], [0; 8]);
    author.copy_from_slice(&value[..32]);
    created_at.copy_from_slice(&value[32..]);
    (PublicKey::from_byte_array(author), u64::from_le_bytes(created_at))
}

impl Writer<'_> {
    /// Whether the event was held or forgotten, and is buried now.
    fn bury_event(&mut self, id: &EventId) -> Result<bool, IndexError> {
        if let Some((seq, forgotten)) = self.forgotten_by(id)? {
            self.remove_forgotten(seq, &forgotten)?;
            self.buried(id, &forgotten.author, forgotten.item.created_at)?;
            return Ok(true);
        }
        let Some(seq) = self.seq_of(id)? else {
            return Ok(false);
        };
        let event = match self.held(id, seq) {
            Ok(event) => event,
            Err(IndexError::Corrupt { what, .. }) => {
                tracing::error!(what, "it can't be deleted: nothing says whose it was");
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        if event.kind == Kind::EventDeletion {
            return Ok(false);
        }
        self.remove_event(&event, seq)?;
        self.buried(id, &event.pubkey, event.created_at.as_secs())?;
        Ok(true)
    }

    fn buried(&mut self, id: &EventId, author: &PublicKey, created_at: u64) -> Result<(), IndexError> {
        self.tombstone_times.insert(id.as_bytes(), created_at)?;
        self.add_tombstone(id, author)?;
        let mut value = [0; 40];
        value[..32].copy_from_slice(&author.to_bytes());
        value[32..].copy_from_slice(&created_at.to_le_bytes());
        self.unsigned.insert(id.as_bytes(), &value)?;
        Ok(())
    }

    /// A kind 5 of `author` names the id: nobody else's would be heeded.
    pub(crate) fn signed(&mut self, id: &EventId, author: &PublicKey) -> Result<(), IndexError> {
        let theirs = self
            .unsigned
            .get(id.as_bytes())?
            .is_some_and(|value| decode(value.value()).0 == *author);
        if theirs {
            self.unsigned.remove(id.as_bytes())?;
        }
        Ok(())
    }
}
