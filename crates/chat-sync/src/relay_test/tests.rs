//! Relays in memory that each behave in one way, on paused time.

use futures_util::future::BoxFuture;
use nostr::event::{Event, EventBuilder, FinalizeEvent};
use nostr::key::Keys;
use relay_link::{Connection, Dial, DialError, MemoryEnd, memory_pair};
use supervision::{SeededEntropy, SimulatedClock, Tripwire, Workers};

use super::*;

const DAY_ONE: u64 = 1_800_000_000;

/// What a relay does with a comparison.
#[derive(Debug, Clone, Copy)]
enum Neg {
    Answers(&'static [u8]),
    Fails(&'static str, Option<u64>),
    Notices(&'static str),
    /// Says something unrelated every five seconds, for ever.
    Chatters,
}

#[derive(Debug, Clone)]
struct Fake {
    neg: Neg,
    /// However many are asked for.
    page_max: usize,
    held: Arc<Vec<Event>>,
}

impl Dial for Fake {
    fn dial(&self, _: &RelayUrl) -> BoxFuture<'static, Result<Connection, DialError>> {
        let (connection, end) = memory_pair();
        tokio::spawn(self.clone().serve(end));
        Box::pin(std::future::ready(Ok(connection)))
    }
}

impl Fake {
    async fn serve(self, mut end: MemoryEnd) {
        while let Some(text) = end.hear().await {
            match ClientFrame::parse(&text).unwrap() {
                ClientFrame::NegOpen { sub, filter, .. } => {
                    assert_eq!(filter.limit, None, "strfry would honour it");
                    self.compare(sub, &end).await;
                }
                ClientFrame::Req { sub, filters } => self.serve_page(&sub, &filters[0], &end).await,
                ClientFrame::Close { .. } | ClientFrame::NegClose { .. } => {}
                other => panic!("nothing else is asked of a relay: {other:?}"),
            }
        }
    }

    async fn compare(&self, sub: SubId, end: &MemoryEnd) {
        let notice = |message: &str| RelayFrame::Notice {
            message: message.to_owned(),
        };
        let answer = match self.neg {
            Neg::Answers(message) => RelayFrame::NegMsg {
                sub,
                message: message.to_vec(),
            },
            Neg::Fails(reason, cap) => RelayFrame::NegErr {
                sub,
                reason: reason.to_owned(),
                cap,
            },
            Neg::Notices(message) => notice(message),
            Neg::Chatters => {
                let outgoing = end.outgoing.clone();
                let text = notice("welcome").encode();
                tokio::spawn(async move {
                    while outgoing
                        .send(Ok(relay_link::Incoming::Text(text.clone())))
                        .await
                        .is_ok()
                    {
                        tokio::time::sleep(Duration::from_secs(5)).await;
                    }
                });
                return;
            }
        };
        end.say(answer.encode()).await;
    }

    async fn serve_page(&self, sub: &SubId, filter: &Filter, end: &MemoryEnd) {
        let until = filter.until.map_or(u64::MAX, |until| until.as_secs());
        let limit = filter.limit.unwrap().min(self.page_max);
        let newest = self
            .held
            .iter()
            .filter(|event| event.created_at.as_secs() <= until);
        for event in newest.take(limit) {
            let frame = RelayFrame::Event {
                sub: sub.clone(),
                event: Box::new(event.clone()),
            };
            end.say(frame.encode()).await;
        }
        let eose = RelayFrame::Eose {
            sub: sub.clone(),
            hints: Vec::new(),
        };
        end.say(eose.encode()).await;
    }
}

fn author() -> Keys {
    Keys::parse(&"01".repeat(32)).unwrap()
}

/// Messages a minute apart, newest first.
fn messages(count: u64) -> Arc<Vec<Event>> {
    let event = |n: u64| {
        EventBuilder::new(Kind::from(1080), n.to_string())
            .custom_created_at(Timestamp::from(DAY_ONE - 60 * n))
            .finalize(&author())
            .unwrap()
    };
    Arc::new((0..count).map(event).collect())
}

fn trying(neg: Neg, page_max: usize, held: u64) -> (Step<NegTest>, Step<PageTest>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let fake = Fake {
        neg,
        page_max,
        held: messages(held),
    };
    runtime.block_on(async {
        let env = Env {
            runtime: supervision::Env {
                clock: Arc::new(SimulatedClock::starting_at(DAY_ONE)),
                entropy: Arc::new(SeededEntropy::new(1)),
                workers: Workers::inline(),
                tripwire: Tripwire::none(),
            },
            dial: Arc::new(fake),
        };
        let filter = Filter::new().kind(Kind::from(1080)).author(author().public_key());
        let url = "ws://relay.example".parse().unwrap();
        let (connected, neg, page) = converse(&url, filter, &env).await;
        assert!(connected.is_ok());
        (neg.unwrap(), page.unwrap())
    })
}

const SPEAKS: Neg = Neg::Answers(&[0x61]);

#[test]
fn every_answer_to_a_comparison_has_its_meaning() {
    let refuses = |why: &str| Ok(NegTest::Refuses { why: why.to_owned() });
    let disabled = "ERROR: bad msg: negentropy disabled";
    let later = "rate-limited: slow down";
    for (neg, outcome) in [
        (SPEAKS, Ok(NegTest::Speaks { cap: None })),
        (
            Neg::Fails("blocked: too many query results", Some(1_000)),
            Ok(NegTest::Speaks { cap: Some(1_000) }),
        ),
        (Neg::Notices(disabled), refuses(disabled)),
        (
            Neg::Fails("negentropy disabled", None),
            refuses("negentropy disabled"),
        ),
        (Neg::Answers(&[0x60]), refuses("it speaks another version")),
        (Neg::Fails(later, None), Err(later.to_owned())),
    ] {
        assert_eq!(trying(neg, 500, 1).0.outcome, outcome, "{neg:?}");
    }
}

#[test]
fn a_relay_that_only_chatters_is_waited_for_no_longer_than_a_silent_one() {
    let (neg, page) = trying(Neg::Chatters, 500, 3);
    assert_eq!(
        neg.outcome,
        Ok(NegTest::Refuses {
            why: "no answer within 20 s".to_owned()
        })
    );
    assert!(neg.took <= Duration::from_secs(21), "{:?}", neg.took);
    assert_eq!(page.outcome.unwrap().brought, 3, "and it is read all the same");
}

#[test]
fn a_page_that_is_cut_short_shows_where() {
    let page = |page_max, held| trying(SPEAKS, page_max, held).1.outcome.unwrap();
    let cut = page(37, 100);
    assert_eq!((cut.asked, cut.brought, cut.cap), (500, 37, Some(37)));
    let all = page(500, 100);
    assert_eq!(
        (all.brought, all.messages, all.cap),
        (100, 100, None),
        "there are no more"
    );
    assert_eq!(page(37, 37).cap, None, "nor here");
    assert_eq!(page(500, 0).brought, 0);
}

#[test]
fn what_was_found_out_is_what_is_learned_and_what_was_not_is_not() {
    let (neg, page) = trying(Neg::Fails("blocked: too many query results", Some(9)), 37, 100);
    let info = Step {
        took: Duration::ZERO,
        outcome: Err("no document".to_owned()),
    };
    assert_eq!(
        lessons(&info, Some(&neg), Some(&page)),
        [Lesson::NegSpoken, Lesson::NegCap(9), Lesson::PageCap(37)]
    );
    let (neg, page) = trying(Neg::Fails("rate-limited:", None), 500, 3);
    assert_eq!(lessons(&info, Some(&neg), Some(&page)), []);
    assert_eq!(lessons(&info, None, None), []);
}
