//! A message while it waits on this device: the bytes the store seals.

use crate::Message;

/// Why stored bytes are no draft.
#[derive(Debug, thiserror::Error)]
#[error(
    "the stored draft cannot be read ({kind} at byte {column}); it was written by another release: run the newest one"
)]
pub struct DraftError {
    /// What the parser stumbled over: its class only, never the text around it.
    kind: &'static str,
    column: usize,
}

impl Message {
    /// The message as bytes for the store. [`Message::from_draft`] gives an equal message back.
    pub fn to_draft(&self) -> Vec<u8> {
        // Escapes and the other fields as a rule: growing would copy the text.
        let text = self.content.raw();
        let mut bytes = Vec::with_capacity(text.len() + text.len() / 8 + 512);
        // Strings, numbers and enums only: no map key and no writer that could fail.
        serde_json::to_writer(&mut bytes, self).expect("a message always serialises");
        bytes
    }

    /// Reads what [`Message::to_draft`] wrote, in this or an earlier release.
    pub fn from_draft(bytes: &[u8]) -> Result<Self, DraftError> {
        serde_json::from_slice(bytes).map_err(|error| DraftError {
            kind: match error.classify() {
                serde_json::error::Category::Io => "an I/O error",
                serde_json::error::Category::Syntax => "not JSON",
                serde_json::error::Category::Data => "an unexpected field",
                serde_json::error::Category::Eof => "cut off",
            },
            column: error.column(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, Role};

    #[test]
    fn a_broken_draft_is_an_error_that_quotes_nothing() {
        let mut bytes = Message::new("c", Role::User, Content::new("secret"), 1).to_draft();
        bytes.truncate(bytes.len() - 1);
        let error = Message::from_draft(&bytes).unwrap_err().to_string();
        assert!(error.contains("cut off") && !error.contains("secret"), "{error}");
        assert!(Message::from_draft(br#"{"conversation":"secret","role":7}"#).is_err());
    }
}
