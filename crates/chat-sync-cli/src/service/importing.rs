//! Importing into [`Here`].

use std::collections::BTreeSet;

use chat_model::Message;

use super::here::Here;
use crate::exit::Failure;
use crate::shapes::importing::{RefusedShape, Taken};

impl Here {
    /// Takes messages in; `progress` is told how many more were. What was taken when an error ends it stays taken.
    pub(crate) async fn import(
        &self,
        messages: Vec<Message>,
        progress: impl FnMut(usize),
    ) -> Result<Taken, Failure> {
        Ok(self.engine()?.import(messages, progress).await?.into())
    }

    /// What an import would come to. Nothing is written. Blocks on the disk.
    pub(crate) fn import_preview(&self, messages: Vec<Message>) -> Result<Taken, Failure> {
        let store = &self.account.store;
        let mut taken = Taken::default();
        let mut sources = Vec::new();
        for message in messages {
            let (conversation, source) = (
                message.conversation.clone(),
                message.source.clone().unwrap_or_default(),
            );
            match message.into_pieces() {
                Ok(_) => sources.push(store.source_id(&conversation, &source)),
                Err(why) => taken.refused.push(RefusedShape {
                    conversation,
                    source,
                    why: why.to_string(),
                }),
            }
        }
        let mut seen = BTreeSet::new();
        for (source, known) in sources.iter().zip(store.known_sources(&sources)?) {
            if known || !seen.insert(*source) {
                taken.known += 1;
            } else {
                taken.added += 1;
            }
        }
        Ok(taken)
    }
}
