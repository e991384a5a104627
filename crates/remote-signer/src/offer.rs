//! The address this program shows to a signer: `nostrconnect://<client key>?relay=…&secret=…`.

mod actor;
mod error;
mod reception;
mod vigil;

use std::fmt;

use nostr::types::url::Url;
use relay_link::RelayUrl;
use supervision::Entropy;
use zeroize::Zeroizing;

use crate::request::PERMISSIONS;
use crate::{ClientKey, new_client_key};
pub use error::OfferError;
pub use reception::Reception;

/// Each relay is a connection that is held open, and eight addresses still fit in a code that a phone reads.
const RELAYS_MAX: usize = 8;
/// What a signer shows a person as the asker.
const APP_NAME: &str = "chat-sync";
const HEX: &[u8; 16] = b"0123456789abcdef";

/// What a signer needs to log this program in (NIP-46, "Direct connection initiated by the client"): a fresh client
/// key, relays to meet at, and a secret that the signer has to repeat. Shown as a text or a code, then waited for
/// with a [`Reception`].
///
/// Asks for the permissions this program needs and no more. `Debug` leaves the secret out, and there is no `Display`:
/// [`ConnectOffer::to_text`] erases its text when dropped.
#[derive(Clone)]
pub struct ConnectOffer {
    client: ClientKey,
    relays: Vec<RelayUrl>,
    secret: Zeroizing<String>,
}

impl ConnectOffer {
    /// An offer to meet at `relays`, one to eight of them, each once. The client key and the secret are drawn.
    pub fn draw(
        relays: impl IntoIterator<Item = RelayUrl>,
        entropy: &dyn Entropy,
    ) -> Result<Self, OfferError> {
        let mut distinct: Vec<RelayUrl> = Vec::new();
        for relay in relays {
            if !distinct.contains(&relay) {
                distinct.push(relay);
            }
        }
        match distinct.len() {
            0 => return Err(OfferError::NoRelay),
            1..=RELAYS_MAX => {}
            relays => return Err(OfferError::TooManyRelays { relays }),
        }
        // 128 bits for the length of one login; short, so that the code stays readable.
        let bytes = Zeroizing::new(entropy.draw_16());
        let mut secret = Zeroizing::new(String::with_capacity(2 * bytes.len()));
        for byte in *bytes {
            secret.push(HEX[usize::from(byte >> 4)].into());
            secret.push(HEX[usize::from(byte & 15)].into());
        }
        Ok(Self {
            client: new_client_key(entropy),
            relays: distinct,
            secret,
        })
    }

    /// What the signer will know this program by. Keep it with the address that [`Reception::signer`] returns.
    pub fn client(&self) -> &ClientKey {
        &self.client
    }

    /// Where the signer is waited for: one to eight, in the order given.
    pub fn relays(&self) -> &[RelayUrl] {
        &self.relays
    }

    /// The text to show: whoever reads it can log this program in to an account of theirs.
    pub fn to_text(&self) -> Zeroizing<String> {
        let Ok(mut url) = Url::parse(&format!("nostrconnect://{}", self.client.public())) else {
            unreachable!("hex digits are a host");
        };
        {
            let mut query = url.query_pairs_mut();
            for relay in &self.relays {
                query.append_pair("relay", relay.as_str());
            }
            query.append_pair("perms", PERMISSIONS);
            query.append_pair("name", APP_NAME);
            // Signers from before `name` read this instead, and refuse an offer without it.
            query.append_pair("metadata", &format!(r#"{{"name":"{APP_NAME}"}}"#));
        }
        let (open, name) = (url.as_str(), "&secret=");
        let mut text = Zeroizing::new(String::with_capacity(open.len() + name.len() + self.secret.len()));
        for part in [open, name, &self.secret] {
            text.push_str(part);
        }
        text
    }

    /// What the signer has to repeat.
    pub(crate) fn secret(&self) -> &Zeroizing<String> {
        &self.secret
    }
}

impl fmt::Debug for ConnectOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOffer")
            .field("client", &self.client)
            .field("relays", &self.relays)
            .finish_non_exhaustive()
    }
}
