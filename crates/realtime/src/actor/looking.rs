//! When to look at what was stored, and what follows: watchers are told, late copies deleted, the list kept on disk.

use std::sync::PoisonError;
use std::time::Duration;

use actix::prelude::*;
use pns_keys::keeper::KeyState;

use super::{RETRY, RealtimeActor};
use crate::catching_up::{CatchUpFailed, catch_up, is_behind};
use crate::messages::ConversationsCounted;
use crate::messages::NotReady;
use crate::shelf::{Looked, Shelf};
use crate::storing::Intaker;

/// Quiet before lines of the list that fell behind in a bulk are made anew: every batch of a download touches most
/// conversations.
const LINES_QUIET: Duration = Duration::from_millis(200);
/// Quiet before lines are put on disk. Until then another start makes them anew.
const KEEP_QUIET: Duration = Duration::from_secs(1);
/// Lines in one commit.
const LINES_PER_COMMIT: usize = 500;

impl RealtimeActor {
    /// The conversations. Held for a moment at a time, as a rule by a worker.
    pub(super) fn shelf(&self) -> std::sync::MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers questions at once when the read model covers everything; what is behind waits for the keys.
    pub(super) fn begin_reading(&mut self, ctx: &mut Context<Self>) {
        match is_behind(self.intaker.index.store()) {
            Ok(false) => self.read(ctx),
            Ok(true) => {}
            Err(error) => tracing::error!(%error, "the read model could not be read"),
        }
    }

    fn read(&mut self, ctx: &mut Context<Self>) {
        self.loaded.send_replace(true);
        self.look(ctx);
    }

    /// Opens what is not in the read model, with the keys there are.
    pub(super) fn catch_up(&mut self, ctx: &mut Context<Self>) {
        let Some(keys) = &self.keys else { return };
        // Before the keeper has read its keyrings, most envelopes stay closed.
        if keys.state == KeyState::Loading || !self.catching_up.begin() {
            return;
        }
        let (read_keys, authors) = (keys.read.clone(), keys.rumor_authors.clone());
        let Intaker {
            env, index, keeper, ..
        } = self.intaker.clone();
        let work = async move { catch_up(&env, &index, &keeper, &read_keys, &authors).await };
        ctx.spawn(work.into_actor(self).map(|opened, actor, ctx| {
            let again = actor.catching_up.end();
            match opened {
                Ok(opened) => actor.caught_up(opened, ctx),
                Err(error) => Self::catch_up_later(&error, ctx),
            }
            if again {
                actor.catch_up(ctx);
            }
        }));
    }

    fn caught_up(&mut self, opened: Vec<chat_model::MessageId>, ctx: &mut Context<Self>) {
        // Nobody has seen anything before the first reading was done.
        if *self.loaded.borrow() && !opened.is_empty() {
            let tell = self.on_shelf(move |shelf| shelf.tell_opened(&opened));
            ctx.spawn(tell.into_actor(self).map(|_, actor, ctx| actor.look(ctx)));
        }
        self.read(ctx);
    }

    fn catch_up_later(error: &CatchUpFailed, ctx: &mut Context<Self>) {
        tracing::error!(%error, "the read model could not be brought up; trying again");
        ctx.run_later(RETRY, Self::catch_up);
    }

    /// Looks at what was stored, now or when the look that is under way is done.
    pub(crate) fn look(&mut self, ctx: &mut Context<Self>) {
        if *self.loaded.borrow() && self.looking.begin() {
            self.look_at(false, ctx);
        }
    }

    fn look_at(&mut self, whole: bool, ctx: &mut Context<Self>) {
        let look = self.on_shelf(move |shelf| shelf.look(whole));
        ctx.spawn(
            look.into_actor(self)
                .map(|looked, actor, ctx| actor.looked(looked, ctx)),
        );
    }

    fn looked(&mut self, looked: Result<Looked, NotReady>, ctx: &mut Context<Self>) {
        let again = self.looking.end();
        match looked {
            Ok(looked) => {
                self.delete_late_copies(looked.late);
                if let Some(count) = looked.count {
                    // A snapshot: a full mailbox misses one and gets the next.
                    let _ = self
                        .facts
                        .conversations_counted
                        .try_send(ConversationsCounted(count));
                }
                if looked.behind {
                    self.make_lines_later(ctx);
                }
                self.after_question(ctx);
            }
            Err(_) => {
                ctx.run_later(RETRY, Self::look);
            }
        }
        if again {
            self.look(ctx);
        }
    }

    fn make_lines_later(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.lines_timer.take() {
            ctx.cancel_future(timer);
        }
        self.lines_timer = Some(ctx.run_later(LINES_QUIET, |actor, ctx| {
            actor.lines_timer = None;
            if actor.looking.begin() {
                actor.look_at(true, ctx);
            } else {
                actor.make_lines_later(ctx);
            }
        }));
    }

    /// A question may have made lines of the list that are not on disk.
    pub(crate) fn after_question(&mut self, ctx: &mut Context<Self>) {
        // Whoever has the shelf now comes by here afterwards.
        let (late, kept) = self
            .shelf
            .try_lock()
            .map_or((false, true), |shelf| (shelf.has_late(), shelf.list.is_kept()));
        if late {
            self.look(ctx);
        }
        if kept || self.keep_timer.is_some() {
            return;
        }
        self.keep_timer = Some(ctx.run_later(KEEP_QUIET, |actor, ctx| {
            actor.keep_timer = None;
            actor.keep_lines(ctx);
        }));
    }

    fn keep_lines(&mut self, ctx: &mut Context<Self>) {
        let index = self.intaker.index.clone();
        let lines = self.on_shelf(|shelf| Ok(shelf.list.take_unkept(LINES_PER_COMMIT)));
        let keep = async move {
            match lines.await {
                Ok(lines) if lines.is_empty() => {}
                Ok(lines) => {
                    // They are made again by the next start.
                    if let Err(error) = index.put_summaries(lines).await {
                        tracing::warn!(%error, "lines of the list could not be kept");
                    }
                }
                Err(error) => tracing::debug!(%error, "lines of the list are kept later"),
            }
        };
        ctx.spawn(
            keep.into_actor(self)
                .map(|(), actor, ctx| actor.after_question(ctx)),
        );
    }
}
