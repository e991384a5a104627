//! What others ask of the keeper.

use std::sync::Arc;

use actix::prelude::*;
use nostr::event::Event;
use supervision::Restarted;

use super::actor::KeeperActor;
use super::shelf::Inside;
use super::{
    Announce, DeleteError, KeyState, KeyringInfo, KeysLocked, ListKeyrings, OpenBatch, Opened, SealBatch,
    SignDeletion, ToSeal, Unlock, UseRelays,
};
use crate::{Profile, SealError, seal, sign_deletion};

type Sealed = Result<Vec<Result<Event, SealError>>, KeysLocked>;

impl Handler<SealBatch> for KeeperActor {
    type Result = ResponseActFuture<Self, Sealed>;

    fn handle(&mut self, SealBatch(batch): SealBatch, _: &mut Self::Context) -> Self::Result {
        self.env.tripwire.step(self.lifeline.role());
        let Some(writing) = self.keys.writing_key() else {
            let why = match self.state() {
                KeyState::Searching { why } | KeyState::Asking { why } | KeyState::Locked { why } => why,
                KeyState::Loading | KeyState::Ready => "the saved keys are being read".to_owned(),
            };
            return Box::pin(fut::ready(Err(KeysLocked { why })));
        };
        let entropy = &self.env.entropy;
        // Drawn here and in order, so that a seed gives the same envelopes whatever the threads do.
        let drawn: Vec<_> = batch
            .into_iter()
            .map(|message| (message, entropy.draw_32(), entropy.draw_32()))
            .collect();
        let workers = self.env.workers;
        let work = move || {
            let one = |(message, nonce, aux): (ToSeal, [u8; 32], [u8; 32])| {
                seal(&writing.key, &message.rumor, message.created_at, nonce, aux)
            };
            workers.map(drawn, one)
        };
        Box::pin(async move { Ok(workers.run(work).await) }.into_actor(self))
    }
}

impl Handler<OpenBatch> for KeeperActor {
    type Result = ResponseActFuture<Self, Vec<Opened>>;

    fn handle(&mut self, OpenBatch(events): OpenBatch, _: &mut Self::Context) -> Self::Result {
        self.env.tripwire.step(self.lifeline.role());
        let keys = Arc::clone(&self.keys);
        let workers = self.env.workers;
        let work = move || {
            let one = |event: Event| Opened {
                rumor: keys.open(&event),
                event,
            };
            workers.map(events, one)
        };
        Box::pin(async move { workers.run(work).await }.into_actor(self))
    }
}

impl Handler<SignDeletion> for KeeperActor {
    type Result = Result<Event, DeleteError>;

    fn handle(&mut self, deletion: SignDeletion, _: &mut Self::Context) -> Self::Result {
        self.env.tripwire.step(self.lifeline.role());
        let SignDeletion {
            author,
            ids,
            created_at,
        } = deletion;
        let key = self
            .keys
            .key(&author)
            .ok_or(DeleteError::UnknownAuthor { author })?;
        Ok(sign_deletion(key, &ids, created_at, self.env.entropy.draw_32())?)
    }
}

impl Handler<ListKeyrings> for KeeperActor {
    type Result = Vec<KeyringInfo>;

    fn handle(&mut self, ListKeyrings: ListKeyrings, _: &mut Self::Context) -> Self::Result {
        self.env.tripwire.step(self.lifeline.role());
        let writing = self.keys.writing_key();
        let one = |known: &super::shelf::Known| {
            let id = known.event.id;
            KeyringInfo {
                id,
                created_at: known.event.created_at.as_secs(),
                public: match &known.inside {
                    Inside::Open(keyring) => Some(keyring.key(Profile::Routstr).public()),
                    _ => None,
                },
                writes: writing.as_ref().is_some_and(|writing| writing.keyring == id),
                read_back: known.read_back,
                held_by: self.publisher.holders(&id),
                closed: match &known.inside {
                    Inside::Open(_) => None,
                    Inside::Closed => Some("the signer has not opened it yet".to_owned()),
                    Inside::Refused(error) | Inside::Junk(error) => Some(error.to_string()),
                },
                event: known.event.clone(),
            }
        };
        self.shelf.oldest_first().into_iter().map(one).collect()
    }
}

impl Handler<Unlock> for KeeperActor {
    type Result = ();

    fn handle(&mut self, Unlock: Unlock, ctx: &mut Self::Context) {
        self.env.tripwire.step(self.lifeline.role());
        self.shelf.unlock();
        self.declined.clear();
        let now = self.env.clock.now();
        self.search_again(now);
        self.drive(ctx);
    }
}

impl Handler<UseRelays> for KeeperActor {
    type Result = ();

    fn handle(&mut self, UseRelays(relays): UseRelays, ctx: &mut Self::Context) {
        self.env.tripwire.step(self.lifeline.role());
        let now = self.env.clock.now();
        let before = self.outlets.relays();
        self.outlets.remember_relays(relays.clone());
        if let Some(discovery) = &mut self.discovery {
            discovery.set_relays(relays.clone(), now);
            for relay in relays
                .difference(&before)
                .filter(|relay| self.relays.contains_key(*relay))
            {
                discovery.connected(relay, now);
            }
        }
        self.drive(ctx);
    }
}

impl Handler<Announce> for KeeperActor {
    type Result = ();

    fn handle(&mut self, Announce: Announce, ctx: &mut Self::Context) {
        self.env.tripwire.step(self.lifeline.role());
        self.announce_again();
        self.drive(ctx);
    }
}

impl Handler<Restarted> for KeeperActor {
    type Result = ();

    fn handle(&mut self, Restarted(role): Restarted, ctx: &mut Self::Context) {
        self.env.tripwire.step(self.lifeline.role());
        tracing::debug!(part = %role, "restarted; announcing the keys to it");
        self.announce_again();
        self.drive(ctx);
    }
}
