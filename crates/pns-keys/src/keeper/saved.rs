//! How what is inside a keyring event is written to the store, where it lies sealed.
//!
//! | secret | means |
//! | --- | --- |
//! | absent | the signer has not said what is inside |
//! | starts with `{` | the decrypted text, `{"nsec":…,"salt":…}` |
//! | anything else | a word from [`KeyringError::reason`]: no keyring of ours, for good |

use event_index::{IndexError, KeyringRow, Store};
use nostr::event::{Event, EventId};
use zeroize::Zeroizing;

use super::shelf::Inside;
use crate::{CardKeyring, Keyring, KeyringError, SecretTextError};

/// The secret to save for `inside`.
pub(super) fn write(inside: &Inside) -> Option<Zeroizing<Vec<u8>>> {
    match inside {
        Inside::Closed | Inside::Refused(_) => None,
        Inside::Junk(error) => Some(Zeroizing::new(error.reason().as_bytes().to_vec())),
        Inside::Open(keyring) => Some(Zeroizing::new(keyring.to_plaintext().as_bytes().to_vec())),
    }
}

/// The row that keeps a keyring of a key card, so that a keeper finds it open.
pub fn row_of(CardKeyring { event, inside }: &CardKeyring) -> KeyringRow {
    KeyringRow {
        id: event.id,
        event: event.clone(),
        secret: write(&Inside::Open(inside.clone())),
        // Whether any relay still has it is for the next search to say.
        read_back: false,
    }
}

/// What a key card holds of this row; `None` for one that is not open.
pub fn on_card(row: &KeyringRow) -> Option<CardKeyring> {
    match read(&row.event, row.secret.as_deref().map(Vec::as_slice)) {
        Inside::Open(inside) => Some(CardKeyring {
            event: row.event.clone(),
            inside,
        }),
        Inside::Closed | Inside::Refused(_) | Inside::Junk(_) => None,
    }
}

/// The keyrings of this store that were opened: without these its messages cannot be read. Cost: about 0.2 ms each.
pub fn open_keyrings(store: &Store) -> Result<Vec<EventId>, IndexError> {
    let rows = store.keyrings()?;
    let open = |row: &&KeyringRow| on_card(row).is_some();
    Ok(rows.iter().filter(open).map(|row| row.id).collect())
}

/// What was saved for `event`. A secret that says nothing known is asked of the signer again.
pub(super) fn read(event: &Event, secret: Option<&[u8]>) -> Inside {
    let junk = |error| Inside::Junk(error);
    match secret {
        Some(text) if text.starts_with(b"{") => {
            Keyring::from_plaintext(event, text).map_or(Inside::Closed, Inside::Open)
        }
        Some(b"not_encrypted_to_self") => junk(KeyringError::NotEncryptedToSelf),
        Some(b"not_json") => junk(KeyringError::NotJson),
        Some(b"no_nsec") => junk(KeyringError::NoNsec),
        Some(b"bad_nsec") => junk(KeyringError::BadNsec(SecretTextError::Unrecognised)),
        _ => Inside::Closed,
    }
}
