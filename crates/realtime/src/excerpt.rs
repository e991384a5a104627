//! Which part of a conversation is shown: its end, or a page before, after or around one of its messages.

use std::ops::Range;

use chat_model::MessageId;

/// What of a branch is shown; all of it by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// At most this many messages.
    pub limit: Option<usize>,
    /// Where they stand.
    pub place: Place,
}

/// Where a page of a branch lies. A message is named by any of its ids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Place {
    /// The last messages.
    #[default]
    End,
    /// The last ones before this message.
    Before(MessageId),
    /// The first ones after it.
    After(MessageId),
    /// It and its neighbours, as many before as after it, where there are as many.
    Around(MessageId),
}

impl Place {
    /// The message that it is told by.
    pub fn message(&self) -> Option<MessageId> {
        match self {
            Self::End => None,
            Self::Before(id) | Self::After(id) | Self::Around(id) => Some(*id),
        }
    }
}

impl Excerpt {
    /// The last `limit` messages.
    pub fn last(limit: usize) -> Self {
        Self {
            limit: Some(limit),
            place: Place::End,
        }
    }

    /// The last `limit` messages before this one.
    pub fn before(message: MessageId, limit: usize) -> Self {
        Self {
            limit: Some(limit),
            place: Place::Before(message),
        }
    }

    /// The first `limit` messages after this one.
    pub fn after(message: MessageId, limit: usize) -> Self {
        Self {
            limit: Some(limit),
            place: Place::After(message),
        }
    }

    /// At most `limit` messages with this one in the middle.
    pub fn around(message: MessageId, limit: usize) -> Self {
        Self {
            limit: Some(limit),
            place: Place::Around(message),
        }
    }

    /// The places in a branch of `length` messages that are shown, when the message of [`Excerpt::place`] has place `at`
    /// in it.
    pub(crate) fn range(&self, length: usize, at: usize) -> Range<usize> {
        let limit = self.limit.unwrap_or(length);
        match self.place {
            Place::End => length.saturating_sub(limit)..length,
            Place::Before(_) => at.saturating_sub(limit)..at,
            Place::After(_) => {
                let begin = length.min(at + 1);
                begin..length.min(begin.saturating_add(limit))
            }
            Place::Around(_) => {
                // Near an end the page reaches further the other way.
                let begin = at.saturating_sub(limit / 2).min(length.saturating_sub(limit));
                begin..length.min(begin.saturating_add(limit))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: MessageId = MessageId::Local([7; 16]);

    #[test]
    fn a_page_lies_where_it_was_asked_for() {
        let range = |excerpt: Excerpt, at| excerpt.range(10, at);
        assert_eq!(range(Excerpt::default(), 0), 0..10);
        assert_eq!(range(Excerpt::last(3), 0), 7..10);
        assert_eq!(range(Excerpt::last(0), 0), 10..10);
        assert_eq!(range(Excerpt::before(ID, 3), 5), 2..5);
        assert_eq!(range(Excerpt::before(ID, 3), 1), 0..1);
        assert_eq!(range(Excerpt::after(ID, 3), 5), 6..9);
        assert_eq!(range(Excerpt::after(ID, 3), 9), 10..10);
        assert_eq!(range(Excerpt::around(ID, 3), 5), 4..7);
        assert_eq!(range(Excerpt::around(ID, 4), 0), 0..4);
        assert_eq!(range(Excerpt::around(ID, 4), 9), 6..10);
        assert_eq!(range(Excerpt::around(ID, 100), 9), 0..10);
    }

    proptest! {
        /// Pages before, around and after a message are the branch without a gap and without anything twice.
        #[test]
        fn pages_meet(length in 1_usize..200, at in 0_usize..200, limit in 1_usize..50) {
            let at = at % length;
            let around = Excerpt::around(ID, limit).range(length, at);
            prop_assert!(around.contains(&at) && around.len() <= limit && around.end <= length);
            prop_assert_eq!(around.len(), limit.min(length));
            let before = Excerpt::before(ID, limit).range(length, around.start);
            let after = Excerpt::after(ID, limit).range(length, around.end - 1);
            prop_assert_eq!(before.end, around.start);
            prop_assert_eq!(after.start, around.end);
            prop_assert_eq!(before.len(), limit.min(around.start));
            prop_assert_eq!(after.len(), limit.min(length - around.end));
        }
    }
}
