//! Taking in messages without event ids: checked, named, on disk, then announced.

use std::fmt::Write;

use actix::prelude::*;
use chat_model::{Message as ChatMessage, MessageId, Parent};
use event_index::{DraftOutcome, IndexError, LocalId, MessageRef, NewDraft};
use pns_keys::RUMOR_BYTES_MAX;
use supervision::Entropy;

use crate::UploaderActor;
use crate::messages::{Compose, ComposeError, Composed, Drafted};

impl Handler<Compose> for UploaderActor {
    type Result = ResponseActFuture<Self, Result<Vec<Composed>, ComposeError>>;

    fn handle(&mut self, Compose { messages }: Compose, _: &mut Self::Context) -> Self::Result {
        self.env.tripwire.step(self.lifeline.role());
        let account = self.account.to_hex();
        let mut composed: Vec<Option<Composed>> = Vec::with_capacity(messages.len());
        let mut kept = Vec::with_capacity(messages.len());
        for mut message in messages {
            if message.source.is_none() {
                message.source = Some(random_source(&*self.env.entropy));
            }
            let too_long = oversize(&message, &account).map(|bytes| Composed::TooLong {
                bytes,
                max: RUMOR_BYTES_MAX,
            });
            if too_long.is_none() {
                kept.push((LocalId::draw(&*self.env.entropy), message));
            }
            composed.push(too_long);
        }
        let drafts = kept
            .iter()
            .map(|(local, message)| NewDraft {
                local: *local,
                source: self
                    .index
                    .store()
                    .source_id(&message.conversation, message.source.as_deref().unwrap_or("")),
                body: message.to_draft(),
            })
            .collect();
        let (index, drafted) = (self.index.clone(), self.facts.drafted.clone());
        let work = async move {
            let outcomes = index.add_drafts(drafts).await.map_err(|error| match error {
                IndexError::Unavailable => ComposeError::Stopped,
                other => ComposeError::Store(other),
            })?;
            let mut outcomes = outcomes.into_iter().zip(&kept);
            let mut new = Vec::new();
            let mut answer = Vec::with_capacity(composed.len());
            for known in composed {
                if let Some(refused) = known {
                    answer.push(refused);
                    continue;
                }
                let Some((outcome, (local, message))) = outcomes.next() else {
                    break;
                };
                answer.push(match outcome {
                    DraftOutcome::Added => {
                        new.push((*local, message.clone()));
                        Composed::Kept(*local)
                    }
                    DraftOutcome::Known(MessageRef::Local(id)) => {
                        Composed::Known(MessageId::Local(*id.as_bytes()))
                    }
                    DraftOutcome::Known(MessageRef::Event(id)) => {
                        Composed::Known(MessageId::Event(id.to_bytes()))
                    }
                });
            }
            if !new.is_empty() {
                // Delivered or not: a reader that is gone builds itself from the disk when it comes back.
                let _ = drafted.send(Drafted(new)).await;
            }
            Ok(answer)
        };
        Box::pin(work.into_actor(self).map(|answer, actor, ctx| {
            actor.seal(0, ctx);
            answer
        }))
    }
}

/// The rumor's bytes when they are more than an envelope carries (DESIGN 3 "Size").
fn oversize(message: &ChatMessage, account: &str) -> Option<usize> {
    let rumor = match &message.parent {
        // A draft's parent gets its outer id when it is sealed; any event id is as long.
        Parent::Message(MessageId::Local(_)) => {
            let parent = Parent::Message(MessageId::Event([0xff; 32]));
            ChatMessage {
                parent,
                ..message.clone()
            }
            .to_rumor(account)
        }
        _ => message.to_rumor(account),
    };
    // What has no wire form is refused when it is sealed, with its reason, and kept until then.
    rumor
        .ok()
        .map(|rumor| rumor.len())
        .filter(|bytes| *bytes > RUMOR_BYTES_MAX)
}

fn random_source(entropy: &dyn Entropy) -> String {
    entropy
        .draw_16()
        .iter()
        .fold(String::with_capacity(32), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
