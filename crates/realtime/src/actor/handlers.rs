//! What the actor does with each message: takes the value, moves it on.

use actix::prelude::*;
use pns_keys::keeper::{KeyState, KeysChanged};
use reconciler::messages::{NeedIds, PageArrived, Settle};
use relay_link::{FrameArrived, LinkChanged, LinkState, RelayFrame, RelayUrl};
use supervision::{Restarted, Role};
use uploader::{Drafted, Sealed};

use super::{RealtimeActor, close};
use crate::line::Line;

impl Handler<KeysChanged> for RealtimeActor {
    type Result = ();

    fn handle(&mut self, fact: KeysChanged, ctx: &mut Self::Context) {
        self.step();
        let before = self.keys.replace(fact);
        let read = |keys: &KeysChanged| {
            (
                keys.read.clone(),
                keys.rumor_authors.clone(),
                keys.state == KeyState::Loading,
            )
        };
        if before.as_ref().map(read) == self.keys.as_ref().map(read) {
            return;
        }
        self.catch_up(ctx);
        let now = self.now();
        let urls: Vec<RelayUrl> = self.lines.keys().cloned().collect();
        for url in urls {
            if let Some(line) = self.lines.get_mut(&url).filter(|line| line.connected()) {
                line.live.wanted(now);
            }
            self.pump(&url, ctx);
        }
        self.store_when_ripe(ctx);
    }
}

impl Handler<LinkChanged> for RealtimeActor {
    type Result = ();

    fn handle(&mut self, LinkChanged { link, state }: LinkChanged, ctx: &mut Self::Context) {
        self.step();
        let (url, now) = (link.url().clone(), self.now());
        let stopped = state == LinkState::Stopped;
        if stopped && !self.lines.contains_key(&url) {
            return;
        }
        let line = self.lines.entry(url.clone()).or_insert_with(|| Line::new(link));
        if line.link_changed(&state) {
            line.live.wanted(now);
        }
        self.pump(&url, ctx);
        if stopped {
            // It is not used any more; who waits for what it serves is told so.
            self.lines.remove(&url);
        }
    }
}

impl Handler<FrameArrived> for RealtimeActor {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(
        &mut self,
        FrameArrived { relay: url, frame }: FrameArrived,
        ctx: &mut Self::Context,
    ) -> Self::Result {
        self.step();
        let now = self.now();
        let Some(line) = self.lines.get_mut(&url) else {
            return Box::pin(actix::fut::ready(()));
        };
        match frame {
            RelayFrame::Event { sub, event } => {
                let fetched = line.fetches.arrived(&sub, event.id, now);
                if fetched {
                    line.fetches.weigh(event.content.len());
                }
                let asked = fetched || line.live.heard(&sub, now) || line.showed(&sub, event.id, now);
                let read = self
                    .keys
                    .as_ref()
                    .is_some_and(|keys| keys.read.contains(&event.pubkey));
                if asked && !read {
                    // Nothing that was not asked for takes up room.
                    self.reject(&url, 1);
                } else if asked {
                    return self.take_in(url, vec![*event], ctx);
                }
            }
            RelayFrame::Eose { sub, .. } => {
                line.live.stored_done(&sub, now);
                if line.fetches.answered(&sub) || line.said_all(&sub) {
                    close(&line.link, sub, &self.handle.frames);
                }
                self.pump(&url, ctx);
            }
            RelayFrame::Closed { sub, reason } => {
                if line.live.owns(&sub) {
                    tracing::info!(relay = %url, %reason, "the live subscription was closed");
                }
                line.live.closed(&sub, now);
                line.fetches.refused(&sub);
                line.would_not_say(&sub, &reason, now);
                self.pump(&url, ctx);
            }
            _ => {}
        }
        Box::pin(actix::fut::ready(()))
    }
}

impl RealtimeActor {
    /// Counts what is not taken as not delivered.
    fn pass_over(&mut self, relay: &RelayUrl, events: usize) {
        if let Some(line) = self.lines.get_mut(relay) {
            line.fetches.lost(events as u64);
        }
    }
}

impl Handler<PageArrived> for RealtimeActor {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(
        &mut self,
        PageArrived { relay, events, .. }: PageArrived,
        ctx: &mut Self::Context,
    ) -> Self::Result {
        self.step();
        if !self.takes() {
            self.pass_over(&relay, events.len());
            return Box::pin(actix::fut::ready(()));
        }
        self.take_in(relay, events, ctx)
    }
}

impl Handler<NeedIds> for RealtimeActor {
    type Result = ();

    fn handle(&mut self, fact: NeedIds, ctx: &mut Self::Context) {
        self.step();
        let NeedIds {
            relay, ids, deleted, ..
        } = fact;
        if !self.takes() {
            self.pass_over(&relay, ids.len());
        } else if let Some(line) = self.lines.get_mut(&relay) {
            line.fetches.want(ids);
            line.fetches.look_for(deleted);
        }
        self.pump(&relay, ctx);
    }
}

impl Handler<Settle> for RealtimeActor {
    type Result = ();

    fn handle(&mut self, Settle { relay, pass }: Settle, ctx: &mut Self::Context) {
        self.step();
        if let Some(line) = self.lines.get_mut(&relay) {
            line.settle = Some(pass);
        }
        self.pump(&relay, ctx);
    }
}

impl Handler<Drafted> for RealtimeActor {
    type Result = ();

    fn handle(&mut self, _: Drafted, ctx: &mut Self::Context) {
        self.step();
        self.look(ctx);
    }
}

impl Handler<Sealed> for RealtimeActor {
    type Result = ();

    fn handle(&mut self, _: Sealed, ctx: &mut Self::Context) {
        self.step();
        self.look(ctx);
    }
}

impl Handler<Restarted> for RealtimeActor {
    type Result = ();

    fn handle(&mut self, Restarted(role): Restarted, ctx: &mut Self::Context) {
        self.step();
        // What a writer or the uploader did last may never have been announced: the disk knows.
        if matches!(role, Role::Index | Role::Uploader | Role::Keeper) {
            self.catch_up(ctx);
            self.look(ctx);
            self.store_when_ripe(ctx);
        }
        if role == Role::Status {
            self.look(ctx);
        }
    }
}
