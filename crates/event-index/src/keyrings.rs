//! Keyrings this device has seen, with what they hold once it was opened.

use std::fmt;

use nostr::event::{Event, EventId};
use redb::ReadableTable;
use zeroize::Zeroizing;

use crate::tables::KEYRINGS;
use crate::{IndexError, Store};

/// Stands for "not opened yet" where the length of the secret is kept.
const NO_SECRET: u32 = u32::MAX;

/// A keyring. Everything of it is sealed on disk.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyringRow {
    /// The event's id.
    pub id: EventId,
    /// The kind 1081 event.
    pub event: Event,
    /// What it holds, opened once with the signer; wiped when dropped.
    pub secret: Option<Zeroizing<Vec<u8>>>,
    /// Whether a relay was seen to serve it.
    pub read_back: bool,
}

impl fmt::Debug for KeyringRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyringRow")
            .field("id", &self.id)
            .field("opened", &self.secret.is_some())
            .field("read_back", &self.read_back)
            .finish_non_exhaustive()
    }
}

impl KeyringRow {
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let event =
            serde_json::to_vec(&self.event).expect("an event is strings and numbers, which always serialize");
        let secret: &[u8] = self.secret.as_ref().map_or(&[], |secret| secret);
        let length = self
            .secret
            .as_ref()
            .map_or(NO_SECRET, |secret| secret.len() as u32);
        // Sized at once: growing would leave copies of the secret behind.
        let mut plain = Zeroizing::new(Vec::with_capacity(5 + secret.len() + event.len()));
        plain.push(u8::from(self.read_back));
        plain.extend(length.to_le_bytes());
        plain.extend(secret);
        plain.extend(event);
        plain
    }

    fn decode(id: EventId, plain: &[u8]) -> Option<Self> {
        let (read_back, rest) = plain.split_first()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (secret, event) = match u32::from_le_bytes(*length) {
            NO_SECRET => (None, rest),
            length => {
                let (secret, event) = rest.split_at_checked(length as usize)?;
                (Some(Zeroizing::new(secret.to_vec())), event)
            }
        };
        let event = serde_json::from_slice::<Event>(event)
            .ok()
            .filter(|event| event.id == id)?;
        Some(Self {
            id,
            event,
            secret,
            read_back: *read_back == 1,
        })
    }
}

impl Store {
    /// Keeps a keyring, durably. What is known about it only grows: a secret stays when the new row has none, and so
    /// does the fact that it was read back.
    pub fn put_keyring(&self, row: KeyringRow) -> Result<(), IndexError> {
        self.write(|writer| {
            let key = row.id.to_bytes();
            let mut row = row;
            let known = match writer.keyrings.get(&key)? {
                Some(sealed) => Some(read_row(
                    &writer.keys.open("keyrings-1", &key, sealed.value())?,
                    &key,
                )?),
                None => None,
            };
            if let Some(known) = known {
                row.secret = row.secret.or(known.secret);
                row.read_back |= known.read_back;
            }
            let sealed = writer
                .keys
                .seal(writer.entropy, "keyrings-1", &key, &row.encode());
            writer.keyrings.insert(&key, sealed.as_slice())?;
            Ok(())
        })
    }

    /// Every keyring, the oldest (lowest `created_at`, then lowest id) first: the first is the one to write with.
    pub fn keyrings(&self) -> Result<Vec<KeyringRow>, IndexError> {
        let keyrings = self.read()?.open_table(KEYRINGS)?;
        let mut found = Vec::new();
        for row in keyrings.iter()? {
            let (key, sealed) = row?;
            found.push(read_row(
                &self.keys.open("keyrings-1", key.value(), sealed.value())?,
                key.value(),
            )?);
        }
        found.sort_by_key(|row| (row.event.created_at, row.id));
        Ok(found)
    }
}

fn read_row(plain: &[u8], key: &[u8; 32]) -> Result<KeyringRow, IndexError> {
    let id = EventId::from_byte_array(*key);
    KeyringRow::decode(id, plain).ok_or_else(|| IndexError::corrupt(format!("the keyring {id}")))
}
