//! Trying one relay out: what it says about itself, whether it compares sets, how much a page brings. Reads only;
//! nothing is published, and no key signs anything.

mod talk;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use event_index::{DeliveryState, IndexError, Store};
use nostr::event::{EventId, Kind};
use nostr::filter::Filter;
use nostr::key::PublicKey;
use nostr::types::time::Timestamp;
use pns_keys::{CardKeyring, KeySet, keeper};
use reconciler::teach;
use relay_link::{
    ClientFrame, Lesson, PAGE_LIMIT_MAX, Refusal, RelayFrame, RelayInfo, RelayProfile, RelayUrl, SubId,
};
use serde::{Deserialize, Serialize};
use supervision::Clock;
use tokio::time::Instant;

use self::talk::{Silence, Talk};
use crate::{Account, EngineError, Env, Handle};

/// For the first answer to a NEG-OPEN, as in a comparison (field guide 7).
const NEG_PATIENCE: Duration = Duration::from_secs(20);
/// For the next frame of a page (field guide 7).
const PAGE_PATIENCE: Duration = Duration::from_secs(15);
/// A page with more events than this does not end (field guide C-11).
const PAGE_EVENTS_MAX: usize = 2 * PAGE_LIMIT_MAX;
/// Parked deliveries looked at for what the relay said against them.
const PARKED_MAX: usize = 1_000;
/// Version 0x61, and one fingerprint of nothing for everything there is: a relay with more than a few events answers
/// with sixteen fingerprints, however many it has.
const NEG_OPENING: [u8; 20] = [0x61, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// What trying a relay out has shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RelayTest {
    /// The relay.
    pub url: RelayUrl,
    /// How long the connection took, or why there is none; then nothing else was tried over it.
    pub connected: Result<Duration, String>,
    /// What it says about itself, or why that is not known.
    pub info: Step<RelayInfo>,
    /// Whether it compares sets; `None` when there is no connection.
    pub neg: Option<Step<NegTest>>,
    /// What its pages bring; `None` when there is no connection.
    pub page: Option<Step<PageTest>>,
    /// What it said when it refused one of the account's messages before, if one is parked there.
    pub refused: Option<String>,
    /// What is known of it now, this test included.
    pub profile: RelayProfile,
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step<T> {
    /// How long it took.
    pub took: Duration,
    /// What came of it, or why nothing did.
    pub outcome: Result<T, String>,
}

/// What a relay answered to the opening of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NegTest {
    /// It compares sets.
    Speaks {
        /// At most this many events at once, as it says.
        cap: Option<u64>,
    },
    /// It does not.
    Refuses {
        /// What it said or did.
        why: String,
    },
}

/// What pages of the account's history brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageTest {
    /// How many events were asked for.
    pub asked: usize,
    /// How many came.
    pub brought: usize,
    /// How many of them are messages.
    pub messages: usize,
    /// Fewer came than were asked for although there are more: its pages bring this many.
    pub cap: Option<usize>,
}

impl Account {
    /// Tries a relay out and keeps what it has shown. Takes as long as the relay takes to answer, at most about two
    /// minutes. While an engine runs on the account's store, [`Handle::test_relay`] is asked instead.
    pub async fn test_relay(&self, url: &RelayUrl, env: &Env) -> Result<RelayTest, IndexError> {
        let tried = self.try_out(url, env).await?;
        let now = env.runtime.clock.unix();
        let profile = teach(&self.store, url.as_str(), tried.lessons(), now)?;
        tried.with(profile)
    }

    async fn try_out(&self, url: &RelayUrl, env: &Env) -> Result<Tried<'_>, IndexError> {
        let filter = self.probe_filter()?;
        let (info, (connected, neg, page)) =
            futures_util::join!(ask_for_info(url, env), converse(url, filter, env));
        Ok(Tried {
            store: &self.store,
            url: url.clone(),
            connected,
            info,
            neg,
            page,
        })
    }

    /// The account's history; its keyrings while no history key is known.
    fn probe_filter(&self) -> Result<Filter, IndexError> {
        let rows = self.store.keyrings()?;
        let mut keys = KeySet::new(self.public_key);
        for CardKeyring { inside, .. } in rows.iter().filter_map(keeper::on_card) {
            keys.add(inside);
        }
        if let Some(secret) = self.signer.own_secret() {
            keys.add_own_secret(&secret);
        }
        let authors: BTreeSet<PublicKey> = keys.read();
        Ok(if authors.is_empty() {
            Filter::new().kind(Kind::from(1081)).author(self.public_key)
        } else {
            Filter::new()
                .kinds([Kind::from(1080), Kind::from(5)])
                .authors(authors)
        })
    }
}

impl Handle {
    /// [`Account::test_relay`], while this engine runs on the account's store: what the relay has shown goes to the part
    /// that keeps what is known of relays, which would write over it otherwise.
    pub async fn test_relay(
        &self,
        account: &Account,
        url: &RelayUrl,
        env: &Env,
    ) -> Result<RelayTest, EngineError> {
        let tried = account.try_out(url, env).await?;
        let profile = self.teach(url, &tried.lessons()).await?;
        Ok(tried.with(profile)?)
    }
}

/// What was heard of a relay.
struct Tried<'a> {
    store: &'a Store,
    url: RelayUrl,
    connected: Result<Duration, String>,
    info: Step<RelayInfo>,
    neg: Option<Step<NegTest>>,
    page: Option<Step<PageTest>>,
}

impl Tried<'_> {
    fn lessons(&self) -> Vec<Lesson> {
        lessons(&self.info, self.neg.as_ref(), self.page.as_ref())
    }

    fn with(self, profile: RelayProfile) -> Result<RelayTest, IndexError> {
        Ok(RelayTest {
            refused: refused(self.store, &self.url)?,
            url: self.url,
            connected: self.connected,
            info: self.info,
            neg: self.neg,
            page: self.page,
            profile,
        })
    }
}

async fn ask_for_info(url: &RelayUrl, env: &Env) -> Step<RelayInfo> {
    timed(&env.runtime.clock, async {
        env.dial.info(url).await.map_err(|error| error.to_string())
    })
    .await
}

type Conversation = (
    Result<Duration, String>,
    Option<Step<NegTest>>,
    Option<Step<PageTest>>,
);

async fn converse(url: &RelayUrl, filter: Filter, env: &Env) -> Conversation {
    let clock = &env.runtime.clock;
    let dialling = timed(clock, async {
        env.dial.dial(url).await.map_err(|error| error.to_string())
    })
    .await;
    let mut talk = match dialling.outcome {
        Ok(connection) => Talk::over(connection),
        Err(why) => return (Err(why), None, None),
    };
    let sub = || SubId::fresh("test", &*env.runtime.entropy);
    let neg = timed(clock, compares(&mut talk, sub(), filter.clone())).await;
    let page = timed(clock, pages(&mut talk, [sub(), sub()], filter)).await;
    (Ok(dialling.took), Some(neg), Some(page))
}

async fn timed<T>(clock: &Arc<dyn Clock>, step: impl Future<Output = Result<T, String>>) -> Step<T> {
    let before = clock.now();
    let outcome = step.await;
    Step {
        took: clock.now().saturating_duration_since(before),
        outcome,
    }
}

async fn compares(talk: &mut Talk, sub: SubId, filter: Filter) -> Result<NegTest, String> {
    talk.say(&ClientFrame::NegOpen {
        sub: sub.clone(),
        filter,
        message: NEG_OPENING.to_vec(),
    })
    .await?;
    let refuses = |why: String| Ok(NegTest::Refuses { why });
    let deadline = Instant::now() + NEG_PATIENCE;
    loop {
        let frame = match talk.hear(deadline).await {
            Ok(frame) => frame,
            Err(Silence::Long) => return refuses(format!("no answer within {} s", NEG_PATIENCE.as_secs())),
            Err(lost @ Silence::Lost(_)) => return Err(lost.to_string()),
        };
        let (text, cap) = match frame {
            RelayFrame::NegMsg { sub: of, message } if of == sub => {
                talk.say(&ClientFrame::NegClose { sub }).await?;
                return match message.first() {
                    Some(0x61) => Ok(NegTest::Speaks { cap: None }),
                    _ => refuses("it speaks another version".to_owned()),
                };
            }
            RelayFrame::NegErr { sub: of, reason, cap } if of == sub => (reason, cap),
            RelayFrame::Closed { sub: of, reason } if of == sub => (reason, None),
            // Prose is about nothing in particular, unless it says that NEG is not there (N-1).
            RelayFrame::Notice { message } => match Refusal::classify(&message, None) {
                Refusal::NegUnavailable => (message, None),
                _ => continue,
            },
            _ => continue,
        };
        return match Refusal::classify(&text, cap) {
            Refusal::TooBig { cap } => Ok(NegTest::Speaks { cap }),
            Refusal::NegUnavailable => refuses(text),
            _ => Err(text),
        };
    }
}

/// Asks for the newest events, and once more for what is older when fewer came than were asked for.
async fn pages(talk: &mut Talk, subs: [SubId; 2], filter: Filter) -> Result<PageTest, String> {
    let filter = filter.limit(PAGE_LIMIT_MAX);
    let [first, second] = subs;
    let newest = page(talk, first, filter.clone()).await?;
    let cap = match newest.oldest {
        Some(oldest) if newest.ids.len() < PAGE_LIMIT_MAX => {
            let older = page(talk, second, filter.until(oldest)).await?;
            let more = !older.ids.is_subset(&newest.ids);
            more.then_some(newest.ids.len())
        }
        _ => None,
    };
    Ok(PageTest {
        asked: PAGE_LIMIT_MAX,
        brought: newest.ids.len(),
        messages: newest.messages,
        cap,
    })
}

#[derive(Default)]
struct Page {
    ids: BTreeSet<EventId>,
    messages: usize,
    oldest: Option<Timestamp>,
}

async fn page(talk: &mut Talk, sub: SubId, filter: Filter) -> Result<Page, String> {
    let mut page = Page::default();
    talk.say(&ClientFrame::Req {
        sub: sub.clone(),
        filters: vec![filter.clone()],
    })
    .await?;
    let mut deadline = Instant::now() + PAGE_PATIENCE;
    loop {
        match talk.hear(deadline).await.map_err(|silence| silence.to_string())? {
            // Nobody else's, and nothing that was not asked for: what a relay adds is no page.
            RelayFrame::Event { sub: of, event } if of == sub && matches(&filter, &event) => {
                if page.ids.insert(event.id) {
                    deadline = Instant::now() + PAGE_PATIENCE;
                    page.messages += usize::from(event.kind == Kind::from(1080));
                    page.oldest = Some(
                        page.oldest
                            .map_or(event.created_at, |oldest| oldest.min(event.created_at)),
                    );
                }
                if page.ids.len() > PAGE_EVENTS_MAX {
                    return Err(format!("a page went on after {PAGE_EVENTS_MAX} events"));
                }
            }
            RelayFrame::Eose { sub: of, .. } if of == sub => {
                talk.say(&ClientFrame::Close { sub }).await?;
                return Ok(page);
            }
            RelayFrame::Closed { sub: of, reason } if of == sub => return Err(reason),
            _ => {}
        }
    }
}

fn matches(filter: &Filter, event: &nostr::event::Event) -> bool {
    let kinds = filter
        .kinds
        .as_ref()
        .is_none_or(|kinds| kinds.contains(&event.kind));
    let authors = filter
        .authors
        .as_ref()
        .is_none_or(|authors| authors.contains(&event.pubkey));
    kinds && authors
}

fn lessons(
    info: &Step<RelayInfo>,
    neg: Option<&Step<NegTest>>,
    page: Option<&Step<PageTest>>,
) -> Vec<Lesson> {
    let mut lessons: Vec<Lesson> = info.outcome.iter().cloned().map(Lesson::Info).collect();
    match neg.map(|step| &step.outcome) {
        Some(Ok(NegTest::Speaks { cap })) => {
            lessons.push(Lesson::NegSpoken);
            lessons.extend(cap.map(Lesson::NegCap));
        }
        Some(Ok(NegTest::Refuses { why })) => lessons.push(Lesson::NegRefused { why: why.clone() }),
        Some(Err(_)) | None => {}
    }
    let cap = page.and_then(|step| step.outcome.as_ref().ok()?.cap);
    lessons.extend(cap.map(Lesson::PageCap));
    lessons
}

fn refused(store: &Store, url: &RelayUrl) -> Result<Option<String>, IndexError> {
    let deliveries = store.deliveries(url.as_str(), 0, PARKED_MAX)?;
    let mut parked = deliveries
        .into_iter()
        .filter(|delivery| delivery.state == DeliveryState::Parked);
    Ok(parked.find_map(|delivery| delivery.reason))
}
