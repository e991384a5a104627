//! An account's secret key in the forms a person keeps it in: nsec, hex, words (NIP-06), encrypted (NIP-49).

use std::fmt;

use nostr::key::Keys;
use nostr::nips::nip06::FromMnemonic;
use nostr::nips::nip19::FromBech32;
use nostr::nips::nip49::EncryptedSecretKey;
use zeroize::Zeroizing;

use crate::{DeviceSecret, SecretTextError};

/// The shortest list of words of BIP-39; they come in steps of three up to the longest.
const WORDS_MIN: usize = 12;
const WORDS_MAX: usize = 24;
/// scrypt asks for 2^18 KiB = 256 MiB at this cost; a text that asks for more would exhaust a small machine.
const LOG_N_MAX: u8 = 18;

/// What a person pasted.
#[derive(Debug)]
pub enum AccountKey {
    /// An nsec or 64 hex digits.
    Raw(DeviceSecret),
    /// Words, read as NIP-06 says: `m/44'/1237'/0'/0/0`, no passphrase.
    Mnemonic(DeviceSecret),
    /// An ncryptsec, which a passphrase opens.
    Encrypted(EncryptedKey),
}

/// A key that needs a passphrase (NIP-49). `Debug` shows nothing of it.
pub struct EncryptedKey(EncryptedSecretKey);

/// Why a passphrase did not open an encrypted key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PassphraseError {
    /// Another passphrase encrypted it, or a character of the key is wrong.
    #[error("the passphrase does not open this key; type it again, and mind upper and lower case")]
    Wrong,
    /// The key asks for more memory than is reasonable.
    #[error(
        "this encrypted key takes 2^{log_n} KiB of memory to open, at most 2^{LOG_N_MAX} are given; encrypt the key anew \
         with a lower cost"
    )]
    TooCostly {
        /// The binary logarithm of what it asks for.
        log_n: u8,
    },
}

impl AccountKey {
    /// Recognises the form by its look. Costs up to 2 ms for words.
    pub fn recognise(text: &str) -> Result<Self, SecretTextError> {
        let text = text.trim();
        if text.split_whitespace().nth(2).is_some() {
            return mnemonic(text).map(Self::Mnemonic);
        }
        match DeviceSecret::parse(text) {
            Ok(secret) => Ok(Self::Raw(secret)),
            Err(SecretTextError::Encrypted) => EncryptedSecretKey::from_bech32(text)
                .map(|key| Self::Encrypted(EncryptedKey(key)))
                .map_err(|_| SecretTextError::BadChecksum),
            Err(error) => Err(error),
        }
    }
}

impl EncryptedKey {
    /// The secret key inside. Costs what the key's author chose: 64 MiB and about 0.2 s at the usual 2^16, more in debug
    /// builds; blocks.
    pub fn open(&self, passphrase: &str) -> Result<DeviceSecret, PassphraseError> {
        let log_n = self.0.log_n();
        if log_n > LOG_N_MAX {
            return Err(PassphraseError::TooCostly { log_n });
        }
        self.0
            .decrypt_with_max_log_n(passphrase, LOG_N_MAX)
            .map(DeviceSecret::from)
            .map_err(|_| PassphraseError::Wrong)
    }
}

impl fmt::Debug for EncryptedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptedKey").finish_non_exhaustive()
    }
}

fn mnemonic(text: &str) -> Result<DeviceSecret, SecretTextError> {
    let words = text.split_whitespace().count();
    if !(WORDS_MIN..=WORDS_MAX).contains(&words) || !words.is_multiple_of(3) {
        return Err(SecretTextError::WordCount { found: words });
    }
    // The list has lower case only; a phone's keyboard likes to begin with upper case.
    let mut clean = Zeroizing::new(String::with_capacity(text.len()));
    for word in text.split_whitespace() {
        if !clean.is_empty() {
            clean.push(' ');
        }
        clean.extend(word.chars().flat_map(char::to_lowercase));
    }
    Keys::from_mnemonic(clean.as_str(), None)
        .map(|keys| DeviceSecret::from(keys.secret_key().clone()))
        .map_err(|_| SecretTextError::BadMnemonic)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NIP-06, first test vector.
    const WORDS: &str = "leader monkey parrot ring guide accident before fence cannon height naive bean";
    /// NIP-49, "Test Data": opened by `nostr`.
    const ENCRYPTED: &str = "ncryptsec1qgg9947rlpvqu76pj5ecreduf9jxhselq2nae2kghhvd5g7dgjtcxfqtd67p9m0w57lspw8gsq6yphnm8623nsl8xn9j4jdzz84zm3frztj3z7s35vpzmqf6ksu8r89qk5z2zxfmu5gv8th8wclt0h4p";

    /// The key that these hex digits spell.
    fn spelled(digits: &str) -> DeviceSecret {
        DeviceSecret::parse(digits).unwrap()
    }

    #[test]
    fn words_give_the_key_of_the_standard_however_they_were_typed() {
        for text in [
            WORDS.to_owned(),
            format!("  {}\n", WORDS.replace(' ', "\n ").replace("leader", "Leader")),
        ] {
            let Ok(AccountKey::Mnemonic(secret)) = AccountKey::recognise(&text) else {
                panic!("{text}")
            };
            assert!(secret == spelled("7f7ff03d123792d6ac594bfa67bf6d0c0ab55b6b1fdb6249303fe861f1ccba9a"));
        }
    }

    #[test]
    fn an_encrypted_key_opens_with_its_passphrase_only() {
        let Ok(AccountKey::Encrypted(key)) = AccountKey::recognise(ENCRYPTED) else {
            panic!("it is recognised")
        };
        let secret = key.open("nostr").unwrap();
        assert!(secret == spelled("3501454135014541350145413501453fefb02227e449e57cf4d3a3ce05378683"));
        assert_eq!(key.open("Nostr").unwrap_err(), PassphraseError::Wrong);
        assert_eq!(format!("{key:?}"), "EncryptedKey { .. }");
    }

    #[test]
    fn a_key_that_would_take_all_memory_is_not_opened() {
        let AccountKey::Encrypted(EncryptedKey(key)) = AccountKey::recognise(ENCRYPTED).unwrap() else {
            panic!("it is recognised")
        };
        let mut bytes = key.as_vec();
        bytes[1] = 31;
        let greedy = EncryptedKey(EncryptedSecretKey::from_slice(&bytes).unwrap());
        assert_eq!(
            greedy.open("nostr").unwrap_err(),
            PassphraseError::TooCostly { log_n: 31 }
        );
    }

    #[test]
    fn what_is_no_key_says_what_is_wrong_and_repeats_nothing() {
        let wrong = |text: &str| AccountKey::recognise(text).unwrap_err();
        assert_eq!(
            wrong("leader monkey parrot"),
            SecretTextError::WordCount { found: 3 }
        );
        assert_eq!(
            wrong(&WORDS.replace("bean", "beak")),
            SecretTextError::BadMnemonic
        );
        assert_eq!(
            wrong(&WORDS.replace("leader", "bean")),
            SecretTextError::BadMnemonic
        );
        assert_eq!(wrong(&ENCRYPTED[..100]), SecretTextError::BadChecksum);
        assert_eq!(wrong(""), SecretTextError::Empty);
        let words = wrong(&WORDS.replace("bean", "beak")).to_string();
        assert!(!words.contains("beak"), "{words}");
    }
}
