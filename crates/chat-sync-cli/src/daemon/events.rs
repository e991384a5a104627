//! `GET /events`: server-sent events, as each reader wants them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{CONTENT_TYPE, HeaderName};
use actix_web::web::{Bytes, Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use chat_sync::{ChatUpdate, ConversationSummary, Extension, MessageView, Question};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::followed::{Following, Scope};
use super::hub::Event;
use super::state::State;
use crate::exit::Failure;
use crate::service::Here;
use crate::shapes::{Line, MessageShape};

/// What one look at the list brings.
const BATCH: usize = 64;
/// A line that says nothing, so that a reader that has gone is noticed, and one that is there knows that we are.
const PING: Duration = Duration::from_secs(15);

/// What a reader wants to see.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Wanted {
    /// Messages of this conversation, by its id; the others only count.
    conversation: Option<String>,
    /// Messages of every conversation.
    all: bool,
    /// Statuses with all that is behind them, for a program of the same version.
    whole: bool,
}

impl Wanted {
    /// What of it comes message by message.
    fn scope(&self) -> Option<Scope> {
        if self.all {
            return Some(Scope::All);
        }
        self.conversation.as_deref().map(|id| Scope::One(id.into()))
    }
}

/// A page, and the extension that it reaches.
struct PageOf {
    of: Extension,
    _page: chat_sync::Page,
}

/// One reader.
struct Reader {
    state: Data<State>,
    wanted: Wanted,
    newest: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    /// The last event that was looked at.
    at: u64,
    ready: VecDeque<Bytes>,
    /// Messages are told as long as this lives.
    following: Option<Following>,
    /// A page can have things signed.
    page: Option<PageOf>,
    /// The question that it was told last: once is enough.
    told: Option<String>,
}

pub(super) async fn events(state: Data<State>, wanted: Query<Wanted>, request: HttpRequest) -> HttpResponse {
    let resumed = request
        .headers()
        .get(HeaderName::from_static("last-event-id"))
        .and_then(|id| id.to_str().ok()?.parse().ok());
    let wanted = wanted.into_inner();
    let mut following = wanted.scope().and_then(|scope| state.follow(scope));
    if let (None, Some(following)) = (resumed, &mut following) {
        // What is read after the first event is then continued without a gap.
        following.begun().await;
    }
    let mut reader = Reader {
        wanted,
        newest: state.hub.watch(),
        stopping: state.stopping(),
        at: resumed.unwrap_or_else(|| state.hub.last()),
        ready: VecDeque::new(),
        following,
        page: None,
        told: None,
        state,
    };
    if resumed.is_none() {
        reader.say_id("reload", "{}", reader.at);
    }
    reader.take_part();
    reader.say_status();
    reader.say_question();
    let stream = stream::unfold(reader, |mut reader| async move {
        let bytes = reader.next().await?;
        Some((Ok::<_, actix_web::Error>(bytes), reader))
    });
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .streaming(stream)
}

impl Reader {
    /// The next bytes; `None` when the daemon stops.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if *self.stopping.borrow() {
                return None;
            }
            if let Some(bytes) = self.ready.pop_front() {
                return Some(bytes);
            }
            self.newest.borrow_and_update();
            match self.state.hub.after(self.at, BATCH) {
                None => {
                    self.at = self.state.hub.last();
                    self.say_id("reload", "{}", self.at);
                    self.say_status();
                    continue;
                }
                Some(events) if !events.is_empty() => {
                    for (number, event) in events {
                        self.show(&event).await;
                        self.at = number;
                        // The number comes after everything that belongs to it: a reader that is cut off in between
                        // is shown all of it again, and misses nothing.
                        self.ready.push_back(Bytes::from(format!("id: {number}\n\n")));
                    }
                    continue;
                }
                Some(_) => {}
            }
            tokio::select! {
                biased;
                _ = self.stopping.changed() => return None,
                changed = self.newest.changed() => changed.ok()?,
                () = tokio::time::sleep(PING) => return Some(Bytes::from_static(b": \n\n")),
            }
        }
    }

    async fn show(&mut self, event: &Event) {
        let shown = match event {
            Event::Status => {
                self.say_status();
                Ok(())
            }
            Event::Counts(changed) => self.show_counts(changed),
            Event::Chats(scope, update) if self.follows(scope) => self.show_update(update).await,
            Event::Chats(..) => Ok(()),
            Event::Login(line) => {
                self.say("login", line);
                Ok(())
            }
            Event::Signer => {
                self.say_question();
                Ok(())
            }
            Event::Reload => {
                self.say("reload", "{}");
                self.following = self.wanted.scope().and_then(|scope| self.state.follow(scope));
                self.take_part();
                self.say_status();
                Ok(())
            }
        };
        if shown.is_err() {
            // What cannot be told now is found by whoever reads anew.
            self.say("reload", "{}");
        }
    }

    async fn show_update(&mut self, update: &ChatUpdate) -> Result<(), Failure> {
        let Some(here) = self.state.account() else {
            return Ok(());
        };
        match update {
            ChatUpdate::Landed(messages) => self.show_landed(&here, messages).await,
            ChatUpdate::Renamed { local, id } => self.say_json(
                "renamed",
                &json!({ "local": local.to_string(), "id": id.to_string() }),
            ),
            ChatUpdate::Joined { pieces, .. } => self.say_removed(pieces),
            ChatUpdate::Removed(ids) => self.say_removed(ids),
            ChatUpdate::Reloaded => {
                let conversation = self.wanted.conversation.as_ref().filter(|_| !self.wanted.all);
                let data = conversation.map_or_else(|| json!({}), |id| json!({ "conversation": id }));
                self.say_json("reload", &data)
            }
        }
    }

    fn say_removed(&mut self, ids: &[chat_sync::MessageId]) -> Result<(), Failure> {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        self.say_json("removed", &json!({ "ids": ids }))
    }

    async fn show_landed(&mut self, here: &Arc<Here>, messages: &[MessageView]) -> Result<(), Failure> {
        #[derive(Serialize)]
        struct Landed<'a> {
            conversation: &'a str,
            messages: &'a [MessageShape],
        }
        let shown = here.landed(messages.to_vec()).await?;
        // Neighbours of one conversation stay in their order, and so does the whole.
        for messages in shown.chunk_by(|one, next| one.conversation == next.conversation) {
            let conversation = messages[0].conversation.as_deref().unwrap_or_default();
            self.say_json(
                "landed",
                &Landed {
                    conversation,
                    messages,
                },
            )?;
        }
        Ok(())
    }

    fn show_counts(&mut self, changed: &[ConversationSummary]) -> Result<(), Failure> {
        if self.wanted.all {
            return Ok(());
        }
        if changed.is_empty() {
            self.say("reload", "{}");
            return Ok(());
        }
        let lines: Vec<Line> = changed.iter().cloned().map(Line::from).collect();
        self.say_json("counts", &json!({ "conversations": lines }))
    }

    fn follows(&self, scope: &Scope) -> bool {
        let following = self.following.as_ref();
        following.is_some_and(|following| following.scope() == scope)
    }

    fn say_status(&mut self) {
        let Some(here) = self.state.account() else {
            return;
        };
        // One that cannot be read now comes with the next change.
        let Ok(known) = here.known_now() else {
            return;
        };
        let _ = if self.wanted.whole {
            self.say_json("status", &known)
        } else {
            self.say_json("status", &known.shape())
        };
    }

    /// A page counts as one that can have things signed; programs that want everything whole are none.
    fn take_part(&mut self) {
        let extension = self.state.extension();
        let same = match (&self.page, &extension) {
            (Some(page), Some(extension)) => page.of.is(extension),
            (None, None) => true,
            _ => false,
        };
        if self.wanted.whole || same {
            return;
        }
        self.page = extension.map(|of| PageOf {
            _page: of.open_page(),
            of,
        });
        if self.page.is_some() {
            self.state.signer_is_back();
        }
    }

    /// What the extension is to do now.
    fn say_question(&mut self) {
        self.take_part();
        let question = self.page.as_ref().and_then(|page| page.of.question());
        let question = question.filter(|question| self.told.as_ref() != Some(&question.id));
        if let Some(Question { id, method, params }) = question {
            let line = Zeroizing::new(format!(
                "{{\"id\":\"{id}\",\"method\":\"{method}\",\"params\":{}}}",
                params.as_str()
            ));
            self.say("signer", &line);
            self.told = Some(id);
        }
    }

    fn say_json(&mut self, name: &str, value: &impl Serialize) -> Result<(), Failure> {
        let line = serde_json::to_string(value)
            .map_err(|error| Failure::Failed(format!("an event has no JSON form: {error}")))?;
        self.say(name, &line);
        Ok(())
    }

    fn say(&mut self, name: &str, line: &str) {
        self.ready
            .push_back(Bytes::from(format!("event: {name}\ndata: {line}\n\n")));
    }

    fn say_id(&mut self, name: &str, line: &str, id: u64) {
        self.ready
            .push_back(Bytes::from(format!("id: {id}\nevent: {name}\ndata: {line}\n\n")));
    }
}
