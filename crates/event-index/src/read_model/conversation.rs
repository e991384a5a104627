//! One conversation, read from its rows and kept up while rows are added.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use chat_model::{
    ConversationSummary, Inserted, Library, Message, MessageId, Parent, Picks, Removed, Tombstone,
};
use redb::{ReadOnlyTable, ReadTransaction};

use super::place::{Marks, Place};
use super::row::{self, Row};
use super::summaries::ConversationTag;
use super::writer::bytes_of;
use crate::forgotten::ForgottenReader;
use crate::tables::{
    ALIASES, Blob, Bytes16, Bytes32, DRAFT_IDS, DRAFT_TOMBSTONES, DRAFTS, GRAVES, IDS, LOCALS, MEMBERS,
    MESSAGES, PICKS, TOMBSTONE_RECORDS, TOMBSTONES, UNREAD,
};
use crate::{IndexError, Store};

/// A conversation in memory, as it was on disk when it was last looked at. What it shows follows from its rows and from
/// what is remembered of deleted messages, whatever the order in which they came.
#[derive(Debug)]
pub struct OpenConversation {
    tag: [u8; 16],
    /// Its id; `None` while it has no messages.
    id: Option<String>,
    library: Library,
    /// What it was called before its first messages were forgotten.
    title: Option<String>,
    /// The event ids of copies that were not read on this device.
    unread: BTreeSet<MessageId>,
    picks: Picks,
    read: Marks,
    epoch: u64,
    bytes: usize,
    /// Ids that were looked up among the deleted ones.
    asked: BTreeSet<MessageId>,
}

/// What a conversation gained since it was last looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advance {
    /// Messages that were not here before, under the ids they came with.
    pub new: BTreeSet<MessageId>,
    /// Drafts that are called by their event ids from now on.
    pub renamed: Vec<(MessageId, MessageId)>,
    /// Whether rows were added.
    pub changed: bool,
}

/// The tables that reading conversations needs, in one read transaction. To be dropped soon.
pub(crate) struct Reader<'s> {
    store: &'s Store,
    messages: ReadOnlyTable<u64, Blob>,
    members: ReadOnlyTable<(Bytes16, u64), ()>,
    unread: ReadOnlyTable<(Bytes16, u64), ()>,
    drafts: ReadOnlyTable<u64, Blob>,
    aliases: ReadOnlyTable<Bytes16, Bytes32>,
    locals: ReadOnlyTable<Bytes32, Bytes16>,
    graves: ReadOnlyTable<(Bytes16, Blob), ()>,
    tombstones: ReadOnlyTable<Bytes32, Blob>,
    records: ReadOnlyTable<Bytes32, Blob>,
    draft_tombstones: ReadOnlyTable<Bytes16, Blob>,
    picks: ReadOnlyTable<Bytes16, Blob>,
    forgotten: ForgottenReader,
    epoch: u64,
}

impl<'s> Reader<'s> {
    pub(crate) fn new(store: &'s Store) -> Result<Self, IndexError> {
        // Before the transaction: a change after this one makes what is read now count as old.
        let epoch = store.model_epoch.load(Ordering::Acquire);
        let transaction = store.read()?;
        Self::within(store, &transaction, epoch)
    }

    fn within(store: &'s Store, transaction: &ReadTransaction, epoch: u64) -> Result<Self, IndexError> {
        Ok(Self {
            store,
            messages: transaction.open_table(MESSAGES)?,
            members: transaction.open_table(MEMBERS)?,
            unread: transaction.open_table(UNREAD)?,
            drafts: transaction.open_table(DRAFTS)?,
            aliases: transaction.open_table(ALIASES)?,
            locals: transaction.open_table(LOCALS)?,
            graves: transaction.open_table(GRAVES)?,
            tombstones: transaction.open_table(TOMBSTONES)?,
            records: transaction.open_table(TOMBSTONE_RECORDS)?,
            draft_tombstones: transaction.open_table(DRAFT_TOMBSTONES)?,
            picks: transaction.open_table(PICKS)?,
            forgotten: ForgottenReader::new(transaction)?,
            epoch,
        })
    }

    /// A message of the model; `None`, and logged, when it is damaged: it stops no other.
    pub(crate) fn row(&self, place: Place) -> Result<Option<Row>, IndexError> {
        let row = match place {
            Place::Event(seq) => {
                let sealed = self.messages.get(seq)?;
                sealed
                    .map(|sealed| row::open(&self.store.keys, seq, sealed.value()))
                    .transpose()
            }
            Place::Draft(number) => self.draft(number),
        };
        match row {
            Err(error @ (IndexError::Sealed { .. } | IndexError::Corrupt { .. })) => {
                tracing::error!(%error, "a damaged message is left out");
                Ok(None)
            }
            other => other,
        }
    }

    fn draft(&self, number: u64) -> Result<Option<Row>, IndexError> {
        let Some(sealed) = self.drafts.get(number)? else {
            return Ok(None);
        };
        let plain = self
            .store
            .keys
            .open("drafts-1", &number.to_be_bytes(), sealed.value())?;
        let damaged = || IndexError::corrupt(format!("drafts-1 {number}"));
        let (local, body) = plain.split_first_chunk::<16>().ok_or_else(damaged)?;
        let mut message = Message::from_draft(body).map_err(|_| damaged())?;
        // A parent that was a draft too may have an event by now.
        if let Parent::Message(MessageId::Local(parent)) = &message.parent
            && let Some(event) = self.aliases.get(parent)?
        {
            message.parent = Parent::Message(MessageId::Event(*event.value()));
        }
        Ok(Some(Row {
            id: MessageId::Local(*local),
            outer_time: 0,
            message,
        }))
    }

    /// The places of a conversation's members behind these marks, events first.
    fn members(&self, tag: &[u8; 16], after: Marks) -> Result<Vec<Place>, IndexError> {
        let mut places = Vec::new();
        let events = Place::Event(after.seq).key() + 1..Place::Draft(0).key();
        let drafts = Place::Draft(after.draft).key().saturating_add(1)..u64::MAX;
        for range in [events, drafts] {
            if range.is_empty() {
                continue;
            }
            for row in self.members.range((tag, range.start)..(tag, range.end))? {
                places.push(Place::from_key(row?.0.value().1));
            }
        }
        Ok(places)
    }

    fn local_of(&self, id: &MessageId) -> Result<Option<MessageId>, IndexError> {
        let MessageId::Event(id) = id else { return Ok(None) };
        Ok(self.locals.get(id)?.map(|local| MessageId::Local(*local.value())))
    }

    /// Whether an id was deleted, and what is remembered of it.
    #[expect(
        clippy::option_option,
        reason = "not deleted, and deleted with nothing remembered, are two things"
    )]
    fn removal(&self, id: &MessageId) -> Result<Option<Option<Tombstone>>, IndexError> {
        let keys = &self.store.keys;
        let read = |table: &str, id: &[u8], sealed: &[u8]| match keys.open(table, id, sealed) {
            Ok(plain) => Tombstone::from_record(&plain),
            Err(error) => {
                tracing::error!(%error, "what was remembered of a deleted message is lost");
                None
            }
        };
        Ok(match id {
            MessageId::Event(bytes) => {
                if self.tombstones.get(bytes)?.is_none() {
                    return Ok(None);
                }
                let record = self.records.get(bytes)?;
                Some(record.and_then(|sealed| read("tombstone-records-1", bytes, sealed.value())))
            }
            MessageId::Local(bytes) => {
                let record = self.draft_tombstones.get(bytes)?;
                record.map(|sealed| read("draft-tombstones-1", bytes, sealed.value()))
            }
        })
    }

    fn graves(&self, tag: &[u8; 16]) -> Result<Vec<MessageId>, IndexError> {
        let mut ids = Vec::new();
        let first: (&[u8; 16], &[u8]) = (tag, &[]);
        for row in self.graves.range(first..)? {
            let (key, _) = row?;
            let (of, id) = key.value();
            if of != tag {
                break;
            }
            match id.len() {
                32 => ids.extend(id.try_into().ok().map(MessageId::Event)),
                _ => ids.extend(id.try_into().ok().map(MessageId::Local)),
            }
        }
        Ok(ids)
    }

    pub(crate) fn picks_of(&self, tag: &[u8; 16]) -> Result<Picks, IndexError> {
        let Some(sealed) = self.picks.get(tag)? else {
            return Ok(Picks::default());
        };
        match self.store.keys.open("picks-1", tag, sealed.value()) {
            Ok(plain) => Ok(serde_json::from_slice(&plain).unwrap_or_default()),
            Err(error) => {
                tracing::error!(%error, "the chosen versions of a conversation are lost");
                Ok(Picks::default())
            }
        }
    }
}

impl Store {
    /// Reads a conversation. `announced` holds back what is behind these marks: [`OpenConversation::advance`] brings
    /// it. A conversation without messages is empty. Cost: a few microseconds a message.
    pub fn open_conversation(
        &self,
        tag: ConversationTag,
        announced: Marks,
    ) -> Result<OpenConversation, IndexError> {
        OpenConversation::read(&Reader::new(self)?, tag.0, announced)
    }

    /// Which conversation a message is in, by any id that this device stored it under. `None` when it is not in the
    /// model.
    pub fn conversation_of(&self, id: &MessageId) -> Result<Option<String>, IndexError> {
        let transaction = self.read()?;
        let reader = Reader::within(self, &transaction, 0)?;
        let place = match id {
            MessageId::Event(id) => transaction
                .open_table(IDS)?
                .get(id)?
                .map(|seq| Place::Event(seq.value())),
            MessageId::Local(local) => {
                let draft = transaction
                    .open_table(DRAFT_IDS)?
                    .get(local)?
                    .map(|number| number.value());
                match (draft, reader.aliases.get(local)?) {
                    (Some(number), _) => Some(Place::Draft(number)),
                    (None, Some(event)) => {
                        let ids = transaction.open_table(IDS)?;
                        ids.get(event.value())?.map(|seq| Place::Event(seq.value()))
                    }
                    (None, None) => None,
                }
            }
        };
        let row = place.map(|place| reader.row(place)).transpose()?.flatten();
        Ok(row.map(|row| row.message.conversation))
    }

    /// What is remembered of a deleted message; `None` when it is not deleted, or nothing is.
    pub fn tombstone_of(&self, id: &MessageId) -> Result<Option<Tombstone>, IndexError> {
        let removal = Reader::new(self)?.removal(id)?;
        Ok(removal.flatten())
    }

    /// The conversations that got messages or drafts behind these marks, and where the next look begins.
    pub fn landed_since(&self, marks: Marks) -> Result<(BTreeSet<String>, Marks), IndexError> {
        let transaction = self.read()?;
        let reader = Reader::within(self, &transaction, 0)?;
        let counted = crate::writer::Counted::load(&transaction.open_table(crate::tables::COUNTERS)?)?;
        let mut found = BTreeSet::new();
        let mut places = Vec::new();
        for row in reader.messages.range(marks.seq.saturating_add(1)..)? {
            places.push(Place::Event(row?.0.value()));
        }
        for row in reader.drafts.range(marks.draft.saturating_add(1)..)? {
            places.push(Place::Draft(row?.0.value()));
        }
        for place in places {
            found.extend(reader.row(place)?.map(|row| row.message.conversation));
        }
        let seen = Marks {
            seq: counted.seq,
            draft: counted.draft,
        };
        Ok((found, seen))
    }
}

impl OpenConversation {
    pub(crate) fn read(reader: &Reader<'_>, tag: [u8; 16], announced: Marks) -> Result<Self, IndexError> {
        let mut open = Self {
            tag,
            id: None,
            library: Library::new(),
            title: reader.forgotten.title(&reader.store.keys, &tag)?,
            unread: BTreeSet::new(),
            picks: reader.picks_of(&tag)?,
            read: Marks::default(),
            epoch: reader.epoch,
            bytes: 0,
            asked: BTreeSet::new(),
        };
        for id in reader.graves(&tag)? {
            if let Some(tombstone) = reader.removal(&id)? {
                open.library.bury(id, tombstone);
            }
        }
        for place in reader.members(&tag, Marks::default())? {
            if announced.covers(place) {
                open.take(reader, place)?;
            }
        }
        open.look_up_removed(reader)?;
        open.mark_unread(reader)?;
        Ok(open)
    }

    /// Its id; `None` while it has no messages.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The conversation, alone in a library.
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// The versions a person chose.
    pub fn picks(&self) -> &Picks {
        &self.picks
    }

    /// Its line in the list; `None` while it shows nothing.
    pub fn summary(&self) -> Option<ConversationSummary> {
        let id = self.id.as_deref()?;
        let mut summary = self.library.summary(id)?;
        if let Some(title) = &self.title {
            summary.title.clone_from(title);
        }
        summary.unread = self.library.unread(id, &self.unread);
        Some(summary)
    }

    /// How far it was read.
    pub fn read_to(&self) -> Marks {
        self.read
    }

    /// Bytes of the contents that were read, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether rows went or changed since it was read, so that it has to be read anew.
    pub fn is_outdated(&self, store: &Store) -> bool {
        self.epoch != store.model_epoch.load(Ordering::Acquire)
    }

    /// Copies that are here although another copy of their message was deleted. Those that were told before are not told
    /// again.
    pub fn take_late(&mut self) -> Vec<Removed> {
        self.library.take_late()
    }

    /// Takes in the rows that were added since it was read. To be called only while it is not
    /// [outdated](Self::is_outdated). `announced` says of drafts that are not here whether somebody was told of them.
    pub fn advance(
        &mut self,
        store: &Store,
        announced: &dyn Fn(&MessageId) -> bool,
    ) -> Result<Advance, IndexError> {
        self.advance_with(&Reader::new(store)?, announced)
    }

    pub(crate) fn advance_with(
        &mut self,
        reader: &Reader<'_>,
        announced: &dyn Fn(&MessageId) -> bool,
    ) -> Result<Advance, IndexError> {
        let mut advance = Advance::default();
        let mut new = Vec::new();
        for place in reader.members(&self.tag, self.read)? {
            advance.changed = true;
            let Some((id, inserted)) = self.take(reader, place)? else {
                continue;
            };
            let local = reader.local_of(&id)?;
            if let Some(local) = local {
                let outer_time = self
                    .library
                    .get(&id)
                    .and_then(|held| held.outer_time)
                    .unwrap_or_default();
                self.library.rename(local, id, outer_time);
                advance.renamed.push((local, id));
            }
            if inserted == Inserted::New && !local.is_some_and(|local| announced(&local)) {
                new.push(id);
            }
        }
        if advance.changed {
            self.look_up_removed(reader)?;
        }
        self.mark_unread(reader)?;
        // One that became an alias of another one in this step is announced under that one's name.
        advance.new = new.iter().filter_map(|id| self.library.resolve(id)).collect();
        Ok(advance)
    }

    fn take(
        &mut self,
        reader: &Reader<'_>,
        place: Place,
    ) -> Result<Option<(MessageId, Inserted)>, IndexError> {
        match place {
            Place::Event(seq) => self.read.seq = seq,
            Place::Draft(number) => self.read.draft = number,
        }
        let Some(row) = reader.row(place)? else {
            return Ok(None);
        };
        if self.id.is_none() {
            self.id = Some(row.message.conversation.clone());
        }
        self.bytes += row.message.content.raw().len() + 256;
        let id = row.id;
        let inserted = self.library.insert(id, row.outer_time, row.message);
        Ok(Some((id, inserted)))
    }

    /// Learns of each id that is named and not here whether it was deleted or forgotten, and what that replied to.
    fn look_up_removed(&mut self, reader: &Reader<'_>) -> Result<(), IndexError> {
        loop {
            let unresolved = self.library.unresolved();
            let unknown: Vec<MessageId> = unresolved
                .into_iter()
                .filter(|id| !self.asked.contains(id))
                .collect();
            if unknown.is_empty() {
                return Ok(());
            }
            for id in unknown {
                self.asked.insert(id);
                if let Some(tombstone) = reader.removal(&id)? {
                    self.library.bury(id, tombstone);
                    continue;
                }
                for (id, tombstone) in reader.forgotten.above(&reader.store.keys, &id)? {
                    self.asked.insert(id);
                    self.library.pass_over(id, tombstone);
                }
            }
        }
    }

    fn mark_unread(&mut self, reader: &Reader<'_>) -> Result<(), IndexError> {
        self.unread.clear();
        let first = Place::Event(0).key();
        for row in reader
            .unread
            .range((&self.tag, first)..(&self.tag, Place::Draft(0).key()))?
        {
            let place = Place::from_key(row?.0.value().1);
            self.unread.extend(reader.row(place)?.map(|row| row.id));
        }
        Ok(())
    }

    /// What this conversation names as a parent and does not have, as event ids.
    pub(crate) fn awaited(&self) -> BTreeSet<[u8; 32]> {
        let unresolved = self.library.unresolved();
        // What changes about a forgotten one changes the conversation too.
        let awaited = unresolved.iter().filter(|id| !self.library.passes_over(id));
        awaited.filter_map(|id| bytes_of(id).try_into().ok()).collect()
    }

    /// What it is called on disk.
    pub fn tag(&self) -> ConversationTag {
        ConversationTag(self.tag)
    }
}
