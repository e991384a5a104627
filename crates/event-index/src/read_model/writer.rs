//! The read model's part of a write transaction: whatever changes messages changes it too, or leaves it behind in a way
//! that is on disk.

use std::collections::BTreeSet;
use std::fmt;

use chat_model::{Message, MessageId, Tombstone};
use nostr::event::{Event, EventId};
use redb::{ReadableTable, Table, WriteTransaction};
use zeroize::Zeroizing;

use super::place::Place;
use super::row;
use crate::agreements::agreement_of;
use crate::growing::Growing;
use crate::sealing::{Keys, Nonces};
use crate::tables::{
    AWAITED, Blob, Bytes16, Bytes32, CLOSED, CONVERSATIONS, GRAVES, MEMBERS, MESSAGES, MODEL, PICKS, STALE,
    TITLES, UNREAD,
};
use crate::writer::Writer;
use crate::{IndexError, MESSAGE_KIND};

/// A message that was opened, written down as it is going to be kept but for the seal, which has the envelope's number in it.
#[derive(Clone)]
pub(crate) struct Arrived {
    /// Of its conversation.
    tag: [u8; 16],
    plain: Zeroizing<Vec<u8>>,
    /// Whether it counts as unread on a device that was level about these authors.
    pub(crate) unread: Option<u32>,
}

impl Arrived {
    /// One that was read.
    pub(crate) fn new(keys: &Keys, event: &Event, message: &Message) -> Self {
        Self {
            tag: keys.conversation_tag(&message.conversation),
            plain: row::plain(event, message),
            unread: None,
        }
    }
}

impl fmt::Debug for Arrived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrived").finish_non_exhaustive()
    }
}

/// The tables of the read model in one write transaction.
pub(crate) struct ModelWriter<'t> {
    pub(crate) messages: Growing<'t>,
    pub(crate) members: Table<'t, (Bytes16, u64), ()>,
    pub(crate) closed: Table<'t, u64, ()>,
    pub(crate) graves: Table<'t, (Bytes16, Blob), ()>,
    pub(crate) conversations: Table<'t, Bytes16, Blob>,
    pub(crate) stale: Table<'t, Bytes16, u64>,
    pub(crate) awaited: Table<'t, (Bytes32, Bytes16), ()>,
    pub(crate) unread: Table<'t, (Bytes16, u64), ()>,
    pub(crate) picks: Table<'t, Bytes16, Blob>,
    pub(crate) titles: Table<'t, Bytes16, Blob>,
    model: Table<'t, &'static str, u64>,
    built: u64,
    built_before: u64,
    begun: bool,
    touched: BTreeSet<[u8; 16]>,
    disturbed: bool,
    nonces: Nonces,
    /// The authors that agreements are about, once somebody asked.
    level_about: Option<BTreeSet<u32>>,
}

impl<'t> ModelWriter<'t> {
    pub(crate) fn open(transaction: &'t WriteTransaction) -> Result<Self, IndexError> {
        let model = transaction.open_table(MODEL)?;
        let built = model.get("built")?.map_or(0, |built| built.value());
        Ok(Self {
            messages: Growing::open(transaction, MESSAGES)?,
            members: transaction.open_table(MEMBERS)?,
            closed: transaction.open_table(CLOSED)?,
            graves: transaction.open_table(GRAVES)?,
            conversations: transaction.open_table(CONVERSATIONS)?,
            stale: transaction.open_table(STALE)?,
            awaited: transaction.open_table(AWAITED)?,
            unread: transaction.open_table(UNREAD)?,
            picks: transaction.open_table(PICKS)?,
            titles: transaction.open_table(TITLES)?,
            model,
            built,
            built_before: built,
            begun: false,
            touched: BTreeSet::new(),
            disturbed: false,
            nonces: Nonces::new(),
            level_about: None,
        })
    }

    /// Whether the model has a message for the envelope with this number.
    pub(crate) fn holds(&mut self, seq: u64) -> Result<bool, IndexError> {
        Ok(self.messages.table()?.get(seq)?.is_some())
    }

    /// Whether something changed that does not show as a row with a higher number: what was read before has to be read
    /// anew.
    pub(crate) fn disturbed(&self) -> bool {
        self.disturbed
    }

    pub(crate) fn disturb(&mut self) {
        self.disturbed = true;
    }

    /// A conversation's line in the list is behind from now on.
    pub(crate) fn touch(&mut self, tag: [u8; 16]) {
        self.touched.insert(tag);
    }

    pub(crate) fn built(&self) -> u64 {
        self.built
    }

    pub(crate) fn set_built(&mut self, seq: u64) {
        self.built = seq;
    }

    /// Whether the model lags behind because it is being made.
    pub(crate) fn building(&self) -> Result<bool, IndexError> {
        Ok(self.model.get("building")?.is_some())
    }

    pub(crate) fn set_building(&mut self, building: bool) -> Result<(), IndexError> {
        if building {
            self.model.insert("building", 1)?;
        } else {
            self.model.remove("building")?;
        }
        Ok(())
    }

    /// There is a model in this file from now on.
    pub(crate) fn begin(&mut self) {
        self.begun = true;
    }

    /// Whether there never was a model in this file.
    pub(crate) fn absent(&self) -> Result<bool, IndexError> {
        Ok(self.model.get("built")?.is_none())
    }

    /// Writes down what fell behind.
    pub(crate) fn settle(&mut self) -> Result<(), IndexError> {
        self.messages.settle()?;
        if self.built != self.built_before || self.begun {
            self.model.insert("built", self.built)?;
        }
        if self.touched.is_empty() {
            return Ok(());
        }
        let turn = self.model.get("turn")?.map_or(0, |turn| turn.value()) + 1;
        self.model.insert("turn", turn)?;
        for tag in std::mem::take(&mut self.touched) {
            self.stale.insert(&tag, turn)?;
        }
        Ok(())
    }
}

impl Writer<'_> {
    /// An envelope was stored under this number, with what is known of its message. While the model lags behind, it is left to
    /// whoever catches up.
    pub(crate) fn model_stored(
        &mut self,
        seq: u64,
        event: &Event,
        arrived: Option<&Arrived>,
    ) -> Result<(), IndexError> {
        let was_here = self.is_back(&event.id)?;
        if self.model.built() + 1 != seq {
            return Ok(());
        }
        self.model.set_built(seq);
        if u16::from(event.kind) != MESSAGE_KIND {
            return Ok(());
        }
        if let Some(arrived) = arrived {
            let unread = !was_here && self.was_level(arrived.unread)?;
            return self.model_open(seq, arrived, unread);
        }
        self.model.closed.insert(seq, ())?;
        Ok(())
    }

    /// Keeps the message that an envelope holds.
    pub(crate) fn model_open(&mut self, seq: u64, arrived: &Arrived, unread: bool) -> Result<(), IndexError> {
        let nonce = self.model.nonces.next(self.entropy);
        let sealed = row::seal(self.keys, nonce, seq, &arrived.plain);
        self.model.messages.put(seq, sealed);
        let tag = arrived.tag;
        let place = Place::Event(seq).key();
        self.model.members.insert((&tag, place), ())?;
        if unread {
            self.model.unread.insert((&tag, place), ())?;
        }
        self.model.touch(tag);
        Ok(())
    }

    /// Whether this device ever held the same of these authors as a relay: what comes before that is history, and nothing
    /// unread. `authors` as in [`Agreement::authors`](crate::Agreement::authors).
    pub(crate) fn was_level(&mut self, authors: Option<u32>) -> Result<bool, IndexError> {
        let Some(authors) = authors else { return Ok(false) };
        if let Some(level_about) = &self.model.level_about {
            return Ok(level_about.contains(&authors));
        }
        let mut level_about = BTreeSet::new();
        for row in self.agreements.iter()? {
            let (tag, sealed) = row?;
            let agreement = agreement_of(self.keys, tag.value(), sealed.value());
            level_about.extend(agreement.ok().map(|agreement| agreement.authors));
        }
        Ok(self.model.level_about.insert(level_about).contains(&authors))
    }

    /// An envelope is gone.
    pub(crate) fn model_removed(&mut self, seq: u64) -> Result<(), IndexError> {
        self.model.closed.remove(seq)?;
        let sealed = self
            .model
            .messages
            .table()?
            .remove(seq)?
            .map(|sealed| sealed.value().to_vec());
        let Some(sealed) = sealed else { return Ok(()) };
        self.model.disturb();
        match row::open(self.keys, seq, &sealed) {
            Ok(row) => {
                let tag = self.keys.conversation_tag(&row.message.conversation);
                let place = Place::Event(seq).key();
                self.model.members.remove((&tag, place))?;
                self.model.unread.remove((&tag, place))?;
                self.model.touch(tag);
            }
            // Whoever reads the conversation passes over a member without a message.
            Err(error) => tracing::error!(%error, "a damaged message was deleted unread"),
        }
        Ok(())
    }

    /// A draft was kept under this number.
    pub(crate) fn model_drafted(&mut self, number: u64, body: &[u8]) -> Result<(), IndexError> {
        if let Ok(message) = Message::from_draft(body) {
            let tag = self.keys.conversation_tag(&message.conversation);
            self.model
                .members
                .insert((&tag, Place::Draft(number).key()), ())?;
            self.model.touch(tag);
        }
        Ok(())
    }

    /// A draft is gone: sealed, and shown by the row of its event, or else.
    pub(crate) fn model_undrafted(
        &mut self,
        number: u64,
        body: &[u8],
        goes_on: bool,
    ) -> Result<(), IndexError> {
        if !goes_on {
            self.model.disturb();
        }
        if let Ok(message) = Message::from_draft(body) {
            let tag = self.keys.conversation_tag(&message.conversation);
            self.model.members.remove((&tag, Place::Draft(number).key()))?;
            self.model.touch(tag);
        }
        Ok(())
    }

    /// Something is remembered of a deleted message.
    pub(crate) fn model_remembered(&mut self, id: &[u8], record: &[u8]) -> Result<(), IndexError> {
        if let Some(tombstone) = Tombstone::from_record(record) {
            let tag = self.keys.conversation_tag(&tombstone.conversation);
            self.model.graves.insert((&tag, id), ())?;
            self.model.touch(tag);
        }
        self.model_awaits(id)
    }

    /// Whether an event counts as deleted has changed.
    pub(crate) fn model_deleted(&mut self, id: &EventId) -> Result<(), IndexError> {
        let sealed = self
            .records
            .get(id.as_bytes())?
            .map(|sealed| sealed.value().to_vec());
        let record =
            sealed.and_then(|sealed| self.keys.open("tombstone-records-1", id.as_bytes(), &sealed).ok());
        if let Some(tombstone) = record.and_then(|record| Tombstone::from_record(&record)) {
            let tag = self.keys.conversation_tag(&tombstone.conversation);
            self.model.touch(tag);
        }
        self.model_awaits(id.as_bytes())
    }

    /// Whoever names this id as a parent may have to place replies anew.
    fn model_awaits(&mut self, id: &[u8]) -> Result<(), IndexError> {
        self.model.disturb();
        let Ok(id) = <&[u8; 32]>::try_from(id) else {
            return Ok(());
        };
        let mut waiting = Vec::new();
        for row in self.model.awaited.range((id, &[0; 16])..=(id, &[255; 16]))? {
            waiting.push(*row?.0.value().1);
        }
        self.model.touched.extend(waiting);
        Ok(())
    }

    /// Begins the model anew. What a person read and chose stays.
    pub(crate) fn model_reset(&mut self) -> Result<(), IndexError> {
        let model = &mut self.model;
        model.messages.table()?.retain(|_, _| false)?;
        model.members.retain(|_, ()| false)?;
        model.closed.retain(|_, ()| false)?;
        model.graves.retain(|_, ()| false)?;
        model.conversations.retain(|_, _| false)?;
        model.stale.retain(|_, _| false)?;
        model.awaited.retain(|_, ()| false)?;
        model.set_built(0);
        model.begin();
        model.disturb();
        model.set_building(true)?;
        let mut drafts = Vec::new();
        for row in self.drafts.iter()? {
            let (number, sealed) = row?;
            let number = number.value();
            match self.keys.open("drafts-1", &number.to_be_bytes(), sealed.value()) {
                Ok(plain) => drafts.push((number, plain)),
                Err(error) => tracing::error!(draft = number, %error, "a draft is damaged and left out"),
            }
        }
        for (number, plain) in drafts {
            if let Some((_, body)) = plain.split_first_chunk::<16>() {
                self.model_drafted(number, body)?;
            }
        }
        let mut records: Vec<(Vec<u8>, _)> = Vec::new();
        for row in self.records.iter()? {
            let (id, sealed) = row?;
            let opened = self.keys.open("tombstone-records-1", id.value(), sealed.value());
            records.extend(opened.ok().map(|plain| (id.value().to_vec(), plain)));
        }
        for row in self.draft_tombstones.iter()? {
            let (id, sealed) = row?;
            let opened = self.keys.open("draft-tombstones-1", id.value(), sealed.value());
            records.extend(opened.ok().map(|plain| (id.value().to_vec(), plain)));
        }
        for (id, record) in records {
            self.model_remembered(&id, &record)?;
        }
        Ok(())
    }
}

/// The id as it is in a key.
pub(crate) fn bytes_of(id: &MessageId) -> &[u8] {
    match id {
        MessageId::Event(bytes) => bytes,
        MessageId::Local(bytes) => bytes,
    }
}
