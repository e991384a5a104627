//! A relay's address, spelled one way.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use nostr::types::url::{Host, Url};
use serde::{Deserialize, Serialize};

/// Longer addresses than this are mistakes; the text is a key on disk and part of every fact.
const URL_BYTES_MAX: usize = 1024;

/// The address of a relay, normalised once (field guide C-12): lower-case scheme and host, no default port, no
/// slash after a bare host. Two spellings of one relay are equal, so they share a connection. Clones are cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelayUrl(Arc<str>);

/// Why a text is not the address of a relay; each says what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelayUrlError {
    /// Nothing was given.
    #[error("a relay address is missing; it looks like wss://relay.example.com")]
    Empty,
    /// More than 1,024 bytes.
    #[error("the relay address is {bytes} bytes long; use one of at most {URL_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// No scheme, as in `relay.example.com`.
    #[error("the relay address `{given}` has no scheme; write wss://{given}")]
    NoScheme {
        /// What was given.
        given: String,
    },
    /// Another scheme, as in `https://`.
    #[error("a relay address does not start with {scheme}://; use ws:// or wss://")]
    Scheme {
        /// The scheme that was given.
        scheme: String,
    },
    /// Nothing between the scheme and the path.
    #[error("the relay address names no host; it looks like wss://relay.example.com")]
    NoHost,
    /// A user name or password. It is left out of the text, because errors are logged.
    #[error("the relay address carries a user name or password; remove what stands before the @")]
    Credentials,
    /// A `#…` part, which never reaches a relay.
    #[error("the relay address has a part after #; remove it")]
    Fragment,
    /// Anything else the URL standard refuses.
    #[error("the relay address is not a valid URL: {reason}; it looks like wss://relay.example.com")]
    Invalid {
        /// What the URL parser said.
        reason: String,
    },
}

impl RelayUrl {
    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the traffic is encrypted (`wss`).
    pub fn is_encrypted(&self) -> bool {
        self.0.starts_with("wss:")
    }

    /// Whether the relay runs on this machine: `localhost`, `127.0.0.0/8` or `::1`, by name only (no look-up).
    pub fn is_loopback(&self) -> bool {
        match Url::parse(&self.0).ok().as_ref().and_then(Url::host) {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical().is_loopback(),
            None => false,
        }
    }

    /// What an HTTP request to the relay names: the `Host` header, which leaves a default port out, and the target.
    pub(crate) fn host_and_target(&self) -> (String, String) {
        // The text was normalised, so what stands before the first slash after the scheme is host and port.
        let after = self.0.split_once("://").map_or(&*self.0, |(_, after)| after);
        let end = after.find(['/', '?']).unwrap_or(after.len());
        let (host, target) = after.split_at(end);
        let slash = if target.starts_with('/') { "" } else { "/" };
        (host.to_owned(), format!("{slash}{target}"))
    }

    /// Host as a resolver takes it (no brackets around IPv6) and port.
    pub(crate) fn host_and_port(&self) -> (String, u16) {
        let url = Url::parse(&self.0).ok();
        let host = match url.as_ref().and_then(Url::host) {
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(host) => host.to_string(),
            None => String::new(),
        };
        let port = url.as_ref().and_then(Url::port_or_known_default).unwrap_or(443);
        (host, port)
    }
}

impl FromStr for RelayUrl {
    type Err = RelayUrlError;

    fn from_str(text: &str) -> Result<Self, RelayUrlError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(RelayUrlError::Empty);
        }
        if text.len() > URL_BYTES_MAX {
            return Err(RelayUrlError::TooLong { bytes: text.len() });
        }
        let Some((scheme, after)) = text.split_once("://") else {
            return Err(RelayUrlError::NoScheme { given: text.into() });
        };
        let scheme = scheme.to_ascii_lowercase();
        if scheme != "ws" && scheme != "wss" {
            return Err(RelayUrlError::Scheme { scheme });
        }
        // The URL standard reads `wss:///path` as the host `path`; a person who writes that forgot the host.
        if after.is_empty() || after.starts_with(['/', '\\', '?', '#', ':']) {
            return Err(RelayUrlError::NoHost);
        }
        let url = Url::parse(text).map_err(|error| RelayUrlError::Invalid {
            reason: error.to_string(),
        })?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(RelayUrlError::NoHost);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(RelayUrlError::Credentials);
        }
        if url.fragment().is_some() {
            return Err(RelayUrlError::Fragment);
        }
        let bare = url.path() == "/" && url.query().is_none();
        let normal = url.as_str();
        let normal = if bare {
            normal.trim_end_matches('/')
        } else {
            normal
        };
        // Percent-encoding can lengthen a text, and what was accepted once must be accepted when read back.
        if normal.len() > URL_BYTES_MAX {
            return Err(RelayUrlError::TooLong { bytes: normal.len() });
        }
        Ok(Self(normal.into()))
    }
}

impl TryFrom<&str> for RelayUrl {
    type Error = RelayUrlError;

    fn try_from(text: &str) -> Result<Self, RelayUrlError> {
        text.parse()
    }
}

impl TryFrom<String> for RelayUrl {
    type Error = RelayUrlError;

    fn try_from(text: String) -> Result<Self, RelayUrlError> {
        text.parse()
    }
}

impl From<RelayUrl> for String {
    fn from(url: RelayUrl) -> Self {
        url.0.to_string()
    }
}

impl AsRef<str> for RelayUrl {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RelayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RelayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_relay_are_one_address() {
        for (given, normal) in [
            ("WSS://Host:443/", "wss://host"),
            ("wss://host", "wss://host"),
            ("  wss://host/  ", "wss://host"),
            ("ws://host:80", "ws://host"),
            ("ws://host:443/", "ws://host:443"),
            ("wss://host:80", "wss://host:80"),
            ("wss://Relay.Example.COM/Path", "wss://relay.example.com/Path"),
            ("wss://host/path/", "wss://host/path/"),
            ("wss://host/?key=A", "wss://host/?key=A"),
            ("wss://host/a/../b", "wss://host/b"),
            ("ws://127.0.0.1:7777", "ws://127.0.0.1:7777"),
            ("ws://[::1]:7777/", "ws://[::1]:7777"),
            ("ws://[0:0:0:0:0:0:0:1]:80/", "ws://[::1]"),
            ("wss://bücher.example", "wss://xn--bcher-kva.example"),
        ] {
            assert_eq!(given.parse::<RelayUrl>().unwrap().as_str(), normal, "{given}");
        }
    }

    #[test]
    fn refusals_say_what_to_change() {
        for (given, said) in [
            ("", "looks like wss://relay.example.com"),
            ("relay.example.com", "write wss://relay.example.com"),
            ("relay.example.com:7777", "write wss://relay.example.com:7777"),
            ("http://host", "use ws:// or wss://"),
            ("https://host", "use ws:// or wss://"),
            ("wss://", "names no host"),
            ("wss:///path", "names no host"),
            ("ws://:80", "names no host"),
            ("wss://user:secret@host", "remove what stands before the @"),
            ("wss://host/#part", "after #; remove it"),
            ("wss://host:99999", "not a valid URL"),
            ("wss://ho st", "not a valid URL"),
        ] {
            let error = given.parse::<RelayUrl>().unwrap_err().to_string();
            assert!(error.contains(said), "{given}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
        let long = format!("wss://host/{}", "a".repeat(URL_BYTES_MAX));
        assert!(matches!(
            long.parse::<RelayUrl>(),
            Err(RelayUrlError::TooLong { .. })
        ));
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for (url, expected) in [
            ("ws://localhost:7777", true),
            ("ws://127.8.9.1", true),
            ("ws://[::1]:7777", true),
            ("ws://relay.localhost", true),
            ("wss://relay.example.com", false),
            ("ws://10.0.0.1", false),
            ("wss://localhost.example.com", false),
        ] {
            assert_eq!(url.parse::<RelayUrl>().unwrap().is_loopback(), expected, "{url}");
        }
    }

    #[test]
    fn a_resolver_gets_host_and_port() {
        let parts = |url: &str| url.parse::<RelayUrl>().unwrap().host_and_port();
        assert_eq!(
            parts("wss://relay.example.com"),
            ("relay.example.com".into(), 443)
        );
        assert_eq!(parts("ws://[::1]"), ("::1".into(), 80));
        assert_eq!(parts("ws://10.0.0.1:7777/x"), ("10.0.0.1".into(), 7777));
    }

    #[test]
    fn a_web_server_gets_host_and_target() {
        let parts = |url: &str| url.parse::<RelayUrl>().unwrap().host_and_target();
        for (url, host, target) in [
            ("wss://relay.example.com:443/", "relay.example.com", "/"),
            ("wss://relay.example.com/a/b?c=d", "relay.example.com", "/a/b?c=d"),
            ("ws://[::1]:7777/?x=1", "[::1]:7777", "/?x=1"),
        ] {
            assert_eq!(parts(url), (host.to_owned(), target.to_owned()));
        }
    }

    proptest! {
        #[test]
        fn what_was_accepted_is_accepted_again_unchanged(text in "(ws|WSS)://[a-zA-Z0-9.:\\[\\]/?@#é%-]{0,40}") {
            if let Ok(url) = text.parse::<RelayUrl>() {
                prop_assert_eq!(url.as_str().parse::<RelayUrl>().unwrap(), url.clone());
                let json = serde_json::to_string(&url).unwrap();
                prop_assert_eq!(serde_json::from_str::<RelayUrl>(&json).unwrap(), url);
            }
        }
    }
}
