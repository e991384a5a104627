//! Which relays hold which keyrings, on its way to the disk: what makes a message safe is also that its keyring is.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use event_index::KeyringPlace;
use nostr::event::EventId;
use relay_link::RelayUrl;

/// The pause after the store could not be written. The writer restarts well within it.
const SAVE_PAUSE: Duration = Duration::from_secs(2);

/// See the module. Holds a row for each of the shelf's keyrings and each relay at most.
#[derive(Debug, Default)]
pub(super) struct Places {
    known: BTreeMap<(RelayUrl, EventId), bool>,
    unsaved: BTreeMap<(RelayUrl, EventId), KeyringPlace>,
    saving: bool,
    save_at: Option<Instant>,
}

impl Places {
    /// `relay` returned `id` from what it stores, or listed all it has without it.
    pub(super) fn seen(&mut self, relay: &RelayUrl, id: EventId, held: bool, unix: u64) {
        let key = (relay.clone(), id);
        if self.known.insert(key.clone(), held) != Some(held) {
            let place = KeyringPlace {
                relay: relay.to_string(),
                id,
                held,
                at: unix,
            };
            self.unsaved.insert(key, place);
        }
    }

    /// What to write, if it is time for it. [`Self::saved`] must follow.
    pub(super) fn next_to_save(&mut self, now: Instant) -> Option<Vec<KeyringPlace>> {
        if self.saving || self.unsaved.is_empty() || self.save_at.is_some_and(|at| at > now) {
            return None;
        }
        self.saving = true;
        Some(std::mem::take(&mut self.unsaved).into_values().collect())
    }

    /// What became of it.
    pub(super) fn saved(&mut self, places: Vec<KeyringPlace>, written: bool, now: Instant) {
        self.saving = false;
        self.save_at = (!written).then_some(now + SAVE_PAUSE);
        if written {
            return;
        }
        for place in places {
            // What was seen meanwhile is newer.
            if let Ok(relay) = place.relay.parse::<RelayUrl>() {
                self.unsaved.entry((relay, place.id)).or_insert(place);
            }
        }
    }

    /// When there is something to save that has to wait.
    pub(super) fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        self.save_at
            .filter(|at| !self.unsaved.is_empty() && !self.saving && *at > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any instant will do as a start")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn what_could_not_be_written_is_written_later_unless_something_newer_was_seen() {
        let (now, mut places) = (start(), Places::default());
        let relay: RelayUrl = "wss://relay.example".parse().unwrap();
        let id = |n| EventId::from_byte_array([n; 32]);
        places.seen(&relay, id(1), true, 100);
        places.seen(&relay, id(2), true, 100);
        let first = places.next_to_save(now).unwrap();
        assert_eq!(first.len(), 2);
        places.seen(&relay, id(1), false, 200);
        assert_eq!(places.next_to_save(now), None, "one write at a time");
        places.saved(first, false, now);
        assert_eq!(places.next_to_save(now), None, "after a pause");
        assert_eq!(places.poll_timeout(now), Some(now + SAVE_PAUSE));
        let again = places.next_to_save(now + SAVE_PAUSE).unwrap();
        let told: Vec<(EventId, bool, u64)> = again
            .iter()
            .map(|place| (place.id, place.held, place.at))
            .collect();
        assert_eq!(told, [(id(1), false, 200), (id(2), true, 100)]);
        places.saved(again, true, now);
        places.seen(&relay, id(2), true, 300);
        assert_eq!(places.next_to_save(now + SAVE_PAUSE), None, "that is known");
    }
}
