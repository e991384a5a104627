//! Messages without event ids: composed or imported here, not sealed yet.

use std::fmt;

use chat_model::Message;
use nostr::event::{Event, EventId};
use redb::ReadableTable;
use zeroize::Zeroizing;

use crate::delivery_rows::Row;
use crate::event_json::encode_event;
use crate::read_model::Arrived;
use crate::sources::MessageRef;
use crate::tables::{ALIASES, DRAFTS, LOCALS};
use crate::writer::Writer;
use crate::{DeliveryState, IndexError, LocalId, SourceId, Store};

/// What is longer than an envelope takes is split before it is kept (DESIGN 3), so a draft has 40,000 bytes and some
/// names. Far more than that, and far less than a value may have.
pub const DRAFT_BYTES_MAX: usize = 8 << 20;

/// A message to keep until it can be sealed.
#[derive(Clone)]
pub struct NewDraft {
    /// Its name, drawn by the caller; adding it again changes nothing.
    pub local: LocalId,
    /// Where it came from.
    pub source: SourceId,
    /// The message, as the caller writes it; at most [`DRAFT_BYTES_MAX`] bytes. Sealed by the store.
    pub body: Vec<u8>,
}

/// What became of a [`NewDraft`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DraftOutcome {
    /// On disk.
    Added,
    /// A message of this source, or this very draft, was here before, or is in the same batch.
    Known(MessageRef),
}

/// A message that waits for its sealing.
#[derive(Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its place in the order of adding.
    pub seq: u64,
    /// Its name.
    pub local: LocalId,
    /// The message.
    pub body: Vec<u8>,
}

/// A draft and the envelope made of it.
#[derive(Debug, Clone)]
pub struct SealedDraft {
    /// The draft.
    pub local: LocalId,
    /// Its envelope, signed.
    pub event: Event,
    /// The message in it, as whoever opens it reads it; `None` leaves it to be opened later.
    pub message: Option<Message>,
}

/// Some drafts in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftPage {
    /// Those that could be read.
    pub drafts: Vec<Draft>,
    /// The number to go on behind; `None` when there were no more.
    pub last: Option<u64>,
}

impl fmt::Debug for NewDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewDraft")
            .field("local", &self.local)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("seq", &self.seq)
            .field("local", &self.local)
            .field("bytes", &self.body.len())
            .finish()
    }
}

impl Store {
    /// Adds drafts in one transaction, in order. The outcomes are in the order of `drafts`.
    ///
    /// # Errors
    /// [`IndexError::TooLarge`] when a body is; nothing of the batch is kept then.
    pub fn add_drafts(&self, drafts: Vec<NewDraft>) -> Result<Vec<DraftOutcome>, IndexError> {
        if let Some(large) = drafts.iter().find(|draft| draft.body.len() > DRAFT_BYTES_MAX) {
            return Err(IndexError::TooLarge {
                what: format!("the message {}", large.local),
                bytes: large.body.len(),
                bytes_max: DRAFT_BYTES_MAX,
            });
        }
        self.write(|writer| {
            let outcomes: Result<Vec<_>, _> = drafts.iter().map(|draft| writer.add_draft(draft)).collect();
            let outcomes = outcomes?;
            if !outcomes.contains(&DraftOutcome::Added) {
                writer.nothing_changed();
            }
            Ok(outcomes)
        })
    }

    /// The first `max` drafts with a number above `after`, in the order of adding. One that does not open any more is
    /// logged and left out: it keeps no other from leaving.
    pub fn drafts(&self, after: u64, max: usize) -> Result<DraftPage, IndexError> {
        let transaction = self.read()?;
        let drafts = transaction.open_table(DRAFTS)?;
        let mut page = DraftPage {
            drafts: Vec::new(),
            last: None,
        };
        for row in drafts.range(after.saturating_add(1)..)?.take(max) {
            let (seq, sealed) = self.scan(row)?;
            let seq = seq.value();
            page.last = Some(seq);
            let opened = self.keys.open("drafts-1", &seq.to_be_bytes(), sealed.value());
            let parts = opened
                .as_ref()
                .ok()
                .and_then(|plain| plain.split_first_chunk::<16>());
            let Some((local, body)) = parts else {
                tracing::error!(draft = seq, "a draft is damaged and left out");
                continue;
            };
            let local = LocalId::from_bytes(*local);
            page.drafts.push(Draft {
                seq,
                local,
                body: body.to_vec(),
            });
        }
        Ok(page)
    }

    /// Drops drafts that a person deleted before they were sealed. Their sources stay known. Returns how many were
    /// there.
    pub fn remove_drafts(&self, locals: &[LocalId]) -> Result<usize, IndexError> {
        self.write(|writer| {
            let mut removed = 0;
            for local in locals {
                removed += usize::from(writer.take_draft(*local, false)?);
            }
            if removed == 0 {
                writer.nothing_changed();
            }
            Ok(removed)
        })
    }

    /// Turns drafts into items in one transaction: item, envelope and alias in, draft out, one waiting delivery per
    /// relay. Returns the events that became or already were items, in order. A draft that is gone, removed or sealed
    /// before, is skipped, so that an envelope of it is never kept twice.
    pub fn commit_sealed(
        &self,
        sealed: Vec<SealedDraft>,
        relays: &[String],
    ) -> Result<Vec<EventId>, IndexError> {
        self.write(|writer| {
            let relays = self.retired.without(relays);
            let tags: Vec<_> = relays.iter().map(|relay| writer.keys.relay_tag(relay)).collect();
            let mut committed = Vec::new();
            for SealedDraft {
                local,
                event,
                message,
            } in sealed
            {
                if writer.draft_ids.get(local.as_bytes())?.is_none()
                    || writer.deleted_by_its_author(&event)?
                {
                    continue;
                }
                // What was written here was read here.
                let arrived = message.map(|message| Arrived::new(writer.keys, &event, &message));
                let stored = writer.insert_event(&event, encode_event(&event), arrived.as_ref())?;
                let seq = match stored {
                    Some(seq) => Some(seq),
                    None => writer.seq_of(&event.id)?,
                };
                let Some(seq) = seq else { continue };
                let goes_on = stored.is_some() && writer.model.holds(seq)?;
                writer.take_draft(local, goes_on)?;
                writer.aliases.insert(local.as_bytes(), event.id.as_bytes())?;
                writer.locals.insert(event.id.as_bytes(), local.as_bytes())?;
                // One that came back from a relay and was forgotten since is where it is to be.
                let known_elsewhere = writer.forgotten_as(seq)?.is_some();
                for tag in tags.iter().filter(|_| !known_elsewhere) {
                    if writer.delivery(tag, seq)?.is_none() {
                        let mut row = Row::new(event.id, DeliveryState::Waiting);
                        // An envelope's outer time is that of its sealing, which is now.
                        row.at = event.created_at.as_secs();
                        writer.put_delivery(tag, seq, &row)?;
                    }
                }
                committed.push(event.id);
            }
            if committed.is_empty() {
                writer.nothing_changed();
            }
            Ok(committed)
        })
    }

    /// The event a local id was sealed as, also after that event was deleted.
    pub fn resolve(&self, local: &LocalId) -> Result<Option<EventId>, IndexError> {
        let aliases = self.read()?.open_table(ALIASES)?;
        Ok(aliases
            .get(local.as_bytes())?
            .map(|id| EventId::from_byte_array(*id.value())))
    }

    /// The local id an event had before it was sealed on this device.
    pub fn local_of(&self, id: &EventId) -> Result<Option<LocalId>, IndexError> {
        let locals = self.read()?.open_table(LOCALS)?;
        Ok(locals
            .get(id.as_bytes())?
            .map(|local| LocalId::from_bytes(*local.value())))
    }
}

impl Writer<'_> {
    fn add_draft(&mut self, draft: &NewDraft) -> Result<DraftOutcome, IndexError> {
        if let Some(known) = self.message_from(draft.source)? {
            if let MessageRef::Event(id) = known
                && draft.local == draft.source.local()
            {
                // Others of the same batch may name it as their parent.
                self.aliases.insert(draft.local.as_bytes(), id.as_bytes())?;
            }
            return Ok(DraftOutcome::Known(known));
        }
        let name = self.current_name(draft.local)?;
        if name != MessageRef::Local(draft.local) || self.draft_ids.get(draft.local.as_bytes())?.is_some() {
            return Ok(DraftOutcome::Known(name));
        }
        self.counted().draft += 1;
        let number = self.counted().draft;
        let plain = Zeroizing::new([draft.local.as_bytes(), draft.body.as_slice()].concat());
        let sealed = self
            .keys
            .seal(self.entropy, "drafts-1", &number.to_be_bytes(), &plain);
        self.drafts.insert(number, sealed.as_slice())?;
        self.draft_ids.insert(draft.local.as_bytes(), number)?;
        self.model_drafted(number, &draft.body)?;
        self.set_source(draft.source, MessageRef::Local(draft.local))?;
        Ok(DraftOutcome::Added)
    }

    /// Removes a draft, and says whether it was there. `goes_on` tells that an event just took its place in the read
    /// model.
    pub(crate) fn take_draft(&mut self, local: LocalId, goes_on: bool) -> Result<bool, IndexError> {
        let Some(number) = self
            .draft_ids
            .remove(local.as_bytes())?
            .map(|number| number.value())
        else {
            return Ok(false);
        };
        let sealed = self.drafts.remove(number)?.map(|sealed| sealed.value().to_vec());
        let opened =
            sealed.and_then(|sealed| self.keys.open("drafts-1", &number.to_be_bytes(), &sealed).ok());
        if let Some((_, body)) = opened.as_ref().and_then(|plain| plain.split_first_chunk::<16>()) {
            self.model_undrafted(number, body, goes_on)?;
        }
        Ok(true)
    }
}
