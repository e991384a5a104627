//! Chats that the Routstr web app kept in the browser before it synced them: its `saved_conversations` entry.
//!
//! The rules are those of tests/vectors/legacy-saved-conversations.json. An import writes what the web app's own
//! migration would write, plus a source id, so that two imports of one file, or of two exports of one browser, make no
//! message twice.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use sha2::{Digest, Sha256};

use super::ImportError;
use super::error::IMPORT_BYTES_MAX;
use crate::json::Json;
use crate::rumor::CREATED_AT_MAX;
use crate::{CLIENT_ROUTSTR, Content, Message, Parent, Role, js};

/// The key that holds the conversations in a file with all of a browser's entries.
const KEY: &str = "saved_conversations";

/// What a file gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// The messages to write, in order.
    pub messages: Vec<ImportedMessage>,
    /// How many conversations have at least one of them.
    pub conversations: usize,
    /// How many of them are in a conversation with an empty id. The web app uploads such messages, and no reader takes
    /// them once they are sealed: tell the person, or give the conversation a name.
    pub nameless: usize,
    /// What was left out, and why.
    pub skipped: Skipped,
}

/// What an import left out, counted by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Items of the list that are no conversation: no text id, or no list of messages.
    pub not_conversations: usize,
    /// Messages that are copies of synced history.
    pub already_synced: usize,
    /// Notes of the web app, such as errors.
    pub notes: usize,
    /// Items that hold no message.
    pub empty: usize,
}

impl Skipped {
    /// All of them together.
    pub fn total(&self) -> usize {
        self.not_conversations + self.already_synced + self.notes + self.empty
    }
}

/// One message of an export. `Debug` prints no words of it.
#[derive(Clone, PartialEq)]
pub struct ImportedMessage {
    /// The conversation's id, as the web app knows it. An empty one occurs; see [`Message::conversation`].
    pub conversation: String,
    /// Seconds since the Unix epoch.
    pub created_at: u64,
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: Content,
    /// What it replies to, where the export says so.
    pub parent: Parent,
    /// The model that answered.
    pub model: Option<String>,
    /// Its stable id: `routstr:<conversation>:<message>`, the same in every export.
    pub source: String,
}

impl From<ImportedMessage> for Message {
    fn from(imported: ImportedMessage) -> Self {
        let ImportedMessage {
            conversation,
            created_at,
            role,
            content,
            parent,
            model,
            source,
        } = imported;
        Self {
            parent,
            model,
            client: Some(CLIENT_ROUTSTR.to_owned()),
            source: Some(source),
            ..Self::new(conversation, role, content, created_at)
        }
    }
}

impl fmt::Debug for ImportedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportedMessage")
            .field("role", &self.role)
            .field("content", &self.content)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

/// Reads an export: the text of the `saved_conversations` entry, or an object that has it under that name as a list
/// or as text. `now_seconds` dates conversations whose id is no time.
pub fn read_saved_conversations(bytes: &[u8], now_seconds: u64) -> Result<Import, ImportError> {
    if bytes.len() > IMPORT_BYTES_MAX {
        return Err(ImportError::TooLarge { bytes: bytes.len() });
    }
    let list = match read(bytes)? {
        file @ Json::Object(_) => match file.get(KEY) {
            Some(Json::Text(text)) => read(text.as_bytes())?,
            Some(value) => value.clone(),
            None => {
                return Err(ImportError::NotAnExport {
                    found: "an object without `saved_conversations`",
                });
            }
        },
        // Copying the entry with its quotes gives a text.
        Json::Text(text) => read(text.as_bytes())?,
        other => other,
    };
    let Some(conversations) = list.as_list() else {
        return Err(ImportError::NotAnExport { found: list.kind() });
    };
    let mut reader = Reader {
        now_seconds,
        ..Reader::default()
    };
    for conversation in conversations {
        reader.conversation(conversation);
    }
    Ok(Import {
        nameless: reader
            .messages
            .iter()
            .filter(|message| message.conversation.is_empty())
            .count(),
        messages: reader.messages,
        conversations: reader.conversations,
        skipped: reader.skipped,
    })
}

fn read(bytes: &[u8]) -> Result<Json, ImportError> {
    Json::read(bytes).map_err(|error| ImportError::NotJson {
        line: error.line(),
        column: error.column(),
    })
}

#[derive(Default)]
struct Reader {
    now_seconds: u64,
    messages: Vec<ImportedMessage>,
    conversations: usize,
    skipped: Skipped,
    /// How often each source id came before it was made distinct.
    seen: BTreeMap<String, u32>,
}

impl Reader {
    fn conversation(&mut self, conversation: &Json) {
        let id = conversation.get("id").and_then(Json::as_text);
        let messages = conversation.get("messages").and_then(Json::as_list);
        let (Some(id), Some(messages)) = (id, messages) else {
            self.skipped.not_conversations += 1;
            return;
        };
        let start = start_second(id).unwrap_or(self.now_seconds);
        let before = self.messages.len();
        for message in messages {
            let position = (self.messages.len() - before) as u64;
            self.message(id, start.saturating_add(position), message);
        }
        self.conversations += usize::from(self.messages.len() > before);
    }

    fn message(&mut self, conversation: &str, created_at: u64, message: &Json) {
        let text = |key| {
            message
                .get(key)
                .and_then(Json::as_text)
                .filter(|text| !text.is_empty())
        };
        let content = match message.get("content") {
            Some(Json::Text(text)) => text.clone(),
            Some(Json::Null) | None => {
                self.skipped.empty += 1;
                return;
            }
            Some(parts) => parts.to_line(),
        };
        if text("_eventId").is_some() {
            self.skipped.already_synced += 1;
            return;
        }
        let role = Role::from(text("role").unwrap_or_default());
        if role == Role::System {
            self.skipped.notes += 1;
            return;
        }
        let source = self.source(conversation, message.get("id"), &role, &content);
        self.messages.push(ImportedMessage {
            conversation: conversation.to_owned(),
            created_at,
            content: Content::new(content),
            parent: text("_prevId").map_or(Parent::Absent, Parent::from_tag),
            model: text("_modelId")
                .filter(|_| role == Role::Assistant)
                .map(str::to_owned),
            role,
            source,
        });
    }

    /// `routstr:<conversation>:<message>`.
    ///
    /// This web app gives its messages no ids, and a position does not name one: a retry or an edit in the middle moves
    /// every later message, and a later export would then pass a new message off as a known one. So the message
    /// part is a digest of role and content. Equal ones are told apart by counting.
    fn source(&mut self, conversation: &str, id: Option<&Json>, role: &Role, content: &str) -> String {
        let name = match id {
            Some(Json::Text(id)) if !id.is_empty() => id.clone(),
            Some(number @ (Json::Whole(_) | Json::Float(_))) => number.to_line(),
            _ => digest(role, content),
        };
        let first = format!("routstr:{conversation}:{name}");
        let mut source = first.clone();
        let mut count = self.seen.get(&first).copied().unwrap_or(0);
        // A made-up id can look like a counted one.
        while self.seen.contains_key(&source) {
            count += 1;
            source = format!("{first}~{count}");
        }
        self.seen.insert(first, count);
        self.seen.entry(source.clone()).or_insert(0);
        source
    }
}

/// 128 bits are plenty among the messages of one conversation.
fn digest(role: &Role, content: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(role.as_str());
    hash.update([0]);
    hash.update(content);
    hash.finalize()
        .iter()
        .take(16)
        .fold(String::new(), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

/// The second a conversation id names: the web app uses the time in milliseconds. `None` for anything else, and for
/// a time no reader would take.
#[expect(clippy::cast_sign_loss, reason = "the range begins at 1")]
fn start_second(id: &str) -> Option<u64> {
    let second = (js::number(id)? / 1000.0).floor();
    (1.0..=CREATED_AT_MAX as f64)
        .contains(&second)
        .then_some(second as u64)
}
