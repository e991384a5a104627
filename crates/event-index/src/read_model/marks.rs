//! What a person did with conversations on this device: read them, and chose versions. Neither leaves it.

use chat_model::Picks;
use redb::ReadableTable;

use crate::{IndexError, Store};

impl Store {
    /// Counts everything in a conversation as read. Returns how many copies were unread.
    pub fn mark_read(&self, conversation: &str) -> Result<usize, IndexError> {
        self.write(|writer| {
            let tag = writer.keys.conversation_tag(conversation);
            let mut places = Vec::new();
            for row in writer.model.unread.range((&tag, 0)..=(&tag, u64::MAX))? {
                places.push(row?.0.value().1);
            }
            for place in &places {
                writer.model.unread.remove((&tag, *place))?;
            }
            if places.is_empty() {
                writer.nothing_changed();
            } else {
                writer.model.touch(tag);
            }
            Ok(places.len())
        })
    }

    /// Keeps which versions a person chose in a conversation.
    pub fn put_picks(&self, conversation: &str, picks: &Picks) -> Result<(), IndexError> {
        self.write(|writer| {
            let tag = writer.keys.conversation_tag(conversation);
            if picks.is_empty() {
                writer.model.picks.remove(&tag)?;
            } else {
                let plain = serde_json::to_vec(picks).expect("ids always serialize");
                let sealed = writer.keys.seal(writer.entropy, "picks-1", &tag, &plain);
                writer.model.picks.insert(&tag, sealed.as_slice())?;
            }
            writer.model.disturb();
            Ok(())
        })
    }
}
