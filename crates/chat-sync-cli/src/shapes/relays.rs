//! `relays list`, `relays test`.

use std::time::Duration;

use chat_sync::{Believed, KnownRelay, Neg, NegTest, PageTest, RelayInfo, RelayProfile, RelayTest, Step};
use event_index::Basis;
use serde::Serialize;
use status::basis_word;

/// `relays list`.
#[derive(Debug, Serialize)]
pub(crate) struct KnownShapes<'a> {
    pub(crate) relays: Vec<KnownShape<'a>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct KnownShape<'a> {
    url: &'a str,
    /// `added` here, or `list`: the account's relay list names it.
    origin: &'static str,
    method: Option<&'static str>,
    agreed_at: Option<u64>,
    basis: Option<&'static str>,
    profile: ProfileShape<'a>,
}

/// `relays test`.
#[derive(Debug, Serialize)]
pub(crate) struct TestShapes<'a> {
    pub(crate) relays: Vec<TestShape<'a>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct TestShape<'a> {
    url: &'a str,
    reachable: bool,
    connect_ms: Option<u64>,
    error: Option<&'a str>,
    info: InfoStep<'a>,
    negentropy: Option<NegStep<'a>>,
    page: Option<PageStep<'a>>,
    refused: Option<&'a str>,
    profile: ProfileShape<'a>,
}

#[derive(Debug, Serialize)]
struct InfoStep<'a> {
    ms: u64,
    error: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct NegStep<'a> {
    ms: u64,
    /// `null` when the relay did not say.
    speaks: Option<bool>,
    cap: Option<u64>,
    why: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct PageStep<'a> {
    ms: u64,
    asked: Option<usize>,
    brought: Option<usize>,
    messages: Option<usize>,
    cap: Option<usize>,
    error: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct ProfileShape<'a> {
    page_limit: usize,
    negentropy: Option<Fact<NegFact<'a>>>,
    negentropy_cap: Option<Fact<u64>>,
    page_cap: Option<Fact<usize>>,
    one_author: Option<Fact<&'a str>>,
    subscriptions_max: Option<Fact<usize>>,
    info: Option<Fact<&'a RelayInfo>>,
}

#[derive(Debug, Serialize)]
struct NegFact<'a> {
    speaks: bool,
    why: Option<&'a str>,
}

/// Something that was learned, with its times in Unix seconds.
#[derive(Debug, Serialize)]
struct Fact<T> {
    value: T,
    learned_at: u64,
    expires_at: u64,
}

impl<T> Fact<T> {
    fn of<'a, F>(known: Believed<'a, F>, value: impl FnOnce(&'a F) -> T) -> Self {
        Self {
            value: value(known.what),
            learned_at: known.at,
            expires_at: known.until,
        }
    }
}

impl<'a> KnownShape<'a> {
    pub(crate) fn new(relay: &'a KnownRelay, now: u64) -> Self {
        Self {
            url: relay.url.as_str(),
            origin: if relay.listed { "list" } else { "added" },
            method: method(relay, now),
            agreed_at: relay.agreement.map(|agreement| agreement.at),
            basis: relay.agreement.map(|agreement| basis_word(agreement.basis)),
            profile: ProfileShape::new(&relay.profile, now),
        }
    }
}

/// How the relay is compared: as was found out, or else as it was last time.
pub(crate) fn method(relay: &KnownRelay, now: u64) -> Option<&'static str> {
    let negentropy = match relay.profile.neg_known(now).map(|known| known.what) {
        Some(Neg::Spoken) => true,
        Some(Neg::Refused { .. }) => false,
        None => relay.agreement?.basis == Basis::Fingerprint,
    };
    Some(if negentropy { "negentropy" } else { "paging" })
}

impl<'a> TestShape<'a> {
    pub(crate) fn new(test: &'a RelayTest, now: u64) -> Self {
        Self {
            url: test.url.as_str(),
            reachable: test.connected.is_ok(),
            connect_ms: test.connected.as_ref().ok().map(|took| millis(*took)),
            error: test.connected.as_ref().err().map(String::as_str),
            info: InfoStep {
                ms: millis(test.info.took),
                error: test.info.outcome.as_ref().err().map(String::as_str),
            },
            negentropy: test.neg.as_ref().map(NegStep::from),
            page: test.page.as_ref().map(PageStep::from),
            refused: test.refused.as_deref(),
            profile: ProfileShape::new(&test.profile, now),
        }
    }
}

impl<'a> From<&'a Step<NegTest>> for NegStep<'a> {
    fn from(step: &'a Step<NegTest>) -> Self {
        let (speaks, cap, why) = match &step.outcome {
            Ok(NegTest::Speaks { cap }) => (Some(true), *cap, None),
            Ok(NegTest::Refuses { why }) => (Some(false), None, Some(why)),
            Err(why) => (None, None, Some(why)),
        };
        Self {
            ms: millis(step.took),
            speaks,
            cap,
            why: why.map(String::as_str),
        }
    }
}

impl<'a> From<&'a Step<PageTest>> for PageStep<'a> {
    fn from(step: &'a Step<PageTest>) -> Self {
        let page = step.outcome.as_ref().ok();
        Self {
            ms: millis(step.took),
            asked: page.map(|page| page.asked),
            brought: page.map(|page| page.brought),
            messages: page.map(|page| page.messages),
            cap: page.and_then(|page| page.cap),
            error: step.outcome.as_ref().err().map(String::as_str),
        }
    }
}

impl<'a> ProfileShape<'a> {
    fn new(profile: &'a RelayProfile, now: u64) -> Self {
        let neg = |neg: &'a Neg| match neg {
            Neg::Spoken => NegFact {
                speaks: true,
                why: None,
            },
            Neg::Refused { why } => NegFact {
                speaks: false,
                why: Some(why),
            },
        };
        Self {
            page_limit: profile.page_limit(now),
            negentropy: profile.neg_known(now).map(|known| Fact::of(known, neg)),
            negentropy_cap: profile
                .neg_cap_known(now)
                .map(|known| Fact::of(known, |cap| *cap)),
            page_cap: profile
                .page_cap_known(now)
                .map(|known| Fact::of(known, |cap| *cap)),
            one_author: profile
                .one_author_known(now)
                .map(|known| Fact::of(known, String::as_str)),
            subscriptions_max: profile
                .subs_max_known(now)
                .map(|known| Fact::of(known, |max| *max)),
            info: profile.info(now).map(|known| Fact::of(known, |info| info)),
        }
    }
}

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
