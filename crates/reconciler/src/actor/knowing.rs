//! What is known of relays: learned from passes, from others, and from trying a relay out; kept on disk; forgotten.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use event_index::IndexError;
use relay_link::{Lesson, RelayProfile, RelayUrl};

use super::ReconcilerActor;
use crate::messages::{StartOver, Teach};
use crate::profiles;

/// A relay without a document is not asked for it again before this, however often it is connected.
const INFO_PAUSE: Duration = Duration::from_secs(3600);

impl ReconcilerActor {
    /// Takes in what a relay has shown, and keeps it.
    pub(super) fn learn(&mut self, url: &RelayUrl, lesson: Lesson, ctx: &mut Context<Self>) {
        if !self.profiles.learn(url, lesson, self.env.clock.unix()) {
            return;
        }
        let url = url.clone();
        // Read when it is written: what was forgotten meanwhile does not come back.
        let saving = fut::ready(()).into_actor(self).then(|(), actor: &mut Self, _| {
            let (index, profile) = (actor.index.clone(), actor.profiles.kept(&url));
            let saving = async move {
                if let Err(error) = index.put_relay_profile(url.to_string(), profile).await {
                    // The next pass finds out again what the relay does.
                    tracing::warn!(%error, "what a relay has shown could not be kept");
                }
            };
            saving.into_actor(actor)
        });
        ctx.spawn(saving);
    }

    /// Fetches what the relay says about itself when that is not known or a day old. Nobody waits for it: this
    /// connection's pages may ask for too much, and the next ones do not.
    pub(super) fn ask_for_info(&mut self, url: &RelayUrl, ctx: &mut Context<Self>) {
        let (now, unix) = (self.env.clock.now(), self.env.clock.unix());
        let wanted = self.profiles.of(url).wants_info(unix);
        let Some(relay) = self.relays.get_mut(url).filter(|_| wanted) else {
            return;
        };
        let lately = |asked: Instant| now.saturating_duration_since(asked) < INFO_PAUSE;
        if relay.info_asked.is_some_and(lately) {
            return;
        }
        relay.info_asked = Some(now);
        let (link, url) = (relay.link.clone(), url.clone());
        let asking = async move { (link.info().await, url) };
        ctx.spawn(
            asking
                .into_actor(self)
                .map(|(answer, url), actor, ctx| match answer {
                    Ok(info) if actor.profiles.knows(&url) => actor.learn(&url, Lesson::Info(info), ctx),
                    Ok(_) => tracing::debug!(relay = %url, "it was let go meanwhile"),
                    Err(error) => tracing::debug!(relay = %url, %error, "no relay information document"),
                }),
        );
    }

    /// Reads a relay's profile before anything else is handled: a relay that refused an hour ago is not asked again.
    pub(super) fn load_profile(
        &self,
        url: &RelayUrl,
        ctx: &mut Context<Self>,
        then: impl FnOnce(&mut Self, &mut Context<Self>) + 'static,
    ) {
        let (store, workers, relay) = (Arc::clone(self.index.store()), self.env.workers, url.clone());
        let loading = async move {
            let name = relay.to_string();
            (
                relay,
                workers.run(move || profiles::relay_profile(&store, &name)).await,
            )
        };
        ctx.wait(loading.into_actor(self).map(|(relay, loaded), actor, ctx| {
            let profile = loaded.unwrap_or_else(|error| {
                tracing::warn!(%relay, %error, "what is known of a relay could not be read; it is learned again");
                relay_link::RelayProfile::default()
            });
            actor.profiles.put(relay, profile);
            then(actor, ctx);
        }));
    }
}

impl Handler<Teach> for ReconcilerActor {
    type Result = ResponseActFuture<Self, Result<RelayProfile, IndexError>>;

    fn handle(&mut self, Teach { relay, lessons }: Teach, _: &mut Self::Context) -> Self::Result {
        self.env.tripwire.step(self.lifeline.role());
        let (store, workers, known) = (
            Arc::clone(self.index.store()),
            self.env.workers,
            self.profiles.knows(&relay),
        );
        let name = relay.to_string();
        let loading = async move {
            if known {
                return Ok(None);
            }
            let read = move || profiles::relay_profile(&store, &name);
            workers.run(read).await.map(Some)
        };
        let taught = loading.into_actor(self).then(move |loaded, actor: &mut Self, _| {
            let saving = loaded.map(|loaded| actor.teach(&relay, loaded, lessons));
            let index = actor.index.clone();
            let saving = async move {
                let (profile, news) = saving?;
                if news {
                    index
                        .put_relay_profile(relay.to_string(), profile.to_json())
                        .await?;
                }
                Ok::<_, IndexError>((relay, profile))
            };
            saving.into_actor(actor)
        });
        Box::pin(taught.map(|taught, actor, _| {
            let (relay, profile) = taught?;
            if !actor.relays.contains_key(&relay) {
                // It is read again should it be used.
                actor.profiles.forget(&relay);
            }
            Ok(profile)
        }))
    }
}

impl ReconcilerActor {
    /// Adds lessons to what is known of a relay, or was just `loaded`. Returns that, and whether it is to be kept.
    fn teach(
        &mut self,
        relay: &RelayUrl,
        loaded: Option<RelayProfile>,
        lessons: Vec<Lesson>,
    ) -> (RelayProfile, bool) {
        if let Some(loaded) = loaded
            && !self.profiles.knows(relay)
        {
            self.profiles.put(relay.clone(), loaded);
        }
        let now = self.env.clock.unix();
        let mut news = false;
        for lesson in lessons {
            news |= self.profiles.learn(relay, lesson, now);
        }
        (self.profiles.of(relay), news)
    }
}

impl Handler<StartOver> for ReconcilerActor {
    type Result = AtomicResponse<Self, Result<(), IndexError>>;

    fn handle(&mut self, _: StartOver, ctx: &mut Self::Context) -> Self::Result {
        self.env.tripwire.step(self.lifeline.role());
        let relays: Vec<RelayUrl> = self.relays.keys().cloned().collect();
        for relay in &relays {
            // Before anything is forgotten: what a pass still has to say about its relay is from before.
            self.abandon(relay, ctx);
            self.profiles.clear(relay);
        }
        let index = self.index.clone();
        let forgetting = async move {
            for relay in relays {
                index.forget_agreement(relay.to_string()).await?;
                index.put_relay_profile(relay.to_string(), String::new()).await?;
            }
            Ok(())
        };
        AtomicResponse::new(Box::pin(forgetting.into_actor(self).map(
            |forgotten, actor, ctx| {
                // Also where it failed: no relay is to stay without a comparison.
                for url in actor.connected_relays() {
                    if let Some(relay) = actor.relays.get_mut(&url) {
                        relay.cadence.reset();
                    }
                    if !actor.keys.is_empty() {
                        actor.start_pass(&url, ctx);
                    }
                }
                forgotten
            },
        )))
    }
}
