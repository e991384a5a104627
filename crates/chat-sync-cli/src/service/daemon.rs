//! The answers of the daemon: a typed client of its API (docs/API.md).

use std::iter::Peekable;
use std::path::Path;
use std::time::Duration;
use std::vec::IntoIter;

use chat_model::Message;
use chat_sync::{Excerpt, KnownRelay, MessageId, NewMessage, Place, RelayTest, RelayUrl, SyncReport};
use futures_util::{StreamExt, TryStreamExt};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use nostr::key::PublicKey;
use pns_keys::CardKey;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::comparing::Comparing;
use super::following::{Following, Seen};
use super::here::Known;
use super::lines::{Line, Lines};
use super::relays::RelayNames;
use super::talk::Part;
use super::waiting::Chosen;
use super::{connection, sse};
use crate::daemon::{API, CARD_PATH, KEYS_HEADER, Record, encoded};
use crate::exit::Failure;
use crate::shapes::deletion::{Deleted, FromHere, Preview};
use crate::shapes::importing::{Given, Taken};
use crate::shapes::keys::{CardWanted, Keys, SealedCard};
use crate::shapes::queue::{Dropped, QueueShape, Retried};
use crate::shapes::search::Hits;
use crate::shapes::store::{Compacted, Rebuilt, Stats, Verified};
use crate::shapes::{Conversation, Conversations, Identity, MessageShape, Sent};

/// Longer than a daemon takes for anything that moves nothing over the network.
const PATIENCE: Duration = Duration::from_secs(60);
/// A comparison, and a deletion that waits for relays, end by themselves; this is for a daemon that hangs.
const LONG_PATIENCE: Duration = Duration::from_secs(3600);
/// Messages of an import that go together: a moment's work, so that a bar moves.
const BATCH_MAX: usize = 500;
/// And their size, give or take one message.
const BATCH_BYTES: usize = 1024 * 1024;
/// The program's version: what goes between two of the same is read as it was written.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A daemon that answers.
#[derive(Debug, Clone)]
pub(crate) struct Daemon {
    record: Record,
}

impl Daemon {
    /// The daemon of the data directory, if one answers there. What a daemon that died left behind is none.
    pub(crate) async fn find(root: &Path) -> Result<Option<Self>, Failure> {
        let Some(record) = Record::read(root)? else {
            return Ok(None);
        };
        let path = format!("{API}/daemon");
        let asked = connection::request(&record, Method::GET, &path, None);
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(Some(answer))) if answer.status() == StatusCode::OK => Ok(Some(Self { record })),
            // Nobody, or somebody else who took the port over.
            Ok(_) => Ok(None),
            Err(_) => Err(Failure::InUse(format!(
                "the daemon (process {}) does not answer; end it with `chat-sync daemon stop`",
                record.pid
            ))),
        }
    }

    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    /// Whether it holds this account. One of another version holds it as well, but is not understood for sure.
    pub(crate) async fn holds(&self, account: &PublicKey) -> Result<bool, Failure> {
        let held = self.account().await?;
        let holds = held.is_some_and(|held| held.pubkey == account.to_hex());
        if holds && self.record.version != VERSION {
            return Err(Failure::InUse(format!(
                "the daemon that runs is version {} and this is {VERSION}; restart it with `chat-sync daemon stop` and \
                 `chat-sync daemon start`",
                self.record.version
            )));
        }
        Ok(holds)
    }

    /// Who is logged in at the daemon.
    pub(crate) async fn account(&self) -> Result<Option<Identity>, Failure> {
        match self.get("/account").await {
            Err(Failure::Told { exit: 10, .. }) => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Takes up the account that the data directory names, where nobody was logged in.
    pub(crate) async fn open_account(&self) -> Result<Identity, Failure> {
        self.post("/account", &json!({})).await
    }

    pub(crate) async fn stop(&self) -> Result<(), Failure> {
        self.call(Method::POST, "/shutdown", None, PATIENCE)
            .await
            .map(drop)
    }

    pub(crate) async fn status(&self) -> Result<Known, Failure> {
        self.get("/status?whole=true").await
    }

    pub(crate) async fn identity(&self) -> Result<Identity, Failure> {
        self.get("/account").await
    }

    pub(crate) async fn keys(&self) -> Result<Keys, Failure> {
        self.get("/keyrings").await
    }

    pub(crate) async fn conversations(&self) -> Result<Conversations, Failure> {
        self.get("/conversations?limit=all").await
    }

    pub(crate) async fn conversation(&self, selector: &str, part: Part) -> Result<Conversation, Failure> {
        let Excerpt { limit, place } = part.page;
        let limit = limit.map_or("all".to_owned(), |limit| limit.to_string());
        let place = match place {
            Place::End => String::new(),
            Place::Before(id) => format!("&before={id}"),
            Place::After(id) => format!("&after={id}"),
            Place::Around(id) => format!("&around={id}"),
        };
        let path = format!(
            "/conversations/{}?receipts={}&limit={limit}{place}",
            encoded(selector),
            part.receipts
        );
        self.get(&path).await
    }

    pub(crate) async fn search(&self, text: &str, limit: usize) -> Result<Hits, Failure> {
        self.get(&format!("/search?q={}&limit={limit}", encoded(text)))
            .await
    }

    pub(crate) async fn send(&self, new: NewMessage, waits: bool) -> Result<Sent, Failure> {
        let path = format!("/conversations/{}/messages", encoded(&new.conversation));
        let body = json!({
            "text": new.text,
            "role": new.role.as_str(),
            "model": new.model,
            "parent": new.parent.map(|parent| parent.to_string()),
            "wait": waits,
        });
        self.post(&path, &body).await
    }

    pub(crate) async fn pick(&self, message: MessageId) -> Result<Conversation, Failure> {
        let path = format!("/conversations/{}/pick?limit=all", encoded("latest"));
        self.post(&path, &json!({ "message": message.to_string() })).await
    }

    pub(crate) async fn mark_read(&self, conversation: &str) -> Result<(), Failure> {
        let path = format!("/conversations/{}/read", encoded(conversation));
        self.call(Method::POST, &path, None, PATIENCE).await.map(drop)
    }

    /// In requests of a size that the daemon need not mind. Each is on disk when it is answered.
    pub(crate) async fn import(
        &self,
        messages: Vec<Message>,
        dry_run: bool,
        progress: &mut impl FnMut(usize),
    ) -> Result<Taken, Failure> {
        let path = format!("/import?dry_run={dry_run}");
        let mut taken = Taken::default();
        let mut messages = messages.into_iter().peekable();
        while messages.peek().is_some() {
            let (body, count) = batch(&mut messages)?;
            taken.add(read(
                &self
                    .call(Method::POST, &path, Some(body.into()), PATIENCE)
                    .await?,
            )?);
            progress(count);
        }
        Ok(taken)
    }

    pub(crate) async fn delete_preview(&self, selector: &str) -> Result<Preview, Failure> {
        self.delete_as(selector, "dry_run=true").await
    }

    pub(crate) async fn delete(&self, selector: &str) -> Result<Deleted, Failure> {
        self.delete_as(selector, "dry_run=false").await
    }

    pub(crate) async fn drop_here(&self, selector: &str) -> Result<FromHere, Failure> {
        self.delete_as(selector, "here_only=true").await
    }

    async fn delete_as<T: DeserializeOwned>(&self, selector: &str, how: &str) -> Result<T, Failure> {
        let path = format!("/conversations/{}?{how}", encoded(selector));
        read(&self.call(Method::DELETE, &path, None, LONG_PATIENCE).await?)
    }

    pub(crate) async fn queue(&self, all: bool) -> Result<QueueShape, Failure> {
        self.get(&format!("/queue?all={all}")).await
    }

    pub(crate) async fn retry(&self, chosen: Chosen) -> Result<Retried, Failure> {
        self.post("/queue/retry", &chosen).await
    }

    pub(crate) async fn give_up(
        &self,
        chosen: Chosen,
        force: bool,
        dry_run: bool,
    ) -> Result<Dropped, Failure> {
        let Chosen { id, relays } = chosen;
        let body = json!({ "id": id, "relays": relays, "force": force, "dry_run": dry_run });
        self.post("/queue/drop", &body).await
    }

    pub(crate) async fn relays(&self) -> Result<Vec<KnownRelay>, Failure> {
        self.get("/relays?whole=true").await
    }

    pub(crate) async fn add_relays(&self, urls: &[RelayUrl]) -> Result<RelayNames, Failure> {
        self.post("/relays", &json!({ "urls": urls })).await
    }

    pub(crate) async fn remove_relays(&self, urls: &[RelayUrl], force: bool) -> Result<RelayNames, Failure> {
        let urls: Vec<String> = urls.iter().map(|url| encoded(url.as_str())).collect();
        let path = format!("/relays?force={force}&url={}", urls.join("%20"));
        read(&self.call(Method::DELETE, &path, None, PATIENCE).await?)
    }

    pub(crate) async fn follow_relay_list(&self, follow: bool) -> Result<RelayNames, Failure> {
        self.post("/relays/follow", &json!({ "on": follow })).await
    }

    pub(crate) async fn test_relays(&self, urls: &[RelayUrl]) -> Result<Vec<RelayTest>, Failure> {
        let body = bytes(&json!({ "urls": urls, "whole": true }))?;
        let answer = self.call(Method::POST, "/relays/test", Some(body), LONG_PATIENCE);
        read(&answer.await?)
    }

    pub(crate) async fn sync(&self, comparing: Comparing) -> Result<SyncReport, Failure> {
        let Comparing {
            dry_run,
            up,
            down,
            full,
        } = comparing;
        let body =
            bytes(&json!({ "whole": true, "dry_run": dry_run, "up": up, "down": down, "full": full }))?;
        let answer = self.call(Method::POST, "/sync", Some(body), LONG_PATIENCE);
        read(&answer.await?)
    }

    /// A card of the history keys, sealed under a key that whoever asks has made of a passphrase.
    pub(crate) async fn key_card(&self, key: &CardKey) -> Result<SealedCard, Failure> {
        let body = CardWanted::of(key).to_json();
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{API}{CARD_PATH}"))
            .header(KEYS_HEADER, self.record.key_token());
        let exchange = async {
            let answer = connection::request_with(&self.record, request, Some(body)).await?;
            connection::whole(answer.ok_or_else(gone)?.good().await?).await
        };
        read(&in_time(exchange, PATIENCE).await?)
    }

    /// Has the daemon make its store's file small; its engine rests meanwhile.
    pub(crate) async fn compact(&self) -> Result<Compacted, Failure> {
        let answer = self.call(Method::POST, "/store/compact", None, LONG_PATIENCE);
        read(&answer.await?)
    }

    /// Has the daemon make its store whole; its engine rests meanwhile.
    pub(crate) async fn rebuild(&self) -> Result<Rebuilt, Failure> {
        let answer = self.call(Method::POST, "/store/rebuild", None, LONG_PATIENCE);
        read(&answer.await?)
    }

    pub(crate) async fn store_stats(&self) -> Result<Stats, Failure> {
        let answer = self.call(Method::GET, "/store", None, LONG_PATIENCE);
        read(&answer.await?)
    }

    /// Has the daemon read all of its store; `seen` is told how many events it read, out of how many.
    pub(crate) async fn verify(&self, mut seen: impl FnMut(u64, u64)) -> Result<Verified, Failure> {
        let path = format!("{API}/store/verify");
        let answer = connection::request(&self.record, Method::GET, &path, None);
        let answer = in_time(answer, PATIENCE).await?.ok_or_else(gone)?;
        let mut lines = Lines::of(answer.good().await?);
        loop {
            match read(&in_time(lines.next(), PATIENCE).await?.ok_or_else(gone)?)? {
                Line::Seen { seen: count, of } => seen(count, of),
                Line::Failed { error, exit } => return Err(Failure::Told { exit, error }),
                Line::Done(done) => return Ok(done),
            }
        }
    }

    pub(crate) async fn follow(&self, only: Option<&str>) -> Result<Following, Failure> {
        let path = match only {
            Some(id) => format!("{API}/events?whole=true&conversation={}", encoded(id)),
            None => format!("{API}/events?whole=true&all=true"),
        };
        let answer = connection::request(&self.record, Method::GET, &path, None).await?;
        let events = sse::events(answer.ok_or_else(gone)?.good().await?);
        let seen = events
            .map(|event| seen(&event?))
            .try_filter_map(|seen| async move { Ok(seen) });
        // The first event says that everything is to be read anew, which a beginning does not need to hear.
        let mut first = true;
        let seen = seen.try_filter(move |seen| {
            let skipped = matches!(seen, Seen::Missed) && std::mem::take(&mut first);
            async move { !skipped }
        });
        Ok(Following::new(seen))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        read(&self.call(Method::GET, path, None, PATIENCE).await?)
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        read(
            &self
                .call(Method::POST, path, Some(bytes(body)?), PATIENCE)
                .await?,
        )
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        patience: Duration,
    ) -> Result<Bytes, Failure> {
        let path = format!("{API}{path}");
        let exchange = async {
            let answer = connection::request(&self.record, method, &path, body).await?;
            connection::whole(answer.ok_or_else(gone)?.good().await?).await
        };
        in_time(exchange, patience).await
    }
}

async fn in_time<T>(
    exchange: impl Future<Output = Result<T, Failure>>,
    patience: Duration,
) -> Result<T, Failure> {
    tokio::time::timeout(patience, exchange)
        .await
        .unwrap_or_else(|_| {
            Err(Failure::Failed(format!(
                "the daemon did not answer within {} s; `chat-sync daemon stop` ends it",
                patience.as_secs()
            )))
        })
}

/// The next messages as a body, and how many they are: as many as fit, and one at least.
fn batch(messages: &mut Peekable<IntoIter<Message>>) -> Result<(Vec<u8>, usize), Failure> {
    let (mut body, mut count) = (b"{\"messages\":[".to_vec(), 0);
    while count < BATCH_MAX
        && body.len() < BATCH_BYTES
        && let Some(message) = messages.next()
    {
        if count > 0 {
            body.push(b',');
        }
        body.extend(bytes(&Given::from(message))?);
        count += 1;
    }
    body.extend(b"]}");
    Ok((body, count))
}

/// `None` for what commands do not look at.
fn seen(event: &sse::Event) -> Result<Option<Seen>, Failure> {
    #[derive(serde::Deserialize)]
    struct Landed {
        messages: Vec<MessageShape>,
    }
    Ok(match event.name.as_str() {
        "status" => Some(Seen::Status(read(event.data.as_bytes())?)),
        "landed" => Some(Seen::Landed(read::<Landed>(event.data.as_bytes())?.messages)),
        "reload" => Some(Seen::Missed),
        _ => None,
    })
}

fn bytes(body: &impl Serialize) -> Result<Bytes, Failure> {
    serde_json::to_vec(body)
        .map(Bytes::from)
        .map_err(|error| Failure::Failed(format!("the question has no JSON form: {error}")))
}

fn read<T: DeserializeOwned>(answer: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(answer).map_err(|error| {
        Failure::Failed(format!(
            "the daemon's answer is not understood ({error}); restart it with `chat-sync daemon stop` and `chat-sync \
             daemon start`"
        ))
    })
}

fn gone() -> Failure {
    Failure::Failed("the daemon has gone; run the command again".to_owned())
}
