//! Finding a conversation by what a person typed.

use crate::{ConversationSummary, Library};

/// How many candidates an error text names; the list itself is complete.
const CANDIDATES_SHOWN: usize = 5;

/// Why a selector names no conversation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// Nothing matches.
    #[error(
        "no conversation has this id, begins with it, or has it in its title; `chats list` shows them all"
    )]
    NotFound,
    /// Several match.
    #[error("{} conversations match: {}; give a longer part of an id", candidates.len(), ids(candidates))]
    Ambiguous {
        /// Those that match, newest activity first.
        candidates: Vec<ConversationSummary>,
    },
}

/// Ids only: error texts end up in logs, and titles are words of a conversation.
fn ids(candidates: &[ConversationSummary]) -> String {
    let shown: Vec<&str> = candidates
        .iter()
        .take(CANDIDATES_SHOWN)
        .map(|c| c.id.as_str())
        .collect();
    let more = if candidates.len() > CANDIDATES_SHOWN {
        ", …"
    } else {
        ""
    };
    shown.join(", ") + more
}

impl Library {
    /// The conversation a person means: an exact id, then `latest` (the newest activity), then the beginning of an
    /// id, then a part of a title in either case. The first of these that matches anything decides; an empty selector
    /// matches nothing.
    pub fn find(&self, selector: &str) -> Result<ConversationSummary, FindError> {
        if selector.is_empty() {
            return Err(FindError::NotFound);
        }
        if let Some(exact) = self.summary(selector) {
            return Ok(exact);
        }
        let conversations = self.conversations();
        if selector == "latest" {
            return conversations.into_iter().next().ok_or(FindError::NotFound);
        }
        let matching = |matches: &dyn Fn(&ConversationSummary) -> bool| -> Vec<ConversationSummary> {
            conversations
                .iter()
                .filter(|conversation| matches(conversation))
                .cloned()
                .collect()
        };
        let mut candidates = matching(&|conversation| conversation.id.starts_with(selector));
        if candidates.is_empty() {
            let wanted = selector.to_lowercase();
            candidates = matching(&|conversation| conversation.title.to_lowercase().contains(&wanted));
        }
        match candidates.len() {
            0 => Err(FindError::NotFound),
            1 => Ok(candidates.remove(0)),
            _ => Err(FindError::Ambiguous { candidates }),
        }
    }
}
