//! The process that holds the store and serves the API and the page on 127.0.0.1 (docs/API.md).

mod events;
mod followed;
mod gate;
mod hub;
mod kept_switches;
mod login;
mod looking;
mod openapi;
mod page;
mod pump;
mod record;
mod refusal;
mod resting;
mod routes;
mod server;
mod state;

pub(crate) use kept_switches::KeptSwitches;
pub(crate) use record::{Lock, Record};
pub(crate) use server::serve;

/// Where the API lies.
pub(crate) const API: &str = "/api/v1";
/// What hands out history keys, sealed. The token alone is not enough for it.
pub(crate) const CARD_PATH: &str = "/keyrings/card";
/// Where a request carries `key_token` of `daemon.json`.
pub(crate) const KEYS_HEADER: &str = "x-chat-sync-keys";
/// The port that is tried first, so that a bookmark holds.
pub(crate) const PORT: u16 = 7447;

/// `text` as one segment of a path, or one value of a query (RFC 3986: everything but unreserved characters is escaped).
pub(crate) fn encoded(text: &str) -> String {
    use std::fmt::Write;
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut encoded, byte| {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                encoded.push(byte.into());
            } else {
                let _ = write!(encoded, "%{byte:02X}");
            }
            encoded
        })
}
