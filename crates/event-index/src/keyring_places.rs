//! Which relays were seen to hold which keyrings: without its keyring no envelope can be read, so it is as much a part
//! of a message that is safe as the envelope (DESIGN 6).

use nostr::event::EventId;
use redb::ReadableTable;

use crate::tables::KEYRING_PLACES;
use crate::writer::Writer;
use crate::{IndexError, Store};

/// What one relay said about one keyring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyringPlace {
    /// The relay.
    pub relay: String,
    /// The keyring.
    pub id: EventId,
    /// It returned the keyring from what it stores; false when it listed all it has, and this was not among it.
    pub held: bool,
    /// When, Unix seconds.
    pub at: u64,
}

impl Store {
    /// Remembers which relays hold which keyrings, in one transaction. Of one that is seen again the first time stays.
    pub fn place_keyrings(&self, places: &[KeyringPlace]) -> Result<(), IndexError> {
        self.write(|writer| {
            let mut changed = false;
            for KeyringPlace { relay, id, held, at } in places {
                if self.retired.has(relay) {
                    continue;
                }
                let tag = writer.keys.relay_tag(relay);
                let key = (id.as_bytes(), &tag);
                let known = writer.keyring_places.get(key)?.is_some();
                match (*held, known) {
                    (true, false) => drop(writer.keyring_places.insert(key, at)?),
                    (false, true) => drop(writer.keyring_places.remove(key)?),
                    _ => continue,
                }
                changed = true;
            }
            if !changed {
                writer.nothing_changed();
            }
            Ok(())
        })
    }

    /// On how many of these relays the keyring is that is on the fewest; `None` when there is no keyring, and nothing to
    /// be kept. Cost: a lookup per keyring and relay.
    pub fn keyring_copies(
        &self,
        keyrings: &[EventId],
        relays: &[String],
    ) -> Result<Option<usize>, IndexError> {
        let places = self.read()?.open_table(KEYRING_PLACES)?;
        let mut relays = relays.to_vec();
        relays.sort_unstable();
        relays.dedup();
        let tags: Vec<_> = relays.iter().map(|relay| self.keys.relay_tag(relay)).collect();
        let mut fewest = None;
        for id in keyrings {
            let mut copies = 0;
            for tag in &tags {
                copies += usize::from(places.get((id.as_bytes(), tag))?.is_some());
            }
            fewest = Some(fewest.map_or(copies, |fewest: usize| fewest.min(copies)));
        }
        Ok(fewest)
    }
}

impl Writer<'_> {
    /// Forgets what one relay holds.
    pub(crate) fn forget_places(&mut self, tag: &[u8; 16]) -> Result<(), IndexError> {
        self.keyring_places.retain(|(_, at), _| at != tag)?;
        Ok(())
    }

    /// Forgets what every relay but these holds; returns how many places those were.
    pub(crate) fn keep_places(&mut self, tags: &[[u8; 16]]) -> Result<usize, IndexError> {
        let mut removed = 0;
        self.keyring_places.retain(|(_, at), _| {
            let kept = tags.contains(at);
            removed += usize::from(!kept);
            kept
        })?;
        Ok(removed)
    }
}
