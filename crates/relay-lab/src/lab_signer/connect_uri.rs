//! What a program shows for a signer to scan: `nostrconnect://<client key>?relay=…&secret=…`.

use nostr::key::PublicKey;
use nostr::types::url::{RelayUrl, Url};

use crate::LabError;

/// Read by hand: the `nostr` crate insists on a `metadata` parameter, which NIP-46 has given up.
pub(crate) struct ConnectUri {
    pub(crate) client: PublicKey,
    pub(crate) relays: Vec<RelayUrl>,
    pub(crate) secret: String,
}

impl ConnectUri {
    pub(crate) fn parse(text: &str) -> Result<Self, LabError> {
        Self::read(text).ok_or(LabError::ConnectUri)
    }

    fn read(text: &str) -> Option<Self> {
        let uri = Url::parse(text)
            .ok()
            .filter(|uri| uri.scheme() == "nostrconnect")?;
        let client = PublicKey::from_hex(uri.host_str()?).ok()?;
        let (mut relays, mut secret) = (Vec::new(), None);
        for (name, value) in uri.query_pairs() {
            match &*name {
                "relay" => relays.push(RelayUrl::parse(&value).ok()?),
                "secret" => secret = Some(value.into_owned()),
                _ => {}
            }
        }
        let secret = secret.filter(|secret| !secret.is_empty() && !relays.is_empty())?;
        Some(Self {
            client,
            relays,
            secret,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: &str = "83f3b2ae6aa368e8275397b9c26cf550101d63ebaab900d19dd4a4429f5ad8f5";

    #[test]
    fn an_address_as_nip46_writes_it_is_read() {
        let text = format!(
            "nostrconnect://{CLIENT}?relay=wss%3A%2F%2Frelay1.example.com&relay=wss%3A%2F%2Frelay2.example.com\
             &perms=nip44_encrypt%2Csign_event%3A1081&name=My+Client&secret=0s8j2djs"
        );
        let uri = ConnectUri::parse(&text).unwrap();
        assert_eq!(uri.client.to_hex(), CLIENT);
        assert_eq!(uri.secret, "0s8j2djs");
        let relays: Vec<_> = uri.relays.iter().map(ToString::to_string).collect();
        assert_eq!(relays, ["wss://relay1.example.com", "wss://relay2.example.com"]);
    }

    #[test]
    fn what_cannot_be_answered_is_refused() {
        for text in [
            format!("bunker://{CLIENT}?relay=wss://relay.example&secret=s"),
            format!("nostrconnect://{CLIENT}?secret=s"),
            format!("nostrconnect://{CLIENT}?relay=wss://relay.example"),
            format!("nostrconnect://{CLIENT}?relay=wss://relay.example&secret="),
            "nostrconnect://nobody?relay=wss://relay.example&secret=s".to_owned(),
        ] {
            assert!(
                matches!(ConnectUri::parse(&text), Err(LabError::ConnectUri)),
                "{text}"
            );
        }
    }
}
