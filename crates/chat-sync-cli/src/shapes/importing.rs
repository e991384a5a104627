//! `import`.

use chat_model::{CREATED_AT_MAX, Content, Message, Parent, Role};
use chat_sync::{ImportReport, RefusedMessage};
use serde::{Deserialize, Serialize};

use crate::exit::Failure;

/// What an import came to.
#[derive(Debug, Serialize)]
pub(crate) struct Imported {
    pub(crate) added: usize,
    pub(crate) known: usize,
    pub(crate) skipped: usize,
    pub(crate) too_long: usize,
    pub(crate) refused: Vec<RefusedShape>,
    pub(crate) conversations: usize,
    pub(crate) dry_run: bool,
}

/// A message that an import left out because no number of envelopes can carry it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RefusedShape {
    pub(crate) conversation: String,
    pub(crate) source: String,
    pub(crate) why: String,
}

impl From<RefusedMessage> for RefusedShape {
    fn from(refused: RefusedMessage) -> Self {
        Self {
            conversation: refused.conversation,
            source: refused.source,
            why: refused.why.to_string(),
        }
    }
}

/// What became of some messages of an import.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Taken {
    pub(crate) added: usize,
    pub(crate) known: usize,
    pub(crate) refused: Vec<RefusedShape>,
}

impl Taken {
    pub(crate) fn add(&mut self, other: Self) {
        self.added += other.added;
        self.known += other.known;
        self.refused.extend(other.refused);
    }
}

impl From<ImportReport> for Taken {
    fn from(report: ImportReport) -> Self {
        Self {
            added: report.added,
            known: report.known,
            refused: report.refused.into_iter().map(Into::into).collect(),
        }
    }
}

/// A message of another program, as the API takes it. It has no `Debug`: there are words in it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Given {
    conversation: String,
    role: String,
    content: String,
    created_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    /// What makes two copies one message: importing again adds nothing.
    source: String,
}

impl From<Message> for Given {
    fn from(message: Message) -> Self {
        Self {
            conversation: message.conversation,
            role: message.role.as_str().to_owned(),
            content: message.content.raw().to_owned(),
            created_at: message.created_at,
            parent: message.parent.to_tag(),
            model: message.model,
            client: message.client,
            source: message.source.unwrap_or_default(),
        }
    }
}

impl TryFrom<Given> for Message {
    type Error = Failure;

    fn try_from(given: Given) -> Result<Self, Failure> {
        let wrong = |why: &str| Err(Failure::Usage(format!("a message of the import {why}")));
        if given.conversation.is_empty() {
            return wrong("has an empty `conversation`; nobody could read it there");
        }
        if given.source.is_empty() {
            return wrong("has an empty `source`; importing it again would make another one of it");
        }
        if given.created_at > CREATED_AT_MAX {
            return wrong("has a `created_at` after the year 9999; it is in seconds");
        }
        let role = Role::from(given.role);
        Ok(Self {
            parent: given.parent.as_deref().map_or(Parent::Absent, Parent::from_tag),
            model: given.model,
            client: given.client,
            source: Some(given.source),
            ..Self::new(
                given.conversation,
                role,
                Content::new(given.content),
                given.created_at,
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_the_same_after_it_went_over_the_api() {
        let parents = [
            Parent::Absent,
            Parent::Top,
            Parent::from_tag(&"ab".repeat(32)),
            Parent::from_tag("1764001000000"),
        ];
        for parent in parents {
            let message = Message {
                parent,
                model: Some("gpt-5".to_owned()),
                client: Some("routstr-chat".to_owned()),
                source: Some("routstr:c:1".to_owned()),
                ..Message::new(
                    "c",
                    Role::from("tool"),
                    Content::new("[{\"type\":\"text\"}]\u{0}"),
                    7,
                )
            };
            let text = serde_json::to_string(&Given::from(message.clone())).unwrap();
            let given: Given = serde_json::from_str(&text).unwrap();
            assert_eq!(Message::try_from(given).unwrap(), message);
        }
    }

    #[test]
    fn what_could_not_be_read_back_is_refused() {
        let given = Given {
            conversation: "c".to_owned(),
            role: "user".to_owned(),
            content: "x".to_owned(),
            created_at: 7,
            parent: None,
            model: None,
            client: None,
            source: "s".to_owned(),
        };
        assert!(Message::try_from(given.clone()).is_ok());
        for wrong in [
            Given {
                conversation: String::new(),
                ..given.clone()
            },
            Given {
                source: String::new(),
                ..given.clone()
            },
            Given {
                created_at: 1_789_000_000_000,
                ..given
            },
        ] {
            assert!(Message::try_from(wrong).is_err());
        }
    }
}
