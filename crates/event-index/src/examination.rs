//! Whether a store is whole: every record that is not what it should be, named.

use std::ops::ControlFlow;

use nostr::event::{Event, EventId};
use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata};

use crate::envelopes::decode_event;
use crate::tables::{DRAFTS, ENVELOPES, FORGOTTEN, IDS, ITEMS, OTHERS};
use crate::{IndexError, MESSAGE_KIND, Store, forgotten, index_check};

/// One record that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The record: its table and its id or key.
    pub what: String,
    /// The sequence number of an envelope whose own bytes are damaged. [`Store::rebuild`] drops those that it is given;
    /// everything else that follows from envelopes it computes again.
    pub envelope: Option<u64>,
}

/// Takes damage in, and counts what is whole.
struct Finder<'f> {
    events: u64,
    damage: &'f mut dyn FnMut(Damage),
}

impl Finder<'_> {
    fn add(&mut self, what: impl Into<String>, envelope: Option<u64>) {
        let what = what.into();
        (self.damage)(Damage { what, envelope });
    }

    /// Takes a failed check in: damage is noted, a disk that fails is not.
    fn note<T>(&mut self, checked: Result<T, IndexError>) -> Result<(), IndexError> {
        match checked {
            Ok(_) => Ok(()),
            Err(
                IndexError::Corrupt { what, .. } | IndexError::Sealed { what } | IndexError::Index { what },
            ) => {
                self.add(what, None);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

impl Store {
    /// Reads everything and hands over what is damaged: envelopes whose bytes are not their event, lists and sums that
    /// do not follow from them, sealed records that do not open. `genuine` says whether an event is what its author
    /// made; signatures are the caller's to check. Returns how many events are whole; what was found until then, once
    /// `genuine` breaks it off. Cost: the whole file, and one call of `genuine` an event. A read transaction is held
    /// meanwhile: whoever writes makes the file larger by what it writes.
    ///
    /// # Errors
    /// A disk that cannot be read; damage is no error.
    pub fn examine(
        &self,
        genuine: &mut dyn FnMut(&Event) -> ControlFlow<(), bool>,
        damage: &mut dyn FnMut(Damage),
    ) -> Result<u64, IndexError> {
        let mut found = Finder { events: 0, damage };
        let transaction = self.read()?;
        if check_envelopes(&transaction, &mut found, genuine)?.is_break() {
            return Ok(found.events);
        }
        check_lists(&transaction, &mut found)?;
        let mut rows = Vec::new();
        forgotten::check(&transaction, &self.keys, &mut |error| rows.push(error))?;
        for row in rows {
            found.note(Err::<(), _>(row))?;
        }
        found.note(index_check::check(&transaction))?;
        for row in transaction.open_table(DRAFTS)?.iter()? {
            let (number, sealed) = row?;
            let number = number.value().to_be_bytes();
            found.note(self.keys.open("drafts-1", &number, sealed.value()))?;
        }
        drop(transaction);
        found.note(self.keyrings())?;
        found.note(self.agreements())?;
        found.note(self.relays())?;
        Ok(found.events)
    }
}

/// Every envelope is an event, under its own number in `items` and `ids`, and among `others` when it is no message.
fn check_envelopes(
    transaction: &ReadTransaction,
    found: &mut Finder<'_>,
    genuine: &mut dyn FnMut(&Event) -> ControlFlow<(), bool>,
) -> Result<ControlFlow<()>, IndexError> {
    let (items, ids) = (transaction.open_table(ITEMS)?, transaction.open_table(IDS)?);
    let others = transaction.open_table(OTHERS)?;
    for row in transaction.open_table(ENVELOPES)?.iter()? {
        let (seq, bytes) = row?;
        let seq = seq.value();
        let event = match decode_event(seq, None, Some(bytes.value())) {
            Ok(event) => event,
            Err(IndexError::Corrupt { what, .. }) => {
                found.add(what, Some(seq));
                continue;
            }
            Err(error) => return Err(error),
        };
        match genuine(&event) {
            ControlFlow::Continue(true) => {}
            ControlFlow::Continue(false) => {
                found.add(format!("the signature of the event {}", event.id), Some(seq));
                continue;
            }
            ControlFlow::Break(()) => return Ok(ControlFlow::Break(())),
        }
        found.events += 1;
        let id = event.id.as_bytes();
        let listed = items
            .get((event.created_at.as_secs(), id))?
            .map(|seq| seq.value());
        let known = ids.get(id)?.map(|seq| seq.value());
        let kind = others.get(seq)?.map(|kind| kind.value());
        let expected = Some(u16::from(event.kind)).filter(|kind| *kind != MESSAGE_KIND);
        if listed != Some(seq) || known != Some(seq) || kind != expected {
            found.add(format!("the lists that name the event {}", event.id), None);
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Nothing is listed that has no envelope.
fn check_lists(transaction: &ReadTransaction, found: &mut Finder<'_>) -> Result<(), IndexError> {
    let envelopes = transaction.open_table(ENVELOPES)?;
    let (items, ids) = (transaction.open_table(ITEMS)?, transaction.open_table(IDS)?);
    let forgotten = transaction.open_table(FORGOTTEN)?;
    let expected = envelopes.len()? + forgotten.len()?;
    if items.len()? == expected && ids.len()? == expected {
        // One row for each envelope and each forgotten event, as far as those are whole: nothing else is there.
        return Ok(());
    }
    for row in items.iter()? {
        let (key, seq) = row?;
        if envelopes.get(seq.value())?.is_none() && forgotten.get(seq.value())?.is_none() {
            let id = EventId::from_byte_array(*key.value().1);
            found.add(format!("the event {id}, whose envelope is gone"), None);
        }
    }
    for row in ids.iter()? {
        let (id, seq) = row?;
        if envelopes.get(seq.value())?.is_none() && forgotten.get(seq.value())?.is_none() {
            let id = EventId::from_byte_array(*id.value());
            found.add(format!("the id {id}, whose envelope is gone"), None);
        }
    }
    Ok(())
}
