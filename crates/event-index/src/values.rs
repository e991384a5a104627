//! Small sealed values: the list of relays, what is known of each, and whatever callers name themselves.

use redb::ReadableTable;

use crate::delivery_rows::state_of;
use crate::tables::{RELAYS, VALUES};
use crate::{IndexError, Store};

/// Under this name; callers' names start with `:` on disk, so that none can meet it.
const RELAY_LIST: &str = "relays";

impl Store {
    /// The configured relays, in the order they were given.
    pub fn relays(&self) -> Result<Vec<String>, IndexError> {
        match self.value(RELAY_LIST)? {
            Some(plain) => {
                serde_json::from_slice(&plain).map_err(|_| IndexError::corrupt("the list of relays"))
            }
            None => Ok(Vec::new()),
        }
    }

    /// Replaces the list of relays. What is queued for, or agreed with, one that left stays until
    /// [`Store::forget_relay`].
    pub fn set_relays(&self, relays: &[String]) -> Result<(), IndexError> {
        let plain = serde_json::to_vec(relays).expect("strings always serialize");
        self.put_value(RELAY_LIST, &plain)
    }

    /// Drops everything kept about a relay that nobody writes about: its profile, its agreement, its queue and what it serves beyond. The events stay, and a
    /// comparison queues them again. Returns how many deliveries were not settled.
    pub fn forget_relay(&self, relay: &str) -> Result<usize, IndexError> {
        self.write(|writer| {
            let tag = writer.keys.relay_tag(relay);
            let mut rows = Vec::new();
            for row in writer.deliveries.range((&tag, 0)..(&tag, u64::MAX))? {
                let (key, bytes) = row?;
                rows.push((key.value().1, state_of(bytes.value())));
            }
            for (seq, _) in &rows {
                writer.remove_delivery(&tag, *seq)?;
            }
            writer.relays.remove(&tag)?;
            writer.agreements.remove(&tag)?;
            writer.prove_again();
            writer.clear_extra(&tag)?;
            writer.forget_places(&tag)?;
            Ok(rows
                .iter()
                .filter(|(_, state)| !state.is_some_and(crate::DeliveryState::is_settled))
                .count())
        })
    }

    /// Drops the deliveries to every relay but these: a message waits for relays that are in use only. The events stay,
    /// and a comparison queues them again for a relay that comes back. Its agreement goes with them: it excepted what they
    /// are about. Returns how many deliveries went. Cost: a scan of the deliveries, and no commit when none goes.
    pub fn keep_relays(&self, relays: &[String]) -> Result<usize, IndexError> {
        self.write(|writer| {
            let kept: Vec<_> = relays.iter().map(|relay| writer.keys.relay_tag(relay)).collect();
            let mut stale = Vec::new();
            for row in writer.deliveries.iter()? {
                let (key, _) = row?;
                let (tag, seq) = key.value();
                if !kept.contains(tag) {
                    stale.push((*tag, seq));
                }
            }
            for (tag, seq) in &stale {
                writer.remove_delivery(tag, *seq)?;
                writer.agreements.remove(tag)?;
                writer.prove_again();
            }
            let extra = writer.keep_extra(&kept)?;
            let places = writer.keep_places(&kept)?;
            if stale.is_empty() && extra == 0 && places == 0 {
                writer.nothing_changed();
            }
            Ok(stale.len())
        })
    }

    /// What was learned about a relay, as its owner wrote it (JSON).
    pub fn relay_profile(&self, relay: &str) -> Result<Option<String>, IndexError> {
        let relays = self.read()?.open_table(RELAYS)?;
        let tag = self.keys.relay_tag(relay);
        let Some(sealed) = relays.get(&tag)? else {
            return Ok(None);
        };
        let plain = self.keys.open("relays-1", &tag, sealed.value())?;
        String::from_utf8(plain.to_vec())
            .map(Some)
            .map_err(|_| IndexError::corrupt("a row of relays-1"))
    }

    /// Replaces what was learned about a relay.
    pub fn put_relay_profile(&self, relay: &str, profile: &str) -> Result<(), IndexError> {
        self.write(|writer| {
            if self.retired.has(relay) {
                writer.nothing_changed();
                return Ok(());
            }
            let tag = writer.keys.relay_tag(relay);
            let sealed = writer
                .keys
                .seal(writer.entropy, "relays-1", &tag, profile.as_bytes());
            writer.relays.insert(&tag, sealed.as_slice())?;
            Ok(())
        })
    }

    /// The caller's value of this name.
    pub fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, IndexError> {
        self.value(&format!(":{name}"))
    }

    /// Keeps a value under a name, sealed; the name itself is readable on disk.
    pub fn put_meta(&self, name: &str, value: &[u8]) -> Result<(), IndexError> {
        self.put_value(&format!(":{name}"), value)
    }

    fn value(&self, name: &str) -> Result<Option<Vec<u8>>, IndexError> {
        let values = self.read()?.open_table(VALUES)?;
        let Some(sealed) = values.get(name)? else {
            return Ok(None);
        };
        Ok(Some(
            self.keys
                .open("values-1", name.as_bytes(), sealed.value())?
                .to_vec(),
        ))
    }

    fn put_value(&self, name: &str, value: &[u8]) -> Result<(), IndexError> {
        self.write(|writer| {
            let sealed = writer
                .keys
                .seal(writer.entropy, "values-1", name.as_bytes(), value);
            writer.values.insert(name, sealed.as_slice())?;
            Ok(())
        })
    }
}
