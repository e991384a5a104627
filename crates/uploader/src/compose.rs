//! Taking in messages without event ids: cut to what envelopes carry, named, on disk, then announced.

use std::collections::BTreeMap;
use std::fmt::Write;

use actix::prelude::*;
use chat_model::{Message as ChatMessage, MessageId, Parent, SplitError};
use event_index::{DraftOutcome, IndexError, LocalId, MessageRef, NewDraft, Store};
use supervision::Entropy;

use crate::UploaderActor;
use crate::messages::{Compose, ComposeError, Composed, Drafted};

impl Handler<Compose> for UploaderActor {
    type Result = ResponseActFuture<Self, Result<Vec<Composed>, ComposeError>>;

    fn handle(&mut self, Compose { messages }: Compose, _: &mut Self::Context) -> Self::Result {
        self.env.tripwire.step(self.lifeline.role());
        let mut answers = Vec::with_capacity(messages.len());
        let mut kept = Vec::with_capacity(messages.len());
        let in_pieces = self.switches.now().parts;
        for message in messages {
            let drafts = as_drafts(message, in_pieces, self.index.store(), &*self.env.entropy);
            answers.push(drafts.as_ref().map(Vec::len).map_err(Clone::clone));
            kept.extend(drafts.unwrap_or_default());
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
            let mut outcomes = outcomes.into_iter().zip(kept);
            let mut new = Vec::new();
            let mut answer = Vec::with_capacity(answers.len());
            for pieces in answers {
                answer.extend(match pieces {
                    // A message becomes at least one draft, and each has an outcome.
                    Ok(pieces) => take_in(outcomes.by_ref().take(pieces), &mut new),
                    Err(refused) => Some(Composed::Refused(refused)),
                });
            }
            if !new.is_empty() {
                // Delivered or not: a reader that is gone builds itself from the disk when it comes back.
                let _ = drafted.send(Drafted(new)).await;
            }
            Ok(answer)
        };
        Box::pin(work.into_actor(self).map(|answer, actor, ctx| {
            actor.seal(ctx);
            answer
        }))
    }
}

/// The drafts a message becomes: one or, when an envelope can't carry it and it may go `in_pieces`, its pieces, each the child of the one before.
fn as_drafts(
    mut message: ChatMessage,
    in_pieces: bool,
    store: &Store,
    entropy: &dyn Entropy,
) -> Result<Vec<(LocalId, ChatMessage)>, SplitError> {
    if message.source.is_none() {
        message.source = Some(random_source(entropy));
    }
    let bytes = message.content.raw().len();
    let mut pieces = message.into_pieces()?;
    if pieces.len() == 1 {
        return Ok(pieces
            .drain(..)
            .map(|piece| (LocalId::draw(entropy), piece))
            .collect());
    }
    if !in_pieces {
        return Err(SplitError::NotInPieces { bytes });
    }
    let mut drafts: Vec<(LocalId, ChatMessage)> = Vec::with_capacity(pieces.len());
    for mut piece in pieces {
        if let Some((before, _)) = drafts.last() {
            piece.parent = Parent::Message(MessageId::Local(*before.as_bytes()));
        }
        // Some of them may have come from another device that imported the same message. Then the next one names what
        // came, and this is what it is called here.
        let source = piece.source.as_deref().unwrap_or_default();
        drafts.push((store.source_id(&piece.conversation, source).local(), piece));
    }
    Ok(drafts)
}

/// What became of one message, from what became of its pieces: it is called by the last one. Those that were not here
/// are added to `new`.
fn take_in(
    outcomes: impl Iterator<Item = (DraftOutcome, (LocalId, ChatMessage))>,
    new: &mut Vec<(LocalId, ChatMessage)>,
) -> Option<Composed> {
    let mut renamed = BTreeMap::new();
    let mut composed = None;
    let mut some_new = false;
    for (outcome, (local, mut message)) in outcomes {
        composed = Some(match outcome {
            DraftOutcome::Added => {
                if let Parent::Message(parent) = &mut message.parent
                    && let Some(known) = renamed.get(parent)
                {
                    *parent = *known;
                }
                new.push((local, message));
                some_new = true;
                Composed::Kept(local)
            }
            DraftOutcome::Known(known) => {
                let known = match known {
                    MessageRef::Local(id) => MessageId::Local(*id.as_bytes()),
                    MessageRef::Event(id) => MessageId::Event(id.to_bytes()),
                };
                renamed.insert(MessageId::Local(*local.as_bytes()), known);
                if some_new {
                    Composed::Kept(local)
                } else {
                    Composed::Known(known)
                }
            }
        });
    }
    composed
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
