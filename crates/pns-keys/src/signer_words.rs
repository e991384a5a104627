//! What a signer's error text means. Neither NIP-46 nor NIP-07 gives errors codes, so words decide.

use crate::SignerError;

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

impl SignerError {
    /// The error that a signer's `text` stands for, as the answer to a request that would `what` by `method`. What is not
    /// understood counts as a refusal: it is asked again when a person says so, and no keyring is given up for a word
    /// (field guide S-7).
    pub fn from_words(text: &str, what: &'static str, method: &'static str, decrypts: bool) -> Self {
        let lower = text.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        if !says(&NO) {
            if says(&MISSING) {
                return Self::Unsupported { method };
            }
            if decrypts && says(&UNDECRYPTABLE) {
                return Self::Undecryptable;
            }
        }
        Self::Denied {
            what,
            reason: shown_reason(text),
        }
    }
}

/// What a signer said, in one line of at most 200 characters.
pub fn shown_reason(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .take(REASON_CHARACTERS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_short_line() {
        assert_eq!(shown_reason("a\nb"), "a b");
        assert_eq!(
            shown_reason(&"ü".repeat(5000)).chars().count(),
            REASON_CHARACTERS_MAX
        );
    }
}
