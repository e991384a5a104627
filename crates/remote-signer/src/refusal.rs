//! What a signer's error text means. NIP-46 gives errors no codes, so words decide.

use pns_keys::SignerError;

use crate::request::Request;

/// Longer texts are cut: they are shown in one line.
const REASON_CHARACTERS_MAX: usize = 200;

/// A person or a rule said no. Looked for first: "could not decrypt: user rejected" is a no.
const NO: [&str; 10] = [
    "denied",
    "reject",
    "refuse",
    "permission",
    "not allowed",
    "unauthorized",
    "not authorized",
    "forbidden",
    "declined",
    "cancel",
];
/// The method is missing.
const MISSING: [&str; 5] = [
    "unsupported method",
    "unknown method",
    "not supported",
    "not implemented",
    "method not found",
];
/// The payload and the key do not belong together.
const UNDECRYPTABLE: [&str; 8] = [
    "invalid mac",
    "invalid hmac",
    "invalid payload",
    "invalid padding",
    "unknown encryption version",
    "unknown version",
    "decryption failed",
    "decrypt error",
];

/// The error that `text` stands for, as the answer to `request`. What is not understood counts as a refusal: it is
/// asked again when a person says so, and no keyring is given up for a word (field guide S-7).
pub(crate) fn classify(request: &Request, text: &str) -> SignerError {
    let lower = text.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if !says(&NO) {
        if says(&MISSING) {
            return SignerError::Unsupported {
                method: request.method_name(),
            };
        }
        if matches!(request, Request::Decrypt { .. }) && says(&UNDECRYPTABLE) {
            return SignerError::Undecryptable;
        }
    }
    SignerError::Denied {
        what: request.what(),
        reason: shown(text),
    }
}

/// `text` in one line of at most 200 characters.
pub(crate) fn shown(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .take(REASON_CHARACTERS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use nostr::key::PublicKey;

    use super::*;

    #[test]
    fn a_refusal_is_never_taken_for_a_payload_of_another_key() {
        let decrypt = Request::Decrypt {
            account: PublicKey::from_byte_array([1; 32]),
            payload: String::new(),
        };
        let denied = |text: &str| matches!(classify(&decrypt, text), SignerError::Denied { .. });
        for text in [
            "User rejected",
            "no permission",
            "could not decrypt: denied",
            "¯\\_(ツ)_/¯",
            "error\nline",
        ] {
            assert!(denied(text), "{text}");
        }
        assert_eq!(classify(&decrypt, "invalid MAC"), SignerError::Undecryptable);
        let unsupported = SignerError::Unsupported {
            method: "nip44_decrypt",
        };
        assert_eq!(classify(&decrypt, "Unknown method nip44_decrypt"), unsupported);
        assert!(matches!(
            classify(&Request::GetPublicKey, "invalid MAC"),
            SignerError::Denied { .. }
        ));
    }

    #[test]
    fn a_reason_is_one_short_line() {
        assert_eq!(shown("a\nb"), "a b");
        assert_eq!(shown(&"ü".repeat(5000)).chars().count(), REASON_CHARACTERS_MAX);
    }
}
