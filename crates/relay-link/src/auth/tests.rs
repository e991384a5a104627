use nostr::prelude::{EventBuilder, Filter, FinalizeEvent, Keys, Kind, Tag, Timestamp};
use proptest::prelude::*;

use super::*;

const KEYRING: &[Kind] = &[Kind::Custom(1081)];

/// One connection, and the keys behind it. `1` is the account, others keep the history.
struct Lab {
    auth: Auth,
    now: Instant,
    /// Who signed what.
    signed: Vec<(u8, String)>,
    passed: Vec<RelayFrame>,
    sent: Vec<ClientFrame>,
    told: Vec<Option<String>>,
    /// What the signers say instead of signing.
    declines: Option<String>,
}

fn keys(n: u8) -> Keys {
    Keys::parse(&format!("{n:02x}").repeat(32)).unwrap()
}

fn key(n: u8) -> PublicKey {
    keys(n).public_key()
}

fn req(sub: &str, kind: u16, authors: &[u8]) -> ClientFrame {
    let authors = authors.iter().map(|n| key(*n));
    ClientFrame::Req {
        sub: sub.parse().unwrap(),
        filters: vec![Filter::new().kind(Kind::Custom(kind)).authors(authors)],
    }
}

fn neg_open(sub: &str) -> ClientFrame {
    ClientFrame::NegOpen {
        sub: sub.parse().unwrap(),
        filter: Filter::new().kind(Kind::Custom(1080)).author(key(2)),
        message: vec![0x61],
    }
}

fn event(n: u8, kind: u16) -> Event {
    EventBuilder::new(Kind::Custom(kind), "")
        .custom_created_at(Timestamp::from_secs(1))
        .finalize(&keys(n))
        .unwrap()
}

fn relay(text: &str) -> RelayFrame {
    RelayFrame::parse(text).unwrap()
}

fn closed(sub: &str) -> RelayFrame {
    relay(&format!(
        r#"["CLOSED","{sub}","ERROR: auth-required: requested filter requires authentication"]"#
    ))
}

impl Lab {
    fn new() -> Self {
        let reserved = Reserved {
            key: key(1),
            kinds: KEYRING,
        };
        Self {
            auth: Auth::new(Some(reserved)),
            now: tokio::time::Instant::now().into_std(),
            signed: Vec::new(),
            passed: Vec::new(),
            sent: Vec::new(),
            told: Vec::new(),
            declines: None,
        }
    }

    fn asks(&mut self, frame: &ClientFrame) {
        self.auth.sent(frame.clone());
    }

    fn hears(&mut self, frame: RelayFrame) {
        self.auth.heard(frame, self.now);
        self.carry_out();
    }

    fn challenged(&mut self, challenge: &str) {
        self.hears(relay(&format!(r#"["AUTH","{challenge}"]"#)));
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.auth.poll_output() {
            match output {
                Output::Sign {
                    key: wanted,
                    challenge,
                } => {
                    let who = (1..=9).find(|n| key(*n) == wanted).unwrap();
                    self.signed.push((who, challenge.clone()));
                    let asked = SignAuth {
                        relay: "wss://relay.example".parse().unwrap(),
                        challenge: challenge.clone(),
                        key: wanted,
                    };
                    let event = match &self.declines {
                        Some(why) => Err(AuthDeclined(why.clone())),
                        None => Ok(EventBuilder::new(SignAuth::KIND, "")
                            .tags(asked.tags())
                            .finalize(&keys(who))
                            .unwrap()),
                    };
                    self.auth.signed(wanted, &challenge, event, self.now);
                }
                Output::Send(frame) => self.sent.push(frame),
                Output::Pass(frame) => self.passed.push(frame),
                Output::Told(refused) => self.told.push(refused),
            }
        }
    }

    /// The relay answers the newest AUTH.
    fn verdict(&mut self, accepted: bool, reason: &str) {
        let auth = self.sent.iter().rev().find_map(|frame| match frame {
            ClientFrame::Auth(event) => Some(event.id),
            _ => None,
        });
        self.hears(RelayFrame::Ok {
            id: Some(auth.expect("an AUTH was sent")),
            accepted,
            reason: reason.to_owned(),
        });
    }

    fn waits(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.auth.handle_timeout(self.now);
        self.carry_out();
    }

    /// Frames that went out, without the AUTHs.
    fn resent(&self) -> Vec<&ClientFrame> {
        let auth = |frame: &&ClientFrame| !matches!(frame, ClientFrame::Auth(_));
        self.sent.iter().filter(auth).collect()
    }
}

#[test]
fn what_was_refused_goes_out_again_once_the_key_it_names_was_proven() {
    let asked = [
        req("a", 1080, &[2]),
        neg_open("n"),
        ClientFrame::Event(Box::new(event(2, 1080))),
    ];
    let id = event(2, 1080).id.to_hex();
    let refusals = [
        r#"["CLOSED","a","ERROR: auth-required: requested filter requires authentication"]"#.to_owned(),
        r#"["NEG-ERR","n","auth-required: requested filter requires authentication"]"#.to_owned(),
        format!(r#"["OK","{id}",false,"auth-required: who are you?"]"#),
        r#"["NOTICE","auth-required: who are you?"]"#.to_owned(),
    ];
    for (frame, refusal) in asked
        .iter()
        .zip(&refusals)
        .chain(asked.iter().map(|frame| (frame, &refusals[3])))
    {
        for challenged_first in [true, false] {
            let mut lab = Lab::new();
            lab.asks(frame);
            if challenged_first {
                lab.challenged("c");
                assert!(lab.signed.is_empty(), "a challenge alone proves nothing");
            }
            lab.hears(relay(refusal));
            if !challenged_first {
                assert!(lab.signed.is_empty() && lab.passed.is_empty());
                lab.challenged("c");
            }
            assert_eq!(lab.signed, [(2, "c".to_owned())], "{refusal}");
            assert!(lab.resent().is_empty());
            lab.verdict(true, "");
            assert_eq!(lab.resent(), [frame], "{refusal}");
            assert!(lab.passed.is_empty() && lab.told.is_empty());
        }
    }
}

#[test]
fn refused_once_more_it_goes_back_to_whoever_asked() {
    let mut lab = Lab::new();
    lab.asks(&req("a", 1080, &[2]));
    lab.challenged("c");
    lab.hears(closed("a"));
    lab.verdict(true, "");
    lab.challenged("d");
    lab.hears(closed("a"));
    assert_eq!(lab.passed, [closed("a")]);
    assert_eq!((lab.signed.len(), lab.resent().len()), (1, 1));
}

#[test]
fn a_refused_proof_gives_back_the_refusal_with_the_relays_words() {
    let mut lab = Lab::new();
    lab.challenged("c");
    lab.asks(&req("a", 1080, &[2]));
    lab.hears(closed("a"));
    lab.verdict(false, "restricted: not on the list");
    let [RelayFrame::Closed { reason, .. }] = &lab.passed[..] else {
        panic!("{:?}", lab.passed);
    };
    assert!(reason.contains("restricted: not on the list"), "{reason}");
    assert_eq!(Refusal::classify(reason, None), Refusal::AuthRequired);
    assert!(lab.told[0].as_ref().unwrap().contains("not on the list"));
    // Whatever else is refused for the same reason is not argued about.
    lab.asks(&req("b", 1080, &[2]));
    lab.hears(closed("b"));
    lab.challenged("c");
    assert_eq!((lab.passed.len(), lab.signed.len()), (2, 1));
    assert!(lab.resent().is_empty());
}

#[test]
fn a_signer_that_says_no_is_asked_once_for_each_challenge() {
    let mut lab = Lab::new();
    lab.declines = Some("the signer refused".to_owned());
    lab.challenged("c");
    for sub in ["a", "b", "c"] {
        lab.asks(&req(sub, 1081, &[1]));
        lab.hears(closed(sub));
    }
    assert_eq!((lab.signed.len(), lab.passed.len()), (1, 3));
    assert_eq!(lab.told, [Some("the signer refused".to_owned())]);
    lab.challenged("d");
    lab.asks(&req("d", 1081, &[1]));
    lab.hears(closed("d"));
    assert_eq!(lab.signed.len(), 2);
}

#[test]
fn many_refusals_cost_one_proof() {
    let mut lab = Lab::new();
    lab.challenged("c");
    let frames: Vec<ClientFrame> = ["a", "b", "c", "d"].map(|sub| req(sub, 1080, &[2])).into();
    for frame in &frames {
        lab.asks(frame);
    }
    for sub in ["a", "b", "c"] {
        lab.hears(closed(sub));
        lab.challenged("c");
    }
    lab.verdict(true, "");
    lab.hears(closed("d"));
    assert_eq!(lab.signed.len(), 1);
    assert_eq!(lab.resent(), frames[..3].iter().collect::<Vec<_>>());
    assert_eq!(lab.passed, [closed("d")], "refused although it was proven");
}

#[test]
fn a_challenge_that_expired_is_answered_anew() {
    let mut lab = Lab::new();
    lab.challenged("old");
    lab.asks(&req("a", 1080, &[2]));
    lab.hears(closed("a"));
    lab.challenged("new");
    lab.verdict(false, "invalid: challenge expired");
    assert_eq!(lab.signed, [(2, "old".to_owned()), (2, "new".to_owned())]);
    lab.verdict(true, "");
    assert_eq!((lab.resent().len(), lab.told.len()), (1, 0), "nobody has to know");
}

#[test]
fn a_relay_that_never_challenges_or_never_answers_holds_nothing_up() {
    let mut lab = Lab::new();
    lab.asks(&req("a", 1080, &[2]));
    lab.hears(closed("a"));
    assert_eq!(lab.auth.poll_timeout(), Some(lab.now + CHALLENGE_DEADLINE));
    lab.waits(4);
    assert!(lab.passed.is_empty());
    lab.waits(1);
    assert_eq!(lab.passed, [closed("a")]);
    lab.challenged("c");
    assert!(lab.signed.is_empty(), "nobody waits for it any more");
    lab.asks(&req("b", 1080, &[2]));
    lab.hears(closed("b"));
    lab.waits(10);
    assert_eq!(lab.passed.len(), 2);
    assert!(lab.told[0].as_ref().unwrap().contains("did not answer"));
    assert_eq!(lab.auth.poll_timeout(), None);
}

#[test]
fn a_session_that_had_begun_is_given_back_and_the_next_one_is_let_in() {
    let mut lab = Lab::new();
    lab.challenged("c");
    lab.asks(&neg_open("n"));
    lab.hears(relay(r#"["NEG-MSG","n","61"]"#));
    lab.hears(relay(r#"["NEG-ERR","n","auth-required: x"]"#));
    assert_eq!(lab.passed.len(), 2, "its answer, and that it is over");
    assert_eq!(lab.signed.len(), 1);
    lab.verdict(true, "");
    assert!(lab.resent().is_empty());
}

#[test]
fn one_key_that_is_refused_stops_no_other() {
    let mut lab = Lab::new();
    lab.challenged("c");
    lab.asks(&req("keyring", 1081, &[1]));
    lab.hears(closed("keyring"));
    lab.verdict(false, "restricted: not this one");
    let history = req("history", 1080, &[2]);
    lab.asks(&history);
    lab.hears(closed("history"));
    lab.verdict(true, "");
    assert_eq!(lab.resent(), [&history]);
    assert_eq!(lab.told.len(), 1, "the keyring is still out of reach");
}

#[test]
fn what_its_owner_closed_is_not_sent_again() {
    let mut lab = Lab::new();
    lab.challenged("c");
    lab.asks(&req("a", 1080, &[2]));
    lab.hears(closed("a"));
    lab.asks(&ClientFrame::Close {
        sub: "a".parse().unwrap(),
    });
    lab.verdict(true, "");
    assert!(lab.resent().is_empty() && lab.passed.is_empty());
}

#[test]
fn restricted_after_a_proof_is_an_answer() {
    let mut lab = Lab::new();
    lab.challenged("c");
    lab.asks(&req("a", 1080, &[2]));
    lab.hears(closed("a"));
    lab.verdict(true, "");
    let restricted = relay(r#"["CLOSED","a","restricted: not yours"]"#);
    lab.hears(restricted.clone());
    assert_eq!(lab.passed, [restricted]);
}

#[test]
fn the_account_is_proven_for_keyrings_only() {
    let mut lab = Lab::new();
    lab.challenged("c");
    let mixed = ClientFrame::Req {
        sub: "mixed".parse().unwrap(),
        filters: vec![
            Filter::new().kind(Kind::Custom(1081)).author(key(1)),
            Filter::new().kind(Kind::Custom(1080)).author(key(2)),
        ],
    };
    let any_kind = ClientFrame::Req {
        sub: "any".parse().unwrap(),
        filters: vec![Filter::new().author(key(1))],
    };
    for frame in [&req("history", 1080, &[1]), &any_kind, &mixed] {
        lab.asks(frame);
    }
    for sub in ["history", "any", "mixed"] {
        lab.hears(closed(sub));
    }
    assert_eq!(lab.signed, [(2, "c".to_owned())]);
    assert_eq!(lab.passed, [closed("history"), closed("any")]);
    lab.asks(&req("keyring", 1081, &[1]));
    lab.hears(closed("keyring"));
    assert_eq!(lab.signed.last(), Some(&(1, "c".to_owned())));
}

#[test]
fn whom_a_message_is_for_stands_behind_a_filter_without_authors() {
    let mut lab = Lab::new();
    lab.challenged("c");
    lab.asks(&ClientFrame::Req {
        sub: "a".parse().unwrap(),
        filters: vec![Filter::new().kind(Kind::NostrConnect).pubkey(key(3))],
    });
    lab.hears(closed("a"));
    assert_eq!(lab.signed, [(3, "c".to_owned())]);
}

#[test]
fn a_relay_that_never_answers_does_not_fill_memory() {
    let mut auth = Auth::new(None);
    for n in 0..2_000 {
        auth.sent(req(&format!("s{n}"), 1080, &[2]));
        auth.sent(neg_open(&format!("n{n}")));
    }
    assert!(auth.kept.unanswered().len() <= 2 * 256);
    assert!(auth.kept.contains(&Asked::Req("s1999".parse().unwrap())));
}

#[test]
fn the_event_to_sign_names_the_relay_and_its_challenge() {
    let asked = SignAuth {
        relay: "WSS://Relay.Example:443/".parse().unwrap(),
        challenge: "prove it".to_owned(),
        key: key(2),
    };
    let unsigned = asked.unsigned(1_700_000_000);
    assert_eq!(unsigned.kind, Kind::Custom(22242));
    let tags: Vec<&[String]> = unsigned.tags.iter().map(Tag::as_slice).collect();
    assert_eq!(
        tags,
        [["relay", "wss://relay.example"], ["challenge", "prove it"]]
    );
}

/// One thing that happens on a connection.
#[derive(Debug, Clone)]
enum Happens {
    Asks(u8, u16, Vec<u8>),
    Sends(u8, u16),
    Challenge(u8),
    Refuses(u8),
    Notice,
    Verdict(bool),
    Waits(u64),
}

fn happenings() -> impl Strategy<Value = Happens> {
    let kind = prop_oneof![Just(1080_u16), Just(1081), Just(5)];
    prop_oneof![
        (0..4_u8, kind.clone(), prop::collection::vec(1..4_u8, 0..3))
            .prop_map(|(sub, kind, authors)| Happens::Asks(sub, kind, authors)),
        (1..4_u8, kind).prop_map(|(author, kind)| Happens::Sends(author, kind)),
        (0..3_u8).prop_map(Happens::Challenge),
        (0..4_u8).prop_map(Happens::Refuses),
        Just(Happens::Notice),
        any::<bool>().prop_map(Happens::Verdict),
        (0..20_u64).prop_map(Happens::Waits),
    ]
}

proptest! {
    /// Whatever a relay says, in whatever order: no key signs a challenge twice in a row, and the account signs only
    /// while a keyring is asked for or sent.
    #[test]
    fn no_relay_gets_more_proof_than_it_may(story in prop::collection::vec(happenings(), 0..60)) {
        let mut lab = Lab::new();
        let mut keyrings = false;
        for happens in story {
            match happens {
                Happens::Asks(sub, kind, authors) => {
                    keyrings |= kind == 1081 && authors.contains(&1);
                    lab.asks(&req(&format!("s{sub}"), kind, &authors));
                }
                Happens::Sends(author, kind) => {
                    keyrings |= kind == 1081 && author == 1;
                    lab.asks(&ClientFrame::Event(Box::new(event(author, kind))));
                }
                Happens::Challenge(n) => lab.challenged(&format!("c{n}")),
                Happens::Refuses(sub) => lab.hears(closed(&format!("s{sub}"))),
                Happens::Notice => lab.hears(relay(r#"["NOTICE","auth-required: x"]"#)),
                Happens::Verdict(accepted) => {
                    if lab.sent.iter().any(|frame| matches!(frame, ClientFrame::Auth(_))) {
                        lab.verdict(accepted, "");
                    }
                }
                Happens::Waits(seconds) => lab.waits(seconds),
            }
            prop_assert!(keyrings || lab.signed.iter().all(|(who, _)| *who != 1));
        }
        for who in 1..4 {
            let mine: Vec<&String> = lab.signed.iter().filter(|(n, _)| *n == who).map(|(_, c)| c).collect();
            prop_assert!(mine.len() <= SIGNATURES_MAX as usize);
            prop_assert!(mine.windows(2).all(|two| two[0] != two[1]), "{mine:?}");
        }
        // Nothing waits for ever.
        lab.waits(20);
        lab.waits(20);
        prop_assert_eq!(lab.auth.poll_timeout(), None);
        prop_assert_eq!(lab.auth.kept.held().count(), 0);
    }
}
