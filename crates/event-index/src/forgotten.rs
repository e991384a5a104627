//! What stays of a message whose envelope is not kept here any more: its place among the items, so that comparisons find
//! nothing missing, and what it replied to, so that its replies find theirs.

use std::collections::BTreeMap;

use chat_model::{MessageId, Parent, Tombstone};
use nostr::event::{Event, EventId};
use nostr::key::PublicKey;
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata};

use crate::absent::{from_bytes, to_bytes};
use crate::read_model::kept_message;
use crate::sealing::Keys;
use crate::tables::{Blob, Bytes16, Bytes32, ENVELOPES, FORGOTTEN, FORGOTTEN_OF, IDS, ITEMS, TITLES};
use crate::writer::Writer;
use crate::{IndexError, Item};

const TABLE: &str = "forgotten-1";
const TITLE: &str = "titles-1";

/// Forgotten messages that replies are looked through, at most. What lies further up is forgotten as well, as a rule.
const STEPS_MAX: usize = 1_000;

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forgotten {
    pub(crate) item: Item,
    pub(crate) author: PublicKey,
    /// What is remembered of it; empty for a message that was never opened.
    sealed: Vec<u8>,
}

impl Forgotten {
    pub(crate) fn decode(seq: u64, bytes: &[u8]) -> Result<Self, IndexError> {
        let damaged = || IndexError::corrupt(format!("{TABLE} {seq}"));
        let (item, rest) = bytes.split_first_chunk().ok_or_else(damaged)?;
        let (author, sealed) = rest.split_first_chunk().ok_or_else(damaged)?;
        Ok(Self {
            item: from_bytes(item),
            author: PublicKey::from_byte_array(*author),
            sealed: sealed.to_vec(),
        })
    }

    fn encode(&self) -> Vec<u8> {
        [&to_bytes(&self.item)[..], &self.author.to_bytes(), &self.sealed].concat()
    }

    /// What is remembered of the message.
    pub(crate) fn tombstone(&self, keys: &Keys, seq: u64) -> Result<Option<Tombstone>, IndexError> {
        if self.sealed.is_empty() {
            return Ok(None);
        }
        let plain = keys.open(TABLE, &seq.to_be_bytes(), &self.sealed)?;
        let tombstone = Tombstone::from_record(&plain);
        tombstone
            .map(Some)
            .ok_or_else(|| IndexError::corrupt(format!("{TABLE} {seq}")))
    }
}

/// Reads what stays, for whoever shows conversations.
pub(crate) struct ForgottenReader {
    ids: ReadOnlyTable<Bytes32, u64>,
    rows: ReadOnlyTable<u64, Blob>,
    titles: ReadOnlyTable<Bytes16, Blob>,
}

impl ForgottenReader {
    pub(crate) fn new(transaction: &ReadTransaction) -> Result<Self, IndexError> {
        Ok(Self {
            ids: transaction.open_table(IDS)?,
            rows: transaction.open_table(FORGOTTEN)?,
            titles: transaction.open_table(TITLES)?,
        })
    }

    fn tombstone(&self, keys: &Keys, id: &[u8; 32]) -> Result<Option<Tombstone>, IndexError> {
        let Some(seq) = self.ids.get(id)?.map(|seq| seq.value()) else {
            return Ok(None);
        };
        let Some(bytes) = self.rows.get(seq)? else {
            return Ok(None);
        };
        let read = Forgotten::decode(seq, bytes.value()).and_then(|row| row.tombstone(keys, seq));
        read.or_else(|error| {
            tracing::error!(%error, "replies to a forgotten message are placed by their order");
            Ok(None)
        })
    }

    /// This message and those above it, as far as they are forgotten.
    pub(crate) fn above(
        &self,
        keys: &Keys,
        id: &MessageId,
    ) -> Result<Vec<(MessageId, Tombstone)>, IndexError> {
        let mut found: Vec<(MessageId, Tombstone)> = Vec::new();
        if self.rows.is_empty()? {
            return Ok(found);
        }
        let mut next = Parent::Message(*id);
        while let Parent::Message(MessageId::Event(bytes)) = next {
            let Some(mut tombstone) = self.tombstone(keys, &bytes)? else {
                break;
            };
            if found.len() + 1 == STEPS_MAX {
                tombstone.parent = Parent::Top;
            }
            next = tombstone.parent.clone();
            found.push((MessageId::Event(bytes), tombstone));
        }
        Ok(found)
    }

    /// What a conversation was called before its first messages were forgotten.
    pub(crate) fn title(&self, keys: &Keys, tag: &[u8; 16]) -> Result<Option<String>, IndexError> {
        let Some(sealed) = self.titles.get(tag)? else {
            return Ok(None);
        };
        match keys.open(TITLE, tag, sealed.value()) {
            Ok(plain) => Ok(String::from_utf8(plain.to_vec()).ok()),
            Err(error) => {
                tracing::error!(%error, "the title of a conversation is lost");
                Ok(None)
            }
        }
    }
}

impl Writer<'_> {
    /// The sequence number of an item whose envelope is here.
    pub(crate) fn held_seq(&self, id: &EventId) -> Result<Option<u64>, IndexError> {
        let Some(seq) = self.seq_of(id)? else {
            return Ok(None);
        };
        Ok(self.forgotten.get(seq)?.is_none().then_some(seq))
    }

    /// What stays of the item with this number, if it was forgotten.
    pub(crate) fn forgotten_as(&self, seq: u64) -> Result<Option<Forgotten>, IndexError> {
        let row = self.forgotten.get(seq)?;
        row.map(|bytes| Forgotten::decode(seq, bytes.value())).transpose()
    }

    /// The same, by its id.
    pub(crate) fn forgotten_by(&self, id: &EventId) -> Result<Option<(u64, Forgotten)>, IndexError> {
        let Some(seq) = self.seq_of(id)? else {
            return Ok(None);
        };
        Ok(self.forgotten_as(seq)?.map(|row| (seq, row)))
    }

    /// Drops the envelope of a held message, its row in the read model and its deliveries; it stays an item. Returns
    /// whether that was done: one that nobody has tried to open yet stays as it is. `titles` are what conversations are
    /// called.
    pub(crate) fn forget_event(
        &mut self,
        event: &Event,
        seq: u64,
        titles: &BTreeMap<[u8; 16], String>,
    ) -> Result<bool, IndexError> {
        let message = match self.model.messages.table()?.get(seq)? {
            Some(sealed) => Some(kept_message(self.keys, seq, sealed.value())?),
            None if self.model.closed.get(seq)?.is_some() => None,
            None => return Ok(false),
        };
        let mut sealed = Vec::new();
        if let Some(message) = &message {
            let record = Tombstone::of(message).to_record();
            sealed = self.keys.seal(self.entropy, TABLE, &seq.to_be_bytes(), &record);
            let tag = self.keys.conversation_tag(&message.conversation);
            self.forgotten_of.insert((&tag, seq), ())?;
            self.keep_title(&tag, titles)?;
        }
        let row = Forgotten {
            item: Item::of(event),
            author: event.pubkey,
            sealed,
        };
        self.forgotten.insert(seq, row.encode().as_slice())?;
        self.drop_body(seq)?;
        Ok(true)
    }

    /// What a conversation is called must not change with every message that goes.
    fn keep_title(&mut self, tag: &[u8; 16], titles: &BTreeMap<[u8; 16], String>) -> Result<(), IndexError> {
        let kept = self.model.titles.get(tag)?.is_some();
        if let Some(title) = titles.get(tag).filter(|_| !kept) {
            let sealed = self.keys.seal(self.entropy, TITLE, tag, title.as_bytes());
            self.model.titles.insert(tag, sealed.as_slice())?;
        }
        Ok(())
    }

    /// Takes a forgotten item away, so that the next comparison brings it.
    pub(crate) fn recall(&mut self, seq: u64, row: &Forgotten) -> Result<(), IndexError> {
        self.remove_forgotten(seq, row)?;
        self.recalled.insert(row.item.id.as_bytes(), ())?;
        Ok(())
    }

    /// Whether this event was recalled: from now on it is like any other. Cost: nothing while none is.
    pub(crate) fn is_back(&mut self, id: &EventId) -> Result<bool, IndexError> {
        Ok(!self.recalled.is_empty()? && self.recalled.remove(id.as_bytes())?.is_some())
    }

    /// Takes a forgotten item away as if it had never been here.
    pub(crate) fn remove_forgotten(&mut self, seq: u64, row: &Forgotten) -> Result<(), IndexError> {
        self.prove_again();
        self.set_item(row.item, None)?;
        self.ids.remove(row.item.id.as_bytes())?;
        self.forgotten.remove(seq)?;
        // Its replies hang off something else from now on.
        self.model.disturb();
        match row.tombstone(self.keys, seq) {
            Ok(Some(Tombstone { conversation, .. })) => {
                let tag = self.keys.conversation_tag(&conversation);
                self.forgotten_of.remove((&tag, seq))?;
                if self
                    .forgotten_of
                    .range((&tag, 0)..=(&tag, u64::MAX))?
                    .next()
                    .is_none()
                {
                    self.model.titles.remove(&tag)?;
                }
                self.model.touch(tag);
            }
            Ok(None) => {}
            // The row of `forgotten-of-1` that stays leads nowhere, and is passed over.
            Err(error) => tracing::error!(%error, "what was remembered of a forgotten message is lost"),
        }
        Ok(())
    }

    /// Makes the lists name every forgotten item, and none twice. Returns how many rows were wrong.
    pub(crate) fn mend_forgotten(&mut self) -> Result<u64, IndexError> {
        let mut rows = Vec::new();
        for row in self.forgotten.iter()? {
            let (seq, bytes) = row?;
            rows.push((seq.value(), Forgotten::decode(seq.value(), bytes.value()).ok()));
        }
        let mut mended = 0;
        self.forgotten_of.retain(|_, ()| false)?;
        for (seq, row) in rows {
            let here = self.envelopes.table()?.get(seq)?.is_some();
            let Some(row) = row.filter(|_| !here) else {
                // The envelope says more, and what cannot be read says nothing.
                self.forgotten.remove(seq)?;
                mended += 1;
                continue;
            };
            if self.number_of(&row.item)? != Some(seq) {
                self.set_item(row.item, Some(seq))?;
                mended += 1;
            }
            if self.seq_of(&row.item.id)? != Some(seq) {
                self.ids.insert(row.item.id.as_bytes(), seq)?;
                mended += 1;
            }
            match row.tombstone(self.keys, seq) {
                Ok(Some(Tombstone { conversation, .. })) => {
                    let tag = self.keys.conversation_tag(&conversation);
                    self.forgotten_of.insert((&tag, seq), ())?;
                }
                Ok(None) => {}
                Err(_) => {
                    let bare = Forgotten {
                        sealed: Vec::new(),
                        ..row
                    };
                    self.forgotten.insert(seq, bare.encode().as_slice())?;
                    mended += 1;
                }
            }
        }
        Ok(mended)
    }
}

/// Hands over what is wrong with the rows: each is that of an item without an envelope, and opens.
pub(crate) fn check(
    transaction: &ReadTransaction,
    keys: &Keys,
    damage: &mut dyn FnMut(IndexError),
) -> Result<(), IndexError> {
    let (items, ids) = (transaction.open_table(ITEMS)?, transaction.open_table(IDS)?);
    let envelopes = transaction.open_table(ENVELOPES)?;
    let of = transaction.open_table(FORGOTTEN_OF)?;
    let mut placed = 0;
    for row in transaction.open_table(FORGOTTEN)?.iter()? {
        let (seq, bytes) = row?;
        let seq = seq.value();
        let found =
            Forgotten::decode(seq, bytes.value()).and_then(|row| Ok((row.tombstone(keys, seq)?, row)));
        let (tombstone, row) = match found {
            Ok(found) => found,
            Err(error) => {
                damage(error);
                continue;
            }
        };
        let listed = items.get(row.item.key())?.map(|seq| seq.value());
        let known = ids.get(row.item.id.as_bytes())?.map(|seq| seq.value());
        let mut whole = listed == Some(seq) && known == Some(seq) && envelopes.get(seq)?.is_none();
        if let Some(tombstone) = tombstone {
            let tag = keys.conversation_tag(&tombstone.conversation);
            whole &= of.get((&tag, seq))?.is_some();
            placed += 1;
        }
        if !whole {
            damage(IndexError::corrupt(format!(
                "the lists that name the forgotten event {}",
                row.item.id
            )));
        }
    }
    if of.len()? != placed {
        damage(IndexError::corrupt(
            "the list of forgotten messages by conversation",
        ));
    }
    Ok(())
}
