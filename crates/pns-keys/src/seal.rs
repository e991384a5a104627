//! Putting a rumor into an envelope.

use nostr::event::{Event, EventId, Kind, Tag};

use crate::{ENVELOPE, PnsKey, Profile, payload};

/// The most rumor JSON one envelope carries, in bytes. A default strfry refuses events over 65,536 bytes, and NIP-44
/// pads: 40,960 bytes is the last size that fits, 40,000 what other clients agreed on (field guide 3.2).
pub const RUMOR_BYTES_MAX: usize = 40_000;

/// The most ids one deletion names: 500 are about 36 KB, under the same limit of relays.
pub const DELETED_IDS_MAX: usize = 500;

/// Why nothing was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The rumor is empty. NIP-44 cannot say nothing.
    #[error("an empty rumor cannot be sealed")]
    Empty,
    /// The rumor is too long for one envelope.
    #[error("a rumor of {bytes} bytes does not fit into one envelope of {max}; split the message into parts")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// [`RUMOR_BYTES_MAX`].
        max: usize,
    },
    /// The key belongs to a profile that is only read.
    #[error("nothing new is written under the {profile} profile; use the key of the oldest keyring")]
    ReadOnly {
        /// The key's profile.
        profile: Profile,
    },
    /// A deletion names no id, or too many.
    #[error("a deletion names 1 to {max} ids, not {ids}; make several deletions")]
    DeletedIds {
        /// How many were given.
        ids: usize,
        /// [`DELETED_IDS_MAX`].
        max: usize,
    },
}

/// Seals `rumor_json` into a kind-1080 event without tags (DESIGN 3).
///
/// `created_at` is the time of sealing in unix seconds. `nonce` must be fresh for every call: two rumors sealed with
/// one nonce give both away. `aux` is BIP-340's auxiliary randomness. The bytes go in untouched, whatever they are.
/// Equal arguments give equal bytes. About 50 us.
pub fn seal(
    key: &PnsKey,
    rumor_json: &[u8],
    created_at: u64,
    nonce: [u8; 32],
    aux: [u8; 32],
) -> Result<Event, SealError> {
    writable(key)?;
    if rumor_json.len() > RUMOR_BYTES_MAX {
        return Err(SealError::TooLong {
            bytes: rumor_json.len(),
            max: RUMOR_BYTES_MAX,
        });
    }
    envelope(key, rumor_json, created_at, nonce, aux)
}

/// [`seal`] without the limits that hold for new envelopes only: the golden data has older and longer ones.
pub(crate) fn envelope(
    key: &PnsKey,
    rumor_json: &[u8],
    created_at: u64,
    nonce: [u8; 32],
    aux: [u8; 32],
) -> Result<Event, SealError> {
    let content = payload::encrypt(key.conversation(), rumor_json, nonce).ok_or(SealError::Empty)?;
    Ok(key.sign(ENVELOPE, Vec::new(), content, created_at, &aux))
}

/// Signs a kind-5 event that takes back envelopes of `key`: `["e",id]`…, then `["k","1080"]` (DESIGN 3). A key that
/// writes no messages any more takes its old ones back all the same: nobody else can.
///
/// The content is empty, so a relay learns nothing but the ids. `created_at` is in unix seconds.
pub fn sign_deletion(
    key: &PnsKey,
    ids: &[EventId],
    created_at: u64,
    aux: [u8; 32],
) -> Result<Event, SealError> {
    if ids.is_empty() || ids.len() > DELETED_IDS_MAX {
        return Err(SealError::DeletedIds {
            ids: ids.len(),
            max: DELETED_IDS_MAX,
        });
    }
    let mut tags: Vec<Tag> = ids.iter().map(|id| Tag::event(*id)).collect();
    tags.push(Tag::custom("k", [ENVELOPE.as_u16().to_string()]));
    Ok(key.sign(Kind::EventDeletion, tags, String::new(), created_at, &aux))
}

fn writable(key: &PnsKey) -> Result<(), SealError> {
    if key.profile().writable() {
        Ok(())
    } else {
        Err(SealError::ReadOnly {
            profile: key.profile(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::envelope;
    use crate::{DeviceSecret, PnsKey, Profile, open};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// What any release ever sealed, under any profile and past today's limit, opens.
        #[test]
        fn every_profile_opens_what_it_sealed(
            secret in any::<[u8; 32]>(), salt in ".{0,80}", nonce: [u8; 32],
            rumor in prop_oneof![1..500_usize, 65_530..65_540_usize].prop_map(|size| vec![b'x'; size]),
        ) {
            let Ok(device) = DeviceSecret::from_bytes(&secret) else { return Ok(()) };
            for profile in Profile::ALL {
                let key = PnsKey::derive(profile, &device, &salt).expect("derives");
                let event = envelope(&key, &rumor, 1_789_000_000, nonce, [0; 32]).expect("seals");
                prop_assert_eq!(open(&key, &event), Ok(rumor.clone()));
            }
        }
    }
}
