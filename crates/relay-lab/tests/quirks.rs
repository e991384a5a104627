//! A relay in memory misbehaves as its quirks say, as often as they say, and behaves again when it is healed.

mod bench;

use bench::envelope;
use futures_util::{FutureExt, SinkExt, StreamExt};
use nostr::prelude::{Event, EventBuilder, FinalizeEvent, Keys, Kind, SecretKey, Tag};
use relay_lab::{Asks, Judges, MemoryRelay, Quirk, WantsAuth};
use relay_link::{Connection, Dial, Incoming, Outgoing};
use serde_json::{Value, json};

/// A connection on which everything the relay says is there at once.
struct Line(Connection);

impl Line {
    fn to(relay: &MemoryRelay) -> Self {
        let dialled = relay.dial(&"wss://relay.example".parse().unwrap());
        Self(dialled.now_or_never().unwrap().unwrap())
    }

    /// Sends one frame and reads whatever comes of it, each answer as its label and what follows the subscription.
    fn ask(&mut self, frame: &Value) -> Vec<Value> {
        let sent = self.0.outgoing.send(Outgoing::Text(frame.to_string()));
        sent.now_or_never().unwrap().unwrap();
        let mut answers = Vec::new();
        while let Some(Some(Ok(Incoming::Text(text)))) = self.0.incoming.next().now_or_never() {
            answers.push(serde_json::from_str(&text).unwrap());
        }
        answers
    }

    /// The labels that answer a REQ under `sub`.
    fn page(&mut self, sub: &str, filter: Value) -> Vec<String> {
        let answers = self.ask(&json!(["REQ", sub, filter]));
        answers
            .iter()
            .map(|answer| answer[0].as_str().unwrap().to_owned())
            .collect()
    }
}

/// Events a second apart, the same ones every time but for their signatures.
fn history(count: u64) -> Vec<Event> {
    let keys = Keys::new(SecretKey::from_slice(&[7; 32]).unwrap());
    (0..count)
        .map(|n| envelope(&keys, 1_750_000_000 + n, &n.to_string()))
        .collect()
}

/// A relay with ten events, a second apart.
fn relay() -> MemoryRelay {
    let relay = MemoryRelay::default();
    for event in history(10) {
        relay.put(event);
    }
    relay
}

fn events_then(events: usize, rest: &[&str]) -> Vec<String> {
    let events = std::iter::repeat_n("EVENT", events);
    events.chain(rest.iter().copied()).map(str::to_owned).collect()
}

#[test]
fn pages_break_as_their_quirk_says_and_only_as_often() {
    for (quirk, broken) in [
        (Quirk::EmptyPage, events_then(0, &["EOSE"])),
        (Quirk::NoticeMidPage("oops"), events_then(5, &["NOTICE", "EOSE"])),
        (Quirk::SilentMidPage, events_then(4, &[])),
        (Quirk::ClosedMidPage("oops"), events_then(4, &["CLOSED"])),
        (Quirk::ClosedAfterEose, events_then(10, &["EOSE", "CLOSED"])),
        (Quirk::Repeats(3), events_then(30, &["EOSE"])),
        (Quirk::MixesIn(history(2)), events_then(12, &["EOSE"])),
        (Quirk::Shuffles, events_then(10, &["EOSE"])),
    ] {
        let relay = relay();
        relay.add_quirk_times(quirk.clone(), 1);
        let mut line = Line::to(&relay);
        assert_eq!(line.page("one", json!({})), broken, "{quirk:?}");
        assert_eq!(
            line.page("two", json!({})),
            events_then(10, &["EOSE"]),
            "{quirk:?}"
        );
    }
}

#[test]
fn until_is_read_as_the_quirk_says() {
    let newest = history(10)
        .iter()
        .map(|event| event.created_at.as_secs())
        .max()
        .unwrap();
    let oldest = history(10)
        .iter()
        .map(|event| event.created_at.as_secs())
        .min()
        .unwrap();
    let relay = relay();
    let mut line = Line::to(&relay);
    let shown = line.page("one", json!({"until": newest})).len();
    assert_eq!(line.page("two", json!({"until": oldest})).len(), 2);
    relay.add_quirk(Quirk::ExclusiveUntil);
    assert_eq!(line.page("three", json!({"until": newest})).len(), shown - 1);
    relay.heal();
    relay.add_quirk(Quirk::IgnoresUntil);
    assert_eq!(line.page("four", json!({"until": oldest})).len(), shown);
}

#[test]
fn subscriptions_are_refused_as_the_quirk_says() {
    let relay = relay();
    relay.add_quirk(Quirk::IgnoresReusedSubs);
    relay.add_quirk(Quirk::SubCap(2));
    let mut line = Line::to(&relay);
    assert_eq!(line.page("one", json!({"limit": 1})), events_then(1, &["EOSE"]));
    assert!(line.page("one", json!({"limit": 1})).is_empty(), "a used id");
    line.page("two", json!({"limit": 1}));
    assert_eq!(line.page("three", json!({"limit": 1})), ["NOTICE"]);
    line.ask(&json!(["CLOSE", "two"]));
    assert_eq!(line.page("four", json!({"limit": 1})), events_then(1, &["EOSE"]));
}

#[test]
fn comparisons_break_as_their_quirk_says() {
    let open = json!(["NEG-OPEN", "n", {}, "6100000200"]);
    for (quirk, answer) in [
        (
            Quirk::NegErr("blocked: no"),
            json!(["NEG-ERR", "n", "blocked: no"]),
        ),
        (Quirk::NegReply("62"), json!(["NEG-MSG", "n", "62"])),
        (
            Quirk::NegCapInWords(9),
            json!(["NEG-ERR", "n", "blocked: query matches too many records (10 > 9)"]),
        ),
    ] {
        let relay = relay();
        relay.add_quirk(quirk.clone());
        assert_eq!(Line::to(&relay).ask(&open), [answer], "{quirk:?}");
    }
    for (quirk, answer) in [
        (
            Quirk::NegForgets("closed: gone"),
            json!(["NEG-ERR", "n", "closed: gone"]),
        ),
        (
            Quirk::NegCloses("closed: gone"),
            json!(["CLOSED", "n", "closed: gone"]),
        ),
    ] {
        let relay = relay();
        relay.add_quirk(quirk.clone());
        let mut line = Line::to(&relay);
        assert_eq!(line.ask(&open)[0][0], "NEG-MSG", "{quirk:?}");
        assert_eq!(
            line.ask(&json!(["NEG-MSG", "n", "6100000200"])),
            [answer],
            "{quirk:?}"
        );
    }
    let relay = relay();
    relay.add_quirk(Quirk::NegEndless);
    let mut line = Line::to(&relay);
    let first = line.ask(&open);
    assert_ne!(
        first,
        line.ask(&json!(["NEG-MSG", "n", "6100000200"])),
        "another one each time"
    );
}

#[test]
fn a_set_may_look_empty_or_hold_what_is_never_shown() {
    let relay = relay();
    let withheld = history(10)[3].id;
    relay.add_quirk(Quirk::Withholds([withheld].into()));
    assert_eq!(Line::to(&relay).page("one", json!({})), events_then(9, &["EOSE"]));
    // Ten ids of 32 bytes come back when nothing is known here, and none from a set that looks empty.
    let open = json!(["NEG-OPEN", "n", {}, "6100000200"]);
    let bytes = |answers: Vec<Value>| answers[0][2].as_str().unwrap().len() / 2;
    assert!(bytes(Line::to(&relay).ask(&open)) >= 320);
    relay.add_quirk(Quirk::NegEmpty);
    assert!(bytes(Line::to(&relay).ask(&open)) < 32);
}

#[test]
fn what_clients_send_is_kept_once_somebody_listens_and_what_is_said_reaches_them() {
    let relay = relay();
    let mut line = Line::to(&relay);
    line.page("before", json!({}));
    relay.listen();
    line.page("after", json!({}));
    assert_eq!(relay.heard(), [json!(["REQ", "after", {}]).to_string()]);
    relay.say(r#"["NOTICE","hello"]"#);
    let answers = line.ask(&json!(["CLOSE", "after"]));
    assert_eq!(answers, [json!(["NOTICE", "hello"])]);
}

/// The answer of `keys` to `challenge`.
fn proof(keys: &Keys, challenge: &str) -> Value {
    let tags = [["relay", "wss://relay.example"], ["challenge", challenge]];
    let event = EventBuilder::new(Kind::Authentication, "")
        .tags(tags.map(|tag| Tag::parse(tag).unwrap()))
        .finalize(keys)
        .unwrap();
    json!(["AUTH", event])
}

#[test]
fn a_relay_that_wants_to_know_who_asks_serves_whoever_proves_it() {
    let relay = relay();
    relay.add_quirk(Quirk::WantsAuth(WantsAuth {
        asks: Asks::BeforeRefusal,
        kinds: &[1080],
        ..WantsAuth::default()
    }));
    let keys = Keys::new(SecretKey::from_slice(&[7; 32]).unwrap());
    let stranger = Keys::new(SecretKey::from_slice(&[8; 32]).unwrap());
    let mine = json!({"kinds":[1080],"authors":[keys.public_key().to_hex()]});
    let mut line = Line::to(&relay);
    assert_eq!(line.page("other", json!({"kinds":[1]})), ["EOSE"], "not guarded");
    let refused = line.ask(&json!(["REQ", "a", mine]));
    let challenge = refused[0][1].as_str().unwrap().to_owned();
    assert_eq!(
        (&refused[0][0], &refused[1][0]),
        (&json!("AUTH"), &json!("CLOSED"))
    );
    assert!(
        refused[1][2]
            .as_str()
            .unwrap()
            .starts_with("ERROR: auth-required:")
    );
    let repeated = line.ask(&json!(["NEG-OPEN", "n", mine, "61"]));
    assert_eq!(repeated[0][1], refused[0][1], "the same challenge again");
    assert_eq!(repeated[1][0], "NEG-ERR");
    assert_eq!(line.ask(&proof(&keys, "another"))[0][2], false);
    assert_eq!(line.ask(&proof(&stranger, &challenge))[0][2], true);
    assert_eq!(
        line.page("b", mine.clone()),
        ["AUTH", "CLOSED"],
        "somebody else's"
    );
    assert_eq!(line.ask(&proof(&keys, &challenge))[0][2], true);
    assert_eq!(line.page("c", mine.clone()), events_then(10, &["EOSE"]));
    assert_eq!(
        Line::to(&relay).page("d", mine),
        ["AUTH", "CLOSED"],
        "another connection"
    );
    let heard = [keys.public_key(), stranger.public_key(), keys.public_key()];
    assert_eq!(relay.identities(), heard);
}

#[test]
fn a_challenge_can_come_at_once_and_an_answer_be_too_late() {
    let relay = relay();
    relay.add_quirk(Quirk::WantsAuth(WantsAuth {
        judges: Judges::Late,
        ..WantsAuth::default()
    }));
    let keys = Keys::new(SecretKey::from_slice(&[7; 32]).unwrap());
    let mut line = Line::to(&relay);
    let refused = line.ask(&json!(["REQ", "a", {"kinds":[1080],"authors":[keys.public_key().to_hex()]}]));
    assert_eq!(
        (&refused[0][0], &refused[1][0]),
        (&json!("AUTH"), &json!("CLOSED"))
    );
    let late = line.ask(&proof(&keys, refused[0][1].as_str().unwrap()));
    assert_eq!((&late[0][0], &late[1][2]), (&json!("AUTH"), &json!(false)));
    let other = late[0][1].as_str().unwrap();
    assert_eq!(line.ask(&proof(&keys, other))[0][2], true);
}
