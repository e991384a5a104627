//! What a signer's error text means, as the answer to a request.

use pns_keys::SignerError;
pub(crate) use pns_keys::shown_reason as shown;

use crate::request::Request;

/// The error that `text` stands for, as the answer to `request`.
pub(crate) fn classify(request: &Request, text: &str) -> SignerError {
    let decrypts = matches!(request, Request::Decrypt { .. });
    SignerError::from_words(text, request.what(), request.method_name(), decrypts)
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
}
