//! Bringing the model up to what is stored: after an update of the program, after a rebuild, and when a key appears.

use chat_model::Message;
use nostr::event::{Event, EventId};
use redb::TableError;

use super::Arrived;
use super::place::Marks;
use crate::envelopes::decode_event;
use crate::tables::{CLOSED, COUNTERS, ENVELOPES, MODEL};
use crate::writer::Counted;
use crate::{IndexError, MESSAGE_KIND, Store};

/// An envelope and what was in it.
#[derive(Debug, Clone)]
pub struct OpenedEnvelope {
    /// Its sequence number.
    pub seq: u64,
    /// The envelope.
    pub event: Event,
    /// The message; `None` when it stays closed for now, or is none.
    pub message: Option<Message>,
}

/// Some envelopes that have no message in the model.
#[derive(Debug, Clone, Default)]
pub struct Unopened {
    /// Those that could be read, by sequence number.
    pub events: Vec<(u64, Event)>,
    /// Everything up to here was looked at; `None` when there are no more.
    pub last: Option<u64>,
}

/// What [`Store::build`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Built {
    /// The envelopes whose messages are in the model from now on.
    pub opened: Vec<EventId>,
}

impl Store {
    /// How far the model is behind: the last sequence number it covers, and the last that was given out.
    pub fn model_built(&self) -> Result<(u64, u64), IndexError> {
        let transaction = self.read()?;
        let built = transaction
            .open_table(MODEL)?
            .get("built")?
            .map_or(0, |built| built.value());
        Ok((built, Counted::load(&transaction.open_table(COUNTERS)?)?.seq))
    }

    /// Where what is stored from now on begins.
    pub fn marks(&self) -> Result<Marks, IndexError> {
        let counted = Counted::load(&self.read()?.open_table(COUNTERS)?)?;
        Ok(Marks {
            seq: counted.seq,
            draft: counted.draft,
        })
    }

    /// The first `max` envelopes that the model does not cover. A damaged one is logged and passed over.
    pub fn unbuilt(&self, max: usize) -> Result<Unopened, IndexError> {
        let transaction = self.read()?;
        let built = transaction
            .open_table(MODEL)?
            .get("built")?
            .map_or(0, |built| built.value());
        let envelopes = transaction.open_table(ENVELOPES)?;
        let mut unopened = Unopened::default();
        for row in envelopes.range(built.saturating_add(1)..)?.take(max) {
            let (seq, bytes) = row?;
            unopened.last = Some(seq.value());
            unopened.take(seq.value(), decode_event(seq.value(), None, Some(bytes.value())))?;
        }
        if unopened.last.is_none() {
            let seq = Counted::load(&transaction.open_table(COUNTERS)?)?.seq;
            unopened.last = Some(seq).filter(|seq| *seq > built);
        }
        Ok(unopened)
    }

    /// The first `max` envelopes behind `after` that the model keeps as closed.
    pub fn closed(&self, after: u64, max: usize) -> Result<Unopened, IndexError> {
        let transaction = self.read()?;
        let envelopes = transaction.open_table(ENVELOPES)?;
        let mut unopened = Unopened::default();
        for row in transaction
            .open_table(CLOSED)?
            .range(after.saturating_add(1)..)?
            .take(max)
        {
            let seq = row?.0.value();
            unopened.last = Some(seq);
            let bytes = envelopes.get(seq)?;
            let bytes = bytes.as_ref().map(redb::AccessGuard::value);
            unopened.take(seq, decode_event(seq, None, bytes))?;
        }
        Ok(unopened)
    }

    /// Takes what envelopes hold into the model, in one transaction; `to` is the last number of a page of
    /// [`Store::unbuilt`]. Envelopes that are gone or in the model are passed over. What is opened counts as unread on a
    /// device that was level about the authors in `news`.
    pub fn build(
        &self,
        envelopes: &[OpenedEnvelope],
        to: Option<u64>,
        news: Option<u32>,
    ) -> Result<Built, IndexError> {
        self.write(|writer| {
            let mut built = Built::default();
            let covered = writer.model.built();
            let unread = writer.was_level(news)?;
            for OpenedEnvelope { seq, event, message } in envelopes {
                let held = writer.held_seq(&event.id)? == Some(*seq) && !writer.model.holds(*seq)?;
                if !held || u16::from(event.kind) != MESSAGE_KIND {
                    continue;
                }
                let Some(message) = message else {
                    if *seq > covered {
                        writer.model.closed.insert(*seq, ())?;
                    }
                    continue;
                };
                writer.model.closed.remove(*seq)?;
                // Its number is lower than others that were read.
                writer.model.disturb();
                writer.model_open(*seq, &Arrived::new(writer.keys, event, message), unread)?;
                built.opened.push(event.id);
            }
            if let Some(to) = to.filter(|to| *to > covered) {
                writer.model.set_built(to);
            }
            if writer.model.built() == writer.counted().seq {
                writer.model.set_building(false)?;
            } else if built.opened.is_empty() && writer.model.built() == covered {
                writer.nothing_changed();
            }
            Ok(built)
        })
    }

    /// Begins the model anew in a file that never had one, or that a program without it wrote to.
    pub(crate) fn update_model(&self) -> Result<(), IndexError> {
        if self.model_is_current()? {
            return Ok(());
        }
        self.write(|writer| {
            let behind = writer.model.built() < writer.counted().seq && !writer.model.building()?;
            if writer.model.absent()? || behind {
                writer.model_reset()?;
                if writer.counted().seq == 0 {
                    writer.model.set_building(false)?;
                }
            } else {
                writer.nothing_changed();
            }
            Ok(())
        })
    }

    /// Whether there is a model, and everything it lacks is being put in. Cost: three look-ups.
    fn model_is_current(&self) -> Result<bool, IndexError> {
        let transaction = self.read()?;
        let model = match transaction.open_table(MODEL) {
            Ok(model) => model,
            Err(TableError::TableDoesNotExist(_)) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let Some(built) = model.get("built")?.map(|built| built.value()) else {
            return Ok(false);
        };
        let seq = Counted::load(&transaction.open_table(COUNTERS)?)?.seq;
        Ok(built >= seq || model.get("building")?.is_some())
    }
}

impl Unopened {
    fn take(&mut self, seq: u64, event: Result<Event, IndexError>) -> Result<(), IndexError> {
        match event {
            Ok(event) => self.events.push((seq, event)),
            Err(IndexError::Corrupt { what, .. }) => {
                tracing::error!(what, "a damaged envelope is passed over");
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
