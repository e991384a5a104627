//! `chats search`.

use chat_sync::Found;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(crate) struct Hits {
    /// Newest first.
    pub(crate) hits: Vec<Hit>,
    /// There are more.
    pub(crate) more: bool,
}

/// A message that has the words.
#[derive(Serialize, Deserialize)]
pub(crate) struct Hit {
    pub(crate) conversation: String,
    pub(crate) title: String,
    pub(crate) message: String,
    pub(crate) role: String,
    pub(crate) created_at: u64,
    /// The words, with what stands around them, in one line.
    pub(crate) snippet: String,
    /// Where in `snippet` they begin and end, in characters.
    #[serde(rename = "match")]
    pub(crate) found: (usize, usize),
}

impl From<Found> for Hits {
    fn from(found: Found) -> Self {
        let hit = |hit: chat_sync::FoundMessage| Hit {
            conversation: hit.conversation,
            title: hit.title,
            message: hit.message.to_string(),
            role: hit.role.as_str().to_owned(),
            created_at: hit.created_at,
            snippet: hit.snippet.text,
            found: hit.snippet.found,
        };
        Self {
            hits: found.hits.into_iter().map(hit).collect(),
            more: found.more,
        }
    }
}
