//! `key list`.

use chat_sync::HistoryKey;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Keys {
    pub(crate) keys: Vec<KeyLine>,
    /// Where the key of the store is.
    pub(crate) store_key: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeyLine {
    pub(crate) keyring: String,
    pub(crate) created_at: u64,
    pub(crate) public_key: Option<String>,
    pub(crate) writes: bool,
    pub(crate) on_a_relay: bool,
    pub(crate) messages: u64,
}

impl Keys {
    pub(crate) fn new(keys: &[HistoryKey], store_key: String) -> Self {
        let one = |key: &HistoryKey| KeyLine {
            keyring: key.keyring.to_hex(),
            created_at: key.created_at,
            public_key: key.public.map(|public| public.to_hex()),
            writes: key.writes,
            on_a_relay: key.read_back,
            messages: key.messages,
        };
        Self {
            keys: keys.iter().map(one).collect(),
            store_key,
        }
    }
}
