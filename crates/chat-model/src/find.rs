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
        if let Some(exact) = self.summary(selector) {
            return Ok(exact);
        }
        ConversationSummary::find(&self.conversations(), selector)
    }
}

impl ConversationSummary {
    /// As [`Library::find`], among these, newest activity first. Cost: a scan.
    pub fn find<'a>(
        conversations: impl IntoIterator<Item = &'a Self, IntoIter: Clone>,
        selector: &str,
    ) -> Result<Self, FindError> {
        let conversations = conversations.into_iter();
        if selector.is_empty() {
            return Err(FindError::NotFound);
        }
        if let Some(exact) = conversations
            .clone()
            .find(|conversation| conversation.id == selector)
        {
            return Ok(exact.clone());
        }
        if selector == "latest" {
            return conversations.clone().next().cloned().ok_or(FindError::NotFound);
        }
        let matching = |matches: &dyn Fn(&Self) -> bool| -> Vec<Self> {
            conversations
                .clone()
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
