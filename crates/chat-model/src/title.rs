//! What a conversation is called.

use crate::Content;
use crate::js::trim;

/// The title of a conversation whose first message says nothing.
pub const NEW_CONVERSATION: &str = "New Conversation";

/// Where the web app cuts a title, in UTF-16 units.
const UNITS_MAX: usize = 50;

/// The title that a first message gives: its trimmed text, cut after 50 UTF-16 units. A cut through a surrogate
/// pair leaves U+FFFD.
pub(crate) fn title(first: Option<&Content>) -> String {
    let text = first.map(Content::naming_text).unwrap_or_default();
    let text = trim(&text);
    if text.is_empty() {
        return NEW_CONVERSATION.to_owned();
    }
    let mut units = text.encode_utf16();
    let kept: Vec<u16> = units.by_ref().take(UNITS_MAX).collect();
    let title = String::from_utf16_lossy(&kept);
    if units.next().is_some() {
        title + "..."
    } else {
        title
    }
}
