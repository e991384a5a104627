//! Conversations and messages.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Query};
use chat_sync::{Excerpt, MessageId, NewMessage, Place, Role};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Answer;
use crate::daemon::state::State;
use crate::exit::Failure;
use crate::service::{Part, Shown as PartOfOne};
use crate::shapes::Conversation;

/// What a page shows at once, when nobody said otherwise.
const LIMIT: usize = 200;
/// What may be asked for at once; `all` is for programs that want it.
const LIMIT_MAX: usize = 1000;

/// Hits that are shown at once, when nobody said otherwise.
const FOUND: usize = 50;

/// How many are wanted.
#[derive(Debug, Clone, Copy, Default)]
enum Limit {
    #[default]
    Usual,
    Most(usize),
    All,
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.parse() {
            _ if text == "all" => Ok(Self::All),
            Ok(limit) if limit <= LIMIT_MAX => Ok(Self::Most(limit)),
            _ => Err(serde::de::Error::custom(format!(
                "`limit` is a number up to {LIMIT_MAX}, or `all`"
            ))),
        }
    }
}

impl Limit {
    fn number(self) -> usize {
        match self {
            Self::Usual => LIMIT,
            Self::Most(limit) => limit,
            Self::All => usize::MAX,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Window {
    offset: usize,
    limit: Limit,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Shown {
    limit: Limit,
    before: Option<String>,
    after: Option<String>,
    around: Option<String>,
    receipts: bool,
}

impl Shown {
    fn place(&self) -> Result<Place, Failure> {
        let places = [&self.before, &self.after, &self.around];
        if places.iter().filter(|place| place.is_some()).count() > 1 {
            return Err(Failure::Usage(
                "of `before`, `after` and `around` one is meant".to_owned(),
            ));
        }
        Ok(match (&self.before, &self.after, &self.around) {
            (Some(id), _, _) => Place::Before(message_id(id)?),
            (_, Some(id), _) => Place::After(message_id(id)?),
            (_, _, Some(id)) => Place::Around(message_id(id)?),
            _ => Place::End,
        })
    }
}

/// Of the conversation that is shown after a version was picked.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct End {
    limit: Limit,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Picked {
    message: String,
}

/// What is looked for. It has no `Debug`: there are words in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Searched {
    q: String,
    limit: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Deletion {
    dry_run: bool,
    here_only: bool,
}

/// A message to be written. It has no `Debug`: there are words in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    text: String,
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    parent: Option<String>,
    /// Answer when it is out, or after two seconds.
    #[serde(default)]
    wait: bool,
}

pub(super) async fn list(state: Data<State>, query: Query<Window>) -> Answer {
    let conversations = state.here()?.conversations().await?.conversations;
    let total = conversations.len();
    let shown: Vec<_> = conversations
        .into_iter()
        .skip(query.offset)
        .take(query.limit.number())
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "conversations": shown, "total": total })))
}

pub(super) async fn show(state: Data<State>, selector: Path<String>, query: Query<Shown>) -> Answer {
    let part = Part {
        receipts: query.receipts,
        page: Excerpt {
            limit: Some(query.limit.number()),
            place: query.place()?,
        },
    };
    Ok(body(&state.here()?.conversation(&selector, part).await?))
}

fn body(shown: &PartOfOne) -> HttpResponse {
    #[derive(Serialize)]
    struct Body<'a> {
        #[serde(flatten)]
        conversation: &'a Conversation,
        total: usize,
        more: bool,
        later: bool,
    }
    HttpResponse::Ok().json(Body {
        conversation: &shown.conversation,
        total: shown.total,
        more: shown.more,
        later: shown.later,
    })
}

/// Shows a version at its place; the conversation is that of the message, whatever the path says.
pub(super) async fn pick(
    state: Data<State>,
    _: Path<String>,
    query: Query<End>,
    body_of: Json<Picked>,
) -> Answer {
    let part = Part {
        page: Excerpt::last(query.limit.number()),
        ..Part::default()
    };
    let message = message_id(&body_of.message)?;
    Ok(body(&state.here()?.pick(message, part).await?))
}

pub(super) async fn read(state: Data<State>, conversation: Path<String>) -> Answer {
    state.here()?.mark_read(&conversation).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Somebody looks at it: what comes into it is read, for a minute or until the next of these.
pub(super) async fn look(state: Data<State>, conversation: Path<String>) -> Answer {
    state.looking()?.at(conversation.into_inner()).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(super) async fn look_away(state: Data<State>, conversation: Path<String>) -> Answer {
    state.looking()?.away(&conversation).await;
    Ok(HttpResponse::NoContent().finish())
}

pub(super) async fn search(state: Data<State>, query: Query<Searched>) -> Answer {
    let limit = query.limit.unwrap_or(FOUND).min(LIMIT_MAX);
    Ok(HttpResponse::Ok().json(state.here()?.search(&query.q, limit).await?))
}

pub(super) async fn send(state: Data<State>, conversation: Path<String>, body: Json<Written>) -> Answer {
    let written = body.into_inner();
    let role = match written.role.as_deref() {
        None | Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system") => Role::System,
        Some(_) => {
            return Err(Failure::Usage("`role` is user, assistant or system".to_owned()).into());
        }
    };
    let new = NewMessage {
        conversation: conversation.into_inner(),
        text: written.text,
        role,
        model: written.model,
        parent: written.parent.as_deref().map(message_id).transpose()?,
    };
    Ok(HttpResponse::Created().json(state.here()?.send(new, written.wait).await?))
}

pub(super) async fn delete(state: Data<State>, selector: Path<String>, query: Query<Deletion>) -> Answer {
    let here = state.here()?;
    let mut answer = HttpResponse::Ok();
    Ok(match (query.dry_run, query.here_only) {
        (true, _) => answer.json(here.delete_preview(&selector).await?),
        (false, true) => answer.json(here.drop_here(&selector).await?),
        (false, false) => answer.json(here.delete(&selector).await?),
    })
}

pub(super) async fn receipts(state: Data<State>, id: Path<String>) -> Answer {
    Ok(HttpResponse::Ok().json(state.here()?.receipt(message_id(&id)?).await?))
}

fn message_id(text: &str) -> Result<MessageId, Failure> {
    text.parse()
        .map_err(|_| Failure::Usage("a message is named by its whole id".to_owned()))
}
