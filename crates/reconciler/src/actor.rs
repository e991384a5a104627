//! The actor around [`Pass`]: takes snapshots, moves frames, ids and answers, arms timers. What happens next is
//! decided by the pass; when a pass starts is decided here, in [`ReconcilerActor::start_pass`]'s callers.

mod carry;
mod handlers;
mod knowing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use actix::prelude::*;
use event_index::{Agreement, EventIndex};
use nostr::event::Kind;
use nostr::filter::Filter;
use nostr::key::PublicKey;
use relay_link::{FrameArrived, Lesson, RelayUrl, SubId};
use supervision::{Env, Lifeline, Outlet, Switchboard, Turned, Undelivered};

use crate::errands::Doors;
use crate::handle::{Reconciler, ReconcilerParts};
use crate::messages::{PassChanged, PassReport, Phase};
use crate::pass::{Agreed, Known, Pass, Start};
use crate::profiles::{self, Profiles};
use crate::relay::{Relay, Running};
use crate::subs::SubIds;
use crate::wakes::{LOOK_EVERY, Wakes};

/// A link hands over one frame at a time and waits, so a dozen relays keep a dozen frames here; beside them come two
/// answers a pass, states of links, and commands of people.
const MAILBOX_MAX: usize = 256;
/// One prefix for everything the reconciler opens, so that a NOTICE arrives once per connection.
const SUB_PREFIX: &str = "compare";

pub(crate) struct ReconcilerActor {
    env: Env,
    lifeline: Lifeline,
    handle: Reconciler,
    index: EventIndex,
    doors: Doors,
    changes: Vec<Outlet<PassChanged>>,
    switches: Switchboard,
    /// This incarnation's own: answers to what an earlier one asked lead nowhere.
    frames: Outlet<FrameArrived>,
    relays: BTreeMap<RelayUrl, Relay>,
    keys: BTreeSet<PublicKey>,
    /// Why there are no keys.
    keyless: String,
    profiles: Profiles,
    wakes: Wakes,
}

impl ReconcilerActor {
    pub(crate) fn new(env: Env, lifeline: Lifeline, parts: ReconcilerParts, handle: Reconciler) -> Self {
        let ReconcilerParts {
            index,
            have,
            need,
            pages,
            settle_up,
            settle_down,
            changes,
            switches,
        } = parts;
        let wakes = Wakes::since(env.clock.now(), env.clock.unix());
        Self {
            env,
            lifeline,
            handle,
            index,
            doors: Doors {
                have,
                need,
                pages,
                settle_up,
                settle_down,
            },
            changes,
            switches,
            frames: Outlet::empty(),
            relays: BTreeMap::new(),
            keys: BTreeSet::new(),
            keyless: "they are being loaded".to_owned(),
            profiles: Profiles::default(),
            wakes,
        }
    }

    fn filter(&self) -> Filter {
        Filter::new()
            .kinds([Kind::from(1080), Kind::from(5)])
            .authors(self.keys.iter().copied())
    }

    /// Starts a pass with a connected relay, in place of the one that runs.
    fn start_pass(&mut self, url: &RelayUrl, ctx: &mut Context<Self>) {
        let number = self.handle.next_pass();
        self.abandon(url, ctx);
        let filter = self.filter();
        let (profile, unix) = (self.profiles.of(url), self.env.clock.unix());
        let subs = SubIds::from_stem(SubId::fresh(SUB_PREFIX, &*self.env.entropy));
        let Some(relay) = self.relays.get_mut(url) else {
            return;
        };
        let Some(connection) = relay.connection() else {
            return;
        };
        let traffic = relay.link.traffic();
        let start = Start {
            relay: url.clone(),
            filter,
            subs,
            known: Known::of(&profile, unix).allowing(self.switches.now()),
            unix,
            traffic,
        };
        relay.asked = false;
        relay.compared_on = Some(connection);
        relay.running = Some(Running {
            number,
            connection,
            core: Pass::start(start),
            absent: Vec::new(),
            timer: None,
            up: crate::errands::Errands::default(),
            down: crate::errands::Errands::default(),
            span: tracing::info_span!("session", relay = %url, pass = number),
        });
        self.drain(url, number, ctx);
    }

    /// Stops what runs and what is planned, without a report.
    fn abandon(&mut self, url: &RelayUrl, ctx: &mut Context<Self>) {
        let Some(relay) = self.relays.get_mut(url) else {
            return;
        };
        if let Some(again) = relay.again.take() {
            ctx.cancel_future(again);
        }
        if let Some(running) = &mut relay.running {
            let number = running.number;
            running.core.abandon();
            self.drain(url, number, ctx);
            self.forget(url, ctx);
        }
    }

    fn forget(&mut self, url: &RelayUrl, ctx: &mut Context<Self>) {
        let ended = self.relays.get_mut(url).and_then(|relay| relay.running.take());
        if let Some((_, timer)) = ended.and_then(|running| running.timer) {
            ctx.cancel_future(timer);
        }
    }

    /// Lets the pass of this number, if it still runs, take something in, and carries out what comes of it.
    fn with_pass(
        &mut self,
        url: &RelayUrl,
        number: u64,
        ctx: &mut Context<Self>,
        take: impl FnOnce(&mut Pass, Instant),
    ) {
        let now = self.env.clock.now();
        let Some(relay) = self.relays.get_mut(url) else {
            return;
        };
        let traffic = relay.link.traffic();
        let Some(running) = relay.pass(number) else { return };
        let span = running.span.clone();
        let _session = span.enter();
        running.core.observe(traffic);
        take(&mut running.core, now);
        self.drain(url, number, ctx);
    }

    /// Ends the pass with an error, if one runs.
    fn fail(&mut self, url: &RelayUrl, error: String, ctx: &mut Context<Self>) {
        if let Some(number) = self.running(url) {
            self.with_pass(url, number, ctx, |pass, _| pass.fail(error));
        }
    }

    fn running(&self, url: &RelayUrl) -> Option<u64> {
        self.relays
            .get(url)?
            .running
            .as_ref()
            .map(|running| running.number)
    }

    /// A pass that cannot even begin.
    fn refuse(&mut self, url: &RelayUrl, error: String, ctx: &mut Context<Self>) {
        let number = self.handle.next_pass();
        self.tell(
            url,
            number,
            Phase::Done(PassReport::failed(url.clone(), error)),
            ctx,
        );
    }

    /// Records an agreement, then tells that the pass is over: whoever hears of it finds it in the store.
    fn finish(
        &mut self,
        url: &RelayUrl,
        number: u64,
        mut report: PassReport,
        agreed: Option<Agreed>,
        ctx: &mut Context<Self>,
    ) {
        let Some(Agreed {
            count,
            fingerprint,
            last_seq,
            basis,
        }) = agreed
        else {
            return self.finished(url, number, report, false, ctx);
        };
        let running = self.relays.get_mut(url).and_then(|relay| relay.pass(number));
        let Some((authors, absent)) =
            running.map(|running| (running.core.author_set(), std::mem::take(&mut running.absent)))
        else {
            return;
        };
        let agreement = Agreement {
            at: self.env.clock.unix(),
            count,
            fingerprint,
            last_seq,
            basis,
            authors,
        };
        let (name, url) = (url.clone(), url.clone());
        // Looked at when it is written: what is forgotten meanwhile is not written behind that.
        let recording = fut::ready(())
            .into_actor(self)
            .then(move |(), actor: &mut Self, _| {
                let runs = actor.running(&name) == Some(number);
                let index = actor.index.clone();
                let recording = async move {
                    if !runs {
                        return Ok(());
                    }
                    index.record_agreement(name.to_string(), agreement, absent).await
                };
                recording.into_actor(actor)
            });
        ctx.spawn(recording.map(move |recorded, actor, ctx| {
            let agreed = recorded.is_ok();
            if let Err(error) = recorded {
                report.complete = false;
                report.error = Some(format!("the agreement could not be recorded: {error}"));
            }
            actor.finished(&url, number, report, agreed, ctx);
        }));
    }

    fn finished(
        &mut self,
        url: &RelayUrl,
        number: u64,
        report: PassReport,
        agreed: bool,
        ctx: &mut Context<Self>,
    ) {
        let Some(relay) = self.relays.get_mut(url) else {
            return;
        };
        // Another pass began while the agreement was written.
        if relay.pass(number).is_none() {
            return;
        }
        let live = self.switches.now().live;
        let pause = relay.cadence.after(agreed, live);
        let connected = relay.connection().is_some();
        self.forget(url, ctx);
        if report.error.is_none() {
            let unproven = Lesson::Unproven(report.unproven_seconds.len() as u64);
            self.learn(url, unproven, ctx);
        }
        self.tell(url, number, Phase::Done(report), ctx);
        if connected {
            let next = url.clone();
            let again = ctx.run_later(pause, move |actor, ctx| actor.compare_again(&next, ctx));
            if let Some(relay) = self.relays.get_mut(url) {
                relay.again = Some(again);
            }
        }
    }

    fn compare_again(&mut self, url: &RelayUrl, ctx: &mut Context<Self>) {
        let Some(relay) = self.relays.get_mut(url) else {
            return;
        };
        relay.again = None;
        if relay.connection().is_some() && relay.running.is_none() && !self.keys.is_empty() {
            self.start_pass(url, ctx);
        }
    }

    /// Tells everyone how far a pass is. A receiver that is behind misses steps, but never the end.
    fn tell(&mut self, url: &RelayUrl, pass: u64, phase: Phase, ctx: &mut Context<Self>) {
        log_phase(url, pass, &phase);
        if let Some(relay) = self.relays.get_mut(url) {
            relay.told = Some((pass, phase.clone()));
        }
        let fact = PassChanged {
            relay: url.clone(),
            pass,
            phase,
        };
        for outlet in &self.changes {
            let full = matches!(outlet.try_send(fact.clone()), Err(Undelivered::Full));
            if full && matches!(fact.phase, Phase::Done(_)) {
                let (outlet, fact) = (outlet.clone(), fact.clone());
                ctx.spawn(async move { drop(outlet.send(fact).await) }.into_actor(self));
            }
        }
    }

    /// Compares with everyone after a long sleep: what came meanwhile was missed, on connections that stood it too.
    fn look_for_sleep(&mut self, ctx: &mut Context<Self>) {
        let (now, unix) = (self.env.clock.now(), self.env.clock.unix());
        if !self.wakes.woke(now, unix) || self.keys.is_empty() {
            return;
        }
        for url in self.connected_relays() {
            tracing::info!(relay = %url, "comparing after a long sleep");
            if let Some(relay) = self.relays.get_mut(&url) {
                relay.cadence.reset();
            }
            self.start_pass(&url, ctx);
        }
    }

    /// Compares with everyone as the switches say, when one was turned that a comparison goes by: what was passed over
    /// while it was off is named again.
    fn turned(&mut self, turned: Turned, ctx: &mut Context<Self>) {
        let asked =
            |on: &supervision::Switches| (on.uploads, on.downloads, on.live, on.negentropy, on.recent_first);
        if asked(&turned.before) == asked(&turned.now) || self.keys.is_empty() {
            return;
        }
        for url in self.connected_relays() {
            if let Some(relay) = self.relays.get_mut(&url) {
                relay.cadence.reset();
            }
            self.start_pass(&url, ctx);
        }
    }
}

/// How a comparison goes, for whoever looks into it later.
fn log_phase(relay: &RelayUrl, pass: u64, phase: &Phase) {
    let Phase::Done(report) = phase else {
        return tracing::debug!(%relay, pass, ?phase, "comparing");
    };
    let PassReport {
        rounds,
        have,
        need,
        received,
        sent,
        bytes_in,
        bytes_out,
        complete,
        ..
    } = report;
    let error = report.error.as_deref();
    tracing::info!(
        %relay, pass, method = ?report.method, rounds, have, need, received, sent, bytes_in, bytes_out, complete, error,
        "compared"
    );
}

impl Actor for ReconcilerActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_MAX);
        self.frames.fill(ctx.address().recipient());
        ctx.run_interval(LOOK_EVERY, Self::look_for_sleep);
        self.switches.clone().follow(ctx, Self::turned);
        let (store, workers, now) = (
            Arc::clone(self.index.store()),
            self.env.workers,
            self.env.clock.unix(),
        );
        let adopting = async move { workers.run(move || profiles::adopt(&store, now)).await };
        ctx.wait(adopting.into_actor(self).map(|adopted, _, _| {
            if let Err(error) = adopted {
                tracing::warn!(%error, "what an earlier version knew of relays could not be taken over");
            }
        }));
    }
}
