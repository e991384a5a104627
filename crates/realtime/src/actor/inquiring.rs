//! Asking relays what they serve, on behalf of somebody who waits.

use actix::prelude::*;
use nostr::prelude::Filter;
use relay_link::{ClientFrame, RelayUrl, SubId};
use tokio::sync::oneshot;

use super::{RETRY, RealtimeActor};
use crate::inquiry::Inquiry;
use crate::messages::{Inquire, Served};
use crate::verify::{DELETION, ENVELOPE};

impl Handler<Inquire> for RealtimeActor {
    type Result = ResponseFuture<Served>;

    fn handle(&mut self, Inquire { relay, ids }: Inquire, ctx: &mut Self::Context) -> Self::Result {
        self.step();
        let Some(line) = self.lines.get_mut(&relay).filter(|line| line.connected()) else {
            return Box::pin(async { Err("not connected".to_owned()) });
        };
        let (answer, answered) = oneshot::channel();
        line.inquiries.push_back((Inquiry::new(ids), answer));
        self.pump(&relay, ctx);
        Box::pin(async move {
            answered
                .await
                .unwrap_or_else(|_| Err("the part that asks was stopped".to_owned()))
        })
    }
}

impl RealtimeActor {
    /// Asks the next question, and hands answers to those who wait. Fetches go first: a relay carries only so many REQs
    /// (P-19), and they end by themselves.
    pub(super) fn ask_what_is_served(&mut self, url: &RelayUrl, ctx: &mut Context<Self>) {
        let now = self.now();
        let authors = self
            .keys
            .as_ref()
            .map(|keys| keys.read.clone())
            .unwrap_or_default();
        let Some(line) = self.lines.get_mut(url) else {
            return;
        };
        if let Some(timer) = line.inquiry_timer.take() {
            ctx.cancel_future(timer);
        }
        let frames = &self.handle.frames;
        let mut again = None;
        while let Some((inquiry, _)) = line.inquiries.front_mut() {
            if let Some(sub) = inquiry.expire(now) {
                let _ = line.link.try_send(ClientFrame::Close { sub }, frames.clone());
            }
            if let Some(outcome) = inquiry.outcome() {
                if let Some((_, answer)) = line.inquiries.pop_front() {
                    // Whoever asked may have gone.
                    let _ = answer.send(outcome);
                }
                continue;
            }
            again = inquiry.deadline();
            if !line.fetches.idle() {
                break;
            }
            let sub = SubId::fresh("served", &*self.env.entropy);
            if let Some(ids) = inquiry.next(sub.clone(), now) {
                let filter = Filter::new()
                    .kinds([ENVELOPE, DELETION])
                    .authors(authors)
                    .limit(ids.len())
                    .ids(ids);
                let filters = vec![filter];
                if line
                    .link
                    .try_send(ClientFrame::Req { sub, filters }, frames.clone())
                    .is_ok()
                {
                    again = inquiry.deadline();
                } else {
                    inquiry.unsent();
                    again = Some(now + RETRY);
                }
            }
            break;
        }
        if let Some(at) = again {
            let url = url.clone();
            let pause = at.saturating_duration_since(now);
            line.inquiry_timer =
                Some(ctx.run_later(pause, move |actor, ctx| actor.ask_what_is_served(&url, ctx)));
        }
    }
}
