//! Values that only the holder of the store key can read.

use chacha20poly1305::aead::{Aead, AeadInOut, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use supervision::Entropy;
use zeroize::Zeroizing;

use crate::{IndexError, SourceId, StoreKey};

const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
/// A kilobyte and a half.
const NONCES_DRAWN: usize = 64;

/// What makes one sealed value differ from the next. 192 random bits: two of them meet after some 2^96 values, so they need no
/// counter. Not to be used twice, hence no copy.
pub(crate) struct Nonce([u8; NONCE_BYTES]);

/// Nonces, drawn many at a time: each draw is a call into the system.
pub(crate) struct Nonces {
    drawn: [[u8; NONCE_BYTES]; NONCES_DRAWN],
    used: usize,
}

impl Nonces {
    pub(crate) fn new() -> Self {
        Self {
            drawn: [[0; NONCE_BYTES]; NONCES_DRAWN],
            used: NONCES_DRAWN,
        }
    }

    pub(crate) fn next(&mut self, entropy: &dyn Entropy) -> Nonce {
        if self.used == NONCES_DRAWN {
            entropy.fill(self.drawn.as_flattened_mut());
            self.used = 0;
        }
        self.used += 1;
        Nonce(self.drawn[self.used - 1])
    }
}

/// The keys drawn from one store key, each for one purpose.
pub(crate) struct Keys {
    cipher: XChaCha20Poly1305,
    source: Zeroizing<[u8; 32]>,
    relay: Zeroizing<[u8; 32]>,
    conversation: Zeroizing<[u8; 32]>,
    check: [u8; 32],
}

impl Keys {
    pub(crate) fn new(key: &StoreKey) -> Self {
        let draw = |label: &[u8]| Zeroizing::new(keyed_hash(key.as_bytes(), &[label]));
        Self {
            cipher: XChaCha20Poly1305::new((&*draw(b"event-index/seal/1")).into()),
            source: draw(b"event-index/source/1"),
            relay: draw(b"event-index/relay/1"),
            conversation: draw(b"event-index/conversation/1"),
            check: *draw(b"event-index/check/1"),
        }
    }

    /// Tells whether a store was made with the same key; tells nothing else about it.
    pub(crate) fn check(&self) -> &[u8; 32] {
        &self.check
    }

    pub(crate) fn source(&self, conversation: &str, src: &str) -> SourceId {
        let length = (conversation.len() as u64).to_le_bytes();
        SourceId {
            conversation: self.conversation_tag(conversation),
            hash: keyed_hash(&self.source, &[&length, conversation.as_bytes(), src.as_bytes()]),
        }
    }

    pub(crate) fn relay_tag(&self, relay: &str) -> [u8; 16] {
        let mut tag = [0; 16];
        tag.copy_from_slice(&keyed_hash(&self.relay, &[relay.as_bytes()])[..16]);
        tag
    }

    pub(crate) fn conversation_tag(&self, conversation: &str) -> [u8; 16] {
        let mut tag = [0; 16];
        tag.copy_from_slice(&keyed_hash(&self.conversation, &[conversation.as_bytes()])[..16]);
        tag
    }

    /// Seals `plain` for the place `(table, key)`.
    pub(crate) fn seal(&self, entropy: &dyn Entropy, table: &str, key: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        entropy.fill(&mut nonce);
        self.seal_with(Nonce(nonce), table, key, plain)
    }

    /// The same, for whoever seals much.
    pub(crate) fn seal_with(&self, Nonce(nonce): Nonce, table: &str, key: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(NONCE_BYTES + plain.len() + TAG_BYTES);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let (_, message) = sealed.split_at_mut(NONCE_BYTES);
        let tag = self
            .cipher
            .encrypt_inout_detached(&XNonce::from(nonce), &place(table, key), message.into())
            .expect("XChaCha20-Poly1305 takes any message below 256 GiB");
        sealed.extend_from_slice(&tag);
        sealed
    }

    /// Opens what was sealed for `(table, key)`.
    pub(crate) fn open(
        &self,
        table: &str,
        key: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, IndexError> {
        let error = || IndexError::Sealed {
            what: format!("{table} {}", hex(key)),
        };
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or_else(error)?;
        let aad = place(table, key);
        self.cipher
            .decrypt(
                &XNonce::from(*nonce),
                Payload {
                    msg: sealed,
                    aad: &aad,
                },
            )
            .map(Zeroizing::new)
            .map_err(|_| error())
    }
}

fn place(table: &str, key: &[u8]) -> Vec<u8> {
    [table.as_bytes(), &[0], key].concat()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    // Sized at once: growing would leave copies of a key behind.
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

fn keyed_hash(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac =
        <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use supervision::SeededEntropy;

    use super::*;

    fn keys(byte: u8) -> Keys {
        Keys::new(&StoreKey::from_bytes([byte; 32]))
    }

    #[test]
    fn a_value_opens_at_its_place_under_its_key_and_nowhere_else() {
        let entropy = SeededEntropy::new(1);
        let sealed = keys(1).seal(&entropy, "drafts-1", b"7", b"hello");
        assert_eq!(
            keys(1).open("drafts-1", b"7", &sealed).unwrap().as_slice(),
            b"hello"
        );
        for (other, table, key) in [
            (1, "drafts-1", b"8"),
            (1, "keyrings-1", b"7"),
            (2, "drafts-1", b"7"),
        ] {
            assert!(matches!(
                keys(other).open(table, key, &sealed),
                Err(IndexError::Sealed { .. })
            ));
        }
        for cut in 0..sealed.len() {
            assert!(keys(1).open("drafts-1", b"7", &sealed[..cut]).is_err());
        }
    }

    #[test]
    fn sealing_twice_differs() {
        let entropy = SeededEntropy::new(1);
        assert_ne!(
            keys(1).seal(&entropy, "t", b"", b"x"),
            keys(1).seal(&entropy, "t", b"", b"x")
        );
    }

    #[test]
    fn a_source_is_the_pair_and_not_its_concatenation() {
        assert_ne!(keys(1).source("ab", "c"), keys(1).source("a", "bc"));
        assert_ne!(keys(1).source("a", "b"), keys(2).source("a", "b"));
        assert_eq!(keys(1).source("a", "b"), keys(1).source("a", "b"));
    }
}
